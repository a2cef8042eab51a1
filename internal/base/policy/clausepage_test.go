package policy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// TestThePageSaysTheChecks holds docs/formats/clauses.md to the functions, groups
// and kinds of evidence that there are, and its example to the catalogue.
func TestThePageSaysTheChecks(t *testing.T) {
	b, err := os.ReadFile("../../../docs/formats/clauses.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	_, table, _ := strings.Cut(page, "| function | kept when | bound | measures |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")[1:]
	checks := policy.Checks()
	if len(rows) != len(checks) {
		t.Fatalf("the page has %d checks, want %d", len(rows), len(checks))
	}
	for i, f := range checks {
		if want := "| `" + f.Name + "` | " + f.Says + " |"; !strings.HasPrefix(rows[i], want) || !strings.HasSuffix(rows[i], "| "+strings.Join(f.Measures, ", ")+" |") {
			t.Errorf("the page says %q, want %q and %v", rows[i], want, f.Measures)
		}
	}
	words := policy.Groups()
	for _, c := range policy.Clauses() {
		words = append(words, string(c.Evidence), string(c.Bearer))
		for i := range c.Params {
			words = append(words, string(c.Params[i].Kind))
		}
	}
	for _, w := range words {
		if !strings.Contains(page, "`"+w+"`") {
			t.Errorf("the page does not say %s", w)
		}
	}
	_, example, _ := strings.Cut(page, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	if err := policy.Check(parse(t, `{"@id":"p","permission":[{"action":"use"}],"obligation":[`+example+`]}`)); err != nil {
		t.Error(err)
	}
}
