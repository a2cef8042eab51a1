package node

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// DiscardDraft throws a draft away that nobody else has, with the links by which counsel
// reads it. The journal keeps that it was there.
func (x *accords) DiscardDraft(ctx context.Context, by hansa.Actor, id hansa.AccordID, party string) error {
	own, err := x.n.partyFor(by, party)
	if err != nil {
		return err
	}
	if err := x.mayAct(ctx, by, accord.Propose); err != nil {
		return err
	}
	return x.write(ctx, func(tx hansa.Tx, w *work) error {
		s, err := x.book.Get(tx, own.ID, id)
		if err != nil {
			return err
		}
		list, err := proposing(tx, own.ID, id)
		if err != nil {
			return err
		}
		now := x.n.wall().UnixMilli()
		if i := slices.IndexFunc(list, func(i proposes) bool { return i.open(now) }); i >= 0 {
			return (&hansa.Error{Kind: hansa.Conflict, Code: hansa.CodeConflict, Message: words.Mark("an open invitation proposes this draft: take the invitation back first")}).WithHint("hansa parties uninvite " + list[i].id)
		}
		if err := x.book.Discard(tx, own.ID, id); err != nil {
			return err
		}
		for _, table := range []string{"exchange_adopted", "exchange_review"} {
			if _, err := tx.Exec(`DELETE FROM `+table+` WHERE own = ? AND accord = ?`, string(own.ID), string(id)); err != nil {
				return fmt.Errorf("forget draft %s: %w", id, err)
			}
		}
		w.moved = append(w.moved, string(id))
		return x.n.act(tx, by, own.ID, "accord-draft-dropped", map[string]any{"accord": id, "hash": s.Proposed})
	})
}

// forgetReplaced drops the versions of own's draft but the present one, and those that
// an invitation names: whoever accepts it agrees to the text that they read.
func (x *accords) forgetReplaced(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, present string) error {
	versions, err := x.book.Versions(tx, own, id)
	if err != nil || len(versions) < 2 {
		return err
	}
	list, err := proposing(tx, own, id)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if v.Hash == present || slices.ContainsFunc(list, func(i proposes) bool { return i.version == v.Hash }) {
			continue
		}
		if err := x.book.DropText(tx, own, id, v.Hash); err != nil {
			return err
		}
	}
	return nil
}

// proposes is an invitation that proposes a draft.
type proposes struct {
	id, version string
	over        bool  // accepted, or taken back
	expires     int64 // in milliseconds
}

func (i *proposes) open(now int64) bool { return !i.over && i.expires > now }

// proposing lists the invitations of own that propose a draft, whatever became of them.
func proposing(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID) (out []proposes, err error) {
	rows, err := tx.Query(`SELECT id, doc, expires, revoked, accepted FROM node_invitation WHERE party = ? AND doc LIKE ?`, string(own), "%"+string(id)+"%")
	if err != nil {
		return nil, fmt.Errorf("look for invitations by draft %s: %w", id, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var i proposes
		var doc []byte
		var revoked, accepted int64
		if err := rows.Scan(&i.id, &doc, &i.expires, &revoked, &accepted); err != nil {
			return nil, fmt.Errorf("look for invitations by draft %s: %w", id, err)
		}
		var k keptInvitation
		if err := json.Unmarshal(doc, &k); err != nil {
			return nil, fmt.Errorf("decode invitation %s: %w", i.id, err)
		}
		if k.Accord != id { // it came to this accord, or speaks of it
			continue
		}
		i.version, i.over = k.Version, revoked != 0 || accepted != 0 && k.Opened != ""
		out = append(out, i)
	}
	return out, rows.Err()
}

// draftAlone is an error for what others would have to hear of a draft that nobody else
// has.
func draftAlone(s *accord.State, kind accord.Kind) error {
	if s.N > 0 || s.State != hansa.AccordDraft || kind == accord.Open {
		return nil
	}
	err := hansa.Errorf(hansa.Conflict, "this is a draft that nobody else has: it is not sent yet")
	switch kind { //nolint:exhaustive // the others can be once it is sent
	case accord.Withdraw, accord.Decline, accord.End, accord.Leave:
		return err.WithHint("hansa accords discard " + string(s.ID))
	case accord.Propose:
		return err.WithHint("hansa accords new FILE --id " + string(s.ID))
	}
	return err.WithHint("hansa accords open " + string(s.ID))
}
