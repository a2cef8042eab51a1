package room

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// Measures of the reach chart, in its own units.
const (
	chartWidth = 620.0
	chartLeft  = 132.0 // of the names and shares
	chartRight = 96.0  // of the results
	chartTop   = 26.0
	chartRow   = 31.0
	lanesMax   = 12 // drawn; the table has all
)

// chart is "Picked up by receivers": a lane each, along a time axis on which the
// first seconds have the most room.
type chart struct {
	Width, Height  string
	Top, Bottom    string
	Left, Tall     string
	Ticks          []tick
	LimitX, LimitW string // of the one agreed limit; empty when there is none
	Lanes          []lane
	More           int
	Says           string // the chart in words
}

type tick struct{ X, Text string }

type lane struct {
	Y, TextY, Title, Share string
	ShareX, ResultX        string
	X0, X1                 string // of the bar
	Bar                    string // class: done, late, silent, way
	Dots                   []dot
	End                    *dot
	Result, Tone           string
	LimitX                 string // own limit, where limits differ
}

type dot struct{ X, Y, Mark, Title string }

// lanesOf orders the receivers: the quickest to live first, then those on their
// way, then the silent.
func lanesOf(c *Closure) []int {
	n := min(len(c.Receivers), ReceiversMax)
	order := make([]int, n)
	keys := make([][2]float64, n)
	from := c.from()
	for i := range order {
		order[i] = i
		s := climb(nil, &c.Receivers[i], c.Receivers[i].Steps, hansa.StepLive, from, from)
		switch {
		case s.done:
			keys[i] = [2]float64{0, s.took.Seconds()}
		case s.step == hansa.StepSilent || s.step == "":
			keys[i] = [2]float64{2, 0}
		default:
			keys[i] = [2]float64{1, -float64(s.step.Rung())}
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(keys[a][0], keys[b][0]), cmp.Compare(keys[a][1], keys[b][1]))
	})
	return order
}

// axis is a scale of time: its end, and what is written along it.
type axis struct {
	end   time.Duration
	ticks []time.Duration
}

var axes = []axis{
	{5 * time.Minute, []time.Duration{0, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute}},
	{20 * time.Minute, []time.Duration{0, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute}},
	{2 * time.Hour, []time.Duration{0, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour}},
	{24 * time.Hour, []time.Duration{0, 15 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour, 24 * time.Hour}},
}

// scaleFor takes the shortest axis that holds the limits and all that was live.
func scaleFor(c *Closure, stands []stand) axis {
	var longest time.Duration
	for i := range stands {
		longest = max(longest, c.Receivers[i].Limit*5/4)
		if stands[i].done {
			longest = max(longest, stands[i].took)
		}
	}
	for _, a := range axes {
		if longest <= a.end {
			return a
		}
	}
	return axes[len(axes)-1]
}

func (a axis) x(d time.Duration) float64 {
	t := min(max(d.Seconds(), 0), a.end.Seconds()) / a.end.Seconds()
	return chartLeft + (chartWidth-chartLeft-chartRight)*math.Sqrt(t)
}

// reach draws the opening ladders of c as lanes.
func reach(say *words.Catalogue, c *Closure, now time.Time) *chart {
	from := c.from()
	stands := make([]stand, min(len(c.Receivers), ReceiversMax))
	for i := range stands {
		stands[i] = climb(say, &c.Receivers[i], c.Receivers[i].Steps, hansa.StepLive, from, now)
		if ended(c) { // a ladder that is over can no longer be late
			stands[i] = climb(say, &c.Receivers[i], c.Receivers[i].Steps, hansa.StepLive, from, cmp.Or(c.ActualEnd, now))
		}
	}
	a := scaleFor(c, stands)
	order := lanesOf(c)
	ch := &chart{Width: num(chartWidth), Top: num(chartTop - 6), Left: num(chartLeft)}
	if len(order) > lanesMax {
		ch.More = len(order) - lanesMax
		order = order[:lanesMax]
	}
	bottom := chartTop + chartRow*float64(len(order))
	ch.Height, ch.Bottom, ch.Tall = num(bottom+6), num(bottom-2), num(bottom-chartTop+4)
	for _, t := range a.ticks {
		text := say.Span(t)
		if t == 0 {
			text = "0"
		}
		switch {
		case t == time.Minute || t == 2*time.Minute:
			text = say.Fill("{1} min", int(t/time.Minute))
		case t >= time.Hour:
			text = say.Fill("{1} h", int(t/time.Hour))
		}
		ch.Ticks = append(ch.Ticks, tick{num(a.x(t)), text})
	}
	limit, same := sharedLimit(c)
	if limit > 0 && same {
		ch.LimitX, ch.LimitW = num(a.x(limit)), num(a.x(limit)-chartLeft)
	}
	for k, i := range order {
		ch.Lanes = append(ch.Lanes, laneOf(say, &c.Receivers[i], &stands[i], a, from, now, chartTop+chartRow*float64(k)+chartRow/2-2, !same))
	}
	ch.Says = says(say, c, stands, limit, same)
	return ch
}

// sharedLimit returns the receivers' limit and whether those that have one agree.
func sharedLimit(c *Closure) (limit time.Duration, same bool) {
	same = true
	for i := range c.Receivers {
		if l := c.Receivers[i].Limit; l > 0 {
			same = same && (limit == 0 || limit == l)
			limit = max(limit, l)
		}
	}
	return limit, same
}

func laneOf(say *words.Catalogue, r *Receiver, s *stand, a axis, from, now time.Time, y float64, own bool) lane {
	n := lane{Y: num(y), TextY: num(y + 4), Title: s.Title, ShareX: num(chartLeft - 16), ResultX: num(chartWidth - chartRight + 26), Result: s.Result, Tone: s.Tone, X0: num(chartLeft)}
	if r.Share > 0 {
		n.Share = itoa(words.Percent(r.Share)) + " %"
	}
	if own && r.Limit > 0 {
		n.LimitX = num(a.x(r.Limit))
	}
	end := a.x(a.end)
	seen := map[hansa.Step]bool{}
	reached := chartLeft
	for i := range r.Steps[:min(len(r.Steps), StepsMax)] {
		st := &r.Steps[i]
		if seen[st.Step] || st.Step == hansa.StepOffered || st.Step == hansa.StepAcknowledged {
			continue
		}
		seen[st.Step] = true
		x := a.x(st.At.Sub(from))
		d := dot{num(x), num(y), string(st.Step), say.Fill("{1} after {2}", say.Say(string(st.Step)), say.Span(max(0, st.At.Sub(from))))}
		switch st.Step {
		case hansa.StepFetched, hansa.StepMatched, hansa.StepHeld:
			n.Dots = append(n.Dots, d)
			reached = max(reached, x)
		case hansa.StepLive, hansa.StepRejected, hansa.StepContradicted:
			n.End = &d
			reached = max(reached, x)
		case hansa.StepOffered, hansa.StepAcknowledged, hansa.StepCleared, hansa.StepSilent:
		}
	}
	n.X1 = num(reached)
	switch {
	case s.Mark == "silent" || s.step == "":
		n.Bar, n.X1, n.End = "silent", num(end), &dot{num(chartLeft), num(y), "silent", s.Text}
	case s.Mark == "late":
		n.Bar, n.X1, n.End = "late", num(end+14), &dot{num(end + 14), num(y), "late", s.Text}
	case s.done:
		n.Bar = "done"
	case s.Mark == "rejected" || s.Mark == "contradicted":
		n.Bar = "no"
	default:
		n.Bar, n.X1 = "way", num(max(reached, a.x(now.Sub(from))))
	}
	return n
}

// says puts the chart into words.
func says(say *words.Catalogue, c *Closure, stands []stand, limit time.Duration, same bool) string {
	live, intime := 0, 0
	var rest []string
	for i := range stands {
		switch s := &stands[i]; {
		case s.done:
			live++
			if c.Receivers[i].Limit > 0 && s.over == 0 {
				intime++
			}
		case len(rest) < 6:
			rest = append(rest, s.Title+" "+s.Text)
		}
	}
	out := say.Say("Time from publication until each receiver fetched, matched and showed the closure.") + " "
	if limit > 0 && same {
		out += say.Fill("{1} of {2} live, {3} within the agreed {4}.", live, len(stands), intime, say.Span(limit))
	} else {
		out += say.Fill("{1} of {2} live.", live, len(stands))
	}
	if len(rest) > 0 {
		out += " " + say.List(rest...) + "."
	}
	return out + " " + say.Say("The table has the same figures.")
}

func num(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }

func itoa(n int) string { return strconv.Itoa(n) }
