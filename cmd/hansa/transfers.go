package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type transferCmd struct {
	Agreement string        `arg:"" help:"The agreement's id, or how that begins."`
	As        string        `help:"HttpData-PULL, HttpData-PUSH or HttpData-SSE." enum:"HttpData-PULL,HttpData-PUSH,HttpData-SSE" default:"HttpData-PULL" placeholder:"FORMAT"`
	Dataset   string        `help:"Your dataset that is filled; made when it is not there."`
	Kind      string        `help:"Of a dataset that is made: situation, observation or document." enum:"situation,observation,document," default:""`
	Purpose   string        `help:"What you take it for, when the agreement has several purposes."`
	Wait      bool          `help:"Tell each state as it comes, until the data is there or the transfer ends." short:"w"`
	Limit     time.Duration `help:"How long --wait waits at most; the transfer goes on." default:"60s"`
}

func (transferCmd) examples() []string {
	return []string{"hansa transfer 0192f0c4 --as HttpData-SSE --dataset closures-elsewhere --wait", "hansa transfer 0192f0c4 --json"}
}

func (cmd *transferCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	a, err := c.agreement(ctx, cmd.Agreement)
	if err != nil {
		return err
	}
	var t api.Transfer
	o := api.TransferOrder{Agreement: a.ID, Format: cmd.As, Purpose: hansa.Purpose(cmd.Purpose), Dataset: cmd.Dataset, Kind: cmd.Kind}
	if err := c.do(ctx, "POST", "/api/v1/transfers", o, &t); err != nil {
		return err
	}
	if !p.json && p.format == "" {
		fmt.Fprintf(p.out, "%s  asked %s for %s\n", t.ID, clean(t.OtherTitle), t.Format)
	}
	if cmd.Wait {
		f := pursuit{c: c, p: p, id: t.ID, limit: cmd.Limit}
		x, err := f.pursue(ctx, begun)
		if err != nil {
			return err
		}
		t = *x.Transfer
	}
	if done, err := p.show(t); done && err != nil {
		return err
	}
	if cmd.Wait {
		if err := unbegun(&t, cmd.Limit); err != nil {
			return err
		}
	}
	p.say("It fills %s. Next: hansa datasets follow %s        # or: hansa transfers show %s", t.Dataset, t.Dataset, t.ID)
	return nil
}

// begun reports whether a transfer needs no more waiting.
func begun(x *api.Process) bool {
	t := x.Transfer
	return t == nil || t.State != "REQUESTED" || t.Waits != ""
}

// unbegun is why no data comes; nil when it does.
func unbegun(t *api.Transfer, limit time.Duration) error {
	var f *failure
	switch {
	case t.State == "STARTED" || t.State == "COMPLETED":
		return nil
	case t.State == "TERMINATED":
		return ended(t.ID, t.Side, t.EndedBy, t.OtherTitle, t.Code, t.Reason)
	case t.Waits != "":
		f = missed("No data comes yet. It waits for you: %s.", t.Waits)
	case t.Parked != "":
		f = missed("No data comes within %s: a message does not arrive: %s.", seconds(limit), t.Parked)
	default:
		f = missed("No data comes within %s; the transfer is %s.", seconds(limit), t.State)
	}
	f.hint = "hansa inspect " + t.ID
	return f
}

// transfersCmd is the data that is given and taken under agreements.
type transfersCmd struct {
	List     transfersListCmd     `cmd:"" default:"withargs" help:"List transfers, the newest first."`
	Show     transfersShowCmd     `cmd:"" help:"Show one transfer."`
	Suspend  transfersSuspendCmd  `cmd:"" help:"Let no data pass until it is resumed."`
	Resume   transfersResumeCmd   `cmd:"" help:"Let data pass again."`
	Complete transfersCompleteCmd `cmd:"" help:"End it as done."`
	End      transfersEndCmd      `cmd:"" help:"End it. Its token is void at once, and the reason goes over the wire."`
}

func (transfersCmd) examples() []string {
	return []string{"hansa transfers", "hansa transfers suspend 0192f0c4 --reason 'A drill until noon.'"}
}

type transfersListCmd struct {
	Open  bool `help:"Those alone that have not ended."`
	Limit int  `help:"How many." default:"100"`
}

func (transfersListCmd) examples() []string {
	return []string{"hansa transfers list --open", "hansa transfers --json"}
}

func (cmd *transfersListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var list api.TransfersBody
	q := url.Values{"limit": {fmt.Sprint(cmd.Limit)}, "open": {fmt.Sprint(cmd.Open)}}
	if err := c.do(ctx, "GET", "/api/v1/transfers?"+q.Encode(), nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Transfers {
		t := &list.Transfers[i]
		state := paint(p.colourOut, stateColour(t.State), t.State)
		if t.Problem != "" || t.Parked != "" {
			state += paint(p.colourOut, pink, ", in trouble")
		}
		rows = append(rows, []string{t.ID, clean(t.OtherTitle), gives(t.Side), t.Format, state, p.at(t.Changed), t.Dataset})
	}
	if len(rows) == 0 {
		p.say("None yet. Take data under an agreement: hansa agreements, hansa transfer AGREEMENT")
		return nil
	}
	p.table([]string{"ID", "WITH", "YOU", "AS", "STATE", "SINCE", "FILLS"}, rows, "")
	return nil
}

type transfersShowCmd struct {
	ID string `arg:"" help:"Its id, or how that begins."`
}

func (transfersShowCmd) examples() []string { return []string{"hansa transfers show 0192f0c4"} }

func (cmd *transfersShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	id, err := c.transferID(ctx, cmd.ID)
	if err != nil {
		return err
	}
	var t api.Transfer
	if err := c.do(ctx, "GET", "/api/v1/transfers/"+url.PathEscape(id), nil, &t); err != nil {
		return err
	}
	if done, err := p.show(t); done {
		return err
	}
	rows := [][]string{{"with", clean(t.OtherTitle)}, {"you", gives(t.Side)}, {"as", t.Format}, {"state", paint(p.colourOut, stateColour(t.State), t.State)}, {"turn", p.turn(t.Turn, t.Waits, t.OtherTitle, t.Changed)}, {"waits", clean(t.Waits)}, {"fills", t.Dataset}, {"flow", string(t.Flow)}, {"agreement", t.Agreement}, {"code", clean(t.Code)}}
	rows = said(rows, "reason", t.Reason)
	p.lines("TRANSFER", t.ID, append(rows, [][]string{{"stuck", clean(t.Parked)}, {"trouble", clean(t.Problem)}, {"began", p.at(t.Began)}, {"changed", p.at(t.Changed)}}...))
	switch {
	case t.Parked != "":
		p.say("Try again: hansa retry %s", t.ID)
	case t.State == "SUSPENDED":
		p.say("Go on: hansa transfers resume %s", t.ID)
	case t.State == "STARTED" && t.Dataset != "":
		p.say("See what comes: hansa datasets follow %s", t.Dataset)
	}
	p.say("Each message: hansa inspect %s", t.ID)
	return nil
}

type transfersSuspendCmd struct {
	ID     string   `arg:"" help:"Its id, or how that begins."`
	Reason []string `help:"Why, in a sentence that the other side reads. May be repeated."`
	Code   string   `help:"A word for programs."`
}

func (transfersSuspendCmd) examples() []string {
	return []string{"hansa transfers suspend 0192f0c4 --reason 'A drill until noon.'"}
}

func (cmd *transfersSuspendCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return steer(ctx, g, p, cmd.ID, "suspend", api.ProcessAct{Code: cmd.Code, Reason: cmd.Reason})
}

type transfersResumeCmd struct {
	ID string `arg:"" help:"Its id, or how that begins."`
}

func (transfersResumeCmd) examples() []string { return []string{"hansa transfers resume 0192f0c4"} }

func (cmd *transfersResumeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return steer(ctx, g, p, cmd.ID, "resume", api.ProcessAct{})
}

type transfersCompleteCmd struct {
	ID string `arg:"" help:"Its id, or how that begins."`
}

func (transfersCompleteCmd) examples() []string { return []string{"hansa transfers complete 0192f0c4"} }

func (cmd *transfersCompleteCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return steer(ctx, g, p, cmd.ID, "complete", api.ProcessAct{})
}

type transfersEndCmd struct {
	ID     string   `arg:"" help:"Its id, or how that begins."`
	Reason []string `help:"Why, in a sentence that the other side reads. May be repeated."`
	Code   string   `help:"A word for programs."`
}

func (transfersEndCmd) examples() []string {
	return []string{"hansa transfers end 0192f0c4 --reason 'We stop using it.'"}
}

func (cmd *transfersEndCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return steer(ctx, g, p, cmd.ID, "terminate", api.ProcessAct{Code: cmd.Code, Reason: cmd.Reason})
}

// steer does one act on a transfer.
func steer(ctx context.Context, g *globals, p *printer, given, act string, a api.ProcessAct) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	id, err := c.transferID(ctx, given)
	if err != nil {
		return err
	}
	var t api.Transfer
	if err := c.do(ctx, "POST", "/api/v1/transfers/"+url.PathEscape(id)+"/"+act, a, &t); err != nil {
		return err
	}
	if done, err := p.show(t); done {
		return err
	}
	fmt.Fprintf(p.out, "%s  %s\n", t.ID, paint(p.colourOut, stateColour(t.State), t.State))
	p.say("%s is told. Each message: hansa inspect %s", clean(t.OtherTitle), t.ID)
	return nil
}
