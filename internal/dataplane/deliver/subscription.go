package deliver

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/hansa-exchange/hansa"
)

// State is how a subscription does. Values are written to disk.
type State string

// The states. Pending waits for the address to be proven; parked has used up the
// ladder and waits for a person; disabled was told 410 and stays so.
const (
	Pending  State = "pending"
	Active   State = "active"
	Paused   State = "paused"
	Parked   State = "parked"
	Disabled State = "disabled"
)

// Subscription is a webhook. Key is set only in the answer that makes it.
type Subscription struct {
	ID         string
	Party      hansa.PartyID // the receiver
	Giver      hansa.PartyID
	Flow       hansa.FlowID
	URL        string
	Format     hansa.Format
	Purpose    hansa.Purpose
	Credential string // that made it: the subscriber in the evidence
	State      State
	Reason     string
	Created    time.Time
	Cursor     hansa.Cursor // of the last event that was delivered
	Rung       int          // tries of the present event that failed
	Next       time.Time    // not before
	Key        string       // whpk_ or whsec_

	secrets []secret
	nonce   string
}

// Subscribe is what a receiver asks for.
type Subscribe struct {
	URL     string
	From    string // a cursor, "start", or empty for now
	Signing string // ed25519 (also when empty) or hmac
}

const subscriptionColumns = `id, party, giver, flow, url, format, purpose, credential, secrets, state, reason, created, cursor, rung, next, nonce`

// Subscribe makes a webhook on v. It is pending until its address has echoed a
// signed challenge.
func (d *Deliverer) Subscribe(ctx context.Context, by hansa.Actor, v View, in Subscribe) (*Subscription, error) {
	u, err := url.Parse(in.URL)
	switch {
	case err != nil || u.Host == "" || len(in.URL) > 2048 || u.User != nil:
		return nil, hansa.Fielded("/url", "a webhook needs an absolute address of at most 2048 bytes, without a user")
	case d.CheckURL == nil && u.Scheme != "https":
		return nil, hansa.Fielded("/url", "a webhook's address begins with https://")
	case d.CheckURL != nil:
		if err := d.CheckURL(in.URL); err != nil {
			return nil, err
		}
	}
	key, err := newSecret(in.Signing)
	if err != nil {
		return nil, err
	}
	now := d.Now()
	s := &Subscription{
		ID: hansa.NewID(now), Party: by.Party, Giver: v.Flow.From, Flow: v.Flow.ID, URL: in.URL, Format: v.Format, Purpose: v.Purpose,
		Credential: by.Credential, State: Pending, Reason: "the address has not yet answered the challenge", Created: now, Next: now,
		Key: key.shown(), secrets: []secret{key}, nonce: rand.Text(),
	}
	switch in.From {
	case "start":
	case "":
		if s.Cursor, err = d.Line.Head(ctx, v); err != nil {
			return nil, err
		}
	default:
		s.Cursor = hansa.Cursor(in.From)
		if _, _, err := d.Line.Events(ctx, v, s.Cursor, 1); err != nil {
			return nil, err
		}
	}
	sealed, err := d.hide(s.ID, s.secrets)
	if err != nil {
		return nil, fmt.Errorf("keep a webhook's key: %w", err)
	}
	err = d.DB.Write(ctx, func(tx hansa.Tx) error {
		var all, own int
		if err := tx.QueryRow(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN party = ? THEN 1 ELSE 0 END), 0) FROM deliver_subscriptions`, string(by.Party)).Scan(&all, &own); err != nil {
			return fmt.Errorf("count webhooks: %w", err)
		}
		if all >= SubscriptionsMax || own >= PartyMax {
			return hansa.Errorf(hansa.Busy, "a party has at most %d webhooks and a node %d", PartyMax, SubscriptionsMax)
		}
		_, err := tx.Exec(`INSERT INTO deliver_subscriptions (`+subscriptionColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
			s.ID, string(s.Party), string(s.Giver), string(s.Flow), s.URL, string(s.Format), string(s.Purpose), s.Credential, sealed,
			string(s.State), s.Reason, s.Created.UnixMicro(), string(s.Cursor), 0, s.Next.UnixMicro(), s.nonce)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	close(d.wake)
	d.wake = make(chan struct{})
	d.mu.Unlock()
	return s, nil
}

// Subscriptions lists what by may see, of one flow, or of all when flow is empty.
func (d *Deliverer) Subscriptions(ctx context.Context, by hansa.Actor, flow hansa.FlowID) (list []*Subscription, err error) {
	err = d.DB.Read(ctx, func(tx hansa.Tx) error {
		where, args := ``, []any{}
		if flow != "" {
			where, args = `WHERE flow = ? `, []any{string(flow)}
		}
		all, err := d.load(tx, where+`ORDER BY id`, args...)
		for _, s := range all {
			if s.seenBy(by) {
				list = append(list, s)
			}
		}
		return err
	})
	return list, err
}

// States counts the subscriptions of the node by state.
func (d *Deliverer) States(ctx context.Context) (map[string]int, error) {
	out := map[string]int{}
	err := d.DB.Read(ctx, func(tx hansa.Tx) error {
		clear(out)
		rows, err := tx.Query(`SELECT state, COUNT(*) FROM deliver_subscriptions GROUP BY state`)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // rows.Err says what went wrong
		for rows.Next() {
			var state string
			var n int
			if err := rows.Scan(&state, &n); err != nil {
				return err
			}
			out[state] = n
		}
		return rows.Err()
	})
	return out, err
}

// Subscription returns one that by may see, or NotFound.
func (d *Deliverer) Subscription(ctx context.Context, by hansa.Actor, id string) (s *Subscription, err error) {
	err = d.DB.Read(ctx, func(tx hansa.Tx) error {
		s, err = d.one(tx, id)
		if err == nil && !s.seenBy(by) {
			s, err = nil, notFound(id)
		}
		return err
	})
	return s, err
}

func notFound(id string) error {
	return hansa.Errorf(hansa.NotFound, "there is no subscription %q", id)
}

// seenBy reports whether by may know of s: its party, the giver, the operator.
func (s *Subscription) seenBy(by hansa.Actor) bool {
	return by.Party != "" && (by.Party == s.Party || by.Party == s.Giver) || by.May(hansa.RightAdmin)
}

func (s *Subscription) ownedBy(by hansa.Actor) bool {
	return by.Party != "" && by.Party == s.Party || by.May(hansa.RightAdmin)
}

func (d *Deliverer) one(tx hansa.Tx, id string) (*Subscription, error) {
	list, err := d.load(tx, `WHERE id = ?`, id)
	if err == nil && len(list) == 0 {
		err = notFound(id)
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

func (d *Deliverer) load(tx hansa.Tx, where string, args ...any) (list []*Subscription, err error) {
	rows, err := tx.Query(`SELECT `+subscriptionColumns+` FROM deliver_subscriptions `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		s := &Subscription{}
		var sealed []byte
		var created, next int64
		if err := rows.Scan(&s.ID, &s.Party, &s.Giver, &s.Flow, &s.URL, &s.Format, &s.Purpose, &s.Credential, &sealed,
			&s.State, &s.Reason, &created, &s.Cursor, &s.Rung, &next, &s.nonce); err != nil {
			return nil, fmt.Errorf("read a subscription: %w", err)
		}
		s.Created, s.Next = time.UnixMicro(created).UTC(), time.UnixMicro(next).UTC()
		if s.secrets, err = d.reveal(s.ID, sealed); err != nil { // the others go on
			s.State, s.Reason = Parked, "its signing keys cannot be read, they were sealed under another node key: rotate them"
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// alter changes a subscription that by owns and wakes its worker.
func (d *Deliverer) alter(ctx context.Context, by hansa.Actor, id string, f func(tx hansa.Tx, s *Subscription) error) error {
	err := d.DB.Write(ctx, func(tx hansa.Tx) error {
		s, err := d.one(tx, id)
		if err == nil && !s.ownedBy(by) {
			err = notFound(id)
		}
		if err != nil {
			return err
		}
		return f(tx, s)
	})
	d.kick(id)
	return err
}

// Unsubscribe ends a webhook. Its evidence stays.
func (d *Deliverer) Unsubscribe(ctx context.Context, by hansa.Actor, id string) error {
	return d.alter(ctx, by, id, func(tx hansa.Tx, _ *Subscription) error {
		_, err := tx.Exec(`DELETE FROM deliver_subscriptions WHERE id = ?`, id)
		_, err2 := tx.Exec(`DELETE FROM deliver_deliveries WHERE subscription = ?`, id)
		return errors.Join(err, err2)
	})
}

// Pause stops an active webhook until [Deliverer.Resume]; nothing is lost.
func (d *Deliverer) Pause(ctx context.Context, by hansa.Actor, id string) error {
	return d.alter(ctx, by, id, func(tx hansa.Tx, s *Subscription) error {
		if s.State != Active {
			return hansa.Errorf(hansa.Conflict, "only an active subscription can be paused, this one is %s", s.State)
		}
		_, err := tx.Exec(`UPDATE deliver_subscriptions SET state = ?, reason = ? WHERE id = ?`, string(Paused), "paused by its owner", id)
		return err
	})
}

// Resume sets a webhook that was paused, parked or disabled going from where it
// stopped. One that never proved its address is challenged again.
func (d *Deliverer) Resume(ctx context.Context, by hansa.Actor, id string) error {
	return d.alter(ctx, by, id, func(tx hansa.Tx, s *Subscription) error { return d.restart(tx, s, s.Cursor) })
}

// Replay sends everything after a cursor again, in order and with the same ids.
func (d *Deliverer) Replay(ctx context.Context, by hansa.Actor, id string, from hansa.Cursor) error {
	return d.alter(ctx, by, id, func(tx hansa.Tx, s *Subscription) error { return d.restart(tx, s, from) })
}

func (d *Deliverer) restart(tx hansa.Tx, s *Subscription, from hansa.Cursor) error {
	state, reason := Active, ""
	if s.nonce != "" { // it is cleared by proof
		state, reason = Pending, "the address has not yet answered the challenge"
	}
	_, err := tx.Exec(`UPDATE deliver_subscriptions SET state = ?, reason = ?, cursor = ?, rung = 0, next = ? WHERE id = ?`,
		string(state), reason, string(from), d.Now().UnixMicro(), s.ID)
	return err
}

// Rotate gives a webhook a new key and returns what to check it with. The old
// key signs beside it for a day.
func (d *Deliverer) Rotate(ctx context.Context, by hansa.Actor, id string) (shown string, err error) {
	err = d.alter(ctx, by, id, func(tx hansa.Tx, s *Subscription) error {
		signing := ""
		if len(s.secrets) > 0 {
			signing = s.secrets[0].Signing
		}
		key, err := newSecret(signing)
		if err != nil {
			return err
		}
		keys := []secret{key}
		if len(s.secrets) > 0 {
			old := s.secrets[0]
			old.Until = d.Now().Add(rotation)
			keys = append(keys, old)
		}
		sealed, err := d.hide(id, keys)
		if err != nil {
			return err
		}
		shown = key.shown()
		_, err = tx.Exec(`UPDATE deliver_subscriptions SET secrets = ? WHERE id = ?`, sealed, id)
		return err
	})
	return shown, err
}

func isNone(err error) bool { return errors.Is(err, sql.ErrNoRows) }
