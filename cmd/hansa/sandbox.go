package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/node"
)

type sandboxCmd struct {
	City      sandboxCityCmd      `cmd:"" default:"withargs" help:"A simulated city that tries your receiver and grades it."`
	Navigator sandboxNavigatorCmd `cmd:"" help:"A simulated receiver for your city: it fetches, shows a list, and drops what it is told to."`
}

type sandboxCityCmd struct {
	Shown    string        `help:"Where your receiver publishes the list of what it shows; without one its receipts are believed." placeholder:"URL"`
	Endpoint string        `help:"Your webhook; without one your receiver fetches." placeholder:"URL"`
	As       string        `help:"The format in which you take closures." enum:"record,geojson,datex2,cifs,cifs-json,wzdx" default:"record"`
	Within   time.Duration `help:"Time to show a closure, and to clear it." default:"30s"`
	Listen   string        `help:"Where the city is; a free port of loopback when left out." placeholder:"HOST:PORT"`
	Wait     time.Duration `help:"Time to connect before the story begins." default:"20s"`
	Log      string        `help:"What is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"error"`
}

func (sandboxCmd) examples() []string {
	return []string{
		"hansa sandbox --shown http://127.0.0.1:9000/shown",
		"hansa sandbox navigator closures-to-navika --token-file navika.token",
	}
}

func (sandboxCityCmd) examples() []string {
	return []string{
		"hansa sandbox city --shown http://127.0.0.1:9000/shown",
		"hansa sandbox city --shown http://127.0.0.1:9000/shown --endpoint http://127.0.0.1:9000/hook --as geojson --within 10s --json",
	}
}

type sandboxNavigatorCmd struct {
	Flow     string        `arg:"" help:"The flow that it reads, by id or name."`
	By       string        `help:"How it takes closures: poll, stream or webhook." enum:"poll,stream,webhook" default:"poll"`
	As       string        `help:"The format: record, geojson, datex2, cifs, cifs-json, wzdx." enum:"record,geojson,datex2,cifs,cifs-json,wzdx" default:"record"`
	Purpose  string        `help:"What it reads for." default:"navigation"`
	Listen   string        `help:"Where its list is; a free port of loopback when left out." placeholder:"HOST:PORT" default:"127.0.0.1:0"`
	Lag      time.Duration `help:"Time from having a closure to showing it." default:"2s"`
	Every    time.Duration `help:"Time between two polls." default:"1s"`
	ListOnly bool          `help:"Send no receipts: its list alone says what it shows."`
	For      time.Duration `help:"Stop after so long."`
}

func (sandboxNavigatorCmd) examples() []string {
	return []string{
		"hansa sandbox navigator closures-to-navika --token-file navika.token",
		"hansa sandbox navigator closures-to-navika --token-file navika.token --by stream --as record --listen 127.0.0.1:9000",
	}
}

func (cmd *sandboxNavigatorCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	run := ctx
	if cmd.For > 0 {
		var stop context.CancelFunc
		run, stop = context.WithTimeout(ctx, cmd.For)
		defer stop()
	}
	return node.Navigate(run, &node.NavigatorConfig{
		Exchange: c.base, Flow: cmd.Flow, Token: c.token, By: cmd.By, Format: hansa.Format(cmd.As), Purpose: hansa.Purpose(cmd.Purpose),
		Listen: cmd.Listen, Lag: cmd.Lag, Every: cmd.Every, Quiet: cmd.ListOnly, Client: c.http,
	}, func(at string) {
		p.say("A simulated navigator. What it shows:   curl %s/shown", at)
		p.say("Let it drop one without a word:         curl -X POST '%s/drop?record=ID'", at)
		p.say("Ctrl+C stops it.")
	}, func(what string) { fmt.Fprintln(p.out, clean(what)) })
}

func (cmd *sandboxCityCmd) Run(ctx context.Context, p *printer) (err error) {
	if cmd.Within < 100*time.Millisecond || cmd.Within > 10*time.Minute {
		return &failure{exit: exitUsage, code: "usage", message: "--within is 100ms to 10m.", hint: p.with("--within", "30s")}
	}
	s, access, err := node.OpenSandbox(ctx, node.SandboxConfig{
		Listen: cmd.Listen, Shown: cmd.Shown, Endpoint: cmd.Endpoint, Format: hansa.Format(cmd.As), Within: cmd.Within, Version: build().Version, Log: logger(p, cmd.Log),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	at := access.URL + "/data/v1/flows/" + access.Flow
	if done, err := p.show(access); done && err != nil {
		return err
	}
	p.say("A simulated city, for your receiver alone. It gives you closures as %s:", access.Format)
	p.say("  export TOKEN=%s", access.Token)
	p.say("  curl -H \"Authorization: Bearer $TOKEN\" %s/snapshot.%s", at, access.Format)
	p.say("  curl -H \"Authorization: Bearer $TOKEN\" '%s/events?format=%s'", at, access.Format)
	if cmd.Shown != "" {
		p.say("It reads what you show at %s and allows %s.", cmd.Shown, cmd.Within)
	} else {
		p.say("It goes by your receipts, at %s/receipts, and allows %s. With --shown it reads what you really show.", at, cmd.Within)
	}
	p.say("The story begins in %s. Ctrl+C stops it.", cmd.Wait)
	report, err := s.Play(ctx, cmd.Wait, func(step string) { p.say("  … %s", step) })
	if err != nil {
		return err
	}
	n := 0
	rows := [][]string{}
	for _, v := range report.Steps {
		state, colour := "passed", teal
		why := make([]string, 0, len(v.Faults))
		for _, f := range v.Faults {
			why = append(why, string(f))
		}
		switch {
		case len(why) > 0:
			state, colour = "missed", pink
		case v.Unseen:
			state, colour, why = "not judged", yellow, []string{"nothing was read when it mattered"}
		}
		if !v.Passed() {
			n++
		}
		rows = append(rows, []string{v.Step, paint(p.colourOut, colour, state), strings.Join(why, ", ")})
	}
	var failed error
	if n > 0 {
		failed = missed("%d of %d steps.", n, len(report.Steps))
	}
	if done, err := p.show(report); done {
		return errors.Join(err, failed)
	}
	p.table([]string{"STEP", "STATE", "FAULTS"}, rows, "")
	for _, x := range report.NotJudged {
		p.say("Not judged: %s.", x)
	}
	if n == 0 {
		p.say("%d steps, each as it should be.", len(report.Steps))
	}
	return failed
}
