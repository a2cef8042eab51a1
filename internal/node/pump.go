package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/receipt"
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
			p.at = hansa.Cursor(e.Field)
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

// offerAll offers records to flows, and notes what must wait for its time.
func (l *line) offerAll(ctx context.Context, key hansa.Key, flows []*course, recs []*hansa.Record, next hansa.Cursor) error {
	return l.node.db.Write(ctx, func(tx hansa.Tx) error {
		for _, c := range flows {
			if err := l.offerTo(tx, c, recs); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO node_pump (party, dataset, at) VALUES (?, ?, ?) ON CONFLICT (party, dataset) DO UPDATE SET at = excluded.at`, string(key.Party), string(key.Dataset), string(next))
		return err
	})
}

// offerTo begins the ladders of those records that the gate lets through to one
// receiver, and notes those that must wait for their time.
func (l *line) offerTo(tx hansa.Tx, c *course, recs []*hansa.Record) error {
	if len(c.flow.Terms.Purposes) == 0 || len(c.flow.Terms.Formats) == 0 {
		return nil
	}
	ask := l.ask(c, c.flow.Terms.Purposes[0], c.flow.Terms.Formats[0])
	var pass, open []*hansa.Record // open: what closes nothing, of which nobody need speak
	for _, r := range recs {
		if r.Situation == nil {
			continue
		}
		verdict := c.gate.Decide(r, ask)
		switch {
		case verdict.Outcome != hansa.Deny && r.Situation.Effect == hansa.NoEffect:
			open = append(open, r)
		case verdict.Outcome != hansa.Deny:
			pass = append(pass, r)
		case slices.Contains(waits, verdict.Rule):
			if _, err := tx.Exec(`INSERT INTO node_held (flow, record) VALUES (?, ?) ON CONFLICT (flow, record) DO NOTHING`, string(c.flow.ID), r.ID); err != nil {
				return err
			}
		}
	}
	if err := l.node.book.OfferAll(tx, &c.flow, open, 0, l.node.clock()); err != nil {
		return err
	}
	return l.node.book.OfferAll(tx, &c.flow, pass, max(c.flow.Limit.Std(), time.Minute), l.node.clock())
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
	return l.node.db.Write(ctx, func(tx hansa.Tx) error {
		return errors.Join(forget(tx), l.offerTo(tx, c, []*hansa.Record{r}))
	})
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
