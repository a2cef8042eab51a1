package hansa_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDependencies holds go.mod to the list of decisions: each direct dependency
// has its line, and each line its dependency.
func TestDependencies(t *testing.T) {
	page, err := os.ReadFile("docs/decisions/0005-dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		listed[m[1]] = true
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	direct := map[string]bool{}
	for line := range strings.SplitSeq(string(mod), "\n") {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) == 2 && strings.HasPrefix(fields[1], "v") {
			direct[fields[0]] = true
		}
	}
	for m := range direct {
		if !listed[m] {
			t.Errorf("%s is a direct dependency without a line in docs/decisions/0005-dependencies.md", m)
		}
	}
	for m := range listed {
		if !direct[m] {
			t.Errorf("docs/decisions/0005-dependencies.md lists %s, which go.mod does not require", m)
		}
	}
}
