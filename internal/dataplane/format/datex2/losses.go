package datex2

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// fact is one member of a record that may be lost.
type fact struct {
	field string
	of    func(*hansa.Record) any
	why   string
}

// facts are all members of a situation record that its publisher said. What a
// node adds (dataset, received, defects) is not among them.
var facts = []fact{
	{"/version", func(r *hansa.Record) any { return r.Version }, "version"},
	{"/created", func(r *hansa.Record) any { return r.Created }, "DATEX II demands a time of creation"},
	{"/updated", func(r *hansa.Record) any { return r.Updated }, "DATEX II demands a time of the version"},
	{"/firstPublished", func(r *hansa.Record) any { return r.Published }, "DATEX II has no time of first publication"},
	{"/update", func(r *hansa.Record) any { return r.Update }, "DATEX II tells it by the times alone"},
	{"/mode", func(r *hansa.Record) any { return modeOf(r.Mode) }, "the mode is the situation's"},
	{"/provenance/holder", func(r *hansa.Record) any { return r.Provenance.Holder }, "DATEX II names the source alone"},
	{"/provenance/system", func(r *hansa.Record) any { return r.Provenance.System }, "DATEX II names the document's publisher"},
	{"/provenance/contact", func(r *hansa.Record) any { return r.Provenance.Contact }, "DATEX II has no contact"},
	{"/provenance/country", func(r *hansa.Record) any { return r.Provenance.Country }, "a country has two letters"},
	{"/provenance/ref", func(r *hansa.Record) any { return r.Provenance.Ref }, "DATEX II has one reference, the source's"},
	{"/provenance/legal", func(r *hansa.Record) any { return r.Provenance.Legal }, "DATEX II has no legal basis"},
	{"/provenance/origin", func(r *hansa.Record) any { return r.Provenance.Origin }, "DATEX II has no word for what was passed on"},
	{"/situation/incident", func(r *hansa.Record) any { return r.Situation.Incident }, "a situation needs an id"},
	{"/situation/role", func(r *hansa.Record) any { return r.Situation.Role }, "DATEX II tells it by the class of record"},
	{"/situation/lifecycle", func(r *hansa.Record) any { return r.Situation.Lifecycle }, "DATEX II has fewer stages"},
	{"/situation/repaired", func(r *hansa.Record) any { return r.Situation.Repaired }, "DATEX II does not tell repaired from open"},
	{"/situation/effect", func(r *hansa.Record) any { return r.Situation.Effect }, "the narrowest that all of the record allows"},
	{"/situation/cause", func(r *hansa.Record) any { return r.Situation.Cause }, "DATEX II has a list of causes"},
	{"/situation/certainty", func(r *hansa.Record) any { return r.Situation.Certainty }, "DATEX II demands one of three"},
	{"/situation/severity", func(r *hansa.Record) any { return r.Situation.Severity }, "DATEX II has a list of severities"},
	{"/situation/start", func(r *hansa.Record) any { return r.Situation.Start }, "DATEX II demands a start"},
	{"/situation/end", func(r *hansa.Record) any { return r.Situation.End }, "DATEX II has one end, the actual one when it is over"},
	{"/situation/endKind", func(r *hansa.Record) any { return r.Situation.EndKind }, "DATEX II says only whether an end is known, or overrun"},
	{"/situation/actualStart", func(r *hansa.Record) any { return r.Situation.ActualStart }, "DATEX II has one start"},
	{"/situation/actualEnd", func(r *hansa.Record) any { return r.Situation.ActualEnd }, "DATEX II has one end"},
	{"/situation/endRule", func(r *hansa.Record) any { return r.Situation.EndRule }, "DATEX II has no rule to end by"},
	{"/situation/recurrence", func(r *hansa.Record) any { return r.Situation.Recurrence }, "its windows are said in other words"},
	{"/situation/geometry", func(r *hansa.Record) any { return r.Situation.Geometry }, "the shape is said otherwise"},
	{"/situation/direction", func(r *hansa.Record) any { return r.Situation.Direction }, "DATEX II says it for measures alone"},
	{"/situation/extent", func(r *hansa.Record) any { return r.Situation.Extent }, "DATEX II tells it by the effect"},
	{"/situation/lanes", func(r *hansa.Record) any { return r.Situation.Lanes }, "DATEX II lists the lanes that are meant, with uses from a list"},
	{"/situation/infra/kind", func(r *hansa.Record) any { return r.Situation.Infra.Kind }, "DATEX II has a list of structures, for points and lines"},
	{"/situation/infra/id", func(r *hansa.Record) any { return r.Situation.Infra.ID }, "DATEX II has no id of a structure"},
	{"/situation/infra/name", func(r *hansa.Record) any { return r.Situation.Infra.Name }, "it is said for points and lines, up to 1024 characters"},
	{"/situation/infra/tube", func(r *hansa.Record) any { return r.Situation.Infra.Tube }, "DATEX II does not name tubes"},
	{"/situation/road", func(r *hansa.Record) any { return r.Situation.Road }, "DATEX II has name and number, for points and lines"},
	{"/situation/linearRefs", func(r *hansa.Record) any { return r.Situation.LinearRefs }, "only Alert-C can be written again"},
	{"/situation/vehicles", func(r *hansa.Record) any { return r.Situation.Vehicles }, "this kind of record holds for all vehicles"},
	{"/situation/detours", func(r *hansa.Record) any { return r.Situation.Detours }, "the way round is a record of its own"},
	{"/situation/texts", func(r *hansa.Record) any { return r.Situation.Texts }, "internal texts stay here; long ones are cut in pieces"},
	{"/situation/source/org", func(r *hansa.Record) any { return r.Situation.Source.Org }, "a text has up to 1024 characters"},
	{"/situation/source/system", func(r *hansa.Record) any { return r.Situation.Source.System }, "a text has up to 1024 characters"},
	{"/situation/source/contact", func(r *hansa.Record) any { return r.Situation.Source.Contact }, "DATEX II has no contact"},
	{"/situation/source/legal", func(r *hansa.Record) any { return r.Situation.Source.Legal }, "DATEX II has no legal basis"},
	{"/situation/source/ref", func(r *hansa.Record) any { return r.Situation.Source.Ref }, "a text has up to 1024 characters"},
	{"/situation/source/automatic", func(r *hansa.Record) any { return r.Situation.Source.Automatic }, "it is not written"},
	{"/situation/related/replaces", func(r *hansa.Record) any { return r.Situation.Related.Replaces }, "DATEX II has no word for it"},
	{"/situation/related/parent", func(r *hansa.Record) any { return r.Situation.Related.Parent }, "DATEX II has no word for it"},
	{"/situation/related/causedBy", func(r *hansa.Record) any { return r.Situation.Related.CausedBy }, "DATEX II has one cause"},
	{"/situation/related/contradicts", func(r *hansa.Record) any { return r.Situation.Related.Contradicts }, "DATEX II has no word for it"},
	{"/situation/audience", func(r *hansa.Record) any { return r.Situation.Audience }, "DATEX II has a list"},
}

// invented facts are those that DATEX II demands.
var invented = map[string]bool{
	"/created": true, "/updated": true, "/situation/incident": true, "/situation/certainty": true, "/situation/start": true,
}

// losses compares the record with what a reader makes of it when it was written.
func (p *plan) losses(doc format.Doc) []hansa.Loss {
	back := p.again(doc)
	if back == nil {
		return []hansa.Loss{{Record: p.r.ID, Field: "", Kind: hansa.LossNotExpressible, Reason: "what was written could not be read again"}}
	}
	var out []hansa.Loss
	for _, f := range facts {
		was, is := plain(f.of(p.r)), plain(f.of(back))
		if reflect.DeepEqual(was, is) || was == nil && strings.HasPrefix(f.field, "/provenance/") {
			continue
		}
		l := hansa.Loss{Record: p.r.ID, Field: f.field, Value: show(was), Kind: hansa.LossNotExpressible, Reason: f.why}
		switch {
		case was == nil, invented[f.field] && reflect.ValueOf(was).IsZero():
			l.Kind, l.Value = hansa.LossInvented, show(is)
		case f.field == "/situation/recurrence" || f.field == "/situation/detours" && p.detour != "":
			l.Kind = hansa.LossSplit
		}
		if f.field == "/situation/detours" && p.detour != "" {
			l.Reason = "the way round is the record " + p.detour
		}
		out = append(out, l)
	}
	return append(out, p.unknown(back)...)
}

// unknown reports the members without a word that were not written.
func (p *plan) unknown(back *hansa.Record) []hansa.Loss {
	var out []hansa.Loss
	add := func(field, value string) {
		out = append(out, hansa.Loss{
			Record: p.r.ID, Field: field, Value: cut(value), Kind: hansa.LossNotExpressible,
			Reason: "DATEX II as it is written here has no place for it",
		})
	}
	for _, name := range sorted(p.r.Unknown) {
		add("/"+name, string(p.r.Unknown[name]))
	}
	for _, name := range sorted(p.r.Situation.Unknown) {
		if name != member {
			add("/situation/"+name, string(p.r.Situation.Unknown[name]))
		}
	}
	is := map[leftover]int{}
	for _, l := range held(back.Situation) {
		is[l]++
	}
	for _, l := range p.kept {
		if is[l]--; is[l] < 0 {
			add("/situation/"+member+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(l.path), l.value)
		}
	}
	return out
}

func sorted(m map[string]json.RawMessage) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// plain returns v as it can be compared: times in UTC, pointers followed, nothing
// for what is empty.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return nil
		}
		return v.UTC().Round(0)
	case *time.Time:
		if v == nil {
			return nil
		}
		return v.UTC().Round(0)
	case *hansa.Geometry:
		if v == nil {
			return nil
		}
		return *v
	}
	x := reflect.ValueOf(v)
	if x.Kind() == reflect.Slice && x.Len() == 0 || x.Kind() == reflect.String && x.Len() == 0 {
		return nil
	}
	if r, ok := v.([]hansa.Recurrence); ok {
		b, _ := json.Marshal(r) //nolint:errchkjson // strings and numbers alone
		return string(b)
	}
	return v
}

// show says a value in a few words.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case hansa.Geometry:
		return string(v.Type)
	case []hansa.Text:
		return fmt.Sprintf("%d texts", len(v))
	}
	if x := reflect.ValueOf(v); x.Kind() == reflect.String {
		return cut(x.String())
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return cut(string(b))
}

func cut(s string) string {
	if len(s) <= valueMax {
		return s
	}
	return strings.ToValidUTF8(s[:valueMax], "")
}
