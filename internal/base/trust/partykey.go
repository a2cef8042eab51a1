package trust

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hansa-exchange/hansa"
)

// Key is a party's public key. It is kept for ever: a signature is checked
// against the key that was valid when it was made.
type Key struct {
	KID       string        `json:"kid"`
	Party     hansa.PartyID `json:"party"`
	JWK       string        `json:"jwk"`
	ValidFrom time.Time     `json:"validFrom"`
	ValidTo   time.Time     `json:"validTo,omitzero"` // zero: open
	Revoked   time.Time     `json:"revoked,omitzero"` // from then on it is good for nothing
	Reason    string        `json:"reason,omitempty"`
	// Use is what is signed with it; empty is receipts.
	Use KeyUse `json:"use,omitempty"`
	// Replaces is the key in whose place it came, and Endorsed that key's detached
	// JWS over [Key.Statement].
	Replaces string `json:"replaces,omitempty"`
	Endorsed string `json:"endorsed,omitempty"`
}

// ValidAt reports whether the key was good at t; why says why not.
func (k *Key) ValidAt(t time.Time) (why string) {
	switch {
	case t.Before(k.ValidFrom):
		return "the key was not valid yet"
	case !k.ValidTo.IsZero() && !t.Before(k.ValidTo):
		return "the key had expired"
	case !k.Revoked.IsZero() && !t.Before(k.Revoked):
		return "the key was revoked"
	}
	return ""
}

// partyKey is a key with its parsed form.
type partyKey struct {
	Key
	parsed jose.JSONWebKey
}

// RegisterKey adds a public key (JWK, EC P-256 or Ed25519) to party's and journals
// it. Its id is its RFC 7638 thumbprint. A key that is there already is Conflict.
func (r *Registry) RegisterKey(tx hansa.Tx, party hansa.PartyID, jwk []byte, from, to time.Time) (kid string, err error) {
	return r.register(tx, Key{Party: party, JWK: string(jwk), ValidFrom: from, ValidTo: to})
}

// register stores k under the thumbprint of its JWK.
func (r *Registry) register(tx hansa.Tx, k Key) (kid string, err error) {
	parsed, kid, err := publicKey([]byte(k.JWK))
	if err != nil {
		return "", err
	}
	if k.ValidFrom.IsZero() || !k.ValidTo.IsZero() && !k.ValidTo.After(k.ValidFrom) {
		return "", hansa.Fielded("/validFrom", "a key is valid from a time to a later one")
	}
	if err := hasParty(tx, k.Party); err != nil {
		return "", err
	}
	n, err := count(tx, `SELECT COUNT(*) FROM trust_keys WHERE party = ?`, string(k.Party))
	if err != nil {
		return "", err
	}
	if n >= KeysMax {
		return "", hansa.Errorf(hansa.Busy, "the party has %d keys, as many as it may", KeysMax)
	}
	// A key of two parties would let one sign for the other.
	if n, err = count(tx, `SELECT COUNT(*) FROM trust_keys WHERE kid = ?`, kid); err != nil {
		return "", err
	}
	if n > 0 {
		return "", hansa.Errorf(hansa.Conflict, "the key %s is registered already", kid)
	}
	public, err := parsed.MarshalJSON()
	if err != nil {
		return "", fmt.Errorf("encode a key: %w", err)
	}
	k.KID, k.JWK, k.ValidFrom = kid, string(public), k.ValidFrom.UTC()
	if !k.ValidTo.IsZero() {
		k.ValidTo = k.ValidTo.UTC()
	}
	doc, sum, err := seal(k, string(k.Party), kid)
	if err != nil {
		return "", err
	}
	_, err = tx.Exec(`INSERT INTO trust_keys (party, kid, doc, sum) VALUES (?, ?, ?, ?)`, string(k.Party), kid, doc, sum)
	if err != nil {
		return "", fmt.Errorf("write key %s: %w", kid, err)
	}
	return kid, r.journal(tx, k.Party, "key-registered", &k, r.cfg.Now())
}

func updateKey(tx hansa.Tx, k *Key) error {
	doc, sum, err := seal(k, string(k.Party), k.KID)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE trust_keys SET doc = ?, sum = ? WHERE party = ? AND kid = ?`, doc, sum, string(k.Party), k.KID); err != nil {
		return fmt.Errorf("write key %s: %w", k.KID, err)
	}
	return nil
}

// RevokeKey ends party's key kid as of at, for reason. Signatures taken before
// stay good. A key revoked already may only be revoked as of an earlier time.
func (r *Registry) RevokeKey(tx hansa.Tx, party hansa.PartyID, kid string, at time.Time, reason string) error {
	switch {
	case at.IsZero():
		return hansa.Fielded("/at", "a revocation says as of when")
	case reason == "" || len(reason) > 500:
		return hansa.Fielded("/reason", "a revocation says why, in at most 500 bytes")
	}
	var found []*partyKey
	var damaged error
	err := scanKeys(tx, `WHERE party = ? AND kid = ?`, []any{string(party), kid}, func(k *partyKey, err error) {
		found, damaged = append(found, k), err
	})
	switch {
	case err != nil:
		return err
	case damaged != nil:
		return damaged
	case len(found) == 0:
		return hansa.Errorf(hansa.NotFound, "the party has no key %q", kid)
	}
	k := found[0].Key
	if !k.Revoked.IsZero() && !at.Before(k.Revoked) {
		return hansa.Errorf(hansa.Conflict, "the key was revoked as of %s already", k.Revoked.Format(time.RFC3339))
	}
	k.Revoked, k.Reason = at.UTC(), reason
	if err := updateKey(tx, &k); err != nil {
		return err
	}
	if !at.After(r.cfg.Now()) {
		if err := forgetPrivate(tx, party, kid); err != nil {
			return err
		}
	}
	return r.journal(tx, party, "key-revoked", &k, r.cfg.Now())
}

// Keys returns all keys that party ever had, oldest first.
func (r *Registry) Keys(ctx context.Context, party hansa.PartyID) ([]Key, error) {
	s, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Key, 0, len(s.keys[party]))
	for _, k := range s.keys[party] {
		out = append(out, k.Key)
	}
	slices.SortFunc(out, func(a, b Key) int { return a.ValidFrom.Compare(b.ValidFrom) })
	return out, nil
}

// VerifyReceipt checks party's detached JWS over a receipt's exact bytes and
// returns the id of the key that signed it: one of party's own, valid at the
// given time. at is when the receipt arrived, never what it says of itself: the
// thief of a revoked key would date it back. Errors are Denied and say why.
func (r *Registry) VerifyReceipt(ctx context.Context, party hansa.PartyID, receipt []byte, jws string, at time.Time) (kid string, err error) {
	p, err := header(jws)
	if err != nil {
		return "", err
	}
	s, err := r.load(ctx)
	if err != nil {
		return "", err
	}
	k := s.keys[party][p.Kid]
	if k == nil {
		return "", refuse("the key %s is not one that this party registered", p.Kid)
	}
	if p.Alg != k.parsed.Algorithm {
		return "", refuse("the key %s signs with %s, not %s", p.Kid, k.parsed.Algorithm, p.Alg)
	}
	if why := k.ValidAt(at); why != "" {
		return "", refuse("%s at %s", why, at.UTC().Format(time.RFC3339))
	}
	return p.Kid, verify(k.parsed, receipt, jws)
}

// PublicKey returns the JWK of party's key kid, for a proof bundle, or NotFound.
func (r *Registry) PublicKey(ctx context.Context, party hansa.PartyID, kid string) ([]byte, error) {
	s, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	k := s.keys[party][kid]
	if k == nil {
		return nil, hansa.Errorf(hansa.NotFound, "the party has no key %q", kid)
	}
	return []byte(k.JWK), nil
}

func scanKeys(tx hansa.Tx, where string, args []any, each func(*partyKey, error)) error {
	rows, err := tx.Query(`SELECT party, kid, doc, sum FROM trust_keys `+where, args...)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only; rows.Err tells
	for rows.Next() {
		var party, kid string
		var doc, sum []byte
		if err := rows.Scan(&party, &kid, &doc, &sum); err != nil {
			return fmt.Errorf("read keys: %w", err)
		}
		k := &partyKey{}
		err := unseal("key", doc, sum, &k.Key, party, kid)
		if err == nil {
			k.parsed, _, err = publicKey([]byte(k.JWK))
		}
		each(k, err)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	return nil
}
