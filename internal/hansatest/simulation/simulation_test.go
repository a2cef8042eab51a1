package simulation_test

import (
	"flag"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa/internal/hansatest/simulation"
)

var one = flag.Uint64("seed", 0, "play this seed alone")

// seeds says how many seeds are played.
func seeds(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("HANSA_SEEDS"))
	if err != nil {
		return 100
	}
	return n
}

// play runs seeds from 1 on two at a time until one fails, and returns what was done.
func play(cfg simulation.Config, n int) (all simulation.Work, violation string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	next, bad := uint64(1), uint64(0)
	for range 2 {
		wg.Go(func() {
			for {
				mu.Lock()
				cfg := cfg
				cfg.Seed = next
				next++
				stop := cfg.Seed > uint64(n) || bad != 0
				mu.Unlock()
				if stop {
					return
				}
				r := simulation.Run(cfg)
				mu.Lock()
				all.Add(&r.Work)
				if r.Violation != "" && (bad == 0 || cfg.Seed < bad) {
					bad, violation = cfg.Seed, r.Violation
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return all, violation
}

// Five nodes keep what they promise under everything that a seed can bring upon
// them. A failure names its seed; -seed plays it again.
func TestSimulation(t *testing.T) {
	if *one != 0 {
		r := simulation.Run(simulation.Config{Seed: *one, Log: t.Logf})
		t.Logf("%+v", r.Work)
		if r.Violation != "" {
			t.Fatal(r.Violation)
		}
		return
	}
	n := seeds(t)
	begin := time.Now()
	all, violation := play(simulation.Config{}, n)
	if violation != "" {
		t.Fatalf("%s\nplay it again: go test ./internal/hansatest/simulation -run 'TestSimulation$' -seed N", violation)
	}
	if min(all.Messages/200, all.Finalized/20, all.Transfers/5, all.Lost/2, all.Doubled, all.Crashes, all.DiskErrors, all.Repeats, all.Crossed*10) < n {
		t.Errorf("too little was tried: %+v", all)
	}
	t.Logf("%d seeds, %.0f a second: %+v", n, float64(n)/time.Since(begin).Seconds(), all)
}

// What a seed does, it does again.
func TestSimulationReplays(t *testing.T) {
	for seed := range uint64(5) {
		cfg := simulation.Config{Seed: seed + 1, Looks: 1}
		if a, b := simulation.Run(cfg), simulation.Run(cfg); a.Work != b.Work || !slices.Equal(a.History, b.History) {
			t.Errorf("seed %d: %+v, then %+v", seed+1, a.Work, b.Work)
		}
	}
}

// Each planted bug is noticed, within seeds that are clean without it.
func TestSimulationControl(t *testing.T) {
	const most = 100
	rare := map[simulation.Bug]int{simulation.TakesLate: 20_000, simulation.Overlaps: 400} // seeds that it takes: tried in the long form
	limit := max(400, 2*seeds(t))
	if testing.Short() {
		limit = most
	}
	if _, violation := play(simulation.Config{}, most); violation != "" {
		t.Fatal(violation)
	}
	caught, tried := 0, 0
	for bug := simulation.None + 1; bug < simulation.ReadsOld; bug++ { // that one is seen in histories alone
		n := max(most, rare[bug])
		if n > limit {
			continue
		}
		tried++
		_, violation := play(simulation.Config{Bug: bug}, n)
		if violation == "" {
			t.Errorf("bug %d was not noticed in %d seeds", bug, n)
			continue
		}
		caught++
		t.Logf("bug %d: %s", bug, violation)
	}
	t.Logf("%d of %d planted bugs noticed", caught, tried)
}
