package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// mine publishes a record of p's own into one of its datasets.
func (p *partner) mine(dataset, id string) {
	p.t.Helper()
	set, err := p.node.datasetFor(p.actor(), dataset)
	if err != nil {
		p.t.Fatal(err)
	}
	r := &hansa.Record{}
	if err := json.Unmarshal([]byte(strings.Replace(goodRecord, `"id":"a"`, `"id":"`+id+`"`, 1)), r); err != nil {
		p.t.Fatal(err)
	}
	if _, refused, err := p.node.line.take(p.t.Context(), set, []*hansa.Record{r}, foreign, nil); err != nil || refused[0] != nil {
		p.t.Fatal(err, refused)
	}
}

// holds reports whether p has a record in one of its datasets.
func (p *partner) holds(dataset, id string) bool {
	p.t.Helper()
	set, err := p.node.datasetFor(p.actor(), dataset)
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = p.node.stream.Of(p.id).Get(p.t.Context(), set.ID, id)
	if err != nil && hansa.KindOf(err) != hansa.NotFound {
		p.t.Fatal(err)
	}
	return err == nil
}

// loses waits until p has a record no more.
func (p *partner) loses(dataset, id string) {
	p.t.Helper()
	for range 400 {
		if !p.holds(dataset, id) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Fatalf("%s has %s in %s still; problems: %v", p.name, id, dataset, p.node.problems)
}

// leftToErase lists what p has to erase or to certify yet.
func (p *partner) leftToErase() (out []*holding) {
	p.t.Helper()
	err := p.node.db.Read(p.t.Context(), func(tx hansa.Tx) (err error) {
		out, err = readHoldings(tx, `WHERE due > 0`)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// exchanged are a city and a company under an accord in force, each with a record of the
// other's.
func exchanged(t *testing.T) (city, company *partner, id hansa.AccordID) {
	t.Helper()
	all := signatories(t, "city", "nav")
	knowsAll(all...)
	city, company = all[0], all[1]
	id = agree(t, terms(t, city, company), city, company)
	city.publish("from-city")
	company.publish("from-nav")
	company.has("closures-from-city", "from-city")
	city.has("closures-from-nav", "from-nav")
	return city, company, id
}

// A node that was away when its accord ended erases what it was given when it is back,
// and certifies it once: what it was not given by the accord stays.
func TestExitErasesAfterAPause(t *testing.T) {
	city, company, id := exchanged(t)
	company.mine("closures-from-city", "own")
	company.stop()
	city.ends(id)
	city.loses("closures-from-nav", "from-nav")
	company.returns()
	company.loses("closures-from-city", "from-city")
	for _, p := range []*partner{city, company} {
		d := p.comes(id, "both certificates", func(d api.AccordDetail) bool { return len(d.Erasures) == 2 })
		for _, e := range d.Erasures {
			if e.Rule != "erase" || e.Records != 1 || e.Versions != 1 || len(e.Flows) != 1 || e.Clause == "" || e.Backups != "" {
				t.Errorf("%s sees %+v", p.name, e)
			}
		}
	}
	if !company.holds("closures-from-city", "own") || !company.holds("closures", "from-nav") || !city.holds("closures", "from-city") {
		t.Error("what nobody gave by the accord was erased")
	}
	for range 100 {
		if len(city.leftToErase())+len(company.leftToErase()) == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if a, b := city.leftToErase(), company.leftToErase(); len(a)+len(b) > 0 {
		t.Errorf("left to do: %+v, %+v", a, b)
	}
	list, err := company.node.accords.Entries(t.Context(), company.id, id)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range list {
		if m, _, err := readAccordMessage(list[i].Message); err == nil && m.Kind == accord.Erased {
			n++
		}
	}
	acts, err := company.node.journal.ActsOf(t.Context(), company.id, "exit-carried-out")
	if err != nil || n != 2 || len(acts) != 1 || !strings.Contains(string(acts[0].Doc), string(id)) {
		t.Errorf("%d certificates and %d acts (%v), want 2 and 1", n, len(acts), err)
	}
}

// What came by an accord with a last day goes when that is over, without a word of
// anybody; under the rule keep it stays.
func TestExitByTheLastDay(t *testing.T) {
	city, nav := two(t)
	gone := newPact(t, city.id, nav.id).clause("purpose-limit", policy.Params{"purposes": "planning"})
	gone.text.Term.Exit, gone.state.Ends = "erase", time.Now().Add(6*time.Second).UTC()
	gone.flow("closures", city.id, nav.id)
	stays := newPact(t, city.id, nav.id).clause("purpose-limit", policy.Params{"purposes": "planning"}).version("two")
	stays.state.ID, stays.state.Ends = hansa.AccordID(named("test", "stays")), gone.state.Ends
	kept := stays.flow("closures-kept", city.id, nav.id)
	kept.ID = hansa.FlowID(named("test-flow", "stays"))
	gone.on(city.node, city.id)
	gone.on(nav.node, nav.id)
	city.publish("one")
	nav.has("closures-from-city", "one")
	stays.on(city.node, city.id)
	stays.on(nav.node, nav.id)
	other := stays.pledge(nav.node, nav.id, kept.ID).Fills
	if other == "closures-from-city" {
		t.Fatal("two accords fill one dataset: one cannot end without the other")
	}
	nav.has(other, "one")
	nav.loses("closures-from-city", "one")
	for range 400 {
		if stays.pledge(nav.node, nav.id, kept.ID).State == pledgeClosed && len(nav.leftToErase()) == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if p := stays.pledge(nav.node, nav.id, kept.ID); p.State != pledgeClosed || !nav.holds(other, "one") {
		t.Errorf("by the rule keep: %s, it is there: %v", p.State, nav.holds(other, "one"))
	}
}

// Who leaves a pool erases what it was given, the others what it gave, and nothing else.
func TestExitOfOneThatLeaves(t *testing.T) {
	all := signatories(t, "city", "nav", "west")
	city, nav, west := all[0], all[1], all[2]
	knowsAll(all...)
	x := newPact(t, city.id, nav.id, west.id).clause("purpose-limit", policy.Params{"purposes": "planning"})
	x.text.Model, x.text.Term.Exit = hansa.ModelPool, "erase"
	x.flow("from-city", city.id, accord.Members)
	x.flow("from-nav", nav.id, accord.Members)
	for _, p := range all {
		x.on(p.node, p.id)
	}
	city.publish("one")
	nav.publish("two")
	for _, has := range []struct {
		p           *partner
		dataset, id string
	}{{nav, "closures-from-city", "one"}, {west, "closures-from-city", "one"}, {west, "closures-from-nav", "two"}, {city, "closures-from-nav", "two"}} {
		has.p.has(has.dataset, has.id)
	}
	x.state.Members = []accord.Member{{Party: accord.Party{ID: nav.id}, Left: time.Now()}}
	for _, p := range all {
		err := p.node.deal.write(t.Context(), false, func(tx hansa.Tx, w *work) error {
			return p.node.accordEffects(tx, w, p.id, &x.state, &x.text, []accord.Effect{accord.MemberOut{Party: nav.id}, accord.Stop{Party: nav.id, Final: true}, accord.ExitBegins{Rule: "erase", Party: nav.id}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	nav.loses("closures-from-city", "one")
	west.loses("closures-from-nav", "two")
	city.loses("closures-from-nav", "two")
	if !west.holds("closures-from-city", "one") {
		t.Error("what one that stays gave to another was erased")
	}
	for _, p := range all {
		var list []*holding
		err := p.node.db.Read(t.Context(), func(tx hansa.Tx) (err error) {
			list, err = readHoldings(tx, `WHERE own = ?`, string(p.id))
			return err
		})
		if err != nil || slices.ContainsFunc(list, func(h *holding) bool { return h.From != nav.id && p != nav }) {
			t.Errorf("%s: %v, %v", p.name, list, err)
		}
	}
}

// What a transfer brings after it was stopped is not taken.
func TestExitTakesNothingLate(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	knowsAll(all...)
	id := agree(t, terms(t, city, company), city, company)
	city.publish("one")
	company.has("closures-from-city", "one")
	var f *fetch
	company.node.deal.mu.Lock()
	for _, x := range company.node.deal.fetches {
		f = x
	}
	company.node.deal.mu.Unlock()
	event := fetchedEvent{Cursor: "late", Record: "late", Version: 1, MediaType: hansa.MediaTypeRecord, Data: []byte(strings.Replace(goodRecord, `"id":"a"`, `"id":"late"`, 1))}
	city.acts(id, accord.Suspend, api.AccordAct{Words: "under repair"})
	company.untilTransfer(f.t.ID, "SUSPENDED")
	late := &fetch{d: f.d, t: f.t} // the other may run still
	if err := late.take(t.Context(), []fetchedEvent{event}, "late"); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("got %v, want a conflict", err)
	}
	if company.holds("closures-from-city", "late") {
		t.Error("it was taken")
	}
}

// Of a flow that was refused all its life nothing came: its receiver's node says so in
// its certificate, and nobody is shown as owing one.
func TestExitOfWhatNeverCame(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, nav := all[0], all[1]
	knowsAll(all...)
	text := terms(t, city, nav)
	i := slices.IndexFunc(policy.Clauses(), func(c *policy.Clause) bool { return c.Blocks && c.ID != "trade-secrets" })
	refused := text.Flows[0]
	c, err := accord.NewClause(policy.Clauses()[i], policy.Clauses()[i].Examples(), []hansa.FlowID{refused.ID}, text.Languages)
	if err != nil {
		t.Fatal(err)
	}
	text.Clauses = append(text.Clauses, c)
	id := agree(t, text, city, nav)
	city.ends(id)
	for _, p := range all {
		d := p.comes(id, "both certificates", func(d api.AccordDetail) bool { return len(d.Owed) == 0 && len(d.Erasures) == 2 })
		for _, e := range d.Erasures {
			if e.By == refused.To && (!slices.Contains(e.Flows, refused.ID) || e.Records != 0) {
				t.Errorf("%s sees %+v of %s", p.name, e, refused.ID)
			}
		}
	}
}
