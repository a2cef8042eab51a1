package node

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// busy is a town with so many closures and feeds, and a credential that sees its pages.
func busy(tb testing.TB, closures, feeds int) (*town, string) {
	tb.Helper()
	w := mappedTown(tb)
	var body bytes.Buffer
	for i := range closures {
		fmt.Fprintln(&body, strings.NewReplacer(`"id":"a"`, fmt.Sprintf(`"id":"a%d"`, i), "Oostertunnel", fmt.Sprintf("Street %d", i), "4.9,", fmt.Sprintf("4.9%03d1,", i), "4.91,", fmt.Sprintf("4.9%03d9,", i)).Replace(goodRecord))
	}
	by := hansa.Actor{Party: "did:web:city", Rights: []hansa.Right{hansa.RightPublish, hansa.RightControl, hansa.RightManage, hansa.RightAdmin}}
	if list, err := (serving{w.Node}).Publish(tb.Context(), by, "closures", "application/x-ndjson", &body); err != nil || len(list) != closures {
		tb.Fatal(len(list), err)
	}
	dir := tb.TempDir()
	for i := range feeds {
		if _, err := (admins{w.Node}).SaveFeed(tb.Context(), by, api.FeedOrder{Name: fmt.Sprintf("feed-%d", i), Dataset: "closures", Path: fmt.Sprintf("%s/%d.ndjson", dir, i), Format: "ndjson"}); err != nil {
			tb.Fatal(err)
		}
	}
	secret := token()
	if err := w.Apply(tb.Context(), &Setup{
		Parties:     []hansa.Party{{ID: "did:web:city", Name: "city", Title: "city", Kind: hansa.City, Hosted: true}},
		Credentials: []trust.CredentialSpec{{Party: "did:web:city", Name: "pages", Kind: trust.Bearer, Rights: by.Rights, Secret: trust.NewSecret(secret)}},
	}); err != nil {
		tb.Fatal(err)
	}
	return w, secret
}

// look fetches a page as a browser would, and returns it.
func (w *town) look(tb testing.TB, path, secret string) []byte {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+secret)
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		tb.Fatalf("%s: %d %.300s", path, rec.Code, rec.Body)
	}
	return rec.Body.Bytes()
}

var loads = regexp.MustCompile(`(?:href|src)="(/assets/[^"]+|/map\.svg[^"]*)"|url\(["']?(/assets/[^"')]+)`)

// TestPageWeight: with 500 closures, what a browser loads for a first page is under
// 0.6 MB compressed on /live and under 0.25 MB elsewhere, and all of it is the node's own.
func TestPageWeight(t *testing.T) {
	w, secret := busy(t, 500, 20)
	zipped := func(b []byte) int {
		var z bytes.Buffer
		g := gzip.NewWriter(&z)
		if _, err := g.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		return z.Len()
	}
	for _, path := range []string{"/live", "/closures", "/close", "/deliveries", "/datasets", "/datasets/closures", "/feeds", "/parties", "/requests", "/agreements", "/catalogue", "/settings", "/settings/peers", "/status", "/first", "/help"} {
		page := w.look(t, path, secret)
		sum, seen := zipped(page), map[string]bool{}
		open := [][]byte{page}
		for len(open) > 0 {
			b := open[0]
			open = open[1:]
			for _, m := range loads.FindAllSubmatch(b, -1) {
				at := string(m[1]) + string(m[2])
				if seen[at] {
					continue
				}
				seen[at] = true
				part := w.look(t, at, secret)
				if strings.HasSuffix(at, ".woff2") {
					sum += len(part)
				} else {
					sum += zipped(part)
				}
				if strings.HasSuffix(at, ".css") {
					open = append(open, part)
				}
			}
		}
		most := 250_000
		if path == "/live" {
			most = 600_000
		}
		t.Logf("%-12s %7d bytes compressed, %d loads", path, sum, len(seen)+1)
		if sum > most || len(seen) < 3 {
			t.Errorf("%s: %d bytes compressed in %d loads, want at most %d", path, sum, len(seen)+1, most)
		}
		if foreign := regexp.MustCompile(`(?:href|src|action)="https?://[^"]*`).FindAll(page, -1); len(foreign) > 0 {
			t.Errorf("%s loads or leads elsewhere: %s", path, foreign)
		}
	}
}

// BenchmarkPages measures the server's time for each page with 500 closures and 300
// feeds, its 95th percentile beside the mean.
func BenchmarkPages(b *testing.B) {
	w, secret := busy(b, 500, 300)
	for _, path := range []string{"/live", "/closures", "/close", "/deliveries", "/datasets", "/feeds", "/parties", "/settings", "/status"} {
		b.Run(path, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				t0 := time.Now()
				w.look(b, path, secret)
				took = append(took, time.Since(t0))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "ms-p95")
		})
	}
}

// BenchmarkLivePages opens 1,000 live pages and measures how long after a change each
// has its patch.
func BenchmarkLivePages(b *testing.B) {
	w, secret := busy(b, 50, 0)
	ln, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, ln) }()
	const pages = 1000
	patched := make(chan time.Time, pages*4)
	var open, readers sync.WaitGroup
	for range pages {
		open.Add(1)
		readers.Go(func() { watch(ctx, "http://"+ln.Addr().String()+"/stream", secret, open.Done, patched) })
	}
	open.Wait()
	time.Sleep(time.Second)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		for len(patched) > 0 {
			<-patched
		}
		t0 := time.Now()
		if _, err := w.desk.Close(ctx, hansa.Actor{Party: "did:web:city", Rights: []hansa.Right{hansa.RightControl}}, api.CloseOrder{Place: "ooster", Heading: "north", Test: true}); err != nil {
			b.Fatal(err)
		}
		for range pages {
			took = append(took, (<-patched).Sub(t0))
		}
		time.Sleep(700 * time.Millisecond) // what follows of it comes as patches of its own
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	stop()
	readers.Wait()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// watch reads the stream of one page, and says when a patch has come whole.
func watch(ctx context.Context, at, secret string, opened func(), patched chan<- time.Time) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	res, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		opened()
		return
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	first, patch := true, false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			if err == io.EOF && first {
				opened()
			}
			return
		}
		switch {
		case line == "event: patch\n":
			patch = true
		case line == "\n" && first:
			first = false
			opened()
		case line == "\n" && patch:
			patch = false
			select {
			case patched <- time.Now():
			default:
			}
		}
	}
}
