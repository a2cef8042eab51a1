package hansa

import (
	"iter"
	"slices"
	"sync"
	"time"
)

// OccurrencesMax bounds how many windows one schedule is ever expanded into.
const OccurrencesMax = 10_000

// Recurrence is a window of wall-clock time that comes back: on days of the
// week, in weeks and months, in a named zone. A window whose To is not after its
// From runs over midnight into the next day. It belongs to the day on which it
// begins, or with Night to the evening before: "the first night from Sunday to
// Monday, 00:00 to 05:00" is Days sunday, Weeks 1, Night, From 00:00, To 05:00.
type Recurrence struct {
	Zone   string   `json:"zone"`             // IANA time zone; required
	Days   []string `json:"days,omitempty"`   // monday to sunday; empty is every day
	Weeks  []int    `json:"weeks,omitempty"`  // which of the month's such days: 1 to 5, -1 the last; empty is all
	Months []int    `json:"months,omitempty"` // 1 to 12; empty is all
	From   string   `json:"from"`             // HH:MM, 00:00 to 23:59
	To     string   `json:"to"`               // HH:MM, 00:00 to 24:00
	Night  bool     `json:"night,omitzero"`   // Days names the evening before a window after midnight
	First  string   `json:"first,omitempty"`  // YYYY-MM-DD, the first day it may belong to
	Last   string   `json:"last,omitempty"`   // YYYY-MM-DD, the last
	Except []string `json:"except,omitempty"` // YYYY-MM-DD, days left out
}

// Window is one occurrence: from From up to, not including, To.
type Window struct {
	From, To time.Time
}

// Schedule is a [Recurrence] made ready: its zone loaded, its text parsed. It
// may be used by many at once, and asking it allocates nothing.
type Schedule struct {
	zone        *time.Location
	days        [7]bool
	weeks       []int
	months      [13]bool
	from, to    int // minutes of the day; to may exceed 1440
	night       int // days from the day it belongs to, to the day it begins
	first, last int // days since 1 January 1970, last inclusive
	except      []int
}

// Days of the week by name, as time.Weekday counts them.
var weekdays = [7]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

const (
	firstDay = -1 << 40
	lastDay  = 1 << 40
)

// Validate reports the first rule that r breaks.
func (r *Recurrence) Validate() error {
	_, err := r.Schedule()
	return err
}

// Schedule makes r ready for use, or reports the first rule that it breaks.
func (r *Recurrence) Schedule() (*Schedule, error) {
	if r.Zone == "" || r.Zone == "Local" {
		return nil, Fielded("/recurrence/zone", "a recurring window needs an IANA time zone, such as Europe/Amsterdam")
	}
	zone, err := zoneOf(r.Zone)
	if err != nil {
		return nil, Fielded("/recurrence/zone", "there is no time zone %q", r.Zone)
	}
	s := &Schedule{zone: zone, first: firstDay, last: lastDay}
	if s.from, err = clock(r.From, "/recurrence/from"); err != nil {
		return nil, err
	}
	if s.to, err = clock(r.To, "/recurrence/to"); err != nil {
		return nil, err
	}
	if s.from == 24*60 {
		return nil, Fielded("/recurrence/from", "a window begins at 00:00 to 23:59")
	}
	if s.to <= s.from {
		s.to += 24 * 60
	}
	if r.Night {
		s.night = 1
	}
	if err := s.choose(r); err != nil {
		return nil, err
	}
	return s, s.bound(r)
}

// zonesMax bounds the zones kept: there are some 600 names.
const zonesMax = 1000

// zones are those that were read from disk once.
var zones = struct {
	mu   sync.RWMutex // guards kept
	kept map[string]*time.Location
}{kept: map[string]*time.Location{}}

// zoneOf returns a zone by its name, read once: a feed names the same one in each
// of its records.
func zoneOf(name string) (*time.Location, error) {
	zones.mu.RLock()
	z := zones.kept[name]
	zones.mu.RUnlock()
	if z != nil {
		return z, nil
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	zones.mu.Lock()
	defer zones.mu.Unlock()
	if len(zones.kept) < zonesMax {
		zones.kept[name] = z
	}
	return z, nil
}

// choose reads days, weeks and months.
func (s *Schedule) choose(r *Recurrence) error {
	for _, d := range r.Days {
		i := slices.Index(weekdays[:], d)
		if i < 0 {
			return Fielded("/recurrence/days", "a day is monday to sunday, not %q", d)
		}
		s.days[i] = true
	}
	if len(r.Days) == 0 {
		s.days = [7]bool{true, true, true, true, true, true, true}
	}
	for _, w := range r.Weeks {
		if w != -1 && (w < 1 || w > 5) {
			return Fielded("/recurrence/weeks", "a week is 1 to 5, or -1 for the last, not %d", w)
		}
	}
	s.weeks = slices.Clone(r.Weeks)
	for _, m := range r.Months {
		if m < 1 || m > 12 {
			return Fielded("/recurrence/months", "a month is 1 to 12, not %d", m)
		}
		s.months[m] = true
	}
	if len(r.Months) == 0 {
		for m := range s.months {
			s.months[m] = true
		}
	}
	return nil
}

// bound reads the days between which, and without which, s runs.
func (s *Schedule) bound(r *Recurrence) (err error) {
	if r.First != "" {
		if s.first, err = date(r.First, "/recurrence/first"); err != nil {
			return err
		}
	}
	if r.Last != "" {
		if s.last, err = date(r.Last, "/recurrence/last"); err != nil {
			return err
		}
	}
	if s.last < s.first {
		return Fielded("/recurrence/last", "the last day %s is before the first %s", r.Last, r.First)
	}
	if len(r.Except) > OccurrencesMax {
		return Fielded("/recurrence/except", "at most %d days can be left out", OccurrencesMax)
	}
	for _, e := range r.Except {
		d, err := date(e, "/recurrence/except")
		if err != nil {
			return err
		}
		s.except = append(s.except, d)
	}
	slices.Sort(s.except)
	return nil
}

// Contains reports whether t lies in one of s's windows.
func (s *Schedule) Contains(t time.Time) bool {
	day := dayOf(t.In(s.zone))
	for back := range 3 + s.night { // a window lasts at most a day, and may begin the day after
		if w, ok := s.on(day - back); ok && !t.Before(w.From) && t.Before(w.To) {
			return true
		}
	}
	return false
}

// Windows yields the windows that end after from and begin before until, in
// order, [OccurrencesMax] at most.
func (s *Schedule) Windows(from, until time.Time) iter.Seq[Window] {
	return func(yield func(Window) bool) {
		first := max(s.first, dayOf(from.In(s.zone))-3)
		last := min(s.last, dayOf(until.In(s.zone)))
		for day, n := first, 0; day <= last && n < OccurrencesMax; day++ {
			w, ok := s.on(day)
			if !ok || !w.To.After(from) || !w.From.Before(until) {
				continue
			}
			if n++; !yield(w) {
				return
			}
		}
	}
}

// Next returns the first window that ends after t, within the four years after
// t; ok is false when there is none.
func (s *Schedule) Next(t time.Time) (w Window, ok bool) {
	for w := range s.Windows(t, t.AddDate(4, 0, 1)) {
		return w, true
	}
	return Window{}, false
}

// on returns the window that belongs to day, if there is one.
func (s *Schedule) on(day int) (Window, bool) {
	if day < s.first || day > s.last {
		return Window{}, false
	}
	if _, left := slices.BinarySearch(s.except, day); left {
		return Window{}, false
	}
	y, m, d := time.Unix(int64(day)*86400, 0).UTC().Date()
	if !s.days[weekday(day)] || !s.months[m] || !s.inWeek(y, m, d) {
		return Window{}, false
	}
	w := Window{
		From: s.wall(y, m, d+s.night, s.from, false),
		To:   s.wall(y, m, d+s.night, s.to, true),
	}
	return w, w.From.Before(w.To)
}

func (s *Schedule) inWeek(y int, m time.Month, d int) bool {
	if len(s.weeks) == 0 {
		return true
	}
	for _, w := range s.weeks {
		if w == (d+6)/7 || w == -1 && d+7 > time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day() {
			return true
		}
	}
	return false
}

// wall returns the moment at which the clocks of the zone show minutes past
// midnight on a day. A time that is skipped in spring becomes the moment of the
// change; of one that comes twice in autumn a window takes the first to begin
// and the last to end, so that no hour of a closure is left out.
func (s *Schedule) wall(y int, m time.Month, d, minutes int, end bool) time.Time {
	t := time.Date(y, m, d, 0, minutes, 0, 0, s.zone)
	minutes %= 24 * 60
	if h, mm, _ := t.Clock(); h*60+mm != minutes {
		// Skipped: the change lies between an hour before and t; find it.
		_, before := t.Add(-3 * time.Hour).Zone()
		_, after := t.Add(3 * time.Hour).Zone()
		lo, hi := t.Add(-3*time.Hour), t.Add(3*time.Hour)
		for hi.Sub(lo) > time.Second && before != after {
			mid := lo.Add(hi.Sub(lo) / 2).Truncate(time.Second)
			if _, o := mid.Zone(); o == before {
				lo = mid
			} else {
				hi = mid
			}
		}
		return hi
	}
	// Twice: the same clock an hour (or half of one) away.
	for _, shift := range [...]time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
		if !end {
			shift = -shift
		}
		u := t.Add(shift)
		h, mm, _ := u.Clock()
		if h*60+mm == minutes && u.Day() == t.Day() {
			return u
		}
	}
	return t
}

// clock reads HH:MM as minutes since midnight.
func clock(s, field string) (int, error) {
	if len(s) == 5 && s[2] == ':' && digits(s[:2]) && digits(s[3:]) {
		h, m := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
		if h < 24 && m < 60 || h == 24 && m == 0 {
			return h*60 + m, nil
		}
	}
	return 0, Fielded(field, "a time of day is HH:MM, 00:00 to 24:00, not %q", s)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// date reads YYYY-MM-DD as days since 1 January 1970.
func date(s, field string) (int, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, Fielded(field, "a day is YYYY-MM-DD, not %q", s)
	}
	return int(t.Unix() / 86400), nil
}

// dayOf returns the calendar day that t shows, as days since 1 January 1970.
func dayOf(t time.Time) int {
	y, m, d := t.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// weekday returns 0 for Sunday; 1 January 1970 was a Thursday.
func weekday(day int) int { return ((day+4)%7 + 7) % 7 }
