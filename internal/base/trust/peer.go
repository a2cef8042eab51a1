package trust

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Limits of peers.
const (
	PeersMax         = 1000 // of one party
	PeerSecretMin    = 8    // bytes; the peer decides how good it is
	peerAddressMax   = 2048
	peerTitleMax     = 200
	peerTokenOverlap = time.Hour
)

// PeerMode says how a party and its peer prove to each other who they are.
type PeerMode string

// The modes. Values are written to disk.
const (
	PeerToken  PeerMode = "token"   // a secret that both know, as Authorization: Bearer
	PeerDIDWeb PeerMode = "did:web" // self-issued ID tokens (Decentralized Claims Protocol 1.0, section 4.3)
)

// Peer is a participant at another node that a party of this one deals with.
type Peer struct {
	Owner   hansa.PartyID `json:"owner"` // the party of this node that keeps it
	ID      hansa.PartyID `json:"id"`    // what it calls itself: a DID, or whatever name it has there
	Name    string        `json:"name"`  // [hansa.ValidName]; unique among the owner's peers
	Title   string        `json:"title"`
	Address string        `json:"address,omitempty"` // base URL of its Dataspace Protocol; empty when it only calls
	Mode    PeerMode      `json:"mode"`
	Added   time.Time     `json:"added"`
	// Secret is what is presented to it, of mode token; none when it is only called by.
	Secret Secret `json:"-"`
}

// Validate reports the first rule that p breaks.
func (p *Peer) Validate() error {
	switch {
	case p.ID == "" || len(p.ID) > 512:
		return hansa.Fielded("/id", "a peer has an id of 1 to 512 bytes: its DID, or its participant id")
	case p.ID == p.Owner:
		return hansa.Fielded("/id", "a party is no peer of itself")
	case p.ID == hansa.PublicParty:
		return hansa.Fielded("/id", "the public is no peer")
	case !hansa.ValidName(p.Name):
		return hansa.Fielded("/name", "a peer's name is 1 to 63 of a-z, 0-9 and hyphen, not %q", p.Name)
	case p.Title == "" || len(p.Title) > peerTitleMax:
		return hansa.Fielded("/title", "a peer has a title that people read, of at most %d bytes", peerTitleMax)
	case p.Mode != PeerToken && p.Mode != PeerDIDWeb:
		return hansa.Fielded("/mode", "a peer is met by token or did:web, not %q", p.Mode)
	case p.Mode == PeerDIDWeb && !p.Secret.IsZero():
		return hansa.Fielded("/token", "a peer of mode did:web is shown no token")
	case !p.Secret.IsZero() && (len(p.Secret.v) < PeerSecretMin || len(p.Secret.v) > secretBytesMax || !printable(p.Secret.v)):
		return hansa.Fielded("/token", "a token has %d to %d visible ASCII characters", PeerSecretMin, secretBytesMax)
	}
	if p.Mode == PeerDIDWeb {
		if _, err := DocumentURL(string(p.ID)); err != nil {
			return hansa.Public(err).At("/id")
		}
	}
	if p.Address == "" {
		return nil
	}
	u, err := url.Parse(p.Address)
	if err != nil || len(p.Address) > peerAddressMax || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return hansa.Fielded("/address", "an address is the base URL of a connector, such as https://edc.example/dsp/2025-1, without user, query or fragment")
	}
	return nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// peerKey finds a peer.
type peerKey struct{ owner, id hansa.PartyID }

// AddPeer stores p. The row of the party that the peer is, is made when there is
// none. A peer or a name that its owner has already is Conflict.
func (r *Registry) AddPeer(tx hansa.Tx, p Peer) (Peer, error) {
	if err := p.Validate(); err != nil {
		return p, err
	}
	if err := hasParty(tx, p.Owner); err != nil {
		return p, err
	}
	have, err := peersOf(tx, p.Owner)
	switch {
	case err != nil:
		return p, err
	case len(have) >= PeersMax:
		return p, hansa.Errorf(hansa.Busy, "the party has %d peers, as many as it may", PeersMax)
	case slices.ContainsFunc(have, func(o Peer) bool { return o.ID == p.ID }):
		return p, hansa.Errorf(hansa.Conflict, "the party has the peer %q already", p.ID).WithHint("hansa peers list; remove it first, or change it")
	case slices.ContainsFunc(have, func(o Peer) bool { return o.Name == p.Name }):
		return p, hansa.Errorf(hansa.Conflict, "the party has a peer named %q already", p.Name).WithHint("take another name").At("/name")
	}
	if err := r.peerParty(tx, &p); err != nil {
		return p, err
	}
	p.Added = r.cfg.Now().UTC()
	return p, r.writePeer(tx, &p, "peer-added", `INSERT INTO trust_peers (secret, doc, sum, owner, id) VALUES (?, ?, ?, ?, ?)`)
}

// ChangePeer stores what p says now under its owner and id; since when it is there
// stays, and so does its secret when p has none and its mode is token.
func (r *Registry) ChangePeer(tx hansa.Tx, p Peer) (Peer, error) {
	have, err := peersOf(tx, p.Owner)
	if err != nil {
		return p, err
	}
	found := false
	for i := range have {
		o := &have[i]
		if o.ID != p.ID {
			if o.Name == p.Name {
				return p, hansa.Errorf(hansa.Conflict, "the party has a peer named %q already", p.Name).WithHint("take another name").At("/name")
			}
			continue
		}
		found, p.Added = true, o.Added
	}
	if !found {
		return p, hansa.Errorf(hansa.NotFound, "the party has no peer %q", p.ID)
	}
	if err := p.Validate(); err != nil {
		return p, err
	}
	if p.Mode == PeerToken && p.Secret.IsZero() {
		if p.Secret, err = r.peerSecret(tx, &p); err != nil {
			return p, err
		}
	}
	return p, r.writePeer(tx, &p, "peer-changed", `UPDATE trust_peers SET secret = ?, doc = ?, sum = ? WHERE owner = ? AND id = ?`)
}

// RemovePeer forgets owner's peer id, and ends the credentials that it had for
// owner alone. One that is not there is NotFound. The party that it is stays.
func (r *Registry) RemovePeer(tx hansa.Tx, owner, id hansa.PartyID) error {
	have, err := peersOf(tx, owner)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(have, func(o Peer) bool { return o.ID == id })
	if i < 0 {
		return hansa.Errorf(hansa.NotFound, "the party has no peer %q", id)
	}
	if err := r.endPeerTokens(tx, owner, id, time.Time{}); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM trust_peers WHERE owner = ? AND id = ?`, string(owner), string(id)); err != nil {
		return fmt.Errorf("remove peer %s: %w", id, err)
	}
	return r.journal(tx, owner, "peer-removed", &have[i], r.cfg.Now())
}

// IssuePeerToken makes the token by which owner's peer id proves to owner, and to
// nobody else, who it is. It is shown this once; one that it had before stays good
// for an hour.
func (r *Registry) IssuePeerToken(tx hansa.Tx, owner, id hansa.PartyID, fixed Secret) (Secret, error) {
	have, err := peersOf(tx, owner)
	if err != nil {
		return Secret{}, err
	}
	i := slices.IndexFunc(have, func(o Peer) bool { return o.ID == id })
	if i < 0 {
		return Secret{}, hansa.Errorf(hansa.NotFound, "the party has no peer %q", id)
	}
	now := r.cfg.Now().UTC()
	if err := r.endPeerTokens(tx, owner, id, now.Add(peerTokenOverlap)); err != nil {
		return Secret{}, err
	}
	// Named by its time: what two owners give one peer must not be in each other's way.
	_, secret, err := r.AddCredential(tx, CredentialSpec{
		Party: id, Name: "peer-" + hansa.NewID(now), Kind: Bearer, Rights: []hansa.Right{hansa.RightConnect}, Before: owner, Secret: fixed,
	})
	return secret, err
}

// endPeerTokens ends what id presents to owner alone: at until, or when that is
// zero at once.
func (r *Registry) endPeerTokens(tx hansa.Tx, owner, id hansa.PartyID, until time.Time) error {
	var found []storedCredential
	err := scanCredentials(tx, `WHERE party = ?`, []any{string(id)}, func(c storedCredential, damaged error) {
		if damaged == nil && c.Before == owner && c.Revoked.IsZero() {
			found = append(found, c)
		}
	})
	if err != nil {
		return err
	}
	for i := range found {
		c := &found[i]
		if until.IsZero() {
			if err := r.Revoke(tx, id, c.ID); err != nil {
				return err
			}
			continue
		}
		if c.Expires.IsZero() || until.Before(c.Expires) {
			c.Expires = until
			if err := c.update(tx); err != nil {
				return err
			}
			if err := r.tell(tx, "credential-replaced", &c.Credential, r.cfg.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Peers returns owner's peers by name.
func (r *Registry) Peers(ctx context.Context, owner hansa.PartyID) ([]Peer, error) {
	s, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	var out []Peer
	for k, p := range s.peers {
		if k.owner == owner {
			out = append(out, *p)
		}
	}
	slices.SortFunc(out, func(a, b Peer) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// PeerByID returns owner's peer id, or NotFound; it does no SQL.
func (r *Registry) PeerByID(ctx context.Context, owner, id hansa.PartyID) (Peer, error) {
	s, err := r.load(ctx)
	if err != nil {
		return Peer{}, err
	}
	p := s.peers[peerKey{owner, id}]
	if p == nil {
		return Peer{}, hansa.Errorf(hansa.NotFound, "the party has no peer %q", id).WithHint("hansa peers add NAME --id " + string(id) + " --at URL")
	}
	return *p, nil
}

// peerParty makes the row of the party that p is, when there is none.
func (r *Registry) peerParty(tx hansa.Tx, p *Peer) error {
	n, err := count(tx, `SELECT COUNT(*) FROM trust_parties WHERE id = ?`, string(p.ID))
	if err != nil || n > 0 {
		return err
	}
	name := p.Name
	for i := 2; ; i++ { // another party may have taken the name for itself
		if n, err = count(tx, `SELECT COUNT(*) FROM trust_parties WHERE name = ?`, name); err != nil {
			return err
		}
		if n == 0 {
			break
		}
		tail := "-" + strconv.Itoa(i)
		name = p.Name[:min(len(p.Name), 63-len(tail))] + tail
	}
	_, err = r.AddParty(tx, hansa.Party{ID: p.ID, Name: name, Title: p.Title, Kind: hansa.Company})
	return err
}

// writePeer stores p by query and journals it as kind.
func (r *Registry) writePeer(tx hansa.Tx, p *Peer, kind, query string) error {
	sealed := []byte{}
	if !p.Secret.IsZero() {
		var err error
		if sealed, err = r.sealed([]byte(p.Secret.v), peerBound(p.Owner, p.ID)); err != nil {
			return err
		}
	}
	doc, sum, err := seal(p, string(p.Owner), string(p.ID), string(sealed))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(query, sealed, doc, sum, string(p.Owner), string(p.ID)); err != nil {
		return fmt.Errorf("write peer %s: %w", p.ID, err)
	}
	return r.journal(tx, p.Owner, kind, p, r.cfg.Now())
}

func peerBound(owner, id hansa.PartyID) string {
	return fmt.Sprintf("peer %d:%s%s", len(owner), owner, id)
}

// sealed encrypts what is kept at rest.
func (r *Registry) sealed(plain []byte, bound string) ([]byte, error) {
	if r.cfg.Vault == nil {
		return nil, hansa.Errorf(hansa.Conflict, "this registry has no vault to keep a secret in")
	}
	return r.cfg.Vault.Seal(plain, bound)
}

// peerSecret reads the secret of the stored peer; one that was sealed under another
// node key is as good as none.
func (r *Registry) peerSecret(tx hansa.Tx, p *Peer) (secret Secret, err error) {
	err = scanPeers(tx, `WHERE owner = ? AND id = ?`, []any{string(p.Owner), string(p.ID)}, func(_ Peer, sealed []byte, damaged error) {
		if damaged == nil {
			secret = openPeer(r.cfg.Vault, p, sealed)
		}
	})
	return secret, err
}

func openPeer(vault Vault, p *Peer, sealed []byte) Secret {
	if len(sealed) == 0 || vault == nil {
		return Secret{}
	}
	plain, err := vault.Open(sealed, peerBound(p.Owner, p.ID))
	if err != nil {
		return Secret{} // told when it is asked for
	}
	return NewSecret(string(plain))
}

func peersOf(tx hansa.Tx, owner hansa.PartyID) (out []Peer, err error) {
	var bad error
	err = scanPeers(tx, `WHERE owner = ?`, []any{string(owner)}, func(p Peer, _ []byte, damaged error) {
		out, bad = append(out, p), cmp.Or(bad, damaged)
	})
	return out, cmp.Or(err, bad)
}

func (s *snapshot) readPeers(tx hansa.Tx, vault Vault) error {
	return scanPeers(tx, ``, nil, func(p Peer, sealed []byte, damaged error) {
		if damaged != nil {
			s.damaged = append(s.damaged, damaged)
			return
		}
		p.Secret = openPeer(vault, &p, sealed)
		s.peers[peerKey{p.Owner, p.ID}] = &p
	})
}

func scanPeers(tx hansa.Tx, where string, args []any, each func(p Peer, sealed []byte, damaged error)) error {
	rows, err := tx.Query(`SELECT owner, id, secret, doc, sum FROM trust_peers `+where+` ORDER BY owner, id`, args...)
	if err != nil {
		return fmt.Errorf("read peers: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only; rows.Err tells
	for rows.Next() {
		var p Peer
		var owner, id string
		var secret, doc, sum []byte
		if err := rows.Scan(&owner, &id, &secret, &doc, &sum); err != nil {
			return fmt.Errorf("read peers: %w", err)
		}
		err := unseal("peer", doc, sum, &p, owner, id, string(secret))
		each(p, secret, err)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read peers: %w", err)
	}
	return nil
}
