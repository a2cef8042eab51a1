package datex2_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/datex2"
)

// closure is a tunnel's tube closed for works, as a city would say it.
func closure(id string, change ...func(*hansa.Record)) *hansa.Record {
	start, end := now.Add(38*time.Hour), now.Add(30*24*time.Hour)
	r := &hansa.Record{
		Kind: hansa.KindSituation, ID: id, Version: 2, Created: now.Add(-240 * time.Hour), Updated: now, Update: hansa.Modify, Mode: hansa.Real,
		Situation: &hansa.Situation{
			Incident: "HGD-2026-7", Role: hansa.RoleClosure, Lifecycle: hansa.Confirmed,
			Effect: hansa.DirectionClosed, Extent: hansa.Carriageway, Direction: hansa.OneDirection,
			Cause: hansa.Cause{Type: "roadworks", Detail: "Vervangen verlichting"}, Certainty: hansa.Certain, Severity: hansa.SeverityHigh,
			Start: &start, End: &end,
			Recurrence: []hansa.Recurrence{{Zone: "Europe/Amsterdam", Days: []string{"monday", "tuesday"}, From: "22:00", To: "05:00", First: "2026-03-02", Last: "2026-03-31"}},
			Geometry:   hansa.Line(hansa.Position{4.9119, 52.3745}, hansa.Position{4.9131, 52.379}, hansa.Position{4.9142, 52.3832}),
			Infra:      hansa.Infra{Kind: "tunnel", Name: "Oostertunnel"}, Road: hansa.Road{Name: "Oosterlaan", Number: "S116"},
			Texts: []hansa.Text{
				{Lang: "nl", Value: "Oostertunnel richting noord dicht", Kind: "comment"},
				{Lang: "en", Value: "Oostertunnel northbound closed", Kind: "comment"},
			},
			Source: hansa.Source{Org: "Gemeente Hoogdam", System: "HGD-VRA", Ref: "WIOR-1"}, Audience: "noRestriction",
		},
	}
	for _, f := range change {
		f(r)
	}
	return r
}

func TestWriteGoldens(t *testing.T) {
	rs := []*hansa.Record{
		closure("HGD-1"),
		closure("HGD-2", func(r *hansa.Record) {
			s := r.Situation
			s.Incident, s.Recurrence = "HGD-2026-8", nil
			s.Role, s.Effect, s.Cause = hansa.RoleIncident, hansa.RoadClosed, hansa.Cause{Type: "vehicle-fire"}
			s.Direction, s.Extent, s.Lifecycle, s.End = "", hansa.WholeRoad, hansa.Ended, nil
			over := now.Add(-time.Hour)
			s.ActualEnd, r.Update = &over, hansa.End
		}),
		closure("HGD-3", func(r *hansa.Record) {
			s := r.Situation
			s.Lifecycle, r.Update = hansa.Cancelled, hansa.Redact
			s.Effect, s.Extent = hansa.LanesClosed, hansa.LanePart
			s.Lanes = []hansa.Lane{{Number: 1, Usage: "leftLane", Closed: true, Of: 3}, {Number: 2, Closed: true, Of: 3}, {Number: 3, Of: 3}}
			s.Vehicles = []hansa.Vehicles{{Class: "lorry", WeightOverT: 7.5}, {HeightOverM: 4.1, DangerousGoods: true}}
			s.Detours = []hansa.Detour{{Text: "Volg U12", Geometry: hansa.Line(hansa.Position{4.9, 52.37}, hansa.Position{4.92, 52.39})}}
		}),
		closure("HGD-4", func(r *hansa.Record) { r.Mode = hansa.Exercise }),
		closure("HGD-5", func(r *hansa.Record) {
			s := r.Situation
			s.Recurrence = []hansa.Recurrence{{Zone: "Europe/Amsterdam", Days: []string{"sunday"}, Weeks: []int{-1}, Night: true, From: "00:00", To: "05:00"}}
			s.Geometry = &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{{{4.9, 52.3}, {4.91, 52.3}, {4.91, 52.31}, {4.9, 52.3}}}}
			s.Texts = append(s.Texts, hansa.Text{Lang: "nl", Value: "intern nummer", Kind: "internal"})
		}),
		closure("HGD-6", func(r *hansa.Record) { r.Situation.Vehicles = []hansa.Vehicles{{Class: "bus", Except: true}} }),
		closure("HGD-7", func(r *hansa.Record) { r.Situation.Geometry = nil }),
		closure("HGD-8", func(r *hansa.Record) { r.Situation.Audience = "partners" }),
		closure("HGD-1"),
	}
	for _, c := range []format.Codec{datex2.Codec(), datex2.ContainerCodec()} {
		doc, losses := write(t, c, document(amsterdam(t)), rs...)
		validate(t, c.Name == datex2.NameContainer, doc)
		golden(t, "written-"+string(c.Name)+".xml", doc)
		var b strings.Builder
		for _, l := range losses {
			fmt.Fprintf(&b, "%s %s %s %q: %s\n", l.Record, l.Kind, l.Field, l.Value, l.Reason)
		}
		golden(t, "written-losses.txt", []byte(b.String()))
	}
}

func TestNothingIsLostOfATunnelClosure(t *testing.T) {
	_, losses := write(t, datex2.Codec(), document(amsterdam(t)), closure("HGD-1"))
	if len(losses) > 0 {
		t.Errorf("lost: %+v", losses)
	}
	if losses := datex2.Codec().Writer.Losses(closure("HGD-1")); len(losses) > 0 {
		t.Errorf("would lose: %+v", losses)
	}
}

func TestEndedIsNotGuessed(t *testing.T) {
	past := closure("HGD-1", func(r *hansa.Record) {
		s := r.Situation
		start, end := now.Add(-48*time.Hour), now.Add(-24*time.Hour)
		s.Start, s.End, s.Lifecycle, s.Recurrence = &start, &end, hansa.Active, nil
	})
	doc, _ := write(t, datex2.Codec(), document(amsterdam(t)), past)
	items := read(t, doc, format.Input{Now: now})
	if l := items[0].Record.Situation.Lifecycle; l != hansa.Active {
		t.Errorf("a planned end that has passed made it %q", l)
	}
}

func TestContainerTellsAnEndOnce(t *testing.T) {
	over := closure("HGD-1", func(r *hansa.Record) { r.Situation.Lifecycle, r.Update = hansa.Ended, hansa.End })
	doc, _ := write(t, datex2.ContainerCodec(), document(amsterdam(t)), over)
	items := read(t, doc, format.Input{Zone: amsterdam(t), Now: now})
	if len(items) != 1 || items[0].Record.Update != hansa.End {
		t.Errorf("got %d items: %+v", len(items), items)
	}
}
