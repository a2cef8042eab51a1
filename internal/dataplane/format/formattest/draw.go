// Package formattest draws random sound records for the tests of codecs. They use
// every member of the canonical form, and text that is hard to write.
package formattest

import (
	"encoding/json"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
)

// Record draws a situation, observation or document.
func Record() *rapid.Generator[*hansa.Record] {
	return rapid.Custom(func(t *rapid.T) *hansa.Record {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			r := frame(t, hansa.KindObservation)
			r.Observation = observation(t)
			return r
		case 1:
			r := frame(t, hansa.KindDocument)
			r.Document = &hansa.Document{MediaType: "text/plain", Title: word(t), Body: []byte(word(t))}
			return r
		}
		return Situation().Draw(t, "situation")
	})
}

// Situation draws a record that holds a situation.
func Situation() *rapid.Generator[*hansa.Record] {
	return rapid.Custom(func(t *rapid.T) *hansa.Record {
		r := frame(t, hansa.KindSituation)
		r.Situation = situation(t)
		return r
	})
}

func word(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "a", "Oostertunnel", "Rue du Taur, 31000 Toulouse", "<&\"'> \u2028 é", "日本", "\n\t\\", "12"}).Draw(t, "word")
}

func moment(t *rapid.T) time.Time {
	zone := time.FixedZone("", rapid.SampledFrom([]int{0, 3600, 7200, -18000, 37800}).Draw(t, "offset"))
	s := rapid.Int64Range(1_600_000_000, 1_900_000_000).Draw(t, "second")
	return time.Unix(s, rapid.SampledFrom([]int64{0, 0, 120_000_000, 1}).Draw(t, "nano")).In(zone)
}

// maybe draws f half of the time.
func maybe[T any](t *rapid.T, f func(*rapid.T) T) (v T) {
	if rapid.Bool().Draw(t, "there") {
		return f(t)
	}
	return v
}

func pointer[T any](t *rapid.T, f func(*rapid.T) T) *T {
	if !rapid.Bool().Draw(t, "there") {
		return nil
	}
	v := f(t)
	return &v
}

func some[T any](t *rapid.T, f func(*rapid.T) T) (vs []T) {
	for range rapid.IntRange(0, 2).Draw(t, "some") {
		vs = append(vs, f(t))
	}
	return vs
}

func unknown(t *rapid.T) map[string]json.RawMessage {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "colour", "Kind", "ünknown", "geometry2"}), 0, 2, rapid.ID[string]).Draw(t, "unknown")
	if len(names) == 0 {
		return nil
	}
	m := map[string]json.RawMessage{}
	for _, n := range names {
		m[n] = json.RawMessage(rapid.SampledFrom([]string{`1`, `"a"`, `{"b":[null,true]}`, `null`}).Draw(t, "value"))
	}
	return m
}

func frame(t *rapid.T, kind hansa.RecordKind) *hansa.Record {
	return &hansa.Record{
		Kind: kind, Dataset: hansa.DatasetID(word(t)),
		ID:      rapid.SampledFrom([]string{"AMS-1", "7", "urn:x:é", "a b"}).Draw(t, "id"),
		Version: rapid.Int64Range(0, 1<<53).Draw(t, "version"),
		Created: maybe(t, moment), Updated: maybe(t, moment), Received: maybe(t, moment), Published: maybe(t, moment),
		Update:     rapid.SampledFrom([]hansa.Update{"", hansa.Insert, hansa.Modify, hansa.End, hansa.Redact}).Draw(t, "update"),
		Mode:       rapid.SampledFrom([]hansa.Mode{"", hansa.Real, hansa.Test, hansa.Exercise}).Draw(t, "mode"),
		Provenance: hansa.Provenance{Holder: word(t), System: word(t), Country: rapid.SampledFrom([]string{"", "nl", "gb"}).Draw(t, "country"), Ref: word(t), Origin: maybeOrigin(t)},
		Defects: some(t, func(t *rapid.T) hansa.Finding {
			return hansa.Finding{Rule: "TIME-01", Severity: hansa.Warning, Field: "/situation/start", Value: word(t), Message: "m" + word(t)}
		}),
		Unknown: unknown(t),
	}
}

// maybeOrigin draws where a record that was passed on came from.
func maybeOrigin(t *rapid.T) *hansa.Origin {
	if !rapid.Bool().Draw(t, "passed on") {
		return nil
	}
	return &hansa.Origin{Party: "did:web:city.example", ID: "AMS-" + word(t), Version: rapid.Int64Range(0, 9).Draw(t, "its version"), Licence: word(t), Accord: "01930000-0000-7000-8000-000000000001", Duties: some(t, word)}
}

func observation(t *rapid.T) *hansa.Observation {
	return &hansa.Observation{
		What: "jam", Subject: word(t), Observed: moment(t), ValidFor: hansa.Duration(rapid.IntRange(0, 1000).Draw(t, "valid")) * hansa.Duration(time.Second),
		Geometry: maybe(t, shape), State: word(t), Personal: rapid.Bool().Draw(t, "personal"),
		Confidence: pointer(t, func(t *rapid.T) float64 { return rapid.Float64Range(0, 1).Draw(t, "confidence") }),
		Quantities: some(t, func(t *rapid.T) hansa.Quantity {
			return hansa.Quantity{Name: "speed", Value: rapid.Float64Range(-1e6, 1e6).Draw(t, "value"), Unit: "km/h"}
		}),
	}
}

func position(t *rapid.T) hansa.Position {
	return hansa.Position{
		float64(rapid.IntRange(-180e6, 180e6).Draw(t, "lon")) / 1e6,
		float64(rapid.IntRange(-90e6, 90e6).Draw(t, "lat")) / 1e6,
	}
}

func line(t *rapid.T) []hansa.Position {
	l := make([]hansa.Position, rapid.IntRange(2, 4).Draw(t, "positions"))
	for i := range l {
		l[i] = position(t)
	}
	return l
}

func shape(t *rapid.T) *hansa.Geometry {
	g := &hansa.Geometry{Type: rapid.SampledFrom([]hansa.GeometryType{hansa.LineString, hansa.Point, hansa.MultiPoint, hansa.MultiLineString, hansa.Polygon}).Draw(t, "shape")}
	switch g.Type {
	case hansa.Point:
		g.Lines = [][]hansa.Position{{position(t)}}
	case hansa.MultiLineString:
		g.Lines = [][]hansa.Position{line(t), line(t)}
	case hansa.Polygon:
		a, b, c := position(t), position(t), position(t)
		g.Lines = [][]hansa.Position{{a, b, c, a}}
	case hansa.LineString, hansa.MultiPoint:
		g.Lines = [][]hansa.Position{line(t)}
	}
	return g
}

func recurrence(t *rapid.T) hansa.Recurrence {
	return hansa.Recurrence{
		Zone: "Europe/Amsterdam", From: "22:00", To: rapid.SampledFrom([]string{"05:00", "23:00", "24:00"}).Draw(t, "to"),
		Days:   maybe(t, func(*rapid.T) []string { return []string{"monday", "friday"} }),
		Weeks:  maybe(t, func(*rapid.T) []int { return []int{1, -1} }),
		Months: maybe(t, func(*rapid.T) []int { return []int{2, 10} }),
		Night:  rapid.Bool().Draw(t, "night"),
		First:  maybe(t, func(*rapid.T) string { return "2026-03-01" }),
		Last:   maybe(t, func(*rapid.T) string { return "2026-04-01" }),
		Except: maybe(t, func(*rapid.T) []string { return []string{"2026-03-17"} }),
	}
}

func situation(t *rapid.T) *hansa.Situation {
	s := &hansa.Situation{
		Incident:  word(t),
		Role:      rapid.SampledFrom([]hansa.Role{"", hansa.RoleClosure, hansa.RoleCounterMeasure, hansa.RoleDiversion, hansa.RoleIncident, hansa.RoleWorks}).Draw(t, "role"),
		Lifecycle: rapid.SampledFrom([]hansa.Lifecycle{hansa.Draft, hansa.Planned, hansa.Confirmed, hansa.Active, hansa.Active, hansa.Suspended, hansa.Ended, hansa.Cancelled}).Draw(t, "lifecycle"),
		Effect:    rapid.SampledFrom([]hansa.Effect{hansa.RoadClosed, hansa.RoadClosed, hansa.DirectionClosed, hansa.LanesClosed, hansa.Restriction, hansa.NoEffect}).Draw(t, "effect"),
		Cause:     hansa.Cause{Type: rapid.SampledFrom([]string{"", "roadworks", "technical-fault", "event", "accident"}).Draw(t, "cause"), Detail: word(t)},
		Certainty: rapid.SampledFrom([]hansa.Certainty{"", hansa.Certain, hansa.Probable, hansa.RiskOf}).Draw(t, "certainty"),
		Severity:  rapid.SampledFrom([]hansa.Severity{"", hansa.SeverityHigh}).Draw(t, "severity"),
		EndKind:   rapid.SampledFrom([]hansa.EndKind{"", hansa.EndUnknown, hansa.EndEstimated, hansa.EndConfirmed}).Draw(t, "endKind"),
		EndRule:   rapid.SampledFrom([]hansa.EndRule{"", hansa.EndAtPlannedEnd, hansa.EndWithSource, hansa.EndReplaced}).Draw(t, "endRule"),
		Repaired:  pointer(t, moment), Start: pointer(t, moment), End: pointer(t, moment), ActualStart: pointer(t, moment), ActualEnd: pointer(t, moment),
		Recurrence: maybe(t, func(t *rapid.T) []hansa.Recurrence { return some(t, recurrence) }),
		Geometry:   maybe(t, shape),
		Direction:  rapid.SampledFrom([]hansa.Direction{"", hansa.OneDirection, hansa.BothDirections}).Draw(t, "direction"),
		Extent:     rapid.SampledFrom([]hansa.Extent{"", hansa.WholeRoad, hansa.Carriageway, hansa.Tube, hansa.LanePart}).Draw(t, "extent"),
		Infra:      hansa.Infra{Kind: "tunnel", Name: word(t), Tube: word(t)},
		Road:       hansa.Road{Name: word(t), Number: word(t)},
		Audience:   word(t),
		Unknown:    unknown(t),
	}
	rich(t, s)
	return s
}

func rich(t *rapid.T, s *hansa.Situation) {
	s.Lanes = some(t, func(t *rapid.T) hansa.Lane {
		return hansa.Lane{Number: rapid.IntRange(1, 4).Draw(t, "lane"), Closed: rapid.Bool().Draw(t, "closed"), Of: rapid.IntRange(0, 4).Draw(t, "of")}
	})
	s.LinearRefs = some(t, func(t *rapid.T) hansa.LinearRef { return hansa.LinearRef{Kind: "openlr", Value: word(t)} })
	if rapid.IntRange(0, 3).Draw(t, "classes") == 0 {
		s.Vehicles = some(t, func(t *rapid.T) hansa.Vehicles {
			return hansa.Vehicles{Class: word(t), HeightOverM: rapid.Float64Range(0, 5).Draw(t, "height"), DangerousGoods: rapid.Bool().Draw(t, "dangerous"), Except: rapid.Bool().Draw(t, "except")}
		})
	}
	s.Detours = some(t, func(t *rapid.T) hansa.Detour { return hansa.Detour{Text: word(t), Geometry: maybe(t, shape)} })
	s.Texts = some(t, func(t *rapid.T) hansa.Text {
		return hansa.Text{Lang: "nl", Value: word(t), Kind: rapid.SampledFrom([]string{"", "comment", "internal"}).Draw(t, "textKind")}
	})
	s.Source = hansa.Source{Org: word(t), Automatic: rapid.Bool().Draw(t, "automatic")}
	s.Related = hansa.Related{Parent: word(t), Replaces: maybe(t, func(*rapid.T) []string { return []string{"AMS-0"} })}
}
