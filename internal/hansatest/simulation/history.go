package simulation

import "github.com/hansa-exchange/hansa"

// Op is one call on a process of a node, and what its caller heard.
type Op struct {
	Process      string
	Transfer     bool
	Own          hansa.Side // what the node is in it
	Kind         OpKind
	Event        string
	Wire         bool  // the other side's: it hears as far as both are known to share
	N            int64 // the number that the sender gave a message
	Call, Return int64 // by one clock
	Status       int   // 0: the caller does not know
	State        string
	kept         bool
}

// OpKind is what a call is.
type OpKind int

// The calls: a message of the other side, an act of the own, and a look.
const (
	Hear OpKind = iota
	Act
	Read
)

func (w *world) hearOp(from *node, l *letter, number int64) *Op {
	if w.cfg.Looks == 0 {
		return nil
	}
	op := &Op{Wire: true, Kind: Hear, N: number, Call: w.stamp()}
	if l.negotiation != nil {
		op.Own, op.Event, op.Process = l.negotiation.By.Other(), string(l.negotiation.Event), from.pidOf(l.Process)
		return op
	}
	op.Own, op.Event, op.Transfer, op.Process = l.transfer.By.Other(), string(l.transfer.Event), true, from.pidOf(l.Process)
	return op
}

func (w *world) actOp(_ *node, id string, isTransfer bool, own hansa.Side, event string) *Op {
	if w.cfg.Looks == 0 {
		return nil
	}
	return &Op{Process: id, Transfer: isTransfer, Own: own, Kind: Act, Event: event, Call: w.stamp()}
}

func (w *world) readOp(n *node, id string) *Op {
	if w.cfg.Looks == 0 {
		return nil
	}
	op := &Op{Process: id, Kind: Read, Call: w.stamp()}
	if p, ok := n.store.negotiations[id]; ok {
		op.Own = p.Side
		return op
	}
	op.Own, op.Transfer = n.store.transfers[id].Side, true
	return op
}

// again is the same call, carried twice.
func (o *Op) again(w *world) *Op {
	if o == nil {
		return nil
	}
	return &Op{Process: o.Process, Transfer: o.Transfer, Own: o.Own, Kind: o.Kind, Wire: o.Wire, Event: o.Event, N: o.N, Call: w.stamp()}
}

// close notes what came of a call; one that never ran is not kept.
func (w *world) close(o *Op, a answer, ran bool) {
	if o == nil || o.kept || !ran {
		return
	}
	o.kept, o.Return, o.Status, o.State = true, w.stamp(), a.status, a.state
	if o.Process == "" {
		o.Process = a.pid
	}
	if o.Process != "" {
		w.history = append(w.history, *o)
	}
}
