package node

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// Limits of the note that one shift leaves for the next.
const (
	noteMax   = 2000 // characters
	notesKept = 20   // of one party, the newest among them
)

// shift keeps that note.
type shift struct{ n *Node }

var _ room.Shift = shift{}

// Notes lists those of by's party, the newest first.
func (s shift) Notes(ctx context.Context, by hansa.Actor) (out []room.Note, err error) {
	err = s.n.db.Read(ctx, func(tx hansa.Tx) error {
		out = []room.Note{}
		rows, err := tx.Query(`SELECT id, author, at, text FROM node_note WHERE party = ? ORDER BY at DESC, id DESC LIMIT ?`, string(by.Party), notesKept)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var x room.Note
			var at int64
			if err := rows.Scan(&x.ID, &x.Author, &at, &x.Text); err != nil {
				return err
			}
			x.At = time.UnixMilli(at).UTC()
			out = append(out, x)
		}
		return rows.Err()
	})
	for i := range out {
		out[i].Who = s.who(ctx, by, out[i].Author)
	}
	return out, err
}

func (s shift) who(ctx context.Context, by hansa.Actor, author string) string {
	if u, err := s.n.trust.User(ctx, author); err == nil && u.Party == by.Party {
		return u.Name
	}
	return words.Of(ctx).Say("the desk")
}

// WriteNote puts a note in the place of the one called after, which its writer saw:
// the newest, or none. An empty text says that there is nothing to hand over.
func (s shift) WriteNote(ctx context.Context, by hansa.Actor, text, after string) error {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	switch n := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return hansa.Fielded("/text", "a note is plain text")
	case n > noteMax:
		return hansa.Fielded("/text", "a note has at most %d characters, and this has %d", noteMax, n)
	}
	now, id := s.n.clock(), hansa.NewID(s.n.wall())
	err := s.n.db.Write(ctx, func(tx hansa.Tx) error {
		var newest string
		var at int64
		if err := tx.QueryRow(`SELECT COALESCE(MAX(at), 0) FROM node_note WHERE party = ?`, string(by.Party)).Scan(&at); err != nil {
			return err
		}
		if err := tx.QueryRow(`SELECT COALESCE(MAX(id), '') FROM node_note WHERE party = ? AND at = ?`, string(by.Party), at).Scan(&newest); err != nil {
			return err
		}
		if newest != after {
			return hansa.Errorf(hansa.Conflict, "somebody has written meanwhile").WithHint("read the newer note, and save yours again if it still holds")
		}
		at = max(at+1, now.UnixMilli()) // the newest stays so, whatever the clock does
		if _, err := tx.Exec(`INSERT INTO node_note (id, party, author, at, text) VALUES (?, ?, ?, ?, ?)`, id, string(by.Party), by.ID(), at, text); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM node_note WHERE party = ? AND id NOT IN (SELECT id FROM node_note WHERE party = ? ORDER BY at DESC, id DESC LIMIT ?)`, string(by.Party), string(by.Party), notesKept); err != nil {
			return err
		}
		return s.n.act(tx, by, by.Party, "note-written", id)
	})
	if err == nil {
		s.n.changed.soon()
	}
	return err
}
