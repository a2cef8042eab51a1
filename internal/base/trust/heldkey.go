package trust

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// KeyUse says what a party's key is for.
type KeyUse string

// The uses. Values are written to disk; a key that a party registered for its receipts
// has none.
const (
	UseMessage   KeyUse = "message"   // messages and ID tokens: authentication in its DID document
	UseSignature KeyUse = "signature" // what binds the party: assertionMethod in its DID document
)

// Rotation of a key that the node keeps.
const (
	KeyLead    = 10 * time.Minute // a new key is published so long before it signs: longer than anybody keeps a document
	KeyOverlap = 24 * time.Hour   // the old one stays in the document so long after
	overlapMax = 90 * 24 * time.Hour
)

// heldKey is the private half of a party's key, opened when it is first needed.
type heldKey struct {
	public *partyKey
	sealed []byte
	open   func() (*PrivateKey, error)
}

func newHeldKey(public *partyKey, sealed []byte, vault Vault) *heldKey {
	return &heldKey{public: public, sealed: sealed, open: sync.OnceValues(func() (*PrivateKey, error) {
		if vault == nil {
			return nil, errors.New("the registry has no vault")
		}
		raw, err := vault.Open(sealed, keyBound(public.Party, public.KID))
		if err != nil {
			return nil, err
		}
		k, err := ParsePrivateKey(raw)
		if err == nil && k.KID() != public.KID {
			err = errors.New("the private half is another key's")
		}
		return k, err
	})}
}

func keyBound(party hansa.PartyID, kid string) string { return "key " + kid + " of " + string(party) }

// SigningKey returns the key by which the node signs for party now. The first time
// it makes one (ES256). A party that does not live on this node has none; one that
// keeps a signature key itself is not signed for, which is [ErrOwnKey].
func (r *Registry) SigningKey(ctx context.Context, party hansa.PartyID, use KeyUse) (*PrivateKey, error) {
	s, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	if k := s.signing(party, use, r.cfg.Now()); k != nil {
		return k, nil
	}
	r.making.Lock() // of many that need the first key at once, one makes it
	defer r.making.Unlock()
	if s, err = r.load(ctx); err != nil {
		return nil, err
	}
	if k := s.signing(party, use, r.cfg.Now()); k != nil {
		return k, nil
	}
	if use == UseSignature && s.keepsItself(party, r.cfg.Now()) {
		return nil, ErrOwnKey
	}
	if !s.parties[party].Hosted {
		return nil, hansa.Errorf(hansa.NotFound, "there is no party %q on this node that could sign", party)
	}
	var made *PrivateKey
	err = r.Change(ctx, func(tx hansa.Tx) (err error) {
		made, _, err = r.makeKey(tx, Key{Party: party, Use: use, ValidFrom: r.cfg.Now().UTC()}, ES256, nil)
		return err
	})
	return made, err
}

// ErrOwnKey is returned when a party keeps its signature key itself: nobody signs for it.
var ErrOwnKey error = hansa.Errorf(hansa.Conflict, "the party keeps its signature key itself").
	WithHint("sign where the key is: hansa accords sign --key FILE TEXT, and upload what it writes")

// keepsItself reports whether party registered a signature key, good at now, of which
// the node has no private half.
func (s *snapshot) keepsItself(party hansa.PartyID, now time.Time) bool {
	for kid, k := range s.keys[party] {
		if k.Use == UseSignature && k.ValidAt(now) == "" && !s.holds(party, kid) {
			return true
		}
	}
	return false
}

// holds reports whether the node has the private half of party's key kid.
func (s *snapshot) holds(party hansa.PartyID, kid string) bool {
	return slices.ContainsFunc(s.held[party], func(h *heldKey) bool { return h.public.KID == kid })
}

// signing is party's newest key of use that is good at now and can be opened. One
// that was sealed under another node key, in a copy that was restored, cannot.
func (s *snapshot) signing(party hansa.PartyID, use KeyUse, now time.Time) (best *PrivateKey) {
	var from time.Time
	for _, h := range s.held[party] {
		if h.public.Use != use || h.public.ValidAt(now) != "" || best != nil && h.public.ValidFrom.Before(from) {
			continue
		}
		if k, err := h.open(); err == nil {
			best, from = k, h.public.ValidFrom
		}
	}
	return best
}

// RotateKey puts a new key of algorithm alg in the place of party's key kid, which
// signs for it. The new one is published at once and signs after lead; the old one
// stays in the document for overlap after that.
func (r *Registry) RotateKey(tx hansa.Tx, party hansa.PartyID, kid string, alg Alg, lead, overlap time.Duration) (Key, error) {
	if lead < 0 || overlap < 0 || lead+overlap > overlapMax {
		return Key{}, hansa.Fielded("/overlap", "a lead and an overlap are 0 to %s together", overlapMax)
	}
	held, err := r.heldOf(tx, party)
	if err != nil {
		return Key{}, err
	}
	now := r.cfg.Now().UTC()
	i := slices.IndexFunc(held, func(h *heldKey) bool { return h.public.KID == kid })
	switch {
	case i < 0:
		return Key{}, hansa.Errorf(hansa.NotFound, "the node keeps no key %q of this party", kid).WithHint("hansa keys list")
	case held[i].public.ValidAt(now) != "" || slices.ContainsFunc(held, func(h *heldKey) bool { return h.public.Replaces == kid }):
		return Key{}, hansa.Errorf(hansa.Conflict, "the key %s was replaced, was revoked or has expired", kid).WithHint("hansa keys list; rotate the newest")
	}
	old := held[i]
	signer, err := old.open()
	if err != nil {
		return Key{}, hansa.Errorf(hansa.Conflict, "the key %s was sealed under another node key; it cannot sign for its successor", kid).WithHint("hansa keys revoke " + kid + "; a new one is made when it is needed")
	}
	_, fresh, err := r.makeKey(tx, Key{Party: party, Use: old.public.Use, Replaces: kid, ValidFrom: now.Add(lead)}, alg, signer)
	if err != nil {
		return Key{}, err
	}
	was := old.public.Key
	was.ValidTo = fresh.ValidFrom.Add(overlap)
	if err := updateKey(tx, &was); err != nil {
		return Key{}, err
	}
	for _, h := range held { // what has expired signs nothing any more
		if !h.public.ValidTo.IsZero() && now.After(h.public.ValidTo) {
			if err := forgetPrivate(tx, party, h.public.KID); err != nil {
				return Key{}, err
			}
		}
	}
	return fresh, r.journal(tx, party, "key-replaced", &was, now)
}

// makeKey makes a key as k says and stores both halves, the private one sealed;
// the key that it replaces signs for it.
func (r *Registry) makeKey(tx hansa.Tx, k Key, alg Alg, old *PrivateKey) (*PrivateKey, Key, error) {
	if k.Use != UseMessage && k.Use != UseSignature {
		return nil, k, hansa.Fielded("/use", "a key is for message or signature, not %q", k.Use)
	}
	private, err := GenerateKey(alg)
	for err == nil && private.KID()[0] == '-' { // people type ids where options stand
		private, err = GenerateKey(alg)
	}
	if err != nil {
		return nil, k, err
	}
	public, err := private.Public()
	if err != nil {
		return nil, k, fmt.Errorf("encode a key: %w", err)
	}
	k.KID, k.JWK = private.KID(), string(public)
	if old != nil {
		if k.Endorsed, err = signDetached(old, k.Statement(), nil); err != nil {
			return nil, k, err
		}
	}
	if _, err := r.register(tx, k); err != nil {
		return nil, k, err
	}
	raw, err := private.Marshal()
	if err != nil {
		return nil, k, fmt.Errorf("encode a key: %w", err)
	}
	sealed, err := r.sealed(raw, keyBound(k.Party, k.KID))
	if err != nil {
		return nil, k, err
	}
	_, err = tx.Exec(`INSERT INTO trust_private_keys (party, kid, sealed, sum) VALUES (?, ?, ?, ?)`, string(k.Party), k.KID, sealed, rowSum(sealed, []string{string(k.Party), k.KID}))
	if err != nil {
		return nil, k, fmt.Errorf("keep key %s: %w", k.KID, err)
	}
	return private, k, nil
}

// Statement is what the old key signs for its successor k: canonical JSON (RFC
// 8785) of what k is, whose, for what, from when, and in whose place.
func (k *Key) Statement() []byte {
	b, err := json.Marshal(map[string]any{
		"jwk": k.Members(), "kid": k.KID, "party": string(k.Party), "replaces": k.Replaces, "use": string(k.Use), "validFrom": k.ValidFrom.UTC().Format(time.RFC3339Nano),
	}, json.Deterministic(true))
	if err != nil {
		return nil
	}
	return b
}

// Members returns what the public JWK says.
func (k *Key) Members() map[string]string {
	jwk := map[string]string{}
	if err := json.Unmarshal([]byte(k.JWK), &jwk); err != nil {
		return nil // it was written by us, with strings alone
	}
	return jwk
}

// forgetPrivate destroys the private half of a key; the public one is kept for ever.
func forgetPrivate(tx hansa.Tx, party hansa.PartyID, kid string) error {
	if _, err := tx.Exec(`DELETE FROM trust_private_keys WHERE party = ? AND kid = ?`, string(party), kid); err != nil {
		return fmt.Errorf("forget key %s: %w", kid, err)
	}
	return nil
}

// heldOf reads the keys of party of which the node has the private half.
func (r *Registry) heldOf(tx hansa.Tx, party hansa.PartyID) (out []*heldKey, err error) {
	keys := map[string]*partyKey{}
	var bad error
	err = scanKeys(tx, `WHERE party = ?`, []any{string(party)}, func(k *partyKey, damaged error) {
		if damaged != nil {
			bad = damaged
			return
		}
		keys[k.KID] = k
	})
	if err = cmp.Or(err, bad); err != nil {
		return nil, err
	}
	err = scanPrivate(tx, `WHERE party = ?`, []any{string(party)}, func(_ hansa.PartyID, kid string, sealed []byte, damaged error) {
		if k := keys[kid]; k != nil && damaged == nil {
			out = append(out, newHeldKey(k, sealed, r.cfg.Vault))
		}
		bad = cmp.Or(bad, damaged)
	})
	return out, cmp.Or(err, bad)
}

// readPrivate reads the private halves after the public ones.
func (s *snapshot) readPrivate(tx hansa.Tx, vault Vault) error {
	return scanPrivate(tx, ``, nil, func(party hansa.PartyID, kid string, sealed []byte, damaged error) {
		switch k := s.keys[party][kid]; {
		case damaged != nil:
			s.damaged = append(s.damaged, damaged)
		case k != nil:
			s.held[party] = append(s.held[party], newHeldKey(k, sealed, vault))
		}
	})
}

func scanPrivate(tx hansa.Tx, where string, args []any, each func(party hansa.PartyID, kid string, sealed []byte, damaged error)) error {
	rows, err := tx.Query(`SELECT party, kid, sealed, sum FROM trust_private_keys `+where+` ORDER BY party, kid`, args...)
	if err != nil {
		return fmt.Errorf("read private keys: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only; rows.Err tells
	for rows.Next() {
		var party, kid string
		var sealed, sum []byte
		if err := rows.Scan(&party, &kid, &sealed, &sum); err != nil {
			return fmt.Errorf("read private keys: %w", err)
		}
		var damaged error
		if !slices.Equal(sum, rowSum(sealed, []string{party, kid})) {
			damaged = hansa.Errorf(hansa.Internal, "a stored private key does not match its checksum").With(hansa.CodeCorrupt)
		}
		each(hansa.PartyID(party), kid, sealed, damaged)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read private keys: %w", err)
	}
	return nil
}
