package main

import (
	"fmt"
	"strings"

	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// accordsTemplatesCmd shows what an accord can begin with. It needs no node.
type accordsTemplatesCmd struct {
	Template string `arg:"" optional:"" help:"One template; all when left out."`
	Lang     string `help:"The language: en, nl, it, de, fr." default:"en" enum:"en,nl,it,de,fr"`
}

func (accordsTemplatesCmd) examples() []string {
	return []string{"hansa accords templates", "hansa accords templates partnership --lang nl", "hansa accords templates pool --json"}
}

func (cmd *accordsTemplatesCmd) Run(p *printer) error {
	list := accord.Templates()
	if cmd.Template != "" {
		t, err := accord.TemplateByName(cmd.Template)
		if err != nil {
			return err
		}
		list = []*accord.Template{t}
	}
	if done, err := p.show(map[string]any{"templates": list}); done {
		return err
	}
	if cmd.Template != "" {
		cmd.one(p, list[0])
		return nil
	}
	rows := make([][]string, len(list))
	for i, t := range list {
		rows[i] = []string{t.Name, t.Title.In(cmd.Lang), count(len(t.Clauses), "clause")}
	}
	p.table([]string{"TEMPLATE", "TITLE", "CLAUSES"}, rows, "")
	p.say("When to choose one, what it costs and what blocks it: hansa accords templates TEMPLATE")
	return nil
}

// one writes a template with all that people should know of it.
func (cmd *accordsTemplatesCmd) one(p *printer, t *accord.Template) {
	fmt.Fprintln(p.out, paint(p.colourOut, bold, t.Title.In(cmd.Lang)))
	fmt.Fprintln(p.out)
	row := func(head, text string) {
		for i, line := range wrap(text, p.widthLimit-13) {
			if i > 0 {
				head = ""
			}
			fmt.Fprintf(p.out, "%-12s %s\n", head, line)
		}
	}
	row("choose it", t.Choose.In(cmd.Lang))
	row("it costs", t.Costs.In(cmd.Lang))
	row("blocked by", t.Blocks.In(cmd.Lang))
	for i := range t.Questions {
		q := &t.Questions[i]
		name := q.Name
		if q.Each {
			name += "/N"
		}
		notes := "for example: " + q.Example
		if q.Needed {
			notes = "needed; " + notes
		}
		row(map[bool]string{true: "it asks"}[i == 0], fmt.Sprintf("%s: %s (%s)", name, q.Text.In(cmd.Lang), notes))
	}
	names := make([]string, 0, len(t.Clauses))
	for _, c := range t.Clauses {
		if len(names) == 0 || names[len(names)-1] != c.ID {
			names = append(names, c.ID)
		}
	}
	row("clauses", strings.Join(names, ", "))
}
