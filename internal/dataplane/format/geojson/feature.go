package geojson

import (
	stdjson "encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// FitRule is the finding on a property of a name that we know whose value is not
// what we expect under it. It is kept as it came, its name behind [Foreign].
const FitRule hansa.Rule = "FORM-01"

// Foreign begins the name under which a property that does not fit is kept.
const Foreign = "foreign:"

// foreign is a feature as it came.
type foreign struct {
	Type       string                    `json:"type"`
	ID         jsontext.Value            `json:"id"`
	Geometry   jsontext.Value            `json:"geometry"`
	Properties map[string]jsontext.Value `json:"properties"`
	Unknown    map[string]jsontext.Value `json:",embed"`
}

// observed is an observation with the properties that it has no word for.
type observed struct {
	hansa.Observation
	Unknown map[string]stdjson.RawMessage `json:",embed"`
}

// identity returns the feature's id, or that of its properties.
func (f *foreign) identity() (string, *hansa.Error) {
	for _, v := range []jsontext.Value{f.ID, f.Properties["id"]} {
		if v.Kind() == '0' {
			return string(v), nil
		}
		var s string
		if v.Kind() == '"' && json.Unmarshal(v, &s) == nil && s != "" {
			return s, nil
		}
	}
	return "", hansa.Fielded("/id", "a feature needs an id, a string or a number")
}

// record makes a record of f.
func (f *foreign) record(id string) (*hansa.Record, *hansa.Error) {
	if f.Type != "Feature" {
		return nil, hansa.Fielded("/type", "a feature's type is Feature, not %q", f.Type)
	}
	shape, err := f.shape()
	if err != nil {
		return nil, err
	}
	r := &hansa.Record{}
	odd := fill(r, f.frame())
	r.ID = id
	if r.Kind == hansa.KindDocument {
		return nil, hansa.Fielded("/properties/kind", "a feature holds a situation or an observation")
	}
	inner := f.inner()
	if r.Kind == hansa.KindObservation {
		var o observed
		odd = append(odd, fill(&o, inner)...)
		r.Observation, r.Unknown = &o.Observation, o.Unknown
		r.Observation.Geometry = shape
	} else {
		if r.Kind != hansa.KindSituation {
			odd = append(odd, part{"kind", f.Properties["kind"]})
		}
		r.Kind, r.Situation = hansa.KindSituation, &hansa.Situation{}
		odd = append(odd, fill(r.Situation, inner)...)
		r.Situation.Geometry = shape
	}
	f.rest(r, odd)
	if err := r.Validate(); err != nil {
		return nil, atFeature(hansa.Public(err))
	}
	return r, nil
}

// shape reads the geometry; nil is none.
func (f *foreign) shape() (*hansa.Geometry, *hansa.Error) {
	var g *hansa.Geometry
	if len(f.Geometry) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(f.Geometry, &g); err != nil {
		e := format.JSONRefusal(err)
		return nil, e.At("/geometry" + e.Field)
	}
	return g, nil
}

// frame returns the properties that belong to the record.
func (f *foreign) frame() map[string]jsontext.Value {
	m := map[string]jsontext.Value{}
	for name, v := range f.Properties {
		if inFrame(name) && name != "id" && !inner(name) {
			m[name] = v
		}
	}
	return m
}

// inner returns the properties that belong to what the record holds.
func (f *foreign) inner() map[string]jsontext.Value {
	m := map[string]jsontext.Value{}
	for name, v := range f.Properties {
		if !inFrame(name) && name != "geometry" {
			m[name] = v
		}
	}
	return m
}

// inner reports whether name is that of a part which lies flat in the properties.
func inner(name string) bool {
	return name == "situation" || name == "observation" || name == "document"
}

// part is a property that does not fit.
type part struct {
	name  string
	value jsontext.Value
}

// fill reads members into v and returns those that do not fit.
func fill[T any](v *T, members map[string]jsontext.Value) (odd []part) {
	trial := *v
	if whole, err := json.Marshal(members); err == nil && json.Unmarshal(whole, &trial) == nil {
		*v = trial
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		trial = *v
		one, err := json.Marshal(map[string]jsontext.Value{name: members[name]})
		if err != nil || json.Unmarshal(one, &trial) != nil {
			odd = append(odd, part{name, members[name]})
			continue
		}
		*v = trial
	}
	return odd
}

// rest keeps in r what has no place of its own: properties that do not fit, with
// a finding each, and members of the feature.
func (f *foreign) rest(r *hansa.Record, odd []part) {
	for _, name := range []string{"situation", "observation", "document", "geometry"} {
		if v, ok := f.Properties[name]; ok {
			odd = append(odd, part{name, v})
		}
	}
	for name, v := range f.Unknown {
		if !inFeature(name) { // a bbox would tell of positions that the terms withhold
			keep(&r.Unknown, name, v)
		}
	}
	for _, p := range odd {
		if p.value == nil {
			continue // kind was not there at all
		}
		if r.Situation != nil {
			keep(&r.Situation.Unknown, Foreign+p.name, p.value)
		} else {
			keep(&r.Unknown, Foreign+p.name, p.value)
		}
		if len(r.Defects) < hansa.FindingsMax {
			r.Defects = append(r.Defects, hansa.Finding{
				Rule: FitRule, Severity: hansa.Fault, Field: "/properties/" + p.name, Value: short(p.value),
				Message: "the value does not fit the member of this name; it is kept as " + Foreign + p.name,
				Mend:    "write it as docs/formats/record.md says, or under another name",
			})
		}
	}
}

func keep(m *map[string]stdjson.RawMessage, name string, v jsontext.Value) {
	if *m == nil {
		*m = map[string]stdjson.RawMessage{}
	}
	(*m)[name] = stdjson.RawMessage(v)
}

// atFeature moves the place of an error from the record to the feature.
func atFeature(e *hansa.Error) *hansa.Error {
	for _, at := range []string{"/situation", "/observation"} {
		rest, ok := strings.CutPrefix(e.Field, at+"/")
		if !ok {
			continue
		}
		if strings.HasPrefix(rest, "geometry") {
			return e.At("/" + rest)
		}
		return e.At("/properties/" + rest)
	}
	return e
}
