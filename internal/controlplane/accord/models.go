package accord

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// generalInterest are the purposes for which data are given without a price
// (Regulation (EU) 2022/868 Art. 2(16): mobility, statistics, public services,
// public policy, research).
var generalInterest = []string{"traffic-management", "road-safety", "planning", "research", "statistics", "emergency-response"}

var donationRules = []ModelRule{
	{"DONATION-01", hansa.ModelDonation, hansa.Fault, "nothing is given in return but cost", "Regulation (EU) 2022/868 Art. 2(16)", func(t *Text) (out []breach) {
		for i := range t.Consideration {
			if k := t.Consideration[i].Kind; k != "none" && k != "cost" {
				out = append(out, breach{at("consideration", i, "/kind"), k, "a donation has no price: what is given in return is none or cost, not " + k, "choose procurement or partnership, or take it out"})
			}
		}
		return out
	}},
	{"DONATION-02", hansa.ModelDonation, hansa.Fault, "no clause sets a price", "Regulation (EU) 2022/868 Art. 2(16)", func(t *Text) []breach {
		return t.forbids("a donation has no price", "take the clause out, or choose procurement", "price", "public-reuse")
	}},
	{"DONATION-03", hansa.ModelDonation, hansa.Fault, "the giver may stop each flow at any time", "Regulation (EU) 2022/868 Art. 25", func(t *Text) []breach {
		return t.lacks(nil, "is a donation, and no clause lets its giver stop at any time", "add the clause stop-at-any-time about it", stopAtAnyTime)
	}},
	{"DONATION-04", hansa.ModelDonation, hansa.Fault, "no notice binds the giver", "Regulation (EU) 2022/868 Art. 25", func(t *Text) []breach {
		out := t.forbids("a donation can be withdrawn at once, and this clause asks for notice", "take the clause out", "notice")
		if t.Term.Notice != 0 {
			out = append(out, breach{"/term/notice", strconv.Itoa(t.Term.Notice), "a donation can be withdrawn at once, not after days of notice", "let the notice be 0 days"})
		}
		return out
	}},
	{"DONATION-05", hansa.ModelDonation, hansa.Fault, "each flow names a purpose of general interest", "Regulation (EU) 2022/868 Art. 2(16)", flowSays(func(t *Text, f *Flow) (part, message, mend string) {
		purposes, said := t.purposes(f)
		if !said || f.open() || slices.ContainsFunc(purposes, func(s string) bool { return slices.Contains(generalInterest, s) }) {
			return "", "", ""
		}
		return "", "is a donation without a purpose of general interest", "name one of " + strings.Join(generalInterest, ", ") + " in purpose-limit"
	})},
}

var procurementRules = []ModelRule{
	{"PROCUREMENT-01", hansa.ModelProcurement, hansa.Fault, "a price is agreed", "Micheli 2022", func(t *Text) []breach {
		return t.without("a procurement has a price", "add the clause price", "price")
	}},
	{"PROCUREMENT-02", hansa.ModelProcurement, hansa.Fault, "the price is the one that is given in return", "Micheli 2022", prices},
	{"PROCUREMENT-03", hansa.ModelProcurement, hansa.Fault, "what is bought is tested and accepted", "Micheli 2022", func(t *Text) []breach {
		return t.lacks(t.bought, "is bought without an acceptance", "add the clause acceptance about it", "acceptance")
	}},
	{"PROCUREMENT-04", hansa.ModelProcurement, hansa.Fault, "what is bought has a service level", "Micheli 2022", func(t *Text) []breach {
		return t.lacks(t.bought, "is bought without a service level", "add the clause availability, freshness, completeness or update-within about it", "availability", "freshness", "completeness", "update-within")
	}},
	{"PROCUREMENT-05", hansa.ModelProcurement, hansa.Fault, "other public bodies may use it, or may not", "domain.md section 1.3", func(t *Text) []breach {
		return t.lacks(t.bought, "is bought, and whether other public bodies may use it is not said", "add the clause public-reuse, or no-onward-sharing, about it", "public-reuse", "no-onward-sharing")
	}},
}

// bought reports whether a price is paid for f.
func (t *Text) bought(f *Flow) bool { return t.says(f.ID, "price") != nil }

// prices holds the considerations in money to the clauses that set the price.
func prices(t *Text) (out []breach) {
	paid := false
	for i := range t.Consideration {
		c := &t.Consideration[i]
		if c.Kind != "money" {
			continue
		}
		paid = true
		same := func(k Clause) bool { return k.ID == "price" && k.Params["price"] == c.Amount }
		if len(t.without("", "", "price")) == 0 && !slices.ContainsFunc(t.Clauses, same) {
			out = append(out, breach{at("consideration", i, "/amount"), c.Amount, "the price in return is " + c.Amount + ", and the clause price says another", "let both say the same"})
		}
	}
	if !paid {
		out = append(out, breach{"/consideration", "", "a procurement gives money in return, and none is named", "name who pays whom how much"})
	}
	return out
}

var partnershipRules = []ModelRule{
	{"PARTNERSHIP-01", hansa.ModelPartnership, hansa.Fault, "each side owes something", "living-in.eu workshops on business-to-government data sharing", oneSided},
	{"PARTNERSHIP-02", hansa.ModelPartnership, hansa.Fault, "a balance is promised only where both give", "the catalogue of clauses", func(t *Text) (out []breach) {
		for i := range t.Clauses {
			if c := &t.Clauses[i]; c.ID == "each-side-gives" && len(givers(t)) < 2 {
				out = append(out, breach{at("clauses", i, ""), c.ID, "the clause each-side-gives promises records of both sides, and all flows have one giver", "add a flow the other way, or take the clause out"})
			}
		}
		return out
	}},
	{"PARTNERSHIP-03", hansa.ModelPartnership, hansa.Warning, "data go both ways", "Micheli 2022", func(t *Text) []breach {
		if len(givers(t)) > 1 {
			return nil
		}
		return []breach{{"/flows", "", "all flows have one giver: this may be a donation under another name", "ask what the other side gives"}}
	}},
}

// givers returns the parties that give a flow.
func givers(t *Text) map[hansa.PartyID]bool {
	out := map[hansa.PartyID]bool{}
	for i := range t.Flows {
		out[t.Flows[i].From] = true
	}
	return out
}

// returns are the clauses by which a receiver gives something for what it gets; a
// bound on use is no such thing.
var returns = []string{
	"acknowledge-within", "clear-within", "include-in-service", "no-extra-cost", "signal-inaccuracy", "partial-not-total", "return-flow", "usage-report", "acknowledgement",
}

// oneSided names each party that owes nothing. Who only supervises, processes or
// benefits owes nothing by its role.
func oneSided(t *Text) (out []breach) {
	owes := givers(t)
	for i := range t.Flows {
		f := &t.Flows[i]
		if t.says(f.ID, returns...) != nil {
			owes[f.To] = true
		}
	}
	for i := range t.Parties {
		p := &t.Parties[i]
		if !slices.Contains([]hansa.PartyRole{hansa.RoleGiver, hansa.RoleReceiver, hansa.RoleBoth}, p.Role) || owes[p.ID] {
			continue
		}
		out = append(out, breach{at("parties", i, ""), string(p.ID), "a partnership has an obligation on each side, and " + p.Title + " has none", "add a flow that it gives, or a clause that it bears as a receiver, such as include-in-service"})
	}
	return out
}

// poolMin is the fewest parties of a founding text.
const poolMin = 3

var poolRules = []ModelRule{
	{"POOL-01", hansa.ModelPool, hansa.Fault, "three parties or more", "domain.md section 1.3", func(t *Text) []breach {
		if len(t.Parties) >= poolMin {
			return nil
		}
		return []breach{{"/parties", strconv.Itoa(len(t.Parties)), "a pool has three parties or more, not " + strconv.Itoa(len(t.Parties)), "add the others, or choose partnership"}}
	}},
	{"POOL-02", hansa.ModelPool, hansa.Fault, "others may join", "Sitra rulebook", func(t *Text) []breach {
		return t.without("a pool says how others join", "add the clause accession", "accession")
	}},
	{"POOL-03", hansa.ModelPool, hansa.Fault, "each contribution is measured", "Data for Road Safety Multi-Party Agreement", func(t *Text) []breach {
		return t.lacks(nil, "belongs to a pool, and no clause says how much its giver contributes", "add the clause contribution about it", "contribution")
	}},
	{"POOL-04", hansa.ModelPool, hansa.Fault, "who contributes nothing receives nothing", "Data for Road Safety Multi-Party Agreement", func(t *Text) []breach {
		return t.without("a pool says what becomes of a member that contributes nothing", "add the clause no-free-riding", "no-free-riding")
	}},
	{"POOL-05", hansa.ModelPool, hansa.Fault, "one list of purposes", "Data for Road Safety Multi-Party Agreement", poolPurposes},
}

// CheckMembers finds what becomes of a running pool when members leave: nobody is kept in
// it, and it goes on, but those that are left should know.
func (s *State) CheckMembers() []hansa.Finding {
	if s.Bound.Model != hansa.ModelPool || s.Force == "" || s.State == hansa.AccordEnded {
		return nil
	}
	in := 0
	for _, id := range s.Bound.Parties {
		if !s.left(id) {
			in++
		}
	}
	for i := range s.Members {
		if m := &s.Members[i]; m.Left.IsZero() && !slices.Contains(s.Bound.Parties, m.Party.ID) {
			in++
		}
	}
	if in >= poolMin {
		return nil
	}
	return []hansa.Finding{{Rule: "POOL-01", Severity: hansa.Warning, Field: "/members", Value: strconv.Itoa(in), Message: "a pool has three parties or more, and " + strconv.Itoa(in) + " are left in this one", Mend: "let others join, or end it"}}
}

// poolPurposes names the flows whose purposes are not those of the first.
func poolPurposes(t *Text) (out []breach) {
	var first []string
	for i := range t.Flows {
		f := &t.Flows[i]
		list, said := t.purposes(f)
		if !said {
			continue // by ACCORD-01
		}
		list = slices.Sorted(slices.Values(list))
		if first == nil {
			first = list
		}
		if !slices.Equal(first, list) {
			out = append(out, breach{at("flows", i, ""), strings.Join(list, ","), "a pool has one list of purposes, and the flow " + f.Name + " has another than the first flow", "let all flows have the purposes " + strings.Join(first, ",")})
		}
	}
	return out
}

var clauseRules = []ModelRule{
	{"CLAUSE-01", hansa.ModelClause, hansa.Fault, "it names its tender, permit, concession or by-law", "Micheli 2022", dutyBasis},
	{"CLAUSE-02", hansa.ModelClause, hansa.Fault, "the fields that must be delivered", "MDS Requirements (required_fields)", func(t *Text) []breach {
		return t.lacks(t.owed, "is owed, and no clause lists the fields that must be delivered", "add the clause required-fields about it", requiredFields)
	}},
	{"CLAUSE-03", hansa.ModelClause, hansa.Fault, "the fields that must not be delivered", "MDS Requirements (disallowed_fields)", func(t *Text) []breach {
		return t.lacks(t.owed, "is owed, and no clause lists the fields that must not be delivered", "add the clause disallowed-fields about it", disallowedFields)
	}},
	{"CLAUSE-04", hansa.ModelClause, hansa.Fault, "no field is both", "MDS Requirements", bothFields},
	{"CLAUSE-05", hansa.ModelClause, hansa.Fault, "what follows when the duty is missed", "Micheli 2022", func(t *Text) []breach {
		return t.without("a duty says what follows, step by step, when it is missed", "add the clause sanction", "sanction")
	}},
	{"CLAUSE-06", hansa.ModelClause, hansa.Fault, "where one may object", "domain.md section 1.3", func(t *Text) []breach {
		return t.without("a duty says where, and until when, its bearer may object", "add the clause appeal", "appeal")
	}},
	{"CLAUSE-07", hansa.ModelClause, hansa.Fault, "it binds by recorded service", "accords.md section 4", func(t *Text) []breach {
		if t.Basis == nil || t.Basis.Served {
			return nil
		}
		return []breach{{"/basis/served", "false", "a duty binds by the recorded service of the authority's act, not by the bearer's signature", "let served be true, or choose another model"}}
	}},
}

// owed reports whether f is given to the authority.
func (t *Text) owed(f *Flow) bool { return t.Basis == nil || f.To == t.Basis.Authority }

// dutyBasis finds what is wrong with the legal basis of a duty.
func dutyBasis(t *Text) []breach {
	b := t.Basis
	switch {
	case b == nil:
		return []breach{{"/basis", "", "a duty names the tender, permit, concession or by-law that it rests on", "give its kind, its reference and the authority"}}
	case !slices.Contains(bases, b.Kind):
		return []breach{{"/basis/kind", b.Kind, "a duty rests on a " + strings.Join(bases, ", ") + ", not on " + strconv.Quote(clipped(b.Kind)), "choose one of them"}}
	case strings.TrimSpace(b.Reference) == "":
		return []breach{{"/basis/reference", "", "the " + b.Kind + " has no reference", "give its number or title, and the section"}}
	}
	if p := t.party(b.Authority); p == nil || !public(p) {
		return []breach{{"/basis/authority", string(b.Authority), "the authority to which the duty is owed is a public body among the parties", "name it"}}
	}
	return nil
}

// bothFields names each field of a flow that must and must not be delivered.
func bothFields(t *Text) (out []breach) {
	for i := range t.Clauses {
		c := &t.Clauses[i]
		if c.ID != disallowedFields {
			continue
		}
		must := map[string]bool{}
		for j := range t.Flows {
			if r := t.says(t.Flows[j].ID, requiredFields); r != nil && c.About(t.Flows[j].ID) {
				for s := range strings.SplitSeq(r.Params["fields"], ",") {
					must[s] = true
				}
			}
		}
		not := strings.Split(c.Params["fields"], ",")
		for _, s := range slices.Sorted(maps.Keys(must)) {
			if slices.Contains(not, s) {
				out = append(out, breach{at("clauses", i, "/params/fields"), s, "the field " + s + " is both required and disallowed", "take it out of one of the two lists"})
			}
		}
	}
	return out
}
