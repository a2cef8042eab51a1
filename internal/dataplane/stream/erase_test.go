package stream_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
)

// EraseWhere takes every version of what it is asked for, however many there are, in
// runs; the rest stays as it was, and a run that fails erases nothing.
func TestEraseWhere(t *testing.T) {
	b := fresh(t)
	p := b.s.Of(city)
	theirs := func(r *hansa.Record) bool { return r.Provenance.System == "them" }
	for i := range 40 {
		r := record(fmt.Sprintf("r%d", i%4), int64(i), fmt.Sprint(i))
		if r.Provenance.System = "us"; i%4 < 2 {
			r.Provenance.System = "them"
		}
		if _, err := p.Append(t.Context(), data, []*hansa.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	told := 0
	tell := func(hansa.Tx, string, int64) error { told++; return nil }
	none := func(hansa.Tx, stream.Erased) error { return nil }
	if _, err := p.EraseWhere(t.Context(), data, 0, 10, theirs, tell, none); hansa.KindOf(err) != hansa.Conflict {
		t.Fatalf("what is not sealed: got %v, want a conflict", err)
	}
	if _, err := b.s.Seal(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	if _, err := p.EraseWhere(t.Context(), data, 0, 10, theirs, tell, func(hansa.Tx, stream.Erased) error { return full }); !errors.Is(err, full) {
		t.Fatalf("got %v, want %v", err, full)
	}
	if left, _, err := p.Read(t.Context(), data, "", 100); err != nil || len(left) != 40 {
		t.Fatalf("%d records after a run that failed (%v), want 40", len(left), err)
	}
	told = 0
	var sum stream.Erased
	runs := 0
	for next := int64(0); runs == 0 || next != 0; runs++ {
		out, err := p.EraseWhere(t.Context(), data, next, 10, theirs, tell, none)
		if err != nil {
			t.Fatal(err)
		}
		sum.Versions, sum.Records, next = sum.Versions+out.Versions, sum.Records+out.Records, out.Next
	}
	if sum.Versions != 20 || sum.Records != 2 || told != 20 || runs < 4 {
		t.Errorf("erased %+v in %d runs, told %d; want 20 versions of 2 records", sum, runs, told)
	}
	left, _, err := p.Read(t.Context(), data, "", 100)
	if err != nil || len(left) != 20 {
		t.Fatalf("%d records are left (%v), want 20", len(left), err)
	}
	for _, r := range left {
		if theirs(r) {
			t.Errorf("%s version %d is there still", r.ID, r.Version)
		}
	}
	present, _, err := p.Present(t.Context(), data, true)
	if err != nil || len(present) != 2 {
		t.Errorf("%d are present (%v), want 2", len(present), err)
	}
	f, err := p.Facts(t.Context(), data, "r0")
	if err != nil || len(f) != 10 || f[9].Doc != nil || f[9].Salt != (hansa.Salt{}) || f[9].Batch == "" {
		t.Errorf("an erased record has %d facts (%v)", len(f), err)
	}
	if out, err := p.EraseWhere(t.Context(), data, 0, 100, theirs, tell, none); err != nil || out.Versions != 0 {
		t.Errorf("again: %+v, %v", out, err)
	}
}
