package accord_test

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gowebpki/jcs"
	"golang.org/x/mod/sumdb/note"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

const (
	city    hansa.PartyID  = "did:web:city.example"
	someone hansa.AccordID = "0197f3a0-0000-7000-8000-000000000001"
)

// notary is a node's journal with the entries of one accord between city and navco.
type notary struct {
	testing.TB
	db      *store.Store
	log     *journal.Log
	vkey    string
	now     time.Time
	message map[hansa.PartyID]*trust.PrivateKey
	binding map[hansa.PartyID]*trust.PrivateKey
	entries []accord.Entry
	sent    []accord.Message
	acts    []string
}

func newNotary(t testing.TB) *notary {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "city.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	n := &notary{TB: t, vkey: vkey, now: signedAt, message: map[hansa.PartyID]*trust.PrivateKey{}, binding: map[hansa.PartyID]*trust.PrivateKey{}}
	if n.db, err = store.Open(t.Context(), filepath.Join(t.TempDir(), "hansa.db"), store.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.db.Close() })
	if err := n.db.Migrate(t.Context(), journal.Migrations()); err != nil {
		t.Fatal(err)
	}
	n.log, err = journal.New(n.db, journal.Config{Origin: "city.example", Signer: signer, VerifierKey: vkey, Now: func() time.Time { return n.now }})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []hansa.PartyID{city, navco} {
		for _, keys := range []map[hansa.PartyID]*trust.PrivateKey{n.message, n.binding} {
			if keys[p], err = trust.GenerateKey(trust.ES256); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

func canonical(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = jcs.Transform(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// say numbers what from says, and journals it.
func (n *notary) say(from hansa.PartyID, kind accord.Kind, body accord.Body) {
	n.Helper()
	n.now = n.now.Add(time.Minute)
	m := accord.Message{FormatVersion: accord.MessageFormat, ID: hansa.NewID(n.now), From: from, To: city, Accord: someone, Kind: kind, At: n.now, Body: body}
	jws, err := trust.SignMessage(n.message[from], string(from), accord.MessageType, canonical(n, m))
	if err != nil {
		n.Fatal(err)
	}
	e := accord.Entry{N: int64(len(n.entries)) + 1, At: n.now, Message: jws}
	if len(n.entries) > 0 {
		content, err := accord.EntryContent(&n.entries[len(n.entries)-1])
		if err != nil {
			n.Fatal(err)
		}
		e.Before = hash(content)
	}
	n.entries, n.sent = append(n.entries, e), append(n.sent, m)
	doc, id := n.doc(&e, &m), ""
	content, err := accord.EntryContent(&e)
	if err != nil {
		n.Fatal(err)
	}
	err = n.db.Write(n.Context(), func(tx hansa.Tx) (err error) {
		id, err = n.log.ActAs(tx, accord.ActID(city, content), city, accord.EntryAct, doc, n.now)
		return err
	})
	if err != nil {
		n.Fatal(err)
	}
	n.acts = append(n.acts, id)
}

func (n *notary) doc(e *accord.Entry, m *accord.Message) []byte {
	n.Helper()
	jwk, err := n.message[m.From].Public()
	if err != nil {
		n.Fatal(err)
	}
	doc, err := accord.NewEntryDoc(e, m, jwk)
	if err != nil {
		n.Fatal(err)
	}
	return doc
}

func (n *notary) sign(p hansa.PartyID, text []byte, kind accord.Kind, body accord.Body) *accord.Signature {
	n.Helper()
	s := accord.Signature{Act: kind, Party: p, Role: "director", Power: "register 12", Held: accord.HeldByParty, At: n.now}
	var err error
	if kind != accord.Sign {
		if s.About, err = body.Digest(); err != nil {
			n.Fatal(err)
		}
	}
	if s, err = accord.SignBytes(n.binding[p], text, s); err != nil {
		n.Fatal(err)
	}
	return &s
}

// story is an accord from its opening to its end, with a redline on the way.
func (n *notary) story() {
	n.Helper()
	var texts [2][]byte
	texts[0] = canonical(n, map[string]any{"format": 1, "title": map[string]string{"en": "Closures"}, "version": 1})
	texts[1] = canonical(n, map[string]any{"format": 1, "supersedes": hash(texts[0]), "title": map[string]string{"en": "Closures and counts"}, "version": 2})
	n.say(city, accord.Open, accord.Body{Text: texts[0]})
	n.say(navco, accord.Propose, accord.Body{Text: texts[1], Words: "counts as well"})
	a, b := n.sign(city, texts[1], accord.Sign, accord.Body{}), n.sign(navco, texts[1], accord.Sign, accord.Body{})
	n.say(city, accord.Sign, accord.Body{Signature: a})
	n.say(navco, accord.Sign, accord.Body{Signature: b})
	n.say(city, accord.EnterIntoForce, accord.Body{Effect: n.now.Add(time.Hour), Signatures: []accord.Signature{*a, *b}})
	end := accord.Body{Notice: "2026-12-31"}
	end.Signature = n.sign(navco, texts[1], accord.End, end)
	n.say(navco, accord.End, end)
}

func (n *notary) refs() (out []journal.FactRef) {
	n.Helper()
	for i := range n.entries {
		content, err := accord.EntryContent(&n.entries[i])
		if err != nil {
			n.Fatal(err)
		}
		out = append(out, journal.FactRef{Act: n.acts[i], Content: content})
	}
	return out
}

func (n *notary) bundle(refs []journal.FactRef, since ...int64) []byte {
	n.Helper()
	b, err := n.log.Bundle(n.Context(), refs, since...)
	if err != nil {
		n.Fatal(err)
	}
	return b
}

func (n *notary) trust() journal.Trust {
	return journal.Trust{Keys: []string{n.vkey}, Signature: trust.VerifyDetached, Further: accord.CheckFacts}
}

func TestProofOfAnAccord(t *testing.T) {
	n := newNotary(t)
	n.story()
	r, err := journal.Verify(n.bundle(n.refs()), n.trust())
	if err != nil {
		t.Fatalf("%v\n%+v", err, r.Checks)
	}
	said := fmt.Sprint(r.Checks)
	for _, want := range []string{"entries 1 to 6 in a chain", "5 signatures hold over 2 texts", string(navco) + " (director, register 12)", "the last is end by " + string(navco)} {
		if !strings.Contains(said, want) {
			t.Errorf("the report does not say %q:\n%s", want, said)
		}
	}
	t.Run("after erasure it says what is gone, and verifies", func(t *testing.T) {
		err := n.db.Write(t.Context(), func(tx hansa.Tx) error {
			return n.log.Erase(tx, journal.Erasure{Act: n.acts[1], Rule: "accord:1#clause-7", At: n.now})
		})
		if err != nil {
			t.Fatal(err)
		}
		// Its text is gone with it: who wants the signatures over it proven keeps the entry.
		refs := n.refs()
		refs[1].Content = nil
		r, err := journal.Verify(n.bundle(refs[:2]), n.trust())
		if err != nil || !strings.Contains(fmt.Sprint(r.Checks), "1 erased") {
			t.Errorf("%v\n%+v", err, r.Checks)
		}
	})
}

// TestTamperedProof: no byte of a proof of a signed accord can be another.
func TestTamperedProof(t *testing.T) {
	n := newNotary(t)
	n.story()
	good := n.bundle(n.refs())
	step := 1
	if testing.Short() {
		step = 97
	}
	for i := 0; i < len(good); i += step {
		bad := slices.Clone(good)
		bad[i] ^= 1 << (i % 7)
		if _, err := journal.Verify(bad, n.trust()); err == nil {
			t.Fatalf("byte %d of %d changed from %q to %q, and it verifies", i, len(good), good[i], bad[i])
		}
	}
}

// TestTamperedJournal: a log that was cut, forged or rewritten is noticed by what a
// counterparty holds of it.
func TestTamperedJournal(t *testing.T) {
	n := newNotary(t)
	n.story()
	checkpoint := func(n *notary) []byte {
		t.Helper()
		c, err := n.log.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	early := n.bundle(n.refs()[:4])
	old := checkpoint(n)
	n.say(city, accord.Comment, accord.Body{Words: "one more"})
	newest := checkpoint(n)
	other := newNotary(t)
	other.story()
	for name, tc := range map[string]struct {
		bundle []byte
		trust  func(*journal.Trust)
		want   string
	}{
		"grown":                        {n.bundle(n.refs(), 6), func(x *journal.Trust) { x.Checkpoint = old }, ""},
		"cut":                          {early, func(x *journal.Trust) { x.Checkpoint = newest }, "append-only"},
		"a forged checkpoint":          {[]byte(strings.Replace(string(early), "city.example\\n6\\n", "city.example\\n7\\n", 1)), func(*journal.Trust) {}, "checkpoint"},
		"another key of the same name": {other.bundle(other.refs()), func(*journal.Trust) {}, "not established"},
		"rewritten":                    {other.bundle(other.refs()), func(x *journal.Trust) { x.Keys, x.Checkpoint = []string{other.vkey}, old }, "node key"},
	} {
		t.Run(name, func(t *testing.T) {
			x := n.trust()
			tc.trust(&x)
			_, err := journal.Verify(tc.bundle, x)
			if (tc.want == "") != (err == nil) || tc.want != "" && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// facts are the entries as a node would seal them that lies, or was lied to: whatever
// its journal says, what does not hold together is noticed.
func (n *notary) facts() (out []journal.Fact) {
	n.Helper()
	before := ""
	for i := range n.entries {
		e, m := n.entries[i], n.sent[i]
		e.Before = before
		content, err := accord.EntryContent(&e)
		if err != nil {
			n.Fatal(err)
		}
		before = hash(content)
		out = append(out, journal.Fact{Kind: hansa.FactAct, Act: accord.EntryAct, Doc: string(n.doc(&e, &m)), Content: content, Entry: int64(i)})
	}
	return out
}

// resend signs m anew in the place of entry i, as its sender would have.
func (n *notary) resend(i int, change func(*accord.Message)) {
	n.Helper()
	m := n.sent[i]
	change(&m)
	jws, err := trust.SignMessage(n.message[m.From], string(m.From), accord.MessageType, canonical(n, m))
	if err != nil {
		n.Fatal(err)
	}
	n.entries[i].Message, n.sent[i] = jws, m
}

func TestLyingJournal(t *testing.T) {
	revoked := func(n *notary, p hansa.PartyID, at time.Time) journal.Fact {
		doc, err := json.Marshal(trust.Key{KID: n.binding[p].KID(), Party: p, Use: trust.UseSignature, ValidFrom: signedAt, Revoked: at, Reason: "lost"})
		if err != nil {
			t.Fatal(err)
		}
		return journal.Fact{Kind: hansa.FactAct, Act: "key-revoked", Doc: string(doc)}
	}
	for _, tc := range []struct {
		name string
		lie  func(n *notary) []journal.Fact
		want string // in the first check that fails
	}{
		{"none", func(n *notary) []journal.Fact { return n.facts() }, ""},
		{"a key revoked later", func(n *notary) []journal.Fact { return append(n.facts(), revoked(n, navco, n.now.Add(time.Hour))) }, ""},
		{"a key revoked before", func(n *notary) []journal.Fact { return append(n.facts(), revoked(n, navco, signedAt)) }, "the key was revoked"},
		{"the first entry is missing", func(n *notary) []journal.Fact { return n.facts()[1:] }, "entry 1 is missing"},
		{"one in the middle is missing", func(n *notary) []journal.Fact { return slices.Delete(n.facts(), 2, 3) }, "entry 3 is missing"},
		{"one is there twice", func(n *notary) []journal.Fact { return append(n.facts(), n.facts()[0]) }, "entry 1 is there twice"},
		{"one follows another", func(n *notary) []journal.Fact {
			f := n.facts()
			n.resend(2, func(m *accord.Message) { m.At = m.At.Add(time.Second) })
			f[2] = n.facts()[2]
			return f
		}, "entry 4 does not follow entry 3"},
		{"the text is another than was signed", func(n *notary) []journal.Fact {
			n.resend(1, func(m *accord.Message) {
				m.Body.Text = []byte(strings.Replace(string(m.Body.Text), "counts", "prices", 1))
			})
			return n.facts()
		}, "is not in the bundle"},
		{"signatures are swapped", func(n *notary) []journal.Fact {
			a, b := n.sent[2].Body.Signature, n.sent[3].Body.Signature
			n.resend(2, func(m *accord.Message) { m.Body.Signature = b })
			n.resend(3, func(m *accord.Message) { m.Body.Signature = a })
			return n.facts()
		}, "is for another act than the message"},
		{"the JWS of signatures are swapped", func(n *notary) []journal.Fact {
			a, b := *n.sent[2].Body.Signature, *n.sent[3].Body.Signature
			a.JWS, b.JWS = b.JWS, a.JWS
			n.resend(2, func(m *accord.Message) { m.Body.Signature = &a })
			n.resend(3, func(m *accord.Message) { m.Body.Signature = &b })
			return n.facts()
		}, "names another key"},
		{"the last day is another", func(n *notary) []journal.Fact {
			n.resend(5, func(m *accord.Message) { m.Body.Notice = "2026-07-01" })
			return n.facts()
		}, "is for another act"},
		{"an agreement is made an end", func(n *notary) []journal.Fact {
			s := n.sent[3].Body.Signature
			n.resend(5, func(m *accord.Message) { m.Body.Signature = s })
			return n.facts()
		}, "is for another act"},
		{"a message is by another's key", func(n *notary) []journal.Fact {
			f := n.facts()
			n.message[navco], n.message[city] = n.message[city], n.message[navco]
			f[1] = n.facts()[1]
			return f
		}, "the signature of the message does not hold"},
		{"a key that is nobody's", func(n *notary) []journal.Fact {
			f := n.facts()
			f[3].Doc = strings.ReplaceAll(f[3].Doc, n.binding[navco].KID(), n.binding[city].KID())
			return f
		}, "was not found to be one of"},
		{"the document says another kind", func(n *notary) []journal.Fact {
			f := n.facts()
			f[0].Doc = strings.Replace(f[0].Doc, `"kind":"open"`, `"kind":"propose"`, 1)
			return f
		}, "says another thing"},
		{"an entry of another accord", func(n *notary) []journal.Fact {
			n.resend(4, func(m *accord.Message) { m.Accord = "0197f3a0-0000-7000-8000-000000000002" })
			return n.facts()
		}, "entry 5 is of the accord"},
		{"no content", func(n *notary) []journal.Fact {
			f := n.facts()
			f[0].Content = nil
			return f
		}, "another entry than its document names"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNotary(t)
			n.story()
			checks := accord.CheckFacts(tc.lie(n))
			last := checks[len(checks)-1]
			if last.OK != (tc.want == "") || tc.want != "" && !strings.Contains(last.Detail, tc.want) {
				t.Errorf("got %+v, want %q", last, tc.want)
			}
		})
	}
}
