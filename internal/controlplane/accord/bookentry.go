package accord

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// AddText stores a version in own's copy. The same again changes nothing.
func (Book) AddText(tx hansa.Tx, own hansa.PartyID, t *Text) error {
	b, err := t.Canonical()
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO accord_text (own, id, hash, version, doc) VALUES (?, ?, ?, ?, ?) ON CONFLICT (own, id, hash) DO NOTHING`, string(own), string(t.ID), hashOf(b), t.Version, b)
	if err != nil {
		return fmt.Errorf("write version %d of accord %s: %w", t.Version, t.ID, err)
	}
	return nil
}

// Text returns the canonical bytes of a version, or NotFound.
func (Book) Text(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, hash string) ([]byte, error) {
	var doc []byte
	err := tx.QueryRow(`SELECT doc FROM accord_text WHERE own = ? AND id = ? AND hash = ?`, string(own), string(id), hash).Scan(&doc)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, hansa.Errorf(hansa.NotFound, "the accord %.60q has no version %.64q here", id, hash)
	case err != nil:
		return nil, fmt.Errorf("read a version of accord %s: %w", id, err)
	case hashOf(doc) != hash:
		return nil, corrupt("a version of accord %s", id)
	}
	return doc, nil
}

// Version is a text that own has, in short.
type Version struct {
	Hash    string
	Version int
}

// Versions lists those of an accord, oldest first.
func (Book) Versions(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID) (out []Version, err error) {
	rows, err := tx.Query(`SELECT hash, version FROM accord_text WHERE own = ? AND id = ? ORDER BY version, hash LIMIT ?`, string(own), string(id), ListMax)
	if err != nil {
		return nil, fmt.Errorf("list versions of accord %s: %w", id, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var v Version
		if err := rows.Scan(&v.Hash, &v.Version); err != nil {
			return nil, fmt.Errorf("list versions of accord %s: %w", id, err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// AddEntry stores the next entry, whose message is m, in own's copy. A number or
// a message that is there already is Conflict.
func (Book) AddEntry(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, e *Entry, m *Message) error {
	var n int64
	err := tx.QueryRow(`SELECT n FROM accord_entry WHERE own = ? AND id = ? AND (n = ? OR message = ?)`, string(own), string(id), e.N, m.ID).Scan(&n)
	if err == nil {
		return hansa.Errorf(hansa.Conflict, "entry %d of accord %s is there already", n, id)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("look for entry %d of accord %s: %w", e.N, id, err)
	}
	doc, err := EntryContent(e)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO accord_entry (own, id, n, message, kind, sender, hash, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, string(own), string(id), e.N, m.ID, string(m.Kind), string(m.From), hashOf(doc), doc)
	if err != nil {
		return fmt.Errorf("write entry %d of accord %s: %w", e.N, id, err)
	}
	return nil
}

// Said counts the entries after a number that came of a party, but for those of some kinds.
func (Book) Said(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, by hansa.PartyID, after int64, but ...Kind) (n int, err error) {
	args := []any{string(own), string(id), after, string(by)}
	for _, k := range but {
		args = append(args, string(k))
	}
	err = tx.QueryRow(`SELECT COUNT(*) FROM accord_entry WHERE own = ? AND id = ? AND n > ? AND sender = ? AND kind NOT IN (''`+strings.Repeat(", ?", len(but))+`)`, args...).Scan(&n)
	if err != nil {
		err = fmt.Errorf("count what was said of accord %s: %w", id, err)
	}
	return n, err
}

// Entries returns own's entries after a number, in order, at most limit; 0 and more
// than [ListMax] is [ListMax].
func (Book) Entries(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, after int64, limit int) ([]Entry, error) {
	if limit <= 0 || limit > ListMax {
		limit = ListMax
	}
	rows, err := tx.Query(`SELECT hash, doc FROM accord_entry WHERE own = ? AND id = ? AND n > ? ORDER BY n LIMIT ?`, string(own), string(id), after, limit)
	if err != nil {
		return nil, fmt.Errorf("read entries of accord %s: %w", id, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	out := []Entry{}
	for rows.Next() {
		var e Entry
		var hash string
		var doc []byte
		if err := rows.Scan(&hash, &doc); err != nil {
			return nil, fmt.Errorf("read entries of accord %s: %w", id, err)
		}
		if hashOf(doc) != hash {
			return nil, corrupt("an entry of accord %s", id)
		}
		if err := json.Unmarshal(doc, &e); err != nil {
			return nil, fmt.Errorf("decode an entry of accord %s: %w", id, err)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// Seen returns the number and the hash of the entry that a message became in own's
// copy; 0 is none. A repeat gets the answer that it got.
func (Book) Seen(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, message string) (n int64, hash string, err error) {
	err = tx.QueryRow(`SELECT n, hash FROM accord_entry WHERE own = ? AND id = ? AND message = ?`, string(own), string(id), message).Scan(&n, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("look for a message of accord %s: %w", id, err)
	}
	return n, hash, nil
}

// Discard forgets a draft of own, which nobody else has seen. What was opened is
// Conflict: it stays.
func (b Book) Discard(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID) error {
	s, err := b.Get(tx, own, id)
	if err != nil {
		return err
	}
	if s.N > 0 || s.State != hansa.AccordDraft {
		return refused("the accord was opened: it is withdrawn, declined or ended, and stays in the books").WithHint("hansa accords withdraw " + string(id))
	}
	for _, table := range []string{"accord", "accord_party", "accord_words", "accord_request", "accord_text"} {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE own = ? AND id = ?`, string(own), string(id)); err != nil {
			return fmt.Errorf("forget draft %s: %w", id, err)
		}
	}
	return nil
}

// DropText forgets a version of own's draft that another has replaced. The caller knows
// that nothing names it.
func (Book) DropText(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, hash string) error {
	if _, err := tx.Exec(`DELETE FROM accord_text WHERE own = ? AND id = ? AND hash = ?`, string(own), string(id), hash); err != nil {
		return fmt.Errorf("forget a version of draft %s: %w", id, err)
	}
	return nil
}
