package node

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// inStep holds what a provider has in memory against its tables.
func (p *partner) inStep() {
	p.t.Helper()
	d := p.node.deal
	runs, states := map[hansa.FlowID]bool{}, map[string]transfer.State{}
	err := d.n.db.Read(p.t.Context(), func(tx hansa.Tx) error {
		list, err := d.transfers.List(tx, protocol.Query{})
		for _, x := range list {
			states[x.ID] = x.State
			runs[x.Flow] = runs[x.Flow] || x.State == transfer.Started
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	flows, err := p.node.catalog.Flows(p.t.Context(), p.id)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range flows {
		c, err := p.node.line.course(f.ID)
		if err != nil || c.flow.Paused == runs[f.ID] || f.Paused == runs[f.ID] {
			p.t.Errorf("flow %s: a transfer runs is %t, closed in the tables %t, in memory %t (%v)", f.ID, runs[f.ID], f.Paused, c.flow.Paused, err)
		}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for id, s := range states {
		if _, open := d.open[id]; open != (s == transfer.Started) {
			p.t.Errorf("transfer %s is %s, open in memory %t", id, s, open)
		}
	}
	for _, g := range d.tokens {
		if s := states[g.transfer]; s != transfer.Started && s != transfer.Suspended {
			p.t.Errorf("there is a token of transfer %s, which is %s", g.transfer, s)
		}
	}
	if len(d.opening) != 0 {
		p.t.Errorf("being opened: %v", d.opening)
	}
}

// quiet waits until a node has nothing to send.
func (p *partner) quiet() {
	p.t.Helper()
	for range 1000 {
		n := 0
		err := p.node.db.Read(p.t.Context(), func(tx hansa.Tx) error {
			return tx.QueryRow(`SELECT COUNT(*) FROM outbound_letter WHERE state = ?`, string(outbound.LetterWaits)).Scan(&n)
		})
		if err != nil {
			p.t.Fatal(err)
		}
		if n == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.t.Fatalf("%s has letters that wait", p.name)
}

// TestManyAtOnce: many suspend, resume, renew, end and ask on both sides at once; when
// it is quiet both sides say the same, and what each has in memory is what its tables
// say, also after a restart.
func TestManyAtOnce(t *testing.T) {
	city, company := two(t)
	city.offer("offer-1", true, "navigation")
	type deal struct{ agreement, own, theirs string }
	var deals []deal
	for i := range 3 {
		n, err := company.deals().Negotiate(t.Context(), company.actor(), api.NegotiationOrder{Peer: "city", Offer: "offer-1", Purpose: "navigation", Dataset: "shut"})
		if err != nil {
			t.Fatal(err)
		}
		a := company.until(n.ID, func(n api.Negotiation) bool { return n.State == "FINALIZED" }).Agreement
		for range 3 {
			x, err := company.deals().RequestTransfer(t.Context(), company.actor(), api.TransferOrder{Agreement: a, Dataset: fmt.Sprintf("shut-%d", i)})
			if err != nil {
				t.Fatal(err)
			}
			x = company.untilTransfer(x.ID, "STARTED")
			deals = append(deals, deal{a, x.ID, x.Pid})
		}
	}
	var crew sync.WaitGroup
	for i, one := range deals {
		for side, p := range []*partner{city, company} {
			crew.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(i), uint64(side)))
				id := []string{one.theirs, one.own}[side]
				for step := range 20 {
					act := []string{"suspend", "resume", "suspend", "resume", "renew"}[rnd.IntN(5)]
					if step > 12 && rnd.IntN(20) == 0 {
						act = "terminate"
					}
					var err error
					if act == "renew" && side == 0 {
						var s pair
						if err = p.node.db.Read(t.Context(), func(tx hansa.Tx) error { return p.node.deal.reveal(tx, id, &s) }); err == nil {
							_, err = p.node.deal.renew(t.Context(), s.Refresh)
						}
					} else if act != "renew" {
						_, err = p.deals().ActTransfer(t.Context(), p.actor(), id, act, api.ProcessAct{})
					}
					if k := hansa.KindOf(err); err != nil && k != hansa.Conflict && k != hansa.Denied {
						t.Errorf("%s: %v", act, err)
					}
				}
			})
		}
	}
	crew.Go(func() {
		if _, err := city.deals().EndAgreement(t.Context(), city.actor(), deals[0].agreement, api.ProcessAct{}); err != nil {
			t.Error(err)
		}
	})
	crew.Wait()
	for range 3 { // what one has sent may bring the other to send
		city.quiet()
		company.quiet()
	}
	for _, one := range deals {
		own, err := company.deals().TransferByID(t.Context(), company.actor(), one.own)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := city.deals().TransferByID(t.Context(), city.actor(), one.theirs)
		if err != nil || own.State != theirs.State {
			t.Errorf("%s is %s here and %s there (%v); parked: %q %q", one.own, own.State, theirs.State, err, own.Parked, theirs.Parked)
		}
	}
	city.inStep()
	city.again()
	city.inStep()
}
