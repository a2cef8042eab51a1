package gate_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
)

// goldenCase is one line of testdata/decide.jsonl: what the terms and the ask
// change of the usual ones, and the record.
type goldenCase struct {
	Verdict string        `json:"verdict"`
	Flow    *hansa.Flow   `json:"flow"`
	Ask     goldenAsk     `json:"ask"`
	Record  *hansa.Record `json:"record"`
}

type goldenAsk struct {
	Purpose *hansa.Purpose `json:"purpose"`
	Format  hansa.Format   `json:"format"`
	Party   hansa.PartyID  `json:"party"`
	Now     time.Time      `json:"now"`
	Test    bool           `json:"test"`
}

func (g goldenAsk) ask() gate.Ask {
	a := ask()
	if g.Purpose != nil {
		a.Purpose = *g.Purpose
	}
	if g.Format != "" {
		a.Format = g.Format
	}
	if g.Party != "" {
		a.Party = g.Party
	}
	if !g.Now.IsZero() {
		a.Now = g.Now
	}
	a.Test = g.Test
	return a
}

func TestVerdicts(t *testing.T) {
	b, err := os.ReadFile("testdata/decide.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		c := goldenCase{Flow: flow(), Record: closure()}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		v := compile(t, c.Flow).Decide(c.Record, c.Ask.ask())
		if got := fmt.Sprintf("%s %s", v.Outcome, v.Rule); got != c.Verdict {
			t.Errorf("line %d: got %s, want %s", n, got, c.Verdict)
		}
		seen[string(v.Rule)] = true
	}
	for _, rule := range gate.Titles() {
		if !seen[string(rule.Rule)] {
			t.Errorf("%s has no line", rule.Rule)
		}
	}
}

func TestZeroGateDenies(t *testing.T) {
	var g gate.Gate
	if v := g.Decide(closure(), ask()); v.Outcome != hansa.Deny || v.Rule == "" {
		t.Errorf("got %+v, want a denial by name", v)
	}
}

// decideSlow decides from the terms as they are written, by asking each in turn.
func decideSlow(f *hansa.Flow, r *hansa.Record, a gate.Ask) hansa.Rule {
	t := &f.Terms
	trial := f.Test || a.Test
	var g *hansa.Geometry
	if r.Situation != nil {
		g = r.Situation.Geometry
	}
	switch {
	case f.To != hansa.PublicParty && f.To != a.Party:
		return "GATE-13"
	case a.Purpose == "":
		return "GATE-01"
	case !slices.Contains(t.Purposes, a.Purpose):
		return "GATE-02"
	case !slices.Contains(t.Formats, a.Format):
		return "GATE-08"
	case f.Paused:
		return "GATE-09"
	case a.Now.Before(t.From):
		return "GATE-03"
	case !t.Until.IsZero() && !a.Now.Before(t.Until):
		return "GATE-04"
	case len(t.Windows) > 0 && !openSlow(t.Windows, a.Now):
		return "GATE-05"
	case r.Dataset != f.Dataset:
		return "GATE-12"
	case trial && (r.Mode == "" || r.Mode == hansa.Real):
		return "GATE-11"
	case !trial && (r.Mode == hansa.Test || r.Mode == hansa.Exercise):
		return "GATE-10"
	case t.Conditions["audience"] == "public" && r.Situation != nil && r.Situation.Audience == "internalUse":
		return "GATE-17"
	case t.Conditions["personal"] == "none" && r.Observation != nil && r.Observation.Personal:
		return "GATE-18"
	case t.Delay > 0 && a.Now.Sub(r.Received) < t.Delay.Std():
		return "GATE-06"
	case t.Retention > 0 && a.Now.Sub(r.Received) >= time.Duration(t.Retention)*24*time.Hour:
		return "GATE-19"
	case t.Area != nil && g == nil:
		return "GATE-14"
	case t.Area != nil && !touchesSlow(t.Area, g):
		return "GATE-07"
	}
	rule := shapeSlow(f, r, g)
	if rule == "GATE-15" || rule == "GATE-16" {
		return rule
	}
	if way, flow, _ := strings.Cut(r.Provenance.Feed, ":"); way == "recall" || way == "relay" && !slices.Contains(strings.Split(t.Conditions["relayed"], " "), flow) {
		return "GATE-24"
	}
	return rule
}

func openSlow(windows []hansa.Recurrence, now time.Time) bool {
	for i := range windows {
		if s, err := windows[i].Schedule(); err == nil && s.Contains(now) {
			return true
		}
	}
	return false
}

// shapeSlow tells what trimming would do by the JSON of the record.
func shapeSlow(f *hansa.Flow, r *hansa.Record, g *hansa.Geometry) hansa.Rule {
	t, s := &f.Terms, r.Situation
	withheld := func(name string) bool {
		return slices.Contains(t.Held, name) || len(t.Fields) > 0 && !slices.Contains(t.Fields, name)
	}
	b, _ := json.Marshal(r)
	var doc struct {
		Situation map[string]any `json:"situation"`
	}
	_ = json.Unmarshal(b, &doc)
	cut := withheld("source") && r.Provenance.Feed != ""
	for _, name := range hansa.Fields() {
		if _, there := doc.Situation[name]; there && withheld(name) {
			cut = true
			partial := s.Effect == hansa.LanesClosed || s.Effect == hansa.Restriction || len(s.Vehicles) > 0
			switch {
			case name == "vehicles", name == "recurrence", name == "lanes" && partial,
				name == "certainty" && s.Certainty != hansa.Certain:
				return "GATE-15"
			}
		}
	}
	fine := false
	if t.Precision != nil && g != nil {
		places := map[string]bool{}
		for _, p := range g.Lines[0] {
			step := math.Pow10(*t.Precision)
			places[fmt.Sprint(math.Round(p[0]*step), math.Round(p[1]*step))] = true
			fine = fine || math.Round(p[0]*step)/step != p[0] || math.Round(p[1]*step)/step != p[1]
		}
		if len(places) < 2 {
			return "GATE-16"
		}
	}
	switch {
	case cut:
		return "GATE-21"
	case fine:
		return "GATE-22"
	case s != nil && slices.ContainsFunc(s.Texts, func(t hansa.Text) bool { return t.Kind == "internal" }):
		return "GATE-23"
	}
	return "GATE-20"
}

func TestGateDecidesAsItsSlowTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFlow(t)
		g, err := gate.Compile(f)
		if err != nil {
			t.Skip("terms that cannot be")
		}
		for range 3 {
			r, a := drawRecord(t), drawAsk(t)
			v := g.Decide(r, a)
			if want := decideSlow(f, r, a); v.Rule != want {
				t.Fatalf("got %s, want %s: terms %+v, record %+v %+v, ask %+v", v.Rule, want, f.Terms, r, r.Situation, a)
			}
			for _, title := range gate.Titles() {
				if title.Rule == v.Rule && title.Outcome != v.Outcome {
					t.Fatalf("%s came with %v", v.Rule, v.Outcome)
				}
			}
			checkExplained(t, g, r, a, v)
			checkTrimmed(t, g, r, v)
			checkNext(t, g, r, a, v)
		}
	})
}

// mostly draws usual nine times of ten.
func mostly[T any](t *rapid.T, name string, usual T, others ...T) T {
	if len(others) == 0 || rapid.IntRange(0, 9).Draw(t, name+"?") > 0 {
		return usual
	}
	return rapid.SampledFrom(others).Draw(t, name)
}

func drawFlow(t *rapid.T) *hansa.Flow {
	f := flow()
	f.To = mostly(t, "to", f.To, hansa.PublicParty)
	f.Paused, f.Test = mostly(t, "paused", false, true), mostly(t, "test", false, true)
	f.Terms.Until = mostly(t, "until", f.Terms.Until, time.Time{})
	if rapid.Bool().Draw(t, "area?") {
		f.Terms.Area = drawRings(t, 12, 8)
	}
	if rapid.Bool().Draw(t, "fields?") {
		f.Terms.Fields = rapid.SliceOfNDistinct(rapid.SampledFrom(hansa.Fields()), 1, 11, rapid.ID[string]).Draw(t, "fields")
	}
	if rapid.Bool().Draw(t, "held?") {
		f.Terms.Held = rapid.SliceOfNDistinct(rapid.SampledFrom(hansa.Fields()), 1, 12, rapid.ID[string]).Draw(t, "held")
	}
	f.Terms.Retention = mostly(t, "retention", 0, 1, 30)
	if rapid.Bool().Draw(t, "precision?") {
		p := rapid.IntRange(0, 7).Draw(t, "precision")
		f.Terms.Precision = &p
	}
	if rapid.Bool().Draw(t, "windows?") {
		f.Terms.Windows = []hansa.Recurrence{{Zone: "Europe/Amsterdam", From: "06:00", To: rapid.SampledFrom([]string{"12:00", "22:00", "02:00"}).Draw(t, "shut")}}
	}
	f.Terms.Delay = hansa.Duration(rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(t, "delay"))
	if rapid.Bool().Draw(t, "conditions?") {
		f.Terms.Conditions = map[string]string{"audience": "public", "personal": "none"}
	}
	if rapid.Bool().Draw(t, "relayed?") {
		if f.Terms.Conditions == nil {
			f.Terms.Conditions = map[string]string{}
		}
		f.Terms.Conditions["relayed"] = rapid.SampledFrom([]string{"", "east", "east west"}).Draw(t, "relayed")
	}
	return f
}

func drawAsk(t *rapid.T) gate.Ask {
	a := ask()
	a.Purpose = mostly(t, "purpose", a.Purpose, "", "resale")
	a.Format = mostly(t, "format", a.Format, "wzdx", "")
	a.Party = mostly(t, "party", a.Party, "did:web:rival", "")
	a.Test = mostly(t, "trial", false, true)
	a.Now = mostly(t, "now", noon, noon.AddDate(2, 0, 0), noon.AddDate(-2, 0, 0), noon.Add(12*time.Hour))
	return a
}

func drawRecord(t *rapid.T) *hansa.Record {
	r := closure()
	r.Dataset = mostly(t, "dataset", r.Dataset, "", "other")
	r.Mode = mostly(t, "mode", "", hansa.Real, hansa.Test, hansa.Exercise)
	r.Received = noon.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "minutes")) * time.Minute).Add(-mostly(t, "age", 0, 24*time.Hour, 31*24*time.Hour))
	r.Provenance.Feed = mostly(t, "feed", "", "works", "relay:east", "relay:west", "recall:east")
	if mostly(t, "kind", false, true) {
		r.Kind, r.Situation, r.Observation = hansa.KindObservation, nil, &hansa.Observation{What: "jam", Personal: rapid.Bool().Draw(t, "personal")}
		return r
	}
	s := r.Situation
	s.Geometry = mostly(t, "geometry", hansa.Line(drawLine(t, 2, 5, 9)...), nil)
	s.Effect = rapid.SampledFrom([]hansa.Effect{hansa.RoadClosed, hansa.LanesClosed, hansa.Restriction}).Draw(t, "effect")
	s.Audience = rapid.SampledFrom([]string{"", "noRestriction", "internalUse"}).Draw(t, "audience")
	s.Certainty = rapid.SampledFrom([]hansa.Certainty{"", hansa.Certain, hansa.RiskOf}).Draw(t, "certainty")
	s.Cause = mostly(t, "cause", hansa.Cause{}, hansa.Cause{Type: "vehicle-fire"})
	s.Source = mostly(t, "source", hansa.Source{}, hansa.Source{Org: "Tunnel B.V."})
	s.Severity = mostly(t, "severity", "", hansa.SeverityHigh)
	s.Lanes = mostly(t, "lanes", nil, []hansa.Lane{{Number: 1, Closed: true}})
	s.Vehicles = mostly(t, "vehicles", nil, []hansa.Vehicles{{Class: "lorry"}})
	s.Detours = mostly(t, "detours", nil, []hansa.Detour{{Text: "by the ring"}})
	s.Recurrence = mostly(t, "recurrence", nil, []hansa.Recurrence{{Zone: "UTC", From: "22:00", To: "05:00"}})
	if mostly(t, "internal", false, true) {
		s.Texts = append(s.Texts, hansa.Text{Value: "secret", Kind: "internal"})
	}
	return r
}

// checkExplained holds the explanation to the verdict.
func checkExplained(t *rapid.T, g *gate.Gate, r *hansa.Record, a gate.Ask, v hansa.Verdict) {
	t.Helper()
	first := hansa.Rule("")
	reasons := g.Explain(r, a)
	for _, why := range reasons {
		if why.Words == "" || why.Term == "" {
			t.Fatalf("a reason without words: %+v", why)
		}
		if !why.OK && first == "" {
			first = why.Rule
		}
	}
	if last := reasons[len(reasons)-1]; first == "" && v.Outcome == hansa.Trim {
		first = last.Rule
	}
	if first == "" {
		first = gate.Passed
	}
	if first != v.Rule {
		t.Fatalf("explained by %s, decided by %s", first, v.Rule)
	}
}

// checkTrimmed holds what leaves to what must not, and the record to what it was.
func checkTrimmed(t *rapid.T, g *gate.Gate, r *hansa.Record, v hansa.Verdict) {
	t.Helper()
	if v.Outcome == hansa.Deny {
		return
	}
	before, _ := json.Marshal(r)
	r.Original, r.Provenance.EnteredBy = []byte("original"), "user-1"
	out := g.Trim(r)
	if r.Original == nil || r.Provenance.EnteredBy == "" {
		t.Fatal("trimming took from the record")
	}
	r.Original, r.Provenance.EnteredBy = nil, ""
	if after, _ := json.Marshal(r); !bytes.Equal(before, after) {
		t.Fatalf("trimming changed the record:\n%s\n%s", before, after)
	}
	got, err := json.Marshal(out)
	if err != nil || out.Original != nil || out.Provenance.EnteredBy != "" || strings.Contains(string(got), "secret") {
		t.Fatalf("trimmed to %s, %v", got, err)
	}
	if err := out.Validate(); err != nil {
		t.Fatalf("trimmed to what is no record: %v", err)
	}
	if same := bytes.Equal(before, got); same != (v.Outcome == hansa.Pass) {
		t.Fatalf("%s %s, and the trimmed record is equal: %v\n%s\n%s", v.Outcome, v.Rule, same, before, got)
	}
	if s := out.Situation; s != nil && (s.Closed() != r.Situation.Closed() || s.Partial() != r.Situation.Partial()) {
		t.Fatalf("trimming made %s of %s", got, before)
	}
	if again := g.Trim(out); again.Situation != nil {
		if twice, _ := json.Marshal(again); !bytes.Equal(twice, got) {
			t.Fatalf("trimming twice differs:\n%s\n%s", got, twice)
		}
	}
}

// checkNext holds the time of the next change to the verdict at it.
func checkNext(t *rapid.T, g *gate.Gate, r *hansa.Record, a gate.Ask, v hansa.Verdict) {
	t.Helper()
	next := g.NextChange(r, a)
	if next.IsZero() {
		return
	}
	if v.Outcome != hansa.Deny || next.Before(a.Now) {
		t.Fatalf("%s changes at %v, asked at %v", v.Rule, next, a.Now)
	}
	before := a
	before.Now = next.Add(-time.Nanosecond)
	if a.Now = next; g.Decide(r, a).Outcome == hansa.Deny || g.Decide(r, before).Outcome != hansa.Deny {
		t.Fatalf("%s does not change at %v", v.Rule, next)
	}
}
