package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type explainCmd struct {
	Flow    string `arg:"" optional:"" help:"The flow, by id or name; - is every flow."`
	Record  string `arg:"" optional:"" help:"The record's id."`
	Purpose string `help:"What it would be read for."`
	Offer   string `help:"In place of a flow and a record: an offer of yours, by its id." placeholder:"ID"`
	Accord  string `help:"In place of them: who would get what by an accord, by its id or the beginning of it, and why not, on the records of the last day." placeholder:"ID"`
	Version string `help:"With --accord: one of its versions, by its hash." placeholder:"HASH"`
	To      string `name:"party" help:"With --offer: the party that would ask, by name or id; a peer too." placeholder:"PARTY"`
}

func (explainCmd) examples() []string {
	return []string{"hansa explain closures-to-navika RECORD", "hansa explain - RECORD", "hansa explain --accord 0192f0c4", "hansa explain --offer 0192f0c4-7a10-7abc-8def-0123456789ab --party navco --purpose research"}
}

func (cmd *explainCmd) Run(ctx context.Context, g *globals, p *printer) error {
	asked := 0
	for _, s := range []string{cmd.Offer, cmd.Record, cmd.Accord} {
		if s != "" {
			asked++
		}
	}
	if asked != 1 || (cmd.Offer != "") != (cmd.To != "") || cmd.Version != "" && cmd.Accord == "" {
		return &failure{exit: exitUsage, code: "usage", message: "Name a flow and a record, an offer and a party, or an accord.", hint: "hansa explain - RECORD        # or: hansa explain --offer ID --party PARTY; hansa explain --accord ID"}
	}
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if cmd.Offer != "" {
		return cmd.offer(ctx, c, p)
	}
	if cmd.Accord != "" {
		return cmd.accord(ctx, c, p)
	}
	flow := cmd.Flow
	if flow == "-" {
		flow = ""
	}
	q := url.Values{"flow": {flow}, "record": {cmd.Record}, "purpose": {cmd.Purpose}}
	var body api.ExplainBody
	if err := c.do(ctx, "GET", "/api/v1/explain?"+q.Encode(), nil, &body); err != nil {
		return err
	}
	if done, err := p.show(body); done {
		return err
	}
	for _, f := range body.Flows {
		colour := map[string]string{"pass": teal, "trim": yellow, "deny": pink}[f.Outcome]
		fmt.Fprintf(p.out, "%s → %s  %s by %s\n", f.Name, clean(f.Title), paint(p.colourOut, colour, f.Outcome), f.Rule)
		for _, w := range f.Why {
			mark := paint(p.colourOut, teal, "✓")
			if !w.OK {
				mark = paint(p.colourOut, pink, "✗")
			}
			fmt.Fprintf(p.out, "  %s %-8s %s\n", mark, w.Rule, clean(w.What))
		}
		if x := f.Policy; x != nil {
			fmt.Fprintf(p.out, "  stands on agreement %s\n", x.Agreement)
			p.policy(x.Words, x.Scopes)
		}
		for _, s := range f.Formats {
			word := "says all of it"
			if s.Refused {
				word = "cannot say it"
			} else if len(s.Losses) > 0 {
				word = fmt.Sprintf("%d lost", len(s.Losses))
			}
			fmt.Fprintf(p.out, "    as %-10s %s\n", s.Format, word)
			for _, l := range s.Losses {
				fmt.Fprintf(p.out, "       %s\n", paint(p.colourOut, dim, clean(l.Field+": "+l.Reason)))
			}
		}
	}
	return nil
}

// offer says what an offer would come to for a party.
func (cmd *explainCmd) offer(ctx context.Context, c *client, p *printer) error {
	id, err := c.offerID(ctx, cmd.Offer)
	if err != nil {
		return err
	}
	q := url.Values{"party": {cmd.To}, "purpose": {cmd.Purpose}}
	var x api.OfferExplained
	if err := c.do(ctx, "GET", "/api/v1/offers/"+url.PathEscape(id)+"/explain?"+q.Encode(), nil, &x); err != nil {
		return err
	}
	if done, err := p.show(x); done {
		return err
	}
	purpose := ""
	if x.Purpose != "" {
		purpose = " for " + clean(string(x.Purpose))
	}
	fmt.Fprintf(p.out, "%s → %s%s; %s says yes\n", x.Offer, clean(x.Title), purpose, x.Decides)
	p.policy(x.Words, x.Scopes)
	return nil
}

// policy writes a policy in words, and how it decides at each of its moments.
func (p *printer) policy(words []string, scopes []api.ScopeSays) {
	for _, w := range words {
		fmt.Fprintf(p.out, "    %s\n", clean(w))
	}
	yes := map[string]string{"catalogue": "sees it", "negotiation": "may have it", "transfer": "is given it", "use": "may go on using it"}
	no := map[string]string{"catalogue": "does not see it", "negotiation": "may not have it", "transfer": "is not given it", "use": "may not go on using it"}
	for _, s := range scopes {
		mark, word := paint(p.colourOut, teal, "✓"), yes[s.Scope]
		if !s.Allowed {
			mark, word = paint(p.colourOut, pink, "✗"), no[s.Scope]
		}
		fmt.Fprintf(p.out, "  %s %-12s %s\n", mark, s.Scope, word)
		for _, w := range s.Why {
			fmt.Fprintf(p.out, "      %s\n", paint(p.colourOut, dim, clean(w)))
		}
	}
}

// accord says who would get what by an accord.
func (cmd *explainCmd) accord(ctx context.Context, c *client, p *printer) error {
	id, err := c.accordID(ctx, cmd.Accord)
	if err != nil {
		return err
	}
	q := url.Values{"version": {cmd.Version}, "purpose": {cmd.Purpose}}
	var x api.AccordExplained
	if err := c.do(ctx, "GET", "/api/v1/accords/"+url.PathEscape(id)+"/explain?"+q.Encode(), nil, &x); err != nil {
		return err
	}
	if done, err := p.show(x); done {
		return err
	}
	fmt.Fprintf(p.out, "accord %s, %s, version %s\n", x.Accord, x.State, x.Version)
	for i := range x.Flows {
		p.pledge(&x.Flows[i])
	}
	return nil
}

// clausesOf names the clauses that a rule holds to.
func clausesOf(list []int) string {
	var out []string
	for _, n := range list {
		out = append(out, strconv.Itoa(n))
	}
	if out == nil {
		return ""
	}
	word := "clause "
	if len(out) > 1 {
		word = "clauses "
	}
	return " (" + word + strings.Join(out, ", ") + ")"
}

// pledge writes what a flow of an accord comes to.
func (p *printer) pledge(f *api.FlowExplained) {
	colour := map[string]string{"open": teal, "paused": yellow, "refused": pink, "closed": pink}[f.State]
	fmt.Fprintf(p.out, "%s  %s → %s  %s\n", f.Name, clean(f.FromTitle), clean(f.ToTitle), paint(p.colourOut, colour, f.State))
	for _, w := range []string{f.Why, f.Problem} {
		if w != "" {
			fmt.Fprintf(p.out, "  %s\n", clean(w))
		}
	}
	if f.State != "open" && f.State != "paused" {
		return
	}
	if !f.Gives {
		fmt.Fprintf(p.out, "  what of its records leaves is the giver's to say\n")
		return
	}
	fmt.Fprintf(p.out, "  of %d records of the last day, asked for %s: %d pass, %d are trimmed, %d are denied\n", f.Records, clean(string(f.Purpose)), f.Pass, f.Trim, f.Deny)
	for _, r := range f.Rules {
		mark := map[string]string{"pass": paint(p.colourOut, teal, "✓"), "trim": paint(p.colourOut, yellow, "✓")}[r.Outcome]
		if mark == "" {
			mark = paint(p.colourOut, pink, "✗")
		}
		fmt.Fprintf(p.out, "  %s %-8s %5d  %s%s%s\n", mark, r.Rule, r.N, r.Words, clausesOf(r.Clauses), paint(p.colourOut, dim, "  "+clean(strings.Join(r.Records, ", "))))
	}
	for _, w := range f.Formats {
		fmt.Fprintf(p.out, "    as %-10s says %d, cannot say %d\n", w.Format, w.Says, w.Not)
	}
	for _, m := range f.Metered {
		fmt.Fprintf(p.out, "    in %s  %d records, %d bytes, %d requests\n", m.Month, m.Records, m.Bytes, m.Requests)
	}
}
