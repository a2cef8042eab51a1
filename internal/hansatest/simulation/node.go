package simulation

import (
	"errors"
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
)

// node is one participant's node: what it keeps, and what it forgets in a crash.
type node struct {
	w     *world
	index int
	id    hansa.PartyID
	store store

	up    bool
	epoch int // grows at each crash: what was under way then is nobody's
	lanes *outbound.Lanes
	wake  time.Time         // when the outbox looks next
	open  map[string]bool   // transfers whose data passes
	old   map[string]string // how processes stood before their last change
	looks map[string]bool   // persons who will look at a process
}

func newNode(w *world, index int) *node {
	return &node{
		w: w, index: index, id: hansa.PartyID(fmt.Sprintf("did:web:%c.example", 'a'+index)), up: true, lanes: outbound.NewLanes(), open: map[string]bool{}, looks: map[string]bool{}, old: map[string]string{},
		store: store{
			negotiations: map[string]negotiation.Negotiation{}, transfers: map[string]transfer.Transfer{}, pids: map[pidKey]string{}, letters: map[string][]letter{}, agreements: map[string]agreement{},
		},
	}
}

var (
	errDisk  = errors.New("the disk failed")
	errCrash = errors.New("the node has crashed")
)

// write runs f in a transaction, and then what it leaves to do. The disk may fail,
// and the node may crash, before the commit and after it.
func (n *node) write(f func(*tx) error) error {
	w := n.w
	t := &tx{n: n, open: map[string]bool{}}
	err := f(t)
	switch {
	case err != nil:
	case w.unlucky(w.faults.disk):
		w.work.DiskErrors++
		err = errDisk
	case w.unlucky(w.faults.crash):
		err = errCrash
	}
	if err != nil {
		t.rollback()
		if errors.Is(err, errCrash) {
			n.crash()
		}
		return err
	}
	for _, id := range t.touched {
		if _, ok := t.open[id]; ok {
			n.open[id] = t.open[id]
		}
		w.checkGate(n, id)
		n.lookAt(id)
	}
	if w.unlucky(w.faults.crash) {
		n.crash()
		return errCrash
	}
	for _, g := range t.gone {
		n.lanes.Empty(g.process, g.n)
	}
	for _, l := range t.posted {
		n.lanes.Push(l)
	}
	n.pump()
	return nil
}

// crash ends the node; it comes back with what it had stored.
func (n *node) crash() {
	if !n.up || n.w.healed() {
		return
	}
	n.w.work.Crashes++
	n.up, n.epoch, n.lanes, n.wake = false, n.epoch+1, outbound.NewLanes(), time.Time{}
	n.w.after(n.w.between(100*time.Millisecond, 15*time.Second), func() {
		n.up = true
		clear(n.open)
		for _, id := range n.store.order {
			if t, ok := n.store.transfers[id]; ok && t.State == transfer.Started {
				n.open[id] = true
			}
			for _, l := range n.store.letters[id] {
				if l.State == outbound.LetterWaits {
					x := l.Letter
					n.lanes.Push(&x)
				}
			}
		}
		n.pump()
	})
}

// pump tries what is due, and comes back when the next is.
func (n *node) pump() {
	for n.up {
		lane, x, next := n.lanes.Take(n.w.now)
		if x != nil {
			n.try(lane, x)
			continue
		}
		if !next.IsZero() && (n.wake.IsZero() || next.Before(n.wake)) {
			n.wake = next
			epoch := n.epoch
			n.w.after(next.Sub(n.w.now), func() {
				if n.epoch == epoch && n.wake.Equal(next) {
					n.wake = time.Time{}
					n.pump()
				}
			})
		}
		return
	}
}

// try makes one try at a letter.
func (n *node) try(lane *outbound.Lane, x *outbound.Letter) {
	row := n.store.letters[x.Process][x.N-1]
	to := n.w.party(x.Other)
	pid := n.pidOf(x.Process)
	first := row.negotiation != nil && row.negotiation.Callback != "" || row.transfer != nil && row.transfer.Event == transfer.Request
	if pid == "" && !first {
		n.noted(lane, x, outbound.Outcome{Reason: "the other side has not yet said what it calls the process", Soon: true}, "")
		return
	}
	if first {
		pid = ""
	}
	number := protocol.Number{N: x.N, Knows: n.store.transfers[x.Process].Last}
	if n.w.cfg.Bug == HashAlone || n.w.cfg.Bug == TakesLate {
		number = protocol.Number{}
	}
	op := n.w.hearOp(n, &row, number.N)
	n.w.call(n, to, func(op *Op) answer { return to.hear(n, pid, &row, number, op) }, func(a answer) {
		out := outbound.Outcome{Status: a.status, Reason: a.reason}
		if !out.Refuses() {
			n.noted(lane, x, out.Judged(), a.pid)
			return
		}
		pid := n.pidOf(x.Process)
		if pid == "" {
			n.noted(lane, x, out.Judged(), "")
			return
		}
		ask := n.w.readOp(to, pid)
		if ask != nil {
			ask.Wire = true
		}
		n.w.call(n, to, func(*Op) answer { return to.shown(pid) }, func(b answer) {
			if b.status == 200 && row.shared(b.state) {
				out.Delivered = true
				n.noted(lane, x, out, pid)
				return
			}
			n.noted(lane, x, out.Judged(), "")
		}, ask)
	}, op)
}

// shared reports whether a peer in state has taken the letter.
func (l *letter) shared(state string) bool {
	if l.negotiation != nil {
		return negotiation.Shares(negotiation.State(state), negotiation.State(l.After))
	}
	return transfer.Shares(transfer.State(state), transfer.State(l.After))
}

// pidOf is what the other side calls a process.
func (n *node) pidOf(process string) string {
	if p, ok := n.store.negotiations[process]; ok {
		return p.Pid
	}
	return n.store.transfers[process].Pid
}

// noted writes down what came of a try, with what follows.
func (n *node) noted(lane *outbound.Lane, x *outbound.Letter, out outbound.Outcome, pid string) {
	after := x.AfterTry(out, n.w.now, n.w.rng.Float64())
	err := n.write(func(t *tx) error {
		k := t.change(x.Process, func(l *letter) bool {
			if l.N != x.N || l.State != outbound.LetterWaits && n.w.cfg.Bug != PostsOutside {
				return false
			}
			l.Letter = after
			return true
		})
		if k == 0 {
			return nil // it was given up meanwhile
		}
		if after.State == outbound.LetterParked { // what comes behind waits with it
			t.change(x.Process, func(l *letter) bool {
				if l.State != outbound.LetterWaits {
					return false
				}
				l.State = outbound.LetterParked
				return true
			})
		}
		switch {
		case out.Delivered && out.Refuses(): // the other side came there by itself
			t.told(x, 0, pid)
		case out.Delivered:
			t.told(x, x.N, pid)
		case out.Final:
			t.refused(x, out.Reason)
		case after.State == outbound.LetterParked:
			n.lookAt(x.Process)
		}
		return nil
	})
	if errors.Is(err, errCrash) {
		return
	}
	if err != nil {
		after = *x
		after.Next = n.w.now.Add(100 * time.Millisecond)
	}
	n.w.note(n, x.Process, fmt.Sprintf("try %d of letter %d to %s came to %d %s", after.Tries, x.N, x.After, out.Status, after.State))
	n.lanes.Done(lane, x, &after, n.w.now)
	n.pump()
}

func (t *tx) told(x *outbound.Letter, number int64, pid string) {
	if p, ok := t.n.store.negotiations[x.Process]; ok {
		p = p.Told(negotiation.State(x.After), pid, true)
		t.putNegotiation(&p)
		return
	}
	p := t.n.store.transfers[x.Process]
	p = p.Told(transfer.State(x.After), number, pid, true)
	t.putTransfer(&p)
}

func (t *tx) refused(x *outbound.Letter, why string) {
	if p, ok := t.n.store.negotiations[x.Process]; ok {
		p = p.Refused(why)
		t.putNegotiation(&p)
		return
	}
	p := t.n.store.transfers[x.Process]
	p = p.Refused(why)
	t.putTransfer(&p)
}

// retry sets the parked letters of a process going again.
func (n *node) retry(process string) {
	_ = n.write(func(t *tx) error { // a person who fails looks again
		t.change(process, func(l *letter) bool {
			if l.State != outbound.LetterParked {
				return false
			}
			l.State, l.Next, l.At, l.Tries, l.Since, l.Done = outbound.LetterWaits, t.now(), t.now(), 0, time.Time{}, time.Time{}
			x := l.Letter
			t.posted = append(t.posted, &x)
			return true
		})
		return nil
	})
}

// hear takes a letter of another node.
func (n *node) hear(from *node, pid string, l *letter, number protocol.Number, op *Op) answer {
	var a answer
	var err error
	if l.negotiation != nil {
		m := *l.negotiation
		m.Number = number
		a, err = n.hearNegotiation(from, pid, m)
	} else {
		m := *l.transfer
		m.Number = number
		a, err = n.hearTransfer(from, pid, m)
	}
	if op != nil && a.pid != "" {
		op.Process = a.pid
	}
	if errors.Is(err, errDisk) && n.w.cfg.Bug == AckBeforeStore && a.pid != "" {
		err = nil
	}
	if errors.Is(err, errCrash) {
		return answer{pid: a.pid}
	}
	if err != nil {
		n.w.note(n, a.pid, fmt.Sprintf("refused letter %d to %s, %v", l.N, l.After, err))
		return answer{status: dsp.Status(err), reason: hansa.Public(err).Error()}
	}
	a.status = 200
	n.w.note(n, a.pid, fmt.Sprintf("took letter %d to %s", l.N, l.After))
	n.w.claim(n, a.pid, a.state)
	return a
}

// shown answers the other side how a process stands: as far as both are known to share.
func (n *node) shown(pid string) answer {
	if p, ok := n.store.negotiations[pid]; ok {
		return answer{status: 200, state: string(p.Shared())}
	}
	return n.read(pid)
}

// read answers a person how a process stands.
func (n *node) read(pid string) answer {
	if old, ok := n.old[pid]; ok && n.w.cfg.Bug == ReadsOld && !n.w.healed() {
		return answer{status: 200, state: old}
	}
	if p, ok := n.store.negotiations[pid]; ok {
		return answer{status: 200, state: string(p.State)}
	}
	if p, ok := n.store.transfers[pid]; ok {
		return answer{status: 200, state: string(p.State)}
	}
	return answer{status: 404}
}
