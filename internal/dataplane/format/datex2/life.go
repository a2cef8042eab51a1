package datex2

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// life reads validity, the operator's status and the end. An overallEndTime that
// has passed ends nothing: only the publisher's word does.
func (x *recordReader) life() {
	t, s, r := &x.tree, x.s, x.r
	v := t.child(0, "validity")
	spec := t.child(v, "validityTimeSpecification")
	s.Start = x.when(t.child(spec, "overallStartTime"))
	s.End = x.when(t.child(spec, "overallEndTime"))
	if s.End == nil {
		s.EndKind = hansa.EndUnknown
	}
	if o := t.child(v, "overrunning"); o != none && yes(t.bytes(o)) {
		s.EndKind = hansa.EndEstimated
	}
	now := x.doc.in.Now
	if now.IsZero() {
		now = x.doc.pub.time
	}
	ahead := s.Start != nil && s.Start.After(now)
	status, action := t.leaf(v, "validityStatus"), t.leaf(0, "operatorActionStatus")
	switch action {
	case "requested":
		s.Lifecycle = hansa.Planned
	case "approved":
		s.Lifecycle = hansa.Planned
		if s.Certainty == hansa.Certain {
			s.Lifecycle = hansa.Confirmed
		}
	case "beingImplemented", "implemented":
		s.Lifecycle = hansa.Active
	case "terminationRequested", "beingTerminated":
		s.Lifecycle = hansa.Active
		x.note("operatorActionStatus", action)
	case "rejected":
		s.Lifecycle = hansa.Cancelled
	default:
		switch {
		case status == "active":
			s.Lifecycle = hansa.Active
		case status != "planned" && !ahead:
			s.Lifecycle = hansa.Active
		case s.Certainty == hansa.Certain:
			s.Lifecycle = hansa.Confirmed
		default:
			s.Lifecycle = hansa.Planned
		}
	}
	if action == "beingImplemented" {
		x.note("operatorActionStatus", action)
	}
	if status == "active" && s.End != nil && s.End.Before(now) {
		mark(r, ruleContradicted, "situationRecord/validity/validityStatus", status)
	}
	if status == "suspended" && s.Lifecycle != hansa.Cancelled {
		s.Lifecycle = hansa.Suspended
		mark(r, ruleSuspended, "situationRecord/validity/validityStatus", status)
	}
	x.over()
	switch s.Lifecycle {
	case hansa.Ended:
		r.Update = hansa.End
	case hansa.Cancelled:
		r.Update = hansa.Redact
	case hansa.Draft, hansa.Planned, hansa.Confirmed, hansa.Active, hansa.Suspended:
	}
}

// over reads the word that the record has ended or is withdrawn: in version 2
// from its management, in version 3 from an extension of that name.
func (x *recordReader) over() {
	t := &x.tree
	at := t.find("lifeCycleManagement")
	if at == none {
		return
	}
	for c := t.first(at); c != none; c = t.next(c) {
		on := yes(t.bytes(c))
		switch {
		case t.name(c) == "cancel" && on:
			x.s.Lifecycle = hansa.Cancelled
		case t.name(c) == "end" && on && x.s.Lifecycle != hansa.Cancelled:
			x.s.Lifecycle = hansa.Ended
		}
	}
	t.use(at)
}

func yes(b []byte) bool { return string(b) == "true" || string(b) == "1" }

// recurrencesMax is how many windows, and how many days left out, one record may
// have. More are kept in words.
const recurrencesMax = 1000

// recurrences reads the valid periods within the whole, and the exceptions.
func (x *recordReader) recurrences() {
	t := &x.tree
	spec := t.down(0, "validity", "validityTimeSpecification")
	for p := t.child(spec, "validPeriod"); p != none; p = t.sibling(p) {
		x.period(p)
	}
	var except []string
	night := slices.ContainsFunc(x.s.Recurrence, func(r hansa.Recurrence) bool { return r.To <= r.From })
	for p := t.child(spec, "exceptionPeriod"); p != none; p = t.sibling(p) {
		except = append(except, x.exception(p, night || len(except) > recurrencesMax)...)
	}
	if len(except) == 0 {
		return
	}
	if len(x.s.Recurrence) == 0 {
		x.s.Recurrence = []hansa.Recurrence{{Zone: x.zone(), From: "00:00", To: "24:00"}}
	}
	for i := range x.s.Recurrence {
		x.s.Recurrence[i].Except = except
	}
}

func (x *recordReader) zone() string { return x.doc.in.Zone.String() }

// period reads one validPeriod: each time of day on each choice of days, between
// the period's own bounds.
func (x *recordReader) period(p ref) {
	t := &x.tree
	start, end := t.child(p, "startOfPeriod"), t.child(p, "endOfPeriod")
	times := x.times(p)
	days, ok := x.days(p)
	if !ok || t.child(p, "recurringSpecialDay") != none {
		x.unsaid(p)
		return
	}
	if len(times) == 0 && len(days) == 0 {
		if !x.span(start, end) {
			x.unsaid(p)
		}
		return
	}
	if len(times) == 0 {
		times = []window{{x.zone(), "00:00", "24:00"}}
	}
	if len(days) == 0 {
		days = []hansa.Recurrence{{}}
	}
	for _, d := range days {
		for _, w := range times {
			d.Zone, d.From, d.To = w.zone, w.from, w.to
			if b := x.when(start); b != nil {
				d.First = x.local(*b, d.Zone).Format(time.DateOnly)
				x.dayBound(start, *b, d.Zone)
			}
			if e := x.when(end); e != nil {
				d.Last = x.lastDay(end, *e, d)
			}
			if len(x.s.Recurrence) >= recurrencesMax {
				x.unsaid(p)
				return
			}
			x.s.Recurrence = append(x.s.Recurrence, d)
		}
	}
}

// unsaid keeps a period that a window cannot say.
func (x *recordReader) unsaid(p ref) {
	path := strings.TrimPrefix(x.tree.path(p), "situationRecord/")
	mark(x.r, ruleRecurrence, "situationRecord/"+path, "")
	x.note(path, x.tree.fragment(p))
}

func (x *recordReader) local(m time.Time, zone string) time.Time {
	if zone == x.zone() {
		return m.In(x.doc.in.Zone)
	}
	if l, err := time.LoadLocation(zone); err == nil {
		return m.In(l)
	}
	return m
}

// dayBound keeps the exact bound of a period that does not begin or end with a
// day.
func (x *recordReader) dayBound(at ref, m time.Time, zone string) {
	if h, mm, sec := x.local(m, zone).Clock(); h+mm+sec != 0 {
		x.tree.nodes[at].used = false
	}
}

// lastDay is the last day of a period that ends at m: the day before, when m is
// where the last night's window ends.
func (x *recordReader) lastDay(end ref, m time.Time, d hansa.Recurrence) string {
	l := x.local(m, d.Zone)
	if d.To <= d.From && l.Format("15:04") == d.To {
		return l.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	x.dayBound(end, m, d.Zone)
	return x.local(m.Add(-1), d.Zone).Format(time.DateOnly)
}

// window is a time of day.
type window struct{ zone, from, to string }

// times reads the times of day of a period.
func (x *recordReader) times(p ref) []window {
	t := &x.tree
	var out []window
	for c := t.child(p, "recurringTimePeriodOfDay"); c != none; c = t.sibling(c) {
		from, to := t.child(c, "startTimeOfPeriod"), t.child(c, "endTimeOfPeriod")
		f, z1, ok1 := x.minute(from, false)
		l, z2, ok2 := x.minute(to, true)
		if !ok1 || !ok2 || z1 != z2 {
			x.unsaid(c)
			continue
		}
		out = append(out, window{z1, f, l})
	}
	return out
}

// minute reads a time of day as HH:MM, a second more being a whole minute where
// it ends, and its zone.
func (x *recordReader) minute(at ref, up bool) (hhmm, zone string, ok bool) {
	b := x.tree.bytes(at)
	sec, nano, rest, ok := clock(b)
	if !ok {
		return "", "", false
	}
	offset, naive, ok := zoneOf(rest)
	switch {
	case !ok || offset%3600 != 0:
		return "", "", false
	case naive:
		zone = x.zone()
	case offset == 0:
		zone = "UTC"
	default: // a zone of a fixed offset is named by the opposite sign
		zone = fmt.Sprintf("Etc/GMT%+d", -offset/3600)
	}
	if sec%60 != 0 || nano != 0 {
		mark(x.r, ruleRounded, x.tree.path(at), string(b))
		if sec -= sec % 60; up {
			sec += 60
		}
	}
	if !up && sec == 24*3600 {
		sec = 0
	}
	return fmt.Sprintf("%02d:%02d", sec/3600, sec/60%60), zone, true
}

var instances = map[string]int{
	"firstInstance": 1, "secondInstance": 2, "thirdInstance": 3, "fourthInstance": 4, "fifthInstance": 5, "lastInstance": -1,
}

var week = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

var months = []string{
	"", "january", "february", "march", "april", "may", "june",
	"july", "august", "september", "october", "november", "december",
}

// days reads the days, weeks and months of a period. It reports false for weeks
// of the calendar, which a window cannot say.
func (x *recordReader) days(p ref) ([]hansa.Recurrence, bool) {
	t := &x.tree
	var out []hansa.Recurrence
	for c := t.child(p, "recurringDayWeekMonthPeriod"); c != none; c = t.sibling(c) {
		var r hansa.Recurrence
		for e := t.first(c); e != none; e = t.next(e) {
			v := string(t.bytes(e))
			switch t.name(e) {
			case "applicableDay":
				if !slices.Contains(week, v) {
					return nil, false
				}
				r.Days = append(r.Days, v)
			case "applicableMonth":
				m := slices.Index(months, v)
				if m < 1 {
					return nil, false
				}
				r.Months = append(r.Months, m)
			case "applicableInstanceOfDayWithinMonth":
				w, ok := instances[v]
				if !ok {
					return nil, false
				}
				r.Weeks = append(r.Weeks, w)
			default:
				return nil, false
			}
		}
		out = append(out, r)
	}
	return out, true
}

// daysMax is how many days one span may have.
const daysMax = 400

// span reads a period that is one span: its first day, the whole days between,
// its last day.
func (x *recordReader) span(start, end ref) bool {
	b, e := x.when(start), x.when(end)
	if len(x.s.Recurrence) >= recurrencesMax || b == nil || e == nil || !b.Before(*e) || e.Sub(*b) > daysMax*24*time.Hour {
		return false
	}
	zone := x.zone()
	from, to := x.local(*b, zone), x.local(*e, zone)
	if from.Second()+to.Second()+from.Nanosecond()+to.Nanosecond() != 0 {
		mark(x.r, ruleRounded, x.tree.path(start), "")
		from = from.Truncate(time.Minute)
		if up := to.Truncate(time.Minute); up.Before(to) {
			to = up.Add(time.Minute)
		}
	}
	first, last := from.Format(time.DateOnly), to.Format(time.DateOnly)
	add := func(first, last, from, to string) {
		x.s.Recurrence = append(x.s.Recurrence, hansa.Recurrence{Zone: zone, First: first, Last: last, From: from, To: to})
	}
	next := from.AddDate(0, 0, 1).Format(time.DateOnly)
	clockTo := to.Format("15:04")
	switch {
	case first == last:
		add(first, first, from.Format("15:04"), clockTo)
		return true
	case clockTo == "00:00" && next == last:
		add(first, first, from.Format("15:04"), "24:00")
		return true
	case next == last && clockTo <= from.Format("15:04"):
		add(first, first, from.Format("15:04"), clockTo) // over one midnight
		return true
	}
	add(first, first, from.Format("15:04"), "24:00")
	if before := to.AddDate(0, 0, -1).Format(time.DateOnly); next <= before {
		add(next, before, "00:00", "24:00")
	}
	if clockTo != "00:00" {
		add(last, last, "00:00", clockTo)
	}
	return true
}

// exception reads an exceptionPeriod of whole days as the days. A night's window
// would be cut in two by it, so there it is kept in words.
func (x *recordReader) exception(p ref, night bool) (days []string) {
	t := &x.tree
	b, e := x.when(t.child(p, "startOfPeriod")), x.when(t.child(p, "endOfPeriod"))
	if !night && b != nil && e != nil && b.Before(*e) && t.child(p, "recurringTimePeriodOfDay") == none && t.child(p, "recurringDayWeekMonthPeriod") == none {
		from, to := x.local(*b, x.zone()), x.local(*e, x.zone())
		if midnight(from) && midnight(to) && to.Sub(from) < daysMax*24*time.Hour {
			for ; from.Before(to); from = from.AddDate(0, 0, 1) {
				days = append(days, from.Format(time.DateOnly))
			}
			return days
		}
	}
	path := strings.TrimPrefix(t.path(p), "situationRecord/")
	mark(x.r, ruleException, "situationRecord/"+path, "")
	x.note(path, t.fragment(p))
	return nil
}

func midnight(t time.Time) bool {
	h, m, s := t.Clock()
	return h+m+s+t.Nanosecond() == 0
}
