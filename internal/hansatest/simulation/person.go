package simulation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
)

// lettersMost is how long persons haggle, or start and stop a transfer.
const lettersMost = 14

func (w *world) party(id hansa.PartyID) *node {
	i := slices.IndexFunc(w.nodes, func(n *node) bool { return n.id == id })
	return w.nodes[i]
}

// begin is a person who wants an agreement; who is not sure that it began tries on.
func (w *world) begin() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	other := w.nodes[(n.index+1+w.rng.IntN(len(w.nodes)-1))%len(w.nodes)]
	if !n.up {
		w.after(w.between(time.Second, 10*time.Second), w.begin)
		return
	}
	list := offers("closures")
	p := negotiation.Negotiation{ID: w.name("n"), Side: hansa.Consumer, Own: n.id, Other: other.id, Near: true, Began: w.now}
	m := negotiation.Message{Event: negotiation.Request, Callback: string(n.id), Offer: list[w.rng.IntN(len(list))]}
	if w.chance(0.2) {
		p.Side, m.Event = hansa.Provider, negotiation.Offer
	} else if w.chance(0.8) {
		p.Then = transfer.Pull
	}
	op := w.actOp(n, p.ID, false, p.Side, string(m.Event))
	err := n.write(func(t *tx) error {
		next, effects, err := p.Act(m)
		if err != nil {
			return err
		}
		if p, err = next.Carry(effects, negotiationHands{t}); err == nil {
			t.putNegotiation(&p)
		}
		return err
	})
	w.acted(op, err, string(p.State))
	if err != nil {
		w.after(w.between(time.Second, 10*time.Second), w.begin)
	}
}

// lookAt lets a person look at a process in a while.
func (n *node) lookAt(id string) {
	if n.looks[id] {
		return
	}
	n.looks[id] = true
	think := n.w.between(50*time.Millisecond, 12*time.Second)
	n.w.after(think, func() { n.look(id) })
	for range n.w.cfg.Looks {
		n.w.after(time.Duration(n.w.rng.Int64N(int64(think))+1), func() { n.peek(id) })
	}
}

// peek is a person who only reads.
func (n *node) peek(id string) {
	if !n.up {
		return
	}
	op := n.w.readOp(n, id)
	n.w.after(n.w.between(time.Microsecond, 20*time.Millisecond), func() {
		if !n.up {
			n.w.close(op, answer{}, false)
			return
		}
		a := n.read(id)
		n.w.after(n.w.between(time.Microsecond, 20*time.Millisecond), func() { n.w.close(op, a, true) })
	})
}

// look is a person who does what is to be done with a process.
func (n *node) look(id string) {
	delete(n.looks, id)
	if !n.up {
		n.lookAt(id)
		return
	}
	parked := slices.ContainsFunc(n.store.letters[id], func(l letter) bool { return l.State == outbound.LetterParked })
	if p, ok := n.store.negotiations[id]; ok {
		n.lookNegotiation(&p, parked)
	} else if p, ok := n.store.transfers[id]; ok {
		n.lookTransfer(&p, parked)
	}
}

func (n *node) lookNegotiation(p *negotiation.Negotiation, parked bool) {
	w, can := n.w, p.Can()
	switch {
	case p.Ended():
		return
	case parked && (w.chance(0.5) || !slices.Contains(can, negotiation.Terminate)):
		n.retry(p.ID)
		n.lookAt(p.ID)
		return
	case p.Waits == "" && !(w.unlucky(0.08) && slices.Contains(can, negotiation.Terminate)):
		return
	case p.Waits == "" || parked:
		can = []negotiation.Event{negotiation.Terminate}
	case len(n.store.letters[p.ID]) > lettersMost:
		can = slices.DeleteFunc(can, func(e negotiation.Event) bool { return e == negotiation.Request || e == negotiation.Offer })
	}
	if len(can) == 0 {
		return // it is the other side's turn
	}
	event := can[w.rng.IntN(len(can))]
	if event == negotiation.Terminate && p.Waits != "" && !parked && len(can) > 1 && w.chance(0.6) {
		event = can[w.rng.IntN(len(can))]
	}
	m := negotiation.Message{Event: event}
	switch event {
	case negotiation.Request, negotiation.Offer:
		list := offers("closures")
		m.Offer = list[w.rng.IntN(len(list))]
		m.Offer.ID = p.Offer.ID
	case negotiation.Agree:
		m.Agreement = p.Agrees(w.name("agreement"), w.now)
	case negotiation.Terminate:
		m.Code, m.Reason = "declined", []string{"no"}
	case negotiation.Accept, negotiation.Verify, negotiation.Finalize:
	}
	n.act(p.ID, false, p.Side, string(event), func(t *tx) (string, error) {
		p := n.store.negotiations[p.ID]
		if w.cfg.Bug == Overlaps {
			p.Base, p.Way = p.State, nil
		}
		if w.cfg.Bug == DropsFirst && p.Pid == "" {
			t.void(p.ID)
		}
		next, effects, err := p.Act(m)
		if err != nil {
			return "", err
		}
		if next, err = next.Carry(effects, negotiationHands{t}); err == nil {
			t.putNegotiation(&next)
		}
		return string(next.State), err
	})
}

func (n *node) lookTransfer(p *transfer.Transfer, parked bool) {
	w, can := n.w, p.Can()
	switch {
	case p.Ended():
		return
	case parked && (w.chance(0.5) || !slices.Contains(can, transfer.Terminate)):
		n.retry(p.ID)
		n.lookAt(p.ID)
		return
	case parked:
		can = []transfer.Event{transfer.Terminate}
	case p.Waits == "" && (len(n.store.letters[p.ID]) > lettersMost || p.State == transfer.Requested && !w.unlucky(0.1)):
		return
	}
	if len(can) == 0 {
		return
	}
	event := can[w.rng.IntN(len(can))]
	if (event == transfer.Terminate || event == transfer.Complete) && len(can) > 1 && w.chance(0.7) {
		event = can[w.rng.IntN(len(can))]
	}
	m := transfer.Message{Event: event}
	n.act(p.ID, true, p.Side, string(event), func(t *tx) (string, error) {
		p := n.store.transfers[p.ID]
		if w.cfg.Bug == Overlaps {
			p.Base, p.Way = p.State, nil
		}
		next, effects, err := p.Act(m)
		if err != nil {
			return "", err
		}
		if next, err = next.Carry(effects, transferHands{t}); err == nil {
			t.putTransfer(&next)
		}
		return string(next.State), err
	})
}

// act is what a person does by the node's API. Who hears of no success looks again.
func (n *node) act(id string, isTransfer bool, own hansa.Side, event string, do func(*tx) (string, error)) {
	w := n.w
	op := w.actOp(n, id, isTransfer, own, event)
	w.after(w.between(time.Microsecond, 20*time.Millisecond), func() {
		if !n.up {
			w.close(op, answer{}, false)
			n.lookAt(id)
			return
		}
		var state string
		err := n.write(func(t *tx) (err error) {
			state, err = do(t)
			return err
		})
		w.acted(op, err, state)
		w.note(n, id, fmt.Sprintf("a person decided to %s: %v", event, err))
		if err != nil {
			n.lookAt(id)
			return
		}
		w.claim(n, id, state)
	})
}

// acted closes a person's act in the history.
func (w *world) acted(op *Op, err error, state string) {
	switch {
	case errors.Is(err, errCrash):
		w.close(op, answer{}, true)
	case err != nil:
		w.close(op, answer{status: dsp.Status(err)}, true)
	default:
		w.close(op, answer{status: 200, state: state}, true)
	}
}
