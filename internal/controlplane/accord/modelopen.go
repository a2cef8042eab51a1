package accord

import (
	"slices"

	"github.com/hansa-exchange/hansa"
)

// unkept are the clauses that need a receiver who is known: the public signs nothing,
// reports nothing and erases nothing, and its licence says what it may do.
var unkept = []string{
	"acceptance", "accession", "acknowledge-within", "appeal", "breach-notice", "clear-within", "contribution", "declaration-figures", "duty-desk", "each-side-gives", "exit-erase", "include-in-service", "no-competing-product",
	"no-extra-cost", "no-free-riding", "no-onward-sharing", "no-third-country", "not-open-data", "onward-hub", "onward-named", "onward-notice", "partial-not-total", "price", "receiver-kinds", "receivers", "recipients-erase", "retention", "return-flow",
	"security", "signal-inaccuracy", "usage-report",
}

// open reports whether f goes to everybody.
func (f *Flow) open() bool { return f.To == hansa.PublicParty }

// allOpen reports whether nothing goes to anybody by name.
func allOpen(flows []Flow) bool {
	return len(flows) > 0 && !slices.ContainsFunc(flows, func(f Flow) bool { return !f.open() })
}

// openRules hold for what goes to the public, in a text of any model.
var openRules = []ModelRule{
	{"OPEN-01", "", hansa.Fault, "what goes to the public names its licence", "Directive (EU) 2019/1024 Art. 8", func(t *Text) []breach {
		return t.lacks((*Flow).open, "goes to the public, and no clause names the licence", "add the clause licence about it, such as licence=https://creativecommons.org/licenses/by/4.0/", "licence")
	}},
	{"OPEN-02", "", hansa.Fault, "nothing that has to be guarded goes to the public", "Directive (EU) 2019/1024 Art. 1(2)", flowSays(func(_ *Text, f *Flow) (part, message, mend string) {
		switch {
		case !f.open():
		case f.Personal != nil:
			return "/personal", "goes to the public, and holds personal data", "leave them out, or give it to a party by name"
		case len(f.Marked) > 0:
			return "/marked", "goes to the public, and has marked fields, whose measures nobody would confirm", "leave the fields out by the clause fields-limit"
		case f.Exclusive != nil:
			return "/exclusive", "goes to the public, and is given to one alone", "take the exclusive right out"
		}
		return "", "", ""
	})},
	{"OPEN-03", "", hansa.Fault, "no clause asks of the public what only a party can keep", "accords.md section 4", func(t *Text) (out []breach) {
		for i := range t.Clauses {
			c := &t.Clauses[i]
			if n := slices.IndexFunc(t.Flows, func(f Flow) bool { return f.open() && c.About(f.ID) }); n >= 0 && slices.Contains(unkept, c.ID) {
				out = append(out, breach{at("clauses", i, ""), c.ID, "the flow " + t.Flows[n].Name + " goes to the public, which signs nothing and cannot keep the clause " + c.ID, "let the clause be about other flows, or take it out"})
			}
		}
		return out
	}},
}
