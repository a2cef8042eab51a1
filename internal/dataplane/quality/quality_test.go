package quality_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/quality"
)

var (
	now = time.Date(2026, 7, 4, 10, 0, 0, 0, time.UTC)
	box = [4]float64{4.7, 52.2, 5.1, 52.5}
)

func in() quality.Context { return quality.Context{Now: now, Box: &box} }

// sound returns a closure of a street, active for an hour, that breaks no rule.
func sound() *hansa.Record {
	return &hansa.Record{
		Kind: hansa.KindSituation, Dataset: "d", ID: "closure-1", Version: 1, Update: hansa.Insert,
		Created: now.Add(-time.Hour), Updated: now.Add(-time.Minute), Received: now,
		Situation: &hansa.Situation{
			Lifecycle: hansa.Active, Effect: hansa.RoadClosed, Certainty: hansa.Certain,
			Start: new(now.Add(-time.Hour)), End: new(now.Add(time.Hour)), EndKind: hansa.EndEstimated,
			Geometry:  hansa.Line(hansa.Position{4.90123, 52.37001}, hansa.Position{4.90321, 52.37102}, hansa.Position{4.90555, 52.37204}),
			Direction: hansa.BothDirections, Extent: hansa.WholeRoad,
			Road:   hansa.Road{Name: "Prins Hendrikkade", Number: "s100"},
			Texts:  []hansa.Text{{Lang: "nl", Value: "Dicht door een gesprongen leiding"}, {Lang: "en", Value: "Closed: burst main"}},
			Source: hansa.Source{Org: "City of Doggerhaven"},
		},
	}
}

// seen returns an observation that breaks no rule.
func seen() *hansa.Record {
	half := 0.5
	return &hansa.Record{
		Kind: hansa.KindObservation, ID: "jam-1", Version: 1, Update: hansa.Insert, Updated: now,
		Observation: &hansa.Observation{
			What: "jam", Observed: now, Confidence: &half,
			Geometry:   hansa.Line(hansa.Position{4.90123, 52.37001}, hansa.Position{4.90321, 52.37102}),
			Quantities: []hansa.Quantity{{Name: "speed", Value: 3, Unit: "m/s"}},
		},
	}
}

func paper() *hansa.Record {
	return &hansa.Record{
		Kind: hansa.KindDocument, ID: "plan-1", Version: 1, Update: hansa.Insert, Updated: now,
		Document: &hansa.Document{MediaType: "text/plain", Body: []byte("plan")},
	}
}

func TestSoundRecordsHaveNoFindings(t *testing.T) {
	for _, r := range []*hansa.Record{sound(), seen(), paper()} {
		if err := r.Validate(); err != nil {
			t.Fatalf("%s: %v", r.ID, err)
		}
		for _, own := range []bool{false, true} {
			c := in()
			c.Own = own
			if got := quality.Check(r, c); got != nil {
				t.Errorf("%s, own %v: got %v, want none", r.ID, own, got)
			}
		}
		if err := quality.Publication(r, in()); err != nil {
			t.Errorf("%s: %v", r.ID, err)
		}
	}
}

func TestEachRuleFindsWhatItIsForAndNoMore(t *testing.T) {
	covered := map[hansa.Rule]bool{"TIME-01": true, "VER-01": true, "VER-02": true, "MORE-01": true} // others find these
	for _, tc := range cases() {
		covered[tc.rule] = true
		t.Run(string(tc.rule), func(t *testing.T) {
			bad := tc.record()
			tc.wrong(bad)
			if !has(check(bad), tc.rule) {
				t.Errorf("broken record: got %v, want %s", check(bad), tc.rule)
			}
			good := tc.record()
			if tc.right != nil {
				tc.right(good)
			}
			if has(check(good), tc.rule) {
				t.Errorf("sound record: got %v, want no %s", check(good), tc.rule)
			}
		})
	}
	for _, r := range quality.Rules() {
		if !covered[r.ID] {
			t.Errorf("%s has no case", r.ID)
		}
	}
}

func check(r *hansa.Record) []hansa.Finding {
	c := in()
	c.Own = true
	return quality.Check(r, c)
}

func has(all []hansa.Finding, rule hansa.Rule) bool {
	return slices.ContainsFunc(all, func(d hansa.Finding) bool { return d.Rule == rule })
}

func TestRulesAreWellFormed(t *testing.T) {
	ids := map[hansa.Rule]bool{}
	for _, r := range quality.Rules() {
		if ids[r.ID] {
			t.Errorf("%s stands twice", r.ID)
		}
		ids[r.ID] = true
		if r.Title == "" || r.What == "" || r.Mend == "" || r.Source == "" {
			t.Errorf("%s lacks words: %+v", r.ID, r)
		}
		if s := r.Severity; s != hansa.Fault && s != hansa.Warning && s != hansa.Note {
			t.Errorf("%s has severity %q", r.ID, s)
		}
		d, ok := quality.Find(r.ID, "/x", "v")
		if !ok || d.Rule != r.ID || d.Field != "/x" || d.Value != "v" || d.Message == "" {
			t.Errorf("Find(%s) = %+v, %v", r.ID, d, ok)
		}
	}
	if _, ok := quality.Find("TIME-99", "", ""); ok {
		t.Error("there is a rule TIME-99")
	}
}

func TestSwappedWithoutABox(t *testing.T) {
	r := sound()
	r.Situation.Geometry = hansa.Line(hansa.Position{52.37, 104.9}, hansa.Position{52.38, 104.9})
	if got := quality.Check(r, quality.Context{Now: now}); !has(got, "GEO-02") {
		t.Errorf("got %v, want GEO-02", got)
	}
}

func TestPublicationRefusesWhatAnUpdateMustCarry(t *testing.T) {
	for _, tc := range []struct {
		name  string
		wrong func(*hansa.Record)
		field string
		rule  string
	}{
		{"type", func(r *hansa.Record) { r.Situation.Effect = "" }, "/situation/effect", "RTTI-01"},
		{"location", func(r *hansa.Record) { r.Situation.Geometry = nil }, "/situation/geometry", "RTTI-02"},
		{"direction", func(r *hansa.Record) { r.Situation.Direction = "" }, "/situation/direction", "RTTI-03"},
		{"period without a start", func(r *hansa.Record) { r.Situation.Start = nil }, "/situation/start", "RTTI-04"},
		{"period without an end", func(r *hansa.Record) { r.Situation.End = nil }, "/situation/end", "RTTI-04"},
		{"kind of update", func(r *hansa.Record) { r.Update = "" }, "/update", "RTTI-05"},
		{"update time", func(r *hansa.Record) { r.Updated = time.Time{} }, "/updated", "RTTI-06"},
		{"a fault of another sort", func(r *hansa.Record) { r.Situation.Related.Replaces = []string{r.ID} }, "/situation/related/replaces/0", "REL-01"},
		{"not a record", func(r *hansa.Record) { r.ID = "" }, "/id", "needs the publisher's id"},
		{
			"an unknown end of what is planned", func(r *hansa.Record) {
				r.Situation.Lifecycle, r.Situation.Start = hansa.Planned, new(now.Add(time.Hour))
				r.Situation.End, r.Situation.EndKind = nil, hansa.EndUnknown
			}, "/situation/end", "RTTI-04",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := sound()
			tc.wrong(r)
			err, ok := errors.AsType[*hansa.Error](quality.Publication(r, in()))
			if !ok {
				t.Fatal("it was published")
			}
			if err.Kind != hansa.Invalid || err.Field != tc.field || !strings.Contains(err.Message, tc.rule) {
				t.Errorf("got %v %q: %q, want %q at %q", err.Kind, err.Field, err.Message, tc.rule, tc.field)
			}
		})
	}
}

func TestEmergencyClosureMaySayEndUnknown(t *testing.T) {
	r := sound()
	r.Situation.End, r.Situation.EndKind = nil, hansa.EndUnknown
	if err := quality.Publication(r, in()); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

func TestForeignInputIsMarkedAndNotChanged(t *testing.T) {
	r := sound()
	r.Situation.Direction = ""
	r.Defects = []hansa.Finding{{Rule: "TIME-01", Field: "/updated"}}
	before := r.Defects
	news := quality.Mark(r, in())
	if !has(news, "GEO-10") || has(news, "RTTI-03") || len(r.Defects) != 2 {
		t.Errorf("got %v, want one GEO-10 behind TIME-01", r.Defects)
	}
	if again := quality.Mark(r, in()); again != nil || len(r.Defects) != 2 || len(before) != 1 {
		t.Errorf("a second look added %v", again)
	}
}

func TestFindingsAreBounded(t *testing.T) {
	r := sound()
	for range 500 {
		r.Situation.Texts = append(r.Situation.Texts, hansa.Text{Value: strings.Repeat("é<b>", 400)})
	}
	got := quality.Check(r, in())
	if len(got) != hansa.FindingsMax {
		t.Fatalf("got %d findings, want %d", len(got), hansa.FindingsMax)
	}
	last := got[len(got)-1]
	if last.Rule != "MORE-01" || last.Value != "1301" {
		t.Errorf("the last is %+v, want MORE-01 with the 1,301 left out", last)
	}
	for _, d := range got {
		if len(d.Value) > quality.ValueBytesMax {
			t.Fatalf("%s quotes %d bytes", d.Rule, len(d.Value))
		}
	}
}

func TestGradeIsTheShareWithoutFaults(t *testing.T) {
	var g quality.Grade
	if g.Share() != 1 {
		t.Errorf("an empty set: got %v, want 1", g.Share())
	}
	g.Add(nil)
	g.Add([]hansa.Finding{{Severity: hansa.Warning}})
	g.Add([]hansa.Finding{{Severity: hansa.Fault}})
	g.Add([]hansa.Finding{{Severity: hansa.Fault}})
	if got := g.Share(); got != 0.5 {
		t.Errorf("got %v, want 0.5", got)
	}
}

func TestCheckNeverPanicsAndChangesNothing(t *testing.T) {
	number := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), -91, 181}))
	rapid.Check(t, func(t *rapid.T) {
		r := sound()
		r.ID = rapid.String().Draw(t, "id")
		r.Update = hansa.Update(rapid.String().Draw(t, "update"))
		s := r.Situation
		s.Texts[0].Value = string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		s.Texts[0].Lang = rapid.String().Draw(t, "lang")
		s.Road.Name = rapid.String().Draw(t, "street")
		s.Geometry = &hansa.Geometry{Type: hansa.GeometryType(rapid.SampledFrom([]string{"Point", "LineString", "Polygon", ""}).Draw(t, "type"))}
		for range rapid.IntRange(0, 2).Draw(t, "lines") {
			var l []hansa.Position
			for range rapid.IntRange(0, 3).Draw(t, "positions") {
				l = append(l, hansa.Position{number.Draw(t, "x"), number.Draw(t, "y")})
			}
			s.Geometry.Lines = append(s.Geometry.Lines, l)
		}
		s.Recurrence = []hansa.Recurrence{{Zone: rapid.String().Draw(t, "zone"), From: rapid.String().Draw(t, "from")}}
		_ = quality.Check(r, in())
		_ = quality.Publication(r, in())
	})
}

func TestCheckAllocatesNothingWhenNothingIsWrong(t *testing.T) {
	r, c := sound(), in()
	c.Own = true
	if n := testing.AllocsPerRun(100, func() { quality.Check(r, c) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	r, c := sound(), in()
	var l []hansa.Position
	for i := range 12 {
		l = append(l, hansa.Position{4.90123 + float64(i)*0.00123, 52.37001 + float64(i)*0.000456})
	}
	r.Situation.Geometry = hansa.Line(l...)
	if got := quality.Check(r, c); got != nil {
		b.Fatal(got)
	}
	b.ReportAllocs()
	for b.Loop() {
		quality.Check(r, c)
	}
}
