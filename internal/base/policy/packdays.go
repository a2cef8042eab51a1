package policy

import (
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
)

// WorkingDaysMax bounds how many working days are counted.
const WorkingDaysMax = 400

// Working reports whether t's day, in t's zone, is a working day. A year that the
// calendar does not have is an Invalid error.
func (c *Calendar) Working(t time.Time) (bool, error) {
	if !slices.Contains(c.Years, t.Year()) {
		return false, hansa.Fielded("/calendar", "the calendar %s has the years %d to %d, not %d: a newer rule pack is needed", c.Country, c.Years[0], c.Years[len(c.Years)-1], t.Year())
	}
	if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
		return false, nil
	}
	_, holiday := slices.BinarySearchFunc(c.Holidays, t.Format(time.DateOnly), func(h Holiday, day string) int {
		switch {
		case h.Day < day:
			return -1
		case h.Day > day:
			return 1
		}
		return 0
	})
	return !holiday, nil
}

// midnight returns the beginning of the day that lies days after t's, in t's zone.
func midnight(t time.Time, days int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, t.Location())
}

// AddWorkingDays returns the beginning of the n-th working day after from's day,
// which itself does not count (Regulation 1182/71, Article 3(1)), in from's zone.
// n is 1 to [WorkingDaysMax].
func (p *Pack) AddWorkingDays(country string, from time.Time, n int) (time.Time, error) {
	c, err := p.Calendar(country)
	if err != nil {
		return time.Time{}, err
	}
	if n < 1 || n > WorkingDaysMax {
		return time.Time{}, hansa.Fielded("/n", "working days are counted from 1 to %d, not %d", WorkingDaysMax, n)
	}
	for days := 1; ; days++ {
		day := midnight(from, days)
		working, err := c.Working(day)
		if err != nil {
			return time.Time{}, err
		}
		if working {
			n--
		}
		if n == 0 {
			return day, nil
		}
	}
}

// Due is when something that a legal rule sets is due.
type Due struct {
	// By is the first moment that is too late: the end of the last day, or of the
	// last hour.
	By   time.Time
	Rule *LegalRule
	// Calendar is the one that was used; nil of hours, limits and dates.
	Calendar *Calendar
}

// Deadline returns when what the rule sets is due, by the calendar of a country,
// counted from an event. Periods are reckoned as Regulation (EEC, Euratom) No
// 1182/71 does: the hour or the day of the event does not count; a period of days,
// months or years that ends on a day off ends with the next working day, and one of
// two days or more holds two working days. A limit, which nobody may stretch, and
// hours end when they end. A rule without a number, and an event outside the time
// for which a rule is valid, are Invalid errors.
func (p *Pack) Deadline(rule, country string, from time.Time) (Due, error) {
	r, err := p.Rule(rule)
	if err != nil {
		return Due{}, err
	}
	d := Due{Rule: r}
	day := from.Format(time.DateOnly)
	switch {
	case r.Kind == RuleOpen:
		return Due{}, hansa.Fielded("/rule", "%s gives no number (%s): the accord has to agree on one", r.Source, r.Says)
	case r.ValidFrom != "" && day < r.ValidFrom:
		return Due{}, hansa.Fielded("/from", "%s applies from %s, and the event is on %s", r.Source, r.ValidFrom, day)
	case r.ValidTo != "" && day > r.ValidTo:
		return Due{}, hansa.Fielded("/from", "%s applies to %s, and the event is on %s", r.Source, r.ValidTo, day)
	case r.Kind == RuleDate:
		last, err := time.ParseInLocation(time.DateOnly, r.Day, from.Location())
		d.By = midnight(last, 1)
		return d, err
	case r.Unit == "hours":
		d.By = fullHour(from).Add(time.Duration(r.N) * time.Hour)
		return d, nil
	}
	last := midnight(from, 0)
	switch r.Unit {
	case "days":
		last = midnight(from, r.N)
	case "months":
		last = addMonths(last, r.N)
	case "years":
		last = addMonths(last, 12*r.N)
	}
	if r.Kind == RuleLimit {
		d.By = midnight(last, 1)
		return d, nil
	}
	if d.Calendar, err = p.Calendar(country); err != nil {
		return Due{}, err
	}
	if r.Unit == "working-days" {
		last, err = p.AddWorkingDays(country, from, r.N)
	} else {
		last, err = d.Calendar.stretch(midnight(from, 1), last)
	}
	d.By = midnight(last, 1)
	return d, err
}

// fullHour returns the end of the hour in which t lies.
func fullHour(t time.Time) time.Time {
	past := time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
	return t.Add(time.Hour - past)
}

// stretch moves the last day of a period to a working day, and on until the period
// has two of them if it is of two days or more (Article 3(4) and (5)).
func (c *Calendar) stretch(first, last time.Time) (time.Time, error) {
	want := 1
	if last.After(first) {
		want = 2
	}
	if fortnight := midnight(last, -13); first.Before(fortnight) {
		first = fortnight // which has two working days in any calendar
	}
	have := 0
	for day := first; ; day = midnight(day, 1) {
		working, err := c.Working(day)
		if err != nil {
			return time.Time{}, err
		}
		if working {
			have++
		}
		if working && have >= want && !day.Before(last) {
			return day, nil
		}
	}
}

// addMonths returns the same day n months later, or the last day of that month when
// it has no such day (Article 3(2)(c)).
func addMonths(t time.Time, n int) time.Time {
	out := t.AddDate(0, n, 0)
	if out.Day() != t.Day() {
		out = out.AddDate(0, 0, -out.Day())
	}
	return out
}
