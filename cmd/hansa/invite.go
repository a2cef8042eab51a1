package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type partiesInviteCmd struct {
	For     string        `arg:"" help:"Who is asked, as people read it."`
	Accord  string        `help:"A draft of yours that is proposed to them: what they get, and what they are asked for, stands in it." placeholder:"DRAFT"`
	Instead string        `help:"With --accord: the party of its text whose place they take, by its id; the only one that is not here when empty." placeholder:"ID"`
	Dataset []string      `help:"Without --accord: a dataset that they get. May be repeated."`
	Use     []string      `help:"Without --accord: what they may use it for, as flows name it. May be repeated." placeholder:"navigation"`
	As      []string      `help:"A format that they may ask for. May be repeated; all when none is named." placeholder:"FORMAT"`
	Limit   time.Duration `help:"Agreed time from offered to live." default:"5m"`
	Why     string        `required:"" help:"What it is for, in plain words."`
	Wants   string        `help:"What they are asked to give, in plain words."`
	Basis   string        `help:"On which legal basis, in plain words; with --accord it is needed."`
	Days    int           `help:"Days until the link ends." default:"14"`
	Party   string        `help:"The party that asks, by name; your own when empty." placeholder:"NAME"`
}

func (partiesInviteCmd) examples() []string {
	return []string{
		"hansa parties invite 'Navco Routing' --dataset closures --use navigation --why 'Drivers should not meet a closed tunnel.'",
		"hansa parties invite 'Navco Routing' --accord 0192f0c4 --why 'Drivers should not meet a closed tunnel.' --basis 'Delegated Regulation (EU) 2022/670, Art. 5'",
	}
}

func (cmd *partiesInviteCmd) Run(ctx context.Context, g *globals, p *printer) error {
	if (cmd.Accord == "") == (len(cmd.Dataset) == 0) || len(cmd.Dataset) > 0 && len(cmd.Use) == 0 {
		return &failure{exit: exitUsage, code: "usage", message: "An invitation proposes an accord, or names datasets with what they may be used for.", hint: "hansa parties invite --help"}
	}
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	o := api.InvitationOrder{Party: cmd.Party, For: cmd.For, Wants: cmd.Wants, Purpose: cmd.Why, Basis: cmd.Basis, Days: cmd.Days, As: hansa.PartyID(cmd.Instead)}
	if cmd.Accord != "" {
		id, err := c.accordID(ctx, cmd.Accord)
		if err != nil {
			return err
		}
		o.Accord = hansa.AccordID(id)
	}
	for _, d := range cmd.Dataset {
		x := api.Given{Dataset: d, Limit: hansa.Duration(cmd.Limit)}
		for _, u := range cmd.Use {
			x.Purposes = append(x.Purposes, hansa.Purpose(u))
		}
		for _, f := range cmd.As {
			x.Formats = append(x.Formats, hansa.Format(f))
		}
		o.Gives = append(o.Gives, x)
	}
	var i api.Invitation
	if err := c.do(ctx, "POST", "/api/v1/invitations", o, &i); err != nil {
		return err
	}
	if done, err := p.show(i); done {
		return err
	}
	p.say("Send this link to %s. It opens once, until %s:", clean(i.For), p.at(i.Expires))
	_, err = fmt.Fprintln(p.out, i.Link)
	if i.Accord != "" {
		p.say("They read what is proposed, and find the accord open once they have accepted. Next: hansa accords list")
	} else {
		p.say("Next: hansa parties onboarding        # how far they have come")
	}
	return err
}

type partiesInvitationsCmd struct{}

func (partiesInvitationsCmd) examples() []string { return []string{"hansa parties invitations"} }

func (partiesInvitationsCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var list api.InvitationsBody
	if err := c.do(ctx, "GET", "/api/v1/invitations", nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Invitations {
		x := &list.Invitations[i]
		var gives []string
		for _, d := range x.Gives {
			gives = append(gives, d.Dataset)
		}
		rows = append(rows, []string{clean(x.For), x.State, strings.Join(gives, ", "), x.Party, p.at(x.Expires), x.ID})
	}
	p.table([]string{"FOR", "STATE", "GIVES", "PARTY", "UNTIL", "ID"}, rows, "")
	return nil
}

type partiesUninviteCmd struct {
	ID string `arg:"" help:"The invitation's id."`
}

func (partiesUninviteCmd) examples() []string {
	return []string{"hansa parties uninvite 01a20952-8507-743c-9ffd-b26172221be5"}
}

func (cmd *partiesUninviteCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if err := c.do(ctx, "POST", "/api/v1/invitations/"+url.PathEscape(cmd.ID)+"/revoke", nil, nil); err != nil {
		return err
	}
	if done, err := p.show(map[string]any{"revoked": cmd.ID}); done {
		return err
	}
	p.say("The link opens no more.")
	return nil
}

type partiesOnboardingCmd struct{}

func (partiesOnboardingCmd) examples() []string { return []string{"hansa parties onboarding"} }

func (partiesOnboardingCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var list api.OnboardingBody
	if err := c.do(ctx, "GET", "/api/v1/onboarding", nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for _, o := range list.Parties {
		for _, s := range o.Steps {
			state, colour := "waits for "+s.Who, yellow
			switch {
			case !s.Done.IsZero():
				state, colour = "done", teal
			case s.Free:
				state, colour = "if they want it", dim
			}
			rows = append(rows, []string{o.Party, s.Step, paint(p.colourOut, colour, clean(state)), p.at(s.Done), s.How})
		}
	}
	p.table([]string{"PARTY", "STEP", "STATE", "SINCE", "NEXT"}, rows, "")
	return nil
}
