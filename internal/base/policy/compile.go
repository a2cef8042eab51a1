package policy

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// Compiled is a policy made ready to be asked. It never changes and may be used
// by many goroutines at once. The zero Compiled permits nothing.
type Compiled struct {
	permit, forbid []ruling
	owed           []ruling // obligations: told, neither measured nor enforced
	timed          []*atom  // those that a clock alone can change
}

// ruling is one rule: it applies when all its nodes hold.
type ruling struct {
	at    string
	nodes []node
	duty  string // what is owed, of an obligation that the catalogue of clauses names
}

// node is one constraint: an atom, or a logical one over its kids.
type node struct {
	at      string
	logic   string // and, andSequence, or, xone; empty for an atom
	kids    []node
	atom    *atom
	forbids bool
	test    func(ask) Outcome
}

// Check reports the first thing in p that this exchange does not know and so
// cannot hold to: an action, a left operand, an operator that does not fit it, a
// right operand of a wrong kind, or a member of ODRL that would change what the
// rest means. Its error is Invalid, names the thing, and lists what is known. Such
// a policy is not saved, and refused in a negotiation with this text.
func Check(p *Policy) error {
	_, err := Compile(p)
	return err
}

// Compile makes p ready to be asked, or reports as [Check] does. p may change
// afterwards without moving what came back.
func Compile(p *Policy) (*Compiled, error) {
	if err := p.validateRules(); err != nil {
		return nil, err
	}
	if err := p.size(); err != nil {
		return nil, err
	}
	if err := foreign(p.Unknown, "", []string{"inheritFrom", "conflict"}); err != nil {
		return nil, err
	}
	c := new(Compiled)
	for i, l := range p.lists() {
		into := [...]*[]ruling{&c.permit, &c.forbid, &c.owed}[i]
		for n := range l.rules {
			at := "/" + l.name + "/" + strconv.Itoa(n)
			made, err := c.rule(&l.rules[n], at, into == &c.forbid, into == &c.owed)
			if err != nil {
				return nil, err
			}
			*into = append(*into, made)
		}
	}
	return c, nil
}

func (c *Compiled) rule(r *Rule, at string, forbids, owed bool) (ruling, error) {
	duty := owed && strings.HasPrefix(r.Action, nsDuty)
	if !duty && actionTerm(r.Action) != ActionUse {
		return ruling{}, hansa.Fielded(at+"/action", "this exchange does not know the action %q and cannot hold to it; it knows %s", clip(r.Action), ActionUse)
	}
	extras := []string{"duty", "consequence", "remedy", "failure", "target", "assigner", "assignee", "output", "relation", "function"}
	if err := foreign(r.Unknown, at, extras); err != nil {
		return ruling{}, err
	}
	if duty {
		said, err := readDuty(r, at)
		return ruling{at: at, duty: said}, err
	}
	nodes, err := c.nodes(r.Constraint, at+"/constraint", forbids)
	return ruling{at: at, nodes: nodes}, err
}

func (c *Compiled) nodes(list []Constraint, at string, forbids bool) ([]node, error) {
	out := make([]node, 0, len(list))
	for i := range list {
		n, err := c.node(&list[i], at+"/"+strconv.Itoa(i), forbids)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func (c *Compiled) node(from *Constraint, at string, forbids bool) (node, error) {
	if err := foreign(from.Unknown, at, []string{"refinement", "unit", "rightOperandReference"}); err != nil {
		return node{}, err
	}
	parts := from.logical()
	if len(parts) == 0 {
		a, err := readAtom(from, at, forbids)
		if err != nil {
			return node{}, err
		}
		if a.after != nil || !a.moment.IsZero() {
			c.timed = append(c.timed, a)
		}
		return node{at: at, atom: a, forbids: forbids, test: a.closure()}, nil
	}
	l := parts[0]
	at += "/" + l.name
	if len(l.list) == 0 {
		return node{}, hansa.Fielded(at, "%s needs at least one constraint", l.name)
	}
	kids, err := c.nodes(l.list, at, forbids)
	if err != nil {
		return node{}, err
	}
	n := node{at: at, logic: l.name, kids: kids, forbids: forbids}
	switch l.name {
	case "or":
		n.test = func(k ask) Outcome { return anyHolds(kids, k) }
	case "xone":
		n.test = func(k ask) Outcome { return oneHolds(kids, k) }
	default:
		n.test = func(k ask) Outcome { return allHold(kids, k) }
	}
	return n, nil
}

// readAtom reads one atomic constraint against the vocabulary.
func readAtom(from *Constraint, at string, forbids bool) (*atom, error) {
	op := lookUp(from.LeftOperand)
	if op == nil {
		return nil, hansa.Fielded(at+"/leftOperand", "this exchange does not know the left operand %q and cannot hold to it; it knows %s",
			clip(from.LeftOperand), strings.Join(LeftOperands(), ", "))
	}
	if !slices.Contains(op.operators, from.Operator) {
		return nil, hansa.Fielded(at+"/operator", "the operator %s does not fit %s, which takes %s", clip(from.Operator), op.name, strings.Join(op.operators, ", "))
	}
	a := &atom{operand: op, at: at, operator: from.Operator, forbids: forbids}
	if err := op.read(a, from.RightOperand); err != nil {
		return nil, hansa.Public(err).With(hansa.CodeField).At(at + "/rightOperand")
	}
	return a, nil
}

// foreign refuses members of ODRL that would change what the rest means, were
// they understood. An empty list of them changes nothing. Members of other
// vocabularies are without effect, as the protocol drops them.
func foreign(members map[string]jsontext.Value, at string, refused []string) error {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(refused, odrlTerm(name)) {
			continue
		}
		if v := members[name].Clone(); v.Compact() == nil && string(v) == "[]" {
			continue
		}
		return hansa.Fielded(at+"/"+name, "this exchange cannot hold to %q: leave it out", name)
	}
	return nil
}
