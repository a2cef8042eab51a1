package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/store"
)

func open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hansa.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	err = s.Migrate(t.Context(), []hansa.Migration{{Room: "test", Number: 1, Statements: []string{`CREATE TABLE thing (id TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL)`}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func things(t testing.TB, s *store.Store) (n int) {
	t.Helper()
	err := s.Read(t.Context(), func(tx hansa.Tx) error { return tx.QueryRow(`SELECT count(*) FROM thing`).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWrite(t *testing.T) {
	s := open(t)
	boom := errors.New("boom")
	var wg sync.WaitGroup
	var kept atomic.Int64
	for i := range 200 {
		wg.Go(func() {
			err := s.Write(t.Context(), func(tx hansa.Tx) error {
				if _, err := tx.Exec(`INSERT INTO thing VALUES (?, ?)`, fmt.Sprint(i), i); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return boom
				case 2:
					panic("a change that panics")
				}
				return nil
			})
			switch i % 4 {
			case 1:
				if !errors.Is(err, boom) {
					t.Errorf("caller %d got %v, want its own error", i, err)
				}
			case 2:
				if err == nil {
					t.Errorf("caller %d panicked and was told success", i)
				}
			default:
				if err != nil {
					t.Errorf("caller %d got %v", i, err)
				}
				kept.Add(1)
			}
		})
	}
	wg.Wait()
	if got, want := things(t, s), int(kept.Load()); got != want {
		t.Errorf("%d things are there, want the %d whose callers were told success", got, want)
	}
}

func TestReadChangesNothing(t *testing.T) {
	s := open(t)
	err := s.Read(t.Context(), func(tx hansa.Tx) error {
		_, err := tx.Exec(`INSERT INTO thing VALUES ('x', 1)`)
		return err
	})
	if err == nil || things(t, s) != 0 {
		t.Errorf("a read wrote: %v", err)
	}
}

func TestOneProcess(t *testing.T) {
	s := open(t)
	_, err := store.Open(t.Context(), s.Path(), store.Config{})
	if hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("a second opener got %v, want a conflict", err)
	}
}

func TestNewerSchemaIsRefusedByName(t *testing.T) {
	s := open(t)
	err := s.Migrate(t.Context(), []hansa.Migration{{Room: "other", Number: 1, Statements: []string{`CREATE TABLE o (x TEXT)`}}})
	if hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("an older build opened a newer database: %v", err)
	}
}

func TestMigrationIsWhole(t *testing.T) {
	s := open(t)
	list := []hansa.Migration{
		{Room: "test", Number: 1},
		{Room: "test", Number: 2, Statements: []string{`CREATE TABLE half (x TEXT)`, `this is no SQL`}},
	}
	if err := s.Migrate(t.Context(), list); err == nil {
		t.Fatal("a broken migration succeeded")
	}
	err := s.Read(t.Context(), func(tx hansa.Tx) error {
		var n int
		return tx.QueryRow(`SELECT count(*) FROM half`).Scan(&n)
	})
	if err == nil {
		t.Error("half of a migration is there")
	}
	list[1].Statements = list[1].Statements[:1]
	if err := s.Migrate(t.Context(), list); err != nil {
		t.Errorf("the mended migration: %v", err)
	}
}

func TestBackupAndRestore(t *testing.T) {
	s := open(t)
	ctx, stop := context.WithCancel(t.Context())
	var acked atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				err := s.Write(t.Context(), func(tx hansa.Tx) error {
					_, err := tx.Exec(`INSERT INTO thing VALUES (?, ?)`, fmt.Sprint(w, "-", i), i)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				acked.Add(1)
			}
		})
	}
	for acked.Load() < 200 {
		time.Sleep(time.Millisecond)
	}
	before := acked.Load()
	dir := t.TempDir()
	backup := filepath.Join(dir, "backup.db")
	err := s.Backup(t.Context(), backup)
	stop()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(t.Context(), backup); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("a backup overwrote a file: %v", err)
	}
	target := filepath.Join(dir, "new", "hansa.db")
	if err := store.Restore(t.Context(), backup, target, time.Now()); err != nil {
		t.Fatal(err)
	}
	r, err := store.Open(t.Context(), target, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := things(t, r); int64(got) < before {
		t.Errorf("%d things restored, want at least the %d acknowledged before the backup", got, before)
	}
	was, err := s.Epochs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	is, err := r.Epochs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(is) != len(was)+1 || is[len(is)-1].ID == was[len(was)-1].ID {
		t.Errorf("epochs %v after %v, want one more", is, was)
	}
	if err := store.Restore(t.Context(), backup, target, time.Now()); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("a restore overwrote a database: %v", err)
	}
}

func TestLease(t *testing.T) {
	s := open(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	claim := func(holder string, at time.Time) (fence int64, ok bool) {
		t.Helper()
		err := s.Write(t.Context(), func(tx hansa.Tx) (err error) {
			fence, ok, err = store.Lease(tx, "seal", holder, at, time.Minute)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return fence, ok
	}
	first, ok := claim("a", now)
	if !ok {
		t.Fatal("a free lease was refused")
	}
	if _, ok := claim("b", now.Add(30*time.Second)); ok {
		t.Error("a held lease changed hands")
	}
	second, ok := claim("b", now.Add(61*time.Second))
	if !ok || second <= first {
		t.Errorf("an ended lease: ok %v, fence %d after %d, want it higher", ok, second, first)
	}
}

func BenchmarkWrite50(b *testing.B) {
	s := open(b)
	var n atomic.Int64
	b.SetParallelism(25)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id := fmt.Sprint(n.Add(1))
			err := s.Write(b.Context(), func(tx hansa.Tx) error {
				_, err := tx.Exec(`INSERT INTO thing VALUES (?, ?)`, id, 1)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestManyReadersAtOnce begins more views than there are connections, each with a
// statement that nobody has prepared: none may wait for another's connection.
func TestManyReadersAtOnce(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			err := s.Read(t.Context(), func(tx hansa.Tx) error {
				var n int
				time.Sleep(time.Millisecond)
				return tx.QueryRow(fmt.Sprintf(`SELECT count(*) + %d FROM thing`, i)).Scan(&n)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
