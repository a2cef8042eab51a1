package trust

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa"
)

// From is where somebody tries to sign in.
type From struct {
	Address string // of the network; tries are counted by it
	Agent   string // what the browser calls itself
}

// Throttled is the cause of a Busy error: how long to wait.
type Throttled struct{ Wait time.Duration }

func (t *Throttled) Error() string { return "wait " + t.Wait.String() }

// try counts one try to sign in.
func (r *Registry) try(name string, from From) error {
	wait, err := r.tries.take(name, from.Address, r.cfg.Now())
	if e := hansa.Public(err); e != nil {
		e.Err = &Throttled{Wait: wait}
		return e
	}
	return nil
}

// SignIn begins a session for the live user of party with that name and password.
// Whatever is not right is the same Denied with [hansa.CodeUnauthenticated], after
// the same time; too many tries are Busy, with [Throttled] as the cause.
func (r *Registry) SignIn(ctx context.Context, party hansa.PartyID, name, password string, from From) (Session, Secret, error) {
	key := string(party) + "\x00" + fold(name)
	if len(name) > 4*userNameMax {
		key = "long"
	}
	if err := r.try(key, from); err != nil {
		return Session{}, Secret{}, err
	}
	s, err := r.load(ctx)
	if err != nil {
		return Session{}, Secret{}, err
	}
	var kept passwordHash
	h := s.userNamed(party, name)
	if h != nil {
		kept = h.password
	}
	if len(password) > PasswordMax {
		password = ""
	}
	ok, stale, err := r.hashers.check(ctx, kept, password)
	if err != nil {
		return Session{}, Secret{}, err
	}
	if !ok || h == nil {
		return Session{}, Secret{}, hansa.Errorf(hansa.Denied, "the name or the password is not right").With(hansa.CodeUnauthenticated)
	}
	var renewed passwordHash
	if stale {
		if renewed, err = r.hashers.hash(ctx, password); err != nil {
			return Session{}, Secret{}, err
		}
	}
	session, token, err := r.begin(ctx, h.ID, from, "password", func(_ hansa.Tx, u *storedUser) error {
		if u.password != kept {
			return hansa.Errorf(hansa.Denied, "the name or the password is not right").With(hansa.CodeUnauthenticated) // changed meanwhile
		}
		u.password = cmp.Or(renewed, kept)
		return nil
	})
	if err == nil {
		r.tries.forgive(key)
	}
	return session, token, err
}

// EnterByLink uses a one-time link up: its user gets password and a session, and
// every other session of the user ends. A password that is not good enough leaves
// the link as it was.
func (r *Registry) EnterByLink(ctx context.Context, token Secret, password string, from From) (Session, Secret, error) {
	if err := r.try("", from); err != nil {
		return Session{}, Secret{}, err
	}
	l, u, err := r.Guest(ctx, token)
	if err != nil {
		return Session{}, Secret{}, err
	}
	if err := goodPassword(&u, password); err != nil {
		return Session{}, Secret{}, err
	}
	hash, err := r.hashers.hash(ctx, password)
	if err != nil {
		return Session{}, Secret{}, err
	}
	s, err := r.load(ctx)
	if err != nil {
		return Session{}, Secret{}, err
	}
	return r.begin(ctx, u.ID, from, string(l.Purpose), func(tx hansa.Tx, u *storedUser) error {
		link, _, err := r.openLink(tx, token, s.cutoff) // once more: another may have been faster
		if err != nil {
			return err
		}
		link.Used = r.cfg.Now().UTC()
		if err := link.update(tx); err != nil {
			return err
		}
		u.password, u.PasswordSet = hash, link.Used
		if err := r.tellUser(tx, "link-used", &u.User, userAct{By: u.ID, Link: link.ID, How: string(link.Purpose)}, link.Used); err != nil {
			return err
		}
		return endSessions(tx, u.ID, "")
	})
}

// ChangePassword gives session's user another password and the session another
// token; every other session of the user ends. The old password is asked for again.
func (r *Registry) ChangePassword(ctx context.Context, token Secret, old, password string, from From) (Session, Secret, error) {
	now, u, err := r.Session(ctx, token)
	if err != nil {
		return Session{}, Secret{}, err
	}
	if err := r.try("change\x00"+u.ID, from); err != nil {
		return Session{}, Secret{}, err
	}
	s, err := r.load(ctx)
	if err != nil {
		return Session{}, Secret{}, err
	}
	h := s.users[u.ID]
	if h == nil || len(old) > PasswordMax {
		return Session{}, Secret{}, hansa.Fielded("/old", "the present password is not right")
	}
	kept := h.password
	if ok, _, err := r.hashers.check(ctx, kept, old); err != nil || !ok {
		return Session{}, Secret{}, cmp.Or(err, error(hansa.Fielded("/old", "the present password is not right")))
	}
	if err := goodPassword(&u, password); err != nil {
		return Session{}, Secret{}, err
	}
	hash, err := r.hashers.hash(ctx, password)
	if err != nil {
		return Session{}, Secret{}, err
	}
	return r.begin(ctx, u.ID, from, "changed", func(tx hansa.Tx, u *storedUser) error {
		if u.password != kept {
			return hansa.Errorf(hansa.Conflict, "the password was changed meanwhile")
		}
		at := r.cfg.Now().UTC()
		u.password, u.PasswordSet = hash, at
		if err := r.tellUser(tx, "password-changed", &u.User, userAct{By: u.ID, Session: now.ID}, at); err != nil {
			return err
		}
		return endSessions(tx, u.ID, "")
	})
}

// begin makes a session for user id; prepare may change the user before.
func (r *Registry) begin(ctx context.Context, id string, from From, how string, prepare func(hansa.Tx, *storedUser) error) (s Session, token Secret, err error) {
	err = r.Change(ctx, func(tx hansa.Tx) error {
		u, err := liveUser(tx, id)
		if err != nil {
			return err
		}
		if err := prepare(tx, &u); err != nil {
			return err
		}
		now := r.cfg.Now().UTC()
		token = newSecret() // never one that the browser brought
		stored := storedSession{Session: Session{ID: hansa.NewID(now), User: id, Begun: now, Agent: tidy(from.Agent)}, hash: sha256.Sum256([]byte(token.v))}
		if err := u.update(tx); err != nil {
			return err
		}
		if err := endOld(tx, id, now); err != nil {
			return err
		}
		doc, sum, err := seal(stored.Session, stored.ID, id, string(stored.hash[:]))
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO trust_sessions (id, person, token, doc, sum, last_seen) VALUES (?, ?, ?, ?, ?, ?)`, stored.ID, id, stored.hash[:], doc, sum, now.UnixMilli())
		if err != nil {
			return fmt.Errorf("write session %s: %w", stored.ID, err)
		}
		if err := writeUse(tx, stored.ID, id, now.UnixMilli()); err != nil {
			return err
		}
		s = stored.Session
		s.LastSeen = now
		return r.tellUser(tx, "session-begun", &u.User, userAct{By: id, Session: s.ID, How: how}, now)
	})
	if err != nil {
		return Session{}, Secret{}, err
	}
	return s, token, nil
}
