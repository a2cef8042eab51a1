package trust

import (
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gowebpki/jcs"

	"github.com/hansa-exchange/hansa"
)

// SayBytesMax bounds one thing that the header of a statement says.
const SayBytesMax = 500

// SignStatement returns the detached JWS of type typ by key over payload. What says
// holds stands in its protected header, in plain words, and is signed with it.
func SignStatement(key *PrivateKey, typ string, payload []byte, says map[string]string) (string, error) {
	if key == nil || typ == "" {
		return "", errors.New("sign a statement: no key, or no type")
	}
	opts := (&jose.SignerOptions{}).WithType(jose.ContentType(typ))
	for name, value := range says {
		if reserved(name) || len(value) > SayBytesMax {
			return "", hansa.Fielded("/"+name, "what a signature says has at most %d bytes", SayBytesMax)
		}
		opts = opts.WithHeader(jose.HeaderKey(name), value)
	}
	return signDetached(key, payload, opts)
}

// VerifyStatement checks a detached JWS of type typ over payload by a public JWK, and
// returns the key's thumbprint and what its header says. It says nothing about whose
// key that is. Errors are Denied and say why.
func VerifyStatement(jwk []byte, typ string, payload []byte, jws string) (kid string, says map[string]string, err error) {
	p, says, err := statementHeader(jws)
	if err != nil {
		return "", nil, err
	}
	if p.Typ != typ {
		return "", nil, refuse("the signature is of type %.60q, not %q", p.Typ, typ)
	}
	key, kid, err := publicKey(jwk)
	if err != nil {
		return "", nil, err
	}
	if p.Kid != kid || p.Alg != key.Algorithm {
		return "", nil, refuse("the signature names another key or algorithm than the one given")
	}
	return kid, says, verify(key, payload, jws)
}

// statementHeader reads the header of a statement before any key is touched: besides
// what every signature has, strings alone.
func statementHeader(jws string) (protected, map[string]string, error) {
	var says map[string]string
	p, err := headerWith(jws, func(members map[string]jsontext.Value) error {
		says = make(map[string]string, len(members))
		for name, raw := range members {
			if name == "alg" || name == "kid" || name == "typ" {
				continue
			}
			var s string
			if reserved(name) || raw.Kind() != '"' || json.Unmarshal(raw, &s) != nil || len(s) > SayBytesMax {
				return refuse("the signature's header may not hold %.40q as it stands there", name)
			}
			says[name] = s
		}
		return nil
	})
	return p, says, err
}

// reserved reports whether name is one of a JWS (RFC 7515 section 4.1, RFC 7797): it
// could bring a key along or change what is signed.
func reserved(name string) bool {
	switch name {
	case "alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit", "b64", "nonce", "url":
		return true
	}
	return false
}

// PublicJWK returns the public half in the one form that signatures carry: canonical
// JSON (RFC 8785).
func (k *PrivateKey) PublicJWK() ([]byte, error) {
	b, err := k.Public()
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return jcs.Transform(b)
}

// CanonicalJWK checks a public JWK and returns it in the one form that signatures
// carry, with its thumbprint.
func CanonicalJWK(jwk []byte) (canonical []byte, kid string, err error) {
	key, kid, err := publicKey(jwk)
	if err != nil {
		return nil, "", err
	}
	b, err := key.MarshalJSON()
	if err != nil {
		return nil, "", fmt.Errorf("encode a key: %w", err)
	}
	canonical, err = jcs.Transform(b)
	return canonical, kid, err
}
