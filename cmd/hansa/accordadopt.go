package main

import (
	"context"
	"net/url"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type accordsAdoptCmd struct {
	At      string            `arg:"" help:"The address of an accord in another node's public register, or of that node, whose register is listed then; or the id of an accord in the register here."`
	As      string            `help:"The party of their text whose place yours takes, by its id; the only one of your kind when empty." placeholder:"ID"`
	With    []string          `sep:"none" help:"Who takes the place of another party: its id there, who comes, and their title; or its id alone, and it stays. Once for each; a place that nobody takes is kept open for an invitation." placeholder:"ID=ID,TITLE"`
	From    string            `help:"The first day; today when empty. All other days move with it." placeholder:"DAY"`
	Set     map[string]string `mapsep:"none" help:"A parameter of a clause, in the place of theirs; once for each." placeholder:"CLAUSE.PARAMETER=VALUE"`
	Without []string          `help:"Clauses to leave out." placeholder:"CLAUSE"`
	Basis   string            `help:"Of a duty: the reference of your own tender, permit, concession or by-law."`
	Party   string            `help:"The party whose draft it is, by name; your own when empty." placeholder:"NAME"`
}

func (accordsAdoptCmd) examples() []string {
	return []string{
		"hansa accords adopt https://doggerhaven.example",
		"hansa accords adopt https://doggerhaven.example/register/01a20952-8507-743c-9ffd-b26172221be5 --with 'did:web:navco.example' --set notice.days=60",
	}
}

func (cmd *accordsAdoptCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if u, err := url.Parse(cmd.At); err == nil && u.Host != "" && (strings.Trim(u.Path, "/") == "" || strings.Trim(u.Path, "/") == "register") {
		return cmd.list(ctx, c, p)
	}
	o := api.AccordAdoption{Party: cmd.Party, At: cmd.At, As: hansa.PartyID(cmd.As), From: cmd.From, Without: cmd.Without, Basis: cmd.Basis, Set: map[string]policy.Params{}}
	for _, s := range cmd.With {
		place, rest, other := strings.Cut(s, "=")
		id, title, _ := strings.Cut(rest, ",")
		if !other {
			id = place
		}
		if place == "" || id == "" {
			return badly("--with", s, "--with 'did:web:navco.example=did:web:wayfare.example,Wayfare Maps'")
		}
		o.Places = append(o.Places, api.AdoptedPlace{Place: hansa.PartyID(place), ID: hansa.PartyID(id), Title: title})
	}
	for name, v := range cmd.Set {
		clause, param, ok := strings.Cut(name, ".")
		if !ok {
			return badly("--set", name, "--set notice.days=30")
		}
		if o.Set[clause] == nil {
			o.Set[clause] = policy.Params{}
		}
		o.Set[clause][param] = v
	}
	var d api.AccordAdopted
	if err := c.do(ctx, "POST", "/api/v1/accords/adopt", o, &d); err != nil {
		return err
	}
	if done, err := p.show(d); done {
		return err
	}
	if err := p.accord(&d.AccordDetail); err != nil {
		return err
	}
	if err := p.redline(&api.AccordDiff{Accord: d.ID, From: d.Source.Hash, To: d.Proposed, Changes: d.Changes}, "en"); err != nil {
		return err
	}
	for _, n := range d.Notes {
		p.say("Look at: %s", clean(n.Says))
	}
	p.say("Next: hansa accords open %s; what differs, again: hansa accords diff %s --from %s", d.ID, d.ID, api.FromAdopted)
	return nil
}

// list shows what a node publishes.
func (cmd *accordsAdoptCmd) list(ctx context.Context, c *client, p *printer) error {
	var list api.PublishedBody
	if err := c.do(ctx, "GET", "/api/v1/published?"+url.Values{"at": {cmd.At}}.Encode(), nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Terms {
		t := &list.Terms[i]
		rows = append(rows, []string{clean(oneTitle(t.Title)), string(t.Model), clean(t.At)})
	}
	if len(rows) == 0 {
		p.say("No accord is in force there.")
		return nil
	}
	p.table([]string{"ACCORD", "MODEL", "AT"}, rows, "")
	p.say("Adopt one: hansa accords adopt AT")
	return nil
}
