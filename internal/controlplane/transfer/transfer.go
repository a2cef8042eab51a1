// Package transfer starts, suspends and ends the giving of data under an agreement,
// by the transfer process protocol of the Dataspace Protocol 2025-1:
//
//	requested → started ⇄ suspended → completed or terminated
//
// A transfer is a value: its methods return the next one, and touch neither clock
// nor network.
package transfer

import (
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
)

// State is how far a transfer has come.
type State string

// The states, as the protocol names them. Values are written to disk and wire.
const (
	Requested  State = "REQUESTED"
	Started    State = "STARTED"
	Suspended  State = "SUSPENDED"
	Completed  State = "COMPLETED"
	Terminated State = "TERMINATED"
)

// Event is what a message says. Values are written to disk.
type Event string

// The events. A start in a suspended transfer resumes it.
const (
	Request   Event = "request"
	Start     Event = "start"
	Suspend   Event = "suspend"
	Complete  Event = "complete"
	Terminate Event = "terminate"
)

// The distribution formats: how data is handed over. Pull and push are those of
// the protocol's community; the event stream is the exchange's own.
const (
	Pull   = "HttpData-PULL"
	Push   = "HttpData-PUSH"
	Stream = "HttpData-SSE"
)

// Formats lists them.
func Formats() []string { return []string{Pull, Push, Stream} }

type move = protocol.Move[State, Event]

// machine is the diagram of the specification, transfer process section 2.1. It is
// read, never changed.
var machine = protocol.Machine[State, Event]{
	Moves: map[move]State{
		{In: "", On: Request, By: hansa.Consumer}:          Requested,
		{In: Requested, On: Start, By: hansa.Provider}:     Started,
		{In: Requested, On: Terminate, By: hansa.Consumer}: Terminated,
		{In: Requested, On: Terminate, By: hansa.Provider}: Terminated,
		{In: Started, On: Suspend, By: hansa.Consumer}:     Suspended,
		{In: Started, On: Suspend, By: hansa.Provider}:     Suspended,
		{In: Started, On: Complete, By: hansa.Consumer}:    Completed,
		{In: Started, On: Complete, By: hansa.Provider}:    Completed,
		{In: Started, On: Terminate, By: hansa.Consumer}:   Terminated,
		{In: Started, On: Terminate, By: hansa.Provider}:   Terminated,
		{In: Suspended, On: Start, By: hansa.Consumer}:     Started,
		{In: Suspended, On: Start, By: hansa.Provider}:     Started,
		{In: Suspended, On: Terminate, By: hansa.Consumer}: Terminated,
		{In: Suspended, On: Terminate, By: hansa.Provider}: Terminated,
	},
	Final: []State{Completed, Terminated}, End: Terminate, EndState: Terminated,
	Once: []Event{Request, Complete, Terminate},
}

// Diagram is the machine as a state diagram in Mermaid's notation.
func Diagram() string { return machine.Diagram() }

// Address says where data is, or where it is to be sent (2025-1, DataAddress).
type Address struct {
	EndpointType string            `json:"endpointType"`
	Endpoint     string            `json:"endpoint,omitempty"`
	Properties   map[string]string `json:"properties,omitempty"` // authorization, authType and others by name
}

// Message is what one side says to the other.
type Message struct {
	ID          string // of the message itself; by it the same said again is told from a repeat
	Event       Event
	By          hansa.Side
	ConsumerPid string
	ProviderPid string
	Callback    string   // where the sender receives; in a request alone
	Agreement   string   // of a request
	Format      string   // of a request
	Address     *Address // of a request to push, or of a start
	Code        string
	Reason      []string
	Hash        string          // of the body as it came, see [protocol.Unnamed]; empty in an own message
	Number      protocol.Number // of one that came
}

func (m *Message) pid(of hansa.Side) string {
	if of == hansa.Consumer {
		return m.ConsumerPid
	}
	return m.ProviderPid
}

// Transfer is one giving of data, as own sees it. Secrets are not in it: they lie
// sealed beside it.
type Transfer struct {
	protocol.Course[State]

	ID        string        `json:"id"`            // own pid
	Pid       string        `json:"pid,omitempty"` // the other's pid
	Side      hansa.Side    `json:"side"`          // what own is
	Own       hansa.PartyID `json:"own"`
	Other     hansa.PartyID `json:"other"`
	Peer      string        `json:"peer"`          // where the other receives messages
	Near      bool          `json:"near,omitzero"` // the other is a node of this exchange, and may be answered at once
	Agreement string        `json:"agreement"`
	Format    string        `json:"format"`
	Flow      hansa.FlowID  `json:"flow,omitempty"`    // that it opened; as provider
	Dataset   string        `json:"dataset,omitempty"` // own dataset that it fills; as consumer
	Reads     hansa.Format  `json:"reads,omitempty"`   // the codec that is asked for or given
	Purpose   hansa.Purpose `json:"purpose,omitempty"`
	PausedBy  hansa.Side    `json:"pausedBy,omitempty"`
	Resumed   hansa.Side    `json:"resumed,omitempty"` // who started it again last
	Waits     string        `json:"waits,omitempty"`   // what a person of this node is asked; empty when none is
	Code      string        `json:"code,omitempty"`
	Reason    []string      `json:"reason,omitempty"`
	EndedBy   hansa.Side    `json:"endedBy,omitempty"`
	Until     time.Time     `json:"until,omitzero"` // when its policy may change its mind; as provider
	Began     time.Time     `json:"began"`
	Changed   time.Time     `json:"changed"`
}

// Turn is whose move it is; empty when either side may act.
func (t *Transfer) Turn() hansa.Side {
	if t.State == Requested {
		return hansa.Provider
	}
	return ""
}

// Ended reports whether nothing more can happen.
func (t *Transfer) Ended() bool { return machine.Ended(t.State) }

// Can lists what own may do now.
func (t *Transfer) Can() []Event { return machine.Can(t.State, t.Side) }

// Row is what it is found by.
func (t *Transfer) Row() protocol.Row {
	return protocol.Row{
		ID: t.ID, Own: t.Own, Other: t.Other, Side: t.Side, Pid: t.Pid, State: string(t.State), Turn: t.Turn(),
		Waits: t.Waits != "", Ended: t.Ended(), Began: t.Began,
	}
}

// Effect is something that the node must do for a transfer: it stores first and
// acts second.
type Effect interface{ effect() }

// Send asks that the other side be told.
type Send struct{ Message Message }

// Drop asks that own messages which have not arrived be given up. With a start that
// was heard it says that both sides started at once.
type Drop struct{}

// Settle says that own messages have arrived, or need not arrive any more, up to
// the one that led to a state; an empty state is all of them.
type Settle struct{ Until State }

// Decide says that it is own's turn.
type Decide struct{}

// Open asks that data may pass: as provider the gate, as consumer the fetching.
type Open struct{ Address *Address }

// Close asks that no data passes from now on. Final says that it never will again.
type Close struct{ Final bool }

func (Send) effect()   {}
func (Drop) effect()   {}
func (Settle) effect() {}
func (Decide) effect() {}
func (Open) effect()   {}
func (Close) effect()  {}

// Hear returns the transfer after a message of the other side, and what the node
// must now do. A repeat changes nothing and asks for nothing. What comes out of
// turn, or speaks of other pids, is Invalid.
func (t Transfer) Hear(m Message) (Transfer, []Effect, error) {
	if own := m.pid(t.Side); own != "" && own != t.ID {
		return t, nil, hansa.Fielded("/"+string(t.Side)+"Pid", "the process is %s, not %s", t.ID, own)
	}
	other := m.pid(t.Side.Other())
	if t.Pid != "" && other != t.Pid {
		return t, nil, hansa.Fielded("/"+string(t.Side.Other())+"Pid", "the process is %s, not %s", t.Pid, other)
	}
	if m.By != t.Side.Other() {
		return t, nil, hansa.Errorf(hansa.Invalid, "this process is the %s's, and hears the %s", t.Side, t.Side.Other())
	}
	if repeat, err := t.Late(m.Number); repeat || err != nil {
		return t, nil, err
	}
	if t.renewed(&m) {
		if heard := string(m.Event) + " " + m.Hash; t.Heard != heard {
			t.Heard, t.Last = heard, max(t.Last, m.Number.N)
			if len(t.Way) > 0 { // the own start is on its way, and need not arrive
				t.Base, t.Way = Started, nil
				return t, []Effect{Settle{}, Open{m.Address}}, nil
			}
			return t, []Effect{Open{m.Address}}, nil
		}
		return t, nil, nil
	}
	course, how, err := machine.Hear(t.Course, m.Event, m.By, m.Hash, m.Number)
	if err != nil || how == protocol.Repeat {
		return t, nil, err
	}
	t.Course, t.Pid = course, other
	t.Last = max(t.Last, m.Number.N)
	if how == protocol.Met {
		return t, []Effect{Settle{Until: course.Base}}, nil
	}
	t.Waits = ""
	var effects []Effect
	switch {
	case how == protocol.Acted && m.Event != Terminate:
		effects = append(effects, Settle{})
	case how == protocol.Crossed, m.Event != Start && m.Event != Request: // where it is from now on is not to be told any more
		effects = append(effects, Drop{})
	}
	return t.settle(m, effects)
}

// renewed reports whether m is the provider's own start after the consumer resumed:
// the diagram draws no such arrow, but a provider has no other message by which to
// say where the data is from now on, and connectors send it.
func (t *Transfer) renewed(m *Message) bool {
	return m.Event == Start && m.By == hansa.Provider && t.State == Started && t.Resumed == hansa.Consumer && m.Address != nil
}

// settle keeps what a message says, and lets data pass or not.
func (t Transfer) settle(m Message, effects []Effect) (Transfer, []Effect, error) {
	switch m.Event {
	case Request:
		effects = append(effects, Decide{})
	case Start:
		if t.PausedBy != "" {
			t.Resumed = m.By
		}
		t.PausedBy, t.Code, t.Reason = "", "", nil
		effects = append(effects, Open{m.Address})
	case Suspend:
		t.PausedBy, t.Code, t.Reason = m.By, m.Code, m.Reason
		effects = append(effects, Close{})
	case Complete, Terminate:
		t.PausedBy, t.Code, t.Reason, t.EndedBy = "", m.Code, m.Reason, m.By
		effects = append(effects, Close{Final: true})
	}
	return t, effects, nil
}

// Act returns the transfer after own has decided, and what the node must now do.
// What own may not do in this state is Conflict.
func (t Transfer) Act(m Message) (Transfer, []Effect, error) {
	course, err := machine.Act(t.Course, m.Event, t.Side)
	if err != nil {
		return t, nil, err
	}
	t.Course, t.Waits = course, ""
	m.By, m.ConsumerPid, m.ProviderPid = t.Side, t.ID, t.Pid
	if t.Side == hansa.Provider {
		m.ConsumerPid, m.ProviderPid = t.Pid, t.ID
	}
	effects := []Effect{}
	if m.Event == Terminate && t.Pid != "" { // else the other side must hear of the process first, to hear of its end
		effects = append(effects, Drop{})
	}
	effects = append(effects, Send{m})
	if m.Event == Request {
		return t, effects, nil
	}
	return t.settle(m, effects)
}

// Told returns the transfer after the other side took its letter, that led to
// state; pid is what it calls the process, where its answer said so, and near says
// that it is a node of this exchange.
func (t Transfer) Told(state State, letter int64, pid string, near bool) Transfer {
	t.Took = max(t.Took, letter)
	t.Course, t.Near = machine.Told(t.Course, state), t.Near || near
	if t.Pid == "" {
		t.Pid = pid
	}
	return t
}

// Refused returns the transfer after the other side would not take a message: one
// that never began has ended, another waits for a person.
func (t Transfer) Refused(why string) Transfer {
	t.Waits = "the other side refused: " + why + "; try again, or end it"
	if t.Pid == "" {
		t.State, t.Base, t.Way, t.Waits, t.Code, t.Reason, t.EndedBy = Terminated, Terminated, nil, "", "refused", []string{why}, t.Side.Other()
	}
	return t
}

// Shares reports whether a peer that is in state has taken the message that led to
// after, or can do without it: what is completed was started.
func Shares(state, after State) bool {
	return state == after || state == Completed && after == Started
}

// Hands do what a transfer asks for, in the transaction that stores it.
type Hands interface { //nolint:interfacebloat // one hand an effect
	Drop(t *Transfer) error
	Settle(t *Transfer, until State) error
	Send(t *Transfer, m *Message) error
	Open(t *Transfer) error
	Close(t *Transfer, final bool) error
	// Decide says what own does now that it is its turn, or what a person is asked.
	// It may note in t under which terms.
	Decide(t *Transfer) (m Message, waits string, err error)
}

// Carry does by h what a step asks for, and decides what it leaves open. It returns
// the transfer as it is to be stored.
func (t Transfer) Carry(effects []Effect, h Hands) (Transfer, error) {
	for len(effects) > 0 {
		e := effects[0]
		effects = effects[1:]
		var err error
		switch e := e.(type) {
		case Drop:
			err = h.Drop(&t)
		case Settle:
			err = h.Settle(&t, e.Until)
		case Send:
			err = h.Send(&t, &e.Message)
		case Open:
			err = h.Open(&t)
		case Close:
			err = h.Close(&t, e.Final)
		case Decide:
			var m Message
			if m, t.Waits, err = h.Decide(&t); err == nil && t.Waits == "" {
				var more []Effect
				t, more, err = t.Act(m)
				effects = append(effects, more...)
			}
		}
		if err != nil {
			return t, err
		}
	}
	return t, nil
}
