package node

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gowebpki/jcs"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// mandate is what a signature of a test says.
var mandate = accord.Signature{Role: "head of mobility", Power: "mandate 12"}

// TestSignatureElsewhere: what a party of another node signs is checked by its DID
// document, and stays good when its key is replaced; what its key signs once it is
// revoked there counts for nothing.
func TestSignatureElsewhere(t *testing.T) {
	a, b := twoHouses(t)
	text := []byte(`{"format":1}`)
	sign := func() accord.Signature {
		t.Helper()
		s, err := b.signAccord(t.Context(), b.guest, text, mandate)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	check := func(h *house, s *accord.Signature) error {
		return h.checkSignature(t.Context(), text, s, h.wall())
	}
	first := sign()
	if first.Held != accord.HeldByNode || first.Host != string(b.own) || first.Party != b.guest {
		t.Errorf("signed as %+v", first)
	}
	for _, h := range []*house{a, b} {
		if err := check(h, &first); err != nil {
			t.Error(err)
		}
	}
	kid, err := first.KID()
	if err != nil {
		t.Fatal(err)
	}
	lie := first
	lie.Party = b.own
	if err := check(a, &lie); err == nil {
		t.Error("a signature of one party is taken for another's")
	}
	var key api.PartyKey
	if code := b.do("POST", "/api/v1/keys/"+kid+"/rotate", b.desk, api.KeyOrder{Now: true}, &key); code != http.StatusOK {
		t.Fatalf("rotate: %d", code)
	}
	second := sign()
	if again, err := second.KID(); err != nil || again != key.KID {
		t.Errorf("signed by %s, not the new key %s: %v", again, key.KID, err)
	}
	if err := check(a, &second); err != nil {
		t.Errorf("by a key that came since: %v", err)
	}
	if code := b.do("POST", "/api/v1/keys/"+kid+"/revoke", b.desk, api.KeyEnd{Reason: "a copy was lost"}, nil); code != http.StatusOK {
		t.Fatalf("revoke: %d", code)
	}
	if err := check(b, &first); err == nil {
		t.Error("a key that was revoked here signs")
	}
	took := a.wall()
	if err := a.Close(); err != nil { // a forgets the document that it held
		t.Fatal(err)
	}
	a.open()
	if err := check(a, &first); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("a key that its document lists no more signs: %v", err)
	}
	if err := a.checkSignature(t.Context(), text, &first, took.Add(-time.Second)); err != nil && !strings.Contains(err.Error(), "not valid yet") {
		t.Errorf("what it signed while it was listed: %v", err)
	}
	b.server.Close() // b is away
	if err := check(a, &second); err != nil {
		t.Errorf("a key that is known, of a node that is away: %v", err)
	}
}

// TestPartySignsItself: a node signs no more for a party that keeps its key, and takes
// what that key signed.
func TestPartySignsItself(t *testing.T) {
	a, b := twoHouses(t)
	text := []byte(`{"format":1}`)
	s, err := a.signAccord(t.Context(), a.guest, text, mandate)
	if err != nil {
		t.Fatal(err)
	}
	held, err := s.KID()
	if err != nil {
		t.Fatal(err)
	}
	own, err := trust.GenerateKey(trust.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := own.Public()
	if err != nil {
		t.Fatal(err)
	}
	var o api.NewKey
	if err := json.Unmarshal(jwk, &o.JWK); err != nil {
		t.Fatal(err)
	}
	var key api.PartyKey
	if code := a.do("POST", "/api/v1/keys", a.desk, o, &key); code != http.StatusCreated || key.KID != own.KID() || key.Held != accord.HeldByParty || key.Use != "signature" {
		t.Fatalf("add: %d %+v", code, key)
	}
	if code := a.do("POST", "/api/v1/keys/"+held+"/revoke", a.desk, api.KeyEnd{Reason: "we keep our own"}, nil); code != http.StatusOK {
		t.Fatalf("revoke: %d", code)
	}
	if _, err := a.signAccord(t.Context(), a.guest, text, mandate); !errors.Is(err, trust.ErrOwnKey) {
		t.Errorf("the node signs still: %v", err)
	}
	x := mandate
	x.Party, x.Held, x.At = a.guest, accord.HeldByParty, a.wall()
	if x, err = accord.SignBytes(own, text, x); err != nil {
		t.Fatal(err)
	}
	for _, h := range []*house{a, b} {
		if err := h.checkSignature(t.Context(), text, &x, h.wall()); err != nil {
			t.Error(err)
		}
	}
	if _, err := a.signAccord(t.Context(), b.guest, text, mandate); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("a party of another node is signed for: %v", err)
	}
}

// chain is one accord's copy in memory, of every party that asks.
type chain struct {
	entries []accord.Entry
	state   accord.State
	texts   map[string][]byte
}

func (c *chain) Entries(context.Context, hansa.PartyID, hansa.AccordID) ([]accord.Entry, error) {
	return c.entries, nil
}

func (c *chain) State(context.Context, hansa.PartyID, hansa.AccordID) (accord.State, error) {
	return c.state, nil
}

func (c *chain) Text(_ context.Context, _ hansa.PartyID, _ hansa.AccordID, hash string) ([]byte, error) {
	if b, ok := c.texts[hash]; ok {
		return b, nil
	}
	return nil, hansa.Errorf(hansa.NotFound, "there is no version %q", hash)
}

// take numbers what from says and journals it at own's node.
func (c *chain) take(h *house, own, from hansa.PartyID, kind accord.Kind, body accord.Body) {
	h.Helper()
	now := h.wall()
	m := accord.Message{FormatVersion: accord.MessageFormat, ID: hansa.NewID(now), From: from, To: own, Accord: "0197f3a0-0000-7000-8000-000000000001", Kind: kind, At: now.UTC(), Body: body}
	raw, err := json.Marshal(m)
	if err != nil {
		h.Fatal(err)
	}
	if raw, err = jcs.Transform(raw); err != nil {
		h.Fatal(err)
	}
	key, err := h.trust.SigningKey(h.Context(), from, trust.UseMessage)
	if err != nil {
		h.Fatal(err)
	}
	jwk, err := key.Public()
	if err != nil {
		h.Fatal(err)
	}
	e := accord.Entry{N: int64(len(c.entries)) + 1, At: now.UTC()}
	if e.Message, err = trust.SignMessage(key, string(from), accord.MessageType, raw); err != nil {
		h.Fatal(err)
	}
	if e.N > 1 {
		before, err := accord.EntryContent(&c.entries[e.N-2])
		if err != nil {
			h.Fatal(err)
		}
		e.Before = fmt.Sprintf("%x", sha256.Sum256(before))
	}
	if err := h.trust.Change(h.Context(), func(tx hansa.Tx) error { return h.journalEntry(tx, own, &e, &m, jwk) }); err != nil {
		h.Fatal(err)
	}
	c.entries = append(c.entries, e)
}

// TestProofOfAccord: the bundle that a node hands out of an accord between two of its
// parties is checked without it, and shows a key that was revoked before it signed.
func TestProofOfAccord(t *testing.T) {
	a, _ := twoHouses(t)
	text := []byte(`{"format":1,"title":{"en":"Closures"}}`)
	c := &chain{texts: map[string][]byte{}}
	a.copies = c
	by := hansa.Actor{Party: a.own, Rights: []hansa.Right{hansa.RightRead}}
	c.take(a, a.own, a.own, accord.Open, accord.Body{Text: text})
	for _, p := range []hansa.PartyID{a.own, a.guest} {
		s, err := a.signAccord(t.Context(), p, text, mandate)
		if err != nil {
			t.Fatal(err)
		}
		c.take(a, a.own, p, accord.Sign, accord.Body{Signature: &s})
		c.state.InForce = append(c.state.InForce, s)
	}
	known := journal.Trust{Keys: []string{a.journal.VerifierKey()}, Signature: trust.VerifyDetached, Further: accord.CheckFacts}
	verify := func() (journal.Report, error) {
		t.Helper()
		b, err := proofs{a.Node}.AccordProof(t.Context(), by, "x", nil)
		if err != nil {
			t.Fatal(err)
		}
		return journal.Verify(b, known)
	}
	r, err := verify()
	if err != nil {
		t.Fatalf("%v\n%+v", err, r.Checks)
	}
	said := fmt.Sprint(r.Checks)
	for _, want := range []string{"entries 1 to 3 in a chain", "2 signatures hold over 1 texts", string(a.own) + " on behalf of " + string(a.guest)} {
		if !strings.Contains(said, want) {
			t.Errorf("the report does not say %q: %s", want, said)
		}
	}
	if n := len(r.Facts); n < 5 {
		t.Errorf("%d facts: the keys are not shown", n)
	}
	t.Run("on paper", func(t *testing.T) {
		c.state.Force, c.state.Effect, c.state.State = c.state.InForce[0].Hash, a.wall(), hansa.AccordInForce
		c.texts[c.state.Force] = text
		x, err := prints{a.Node}.AccordPrint(t.Context(), by, "x", "")
		if err != nil || !x.InForce || x.Hash != c.state.Force || len(x.Signatures) != 2 || x.Text.Title["en"] != "Closures" {
			t.Errorf("got %+v, %v", x, err)
		}
		if _, err := (prints{a.Node}).AccordPrint(t.Context(), by, "x", "none"); hansa.KindOf(err) != hansa.NotFound {
			t.Errorf("a version that is not there: %v", err)
		}
	})
	t.Run("by a key that had been revoked", func(t *testing.T) {
		kid, err := c.state.InForce[1].KID()
		if err != nil {
			t.Fatal(err)
		}
		err = a.trust.Change(t.Context(), func(tx hansa.Tx) error {
			return a.trust.RevokeKey(tx, a.guest, kid, a.wall().Add(-time.Hour), "it had been lost")
		})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := verify(); err == nil || !strings.Contains(err.Error(), "was revoked") {
			t.Errorf("got %v\n%+v", err, r.Checks)
		}
	})
}
