package deliver

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// DeliveryState is how far one event has come at one subscription.
type DeliveryState string

// The states of a delivery. Values are written to disk.
const (
	Waiting   DeliveryState = "waiting" // it will be tried again
	Delivered DeliveryState = "delivered"
	Stuck     DeliveryState = "parked" // the ladder is used up, or the address is gone
)

// Delivery is one event at one subscription, with the tries to send it.
type Delivery struct {
	ID           string // the webhook-id
	Subscription string
	Since        hansa.Cursor // before the event
	Cursor       hansa.Cursor
	Record       string
	Version      int64
	Type         string
	State        DeliveryState
	SHA256       string // of the body that was sent last
	First, Last  time.Time
	Attempts     []hansa.Attempt // the last [AttemptsMax]
}

// step sends the last event of run, the denied ones before it being counted
// only, and commits cursor, delivery and evidence together. It reports whether
// the next event may follow. A crash before the commit sends again, with the
// same id.
func (d *Deliverer) step(ctx context.Context, s *Subscription, v View, run []Event, from hansa.Cursor) (bool, error) {
	e := &run[len(run)-1]
	if !e.told() {
		r, refs := rangeOf(run, from, e.Cursor, WayWebhook, s.ID, d.Now())
		return d.advance(ctx, s, e.Cursor, func(tx hansa.Tx) error { return d.write(tx, v.Flow, r, refs) })
	}
	id, body, err := d.cloudEvent(v, s.ID, e)
	if err != nil {
		return false, err
	}
	a, answered, _ := d.send(ctx, s, id, body, LabelHeaders(v.Label))
	if ctx.Err() != nil {
		return false, ctx.Err() // the try says nothing about the receiver
	}
	del := Delivery{ID: id, Subscription: s.ID, Since: from, Cursor: e.Cursor, Record: e.Record, Version: e.Version, Type: e.Type(), State: Delivered, SHA256: hexSum(body), First: a.At, Last: a.At}
	if a.Error == "" {
		r, refs := rangeOf(run, from, e.Cursor, WayWebhook, s.ID, d.Now())
		r.SHA256, r.Bytes = del.SHA256, int64(len(body)) // the envelope is what was handed over
		return d.advance(ctx, s, e.Cursor, func(tx hansa.Tx) error {
			if err := keep(tx, del, a); err != nil {
				return err
			}
			return d.write(tx, v.Flow, r, refs)
		})
	}
	state, rung, next := d.fate(s, &a, answered)
	del.State = Waiting
	if state != s.State {
		del.State = Stuck
	}
	return false, d.DB.Write(ctx, func(tx hansa.Tx) error {
		res, err := tx.Exec(`UPDATE deliver_subscriptions SET state = ?, reason = ?, rung = ?, next = ? WHERE id = ? AND cursor = ? AND state = ?`,
			string(state), a.Error, rung, next.UnixMicro(), s.ID, string(s.Cursor), string(s.State))
		if err != nil {
			return fmt.Errorf("move down the ladder: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // it was changed meanwhile: what it says now holds
		}
		return keep(tx, del, a)
	})
}

// advance moves the durable cursor together with f. It reports false when the
// subscription was changed meanwhile; what f wrote stays, for it happened.
func (d *Deliverer) advance(ctx context.Context, s *Subscription, to hansa.Cursor, f func(hansa.Tx) error) (moved bool, err error) {
	err = d.DB.Write(ctx, func(tx hansa.Tx) error {
		res, err := tx.Exec(`UPDATE deliver_subscriptions SET cursor = ?, rung = 0, reason = '' WHERE id = ? AND cursor = ? AND state = ?`,
			string(to), s.ID, string(s.Cursor), string(s.State))
		if err != nil {
			return fmt.Errorf("move a cursor: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return fmt.Errorf("move a cursor: %w", err)
		}
		moved = n > 0
		return f(tx)
	})
	if moved && err == nil {
		s.Cursor, s.Rung, s.Reason = to, 0, ""
	}
	return moved, err
}

const deliveryColumns = `id, subscription, since, cursor, record, version, type, state, sha256, first, last, attempts`

// keep adds an attempt to a delivery and forgets old delivered ones.
func keep(tx hansa.Tx, del Delivery, a hansa.Attempt) error {
	var old []byte
	var first int64
	err := tx.QueryRow(`SELECT attempts, first FROM deliver_deliveries WHERE id = ?`, del.ID).Scan(&old, &first)
	switch {
	case isNone(err):
		first = del.First.UnixMicro()
	case err != nil:
		return fmt.Errorf("read a delivery: %w", err)
	default:
		if err := json.Unmarshal(old, &del.Attempts); err != nil {
			return fmt.Errorf("read attempts: %w", err)
		}
	}
	del.Attempts = append(del.Attempts, a)
	if n := len(del.Attempts) - AttemptsMax; n > 0 {
		del.Attempts = del.Attempts[n:]
	}
	b, err := json.Marshal(del.Attempts)
	if err != nil {
		return fmt.Errorf("write attempts: %w", err)
	}
	if _, err := tx.Exec(`INSERT INTO deliver_deliveries (`+deliveryColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, sha256 = excluded.sha256, last = excluded.last, attempts = excluded.attempts`,
		del.ID, del.Subscription, string(del.Since), string(del.Cursor), del.Record, del.Version, del.Type, string(del.State), del.SHA256,
		first, del.Last.UnixMicro(), b); err != nil {
		return fmt.Errorf("keep a delivery: %w", err)
	}
	_, err = tx.Exec(`DELETE FROM deliver_deliveries WHERE subscription = ? AND state = ? AND last < (SELECT last FROM deliver_deliveries
		WHERE subscription = ? ORDER BY last DESC, id DESC LIMIT 1 OFFSET ?)`, del.Subscription, string(Delivered), del.Subscription, DeliveriesMax)
	return err
}

// Deliveries lists the newest deliveries of a subscription that by may see.
func (d *Deliverer) Deliveries(ctx context.Context, by hansa.Actor, subscription string, limit int) (list []Delivery, err error) {
	err = d.DB.Read(ctx, func(tx hansa.Tx) error {
		s, err := d.one(tx, subscription)
		if err == nil && !s.seenBy(by) {
			err = notFound(subscription)
		}
		if err == nil {
			list, err = deliveries(tx, `WHERE subscription = ? ORDER BY last DESC, id DESC LIMIT ?`, subscription, min(max(limit, 1), DeliveriesMax))
		}
		return err
	})
	return list, err
}

// Delivery returns one delivery that by may see, or NotFound.
func (d *Deliverer) Delivery(ctx context.Context, by hansa.Actor, id string) (del Delivery, err error) {
	err = d.DB.Read(ctx, func(tx hansa.Tx) error {
		del, _, err = d.delivery(tx, by, id)
		return err
	})
	return del, err
}

func (d *Deliverer) delivery(tx hansa.Tx, by hansa.Actor, id string) (Delivery, *Subscription, error) {
	list, err := deliveries(tx, `WHERE id = ?`, id)
	if err != nil {
		return Delivery{}, nil, err
	}
	if len(list) == 1 {
		s, err := d.one(tx, list[0].Subscription)
		if err == nil && s.seenBy(by) {
			return list[0], s, nil
		}
	}
	return Delivery{}, nil, hansa.Errorf(hansa.NotFound, "there is no delivery %q", id)
}

func deliveries(tx hansa.Tx, where string, args ...any) (list []Delivery, err error) {
	rows, err := tx.Query(`SELECT `+deliveryColumns+` FROM deliver_deliveries `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var x Delivery
		var first, last int64
		var attempts []byte
		if err := rows.Scan(&x.ID, &x.Subscription, &x.Since, &x.Cursor, &x.Record, &x.Version, &x.Type, &x.State, &x.SHA256, &first, &last, &attempts); err != nil {
			return nil, fmt.Errorf("read a delivery: %w", err)
		}
		if err := json.Unmarshal(attempts, &x.Attempts); err != nil {
			return nil, fmt.Errorf("read attempts: %w", err)
		}
		x.First, x.Last = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()
		list = append(list, x)
	}
	return list, rows.Err()
}

// remade is a delivery with its event as the flow gives it now.
type remade struct {
	Delivery
	sub  *Subscription
	view View
	ev   []Event // the one
	body []byte
}

// again makes the event of a delivery anew. One that the flow no longer lets pass is
// Denied.
func (d *Deliverer) again(ctx context.Context, by hansa.Actor, id string) (x remade, err error) {
	err = d.DB.Read(ctx, func(tx hansa.Tx) error {
		x.Delivery, x.sub, err = d.delivery(tx, by, id)
		return err
	})
	if err != nil {
		return x, err
	}
	if x.view, err = d.Line.Open(ctx, x.sub.Flow, x.sub.Purpose, x.sub.Format); err != nil {
		return x, err
	}
	evs, _, err := d.Line.Events(ctx, x.view, x.Since, deniedMax)
	if err != nil {
		return x, err
	}
	for i := range evs {
		if evs[i].Cursor == x.Cursor && evs[i].told() {
			x.ev = evs[i : i+1]
			_, x.body, err = d.cloudEvent(x.view, x.sub.ID, &evs[i])
			return x, err
		}
	}
	return x, hansa.Errorf(hansa.Denied, "the flow no longer lets this record pass")
}

// Body makes what a delivery holds anew, for its giver and its receiver, and says
// whether that is what was sent last. For anybody else there is no such delivery.
func (d *Deliverer) Body(ctx context.Context, by hansa.Actor, id string) (body []byte, sent bool, err error) {
	x, err := d.again(ctx, by, id)
	switch {
	case err != nil:
		return nil, false, err
	case by.Party != x.sub.Party && by.Party != x.sub.Giver:
		return nil, false, hansa.Errorf(hansa.NotFound, "there is no delivery %q", id)
	}
	return x.body, hexSum(x.body) == x.SHA256, nil
}

// Redeliver sends one event again, now and once, out of order because a person
// asked for it. The subscription's cursor stays.
func (d *Deliverer) Redeliver(ctx context.Context, by hansa.Actor, id string) (a hansa.Attempt, err error) {
	x, err := d.again(ctx, by, id)
	if x.sub != nil && (x.sub.nonce != "" || x.sub.State == Disabled) {
		return a, hansa.Errorf(hansa.Conflict, "the subscription is %s: resume it first", x.sub.State)
	}
	if err != nil {
		return a, err
	}
	a, _, _ = d.send(ctx, x.sub, id, x.body, LabelHeaders(x.view.Label))
	return a, d.DB.Write(ctx, func(tx hansa.Tx) error {
		del := x.Delivery
		del.SHA256, del.Last = hexSum(x.body), a.At
		del.Attempts = nil
		if a.Error != "" {
			return keep(tx, del, a)
		}
		del.State = Delivered
		r, refs := rangeOf(x.ev, del.Since, del.Cursor, WayWebhook, x.sub.ID, a.At)
		r.SHA256, r.Bytes = del.SHA256, int64(len(x.body))
		if err := keep(tx, del, a); err != nil {
			return err
		}
		return d.write(tx, x.view.Flow, r, refs)
	})
}

// Test sends a test event to a subscription that by owns and returns how it went.
func (d *Deliverer) Test(ctx context.Context, by hansa.Actor, id string) (hansa.Attempt, error) {
	s, err := d.Subscription(ctx, by, id)
	if err == nil && !s.ownedBy(by) {
		err = notFound(id)
	}
	if err != nil {
		return hansa.Attempt{}, err
	}
	if s.nonce != "" {
		return hansa.Attempt{}, hansa.Errorf(hansa.Conflict, "the address has not been proven yet")
	}
	v, err := d.Line.Open(ctx, s.Flow, s.Purpose, s.Format)
	if err != nil {
		return hansa.Attempt{}, err
	}
	now := d.Now()
	msg := EventID(s.ID, hansa.Cursor("test "+hansa.NewID(now)))
	c := d.envelope(v, msg, typePrefix+"subscription.test", now)
	c.Subject = s.ID
	body, err := json.Marshal(c)
	if err != nil {
		return hansa.Attempt{}, fmt.Errorf("write a test: %w", err)
	}
	a, _, _ := d.send(ctx, s, msg, body, nil)
	return a, nil
}
