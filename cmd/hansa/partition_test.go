package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The plans by which the network between nodes is cut.
var plans = []string{"drop", "one way", "reset", "30 % loss", "256 kbit/s", "flapping"}

// partitions says how many plans are played.
func partitions(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("HANSA_PARTITIONS"))
	if err != nil {
		t.Skip("makes network namespaces; HANSA_PARTITIONS says how many plans are played")
	}
	return n
}

// market is three nodes, each in a network namespace of its own, and a fourth one
// through which all goes that they say to each other.
type market struct {
	pair // it starts and ends processes

	t     *testing.T
	hub   string
	nodes []*half
	offer []offered // by each node

	mu     sync.Mutex // guards all below
	acked  []deed
	fine   int             // of acked, those of which both sides are known to agree
	given  [][]string      // records that each node has acknowledged
	tried  map[string]bool // records that were published, whatever was answered
	number int
	have   []map[string]int // how often records of the next node came to a node
	since  []string         // up to where it was read
}

// offered is an offer, as others name it.
type offered struct {
	ID        string          `json:"id"`
	DatasetID string          `json:"datasetId"`
	Policy    json.RawMessage `json:"policy"`
}

// deed is a negotiation that was acknowledged to its consumer.
type deed struct {
	consumer, provider int
	id                 string
}

// formats are how the data of a node reaches the next one.
var formats = []string{"HttpData-PULL", "HttpData-SSE", "HttpData-PUSH"}

func address(i int) string { return fmt.Sprintf("10.77.%d.2", i+1) }

func (m *market) sh(args ...string) {
	m.t.Helper()
	if out, err := exec.CommandContext(context.WithoutCancel(m.t.Context()), args[0], args[1:]...).CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// in runs a command in the namespace through which all goes.
func (m *market) in(args ...string) {
	m.t.Helper()
	m.sh(append([]string{"ip", "netns", "exec", m.hub}, args...)...)
}

func newMarket(t *testing.T) *market {
	t.Helper()
	for _, tool := range []string{"ip", "nft", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("network namespaces need %s (Debian: iproute2, nftables)", tool)
		}
	}
	m := &market{t: t, hub: fmt.Sprintf("hansa%d", os.Getpid()), given: make([][]string, 3), tried: map[string]bool{}, have: []map[string]int{{}, {}, {}}, since: make([]string, 3), offer: make([]offered, 3)}
	if out, err := exec.CommandContext(t.Context(), "ip", "netns", "add", m.hub).CombinedOutput(); err != nil {
		t.Skipf("network namespaces cannot be made here: %v %s", err, out)
	}
	names, dir := []string{m.hub}, t.TempDir() // the folder goes after those who write to it
	t.Cleanup(func() {
		for _, n := range m.nodes {
			m.kill(n)
		}
		for _, name := range names {
			m.sh("ip", "netns", "del", name)
		}
	})
	m.in("sysctl", "-qw", "net.ipv4.ip_forward=1")
	m.in("nft", "add table ip hansa; add chain ip hansa cut { type filter hook forward priority 0; }")
	m.bin = filepath.Join(dir, "hansa")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", m.bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for i, name := range []string{"alba", "brig", "cove"} {
		space := m.hub + name[:1]
		m.sh("ip", "netns", "add", space)
		names = append(names, space)
		link := fmt.Sprintf("v%d", i)
		m.sh("ip", "-n", m.hub, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
		m.sh("ip", "-n", m.hub, "addr", "add", fmt.Sprintf("10.77.%d.1/30", i+1), "dev", link)
		m.sh("ip", "-n", m.hub, "link", "set", link, "up")
		m.sh("ip", "-n", space, "addr", "add", address(i)+"/30", "dev", "eth0")
		m.sh("ip", "-n", space, "link", "set", "lo", "up")
		m.sh("ip", "-n", space, "link", "set", "eth0", "up")
		m.sh("ip", "-n", space, "route", "add", "default", "via", fmt.Sprintf("10.77.%d.1", i+1))
		h := newHalf(t, dir, name, address(i)+":8080", address((i+1)%3)+":8080", address((i+2)%3)+":8080")
		socket := filepath.Join(h.dir, "data", "hansa.sock")
		h.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}}
		t.Cleanup(h.client.CloseIdleConnections)
		h.within = []string{"ip", "netns", "exec", space}
		m.nodes = append(m.nodes, h)
		m.start(t, h)
	}
	m.meet()
	return m
}

// meet makes each node known to the others, puts its closures on offer, and lets the
// next one have them, each in another way.
func (m *market) meet() {
	m.t.Helper()
	inbound := map[[2]int]string{}
	for i, h := range m.nodes {
		for j, o := range m.nodes {
			if i == j {
				continue
			}
			var out struct{ Inbound string }
			h.must(m.t, "POST", "/api/v1/peers", map[string]any{"name": o.name, "id": o.id, "address": o.url + "/dsp/2025-1", "mode": "token", "issue": true}, &out)
			inbound[[2]int{i, j}] = out.Inbound
		}
		h.must(m.t, "POST", "/api/v1/offers", map[string]any{"dataset": "closures", "automatic": true, "terms": map[string]any{"purposes": []string{"navigation"}, "formats": []string{"record"}}}, &m.offer[i])
	}
	for i, h := range m.nodes {
		for j, o := range m.nodes {
			if i != j {
				h.must(m.t, "POST", "/api/v1/peers/"+o.name, map[string]any{"token": inbound[[2]int{j, i}]}, nil)
			}
		}
	}
	for i, h := range m.nodes {
		var n dealt
		h.must(m.t, "POST", "/api/v1/negotiations", map[string]any{"peer": m.nodes[(i+1)%3].name, "offer": m.offer[(i+1)%3].ID, "dataset": "from-next", "then": formats[i]}, &n)
		if err := h.reach(m.t.Context(), "negotiations", &n, "FINALIZED"); err != nil {
			m.t.Fatal(err)
		}
	}
}

// cut plays a plan between two nodes, or between all of them, until heal is called.
func (m *market) cut(plan string, a, b int) (heal func()) {
	m.t.Helper()
	rule := func(from, to int, what string) {
		m.in("nft", fmt.Sprintf("add rule ip hansa cut ip saddr %s ip daddr %s %s", address(from), address(to), what))
	}
	flush := func() { m.in("nft", "flush chain ip hansa cut") }
	both := func(what string) {
		rule(a, b, what)
		rule(b, a, what)
	}
	switch plan {
	case "drop":
		both("drop")
	case "one way":
		rule(a, b, "drop")
	case "reset":
		both("ip protocol tcp reject with tcp reset")
	case "30 % loss":
		both("numgen random mod 100 < 30 drop")
	case "256 kbit/s":
		for _, i := range []int{a, b} {
			m.in("tc", "qdisc", "add", "dev", fmt.Sprintf("v%d", i), "root", "tbf", "rate", "256kbit", "burst", "16kb", "latency", "400ms")
		}
		return func() {
			for _, i := range []int{a, b} {
				m.in("tc", "qdisc", "del", "dev", fmt.Sprintf("v%d", i), "root")
			}
		}
	case "flapping":
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for on := true; ; on = !on {
				if flush(); on {
					both("drop")
				}
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
				}
			}
		}()
		return func() {
			close(stop)
			<-done
			flush()
		}
	}
	return flush
}

// load lets four clients negotiate and publish for a while.
func (m *market) load(long time.Duration) {
	ctx, stop := context.WithTimeout(m.t.Context(), long)
	defer stop()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				m.negotiate(ctx)
				m.publish(ctx)
				time.Sleep(time.Duration(50+rand.IntN(200)) * time.Millisecond)
			}
		})
	}
	wg.Wait()
}

func (m *market) negotiate(ctx context.Context) {
	i := rand.IntN(3)
	j := (i + 1 + rand.IntN(2)) % 3
	var n dealt
	err := m.nodes[i].call(ctx, "POST", "/api/v1/negotiations", map[string]any{"peer": m.nodes[j].name, "offer": m.offer[j].ID, "target": m.offer[j].DatasetID, "policy": m.offer[j].Policy}, &n)
	if err == nil {
		m.mu.Lock()
		m.acked = append(m.acked, deed{i, j, n.ID})
		m.mu.Unlock()
	}
}

func (m *market) publish(ctx context.Context) {
	i := rand.IntN(3)
	m.mu.Lock()
	m.number++
	id := fmt.Sprintf("closure-%d", m.number)
	m.tried[id] = true
	m.mu.Unlock()
	record := json.RawMessage(`{"kind":"situation","id":"` + id + `","version":1,"situation":{"lifecycle":"active","effect":"road-closed","start":"2026-11-23T10:00:00Z","endKind":"unknown","direction":"both","road":{"name":"Oostertunnel"},"geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38]]}}}`)
	var out struct{ Accepted int }
	if err := m.nodes[i].call(ctx, "POST", "/data/v1/datasets/closures/records", record, &out); err == nil && out.Accepted == 1 {
		m.mu.Lock()
		m.given[i] = append(m.given[i], id)
		m.mu.Unlock()
	}
}

// apart says what both sides of the market do not agree on yet.
func (m *market) apart() (bad []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := map[string]string{}
	for _, d := range m.acked[m.fine:] {
		var n, other dealt
		if err := m.nodes[d.consumer].call(m.t.Context(), "GET", "/api/v1/negotiations/"+d.id, nil, &n); err != nil {
			bad = append(bad, fmt.Sprintf("%s was acknowledged: %v", d.id, err))
			continue
		}
		err := m.nodes[d.provider].call(m.t.Context(), "GET", "/api/v1/negotiations/"+n.Pid, nil, &other)
		switch {
		case n.State != "FINALIZED" || err != nil || other.State != n.State || other.Agreement != n.Agreement || other.Pid != n.ID:
			bad = append(bad, fmt.Sprintf("%s is %s by %q, and %s by %q at the provider: %s %s %v", d.id, n.State, n.Agreement, other.State, other.Agreement, n.Parked, other.Parked, n.Reason))
		case seen[n.Agreement] != "":
			bad = append(bad, fmt.Sprintf("agreement %s is that of %s and of %s", n.Agreement, seen[n.Agreement], d.id))
		}
		seen[n.Agreement] = d.id
	}
	for i := range m.nodes {
		bad = append(bad, m.lacks(i)...)
	}
	return bad
}

// lacks says which records of the next node a node has not, or has twice.
func (m *market) lacks(i int) (bad []string) {
	have := m.have[i]
	for {
		var page struct {
			Records []struct {
				Record string `json:"record"`
			} `json:"records"`
			Next string `json:"next"`
		}
		if err := m.nodes[i].call(m.t.Context(), "GET", "/data/v1/datasets/from-next/records?limit=1000&since="+m.since[i], nil, &page); err != nil {
			return []string{err.Error()}
		}
		for _, r := range page.Records {
			have[r.Record]++
		}
		if m.since[i] = page.Next; len(page.Records) == 0 {
			break
		}
	}
	given := m.given[(i+1)%3]
	for _, id := range given {
		if have[id] != 1 {
			bad = append(bad, fmt.Sprintf("%s by %s came %d times to %s", id, formats[i], have[id], m.nodes[i].name))
		}
	}
	for id, times := range have {
		if !m.tried[id] || times > 1 {
			bad = append(bad, fmt.Sprintf("%s came %d times", id, times))
		}
	}
	return bad
}

// all looks at everything again that was agreed on since the beginning.
func (m *market) all() []string {
	m.fine, m.have, m.since = 0, []map[string]int{{}, {}, {}}, make([]string, 3)
	return m.apart()
}

// agreed waits until both sides agree on all, at most so long.
func (m *market) agreed(most time.Duration) (bad []string, took time.Duration) {
	began := time.Now()
	for {
		if bad = m.apart(); len(bad) == 0 || time.Since(began) > most {
			if len(bad) == 0 {
				m.fine = len(m.acked)
			}
			return bad, time.Since(began)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Three nodes whose network is cut in every way agree within a minute after it is
// healed: nothing that was acknowledged is lost, no agreement is doubled, and what
// was published arrives once.
func TestPartitions(t *testing.T) {
	n := partitions(t)
	m := newMarket(t)
	worst := time.Duration(0)
	for k := range n {
		a, plan := rand.IntN(3), plans[k%len(plans)]
		b := (a + 1 + rand.IntN(2)) % 3
		deals, records := len(m.acked), m.number
		heal := m.cut(plan, a, b)
		m.load(4 * time.Second)
		heal()
		bad, took := m.agreed(60 * time.Second)
		if len(bad) > 0 {
			t.Fatalf("%s between %s and %s, healed a minute ago: %s", plan, m.nodes[a].name, m.nodes[b].name, strings.Join(bad[:min(len(bad), 10)], "\n"))
		}
		t.Logf("%s between %s and %s: agreed %.1f s after healing", plan, m.nodes[a].name, m.nodes[b].name, took.Seconds())
		if worst = max(worst, took); len(m.acked)-deals < 5 || m.number-records < 10 {
			t.Errorf("%s: %d negotiations and %d records are too little", plan, len(m.acked)-deals, m.number-records)
		}
	}
	if bad := m.all(); len(bad) > 0 {
		t.Error(strings.Join(bad[:min(len(bad), 10)], "\n"))
	}
	t.Logf("%d plans of partitions, %d negotiations, %d records: 0 lost, 0 doubled, agreed %.1f s after healing at most", n, len(m.acked), m.number, worst.Seconds())
}

// A cut that is not healed is noticed.
func TestPartitionsControl(t *testing.T) {
	partitions(t)
	m := newMarket(t)
	for range 20 {
		m.publish(t.Context())
	}
	if bad, _ := m.agreed(60 * time.Second); len(bad) > 0 {
		t.Fatal(bad[0])
	}
	for i := range 3 {
		m.cut("drop", i, (i+1)%3)
	}
	m.load(2 * time.Second)
	bad, _ := m.agreed(2 * time.Second)
	if len(bad) < 5 {
		t.Fatalf("between nodes that cannot hear each other %d things are missing", len(bad))
	}
	m.in("nft", "flush chain ip hansa cut")
	if bad, _ := m.agreed(60 * time.Second); len(bad) > 0 {
		t.Fatal(bad[0])
	}
	t.Logf("noticed: %d negotiations and records that did not arrive", len(bad))
}
