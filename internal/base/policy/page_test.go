package policy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// TestThePageSaysTheVocabulary holds docs/formats/policy.md to what Check takes.
func TestThePageSaysTheVocabulary(t *testing.T) {
	b, err := os.ReadFile("../../../docs/formats/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "| left operand |")
	table, _, _ = strings.Cut(table, "\n\n")
	said := map[string][]string{}
	for _, row := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(row, "|")
		name := strings.Trim(cells[1], " `")
		name = strings.Replace(name, "hansa:", "https://hansa-exchange.org/ns/", 1)
		name = strings.Replace(name, "edc:", "https://w3id.org/edc/v0.0.1/ns/", 1)
		said[name] = strings.Fields(strings.ReplaceAll(cells[2], "`", ""))
	}
	if len(said) != len(policy.LeftOperands()) {
		t.Errorf("the page lists %d operands, want %d", len(said), len(policy.LeftOperands()))
	}
	for _, name := range policy.LeftOperands() {
		for _, op := range policy.Operators() {
			err := policy.Check(parse(t, permitting(atomic(name, op, `{"x":1}`))))
			fits := !strings.HasSuffix(hansa.Public(err).Field, "/operator")
			if fits != slices.Contains(said[name], op) {
				t.Errorf("%s %s: the page says %v, Check says %v", name, op, !fits, fits)
			}
		}
	}
	example := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(b)
	p := parse(t, string(example[1]))
	if err := p.Validate(policy.FormOffer); err != nil {
		t.Error(err)
	}
	terms, err := p.Terms(noon)
	if err != nil || !policy.Equal(policy.FromTerms("x", &terms), p) {
		t.Errorf("the example comes to %+v, %v", terms, err)
	}
}
