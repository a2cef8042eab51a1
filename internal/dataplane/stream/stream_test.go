package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
)

// sealer keeps batches as the journal would.
type sealer struct {
	mu      sync.Mutex
	batches [][]hansa.Hash
}

func (s *sealer) Seal(_ hansa.Tx, b hansa.Batch) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, slices.Clone(b.Leaves))
	return fmt.Sprint(len(s.batches) - 1), nil
}

const city, data = hansa.PartyID("did:web:city.example"), hansa.DatasetID("closures")

type bench struct {
	db     *store.Store
	s      *stream.Stream
	sealed *sealer
	now    atomic.Int64
}

func open(t testing.TB, path string) *bench {
	t.Helper()
	db, err := store.Open(t.Context(), path, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), stream.Migrations()); err != nil {
		t.Fatal(err)
	}
	b := &bench{db: db, sealed: &sealer{}}
	b.now.Store(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixMilli())
	epochs, err := db.Epochs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.Config{
		DB: db, Sealer: b.sealed, Now: func() time.Time { return time.UnixMilli(b.now.Load()) }, Count: store.Count,
		Encode: func(r *hansa.Record) ([]byte, error) { return json.Marshal(r, json.Deterministic(true)) },
		Decode: func(b []byte) (*hansa.Record, error) { r := &hansa.Record{}; return r, json.Unmarshal(b, r) },
	}
	for _, e := range epochs {
		cfg.Epochs = append(cfg.Epochs, stream.Epoch{Number: e.Number, ID: e.ID})
	}
	if b.s, err = stream.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

func fresh(t testing.TB) *bench { return open(t, filepath.Join(t.TempDir(), "hansa.db")) }

func record(id string, version int64, says string) *hansa.Record {
	return &hansa.Record{Kind: hansa.KindSituation, ID: id, Version: version, Situation: &hansa.Situation{
		Lifecycle: hansa.Active, Effect: hansa.RoadClosed, Geometry: hansa.Line(hansa.Position{4.9, 52.37}, hansa.Position{4.91, 52.38}), Texts: []hansa.Text{{Lang: "en", Value: says}},
	}}
}

func TestVersions(t *testing.T) {
	b := fresh(t)
	p := b.s.Of(city)
	put := func(r *hansa.Record) stream.Accepted {
		t.Helper()
		out, err := p.Append(t.Context(), data, []*hansa.Record{r})
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	put(record("a", 2, "closed"))
	for _, tc := range []struct {
		name string
		rec  *hansa.Record
		want stream.Outcome
		rule hansa.Rule
		says string // of the present state afterwards
	}{
		{"the same again", record("a", 2, "closed"), stream.Repeat, "", "closed"},
		{"the same version, other bytes", record("a", 2, "closed, fire"), stream.Revision, "VER-01", "closed, fire"},
		{"a lower version", record("a", 1, "will close"), stream.Older, "VER-02", "closed, fire"},
		{"that lower version again", record("a", 1, "will close"), stream.Repeat, "", "closed, fire"},
		{"the first bytes again: the publisher went back", record("a", 2, "closed"), stream.Revision, "VER-01", "closed"},
		{"a higher version", record("a", 3, "fire out"), stream.Stored, "", "fire out"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := put(tc.rec)
			if got.Outcome != tc.want {
				t.Errorf("outcome %s, want %s", got.Outcome, tc.want)
			}
			if tc.rule != "" && (len(got.Record.Defects) != 1 || got.Record.Defects[0].Rule != tc.rule) {
				t.Errorf("defects %v, want %s", got.Record.Defects, tc.rule)
			}
			now, err := p.Get(t.Context(), data, "a")
			if err != nil {
				t.Fatal(err)
			}
			if says := now.Situation.Texts[0].Value; says != tc.says {
				t.Errorf("the present state says %q, want %q", says, tc.says)
			}
		})
	}
	if h, err := p.History(t.Context(), data, "a"); err != nil || len(h) != 5 {
		t.Errorf("%d versions (%v), want 5", len(h), err)
	}
	re := record("b", 1, "the same closure under a new id")
	re.Situation.Related.Replaces = []string{"a"}
	put(re)
	now, _, err := p.Present(t.Context(), data, false)
	if err != nil || len(now) != 1 || now[0].ID != "b" {
		t.Errorf("after a re-issue the present state is %v (%v), want b alone", now, err)
	}
	if _, err := b.s.Of("did:web:other.example").Get(t.Context(), data, "b"); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("another party's handle got %v, want not found", err)
	}
}

// TestNothingIsMissed has 32 appenders beside readers that follow from the
// beginning, on disk and in memory.
func TestNothingIsMissed(t *testing.T) {
	b := fresh(t)
	p := b.s.Of(city)
	const writers, each = 32, 40
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { follow(t, p, writers*each) })
	}
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				out, err := p.Append(t.Context(), data, []*hansa.Record{record(fmt.Sprint(w, "-", i), 1, "x")})
				if err != nil || out[0].Outcome != stream.Stored {
					t.Errorf("append: %v %v", out, err)
				}
			}
		})
	}
	wg.Wait()
}

func follow(t *testing.T, p *stream.Party, want int) {
	seen := map[string]bool{}
	last := map[string]int{}
	var at hansa.Cursor
	for len(seen) < want {
		changed := p.Changed(data)
		recs, next, err := p.Read(t.Context(), data, at, 7)
		if err != nil {
			t.Error(err)
			return
		}
		for _, r := range recs {
			var w, i int
			if _, err := fmt.Sscanf(r.ID, "%d-%d", &w, &i); err != nil || seen[r.ID] {
				t.Errorf("%q came twice or is none (%v)", r.ID, err)
			}
			seen[r.ID] = true
			if prev, ok := last[fmt.Sprint(w)]; ok && prev != i-1 {
				t.Errorf("writer %d: %d came after %d", w, i, prev)
			}
			last[fmt.Sprint(w)] = i
		}
		at = next
		if len(recs) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Second):
			t.Errorf("a reader waits with %d of %d", len(seen), want)
			return
		}
	}
}

// TestModel holds the stream to a slow and obvious twin over random appends,
// trims, seals and restarts.
func TestModel(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		b := open(t, filepath.Join(dir, fmt.Sprint(n), "hansa.db"))
		defer b.db.Close()
		p := b.s.Of(city)
		type entry struct {
			id      string
			version int64
			says    string
		}
		var log []entry
		now := map[string]entry{}
		steps := rapid.IntRange(1, 12).Draw(rt, "steps")
		for range steps {
			batch := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) entry {
				return entry{rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id"), rapid.Int64Range(0, 3).Draw(rt, "version"), rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "says")}
			}), 1, 5).Draw(rt, "batch")
			recs := []*hansa.Record{}
			for _, e := range batch {
				recs = append(recs, record(e.id, e.version, e.says))
			}
			out, err := p.Append(t.Context(), data, recs)
			if err != nil {
				rt.Fatal(err)
			}
			for i, e := range batch {
				repeat := false
				for _, old := range log { // the newest of its version, when no higher one has come since
					if old.id == e.id && old.version == e.version {
						repeat = old == e
					}
				}
				if got := out[i].Outcome == stream.Repeat; got != repeat {
					rt.Fatalf("%v: repeat %v, want %v", e, got, repeat)
				}
				if repeat {
					continue
				}
				log = append(log, e)
				if old, ok := now[e.id]; !ok || e.version >= old.version {
					now[e.id] = e
				}
			}
			if rapid.Bool().Draw(rt, "seal") {
				if _, err := b.s.Seal(t.Context(), time.Now()); err != nil {
					rt.Fatal(err)
				}
			}
		}
		recs, _, err := p.Read(t.Context(), data, "", 1000)
		if err != nil || len(recs) != len(log) {
			rt.Fatalf("%d records (%v), want %d", len(recs), err, len(log))
		}
		for i, r := range recs {
			if r.ID != log[i].id || r.Version != log[i].version || r.Situation.Texts[0].Value != log[i].says {
				rt.Fatalf("record %d is %s/%d, want %v", i, r.ID, r.Version, log[i])
			}
		}
		present, _, err := p.Present(t.Context(), data, true)
		if err != nil || len(present) != len(now) {
			rt.Fatalf("%d present (%v), want %d", len(present), err, len(now))
		}
		for _, r := range present {
			if e := now[r.ID]; r.Version != e.version || r.Situation.Texts[0].Value != e.says {
				rt.Fatalf("present %s is %d, want %v", r.ID, r.Version, e)
			}
		}
		if _, _, err := b.s.Walk(t.Context(), 0, 10_000); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestSealProveErase(t *testing.T) {
	b := fresh(t)
	p := b.s.Of(city)
	var recs []*hansa.Record
	for i := range 10 {
		recs = append(recs, record(fmt.Sprint("r", i), 1, "x"))
	}
	if _, err := p.Append(t.Context(), data, recs); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Erase(t.Context(), data, "r3", nil); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("erasing what is not sealed: %v, want a conflict", err)
	}
	if n, err := b.s.Seal(t.Context(), time.Now()); err != nil || n != 10 {
		t.Fatalf("sealed %d (%v), want 10", n, err)
	}
	if n, err := b.s.Seal(t.Context(), time.Now()); err != nil || n != 0 {
		t.Errorf("sealed %d again (%v), want 0", n, err)
	}
	f, err := p.Facts(t.Context(), data, "r3")
	if err != nil || f[0].Position != 3 || b.sealed.batches[0][3] != hansa.Leaf(f[0].Kind, f[0].Salt, f[0].Doc) {
		t.Fatalf("fact %+v (%v) does not match its leaf", f, err)
	}
	told := 0
	n, err := p.Erase(t.Context(), data, "r3", func(_ hansa.Tx, batch string, position int64) error {
		if batch != "0" || position != 3 {
			t.Errorf("erased %s/%d, want 0/3", batch, position)
		}
		told++
		return nil
	})
	if err != nil || n != 1 || told != 1 {
		t.Errorf("erased %d, told %d (%v), want 1", n, told, err)
	}
	if _, err := p.Get(t.Context(), data, "r3"); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("an erased record was served: %v", err)
	}
	if f, err := p.Facts(t.Context(), data, "r3"); err != nil || f[0].Doc != nil || f[0].Salt != (hansa.Salt{}) {
		t.Errorf("an erased fact is %+v (%v), want its leaf alone", f, err)
	}
	left, _, err := p.Read(t.Context(), data, "", 100)
	if err != nil || len(left) != 9 {
		t.Errorf("%d records after the erasure (%v), want 9", len(left), err)
	}
}

func TestTrimKeepsThePresent(t *testing.T) {
	b := fresh(t)
	p := b.s.Of(city)
	var old hansa.Cursor
	for i := range 20 {
		out, err := p.Append(t.Context(), data, []*hansa.Record{record("moving", int64(i), fmt.Sprint(i))})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			old = out[0].Cursor
			if _, err := p.Append(t.Context(), data, []*hansa.Record{record("standing", 1, "x")}); err != nil {
				t.Fatal(err)
			}
		}
		b.now.Add(time.Hour.Milliseconds())
	}
	now := time.UnixMilli(b.now.Load())
	if n, err := p.Trim(t.Context(), data, stream.Keep{AgeMax: 5 * time.Hour}, now); err != nil || n != 0 {
		t.Errorf("trimmed %d records that are not sealed (%v)", n, err)
	}
	if _, err := b.s.Seal(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Trim(t.Context(), data, stream.Keep{AgeMax: 5 * time.Hour}, now); err != nil || n == 0 {
		t.Errorf("trimmed %d (%v), want some", n, err)
	}
	present, at, err := p.Present(t.Context(), data, false)
	if err != nil || len(present) != 2 {
		t.Errorf("%d present after the trim (%v), want 2", len(present), err)
	}
	fresh := open2(t, b)
	_, _, gone := fresh.Of(city).Read(t.Context(), data, old, 10)
	if err = gone; hansa.Public(err).Code != hansa.CodeGone {
		t.Errorf("a trimmed cursor got %v, want gone", err)
	}
	if _, _, err := fresh.Of(city).Read(t.Context(), data, hansa.Cursor(hansa.Public(err).Field), 10); err != nil {
		t.Errorf("the place to resume: %v", err)
	}
	if to, lost, err := fresh.Of(city).Resume(t.Context(), data, old); err != nil || !lost || string(to) != hansa.Public(gone).Field {
		t.Errorf("resumed at %q, lost %v (%v), want what the refusal says, and lost", to, lost, err)
	}
	if to, lost, err := fresh.Of(city).Resume(t.Context(), data, at); err != nil || lost || to != at {
		t.Errorf("resumed at %q, lost %v (%v), want the cursor that holds", to, lost, err)
	}
}

// open2 opens the stream of b once more, with nothing in memory.
func open2(t *testing.T, b *bench) *stream.Stream {
	t.Helper()
	epochs, err := b.db.Epochs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.Config{
		DB: b.db, Sealer: b.sealed, Now: time.Now,
		Encode: func(r *hansa.Record) ([]byte, error) { return json.Marshal(r, json.Deterministic(true)) },
		Decode: func(b []byte) (*hansa.Record, error) { r := &hansa.Record{}; return r, json.Unmarshal(b, r) },
	}
	for _, e := range epochs {
		cfg.Epochs = append(cfg.Epochs, stream.Epoch{Number: e.Number, ID: e.ID})
	}
	s, err := stream.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLostEpoch(t *testing.T) {
	b := fresh(t)
	p := b.s.Of(city)
	if _, err := p.Append(t.Context(), data, []*hansa.Record{record("a", 1, "x")}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := b.db.Backup(t.Context(), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	out, err := p.Append(t.Context(), data, []*hansa.Record{record("b", 1, "x")})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Restore(t.Context(), filepath.Join(dir, "b"), filepath.Join(dir, "new.db"), time.Now()); err != nil {
		t.Fatal(err)
	}
	r := open(t, filepath.Join(dir, "new.db"))
	_, _, err = r.s.Of(city).Read(t.Context(), data, out[0].Cursor, 10)
	e := hansa.Public(err)
	if e == nil || e.Code != hansa.CodeGone || hansa.Status(err) != 410 {
		t.Fatalf("a cursor of a lost epoch got %v, want 410", err)
	}
	if _, err := r.s.Of(city).Append(t.Context(), data, []*hansa.Record{record("c", 1, "x")}); err != nil {
		t.Fatal(err)
	}
	if to, lost, err := r.s.Of(city).Resume(t.Context(), data, out[0].Cursor); err != nil || lost || string(to) != e.Field {
		t.Errorf("resumed at %q, lost %v (%v), want %s and nothing lost", to, lost, err, e.Field)
	}
	recs, _, err := r.s.Of(city).Read(t.Context(), data, hansa.Cursor(e.Field), 10)
	if err != nil || len(recs) != 1 || recs[0].ID != "c" {
		t.Errorf("resumed with %v (%v), want c", recs, err)
	}
}

// TestFlippedBits flips bits in the database file and wants each change that
// reaches a record to be named, never served.
func TestFlippedBits(t *testing.T) {
	dir := t.TempDir()
	b := open(t, filepath.Join(dir, "hansa.db"))
	var recs []*hansa.Record
	for i := range 200 {
		r := record(fmt.Sprint("record-", i), 1, "the tunnel is closed")
		r.Original, r.OriginalType = fmt.Appendf(nil, "<closure n='%d'>original bytes</closure>", i), "application/xml"
		recs = append(recs, r)
	}
	if _, err := b.s.Of(city).Append(t.Context(), data, recs); err != nil {
		t.Fatal(err)
	}
	if err := b.db.Backup(t.Context(), filepath.Join(dir, "whole")); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "whole"))
	if err != nil {
		t.Fatal(err)
	}
	want := readAll(t, b)
	noticed, harmless := 0, 0
	for i := range 60 {
		at := (i*7919 + 4096*3) % len(whole)
		if j := bytes.Index(whole[at:], []byte("tunnel is")); i%2 == 0 && j >= 0 {
			at += j // in the middle of a record
		}
		bad := bytes.Clone(whole)
		bad[at] ^= 1 << (i % 8)
		path := filepath.Join(dir, fmt.Sprint("bad", i), "hansa.db")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := tryAll(t.Context(), path)
		switch {
		case err != nil:
			noticed++
		case slices.Equal(got, want):
			harmless++
		default:
			t.Errorf("a flipped bit at %d was served", at)
		}
	}
	if noticed < 30 {
		t.Errorf("%d of 60 flips were noticed, %d did no harm: too few reached a record", noticed, harmless)
	}
}

func readAll(t *testing.T, b *bench) []string {
	t.Helper()
	recs, _, err := b.s.Of(city).Read(t.Context(), data, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return texts(recs)
}

func texts(recs []*hansa.Record) (out []string) {
	for _, r := range recs {
		out = append(out, r.ID+r.Situation.Texts[0].Value+string(r.Original)+r.Received.String())
	}
	return out
}

// tryAll opens a damaged database and reads all of it.
func tryAll(ctx context.Context, path string) ([]string, error) {
	db, err := store.Open(ctx, path, store.Config{})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	epochs, err := db.Epochs(ctx)
	if err != nil || len(epochs) == 0 {
		return nil, errors.Join(err, errors.New("no epoch"))
	}
	s, err := stream.Open(ctx, stream.Config{
		DB: db, Sealer: &sealer{}, Now: time.Now, Epochs: []stream.Epoch{{Number: epochs[0].Number, ID: epochs[0].ID}},
		Encode: func(r *hansa.Record) ([]byte, error) { return json.Marshal(r, json.Deterministic(true)) },
		Decode: func(b []byte) (*hansa.Record, error) { r := &hansa.Record{}; return r, json.Unmarshal(b, r) },
	})
	if err != nil {
		return nil, err
	}
	if _, _, err := s.Walk(ctx, 0, 10_000); err != nil {
		return nil, err
	}
	recs, _, err := s.Of(city).Read(ctx, data, "", 1000)
	if err == nil && len(recs) < 200 {
		err = db.Check(ctx)
	}
	return texts(recs), err
}

func FuzzCursor(f *testing.F) {
	b := fresh(f)
	out, err := b.s.Of(city).Append(f.Context(), data, []*hansa.Record{record("a", 1, "x")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(out[0].Cursor))
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, c string) {
		_, next, err := b.s.Of(city).Read(t.Context(), data, hansa.Cursor(c), 10)
		if err != nil && hansa.KindOf(err) == hansa.Internal {
			t.Errorf("cursor %q: %v", c, err)
		}
		if err == nil && next == "" {
			t.Errorf("cursor %q: no place to go on from", c)
		}
	})
}

func BenchmarkAppendBatch500(b *testing.B) {
	x := fresh(b)
	n := 0
	for b.Loop() {
		recs := make([]*hansa.Record, 500)
		for i := range recs {
			n++
			recs[i] = record(fmt.Sprint("id-", n), 1, "Tunnel closed, vehicle fire")
			recs[i].Original, recs[i].OriginalType = []byte(`{"id":"closure-1","version":1,"kind":"situation","situation":{"lifecycle":"active","effect":"road-closed","geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38],[4.92,52.39]]}}}`), hansa.MediaTypeRecord
		}
		if _, err := x.s.Of(city).Append(b.Context(), data, recs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
