package trust

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/hansa-exchange/hansa"
)

// How long a session lasts, and how many one user has.
const (
	SessionIdle = 12 * time.Hour     // without a request
	SessionMax  = 7 * 24 * time.Hour // in all
	SessionsMax = 20                 // of one user; the next one ends the oldest

	agentMax = 120 // characters kept of what a browser calls itself
)

// Session is one browser in which a user is signed in: everything but its token.
type Session struct {
	ID       string    `json:"id"`
	User     string    `json:"user"`
	Begun    time.Time `json:"begun"`
	Agent    string    `json:"agent,omitempty"` // what the browser calls itself
	LastSeen time.Time `json:"-"`               // to the minute
}

// Ends returns when s ends if nobody uses it.
func (s *Session) Ends() time.Time {
	idle, last := s.LastSeen.Add(SessionIdle), s.Begun.Add(SessionMax)
	if idle.Before(last) {
		return idle
	}
	return last
}

// storedSession is a session with the hash of its token.
type storedSession struct {
	Session
	hash [sha256.Size]byte
}

// heldSession is a session in memory, with its user.
type heldSession struct {
	storedSession
	user    *storedUser
	used    atomic.Int64 // Unix milliseconds of the last request
	written atomic.Int64 // the last request that is in the table
}

// now returns the session with its last request.
func (h *heldSession) now() Session {
	s := h.Session
	s.LastSeen = time.UnixMilli(h.used.Load()).UTC().Truncate(time.Minute)
	if s.LastSeen.Before(s.Begun) {
		s.LastSeen = s.Begun
	}
	return s
}

// tidy keeps what can be shown of what a browser calls itself.
func tidy(agent string) string {
	agent = strings.ToValidUTF8(agent, "")
	agent = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, agent)
	if c := []rune(agent); len(c) > agentMax {
		agent = string(c[:agentMax])
	}
	return agent
}

// Session returns the session of token and its user; it does no SQL. What is no
// open session is Denied with [hansa.CodeUnauthenticated].
func (r *Registry) Session(ctx context.Context, token Secret) (Session, User, error) {
	h, err := r.session(ctx, token)
	if err != nil {
		return Session{}, User{}, err
	}
	return h.now(), h.user.User, nil
}

func (r *Registry) session(ctx context.Context, token Secret) (*heldSession, error) {
	s, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	if len(token.v) > secretBytesMax {
		return nil, unauthenticated("you are not signed in")
	}
	h := s.sessions[sha256.Sum256([]byte(token.v))]
	now := r.cfg.Now()
	switch {
	case h == nil:
		return nil, unauthenticated("you are not signed in")
	case h.Begun.Before(s.cutoff):
		return nil, unauthenticated("this node was restored; sign in again")
	case now.Sub(h.Begun) >= SessionMax, now.UnixMilli()-h.used.Load() >= SessionIdle.Milliseconds():
		return nil, unauthenticated("the session has ended; sign in again")
	}
	if ms := now.UnixMilli(); ms-h.used.Load() >= lastUseEvery.Milliseconds() {
		h.used.Store(ms)
	}
	return h, nil
}

// Sessions returns user's open sessions, newest first.
func (r *Registry) Sessions(ctx context.Context, user string) ([]Session, error) {
	s, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	now := r.cfg.Now()
	var out []Session
	for _, h := range s.sessions {
		if one := h.now(); h.User == user && now.Before(one.Ends()) && !h.Begun.Before(s.cutoff) {
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(a, b Session) int { return cmp.Or(b.Begun.Compare(a.Begun), cmp.Compare(b.ID, a.ID)) })
	return out, nil
}

// EndSession ends one session of user at once. One that the user does not have is
// NotFound.
func (r *Registry) EndSession(tx hansa.Tx, by hansa.Actor, id, session string) error {
	u, err := user(tx, id)
	if err != nil {
		return err
	}
	n, err := count(tx, `SELECT COUNT(*) FROM trust_sessions WHERE person = ? AND id = ?`, id, session)
	if err != nil {
		return err
	}
	if n == 0 {
		return hansa.Errorf(hansa.NotFound, "there is no such session; it may have ended")
	}
	if err := endSessions(tx, id, session); err != nil {
		return err
	}
	return r.tellUser(tx, "session-ended", &u.User, userAct{By: by.ID(), Session: session}, r.cfg.Now())
}

// endSessions ends one session of user, or all of them.
func endSessions(tx hansa.Tx, user, one string) error {
	query, args := `DELETE FROM trust_sessions WHERE person = ?`, []any{user}
	if one != "" {
		query, args = query+` AND id = ?`, append(args, one)
	}
	if _, err := tx.Exec(query, args...); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// endOld forgets user's sessions that are over, and the oldest of too many.
func endOld(tx hansa.Tx, user string, now time.Time) error {
	var open []storedSession
	var gone []string
	err := scanSessions(tx, `WHERE person = ?`, []any{user}, func(s storedSession, damaged error) {
		if damaged != nil || !now.Before(s.Ends()) {
			gone = append(gone, s.ID)
			return
		}
		open = append(open, s)
	})
	if err != nil {
		return err
	}
	for i := range max(0, len(open)-SessionsMax+1) { // in the order of their ids, which is that of time
		gone = append(gone, open[i].ID)
	}
	for _, id := range gone {
		if err := endSessions(tx, user, id); err != nil {
			return err
		}
	}
	return nil
}

func scanSessions(tx hansa.Tx, where string, args []any, each func(storedSession, error)) error {
	rows, err := tx.Query(`SELECT id, person, token, doc, sum, last_seen FROM trust_sessions `+where+` ORDER BY id`, args...)
	if err != nil {
		return fmt.Errorf("read sessions: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only; rows.Err tells
	for rows.Next() {
		var s storedSession
		var id, person string
		var hash, doc, sum []byte
		var seen int64
		if err := rows.Scan(&id, &person, &hash, &doc, &sum, &seen); err != nil {
			return fmt.Errorf("read sessions: %w", err)
		}
		copy(s.hash[:], hash)
		err := unseal("session", doc, sum, &s.Session, id, person, string(hash))
		s.ID, s.LastSeen = id, time.UnixMilli(seen).UTC()
		each(s, err)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read sessions: %w", err)
	}
	return nil
}
