package node

import (
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// differs says where the offer on the table departs from what own had said: point by
// point where both come to terms for the gate, else rule by rule.
func differs(say *words.Catalogue, own, theirs *policy.Policy, zone *time.Location) []room.Difference {
	if policy.Equal(own, theirs) {
		return nil
	}
	a, err := own.Terms(time.Time{})
	b, worse := theirs.Terms(time.Time{})
	if err == nil && worse == nil {
		if out := termsDiffer(say, &a, &b, zone); len(out) > 0 {
			return out
		}
	}
	return rulesDiffer(policy.Words(own), policy.Words(theirs))
}

// rulesDiffer pairs the rules that one side says and the other does not.
func rulesDiffer(own, theirs []string) (out []room.Difference) {
	said := map[string]bool{}
	for _, w := range theirs {
		said[w] = true
	}
	was := map[string]bool{}
	for _, w := range own {
		if was[w] = true; !said[w] {
			out = append(out, room.Difference{What: words.Mark("Rule"), Own: w})
		}
	}
	k := 0
	for _, w := range theirs {
		switch {
		case was[w]:
		case k < len(out):
			out[k].Theirs = w
			k++
		default:
			out, k = append(out, room.Difference{What: words.Mark("Rule"), Theirs: w}), k+1
		}
	}
	return out
}

// termsDiffer compares what two offers come to at the gate.
func termsDiffer(say *words.Catalogue, a, b *hansa.Terms, zone *time.Location) (out []room.Difference) {
	for _, point := range []struct {
		what string
		say  func(*hansa.Terms) string
	}{
		{words.Mark("Purposes"), func(t *hansa.Terms) string { return strings.Join(names(t.Purposes), ", ") }},
		{words.Mark("Formats"), func(t *hansa.Terms) string { return strings.Join(names(t.Formats), ", ") }},
		{words.Mark("From"), func(t *hansa.Terms) string { return sayMoment(say, t.From, zone) }},
		{words.Mark("Until"), func(t *hansa.Terms) string { return sayMoment(say, t.Until, zone) }},
		{words.Mark("Held back for"), func(t *hansa.Terms) string {
			if t.Delay == 0 {
				return ""
			}
			return say.Span(t.Delay.Std())
		}},
		{words.Mark("Decimals of coordinates"), func(t *hansa.Terms) string {
			if t.Precision == nil {
				return ""
			}
			return strconv.Itoa(*t.Precision)
		}},
		{words.Mark("Fields"), func(t *hansa.Terms) string { return strings.Join(t.Fields, ", ") }},
		{words.Mark("Times"), func(t *hansa.Terms) string { return ruleOf(&hansa.Terms{Windows: t.Windows}) }},
		{words.Mark("Area"), func(t *hansa.Terms) string { return ruleOf(&hansa.Terms{Area: t.Area}) }},
	} {
		if own, theirs := point.say(a), point.say(b); own != theirs {
			out = append(out, room.Difference{What: point.what, Own: own, Theirs: theirs})
		}
	}
	return out
}

func sayMoment(say *words.Catalogue, t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return say.Date(t, zone) + " " + strconv.Itoa(t.In(zone).Year()) + " " + words.Clock(t, zone)
}

// ruleOf says a bound in the policy's own words.
func ruleOf(t *hansa.Terms) string {
	if len(t.Windows) == 0 && t.Area == nil {
		return ""
	}
	t.Purposes, t.Formats = []hansa.Purpose{"x"}, []hansa.Format{"x"}
	list := policy.Words(policy.FromTerms("", t))
	if len(list) == 0 {
		return ""
	}
	_, said, _ := strings.Cut(list[0], "the format is x")
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(said, ","), " and "), ".")
}
