package trust

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/hansa-exchange/hansa"
)

// CredentialKind says how a credential is presented.
type CredentialKind string

// The kinds of credential. Values are written to disk.
const (
	Bearer CredentialKind = "bearer" // Authorization: Bearer SECRET
	Basic  CredentialKind = "basic"  // Authorization: Basic, the id as user and the secret as password
	Header CredentialKind = "header" // a header that the party names
)

// CredentialSpec is what a new credential shall be.
type CredentialSpec struct {
	Party      hansa.PartyID
	Name       string // [hansa.ValidName]; unique among the party's live credentials
	Kind       CredentialKind
	HeaderName string // of kind Header only
	Rights     []hansa.Right
	Purposes   []hansa.Purpose // empty: those of the flow
	Test       bool            // reaches test flows only
	// Before is the one hosted party that it may be shown to, for a peer that this
	// party keeps; empty is any.
	Before  hansa.PartyID
	Expires time.Time // zero: never
	// Secret fixes the secret, for tests and demonstrations; empty takes a random
	// one, the only kind that is fit for use.
	Secret Secret
}

// Credential is what is known of a credential: everything but its secret.
type Credential struct {
	ID         string          `json:"id"`
	Party      hansa.PartyID   `json:"party"`
	Name       string          `json:"name"`
	Kind       CredentialKind  `json:"kind"`
	HeaderName string          `json:"headerName,omitempty"`
	Rights     []hansa.Right   `json:"rights"`
	Purposes   []hansa.Purpose `json:"purposes,omitempty"`
	Test       bool            `json:"test,omitempty"`
	Before     hansa.PartyID   `json:"before,omitempty"` // the one hosted party that it may be shown to; empty is any
	Issued     time.Time       `json:"issued"`
	Expires    time.Time       `json:"expires,omitzero"`
	Revoked    time.Time       `json:"revoked,omitzero"`
	// ReplacedBy is the id of the credential that rotation put in its place.
	ReplacedBy string    `json:"replacedBy,omitempty"`
	LastUsed   time.Time `json:"-"` // to the minute
}

// live reports whether c may be used at now; why says why not.
func (c *Credential) live(now, cutoff time.Time) (why string) {
	switch {
	case !c.Revoked.IsZero():
		return "the credential was revoked"
	case !c.Expires.IsZero() && !now.Before(c.Expires):
		return "the credential has expired"
	case c.Issued.Before(cutoff):
		return "the credential was issued before this node was restored"
	}
	return ""
}

// minSecretBytes keeps a fixed secret from being one that can be guessed.
const minSecretBytes = 16

func (c *CredentialSpec) validate() error {
	switch {
	case !hansa.ValidName(c.Name):
		return hansa.Fielded("/name", "a credential's name is 1 to 63 of a-z, 0-9 and hyphen, not %q", c.Name)
	case len(c.Rights) == 0:
		return hansa.Fielded("/rights", "a credential needs at least one right")
	case len(c.Purposes) > PurposesMax:
		return hansa.Fielded("/purposes", "a credential has at most %d purposes", PurposesMax)
	case c.Party == hansa.PublicParty:
		return hansa.Fielded("/party", "the public has no credentials")
	case !c.Secret.IsZero() && len(c.Secret.v) < minSecretBytes:
		return hansa.Fielded("/secret", "a secret has at least %d bytes", minSecretBytes)
	}
	if c.Before != "" && (c.Kind != Bearer || !slices.Equal(c.Rights, []hansa.Right{hansa.RightConnect})) {
		return hansa.Fielded("/rights", "what is shown to one party alone is a bearer credential with the right connect alone")
	}
	for _, right := range c.Rights {
		switch right {
		case hansa.RightRead, hansa.RightPublish, hansa.RightReceipt, hansa.RightControl, hansa.RightConnect, hansa.RightManage, hansa.RightAdmin:
		default:
			return hansa.Fielded("/rights", "there is no right %q", right)
		}
	}
	switch c.Kind {
	case Bearer, Basic:
		if c.HeaderName != "" {
			return hansa.Fielded("/headerName", "only a credential of kind header names a header")
		}
		return nil
	case Header:
		return validHeader(c.HeaderName)
	}
	return hansa.Fielded("/kind", "a credential is bearer, basic or header, not %q", c.Kind)
}

// validHeader keeps a credential out of headers that mean something already.
func validHeader(name string) error {
	canonical := http.CanonicalHeaderKey(name)
	switch {
	case !httpguts.ValidHeaderFieldName(name) || len(name) > 64 || name != canonical:
		return hansa.Fielded("/headerName", "a header name is at most 64 letters, digits and hyphens in canonical form (%q), not %q", canonical, name)
	case strings.HasPrefix(name, "Hansa-"), strings.HasPrefix(name, "Content-"), strings.HasPrefix(name, "Accept"),
		strings.HasPrefix(name, "Sec-"), strings.HasPrefix(name, "Proxy-"), strings.HasPrefix(name, "X-Forwarded"),
		strings.HasPrefix(name, "If-"), slices.Contains([]string{
			"Authorization", "Connection", "Cookie", "Host", "Origin", "Referer", "User-Agent", "Last-Event-Id",
			"Range", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Forwarded", "Via", "Date", "Cache-Control",
		}, name):
		return hansa.Fielded("/headerName", "the header %s has a meaning already; take one like X-Api-Key", name)
	}
	return nil
}

// AddCredential stores a new credential and returns it with its secret, which is
// shown this once and kept as a hash alone. A taken name is Conflict.
//
// SHA-256 without salt or stretching is enough for a secret of 256 random bits:
// there is nothing to guess, and the check costs no more than a lookup.
func (r *Registry) AddCredential(tx hansa.Tx, spec CredentialSpec) (Credential, Secret, error) {
	if err := spec.validate(); err != nil {
		return Credential{}, Secret{}, err
	}
	if err := hasParty(tx, spec.Party); err != nil {
		return Credential{}, Secret{}, err
	}
	now := r.cfg.Now().UTC()
	live, taken := 0, false
	err := scanCredentials(tx, `WHERE party = ?`, []any{string(spec.Party)}, func(c storedCredential, damaged error) {
		if damaged == nil && c.live(now, time.Time{}) == "" {
			live++
			taken = taken || c.Name == spec.Name && c.ReplacedBy == ""
		}
	})
	switch {
	case err != nil:
		return Credential{}, Secret{}, err
	case taken:
		return Credential{}, Secret{}, hansa.Errorf(hansa.Conflict, "the party has a credential named %q already", spec.Name).
			WithHint("rotate or revoke that one, or take another name")
	case live >= CredentialsMax:
		return Credential{}, Secret{}, hansa.Errorf(hansa.Busy, "the party has %d credentials, as many as it may", CredentialsMax)
	}
	return r.issue(tx, spec, now)
}

func (r *Registry) issue(tx hansa.Tx, spec CredentialSpec, now time.Time) (Credential, Secret, error) {
	secret := spec.Secret
	if secret.IsZero() {
		secret = newSecret()
	}
	c := Credential{
		ID: hansa.NewID(now), Party: spec.Party, Name: spec.Name, Kind: spec.Kind, HeaderName: spec.HeaderName,
		Rights: slices.Clone(spec.Rights), Purposes: slices.Clone(spec.Purposes), Test: spec.Test, Before: spec.Before,
		Issued: now, Expires: spec.Expires.UTC(),
	}
	if spec.Expires.IsZero() {
		c.Expires = time.Time{}
	}
	hash := sha256.Sum256([]byte(secret.v))
	doc, sum, err := seal(c, c.ID, string(c.Party), string(hash[:]))
	if err != nil {
		return c, Secret{}, err
	}
	n, err := count(tx, `SELECT COUNT(*) FROM trust_credentials WHERE secret = ?`, hash[:])
	if err != nil {
		return c, Secret{}, err
	}
	if n > 0 {
		return c, Secret{}, hansa.Errorf(hansa.Conflict, "that secret is in use already")
	}
	_, err = tx.Exec(`INSERT INTO trust_credentials (id, party, secret, doc, sum) VALUES (?, ?, ?, ?, ?)`,
		c.ID, string(c.Party), hash[:], doc, sum)
	if err != nil {
		return c, Secret{}, fmt.Errorf("write credential %s: %w", c.ID, err)
	}
	return c, secret, r.tell(tx, "credential-issued", &c, now)
}

// tell journals what became of c. Its document is erasable; the entry names nobody.
func (r *Registry) tell(tx hansa.Tx, kind string, c *Credential, now time.Time) error {
	return r.journal(tx, c.Party, kind, c, now)
}

// Revoke ends party's credential id at once. An unknown one is NotFound; revoking
// twice changes nothing.
func (r *Registry) Revoke(tx hansa.Tx, party hansa.PartyID, id string) error {
	c, err := credential(tx, party, id)
	if err != nil {
		return err
	}
	if !c.Revoked.IsZero() {
		return nil
	}
	now := r.cfg.Now().UTC()
	c.Revoked = now
	if err := c.update(tx); err != nil {
		return err
	}
	return r.tell(tx, "credential-revoked", &c.Credential, now)
}

// Rotate puts a new credential with a new secret in the place of id, which stays
// good for overlap. Rotating what is no longer good is Conflict.
func (r *Registry) Rotate(tx hansa.Tx, party hansa.PartyID, id string, overlap time.Duration) (Credential, Secret, error) {
	c, err := credential(tx, party, id)
	if err != nil {
		return Credential{}, Secret{}, err
	}
	now := r.cfg.Now().UTC()
	if why := c.live(now, time.Time{}); why != "" || c.ReplacedBy != "" {
		return Credential{}, Secret{}, hansa.Errorf(hansa.Conflict, "only a credential in use can be rotated; this one was revoked, replaced or has expired")
	}
	if overlap < 0 {
		return Credential{}, Secret{}, hansa.Fielded("/overlap", "an overlap is not negative")
	}
	fresh, secret, err := r.issue(tx, CredentialSpec{
		Party: c.Party, Name: c.Name, Kind: c.Kind, HeaderName: c.HeaderName,
		Rights: c.Rights, Purposes: c.Purposes, Test: c.Test, Before: c.Before, Expires: c.Expires,
	}, now)
	if err != nil {
		return Credential{}, Secret{}, err
	}
	if until := now.Add(overlap); c.Expires.IsZero() || until.Before(c.Expires) {
		c.Expires = until
	}
	c.ReplacedBy = fresh.ID
	if err := c.update(tx); err != nil {
		return Credential{}, Secret{}, err
	}
	return fresh, secret, r.tell(tx, "credential-replaced", &c.Credential, now)
}

// RefuseIssuedBefore makes every credential issued before t useless: what a
// restore calls, since the copy may not know what was revoked after it was made.
func (*Registry) RefuseIssuedBefore(tx hansa.Tx, t time.Time) error {
	_, err := tx.Exec(`INSERT INTO trust_cutoff (id, at) VALUES (1, ?)
		ON CONFLICT (id) DO UPDATE SET at = excluded.at`, t.UnixMilli())
	if err != nil {
		return fmt.Errorf("write the cut-off: %w", err)
	}
	return nil
}

// storedCredential is a credential with the hash of its secret.
type storedCredential struct {
	Credential
	hash [sha256.Size]byte
}

func (c *storedCredential) update(tx hansa.Tx) error {
	doc, sum, err := seal(c.Credential, c.ID, string(c.Party), string(c.hash[:]))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE trust_credentials SET doc = ?, sum = ? WHERE id = ?`, doc, sum, c.ID); err != nil {
		return fmt.Errorf("write credential %s: %w", c.ID, err)
	}
	return nil
}

func credential(tx hansa.Tx, party hansa.PartyID, id string) (found storedCredential, err error) {
	notFound := error(hansa.Errorf(hansa.NotFound, "the party has no credential %q", id))
	err = scanCredentials(tx, `WHERE party = ? AND id = ?`, []any{string(party), id}, func(c storedCredential, damaged error) {
		found, notFound = c, damaged
	})
	if err != nil {
		return found, err
	}
	return found, notFound
}

// scanCredentials hands each row to each, with an error when it is damaged.
func scanCredentials(tx hansa.Tx, where string, args []any, each func(storedCredential, error)) error {
	rows, err := tx.Query(`SELECT id, party, secret, doc, sum, last_used FROM trust_credentials `+where+` ORDER BY id`, args...)
	if err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only; rows.Err tells
	for rows.Next() {
		var c storedCredential
		var id, party string
		var hash, doc, sum []byte
		var used int64
		if err := rows.Scan(&id, &party, &hash, &doc, &sum, &used); err != nil {
			return fmt.Errorf("read credentials: %w", err)
		}
		copy(c.hash[:], hash)
		err := unseal("credential", doc, sum, &c.Credential, id, party, string(hash))
		if used > 0 {
			c.LastUsed = time.UnixMilli(used).UTC()
		}
		each(c, err)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	return nil
}
