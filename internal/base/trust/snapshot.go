package trust

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hansa-exchange/hansa"
)

// snapshot is what the tables say, held in memory so that the hot path does no
// SQL. It is replaced, never changed, but for last uses.
type snapshot struct {
	parties map[hansa.PartyID]hansa.Party
	secrets map[[sha256.Size]byte]*held
	headers []string // that some credential is presented in
	keys    map[hansa.PartyID]map[string]*partyKey

	held  map[hansa.PartyID][]*heldKey
	peers map[peerKey]*Peer

	users    map[string]*storedUser
	names    map[userName]*storedUser // of live users
	sessions map[[sha256.Size]byte]*heldSession

	cutoff  time.Time // credentials, links and sessions from before it are refused
	damaged []error   // rows that do not match their checksum: they are not used
}

// userName finds a user as people sign in.
type userName struct {
	party hansa.PartyID
	name  string // folded
}

// held is a credential with the actor it stands for.
type held struct {
	storedCredential
	actor   hansa.Actor
	used    atomic.Int64 // Unix milliseconds of the last use
	written atomic.Int64 // the last use that is in the table
}

func newSnapshot() *snapshot {
	return &snapshot{
		parties: map[hansa.PartyID]hansa.Party{},
		secrets: map[[sha256.Size]byte]*held{},
		keys:    map[hansa.PartyID]map[string]*partyKey{},
		held:    map[hansa.PartyID][]*heldKey{},
		peers:   map[peerKey]*Peer{},

		users: map[string]*storedUser{}, names: map[userName]*storedUser{}, sessions: map[[sha256.Size]byte]*heldSession{},
	}
}

func (s *snapshot) read(tx hansa.Tx, vault Vault) error {
	if err := s.readParties(tx); err != nil {
		return err
	}
	if err := s.readUsers(tx); err != nil {
		return err
	}
	if err := s.readPeers(tx, vault); err != nil {
		return err
	}
	var at int64
	err := tx.QueryRow(`SELECT at FROM trust_cutoff WHERE id = 1`).Scan(&at)
	switch {
	case err == nil:
		s.cutoff = time.UnixMilli(at)
	case !errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("read the cut-off: %w", err)
	}
	err = scanCredentials(tx, ``, nil, func(c storedCredential, damaged error) {
		if damaged != nil {
			s.damaged = append(s.damaged, damaged)
			return
		}
		h := &held{storedCredential: c, actor: hansa.Actor{
			Party: c.Party, Credential: c.ID, Rights: c.Rights, Purposes: c.Purposes, Test: c.Test,
		}}
		if !c.LastUsed.IsZero() {
			h.used.Store(c.LastUsed.UnixMilli())
			h.written.Store(c.LastUsed.UnixMilli())
		}
		s.secrets[c.hash] = h
		if c.Kind == Header && !slices.Contains(s.headers, c.HeaderName) {
			s.headers = append(s.headers, c.HeaderName)
		}
	})
	if err != nil {
		return err
	}
	err = scanKeys(tx, ``, nil, func(k *partyKey, damaged error) {
		if damaged != nil {
			s.damaged = append(s.damaged, damaged)
			return
		}
		if s.keys[k.Party] == nil {
			s.keys[k.Party] = map[string]*partyKey{}
		}
		s.keys[k.Party][k.KID] = k
	})
	if err != nil {
		return err
	}
	return s.readPrivate(tx, vault)
}

func (s *snapshot) readParties(tx hansa.Tx) error {
	rows, err := tx.Query(`SELECT id, doc, sum FROM trust_parties`)
	if err != nil {
		return fmt.Errorf("read parties: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only; rows.Err tells
	for rows.Next() {
		var id string
		var doc, sum []byte
		var p partyDoc
		if err := rows.Scan(&id, &doc, &sum); err != nil {
			return fmt.Errorf("read parties: %w", err)
		}
		if err := unseal("party", doc, sum, &p, id); err != nil {
			s.damaged = append(s.damaged, err)
			continue
		}
		p.OpaqueID = p.Opaque
		s.parties[p.ID] = p.Party
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read parties: %w", err)
	}
	return nil
}

func (s *snapshot) readUsers(tx hansa.Tx) error {
	err := scanUsers(tx, ``, nil, func(u storedUser, damaged error) {
		if damaged != nil {
			s.damaged = append(s.damaged, damaged)
			return
		}
		s.users[u.ID] = &u
		if u.Revoked.IsZero() {
			s.names[userName{u.Party, fold(u.Name)}] = &u
		}
	})
	if err != nil {
		return err
	}
	return scanSessions(tx, ``, nil, func(one storedSession, damaged error) {
		u := s.users[one.User]
		switch {
		case damaged != nil:
			s.damaged = append(s.damaged, damaged)
			return
		case u == nil || !u.Revoked.IsZero():
			return
		}
		h := &heldSession{storedSession: one, user: u}
		h.used.Store(one.LastSeen.UnixMilli())
		h.written.Store(one.LastSeen.UnixMilli())
		s.sessions[one.hash] = h
	})
}

func (s *snapshot) userNamed(party hansa.PartyID, name string) *storedUser {
	if len(name) > 4*userNameMax {
		return nil
	}
	return s.names[userName{party, fold(name)}]
}

// seen returns u with when it was last seen in any session.
func (s *snapshot) seen(u *storedUser) User {
	out := u.User
	for _, h := range s.sessions {
		if at := time.UnixMilli(h.used.Load()).UTC().Truncate(time.Minute); h.User == u.ID && at.After(out.LastSeen) {
			out.LastSeen = at
		}
	}
	return out
}

// inherit takes over what old knows: the last uses, and the keys that it opened. Nobody
// else may read s yet.
func (s *snapshot) inherit(old *snapshot) {
	s.inheritUses(old)
	for party, list := range old.held {
		for _, was := range list {
			for _, h := range s.held[party] {
				if h.public.KID == was.public.KID && slices.Equal(h.sealed, was.sealed) {
					h.open = was.open
				}
			}
		}
	}
}

// inheritUses takes over the last uses that old knows of.
func (s *snapshot) inheritUses(old *snapshot) {
	for hash, was := range old.secrets {
		if h := s.secrets[hash]; h != nil && was.used.Load() > h.used.Load() {
			h.used.Store(was.used.Load())
		}
	}
	for hash, was := range old.sessions {
		if h := s.sessions[hash]; h != nil && was.used.Load() > h.used.Load() {
			h.used.Store(was.used.Load())
		}
	}
}

// Damaged returns an error for each row that does not match its checksum. Such a
// row is as good as absent: its credential is refused.
func (r *Registry) Damaged(ctx context.Context) ([]error, error) {
	s, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	return s.damaged, nil
}

// Credentials returns party's credentials, old ones too, oldest first.
func (r *Registry) Credentials(ctx context.Context, party hansa.PartyID) ([]Credential, error) {
	s, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	var out []Credential
	for _, h := range s.secrets {
		if h.Party != party {
			continue
		}
		c := h.Credential
		if used := h.used.Load(); used > 0 {
			c.LastUsed = time.UnixMilli(used).UTC().Truncate(time.Minute)
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Credential) int { return a.Issued.Compare(b.Issued) })
	return out, nil
}

// lastUseEvery is how exactly the last use of a credential is known.
const lastUseEvery = time.Minute

// Flush writes the last uses that are not in the tables yet, each at most once a
// minute, all in one transaction.
func (r *Registry) Flush(ctx context.Context) error {
	s := r.known.Load()
	if s == nil {
		return nil
	}
	type use struct {
		written *atomic.Int64
		at      int64
		id      string
		user    string // of a session
	}
	var uses []use
	due := func(used, written *atomic.Int64, id, user string) {
		if at := used.Load(); at-written.Load() >= lastUseEvery.Milliseconds() || at > 0 && written.Load() == 0 {
			uses = append(uses, use{written, at, id, user})
		}
	}
	for _, h := range s.secrets {
		due(&h.used, &h.written, h.ID, "")
	}
	for _, h := range s.sessions {
		due(&h.used, &h.written, h.ID, h.User)
	}
	if len(uses) == 0 {
		return nil
	}
	err := r.db.Write(ctx, func(tx hansa.Tx) error {
		for _, u := range uses {
			if err := writeUse(tx, u.id, u.user, u.at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, u := range uses {
		u.written.Store(u.at)
	}
	return nil
}

// writeUse stores a last use: of a credential, or of a session and its user.
func writeUse(tx hansa.Tx, id, user string, at int64) error {
	queries := map[string]string{`UPDATE trust_credentials SET last_used = ? WHERE id = ? AND last_used < ?`: id}
	if user != "" {
		queries = map[string]string{
			`UPDATE trust_sessions SET last_seen = ? WHERE id = ? AND last_seen < ?`: id,
			`UPDATE trust_users SET last_seen = ? WHERE id = ? AND last_seen < ?`:    user,
		}
	}
	for query, whose := range queries {
		if _, err := tx.Exec(query, at, whose, at); err != nil {
			return fmt.Errorf("write a last use: %w", err)
		}
	}
	return nil
}

// Run writes last uses once a minute until ctx ends, and once more then.
func (r *Registry) Run(ctx context.Context) error {
	tick := time.NewTicker(lastUseEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := r.Flush(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		case <-ctx.Done():
			return r.Flush(context.WithoutCancel(ctx))
		}
	}
}
