package node

import (
	"sync"
	"sync/atomic"
)

// order runs what transactions leave to do in the order in which they were written,
// whoever is told first that they are: what is open in memory is what the tables say.
type order struct {
	given atomic.Uint64

	mu   sync.Mutex // guards all below
	cond *sync.Cond
	next uint64            // whose turn it is
	held map[uint64]func() // of those who wait for their turn
}

func newOrder() *order {
	o := &order{next: 1, held: map[uint64]func(){}}
	o.cond = sync.NewCond(&o.mu)
	return o
}

// ticket is taken within a transaction: these are written one after another. Each is
// run, or given up.
func (o *order) ticket() uint64 { return o.given.Add(1) }

// run does f when all with an earlier ticket are done, and returns when it is done.
func (o *order) run(ticket uint64, f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.cond.Broadcast()
	o.held[ticket] = f
	for {
		f, ok := o.held[o.next]
		if !ok {
			break
		}
		delete(o.held, o.next)
		o.next++
		f()
	}
	o.cond.Broadcast()
	for o.next <= ticket {
		o.cond.Wait()
	}
}
