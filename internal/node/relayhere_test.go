package node

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// On one node the hub reads by its giver's gate: nothing while the giver has suspended,
// all of it after, with the giver's evidence; what was gathered goes with the accord.
func TestHubOnOneNode(t *testing.T) {
	hub := signatories(t, "hub")[0]
	hub.sets = []hansa.Dataset{{Name: "gathered", Kind: hansa.KindSituation, Relays: []string{"closures"}}, {Name: "counted", Kind: hansa.KindObservation, Relays: []string{"counts"}}}
	hub.again()
	east, nav := hub.hosts("east"), hub.hosts("nav")
	company := hubText(t, nav, hub, hansa.KindObservation, "onward-hub", nil, "")
	agree(t, company, nav, hub)
	given := hubText(t, east, hub, hansa.KindSituation, "onward-hub", nil, "")
	id := agree(t, given, east, hub)
	shown := func() (ids []string) {
		c, err := hub.node.line.course(company.Flows[1].ID)
		if err != nil {
			t.Fatal(err)
		}
		v, err := hub.node.line.Open(t.Context(), c.flow.ID, c.flow.Terms.Purposes[0], "record")
		if err != nil {
			t.Fatal(err)
		}
		s, err := hub.node.line.Snapshot(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range s.Records {
			ids = append(ids, r.ID)
		}
		slices.Sort(ids)
		return ids
	}
	east.publish("one")
	r := hub.has("gathered", east.via("one"))
	if o := r.Provenance.Origin; r.Provenance.Holder == "" || o == nil || o.Party != east.id || o.Accord != id || !slices.Equal(shown(), []string{east.via("one")}) {
		t.Errorf("it was gathered as %+v of %+v, and the company is shown %v", r.Provenance, o, shown())
	}

	east.acts(id, accord.Suspend, api.AccordAct{Words: "under repair"})
	hub.comes(id, "the suspension", func(d api.AccordDetail) bool { return d.State == hansa.AccordSuspended })
	east.publish("two")
	time.Sleep(300 * time.Millisecond)
	if hub.holds("gathered", east.via("two")) || len(shown()) != 1 {
		t.Errorf("suspended, and the company is shown %v", shown())
	}
	hub.again() // in the middle
	east.node, nav.node = hub.node, hub.node
	if hub.holds("gathered", east.via("two")) || !slices.Equal(shown(), []string{east.via("one")}) {
		t.Errorf("started anew, the company is shown %v", shown())
	}
	east.acts(id, accord.Resume, api.AccordAct{})
	hub.has("gathered", east.via("two"))
	east.changes("one", func(r *hansa.Record) { r.Update, r.Situation.Lifecycle = hansa.End, hansa.Ended })
	hub.becomes("gathered", east.via("one"), isOver)
	if got := shown(); !slices.Equal(got, []string{east.via("two")}) {
		t.Errorf("the company is shown %v", got)
	}
	said, err := trials{hub.node}.ExplainAccord(t.Context(), east.actor(), id, "", "")
	if err != nil || len(said.Flows) != 2 || len(said.Flows[0].Metered) != 1 || said.Flows[0].Metered[0].Records != 3 {
		t.Errorf("the giver's evidence: %+v, %v", said.Flows, err)
	}

	east.ends(id)
	kept := hub.becomes("gathered", east.via("two"), isOver)
	if got := shown(); len(got) > 0 {
		t.Errorf("the accord has ended, and the company is shown %v", got)
	}
	east.comes(id, "the hub's certificate", func(d api.AccordDetail) bool {
		return slices.ContainsFunc(d.Erasures, func(e api.AccordErasure) bool { return e.By == hub.id && e.Versions == 3 })
	})
	if len(kept.Original) > 0 || kept.Situation.Geometry != nil {
		t.Errorf("of what was recalled there is %+v", kept)
	}
	if !east.holds("closures", "two") {
		t.Error("the giver's own was erased")
	}
}

// What was there before a hub has an accord is gathered once, all of it, though the hub
// stops while it gathers.
func TestHubGathersWhatWasThere(t *testing.T) {
	hub := signatories(t, "hub")[0]
	hub.sets = []hansa.Dataset{{Name: "gathered", Kind: hansa.KindSituation, Relays: []string{"closures"}}}
	hub.again()
	east := hub.hosts("east")
	set, err := hub.node.datasetFor(east.actor(), "closures")
	if err != nil {
		t.Fatal(err)
	}
	const many = 2*relayRun + 7
	var recs []*hansa.Record
	for i := range many {
		r := &hansa.Record{}
		if err := json.Unmarshal([]byte(goodRecord), r); err != nil {
			t.Fatal(err)
		}
		r.ID = "c-" + strconv.Itoa(i)
		recs = append(recs, r)
	}
	for run := range slices.Chunk(recs, relayRun) {
		if _, _, err := hub.node.line.take(t.Context(), set, run, foreign, nil); err != nil {
			t.Fatal(err)
		}
	}
	agree(t, hubText(t, east, hub, hansa.KindSituation, "onward-hub", nil, ""), east, hub)
	for end := time.Now().Add(20 * time.Second); len(hub.live("gathered")) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nothing is gathered; problems: %v", hub.node.problems)
		}
	}
	hub.again()
	east.node = hub.node
	east.publish("last")
	hub.has("gathered", east.via("last"))
	if n := len(hub.live("gathered")); n != many+1 {
		t.Errorf("%d records are gathered, want %d", n, many+1)
	}
	rows := 0
	into, err := hub.node.datasetFor(hub.actor(), "gathered")
	if err != nil {
		t.Fatal(err)
	}
	for at := hansa.Cursor(""); ; {
		list, next, err := hub.node.stream.Of(hub.id).Read(t.Context(), into.ID, at, relayRun)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		rows, at = rows+len(list), next
	}
	if rows != many+1 {
		t.Errorf("they were put in %d times, want %d", rows, many+1)
	}
}

// To whom a flow may go on is what its clauses say, and to nobody where they say nothing.
func TestOnwardIsWhatTheClausesSay(t *testing.T) {
	home := func(id hansa.PartyID) hansa.PartyID { return id }
	nav := policy.Params{"parties": "did:web:nav,did:web:way"}
	named := []hansa.PartyID{"did:web:nav", "did:web:way"}
	for name, c := range map[string]struct {
		change func(x *pact, f *accord.Flow)
		want   []hansa.PartyID
		stays  bool
	}{
		"nothing":         {func(*pact, *accord.Flow) {}, nil, false},
		"a hub":           {func(x *pact, _ *accord.Flow) { x.clause("onward-hub", nil) }, []hansa.PartyID{anyPartner}, true},
		"of another flow": {func(x *pact, _ *accord.Flow) { x.clause("onward-hub", nil, "another") }, nil, false},
		"named":           {func(x *pact, _ *accord.Flow) { x.clause("onward-named", nav) }, named, true},
		"a hub, to named": {func(x *pact, _ *accord.Flow) { x.clause("onward-hub", nil).clause("onward-named", nav) }, named, true},
		"forbidden":       {func(x *pact, _ *accord.Flow) { x.clause("onward-hub", nil).clause("no-onward-sharing", nil) }, nil, true},
		"with marked ones": {func(x *pact, f *accord.Flow) {
			x.clause("onward-hub", nil)
			f.Marked = []accord.Mark{{Field: "cause", As: "trade-secret", Measures: "none outside"}}
		}, nil, true},
	} {
		x := newPact(t, "did:web:city", "did:web:hub")
		f := x.flow("closures", "did:web:city", "did:web:hub")
		c.change(x, f)
		if got, stays := onwardOf(&x.text, f, home); !slices.Equal(got, c.want) || stays != c.stays {
			t.Errorf("%s: got %v, %v; want %v, %v", name, got, stays, c.want, c.stays)
		}
	}
}

// What came by one flow goes on by another for none but its own purposes, not back to who
// gave it, not to the public by a hub's clause, and personal data only as such.
func TestAllowsHoldsToPurposeAndReceiver(t *testing.T) {
	came := func() *pledge {
		return &pledge{Own: "hub", From: "east", To: "hub", Onward: []hansa.PartyID{anyPartner}, Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation", "planning"}}}
	}
	goes := func() *pledge {
		return &pledge{Own: "hub", From: "hub", To: "nav", Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}}}
	}
	for name, c := range map[string]struct {
		change func(p, q *pledge)
		want   bool
	}{
		"as agreed":            {func(*pledge, *pledge) {}, true},
		"for another purpose":  {func(_, q *pledge) { q.Terms.Purposes = append(q.Terms.Purposes, "advertising") }, false},
		"back":                 {func(_, q *pledge) { q.To = "east" }, false},
		"to the public":        {func(_, q *pledge) { q.To = hansa.PublicParty }, false},
		"to the public, named": {func(p, q *pledge) { q.To = hansa.PublicParty; p.Onward = []hansa.PartyID{hansa.PublicParty} }, true},
		"to another":           {func(p, _ *pledge) { p.Onward = []hansa.PartyID{"way"} }, false},
		"persons":              {func(p, _ *pledge) { p.Personal = true }, false},
		"persons, as such":     {func(p, q *pledge) { p.Personal, q.Personal = true, true }, true},
	} {
		p, q := came(), goes()
		c.change(p, q)
		if p.allows(q) != c.want {
			t.Errorf("%s: got %v", name, !c.want)
		}
	}
}

// A dataset gathers nothing that it would keep for longer than the accord lets it.
func TestGathersNothingForTooLong(t *testing.T) {
	set := func(days int) *hansa.Dataset {
		return &hansa.Dataset{Party: "hub", Name: "gathered", Kind: hansa.KindSituation, Relays: []string{"closures"}, AgeMax: hansa.Duration(time.Duration(days) * 24 * time.Hour)}
	}
	p := &pledge{Own: "hub", From: "east", To: "hub", State: pledgeOpen, Onward: []hansa.PartyID{anyPartner}, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}}
	for _, c := range []struct {
		keeps, may int
		want       bool
	}{{0, 0, true}, {90, 0, true}, {0, 30, false}, {31, 30, false}, {30, 30, true}, {7, 30, true}} {
		p.Terms.Retention = c.may
		if got := passes(set(c.keeps), p); got != c.want {
			t.Errorf("kept for %d days where %d are allowed: got %v", c.keeps, c.may, got)
		}
	}
	p.Dataset.Kind = hansa.KindObservation
	if passes(set(7), p) {
		t.Error("it gathers another kind of record")
	}
}
