package trust

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Message is a JWS that carries what it signs, in compact form (RFC 7515 section 7.1),
// as it was read: nothing of it is proven before [VerifyMessage].
type Message struct {
	DID     string // whose key the header names
	KID     string // the header's: DID, #, and the name of the key in its document
	Payload []byte
}

// Thumbprint is the name of the key in the document, which of a Hansa node's is the
// key's RFC 7638 thumbprint.
func (m *Message) Thumbprint() string { return m.KID[len(m.DID)+1:] }

// SignMessage returns the JWS of type typ by did's message key over payload, with it.
func SignMessage(key *PrivateKey, did, typ string, payload []byte) (string, error) {
	if key == nil || did == "" || typ == "" {
		return "", errors.New("sign a message: no key, no DID or no type")
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(key.jwk.Algorithm),
		Key:       jose.JSONWebKey{Key: key.jwk.Key, KeyID: did + "#" + key.jwk.KeyID},
	}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", fmt.Errorf("sign a message: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a message: %w", err)
	}
	return signed.CompactSerialize()
}

// ReadMessage reads a JWS of type typ before any key is touched. Whatever could bring a
// key along or change what is signed is refused. Errors are Denied and say why.
func ReadMessage(jws, typ string) (Message, error) {
	var m Message
	p, payload, err := readCompact(jws, typ)
	if err != nil {
		return m, err
	}
	did, name, ok := strings.Cut(p.Kid, "#")
	if !ok || did == "" || name == "" || len(p.Kid) > didBytesMax+JWKBytesMax {
		return m, refuse("kid of a message is the sender's DID, # and the name of its key, not %.200q", p.Kid)
	}
	return Message{DID: did, KID: p.Kid, Payload: payload}, nil
}

func readCompact(jws, typ string) (p protected, payload []byte, err error) {
	parts := strings.Split(jws, ".")
	if len(jws) > PayloadBytesMax || len(parts) != 3 {
		return p, nil, refuse("a message is a JWS in compact form of at most %d bytes", PayloadBytesMax)
	}
	var raw [3][]byte
	for i, part := range parts {
		// The decoder skips line breaks: without this one message had many forms.
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || strings.ContainsAny(part, "\r\n") || len(b) == 0 {
			return p, nil, refuse("a message is base64url")
		}
		raw[i] = b
	}
	if len(raw[2]) != 64 {
		return p, nil, refuse("a signature is 64 bytes")
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw[0], &members); err != nil {
		return p, nil, refuse("the message's header is not strict JSON: %v", err)
	}
	for name := range members {
		if !slices.Contains([]string{"alg", "kid", "typ"}, name) {
			return p, nil, refuse("the message's header may not hold %.40q: only alg, kid and typ", name)
		}
	}
	if err := json.Unmarshal(raw[0], &p); err != nil {
		return p, nil, refuse("the message's header: %v", err)
	}
	if a := Alg(p.Alg); a != ES256 && a != EdDSA {
		return p, nil, refuse("the algorithm is ES256 or EdDSA, not %.20q", p.Alg)
	}
	if p.Typ != typ {
		return p, nil, refuse("the message is of type %.60q, not %q", p.Typ, typ)
	}
	return p, raw[1], nil
}

// VerifyMessage checks a JWS of type typ by a public JWK and returns what it carries. It
// says nothing about whose key that is. Errors are Denied and say why.
func VerifyMessage(jwk []byte, typ, jws string) (payload []byte, err error) {
	p, payload, err := readCompact(jws, typ)
	if err != nil {
		return nil, err
	}
	key, _, err := publicKey(jwk)
	if err != nil {
		return nil, err
	}
	if p.Alg != key.Algorithm {
		return nil, refuse("the key signs with %s, not %s", key.Algorithm, p.Alg)
	}
	parsed, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(key.Algorithm)})
	if err != nil {
		return nil, refuse("the message cannot be read, or is of another algorithm than its key")
	}
	if _, err := parsed.Verify(key.Key); err != nil {
		return nil, refuse("the signature of the message does not hold")
	}
	return payload, nil
}

// MessageKey returns did's key that may sign messages, by its full id, as
// [ReadMessage] read it. A document that is older than signed is fetched once more for
// a key that it lacks.
func (r *Resolver) MessageKey(ctx context.Context, did, id string, signed time.Time, known bool) (jwk []byte, err error) {
	k, err := r.key(ctx, did, id, signed, known)
	if err != nil {
		return nil, err
	}
	return k.MarshalJSON()
}
