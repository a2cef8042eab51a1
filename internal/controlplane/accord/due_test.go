package accord_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// TestDues: each day that an accord names is said with whose matter it is, from
// thirty days ahead until a week after.
func TestDues(t *testing.T) {
	day := func(s string) time.Time {
		at, err := time.ParseInLocation(time.DateOnly, s, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	x := drafted(t, hansa.ModelPartnership)
	x.Term = accord.Term{From: "2026-12-01", Until: "2029-11-30", Zone: "UTC", Notice: 90, Review: []string{"2028-06-01", "2027-06-01"}, Trial: "2027-02-28", Exit: "erase", ExitDays: 30}
	s := accord.State{State: hansa.AccordInForce, Effect: day("2026-12-01"), Bound: x.Outline()}
	s.Ends = s.Bound.Ends
	for _, tc := range []struct{ now, all, soon string }{
		{"2026-12-02", "trial 2027-02-28, review 2027-06-01, notice 2029-09-01, end 2029-11-30", ""},
		{"2027-01-28", "trial 2027-02-28, review 2027-06-01, notice 2029-09-01, end 2029-11-30", ""},
		{"2027-01-29", "trial 2027-02-28, review 2027-06-01, notice 2029-09-01, end 2029-11-30", "trial 2027-02-28"},
		{"2027-03-06", "trial 2027-02-28, review 2027-06-01, notice 2029-09-01, end 2029-11-30", "trial 2027-02-28"},
		{"2027-03-07", "review 2027-06-01, notice 2029-09-01, end 2029-11-30", ""},
		{"2027-06-07", "review 2027-06-01, notice 2029-09-01, end 2029-11-30", "review 2027-06-01"},
		{"2027-06-08", "review 2028-06-01, notice 2029-09-01, end 2029-11-30", ""},
		{"2029-11-15", "end 2029-11-30", "end 2029-11-30"},
		{"2029-12-01", "", ""},
	} {
		var all, soon []string
		for _, d := range s.Dues(day(tc.now)) {
			says := d.What + " " + d.Day
			if all = append(all, says); d.Soon(day(tc.now)) {
				soon = append(soon, says)
			}
			if len(d.By) != len(x.Parties) {
				t.Errorf("%s is the matter of %v", says, d.By)
			}
		}
		if got := strings.Join(all, ", "); got != tc.all {
			t.Errorf("on %s: got %s, want %s", tc.now, got, tc.all)
		}
		if got := strings.Join(soon, ", "); got != tc.soon {
			t.Errorf("on %s: reminds of %q, want %q", tc.now, got, tc.soon)
		}
	}
	s.Bound.Clocks.Review, s.Bound.Clocks.Months, s.Until = nil, 12, "2029-11-30"
	if got := s.Dues(day("2028-11-20")); len(got) != 2 || got[0].What != accord.DueReview || got[0].Day != "2028-12-01" || got[1].What != accord.DueEnd {
		t.Errorf("a review each year, and an end that is announced: %+v", got)
	}
	if got := s.Dues(day("2028-12-10")); len(got) != 1 || got[0].What != accord.DueEnd {
		t.Errorf("a review after the end: %+v", got)
	}
	if s.State = hansa.AccordProposed; s.Dues(day("2027-02-01")) != nil {
		t.Error("what is not in force reminds")
	}
}
