package main_test

import (
	"bytes"
	cryptorand "crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// bundled are the parts of a bundle that a test changes.
type bundled struct {
	Format      string            `json:"format"`
	Origin      string            `json:"origin"`
	Key         string            `json:"key"`
	Checkpoint  string            `json:"checkpoint"`
	Entries     []json.RawMessage `json:"entries"`
	Facts       []map[string]any  `json:"facts"`
	Consistency json.RawMessage   `json:"consistency,omitempty"`
}

// deposed is a fact of a bundle, which somebody with the node's key seals anew.
type deposed struct {
	kind    string // of the act
	doc     []byte
	content []byte
}

// changed makes bundles of what was changed on the way, by somebody without any key.
func (p *signatories) changed(t *testing.T, good []byte, bad map[string]forgery) {
	t.Helper()
	change := func(do func(b *bundled)) []byte {
		var b bundled
		if err := json.Unmarshal(good, &b); err != nil {
			t.Fatal(err)
		}
		do(&b)
		return marshal(t, &b)
	}
	signs := func(b *bundled) (out []int) {
		for i, f := range b.Facts {
			if doc, _ := f["doc"].(string); strings.Contains(doc, `"kind":"sign"`) {
				out = append(out, i)
			}
		}
		if len(out) != 2 {
			t.Fatalf("%d signatures in the bundle, want 2", len(out))
		}
		return out
	}
	swap := func(members ...string) func(*bundled) {
		return func(b *bundled) {
			at := signs(b)
			x, y := b.Facts[at[0]], b.Facts[at[1]]
			for _, m := range members {
				x[m], y[m] = y[m], x[m]
			}
		}
	}
	if _, err := journal.Verify(change(func(*bundled) {}), p.trusts(t)); err != nil {
		t.Fatalf("what a test writes anew does not verify: %v", err)
	}
	bad["a swapped signature"] = forgery{change(swap("content")), "contents", ""}
	bad["a swapped entry"] = forgery{change(swap("content", "doc")), "facts", ""}
	bad["a swapped fact"] = forgery{change(swap("content", "doc", "salt")), "facts", ""}
	bad["an entry left out of the log"] = forgery{change(func(b *bundled) { b.Entries = b.Entries[1:] }), "facts", ""}
	bad["a first entry left out"] = forgery{change(func(b *bundled) { b.Facts = b.Facts[1:] }), "accord", "entry 1 is missing"}
	bad["a signature left out"] = forgery{change(func(b *bundled) { b.Facts = slices.Delete(b.Facts, signs(b)[0], signs(b)[0]+1) }), "accord", "is missing"}
	bad["a checkpoint of another size"] = forgery{change(func(b *bundled) {
		lines := strings.SplitN(b.Checkpoint, "\n", 3)
		b.Checkpoint = lines[0] + "\n1" + lines[1] + "\n" + lines[2]
	}), "checkpoint", ""}
	bad["a checkpoint by another key"] = forgery{change(func(b *bundled) {
		text, _, _ := strings.Cut(b.Checkpoint, "\n\n")
		skey, vkey, err := note.GenerateKey(cryptorand.Reader, b.Origin)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := note.NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := note.Sign(&note.Note{Text: text + "\n"}, signer)
		if err != nil {
			t.Fatal(err)
		}
		b.Checkpoint, b.Key = string(signed), vkey
	}), "restores", "the node key did not sign that"}
}

func (p *signatories) trusts(t *testing.T) journal.Trust {
	t.Helper()
	return journal.Trust{Keys: []string{p.city.key(t)}, Signature: trust.VerifyDetached, Further: accord.CheckFacts}
}

// deposition are the facts of a bundle.
func deposition(t *testing.T, good []byte) (out []deposed) {
	t.Helper()
	var b bundled
	if err := json.Unmarshal(good, &b); err != nil {
		t.Fatal(err)
	}
	for _, f := range b.Facts {
		doc, _ := f["doc"].(string)
		coded, _ := f["content"].(string)
		content, err := base64.StdEncoding.DecodeString(coded)
		if err != nil {
			t.Fatal(err)
		}
		d := deposed{kind: "key-registered", doc: []byte(doc), content: content}
		if len(content) > 0 {
			d.kind = accord.EntryAct
		}
		out = append(out, d)
	}
	return out
}

// seal writes facts into a new log of the city's name and key, as somebody with its
// disk could, until it has most entries, and returns the bundle of it. It shows that
// the log has grown from since entries, or from none.
func (p *signatories) seal(t *testing.T, facts []deposed, most, since int64) []byte {
	t.Helper()
	skey, err := os.ReadFile(filepath.Join(p.city.dir, "data", trust.NodeKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(skey)))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hansa.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context(), journal.Migrations()); err != nil {
		t.Fatal(err)
	}
	log, err := journal.New(db, journal.Config{Origin: signer.Name(), Signer: signer, VerifierKey: p.city.key(t), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	var refs []journal.FactRef
	for _, f := range facts {
		err := db.Write(t.Context(), func(tx hansa.Tx) error {
			id, err := log.Act(tx, hansa.PartyID(p.city.id), f.kind, f.doc, time.Now())
			refs = append(refs, journal.FactRef{Act: id, Content: f.content})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := int64(len(facts)); n < most; n++ {
		if err := db.Write(t.Context(), func(tx hansa.Tx) error {
			_, err := log.Act(tx, hansa.PartyID(p.city.id), "note", []byte("{}"), time.Now())
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	var from []int64
	if since > 0 {
		from = []int64{since}
	}
	b, err := log.Bundle(t.Context(), refs, from...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// resealed makes bundles of what the node's operator makes up: the log is perfect, and
// what stands in it is not what the parties signed.
func (p *signatories) resealed(t *testing.T, good []byte, bad map[string]forgery) {
	t.Helper()
	if _, err := journal.Verify(p.seal(t, deposition(t, good), 0, 0), p.trusts(t)); err != nil {
		t.Fatalf("what is sealed anew does not verify: %v", err)
	}
	// lie changes entries and has their documents, and the chain, follow.
	lie := func(do func(list []accord.Entry)) []byte {
		facts := deposition(t, good)
		var list []accord.Entry
		for _, f := range facts {
			var e accord.Entry
			if f.kind == accord.EntryAct {
				if err := json.Unmarshal(f.content, &e); err != nil {
					t.Fatal(err)
				}
				list = append(list, e)
			}
		}
		do(list)
		before := ""
		for i := range list {
			list[i].Before = before
			content, err := accord.EntryContent(&list[i])
			if err != nil {
				t.Fatal(err)
			}
			was := facts[i].content
			before = list[i].Hash()
			var old accord.Entry
			if err := json.Unmarshal(was, &old); err != nil {
				t.Fatal(err)
			}
			facts[i].content, facts[i].doc = content, bytes.ReplaceAll(facts[i].doc, []byte(old.Hash()), []byte(before))
		}
		return p.seal(t, facts, 0, 0)
	}
	payload := func(e *accord.Entry, change func(string) string) {
		parts := strings.Split(e.Message, ".")
		b, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		changed := change(string(b))
		if changed == string(b) {
			t.Fatal("nothing was changed")
		}
		parts[1] = base64.RawURLEncoding.EncodeToString([]byte(changed))
		e.Message = strings.Join(parts, ".")
	}
	bad["a word of the text"] = forgery{lie(func(l []accord.Entry) {
		payload(&l[0], func(s string) string { return strings.Replace(s, "erase", "keeps", 1) })
	}), "accord", ""}
	bad["the power of a signature"] = forgery{lie(func(l []accord.Entry) {
		payload(&l[1], func(s string) string { return strings.Replace(s, "mandate 2026-114", "mandate 2026-115", 1) })
	}), "accord", "signature"}
	bad["a message by another's key"] = forgery{lie(func(l []accord.Entry) {
		a, b := strings.Split(l[1].Message, "."), strings.Split(l[2].Message, ".")
		l[1].Message = strings.Join([]string{a[0], a[1], b[2]}, ".")
	}), "accord", "signature"}
	bad["the order of signatures"] = forgery{lie(func(l []accord.Entry) { l[1].Message, l[2].Message = l[2].Message, l[1].Message }), "accord", "says another thing than its message"}
	facts := deposition(t, good)
	bad["an entry never written"] = forgery{p.seal(t, slices.Delete(slices.Clone(facts), 2, 3), 0, 0), "accord", "entry 3 is missing"}
	facts[2] = facts[1]
	bad["an entry in the place of another"] = forgery{p.seal(t, facts, 0, 0), "accord", ""}
}

// rewritten makes bundles that hold in themselves, but are of another log than was
// seen before: shorter, as long, and longer.
func (p *signatories) rewritten(t *testing.T, good []byte, saved string) map[string]forgery {
	t.Helper()
	text, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := journal.ParseCheckpoint(string(text))
	if err != nil {
		t.Fatal(err)
	}
	facts := deposition(t, good)
	n := slices.IndexFunc(facts, func(f deposed) bool { return f.kind != accord.EntryAct })
	if n < 0 {
		n = len(facts)
	}
	few := facts[:2]
	bad := map[string]forgery{
		"a shorter log":     {p.seal(t, few, 0, 0), "append-only", "it was cut"},
		"a log as long":     {p.seal(t, few, seen.Size, seen.Size), "append-only", "the journal was rewritten"},
		"a longer log":      {p.seal(t, few, seen.Size+5, seen.Size), "append-only", "the journal was rewritten"},
		"without the last":  {p.seal(t, slices.Delete(slices.Clone(facts), n-1, n), seen.Size+1, seen.Size), "append-only", "the journal was rewritten"},
		"all, sealed again": {p.seal(t, facts, seen.Size+1, seen.Size), "append-only", "the journal was rewritten"},
	}
	for name, f := range bad {
		if _, err := journal.Verify(f.bundle, p.trusts(t)); err != nil {
			t.Fatalf("%s: %v: it must be perfect but for what was seen before", name, err)
		}
	}
	return bad
}

// flips makes bundles with a bit changed, at places all over, and has them refused.
func (p *signatories) flips(t *testing.T, good []byte, save func(string, []byte) string, keys string) (n int) {
	t.Helper()
	const most = 300
	bad := map[string]forgery{}
	for i := range most { // one in each part, somewhere
		at := i*len(good)/most + rand.IntN(len(good)/most)
		b := slices.Clone(good)
		b[at] ^= 1 << rand.IntN(8)
		bad[fmt.Sprintf("byte %d", at)] = forgery{b, "", ""}
	}
	return p.refuses(t, bad, save, keys, "")
}
