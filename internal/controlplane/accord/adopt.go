package accord

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// Adoption says how the terms of others become a draft of one's own.
type Adoption struct {
	Origin  Origin                  // whose text it is
	Places  map[hansa.PartyID]Party // who takes the place of each party of the text, by its id there: id, title and kind
	From    string                  // the first day; all days of the text move with it
	Set     map[string]policy.Params
	Without []string // clauses to leave out
	Basis   string   // the reference of one's own legal basis, in the model clause
	Pack    Pack
	Fresh   func() string // makes an id
}

// Adopted is what came of an adoption.
type Adopted struct {
	Draft *Text
	From  *Text  // what was adopted, with the draft's own ids, so that the two can be compared
	Notes []Note // what a person should look at
}

// Note is something that a person should look at before a draft is sent.
type Note struct {
	Code string `json:"code"` // withheld, personal, clause or amount
	Name string `json:"name,omitempty"`
	Says string `json:"says"` // in English
}

// Adopt drafts an accord of the clauses of t, a text as its register shows it, between
// the parties of a. Parties' particulars, prices and what t withholds are not taken over.
// Clauses that this exchange's catalogue has in the same version are made of it anew, so
// that words and policy are what people here know. Its error is Invalid and names what
// is missing. t is not changed.
func (t *Text) Adopt(a *Adoption) (*Adopted, error) {
	if len(t.Clauses) == 0 {
		return nil, hansa.Fielded("/clauses", "the clauses of these terms are withheld: there is nothing to adopt")
	}
	from := t.Anew(a.Fresh)
	from.From = &a.Origin
	own := *from
	own.Clauses, own.Consideration = slices.Clone(from.Clauses), slices.Clone(from.Consideration)
	d := &adopting{a: a, t: &own}
	for _, f := range []func() error{d.places, d.term, d.basis, d.clauses} {
		if err := f(); err != nil {
			return nil, err
		}
	}
	d.returns()
	out := d.t
	for i := range t.Confidential {
		d.note("withheld", t.Confidential[i].Part, "what they withhold is not here: "+t.Confidential[i].Part)
	}
	for i := range out.Flows {
		if f := &out.Flows[i]; f.Personal != nil {
			d.note("personal", f.Name, f.Name+" carries personal data: roles, basis and impact assessment are theirs, and need to be yours")
		}
	}
	out.Confidential, out.Pack = nil, a.Pack
	return &Adopted{Draft: out, From: from, Notes: d.notes}, out.Validate()
}

// adopting is an adoption on its way.
type adopting struct {
	a     *Adoption
	t     *Text
	notes []Note
}

func (d *adopting) note(code, name, says string) {
	d.notes = append(d.notes, Note{code, name, says})
}

// places puts the parties in their places. All leave before the first comes: who takes
// one place may have stood in another.
func (d *adopting) places() error {
	for i := range d.t.Parties {
		if id := d.t.Parties[i].ID; d.a.Places[id].ID == "" {
			return hansa.Fielded("/places/"+string(id), "say who takes the place of %s", d.t.Parties[i].Title)
		}
	}
	old := slices.Clone(d.t.Parties)
	empty := func(i int) hansa.PartyID { return hansa.PartyID("place " + strconv.Itoa(i)) }
	for i := range old {
		d.t = d.t.Instead(old[i].ID, empty(i), "")
	}
	for i := range old {
		p := d.a.Places[old[i].ID]
		d.t = d.t.Instead(empty(i), p.ID, p.Title)
		x := Party{ID: p.ID, Title: p.Title, Kind: p.Kind, Role: old[i].Role}
		if x.Kind == "" {
			x.Kind = old[i].Kind
		}
		d.t.Parties[i] = x
	}
	return nil
}

// term moves all days so that the first is that of the adoption.
func (d *adopting) term() error {
	from, err := time.Parse(time.DateOnly, d.a.From)
	if err != nil {
		return noDay("/from", d.a.From)
	}
	was, err := time.Parse(time.DateOnly, d.t.Term.From)
	if err != nil {
		return noDay("/term/from", d.t.Term.From)
	}
	moved := func(day string) string {
		if at, err := time.Parse(time.DateOnly, day); err == nil {
			return from.Add(at.Sub(was)).Format(time.DateOnly)
		}
		return day
	}
	x := &d.t.Term
	x.Review = slices.Clone(x.Review)
	for i := range x.Review {
		x.Review[i] = moved(x.Review[i])
	}
	x.From, x.Until, x.Trial = d.a.From, moved(x.Until), moved(x.Trial)
	return nil
}

func (d *adopting) basis() error {
	if d.t.Basis == nil {
		return nil
	}
	if d.a.Basis == "" {
		return hansa.Fielded("/basis", "their duty rests on a %s of their own: say the reference of yours", d.t.Basis.Kind)
	}
	d.t.Basis.Reference = d.a.Basis // Instead has made it our own
	return nil
}

// clauses leaves out what is not wanted and makes the rest of the own catalogue.
func (d *adopting) clauses() error {
	has := func(id string) bool {
		return slices.ContainsFunc(d.t.Clauses, func(c Clause) bool { return c.ID == id })
	}
	for _, id := range slices.Concat(slices.Sorted(maps.Keys(d.a.Set)), d.a.Without) {
		if !has(id) {
			return hansa.Fielded("/clauses", "these terms have no clause %s", id)
		}
	}
	d.t.Clauses = slices.DeleteFunc(d.t.Clauses, func(c Clause) bool { return slices.Contains(d.a.Without, c.ID) })
	for i := range d.t.Clauses {
		if err := d.clause(&d.t.Clauses[i]); err != nil {
			return err
		}
	}
	return nil
}

func (d *adopting) clause(c *Clause) error {
	set := d.a.Set[c.ID]
	if c.ID == "price" && set["price"] == "" {
		return hansa.Fielded("/set/price", "their price is theirs: say your own").WithHint("set price.price, for example: EUR 1250.00")
	}
	known, ok := policy.ClauseByID(c.ID)
	if !ok || known.Version != c.Version || known.Hash() != c.Hash {
		if len(set) > 0 {
			return hansa.Fielded("/set/"+c.ID, "this exchange has no clause %s in their version %d, so nothing in it can be set", c.ID, c.Version)
		}
		d.note("clause", c.ID, "this exchange has no clause "+c.ID+" in that version: read its words and its policy")
		return nil
	}
	params := maps.Clone(c.Params)
	if params == nil {
		params = policy.Params{}
	}
	maps.Copy(params, set)
	made, err := NewClause(known, params, c.Flows, d.t.Languages)
	if err != nil {
		return err
	}
	*c = made
	if days, err := strconv.Atoi(set["days"]); err == nil { // what is said of one is said of both
		switch c.ID {
		case "notice":
			d.t.Term.Notice = days
		case "exit-erase":
			d.t.Term.ExitDays = days
		}
	}
	return nil
}

// returns takes prices out of what is given in return.
func (d *adopting) returns() {
	price := d.a.Set["price"]["price"]
	for i := range d.t.Consideration {
		c := &d.t.Consideration[i]
		if c.Amount != "" || c.Cap != "" {
			d.note("amount", "", "their amount is left out of what is given in return")
		}
		c.Amount, c.Cap = "", ""
		if c.Kind == "money" {
			c.Amount = price
		}
		if d.t.Basis != nil && c.Kind == "permit" {
			c.Note = d.t.Basis.Reference
		}
	}
}
