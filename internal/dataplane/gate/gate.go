// Package gate decides, record by record, what a flow's terms let through. It is
// the only door: nothing leaves the node but through [Gate.Decide]. It denies by
// default, names the rule of each verdict, and never trims a record so that it
// says more than it did: what cannot be withheld without making the fact false
// is denied whole.
package gate

import (
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Gate is one flow's terms, compiled. It never changes and may be used by many
// goroutines at once. The zero Gate denies everything.
type Gate struct {
	flow      hansa.FlowID
	dataset   hansa.DatasetID
	to        hansa.PartyID
	paused    bool
	accord    bool // it stands on one: paused past its end, that has ended
	test      bool
	purposes  []hansa.Purpose
	formats   []hansa.Format
	fields    fieldSet
	limited   bool // the terms name the fields that may leave, or that are held
	held      int  // how many fields are held
	area      *area
	windows   []*hansa.Schedule
	delay     time.Duration
	retain    time.Duration // after receipt; 0 sets no bound
	scale     float64       // ten to the power of the precision; 0 sets no bound
	from      time.Time
	until     time.Time
	public    bool            // condition audience=public
	noPersons bool            // condition personal=none
	relayed   map[string]bool // conditions relayed, true, and recalled, false
	base      [32]byte
}

// Ask is what a reader says of itself, and when.
type Ask struct {
	Purpose hansa.Purpose
	Format  hansa.Format
	Now     time.Time
	Party   hansa.PartyID // who asks, as authenticated
	Test    bool          // a trial of the way: test records only, also on a live flow
}

// Flow returns the id of the flow whose terms g holds.
func (g *Gate) Flow() hansa.FlowID { return g.flow }

// Decide says whether r may leave to whoever asks, and by which rule. A Trim
// means that r may leave as [Gate.Trim] returns it, and not otherwise. It
// allocates nothing and changes nothing.
func (g *Gate) Decide(r *hansa.Record, ask Ask) hansa.Verdict {
	if rule := g.admit(ask); rule != "" {
		return hansa.Verdict{Rule: rule}
	}
	if rule := g.record(r, ask); rule != "" {
		return hansa.Verdict{Rule: rule}
	}
	if rule := g.trims(r); rule != "" {
		return hansa.Verdict{Outcome: hansa.Trim, Rule: rule}
	}
	return hansa.Verdict{Outcome: hansa.Pass, Rule: Passed}
}

// Admit decides on the reader alone, before any record: a Pass means that the
// flow is open to this ask, now. What is denied here is denied for each record.
func (g *Gate) Admit(ask Ask) hansa.Verdict {
	if rule := g.admit(ask); rule != "" {
		return hansa.Verdict{Rule: rule}
	}
	return hansa.Verdict{Outcome: hansa.Pass, Rule: Passed}
}

// NextChange returns the earliest time, not before ask.Now, at which waiting
// alone lets r pass. It is zero when r passes already, and when no wait helps.
func (g *Gate) NextChange(r *hansa.Record, ask Ask) time.Time {
	switch g.Decide(r, ask).Rule {
	case NotYet, Window, Delay:
	default:
		return time.Time{}
	}
	at := later(ask.Now, g.from)
	if g.delay > 0 {
		at = later(at, r.Received.Add(g.delay))
	}
	at = g.opens(at)
	ask.Now = at
	if at.IsZero() || g.Decide(r, ask).Outcome == hansa.Deny {
		return time.Time{}
	}
	return at
}

// opens returns the first moment from at on that lies in a window; zero if none
// comes within the years that a schedule looks ahead.
func (g *Gate) opens(at time.Time) (first time.Time) {
	if len(g.windows) == 0 {
		return at
	}
	for _, w := range g.windows {
		if next, ok := w.Next(at); ok {
			if t := later(at, next.From); first.IsZero() || t.Before(first) {
				first = t
			}
		}
	}
	return first
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Gave reports whether r came to a hub by a flow that g lets it pass on, or did before:
// its receiver may have been given it.
func (g *Gate) Gave(r *hansa.Record) bool {
	_, flow, _ := strings.Cut(r.Provenance.Feed, ":")
	_, known := g.relayed[flow]
	return known
}

// admit returns the rule that keeps the reader out, or none.
func (g *Gate) admit(a Ask) hansa.Rule {
	for i := range doors {
		if rule := doors[i].check(g, nil, a); rule != "" {
			return rule
		}
	}
	return ""
}

// record returns the rule that keeps r in, or none.
func (g *Gate) record(r *hansa.Record, a Ask) hansa.Rule {
	for i := range bars {
		if rule := bars[i].check(g, r, a); rule != "" {
			return rule
		}
	}
	return ""
}

// open reports whether now lies in one of g's windows.
func (g *Gate) open(now time.Time) bool {
	if len(g.windows) == 0 {
		return true
	}
	return slices.ContainsFunc(g.windows, func(s *hansa.Schedule) bool { return s.Contains(now) })
}

// place returns where r is, or nil.
func place(r *hansa.Record) *hansa.Geometry {
	switch {
	case r.Situation != nil:
		return r.Situation.Geometry
	case r.Observation != nil:
		return r.Observation.Geometry
	}
	return nil
}
