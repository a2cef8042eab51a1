package policy_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// TestCatalogue reads each clause as it lies on disk and holds it to the rules.
func TestCatalogue(t *testing.T) {
	files, err := filepath.Glob("clauses/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 40 || len(files) != len(policy.Clauses()) {
		t.Errorf("%d files, %d clauses, want as many and at least 40", len(files), len(policy.Clauses()))
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := policy.ReadClause(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	groups, models := map[string]bool{}, map[hansa.Model]bool{}
	for _, c := range policy.Clauses() {
		groups[c.Group] = true
		for _, m := range c.Models {
			models[m] = true
		}
	}
	if len(groups) != len(policy.Groups()) || len(models) != len(hansa.Models()) {
		t.Errorf("clauses in %d groups of %d, for %d models of %d", len(groups), len(policy.Groups()), len(models), len(hansa.Models()))
	}
}

// TestCatalogueGolden: an id stays, and what is in a version of a clause never changes.
func TestCatalogueGolden(t *testing.T) {
	var b bytes.Buffer
	list := policy.Clauses()
	slices.SortFunc(list, func(a, b *policy.Clause) int { return strings.Compare(a.ID, b.ID) })
	for _, c := range list {
		fmt.Fprintf(&b, "%s %d %s\n", c.ID, c.Version, c.Hash())
	}
	for _, p := range policy.Packs() {
		fmt.Fprintf(&b, "%s %s\n", p.Name(), p.Hash())
	}
	const name = "testdata/catalogue.golden"
	if *update {
		if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(golden) {
		t.Errorf("the catalogue has changed: a clause that says something else gets a new version, a rule pack a new date; then -update.\ngot:\n%s", got)
	}
}

// pluralForms returns the words of a text that go by a parameter's number.
func pluralForms(text, param string) (one, many []string) {
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "{"+param+"|")
		if !found {
			return one, many
		}
		form, tail, _ := strings.Cut(after, "}")
		a, b, _ := strings.Cut(form, "|")
		one, many, rest = append(one, a), append(many, b), tail
	}
}

// TestEachClauseReads renders each clause in each language, and each count with
// none, one, two and many.
func TestEachClauseReads(t *testing.T) {
	seen := map[string]int{} // language and number
	for _, c := range policy.Clauses() {
		for _, lang := range policy.Languages() {
			text, err := c.Render(c.Examples(), lang)
			if err != nil || strings.ContainsAny(text, "{}|") || !strings.HasSuffix(text, ".") || strings.Contains(text, "  ") {
				t.Errorf("%s in %s: %q, %v", c.ID, lang, text, err)
			}
			for i := range c.Params {
				p := &c.Params[i]
				if p.Kind == policy.KindCount {
					countReads(t, c, p, lang, seen)
				}
			}
		}
	}
	for _, lang := range policy.Languages() {
		for _, n := range []string{"0", "1", "2", "many"} {
			if seen[lang+" "+n] == 0 {
				t.Errorf("no clause was read in %s with %s", lang, n)
			}
		}
	}
}

func countReads(t *testing.T, c *policy.Clause, p *policy.Param, lang string, seen map[string]int) {
	t.Helper()
	one, many := pluralForms(c.Text.In(lang), p.Name)
	for _, n := range []int64{0, 1, 2, p.Max} {
		params := c.Examples()
		params[p.Name] = strconv.FormatInt(n, 10)
		text, err := c.Render(params, lang)
		if n < p.Min || n > p.Max {
			e := hansa.Public(err)
			if e == nil || e.Kind != hansa.Invalid || e.Field != "/parameters/"+p.Name || !strings.Contains(e.Message, p.Name+" is a whole number of "+p.Unit) {
				t.Errorf("%s with %s=%d: %v, want an error that names the parameter and the rule", c.ID, p.Name, n, err)
			}
			continue
		}
		want := many
		if n == 1 || n == 0 && lang == "fr" { // Unicode CLDR
			want = one
		}
		if err != nil || !strings.Contains(text, strconv.FormatInt(n, 10)) {
			t.Errorf("%s in %s with %s=%d: %q, %v", c.ID, lang, p.Name, n, text, err)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s in %s with %s=%d reads %q, want %q", c.ID, lang, p.Name, n, text, w)
			}
		}
		key := strconv.FormatInt(n, 10)
		if n > 2 {
			key = "many"
		}
		if len(want) > 0 {
			seen[lang+" "+key]++
		}
	}
}

// TestTextsInFull holds some clauses to their whole text, as testdata/texts.txt has it.
func TestTextsInFull(t *testing.T) {
	b, err := os.ReadFile("testdata/texts.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\n")
	lines := strings.Split(strings.TrimSpace(rest), "\n")
	if len(lines) < 20 {
		t.Fatalf("%d lines", len(lines))
	}
	for i := 0; i < len(lines); i += 2 {
		head := strings.Fields(lines[i])
		params := policy.Params{}
		for _, p := range head[2:] {
			name, v, _ := strings.Cut(p, "=")
			params[name] = strings.ReplaceAll(v, "_", " ")
		}
		want := strings.ReplaceAll(strings.TrimSpace(lines[i+1]), "~", "\u00a0")
		if got, err := clause(t, head[0]).Render(params, head[1]); err != nil || got != want {
			t.Errorf("%s:\ngot  %q, %v\nwant %q", lines[i], got, err, want)
		}
	}
}

func clause(t testing.TB, id string) *policy.Clause {
	t.Helper()
	c, ok := policy.ClauseByID(id)
	if !ok {
		t.Fatalf("there is no clause %s", id)
	}
	return c
}

// TestParametersRefused: each error names the parameter and its rule.
func TestParametersRefused(t *testing.T) {
	for _, tc := range []struct {
		id     string
		params policy.Params
		field  string
		want   string
	}{
		{"k-threshold", nil, "/parameters/k", "the clause k-threshold needs k, which has no default: give a whole number of persons from 2 to 10000"},
		{"k-threshold", policy.Params{"k": "1"}, "/parameters/k", `k is a whole number of persons from 2 to 10000, not "1"`},
		{"k-threshold", policy.Params{"k": "010"}, "/parameters/k", "whole number"},
		{"k-threshold", policy.Params{"k": "10", "K": "9"}, "/parameters/K", `has no parameter "K"; it has k`},
		{"no-personal-data", policy.Params{"x": "1"}, "/parameters/x", "it has none"},
		{"availability", policy.Params{"percent": "100.01"}, "/parameters/percent", "percentage from 0 to 100"},
		{"availability", policy.Params{"percent": "99,5"}, "/parameters/percent", "percentage from 0 to 100"},
		{"purpose-limit", policy.Params{"purposes": "a,,b"}, "/parameters/purposes", "with commas between them"},
		{"purpose-limit", policy.Params{"purposes": "a,a"}, "/parameters/purposes", "a list"},
		{"purpose-limit", policy.Params{"purposes": strings.Repeat("a", 600)}, "/parameters/purposes", "a list"},
		{"fields-limit", policy.Params{"fields": "colour"}, "/parameters/fields", "a list of cause"},
		{"receiver-kinds", policy.Params{"kinds": "state"}, "/parameters/kinds", "city, public-body"},
		{"term", policy.Params{"from": "2026-02-30", "until": "2027-01-01"}, "/parameters/from", "a day, such as 2026-12-01"},
		{"daily-window", policy.Params{"from": "25:00"}, "/parameters/from", "a time of day"},
		{"daily-window", policy.Params{"zone": "Mars/Base"}, "/parameters/zone", "an IANA time zone"},
		{"daily-window", policy.Params{"from": "06:00", "until": "06:00", "zone": `x","night":true,"zone":"UTC`}, "/parameters/zone", "an IANA time zone"},
		{"area-limit", policy.Params{"area-name": "x", "area": `{"type":"Point","coordinates":[1,2]}`}, "/parameters/area", "the GeoJSON of a Polygon"},
		{"price", policy.Params{"price": "12 euro"}, "/parameters/price", "a currency and an amount"},
		{"controller-roles", policy.Params{"roles": "none"}, "/parameters/roles", "separate, joint or processor"},
		{"legal-basis", policy.Params{"basis": "consent", "reference": "two\nlines"}, "/parameters/reference", "one line"},
	} {
		c := clause(t, tc.id)
		_, render := c.Render(tc.params, "en")
		_, odrl := c.ODRL(tc.params)
		_, check := c.Check(tc.params, &policy.Measured{})
		for _, err := range []error{render, odrl, check} {
			e := hansa.Public(err)
			if e == nil || e.Kind != hansa.Invalid || e.Field != tc.field || !strings.Contains(e.Message, tc.want) {
				t.Errorf("%s %v: %v, want at %s: %s", tc.id, tc.params, err, tc.field, tc.want)
			}
		}
	}
	if _, err := clause(t, "delay").Render(nil, "es"); err == nil || hansa.Public(err).Field != "/language" {
		t.Errorf("Spanish: %v", err)
	}
}

// TestReadClauseRefuses: the rules of the catalogue, one broken at a time.
func TestReadClauseRefuses(t *testing.T) {
	base, err := os.ReadFile("clauses/notice.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, old, new, field string }{
		{"an unknown member", `"version"`, `"colour": 1, "version"`, ""},
		{"a member twice", `"version": 1`, `"version": 1, "version": 2`, ""},
		{"another language", `"nl": "Opzegging"`, `"nl": "Opzegging", "es": "x"`, ""},
		{"a language lacking", `"nl": "Opzegging"`, `"nl": ""`, "/title"},
		{"an id", `"id": "notice"`, `"id": "Notice"`, "/id"},
		{"a version", `"version": 1`, `"version": 0`, "/version"},
		{"a group", `"group": "term"`, `"group": "x"`, "/group"},
		{"a bearer", `"bearer": "both"`, `"bearer": "all"`, "/bearer"},
		{"a model", `"pool"`, `"club"`, "/models"},
		{"evidence", `"evidence": "journal"`, `"evidence": "hearsay"`, "/evidence"},
		{"no source", `"source": "Fintraffic traffic data rulebook (90 days)"`, `"source": ""`, "/source"},
		{"a parameter that is not there", `{days|Tag|Tagen}`, `{weeks|Tag|Tagen}`, "/text/de"},
		{"a parameter that is not said", `von mindestens {days} {`, `von {`, "/text/de"},
		{"half a placeholder", `{days|Tag|Tagen}`, `{days|Tag`, "/text/de"},
		{"no such check", `"function": "ahead"`, `"function": "behind"`, "/check/function"},
		{"a bound that is not there", `"limit": "days"`, `"limit": "weeks"`, "/check/limit"},
		{"a measure lacking", `"notice-given",`, ``, "/check/measures"},
		{"limits turned round", `"max": 730`, `"max": 0`, "/parameters/days"},
		{"a default outside the limits", `"default": "90"`, `"default": "900"`, "/parameters/days"},
		{"no default and no example", `"default": "90"`, `"default": ""`, "/parameters/days"},
	} {
		b := bytes.Replace(base, []byte(tc.old), []byte(tc.new), 1)
		if bytes.Equal(b, base) {
			t.Errorf("%s: %s is not in the file", tc.name, tc.old)
			continue
		}
		_, err := policy.ReadClause(b)
		if e := hansa.Public(err); e == nil || e.Kind != hansa.Invalid || e.Field != tc.field {
			t.Errorf("%s: %v, want an Invalid error at %q", tc.name, err, tc.field)
		}
	}
}

// TestODRLRoundTrips: what each clause comes to is read back as it was written, is
// in the vocabulary, and reaches the gate or the list of what is owed.
func TestODRLRoundTrips(t *testing.T) {
	purpose, err := clause(t, "purpose-limit").ODRL(policy.Params{"purposes": "navigation,research"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range policy.Clauses() {
		rules, err := c.ODRL(c.Examples())
		if err != nil {
			t.Errorf("%s: %v", c.ID, err)
			continue
		}
		p := policy.Compose("urn:uuid:1", purpose, rules)
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := policy.Parse(b)
		if err != nil || !policy.Equal(p, back) || write(t, back) != string(b) {
			t.Errorf("%s: %s comes back as %v, %v", c.ID, b, back, err)
			continue
		}
		if err := policy.Check(back); err != nil {
			t.Errorf("%s: %v", c.ID, err)
		}
		if err := back.Validate(policy.FormOffer); err != nil {
			t.Errorf("%s: %v", c.ID, err)
		}
		said := strings.Join(policy.Words(back), "\n")
		text, _ := c.Render(c.Examples(), "en")
		_, terms := back.Terms(noon)
		if c.Rule == nil && (!strings.Contains(said, "Owed: "+text) || terms == nil) {
			t.Errorf("%s is owed, and the policy says %q; its terms: %v", c.ID, said, terms)
		}
		if c.Rule != nil && (len(back.Obligation) > 0 || terms != nil) {
			t.Errorf("%s is the gate's: %v", c.ID, terms)
		}
	}
	if err := policy.Check(policy.Compose("urn:uuid:1")); err == nil {
		t.Error("nothing composed permits something")
	}
}

// TestTermsOfClauses: several clauses come to one set of terms.
func TestTermsOfClauses(t *testing.T) {
	var parts []policy.Rules
	for id, params := range map[string]policy.Params{
		"purpose-limit": {"purposes": "navigation,advertising"}, "purpose-forbidden": nil, "delay": {"minutes": "10"},
		"precision-limit": nil, "formats": {"formats": "cifs"}, "term": {"from": "2027-01-01", "until": "2028-01-01"}, "no-personal-data": nil, "daily-window": nil,
	} {
		r, err := clause(t, id).ODRL(params)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, r)
	}
	terms, err := policy.Compose("x", parts...).Terms(noon)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(terms.Purposes, terms.Formats, terms.Delay, *terms.Precision, terms.From.Year(), terms.Until.Year(), terms.Conditions, terms.Windows[0].From)
	if want := "[navigation] [cifs] 10m0s 3 2027 2028 map[personal:none]06:00"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestDutiesRefused: an obligation that borrows the catalogue's name is held to it.
func TestDutiesRefused(t *testing.T) {
	const ns = "https://hansa-exchange.org/ns/"
	days := func(v string) string { return atomic(ns+"term/days", "eq", v) }
	for _, tc := range []struct{ name, action, constraints, field, want string }{
		{"as it is", "notice/1", days(`"90"`), "", ""},
		{"an unknown clause", "silence/1", "", "/obligation/0/action", `no "silence"`},
		{"another version", "notice/2", days(`"90"`), "/obligation/0/action", "in version 1"},
		{"no version", "notice", days(`"90"`), "/obligation/0/action", "in version 1"},
		{"a clause of the gate", "delay/1", "", "/obligation/0/action", "no duty"},
		{"a parameter lacking, though it has a default", "notice/1", "", "/obligation/0/constraint", "does not say its parameter days"},
		{"a parameter twice", "notice/1", days(`"90"`) + "," + days(`"30"`), "/obligation/0/constraint/1", "twice"},
		{"a value out of bounds", "notice/1", days(`"9000"`), "/obligation/0/constraint", "from 1 to 730"},
		{"another operator", "notice/1", atomic(ns+"term/days", "gteq", `"90"`), "/obligation/0/constraint/0", "eq, and the value"},
		{"another operand", "notice/1", atomic("purpose", "eq", `"x"`), "/obligation/0/constraint/0", "constraints say its parameters"},
		{"a list", "notice/1", days(`["90"]`), "/obligation/0/constraint/0/rightOperand", "a string"},
		{"a unit", "notice/1", strings.Replace(days(`"90"`), "}", `,"unit":"year"}`, 1), "/obligation/0/constraint/0/unit", "leave it out"},
	} {
		p := parse(t, `{"@id":"p","permission":[{"action":"use"}],"obligation":[{"action":"`+ns+"duty/"+tc.action+`","constraint":[`+tc.constraints+`]}]}`)
		e := hansa.Public(policy.Check(p))
		if tc.want == "" {
			if e != nil {
				t.Errorf("%s: %v", tc.name, e)
			}
			continue
		}
		if e == nil || e.Field != tc.field || !strings.Contains(e.Message, tc.want) {
			t.Errorf("%s: %v, want at %s: %s", tc.name, e, tc.field, tc.want)
		}
	}
	duty := ns + "duty/notice/1"
	for _, p := range []string{`{"@id":"p","permission":[{"action":"` + duty + `"}]}`, `{"@id":"p","permission":[{"action":"use"}],"prohibition":[{"action":"` + duty + `"}]}`} {
		if err := policy.Check(parse(t, p)); err == nil || !strings.HasSuffix(hansa.Public(err).Field, "/action") {
			t.Errorf("a duty that is no obligation: %v", err)
		}
	}
}

// TestLabels: the catalogue has a word in each language for each word of its own.
func TestLabels(t *testing.T) {
	want := map[string][]string{"groups": policy.Groups(), "fields": hansa.Fields(), "kinds": {"city", "public-body", "company", "intermediary"}, "notes": {"not-enforced", "blocks", "uncovered"}}
	for _, m := range hansa.Models() {
		want["models"] = append(want["models"], string(m))
	}
	for _, c := range policy.Clauses() {
		want["bearers"] = append(want["bearers"], string(c.Bearer))
		want["evidence"] = append(want["evidence"], string(c.Evidence))
		if p := c.Examples()["purposes"]; p != "" {
			want["purposes"] = append(want["purposes"], strings.Split(p, ",")...)
		}
	}
	for list, all := range want {
		for _, word := range all {
			for _, lang := range policy.Languages() {
				if s, ok := policy.Label(list, word, lang); !ok || s == "" {
					t.Errorf("%s has no word in %s for %s", list, lang, word)
				}
			}
		}
	}
	if s, ok := policy.Label("formats", "datex2", "it"); s != "DATEX II" || !ok {
		t.Error(s)
	}
	if _, ok := policy.Label("purposes", "juggling", "en"); ok {
		t.Error("a word that is not there is known")
	}
}
