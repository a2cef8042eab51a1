package simulation

import (
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

// store is what a node finds again after a crash.
type store struct {
	negotiations map[string]negotiation.Negotiation
	transfers    map[string]transfer.Transfer
	pids         map[pidKey]string // own pid by the other side's
	letters      map[string][]letter
	agreements   map[string]agreement
	order        []string // processes, as they began
}

// pidKey is what a first message is known again by.
type pidKey struct {
	kind, other, pid string
	side             hansa.Side
}

// letter is one row of the outbox, with what it says.
type letter struct {
	outbound.Letter
	negotiation *negotiation.Message
	transfer    *transfer.Message
}

// agreement is one that is in force.
type agreement struct {
	id, process string
	side        hansa.Side
	other       *node
	policy      *policy.Policy
}

// tx is one transaction: what it did can be undone until it is committed.
type tx struct {
	n       *node
	undo    []func()
	posted  []*outbound.Letter
	gone    []gone
	touched []string // processes
	open    map[string]bool
}

// shared lists the states in which the other side may be.
func shared[S ~string](c *protocol.Course[S]) []string {
	out := []string{string(c.Base)}
	for _, s := range c.Way {
		out = append(out, string(s))
	}
	return out
}

func (t *tx) now() time.Time { return t.n.w.now }

// gone are the letters of a process, up to a number, that are not sent any more.
type gone struct {
	process string
	n       int64
}

// put sets a key of a table, and remembers what was there.
func put[K comparable, V any](t *tx, table map[K]V, key K, v V) {
	old, there := table[key]
	t.undo = append(t.undo, func() {
		if there {
			table[key] = old
		} else {
			delete(table, key)
		}
	})
	table[key] = v
}

func (t *tx) putNegotiation(n *negotiation.Negotiation) {
	s := &t.n.store
	old, there := s.negotiations[n.ID]
	t.n.w.checkMove(t.n, negotiationTable, n.ID, step{string(old.State), shared(&old.Course), string(n.State), n.Pid}, n.Side)
	t.seen(n.ID, string(old.State), there)
	put(t, s.negotiations, n.ID, *n)
	t.index("negotiation", n.ID, n.Other, n.Side, n.Pid)
}

func (t *tx) putTransfer(x *transfer.Transfer) {
	s := &t.n.store
	old, there := s.transfers[x.ID]
	t.n.w.checkMove(t.n, transferTable, x.ID, step{string(old.State), shared(&old.Course), string(x.State), x.Pid}, x.Side)
	t.seen(x.ID, string(old.State), there)
	put(t, s.transfers, x.ID, *x)
	t.index("transfer", x.ID, x.Other, x.Side, x.Pid)
}

func (t *tx) seen(id, was string, there bool) {
	t.n.old[id] = was
	t.touched = append(t.touched, id)
	if !there {
		s := &t.n.store
		s.order = append(s.order, id)
		t.undo = append(t.undo, func() { s.order = s.order[:len(s.order)-1] })
	}
}

func (t *tx) index(kind, id string, other hansa.PartyID, side hansa.Side, pid string) {
	if pid == "" {
		return
	}
	key := pidKey{kind, string(other), pid, side}
	if t.n.store.pids[key] == id {
		return
	}
	put(t, t.n.store.pids, key, id)
}

// keep writes a letter down under its process's next number.
func (t *tx) keep(l *letter) {
	s := &t.n.store
	list := s.letters[l.Process]
	l.N = int64(len(list)) + 1
	put(t, s.letters, l.Process, append(slices.Clip(list), *l))
}

// post writes a letter that goes out.
func (t *tx) post(l *letter) {
	l.Out, l.State = true, outbound.LetterWaits
	if slices.ContainsFunc(t.n.store.letters[l.Process], func(l letter) bool { return l.State == outbound.LetterParked }) {
		l.State = outbound.LetterParked // behind one that is tried no more it waits with it
	}
	t.keep(l)
	if l.State == outbound.LetterParked {
		return
	}
	if t.n.w.cfg.Bug == PostsOutside { // it is on its way, and no row says so
		list := t.n.store.letters[l.Process]
		list[len(list)-1].State = outbound.LetterDelivered
	}
	x := l.Letter
	t.posted = append(t.posted, &x)
}

// void gives up what has not arrived.
func (t *tx) void(process string) {
	t.drop(process, "")
	t.change(process, func(l *letter) bool {
		if !l.Out || l.State != outbound.LetterWaits && l.State != outbound.LetterParked {
			return false
		}
		l.State = outbound.LetterVoid
		return true
	})
}

// settle notes that letters have arrived up to the one that led to a state; an empty
// state is all.
func (t *tx) settle(process, until string) {
	n := t.drop(process, until)
	t.change(process, func(l *letter) bool {
		if !l.Out || l.N > n || l.State != outbound.LetterWaits && l.State != outbound.LetterParked {
			return false
		}
		l.State = outbound.LetterDelivered
		return true
	})
}

// drop notes up to which letter a process's are not sent any more.
func (t *tx) drop(process, until string) (n int64) {
	for _, l := range t.n.store.letters[process] {
		if l.Out && (until == "" || l.After == until) {
			n = l.N
		}
	}
	t.gone = append(t.gone, gone{process, n})
	return n
}

// change changes letters of a process, and reports how many.
func (t *tx) change(process string, f func(*letter) bool) (changed int) {
	old := t.n.store.letters[process]
	list := append([]letter(nil), old...)
	for i := range list {
		if f(&list[i]) {
			changed++
		}
	}
	put(t, t.n.store.letters, process, list)
	return changed
}

func (t *tx) rollback() {
	for _, undo := range slices.Backward(t.undo) {
		undo()
	}
}
