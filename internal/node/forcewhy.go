package node

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
)

// ruleSource is what a clause has in it by which a rule of the gate decides: a constraint on
// one of the operands, or the clause itself.
type ruleSource struct {
	operands []string
	clauses  []string
}

// comesFrom is what the rules of the gate come from. The others come from no clause: from
// the term, a suspension, or the record.
var comesFrom = map[hansa.Rule]ruleSource{
	gate.NoPurpose: {operands: []string{policy.Purpose}}, gate.PurposeDenied: {operands: []string{policy.Purpose}},
	gate.NotYet: {operands: []string{policy.DateTime, policy.ElapsedTime, policy.InForceDate}}, gate.Over: {operands: []string{policy.DateTime, policy.ElapsedTime, policy.InForceDate}},
	gate.Window: {operands: []string{policy.Window}}, gate.Delay: {operands: []string{policy.Delay}}, gate.FormatDenied: {operands: []string{policy.FileFormat}},
	gate.Outside: {operands: []string{policy.Spatial}}, gate.NoPlace: {operands: []string{policy.Spatial}},
	gate.Widened: {operands: []string{policy.Fields}, clauses: []string{"trade-secrets"}}, gate.FieldsTrimmed: {operands: []string{policy.Fields}, clauses: []string{"trade-secrets"}},
	gate.Collapsed: {operands: []string{policy.Precision}}, gate.Coarsened: {operands: []string{policy.Precision}},
	gate.NotPublic: {operands: []string{policy.Audience}}, gate.Personal: {operands: []string{policy.Personal}}, gate.TooOld: {clauses: []string{"retention"}},
}

// behind lists the clauses about a flow from which a rule of its gate comes, by their
// numbers in t. A purpose that was asked for leaves out those that do not deny it; empty
// is not known.
func behind(t *accord.Text, flow hansa.FlowID, rule hansa.Rule, purpose hansa.Purpose) []int {
	out, from := []int{}, comesFrom[rule]
	if rule != gate.PurposeDenied {
		purpose = ""
	}
	for i := range t.Clauses {
		c := &t.Clauses[i]
		if !c.About(flow) {
			continue
		}
		in := slices.Contains(from.clauses, c.ID)
		for _, r := range c.Rules.Permission {
			in = in || constrains(r.Constraint, from.operands) && (purpose == "" || !namesPurpose(r.Constraint, purpose))
		}
		for _, r := range c.Rules.Prohibition {
			in = in || constrains(r.Constraint, from.operands) && (purpose == "" || namesPurpose(r.Constraint, purpose))
		}
		if in {
			out = append(out, i+1)
		}
	}
	return out
}

// constrains reports whether one of a list of constraints, or one within them, is on one
// of the operands.
func constrains(list []policy.Constraint, operands []string) bool {
	return slices.ContainsFunc(list, func(c policy.Constraint) bool {
		return slices.Contains(operands, c.LeftOperand) || constrains(combined(&c), operands)
	})
}

// namesPurpose reports whether one of a list of constraints, or one within them, names a purpose.
func namesPurpose(list []policy.Constraint, purpose hansa.Purpose) bool {
	return slices.ContainsFunc(list, func(c policy.Constraint) bool {
		return c.LeftOperand == policy.Purpose && bytes.Contains(c.RightOperand, strconv.AppendQuote(nil, string(purpose))) || namesPurpose(combined(&c), purpose)
	})
}

// combined lists the constraints that one combines.
func combined(c *policy.Constraint) []policy.Constraint {
	return slices.Concat(c.And, c.AndSequence, c.Or, c.Xone)
}
