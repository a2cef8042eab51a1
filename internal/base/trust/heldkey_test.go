package trust_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

func (w *world) kid(use trust.KeyUse) string {
	w.Helper()
	k, err := w.r.SigningKey(w.Context(), alice, use)
	if err != nil {
		w.Fatal(err)
	}
	return k.KID()
}

func TestKeysAreMadeOnceAndSealed(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	kids := make([]string, 8)
	for i := range kids {
		wg.Go(func() {
			if k, err := w.r.SigningKey(t.Context(), alice, trust.UseMessage); err == nil {
				kids[i] = k.KID()
			}
		})
	}
	wg.Wait()
	if slices.Sort(kids); kids[0] == "" || len(slices.Compact(kids)) != 1 {
		t.Fatalf("eight at once made the keys %v", kids)
	}
	if w.kid(trust.UseSignature) == kids[0] {
		t.Error("what binds is signed by the message key")
	}
	var sealed []byte
	w.change(func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT sealed FROM trust_private_keys WHERE kid = ?`, kids[0]).Scan(&sealed)
	})
	if bytes.Contains(sealed, []byte(`"d"`)) || len(sealed) < 100 {
		t.Errorf("the private half is kept as %q", sealed)
	}
	// A copy that is restored under another node key opens nothing, and goes on.
	again, err := trust.New(w.db, trust.Config{Journal: &w.acts, Vault: nodeKey(t), Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	if k, err := again.SigningKey(t.Context(), alice, trust.UseMessage); err != nil || k.KID() == kids[0] {
		t.Errorf("under another node key: %v, %v", k, err)
	}
	// A half that was exchanged for another's is not used.
	w.r.Forget()
	w.change(func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE trust_private_keys SET sealed = (SELECT sealed FROM trust_private_keys WHERE kid <> ? LIMIT 1) WHERE kid = ?`, kids[0], kids[0])
		return err
	})
	if w.kid(trust.UseMessage) == kids[0] {
		t.Error("a private half that is not its own is used")
	}
	w.change(func(tx hansa.Tx) error {
		_, err := w.r.AddParty(tx, hansa.Party{ID: "did:web:far.example", Name: "far", Title: "far", Kind: hansa.Company})
		return err
	})
	if _, err := w.r.SigningKey(t.Context(), "did:web:far.example", trust.UseMessage); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("a party that lives elsewhere is signed for: %v", err)
	}
}

func TestRotationIsSignedByTheOldKey(t *testing.T) {
	w := newWorld(t)
	old := w.kid(trust.UseMessage)
	var fresh trust.Key
	w.change(func(tx hansa.Tx) (err error) {
		fresh, err = w.r.RotateKey(tx, alice, old, trust.EdDSA, trust.KeyLead, trust.KeyOverlap)
		return err
	})
	listed := func() []string {
		d, err := w.r.Document(t.Context(), alice, string(alice), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(d.Authentication, d.CapabilityInvocation) || len(d.AssertionMethod) != 1 || len(d.Methods) != len(d.Authentication)+1 {
			t.Errorf("the document is %+v", d)
		}
		return d.Authentication
	}
	both := []string{string(alice) + "#" + old, string(alice) + "#" + fresh.KID}
	if got := listed(); !slices.Equal(got, both) || w.kid(trust.UseMessage) != old {
		t.Errorf("before its time: %v, signs %s", got, w.kid(trust.UseMessage))
	}
	w.now = w.now.Add(trust.KeyLead)
	if got := listed(); !slices.Equal(got, both) || w.kid(trust.UseMessage) != fresh.KID {
		t.Errorf("from its time: %v, signs %s", got, w.kid(trust.UseMessage))
	}
	w.now = w.now.Add(trust.KeyOverlap)
	if got := listed(); !slices.Equal(got, both[1:]) {
		t.Errorf("after the overlap: %v", got)
	}
	keys, err := w.r.Keys(t.Context(), alice)
	if err != nil || len(keys) != 3 {
		t.Fatalf("old public keys are kept: %d, %v", len(keys), err)
	}
	for i := range keys {
		k := &keys[i]
		if k.KID != fresh.KID {
			continue
		}
		jwk, err := w.r.PublicKey(t.Context(), alice, k.Replaces)
		if err != nil || k.Replaces != old {
			t.Fatalf("it replaces %q, %v", k.Replaces, err)
		}
		if kid, err := trust.VerifyDetached(jwk, k.Statement(), k.Endorsed); err != nil || kid != old {
			t.Errorf("the old key's word: %q, %v over %s", kid, err, k.Statement())
		}
		k.ValidFrom = k.ValidFrom.Add(time.Second)
		if _, err := trust.VerifyDetached(jwk, k.Statement(), k.Endorsed); err == nil {
			t.Error("the old key's word holds for another key")
		}
	}
	for name, f := range map[string]func(hansa.Tx) error{
		"replaced already": func(tx hansa.Tx) error { _, err := w.r.RotateKey(tx, alice, old, trust.ES256, 0, 0); return err },
		"unknown":          func(tx hansa.Tx) error { _, err := w.r.RotateKey(tx, alice, "x", trust.ES256, 0, 0); return err },
		"another party's":  func(tx hansa.Tx) error { _, err := w.r.RotateKey(tx, bob, fresh.KID, trust.ES256, 0, 0); return err },
		"no algorithm":     func(tx hansa.Tx) error { _, err := w.r.RotateKey(tx, alice, fresh.KID, "HS256", 0, 0); return err },
		"a long overlap": func(tx hansa.Tx) error {
			_, err := w.r.RotateKey(tx, alice, fresh.KID, trust.ES256, 0, 1e6*time.Hour)
			return err
		},
	} {
		if err := w.r.Change(t.Context(), f); err == nil || hansa.KindOf(err) == hansa.Internal {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !strings.Contains(strings.Join(w.acts, ","), "key-registered "+string(alice)+",key-replaced "+string(alice)) {
		t.Errorf("the journal heard %v", w.acts)
	}
}

func TestRevokedKeySignsNothing(t *testing.T) {
	x := newExchange(t)
	x.peer(trust.Peer{Owner: bob, ID: alice, Name: "alice", Title: "Alice", Mode: trust.PeerDIDWeb})
	h := http.Header{}
	if err := x.id.Present(t.Context(), alice, bob, h); err != nil {
		t.Fatal(err)
	}
	kid := x.kid(trust.UseMessage)
	x.change(func(tx hansa.Tx) error { return x.r.RevokeKey(tx, alice, kid, x.now, "lost") })
	if _, err := x.id.Caller(t.Context(), &http.Request{Header: h}, bob); !unknown(err) {
		t.Errorf("a token by a key that was revoked before anybody saw it: %v", err)
	}
	if x.kid(trust.UseMessage) == kid {
		t.Error("a revoked key goes on signing")
	}
	x.change(func(tx hansa.Tx) error {
		var n int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM trust_private_keys WHERE kid = ?`, kid).Scan(&n); err != nil || n != 0 {
			t.Errorf("its private half is kept: %d, %v", n, err)
		}
		return nil
	})
	x.now = x.now.Add(6 * time.Minute)
	if err := x.id.Present(t.Context(), alice, bob, h); err != nil {
		t.Fatal(err)
	}
	if _, err := x.id.Caller(t.Context(), &http.Request{Header: h}, bob); err != nil {
		t.Errorf("the key after it: %v\n%s", err, x.log.String())
	}
}

// TestRotationUnderLoad: while keys are replaced, published and used at once, not
// one message is refused.
func TestRotationUnderLoad(t *testing.T) {
	x := newExchange(t)
	x.peer(trust.Peer{Owner: bob, ID: alice, Name: "alice", Title: "Alice", Mode: trust.PeerDIDWeb})
	kid, sent := x.kid(trust.UseMessage), 0
	for round := range 12 {
		alg := []trust.Alg{trust.ES256, trust.EdDSA}[round%2]
		var wg sync.WaitGroup
		errs := make(chan error, 40)
		for range cap(errs) / 5 {
			wg.Go(func() {
				for range 5 {
					h := http.Header{}
					err := x.id.Present(t.Context(), alice, bob, h)
					if err == nil {
						_, err = x.id.Caller(t.Context(), &http.Request{Header: h}, bob)
					}
					errs <- err
				}
			})
		}
		x.change(func(tx hansa.Tx) error {
			k, err := x.r.RotateKey(tx, alice, kid, alg, 0, time.Hour)
			kid = k.KID
			return err
		})
		wg.Wait()
		close(errs)
		for err := range errs {
			if sent++; err != nil {
				t.Fatalf("round %d: %v\n%s", round, err, x.log.String())
			}
		}
		x.now = x.now.Add(time.Duration(round) * 300 * time.Millisecond)
	}
	if sent != 480 {
		t.Errorf("%d messages", sent)
	}
}
