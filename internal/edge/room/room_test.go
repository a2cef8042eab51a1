package room_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// stories are the states that a page must show well.
func stories(t testing.TB) map[string]room.Live {
	t.Helper()
	empty := room.Live{City: "Doggerhaven", Zone: cet, Now: now, Before: ago(2 * time.Hour), Feeds: []room.Feed{{State: hansa.FeedState{Feed: "tunnels", Status: hansa.FeedFresh}}}}
	degraded := afternoon(t)
	degraded.Closures[3].Feed = "works"
	degraded.Feeds = append(degraded.Feeds, room.Feed{Title: "Road works desk", State: hansa.FeedState{Feed: "works", Status: hansa.FeedLate, Since: ago(20 * time.Minute), LastGood: ago(22 * time.Minute), Reason: "no answer within 10 s"}})

	degraded.Note = &room.Note{}
	repaired := afternoon(t)
	repaired.Note = &room.Note{ID: "n1", At: ago(50 * time.Minute), Who: "Desk 3", Text: "Pump 2 of the Oostertunnel is off until Tuesday.\nThe region was told."}
	c := &repaired.Closures[0]
	c.Start, c.ActualStart, c.Repaired = ago(14*time.Minute), c.Published, ago(4*time.Minute)
	c.Contradicts = []string{"the region's desk says that it is open since 14:25"}
	c.Incident, repaired.Closures[1].Incident, repaired.Closures[1].Role = "i1", "i1", hansa.RoleCounterMeasure

	over := afternoon(t)
	over.Closures[5].Lifecycle, over.Closures[5].Effect, over.Closures[5].Role = hansa.Active, hansa.NoEffect, hansa.RoleCounterMeasure
	o := &over.Closures[4]
	o.Lifecycle, o.ActualEnd = hansa.Ended, ago(3*time.Minute)
	for i := range o.Receivers {
		o.Receivers[i].End = []room.Step{{Step: hansa.StepOffered, At: o.ActualEnd}}
		if i < 4 {
			o.Receivers[i].End = append(o.Receivers[i].End, room.Step{Step: hansa.StepCleared, At: o.ActualEnd.Add(time.Duration(20+i) * time.Second)})
		}
	}
	hostile := afternoon(t)
	bad := `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "\u202e\x00"
	h := &hostile.Closures[0]
	h.ID, h.Name, h.Cause, h.Text, h.Lang, h.Source, h.Vehicles, h.Detour = bad, bad, bad, bad, `en" onload="x`, bad, bad, bad
	h.Contradicts, h.Incident = []string{bad}, bad
	h.Receivers[0].Title, h.Receivers[3].Steps[0].Reason = bad, bad
	h.Receivers[5].Steps = []room.Step{{Step: hansa.Step(bad), At: now}, {Step: hansa.StepRejected, At: now, Reason: bad}}
	hostile.City = bad
	hostile.Note = &room.Note{ID: bad, At: now, Author: bad, Who: bad, Text: bad}
	hostile.Feeds = []room.Feed{{Title: bad, State: hansa.FeedState{Feed: bad, Status: hansa.FeedStatus(bad), Reason: bad}}}

	fast := afternoon(t)
	fast.Factor = 60
	return map[string]room.Live{"afternoon": afternoon(t), "empty": empty, "degraded": degraded, "repaired": repaired, "over": over, "hostile": hostile, "fast": fast, "many": many(t, 500), "nothing": {}}
}

// many makes a city with n closures.
func many(t testing.TB, n int) room.Live {
	t.Helper()
	l := afternoon(t)
	base := l.Closures
	l.Closures = nil
	for i := range n {
		c := base[i%4]
		c.ID = fmt.Sprintf("C-%d", i)
		c.Name = fmt.Sprintf("Street %d", i)
		x, y := float64(i%40)*170-3400, float64(i/40)*300-2000
		c.Geometry = line(t, x, y, x+80, y+40)
		l.Closures = append(l.Closures, c)
	}
	return l
}

// TestStorybook draws every state, holds the HTML to its golden, and checks what
// must be true of all of them.
func TestStorybook(t *testing.T) {
	for name, live := range stories(t) {
		t.Run(name, func(t *testing.T) {
			h := serve(t, &canned{live: live, change: make(chan struct{})})
			w := get(t, h, "/live")
			if w.Code != http.StatusOK {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			body := w.Body.String()
			for _, never := range []string{"<script>", "<style", " style=", "onerror=alert(1)>", "javascript:", "ZgotmplZ", "<no value>", "%!"} {
				if i := strings.Index(body, never); i >= 0 {
					t.Errorf("the page has %q: …%s…", never, body[max(0, i-60):min(len(body), i+80)])
				}
			}
			ids(t, body)
			for _, view := range []string{"/live?view=table", "/map.svg", "/live.json"} {
				if w := get(t, h, view); w.Code != http.StatusOK {
					t.Errorf("%s: status %d: %.200s", view, w.Code, w.Body)
				}
			}
			if name != "many" {
				golden(t, name, part(t, body))
			}
		})
	}
}

// part leaves out the base map, which is the same on every page.
func part(t *testing.T, body string) string {
	t.Helper()
	a, b := strings.Index(body, `<rect class="m-land"`), strings.Index(body, `<g id="overlay"`)
	if a < 0 || b < a {
		t.Fatal("the page has no map")
	}
	body = body[:a] + "…" + body[b:]
	i := strings.Index(body, "/assets/") + len("/assets/")
	return strings.ReplaceAll(body, body[i:i+16], "HASH")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".html")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		t.Errorf("the page differs from %s at byte %d:\n got …%.200s\nwant …%.200s\n(-update writes it anew)", file, i, got[max(0, i-60):], string(want[max(0, i-60):]))
	}
}

// ids checks that no two elements of a page share an id.
func ids(t *testing.T, body string) {
	t.Helper()
	seen := map[string]bool{}
	for rest := body; ; {
		i := strings.Index(rest, ` id="`)
		if i < 0 {
			return
		}
		rest = rest[i+5:]
		id, _, _ := strings.Cut(rest, `"`)
		if seen[id] {
			t.Errorf("two elements have the id %q", id)
		}
		seen[id] = true
	}
}

func TestStates(t *testing.T) {
	for name, wants := range map[string][]string{
		"afternoon": {"Oostertunnel, northbound", "4 of 6 live · 1 silent, 1 late", "1 rejected: not in their map", "Taxi Unie is silent.", "88 % of routed trips reached · agreed limit 2 min", "Navika: live after 41 s", "on the diversion of 1", "CET · Mon 23 Nov", "5 of 6 have it"},
		"empty":     {"All roads open", "The last closure ended 2 h ago. Feeds are fresh, so this is real."},
		"degraded":  {"Road works desk is late.", "as of 14:11 · 22 min old", "24 of 25"},
		"repaired":  {"Repaired, still one tube closed", "the road is not open by that", "Sources differ on closure 1.", "Began", "counter-measure", "Together"},
		"over":      {"Over today", "Ended · book market · since 14:30", "4 of 6 cleared · 2 late", "1 measure", "Open to traffic · counter-measure", `class="mk note"`, "Measure, open to traffic"},
		"fast":      {"Demo time", "60 ×"},
		"nothing":   {"All roads open"},
	} {
		t.Run(name, func(t *testing.T) {
			body := get(t, serve(t, &canned{live: stories(t)[name], change: make(chan struct{})}), "/live").Body.String()
			for _, want := range wants {
				if !strings.Contains(body, want) {
					t.Errorf("the page does not say %q", want)
				}
			}
		})
	}
	t.Run("the end's ladder of a closure that is over", func(t *testing.T) {
		body := get(t, serve(t, &canned{live: stories(t)["over"], change: make(chan struct{})}), "/live?closure=C-2026-4455").Body.String()
		for _, want := range []string{"Taken off again", "4 of 6 cleared it", "cleared after 20 s", `<details class="over" open>`, "Opened"} {
			if !strings.Contains(body, want) {
				t.Errorf("the page does not say %q", want)
			}
		}
	})
	t.Run("without shares nothing is said of trips", func(t *testing.T) {
		l := afternoon(t)
		for i := range l.Closures {
			for k := range l.Closures[i].Receivers {
				l.Closures[i].Receivers[k].Share = 0
			}
		}
		if body := get(t, serve(t, &canned{live: l, change: make(chan struct{})}), "/live").Body.String(); strings.Contains(body, "trips") {
			t.Error("the page speaks of trips")
		}
	})
}

func TestHead(t *testing.T) {
	h := serve(t, &canned{live: afternoon(t), change: make(chan struct{})})
	w := get(t, h, "/live")
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-store", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if w := get(t, h, "/"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/live" {
		t.Errorf("/ answers %d to %q", w.Code, w.Header().Get("Location"))
	}
	if w := get(t, h, "/live?theme=dark"); !strings.Contains(w.Body.String(), `data-theme="dark"`) {
		t.Error("the theme of the address is not the page's")
	}
	if w := get(t, h, "/live?closure="+strings.Repeat("x", 2000)); w.Code != http.StatusBadRequest {
		t.Errorf("a long parameter answers %d", w.Code)
	}
	w = get(t, h, "/live", "Accept-Encoding", "gzip")
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || !strings.Contains(string(b), "Oostertunnel") {
		t.Errorf("the packed page is not whole: %v", err)
	}
}

func TestKeptOut(t *testing.T) {
	src := &canned{live: afternoon(t), change: make(chan struct{})}
	h := serve(t, src)
	for _, url := range []string{"/live", "/live.json", "/map.svg", "/stream"} {
		w := get(t, h, url, "X-Nobody", "1")
		if w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "Oostertunnel") {
			t.Errorf("%s answers %d to nobody", url, w.Code)
		}
	}
	src.err = errors.New("disk full at /var/lib/hansa")
	if w := get(t, h, "/live"); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "/var/lib") {
		t.Errorf("a failure answers %d: %s", w.Code, w.Body)
	}
	if r, err := room.New(room.Config{Source: src, Now: time.Now}); err != nil {
		t.Error(err)
	} else if w := get(t, r.Handler("/live"), "/live"); w.Code != http.StatusUnauthorized {
		t.Errorf("a room without Authenticate answers %d", w.Code)
	}
}

func TestJSON(t *testing.T) {
	h := serve(t, &canned{live: afternoon(t), change: make(chan struct{})})
	for _, w := range []*httptest.ResponseRecorder{get(t, h, "/live.json"), get(t, h, "/live", "Accept", "application/json")} {
		var d struct {
			City     string
			Closures []struct {
				ID, Summary string
				Receivers   []struct{ Title, Stands string }
			}
			Alarms []struct{ Text string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		if d.City != "Doggerhaven" || len(d.Closures) != 6 || d.Closures[0].Receivers[5].Stands != "silent" || len(d.Alarms) != 3 {
			t.Errorf("got %+v", d)
		}
	}
}

func TestMapFile(t *testing.T) {
	b := get(t, serve(t, &canned{live: stories(t)["hostile"], change: make(chan struct{})}), "/map.svg").Body.Bytes()
	for d := xml.NewDecoder(strings.NewReader(string(b))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the map is not XML: %v", err)
		}
	}
}

func TestAssets(t *testing.T) {
	h := serve(t, &canned{live: afternoon(t), change: make(chan struct{})})
	body := get(t, h, "/live").Body.String()
	i := strings.Index(body, "/assets/")
	base := body[i : i+len("/assets/")+17]
	for _, name := range []string{"room.css", "live.js", "icon.svg", "sofia-sans-latin-wght-normal.woff2"} {
		w := get(t, h, base+name, "Accept-Encoding", "gzip")
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	if w := get(t, h, "/assets/old/room.css"); strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Error("another hash may be kept for ever")
	}
	for _, name := range []string{"../room.go", "SHA256SUMS", "nothing"} {
		if w := get(t, h, base+name); w.Code == http.StatusOK {
			t.Errorf("%s is served", name)
		}
	}
	if js, err := os.ReadFile("assets/live.js"); err != nil || len(js) > 3000 {
		t.Errorf("live.js has %d bytes, want less than 3000 (%v)", len(js), err)
	}
}

// TestVendored checks that what was brought in is what it was when it was.
func TestVendored(t *testing.T) {
	sums, err := os.ReadFile("vendored/fonts/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"SHA256SUMS": true, "VERSION": true}
	for l := range strings.Lines(string(sums)) {
		f := strings.Fields(l)
		b, err := os.ReadFile(filepath.Join("vendored/fonts", f[1]))
		sum := sha256.Sum256(b)
		if err != nil || hex.EncodeToString(sum[:]) != f[0] {
			t.Errorf("%s has changed (%v)", f[1], err)
		}
		listed[f[1]] = true
	}
	list, err := os.ReadDir("vendored/fonts")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !listed[e.Name()] {
			t.Errorf("%s has no checksum", e.Name())
		}
	}
}

// BenchmarkPage500 draws a city with 500 closures.
func BenchmarkPage500(b *testing.B) {
	h := serve(b, &canned{live: many(b, 500), change: make(chan struct{})})
	for b.Loop() {
		get(b, h, "/live")
	}
}

// beating is a source that changes when told to.
type beating struct {
	mu    sync.Mutex // guards below
	live  room.Live
	ch    chan struct{}
	asked atomic.Int64
}

func (b *beating) Live(context.Context, hansa.Actor, string) (room.Live, error) {
	b.asked.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.live, nil
}

func (b *beating) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *beating) change(f func(*room.Live)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.live.Closures = slices.Clone(b.live.Closures)
	f(&b.live)
	close(b.ch)
	b.ch = make(chan struct{})
}

// TestStream watches from many browsers at once: each gets the change, one
// rendering serves them all, and only what changed travels.
func TestStream(t *testing.T) {
	src := &beating{live: afternoon(t), ch: make(chan struct{})}
	srv := httptest.NewServer(serve(t, src))
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	const watchers = 40
	firsts, news := make(chan string, watchers), make(chan string, watchers)
	for range watchers {
		go func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/stream", http.NoBody)
			if err != nil {
				return
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return
			}
			defer res.Body.Close()
			in := bufio.NewScanner(res.Body)
			in.Buffer(nil, 8<<20)
			var patch strings.Builder
			for patches := 0; in.Scan(); {
				patch.WriteString(in.Text() + "\n")
				if in.Text() != "" || !strings.Contains(patch.String(), "event: patch") {
					continue
				}
				if patches++; patches > 1 {
					news <- patch.String()
					return
				}
				firsts <- patch.String()
				patch.Reset()
			}
		}()
	}
	wait := func(from <-chan string) string {
		t.Helper()
		select {
		case s := <-from:
			return s
		case <-time.After(20 * time.Second):
			t.Fatal("no patch within 20 s")
			return ""
		}
	}
	for range watchers {
		if s := wait(firsts); !strings.Contains(s, `id="list"`) || !strings.Contains(s, `<svg><g id="overlay">`) {
			t.Fatalf("the first patch lacks a part: %.300s", s)
		}
	}
	before := src.asked.Load()
	src.change(func(l *room.Live) {
		l.Closures[3].Name = "Lakengracht, odd side"
	})
	for range watchers {
		s := wait(news)
		if !strings.Contains(s, "Lakengracht, odd side") || strings.Contains(s, `id="list"`) || strings.Contains(s, "Wallenweg, Bremerweg – Zuiderweg</span>") {
			t.Fatalf("the patch is not the change alone: %.400s", s)
		}
	}
	if n := src.asked.Load() - before; n > 4 {
		t.Errorf("%d renderings for one change and %d watchers", n, watchers)
	}
}
