package policy_test

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

const offer = `{"@id":"urn:uuid:1","@type":"Offer","permission":[{"action":"use","constraint":[
	{"leftOperand":"purpose","operator":"isAnyOf","rightOperand":["navigation","traffic-information"]},
	{"or":[{"leftOperand":"dateTime","operator":"lt","rightOperand":"2026-12-01T00:00:00Z"},{"leftOperand":"recipient","operator":"eq","rightOperand":"did:web:a"}]}]}]}`

func parse(t testing.TB, s string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return p
}

func write(t testing.TB, p *policy.Policy) string {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseKeepsWhatItDoesNotKnow(t *testing.T) {
	for _, in := range []string{
		`{"@id":"a","permission":[{"action":"use"}]}`,
		`{"@id":"a","@type":"Agreement","target":"d","assigner":"x","assignee":"y","timestamp":"2026-01-01T00:00:00Z","permission":[{"action":"use"}]}`,
		`{"@id":"a","profile":"one","prohibition":[{"action":"use","colour":{"a":null}}],"edc:x":[1,2]}`,
		`{"@id":"a","profile":["one","two"],"permission":[{"action":"use","constraint":[{"and":[],"note":"n"}]}]}`,
		`{"@id":"a","permission":[],"obligation":[]}`,
	} {
		if got := write(t, parse(t, in)); got != in {
			t.Errorf("got  %s\nwant %s", got, in)
		}
	}
	p := parse(t, `{"@id":"a","profile":["one"],"permission":[{"action":"use","constraint":[]}]}`)
	if got, want := write(t, p), `{"@id":"a","profile":"one","permission":[{"action":"use"}]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if p := parse(t, offer); write(t, p.Clone()) != write(t, p) {
		t.Error("a clone reads otherwise")
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat(`{"and":[`, 20) + strings.Repeat(`]}`, 20)
	for _, tc := range []struct{ name, in, field string }{
		{"no JSON", `{`, ""},
		{"two values", `{"@id":"a"} {}`, ""},
		{"a member twice", `{"@id":"a","@id":"b"}`, "/@id"},
		{"bytes that are no text", "{\"@id\":\"\xff\"}", "/@id"},
		{"an id that is a number", `{"@id":1}`, "/@id"},
		{"null as id", `{"@id":null}`, "/@id"},
		{"null as rules", `{"@id":"a","permission":null}`, "/permission"},
		{"null as a rule", `{"@id":"a","permission":[null]}`, "/permission/0"},
		{"null as a profile", `{"@id":"a","profile":["x",null]}`, "/profile/1"},
		{"null as an operand", `{"@id":"a","permission":[{"action":"use","constraint":[{"leftOperand":null}]}]}`, "/permission/0/constraint/0/leftOperand"},
		{"a rule that is a string", `{"@id":"a","permission":["use"]}`, "/permission/0"},
		{"a number out of range", `{"@id":"a","x":1e999}`, "/x"},
		{"too deep", `{"@id":"a","permission":[{"action":"use","constraint":[` + deep + `]}]}`, "/permission/0/constraint/0" + strings.Repeat("/and/0", 18)},
		{"too many rules", `{"@id":"a","permission":[` + strings.Repeat(`{"action":"use"},`, policy.RulesMax) + `{"action":"use"}]}`, ""},
		{"too many constraints", `{"@id":"a","permission":[{"action":"use","constraint":[` + strings.Repeat(`{},`, policy.ConstraintsMax) + `{}]}]}`, ""},
		{"too large", `{"@id":"` + strings.Repeat("a", policy.BytesMax) + `"}`, ""},
		{"nothing", ``, ""},
		{"an array", `[]`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := policy.Parse([]byte(tc.in))
			got := hansa.Public(err)
			if got == nil || got.Kind != hansa.Invalid || got.Field != tc.field {
				t.Errorf("got %v (field %q), want an Invalid error at %q", err, got.Field, tc.field)
			}
		})
	}
}

func TestAMessageThatHoldsAPolicyIsUnderTheSameLimits(t *testing.T) {
	var m struct {
		Offer *policy.Policy `json:"offer"`
	}
	if err := json.Unmarshal([]byte(`{"offer":`+offer+`}`), &m); err != nil || len(m.Offer.Permission) != 1 {
		t.Errorf("got %v, %v", m.Offer, err)
	}
	err := json.Unmarshal([]byte(`{"offer":{"@id":null}}`), &m)
	if got := hansa.Public(err); got.Kind != hansa.Invalid || got.Field != "/@id" {
		t.Errorf("got %v, want an Invalid error at /@id", err)
	}
}

func TestEqual(t *testing.T) {
	rule := func(s string) string { return `{"@id":"x","permission":[{"action":"use","constraint":[` + s + `]}]}` }
	for _, tc := range []struct {
		name, a, b string
		want       bool
	}{
		{"another id, type and party", offer, strings.Replace(offer, `"@id":"urn:uuid:1","@type":"Offer"`, `"@id":"b","@type":"Agreement","assigner":"c","target":"d"`, 1), true},
		{"another purpose", offer, strings.Replace(offer, "navigation", "advertising", 1), false},
		{"no constraints and an empty list", `{"@id":"a","permission":[{"action":"use"}]}`, rule(""), true},
		{"a full name", `{"@id":"a","permission":[{"action":"use"}]}`, `{"@id":"a","permission":[{"action":"odrl:use","constraint":[]}]}`, true},
		{
			"a list of one", rule(`{"leftOperand":"purpose","operator":"isAnyOf","rightOperand":["a"]}`),
			rule(`{"leftOperand":"http://www.w3.org/ns/odrl/2/purpose","operator":"isAnyOf","rightOperand":{"@value":"a"}}`), true,
		},
		{
			"another order", rule(`{"leftOperand":"purpose","operator":"isAnyOf","rightOperand":["a","b"]},{"and":[]}`),
			rule(`{"and":[]},{"leftOperand":"purpose","operator":"isAnyOf","rightOperand":["b","a"]}`), true,
		},
		{
			"a shape written as text", rule(`{"leftOperand":"spatial","operator":"eq","rightOperand":{"b":1,"a":[1.0]}}`),
			rule(`{"leftOperand":"spatial","operator":"eq","rightOperand":"{\"a\":[1],\"b\":1}"}`), true,
		},
		{"a permission and a prohibition", `{"@id":"a","permission":[{"action":"use"}]}`, `{"@id":"a","prohibition":[{"action":"use"}]}`, false},
		{"a duty added", `{"@id":"a","permission":[{"action":"use"}]}`, `{"@id":"a","permission":[{"action":"use","duty":[]}]}`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := policy.Equal(parse(t, tc.a), parse(t, tc.b)); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
	if !policy.Equal(nil, nil) || policy.Equal(parse(t, offer), nil) {
		t.Error("none equals none alone")
	}
}

func TestHash(t *testing.T) {
	a, b := parse(t, `{"@id":"a","x":1.0,"permission":[{"action":"use"}]}`), parse(t, `{"permission":[{"constraint":[],"action":"use"}],"x":1,"@id":"a"}`)
	// printf '%s' '{"@id":"a","permission":[{"action":"use"}],"x":1}' | sha256sum
	const want = "a60eca39864b8a064ce7ce8c11be739b18ae20a20616c334d5dc2c0f9eb24606"
	if a.Hash() != want || b.Hash() != want {
		t.Errorf("got %s and %s, want %s", a.Hash(), b.Hash(), want)
	}
}
