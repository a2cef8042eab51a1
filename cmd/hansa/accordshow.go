package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// commentsShown is how many of the last comments a show of an accord brings.
const commentsShown = 5

type accordsShowCmd struct {
	ID    string `arg:"" help:"The accord, by its id or the beginning of it."`
	Words bool   `help:"Each clause in its words, with what no software holds to."`
	Lang  string `help:"With --words: the language; English, or the first of the text, when left out." placeholder:"LANG"`
	Text  bool   `help:"Write the canonical bytes of a version, which are hashed and signed, and nothing else."`
	Hash  string `help:"With --text: the version, by its SHA-256; the proposed one when left out." placeholder:"HASH"`
}

func (accordsShowCmd) examples() []string {
	return []string{"hansa accords show ID", "hansa accords show ID --words --lang nl", "hansa accords show ID --text > closures.accord"}
}

func (cmd *accordsShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, id, err := g.accordAt(ctx, p, cmd.ID)
	if err != nil {
		return err
	}
	if cmd.Text {
		res, err := c.request(ctx, "GET", "/api/v1/accords/"+id+"/text?"+url.Values{"hash": {cmd.Hash}}.Encode(), "", nil, nil)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(p.out, res.Body)
		return err
	}
	var d api.AccordDetail
	if err := c.do(ctx, "GET", "/api/v1/accords/"+id, nil, &d); err != nil {
		return err
	}
	if err := p.accord(&d); err != nil || p.json || p.format != "" {
		return err
	}
	if err := p.clauses(&d, cmd.Words, cmd.Lang); err != nil {
		return err
	}
	if d.N == 0 {
		return nil
	}
	var h api.AccordHistory
	if err := c.do(ctx, "GET", "/api/v1/accords/"+id+"/history", nil, &h); err != nil {
		return err
	}
	p.comments(&d, &h)
	return nil
}

// partyOf is the title of a party of an accord, or its id.
func partyOf(d *api.AccordDetail, id hansa.PartyID) string {
	for i := range d.Parties {
		if d.Parties[i].ID == id {
			return clean(d.Parties[i].Title)
		}
	}
	return clean(string(id))
}

// accordTurn says whose turn it is, and since when.
func (p *printer) accordTurn(d *api.AccordDetail) {
	if len(d.Turn) == 0 {
		return
	}
	names := []string{}
	for _, id := range d.Turn {
		if id == d.Me {
			names = append(names, "yours ("+partyOf(d, id)+")")
			continue
		}
		names = append(names, partyOf(d, id))
	}
	fmt.Fprintf(p.out, "turn      %s, since %s\n", strings.Join(names, ", "), p.at(d.TurnSince))
}

// unsignable says plainly that what is proposed, or drafted, breaks rules of its model.
func (p *printer) unsignable(d *api.AccordDetail) {
	var rules []hansa.Rule
	for i := range d.Findings {
		if f := &d.Findings[i]; f.Severity == hansa.Fault && !slices.Contains(rules, f.Rule) {
			rules = append(rules, f.Rule)
		}
	}
	if len(rules) == 0 || d.State == hansa.AccordEnded {
		return
	}
	mends := "hansa accords propose " + string(d.ID) + " FILE"
	if d.N == 0 {
		mends = "hansa accords new FILE --id " + string(d.ID)
	}
	p.say("Version %d stands as a proposal, and nobody can sign it before another text mends %s: %s", d.Version, joined(rules), mends)
}

// clauses lists the clauses of the proposed version, with who accepted or rejected each.
func (p *printer) clauses(d *api.AccordDetail, whole bool, lang string) error {
	t := &accord.Text{}
	if err := json.Unmarshal(d.Text, t); err != nil {
		return fmt.Errorf("read the text: %w", err)
	}
	titles := map[hansa.FlowID]string{}
	for i := range t.Flows {
		titles[t.Flows[i].ID] = t.Flows[i].Name
	}
	fmt.Fprintf(p.out, "%s of version %d\n", count(len(t.Clauses), "clause"), d.Version)
	for i := range t.Clauses {
		x, n := &t.Clauses[i], strconv.Itoa(i+1)
		about := []string{}
		for _, f := range x.Flows {
			about = append(about, first(titles[f], string(f)))
		}
		line := fmt.Sprintf("%4s  %s (%s)", n, clean(inTongue(x.Title, lang)), clean(x.ID))
		if len(about) > 0 {
			line += ", of " + clean(strings.Join(about, ", "))
		}
		fmt.Fprintln(p.out, line)
		for k := range d.Verdicts {
			if v := &d.Verdicts[k]; v.Clause == n {
				p.verdict(d, v)
			}
		}
		if whole {
			fmt.Fprintf(p.out, "      %s\n", clean(inTongue(x.Text, lang)))
			if s := inTongue(x.Uncovered, lang); s != "" {
				fmt.Fprintf(p.out, "      not held to by software: %s\n", clean(s))
			}
		}
	}
	if !whole {
		p.say("In words: hansa accords show %s --words", d.ID)
	}
	return nil
}

// verdict is what a party says of a clause.
func (p *printer) verdict(d *api.AccordDetail, v *api.AccordVerdict) {
	says, colour := "rejected", pink
	if v.Accept {
		says, colour = "accepted", teal
	}
	line := paint(p.colourOut, colour, says) + " by " + partyOf(d, v.Party)
	if v.Words != "" {
		line += ": " + clean(v.Words)
	}
	fmt.Fprintf(p.out, "      %s\n", line)
}

// inTongue is a text in a language, or as [oneTitle] has it.
func inTongue(w accord.Words, lang string) string {
	if s, ok := w[lang]; ok {
		return s
	}
	return oneTitle(w)
}

// comments shows the last of them, the newest at the end.
func (p *printer) comments(d *api.AccordDetail, h *api.AccordHistory) {
	var list []*api.AccordEntry
	for i := range h.Entries {
		if h.Entries[i].Kind == accord.Comment {
			list = append(list, &h.Entries[i])
		}
	}
	shown := list[max(0, len(list)-commentsShown):]
	for _, e := range shown {
		about := ""
		if e.Clause != "" {
			about = " of clause " + clean(e.Clause)
		}
		fmt.Fprintf(p.out, "comment   %s, %s%s: %s\n", p.at(e.At), partyOf(d, e.From), about, clean(e.Words))
	}
	if n := len(list) - len(shown); n > 0 {
		p.say("%s before these: hansa accords history %s", count(n, "comment"), d.ID)
	}
}
