package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// accordsDiffCmd shows what differs between two versions, or two files without a node.
type accordsDiffCmd struct {
	One   string `arg:"" help:"An accord, by its id; or a file of a text."`
	Other string `arg:"" optional:"" help:"The file of another text: then no node is needed."`
	From  string `help:"Of an accord: the older version, by its SHA-256; that in force, or the one before, when left out." placeholder:"HASH"`
	To    string `help:"Of an accord: the newer one; the proposed one when left out." placeholder:"HASH"`
	Lang  string `help:"The language of the words that are shown; English, or else the first that there is, when left out." default:"" enum:",en,nl,it,de,fr"`
}

func (accordsDiffCmd) examples() []string {
	return []string{"hansa accords diff ID", "hansa accords diff ours.accord theirs.accord --lang nl"}
}

func (cmd *accordsDiffCmd) Run(ctx context.Context, g *globals, p *printer) error {
	if cmd.Other != "" {
		return cmd.files(p)
	}
	c, id, err := g.accordAt(ctx, p, cmd.One)
	if err != nil {
		return err
	}
	var d api.AccordDiff
	if err := c.do(ctx, "GET", "/api/v1/accords/"+id+"/diff?"+url.Values{"from": {cmd.From}, "to": {cmd.To}}.Encode(), nil, &d); err != nil {
		return err
	}
	return p.redline(&d, first(cmd.Lang, "en"))
}

// files compares two texts without a node.
func (cmd *accordsDiffCmd) files(p *printer) error {
	a, err := textFile(cmd.One)
	if err != nil {
		return err
	}
	b, err := textFile(cmd.Other)
	if err != nil {
		return err
	}
	d := api.AccordDiff{Accord: b.ID}
	if d.From, err = a.Hash(); err != nil {
		return err
	}
	if d.To, err = b.Hash(); err != nil {
		return err
	}
	if d.Changes, err = accord.Redline(a, b); err != nil {
		return err
	}
	return p.redline(&d, first(cmd.Lang, "en"))
}

// redline shows what changed, each with its words in a language and its policy.
func (p *printer) redline(d *api.AccordDiff, lang string) error {
	if d.Changes == nil {
		d.Changes = []accord.Change{}
	}
	if done, err := p.show(d); done {
		return err
	}
	fmt.Fprintf(p.out, "- %s\n+ %s\n", d.From, d.To)
	for i := range d.Changes {
		p.change(&d.Changes[i], lang)
	}
	if len(d.Changes) == 0 {
		p.say("Both say the same.")
		return nil
	}
	p.say("%s.", count(len(d.Changes), "change"))
	return nil
}

// change shows one change.
func (p *printer) change(c *accord.Change, lang string) {
	head := strings.TrimSuffix(c.Part, "s")
	if c.Part == "parties" {
		head = "party"
	}
	if n := cmp.Or(c.To, c.From); n > 0 {
		head += fmt.Sprintf(" %d", n)
	}
	if c.Name != c.Part {
		head += " " + clean(c.Name)
	}
	fmt.Fprintf(p.out, "%s %s", paint(p.colourOut, colourOf(c.Kind), fmt.Sprintf("%-8s", c.Kind)), paint(p.colourOut, bold, head))
	if c.Kind == accord.Moved {
		fmt.Fprintf(p.out, " (was %d)", c.From)
	}
	fmt.Fprintln(p.out)
	if runs := wordsOf(c, lang); differs(runs) {
		p.runs(runs)
	}
	for _, x := range c.Policy {
		fmt.Fprintf(p.out, "  %s %s %s %s\n", paint(p.colourOut, colourOf(x.Kind), mark(x.Kind)), x.Rule, clean(x.Action), clean(string(x.Constraint)))
	}
	if c.Kind == accord.Changed && len(c.Members) > 0 {
		fmt.Fprintf(p.out, "  %s\n", paint(p.colourOut, dim, "in "+strings.Join(c.Members, ", ")))
	}
	if c.Words == nil {
		p.whole(c)
	}
}

// differs reports whether any word was added or removed.
func differs(runs []accord.Run) bool {
	return slices.ContainsFunc(runs, func(r accord.Run) bool { return r.Kind != "" })
}

// whole writes what was and what is of a part without words of its own.
func (p *printer) whole(c *accord.Change) {
	for _, x := range []struct {
		kind  accord.ChangeKind
		value string
	}{{accord.Removed, string(c.Before)}, {accord.Added, string(c.After)}} {
		if x.value != "" && c.Kind != accord.Moved {
			fmt.Fprintf(p.out, "  %s %s\n", paint(p.colourOut, colourOf(x.kind), mark(x.kind)), clean(x.value))
		}
	}
}

// runs writes words with what was removed as [-this-] and what was added as {+this+}.
func (p *printer) runs(runs []accord.Run) {
	var b strings.Builder
	for _, r := range runs {
		text := clean(r.Text)
		bare := strings.TrimRight(text, " ")
		switch r.Kind {
		case accord.Removed:
			text = "[-" + bare + "-]" + text[len(bare):]
		case accord.Added:
			text = "{+" + bare + "+}" + text[len(bare):]
		case accord.Changed, accord.Moved:
		}
		b.WriteString(text)
	}
	if b.Len() == 0 {
		return
	}
	for _, line := range wrap(b.String(), p.widthLimit-2) {
		fmt.Fprintln(p.out, "  "+line)
	}
}

func colourOf(k accord.ChangeKind) string {
	switch k {
	case accord.Added:
		return teal
	case accord.Removed:
		return pink
	case accord.Changed, accord.Moved:
	}
	return yellow
}

func mark(k accord.ChangeKind) string {
	if k == accord.Removed {
		return "-"
	}
	return "+"
}

// wordsOf are the words of c in lang, or else in the first language that it has.
func wordsOf(c *accord.Change, lang string) []accord.Run {
	if runs, ok := c.Words[lang]; ok {
		return runs
	}
	for _, l := range slices.Sorted(maps.Keys(c.Words)) {
		return c.Words[l]
	}
	return nil
}
