package journal_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/store"
)

// TestOnTheStore runs many writers, some of whom give up, beside one who signs
// and proves, on the node's own database.
func TestOnTheStore(t *testing.T) {
	w := newWorld(t)
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hansa.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context(), journal.Migrations()); err != nil {
		t.Fatal(err)
	}
	l := w.open(s)
	const writers, each = 16, 20
	var mu sync.Mutex
	var refs []journal.FactRef
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				ref := journal.FactRef{Kind: hansa.FactRecord, Salt: hansa.NewSalt(), Doc: fmt.Appendf(nil, `{"n":"%d-%d"}`, i, j)}
				err := s.Write(t.Context(), func(tx hansa.Tx) (err error) {
					ref.Batch, err = l.Seal(tx, hansa.Batch{Kind: ref.Kind, At: w.now, Leaves: []hansa.Hash{hansa.Leaf(ref.Kind, ref.Salt, ref.Doc)}})
					if err == nil && j%5 == 4 {
						err = hansa.Errorf(hansa.Conflict, "gives up")
					}
					return err
				})
				switch {
				case j%5 == 4 && err == nil:
					t.Error("who gave up was told of success")
				case j%5 != 4 && err != nil:
					t.Error(err)
				case err == nil:
					mu.Lock()
					refs = append(refs, ref)
					mu.Unlock()
				}
			}
		})
	}
	for range 10 {
		if _, err := l.Checkpoint(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if err := l.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if next, size, err := l.Walk(t.Context(), 0, 0); err != nil || next != size || size != writers*each*4/5 {
		t.Errorf("got %d of %d, %v", next, size, err)
	}
	b, err := l.Bundle(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := journal.Verify(b, w.trust()); err != nil || len(r.Facts) != writers*each*4/5 {
		t.Errorf("got %d facts, %v", len(r.Facts), err)
	}
}
