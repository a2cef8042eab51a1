package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Reason is one term held against one record.
type Reason struct {
	Term  string     `json:"term"`
	OK    bool       `json:"ok"`
	Rule  hansa.Rule `json:"rule,omitempty"` // that denies or trims; empty when nothing does
	Words string     `json:"words"`
}

// Explain holds every term against r, in the order in which [Gate.Decide] asks
// them, and ends with what would be trimmed. The first that is not OK names the
// rule of the verdict; the others say what else stands in the way.
func (g *Gate) Explain(r *hansa.Record, ask Ask) []Reason {
	var all []Reason
	for _, c := range slices.Concat(doors[:], bars[:]) {
		rule := c.check(g, r, ask)
		words := c.say(g, r, ask)
		if rule != "" {
			words = g.words(rule, ask.Now) + ": " + words
		}
		all = append(all, Reason{Term: c.term, OK: rule == "", Rule: rule, Words: words})
	}
	rule := g.trims(r)
	words := "nothing is withheld"
	if rule != "" {
		words = Words(rule)
	}
	return append(all, Reason{Term: "trim", OK: true, Rule: rule, Words: words})
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "no time"
	}
	return t.Format(time.RFC3339)
}

func list[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, s := range all {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

func orNone[T ~string](s T) string {
	if s == "" {
		return "none"
	}
	return string(s)
}

func sayParty(g *Gate, _ *hansa.Record, a Ask) string {
	return fmt.Sprintf("it goes to %s; %s asks", orNone(g.to), orNone(a.Party))
}

func sayPurpose(g *Gate, _ *hansa.Record, a Ask) string {
	return fmt.Sprintf("agreed for %s; asked for %s", list(g.purposes), orNone(a.Purpose))
}

func sayFormat(g *Gate, _ *hansa.Record, a Ask) string {
	return fmt.Sprintf("agreed as %s; asked as %s", list(g.formats), orNone(a.Format))
}

func sayPaused(g *Gate, _ *hansa.Record, a Ask) string {
	switch {
	case g.ended(a.Now):
		return "nothing leaves by it since " + moment(g.until)
	case g.paused:
		return "its giver has stopped it for now"
	}
	return "the flow runs"
}

func sayPeriod(g *Gate, _ *hansa.Record, a Ask) string {
	words := "in force"
	if !g.from.IsZero() {
		words += " from " + moment(g.from)
	}
	if g.until.IsZero() {
		return fmt.Sprintf("%s without end; it is %s", words, moment(a.Now))
	}
	return fmt.Sprintf("%s until %s; it is %s", words, moment(g.until), moment(a.Now))
}

func sayWindow(g *Gate, _ *hansa.Record, a Ask) string {
	if len(g.windows) == 0 {
		return "open at all hours"
	}
	if g.open(a.Now) {
		return "open now"
	}
	next := g.opens(a.Now)
	if next.IsZero() {
		return "it does not open again"
	}
	return "it opens at " + moment(next)
}

func sayDataset(g *Gate, r *hansa.Record, _ Ask) string {
	return fmt.Sprintf("the flow carries dataset %s; the record is of %s", orNone(g.dataset), orNone(r.Dataset))
}

func sayMode(g *Gate, r *hansa.Record, a Ask) string {
	way, mode := "live", r.Mode
	if g.test || a.Test {
		way = "test"
	}
	if mode == "" {
		mode = hansa.Real
	}
	return fmt.Sprintf("the way is %s; the record is %s", way, mode)
}

func sayAudience(g *Gate, r *hansa.Record, _ Ask) string {
	if !g.public {
		return "no bound on the audience"
	}
	stated := ""
	if r.Situation != nil {
		stated = r.Situation.Audience
	}
	return "public records only; this one's audience: " + orNone(stated)
}

func sayPersonal(g *Gate, r *hansa.Record, _ Ask) string {
	switch {
	case !g.noPersons:
		return "no bound on personal data"
	case r.Observation != nil && r.Observation.Personal:
		return "no personal data; this record has some"
	}
	return "no personal data; this record has none"
}

func sayDelay(g *Gate, r *hansa.Record, _ Ask) string {
	switch {
	case g.delay == 0:
		return "no delay"
	case r.Received.IsZero():
		return fmt.Sprintf("held %s after receipt; the record does not say when it was received", g.delay)
	}
	return fmt.Sprintf("held %s after receipt, until %s", g.delay, moment(r.Received.Add(g.delay)))
}

func sayRetention(g *Gate, r *hansa.Record, _ Ask) string {
	switch {
	case g.retain == 0:
		return "no bound on the age"
	case r.Received.IsZero():
		return fmt.Sprintf("leaves up to %d days after receipt; the record does not say when it was received", int(g.retain.Hours()/24))
	}
	return fmt.Sprintf("leaves up to %d days after receipt, until %s", int(g.retain.Hours()/24), moment(r.Received.Add(g.retain)))
}

func sayWhere(g *Gate, r *hansa.Record, _ Ask) string {
	switch {
	case g.area == nil:
		return "no bound on the area"
	case place(r) == nil:
		return "the record has no geometry"
	case where(g, r, Ask{}) == "":
		return "the record touches the agreed area"
	}
	return fmt.Sprintf("the area lies between %.4f, %.4f and %.4f, %.4f", g.area.west, g.area.south, g.area.east, g.area.north)
}

func sayFields(g *Gate, r *hansa.Record, _ Ask) string {
	switch {
	case !g.limited:
		return "all fields may leave"
	case whole(g, r, Ask{}) != "":
		return "lanes, vehicles, recurrence or certainty are withheld, and it holds for a part only"
	case g.held > 0:
		return "marked fields stay until the receiver's measures are confirmed; what is withheld leaves it true"
	}
	return "what is withheld leaves it true"
}

func sayShape(g *Gate, _ *hansa.Record, _ Ask) string {
	if g.scale == 0 {
		return "no bound on the precision"
	}
	return fmt.Sprintf("coordinates leave with %d decimals", len(fmt.Sprintf("%.0f", g.scale))-1)
}

func sayPassedOn(g *Gate, r *hansa.Record, _ Ask) string {
	flow, relayed := strings.CutPrefix(r.Provenance.Feed, hansa.FeedRelay)
	switch {
	case !relayed && !strings.HasPrefix(r.Provenance.Feed, hansa.FeedRecall):
		return "it is not passed on for another"
	case g.relayed[flow]:
		return "it came by the flow " + flow + ", which allows it"
	}
	return "it came by a flow that does not allow it"
}
