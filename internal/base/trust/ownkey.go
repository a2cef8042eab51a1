package trust

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// AddKey registers the public half of a signature key that the party keeps itself: the
// node never sees the private one. One that replaces another of its own brings that
// one's endorsement, a detached JWS over [Key.Statement]; the old key then ends a day
// after the new one begins. A key that is there already is Conflict.
func (r *Registry) AddKey(tx hansa.Tx, k Key) (Key, error) {
	k.Use, k.ValidTo, k.Revoked, k.Reason = UseSignature, time.Time{}, time.Time{}, ""
	parsed, kid, err := publicKey([]byte(k.JWK))
	if err != nil {
		return k, err
	}
	now := r.cfg.Now().UTC()
	if k.ValidFrom.IsZero() {
		k.ValidFrom = now
	}
	if k.ValidFrom.Before(now.Add(-hansa.SkewMax)) || k.ValidFrom.After(now.Add(overlapMax)) {
		return k, hansa.Fielded("/validFrom", "a key begins now, or within %s", overlapMax)
	}
	public, err := parsed.MarshalJSON()
	if err != nil {
		return k, err
	}
	k.KID, k.JWK = kid, string(public)
	var old *partyKey
	if k.Replaces != "" || k.Endorsed != "" {
		if old, err = r.endorser(tx, &k, now); err != nil {
			return k, err
		}
	}
	if _, err = r.register(tx, k); err != nil || old == nil {
		return k, err
	}
	was := old.Key
	was.ValidTo = k.ValidFrom.UTC().Add(KeyOverlap)
	if err := updateKey(tx, &was); err != nil {
		return k, err
	}
	return k, r.journal(tx, k.Party, "key-replaced", &was, now)
}

// endorser returns the key in whose place k comes, when that key signed for it.
func (*Registry) endorser(tx hansa.Tx, k *Key, now time.Time) (*partyKey, error) {
	var old *partyKey
	var bad error
	err := scanKeys(tx, `WHERE party = ? AND kid = ?`, []any{string(k.Party), k.Replaces}, func(found *partyKey, damaged error) {
		old, bad = found, damaged
	})
	if err = cmp.Or(err, bad); err != nil {
		return nil, err
	}
	if old == nil || old.Use != k.Use {
		return nil, hansa.Errorf(hansa.NotFound, "the party has no signature key %.100q that could be replaced", k.Replaces).WithHint("hansa keys list").At("/replaces")
	}
	if why := old.ValidAt(now); why != "" || !old.ValidTo.IsZero() {
		return nil, hansa.Errorf(hansa.Conflict, "the key %s was replaced, was revoked or has expired", k.Replaces).WithHint("hansa keys list; replace the newest").At("/replaces")
	}
	kid, err := VerifyDetached([]byte(old.JWK), k.Statement(), k.Endorsed)
	if err != nil || kid != old.KID {
		return nil, hansa.Errorf(hansa.Denied, "the key %s did not sign for its successor: %w", k.Replaces, err).With(hansa.CodeForbidden).At("/endorsed")
	}
	return old, nil
}

// Endorse returns old's detached JWS for its successor k, for [Registry.AddKey].
func Endorse(old *PrivateKey, k *Key) (string, error) { return signDetached(old, k.Statement(), nil) }

// Holds reports whether the node has the private half of party's key kid.
func (r *Registry) Holds(ctx context.Context, party hansa.PartyID, kid string) (bool, error) {
	s, err := r.load(ctx)
	return err == nil && s.holds(party, kid), err
}

// LearnKey keeps the signature key of a party that lives elsewhere, as its DID document
// listed it at seen: what it signed stays proven when the document lists it no more.
// The row of the party is made when there is none. One that is known already, and the
// same, is left as it is.
func (r *Registry) LearnKey(tx hansa.Tx, party hansa.PartyID, jwk []byte, seen time.Time) error {
	_, kid, err := publicKey(jwk)
	if err != nil {
		return err
	}
	n, err := count(tx, `SELECT COUNT(*) FROM trust_keys WHERE party = ? AND kid = ?`, string(party), kid)
	if err != nil || n > 0 {
		return err
	}
	if err := r.peerParty(tx, &Peer{ID: party, Name: nameOf(party), Title: string(party)}); err != nil {
		return err
	}
	_, err = r.register(tx, Key{Party: party, JWK: string(jwk), Use: UseSignature, ValidFrom: seen})
	return err
}

// EndLearned notes that the document of a party that lives elsewhere lists its key kid
// no more since at. One that is not known, or has ended, is left as it is.
func (r *Registry) EndLearned(tx hansa.Tx, party hansa.PartyID, kid string, at time.Time) error {
	var found *partyKey
	var bad error
	err := scanKeys(tx, `WHERE party = ? AND kid = ?`, []any{string(party), kid}, func(k *partyKey, damaged error) {
		found, bad = k, damaged
	})
	if err = cmp.Or(err, bad); err != nil || found == nil || !found.ValidTo.IsZero() || !at.After(found.ValidFrom) {
		return err
	}
	k := found.Key
	k.ValidTo = at.UTC()
	if err := updateKey(tx, &k); err != nil {
		return err
	}
	return r.journal(tx, party, "key-gone", &k, r.cfg.Now())
}

// nameOf makes a name for a party of which the DID alone is known.
func nameOf(party hansa.PartyID) string {
	parts := strings.FieldsFunc(strings.ToLower(strings.TrimPrefix(string(party), "did:web:")), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9')
	})
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "parties" })
	name := strings.Join(parts, "-")
	name = strings.Trim(name[:min(len(name), 60)], "-")
	if !hansa.ValidName(name) {
		return "party-" + strconv.Itoa(len(party))
	}
	return name
}
