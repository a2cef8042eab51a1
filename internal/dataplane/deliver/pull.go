package deliver

import (
	"context"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Page is a run of changes, denied ones left out.
type Page struct {
	Events []Event
	Next   hansa.Cursor
	More   bool // there was more than the limit
}

// Pull returns the present state as v shows it, made once for all who share the
// view. The bytes belong to the view: the caller does not change them. The
// evidence is durable when Pull returns; subscriber is the credential's id. Of what
// has spares, by its ETag, nothing is handed over; who holds those very bytes has
// what they say, see [Config.Held].
func (d *Deliverer) Pull(ctx context.Context, v View, subscriber string, has func(etag string) (spared, holds bool)) (Snapshot, error) {
	s, err := d.snapshot(ctx, v)
	if err != nil {
		return s, err
	}
	if has != nil {
		spared, holds := has(s.ETag)
		if spared && holds && d.Held != nil {
			err = d.Held(ctx, Handover{Flow: v.Flow, Subscriber: subscriber, Way: WaySnapshot, Records: s.Records, At: d.Now()})
		}
		if spared {
			return s, err
		}
	}
	r := Range{
		Subscriber: subscriber, Way: WaySnapshot, To: s.At, SHA256: s.ETag[1 : len(s.ETag)-1],
		Records: len(s.Records), Bytes: int64(len(s.Body)), Counts: s.Counts, At: d.Now(),
	}
	err = d.DB.Write(ctx, func(tx hansa.Tx) error { return d.write(tx, v.Flow, r, s.Records) })
	return s, err
}

func (d *Deliverer) snapshot(ctx context.Context, v View) (Snapshot, error) {
	sh, err := d.share(v)
	if err != nil {
		return Snapshot{}, err
	}
	defer d.leave(sh)
	select {
	case sh.making <- struct{}{}:
		defer func() { <-sh.making }()
	case <-ctx.Done():
		return Snapshot{}, ctx.Err()
	}
	now := d.Now()
	if sh.changed != nil && now.Sub(sh.snap.Made) < d.Fresh {
		select {
		case <-sh.changed:
		default:
			return sh.snap, nil
		}
	}
	changed := d.Line.Changed(v)
	s, err := d.Line.Snapshot(ctx, v)
	if err != nil {
		return Snapshot{}, err
	}
	s.Made, s.ETag = now, `"`+hexSum(s.Body)+`"`
	sh.snap, sh.changed = s, changed
	return s, nil
}

// Records returns changes after since. With none it waits up to wait, at most
// [WaitMax], and then returns an empty page. The evidence is durable when
// Records returns.
func (d *Deliverer) Records(ctx context.Context, v View, subscriber string, since hansa.Cursor, limit int, wait time.Duration) (Page, error) {
	limit = min(max(limit, 1), PageMax)
	late := time.NewTimer(min(max(wait, 0), WaitMax))
	defer late.Stop()
	from, counted := since, []Event(nil)
	for {
		changed := d.Line.Changed(v)
		evs, next, err := d.Line.Events(ctx, v, since, limit)
		if err != nil {
			return Page{}, err
		}
		counted = append(counted, evs...)
		p := Page{Events: passed(evs), Next: next, More: len(evs) >= limit}
		if len(p.Events) > 0 || wait <= 0 || len(counted) >= PageMax {
			return p, d.evince(ctx, v, counted, from, next, WayChanges, subscriber)
		}
		if since = next; p.More {
			continue
		}
		select {
		case <-changed:
		case <-late.C:
			wait = 0
		case <-ctx.Done():
			return Page{}, ctx.Err()
		}
	}
}

// evince keeps the evidence of a run of events before it is handed over.
func (d *Deliverer) evince(ctx context.Context, v View, evs []Event, from, to hansa.Cursor, way Way, subscriber string) error {
	if len(evs) == 0 && way == WayStream {
		return nil
	}
	r, refs := rangeOf(evs, from, to, way, subscriber, d.Now())
	return d.DB.Write(ctx, func(tx hansa.Tx) error { return d.write(tx, v.Flow, r, refs) })
}

// passed leaves out what was denied.
func passed(evs []Event) []Event {
	n := 0
	for i := range evs {
		if evs[i].told() {
			n++
		}
	}
	if n == len(evs) {
		return evs
	}
	out := make([]Event, 0, n)
	for i := range evs {
		if evs[i].told() {
			out = append(out, evs[i])
		}
	}
	return out
}
