package journal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// story writes a journal that has everything in it and returns what to prove.
func (w *world) story() []journal.FactRef {
	w.Helper()
	key, err := trust.GenerateKey(trust.EdDSA)
	if err != nil {
		w.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		w.Fatal(err)
	}
	refs := w.seal(hansa.FactRecord, 5)
	receipt := []byte(`{"record":"r1","step":"live"}`)
	jws, err := trust.SignReceipt(key, receipt)
	if err != nil {
		w.Fatal(err)
	}
	sum := sha256.Sum256(receipt)
	signed := journal.FactRef{
		Kind: hansa.FactReceipt, Salt: hansa.NewSalt(), Doc: fmt.Appendf(nil, `{"digest":"sha-256:%x"}`, sum),
		Content: receipt, JWS: jws, Key: public,
	}
	w.write(func(tx hansa.Tx) (err error) {
		signed.Batch, err = w.log.Seal(tx, hansa.Batch{
			Kind: hansa.FactReceipt, At: w.now,
			Leaves: []hansa.Hash{hansa.Leaf(hansa.FactReceipt, signed.Salt, signed.Doc)},
		})
		return err
	})
	act := w.act("key-registered", fmt.Sprintf(`{"kid":%q}`, key.KID()))
	gone := w.act("note", `{"name":"A. Person"}`)
	w.write(func(tx hansa.Tx) error {
		return errors.Join(
			w.log.Erase(tx, journal.Erasure{Batch: refs[2].Batch, Position: 2, Rule: "retention/90d", At: w.now}),
			w.log.Erase(tx, journal.Erasure{Act: gone, Rule: "accord:1#clause-7", At: w.now}),
		)
	})
	refs[2].Doc, refs[2].Salt = nil, hansa.Salt{}
	return append(refs, signed, journal.FactRef{Act: act}, journal.FactRef{Act: gone})
}

func (w *world) fullTrust() journal.Trust {
	t := w.trust()
	t.Signature = trust.VerifyDetached
	return t
}

func TestStory(t *testing.T) {
	w := newWorld(t)
	b := w.bundle(w.story())
	r, err := journal.Verify(b, w.fullTrust())
	if err != nil {
		t.Fatalf("%v %+v", err, r.Checks)
	}
	if g := r.Facts[2].Erased; g == nil || g.Rule != "retention/90d" || g.At.IsZero() || r.Facts[2].Doc != "" {
		t.Errorf("got %+v, want what was erased, when and under which rule", r.Facts[2])
	}
	if g := r.Facts[7].Erased; g == nil || g.Rule != "accord:1#clause-7" {
		t.Errorf("got %+v, want an erased act", r.Facts[7])
	}
	if f := r.Facts[5]; f.Key == "" || !f.Registered || len(r.Cautions) != 0 {
		t.Errorf("got %+v, cautions %v; want a signature by a registered key", f, r.Cautions)
	}
	if bytes.Contains(b, []byte("A. Person")) {
		t.Error("erased content is in the bundle")
	}
	for _, table := range []string{"journal_acts", "journal_entries"} {
		var n int
		err := w.db.db.QueryRow(`SELECT COUNT(*) FROM ` + table + ` WHERE CAST(` +
			map[string]string{"journal_acts": "doc", "journal_entries": "data"}[table] + ` AS TEXT) LIKE '%Person%'`).Scan(&n)
		if err != nil || n != 0 {
			t.Errorf("%s still holds erased content in %d rows, %v", table, n, err)
		}
	}
	err = w.db.Write(t.Context(), func(tx hansa.Tx) error {
		return w.log.Erase(tx, journal.Erasure{Batch: r.Origin, Position: 2, Rule: "x", At: w.now})
	})
	if err == nil || hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("got %v, want NotFound", err)
	}
	if err := w.log.Recover(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSigner(t *testing.T) {
	w := newWorld(t)
	b := w.bundle(w.seal(hansa.FactRecord, 3))
	saved, err := w.log.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	forger := newWorld(t) // a perfect forgery: the same name, everything consistent
	forged := forger.bundle(forger.seal(hansa.FactRecord, 3))

	for name, tc := range map[string]struct {
		bundle []byte
		trust  journal.Trust
		want   journal.SignerStatus
	}{
		"own key":             {b, w.trust(), journal.SignerTrusted},
		"saved checkpoint":    {b, journal.Trust{Checkpoint: saved}, journal.SignerRemembered},
		"nothing":             {b, journal.Trust{}, journal.SignerUnknown},
		"embedded accepted":   {b, journal.Trust{AcceptEmbeddedKey: true}, journal.SignerEmbeddedKey},
		"forgery":             {forged, w.trust(), journal.SignerUnknown},
		"forgery, accepting":  {forged, journal.Trust{Keys: []string{w.vkey}, AcceptEmbeddedKey: true}, journal.SignerUnknown},
		"forgery, checkpoint": {forged, journal.Trust{Checkpoint: saved}, journal.SignerUnknown},
		"forgery, both":       {forged, journal.Trust{Keys: []string{w.vkey}, Checkpoint: saved, AcceptEmbeddedKey: true}, journal.SignerUnknown},
	} {
		r, err := journal.Verify(tc.bundle, tc.trust)
		if r.Signer != tc.want || (err == nil) != (tc.want != journal.SignerUnknown) || r.OK != (err == nil) {
			t.Errorf("%s: got %q, %v; want %q", name, r.Signer, err, tc.want)
		}
	}
	if _, err := journal.Verify(forged, w.trust()); !errors.Is(err, journal.ErrNotEstablished) {
		t.Errorf("got %v, want ErrNotEstablished", err)
	}
	keys, err := journal.ParseKeys([]byte("# the city\n\n " + w.vkey + " \n"))
	if err != nil || len(keys) != 1 || keys[0] != w.vkey {
		t.Errorf("got %v, %v", keys, err)
	}
	for _, bad := range []string{"", "# nothing\n", "x+y+z\n", w.skey} {
		if _, err := journal.ParseKeys([]byte(bad)); err == nil {
			t.Errorf("trust file %q was taken", bad)
		}
	}
}

// meaning is what a report says about the world, apart from how it was checked.
func meaning(r journal.Report) journal.Report {
	r.Checks = nil
	return r
}

func TestEveryByteCounts(t *testing.T) {
	w := newWorld(t)
	refs := w.story()
	size, err := w.log.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	good := w.bundle(refs, 0, 1, 3, size)
	want, err := journal.Verify(good, w.fullTrust())
	if err != nil {
		t.Fatal(err)
	}
	noticed, same := 0, 0
	try := func(what string, b []byte) {
		t.Helper()
		r, err := journal.Verify(b, w.fullTrust())
		switch {
		case err != nil:
			noticed++
		case !reflect.DeepEqual(meaning(r), meaning(want)):
			t.Errorf("%s: taken with another meaning", what)
		default:
			if same++; strings.HasSuffix(what, "flipped") {
				t.Errorf("%s: not noticed", what)
			}
		}
	}
	step, swaps := 1, 2000
	if testing.Short() {
		step, swaps = 7, 200
	}
	for i := 0; i < len(good); i += step {
		for _, mask := range []byte{1, 0x20, 0x80} {
			b := bytes.Clone(good)
			b[i] ^= mask
			try(fmt.Sprintf("byte %d of %q by %x flipped", i, good[max(0, i-20):i+1], mask), b)
		}
	}
	flips := noticed
	for i := 0; i < len(good); i += step {
		if _, err := journal.Verify(good[:i], w.fullTrust()); err == nil {
			t.Errorf("cut at %d was not noticed", i)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range swaps { // swap two bytes, or drop a run
		b := bytes.Clone(good)
		i, j := rnd.IntN(len(b)), rnd.IntN(len(b))
		b[i], b[j] = b[j], b[i]
		try(fmt.Sprintf("bytes %d and %d swapped", i, j), b)
		if n := rnd.IntN(20); i+n < len(good) {
			try(fmt.Sprintf("%d bytes dropped at %d", n, i), append(bytes.Clone(good[:i]), good[i+n:]...))
		}
	}
	if want := 3 * ((len(good) + step - 1) / step); flips != want || flips < 15_000/step {
		t.Errorf("%d of %d flips were noticed, want all of at least %d", flips, want, 15_000/step)
	}
	t.Logf("%d bytes: %d changes noticed, %d without effect", len(good), noticed, same)
}

// TestBundleParts removes, swaps and replays the parts of a bundle.
func TestBundleParts(t *testing.T) {
	w := newWorld(t)
	good := w.bundle(w.story())
	other := newWorld(t)
	foreign := other.bundle(other.story())
	edit := func(f func(b, foreign map[string]any)) []byte {
		var b, o map[string]any
		if json.Unmarshal(good, &b) != nil || json.Unmarshal(foreign, &o) != nil {
			t.Fatal("a bundle is JSON")
		}
		f(b, o)
		out, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	fact := func(b map[string]any, i int) map[string]any { return b["facts"].([]any)[i].(map[string]any) }
	if _, err := journal.Verify(edit(func(map[string]any, map[string]any) {}), w.fullTrust()); err != nil {
		t.Fatalf("re-encoded alone: %v", err)
	}
	for name, tc := range map[string]struct {
		check string
		f     func(b, foreign map[string]any)
	}{
		"entry deleted":        {"facts", func(b, _ map[string]any) { b["entries"] = b["entries"].([]any)[1:] }},
		"entry twice":          {"entries", func(b, _ map[string]any) { e := b["entries"].([]any); b["entries"] = append(e, e[0]) }},
		"foreign entries":      {"entries", func(b, o map[string]any) { b["entries"] = o["entries"] }},
		"foreign checkpoint":   {"checkpoint", func(b, o map[string]any) { b["checkpoint"] = o["checkpoint"] }},
		"foreign key":          {"checkpoint", func(b, o map[string]any) { b["key"] = o["key"] }},
		"other origin":         {"node key", func(b, _ map[string]any) { b["origin"] = "other.example" }},
		"other format":         {"format", func(b, _ map[string]any) { b["format"] = "hansa-proof-bundle/2" }},
		"unknown member":       {"format", func(b, _ map[string]any) { b["note"] = "trust me" }},
		"no facts":             {"format", func(b, _ map[string]any) { b["facts"] = []any{} }},
		"docs swapped":         {"facts: fact 0", func(b, _ map[string]any) { x, y := fact(b, 0), fact(b, 1); x["doc"], y["doc"] = y["doc"], x["doc"] }},
		"positions swapped":    {"facts: fact 0", func(b, _ map[string]any) { fact(b, 0)["position"] = 1 }},
		"fact replayed":        {"facts: fact 8", func(b, _ map[string]any) { b["facts"] = append(b["facts"].([]any), fact(b, 0)) }},
		"kind changed":         {"facts: fact 0", func(b, _ map[string]any) { fact(b, 0)["kind"] = "delivery" }},
		"erasure pretended":    {"facts: fact 1", func(b, _ map[string]any) { fact(b, 1)["erased"] = fact(b, 2)["erased"] }},
		"erasure denied":       {"facts: fact 2", func(b, _ map[string]any) { delete(fact(b, 2), "erased") }},
		"erasure of another":   {"facts: fact 2", func(b, _ map[string]any) { fact(b, 2)["erased"] = fact(b, 7)["erased"] }},
		"content of another":   {"contents: fact 5", func(b, _ map[string]any) { fact(b, 5)["content"] = "AAAA" }},
		"content where none":   {"contents: fact 0", func(b, _ map[string]any) { fact(b, 0)["content"] = "AAAA" }},
		"content taken away":   {"signatures: fact 5", func(b, _ map[string]any) { delete(fact(b, 5), "content") }},
		"signature of another": {"signatures: fact 5", func(b, o map[string]any) { fact(b, 5)["signature"] = fact(o, 5)["signature"] }},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := journal.Verify(edit(tc.f), w.fullTrust())
			switch {
			case name == "signature of another":
				// The receipts are alike, so a stranger's signature holds; but the
				// bundle does not show whose key it is, and the report says so.
				if err == nil && (r.Facts[5].Registered || len(r.Cautions) == 0) {
					t.Errorf("got %+v, want a caution", r.Facts[5])
				}
			case err == nil || !strings.HasPrefix(err.Error(), tc.check):
				t.Errorf("got %v, want a failure of %q", err, tc.check)
			}
		})
	}
}

// TestRewrittenJournal rewrites history under the true key, self-consistent down
// to the last hash: only what a counterparty saved tells.
func TestRewrittenJournal(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	tries, noticed := 500, 0
	if testing.Short() {
		tries = 50
	}
	for range tries {
		w := newWorld(t)
		n := 2 + rnd.IntN(12)
		for i := range n {
			w.act("note", fmt.Sprint(i))
		}
		saved, err := w.log.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second := &world{TB: t, db: openDB(t), now: w.now.AddDate(0, 0, -1), skey: w.skey, vkey: w.vkey}
		second.log = second.open(second.db)
		// As long, longer, or cut.
		for i := range 1 + rnd.IntN(2*n) {
			second.act("note", fmt.Sprint(i))
		}
		size, err := second.log.Size(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		refs := second.seal(hansa.FactRecord, 1)
		var since []int64
		if int64(n) <= size {
			since = []int64{int64(n)}
		}
		b := second.bundle(refs, since...)
		if _, err := journal.Verify(b, w.trust()); err != nil {
			t.Fatalf("the forgery is not self-consistent: %v", err)
		}
		kept := w.trust()
		kept.Checkpoint = saved
		if _, err := journal.Verify(b, kept); err != nil && strings.HasPrefix(err.Error(), "append-only: ") {
			noticed++
		}
	}
	if noticed != tries {
		t.Errorf("noticed %d of %d rewritten journals", noticed, tries)
	}
}

func TestSavedCheckpoint(t *testing.T) {
	w := newWorld(t)
	w.seal(hansa.FactRecord, 3)
	w.act("note", "1")
	saved, _ := w.log.Checkpoint(t.Context())
	refs := w.seal(hansa.FactRecord, 3)
	kept := journal.Trust{Checkpoint: saved}
	if r, err := journal.Verify(w.bundle(refs, 2), kept); err != nil || r.Signer != journal.SignerRemembered {
		t.Errorf("got %v, %q", err, r.Signer)
	}
	if _, err := journal.Verify(w.bundle(refs), kept); err == nil || !strings.Contains(err.Error(), "since 2") {
		t.Errorf("got %v, want to be told what to ask for", err)
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	refs := w.seal(hansa.FactRecord, 2)
	try := func(name string, want hansa.Kind, f func(tx hansa.Tx) error) {
		t.Helper()
		if err := w.db.Write(t.Context(), f); err == nil || hansa.KindOf(err) != want {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	try("empty batch", hansa.Invalid, func(tx hansa.Tx) error { _, err := w.log.Seal(tx, hansa.Batch{Kind: "record", At: w.now}); return err })
	try("huge batch", hansa.Invalid, func(tx hansa.Tx) error {
		_, err := w.log.Seal(tx, hansa.Batch{Kind: "record", At: w.now, Leaves: make([]hansa.Hash, journal.LeavesMax+1)})
		return err
	})
	try("a batch by hand", hansa.Invalid, func(tx hansa.Tx) error {
		_, err := w.log.Append(tx, journal.Entry{Kind: "batch", At: w.now})
		return err
	})
	try("a kind with a name in it", hansa.Invalid, func(tx hansa.Tx) error {
		_, err := w.log.Append(tx, journal.Entry{Kind: "Signed by A. Person", At: w.now})
		return err
	})
	try("a rule with a name in it", hansa.Invalid, func(tx hansa.Tx) error {
		return w.log.Erase(tx, journal.Erasure{Batch: refs[0].Batch, Rule: "asked for by A. Person", At: w.now})
	})
	try("no place", hansa.NotFound, func(tx hansa.Tx) error {
		return w.log.Erase(tx, journal.Erasure{Batch: refs[0].Batch, Position: 2, Rule: "x", At: w.now})
	})
	w.write(func(tx hansa.Tx) error {
		return w.log.Erase(tx, journal.Erasure{Batch: refs[0].Batch, Position: 1, Rule: "x", At: w.now})
	})
	try("erased twice", hansa.Conflict, func(tx hansa.Tx) error {
		return w.log.Erase(tx, journal.Erasure{Batch: refs[0].Batch, Position: 1, Rule: "x", At: w.now})
	})
	refs[0].Doc = []byte("{}")
	if _, err := w.log.Bundle(t.Context(), refs[:1]); err == nil || hansa.Public(err).Code != hansa.CodeCorrupt {
		t.Errorf("a fact that is not what was sealed: got %v, want Corrupt", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"format":"hansa-proof-bundle/1"}`), "x\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	f.Add([]byte(strings.Repeat("[", 10000)), "x\n-1\n\n")
	f.Fuzz(func(t *testing.T, b []byte, checkpoint string) {
		if r, err := journal.Verify(b, journal.Trust{}); err == nil || r.OK {
			t.Errorf("%q verified without any trust", b)
		}
		_, _ = journal.Verify(b, journal.Trust{Checkpoint: []byte(checkpoint), AcceptEmbeddedKey: true})
		if c, err := journal.ParseCheckpoint(checkpoint); err == nil {
			if c.Size < 0 || c.Origin == "" || len(hex.EncodeToString(c.Root[:])) != 64 {
				t.Errorf("%q became %+v", checkpoint, c)
			}
		}
	})
}
