package deliver_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the tests' own small database

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
)

// plainDB is the smallest database that keeps the contract of hansa.DB. Fail
// makes the next writes fail at their commit.
type plainDB struct {
	mu   sync.Mutex // one at a time
	db   *sql.DB
	fail int
}

func (p *plainDB) run(ctx context.Context, f func(hansa.Tx) error, keep bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil || !keep {
		tx.Rollback()
		return err
	}
	if p.fail > 0 {
		p.fail--
		tx.Rollback()
		return errors.New("the disk is gone")
	}
	return tx.Commit()
}

func (p *plainDB) Write(ctx context.Context, f func(hansa.Tx) error) error {
	return p.run(ctx, f, true)
}

func (p *plainDB) Read(ctx context.Context, f func(hansa.Tx) error) error {
	return p.run(ctx, f, false)
}

// line is a dataset in memory; cursors are its events' numbers.
type line struct {
	mu      sync.Mutex
	evs     []deliver.Event
	changed chan struct{}
	flow    *hansa.Flow
	reads   int // of events that were there
	shots   int
	denied  error
	kept    int  // cursors below it are gone
	trimmed bool // and so are the events before it
	turned  int  // so many reads find that the terms have changed since the view was opened
}

func (l *line) add(id string, u hansa.Update, o hansa.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.evs) + 1
	l.evs = append(l.evs, deliver.Event{
		Cursor: hansa.Cursor(strconv.Itoa(n)), Record: id, Version: int64(n), Update: u, At: time.Date(2023, 7, 9, 11, 0, 0, 0, time.UTC),
		Rule: "TERM-01", Outcome: o, MediaType: "application/json", Body: fmt.Appendf(nil, `{"id":%q}`, id),
	})
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *line) Open(_ context.Context, flow hansa.FlowID, p hansa.Purpose, f hansa.Format) (deliver.View, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view(string(flow), p, f), l.denied
}

func (l *line) view(key string, p hansa.Purpose, f hansa.Format) deliver.View {
	return deliver.View{Key: key, Flow: l.flow, Format: f, Purpose: p, Label: hansa.Label{Flow: l.flow.ID, Licence: "https://example.org/l"}}
}

func (l *line) Events(_ context.Context, _ deliver.View, since hansa.Cursor, limit int) ([]deliver.Event, hansa.Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turned > 0 {
		l.turned--
		return nil, since, hansa.Errorf(hansa.Conflict, "the terms of the flow have changed")
	}
	n, _ := strconv.Atoi(string(since))
	if n < l.kept {
		return nil, since, hansa.Errorf(hansa.NotFound, "gone").With(hansa.CodeGone)
	}
	evs := l.evs[n:min(n+limit, len(l.evs))]
	if len(evs) == 0 {
		return nil, since, nil
	}
	l.reads++
	return append([]deliver.Event(nil), evs...), evs[len(evs)-1].Cursor, nil
}

func (l *line) Snapshot(context.Context, deliver.View) (deliver.Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shots++
	return deliver.Snapshot{Body: fmt.Appendf(nil, "%d", len(l.evs)), MediaType: "text/plain", At: hansa.Cursor(strconv.Itoa(len(l.evs)))}, nil
}

func (l *line) Changed(deliver.View) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

func (l *line) Resume(context.Context, deliver.View, hansa.Cursor) (hansa.Cursor, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return hansa.Cursor(strconv.Itoa(l.kept)), l.trimmed, nil
}

func (l *line) Head(context.Context, deliver.View) (hansa.Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return hansa.Cursor(strconv.Itoa(len(l.evs))), nil
}

type sealer struct{ batches []hansa.Batch }

func (s *sealer) Seal(_ hansa.Tx, b hansa.Batch) (string, error) {
	s.batches = append(s.batches, b)
	return "b" + strconv.Itoa(len(s.batches)), nil
}

// sender answers as told, without a network.
type sender func(ctx context.Context, url string, h http.Header, body []byte) (int, http.Header, []byte, error)

func (s sender) Post(ctx context.Context, url string, h http.Header, body []byte) (int, http.Header, []byte, error) {
	return s(ctx, url, h, body)
}

type world struct {
	testing.TB
	d    *deliver.Deliverer
	db   *plainDB
	line *line
	seal *sealer
	own  hansa.Actor
	stop func()
}

func newWorld(t testing.TB, send deliver.Sender) *world {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "t.db")+"?_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	for _, s := range deliver.Migrations()[0].Statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	w := &world{TB: t, db: &plainDB{db: db}, seal: &sealer{}, own: hansa.Actor{Party: "did:web:nav", Credential: "cred"}, stop: func() {}}
	w.line = &line{changed: make(chan struct{}), flow: &hansa.Flow{ID: "f1", From: "did:web:city", To: "did:web:nav", Basis: hansa.Basis{Kind: hansa.BasisAccord, ID: "a1", Hash: "00"}}}
	w.d = deliver.New(deliver.Config{
		DB: w.db, Line: w.line, Sealer: w.seal, Send: send, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Source: "https://city.example", CheckURL: func(string) error { return nil },
	})
	return w
}

func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.d.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.Error(err)
		}
		w.stop = func() {}
	}
	w.Cleanup(func() { w.stop() })
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) subscribe(url, signing string) *deliver.Subscription {
	w.Helper()
	s, err := w.d.Subscribe(w.Context(), w.own, w.line.view("f1", "", "record"), deliver.Subscribe{URL: url, Signing: signing, From: "start"})
	w.must(err)
	return s
}

func (w *world) sub(id string) *deliver.Subscription {
	w.Helper()
	s, err := w.d.Subscription(context.Background(), w.own, id)
	w.must(err)
	return s
}

// invariants holds that every delivered event has its evidence, and every cursor its delivery.
func (w *world) invariants() {
	w.Helper()
	subs, err := w.d.Subscriptions(context.Background(), w.own, "")
	w.must(err)
	facts, err := w.d.Facts(context.Background(), "f1", "", 1000)
	w.must(err)
	for _, s := range subs {
		list, err := w.d.Deliveries(context.Background(), w.own, s.ID, 500)
		w.must(err)
		for _, x := range list {
			found := false
			for _, f := range facts {
				found = found || contains(f.Doc, x.SHA256)
			}
			if x.State == deliver.Delivered && !found {
				w.Errorf("the delivery %s of %s has no evidence", x.ID, x.Record)
			}
			if n, c := atoi(x.Cursor), atoi(s.Cursor); x.State == deliver.Waiting && n <= c {
				w.Errorf("%s waits behind the cursor", x.ID)
			}
		}
	}
}

func atoi(c hansa.Cursor) int { n, _ := strconv.Atoi(string(c)); return n }
