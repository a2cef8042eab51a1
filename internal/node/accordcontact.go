package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// How a party came to be known, as it is kept. contactWaits is none yet.
const (
	contactInvited = "invitation"
	contactYes     = "yes"
	contactOwn     = "own" // own's party spoke first
	contactWaits   = "waits"
)

// admits says whether own hears a message at all: from who is known, from who brings an
// invitation, or, when it could begin an accord, to wait for a person's yes.
func (x *accords) admits(ctx context.Context, own hansa.PartyID, m *accord.Message) (how string, err error) {
	if _, here := x.n.hostedAs(m.From); here || x.knows(ctx, own, m.From) {
		return "", nil
	}
	stranger := hansa.Errorf(hansa.Denied, "%s is not known here: a first message opens an accord", m.From).With(hansa.CodeForbidden).At("/from")
	if m.Kind != accord.Told || m.Body.Entry == nil {
		return "", stranger
	}
	e := m.Body.Entry
	if e.N > 1 {
		return contactWaits, x.waitsAlready(ctx, own, m)
	}
	first, _, err := readAccordMessage(e.Message)
	if err != nil {
		return "", err
	}
	if first.Kind != accord.Open {
		return "", stranger
	}
	if first.Body.Invitation == "" {
		return contactWaits, nil
	}
	i, err := (invites{x.n}).open(ctx, first.Body.Invitation)
	switch {
	case err != nil:
		return "", hansa.Public(err).At("/body/entry/message/body/invitation")
	case i.party != own:
		return "", hansa.Errorf(hansa.NotFound, "the invitation is not one of this party").At("/body/entry/message/body/invitation")
	}
	return contactInvited, nil
}

// invited uses an invitation up, once: who brings it is known from now on.
func (x *accords) invited(tx hansa.Tx, own hansa.PartyID, h *heard) error {
	now, hash := x.n.wall(), sha256.Sum256([]byte(h.inner.m.Body.Invitation))
	res, err := tx.Exec(`UPDATE node_invitation SET accepted = ?, acceptor = ? WHERE token = ? AND party = ? AND accepted = 0 AND revoked = 0`, now.UnixMilli(), string(h.m.From), hash[:], string(own))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, hansa.Errorf(hansa.Conflict, "this invitation was accepted already"))
	}
	if err := x.n.act(tx, hansa.Actor{Party: own}, own, "accord-contact", map[string]any{"accord": h.m.Accord, "party": h.m.From, "by": contactInvited}); err != nil {
		return err
	}
	return keepContact(tx, own, contact{party: h.m.From, kid: h.kid, how: contactInvited}, now)
}

// waitsAlready is an error unless the accord of a message waits for a yes here.
func (x *accords) waitsAlready(ctx context.Context, own hansa.PartyID, m *accord.Message) error {
	var n int64
	err := x.n.db.Read(ctx, func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT COALESCE(MAX(n), 0) FROM exchange_waiting WHERE own = ? AND accord = ? AND sender = ?`, string(own), string(m.Accord), string(m.From)).Scan(&n)
	})
	if err == nil && m.Body.Entry.N > n+1 {
		err = gap(n + 1)
	}
	return err
}

// putBy keeps an entry of somebody who is not known until a person says yes.
func (x *accords) putBy(ctx context.Context, own hansa.PartyID, h *heard) error {
	m, host := h.m, didHostOf(h.m.From)
	return x.write(ctx, func(tx hansa.Tx, w *work) error {
		var accords, ofHost, entries int
		err := tx.QueryRow(`SELECT COUNT(DISTINCT accord), COUNT(DISTINCT CASE WHEN host = ? THEN accord END), COUNT(CASE WHEN accord = ? THEN 1 END) FROM exchange_waiting WHERE own = ? AND NOT (accord = ? AND n = ?)`,
			host, string(m.Accord), string(own), string(m.Accord), m.Body.Entry.N).Scan(&accords, &ofHost, &entries)
		if err != nil {
			return err
		}
		if entries == 0 && (accords >= contactsWaitMax || ofHost >= contactsHostMax) || entries >= contactEntriesMax {
			return hansa.Errorf(hansa.Busy, "as many messages from strangers wait for a yes here as may").With(hansa.CodeOverloaded)
		}
		w.moved = append(w.moved, string(m.Accord))
		_, err = tx.Exec(`INSERT INTO exchange_waiting (own, accord, n, sender, host, at, jws) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (own, accord, n) DO NOTHING`,
			string(own), string(m.Accord), m.Body.Entry.N, string(m.From), host, x.n.wall().UnixMicro(), h.jws)
		return err
	})
}

// waitingEntry is one message that waits for a yes.
type waitingEntry struct {
	accord hansa.AccordID
	n      int64
	sender hansa.PartyID
	at     time.Time
	jws    string
}

// waiting lists what waits for own's yes: of one accord, or the first of each.
func waiting(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID) (out []waitingEntry, err error) {
	rows, err := tx.Query(`SELECT accord, n, sender, at, jws FROM exchange_waiting WHERE own = ? AND (accord = ? OR ? = '' AND n = 1) ORDER BY at, n LIMIT ?`, string(own), string(id), string(id), max(contactsWaitMax, contactEntriesMax))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var e waitingEntry
		var at int64
		if err := rows.Scan(&e.accord, &e.n, &e.sender, &at, &e.jws); err != nil {
			return nil, err
		}
		e.at = time.UnixMicro(at).UTC()
		out = append(out, e)
	}
	return out, rows.Err()
}

// admit says yes to who opened an accord: it is known from now on, and what waited is
// taken. From the first entry on that cannot be taken as it waited, the keeper is asked
// for all: there may be more than waits.
func (x *accords) admit(ctx context.Context, by hansa.Actor, own hansa.PartyID, id hansa.AccordID) error {
	list, err := x.waitingFor(ctx, own, id)
	if err != nil {
		return err
	}
	for i := range list {
		err := x.takeWaiting(ctx, by, own, &list[i], i == 0)
		if err != nil && (i == 0 || hansa.KindOf(err) == hansa.Internal) {
			return err
		}
		if err != nil {
			break
		}
	}
	return x.write(ctx, func(tx hansa.Tx, w *work) error {
		if _, err := tx.Exec(`DELETE FROM exchange_waiting WHERE own = ? AND accord = ?`, string(own), string(id)); err != nil {
			return err
		}
		s, err := x.book.Get(tx, own, id)
		if err != nil {
			return err
		}
		return x.postRest(tx, w, own, s)
	})
}

// takeWaiting takes an entry that waited for own's yes; the first makes its sender known.
func (x *accords) takeWaiting(ctx context.Context, by hansa.Actor, own hansa.PartyID, e *waitingEntry, first bool) error {
	h, err := x.prove(ctx, own, e.jws, x.n.wall())
	if err != nil {
		return err
	}
	return x.write(ctx, func(tx hansa.Tx, w *work) error {
		if first {
			if err := keepContact(tx, own, contact{party: h.m.From, kid: h.kid, how: contactYes}, x.n.wall()); err != nil {
				return err
			}
			if err := x.n.act(tx, by, own, "accord-contact", map[string]any{"accord": e.accord, "party": h.m.From}); err != nil {
				return err
			}
		}
		if _, err := x.follow(tx, w, own, h.m.From, h.m.Body.Entry, h.inner); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM exchange_waiting WHERE own = ? AND accord = ? AND n = ?`, string(own), string(e.accord), e.n)
		return err
	})
}

// turnAway forgets what waits of an accord. Its sender hears nothing.
func (x *accords) turnAway(ctx context.Context, by hansa.Actor, own hansa.PartyID, id hansa.AccordID) error {
	list, err := x.waitingFor(ctx, own, id)
	if err != nil {
		return err
	}
	return x.write(ctx, func(tx hansa.Tx, w *work) error {
		w.moved = append(w.moved, string(id))
		if _, err := tx.Exec(`DELETE FROM exchange_waiting WHERE own = ? AND accord = ?`, string(own), string(id)); err != nil {
			return err
		}
		return x.n.act(tx, by, own, "accord-turned-away", map[string]any{"accord": id, "party": list[0].sender})
	})
}

func (x *accords) waitingFor(ctx context.Context, own hansa.PartyID, id hansa.AccordID) (list []waitingEntry, err error) {
	err = x.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		list, err = waiting(tx, own, id)
		return err
	})
	if err == nil && (len(list) == 0 || id == "") {
		err = hansa.Errorf(hansa.NotFound, "no accord %.100q waits for a yes", id).WithHint("hansa accords list --waiting")
	}
	return list, err
}

// opens makes sure that the node of a party elsewhere can be called. The operator opens
// the way; to others is said who can.
func (n *Node) opens(ctx context.Context, by hansa.Actor, other hansa.PartyID) error {
	at, err := trust.DocumentURL(string(other))
	if err != nil {
		return err
	}
	if n.client.CheckURL(at) == nil || n.client.CheckURL("http"+strings.TrimPrefix(at, "https")) == nil {
		return nil
	}
	u, err := url.Parse(at)
	if err != nil || !admin(by) || u.Port() != "" {
		return hansa.Errorf(hansa.Denied, "this node may not call %s yet, where %s lives", didHostOf(other), other).With(hansa.CodeAddress).WithHint("let the node's operator add it: hansa peers add NAME --id " + string(other) + " --at URL")
	}
	if err := n.client.Register(u.Hostname()); err != nil {
		return err
	}
	return n.db.Write(ctx, func(tx hansa.Tx) error { return saveHost(tx, u.Hostname(), other) })
}
