package quality

import "github.com/hansa-exchange/hansa"

// Update670 holds r against what Articles 8(1), 9(1) and 10(1) of Delegated
// Regulation (EU) 2022/670 ask an update to carry: type, location, direction,
// period, kind of update and its time. This check looks at whether they are
// there; whether a duty is met is not its word. Documents are not looked at.
func Update670(r *hansa.Record) []hansa.Finding {
	var f found
	update670(&f, r)
	return f.all()
}

func update670(f *found, r *hansa.Record) {
	switch {
	case r.Situation != nil:
		situation670(f, r.Situation)
	case r.Observation != nil:
		o := r.Observation
		if o.What == "" {
			f.add("RTTI-01", "/observation/what", "")
		}
		if o.Geometry == nil && o.Subject == "" {
			f.add("RTTI-02", "/observation/geometry", "")
		}
		if o.Observed.IsZero() {
			f.add("RTTI-04", "/observation/observed", "")
		}
	default:
		return
	}
	if r.Update == "" {
		f.add("RTTI-05", "/update", "")
	}
	if r.Updated.IsZero() {
		f.add("RTTI-06", "/updated", "")
	}
}

func situation670(f *found, s *hansa.Situation) {
	if s.Effect == "" {
		f.add("RTTI-01", "/situation/effect", "")
	}
	if (s.Geometry == nil || len(s.Geometry.Lines) == 0) && len(s.LinearRefs) == 0 {
		f.add("RTTI-02", "/situation/geometry", "")
	}
	if s.Direction == "" {
		f.add("RTTI-03", "/situation/direction", "")
	}
	begins := s.Start != nil || s.ActualStart != nil
	ends := s.End != nil || s.ActualEnd != nil || bounded(s)
	switch {
	case !begins:
		f.tell("RTTI-04", "/situation/start", "", "no start")
	case ends:
	case s.EndKind != hansa.EndUnknown:
		f.tell("RTTI-04", "/situation/end", "", "neither an end nor the word that it is unknown")
	case s.Lifecycle == hansa.Planned || s.Lifecycle == hansa.Confirmed || s.Lifecycle == hansa.Draft:
		f.tell("RTTI-04", "/situation/end", "", "only what has already begun may have an unknown end")
	}
}
