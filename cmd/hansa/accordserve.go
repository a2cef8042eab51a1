package main

import (
	"context"
	"time"

	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// served is what tells of the service of a duty, or of an objection to one.
type served struct {
	How       string `help:"How it was brought: post, portal or gazette." required:"" placeholder:"HOW"`
	Reference string `help:"Its reference, by which it is found again." required:"" placeholder:"REFERENCE"`
	On        string `help:"The day on which it was brought; today when left out." placeholder:"2026-12-31"`
}

func (s *served) service() (*accord.Service, error) {
	day := first(s.On, time.Now().Format(time.DateOnly))
	on, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil, &failure{exit: exitUsage, code: "usage", message: "--on is a day, such as 2026-12-31, not " + clean(day) + "."}
	}
	return &accord.Service{How: s.How, Reference: s.Reference, On: on}, nil
}

type accordsServeCmd struct {
	accordRef
	served
	binds
	Base  string `help:"The version that was served, by its SHA-256; another is not." placeholder:"HASH"`
	Words string `help:"What else there is to say."`
}

func (accordsServeCmd) examples() []string {
	return []string{"hansa accords serve ID --how post --reference 'letter 2026-114' --on 2026-12-01 --role alderman --power 'mandate 2026-114'"}
}

func (cmd *accordsServeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	s, err := cmd.service()
	if err != nil {
		return err
	}
	a, err := cmd.on(api.AccordAct{Base: cmd.Base, Service: s, Words: cmd.Words})
	if err != nil {
		return err
	}
	return cmd.act(ctx, g, p, accord.Serve, a)
}

type accordsObjectCmd struct {
	accordRef
	served
	Suspends bool   `help:"The objection holds the duty up, by law or by a court."`
	Words    string `help:"Why."`
}

func (accordsObjectCmd) examples() []string {
	return []string{"hansa accords object ID --how post --reference 'objection 12' --words 'the fields are not ours to give'", "hansa accords object ID --how portal --reference 'AWB 26/114' --on 2026-12-14 --suspends"}
}

func (cmd *accordsObjectCmd) Run(ctx context.Context, g *globals, p *printer) error {
	s, err := cmd.service()
	if err != nil {
		return err
	}
	s.Suspends = cmd.Suspends
	return cmd.act(ctx, g, p, accord.Object, api.AccordAct{Service: s, Words: cmd.Words})
}

type accordsAcknowledgeCmd struct {
	accordRef
	Words string `help:"What there is to say."`
}

func (accordsAcknowledgeCmd) examples() []string { return []string{"hansa accords acknowledge ID"} }

func (cmd *accordsAcknowledgeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return cmd.act(ctx, g, p, accord.Acknowledge, api.AccordAct{Words: cmd.Words})
}
