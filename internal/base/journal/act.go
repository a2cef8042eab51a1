package journal

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hansa-exchange/hansa"
)

// Act appends what a person did, or what became of an accord or key, as one entry
// of its own, and returns its id. The entry holds only the kind, the time and a
// salted leaf of doc; doc and salt are kept in a table and may be erased.
func (l *Log) Act(tx hansa.Tx, party hansa.PartyID, kind string, doc []byte, now time.Time) (id string, err error) {
	return l.ActAs(tx, "", party, kind, doc, now)
}

// ActAs is [Log.Act] under an id that its caller made: an opaque UUID, by which the act
// is found again. Empty takes a new one; one that is there already is Conflict.
func (l *Log) ActAs(tx hansa.Tx, as string, party hansa.PartyID, kind string, doc []byte, now time.Time) (id string, err error) {
	switch {
	case len(doc) == 0:
		return "", hansa.Errorf(hansa.Invalid, "an act needs its document")
	case len(doc) > DocBytesMax:
		return "", hansa.Errorf(hansa.Invalid, "an act's document has at most %d bytes, not %d", DocBytesMax, len(doc))
	case kind == kindBatch || kind == kindErased || kind == kindEpoch:
		return "", hansa.Errorf(hansa.Invalid, "entries of kind %q are made by the journal itself", kind)
	}
	if as != "" {
		var n int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM journal_entries WHERE id = ?`, as).Scan(&n); err != nil {
			return "", fmt.Errorf("look for act %s: %w", as, err)
		}
		if n > 0 {
			return "", hansa.Errorf(hansa.Conflict, "the act %s is in the journal already", as)
		}
	}
	salt := hansa.NewSalt()
	leaf := hansa.Leaf(hansa.FactAct, salt, doc)
	entry, id, err := l.append(tx, Entry{Kind: kind, At: now, ID: as, Party: party}, data{Leaf: hex.EncodeToString(leaf[:])})
	if err != nil {
		return "", err
	}
	_, err = tx.Exec(`INSERT INTO journal_acts (id, party, kind, entry, salt, doc) VALUES (?, ?, ?, ?, ?, ?)`,
		id, string(party), kind, entry, salt[:], doc)
	if err != nil {
		return "", fmt.Errorf("write act %s: %w", id, err)
	}
	return id, nil
}

// Done is an act as it is kept; Doc is nil once it was erased.
type Done struct {
	ID, Kind string
	Doc      []byte
}

// ActsOf returns party's newest acts of kinds, oldest first, at most [PageMax].
func (l *Log) ActsOf(ctx context.Context, party hansa.PartyID, kinds ...string) (out []Done, err error) {
	args := []any{string(party)}
	for _, k := range kinds {
		args = append(args, k)
	}
	in := strings.TrimSuffix(strings.Repeat("?, ", len(kinds)), ", ")
	err = l.db.Read(ctx, func(tx hansa.Tx) error {
		out = nil
		rows, err := tx.Query(`SELECT id, kind, doc FROM journal_acts WHERE party = ? AND kind IN (`+in+`) ORDER BY entry DESC LIMIT ?`, append(args, PageMax)...)
		if err != nil {
			return fmt.Errorf("read acts: %w", err)
		}
		defer rows.Close() //nolint:errcheck // read only; rows.Err tells
		for rows.Next() {
			var d Done
			if err := rows.Scan(&d.ID, &d.Kind, &d.Doc); err != nil {
				return fmt.Errorf("read acts: %w", err)
			}
			out = append(out, d)
		}
		return rows.Err()
	})
	slices.Reverse(out)
	return out, err
}

// act is a kept act, checked against its entry. doc is nil once erased.
type act struct {
	salt hansa.Salt
	doc  []byte
	leaf hansa.Hash
	line Line
}

func readAct(tx hansa.Tx, id string) (act, error) {
	var a act
	var entry int64
	var salt []byte
	err := tx.QueryRow(`SELECT entry, salt, doc FROM journal_acts WHERE id = ?`, id).Scan(&entry, &salt, &a.doc)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return a, hansa.Errorf(hansa.NotFound, "there is no act %q", id)
	case err != nil:
		return a, fmt.Errorf("read act %s: %w", id, err)
	}
	if a.line, err = readLine(tx, entry); err != nil {
		return a, err
	}
	d, err := parseData(a.line.Data)
	if err != nil {
		return a, err
	}
	leaf, err := unhex(d.Leaf)
	if err != nil || d.ID != id {
		return a, corrupt("entry %d is not that of act %s", entry, id)
	}
	a.leaf = leaf
	if a.doc == nil {
		return a, nil
	}
	if len(salt) != len(a.salt) {
		return a, corrupt("the salt of act %s is damaged", id)
	}
	a.salt = hansa.Salt(salt)
	if hansa.Leaf(hansa.FactAct, a.salt, a.doc) != a.leaf {
		return a, corrupt("act %s does not match the commitment in entry %d", id, entry)
	}
	return a, nil
}

// committed returns the entry with id and the leaf that it commits to.
func committed(tx hansa.Tx, id string) (line Line, leaf hansa.Hash, err error) {
	lines, err := readLines(tx, `id = ?`, 1, id)
	if err != nil {
		return line, leaf, err
	}
	if len(lines) == 0 {
		return line, leaf, hansa.Errorf(hansa.NotFound, "there is no act %q", id)
	}
	line = lines[0]
	if err := checkLine(tx, line); err != nil {
		return line, leaf, err
	}
	d, err := parseData(line.Data)
	if err != nil {
		return line, leaf, err
	}
	if d.Kind == kindBatch || d.Kind == kindErased || d.Kind == kindEpoch {
		return line, leaf, hansa.Errorf(hansa.NotFound, "entry %d is no act", line.Index)
	}
	leaf, err = unhex(d.Leaf)
	return line, leaf, err
}

// Erasure says what was erased and why.
type Erasure struct {
	Party hansa.PartyID
	// Batch and Position name a sealed fact; Act names an act. One of the two.
	Batch    string
	Position int64
	Act      string
	// Rule is the retention rule or the clause under which it was done, in a
	// word that names nobody: a-z, A-Z, 0-9 and -._:/#, at most 200 bytes.
	Rule string
	At   time.Time
}

// Erase appends an entry that says which leaf was erased, when and under which
// rule. The room that holds content and salt deletes both in the same
// transaction; those of an act are deleted here. Erasing twice is Conflict.
func (l *Log) Erase(tx hansa.Tx, e Erasure) error {
	if !validRule(e.Rule) {
		return hansa.Fielded("/rule", "a rule is 1 to 200 of letters, digits and -._:/#, not %q", e.Rule)
	}
	source, leaf, err := erasable(tx, e)
	if err != nil {
		return err
	}
	var n int
	err = tx.QueryRow(`SELECT COUNT(*) FROM journal_erasures WHERE source = ? AND position = ?`, source, e.Position).Scan(&n)
	if err != nil {
		return fmt.Errorf("look for an erasure: %w", err)
	}
	if n > 0 {
		return hansa.Errorf(hansa.Conflict, "fact %d of %s is erased already", e.Position, source)
	}
	entry, _, err := l.append(tx, Entry{Kind: kindErased, At: e.At, Party: e.Party},
		data{Leaf: hex.EncodeToString(leaf[:]), Source: source, Position: e.Position, Rule: e.Rule})
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO journal_erasures (source, position, party, entry) VALUES (?, ?, ?, ?)`,
		source, e.Position, string(e.Party), entry)
	if err != nil {
		return fmt.Errorf("write an erasure: %w", err)
	}
	if e.Act != "" {
		if _, err := tx.Exec(`UPDATE journal_acts SET salt = NULL, doc = NULL WHERE id = ?`, e.Act); err != nil {
			return fmt.Errorf("erase act %s: %w", e.Act, err)
		}
	}
	return nil
}

func erasable(tx hansa.Tx, e Erasure) (source string, leaf hansa.Hash, err error) {
	switch {
	case (e.Act == "") == (e.Batch == ""):
		return "", leaf, hansa.Errorf(hansa.Invalid, "an erasure names a batch or an act, one of the two")
	case e.Act != "":
		if e.Position != 0 {
			return "", leaf, hansa.Errorf(hansa.Invalid, "an act has no positions")
		}
		_, leaf, err := committed(tx, e.Act)
		return e.Act, leaf, err
	}
	b, err := readBatch(tx, e.Batch)
	if err != nil {
		return "", leaf, err
	}
	if e.Position < 0 || e.Position >= int64(len(b.leaves)) {
		return "", leaf, hansa.Errorf(hansa.NotFound, "batch %s has no fact %d", e.Batch, e.Position)
	}
	return e.Batch, b.leaves[e.Position], nil
}

// erasedBy returns the entry that erased a fact, or nil.
func erasedBy(tx hansa.Tx, source string, position int64) (*Line, error) {
	var entry int64
	err := tx.QueryRow(`SELECT entry FROM journal_erasures WHERE source = ? AND position = ?`, source, position).Scan(&entry)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for an erasure: %w", err)
	}
	line, err := readLine(tx, entry)
	return &line, err
}

// BeginEpoch appends the signed entry with which a restored node starts over. It
// names the checkpoint that was restored; an empty one means a new node. It is
// what tells a restore from tampering.
func (l *Log) BeginEpoch(tx hansa.Tx, epoch string, restored []byte, now time.Time) error {
	if !validRule(epoch) {
		return hansa.Errorf(hansa.Invalid, "an epoch is 1 to 200 of letters, digits and -._:/#, not %q", epoch)
	}
	d := data{Epoch: epoch}
	if len(restored) > 0 {
		c, err := openCheckpoint(restored, l.verifier)
		if err != nil {
			return hansa.Errorf(hansa.Invalid, "the restored checkpoint is not one of this node: %w", err)
		}
		d.Size, d.Root = c.Size, hex.EncodeToString(c.Root[:])
	}
	signed, err := note.Sign(&note.Note{Text: epochText(l.cfg.Origin, &d, stamp(now))}, l.cfg.Signer)
	if err != nil {
		return fmt.Errorf("sign the epoch: %w", err)
	}
	d.Signed = string(signed)
	_, _, err = l.append(tx, Entry{Kind: kindEpoch, At: now}, d)
	return err
}

// epochText is what the node key signs of an epoch. Its second line is no number,
// so that it can never be taken for a checkpoint.
func epochText(origin string, d *data, at string) string {
	return fmt.Sprintf("%s\nepoch %s\nrestored %d %s\nat %s\n", origin, d.Epoch, d.Size, d.Root, at)
}

func validRule(s string) bool {
	if s == "" || len(s) > 200 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == ':', c == '/', c == '#':
		default:
			return false
		}
	}
	return true
}

// unhex reads a hash in lower-case hex, its only form.
func unhex(s string) (h hansa.Hash, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) || hex.EncodeToString(b) != s {
		return h, hansa.Errorf(hansa.Invalid, "a hash is 64 digits of lower-case hex, not %.80q", s)
	}
	return hansa.Hash(b), nil
}
