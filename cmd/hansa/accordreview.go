package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type accordsReviewCmd struct {
	ID     string `arg:"" help:"The accord, by its id or the beginning of it."`
	Until  string `help:"Make a link that ends then: 2027-12-31T00:00, or +336h from now." placeholder:"TIME"`
	For    string `help:"With --until: who is to read it, in plain words." placeholder:"WHO"`
	Revoke string `help:"End this link at once, by its id." placeholder:"REVIEW"`
	Party  string `help:"With --until: the party whose copy it opens, by name; your own when empty." placeholder:"NAME"`
}

func (accordsReviewCmd) examples() []string {
	return []string{"hansa accords review ID --until +336h --for 'Havenrecht'", "hansa accords review ID", "hansa accords review ID --revoke REVIEW"}
}

// Run makes a link, revokes one, or lists those that there are.
func (cmd *accordsReviewCmd) Run(ctx context.Context, g *globals, p *printer) error {
	if cmd.Until != "" && cmd.Revoke != "" {
		return &failure{exit: exitUsage, code: "usage", message: "A link is made with --until, or ended with --revoke: name one of the two.", hint: "hansa accords review --help"}
	}
	c, id, err := g.accordAt(ctx, p, cmd.ID)
	if err != nil {
		return err
	}
	path := "/api/v1/accords/" + id + "/reviews"
	if cmd.Until != "" {
		return cmd.make(ctx, c, p, path)
	}
	var list api.ReviewsBody
	if cmd.Revoke != "" {
		err = c.do(ctx, "POST", path+"/"+cmd.Revoke+"/revoke", struct{}{}, &list)
	} else {
		err = c.do(ctx, "GET", path, nil, &list)
	}
	if err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Reviews {
		r := &list.Reviews[i]
		rows = append(rows, []string{r.ID, r.State, p.at(r.Until), strconv.FormatInt(r.Opened, 10), clean(r.For)})
	}
	p.table([]string{"REVIEW", "STATE", "UNTIL", "OPENED", "FOR"}, rows, "")
	return nil
}

func (cmd *accordsReviewCmd) make(ctx context.Context, c *client, p *printer, path string) error {
	until, err := p.when(cmd.Until, time.Now(), "--until")
	if err != nil {
		return err
	}
	var r api.Review
	if err := c.do(ctx, "POST", path, api.ReviewOrder{Party: cmd.Party, For: cmd.For, Until: *until}, &r); err != nil {
		return err
	}
	if done, err := p.show(r); done {
		return err
	}
	p.say("Send this link to who reads it. It opens this accord alone, until %s:", p.at(r.Until))
	_, err = fmt.Fprintln(p.out, r.Link)
	p.say("To end it: hansa accords review %s --revoke %s", r.Accord, r.ID)
	return err
}
