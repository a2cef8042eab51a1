package room

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	rules "github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// AccordKept is how a clause in force stands for who bears it, as far as this node's own
// evidence tells.
type AccordKept struct {
	N        int             `json:"n"` // the clause's number
	By       []hansa.PartyID `json:"by"`
	How      string          `json:"how"` // gate, check or trust
	Function string          `json:"function,omitempty"`
	Standing string          `json:"standing"` // kept, missed or unknown
	Counts   []int64         `json:"counts,omitempty"`
	Month    string          `json:"month,omitempty"`
	Open     bool            `json:"open,omitzero"` // the month is not over
	Last     time.Time       `json:"last,omitzero"`
	Due      time.Time       `json:"due,omitzero"`
	More     bool            `json:"more,omitzero"`
	Days     []KeptDay       `json:"days,omitempty"`
}

// AccordEarly is an end before the notice is over, and the clause that allows or forbids
// it; 0 is the term alone.
type AccordEarly struct {
	Notice  int
	Allowed bool
	Clause  int
}

// early says it in words.
func (p *accordPage) early(e *AccordEarly) string {
	days := p.say.Count(e.Notice, "before the {1} day of notice is over", "before the {1} days of notice are over")
	switch {
	case e.Allowed:
		return p.say.Fill("The end was announced for a day {1}: clause {2} allows it.", days, e.Clause)
	case e.Clause > 0:
		return p.say.Fill("The end was announced for a day {1}: clause {2} does not allow it.", days, e.Clause)
	}
	return p.say.Fill("The end was announced for a day {1}: the term does not allow it.", days)
}

// KeptDay is what was measured of one day.
type KeptDay struct {
	Day  string `json:"day"`
	Part int64  `json:"part"`
	All  int64  `json:"all"`
}

// keptBox says whether an accord is kept.
type keptBox struct {
	Missed  int
	Rows    []keptRow
	Trust   []keptClause // software sees nothing of them
	Unknown []keptClause // nothing is measured of them here, or not yet
	More    bool
}

// keptClause leads to a clause.
type keptClause struct {
	N    int
	Href string // empty where the clauses on the page are those of another version
}

// keptRow is a clause for one who bears it.
type keptRow struct {
	keptClause
	Title, Lang, By  string
	Agreed, Measured string
	State, Tone      string
	Days             []keptBar
	DaysSay          string
}

// keptBar is one day: its class says what it came to.
type keptBar struct{ Class string }

// kept puts what is measured into words; nil where nothing is in force.
func (p *accordPage) kept(x *AccordSheet, titles map[hansa.PartyID]string) *keptBox {
	t := x.Text
	if x.Force != nil {
		t = x.Force
	}
	if x.Copy.Force == "" || len(x.Kept) == 0 {
		return nil
	}
	out := &keptBox{}
	for i := range x.Kept {
		k := &x.Kept[i]
		if k.N < 1 || k.N > len(t.Clauses) {
			continue
		}
		at := keptClause{N: k.N}
		if x.Force == nil {
			at.Href = "#c" + strconv.Itoa(k.N)
		}
		switch {
		case k.How == "trust":
			out.Trust = append(out.Trust, at)
			continue
		case k.How == "check" && k.Standing == "unknown" && len(k.Counts) == 0 && k.Last.IsZero() && k.Due.IsZero():
			if n := len(out.Unknown); n == 0 || out.Unknown[n-1] != at {
				out.Unknown = append(out.Unknown, at)
			}
			continue
		case k.Standing == "missed":
			out.Missed++
		}
		out.More = out.More || k.More
		out.Rows = append(out.Rows, p.keptRow(at, k, &t.Clauses[k.N-1], titles))
	}
	return out
}

func (p *accordPage) keptRow(at keptClause, k *AccordKept, c *accord.Clause, titles map[hansa.PartyID]string) keptRow {
	row := keptRow{keptClause: at, Agreed: p.keptAgreed(k, c), Measured: p.keptMeasured(k)}
	row.Title, row.Lang = worded(c.Title, p.Lang)
	var by []string
	for _, id := range k.By {
		by = append(by, first(titles[id], string(id)))
	}
	switch who := p.say.List(by...); {
	case who == "":
	case k.How == "gate":
		row.By = p.say.Fill("held to by the gate of {1}", who)
	default:
		row.By = p.say.Fill("owed by {1}", who)
	}
	switch {
	case k.How == "gate":
		row.State, row.Tone = words.Mark("Enforced here"), "low"
	case k.Standing == "kept":
		row.State, row.Tone = words.Mark("Kept"), "ok"
	case k.Standing == "missed":
		row.State, row.Tone = words.Mark("Missed"), "high"
	case k.Open || !k.Due.IsZero():
		row.State, row.Tone = words.Mark("Not due yet"), "low"
	default:
		row.State, row.Tone = words.Mark("Nothing to measure yet"), "low"
	}
	clean := 0
	for _, d := range k.Days {
		bar := keptBar{Class: "none"}
		switch {
		case d.All == 0:
		case d.Part == d.All:
			bar.Class = "all"
			clean++
		case d.Part == 0:
			bar.Class = "nil"
		default:
			bar.Class = "some"
		}
		row.Days = append(row.Days, bar)
	}
	if len(row.Days) > 0 {
		with := 0
		for _, d := range k.Days {
			with += int(min(d.All, 1))
		}
		row.DaysSay = p.say.Fill("on {1} of {2} days without a miss, in the last {3}", clean, with, len(row.Days))
	}
	return row
}

// keptAgreed is the bound of a clause, in short.
func (p *accordPage) keptAgreed(k *AccordKept, c *accord.Clause) string {
	number := func(name string) int { n, _ := strconv.Atoi(c.Params[name]); return n } // a text in force has been validated
	span := func() string {
		switch entry, _ := rules.ClauseByID(c.ID); {
		case number("months") > 0:
			return p.say.Count(number("months"), "{1} month", "{1} months")
		case entry != nil && slices.ContainsFunc(entry.Params, func(x rules.Param) bool { return x.Unit == "working-days" }):
			return p.say.Count(number("days"), "{1} working day", "{1} working days")
		}
		return p.say.Span(time.Duration(number("seconds"))*time.Second + time.Duration(number("minutes"))*time.Minute + time.Duration(number("hours"))*time.Hour + time.Duration(number("days"))*24*time.Hour)
	}
	records := func() string { return p.say.Count(number("records"), "{1} record", "{1} records") }
	switch {
	case k.How == "gate":
		return p.say.Say("always")
	case k.Function == "share":
		return p.say.Fill("{1} % within {2}", c.Params["percent"], span())
	case k.Function == "least":
		return p.say.Fill("{1} a month", records())
	case k.Function == "each":
		return p.say.Fill("{1} a month from each", records())
	case k.Function == "every":
		return p.say.Fill("every {1}", span())
	case k.Function == "within":
		return p.say.Fill("within {1}", span())
	}
	return ""
}

// keptMeasured is what it came to.
func (p *accordPage) keptMeasured(k *AccordKept) string {
	n := k.Counts
	month := func(s string) string {
		if at, err := time.Parse("2006-01", k.Month); err == nil {
			return p.say.Fill("{1} in {2}", s, at.Format("01/2006"))
		}
		return s
	}
	switch {
	case k.How == "gate" && len(n) == 2:
		return p.say.Fill("{1} left, {2} held back or trimmed", n[0], n[1])
	case k.Function == "share" && len(n) == 2 && n[1] > 0:
		return p.say.Fill("{1} %", strings.TrimSuffix(p.say.Decimal(100*float64(n[0])/float64(n[1])), p.say.Fill("{1}.{2}", "", "0"))) + " · " + p.say.Fill("{1} of {2}", n[0], n[1])
	case k.Function == "least" && len(n) == 1:
		return month(p.say.Count(int(n[0]), "{1} record", "{1} records"))
	case k.Function == "each" && len(n) == 2:
		return month(p.say.Fill("{1} given, {2} received", n[0], n[1]))
	case !k.Last.IsZero():
		return p.day(k.Last)
	case !k.Due.IsZero():
		return p.say.Fill("due by {1}", p.day(k.Due))
	}
	return cmp.Or(map[bool]string{true: p.say.Say("nothing yet")}[len(n) > 0], "–")
}
