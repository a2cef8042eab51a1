package gate

import (
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// check is one term as the gate asks it: it returns the rule that denies, or
// none. say puts the term and what stands against it in words.
type check struct {
	term  string
	check func(g *Gate, r *hansa.Record, a Ask) hansa.Rule
	say   func(g *Gate, r *hansa.Record, a Ask) string
}

// doors are asked of the reader, in this order; their record is nil.
var doors = [...]check{
	{"party", party, sayParty},
	{"purpose", purpose, sayPurpose},
	{"format", format, sayFormat},
	{"paused", paused, sayPaused},
	{"period", period, sayPeriod},
	{"window", window, sayWindow},
}

// bars are asked of the record, in this order.
var bars = [...]check{
	{"dataset", dataset, sayDataset},
	{"mode", mode, sayMode},
	{"audience", audience, sayAudience},
	{"personal", personal, sayPersonal},
	{"delay", delay, sayDelay},
	{"retention", retention, sayRetention},
	{"area", where, sayWhere},
	{"fields", whole, sayFields},
	{"precision", shape, sayShape},
	{"relayed", passedOn, sayPassedOn},
}

// party keeps others out. The zero Gate goes to nobody.
func party(g *Gate, _ *hansa.Record, a Ask) hansa.Rule {
	if g.to == hansa.PublicParty || g.to != "" && a.Party == g.to {
		return ""
	}
	return OtherParty
}

func purpose(g *Gate, _ *hansa.Record, a Ask) hansa.Rule {
	switch {
	case a.Purpose == "":
		return NoPurpose
	case !slices.Contains(g.purposes, a.Purpose):
		return PurposeDenied
	}
	return ""
}

func format(g *Gate, _ *hansa.Record, a Ask) hansa.Rule {
	if slices.Contains(g.formats, a.Format) {
		return ""
	}
	return FormatDenied
}

func paused(g *Gate, _ *hansa.Record, _ Ask) hansa.Rule {
	if g.paused {
		return Paused
	}
	return ""
}

func period(g *Gate, _ *hansa.Record, a Ask) hansa.Rule {
	switch {
	case a.Now.Before(g.from):
		return NotYet
	case !g.until.IsZero() && !a.Now.Before(g.until):
		return Over
	}
	return ""
}

func window(g *Gate, _ *hansa.Record, a Ask) hansa.Rule {
	if g.open(a.Now) {
		return ""
	}
	return Window
}

func dataset(g *Gate, r *hansa.Record, _ Ask) hansa.Rule {
	if g.dataset != "" && r.Dataset == g.dataset {
		return ""
	}
	return OtherDataset
}

func mode(g *Gate, r *hansa.Record, a Ask) hansa.Rule {
	trial, meant := g.test || a.Test, r.Mode.IsReal()
	switch {
	case trial && meant:
		return RealOnTest
	case !trial && !meant:
		return TestOnLive
	}
	return ""
}

// noRestriction is what DATEX II calls an audience without bounds.
const noRestriction = "noRestriction"

func audience(g *Gate, r *hansa.Record, _ Ask) hansa.Rule {
	if g.public && r.Situation != nil && r.Situation.Audience != "" && r.Situation.Audience != noRestriction {
		return NotPublic
	}
	return ""
}

func personal(g *Gate, r *hansa.Record, _ Ask) hansa.Rule {
	if g.noPersons && r.Observation != nil && r.Observation.Personal {
		return Personal
	}
	return ""
}

// delay counts from when the record was received; one that does not say when
// never ripens.
func delay(g *Gate, r *hansa.Record, a Ask) hansa.Rule {
	if g.delay > 0 && (r.Received.IsZero() || a.Now.Before(r.Received.Add(g.delay))) {
		return Delay
	}
	return ""
}

// retention counts from when the record was received; one that does not say when
// is too old.
func retention(g *Gate, r *hansa.Record, a Ask) hansa.Rule {
	if g.retain > 0 && (r.Received.IsZero() || !a.Now.Before(r.Received.Add(g.retain))) {
		return TooOld
	}
	return ""
}

func where(g *Gate, r *hansa.Record, _ Ask) hansa.Rule {
	if g.area == nil {
		return ""
	}
	at := place(r)
	switch {
	case at == nil || len(at.Lines) == 0:
		return NoPlace
	case !g.area.touches(at):
		return Outside
	}
	return ""
}

// whole denies what cannot be trimmed: a nightly, partial or possible closure
// that would read as one of everything, always, for sure.
func whole(g *Gate, r *hansa.Record, _ Ask) hansa.Rule {
	if g.limited && r.Situation != nil && g.fields.widens(r.Situation) {
		return Widened
	}
	return ""
}

func shape(g *Gate, r *hansa.Record, _ Ask) hansa.Rule {
	if g.scale == 0 {
		return ""
	}
	if at := place(r); at != nil && collapses(at, g.scale) {
		return Collapsed
	}
	return ""
}

// passedOn keeps in what a hub was given by a flow that allows no passing on by this
// one. What was not given by a hub's relay is the giver's own to give.
func passedOn(g *Gate, r *hansa.Record, _ Ask) hansa.Rule {
	flow, relayed := strings.CutPrefix(r.Provenance.Feed, hansa.FeedRelay)
	if relayed && !g.relayed[flow] || strings.HasPrefix(r.Provenance.Feed, hansa.FeedRecall) {
		return NotPassedOn
	}
	return ""
}
