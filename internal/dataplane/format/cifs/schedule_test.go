package cifs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

var dayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

func TestSchedule(t *testing.T) {
	for _, tc := range []struct {
		name string
		rs   []hansa.Recurrence
		want string // day hours; start and end where they are not those of the record
	}{
		{"by day", []hansa.Recurrence{{From: "09:00", To: "17:00", Days: []string{"monday", "friday"}}}, "monday 09:00-17:00 friday 09:00-17:00"},
		{"over midnight", []hansa.Recurrence{{From: "22:00", To: "05:00", Days: []string{"friday"}}}, "friday 22:00-23:59 saturday 00:00-05:00"},
		{"over the end of the week", []hansa.Recurrence{{From: "22:00", To: "05:00", Days: []string{"saturday"}}}, "sunday 00:00-05:00 saturday 22:00-23:59"},
		{"every night", []hansa.Recurrence{{From: "22:00", To: "05:00"}}, "everyday 00:00-05:00,22:00-23:59"},
		{"the night after", []hansa.Recurrence{{From: "00:00", To: "05:00", Days: []string{"sunday"}, Night: true}}, "monday 00:00-05:00"},
		{"the night after Saturday", []hansa.Recurrence{{From: "00:00", To: "05:00", Days: []string{"saturday"}, Night: true}}, "sunday 00:00-05:00"},
		{"a whole day", []hansa.Recurrence{{From: "00:00", To: "24:00", Days: []string{"sunday"}}}, "sunday 00:00-23:59"},
		{"two that touch", []hansa.Recurrence{{From: "08:00", To: "10:00", Days: []string{"monday"}}, {From: "10:00", To: "12:00", Days: []string{"monday"}}}, "monday 08:00-12:00"},
		{"two apart", []hansa.Recurrence{{From: "15:00", To: "18:00"}, {From: "07:00", To: "09:00"}}, "everyday 07:00-09:00,15:00-18:00"},
		{"first and last day", []hansa.Recurrence{{From: "22:00", To: "05:00", First: "2026-03-10", Last: "2026-03-12"}}, "everyday 00:00-05:00,22:00-23:59 from 2026-03-10T22:00:00+01:00 to 2026-03-13T05:00:00+01:00"},
		{"weeks of a month that never end", []hansa.Recurrence{{From: "22:00", To: "05:00", Weeks: []int{1}}}, "refused /situation/recurrence/0/weeks"},
		{"never", []hansa.Recurrence{{From: "01:00", To: "05:00", Last: "2026-01-01"}}, "refused /situation/recurrence"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := monthLong()
			for i := range tc.rs {
				if tc.rs[i].Zone == "" {
					tc.rs[i].Zone = "Europe/Amsterdam"
				}
			}
			r.Situation.Recurrence = tc.rs
			if strings.Contains(tc.name, "never end") {
				r.Situation.End = nil
			}
			got, losses := incidents(t, format.Doc{}, r)
			if s := outline(got, losses); s != tc.want {
				t.Errorf("got %s, want %s", s, tc.want)
			}
		})
	}
}

// TestDates: what a week of hours cannot say becomes an incident of each date, with
// an id that stays, and those that are over are left out.
func TestDates(t *testing.T) {
	for _, tc := range []struct {
		name string
		rs   []hansa.Recurrence
		want string // days on which it begins
	}{
		{"the first week of the month", []hansa.Recurrence{{From: "22:00", To: "05:00", Weeks: []int{1}}}, "03-02 03-03 03-04 03-05 03-06 03-07 04-01 04-02"},
		{"months", []hansa.Recurrence{{From: "22:00", To: "23:00", Months: []int{4}}}, "04-01 04-02"},
		{"an exception", []hansa.Recurrence{{From: "10:00", To: "11:00", Days: []string{"sunday"}, Except: []string{"2026-03-15"}}}, "03-08 03-22 03-29"},
		{"two zones", []hansa.Recurrence{{From: "22:00", To: "23:00", Days: []string{"monday"}, Last: "2026-03-09"}, {From: "22:00", To: "23:00", Zone: "Europe/London", Days: []string{"tuesday"}, Last: "2026-03-09"}}, "03-03 03-09"},
		{"the zone of no place", []hansa.Recurrence{{From: "22:00", To: "05:00", Zone: "UTC", Days: []string{"friday"}}}, "03-06 03-13 03-20 03-27"},
		{"two first days", []hansa.Recurrence{{From: "01:00", To: "05:00", First: "2026-03-31"}, {From: "06:00", To: "07:00", Last: "2026-03-04"}}, "03-03 03-04 03-31 04-01 04-02"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := monthLong()
			for i := range tc.rs {
				if tc.rs[i].Zone == "" {
					tc.rs[i].Zone = "Europe/Amsterdam"
				}
			}
			r.Situation.Recurrence = tc.rs
			got, losses := incidents(t, format.Doc{}, r)
			var days []string
			seen := map[string]bool{}
			for _, i := range got {
				days = append(days, i.StartTime[5:10])
				if seen[i.ID] || len(i.Schedule) != 0 || i.EndTime <= i.StartTime {
					t.Errorf("%s stands twice, has hours or does not end: %s to %s", i.ID, i.StartTime, i.EndTime)
				}
				seen[i.ID] = true
			}
			if s := strings.Join(days, " "); s != tc.want || !slices.ContainsFunc(losses, func(l hansa.Loss) bool { return l.Kind == hansa.LossSplit && l.Field == "/situation/recurrence" }) {
				t.Errorf("got %s, want %s, told as split: %v", s, tc.want, losses)
			}
			later, _ := incidents(t, format.Doc{Made: r.Situation.End.Add(-12 * time.Hour)}, r)
			for _, i := range later {
				if !seen[i.ID] {
					t.Errorf("%s is called otherwise later", i.ID)
				}
			}
			if len(later) >= len(got) {
				t.Errorf("%d incidents on the last day, want fewer than %d", len(later), len(got))
			}
		})
	}
}

// monthLong returns the closure from 2 March to 2 April 2026, over the night on
// which the clocks change.
func monthLong() *hansa.Record {
	r := closure()
	end := r.Situation.Start.AddDate(0, 1, 0)
	r.Situation.End = &end
	return r
}

func outline(got []incident, losses []hansa.Loss) string {
	if format.Refused(losses) {
		return "refused " + losses[0].Field
	}
	var parts []string
	for _, d := range append([]string{"everyday"}, dayNames...) {
		if h := got[0].Schedule[d]; h != "" {
			parts = append(parts, d+" "+h)
		}
	}
	if s := got[0].StartTime; s != "2026-03-02T23:00:00+01:00" {
		parts = append(parts, "from "+s)
	}
	if s := got[0].EndTime; s != "2026-04-03T00:00:00+02:00" && s != "2026-04-02T23:00:00+01:00" && s != "2026-04-03T00:00:00+01:00" {
		parts = append(parts, "to "+s)
	}
	return strings.Join(parts, " ")
}

// TestScheduleSaysTheSame: a receiver that reads the hours minute by minute finds
// the road closed exactly when the record says so, the minute before midnight aside.
func TestScheduleSaysTheSame(t *testing.T) {
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		r := monthLong()
		hhmm := func(label string) string {
			return fmt.Sprintf("%02d:%02d", rapid.IntRange(0, 23).Draw(rt, label), rapid.SampledFrom([]int{0, 30}).Draw(rt, label+" minute"))
		}
		bounds := rapid.SampledFrom([][2]string{{}, {"2026-03-09", ""}, {"", "2026-03-25"}, {"2026-03-05", "2026-03-29"}}).Draw(rt, "bounds")
		for range rapid.IntRange(1, 2).Draw(rt, "windows") {
			r.Situation.Recurrence = append(r.Situation.Recurrence, hansa.Recurrence{
				Zone: "Europe/Amsterdam", From: hhmm("from"), To: hhmm("to"), Night: rapid.Bool().Draw(rt, "night"),
				Days: rapid.SliceOfNDistinct(rapid.SampledFrom(dayNames), 0, 7, rapid.ID[string]).Draw(rt, "days"), First: bounds[0], Last: bounds[1],
			})
		}
		got, losses := incidents(t, format.Doc{}, r)
		if len(got) == 0 {
			if !format.Refused(losses) {
				rt.Fatal("nothing written and nothing refused")
			}
			return
		}
		var ss []*hansa.Schedule
		for i := range r.Situation.Recurrence {
			s, err := r.Situation.Recurrence[i].Schedule()
			if err != nil {
				rt.Fatal(err)
			}
			ss = append(ss, s)
		}
		for m := *r.Situation.Start; m.Before(*r.Situation.End); m = m.Add(15 * time.Minute) {
			want := slices.ContainsFunc(ss, func(s *hansa.Schedule) bool { return s.Contains(m) })
			closed := slices.ContainsFunc(got, func(i incident) bool { return i.holds(m, amsterdam) })
			if closed != want && !strange(m) {
				rt.Fatalf("at %s closed is %t, want %t\n%+v\n%+v", m.In(amsterdam), closed, want, got, r.Situation.Recurrence)
			}
		}
	})
}

// holds reports whether a receiver that reads i finds the road closed at m.
func (i incident) holds(m time.Time, zone *time.Location) bool {
	start, err1 := time.Parse(time.RFC3339, i.StartTime)
	end, err2 := time.Parse(time.RFC3339, i.EndTime)
	in := err1 == nil && err2 == nil && !m.Before(start) && m.Before(end)
	return in && (len(i.Schedule) == 0 || open(i.Schedule, m.In(zone)))
}

// strange reports whether m is near a change of clocks, where a window may begin
// or end at an hour that is not there.
func strange(m time.Time) bool {
	change := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	return m.After(change.Add(-2*time.Hour)) && m.Before(change.Add(2*time.Hour))
}

// open reads a table of hours as a receiver would.
func open(table map[string]string, at time.Time) bool {
	hours := table["everyday"]
	if hours == "" {
		hours = table[dayNames[at.Weekday()]]
	}
	if hours == "" {
		return false
	}
	now := at.Format("15:04")
	return slices.ContainsFunc(strings.Split(hours, ","), func(span string) bool {
		from, to, _ := strings.Cut(span, "-")
		return from <= now && (now < to || to == "23:59")
	})
}
