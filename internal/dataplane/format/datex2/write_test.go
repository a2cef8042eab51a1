package datex2_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/datex2"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/formattest"
)

// situation draws a record, half of the time one that DATEX II can say well.
func situation(t *rapid.T) *hansa.Record {
	r := formattest.Situation().Draw(t, "record")
	if rapid.Bool().Draw(t, "any") {
		return r
	}
	pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	s := r.Situation
	s.Vehicles = nil
	for range rapid.IntRange(0, 2).Draw(t, "vehicles") {
		s.Vehicles = append(s.Vehicles, hansa.Vehicles{
			Class: pick("class", "lorry", "bus", "heavyGoodsVehicle"), WeightOverT: 3.5, DangerousGoods: rapid.Bool().Draw(t, "adr"),
			HeightOverM: float64(rapid.IntRange(0, 4).Draw(t, "height")),
		})
	}
	s.Lifecycle = hansa.Lifecycle(pick("life", "planned", "confirmed", "active", "suspended", "ended", "cancelled"))
	s.Effect = hansa.Effect(pick("effect", "road-closed", "direction-closed", "lanes-closed", "restriction", "none"))
	s.Role = hansa.Role(pick("role", "", "closure", "counter-measure", "diversion", "incident", "works"))
	s.Cause.Type = pick("cause", "", "roadworks", "vehicle-fire", "event", "technical-fault", "accident", "bridge-swing", "animal-presence", "xyz")
	s.Audience = pick("audience", "", "noRestriction", "internalUse")
	if s.Geometry == nil {
		s.Geometry = hansa.Line(hansa.Position{4.9, 52.37}, hansa.Position{4.91, 52.38})
	}
	s.LinearRefs = nil
	if rapid.Bool().Draw(t, "alertc") {
		s.LinearRefs = []hansa.LinearRef{
			{Kind: "alertc", Value: "alertCLinear method=4 country=8 table=6.13 version=A direction=negative affected=aligned primary=8802+500 secondary=8803+400"},
			{Kind: "alertc", Value: "alertCPoint method=2 country=8 table=6.13 version=A direction=positive affected=unknown primary=8802"},
		}
	}
	if len(s.Recurrence) > 0 && rapid.Bool().Draw(t, "simple") {
		s.Recurrence = s.Recurrence[:1]
		s.Recurrence[0].Night, s.Recurrence[0].Except = false, nil
	}
	return r
}

func TestWhatIsWrittenIsValid(t *testing.T) {
	zone := amsterdam(t)
	for _, c := range []format.Codec{datex2.Codec(), datex2.ContainerCodec()} {
		t.Run(string(c.Name), func(t *testing.T) {
			var docs [][]byte
			written := 0
			rapid.Check(t, func(t *rapid.T) {
				var rs []*hansa.Record
				for range rapid.IntRange(1, 4).Draw(t, "records") {
					rs = append(rs, situation(t))
				}
				doc, _ := write(t, c, document(zone), rs...)
				docs = append(docs, doc)
				again, _ := write(t, c, document(zone), rs...)
				if !bytes.Equal(doc, again) {
					t.Fatalf("the same records gave other bytes")
				}
				written += bytes.Count(doc, []byte("<sit:situationRecord "))
			})
			t.Logf("%d records", written)
			validate(t, c.Name == datex2.NameContainer, docs...)
		})
	}
}

// members returns the publisher's part of r by JSON pointer, as text, down to
// where losses are told.
func members(t *rapid.T, r *hansa.Record) map[string]string {
	c := *r
	c.Dataset, c.Received, c.Defects, c.Kind = "", time.Time{}, nil, ""
	if c.Mode == "" {
		c.Mode = hansa.Real
	}
	c.Provenance.Format, c.Provenance.Feed = "", ""
	s := *c.Situation
	c.Situation = &s
	c.Unknown = nil
	s.Unknown = nil
	b, err := json.Marshal(&c)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		m, ok := v.(map[string]any)
		_, shape := m["coordinates"]
		if ok && !shape {
			for k, e := range m {
				walk(path+"/"+k, e)
			}
			return
		}
		if s, ok := v.(string); ok {
			if m, err := time.Parse(time.RFC3339Nano, s); err == nil {
				v = m.UTC().Format(time.RFC3339Nano)
			}
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if string(b) != `""` && string(b) != "null" && string(b) != "[]" {
			out[path] = string(b)
		}
	}
	walk("", v)
	return out
}

func TestWhatIsLostIsReportedAndNothingElse(t *testing.T) {
	zone := amsterdam(t)
	c := datex2.Codec()
	taken, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		r := situation(t)
		doc, losses := write(t, c, document(zone), r)
		items := read(t, doc, format.Input{Zone: zone, Lang: "nl", Now: now})
		if format.Refused(losses) {
			refused++
			if len(items) != 0 {
				t.Fatalf("refused, yet there are %d items", len(items))
			}
			return
		}
		taken++
		at := slices.IndexFunc(items, func(i format.Item) bool { return i.Record != nil && i.Record.ID == r.ID })
		if at < 0 {
			t.Fatalf("the record did not come back:\n%s", doc)
		}
		neverWider(t, r, items[at].Record)
		was, is := members(t, r), members(t, items[at].Record)
		told := func(path string) bool {
			return slices.ContainsFunc(losses, func(l hansa.Loss) bool {
				return l.Field == path || strings.HasPrefix(path, l.Field+"/")
			})
		}
		for path, v := range was {
			if is[path] != v && !told(path) {
				t.Fatalf("%s was %s, became %q, and no loss says so: %+v\n%s", path, v, is[path], losses, doc)
			}
		}
		for path, v := range is {
			if _, ok := was[path]; !ok && !told(path) && !strings.HasPrefix(path, "/provenance") {
				t.Fatalf("%s was nothing, became %s, and no loss says so: %+v\n%s", path, v, losses, doc)
			}
		}
		for _, l := range losses {
			if l.Kind == hansa.LossRefused || strings.Contains(l.Field, "nown") || l.Field == "/situation/texts" {
				continue
			}
			if !differs(was, is, l.Field) && !unknownMember(r, l.Field) {
				t.Fatalf("a loss of %s is told, but it was %q and is %q\n%s", l.Field, was[l.Field], is[l.Field], doc)
			}
		}
		if !reflect.DeepEqual(c.Writer.Losses(r) == nil, losses == nil) {
			t.Fatalf("Losses says %+v, Write %+v", c.Writer.Losses(r), losses)
		}
	})
	if taken == 0 || refused == 0 {
		t.Errorf("%d taken, %d refused: the generator is one-sided", taken, refused)
	}
}

// neverWider holds a record that was written and read again to no more than it
// said: not more of the road, not more vehicles, not more readers.
func neverWider(t *rapid.T, was, is *hansa.Record) {
	rank := []hansa.Effect{hansa.NoEffect, hansa.Restriction, hansa.LanesClosed, hansa.DirectionClosed, hansa.RoadClosed}
	a, b := was.Situation, is.Situation
	switch {
	case slices.Index(rank, b.Effect) > slices.Index(rank, a.Effect):
		t.Fatalf("the effect %q became %q", a.Effect, b.Effect)
	case a.Effect != hansa.NoEffect && len(a.Vehicles) > 0 && !reflect.DeepEqual(a.Vehicles, b.Vehicles):
		t.Fatalf("the vehicles %+v became %+v", a.Vehicles, b.Vehicles)
	case !a.Closed() && b.Closed():
		t.Fatal("what was not closed became closed")
	case a.Lifecycle.Live() != b.Lifecycle.Live():
		t.Fatalf("%q became %q", a.Lifecycle, b.Lifecycle)
	case a.Audience != b.Audience, was.Mode.IsReal() != is.Mode.IsReal():
		t.Fatalf("audience %q, mode %q became %q, %q", a.Audience, was.Mode, b.Audience, is.Mode)
	case len(a.Recurrence) > 0 && len(b.Recurrence) == 0:
		t.Fatal("the windows were lost, and the time between them closed")
	}
	for _, x := range b.Texts {
		for _, y := range a.Texts {
			if y.Kind == "internal" && x.Value == y.Value && !slices.ContainsFunc(a.Texts, func(z hansa.Text) bool { return z.Kind != "internal" && strings.TrimSpace(z.Value) == x.Value }) {
				t.Fatal("an internal text left the node")
			}
		}
	}
}

func differs(was, is map[string]string, field string) bool {
	for path, v := range was {
		if (path == field || strings.HasPrefix(path, field+"/")) && is[path] != v {
			return true
		}
	}
	for path, v := range is {
		if (path == field || strings.HasPrefix(path, field+"/")) && was[path] != v {
			return true
		}
	}
	return false
}

func unknownMember(r *hansa.Record, field string) bool {
	_, top := r.Unknown[strings.TrimPrefix(field, "/")]
	_, in := r.Situation.Unknown[strings.TrimPrefix(field, "/situation/")]
	return top || in
}
