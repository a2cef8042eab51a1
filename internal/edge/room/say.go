package room

import (
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// state is the state of a closure in words, with its tone.
func state(say *words.Catalogue, c *Closure) (text, tone string) {
	switch c.Lifecycle {
	case hansa.Ended:
		return say.Say("Ended"), "ok"
	case hansa.Cancelled:
		return say.Say("Withdrawn"), "ok"
	case hansa.Suspended:
		return say.Say("Suspended"), "med"
	case hansa.Planned, hansa.Confirmed:
		return say.Say("Planned"), "low"
	case hansa.Draft:
		return say.Say("Draft, not published"), "low"
	case hansa.Active:
	}
	if !c.Repaired.IsZero() {
		return say.Fill("Repaired, still {1}", Does(say, c)), "med"
	}
	if c.Effect == hansa.NoEffect {
		return effect(say, c), "low"
	}
	if partial(c) {
		return effect(say, c), "high"
	}
	return effect(say, c), "crit"
}

// effects are what a closure can do to the road: by itself, and within a sentence.
var effects = map[hansa.Effect][2]string{
	hansa.RoadClosed:      {words.Mark("Closed"), words.Mark("closed")},
	hansa.DirectionClosed: {words.Mark("Closed in one direction"), words.Mark("closed in one direction")},
	hansa.LanesClosed:     {words.Mark("Lanes closed"), words.Mark("lanes closed")},
	hansa.Restriction:     {words.Mark("Restricted"), words.Mark("restricted")},
	hansa.NoEffect:        {words.Mark("Open to traffic"), words.Mark("open to traffic")},
	"":                    {words.Mark("Not stated"), words.Mark("not stated")},
	"tube":                {words.Mark("One tube closed"), words.Mark("one tube closed")},
}

// Does is what a closure does to the road, in words within a sentence.
func Does(say *words.Catalogue, c *Closure) string { return does(say, c, 1) }

// effect is what it does to the road, in words.
func effect(say *words.Catalogue, c *Closure) string { return does(say, c, 0) }

func does(say *words.Catalogue, c *Closure, within int) string {
	all, ok := effects[c.Effect]
	switch {
	case !ok:
		all = effects[""]
	case c.Effect == hansa.DirectionClosed && c.Extent == hansa.Tube:
		all = effects["tube"]
	}
	if c.Vehicles != "" {
		return say.Fill("{2} to {1}", say.Say(c.Vehicles), say.Say(all[within])) // another text than a delivery to somebody
	}
	return say.Say(all[within])
}

// partial reports whether some may still pass in the direction concerned.
func partial(c *Closure) bool {
	return c.Effect == hansa.LanesClosed || c.Effect == hansa.Restriction || c.Vehicles != "" || c.Extent == hansa.LanePart
}

// line is the second line of a closure in the list.
func line(say *words.Catalogue, c *Closure, now time.Time, zone *time.Location) string {
	text, _ := state(say, c)
	all := []string{text}
	if c.Role == hansa.RoleCounterMeasure {
		all = append(all, say.Say("counter-measure"))
	}
	if cause := say.Say(phrase(c.Cause)); cause != "" {
		all = append(all, cause)
	}
	switch {
	case ended(c):
		if !c.ActualEnd.IsZero() {
			all = append(all, say.Fill("since {1}", say.When(c.ActualEnd, now, zone)))
		}
		return strings.Join(all, " · ")
	case planned(c) && !c.Start.IsZero():
		all = append(all, say.Fill("from {1}", say.When(c.Start, now, zone)))
	}
	if c.End.IsZero() {
		return strings.Join(append(all, end(say, c, now, zone)), " · ")
	}
	return strings.Join(append(all, say.Fill("until {1}", end(say, c, now, zone))), " · ")
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

// end is when it ends, as far as that is known.
func end(say *words.Catalogue, c *Closure, now time.Time, zone *time.Location) string {
	switch {
	case c.End.IsZero():
		return say.Say("end unknown")
	case c.EndKind == hansa.EndEstimated || c.EndKind == hansa.EndUnknown:
		return "≈ " + say.When(c.End, now, zone)
	}
	return say.When(c.End, now, zone)
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
