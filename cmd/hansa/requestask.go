package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// askTerms are what a request says, as flags.
type askTerms struct {
	What    string   `help:"Which data, in plain words." placeholder:"WORDS"`
	Dataset string   `help:"The dataset, by its giver's name for it; none is one that is not there yet." placeholder:"NAME"`
	Purpose []string `help:"For what. May be repeated." placeholder:"PURPOSE"`
	Use     string   `help:"What is done with it, in plain words." placeholder:"WORDS"`
	From    string   `help:"The first day." placeholder:"DAY"`
	Until   string   `help:"The last day." placeholder:"DAY"`
	Model   string   `help:"The model that is preferred: donation, procurement, partnership, pool or clause." default:"partnership"`
	Days    int      `help:"Working days in which each side answers, where no law sets them." default:"10"`
	Country string   `help:"Whose working days: EU, NL or IT; that of your party's zone when empty." default:"" enum:",EU,NL,IT"`
}

func (t *askTerms) terms() api.AskTerms {
	out := api.AskTerms{What: t.What, Dataset: t.Dataset, Use: t.Use, From: t.From, Until: t.Until, Model: hansa.Model(t.Model), Days: t.Days, Country: t.Country}
	for _, p := range t.Purpose {
		out.Purposes = append(out.Purposes, hansa.Purpose(p))
	}
	return out
}

// sound refuses a turn without days, which a node would take for one that is not said.
func (t *askTerms) sound() error {
	if t.Days < 1 || t.Days > accord.RequestDaysMax {
		return &failure{exit: exitRefused, code: string(hansa.CodeField), message: fmt.Sprintf("--days: a turn has 1 to %d working days, not %d.", accord.RequestDaysMax, t.Days)}
	}
	return nil
}

type requestsAskCmd struct {
	To string `arg:"" help:"Who is asked: a DID, or the name of a peer or of a party here."`
	askTerms
	Offer bool   `help:"Offer the data, in the place of asking for them."`
	Rule  string `help:"Of a public body: the rule by which it asks, which sets the time of the answer: data-act-answer-emergency or data-act-answer-other." placeholder:"RULE"`
	Party string `help:"The party that asks, by name; your own when empty." placeholder:"NAME"`
}

func (requestsAskCmd) examples() []string {
	return []string{"hansa requests ask navco --what 'Counts of vehicles at the ring road' --purpose planning", "hansa requests ask navco --offer --what 'Closures of the ring road' --purpose navigation"}
}

func (cmd *requestsAskCmd) Run(ctx context.Context, g *globals, p *printer) error {
	if err := cmd.sound(); err != nil {
		return err
	}
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	o := api.AskOrder{Party: cmd.Party, To: cmd.To, AskTerms: cmd.terms()}
	o.Offers, o.Rule = cmd.Offer, cmd.Rule
	var a api.Asked
	if err := c.do(ctx, "POST", "/api/v1/asks", o, &a); err != nil {
		return err
	}
	return p.askShown(&a)
}

type requestsAnswerCmd struct {
	ID  string `arg:"" help:"The request for data, by its id or the beginning of it."`
	Act string `arg:"" help:"accept, decline or counter." enum:"accept,decline,counter"`
	askTerms
	Words string `help:"Why; needed to decline." placeholder:"WORDS"`
	Party string `help:"The party that answers, by name; your own when empty." placeholder:"NAME"`
}

func (requestsAnswerCmd) examples() []string {
	return []string{"hansa requests answer 0192f0c4 accept", "hansa requests answer 0192f0c4 decline --words 'We do not count there.'", "hansa requests answer 0192f0c4 counter --what 'Counts by the hour' --purpose planning"}
}

func (cmd *requestsAnswerCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	kind, id, err := c.requestNamed(ctx, cmd.ID)
	switch {
	case err != nil:
		return err
	case kind == kindTransfer:
		return otherKind(kind, id, cmd.Act)
	case kind == kindNegotiation:
		return &failure{exit: exitUsage, code: "usage", message: id + " is a request for an agreement on an offer, not a request for data.", hint: "hansa requests show " + id}
	}
	in := api.AskAnswer{Party: cmd.Party, Words: cmd.Words}
	if cmd.Act == string(accord.Countered) {
		if err := cmd.sound(); err != nil {
			return err
		}
		t := cmd.terms()
		in.Terms = &t
	}
	var a api.Asked
	if err := c.do(ctx, "POST", "/api/v1/asks/"+url.PathEscape(id)+"/acts/"+cmd.Act, in, &a); err != nil {
		return err
	}
	return p.askShown(&a)
}

// askID finds a request for data by the beginning of its id.
func (c *client) askID(ctx context.Context, given string) (string, error) {
	var list api.AsksBody
	if err := c.do(ctx, "GET", "/api/v1/asks", nil, &list); err != nil {
		return "", err
	}
	ids := make([]string, 0, len(list.Asks))
	for i := range list.Asks {
		ids = append(ids, string(list.Asks[i].ID))
	}
	return shortened("request for data", given, "hansa requests", ids)
}

// asked shows a request for data.
func (p *printer) askShown(a *api.Asked) error {
	if done, err := p.show(a); done {
		return err
	}
	t := a.Terms
	list := make([]string, 0, len(t.Purposes))
	for _, s := range t.Purposes {
		list = append(list, string(s))
	}
	p.lines("REQUEST", string(a.ID), [][]string{
		{"with", clean(a.OtherTitle) + ", who " + askSide(a)},
		{"about", clean(t.What)},
		{"dataset", t.Dataset},
		{"for", strings.Join(list, ", ")},
		{"use", clean(t.Use)},
		{"from", t.From},
		{"until", t.Until},
		{"model", string(t.Model)},
		{"state", string(a.State)},
		{"turn", p.askTurn(a)},
		{"clock", p.askClock(a)},
		{"stuck", clean(first(a.Sent, a.Reason))},
	})
	for i := range a.Steps {
		s := &a.Steps[i]
		p.say("%s  %s: %s %s", p.at(s.At), clean(string(s.By)), s.Act, clean(s.Words))
	}
	for _, x := range a.Accords {
		p.say("Accord: %s  %s  hansa accords show %s", clean(oneTitle(x.Title)), x.State, x.ID)
	}
	switch {
	case a.Mine:
		p.say("Answer: hansa requests answer %s accept, or decline --words WHY, or counter --what WORDS --purpose PURPOSE", a.ID)
	case a.State == accord.RequestAccepted && len(a.Accords) == 0:
		p.say("Next: hansa accords draft %s --help, and hansa accords new FILE --request %s", t.Model, a.ID)
	}
	return nil
}

// askSide says what the other party does in a request.
func askSide(a *api.Asked) string {
	theirs := a.From == a.Other
	switch {
	case a.Terms.Offers && theirs:
		return "offers it to you"
	case a.Terms.Offers:
		return "is offered it by you"
	case theirs:
		return "asks you"
	}
	return "is asked by you"
}

func (p *printer) askTurn(a *api.Asked) string {
	switch {
	case a.State != accord.RequestOpen:
		return ""
	case a.Mine:
		return paint(p.colourOut, orange, "yours")
	}
	return clean(a.OtherTitle)
}

// askClock says until when, and what sets it.
func (p *printer) askClock(a *api.Asked) string {
	if a.State != accord.RequestOpen || a.Due.IsZero() {
		return ""
	}
	s := "before " + p.at(a.Due)
	if a.Source != "" {
		s += ", " + clean(a.Source)
	} else {
		s += ", " + count(a.Terms.Days, "working day") + " (" + a.Terms.Country + ")"
	}
	if a.Late {
		s += paint(p.colourOut, pink, ": late")
	}
	return s
}

// asksTable lists requests for data, those that wait for an answer of yours first.
func (p *printer) asksTable(list []api.Asked) {
	rows := [][]string{}
	for i := range list {
		a := &list[i]
		rows = append(rows, []string{string(a.ID), clean(a.OtherTitle), clean(a.Terms.What), string(a.State), p.askTurn(a), p.askClock(a)})
	}
	if len(rows) > 0 {
		p.table([]string{"REQUEST", "WITH", "FOR DATA", "STATE", "TURN", "CLOCK"}, rows, "")
	}
}
