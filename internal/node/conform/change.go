package conform

import (
	"maps"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Change is a document with one edit.
type Change struct {
	At   string // where, as a JSON Pointer
	What string // "gone", "added", or the JSON that stands there now
	Doc  []byte
}

// others are what a value is changed into.
var others = []string{`"x"`, `""`, `1`, `true`, `null`, `{}`, `[]`, `[1]`, `["x"]`}

// members are added to objects that do not have them: some of them break a message,
// such as the second of two that exclude each other.
var members = map[string]string{
	"@id": `"i"`, "callbackAddress": `"https://y.example"`, "code": `"c"`, "consumerPid": `"c"`, "dataAddress": `{}`, "eventType": `"ACCEPTED"`,
	"providerPid": `"p"`, "reason": `["r"]`, "target": `"d"`, "unknown": `{"a":[1]}`,
}

// Changes lists the edits of every value in a document, one at a time: gone, or
// something else; and of every object, one member more. It panics when doc is no
// JSON: it is the caller's own.
func Changes(doc []byte) []Change {
	e := editor{root: parsed(doc)}
	e.walk(e.root, "")
	return e.out
}

// Broken lists those changes of a document of a type after which it breaks the
// schema of that type.
func Broken(kind string, doc []byte) []Change {
	return slices.DeleteFunc(Changes(doc), func(c Change) bool { return Valid(kind, c.Doc) == nil })
}

func parsed(doc []byte) (v any) {
	if err := json.Unmarshal(doc, &v); err != nil {
		panic("internal error: " + err.Error())
	}
	return v
}

type editor struct {
	root any
	out  []Change
}

func (e *editor) keep(at, what string) {
	b, err := json.Marshal(e.root, json.Deterministic(true), jsontext.EscapeForHTML(false))
	if err != nil {
		panic("internal error: " + err.Error()) // it was read from JSON
	}
	e.out = append(e.out, Change{at, what, b})
}

func (e *editor) walk(v any, at string) {
	switch v := v.(type) {
	case map[string]any:
		e.object(v, at)
	case []any:
		for i, was := range v {
			here := at + "/" + strconv.Itoa(i)
			for _, o := range others {
				v[i] = parsed([]byte(o))
				e.keep(here, o)
			}
			v[i] = was
			e.walk(was, here)
		}
	}
}

func (e *editor) object(v map[string]any, at string) {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		was := v[name]
		delete(v, name)
		e.keep(at+"/"+name, "gone")
		for _, o := range others {
			v[name] = parsed([]byte(o))
			e.keep(at+"/"+name, o)
		}
		v[name] = was
		e.walk(was, at+"/"+name)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if _, has := v[name]; !has {
			v[name] = parsed([]byte(members[name]))
			e.keep(at+"/"+name, "added")
			delete(v, name)
		}
	}
}
