package node

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
)

// TestInheritedDefects: a closure that came with defects can be ended, withdrawn
// and extended at the desk: what it lacked before holds nobody up now.
func TestInheritedDefects(t *testing.T) {
	for _, what := range []string{"reopen", "withdraw", "repaired"} {
		w := newTown(t)
		poor := strings.Replace(goodRecord, `"direction":"both",`, "", 1)
		if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", poor); code != http.StatusOK {
			t.Fatalf("publish: %d %s", code, answer)
		}
		code, answer := w.ask(t, http.MethodPost, "/api/v1/closures/a/"+what, "Bearer "+w.give, "application/json", "{}")
		if code != http.StatusOK {
			t.Errorf("%s: %d %s", what, code, answer)
		}
	}
}

// TestActIsInItsRecordsTransaction: each act at the desk has its entry when it is
// answered.
func TestActIsInItsRecordsTransaction(t *testing.T) {
	w := newTown(t)
	if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", goodRecord); code != http.StatusOK {
		t.Fatalf("publish: %d %s", code, answer)
	}
	before := w.state(t)
	if code, answer := w.ask(t, http.MethodPost, "/api/v1/closures/a/reopen", "Bearer "+w.give, "application/json", "{}"); code != http.StatusOK {
		t.Fatalf("reopen: %d %s", code, answer)
	}
	if after := w.state(t); after[0] != before[0]+1 || after[1] < before[1]+1 {
		t.Errorf("records and entries went from %v to %v, want one more of each", before, after)
	}
}

// TestRecordsETag: a tag of one format is none of another, nor of another answer.
func TestRecordsETag(t *testing.T) {
	w := newTown(t)
	if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", goodRecord); code != http.StatusOK {
		t.Fatalf("publish: %d %s", code, answer)
	}
	seen := map[string]string{}
	for _, path := range []string{"?format=record", "?format=geojson", "?format=record&limit=1", "?format=cifs"} {
		r := newAsk(t, w, "/data/v1/flows/"+named("flow", "one")+"/records"+path, w.one)
		tag := r.Header().Get("ETag")
		if r.Code != http.StatusOK || tag == "" {
			t.Fatalf("%s: %d %s", path, r.Code, r.Body)
		}
		if other := seen[tag]; other != "" && !strings.Contains(path, "limit") {
			t.Errorf("%s and %s have the same tag", path, other)
		}
		seen[tag] = path
	}
}

// TestErasedIsNoClosure: what was erased can be neither reopened nor shown as closed.
func TestErasedIsNoClosure(t *testing.T) {
	w := newTown(t)
	if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", goodRecord); code != http.StatusOK {
		t.Fatalf("publish: %d %s", code, answer)
	}
	if err := w.seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	by := hansa.Actor{Party: "did:web:city", Rights: []hansa.Right{hansa.RightAdmin}}
	if _, err := (operator{w.Node}).Erase(t.Context(), by, "closures", "a", "retention"); err != nil {
		t.Fatal(err)
	}
	if code, answer := w.ask(t, http.MethodPost, "/api/v1/closures/a/reopen", "Bearer "+w.give, "application/json", "{}"); code < 400 || code >= 500 {
		t.Errorf("reopening what was erased: %d %s", code, answer)
	}
}

// TestErasedSaysNothing: what another record says against a closure stands beside it
// until it changes or is erased, and is gone then.
func TestErasedSaysNothing(t *testing.T) {
	w := newTown(t)
	against := strings.NewReplacer(`"id":"a"`, `"id":"b"`, `"road":`, `"related":{"contradicts":["a"]},"texts":[{"lang":"en","value":"open, says the region","kind":"comment"}],"road":`).Replace(goodRecord)
	for _, r := range []string{goodRecord, against} {
		if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", r); code != http.StatusOK || !strings.Contains(answer, `"accepted":1`) {
			t.Fatalf("publish: %d %s", code, answer)
		}
	}
	says := func(want bool, when string) {
		t.Helper()
		for range 2 { // read, and remembered
			_, answer := w.ask(t, http.MethodGet, "/api/v1/closures/a", "Bearer "+w.give, "", "")
			if got := strings.Contains(answer, `"contradictions":[{"record":"b"`); got != want {
				t.Errorf("%s: is it contradicted? %v, want %v: %s", when, got, want, answer)
			}
		}
	}
	says(true, "at first")
	changed := strings.NewReplacer(`"version":1`, `"version":2`, `"update":"insert"`, `"update":"modify"`, "open, says the region", "half open").Replace(against)
	if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", changed); code != http.StatusOK {
		t.Fatalf("change: %d %s", code, answer)
	}
	if _, answer := w.ask(t, http.MethodGet, "/api/v1/closures/a", "Bearer "+w.give, "", ""); !strings.Contains(answer, "half open") {
		t.Errorf("what it says now is not shown: %s", answer)
	}
	if err := w.seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := (operator{w.Node}).Erase(t.Context(), hansa.Actor{Party: "did:web:city", Rights: []hansa.Right{hansa.RightAdmin}}, "closures", "b", "retention"); err != nil {
		t.Fatal(err)
	}
	says(false, "after it was erased")
}
