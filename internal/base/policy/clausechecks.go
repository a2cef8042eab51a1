package policy

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// judged is one check under way.
type judged struct {
	*Measured
	test  *Test
	param Param
	limit value
}

func (j *judged) name(i int) string    { return plainly(j.test.Measures[i]) }
func (j *judged) count(i int) int64    { return j.Counts[j.test.Measures[i]] }
func (j *judged) time(i int) time.Time { return j.Times[j.test.Measures[i]] }
func (j *judged) list(i int) []string  { return j.Lists[j.test.Measures[i]] }
func (j *judged) bound() string        { return fmt.Sprintf("%d %s", j.limit.n, plainly(j.param.Unit)) }
func (j *judged) known(i int) bool     { return j.knows("time", j.test.Measures[i]) }
func stamp(t time.Time) string         { return t.Format("2006-01-02 15:04:05 -07:00") }
func when(ok bool, words string) Result {
	return Result{map[bool]Standing{true: Kept, false: Missed}[ok], words}
}

func (j *judged) items(i int) []string {
	return slices.Compact(slices.Sorted(slices.Values(j.list(i))))
}

func (j *judged) allowed() (list []string) {
	if j.limit.list == nil {
		return []string{j.limit.text}
	}
	return j.limit.list
}

// after returns the moment that lies the bound after t: the last that is in time.
// Days and months end with their last moment (Regulation 1182/71, Article 3).
func (j *judged) after(t time.Time) (time.Time, error) {
	n := int(j.limit.n)
	switch j.param.Unit {
	case "days":
		return t.AddDate(0, 0, n), nil
	case "months":
		return addMonths(t, n), nil
	case "working-days":
		if j.Pack == nil {
			return time.Time{}, wrong("no rule pack, so no working days")
		}
		day, err := j.Pack.AddWorkingDays(j.Country, t, n)
		return day.AddDate(0, 0, 1).Add(-time.Nanosecond), err
	}
	unit := map[string]time.Duration{"seconds": time.Second, "minutes": time.Minute, "hours": time.Hour}[j.param.Unit]
	return t.Add(time.Duration(n) * unit), nil
}

func checkWithin(j *judged) Result {
	due, err := j.after(j.time(0))
	switch {
	case err != nil:
		return Result{Unknown, err.Error()}
	case j.known(1) && j.time(1).Before(j.time(0)):
		return Result{Unknown, fmt.Sprintf("%s lies before %s", j.name(1), j.name(0))}
	case j.known(1):
		return when(!j.time(1).After(due), fmt.Sprintf("%s at %s, due by %s", j.name(1), stamp(j.time(1)), stamp(due)))
	case j.Now.After(due):
		return Result{Missed, fmt.Sprintf("%s: not known, was due by %s", j.name(1), stamp(due))}
	}
	return Result{Unknown, fmt.Sprintf("%s: due by %s", j.name(1), stamp(due))}
}

func checkAhead(j *judged) Result {
	earliest, err := j.after(j.time(0))
	if err != nil {
		return Result{Unknown, err.Error()}
	}
	return when(!j.time(1).Before(earliest), fmt.Sprintf("%s at %s, %s at %s: the bound is %s", j.name(0), stamp(j.time(0)), j.name(1), stamp(j.time(1)), j.bound()))
}

func checkEvery(j *judged) Result {
	due, err := j.after(j.time(0))
	if err != nil {
		return Result{Unknown, err.Error()}
	}
	return when(!j.Now.After(due), fmt.Sprintf("%s at %s, the next is due by %s", j.name(0), stamp(j.time(0)), stamp(due)))
}

func checkShare(j *judged) Result {
	part, all := j.count(0), j.count(1)
	switch {
	case all == 0:
		return Result{Unknown, "no " + j.name(1)}
	case part < 0 || all < 0 || part > all:
		return Result{Unknown, fmt.Sprintf("%d %s out of %d %s is no share", part, j.name(0), all, j.name(1))}
	}
	hi, lo := bits.Mul64(uint64(part), 100_00) // both are not negative
	wantHi, wantLo := bits.Mul64(uint64(all), uint64(max(j.limit.n, 0)))
	return when(hi > wantHi || hi == wantHi && lo >= wantLo, fmt.Sprintf("%d %s of %d %s, at least %s %%", part, j.name(0), all, j.name(1), sayDecimal(j.limit.n, "en")))
}

func checkMost(j *judged) Result {
	return when(j.count(0) <= j.limit.n, fmt.Sprintf("%s: %d, at most %s", j.name(0), j.count(0), j.bound()))
}

func checkLeast(j *judged) Result {
	return when(j.count(0) >= j.limit.n, fmt.Sprintf("%s: %d, at least %s", j.name(0), j.count(0), j.bound()))
}

func checkEach(j *judged) Result {
	return when(min(j.count(0), j.count(1)) >= j.limit.n, fmt.Sprintf("%s: %d, %s: %d, each at least %s", j.name(0), j.count(0), j.name(1), j.count(1), j.bound()))
}

func checkNone(j *judged) Result {
	if j.count(1) == 0 && j.count(0) == 0 {
		return Result{Unknown, "no " + j.name(1)}
	}
	return when(j.count(0) == 0, fmt.Sprintf("%d %s of %d %s", j.count(0), j.name(0), j.count(1), j.name(1)))
}

func checkSaid(j *judged) Result {
	ok := j.Flags[j.test.Measures[0]]
	return when(ok, j.name(0)+": "+map[bool]string{true: "yes", false: "no"}[ok])
}

func checkAmong(j *judged) Result {
	others := slices.DeleteFunc(j.items(0), func(s string) bool { return slices.Contains(j.allowed(), s) })
	return j.listed(others, "besides what is agreed")
}

func checkOutside(j *judged) Result {
	barred := slices.DeleteFunc(j.items(0), func(s string) bool { return !slices.Contains(j.allowed(), s) })
	return j.listed(barred, "which is not allowed")
}

func checkContains(j *judged) Result {
	lacking := slices.DeleteFunc(slices.Clone(j.allowed()), func(s string) bool { return slices.Contains(j.list(0), s) })
	return j.listed(lacking, "lacking")
}

// listed says which items break a clause about a list; none keeps it.
func (j *judged) listed(items []string, why string) Result {
	if len(items) == 0 {
		return Result{Kept, j.name(0) + ": as agreed"}
	}
	for i := range items {
		items[i] = clip(items[i])
	}
	more := ""
	if n := len(items) - saidMax; n > 0 {
		items, more = items[:saidMax], fmt.Sprintf(" and %d more", n)
	}
	return Result{Missed, j.name(0) + ": " + strings.Join(items, ", ") + more + " " + why}
}

// saidMax bounds how many items a result names.
const saidMax = 10
