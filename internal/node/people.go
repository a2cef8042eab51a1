package node

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// people keeps the users of the node's parties.
type people struct{ n *Node }

var _ api.People = people{}

// rightsOf is what u may do. The administrator of the node's own party operates
// the node too.
func (n *Node) rightsOf(u *trust.User) []hansa.Right {
	rights := hansa.RightsOf(u.Roles)
	if u.Party == n.own && slices.Contains(u.Roles, hansa.RoleAdministrator) {
		rights = append(rights, hansa.RightAdmin)
	}
	return rights
}

// userFor finds the user that by may see, by id or as it signs in.
func (n *Node) userFor(ctx context.Context, by hansa.Actor, name string) (trust.User, error) {
	notFound := hansa.Errorf(hansa.NotFound, "there is no such user").WithHint("hansa users list")
	if len(name) > hansa.IDBytesMax {
		return trust.User{}, notFound
	}
	u, err := n.trust.User(ctx, name)
	if hansa.KindOf(err) == hansa.NotFound {
		party, short := n.signInName(by.Party, name)
		u, err = n.trust.UserNamed(ctx, party, short)
	}
	switch {
	case err != nil && hansa.KindOf(err) != hansa.NotFound:
		return u, err
	case err != nil || u.Party != by.Party && !admin(by):
		return trust.User{}, notFound
	}
	return u, nil
}

// signInName splits what a person types into the party and the name: NAME@PARTY, or
// NAME alone for the party given.
func (n *Node) signInName(own hansa.PartyID, typed string) (hansa.PartyID, string) {
	typed = strings.TrimSpace(typed)
	name, party, named := strings.Cut(typed, "@")
	if !named {
		return own, typed
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, p := range n.parties {
		if strings.EqualFold(p.Name, strings.TrimSpace(party)) {
			return p.ID, strings.TrimSpace(name)
		}
	}
	return "", name
}

// signsInAs is what u types at the sign-in page.
func (n *Node) signsInAs(u *trust.User) string {
	if u.Party == n.own {
		return u.Name
	}
	return u.Name + "@" + n.party(u.Party).Name
}

// shownUser turns a user into the API's words.
func (n *Node) shownUser(ctx context.Context, u *trust.User) (api.User, error) {
	out := api.User{
		ID: u.ID, Party: n.party(u.Party).Name, Name: u.Name, SignIn: n.signsInAs(u), Mail: u.Mail, Roles: u.Roles, Rights: n.rightsOf(u),
		State: "active", Created: u.Created, Revoked: u.Revoked, LastSeen: u.LastSeen,
	}
	switch {
	case !u.Revoked.IsZero():
		out.State, out.Rights = "revoked", []hansa.Right{}
	case u.PasswordSet.IsZero():
		out.State = "invited"
	}
	list, err := n.trust.Sessions(ctx, u.ID)
	out.Sessions = len(list)
	return out, err
}

// reach is an error unless by holds every right that roles give at party: nobody
// gives, takes or takes over more than it has.
func (n *Node) reach(by hansa.Actor, party hansa.PartyID, roles []hansa.UserRole) error {
	for _, right := range n.rightsOf(&trust.User{Party: party, Roles: roles}) {
		if !by.May(right) {
			return hansa.Errorf(hansa.Denied, "only somebody with the right %s may give, change or end a user who has it", right).With(hansa.CodeForbidden).WithHint("ask an administrator")
		}
	}
	return nil
}

func (p people) Users(ctx context.Context, by hansa.Actor, party string) ([]api.User, error) {
	of, err := p.n.partyFor(by, party)
	if err != nil {
		return nil, err
	}
	list, err := p.n.trust.Users(ctx, of.ID)
	out := make([]api.User, 0, len(list))
	for i := range list {
		u, err := p.n.shownUser(ctx, &list[i])
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, err
}

func (p people) User(ctx context.Context, by hansa.Actor, id string) (api.User, error) {
	u, err := p.n.userFor(ctx, by, id)
	if err != nil {
		return api.User{}, err
	}
	return p.n.shownUser(ctx, &u)
}

func (p people) AddUser(ctx context.Context, by hansa.Actor, o api.UserOrder) (api.Invited, error) {
	of, err := p.n.partyFor(by, o.Party)
	if err != nil {
		return api.Invited{}, err
	}
	if err := p.n.reach(by, of.ID, o.Roles); err != nil {
		return api.Invited{}, err
	}
	return p.link(ctx, by, o.GoodForHours, func(tx hansa.Tx) (trust.User, error) {
		return p.n.trust.AddUser(tx, by, trust.UserSpec{Party: of.ID, Name: o.Name, Mail: o.Mail, Roles: o.Roles})
	})
}

func (p people) LinkUser(ctx context.Context, by hansa.Actor, id string, o api.LinkOrder) (api.Invited, error) {
	u, err := p.n.userFor(ctx, by, id)
	if err != nil {
		return api.Invited{}, err
	}
	if err := p.n.reach(by, u.Party, u.Roles); err != nil { // a link takes the user over
		return api.Invited{}, err
	}
	return p.link(ctx, by, o.GoodForHours, func(hansa.Tx) (trust.User, error) { return u, nil })
}

// link issues a link to the user that of returns, in one transaction with it.
func (p people) link(ctx context.Context, by hansa.Actor, hours int, of func(hansa.Tx) (trust.User, error)) (out api.Invited, err error) {
	if err := p.n.signsIn(); err != nil {
		return out, err
	}
	if hours < 0 || hours > int(trust.LinkMax/time.Hour) {
		return out, hansa.Fielded("/goodForHours", "a link is good for 1 to %d hours", int(trust.LinkMax/time.Hour))
	}
	var u trust.User
	var l trust.Link
	var token trust.Secret
	err = p.n.trust.Change(ctx, func(tx hansa.Tx) (err error) {
		if u, err = of(tx); err != nil {
			return err
		}
		l, token, err = p.n.trust.IssueLink(tx, by, u.ID, time.Duration(hours)*time.Hour)
		return err
	})
	if err != nil {
		return out, err
	}
	out = api.Invited{Link: p.n.address() + "/enter?token=" + url.QueryEscape(token.Reveal()), Purpose: string(l.Purpose), Expires: l.Expires}
	out.User, err = p.n.shownUser(ctx, &u)
	return out, err
}

// signsIn is an error on a node whose pages are open to everybody: it has no page on
// which a link would open.
func (n *Node) signsIn() error {
	if !n.cfg.OpenRoom {
		return nil
	}
	return hansa.Errorf(hansa.Conflict, "the pages of this node are open to everybody, and nobody signs in here: the link would open nothing").WithHint("hansa init DIR")
}

// address is where people reach the room.
func (n *Node) address() string {
	if n.cfg.PublicURL != "" {
		return strings.TrimRight(n.cfg.PublicURL, "/")
	}
	if at := n.listening.Load(); at != nil {
		return *at
	}
	return ""
}

func (p people) SetRoles(ctx context.Context, by hansa.Actor, id string, roles []hansa.UserRole) (api.User, error) {
	return p.change(ctx, by, id, roles, func(tx hansa.Tx, u *trust.User) (trust.User, error) {
		return p.n.trust.SetRoles(tx, by, u.ID, roles)
	})
}

func (p people) RevokeUser(ctx context.Context, by hansa.Actor, id string) (api.User, error) {
	out, err := p.change(ctx, by, id, nil, func(tx hansa.Tx, u *trust.User) (trust.User, error) {
		return p.n.trust.RevokeUser(tx, by, u.ID)
	})
	p.n.changed.soon() // open pages look again, and end
	return out, err
}

// change does one act on a user, whose rights before and after by must hold.
func (p people) change(ctx context.Context, by hansa.Actor, id string, roles []hansa.UserRole, act func(hansa.Tx, *trust.User) (trust.User, error)) (api.User, error) {
	p.n.crew.Lock() // between the look at who is left and the act
	defer p.n.crew.Unlock()
	u, err := p.n.userFor(ctx, by, id)
	if err != nil {
		return api.User{}, err
	}
	if err := p.n.reach(by, u.Party, slices.Concat(u.Roles, roles)); err != nil {
		return api.User{}, err
	}
	if err := p.left(ctx, &u, roles); err != nil {
		return api.User{}, err
	}
	err = p.n.trust.Change(ctx, func(tx hansa.Tx) (err error) {
		u, err = act(tx, &u)
		return err
	})
	if err != nil {
		return api.User{}, err
	}
	return p.n.shownUser(ctx, &u)
}

// left is an error when u is its party's last administrator and would be none with
// these roles: nobody could let anybody in again.
func (p people) left(ctx context.Context, u *trust.User, roles []hansa.UserRole) error {
	if !slices.Contains(u.Roles, hansa.RoleAdministrator) || !u.Revoked.IsZero() || slices.Contains(roles, hansa.RoleAdministrator) {
		return nil
	}
	all, err := p.n.trust.Users(ctx, u.Party)
	if err != nil {
		return err
	}
	for i := range all {
		if x := &all[i]; x.ID != u.ID && x.Revoked.IsZero() && slices.Contains(x.Roles, hansa.RoleAdministrator) {
			return nil
		}
	}
	return hansa.Errorf(hansa.Conflict, "%s is the last administrator of %s", u.Name, p.n.party(u.Party).Title).At("/roles").WithHint("make somebody else an administrator first")
}

// Invite makes a user of the node's own party and the link for its first sign-in,
// as the administrator's own socket would: for who sets a node up.
func (n *Node) Invite(ctx context.Context, name, mail string, roles ...hansa.UserRole) (link string, expires time.Time, err error) {
	by := hansa.Actor{Party: n.own, Rights: []hansa.Right{hansa.RightAdmin}}
	in, err := people{n}.AddUser(ctx, by, api.UserOrder{Name: name, Mail: mail, Roles: roles})
	return in.Link, in.Expires, err
}
