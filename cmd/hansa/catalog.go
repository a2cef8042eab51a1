package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// catalogCmd shows what can be had: at one peer, or in all that the node knows.
type catalogCmd struct {
	Words []string `arg:"" optional:"" help:"A peer by name, or the address of its connector. With --known: words, all of which a dataset says of itself."`
	Page  string   `help:"The page of the peer's catalogue that a longer list named." placeholder:"PAGE"`
	All   bool     `help:"Every page of the peer's catalogue."`
	Known bool     `help:"Search what the node knows: your datasets, what others here offer you, and the catalogues of your peers."`
	Gone  bool     `help:"With --known: also what peers no longer show."`
	Limit int      `help:"With --known: how many." default:"50"`
}

func (catalogCmd) examples() []string {
	return []string{"hansa catalog https://hansa.doggerhaven.example/dsp/2025-1", "hansa catalog doggerhaven --all --json", "hansa catalog --known road closures"}
}

func (cmd *catalogCmd) Run(ctx context.Context, g *globals, p *printer) error {
	if !cmd.Known && len(cmd.Words) != 1 {
		return &failure{exit: exitUsage, code: "usage", message: "Name one peer, or search what is known.", hint: strings.TrimSpace("hansa catalog --known " + strings.Join(cmd.Words, " "))}
	}
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if cmd.Known {
		return cmd.known(ctx, c, p)
	}
	list, err := cmd.fetch(ctx, c)
	if err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	for i := range list.Datasets {
		p.dataset(&list.Datasets[i])
	}
	p.say("%s of %s (%s).", count(len(list.Datasets), "dataset"), clean(list.Title), list.Participant)
	if list.Next != "" {
		p.say("There are more: hansa catalog %s --page %s", quoted(cmd.Words[0]), quoted(list.Next))
	}
	for i := range list.Datasets {
		if o := list.Datasets[i].Offers; len(o) > 0 && o[0].ID != "" {
			p.say("Ask for one: hansa negotiate %s --at %s --purpose PURPOSE --wait", quoted(o[0].ID), quoted(cmd.Words[0]))
			break
		}
	}
	return nil
}

// fetch reads a page of the peer's catalogue, or all of them.
func (cmd *catalogCmd) fetch(ctx context.Context, c *client) (list api.CatalogAnswer, err error) {
	o := api.CatalogOrder{Peer: cmd.Words[0], Page: cmd.Page}
	if err = c.do(ctx, "POST", "/api/v1/catalog/request", o, &list); err != nil || !cmd.All {
		return list, err
	}
	for pages := 1; list.Next != "" && pages < cataloguePagesMax; pages++ {
		var more api.CatalogAnswer
		o.Page = list.Next
		if err := c.do(ctx, "POST", "/api/v1/catalog/request", o, &more); err != nil {
			return list, err
		}
		list.Datasets, list.Next = append(list.Datasets, more.Datasets...), more.Next
	}
	list.Catalog = nil // of one page, when there are several
	return list, nil
}

// cataloguePagesMax bounds how many pages one command reads.
const cataloguePagesMax = 1000

// dataset writes a dataset of a peer and its offers, in words.
func (p *printer) dataset(d *api.RemoteDataset) {
	fmt.Fprintf(p.out, "%s  %s\n", paint(p.colourOut, bold, clean(first(d.Title, d.ID))), paint(p.colourOut, dim, clean(d.ID)))
	for _, line := range [][2]string{{"", d.Description}, {"licence ", d.Licence}, {"had as ", strings.Join(d.Formats, ", ")}} {
		if line[1] != "" {
			fmt.Fprintf(p.out, "  %s%s\n", line[0], clean(line[1]))
		}
	}
	for _, o := range d.Offers {
		who := "a person says yes"
		if o.Automatic {
			who = "the node says yes by itself"
		}
		fmt.Fprintf(p.out, "  offer %s, %s\n", paint(p.colourOut, teal, clean(o.ID)), who)
		for _, w := range o.Words {
			fmt.Fprintf(p.out, "    %s\n", clean(w))
		}
	}
}

// known searches what the node knows.
func (cmd *catalogCmd) known(ctx context.Context, c *client, p *printer) error {
	q := url.Values{"q": {strings.Join(cmd.Words, " ")}, "gone": {fmt.Sprint(cmd.Gone)}, "limit": {fmt.Sprint(cmd.Limit)}}
	var list api.KnownBody
	if err := c.do(ctx, "GET", "/api/v1/catalogue?"+q.Encode(), nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Datasets {
		d := &list.Datasets[i]
		where := "peer"
		switch {
		case d.Own:
			where = "yours"
		case !d.Gone.IsZero():
			where = "gone"
		case d.At == "":
			where = "here"
		}
		rows = append(rows, []string{clean(d.Title), clean(d.PartyTitle), where, fmt.Sprint(len(d.Offers)), clean(d.Licence), clean(d.ID)})
	}
	p.table([]string{"DATASET", "OF", "WHERE", "OFFERS", "LICENCE", "ID"}, rows, "")
	for _, k := range list.Catalogues {
		if k.Reason != "" {
			p.say("The catalogue of %s could not be read: %s", clean(k.Title), clean(k.Reason))
		}
	}
	if list.More {
		p.say("There are more. Name words, or a larger --limit.")
	}
	return nil
}
