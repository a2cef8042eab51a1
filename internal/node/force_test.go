package node

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// pact is an accord as its entries left it, without the entries.
type pact struct {
	t     *testing.T
	state accord.State
	text  accord.Text
}

func newPact(t *testing.T, parties ...hansa.PartyID) *pact {
	t.Helper()
	x := &pact{t: t, state: accord.State{ID: "01930000-0000-7000-8000-000000000001", State: hansa.AccordInForce, Effect: time.Now().Add(-time.Hour).UTC()}}
	pack := policy.Packs()[0]
	x.text = accord.Text{
		Format: accord.Format, ID: x.state.ID, Version: 1, Title: accord.Words{"en": "one"}, Model: hansa.ModelPartnership, Languages: []string{"en"},
		Pack: accord.Pack{ID: pack.Name(), Hash: pack.Hash()}, Term: accord.Term{From: "2020-01-01", Zone: "Europe/Amsterdam", Exit: "keep"},
	}
	for _, id := range parties {
		x.text.Parties = append(x.text.Parties, accord.Party{ID: id, Title: string(id), Kind: hansa.City, Role: hansa.RoleBoth})
	}
	return x.version("one")
}

// version makes another version of the text, which [pact.on] puts in force.
func (x *pact) version(name string) *pact {
	x.text.Title = accord.Words{"en": name}
	return x
}

// flow adds a flow of closures.
func (x *pact) flow(name string, from, to hansa.PartyID) *accord.Flow {
	x.text.Flows = append(x.text.Flows, accord.Flow{ID: hansa.FlowID("01930000-0000-7000-8000-0000000001" + strconv.Itoa(10+len(x.text.Flows))), Name: name, From: from, To: to, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record", "geojson"}})
	return &x.text.Flows[len(x.text.Flows)-1]
}

// clause adds a clause of the catalogue.
func (x *pact) clause(id string, params policy.Params, flows ...hansa.FlowID) *pact {
	x.t.Helper()
	c, ok := policy.ClauseByID(id)
	if !ok {
		x.t.Fatalf("there is no clause %s", id)
	}
	made, err := accord.NewClause(c, params, flows, x.text.Languages)
	if err != nil {
		x.t.Fatal(err)
	}
	x.text.Clauses = append(x.text.Clauses, made)
	return x
}

// on puts the accord in force at parties of a node, as it stands now.
func (x *pact) on(n *Node, parties ...hansa.PartyID) {
	x.t.Helper()
	x.stand()
	for _, own := range parties {
		err := n.deal.write(x.t.Context(), false, func(tx hansa.Tx, w *work) error {
			return n.accordEffects(tx, w, own, &x.state, &x.text, []accord.Effect{accord.Force{Hash: x.state.Force}})
		})
		if err != nil {
			x.t.Fatal(err)
		}
	}
}

// stand has the state name the version that the text is, unless none is in force.
func (x *pact) stand() {
	x.t.Helper()
	if x.state.State == hansa.AccordSigned {
		return
	}
	hash, err := x.text.Hash()
	if err != nil {
		x.t.Fatal(err)
	}
	x.state.Force, x.state.Proposed = hash, hash
}

func (x *pact) pledge(n *Node, own hansa.PartyID, id hansa.FlowID) (p *pledge) {
	x.t.Helper()
	err := n.db.Read(x.t.Context(), func(tx hansa.Tx) (err error) {
		p, err = onePledge(tx, `WHERE own = ? AND id = ?`, string(own), string(id))
		return err
	})
	if err != nil || p == nil {
		x.t.Fatalf("pledge %s: %v, %v", id, p, err)
	}
	return p
}

// reads asks for a flow as its receiver does.
func (w *running) reads(t *testing.T, flow hansa.FlowID, purpose string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/data/v1/flows/"+string(flow)+"/snapshot?format=record", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.take)
	req.Header.Set("Hansa-Purpose", purpose)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// Between two parties of one node the accord opens the gate, suspending shuts it at
// once, and its end shuts it for ever.
func TestAccordOpensAndShutsTheGate(t *testing.T) {
	w := run(t)
	w.publish("a")
	x := newPact(t, "did:web:city", "did:web:nav").clause("purpose-limit", policy.Params{"purposes": "traffic-information"}).clause("licence", policy.Params{"licence": "CC-BY-4.0"})
	f := x.flow("closures", "did:web:city", "did:web:nav")
	x.on(w.node, "did:web:city", "did:web:nav")
	code, head, text := w.reads(t, f.ID, "traffic-information")
	if code != 200 || !strings.Contains(text, `"id":"a"`) || !strings.Contains(head.Get("Hansa-Basis"), `accord;id="`+string(x.state.ID)) || !strings.Contains(head.Get("Hansa-Basis"), x.state.Force) || head.Get("Hansa-Licence") != "CC-BY-4.0" {
		t.Fatalf("got %d %v %s", code, head, text)
	}
	if code, _, text := w.reads(t, f.ID, "resale"); code != 403 || !strings.Contains(text, "purpose") {
		t.Fatalf("a purpose outside the accord: got %d %s", code, text)
	}
	for _, own := range []hansa.PartyID{"did:web:city", "did:web:nav"} {
		if p := x.pledge(w.node, own, f.ID); p.State != pledgeOpen || p.Agreement == "" {
			t.Errorf("%s: got %+v", own, p)
		}
	}
	x.state.State, x.state.Suspended = hansa.AccordSuspended, []accord.Suspension{{Party: "did:web:nav", At: time.Now()}}
	x.on(w.node, "did:web:city", "did:web:nav")
	if code, _, text := w.reads(t, f.ID, "traffic-information"); code != 403 || !strings.Contains(text, "the flow is paused (GATE-09)") {
		t.Fatalf("suspended: got %d %s", code, text)
	}
	x.state.State, x.state.Suspended = hansa.AccordInForce, nil
	x.version("two").on(w.node, "did:web:city", "did:web:nav")
	if code, head, text := w.reads(t, f.ID, "traffic-information"); code != 200 || !strings.Contains(head.Get("Hansa-Basis"), x.state.Force) {
		t.Fatalf("resumed in a new version: got %d %v %s", code, head, text)
	}
	x.state.State, x.state.End = hansa.AccordEnded, hansa.EndEnded
	x.on(w.node, "did:web:city", "did:web:nav")
	w.stop()
	w.start()
	x.on(w.node, "did:web:city", "did:web:nav")
	if code, _, text := w.reads(t, f.ID, "traffic-information"); code != 403 || !strings.Contains(text, "the accord of this flow has ended (GATE-09)") {
		t.Fatalf("ended: got %d %s", code, text)
	}
	c, err := w.node.line.course(f.ID)
	if err != nil || !c.flow.Paused || c.flow.Terms.Until.IsZero() || c.flow.Terms.Until.After(time.Now()) {
		t.Errorf("got %+v, %v; want a flow that is shut for ever", c, err)
	}
}

// A flow refuses to start by name, and waits for what is missing.
func TestAccordFlowRefusesToStart(t *testing.T) {
	w := run(t)
	for name, change := range map[string]struct {
		do   func(x *pact, f *accord.Flow)
		says string
	}{
		"k":              {func(x *pact, _ *accord.Flow) { x.clause("k-threshold", policy.Params{"k": "10"}) }, "k-threshold"},
		"personal":       {func(_ *pact, f *accord.Flow) { f.Personal = &accord.Personal{Roles: "joint", Retention: 30} }, "legal basis"},
		"other receiver": {func(x *pact, _ *accord.Flow) { x.clause("receivers", policy.Params{"parties": "did:web:other"}) }, "did:web:other"},
		"no dataset":     {func(_ *pact, f *accord.Flow) { f.Dataset.Name = "nothing" }, "no dataset"},
		"other kind": {func(_ *pact, f *accord.Flow) {
			f.Dataset.Kind, f.Formats = hansa.KindObservation, []hansa.Format{"record"}
		}, "another kind"},
		"no format": {func(_ *pact, f *accord.Flow) { f.Dataset.Kind, f.Formats = hansa.KindDocument, []hansa.Format{"cifs"} }, "can carry"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newPact(t, "did:web:city", "did:web:nav").clause("purpose-limit", policy.Params{"purposes": "traffic-information"})
			x.state.ID = hansa.AccordID(named("test", name))
			f := x.flow("refused-"+strings.ReplaceAll(name, " ", "-"), "did:web:city", "did:web:nav")
			f.ID = hansa.FlowID(named("test-flow", name))
			change.do(x, f)
			x.on(w.node, "did:web:city")
			if p := x.pledge(w.node, "did:web:city", f.ID); p.State != pledgeRefused || !strings.Contains(p.Why, change.says) {
				t.Errorf("got %s %q, want a refusal that says %q", p.State, p.Why, change.says)
			}
			if c, err := w.node.line.course(f.ID); err == nil {
				t.Errorf("it has a gate: %+v", c.flow)
			}
		})
	}
}

// A marked field leaves only once the receiver's measures are confirmed.
func TestAccordMarkedFieldWaits(t *testing.T) {
	w := run(t)
	marked := strings.Replace(goodRecord, `"situation":{`, `"situation":{"cause":{"type":"vehicle-fire"},"texts":[{"lang":"en","value":"closed"}],`, 1)
	if code, text, _ := w.call("POST", "/data/v1/datasets/closures/records", w.give, "application/json", marked); code != 200 {
		t.Fatalf("publish: %d %s", code, text)
	}
	x := newPact(t, "did:web:city", "did:web:nav").clause("purpose-limit", policy.Params{"purposes": "traffic-information"}).clause("trade-secrets", nil)
	f := x.flow("closures", "did:web:city", "did:web:nav")
	f.Marked = []accord.Mark{{Field: "cause", As: "trade-secret", Measures: "encryption at rest"}, {Field: "texts", As: "trade-secret", Measures: "none outside"}}
	x.on(w.node, "did:web:city")
	if code, _, text := w.reads(t, f.ID, "traffic-information"); code != 200 || !strings.Contains(text, `"id":"a"`) || strings.Contains(text, `"cause"`) || strings.Contains(text, `"texts"`) {
		t.Fatalf("before: got %d %s", code, text)
	}
	x.state.Confirmed = []accord.Confirmation{{Flow: f.ID, By: "did:web:nav", At: time.Now()}}
	x.on(w.node, "did:web:city")
	if code, _, text := w.reads(t, f.ID, "traffic-information"); code != 200 || !strings.Contains(text, `"cause"`) {
		t.Fatalf("after: got %d %s", code, text)
	}
}

// Between two nodes each flow is offered to its receiver alone, negotiated by machine
// and transferred; suspending, resuming, new terms and the end reach the other node.
func TestAccordBetweenTwoNodes(t *testing.T) {
	city, nav := two(t)
	x := newPact(t, city.id, nav.id).clause("purpose-limit", policy.Params{"purposes": "traffic-information,planning"})
	out := x.flow("closures", city.id, nav.id)
	out.Limit = hansa.Duration(time.Minute)
	back := x.flow("back", nav.id, city.id)
	both := func() {
		x.on(city.node, city.id)
		x.on(nav.node, nav.id)
	}
	both()
	city.publish("one")
	nav.publish("two")
	nav.has("closures-from-city", "one")
	city.has("closures-from-nav", "two")
	c, err := city.node.line.course(out.ID)
	if err != nil || c.flow.Basis.Kind != hansa.BasisAccord || c.flow.Basis.ID != string(x.state.ID) || c.flow.Basis.Hash != x.state.Force || c.flow.Limit != out.Limit {
		t.Fatalf("got %+v, %v", c, err)
	}
	first := x.pledge(nav.node, nav.id, out.ID)

	x.state.State, x.state.Suspended = hansa.AccordSuspended, []accord.Suspension{{Party: city.id, At: time.Now()}}
	both()
	nav.untilTransfer(first.Transfer, string(transfer.Suspended))
	city.untilTransfer(x.pledge(city.node, city.id, back.ID).Transfer, string(transfer.Suspended))
	if c, err := city.node.line.course(out.ID); err != nil || !c.flow.Paused {
		t.Errorf("suspended, and the gate is open: %v", err)
	}
	for range 3 { // one takes back what the other has not heard of yet
		suspended := x.state.Suspended
		x.state.State, x.state.Suspended = hansa.AccordInForce, nil
		x.on(city.node, city.id)
		x.state.State, x.state.Suspended = hansa.AccordSuspended, suspended
		x.on(city.node, city.id)
		if c, err := city.node.line.course(out.ID); err != nil || !c.flow.Paused {
			t.Errorf("suspended before the other side heard that it runs, and the gate is open: %v", err)
		}
	}
	x.state.State, x.state.Suspended = hansa.AccordInForce, nil
	x.version("two")
	both()
	nav.untilTransfer(first.Transfer, string(transfer.Started))
	city.publish("three")
	nav.has("closures-from-city", "three")
	if p := x.pledge(nav.node, nav.id, out.ID); p.Agreement != first.Agreement || p.Agreed != first.Agreed || p.Hash != x.state.Force {
		t.Errorf("a new version with the same terms: got %+v, before %+v", p, first)
	}

	x.clause("precision-limit", policy.Params{"decimals": "3"}, out.ID).version("three")
	both()
	later := x.agreed(nav, out.ID, first.Agreement)
	nav.untilTransfer(first.Transfer, string(transfer.Terminated))
	nav.untilTransfer(later.Transfer, string(transfer.Started))
	if c, err := city.node.line.course(out.ID); err != nil || c.flow.Paused || c.flow.Terms.Precision == nil || *c.flow.Terms.Precision != 3 {
		t.Errorf("the new terms are not in force: %+v, %v", c, err)
	}
	if p := x.pledge(nav.node, nav.id, back.ID); p.Agreed == x.state.Force {
		t.Error("the other flow was negotiated again")
	}

	x.state.State, x.state.End = hansa.AccordEnded, hansa.EndEnded
	x.on(city.node, city.id)
	nav.untilTransfer(later.Transfer, string(transfer.Terminated))
	x.on(nav.node, nav.id)
	offers, err := city.node.catalog.Offers(t.Context(), city.id)
	if err != nil || slices.ContainsFunc(offers, func(o catalog.Offer) bool { return o.Withdrawn.IsZero() }) {
		t.Errorf("offers stand after the end: %+v, %v", offers, err)
	}
	if p := x.pledge(nav.node, nav.id, out.ID); p.State != pledgeClosed || p.Agreement != "" {
		t.Errorf("got %+v", p)
	}
}

// agreed waits until a flow is carried by another agreement, and a transfer runs.
func (x *pact) agreed(p *partner, id hansa.FlowID, than string) *pledge {
	x.t.Helper()
	for range 400 {
		if got := x.pledge(p.node, p.id, id); got.Agreement != "" && got.Agreement != than && got.Transfer != "" {
			return got
		}
		time.Sleep(50 * time.Millisecond)
	}
	x.t.Fatalf("%s is not agreed anew: %+v", id, x.pledge(p.node, p.id, id))
	return nil
}

// An agreement that names an accord which this node does not hold is refused.
func TestAccordThatIsNotHeldIsRefused(t *testing.T) {
	city, nav := two(t)
	x := newPact(t, city.id, nav.id).clause("purpose-limit", policy.Params{"purposes": "planning"})
	f := x.flow("closures", city.id, nav.id)
	x.on(city.node, city.id) // and not on the other node
	p := x.pledge(city.node, city.id, f.ID)
	doc, err := json.Marshal(p.Policy)
	if err != nil {
		t.Fatal(err)
	}
	g, err := nav.deals().Negotiate(t.Context(), nav.actor(), api.NegotiationOrder{Peer: city.name, Offer: p.offer(), Policy: doc})
	if err != nil {
		t.Fatal(err)
	}
	end := nav.until(g.ID, func(n api.Negotiation) bool { return n.State == "TERMINATED" })
	if end.Code != accordCode || !strings.Contains(strings.Join(end.Reason, " "), x.state.Force) {
		t.Errorf("got %+v", end)
	}
}

// In a running pool one joins and one leaves: each has its own flows, and nobody
// else's change.
func TestAccordPoolMemberJoinsAndLeaves(t *testing.T) {
	w := run(t)
	names := []string{"city", "nav", "west", "north", "south", "east"}
	var ids []hansa.PartyID
	set := &Setup{}
	for _, name := range names {
		id := hansa.PartyID("did:web:" + name)
		ids = append(ids, id)
		if len(ids) > 2 {
			set.Parties = append(set.Parties, hansa.Party{ID: id, Name: name, Title: name, Kind: hansa.Company, Hosted: true})
			set.Datasets = append(set.Datasets, hansa.Dataset{ID: hansa.DatasetID(named("dataset", string(id), "closures")), Party: id, Name: "closures", Kind: hansa.KindSituation})
		}
	}
	if err := w.node.Apply(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	x := newPact(t, ids[:5]...).clause("purpose-limit", policy.Params{"purposes": "planning"})
	x.text.Model = hansa.ModelPool
	x.flow("from-city", ids[0], accord.Members)
	x.flow("from-west", ids[2], accord.Members)
	x.on(w.node, ids[:5]...)
	open := func() (out map[string]bool) {
		out = map[string]bool{}
		w.node.line.mu.RLock()
		defer w.node.line.mu.RUnlock()
		for _, c := range w.node.line.courses {
			if c.flow.Basis.Kind == hansa.BasisAccord && !c.flow.Paused {
				out[string(c.flow.From)[8:]+" "+string(c.flow.To)[8:]] = true
			}
		}
		return out
	}
	first := open()
	if len(first) != 8 {
		t.Fatalf("got %v, want four flows of each giver", first)
	}
	east := accord.Flow{ID: "01930000-0000-7000-8000-000000000199", Name: "from-east", From: ids[5], To: accord.Members, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record"}}
	x.state.Members = []accord.Member{{Party: accord.Party{ID: ids[5], Title: "east", Kind: hansa.Company, Role: hansa.RoleBoth}, Gives: []accord.Flow{east}, Joined: time.Now()}}
	x.on(w.node, ids...)
	if got := open(); len(got) != 15 || !got["east north"] || !got["city east"] {
		t.Errorf("one joined: got %v", got)
	}
	before := x.pledge(w.node, ids[0], accord.FlowFor(x.state.ID, &x.text.Flows[0], ids[1]))
	x.state.Members = append(x.state.Members, accord.Member{Party: accord.Party{ID: ids[2]}, Left: time.Now()})
	x.on(w.node, ids...)
	got := open()
	for pair := range got {
		if strings.Contains(pair, "west") {
			t.Errorf("west has left, and %s is open", pair)
		}
	}
	if after := x.pledge(w.node, ids[0], before.ID); len(got) != 8 || after.Agreement != before.Agreement || after.Agreed != before.Agreed {
		t.Errorf("one left: got %v; the others' %+v, before %+v", got, after, before)
	}
}
