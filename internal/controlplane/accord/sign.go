package accord

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/gowebpki/jcs"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// SignatureType is the type in the header of each signature of this package.
const SignatureType = "hansa-accord-signature+jws"

// Limits of a signature.
const (
	RoleBytesMax  = 200 // of a role, and of a power
	SignatureSkew = 5 * time.Minute
)

// Who keeps the key of a signature. Values are signed.
const (
	HeldByNode  = "node"
	HeldByParty = "party"
)

// acts are what a signature may be for.
var acts = []Kind{Sign, Join, Leave, End, Serve, HandOver}

// SignBytes returns s with key's signature over the canonical bytes of a text. s says
// who signs, in which role, by which power, who holds the key and when; Act is [Sign]
// when it is empty. The text's hash and the key are filled in.
func SignBytes(key *trust.PrivateKey, canonical []byte, s Signature) (Signature, error) {
	if s.Act == "" {
		s.Act = Sign
	}
	s.Hash, s.At = hashOf(canonical), s.At.UTC().Truncate(time.Second)
	var err error
	if s.Key, err = key.PublicJWK(); err != nil {
		return s, err
	}
	if err := s.sound(); err != nil {
		return s, err
	}
	s.JWS, err = trust.SignStatement(key, SignatureType, canonical, s.says())
	return s, err
}

// Check reports what of s does not hold over the canonical bytes of a text. It needs
// nothing else, and says nothing about whose key it is: that is [Signature.Verify]'s.
func (s *Signature) Check(canonical []byte) error {
	if err := s.sound(); err != nil {
		return err
	}
	if s.Hash != hashOf(canonical) {
		return denied("the signature of %s is over another text: %.16s…, not %.16s…", s.Party, s.Hash, hashOf(canonical))
	}
	one, _, err := trust.CanonicalJWK(s.Key)
	if err != nil {
		return err
	}
	if was, err := jcs.Transform(s.Key); err != nil || !bytes.Equal(one, was) {
		return hansa.Fielded("/signature/key", "the key of a signature has the members alg, crv, kid, kty, use, x and y, and no others")
	}
	_, says, err := trust.VerifyStatement(s.Key, SignatureType, canonical, s.JWS)
	if err != nil {
		return hansa.Errorf(hansa.KindOf(err), "the signature of %s: %w", s.Party, err).At("/signature/jws")
	}
	if !maps.Equal(says, s.says()) {
		return denied("the signature of %s does not say what stands beside it", s.Party)
	}
	return nil
}

// Verify reports why s is not its party's signature over the canonical bytes of a
// text. keys are those that the party registered, or its DID document lists under
// assertionMethod; arrived is when the signature came, at which its key must have been
// good: never the time that s itself says, for the thief of a revoked key would date
// it back. Errors are Denied or Invalid.
func (s *Signature) Verify(canonical []byte, arrived time.Time, keys []trust.Key) error {
	if err := s.Check(canonical); err != nil {
		return err
	}
	if s.At.After(arrived.Add(SignatureSkew)) {
		return denied("the signature of %s is of %s, which is yet to come", s.Party, s.At.Format(time.RFC3339)).WithHint("is the clock of its signer right?")
	}
	_, kid, err := trust.CanonicalJWK(s.Key)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k trust.Key) bool { return k.KID == kid && k.Party == s.Party })
	switch {
	case i < 0:
		return denied("the key %s is none by which %s signs", kid, s.Party).WithHint("hansa keys list; a key that the party holds itself is registered first: hansa keys add FILE --use signature")
	case keys[i].Use != trust.UseSignature:
		return denied("the key %s of %s is not one for signing accords", kid, s.Party)
	}
	if why := keys[i].ValidAt(arrived); why != "" {
		return denied("the key %s of %s: %s at %s", kid, s.Party, why, arrived.UTC().Format(time.RFC3339))
	}
	return nil
}

// KID returns the id of the key that s was made with.
func (s *Signature) KID() (string, error) {
	_, kid, err := trust.CanonicalJWK(s.Key)
	return kid, err
}

// sound reports the first rule that s breaks by itself.
func (s *Signature) sound() error {
	switch {
	case !slices.Contains(acts, s.Act):
		return hansa.Fielded("/signature/act", "a signature is for sign, join, leave, end, serve or hand-over, not %.40q", s.Act)
	case (s.Act == Sign) != (s.About == "") || s.About != "" && !isHash(s.About):
		return hansa.Fielded("/signature/about", "a signature of %s says the SHA-256 of what it is about; one of sign says none", s.Act)
	case s.Party == "" || s.Party == hansa.PublicParty || len(s.Party) > trust.SayBytesMax:
		return hansa.Fielded("/signature/party", "a signature says whose it is")
	case !isHash(s.Hash):
		return hansa.Fielded("/signature/hash", "a signature says the SHA-256 of the text, in lower-case hex")
	case s.Held != HeldByNode && s.Held != HeldByParty:
		return hansa.Fielded("/signature/held", "the key of a signature is held by node or party, not %.40q", s.Held)
	case (s.Held == HeldByNode) != (s.Host != ""):
		return hansa.Fielded("/signature/host", "a signature by a key that the node holds says which node")
	case s.At.IsZero() || !s.At.Equal(s.At.Truncate(time.Second)):
		return hansa.Fielded("/signature/at", "a signature says when it was made, in whole seconds")
	}
	for _, f := range []struct{ name, value string }{{"role", s.Role}, {"power", s.Power}, {"host", s.Host}} {
		if f.name != "host" && strings.TrimSpace(f.value) == "" {
			return hansa.Fielded("/signature/"+f.name, "who signs says in which role, and by which power").WithHint(`such as --role "head of mobility" --power "mandate 2026-114"`)
		}
		if len(f.value) > RoleBytesMax || !utf8.ValidString(f.value) || strings.ContainsFunc(f.value, unicode.IsControl) {
			return hansa.Fielded("/signature/"+f.name, "a %s has at most %d bytes on one line", f.name, RoleBytesMax)
		}
	}
	return nil
}

// says is what the signed header of s holds.
func (s *Signature) says() map[string]string {
	m := map[string]string{
		"act": string(s.Act), "party": string(s.Party), "hash": s.Hash, "role": s.Role, "power": s.Power, "held": s.Held, "at": s.At.UTC().Format(time.RFC3339),
	}
	if s.About != "" {
		m["about"] = s.About
	}
	if s.Host != "" {
		m["host"] = s.Host
	}
	return m
}

// Digest is the SHA-256 of what b says besides its signature, as [Signature.About]
// holds it: a signature for one act is good for no other.
func (b Body) Digest() (string, error) {
	b.Signature = nil
	raw, err := json.Marshal(b)
	if err != nil {
		return "", fmt.Errorf("encode a body: %w", err)
	}
	if raw, err = jcs.Transform(raw); err != nil {
		return "", fmt.Errorf("encode a body: %w", err)
	}
	return hashOf(raw), nil
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

func denied(format string, args ...any) *hansa.Error {
	return hansa.Errorf(hansa.Denied, format, args...).With(hansa.CodeForbidden).At("/signature")
}
