// Package words writes times, lengths of time, lists and numbers as people write
// them: a 24-hour clock in a named zone, "12 min", "a, b and c". It knows English;
// other languages come with a catalogue.
package words

import (
	"strconv"
	"strings"
	"time"
)

// Clock returns t on a 24-hour clock in zone: 14:33.
func Clock(t time.Time, zone *time.Location) string { return t.In(in(zone)).Format("15:04") }

// ClockSeconds returns t with seconds: 14:33:53.
func ClockSeconds(t time.Time, zone *time.Location) string {
	return t.In(in(zone)).Format("15:04:05")
}

// Day returns t's day: Mon 23 Nov.
func (c *Catalogue) Day(t time.Time, zone *time.Location) string {
	t = t.In(in(zone))
	days := strings.Fields(c.Say("Sun Mon Tue Wed Thu Fri Sat"))
	return c.Fill("{1} {2} {3}", days[min(int(t.Weekday()), len(days)-1)], t.Day(), c.month(t))
}

func (c *Catalogue) month(t time.Time) string {
	months := strings.Fields(c.Say("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"))
	return months[min(int(t.Month()), len(months))-1]
}

// Stamp returns t to the second with its day: 14:33:53 on Mon 23 Nov.
func (c *Catalogue) Stamp(t time.Time, zone *time.Location) string {
	return c.Fill("{1} on {2}", ClockSeconds(t, zone), c.Day(t, zone))
}

// Zone returns the name by which zone goes at t: CET, or UTC+03 where it has none.
func Zone(t time.Time, zone *time.Location) string {
	name := t.In(in(zone)).Format("MST")
	if strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
		return "UTC" + name
	}
	return name
}

// When returns t as one says it at now: 15:30, tomorrow 06:00, 18 Dec 06:00,
// 2 Jan 2027 06:00.
func When(t, now time.Time, zone *time.Location) string {
	return (*Catalogue)(nil).When(t, now, zone)
}

// When returns t as one says it at now, in this language.
func (c *Catalogue) When(t, now time.Time, zone *time.Location) string {
	t, now = t.In(in(zone)), now.In(in(zone))
	clock := t.Format("15:04")
	switch days := date(t) - date(now); {
	case days == 0:
		return clock
	case days == 1:
		return c.Fill("tomorrow {1}", clock)
	case days == -1:
		return c.Fill("yesterday {1}", clock)
	case t.Year() == now.Year() || days > 0 && days < 180:
		return c.Date(t, zone) + " " + clock
	}
	return c.Fill("{1} {2} {3} {4}", t.Day(), c.month(t), t.Year(), clock)
}

// Date returns t's day in the year: 23 Nov.
func (c *Catalogue) Date(t time.Time, zone *time.Location) string {
	t = t.In(in(zone))
	return c.Fill("{1} {2}", t.Day(), c.month(t))
}

func date(t time.Time) int64 {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400
}

func in(zone *time.Location) *time.Location {
	if zone == nil {
		return time.UTC
	}
	return zone
}

// Elapsed returns a running length of time: 12:46 below an hour, 3:12 h below a
// day, then 2 d. A negative one is 00:00.
func (c *Catalogue) Elapsed(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Hour:
		return two(int(d/time.Minute)) + ":" + two(int(d%time.Minute/time.Second))
	case d < 24*time.Hour:
		return c.Fill("{1} h", strconv.Itoa(int(d/time.Hour))+":"+two(int(d%time.Hour/time.Minute)))
	}
	return c.Fill("{1} d", int(d/(24*time.Hour)))
}

func two(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

// Span returns a length of time in words, to the precision that matters: 0.4 s,
// 41 s, 12 min, 3 h 5 min, 2 d. A negative one is as long as a positive one.
func Span(d time.Duration) string { return (*Catalogue)(nil).Span(d) }

// Span returns a length of time in this language.
func (c *Catalogue) Span(d time.Duration) string {
	if d < 0 {
		d = max(-d, 0) // the lowest has no positive twin
	}
	switch {
	case d > 0 && d < time.Second:
		return c.Fill("{1} s", c.Decimal(max(.1, float64(d/(100*time.Millisecond))/10)))
	case d < 2*time.Minute:
		return c.Fill("{1} s", int(d/time.Second))
	case d < 2*time.Hour:
		return c.Fill("{1} min", int(d/time.Minute))
	case d < 48*time.Hour:
		h, m := int(d/time.Hour), int(d%time.Hour/time.Minute)
		if m == 0 {
			return c.Fill("{1} h", h)
		}
		return c.Fill("{1} h {2} min", h, m)
	}
	return c.Fill("{1} d", int(d/(24*time.Hour)))
}

// Decimal writes a number with one place behind its mark.
func (c *Catalogue) Decimal(f float64) string {
	whole, part, _ := strings.Cut(strconv.FormatFloat(f, 'f', 1, 64), ".")
	return c.Fill("{1}.{2}", whole, part)
}

// List joins words: a, b and c.
func List(all ...string) string { return (*Catalogue)(nil).List(all...) }

// List joins words in this language.
func (c *Catalogue) List(all ...string) string {
	switch len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	}
	return c.Fill("{1} and {2}", strings.Join(all[:len(all)-1], ", "), all[len(all)-1])
}

// Percent returns a share of 0 to 1 as a whole number of hundredths, never 100
// for less than all nor 0 for more than nothing.
func Percent(share float64) int {
	p := int(share*100 + .5)
	switch {
	case p >= 100 && share < .9999:
		return 99
	case p <= 0 && share > .0001:
		return 1
	}
	return min(max(p, 0), 100)
}

// Upper returns s with its first letter in upper case.
func Upper(s string) string {
	for i, r := range s {
		if i == 0 {
			return strings.ToUpper(string(r)) + s[len(string(r)):]
		}
	}
	return s
}
