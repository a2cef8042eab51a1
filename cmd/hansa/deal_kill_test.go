package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestDealKill kills either of two nodes at random moments while eight clients
// negotiate and transfer between them by the protocol alone, and wants each process
// that was acknowledged to come to its end on both sides: the same state, the same
// agreement, none lost, none doubled.
func TestDealKill(t *testing.T) {
	p := newPair(t)
	p.run(t, rounds(t))
	if bad := p.settle(t); len(bad) > 0 {
		t.Fatalf("after %d kills: %s", p.kills, strings.Join(bad[:min(len(bad), 10)], "\n"))
	}
	t.Logf("%d kills, %d negotiations acknowledged, %d transfers completed, 0 lost, 0 doubled, 0 apart", p.kills, len(p.acked), p.completed)
	if least := leastDeals * p.kills; len(p.acked) < least {
		t.Errorf("%d negotiations, fewer than %d: too few for the run to count", len(p.acked), least)
	}
}

// TestDealKillControl does the same to a build that acknowledges before the commit,
// and wants that to be noticed.
func TestDealKillControl(t *testing.T) {
	p := newPair(t, "-tags", "ackearly")
	for range 12 {
		p.run(t, 5)
		if bad := p.settle(t); len(bad) > 0 {
			t.Logf("noticed after %d kills: %s", p.kills, bad[0])
			return
		}
	}
	t.Errorf("a build that acknowledges before the commit lost nothing in %d kills: the test would not notice a loss", p.kills)
}

// leastDeals is how many negotiations must be acknowledged per kill, on average.
const leastDeals = 5

// half is one node of a pair, in a process of its own.
type half struct {
	name, dir, url, id string
	admin              string
	within             []string     // what its process runs within; nil is nothing
	client             *http.Client // by which it is called
	proc               *exec.Cmd
	says               *bytes.Buffer
}

// pair is two nodes that deal with each other.
type pair struct {
	bin       string
	city, nav *half
	offer     string
	target    string
	policy    json.RawMessage
	kills     int

	mu        sync.Mutex // guards all below
	acked     []string   // the consumer's pids
	completed int
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func newPair(t *testing.T, flags ...string) *pair {
	t.Helper()
	if testing.Short() && os.Getenv("HANSA_ROUNDS") == "" {
		t.Skip("kills two processes again and again; not in a short run")
	}
	dir := t.TempDir()
	p := &pair{bin: filepath.Join(dir, "hansa")}
	build := exec.CommandContext(t.Context(), "go", append(append([]string{"build"}, flags...), "-o", p.bin, ".")...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	a, b := freePort(t), freePort(t)
	p.city, p.nav = newHalf(t, dir, "city", a, b), newHalf(t, dir, "nav", b, a)
	p.start(t, p.city)
	p.start(t, p.nav)
	t.Cleanup(func() { p.kill(p.city); p.kill(p.nav) })
	var one, two struct{ Inbound string }
	p.city.must(t, "POST", "/api/v1/peers", map[string]any{"name": "nav", "id": p.nav.id, "address": p.nav.url + "/dsp/2025-1", "mode": "token", "issue": true}, &one)
	p.nav.must(t, "POST", "/api/v1/peers", map[string]any{"name": "city", "id": p.city.id, "address": p.city.url + "/dsp/2025-1", "mode": "token", "token": one.Inbound, "issue": true}, &two)
	p.city.must(t, "POST", "/api/v1/peers/nav", map[string]any{"token": two.Inbound}, nil)
	var o struct {
		ID        string          `json:"id"`
		DatasetID string          `json:"datasetId"`
		Policy    json.RawMessage `json:"policy"`
	}
	p.city.must(t, "POST", "/api/v1/offers", map[string]any{"dataset": "closures", "automatic": true, "terms": map[string]any{"purposes": []string{"navigation"}, "formats": []string{"record"}}}, &o)
	p.offer, p.target, p.policy = o.ID, o.DatasetID, o.Policy
	return p
}

func newHalf(t *testing.T, dir, name, at string, others ...string) *half {
	t.Helper()
	return newHalfAs(t, dir, name, "did:web:"+name+".example", at, others...)
}

// newHalfAs is the node of a party with that id.
func newHalfAs(t *testing.T, dir, name, id, at string, others ...string) *half {
	t.Helper()
	h := &half{name: name, dir: filepath.Join(dir, name), url: "http://" + at, id: id, admin: strings.Repeat(name, 12), client: http.DefaultClient}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"admin": h.admin, "hansa.toml": `
listen = "` + at + `"
trusted_proxy = true
public_url = "` + h.url + `"
data = "data"
origin = "` + name + `.example"
party = "` + name + `"
allow = ["` + strings.Join(append(others, at), `", "`) + `"]
[[parties]]
name = "` + name + `"
id = "` + h.id + `"
kind = "city"
[[credentials]]
party = "` + name + `"
name = "admin"
secret_file = "admin"
rights = ["manage", "read", "publish"]
[[datasets]]
name = "closures"
party = "` + name + `"
`} {
		if err := os.WriteFile(filepath.Join(h.dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// start starts a node and returns when it answers.
func (p *pair) start(t *testing.T, h *half) {
	t.Helper()
	args := append(slices.Clone(h.within), p.bin, "serve", "--config", filepath.Join(h.dir, "hansa.toml"), "--log", "error")
	h.proc = exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...)
	h.proc.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+h.dir)
	h.says = &bytes.Buffer{}
	h.proc.Stdout, h.proc.Stderr = h.says, h.says
	if err := h.proc.Start(); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		res, err := h.client.Get(h.url + "/healthz")
		if err == nil {
			_ = res.Body.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.kill(h)
	t.Fatalf("the node of %s did not start: %s", h.name, h.says.String())
}

func (*pair) kill(h *half) {
	if h.proc != nil {
		_ = h.proc.Process.Signal(syscall.SIGKILL)
		_ = h.proc.Wait()
		h.proc = nil
	}
}

// call asks a node; a status that is no success is an error.
func (h *half) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+h.admin)
	req.Header.Set("Content-Type", "application/json")
	res, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return &answered{res.StatusCode, fmt.Sprintf("%s %s: %s: %.300s", method, path, res.Status, b)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// answered is an answer that is no success.
type answered struct {
	status int
	text   string
}

func (a *answered) Error() string { return a.text }

func (h *half) must(t *testing.T, method, path string, in, out any) {
	t.Helper()
	if err := h.call(t.Context(), method, path, in, out); err != nil {
		t.Fatal(err)
	}
}

// process is what the test reads of a negotiation or transfer.
type dealt struct {
	ID, Pid, State, Agreement, Parked string
	Reason                            []string
}

// run loads the pair with eight clients, and kills one of its nodes so many times.
func (p *pair) run(t *testing.T, kills int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := p.deal(ctx); err != nil {
					time.Sleep(5 * time.Millisecond) // the node is away
				}
			}
		})
	}
	for range kills {
		time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
		h := p.city
		if rand.IntN(2) == 0 {
			h = p.nav
		}
		p.kill(h)
		p.kills++
		p.start(t, h)
	}
	time.Sleep(200 * time.Millisecond)
	stop()
	wg.Wait()
}

// deal makes one negotiation, whose transfer follows by itself, and completes that.
func (p *pair) deal(ctx context.Context) error {
	var n dealt
	if err := p.nav.call(ctx, "POST", "/api/v1/negotiations", map[string]any{"peer": "city", "offer": p.offer, "target": p.target, "policy": p.policy, "dataset": "closures"}, &n); err != nil {
		return err
	}
	p.mu.Lock()
	p.acked = append(p.acked, n.ID)
	p.mu.Unlock()
	if err := p.nav.reach(ctx, "negotiations", &n, "FINALIZED"); err != nil {
		return err
	}
	var x dealt
	if err := p.nav.call(ctx, "POST", "/api/v1/transfers", map[string]any{"agreement": n.Agreement, "dataset": "closures"}, &x); err != nil {
		return err
	}
	if err := p.nav.reach(ctx, "transfers", &x, "STARTED"); err != nil {
		return err
	}
	if err := p.nav.call(ctx, "POST", "/api/v1/transfers/"+x.ID+"/complete", nil, nil); err != nil {
		return err
	}
	p.mu.Lock()
	p.completed++
	p.mu.Unlock()
	return nil
}

// reach waits until a process is in a state.
func (h *half) reach(ctx context.Context, kind string, one *dealt, state string) error {
	for i := 0; ctx.Err() == nil; i++ {
		if err := h.call(ctx, "GET", "/api/v1/"+kind+"/"+one.ID, nil, one); err != nil {
			return err
		}
		if one.State == state {
			return nil
		}
		if one.State == "TERMINATED" || i > 300 {
			return fmt.Errorf("%s is %s: %v", one.ID, one.State, one.Reason)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return ctx.Err()
}

// settle waits until every process has come to its end, and says what has not, or
// is not the same on both sides.
func (p *pair) settle(t *testing.T) (bad []string) {
	t.Helper()
	seen := map[string]string{} // agreement -> consumer's pid
	deadline := time.Now().Add(60 * time.Second)
	for _, id := range p.acked {
		var n, other dealt
		for {
			err := p.nav.call(t.Context(), "GET", "/api/v1/negotiations/"+id, nil, &n)
			if a, ok := errors.AsType[*answered](err); ok && a.status == http.StatusNotFound {
				bad = append(bad, id+" was acknowledged and is lost")
				break
			}
			if err == nil && (n.State == "FINALIZED" || n.State == "TERMINATED") {
				break
			}
			if time.Now().After(deadline) {
				bad = append(bad, fmt.Sprintf("%s is stuck: %s, %s, %v", id, n.State, n.Parked, err))
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if n.ID == "" || n.State != "FINALIZED" {
			if n.State == "TERMINATED" {
				bad = append(bad, fmt.Sprintf("%s ended: %v", id, n.Reason))
			}
			continue
		}
		if err := p.city.call(t.Context(), "GET", "/api/v1/negotiations/"+n.Pid, nil, &other); err != nil {
			bad = append(bad, fmt.Sprintf("%s is not with the provider: %v", id, err))
			continue
		}
		if other.State != n.State || other.Agreement != n.Agreement || other.Pid != n.ID {
			bad = append(bad, fmt.Sprintf("%s is %s by %s, and %s by %s at the provider", id, n.State, n.Agreement, other.State, other.Agreement))
		}
		if first, twice := seen[n.Agreement]; twice {
			bad = append(bad, fmt.Sprintf("agreement %s is that of %s and of %s", n.Agreement, first, id))
		}
		seen[n.Agreement] = id
	}
	return append(bad, p.transfers(t, deadline)...)
}

// transfers ends those that run, and wants both sides to know.
func (p *pair) transfers(t *testing.T, deadline time.Time) (bad []string) {
	t.Helper()
	for {
		var list struct{ Transfers []dealt }
		p.nav.must(t, "GET", "/api/v1/transfers?open=true&limit=1000", nil, &list)
		if len(list.Transfers) == 0 {
			return bad
		}
		for _, x := range list.Transfers {
			if x.State == "STARTED" {
				if err := p.nav.call(t.Context(), "POST", "/api/v1/transfers/"+x.ID+"/complete", nil, nil); err != nil {
					bad = append(bad, err.Error())
				}
				p.completed++
			}
			if time.Now().After(deadline) {
				return append(bad, fmt.Sprintf("transfer %s is stuck: %s %s", x.ID, x.State, x.Parked))
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}
