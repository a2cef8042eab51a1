package accord

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// cellsMax bounds what one redline spends on comparing words: past it a text counts
// as replaced in whole.
const cellsMax = 16 << 20

// Run is a run of words that both versions have (kind ""), that was added, or that
// was removed. The runs of a text, without those removed, are the text after.
type Run struct {
	Kind ChangeKind `json:"kind,omitempty"`
	Text string     `json:"text"`
}

// PolicyChange is one constraint of a rule, or a rule without constraints, that one
// of the versions has.
type PolicyChange struct {
	Kind       ChangeKind     `json:"kind"` // added or removed
	Rule       string         `json:"rule"` // permission, prohibition or obligation
	Action     string         `json:"action"`
	Constraint jsontext.Value `json:"constraint,omitzero"`
}

// detail fills in what c comes to for people.
func (r *redliner) detail(c *Change) {
	switch c.Part {
	case "clauses":
		var a, b Clause
		if !decoded(c.Before, &a) || !decoded(c.After, &b) {
			return
		}
		c.Words = r.words(a.Text, b.Text)
		c.Policy = policyChanges(a.Rules, b.Rules)
	case "title", "summary":
		var a, b Words
		if decoded(c.Before, &a) && decoded(c.After, &b) {
			c.Words = r.words(a, b)
		}
	}
	if c.Kind == Changed && len(c.Before) > 0 && c.Before[0] == '{' && len(c.After) > 0 && c.After[0] == '{' {
		c.Members = unlike(c.Before, c.After)
	}
}

// decoded reads v into out; what is not there leaves it empty.
func decoded(v jsontext.Value, out any) bool { return v == nil || json.Unmarshal(v, out) == nil }

// unlike names the members in which two objects differ.
func unlike(a, b jsontext.Value) (out []string) {
	x, y := members{}, members{}
	if !decoded(a, &x) || !decoded(b, &y) {
		return nil
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(x)), slices.Collect(maps.Keys(y)))))) {
		if !bytes.Equal(x[name], y[name]) {
			out = append(out, name)
		}
	}
	return out
}

// words compares two texts in each language of either.
func (r *redliner) words(a, b Words) map[string][]Run {
	out := map[string][]Run{}
	for _, lang := range policy.Languages() {
		if a[lang] != "" || b[lang] != "" {
			out[lang] = r.runs(a[lang], b[lang])
		}
	}
	return out
}

// runs compares two texts word by word.
func (r *redliner) runs(a, b string) []Run {
	x, y := split(a), split(b)
	var out []Run
	add := func(kind ChangeKind, words ...string) {
		s := strings.Join(words, "")
		switch n := len(out) - 1; {
		case s == "":
		case n >= 0 && out[n].Kind == kind:
			out[n].Text += s
		default:
			out = append(out, Run{kind, s})
		}
	}
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	add("", x[:head]...)
	r.middle(x[head:len(x)-tail], y[head:len(y)-tail], add)
	add("", x[len(x)-tail:]...)
	return out
}

// middle adds the runs between two lists of words by their longest common
// subsequence, as far as the bound on work allows.
func (r *redliner) middle(x, y []string, add func(ChangeKind, ...string)) {
	n := (len(x) + 1) * (len(y) + 1)
	if len(x) == 0 || len(y) == 0 || n > r.cells {
		add(Removed, x...)
		add(Added, y...)
		return
	}
	r.cells -= n
	w := len(y) + 1
	common := make([]int32, n) // of x[i:] and y[j:]
	for i, was := range slices.Backward(x) {
		for j, is := range slices.Backward(y) {
			if was == is {
				common[i*w+j] = common[(i+1)*w+j+1] + 1
			} else {
				common[i*w+j] = max(common[(i+1)*w+j], common[i*w+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(x) && j < len(y) {
		switch {
		case x[i] == y[j]:
			add("", x[i])
			i, j = i+1, j+1
		case common[(i+1)*w+j] >= common[i*w+j+1]:
			add(Removed, x[i])
			i++
		default:
			add(Added, y[j])
			j++
		}
	}
	add(Removed, x[i:]...)
	add(Added, y[j:]...)
}

// split cuts s after each space, so that the words joined are s.
func split(s string) []string {
	out := strings.SplitAfter(s, " ")
	if len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

// policyChanges lists the constraints that only one of two policies has, those
// removed first.
func policyChanges(a, b policy.Rules) (out []PolicyChange) {
	before, after := constraints(a, Removed), constraints(b, Added)
	same := func(x PolicyChange) func(PolicyChange) bool {
		return func(y PolicyChange) bool {
			return x.Rule == y.Rule && x.Action == y.Action && bytes.Equal(x.Constraint, y.Constraint)
		}
	}
	for _, c := range before {
		if i := slices.IndexFunc(after, same(c)); i >= 0 {
			after = slices.Delete(after, i, i+1)
			continue
		}
		out = append(out, c)
	}
	return append(out, after...)
}

// constraints lists what r says, constraint by constraint.
func constraints(r policy.Rules, kind ChangeKind) (out []PolicyChange) {
	for _, part := range []struct {
		name  string
		rules []policy.Rule
	}{{"permission", r.Permission}, {"prohibition", r.Prohibition}, {"obligation", r.Obligation}} {
		for _, rule := range part.rules {
			if len(rule.Constraint) == 0 {
				out = append(out, PolicyChange{Kind: kind, Rule: part.name, Action: rule.Action})
			}
			for i := range rule.Constraint {
				b, err := canonicalJSON(&rule.Constraint[i])
				if err != nil {
					continue // it was read from JSON, so it can be written
				}
				out = append(out, PolicyChange{Kind: kind, Rule: part.name, Action: rule.Action, Constraint: b})
			}
		}
	}
	return out
}
