package format

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Paths returns the ways that g takes in the direction of travel: the line of a
// LineString; of a MultiLineString its lines, those joined that go on where the
// one before ended. A repeated position is left out, positions are rounded to
// six decimals (11 cm). ok is false for other shapes, and when a way has fewer than two
// different positions.
func Paths(g *hansa.Geometry) (paths [][]hansa.Position, ok bool) {
	if g == nil || g.Type != hansa.LineString && g.Type != hansa.MultiLineString {
		return nil, false
	}
	for _, l := range g.Lines {
		l = distinct(l)
		last := len(paths) - 1
		if last >= 0 && len(l) > 0 && paths[last][len(paths[last])-1] == l[0] {
			paths[last] = append(paths[last], l[1:]...)
			continue
		}
		paths = append(paths, l)
	}
	for _, p := range paths {
		if len(p) < 2 {
			return nil, false
		}
	}
	return paths, len(paths) > 0
}

func distinct(l []hansa.Position) []hansa.Position {
	out := make([]hansa.Position, 0, len(l))
	for _, p := range l {
		p = hansa.Position{math.Round(p[0]*1e6) / 1e6, math.Round(p[1]*1e6) / 1e6}
		if len(out) == 0 || out[len(out)-1] != p {
			out = append(out, p)
		}
	}
	return out
}

// LeftHand reports whether one drives on the left in a country (ISO 3166-1
// alpha-2) of Europe; elsewhere in the world the answer is no.
func LeftHand(country string) bool {
	return slices.Contains([]string{"gb", "uk", "ie", "mt", "cy", "im", "je", "gg"}, strings.ToLower(country))
}

// Ways says along which directions of its geometry a situation holds, so that no
// format turns a part into the whole: one way, both ways, or an empty direction
// with the reason why that cannot be told.
func Ways(s *hansa.Situation) (d hansa.Direction, reason string) {
	part := s.Extent == hansa.Tube || s.Extent == hansa.Carriageway || s.Infra.Tube != ""
	switch {
	case s.Direction == hansa.OneDirection:
		return hansa.OneDirection, ""
	case part:
		return "", "one tube or carriageway is meant and its direction is not given: both directions would be more than is closed"
	case s.Effect == hansa.DirectionClosed && s.Direction == hansa.BothDirections:
		return "", "one direction is closed and both are named"
	case s.Effect == hansa.DirectionClosed:
		return "", "one direction is closed and it is not said that the geometry is that direction's"
	case s.Direction == hansa.BothDirections, s.Effect == hansa.RoadClosed && s.Direction == "":
		return hansa.BothDirections, ""
	}
	return "", "it is not said which direction is meant"
}

// Begins returns when s begins, for a format that knows a single start: the
// planned start, or the actual one when there is no other or it came earlier.
func Begins(s *hansa.Situation) (time.Time, bool) {
	switch {
	case s.Start == nil && s.ActualStart == nil:
		return time.Time{}, false
	case s.Start == nil, s.ActualStart != nil && s.ActualStart.Before(*s.Start):
		return *s.ActualStart, true
	}
	return *s.Start, true
}

// Absent says why r may not stand in a document of real measures that says by
// presence alone that a thing holds: the field and the reason, or nothing. at is
// when the document is made; a zero at asks nothing of the clock.
func Absent(r *hansa.Record, at time.Time) (field, reason string) {
	s := r.Situation
	switch {
	case s == nil:
		return "/kind", "the format tells of situations on a road"
	case !r.Mode.IsReal():
		return "/mode", "the format has no word for a test or an exercise: it would be taken for real"
	case !r.Live():
		return "/situation/lifecycle", "it is over or withdrawn: absence says it"
	case s.Lifecycle == hansa.Draft:
		return "/situation/lifecycle", "the format has no word for a draft: it would be taken for published"
	case s.Lifecycle == hansa.Suspended:
		return "/situation/lifecycle", "it does not hold while it is suspended: absence says it"
	case s.Certainty == hansa.RiskOf:
		return "/situation/certainty", "what may happen would be told as what does"
	case !at.IsZero() && s.EndedByRule(at):
		return "/situation/endRule", "it has ended by its own rule: absence says it"
	case s.ActualEnd != nil && !at.IsZero() && !s.ActualEnd.After(at):
		return "/situation/actualEnd", "it has ended: absence says it"
	}
	return "", ""
}
