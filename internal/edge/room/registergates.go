package room

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// windowDays are the days of the week, short.
var windowDays = map[string]string{
	"monday": words.Mark("Mon"), "tuesday": words.Mark("Tue"), "wednesday": words.Mark("Wed"), "thursday": words.Mark("Thu"), "friday": words.Mark("Fri"), "saturday": words.Mark("Sat"), "sunday": words.Mark("Sun"),
}

// gates says what a gate holds to, besides for which purposes and in which formats.
func (p *printPage) gates(t *hansa.Terms) (out []string) {
	lang := cmp.Or(p.Lang, english)
	if len(t.Fields) > 0 {
		out = append(out, p.say.Fill("besides identity, time and place only: {1}", labels("fields", t.Fields, lang)))
	}
	if t.Area != nil {
		w, s, e, n := t.Area.Bounds()
		out = append(out, p.say.Fill("only within {1}", fmt.Sprintf("%.3f, %.3f – %.3f, %.3f", s, w, n, e)))
	}
	if t.Precision != nil {
		out = append(out, p.say.Count(*t.Precision, "places to {1} decimal of a degree", "places to {1} decimals of a degree"))
	}
	if t.Delay > 0 {
		out = append(out, p.say.Fill("held back for {1}", p.say.Span(time.Duration(t.Delay))))
	}
	for i := range t.Windows {
		out = append(out, p.say.Fill("open {1}", p.window(&t.Windows[i])))
	}
	if t.Retention > 0 {
		out = append(out, p.say.Count(t.Retention, "nothing older than {1} day", "nothing older than {1} days"))
	}
	if t.Conditions["audience"] == "public" {
		out = append(out, p.say.Say("only what is meant for the public"))
	}
	if t.Conditions["personal"] == "none" {
		out = append(out, p.say.Say("no personal data"))
	}
	return out
}

// window says when a flow is open, by the clock of its zone.
func (p *printPage) window(r *hansa.Recurrence) string {
	var parts, days []string
	for _, d := range r.Days {
		days = append(days, p.say.Say(first(windowDays[d], d)))
	}
	if len(days) > 0 {
		parts = append(parts, p.say.List(days...))
	}
	parts = append(parts, r.From+"–"+r.To, r.Zone)
	if r.First != "" || r.Last != "" {
		parts = append(parts, "("+r.First+" – "+r.Last+")")
	}
	if len(r.Weeks)+len(r.Months)+len(r.Except) > 0 {
		parts = append(parts, p.say.Say("(on some of these days alone)"))
	}
	return strings.Join(parts, " ")
}
