package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/node"
)

type initCmd struct {
	Dir          string   `arg:"" help:"A new folder for the configuration and the data."`
	Name         string   `help:"Short name of your party: a-z, 0-9 and hyphen." placeholder:"NAME"`
	Title        string   `help:"Its name as people read it." placeholder:"TITLE"`
	Kind         string   `help:"city, public-body, company or intermediary." enum:"city,public-body,company,intermediary" default:"city"`
	URL          string   `help:"The public URL. Its host names the journal, for ever." name:"url" placeholder:"https://HOST"`
	ID           string   `help:"Your party's DID; did:web: of the host when empty." name:"id" placeholder:"DID"`
	Zone         string   `help:"Your time zone." placeholder:"Europe/Amsterdam"`
	Lang         []string `help:"A language that you write in, the first for what names none. May be repeated." placeholder:"nl"`
	Network      string   `help:"A GeoJSON file of tunnels, bridges and streets." placeholder:"FILE"`
	Admin        string   `help:"The first administrator's name to sign in with." default:"admin"`
	Listen       string   `help:"Where the node listens." placeholder:"127.0.0.1:8080"`
	Cert         string   `help:"The TLS certificate (PEM)." placeholder:"FILE"`
	Key          string   `help:"Its private key (PEM)." placeholder:"FILE"`
	TrustedProxy bool     `help:"TLS ends at a proxy before the node." name:"trusted-proxy"`
}

func (initCmd) examples() []string {
	return []string{"hansa init /srv/hansa", "hansa init city --name amstelburg --url https://hansa.amstelburg.example --zone Europe/Amsterdam --lang nl --yes"}
}

func (cmd *initCmd) Run(ctx context.Context, g *globals, p *printer) error {
	b := node.Beginning{
		Dir: cmd.Dir, Name: cmd.Name, Title: cmd.Title, Kind: hansa.PartyKind(cmd.Kind), PublicURL: cmd.URL, PartyID: cmd.ID, Zone: cmd.Zone, Languages: cmd.Lang,
		Network: cmd.Network, Admin: cmd.Admin, Listen: cmd.Listen, Cert: cmd.Cert, Key: cmd.Key, Proxy: cmd.TrustedProxy,
	}
	if b.Name == "" {
		b.Name = nameOf(filepath.Base(cmd.Dir))
	}
	if b.Zone == "" {
		b.Zone = localZone()
	}
	if p.terminal && !g.Yes && !g.NoInput {
		if err := askBeginning(p, &b); err != nil {
			return err
		}
	}
	if b.PublicURL == "" {
		return &failure{exit: exitUsage, code: "usage", message: "A node needs its public URL: its host names the journal, for ever.", hint: p.with("--url", "https://hansa.example")}
	}
	made, err := node.Init(ctx, b, build().Version)
	if err != nil {
		return err
	}
	if done, err := p.show(made); done {
		return err
	}
	p.say("A node for %s stands in %s.", clean(first(b.Title, b.Name)), cmd.Dir)
	p.say("Others trust its journal by this line; give it to them by another way than the node:")
	fmt.Fprintln(p.out, made.Key)
	p.say("The first administrator signs in by this link, once, until %s:", p.at(made.Until))
	fmt.Fprintln(p.out, made.Link)
	p.say("Next:")
	p.say("  hansa serve --config %s", quoted(made.Config))
	p.say("  hansa datasets add closures --licence CC-BY-4.0")
	p.say("  hansa feeds add URL --to closures        # or: hansa close PLACE")
	return nil
}

// askBeginning asks for what was not said.
func askBeginning(p *printer, b *node.Beginning) error {
	in := bufio.NewReader(p.in)
	for _, q := range []struct {
		says string
		to   *string
	}{
		{"Short name of your party", &b.Name},
		{"Its name as people read it", &b.Title},
		{"Public URL, such as https://hansa.city.example", &b.PublicURL},
		{"Its DID; empty takes did:web: of the host", &b.PartyID},
		{"Time zone", &b.Zone},
		{"A GeoJSON file of tunnels, bridges and streets; empty is none", &b.Network},
	} {
		fmt.Fprintf(p.err, "%s [%s]: ", q.says, clean(*q.to))
		line, err := in.ReadString('\n')
		if err != nil && err != io.EOF {
			return err
		}
		if line = strings.TrimSpace(line); line != "" {
			*q.to = line
		}
	}
	fmt.Fprintf(p.err, "Languages that you write in [%s]: ", strings.Join(b.Languages, " "))
	line, err := in.ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\r' }); len(words) > 0 {
		b.Languages = words
	}
	return nil
}

// localZone is the machine's time zone by name, or UTC.
func localZone() string {
	if tz := strings.TrimPrefix(os.Getenv("TZ"), ":"); tz != "" {
		if _, err := time.LoadLocation(tz); err == nil {
			return tz
		}
	}
	if target, err := filepath.EvalSymlinks("/etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(target, "zoneinfo/"); ok {
			if _, err := time.LoadLocation(name); err == nil {
				return name
			}
		}
	}
	return "UTC"
}
