package journal

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hansa-exchange/hansa"
)

// Entry is one line of the journal as a room hands it in.
type Entry struct {
	// Kind says what was done, in a fixed word: a-z, 0-9 and hyphen.
	Kind string
	At   time.Time
	// ID is an opaque UUID of the entry; empty takes a new one.
	ID string
	// Party is whom it concerns. It scopes the row and is never hashed.
	Party hansa.PartyID
	// Commitment is the salted leaf of what was done.
	Commitment hansa.Hash
}

// data is what an entry hashes: its JSON, compact, members in this order, absent
// ones left out. Written to disk and proofs; described in docs/formats/journal.md.
type data struct {
	V    int    `json:"v"`
	Kind string `json:"kind"`
	At   string `json:"at"`
	ID   string `json:"id"`
	// Leaf is the commitment of an act, or of what was erased.
	Leaf string `json:"leaf,omitzero"`
	// Of, Size and Root describe a sealed batch.
	Of   string `json:"of,omitzero"`
	Size int64  `json:"size,omitzero"`
	Root string `json:"root,omitzero"`
	// Source and Position name an erased fact: a batch or act, and its place.
	Source   string `json:"source,omitzero"`
	Position int64  `json:"position,omitzero"`
	Rule     string `json:"rule,omitzero"`
	// Epoch and Signed begin an epoch: Size and Root are of the checkpoint that
	// was restored, Signed is the node key's note over all of it.
	Epoch  string `json:"epoch,omitzero"`
	Signed string `json:"signed,omitzero"`
}

// parseData reads an entry's data strictly. Its bytes are already known to be in
// a log, or are about to be checked against one.
func parseData(b []byte) (data, error) {
	var d data
	if len(b) > EntryBytesMax {
		return d, hansa.Errorf(hansa.Invalid, "an entry has at most %d bytes, not %d", EntryBytesMax, len(b))
	}
	if err := json.Unmarshal(b, &d, json.RejectUnknownMembers(true)); err != nil {
		return d, hansa.Errorf(hansa.Invalid, "an entry is not in the form of version 1: %w", err)
	}
	if d.V != 1 {
		return d, hansa.Errorf(hansa.Invalid, "an entry is of version %d; this program knows version 1", d.V)
	}
	return d, nil
}

// Append adds one entry within tx and returns its index. An Invalid error names
// what e lacks.
func (l *Log) Append(tx hansa.Tx, e Entry) (index int64, err error) {
	if e.Kind == kindBatch || e.Kind == kindErased || e.Kind == kindEpoch {
		return 0, hansa.Errorf(hansa.Invalid, "entries of kind %q are made by the journal itself", e.Kind)
	}
	index, _, err = l.append(tx, e, data{Leaf: hex.EncodeToString(e.Commitment[:])})
	return index, err
}

// append writes e with the members that d has set, and returns where and as what.
func (l *Log) append(tx hansa.Tx, e Entry, d data) (index int64, id string, err error) {
	switch {
	case !hansa.ValidName(e.Kind):
		return 0, "", hansa.Errorf(hansa.Invalid, "an entry's kind is 1 to 63 of a-z, 0-9 and hyphen, not %q", e.Kind)
	case e.At.IsZero():
		return 0, "", hansa.Errorf(hansa.Invalid, "an entry needs its time")
	case e.ID == "":
		e.ID = hansa.NewID(e.At)
	case len(e.ID) != 36:
		return 0, "", hansa.Errorf(hansa.Invalid, "an entry's id is an opaque UUID, not %q", e.ID)
	}
	d.V, d.Kind, d.At, d.ID = 1, e.Kind, stamp(e.At), e.ID
	b, err := json.Marshal(d)
	if err != nil {
		return 0, "", fmt.Errorf("encode an entry: %w", err)
	}
	if len(b) > EntryBytesMax {
		return 0, "", hansa.Errorf(hansa.Invalid, "an entry has at most %d bytes, not %d", EntryBytesMax, len(b))
	}
	index, hashes, err := l.grow(tx, tlog.RecordHash(b))
	if err != nil {
		return 0, "", err
	}
	if err := writeHashes(tx, tlog.StoredHashIndex(0, index), hashes); err != nil {
		return 0, "", err
	}
	_, err = tx.Exec(`INSERT INTO journal_entries (idx, id, party, kind, at, data) VALUES (?, ?, ?, ?, ?, ?)`,
		index, e.ID, string(e.Party), e.Kind, e.At.UnixMilli(), b)
	if err != nil {
		return 0, "", fmt.Errorf("write entry %d: %w", index, err)
	}
	return index, e.ID, nil
}

// Line is one entry as those whom it concerns may read it.
type Line struct {
	Index int64
	Kind  string
	At    time.Time
	ID    string
	Data  []byte // the bytes that are hashed
}

// Entries returns up to limit entries that concern party, from index on. What
// concerns others is absent: their hashes stand in the tiles. Each line is
// checked against its hash; a damaged one is a Corrupt error that names it.
func (l *Log) Entries(ctx context.Context, party hansa.PartyID, from int64, limit int) ([]Line, error) {
	if limit <= 0 || limit > PageMax {
		limit = PageMax
	}
	var out []Line
	err := l.db.Read(ctx, func(tx hansa.Tx) error {
		lines, err := readLines(tx, `party = ? AND idx >= ?`, limit, string(party), from)
		if err != nil {
			return err
		}
		for _, line := range lines {
			if err := checkLine(tx, line); err != nil {
				return err
			}
		}
		out = lines
		return nil
	})
	return out, err
}

func readLines(tx hansa.Tx, where string, limit int, args ...any) ([]Line, error) {
	rows, err := tx.Query(`SELECT idx, kind, at, id, data FROM journal_entries WHERE `+where+` ORDER BY idx LIMIT ?`,
		append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only; rows.Err tells
	var out []Line
	for rows.Next() {
		var line Line
		var at int64
		if err := rows.Scan(&line.Index, &line.Kind, &at, &line.ID, &line.Data); err != nil {
			return nil, fmt.Errorf("read entries: %w", err)
		}
		line.At = time.UnixMilli(at).UTC()
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	return out, nil
}

// readLine returns entry index, checked against its stored hash.
func readLine(tx hansa.Tx, index int64) (Line, error) {
	lines, err := readLines(tx, `idx = ?`, 1, index)
	if err != nil {
		return Line{}, err
	}
	if len(lines) == 0 {
		return Line{}, corrupt("entry %d of the journal is missing", index)
	}
	return lines[0], checkLine(tx, lines[0])
}

func checkLine(tx hansa.Tx, line Line) error {
	var want [1]tlog.Hash
	if err := readHashes(tx, tlog.StoredHashIndex(0, line.Index), want[:]); err != nil {
		return err
	}
	return line.check(want[0])
}

// check holds the line to its hash, and the columns beside the data to the data.
func (line *Line) check(want tlog.Hash) error {
	if tlog.RecordHash(line.Data) != want {
		return corrupt("entry %d of the journal does not match its hash", line.Index)
	}
	d, err := parseData(line.Data)
	if err != nil {
		return corrupt("entry %d of the journal: %v", line.Index, err)
	}
	if d.Kind != line.Kind || d.ID != line.ID || d.At != stamp(line.At) {
		return corrupt("entry %d of the journal: kind, id or time beside it were changed", line.Index)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(timeLayout) }
