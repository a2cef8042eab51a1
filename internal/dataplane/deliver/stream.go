package deliver

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
)

// shared is what all readers of one view have in common: the last snapshot, and
// a tail of events in memory. Readers own an offset into the tail; whoever is
// caught up and holds lead reads for all (decision 5b).
type shared struct {
	key     string
	readers int // guarded by Deliverer.mu
	used    time.Time

	making  chan struct{} // held while the snapshot is made or looked at
	snap    Snapshot
	changed <-chan struct{}

	lead  chan struct{} // held by the reader that waits for the line
	mu    sync.Mutex    // guards the tail
	known bool          // end is set
	end   hansa.Cursor
	start hansa.Cursor  // before evs[0]
	base  int64         // offset of evs[0]
	bytes int           // of the bodies in evs
	evs   []Event       // never changed in place: slices of it are handed out
	woken chan struct{} // closed when evs grows
}

// share finds what the readers of v share; leave gives it back.
func (d *Deliverer) share(v View) (*shared, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	sh := d.views[v.Key]
	if sh == nil {
		if len(d.views) >= ViewsMax && !d.evict() {
			return nil, hansa.Errorf(hansa.Busy, "%d views are in use at once, which is the most", ViewsMax).With(hansa.CodeOverloaded)
		}
		sh = &shared{key: v.Key, making: make(chan struct{}, 1), lead: make(chan struct{}, 1), woken: make(chan struct{})}
		d.views[v.Key] = sh
	}
	sh.readers++
	sh.used = d.Now()
	return sh, nil
}

func (d *Deliverer) leave(sh *shared) {
	d.mu.Lock()
	defer d.mu.Unlock()
	sh.readers--
	if sh.readers > 0 {
		return
	}
	sh.mu.Lock()
	sh.known, sh.evs, sh.bytes = false, nil, 0
	sh.mu.Unlock()
}

// evict forgets the view that was idle longest.
func (d *Deliverer) evict() bool {
	var oldest *shared
	for _, sh := range d.views {
		if sh.readers == 0 && (oldest == nil || sh.used.Before(oldest.used)) {
			oldest = sh
		}
	}
	if oldest != nil {
		delete(d.views, oldest.key)
	}
	return oldest != nil
}

// reader is one place in a view's tail. Offset is -1 while it reads from the line.
type reader struct {
	at     hansa.Cursor
	offset int64
	joined bool  // it was caught up once
	last   int64 // offset when it fell behind
}

// Stream calls emit for each change after since until ctx ends or emit fails;
// nil is a heartbeat. The evidence of a run of events is durable before the
// first of them is emitted. A reader that falls too far behind gets Busy.
func (d *Deliverer) Stream(ctx context.Context, v View, subscriber string, since hansa.Cursor, emit func(*Event) error) error {
	sh, err := d.share(v)
	if err != nil {
		return err
	}
	defer d.leave(sh)
	r := reader{at: since, offset: -1}
	beat := time.NewTimer(d.Heartbeat)
	defer beat.Stop()
	for {
		from := r.at
		evs, err := d.next(ctx, sh, v, &r, beat.C)
		if err != nil {
			return err
		}
		if err := d.evince(ctx, v, evs, from, r.at, WayStream, subscriber); err != nil {
			return err
		}
		if len(evs) == 0 {
			if err := emit(nil); err != nil {
				return err
			}
		}
		for i := range evs {
			if !evs[i].told() {
				continue
			}
			if err := emit(&evs[i]); err != nil {
				return err
			}
		}
		beat.Reset(d.Heartbeat)
	}
}

// next returns the events after r, or none when the heart has to beat.
func (d *Deliverer) next(ctx context.Context, sh *shared, v View, r *reader, beat <-chan time.Time) ([]Event, error) {
	for {
		evs, woken, err := sh.take(r)
		if len(evs) > 0 || err != nil {
			return evs, err
		}
		if r.offset < 0 {
			evs, next, err := d.Line.Events(ctx, v, r.at, PageMax/10)
			if err != nil {
				return nil, err
			}
			if r.at = next; len(evs) > 0 {
				return evs, nil
			}
			if sh.join(r) {
				continue
			}
		}
		select {
		case sh.lead <- struct{}{}:
			beaten, err := d.fill(ctx, sh, v, beat, r.offset >= 0)
			<-sh.lead
			if beaten || err != nil {
				return nil, err
			}
		case <-woken:
		case <-beat:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// fill reads once for everybody, and with wait stays until there is something.
func (d *Deliverer) fill(ctx context.Context, sh *shared, v View, beat <-chan time.Time, wait bool) (beaten bool, err error) {
	for {
		sh.mu.Lock()
		end := sh.end
		sh.mu.Unlock()
		changed := d.Line.Changed(v)
		evs, next, err := d.Line.Events(ctx, v, end, PageMax)
		if err != nil {
			return false, err
		}
		if len(evs) > 0 || next != end {
			sh.grow(evs, next)
			return false, nil
		}
		if !wait {
			return false, nil
		}
		select {
		case <-changed:
		case <-beat:
			return true, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// take returns what the tail holds after r, and what to wait for when it is nothing.
func (sh *shared) take(r *reader) ([]Event, <-chan struct{}, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if r.offset < 0 {
		sh.find(r)
	}
	total := sh.base + int64(len(sh.evs))
	switch {
	case r.joined && r.offset < 0 && total-r.last > BacklogMax:
		return nil, nil, hansa.Errorf(hansa.Busy, "the reader is more than %d events behind: read the snapshot and begin anew", BacklogMax).With(hansa.CodeOverloaded)
	case r.offset < 0:
		return nil, sh.woken, nil
	case r.offset < sh.base:
		r.last, r.offset = r.offset, -1
		return nil, sh.woken, nil
	}
	evs := sh.evs[r.offset-sh.base:]
	if len(evs) > PageMax/10 {
		evs = evs[:PageMax/10]
	}
	if len(evs) > 0 {
		r.offset += int64(len(evs))
		r.at = evs[len(evs)-1].Cursor
	} else {
		r.at = sh.end
	}
	return evs, sh.woken, nil
}

// find looks for r's cursor in the tail, newest first.
func (sh *shared) find(r *reader) {
	total := sh.base + int64(len(sh.evs))
	switch {
	case !sh.known:
		return
	case r.at == sh.end:
		r.offset, r.joined = total, true
		return
	case r.at == sh.start:
		r.offset, r.joined = sh.base, true
		return
	}
	for i, e := range slices.Backward(sh.evs) {
		if e.Cursor == r.at {
			r.offset, r.joined = sh.base+int64(i)+1, true
			return
		}
	}
}

// join makes r's place the tail's end when the tail has none yet.
func (sh *shared) join(r *reader) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.known {
		sh.known, sh.end, sh.start, sh.evs, sh.bytes = true, r.at, r.at, nil, 0
	}
	sh.find(r)
	return r.offset >= 0
}

func (sh *shared) grow(evs []Event, next hansa.Cursor) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.known {
		return
	}
	sh.evs = append(sh.evs, evs...)
	sh.end = next
	for i := range evs {
		sh.bytes += len(evs[i].Body)
	}
	drop := 0
	for len(sh.evs)-drop > TailMax || sh.bytes > TailBytesMax && drop < len(sh.evs) {
		sh.bytes -= len(sh.evs[drop].Body)
		drop++
	}
	if drop > 0 {
		sh.start = sh.evs[drop-1].Cursor
		sh.base += int64(drop)
		sh.evs = append([]Event(nil), sh.evs[drop:]...)
	}
	close(sh.woken)
	sh.woken = make(chan struct{})
}
