package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa/internal/node"
)

type benchCmd struct {
	What string        `arg:"" enum:"ingest,fanout" help:"ingest or fanout."`
	For  time.Duration `help:"How long each of the four loads of ingest runs." default:"6s"`
}

func (benchCmd) examples() []string {
	return []string{"hansa bench ingest", "hansa bench fanout --json"}
}

func (cmd *benchCmd) Run(ctx context.Context, p *printer) error {
	if cmd.For < 100*time.Millisecond || cmd.For > 10*time.Second {
		return &failure{exit: exitUsage, code: "usage", message: "--for is 100ms to 10s, so that a run ends within 45 s."}
	}
	tell := func(what string) { p.say("%s", paint(p.colourErr, dim, what)) }
	var figures []node.Figure
	var err error
	if cmd.What == "ingest" {
		figures, err = node.BenchIngest(ctx, cmd.For, tell)
	} else {
		figures, err = node.BenchFanout(ctx, tell)
	}
	if err != nil {
		return err
	}
	if done, err := p.show(map[string]any{"figures": figures}); done {
		return err
	}
	rows := [][]string{}
	for _, f := range figures {
		rows = append(rows, []string{f.Name, fmt.Sprintf("%.1f", f.Value), f.Unit, fmt.Sprintf("%.1f", f.Baseline), fmt.Sprintf("%.2f", f.Ratio)})
	}
	p.table([]string{"FIGURE", "VALUE", "UNIT", "BASELINE", "RATIO"}, rows, "")
	return nil
}
