package geojson

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"

	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

type writer struct{}

var _ format.Writer = writer{}

func (writer) Write(w io.Writer, _ format.Doc, records iter.Seq[*hansa.Record]) ([]hansa.Loss, error) {
	bw, done := format.BufferedWriter(w)
	defer done()
	_, _ = bw.WriteString(`{"type":"FeatureCollection","features":[`) // a bufio.Writer keeps its error for Flush
	var losses []hansa.Loss
	sep := "\n"
	for r := range records {
		b, lost := feature(r)
		losses = append(losses, lost...)
		if b == nil {
			continue
		}
		_, _ = bw.WriteString(sep)
		_, _ = bw.Write(b)
		sep = ",\n"
	}
	_, _ = bw.WriteString("\n]}\n")
	if err := bw.Flush(); err != nil {
		return losses, fmt.Errorf("write features: %w", err)
	}
	return losses, nil
}

func (writer) Losses(r *hansa.Record) []hansa.Loss {
	_, losses := feature(r)
	return losses
}

// feature returns r as a feature, or nil when it is refused, and what is lost.
func feature(r *hansa.Record) ([]byte, []hansa.Loss) {
	frame := *r
	frame.Situation, frame.Observation, frame.Unknown = nil, nil, nil
	var inner any
	var shape *hansa.Geometry
	var losses []hansa.Loss
	switch {
	case r.Situation != nil:
		s := *r.Situation
		shape, s.Geometry = s.Geometry, nil
		losses = outward(r.ID, &s)
		inner = &s
	case r.Observation != nil:
		o := *r.Observation
		shape, o.Geometry = o.Geometry, nil
		inner = &o
	default:
		return nil, refuse(r, "/kind", "GeoJSON tells of things that have a place; a document has none")
	}
	outer, lost := kept(r.ID, r.Unknown, inFeature, "the name means something else in a GeoJSON feature")
	losses = append(losses, lost...)
	b, err := assemble(&frame, inner, shape, outer)
	if err != nil {
		e := format.JSONRefusal(err)
		return nil, refuse(r, e.Field, e.Message)
	}
	return b, format.Capped(losses)
}

func refuse(r *hansa.Record, field, reason string) []hansa.Loss {
	return []hansa.Loss{{Record: r.ID, Field: field, Kind: hansa.LossRefused, Reason: reason}}
}

func assemble(frame *hansa.Record, inner any, shape *hansa.Geometry, outer map[string]json.RawMessage) ([]byte, error) {
	b := append([]byte(nil), `{"type":"Feature","id":`...)
	b, err := jsontext.AppendQuote(b, frame.ID)
	if err != nil {
		return nil, fmt.Errorf("write the id: %w", err)
	}
	b = append(b, `,"geometry":`...)
	if shape == nil {
		b = append(b, "null"...)
	} else {
		if err := shape.Validate(); err != nil {
			return nil, err
		}
		b = shape.AppendJSON(b)
	}
	first, err := strict.Marshal(frame, strict.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write the record: %w", err)
	}
	second, err := strict.Marshal(inner, strict.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write the properties: %w", err)
	}
	b = append(b, `,"properties":`...)
	b = append(b, first[:len(first)-1]...)
	b = append(b, ',') // neither is ever empty
	b = append(b, second[1:]...)
	for _, name := range slices.Sorted(maps.Keys(outer)) {
		b = append(b, ',')
		if b, err = jsontext.AppendQuote(b, name); err != nil {
			return nil, fmt.Errorf("write a member's name: %w", err)
		}
		b = append(b, ':')
		b = append(b, outer[name]...)
	}
	b = append(b, '}')
	// What was kept raw is checked here, with everything else.
	v := jsontext.Value(b)
	if err := v.Compact(); err != nil {
		return nil, fmt.Errorf("write the feature: %w", err)
	}
	return v, nil
}

// outward takes from s what a feature may not or cannot say.
func outward(id string, s *hansa.Situation) []hansa.Loss {
	var losses []hansa.Loss
	var texts []hansa.Text
	for i, t := range s.Texts {
		if t.Kind != "internal" {
			texts = append(texts, t)
			continue
		}
		losses = append(losses, hansa.Loss{
			Record: id, Field: "/situation/texts/" + strconv.Itoa(i), Kind: hansa.LossNotExpressible,
			Reason: "internal text never leaves the node",
		})
	}
	s.Texts = texts
	unknown, lost := kept(id, s.Unknown, inFrame, "the name is that of another property")
	s.Unknown = unknown
	for i := range lost {
		lost[i].Field = "/situation" + lost[i].Field
	}
	return append(losses, lost...)
}

// kept returns the members of m that are not taken, and the others as losses.
func kept(id string, m map[string]json.RawMessage, taken func(string) bool, reason string) (map[string]json.RawMessage, []hansa.Loss) {
	var losses []hansa.Loss
	out := map[string]json.RawMessage{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !taken(name) {
			out[name] = m[name]
			continue
		}
		losses = append(losses, hansa.Loss{
			Record: id, Field: "/" + string(jsontext.Pointer("").AppendToken(name)[1:]), Value: short(m[name]),
			Kind: hansa.LossNotExpressible, Reason: reason,
		})
	}
	if len(out) == 0 {
		out = nil
	}
	return out, losses
}

func short(b []byte) string { return string(b[:min(len(b), 200)]) }
