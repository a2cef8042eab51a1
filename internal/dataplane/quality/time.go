package quality

import (
	"time"

	"github.com/hansa-exchange/hansa"
)

const (
	longYears  = 5         // a situation that lasts longer is probably a mistake
	staleAfter = 365       // days without a word about something live
	overdue    = time.Hour // after a start that nobody has confirmed
	windowsMax = 16        // windows looked into for one record
)

func stamp(t time.Time) string { return t.Format(time.RFC3339) }

// times checks the record's own times.
func times(f *found, r *hansa.Record, now time.Time) {
	if r.Updated.IsZero() {
		f.add("TIME-11", "/updated", "")
		return
	}
	if r.Updated.After(now.Add(hansa.SkewMax)) {
		f.tell("TIME-04", "/updated", stamp(r.Updated), "it is "+stamp(now))
	}
	if r.Created.After(r.Updated) {
		f.tell("TIME-05", "/created", stamp(r.Created), "updated at "+stamp(r.Updated))
	}
	if r.Live() && r.Situation != nil && r.Situation.End == nil && r.Updated.Before(now.AddDate(0, 0, -staleAfter)) {
		f.add("TIME-17", "/updated", stamp(r.Updated))
	}
}

// period checks when a situation is planned and was.
func period(f *found, s *hansa.Situation, now time.Time) {
	if s.Start == nil && s.ActualStart == nil {
		f.add("TIME-10", "/situation/start", "")
	}
	if s.Start != nil && s.End != nil {
		if !s.End.After(*s.Start) {
			f.tell("TIME-02", "/situation/end", stamp(*s.End), "it starts at "+stamp(*s.Start))
		} else if len(s.Recurrence) == 0 && s.End.After(s.Start.AddDate(longYears, 0, 0)) {
			f.add("TIME-14", "/situation/end", stamp(*s.End))
		}
	}
	if s.ActualStart != nil && s.ActualEnd != nil && s.ActualEnd.Before(*s.ActualStart) {
		f.tell("TIME-03", "/situation/actualEnd", stamp(*s.ActualEnd), "it began at "+stamp(*s.ActualStart))
	}
	if s.ActualEnd != nil && s.ActualEnd.After(now.Add(hansa.SkewMax)) {
		f.add("TIME-12", "/situation/actualEnd", stamp(*s.ActualEnd))
	}
	if s.ActualStart != nil && s.ActualStart.After(now.Add(hansa.SkewMax)) {
		f.add("TIME-13", "/situation/actualStart", stamp(*s.ActualStart))
	}
	for _, t := range [...]struct {
		field string
		at    *time.Time
	}{{"/situation/start", s.Start}, {"/situation/end", s.End}} {
		if t.at != nil && (t.at.Year() < 1990 || t.at.Year() > now.Year()+100) {
			f.add("TIME-15", t.field, stamp(*t.at))
		}
	}
	ends(f, s, now)
}

// ends checks how a situation says that it ends.
func ends(f *found, s *hansa.Situation, now time.Time) {
	switch {
	case s.End == nil && s.ActualEnd == nil && s.EndKind != hansa.EndUnknown && s.Lifecycle.Live() && !bounded(s):
		f.add("TIME-06", "/situation/end", "")
	case s.End != nil && s.EndKind == hansa.EndUnknown:
		f.add("TIME-16", "/situation/endKind", string(s.EndKind))
	}
	if s.End != nil && s.Lifecycle.Live() && s.EndRule == "" && s.ActualEnd == nil && now.After(*s.End) {
		f.tell("TIME-07", "/situation/end", stamp(*s.End), "it is "+stamp(now))
	}
}

// bounded reports whether every window of s has a last day.
func bounded(s *hansa.Situation) bool {
	for i := range s.Recurrence {
		if s.Recurrence[i].Last == "" {
			return false
		}
	}
	return len(s.Recurrence) > 0
}

// recurrences checks the windows that come back.
func recurrences(f *found, s *hansa.Situation, now time.Time) {
	from := now
	if s.Start != nil {
		from = *s.Start
	}
	for i := range s.Recurrence[:min(len(s.Recurrence), windowsMax)] {
		w := &s.Recurrence[i]
		if w.Zone == "" {
			f.add("TIME-08", at("recurrence", i, "/zone"), "")
			continue
		}
		schedule, err := w.Schedule()
		if err != nil {
			f.tell("TIME-18", at("recurrence", i, ""), "", hansa.Public(err).Message)
			continue
		}
		next, ok := schedule.Next(from)
		if !ok || s.End != nil && !next.From.Before(*s.End) {
			f.add("TIME-09", at("recurrence", i, ""), w.From+"-"+w.To)
		}
	}
}
