package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/hansa-exchange/hansa/internal/node"
)

type benchCmd struct {
	What string        `arg:"" enum:"ingest,fanout,negotiate,peer" help:"ingest, fanout or negotiate."`
	For  time.Duration `help:"How long each load of ingest or negotiate runs." default:"6s"`
	Mode string        `hidden:"" help:"How the other process of a measurement meets the first."`
}

func (benchCmd) examples() []string {
	return []string{"hansa bench ingest", "hansa bench fanout --json", "hansa bench negotiate"}
}

// itself is this program again, with other arguments.
func itself(ctx context.Context, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	c := exec.CommandContext(ctx, self, args...) //nolint:gosec // it is this program
	c.Args[0] = os.Args[0]
	return c
}

// otherProcess is this program as the other side of a measurement.
func otherProcess(ctx context.Context, mode string) *exec.Cmd {
	c := itself(ctx, "bench", "peer", "--mode", mode)
	c.Stderr = os.Stderr
	return c
}

func (cmd *benchCmd) Run(ctx context.Context, p *printer) error {
	collectLess()()
	if cmd.For < 100*time.Millisecond || cmd.For > 10*time.Second {
		return &failure{exit: exitUsage, code: "usage", message: "--for is 100ms to 10s, so that a run ends within 45 s."}
	}
	tell := func(what string) { p.say("%s", paint(p.colourErr, dim, what)) }
	var figures []node.Figure
	var err error
	switch cmd.What {
	case "ingest":
		figures, err = node.BenchIngest(ctx, cmd.For, tell)
	case "negotiate":
		figures, err = node.BenchNegotiate(ctx, cmd.For, otherProcess, tell)
	case "peer":
		return node.BenchPeer(ctx, cmd.Mode, p.in, p.out)
	default:
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
