package datex2

import (
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// spansMax is into how many spans a schedule that has no weekly form is written
// out.
const spansMax = 400

// period is a validPeriod: a span, or a weekly window with its bounds.
type period struct {
	start, end time.Time
	weekly     *hansa.Recurrence
}

// fixed reports whether a zone's offset never changes, so that a time of day can
// carry it.
func fixed(zone string) bool { return zone == "UTC" || strings.HasPrefix(zone, "Etc/GMT") }

// recur decides how the windows are said. A window that DATEX II has no words for
// is written out, span by span, within its bounds; without bounds it reports
// false.
func (p *plan) recur(doc format.Doc) bool {
	s := p.r.Situation
	for i := range s.Recurrence {
		c := s.Recurrence[i]
		weekly, ok := p.weekly(c, doc)
		if ok {
			p.periods = append(p.periods, weekly)
			p.except = c.Except
			continue
		}
		if !p.spans(c) {
			return false
		}
	}
	return true
}

// weekly returns c as a recurring period, if it is one in the document's zone.
func (p *plan) weekly(c hansa.Recurrence, doc format.Doc) (w period, ok bool) {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return w, false
	}
	here := doc.Zone != nil && doc.Zone.String() == c.Zone
	overnight := c.To <= c.From
	for _, o := range p.r.Situation.Recurrence {
		if !slices.Equal(o.Except, c.Except) {
			return w, false // an exception holds for all periods
		}
		if len(c.Except) > 0 && (o.Zone != c.Zone || o.To <= o.From) {
			return w, false
		}
	}
	if !here && !fixed(c.Zone) {
		return w, false
	}
	if len(c.Except) > 0 && !here {
		return w, false
	}
	if c.Night {
		if len(c.Weeks)+len(c.Months)+len(c.Except) > 0 || c.First != "" || c.Last != "" {
			return w, false
		}
		c.Night, c.Days = false, following(c.Days)
	}
	if c.First != "" {
		w.start = day(c.First, zone, 0)
	}
	if c.Last != "" {
		w.end = day(c.Last, zone, 1)
		if overnight {
			h, m, _ := clockOf(c.To)
			w.end = time.Date(w.end.Year(), w.end.Month(), w.end.Day(), h, m, 0, 0, zone)
		}
	}
	w.weekly = &c
	return w, true
}

// following returns the days after.
func following(days []string) []string {
	out := make([]string, 0, len(days))
	for _, d := range days {
		if i := slices.Index(week, d); i >= 0 {
			out = append(out, week[(i+1)%7])
		}
	}
	return out
}

// day returns the beginning of a day, days later.
func day(s string, zone *time.Location, later int) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, s, zone)
	if err != nil {
		return time.Time{}
	}
	return t.AddDate(0, 0, later)
}

// clockOf reads HH:MM, which has been checked.
func clockOf(s string) (h, m int, ok bool) {
	if len(s) != 5 {
		return 0, 0, false
	}
	h, ok1 := number([]byte(s[:2]))
	m, ok2 := number([]byte(s[3:]))
	return h, m, ok1 && ok2
}

// spans writes out the windows of c between the record's start and end.
func (p *plan) spans(c hansa.Recurrence) bool {
	schedule, err := c.Schedule()
	zone, err2 := time.LoadLocation(c.Zone)
	if err != nil || err2 != nil {
		return false
	}
	from, until := p.start, time.Time{}
	if p.end != nil {
		until = *p.end
	}
	if c.Last != "" {
		if last := day(c.Last, zone, 2); until.IsZero() || last.Before(until) {
			until = last
		}
	}
	if until.IsZero() || until.Sub(from) > 3*366*24*time.Hour {
		return false
	}
	n := 0
	for w := range schedule.Windows(from, until) {
		if n++; n > spansMax {
			return false
		}
		p.periods = append(p.periods, period{start: w.From, end: w.To})
	}
	return n > 0
}

// encodePeriods writes validPeriod and exceptionPeriod.
func (p *plan) encodePeriods(e *encoder, doc format.Doc) {
	for _, w := range p.periods {
		e.begin("com:validPeriod")
		e.time("com:startOfPeriod", w.start)
		e.time("com:endOfPeriod", w.end)
		if w.weekly != nil {
			encodeWindow(e, w.weekly)
		}
		e.end()
	}
	for _, d := range p.except {
		e.begin("com:exceptionPeriod")
		e.time("com:startOfPeriod", day(d, doc.Zone, 0))
		e.time("com:endOfPeriod", day(d, doc.Zone, 1))
		e.end()
	}
}

func encodeWindow(e *encoder, c *hansa.Recurrence) {
	offset := ""
	if c.Zone == "UTC" {
		offset = "Z"
	} else if hours, ok := strings.CutPrefix(c.Zone, "Etc/GMT"); ok && fixed(c.Zone) {
		offset = offsetOf(hours)
	}
	e.begin("com:recurringTimePeriodOfDay", "xsi:type", "com:TimePeriodOfDay")
	e.leaf("com:startTimeOfPeriod", c.From+":00"+offset)
	e.leaf("com:endTimeOfPeriod", c.To+":00"+offset)
	e.end()
	if len(c.Days)+len(c.Weeks)+len(c.Months) == 0 {
		return
	}
	kind := ""
	if len(c.Weeks) > 0 {
		kind = "com:InstanceOfDayWithinMonth"
	}
	e.begin("com:recurringDayWeekMonthPeriod", "xsi:type", kind)
	for _, d := range c.Days {
		e.leaf("com:applicableDay", d)
	}
	for _, m := range c.Months {
		e.leaf("com:applicableMonth", months[m])
	}
	for _, w := range c.Weeks {
		for name, n := range instances {
			if n == w {
				e.leaf("com:applicableInstanceOfDayWithinMonth", name)
			}
		}
	}
	e.end()
}

// offsetOf turns the sign and hours behind Etc/GMT, which count west, into an
// offset.
func offsetOf(hours string) string {
	if len(hours) < 2 {
		return "Z"
	}
	sign := "+"
	if hours[0] == '+' {
		sign = "-"
	}
	if hours = hours[1:]; len(hours) == 1 {
		hours = "0" + hours
	}
	return sign + hours + ":00"
}
