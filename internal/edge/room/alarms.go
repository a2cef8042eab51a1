package room

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// alarmsMax is how many alarms are shown; the rest are counted.
const alarmsMax = 6

// alarm asks for a person's act. One cause is one alarm, however many closures it
// concerns.
type alarm struct {
	Key   string
	Level string // crit, high, med
	Word  string // the level in words
	Lead  string // who and what, in bold
	Text  string
	Href  string // where to act; empty where nobody here can
	Done  string // what somebody did about it
	since time.Time

	closure string // the one that it asks about, if it is one
}

// cause gathers what goes wrong in one way at one receiver.
type cause struct {
	title, mark, reason string
	numbers             []int
	since               time.Time
	over                time.Duration
}

// alarms groups what is contradicted, silent, rejected or late by receiver.
func alarms(say *words.Catalogue, items []item, l *Live) []alarm {
	var all []alarm
	byCause := map[[2]string]*cause{}
	var order [][2]string
	var past []*item
	for i := range items {
		c := items[i].c
		for _, says := range c.Contradicts {
			all = append(all, alarm{Key: "differ " + c.ID + says, Level: "high", Word: say.Say("High"), Lead: say.Fill("Sources differ on closure {1}.", items[i].Number), Text: sentence(says), since: c.from()})
		}
		if overdue(c, l.Now) {
			past = append(past, &items[i])
		}
		for k := range items[i].stands {
			s := &items[i].stands[k]
			if s.Mark != "contradicted" && s.Mark != "silent" && s.Mark != "rejected" && s.Mark != "late" {
				continue
			}
			key := [2]string{s.Mark, string(c.Receivers[k].Party) + "\x00" + s.Title}
			g := byCause[key]
			if g == nil {
				g = &cause{title: s.Title, mark: s.Mark, reason: s.reason, since: s.at}
				byCause[key] = g
				order = append(order, key)
			}
			g.numbers = append(g.numbers, items[i].Number)
			g.over = max(g.over, s.over)
			switch {
			case g.since.IsZero():
				g.since = c.from()
			case !s.at.IsZero() && s.at.Before(g.since):
				g.since = s.at
			}
		}
	}
	all = append(all, passed(say, past)...)
	all = append(all, asking(say, l.Zone, l.Asking)...)
	for _, key := range order {
		a := byCause[key].alarm(say, l)
		a.Key = key[0] + " " + strings.ReplaceAll(key[1], "\x00", " ")
		all = append(all, a)
	}
	for _, f := range l.Feeds {
		if a, ok := troubled(say, &f, l); ok {
			all = append(all, a)
		}
	}
	rank := map[string]int{"crit": 0, "high": 1, "med": 2}
	slices.SortStableFunc(all, func(a, b alarm) int {
		return cmp.Or(cmp.Compare(rank[a.Level], rank[b.Level]), b.since.Compare(a.since))
	})
	return all
}

// passed asks whether roads are open whose planned end is over: a few each by itself,
// many in one.
func passed(say *words.Catalogue, past []*item) (out []alarm) {
	const alone = 2
	if len(past) > alone {
		a := alarm{Key: "overdue", Level: "med", Word: say.Say("Medium"), Lead: say.Count(len(past), "A planned end has passed.", "{1} planned ends have passed."), Text: say.Say("Are the roads open? Reopen them or move the ends."), Href: "/closures"}
		for _, it := range past {
			if it.c.End.After(a.since) {
				a.since = it.c.End
			}
		}
		return []alarm{a}
	}
	for _, it := range past {
		out = append(out, alarm{Key: "overdue " + it.c.ID, Level: "med", Word: say.Say("Medium"), Lead: say.Fill("The planned end of closure {1} has passed.", it.Number), Text: say.Say("Is the road open? Reopen it or move the end."), closure: it.c.ID, since: it.c.End})
	}
	return out
}

// asking makes alarms of what waits between nodes: requests a few each by themselves,
// many in one; messages that do not arrive in one for each participant.
func asking(say *words.Catalogue, zone *time.Location, list []Asking) (out []alarm) {
	const alone = 2
	var waits []*Asking
	stuck := map[string][]*Asking{}
	var others []string
	for i := range list {
		x := &list[i]
		if x.Due != "" {
			out = append(out, due(say, x))
			continue
		}
		if x.Duty {
			out = append(out, alarm{Key: "duty " + x.Process, Level: "med", Word: say.Say("Medium"), Lead: say.Fill("{1} has served a duty.", x.Other), Text: sentence(opening(x.What)) + " " + say.Say("What you give starts once you acknowledge it."), Href: "/accords/" + url.PathEscape(x.Process), since: x.Since})
			continue
		}
		if x.Late {
			out = append(out, waiting(say, zone, x))
			continue
		}
		if !x.Stuck {
			waits = append(waits, x)
			continue
		}
		if stuck[x.Other] == nil {
			others = append(others, x.Other)
		}
		stuck[x.Other] = append(stuck[x.Other], x)
	}
	for _, other := range others {
		g := stuck[other]
		out = append(out, alarm{Key: "stuck " + other, Level: "high", Word: say.Say("High"), Lead: say.Count(len(g), "{1} message to {2} does not arrive.", "{1} messages to {2} do not arrive.", other), Text: sentence(g[0].Says), Href: "/processes/" + url.PathEscape(g[0].Process), since: g[len(g)-1].Since})
	}
	if len(waits) > alone {
		return append(out, alarm{Key: "requests", Level: "med", Word: say.Say("Medium"), Lead: say.Count(len(waits), "{1} request waits for a person.", "{1} requests wait for a person."), Text: say.Fill("The longest is from {1}.", waits[0].Other), Href: "/requests", since: waits[len(waits)-1].Since})
	}
	for _, x := range waits {
		out = append(out, waiting(say, zone, x))
	}
	return out
}

// opening is the beginning of what others wrote at length.
func opening(s string) string {
	const most = 120
	if r := []rune(s); len(r) > most {
		return strings.TrimSpace(string(r[:most])) + "…"
	}
	return s
}

// waiting is the alarm of a request that waits for an answer. One that the law wants
// answered, and is late, is not like the others.
func waiting(say *words.Catalogue, zone *time.Location, x *Asking) alarm {
	a := alarm{Key: "request " + x.Process, Level: "med", Word: say.Say("Medium"), Lead: say.Fill("{1} waits for an answer.", x.Other), Text: say.Fill("It is about {1}.", x.What), Href: "/requests/" + url.PathEscape(x.Process), since: x.Since}
	switch {
	case x.Data:
		a.Href = "/processes/" + url.PathEscape(x.Process)
	case x.Ask:
		a.Href, a.Text = "/asks/"+url.PathEscape(x.Process), sentence(opening(x.What))
	}
	if !x.Answer.IsZero() && !x.Late {
		a.Text += " " + say.Fill("The answer is due by the end of {1}.", say.Date(x.Answer.Add(-time.Second), zone))
	}
	if x.Late {
		a.Key, a.Level, a.Word, a.Lead = "late "+x.Process, "high", say.Say("High"), say.Fill("The answer to {1} is late.", x.Other)
		a.Text += " " + say.Fill("The answer was due by the end of {1}.", say.Date(x.Answer.Add(-time.Second), zone))
	}
	return a
}

func (g *cause) alarm(say *words.Catalogue, l *Live) alarm {
	a := alarm{Level: "high", Word: say.Say("High"), since: g.since}
	// on says a text about the closures concerned: by its number where it is one.
	on := func(one, some, many string, more ...any) string {
		if len(g.numbers) == 1 {
			return say.Fill(one, append([]any{g.numbers[0]}, more...)...)
		}
		return say.Count(len(g.numbers), some, many, more...)
	}
	switch g.mark {
	case "contradicted":
		a.Level, a.Word, a.Text = "crit", say.Say("Critical"), sentence(g.reason)
		a.Lead = on(words.Mark("{2} shows closure {1} otherwise."), "{2} shows {1} closure otherwise.", "{2} shows {1} closures otherwise.", g.title)
	case "silent":
		a.Level, a.Word, a.Lead = "crit", say.Say("Critical"), say.Fill("{1} is silent.", g.title)
		a.Text = on(words.Mark("No receipt for closure {1}."), "No receipt for {1} closure.", "No receipt for {1} closures.")
		if !g.since.IsZero() {
			a.Text = on(words.Mark("No receipt for closure {1} since {2}."), "No receipt for {1} closure since {2}.", "No receipt for {1} closures since {2}.", say.When(g.since, l.Now, l.Zone))
		}
	case "rejected":
		a.Text = sentence(g.reason)
		a.Lead = on(words.Mark("{2} rejected closure {1}."), "{2} rejected {1} closure.", "{2} rejected {1} closures.", g.title)
	case "late":
		a.Lead = say.Fill("{1} {2} late", g.title, say.Span(g.over))
		a.Text = on(words.Mark("on closure {1}."), "on {1} closure.", "on {1} closures.")
	}
	return a
}

// troubled makes an alarm of a source that is not fresh.
func troubled(say *words.Catalogue, f *Feed, l *Live) (alarm, bool) {
	name := f.Title
	if name == "" {
		name = f.State.Feed
	}
	a := alarm{Key: "feed " + f.State.Feed + string(f.State.Status), Level: "med", Word: say.Say("Medium"), since: f.State.Since}
	switch f.State.Status {
	case hansa.FeedFresh, hansa.FeedPaused: // who paused it knows
		return a, false
	case hansa.FeedLate:
		if f.State.LastGood.IsZero() {
			return a, false // it was only just added; what fails says so
		}
		a.Lead = say.Fill("{1} is late.", name)
	case hansa.FeedSilent:
		a.Lead = say.Fill("{1} is silent.", name)
	case hansa.FeedFailing:
		a.Lead = say.Fill("{1} fails.", name)
	case hansa.FeedHeld:
		a.Lead = say.Fill("{1} is held.", name)
		a.Text = say.Say("Its last answer was empty or had shrunk, and waits for a person.")
	case hansa.FeedDrift:
		a.Lead = say.Fill("{1} says what cannot be read.", name)
	default:
		a.Lead = name + ": " + string(f.State.Status)
	}
	if f.State.Reason != "" && f.State.Status != hansa.FeedHeld {
		a.Text = sentence(f.State.Reason)
	}
	if !f.State.LastGood.IsZero() {
		a.Text += " " + say.Fill("The last good answer is {1} old.", say.Span(l.Now.Sub(f.State.LastGood)))
	}
	return a, true
}

// sentence ends what others wrote with a full stop and begins it in upper case.
func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "…") || strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") {
		return words.Upper(s)
	}
	return words.Upper(s) + "."
}
