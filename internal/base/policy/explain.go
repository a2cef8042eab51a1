package policy

import "strings"

// Evaluate decides whether what is asked may be, in scope s, and says why. Each
// purpose named must be permitted. What no permission permits is denied, and a
// prohibition that applies, or that cannot be ruled out, denies. A constraint that
// cannot be decided in s is left open, and said so; one that is the gate's to hold
// to stays open in every scope, and [Policy.Terms] says what the gate must do.
// The parties and the target of an agreement are its caller's to compare.
func (c *Compiled) Evaluate(s Scope, in Input) Decision {
	purposes := in.Purposes
	if len(purposes) == 0 {
		purposes = append(purposes, "")
	}
	d := Decision{Allowed: true}
	for _, p := range purposes {
		k := ask{scope: s, in: in, purpose: p}
		if c.allows(k) {
			d.Reasons = append(d.Reasons, c.granting(k)...)
			continue
		}
		return Decision{Reasons: c.denying(k)}
	}
	d.Reasons = distinct(d.Reasons)
	return d
}

// granting tells why k is allowed.
func (c *Compiled) granting(k ask) (out []Reason) {
	p := c.permit[c.permitting(k)]
	if len(p.nodes) == 0 {
		out = append(out, Reason{Path: p.at, Outcome: Holds, Words: "use is permitted without conditions"})
	}
	out = append(out, explainAll(p.nodes, k, func(Outcome) bool { return true })...)
	for i := range c.forbid {
		got := allHold(c.forbid[i].nodes, k)
		out = append(out, explainAll(c.forbid[i].nodes, k, func(o Outcome) bool { return o == got })...)
	}
	for i := range c.owed {
		out = append(out, Reason{Path: c.owed[i].at, Outcome: Open, Words: c.owed[i].say("Owed: use") + " This exchange does not measure it."})
	}
	return out
}

// denying tells why k is denied: by the first prohibition that may apply, else by
// what each permission lacks.
func (c *Compiled) denying(k ask) (out []Reason) {
	for i := range c.forbid {
		f := c.forbid[i]
		o := allHold(f.nodes, k)
		switch {
		case o != Holds && o != Unsaid:
		case len(f.nodes) == 0:
			return []Reason{{Path: f.at, Outcome: Holds, Words: "use is prohibited without conditions"}}
		default:
			return explainAll(f.nodes, k, func(Outcome) bool { return true })
		}
	}
	if len(c.permit) == 0 {
		return []Reason{{Outcome: Fails, Words: "nothing permits it: the policy has no permission, and what is not permitted is denied"}}
	}
	for i := range c.permit {
		out = append(out, explainAll(c.permit[i].nodes, k, func(o Outcome) bool { return o == Fails || o == Unsaid })...)
	}
	return distinct(out)
}

func explainAll(nodes []node, k ask, keep func(Outcome) bool) (out []Reason) {
	for i := range nodes {
		if r := nodes[i].explain(k); keep(r.Outcome) {
			out = append(out, r)
		}
	}
	return out
}

// distinct leaves out what was said before.
func distinct(list []Reason) (out []Reason) {
	seen := make(map[Reason]bool, len(list))
	for _, r := range list {
		if !seen[r] {
			seen[r] = true
			out = append(out, r)
		}
	}
	return out
}

// String joins the reasons that decided in one line.
func (d Decision) String() string {
	words := make([]string, 0, len(d.Reasons))
	for _, r := range d.Reasons {
		words = append(words, r.Words)
	}
	if d.Allowed {
		return "allowed: " + strings.Join(words, "; ")
	}
	return "denied: " + strings.Join(words, "; ")
}

// say writes the rule as a sentence that begins with head.
func (c *ruling) say(head string) string {
	if c.duty != "" {
		return "Owed: " + c.duty
	}
	if len(c.nodes) == 0 {
		return head + ", without conditions."
	}
	parts := make([]string, len(c.nodes))
	for i := range c.nodes {
		parts[i] = c.nodes[i].phrase()
	}
	return head + " when " + join(parts, "and") + "."
}

// Words says each rule of p in a plain English sentence, for pages and for
// `hansa explain`. Of a policy that [Check] refuses it says why, alone.
func Words(p *Policy) []string {
	c, err := Compile(p)
	if err != nil {
		return []string{"This policy cannot be held to: " + err.Error() + "."}
	}
	var out []string
	for _, l := range []struct {
		head string
		list []ruling
	}{{"Permitted: use", c.permit}, {"Prohibited: use", c.forbid}, {"Owed: use", c.owed}} {
		for i := range l.list {
			out = append(out, l.list[i].say(l.head))
		}
	}
	return out
}
