package room

import (
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// stand is where one closure stands at one receiver, ready to be drawn.
type stand struct {
	Mark  string // offered, fetched, matched, live, late, rejected, contradicted, held, silent, cleared
	Title string // the receiver
	Text  string // the mark in words
	// Result is a word or two for the end of a lane, Tone how bad it is: "", high, crit.
	Result string
	Tone   string
	step   hansa.Step
	at     time.Time
	reason string
	late   bool // past the limit and not there yet
	over   time.Duration
	done   bool // live, or cleared
	took   time.Duration
	share  float64
	left   time.Duration // until the limit; 0 when there is none or it is over
}

// climb looks at one ladder. goal is live, or cleared for the end's ladder.
func climb(say *words.Catalogue, r *Receiver, steps []Step, goal hansa.Step, from, now time.Time) stand {
	s := stand{Title: r.Title, share: r.Share}
	if s.Title == "" {
		s.Title = string(r.Party)
	}
	if len(steps) > StepsMax {
		steps = steps[len(steps)-StepsMax:]
	}
	for i := range steps {
		if steps[i].At.Before(from) && i == 0 {
			from = steps[i].At
		}
		if moves(s.step, steps[i].Step) {
			s.step, s.at, s.reason = steps[i].Step, steps[i].At, steps[i].Reason
		}
		if steps[i].Step == goal && !s.done {
			s.took = max(0, steps[i].At.Sub(from))
		}
	}
	s.done = s.step == goal
	if r.Limit > 0 {
		spent := now.Sub(from)
		if s.done {
			spent = s.took
		}
		s.over = max(0, spent-r.Limit)
		s.late = s.over > 0 && !s.done
		if !s.done && !s.late {
			s.left = r.Limit - spent
		}
	}
	s.say(say, goal, now)
	return s
}

// moves reports whether the step next changes what is shown: upward always, and
// out of a refusal only by more than another fetch.
func moves(at, next hansa.Step) bool {
	if at == "" || at == hansa.StepSilent {
		return true
	}
	if at == hansa.StepRejected || at == hansa.StepContradicted || at == hansa.StepHeld {
		return next.Rung() >= hansa.StepMatched.Rung()
	}
	return next.Rung() > at.Rung()
}

// say chooses the mark and its words.
func (s *stand) say(say *words.Catalogue, goal hansa.Step, now time.Time) {
	because := func(plain, why string) string {
		if s.reason == "" {
			return say.Say(plain)
		}
		return say.Fill(why, s.reason)
	}
	reached := s.reached(say)
	switch {
	case s.done:
		s.Mark, s.Text = string(goal), say.Fill("{1} after {2}", reached, say.Span(s.took))
		s.Result = reached + " " + say.Span(s.took)
		if s.over > 0 {
			s.Text = say.Fill("{1} after {2}, {3} over the limit", reached, say.Span(s.took), say.Span(s.over))
			s.Tone = "high"
		}
	case s.step == hansa.StepContradicted:
		s.Mark, s.Text, s.Result, s.Tone = "contradicted", because(words.Mark("shows otherwise"), words.Mark("shows otherwise: {1}")), reached, "crit"
	case s.step == hansa.StepRejected:
		s.Mark, s.Text, s.Result, s.Tone = "rejected", because(words.Mark("rejected"), words.Mark("rejected: {1}")), reached, "crit"
	case s.step == hansa.StepSilent:
		s.Mark, s.Text, s.Result, s.Tone = "silent", say.Say("silent, no receipt"), say.Say("no receipt"), "crit"
	case s.late:
		s.Mark, s.Text, s.Tone = "late", say.Fill("{1}, {2} late", reached, say.Span(s.over)), "high"
		s.Result = say.Fill("{1} late", say.Span(s.over))
	case s.step == hansa.StepHeld:
		s.Mark, s.Text, s.Result = "held", because(words.Mark("held for review"), words.Mark("held for review: {1}")), reached
	case s.step == hansa.StepMatched || s.step == hansa.StepLive:
		s.Mark, s.Text, s.Result = "matched", reached, reached
	case s.step == hansa.StepFetched || s.step == hansa.StepAcknowledged:
		s.Mark, s.Text, s.Result = "fetched", reached, reached
	default:
		s.Mark, s.Text, s.Result = "offered", reached, reached
	}
	if s.step == "" && !s.late {
		s.Text, s.Result = say.Say("not offered yet"), say.Say("not offered")
	}
	if s.left > 0 && s.Tone == "" && !now.IsZero() {
		s.Text = say.Fill("{1}, {2} left", s.Text, say.Span(s.left))
	}
}

func (s *stand) reached(say *words.Catalogue) string {
	if s.step == "" {
		return say.Say("not offered")
	}
	return say.Say(string(s.step))
}

// tally is what the strip of marks sums up to.
type tally struct {
	Text, Tone string
}

// count sums up the receivers of one closure in a few words, the worst first.
func count(say *words.Catalogue, c *Closure, stands []stand) tally {
	n := map[string]int{}
	live, left, first := 0, time.Duration(0), ""
	for i := range stands {
		s := &stands[i]
		n[s.Mark]++
		if s.done {
			live++
		}
		if s.left > 0 && (left == 0 || s.left < left) {
			left = s.left
		}
		if s.Mark == "rejected" && first == "" {
			first = s.reason
		}
	}
	if len(stands) == 0 {
		return tally{Text: say.Say("no receivers")}
	}
	head := say.Fill("{1} of {2} live", live, len(stands))
	switch {
	case ended(c):
		head = say.Fill("{1} of {2} cleared", live, len(stands))
	case planned(c) && live == 0:
		have := len(stands) - n["offered"] - n["rejected"] - n["silent"] - n["late"]
		head = say.Fill("{1} of {2} have it", have, len(stands))
	}
	var bad []string
	for _, m := range [][2]string{{"contradicted", words.Mark("{1} contradicted")}, {"silent", words.Mark("{1} silent")}, {"rejected", words.Mark("{1} rejected")}, {"late", words.Mark("{1} late")}} {
		if n[m[0]] > 0 {
			bad = append(bad, say.Fill(m[1], n[m[0]]))
		}
	}
	switch {
	case n["contradicted"]+n["silent"] > 0:
		return tally{head + " · " + strings.Join(bad, ", "), "crit"}
	case n["rejected"] == 1 && n["late"] == 0 && first != "":
		return tally{say.Fill("1 rejected: {1}", first), "bad"}
	case len(bad) > 0:
		return tally{head + " · " + strings.Join(bad, ", "), "bad"}
	case left > 0 && live < len(stands) && !planned(c):
		return tally{head + " · " + say.Fill("{1} left", say.Span(left)), ""}
	}
	return tally{Text: head}
}

func ended(c *Closure) bool { return !c.Lifecycle.Live() }

func planned(c *Closure) bool {
	return c.Lifecycle == hansa.Planned || c.Lifecycle == hansa.Confirmed || c.Lifecycle == hansa.Draft
}

// overdue reports whether c is still said to be closed after its planned end.
func overdue(c *Closure, now time.Time) bool {
	return !ended(c) && !planned(c) && !c.End.IsZero() && c.End.Before(now)
}

// from is when the ladder of c begins.
func (c *Closure) from() time.Time {
	if !c.Published.IsZero() {
		return c.Published
	}
	var first time.Time
	for i := range c.Receivers {
		for _, s := range c.Receivers[i].Steps {
			if first.IsZero() || s.At.Before(first) {
				first = s.At
			}
		}
	}
	return first
}

// stands looks at every receiver of c: at the ladder of its end when it is over.
func (c *Closure) stands(say *words.Catalogue, now time.Time) []stand {
	list := c.Receivers[:min(len(c.Receivers), ReceiversMax)]
	out := make([]stand, len(list))
	from := c.from()
	for i := range list {
		r := &list[i]
		if ended(c) && len(r.End) > 0 {
			out[i] = climb(say, r, r.End, hansa.StepCleared, r.End[0].At, now)
			continue
		}
		out[i] = climb(say, r, r.Steps, hansa.StepLive, from, now)
	}
	return out
}
