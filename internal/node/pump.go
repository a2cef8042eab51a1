package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
	"github.com/hansa-exchange/hansa/internal/dataplane/receipt"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
)

// pump offers a dataset's new records to each of its flows, in order, and keeps
// in the database how far it has come.
type pump struct {
	mu sync.Mutex // guards at, and that one pass runs at a time
	at hansa.Cursor
}

// receipt begins with the offer: ready offers what is new in c's dataset, and sees
// that what was offered has its ladders, before anything is handed over.
func (l *line) ready(ctx context.Context, c *course) error {
	if err := l.offer(ctx, c); err != nil {
		return err
	}
	l.mu.RLock()
	flows := l.flowsOf(hansa.Key{Party: c.flow.From, Dataset: c.dataset.ID})
	l.mu.RUnlock()
	for _, f := range flows {
		if _, err := l.node.book.Settle(ctx, f.flow.ID, 0); err != nil {
			return err
		}
	}
	return nil
}

// offer runs the pump of c's dataset to its end.
func (l *line) offer(ctx context.Context, c *course) error {
	key := hansa.Key{Party: c.flow.From, Dataset: c.dataset.ID}
	l.mu.RLock()
	p, flows := l.pumps[key], l.flowsOf(key)
	l.mu.RUnlock()
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		recs, next, err := l.node.stream.Of(key.Party).Read(ctx, key.Dataset, p.at, offerRun)
		if e := hansa.Public(err); e != nil && e.Code == hansa.CodeGone {
			if p.at, err = l.skip(ctx, key, flows, p.at); err != nil {
				return err
			}
			continue
		}
		if err != nil || len(recs) == 0 {
			return err
		}
		if err := l.offerAll(ctx, key, flows, recs, next); err != nil {
			return err
		}
		p.at = next
	}
}

// skip moves a place that is gone to where the stream goes on. Of what was trimmed
// before it was offered, what holds still is offered now; what was offered already
// changes nothing.
func (l *line) skip(ctx context.Context, key hansa.Key, flows []*course, at hansa.Cursor) (hansa.Cursor, error) {
	to, lost, err := l.node.stream.Of(key.Party).Resume(ctx, key.Dataset, at)
	if err != nil || !lost {
		return to, err
	}
	recs, _, err := l.node.stream.Of(key.Party).Present(ctx, key.Dataset, false)
	if err != nil {
		return at, err
	}
	for run := range slices.Chunk(recs, offerRun) {
		if err := l.offerAll(ctx, key, flows, run, at); err != nil {
			return at, err
		}
	}
	return to, nil
}

// offerAll offers records to flows, and notes what must wait for its time.
func (l *line) offerAll(ctx context.Context, key hansa.Key, flows []*course, recs []*hansa.Record, next hansa.Cursor) error {
	offers := make([]*offers, 0, len(flows))
	for _, c := range flows {
		o, err := l.sort(ctx, c, recs)
		if err != nil {
			return err
		}
		offers = append(offers, o)
	}
	return l.node.db.Write(ctx, func(tx hansa.Tx) error {
		for _, o := range offers {
			if err := l.offerTo(tx, o); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO node_pump (party, dataset, at) VALUES (?, ?, ?) ON CONFLICT (party, dataset) DO UPDATE SET at = excluded.at`, string(key.Party), string(key.Dataset), string(next))
		return err
	})
}

// offers is what the gate of one flow makes of a run of situations.
type offers struct {
	c    *course
	pass []*hansa.Record
	open []*hansa.Record // what closes nothing, of which nobody need speak
	left []*hansa.Record // what passed in an earlier version and does no more
	held []string        // what must wait for its time
}

// sort asks the gate of c about each of recs.
func (l *line) sort(ctx context.Context, c *course, recs []*hansa.Record) (*offers, error) {
	o := &offers{c: c}
	if len(c.flow.Terms.Purposes) == 0 || len(c.flow.Terms.Formats) == 0 {
		return o, nil
	}
	ask := l.ask(c, c.flow.Terms.Purposes[0], c.flow.Terms.Formats[0])
	var denied []*hansa.Record
	for _, r := range recs {
		if r.Situation == nil {
			continue
		}
		verdict := decide(c, r, ask)
		switch {
		case verdict.Outcome != hansa.Deny && r.Situation.Effect == hansa.NoEffect:
			o.open = append(o.open, r)
		case verdict.Outcome != hansa.Deny:
			o.pass = append(o.pass, r)
		case slices.Contains(waits, verdict.Rule):
			o.held = append(o.held, r.ID)
		default:
			denied = append(denied, r)
		}
	}
	left, err := l.left(ctx, c, denied, ask)
	for _, r := range denied {
		if left[r.Cursor] {
			o.left = append(o.left, over(r))
		}
	}
	return o, err
}

// over is r as one that holds no longer: its end begins a ladder of its own.
func over(r *hansa.Record) *hansa.Record {
	x, s := *r, *r.Situation
	s.Lifecycle = hansa.Cancelled
	x.Situation = &s
	return &x
}

// left says, by their cursors, before which of the records that the gate of c stops
// its receiver was given one: then it is told that it stands no more. Where that
// one is no longer kept, the ladder knows.
func (l *line) left(ctx context.Context, c *course, denied []*hansa.Record, ask gate.Ask) (map[hansa.Cursor]bool, error) {
	denied = slices.DeleteFunc(slices.Clone(denied), func(r *hansa.Record) bool { return r.Situation == nil || stream.IsOlder(r) })
	if len(denied) == 0 {
		return nil, nil //nolint:nilnil // none is an answer
	}
	before, err := l.node.stream.Of(c.flow.From).Before(ctx, c.dataset.ID, denied)
	if err != nil {
		return nil, err
	}
	out := map[hansa.Cursor]bool{}
	for _, r := range denied {
		old, later := before[r.Cursor]
		switch {
		case !later:
		case strings.HasPrefix(r.Provenance.Feed, hansa.FeedRecall): // what it said may be erased
			out[r.Cursor] = c.gate.Gave(r)
		case old != nil:
			verdict := c.gate.Decide(old, ask)
			out[r.Cursor] = old.Live() && (verdict.Outcome != hansa.Deny || verdict.Rule == gate.NotPassedOn && c.gate.Gave(old))
		default:
			if out[r.Cursor], err = l.node.book.Given(ctx, c.flow.ID, r.ID); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// offerTo begins the ladders at one receiver, and notes what must wait.
func (l *line) offerTo(tx hansa.Tx, o *offers) error {
	for _, id := range o.held {
		if _, err := tx.Exec(`INSERT INTO node_held (flow, record) VALUES (?, ?) ON CONFLICT (flow, record) DO NOTHING`, string(o.c.flow.ID), id); err != nil {
			return err
		}
	}
	flow, now := &o.c.flow, l.node.clock()
	if err := l.node.book.OfferAll(tx, flow, o.open, 0, now); err != nil {
		return err
	}
	silent := max(flow.Limit.Std(), time.Minute)
	if flow.To == hansa.PublicParty { // nobody is there to say anything
		silent = 0
	}
	if err := l.node.book.OfferAll(tx, flow, o.pass, silent, now); err != nil {
		return err
	}
	return l.node.book.OfferAll(tx, flow, o.left, silent, now)
}

// offerRun is how many records are offered in one transaction: what receipt keeps
// as one fact.
const offerRun = receipt.RangeMax

// heldMax bounds the held records that one tick looks at.
const heldMax = 1000

// release offers what was held back and may pass now.
func (l *line) release(ctx context.Context) error {
	type held struct{ flow, record string }
	var list []held
	err := l.node.db.Read(ctx, func(tx hansa.Tx) error {
		list = nil
		rows, err := tx.Query(`SELECT flow, record FROM node_held ORDER BY flow, record LIMIT ?`, heldMax)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var h held
			if err := rows.Scan(&h.flow, &h.record); err != nil {
				return err
			}
			list = append(list, h)
		}
		return rows.Err()
	})
	for _, h := range list {
		err = errors.Join(err, l.releaseOne(ctx, hansa.FlowID(h.flow), h.record))
	}
	return err
}

func (l *line) releaseOne(ctx context.Context, flow hansa.FlowID, record string) error {
	forget := func(tx hansa.Tx) error {
		_, err := tx.Exec(`DELETE FROM node_held WHERE flow = ? AND record = ?`, string(flow), record)
		return err
	}
	c, err := l.course(flow)
	if err != nil {
		return l.node.db.Write(ctx, forget)
	}
	r, err := l.node.stream.Of(c.flow.From).Get(ctx, c.dataset.ID, record)
	if hansa.Public(err) != nil && hansa.KindOf(err) == hansa.NotFound {
		return l.node.db.Write(ctx, forget)
	}
	if err != nil {
		return err
	}
	verdict := c.gate.Decide(r, l.ask(c, c.flow.Terms.Purposes[0], c.flow.Terms.Formats[0]))
	if verdict.Outcome == hansa.Deny && slices.Contains(waits, verdict.Rule) {
		return nil
	}
	o, err := l.sort(ctx, c, []*hansa.Record{r})
	if err != nil {
		return err
	}
	return l.node.db.Write(ctx, func(tx hansa.Tx) error { return errors.Join(forget(tx), l.offerTo(tx, o)) })
}

// flowsOf lists the courses that carry a dataset. l.mu is held.
func (l *line) flowsOf(key hansa.Key) (list []*course) {
	for _, c := range l.courses {
		if c.flow.From == key.Party && c.dataset.ID == key.Dataset {
			list = append(list, c)
		}
	}
	return list
}

// offerPresent offers what holds now to a flow that is new or has new terms.
func (l *line) offerPresent(ctx context.Context, c *course) error {
	if err := l.offer(ctx, c); err != nil {
		return err
	}
	recs, _, err := l.node.stream.Of(c.flow.From).Present(ctx, c.dataset.ID, false)
	if err != nil && hansa.KindOf(err) != hansa.NotFound {
		return err
	}
	o, err := l.sort(ctx, c, recs)
	if err != nil {
		return err
	}
	return l.node.db.Write(ctx, func(tx hansa.Tx) error { return l.offerTo(tx, o) })
}
