package trust

import (
	"strings"
	"testing"
	"time"
)

// FuzzToken: whatever comes in as a token is taken apart or refused, never trusted
// for more than it says.
func FuzzToken(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6ImRpZDp3ZWI6YS5leGFtcGxlI2sifQ.eyJpc3MiOiJkaWQ6d2ViOmEuZXhhbXBsZSIsInN1YiI6ImRpZDp3ZWI6YS5leGFtcGxlIiwiYXVkIjoiZGlkOndlYjpiLmV4YW1wbGUiLCJqdGkiOiIxIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDAwNjB9." + strings.Repeat("A", 86))
	f.Add("a.b.c")
	f.Add("..")
	now := time.Unix(1700000001, 0)
	f.Fuzz(func(t *testing.T, token string) {
		p, c, err := readToken(token)
		if err != nil {
			return
		}
		if p.Alg != "ES256" && p.Alg != "EdDSA" {
			t.Errorf("alg %q is taken", p.Alg)
		}
		if c.check(now, []string{"did:web:b.example"}) != nil {
			return
		}
		if c.Issuer != c.Subject || !strings.HasPrefix(c.Issuer, "did:web:") || c.ID == "" || c.Expires <= c.Issued || c.Expires-c.Issued > TokenLifeMax.Seconds() {
			t.Errorf("the claims %+v are taken", c)
		}
	})
}

// FuzzDocument: a DID document gives keys of its own subject alone, of the kinds
// that are allowed.
func FuzzDocument(f *testing.F) {
	const did = "did:web:a.example"
	f.Add([]byte(`{"id":"did:web:a.example","verificationMethod":[{"id":"#k","type":"JsonWebKey2020","controller":"did:web:a.example","publicKeyJwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}],"authentication":["#k"]}`))
	f.Add([]byte(`{"id":"did:web:a.example","capabilityInvocation":[{"id":"did:web:a.example#k","publicKeyJwk":{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}]}`))
	f.Add([]byte(`{"id":"did:web:a.example","assertionMethod":[{"id":"#k","publicKeyJwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		read, err := readDocument(did, body)
		keys := read.message
		for kid, k := range read.binding {
			if kid != k.KeyID || k.Algorithm != "ES256" && k.Algorithm != "EdDSA" || !k.IsPublic() || !k.Valid() {
				t.Errorf("the signature key %q of %v is taken", kid, k.Algorithm)
			}
		}
		if err != nil && len(keys) > 0 {
			t.Errorf("%d keys of a document that is refused", len(keys))
		}
		for id, k := range keys {
			if !strings.HasPrefix(id, did+"#") || k.Algorithm != "ES256" && k.Algorithm != "EdDSA" || !k.IsPublic() || !k.Valid() {
				t.Errorf("the key %q of %v is taken", id, k.Algorithm)
			}
		}
	})
}

// FuzzDID: the address of a document has the host that the DID names.
func FuzzDID(f *testing.F) {
	for _, s := range []string{"did:web:a.example", "did:web:a.example%3A80:x:y", "did:web:a.example:..", "did:key:z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, did string) {
		at, err := DocumentURL(did)
		if err == nil && (!strings.HasPrefix(at, "https://") || !strings.HasSuffix(at, "/did.json") || strings.ContainsAny(at, " \\@?#%") || strings.Contains(at, "/../")) {
			t.Errorf("%q is at %q", did, at)
		}
	})
}
