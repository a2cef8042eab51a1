package quality_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa/internal/dataplane/quality"
)

var update = flag.Bool("update", false, "rewrite the table in docs/formats/findings.md")

// TestPageListsTheRules holds docs/formats/findings.md to the table of rules.
func TestPageListsTheRules(t *testing.T) {
	const (
		page  = "../../../docs/formats/findings.md"
		begin = "<!-- rules -->\n"
		end   = "<!-- end -->\n"
	)
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table between %q and %q", page, begin, end)
	}
	var want strings.Builder
	want.WriteString("| rule | severity | title | what | mend | source |\n|---|---|---|---|---|---|\n")
	for _, r := range quality.Rules() {
		want.WriteString("| " + strings.Join([]string{string(r.ID), string(r.Severity), r.Title, r.What, r.Mend, r.Source}, " | ") + " |\n")
	}
	if got == want.String() {
		return
	}
	if !*update {
		t.Fatalf("%s does not list the rules as they are; run this test with -update", page)
	}
	if err := os.WriteFile(page, []byte(before+begin+want.String()+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}
