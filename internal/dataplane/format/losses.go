package format

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/hansa-exchange/hansa"
)

// Report collects the losses of one record.
type Report struct {
	Record  string // its id
	Refused bool
	losses  []hansa.Loss
}

// Add notes a loss. value is cut to 200 bytes.
func (p *Report) Add(kind hansa.LossKind, field, value, reason string) {
	p.Refused = p.Refused || kind == hansa.LossRefused
	if len(value) > 200 {
		value = value[:200]
	}
	p.losses = append(p.losses, hansa.Loss{Record: p.Record, Field: field, Value: value, Kind: kind, Reason: reason})
}

// Refuse notes that the record is left out, and why.
func (p *Report) Refuse(field, value, reason string) {
	p.Add(hansa.LossRefused, field, value, reason)
}

// Losses returns what was noted, [LossesMax] at most. Of a record that was left
// out only the refusal matters, and only it is told.
func (p *Report) Losses() []hansa.Loss {
	if p.Refused {
		return Capped(slices.DeleteFunc(slices.Clone(p.losses), func(l hansa.Loss) bool { return l.Kind != hansa.LossRefused }))
	}
	return Capped(p.losses)
}

// Unsaid notes as not expressible each member that r has and said does not name.
// Members are named by their JSON pointer.
func (p *Report) Unsaid(r *hansa.Record, said ...string) {
	note := func(field, value string) {
		if value != "" && !slices.Contains(said, field) {
			p.Add(hansa.LossNotExpressible, field, value, "the format has no word for it")
		}
	}
	if r.Version > 0 {
		note("/version", strconv.FormatInt(r.Version, 10))
	}
	if s := r.Situation; s != nil {
		words(s, note)
		lists(s, note)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Unknown)) {
		note("/"+name, string(r.Unknown[name]))
	}
}

// words notes members that are a word or a time.
func words(s *hansa.Situation, note func(field, value string)) {
	note("/situation/incident", s.Incident)
	note("/situation/role", string(s.Role))
	if s.Lifecycle != hansa.Active {
		note("/situation/lifecycle", string(s.Lifecycle))
	}
	note("/situation/cause/type", s.Cause.Type)
	note("/situation/cause/detail", s.Cause.Detail)
	note("/situation/certainty", string(s.Certainty))
	note("/situation/severity", string(s.Severity))
	note("/situation/endKind", string(s.EndKind))
	note("/situation/endRule", string(s.EndRule))
	note("/situation/extent", string(s.Extent))
	note("/situation/infra/kind", s.Infra.Kind)
	note("/situation/infra/id", s.Infra.ID)
	note("/situation/infra/name", s.Infra.Name)
	note("/situation/infra/tube", s.Infra.Tube)
	note("/situation/road/name", s.Road.Name)
	note("/situation/road/number", s.Road.Number)
	note("/situation/road/from", s.Road.From)
	note("/situation/road/to", s.Road.To)
	note("/situation/source/org", s.Source.Org)
	note("/situation/source/system", s.Source.System)
	note("/situation/source/contact", s.Source.Contact)
	note("/situation/source/legal", s.Source.Legal)
	note("/situation/source/ref", s.Source.Ref)
	note("/situation/related/parent", s.Related.Parent)
	note("/situation/audience", s.Audience)
	if s.Repaired != nil {
		note("/situation/repaired", s.Repaired.String())
	}
	if s.Start != nil {
		note("/situation/start", s.Start.String())
	}
	if s.End != nil {
		note("/situation/end", s.End.String())
	}
	if s.ActualStart != nil {
		note("/situation/actualStart", s.ActualStart.String())
	}
	if s.ActualEnd != nil {
		note("/situation/actualEnd", s.ActualEnd.String())
	}
}

// lists notes members that are several.
func lists(s *hansa.Situation, note func(field, value string)) {
	count := func(field string, n int) {
		if n > 0 {
			note(field, strconv.Itoa(n))
		}
	}
	count("/situation/recurrence", len(s.Recurrence))
	count("/situation/lanes", len(s.Lanes))
	count("/situation/linearRefs", len(s.LinearRefs))
	count("/situation/vehicles", len(s.Vehicles))
	count("/situation/detours", len(s.Detours))
	count("/situation/texts", len(s.Texts))
	count("/situation/related/replaces", len(s.Related.Replaces))
	count("/situation/related/causedBy", len(s.Related.CausedBy))
	count("/situation/related/contradicts", len(s.Related.Contradicts))
	for _, name := range slices.Sorted(maps.Keys(s.Unknown)) {
		note("/situation/"+name, string(s.Unknown[name]))
	}
}

// Capped returns losses of one record, at most [LossesMax] of them; the last then
// says how many more there were. A refusal is never cut off.
func Capped(losses []hansa.Loss) []hansa.Loss {
	if len(losses) <= LossesMax {
		return losses
	}
	kept := losses[: LossesMax-1 : LossesMax-1]
	for _, l := range losses[LossesMax-1:] {
		if l.Kind == hansa.LossRefused {
			kept = append(slices.Clone(kept[:len(kept)-1]), l)
			break
		}
	}
	more := hansa.Loss{
		Record: losses[0].Record, Kind: hansa.LossNotExpressible,
		Reason: fmt.Sprintf("and %d losses more", len(losses)-len(kept)),
	}
	return append(kept, more)
}
