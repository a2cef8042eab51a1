package main

import (
	"context"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type accordsReportCmd struct {
	accordRef
	Clause string `arg:"" help:"The clause that asks for it, by its number in the text in force."`
	Words  string `arg:"" help:"What you did."`
}

func (accordsReportCmd) examples() []string {
	return []string{"hansa accords report ID 7 'used for planning alone, by us alone; three junctions were changed'"}
}

func (cmd *accordsReportCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return cmd.act(ctx, g, p, accord.Report, api.AccordAct{Clause: cmd.Clause, Words: cmd.Words})
}

type accordsTestedCmd struct {
	accordRef
	Flow   string `arg:"" help:"The flow by which it came, by its id."`
	Refuse bool   `help:"You do not accept it: say in --words what is wrong."`
	Words  string `help:"What you found." placeholder:"WORDS"`
}

func (accordsTestedCmd) examples() []string {
	return []string{"hansa accords accept-delivery ID FLOW", "hansa accords accept-delivery ID FLOW --refuse --words 'the counts of the ring road are missing'"}
}

func (cmd *accordsTestedCmd) Run(ctx context.Context, g *globals, p *printer) error {
	if cmd.Refuse && cmd.Words == "" {
		return &failure{exit: exitUsage, code: "usage", message: "Who refuses a delivery says what is wrong with it.", hint: "add --words 'what is wrong'"}
	}
	return cmd.act(ctx, g, p, accord.AcceptDelivery, api.AccordAct{Flow: hansa.FlowID(cmd.Flow), Refused: cmd.Refuse, Words: cmd.Words})
}
