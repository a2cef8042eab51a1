package node

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// arrivedMin is how many records of companies have to come to the city by its accords.
const arrivedMin = 12

// The accords of the demonstration come to what the table says, all copies are one and
// the same, and what companies measure reaches the city under them.
func TestDemoAccords(t *testing.T) {
	d, err := OpenDemo(t.Context(), DemoConfig{Factor: 20, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the demonstration ended with %v", err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	d.Settle(ctx, func(words string) { t.Log(words) })
	if len(d.pacts) != len(demoPacts) {
		t.Fatalf("%d accords of %d came about", len(d.pacts), len(demoPacts))
	}
	models := map[hansa.Model]int{}
	for p, id := range d.pacts {
		t.Run(p.title, func(t *testing.T) { d.holds(t, p, id) })
		if p.lasting() {
			models[p.model]++
		}
	}
	for _, m := range hansa.Models() {
		if models[m] == 0 {
			t.Errorf("no %s is in force", m)
		}
	}
	d.reaches(t)
	d.relays(t)
}

// relays looks at what the hub passes on: closures of every city reach a company that has
// an accord with the hub alone about them, and each says whose it was.
func (d *Demo) relays(t *testing.T) {
	t.Helper()
	from := map[hansa.PartyID]bool{}
	hub, set := demoParty("wegenknoop"), demoSetOf("wegenknoop", "closures").id()
	var flow hansa.FlowID
	for _, f := range d.agreed() {
		if f.Dataset == set && f.To == demoParty("truckpilot") {
			flow = f.ID
		}
	}
	if flow == "" {
		t.Fatal("the hub gives truckpilot nothing of what it gathers")
	}
	taken := 0
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		recs, _, err := d.node.stream.Of(hub).Present(t.Context(), set, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if r.Provenance.Origin == nil {
				t.Fatalf("%s says nothing of where it was: %+v", r.ID, r.Provenance)
			}
			from[r.Provenance.Origin.Party] = true
		}
		if taken = d.takers["truckpilot"].Taken(string(flow)); len(from) >= 2 && taken > 0 {
			return
		}
	}
	t.Errorf("the hub has closures of %v, and truckpilot took %d of them", from, taken)
}

// holds looks at every copy of an accord of the demonstration.
func (d *Demo) holds(t *testing.T, p *demoPact, id hansa.AccordID) {
	t.Helper()
	in := strings.Fields(p.between)
	if p.comes == demoJoined {
		in = append(in, "autokompas")
	}
	if p.comes == demoDraft {
		for _, name := range in[1:] {
			if _, err := d.node.accords.Accord(t.Context(), demoActor(name), id); hansa.KindOf(err) != hansa.NotFound {
				t.Errorf("%s sees the draft of another: %v", name, err)
			}
		}
		in = in[:1]
	}
	first := d.copies(t, id, in)
	city := hansa.PartyID(d.node.did(d.node.party(demoCity)))
	want := map[demoEnd]hansa.AccordState{demoSuspended: hansa.AccordSuspended, demoEnded: hansa.AccordEnded, demoCountered: hansa.AccordProposed, demoOpened: hansa.AccordProposed, demoDraft: hansa.AccordDraft}[p.comes]
	if p.lasting() {
		want = hansa.AccordInForce
	}
	if first.State != want || p.lasting() && (first.Force == "" || first.Force != first.Proposed) {
		t.Errorf("it is %s, version %d, in force %q; want %s", first.State, first.Version, first.Force, want)
	}
	switch p.comes { //nolint:exhaustive // of the others the state says all
	case demoCountered:
		if first.Version != 3 || !slices.Contains(first.Turn, city) || !slices.ContainsFunc(first.Verdicts, func(v api.AccordVerdict) bool { return !v.Accept && v.Party == city }) {
			t.Errorf("version %d, turn of %v, verdicts %+v", first.Version, first.Turn, first.Verdicts)
		}
	case demoRedlined:
		if first.Version != 2 || len(first.Signatures) != 2 {
			t.Errorf("version %d with %d signatures", first.Version, len(first.Signatures))
		}
	case demoServed:
		if len(first.Signatures) != 0 && first.Signatures[0].Party != city {
			t.Errorf("a duty that binds by service is signed: %+v", first.Signatures)
		}
	}
	d.runs(t, p, id, in)
}

// copies returns the first of the copies of an accord, once all of them have as many
// entries: after an end each party still says that it has erased what it was given.
func (d *Demo) copies(t *testing.T, id hansa.AccordID, in []string) (first api.AccordDetail) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var all []api.AccordDetail
		for _, name := range in {
			x, err := d.node.accords.Accord(t.Context(), demoActor(name), id)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, x)
		}
		first = all[0]
		if slices.ContainsFunc(all, func(x api.AccordDetail) bool { return x.N != first.N }) && time.Now().Before(until) {
			continue
		}
		for i := range all {
			if x := &all[i]; x.N != first.N || x.Head != first.Head || x.Proposed != first.Proposed || x.Force != first.Force || !bytes.Equal(x.Text, first.Text) {
				t.Errorf("the copy of %s stands at %d %s, that of %s at %d %s", in[i], x.N, x.Head, in[0], first.N, first.Head)
			}
		}
		return first
	}
}

// runs looks at how the flows of an accord stand at each of its parties.
func (d *Demo) runs(t *testing.T, p *demoPact, id hansa.AccordID, in []string) {
	t.Helper()
	want, n := pledgeOpen, 0
	switch {
	case p.comes == demoSuspended:
		want = pledgePaused
	case p.comes == demoEnded:
		want = pledgeClosed
	case !p.lasting():
		want = ""
	}
	for _, name := range in {
		var held map[hansa.FlowID]*pledge
		if err := d.node.db.Read(t.Context(), func(tx hansa.Tx) (err error) {
			held, err = pledgesOf(tx, demoParty(name), id)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for _, x := range held {
			n++
			if x.State != want {
				t.Errorf("at %s the flow %s is %s: %s", name, x.Name, x.State, x.Why)
			}
		}
	}
	if n == 0 && want != "" {
		t.Error("it has no flow")
	}
}

// reaches waits until enough records of companies have come to the city, by flows of
// accords that the city holds.
func (d *Demo) reaches(t *testing.T) {
	t.Helper()
	total := 0
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if total = d.came("doggerhaven"); total >= arrivedMin {
			return
		}
	}
	t.Errorf("%d records of companies came to the city in 30 s, want %d", total, arrivedMin)
}

// A demonstration that is ended while its accords are made ends cleanly.
func TestDemoEndsEarly(t *testing.T) {
	d, err := OpenDemo(t.Context(), DemoConfig{Factor: 20, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	time.Sleep(100 * time.Millisecond)
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Every text of the table may be signed: no rule of its model is broken.
func TestDemoTexts(t *testing.T) {
	d, err := OpenDemo(t.Context(), DemoConfig{Factor: 20, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for i := range demoPacts {
		text, err := d.text(&demoPacts[i], time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range accord.CheckModel(text) {
			t.Errorf("%s: %s %s: %s", demoPacts[i].title, f.Rule, f.Field, f.Message)
		}
		for j := range text.Clauses {
			if text.Clauses[j].Blocks {
				t.Errorf("%s: %s keeps its flows from starting", demoPacts[i].title, text.Clauses[j].ID)
			}
		}
	}
}
