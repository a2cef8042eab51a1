package trust_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

func TestParties(t *testing.T) {
	w := newWorld(t)
	a, err := w.r.Party(t.Context(), alice)
	if err != nil || a.Name != "alice" || len(a.OpaqueID) != 36 || !a.Since.Equal(w.now) {
		t.Errorf("got %+v, %v", a, err)
	}
	if b, err := w.r.PartyByName(t.Context(), "bob"); err != nil || b.ID != bob || b.OpaqueID == a.OpaqueID {
		t.Errorf("got %+v, %v", b, err)
	}
	if all, err := w.r.Parties(t.Context()); err != nil || len(all) != 2 || all[0].ID != alice {
		t.Errorf("got %+v, %v", all, err)
	}
	if _, err := w.r.Party(t.Context(), "did:web:nobody"); err == nil || hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("got %v, want NotFound", err)
	}
	for name, p := range map[string]hansa.Party{
		"the same id":   {ID: alice, Name: "other", Title: "x", Kind: hansa.City},
		"the same name": {ID: "did:web:x", Name: "alice", Title: "x", Kind: hansa.City},
	} {
		err := w.r.Change(t.Context(), func(tx hansa.Tx) error {
			_, err := w.r.AddParty(tx, p)
			return err
		})
		if err == nil || hansa.KindOf(err) != hansa.Conflict {
			t.Errorf("%s: got %v, want Conflict", name, err)
		}
	}
}

// TestThumbprint holds key ids to the example of RFC 8037, appendix A.3.
func TestThumbprint(t *testing.T) {
	w := newWorld(t)
	w.register(alice, []byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	const want = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
	keys, err := w.r.Keys(t.Context(), alice)
	if err != nil || len(keys) != 1 || keys[0].KID != want {
		t.Errorf("got %+v, %v; want key id %s", keys, err, want)
	}
	if jwk, err := w.r.PublicKey(t.Context(), alice, want); err != nil || !strings.Contains(string(jwk), want) {
		t.Errorf("got %s, %v", jwk, err)
	}
	if _, err := w.r.PublicKey(t.Context(), bob, want); err == nil || hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("got %v, want another party's key to be NotFound", err)
	}
}

// TestRevokedUnderLoad has readers load what is known at every moment while
// credentials are revoked: what the revoking call has returned for stays refused.
func TestRevokedUnderLoad(t *testing.T) {
	w := newWorld(t)
	_, steady := w.credential(trust.CredentialSpec{Name: "steady", Kind: trust.Bearer})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := w.as("Authorization", "Bearer "+steady); err != nil {
					t.Error(err)
					return
				}
				w.r.Forget()
			}
		})
	}
	for range 50 {
		c, s := w.credential(trust.CredentialSpec{Name: "short", Kind: trust.Bearer})
		if _, err := w.as("Authorization", "Bearer "+s); err != nil {
			t.Fatal(err)
		}
		w.change(func(tx hansa.Tx) error { return w.r.Revoke(tx, alice, c.ID) })
		w.refused("revoked", "Authorization", "Bearer "+s)
	}
	close(stop)
	wg.Wait()
}
