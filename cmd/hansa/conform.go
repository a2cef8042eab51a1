package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/node"
)

type conformCmd struct {
	URL      string        `arg:"" help:"The connector's base address, or the root that its version document is under."`
	Callback string        `help:"Where the connector reaches this machine; loopback when empty." placeholder:"HOST:PORT"`
	Wait     time.Duration `help:"How long the connector is given for each thing that it does by itself." default:"5s"`
}

func (conformCmd) examples() []string {
	return []string{"hansa conform http://127.0.0.1:8290/dsp/2025-1 --token-file driver-token", "hansa conform https://connector.example/dsp/2025-1 --token-file driver-token --callback checks.example:9000 --json"}
}

func (cmd *conformCmd) Run(ctx context.Context, g *globals, p *printer) error {
	if cmd.Wait < 100*time.Millisecond || cmd.Wait > time.Minute {
		return &failure{exit: exitUsage, code: "usage", message: "--wait is 100ms to 1m."}
	}
	token, err := g.token(p.in, g.TokenFile)
	if err != nil {
		return err
	}
	rep, err := node.Conform(ctx, node.ConformOrder{URL: cmd.URL, Token: token, Callback: cmd.Callback, Wait: cmd.Wait, Made: func(c node.ConformCheck) {
		p.say("%s", paint(p.colourErr, dim, string(c.Outcome)+"  "+c.Title))
	}})
	if _, told := errors.AsType[*hansa.Error](err); err != nil && !told && ctx.Err() == nil {
		return &failure{exit: exitConnection, code: "connection", message: sentence(clean(err.Error())), err: err}
	}
	if err != nil {
		return err
	}
	if done, err := p.show(rep); err != nil {
		return err
	} else if !done {
		cmd.write(p, rep)
	}
	if rep.Failed > 0 {
		return missed("%s: %d of the %d checks that could be made failed.", clean(rep.URL), rep.Failed, rep.Passed+rep.Failed)
	}
	return nil
}

// write writes the report for people: each check, and under it why it was not passed.
func (*conformCmd) write(p *printer, rep *node.ConformReport) {
	colours := map[string]string{"passed": teal, "failed": orange, "skipped": dim}
	for i := range rep.Checks {
		c := &rep.Checks[i]
		fmt.Fprintf(p.out, "%s  %-15s  %-6s  %s\n", paint(p.colourOut, colours[string(c.Outcome)], fmt.Sprintf("%-7s", c.Outcome)), c.ID, c.Level, c.Title)
		if c.Detail != "" {
			fmt.Fprintf(p.out, "         %s\n         %s\n", clean(c.Detail), paint(p.colourOut, dim, c.Clause))
		}
	}
	fmt.Fprintf(p.out, "%d passed, %d failed, %d skipped; %d documents of %s were held to the schemas of edition %s\n", rep.Passed, rep.Failed, rep.Skipped, rep.Received, clean(first(rep.Participant, rep.URL)), rep.Edition)
}
