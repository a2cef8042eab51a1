package room

import (
	"context"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Limits of a page. What goes beyond is left out and counted on the page.
const (
	ClosuresMax  = 1000 // listed
	ReceiversMax = 200  // of one closure
	StepsMax     = 32   // of one ladder
	MarkersMax   = 200  // numbered on the map; all are drawn
)

// Source tells the room what there is to show, to this actor alone.
type Source interface {
	// Live returns the present situation. selected is the id of the closure whose
	// detail is wanted, empty for none; one that the actor may not see is as good
	// as none. What comes back is the room's to keep, never to change.
	Live(ctx context.Context, actor hansa.Actor, selected string) (Live, error)
	// Changed returns a channel that is closed at the next change of anything that
	// Live would tell.
	Changed() <-chan struct{}
}

// Live is the present situation of one city.
type Live struct {
	City   string         // as people call it
	Zone   *time.Location // the city's; nil is UTC
	Now    time.Time      // by the story's clock
	Factor float64        // how fast that clock runs; 0 and 1 are real time
	// Closures are in the order to show. Those that ended today are marked by their
	// lifecycle and listed apart.
	Closures []Closure
	Feeds    []Feed
	// Before is when the last closure ended, for the page without any; zero is unknown.
	Before time.Time
	// Acts is what people did about alarms, the newest first.
	Acts []AlarmAct
	// Note is what the last shift left; nil has no place for one.
	Note *Note
	// Asking is what waits for a person besides closures, the oldest first.
	Asking []Asking
}

// Asking is a process with another participant that waits for a person: a request to
// be answered, a message that does not arrive, or a day of an accord that is near.
type Asking struct {
	Process string
	Other   string    // as people know it
	What    string    // the dataset, or how the data goes
	Says    string    // what the person is asked, or why it does not arrive
	Stuck   bool      // a message does not arrive
	Data    bool      // it is a transfer
	Duty    bool      // it is a duty that was served, and not acknowledged
	Ask     bool      // it is a request for data, before there is an accord
	Late    bool      // the time in which the law wants an answer is over
	Answer  time.Time // the first moment at which an answer is too late; zero is none
	Due     string    // a day of the accord Process is near: review, notice, trial, end or key
	Day     string    // that day, 2026-12-01
	Since   time.Time
}

// Feed is one source with the title that people know it by.
type Feed struct {
	Title string // empty takes State.Feed
	State hansa.FeedState
}

// Closure is one situation as the room shows it. A zero time is not stated.
type Closure struct {
	ID       string // the record's
	Number   int    // on marker and list; 0 takes its place in the list
	Name     string // the place, with its direction: Oostertunnel, northbound
	Kind     string // tunnel, bridge, road
	Place    string // id of the named place or part; empty where none is named
	Road     string // road number
	Effect   hansa.Effect
	Extent   hansa.Extent
	Vehicles string // to whom alone it applies, in words; empty is all
	Role     hansa.Role
	Incident string // id shared by those that belong together
	Test     bool

	Lifecycle hansa.Lifecycle
	Cause     string // a hansa.Cause type: vehicle-fire
	Text      string // the public comment
	Lang      string // of Text
	Source    string // who says so, in words
	Feed      string // the FeedState.Feed that it comes from; empty is entered here

	Published time.Time // when it was first offered
	Start     time.Time // as planned or first told
	End       time.Time // as planned or expected
	EndKind   hansa.EndKind
	// ActualStart and ActualEnd are as they happened; Repaired says that the cause is gone.
	ActualStart time.Time
	ActualEnd   time.Time
	Repaired    time.Time

	Geometry *hansa.Geometry
	Detours  []*hansa.Geometry
	Detour   string // an advised way round in words

	Receivers   []Receiver
	Contradicts []string // what other records tell otherwise, in words
}

// Receiver is one party's two ladders for one closure.
type Receiver struct {
	Party hansa.PartyID
	Title string
	Share float64       // declared share of routed trips, 0 to 1; 0 is undeclared
	Limit time.Duration // agreed from offered to live; 0 is none agreed
	Steps []Step        // that it holds, oldest first
	End   []Step        // that it is over, oldest first
}

// Step is one rung reached.
type Step struct {
	Step     hansa.Step
	At       time.Time
	Evidence hansa.Evidence
	Reason   string
}
