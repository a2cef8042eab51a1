package policy

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// period is an ISO 8601 duration. Months and days are of the calendar, in UTC;
// the rest is exact.
type period struct {
	months, days int
	rest         time.Duration
}

var isoPeriod = regexp.MustCompile(`^P(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12})(?:\.(\d{1,9}))?S)?)?$`)

func readPeriod(a *atom, v jsontext.Value) (period, error) {
	const want = "an ISO 8601 duration such as P30D or PT1H30M"
	s, err := readText(a, v, want)
	if err != nil {
		return period{}, err
	}
	p, ok := parsePeriod(s)
	switch {
	case !ok:
		return period{}, wrong("the right operand of %s is %s, not %q", a.name, want, clip(s))
	case p.tooLong():
		return period{}, wrong("a period has at most 100 years, not %s", clip(s))
	}
	return p, nil
}

func parsePeriod(s string) (p period, ok bool) {
	m := isoPeriod.FindStringSubmatch(s)
	if m == nil || strings.HasSuffix(s, "P") || strings.HasSuffix(s, "T") {
		return p, false
	}
	n := make([]int, len(m))
	for i := 1; i < len(m); i++ {
		if m[i] == "" {
			continue
		}
		digits := m[i]
		if i == 8 { // a fraction, to nanoseconds
			digits += strings.Repeat("0", 9-len(digits))
		}
		v, err := strconv.Atoi(digits)
		if err != nil {
			return p, false
		}
		n[i] = v
	}
	if n[5]+n[6]/60+n[7]/3600 > hoursMax { // before it overflows
		return period{days: daysMax + 1}, true
	}
	p.months, p.days = 12*n[1]+n[2], 7*n[3]+n[4]
	p.rest = time.Duration(n[5])*time.Hour + time.Duration(n[6])*time.Minute + time.Duration(n[7])*time.Second + time.Duration(n[8])
	return p, true
}

// A period has at most a hundred years.
const (
	daysMax  = 36_600
	hoursMax = 24 * daysMax
)

func (p period) tooLong() bool {
	return p.months > 1200 || p.days > daysMax || p.days < -daysMax || p.rest > hoursMax*time.Hour || p.rest < -hoursMax*time.Hour
}

// after returns the moment that lies p after t.
func (p period) after(t time.Time) time.Time { return t.UTC().AddDate(0, p.months, p.days).Add(p.rest) }

// String says p as people do: 30 days, 1 month and 2 h.
func (p period) String() string {
	var parts []string
	for _, u := range []struct {
		n         int
		one, many string
	}{{p.months / 12, "year", "years"}, {p.months % 12, "month", "months"}, {p.days, "day", "days"}} {
		switch u.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+u.one)
		default:
			parts = append(parts, strconv.Itoa(u.n)+" "+u.many)
		}
	}
	if p.rest != 0 || parts == nil {
		parts = append(parts, sayDuration(p.rest))
	}
	return join(parts, "and")
}

// sayDuration says d as people do: 1 h 30 min.
func sayDuration(d time.Duration) string {
	if d < 0 {
		return "minus " + sayDuration(-d)
	}
	var parts []string
	if h := d / time.Hour; h > 0 {
		parts = append(parts, strconv.Itoa(int(h))+" h")
	}
	if m := d % time.Hour / time.Minute; m > 0 {
		parts = append(parts, strconv.Itoa(int(m))+" min")
	}
	if s := d % time.Minute; s > 0 || parts == nil {
		parts = append(parts, strconv.FormatFloat(s.Seconds(), 'f', -1, 64)+" s")
	}
	return strings.Join(parts, " ")
}

// writeDelay writes d, which is not negative, as ISO 8601, exactly.
func writeDelay(d time.Duration) string {
	s := "PT" + strconv.FormatInt(int64(d/time.Second), 10)
	if f := d % time.Second; f != 0 {
		nine := strconv.FormatInt(int64(f), 10)
		s += "." + strings.TrimRight(strings.Repeat("0", 9-len(nine))+nine, "0")
	}
	return s + "S"
}

// join lists words as one writes them: a, b or c.
func join(list []string, last string) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " " + last + " " + list[len(list)-1]
}
