package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Test says how a clause is checked: a function of [Checks], the parameter that is
// its bound, and what is measured for it, in the order that the function reads.
type Test struct {
	Function string   `json:"function"`
	Limit    string   `json:"limit,omitempty"`
	Measures []string `json:"measures"`
}

// Measured is what is known about a clause in one period, by the names of its
// test's measures. What is not there is not known.
type Measured struct {
	Now     time.Time
	Pack    *Pack  // for working days
	Country string // whose calendar
	Counts  map[string]int64
	Times   map[string]time.Time
	Flags   map[string]bool
	Lists   map[string][]string
}

// Standing is what a check comes to.
type Standing uint8

// The standings. Values are written to disk: append, never renumber.
const (
	Unknown Standing = iota // not measured, or not due yet
	Kept
	Missed
)

func (s Standing) String() string { return [...]string{"unknown", "kept", "missed"}[s] }

// Result is a standing and why, in English.
type Result struct {
	Standing Standing
	Words    string
}

// CheckFunction is one function that checks clauses.
type CheckFunction struct {
	Name     string
	Says     string   // what keeps it
	Limits   []Kind   // the kinds of parameter that can be its bound; none takes no bound
	Measures []string // of each measure in order: count, time, flag or list
	run      func(*judged) Result
}

// checks is the one table of what can be checked.
var checks = [...]CheckFunction{
	{"within", "the second time is at most the bound after the first", []Kind{KindCount}, []string{"time", "time"}, checkWithin},
	{"ahead", "the first time is at least the bound before the second", []Kind{KindCount}, []string{"time", "time"}, checkAhead},
	{"every", "the time lies at most the bound before now", []Kind{KindCount}, []string{"time"}, checkEvery},
	{"share", "the first count is at least the bound's share of the second", []Kind{KindPercent}, []string{"count", "count"}, checkShare},
	{"most", "the count is at most the bound", []Kind{KindCount}, []string{"count"}, checkMost},
	{"least", "the count is at least the bound", []Kind{KindCount}, []string{"count"}, checkLeast},
	{"each", "both counts are at least the bound", []Kind{KindCount}, []string{"count", "count"}, checkEach},
	{"none", "the first count is nought, out of the second, which were looked at", nil, []string{"count", "count"}, checkNone},
	{"said", "the flag is set", nil, []string{"flag"}, checkSaid},
	{"among", "each of the list is one of the bound", []Kind{KindPurposes, KindFields, KindFormats, KindKinds, KindNames, KindText}, []string{"list"}, checkAmong},
	{"outside", "none of the list is one of the bound", []Kind{KindPurposes, KindFields, KindFormats, KindNames}, []string{"list"}, checkOutside},
	{"contains", "each of the bound is in the list", []Kind{KindNames, KindFields}, []string{"list"}, checkContains},
}

// Checks lists the functions that check clauses.
func Checks() []CheckFunction { return slices.Clone(checks[:]) }

func checkNamed(name string) *CheckFunction {
	i := slices.IndexFunc(checks[:], func(f CheckFunction) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &checks[i]
}

func (c *Clause) validateTest() error {
	t := c.Test
	if t == nil {
		return nil
	}
	f := checkNamed(t.Function)
	switch p := c.param(t.Limit); {
	case f == nil:
		return hansa.Fielded("/check/function", "there is no check %q", clip(t.Function))
	case len(f.Measures) != len(t.Measures):
		return hansa.Fielded("/check/measures", "the check %s reads %d measures, not %d", f.Name, len(f.Measures), len(t.Measures))
	case len(f.Limits) == 0 && t.Limit != "":
		return hansa.Fielded("/check/limit", "the check %s has no bound", f.Name)
	case len(f.Limits) > 0 && (p == nil || !slices.Contains(f.Limits, p.Kind)):
		return hansa.Fielded("/check/limit", "the bound of the check %s is a parameter of kind %v", f.Name, f.Limits)
	case slices.Contains([]string{"within", "ahead", "every"}, f.Name) && !slices.Contains(units(), p.Unit):
		return hansa.Fielded("/check/limit", "the bound of the check %s is a length of time", f.Name)
	}
	return nil
}

// taken are the first measures of the checks for which a node of this release takes
// measures; the other checks wait for theirs.
var taken = [...]string{
	"acknowledgement-published", "arrangement-on-file", "assessment-on-file", "basis-on-file", "delivered", "last-report", "last-review", "pseudonyms-renewed",
	"accord-ended", "accord-in-force", "closures-acknowledged-in-time", "closures-cleared-in-time", "closures-live-in-time", "last-contribution", "last-delivery",
	"records-contributed-in-the-month", "records-given-by-the-giver", "records-returned-in-the-month",
}

// Measured reports whether a node takes the measures that c's check reads.
func (c *Clause) Measured() bool {
	return c.Test != nil && slices.Contains(taken[:], c.Test.Measures[0])
}

// Reported reports whether c is kept by what its bearer reports under it.
func (c *Clause) Reported() bool {
	return c.Test != nil && slices.Contains([]string{"acknowledgement-published", "last-report", "last-review", "pseudonyms-renewed"}, c.Test.Measures[0])
}

// Check judges what was measured against c with its parameters, as [Clause.Render]
// reads them. What is not known, not due, or not enforced by software is Unknown.
// The error is about the parameters alone.
func (c *Clause) Check(params Params, m *Measured) (Result, error) {
	values, err := c.values(params)
	if err != nil {
		return Result{}, err
	}
	if c.Test == nil {
		return Result{Unknown, "not enforced by software"}, nil
	}
	j := judged{Measured: m, test: c.Test, limit: values[c.Test.Limit]}
	if p := c.param(c.Test.Limit); p != nil {
		j.param = *p
	}
	f := checkNamed(c.Test.Function)
	for i, kind := range f.Measures {
		if name := c.Test.Measures[i]; !m.knows(kind, name) && (i == 0 || f.Name != "within") {
			return Result{Unknown, plainly(name) + ": not known"}, nil
		}
	}
	return f.run(&j), nil
}

func (m *Measured) knows(kind, name string) (ok bool) {
	switch kind {
	case "count":
		_, ok = m.Counts[name]
	case "time":
		_, ok = m.Times[name]
	case "flag":
		_, ok = m.Flags[name]
	case "list":
		_, ok = m.Lists[name]
	}
	return ok
}

// plainly writes a measure's name as words.
func plainly(name string) string { return strings.ReplaceAll(name, "-", " ") }
