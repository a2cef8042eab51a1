package hansa_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
)

var days = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

func schedule(t interface {
	Helper()
	Fatal(args ...any)
}, r hansa.Recurrence,
) *hansa.Schedule {
	t.Helper()
	s, err := r.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func windows(s *hansa.Schedule, from, until string) string {
	parse := func(v string) time.Time {
		t, err := time.Parse(time.DateOnly, v)
		if err != nil {
			panic(err)
		}
		return t
	}
	var out []string
	for w := range s.Windows(parse(from), parse(until)) {
		out = append(out, w.From.Format("2006-01-02T15:04-07:00")+"/"+w.To.Format("2006-01-02T15:04-07:00"))
	}
	return strings.Join(out, "\n")
}

func TestWindows(t *testing.T) {
	const amsterdam = "Europe/Amsterdam"
	for _, tc := range []struct {
		name        string
		r           hansa.Recurrence
		from, until string
		want        string
	}{
		{
			"over midnight",
			hansa.Recurrence{Zone: amsterdam, Days: []string{"friday"}, From: "22:00", To: "05:00"},
			"2026-03-01", "2026-03-14",
			"2026-03-06T22:00+01:00/2026-03-07T05:00+01:00\n2026-03-13T22:00+01:00/2026-03-14T05:00+01:00",
		},
		{
			"the first night from Sunday to Monday",
			hansa.Recurrence{Zone: amsterdam, Days: []string{"sunday"}, Weeks: []int{1}, Night: true, From: "00:00", To: "05:00"},
			"2026-05-20", "2026-08-20",
			// June begins on a Monday: its first Sunday is the 7th, and the night before
			// the 1st is May's fifth.
			"2026-06-08T00:00+02:00/2026-06-08T05:00+02:00\n2026-07-06T00:00+02:00/2026-07-06T05:00+02:00\n2026-08-03T00:00+02:00/2026-08-03T05:00+02:00",
		},
		{
			"the last night of May, before a month that begins on a Monday",
			hansa.Recurrence{Zone: amsterdam, Days: []string{"sunday"}, Weeks: []int{-1}, Months: []int{5}, Night: true, From: "00:00", To: "05:00"},
			"2026-05-01", "2026-07-01",
			"2026-06-01T00:00+02:00/2026-06-01T05:00+02:00",
		},
		{
			"the fifth Sunday, where there is one",
			hansa.Recurrence{Zone: amsterdam, Days: []string{"sunday"}, Weeks: []int{5}, From: "08:00", To: "09:00"},
			"2026-01-01", "2026-06-01",
			"2026-03-29T08:00+02:00/2026-03-29T09:00+02:00\n2026-05-31T08:00+02:00/2026-05-31T09:00+02:00",
		},
		{
			"the last Saturday of February, in a leap year and out",
			hansa.Recurrence{Zone: amsterdam, Days: []string{"saturday"}, Weeks: []int{-1}, Months: []int{2}, From: "08:00", To: "09:00"},
			"2027-01-01", "2029-01-01",
			"2027-02-27T08:00+01:00/2027-02-27T09:00+01:00\n2028-02-26T08:00+01:00/2028-02-26T09:00+01:00",
		},
		{
			"over a leap day",
			hansa.Recurrence{Zone: amsterdam, From: "23:00", To: "01:00"},
			"2028-02-28", "2028-02-29",
			"2028-02-28T23:00+01:00/2028-02-29T01:00+01:00",
		},
		{
			"the night of spring",
			hansa.Recurrence{Zone: amsterdam, Days: []string{"saturday"}, From: "22:00", To: "05:00", First: "2026-03-28", Last: "2026-03-28"},
			"2026-03-01", "2026-05-01",
			"2026-03-28T22:00+01:00/2026-03-29T05:00+02:00",
		},
		{
			"beginning in the hour that is skipped",
			hansa.Recurrence{Zone: amsterdam, Days: []string{"sunday"}, From: "02:30", To: "05:00"},
			"2026-03-28", "2026-03-30",
			"2026-03-29T03:00+02:00/2026-03-29T05:00+02:00",
		},
		{
			"ending in the hour that is skipped",
			hansa.Recurrence{Zone: amsterdam, Days: []string{"sunday"}, From: "01:00", To: "02:30"},
			"2026-03-28", "2026-03-30",
			"2026-03-29T01:00+01:00/2026-03-29T03:00+02:00",
		},
		{"within the hour that is skipped", hansa.Recurrence{Zone: amsterdam, Days: []string{"sunday"}, From: "02:10", To: "02:50"}, "2026-03-28", "2026-03-30", ""},
		{
			"the night of autumn",
			hansa.Recurrence{Zone: amsterdam, Days: []string{"saturday"}, From: "22:00", To: "05:00"},
			"2026-10-24", "2026-10-26",
			"2026-10-24T22:00+02:00/2026-10-25T05:00+01:00",
		},
		{
			"the hour that comes twice",
			hansa.Recurrence{Zone: "Europe/London", Days: []string{"sunday"}, From: "01:15", To: "01:45"},
			"2026-10-24", "2026-10-26",
			"2026-10-25T01:15+01:00/2026-10-25T01:45+00:00",
		},
		{
			"half an hour skipped",
			hansa.Recurrence{Zone: "Australia/Lord_Howe", Days: []string{"sunday"}, From: "02:15", To: "04:00"},
			"2026-10-03", "2026-10-05",
			"2026-10-04T02:30+11:00/2026-10-04T04:00+11:00",
		},
		{
			"half an hour twice",
			hansa.Recurrence{Zone: "Australia/Lord_Howe", Days: []string{"sunday"}, From: "01:45", To: "01:50"},
			"2026-04-04", "2026-04-06",
			"2026-04-05T01:45+11:00/2026-04-05T01:50+10:30",
		},
		{
			"exceptions and bounds",
			hansa.Recurrence{Zone: "UTC", From: "00:00", To: "24:00", First: "2026-01-02", Last: "2026-01-05", Except: []string{"2026-01-04", "2026-01-03"}},
			"2025-12-01", "2026-02-01",
			"2026-01-02T00:00+00:00/2026-01-03T00:00+00:00\n2026-01-05T00:00+00:00/2026-01-06T00:00+00:00",
		},
		{
			"an exception is the day it belongs to, not the day it begins",
			hansa.Recurrence{Zone: "UTC", From: "01:00", To: "02:00", Night: true, First: "2026-01-02", Last: "2026-01-03", Except: []string{"2026-01-03"}},
			"2025-12-01", "2026-02-01",
			"2026-01-03T01:00+00:00/2026-01-03T02:00+00:00",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := windows(schedule(t, tc.r), tc.from, tc.until); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestRecurrenceRefuses(t *testing.T) {
	good := hansa.Recurrence{Zone: "Europe/Amsterdam", From: "22:00", To: "05:00"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		field  string
		change func(*hansa.Recurrence)
	}{
		{"/recurrence/zone", func(r *hansa.Recurrence) { r.Zone = "" }},
		{"/recurrence/zone", func(r *hansa.Recurrence) { r.Zone = "Local" }},
		{"/recurrence/zone", func(r *hansa.Recurrence) { r.Zone = "../../etc/passwd" }},
		{"/recurrence/zone", func(r *hansa.Recurrence) { r.Zone = "Mars/Base" }},
		{"/recurrence/from", func(r *hansa.Recurrence) { r.From = "" }},
		{"/recurrence/from", func(r *hansa.Recurrence) { r.From = "24:00" }},
		{"/recurrence/from", func(r *hansa.Recurrence) { r.From = "9:00" }},
		{"/recurrence/from", func(r *hansa.Recurrence) { r.From = "-1:00" }},
		{"/recurrence/to", func(r *hansa.Recurrence) { r.To = "24:01" }},
		{"/recurrence/to", func(r *hansa.Recurrence) { r.To = "12:60" }},
		{"/recurrence/days", func(r *hansa.Recurrence) { r.Days = []string{"Monday"} }},
		{"/recurrence/weeks", func(r *hansa.Recurrence) { r.Weeks = []int{0} }},
		{"/recurrence/weeks", func(r *hansa.Recurrence) { r.Weeks = []int{6} }},
		{"/recurrence/months", func(r *hansa.Recurrence) { r.Months = []int{13} }},
		{"/recurrence/first", func(r *hansa.Recurrence) { r.First = "2026-02-29" }},
		{"/recurrence/last", func(r *hansa.Recurrence) { r.Last = "tomorrow" }},
		{"/recurrence/except", func(r *hansa.Recurrence) { r.Except = []string{"2026-13-01"} }},
	} {
		r := good
		tc.change(&r)
		e := hansa.Public(r.Validate())
		if e == nil || e.Kind != hansa.Invalid || !strings.HasPrefix(e.Field, tc.field) {
			t.Errorf("%+v: %v, want invalid at %s", r, e, tc.field)
		}
	}
}

// twin is a schedule made the slow way: it walks through the days minute by
// minute and looks at the clock on the wall.
type twin struct {
	r    hansa.Recurrence
	zone *time.Location
}

// moment returns when the wall clock shows hh:mm on a day (days since 1970): the
// first or the last time that it does, or, if it never does, the first minute
// after at which it shows a later time.
func (w twin) moment(day, minute int, last bool) (found time.Time) {
	day, minute = day+minute/1440, minute%1440
	noon := time.Unix(int64(day)*86400, 0).UTC()
	for m := noon.Add(-30 * time.Hour); m.Before(noon.Add(54 * time.Hour)); m = m.Add(time.Minute) {
		local := m.In(w.zone)
		y, mo, d := local.Date()
		at := int(time.Date(y, mo, d, 0, 0, 0, 0, time.UTC).Unix()/86400)*1440 + local.Hour()*60 + local.Minute()
		switch want := day*1440 + minute; {
		case at == want && (found.IsZero() || last):
			found = m
		case at > want && found.IsZero():
			return m
		}
	}
	return found
}

// window returns the window that belongs to a day.
func (w twin) window(day int) (from, to time.Time, ok bool) {
	date := time.Unix(int64(day)*86400, 0).UTC()
	text := date.Format(time.DateOnly)
	switch {
	case w.r.First != "" && text < w.r.First, w.r.Last != "" && text > w.r.Last, slices.Contains(w.r.Except, text):
		return from, to, false
	case len(w.r.Days) > 0 && !slices.Contains(w.r.Days, days[date.Weekday()]):
		return from, to, false
	case len(w.r.Months) > 0 && !slices.Contains(w.r.Months, int(date.Month())):
		return from, to, false
	case len(w.r.Weeks) > 0 && !w.inWeek(date):
		return from, to, false
	}
	a, b := clock(w.r.From), clock(w.r.To)
	if b <= a {
		b += 1440
	}
	if w.r.Night {
		day++
	}
	from, to = w.moment(day, a, false), w.moment(day, b, true)
	return from, to, from.Before(to)
}

// inWeek counts the weekdays of the month up to date, and after it.
func (w twin) inWeek(date time.Time) bool {
	n := 0
	for d := date; d.Month() == date.Month(); d = d.AddDate(0, 0, -7) {
		n++
	}
	more := date.AddDate(0, 0, 7).Month() == date.Month()
	return slices.Contains(w.r.Weeks, n) || !more && slices.Contains(w.r.Weeks, -1)
}

func clock(s string) (minutes int) {
	var h, m int
	_, _ = fmt.Sscanf(s, "%d:%d", &h, &m)
	return h*60 + m
}

// nights are those on which clocks change, and some ordinary or odd ones, by zone.
var nights = map[string][]string{
	"Europe/Amsterdam":    {"2026-03-29", "2026-10-25", "2026-06-01", "2028-02-29", "1940-05-16"},
	"Europe/London":       {"2026-03-29", "2026-10-25", "2026-12-31"},
	"Australia/Lord_Howe": {"2026-04-05", "2026-10-04"},
	"America/Sao_Paulo":   {"2017-10-15", "2018-02-18"}, // at midnight
	"Pacific/Apia":        {"2011-12-30"},               // a whole day is not there
	"Asia/Kathmandu":      {"2026-01-01"},
}

func recurrence(t *rapid.T) (hansa.Recurrence, time.Time) {
	zone := rapid.SampledFrom([]string{"Europe/Amsterdam", "Europe/Amsterdam", "Europe/London", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu"}).Draw(t, "zone")
	night, err := time.Parse(time.DateOnly, rapid.SampledFrom(nights[zone]).Draw(t, "night"))
	if err != nil {
		t.Fatal(err)
	}
	hhmm := func(label string, most int) string {
		m := rapid.OneOf(rapid.IntRange(0, most/10).AsAny(), rapid.SampledFrom([]int{0, 12, 18}).AsAny()).Draw(t, label).(int) * 10
		return fmt.Sprintf("%02d:%02d", m/60, m%60)
	}
	r := hansa.Recurrence{Zone: zone, From: hhmm("from", 1430), To: hhmm("to", 1440), Night: rapid.Bool().Draw(t, "by evening")}
	r.Days = rapid.SliceOfNDistinct(rapid.SampledFrom(days), 0, 3, rapid.ID[string]).Draw(t, "days")
	if rapid.Bool().Draw(t, "by week") {
		r.Weeks = rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 3, 4, 5, -1}), 0, 2).Draw(t, "weeks")
		r.Months = rapid.SliceOfN(rapid.IntRange(1, 12), 0, 6).Draw(t, "months")
	}
	near := func(label string) string {
		return night.AddDate(0, 0, rapid.IntRange(-3, 3).Draw(t, label)).Format(time.DateOnly)
	}
	switch rapid.IntRange(0, 3).Draw(t, "bounds") {
	case 0:
		r.First = near("first")
	case 1:
		r.Last = near("last")
	case 2:
		r.Except = []string{near("except"), near("except too")}
	}
	return r, night
}

// TestScheduleAgainstTwin compares windows and Contains with the slow twin around
// nights on which clocks change.
func TestScheduleAgainstTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, night := recurrence(t)
		s := schedule(t, r)
		zone, err := time.LoadLocation(r.Zone)
		if err != nil {
			t.Fatal(err)
		}
		w := twin{r, zone}
		from, until := night.Add(-40*time.Hour), night.Add(64*time.Hour)
		var want []hansa.Window
		for day := int(from.Unix()/86400) - 4; day <= int(until.Unix()/86400)+2; day++ {
			if a, b, ok := w.window(day); ok && b.After(from) && a.Before(until) {
				want = append(want, hansa.Window{From: a, To: b})
			}
		}
		got := slices.Collect(s.Windows(from, until))
		if !slices.EqualFunc(got, want, func(a, b hansa.Window) bool { return a.From.Equal(b.From) && a.To.Equal(b.To) }) {
			t.Fatalf("%+v\ngot  %v\nwant %v", r, got, want)
		}
		for m := from; m.Before(until); m = m.Add(5 * time.Minute) {
			in := slices.ContainsFunc(want, func(w hansa.Window) bool { return !m.Before(w.From) && m.Before(w.To) })
			if s.Contains(m) != in {
				t.Fatalf("%+v: Contains(%s) is %t, want %t", r, m.In(zone), !in, in)
			}
			if next, ok := s.Next(m); in && (!ok || m.Before(next.From)) {
				t.Fatalf("%+v: within a window at %s, and the next is %v", r, m.In(zone), next)
			}
		}
	})
}

// TestNoHourIsLeftOut: whenever the clock on the wall shows a time within a
// window, the schedule says closed, also in the hour that comes twice.
func TestNoHourIsLeftOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, night := recurrence(t)
		r.Days, r.Weeks, r.Months, r.First, r.Last, r.Except, r.Night = nil, nil, nil, "", "", nil, false
		s := schedule(t, r)
		zone, err := time.LoadLocation(r.Zone)
		if err != nil {
			t.Fatal(err)
		}
		a, b := clock(r.From), clock(r.To)
		for m := night.Add(-24 * time.Hour); m.Before(night.Add(48 * time.Hour)); m = m.Add(10 * time.Minute) {
			local := m.In(zone)
			now := local.Hour()*60 + local.Minute()
			if shown := now >= a && now < b || b <= a && (now >= a || now < b); shown && !s.Contains(m) {
				t.Fatalf("%s-%s: at %s the wall says closed and the schedule does not", r.From, r.To, local)
			}
		}
	})
}

func TestADayThatIsNotThere(t *testing.T) {
	s := schedule(t, hansa.Recurrence{Zone: "Pacific/Apia", From: "10:00", To: "12:00"})
	got := windows(s, "2011-12-29", "2012-01-01")
	// Samoa went from 29 to 31 December; on the 30th nothing can be closed.
	if n := strings.Count(got, "/"); n > 4 || strings.Contains(got, "2011-12-30") {
		t.Errorf("got\n%s", got)
	}
}

func TestContainsAllocatesNothing(t *testing.T) {
	s := schedule(t, hansa.Recurrence{
		Zone: "Europe/Amsterdam", Days: []string{"sunday", "friday"}, Weeks: []int{1, -1}, Months: []int{3, 10}, From: "22:00", To: "05:00", Night: true, Except: []string{"2026-03-01"},
	})
	at := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC)
	if n := testing.AllocsPerRun(100, func() { s.Contains(at) }); n != 0 {
		t.Errorf("Contains allocates %v times", n)
	}
}

func TestWindowsAreBounded(t *testing.T) {
	s := schedule(t, hansa.Recurrence{Zone: "UTC", From: "00:00", To: "01:00"})
	n := 0
	for range s.Windows(time.Time{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)) {
		n++
	}
	if n != hansa.OccurrencesMax {
		t.Errorf("%d windows, want %d", n, hansa.OccurrencesMax)
	}
	if _, ok := schedule(t, hansa.Recurrence{Zone: "UTC", From: "00:00", To: "01:00", Last: "2020-01-01"}).Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); ok {
		t.Error("there is a next window after the last day")
	}
}

func BenchmarkContains(b *testing.B) {
	r := hansa.Recurrence{Zone: "Europe/Amsterdam", Days: []string{"sunday"}, From: "22:00", To: "05:00"}
	s, err := r.Schedule()
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 7, 1, 1, 30, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		s.Contains(at)
	}
}

// BenchmarkRecurrenceValidate is what a record that comes back costs at intake.
func BenchmarkRecurrenceValidate(b *testing.B) {
	r := hansa.Recurrence{Zone: "Europe/Amsterdam", Days: []string{"friday"}, From: "22:00", To: "05:00"}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}
