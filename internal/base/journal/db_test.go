package journal_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	_ "modernc.org/sqlite" // the tests' own small database

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
)

const origin = "city.example"

// plainDB is the smallest database that keeps the contract of hansa.DB.
type plainDB struct {
	mu sync.Mutex // one at a time
	db *sql.DB
}

func openDB(t testing.TB) *plainDB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "test.db")+"?_pragma=journal_mode(wal)&_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	for _, m := range journal.Migrations() {
		for _, s := range m.Statements {
			if _, err := db.Exec(s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	return &plainDB{db: db}
}

func (p *plainDB) run(ctx context.Context, f func(hansa.Tx) error, keep bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil || !keep {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

func (p *plainDB) Write(ctx context.Context, f func(hansa.Tx) error) error {
	return p.run(ctx, f, true)
}

func (p *plainDB) Read(ctx context.Context, f func(hansa.Tx) error) error {
	return p.run(ctx, f, false)
}

// world is a journal with a clock that stands still until it is moved.
type world struct {
	testing.TB
	db   *plainDB
	log  *journal.Log
	now  time.Time
	skey string
	vkey string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, db: openDB(t), now: time.Date(2023, 7, 10, 12, 0, 0, 0, time.UTC), skey: skey, vkey: vkey}
	w.log = w.open(w.db)
	return w
}

func (w *world) open(db hansa.DB) *journal.Log {
	w.Helper()
	signer, err := note.NewSigner(w.skey)
	if err != nil {
		w.Fatal(err)
	}
	l, err := journal.New(db, journal.Config{Origin: origin, Signer: signer, VerifierKey: w.vkey, Now: func() time.Time { return w.now }})
	if err != nil {
		w.Fatal(err)
	}
	return l
}

func (w *world) write(f func(hansa.Tx) error) {
	w.Helper()
	w.now = w.now.Add(time.Second)
	if err := w.db.Write(w.Context(), f); err != nil {
		w.Fatal(err)
	}
}

// seal seals n made-up facts and returns what proves them.
func (w *world) seal(kind hansa.FactKind, n int) []journal.FactRef {
	w.Helper()
	refs := make([]journal.FactRef, n)
	b := hansa.Batch{Party: "did:web:city.example", Kind: kind, Subject: "s", At: w.now}
	for i := range refs {
		refs[i] = journal.FactRef{Kind: kind, Position: int64(i), Salt: hansa.NewSalt(), Doc: fmt.Appendf(nil, `{"record":"r%d","at":%q}`, i, w.now)}
		b.Leaves = append(b.Leaves, hansa.Leaf(kind, refs[i].Salt, refs[i].Doc))
	}
	w.write(func(tx hansa.Tx) error {
		id, err := w.log.Seal(tx, b)
		for i := range refs {
			refs[i].Batch = id
		}
		return err
	})
	return refs
}

func (w *world) act(kind, doc string) string {
	w.Helper()
	var id string
	w.write(func(tx hansa.Tx) (err error) {
		id, err = w.log.Act(tx, "did:web:city.example", kind, []byte(doc), w.now)
		return err
	})
	return id
}

func (w *world) bundle(refs []journal.FactRef, since ...int64) []byte {
	w.Helper()
	b, err := w.log.Bundle(w.Context(), refs, since...)
	if err != nil {
		w.Fatal(err)
	}
	return b
}

func (w *world) trust() journal.Trust { return journal.Trust{Keys: []string{w.vkey}} }
