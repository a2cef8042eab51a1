package trust_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

const foreign hansa.PartyID = "TCK_PARTICIPANT"

// call is a request with a token, as it comes in.
func call(token string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": {"Bearer " + token}}}
}

func unknown(err error) bool {
	return err != nil && hansa.Public(err).Code == hansa.CodeUnauthenticated
}

func (w *world) peer(p trust.Peer) trust.Peer {
	w.Helper()
	w.change(func(tx hansa.Tx) (err error) { p, err = w.r.AddPeer(tx, p); return err })
	return p
}

func TestTokensBothWays(t *testing.T) {
	w := newWorld(t)
	ctx, id := context.Background(), trust.Tokens{Registry: w.r}
	w.peer(trust.Peer{Owner: alice, ID: foreign, Name: "kit", Title: "The kit", Address: "http://127.0.0.1:9/dsp", Mode: trust.PeerToken, Secret: trust.NewSecret("what-the-kit-knows")})
	var in trust.Secret
	w.change(func(tx hansa.Tx) (err error) {
		in, err = w.r.IssuePeerToken(tx, alice, foreign, trust.Secret{})
		return err
	})

	if who, err := id.Caller(ctx, call(in.Reveal()), alice); err != nil || who != foreign {
		t.Fatalf("the kit's token says %q, %v", who, err)
	}
	if who, err := id.Caller(ctx, call(in.Reveal()), bob); !unknown(err) {
		t.Errorf("a token that one party gave out is good before another: %q, %v", who, err)
	}
	h := http.Header{}
	if err := id.Present(ctx, alice, foreign, h); err != nil || h.Get("Authorization") != "Bearer what-the-kit-knows" {
		t.Errorf("what is shown to the kit: %v, %v", h, err)
	}
	if err := id.Present(ctx, bob, foreign, http.Header{}); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("another party shows the alice's secret: %v", err)
	}
	if a, err := w.r.Authenticate(ctx, call(in.Reveal())); err != nil || a.May(hansa.RightRead) {
		t.Errorf("the token opens the rest as %v, %v", a, err)
	}

	before := w.db.reads
	for range 100 {
		if _, err := id.Caller(ctx, call(in.Reveal()), alice); err != nil {
			t.Fatal(err)
		}
		if _, err := w.r.PeerByID(ctx, alice, foreign); err != nil {
			t.Fatal(err)
		}
	}
	if w.db.reads != before {
		t.Errorf("%d messages read the tables %d times", 100, w.db.reads-before)
	}

	w.change(func(tx hansa.Tx) error { return w.r.RemovePeer(tx, alice, foreign) })
	if _, err := id.Caller(ctx, call(in.Reveal()), alice); !unknown(err) {
		t.Errorf("the token of a removed peer: %v", err)
	}
	if got := strings.Join(w.acts, ","); !strings.Contains(got, "peer-added "+string(alice)) || !strings.Contains(got, "peer-removed "+string(alice)) || !strings.Contains(got, "credential-revoked "+string(foreign)) {
		t.Errorf("the journal heard %s", got)
	}
}

func TestPeerTokenIsReplacedWithOverlap(t *testing.T) {
	w := newWorld(t)
	ctx, id := context.Background(), trust.Tokens{Registry: w.r}
	w.peer(trust.Peer{Owner: alice, ID: foreign, Name: "kit", Title: "The kit", Mode: trust.PeerToken})
	issue := func() (s trust.Secret) {
		w.change(func(tx hansa.Tx) (err error) {
			s, err = w.r.IssuePeerToken(tx, alice, foreign, trust.Secret{})
			return err
		})
		return s
	}
	old, fresh := issue(), issue()
	for what, s := range map[string]trust.Secret{"old": old, "fresh": fresh} {
		if _, err := id.Caller(ctx, call(s.Reveal()), alice); err != nil {
			t.Errorf("the %s token during the overlap: %v", what, err)
		}
	}
	w.now = w.now.Add(time.Hour)
	if _, err := id.Caller(ctx, call(old.Reveal()), alice); !unknown(err) {
		t.Errorf("the old token after the overlap: %v", err)
	}
	if _, err := id.Caller(ctx, call(fresh.Reveal()), alice); err != nil {
		t.Errorf("the fresh token after the overlap: %v", err)
	}
	if err := id.Present(ctx, alice, foreign, http.Header{}); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("a peer without a secret is shown something: %v", err)
	}
}

func TestPeersAreKept(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	p := w.peer(trust.Peer{Owner: alice, ID: foreign, Name: "bob", Title: "A namesake", Mode: trust.PeerToken, Secret: trust.NewSecret("first-secret")})
	made, err := w.r.Party(ctx, foreign)
	if err != nil || made.Hosted || made.Name == "bob" {
		t.Errorf("the peer's party is %+v, %v; its name must not be the other's", made, err)
	}
	p.Secret, p.Title = trust.Secret{}, "Another title"
	w.change(func(tx hansa.Tx) (err error) { p, err = w.r.ChangePeer(tx, p); return err })
	if got, err := w.r.PeerByID(ctx, alice, foreign); err != nil || got.Title != "Another title" || got.Secret.Reveal() != "first-secret" {
		t.Errorf("after a change: %+v (%d bytes of secret), %v", got, len(got.Secret.Reveal()), err)
	}
	for name, bad := range map[string]trust.Peer{
		"itself":        {Owner: alice, ID: alice, Name: "x", Title: "x", Mode: trust.PeerToken},
		"public":        {Owner: alice, ID: hansa.PublicParty, Name: "x", Title: "x", Mode: trust.PeerToken},
		"no mode":       {Owner: alice, ID: "x", Name: "x", Title: "x"},
		"did, a secret": {Owner: alice, ID: "did:web:x.example", Name: "x", Title: "x", Mode: trust.PeerDIDWeb, Secret: trust.NewSecret("some-secret")},
		"no did":        {Owner: alice, ID: "x", Name: "x", Title: "x", Mode: trust.PeerDIDWeb},
		"no address":    {Owner: alice, ID: "x", Name: "x", Title: "x", Mode: trust.PeerToken, Address: "ftp://x"},
		"a user":        {Owner: alice, ID: "x", Name: "x", Title: "x", Mode: trust.PeerToken, Address: "https://u:p@x"},
		"twice":         {Owner: alice, ID: foreign, Name: "x", Title: "x", Mode: trust.PeerToken},
		"same name":     {Owner: alice, ID: "y", Name: "bob", Title: "x", Mode: trust.PeerToken},
		"short secret":  {Owner: alice, ID: "x", Name: "x", Title: "x", Mode: trust.PeerToken, Secret: trust.NewSecret("short")},
		"split secret":  {Owner: alice, ID: "x", Name: "x", Title: "x", Mode: trust.PeerToken, Secret: trust.NewSecret("two\r\nlines-of-it")},
		"no owner":      {Owner: "did:web:nobody.example", ID: "x", Name: "x", Title: "x", Mode: trust.PeerToken},
	} {
		if err := w.r.Change(ctx, func(tx hansa.Tx) error { _, err := w.r.AddPeer(tx, bad); return err }); hansa.Public(err) == nil || hansa.KindOf(err) == hansa.Internal {
			t.Errorf("%s: %v", name, err)
		}
	}
	// At rest the secret is not to be read, and a row that was changed is not used.
	var secret, doc []byte
	w.change(func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT secret, doc FROM trust_peers`).Scan(&secret, &doc)
	})
	if bytes.Contains(secret, []byte("first")) || bytes.Contains(doc, []byte("first")) {
		t.Error("the secret stands in the table as it is")
	}
	w.change(func(tx hansa.Tx) error { _, err := tx.Exec(`UPDATE trust_peers SET secret = doc`); return err })
	if _, err := w.r.PeerByID(ctx, alice, foreign); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("a damaged row is used: %v", err)
	}
}
