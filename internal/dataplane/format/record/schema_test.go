package record_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/record"
)

// schema returns a function that checks one document against record-1.json.
func schema(t *testing.T) func([]byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(record.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("record-1.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("record-1.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

func TestSchemaRefuses(t *testing.T) {
	fits := schema(t)
	if err := fits([]byte(closure)); err != nil {
		t.Errorf("the closure does not fit: %v", err)
	}
	for _, in := range []string{
		`{}`, `{"kind":"situation","id":"a","version":1}`,
		strings.Replace(closure, `"version":3`, `"version":"3"`, 1),
		strings.Replace(closure, `"version":3`, `"document":{"mediaType":"a/b","body":""}`, 1),
		strings.Replace(closure, `+02:00`, ``, 1),
		strings.Replace(closure, `"LineString"`, `"Polygon"`, 1),
	} {
		if fits([]byte(in)) == nil {
			t.Errorf("the schema takes %s", in)
		}
	}
}

// TestSchemaNamesEveryMember keeps the schema in step with the words of the root.
func TestSchemaNamesEveryMember(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(record.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	root, _ := doc.(map[string]any)
	compareMembers(t, root, root, reflect.TypeFor[hansa.Record](), "")
}

func compareMembers(t *testing.T, root, schema map[string]any, typ reflect.Type, at string) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		defs, _ := root["$defs"].(map[string]any)
		schema, _ = defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice && typ.Elem().Kind() != reflect.Uint8 {
		if typ.Kind() == reflect.Slice {
			schema, _ = schema["items"].(map[string]any)
			compareMembers(t, root, schema, typ.Elem(), at+"/-")
			return
		}
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() || typ == reflect.TypeFor[hansa.Geometry]() {
		return
	}
	props, _ := schema["properties"].(map[string]any)
	var names []string
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		names = append(names, name)
		sub, ok := props[name].(map[string]any)
		if !ok {
			t.Errorf("%s/%s is not in the schema", at, name)
			continue
		}
		compareMembers(t, root, sub, f.Type, at+"/"+name)
	}
	for name := range props {
		if !slices.Contains(names, name) {
			t.Errorf("%s/%s is in the schema alone", at, name)
		}
	}
}
