package accord

import (
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// The clauses of the catalogue that the rules of the models look for.
const (
	purposeLimit     = "purpose-limit"
	noExclusiveRight = "no-exclusive-right"
	stopAtAnyTime    = "stop-at-any-time"
	requiredFields   = "required-fields"
	disallowedFields = "disallowed-fields"
)

// bases are what a duty of the model clause can rest on.
var bases = []string{"tender", "permit", "concession", "by-law"}

// ModelRule is one rule that the texts of a model are held to.
type ModelRule struct {
	ID       hansa.Rule            `json:"id"`
	Model    hansa.Model           `json:"model,omitempty"` // empty: of every model
	Severity hansa.FindingSeverity `json:"severity"`        // an error refuses the signature, a warning only says
	Says     string                `json:"says"`
	Source   string                `json:"source"`

	// breaks says where t breaks the rule.
	breaks func(t *Text) []breach
}

// breach is a place where a rule is broken.
type breach struct {
	field, value, message, mend string
}

// ModelRules lists the rules of the models, those of every model first.
func ModelRules() []ModelRule {
	return slices.Concat(commonRules, openRules, donationRules, procurementRules, partnershipRules, poolRules, clauseRules)
}

// CheckModel holds t to the rules of its model (domain.md section 1.3). Each
// finding names the field of the clause, the flow or the party, and the mend;
// errors come before warnings. A proposal shows them all; a signature is refused
// by the first error, see [Refusal]. It reads no clock, and claims no legal
// compliance.
func CheckModel(t *Text) []hansa.Finding {
	var faults, warnings []hansa.Finding
	for _, r := range ModelRules() {
		if r.Model != "" && r.Model != t.Model {
			continue
		}
		for _, b := range r.breaks(t) {
			f := hansa.Finding{Rule: r.ID, Severity: r.Severity, Field: b.field, Value: clipped(b.value), Message: b.message, Mend: b.mend}
			if r.Severity == hansa.Fault {
				faults = append(faults, f)
			} else {
				warnings = append(warnings, f)
			}
		}
	}
	return append(faults, warnings...)
}

// Refusal is why a text with these findings is not signed: the first error among
// them, which names the field and the rule; nil when there is none.
func Refusal(findings []hansa.Finding) error {
	i := slices.IndexFunc(findings, func(f hansa.Finding) bool { return f.Severity == hansa.Fault })
	if i < 0 {
		return nil
	}
	f := &findings[i]
	return hansa.Fielded(f.Field, "%s (%s)", f.Message, f.Rule).WithHint(f.Mend)
}

// clipped bounds what a finding repeats of the text.
func clipped(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// public reports whether p is a public body.
func public(p *Party) bool { return p.Kind == hansa.City || p.Kind == hansa.PublicBody }

// givenByPublic reports whether a public body holds the data of f.
func (t *Text) givenByPublic(f *Flow) bool {
	p := t.party(f.From)
	return p != nil && public(p)
}

// says returns the first clause with one of ids that is about f; nil for none.
func (t *Text) says(f hansa.FlowID, ids ...string) *Clause {
	for i := range t.Clauses {
		if c := &t.Clauses[i]; slices.Contains(ids, c.ID) && c.About(f) {
			return c
		}
	}
	return nil
}

// lacks names each flow of t that keep wants and that none of the clauses is about.
func (t *Text) lacks(keep func(*Flow) bool, message, mend string, ids ...string) (out []breach) {
	for i := range t.Flows {
		f := &t.Flows[i]
		if (keep == nil || keep(f)) && t.says(f.ID, ids...) == nil {
			out = append(out, breach{at("flows", i, ""), f.Name, "the flow " + f.Name + " " + message, mend})
		}
	}
	return out
}

// without refuses a text that has none of the clauses at all.
func (t *Text) without(message, mend string, ids ...string) []breach {
	if slices.ContainsFunc(t.Clauses, func(c Clause) bool { return slices.Contains(ids, c.ID) }) {
		return nil
	}
	return []breach{{"/clauses", "", message, mend}}
}

// forbids names each clause with one of ids.
func (t *Text) forbids(message, mend string, ids ...string) (out []breach) {
	for i := range t.Clauses {
		if slices.Contains(ids, t.Clauses[i].ID) {
			out = append(out, breach{at("clauses", i, ""), t.Clauses[i].ID, message, mend})
		}
	}
	return out
}

// purposes returns those for which f may be used; false where no clause says.
func (t *Text) purposes(f *Flow) ([]string, bool) {
	var out []string
	said := false
	for i := range t.Clauses {
		c := &t.Clauses[i]
		if c.ID != purposeLimit || !c.About(f.ID) {
			continue
		}
		list := strings.Split(c.Params["purposes"], ",")
		if said {
			list = slices.DeleteFunc(list, func(s string) bool { return !slices.Contains(out, s) })
		}
		out, said = list, true
	}
	return out, said
}

// flowSays returns a rule's breaks for each flow that says something wrong.
func flowSays(say func(t *Text, f *Flow) (part, message, mend string)) func(*Text) []breach {
	return func(t *Text) (out []breach) {
		for i := range t.Flows {
			if part, message, mend := say(t, &t.Flows[i]); message != "" {
				out = append(out, breach{at("flows", i, "") + part, t.Flows[i].Name, "the flow " + t.Flows[i].Name + " " + message, mend})
			}
		}
		return out
	}
}

// fits reports whether the catalogue's entry of c, in the version of the text, fits m.
func fits(c *Clause, m hansa.Model) bool {
	entry, ok := policy.ClauseByID(c.ID)
	return !ok || entry.Version != c.Version || slices.Contains(entry.Models, m)
}
