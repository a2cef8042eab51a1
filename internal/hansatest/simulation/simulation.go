// Package simulation plays a market of nodes out of one seed: negotiations and
// transfers as the pure values that they are, the outbox's lanes and ladder, a store
// that commits or does not, and a network that delays, loses, doubles and reorders.
// Nodes crash, disks fail, persons decide. All is decided by the seed, so that what
// goes wrong once goes wrong again.
package simulation

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// Bug is a fault of the nodes that is planted to see that it is noticed.
type Bug int

// The bugs. Those after the five of the plan were found by the simulation itself.
const (
	None           Bug = iota
	AckBeforeStore     // a message is answered though it was not stored
	ForgetsRepeats     // a message that comes again is taken again
	CrossByArrival     // of two messages that cross, what arrives counts
	KeepsRefused       // a refused message changes the state
	PostsOutside       // what follows a message is not stored with it
	DoublesFirst       // a first message that comes again begins another process
	AgreesAnew         // an agreement gets another id with each try
	HashAlone          // repeats are told by the body alone: the same words said again are lost
	Overlaps           // a second own message is decided on while the first is under way
	DropsFirst         // who ends a process before it began gives up what begins it
	TakesLate          // a message that its sender gave up counts when it arrives after all
	ReadsOld           // a look shows how a process stood before its last change
)

// Config is what a run is played with.
type Config struct {
	Seed         uint64
	Nodes        int // 0 is 5
	Negotiations int // 0 is 50
	Looks        int // how often a person reads each process besides, for histories
	Bug          Bug
	Log          func(format string, args ...any) // nil is none
}

// Work is what a run has done.
type Work struct {
	Steps, Messages, Lost, Doubled, Crashes, DiskErrors int
	Finalized, Terminated, Transfers, Crossed, Repeats  int
}

// Add adds what another run has done.
func (w *Work) Add(o *Work) {
	w.Steps += o.Steps
	w.Messages += o.Messages
	w.Lost += o.Lost
	w.Doubled += o.Doubled
	w.Crashes += o.Crashes
	w.DiskErrors += o.DiskErrors
	w.Finalized += o.Finalized
	w.Terminated += o.Terminated
	w.Transfers += o.Transfers
	w.Crossed += o.Crossed
	w.Repeats += o.Repeats
}

// Result is how a run ended.
type Result struct {
	Work
	Violation string // of the first invariant that did not hold; empty when all did
	History   []Op
}

// stepsMax bounds a run: one that takes more does not come to rest.
const stepsMax = 400_000

// faults are what the seed lets happen until the world is healed.
type faults struct {
	loss, twice, slow, disk, crash float64
	cuts                           []cut
}

// cut is a link that carries nothing for a while, one way.
type cut struct {
	from, to    int
	begin, ends time.Time
}

// world is one run.
type world struct {
	cfg       Config
	rng       *rand.Rand
	now       time.Time
	heal      time.Time // from then on nothing fails
	queue     schedule
	seq       int64
	tick      int64 // orders what a history holds
	nodes     []*node
	faults    faults
	work      Work
	violation string
	made      int
	history   []Op
	agreed    map[string]string // agreement by id: its hash, as it was first put in force
	claims    []claim
}

// claim is what a node has told others that it holds.
type claim struct {
	node    *node
	process string
	state   string
}

// Run plays one seed until nothing is left to do.
func Run(cfg Config) Result {
	if cfg.Nodes == 0 {
		cfg.Nodes = 5
	}
	if cfg.Negotiations == 0 {
		cfg.Negotiations = 50
	}
	w := &world{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x68616e7361)), now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), agreed: map[string]string{}} //nolint:gosec // chance by seed
	w.heal = w.now.Add(w.between(20*time.Second, 4*time.Minute))
	for i := range cfg.Nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	w.draw()
	for range cfg.Negotiations {
		w.after(time.Duration(w.rng.Int64N(int64(w.heal.Sub(w.now)))), w.begin)
	}
	for len(w.queue) > 0 && w.violation == "" {
		e := heap.Pop(&w.queue).(event) //nolint:errcheck,forcetypeassert // it holds events alone
		w.now = e.at
		if w.work.Steps++; w.work.Steps > stepsMax {
			w.violate("the world does not come to rest")
			break
		}
		e.do()
	}
	if w.violation == "" {
		w.judge()
	}
	return Result{Work: w.work, Violation: w.violation, History: w.history}
}

// draw says what fails in this run, and when: some runs are calm in one way, and
// rough in another.
func (w *world) draw() {
	f := &w.faults
	rough := func(most float64) float64 { return most * w.rng.Float64() * float64(w.rng.IntN(2)) }
	f.loss, f.twice, f.slow, f.disk, f.crash = rough(0.4), rough(0.3), rough(0.2), rough(0.1), rough(0.02)
	length := w.heal.Sub(w.now)
	for range w.rng.IntN(6) {
		from, to := w.rng.IntN(len(w.nodes)), w.rng.IntN(len(w.nodes))
		begin := w.now.Add(time.Duration(w.rng.Int64N(int64(length))))
		c := cut{from, to, begin, begin.Add(w.between(time.Second, time.Minute))}
		f.cuts = append(f.cuts, c)
		if w.rng.IntN(2) == 0 {
			f.cuts = append(f.cuts, cut{to, from, c.begin, c.ends})
		}
	}
	for range w.rng.IntN(8) {
		n := w.nodes[w.rng.IntN(len(w.nodes))]
		w.after(time.Duration(w.rng.Int64N(int64(length))), n.crash)
	}
}

func (w *world) healed() bool { return !w.now.Before(w.heal) }

func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// unlucky is chance while the world is not healed.
func (w *world) unlucky(p float64) bool { return !w.healed() && w.chance(p) }

func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)))
}

func (w *world) name(kind string) string {
	w.made++
	return fmt.Sprintf("%s-%d", kind, w.made)
}

func (w *world) stamp() int64 {
	w.tick++
	return w.tick
}

// note tells what happens to who looks into one seed.
func (w *world) note(n *node, process, what string) {
	if w.cfg.Log != nil {
		w.cfg.Log("%s %s %s/%s %s: %s", w.now.Format("15:04:05.000"), n.id, process, n.pidOf(process), what, n.read(process).state)
	}
}

func (w *world) violate(format string, args ...any) {
	if w.violation == "" {
		w.violation = fmt.Sprintf("seed %d, step %d: ", w.cfg.Seed, w.work.Steps) + fmt.Sprintf(format, args...)
	}
}

// offers are what may be on a table; each is another.
func offers(target string) []*policy.Policy {
	var out []*policy.Policy
	for _, use := range []string{"use", "read", "distribute"} {
		out = append(out, &policy.Policy{ID: "offer-" + target, Type: policy.Offer, Target: target, Permission: []policy.Rule{{Action: use}}})
	}
	return out
}

// event is something that will happen.
type event struct {
	at  time.Time
	seq int64
	do  func()
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now.Add(d), w.seq, do})
}

type schedule []event

func (s schedule) Len() int { return len(s) }
func (s schedule) Less(i, j int) bool {
	return s[i].at.Before(s[j].at) || s[i].at.Equal(s[j].at) && s[i].seq < s[j].seq
}
func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

// Push is for container/heap.
func (s *schedule) Push(x any) { *s = append(*s, x.(event)) } //nolint:errcheck,forcetypeassert // it holds events alone

// Pop is for container/heap.
func (s *schedule) Pop() any {
	old := *s
	e := old[len(old)-1]
	*s = old[:len(old)-1]
	return e
}
