package policy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// Form is where a policy stands, and so what it must hold.
type Form uint8

// The three forms of contract-schema.json.
const (
	FormOffer        Form = iota // in a catalogue: no target
	FormMessageOffer             // in a message: a type, and mostly a target
	FormAgreement                // type, target, assigner and assignee
)

// Operators lists the operators that the protocol's schema knows; which of them
// fit an operand is [Check]'s to say.
func Operators() []string {
	return []string{"eq", "gt", "gteq", "lteq", "hasPart", "isA", "isAllOf", "isAnyOf", "isNoneOf", "isPartOf", "lt", "term-lteq", "neq"}
}

// timestamp is the schema's pattern for an agreement's time, its brackets and all.
var timestamp = regexp.MustCompile(`-?([1-9][0-9]{3,}|0[0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?|(24:00:00(\.0+)?))(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))?`)

// Validate reports the first rule of contract-schema.json that p breaks in form.
// It is stricter than the schema in two things: an empty string is no value, and
// a constraint does not mix atomic and logical members.
func (p *Policy) Validate(form Form) error {
	if p.ID == "" {
		return hansa.Fielded("/@id", "a policy needs an @id")
	}
	if err := p.validateForm(form); err != nil {
		return err
	}
	return p.validateRules()
}

// validateRules is what holds of the rules in every form.
func (p *Policy) validateRules() error {
	if p.Permission == nil && p.Prohibition == nil {
		return hansa.Fielded("/permission", "a policy needs a permission or a prohibition")
	}
	for _, l := range p.lists() {
		if l.rules != nil && len(l.rules) == 0 {
			return hansa.Fielded("/"+l.name, "%s holds at least one rule, or is left out", l.name)
		}
		for i := range l.rules {
			if err := l.rules[i].validate("/" + l.name + "/" + strconv.Itoa(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Policy) validateForm(form Form) error {
	want := Offer
	if form == FormAgreement {
		want = Agreement
	}
	switch {
	case p.Type == "" && form != FormOffer:
		return hansa.Fielded("/@type", "the policy of a message needs the @type %s", want)
	case p.Type != "" && p.Type != want:
		return hansa.Fielded("/@type", "the @type is %s here, not %q", want, string(p.Type))
	case form == FormOffer && p.Target != "":
		return hansa.Fielded("/target", "an offer in a catalogue has no target: its dataset is the one that holds it")
	case form != FormAgreement:
		return nil
	case p.Target == "":
		return hansa.Fielded("/target", "an agreement needs a target, the dataset's id")
	case p.Assigner == "":
		return hansa.Fielded("/assigner", "an agreement needs an assigner, the party that gives")
	case p.Assignee == "":
		return hansa.Fielded("/assignee", "an agreement needs an assignee, the party that receives")
	case p.Timestamp != "" && !timestamp.MatchString(p.Timestamp):
		return hansa.Fielded("/timestamp", "a timestamp is a date and time such as 2026-07-01T12:00:00Z, not %q", clip(p.Timestamp))
	}
	return nil
}

// ruleList is one of the three lists of a policy, with its name on the wire.
type ruleList struct {
	name  string
	rules []Rule
}

func (p *Policy) lists() [3]ruleList {
	return [3]ruleList{{"permission", p.Permission}, {"prohibition", p.Prohibition}, {"obligation", p.Obligation}}
}

func (r *Rule) validate(at string) error {
	if r.Action == "" {
		return hansa.Fielded(at+"/action", "a rule needs an action")
	}
	return validateAll(r.Constraint, at+"/constraint")
}

func validateAll(list []Constraint, at string) error {
	for i := range list {
		if err := list[i].validate(at + "/" + strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

// logicalList is one of the logical members of a constraint that are there.
type logicalList struct {
	name string
	list []Constraint
}

// logical returns the logical members that c has.
func (c *Constraint) logical() []logicalList {
	all := []logicalList{{"and", c.And}, {"andSequence", c.AndSequence}, {"or", c.Or}, {"xone", c.Xone}}
	return slices.DeleteFunc(all, func(l logicalList) bool { return l.list == nil })
}

func (c *Constraint) validate(at string) error {
	parts := c.logical()
	atomic := c.LeftOperand != "" || c.Operator != "" || c.RightOperand != nil
	switch {
	case atomic && len(parts) > 0:
		return hansa.Fielded(at, "a constraint is atomic or logical, not both: this one has operands and %s", parts[0].name)
	case len(parts) > 1:
		return hansa.Fielded(at, "a logical constraint has one of and, andSequence, or, xone, not both %s and %s", parts[0].name, parts[1].name)
	case len(parts) == 1:
		return validateAll(parts[0].list, at+"/"+parts[0].name)
	case c.LeftOperand == "":
		return hansa.Fielded(at+"/leftOperand", "a constraint needs a leftOperand, an operator and a rightOperand; or one of and, andSequence, or, xone")
	case c.Operator == "":
		return hansa.Fielded(at+"/operator", "a constraint needs an operator: one of %s", strings.Join(Operators(), ", "))
	case !slices.Contains(Operators(), c.Operator):
		return hansa.Fielded(at+"/operator", "there is no operator %q; there are %s", clip(c.Operator), strings.Join(Operators(), ", "))
	case c.RightOperand == nil:
		return hansa.Fielded(at+"/rightOperand", "a constraint needs a rightOperand")
	}
	if kind := c.RightOperand.Kind(); kind != '"' && kind != '{' && kind != '[' {
		return hansa.Fielded(at+"/rightOperand", "a rightOperand is a string, an object or an array, never a %s: write it as a string", kindNames[kind])
	}
	return nil
}

// clip shortens what a stranger wrote before it is said back to him.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
