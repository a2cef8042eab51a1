package receipt_test

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the tests' own small database
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/receipt"
)

// plainDB is the smallest database that keeps the contract of hansa.DB.
type plainDB struct {
	mu sync.Mutex // one at a time
	db *sql.DB
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
	return tx.Commit()
}

func (p *plainDB) Write(ctx context.Context, f func(hansa.Tx) error) error {
	return p.run(ctx, f, true)
}

func (p *plainDB) Read(ctx context.Context, f func(hansa.Tx) error) error {
	return p.run(ctx, f, false)
}

type sealer struct{ leaves int }

func (s *sealer) Seal(_ hansa.Tx, b hansa.Batch) (string, error) {
	s.leaves += len(b.Leaves)
	return "batch-" + b.Subject, nil
}

// keyring checks signatures by crypto/ed25519 alone.
type keyring struct{ pub ed25519.PublicKey }

func (k keyring) VerifyReceipt(_ context.Context, _ hansa.PartyID, payload []byte, jws string, _ time.Time) (string, error) {
	parts := strings.Split(jws, ".")
	sig, err := base64.RawURLEncoding.DecodeString(parts[len(parts)-1])
	if len(parts) != 3 || err != nil || !ed25519.Verify(k.pub, []byte(parts[0]+"."+base64.RawURLEncoding.EncodeToString(payload)), sig) {
		return "", hansa.Errorf(hansa.Denied, "the signature does not hold over these bytes")
	}
	return "kid", nil
}

type world struct {
	testing.TB
	b    *receipt.Book
	db   *plainDB
	now  time.Time
	flow *hansa.Flow
	seal *sealer
	priv ed25519.PrivateKey
}

var start = time.Date(2023, 7, 9, 11, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "t.db")+"?_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	for _, m := range receipt.Migrations() {
		for _, s := range m.Statements {
			if _, err := db.Exec(s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	pub, priv, _ := ed25519.GenerateKey(nil)
	w := &world{TB: t, db: &plainDB{db: db}, now: start, seal: &sealer{}, priv: priv}
	w.flow = &hansa.Flow{ID: "f1", From: "did:web:city", To: "did:web:nav"}
	w.b = receipt.New(receipt.Config{DB: w.db, Sealer: w.seal, Verifier: keyring{pub}, Now: func() time.Time { return w.now }})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) offer(id string, version int64, u hansa.Update) {
	w.Helper()
	r := &hansa.Record{Kind: hansa.KindSituation, Dataset: "d", ID: id, Version: version, Update: u, Situation: &hansa.Situation{Lifecycle: hansa.Active}}
	w.must(w.db.Write(w.Context(), func(tx hansa.Tx) error { return w.b.Offer(tx, w.flow, r, time.Minute, w.now) }))
}

func (w *world) fetch(ids ...string) {
	w.Helper()
	w.must(w.db.Write(w.Context(), func(tx hansa.Tx) error { return w.b.Fetched(tx, w.flow.ID, ids, false, w.now) }))
}

func (w *world) post(doc string) receipt.Answer {
	w.Helper()
	a, err := w.b.Post(w.Context(), w.flow, w.flow.To, [][]byte{[]byte(doc)})
	w.must(err)
	return a[0]
}

func (*world) doc(id string, version int64, step hansa.Step, at time.Time) string {
	return fmt.Sprintf(`{"flow":"f1","record":%q,"version":%d,"step":%q,"at":%q}`, id, version, step, at.Format(time.RFC3339))
}

// rungs returns a record's two ladders, the opening first, and checks all invariants.
func (w *world) rungs(id string) (open, end receipt.Rungs) {
	w.Helper()
	list, err := w.b.Ladder(w.Context(), w.flow.From, "d", id)
	w.must(err)
	facts, err := w.b.Facts(w.Context(), w.flow.From, "d", id)
	w.must(err)
	for _, r := range list {
		if _, ok := r.Times[r.Step]; !ok {
			w.Fatalf("the step %s has no time: %v", r.Step, r.Times)
		}
		for s := range r.Times {
			found := false
			for _, f := range facts {
				found = found || f.Step.Step == s && f.Step.Generation == r.Generation
			}
			if !found {
				w.Fatalf("the step %s of %s has no fact", s, r.Generation)
			}
		}
		if r.Generation == receipt.Ending {
			end = r
		} else {
			open = r
		}
	}
	return open, end
}

func TestLadder(t *testing.T) {
	w := newWorld(t)
	w.offer("c1", 1, hansa.Insert)
	w.offer("c1", 1, hansa.Insert) // a repeat
	w.now = w.now.Add(10 * time.Second)
	w.fetch("c1", "unknown")
	w.fetch("c1")
	if open, _ := w.rungs("c1"); open.Step != hansa.StepFetched {
		t.Fatalf("step %s, want fetched", open.Step)
	}
	if a := w.post(w.doc("c1", 1, hansa.StepLive, w.now)); a.Err != nil || a.Evidence != hansa.EvidenceStated {
		t.Fatalf("got %+v, want it stated", a)
	}
	if a := w.post(w.doc("c1", 1, hansa.StepAcknowledged, w.now)); a.Err != nil {
		t.Fatal(a.Err)
	}
	open, _ := w.rungs("c1")
	if open.Step != hansa.StepLive || len(open.Times) != 4 {
		t.Fatalf("a late acknowledgement moved %s, %v", open.Step, open.Times)
	}
	if got := receipt.Reach([]receipt.Rungs{open}, func(hansa.PartyID) float64 { return 0.4 }); got != 0.4 {
		t.Errorf("reach %v, want 0.4", got)
	}
	w.offer("c1", 2, hansa.End)
	w.now = w.now.Add(time.Minute)
	w.fetch("c1")
	if a := w.post(w.doc("c1", 2, hansa.StepCleared, w.now)); a.Err != nil {
		t.Fatal(a.Err)
	}
	open, end := w.rungs("c1")
	if !open.Over || end.Step != hansa.StepCleared || open.Step != hansa.StepLive {
		t.Fatalf("got %+v and %+v", open, end)
	}
	n, err := w.b.Seal(t.Context(), w.now)
	w.must(err)
	if n != 7 || w.seal.leaves != 7 {
		t.Errorf("sealed %d and %d, want 7", n, w.seal.leaves)
	}
	facts, err := w.b.Facts(t.Context(), w.flow.To, "d", "c1")
	w.must(err)
	places := map[int64]bool{}
	for i, f := range facts {
		if f.Batch != "batch-f1" || f.Position < 0 || f.Position >= 7 || places[f.Position] {
			t.Errorf("fact %d is at %s/%d", i, f.Batch, f.Position)
		}
		places[f.Position] = true
	}
	if other, err := w.b.Facts(t.Context(), "did:web:stranger", "d", "c1"); len(other) != 0 || err != nil {
		t.Errorf("a stranger sees %d facts, %v", len(other), err)
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	w.offer("c1", 3, hansa.Insert)
	for _, tc := range []struct{ name, doc, field string }{
		{"never offered", w.doc("c9", 1, hansa.StepLive, w.now), "/record"},
		{"a version to come", w.doc("c1", 4, hansa.StepLive, w.now), "/version"},
		{"from the future", w.doc("c1", 3, hansa.StepLive, w.now.Add(91*time.Second)), "/at"},
		{"before it was offered", w.doc("c1", 3, hansa.StepLive, w.now.Add(-91*time.Second)), "/at"},
		{"our own step", w.doc("c1", 3, hansa.StepFetched, w.now), "/step"},
		{"an unknown step", w.doc("c1", 3, "done", w.now), "/step"},
		{"another flow", strings.Replace(w.doc("c1", 3, hansa.StepLive, w.now), "f1", "f2", 1), "/flow"},
		{"a bad signature", strings.Replace(w.doc("c1", 3, hansa.StepLive, w.now), "{", `{"signature":"a..b",`, 1), "/signature"},
		{"a name twice", strings.Replace(w.doc("c1", 3, hansa.StepLive, w.now), "{", `{"step":"held",`, 1), ""},
		{"no JSON", "}", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := w.post(tc.doc)
			if a.Err == nil || a.Err.Field != tc.field {
				t.Errorf("got %+v, want a refusal at %q", a.Err, tc.field)
			}
		})
	}
	if open, _ := w.rungs("c1"); open.Step != hansa.StepOffered || len(open.Times) != 1 {
		t.Errorf("a refused receipt moved the ladder to %s", open.Step)
	}
	if _, err := w.b.Post(t.Context(), w.flow, "did:web:stranger", [][]byte{[]byte("{}")}); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("a stranger got %v", err)
	}
}

func TestSigned(t *testing.T) {
	w := newWorld(t)
	w.offer("c1", 1, hansa.Insert)
	doc := w.doc("c1", 1, hansa.StepAcknowledged, w.now)
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"kid"}`))
	sign := func(b string) string {
		sig := ed25519.Sign(w.priv, []byte(head+"."+base64.RawURLEncoding.EncodeToString([]byte(b))))
		return head + ".." + base64.RawURLEncoding.EncodeToString(sig)
	}
	signed := doc
	full := strings.Replace(doc, "{", `{"signature":"`+sign(doc)+`",`, 1)
	last2 := strings.Replace(doc, "}", `, "signature" : "`+sign(doc)+`"}`, 1)
	_, canonical, err := receipt.SignedBytes([]byte(doc))
	w.must(err)
	for _, form := range []string{last2, strings.Replace(doc, "{", `{ "signature":"`+sign(string(canonical))+`" , `, 1)} {
		if a := w.post(form); a.Err != nil || a.Evidence != hansa.EvidenceSigned {
			t.Fatalf("%s: got %+v, want it signed", form, a)
		}
	}
	if a := w.post(full); a.Err != nil || a.Evidence != hansa.EvidenceSigned {
		t.Fatalf("got %+v, want it signed", a)
	}
	if a := w.post(full); a.Err != nil {
		t.Fatalf("a repeat was refused: %v", a.Err)
	}
	if a := w.post(strings.Replace(full, "acknowledged", "live", 1)); a.Err == nil {
		t.Fatal("a changed receipt kept its signature")
	}
	facts, err := w.b.Facts(t.Context(), w.flow.From, "d", "c1")
	w.must(err)
	last := facts[len(facts)-1].Step
	if len(facts) != 2 || last.Receipt != signed || last.Key != "kid" || !json.Valid([]byte(last.Receipt)) {
		t.Errorf("got %d facts, the last %+v", len(facts), last)
	}
}

func TestPolled(t *testing.T) {
	w := newWorld(t)
	w.offer("c1", 1, hansa.Insert)
	poll := func(want hansa.Step, ending bool, shown ...receipt.Shown) {
		t.Helper()
		w.now = w.now.Add(time.Second)
		w.must(w.b.Polled(t.Context(), w.flow.ID, shown, w.now))
		w.must(w.b.Polled(t.Context(), w.flow.ID, shown, w.now.Add(time.Millisecond))) // a repeat
		open, end := w.rungs("c1")
		if ending {
			open = end
		}
		if open.Step != want {
			t.Fatalf("step %s, want %s", open.Step, want)
		}
	}
	c1 := receipt.Shown{Record: "c1"}
	poll(hansa.StepOffered, false)
	poll(hansa.StepLive, false, c1)
	poll(hansa.StepContradicted, false)
	poll(hansa.StepLive, false, c1)
	w.offer("c1", 2, hansa.End)
	poll(hansa.StepContradicted, true, c1)
	poll(hansa.StepCleared, true)
	poll(hansa.StepCleared, true)
	if open, _ := w.rungs("c1"); open.Step != hansa.StepLive {
		t.Errorf("the end moved the opening to %s", open.Step)
	}
}

func TestSilent(t *testing.T) {
	w := newWorld(t)
	w.offer("quiet", 1, hansa.Insert)
	w.offer("heard", 1, hansa.Insert)
	w.fetch("heard")
	for _, tc := range []struct {
		after time.Duration
		want  int
	}{{59 * time.Second, 0}, {time.Minute, 1}, {time.Hour, 0}} {
		w.now = start.Add(tc.after)
		n, err := w.b.Sweep(t.Context(), w.now)
		w.must(err)
		if n != tc.want {
			t.Fatalf("after %s: %d silent, want %d", tc.after, n, tc.want)
		}
	}
	open, _ := w.rungs("quiet")
	if open.Step != hansa.StepSilent || open.Reason == "" || !open.Late(time.Minute, w.now) || open.Late(2*time.Hour, w.now) {
		t.Errorf("got %+v", open)
	}
	w.fetch("quiet")
	if open, _ = w.rungs("quiet"); open.Step != hansa.StepFetched {
		t.Errorf("a fetch did not end the silence: %s", open.Step)
	}
}

// TestModel plays random words and compares the present step with a slow, plain twin.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.offer("c1", 1, hansa.Insert)
		want := hansa.StepOffered
		told := map[hansa.Step]bool{}
		for range rapid.IntRange(1, 12).Draw(rt, "words") {
			s := rapid.SampledFrom(hansa.Steps()[2:9]).Draw(rt, "step")
			w.now = w.now.Add(time.Second)
			if a := w.post(w.doc("c1", 1, s, w.now)); a.Err != nil {
				rt.Fatal(a.Err)
			}
			told[s] = true
			if s.Rung() >= hansa.StepLive.Rung() || s.Rung() > want.Rung() {
				want = s
			}
			open, _ := w.rungs("c1")
			if open.Step != want || len(open.Times) != len(told)+1 {
				rt.Fatalf("step %s with %d times, want %s with %d", open.Step, len(open.Times), want, len(told)+1)
			}
		}
	})
}

func TestUndone(t *testing.T) {
	w := newWorld(t)
	broken := errors.New("broken")
	w.b.Stepped = func(hansa.Tx, receipt.Step) error { return broken }
	r := &hansa.Record{Kind: hansa.KindSituation, Dataset: "d", ID: "c1", Situation: &hansa.Situation{Lifecycle: hansa.Active}}
	err := w.db.Write(t.Context(), func(tx hansa.Tx) error { return w.b.Offer(tx, w.flow, r, 0, w.now) })
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if list, err := w.b.Ladder(t.Context(), w.flow.From, "d", "c1"); len(list) != 0 || err != nil {
		t.Errorf("what was undone is there: %v %v", list, err)
	}
}
