package node

import (
	"os"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
)

// TestBehind: a rule of the gate leads to the clauses about the flow that it holds to,
// of every clause in the catalogue that has a gate, and to no other.
func TestBehind(t *testing.T) {
	text := &accord.Text{}
	for _, c := range policy.Clauses() {
		made, err := accord.NewClause(c, c.Examples(), []hansa.FlowID{"one"}, []string{"en"})
		if err != nil {
			t.Fatal(err)
		}
		text.Clauses = append(text.Clauses, made)
	}
	wants := map[string]string{
		"GATE-01": "no-enforcement-use purpose-forbidden purpose-limit", "GATE-02": "no-enforcement-use purpose-forbidden purpose-limit", "GATE-03": "term trial", "GATE-04": "term trial",
		"GATE-05": "daily-window", "GATE-06": "delay", "GATE-07": "area-limit", "GATE-08": "formats", "GATE-14": "area-limit", "GATE-15": "trade-secrets fields-limit",
		"GATE-16": "precision-limit", "GATE-18": "no-personal-data", "GATE-19": "retention", "GATE-21": "trade-secrets fields-limit", "GATE-22": "precision-limit",
		"GATE-02 research": "purpose-limit", "GATE-02 navigation": "", "GATE-02 customs": "no-enforcement-use purpose-limit", "GATE-02 resale": "purpose-forbidden purpose-limit",
	}
	check := func(rule hansa.Rule, purpose hansa.Purpose) {
		t.Helper()
		var ids []string
		for _, n := range behind(text, "one", rule, purpose) {
			ids = append(ids, text.Clauses[n-1].ID)
		}
		name := strings.TrimSpace(string(rule) + " " + string(purpose))
		if got := strings.Join(ids, " "); got != wants[name] {
			t.Errorf("%s leads to %q, want %q", name, got, wants[name])
		}
		if list := behind(text, "two", rule, purpose); len(list) > 0 {
			t.Errorf("%s leads to clauses %v, which are about another flow", name, list)
		}
	}
	for _, x := range gate.Titles() {
		check(x.Rule, "")
	}
	for _, purpose := range []hansa.Purpose{"research", "navigation", "customs", "resale"} {
		check(gate.PurposeDenied, purpose)
	}
}

// TestRulesInEveryLanguage: what the gate says of its denials stands in the catalogue of
// each language of the pages.
func TestRulesInEveryLanguage(t *testing.T) {
	for _, lang := range []string{"nl", "de", "fr", "it"} {
		b, err := os.ReadFile("../edge/room/po/" + lang + ".po")
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range gate.Titles() {
			if x.Outcome != hansa.Pass && !strings.Contains(string(b), "\nmsgid \""+x.Words+"\"\nmsgstr \"") {
				t.Errorf("%s lacks %s: %q", lang, x.Rule, x.Words)
			}
		}
	}
}
