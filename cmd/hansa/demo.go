package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa/internal/node"
)

type demoCmd struct {
	Rehearse bool    `help:"Play the story at once, check each step, and stop."`
	Story    string  `help:"Which story: closure; or own-city, connector, accords or hub, which are rehearsed alone." enum:"closure,own-city,connector,accords,hub" default:"closure"`
	Listen   string  `help:"Where the page is; a free port of loopback when left out." placeholder:"HOST:PORT"`
	Factor   float64 `help:"How fast the story's clock runs." default:"20"`
	Still    bool    `help:"Only run the city; play no story."`
	Log      string  `help:"What is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"error"`
}

func (demoCmd) examples() []string {
	return []string{"hansa demo", "hansa demo --rehearse", "hansa demo --rehearse --json", "hansa demo --rehearse --story own-city", "hansa demo --rehearse --story connector", "hansa demo --rehearse --story accords", "hansa demo --rehearse --story hub", "hansa demo --still --factor 1 --listen 127.0.0.1:8080"}
}

// storyStart is the next Sunday evening after now, in summer 22:00 in the city: the first
// tube shuts, as it did on one in July 2023.
func storyStart(now time.Time) time.Time {
	now = now.UTC()
	at := time.Date(now.Year(), now.Month(), now.Day()+(7-int(now.Weekday()))%7, 20, 0, 0, 0, time.UTC)
	if at.Before(now) {
		at = at.AddDate(0, 0, 7)
	}
	return at
}

func (cmd *demoCmd) Run(ctx context.Context, p *printer) (err error) {
	if cmd.Factor <= 0 || cmd.Factor > 1000 {
		return &failure{exit: exitUsage, code: "usage", message: "--factor is more than 0 and at most 1000.", hint: "hansa demo --factor 20"}
	}
	if play := map[string]func(context.Context, string, func(node.Step)) ([]node.Step, error){"own-city": node.RehearseOwnCity, "connector": node.RehearseConnector, "accords": node.RehearseAccords, "hub": rehearseHub}[cmd.Story]; play != nil {
		if !cmd.Rehearse {
			return &failure{exit: exitUsage, code: "usage", message: "The story " + cmd.Story + " is played at once, and shown by its steps.", hint: p.with("--rehearse")}
		}
		var broke error
		err := cmd.rehearse(ctx, p, func(ctx context.Context, tell func(node.Step)) (steps []node.Step) {
			steps, broke = play(ctx, build().Version, tell)
			return steps
		})
		return errors.Join(err, broke)
	}
	started := time.Now()
	cfg := node.DemoConfig{Listen: cmd.Listen, Factor: cmd.Factor, Version: build().Version, Quiet: cmd.Rehearse, Log: logger(p, cmd.Log)}
	if !cmd.Still {
		cfg.Start = storyStart(started)
	}
	d, err := node.OpenDemo(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	run, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		if failed = d.Run(run); failed != nil {
			stop()
		}
	})
	if cmd.Rehearse {
		err = cmd.rehearse(run, p, d.Rehearse)
	} else {
		err = cmd.show(run, p, d, started)
	}
	stop()
	wg.Wait()
	if ctx.Err() != nil && !cmd.Rehearse {
		return nil // Ctrl+C is how a demonstration ends
	}
	return errors.Join(err, failed)
}

// rehearseHub plays the story of a hub on three processes of this program.
func rehearseHub(ctx context.Context, version string, tell func(node.Step)) ([]node.Step, error) {
	return node.RehearseHub(ctx, version, servesItself, tell)
}

// rehearse plays the story at once, one line a step, and says what was missed.
func (cmd *demoCmd) rehearse(ctx context.Context, p *printer, play func(context.Context, func(node.Step)) []node.Step) error {
	began := time.Now()
	steps := play(ctx, func(s node.Step) {
		if p.json || p.format != "" {
			return
		}
		mark := paint(p.colourOut, teal, "✓")
		if !s.OK {
			mark = paint(p.colourOut, pink, "✗")
		}
		fmt.Fprintf(p.out, "  %s %s\n      %s\n", mark, s.Name, paint(p.colourOut, dim, clean(s.Detail)))
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	doc := map[string]any{"story": cmd.Story, "steps": steps, "seconds": time.Since(began).Seconds()}
	if done, err := p.show(doc); done && err != nil {
		return err
	}
	bad := 0
	first := ""
	for _, s := range steps {
		if !s.OK {
			if bad++; first == "" {
				first = s.Name + ": " + s.Detail
			}
		}
	}
	if bad > 0 {
		return missed("%d of %d steps; the first: %s", bad, len(steps), first)
	}
	p.say("%d steps, each as it should be, in %s.", len(steps), seconds(time.Since(began)))
	return nil
}

// show runs the city for people: its address, two commands to try, and the story
// as it is played.
func (cmd *demoCmd) show(ctx context.Context, p *printer, d *node.Demo, started time.Time) error {
	forget, err := point(d.Socket())
	if err != nil {
		slog.New(slog.NewTextHandler(p.err, nil)).LogAttrs(ctx, slog.LevelWarn, "other commands need --node", slog.String("node", "unix:"+d.Socket()))
	}
	defer forget()
	if done, err := p.show(map[string]any{"url": d.URL(), "socket": d.Socket(), "page": d.Page()}); done && err != nil {
		return err
	}
	p.say("Doggerhaven, six receivers. Data in a temporary folder.\n")
	says := d.Says()
	for i := 0; i+1 < len(says); i += 2 {
		p.say("  %s %-10s %s", paint(p.colourErr, teal, "✓"), says[i], says[i+1])
	}
	p.say("  %s\n", paint(p.colourErr, dim, "ready in "+seconds(time.Since(started))))
	p.say("  Open the page:   %s", paint(p.colourErr, bold, d.Page()))
	p.say("  Close a tunnel:  %s", paint(p.colourErr, bold, "hansa close westertunnel --direction north --reason fire --wait"))
	p.say("  Verify:          %s", paint(p.colourErr, bold, "hansa proof --key > city.key; hansa proof ID > closure.proof; hansa verify closure.proof --trust city.key"))
	d.Settle(ctx, func(words string) { p.say("  %s %-10s %s", paint(p.colourErr, teal, "✓"), "accords", words) })
	p.say("\n%s\n", paint(p.colourErr, dim, fmt.Sprintf("The story's clock runs %g times as fast as yours. Ctrl+C stops everything and removes the folder.", cmd.Factor)))
	if !cmd.Still {
		d.Play(ctx, func(s node.Step) {
			mark := paint(p.colourErr, teal, "✓")
			if !s.OK {
				mark = paint(p.colourErr, pink, "✗")
			}
			p.say("  %s %s\n      %s", mark, s.Name, paint(p.colourErr, dim, clean(s.Detail)))
		})
		if ctx.Err() == nil {
			p.say("\nThe story is over; the city runs on. Ctrl+C stops it.")
		}
	}
	<-ctx.Done()
	return nil
}
