package main

import (
	"context"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type datasetsOpenCmd struct{}

func (datasetsOpenCmd) examples() []string { return []string{"hansa datasets open"} }

func (datasetsOpenCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var list api.OpenBody
	if err := c.do(ctx, "GET", "/open", nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Datasets {
		d := &list.Datasets[i]
		for _, a := range d.Addresses {
			rows = append(rows, []string{a.Path, clean(d.PartyTitle), clean(d.Title), clean(d.Licence), joined(d.Purposes), string(d.Accord)})
		}
	}
	p.table([]string{"ADDRESS", "PARTY", "DATASET", "LICENCE", "PURPOSES", "ACCORD"}, rows, "")
	return nil
}
