package accord_test

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// anyText draws a text: a partnership with parties, flows and clauses in any order,
// some twice, with other words and terms.
func anyText(t *rapid.T) *accord.Text {
	ids := []hansa.PartyID{city, company, third, fourth}
	n := rapid.IntRange(2, len(ids)).Draw(t, "parties")
	x := &accord.Text{
		Format: accord.Format, ID: theID, Version: rapid.IntRange(1, 3).Draw(t, "version"), Model: rapid.SampledFrom([]hansa.Model{hansa.ModelPartnership, hansa.ModelPool}).Draw(t, "model"),
		Languages: []string{"nl", "en"}, Title: accord.Words{"nl": words(t), "en": words(t)}, Pack: accord.Pack{ID: "eu@2026-06-18", Hash: strings.Repeat("a", 64)},
		Term: accord.Term{From: "2026-01-01", Zone: "Europe/Amsterdam", Notice: rapid.IntRange(0, 2).Draw(t, "notice"), Exit: rapid.SampledFrom([]string{"keep", "erase"}).Draw(t, "exit"), ExitDays: rapid.IntRange(0, 1).Draw(t, "days")},
	}
	if x.Version > 1 {
		x.Supersedes = strings.Repeat(fmt.Sprint(x.Version), 64)
	}
	if rapid.Bool().Draw(t, "ends") {
		x.Term.Until, x.Term.Review = "2028-01-01", []string{"2027-01-01"}
	}
	for _, id := range rapid.Permutation(ids).Draw(t, "order")[:n] {
		x.Parties = append(x.Parties, accord.Party{ID: id, Title: words(t), Kind: hansa.City, Role: hansa.RoleBoth})
	}
	for _, i := range rapid.Permutation([]int{1, 2, 3, 4, 5}).Draw(t, "flows")[:rapid.IntRange(1, 5).Draw(t, "n")] {
		from := rapid.IntRange(0, n-1).Draw(t, "from")
		x.Flows = append(x.Flows, accord.Flow{ID: flowID(i), Name: fmt.Sprintf("flow-%d", i), From: x.Parties[from].ID, To: x.Parties[(from+1)%n].ID, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}})
	}
	for range rapid.IntRange(1, 8).Draw(t, "clauses") {
		x.Clauses = append(x.Clauses, rapid.SampledFrom(someClauses(t)).Draw(t, "clause"))
		if c := &x.Clauses[len(x.Clauses)-1]; rapid.Bool().Draw(t, "about one") {
			c.Flows = []hansa.FlowID{x.Flows[0].ID}
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "returns") {
		x.Consideration = append(x.Consideration, accord.Consideration{Kind: rapid.SampledFrom([]string{"cost", "in-kind"}).Draw(t, "kind"), Note: words(t)})
	}
	if rapid.Bool().Draw(t, "withheld") {
		x.Confidential = []accord.Withheld{{Part: "contacts", Rule: words(t)}}
	}
	if rapid.Bool().Draw(t, "asked for") {
		x.Request = rapid.SampledFrom([]hansa.AccordID{theID, "0192f0c4-0000-7000-8000-000000000001"}).Draw(t, "request")
	}
	return x
}

func words(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"data", "flow", "each", "city"}), 1, 5).Draw(t, "words"), " ")
}

func someClauses(t *rapid.T) (out []accord.Clause) {
	for _, c := range []struct {
		id     string
		params policy.Params
	}{
		{"purpose-limit", policy.Params{"purposes": "navigation"}},
		{"purpose-limit", policy.Params{"purposes": "navigation,research"}},
		{"notice", policy.Params{"days": "30"}},
		{"notice", policy.Params{"days": "1"}},
		{"security", nil},
		{"delay", policy.Params{"minutes": "15"}},
	} {
		entry, ok := policy.ClauseByID(c.id)
		if !ok {
			t.Fatalf("no clause %s", c.id)
		}
		made, err := accord.NewClause(entry, c.params, nil, []string{"nl", "en"})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, made)
	}
	return out
}

// TestSkim: who gives what to whom, and what of it is withheld, is the same whether a
// text is read whole or skimmed.
func TestSkim(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := anyText(t)
		if rapid.Bool().Draw(t, "a flow is withheld") {
			x.Confidential = append(x.Confidential, accord.Withheld{Part: "flows/" + x.Flows[0].Name, Rule: words(t)})
		}
		b, err := x.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		whole, err := accord.Stored(b)
		if err != nil {
			t.Fatal(err)
		}
		skimmed, err := accord.Skim(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, public := range []bool{false, true} {
			if public {
				whole, skimmed = whole.Public(), skimmed.Public()
			}
			if !reflect.DeepEqual(whole.Pairs(nil), skimmed.Pairs(nil)) || !reflect.DeepEqual(whole.Parties, skimmed.Parties) ||
				!maps.Equal(whole.Title, skimmed.Title) || whole.Model != skimmed.Model {
				t.Fatalf("skimmed (public: %t) %+v\nwhole %+v", public, skimmed, whole)
			}
		}
	})
	if _, err := accord.Skim([]byte(`{"format":99}`)); hansa.KindOf(err) != hansa.Invalid {
		t.Errorf("a form of a newer release: %v", err)
	}
}

// TestRedlineAppliedGivesTheOther: what a redline of two texts says, done to the one,
// makes the other; and its words read as both.
func TestRedlineAppliedGivesTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyText(t), anyText(t)
		changes, err := accord.Redline(a, b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := accord.Apply(a, changes)
		if err != nil {
			t.Fatal(err)
		}
		x, err := got.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		y, err := b.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x, y) {
			t.Fatalf("%d changes make\n%s\nnot\n%s", len(changes), x, y)
		}
		if none, err := accord.Redline(b, got); err != nil || len(none) > 0 {
			t.Fatalf("equal texts differ in %+v (%v)", none, err)
		}
		for _, c := range changes {
			if c.Part == "clauses" && c.Kind == accord.Changed {
				i, j := c.From-1, c.To-1
				for lang, runs := range c.Words {
					if before, after := read(runs); before != a.Clauses[i].Text[lang] || after != b.Clauses[j].Text[lang] {
						t.Fatalf("the words in %s read %q and %q", lang, before, after)
					}
				}
			}
		}
	})
}

// read returns the text before and after of runs.
func read(runs []accord.Run) (before, after string) {
	for _, r := range runs {
		if r.Kind != accord.Added {
			before += r.Text
		}
		if r.Kind != accord.Removed {
			after += r.Text
		}
	}
	return before, after
}

// TestRedlineSays: words and policy of a clause stand in one change, and nothing else
// is said to have changed.
func TestRedlineSays(t *testing.T) {
	a, b := drafted(t, hansa.ModelPartnership), drafted(t, hansa.ModelPartnership, func(o *accord.Order) {
		o.Set = map[string]policy.Params{"update-within": {"seconds": "1"}}
		o.With = []string{"delay"}
	})
	b.Term.Until = "2028-11-30"
	changes, err := accord.Redline(a, b)
	if err != nil || len(changes) != 3 {
		t.Fatalf("got %+v, want three changes (%v)", changes, err)
	}
	c := changes[0]
	if c.Part != "clauses" || c.Kind != accord.Changed || c.Name != "update-within" || !slices.Equal(c.Members, []string{"odrl", "params", "text"}) {
		t.Errorf("the first is %+v", c)
	}
	want := []accord.Run{
		{Text: "The giver offers a closure, a change to it and its end within "},
		{Kind: accord.Removed, Text: "10 seconds "},
		{Kind: accord.Added, Text: "1 second "},
		{Text: "of recording it, in at least 99% of cases."},
	}
	if !slices.Equal(c.Words["en"], want) {
		t.Errorf("its words are %+v", c.Words["en"])
	}
	if len(c.Policy) != 2 || c.Policy[0].Kind != accord.Removed || !strings.Contains(string(c.Policy[1].Constraint), `"rightOperand":"1"`) {
		t.Errorf("its policy is %+v", c.Policy)
	}
	if c := changes[1]; c.Kind != accord.Added || c.Name != "delay" || c.From != 0 || c.To != len(b.Clauses) || len(c.Policy) != 1 {
		t.Errorf("the second is %+v", c)
	}
	if c := changes[2]; c.Part != "term" || c.Name != "until" || string(c.After) != `"2028-11-30"` {
		t.Errorf("the third is %+v", c)
	}
}

// TestApplyToAnother: changes are done to a text that has moved on elsewhere, and
// refused where it has moved on in the same place.
func TestApplyToAnother(t *testing.T) {
	base := drafted(t, hansa.ModelPartnership)
	mine := drafted(t, hansa.ModelPartnership, func(o *accord.Order) { o.Set = map[string]policy.Params{"notice": {"days": "60"}} })
	changes, err := accord.Redline(base, mine)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := drafted(t, hansa.ModelPartnership, func(o *accord.Order) { o.Without = []string{"person-decides"} })
	got, err := accord.Apply(elsewhere, changes)
	if err != nil || len(got.Clauses) != len(base.Clauses)-1 || !slices.ContainsFunc(got.Clauses, func(c accord.Clause) bool { return c.Params["days"] == "60" }) {
		t.Errorf("elsewhere: %v", err)
	}
	same := drafted(t, hansa.ModelPartnership, func(o *accord.Order) { o.Set = map[string]policy.Params{"notice": {"days": "30"}} })
	if _, err := accord.Apply(same, changes); hansa.KindOf(err) != hansa.Conflict || !strings.Contains(err.Error(), "notice") {
		t.Errorf("the same place: %v", err)
	}
}

// TestRedlineOfLongWords: texts at their limits are compared within bounds.
func TestRedlineOfLongWords(t *testing.T) {
	a, b := drafted(t, hansa.ModelPartnership), drafted(t, hansa.ModelPartnership)
	for i := range a.Clauses {
		a.Clauses[i].Text["en"], b.Clauses[i].Text["en"] = strings.Repeat("a ", 8000), strings.Repeat("b ", 8000)
	}
	changes, err := accord.Redline(a, b)
	if err != nil || len(changes) != len(a.Clauses) {
		t.Fatalf("%d changes (%v)", len(changes), err)
	}
	if before, after := read(changes[0].Words["en"]); before != a.Clauses[0].Text["en"] || after != b.Clauses[0].Text["en"] {
		t.Error("the words of a long text are lost")
	}
}

// TestRedlineOfAnotherCity: a flow of another accord has another id, and is compared
// by its name.
func TestRedlineOfAnotherCity(t *testing.T) {
	a, b := drafted(t, hansa.ModelPartnership), drafted(t, hansa.ModelPartnership, func(o *accord.Order) {
		o.Flows[0].ID, o.Flows[1].ID = flowID(8), flowID(9)
	})
	changes, err := accord.Redline(a, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if c.Kind != accord.Changed || c.From != c.To {
			t.Errorf("got %s %s %s %d %d, want nothing but other ids", c.Kind, c.Part, c.Name, c.From, c.To)
		}
	}
}
