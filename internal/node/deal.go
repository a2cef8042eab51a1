package node

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
)

// deal is the control way: catalog -> negotiation -> transfer. What a message does
// is checked, decided, stored and journalled, and what follows from it is put into
// the outbox, all in one transaction; then the message is answered, and only then
// does the node act.
type deal struct {
	n            *Node
	negotiations negotiation.Book
	transfers    transfer.Book
	outbox       *outbound.Outbox
	identity     trust.Identity
	byHand       bool
	order        *order
	moved        *beat          // a process has changed
	crew         sync.WaitGroup // what fetches and pushes

	waiting sync.Mutex // guards waiters
	waiters map[string]*waiter

	mu      sync.RWMutex            // guards all below
	ctx     context.Context         //nolint:containedctx // of the node's run: what fetches and pushes ends with it
	tokens  map[[32]byte]grant      // what opens the data of transfers that have started
	fetches map[string]*fetch       // by transfer, as consumer
	pushes  map[string]*push        // by transfer, as provider
	open    map[string]opened       // transfers that have started, as provider
	opening map[string]hansa.FlowID // those that a transaction under way starts
	pruned  time.Time               // when what is old was forgotten last
}

// opened is a transfer that runs.
type opened struct {
	own   hansa.PartyID
	flow  hansa.FlowID
	until time.Time // when its policy may change its mind; zero is never
}

// How long the other side is given, and what is kept.
const (
	// foreignPause is how long a connector that is no node of this exchange is left
	// alone after its message was answered: it may not have read the answer yet.
	foreignPause = 100 * time.Millisecond
	// settledAfter is how long such a connector is given to write down what it repeated.
	settledAfter = time.Second
	tokenFor     = 15 * time.Minute
	renewFor     = 24 * time.Hour
	sinkFor      = 365 * 24 * time.Hour // or until the transfer ends

)

// openDeals builds the control plane's rooms and loads what is under way.
func (n *Node) openDeals(ctx context.Context) error {
	d := &deal{
		n: n, negotiations: negotiation.NewBook(), transfers: transfer.NewBook(), identity: n.identity(), byHand: n.cfg.ByHand, moved: newBeat(), order: newOrder(), pruned: n.wall().Add(pruneFirst - pruneEvery), waiters: map[string]*waiter{},
		tokens: map[[32]byte]grant{}, fetches: map[string]*fetch{}, pushes: map[string]*push{}, open: map[string]opened{}, opening: map[string]hansa.FlowID{},
	}
	d.outbox = outbound.NewOutbox(outbound.OutboxConfig{DB: n.db, Now: n.wall, Log: n.log, Send: d.send, Spread: rand.Float64})
	n.deal = d
	if err := d.outbox.Open(ctx); err != nil {
		return err
	}
	return d.load(ctx)
}

// work is what one transaction does besides its rows: letters that go out, and
// what is done once it is committed.
type work struct {
	mail    outbound.Mail
	order   *order
	ticket  uint64 // its place in order; 0 when it leaves nothing to do
	after   []func()
	opening []string // transfers that it starts
	moved   []string // processes that have changed
	over    []string // of these, those that have ended
	reply   bool     // it answers a message that is not answered yet
}

// then has f done once the transaction is committed, after what those before it
// left to do.
func (w *work) then(f func()) {
	if w.ticket == 0 {
		w.ticket = w.order.ticket()
	}
	w.after = append(w.after, f)
}

// write runs f in a transaction, and then what it leaves to do.
func (d *deal) write(ctx context.Context, reply bool, f func(tx hansa.Tx, w *work) error) error {
	w := &work{reply: reply, order: d.order}
	err := d.n.db.Write(ctx, func(tx hansa.Tx) error { return f(tx, w) })
	if w.ticket != 0 {
		d.order.run(w.ticket, func() {
			for _, f := range w.after {
				if err == nil {
					f()
				}
			}
			d.started(w)
		})
	}
	if err != nil {
		return err
	}
	d.outbox.Sent(&w.mail)
	d.ended(w.over...)
	d.changed(w.moved...)
	return nil
}

// begins is an error when no more processes may begin between two participants.
func (d *deal) begins(tx hansa.Tx, room func(tx hansa.Tx, own, other hansa.PartyID) error, own, other hansa.PartyID) error {
	if err := room(tx, own, other); err != nil {
		return err
	}
	return d.outbox.Room(other)
}

// starts notes that a transaction under way starts a transfer.
func (d *deal) starts(w *work, id string, flow hansa.FlowID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opening[id] = flow
	w.opening = append(w.opening, id)
}

// started notes that the transaction is over.
func (d *deal) started(w *work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range w.opening {
		delete(d.opening, id)
	}
}

// runsBeside reports whether another transfer than t runs under its agreement, as
// the transaction sees it.
func (d *deal) runsBeside(tx hansa.Tx, t *transfer.Transfer) (bool, error) {
	var others []string
	d.mu.RLock()
	for id, o := range d.open {
		if id != t.ID && o.flow == t.Flow {
			others = append(others, id)
		}
	}
	for id, flow := range d.opening {
		if id != t.ID && flow == t.Flow {
			others = append(others, id)
		}
	}
	d.mu.RUnlock()
	for _, id := range others {
		other, err := d.transfers.Get(tx, t.Own, id)
		if err == nil && other.State == transfer.Started {
			return true, nil
		}
		if err != nil && hansa.KindOf(err) != hansa.NotFound {
			return false, err
		}
	}
	return false, nil
}

// changed tells who waits that processes have.
func (d *deal) changed(ids ...string) {
	for _, id := range ids {
		d.waiting.Lock()
		if x := d.waiters[id]; x != nil {
			x.now()
		}
		d.waiting.Unlock()
	}
	d.moved.soon()
	d.n.changed.soon()
}

// ended notes that processes have, for who waits for that alone.
func (d *deal) ended(ids ...string) {
	for _, id := range ids {
		d.waiting.Lock()
		if x := d.waiters[id]; x != nil {
			x.over.Store(true)
		}
		d.waiting.Unlock()
	}
}

// awaited returns what tells of the next change of a process. Who waits no longer
// calls forget.
func (d *deal) awaited(id string) (x *waiter, forget func()) {
	d.waiting.Lock()
	defer d.waiting.Unlock()
	if x = d.waiters[id]; x == nil {
		x = &waiter{beat: newBeat()}
		d.waiters[id] = x
	}
	x.by++
	return x, func() {
		d.waiting.Lock()
		defer d.waiting.Unlock()
		if x.by--; x.by == 0 {
			delete(d.waiters, id)
		}
	}
}

// waiter is a process that somebody waits for.
type waiter struct {
	*beat
	by   int
	over atomic.Bool // it was seen to end
}

// base is where a party of this node hears the protocol.
func (d *deal) base(p hansa.PartyID) string {
	if p == d.n.own {
		return d.n.address() + dsp.Path
	}
	return d.n.address() + "/parties/" + d.n.party(p).Name + dsp.Path
}

// due is when a letter goes out: at once, or when the other side has had time to
// read the answer to what it sent.
func (d *deal) due(w *work, near bool) time.Time {
	if w.reply && !near {
		return d.n.wall().Add(foreignPause)
	}
	return d.n.wall()
}

// run sends what waits, fetches and pushes what has started, and watches policies
// that change their mind, until ctx ends.
func (d *deal) run(ctx context.Context) error {
	d.mu.Lock()
	d.ctx = ctx
	d.mu.Unlock()
	var running []*transfer.Transfer
	err := d.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		running, err = d.transfers.All(tx, string(transfer.Started))
		return err
	})
	if err != nil {
		return err
	}
	for _, t := range running {
		if t.Side == hansa.Consumer {
			d.fetch(t) //nolint:contextcheck // it ends with the node
		} else if t.Format == transfer.Push {
			d.push(t) //nolint:contextcheck // it ends with the node
		}
	}
	err = d.outbox.Run(ctx)
	d.crew.Wait()
	return err
}

// watch ends transfers whose policy has stopped holding, and forgets tokens that
// have expired.
func (d *deal) watch(ctx context.Context) error {
	at := d.n.clock()
	d.mu.RLock()
	var due []string
	for id, o := range d.open {
		if !o.until.IsZero() && !at.Before(o.until) {
			due = append(due, id)
		}
	}
	d.mu.RUnlock()
	var failed error
	for _, id := range due { // one that cannot be ended keeps no other going
		failed = errors.Join(failed, d.recheck(ctx, id))
	}
	now := d.n.wall()
	d.mu.Lock()
	stale := 0
	for hash, g := range d.tokens {
		if !now.Before(g.expires) {
			delete(d.tokens, hash)
			stale++
		}
	}
	d.mu.Unlock()
	if stale == 0 {
		return failed
	}
	return errors.Join(failed, d.n.db.Write(ctx, func(tx hansa.Tx) error { return d.transfers.Expire(tx, now) }))
}

// recheck asks the policy of a transfer that runs whether it still holds.
func (d *deal) recheck(ctx context.Context, id string) error {
	d.mu.RLock()
	own := d.open[id].own
	d.mu.RUnlock()
	return d.write(ctx, false, func(tx hansa.Tx, w *work) error {
		t, err := d.transfers.Get(tx, own, id)
		if err != nil || t.State != transfer.Started {
			return err
		}
		a, err := d.negotiations.AgreementByID(tx, own, t.Agreement)
		if err != nil {
			return err
		}
		_, until, _, err := d.terms(tx, a, policy.Use)
		if err == nil {
			t.Until = until
			w.then(func() {
				d.mu.Lock()
				defer d.mu.Unlock()
				if o, ok := d.open[id]; ok {
					o.until = until
					d.open[id] = o
				}
			})
			return d.transfers.Put(tx, t, d.n.wall())
		}
		next, effects, err := t.Act(transfer.Message{Event: transfer.Terminate, Code: "policy", Reason: []string{hansa.Public(err).Error()}})
		if err != nil {
			return err
		}
		_, err = d.carryTransfer(tx, w, next, effects)
		return err
	})
}

// pruneMost bounds how many processes one pass forgets, and pruneEvery is how often
// it is looked for them: each look reads all letters.
const (
	pruneMost  = 500
	pruneEvery = 24 * time.Hour
	pruneFirst = time.Hour // after the start: who is restarted each day forgets, too
)

// prune forgets what ended before a time: processes, and their messages. Agreements
// stay.
func (d *deal) prune(ctx context.Context, before time.Time) error {
	now := d.n.wall()
	d.mu.Lock()
	due := now.Sub(d.pruned) >= pruneEvery
	if due {
		d.pruned = now
	}
	d.mu.Unlock()
	if !due {
		return nil
	}
	for ctx.Err() == nil {
		var gone int64
		err := d.n.db.Write(ctx, func(tx hansa.Tx) error {
			gone = 0
			for _, forget := range []func(hansa.Tx, time.Time, int) (int64, error){d.negotiations.Prune, d.transfers.Prune, d.outbox.Prune} {
				k, err := forget(tx, before, pruneMost)
				if err != nil {
					return err
				}
				gone += k
			}
			return nil
		})
		if err != nil || gone == 0 {
			return err
		}
	}
	return nil
}
