package policy_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa/internal/base/policy"
)

const schemas = "../../../../shared/schemas/dsp-2025-1"

// forms are the policies that the protocol knows, each with one that is rich.
var forms = []struct {
	name string
	form policy.Form
	rich string
}{
	{"Offer", policy.FormOffer, `{"@id":"o","@type":"Offer","profile":["a","b"],"permission":[` + richRule + `],"obligation":[{"action":"use","constraint":[]}]}`},
	{"MessageOffer", policy.FormMessageOffer, `{"@id":"o","@type":"Offer","profile":"a","target":"d","prohibition":[` + richRule + `,{"action":"use"}]}`},
	{"Agreement", policy.FormAgreement, `{"@id":"a","@type":"Agreement","target":"d","assigner":"x","assignee":"y","timestamp":"2026-01-01T00:00:00Z","permission":[` + richRule + `],"prohibition":[{"action":"use"}]}`},
}

const richRule = `{"action":"use","note":1,"constraint":[
	{"leftOperand":"purpose","operator":"isAnyOf","rightOperand":["a",{"@id":"b"}],"note":null},
	{"leftOperand":"spatial","operator":"eq","rightOperand":{"type":"Polygon"}},
	{"or":[{"leftOperand":"dateTime","operator":"lt","rightOperand":"2026-01-01T00:00:00Z"},{"and":[]}]},
	{"andSequence":[{"xone":[{"leftOperand":"dateTime","operator":"term-lteq","rightOperand":"x"}]}]}]}`

// contract compiles one definition of contract-schema.json.
func contract(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(schemas, "negotiation/contract-schema.json"))
	if err != nil {
		t.Skip("the protocol's schemas do not lie beside this checkout: ../shared/schemas/dsp-2025-1")
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	const at = "https://w3id.org/dspace/2025/1/negotiation/contract-schema.json"
	if err := c.AddResource(at, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(at + "#/definitions/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// change is one edit of a document: at a path, something else or nothing.
type change struct {
	path []string
	put  any
	gone bool
}

// others are what a value is changed into.
var others = []any{"x", json.Number("1"), true, nil, map[string]any{}, []any{}, []any{json.Number("1")}, []any{"x"}, map[string]any{"@id": "x"}}

// changes lists every edit of every value in v.
func changes(v any, path []string) (out []change) {
	if len(path) > 0 {
		out = append(out, change{path: path, gone: true})
		for _, o := range others {
			out = append(out, change{path: path, put: o})
		}
	}
	step := func(name string, kid any) {
		if name != "note" { // a stranger's member, ours to keep and nothing more
			out = append(out, changes(kid, append(slices.Clone(path), name))...)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			step(name, v[name])
		}
	case []any:
		for i, kid := range v {
			step(strconv.Itoa(i), kid)
		}
	}
	return out
}

// apply returns v with c done to it; v is not changed.
func (c change) apply(v any) any {
	if len(c.path) == 0 {
		return c.put
	}
	name, rest := c.path[0], change{path: c.path[1:], put: c.put, gone: c.gone}
	last := len(rest.path) == 0 && c.gone
	switch v := v.(type) {
	case map[string]any:
		v = maps.Clone(v)
		if last {
			delete(v, name)
		} else if kid, ok := v[name]; ok {
			v[name] = rest.apply(kid)
		}
		return v
	case []any:
		i, err := strconv.Atoi(name)
		if err != nil || i >= len(v) {
			return v
		}
		v = slices.Clone(v)
		if last {
			return slices.Delete(v, i, i+1)
		}
		v[i] = rest.apply(v[i])
		return v
	}
	return v
}

func read(t testing.TB, s string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(s)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// agree reports whether the schema takes doc, and fails when Validate differs.
func agree(t rapid.TB, s *jsonschema.Schema, form policy.Form, doc any) bool {
	t.Helper()
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	schema := s.Validate(doc)
	p, ours := policy.Parse(b)
	if ours == nil {
		ours = p.Validate(form)
	}
	if (schema == nil) != (ours == nil) {
		t.Fatalf("%s\nthe schema says %v\nwe say %v", b, schema, ours)
	}
	return schema == nil
}

func TestValidateAgreesWithTheSchema(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			s, rich := contract(t, f.name), read(t, f.rich)
			if !agree(t, s, f.form, rich) {
				t.Fatal("the schema refuses what the changes begin with")
			}
			all, refused := changes(rich, nil), 0
			for _, c := range all {
				if !agree(t, s, f.form, c.apply(rich)) {
					refused++
				}
			}
			t.Logf("%d changes, %d refused by both", len(all), refused)
			if refused < len(all)/3 || refused == len(all) {
				t.Errorf("%d of %d changes are refused: they say nothing", refused, len(all))
			}
			rapid.Check(t, func(t *rapid.T) {
				doc := rich
				for range rapid.IntRange(2, 4).Draw(t, "changes") {
					doc = rapid.SampledFrom(all).Draw(t, "change").apply(doc)
				}
				agree(t, s, f.form, doc)
			})
			for _, other := range forms { // each in the place of each
				agree(t, s, f.form, read(t, other.rich))
			}
		})
	}
}

// TestTheSpecificationsExamples reads every policy in the examples of the
// specification, checks it against the schema's rules and holds to it.
func TestTheSpecificationsExamples(t *testing.T) {
	files, err := filepath.Glob(schemas + "/*/example/*.json")
	if err != nil || len(files) == 0 {
		t.Skip("the protocol's schemas do not lie beside this checkout: ../shared/schemas/dsp-2025-1")
	}
	n := 0
	var find func(name string, v any, form policy.Form)
	find = func(name string, v any, form policy.Form) {
		switch v := v.(type) {
		case map[string]any:
			if v["@type"] == "Offer" || v["@type"] == "Agreement" {
				b, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				n++
				p, err := policy.Parse(b)
				if err == nil && v["@type"] == "Agreement" {
					form = policy.FormAgreement
				}
				if err == nil {
					err = p.Validate(form)
				}
				if err != nil {
					t.Errorf("%s: %s: %v", name, b, err)
					return
				}
				// The full one names operands that the specification made up for it.
				invented := bytes.Contains(b, []byte(`"partner"`))
				if err := policy.Check(p); (err != nil) != invented || invented && !strings.Contains(err.Error(), `"partner"`) {
					t.Errorf("%s: %s: %v", name, b, err)
				}
				return
			}
			for _, k := range slices.Sorted(maps.Keys(v)) {
				find(name, v[k], form)
			}
		case []any:
			for _, kid := range v {
				find(name, kid, form)
			}
		}
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		form := policy.FormMessageOffer
		if filepath.Base(filepath.Dir(filepath.Dir(file))) == "catalog" {
			form = policy.FormOffer
		}
		find(filepath.Base(file), read(t, string(b)), form)
	}
	if n < 5 {
		t.Errorf("only %d policies were found in %d files", n, len(files))
	}
}
