package room

import (
	"net/url"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// detail is the closure that is open.
type detail struct {
	Number      int
	ID, Name    string
	State, Tone string
	Rows        []row
	Text, Lang  string
	Sub         string // beside the chart's title
	Chart       *chart
	Table       []laneRow
	ShowTable   bool
	Switch      string // address of the other view
	EndRows     []endRow
	EndSum      string
}

type row struct{ Key, Value, Machine string }

// laneRow is one receiver in the table view.
type laneRow struct {
	Title, Share            string
	Fetched, Matched, Live  string
	Result, Tone, Evidence  string
	Mark, Limit, LastReason string
}

type endRow struct{ Title, Mark, Text, Tone string }

func (p *page) detail(it *item, l *Live) *detail {
	c := it.c
	d := &detail{Number: it.Number, ID: c.ID, Name: c.Name, Text: c.Text, Lang: c.Lang}
	d.State, d.Tone = state(c)
	d.Rows = facts(c, p, l)
	d.ShowTable = p.ask.table
	d.Switch = p.ask.link("/live", c.ID, !p.ask.table)
	if p.ask.only {
		d.Switch = p.ask.link("/closures/"+url.PathEscape(c.ID), "", !p.ask.table)
	}
	d.sum(it)
	if len(c.Receivers) > 0 {
		d.Chart = reach(c, l.Now)
		d.Table = table(c, l.Now)
	}
	for i := range c.Receivers[:min(len(c.Receivers), ReceiversMax)] {
		r := &c.Receivers[i]
		if len(r.End) == 0 {
			continue
		}
		s := climb(r, r.End, hansa.StepCleared, r.End[0].At, l.Now)
		d.EndRows = append(d.EndRows, endRow{s.Title, s.Mark, s.Text, s.Tone})
	}
	if n := len(d.EndRows); n > 0 {
		done := 0
		for i := range d.EndRows {
			if d.EndRows[i].Mark == string(hansa.StepCleared) {
				done++
			}
		}
		d.EndSum = itoa(done) + " of " + itoa(n) + " cleared it"
	}
	return d
}

// facts lists what is known, planned and actual times apart.
func facts(c *Closure, p *page, l *Live) []row {
	when := func(t time.Time) string { return words.When(t, l.Now, l.Zone) }
	var out []row
	add := func(key, value string, t time.Time) {
		if value != "" {
			machine := ""
			if !t.IsZero() {
				machine = t.In(zoneOf(l)).Format(time.RFC3339)
			}
			out = append(out, row{key, value, machine})
		}
	}
	exact := func(t time.Time) string {
		if w := when(t); len(w) > len("15:04") {
			return w
		}
		return words.ClockSeconds(t, l.Zone)
	}
	both := !c.ActualStart.IsZero() && !c.Start.IsZero() && !c.ActualStart.Equal(c.Start)
	switch {
	case planned(c) && !c.Start.IsZero():
		add("Planned", "from "+when(c.Start), c.Start)
	case both:
		add("Planned", "from "+when(c.Start), c.Start)
		add("Began", exact(c.ActualStart), c.ActualStart)
	case !c.began().IsZero():
		add("Since", exact(c.began()), c.began())
	}
	if !c.Repaired.IsZero() {
		add("Repaired", when(c.Repaired)+", the road is not open by that", c.Repaired)
	}
	if ended(c) {
		if !c.End.IsZero() {
			add("Expected", strings.TrimPrefix(until(c, l.Now, l.Zone), "until "), c.End)
		}
		if !c.ActualEnd.IsZero() {
			add(map[bool]string{true: "Opened", false: "Withdrawn"}[c.Lifecycle == hansa.Ended], exact(c.ActualEnd), c.ActualEnd)
		}
	} else {
		value := strings.TrimPrefix(until(c, l.Now, l.Zone), "until ")
		if c.End.IsZero() {
			value = "not known"
		}
		if c.EndKind != "" && !c.End.IsZero() {
			value += ", " + string(c.EndKind)
		}
		add("Until", value, c.End)
	}
	add("Source", c.Source, time.Time{})
	if c.Feed != "" && c.Source == "" {
		add("Source", "feed "+c.Feed, time.Time{})
	}
	add("Cause", phrase(c.Cause), time.Time{})
	add("Diversion", c.Detour, time.Time{})
	var with []string
	for _, o := range append(p.Items, p.Ended...) {
		if c.Incident != "" && o.c.Incident == c.Incident && o.c.ID != c.ID && len(with) < 3 {
			with = append(with, o.Name)
		}
	}
	add("Together", words.List(with...), time.Time{})
	for _, says := range c.Contradicts[:min(len(c.Contradicts), 3)] {
		add("Differs", says, time.Time{})
	}
	return out
}

// sum writes how many trips are reached, and the limit where all have one.
func (d *detail) sum(it *item) {
	var parts []string
	reached, declared := 0.0, 0.0
	limit, same := time.Duration(0), true
	for i := range it.c.Receivers[:len(it.stands)] {
		r := &it.c.Receivers[i]
		s := climb(r, r.Steps, hansa.StepLive, it.c.from(), it.c.from())
		declared += r.Share
		if s.done {
			reached += r.Share
		}
		if limit == 0 {
			limit = r.Limit
		}
		same = same && (r.Limit == limit || r.Limit == 0)
	}
	if declared > 0 {
		parts = append(parts, itoa(words.Percent(min(1, reached)))+" % of routed trips reached")
	}
	switch {
	case limit > 0 && same:
		parts = append(parts, "agreed limit "+words.Span(limit))
	case limit > 0:
		parts = append(parts, "limits differ")
	case len(it.stands) > 0:
		parts = append(parts, "no limit agreed")
	}
	d.Sub = strings.Join(parts, " · ")
}

func table(c *Closure, now time.Time) []laneRow {
	var out []laneRow
	from := c.from()
	for _, i := range lanesOf(c) {
		r := &c.Receivers[i]
		s := climb(r, r.Steps, hansa.StepLive, from, now)
		row := laneRow{Title: s.Title, Result: s.Text, Tone: s.Tone, Mark: s.Mark}
		if r.Share > 0 {
			row.Share = itoa(words.Percent(r.Share)) + " %"
		}
		if r.Limit > 0 {
			row.Limit = words.Span(r.Limit)
		}
		for k := range r.Steps {
			t := words.Span(max(0, r.Steps[k].At.Sub(from)))
			switch {
			case r.Steps[k].Step == hansa.StepFetched && row.Fetched == "":
				row.Fetched = t
			case r.Steps[k].Step == hansa.StepMatched && row.Matched == "":
				row.Matched = t
			case r.Steps[k].Step == hansa.StepLive && row.Live == "":
				row.Live = t
			}
			if r.Steps[k].Step == s.step {
				row.Evidence = string(r.Steps[k].Evidence)
			}
		}
		out = append(out, row)
	}
	return out
}
