package policy

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// Narrow returns p for one purpose alone: each permission's own purposes, where
// they stand directly among its constraints, give way to that one. Whether the
// policy had permitted it is [Compiled.Evaluate]'s to say.
func Narrow(p *Policy, to hansa.Purpose) *Policy {
	out := p.Clone()
	quoted, err := jsontext.AppendQuote(nil, string(to))
	if err != nil { // not UTF-8: it names no purpose that a policy could
		quoted = []byte(`""`)
	}
	only := Constraint{LeftOperand: "purpose", Operator: "eq", RightOperand: quoted}
	for i := range out.Permission {
		rule := &out.Permission[i]
		kept := make([]Constraint, 0, len(rule.Constraint)+1)
		for _, c := range rule.Constraint {
			if operandTerm(c.LeftOperand) != "purpose" {
				kept = append(kept, c)
			}
		}
		rule.Constraint = append(kept, only)
	}
	return out
}
