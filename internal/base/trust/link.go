package trust

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa"
)

// LinkPurpose says what a one-time link is for.
type LinkPurpose string

// The purposes of a link. Values are written to disk.
const (
	LinkFirst    LinkPurpose = "first"    // the first sign-in of a new user
	LinkRecovery LinkPurpose = "recovery" // the password was lost
)

// How long a link is good for.
const (
	LinkDefault = 24 * time.Hour
	LinkMax     = 14 * 24 * time.Hour
)

// Link is what is known of a one-time link: everything but its token.
type Link struct {
	ID      string      `json:"id"`
	User    string      `json:"user"`
	Purpose LinkPurpose `json:"purpose"`
	Issued  time.Time   `json:"issued"`
	Expires time.Time   `json:"expires"`
	Used    time.Time   `json:"used,omitzero"`
	Revoked time.Time   `json:"revoked,omitzero"`
}

// storedLink is a link with the hash of its token.
type storedLink struct {
	Link
	hash [sha256.Size]byte
}

// IssueLink makes the one link by which user id can sign in and choose a password;
// links issued before are good no more. ttl 0 is [LinkDefault]. The token is shown
// this once and kept as a hash alone.
func (r *Registry) IssueLink(tx hansa.Tx, by hansa.Actor, id string, ttl time.Duration) (Link, Secret, error) {
	if ttl == 0 {
		ttl = LinkDefault
	}
	if ttl < time.Minute || ttl > LinkMax {
		return Link{}, Secret{}, hansa.Fielded("/for", "a link is good for 1 minute to %d days", int(LinkMax.Hours()/24))
	}
	u, err := liveUser(tx, id)
	if err != nil {
		return Link{}, Secret{}, err
	}
	now := r.cfg.Now().UTC()
	if err := endLinks(tx, id, now); err != nil {
		return Link{}, Secret{}, err
	}
	token := newSecret()
	l := storedLink{
		Link: Link{ID: hansa.NewID(now), User: id, Purpose: LinkFirst, Issued: now, Expires: now.Add(ttl)},
		hash: sha256.Sum256([]byte(token.v)),
	}
	if !u.PasswordSet.IsZero() {
		l.Purpose = LinkRecovery
	}
	doc, sum, err := l.seal()
	if err != nil {
		return Link{}, Secret{}, err
	}
	if _, err := tx.Exec(`INSERT INTO trust_links (id, person, token, doc, sum) VALUES (?, ?, ?, ?, ?)`, l.ID, l.User, l.hash[:], doc, sum); err != nil {
		return Link{}, Secret{}, fmt.Errorf("write link %s: %w", l.ID, err)
	}
	return l.Link, token, r.tellUser(tx, "link-issued", &u.User, userAct{By: by.ID(), Link: l.ID, How: string(l.Purpose)}, now)
}

// RevokeLinks makes user id's open links useless and says how many there were.
func (r *Registry) RevokeLinks(tx hansa.Tx, by hansa.Actor, id string) (int, error) {
	u, err := user(tx, id)
	if err != nil {
		return 0, err
	}
	now := r.cfg.Now().UTC()
	open := 0
	err = scanLinks(tx, `WHERE person = ?`, []any{id}, func(l storedLink, damaged error) {
		if damaged == nil && l.why(now, time.Time{}) == "" {
			open++
		}
	})
	if err != nil || open == 0 {
		return 0, err
	}
	if err := endLinks(tx, id, now); err != nil {
		return 0, err
	}
	return open, r.tellUser(tx, "link-revoked", &u.User, userAct{By: by.ID()}, now)
}

// Guest says whom a token would let in, and uses nothing up. What is no link, or no
// longer one, is Denied with [hansa.CodeUnauthenticated].
func (r *Registry) Guest(ctx context.Context, token Secret) (Link, User, error) {
	s, err := r.load(ctx)
	if err != nil {
		return Link{}, User{}, err
	}
	var l storedLink
	var u storedUser
	err = r.db.Read(ctx, func(tx hansa.Tx) error {
		l, u, err = r.openLink(tx, token, s.cutoff)
		return err
	})
	return l.Link, u.User, err
}

// openLink finds the link of token and its user, both good now.
func (r *Registry) openLink(tx hansa.Tx, token Secret, cutoff time.Time) (l storedLink, u storedUser, err error) {
	found := false
	if len(token.v) <= secretBytesMax {
		hash := sha256.Sum256([]byte(token.v))
		err = scanLinks(tx, `WHERE token = ?`, []any{hash[:]}, func(x storedLink, damaged error) {
			l, found = x, damaged == nil
		})
	}
	if err != nil {
		return l, u, err
	}
	const hint = "ask whoever manages your party's users for a new link"
	if !found {
		return l, u, hansa.Errorf(hansa.Denied, "this is no link of this exchange; was it copied whole?").With(hansa.CodeUnauthenticated).WithHint(hint)
	}
	if why := l.why(r.cfg.Now(), cutoff); why != "" {
		return l, u, hansa.Errorf(hansa.Denied, "%s", why).With(hansa.CodeUnauthenticated).WithHint(hint)
	}
	u, err = user(tx, l.User)
	if err == nil && !u.Revoked.IsZero() {
		err = hansa.Errorf(hansa.Denied, "this link was revoked").With(hansa.CodeUnauthenticated).WithHint(hint)
	}
	return l, u, err
}

// why says why l is good no more; it is empty when l is.
func (l *Link) why(now, cutoff time.Time) string {
	switch {
	case !l.Used.IsZero():
		return "this link was used already; it opens once"
	case !l.Revoked.IsZero():
		return "this link was revoked; a newer one may be in your mail"
	case !now.Before(l.Expires):
		return "this link has expired"
	case l.Issued.Before(cutoff):
		return "this link was issued before this node was restored"
	}
	return ""
}

// endLinks revokes what user has open.
func endLinks(tx hansa.Tx, user string, now time.Time) error {
	var open []storedLink
	err := scanLinks(tx, `WHERE person = ?`, []any{user}, func(l storedLink, damaged error) {
		if damaged == nil && l.Used.IsZero() && l.Revoked.IsZero() {
			open = append(open, l)
		}
	})
	if err != nil {
		return err
	}
	for i := range open {
		open[i].Revoked = now
		if err := open[i].update(tx); err != nil {
			return err
		}
	}
	return nil
}

func (l *storedLink) seal() (doc, sum []byte, err error) {
	return seal(l.Link, l.ID, l.User, string(l.hash[:]))
}

func (l *storedLink) update(tx hansa.Tx) error {
	doc, sum, err := l.seal()
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE trust_links SET doc = ?, sum = ? WHERE id = ?`, doc, sum, l.ID); err != nil {
		return fmt.Errorf("write link %s: %w", l.ID, err)
	}
	return nil
}

func scanLinks(tx hansa.Tx, where string, args []any, each func(storedLink, error)) error {
	rows, err := tx.Query(`SELECT id, person, token, doc, sum FROM trust_links `+where+` ORDER BY id`, args...)
	if err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only; rows.Err tells
	for rows.Next() {
		var l storedLink
		var id, person string
		var hash, doc, sum []byte
		if err := rows.Scan(&id, &person, &hash, &doc, &sum); err != nil {
			return fmt.Errorf("read links: %w", err)
		}
		copy(l.hash[:], hash)
		each(l, unseal("link", doc, sum, &l.Link, id, person, string(hash)))
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	return nil
}
