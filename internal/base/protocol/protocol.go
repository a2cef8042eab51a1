// Package protocol holds what every process between two nodes needs: a table of
// moves, repeats that change nothing, messages that cross on the way, and the
// shelf on which processes lie. It knows no clock and no network: any decision can
// be replayed.
package protocol

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// Move is one row of a machine: in this state, this event from this side.
type Move[S, E ~string] struct {
	In S
	On E
	By hansa.Side
}

// Machine is a state machine as the specification's diagram draws it. What is not
// listed cannot happen. The empty state is before the first message.
type Machine[S, E ~string] struct {
	Moves map[Move[S, E]]S
	Final []S
	// End is the event that ends a process; either side may be heard to send it in
	// every state that is not final (2025-1, negotiation protocol: termination).
	End      E
	EndState S
	// Once are the events that a process has at most once.
	Once []E
}

// Course is how far one process has come, as its own side sees it. State is told
// to the other side; Base is the last state that the other side is known to share.
// They differ while own messages are on their way.
type Course[S ~string] struct {
	State S      `json:"state"`
	Base  S      `json:"base,omitempty"`
	Way   []S    `json:"way,omitempty"`   // to where own messages that are on their way lead, one after another; the last is State
	Heard string `json:"heard,omitempty"` // what was last accepted from the other side: event and body
	Last  int64  `json:"last,omitzero"`   // the number that the other side gave what it accepted last; 0 when it numbers nothing
	Took  int64  `json:"took,omitzero"`   // the own letter that the other side is known to have taken last
	Sent  int64  `json:"sent,omitzero"`   // the number of the own letter that led to the last of Way; 0 when it is not numbered
}

// Number places a message among those of its process. Nodes of this exchange number
// what they send; of other connectors it is zero.
type Number struct {
	N     int64 // the sender's letter
	Knows int64 // the receiver's letter that the sender had taken last when it sent
}

// Late tells a message that was on its way for long: repeat says that it, or one
// behind it, was taken before. It is Conflict when its sender has taken a letter since
// that it did not know: it gave this one up, or will send it again.
func (c *Course[S]) Late(m Number) (repeat bool, err error) {
	switch {
	case m.N == 0:
	case m.N <= c.Last:
		return true, nil
	case m.Knows < c.Took:
		return false, hansa.Errorf(hansa.Conflict, "the message was on its way for long: its sender has taken another one since").WithHint("send it again if it still counts")
	}
	return false, nil
}

// Unseen reports whether the sender of a message had not taken the last own letter
// when it sent: it acts on a state before that.
func (c *Course[S]) Unseen(m Number) bool {
	return m.N > 0 && len(c.Way) > 0 && m.Knows < c.Sent
}

// Shared is the state that both sides are known to share, which is how the process
// stands for the other side: a state is reached when its message was acknowledged.
// Before the first message has arrived it is the own one.
func (c *Course[S]) Shared() S {
	if c.Base == "" {
		return c.State
	}
	return c.Base
}

// Unnamed parts the hash of a message: before it stands that of the message with the
// id of its own, if it has one, and after it that of what it says, whatever its id.
// The same id is a repeat for ever. The same words may be a repeat, for some
// connectors name a message anew when they send it again, or may be meant anew: they
// are a repeat until the other side has taken an own message that came after it, and
// for ever where a process has such a message once.
const Unnamed = "~"

// Named returns the part of a hash by which a side repeats itself that keeps the id of
// its message: what stands before [Unnamed], or all of it where the message had no id.
func Named(hash string) string {
	if id, _, _ := strings.Cut(hash, Unnamed); id != "" {
		return id
	}
	return hash
}

// Reception is what a message that was heard comes to.
type Reception int

// The receptions.
const (
	Moved   Reception = iota // the state has changed
	Repeat                   // heard already: nothing changed
	Crossed                  // the state has changed, and own messages that are on their way are void
	Acted                    // the state has changed, and own messages that were on their way have arrived: the other side acts on them
	Met                      // the state is as it was, and the other side came to Base by itself: own messages up to there are not needed
)

// Hear returns the course after the other side, by, sent event on with a body of
// this hash. What comes out of turn is Invalid: the protocol answers it with 400.
func (m *Machine[S, E]) Hear(c Course[S], on E, by hansa.Side, hash string, n Number) (Course[S], Reception, error) {
	heard := string(on) + " " + hash
	if hash != "" && repeats(c.Heard, heard) {
		return c, Repeat, nil
	}
	next := func(to S) Course[S] { return Course[S]{State: to, Base: to, Heard: heard, Last: c.Last, Took: c.Took} }
	unseen := c.Unseen(n)
	if to, ok := m.to(c.State, on, by); ok && !unseen { // the other side acts on all that was sent to it
		if len(c.Way) > 0 && on != m.End {
			return next(to), Acted, nil
		}
		return next(to), Moved, nil
	}
	for i, way := range slices.Backward(c.Way) { // it acts on some of it, or on none
		before := c.Base
		if i > 0 {
			before = c.Way[i-1]
		}
		to, ok := m.to(before, on, by)
		if ok && to == way && to != c.State {
			return Course[S]{State: c.State, Base: to, Way: slices.Clone(c.Way[i+1:]), Heard: heard, Last: c.Last, Took: c.Took, Sent: c.Sent}, Met, nil
		}
		if ok && m.yields(c.State, to, Move[S, E]{before, on, by}) {
			return next(to), Crossed, nil
		}
	}
	if unseen {
		return c, Moved, hansa.Errorf(hansa.Conflict, "a message that says otherwise is on its way to the %s", by).WithHint("send it again if it still counts")
	}
	return c, Moved, refuse(on, by, c.State)
}

// repeats reports whether a message that is heard was heard last.
func repeats(was, heard string) bool {
	name, says, _ := strings.Cut(heard, Unnamed)
	before, said, _ := strings.Cut(was, Unnamed)
	return name == before && !strings.HasSuffix(name, " ") || says != "" && says == said
}

// to finds the state after on; ending is heard in every state that is not final.
func (m *Machine[S, E]) to(in S, on E, by hansa.Side) (S, bool) {
	to, ok := m.Moves[Move[S, E]{in, on, by}]
	if !ok && on == m.End && in != "" && !slices.Contains(m.Final, in) {
		return m.EndState, true
	}
	return to, ok
}

// yields decides between two messages that crossed, so that both sides come to the
// same: what ends the process by the diagram is stronger than all else, then any
// other end, and then the provider's word counts.
func (m *Machine[S, E]) yields(own, theirs S, by Move[S, E]) bool {
	ownEnds, theirsEnds := slices.Contains(m.Final, own), slices.Contains(m.Final, theirs)
	_, drawn := m.Moves[by]
	switch {
	case own == theirs:
		return true
	case by.On == m.End && drawn:
		return true
	case own == m.EndState:
		return false
	case ownEnds != theirsEnds:
		return theirsEnds
	}
	return by.By == hansa.Provider
}

// ErrUnheard is why a step is refused that would take back what the other side has
// not heard of yet: the same step may be taken later.
var ErrUnheard = errors.New("the other side has not heard of the last step yet")

// Act returns the course after the own side, by, has decided on an event. It is
// strict: what the diagram does not draw is Conflict. So is what would lead back to
// where the other side may still be: it could not tell the two apart, and the error is [ErrUnheard].
func (m *Machine[S, E]) Act(c Course[S], on E, by hansa.Side) (Course[S], error) {
	to, ok := m.Moves[Move[S, E]{c.State, on, by}]
	if !ok {
		return c, hansa.Errorf(hansa.Conflict, "a %s cannot %s when the process is %s", by, on, name(c.State)).
			WithHint("it can: " + m.can(c.State, by))
	}
	if len(c.Way) > 0 && (to == c.Base || slices.Contains(c.Way, to)) {
		err := hansa.Errorf(hansa.Conflict, "the other side has not yet heard that the process is %s", c.State).
			WithHint("wait until the message has arrived, or " + string(m.End))
		err.Err = ErrUnheard
		return c, err
	}
	c.State, c.Way = to, append(slices.Clone(c.Way), to)
	return c, nil
}

// Told returns the course after the other side took the message that led to state.
func (m *Machine[S, E]) Told(c Course[S], state S) Course[S] {
	i := slices.Index(c.Way, state)
	if i < 0 {
		return c // it is known already, or was given up
	}
	c.Base, c.Way = state, slices.Clone(c.Way[i+1:])
	if len(c.Way) == 0 {
		c.Way = nil
	}
	if on, _, _ := strings.Cut(c.Heard, " "); !slices.Contains(m.Once, E(on)) {
		if c.Heard, _, _ = strings.Cut(c.Heard, Unnamed); strings.HasSuffix(c.Heard, " ") {
			c.Heard = ""
		}
	}
	return c
}

// Ended reports whether nothing more can happen.
func (m *Machine[S, E]) Ended(s S) bool { return slices.Contains(m.Final, s) }

// Can lists the events that a side may send in a state, in their order.
func (m *Machine[S, E]) Can(in S, by hansa.Side) []E {
	var out []E
	for mv := range m.Moves {
		if mv.In == in && mv.By == by {
			out = append(out, mv.On)
		}
	}
	slices.Sort(out)
	return out
}

func (m *Machine[S, E]) can(in S, by hansa.Side) string {
	var out []string
	for _, e := range m.Can(in, by) {
		out = append(out, string(e))
	}
	if len(out) == 0 {
		return "nothing more"
	}
	return strings.Join(out, ", ")
}

func refuse[S, E ~string](on E, by hansa.Side, in S) error {
	return hansa.Errorf(hansa.Invalid, "a %s cannot %s when the process is %s", by, on, name(in))
}

func name[S ~string](s S) string {
	if s == "" {
		return "not begun"
	}
	return string(s)
}

// Diagram writes the machine as a state diagram in Mermaid's notation, each arrow
// with its event and who may send it: C the consumer, P the provider.
func (m *Machine[S, E]) Diagram() string {
	type arrow struct {
		from, to S
		on       E
	}
	by := map[arrow]string{}
	var arrows []arrow
	for mv, to := range m.Moves {
		a := arrow{mv.In, to, mv.On}
		if by[a] == "" {
			arrows = append(arrows, a)
		}
		by[a] += strings.ToUpper(string(mv.By[:1]))
	}
	slices.SortFunc(arrows, func(a, b arrow) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	var out strings.Builder
	out.WriteString("stateDiagram-v2\n")
	for _, a := range arrows {
		from := string(a.from)
		if from == "" {
			from = "[*]"
		}
		who := strings.Split(by[a], "")
		slices.Sort(who)
		fmt.Fprintf(&out, "    %s --> %s: %s %s\n", from, a.to, a.on, strings.Join(who, ","))
	}
	for _, s := range m.Final {
		fmt.Fprintf(&out, "    %s --> [*]\n", s)
	}
	return out.String()
}
