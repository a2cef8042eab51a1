package policy

import (
	"reflect"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Terms returns what p comes to for the gate, counted from when the agreement was
// made; agreed may be zero for a policy that counts nothing from it. Empty lists
// of purposes and formats mean that p says nothing of them: the gate lets nothing
// through on those, so the caller fills in what the offer was made for. Who may
// receive, and under which accord, is not the gate's: [Compiled.Evaluate] decides
// it. What the gate cannot hold to is an error that says what: an obligation, a
// choice between conditions, an area without its shape. A giver starts nothing
// whose terms are an error.
func (p *Policy) Terms(agreed time.Time) (hansa.Terms, error) {
	c, err := Compile(p)
	if err != nil {
		return hansa.Terms{}, err
	}
	switch {
	case len(c.owed) > 0:
		return hansa.Terms{}, hansa.Fielded(c.owed[0].at, "the gate cannot hold to an obligation: it decides what leaves, not what is owed for it")
	case len(c.permit) == 0:
		return hansa.Terms{}, hansa.Fielded("/permission", "nothing is permitted, so there is nothing for the gate to let through")
	case len(c.permit) > 1:
		return hansa.Terms{}, hansa.Fielded("/permission", "the gate holds to one set of terms, and this policy permits in %d ways: make one offer of each", len(c.permit))
	}
	b := builder{agreed: agreed}
	atoms, err := flatten(c.permit[0].nodes)
	if err != nil {
		return hansa.Terms{}, err
	}
	for _, a := range atoms {
		if err := b.permit(a); err != nil {
			return hansa.Terms{}, err
		}
	}
	for i := range c.forbid {
		if err := b.forbid(&c.forbid[i]); err != nil {
			return hansa.Terms{}, err
		}
	}
	return b.terms()
}

// builder gathers terms, constraint by constraint.
type builder struct {
	agreed            time.Time
	out               hansa.Terms
	purposes, formats values
	fields            values
}

// values is a list that constraints narrow: those that it may be, once one has
// said so, and those that it may not.
type values struct {
	at       string
	bound    bool
	may, not []string
}

func (v *values) narrow(a *atom, may bool) {
	v.at = a.at
	switch {
	case !may:
		v.not = append(v.not, a.list...)
	case !v.bound:
		v.bound, v.may = true, slices.Clone(a.list)
	default:
		v.may = slices.DeleteFunc(v.may, func(s string) bool { return !slices.Contains(a.list, s) })
	}
}

// rest returns what is left. Nothing left, or only a list of what is not, is an error.
func (v *values) rest(name string) ([]string, error) {
	if !v.bound && v.not != nil {
		return nil, hansa.Fielded(v.at, "the gate needs to know each %s that is agreed; this says only which is not", name)
	}
	left := slices.DeleteFunc(v.may, func(s string) bool { return slices.Contains(v.not, s) })
	if v.bound && len(left) == 0 {
		return nil, hansa.Fielded(v.at, "the constraints leave no %s on which all agree", name)
	}
	return left, nil
}

// flatten returns the atoms of nodes that must all hold, or names the first choice
// between conditions.
func flatten(nodes []node) (out []*atom, err error) {
	for i := range nodes {
		n := &nodes[i]
		switch {
		case n.atom != nil:
			out = append(out, n.atom)
		case n.logic == "and", n.logic == "andSequence", len(n.kids) == 1:
			more, err := flatten(n.kids)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		default:
			a := union(n)
			if a != nil && len(a.list) > ValuesMax {
				return nil, hansa.Fielded(n.at, "a choice lists at most %d values", ValuesMax)
			}
			if a == nil {
				return nil, hansa.Fielded(n.at, "the gate cannot hold to a choice between conditions: %s", n.phrase())
			}
			out = append(out, a)
		}
	}
	return out, nil
}

// union reads "any of purpose a, purpose b" as one list; nil when n is no such thing.
func union(n *node) *atom {
	first := n.kids[0].atom
	if n.logic != "or" || first == nil || first.name != Purpose && first.name != FileFormat {
		return nil
	}
	a := *first
	a.list = slices.Clone(first.list)
	for i := range n.kids {
		k := n.kids[i].atom
		if k == nil || k.name != a.name || k.not() {
			return nil
		}
		if i > 0 {
			a.list = append(a.list, k.list...)
		}
	}
	return &a
}

// door reports whether a is decided of the receiver, before the gate.
func (a *atom) door() bool {
	switch a.name {
	case Recipient, AssigneeIs, PartyKind, Accord:
		return true
	}
	return false
}

// permit narrows the terms to a.
func (b *builder) permit(a *atom) error {
	t := &b.out
	switch a.name {
	case Purpose:
		b.purposes.narrow(a, !a.not())
	case FileFormat:
		b.formats.narrow(a, true)
	case Fields:
		b.fields.narrow(a, true)
	case DateTime, ElapsedTime, InForceDate:
		s, ok := a.span(b.agreed)
		if !ok {
			return hansa.Fielded(a.at, "%s counts from the agreement, and there is none yet", a.name)
		}
		b.within(s)
	case Spatial:
		if a.area == nil {
			return hansa.Fielded(a.at+"/rightOperand", "the gate does not know the shape of the area %q: give its Polygon as GeoJSON", clip(a.list[0]))
		}
		if t.Area != nil && !reflect.DeepEqual(t.Area, a.area) {
			return hansa.Fielded(a.at, "the gate holds to one area, not to two at once: give the shape that they share")
		}
		t.Area = a.area
	case Delay:
		t.Delay = max(t.Delay, hansa.Duration(a.delay))
	case Precision:
		if t.Precision == nil || a.precision < *t.Precision {
			t.Precision = &a.precision
		}
	case Window:
		if t.Windows != nil {
			return hansa.Fielded(a.at, "the gate is open in any of a list of windows, not in two lists at once: give the windows that they share")
		}
		t.Windows = a.windows
	case Audience, Personal:
		if t.Conditions == nil {
			t.Conditions = map[string]string{}
		}
		t.Conditions[a.name[len(nsHansa):]] = a.list[0]
	}
	return nil
}

// forbid takes from the terms what a prohibition names, if the gate can.
func (b *builder) forbid(c *ruling) error {
	atoms, err := flatten(c.nodes)
	if err != nil {
		return err
	}
	if len(atoms) > 0 && !slices.ContainsFunc(atoms, func(a *atom) bool { return !a.door() }) {
		return nil
	}
	if len(atoms) == 1 {
		switch a := atoms[0]; a.name {
		case Purpose:
			b.purposes.narrow(a, a.not())
			return nil
		case FileFormat:
			b.formats.narrow(a, false)
			return nil
		case DateTime, ElapsedTime, InForceDate:
			s, ok := a.span(b.agreed)
			if ok && s.from.IsZero() != s.until.IsZero() {
				b.within(span{from: s.until, until: s.from})
				return nil
			}
		}
	}
	return hansa.Fielded(c.at, "the gate cannot hold to this prohibition: %s", c.say("use"))
}

// within narrows the period.
func (b *builder) within(s span) {
	if s.from.After(b.out.From) {
		b.out.From = s.from
	}
	if !s.until.IsZero() && (b.out.Until.IsZero() || s.until.Before(b.out.Until)) {
		b.out.Until = s.until
	}
}

func (b *builder) terms() (hansa.Terms, error) {
	t := b.out
	if !t.Until.IsZero() && !t.Until.After(t.From) {
		return hansa.Terms{}, hansa.Fielded("/permission/0/constraint", "the policy is never in force: it ends at %s and begins at %s", sayMoment(t.Until), sayMoment(t.From))
	}
	purposes, err := b.purposes.rest("purpose")
	if err != nil {
		return hansa.Terms{}, err
	}
	formats, err := b.formats.rest("format")
	if err != nil {
		return hansa.Terms{}, err
	}
	if t.Fields, err = b.fields.rest("field"); err != nil {
		return hansa.Terms{}, err
	}
	for _, s := range purposes {
		t.Purposes = append(t.Purposes, hansa.Purpose(s))
	}
	for _, s := range formats {
		t.Formats = append(t.Formats, hansa.Format(s))
	}
	return t, nil
}
