package trust

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a string that never shows itself: printed, logged or encoded it is
// "redacted". Reveal is the one way out.
type Secret struct{ v string }

const redacted = "redacted"

// NewSecret wraps v.
func NewSecret(v string) Secret { return Secret{v: v} }

// secretPrefix lets scanners find a secret that was committed by mistake.
const secretPrefix = "hansa_"

// newSecret returns 256 random bits in a form that fits any header.
func newSecret() Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return Secret{v: secretPrefix + base64.RawURLEncoding.EncodeToString(b[:])}
}

// Reveal returns the secret itself, to hand it over or to compare it.
func (s Secret) Reveal() string { return s.v }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.v == "" }

// String implements [fmt.Stringer].
func (Secret) String() string { return redacted }

// Format implements [fmt.Formatter] for every verb, %#v and %x among them.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements [encoding.TextMarshaler], and so JSON and XML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
