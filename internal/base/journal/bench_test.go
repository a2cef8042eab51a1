package journal_test

import (
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
)

// BenchmarkSeal shows what a batch of 256 facts costs within a transaction, in a
// log that has 10,000 entries already.
func BenchmarkSeal(b *testing.B) {
	w := newWorld(b)
	w.write(func(tx hansa.Tx) error {
		for range 10_000 {
			if _, err := w.log.Append(tx, journal.Entry{Kind: "note", At: w.now}); err != nil {
				return err
			}
		}
		return nil
	})
	batch := hansa.Batch{Kind: hansa.FactDelivery, Leaves: make([]hansa.Hash, 256), At: w.now}
	b.ReportAllocs()
	w.write(func(tx hansa.Tx) error {
		for b.Loop() {
			if _, err := w.log.Seal(tx, batch); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkAppend(b *testing.B) {
	w := newWorld(b)
	w.write(func(tx hansa.Tx) error {
		for b.Loop() {
			if _, err := w.log.Append(tx, journal.Entry{Kind: "note", At: w.now}); err != nil {
				return err
			}
		}
		return nil
	})
}
