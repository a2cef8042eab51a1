package node

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// Limits of review links.
const (
	reviewsMax   = 50 // open ones of one accord, at one party
	reviewsShown = 200
	reviewFor    = 14 * 24 * time.Hour
	reviewForMax = 366 * 24 * time.Hour
	reviewForWho = 200 // bytes
)

// reviews are links by which counsel reads one accord of a party, all its versions, and
// nothing else. The database holds the hash of a link's token alone.
type reviews struct{ n *Node }

var (
	_ api.Reviews  = reviews{}
	_ room.Reviews = reviews{}
)

// MakeReview implements [api.Reviews].
func (v reviews) MakeReview(ctx context.Context, by hansa.Actor, id hansa.AccordID, o api.ReviewOrder) (api.Review, error) {
	own, err := v.n.partyFor(by, o.Party)
	if err != nil {
		return api.Review{}, err
	}
	if err := v.n.accords.mayAct(ctx, by, accord.Propose); err != nil {
		return api.Review{}, err
	}
	now := v.n.wall().UTC().Truncate(time.Millisecond)
	if o.Until.IsZero() {
		o.Until = now.Add(reviewFor)
	}
	secret := token()
	out := api.Review{ID: hansa.NewID(now), Accord: id, For: strings.TrimSpace(o.For), State: "open", Made: now, Until: o.Until.UTC().Truncate(time.Millisecond), Link: v.n.address() + "/review?token=" + url.QueryEscape(secret)}
	err = v.n.db.Write(ctx, func(tx hansa.Tx) error {
		if _, err := v.n.accords.book.Get(tx, own.ID, id); err != nil {
			return err
		}
		if err := goodReview(&out, now); err != nil {
			return err
		}
		var open int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM exchange_review WHERE own = ? AND accord = ? AND revoked = 0 AND until > ?`, string(own.ID), string(id), now.UnixMilli()).Scan(&open); err != nil {
			return err
		}
		if open >= reviewsMax {
			return hansa.Errorf(hansa.Busy, "%d review links of this accord are open, which is the most", open).WithHint("hansa accords review " + string(id) + " --revoke REVIEW")
		}
		if _, err := tx.Exec(`INSERT INTO exchange_review (id, token, own, accord, who, made, until, revoked, opened, last) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0)`,
			out.ID, hashedToken(secret), string(own.ID), string(id), out.For, out.Made.UnixMilli(), out.Until.UnixMilli()); err != nil {
			return err
		}
		return v.n.act(tx, by, own.ID, "review-made", map[string]any{"review": out.ID, "accord": id, "for": out.For, "until": out.Until})
	})
	return out, err
}

func goodReview(r *api.Review, now time.Time) error {
	switch {
	case !r.Until.After(now) || r.Until.Sub(now) > reviewForMax:
		return hansa.Fielded("/until", "a review link ends at a time to come, within a year").WithHint("--until +336h")
	case len(r.For) > reviewForWho || !utf8.ValidString(r.For) || strings.ContainsFunc(r.For, unicode.IsControl):
		return hansa.Fielded("/for", "who reads it is said in at most %d bytes on one line", reviewForWho)
	}
	return nil
}

func hashedToken(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Reviews implements [api.Reviews].
func (v reviews) Reviews(ctx context.Context, by hansa.Actor, id hansa.AccordID) (out []api.Review, err error) {
	now := v.n.wall()
	err = v.n.db.Read(ctx, func(tx hansa.Tx) error {
		if _, err := v.n.accords.book.Get(tx, by.Party, id); err != nil {
			return err
		}
		out = []api.Review{}
		rows, err := tx.Query(`SELECT id, who, made, until, revoked, opened, last FROM exchange_review WHERE own = ? AND accord = ? ORDER BY made DESC, id DESC LIMIT ?`, string(by.Party), string(id), reviewsShown)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // rows.Err says what went wrong
		for rows.Next() {
			r := api.Review{Accord: id, State: "open"}
			var made, until, revoked, last int64
			if err := rows.Scan(&r.ID, &r.For, &made, &until, &revoked, &r.Opened, &last); err != nil {
				return err
			}
			r.Made, r.Until = time.UnixMilli(made).UTC(), time.UnixMilli(until).UTC()
			if last > 0 {
				r.Last = time.UnixMilli(last).UTC()
			}
			if !now.Before(r.Until) {
				r.State = "ended"
			}
			if revoked > 0 {
				r.State, r.Revoked = "revoked", time.UnixMilli(revoked).UTC()
			}
			out = append(out, r)
		}
		return rows.Err()
	})
	return out, err
}

// RevokeReview implements [api.Reviews].
func (v reviews) RevokeReview(ctx context.Context, by hansa.Actor, id hansa.AccordID, review string) error {
	if err := v.n.accords.mayAct(ctx, by, accord.Propose); err != nil {
		return err
	}
	return v.n.db.Write(ctx, func(tx hansa.Tx) error {
		if _, err := v.n.accords.book.Get(tx, by.Party, id); err != nil {
			return err
		}
		var revoked int64
		err := tx.QueryRow(`SELECT revoked FROM exchange_review WHERE own = ? AND accord = ? AND id = ?`, string(by.Party), string(id), review).Scan(&revoked)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return hansa.Errorf(hansa.NotFound, "the accord has no such review link").WithHint("hansa accords review " + string(id))
		case err != nil || revoked > 0:
			return err
		}
		if _, err := tx.Exec(`UPDATE exchange_review SET revoked = ? WHERE id = ?`, v.n.wall().UnixMilli(), review); err != nil {
			return err
		}
		return v.n.act(tx, by, by.Party, "review-revoked", map[string]any{"review": review, "accord": id})
	})
}

// Review implements [room.Reviews]: what a link opens, while it does. Each opening is
// counted.
func (v reviews) Review(ctx context.Context, secret, version string) (room.AccordPrint, error) {
	now := v.n.wall()
	var own hansa.PartyID
	var id hansa.AccordID
	var until, revoked int64
	err := v.n.db.Read(ctx, func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT own, accord, until, revoked FROM exchange_review WHERE token = ?`, hashedToken(secret)).Scan(&own, &id, &until, &revoked)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && revoked > 0:
		return room.AccordPrint{}, hansa.Errorf(hansa.NotFound, "there is no such review link, or it was taken back").WithHint("ask whoever sent it")
	case err != nil:
		return room.AccordPrint{}, err
	case now.UnixMilli() >= until:
		return room.AccordPrint{}, hansa.Errorf(hansa.NotFound, "this review link has ended").With(hansa.CodeGone).WithHint("ask whoever sent it for a new one")
	}
	by := hansa.Actor{Party: own, Rights: []hansa.Right{hansa.RightRead}}
	if version == "" {
		s, err := v.n.copies.State(ctx, own, id)
		if err != nil {
			return room.AccordPrint{}, err
		}
		version = s.Proposed // what is to be reviewed
	}
	out, err := prints(v).AccordPrint(ctx, by, string(id), version)
	if err != nil {
		return out, err
	}
	return out, v.n.db.Write(ctx, func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE exchange_review SET opened = opened + 1, last = ? WHERE token = ?`, now.UnixMilli(), hashedToken(secret))
		return err
	})
}
