package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// rounds is how many times the process is killed: a few in a plain test run, more
// where HANSA_ROUNDS says so.
func rounds(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("HANSA_ROUNDS"))
	if err != nil || n < 1 {
		return 3
	}
	return n
}

// leastAcked is how many records must have been acknowledged in a round, on
// average, for a run to count.
const leastAcked = 100

// TestKill kills a node with SIGKILL at random moments under load, starts it again
// and wants every acknowledged record there once, in order, and provable against a
// key and a checkpoint saved before.
func TestKill(t *testing.T) {
	w := newProcess(t)
	total, plain := 0, w.dir
	for i := range rounds(t) {
		if i > 0 && i%freshEvery == 0 { // each check reads all that there is
			w.prove(t)
			old := w.dir
			w.fresh(t, plain, strconv.Itoa(i))
			if old != plain {
				if err := os.RemoveAll(old); err != nil {
					t.Fatal(err)
				}
			}
		}
		total += w.round(t)
		if bad := w.check(t); len(bad) > 0 {
			t.Fatalf("after %d acknowledged records: %s", total, strings.Join(bad, "; "))
		}
	}
	w.prove(t)
	t.Logf("%d kills, %d acknowledged records, 0 lost, 0 doubled", rounds(t), total)
	if total < leastAcked*rounds(t) {
		t.Errorf("%d records in %d rounds: too few for the run to count", total, rounds(t))
	}
}

// freshEvery is after how many kills a node begins anew.
const freshEvery = 50

// TestKillControl kills a build that acknowledges before the commit, and wants the
// loss to be noticed.
func TestKillControl(t *testing.T) {
	w := newProcess(t, "-tags", "ackearly")
	for i := range 60 {
		w.round(t)
		if bad := w.check(t); len(bad) > 0 {
			t.Logf("noticed after %d kills: %s", i+1, bad[0])
			return
		}
	}
	t.Error("a build that acknowledges before the commit lost nothing in 60 kills: the test would not notice a loss")
}

// process is a node of its own process, with what its clients were told.
type process struct {
	bin, dir, url, give, take string
	acked                     map[int][]string // by client, in order
	next                      map[int]int
	key, checkpoint           []byte
}

// newProcess builds the binary and writes its configuration.
func newProcess(t *testing.T, flags ...string) *process {
	t.Helper()
	if testing.Short() && os.Getenv("HANSA_ROUNDS") == "" {
		t.Skip("kills a process again and again; not in a short run")
	}
	dir := t.TempDir()
	w := &process{bin: filepath.Join(dir, "hansa"), dir: dir, acked: map[int][]string{}, next: map[int]int{}, give: strings.Repeat("give", 10), take: strings.Repeat("take", 10)}
	build := exec.CommandContext(t.Context(), "go", append(append([]string{"build"}, flags...), "-o", w.bin, ".")...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	_ = ln.Close()
	w.url = "http://" + address
	files := map[string]string{"give": w.give, "take": w.take, "hansa.toml": `
listen = "` + address + `"
data = "data"
origin = "crash.example"
party = "city"
[[parties]]
name = "city"
kind = "city"
[[parties]]
name = "navigator"
[[credentials]]
party = "city"
name = "give"
secret_file = "give"
rights = ["publish", "control", "read"]
[[credentials]]
party = "navigator"
name = "take"
secret_file = "take"
rights = ["read"]
[[datasets]]
name = "closures"
party = "city"
[[flows]]
name = "all"
dataset = "closures"
from = "city"
to = "navigator"
purposes = ["navigation"]
formats = ["record"]
`}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// start runs the node and returns when it answers. kill ends it the hard way.
func (w *process) start(t *testing.T) (kill func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), w.bin, "serve", "--config", filepath.Join(w.dir, "hansa.toml"), "--log", "error")
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+w.dir)
	var says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &says, &says
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
	}
	for range 400 {
		res, err := http.Get(w.url + "/healthz")
		if err == nil {
			_ = res.Body.Close()
			return kill
		}
		time.Sleep(10 * time.Millisecond)
	}
	kill()
	t.Fatalf("the node did not start: %s", says.String())
	return nil
}

// round starts the node, loads it with eight clients, and kills it at a random
// moment. It returns how many records were acknowledged.
func (w *process) round(t *testing.T) int {
	t.Helper()
	kill := w.start(t)
	if w.key == nil {
		w.key, w.checkpoint = w.get(t, "/journal/key"), w.get(t, "/journal/checkpoint")
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	begin := maps.Clone(w.next)
	for client := range 8 {
		from := begin[client]
		wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for i := from; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("c%d-%d", client, i)
				ok := w.publish(ctx, c, id)
				mu.Lock()
				w.next[client] = i + 1
				if ok {
					w.acked[client] = append(w.acked[client], id)
					n++
				}
				mu.Unlock()
				if !ok {
					return
				}
			}
		})
	}
	time.Sleep(time.Duration(80+rand.IntN(250)) * time.Millisecond)
	kill()
	stop()
	wg.Wait()
	return n
}

func (w *process) publish(ctx context.Context, c *http.Client, id string) bool {
	body := `{"kind":"situation","id":"` + id + `","version":1,"situation":{"lifecycle":"active","effect":"road-closed","start":"2026-11-23T10:00:00Z","endKind":"unknown","direction":"both","road":{"name":"Oostertunnel"},"geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38]]}}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/data/v1/datasets/closures/records", strings.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer "+w.give)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return err == nil && res.StatusCode == http.StatusOK && bytes.Contains(b, []byte(`"accepted":1`))
}

// get reads a public address.
func (w *process) get(t *testing.T, path string) []byte {
	t.Helper()
	res, err := http.Get(w.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", path, res.Status, err)
	}
	return b
}

// check starts the node, reads all that it has, and says what is not as it was
// acknowledged.
func (w *process) check(t *testing.T) (bad []string) {
	t.Helper()
	defer w.start(t)()
	place := map[string]int{}
	n := 0
	for since := ""; ; {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/data/v1/flows/all/records?limit=1000&since="+since, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+w.take)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Records []struct {
				Record string `json:"record"`
			} `json:"records"`
			Next string `json:"next"`
		}
		err = json.NewDecoder(res.Body).Decode(&page)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			return append(bad, fmt.Sprintf("reading: %s %v", res.Status, err))
		}
		for _, r := range page.Records {
			if _, twice := place[r.Record]; twice {
				bad = append(bad, r.Record+" is there twice")
			}
			n++
			place[r.Record] = n
		}
		if len(page.Records) == 0 {
			break
		}
		since = page.Next
	}
	for client, ids := range w.acked {
		last := 0
		for _, id := range ids {
			switch at, ok := place[id]; {
			case !ok:
				bad = append(bad, fmt.Sprintf("%s was acknowledged to client %d and is lost", id, client))
			case at < last:
				bad = append(bad, id+" is out of order")
			default:
				last = at
			}
		}
	}
	return bad
}

// prove fetches the proofs of a sample and checks them offline with the key and
// the checkpoint that were saved at the beginning.
func (w *process) prove(t *testing.T) {
	t.Helper()
	defer w.start(t)()
	var key struct{ Key string }
	if err := json.Unmarshal(w.key, &key); err != nil {
		t.Fatal(err)
	}
	known := journal.Trust{Keys: []string{key.Key}, Checkpoint: w.checkpoint, Signature: trust.VerifyDetached}
	for client, ids := range w.acked {
		for _, id := range []string{ids[0], ids[len(ids)/2], ids[len(ids)-1]} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/api/v1/proofs/closures/"+id, bytes.NewReader(w.checkpoint))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+w.give)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err == nil && res.StatusCode != http.StatusOK {
				err = fmt.Errorf("%s: %s", res.Status, b)
			}
			if err == nil {
				_, err = journal.Verify(b, known)
			}
			if err != nil {
				t.Errorf("client %d: the proof of %s: %v", client, id, err)
			}
		}
	}
}
