package accord

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// exclusiveMonths bounds an exclusive right on public data (Regulation (EU)
// 2022/868 Art. 4(4)).
const exclusiveMonths = 12

// commonRules hold for every model (domain.md section 1.3).
var commonRules = []ModelRule{
	{"ACCORD-01", "", hansa.Fault, "each flow has a purpose", "Regulation (EU) 2016/679 Art. 5(1)(b)", func(t *Text) []breach {
		return t.lacks(nil, "has no purpose: without one nothing is permitted", "add the clause purpose-limit about it", purposeLimit)
	}},
	{"ACCORD-02", "", hansa.Fault, "it ends, or is reviewed", "domain.md section 1.3", func(t *Text) []breach {
		if t.Term.Until != "" || len(t.Term.Review) > 0 || len(t.without("", "", "review", "trial")) == 0 {
			return nil
		}
		return []breach{{"/term/until", "", "the accord has neither an end nor a day of review", "give the last day, or a day of review, or add the clause review"}}
	}},
	{"ACCORD-03", "", hansa.Fault, "restricted data are erased or returned", "Regulation (EU) 2023/2854 Art. 19(1)(c)", flowSays(unerased)},
	{"ACCORD-04", "", hansa.Fault, "the clauses say what the term says", "Regulation (EU) 2022/868 Art. 12(h)", unlikeTerm},
	{"ACCORD-05", "", hansa.Fault, "no exclusive right on public data, but as Art. 4 allows", "Regulation (EU) 2022/868 Art. 4", exclusives},
	{"ACCORD-06", "", hansa.Fault, "personal data are said for in full", "Regulation (EU) 2016/679 Art. 6, 26, 28, 35, 44", flowSays(personalGaps)},
	{"ACCORD-07", "", hansa.Warning, "each clause fits the model", "the catalogue of clauses", func(t *Text) (out []breach) {
		for i := range t.Clauses {
			if c := &t.Clauses[i]; !fits(c, t.Model) {
				out = append(out, breach{at("clauses", i, ""), c.ID, "the clause " + c.ID + " is not made for a " + string(t.Model), "hansa clauses --model " + string(t.Model)})
			}
		}
		return out
	}},
	{"ACCORD-08", "", hansa.Warning, "a gate can hold to each clause", "the catalogue of clauses", func(t *Text) (out []breach) {
		for i := range t.Clauses {
			if c := &t.Clauses[i]; c.Blocks && !confirmed(t, c) {
				out = append(out, breach{at("clauses", i, ""), c.ID, "no flow under the clause " + c.ID + " starts before a gate can hold to it", "take it out, or wait with these flows"})
			}
		}
		return out
	}},
	{"ACCORD-09", "", hansa.Warning, "public data go to nobody alone, in words", "Regulation (EU) 2022/868 Art. 4", func(t *Text) []breach {
		open := func(f *Flow) bool { return t.givenByPublic(f) && f.Exclusive == nil }
		return t.lacks(open, "is of public data, and no clause says that nobody has them alone", "add the clause no-exclusive-right about it", noExclusiveRight)
	}},
	{"ACCORD-10", "", hansa.Warning, "between enterprises each side can leave in a fair time", "Regulation (EU) 2023/2854 Art. 13(4)-(5)", func(t *Text) []breach {
		if t.Term.Notice > 0 || t.Model == hansa.ModelDonation || !slices.ContainsFunc(t.Flows, t.betweenEnterprises) {
			return nil
		}
		return []breach{{"/term/notice", "0", "an enterprise may end this accord towards another without notice, which may be unfair if one of them imposed it", "agree on days of notice"}}
	}},
	{"ACCORD-11", "", hansa.Fault, "a clause's words, parameters and policy say the same", "the catalogue of clauses", unlikeCatalogue},
	{"ACCORD-12", "", hansa.Warning, "each clause is in the catalogue", "the catalogue of clauses", func(t *Text) (out []breach) {
		for i := range t.Clauses {
			if c := &t.Clauses[i]; entryOf(c) == nil {
				out = append(out, breach{at("clauses", i, ""), c.ID, "the catalogue of this release has no clause " + c.ID + " as it stands here: nothing but reading tells whether its words and its policy say the same", "read both, or take a clause of the catalogue: hansa clauses"})
			}
		}
		return out
	}},
}

// entryOf is the entry of the catalogue that c was made from; nil when this release has
// another, or none.
func entryOf(c *Clause) *policy.Clause {
	entry, ok := policy.ClauseByID(c.ID)
	if !ok || entry.Version != c.Version || entry.Hash() != c.Hash {
		return nil
	}
	return entry
}

// unlikeCatalogue finds clauses that do not say what the entry says that they name, with
// their parameters: who reads the words would sign another policy.
func unlikeCatalogue(t *Text) (out []breach) {
	for i := range t.Clauses {
		c := &t.Clauses[i]
		entry := entryOf(c)
		if entry == nil {
			continue
		}
		made, err := NewClause(entry, c.Params, c.Flows, t.Languages)
		if err != nil {
			out = append(out, breach{at("clauses", i, "/params"), c.ID, "the clause " + c.ID + " does not take these parameters: " + err.Error(), "change the parameters: hansa clauses " + c.ID})
			continue
		}
		if part := c.unlike(&made, t.Languages); part != "" {
			out = append(out, breach{at("clauses", i, "/"+part), c.ID, "the clause " + c.ID + " does not say here what the catalogue's says with these parameters, so that words and policy may differ", "take it as the catalogue has it, and change its parameters alone"})
		}
	}
	return out
}

// unlike is the first part in which c is not as it was made; empty is none.
func (c *Clause) unlike(made *Clause, langs []string) string {
	for _, x := range []struct {
		part      string
		have, are Words
	}{{"title", c.Title, made.Title}, {"text", c.Text, made.Text}, {"uncovered", c.Uncovered, made.Uncovered}} {
		for _, lang := range langs {
			if x.have[lang] != x.are[lang] {
				return x.part + "/" + lang
			}
		}
	}
	have, err := canonicalJSON(&c.Rules)
	if are, other := canonicalJSON(&made.Rules); err != nil || other != nil || !bytes.Equal(have, are) {
		return "odrl"
	}
	for _, x := range []struct {
		part string
		same bool
	}{
		{"bearer", c.Bearer == made.Bearer},
		{"enforcement", c.Enforced == made.Enforced},
		{"evidence", c.Evidence == made.Evidence},
		{"source", c.Source == made.Source},
		{"blocks", c.Blocks == made.Blocks},
	} {
		if !x.same {
			return x.part
		}
	}
	return ""
}

// restricted reports whether what f gives must not stay with its receiver.
func (t *Text) restricted(f *Flow) bool {
	return f.Personal != nil || len(f.Marked) > 0 || t.says(f.ID, "not-open-data", "k-threshold", "fixed-lattice", "trade-secrets") != nil
}

func unerased(t *Text, f *Flow) (part, message, mend string) {
	switch {
	case !t.restricted(f):
	case t.Term.Exit != "erase" && t.Term.Exit != "return":
		return "", "is of restricted data, and its receiver may keep them after the end", "let the exit rule of the term be erase or return"
	case t.Term.Exit == "erase" && t.says(f.ID, "exit-erase", "retention") == nil:
		return "", "is of restricted data, and no clause says when they are erased", "add the clause exit-erase about it"
	}
	return "", "", ""
}

// unlikeTerm finds clauses that contradict the term.
func unlikeTerm(t *Text) (out []breach) {
	for i := range t.Clauses {
		c := &t.Clauses[i]
		var want string
		switch c.ID {
		case "notice":
			want = strconv.Itoa(t.Term.Notice)
		case "exit-erase":
			want = strconv.Itoa(t.Term.ExitDays)
			if t.Term.Exit != "erase" {
				out = append(out, breach{at("clauses", i, ""), c.ID, "the clause exit-erase erases what the term lets the receiver " + t.Term.Exit, "let both say the same"})
				continue
			}
		case "exit-keep":
			if t.Term.Exit != "keep" {
				out = append(out, breach{at("clauses", i, ""), c.ID, "the clause exit-keep keeps what the term says to " + t.Term.Exit, "let both say the same"})
			}
			continue
		default:
			continue
		}
		if got := c.Params["days"]; got != want {
			out = append(out, breach{at("clauses", i, "/params/days"), got, "the clause " + c.ID + " says " + got + " days, and the term " + want, "let both say the same"})
		}
	}
	return out
}

// exclusives finds exclusive rights on public data beyond those of Art. 4 of the Data
// Governance Act.
func exclusives(t *Text) (out []breach) {
	for i := range t.Flows {
		f := &t.Flows[i]
		if !t.givenByPublic(f) {
			continue
		}
		field, name := at("flows", i, "/exclusive"), "the flow "+f.Name
		c := t.says(f.ID, noExclusiveRight)
		say := func(part, value, message, mend string) {
			out = append(out, breach{field + part, value, name + " " + message, mend})
		}
		switch {
		case f.Exclusive == nil:
		case c != nil:
			say("", f.Name, "gives an exclusive right, and the clause no-exclusive-right says that there is none", "take one of the two out")
		default:
			if !withinExclusive(t.Term.From, f.Exclusive.Until) {
				say("/until", f.Exclusive.Until, "gives an exclusive right on public data for more than 12 months (Art. 4(4))", "let it end within 12 months of "+t.Term.From)
			}
			if t.Term.Until == "" || t.Term.Until > f.Exclusive.Until {
				say("/until", f.Exclusive.Until, "gives an exclusive right that ends before the accord does (Art. 4(4))", "let the accord end with the right")
			}
			if strings.TrimSpace(f.Exclusive.Reason) == "" {
				say("/reason", "", "gives an exclusive right on public data without its reasons (Art. 4(2), (5))", "say which service of general interest needs it")
			}
			if !strings.HasPrefix(f.Exclusive.Published, "https://") {
				say("/published", f.Exclusive.Published, "gives an exclusive right on public data that is not published (Art. 4(5))", "give the web address at which the grant and its reasons stand")
			}
		}
	}
	return out
}

// withinExclusive reports whether until is at most twelve months after from.
func withinExclusive(from, until string) bool {
	first, err := time.Parse(time.DateOnly, from)
	last, bad := time.Parse(time.DateOnly, until)
	return err == nil && bad == nil && last.Before(first.AddDate(0, exclusiveMonths, 0))
}

// personalGaps says what is missing before personal data can flow.
func personalGaps(t *Text, f *Flow) (part, message, mend string) {
	p := f.Personal
	if p == nil {
		return "", "", ""
	}
	switch {
	case !slices.Contains([]string{"separate", "joint", "processor"}, p.Roles):
		return "/personal/roles", "carries personal data, and the roles of the controllers are not said", "say separate, joint or processor"
	case strings.TrimSpace(p.Basis) == "":
		return "/personal/basis", "carries personal data without a legal basis", "name the basis of Art. 6(1)"
	case strings.TrimSpace(p.Assessment) == "":
		return "/personal/assessment", "carries personal data without an impact assessment", "give its reference"
	case p.Retention < 1:
		return "/personal/retention", "carries personal data, and nobody says how long they are kept", "give the days"
	case strings.TrimSpace(p.Country) == "":
		return "/personal/country", "carries personal data, and whether they leave the European Economic Area is not said", "say none, or the country and its safeguard"
	case t.says(f.ID, "no-personal-data") != nil:
		return "/personal", "carries personal data, and the clause no-personal-data lets none of them leave", "take one of the two out"
	}
	return "", "", ""
}

// confirmed reports whether the measures for marked fields stand for the gate of c.
func confirmed(t *Text, c *Clause) bool {
	return c.ID == "trade-secrets" && slices.ContainsFunc(t.Flows, func(f Flow) bool { return c.About(f.ID) && len(f.Marked) > 0 })
}

// betweenEnterprises reports whether f goes from a company to a company.
func (t *Text) betweenEnterprises(f Flow) bool {
	from, to := t.party(f.From), t.party(f.To)
	return from != nil && to != nil && from.Kind == hansa.Company && to.Kind == hansa.Company
}
