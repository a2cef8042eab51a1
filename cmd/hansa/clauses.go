package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// clausesCmd shows the catalogue of clauses that this build has. It needs no node.
type clausesCmd struct {
	ID    string            `arg:"" optional:"" help:"One clause, by its id; the whole catalogue when left out."`
	Lang  string            `help:"The language of titles and texts: en, nl, it, de, fr." default:"en" enum:"en,nl,it,de,fr"`
	Model string            `help:"Only clauses that fit a sharing model: partnership, donation, procurement, pool, clause." default:"" enum:",partnership,donation,procurement,pool,clause"`
	Set   map[string]string `help:"With an id: a parameter's value; once for each." placeholder:"NAME=VALUE" mapsep:"none"`
}

func (clausesCmd) examples() []string {
	return []string{"hansa clauses", "hansa clauses --model pool --lang nl", "hansa clauses notice --set days=30 --lang it", "hansa clauses k-threshold --json"}
}

// shownClause is one clause as --json writes it: its text in each language and its
// policy, both with the values.
type shownClause struct {
	ID          string         `json:"id"`
	Version     int            `json:"version"`
	Hash        string         `json:"hash"`
	Group       string         `json:"group"`
	Title       policy.Texts   `json:"title"`
	Text        policy.Texts   `json:"text"`
	Values      policy.Params  `json:"values"`
	Parameters  []policy.Param `json:"parameters"`
	ODRL        policy.Rules   `json:"odrl"`
	Check       *policy.Test   `json:"check"`       // null: there is none
	Enforcement string         `json:"enforcement"` // gate, check, or "not enforced by software"
	Measured    bool           `json:"measured"`    // a node takes the measures of its check
	Blocks      bool           `json:"blocks"`
	Evidence    string         `json:"evidence"`
	Source      string         `json:"source"`
	Bearer      policy.Bearer  `json:"bearer"`
	Models      []hansa.Model  `json:"models"`
	Uncovered   policy.Texts   `json:"uncovered"`
}

func (cmd *clausesCmd) Run(p *printer) error {
	list, err := cmd.chosen()
	if err != nil {
		return err
	}
	shown := make([]shownClause, 0, len(list))
	for _, c := range list {
		s, err := show(c, cmd.Set)
		if err != nil {
			return err
		}
		shown = append(shown, s)
	}
	if done, err := p.show(map[string]any{"clauses": shown}); done {
		return err
	}
	if cmd.ID != "" {
		return cmd.one(p, list[0], &shown[0])
	}
	cmd.list(p, list)
	return nil
}

// chosen returns the clauses that are asked for.
func (cmd *clausesCmd) chosen() ([]*policy.Clause, error) {
	list := policy.Clauses()
	if cmd.Model != "" {
		list = slices.DeleteFunc(list, func(c *policy.Clause) bool { return !slices.Contains(c.Models, hansa.Model(cmd.Model)) })
	}
	if cmd.ID == "" {
		if len(cmd.Set) > 0 {
			return nil, &failure{exit: exitUsage, code: "usage", message: "--set gives a value to a parameter of one clause: name the clause.", hint: "hansa clauses notice --set days=30"}
		}
		return list, nil
	}
	c, ok := policy.ClauseByID(cmd.ID)
	if !ok {
		f := &failure{exit: exitNotFound, code: "clause", message: fmt.Sprintf("The catalogue has no clause %q.", cmd.ID), hint: "hansa clauses"}
		names := make([]string, 0, len(list))
		for _, c := range policy.Clauses() {
			names = append(names, c.ID)
		}
		if near := nearest(cmd.ID, names); near != "" {
			f.hint = "hansa clauses " + near
		}
		return nil, f
	}
	if cmd.Model != "" && !slices.Contains(list, c) {
		return nil, &failure{exit: exitNotFound, code: "clause", message: fmt.Sprintf("The clause %s does not fit the model %s.", c.ID, cmd.Model), hint: "hansa clauses --model " + cmd.Model}
	}
	return []*policy.Clause{c}, nil
}

// show fills c in: with what is set, else its defaults, else its examples.
func show(c *policy.Clause, set policy.Params) (shownClause, error) {
	values := c.Examples()
	maps.Copy(values, set)
	s := shownClause{
		ID: c.ID, Version: c.Version, Hash: c.Hash(), Group: c.Group, Title: c.Title, Values: values, Parameters: c.Params, Check: c.Test, Blocks: c.Blocks,
		Evidence: string(c.Evidence), Source: c.Source, Bearer: c.Bearer, Models: c.Models, Uncovered: c.Uncovered, Enforcement: enforcement(c, "en"), Measured: c.Measured(),
	}
	if s.Parameters == nil {
		s.Parameters = []policy.Param{}
	}
	for lang, into := range map[string]*string{"en": &s.Text.EN, "nl": &s.Text.NL, "it": &s.Text.IT, "de": &s.Text.DE, "fr": &s.Text.FR} {
		text, err := c.Render(values, lang)
		if err != nil {
			return s, err
		}
		*into = text
	}
	var err error
	s.ODRL, err = c.ODRL(values)
	return s, err
}

// enforcement says what software does for c.
func enforcement(c *policy.Clause, lang string) string {
	switch {
	case c.Rule != nil:
		return "gate"
	case c.Enforced():
		return "check"
	}
	return label("notes", "not-enforced", lang)
}

func label(list, word, lang string) string {
	s, _ := policy.Label(list, word, lang)
	return s
}

// list writes the catalogue by group.
func (cmd *clausesCmd) list(p *printer, list []*policy.Clause) {
	widest := [3]int{}
	rows := make([][3]string, len(list))
	for i, c := range list {
		rows[i] = [3]string{c.ID, c.Title.In(cmd.Lang), label("bearers", string(c.Bearer), cmd.Lang)}
		for k, cell := range rows[i] {
			widest[k] = max(widest[k], utf8.RuneCountInString(cell))
		}
	}
	group := ""
	for i, c := range list {
		if c.Group != group {
			if group != "" {
				fmt.Fprintln(p.out)
			}
			group = c.Group
			fmt.Fprintln(p.out, paint(p.colourOut, bold, label("groups", group, cmd.Lang)))
		}
		var line strings.Builder
		line.WriteString(" ")
		for k, cell := range rows[i] {
			line.WriteString(" " + cell + strings.Repeat(" ", widest[k]-utf8.RuneCountInString(cell)+1))
		}
		line.WriteString(" " + enforcement(c, cmd.Lang))
		if c.Rule == nil && c.Enforced() && !c.Measured() {
			line.WriteString(", not measured yet")
		}
		fmt.Fprintln(p.out, line.String())
	}
	p.say("%s. A clause in full: hansa clauses ID", count(len(list), "clause"))
}

// one writes a clause with all that the catalogue says of it.
func (cmd *clausesCmd) one(p *printer, c *policy.Clause, s *shownClause) error {
	fmt.Fprintf(p.out, "%s  %s\n\n", paint(p.colourOut, bold, c.Title.In(cmd.Lang)), paint(p.colourOut, dim, fmt.Sprintf("%s, version %d", c.ID, c.Version)))
	for _, line := range wrap(clean(s.Text.In(cmd.Lang)), p.widthLimit) {
		fmt.Fprintln(p.out, line)
	}
	fmt.Fprintln(p.out)
	row := func(head, text string) {
		for i, line := range wrap(clean(text), p.widthLimit-13) {
			if i > 0 {
				head = ""
			}
			fmt.Fprintf(p.out, "%-12s %s\n", head, line)
		}
	}
	for i := range c.Params {
		row(map[bool]string{true: "parameters"}[i == 0], cmd.says(&c.Params[i], s.Values))
	}
	row("bearer", label("bearers", string(c.Bearer), cmd.Lang))
	models := make([]string, len(c.Models))
	for i, m := range c.Models {
		models[i] = label("models", string(m), cmd.Lang)
	}
	row("models", strings.Join(models, ", "))
	row("check", checkSays(c, cmd.Lang))
	if c.Blocks {
		row("", label("notes", "blocks", cmd.Lang))
	}
	row("evidence", label("evidence", string(c.Evidence), cmd.Lang))
	row("uncovered", c.Uncovered.In(cmd.Lang))
	row("source", c.Source)
	b, err := json.Marshal(s.ODRL, json.Deterministic(true), jsontext.Multiline(false))
	fmt.Fprintf(p.out, "%-12s %s\n", "policy", b)
	return err
}

// says tells what a parameter is, and where its value comes from.
func (cmd *clausesCmd) says(param *policy.Param, values policy.Params) string {
	kind := string(param.Kind)
	if param.Kind == policy.KindCount {
		kind = fmt.Sprintf("%s, %d to %d", param.Unit, param.Min, param.Max)
	}
	options := make([]string, len(param.Options))
	for i, o := range param.Options {
		options[i] = o.Value
	}
	if len(options) > 0 {
		kind = strings.Join(options, ", ")
	}
	from := "the default"
	switch _, set := cmd.Set[param.Name]; {
	case set:
		from = "as set"
	case param.Default == "":
		from = "an example: there is no default"
	}
	return fmt.Sprintf("%s = %s (%s; %s)", param.Name, values[param.Name], from, kind)
}

// checkSays tells which function checks c, over what.
func checkSays(c *policy.Clause, lang string) string {
	if c.Test == nil {
		return label("notes", "not-enforced", lang)
	}
	for _, f := range policy.Checks() {
		if f.Name == c.Test.Function {
			says := fmt.Sprintf("%s: %s (%s)", f.Name, f.Says, strings.Join(c.Test.Measures, ", "))
			if c.Rule != nil {
				says += "; the gate holds to it"
			}
			return says
		}
	}
	return c.Test.Function
}

// wrap breaks s between words into lines of at most width characters; a longer word
// stands alone.
func wrap(s string, width int) (lines []string) {
	line, long := "", 0
	for word := range strings.SplitSeq(s, " ") {
		n := utf8.RuneCountInString(word)
		if line != "" && long+1+n > width {
			lines = append(lines, line)
			line, long = "", 0
		}
		if line != "" {
			line, long = line+" ", long+1
		}
		line, long = line+word, long+n
	}
	return append(lines, line)
}
