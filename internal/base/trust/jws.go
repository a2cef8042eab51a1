package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// Limits of what is signed and of signatures.
const (
	JWSBytesMax     = 4096
	JWKBytesMax     = 4096
	PayloadBytesMax = 8 << 20
)

// protected is all that a signature's header may hold. Whatever could bring a
// key along (jku, x5u, x5c, jwk) or change what is signed (crit, b64) is refused.
type protected struct {
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Typ string `json:"typ,omitempty"`
	Cty string `json:"cty,omitempty"`
}

// header reads the header of a detached JWS before any key is touched.
func header(jws string) (protected, error) {
	return headerWith(jws, func(members map[string]jsontext.Value) error {
		for name := range members {
			if !slices.Contains([]string{"alg", "kid", "typ", "cty"}, name) {
				return refuse("the signature's header may not hold %.40q: only alg, kid, typ and cty", name)
			}
		}
		return nil
	})
}

// headerWith reads the header of a detached JWS, whose members allowed judges.
func headerWith(jws string, allowed func(members map[string]jsontext.Value) error) (protected, error) {
	var p protected
	if len(jws) > JWSBytesMax {
		return p, refuse("a signature has at most %d bytes, not %d", JWSBytesMax, len(jws))
	}
	parts := strings.Split(jws, ".")
	// The decoder skips line breaks: without this one signature had many forms.
	if len(parts) != 3 || parts[0] == "" || parts[1] != "" || parts[2] == "" || strings.ContainsAny(jws, "\r\n") {
		return p, refuse("a detached signature has the form HEADER..SIGNATURE (RFC 7515 appendix F)")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(parts[0])
	if err != nil {
		return p, refuse("the signature's header is not base64url")
	}
	if sig, err := base64.RawURLEncoding.Strict().DecodeString(parts[2]); err != nil || len(sig) != 64 {
		return p, refuse("a signature is 64 bytes in base64url")
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw, &members); err != nil {
		return p, refuse("the signature's header is not strict JSON: %v", err)
	}
	if err := allowed(members); err != nil {
		return p, err
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, refuse("the signature's header: %v", err)
	}
	if a := Alg(p.Alg); a != ES256 && a != EdDSA {
		return p, refuse("the algorithm is ES256 or EdDSA, not %.20q", p.Alg)
	}
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(p.Kid); err != nil || len(raw) != 32 {
		return p, refuse("kid is the RFC 7638 thumbprint of a registered key")
	}
	return p, nil
}

// publicKey reads one public key of a kind that is allowed, and names it.
func publicKey(jwk []byte) (key jose.JSONWebKey, kid string, err error) {
	if len(jwk) > JWKBytesMax {
		return key, "", hansa.Fielded("/jwk", "a key has at most %d bytes, not %d", JWKBytesMax, len(jwk))
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(jwk, &members); err != nil {
		return key, "", hansa.Fielded("/jwk", "a key is a JSON Web Key: %v", err)
	}
	if _, private := members["d"]; private {
		return key, "", hansa.Fielded("/jwk", "this is a private key: keep it to yourself and send the public half")
	}
	for name := range members {
		if !slices.Contains([]string{"kty", "crv", "x", "y", "kid", "use", "alg", "key_ops"}, name) {
			return key, "", hansa.Fielded("/jwk", "a key may not hold %.40q", name)
		}
	}
	// The library reads base64url leniently; a key has one form only.
	for _, name := range []string{"x", "y"} {
		var s string
		if raw, ok := members[name]; ok && (json.Unmarshal(raw, &s) != nil || !canonical(s)) {
			return key, "", hansa.Fielded("/jwk", "%s is not canonical base64url", name)
		}
	}
	if err := key.UnmarshalJSON(jwk); err != nil {
		return key, "", hansa.Fielded("/jwk", "a key is a JSON Web Key: %v", err)
	}
	alg, err := algorithm(key.Key)
	if err != nil {
		return key, "", err
	}
	if key.Algorithm != "" && key.Algorithm != string(alg) || key.Use != "" && key.Use != "sig" {
		return key, "", hansa.Fielded("/jwk", "the key is for %s %s, not for signing with %s", key.Use, key.Algorithm, alg)
	}
	kid, err = thumbprint(key)
	if err != nil {
		return key, "", err
	}
	if key.KeyID != "" && key.KeyID != kid {
		return key, "", hansa.Fielded("/jwk", "kid is the key's RFC 7638 thumbprint %s, or absent", kid)
	}
	key.KeyID, key.Algorithm, key.Use = kid, string(alg), "sig"
	return key, kid, nil
}

func canonical(s string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && base64.RawURLEncoding.EncodeToString(raw) == s
}

func algorithm(key any) (jose.SignatureAlgorithm, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return jose.ES256, nil
		}
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return jose.EdDSA, nil
		}
	}
	return "", hansa.Fielded("/jwk", "a key is EC on P-256 (ES256) or Ed25519 (EdDSA)")
}

func thumbprint(key jose.JSONWebKey) (string, error) {
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", hansa.Fielded("/jwk", "the key has no thumbprint: %v", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// verify checks the detached signature by key over payload.
func verify(key jose.JSONWebKey, payload []byte, jws string) error {
	if len(payload) > PayloadBytesMax {
		return refuse("what is signed has at most %d bytes, not %d", PayloadBytesMax, len(payload))
	}
	if payload == nil {
		payload = []byte{}
	}
	parsed, err := jose.ParseDetached(jws, payload, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(key.Algorithm)})
	if err != nil {
		return refuse("the signature cannot be read, or is of another algorithm than its key")
	}
	if parsed.DetachedVerify(payload, key.Key) != nil {
		return refuse("the signature does not hold over these bytes")
	}
	return nil
}

// VerifyDetached checks a detached JWS over payload by a public JWK and returns
// the key's thumbprint. It says nothing about whose key that is.
func VerifyDetached(jwk, payload []byte, jws string) (kid string, err error) {
	p, err := header(jws)
	if err != nil {
		return "", err
	}
	key, kid, err := publicKey(jwk)
	if err != nil {
		return "", err
	}
	if p.Kid != kid || p.Alg != key.Algorithm {
		return "", refuse("the signature names another key or algorithm than the one given")
	}
	return kid, verify(key, payload, jws)
}

func refuse(format string, args ...any) error {
	return hansa.Errorf(hansa.Denied, "%s", fmt.Sprintf(format, args...)).With(hansa.CodeForbidden).At("/signature")
}

// PrivateKey signs receipts for a party. It never shows its private half except
// through [PrivateKey.Marshal].
type PrivateKey struct {
	jwk jose.JSONWebKey
}

// Alg is a signature algorithm.
type Alg string

// The algorithms that are allowed.
const (
	ES256 Alg = "ES256"
	EdDSA Alg = "EdDSA"
)

// GenerateKey returns a fresh key.
func GenerateKey(alg Alg) (*PrivateKey, error) {
	switch alg {
	case ES256:
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
		return newPrivateKey(k, jose.ES256)
	case EdDSA:
		_, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
		return newPrivateKey(k, jose.EdDSA)
	}
	return nil, hansa.Errorf(hansa.Invalid, "an algorithm is ES256 or EdDSA, not %q", alg)
}

func newPrivateKey(key crypto.Signer, alg jose.SignatureAlgorithm) (*PrivateKey, error) {
	k := jose.JSONWebKey{Key: key, Algorithm: string(alg), Use: "sig"}
	kid, err := thumbprint(k.Public())
	if err != nil {
		return nil, err
	}
	k.KeyID = kid
	return &PrivateKey{jwk: k}, nil
}

// ParsePrivateKey reads a private JWK of EC P-256 or Ed25519.
func ParsePrivateKey(b []byte) (*PrivateKey, error) {
	b = bytes.TrimSpace(b)
	if len(b) > JWKBytesMax {
		return nil, hansa.Errorf(hansa.Invalid, "a key has at most %d bytes, not %d", JWKBytesMax, len(b))
	}
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON(b); err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "a private key is a JSON Web Key: %w", err)
	}
	signer, ok := k.Key.(crypto.Signer)
	if !ok {
		return nil, hansa.Errorf(hansa.Invalid, "this is no private key that can sign")
	}
	alg, err := algorithm(k.Public().Key)
	if err != nil {
		return nil, err
	}
	return newPrivateKey(signer, alg)
}

// KID returns the key's RFC 7638 thumbprint.
func (k *PrivateKey) KID() string { return k.jwk.KeyID }

// Public returns the public half as a JWK, to be registered.
func (k *PrivateKey) Public() ([]byte, error) { return k.jwk.Public().MarshalJSON() }

// Marshal returns the private half as a JWK, to be kept in a file 0600.
func (k *PrivateKey) Marshal() ([]byte, error) { return k.jwk.MarshalJSON() }

// String shows the key's id alone.
func (k *PrivateKey) String() string { return "private key " + k.jwk.KeyID }

// SignReceipt returns the detached JWS by key over a receipt's exact bytes.
func SignReceipt(key *PrivateKey, receipt []byte) (string, error) {
	if key == nil {
		return "", errors.New("sign a receipt: no key")
	}
	return signDetached(key, receipt, nil)
}

// signDetached returns the detached JWS by key over payload.
func signDetached(key *PrivateKey, payload []byte, opts *jose.SignerOptions) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(key.jwk.Algorithm),
		Key:       jose.JSONWebKey{Key: key.jwk.Key, KeyID: key.jwk.KeyID},
	}, opts)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed.DetachedCompactSerialize()
}
