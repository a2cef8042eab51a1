package journal

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hansa-exchange/hansa"
)

// CheckpointBytesMax bounds a checkpoint that is read, witnesses' signatures included.
const CheckpointBytesMax = 16 << 10

// Checkpoint says how large a log is and what its root is. It is worth as much as
// the signature it was opened with.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   hansa.Hash
}

// text is the body of the signed note (C2SP tlog-checkpoint).
func (c *Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// ParseCheckpoint reads a checkpoint's body without its signature: what it says is
// worth nothing yet. Extension lines and signatures are allowed and ignored, so
// that the size of a saved checkpoint can be read before a bundle is asked for.
func ParseCheckpoint(text string) (Checkpoint, error) {
	var c Checkpoint
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] == "" || lines[len(lines)-1] != "" {
		return c, hansa.Errorf(hansa.Invalid, "a checkpoint has three lines: origin, size and root")
	}
	c.Origin = lines[0]
	n, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != lines[1] {
		return c, hansa.Errorf(hansa.Invalid, "a checkpoint's second line is its size, not %.40q", lines[1])
	}
	c.Size = n
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize || base64.StdEncoding.EncodeToString(root) != lines[2] {
		return c, hansa.Errorf(hansa.Invalid, "a checkpoint's third line is its root in base64, not %.60q", lines[2])
	}
	c.Root = hansa.Hash(root)
	return c, nil
}

// openCheckpoint returns the checkpoint in a signed note. One of the verifiers
// must have signed it, and be named as its origin.
func openCheckpoint(signed []byte, verifiers ...note.Verifier) (Checkpoint, error) {
	if len(signed) > CheckpointBytesMax {
		return Checkpoint{}, hansa.Errorf(hansa.Invalid, "a checkpoint has at most %d bytes, not %d", CheckpointBytesMax, len(signed))
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		return Checkpoint{}, hansa.Errorf(hansa.Invalid, "the checkpoint's signature: %w", err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return c, err
	}
	for _, s := range n.Sigs {
		// The library reads base64 leniently; a checkpoint has one form only.
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); s.Name == c.Origin && err == nil {
			return c, nil
		}
	}
	return c, hansa.Errorf(hansa.Invalid, "the checkpoint of %q is not signed by its own origin", c.Origin)
}

// Checkpoint returns a signed checkpoint in the form of C2SP tlog-checkpoint. A
// new one is made when the log has grown, at most once a second; it is durable
// before it is returned.
func (l *Log) Checkpoint(ctx context.Context) ([]byte, error) {
	return l.checkpoint(ctx, 0)
}

// checkpoint returns a checkpoint of at least min entries.
func (l *Log) checkpoint(ctx context.Context, least int64) ([]byte, error) {
	var last stored
	var h head
	err := l.db.Read(ctx, func(tx hansa.Tx) (err error) {
		if h, err = readHead(tx); err != nil {
			return err
		}
		last, err = lastCheckpoint(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	now := l.cfg.Now()
	age := now.UnixMilli() - last.at
	fresh := last.note != nil && (last.size == h.size || age >= 0 && age < checkpointEvery && last.size >= least)
	if fresh {
		return last.note, nil
	}
	var signed []byte
	err = l.db.Write(ctx, func(tx hansa.Tx) (err error) {
		signed, err = l.sign(tx, now)
		return err
	})
	return signed, err
}

// sign signs the head as tx sees it and keeps the note.
func (l *Log) sign(tx hansa.Tx, now time.Time) ([]byte, error) {
	h, err := readHead(tx)
	if err != nil {
		return nil, err
	}
	last, err := lastCheckpoint(tx)
	if err != nil {
		return nil, err
	}
	switch {
	case last.note != nil && last.size == h.size:
		return last.note, nil
	case last.note != nil && last.size > h.size:
		return nil, corrupt("the journal has %d entries, but a checkpoint of %d was signed", h.size, last.size)
	}
	c := Checkpoint{Origin: l.cfg.Origin, Size: h.size, Root: hansa.Hash(h.root())}
	signed, err := note.Sign(&note.Note{Text: c.text()}, l.cfg.Signer)
	if err != nil {
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	if _, err := tx.Exec(`INSERT INTO journal_checkpoints (size, at, note) VALUES (?, ?, ?)`, h.size, now.UnixMilli(), signed); err != nil {
		return nil, fmt.Errorf("keep a checkpoint: %w", err)
	}
	_, err = tx.Exec(`DELETE FROM journal_checkpoints WHERE size <= (
		SELECT size FROM journal_checkpoints ORDER BY size DESC LIMIT 1 OFFSET ?)`, CheckpointsMax)
	if err != nil {
		return nil, fmt.Errorf("drop old checkpoints: %w", err)
	}
	return signed, nil
}

// stored is a checkpoint as it is kept; note is nil when there is none.
type stored struct {
	size, at int64
	note     []byte
}

func lastCheckpoint(tx hansa.Tx) (s stored, err error) {
	err = tx.QueryRow(`SELECT size, at, note FROM journal_checkpoints ORDER BY size DESC LIMIT 1`).Scan(&s.size, &s.at, &s.note)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("read the last checkpoint: %w", err)
	}
	return s, nil
}

// Consistency returns the proof that the log's first size entries are a tree of
// size old grown further. Sizes outside the log are Invalid.
func (l *Log) Consistency(ctx context.Context, old, size int64) (proof []hansa.Hash, err error) {
	err = l.db.Read(ctx, func(tx hansa.Tx) error {
		proof, err = proveConsistency(tx, old, size)
		return err
	})
	return proof, err
}

func proveConsistency(tx hansa.Tx, old, size int64) ([]hansa.Hash, error) {
	h, err := readHead(tx)
	if err != nil {
		return nil, err
	}
	if old < 0 || old > size || size > h.size {
		return nil, hansa.Errorf(hansa.Invalid, "there is no proof from %d to %d in a log of %d entries", old, size, h.size)
	}
	if old == 0 || old == size {
		return []hansa.Hash{}, nil
	}
	p, err := tlog.ProveTree(size, old, hashReader(tx))
	if err != nil {
		return nil, fmt.Errorf("prove consistency: %w", err)
	}
	return toHashes(p), nil
}

// Inclusion returns the proof that entry index is in the tree of size.
func (l *Log) Inclusion(ctx context.Context, size, index int64) (proof []hansa.Hash, err error) {
	err = l.db.Read(ctx, func(tx hansa.Tx) error {
		h, err := readHead(tx)
		if err != nil {
			return err
		}
		if index < 0 || index >= size || size > h.size {
			return hansa.Errorf(hansa.Invalid, "there is no entry %d in a tree of %d; the log has %d", index, size, h.size)
		}
		p, err := tlog.ProveRecord(size, index, hashReader(tx))
		if err != nil {
			return fmt.Errorf("prove inclusion: %w", err)
		}
		proof = toHashes(p)
		return nil
	})
	return proof, err
}

// Tile returns a hash tile by its C2SP tlog-tiles path, tile/L/N or
// tile/L/N.p/W, 256 hashes wide. A tile that the log does not reach yet, or a
// path that is none, is NotFound. Entry tiles are not served: an entry is read
// only by those whom it concerns, through [Log.Entries].
func (l *Log) Tile(ctx context.Context, path string) (tile []byte, err error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	t, perr := tlog.ParseTilePath("tile/8/" + rest)
	if !ok || perr != nil || t.L < 0 || t.L > 7 {
		return nil, hansa.Errorf(hansa.NotFound, "there is no tile %.100q", path)
	}
	err = l.db.Read(ctx, func(tx hansa.Tx) error {
		h, err := readHead(tx)
		if err != nil {
			return err
		}
		if complete := h.size >> (8 * uint(t.L)); t.N > complete>>8 || t.N<<8+int64(t.W) > complete {
			return hansa.Errorf(hansa.NotFound, "the log does not reach tile %q yet", path)
		}
		tile, err = tlog.ReadTileData(t, hashReader(tx))
		if err != nil {
			return fmt.Errorf("read tile %s: %w", path, err)
		}
		return nil
	})
	return tile, err
}

func toHashes(in []tlog.Hash) []hansa.Hash {
	out := make([]hansa.Hash, len(in))
	for i, h := range in {
		out[i] = hansa.Hash(h)
	}
	return out
}

func fromHashes(in []hansa.Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(in))
	for i, h := range in {
		out[i] = tlog.Hash(h)
	}
	return out
}
