package journal

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hansa-exchange/hansa"
)

// Trust is what a verifier knows besides the bundle. The zero Trust knows nobody.
type Trust struct {
	// Keys are note verifier key lines that the verifier holds already.
	Keys []string
	// Checkpoint is a checkpoint of the log that the verifier saved earlier. It
	// establishes the key that signed it, and the bundle must show that the log
	// has only grown since.
	Checkpoint []byte
	// AcceptEmbeddedKey takes the key that the bundle brings itself, which proves
	// nothing about who made it.
	AcceptEmbeddedKey bool
	// Signature checks a detached JWS over payload by a public JWK and returns the
	// key's id. Nil fails every bundle that holds a signature.
	Signature func(jwk, payload []byte, jws string) (kid string, err error)
	// Further checks what proven facts say together, after all else held: one Check for
	// each thing, and the first that is not OK fails the bundle. Nil checks no more.
	Further func(facts []Fact) []Check
}

// ParseKeys reads a trust file: one note verifier key a line; empty lines and
// lines that begin with # are skipped. An Invalid error names the bad line.
func ParseKeys(file []byte) ([]string, error) {
	var keys []string
	for i, line := range strings.Split(string(file), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if _, err := note.NewVerifier(line); err != nil {
			return nil, hansa.Errorf(hansa.Invalid, "line %d is not a verifier key (NAME+HASH+KEY): %w", i+1, err)
		}
		keys = append(keys, line)
	}
	if len(keys) == 0 {
		return nil, hansa.Errorf(hansa.Invalid, "there is no verifier key in the trust file")
	}
	return keys, nil
}

// SignerStatus says how the signer of a bundle is known.
type SignerStatus string

// The ways a signer is known. The zero value is not at all.
const (
	SignerUnknown     SignerStatus = "not established"
	SignerTrusted     SignerStatus = "established by a key that you hold"
	SignerRemembered  SignerStatus = "established by the checkpoint that you saved"
	SignerEmbeddedKey SignerStatus = "accepted on the bundle's own word"
)

// Check is one thing that was checked.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Fact is what a bundle proves about one fact.
type Fact struct {
	Kind     hansa.FactKind `json:"kind"`
	Act      string         `json:"act,omitempty"` // the entry's kind, for an act
	Sealed   time.Time      `json:"sealed"`        // when its entry was made
	Entry    int64          `json:"entry"`
	Position int64          `json:"position"`
	Doc      string         `json:"doc,omitempty"`
	Content  []byte         `json:"content,omitempty"`
	Key      string         `json:"key,omitempty"` // id of the key that signed it, when it is signed
	// Registered reports whether the bundle shows that key's registration.
	Registered bool   `json:"registered,omitempty"`
	Erased     *Gone  `json:"erased,omitempty"`
	Leaf       string `json:"leaf"`
}

// Gone says what became of an erased fact.
type Gone struct {
	At    time.Time `json:"at"`
	Rule  string    `json:"rule"` // the rule or clause under which it was erased
	Entry int64     `json:"entry"`
}

// Restore is an epoch that the log itself declares: the node started over from
// the checkpoint of Size.
type Restore struct {
	Epoch string    `json:"epoch"`
	Size  int64     `json:"size"`
	At    time.Time `json:"at"`
	Entry int64     `json:"entry"`
}

// Report is the outcome of [Verify]. OK is true only when every check holds and
// the signer is known.
type Report struct {
	OK         bool         `json:"ok"`
	Consistent bool         `json:"consistent"` // every check but the signer's holds
	Signer     SignerStatus `json:"signer"`
	Origin     string       `json:"origin"`
	Key        string       `json:"key"`
	Size       int64        `json:"size"`
	Root       string       `json:"root"`
	Checks     []Check      `json:"checks"`
	Facts      []Fact       `json:"facts"`
	Restores   []Restore    `json:"restores,omitempty"`
	Cautions   []string     `json:"cautions,omitempty"` // what is true but proves less than it seems
}

// fail notes a failed check and returns it as an error of kind Invalid.
func (r *Report) fail(name, format string, args ...any) error {
	detail := fmt.Sprintf(format, args...)
	r.Checks = append(r.Checks, Check{Name: name, Detail: detail})
	return hansa.Errorf(hansa.Invalid, "%s: %s", name, detail)
}

func (r *Report) pass(name, format string, args ...any) {
	r.Checks = append(r.Checks, Check{Name: name, OK: true, Detail: fmt.Sprintf(format, args...)})
}
