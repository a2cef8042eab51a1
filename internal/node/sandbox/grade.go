// Package sandbox grades a receiver that plays alone against a simulated city:
// from what was published and what the receiver showed and answered, it says
// step by step what the receiver missed. It calls nobody and reads no clock.
package sandbox

import (
	"slices"
	"time"
)

// Kind names one kind of fault that a receiver can have.
type Kind string

// The kinds of fault, in the order in which a report lists them.
const (
	Late           Kind = "late"             // shown, but after the time allowed
	NeverShown     Kind = "never shown"      // not shown at all
	ShownWithdrawn Kind = "shown withdrawn"  // put live after it was over
	NeverCleared   Kind = "never cleared"    // still live when the time to clear has passed
	Widened        Kind = "widened"          // a lane shown as the road, one direction as both, some vehicles as all
	WrongDirection Kind = "wrong direction"  // the other direction is shown
	WrongTime      Kind = "wrong time"       // planned is shown as active
	Stale          Kind = "stale version"    // an earlier version is shown
	Duplicate      Kind = "duplicate"        // one record is shown twice
	TestShown      Kind = "test shown"       // a test record is shown as live
	Untrue         Kind = "receipt untrue"   // a receipt says live, and the list does not
	Unchecked      Kind = "signature"        // a badly signed webhook is answered with 2xx
	RepeatRefused  Kind = "repeat refused"   // an id that was taken before is not answered with 2xx
	DeliveryFailed Kind = "delivery refused" // a good webhook is not answered with 2xx
)

// Extent is how much of a road is closed.
type Extent int

// The extents, narrow to wide.
const (
	Lane Extent = iota + 1
	Tube
	Whole
)

// Vehicles says to whom a closure applies.
type Vehicles int

// To whom it applies.
const (
	Some Vehicles = iota + 1
	All
)

// Item is a record as published, or as a receiver shows it. An Extent or Vehicles
// of zero and an empty Direction are what a receiver does not say: they are not
// graded.
type Item struct {
	Record    string
	Version   int64
	Extent    Extent
	Vehicles  Vehicles
	Direction string
	Planned   bool
	Test      bool
}

// Sight is the list that a receiver showed at one moment.
type Sight struct {
	At    time.Time
	Shown []Item
}

// Push is one webhook call to the receiver and the status it was answered with.
type Push struct {
	Signed bool // with the right key
	Repeat bool // of an id that was answered with 2xx before
	Status int
}

// Expect is one step of a story: what was published, and until when it holds.
type Expect struct {
	Step   string
	Item   Item
	From   time.Time     // published
	Until  time.Time     // replaced or withdrawn; zero when it holds to the end
	Over   bool          // withdrawn at Until, not replaced by a later version
	Within time.Duration // time to show and time to clear
	Claim  bool          // a receipt said that it is live, while it held
	Pushes []Push
}

// Verdict is a step's result. A step without faults passed; one that was not
// seen for long enough to judge did not.
type Verdict struct {
	Step   string `json:"step"`
	Faults []Kind `json:"faults"`
	Unseen bool   `json:"unseen,omitzero"`
}

// Passed says that the step was judged and nothing was missed.
func (v Verdict) Passed() bool { return !v.Unseen && len(v.Faults) == 0 }

// Grade judges every step by the sights, which are in the order of time. Each
// kind of fault is told once per step.
func Grade(steps []Expect, sights []Sight) []Verdict {
	out := make([]Verdict, 0, len(steps))
	for _, e := range steps {
		g := grader{Expect: e}
		for _, s := range sights {
			g.see(s)
		}
		out = append(out, g.verdict())
	}
	return out
}

type grader struct {
	Expect
	held   bool // live once, in any version
	seen   bool // live once in this version
	due    bool // looked at when it had to be live
	closed bool // looked at when it had to be cleared
	clear  bool // was gone once after it was over
	faults []Kind
}

func (g *grader) add(k Kind) {
	if !slices.Contains(g.faults, k) {
		g.faults = append(g.faults, k)
	}
}

func (g *grader) see(s Sight) {
	if s.At.Before(g.From) {
		return
	}
	var mine []Item
	for _, i := range s.Shown {
		if i.Record == g.Item.Record {
			mine = append(mine, i)
		}
	}
	if !g.Until.IsZero() && !s.At.Before(g.Until) {
		if g.Over {
			g.after(s.At, len(mine) > 0)
		}
		return
	}
	if g.Item.Test {
		g.due = true
		if slices.ContainsFunc(mine, func(i Item) bool { return !i.Test }) {
			g.add(TestShown)
		}
		return
	}
	g.during(s.At, mine)
}

// after judges a look at a record that is over.
func (g *grader) after(at time.Time, live bool) {
	switch {
	case !live:
		g.clear, g.closed = true, true
	case g.clear || !g.held:
		g.add(ShownWithdrawn)
	case at.After(g.Until.Add(g.Within)):
		g.closed = true
		g.add(NeverCleared)
	}
}

// during judges a look at a record that holds.
func (g *grader) during(at time.Time, mine []Item) {
	overdue := at.After(g.From.Add(g.Within))
	g.due = g.due || overdue
	if len(mine) > 1 {
		g.add(Duplicate)
	}
	g.held = g.held || len(mine) > 0
	for _, i := range mine {
		if i.Version != 0 && i.Version < g.Item.Version {
			if overdue {
				g.add(Stale)
			}
			continue
		}
		if overdue && !g.seen {
			g.add(Late)
		}
		g.seen, g.due = true, true
		both := i.Direction == "both" && g.Item.Direction != "both"
		if i.Extent > g.Item.Extent || i.Vehicles > g.Item.Vehicles || both {
			g.add(Widened)
		}
		if i.Direction != "" && i.Direction != g.Item.Direction && !both {
			g.add(WrongDirection)
		}
		if g.Item.Planned && !i.Planned {
			g.add(WrongTime)
		}
	}
}

func (g *grader) verdict() Verdict {
	if g.due && !g.seen && !g.Item.Test && !slices.Contains(g.faults, Stale) {
		g.add(NeverShown)
		if g.Claim {
			g.add(Untrue)
		}
	}
	for _, p := range g.Pushes {
		taken := p.Status/100 == 2
		switch {
		case !p.Signed && taken:
			g.add(Unchecked)
		case p.Signed && p.Repeat && !taken:
			g.add(RepeatRefused)
		case p.Signed && !taken:
			g.add(DeliveryFailed)
		}
	}
	unseen := !g.due || g.Over && !g.closed && !slices.Contains(g.faults, ShownWithdrawn)
	return Verdict{Step: g.Step, Faults: g.faults, Unseen: unseen}
}
