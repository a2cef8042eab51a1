package node

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

const (
	remindEvery  = 10 * time.Minute
	accordsPage  = 500 // accords read at a time
	remindersMax = 20  // of one party on its pages
)

// keyOf is a key by which a party signed what is in force.
type keyOf struct {
	accord hansa.AccordID
	party  hansa.PartyID
	kid    string
}

// signing is a signature in force.
type signing struct {
	accord hansa.AccordID
	by     *accord.Signature
}

// signedBy lists the signatures in force.
func signedBy(s *accord.State) (out []signing) {
	for i := range s.InForce {
		out = append(out, signing{s.ID, &s.InForce[i]})
	}
	return out
}

// expiries finds when keys of signatures expire that were neither revoked nor replaced; those without
// an end are not in it. It reads the registry, so it is never called inside a transaction.
func (x *accords) expiries(ctx context.Context, all []signing) (map[keyOf]time.Time, error) {
	out := map[keyOf]time.Time{}
	read := map[hansa.PartyID][]time.Time{}
	kids := map[hansa.PartyID][]string{}
	for _, one := range all {
		home := x.n.home(one.by.Party)
		if _, ok := kids[home]; !ok {
			list, err := x.n.trust.Keys(ctx, home)
			if err != nil {
				return nil, err
			}
			kids[home] = []string{}
			for i := range list {
				replaced := slices.ContainsFunc(list, func(o trust.Key) bool { return o.Replaces == list[i].KID })
				if y := &list[i]; !y.ValidTo.IsZero() && y.Revoked.IsZero() && !replaced {
					kids[home], read[home] = append(kids[home], y.KID), append(read[home], y.ValidTo)
				}
			}
		}
		if len(kids[home]) == 0 {
			continue // most keys have no end, and a key's name costs a hash
		}
		kid, err := one.by.KID()
		if err != nil {
			continue // it was checked before it was stored
		}
		if i := slices.Index(kids[home], kid); i >= 0 {
			out[keyOf{one.accord, one.by.Party, kid}] = read[home][i]
		}
	}
	return out, nil
}

// addKeys adds the keys of an accord that expire to its days.
func (x *accords) addKeys(a *api.Accord, known map[keyOf]time.Time) {
	now := x.n.clock()
	if a.State != hansa.AccordInForce && a.State != hansa.AccordSuspended {
		return
	}
	for k, at := range known {
		if k.accord == a.ID && now.Before(at.Add(accord.DueAfter)) {
			a.Due = append(a.Due, shownDue(keyDue(k, at), now))
		}
	}
	slices.SortFunc(a.Due, func(p, q api.AccordDue) int {
		if c := p.At.Compare(q.At); c != 0 {
			return c
		}
		return strings.Compare(p.What+p.Key, q.What+q.Key)
	})
}

func keyDue(k keyOf, at time.Time) accord.Due {
	return accord.Due{What: accord.DueKey, Day: at.UTC().Format(time.DateOnly), At: at.UTC(), By: []hansa.PartyID{k.party}, Key: k.kid}
}

func shownDue(d accord.Due, now time.Time) api.AccordDue {
	return api.AccordDue{What: d.What, Day: d.Day, At: d.At, By: nonNil(d.By), Soon: d.Soon(now), Key: d.Key}
}

func shownDues(list []accord.Due, now time.Time) []api.AccordDue {
	out := []api.AccordDue{}
	for i := range list {
		out = append(out, shownDue(list[i], now))
	}
	return out
}

// reminder is a day of which own is reminded.
type reminder struct {
	id    hansa.AccordID
	title string // in the language of its party
	accord.Due
}

// remind journals, once for each party and day, that a day of an accord is near; from
// then on the party's pages ask for it until a week after.
func (x *accords) remind(ctx context.Context) error {
	for _, own := range x.n.hostedParties() {
		near, err := x.near(ctx, own)
		if err != nil {
			return err
		}
		if len(near) == 0 {
			continue
		}
		told := false
		err = x.n.db.Write(ctx, func(tx hansa.Tx) error {
			told = false
			for i := range near {
				fresh, err := x.remindOf(tx, own, &near[i])
				if err != nil {
					return err
				}
				told = told || fresh
			}
			_, err := tx.Exec(`DELETE FROM exchange_due WHERE own = ? AND at < ?`, string(own), x.n.clock().AddDate(-1, 0, 0).UnixMicro())
			return err
		})
		if err != nil {
			return err
		}
		if told {
			x.n.changed.soon()
		}
	}
	return nil
}

// remindOf notes one reminder; fresh says that it is told for the first time.
func (x *accords) remindOf(tx hansa.Tx, own hansa.PartyID, r *reminder) (fresh bool, err error) {
	res, err := tx.Exec(`INSERT INTO exchange_due (own, accord, what, day, k, title, at, told) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (own, accord, what, day, k) DO NOTHING`,
		string(own), string(r.id), r.What, r.Day, r.Key, r.title, r.At.UnixMicro(), x.n.clock().UnixMicro())
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return false, err
	}
	return true, x.n.act(tx, hansa.Actor{Party: own}, own, "accord-due", map[string]any{"accord": r.id, "what": r.What, "day": r.Day, "by": r.By, "key": r.Key})
}

// near lists the days of own's accords that are near and its own matter.
func (x *accords) near(ctx context.Context, own hansa.PartyID) (out []reminder, err error) {
	now := x.n.clock()
	var keys []signing
	titles := map[hansa.AccordID]string{}
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		out, keys = nil, nil
		return x.eachInForce(tx, accord.Query{Own: own}, func(r *accord.Row) {
			titles[r.State.ID] = x.titled(own, r.Title)
			for _, d := range r.State.Dues(now) {
				if d.Soon(now) && x.me(own, d.By) != "" {
					out = append(out, reminder{r.State.ID, titles[r.State.ID], d})
				}
			}
			for _, k := range signedBy(r.State) {
				if x.me(own, []hansa.PartyID{k.by.Party}) != "" {
					keys = append(keys, k)
				}
			}
		})
	})
	if err != nil {
		return nil, err
	}
	known, err := x.expiries(ctx, keys)
	for k, at := range known {
		if d := keyDue(k, at); d.Soon(now) {
			out = append(out, reminder{k.accord, titles[k.accord], d})
		}
	}
	return out, err
}

// titled is a title in own's language, else in English or in any that it has.
func (x *accords) titled(own hansa.PartyID, w accord.Words) string {
	p := x.n.party(own)
	lang, _, _ := strings.Cut(p.Language(), "-")
	for _, l := range append([]string{lang, "en"}, slices.Sorted(maps.Keys(w))...) {
		if w[l] != "" {
			return w[l]
		}
	}
	return ""
}

// eachInForce calls f with each accord in force that q asks for, page by page.
func (x *accords) eachInForce(tx hansa.Tx, q accord.Query, f func(*accord.Row)) error {
	q.Now, q.Limit = x.n.clock(), accordsPage
	for _, q.State = range []hansa.AccordState{hansa.AccordInForce, hansa.AccordSuspended} {
		for q.After = ""; ; {
			list, err := x.book.List(tx, q)
			if err != nil {
				return err
			}
			for i := range list {
				f(&list[i])
			}
			if len(list) < accordsPage {
				break
			}
			q.After = list[len(list)-1].State.ID
		}
	}
	return nil
}

// reminders are those of own that ask for a person: what was told, and is so still.
func (x *accords) reminders(ctx context.Context, own hansa.PartyID) (out []room.Asking, err error) {
	now := x.n.clock()
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		out = nil
		told, err := toldOf(tx, own, now)
		if err != nil {
			return err
		}
		for i := range told {
			t := &told[i]
			s, err := x.book.Get(tx, own, t.id)
			if err != nil {
				return err
			}
			state := s.At(now).State
			still := t.what == accord.DueKey && (state == hansa.AccordInForce || state == hansa.AccordSuspended)
			for _, d := range s.Dues(now) {
				still = still || d.What == t.what && d.Day == t.day
			}
			if still {
				out = append(out, room.Asking{Process: string(t.id), What: t.title, Due: t.what, Day: t.day, Since: t.at})
			}
		}
		return nil
	})
	return out, err
}

// served are the duties that wait for a word of own: it has not said yet that it knows the
// authority as such.
func (x *accords) served(ctx context.Context, own hansa.PartyID) (out []room.Asking, err error) {
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		out = nil
		names := x.n.accordNames(x.n.party(own))
		return x.eachInForce(tx, accord.Query{Own: own, Model: hansa.ModelClause}, func(r *accord.Row) {
			s := r.State
			if s.Bound.Served == "" || !s.Binds(names...) || slices.ContainsFunc(names, s.Consents) || len(out) >= askingMax {
				return
			}
			row := room.Asking{Process: string(s.ID), Other: string(s.Bound.Served), What: x.titled(own, r.Title), Duty: true, Since: s.Effect}
			for _, p := range r.Parties {
				if p.ID == s.Bound.Served {
					row.Other = p.Title
				}
			}
			out = append(out, row)
		})
	})
	return out, err
}

// toldDue is a reminder that was told.
type toldDue struct {
	id               hansa.AccordID
	what, day, title string
	at               time.Time
}

func toldOf(tx hansa.Tx, own hansa.PartyID, now time.Time) (out []toldDue, err error) {
	rows, err := tx.Query(`SELECT accord, what, day, title, told FROM exchange_due WHERE own = ? AND at > ? ORDER BY at, accord, what LIMIT ?`, string(own), now.Add(-accord.DueAfter).UnixMicro(), remindersMax)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var t toldDue
		var at int64
		if err := rows.Scan(&t.id, &t.what, &t.day, &t.title, &at); err != nil {
			return nil, err
		}
		t.at = time.UnixMicro(at).UTC()
		out = append(out, t)
	}
	return out, rows.Err()
}
