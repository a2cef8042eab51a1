package accord

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// Order is what a draft is made of. What it leaves out the template gives.
type Order struct {
	ID       hansa.AccordID
	Title    Words
	Summary  Words
	Parties  []Party // the opener first
	Flows    []Flow
	Purposes map[hansa.FlowID][]hansa.Purpose // of a flow, in the place of the template's
	Answers  map[string]string                // to the template's questions, by their names
	// Set gives parameters by the id of a clause; With and Without add clauses of
	// the catalogue and leave out the template's.
	Set           map[string]policy.Params
	With, Without []string
	Pack          Pack // empty is the newest of this exchange
	Term          Term // From and Zone are needed
	Languages     []string
	Law, Forum    string
	Basis         *LegalBasis // of the model clause; empty is the answer to the question basis
}

// drafting is a draft on its way.
type drafting struct {
	t       *Template
	o       *Order
	text    *Text
	answers map[string]policy.Params // by clause, from the questions
}

// Draft makes the first version of an accord: the template's clauses with their
// words in full, about the flows that they fit. It reads no clock: the same order
// makes the same text. Whether that may be signed is for [CheckModel]. Its error is
// Invalid and names what is missing.
func (t *Template) Draft(o Order) (*Text, error) {
	d := &drafting{t: t, o: &o, answers: map[string]policy.Params{}}
	if err := d.begin(); err != nil {
		return nil, err
	}
	if err := d.answer(); err != nil {
		return nil, err
	}
	if err := d.basis(); err != nil {
		return nil, err
	}
	if err := d.clauses(); err != nil {
		return nil, err
	}
	d.consider()
	return d.text, d.text.Validate()
}

// begin fills in all but what the clauses and the answers say.
func (d *drafting) begin() error {
	o, t := d.o, d.t
	if len(o.Languages) == 0 {
		o.Languages = []string{"en"}
	}
	if o.Pack.ID == "" {
		p := policy.Packs()[0]
		o.Pack = Pack{ID: p.Name(), Hash: p.Hash()}
	}
	if o.Title == nil {
		o.Title = Words{}
		for _, lang := range o.Languages {
			o.Title[lang] = t.Title.In(lang)
		}
	}
	term, err := t.term(o.Term, allOpen(o.Flows))
	for clause, days := range map[string]*int{"notice": &term.Notice, "exit-erase": &term.ExitDays} { // what is said of one is said of both
		if n, bad := strconv.Atoi(o.Set[clause]["days"]); bad == nil {
			*days = n
		}
	}
	if err != nil {
		return err
	}
	d.text = &Text{
		Format: Format, ID: o.ID, Version: 1, Title: o.Title, Summary: o.Summary, Model: t.Model, Languages: o.Languages, Pack: o.Pack, Law: o.Law, Forum: o.Forum,
		Parties: o.Parties, Flows: o.Flows, Term: term, From: &Origin{Template: t.Name, Hash: t.hash},
	}
	return nil
}

// term fills in what the template says of the duration.
func (t *Template) term(term Term, open bool) (Term, error) {
	from, err := time.Parse(time.DateOnly, term.From)
	if err != nil {
		return term, hansa.Fielded("/term/from", "the first day is written as 2026-12-01, not %q", term.From)
	}
	if _, err := time.LoadLocation(term.Zone); err != nil || term.Zone == "" {
		return term, hansa.Fielded("/term/zone", "an accord counts its days in an IANA time zone such as Europe/Amsterdam, not %q", term.Zone)
	}
	if term.Until == "" && t.Months > 0 {
		term.Until = from.AddDate(0, t.Months, -1).Format(time.DateOnly)
	}
	if term.Review == nil {
		term.Review = []string{from.AddDate(0, t.ReviewMonths, 0).Format(time.DateOnly)}
	}
	if term.Notice == 0 {
		term.Notice = t.Notice
	}
	switch {
	case term.Exit != "":
	case open: // nobody is asked to erase
		term.Exit, term.ExitDays = "keep", 0
	default:
		term.Exit, term.ExitDays = t.Exit, t.ExitDays
	}
	return term, nil
}

// answer puts the answers where they belong, and refuses those that nobody asked.
func (d *drafting) answer() error {
	known := map[string]bool{}
	for i := range d.t.Questions {
		q := &d.t.Questions[i]
		names := []string{q.Name}
		if q.Each {
			names = nil
			for n := range d.o.Parties {
				names = append(names, q.Name+"/"+strconv.Itoa(n+1))
			}
		}
		for _, name := range names {
			known[name] = true
			if q.Needed && d.o.Answers[name] == "" {
				return hansa.Fielded("/answers/"+name, "the template %s asks first: %s", d.t.Name, q.Text.EN).WithHint("answer " + name + ", for example: " + q.Example)
			}
		}
		if clause, param, ok := strings.Cut(q.Into, "."); ok && d.o.Answers[q.Name] != "" {
			if d.answers[clause] == nil {
				d.answers[clause] = policy.Params{}
			}
			d.answers[clause][param] = d.o.Answers[q.Name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.o.Answers)) {
		if !known[name] {
			return hansa.Fielded("/answers/"+name, "the template %s does not ask %q", d.t.Name, name).WithHint("hansa accords templates " + d.t.Name)
		}
	}
	return nil
}

// basis reads the legal basis of the model clause: "by-law: Shared mobility by-law
// 2026, section 4". The authority is the first public body among the parties.
func (d *drafting) basis() error {
	if d.o.Basis != nil || d.t.Model != hansa.ModelClause {
		d.text.Basis = d.o.Basis
		return nil
	}
	kind, reference, _ := strings.Cut(d.o.Answers["basis"], ":")
	kind, reference = strings.TrimSpace(kind), strings.TrimSpace(reference)
	if !slices.Contains(bases, kind) || reference == "" {
		return hansa.Fielded("/answers/basis", "the basis of a duty is its kind (%s), a colon, and its reference, not %q", strings.Join(bases, ", "), d.o.Answers["basis"])
	}
	i := slices.IndexFunc(d.o.Parties, func(p Party) bool { return public(&p) })
	if i < 0 {
		return hansa.Fielded("/parties", "the duty of a %s is owed to a public body, and none is a party", kind)
	}
	d.text.Basis = &LegalBasis{Kind: kind, Reference: reference, Authority: d.o.Parties[i].ID, Served: true}
	return nil
}

// clauses makes the clauses of the text.
func (d *drafting) clauses() error {
	parts := slices.Clone(d.t.Clauses)
	for _, id := range d.o.With {
		if !slices.ContainsFunc(parts, func(p Part) bool { return p.ID == id }) {
			parts = append(parts, Part{ID: id})
		}
	}
	for _, f := range d.o.Flows {
		if f.Personal != nil {
			d.o.Without = append(d.o.Without, "no-personal-data")
			parts = append(parts, Part{ID: "controller-roles", Params: policy.Params{"roles": f.Personal.Roles}}, Part{ID: "impact-assessment", Params: policy.Params{"reference": f.Personal.Assessment}})
			break
		}
	}
	for id := range d.o.Set {
		if !slices.ContainsFunc(parts, func(p Part) bool { return p.ID == id }) {
			return hansa.Fielded("/set/"+id, "the draft has no clause %s to set a parameter of: add it first", id)
		}
	}
	for _, p := range parts {
		if slices.Contains(d.o.Without, p.ID) || p.When != "" && d.o.Answers[p.When] == "" || p.Unless != "" && d.o.Answers[p.Unless] != "" {
			continue
		}
		if err := d.clause(p); err != nil {
			return err
		}
	}
	return nil
}

// clause adds a part: once for all flows that it fits, or, where a flow has
// purposes of its own, once for each list of them.
func (d *drafting) clause(p Part) error {
	c, ok := policy.ClauseByID(p.ID)
	if !ok {
		return hansa.Fielded("/with", "the catalogue has no clause %q", p.ID).WithHint("hansa clauses")
	}
	params := d.params(p)
	var rest []hansa.FlowID
	for _, f := range d.o.Flows {
		if len(p.Kinds) > 0 && !slices.Contains(p.Kinds, f.Dataset.Kind) || f.open() && slices.Contains(unkept, p.ID) && !slices.Contains(d.o.With, p.ID) {
			continue
		}
		own := d.o.Purposes[f.ID]
		if p.ID != purposeLimit || own == nil {
			rest = append(rest, f.ID)
			continue
		}
		list := make([]string, len(own))
		for i, s := range own {
			list[i] = string(s)
		}
		if err := d.add(c, policy.Params{"purposes": strings.Join(list, ",")}, []hansa.FlowID{f.ID}); err != nil {
			return err
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return d.add(c, params, rest)
}

// params are the values of a part: the template's, then the term's, the answers'
// and those that were set.
func (d *drafting) params(p Part) policy.Params {
	params := maps.Clone(p.Params)
	if params == nil {
		params = policy.Params{}
	}
	switch p.ID {
	case "notice":
		params["days"] = strconv.Itoa(d.text.Term.Notice)
	case "exit-erase":
		params["days"] = strconv.Itoa(d.text.Term.ExitDays)
	case "review":
		params["months"] = strconv.Itoa(d.t.ReviewMonths)
	}
	maps.Copy(params, d.answers[p.ID])
	maps.Copy(params, d.o.Set[p.ID])
	return params
}

func (d *drafting) add(c *policy.Clause, params policy.Params, flows []hansa.FlowID) error {
	if len(flows) == len(d.o.Flows) {
		flows = nil
	}
	made, err := NewClause(c, params, flows, d.o.Languages)
	if err != nil {
		return err
	}
	same := func(o Clause) bool { return o.ID == made.ID && maps.Equal(o.Params, made.Params) }
	if i := slices.IndexFunc(d.text.Clauses, same); i >= 0 && flows != nil && d.text.Clauses[i].Flows != nil {
		if all := append(d.text.Clauses[i].Flows, flows...); len(all) == len(d.o.Flows) {
			d.text.Clauses[i].Flows = nil
		} else {
			d.text.Clauses[i].Flows = all
		}
		return nil
	}
	d.text.Clauses = append(d.text.Clauses, made)
	return nil
}

// consider says what is given in return for each flow.
func (d *drafting) consider() {
	t := d.text
	switch d.t.Consideration {
	case "none":
		t.Consideration = []Consideration{{Kind: "none"}}
	case "permit":
		c := Consideration{Kind: "permit", Note: t.Basis.Reference}
		t.Consideration = []Consideration{c}
	case "money": // all that is bought has one price, paid for the first flow
		t.Consideration = []Consideration{{Kind: "money", By: t.Flows[0].To, To: t.Flows[0].From, Amount: d.o.Answers["price"], Unit: "month"}}
	default:
		for _, f := range t.Flows {
			c := Consideration{Kind: d.t.Consideration, By: f.From, Flow: f.ID}
			if f.To != Members && !f.open() {
				c.To = f.To
			}
			if i := slices.IndexFunc(t.Parties, func(p Party) bool { return p.ID == f.To }); i >= 0 {
				c.Note = d.o.Answers["gets/"+strconv.Itoa(i+1)]
			}
			t.Consideration = append(t.Consideration, c)
		}
	}
}
