package gate_test

import (
	stdjson "encoding/json"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

func TestTrimmedRecordTellsNothingWithheld(t *testing.T) {
	f, three := flow(), 3
	f.Terms.Fields, f.Terms.Precision = []string{"severity"}, &three
	g := compile(t, f)
	r := closure()
	r.Provenance = hansa.Provenance{Holder: "City", System: "secret", Feed: "secret", Contact: "secret", Ref: "secret", Legal: "secret", EnteredBy: "secret"}
	r.Defects = []hansa.Finding{{Rule: "TEXT-03", Severity: hansa.Warning, Field: "/situation/texts/0/value", Value: "secret", Message: "secret", Mend: "secret"}}
	r.Unknown = map[string]stdjson.RawMessage{"x": []byte(`"secret"`)}
	r.Original, r.OriginalType = []byte("secret"), "text/xml"
	s := r.Situation
	s.Unknown = map[string]stdjson.RawMessage{"y": []byte(`"secret"`)}
	s.Texts = []hansa.Text{{Value: "secret"}, {Value: "secret", Kind: "internal"}}
	s.Cause, s.Source = hansa.Cause{Detail: "secret"}, hansa.Source{Org: "secret"}
	s.LinearRefs = []hansa.LinearRef{{Kind: "openlr", Value: "secret"}}
	s.Detours = []hansa.Detour{{Text: "secret"}}
	s.Related = hansa.Related{Replaces: []string{"r0"}, Parent: "secret", CausedBy: []string{"secret"}}
	s.Severity, s.Certainty = hansa.SeverityHigh, hansa.Certain
	if v := g.Decide(r, ask()); v.Outcome != hansa.Trim {
		t.Fatalf("got %s %s, want a trim", v.Outcome, v.Rule)
	}
	out := g.Trim(r)
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "secret") || len(out.Original) > 0 || out.OriginalType != "" || out.Provenance.EnteredBy != "" {
		t.Errorf("it tells: %s", b)
	}
	if out.Provenance.Holder != "City" || out.Situation.Severity != hansa.SeverityHigh || len(out.Situation.Related.Replaces) != 1 || len(out.Defects) != 1 {
		t.Errorf("it lacks what may leave: %s", b)
	}
	for _, p := range out.Situation.Geometry.Lines[0] {
		for _, v := range p {
			if n, _ := json.Marshal(v); len(n) > len("52.123") {
				t.Errorf("a coordinate of more than three decimals: %s", n)
			}
		}
	}
}

func TestCollapsedDetourKeepsItsWords(t *testing.T) {
	f, three := flow(), 3
	f.Terms.Precision = &three
	r := closure()
	r.Situation.Detours = []hansa.Detour{
		{Text: "short", Geometry: hansa.Line(hansa.Position{4.90001, 52.37001}, hansa.Position{4.90002, 52.37001})},
		{Text: "long", Geometry: hansa.Line(hansa.Position{4.90001, 52.37001}, hansa.Position{4.95001, 52.37001})},
	}
	out := compile(t, f).Trim(r).Situation.Detours
	if out[0].Text != "short" || out[0].Geometry != nil || out[1].Geometry == nil {
		t.Errorf("got %+v", out)
	}
	if r.Situation.Detours[0].Geometry == nil {
		t.Error("the record itself was changed")
	}
}

func TestObservationIsCoarsened(t *testing.T) {
	f, three := flow(), 3
	f.Terms.Precision = &three
	r := closure()
	r.Kind, r.Situation = hansa.KindObservation, nil
	r.Observation = &hansa.Observation{Geometry: &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{{{4.90049, -0.0001}}}}}
	g := compile(t, f)
	if v := g.Decide(r, ask()); v.Rule != "GATE-22" {
		t.Errorf("got %s, want GATE-22", v.Rule)
	}
	if b, _ := json.Marshal(g.Trim(r).Observation.Geometry); string(b) != `{"type":"Point","coordinates":[4.9,0]}` {
		t.Errorf("got %s", b)
	}
}
