package stream_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
)

// TestSealersDoNotMeet: whoever seals while another does finds it done; nobody is
// told of a conflict, and each record is sealed once.
func TestSealersDoNotMeet(t *testing.T) {
	b := fresh(t)
	for round := range 20 {
		if _, err := b.s.Of(city).Append(t.Context(), data, []*hansa.Record{record(fmt.Sprint("s", round), 1, "x")}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		total := 0
		for range 4 {
			wg.Go(func() {
				n, err := b.s.Seal(t.Context(), time.Now())
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				total += n
				mu.Unlock()
			})
		}
		wg.Wait()
		if total != 1 {
			t.Fatalf("round %d sealed %d records, want 1", round, total)
		}
	}
}
