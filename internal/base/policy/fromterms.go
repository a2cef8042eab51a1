package policy

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// FromTerms returns the offer that says what t does: one permission to use, with a
// constraint for each bound. Licence and attribution are no rules; a catalogue
// says them of the dataset. An area and windows are written as text, so that a
// connector that processes JSON-LD hands them on whole. Terms that allow nothing,
// or that name a condition without a word here, give an offer that [Check] refuses.
func FromTerms(id string, t *hansa.Terms) *Policy {
	list := []Constraint{listed(Purpose, t.Purposes), listed(FileFormat, t.Formats)}
	add := func(left, operator, right string) {
		list = append(list, Constraint{LeftOperand: left, Operator: operator, RightOperand: quote(right)})
	}
	if !t.From.IsZero() {
		add(DateTime, "gteq", t.From.UTC().Format(time.RFC3339Nano))
	}
	if !t.Until.IsZero() {
		add(DateTime, "lt", t.Until.UTC().Format(time.RFC3339Nano))
	}
	if t.Area != nil {
		add(Spatial, "isPartOf", string(t.Area.AppendJSON(nil)))
	}
	if len(t.Windows) > 0 {
		texts := make([]string, len(t.Windows))
		for i := range t.Windows {
			b, err := json.Marshal(t.Windows[i])
			if err == nil { // strings and numbers: else the text is empty, and refused
				texts[i] = string(b)
			}
		}
		list = append(list, listed(Window, texts))
	}
	if t.Delay > 0 {
		add(Delay, "gteq", writeDelay(t.Delay.Std()))
	}
	if t.Precision != nil {
		add(Precision, "lteq", strconv.Itoa(*t.Precision))
	}
	if len(t.Fields) > 0 {
		list = append(list, listed(Fields, t.Fields))
	}
	for _, name := range slices.Sorted(maps.Keys(t.Conditions)) {
		add(nsHansa+name, "eq", t.Conditions[name])
	}
	return &Policy{ID: id, Type: Offer, Permission: []Rule{{Action: ActionUse, Constraint: list}}}
}

// listed says that left is one of values: alone as eq, which survives a connector
// that writes a list of one as its value.
func listed[T ~string](left string, values []T) Constraint {
	if len(values) == 1 {
		return Constraint{LeftOperand: left, Operator: "eq", RightOperand: quote(string(values[0]))}
	}
	right := jsontext.Value("[")
	for i, v := range values {
		if i > 0 {
			right = append(right, ',')
		}
		right = append(right, quote(string(v))...)
	}
	return Constraint{LeftOperand: left, Operator: "isAnyOf", RightOperand: append(right, ']')}
}

// quote writes s as a JSON string; bytes that are no UTF-8 become U+FFFD.
func quote(s string) jsontext.Value {
	b, _ := jsontext.AppendQuote(nil, s) // the error tells of bytes that were replaced
	return b
}
