package feed_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/dataplane/feed"
)

// world is a source that answers what it is told to, and a dataset that keeps what
// is taken. An answer is one id and text a line; a line "!" breaks it off, "?x" is
// a fact that is no record.
type world struct {
	feeds   *feed.Feeds
	db      *store.Store
	now     time.Time
	answer  string
	status  int
	etag    string
	asked   string // the If-None-Match that came last
	present map[string]*hansa.Record
	taken   []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hansa.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), feed.Migrations()); err != nil {
		t.Fatal(err)
	}
	w := &world{db: db, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), status: http.StatusOK, present: map[string]*hansa.Record{}}
	w.open(t)
	return w
}

// open makes the feeds anew, as a restart does.
func (w *world) open(t *testing.T) {
	t.Helper()
	var err error
	w.feeds, err = feed.New(feed.Config{
		DB: w.db, Fetch: w, Now: func() time.Time { return w.now }, Read: read,
		Take: func(_ context.Context, _ *feed.Feed, recs []*hansa.Record) ([]error, error) {
			out := make([]error, len(recs))
			for i, r := range recs {
				if string(r.Original) == "refuse" {
					out[i] = errors.New("refused")
					continue
				}
				w.present[r.ID] = r
				w.taken = append(w.taken, r.ID+":"+string(r.Update))
			}
			return out, nil
		},
		Present: func(_ context.Context, _ *feed.Feed, id string) (*hansa.Record, error) {
			if r := w.present[id]; r != nil {
				return r, nil
			}
			return nil, hansa.Errorf(hansa.NotFound, "there is no record %q", id)
		},
	}, []feed.Feed{{ID: "works", Party: "did:web:city", Dataset: "d", URL: "https://works.example.com/", Format: "x", Kind: feed.Snapshot, Every: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
}

// Fetch answers as a source does.
func (w *world) Fetch(_ context.Context, _ string, header http.Header) (int, http.Header, io.ReadCloser, error) {
	w.asked = header.Get("If-None-Match")
	h := http.Header{"Etag": {w.etag}}
	if w.etag != "" && w.asked == w.etag {
		return http.StatusNotModified, h, io.NopCloser(strings.NewReader("")), nil
	}
	return w.status, h, io.NopCloser(strings.NewReader(w.answer)), nil
}

func read(_ *feed.Feed, r io.Reader, _ time.Time) iter.Seq2[feed.Item, error] {
	return func(yield func(feed.Item, error) bool) {
		for s := bufio.NewScanner(r); s.Scan(); {
			id, text, _ := strings.Cut(s.Text(), " ")
			switch {
			case id == "!":
				yield(feed.Item{}, errors.New("the connection ended"))
				return
			case strings.HasPrefix(id, "?"):
				if !yield(feed.Item{Refused: errors.New("no record"), ID: id[1:]}, nil) {
					return
				}
			case !yield(feed.Item{Record: &hansa.Record{Kind: hansa.KindSituation, ID: id, Version: 1, Original: []byte(text), Situation: &hansa.Situation{Lifecycle: hansa.Active}}}, nil):
				return
			}
		}
	}
}

// step asks the source once, a minute later, and checks that all that came in is
// accounted for.
func (w *world) step(t *testing.T, answer string) feed.Report {
	t.Helper()
	w.answer, w.now, w.taken = answer, w.now.Add(time.Minute), nil
	rep, err := w.feeds.Step(t.Context(), "works")
	if err != nil {
		t.Fatal(err)
	}
	if rep.In != rep.Taken+rep.Unchanged+rep.Refused {
		t.Errorf("%d in, and %d taken, %d unchanged, %d refused", rep.In, rep.Taken, rep.Unchanged, rep.Refused)
	}
	return rep
}

func (w *world) state(t *testing.T) hansa.FeedState {
	t.Helper()
	list, err := w.feeds.States(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func TestSnapshotBecomesEvents(t *testing.T) {
	w := newWorld(t)
	if rep := w.step(t, "a closed\nb closed\n?x\nc refuse\n"); rep.Taken != 2 || rep.Refused != 2 {
		t.Errorf("begin: %+v", rep)
	}
	if rep := w.step(t, "a closed\nb closed until six\n"); rep.Unchanged != 1 || rep.Taken != 1 || rep.Ended != 0 {
		t.Errorf("change: %+v", rep)
	}
	w.open(t)
	if rep := w.step(t, "a closed\n"); rep.Ended != 1 || rep.Unchanged != 1 {
		t.Errorf("end, after a restart: %+v", rep)
	}
	b := w.present["b"]
	if b.Update != hansa.End || b.Situation.Lifecycle != hansa.Ended || b.Situation.EndRule != hansa.EndWithSource || b.Situation.ActualEnd != nil || b.Version != 1 {
		t.Errorf("the ended record is %+v %+v", b, b.Situation)
	}
	if rep := w.step(t, "a closed\nb closed until six\n"); rep.Taken != 1 || w.present["b"].Update == hansa.End {
		t.Errorf("what comes back is heard: %+v", rep)
	}
}

func TestAShrunkenSnapshotIsHeld(t *testing.T) {
	w := newWorld(t)
	var all strings.Builder
	for i := range 10 {
		fmt.Fprintf(&all, "r%d closed\n", i)
	}
	w.step(t, all.String())
	for _, small := range []string{"", "r0 closed\nr1 closed\n"} {
		if rep := w.step(t, small); !rep.Held || rep.Ended != 0 {
			t.Errorf("%q: %+v, want it held", small, rep)
		}
		if s := w.state(t); s.Status != hansa.FeedHeld || s.Reason == "" {
			t.Errorf("the state is %+v, want held with a reason", s)
		}
	}
	if rep := w.step(t, all.String()); rep.Held || w.state(t).Status != hansa.FeedFresh {
		t.Errorf("a whole snapshot: %+v, %s", rep, w.state(t).Status)
	}
	if err := w.feeds.Release(t.Context(), "works"); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("releasing what is not held: %v", err)
	}
	w.step(t, "r0 closed\n")
	if err := w.feeds.Release(t.Context(), "works"); err != nil {
		t.Fatal(err)
	}
	if rep := w.step(t, "r0 closed\n"); rep.Ended != 9 {
		t.Errorf("a released snapshot: %+v, want 9 ended", rep)
	}
}

func TestABrokenAnswerEndsNothing(t *testing.T) {
	w := newWorld(t)
	w.step(t, "a closed\nb closed\n")
	if rep := w.step(t, "a closed until six\n!\n"); rep.Ended != 0 || rep.Taken != 1 || rep.Broken == "" {
		t.Errorf("broken off: %+v", rep)
	}
	if s := w.state(t); s.Status != hansa.FeedFailing || s.Reason == "" {
		t.Errorf("the state is %+v, want failing with a reason", s)
	}
}

func TestNotModifiedAndSilence(t *testing.T) {
	w := newWorld(t)
	w.etag = `"one"`
	w.step(t, "a closed\n")
	if rep := w.step(t, "ignored\n"); !rep.NotModified || w.asked != `"one"` {
		t.Errorf("%+v, asked with %q", rep, w.asked)
	}
	w.status, w.etag = http.StatusBadGateway, `"two"`
	for range 3 {
		w.now = w.now.Add(time.Minute)
		if _, err := w.feeds.Step(t.Context(), "works"); err == nil {
			t.Error("502 was taken for an answer")
		}
	}
	if s := w.state(t); s.Status != hansa.FeedFailing {
		t.Errorf("the state is %s, want failing", s.Status)
	}
	w.now = w.now.Add(time.Hour)
	if s := w.state(t); s.Status != hansa.FeedSilent || s.Since.IsZero() {
		t.Errorf("the state is %+v, want silent since a time", s)
	}
}
