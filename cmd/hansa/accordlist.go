package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// accordID completes the id of an accord.
func (c *client) accordID(ctx context.Context, given string) (string, error) {
	if len(given) >= idLength {
		return given, nil
	}
	var list api.AccordsBody
	if err := c.do(ctx, "GET", "/api/v1/accords?"+url.Values{"limit": {"1000"}, "words": {given}}.Encode(), nil, &list); err != nil {
		return "", err
	}
	ids := make([]string, 0, len(list.Accords))
	for i := range list.Accords {
		ids = append(ids, string(list.Accords[i].ID))
	}
	return shortened("accord", given, "hansa accords list", ids)
}

// accordAt connects, and completes the id of an accord.
func (g *globals) accordAt(ctx context.Context, p *printer, given string) (*client, string, error) {
	c, err := g.connect(p)
	if err != nil {
		return nil, "", err
	}
	id, err := c.accordID(ctx, given)
	return c, id, err
}

type accordsListCmd struct {
	State   string `help:"draft, proposed, signed, in-force, suspended or ended." placeholder:"STATE"`
	Model   string `help:"donation, procurement, partnership, pool or clause." placeholder:"MODEL"`
	With    string `help:"The DID of a party of it." placeholder:"DID"`
	Words   string `help:"Words in its title, its parties or its data."`
	Turn    bool   `help:"Those whose turn is yours."`
	Waiting bool   `help:"In their place: accords of strangers that wait for a yes."`
	Limit   int    `help:"How many." default:"200"`
}

func (accordsListCmd) examples() []string {
	return []string{"hansa accords list", "hansa accords list --turn", "hansa accords list --state in-force --words closures", "hansa accords list --waiting"}
}

func (cmd *accordsListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if cmd.Waiting {
		return cmd.waiting(ctx, c, p)
	}
	q := url.Values{"state": {cmd.State}, "model": {cmd.Model}, "with": {cmd.With}, "words": {cmd.Words}, "turn": {strconv.FormatBool(cmd.Turn)}, "limit": {strconv.Itoa(cmd.Limit)}}
	var list api.AccordsBody
	if err := c.do(ctx, "GET", "/api/v1/accords?"+q.Encode(), nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Accords {
		a := &list.Accords[i]
		turn := ""
		if a.Mine {
			turn = "yours"
		} else if len(a.Turn) > 0 {
			turn = "theirs"
		}
		rows = append(rows, []string{string(a.ID), string(a.Model), string(a.State), turn, strconv.Itoa(a.Version), soonest(a), clean(oneTitle(a.Title)), clean(titles(a))})
	}
	left := ""
	if list.After != "" {
		left = "more: --limit 1000"
	}
	p.table([]string{"ACCORD", "MODEL", "STATE", "TURN", "VERSION", "DUE", "TITLE", "PARTIES"}, rows, left)
	var strangers api.AccordContactsBody
	if err := c.do(ctx, "GET", "/api/v1/accord-contacts", nil, &strangers); err == nil && len(strangers.Contacts) > 0 { // who may not see them has no need to know
		p.say("Accords of strangers that wait for a yes: %d. See: hansa accords list --waiting", len(strangers.Contacts))
	}
	return nil
}

// soonest is the next day that its parties are reminded of.
func soonest(a *api.Accord) string {
	for i := range a.Due {
		if a.Due[i].Soon {
			return a.Due[i].What + " " + a.Due[i].Day
		}
	}
	return ""
}

func titles(a *api.Accord) string {
	list := []string{}
	for i := range a.Parties {
		list = append(list, a.Parties[i].Title)
	}
	return strings.Join(list, ", ")
}

func (*accordsListCmd) waiting(ctx context.Context, c *client, p *printer) error {
	var list api.AccordContactsBody
	if err := c.do(ctx, "GET", "/api/v1/accord-contacts", nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Contacts {
		x := &list.Contacts[i]
		rows = append(rows, []string{string(x.Accord), clean(string(x.From)), p.at(x.At), string(x.Model), clean(oneTitle(x.Title))})
	}
	p.table([]string{"ACCORD", "FROM", "SINCE", "MODEL", "TITLE"}, rows, "")
	if len(rows) > 0 {
		p.say("Next: hansa accords hear ID, or hansa accords turn-away ID")
	}
	return nil
}

// accord shows an accord as it stands.
func (p *printer) accord(d *api.AccordDetail) error {
	if done, err := p.show(d); done {
		return err
	}
	state := string(d.State)
	if d.End != "" {
		state = string(d.End)
	}
	fmt.Fprintf(p.out, "%s  %s\n%s, version %d, %s\n", d.ID, clean(oneTitle(d.Title)), d.Model, d.Version, state)
	if d.Reason != "" {
		fmt.Fprintf(p.out, "%s: %s\n", clean(string(d.EndedBy)), clean(d.Reason))
	}
	for i := range d.Parties {
		x := &d.Parties[i]
		line := []string{fmt.Sprintf("  %s (%s)", clean(x.Title), x.Role), clean(string(x.ID))}
		for _, f := range []struct {
			is   bool
			says string
		}{{!x.Signed.IsZero(), "signed " + p.at(x.Signed)}, {x.Suspended, "suspended"}, {!x.Left.IsZero(), "left " + p.at(x.Left)}, {x.Stuck != "", "does not answer: " + clean(x.Stuck)}} {
			if f.is {
				line = append(line, f.says)
			}
		}
		fmt.Fprintln(p.out, strings.Join(line, ", "))
	}
	p.accordTurn(d)
	fmt.Fprintf(p.out, "proposed  %s\n", first(d.Proposed, "nothing"))
	if d.Force != "" {
		fmt.Fprintf(p.out, "in force  %s since %s\n", d.Force, p.at(d.Effect))
	}
	if d.Handing != "" {
		fmt.Fprintf(p.out, "offered   the keeping, by %s to %s\n", clean(string(d.Keeper)), clean(string(d.Handing)))
	}
	if d.Head != "" {
		fmt.Fprintf(p.out, "entry %d   %s\n", d.N, d.Head)
	}
	for i := range d.Erasures {
		fmt.Fprintln(p.out, p.certificate(&d.Erasures[i]))
	}
	p.told(d)
	p.early(d.Early)
	p.owed(d)
	for i := range d.Due {
		x := &d.Due[i]
		near := ""
		if x.Soon {
			near = ", soon"
		}
		fmt.Fprintf(p.out, "due       %s %s%s, by %s\n", x.What, x.Day, near, clean(joined(x.By)))
	}
	for i := range d.Findings {
		f := &d.Findings[i]
		fmt.Fprintf(p.out, "%s %s %s: %s\n", f.Severity, f.Rule, f.Field, clean(f.Message))
	}
	p.unsignable(d)
	for i := range d.Sent {
		s := &d.Sent[i]
		if s.State == "refused" {
			fmt.Fprintf(p.out, "%s was refused: %s\n", s.Kind, clean(s.Reason))
			continue
		}
		fmt.Fprintf(p.out, "%s is on its way since %s, not yet confirmed by %s %s\n", s.Kind, p.at(s.At), clean(string(d.Keeper)), clean(s.Stuck))
	}
	if len(d.May) > 0 {
		may := []string{}
		for _, k := range d.May {
			may = append(may, string(k))
		}
		p.say("You may: %s", strings.Join(may, ", "))
	}
	return nil
}

// told says what parties said that they know, did and tested.
func (p *printer) told(d *api.AccordDetail) {
	for i, x := range []*accord.Service{d.Service, d.Objection} {
		if x != nil {
			name := []string{"served   ", "objection"}[i]
			says := fmt.Sprintf("%s, %s, on %s", clean(x.How), clean(x.Reference), x.On.Format(time.DateOnly))
			if x.Suspends {
				says += "; it holds the duty up"
			}
			fmt.Fprintf(p.out, "%s %s\n", name, says)
		}
	}
	for _, id := range d.Acknowledged {
		fmt.Fprintf(p.out, "known     the authority is known as such by %s\n", clean(string(id)))
	}
	for i := range d.Reports {
		r := &d.Reports[i]
		fmt.Fprintf(p.out, "report    under clause %d by %s, %s\n", r.Clause, clean(string(r.By)), p.at(r.At))
	}
	for i := range d.Tested {
		x := &d.Tested[i]
		says := "accepted"
		if x.Refused {
			says = "refused, in entry " + strconv.FormatInt(x.Entry, 10)
		}
		fmt.Fprintf(p.out, "tested    %s by %s, %s, %s\n", x.Flow, clean(string(x.By)), p.at(x.At), says)
	}
}

// certificate says in a line what a party certifies of the data at the end.
func (p *printer) certificate(e *api.AccordErasure) string {
	what := map[string]string{"erase": "erased", "return": "returned", "keep": "kept"}[e.Rule]
	line := []string{fmt.Sprintf("%s  %s, %s by %s", what, p.at(e.On), count(len(e.Flows), "flow"), clean(string(e.By)))}
	if e.Versions > 0 {
		line = append(line, count(int(e.Records), "record")+" in "+count(int(e.Versions), "version"))
	}
	if e.Clause != "" {
		line = append(line, "under clause "+clean(e.Clause))
	}
	if e.Backups != "" {
		line = append(line, "in backups until "+clean(e.Backups))
	}
	if len(e.Onward) > 0 {
		line = append(line, "went on to "+clean(strings.Join(e.Onward, ", ")))
	}
	return strings.Join(line, "; ")
}

// early says that the end was announced for a day before the notice is over.
func (p *printer) early(e *api.AccordEarly) {
	if e == nil {
		return
	}
	says, by := "does not allow it", "the term"
	if e.Allowed {
		says = "allows it"
	}
	if e.Clause > 0 {
		by = "clause " + strconv.Itoa(e.Clause)
	}
	fmt.Fprintf(p.out, "early     the end was announced for a day before the %s of notice are over: %s %s\n", count(e.Notice, "day"), by, says)
}

// owed says whose certificates are not there.
func (p *printer) owed(d *api.AccordDetail) {
	for i := range d.Owed {
		o := &d.Owed[i]
		by := ""
		switch {
		case o.Late:
			by = ", due by " + o.Day + ", late"
		case o.Day != "":
			by = ", at the latest by " + o.Day
		}
		fmt.Fprintf(p.out, "owed      a certificate for %s by %s%s\n", count(len(o.Flows), "flow"), clean(string(o.Party)), by)
		switch {
		case o.Party != d.Me:
		case d.Erasing:
			p.say("Your node erases it, and certifies it by itself.")
		case slices.Contains(d.May, accord.Erased):
			p.say("Once it is done: hansa accords erased %s --flow %s", d.ID, strings.ReplaceAll(clean(joined(o.Flows)), ", ", ","))
		}
	}
}

type accordsHistoryCmd struct {
	ID       string `arg:"" help:"The accord, by its id or the beginning of it."`
	Messages bool   `help:"With --json: bring the signed messages too."`
}

func (accordsHistoryCmd) examples() []string {
	return []string{"hansa accords history ID", "hansa accords history ID --messages --json"}
}

func (cmd *accordsHistoryCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, id, err := g.accordAt(ctx, p, cmd.ID)
	if err != nil {
		return err
	}
	var h api.AccordHistory
	if err := c.do(ctx, "GET", "/api/v1/accords/"+id+"/history?messages="+strconv.FormatBool(cmd.Messages), nil, &h); err != nil {
		return err
	}
	if done, err := p.show(h); done {
		return err
	}
	rows := [][]string{}
	for i := range h.Entries {
		e := &h.Entries[i]
		says := strings.Join(filledOnly(e.Words, e.Notice, string(e.Keeper), e.Role, e.Power), "; ")
		if e.Clause != "" {
			says = "clause " + e.Clause + ": " + says
		}
		rows = append(rows, []string{strconv.FormatInt(e.N, 10), p.at(e.At), string(e.Kind), clean(string(e.From)), clean(says), e.Hash})
	}
	p.table([]string{"N", "AT", "ACT", "FROM", "SAYS", "HASH"}, rows, "")
	return nil
}

func filledOnly(list ...string) (out []string) {
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// oneTitle is a title in English, or in the first language that it has.
func oneTitle(w accord.Words) string {
	if s, ok := w["en"]; ok {
		return s
	}
	for _, lang := range slices.Sorted(maps.Keys(w)) {
		return w[lang]
	}
	return ""
}
