package node

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/dataplane/receipt"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// measured is a clause of which something is measured, for one party that bears it.
type measured struct {
	*api.ClauseKept
	c    *accord.Clause
	test *policy.Test
	m    *policy.Measured
}

// by is the party.
func (x *measured) by() hansa.PartyID { return x.By[0] }

// counted puts counts into the measures of the check, in their order.
func (x *measured) counted(counts ...int64) {
	x.Counts = counts
	for i, n := range counts {
		x.m.Counts[x.test.Measures[i]] = n
	}
}

// measuring is how a clause is measured, by the first measure of its check. Those that
// are not there nobody on this node measures.
var measuring = map[string]struct {
	measure  func(*keeping, *measured)
	together bool // all who bear it at once
}{
	"closures-acknowledged-in-time":    {(*keeping).acknowledged, false},
	"closures-live-in-time":            {(*keeping).live, false},
	"closures-cleared-in-time":         {(*keeping).cleared, false},
	"records-returned-in-the-month":    {(*keeping).returned, false},
	"records-contributed-in-the-month": {(*keeping).contributed, false},
	"records-given-by-the-giver":       {(*keeping).each, true},
	"last-contribution":                {(*keeping).last, false},
	"last-delivery":                    {(*keeping).last, false},
	"accord-ended":                     {(*keeping).erased, false},
	"accord-in-force":                  {(*keeping).registered, true},
	"last-report":                      {(*keeping).reported, false},
	"pseudonyms-renewed":               {(*keeping).reported, false},
	"last-review":                      {(*keeping).reported, true},
	"acknowledgement-published":        {(*keeping).published, false},
	"delivered":                        {(*keeping).tested, false},
	"arrangement-on-file":              {(*keeping).onFile, true},
	"assessment-on-file":               {(*keeping).onFile, true},
	"basis-on-file":                    {(*keeping).onFile, true},
}

// judge holds what was measured against a clause. A month that is not over is missed
// by nobody yet.
func (k *keeping) judge(row api.ClauseKept, c *accord.Clause, entry *policy.Clause, measure func(*keeping, *measured)) api.ClauseKept {
	x := &measured{ClauseKept: &row, c: c, test: entry.Test, m: &policy.Measured{Now: k.now, Counts: map[string]int64{}, Times: map[string]time.Time{}, Flags: map[string]bool{}}}
	if measure != nil {
		measure(k, x)
	}
	r, err := entry.Check(c.Params, x.m)
	switch {
	case err != nil:
		row.Words = err.Error()
		return row
	case r.Standing == policy.Missed && row.Open:
		r.Standing, r.Words = policy.Unknown, "the month is not over; so far "+r.Words
	}
	if entry.Test != nil && entry.Test.Function == "every" && r.Standing == policy.Kept && row.Last.IsZero() { // nothing was done yet
		r.Standing, r.Words = policy.Unknown, "nothing yet; the first is due by "+row.Due.In(k.zone).Format(time.DateOnly)
	}
	row.Standing, row.Words = r.Standing.String(), r.Words
	return row
}

// number is a parameter that counts.
func number(c *accord.Clause, name string) int {
	n, _ := strconv.Atoi(c.Params[name]) // a text in force has been validated
	return n
}

func (k *keeping) acknowledged(x *measured) {
	k.share(x, receipt.Opening, time.Duration(number(x.c, "seconds"))*time.Second, hansa.StepAcknowledged, hansa.StepHeld, hansa.StepMatched, hansa.StepLive, hansa.StepRejected)
}

func (k *keeping) live(x *measured) {
	k.share(x, receipt.Opening, time.Duration(number(x.c, "minutes"))*time.Minute, hansa.StepLive)
}

func (k *keeping) cleared(x *measured) {
	k.share(x, receipt.Ending, time.Duration(number(x.c, "minutes"))*time.Minute, hansa.StepCleared)
}

// share counts of what was offered to the party what reached one of the steps within the
// limit. What is not due yet, and what ended before it was due, is not counted.
func (k *keeping) share(x *measured, g receipt.Generation, limit time.Duration, steps ...hansa.Step) {
	days := make([]api.DayKept, keptDays)
	for i := range days {
		days[i].Day = k.day(i + 1 - keptDays).Format(time.DateOnly)
	}
	var part, all int64
	known := false
	for i := range k.pairs {
		p := &k.pairs[i]
		rungs, here := k.rungs[p.ID]
		if !here || p.To != x.by() || !x.c.About(p.Flow.ID) {
			continue
		}
		known = true
		over := map[string]time.Time{}
		for j := range rungs {
			if rungs[j].Generation == receipt.Ending {
				over[rungs[j].Record] = rungs[j].Offered
			}
		}
		for j := range rungs {
			r := &rungs[j]
			ok, counts := inTime(r, over[r.Record], limit, k.now, steps)
			if r.Generation != g || !counts {
				continue
			}
			all++
			day := r.Offered.In(k.zone).Format(time.DateOnly)
			at, _ := slices.BinarySearchFunc(days, day, func(d api.DayKept, day string) int { return strings.Compare(d.Day, day) })
			at = min(at, keptDays-1)
			days[at].All++
			if ok {
				part++
				days[at].Part++
			}
		}
	}
	if !known {
		return
	}
	x.Days, x.More = days, k.more
	x.counted(part, all)
}

// inTime reports whether what was offered reached one of the steps within limit, and
// whether it counts at all by now. over is when its end was offered; zero is never.
func inTime(r *receipt.Rungs, over time.Time, limit time.Duration, now time.Time, steps []hansa.Step) (ok, counts bool) {
	due := r.Offered.Add(limit)
	var done time.Time
	for _, s := range steps {
		if at, is := r.Times[s]; is && (done.IsZero() || at.Before(done)) {
			done = at
		}
	}
	switch {
	case !done.IsZero():
		return !done.After(due), true
	case r.Generation == receipt.Opening && !over.IsZero() && over.Before(due):
		return false, false
	}
	return false, now.After(due)
}

// monthly sums what was counted of some flows in the last whole month of the version in
// force; before there is one, in the present month so far.
func (k *keeping) monthly(x *measured, is func(*accord.Pair) bool) (n int64, known bool) {
	first := time.Date(k.now.UTC().Year(), k.now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	before := first.AddDate(0, -1, 0)
	x.Open = k.s.Effect.After(before)
	if !x.Open {
		first = before
	}
	x.Month = first.Format("2006-01")
	for i := range k.pairs {
		p := &k.pairs[i]
		list, has := k.counts[p.ID]
		if !has || !is(p) {
			continue
		}
		known = true
		for _, c := range list {
			if c.What == "records" && c.Day.Format("2006-01") == x.Month {
				n += c.N
			}
		}
	}
	return n, known
}

func (k *keeping) returned(x *measured) {
	set := x.c.Params["dataset"]
	n, known := k.monthly(x, func(p *accord.Pair) bool {
		return p.From == x.by() && slices.Contains([]string{p.Flow.Dataset.Name, p.Flow.Dataset.Title, p.Flow.Name}, set)
	})
	if known {
		x.counted(n)
	}
}

func (k *keeping) contributed(x *measured) {
	n, known := k.monthly(x, func(p *accord.Pair) bool { return p.From == x.by() && x.c.About(p.Flow.ID) })
	if known {
		x.counted(n)
	}
}

// each counts what own gives, and the least of what the others give.
func (k *keeping) each(x *measured) {
	mine, known := k.monthly(x, func(p *accord.Pair) bool { return p.From == k.me })
	theirs, met := int64(0), false
	for _, id := range x.By {
		if id == k.me {
			continue
		}
		n, has := k.monthly(x, func(p *accord.Pair) bool { return p.From == id })
		if known = known && has; !met || n < theirs {
			theirs, met = n, true
		}
	}
	if known && met {
		x.counted(mine, theirs)
	}
}

// last is the end of the last day on which the party gave something; before it did, the
// beginning of the accord.
func (k *keeping) last(x *measured) {
	known, at := false, k.s.Effect
	for i := range k.pairs {
		p := &k.pairs[i]
		list, has := k.counts[p.ID]
		if !has || p.From != x.by() || !x.c.About(p.Flow.ID) {
			continue
		}
		known = true
		for _, n := range list {
			if end := n.Day.AddDate(0, 0, 1); n.What == "records" && n.N > 0 && end.After(at) {
				at, x.Last = end, n.Day
			}
		}
	}
	if !known {
		return
	}
	if k.now.Before(at) {
		at = k.now
	}
	x.Due, x.m.Times[x.test.Measures[0]] = at.AddDate(0, 0, number(x.c, "days")).UTC(), at
}

// erased is whether the party has certified what became of the data, once it has ended.
func (k *keeping) erased(x *measured) {
	now := k.n.clock().UTC()
	at := k.s.At(now)
	if at.State != hansa.AccordEnded {
		return
	}
	x.m.Now = now
	ended := at.Since.Truncate(time.Second) // as a certificate says when
	x.m.Times["accord-ended"], x.Due = ended.UTC(), ended.AddDate(0, 0, number(x.c, "days")).UTC()
	owes := slices.ContainsFunc(k.s.Owed(k.t, now, k.n.hasOwnCopy), func(o accord.Owed) bool { return o.Party == x.by() })
	for _, e := range k.s.Erasures {
		if e.By == x.by() && !owes {
			x.Last, x.m.Times["erasure-certified"] = e.On, e.On
		}
	}
}

// reports are the newest reports under the clause of those who bear it.
func (k *keeping) reports(x *measured) (at time.Time) {
	for _, r := range k.s.Reports {
		if r.Clause == x.N && slices.Contains(x.By, r.By) && r.At.After(at) {
			at = r.At
		}
	}
	return at
}

// reported is when it was last reported; before it was, the beginning of the version.
func (k *keeping) reported(x *measured) {
	at := k.reports(x)
	if x.Last = at; at.IsZero() {
		at = k.s.Effect
	}
	x.m.Times[x.test.Measures[0]] = at
	for name, add := range map[string]func(n int) time.Time{"days": func(n int) time.Time { return at.AddDate(0, 0, n) }, "months": func(n int) time.Time { return at.AddDate(0, n, 0) }} {
		if n := number(x.c, name); n > 0 {
			x.Due = add(n).UTC()
		}
	}
}

// published is whether the party has reported it.
func (k *keeping) published(x *measured) {
	if x.Last = k.reports(x); !x.Last.IsZero() {
		x.m.Flags[x.test.Measures[0]] = true
	}
}

// onFile is whether the text says it of each flow of personal data.
func (k *keeping) onFile(x *measured) {
	all := true
	for i := range k.t.Flows {
		f := &k.t.Flows[i]
		if f.Personal == nil || !x.c.About(f.ID) {
			continue
		}
		said := map[string]string{"arrangement-on-file": f.Personal.Roles, "assessment-on-file": f.Personal.Assessment, "basis-on-file": f.Personal.Basis}[x.test.Measures[0]]
		all = all && said != ""
		x.m.Flags[x.test.Measures[0]] = all
	}
}

// tested is when the party, a receiver, said what it thinks of a delivery: of its flows
// the one that took, or takes, the longest. Delivered is the end of the first day on which
// something came.
func (k *keeping) tested(x *measured) {
	var longest time.Duration
	x.m.Pack, x.m.Country = packOf(k.t), countryOf(k.t.Term.Zone)
	for i := range k.pairs {
		p := &k.pairs[i]
		list, has := k.counts[p.ID]
		if !has || p.To != x.by() || !x.c.About(p.Flow.ID) {
			continue
		}
		var came time.Time
		for _, n := range list {
			if end := n.Day.AddDate(0, 0, 1); n.What == "records" && n.N > 0 && (came.IsZero() || end.Before(came)) {
				came = end
			}
		}
		if came.IsZero() {
			continue
		}
		if k.s.Effect.After(came) { // it came before the clause did
			came = k.s.Effect
		}
		came = came.Add(-time.Second).In(k.zone) // within that day: working days are counted from it
		until, said := k.now, false
		for _, s := range k.s.Tested {
			for _, at := range []time.Time{s.At, s.First} { // the first that is not from before the day on which it came
				if s.By == x.by() && (s.Flow == p.Flow.ID || s.Flow == p.ID) && !at.Before(came.AddDate(0, 0, -1)) {
					until, said = at, true
				}
			}
		}
		if until.Before(came) { // it was tested on the day on which it came
			came = until.In(k.zone)
		}
		if took := until.Sub(came); len(x.m.Times) == 0 || took > longest {
			longest = took
			x.m.Times["delivered"] = came
			if day, err := x.m.Pack.AddWorkingDays(x.m.Country, came.In(k.zone), number(x.c, "days")); err == nil { // else the check says why not
				x.Due = day.AddDate(0, 0, 1).UTC()
			}
			delete(x.m.Times, "accepted-or-refused")
			if x.Last = (time.Time{}); said {
				x.Last, x.m.Times["accepted-or-refused"] = until, until.In(k.zone)
			}
		}
	}
}

// packOf is the rule pack that a text was made under; the present one where it is not here.
func packOf(t *accord.Text) *policy.Pack {
	list := policy.Packs()
	if i := slices.IndexFunc(list, func(p *policy.Pack) bool { return p.Name() == t.Pack.ID }); i >= 0 {
		return list[i]
	}
	return list[0]
}

// countryOf is whose working days are counted where the days are those of a zone.
func countryOf(zone string) string {
	return cmp.Or(map[string]string{"Europe/Amsterdam": "NL", "Europe/Rome": "IT"}[zone], "EU")
}

// registered is since when the accord stands in the public register of this node, which
// shows it as soon as it is in force.
func (k *keeping) registered(x *measured) {
	x.Last = k.s.Effect
	x.m.Times["accord-in-force"], x.m.Times["accord-registered"] = k.s.Effect, k.s.Effect
}
