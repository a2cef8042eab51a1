package trust

import (
	"cmp"
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hansa-exchange/hansa"
)

// Limits of the users of one party.
const (
	UsersMax     = 1000 // revoked ones not counted
	userNameMax  = 100  // characters
	userMailMax  = 254  // bytes (RFC 5321)
	userRolesMax = 11
)

// User is a person of one party, as others may know it: without its password.
type User struct {
	ID    string           `json:"id"` // opaque: what the journal calls it
	Party hansa.PartyID    `json:"party"`
	Name  string           `json:"name"` // as shown; unique among the party's live users, however written
	Mail  string           `json:"mail,omitempty"`
	Roles []hansa.UserRole `json:"roles"`
	// Created and Revoked are when the user came and went; PasswordSet is when the
	// present password was chosen, zero when there is none.
	Created     time.Time `json:"created"`
	Revoked     time.Time `json:"revoked,omitzero"`
	PasswordSet time.Time `json:"passwordSet,omitzero"`
	LastSeen    time.Time `json:"-"` // to the minute
}

// UserSpec is what a new user shall be.
type UserSpec struct {
	Party hansa.PartyID
	Name  string
	Mail  string // optional
	Roles []hansa.UserRole
}

func (s *UserSpec) validate() error {
	switch n := utf8.RuneCountInString(s.Name); {
	case s.Party == hansa.PublicParty:
		return hansa.Fielded("/party", "the public has no users")
	case n < 1 || n > userNameMax || strings.TrimSpace(s.Name) != s.Name || !utf8.ValidString(s.Name):
		return hansa.Fielded("/name", "a user's name has 1 to %d characters, and no space at either end", userNameMax)
	case strings.ContainsRune(s.Name, '@') || strings.ContainsFunc(s.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return hansa.Fielded("/name", "a user's name holds neither @ nor what cannot be printed")
	case len(s.Mail) > userMailMax:
		return hansa.Fielded("/mail", "an address has at most %d bytes", userMailMax)
	}
	if s.Mail != "" {
		if a, err := mail.ParseAddress(s.Mail); err != nil || a.Address != s.Mail {
			return hansa.Fielded("/mail", "%q is no mail address like desk@city.example", s.Mail)
		}
	}
	return validRoles(s.Roles)
}

func validRoles(roles []hansa.UserRole) error {
	if len(roles) == 0 || len(roles) > userRolesMax {
		return hansa.Fielded("/roles", "a user has at least one role: %s", roleNames())
	}
	for i, r := range roles {
		if !r.Valid() {
			return hansa.Fielded("/roles", "there is no role %q; there are %s", r, roleNames())
		}
		if slices.Contains(roles[:i], r) {
			return hansa.Fielded("/roles", "the role %s stands twice", r)
		}
	}
	return nil
}

func roleNames() string {
	var names []string
	for _, r := range hansa.UserRoles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// storedUser is a user with the hash of its password.
type storedUser struct {
	User
	password passwordHash // empty: none yet
}

// userAct is what the journal keeps of an act on or by a user: ids alone.
type userAct struct {
	User    string           `json:"user"`
	By      string           `json:"by"` // opaque id of who acted; empty is the administrator's own socket
	Roles   []hansa.UserRole `json:"roles,omitempty"`
	Link    string           `json:"link,omitempty"`
	Session string           `json:"session,omitempty"`
	How     string           `json:"how,omitempty"`
}

func (r *Registry) tellUser(tx hansa.Tx, kind string, u *User, a userAct, now time.Time) error {
	a.User = u.ID
	return r.journal(tx, u.Party, kind, a, now)
}

// AddUser stores a new user, who cannot sign in before a link is issued. A name
// that a live user of the party has is Conflict.
func (r *Registry) AddUser(tx hansa.Tx, by hansa.Actor, spec UserSpec) (User, error) {
	if err := spec.validate(); err != nil {
		return User{}, err
	}
	if err := hasParty(tx, spec.Party); err != nil {
		return User{}, err
	}
	live, taken := 0, false
	err := scanUsers(tx, `WHERE party = ?`, []any{string(spec.Party)}, func(u storedUser, damaged error) {
		if damaged == nil && u.Revoked.IsZero() {
			live++
			taken = taken || fold(u.Name) == fold(spec.Name)
		}
	})
	switch {
	case err != nil:
		return User{}, err
	case taken:
		return User{}, hansa.Errorf(hansa.Conflict, "the party has a user named %q already", spec.Name).WithHint("take another name, or issue that user a link")
	case live >= UsersMax:
		return User{}, hansa.Errorf(hansa.Busy, "the party has %d users, as many as it may", UsersMax)
	}
	now := r.cfg.Now().UTC()
	u := storedUser{User: User{ID: hansa.NewID(now), Party: spec.Party, Name: spec.Name, Mail: spec.Mail, Roles: slices.Clone(spec.Roles), Created: now}}
	doc, sum, err := u.seal()
	if err != nil {
		return User{}, err
	}
	_, err = tx.Exec(`INSERT INTO trust_users (id, party, password, doc, sum) VALUES (?, ?, '', ?, ?)`, u.ID, string(u.Party), doc, sum)
	if err != nil {
		return User{}, fmt.Errorf("write user %s: %w", u.ID, err)
	}
	return u.User, r.tellUser(tx, "user-added", &u.User, userAct{By: by.ID(), Roles: u.Roles}, now)
}

// SetRoles gives user id other roles, which hold for its open sessions too. An
// unknown or revoked user is NotFound.
func (r *Registry) SetRoles(tx hansa.Tx, by hansa.Actor, id string, roles []hansa.UserRole) (User, error) {
	if err := validRoles(roles); err != nil {
		return User{}, err
	}
	u, err := liveUser(tx, id)
	if err != nil {
		return User{}, err
	}
	u.Roles = slices.Clone(roles)
	if err := u.update(tx); err != nil {
		return User{}, err
	}
	return u.User, r.tellUser(tx, "user-roles", &u.User, userAct{By: by.ID(), Roles: roles}, r.cfg.Now())
}

// RevokeUser ends user id at once, with its sessions and links. Its name may be
// given anew. Revoking twice changes nothing; an unknown user is NotFound.
func (r *Registry) RevokeUser(tx hansa.Tx, by hansa.Actor, id string) (User, error) {
	u, err := user(tx, id)
	if err != nil || !u.Revoked.IsZero() {
		return u.User, err
	}
	now := r.cfg.Now().UTC()
	u.Revoked, u.password, u.PasswordSet = now, "", time.Time{}
	if err := u.update(tx); err != nil {
		return User{}, err
	}
	if err := endSessions(tx, id, ""); err != nil {
		return User{}, err
	}
	if err := endLinks(tx, id, now); err != nil {
		return User{}, err
	}
	return u.User, r.tellUser(tx, "user-revoked", &u.User, userAct{By: by.ID()}, now)
}

// Users returns party's users by name, revoked ones last.
func (r *Registry) Users(ctx context.Context, party hansa.PartyID) ([]User, error) {
	s, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	var out []User
	for _, h := range s.users {
		if h.Party == party {
			out = append(out, s.seen(h))
		}
	}
	slices.SortFunc(out, func(a, b User) int {
		return cmp.Or(a.Revoked.Compare(b.Revoked), cmp.Compare(fold(a.Name), fold(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// User returns the user with id, or NotFound.
func (r *Registry) User(ctx context.Context, id string) (User, error) {
	s, err := r.load(ctx)
	if err != nil {
		return User{}, err
	}
	h := s.users[id]
	if h == nil {
		return User{}, noUser()
	}
	return s.seen(h), nil
}

// UserNamed returns the live user of party with that name, however written, or
// NotFound.
func (r *Registry) UserNamed(ctx context.Context, party hansa.PartyID, name string) (User, error) {
	s, err := r.load(ctx)
	if err != nil {
		return User{}, err
	}
	h := s.userNamed(party, name)
	if h == nil {
		return User{}, noUser()
	}
	return s.seen(h), nil
}

func noUser() error {
	return hansa.Errorf(hansa.NotFound, "there is no such user").WithHint("hansa users list")
}

func (u *storedUser) seal() (doc, sum []byte, err error) {
	return seal(u.User, u.ID, string(u.Party), string(u.password))
}

func (u *storedUser) update(tx hansa.Tx) error {
	doc, sum, err := u.seal()
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE trust_users SET password = ?, doc = ?, sum = ? WHERE id = ?`, string(u.password), doc, sum, u.ID); err != nil {
		return fmt.Errorf("write user %s: %w", u.ID, err)
	}
	return nil
}

func user(tx hansa.Tx, id string) (found storedUser, err error) {
	notFound := noUser()
	err = scanUsers(tx, `WHERE id = ?`, []any{id}, func(u storedUser, damaged error) { found, notFound = u, damaged })
	if err != nil {
		return found, err
	}
	return found, notFound
}

func liveUser(tx hansa.Tx, id string) (storedUser, error) {
	u, err := user(tx, id)
	if err == nil && !u.Revoked.IsZero() {
		err = hansa.Errorf(hansa.Conflict, "the user was revoked")
	}
	return u, err
}

// scanUsers hands each row to each, with an error when it is damaged.
func scanUsers(tx hansa.Tx, where string, args []any, each func(storedUser, error)) error {
	rows, err := tx.Query(`SELECT id, party, password, doc, sum, last_seen FROM trust_users `+where+` ORDER BY id`, args...)
	if err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only; rows.Err tells
	for rows.Next() {
		var u storedUser
		var id, party, password string
		var doc, sum []byte
		var seen int64
		if err := rows.Scan(&id, &party, &password, &doc, &sum, &seen); err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		u.password = passwordHash(password)
		err := unseal("user", doc, sum, &u.User, id, party, password)
		if seen > 0 {
			u.LastSeen = time.UnixMilli(seen).UTC()
		}
		each(u, err)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	return nil
}
