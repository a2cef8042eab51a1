package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// requestsCmd is what is asked of a party, and what it asks of others.
type requestsCmd struct {
	List    requestsListCmd    `cmd:"" default:"withargs" help:"List what is open: first what waits for a person of yours."`
	Show    requestsShowCmd    `cmd:"" help:"Show one request with its terms in words, and what you can do."`
	Agree   requestsAgreeCmd   `cmd:"" help:"Agree to what is asked of you."`
	Accept  requestsAcceptCmd  `cmd:"" help:"Accept what is offered to you."`
	Offer   requestsOfferCmd   `cmd:"" help:"Answer with other terms."`
	Decline requestsDeclineCmd `cmd:"" help:"Decline. The reason goes over the wire."`
	Ask     requestsAskCmd     `cmd:"" help:"Ask another party for data, or offer it some, before there is an accord."`
	Answer  requestsAnswerCmd  `cmd:"" help:"Answer a request for data: accept, decline, or other terms."`
}

func (requestsCmd) examples() []string {
	return []string{"hansa requests", "hansa requests show 0192f0c4", "hansa requests decline 0192f0c4 --reason 'Not for advertising.'"}
}

type requestsListCmd struct {
	All   bool `help:"Also those that have ended."`
	Limit int  `help:"How many of each kind." default:"100"`
}

func (requestsListCmd) examples() []string {
	return []string{"hansa requests list", "hansa requests list --all", "hansa requests --json"}
}

// openRequests is what is open between a party and others.
type openRequests struct {
	Negotiations []api.Negotiation `json:"negotiations"`
	Transfers    []api.Transfer    `json:"transfers"` // those that wait for a person
	Asks         []api.Asked       `json:"asks"`      // for data, before there is an accord
}

func (cmd *requestsListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var deals api.NegotiationsBody
	q := url.Values{"limit": {fmt.Sprint(cmd.Limit)}, "open": {fmt.Sprint(!cmd.All)}}
	if err := c.do(ctx, "GET", "/api/v1/negotiations?"+q.Encode(), nil, &deals); err != nil {
		return err
	}
	var moves api.TransfersBody
	if err := c.do(ctx, "GET", "/api/v1/transfers?waits=true&limit="+fmt.Sprint(cmd.Limit), nil, &moves); err != nil {
		return err
	}
	var asked api.AsksBody
	if err := c.do(ctx, "GET", "/api/v1/asks", nil, &asked); err != nil {
		return err
	}
	list := openRequests{Negotiations: deals.Negotiations, Transfers: moves.Transfers, Asks: asked.Asks}
	if !cmd.All {
		list.Asks = slices.DeleteFunc(list.Asks, func(a api.Asked) bool { return a.State != accord.RequestOpen })
	}
	slices.SortStableFunc(list.Negotiations, func(a, b api.Negotiation) int { return urgency(&a) - urgency(&b) })
	if done, err := p.show(list); done {
		return err
	}
	rows, mine := [][]string{}, 0
	for i := range list.Transfers {
		t := &list.Transfers[i]
		mine++
		rows = append(rows, []string{t.ID, clean(t.OtherTitle), "transfer, " + t.Format, paint(p.colourOut, orange, t.State), p.turn(t.Turn, t.Waits, t.OtherTitle, t.Changed)})
	}
	for i := range list.Negotiations {
		n := &list.Negotiations[i]
		colour := stateColour(n.State)
		if n.Waits != "" {
			mine++
			colour = orange
		}
		rows = append(rows, []string{n.ID, clean(n.OtherTitle), clean(first(n.TargetName, n.Target)), paint(p.colourOut, colour, n.State), p.turn(n.Turn, n.Waits, n.OtherTitle, n.Changed)})
	}
	if p.asksTable(list.Asks); len(list.Asks) > 0 && len(rows) == 0 {
		return nil
	}
	if len(rows) == 0 {
		p.say("Nothing is open. What others could ask you for: hansa offers. What you could ask for: hansa catalog PEER")
		return nil
	}
	p.table([]string{"ID", "WITH", "ABOUT", "STATE", "TURN"}, rows, "")
	kind := "requests"
	if len(list.Transfers) > 0 {
		kind = "transfers"
	}
	if mine > 0 {
		p.say("%d of them wait for a person of yours. Look at the first: hansa %s show %s", mine, kind, rows[0][0])
	}
	return nil
}

// urgency sorts what waits for a person first, then what is open.
func urgency(n *api.Negotiation) int {
	switch {
	case n.Waits != "":
		return 0
	case n.Turn != "":
		return 1
	}
	return 2
}

type requestsShowCmd struct {
	ID string `arg:"" help:"Its id, or how that begins."`
}

func (requestsShowCmd) examples() []string { return []string{"hansa requests show 0192f0c4"} }

func (cmd *requestsShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	kind, id, err := c.requestNamed(ctx, cmd.ID)
	switch {
	case err != nil:
		return err
	case kind == kindTransfer:
		return (&transfersShowCmd{ID: id}).Run(ctx, g, p)
	case kind == kindAsk:
		var a api.Asked
		if err := c.do(ctx, "GET", "/api/v1/asks/"+url.PathEscape(id), nil, &a); err != nil {
			return err
		}
		return p.askShown(&a)
	}
	var n api.Negotiation
	if err := c.do(ctx, "GET", "/api/v1/negotiations/"+url.PathEscape(id), nil, &n); err != nil {
		return err
	}
	if done, err := p.show(n); done {
		return err
	}
	asks := map[hansa.Side]string{hansa.Provider: "asks you", hansa.Consumer: "is asked by you"}[n.Side]
	rows := [][]string{{"with", clean(n.OtherTitle) + ", who " + asks}, {"about", clean(first(n.TargetName, n.Target))}, {"state", paint(p.colourOut, stateColour(n.State), n.State)}, {"turn", p.turn(n.Turn, n.Waits, n.OtherTitle, n.Changed)}, {"waits", clean(n.Waits)}}
	rows = said(rows, "says", n.Words)
	rows = append(rows, [][]string{{"agreement", n.Agreement}, {"fills", n.Dataset}, {"then", n.Then}, {"code", clean(n.Code)}}...)
	rows = said(rows, "reason", n.Reason)
	rows = append(rows, [][]string{{"stuck", clean(n.Parked)}, {"began", p.at(n.Began)}, {"changed", p.at(n.Changed)}}...)
	p.lines("REQUEST", n.ID, rows)
	p.nextActs(&n)
	return nil
}

// nextActs says what a person can do.
func (p *printer) nextActs(n *api.Negotiation) {
	if n.Waits != "" {
		yes := "agree"
		if n.Side == hansa.Consumer {
			yes = "accept"
		}
		if slices.Contains(n.Can, yes) {
			p.say("Say yes:      hansa requests %s %s", yes, n.ID)
		}
		if slices.Contains(n.Can, "offer") || slices.Contains(n.Can, "request") {
			p.say("Other terms:  hansa requests offer %s --policy FILE", n.ID)
		}
		p.say("Say no:       hansa requests decline %s --reason WHY", n.ID)
	}
	if n.Parked != "" {
		p.say("Try again:    hansa retry %s", n.ID)
	}
	if n.State == "FINALIZED" && n.Side == hansa.Consumer {
		p.say("Take data:    hansa transfer %s", n.Agreement)
	}
	p.say("Each message: hansa inspect %s", n.ID)
}

type requestsAgreeCmd struct {
	ID string `arg:"" help:"Its id, or how that begins."`
}

func (requestsAgreeCmd) examples() []string { return []string{"hansa requests agree 0192f0c4"} }

func (cmd *requestsAgreeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return decide(ctx, g, p, cmd.ID, "agree", "Agree to this? [y/N] ", api.ProcessAct{})
}

type requestsAcceptCmd struct {
	ID string `arg:"" help:"Its id, or how that begins."`
}

func (requestsAcceptCmd) examples() []string { return []string{"hansa requests accept 0192f0c4"} }

func (cmd *requestsAcceptCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return decide(ctx, g, p, cmd.ID, "accept", "Accept this? [y/N] ", api.ProcessAct{})
}

type requestsOfferCmd struct {
	ID     string `arg:"" help:"Its id, or how that begins."`
	Policy string `required:"" help:"A file with the terms that you would agree to (ODRL); - is standard input." placeholder:"FILE"`
}

func (requestsOfferCmd) examples() []string {
	return []string{"hansa requests offer 0192f0c4 --policy other.json"}
}

func (cmd *requestsOfferCmd) Run(ctx context.Context, g *globals, p *printer) error {
	doc, err := readPolicy(p, cmd.Policy)
	if err != nil {
		return err
	}
	return decide(ctx, g, p, cmd.ID, "offer", "", api.ProcessAct{Policy: doc})
}

type requestsDeclineCmd struct {
	ID     string   `arg:"" help:"Its id, or how that begins."`
	Reason []string `required:"" help:"Why, in a sentence that the other side reads. May be repeated."`
	Code   string   `help:"A word for programs." default:"declined"`
}

func (requestsDeclineCmd) examples() []string {
	return []string{"hansa requests decline 0192f0c4 --reason 'Not for advertising.'"}
}

func (cmd *requestsDeclineCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return decide(ctx, g, p, cmd.ID, "decline", "", api.ProcessAct{Code: cmd.Code, Reason: cmd.Reason})
}

// decide sends what a person decided about a request. A question is asked with the
// terms in sight: a yes binds.
func decide(ctx context.Context, g *globals, p *printer, given, act, question string, a api.ProcessAct) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	kind, id, err := c.requestNamed(ctx, given)
	if err != nil {
		return err
	}
	if kind != kindNegotiation {
		return otherKind(kind, id, act)
	}
	at := "/api/v1/negotiations/" + url.PathEscape(id)
	var n api.Negotiation
	if err := c.do(ctx, "GET", at, nil, &n); err != nil {
		return err
	}
	if act == "offer" && n.Side == hansa.Consumer {
		act = "request" // what a consumer answers an offer with
	}
	if question != "" {
		for _, w := range n.Words {
			p.say("  %s", clean(w))
		}
		if err := p.ask(g, question); err != nil {
			return err
		}
	}
	if err := c.do(ctx, "POST", at+"/"+act, a, &n); err != nil {
		return err
	}
	if done, err := p.show(n); done {
		return err
	}
	fmt.Fprintf(p.out, "%s  %s\n", n.ID, paint(p.colourOut, stateColour(n.State), n.State))
	if n.State == "TERMINATED" {
		p.say("%s is told: %s", clean(n.OtherTitle), clean(strings.Join(n.Reason, "; ")))
	} else {
		p.say("%s is told. Next: hansa inspect %s", clean(n.OtherTitle), n.ID)
	}
	return nil
}

// agreementsCmd is what was agreed.
type agreementsCmd struct {
	List agreementsListCmd `cmd:"" default:"withargs" help:"List what was agreed with others."`
	Show agreementsShowCmd `cmd:"" help:"Show an agreement in words."`
}

func (agreementsCmd) examples() []string {
	return []string{"hansa agreements", "hansa agreements show 0192f0c4"}
}

type agreementsListCmd struct {
	Limit int `help:"How many." default:"100"`
}

func (agreementsListCmd) examples() []string {
	return []string{"hansa agreements list", "hansa agreements --json"}
}

func (cmd *agreementsListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var list api.AgreementsBody
	if err := c.do(ctx, "GET", "/api/v1/agreements?limit="+fmt.Sprint(cmd.Limit), nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Agreements {
		a := &list.Agreements[i]
		rows = append(rows, []string{a.ID, clean(a.OtherTitle), gives(a.Side), clean(a.Target), p.inForce(a), p.at(a.At)})
	}
	if len(rows) == 0 {
		p.say("None yet. Find what others offer: hansa catalog PEER")
		return nil
	}
	p.table([]string{"ID", "WITH", "YOU", "DATASET", "STATE", "SINCE"}, rows, "")
	return nil
}

func gives(s hansa.Side) string {
	if s == hansa.Provider {
		return "give"
	}
	return "receive"
}

func (p *printer) inForce(a *api.Agreement) string {
	if a.Ended.IsZero() {
		return paint(p.colourOut, teal, "in force")
	}
	return paint(p.colourOut, dim, "ended")
}

type agreementsShowCmd struct {
	ID string `arg:"" help:"Its id, or how that begins."`
}

func (agreementsShowCmd) examples() []string { return []string{"hansa agreements show 0192f0c4"} }

func (cmd *agreementsShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	a, err := c.agreement(ctx, cmd.ID)
	if err != nil {
		return err
	}
	if done, err := p.show(a); done {
		return err
	}
	rows := [][]string{{"with", clean(a.OtherTitle)}, {"you", gives(a.Side)}, {"dataset", clean(a.Target)}, {"state", p.inForce(a)}, {"since", p.at(a.At)}, {"ended", p.at(a.Ended)}}
	rows = said(rows, "says", a.Words)
	p.lines("AGREEMENT", a.ID, append(rows, []string{"process", a.Process}, []string{"hash", "sha-256:" + a.Hash}))
	if a.Side == hansa.Consumer && a.Ended.IsZero() {
		p.say("Take data: hansa transfer %s --as HttpData-SSE --wait", a.ID)
	}
	p.say("How it came about: hansa inspect %s", a.Process)
	return nil
}
