package journal

import (
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hansa-exchange/hansa"
)

// Seal implements [hansa.Sealer]: it keeps the leaves of b and appends one entry
// with their Merkle root. A batch that is empty or over [LeavesMax] is Invalid.
func (l *Log) Seal(tx hansa.Tx, b hansa.Batch) (batch string, err error) {
	switch {
	case len(b.Leaves) == 0:
		return "", hansa.Errorf(hansa.Invalid, "a batch holds at least one leaf")
	case len(b.Leaves) > LeavesMax:
		return "", hansa.Errorf(hansa.Invalid, "a batch holds at most %d leaves, not %d", LeavesMax, len(b.Leaves))
	case !hansa.ValidName(string(b.Kind)):
		return "", hansa.Errorf(hansa.Invalid, "a batch's kind is 1 to 63 of a-z, 0-9 and hyphen, not %q", b.Kind)
	}
	root := newTree(b.Leaves).root()
	entry, id, err := l.append(tx, Entry{Kind: kindBatch, At: b.At, Party: b.Party},
		data{Of: string(b.Kind), Size: int64(len(b.Leaves)), Root: hex.EncodeToString(root[:])})
	if err != nil {
		return "", err
	}
	blob := make([]byte, 0, len(b.Leaves)*tlog.HashSize)
	for i := range b.Leaves {
		blob = append(blob, b.Leaves[i][:]...)
	}
	_, err = tx.Exec(`INSERT INTO journal_batches (id, party, kind, subject, entry, leaves) VALUES (?, ?, ?, ?, ?, ?)`,
		id, string(b.Party), string(b.Kind), b.Subject, entry, blob)
	if err != nil {
		return "", fmt.Errorf("write batch %s: %w", id, err)
	}
	return id, nil
}

// batch is a sealed batch as it is kept, checked against its entry.
type batch struct {
	id, kind string
	party    hansa.PartyID
	leaves   []hansa.Hash
	line     Line
	tree     *tree
}

// readBatch returns batch id, its leaves checked against the root that its entry
// states. An unknown id is NotFound; a changed leaf is a Corrupt error.
func readBatch(tx hansa.Tx, id string) (*batch, error) {
	b := batch{id: id}
	var party string
	var entry int64
	var blob []byte
	err := tx.QueryRow(`SELECT party, kind, entry, leaves FROM journal_batches WHERE id = ?`, id).
		Scan(&party, &b.kind, &entry, &blob)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, hansa.Errorf(hansa.NotFound, "there is no sealed batch %q", id)
	case err != nil:
		return nil, fmt.Errorf("read batch %s: %w", id, err)
	case len(blob) == 0 || len(blob)%tlog.HashSize != 0:
		return nil, corrupt("the leaves of batch %s are damaged", id)
	}
	b.party = hansa.PartyID(party)
	if b.line, err = readLine(tx, entry); err != nil {
		return nil, err
	}
	d, err := parseData(b.line.Data)
	if err != nil {
		return nil, err
	}
	for ; len(blob) > 0; blob = blob[tlog.HashSize:] {
		b.leaves = append(b.leaves, hansa.Hash(blob[:tlog.HashSize]))
	}
	b.tree = newTree(b.leaves)
	root := b.tree.root()
	if d.Kind != kindBatch || d.ID != id || d.Of != b.kind || d.Size != int64(len(b.leaves)) || d.Root != hex.EncodeToString(root[:]) {
		return nil, corrupt("the leaves of batch %s do not have the root that entry %d states", id, entry)
	}
	return &b, nil
}

// tree is a Merkle tree in memory, stored as the log stores its own.
type tree struct {
	head   head
	stored []tlog.Hash
}

func newTree(leaves []hansa.Hash) *tree {
	t := tree{stored: make([]tlog.Hash, 0, 2*len(leaves))}
	for i := range leaves {
		t.stored = append(t.stored, t.head.grow(tlog.RecordHash(leaves[i][:]))...)
	}
	return &t
}

func (t *tree) root() tlog.Hash { return t.head.root() }

// path returns the proof that leaf n is in the tree.
func (t *tree) path(n int64) ([]tlog.Hash, error) {
	return tlog.ProveRecord(t.head.size, n, tlog.HashReaderFunc(t.ReadHashes))
}

// ReadHashes implements [tlog.HashReader].
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(t.stored)) {
			return nil, fmt.Errorf("hash %d is not in a tree of %d", x, t.head.size)
		}
		out[i] = t.stored[x]
	}
	return out, nil
}
