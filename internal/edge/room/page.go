package room

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// page is all that the templates need, worked out beforehand.
type page struct {
	City, Zone, Clock, Day, Speed string
	NowMilli                      int64
	Factor                        float64
	Theme                         string
	Stream, Home, JSON            string
	Dark, Light, ZoneName         string
	Drawn                         string
	Feeds                         capsule
	Alarms                        []alarm
	MoreAlarms                    int
	AlarmWord                     string
	Tiles                         []tile
	Lang                          string // of the page
	AlarmRate                     string // how many began lately
	Acting                        bool   // alarms can be acted on
	active, shelved               []alarm
	recent                        int
	Items, Ended                  []item
	EndedOpen                     bool
	LeftOut                       int
	Account                       bool // people sign in here
	May                           bool // close roads and open them
	Nav                           []place
	AllOpen                       string
	Next                          []coming
	ShiftNote                     *noteRow
	Selected                      *detail
	Overlay                       *overlay
	Base                          template.HTML
	ViewBox, Attribution          string
	ask                           ask
	say                           *words.Catalogue
}

type capsule struct{ Icon, Text string }

type tile struct{ Big, Small, Label, Title string }

// item is one closure in the list.
type item struct {
	Number           int
	DOM              string
	Href             template.URL // made of escaped parts by ask.link
	Badge            string       // class of the number
	Name, Line       string
	Elapsed          string
	SinceMilli       int64 // of a running clock; 0 stands still
	Planned, Current bool
	Open             bool // it closes nothing
	Stale            string
	Marks            template.HTML
	Sum              tally
	Test             bool
	c                *Closure
	stands           []stand
}

// coming is one line of the next 24 hours.
type coming struct {
	Clock, Text, Note string
	at                time.Time
}

// build works a page out of what the source told.
func (r *Room) build(ctx context.Context, l *Live, a ask) *page {
	say := words.Of(ctx)
	p := &page{
		City: l.City, Zone: words.Zone(l.Now, l.Zone), Clock: words.ClockSeconds(l.Now, l.Zone), Day: say.Day(l.Now, l.Zone),
		NowMilli: l.Now.UnixMilli(), Factor: l.Factor, Theme: a.theme, Drawn: words.ClockSeconds(l.Now, l.Zone), ask: a, say: say,
		Base: r.base.Load().markup, ViewBox: r.base.Load().viewBox(), Attribution: r.base.Load().attribution,
	}
	if p.Factor == 0 {
		p.Factor = 1
	}
	if p.Factor != 1 {
		p.Speed = strconv.FormatFloat(p.Factor, 'g', 4, 64) + " ×"
	}
	p.Stream, p.JSON, p.ZoneName = a.link("/stream", a.closure, a.table), "/live.json", zoneOf(l).String()
	if a.closure != "" {
		p.JSON += "?closure=" + url.QueryEscape(a.closure)
	}
	p.Home = ask{theme: a.theme}.link("/live", "", false)
	p.Dark = ask{theme: "dark"}.link("/live", a.closure, a.table)
	p.Light = ask{theme: "light"}.link("/live", a.closure, a.table)
	p.list(l)
	p.Feeds = feeds(say, l)
	r.alarmed(p, l)
	p.Tiles = tiles(p, l)
	p.Next = next(say, p.Items, l)
	if n := l.Note; n != nil {
		if p.ShiftNote = (&noteRow{Text: n.Text, Who: n.Who}); !n.At.IsZero() {
			p.ShiftNote.When = say.When(n.At, l.Now, zoneOf(l))
		}
	}
	p.allOpen(l)
	p.choose(l)
	p.Overlay = r.base.Load().overlay(p)
	return p
}

// alarmed puts what asks for a person on the page.
func (r *Room) alarmed(p *page, l *Live) {
	all := alarms(p.say, p.Items, l)
	for i := range all {
		switch id := all[i].closure; {
		case r.cfg.Desk == nil:
			all[i].Href = ""
		case id != "":
			all[i].Href = "/closures/" + url.PathEscape(id)
		}
	}
	p.active, p.shelved = settle(p.say, all, l)
	p.recent, p.Acting = recent(all, l.Now), r.cfg.Alarms != nil
	p.Alarms = p.active[:min(len(p.active), alarmsMax)]
	p.MoreAlarms = len(all) - len(p.Alarms)
	if n := len(p.active); n > 0 {
		if p.AlarmWord = p.say.Count(n, "{1} alarm", "{1} alarms"); p.Acting && p.recent > 0 {
			p.AlarmRate = p.say.Fill("{1} in 10 min", p.recent)
		}
	}
}

// link returns an address that keeps the rest of the view.
func (a ask) link(path, closure string, table bool) string {
	q := url.Values{}
	if closure != "" {
		q.Set("closure", closure)
	}
	if table {
		q.Set("view", "table")
	}
	if a.theme != "" {
		q.Set("theme", a.theme)
	}
	if a.only && path == "/stream" {
		q.Set("only", "1")
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// list numbers the closures and tells those that are over apart.
func (p *page) list(l *Live) {
	closures := l.Closures
	if len(closures) > ClosuresMax {
		p.LeftOut = len(closures) - ClosuresMax
		closures = closures[:ClosuresMax]
	}
	stale := map[string]string{}
	for _, f := range l.Feeds {
		if f.State.Status != hansa.FeedFresh && !f.State.LastGood.IsZero() {
			stale[f.State.Feed] = p.say.Fill("as of {1} · {2} old", p.say.When(f.State.LastGood, l.Now, l.Zone), p.say.Span(l.Now.Sub(f.State.LastGood)))
		}
	}
	for i := range closures {
		c := &closures[i]
		it := item{Number: c.Number, DOM: dom(c.ID), Badge: "no", Href: template.URL(p.ask.link("/live", c.ID, p.ask.table)), Name: c.Name, Line: line(p.say, c, l.Now, l.Zone), Planned: planned(c), Open: c.Effect == hansa.NoEffect, Stale: stale[c.Feed], Test: c.Test, c: c} //nolint:gosec // see item.Href
		if it.Planned {
			it.Badge = "no plan"
		} else if it.Open {
			it.Badge = "no note"
		}
		it.elapsed(p.say, l)
		it.stands = c.stands(p.say, l.Now)
		it.Marks = marks(it.stands)
		it.Sum = count(p.say, c, it.stands)
		if ended(c) {
			p.Ended = append(p.Ended, it)
		} else {
			p.Items = append(p.Items, it)
		}
	}
	n := 0
	for _, list := range [][]item{p.Items, p.Ended} { // those in force first
		for i := range list {
			if n++; list[i].Number == 0 {
				list[i].Number = n
			}
		}
	}
}

// elapsed says how long it has lasted, or when it will begin.
func (it *item) elapsed(say *words.Catalogue, l *Live) {
	begin := it.c.began()
	switch {
	case begin.IsZero():
	case it.Planned:
		it.Elapsed = words.Clock(begin, l.Zone)
		if begin.Sub(l.Now) > 24*time.Hour {
			it.Elapsed = say.Date(begin, l.Zone)
		}
	case ended(it.c):
		if !it.c.ActualEnd.IsZero() {
			it.Elapsed = words.Clock(it.c.ActualEnd, l.Zone)
		}
	default:
		it.Elapsed = say.Elapsed(l.Now.Sub(begin))
		if l.Now.Sub(begin) < time.Hour {
			it.SinceMilli = begin.UnixMilli()
		}
	}
}

func zoneOf(l *Live) *time.Location {
	if l.Zone == nil {
		return time.UTC
	}
	return l.Zone
}

// dom is an element's id for a record's: short, and safe whatever the publisher chose.
func dom(id string) string {
	h := sha256.Sum256([]byte(id))
	return "c" + hex.EncodeToString(h[:6])
}

func feeds(say *words.Catalogue, l *Live) capsule {
	fresh := 0
	for _, f := range l.Feeds {
		if f.State.Status == hansa.FeedFresh {
			fresh++
		}
	}
	switch {
	case len(l.Feeds) == 0:
		return capsule{}
	case fresh == len(l.Feeds):
		return capsule{Icon: "ok", Text: say.Count(fresh, "{1} feed, fresh", "All {1} feeds fresh")}
	}
	return capsule{Icon: "med", Text: say.Count(len(l.Feeds), "{2} of {1} feed fresh", "{2} of {1} feeds fresh", fresh)}
}

// tiles are the figures of the day. One without data is absent.
func tiles(p *page, l *Live) []tile {
	active, soon, other := 0, 0, 0
	for i := range p.Items {
		switch {
		case p.Items[i].Planned:
			soon++
		case p.Items[i].Open:
			other++
		default:
			active++
		}
	}
	say := p.say
	out := []tile{{Big: strconv.Itoa(active), Label: say.Count(active, "closure", "closures"), Title: say.Say("In force now")}}
	if soon > 0 {
		out[0].Small = " + " + say.Fill("{1} planned", soon)
	}
	if other > 0 {
		out[0].Small += " + " + say.Count(other, "{1} measure", "{1} measures")
	}
	var took []time.Duration
	var reached, measured float64
	y, m, d := l.Now.In(zoneOf(l)).Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, zoneOf(l))
	for i := range l.Closures[:min(len(l.Closures), ClosuresMax)] {
		c := &l.Closures[i]
		if from := c.from(); from.IsZero() || from.Before(midnight) || planned(c) {
			continue
		}
		live, declared := 0.0, 0.0
		for k := range c.Receivers[:min(len(c.Receivers), ReceiversMax)] {
			r := &c.Receivers[k]
			s := climb(say, r, r.Steps, hansa.StepLive, c.from(), l.Now)
			declared += r.Share
			if s.done {
				live += r.Share
				took = append(took, s.took)
			}
		}
		if declared > 0 {
			reached += live
			measured++
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		out = append(out, tile{Big: number(say.Span(took[len(took)/2])), Small: unit(say.Span(took[len(took)/2])), Label: say.Say("median to live, today"), Title: say.Say("From the first offer to live, over all receivers that showed it")})
	}
	if measured > 0 {
		out = append(out, tile{Big: strconv.Itoa(words.Percent(min(1, reached/measured))), Small: " %", Label: say.Say("of trips reached, today"), Title: say.Say("Sum of the shares of trips that the receivers declare, where it is live; mean of today's closures")})
	}
	return out
}

// number and unit split 41 s and 3 h 5 min at their first space.
func number(s string) string {
	for i := range s {
		if s[i] == ' ' {
			return s[:i]
		}
	}
	return s
}

func unit(s string) string { return s[len(number(s)):] }

// next lists what begins and ends within a day, in order.
func next(say *words.Catalogue, items []item, l *Live) []coming {
	const horizon, most = 24 * time.Hour, 6
	var out []coming
	within := func(t time.Time) bool { return t.After(l.Now) && t.Before(l.Now.Add(horizon)) }
	for i := range items {
		c := items[i].c
		if planned(c) && within(c.Start) {
			n := coming{Clock: words.Clock(c.Start, l.Zone), Text: c.Name + ": " + Does(say, c), at: c.Start}
			if k := crossing(c, items); k > 0 {
				n.Note = say.Fill("on the diversion of {1}", k)
			}
			out = append(out, n)
		}
		if within(c.End) && !c.End.IsZero() {
			text := say.Fill("{1} reopens", c.Name)
			if c.EndKind == hansa.EndEstimated || c.EndKind == hansa.EndUnknown {
				text = say.Fill("{1} is expected to reopen", c.Name)
			}
			out = append(out, coming{Clock: words.Clock(c.End, l.Zone), Text: text, at: c.End})
		}
	}
	slices.SortStableFunc(out, func(a, b coming) int { return a.at.Compare(b.at) })
	return out[:min(len(out), most)]
}

// crossing returns the number of the active closure whose advised diversion runs
// over c; 0 for none.
func crossing(c *Closure, items []item) int {
	const near = 60 // metres
	if c.Geometry == nil {
		return 0
	}
	for i := range items {
		o := items[i].c
		if o == c || items[i].Planned || o.Role == hansa.RoleCounterMeasure {
			continue
		}
		for _, d := range o.Detours {
			if d == nil {
				continue
			}
			for _, l := range d.Lines[:min(len(d.Lines), 8)] {
				for _, p := range l[:min(len(l), 500)] {
					for _, q := range c.Geometry.Lines[0][:min(len(c.Geometry.Lines[0]), 50)] {
						if abs(p[1]-q[1]) < .001 && hansa.Metres(p, q) < near {
							return items[i].Number
						}
					}
				}
			}
		}
	}
	return 0
}

func abs(f float64) float64 { return max(f, -f) }

// allOpen says why the list is empty, and whether that can be trusted.
func (p *page) allOpen(l *Live) {
	if len(p.Items) > 0 {
		return
	}
	p.AllOpen = p.say.Say("No closure is in force or planned.")
	if !l.Before.IsZero() {
		p.AllOpen = p.say.Fill("The last closure ended {1} ago.", p.say.Span(l.Now.Sub(l.Before)))
	}
	switch {
	case len(l.Feeds) == 0:
		p.AllOpen += " " + p.say.Say("No feed is connected: closures are entered by hand.")
	case p.Feeds.Icon == "ok":
		p.AllOpen += " " + p.say.Say("Feeds are fresh, so this is real.")
	default:
		p.AllOpen += " " + p.say.Say("Not every feed is fresh: some may be missing.")
	}
}

// choose opens the closure that was asked for, else the first.
func (p *page) choose(l *Live) {
	pick := func(list []item) *item {
		for i := range list {
			if p.ask.closure != "" && list[i].c.ID == p.ask.closure {
				return &list[i]
			}
		}
		return nil
	}
	over := pick(p.Ended)
	p.EndedOpen = over != nil
	it := cmp.Or(pick(p.Items), over)
	if it == nil && p.ask.only {
		return
	}
	for i := range p.Items {
		if it == nil && !p.Items[i].Open {
			it = &p.Items[i]
		}
	}
	if it == nil && len(p.Items) > 0 {
		it = &p.Items[0]
	}
	if it == nil {
		return
	}
	it.Current = true
	p.Selected = p.detail(it, l)
}
