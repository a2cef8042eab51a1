package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
)

// issuer is a sign-in service for a test: it lets in whoever Mail says.
type issuer struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	mu    sync.Mutex // guards all below
	codes map[string]url.Values
	mail  string
	bad   string // what is wrong with its tokens
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.MarshalWrite(w, v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		asked := i.codes[r.FormValue("code")]
		delete(i.codes, r.FormValue("code"))
		i.mu.Unlock()
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if asked == nil || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
			w.WriteHeader(http.StatusBadRequest)
			answer(w, map[string]string{"error": "invalid_grant"})
			return
		}
		answer(w, map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": i.token(t, asked)})
	})
	return i
}

// token signs what the service says of who came.
func (i *issuer) token(t *testing.T, asked url.Values) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	claims := map[string]any{"iss": i.URL, "sub": "subject of " + strings.ToLower(i.mail), "aud": asked.Get("client_id"), "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "nonce": asked.Get("nonce"), "email": i.mail, "email_verified": true}
	key := i.key
	switch i.bad {
	case "nonce":
		claims["nonce"] = "another"
	case "audience":
		claims["aud"] = "another"
	case "expired":
		claims["exp"] = time.Now().Add(-time.Hour).Unix()
	case "issuer":
		claims["iss"] = "https://other.example"
	case "unverified":
		claims["email_verified"] = false
	case "key":
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Error(err)
		}
		key = k
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	doc, err := json.Marshal(claims)
	if err != nil {
		t.Error(err)
		return ""
	}
	jws, err := signer.Sign(doc)
	if err != nil {
		t.Error(err)
		return ""
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Error(err)
	}
	return out
}

// approve is what the service does when a browser comes: it sends it back with a code.
func (i *issuer) approve(t *testing.T, to string) *url.URL {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	code := rand.Text()
	i.mu.Lock()
	i.codes[code] = q
	i.mu.Unlock()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		t.Fatal(err)
	}
	back.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {i.URL}}.Encode()
	return back
}

// TestOIDC: a user of the own party comes in by the city's sign-in service, found by
// verified mail once and by the service's subject from then on; whatever is not
// proven lets nobody in.
func TestOIDC(t *testing.T) {
	i := newIssuer(t)
	n, err := Open(t.Context(), Config{
		Data: filepath.Join(t.TempDir(), "node"), Origin: "city.example", PublicURL: "http://city.example", Version: "test", Own: "did:web:city", Log: slog.New(slog.DiscardHandler),
		OIDC: &OIDC{Name: "City account", Issuer: i.URL, ClientID: "hansa"}, Outbound: outbound.Config{Allow: []string{strings.TrimPrefix(i.URL, "http://")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := n.Apply(t.Context(), &Setup{Parties: []hansa.Party{{ID: "did:web:city", Name: "city", Title: "City", Kind: hansa.City, Hosted: true}}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.Invite(t.Context(), "Desk 3", "Desk3@city.example", hansa.RoleController); err != nil {
		t.Fatal(err)
	}
	ask := func(path string, with ...*http.Cookie) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Accept", "text/html")
		for _, c := range with {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		n.Handler().ServeHTTP(w, r)
		return w
	}
	cookie := func(res *httptest.ResponseRecorder, name string) *http.Cookie {
		for _, c := range (&http.Response{Header: res.Header()}).Cookies() {
			if c.Name == name && c.MaxAge >= 0 {
				return c
			}
		}
		return nil
	}
	try := func(mail, bad string, change func(back *url.URL, brought *http.Cookie) *http.Cookie) (*httptest.ResponseRecorder, *http.Cookie) {
		t.Helper()
		i.mu.Lock()
		i.mail, i.bad = mail, bad
		i.mu.Unlock()
		away := ask("/signin/away?next=/closures")
		if away.Code != http.StatusSeeOther {
			t.Fatalf("away: %d", away.Code)
		}
		brought := cookie(away, "hansa-away")
		back := i.approve(t, away.Header().Get("Location"))
		if change != nil {
			brought = change(back, brought)
		}
		res := ask(back.RequestURI(), brought)
		return res, cookie(res, "hansa")
	}
	if res := ask("/signin"); !strings.Contains(res.Body.String(), "Sign in with City account") {
		t.Error("the sign-in page does not offer the service")
	}
	same := func(_ *url.URL, c *http.Cookie) *http.Cookie { return c }
	other := &http.Cookie{Name: "hansa-away", Value: "e30"}
	for _, c := range []struct {
		name, mail, bad string
		change          func(*url.URL, *http.Cookie) *http.Cookie
	}{
		{"a mail that nobody has", "nobody@city.example", "", same},
		{"a mail that is not verified", "desk3@city.example", "unverified", same},
		{"another nonce", "desk3@city.example", "nonce", same},
		{"a token for another", "desk3@city.example", "audience", same},
		{"a token that is over", "desk3@city.example", "expired", same},
		{"a token of another issuer", "desk3@city.example", "issuer", same},
		{"a token under another key", "desk3@city.example", "key", same},
		{"a browser that did not begin", "desk3@city.example", "", func(*url.URL, *http.Cookie) *http.Cookie { return other }},
		{"another state", "desk3@city.example", "", func(u *url.URL, c *http.Cookie) *http.Cookie {
			u.RawQuery = strings.Replace(u.RawQuery, "state=", "state=X", 1)
			return c
		}},
		{"an answer of another service", "desk3@city.example", "", func(u *url.URL, c *http.Cookie) *http.Cookie {
			u.RawQuery = strings.Replace(u.RawQuery, "iss=", "iss=X", 1)
			return c
		}},
		{"a code that was never given", "desk3@city.example", "", func(u *url.URL, c *http.Cookie) *http.Cookie {
			u.RawQuery = strings.Replace(u.RawQuery, "code=", "code=X", 1)
			return c
		}},
		{"a refusal there", "desk3@city.example", "", func(u *url.URL, c *http.Cookie) *http.Cookie { u.RawQuery += "&error=access_denied"; return c }},
	} {
		res, session := try(c.mail, c.bad, c.change)
		if body := res.Body.String(); session != nil || res.Code < 400 || !strings.Contains(body, `role="alert"`) {
			t.Errorf("%s: status %d, a session %v: %s", c.name, res.Code, session != nil, body)
		}
	}
	res, session := try("desk3@CITY.example", "", nil)
	if session == nil || res.Code != http.StatusSeeOther || res.Header().Get("Location") != "/closures" {
		t.Fatalf("who is a user does not come in: %d %s", res.Code, res.Body.String())
	}
	if res := ask("/live", session); res.Code != http.StatusOK {
		t.Errorf("the session opens nothing: %d", res.Code)
	}
	// Her subject is what counts from now on, whatever mail it comes with.
	u, err := n.trust.UserNamed(t.Context(), "did:web:city", "Desk 3")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.trust.Change(t.Context(), func(tx hansa.Tx) error {
		_, err := n.trust.RevokeUser(tx, hansa.Actor{Party: "did:web:city"}, u.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if res := ask("/live", session); res.Code == http.StatusOK {
		t.Error("a session outlives its user")
	}
	if _, session := try("desk3@city.example", "", nil); session != nil {
		t.Error("a user who was revoked comes in")
	}
}
