package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/node/sandbox"
)

// entry is one closure in the list of the test's receiver.
type entry struct {
	Record    string       `json:"record"`
	Version   int64        `json:"version,omitzero"`
	State     string       `json:"state"`
	Extent    hansa.Extent `json:"extent,omitempty"`
	Direction string       `json:"direction,omitempty"`
	Vehicles  string       `json:"vehicles,omitempty"`
	Test      bool         `json:"test,omitzero"`
}

// navigator is a receiver with one planted fault, or none.
type navigator struct {
	fault sandbox.Kind
	mu    sync.Mutex // guards all below
	shown map[string]entry
	since map[string]time.Time // when a record was first heard of
	seen  map[string]bool
}

// take puts one record on the list, as a receiver with this fault does.
func (n *navigator) take(r *hansa.Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.since[r.ID]; !ok {
		n.since[r.ID] = time.Now()
	}
	if !r.Live() {
		if n.fault != sandbox.NeverCleared {
			delete(n.shown, r.ID)
		}
		return
	}
	if _, ok := n.shown[r.ID]; ok && n.fault == sandbox.Stale {
		return
	}
	e := entry{Record: r.ID, Version: r.Version, State: "live", Extent: r.Situation.Extent, Direction: string(r.Situation.Direction), Vehicles: "all", Test: !r.Mode.IsReal()}
	if len(r.Situation.Vehicles) > 0 {
		e.Vehicles = "some"
	}
	if r.Situation.Lifecycle == hansa.Confirmed && n.fault != sandbox.WrongTime {
		e.State = "planned"
	}
	switch n.fault { //nolint:exhaustive // the others are planted elsewhere
	case sandbox.Widened:
		e.Extent = hansa.WholeRoad
	case sandbox.WrongDirection:
		if e.Direction != "both" {
			e.Direction = "opposite"
		}
	}
	n.shown[r.ID] = e
}

// ServeHTTP publishes the list at /shown, and takes events at /hook.
func (n *navigator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/hook" {
		n.hook(w, r)
		return
	}
	n.mu.Lock()
	list := []entry{}
	for _, e := range slices.SortedFunc(maps.Values(n.shown), func(a, b entry) int { return strings.Compare(a.Record, b.Record) }) {
		if n.fault == sandbox.NeverShown || n.fault == sandbox.Late && time.Since(n.since[e.Record]) < 1200*time.Millisecond {
			continue
		}
		if list = append(list, e); n.fault == sandbox.Duplicate {
			list = append(list, e)
		}
	}
	n.mu.Unlock()
	b, err := json.Marshal(map[string]any{"closures": list})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(b) // the sandbox went away
}

func (n *navigator) hook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var e struct {
		Type string         `json:"type"`
		Data map[string]any `json:"data"`
		Rest map[string]any `json:",embed"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if c, ok := e.Data["challenge"].(string); ok {
		_, _ = fmt.Fprint(w, c)
		return
	}
	id := r.Header.Get("Webhook-Id")
	forged := strings.Contains(r.Header.Get("Webhook-Signature"), "AAAAAAAA")
	n.mu.Lock()
	again := n.seen[id]
	n.seen[id] = true
	n.mu.Unlock()
	switch {
	case forged && n.fault != sandbox.Unchecked:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case again && n.fault == sandbox.RepeatRefused:
		w.WriteHeader(http.StatusConflict)
		return
	}
	if !forged {
		n.event(body)
	}
	w.WriteHeader(http.StatusNoContent)
}

// event takes what one event says.
func (n *navigator) event(body []byte) {
	var e struct {
		Data struct {
			Records []hansa.Record `json:"records"`
			Rest    map[string]any `json:",embed"`
		} `json:"data"`
		Rest map[string]any `json:",embed"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return
	}
	for i := range e.Data.Records {
		n.take(&e.Data.Records[i])
	}
}

// follow reads the flow's live stream.
func (n *navigator) follow(ctx context.Context, a SandboxAccess) {
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/data/v1/flows/"+a.Flow+"/events", nil)
		if err != nil {
			return
		}
		req.Header.Set("Authorization", "Bearer "+a.Token)
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		s := bufio.NewScanner(res.Body)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			if line, ok := strings.CutPrefix(s.Text(), "data:"); ok {
				n.event([]byte(line))
			}
		}
		_ = res.Body.Close()
	}
}

// poll fetches the present state again and again.
func (n *navigator) poll(ctx context.Context, a SandboxAccess) {
	for ; ctx.Err() == nil; pause(ctx, 30*time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/data/v1/flows/"+a.Flow+"/snapshot.record", nil)
		if err != nil {
			return
		}
		req.Header.Set("Authorization", "Bearer "+a.Token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		var doc struct {
			Records []hansa.Record `json:"records"`
			Rest    map[string]any `json:",embed"`
		}
		err = json.UnmarshalRead(res.Body, &doc)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			continue
		}
		has := map[string]bool{}
		for i := range doc.Records {
			has[doc.Records[i].ID] = true
			n.take(&doc.Records[i])
		}
		n.mu.Lock()
		for id := range n.shown {
			if !has[id] && n.fault != sandbox.NeverCleared {
				delete(n.shown, id)
			}
		}
		n.mu.Unlock()
	}
}

// TestSandbox: each planted fault of a receiver is found by its name, whichever way
// it takes closures, and a good receiver passes.
func TestSandbox(t *testing.T) {
	if testing.Short() {
		t.Skip("plays a story for each fault; not in a short run")
	}
	t.Parallel()
	var all sync.WaitGroup
	defer all.Wait()
	for _, c := range []struct {
		way   string
		fault sandbox.Kind
	}{
		{"pull", ""},
		{"stream", ""},
		{"webhook", ""},
		{"pull", sandbox.Late},
		{"pull", sandbox.NeverShown},
		{"pull", sandbox.NeverCleared},
		{"stream", sandbox.NeverCleared},
		{"webhook", sandbox.NeverCleared},
		{"stream", sandbox.Widened},
		{"pull", sandbox.WrongDirection},
		{"webhook", sandbox.WrongTime},
		{"stream", sandbox.Stale},
		{"pull", sandbox.Duplicate},
		{"webhook", sandbox.Unchecked},
		{"webhook", sandbox.RepeatRefused},
	} {
		all.Go(func() { try(t, c.way, c.fault) }) // they wait more than they work
	}
}

// try plays the sandbox for a receiver with a fault.
func try(t *testing.T, way string, fault sandbox.Kind) {
	t.Helper()
	n := &navigator{fault: fault, shown: map[string]entry{}, since: map[string]time.Time{}, seen: map[string]bool{}}
	srv := httptest.NewServer(n)
	defer srv.Close()
	cfg := SandboxConfig{Shown: srv.URL + "/shown", Format: "record", Within: 3 * time.Second, Version: "test", Log: slog.New(slog.DiscardHandler)}
	if fault != "" {
		cfg.Within = 600 * time.Millisecond
	}
	if way == "webhook" {
		cfg.Endpoint = srv.URL + "/hook"
	}
	s, access, err := OpenSandbox(t.Context(), cfg)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	switch way {
	case "pull":
		wg.Go(func() { n.poll(ctx, access) })
	case "stream":
		wg.Go(func() { n.follow(ctx, access) })
	}
	report, err := s.Play(ctx, 300*time.Millisecond, func(string) {})
	stop()
	wg.Wait()
	if err != nil {
		t.Error(err)
		return
	}
	found := slices.ContainsFunc(report.Steps, func(v sandbox.Verdict) bool { return slices.Contains(v.Faults, fault) })
	if fault == "" && !report.Passed || fault != "" && (!found || report.Passed) {
		t.Errorf("a receiver by %s with the fault %q is graded %+v", way, fault, report)
	}
}

// TestSandboxNavigator: the simulated navigator passes at the simulated city,
// whichever way and in whatever format it reads; told to drop a closure, it fails.
func TestSandboxNavigator(t *testing.T) {
	if testing.Short() {
		t.Skip("plays a story for each way; not in a short run")
	}
	t.Parallel()
	var all sync.WaitGroup
	defer all.Wait()
	for _, c := range []struct {
		by     string
		format hansa.Format
		drops  bool
	}{{"poll", "datex2", false}, {"stream", "geojson", false}, {"webhook", "record", false}, {"poll", "cifs", false}, {"stream", "record", true}} {
		all.Go(func() {
			report, err := navigate(t, c.by, c.format, c.drops)
			if err != nil {
				t.Errorf("%s of %s: %v", c.by, c.format, err)
			} else if report.Passed == c.drops {
				t.Errorf("by %s in %s, drops is %v: %+v", c.by, c.format, c.drops, report)
			}
		})
	}
}

// navigate plays the sandbox for a navigator, which may be told to drop what it shows.
func navigate(t *testing.T, by string, format hansa.Format, drops bool) (report SandboxReport, err error) {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return report, err
	}
	at := ln.Addr().String()
	within := 3 * time.Second
	if drops {
		within = time.Second
	}
	s, access, err := OpenSandbox(t.Context(), SandboxConfig{Shown: "http://" + at + "/shown", Format: format, Within: within, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		e := Navigate(ctx, &NavigatorConfig{Exchange: access.URL, Flow: access.Flow, Token: access.Token, By: by, Format: format, Purpose: "navigation", Listener: ln, Every: 100 * time.Millisecond, Client: http.DefaultClient}, func(string) {}, func(says string) {
			if id, ok := strings.CutPrefix(says, "shows "); ok && drops {
				id, _, _ = strings.Cut(id, ",")
				wg.Go(func() { drop(ctx, at, id) })
			}
		})
		if e != nil {
			t.Error(e)
		}
	})
	return s.Play(ctx, 500*time.Millisecond, func(string) {})
}

// drop tells the navigator to drop a record without a word.
func drop(ctx context.Context, at, id string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at+"/drop?record="+id, nil)
	if err != nil {
		return
	}
	if res, err := http.DefaultClient.Do(req); err == nil {
		_ = res.Body.Close() // what it shows then is what counts
	}
}
