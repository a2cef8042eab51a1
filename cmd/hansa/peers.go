package main

import (
	"context"
	"net/url"
	"os"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// peersCmd keeps whom a party deals with at other nodes.
type peersCmd struct {
	List   peersListCmd   `cmd:"" default:"withargs" help:"List peers."`
	Add    peersAddCmd    `cmd:"" help:"Add a peer: a participant at another node."`
	Show   peersShowCmd   `cmd:"" help:"Show one peer."`
	Change peersChangeCmd `cmd:"" help:"Change where a peer is, or the tokens between you."`
	Remove peersRemoveCmd `cmd:"" help:"Remove a peer, and end its tokens."`
}

func (peersCmd) examples() []string {
	return []string{"hansa peers", "hansa peers add harbour --id did:web:harbour.example --at https://harbour.example/dsp/2025-1"}
}

type peersListCmd struct {
	Party string `help:"The party, by name; your own when empty." placeholder:"NAME"`
}

func (peersListCmd) examples() []string {
	return []string{"hansa peers list", "hansa peers list --party navco"}
}

func (cmd *peersListCmd) fetch(ctx context.Context, g *globals, p *printer) (list api.PeersBody, err error) {
	c, err := g.connect(p)
	if err != nil {
		return list, err
	}
	return list, c.do(ctx, "GET", "/api/v1/peers?"+url.Values{"party": {cmd.Party}}.Encode(), nil, &list)
}

func (cmd *peersListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	list, err := cmd.fetch(ctx, g, p)
	if err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Peers {
		x := &list.Peers[i]
		rows = append(rows, []string{x.Name, clean(x.Title), x.Mode, clean(string(x.ID)), clean(x.Address)})
	}
	p.table([]string{"PEER", "TITLE", "BY", "ID", "AT"}, rows, "")
	if len(rows) == 0 {
		p.say("None yet. Add one: hansa peers add NAME --id DID --at URL")
	}
	return nil
}

type peersAddCmd struct {
	Name       string `arg:"" help:"Its short name here: a-z, 0-9 and hyphen."`
	ID         string `help:"Its DID, or its participant id." required:"" placeholder:"DID" name:"id"`
	At         string `help:"The base address of its connector; without one it only calls." placeholder:"URL"`
	Title      string `help:"Its name as people read it."`
	Party      string `help:"The party that deals with it, by name; your own when empty." placeholder:"NAME"`
	SecretFile string `help:"A file with the token that is shown to it. Without one both prove who they are by did:web." placeholder:"FILE"`
	Issue      bool   `help:"Make a token that it shows to you. It is shown once."`
}

func (peersAddCmd) examples() []string {
	return []string{
		"hansa peers add harbour --id did:web:harbour.example --at https://harbour.example/dsp/2025-1",
		"hansa peers add pilot --id PILOT_7 --at https://pilot.example/protocol --secret-file pilot.token --issue",
	}
}

func (cmd *peersAddCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	o := api.PeerOrder{Name: cmd.Name, ID: hansa.PartyID(cmd.ID), Address: cmd.At, Title: cmd.Title, Party: cmd.Party, Issue: cmd.Issue}
	if o.Token, err = tokenIn(cmd.SecretFile); err != nil {
		return err
	}
	var x api.Peer
	if err := c.do(ctx, "POST", "/api/v1/peers", o, &x); err != nil {
		return err
	}
	if done, err := p.show(x); done {
		return err
	}
	if x.Mode == "token" {
		p.say("%s is a peer of %s, by tokens.", x.Name, x.Party)
		if !x.Token {
			p.say("Next: hansa peers change %s --secret-file FILE, with the token that it gave you", x.Name)
		}
	} else {
		p.say("%s is a peer of %s. Each proves who it is by its own key: %s", x.Name, x.Party, clean(string(x.ID)))
		p.say("Next: give it your own DID: hansa keys list")
	}
	return p.inbound(&x)
}

// inbound shows the token that a peer gets, this once.
func (p *printer) inbound(x *api.Peer) error {
	if x.Inbound == "" {
		return nil
	}
	p.say("The token by which %s proves who it is, shown this once:", x.Name)
	_, err := p.out.Write([]byte(x.Inbound + "\n"))
	p.say("It sends: Authorization: Bearer %s", x.Inbound)
	return err
}

// tokenIn reads the token that a file holds.
func tokenIn(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", &failure{exit: exitUsage, code: "file", message: "The file with the token cannot be read: " + err.Error()}
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", &failure{exit: exitUsage, code: "file", message: "The file " + name + " holds no token."}
	}
	return token, nil
}

type peersShowCmd struct {
	Name  string `arg:"" help:"Its name or id."`
	Party string `help:"The party, by name; your own when empty." placeholder:"NAME"`
}

func (peersShowCmd) examples() []string { return []string{"hansa peers show harbour"} }

func (cmd *peersShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	list, err := (&peersListCmd{Party: cmd.Party}).fetch(ctx, g, p)
	if err != nil {
		return err
	}
	for i := range list.Peers {
		x := &list.Peers[i]
		if x.Name != cmd.Name && string(x.ID) != cmd.Name {
			continue
		}
		if done, err := p.show(x); done {
			return err
		}
		token := map[bool]string{true: "yes", false: "none"}[x.Token]
		if x.Mode != "token" {
			token = ""
		}
		p.table([]string{"PEER", x.Name}, [][]string{{"title", clean(x.Title)}, {"of", x.Party}, {"id", clean(string(x.ID))}, {"at", clean(x.Address)}, {"by", x.Mode}, {"token for it", token}, {"added", p.at(x.Added)}}, "")
		return nil
	}
	return &failure{exit: exitNotFound, code: "not-found", message: "There is no peer " + clean(cmd.Name) + ".", hint: "hansa peers list"}
}

type peersChangeCmd struct {
	Name       string `arg:"" help:"Its name or id."`
	Party      string `help:"The party, by name; your own when empty." placeholder:"NAME"`
	At         string `help:"The base address of its connector." placeholder:"URL"`
	Title      string `help:"Its name as people read it."`
	By         string `help:"How both prove who they are: token or did:web." enum:"token,did:web," default:""`
	SecretFile string `help:"A file with the token that is shown to it." placeholder:"FILE"`
	Issue      bool   `help:"Make a new token that it shows to you; the old one stays good for an hour."`
}

func (peersChangeCmd) examples() []string {
	return []string{"hansa peers change harbour --at https://connect.harbour.example/dsp/2025-1", "hansa peers change pilot --issue"}
}

func (cmd *peersChangeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	o := api.PeerOrder{Address: cmd.At, Title: cmd.Title, Mode: cmd.By, Issue: cmd.Issue}
	if o.Token, err = tokenIn(cmd.SecretFile); err != nil {
		return err
	}
	var x api.Peer
	if err := c.do(ctx, "POST", "/api/v1/peers/"+url.PathEscape(cmd.Name)+"?"+url.Values{"party": {cmd.Party}}.Encode(), o, &x); err != nil {
		return err
	}
	if done, err := p.show(x); done {
		return err
	}
	p.say("%s is changed.", x.Name)
	return p.inbound(&x)
}

type peersRemoveCmd struct {
	Name  string `arg:"" help:"Its name or id."`
	Party string `help:"The party, by name; your own when empty." placeholder:"NAME"`
}

func (peersRemoveCmd) examples() []string { return []string{"hansa peers remove harbour"} }

func (cmd *peersRemoveCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if err := p.ask(g, "Remove the peer "+clean(cmd.Name)+", and end its tokens? [y/N] "); err != nil {
		return err
	}
	if err := c.do(ctx, "DELETE", "/api/v1/peers/"+url.PathEscape(cmd.Name)+"?"+url.Values{"party": {cmd.Party}}.Encode(), nil, nil); err != nil {
		return err
	}
	p.say("%s is no peer any more. What was agreed and exchanged, and its proof, stay.", clean(cmd.Name))
	return nil
}
