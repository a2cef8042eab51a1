package room

import (
	"cmp"
	"slices"
	"strconv"
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
func alarms(items []item, l *Live) []alarm {
	var all []alarm
	byCause := map[[2]string]*cause{}
	var order [][2]string
	for i := range items {
		c := items[i].c
		for _, says := range c.Contradicts {
			all = append(all, alarm{Key: "differ " + c.ID + says, Level: "high", Word: "High", Lead: "Sources differ on closure " + strconv.Itoa(items[i].Number) + ".", Text: sentence(says), since: c.from()})
		}
		if overdue(c, l.Now) {
			all = append(all, alarm{Key: "overdue " + c.ID, Level: "med", Word: "Medium", Lead: "The planned end of closure " + strconv.Itoa(items[i].Number) + " has passed.", Text: "Is the road open? Reopen it or move the end.", closure: c.ID, since: c.End})
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
			if !s.at.IsZero() && s.at.Before(g.since) {
				g.since = s.at
			}
		}
	}
	for _, key := range order {
		a := byCause[key].alarm(l)
		a.Key = key[0] + " " + key[1]
		all = append(all, a)
	}
	for _, f := range l.Feeds {
		if a, ok := troubled(&f, l); ok {
			all = append(all, a)
		}
	}
	rank := map[string]int{"crit": 0, "high": 1, "med": 2}
	slices.SortStableFunc(all, func(a, b alarm) int {
		return cmp.Or(cmp.Compare(rank[a.Level], rank[b.Level]), b.since.Compare(a.since))
	})
	return all
}

func (g *cause) alarm(l *Live) alarm {
	on := "closure " + strconv.Itoa(g.numbers[0])
	if len(g.numbers) > 1 {
		on = words.Count(len(g.numbers), "closure", "closures")
	}
	a := alarm{Level: "high", Word: "High", since: g.since}
	switch g.mark {
	case "contradicted":
		a.Level, a.Word, a.Lead, a.Text = "crit", "Critical", g.title+" shows "+on+" otherwise.", sentence(g.reason)
	case "silent":
		a.Level, a.Word, a.Lead = "crit", "Critical", g.title+" is silent."
		a.Text = "No receipt for " + on
		if !g.since.IsZero() {
			a.Text += " since " + words.When(g.since, l.Now, l.Zone)
		}
		a.Text += "."
	case "rejected":
		a.Lead, a.Text = g.title+" rejected "+on+".", sentence(g.reason)
	case "late":
		a.Lead, a.Text = g.title+" "+words.Span(g.over)+" late", "on "+on+"."
	}
	return a
}

// troubled makes an alarm of a source that is not fresh.
func troubled(f *Feed, l *Live) (alarm, bool) {
	name := f.Title
	if name == "" {
		name = f.State.Feed
	}
	a := alarm{Key: "feed " + f.State.Feed + string(f.State.Status), Level: "med", Word: "Medium", since: f.State.Since}
	age := ""
	if !f.State.LastGood.IsZero() {
		age = " The last good answer is " + words.Span(l.Now.Sub(f.State.LastGood)) + " old."
	}
	switch f.State.Status {
	case hansa.FeedFresh, hansa.FeedPaused: // who paused it knows
		return a, false
	case hansa.FeedLate:
		a.Lead = name + " is late."
	case hansa.FeedSilent:
		a.Lead = name + " is silent."
	case hansa.FeedFailing:
		a.Lead = name + " fails."
	case hansa.FeedHeld:
		a.Lead = name + " is held."
		a.Text = "Its last answer was empty or had shrunk, and waits for a person."
	case hansa.FeedDrift:
		a.Lead = name + " says what cannot be read."
	default:
		a.Lead = name + " is " + string(f.State.Status) + "."
	}
	if f.State.Reason != "" && f.State.Status != hansa.FeedHeld {
		a.Text = sentence(f.State.Reason)
	}
	a.Text += age
	return a, true
}

// sentence ends what others wrote with a full stop and begins it in upper case.
func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") {
		return words.Upper(s)
	}
	return words.Upper(s) + "."
}
