package outbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hansa-exchange/hansa"
)

// try makes one try and notes what came of it, in one transaction with what
// follows. A try whose outcome cannot be written is made again. free lets the next
// letter go.
func (o *Outbox) try(ctx context.Context, l *Lane, x *Letter, free func()) {
	out := o.cfg.Send(ctx, x)
	if ctx.Err() != nil && !out.Delivered {
		free()
		return
	}
	after := x.AfterTry(out, o.cfg.Now(), o.cfg.Spread())
	h := (*held)(nil)
	if out.Delivered && out.Awaited {
		h = o.hold(l, x, &after)
	}
	if h == nil {
		o.write(ctx, l, x, &after, &out)
		free()
		return
	}
	free()
	if o.answered(ctx, l, x, h) {
		o.done(l, x, &after)
		return
	}
	o.write(ctx, l, x, &after, &out)
}

// write writes what came of a try.
func (o *Outbox) write(ctx context.Context, l *Lane, x, after *Letter, out *Outcome) {
	err := o.cfg.DB.Write(context.WithoutCancel(ctx), func(tx hansa.Tx) error {
		if waited, err := note(tx, after); err != nil || !waited {
			return err // it was given up meanwhile
		}
		if after.State == LetterParked { // what comes behind waits with it
			o.forgetTop(after.Process)
			if _, err := tx.Exec(`UPDATE outbound_letter SET state = 'parked', reason = ? WHERE process = ? AND state = 'waits'`, behind, after.Process); err != nil {
				return err
			}
		}
		if out.Also != nil {
			return out.Also(tx)
		}
		return nil
	})
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			o.cfg.Log.LogAttrs(ctx, slog.LevelError, "the outcome of a message was not written", slog.String("process", x.Process), slog.Any("err", err))
		}
		*after = *x
		after.Tries++
		after.Next = o.cfg.Now().Add(min(retryFirst<<min(after.Tries-1, 20), retryMost))
	} else if out.Then != nil {
		out.Then()
	}
	o.done(l, x, after)
}

func (o *Outbox) done(l *Lane, x, after *Letter) {
	o.mu.Lock()
	o.lanes.Done(l, x, after, o.cfg.Now())
	o.mu.Unlock()
	o.rouse()
}

// How long the outcome of a letter that arrived is held for the message that answers
// it, and how many are held at once: beyond that each is written by itself.
const (
	heldFor = 50 * time.Millisecond
	heldMax = 1024
)

// held is the outcome of a letter that arrived and is answered by a message, as a rule
// at once. It is written with what that message does. A node that is killed before
// sends the letter again, and it is taken as a repeat.
type held struct {
	after *Letter
	over  chan struct{} // closed when it need not be held any longer
}

// hold keeps an outcome back; nil when it is to be written at once: there are too many,
// or another letter of the process waits for this one.
func (o *Outbox) hold(l *Lane, x, after *Letter) *held {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.held) >= heldMax || len(l.letters) != 1 || l.letters[0] != x {
		return nil
	}
	h := &held{after: after, over: make(chan struct{})}
	o.held[x.Process] = h
	return h
}

// answered waits for the message that answers a letter, and reports whether it came:
// then the outcome is written.
func (o *Outbox) answered(ctx context.Context, l *Lane, x *Letter, h *held) bool {
	timer := time.NewTimer(heldFor)
	defer timer.Stop()
	select {
	case <-h.over:
	case <-timer.C:
	case <-ctx.Done():
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.held[x.Process] == h {
		delete(o.held, x.Process)
	}
	return len(l.letters) == 0 || l.letters[0] != x
}

// release lets go of the outcome held for a process; the caller holds the lock.
func (o *Outbox) release(process string) {
	if h := o.held[process]; h != nil {
		close(h.over)
		delete(o.held, process)
	}
}

// noteHeld writes the outcome that is held for a process, where its letter is one up to
// n; and returns the letter's number, 0 when there is none.
func (o *Outbox) noteHeld(tx hansa.Tx, process string, n int64) (int64, error) {
	o.mu.Lock()
	h := o.held[process]
	o.mu.Unlock()
	if h == nil || h.after.N > n {
		return 0, nil
	}
	_, err := note(tx, h.after)
	return h.after.N, err
}

// note writes what came of a try, and reports whether the letter still waited for it.
func note(tx hansa.Tx, l *Letter) (bool, error) {
	res, err := tx.Exec(`UPDATE outbound_letter SET state = ?, tries = ?, next = ?, since = ?, status = ?, answer = ?, reason = ?, done = ? WHERE process = ? AND n = ? AND state = 'waits'`,
		string(l.State), l.Tries, stamp(l.Next), stamp(l.Since), l.Status, l.Answer, l.Reason, stamp(l.Done), l.Process, l.N)
	if err != nil {
		return false, fmt.Errorf("write what came of a letter: %w", err)
	}
	k, err := res.RowsAffected()
	return k > 0, err
}
