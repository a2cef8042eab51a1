package trust

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/hansa-exchange/hansa"
)

// What a password is kept with: argon2id (RFC 9106), above the least that OWASP
// advises. A hash carries its parameters; one made with others is made anew when
// its owner signs in.
const (
	argonMemory = 32 << 10 // KiB
	argonTime   = 3
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32

	// PasswordMin and PasswordMax bound a password, in characters and in bytes.
	PasswordMin = 12
	PasswordMax = 1024

	// hashersMax bounds the memory that passwords under check take.
	hashersMax = 4
)

// passwordHash is a password as it is kept, in the form of the PHC string format.
type passwordHash string

// hashers lets few passwords be worked on at once, since each takes 32 MiB.
type hashers chan struct{}

func (h hashers) enter(ctx context.Context) error {
	select {
	case h <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (h hashers) leave() { <-h }

// hash makes the hash that is kept of password.
func (h hashers) hash(ctx context.Context, password string) (passwordHash, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	var salt [argonSalt]byte
	_, _ = rand.Read(salt[:]) // never fails: crypto/rand ends the program instead
	return encodeHash(password, salt[:], argonMemory, argonTime, argonLanes), nil
}

func encodeHash(password string, salt []byte, memory, time uint32, lanes uint8) passwordHash {
	key := argon2.IDKey([]byte(norm.NFC.String(password)), salt, time, memory, lanes, argonKey)
	b64 := base64.RawStdEncoding
	return passwordHash(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, time, lanes, b64.EncodeToString(salt), b64.EncodeToString(key)))
}

// check says whether password is the one that was hashed, and whether its hash is
// of older parameters. An empty or damaged hash costs as much and matches nothing,
// so that nobody learns by time who has a password.
func (h hashers) check(ctx context.Context, kept passwordHash, password string) (ok, stale bool, err error) {
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.leave()
	salt, memory, time, lanes, sound := kept.parts()
	made := encodeHash(password, salt, memory, time, lanes)
	same := subtle.ConstantTimeCompare([]byte(made), []byte(kept)) == 1
	return same && sound, memory != argonMemory || time != argonTime || lanes != argonLanes, nil
}

// parts reads a hash; one that cannot be read gets today's parameters.
func (p passwordHash) parts() (salt []byte, memory, time uint32, lanes uint8, sound bool) {
	fields := strings.Split(string(p), "$")
	var version int
	if len(fields) == 6 && fields[1] == "argon2id" {
		_, verr := fmt.Sscanf(fields[2], "v=%d", &version)
		_, perr := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &memory, &time, &lanes)
		salt, err := base64.RawStdEncoding.DecodeString(fields[4])
		if verr == nil && perr == nil && err == nil && version == argon2.Version && memory > 0 && memory <= 1<<20 && time > 0 && time <= 64 && lanes > 0 {
			return salt, memory, time, lanes, true
		}
	}
	return make([]byte, argonSalt), argonMemory, argonTime, argonLanes, false
}

// goodPassword reports the first rule that a new password breaks. What u is called
// by is no password.
func goodPassword(u *User, password string) error {
	field := func(format string, args ...any) error { return hansa.Fielded("/password", format, args...) }
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		return field("a password is text in UTF-8")
	case n < PasswordMin:
		return field("a password has at least %d characters; this one has %d", PasswordMin, n)
	case len(password) > PasswordMax:
		return field("a password has at most %d bytes", PasswordMax)
	}
	low := fold(password)
	for _, part := range []string{fold(u.Name), fold(u.Mail), u.ID} {
		if part != "" && (low == part || low == strings.Repeat(part, max(1, len(low)/len(part))) || strings.TrimRight(low, "0123456789!?. ") == part) {
			return field("a password is not your name or address, nor that with figures behind it")
		}
	}
	distinct := map[rune]bool{}
	for _, r := range low {
		distinct[r] = true
	}
	if len(distinct) < 4 {
		return field("a password has at least 4 different characters")
	}
	return nil
}

// fold makes names that read alike equal.
func fold(s string) string { return strings.ToLower(norm.NFKC.String(s)) }

// GoodPassword reports the first rule that a password for a user of this name
// breaks, before anything is made of it.
func GoodPassword(name, password string) error {
	return goodPassword(&User{Name: name}, password)
}
