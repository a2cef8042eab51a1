package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gowebpki/jcs"
)

// Equal reports whether a and b hold the same rules. Ids, types, profiles,
// targets, parties, times and other members of the policy are left out, as is the
// order of rules, constraints and listed values. What a JSON-LD processor may
// rewrite without changing the meaning is the same: a term and its full name, a
// list of one and its value, {"@value": x} and x, no constraints and an empty list.
func Equal(a, b *Policy) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := a.lists(), b.lists()
	for i := range x {
		if !slices.Equal(normalRules(x[i].rules), normalRules(y[i].rules)) {
			return false
		}
	}
	return true
}

func normalRules(rules []Rule) []string {
	var out []string
	for i := range rules {
		r := &rules[i]
		out = append(out, strconv.Quote(actionTerm(r.Action))+group("constraint", r.Constraint, true)+normalUnknown(r.Unknown))
	}
	return unique(out)
}

// group writes constraints by name, in order or sorted.
func group(name string, list []Constraint, sorted bool) string {
	out := make([]string, 0, len(list))
	for i := range list {
		out = append(out, list[i].normal())
	}
	if sorted {
		slices.Sort(out)
	}
	return " " + name + "(" + strings.Join(out, ",") + ")"
}

func (c *Constraint) normal() string {
	var b strings.Builder
	if c.LeftOperand != "" || c.Operator != "" || c.RightOperand != nil {
		b.WriteString(strconv.Quote(operandTerm(c.LeftOperand)) + strconv.Quote(c.Operator) + normalValue(c.RightOperand))
	}
	for _, l := range c.logical() {
		b.WriteString(group(l.name, l.list, l.name != "andSequence"))
	}
	return b.String() + normalUnknown(c.Unknown)
}

func normalUnknown(m map[string]jsontext.Value) string {
	var out []string
	for k, v := range m {
		out = append(out, " "+strconv.Quote(k)+"="+normalValue(v))
	}
	slices.Sort(out)
	return strings.Join(out, "")
}

// normalValue writes v so that what means the same reads the same.
func normalValue(v jsontext.Value) string {
	if v.Kind() == '[' {
		var items []jsontext.Value
		if json.Unmarshal(v, &items) != nil {
			return string(v)
		}
		var out []string
		for _, item := range items {
			out = append(out, normalValue(item))
		}
		if out = unique(out); len(out) == 1 {
			return out[0]
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	if s, ok := text(v); ok {
		if shape := jsontext.Value(s); shape.Kind() != '{' || !shape.IsValid() {
			return strconv.Quote(s)
		}
		v = jsontext.Value(s) // an object written as a string
	}
	if canonical, err := jcs.Transform(v); err == nil {
		return string(canonical)
	}
	return string(v)
}

func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// text reads v as one string: as it is, or as JSON-LD's {"@value": ...} or
// {"@id": ...}.
func text(v jsontext.Value) (s string, ok bool) {
	if v.Kind() == '"' {
		return s, json.Unmarshal(v, &s) == nil
	}
	var o struct {
		Value *string                   `json:"@value"`
		ID    *string                   `json:"@id"`
		Type  string                    `json:"@type"`
		Rest  map[string]jsontext.Value `json:",embed"`
	}
	if v.Kind() != '{' || json.Unmarshal(v, &o) != nil || len(o.Rest) > 0 {
		return "", false
	}
	switch {
	case o.Value != nil && o.ID == nil:
		return *o.Value, true
	case o.ID != nil && o.Value == nil && o.Type == "":
		return *o.ID, true
	}
	return "", false
}
