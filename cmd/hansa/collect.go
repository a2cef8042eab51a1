package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much the heap grows between two collections. A node's heap is small, so that with
// Go's 100 a burst of records is collected many times a second (measured: 4 of 29
// microseconds a record); idle it takes 2 MiB more. Under load, which is when collections
// follow each other within gcBusy, garbage may come to gcGarbage all the same.
const (
	gcPercent = 200
	gcGarbage = 64 << 20 // bytes
	gcBusy    = time.Second
)

// collectLess makes a node collect its garbage less often, unless GOGC is set. What it
// returns is called once the node has started: then it minds the load.
func collectLess() (started func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	debug.SetGCPercent(gcPercent)
	return func() { (&collector{at: time.Now(), percent: gcPercent}).wait() }
}

// collector sets after each collection how much the heap grows until the next.
type collector struct {
	at      time.Time // of the last collection
	percent int
}

// leftover is what is found to be garbage by the next collection.
type leftover struct{ _ *collector }

// wait has the next collection looked at.
func (c *collector) wait() { runtime.AddCleanup(new(leftover), (*collector).after, c) }

// after is called once after each collection.
func (c *collector) after() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	now := time.Now()
	percent := growth(live[0].Value.Uint64(), now.Sub(c.at))
	c.at = now
	if percent > c.percent*9/8 || percent < c.percent*7/8 { // to set it stops the process for a moment
		c.percent = percent
		debug.SetGCPercent(percent)
	}
	c.wait()
}

// growth is by how many percent of what is live the heap may grow, when the last
// collection came so long after the one before it.
func growth(live uint64, since time.Duration) int {
	if since > gcBusy || live == 0 {
		return gcPercent
	}
	return int(min(max(gcGarbage*100/live, gcPercent), 800))
}
