package accord

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// ChangeKind says what became of a part of a text. Values are written to the wire.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
	Moved   ChangeKind = "moved" // it stands elsewhere, and says the same
)

// Change is one difference between two versions: of a clause, a flow, a party, a
// consideration, a member of the term, or another member of the text. The words and
// the policy of a clause stand in one change.
type Change struct {
	// Part is parties, flows, clauses, consideration, confidential, term, or the
	// name of a member of the text.
	Part string     `json:"part"`
	Kind ChangeKind `json:"kind"`
	// Name is what people call it: the id of a clause or a party, the name of a
	// flow, the member of the term.
	Name string `json:"name"`
	// From and To are its numbers in the two versions, counted from 1; 0 where it
	// is in none, or no item of a list.
	From int `json:"from,omitzero"`
	To   int `json:"to,omitzero"`
	// Before and After are it in whole, canonical JSON; none where it is not there.
	Before jsontext.Value `json:"before,omitzero"`
	After  jsontext.Value `json:"after,omitzero"`
	// Words are what it says to people, by language of either version.
	Words map[string][]Run `json:"words,omitempty"`
	// Policy are the constraints that were added or removed.
	Policy []PolicyChange `json:"policy,omitempty"`
	// Members names what differs in it.
	Members []string `json:"members,omitempty"`
}

// lists are the members of a text that are lists of things with a name.
var lists = []string{"parties", "flows", "clauses", "consideration", "confidential"}

// members is a JSON object by member, each in canonical form.
type members map[string]jsontext.Value

// membersOf reads v, which this package wrote, into its members.
func membersOf(v any) (members, error) {
	b, err := canonicalJSON(v)
	if err != nil {
		return nil, err
	}
	out := members{}
	return out, json.Unmarshal(b, &out)
}

// Redline returns what differs in b from a, in the order in which people read: the
// head, parties, flows, clauses, what is given in return, term. [Apply] makes b of
// a again. It is none for equal texts.
func Redline(a, b *Text) ([]Change, error) {
	before, err := membersOf(a)
	if err != nil {
		return nil, err
	}
	after, err := membersOf(b)
	if err != nil {
		return nil, err
	}
	r := redliner{cells: cellsMax}
	for _, part := range partsOf(before, after) {
		switch {
		case bytes.Equal(before[part], after[part]):
		case slices.Contains(lists, part):
			err = r.list(part, before[part], after[part])
		case part == "term":
			err = r.object(part, before[part], after[part])
		default:
			r.one(Change{Part: part, Name: part, Before: before[part], After: after[part]})
		}
		if err != nil {
			return nil, err
		}
	}
	return r.out, nil
}

// partsOf lists the members of either text as people read them.
func partsOf(a, b members) []string {
	order := []string{"title", "summary", "model", "basis", "parties", "flows", "clauses", "consideration", "term"}
	rest := slices.Concat(slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)))
	for _, name := range rest {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	return order
}

// redliner gathers changes.
type redliner struct {
	out   []Change
	cells int // what may still be spent on comparing words
}

// one adds a change whose kind follows from what was before and after.
func (r *redliner) one(c Change) {
	switch {
	case c.Before == nil:
		c.Kind = Added
	case c.After == nil:
		c.Kind = Removed
	case c.Kind == "":
		c.Kind = Changed
	}
	if c.Kind != Moved {
		r.detail(&c)
	}
	r.out = append(r.out, c)
}

// object compares two objects by member.
func (r *redliner) object(part string, a, b jsontext.Value) error {
	before, after := members{}, members{}
	for v, into := range map[*jsontext.Value]*members{&a: &before, &b: &after} {
		if err := json.Unmarshal(orEmpty(*v, "{}"), into); err != nil {
			return err
		}
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after)))))) {
		if !bytes.Equal(before[name], after[name]) {
			r.one(Change{Part: part, Name: name, Before: before[name], After: after[name]})
		}
	}
	return nil
}

func orEmpty(v jsontext.Value, empty string) jsontext.Value {
	if v == nil {
		return jsontext.Value(empty)
	}
	return v
}

// list compares two lists item by item: what is equal, what has the same name, and
// what has neither. An item that was in the order of the others and is no more, has
// moved.
func (r *redliner) list(part string, a, b jsontext.Value) error {
	var before, after []jsontext.Value
	if err := json.Unmarshal(orEmpty(a, "[]"), &before); err != nil {
		return err
	}
	if err := json.Unmarshal(orEmpty(b, "[]"), &after); err != nil {
		return err
	}
	came := pair(part, before, after) // of each item after, where it stood before; -1 is nowhere
	stays := increasing(came)
	for i, v := range before {
		if !slices.Contains(came, i) {
			r.one(Change{Part: part, Name: nameOf(part, v), From: i + 1, Before: v})
		}
	}
	for j, i := range came {
		c := Change{Part: part, Name: nameOf(part, after[j]), To: j + 1, After: after[j]}
		switch {
		case i < 0:
		case !bytes.Equal(before[i], after[j]):
			c.From, c.Before = i+1, before[i]
		case stays[j]:
			continue
		default:
			c.From, c.Before, c.Kind = i+1, before[i], Moved
		}
		r.one(c)
	}
	return nil
}

// pair finds for each item of after the one of before that it was.
func pair(part string, before, after []jsontext.Value) []int {
	came := slices.Repeat([]int{-1}, len(after))
	used := make([]bool, len(before))
	for _, same := range []func(x, y jsontext.Value) bool{
		func(x, y jsontext.Value) bool { return bytes.Equal(x, y) },
		func(x, y jsontext.Value) bool { return keyOf(x, keys[part][0]) == keyOf(y, keys[part][0]) },
		func(x, y jsontext.Value) bool { return keyOf(x, keys[part][1]) == keyOf(y, keys[part][1]) },
	} {
		for j := range after {
			for i := range before {
				if came[j] < 0 && !used[i] && same(before[i], after[j]) {
					came[j], used[i] = i, true
				}
			}
		}
	}
	return came
}

// keys are what tells one item of a list from another: first closely, then loosely,
// as in the accord of another city, whose flows have other ids.
var keys = map[string][2][]string{
	"parties": {{"id"}, {"id"}}, "flows": {{"id"}, {"name"}}, "clauses": {{"id", "flows"}, {"id"}}, "consideration": {{"kind", "flow", "by", "to"}, {"kind"}}, "confidential": {{"part"}, {"part"}},
}

// keyOf is what tells v from other items, by members of it.
func keyOf(v jsontext.Value, names []string) string {
	m := members{}
	if json.Unmarshal(v, &m) != nil {
		return ""
	}
	var b strings.Builder
	for _, n := range names {
		b.Write(m[n])
		b.WriteByte(0)
	}
	return b.String()
}

// nameOf is what people call an item.
func nameOf(part string, v jsontext.Value) string {
	m := map[string]any{}
	if json.Unmarshal(v, &m) != nil {
		return part
	}
	if s, ok := m[keys[part][1][0]].(string); ok {
		return s
	}
	return part
}

// increasing marks a longest run of items that are in the order in which they were
// before.
func increasing(came []int) []bool {
	best, prev := make([]int, len(came)), make([]int, len(came))
	last := -1
	for j, i := range came {
		prev[j] = -1
		if i < 0 {
			continue
		}
		best[j] = 1
		for k := range j {
			if came[k] >= 0 && came[k] < i && best[k] >= best[j] {
				best[j], prev[j] = best[k]+1, k
			}
		}
		if last < 0 || best[j] > best[last] {
			last = j
		}
	}
	out := make([]bool, len(came))
	for ; last >= 0; last = prev[last] {
		out[last] = true
	}
	return out
}

// Apply makes the text that [Redline] compared with a. On another text than a it
// changes what still says what it said before; where something else stands there, it
// is a Conflict that names the part, and nothing is changed. The result is
// validated.
func Apply(a *Text, changes []Change) (*Text, error) {
	m, err := membersOf(a)
	if err != nil {
		return nil, err
	}
	for _, part := range lists {
		if err := applyList(m, part, changes); err != nil {
			return nil, err
		}
	}
	term := members{}
	if err := json.Unmarshal(orEmpty(m["term"], "{}"), &term); err != nil {
		return nil, err
	}
	for i := range changes {
		c := &changes[i]
		into := m
		switch {
		case slices.Contains(lists, c.Part):
			continue
		case c.Part == "term":
			into = term
		}
		if !bytes.Equal(into[c.Name], c.Before) {
			return nil, movedOn(c)
		}
		into[c.Name] = c.After
		if c.After == nil {
			delete(into, c.Name)
		}
	}
	if m["term"], err = canonicalJSON(term); err != nil {
		return nil, err
	}
	b, err := canonicalJSON(m)
	if err != nil {
		return nil, err
	}
	return Read(b)
}

// movedOn says that a part is not what a change was made of.
func movedOn(c *Change) error {
	field := "/" + c.Part
	if c.From > 0 {
		field += "/" + strconv.Itoa(c.From-1)
	}
	return hansa.Errorf(hansa.Conflict, "%s %s is not what this change was made of", c.Part, c.Name).At(field).WithHint("compare again with the present version")
}

// applyList makes the changes of one list in m.
func applyList(m members, part string, changes []Change) error {
	var items []jsontext.Value
	if err := json.Unmarshal(orEmpty(m[part], "[]"), &items); err != nil {
		return err
	}
	gone := make([]bool, len(items))
	var put []*Change
	touched := false
	for i := range changes {
		c := &changes[i]
		if c.Part != part {
			continue
		}
		touched = true
		if c.Before != nil {
			at := stands(items, gone, c)
			if at < 0 {
				return movedOn(c)
			}
			gone[at] = true
		}
		if c.After != nil {
			put = append(put, c)
		}
	}
	if !touched {
		return nil
	}
	out := make([]jsontext.Value, 0, len(items)+len(put))
	for i, v := range items {
		if !gone[i] {
			out = append(out, v)
		}
	}
	slices.SortStableFunc(put, func(x, y *Change) int { return x.To - y.To })
	for _, c := range put {
		out = slices.Insert(out, min(max(c.To-1, 0), len(out)), c.After)
	}
	if len(out) == 0 && (part == "consideration" || part == "confidential") {
		delete(m, part)
		return nil
	}
	var err error
	m[part], err = canonicalJSON(out)
	return err
}

// stands finds what c was before among items: where it was, or else anywhere.
func stands(items []jsontext.Value, gone []bool, c *Change) int {
	is := func(i int) bool { return !gone[i] && bytes.Equal(items[i], c.Before) }
	if i := c.From - 1; i >= 0 && i < len(items) && is(i) {
		return i
	}
	for i := range items {
		if is(i) {
			return i
		}
	}
	return -1
}
