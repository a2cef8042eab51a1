package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// registerCmd reads the public register of a node.
type registerCmd struct {
	ID    string `arg:"" optional:"" help:"One accord, by its id or the beginning of it; all when left out."`
	After string `help:"Begin after this accord, as the page before says." placeholder:"ID"`
	Limit int    `help:"How many, 1 to 50." default:"50"`
}

func (registerCmd) examples() []string {
	return []string{"hansa register", "hansa register ID", "hansa register --after ID", "hansa register --json"}
}

func (cmd *registerCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if cmd.ID != "" {
		return cmd.one(ctx, c, p)
	}
	list, err := c.register(ctx, cmd.After, cmd.Limit)
	if err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Accords {
		a := &list.Accords[i]
		names := []string{}
		for k := range a.Parties {
			names = append(names, a.Parties[k].Title)
		}
		rows = append(rows, []string{string(a.ID), string(a.Model), string(a.State), p.day(a), first(a.Until, "open"), clean(oneTitle(a.Title)), clean(strings.Join(names, ", ")), clean(joined(a.Purposes))})
	}
	left := ""
	if list.After != "" {
		left = "more: hansa register --after " + string(list.After)
	}
	p.table([]string{"ACCORD", "MODEL", "STATE", "SINCE", "UNTIL", "TITLE", "PARTIES", "PURPOSES"}, rows, left)
	if len(rows) > 0 {
		p.say("Accords in force at %s. One of them: hansa register %s", clean(list.Host), rows[0][0])
	}
	return nil
}

// register reads a page of the register.
func (c *client) register(ctx context.Context, after string, limit int) (list api.RegisterBody, err error) {
	q := url.Values{"after": {after}, "limit": {fmt.Sprint(limit)}}
	return list, c.do(ctx, "GET", "/api/v1/register?"+q.Encode(), nil, &list)
}

// registerPagesMax bounds how far the beginning of an id is looked for.
const registerPagesMax = 20

// registeredID completes the id of an accord in the register.
func (c *client) registeredID(ctx context.Context, given string) (string, error) {
	if len(given) >= idLength {
		return given, nil
	}
	ids, after := []string{}, ""
	for range registerPagesMax {
		list, err := c.register(ctx, after, api.RegisterMax)
		if err != nil {
			return "", err
		}
		for i := range list.Accords {
			ids = append(ids, string(list.Accords[i].ID))
		}
		if after = string(list.After); after == "" {
			break
		}
	}
	return shortened("accord in force", given, "hansa register", ids)
}

func (cmd *registerCmd) one(ctx context.Context, c *client, p *printer) error {
	id, err := c.registeredID(ctx, cmd.ID)
	if err != nil {
		return err
	}
	var d api.RegisteredDetail
	if err := c.do(ctx, "GET", "/api/v1/register/"+url.PathEscape(id), nil, &d); err != nil {
		return err
	}
	if done, err := p.show(d); done {
		return err
	}
	p.lines("ACCORD", string(d.ID), [][]string{
		{"title", clean(oneTitle(d.Title))},
		{"about", clean(oneTitle(d.Summary))},
		{"model", string(d.Model)},
		{"state", string(d.State)},
		{"since", p.at(d.Since)},
		{"until", first(d.Until, "indefinite")},
		{"purposes", clean(joined(d.Purposes))},
		{"version", fmt.Sprint(d.Version)},
		{"sha-256", d.Hash},
	})
	names := map[hansa.PartyID]string{}
	for i := range d.Parties {
		x := &d.Parties[i]
		names[x.ID] = x.Title
		since := ""
		switch {
		case x.Joined:
			since = ", joined"
		case x.Left:
			since = ", left"
		}
		fmt.Fprintf(p.out, "  %s (%s), %s%s\n", clean(x.Title), x.Kind, clean(string(x.ID)), since)
	}
	for i := range d.Flows {
		p.registerFlow(&d.Flows[i], names)
	}
	for _, w := range d.Withheld {
		fmt.Fprintf(p.out, "withheld  %s: %s\n", clean(w.Part), clean(w.Rule))
	}
	return nil
}

// registerFlow says what goes from whom to whom, and what its gate holds to.
func (p *printer) registerFlow(f *api.RegisterFlow, names map[hansa.PartyID]string) {
	name := func(id hansa.PartyID) string { return clean(first(names[id], string(id))) }
	fmt.Fprintf(p.out, "gives     %s: %s to %s\n", clean(f.What), name(f.From), name(f.To))
	if f.Gate == nil {
		fmt.Fprintln(p.out, "  gate    withheld with its clauses")
		return
	}
	fmt.Fprintf(p.out, "  gate    for %s, as %s, from %s", clean(joined(f.Gate.Purposes)), clean(joined(f.Gate.Formats)), p.at(f.Gate.From))
	if !f.Gate.Until.IsZero() {
		fmt.Fprintf(p.out, " until %s", p.at(f.Gate.Until))
	}
	fmt.Fprintln(p.out)
	for _, at := range f.Open {
		fmt.Fprintf(p.out, "  open    %s\n", clean(at))
	}
}

// day is when an accord came into force.
func (p *printer) day(a *api.Registered) string { return a.Since.In(p.zone).Format("2006-01-02") }
