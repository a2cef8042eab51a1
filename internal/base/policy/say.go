package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// The phrases say what a constraint asks, so that "when ..." can stand before them.

func (a *atom) listed() string {
	if a.not() {
		return "not " + join(a.list, "or")
	}
	return join(a.list, "or")
}

func sayPurpose(a *atom) string { return "the purpose is " + a.listed() }
func sayFormat(a *atom) string  { return "the format is " + a.listed() }
func sayCaller(a *atom) string  { return "the receiver is " + a.listed() }
func sayAccord(a *atom) string  { return "the accord sha-256:" + a.list[0] + " is in force" }
func sayDelay(a *atom) string   { return "each record is held back for " + sayDuration(a.delay) }
func sayAudience(*atom) string  { return "only what is meant for the public leaves" }
func sayPersonal(*atom) string  { return "no personal data leave" }

func sayKind(a *atom) string { return "the receiver is " + sayKinds(a.list) }

func sayKinds(list []string) string {
	out := slices.Clone(list)
	for i, k := range out {
		switch hansa.PartyKind(k) {
		case hansa.PublicBody:
			out[i] = "a public body"
		case hansa.Intermediary:
			out[i] = "an intermediary"
		case hansa.City, hansa.Company:
			out[i] = "a " + k
		default:
			out[i] = strconv.Quote(k)
		}
	}
	return join(out, "or")
}

func sayPrecision(a *atom) string {
	if a.precision == 1 {
		return "coordinates have at most 1 decimal"
	}
	return fmt.Sprintf("coordinates have at most %d decimals", a.precision)
}

func sayFields(a *atom) string {
	return "besides identity, time and place only " + join(a.list, "and") + " leave"
}

func sayArea(a *atom) string {
	if a.area == nil {
		return "the place is in " + a.list[0]
	}
	w, s, e, n := a.area.Bounds()
	return fmt.Sprintf("the place is in the area drawn between %v, %v and %v, %v", w, s, e, n)
}

func sayWindows(a *atom) string {
	out := make([]string, len(a.windows))
	for i := range a.windows {
		out[i] = sayWindow(&a.windows[i])
	}
	return "it is " + join(out, "or")
}

// sayWindow names days, hours and zone; months, weeks and exceptions are told to
// be there.
func sayWindow(r *hansa.Recurrence) string {
	s := r.From + " to " + r.To + " " + r.Zone
	if len(r.Days) > 0 {
		s += " on " + join(r.Days, "and")
	}
	if r.Night {
		s += " (the night after)"
	}
	if len(r.Weeks) > 0 {
		s += fmt.Sprintf(", weeks %v of the month", r.Weeks)
	}
	if len(r.Months) > 0 {
		s += fmt.Sprintf(", months %v", r.Months)
	}
	if r.First != "" {
		s += ", from " + r.First
	}
	if r.Last != "" {
		s += ", to " + r.Last
	}
	if len(r.Except) > 0 {
		s += ", except " + join(r.Except, "and")
	}
	return s
}

// sayMoment says t to the minute, or as fine as it is.
func sayMoment(t time.Time) string {
	layout := "2006-01-02 15:04 UTC"
	switch {
	case t.Nanosecond() != 0:
		layout = "2006-01-02 15:04:05.999999999 UTC"
	case t.Second() != 0:
		layout = "2006-01-02 15:04:05 UTC"
	}
	return t.UTC().Format(layout)
}

func sayTime(a *atom) string {
	var at string
	switch {
	case a.after == nil:
		at = sayMoment(a.moment)
	case a.name == ElapsedTime && a.operator == "lt":
		return "less than " + a.after.String() + " have passed since the agreement"
	case a.name == ElapsedTime:
		return "at most " + a.after.String() + " have passed since the agreement"
	default:
		at = a.after.String() + " after the agreement"
	}
	switch a.operator {
	case "gteq":
		return "it is " + at + " or later"
	case "gt":
		return "it is later than " + at
	case "lteq":
		return "it is " + at + " or earlier"
	case "lt":
		return "it is before " + at
	}
	return "it is exactly " + at
}

// period says the time that a leaves, as a permission's reason does.
func (a *atom) period(agreed time.Time) string {
	var counted string
	at := a.moment
	if a.after != nil {
		counted = a.after.String() + " after the agreement"
		if agreed.IsZero() {
			return inForceWord(a.operator) + counted
		}
		at, counted = a.after.after(agreed), " ("+counted+")"
	}
	return inForceWord(a.operator) + sayMoment(at) + counted
}

func inForceWord(operator string) string {
	switch operator {
	case "gteq":
		return "in force from "
	case "gt":
		return "in force after "
	case "eq":
		return "in force only at "
	}
	return "in force until "
}

func reasonTime(a *atom, k ask, got Outcome) string {
	words := a.period(k.in.Agreed)
	switch got {
	case Open:
		return words + ": left open until there is one"
	case Unsaid:
		return words + ": it is not known when that was made"
	case Holds:
		if a.operator == "gteq" || a.operator == "gt" {
			return words + ": has begun"
		}
		return words + ": has not passed"
	case Fails:
	}
	if s, _ := a.span(k.in.Agreed); !s.from.IsZero() && k.in.Now.Before(s.from) {
		return words + ": has not begun"
	}
	return words + ": has passed"
}

// listReason says what was named against what is agreed.
func listReason(thing, named, agreed string, got Outcome) string {
	switch got {
	case Holds:
		return thing + " is " + named + ": agreed"
	case Fails:
		return thing + " is " + named + ": not agreed; agreed is " + agreed
	case Open:
		return thing + " is " + agreed + ": left open here, it is not known yet"
	case Unsaid:
	}
	return thing + " is " + agreed + ": none is named"
}

func reasonPurpose(a *atom, k ask, got Outcome) string {
	return listReason("purpose", clip(string(k.purpose)), a.listed(), got)
}

func reasonFormat(a *atom, k ask, got Outcome) string {
	return listReason("format", clip(k.in.Format), a.listed(), got)
}

func reasonCaller(a *atom, k ask, got Outcome) string {
	return listReason("receiver", clip(string(k.in.Caller)), a.listed(), got)
}

func reasonKind(a *atom, k ask, got Outcome) string {
	return listReason("receiver", sayKinds([]string{string(k.in.CallerKind)}), sayKinds(a.list), got)
}

func reasonAccord(a *atom, _ ask, got Outcome) string {
	words := "accord sha-256:" + a.list[0]
	switch got {
	case Holds:
		return words + ": in force here"
	case Fails:
		return words + ": this exchange holds no such accord in force"
	case Open:
		return words + ": left open here"
	case Unsaid:
	}
	return words + ": this exchange cannot look for accords"
}

// explain says what became of n.
func (n *node) explain(k ask) Reason {
	got := n.test(k)
	r := Reason{Path: n.at, Outcome: got, Words: n.words(k, got)}
	if n.forbids {
		r.Words = "prohibited when " + n.phrase() + ": " + [...]string{
			Fails: "does not apply", Holds: "applies", Open: "left open here", Unsaid: "cannot be ruled out",
		}[got]
	}
	return r
}

func (n *node) words(k ask, got Outcome) string {
	switch {
	case n.atom != nil && n.atom.reason != nil:
		return n.atom.reason(n.atom, k, got)
	case n.atom != nil:
		return n.atom.phrase(n.atom) + ": held to by the gate, on each record"
	}
	parts := make([]string, len(n.kids))
	for i := range n.kids {
		parts[i] = n.kids[i].words(k, n.kids[i].test(k))
	}
	return logicWord(n.logic) + " (" + strings.Join(parts, "; ") + ")"
}

func logicWord(logic string) string {
	switch logic {
	case "or":
		return "any of"
	case "xone":
		return "exactly one of"
	}
	return "all of"
}

// phrase says what n asks.
func (n *node) phrase() string {
	if n.atom != nil {
		return n.atom.phrase(n.atom)
	}
	parts := make([]string, len(n.kids))
	for i := range n.kids {
		parts[i] = n.kids[i].phrase()
	}
	return logicWord(n.logic) + " (" + strings.Join(parts, "; ") + ")"
}
