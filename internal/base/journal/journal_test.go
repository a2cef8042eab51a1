package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
)

func TestBundle(t *testing.T) {
	w := newWorld(t)
	refs := append(w.seal(hansa.FactRecord, 7), w.seal(hansa.FactDelivery, 300)...)
	id := w.act("accord-signed", `{"accord":"x"}`)
	refs = append(refs, journal.FactRef{Act: id})
	r, err := journal.Verify(w.bundle(refs), w.trust())
	if err != nil || !r.OK || len(r.Facts) != 308 || r.Signer != journal.SignerTrusted {
		t.Fatalf("got %v %+v", err, r.Checks)
	}
	if got := r.Facts[307]; got.Act != "accord-signed" || got.Doc != `{"accord":"x"}` {
		t.Errorf("got %+v, want the act", got)
	}
}

// TestTree holds every size up to 70 to the library's own verdict.
func TestTree(t *testing.T) {
	w := newWorld(t)
	var notes [][]byte
	for i := range 70 {
		if i%3 == 0 {
			w.seal(hansa.FactReceipt, 1+i%5)
		} else {
			w.act("note", fmt.Sprint(i))
		}
		c, err := w.log.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		notes = append(notes, c)
	}
	v, _ := note.NewVerifier(w.vkey)
	root := func(i int) tlog.Hash {
		n, err := note.Open(notes[i], note.VerifierList(v))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(n.Text, "\n")
		h, err := tlog.ParseHash(lines[2])
		if err != nil || lines[0] != origin || lines[1] != fmt.Sprint(i+1) {
			t.Fatalf("got checkpoint %q, %v", n.Text, err)
		}
		return h
	}
	for size := 1; size <= 70; size++ {
		for old := 1; old < size; old += 7 {
			p, err := w.log.Consistency(t.Context(), int64(old), int64(size))
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckTree(toTree(p), int64(size), root(size-1), int64(old), root(old-1)); err != nil {
				t.Errorf("from %d to %d: %v", old, size, err)
			}
		}
	}
	lines, err := w.log.Entries(t.Context(), "did:web:city.example", 0, 0)
	if err != nil || len(lines) != 70 {
		t.Fatalf("got %d lines, %v", len(lines), err)
	}
	for _, line := range lines {
		p, err := w.log.Inclusion(t.Context(), 70, line.Index)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(tlog.RecordProof(toTree(p)), 70, root(69), line.Index, tlog.RecordHash(line.Data)); err != nil {
			t.Error(err)
		}
	}
	if others, err := w.log.Entries(t.Context(), "did:web:other.example", 0, 0); err != nil || len(others) != 0 {
		t.Errorf("got %d entries of another party, %v", len(others), err)
	}
}

func toTree(in []hansa.Hash) tlog.TreeProof {
	out := make(tlog.TreeProof, len(in))
	for i := range in {
		out[i] = tlog.Hash(in[i])
	}
	return out
}

func TestTiles(t *testing.T) {
	w := newWorld(t)
	w.write(func(tx hansa.Tx) error {
		for i := range 300 {
			if _, err := w.log.Append(tx, journal.Entry{Kind: "note", At: w.now, Commitment: hansa.Hash{byte(i)}}); err != nil {
				return err
			}
		}
		return nil
	})
	for path, size := range map[string]int{
		"tile/0/000": 256, "tile/0/001.p/44": 44, "tile/0/001.p/3": 3, "tile/1/000.p/1": 1,
		"tile/0/001": -1, "tile/0/001.p/45": -1, "tile/1/000": -1, "tile/entries/000": -1, "tile/data/000": -1,
		"tile/8/0/000": -1, "tile/0/../000": -1, "tile/-1/000": -1, "tile/0/999999999999999999999": -1, "": -1,
		"tile/0/x001/000": -1, "tile/63/000.p/1": -1,
	} {
		got, err := w.log.Tile(t.Context(), path)
		if size < 0 {
			if err == nil || hansa.KindOf(err) != hansa.NotFound {
				t.Errorf("%s: got %v, want NotFound", path, err)
			}
			continue
		}
		if err != nil || len(got) != size*tlog.HashSize {
			t.Errorf("%s: got %d bytes, %v", path, len(got), err)
		}
	}
}

func TestCheckpointPace(t *testing.T) {
	w := newWorld(t)
	first, err := w.log.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, _ := w.log.Checkpoint(t.Context())
	if !bytes.Equal(first, again) {
		t.Error("an unchanged log was signed twice")
	}
	w.act("note", "1")
	second, _ := w.log.Checkpoint(t.Context())
	if bytes.Equal(first, second) {
		t.Error("a log that grew a second later was not signed")
	}
	err = w.db.Write(t.Context(), func(tx hansa.Tx) error {
		_, err := w.log.Append(tx, journal.Entry{Kind: "note", At: w.now})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if third, _ := w.log.Checkpoint(t.Context()); !bytes.Equal(second, third) {
		t.Error("a second checkpoint was made within a second")
	}
}

func TestRolledBackAppendLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.seal(hansa.FactRecord, 3)
	boom := errors.New("boom")
	err := w.db.Write(t.Context(), func(tx hansa.Tx) error {
		if _, err := w.log.Append(tx, journal.Entry{Kind: "note", At: w.now}); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	w.seal(hansa.FactRecord, 3)
	if err := w.log.Recover(t.Context()); err != nil {
		t.Error(err)
	}
	if n, _ := w.log.Size(t.Context()); n != 2 {
		t.Errorf("got %d entries, want 2", n)
	}
}
