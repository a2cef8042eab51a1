package node

import (
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// BenchmarkNegotiate makes complete negotiations between two nodes of one process,
// 32 at once, by static tokens.
func BenchmarkNegotiate(b *testing.B) {
	dir := b.TempDir()
	one, err := openPairNode(b.Context(), dir, "provider")
	if err != nil {
		b.Fatal(err)
	}
	two, err := openPairNode(b.Context(), dir, "consumer")
	if err != nil {
		b.Fatal(err)
	}
	for _, x := range []struct{ of, to *pairNode }{{one, two}, {two, one}} {
		if err := x.of.meet(b.Context(), side{URL: x.to.url, ID: x.to.id}, pairToken); err != nil {
			b.Fatal(err)
		}
	}
	rules, err := json.Marshal(pairPolicy())
	if err != nil {
		b.Fatal(err)
	}
	order := &api.NegotiationOrder{Peer: "other", Offer: pairOffer, Target: named("dataset", "provider"), Policy: rules}
	b.ResetTimer()
	var wg sync.WaitGroup
	work := make(chan struct{})
	for range pairWorkers {
		wg.Go(func() {
			for range work {
				if err := two.one(b.Context(), order); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	b.StopTimer()
	for _, x := range []*pairNode{one, two} {
		if err := x.stop(); err != nil {
			b.Error(err)
		}
	}
}
