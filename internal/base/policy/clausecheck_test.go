package policy_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// bound returns a length of time that the parameter sets, by the calendar of the
// Netherlands from noon on Wednesday 4 November 2026.
func boundEnds(t *testing.T, unit string, n int) time.Time {
	t.Helper()
	switch unit {
	case "days":
		return wednesday.AddDate(0, 0, n)
	case "months":
		return wednesday.AddDate(0, n, 0)
	case "working-days":
		day, err := pack(t).AddWorkingDays("NL", wednesday, n)
		if err != nil {
			t.Fatal(err)
		}
		return day.AddDate(0, 0, 1).Add(-time.Nanosecond)
	}
	return wednesday.Add(time.Duration(n) * map[string]time.Duration{"seconds": time.Second, "minutes": time.Minute, "hours": time.Hour}[unit])
}

var wednesday = time.Date(2026, 11, 4, 12, 0, 0, 0, time.UTC)

// made is data on which a check passes, and data on which it fails.
func made(t *testing.T, c *policy.Clause) (kept, missed *policy.Measured) {
	t.Helper()
	value := c.Examples()[c.Test.Limit]
	n, _ := strconv.Atoi(value) // not a number for a list or a share
	unit := ""
	for i := range c.Params {
		if c.Params[i].Name == c.Test.Limit {
			unit = c.Params[i].Unit
		}
	}
	names := c.Test.Measures
	with := func(counts ...int64) *policy.Measured {
		m := &policy.Measured{Counts: map[string]int64{}}
		for i, v := range counts {
			m.Counts[names[i]] = v
		}
		return m
	}
	list := func(items ...string) *policy.Measured {
		return &policy.Measured{Lists: map[string][]string{names[0]: items}}
	}
	times := func(now time.Time, at ...time.Time) *policy.Measured {
		m := &policy.Measured{Now: now, Pack: pack(t), Country: "NL", Times: map[string]time.Time{}}
		for i, v := range at {
			m.Times[names[i]] = v
		}
		return m
	}
	switch c.Test.Function {
	case "within":
		end := boundEnds(t, unit, n)
		return times(end, wednesday, end), times(end, wednesday, end.Add(1))
	case "ahead":
		end := boundEnds(t, unit, n)
		return times(end, wednesday, end), times(end, wednesday, end.Add(-1))
	case "every":
		end := boundEnds(t, unit, n)
		return times(end, wednesday), times(end.Add(1), wednesday)
	case "share":
		share, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		least := int64(share * 100)
		return with(least, 10_000), with(least-1, 10_000)
	case "most":
		return with(int64(n)), with(int64(n) + 1)
	case "least":
		return with(int64(n)), with(int64(n) - 1)
	case "each":
		return with(int64(n), int64(n)), with(int64(n), int64(n)-1)
	case "none":
		return with(0, 5), with(1, 5)
	case "said":
		return &policy.Measured{Flags: map[string]bool{names[0]: true}}, &policy.Measured{Flags: map[string]bool{names[0]: false}}
	case "among":
		return list(strings.Split(value, ",")...), list(strings.Split(value, ",")[0], "another")
	case "outside":
		return list("another"), list("another", strings.Split(value, ",")[0])
	case "contains":
		return list(append(strings.Split(value, ","), "another")...), list(strings.Split(value, ",")[1:]...)
	}
	t.Fatalf("%s: no data is made for the check %s", c.ID, c.Test.Function)
	return nil, nil
}

// TestEachCheck: the check of each clause passes and fails on data made for it, and
// without data nothing is known.
func TestEachCheck(t *testing.T) {
	used := map[string]bool{}
	for _, c := range policy.Clauses() {
		nothing, err := c.Check(c.Examples(), &policy.Measured{Now: wednesday})
		if err != nil || nothing.Standing != policy.Unknown || nothing.Words == "" {
			t.Errorf("%s of nothing is %v, %v, want unknown", c.ID, nothing, err)
		}
		if c.Test == nil {
			if c.Enforced() != (c.Rule != nil) || nothing.Words != "not enforced by software" {
				t.Errorf("%s has no check, and says %q", c.ID, nothing.Words)
			}
			continue
		}
		used[c.Test.Function] = true
		kept, missed := made(t, c)
		for want, m := range map[policy.Standing]*policy.Measured{policy.Kept: kept, policy.Missed: missed} {
			got, err := c.Check(c.Examples(), m)
			if err != nil || got.Standing != want || got.Words == "" {
				t.Errorf("%s by %s: %v (%s), %v, want %v", c.ID, c.Test.Function, got.Standing, got.Words, err, want)
			}
		}
	}
	for _, f := range policy.Checks() {
		if !used[f.Name] || f.Says == "" {
			t.Errorf("the check %s checks no clause", f.Name)
		}
	}
	if kinds := policy.Unknown.String() + policy.Kept.String() + policy.Missed.String(); kinds != "unknownkeptmissed" {
		t.Error(kinds)
	}
}

// TestChecksAtTheirEdges: what is due, what makes no sense, and what is said of it.
func TestChecksAtTheirEdges(t *testing.T) {
	const hour = time.Hour
	at := func(names map[string]time.Duration) map[string]time.Time {
		out := map[string]time.Time{}
		for n, d := range names {
			out[n] = wednesday.Add(d)
		}
		return out
	}
	for _, tc := range []struct {
		name, id string
		params   policy.Params
		m        policy.Measured
		want     policy.Standing
		words    string
	}{
		{"not due yet", "correct-within", nil, policy.Measured{Now: wednesday.Add(hour), Times: at(map[string]time.Duration{"inaccuracy-signalled": 0})}, policy.Unknown, "inaccuracy answered: due by 2026-11-04 16:00:00 +00:00"},
		{"overdue and silent", "correct-within", nil, policy.Measured{Now: wednesday.Add(4*hour + 1), Times: at(map[string]time.Duration{"inaccuracy-signalled": 0})}, policy.Missed, "inaccuracy answered: not known, was due by 2026-11-04 16:00:00 +00:00"},
		{"answered before it was asked", "correct-within", nil, policy.Measured{Now: wednesday, Times: at(map[string]time.Duration{"inaccuracy-signalled": 0, "inaccuracy-answered": -hour})}, policy.Unknown, "inaccuracy answered lies before inaccuracy signalled"},
		{"never signalled", "correct-within", nil, policy.Measured{Now: wednesday, Times: at(map[string]time.Duration{"inaccuracy-answered": 0})}, policy.Unknown, "inaccuracy signalled: not known"},
		{"working days without a pack", "disputes", nil, policy.Measured{Now: wednesday, Times: at(map[string]time.Duration{"step-begun": 0})}, policy.Unknown, "no rule pack, so no working days"},
		{"working days of no country", "disputes", nil, policy.Measured{Now: wednesday, Pack: pack(t), Country: "XX", Times: at(map[string]time.Duration{"step-begun": 0})}, policy.Unknown, `/country: the rule pack eu@2026-06-18 has the calendars of EU, NL and IT, not of "XX"`},
		{"a share of nothing", "availability", nil, policy.Measured{Counts: map[string]int64{"minutes-available": 0, "minutes-of-the-month": 0}}, policy.Unknown, "no minutes of the month"},
		{"more than all", "availability", nil, policy.Measured{Counts: map[string]int64{"minutes-available": 2, "minutes-of-the-month": 1}}, policy.Unknown, "2 minutes available out of 1 minutes of the month is no share"},
		{"a share just kept", "availability", policy.Params{"percent": "99.95"}, policy.Measured{Counts: map[string]int64{"minutes-available": 9995, "minutes-of-the-month": 10000}}, policy.Kept, "9995 minutes available of 10000 minutes of the month, at least 99.95 %"},
		{"a share of very many", "availability", policy.Params{"percent": "100"}, policy.Measured{Counts: map[string]int64{"minutes-available": 1<<63 - 2, "minutes-of-the-month": 1<<63 - 1}}, policy.Missed, "9223372036854775806 minutes available of 9223372036854775807 minutes of the month, at least 100 %"},
		{"nothing was looked at", "no-personal-data", nil, policy.Measured{Counts: map[string]int64{"personal-records-let-through": 0, "records-let-through": 0}}, policy.Unknown, "no records let through"},
		{"three of them", "no-personal-data", nil, policy.Measured{Counts: map[string]int64{"personal-records-let-through": 3, "records-let-through": 9}}, policy.Missed, "3 personal records let through of 9 records let through"},
		{"k with room", "k-threshold", policy.Params{"k": "10"}, policy.Measured{Counts: map[string]int64{"smallest-count-let-through": 9}}, policy.Missed, "smallest count let through: 9, at least 10 persons"},
		{"nobody read", "purpose-limit", policy.Params{"purposes": "navigation"}, policy.Measured{Lists: map[string][]string{"purposes-named": {}}}, policy.Kept, "purposes named: as agreed"},
		{"two others", "purpose-limit", policy.Params{"purposes": "navigation"}, policy.Measured{Lists: map[string][]string{"purposes-named": {"resale", "navigation", "advertising", "resale"}}}, policy.Missed, "purposes named: advertising, resale besides what is agreed"},
		{"a field lacking", "required-fields", policy.Params{"fields": "a,b"}, policy.Measured{Lists: map[string][]string{"fields-delivered": {"b"}}}, policy.Missed, "fields delivered: a lacking"},
	} {
		got, err := clause(t, tc.id).Check(tc.params, &tc.m)
		if err != nil || got.Standing != tc.want || got.Words != tc.words {
			t.Errorf("%s: %v, %q, %v\nwant %v, %q", tc.name, got.Standing, got.Words, err, tc.want, tc.words)
		}
	}
	many := make([]string, 30)
	for i := range many {
		many[i] = "purpose-" + strconv.Itoa(100+i)
	}
	got, err := clause(t, "purpose-limit").Check(policy.Params{"purposes": "navigation"}, &policy.Measured{Lists: map[string][]string{"purposes-named": many}})
	if err != nil || !strings.Contains(got.Words, "purpose-109 and 20 more besides") || !slices.IsSorted(many) {
		t.Errorf("a long list: %q, %v", got.Words, err)
	}
}
