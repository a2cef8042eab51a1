package node

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
)

// How often the node's housework is done.
const (
	sealEvery   = 500 * time.Millisecond
	tickEvery   = 500 * time.Millisecond
	sweepEvery  = time.Second
	pollEvery   = time.Second // of the lists that receivers publish
	trimEvery   = time.Minute
	settleEvery = 200 * time.Millisecond
	settleRest  = 4                     // times what the last run took
	gatherFor   = 25 * time.Millisecond // offers are gathered; a reader does not wait for it
	leaseFor    = 10 * time.Second
	walkRows    = 500
	walkPause   = 20 * time.Millisecond
	tailRows    = 10_000
)

// beat is a channel that is closed again and again: who waits is woken.
type beat struct {
	mu sync.Mutex // guards ch and due
	ch chan struct{}
	// due says that a wake-up is on its way already.
	due bool
}

func newBeat() *beat { return &beat{ch: make(chan struct{})} }

func (b *beat) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *beat) now() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch, b.due = make(chan struct{}), false
}

// soon wakes who waits in a moment, once for all that happens until then.
func (b *beat) soon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.due {
		b.due = true
		time.AfterFunc(50*time.Millisecond, b.now)
	}
}

// keep does the housework until ctx ends: sealing, waking readers whose terms
// wait for a time, silence, lists that receivers publish, retention.
func (n *Node) keep(ctx context.Context) error {
	every := n.cfg.SealEvery
	if every == 0 {
		every = sealEvery
	}
	holder := hansa.NewID(n.wall())
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { n.settle(ctx) })
	for _, job := range []struct {
		name  string
		every time.Duration
		do    func(context.Context) error
	}{
		{"seal", every, n.seal},
		{"release", tickEvery, func(ctx context.Context) error { defer n.tick.now(); return n.line.release(ctx) }},
		{"sweep", sweepEvery, func(ctx context.Context) error { _, err := n.book.Sweep(ctx, n.clock()); return err }},
		{"lists", pollEvery, n.pollLists},
		{"trim", trimEvery, n.trim},
		{"transfers", sweepEvery, n.deal.watch},
		{"reminders", remindEvery, n.accords.remind},
		{"reserve", sweepEvery, func(context.Context) error { return n.keepReserve() }},
	} {
		wg.Go(func() { n.repeat(ctx, job.name, holder, job.every, job.do) })
	}
	return nil
}

// repeat runs do every so often while this process holds the job's lease. A
// failure is shown, and tried again.
func (n *Node) repeat(ctx context.Context, name, holder string, every time.Duration, do func(context.Context) error) {
	t := time.NewTicker(every)
	defer t.Stop()
	var until time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if now := n.wall(); now.After(until) {
			held := false
			err := n.db.Write(ctx, func(tx hansa.Tx) (err error) {
				_, held, err = store.Lease(tx, name, holder, now, leaseFor)
				return err
			})
			if err != nil || !held {
				n.problem(ctx, name, err)
				continue
			}
			until = now.Add(leaseFor / 2)
		}
		n.problem(ctx, name, do(ctx))
	}
}

// settle makes the ladders of what was offered in a burst, paced by how busy the
// writer is: what took long to be written is followed by a longer rest.
func (n *Node) settle(ctx context.Context) {
	for ctx.Err() == nil {
		began := n.wall()
		done, err := n.book.Settle(ctx, "", 1)
		n.problem(ctx, "settle", err)
		if done > 0 && err == nil {
			pause(ctx, settleRest*n.wall().Sub(began))
		} else {
			pause(ctx, settleEvery)
		}
	}
}

// problem notes what is wrong with a job, and when it is well again.
func (n *Node) problem(ctx context.Context, name string, err error) {
	if ctx.Err() != nil {
		return
	}
	n.mu.Lock()
	was := n.problems[name]
	if err == nil {
		delete(n.problems, name)
	} else {
		n.problems[name] = hansa.Public(err).Message
	}
	n.mu.Unlock()
	switch {
	case err != nil && was == "":
		n.log.LogAttrs(ctx, slog.LevelError, "a job fails", slog.String("job", name), slog.Any("err", err))
	case err == nil && was != "":
		n.log.LogAttrs(ctx, slog.LevelInfo, "a job is well again", slog.String("job", name))
	}
}

// settled forgets what a job that is over failed at.
func (n *Node) settled(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.problems, name)
}

// seal commits what happened to the journal.
func (n *Node) seal(ctx context.Context) error {
	_, err := n.stream.Seal(ctx, n.wall())
	for _, more := range []func(context.Context, time.Time) (int, error){n.book.Seal, n.deliver.Seal} {
		for sealed := 1; sealed > 0 && err == nil; {
			sealed, err = more(ctx, n.wall())
		}
	}
	if err == nil {
		n.mu.Lock()
		n.sealed = n.wall()
		n.mu.Unlock()
	}
	return err
}

// trim keeps each dataset within its retention.
func (n *Node) trim(ctx context.Context) error {
	all, err := n.catalog.AllDatasets(ctx)
	if err != nil {
		return err
	}
	for _, d := range all {
		keep := stream.Keep{AgeMax: d.AgeMax.Std(), BytesMax: d.BytesMax}
		if keep.AgeMax == 0 {
			keep.AgeMax = ageMax
		}
		for ctx.Err() == nil {
			gone, err := n.stream.Of(d.Party).Trim(ctx, d.ID, keep, n.clock())
			if err != nil {
				return err
			}
			if gone == 0 {
				break
			}
			n.desk.forget(hansa.Key{Party: d.Party, Dataset: d.ID})
		}
	}
	return errors.Join(n.deliver.Prune(ctx, n.wall().Add(-ageMax)), n.deal.prune(ctx, n.wall().Add(-ageMax)))
}

// ageMax is how long records and evidence are kept where nothing else is said.
const ageMax = 400 * 24 * time.Hour

// pump offers what is new in each dataset to its flows, as it comes; what is added
// while the node runs too.
func (n *Node) pump(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	running := map[hansa.Key]bool{}
	for {
		again := n.loaded.wait()
		n.line.mu.RLock()
		var fresh []*course
		for _, c := range n.line.courses {
			key := hansa.Key{Party: c.flow.From, Dataset: c.dataset.ID}
			if !running[key] {
				running[key] = true
				fresh = append(fresh, c)
			}
		}
		n.line.mu.RUnlock()
		for _, c := range fresh {
			wg.Go(func() { n.pumpOne(ctx, c) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		}
	}
}

// pumpOne offers what is new in the dataset of c.
func (n *Node) pumpOne(ctx context.Context, c *course) {
	for ctx.Err() == nil {
		changed := n.stream.Of(c.flow.From).Changed(c.dataset.ID)
		err := n.line.offer(ctx, c)
		n.problem(ctx, "offer", err)
		n.changed.soon()
		wait := time.NewTimer(time.Minute)
		if err != nil {
			wait.Reset(time.Second)
		}
		select {
		case <-ctx.Done():
		case <-changed:
			pause(ctx, gatherFor)
		case <-wait.C:
		}
		wait.Stop()
	}
}

// checkTail checks what came last, before anything is served.
func (n *Node) checkTail(ctx context.Context) error {
	places, err := n.stream.Tail(ctx, tailRows)
	if err != nil {
		return err
	}
	for _, place := range places {
		if _, _, err := n.stream.Walk(ctx, place, tailRows); err != nil {
			return err
		}
	}
	return nil
}

// walk checks every stored row and journal entry in the background, paced, once.
func (n *Node) walk(ctx context.Context) error {
	rows, place := 0, int64(0)
	for ctx.Err() == nil {
		next, k, err := n.stream.Walk(ctx, place, walkRows)
		if err != nil {
			n.problem(ctx, "walk", err)
			return nil
		}
		rows, place = rows+k, next
		if n.walked(ctx, rows, next == 0) {
			break
		}
	}
	var at int64
	for ctx.Err() == nil {
		next, size, err := n.journal.Walk(ctx, at, walkRows)
		if err != nil {
			n.problem(ctx, "walk", err)
			return nil
		}
		if at = next; next >= size {
			return nil
		}
		pause(ctx, walkPause)
	}
	return nil
}

// walked notes how far the walk has come, and rests.
func (n *Node) walked(ctx context.Context, rows int, done bool) bool {
	n.mu.Lock()
	n.checked = plural(rows, "stored row") + " checked against their leaves"
	if !done {
		n.checked += " so far"
	}
	n.mu.Unlock()
	if !done {
		pause(ctx, walkPause)
	}
	return done
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// secondsOf turns a number of seconds into a duration.
func secondsOf(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }

// plural writes a number with its noun.
func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}
