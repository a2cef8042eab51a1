package node

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/receipt"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
)

// TestLeft: who was given a closure is told to drop it when a later version is not
// within its terms; who never had it learns nothing.
func TestLeft(t *testing.T) {
	w := newTown(t)
	set := hansa.DatasetID(named("dataset", "did:web:city", "closures"))
	near := &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{{{4, 52}, {5, 52}, {5, 53}, {4, 53}, {4, 52}}}}
	far := &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{{{14, 52}, {15, 52}, {15, 53}, {14, 53}, {14, 52}}}}
	flow := func(name string, area *hansa.Geometry) hansa.Flow {
		return hansa.Flow{
			ID: hansa.FlowID(named("flow", "area-"+name)), Name: "area-" + name, Dataset: set, From: "did:web:city", To: hansa.PartyID("did:web:" + name), Limit: hansa.Duration(time.Minute),
			Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}, Area: area},
		}
	}
	if err := w.Apply(t.Context(), &Setup{Flows: []hansa.Flow{flow("one", near), flow("two", far)}}); err != nil {
		t.Fatal(err)
	}
	publish := func(body string) {
		t.Helper()
		if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", body); code != http.StatusOK {
			t.Fatalf("publish: %d %s", code, answer)
		}
	}
	changes := func(name, secret string) string {
		t.Helper()
		code, answer := w.ask(t, http.MethodGet, "/data/v1/flows/"+named("flow", "area-"+name)+"/records", "Bearer "+secret, "", "")
		if code != http.StatusOK {
			t.Fatalf("changes: %d %s", code, answer)
		}
		return answer
	}
	publish(goodRecord)
	if got := changes("one", w.one); strings.Count(got, "record.insert") != 1 || strings.Contains(got, "withheld") {
		t.Errorf("one was given %s, want the closure", got)
	}
	moved := strings.NewReplacer(`"version":1`, `"version":2`, `"insert"`, `"modify"`, `[4.9,52.37],[4.91,52.38]`, `[24.9,52.37],[24.91,52.38]`).Replace(goodRecord)
	publish(moved)
	got := changes("one", w.one)
	if strings.Count(got, "record.withheld") != 1 || strings.Contains(got, "24.9") {
		t.Errorf("one was told %s, want that what it has stands no more, and not where the closure is", got)
	}
	if got := changes("two", w.two); strings.Contains(got, `"a"`) {
		t.Errorf("two was told %s, want nothing of a closure that it never had", got)
	}
	list, err := w.book.Ladder(t.Context(), "did:web:city", set, "a")
	if err != nil {
		t.Fatal(err)
	}
	stands := map[string]string{}
	for _, g := range list {
		if g.Flow == hansa.FlowID(named("flow", "area-one")) {
			stands[string(g.Generation)] = string(g.Step)
		}
		if g.Flow == hansa.FlowID(named("flow", "area-two")) {
			t.Errorf("two has a ladder: %+v", g)
		}
	}
	if stands["end"] != "fetched" {
		t.Errorf("one stands at %v, want the end's ladder fetched", stands)
	}
	publish(strings.NewReplacer(`"version":2`, `"version":3`, `[24.9,`, `[25.9,`, `[24.91,`, `[25.91,`).Replace(moved))
	if got := changes("one", w.one); strings.Count(got, "record.withheld") != 1 {
		t.Errorf("one was told again: %s", got)
	}
}

// TestLeftRevision: what moves out of a flow's terms without a higher version is
// told too, and a lower version that comes late is told to nobody.
func TestLeftRevision(t *testing.T) {
	w := newTown(t)
	set := hansa.DatasetID(named("dataset", "did:web:city", "closures"))
	near := &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{{{4, 52}, {5, 52}, {5, 53}, {4, 53}, {4, 52}}}}
	id := hansa.FlowID(named("flow", "area-one"))
	if err := w.Apply(t.Context(), &Setup{Flows: []hansa.Flow{{
		ID: id, Name: "area-one", Dataset: set, From: "did:web:city", To: "did:web:one", Limit: hansa.Duration(time.Minute),
		Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}, Area: near},
	}}}); err != nil {
		t.Fatal(err)
	}
	out := strings.NewReplacer(`[4.9,52.37],[4.91,52.38]`, `[24.9,52.37],[24.91,52.38]`)
	third := strings.NewReplacer(`"version":1`, `"version":3`, `"insert"`, `"modify"`).Replace(goodRecord)
	second := strings.NewReplacer(`"version":1`, `"version":2`, `"insert"`, `"modify"`, `"active"`, `"ended"`).Replace(goodRecord)
	for _, body := range []string{goodRecord, third, second, out.Replace(third), third} {
		if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", body); code != http.StatusOK {
			t.Fatalf("publish: %d %s", code, answer)
		}
	}
	code, got := w.ask(t, http.MethodGet, "/data/v1/flows/"+string(id)+"/records", "Bearer "+w.one, "", "")
	if code != http.StatusOK {
		t.Fatalf("changes: %d %s", code, got)
	}
	var told []string
	for part := range strings.SplitSeq(got, `"type":"org.hansa-exchange.record.`) {
		what, _, _ := strings.Cut(part, `"`)
		told = append(told, what)
	}
	if len(told) == 0 || !slices.Equal(told[1:], []string{"insert", "modify", "withheld", "modify"}) {
		t.Errorf("told %q, want insert, modify, withheld and modify: %s", told, got)
	}
	list, err := w.book.Ladder(t.Context(), "did:web:one", set, "a")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 || slices.ContainsFunc(list, func(g receipt.Rungs) bool { return g.Version == 2 }) {
		t.Errorf("the ladders are %+v, want none for the version that came late", list)
	}
}

// TestLeftTrimmed: what a receiver was given so long ago that it is no longer kept
// is taken back all the same, and nobody else hears of it.
func TestLeftTrimmed(t *testing.T) {
	w := newTown(t)
	set := hansa.DatasetID(named("dataset", "did:web:city", "closures"))
	box := func(west float64) *hansa.Geometry {
		return &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{{{west, 52}, {west + 1, 52}, {west + 1, 53}, {west, 53}, {west, 52}}}}
	}
	flow := func(name string, west float64) hansa.Flow {
		return hansa.Flow{
			ID: hansa.FlowID(named("flow", "area-"+name)), Name: "area-" + name, Dataset: set, From: "did:web:city", To: hansa.PartyID("did:web:" + name), Limit: hansa.Duration(time.Minute),
			Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}, Area: box(west)},
		}
	}
	if err := w.Apply(t.Context(), &Setup{Flows: []hansa.Flow{flow("one", 4), flow("two", 14)}}); err != nil {
		t.Fatal(err)
	}
	publish := func(body string) {
		t.Helper()
		if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", body); code != http.StatusOK {
			t.Fatalf("publish: %d %s", code, answer)
		}
	}
	changes := func(name, secret string) string {
		t.Helper()
		code, answer := w.ask(t, http.MethodGet, "/data/v1/flows/"+named("flow", "area-"+name)+"/records", "Bearer "+secret, "", "")
		if code != http.StatusOK {
			t.Fatalf("changes: %d %s", code, answer)
		}
		return answer
	}
	publish(goodRecord)
	if got := changes("one", w.one); strings.Count(got, "record.insert") != 1 {
		t.Fatalf("one was given %s, want the closure", got)
	}
	if _, err := w.stream.Seal(t.Context(), w.clock()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.stream.Of("did:web:city").Trim(t.Context(), set, stream.Keep{BytesMax: 1}, w.clock()); err != nil {
		t.Fatal(err)
	}
	publish(strings.NewReplacer(`"version":1`, `"version":2`, `"insert"`, `"modify"`, `[4.9,52.37],[4.91,52.38]`, `[24.9,52.37],[24.91,52.38]`).Replace(goodRecord))
	if got := changes("one", w.one); strings.Count(got, "record.withheld") != 1 || strings.Contains(got, "record.insert") {
		t.Errorf("one was told %s, want that what it has stands no more", got)
	}
	if got := changes("two", w.two); strings.Contains(got, `"a"`) {
		t.Errorf("two was told %s, want nothing of a closure that it never had", got)
	}
}

// TestReplaced: a record that is said anew under another id is withdrawn after the
// new one was told, once, and that has a ladder of its own.
func TestReplaced(t *testing.T) {
	w := newTown(t)
	publish := func(body string) {
		t.Helper()
		if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", body); code != http.StatusOK {
			t.Fatalf("publish: %d %s", code, answer)
		}
	}
	publish(goodRecord)
	anew := strings.NewReplacer(`"id":"a"`, `"id":"b"`, `"road":{`, `"related":{"replaces":["a","b-before","never"]},"road":{`).Replace(goodRecord)
	publish(anew)
	publish(anew)
	code, got := w.ask(t, http.MethodGet, "/data/v1/flows/"+named("flow", "one")+"/records", "Bearer "+w.one, "", "")
	if code != http.StatusOK || strings.Count(got, "record.withdraw") != 1 || strings.Count(got, "record.insert") != 2 {
		t.Fatalf("%d %s: want two inserts and one withdrawal", code, got)
	}
	if strings.LastIndex(got, "record.insert") > strings.Index(got, "record.withdraw") {
		t.Errorf("the old one is withdrawn before the new one is told: %s", got)
	}
	list, err := w.book.Ladder(t.Context(), "did:web:city", hansa.DatasetID(named("dataset", "did:web:city", "closures")), "a")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list, func(g receipt.Rungs) bool { return g.Generation == receipt.Ending }) {
		t.Errorf("the withdrawn record has no ladder for its end: %+v", list)
	}
}

// TestNotModified: an answer that hands nothing over is no evidence of a hand-over,
// and a closure that is over reaches who reads snapshots by its absence.
func TestNotModified(t *testing.T) {
	w := newTown(t)
	flow := named("flow", "one")
	get := func(method, have string) (int, string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, "/data/v1/flows/"+flow+"/snapshot.record", nil)
		r.Header.Set("Authorization", "Bearer "+w.one)
		if have != "" {
			r.Header.Set("If-None-Match", have)
		}
		rec := httptest.NewRecorder()
		w.Handler().ServeHTTP(rec, r)
		return rec.Code, rec.Header().Get("ETag")
	}
	handed := func(want int) {
		t.Helper()
		list, err := w.deliver.Newest(t.Context(), hansa.FlowID(flow), 10)
		if err != nil || len(list) != want {
			t.Errorf("%d hand-overs (%v), want %d", len(list), err, want)
		}
	}
	if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", goodRecord); code != http.StatusOK {
		t.Fatalf("publish: %d %s", code, answer)
	}
	_, etag := get(http.MethodGet, "")
	handed(1)
	if code, _ := get(http.MethodGet, etag); code != http.StatusNotModified {
		t.Errorf("the same again answers %d, want 304", code)
	}
	get(http.MethodHead, "")
	handed(1)
	over := strings.NewReplacer(`"version":1`, `"version":2`, `"insert"`, `"end"`, `"active"`, `"ended"`).Replace(goodRecord)
	if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", over); code != http.StatusOK {
		t.Fatalf("publish: %d %s", code, answer)
	}
	get(http.MethodGet, etag)
	handed(2)
	set := hansa.DatasetID(named("dataset", "did:web:city", "closures"))
	list, err := w.book.Ladder(t.Context(), "did:web:one", set, "a")
	if err != nil {
		t.Fatal(err)
	}
	_, empty := get(http.MethodGet, "")
	handed(3)
	for _, body := range []string{goodRecord, over} { // it comes and goes between two reads
		if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", strings.Replace(body, `"id":"a"`, `"id":"brief"`, 1)); code != http.StatusOK {
			t.Fatalf("publish: %d %s", code, answer)
		}
	}
	for _, try := range []struct{ have, want string }{{"*", "offered"}, {empty, "fetched"}} {
		if code, _ := get(http.MethodGet, try.have); code != http.StatusNotModified {
			t.Errorf("%s answers %d, want 304", try.have, code)
		}
		brief, err := w.book.Ladder(t.Context(), "did:web:one", set, "brief")
		if err != nil || len(brief) != 2 {
			t.Fatalf("%d ladders (%v), want that of the closure and of its end", len(brief), err)
		}
		for _, g := range brief {
			if g.Generation == "end" && string(g.Step) != try.want {
				t.Errorf("after a 304 for %s the end stands at %s, want %s", try.have, g.Step, try.want)
			}
		}
	}
	handed(3)
	for _, g := range list {
		if g.Generation == "end" && g.Step != hansa.StepFetched {
			t.Errorf("the end stands at %s, want fetched: the snapshot told it by absence", g.Step)
		}
	}
}

// TestBurstProof: what was offered in a burst has a proof of its offer, and the
// node that was stopped in between settles it when it starts again.
func TestBurstProof(t *testing.T) {
	w := newTown(t)
	var body strings.Builder
	for i := range 100 {
		body.WriteString(strings.Replace(goodRecord, `"id":"a"`, `"id":"a`+strings.Repeat("b", i)+`"`, 1) + "\n")
	}
	code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/x-ndjson", body.String())
	if code != http.StatusOK {
		t.Fatalf("publish: %d %s", code, answer)
	}
	for _, c := range w.line.courses {
		if err := w.line.offer(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Dir(w.db.Path())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), Config{Data: dir, Origin: "town.example", Version: "test", Own: "did:web:city", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/proofs/closures/abbb", nil)
	r.Header.Set("Authorization", "Bearer "+w.give)
	rec := httptest.NewRecorder()
	n.Handler().ServeHTTP(rec, r)
	b, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Code != http.StatusOK || !strings.Contains(string(b), `offered`) || !strings.Contains(string(b), `abbb`) {
		t.Errorf("the proof answers %d %.300s, want the offer in it", rec.Code, b)
	}
}

// newAsk gets a path and returns the whole answer.
func newAsk(t *testing.T, w *town, path, secret string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+secret)
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, r)
	return rec
}
