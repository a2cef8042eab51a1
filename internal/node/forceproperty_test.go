package node

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
)

// The giver and the receiver of the accords that are drawn.
const (
	twinCity hansa.PartyID = "did:web:city"
	twinNav  hansa.PartyID = "did:web:nav"
)

var twinNoon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// drawn is an accord by what its clauses were made of, as the slow twin reads it.
type drawn struct {
	*pact
	flow *accord.Flow
	with map[string]policy.Params
}

// draw makes an accord of random clauses, in a random state.
func draw(t *testing.T, r *rand.Rand, name string) *drawn {
	one := func(n int) bool { return r.IntN(n) == 0 }
	some := func(list ...string) string {
		out := slices.DeleteFunc(slices.Clone(list), func(string) bool { return one(2) })
		if len(out) == 0 {
			out = list[:1]
		}
		return strings.Join(out, ",")
	}
	x := newPact(t, twinCity, twinNav)
	x.state.ID, x.state.Effect = hansa.AccordID(named("drawn", name)), twinNoon.AddDate(0, 0, 1-r.IntN(40)).Add(time.Hour)
	d := &drawn{pact: x, flow: x.flow("drawn-"+name, twinCity, twinNav), with: map[string]policy.Params{}}
	d.flow.ID = hansa.FlowID(named("drawn-flow", name))
	d.flow.Formats = slices.Clone([]hansa.Format{"record", "geojson", "cifs"})[:1+r.IntN(3)]
	all := map[string]policy.Params{
		"purpose-limit":     {"purposes": some("navigation", "planning", "traffic-information")},
		"purpose-forbidden": {"purposes": some("advertising", "planning")},
		"area-limit":        {"area-name": "Here", "area": `{"type":"Polygon","coordinates":[[[4.85,52.35],[4.95,52.35],[4.95,52.4],[4.85,52.4],[4.85,52.35]]]}`},
		"daily-window":      {"from": "06:00", "until": "22:00", "zone": "UTC"},
		"delay":             {"minutes": strconv.Itoa(1 + r.IntN(90))},
		"fields-limit":      {"fields": some(hansa.Fields()...)},
		"formats":           {"formats": some("record", "geojson", "datex2")},
		"no-personal-data":  nil,
		"precision-limit":   {"decimals": strconv.Itoa(r.IntN(5))},
		"term":              {"from": "2026-11-01", "until": "2026-12-01"},
		"trial":             {"days": strconv.Itoa(1 + r.IntN(60))},
		"retention":         {"days": strconv.Itoa(1 + r.IntN(5))},
		"k-threshold":       {"k": "10"},
		"receivers":         {"parties": some(string(twinNav), "did:web:other")},
		"trade-secrets":     nil,
		"no-onward-sharing": nil,
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		params := all[id]
		odds := map[string]bool{"purpose-limit": !one(20), "k-threshold": one(20), "receivers": one(4)}
		if use, named := odds[id]; named && !use || !named && !one(4) {
			continue
		}
		d.clause(id, params)
		d.with[id] = params
	}
	if one(3) {
		d.flow.Personal = &accord.Personal{Roles: "joint", Basis: "task", Assessment: "DPIA-7", Retention: 1 + r.IntN(4), Country: "none"}
		if one(4) {
			d.flow.Personal.Basis = ""
		}
	}
	for range r.IntN(3) {
		d.flow.Marked = append(d.flow.Marked, accord.Mark{Field: hansa.Fields()[r.IntN(len(hansa.Fields()))], As: "trade-secret", Measures: "encryption"})
	}
	d.hang(r, one)
	d.stand()
	return d
}

// hang draws how the accord stands.
func (d *drawn) hang(r *rand.Rand, one func(int) bool) {
	if one(2) {
		by := twinNav
		if one(5) {
			by = twinCity // no receiver's word
		}
		d.state.Confirmed = []accord.Confirmation{{Flow: d.flow.ID, By: by, At: twinNoon}}
	}
	if one(6) {
		d.state.State = hansa.AccordSuspended
		s := accord.Suspension{Party: []hansa.PartyID{twinCity, twinNav, "did:web:other"}[r.IntN(3)]}
		if one(2) {
			s.Flow = []hansa.FlowID{d.flow.ID, "another"}[r.IntN(2)]
		}
		d.state.Suspended = []accord.Suspension{s}
	}
	switch r.IntN(20) {
	case 0:
		d.state.State = hansa.AccordEnded
	case 1:
		d.state.State = hansa.AccordSigned
	case 2:
		d.state.Until = "2026-11-24"
		d.state.Ends = time.Date(2026, 11, 24, 23, 0, 0, 0, time.UTC) // Amsterdam is an hour ahead
	case 3:
		d.text.Term.Until = "2026-11-26"
		d.state.Ends = time.Date(2026, 11, 26, 23, 0, 0, 0, time.UTC)
	}
}

// ask is one read of one record.
type asked struct {
	r   *hansa.Record
	ask gate.Ask
}

func drawAsked(r *rand.Rand) asked {
	one := func(n int) bool { return r.IntN(n) == 0 }
	now := twinNoon.Add(time.Duration(r.IntN(96)-48) * time.Hour).Add(7 * time.Minute)
	x := &hansa.Record{Kind: hansa.KindSituation, Dataset: "set", ID: "r", Version: 1, Received: now.Add(-time.Duration(r.IntN(7*24*60)+1) * time.Minute)}
	if one(2) {
		x.Received = now.Add(-time.Duration(r.IntN(120)+1) * time.Minute)
	}
	at := &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{{{4.8 + r.Float64()*0.2, 52.33 + r.Float64()*0.1}}}}
	if one(5) {
		x.Kind = hansa.KindObservation
		x.Observation = &hansa.Observation{What: "jam", Personal: one(2), Geometry: at}
	} else {
		start := now.Add(-time.Hour)
		s := &hansa.Situation{Lifecycle: hansa.Active, Effect: []hansa.Effect{hansa.RoadClosed, hansa.LanesClosed}[r.IntN(2)], Start: &start, Geometry: at, Direction: hansa.BothDirections}
		for _, set := range []func(){
			func() { s.Cause = hansa.Cause{Type: "vehicle-fire"} }, func() { s.Texts = []hansa.Text{{Lang: "en", Value: "closed"}} },
			func() { s.Texts = append(s.Texts, hansa.Text{Value: "secret", Kind: "internal"}) }, func() { s.Lanes = []hansa.Lane{{Number: 1, Closed: true}} },
			func() { s.Vehicles = []hansa.Vehicles{{Class: "lorry"}} }, func() { s.Detours = []hansa.Detour{{Text: "by the ring"}} },
			func() { s.Certainty = []hansa.Certainty{hansa.Certain, hansa.RiskOf}[r.IntN(2)] }, func() { s.Severity = hansa.SeverityHigh }, func() { s.Source = hansa.Source{Org: "Tunnel"} },
		} {
			if one(3) {
				set()
			}
		}
		x.Situation = s
	}
	if one(12) {
		x.Mode = hansa.Test
	}
	if one(20) {
		x.Dataset = "other"
	}
	k := gate.Ask{Party: twinNav, Purpose: []hansa.Purpose{"navigation", "planning", "traffic-information", "navigation", "advertising", ""}[r.IntN(6)], Format: []hansa.Format{"record", "record", "record", "geojson", "cifs", "datex2"}[r.IntN(6)], Now: now}
	if one(20) {
		k.Party = "did:web:other"
	}
	return asked{x, k}
}

// permits is the slow, obvious twin of plan, policy and gate together: it reads the
// clauses' parameters one by one, and says whether the record leaves at all.
func (d *drawn) permits(q asked) bool {
	has := func(id, param, want string) bool {
		params, used := d.with[id]
		return !used || slices.Contains(strings.Split(params[param], ","), want)
	}
	s := &d.state
	now, r := q.ask.Now, q.r
	for _, x := range s.Suspended {
		if (x.Party == twinCity || x.Party == twinNav) && (x.Flow == "" || x.Flow == d.flow.ID) {
			return false
		}
	}
	_, k := d.with["k-threshold"]
	_, limited := d.with["purpose-limit"]
	forbidden, forbids := d.with["purpose-forbidden"]
	personal := d.flow.Personal
	_, none := d.with["no-personal-data"]
	switch {
	case s.State != hansa.AccordInForce && s.State != hansa.AccordSuspended, s.Force == "":
		return false
	case q.ask.Party != twinNav, k, !limited, q.ask.Purpose == "":
		return false
	case !has("receivers", "parties", string(twinNav)), !has("purpose-limit", "purposes", string(q.ask.Purpose)), !has("formats", "formats", string(q.ask.Format)):
		return false
	case forbids && slices.Contains(strings.Split(forbidden["purposes"], ","), string(q.ask.Purpose)):
		return false
	case !slices.Contains(d.flow.Formats, q.ask.Format):
		return false
	case personal != nil && personal.Basis == "":
		return false
	case r.Dataset != "set" || r.Mode == hansa.Test:
		return false
	case r.Observation != nil && r.Observation.Personal && (none || personal == nil):
		return false
	}
	return d.inTime(now, r) && d.inPlace(r) && !d.lies(r)
}

func (d *drawn) inTime(now time.Time, r *hansa.Record) bool {
	number := func(id, param string) (int, bool) {
		params, used := d.with[id]
		n, _ := strconv.Atoi(params[param])
		return n, used
	}
	zone, _ := time.LoadLocation("Europe/Amsterdam")
	today := now.In(zone).Format(time.DateOnly)
	age := now.Sub(r.Received)
	if now.Before(d.state.Effect) || d.state.Until != "" && today > d.state.Until || d.text.Term.Until != "" && today > d.text.Term.Until {
		return false
	}
	if _, used := d.with["term"]; used && now.UTC().Format("2006-01") != "2026-11" {
		return false
	}
	if n, used := number("trial", "days"); used && now.After(d.state.Effect.AddDate(0, 0, n)) {
		return false
	}
	if _, used := d.with["daily-window"]; used && (now.UTC().Hour() < 6 || now.UTC().Hour() >= 22) {
		return false
	}
	if n, used := number("delay", "minutes"); used && age < time.Duration(n)*time.Minute {
		return false
	}
	if n, used := number("retention", "days"); used && age >= time.Duration(n)*24*time.Hour {
		return false
	}
	return d.flow.Personal == nil || age < time.Duration(d.flow.Personal.Retention)*24*time.Hour
}

func (d *drawn) inPlace(r *hansa.Record) bool {
	if _, used := d.with["area-limit"]; !used {
		return true
	}
	at := where(r)
	return at[0] >= 4.85 && at[0] <= 4.95 && at[1] >= 52.35 && at[1] <= 52.4
}

func where(r *hansa.Record) hansa.Position {
	if r.Observation != nil {
		return r.Observation.Geometry.Lines[0][0]
	}
	return r.Situation.Geometry.Lines[0][0]
}

// withheld reports whether a field stays here.
func (d *drawn) withheld(field string) bool {
	if params, used := d.with["fields-limit"]; used && !slices.Contains(strings.Split(params["fields"], ","), field) {
		return true
	}
	sure := slices.ContainsFunc(d.state.Confirmed, func(c accord.Confirmation) bool { return c.By == twinNav })
	return !sure && slices.ContainsFunc(d.flow.Marked, func(m accord.Mark) bool { return m.Field == field })
}

// lies reports whether the record would say more than it does without what is withheld.
func (d *drawn) lies(r *hansa.Record) bool {
	s := r.Situation
	if s == nil {
		return false
	}
	partly := s.Effect == hansa.LanesClosed || len(s.Vehicles) > 0
	return len(s.Vehicles) > 0 && d.withheld("vehicles") || len(s.Lanes) > 0 && partly && d.withheld("lanes") || s.Certainty == hansa.RiskOf && d.withheld("certainty")
}

// leaks says what left that should have stayed; empty is nothing.
func (d *drawn) leaks(out *hansa.Record) string {
	if params, used := d.with["precision-limit"]; used {
		n, _ := strconv.Atoi(params["decimals"])
		for _, v := range where(out) {
			if step := math.Pow10(n); math.Abs(math.Round(v*step)/step-v) > 1e-12 {
				return "decimals"
			}
		}
	}
	s := out.Situation
	if s == nil {
		return ""
	}
	for field, there := range map[string]bool{
		"cause": s.Cause != hansa.Cause{}, "texts": len(s.Texts) > 0, "lanes": len(s.Lanes) > 0, "vehicles": len(s.Vehicles) > 0, "detours": len(s.Detours) > 0,
		"certainty": s.Certainty != "", "severity": s.Severity != "", "source": s.Source != hansa.Source{},
	} {
		if there && d.withheld(field) {
			return field
		}
	}
	if slices.ContainsFunc(s.Texts, internal) {
		return "an internal text"
	}
	return ""
}

// twinGate is the gate that the product makes of the accord; the zero gate where the
// flow does not start.
func (d *drawn) twinGate(t *rapid.T, l planner) *gate.Gate {
	for _, p := range l.plan(twinCity, &d.state, &d.text, nil) {
		if p.State == pledgeRefused {
			continue
		}
		f := p.flow("set", false)
		g, err := gate.Compile(&f)
		if err != nil {
			t.Fatalf("a flow that is %s has no gate: %v", p.State, err)
		}
		return g
	}
	return new(gate.Gate)
}

// Nothing leaves that the accord does not permit, and what it permits does: 100,000
// random accords, records, purposes and times, held against the slow twin.
func TestAccordLetsThroughWhatItPermits(t *testing.T) {
	w := run(t)
	l := w.node.planner()
	left, kept := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 7))
		for range 20 {
			d := draw(t, r, "x")
			g := d.twinGate(rt, l)
			for range 50 {
				q := drawAsked(r)
				v := g.Decide(q.r, q.ask)
				if got, want := v.Outcome != hansa.Deny, d.permits(q); got != want {
					rt.Fatalf("leaves: %v by %s, want %v: clauses %v, flow %+v, state %+v, record %+v %+v, ask %+v", got, v.Rule, want, d.with, d.flow, d.state, q.r, q.r.Situation, q.ask)
				}
				if v.Outcome == hansa.Deny {
					kept++
					continue
				}
				left++
				out := outward(q.r)
				if v.Outcome == hansa.Trim {
					out = g.Trim(q.r)
				}
				if what := d.leaks(out); what != "" {
					rt.Fatalf("%s left: clauses %v, flow %+v, record %+v", what, d.with, d.flow, out.Situation)
				}
			}
		}
	})
	if left*50 < kept {
		t.Errorf("only %d of %d cases let anything through: the property says little", left, left+kept)
	}
}

// What the dry run says is what the gates then do, record by record.
func TestDryRunSaysWhatTheGateDoes(t *testing.T) {
	w := run(t)
	var ids []string
	for i := range 40 {
		ids = append(ids, "r"+strconv.Itoa(i))
	}
	w.publish(ids...)
	set, err := w.node.datasetFor(hansa.Actor{Party: twinCity}, "closures")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > 60 { // each is written to disk
			return
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 8))
		d := draw(t, r, strconv.Itoa(n))
		d.flow.Dataset.Name = "closures"
		said, err := trials{w.node}.try(t.Context(), twinCity, &d.state, &d.text, d.state.Force, "")
		if err != nil {
			rt.Fatal(err)
		}
		d.on(w.node, twinCity)
		c, none := w.node.line.course(d.flow.ID)
		if len(said.Flows) == 0 || said.Flows[0].State == string(pledgeRefused) || said.Flows[0].State == string(pledgeClosed) {
			if none == nil {
				rt.Fatalf("said %+v, and there is a gate", said)
			}
			return
		}
		if none != nil {
			rt.Fatalf("said %+v: %v", said, none)
		}
		f := said.Flows[0]
		recs, _, err := w.node.stream.Of(twinCity).Present(t.Context(), set.ID, true)
		if err != nil {
			rt.Fatal(err)
		}
		got := map[hansa.Rule]int{}
		for _, x := range recs {
			ask := w.node.line.ask(c, f.Purpose, c.flow.Terms.Formats[0])
			ask.Now = said.At
			got[c.gate.Decide(x, ask).Rule]++
		}
		for _, rule := range f.Rules {
			if got[rule.Rule] != rule.N {
				rt.Fatalf("said %d by %s, the gate %v", rule.N, rule.Rule, got)
			}
			delete(got, rule.Rule)
		}
		if len(got) > 0 || f.Records != len(recs) {
			rt.Fatalf("the gate also %v; said %+v", got, f)
		}
	})
}
