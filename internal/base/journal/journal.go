// Package journal is the append-only Merkle log that proves what was done. It
// holds kinds, times, opaque ids and salted commitments, never content or names,
// so that what it commits to can be erased while every proof still stands.
//
// Appending joins the caller's transaction: an entry is there exactly when the
// change that it proves is. Tables are the truth; the journal is evidence.
package journal

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hansa-exchange/hansa"
)

// Limits of the journal.
const (
	EntryBytesMax   = 8 << 10  // of one entry's data
	LeavesMax       = 1 << 16  // facts sealed by one batch
	DocBytesMax     = 1 << 20  // of one act's document
	PageMax         = 1000     // entries handed out at once
	CheckpointsMax  = 1024     // signed checkpoints kept; any older one can be signed again
	checkpointEvery = 1000     // milliseconds between two new checkpoints
	kindBatch       = "batch"  // the entry of a sealed batch
	kindErased      = "erased" // the entry of an erasure
	kindEpoch       = "epoch"  // the entry of a restore
	timeLayout      = "2006-01-02T15:04:05.000Z"
)

// Config is what a journal needs besides its database.
type Config struct {
	// Origin names the log in checkpoints: the node's DID or host. It must equal
	// the signer's name.
	Origin string
	// Signer signs checkpoints and epoch entries with the node key.
	Signer note.Signer
	// VerifierKey is the signer's public half as a note verifier key line.
	VerifierKey string
	// Now is the clock that checkpoints are paced by.
	Now func() time.Time
}

// Log is one node's journal. Its methods may be called from many goroutines.
type Log struct {
	db       hansa.DB
	cfg      Config
	verifier note.Verifier
	last     atomic.Pointer[head] // as it was written last, by a transaction that may have been undone
}

var _ hansa.Sealer = (*Log)(nil)

// New returns the journal in db. It reads nothing: [Log.Recover] checks what is there.
func New(db hansa.DB, cfg Config) (*Log, error) {
	switch {
	case db == nil || cfg.Signer == nil || cfg.Now == nil:
		return nil, errors.New("journal: a database, a signer and a clock are needed")
	case cfg.Origin != cfg.Signer.Name():
		return nil, hansa.Errorf(hansa.Invalid, "the node key is named %q, but the node is %q", cfg.Signer.Name(), cfg.Origin).
			WithHint("a node key belongs to one node: start with the host it was made for, or in a new data directory")
	}
	v, err := note.NewVerifier(cfg.VerifierKey)
	if err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "the node's verifier key is malformed: %w", err)
	}
	if v.Name() != cfg.Signer.Name() || v.KeyHash() != cfg.Signer.KeyHash() {
		return nil, hansa.Errorf(hansa.Invalid, "the verifier key and the node key are not of one pair")
	}
	return &Log{db: db, cfg: cfg, verifier: v}, nil
}

// Origin returns the log's name.
func (l *Log) Origin() string { return l.cfg.Origin }

// VerifierKey returns the line that a verifier keeps to trust this log.
func (l *Log) VerifierKey() string { return l.cfg.VerifierKey }

// Size returns the number of entries now.
func (l *Log) Size(ctx context.Context) (int64, error) {
	var size int64
	err := l.db.Read(ctx, func(tx hansa.Tx) error {
		h, err := readHead(tx)
		size = h.size
		return err
	})
	return size, err
}

// Migrations returns the room's tables.
func Migrations() []hansa.Migration {
	return []hansa.Migration{{Room: "journal", Number: 1, Statements: []string{
		`CREATE TABLE journal_head (
			id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
			size BIGINT NOT NULL,
			peaks BYTEA NOT NULL)`,
		`CREATE TABLE journal_hashes (
			idx BIGINT NOT NULL PRIMARY KEY,
			hash BYTEA NOT NULL)`,
		`CREATE TABLE journal_entries (
			idx BIGINT NOT NULL PRIMARY KEY,
			id TEXT NOT NULL UNIQUE,
			party TEXT NOT NULL,
			kind TEXT NOT NULL,
			at BIGINT NOT NULL,
			data BYTEA NOT NULL)`,
		`CREATE INDEX journal_entries_party ON journal_entries (party, idx)`,
		`CREATE INDEX journal_entries_kind ON journal_entries (kind, idx)`,
		`CREATE TABLE journal_batches (
			id TEXT NOT NULL PRIMARY KEY,
			party TEXT NOT NULL,
			kind TEXT NOT NULL,
			subject TEXT NOT NULL,
			entry BIGINT NOT NULL UNIQUE,
			leaves BYTEA NOT NULL)`,
		`CREATE TABLE journal_acts (
			id TEXT NOT NULL PRIMARY KEY,
			party TEXT NOT NULL,
			kind TEXT NOT NULL,
			entry BIGINT NOT NULL UNIQUE,
			salt BYTEA,
			doc BYTEA)`,
		`CREATE INDEX journal_acts_party ON journal_acts (party, entry)`,
		`CREATE TABLE journal_erasures (
			source TEXT NOT NULL,
			position BIGINT NOT NULL,
			party TEXT NOT NULL,
			entry BIGINT NOT NULL,
			PRIMARY KEY (source, position))`,
		`CREATE TABLE journal_checkpoints (
			size BIGINT NOT NULL PRIMARY KEY,
			at BIGINT NOT NULL,
			note BYTEA NOT NULL)`,
	}}}
}
