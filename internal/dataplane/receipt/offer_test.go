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
		if n, err := w.b.Seal(t.Context(), w.now); err != nil || n != 150 {
			t.Errorf("way %d: %d steps sealed (%v), want 150", way, n, err)
		}
	}
	if len(boards[0]) != 140 {
		t.Errorf("%d ladders, want 140", len(boards[0]))
	}
	for k, v := range boards[1] {
		if boards[0][k] != v {
			t.Errorf("%s is %s, want %s", k, boards[0][k], v)
		}
	}
}
