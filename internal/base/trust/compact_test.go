package trust_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// TestMessages: a message is read only when it is whole, of its type, and brings no key
// along; it holds by its sender's key alone.
func TestMessages(t *testing.T) {
	const typ, did = "test+jws", "did:web:alice.example"
	for _, alg := range []trust.Alg{trust.ES256, trust.EdDSA} {
		key, err := trust.GenerateKey(alg)
		if err != nil {
			t.Fatal(err)
		}
		jwk, err := key.Public()
		if err != nil {
			t.Fatal(err)
		}
		jws, err := trust.SignMessage(key, did, typ, []byte(`{"id":"1"}`))
		if err != nil {
			t.Fatal(err)
		}
		m, err := trust.ReadMessage(jws, typ)
		if err != nil || m.DID != did || m.Thumbprint() != key.KID() || string(m.Payload) != `{"id":"1"}` {
			t.Fatalf("got %+v, %v", m, err)
		}
		if payload, err := trust.VerifyMessage(jwk, typ, jws); err != nil || string(payload) != `{"id":"1"}` {
			t.Errorf("got %s, %v", payload, err)
		}
		_, other := freshKey(t)
		if _, err := trust.VerifyMessage([]byte(other), typ, jws); err == nil {
			t.Error("it holds by another's key")
		}
		if _, err := trust.ReadMessage(jws, "other+jws"); err == nil {
			t.Error("a message of another type is read")
		}
		for i := range jws {
			bad := []byte(jws)
			bad[i] ^= 1
			if _, err := trust.VerifyMessage(jwk, typ, string(bad)); err == nil {
				if m, err := trust.ReadMessage(string(bad), typ); err == nil && m.KID == did+"#"+key.KID() {
					t.Fatalf("byte %d changed, and it holds", i)
				}
			}
		}
		parts := strings.Split(jws, ".")
		for _, head := range []string{
			`{"alg":"none","kid":"did:web:a#b","typ":"test+jws"}`, `{"alg":"ES256","kid":"did:web:a","typ":"test+jws"}`, `{"alg":"ES256","kid":"did:web:a#b"}`,
			`{"alg":"ES256","kid":"did:web:a#b","typ":"test+jws","jwk":{}}`, `{"alg":"ES256","kid":"did:web:a#b","typ":"test+jws","crit":["b64"]}`,
			`{"alg":"ES256","alg":"EdDSA","kid":"did:web:a#b","typ":"test+jws"}`, `[]`,
		} {
			if _, err := trust.ReadMessage(base64.RawURLEncoding.EncodeToString([]byte(head))+"."+parts[1]+"."+parts[2], typ); err == nil {
				t.Errorf("the header %s is read", head)
			}
		}
		for _, bad := range []string{"", "..", parts[0] + ".." + parts[2], jws + ".", jws + "\n", parts[0] + "." + parts[1] + ".AAAA"} {
			if _, err := trust.ReadMessage(bad, typ); err == nil {
				t.Errorf("%.40q is read", bad)
			}
		}
	}
}
