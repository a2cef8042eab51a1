package journal

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hansa-exchange/hansa"
)

// Recover checks, before anything is served, that the journal is the one last
// signed for: the last checkpoint is ours, the log has not lost what it covered,
// and the entries since then match their hashes and lead to the head. A Corrupt
// error names the first thing that is not so. It walks the tail alone;
// [Log.Walk] walks the rest.
func (l *Log) Recover(ctx context.Context) error {
	return l.db.Read(ctx, func(tx hansa.Tx) error {
		h, err := readHead(tx)
		if err != nil {
			return err
		}
		if err := checkCounts(tx, h.size); err != nil {
			return err
		}
		last, err := lastCheckpoint(tx)
		if err != nil {
			return err
		}
		from := int64(0)
		if last.note != nil {
			if err := l.checkSigned(tx, &last, h.size); err != nil {
				return err
			}
			from = last.size
		}
		// The peaks are what appends build on: they must be the stored hashes.
		root, err := tlog.TreeHash(h.size, hashReader(tx))
		if err != nil {
			return corruptOr(err)
		}
		if root != h.root() {
			return corrupt("the journal's head does not match its stored hashes at %d entries", h.size)
		}
		for from < h.size {
			if from, err = walk(tx, from, min(h.size, from+PageMax)); err != nil {
				return err
			}
		}
		return nil
	})
}

func checkCounts(tx hansa.Tx, size int64) error {
	var most int64
	if err := tx.QueryRow(`SELECT COALESCE(MAX(idx), -1) FROM journal_entries`).Scan(&most); err != nil {
		return fmt.Errorf("count entries: %w", err)
	}
	if most != size-1 {
		return corrupt("the journal's head says %d entries, but the last is entry %d", size, most)
	}
	if err := tx.QueryRow(`SELECT COALESCE(MAX(idx), -1) FROM journal_hashes`).Scan(&most); err != nil {
		return fmt.Errorf("count hashes: %w", err)
	}
	if most != tlog.StoredHashCount(size)-1 {
		return corrupt("the journal's head says %d entries, but the last stored hash is %d", size, most)
	}
	return nil
}

func (l *Log) checkSigned(tx hansa.Tx, last *stored, size int64) error {
	c, err := openCheckpoint(last.note, l.verifier)
	switch {
	case err != nil:
		return corrupt("the last checkpoint, of %d entries, is not signed by this node's key: %v", last.size, err)
	case c.Origin != l.cfg.Origin || c.Size != last.size:
		return corrupt("the last checkpoint is of %q at %d entries, not of %q at %d", c.Origin, c.Size, l.cfg.Origin, last.size)
	case c.Size > size:
		return corrupt("the journal has %d entries, but a checkpoint of %d was signed: it was cut, or an older copy was put back", size, c.Size)
	}
	root, err := tlog.TreeHash(c.Size, hashReader(tx))
	if err != nil {
		return corruptOr(err)
	}
	if root != tlog.Hash(c.Root) {
		return corrupt("the journal's stored hashes do not lead to the root signed at %d entries: they were changed", c.Size)
	}
	return nil
}

// Walk checks up to limit entries from index on: each against its hash, each
// hash against those above it, each batch's leaves and each kept act against its
// entry. It returns where to go on, which is the log's size at the end. A Corrupt
// error names the first thing that is wrong.
func (l *Log) Walk(ctx context.Context, from int64, limit int) (next, size int64, err error) {
	if limit <= 0 || limit > PageMax {
		limit = PageMax
	}
	err = l.db.Read(ctx, func(tx hansa.Tx) error {
		h, err := readHead(tx)
		if err != nil {
			return err
		}
		size = h.size
		next, err = walk(tx, from, min(h.size, from+int64(limit)))
		return err
	})
	return next, size, err
}

// walk checks the entries [from, to) and everything that hangs on them.
func walk(tx hansa.Tx, from, to int64) (int64, error) {
	if from >= to {
		return from, nil
	}
	lines, err := readLines(tx, `idx >= ? AND idx < ?`, int(to-from), from, to)
	if err != nil {
		return from, err
	}
	start := tlog.StoredHashIndex(0, from)
	have := make([]tlog.Hash, tlog.StoredHashIndex(0, to)-start)
	if err := readHashes(tx, start, have); err != nil {
		return from, err
	}
	below := hashReader(tx)
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			if x >= start {
				out[i] = have[x-start]
				continue
			}
			h, err := below([]int64{x})
			if err != nil {
				return nil, err
			}
			out[i] = h[0]
		}
		return out, nil
	})
	for i, line := range lines {
		if line.Index != from+int64(i) {
			return from, corrupt("entry %d of the journal is missing", from+int64(i))
		}
		at := tlog.StoredHashIndex(0, line.Index) - start
		if err := line.check(have[at]); err != nil {
			return line.Index, err
		}
		want, err := tlog.StoredHashesForRecordHash(line.Index, have[at], reader)
		if err != nil {
			return line.Index, corruptOr(err)
		}
		if !slices.Equal(want, have[at:at+int64(len(want))]) {
			return line.Index, corrupt("the stored hashes above entry %d do not follow from it", line.Index)
		}
		if err := walkContent(tx, line); err != nil {
			return line.Index, err
		}
	}
	if int64(len(lines)) != to-from {
		return from, corrupt("entry %d of the journal is missing", from+int64(len(lines)))
	}
	return to, nil
}

func walkContent(tx hansa.Tx, line Line) error {
	if line.Kind == kindBatch {
		_, err := readBatch(tx, line.ID)
		if err != nil && hansa.KindOf(err) == hansa.NotFound {
			return corrupt("the leaves of batch %s, entry %d, are missing", line.ID, line.Index)
		}
		return err
	}
	_, err := readAct(tx, line.ID)
	if err != nil && hansa.KindOf(err) == hansa.NotFound {
		return nil // an entry without content of its own
	}
	return err
}

func corruptOr(err error) error {
	if hansa.Public(err).Code == hansa.CodeCorrupt {
		return err
	}
	return corrupt("the journal's stored hashes are damaged: %v", err)
}
