package gate

import "github.com/hansa-exchange/hansa"

// fieldSet holds the fields that may leave.
type fieldSet struct {
	cause, texts, source, lanes, vehicles, detours               bool
	certainty, severity, linear, related, recurrence, properties bool
}

// allow marks a field as one that may leave; false when there is no such field.
func (f *fieldSet) allow(name string) bool {
	at := map[string]*bool{
		"cause": &f.cause, "texts": &f.texts, "source": &f.source, "lanes": &f.lanes,
		"vehicles": &f.vehicles, "detours": &f.detours, "certainty": &f.certainty,
		"severity": &f.severity, "linearRefs": &f.linear, "related": &f.related,
		"recurrence": &f.recurrence, "properties": &f.properties,
	}[name]
	if at != nil {
		*at = true
	}
	return at != nil
}

// widens reports whether s would be false without what f withholds: a closure of
// lanes, for some, at times or perhaps would read as one of all, for everybody,
// always and for sure.
func (f *fieldSet) widens(s *hansa.Situation) bool {
	switch {
	case !f.vehicles && len(s.Vehicles) > 0, !f.recurrence && len(s.Recurrence) > 0:
		return true
	case !f.certainty && s.Certainty != "" && s.Certainty != hansa.Certain:
		return true
	case f.lanes || len(s.Lanes) == 0:
		return false
	case s.Partial():
		return true
	}
	for i := range s.Lanes {
		if !s.Lanes[i].Closed {
			return true
		}
	}
	return false
}

// withholds reports whether s has anything that f keeps back. What a situation
// replaces is identity and always leaves.
func (f *fieldSet) withholds(s *hansa.Situation) bool {
	rel := &s.Related
	switch {
	case !f.cause && s.Cause != hansa.Cause{},
		!f.texts && len(s.Texts) > 0,
		!f.source && s.Source != hansa.Source{},
		!f.lanes && len(s.Lanes) > 0,
		!f.detours && len(s.Detours) > 0,
		!f.certainty && s.Certainty != "",
		!f.severity && s.Severity != "",
		!f.linear && len(s.LinearRefs) > 0,
		!f.related && (rel.Parent != "" || len(rel.CausedBy) > 0 || len(rel.Contradicts) > 0),
		!f.properties && len(s.Unknown) > 0:
		return true
	}
	return false
}

// strip takes from s, which is a copy, what f keeps back.
func (f *fieldSet) strip(s *hansa.Situation) {
	if !f.cause {
		s.Cause = hansa.Cause{}
	}
	if !f.texts {
		s.Texts = nil
	}
	if !f.source {
		s.Source = hansa.Source{}
	}
	if !f.lanes {
		s.Lanes = nil
	}
	if !f.vehicles {
		s.Vehicles = nil
	}
	if !f.detours {
		s.Detours = nil
	}
	if !f.certainty {
		s.Certainty = ""
	}
	if !f.severity {
		s.Severity = ""
	}
	if !f.linear {
		s.LinearRefs = nil
	}
	if !f.related {
		s.Related = hansa.Related{Replaces: s.Related.Replaces}
	}
	if !f.recurrence {
		s.Recurrence = nil
	}
	if !f.properties {
		s.Unknown = nil
	}
}
