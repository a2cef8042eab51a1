package quality

import (
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

const idShort = 3 // CIFS takes no shorter one

// identity checks the record's name and version.
func identity(f *found, r *hansa.Record) {
	switch {
	case r.ID == "":
		f.add("ID-01", "/id", "")
	case len(r.ID) > hansa.IDBytesMax:
		f.add("ID-02", "/id", r.ID)
	case strings.IndexFunc(r.ID, func(c rune) bool { return c <= ' ' || c >= 0x7f && c < 0xa1 || c == 0xfffd }) >= 0:
		f.add("ID-03", "/id", r.ID)
	case len(r.ID) < idShort:
		f.add("ID-04", "/id", r.ID)
	}
	if r.Version == 0 {
		f.add("VER-00", "/version", "0")
	}
	switch r.Update {
	case hansa.Insert, hansa.Modify, hansa.End, hansa.Redact:
	case "":
		f.add("LIFE-10", "/update", "")
	default:
		f.add("LIFE-14", "/update", string(r.Update))
	}
	switch r.Mode {
	case "", hansa.Real, hansa.Test, hansa.Exercise:
	default:
		f.add("LIFE-15", "/mode", string(r.Mode))
	}
}

// lifecycle checks the stage of a situation against what else it says.
func lifecycle(f *found, r *hansa.Record, now time.Time) {
	const field = "/situation/lifecycle"
	s := r.Situation
	stage := string(s.Lifecycle)
	switch s.Lifecycle {
	case hansa.Ended:
		if s.EndKind == hansa.EndUnknown && s.ActualEnd == nil {
			f.add("LIFE-01", field, stage)
		}
		if r.Update == hansa.Insert || r.Update == hansa.Modify {
			f.add("LIFE-05", "/update", string(r.Update))
		}
	case hansa.Cancelled:
		if r.Update != hansa.Redact {
			f.add("LIFE-03", "/update", string(r.Update))
		}
	case hansa.Active:
		active(f, s, now)
	case hansa.Planned, hansa.Confirmed:
		if s.Start != nil && now.After(s.Start.Add(overdue)) && len(s.Recurrence) == 0 {
			f.add("LIFE-07", field, stage)
		}
	case hansa.Draft:
		f.add("LIFE-13", field, stage)
	case hansa.Suspended:
	default:
		f.add("LIFE-08", field, stage)
	}
	if s.Lifecycle.Live() {
		if r.Update == hansa.End || r.Update == hansa.Redact {
			f.add("LIFE-06", field, stage)
		}
		if s.ActualEnd != nil && !now.Before(*s.ActualEnd) {
			f.add("LIFE-09", "/situation/actualEnd", stamp(*s.ActualEnd))
		}
	}
	switch s.Effect {
	case hansa.RoadClosed, hansa.DirectionClosed, hansa.LanesClosed, hansa.Restriction, hansa.NoEffect:
	default:
		f.add("LIFE-11", "/situation/effect", string(s.Effect))
	}
}

func active(f *found, s *hansa.Situation, now time.Time) {
	if s.Repaired != nil && s.Effect != hansa.NoEffect {
		f.add("LIFE-02", "/situation/repaired", stamp(*s.Repaired))
	}
	if s.ActualStart == nil && s.Start != nil && s.Start.After(now.Add(hansa.SkewMax)) {
		f.tell("LIFE-04", "/situation/start", stamp(*s.Start), "it is "+stamp(now))
	}
	if s.Certainty == hansa.RiskOf {
		f.add("LIFE-12", "/situation/certainty", string(s.Certainty))
	}
}

// relations checks what ties the record to others.
func relations(f *found, r *hansa.Record) {
	s := r.Situation
	rel := &s.Related
	for i, id := range rel.Replaces {
		switch {
		case id == r.ID:
			f.add("REL-01", at("related/replaces", i, ""), id)
		case slices.Contains(rel.Replaces[:i], id):
			f.add("REL-05", at("related/replaces", i, ""), id)
		}
	}
	if (s.Role == hansa.RoleCounterMeasure || s.Role == hansa.RoleDiversion) && s.Incident == "" {
		f.add("REL-02", "/situation/incident", "")
	}
	if r.ID != "" && (rel.Parent == r.ID || slices.Contains(rel.CausedBy, r.ID) || slices.Contains(rel.Contradicts, r.ID)) {
		f.add("REL-03", "/situation/related", r.ID)
	}
	if s.Role == hansa.RoleDiversion && s.Geometry == nil && len(s.Detours) == 0 {
		f.add("REL-04", "/situation/detours", "")
	}
	switch s.Role {
	case "", hansa.RoleClosure, hansa.RoleCounterMeasure, hansa.RoleDiversion, hansa.RoleIncident, hansa.RoleWorks:
	default:
		f.add("REL-06", "/situation/role", string(s.Role))
	}
}
