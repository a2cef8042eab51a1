package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// usersCmd keeps the people of a party.
type usersCmd struct {
	List   usersListCmd   `cmd:"" default:"withargs" help:"List a party's users."`
	Add    usersAddCmd    `cmd:"" help:"Add a user. Its one-time link is shown once."`
	Show   usersShowCmd   `cmd:"" help:"Show one user."`
	Link   usersLinkCmd   `cmd:"" help:"Issue a new one-time link, for a lost password or a lost link."`
	Roles  usersRolesCmd  `cmd:"" help:"Give a user other roles."`
	Revoke usersRevokeCmd `cmd:"" help:"End a user with its sessions at once."`
}

func (usersCmd) examples() []string {
	return []string{"hansa users", "hansa users add 'Desk 3' --role controller"}
}

type usersListCmd struct {
	Party string `help:"The party, by name; your own when empty." placeholder:"NAME"`
}

func (usersListCmd) examples() []string {
	return []string{"hansa users list", "hansa users list --party navco"}
}

func (cmd *usersListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var list api.UsersBody
	if err := c.do(ctx, "GET", "/api/v1/users?"+url.Values{"party": {cmd.Party}}.Encode(), nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Users {
		u := &list.Users[i]
		colour := map[string]string{"active": teal, "invited": yellow, "revoked": dim}[u.State]
		rows = append(rows, []string{clean(u.SignIn), paint(p.colourOut, colour, u.State), roles(u.Roles), p.at(u.LastSeen), u.ID})
	}
	p.table([]string{"USER", "STATE", "ROLES", "LAST SEEN", "ID"}, rows, "")
	if len(rows) == 0 {
		p.say("Nobody yet. Add somebody: hansa users add NAME --role administrator")
	}
	return nil
}

func roles(list []hansa.UserRole) string {
	words := make([]string, 0, len(list))
	for _, r := range list {
		words = append(words, string(r))
	}
	return strings.Join(words, " ")
}

func rolesOf(words []string) []hansa.UserRole {
	list := make([]hansa.UserRole, 0, len(words))
	for _, w := range words {
		list = append(list, hansa.UserRole(w))
	}
	return list
}

type usersAddCmd struct {
	Name  string   `arg:"" help:"The name, as shown and to sign in with."`
	Role  []string `required:"" help:"A role: viewer, controller, crew, steward, signatory, operator, auditor, administrator, counsel, engineer or duty. May be repeated."`
	Mail  string   `help:"Where to reach the person." placeholder:"ADDRESS"`
	Party string   `help:"The party, by name; your own when empty." placeholder:"NAME"`
	Hours int      `help:"Hours that the link is good for." default:"24"`
}

func (usersAddCmd) examples() []string {
	return []string{"hansa users add 'Desk 3' --role controller", "hansa users add integration --party navco --role engineer --hours 72"}
}

func (cmd *usersAddCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var in api.Invited
	o := api.UserOrder{Party: cmd.Party, Name: cmd.Name, Mail: cmd.Mail, Roles: rolesOf(cmd.Role), GoodForHours: cmd.Hours}
	if err := c.do(ctx, "POST", "/api/v1/users", o, &in); err != nil {
		return err
	}
	return p.invited(&in)
}

// invited shows a one-time link, this once.
func (p *printer) invited(in *api.Invited) error {
	if done, err := p.show(in); done {
		return err
	}
	p.say("%s: %s. This link opens once, until %s; hand it over in private:", clean(in.User.SignIn), roles(in.User.Roles), p.at(in.Expires))
	_, err := fmt.Fprintln(p.out, in.Link)
	return err
}

type usersShowCmd struct {
	User string `arg:"" help:"The id, or the name; NAME@PARTY of another party."`
}

func (usersShowCmd) examples() []string { return []string{"hansa users show 'Desk 3'"} }

func (cmd *usersShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return userAct(ctx, g, p, "GET", cmd.User, "", nil, "")
}

type usersLinkCmd struct {
	User  string `arg:"" help:"The id, or the name; NAME@PARTY of another party."`
	Hours int    `help:"Hours that the link is good for." default:"24"`
}

func (usersLinkCmd) examples() []string { return []string{"hansa users link 'Desk 3'"} }

func (cmd *usersLinkCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var in api.Invited
	if err := c.do(ctx, "POST", "/api/v1/users/"+url.PathEscape(cmd.User)+"/link", api.LinkOrder{GoodForHours: cmd.Hours}, &in); err != nil {
		return err
	}
	return p.invited(&in)
}

type usersRolesCmd struct {
	User string   `arg:"" help:"The id, or the name; NAME@PARTY of another party."`
	Role []string `arg:"" help:"All the roles that the user shall have."`
}

func (usersRolesCmd) examples() []string {
	return []string{"hansa users roles 'Desk 3' controller auditor"}
}

func (cmd *usersRolesCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return userAct(ctx, g, p, "POST", cmd.User, "/roles", api.RolesOrder{Roles: rolesOf(cmd.Role)}, "The roles hold at once, for open sessions too.")
}

type usersRevokeCmd struct {
	User string `arg:"" help:"The id, or the name; NAME@PARTY of another party."`
}

func (usersRevokeCmd) examples() []string { return []string{"hansa users revoke 'Desk 3'"} }

func (cmd *usersRevokeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return userAct(ctx, g, p, "POST", cmd.User, "/revoke", map[string]any{}, "Every session and link of this user has ended.")
}

// userAct does one act on a user and shows what the user is then.
func userAct(ctx context.Context, g *globals, p *printer, method, user, act string, in any, says string) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var u api.User
	if err := c.do(ctx, method, "/api/v1/users/"+url.PathEscape(user)+act, in, &u); err != nil {
		return err
	}
	if done, err := p.show(u); done {
		return err
	}
	p.table([]string{"USER", clean(u.SignIn)}, [][]string{
		{"party", u.Party},
		{"state", u.State},
		{"roles", roles(u.Roles)},
		{"rights", rights(u.Rights)},
		{"mail", clean(u.Mail)},
		{"created", p.at(u.Created)},
		{"last seen", p.at(u.LastSeen)},
		{"sessions", fmt.Sprint(u.Sessions)},
		{"id", u.ID},
	}, "")
	if says != "" {
		p.say("%s", says)
	}
	return nil
}
