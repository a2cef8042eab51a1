package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// keeps is how a clause stands by a party's own node; the first row of by, empty is any.
func (p *partner) keeps(id hansa.AccordID, clause string, by hansa.PartyID) api.ClauseKept {
	p.t.Helper()
	k, err := trials{p.node}.AccordKept(p.t.Context(), p.actor(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range k.Clauses {
		if c := &k.Clauses[i]; c.ID == clause && (by == "" || slices.Contains(c.By, by)) {
			for _, x := range c.By {
				if k.Titles[x] == "" {
					p.t.Errorf("%s does not say what the accord calls %s", p.name, x)
				}
			}
			return *c
		}
	}
	p.t.Fatalf("%s has no row of %s by %s in %+v", p.name, clause, by, k.Clauses)
	return api.ClauseKept{}
}

// keptAs wants a clause to stand so, with those counts.
func (p *partner) keptAs(id hansa.AccordID, clause string, by hansa.PartyID, standing policy.Standing, counts ...int64) {
	p.t.Helper()
	if c := p.keeps(id, clause, by); c.Standing != standing.String() || !slices.Equal(c.Counts, counts) {
		p.t.Errorf("%s says of %s: %s %v (%s), want %s %v", p.name, clause, c.Standing, c.Counts, c.Words, standing, counts)
	}
}

// told posts receipts for a flow as its receiver does.
func (p *partner) told(flow hansa.FlowID, by hansa.PartyID, list ...string) {
	p.t.Helper()
	var raw [][]byte
	for _, s := range list {
		raw = append(raw, []byte(s))
	}
	c, err := p.node.line.course(flow)
	if err != nil {
		p.t.Fatal(err)
	}
	answers, err := p.node.book.Post(p.t.Context(), &c.flow, by, raw)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range answers {
		if a.Err != nil {
			p.t.Fatal(a.Err)
		}
	}
}

// TestMeasured: the catalogue says of the very checks that they are measured for which
// there are measures here.
func TestMeasured(t *testing.T) {
	for _, c := range policy.Clauses() {
		how := false
		if c.Test != nil {
			_, how = measuring[c.Test.Measures[0]]
		}
		if how != c.Measured() {
			t.Errorf("the check of %s is measured: %t, the catalogue says %t", c.ID, how, c.Measured())
		}
	}
}

// What is agreed is held against what this node gave, was given and was told, day by day
// and month by month; what only the other side can know stays unknown, and nothing is
// missed before it is due.
func TestAccordKept(t *testing.T) {
	all := signatories(t, "city", "nav")
	knowsAll(all...)
	city, company := all[0], all[1]
	text := terms(t, city, company)
	gives := text.Flows[0].ID
	add := func(id string, flow hansa.FlowID, params policy.Params) {
		entry, ok := policy.ClauseByID(id)
		if !ok {
			t.Fatalf("there is no clause %s", id)
		}
		c, err := accord.NewClause(entry, params, []hansa.FlowID{flow}, text.Languages)
		if err != nil {
			t.Fatal(err)
		}
		text.Clauses = append(slices.DeleteFunc(text.Clauses, func(c accord.Clause) bool { return c.ID == id }), c)
	}
	add("acknowledge-within", gives, policy.Params{"seconds": "1", "percent": "60"})
	add("include-in-service", gives, policy.Params{"minutes": "1", "percent": "95"})
	add("clear-within", gives, policy.Params{"minutes": "1", "percent": "95"})
	add("return-flow", gives, policy.Params{"dataset": "closures", "records": "2"})
	add("precision-limit", gives, policy.Params{"decimals": "4"})
	draft, err := trials{city.node}.AccordKept(t.Context(), city.actor(), city.drafts(text))
	if err != nil || draft.Version != "" || len(draft.Clauses) > 0 {
		t.Errorf("a draft is kept: %+v, %v", draft, err)
	}
	text.ID = hansa.AccordID(hansa.NewID(time.Now()))
	id := agree(t, text, city, company)

	city.keptAs(id, "acknowledge-within", company.id, policy.Unknown, 0, 0)
	city.keptAs(id, "each-side-gives", "", policy.Unknown, 0, 0)
	city.publish("one")
	city.publish("two")
	company.publish("from-nav")
	company.has("closures-from-city", "two")
	city.has("closures-from-nav", "from-nav")
	rungs, _, err := city.node.book.OfFlow(t.Context(), gives, time.Time{})
	if err != nil || len(rungs) != 2 {
		t.Fatalf("%d ladders, %v", len(rungs), err)
	}
	for i := range rungs {
		after := 300 * time.Millisecond
		if rungs[i].Record == "two" {
			after = 3 * time.Second
		}
		for _, step := range []string{"acknowledged", "live"}[:2-i%2] {
			city.told(gives, rungs[i].Party, fmt.Sprintf(`{"record":%q,"version":1,"step":%q,"at":%q}`, rungs[i].Record, step, rungs[i].Offered.Add(after).Format(time.RFC3339Nano)))
		}
	}
	city.keptAs(id, "acknowledge-within", company.id, policy.Missed, 1, 2)
	city.keptAs(id, "include-in-service", company.id, policy.Kept, 1, 1) // the other is not due yet
	city.keptAs(id, "clear-within", company.id, policy.Unknown, 0, 0)
	city.keptAs(id, "return-flow", company.id, policy.Unknown, 1) // the month is not over
	city.keptAs(id, "each-side-gives", "", policy.Kept, 2, 1)
	city.keptAs(id, "public-register", "", policy.Kept)
	city.keptAs(id, "precision-limit", city.id, policy.Kept, 2, 2) // each is cut to it
	company.keptAs(id, "acknowledge-within", company.id, policy.Unknown)
	company.keptAs(id, "return-flow", company.id, policy.Unknown, 1)
	company.keptAs(id, "each-side-gives", "", policy.Kept, 1, 2)
	company.keptAs(id, "precision-limit", city.id, policy.Kept)
	if c := city.keeps(id, "security", ""); c.How != api.KeptOnTrust {
		t.Errorf("security: %+v", c)
	}
	c := city.keeps(id, "acknowledge-within", company.id)
	if n := len(c.Days); n != keptDays || c.Days[n-1].All+c.Days[n-2].All != 2 {
		t.Errorf("the days: %+v", c.Days)
	}
	company.publish("from-nav-2")
	city.has("closures-from-nav", "from-nav-2")
	city.keptAs(id, "return-flow", company.id, policy.Kept, 2)

	if c := city.keeps(id, "exit-erase", company.id); c.Standing != policy.Unknown.String() || !c.Due.IsZero() {
		t.Errorf("before the end: %+v", c)
	}
	if _, err := city.node.accords.ActAccord(t.Context(), city.actor(), id, accord.End, api.AccordAct{Notice: "2020-01-01", Role: "alderman", Power: "mandate"}); hansa.KindOf(err) != hansa.Invalid || !strings.Contains(hansa.Public(err).Field, "notice") {
		t.Errorf("an end years ago: %v", err)
	}
	company.stop()
	if d := city.ends(id); d.Early == nil || d.Early.Allowed || d.Early.Notice != 30 || d.Early.Clause < 1 || text.Clauses[d.Early.Clause-1].ID != "notice" {
		t.Errorf("an end before the notice is over: %+v", d.Early)
	}
	if c := city.keeps(id, "exit-erase", company.id); c.Standing != policy.Unknown.String() || c.Due.IsZero() {
		t.Errorf("after the end: %+v", c)
	}
	company.returns()
	city.comes(id, "both certificates", func(d api.AccordDetail) bool { return len(d.Erasures) == 2 })
	city.keptAs(id, "exit-erase", company.id, policy.Kept)
	stranger := city.actor()
	stranger.Party = "did:web:stranger.example"
	if _, err := (trials{city.node}).AccordKept(t.Context(), stranger, id); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("a stranger: %v", err)
	}
}
