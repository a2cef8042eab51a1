package main_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// crowd is how many slow connections there are.
func crowd(t *testing.T) int {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("HANSA_CROWD")); err == nil && n > 0 {
		return n
	}
	if testing.Short() {
		t.Skip("loads a process; not in a short run")
	}
	return 50
}

// TestSlowLoris opens many connections that never finish their request: honest
// callers are served meanwhile, and the slow ones are all gone after a while. Its
// control is a server without timeouts, which keeps them.
func TestSlowLoris(t *testing.T) {
	n := crowd(t)
	w := newProcess(t)
	defer w.start(t)()
	left, served := slow(t, strings.TrimPrefix(w.url, "http://"), n, func() bool {
		res, err := http.Get(w.url + "/healthz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bare := &http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = bare.Serve(ln) }()
	defer bare.Close()
	kept, _ := slow(t, ln.Addr().String(), 5, func() bool { return true })
	t.Logf("%d slow connections, %d left; %d honest requests served; the control keeps %d of 5", n, left, served, kept)
	if left != 0 || kept != 5 {
		t.Errorf("%d of %d slow connections are left, and %d of 5 at the control; want 0 and 5", left, n, kept)
	}
	if served < 20 {
		t.Errorf("only %d honest requests were served", served)
	}
}

// slow opens n connections, sends half a request on each, and after some seconds
// says how many are open still, and how often honest was true meanwhile. An honest
// request that fails ends the test.
func slow(t *testing.T, address string, n int, honest func() bool) (left, served int) {
	t.Helper()
	conns := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range n {
		c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX-A: "); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now().Add(7 * time.Second)
	for time.Now().Before(end) {
		if !honest() {
			t.Fatalf("an honest request was not served among %d slow connections", n)
		}
		served++
		for _, c := range conns {
			_, _ = io.WriteString(c, "a") // one byte at a time; a closed one refuses it
		}
		time.Sleep(200 * time.Millisecond)
	}
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		b := make([]byte, 4096)
		for {
			_, err := c.Read(b)
			if e, ok := err.(net.Error); ok && e.Timeout() { //nolint:errorlint // net returns it as it is
				left++
			}
			if err != nil {
				break
			}
		}
	}
	return left, served
}

// TestBomb sends a body that is small on the way and large when it is unpacked: it
// is refused, and the process does not grow.
func TestBomb(t *testing.T) {
	if testing.Short() && os.Getenv("HANSA_CROWD") == "" {
		t.Skip("loads a process; not in a short run")
	}
	w := newProcess(t)
	defer w.start(t)()
	if status, body := w.post(t, "before"); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	spaces := bytes.Repeat([]byte(" "), 1<<20)
	for range 256 {
		if _, err := z.Write(spaces); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	before := w.peak(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/data/v1/datasets/closures/records", &bomb)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.give)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode/100 != 4 {
		t.Errorf("256 MiB in %d bytes are answered %s %s", bomb.Len(), res.Status, b)
	}
	after := w.peak(t)
	t.Logf("refused with %d; the process grew by %d MiB", res.StatusCode, (after-before)>>20)
	if after-before > 32<<20 {
		t.Errorf("the process grew by %d MiB", (after-before)>>20)
	}
	if status, body := w.post(t, "after"); status != http.StatusOK {
		t.Errorf("after the bomb: %d %s", status, body)
	}
}

// peak is the most memory that the node has had, in bytes.
func (w *process) peak(t *testing.T) int64 {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "pgrep", "-f", filepath.Join(w.dir, "hansa.toml")).Output()
	if err != nil {
		t.Skip("this machine lacks pgrep")
	}
	b, err := os.ReadFile("/proc/" + strings.Fields(string(out))[0] + "/status")
	if err != nil {
		t.Skip("this machine has no /proc")
	}
	for line := range strings.Lines(string(b)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(kib)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("the process has no VmHWM")
	return 0
}

// TestOverload asks far more at once than a node answers: what it cannot take it
// refuses with a time to come back, what it takes is there, and afterwards it is
// as before.
func TestOverload(t *testing.T) {
	if testing.Short() && os.Getenv("HANSA_CROWD") == "" {
		t.Skip("loads a process; not in a short run")
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < 4096 {
		t.Skipf("this machine lets a process open %d files alone", limit.Cur)
	}
	w := newProcess(t)
	kill := w.start(t)
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1500}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var refused, odd atomic.Int64
	begin := make(chan struct{})
	for client := range 1500 {
		wg.Go(func() {
			<-begin
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("o%d-%d", client, i)
				status, after := w.send(ctx, c, w.give, id)
				switch {
				case status == http.StatusOK:
					mu.Lock()
					w.acked[client] = append(w.acked[client], id)
					mu.Unlock()
				case status == http.StatusServiceUnavailable && after != "":
					refused.Add(1)
				case status != 0 || ctx.Err() == nil:
					odd.Add(1)
				}
			}
		})
	}
	close(begin)
	wg.Wait()
	acked := 0
	for _, ids := range w.acked {
		acked += len(ids)
	}
	c.CloseIdleConnections()
	status, body := 0, []byte(nil)
	for range 100 { // what was given up on is still being answered
		if status, body = w.post(t, "after"); status == http.StatusOK {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if status != http.StatusOK {
		t.Errorf("after the overload: %d %s", status, body)
	}
	kill()
	if bad := w.check(t); len(bad) > 0 {
		t.Errorf("%d of what was acknowledged is wrong: %s", len(bad), bad[0])
	}
	t.Logf("%d acknowledged, %d refused with a time to come back, %d otherwise", acked, refused.Load(), odd.Load())
	if refused.Load() == 0 || odd.Load() > 0 || acked < 100 {
		t.Errorf("%d acknowledged, %d refused, %d otherwise; want some, some and none", acked, refused.Load(), odd.Load())
	}
}

// send publishes one record and returns the status and when to come back.
func (w *process) send(ctx context.Context, c *http.Client, token, id string) (status int, after string) {
	body := `{"kind":"situation","id":"` + id + `","version":1,"situation":{"lifecycle":"active","effect":"road-closed","start":"2026-11-23T10:00:00Z","endKind":"unknown","direction":"both","road":{"name":"Oostertunnel"},"geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38]]}}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/data/v1/datasets/closures/records", strings.NewReader(body))
	if err != nil {
		return 0, ""
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, ""
	}
	return res.StatusCode, res.Header.Get("Retry-After")
}

// TestNoisy lets one credential ask more than it may: it is told when to come back,
// and the other is served as ever.
func TestNoisy(t *testing.T) {
	if testing.Short() && os.Getenv("HANSA_CROWD") == "" {
		t.Skip("loads a process; not in a short run")
	}
	w := newProcess(t)
	name := filepath.Join(w.dir, "hansa.toml")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(b), "[[parties]]", "[limits]\nrequests_per_second = 40\n[[parties]]", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	defer w.start(t)()
	ok, limited := 0, 0
	for i := range 200 {
		status, after := w.send(t.Context(), http.DefaultClient, w.give, "n"+strconv.Itoa(i))
		switch {
		case status == http.StatusOK:
			ok++
		case status == http.StatusTooManyRequests && after != "":
			limited++
		default:
			t.Fatalf("the noisy one is answered %d", status)
		}
		if i%10 == 0 {
			w.count(t) // the quiet one: any other answer than 200 ends the test
		}
	}
	t.Logf("%d taken, %d told to come back; the quiet one was served 20 times", ok, limited)
	if ok == 0 || limited == 0 {
		t.Errorf("%d taken and %d limited, want some of both", ok, limited)
	}
}
