package node

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// forger holds the real key of one participant, and forges with it.
type forger struct {
	*testing.T
	from *house
	key  jose.JSONWebKey
}

func newForger(t *testing.T, from *house) *forger {
	t.Helper()
	k, err := from.trust.SigningKey(t.Context(), from.guest, trust.UseMessage)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	f := &forger{T: t, from: from}
	if err := f.key.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return f
}

// token signs the right claims for aud, changed by claims and header.
func (f *forger) token(aud hansa.PartyID, claims, header map[string]any) string {
	f.Helper()
	now := time.Now()
	c := map[string]any{"iss": f.from.guest, "sub": f.from.guest, "aud": aud, "jti": hansa.NewID(now), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	maps.Copy(c, claims)
	body, err := json.Marshal(c)
	if err != nil {
		f.Fatal(err)
	}
	o := (&jose.SignerOptions{}).WithType("JWT")
	for k, v := range header {
		o = o.WithHeader(jose.HeaderKey(k), v)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: f.key.Key, KeyID: string(f.from.guest) + "#" + f.key.KeyID}}, o)
	if err != nil {
		f.Fatal(err)
	}
	signed, err := s.Sign(body)
	if err != nil {
		f.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		f.Fatal(err)
	}
	return token
}

// TestForgedTokensAtEveryDoor: each forgery at each route of the door for connectors
// is 401, never a failure of ours, and changes nothing. The routes come from the
// table, so that a new one is tried by itself.
func TestForgedTokensAtEveryDoor(t *testing.T) {
	a, b := twoHouses(t)
	a.do("POST", "/api/v1/peers", a.desk, api.PeerOrder{Name: "b", ID: b.guest}, nil)
	var pilot api.Peer
	a.do("POST", "/api/v1/peers", a.boss, api.PeerOrder{Name: "pilot", ID: "PILOT_7", Issue: true}, &pilot)
	var manage trust.Secret
	if err := a.trust.Change(t.Context(), func(tx hansa.Tx) (err error) {
		_, manage, err = a.trust.AddCredential(tx, trust.CredentialSpec{Party: a.own, Name: "manage", Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightManage, hansa.RightRead}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	f := newForger(t, b)
	const path = "/parties/guest/dsp/2025-1/catalog/request"
	good := f.token(a.guest, nil, nil)
	message := `{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"CatalogRequestMessage"}`
	if code := a.knock("POST", path, "Bearer "+good, message); code != http.StatusOK {
		t.Fatalf("the control is answered %d", code)
	}
	cut := strings.Split(good, ".")
	thief, err := a.trust.SigningKey(t.Context(), a.own, trust.UseMessage)
	if err != nil {
		t.Fatal(err)
	}
	public, err := thief.Public()
	if err != nil {
		t.Fatal(err)
	}
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	none := part(map[string]any{"alg": "none", "kid": string(b.guest) + "#" + f.key.KeyID})
	forged := map[string]string{
		"nothing": "", "replayed": "Bearer " + good, "basic": "Basic Z3Vlc3Q6Z3Vlc3Q=", "not a token": "Bearer x.y.z",
		"alg none":          "Bearer " + none + "." + cut[1] + ".",
		"alg none, signed":  "Bearer " + none + "." + cut[1] + "." + cut[2],
		"HS256":             "Bearer " + part(map[string]any{"alg": "HS256", "kid": string(b.guest) + "#" + f.key.KeyID}) + "." + cut[1] + "." + cut[2],
		"tampered":          "Bearer " + cut[0] + "." + part(map[string]any{"iss": a.own, "sub": a.own, "aud": a.guest, "jti": "x", "iat": at(0), "exp": at(time.Minute)}) + "." + cut[2],
		"another audience":  "Bearer " + f.token(a.own+":parties:settler", nil, nil),
		"two audiences":     "Bearer " + f.token(a.guest, map[string]any{"aud": []hansa.PartyID{a.guest, a.own}}, nil),
		"expired":           "Bearer " + f.token(a.guest, map[string]any{"iat": at(-10 * time.Minute), "exp": at(-5 * time.Minute)}, nil),
		"not yet":           "Bearer " + f.token(a.guest, map[string]any{"nbf": at(10 * time.Minute)}, nil),
		"for a day":         "Bearer " + f.token(a.guest, map[string]any{"exp": at(24 * time.Hour)}, nil),
		"another issuer":    "Bearer " + f.token(a.guest, map[string]any{"iss": b.own, "sub": b.own}, nil),
		"iss is not sub":    "Bearer " + f.token(a.guest, map[string]any{"sub": b.own}, nil),
		"no jti":            "Bearer " + f.token(a.guest, map[string]any{"jti": ""}, nil),
		"jku":               "Bearer " + f.token(a.guest, nil, map[string]any{"jku": b.url + "/keys"}),
		"x5u":               "Bearer " + f.token(a.guest, nil, map[string]any{"x5u": b.url + "/chain"}),
		"jwk":               "Bearer " + f.token(a.guest, nil, map[string]any{"jwk": json.RawMessage(public)}),
		"kid of a path":     "Bearer " + f.token(a.guest, nil, map[string]any{"kid": "../../etc/passwd"}),
		"kid of another":    "Bearer " + f.token(a.guest, nil, map[string]any{"kid": string(b.own) + "#" + f.key.KeyID}),
		"one who is nobody": "Bearer " + f.token(a.guest, map[string]any{"iss": "did:web:nobody.example", "sub": "did:web:nobody.example"}, nil),
		"the host's pilot":  "Bearer " + pilot.Inbound,
		"unknown secret":    "Bearer " + token(),
		"a manager's":       "Bearer " + manage.Reveal(),
		"its own":           "Bearer " + a.desk,
	}
	before, tried := a.entries(t), 0
	for i := range a.doors.table {
		one := &a.doors.table[i]
		if one.Right != hansa.RightConnect || !strings.HasPrefix(one.Pattern, "/parties/") {
			continue
		}
		at := strings.NewReplacer("{party}", "guest", "{pid}", "urn:uuid:x", "{id}", "x").Replace(one.Pattern)
		for name, auth := range forged {
			tried++
			if code := a.knock(one.Method, at, auth, message); code != http.StatusUnauthorized {
				t.Errorf("%s at %s %s: %d", name, one.Method, at, code)
			}
		}
	}
	if after := a.entries(t); after != before || tried < 200 {
		t.Errorf("%d forgeries made %d entries in the journal", tried, after-before)
	}
}

// knock asks once from an address of its own, and returns the status.
func (h *house) knock(method, path, authorization, body string) int {
	h.knocks++
	r := httptest.NewRequestWithContext(h.Context(), method, path, strings.NewReader(body))
	r.RemoteAddr = fmt.Sprintf("10.0.%d.%d:1", h.knocks/250, h.knocks%250)
	r.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, r)
	return w.Code
}

func (h *house) entries(t *testing.T) (n int) {
	t.Helper()
	if err := h.db.Read(t.Context(), func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM journal_entries`).Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}
