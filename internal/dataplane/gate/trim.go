package gate

import (
	"slices"

	"github.com/hansa-exchange/hansa"
)

const internalText = "internal"

// trims returns the rule by which r leaves trimmed, or none when it leaves whole.
func (g *Gate) trims(r *hansa.Record) hansa.Rule {
	if g.limited && g.keeps(r) {
		return FieldsTrimmed
	}
	if g.scale != 0 && g.coarsens(r) {
		return Coarsened
	}
	if r.Situation != nil && slices.ContainsFunc(r.Situation.Texts, isInternal) {
		return Internal
	}
	return ""
}

func isInternal(t hansa.Text) bool { return t.Kind == internalText }

// keeps reports whether r has anything that the terms withhold. Defects quote
// what they are about, so they count too.
func (g *Gate) keeps(r *hansa.Record) bool {
	return len(r.Defects) > 0 || !g.fields.properties && len(r.Unknown) > 0 ||
		!g.fields.source && tells(&r.Provenance) ||
		r.Situation != nil && g.fields.withholds(r.Situation)
}

// tells reports whether p says more of the source than its holder.
func tells(p *hansa.Provenance) bool {
	return p.System != "" || p.Contact != "" || p.Ref != "" || p.Legal != "" || p.Feed != ""
}

// coarsens reports whether r says anywhere where it is more precisely than the
// terms allow. Map references, unknown members and quoted values may.
func (g *Gate) coarsens(r *hansa.Record) bool {
	if at := place(r); at != nil && finer(at, g.scale) {
		return true
	}
	if len(r.Defects) > 0 || len(r.Unknown) > 0 {
		return true
	}
	s := r.Situation
	if s == nil {
		return false
	}
	for i := range s.Detours {
		if d := s.Detours[i].Geometry; d != nil && finer(d, g.scale) {
			return true
		}
	}
	return len(s.LinearRefs) > 0 || len(s.Unknown) > 0
}

// Trim returns a copy of r without what g's terms withhold: fields, decimals of
// coordinates, map references finer than those, internal texts, who entered it,
// original bytes, and what defects quote. r is not changed; parts that are not
// trimmed are shared with it. Call it only after [Gate.Decide] let r through:
// what trimming would make false is denied there.
func (g *Gate) Trim(r *hansa.Record) *hansa.Record {
	c := *r
	c.Original, c.OriginalType = nil, ""
	c.Provenance.EnteredBy = ""
	if g.limited || g.scale != 0 {
		c.Defects = unquoted(r.Defects)
	}
	if g.limited && !g.fields.source {
		c.Provenance = hansa.Provenance{Holder: c.Provenance.Holder, Format: c.Provenance.Format, Country: c.Provenance.Country, Origin: c.Provenance.Origin}
	}
	if g.scale != 0 || g.limited && !g.fields.properties {
		c.Unknown = nil
	}
	if r.Observation != nil && r.Observation.Geometry != nil && g.scale != 0 {
		o := *r.Observation
		o.Geometry = coarse(o.Geometry, g.scale)
		c.Observation = &o
	}
	if r.Situation != nil {
		c.Situation = g.situation(r.Situation)
		if len(c.Situation.Texts) != len(r.Situation.Texts) {
			c.Defects = unquoted(r.Defects)
		}
	}
	return &c
}

// situation returns a trimmed copy of s.
func (g *Gate) situation(s *hansa.Situation) *hansa.Situation {
	c := *s
	if g.limited {
		g.fields.strip(&c)
	}
	if slices.ContainsFunc(c.Texts, isInternal) {
		c.Texts = slices.DeleteFunc(slices.Clone(c.Texts), isInternal)
	}
	if g.scale == 0 {
		return &c
	}
	c.LinearRefs, c.Unknown = nil, nil
	if c.Geometry != nil {
		c.Geometry = coarse(c.Geometry, g.scale)
	}
	c.Detours = slices.Clone(c.Detours)
	for i := range c.Detours {
		d := &c.Detours[i]
		switch {
		case d.Geometry == nil:
		case collapses(d.Geometry, g.scale):
			d.Geometry = nil // advice keeps its text; a point is no way round
		default:
			d.Geometry = coarse(d.Geometry, g.scale)
		}
	}
	return &c
}

// unquoted returns defects without the values that they quote.
func unquoted(defects []hansa.Finding) []hansa.Finding {
	if len(defects) == 0 {
		return nil
	}
	c := make([]hansa.Finding, len(defects))
	for i, d := range defects {
		c[i] = hansa.Finding{Rule: d.Rule, Severity: d.Severity, Field: d.Field}
	}
	return c
}
