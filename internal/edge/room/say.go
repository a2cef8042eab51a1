package room

import (
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// state is the state of a closure in words, with its tone.
func state(c *Closure) (text, tone string) {
	switch c.Lifecycle {
	case hansa.Ended:
		return "Ended", "ok"
	case hansa.Cancelled:
		return "Withdrawn", "ok"
	case hansa.Suspended:
		return "Suspended", "med"
	case hansa.Planned, hansa.Confirmed:
		return "Planned", "low"
	case hansa.Draft:
		return "Draft, not published", "low"
	case hansa.Active:
	}
	if !c.Repaired.IsZero() {
		return "Repaired, still " + strings.ToLower(effect(c)), "med"
	}
	if c.Effect == hansa.NoEffect {
		return effect(c), "low"
	}
	if partial(c) {
		return effect(c), "high"
	}
	return effect(c), "crit"
}

// effect is what it does to the road, in words.
func effect(c *Closure) string {
	var words string
	switch c.Effect {
	case hansa.RoadClosed:
		words = "Closed"
	case hansa.DirectionClosed:
		words = "Closed in one direction"
		if c.Extent == hansa.Tube {
			words = "One tube closed"
		}
	case hansa.LanesClosed:
		words = "Lanes closed"
	case hansa.Restriction:
		words = "Restricted"
	case hansa.NoEffect:
		words = "Open to traffic"
	default:
		words = "Not stated"
	}
	if c.Vehicles != "" {
		words += " to " + c.Vehicles
	}
	return words
}

// partial reports whether some may still pass in the direction concerned.
func partial(c *Closure) bool {
	return c.Effect == hansa.LanesClosed || c.Effect == hansa.Restriction || c.Vehicles != "" || c.Extent == hansa.LanePart
}

// line is the second line of a closure in the list.
func line(c *Closure, now time.Time, zone *time.Location) string {
	text, _ := state(c)
	all := []string{text}
	if c.Role == hansa.RoleCounterMeasure {
		all = append(all, "counter-measure")
	}
	if cause := phrase(c.Cause); cause != "" {
		all = append(all, cause)
	}
	switch {
	case ended(c):
		if !c.ActualEnd.IsZero() {
			all = append(all, "since "+words.When(c.ActualEnd, now, zone))
		}
		return strings.Join(all, " · ")
	case planned(c) && !c.Start.IsZero():
		all = append(all, "from "+words.When(c.Start, now, zone))
	}
	return strings.Join(append(all, until(c, now, zone)), " · ")
}

// phrase turns a code into words: vehicle-fire, vehicleFire.
func phrase(code string) string {
	var b strings.Builder
	for i, r := range code {
		switch {
		case r == '-' || r == '_':
			b.WriteByte(' ')
		case r >= 'A' && r <= 'Z' && i > 0:
			b.WriteByte(' ')
			b.WriteRune(r + 'a' - 'A')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func until(c *Closure, now time.Time, zone *time.Location) string {
	switch {
	case c.End.IsZero():
		return "end unknown"
	case c.EndKind == hansa.EndEstimated || c.EndKind == hansa.EndUnknown:
		return "until ≈ " + words.When(c.End, now, zone)
	}
	return "until " + words.When(c.End, now, zone)
}

// began is when it began: as it happened, else as told.
func (c *Closure) began() time.Time {
	switch {
	case !c.ActualStart.IsZero():
		return c.ActualStart
	case !c.Start.IsZero():
		return c.Start
	}
	return c.Published
}
