package trust

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Vouched is who somebody is by the word of a sign-in service (OpenID Connect
// Core 1.0, section 2). Mail is believed only when the service verified it.
type Vouched struct {
	Issuer, Subject string
	Mail            string
	MailVerified    bool
}

// identityMax bounds what a service calls somebody, in bytes.
const identityMax = 1024

// boundIdentity is a row: whom a service's subject is here.
type boundIdentity struct {
	User  string    `json:"user"`
	Bound time.Time `json:"bound"`
}

// Try counts a try to sign in that costs a call elsewhere; too many from one
// address are Busy, with [Throttled] as the cause.
func (r *Registry) Try(from From) error { return r.try("", from) }

// SignInAs begins a session for the live user of party whom a sign-in service
// proved to be there. The first time the user is found by verified mail, and from
// then on by the service's own name for it alone. Who is nobody here is Denied with
// [hansa.CodeUnauthenticated].
func (r *Registry) SignInAs(ctx context.Context, party hansa.PartyID, id Vouched, from From) (Session, Secret, error) {
	if id.Issuer == "" || id.Subject == "" || len(id.Issuer)+len(id.Subject)+len(id.Mail) > identityMax {
		return Session{}, Secret{}, hansa.Errorf(hansa.Denied, "the sign-in service does not say who you are").With(hansa.CodeUnauthenticated)
	}
	sum := sha256.Sum256([]byte(id.Issuer + "\x00" + id.Subject))
	key := "identity\x00" + hex.EncodeToString(sum[:])
	if err := r.try(key, from); err != nil {
		return Session{}, Secret{}, err
	}
	user := ""
	err := r.Change(ctx, func(tx hansa.Tx) (err error) {
		user, err = r.bound(tx, party, id)
		return err
	})
	if err != nil {
		return Session{}, Secret{}, err
	}
	session, token, err := r.begin(ctx, user, from, "identity", func(hansa.Tx, *storedUser) error { return nil })
	if err == nil {
		r.tries.forgive(key)
	}
	return session, token, err
}

// bound finds the user that id is, and binds it the first time.
func (r *Registry) bound(tx hansa.Tx, party hansa.PartyID, id Vouched) (string, error) {
	var doc, sum []byte
	var was boundIdentity
	err := tx.QueryRow(`SELECT doc, sum FROM trust_identities WHERE issuer = ? AND subject = ?`, id.Issuer, id.Subject).Scan(&doc, &sum)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return "", fmt.Errorf("read an identity: %w", err)
	default:
		if err := unseal("identity", doc, sum, &was, id.Issuer, id.Subject); err != nil {
			return "", err
		}
		u, err := user(tx, was.User)
		if err != nil || u.Revoked.IsZero() && u.Party == party {
			return u.ID, err
		} // its user has ended: another one may have its mail now
	}
	if !id.MailVerified || id.Mail == "" {
		return "", hansa.Errorf(hansa.Denied, "the sign-in service does not vouch for your mail address").With(hansa.CodeUnauthenticated)
	}
	var found []storedUser
	err = scanUsers(tx, `WHERE party = ?`, []any{string(party)}, func(u storedUser, damaged error) {
		if damaged == nil && u.Revoked.IsZero() && strings.EqualFold(u.Mail, id.Mail) {
			found = append(found, u)
		}
	})
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		says := map[bool]string{true: "nobody here has the address %s", false: "several users here have the address %s"}[len(found) == 0]
		return "", hansa.Errorf(hansa.Denied, says, id.Mail).With(hansa.CodeUnauthenticated).WithHint("whoever manages the users adds you with it: hansa users add NAME --mail " + id.Mail)
	}
	u, now := &found[0], r.cfg.Now().UTC()
	if doc, sum, err = seal(boundIdentity{User: u.ID, Bound: now}, id.Issuer, id.Subject); err != nil {
		return "", err
	}
	if _, err := tx.Exec(`INSERT INTO trust_identities (issuer, subject, doc, sum) VALUES (?, ?, ?, ?) ON CONFLICT (issuer, subject) DO UPDATE SET doc = excluded.doc, sum = excluded.sum`, id.Issuer, id.Subject, doc, sum); err != nil {
		return "", fmt.Errorf("bind an identity: %w", err)
	}
	return u.ID, r.tellUser(tx, "identity-bound", &u.User, userAct{By: u.ID, How: "identity"}, now)
}
