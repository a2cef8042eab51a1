package simulation

import (
	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

var errUnknown = hansa.Errorf(hansa.NotFound, "there is no such process")

// received is how a message is kept.
func received(process string) *letter {
	l := &letter{}
	l.Process = process
	return l
}

// mistake changes what is heard as a planted bug would.
func mistake[S ~string](w *world, c *protocol.Course[S]) {
	if w.cfg.Bug == ForgetsRepeats {
		c.Heard, c.Last, c.Took = "", 0, 0
	}
}

// findNegotiation finds the process that a message is about, or begins one. known
// says that a first message was heard before.
func (t *tx) findNegotiation(from *node, pid string, m *negotiation.Message) (p negotiation.Negotiation, known bool, err error) {
	s := &t.n.store
	if pid != "" {
		p, ok := s.negotiations[pid]
		if !ok {
			err = errUnknown
		}
		return p, false, err
	}
	side, other := m.By.Other(), m.ConsumerPid
	if m.By == hansa.Provider {
		other = m.ProviderPid
	}
	id, known := s.pids[pidKey{"negotiation", string(from.id), other, side}]
	if known && t.n.w.cfg.Bug != DoublesFirst {
		t.n.w.work.Repeats++
		return s.negotiations[id], true, nil
	}
	return negotiation.Negotiation{
		ID: t.n.w.name("n"), Pid: other, Side: side, Own: t.n.id, Other: from.id, Near: true, Address: m.Callback, Began: t.now(),
	}, false, nil
}

func (n *node) hearNegotiation(from *node, pid string, m negotiation.Message) (a answer, err error) {
	err = n.write(func(t *tx) error {
		p, known, err := t.findNegotiation(from, pid, &m)
		if a = (answer{pid: p.ID, state: string(p.Shared())}); err != nil || known {
			return err
		}
		mistake(n.w, &p.Course)
		was := p
		next, effects, err := p.Hear(m)
		if err != nil && len(p.Way) > 0 && n.w.cfg.Bug == CrossByArrival {
			p.State, p.Way = p.Base, nil
			next, effects, err = p.Hear(m)
		}
		if err != nil && n.w.cfg.Bug == KeepsRefused {
			p.State = p.Base
			t.putNegotiation(&p)
			a.reason = err.Error()
			return nil
		}
		if err != nil {
			return err
		}
		if len(effects) == 0 && next.Heard == was.Heard {
			n.w.work.Repeats++
			a.state = string(next.Shared())
			return nil
		}
		n.w.crossing(effects[0] == negotiation.Effect(negotiation.Drop{}) && !next.Ended())
		l := received(next.ID)
		t.keep(l)
		if next, err = next.Carry(effects, negotiationHands{t}); err != nil {
			return err
		}
		a.state = string(next.Shared())
		t.putNegotiation(&next)
		return nil
	})
	return a, err
}

// findTransfer finds the process that a message is about, or begins one. known says
// that a first message was heard before.
func (t *tx) findTransfer(from *node, pid string, m *transfer.Message) (p transfer.Transfer, known bool, err error) {
	s := &t.n.store
	if pid != "" {
		p, ok := s.transfers[pid]
		if m.By = p.Side.Other(); !ok {
			err = errUnknown
		}
		return p, false, err
	}
	id, known := s.pids[pidKey{"transfer", string(from.id), m.ConsumerPid, hansa.Provider}]
	if known && t.n.w.cfg.Bug != DoublesFirst {
		t.n.w.work.Repeats++
		return s.transfers[id], true, nil
	}
	if g, ok := s.agreements[m.Agreement]; !ok || g.other != from || g.side != hansa.Provider {
		return p, false, hansa.Fielded("/agreementId", "there is no agreement %s that gives you data", m.Agreement)
	}
	return transfer.Transfer{
		ID: t.n.w.name("t"), Pid: m.ConsumerPid, Side: hansa.Provider, Own: t.n.id, Other: from.id, Near: true, Peer: m.Callback, Agreement: m.Agreement, Format: m.Format, Began: t.now(),
	}, false, nil
}

func (n *node) hearTransfer(from *node, pid string, m transfer.Message) (a answer, err error) {
	err = n.write(func(t *tx) error {
		p, known, err := t.findTransfer(from, pid, &m)
		if a = (answer{pid: p.ID, state: string(p.Shared())}); err != nil || known {
			return err
		}
		mistake(n.w, &p.Course)
		was := p
		next, effects, err := p.Hear(m)
		if err != nil && len(p.Way) > 0 && n.w.cfg.Bug == CrossByArrival {
			p.State, p.Way = p.Base, nil
			next, effects, err = p.Hear(m)
		}
		if err != nil && n.w.cfg.Bug == KeepsRefused {
			p.State = p.Base
			t.putTransfer(&p)
			a.reason = err.Error()
			return nil
		}
		if err != nil {
			return err
		}
		if len(effects) == 0 && next.Heard == was.Heard {
			n.w.work.Repeats++
			a.state = string(next.Shared())
			return nil
		}
		n.w.crossing(effects[0] == transfer.Effect(transfer.Drop{}) && !next.Ended())
		l := received(next.ID)
		t.keep(l)
		if next, err = next.Carry(effects, transferHands{t}); err != nil {
			return err
		}
		a.state = string(next.Shared())
		t.putTransfer(&next)
		return nil
	})
	return a, err
}

// negotiationHands do what a negotiation asks for, in one transaction.
type negotiationHands struct{ *tx }

func (h negotiationHands) Drop(p *negotiation.Negotiation) error {
	h.void(p.ID)
	return nil
}

func (h negotiationHands) Settle(p *negotiation.Negotiation) error {
	h.settle(p.ID, "")
	return nil
}

func (h negotiationHands) Send(p *negotiation.Negotiation, m *negotiation.Message) error {
	said := *m
	said.Hash = said.Code
	if h.n.w.cfg.Bug != HashAlone {
		said.Hash += h.n.w.name("/m")
	}
	if said.Offer != nil {
		said.Hash += said.Offer.Permission[0].Action
	}
	if h.n.w.cfg.Bug == AgreesAnew && said.Agreement != nil {
		said.Agreement = said.Agreement.Clone()
		said.Agreement.ID = h.n.w.name("agreement")
	}
	l := &letter{negotiation: &said}
	l.Process, l.Own, l.Other, l.After, l.At, l.Next = p.ID, p.Own, p.Other, string(p.State), h.now(), h.now()
	h.post(l)
	return nil
}

// Enact puts an agreement in force, and as consumer asks for its data.
func (h negotiationHands) Enact(p *negotiation.Negotiation, a *policy.Policy) error {
	h.n.w.checkAgreement(p, a)
	put(h.tx, h.n.store.agreements, a.ID, agreement{a.ID, p.ID, p.Side, h.n.w.party(p.Other), a})
	if p.Side == hansa.Consumer && p.Then != "" {
		return h.requestTransfer(p.Other, a.ID, p.Then)
	}
	return nil
}

// requestTransfer asks for data under an agreement; as consumer.
func (t *tx) requestTransfer(other hansa.PartyID, agreement, format string) error {
	x := transfer.Transfer{ID: t.n.w.name("t"), Side: hansa.Consumer, Own: t.n.id, Other: other, Near: true, Agreement: agreement, Format: format, Began: t.now()}
	next, effects, err := x.Act(transfer.Message{Event: transfer.Request, Callback: string(t.n.id), Agreement: agreement, Format: format})
	if err != nil {
		return err
	}
	if next, err = next.Carry(effects, transferHands{t}); err != nil {
		return err
	}
	t.n.w.work.Transfers++
	t.putTransfer(&next)
	return nil
}

// Decide is what the node does by itself; some of it waits for a person.
func (h negotiationHands) Decide(p *negotiation.Negotiation) (negotiation.Message, string, error) {
	w := h.n.w
	agree := func() negotiation.Message {
		return negotiation.Message{Event: negotiation.Agree, Agreement: p.Agrees(w.name("agreement"), w.now)}
	}
	switch p.State {
	case negotiation.Requested:
		switch {
		case w.chance(0.5):
			return agree(), "", nil
		case w.chance(0.1):
			return negotiation.Message{Event: negotiation.Terminate, Code: "policy", Reason: []string{"not allowed"}}, "", nil
		}
		return negotiation.Message{}, "agree, counter or decline", nil
	case negotiation.Offered:
		if p.Asked != nil && policy.Equal(p.Asked, p.Offer) {
			return negotiation.Message{Event: negotiation.Accept}, "", nil
		}
		return negotiation.Message{}, "accept, counter or decline", nil
	case negotiation.Accepted:
		if w.chance(0.9) {
			return agree(), "", nil
		}
	case negotiation.Agreed:
		if why := p.Verifies(); why != nil {
			return negotiation.Message{Event: negotiation.Terminate, Code: "agreement", Reason: []string{why.Error()}}, "", nil //nolint:nilerr // it is the reason
		}
		if w.chance(0.95) {
			return negotiation.Message{Event: negotiation.Verify}, "", nil
		}
	case negotiation.Verified:
		if w.chance(0.95) {
			return negotiation.Message{Event: negotiation.Finalize}, "", nil
		}
	case negotiation.Finalized, negotiation.Terminated:
	}
	return negotiation.Message{}, "go on, or decline", nil
}

// transferHands do what a transfer asks for, in one transaction.
type transferHands struct{ *tx }

func (h transferHands) Drop(p *transfer.Transfer) error {
	h.void(p.ID)
	return nil
}

func (h transferHands) Settle(p *transfer.Transfer, until transfer.State) error {
	h.settle(p.ID, string(until))
	return nil
}

func (h transferHands) Send(p *transfer.Transfer, m *transfer.Message) error {
	said := *m
	said.Hash = said.Code
	if h.n.w.cfg.Bug != HashAlone {
		said.Hash += h.n.w.name("/m")
	}
	l := &letter{transfer: &said}
	l.Process, l.Own, l.Other, l.After, l.At, l.Next = p.ID, p.Own, p.Other, string(p.State), h.now(), h.now()
	h.post(l)
	p.Sent = l.N
	return nil
}

func (h transferHands) Open(p *transfer.Transfer) error {
	h.open[p.ID] = true
	return nil
}

func (h transferHands) Close(p *transfer.Transfer, _ bool) error {
	h.open[p.ID] = false
	return nil
}

func (h transferHands) Decide(*transfer.Transfer) (transfer.Message, string, error) {
	switch {
	case h.n.w.chance(0.8):
		return transfer.Message{Event: transfer.Start, Address: &transfer.Address{Endpoint: "https://data.example"}}, "", nil
	case h.n.w.chance(0.2):
		return transfer.Message{Event: transfer.Terminate, Code: "policy", Reason: []string{"not now"}}, "", nil
	}
	return transfer.Message{}, "start, or decline", nil
}
