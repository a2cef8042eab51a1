package node

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// draftsMax is how many drafts of closures a party keeps; one more is Busy.
const draftsMax = 50

// drafts keeps the closures that somebody has begun to plan.
type drafts struct{ n *Node }

var _ room.Drafts = drafts{}

// Drafts lists those of by's party, the newest first.
func (d drafts) Drafts(ctx context.Context, by hansa.Actor) (out []room.Draft, err error) {
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		out = []room.Draft{}
		rows, err := tx.Query(`SELECT id, author, at, doc FROM node_draft WHERE party = ? ORDER BY at DESC, id DESC LIMIT ?`, string(by.Party), draftsMax)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var x room.Draft
			var id, author, doc string
			var at int64
			if err := rows.Scan(&id, &author, &at, &doc); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(doc), &x); err != nil {
				return err
			}
			x.ID, x.Author, x.At = id, author, time.UnixMilli(at).UTC()
			out = append(out, x)
		}
		return rows.Err()
	})
	for i := range out {
		out[i].Who = shift(d).who(ctx, by, out[i].Author)
	}
	return out, err
}

// KeepDraft keeps a draft under its id, in the place of the one that is there.
func (d drafts) KeepDraft(ctx context.Context, by hansa.Actor, x room.Draft) error {
	if !uuid.MatchString(x.ID) {
		return hansa.Fielded("/request", "a request id is a UUID")
	}
	id, now := x.ID, d.n.clock()
	x.ID, x.Who, x.Author, x.At = "", "", "", time.Time{}
	doc, err := json.Marshal(&x, json.Deterministic(true))
	if err != nil {
		return err
	}
	return d.n.db.Write(ctx, func(tx hansa.Tx) error {
		var others int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM node_draft WHERE party = ? AND id <> ?`, string(by.Party), id).Scan(&others); err != nil {
			return err
		}
		if others >= draftsMax {
			return hansa.Errorf(hansa.Busy, "%d drafts are kept already", draftsMax).WithHint("publish one, or throw one away")
		}
		if _, err := tx.Exec(`INSERT INTO node_draft (party, id, author, at, doc) VALUES (?, ?, ?, ?, ?) ON CONFLICT (party, id) DO UPDATE SET author = excluded.author, at = excluded.at, doc = excluded.doc`, string(by.Party), id, by.ID(), now.UnixMilli(), string(doc)); err != nil {
			return err
		}
		return d.n.act(tx, by, by.Party, "draft-kept", id)
	})
}

// DropDraft throws a draft away; one that is not there is NotFound.
func (d drafts) DropDraft(ctx context.Context, by hansa.Actor, id string) error {
	return d.n.db.Write(ctx, func(tx hansa.Tx) error {
		done, err := tx.Exec(`DELETE FROM node_draft WHERE party = ? AND id = ?`, string(by.Party), id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return hansa.Errorf(hansa.NotFound, "there is no such draft").WithHint("see all at /closures")
		}
		return d.n.act(tx, by, by.Party, "draft-dropped", id)
	})
}
