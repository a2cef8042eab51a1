package node

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hansa-exchange/hansa/internal/base/outbound"
)

// TestTraces: a collector is sent what was asked and taken, and never a token, a
// query or what a caller wrote; the caller's trace is a link.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	var got bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path != "/v1/traces" {
			t.Errorf("a call to %s", r.URL.Path)
		}
		_, _ = io.Copy(&got, r.Body) // a short read fails the test below
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	n, err := Open(t.Context(), Config{
		Data: filepath.Join(t.TempDir(), "node"), Origin: "city.example", Version: "test", Own: "did:web:city", Log: slog.New(slog.DiscardHandler),
		Traces: Traces{Endpoint: collector.URL, Ratio: 1}, Outbound: outbound.Config{Allow: []string{strings.TrimPrefix(collector.URL, "http://")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := "http://" + ln.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, ln) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at+"/data/v1/flows/none/snapshot?format=mysecretquery", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer mysecrettoken-mysecrettoken-mysecrettoken")
	req.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close() // its status is not the point
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"GET /data/v1/flows/{flow}/snapshot", "http.response.status_code", "hansa", "city.example", "\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36"} {
		if !bytes.Contains(got.Bytes(), []byte(want)) {
			t.Errorf("the collector was not sent %q", want)
		}
	}
	if bytes.Contains(got.Bytes(), []byte("mysecret")) {
		t.Error("the collector was sent what a caller wrote")
	}
}
