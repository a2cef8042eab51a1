package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type negotiateCmd struct {
	Offer   string        `arg:"" help:"The offer's id, as the other side's catalogue shows it."`
	At      string        `required:"" help:"The other side: a peer by name, or the address of its connector." placeholder:"URL|PEER"`
	Purpose string        `help:"What you ask for it for; narrows the offer to that."`
	Policy  string        `help:"A file with other rules than the offer's (ODRL); - is standard input." placeholder:"FILE"`
	Then    string        `help:"Begin a transfer of this format as soon as there is an agreement." enum:"HttpData-PULL,HttpData-PUSH,HttpData-SSE," default:"" placeholder:"FORMAT"`
	Dataset string        `help:"Your dataset that is filled; made when it is not there."`
	Wait    bool          `help:"Tell each state as it comes, until there is an agreement or an end." short:"w"`
	Limit   time.Duration `help:"How long --wait waits at most; the negotiation goes on." default:"60s"`
}

func (negotiateCmd) examples() []string {
	return []string{
		"hansa negotiate 0192f0c4-7a10-7abc-8def-0123456789ab --at doggerhaven --purpose navigation --wait",
		"hansa negotiate 0192f0c4-7a10-7abc-8def-0123456789ab --at https://hansa.doggerhaven.example/dsp/2025-1 --purpose navigation --then HttpData-SSE --dataset closures-elsewhere",
	}
}

func (cmd *negotiateCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	o := api.NegotiationOrder{Peer: cmd.At, Offer: cmd.Offer, Purpose: hansa.Purpose(cmd.Purpose), Then: cmd.Then, Dataset: cmd.Dataset}
	if cmd.Policy != "" {
		if o.Policy, err = readPolicy(p, cmd.Policy); err != nil {
			return err
		}
	}
	var n api.Negotiation
	if err := c.do(ctx, "POST", "/api/v1/negotiations", o, &n); err != nil {
		return err
	}
	if !cmd.Wait {
		if done, err := p.show(n); done {
			return err
		}
		p.asked(&n)
		p.say("Next: hansa inspect %s        # or: hansa requests show %s", n.ID, n.ID)
		return nil
	}
	if !p.json && p.format == "" {
		p.asked(&n)
	}
	f := pursuit{c: c, p: p, id: n.ID, limit: cmd.Limit}
	x, err := f.pursue(ctx, settledDeal)
	if err != nil {
		return err
	}
	if done, err := p.show(*x.Negotiation); done && err != nil {
		return err
	}
	if err := unsettled(x.Negotiation, cmd.Limit); err != nil {
		return err
	}
	p.agreed(x.Negotiation)
	return nil
}

// asked tells what was asked of whom.
func (p *printer) asked(n *api.Negotiation) {
	fmt.Fprintf(p.out, "%s  asked %s for %s\n", n.ID, clean(n.OtherTitle), clean(first(n.TargetName, n.Target)))
}

// settledDeal reports whether a negotiation needs no more waiting: it has ended, or
// waits for a person of this side.
func settledDeal(x *api.Process) bool {
	n := x.Negotiation
	return n == nil || n.State == "FINALIZED" || n.State == "TERMINATED" || n.Waits != ""
}

// unsettled is why a negotiation has not come to an agreement; nil when it has.
func unsettled(n *api.Negotiation, limit time.Duration) error {
	var f *failure
	switch {
	case n.State == "FINALIZED":
		return nil
	case n.State == "TERMINATED":
		return ended(n.ID, n.Side, n.EndedBy, n.OtherTitle, n.Code, n.Reason)
	case n.Waits != "":
		f = missed("There is no agreement yet. It waits for you: %s.", n.Waits)
		f.hint = "hansa requests show " + n.ID
	case n.Parked != "":
		f = missed("There is no agreement within %s: a message does not arrive: %s.", seconds(limit), n.Parked)
		f.hint = "hansa inspect " + n.ID
	default:
		f = missed("There is no agreement within %s; it is the turn of %s, and the request stands.", seconds(limit), n.OtherTitle)
		f.hint = "hansa requests show " + n.ID
	}
	return f
}

// agreed says what there is now, and what follows.
func (p *printer) agreed(n *api.Negotiation) {
	p.say("Agreement %s with %s.", n.Agreement, clean(n.OtherTitle))
	if n.Then != "" {
		p.say("Its data goes into %s: hansa transfers        # or: hansa datasets follow %s", n.Dataset, n.Dataset)
		return
	}
	p.say("Next: hansa transfer %s --as HttpData-SSE --wait", n.Agreement)
}
