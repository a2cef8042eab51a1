package room

import (
	"strconv"
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
func climb(r *Receiver, steps []Step, goal hansa.Step, from, now time.Time) stand {
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
	s.say(goal, now)
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
func (s *stand) say(goal hansa.Step, now time.Time) {
	because := ""
	if s.reason != "" {
		because = ": " + s.reason
	}
	switch {
	case s.done:
		s.Mark, s.Text = string(goal), string(goal)+" after "+words.Span(s.took)
		s.Result = string(goal) + " " + words.Span(s.took)
		if s.over > 0 {
			s.Text += ", " + words.Span(s.over) + " over the limit"
			s.Tone = "high"
		}
	case s.step == hansa.StepContradicted:
		s.Mark, s.Text, s.Result, s.Tone = "contradicted", "shows otherwise"+because, "contradicted", "crit"
	case s.step == hansa.StepRejected:
		s.Mark, s.Text, s.Result, s.Tone = "rejected", "rejected"+because, "rejected", "crit"
	case s.step == hansa.StepSilent:
		s.Mark, s.Text, s.Result, s.Tone = "silent", "silent, no receipt", "no receipt", "crit"
	case s.late:
		s.Mark, s.Text, s.Tone = "late", s.reached()+", "+words.Span(s.over)+" late", "high"
		s.Result = words.Span(s.over) + " late"
	case s.step == hansa.StepHeld:
		s.Mark, s.Text, s.Result = "held", "held for review"+because, "held"
	case s.step == hansa.StepMatched || s.step == hansa.StepLive:
		s.Mark, s.Text, s.Result = "matched", s.reached(), s.reached()
	case s.step == hansa.StepFetched || s.step == hansa.StepAcknowledged:
		s.Mark, s.Text, s.Result = "fetched", s.reached(), s.reached()
	default:
		s.Mark, s.Text, s.Result = "offered", s.reached(), s.reached()
	}
	if s.step == "" && !s.late {
		s.Text, s.Result = "not offered yet", "not offered"
	}
	if s.left > 0 && s.Tone == "" && !now.IsZero() {
		s.Text += ", " + words.Span(s.left) + " left"
	}
}

func (s *stand) reached() string {
	if s.step == "" {
		return "not offered"
	}
	return string(s.step)
}

// tally is what the strip of marks sums up to.
type tally struct {
	Text, Tone string
}

// count sums up the receivers of one closure in a few words, the worst first.
func count(c *Closure, stands []stand) tally {
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
		return tally{Text: "no receivers"}
	}
	of := " of " + strconv.Itoa(len(stands))
	head := strconv.Itoa(live) + of + " live"
	switch {
	case ended(c):
		head = strconv.Itoa(live) + of + " cleared"
	case planned(c) && live == 0:
		have := len(stands) - n["offered"] - n["rejected"] - n["silent"] - n["late"]
		head = strconv.Itoa(have) + of + " have it"
	}
	var bad []string
	for _, m := range []string{"contradicted", "silent", "rejected", "late"} {
		if n[m] > 0 {
			bad = append(bad, strconv.Itoa(n[m])+" "+m)
		}
	}
	switch {
	case n["contradicted"]+n["silent"] > 0:
		return tally{head + " · " + strings.Join(bad, ", "), "crit"}
	case n["rejected"] == 1 && n["late"] == 0 && first != "":
		return tally{"1 rejected: " + first, "bad"}
	case len(bad) > 0:
		return tally{head + " · " + strings.Join(bad, ", "), "bad"}
	case left > 0 && live < len(stands) && !planned(c):
		return tally{head + " · " + words.Span(left) + " left", ""}
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
func (c *Closure) stands(now time.Time) []stand {
	list := c.Receivers[:min(len(c.Receivers), ReceiversMax)]
	out := make([]stand, len(list))
	from := c.from()
	for i := range list {
		r := &list[i]
		if ended(c) && len(r.End) > 0 {
			out[i] = climb(r, r.End, hansa.StepCleared, r.End[0].At, now)
			continue
		}
		out[i] = climb(r, r.Steps, hansa.StepLive, from, now)
	}
	return out
}
