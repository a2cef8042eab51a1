package quality_test

import (
	"math"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// ruleCase breaks one rule; right, when set, comes as near to it as is allowed.
type ruleCase struct {
	rule         hansa.Rule
	record       func() *hansa.Record
	wrong, right func(*hansa.Record)
}

func cases() []ruleCase {
	var all []ruleCase
	all = append(all, timeCases()...)
	all = append(all, placeCases()...)
	all = append(all, textCases()...)
	all = append(all, lifeCases()...)
	return append(all, otherCases()...)
}

// on makes a change of the situation one of the record.
func on(f func(*hansa.Situation)) func(*hansa.Record) {
	return func(r *hansa.Record) { f(r.Situation) }
}

func nightly(last string) []hansa.Recurrence {
	return []hansa.Recurrence{{Zone: "Europe/Amsterdam", From: "22:00", To: "05:00", Last: last}}
}

func timeCases() []ruleCase {
	return []ruleCase{
		{"TIME-02", sound, on(func(s *hansa.Situation) { s.End = s.Start }), nil},
		{"TIME-03", sound, on(func(s *hansa.Situation) { s.ActualStart, s.ActualEnd = new(now), new(now.Add(-time.Hour)) }), on(func(s *hansa.Situation) { s.ActualStart, s.ActualEnd = new(now), new(now) })},
		{"TIME-04", sound, func(r *hansa.Record) { r.Updated = now.Add(91 * time.Second) }, func(r *hansa.Record) { r.Updated = now.Add(90 * time.Second) }},
		{"TIME-05", sound, func(r *hansa.Record) { r.Created = now }, nil},
		{"TIME-06", sound, on(func(s *hansa.Situation) { s.End = nil }), on(func(s *hansa.Situation) { s.End, s.EndKind = nil, hansa.EndUnknown })},
		{"TIME-07", sound, on(func(s *hansa.Situation) { s.End = new(now.Add(-time.Minute)) }), on(func(s *hansa.Situation) { s.End, s.EndRule = new(now.Add(-time.Minute)), hansa.EndAtPlannedEnd })},
		{"TIME-08", sound, on(func(s *hansa.Situation) { s.Recurrence = []hansa.Recurrence{{From: "22:00", To: "05:00"}} }), on(func(s *hansa.Situation) { s.Recurrence = nightly("") })},
		{"TIME-09", sound, on(func(s *hansa.Situation) { s.Recurrence = nightly("2020-01-01") }), on(func(s *hansa.Situation) { s.Recurrence, s.End = nightly("2026-08-01"), new(now.AddDate(0, 0, 3)) })},
		{"TIME-10", sound, on(func(s *hansa.Situation) { s.Start = nil }), on(func(s *hansa.Situation) { s.Start, s.ActualStart = nil, new(now) })},
		{"TIME-11", sound, func(r *hansa.Record) { r.Updated = time.Time{} }, nil},
		{"TIME-12", sound, on(func(s *hansa.Situation) { s.ActualEnd = new(now.Add(time.Hour)) }), on(func(s *hansa.Situation) { s.ActualEnd = new(now) })},
		{"TIME-13", sound, on(func(s *hansa.Situation) { s.ActualStart = new(now.Add(time.Hour)) }), on(func(s *hansa.Situation) { s.ActualStart = new(now) })},
		{"TIME-14", sound, on(func(s *hansa.Situation) { s.End = new(now.AddDate(6, 0, 0)) }), on(func(s *hansa.Situation) { s.End = new(now.AddDate(4, 0, 0)) })},
		{"TIME-15", sound, on(func(s *hansa.Situation) { s.Start = new(time.Unix(1_783_000, 0)) }), nil},
		{"TIME-16", sound, on(func(s *hansa.Situation) { s.EndKind = hansa.EndUnknown }), nil},
		{"TIME-17", sound, func(r *hansa.Record) { r.Updated, r.Situation.End = now.AddDate(-2, 0, 0), nil }, func(r *hansa.Record) { r.Situation.End = nil }},
		{"TIME-18", sound, on(func(s *hansa.Situation) { s.Recurrence = []hansa.Recurrence{{Zone: "UTC", From: "25:00", To: "26:00"}} }), on(func(s *hansa.Situation) { s.Recurrence = nightly("") })},
	}
}

func at(g *hansa.Geometry) func(*hansa.Record) {
	return on(func(s *hansa.Situation) { s.Geometry = g })
}

func line(ps ...hansa.Position) func(*hansa.Record) { return at(hansa.Line(ps...)) }

func shape(kind hansa.GeometryType, ps ...hansa.Position) func(*hansa.Record) {
	return at(&hansa.Geometry{Type: kind, Lines: [][]hansa.Position{ps}})
}

func placeCases() []ruleCase {
	a, b, c := hansa.Position{4.90123, 52.37001}, hansa.Position{4.90321, 52.37102}, hansa.Position{4.90555, 52.37204}
	return []ruleCase{
		{"GEO-01", sound, at(nil), on(func(s *hansa.Situation) {
			s.Geometry, s.LinearRefs = nil, []hansa.LinearRef{{Kind: "openlr", Value: "CwOa9yUgqA=="}}
		})},
		{"GEO-02", sound, line(hansa.Position{a[1], a[0]}, hansa.Position{b[1], b[0]}), line(a, hansa.Position{b[1], b[0]})},
		{"GEO-03", sound, line(a, a), line(a, b)},
		{"GEO-04", sound, line(a, b, b), line(a, b, c)},
		{"GEO-05", sound, line(a, hansa.Position{4.98, 52.37001}), line(a, hansa.Position{4.97, 52.37001})},
		{"GEO-06", sound, shape(hansa.Polygon, a, b, c, b), shape(hansa.Polygon, a, b, c, a)},
		{"GEO-07", sound, line(hansa.Position{0, 0}, a), nil},
		{"GEO-08", sound, line(a, hansa.Position{4.90, 52.9}), nil},
		{"GEO-09", sound, line(hansa.Position{4.9, 52.37}, hansa.Position{4.91, 52.38}), line(hansa.Position{4.9, 52.37}, hansa.Position{4.901, 52.38})},
		{"GEO-10", sound, on(func(s *hansa.Situation) { s.Direction = "" }), nil},
		{"GEO-11", sound, line(a, hansa.Position{4.69, 52.37}), nil},
		{"GEO-12", sound, line(hansa.Position{math.NaN(), 52}, a), nil},
		{"GEO-13", sound, shape(hansa.Point, a), nil},
		{"GEO-14", sound, line(a, b, a), nil},
		{"GEO-15", sound, line(a, hansa.Position{4.90124, 52.37002}), nil},
		{"GEO-16", sound, on(func(s *hansa.Situation) { s.Direction = "north" }), nil},
		{"GEO-17", sound, on(func(s *hansa.Situation) { s.Effect = hansa.DirectionClosed }), on(func(s *hansa.Situation) { s.Effect, s.Direction = hansa.DirectionClosed, hansa.OneDirection })},
	}
}

func text(v string) func(*hansa.Record) {
	return on(func(s *hansa.Situation) { s.Texts = []hansa.Text{{Lang: "nl", Value: v}} })
}

func lang(v string) func(*hansa.Record) {
	return on(func(s *hansa.Situation) { s.Texts[0].Lang = v })
}

func textCases() []ruleCase {
	return []ruleCase{
		{"TEXT-01", sound, text("dicht \u202egnileoP"), text("नमस्\u200dते: dicht\nvan 10")},
		{"TEXT-02", sound, text(strings.Repeat("é", 1025)), text(strings.Repeat("é", 1024))},
		{"TEXT-03", sound, text("<b>dicht</b>"), text("a < b en C&A, > 3 m")},
		{"TEXT-04", sound, lang(""), nil},
		{"TEXT-05", sound, text(" \n"), nil},
		{"TEXT-06", sound, lang("Nederlands"), lang("zh-Hant-TW")},
		{"TEXT-07", sound, text("dicht \xff"), nil},
		{"TEXT-08", sound, on(func(s *hansa.Situation) { s.Texts = []hansa.Text{{Lang: "nl", Value: "pomp", Kind: "internal"}} }), nil},
		{"TEXT-09", sound, text("mail jan@example.org"), text("dicht @ Dam")},
	}
}

func lifeCases() []ruleCase {
	ended := func(r *hansa.Record) {
		r.Update, r.Situation.Lifecycle, r.Situation.ActualEnd = hansa.End, hansa.Ended, new(now)
	}
	return []ruleCase{
		{"LIFE-01", sound, func(r *hansa.Record) {
			r.Update, r.Situation.Lifecycle, r.Situation.EndKind = hansa.End, hansa.Ended, hansa.EndUnknown
		}, ended},
		{"LIFE-02", sound, on(func(s *hansa.Situation) { s.Repaired = new(now) }), func(r *hansa.Record) { ended(r); r.Situation.Repaired = new(now) }},
		{"LIFE-03", sound, on(func(s *hansa.Situation) { s.Lifecycle = hansa.Cancelled }), func(r *hansa.Record) { r.Update, r.Situation.Lifecycle = hansa.Redact, hansa.Cancelled }},
		{"LIFE-04", sound, on(func(s *hansa.Situation) { s.Start = new(now.Add(10 * time.Minute)) }), on(func(s *hansa.Situation) { s.Start = new(now.Add(time.Minute)) })},
		{"LIFE-05", sound, on(func(s *hansa.Situation) { s.Lifecycle = hansa.Ended }), ended},
		{"LIFE-06", sound, func(r *hansa.Record) { r.Update = hansa.End }, ended},
		{"LIFE-07", sound, on(func(s *hansa.Situation) { s.Lifecycle, s.Start = hansa.Planned, new(now.Add(-2*time.Hour)) }), on(func(s *hansa.Situation) { s.Lifecycle, s.Start = hansa.Planned, new(now) })},
		{"LIFE-08", sound, on(func(s *hansa.Situation) { s.Lifecycle = "done" }), nil},
		{"LIFE-09", sound, on(func(s *hansa.Situation) { s.ActualEnd = new(now) }), ended},
		{"LIFE-10", sound, func(r *hansa.Record) { r.Update = "" }, nil},
		{"LIFE-11", sound, on(func(s *hansa.Situation) { s.Effect = "shut" }), nil},
		{"LIFE-12", sound, on(func(s *hansa.Situation) { s.Certainty = hansa.RiskOf }), on(func(s *hansa.Situation) { s.Certainty, s.Lifecycle = hansa.RiskOf, hansa.Planned })},
		{"LIFE-13", sound, on(func(s *hansa.Situation) { s.Lifecycle = hansa.Draft }), nil},
		{"LIFE-14", sound, func(r *hansa.Record) { r.Update = "delete" }, nil},
		{"LIFE-15", sound, func(r *hansa.Record) { r.Mode = "drill" }, func(r *hansa.Record) { r.Mode = hansa.Exercise }},
		{"REL-01", sound, on(func(s *hansa.Situation) { s.Related.Replaces = []string{"closure-1"} }), on(func(s *hansa.Situation) { s.Related.Replaces = []string{"closure-0"} })},
		{"REL-02", sound, on(func(s *hansa.Situation) { s.Role = hansa.RoleCounterMeasure }), on(func(s *hansa.Situation) { s.Role, s.Incident = hansa.RoleCounterMeasure, "i" })},
		{"REL-03", sound, on(func(s *hansa.Situation) { s.Related.CausedBy = []string{"closure-1"} }), on(func(s *hansa.Situation) { s.Related.Parent = "p" })},
		{"REL-04", sound, on(func(s *hansa.Situation) { s.Role, s.Geometry = hansa.RoleDiversion, nil }), on(func(s *hansa.Situation) { s.Role = hansa.RoleDiversion })},
		{"REL-05", sound, on(func(s *hansa.Situation) { s.Related.Replaces = []string{"a", "a"} }), on(func(s *hansa.Situation) { s.Related.Replaces = []string{"a", "b"} })},
		{"REL-06", sound, on(func(s *hansa.Situation) { s.Role = "hero" }), on(func(s *hansa.Situation) { s.Role = hansa.RoleClosure })},
	}
}

func lanes(effect hansa.Effect, all ...hansa.Lane) func(*hansa.Record) {
	return on(func(s *hansa.Situation) { s.Effect, s.Lanes = effect, all })
}

func vehicle(v hansa.Vehicles) func(*hansa.Record) {
	return on(func(s *hansa.Situation) { s.Effect, s.Vehicles = hansa.Restriction, []hansa.Vehicles{v} })
}

func street(name string) func(*hansa.Record) {
	return on(func(s *hansa.Situation) { s.Road.Name = name })
}

func otherCases() []ruleCase {
	shut, open := hansa.Lane{Number: 1, Of: 2, Closed: true}, hansa.Lane{Number: 2, Of: 2}
	return []ruleCase{
		{"ID-01", sound, func(r *hansa.Record) { r.ID = "" }, nil},
		{"ID-02", sound, func(r *hansa.Record) { r.ID = strings.Repeat("x", 513) }, func(r *hansa.Record) { r.ID = strings.Repeat("x", 512) }},
		{"ID-03", sound, func(r *hansa.Record) { r.ID = "a b c" }, func(r *hansa.Record) { r.ID = "urn:é/1" }},
		{"ID-04", sound, func(r *hansa.Record) { r.ID = "ab" }, func(r *hansa.Record) { r.ID = "abc" }},
		{"VER-00", sound, func(r *hansa.Record) { r.Version = 0 }, nil},
		{"ROAD-01", sound, on(func(s *hansa.Situation) { s.Road = hansa.Road{} }), on(func(s *hansa.Situation) { s.Road = hansa.Road{Number: "A10"} })},
		{"ROAD-02", sound, street("Rue du Taur, 31000 Toulouse"), street("Rue du 8 mai 1945b")},
		{"ROAD-02", sound, street("Dam 1012 Amsterdam"), street("L1234")},
		{"ROAD-03", sound, on(func(s *hansa.Situation) { s.Infra.Kind = "tunnel" }), on(func(s *hansa.Situation) { s.Infra = hansa.Infra{Kind: "tunnel", Name: "Oostertunnel"} })},
		{"ROAD-04", sound, on(func(s *hansa.Situation) { s.Extent = hansa.Tube }), on(func(s *hansa.Situation) { s.Extent, s.Infra.Tube = hansa.Tube, "east" })},
		{"ROAD-05", sound, on(func(s *hansa.Situation) { s.Extent = hansa.Carriageway }), on(func(s *hansa.Situation) { s.Effect, s.Extent = hansa.DirectionClosed, hansa.Carriageway })},
		{"LANE-01", sound, lanes(hansa.LanesClosed), lanes(hansa.LanesClosed, shut)},
		{"LANE-02", sound, lanes(hansa.LanesClosed, open), lanes(hansa.LanesClosed, shut, open)},
		{"LANE-03", sound, lanes(hansa.LanesClosed, hansa.Lane{Number: 3, Of: 2, Closed: true}), lanes(hansa.LanesClosed, shut)},
		{"LANE-04", sound, lanes(hansa.LanesClosed, shut, shut), lanes(hansa.LanesClosed, shut, open)},
		{"LANE-05", sound, lanes(hansa.LanesClosed, shut, hansa.Lane{Number: 2, Of: 2, Closed: true}), lanes(hansa.LanesClosed, shut, open)},
		{"LANE-06", sound, lanes(hansa.RoadClosed, shut, open), lanes(hansa.RoadClosed, shut)},
		{"LANE-07", sound, lanes(hansa.LanesClosed, shut, hansa.Lane{Number: 2, Of: 3}), lanes(hansa.LanesClosed, shut, open)},
		{"VEH-01", sound, vehicle(hansa.Vehicles{HeightOverM: 380}), vehicle(hansa.Vehicles{HeightOverM: 3.8})},
		{"VEH-02", sound, vehicle(hansa.Vehicles{Except: true}), vehicle(hansa.Vehicles{Class: "bus", Except: true})},
		{"VEH-03", sound, on(func(s *hansa.Situation) { s.Effect, s.Texts = hansa.Restriction, nil }), vehicle(hansa.Vehicles{Class: "lorry"})},
		{"VEH-04", sound, vehicle(hansa.Vehicles{Other: "axle load over 8 t"}), vehicle(hansa.Vehicles{Class: "lorry"})},
		{"SRC-01", sound, on(func(s *hansa.Situation) { s.Source = hansa.Source{} }), func(r *hansa.Record) { r.Situation.Source, r.Provenance.Holder = hansa.Source{}, "Tunnel B.V." }},
		{"OBS-01", seen, func(r *hansa.Record) { r.Observation.Observed = time.Time{} }, nil},
		{"OBS-02", seen, func(r *hansa.Record) { r.Observation.Observed = now.Add(2 * time.Minute) }, nil},
		{"OBS-03", seen, func(r *hansa.Record) { *r.Observation.Confidence = -1 }, nil},
		{"OBS-04", seen, func(r *hansa.Record) { r.Observation.Quantities[0].Value = math.Inf(1) }, nil},
		{"OBS-05", seen, func(r *hansa.Record) { r.Observation.What = "" }, nil},
		{"DOC-01", paper, func(r *hansa.Record) { r.Document.Body = nil }, nil},
		{"DOC-02", paper, func(r *hansa.Record) { r.Document.MediaType = "" }, nil},
		{"RTTI-01", sound, on(func(s *hansa.Situation) { s.Effect = "" }), nil},
		{"RTTI-01", seen, func(r *hansa.Record) { r.Observation.What = "" }, nil},
		{"RTTI-02", sound, at(nil), nil},
		{"RTTI-02", seen, func(r *hansa.Record) { r.Observation.Geometry = nil }, func(r *hansa.Record) { r.Observation.Geometry, r.Observation.Subject = nil, "station-4" }},
		{"RTTI-03", sound, on(func(s *hansa.Situation) { s.Direction = "" }), nil},
		{"RTTI-04", sound, on(func(s *hansa.Situation) { s.End = nil }), on(func(s *hansa.Situation) { s.End, s.Recurrence = nil, nightly("2026-08-01") })},
		{"RTTI-04", seen, func(r *hansa.Record) { r.Observation.Observed = time.Time{} }, nil},
		{"RTTI-05", sound, func(r *hansa.Record) { r.Update = "" }, nil},
		{"RTTI-06", sound, func(r *hansa.Record) { r.Updated = time.Time{} }, nil},
	}
}
