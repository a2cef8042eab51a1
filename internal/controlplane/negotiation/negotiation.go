// Package negotiation takes two parties from a request to an agreement, by the
// contract negotiation protocol of the Dataspace Protocol 2025-1:
//
//	requested ⇄ offered → accepted → agreed → verified → finalized
//
// Either side may end it until it is finalized. A negotiation is a value: its
// methods return the next one, and touch neither clock nor network.
package negotiation

import (
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
)

// State is how far a negotiation has come.
type State string

// The states, as the protocol names them. Values are written to disk and wire.
const (
	Requested  State = "REQUESTED"
	Offered    State = "OFFERED"
	Accepted   State = "ACCEPTED"
	Agreed     State = "AGREED"
	Verified   State = "VERIFIED"
	Finalized  State = "FINALIZED"
	Terminated State = "TERMINATED"
)

// Event is what a message says. Values are written to disk.
type Event string

// The events.
const (
	Request   Event = "request"
	Offer     Event = "offer"
	Accept    Event = "accept"
	Agree     Event = "agree"
	Verify    Event = "verify"
	Finalize  Event = "finalize"
	Terminate Event = "terminate"
)

type move = protocol.Move[State, Event]

// machine is the diagram of the specification, contract negotiation section 2.1.
// It is read, never changed.
var machine = protocol.Machine[State, Event]{
	Moves: map[move]State{
		{In: "", On: Request, By: hansa.Consumer}:          Requested,
		{In: "", On: Offer, By: hansa.Provider}:            Offered,
		{In: Requested, On: Offer, By: hansa.Provider}:     Offered,
		{In: Requested, On: Agree, By: hansa.Provider}:     Agreed,
		{In: Requested, On: Terminate, By: hansa.Consumer}: Terminated,
		{In: Requested, On: Terminate, By: hansa.Provider}: Terminated,
		{In: Offered, On: Request, By: hansa.Consumer}:     Requested,
		{In: Offered, On: Accept, By: hansa.Consumer}:      Accepted,
		{In: Offered, On: Terminate, By: hansa.Consumer}:   Terminated,
		{In: Offered, On: Terminate, By: hansa.Provider}:   Terminated,
		{In: Accepted, On: Agree, By: hansa.Provider}:      Agreed,
		{In: Accepted, On: Terminate, By: hansa.Provider}:  Terminated,
		{In: Agreed, On: Verify, By: hansa.Consumer}:       Verified,
		{In: Agreed, On: Terminate, By: hansa.Consumer}:    Terminated,
		{In: Verified, On: Finalize, By: hansa.Provider}:   Finalized,
		{In: Verified, On: Terminate, By: hansa.Provider}:  Terminated,
	},
	Final: []State{Finalized, Terminated}, End: Terminate, EndState: Terminated,
	Once: []Event{Accept, Agree, Verify, Finalize, Terminate},
}

// Diagram is the machine as a state diagram in Mermaid's notation.
func Diagram() string { return machine.Diagram() }

// Message is what one side says to the other.
type Message struct {
	ID          string // of the message itself; by it the same said again is told from a repeat
	Event       Event
	By          hansa.Side
	ConsumerPid string
	ProviderPid string
	Callback    string          // where the sender receives; in a first message alone
	Offer       *policy.Policy  // of a request or offer
	Agreement   *policy.Policy  // of an agreement
	Code        string          // of a termination
	Reason      []string        // of a termination, in words
	Hash        string          // of the body as it came, see [protocol.Unnamed]; empty in an own message
	Number      protocol.Number // of one that came
}

// pid returns the pid that a side gave the process.
func (m *Message) pid(of hansa.Side) string {
	if of == hansa.Consumer {
		return m.ConsumerPid
	}
	return m.ProviderPid
}

// Negotiation is one exchange of offers, as own sees it.
type Negotiation struct {
	protocol.Course[State]

	ID        string         `json:"id"`            // own pid
	Pid       string         `json:"pid,omitempty"` // the other's pid
	Side      hansa.Side     `json:"side"`          // what own is
	Own       hansa.PartyID  `json:"own"`
	Other     hansa.PartyID  `json:"other"`
	As        string         `json:"as,omitempty"`   // what own is called on the wire, when that is not its id
	Address   string         `json:"address"`        // where the other receives: a base address without a slash at its end
	Near      bool           `json:"near,omitzero"`  // the other is a node of this exchange, and may be answered at once
	Offer     *policy.Policy `json:"offer,omitzero"` // on the table
	OfferBy   hansa.Side     `json:"offerBy,omitempty"`
	Asked     *policy.Policy `json:"asked,omitzero"` // what own asked for last; as consumer
	Agreement *policy.Policy `json:"agreement,omitzero"`
	Automatic bool           `json:"automatic,omitzero"` // the owner of the offer said that no person need be asked
	Waits     string         `json:"waits,omitempty"`    // what a person of this node is asked; empty when none is
	Code      string         `json:"code,omitempty"`     // why it ended
	Reason    []string       `json:"reason,omitempty"`
	EndedBy   hansa.Side     `json:"endedBy,omitempty"`
	Purpose   hansa.Purpose  `json:"purpose,omitempty"` // what own asks for; as consumer
	Then      string         `json:"then,omitempty"`    // the distribution format of the transfer that follows by itself; as consumer
	Dataset   string         `json:"dataset,omitempty"` // own dataset that it fills
	Began     time.Time      `json:"began"`
	Changed   time.Time      `json:"changed"`
}

// Target is the dataset that it is about, by its owner's name for it.
func (n *Negotiation) Target() string {
	switch {
	case n.Agreement != nil:
		return n.Agreement.Target
	case n.Offer != nil:
		return n.Offer.Target
	}
	return ""
}

// Turn is whose move it is; empty when it has ended.
func (n *Negotiation) Turn() hansa.Side { return turn(n.State) }

func turn(s State) hansa.Side {
	switch s {
	case Requested, Accepted, Verified:
		return hansa.Provider
	case Offered, Agreed:
		return hansa.Consumer
	case Finalized, Terminated:
	}
	return ""
}

// Awaits reports whether a message of the other side follows an own one that led to a
// state.
func Awaits(s State) bool { return turn(s) != "" }

// Ended reports whether nothing more can happen.
func (n *Negotiation) Ended() bool { return machine.Ended(n.State) }

// Can lists what own may do now.
func (n *Negotiation) Can() []Event { return machine.Can(n.State, n.Side) }

// Row is what it is found by.
func (n *Negotiation) Row() protocol.Row {
	return protocol.Row{
		ID: n.ID, Own: n.Own, Other: n.Other, Side: n.Side, Pid: n.Pid, State: string(n.State), Turn: n.Turn(),
		Waits: n.Waits != "", Ended: n.Ended(), Began: n.Began,
	}
}

// Effect is something that the node must do for a negotiation: it stores first and
// acts second.
type Effect interface{ effect() }

// Send asks that the other side be told.
type Send struct{ Message Message }

// Drop asks that own messages which have not arrived be given up.
type Drop struct{}

// Settle says that all own messages have arrived: the other side acts on them.
type Settle struct{}

// Decide says that it is own's turn.
type Decide struct{}

// Enact says that the agreement is in force.
type Enact struct{ Agreement *policy.Policy }

func (Send) effect()   {}
func (Drop) effect()   {}
func (Settle) effect() {}
func (Decide) effect() {}
func (Enact) effect()  {}

// Hear returns the negotiation after a message of the other side, and what the
// node must now do. A repeat changes nothing and asks for nothing. What comes out
// of turn, or speaks of other pids, is Invalid.
func (n Negotiation) Hear(m Message) (Negotiation, []Effect, error) {
	if own := m.pid(n.Side); own != "" && own != n.ID {
		return n, nil, hansa.Fielded("/"+string(n.Side)+"Pid", "the process is %s, not %s", n.ID, own)
	}
	other := m.pid(n.Side.Other())
	if n.Pid != "" && other != n.Pid {
		return n, nil, hansa.Fielded("/"+string(n.Side.Other())+"Pid", "the process is %s, not %s", n.Pid, other)
	}
	if m.By != n.Side.Other() {
		return n, nil, hansa.Errorf(hansa.Invalid, "this process is the %s's, and hears the %s", n.Side, n.Side.Other())
	}
	if repeat, err := n.Late(m.Number); repeat || err != nil {
		return n, nil, err
	}
	course, how, err := machine.Hear(n.Course, m.Event, m.By, m.Hash, protocol.Number{})
	if err != nil || how == protocol.Repeat {
		return n, nil, err
	}
	n.Course, n.Pid, n.Waits = course, other, ""
	n.Last = max(n.Last, m.Number.N)
	var effects []Effect
	switch how {
	case protocol.Crossed:
		effects = append(effects, Drop{})
	case protocol.Acted:
		effects = append(effects, Settle{})
	case protocol.Moved, protocol.Repeat, protocol.Met: // no two sides can do the same, but end it
	}
	return n.take(m, effects)
}

// take keeps what a message brings.
func (n Negotiation) take(m Message, effects []Effect) (Negotiation, []Effect, error) {
	switch m.Event {
	case Request, Offer:
		if m.Offer == nil {
			return n, nil, hansa.Fielded("/offer", "a request or offer holds its offer")
		}
		if m.Offer.Target == "" {
			return n, nil, hansa.Fielded("/offer/target", "an offer in a message names the dataset that it is about")
		}
		if n.Offer != nil && m.Offer.Target != n.Offer.Target {
			return n, nil, hansa.Fielded("/offer/target", "this negotiation is about %s, not %s", n.Offer.Target, m.Offer.Target)
		}
		n.Offer, n.OfferBy = m.Offer, m.By
	case Agree:
		if m.Agreement == nil {
			return n, nil, hansa.Fielded("/agreement", "an agreement message holds its agreement")
		}
		n.Agreement = m.Agreement
	case Terminate:
		n.Code, n.Reason, n.EndedBy = m.Code, m.Reason, m.By
		return n, append(effects, Drop{}), nil
	case Accept, Verify, Finalize:
	}
	if n.State == Finalized {
		return n, append(effects, Enact{n.Agreement}), nil
	}
	return n, append(effects, Decide{}), nil
}

// Act returns the negotiation after own has decided, and what the node must now
// do. What own may not do in this state is Conflict.
func (n Negotiation) Act(m Message) (Negotiation, []Effect, error) {
	course, err := machine.Act(n.Course, m.Event, n.Side)
	if err != nil {
		return n, nil, err
	}
	first := n.State == ""
	n.Course, n.Waits = course, ""
	m.By, m.ConsumerPid, m.ProviderPid = n.Side, n.ID, n.Pid
	if n.Side == hansa.Provider {
		m.ConsumerPid, m.ProviderPid = n.Pid, n.ID
	}
	if !first {
		m.Callback = ""
	}
	effects := []Effect{Send{m}}
	switch m.Event {
	case Request, Offer:
		n.Offer, n.OfferBy = m.Offer, n.Side
		if n.Side == hansa.Consumer {
			n.Asked = m.Offer
		}
	case Agree:
		n.Agreement = m.Agreement
	case Terminate:
		n.Code, n.Reason, n.EndedBy = m.Code, m.Reason, n.Side
		if n.Pid != "" { // else the other side must hear of the process first, to hear of its end
			effects = []Effect{Drop{}, Send{m}}
		}
	case Finalize:
		effects = append(effects, Enact{n.Agreement})
	case Accept, Verify:
	}
	return n, effects, nil
}

// Told returns the negotiation after the other side took its letter, that led to
// state; pid is what it calls the process, where its answer said so, and near says
// that it is a node of this exchange.
func (n Negotiation) Told(state State, pid string, near bool) Negotiation {
	n.Course, n.Near = machine.Told(n.Course, state), n.Near || near
	if n.Pid == "" {
		n.Pid = pid
	}
	return n
}

// Refused returns the negotiation after the other side would not take a message: one
// that never began has ended, another waits for a person.
func (n Negotiation) Refused(why string) Negotiation {
	n.Waits = "the other side refused: " + why + "; try again, or end it"
	if n.Pid == "" {
		n.State, n.Base, n.Way, n.Waits, n.Code, n.Reason, n.EndedBy = Terminated, Terminated, nil, "", "refused", []string{why}, n.Side.Other()
	}
	return n
}

// Hands do what a negotiation asks for, in the transaction that stores it.
type Hands interface {
	Drop(n *Negotiation) error
	Settle(n *Negotiation) error
	Send(n *Negotiation, m *Message) error
	Enact(n *Negotiation, agreement *policy.Policy) error
	// Decide says what own does now that it is its turn, or what a person is asked.
	Decide(n *Negotiation) (m Message, waits string, err error)
}

// Carry does by h what a step asks for, and decides what it leaves open. It returns
// the negotiation as it is to be stored.
func (n Negotiation) Carry(effects []Effect, h Hands) (Negotiation, error) {
	for len(effects) > 0 {
		e := effects[0]
		effects = effects[1:]
		var err error
		switch e := e.(type) {
		case Drop:
			err = h.Drop(&n)
		case Settle:
			err = h.Settle(&n)
		case Send:
			err = h.Send(&n, &e.Message)
		case Enact:
			err = h.Enact(&n, e.Agreement)
		case Decide:
			var m Message
			if m, n.Waits, err = h.Decide(&n); err == nil && n.Waits == "" {
				var more []Effect
				n, more, err = n.Act(m)
				effects = append(effects, more...)
			}
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Shares reports whether a peer that is in state has taken the message that led
// to after: it is there, or has gone on from there.
func Shares(state, after State) bool {
	if state == after {
		return true
	}
	seen, next := map[State]bool{after: true}, []State{after}
	for len(next) > 0 {
		s := next[0]
		next = next[1:]
		for mv, to := range machine.Moves {
			if mv.In == s && !seen[to] {
				if to == state {
					return to != Terminated // it may have ended without it
				}
				seen[to], next = true, append(next, to)
			}
		}
	}
	return false
}

// name is what own is called on the wire.
func (n *Negotiation) name() string {
	if n.As != "" {
		return n.As
	}
	return string(n.Own)
}

// Verifies reports why own, the consumer, cannot stand by the agreement; nil when
// it says what was agreed.
func (n *Negotiation) Verifies() error {
	a := n.Agreement
	switch {
	case a == nil || n.Offer == nil:
		return hansa.Errorf(hansa.Invalid, "there is no offer that the agreement could rest on")
	case a.ID == "":
		return hansa.Fielded("/agreement/@id", "an agreement has an id")
	case a.Target != n.Offer.Target:
		return hansa.Fielded("/agreement/target", "the agreement is about %s, the offer was about %s", a.Target, n.Offer.Target)
	case a.Assignee != n.name():
		return hansa.Fielded("/agreement/assignee", "the agreement is with %s, not with %s", a.Assignee, n.name())
	case a.Assigner != string(n.Other):
		return hansa.Fielded("/agreement/assigner", "the agreement is given by %s, not by %s", a.Assigner, n.Other)
	case !policy.Equal(a, n.Offer):
		return hansa.Errorf(hansa.Invalid, "the agreement's rules are not those of the offer")
	}
	return nil
}

// Agrees returns the agreement that rests on the offer on the table; as provider.
func (n *Negotiation) Agrees(id string, at time.Time) *policy.Policy {
	a := n.Offer.Clone()
	a.ID, a.Type, a.Assigner, a.Assignee = id, "Agreement", n.name(), string(n.Other)
	a.Timestamp = at.UTC().Format(time.RFC3339)
	return a
}

// Events lists the events of the machine, for those who check names.
func Events() []Event {
	return slices.Clone([]Event{Request, Offer, Accept, Agree, Verify, Finalize, Terminate})
}
