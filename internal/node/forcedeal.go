package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// accordCode is the code of what the machine does to a transfer for its accord.
const accordCode = "accord"

// transfersUnder are the transfers of own that have not ended, under agreements.
func (d *deal) transfersUnder(tx hansa.Tx, own hansa.PartyID, agreements ...string) ([]*transfer.Transfer, error) {
	all, err := d.transfers.All(tx, string(transfer.Requested), string(transfer.Started), string(transfer.Suspended))
	return slices.DeleteFunc(all, func(t *transfer.Transfer) bool {
		return t.Own != own || t.Agreement == "" || !slices.Contains(agreements, t.Agreement)
	}), err
}

// moveTransfers stops the transfers of a flow that is suspended, and starts those
// again that its accord had stopped. late says that one of them has to be moved
// later: the other side has not heard of what it would take back. Its gate is as the
// accord says already.
func (n *Node) moveTransfers(tx hansa.Tx, a *acts, p *pledge) (late bool, err error) {
	d := n.deal
	list, err := d.transfersUnder(tx, p.Own, p.Agreement, p.Earlier)
	if err != nil {
		return false, err
	}
	for _, t := range list {
		m := transfer.Message{Event: transfer.Suspend, Code: accordCode, Reason: []string{p.Why}}
		ours := t.State == transfer.Suspended && t.Code == accordCode && t.PausedBy == t.Side
		switch {
		case p.State == pledgePaused && t.State == transfer.Started:
		case p.State == pledgeOpen && t.State == transfer.Started:
			if err := n.reopen(tx, a, t); err != nil {
				return false, err
			}
			continue
		case p.State == pledgeOpen && ours:
			g, err := d.negotiations.AgreementByID(tx, p.Own, t.Agreement)
			if err != nil {
				return false, err
			}
			if m, err = d.startMessage(tx, a.w, t, g); err != nil {
				return false, err
			}
		default:
			continue
		}
		switch err := n.moveTransfer(tx, a, t, m); {
		case errors.Is(err, protocol.ErrUnheard):
			late = true
		case err != nil:
			return false, err
		}
	}
	return late, nil
}

// reopen opens the gate of a transfer that runs, where its accord had shut it before
// the other side could be told.
func (n *Node) reopen(tx hansa.Tx, a *acts, t *transfer.Transfer) error {
	f, err := n.catalog.FlowGiven(tx, t.Own, t.Flow)
	if hansa.KindOf(err) == hansa.NotFound || err == nil && !f.Paused {
		return nil
	}
	return errors.Join(err, n.deal.openData(tx, a.w, t))
}

func (n *Node) moveTransfer(tx hansa.Tx, a *acts, t *transfer.Transfer, m transfer.Message) error {
	next, effects, err := t.Act(m)
	if err != nil {
		return err
	}
	_, err = n.deal.carryTransfer(tx, a.w, next, effects)
	return err
}

// endTransfers ends what runs under agreements that carried p, and them.
func (n *Node) endTransfers(tx hansa.Tx, a *acts, p *pledge, agreements ...string) error {
	agreements = slices.DeleteFunc(agreements, func(id string) bool { return id == "" })
	if len(agreements) == 0 {
		return nil
	}
	list, err := n.deal.transfersUnder(tx, p.Own, agreements...)
	if err != nil {
		return err
	}
	for _, t := range list {
		if err := n.moveTransfer(tx, a, t, transfer.Message{Event: transfer.Terminate, Code: accordCode, Reason: []string{first(p.Why, "its terms have changed")}}); err != nil {
			return err
		}
	}
	for _, id := range agreements {
		if err := n.endAgreement(tx, p, id); err != nil {
			return err
		}
	}
	return nil
}

// stopGiving ends what own gives of p to another node.
func (n *Node) stopGiving(tx hansa.Tx, a *acts, p *pledge) error {
	ended := []string{p.Agreement, p.Earlier}
	p.Agreement, p.Earlier = "", ""
	if err := n.putPledge(tx, p, time.Time{}); err != nil { // the gate is shut by what it says
		return err
	}
	return n.endTransfers(tx, a, p, ended...)
}

// stopTaking ends what own is given of p from another node.
func (n *Node) stopTaking(tx hansa.Tx, a *acts, p *pledge) error {
	ended := []string{p.Agreement, p.Earlier}
	process := p.Process
	p.Agreement, p.Earlier, p.Process, p.Transfer = "", "", "", ""
	if err := n.endTransfers(tx, a, p, ended...); err != nil || process == "" {
		return err
	}
	g, err := n.deal.negotiations.Get(tx, p.Own, process)
	if err != nil || g.Ended() || !slices.Contains(g.Can(), negotiation.Terminate) {
		return unlessGone(err)
	}
	next, effects, err := g.Act(negotiation.Message{Event: negotiation.Terminate, Code: accordCode, Reason: []string{p.Why}})
	if err != nil {
		return err
	}
	_, err = n.deal.carryNegotiation(tx, a.w, next, effects)
	return err
}

// held is what a policy is told of accords: whether own holds one towards another.
func (*deal) held(tx hansa.Tx, own, other hansa.PartyID) func(string) bool {
	return func(hash string) bool {
		ok, err := holdsAccord(tx, own, other, hash)
		return err == nil && ok
	}
}

// unheld says why own cannot stand by a policy that names an accord; empty when it
// names none, or one that own holds towards the other side.
func (d *deal) unheld(tx hansa.Tx, own, other hansa.PartyID, p *policy.Policy) string {
	hash := accordOf(p)
	if hash == "" || d.held(tx, own, other)(hash) {
		return ""
	}
	return "this side holds no accord with the other that is in force in version sha-256:" + hash
}

// pledged ties an agreement that was made to the flow of the accord that it carries;
// the one before it ends. It returns nil where the agreement stands on no accord.
func (d *deal) pledged(tx hansa.Tx, w *work, g *negotiation.Agreement, n *negotiation.Negotiation) (*pledge, error) {
	if accordOf(g.Policy) == "" || n.Offer == nil {
		return nil, nil //nolint:nilnil // none is an answer
	}
	p, err := onePledge(tx, `WHERE own = ? AND other = ? AND offer = ?`, string(g.Own), string(g.Other), n.Offer.ID)
	if err != nil || p == nil || !p.stands() || p.Agreed != accordOf(g.Policy) {
		return nil, err
	}
	if p.Agreement != "" && p.Agreement != g.ID && p.Earlier == "" {
		p.Earlier = p.Agreement
	}
	p.Agreement, p.Tries, p.Problem = g.ID, 0, ""
	if err := carries(tx, p, g.ID); err != nil {
		return nil, err
	}
	if old := p.Earlier; old != "" && p.gives() {
		p.Earlier = ""
		if err := d.n.endTransfers(tx, &acts{w: w}, p, old); err != nil {
			return nil, err
		}
	} else if old != "" { // the giver ends what runs under it
		p.Earlier = ""
		if err := d.n.endAgreement(tx, p, old); err != nil {
			return nil, err
		}
	}
	due := time.Time{}
	if !p.gives() {
		due = d.n.wall().Add(pledgeSoon)
	}
	return p, d.n.putPledge(tx, p, due)
}

// pledgeTerms is what the pledge under an agreement lets through now, and until when.
func (d *deal) pledgeTerms(p *pledge) (hansa.Terms, error) {
	switch now := d.n.clock(); {
	case !p.stands():
		return p.Terms, hansa.Errorf(hansa.Denied, "the flow of accord %s does not run: %s", p.Accord, p.Why)
	case p.State == pledgePaused:
		return p.Terms, hansa.Errorf(hansa.Denied, "the flow of accord %s stands still: %s", p.Accord, p.Why)
	case !p.Terms.Until.IsZero() && !now.Before(p.Terms.Until):
		return p.Terms, hansa.Errorf(hansa.Denied, "the time of accord %s was over at %s", p.Accord, p.Terms.Until.Format(time.RFC3339))
	}
	return p.Terms, nil
}

// bound refuses what would part a flow from its accord.
func (p *pledge) bound() error {
	if p == nil {
		return nil
	}
	return hansa.Errorf(hansa.Conflict, "it stands on the accord %s, and runs and ends by it", p.Accord).WithHint("hansa accords suspend " + string(p.Accord) + "; hansa accords end " + string(p.Accord))
}

// pledgedFlow is the flow of an accord, open or shut. What has ended stays as it is
// stored, shut for ever.
func (d *deal) pledgedFlow(tx hansa.Tx, p *pledge, set *hansa.Dataset, paused bool) (hansa.Flow, error) {
	if p.stands() {
		return p.flow(set.ID, paused), nil
	}
	f, err := d.n.catalog.FlowGiven(tx, p.From, p.ID)
	if err != nil {
		return hansa.Flow{}, err
	}
	f.Paused = true
	return *f, nil
}

// The negotiation by machine: how many pledges one look takes, and how long it is
// waited between tries that fail.
const (
	forceMost  = 1000
	forceCrew  = 8 // peers that are called at once
	forceEvery = 500 * time.Millisecond
	forceRest  = 5 * time.Minute
)

// retryAfter is how long it is waited after so many tries that failed.
func retryAfter(tries int) time.Duration {
	return min(250*time.Millisecond<<min(tries, 12), forceRest)
}

// force looks at pledges that wait for something, until ctx ends.
func (n *Node) force(ctx context.Context) error {
	c := &callers{n: n, busy: map[hansa.PartyID]bool{}}
	defer c.crew.Wait()
	for ctx.Err() == nil {
		woken := n.forced.wait()
		n.problem(ctx, "accords", errors.Join(n.forceLeft(ctx), n.forceDue(ctx, c)))
		select {
		case <-ctx.Done():
		case <-woken:
		case <-time.After(forceEvery):
		}
	}
	return nil
}

// forceLeft does what transactions about accords left to do: it knows new datasets,
// and offers to flows that have opened what holds now.
func (n *Node) forceLeft(ctx context.Context) error {
	n.mu.Lock()
	opened, loads := n.forceOpened, n.forceLoads
	n.forceOpened, n.forceLoads = nil, false
	n.mu.Unlock()
	var err error
	if loads {
		err = n.load(ctx)
	}
	for _, id := range opened {
		if c, gone := n.line.course(id); gone == nil {
			err = errors.Join(err, n.line.offerPresent(ctx, c))
		}
	}
	return err
}

// callers are who calls peers about pledges: one for each, so that a slow peer keeps
// nobody but itself waiting.
type callers struct {
	n    *Node
	crew sync.WaitGroup
	mu   sync.Mutex
	busy map[hansa.PartyID]bool
}

// call has the pledges that one peer gives seen to, unless it is called already.
func (c *callers) call(ctx context.Context, peer hansa.PartyID, list []*pledge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[peer] || len(c.busy) >= forceCrew {
		return // they are due still
	}
	c.busy[peer] = true
	c.crew.Go(func() {
		var err error
		for _, p := range list {
			if bad := c.n.take(ctx, p); bad != nil && ctx.Err() == nil {
				err = errors.Join(err, c.n.failed(ctx, p, bad))
			}
		}
		c.n.problem(ctx, "accords with "+string(peer), err)
		c.mu.Lock()
		delete(c.busy, peer)
		c.mu.Unlock()
	})
}

func (n *Node) forceDue(ctx context.Context, c *callers) error {
	var due []*pledge
	err := n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		due, err = readPledges(tx, `WHERE due > 0 AND due <= ? ORDER BY due LIMIT ?`, n.wall().UnixMicro(), forceMost)
		return err
	})
	calls := map[hansa.PartyID][]*pledge{}
	for _, p := range due {
		_, here := n.hostedAs(p.From)
		if over := !p.Ends.IsZero() && !n.clock().Before(p.Ends); p.gives() || here || over {
			err = errors.Join(err, n.again(ctx, p))
		} else {
			calls[p.From] = append(calls[p.From], p)
		}
	}
	for peer, list := range calls {
		c.call(ctx, peer, list)
	}
	return err
}

// pledgeNow reads p again, and whether it is still about the same terms.
func pledgeNow(tx hansa.Tx, p *pledge) (*pledge, error) {
	now, err := onePledge(tx, `WHERE own = ? AND id = ?`, string(p.Own), string(p.ID))
	if err != nil || now == nil || now.offer() != p.offer() {
		return nil, err
	}
	return now, nil
}

// again tries to give what something on this node, or its time, kept from starting.
func (n *Node) again(ctx context.Context, p *pledge) error {
	return n.deal.write(ctx, false, func(tx hansa.Tx, w *work) error {
		now, err := pledgeNow(tx, p)
		if err != nil || now == nil {
			return err
		}
		a := &acts{w: w}
		defer n.leave(a)
		return n.realise(tx, a, now, nil)
	})
}

// failed notes why a try came to nothing, and when the next is.
func (n *Node) failed(ctx context.Context, p *pledge, why error) error {
	return n.db.Write(ctx, func(tx hansa.Tx) error {
		now, err := pledgeNow(tx, p)
		if err != nil || now == nil {
			return err
		}
		now.Tries++
		now.Problem = hansa.Public(why).Error()
		return n.putPledge(tx, now, n.wall().Add(retryAfter(now.Tries)))
	})
}

// take sees that what own is to receive from elsewhere comes: an agreement by its
// giver's automatic offer, and a transfer that runs.
func (n *Node) take(ctx context.Context, p *pledge) error {
	idle, err := n.idle(ctx, p)
	if err != nil || !idle {
		return err
	}
	by := hansa.Actor{Party: p.Own, Rights: []hansa.Right{hansa.RightAdmin}}
	d := dealing{n.deal}
	if p.Agreement != "" {
		t, err := d.RequestTransfer(ctx, by, api.TransferOrder{Agreement: p.Agreement, Format: transfer.Pull, Purpose: p.Terms.Purposes[0], Dataset: p.Fills})
		if err != nil {
			return err
		}
		return n.noted(ctx, p, func(now *pledge) { now.Transfer = t.ID })
	}
	own, peer, err := d.giver(ctx, by, p)
	if err != nil {
		return err
	}
	found, target, err := d.lookUp(ctx, own.ID, &peer, p.offer())
	if err != nil {
		return err
	}
	if !policy.Equal(found, p.Policy) {
		return hansa.Errorf(hansa.Conflict, "the offer of %s is not what the accord says", peer.Title)
	}
	doc, err := json.Marshal(p.Policy)
	if err != nil {
		return err
	}
	g, err := d.Negotiate(ctx, by, api.NegotiationOrder{Peer: string(peer.ID), Offer: p.offer(), Target: target, Policy: doc, Purpose: p.Terms.Purposes[0], Then: transfer.Pull, Dataset: p.Fills})
	if err != nil {
		return err
	}
	return n.noted(ctx, p, func(now *pledge) { now.Process = g.ID })
}

// noted changes what is stored of p, and has it looked at again soon.
func (n *Node) noted(ctx context.Context, p *pledge, change func(*pledge)) error {
	return n.db.Write(ctx, func(tx hansa.Tx) error {
		now, err := pledgeNow(tx, p)
		if err != nil || now == nil {
			return err
		}
		change(now)
		return n.putPledge(tx, now, n.wall().Add(pledgeSoon))
	})
}

// idle reports whether nothing is under way that brings p. What runs is looked at
// again from time to time.
func (n *Node) idle(ctx context.Context, p *pledge) (idle bool, err error) {
	err = n.db.Write(ctx, func(tx hansa.Tx) error {
		idle = false
		now, err := pledgeNow(tx, p)
		if err != nil || now == nil || now.State != pledgeOpen {
			return errors.Join(err, n.rest(tx, now))
		}
		*p = *now
		if t, err := n.deal.transfers.Get(tx, p.Own, orNone(p.Transfer)); err == nil && !t.Ended() {
			return n.putPledge(tx, p, n.wall().Add(pledgeLater))
		}
		g, err := n.deal.negotiations.Get(tx, p.Own, orNone(p.Process))
		switch {
		case err == nil && p.Agreement == "" && !g.Ended():
			return n.putPledge(tx, p, n.wall().Add(pledgeSoon))
		case err == nil && p.Agreement == "" && g.State == negotiation.Terminated && p.Problem == "":
			p.Process, p.Problem, p.Tries = "", strings.Join(g.Reason, "; "), p.Tries+1
			return n.putPledge(tx, p, n.wall().Add(retryAfter(p.Tries)))
		}
		idle = true
		return nil
	})
	return idle, err
}

// rest has a pledge that stands still looked at no more before something happens.
func (n *Node) rest(tx hansa.Tx, p *pledge) error {
	if p == nil {
		return nil
	}
	return n.putPledge(tx, p, time.Time{})
}

// giver finds the connector of the party that gives p. One that is not known yet is
// met where its DID document leads: own has signed an accord with it.
func (d dealing) giver(ctx context.Context, by hansa.Actor, p *pledge) (hansa.Party, trust.Peer, error) {
	own := d.n.party(p.Own)
	peer, err := d.n.trust.PeerByID(ctx, p.Own, p.From)
	if err == nil && peer.Address != "" {
		return own, peer, nil
	}
	at, err := d.n.resolver.Endpoint(ctx, string(p.From), connectorService, true)
	if err != nil {
		return own, peer, err
	}
	at = strings.TrimSuffix(at, versionPath)
	peer, err = d.meet(ctx, by, own, at)
	if err == nil && peer.ID != p.From {
		err = hansa.Errorf(hansa.Conflict, "at %s answers %s, not %s", at, peer.ID, p.From)
	}
	return own, peer, err
}
