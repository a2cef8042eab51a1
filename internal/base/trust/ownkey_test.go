package trust_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

func freshKey(t testing.TB) (key *trust.PrivateKey, jwk string) {
	t.Helper()
	key, err := trust.GenerateKey(trust.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	b, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	return key, string(b)
}

func (w *world) try(f func(hansa.Tx) error) error { return w.r.Change(w.Context(), f) }

func (w *world) add(k trust.Key) (out trust.Key, err error) {
	err = w.try(func(tx hansa.Tx) (err error) {
		out, err = w.r.AddKey(tx, k)
		return err
	})
	return out, err
}

// TestOwnSignatureKey: a party that keeps its signature key itself is signed for by
// nobody, its public key alone is known here, and stands in its DID document.
func TestOwnSignatureKey(t *testing.T) {
	w := newWorld(t)
	key, jwk := freshKey(t)
	k, err := w.add(trust.Key{Party: alice, JWK: jwk})
	if err != nil || k.KID != key.KID() || k.Use != trust.UseSignature {
		t.Fatalf("got %+v, %v", k, err)
	}
	if _, err := w.r.SigningKey(t.Context(), alice, trust.UseSignature); !errors.Is(err, trust.ErrOwnKey) {
		t.Errorf("the node signs for it: %v", err)
	}
	if held, err := w.r.Holds(t.Context(), alice, k.KID); err != nil || held {
		t.Errorf("held here: %v, %v", held, err)
	}
	d, err := w.r.Document(t.Context(), alice, string(alice), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{string(alice) + "#" + k.KID}; !slices.Equal(d.AssertionMethod, want) || slices.Contains(d.Authentication, want[0]) {
		t.Errorf("assertionMethod %v, authentication %v", d.AssertionMethod, d.Authentication)
	}
	if _, err := w.add(trust.Key{Party: bob, JWK: jwk}); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("another party registers the same: %v", err)
	}
	private, err := key.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.add(trust.Key{Party: bob, JWK: string(private)}); hansa.KindOf(err) != hansa.Invalid {
		t.Errorf("a private key is taken: %v", err)
	}
	w.change(func(tx hansa.Tx) error { return w.r.RevokeKey(tx, alice, k.KID, w.now, "a copy was lost") })
	if w.kid(trust.UseSignature) == k.KID {
		t.Error("a key that is revoked signs")
	}
}

// TestOwnKeyReplaced: the old key signs for the new one, and for nothing else than it.
func TestOwnKeyReplaced(t *testing.T) {
	w := newWorld(t)
	old, jwk := freshKey(t)
	if _, err := w.add(trust.Key{Party: alice, JWK: jwk}); err != nil {
		t.Fatal(err)
	}
	key, jwk := freshKey(t)
	from := w.now.Add(time.Hour)
	next := trust.Key{Party: alice, KID: key.KID(), JWK: jwk, Use: trust.UseSignature, ValidFrom: from, Replaces: old.KID()}
	var err error
	if next.Endorsed, err = trust.Endorse(old, &next); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*trust.Key){
		"no endorsement":           func(k *trust.Key) { k.Endorsed = "" },
		"another time":             func(k *trust.Key) { k.ValidFrom = from.Add(time.Minute) },
		"another key":              func(k *trust.Key) { _, k.JWK = freshKey(t) },
		"another old one":          func(k *trust.Key) { k.Replaces = "x" },
		"for another party":        func(k *trust.Key) { k.Party = bob },
		"by the new key itself":    func(k *trust.Key) { k.Endorsed, _ = trust.Endorse(key, k) },
		"of a year ago":            func(k *trust.Key) { k.ValidFrom = w.now.AddDate(-1, 0, 0) },
		"of a year from now":       func(k *trust.Key) { k.ValidFrom = w.now.AddDate(1, 0, 0) },
		"endorsed, replacing none": func(k *trust.Key) { k.Replaces = "" },
	} {
		other := next
		change(&other)
		if _, err := w.add(other); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	if _, err := w.add(next); err != nil {
		t.Fatal(err)
	}
	keys, err := w.r.Keys(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.KID == old.KID() && !k.ValidTo.Equal(from.Add(trust.KeyOverlap)) {
			t.Errorf("the old key ends at %v", k.ValidTo)
		}
	}
	_, jwk = freshKey(t)
	again := trust.Key{Party: alice, JWK: jwk, ValidFrom: from, Replaces: old.KID(), Endorsed: next.Endorsed}
	if _, err := w.add(again); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("a key is replaced twice: %v", err)
	}
}

// TestLearnedKey: a key that was seen in a document elsewhere is kept for ever, with
// until when it stood there.
func TestLearnedKey(t *testing.T) {
	w := newWorld(t)
	const far hansa.PartyID = "did:web:far.example%3A8443:parties:n.c-o"
	key, jwk := freshKey(t)
	for range 2 {
		w.change(func(tx hansa.Tx) error { return w.r.LearnKey(tx, far, []byte(jwk), w.now) })
	}
	gone := w.now.Add(time.Hour)
	w.change(func(tx hansa.Tx) error { return w.r.EndLearned(tx, far, key.KID(), gone) })
	w.change(func(tx hansa.Tx) error { return w.r.EndLearned(tx, far, key.KID(), gone.Add(time.Hour)) })
	keys, err := w.r.Keys(t.Context(), far)
	if err != nil || len(keys) != 1 || keys[0].Use != trust.UseSignature || !keys[0].ValidFrom.Equal(w.now) || !keys[0].ValidTo.Equal(gone) {
		t.Errorf("got %+v, %v", keys, err)
	}
	if p, err := w.r.Party(t.Context(), far); err != nil || p.Hosted {
		t.Errorf("its party: %+v, %v", p, err)
	}
	if err := w.try(func(tx hansa.Tx) error { return w.r.LearnKey(tx, "did:web:else.example", []byte(jwk), w.now) }); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("a key of two parties: %v", err)
	}
}

// TestSignatureKeyElsewhere: what binds a party is signed by a key under
// assertionMethod alone; messages are by one under authentication alone.
func TestSignatureKeyElsewhere(t *testing.T) {
	x := newExchange(t)
	resolver, err := trust.NewResolver(trust.ResolverConfig{Fetch: x.web.fetch, Now: func() time.Time { return x.now }, Wait: func(_ context.Context, d time.Duration) { x.now = x.now.Add(d) }})
	if err != nil {
		t.Fatal(err)
	}
	key, jwk := freshKey(t)
	page := func(list string) func() ([]byte, error) {
		return func() ([]byte, error) {
			return json.Marshal(map[string]any{
				"id": dave, list: []string{"#sign-2026"},
				"verificationMethod": []any{map[string]any{"id": "#sign-2026", "type": "JsonWebKey2020", "controller": dave, "publicKeyJwk": json.RawMessage(jwk)}},
			})
		}
	}
	ask := func() error {
		got, err := resolver.SignatureKey(t.Context(), string(dave), key.KID(), x.now, true)
		if err == nil && !strings.Contains(string(got), key.KID()) {
			t.Errorf("got %s", got)
		}
		return err
	}
	x.web.put(davesPage, page("authentication"))
	if err := ask(); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("a key for messages signs accords: %v", err)
	}
	x.now = x.now.Add(2 * time.Second)
	x.web.put(davesPage, page("assertionMethod"))
	if err := ask(); err != nil {
		t.Errorf("published just now: %v", err)
	}
	x.now = x.now.Add(time.Hour)
	x.web.put(davesPage, nil)
	if err := ask(); err == nil || hansa.KindOf(err) == hansa.NotFound {
		t.Errorf("a document that is away: %v", err)
	}
}
