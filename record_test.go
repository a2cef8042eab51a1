package hansa_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	strict "github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

func TestRecordJSON(t *testing.T) {
	in := `{"kind":"observation","id":"v-1","version":2,"updated":"2026-03-01T08:00:00.5+01:00","observation":{"what":"vehicle","observed":"2026-03-01T08:00:00Z","validFor":1.5,"geometry":{"type":"Point","coordinates":[4.9,52.3]},"quantities":[{"name":"speed","value":13.9,"unit":"m/s"}],"confidence":0},"mine":[1]}`
	var r hansa.Record
	if err := strict.Unmarshal([]byte(in), &r); err != nil {
		t.Fatal(err)
	}
	o := r.Observation
	if o.ValidFor.Std() != 1500*time.Millisecond || o.Confidence == nil || *o.Confidence != 0 || string(r.Unknown["mine"]) != "[1]" {
		t.Errorf("got %+v, unknown %s", o, r.Unknown)
	}
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
	out, err := strict.Marshal(&r, strict.Deterministic(true))
	if err != nil || string(out) != in {
		t.Errorf("%v\n got %s\nwant %s", err, out, in)
	}
	r.Original, r.OriginalType, r.Cursor, r.Provenance.EnteredBy = []byte("secret"), "secret", "secret", "secret"
	if out, _ := strict.Marshal(&r); strings.Contains(string(out), "secret") {
		t.Errorf("what stays here is in the canonical form: %s", out)
	}
}

func TestDurationJSON(t *testing.T) {
	for in, want := range map[string]time.Duration{"0": 0, "90": 90 * time.Second, "0.25": 250 * time.Millisecond, "1e3": 1000 * time.Second, "-1": -time.Second} {
		var d hansa.Duration
		if err := json.Unmarshal([]byte(in), &d); err != nil || d.Std() != want {
			t.Errorf("%s: %v, %v, want %v", in, d, err, want)
		}
	}
	for _, in := range []string{`"90"`, `1e300`, `[]`, `true`, `4000000000000`} {
		var d hansa.Duration
		if err := d.UnmarshalJSON([]byte(in)); hansa.KindOf(err) != hansa.Invalid || err == nil {
			t.Errorf("%s: %v, want invalid", in, err)
		}
	}
}

func TestRecordValidateNamesThePlace(t *testing.T) {
	off := &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{{{0, 91}}}}
	for _, tc := range []struct {
		field string
		r     hansa.Record
	}{
		{"/id", hansa.Record{}},
		{"/kind", hansa.Record{ID: "a"}},
		{"/kind", hansa.Record{ID: "a", Kind: "fact", Situation: &hansa.Situation{}}},
		{"/situation/geometry/coordinates", hansa.Record{ID: "a", Kind: hansa.KindSituation, Situation: &hansa.Situation{Geometry: off}}},
		{"/situation/detours/1/geometry/coordinates", hansa.Record{ID: "a", Kind: hansa.KindSituation, Situation: &hansa.Situation{Detours: []hansa.Detour{{}, {Geometry: off}}}}},
		{"/situation/recurrence/0/zone", hansa.Record{ID: "a", Kind: hansa.KindSituation, Situation: &hansa.Situation{Recurrence: []hansa.Recurrence{{}}}}},
		{"/observation/geometry/coordinates", hansa.Record{ID: "a", Kind: hansa.KindObservation, Observation: &hansa.Observation{Geometry: off}}},
	} {
		if e := hansa.Public(tc.r.Validate()); e == nil || e.Field != tc.field || e.Kind != hansa.Invalid {
			t.Errorf("got %v, want invalid at %s", e, tc.field)
		}
	}
}

func TestSituation(t *testing.T) {
	past := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s := hansa.Situation{Lifecycle: hansa.Active, Effect: hansa.DirectionClosed, End: &past}
	if s.EndedByRule(past.Add(time.Hour)) {
		t.Error("a situation without a rule ended by itself")
	}
	s.EndRule = hansa.EndAtPlannedEnd
	if !s.EndedByRule(past) || s.EndedByRule(past.Add(-1)) {
		t.Error("it does not end at its planned end")
	}
	if !s.Closed() || s.Partial() {
		t.Error("a closed direction is closed, for all")
	}
	s.Vehicles = []hansa.Vehicles{{Class: "lorry"}}
	if s.Closed() || !s.Partial() {
		t.Error("closed for lorries is closed for all")
	}
	s.Texts = []hansa.Text{{Lang: "en", Value: "secret", Kind: "internal"}, {Lang: "nl", Value: "dicht"}}
	if c, ok := s.Comment("en"); !ok || c.Value != "dicht" {
		t.Errorf("comment %v: internal text is never public", c)
	}
	for _, r := range []hansa.Record{{Update: hansa.End}, {Update: hansa.Redact}, {Situation: &hansa.Situation{Lifecycle: hansa.Ended}}, {Situation: &hansa.Situation{Lifecycle: hansa.Cancelled}}} {
		if r.Live() {
			t.Errorf("%+v is live", r)
		}
	}
}
