package main

import (
	"cmp"
	"context"
	"strconv"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type accordsKeptCmd struct {
	ID string `arg:"" help:"The accord, by its id or the beginning of it."`
}

func (accordsKeptCmd) examples() []string {
	return []string{"hansa accords kept ID", "hansa accords kept ID --json"}
}

func (cmd *accordsKeptCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, id, err := g.accordAt(ctx, p, cmd.ID)
	if err != nil {
		return err
	}
	var d api.AccordKept
	if err := c.do(ctx, "GET", "/api/v1/accords/"+id+"/kept", nil, &d); err != nil {
		return err
	}
	return p.kept(&d)
}

// kept shows how the clauses of an accord stand, with those missed named at the end.
func (p *printer) kept(d *api.AccordKept) error {
	if done, err := p.show(d); done {
		return err
	}
	if d.Version == "" {
		p.say("No version of this accord is in force, so there is nothing to keep yet.")
		return nil
	}
	rows := [][]string{}
	missed, unseen := 0, 0
	for i := range d.Clauses {
		x := &d.Clauses[i]
		switch x.Standing {
		case "missed":
			missed++
		case "unknown":
			unseen++
		}
		by := make([]string, 0, len(x.By))
		for _, id := range x.By {
			by = append(by, cmp.Or(d.Titles[id], string(id)))
		}
		rows = append(rows, []string{strconv.Itoa(x.N), x.ID, clean(joined(by)), x.How, x.Standing, clean(x.Words)})
	}
	p.table([]string{"N", "CLAUSE", "BY", "HOW", "STANDING", "MEASURED"}, rows, "")
	p.say("%s since %s: %s missed, %s not known here.", count(len(rows), "row"), p.at(d.Since), strconv.Itoa(missed), strconv.Itoa(unseen))
	if missed > 0 {
		p.say("Next: hansa accords comment %s WORDS --clause N, or hansa accords suspend %s", d.Accord, d.Accord)
	}
	return nil
}
