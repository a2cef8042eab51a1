package cifs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// schedule is the hours of each day of the week, by the clocks of the place.
type schedule struct {
	Everyday  string `xml:"everyday,omitempty" json:"everyday,omitempty"`
	Monday    string `xml:"monday,omitempty" json:"monday,omitempty"`
	Tuesday   string `xml:"tuesday,omitempty" json:"tuesday,omitempty"`
	Wednesday string `xml:"wednesday,omitempty" json:"wednesday,omitempty"`
	Thursday  string `xml:"thursday,omitempty" json:"thursday,omitempty"`
	Friday    string `xml:"friday,omitempty" json:"friday,omitempty"`
	Saturday  string `xml:"saturday,omitempty" json:"saturday,omitempty"`
	Sunday    string `xml:"sunday,omitempty" json:"sunday,omitempty"`
}

const (
	day  = 24 * 60 // minutes
	week = 7 * day
)

// span is minutes since Sunday 00:00 by the clock.
type span struct{ from, to int }

// IncidentsMax is how many incidents one record becomes at most.
const IncidentsMax = 500

// schedule fills p.i.Schedule and narrows start and end to the first and last
// window; zone is that of the windows. What a week of hours cannot say becomes an
// incident of each window, or is refused when it has no end.
func (p *planner) schedule(start time.Time, end *time.Time) (time.Time, *time.Time, *time.Location) {
	rs := p.s.Recurrence
	if field, reason := weekly(rs); reason != "" {
		return p.dates(start, field, reason)
	}
	zone, err := time.LoadLocation(rs[0].Zone)
	if err != nil {
		p.report.Refuse("/situation/recurrence/0/zone", rs[0].Zone, "there is no such time zone")
		return start, end, nil
	}
	var spans []span
	for i := range rs {
		s, err := spansOf(&rs[i])
		if err != nil {
			e := hansa.Public(err)
			p.report.Refuse("/situation"+e.Field, "", e.Message)
			return start, end, nil
		}
		spans = append(spans, s...)
	}
	hours, midnight := table(spans)
	p.i.Schedule = hours
	if midnight {
		p.report.Add(hansa.LossNotExpressible, "/situation/recurrence", "23:59", "Waze's day ends at 23:59: the minute before midnight is left out")
	}
	return p.bound(start, end, zone)
}

// dates fills the windows of what is not the same every week, those left out that
// are over; start and end become those of the first and the last.
func (p *planner) dates(start time.Time, field, reason string) (time.Time, *time.Time, *time.Location) {
	list, _, without := format.Occurrences(p.s, start, IncidentsMax)
	if without != "" {
		p.report.Refuse("/situation/recurrence/"+field, "", reason+"; and an incident of each date cannot be made: "+without)
		return start, nil, nil
	}
	p.report.Add(hansa.LossSplit, "/situation/recurrence", strconv.Itoa(len(list)), reason+": each time is an incident of its own")
	if !p.doc.Made.IsZero() {
		list = slices.DeleteFunc(list, func(w hansa.Window) bool { return !w.To.After(p.doc.Made) })
	}
	if len(list) == 0 {
		p.report.Refuse("/situation/recurrence", "", "its last window is over: absence says it")
		return start, nil, nil
	}
	p.windows = list
	zone, err := time.LoadLocation(p.s.Recurrence[0].Zone)
	if err != nil {
		zone = p.doc.Zone
	}
	return list[0].From, &list[len(list)-1].To, zone
}

// weekly says why rs is not the same every week, if it is not.
func weekly(rs []hansa.Recurrence) (field, reason string) {
	bounded, nightly := false, false
	for i := range rs {
		r := &rs[i]
		at := fmt.Sprintf("%d/", i)
		switch {
		case len(r.Weeks) > 0:
			return at + "weeks", "a schedule is the same every week; weeks of a month cannot be said"
		case len(r.Months) > 0:
			return at + "months", "a schedule is the same every week; months cannot be said"
		case len(r.Except) > 0:
			return at + "except", "a schedule has no days left out: it would be closed on them"
		case !strings.Contains(r.Zone, "/") || strings.HasPrefix(r.Zone, "Etc/"):
			return at + "zone", "a schedule is read by the clocks of the place, and this is the zone of none"
		case r.Zone != rs[0].Zone:
			return at + "zone", "a schedule is read in one zone"
		case r.First != rs[0].First || r.Last != rs[0].Last:
			return at + "first", "a schedule has one beginning and one end"
		}
		bounded = bounded || r.First != "" || r.Last != ""
		nightly = nightly || r.Night || r.To <= r.From
	}
	if bounded && nightly && len(rs) > 1 {
		return "0/first", "several windows over midnight with a first or last day cannot be cut at one time"
	}
	return "", ""
}

// spansOf returns the windows of one week.
func spansOf(r *hansa.Recurrence) ([]span, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	from, to := minutes(r.From), minutes(r.To)
	if to <= from {
		to += day
	}
	if r.Night {
		from, to = from+day, to+day
	}
	var spans []span
	for d, name := range []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"} {
		if len(r.Days) == 0 || slices.Contains(r.Days, name) {
			spans = append(spans, span{d*day + from, d*day + to})
		}
	}
	return spans, nil
}

// minutes reads HH:MM, which is known to be right.
func minutes(s string) int {
	return (int(s[0]-'0')*10+int(s[1]-'0'))*60 + int(s[3]-'0')*10 + int(s[4]-'0')
}

// table cuts spans at midnight and files them by day; midnight tells that one of
// them ends there.
func table(spans []span) (hours *schedule, midnight bool) {
	var days [7][]span
	for _, s := range spans {
		for from := s.from; from < s.to; {
			to := min(s.to, from-from%day+day)
			d := from % week / day
			days[d] = append(days[d], span{from % day, from%day + to - from})
			from = to
		}
	}
	var text [7]string
	for d := range days {
		var ends bool
		text[d], ends = line(days[d])
		midnight = midnight || ends
	}
	if slices.Equal(text[1:], text[:6]) {
		return &schedule{Everyday: text[0]}, midnight
	}
	return &schedule{
		Sunday: text[0], Monday: text[1], Tuesday: text[2], Wednesday: text[3],
		Thursday: text[4], Friday: text[5], Saturday: text[6],
	}, midnight
}

// line writes the hours of one day, joined where they touch.
func line(spans []span) (text string, midnight bool) {
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var joined []span
	for _, s := range spans {
		if last := len(joined) - 1; last >= 0 && s.from <= joined[last].to {
			joined[last].to = max(joined[last].to, s.to)
			continue
		}
		joined = append(joined, s)
	}
	var parts []string
	for _, s := range joined {
		if s.to == day {
			s.to, midnight = day-1, true
		}
		if s.from < s.to {
			parts = append(parts, fmt.Sprintf("%02d:%02d-%02d:%02d", s.from/60, s.from%60, s.to/60, s.to%60))
		}
	}
	return strings.Join(parts, ","), midnight
}

// bound cuts start and end to the first and last window where the windows have a
// first or last day, for the table of hours knows none.
func (p *planner) bound(start time.Time, end *time.Time, zone *time.Location) (time.Time, *time.Time, *time.Location) {
	until := start.AddDate(50, 0, 0)
	if end != nil && end.Before(until) {
		until = *end
	}
	var first, last time.Time
	for i := range p.s.Recurrence {
		a, z, err := ends(&p.s.Recurrence[i], start, until)
		if err != nil {
			p.report.Refuse("/situation/recurrence", "", hansa.Public(err).Message)
			return start, end, zone
		}
		if first.IsZero() || !a.IsZero() && a.Before(first) {
			first = a
		}
		if z.After(last) {
			last = z
		}
	}
	bounds := &p.s.Recurrence[0]
	switch {
	case first.IsZero():
		p.report.Refuse("/situation/recurrence", "", "none of its windows lies between its start and its end")
		return start, end, zone
	case bounds.Last != "" && !p.doc.Made.IsZero() && !last.After(p.doc.Made):
		p.report.Refuse("/situation/recurrence", "", "its last window is over: absence says it")
		return start, end, zone
	}
	if bounds.First != "" && first.After(start) {
		start = first
	}
	if bounds.Last != "" && (end == nil || last.Before(*end)) {
		end = &last
	}
	return start, end, zone
}

// ends returns when the first window of r begins and, where r has a last day, when
// the last one ends, both zero when there is none between from and until.
func ends(r *hansa.Recurrence, from, until time.Time) (first, last time.Time, err error) {
	s, err := r.Schedule()
	if err != nil {
		return first, last, err
	}
	for w := range s.Windows(from, until) {
		first = w.From
		break
	}
	if r.Last == "" {
		return first, last, nil
	}
	// What is the same every week comes within any month.
	lastDay, err := time.Parse(time.DateOnly, r.Last)
	if err != nil {
		return first, last, err
	}
	if near := lastDay.AddDate(0, 0, -31); near.After(from) {
		from = near
	}
	for w := range s.Windows(from, until) {
		last = w.To
	}
	return first, last, nil
}
