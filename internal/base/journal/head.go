package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hansa-exchange/hansa"
)

// head is the size of the tree and its peaks: the roots of the complete subtrees
// that it is made of, largest first. They are all that an append needs to read.
type head struct {
	size  int64
	peaks []tlog.Hash
}

func readHead(tx hansa.Tx) (head, error) {
	var h head
	var raw []byte
	err := tx.QueryRow(`SELECT size, peaks FROM journal_head WHERE id = 1`).Scan(&h.size, &raw)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return head{}, nil
	case err != nil:
		return head{}, fmt.Errorf("read the journal's head: %w", err)
	case h.size < 0 || len(raw) != bits.OnesCount64(uint64(h.size))*tlog.HashSize:
		return head{}, corrupt("the journal's head is damaged: %d entries do not have %d bytes of peaks", h.size, len(raw))
	}
	for ; len(raw) > 0; raw = raw[tlog.HashSize:] {
		h.peaks = append(h.peaks, tlog.Hash(raw[:tlog.HashSize]))
	}
	return h, nil
}

// bytes is how peaks stand in the table.
func (h *head) bytes() []byte {
	raw := make([]byte, 0, len(h.peaks)*tlog.HashSize)
	for _, p := range h.peaks {
		raw = append(raw, p[:]...)
	}
	return raw
}

func (h *head) write(tx hansa.Tx) error {
	_, err := tx.Exec(`INSERT INTO journal_head (id, size, peaks) VALUES (1, ?, ?)
		ON CONFLICT (id) DO UPDATE SET size = excluded.size, peaks = excluded.peaks`, h.size, h.bytes())
	if err != nil {
		return fmt.Errorf("write the journal's head: %w", err)
	}
	return nil
}

// replace writes h in the place of was, and reports whether was stood there.
func (h *head) replace(tx hansa.Tx, was *head) (bool, error) {
	res, err := tx.Exec(`UPDATE journal_head SET size = ?, peaks = ? WHERE id = 1 AND size = ? AND peaks = ?`, h.size, h.bytes(), was.size, was.bytes())
	if err != nil {
		return false, fmt.Errorf("write the journal's head: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// grow adds a record hash to the stored head, and returns its index and the hashes to
// store. The head that was written last is taken for the one that stands, unless it is
// seen not to be: what wrote it may have been undone.
func (l *Log) grow(tx hansa.Tx, leaf tlog.Hash) (index int64, hashes []tlog.Hash, err error) {
	if was := l.last.Load(); was != nil {
		h := head{was.size, slices.Clone(was.peaks)}
		hashes = h.grow(leaf)
		if ok, err := h.replace(tx, was); ok || err != nil {
			l.last.Store(&h)
			return was.size, hashes, err
		}
	}
	h, err := readHead(tx)
	if err != nil {
		return 0, nil, err
	}
	index = h.size
	hashes = h.grow(leaf)
	l.last.Store(&h)
	return index, hashes, h.write(tx)
}

// grow takes one more record hash and returns the hashes to store, the first at
// StoredHashIndex(0, old size).
func (h *head) grow(leaf tlog.Hash) []tlog.Hash {
	out := []tlog.Hash{leaf}
	for n := h.size; n&1 == 1; n >>= 1 {
		last := len(h.peaks) - 1
		leaf = tlog.NodeHash(h.peaks[last], leaf)
		h.peaks = h.peaks[:last]
		out = append(out, leaf)
	}
	h.peaks = append(h.peaks, leaf)
	h.size++
	return out
}

// root returns the hash of the whole tree.
func (h *head) root() tlog.Hash {
	if len(h.peaks) == 0 {
		empty, _ := tlog.TreeHash(0, nil) // reads nothing for an empty tree
		return empty
	}
	r := h.peaks[len(h.peaks)-1]
	for i := len(h.peaks) - 2; i >= 0; i-- {
		r = tlog.NodeHash(h.peaks[i], r)
	}
	return r
}

// writeHashes stores hashes from index on.
func writeHashes(tx hansa.Tx, index int64, hashes []tlog.Hash) error {
	args := make([]any, 0, 2*len(hashes))
	for i, h := range hashes {
		args = append(args, index+int64(i), h[:])
	}
	q := `INSERT INTO journal_hashes (idx, hash) VALUES (?, ?)` + strings.Repeat(`, (?, ?)`, len(hashes)-1)
	if _, err := tx.Exec(q, args...); err != nil {
		return fmt.Errorf("write the journal's hashes: %w", err)
	}
	return nil
}

// hashReader reads stored hashes within tx.
func hashReader(tx hansa.Tx) tlog.HashReaderFunc {
	return func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for at := 0; at < len(indexes); {
			// Runs of neighbours are read at once: tiles are mostly runs.
			end := at + 1
			for end < len(indexes) && indexes[end] == indexes[end-1]+1 {
				end++
			}
			if err := readHashes(tx, indexes[at], out[at:end]); err != nil {
				return nil, err
			}
			at = end
		}
		return out, nil
	}
}

func readHashes(tx hansa.Tx, from int64, out []tlog.Hash) error {
	rows, err := tx.Query(`SELECT idx, hash FROM journal_hashes WHERE idx >= ? AND idx < ? ORDER BY idx`, from, from+int64(len(out)))
	if err != nil {
		return fmt.Errorf("read the journal's hashes: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only; rows.Err tells
	n := 0
	for rows.Next() {
		var idx int64
		var raw sql.RawBytes
		if err := rows.Scan(&idx, &raw); err != nil {
			return fmt.Errorf("read the journal's hashes: %w", err)
		}
		if n == len(out) || idx != from+int64(n) || len(raw) != tlog.HashSize {
			return corrupt("stored hash %d of the journal is missing or damaged", from+int64(n))
		}
		out[n] = tlog.Hash(raw)
		n++
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the journal's hashes: %w", err)
	}
	if n < len(out) {
		return corrupt("stored hash %d of the journal is missing", from+int64(n))
	}
	return nil
}

func corrupt(format string, args ...any) *hansa.Error {
	return hansa.Errorf(hansa.Internal, format, args...).With(hansa.CodeCorrupt).
		WithHint("stop the node, keep the file for examination, and restore the last good backup")
}
