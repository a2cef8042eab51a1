// Package trust knows who is calling and who signs: the node's key, parties, their
// credentials, public keys and users, with the links, passwords and sessions by
// which people come in. What it does not know it denies; secrets are kept
// as hashes and shown once, and public keys are kept for ever.
package trust

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Limits of the registry.
const (
	PartiesMax     = 10_000 // on one node
	CredentialsMax = 256    // of one party, revoked and expired ones not counted
	KeysMax        = 256    // of one party, old ones counted: they are kept for ever
	PurposesMax    = 64     // of one credential or header
)

// Journal is what the registry tells of keys and credentials.
type Journal interface {
	// Act appends what was done as one entry and returns its id.
	Act(tx hansa.Tx, party hansa.PartyID, kind string, doc []byte, now time.Time) (id string, err error)
}

// Vault seals secrets at rest; bound ties a sealed secret to its place.
type Vault interface {
	Seal(plain []byte, bound string) ([]byte, error)
	Open(sealed []byte, bound string) ([]byte, error)
}

// Config is what a registry needs besides its database.
type Config struct {
	// Journal hears of every registration, rotation and revocation.
	Journal Journal
	// Vault seals what peers ask for and the private keys of parties; without it
	// neither can be kept.
	Vault Vault
	// Now is the clock that expiry and last use are measured by.
	Now func() time.Time
}

// Registry knows the parties of a node, their credentials, keys and users. Its
// methods may be called from many goroutines.
type Registry struct {
	db      hansa.DB
	cfg     Config
	hashers hashers
	tries   *attempts

	// known is what the hot path reads; nil makes the next reader load it.
	known atomic.Pointer[snapshot]
	// changes counts changes, so that a load that began before one is not kept.
	changes atomic.Uint64

	making sync.Mutex // held while a party's first key is made

	mu   sync.Mutex // guards loading, that many readers cause one load, and last
	last *snapshot  // the one dropped: the next load takes over its last uses
}

// New returns the registry in db. Nothing is read before it is needed.
func New(db hansa.DB, cfg Config) (*Registry, error) {
	if db == nil || cfg.Journal == nil || cfg.Now == nil {
		return nil, errors.New("trust: a database, a journal and a clock are needed")
	}
	return &Registry{db: db, cfg: cfg, hashers: make(hashers, hashersMax), tries: newAttempts()}, nil
}

// Change runs f in a transaction and makes what it changed known at once: when
// Change returns, a revoked credential is refused. All methods that take a Tx
// belong inside it; after one in another transaction, call [Registry.Forget].
func (r *Registry) Change(ctx context.Context, f func(hansa.Tx) error) error {
	defer r.Forget() // also after an error: whether it was committed may be unknown
	return r.db.Write(ctx, f)
}

// Forget drops what is held in memory; the next caller reads the tables again.
func (r *Registry) Forget() {
	r.changes.Add(1)
	old := r.known.Swap(nil)
	if old == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = old
	if now := r.known.Load(); now != nil {
		now.inheritUses(old) // it is read already
	}
}

// Migrations returns the room's tables.
func Migrations() []hansa.Migration {
	return append([]hansa.Migration{{Room: "trust", Number: 1, Statements: []string{
		`CREATE TABLE trust_parties (
			id TEXT NOT NULL PRIMARY KEY,
			name TEXT NOT NULL UNIQUE,
			opaque_id TEXT NOT NULL UNIQUE,
			doc BYTEA NOT NULL,
			sum BYTEA NOT NULL)`,
		`CREATE TABLE trust_credentials (
			id TEXT NOT NULL PRIMARY KEY,
			party TEXT NOT NULL REFERENCES trust_parties (id),
			secret BYTEA NOT NULL UNIQUE,
			doc BYTEA NOT NULL,
			sum BYTEA NOT NULL,
			last_used BIGINT NOT NULL DEFAULT 0)`,
		`CREATE INDEX trust_credentials_party ON trust_credentials (party)`,
		`CREATE TABLE trust_keys (
			party TEXT NOT NULL REFERENCES trust_parties (id),
			kid TEXT NOT NULL,
			doc BYTEA NOT NULL,
			sum BYTEA NOT NULL,
			PRIMARY KEY (party, kid))`,
		`CREATE TABLE trust_cutoff (
			id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
			at BIGINT NOT NULL)`,
	}}, {Room: "trust", Number: 2, Statements: []string{
		`CREATE TABLE trust_users (
			id TEXT NOT NULL PRIMARY KEY,
			party TEXT NOT NULL REFERENCES trust_parties (id),
			password TEXT NOT NULL,
			doc BYTEA NOT NULL,
			sum BYTEA NOT NULL,
			last_seen BIGINT NOT NULL DEFAULT 0)`,
		`CREATE INDEX trust_users_party ON trust_users (party)`,
		`CREATE TABLE trust_links (
			id TEXT NOT NULL PRIMARY KEY,
			person TEXT NOT NULL REFERENCES trust_users (id),
			token BYTEA NOT NULL UNIQUE,
			doc BYTEA NOT NULL,
			sum BYTEA NOT NULL)`,
		`CREATE INDEX trust_links_person ON trust_links (person)`,
		`CREATE TABLE trust_sessions (
			id TEXT NOT NULL PRIMARY KEY,
			person TEXT NOT NULL REFERENCES trust_users (id),
			token BYTEA NOT NULL UNIQUE,
			doc BYTEA NOT NULL,
			sum BYTEA NOT NULL,
			last_seen BIGINT NOT NULL)`,
		`CREATE INDEX trust_sessions_person ON trust_sessions (person)`,
	}}, {Room: "trust", Number: 3, Statements: []string{
		`CREATE TABLE trust_identities (
			issuer TEXT NOT NULL,
			subject TEXT NOT NULL,
			doc BYTEA NOT NULL,
			sum BYTEA NOT NULL,
			PRIMARY KEY (issuer, subject))`,
	}}}, later()...)
}

// later are the tables of peers and of keys that the node holds.
func later() []hansa.Migration {
	return []hansa.Migration{{Room: "trust", Number: 4, Statements: []string{
		`CREATE TABLE trust_peers (
			owner TEXT NOT NULL REFERENCES trust_parties (id),
			id TEXT NOT NULL REFERENCES trust_parties (id),
			secret BYTEA NOT NULL,
			doc BYTEA NOT NULL,
			sum BYTEA NOT NULL,
			PRIMARY KEY (owner, id))`,
	}}, {Room: "trust", Number: 5, Statements: []string{
		`CREATE TABLE trust_private_keys (
			party TEXT NOT NULL,
			kid TEXT NOT NULL,
			sealed BYTEA NOT NULL,
			sum BYTEA NOT NULL,
			PRIMARY KEY (party, kid),
			FOREIGN KEY (party, kid) REFERENCES trust_keys (party, kid))`,
	}}}
}

// seal encodes a row's document and its checksum, which binds the row's keys too.
func seal(v any, keys ...string) (doc, sum []byte, err error) {
	doc, err = json.Marshal(v)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a row: %w", err)
	}
	return doc, rowSum(doc, keys), nil
}

// unseal checks a row read from the table and decodes it into v.
func unseal(what string, doc, sum []byte, v any, keys ...string) error {
	if subtle.ConstantTimeCompare(rowSum(doc, keys), sum) != 1 {
		return hansa.Errorf(hansa.Internal, "a stored %s does not match its checksum", what).With(hansa.CodeCorrupt)
	}
	if err := json.Unmarshal(doc, v, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("decode a stored %s: %w", what, err)
	}
	return nil
}

func rowSum(doc []byte, keys []string) []byte {
	h := sha256.New()
	for _, k := range keys {
		_, _ = fmt.Fprintf(h, "%d:%s", len(k), k) // a hash takes everything
	}
	h.Write(doc)
	return h.Sum(nil)
}

// load returns what is known, reading the tables when something changed.
func (r *Registry) load(ctx context.Context) (*snapshot, error) {
	if s := r.known.Load(); s != nil {
		return s, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.known.Load(); s != nil {
		return s, nil
	}
	before := r.changes.Load()
	var s *snapshot
	err := r.db.Read(ctx, func(tx hansa.Tx) error {
		s = newSnapshot()
		return s.read(tx, r.cfg.Vault)
	})
	if err != nil {
		return nil, err
	}
	if r.last != nil {
		s.inherit(r.last)
	}
	// A change that came in between is not in s: use it once, keep it not. The
	// caller asked before the change was told.
	if r.changes.Load() == before {
		r.known.Store(s)
		if r.changes.Load() != before {
			r.known.CompareAndSwap(s, nil)
		}
	}
	return s, nil
}

func count(tx hansa.Tx, query string, args ...any) (n int, err error) {
	if err := tx.QueryRow(query, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count rows: %w", err)
	}
	return n, nil
}

// journal tells of one change; v is its document.
func (r *Registry) journal(tx hansa.Tx, party hansa.PartyID, kind string, v any, now time.Time) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode an act: %w", err)
	}
	if _, err := r.cfg.Journal.Act(tx, party, kind, doc, now); err != nil {
		return fmt.Errorf("journal %s: %w", kind, err)
	}
	return nil
}
