package format_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/cifs"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/geojson"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/record"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/wzdx"
)

// works returns a closure of one direction for works, which every format can say.
func works() *hansa.Record {
	start, end := time.Date(2026, 3, 2, 23, 0, 0, 0, time.UTC), time.Date(2026, 3, 3, 4, 0, 0, 0, time.UTC)
	return &hansa.Record{
		Kind: hansa.KindSituation, ID: "AMS-1", Version: 1, Update: hansa.Insert,
		Situation: &hansa.Situation{
			Lifecycle: hansa.Active, Effect: hansa.DirectionClosed, Direction: hansa.OneDirection,
			Cause: hansa.Cause{Type: "roadworks"}, Start: &start, End: &end,
			Geometry: hansa.Line(hansa.Position{4.9119, 52.3745}, hansa.Position{4.9131, 52.379}, hansa.Position{4.9142, 52.3832}),
			Road:     hansa.Road{Name: "IJtunnel"},
			Texts:    []hansa.Text{{Lang: "en", Value: "Works"}},
		},
	}
}

// TestNeverWidened: what is less than a closure for everybody is never written as
// one. A format either has the words for it or leaves the record out.
func TestNeverWidened(t *testing.T) {
	const said, left = "said", "left out"
	on := func(f func(*hansa.Situation)) func(*hansa.Record) {
		return func(r *hansa.Record) { f(r.Situation) }
	}
	for _, tc := range []struct {
		name       string
		change     func(*hansa.Record)
		cifs, wzdx string
	}{
		{"a direction, the geometry being its own", func(*hansa.Record) {}, said, said},
		{"a direction that is not told", on(func(s *hansa.Situation) { s.Direction = "" }), left, left},
		{"a direction, both named", on(func(s *hansa.Situation) { s.Direction = hansa.BothDirections }), left, left},
		{"one tube with its direction", on(func(s *hansa.Situation) { s.Extent = hansa.Tube }), said, said},
		{"one tube in both directions", on(func(s *hansa.Situation) {
			s.Extent, s.Effect, s.Direction = hansa.Tube, hansa.RoadClosed, hansa.BothDirections
		}), left, left},
		{"one carriageway of a closed road", on(func(s *hansa.Situation) {
			s.Extent, s.Effect, s.Direction = hansa.Carriageway, hansa.RoadClosed, ""
		}), left, left},
		{"a named tube of a closed road", on(func(s *hansa.Situation) {
			s.Infra.Tube, s.Effect, s.Direction = "west", hansa.RoadClosed, ""
		}), left, left},
		{"the whole road", on(func(s *hansa.Situation) { s.Effect, s.Direction = hansa.RoadClosed, "" }), said, said},
		{"lanes", on(func(s *hansa.Situation) { s.Effect = hansa.LanesClosed }), said, said},
		{"a lane called a closure", on(func(s *hansa.Situation) { s.Extent = hansa.LanePart }), left, left},
		{"a closure with an open lane", on(func(s *hansa.Situation) {
			s.Lanes = []hansa.Lane{{Number: 1, Closed: true, Of: 2}, {Number: 2, Of: 2}}
		}), left, left},
		{"closed for lorries", on(func(s *hansa.Situation) { s.Vehicles = []hansa.Vehicles{{Class: "lorry"}} }), left, said},
		{"closed above a height", on(func(s *hansa.Situation) { s.Vehicles = []hansa.Vehicles{{HeightOverM: 3.8}} }), left, said},
		{"closed for high lorries only", on(func(s *hansa.Situation) {
			s.Vehicles = []hansa.Vehicles{{Class: "lorry", HeightOverM: 3.8}}
		}), left, left},
		{"closed for dangerous goods", on(func(s *hansa.Situation) { s.Vehicles = []hansa.Vehicles{{DangerousGoods: true}} }), left, left},
		{"closed for all but buses", on(func(s *hansa.Situation) { s.Vehicles = []hansa.Vehicles{{Class: "bus", Except: true}} }), left, left},
		{"lanes closed for lorries", on(func(s *hansa.Situation) {
			s.Effect, s.Vehicles = hansa.LanesClosed, []hansa.Vehicles{{Class: "lorry"}}
		}), left, left},
		{"a restriction of nobody in particular", on(func(s *hansa.Situation) { s.Effect = hansa.Restriction }), left, left},
		{"a test", func(r *hansa.Record) { r.Mode = hansa.Test }, left, left},
		{"an exercise", func(r *hansa.Record) { r.Mode = hansa.Exercise }, left, left},
		{"a draft", on(func(s *hansa.Situation) { s.Lifecycle = hansa.Draft }), left, left},
		{"a suspended closure", on(func(s *hansa.Situation) { s.Lifecycle = hansa.Suspended }), left, left},
		{"an ended closure", on(func(s *hansa.Situation) { s.Lifecycle = hansa.Ended }), left, left},
		{"a cancelled closure", on(func(s *hansa.Situation) { s.Lifecycle = hansa.Cancelled }), left, left},
		{"a withdrawn closure", func(r *hansa.Record) { r.Update = hansa.Redact }, left, left},
		{"a risk", on(func(s *hansa.Situation) { s.Certainty = hansa.RiskOf }), left, left},
		{"a diversion", on(func(s *hansa.Situation) { s.Role, s.Effect = hansa.RoleDiversion, hansa.NoEffect }), left, said},
		{"not works", on(func(s *hansa.Situation) { s.Cause.Type = "technical-fault" }), said, left},
		{"no cause", on(func(s *hansa.Situation) { s.Cause.Type = "" }), said, left},
		{"a point", on(func(s *hansa.Situation) {
			s.Geometry = &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{{{4.9, 52.3}}}}
		}), left, left},
		{"no place", on(func(s *hansa.Situation) { s.Geometry = nil }), left, left},
		{"an end before the start", on(func(s *hansa.Situation) { s.Start, s.End = s.End, s.Start }), left, left},
		{"no start", on(func(s *hansa.Situation) { s.Start = nil }), left, left},
		{"no road", on(func(s *hansa.Situation) { s.Road.Name = "" }), left, left},
		{"an observation", func(r *hansa.Record) {
			r.Kind, r.Situation, r.Observation = hansa.KindObservation, nil, &hansa.Observation{What: "jam"}
		}, left, left},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := works()
			tc.change(r)
			for _, w := range []struct {
				codec format.Codec
				want  string
			}{{cifs.XML(), tc.cifs}, {cifs.JSON(), tc.cifs}, {wzdx.Codec(), tc.wzdx}, {record.Codec(), said}, {record.NDJSON(), said}, {geojson.Codec(), said}} {
				check(t, w.codec, r, w.want == said)
			}
		})
	}
}

func check(t *testing.T, c format.Codec, r *hansa.Record, said bool) {
	t.Helper()
	var b bytes.Buffer
	losses, err := c.Writer.Write(&b, format.Doc{Publisher: "Amsterdam"}, slices.Values([]*hansa.Record{r}))
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	if got := strings.Contains(b.String(), "AMS-1"); got != said {
		t.Errorf("%s: written %t, want %t\n%s\n%v", c.Name, got, said, &b, losses)
	}
	if format.Refused(losses) == said {
		t.Errorf("%s: refused is %t, want %t: %v", c.Name, !said, said, losses)
	}
	if again := c.Writer.Losses(r); !slices.Equal(again, losses) {
		t.Errorf("%s: Losses says %v, Write says %v", c.Name, again, losses)
	}
	for _, l := range losses {
		if l.Record != r.ID || l.Reason == "" || l.Kind == hansa.LossRefused && l.Field == "" {
			t.Errorf("%s: a loss that says too little: %+v", c.Name, l)
		}
	}
	if s := r.Situation; s != nil && s.Partial() {
		for _, word := range []string{"ROAD_CLOSED", "all-lanes-closed"} {
			if strings.Contains(b.String(), word) {
				t.Errorf("%s: a partial measure is written as %s", c.Name, word)
			}
		}
	}
}
