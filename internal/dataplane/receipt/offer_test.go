package receipt_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
)

// TestOfferAll holds the quick way to the slow one: the same ladders, one record or
// a hundred, new, repeated, changed or over.
func TestOfferAll(t *testing.T) {
	recs := func() (list []*hansa.Record) {
		for i := range 150 {
			list = append(list, &hansa.Record{Kind: hansa.KindSituation, Dataset: "d", ID: fmt.Sprint("r", i%140), Version: int64(1 + i/140), Situation: &hansa.Situation{Lifecycle: hansa.Active}})
		}
		return list
	}
	boards := [2]map[string]string{}
	for way := range boards {
		w := newWorld(t)
		err := w.db.Write(t.Context(), func(tx hansa.Tx) error {
			if way == 0 {
				return w.b.OfferAll(tx, w.flow, recs(), time.Minute, w.now)
			}
			for _, r := range recs() {
				if err := w.b.Offer(tx, w.flow, r, time.Minute, w.now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.b.Board(t.Context(), w.flow.From, "d", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		boards[way] = map[string]string{}
		for _, g := range list {
			boards[way][g.Record+string(g.Generation)] = fmt.Sprint(g.Version, g.Step, g.Evidence, g.Offered, g.Times)
		}
		want := [2]int{1, 150}[way] // one range, or a step each
		if n, err := w.b.Seal(t.Context(), w.now); err != nil || n != want {
			t.Errorf("way %d: %d facts sealed (%v), want %d", way, n, err, want)
		}
		facts, err := w.b.Facts(t.Context(), w.flow.From, "d", "r3")
		if err != nil || len(facts) == 0 || facts[0].Batch == "" || facts[0].Step.Record != "r3" || facts[0].Step.Step != hansa.StepOffered {
			t.Errorf("way %d: the offer of r3 is shown by %+v (%v), want sealed facts", way, facts, err)
		}
	}
	if boards[0]["r1open"] == "" || len(boards[0]) != 140 {
		t.Errorf("%d ladders, want 140", len(boards[0]))
	}
	for k, v := range boards[1] {
		if boards[0][k] != v {
			t.Errorf("%s is %s, want %s", k, boards[0][k], v)
		}
	}
}

// TestOffersKeepTheirOrder: what comes alone while a range waits is not settled
// before it, and what a receiver does after the settling counts.
func TestOffersKeepTheirOrder(t *testing.T) {
	w := newWorld(t)
	offer := func(recs ...*hansa.Record) {
		t.Helper()
		if err := w.db.Write(t.Context(), func(tx hansa.Tx) error { return w.b.OfferAll(tx, w.flow, recs, time.Minute, w.now) }); err != nil {
			t.Fatal(err)
		}
	}
	var burst []*hansa.Record
	for i := range 100 {
		burst = append(burst, &hansa.Record{Kind: hansa.KindSituation, Dataset: "d", ID: fmt.Sprint("r", i), Version: 1, Situation: &hansa.Situation{Lifecycle: hansa.Active}})
	}
	offer(burst...)
	offer(&hansa.Record{Kind: hansa.KindSituation, Dataset: "d", ID: "r7", Version: 2, Situation: &hansa.Situation{Lifecycle: hansa.Ended}})
	if n, err := w.b.Settle(t.Context(), w.flow.ID, 0); err != nil || n != 2 {
		t.Errorf("%d ranges settled (%v), want 2", n, err)
	}
	if n, err := w.b.Settle(t.Context(), "", 0); err != nil || n != 0 {
		t.Errorf("%d ranges settled again (%v), want 0", n, err)
	}
	if err := w.db.Write(t.Context(), func(tx hansa.Tx) error { return w.b.Fetched(tx, w.flow.ID, []string{"r7", "r8"}, false, w.now) }); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, id := range []string{"r7", "r8", "r9"} {
		list, err := w.b.Ladder(t.Context(), w.flow.From, "d", id)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range list {
			got[id] += fmt.Sprint(g.Generation, " ", g.Step, " ", g.Over, "; ")
		}
	}
	want := map[string]string{"r7": "open offered true; end fetched false; ", "r8": "open fetched false; ", "r9": "open offered false; "}
	for id := range want {
		if got[id] != want[id] {
			t.Errorf("%s stands at %q, want %q", id, got[id], want[id])
		}
	}
}

// TestFetchedAll holds the quick way of a whole snapshot to the slow one: the same
// ladders, and one fact that proves each; nobody is called silent in between.
func TestFetchedAll(t *testing.T) {
	boards := [2]map[string]string{}
	for way := range boards {
		w := newWorld(t)
		var all []string
		for i := range 150 {
			id := fmt.Sprint("r", i)
			all = append(all, id)
			w.offer(id, 1, hansa.Insert)
		}
		w.now = w.now.Add(10 * time.Second)
		for range 2 { // the second finds nothing left
			if way == 0 {
				w.fetch(all[:140]...)
			}
			for _, id := range all[:140] {
				if way == 1 {
					w.fetch(id)
				}
			}
		}
		w.now = w.now.Add(time.Hour)
		if n, err := w.b.Sweep(t.Context(), w.now); err != nil || n != 10 {
			t.Errorf("way %d: %d are called silent (%v), want the 10 that were not handed over", way, n, err)
		}
		w.offer("r5", 2, hansa.Modify)
		list, err := w.b.Board(t.Context(), w.flow.From, "d", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		boards[way] = map[string]string{}
		for _, g := range list {
			boards[way][g.Record] = fmt.Sprint(g.Version, g.Step, g.Evidence, g.Times)
		}
		facts, err := w.b.Facts(t.Context(), w.flow.From, "d", "r3")
		steps := 0
		for _, f := range facts {
			if f.Step.Step == hansa.StepFetched && f.Step.Record == "r3" {
				steps++
			}
		}
		if err != nil || len(facts) != 2 || steps != 1 {
			t.Errorf("way %d: %d facts, %d of them that r3 was fetched (%v), want 2 and 1", way, len(facts), steps, err)
		}
	}
	for k, v := range boards[1] {
		if boards[0][k] != v {
			t.Errorf("%s is %s, want %s", k, boards[0][k], v)
		}
	}
	if len(boards[0]) != 150 {
		t.Errorf("%d ladders, want 150", len(boards[0]))
	}
}

// BenchmarkFetched10000 is how long the writer is held by a first snapshot of a
// national feed.
func BenchmarkFetched10000(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b)
		var recs []*hansa.Record
		var ids []string
		for i := range 10_000 {
			ids = append(ids, fmt.Sprint("r", i))
			recs = append(recs, &hansa.Record{Kind: hansa.KindSituation, Dataset: "d", ID: ids[i], Version: 1, Situation: &hansa.Situation{Lifecycle: hansa.Active}})
		}
		w.must(w.db.Write(b.Context(), func(tx hansa.Tx) error { return w.b.OfferAll(tx, w.flow, recs, time.Minute, w.now) }))
		if _, err := w.b.Settle(b.Context(), "", 0); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		w.must(w.db.Write(b.Context(), func(tx hansa.Tx) error { return w.b.Fetched(tx, w.flow.ID, ids, true, w.now) }))
	}
}
