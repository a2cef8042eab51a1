package main

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// partiesCmd keeps the parties of a node.
type partiesCmd struct {
	List        partiesListCmd        `cmd:"" default:"1" help:"List the parties that you deal with; the operator sees all."`
	Add         partiesAddCmd         `cmd:"" help:"Add a party to this node."`
	Show        partiesShowCmd        `cmd:"" help:"Show one party."`
	Change      partiesChangeCmd      `cmd:"" help:"Change what a party is called, or add a host of its."`
	Revoke      partiesRevokeCmd      `cmd:"" help:"End a party's users and credentials at once, and pause its flows."`
	Invite      partiesInviteCmd      `cmd:"" help:"Make a link by which an organisation comes in."`
	Invitations partiesInvitationsCmd `cmd:"" help:"List invitations."`
	Uninvite    partiesUninviteCmd    `cmd:"" help:"Take an invitation back."`
	Onboarding  partiesOnboardingCmd  `cmd:"" help:"Say how far each party has come, and who is waited for."`
}

func (partiesCmd) examples() []string {
	return []string{"hansa parties", "hansa parties add navco --title 'Navco Routing' --host hooks.navco.example"}
}

type partiesListCmd struct{}

func (partiesListCmd) examples() []string {
	return []string{"hansa parties list", "hansa parties --json"}
}

func (partiesListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	list, err := fetchParties(ctx, g, p)
	if err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for _, x := range list.Parties {
		rows = append(rows, []string{x.Name, clean(x.Title), string(x.Kind), string(x.ID), p.at(x.Since)})
	}
	p.table([]string{"PARTY", "TITLE", "KIND", "ID", "SINCE"}, rows, "")
	return nil
}

func fetchParties(ctx context.Context, g *globals, p *printer) (list api.PartiesBody, err error) {
	c, err := g.connect(p)
	if err != nil {
		return list, err
	}
	return list, c.do(ctx, "GET", "/api/v1/parties", nil, &list)
}

type partiesAddCmd struct {
	Name    string   `arg:"" help:"Its short name: a-z, 0-9 and hyphen."`
	Title   string   `help:"Its name as people read it."`
	Kind    string   `help:"city, public-body, company or intermediary." enum:"city,public-body,company,intermediary" default:"company"`
	ID      string   `help:"Its DID, when it has one; else it gets one of this node." placeholder:"DID" name:"id"`
	Zone    string   `help:"Its time zone." placeholder:"Europe/Amsterdam"`
	Contact string   `help:"An address of a desk, not of a person." placeholder:"MAIL"`
	Share   float64  `help:"Its declared share of routed trips, 0 to 1."`
	Host    []string `help:"A host where its webhooks and lists may be called, over https. May be repeated."`
}

func (partiesAddCmd) examples() []string {
	return []string{"hansa parties add navco --title 'Navco Routing' --share 0.31", "hansa parties add navco --host hooks.navco.example"}
}

func (cmd *partiesAddCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var x hansa.Party
	o := api.PartyOrder{Name: cmd.Name, Title: cmd.Title, Kind: hansa.PartyKind(cmd.Kind), ID: hansa.PartyID(cmd.ID), Zone: cmd.Zone, Contact: cmd.Contact, Share: cmd.Share, Hosts: cmd.Host}
	if err := c.do(ctx, "POST", "/api/v1/parties", o, &x); err != nil {
		return err
	}
	if done, err := p.show(x); done {
		return err
	}
	p.say("%s is a party of this node: %s", x.Name, x.ID)
	p.say("Next: hansa credentials add main --party %s", x.Name)
	return nil
}

type partiesChangeCmd struct {
	Name    string   `arg:"" help:"Its name or DID."`
	Title   string   `help:"Its name as people read it."`
	Kind    string   `help:"city, public-body, company or intermediary." enum:"city,public-body,company,intermediary," default:""`
	Zone    string   `help:"Its time zone." placeholder:"Europe/Amsterdam"`
	Contact string   `help:"An address of a desk, not of a person." placeholder:"MAIL"`
	Share   float64  `help:"Its declared share of routed trips, 0 to 1."`
	Host    []string `help:"One more host where its webhooks and lists may be called, over https. May be repeated."`
}

func (partiesChangeCmd) examples() []string {
	return []string{"hansa parties change navco --host hooks.navco.example", "hansa parties change navco --share 0.34 --contact desk@navco.example"}
}

func (cmd *partiesChangeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var x hansa.Party
	o := api.PartyOrder{Title: cmd.Title, Kind: hansa.PartyKind(cmd.Kind), Zone: cmd.Zone, Contact: cmd.Contact, Share: cmd.Share, Hosts: cmd.Host}
	if err := c.do(ctx, "POST", "/api/v1/parties/"+url.PathEscape(cmd.Name), o, &x); err != nil {
		return err
	}
	if done, err := p.show(x); done {
		return err
	}
	p.say("%s is changed.", x.Name)
	return nil
}

type partiesRevokeCmd struct {
	Name string `arg:"" help:"Its name or DID."`
}

func (partiesRevokeCmd) examples() []string { return []string{"hansa parties revoke navco"} }

func (cmd *partiesRevokeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if err := p.ask(g, "End every user and credential of "+clean(cmd.Name)+", and pause its flows? [y/N] "); err != nil {
		return err
	}
	var out api.Ended
	if err := c.do(ctx, "POST", "/api/v1/parties/"+url.PathEscape(cmd.Name)+"/revoke", struct{}{}, &out); err != nil {
		return err
	}
	if done, err := p.show(out); done {
		return err
	}
	p.say("%s: %d users and %d credentials have ended, %d flows are paused. What was exchanged, and its proof, stay.", out.Party, out.Users, out.Credentials, out.Flows)
	return nil
}

type partiesShowCmd struct {
	Name string `arg:"" help:"Its name or DID."`
}

func (partiesShowCmd) examples() []string { return []string{"hansa parties show navco"} }

func (cmd *partiesShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	list, err := fetchParties(ctx, g, p)
	if err != nil {
		return err
	}
	for _, x := range list.Parties {
		if x.Name != cmd.Name && string(x.ID) != cmd.Name {
			continue
		}
		if done, err := p.show(x); done {
			return err
		}
		p.table([]string{"PARTY", x.Name}, [][]string{{"title", clean(x.Title)}, {"kind", string(x.Kind)}, {"id", string(x.ID)}, {"zone", x.Zone}, {"contact", clean(x.Contact)}, {"since", p.at(x.Since)}}, "")
		return nil
	}
	return &failure{exit: exitNotFound, code: "not-found", message: "There is no party " + cmd.Name + ".", hint: "hansa parties list"}
}

// credentialsCmd keeps what programs sign in with.
type credentialsCmd struct {
	List   credentialsListCmd   `cmd:"" default:"withargs" help:"List credentials; secrets are never shown again."`
	Add    credentialsAddCmd    `cmd:"" help:"Issue a credential. Its secret is shown once."`
	Show   credentialsShowCmd   `cmd:"" help:"Show one credential."`
	Rotate credentialsRotateCmd `cmd:"" help:"Replace a secret; the old one stays good for a while."`
	Revoke credentialsRevokeCmd `cmd:"" help:"End a credential at once."`
}

func (credentialsCmd) examples() []string {
	return []string{"hansa credentials --party navco", "hansa credentials add main --party navco --kind basic"}
}

type credentialsListCmd struct {
	Party string `help:"The party, by name; your own when empty." placeholder:"NAME"`
}

func (credentialsListCmd) examples() []string {
	return []string{"hansa credentials list", "hansa credentials list --party navco"}
}

func (cmd *credentialsListCmd) fetch(ctx context.Context, g *globals, p *printer) (list api.CredentialsBody, err error) {
	c, err := g.connect(p)
	if err != nil {
		return list, err
	}
	return list, c.do(ctx, "GET", "/api/v1/credentials?party="+url.QueryEscape(cmd.Party), nil, &list)
}

func (cmd *credentialsListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	list, err := cmd.fetch(ctx, g, p)
	if err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Credentials {
		x := &list.Credentials[i]
		colour := map[string]string{"good": teal, "replaced": yellow, "expired": pink, "revoked": dim}[x.State]
		rows = append(rows, []string{x.Name, paint(p.colourOut, colour, x.State), x.Kind, rights(x.Rights), p.at(x.Expires), p.at(x.LastUsed), x.ID})
	}
	p.table([]string{"CREDENTIAL", "STATE", "KIND", "RIGHTS", "EXPIRES", "LAST USED", "ID"}, rows, "")
	return nil
}

func rights(list []hansa.Right) string {
	words := make([]string, 0, len(list))
	for _, r := range list {
		words = append(words, string(r))
	}
	return strings.Join(words, " ")
}

type credentialsAddCmd struct {
	Name    string   `arg:"" help:"Its name: a-z, 0-9 and hyphen."`
	Party   string   `help:"The party, by name; your own when empty." placeholder:"NAME"`
	Kind    string   `help:"bearer, basic or header." enum:"bearer,basic,header" default:"bearer"`
	Header  string   `help:"The header's name, for --kind header." placeholder:"X-Api-Key"`
	Right   []string `help:"A right: read, publish, receipt, control, connect, manage, admin. May be repeated; read and receipt when none is named."`
	Purpose []string `help:"A purpose that it is bound to. May be repeated."`
	Test    bool     `help:"It reaches test flows alone."`
	Days    int      `help:"Days until it expires; 0 is never."`
}

func (credentialsAddCmd) examples() []string {
	return []string{"hansa credentials add poller --party navco --kind basic", "hansa credentials add gate --right publish --days 365", "hansa credentials add waze --party waze --kind header --header X-Api-Key"}
}

func (cmd *credentialsAddCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	o := api.CredentialOrder{Party: cmd.Party, Name: cmd.Name, Kind: cmd.Kind, Header: cmd.Header, Test: cmd.Test, Days: cmd.Days}
	for _, r := range cmd.Right {
		o.Rights = append(o.Rights, hansa.Right(r))
	}
	for _, x := range cmd.Purpose {
		o.Purposes = append(o.Purposes, hansa.Purpose(x))
	}
	var x api.Credential
	if err := c.do(ctx, "POST", "/api/v1/credentials", o, &x); err != nil {
		return err
	}
	return p.secret(&x)
}

// secret shows a credential's secret, this once.
func (p *printer) secret(x *api.Credential) error {
	if done, err := p.show(x); done {
		return err
	}
	p.say("Credential %s of %s: %s. Its secret is shown this once:", x.Name, x.Party, rights(x.Rights))
	how := "send: Authorization: Bearer " + x.Secret
	switch x.Kind {
	case "basic":
		how = "user " + x.ID + ", password " + x.Secret
	case "header":
		how = "send: " + x.Header + ": " + x.Secret
	}
	_, err := p.out.Write([]byte(x.Secret + "\n"))
	p.say("How to use it: %s", how)
	return err
}

type credentialsShowCmd struct {
	ID    string `arg:"" help:"Its id, or its name among the party's."`
	Party string `help:"The party, by name; your own when empty." placeholder:"NAME"`
}

func (credentialsShowCmd) examples() []string {
	return []string{"hansa credentials show main --party navco"}
}

func (cmd *credentialsShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	list, err := (&credentialsListCmd{Party: cmd.Party}).fetch(ctx, g, p)
	if err != nil {
		return err
	}
	for i := range list.Credentials {
		x := &list.Credentials[i]
		if x.ID != cmd.ID && x.Name != cmd.ID {
			continue
		}
		if done, err := p.show(x); done {
			return err
		}
		p.table([]string{"CREDENTIAL", x.Name}, [][]string{{"state", x.State}, {"party", x.Party}, {"kind", x.Kind}, {"rights", rights(x.Rights)}, {"issued", p.at(x.Issued)}, {"expires", p.at(x.Expires)}, {"last used", p.at(x.LastUsed)}, {"replaced by", x.ReplacedBy}, {"id", x.ID}}, "")
		return nil
	}
	return &failure{exit: exitNotFound, code: "not-found", message: "There is no credential " + cmd.ID + ".", hint: "hansa credentials list"}
}

type credentialsRotateCmd struct {
	ID      string        `arg:"" help:"Its id; by name among your own."`
	Overlap time.Duration `help:"How long the old secret stays good." default:"24h"`
}

func (credentialsRotateCmd) examples() []string {
	return []string{"hansa credentials rotate main --overlap 72h"}
}

func (cmd *credentialsRotateCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var x api.Credential
	if err := c.do(ctx, "POST", "/api/v1/credentials/"+url.PathEscape(cmd.ID)+"/rotate", api.RotateOrder{OverlapSeconds: int64(cmd.Overlap / time.Second)}, &x); err != nil {
		return err
	}
	p.say("The old secret stays good for %s.", cmd.Overlap)
	return p.secret(&x)
}

type credentialsRevokeCmd struct {
	ID string `arg:"" help:"Its id; by name among your own."`
}

func (credentialsRevokeCmd) examples() []string { return []string{"hansa credentials revoke main"} }

func (cmd *credentialsRevokeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if err := c.do(ctx, "POST", "/api/v1/credentials/"+url.PathEscape(cmd.ID)+"/revoke", nil, nil); err != nil {
		return err
	}
	if done, err := p.show(map[string]any{"revoked": cmd.ID}); done {
		return err
	}
	p.say("%s is refused from now on.", cmd.ID)
	return nil
}
