package room

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	rules "github.com/hansa-exchange/hansa/internal/base/policy"
)

// policyLines is a policy as people who know ODRL read it at a glance: a line for each
// rule, and one for each constraint. The whole stands in the print.
func policyLines(r *rules.Rules) string {
	var out []string
	for _, part := range []struct {
		name string
		list []rules.Rule
	}{{"permission", r.Permission}, {"prohibition", r.Prohibition}, {"obligation", r.Obligation}} {
		for i := range part.list {
			out = append(out, part.name+" "+brief(part.list[i].Action))
			for k := range part.list[i].Constraint {
				out = append(out, constraintLines(&part.list[i].Constraint[k], "  ")...)
			}
		}
	}
	return strings.Join(out, "\n")
}

// brief shortens the names of this exchange's own profile.
func brief(s string) string {
	if rest, ok := strings.CutPrefix(s, "https://hansa-exchange.org/ns/"); ok {
		return "hansa:" + rest
	}
	return s
}

func constraintLines(c *rules.Constraint, indent string) []string {
	if c.LeftOperand != "" {
		return []string{indent + brief(c.LeftOperand) + " " + brief(c.Operator) + " " + operand(c.RightOperand)}
	}
	var out []string
	for _, g := range []struct {
		name string
		list []rules.Constraint
	}{{"and", c.And}, {"andSequence", c.AndSequence}, {"or", c.Or}, {"xone", c.Xone}} {
		if len(g.list) > 0 {
			out = append(out, indent+g.name)
		}
		for i := range g.list {
			out = append(out, constraintLines(&g.list[i], indent+"  ")...)
		}
	}
	return out
}

// operand is what a constraint compares with: a text, a list of them, or as it is.
func operand(v jsontext.Value) string {
	var one string
	var list []string
	var typed struct {
		Value string `json:"@value"`
	}
	switch {
	case json.Unmarshal(v, &one) == nil:
		return brief(one)
	case json.Unmarshal(v, &list) == nil:
		list = slices.Clone(list)
		for i := range list {
			list[i] = brief(list[i])
		}
		return strings.Join(list, ", ")
	case json.Unmarshal(v, &typed) == nil && typed.Value != "":
		return typed.Value
	}
	return string(v)
}
