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
	Acts        bool // those who may find them here
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
	d := &detail{Number: it.Number, ID: c.ID, Name: c.Name, Text: c.Text, Lang: c.Lang, Acts: !ended(c) && !p.ask.only}
	d.State, d.Tone = state(p.say, c)
	d.Rows = facts(p.say, c, p, l)
	d.ShowTable = p.ask.table
	d.Switch = p.ask.link("/live", c.ID, !p.ask.table)
	if p.ask.only {
		d.Switch = p.ask.link("/closures/"+url.PathEscape(c.ID), "", !p.ask.table)
	}
	d.sum(p.say, it)
	if len(c.Receivers) > 0 {
		d.Chart = reach(p.say, c, l.Now)
		d.Table = table(p.say, c, l.Now)
	}
	for i := range c.Receivers[:min(len(c.Receivers), ReceiversMax)] {
		r := &c.Receivers[i]
		if len(r.End) == 0 {
			continue
		}
		s := climb(p.say, r, r.End, hansa.StepCleared, r.End[0].At, l.Now)
		d.EndRows = append(d.EndRows, endRow{s.Title, s.Mark, s.Text, s.Tone})
	}
	if n := len(d.EndRows); n > 0 {
		done := 0
		for i := range d.EndRows {
			if d.EndRows[i].Mark == string(hansa.StepCleared) {
				done++
			}
		}
		d.EndSum = p.say.Fill("{1} of {2} cleared it", done, n)
	}
	return d
}

// facts lists what is known, planned and actual times apart.
func facts(say *words.Catalogue, c *Closure, p *page, l *Live) []row {
	when := func(t time.Time) string { return say.When(t, l.Now, l.Zone) }
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
		add(say.Say("Planned"), say.Fill("from {1}", when(c.Start)), c.Start)
	case both:
		add(say.Say("Planned"), say.Fill("from {1}", when(c.Start)), c.Start)
		add(say.Say("Began"), exact(c.ActualStart), c.ActualStart)
	case !c.began().IsZero():
		add(say.Say("Since"), exact(c.began()), c.began())
	}
	if !c.Repaired.IsZero() {
		add(say.Say("Repaired"), say.Fill("{1}, the road is not open by that", when(c.Repaired)), c.Repaired)
	}
	if ended(c) {
		if !c.End.IsZero() {
			add(say.Say("Expected"), end(say, c, l.Now, l.Zone), c.End)
		}
		if !c.ActualEnd.IsZero() {
			add(say.Say(map[bool]string{true: "Opened", false: "Withdrawn"}[c.Lifecycle == hansa.Ended]), exact(c.ActualEnd), c.ActualEnd)
		}
	} else {
		value := end(say, c, l.Now, l.Zone)
		if c.End.IsZero() {
			value = say.Say("not known")
		}
		if c.EndKind != "" && !c.End.IsZero() {
			value += ", " + say.Say(string(c.EndKind))
		}
		add(say.Say("Until"), value, c.End)
	}
	add(say.Say("Source"), c.Source, time.Time{})
	if c.Feed != "" && c.Source == "" {
		add(say.Say("Source"), say.Fill("feed {1}", c.Feed), time.Time{})
	}
	add(say.Say("Cause"), say.Say(phrase(c.Cause)), time.Time{})
	add(say.Say("Diversion"), c.Detour, time.Time{})
	var with []string
	for _, o := range append(p.Items, p.Ended...) {
		if c.Incident != "" && o.c.Incident == c.Incident && o.c.ID != c.ID && len(with) < 3 {
			with = append(with, o.Name)
		}
	}
	add(say.Say("Together"), say.List(with...), time.Time{})
	for _, says := range c.Contradicts[:min(len(c.Contradicts), 3)] {
		add(say.Say("Differs"), says, time.Time{})
	}
	return out
}

// sum writes how many trips are reached, and the limit where all have one.
func (d *detail) sum(say *words.Catalogue, it *item) {
	var parts []string
	reached, declared := 0.0, 0.0
	limit, same := time.Duration(0), true
	for i := range it.c.Receivers[:len(it.stands)] {
		r := &it.c.Receivers[i]
		s := climb(say, r, r.Steps, hansa.StepLive, it.c.from(), it.c.from())
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
		parts = append(parts, say.Fill("{1} % of routed trips reached", words.Percent(min(1, reached))))
	}
	switch {
	case limit > 0 && same:
		parts = append(parts, say.Fill("agreed limit {1}", say.Span(limit)))
	case limit > 0:
		parts = append(parts, say.Say("limits differ"))
	case len(it.stands) > 0:
		parts = append(parts, say.Say("no limit agreed"))
	}
	d.Sub = strings.Join(parts, " · ")
}

func table(say *words.Catalogue, c *Closure, now time.Time) []laneRow {
	var out []laneRow
	from := c.from()
	for _, i := range lanesOf(c) {
		r := &c.Receivers[i]
		s := climb(say, r, r.Steps, hansa.StepLive, from, now)
		row := laneRow{Title: s.Title, Result: s.Text, Tone: s.Tone, Mark: s.Mark}
		if r.Share > 0 {
			row.Share = itoa(words.Percent(r.Share)) + " %"
		}
		if r.Limit > 0 {
			row.Limit = say.Span(r.Limit)
		}
		for k := range r.Steps {
			t := say.Span(max(0, r.Steps[k].At.Sub(from)))
			switch {
			case r.Steps[k].Step == hansa.StepFetched && row.Fetched == "":
				row.Fetched = t
			case r.Steps[k].Step == hansa.StepMatched && row.Matched == "":
				row.Matched = t
			case r.Steps[k].Step == hansa.StepLive && row.Live == "":
				row.Live = t
			}
			if r.Steps[k].Step == s.step {
				row.Evidence = say.Say(string(r.Steps[k].Evidence))
			}
		}
		out = append(out, row)
	}
	return out
}
