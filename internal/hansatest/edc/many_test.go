package edc

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// How many agreements are asked for, and by how many at once.
const (
	many   = 300
	askers = 16
)

// crowd has askers ask until many have been asked for.
func (b both) crowd(ask func(ctx context.Context) error) {
	b.Helper()
	var wg sync.WaitGroup
	left := make(chan struct{}, many)
	for range many {
		left <- struct{}{}
	}
	close(left)
	for range askers {
		wg.Go(func() {
			for range left {
				if err := ask(b.Context()); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// settles waits until both sides have all of them final, and says how it went.
func (b both) settles(who string, began time.Time, before [2]map[string]int, states func() [2]map[string]int) {
	b.Helper()
	ctx, stop := context.WithTimeout(b.Context(), 2*time.Minute)
	defer stop()
	for {
		now := states()
		if now[0]["FINALIZED"]-before[0]["FINALIZED"] == many && now[1]["FINALIZED"]-before[1]["FINALIZED"] == many {
			took := time.Since(began)
			b.Logf("%d negotiations, %d at once, %s: %.1f s, %.0f a second", many, askers, who, took.Seconds(), many/took.Seconds())
			return
		}
		select {
		case <-ctx.Done():
			b.Fatalf("%s: before %v, and now %v; of the node's: %+v", who, before, now, b.unsettled())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// unsettled are the node's processes of what came to no agreement at EDC, with their
// messages.
func (b both) unsettled() (list []api.Process) {
	b.Helper()
	var all api.NegotiationsBody
	b.must(http.MethodGet, "/api/v1/negotiations?limit=1000", nil, &all)
	open := b.edc.open()
	for i := range all.Negotiations {
		if n := &all.Negotiations[i]; slices.Contains(open, n.Pid) {
			p, err := b.node.Process(b.Context(), n.ID)
			if err != nil {
				b.Error(err)
			}
			list = append(list, p)
		}
	}
	return list
}

// counted counts the node's negotiations as one side, and EDC's as the other.
func (b both) counted(side, edcSide string) func() [2]map[string]int {
	return func() [2]map[string]int {
		b.Helper()
		var list api.NegotiationsBody
		b.must(http.MethodGet, "/api/v1/negotiations?limit=1000", nil, &list)
		out := map[string]int{}
		for i := range list.Negotiations {
			if n := &list.Negotiations[i]; string(n.Side) == side {
				out[n.State]++
			}
		}
		return [2]map[string]int{out, b.edc.states(edcSide)}
	}
}

func (b both) nodeAsks() {
	states := b.counted("consumer", "PROVIDER")
	before, began := states(), time.Now()
	id, rules := b.found()
	b.crowd(func(ctx context.Context) error {
		return b.node.Do(ctx, http.MethodPost, "/api/v1/negotiations", api.NegotiationOrder{Peer: "edc", Offer: id, Target: asset, Policy: rules}, nil)
	})
	b.settles("the node asks", began, before, states)
}

func (b both) edcAsks() {
	states := b.counted("provider", "CONSUMER")
	before, began := states(), time.Now()
	b.crowd(func(ctx context.Context) error {
		_, err := b.edc.negotiate(ctx, b.node.Base(), offer, set, anyUse)
		return err
	})
	b.settles("EDC asks", began, before, states)
}
