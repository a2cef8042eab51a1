package policy

import (
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// nsDuty begins the action of an obligation that the catalogue names: the clause's
// id and version follow. nsTerm begins the left operand that holds a parameter.
const (
	nsDuty = nsHansa + "duty/"
	nsTerm = nsHansa + "term/"
)

// RuleTemplate is the policy of a clause before its parameters are known: what must
// hold for use to be permitted, or what prohibits it. Exactly one of the two is set.
type RuleTemplate struct {
	Permission  []TemplateConstraint `json:"permission,omitempty"`
	Prohibition []TemplateConstraint `json:"prohibition,omitempty"`
}

// TemplateConstraint is an atomic constraint whose right operand holds {name}. One
// that is nothing but a list parameter becomes the list.
type TemplateConstraint struct {
	LeftOperand  string `json:"leftOperand"`
	Operator     string `json:"operator"`
	RightOperand string `json:"rightOperand"`
}

// Rules is a part of a policy: what one clause comes to.
type Rules struct {
	Permission  []Rule `json:"permission,omitzero"`
	Prohibition []Rule `json:"prohibition,omitzero"`
	Obligation  []Rule `json:"obligation,omitzero"`
}

// ODRL returns what c comes to with its parameters, as [Clause.Render] reads them:
// a permission with its constraints, a prohibition, or, of a duty, an obligation
// whose action names the clause and its version and whose constraints hold the
// parameters. [Compose] makes a policy of several.
func (c *Clause) ODRL(params Params) (Rules, error) {
	values, err := c.values(params)
	if err != nil {
		return Rules{}, err
	}
	if c.Rule == nil {
		duty := Rule{Action: nsDuty + c.ID + "/" + strconv.Itoa(c.Version)}
		for i := range c.Params {
			name := c.Params[i].Name
			duty.Constraint = append(duty.Constraint, Constraint{LeftOperand: nsTerm + name, Operator: "eq", RightOperand: quote(values[name].text)})
		}
		return Rules{Obligation: []Rule{duty}}, nil
	}
	if (len(c.Rule.Permission) == 0) == (len(c.Rule.Prohibition) == 0) {
		return Rules{}, hansa.Fielded("/rule", "the rule of a clause is a permission or a prohibition, with a constraint")
	}
	permission := c.fill(c.Rule.Permission, values)
	out := Rules{Prohibition: c.fill(c.Rule.Prohibition, values)}
	if permission != nil {
		out = Rules{Permission: permission}
	}
	return out, Check(Compose("urn:hansa:clause", out))
}

// fill makes the one rule of a template; none of none.
func (c *Clause) fill(template []TemplateConstraint, values map[string]value) []Rule {
	if len(template) == 0 {
		return nil
	}
	r := Rule{Action: ActionUse}
	for _, t := range template {
		if p := c.param(strings.Trim(t.RightOperand, "{}")); p != nil && p.list() && t.Operator == "isAnyOf" {
			r.Constraint = append(r.Constraint, listed(t.LeftOperand, values[p.Name].list))
			continue
		}
		right := placeholder.ReplaceAllStringFunc(t.RightOperand, func(m string) string { return values[strings.Trim(m, "{}")].text })
		r.Constraint = append(r.Constraint, Constraint{LeftOperand: t.LeftOperand, Operator: t.Operator, RightOperand: quote(right)})
	}
	return []Rule{r}
}

// Compose makes one offer of the rules of several clauses. Their permissions
// become one, whose constraints must all hold; prohibitions and obligations stand
// beside each other. Without a permission nothing is permitted.
func Compose(id string, parts ...Rules) *Policy {
	p := &Policy{ID: id, Type: Offer}
	for _, part := range parts {
		for _, r := range part.Permission {
			if p.Permission == nil {
				p.Permission = []Rule{{Action: ActionUse}}
			}
			p.Permission[0].Constraint = append(p.Permission[0].Constraint, r.Constraint...)
		}
		p.Prohibition = append(p.Prohibition, part.Prohibition...)
		p.Obligation = append(p.Obligation, part.Obligation...)
	}
	return p.Clone()
}

// readDuty reads an obligation that is named after a clause of the catalogue, and
// returns who owes what, in English. What the catalogue does not have, or has in
// another version, and what breaks the rule of a parameter, is refused by name.
func readDuty(r *Rule, at string) (string, error) {
	id, version, _ := strings.Cut(strings.TrimPrefix(r.Action, nsDuty), "/")
	c, ok := ClauseByID(id)
	switch {
	case !ok:
		return "", hansa.Fielded(at+"/action", "the catalogue of clauses has no %q; `hansa clauses` lists what it has", clip(id))
	case c.Rule != nil:
		return "", hansa.Fielded(at+"/action", "the clause %s is a rule of the gate and no duty: write its permission or its prohibition", id)
	case version != strconv.Itoa(c.Version):
		return "", hansa.Fielded(at+"/action", "the catalogue has the clause %s in version %d, not in version %q", id, c.Version, clip(version))
	}
	params := Params{}
	for i := range r.Constraint {
		k, at := &r.Constraint[i], at+"/constraint/"+strconv.Itoa(i)
		name, term := strings.CutPrefix(k.LeftOperand, nsTerm)
		s, isText := text(k.RightOperand)
		switch _, twice := params[name]; {
		case !term || k.Operator != "eq" || len(k.logical()) > 0:
			return "", hansa.Fielded(at, "a duty's constraints say its parameters: %s and a name, eq, and the value", nsTerm)
		case twice:
			return "", hansa.Fielded(at, "the parameter %s is there twice", clip(name))
		case !isText || s == "":
			return "", hansa.Fielded(at+"/rightOperand", "the value of a parameter is a string")
		}
		if err := foreign(k.Unknown, at, []string{"refinement", "unit", "rightOperandReference"}); err != nil {
			return "", err
		}
		params[name] = s
	}
	for i := range c.Params {
		if _, ok := params[c.Params[i].Name]; !ok {
			return "", hansa.Fielded(at+"/constraint", "the duty %s does not say its parameter %s", id, c.Params[i].Name)
		}
	}
	said, err := c.Render(params, "en")
	if err != nil {
		return "", hansa.Public(err).At(at + "/constraint")
	}
	return said, nil
}
