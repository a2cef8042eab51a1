package node

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// A text names its flows by ids of its own choosing: one of another accord, or of
// another's flow, takes nothing from it, and does not start.
func TestAccordTakesNoFlowOfOthers(t *testing.T) {
	const city, nav = hansa.PartyID("did:web:city"), hansa.PartyID("did:web:nav")
	w := run(t)
	w.publish("a")
	err := w.node.Apply(t.Context(), &Setup{Datasets: []hansa.Dataset{{ID: hansa.DatasetID(named("dataset", string(nav), "closures")), Party: nav, Name: "closures", Kind: hansa.KindSituation}}})
	if err != nil {
		t.Fatal(err)
	}
	first := newPact(t, city, nav).clause("purpose-limit", policy.Params{"purposes": "traffic-information"})
	f := first.flow("closures", city, nav)
	first.on(w.node, city, nav)
	stands := func(what string) {
		t.Helper()
		code, _, text := w.reads(t, f.ID, "traffic-information")
		if p := first.pledge(w.node, city, f.ID); code != 200 || !strings.Contains(text, `"id":"a"`) || p.Accord != first.state.ID || p.State != pledgeOpen {
			t.Errorf("%s: the flow of before is gone: %d, %+v", what, code, p)
		}
	}
	stands("alone")
	refused := func(what string, x *pact, own hansa.PartyID) {
		t.Helper()
		var all map[hansa.FlowID]*pledge
		err := w.node.db.Read(t.Context(), func(tx hansa.Tx) (err error) {
			all, err = pledgesOf(tx, own, x.state.ID)
			return err
		})
		if err != nil || len(all) != 1 {
			t.Errorf("%s: %d pledges of %s, %v", what, len(all), own, err)
		}
		for _, p := range all {
			if p.State != pledgeRefused || !strings.Contains(p.Why, "another flow has the id") {
				t.Errorf("%s: %s has %+v", what, own, p)
			}
		}
	}
	another := func(n string, from, to hansa.PartyID, id hansa.FlowID) *pact {
		x := newPact(t, from, to).clause("purpose-limit", policy.Params{"purposes": "traffic-information"})
		x.state.ID = hansa.AccordID("01930000-0000-7000-8000-00000000000" + n)
		x.text.ID = x.state.ID
		x.flow("other", from, to).ID = id
		return x
	}
	second := another("2", nav, city, f.ID)
	second.on(w.node, city, nav)
	refused("a flow back under the same id", second, city)
	refused("a flow back under the same id", second, nav)
	stands("another accord has its id")

	flows, err := w.node.catalog.Flows(t.Context(), city)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(flows, func(x hansa.Flow) bool { return x.Basis.Kind != hansa.BasisAccord })
	open := another("3", nav, hansa.PublicParty, flows[i].ID)
	open.on(w.node, nav)
	refused("the id of a flow without accord", open, nav)
	if c, err := w.node.line.course(flows[i].ID); err != nil || c.flow.From != city {
		t.Errorf("the flow without accord is another's now: %+v, %v", c, err)
	}
	third := another("4", nav, hansa.PublicParty, f.ID)
	third.on(w.node, nav)
	stands("an open accord of the receiver has its id")

	first.state.State, first.state.End = hansa.AccordEnded, hansa.EndEnded
	first.on(w.node, city, nav)
	if code, _, _ := w.reads(t, f.ID, "traffic-information"); code == 200 {
		t.Error("its accord has ended, and it goes on")
	}
	second.on(w.node, city, nav)
	if code, _, _ := w.reads(t, f.ID, "traffic-information"); code == 200 {
		t.Error("another accord opens it again")
	}
}

// Two flows of one accord lie in one dataset of their receiver only where they may be
// kept and passed on alike.
func TestAccordKeepsFlowsApart(t *testing.T) {
	city, nav := two(t)
	x := newPact(t, city.id, nav.id).clause("purpose-limit", policy.Params{"purposes": "traffic-information"})
	x.flow("one", city.id, nav.id)
	x.flow("two", city.id, nav.id)
	bound := x.flow("three", city.id, nav.id).ID
	x.clause("no-onward-sharing", nil, bound)
	x.on(nav.node, nav.id)
	fills := map[hansa.FlowID]string{}
	for i := range x.text.Flows {
		id := x.text.Flows[i].ID
		fills[id] = x.pledge(nav.node, nav.id, id).Fills
	}
	one, other := fills[x.text.Flows[0].ID], fills[x.text.Flows[1].ID]
	if one == "" || one != other || fills[bound] == "" || fills[bound] == one {
		t.Errorf("they fill %v", fills)
	}
	came, stays, err := accordpages{nav.node}.received(t.Context(), nav.id)
	if err != nil || !came[one] || !came[fills[bound]] || stays[one] || !stays[fills[bound]] {
		t.Errorf("of these came %v, and may not go on %v: %v", came, stays, err)
	}
}

// What an accord lets through in one format alone comes over in it, and is read; where
// it cannot be, that is said, and nothing is passed over.
func TestAccordInEachFormat(t *testing.T) {
	for _, as := range []hansa.Format{"datex2", "cifs", "geojson", "record"} {
		t.Run(string(as), func(t *testing.T) {
			city, nav := two(t)
			x := newPact(t, city.id, nav.id).clause("purpose-limit", policy.Params{"purposes": "traffic-information"})
			x.flow("closures", city.id, nav.id).Formats = []hansa.Format{as}
			x.on(city.node, city.id)
			x.on(nav.node, nav.id)
			city.publish("one")
			if as == "cifs" {
				said := func() bool {
					nav.node.mu.Lock()
					defer nav.node.mu.Unlock()
					return strings.Contains(strings.Join(slices.Collect(maps.Values(nav.node.problems)), " "), "which this node cannot read")
				}
				for range 400 {
					if said() {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
				t.Fatal("it is not said that it cannot be read")
			}
			if r := nav.has("closures-from-city", "one"); r.Situation == nil || r.Provenance.System != string(city.id) {
				t.Errorf("it came as %+v", r)
			}
		})
	}
}
