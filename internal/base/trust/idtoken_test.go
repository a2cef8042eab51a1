package trust_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

const (
	carol hansa.PartyID = "did:web:carol.example%3A8443:parties:c"
	dave  hansa.PartyID = "did:web:dave.example"
)

// web is what DID documents are fetched from.
type web struct {
	mu    sync.Mutex
	pages map[string]func() ([]byte, error)
	calls []string
	gate  chan struct{} // fetches wait for it
}

func (w *web) fetch(_ context.Context, url string) ([]byte, error) {
	w.mu.Lock()
	w.calls = append(w.calls, url)
	page, gate := w.pages[url], w.gate
	w.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if page == nil {
		return nil, hansa.Errorf(hansa.NotFound, "there is nothing at %s", url)
	}
	return page()
}

func (w *web) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

func (w *web) put(url string, page func() ([]byte, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[url] = page
}

// foreigner is a participant elsewhere with one key.
type foreigner struct {
	did  string
	kid  string
	key  *ecdsa.PrivateKey
	list string // where its key stands in its document
}

func newForeigner(t testing.TB, did hansa.PartyID) *foreigner {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &foreigner{did: string(did), kid: string(did) + "#key-1", key: key, list: "authentication"}
}

func (f *foreigner) document() ([]byte, error) {
	return json.Marshal(map[string]any{
		"@context": []string{"https://www.w3.org/ns/did/v1"}, "id": f.did,
		"verificationMethod": []any{map[string]any{"id": f.kid, "type": "JsonWebKey2020", "controller": f.did, "publicKeyJwk": jose.JSONWebKey{Key: f.key.Public(), KeyID: "called-otherwise"}}},
		f.list:               []string{f.kid},
	})
}

// exchange is a world whose parties take ID tokens.
type exchange struct {
	*world
	web   *web
	id    *trust.IDTokens
	waits atomic.Int64
	log   strings.Builder
	carol *foreigner
	dave  *foreigner
}

func newExchange(t testing.TB) *exchange {
	t.Helper()
	x := &exchange{world: newWorld(t), web: &web{pages: map[string]func() ([]byte, error){}}}
	x.carol, x.dave = newForeigner(t, carol), newForeigner(t, dave)
	x.web.put("https://carol.example:8443/parties/c/did.json", x.carol.document)
	x.web.put("https://dave.example/.well-known/did.json", x.dave.document)
	for _, own := range []hansa.PartyID{alice, bob} {
		x.web.put("https://"+strings.TrimPrefix(string(own), "did:web:")+"/.well-known/did.json", func() ([]byte, error) {
			d, err := x.r.Document(context.Background(), own, string(own), nil, nil)
			if err != nil {
				return nil, err
			}
			return json.Marshal(d)
		})
	}
	for i, id := range []hansa.PartyID{carol, dave} {
		x.peer(trust.Peer{Owner: alice, ID: id, Name: fmt.Sprintf("peer%d", i), Title: "A peer", Mode: trust.PeerDIDWeb})
	}
	x.id = x.begin(time.Time{})
	return x
}

// begin is a process that begins to take tokens.
func (x *exchange) begin(began time.Time) *trust.IDTokens {
	x.Helper()
	now := func() time.Time { return x.now }
	res, err := trust.NewResolver(trust.ResolverConfig{Fetch: x.web.fetch, Now: now, Wait: func(context.Context, time.Duration) { x.waits.Add(1) }})
	if err != nil {
		x.Fatal(err)
	}
	id, err := trust.NewIDTokens(trust.IDTokensConfig{Registry: x.r, Resolver: res, DID: func(p hansa.PartyID) string { return string(p) }, Now: now, Began: began, Log: slog.New(slog.NewTextHandler(&x.log, nil))})
	if err != nil {
		x.Fatal(err)
	}
	return id
}

func (x *exchange) claims(f *foreigner) map[string]any {
	return map[string]any{"iss": f.did, "sub": f.did, "aud": string(alice), "jti": hansa.NewID(x.now), "iat": x.now.Unix(), "exp": x.now.Add(5 * time.Minute).Unix()}
}

// token is what f signs over claims; the header is changed before.
func (x *exchange) token(f *foreigner, claims, header map[string]any) string {
	x.Helper()
	h := map[string]any{"alg": "ES256", "kid": f.kid, "typ": "JWT"}
	maps.Copy(h, header)
	signing := part(h) + "." + part(claims)
	sum := sha256.Sum256([]byte(signing))
	r, s, err := ecdsa.Sign(rand.Reader, f.key, sum[:])
	if err != nil {
		x.Fatal(err)
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return signing + "." + base64.RawURLEncoding.EncodeToString(sig[:])
}

func part(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func with(m map[string]any, kv ...any) map[string]any {
	m = maps.Clone(m)
	for i := 0; i < len(kv); i += 2 {
		if m[kv[i].(string)] = kv[i+1]; kv[i+1] == nil {
			delete(m, kv[i].(string))
		}
	}
	return m
}

func TestIDTokenIsTaken(t *testing.T) {
	x := newExchange(t)
	for _, list := range []string{"authentication", "capabilityInvocation"} {
		x.carol.list = list
		x.now = x.now.Add(6 * time.Minute)
		for _, header := range []map[string]any{{}, {"typ": "jwt"}, {"kid": "#key-1"}} {
			if who, err := x.id.Caller(x.Context(), call(x.token(x.carol, x.claims(x.carol), header)), alice); err != nil || who != carol {
				t.Errorf("a token by a key under %s, header %v: %q, %v\n%s", list, header, who, err, x.log.String())
			}
		}
	}
	if n := x.web.count(); n != 2 {
		t.Errorf("six tokens over two ages of the document: %d fetches, want 2", n)
	}
	// What a connector of another make adds is nobody's business.
	c := with(x.claims(x.carol), "aud", []string{string(alice)}, "token", "opaque", "nbf", x.now.Unix(), "client_id", "x")
	if _, err := x.id.Caller(x.Context(), call(x.token(x.carol, c, nil)), alice); err != nil {
		t.Errorf("a token with more claims: %v", err)
	}
}

func TestIDTokenBetweenOwnParties(t *testing.T) {
	x := newExchange(t)
	x.peer(trust.Peer{Owner: alice, ID: bob, Name: "bob", Title: "Bob", Mode: trust.PeerDIDWeb})
	seen := map[string]bool{}
	for i, alg := range []trust.Alg{trust.ES256, trust.EdDSA} {
		if i > 0 {
			k, err := x.r.SigningKey(x.Context(), alice, trust.UseMessage)
			if err != nil {
				t.Fatal(err)
			}
			x.change(func(tx hansa.Tx) error { _, err := x.r.RotateKey(tx, alice, k.KID(), alg, 0, time.Hour); return err })
			x.now = x.now.Add(time.Minute)
		}
		h := http.Header{}
		if err := (trust.Identities{Tokens: trust.Tokens{Registry: x.r}, IDTokens: x.id}).Present(x.Context(), alice, bob, h); err != nil {
			t.Fatal(err)
		}
		if seen[h.Get("Authorization")] {
			t.Error("two messages carry the same token")
		}
		seen[h.Get("Authorization")] = true
		who, err := (trust.Identities{Tokens: trust.Tokens{Registry: x.r}, IDTokens: x.id}).Caller(x.Context(), &http.Request{Header: h}, bob)
		if err != nil || who != alice {
			t.Errorf("%s: alice's token says %q at bob's, %v\n%s", alg, who, err, x.log.String())
		}
		if _, err := x.id.Caller(x.Context(), &http.Request{Header: h}, bob); !unknown(err) {
			t.Errorf("%s: used twice: %v", alg, err)
		}
	}
}

// TestForgedTokens: whatever is not right is denied in the same words, and the log
// says why.
func TestForgedTokens(t *testing.T) {
	x := newExchange(t)
	good := x.token(x.carol, x.claims(x.carol), nil)
	if _, err := x.id.Caller(x.Context(), call(good), alice); err != nil {
		t.Fatalf("the control is refused: %v\n%s", err, x.log.String())
	}
	point, err := x.carol.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x.carol.document()
	if err != nil {
		t.Fatal(err)
	}
	hs := func(secret []byte) string {
		signing := part(map[string]any{"alg": "HS256", "kid": x.carol.kid}) + "." + part(x.claims(x.carol))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(signing))
		return signing + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	c := func(kv ...any) string { return x.token(x.carol, with(x.claims(x.carol), kv...), nil) }
	h := func(kv ...any) string { return x.token(x.carol, x.claims(x.carol), with(map[string]any{}, kv...)) }
	at := func(d time.Duration) int64 { return x.now.Add(d).Unix() }
	thief := &foreigner{did: x.carol.did, kid: x.carol.kid, key: x.dave.key}
	fresh := func() string { return x.token(x.carol, x.claims(x.carol), nil) }
	jwk := jose.JSONWebKey{Key: x.dave.key.Public()}
	parts := strings.Split(fresh(), ".")
	for name, token := range map[string]string{
		"replayed":              good,
		"alg none":              part(map[string]any{"alg": "none", "kid": x.carol.kid}) + "." + part(x.claims(x.carol)) + ".",
		"alg none with bytes":   part(map[string]any{"alg": "none", "kid": x.carol.kid}) + "." + part(x.claims(x.carol)) + "." + parts[2],
		"HS256 by the point":    hs(point),
		"HS256 by the document": hs(pub),
		"RS256":                 h("alg", "RS256"),
		"ES384":                 h("alg", "ES384"),
		"EdDSA by an EC key":    h("alg", "EdDSA"),
		"alg in small letters":  h("alg", "es256"),
		"no kid":                h("kid", ""),
		"kid of a path":         h("kid", "../../etc/passwd"),
		"kid of a path in it":   h("kid", x.carol.did+"/../x#key-1"),
		"kid of another":        h("kid", x.dave.kid),
		"kid that is a DID":     h("kid", x.carol.did),
		"kid with a query":      h("kid", "' OR 1=1 --"),
		"jku":                   h("jku", "https://dave.example/jwks.json"),
		"x5u":                   h("x5u", "https://dave.example/chain.pem"),
		"x5c":                   h("x5c", []string{"MIIB"}),
		"jwk":                   x.token(thief, x.claims(x.carol), map[string]any{"jwk": jwk}),
		"crit":                  h("crit", []string{"exp"}),
		"b64":                   h("b64", false, "crit", []string{"b64"}),
		"cty":                   h("cty", "JWT"),
		"type of another thing": h("typ", "at+jwt"),
		"another's key":         x.token(thief, x.claims(x.carol), nil),
		"issuer of another key": x.token(x.dave, with(x.claims(x.carol)), nil),
		"iss is not sub":        c("sub", x.dave.did),
		"no sub":                c("sub", nil),
		"no iss":                c("iss", nil),
		"another audience":      c("aud", string(bob)),
		"two audiences":         c("aud", []string{string(alice), string(bob)}),
		"no audience":           c("aud", nil),
		"empty audience":        c("aud", ""),
		"audience in a list":    c("aud", []any{[]string{string(alice)}}),
		"expired":               c("iat", at(-10*time.Minute), "exp", at(-2*time.Minute)),
		"not yet issued":        c("iat", at(4*time.Minute)),
		"not yet":               c("nbf", at(4*time.Minute)),
		"no exp":                c("exp", nil),
		"no iat":                c("iat", nil),
		"exp before iat":        c("exp", at(-time.Second)),
		"lives for a day":       c("exp", at(24*time.Hour)),
		"exp without end":       c("exp", 1e30),
		"exp in words":          c("exp", "tomorrow"),
		"negative iat":          c("iat", -5),
		"no jti":                c("jti", nil),
		"long jti":              c("jti", strings.Repeat("j", 257)),
		"itself":                x.token(&foreigner{did: string(alice), kid: string(alice) + "#key-1", key: x.carol.key}, with(x.claims(x.carol), "iss", string(alice), "sub", string(alice)), nil),
		"did of another method": c("iss", "did:key:z6Mk", "sub", "did:key:z6Mk"),
		"unknown participant":   c("iss", "did:web:nobody.example", "sub", "did:web:nobody.example"),
		"tampered claims":       parts[0] + "." + part(with(x.claims(x.carol), "iss", x.dave.did, "sub", x.dave.did)) + "." + parts[2],
		"tampered jti":          parts[0] + "." + part(with(x.claims(x.carol), "jti", "another")) + "." + parts[2],
		"tampered signature":    parts[0] + "." + parts[1] + "." + strings.Repeat("A", 86),
		"short signature":       parts[0] + "." + parts[1] + "." + parts[2][:40],
		"padding":               fresh() + "==",
		"line break":            fresh() + "\n",
		"two tokens":            fresh() + "." + fresh(),
		"encrypted":             fresh() + ".AAAA.AAAA",
		"nothing signed":        parts[0] + ".." + parts[2],
		"not JSON":              base64.RawURLEncoding.EncodeToString([]byte("{")) + "." + parts[1] + "." + parts[2],
		"alg twice":             base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","alg":"none","kid":"`+x.carol.kid+`"}`)) + "." + parts[1] + "." + parts[2],
		"iss twice":             parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+x.carol.did+`","iss":"x"}`)) + "." + parts[2],
		"too long":              c("pad", strings.Repeat("p", trust.TokenBytesMax)),
		"empty":                 "",
	} {
		x.log.Reset()
		x.now = x.now.Add(time.Second) // the log takes so many in a second
		who, err := x.id.Caller(x.Context(), call(token), alice)
		if who != "" || !unknown(err) || hansa.Status(err) != http.StatusUnauthorized {
			t.Errorf("%s: taken as %q, %v (%s)", name, who, err, x.log.String())
		}
		if token != "" && (x.log.Len() == 0 || strings.Contains(err.Error(), "example")) {
			t.Errorf("%s: the sender hears %q, the log %q", name, err, x.log.String())
		}
	}
	for name, header := range map[string]http.Header{
		"none": {}, "two": {"Authorization": {"Bearer " + fresh(), "Bearer " + fresh()}}, "basic": {"Authorization": {"Basic " + fresh()}},
	} {
		if _, err := x.id.Caller(x.Context(), &http.Request{Header: header}, alice); !unknown(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := x.id.Caller(x.Context(), call(fresh()), alice); err != nil {
		t.Errorf("after all of them a good token is refused: %v\n%s", err, x.log.String())
	}
}

func TestTokenOfAnotherKindOfKey(t *testing.T) {
	x := newExchange(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x.web.put("https://dave.example/.well-known/did.json", func() ([]byte, error) {
		return json.Marshal(map[string]any{"id": x.dave.did, "authentication": []any{map[string]any{"id": "#ed", "controller": x.dave.did, "publicKeyJwk": jose.JSONWebKey{Key: public}}}})
	})
	signing := part(map[string]any{"alg": "EdDSA", "kid": x.dave.did + "#ed"}) + "." + part(x.claims(x.dave))
	token := signing + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(signing)))
	if who, err := x.id.Caller(x.Context(), call(token), alice); err != nil || who != dave {
		t.Errorf("a token by an embedded Ed25519 key: %q, %v\n%s", who, err, x.log.String())
	}
}

// TestRestart: a token that this process may have taken before it was restarted is
// answered by Busy, which a sender tries again; one that is newer is taken.
func TestRestart(t *testing.T) {
	x := newExchange(t)
	token := x.token(x.carol, x.claims(x.carol), nil)
	if _, err := x.id.Caller(x.Context(), call(token), alice); err != nil {
		t.Fatal(err)
	}
	again := x.begin(x.now.Add(300 * time.Millisecond))
	_, err := again.Caller(x.Context(), call(token), alice)
	if hansa.Status(err) != http.StatusServiceUnavailable {
		t.Errorf("a token that was used before the restart: %v", err)
	}
	x.now = x.now.Add(time.Second)
	if _, err := again.Caller(x.Context(), call(x.token(x.carol, x.claims(x.carol), nil)), alice); err != nil {
		t.Errorf("a token that is newer than the process: %v\n%s", err, x.log.String())
	}
}

func TestReplayIsRememberedUntilExpiry(t *testing.T) {
	x := newExchange(t)
	token := x.token(x.carol, x.claims(x.carol), nil)
	if _, err := x.id.Caller(x.Context(), call(token), alice); err != nil {
		t.Fatal(err)
	}
	for end := x.now.Add(8 * time.Minute); x.now.Before(end); x.now = x.now.Add(10 * time.Second) {
		if _, err := x.id.Caller(x.Context(), call(token), alice); !unknown(err) {
			t.Fatalf("used once more at %s: %v", x.now, err)
		}
	}
	// The same id of another issuer is another token.
	c := with(x.claims(x.dave), "jti", "same")
	for _, f := range []*foreigner{x.carol, x.dave} {
		if _, err := x.id.Caller(x.Context(), call(x.token(f, with(c, "iss", f.did, "sub", f.did), nil)), alice); err != nil {
			t.Errorf("%s: %v\n%s", f.did, err, x.log.String())
		}
	}
}

func BenchmarkIDToken(b *testing.B) {
	x := newExchange(b)
	x.now = time.Now()
	b.Run("mint", func(b *testing.B) {
		for b.Loop() {
			if err := x.id.Present(b.Context(), alice, carol, http.Header{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		tokens := make([]string, 20_000)
		for i := range tokens {
			tokens[i] = x.token(x.carol, x.claims(x.carol), nil)
		}
		i := 0
		b.ResetTimer()
		for range b.N {
			if i == len(tokens) {
				i, x.id = 0, x.begin(time.Time{})
			}
			if _, err := x.id.Caller(b.Context(), call(tokens[i]), alice); err != nil {
				b.Fatal(err, x.log.String())
			}
			i++
		}
	})
}
