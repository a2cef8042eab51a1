package main

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// troubled names what is wrong at a receiver, or "".
func troubled(r api.Receiver) string {
	switch r.Step {
	case hansa.StepSilent, hansa.StepRejected, hansa.StepContradicted:
		return string(r.Step)
	case hansa.StepOffered, hansa.StepFetched, hansa.StepAcknowledged, hansa.StepHeld, hansa.StepMatched, hansa.StepLive, hansa.StepCleared:
	}
	if r.Late {
		return "late"
	}
	return ""
}

// ladder draws one line a receiver.
func (p *printer) ladder(c api.Closure) {
	width := 0
	for _, r := range c.Receivers {
		width = max(width, len([]rune(r.Title)))
	}
	for _, r := range c.Receivers {
		fmt.Fprintln(p.out, "  "+p.rung(r, width))
	}
}

// rung draws a receiver's bar, its step and its time.
func (p *printer) rung(r api.Receiver, width int) string {
	const bar = 24
	filled := map[hansa.Step]int{hansa.StepOffered: 3, hansa.StepFetched: 8, hansa.StepAcknowledged: 12, hansa.StepHeld: 12, hansa.StepMatched: 18, hansa.StepLive: bar, hansa.StepCleared: bar}[r.Step]
	colour, word := teal, string(r.Step)
	if trouble := troubled(r); trouble == "late" {
		colour, word = yellow, string(r.Step)+", late"
	} else if trouble != "" {
		colour, filled = pink, bar
	}
	line := paint(p.colourOut, colour, strings.Repeat("━", filled)) + paint(p.colourOut, dim, strings.Repeat("─", bar-filled))
	if r.Step == hansa.StepSilent {
		line = paint(p.colourOut, pink, strings.Repeat("┄", bar))
		word = "no receipt"
	}
	after := ""
	if r.Step != hansa.StepSilent && r.Step != hansa.StepOffered {
		after = seconds(time.Duration(r.After * float64(time.Second)))
	}
	tail := paint(p.colourOut, colour, word)
	if r.Reason != "" {
		tail += paint(p.colourOut, dim, "  "+clean(r.Reason))
	}
	name := clean(r.Title)
	return name + strings.Repeat(" ", max(width-len([]rune(name)), 0)+2) + line + " " + fmt.Sprintf("%8s  ", after) + tail
}

// watch follows a closure until each receiver has reached a step, or the limit
// has passed; then it says who has not.
func watch(ctx context.Context, c *client, p *printer, closure api.Closure, limit time.Duration, until hansa.Step) error {
	if !p.json && p.format == "" {
		fmt.Fprintf(p.out, "%s  %s\n\n", closure.ID, p.headline(closure))
	}
	given := limit > 0
	if !given {
		for _, r := range closure.Receivers {
			limit = max(limit, time.Duration(r.Limit*float64(time.Second)))
		}
		limit = max(limit, 10*time.Second)
	}
	wctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	shown := map[hansa.PartyID]string{}
	for {
		for _, r := range closure.Receivers {
			key := string(r.Step) + strconv.FormatBool(r.Late)
			if shown[r.Party] == key || p.json || p.format != "" {
				continue
			}
			if shown[r.Party] = key; done(r, until) || troubled(r) != "" {
				fmt.Fprintln(p.out, "  "+p.rung(r, 14))
			}
		}
		if all(closure, until) || wctx.Err() != nil || !given && settled(closure, until) {
			break
		}
		var next api.Closure
		err := c.do(wctx, "GET", "/api/v1/closures/"+url.PathEscape(closure.ID)+"/wait", nil, &next)
		if err == nil {
			closure = next
		} else if ctx.Err() != nil {
			return ctx.Err()
		} else if wctx.Err() == nil {
			return err
		}
	}
	if err := c.do(ctx, "GET", "/api/v1/closures/"+url.PathEscape(closure.ID), nil, &closure); err != nil {
		return err
	}
	if shown, err := p.show(closure); shown && err != nil {
		return err
	}
	return verdict(closure, until, limit)
}

func done(r api.Receiver, until hansa.Step) bool {
	return r.Step == until || until == hansa.StepLive && r.Step == hansa.StepCleared
}

// settled says that the limit has passed for whoever does not have it: the node's
// clock says so, which in a demonstration runs faster than ours.
func settled(c api.Closure, until hansa.Step) bool {
	for _, r := range c.Receivers {
		if !done(r, until) && !r.Late {
			return false
		}
	}
	return true
}

func all(c api.Closure, until hansa.Step) bool {
	for _, r := range c.Receivers {
		if !done(r, until) {
			return false
		}
	}
	return true
}

// verdict is the end of --wait: nil when everybody has it, else what was missed.
func verdict(c api.Closure, until hansa.Step, limit time.Duration) error {
	n, share, whole := 0, 0.0, 0.0
	missing := []string{}
	for _, r := range c.Receivers {
		whole += r.Share
		if done(r, until) {
			n++
			share += r.Share
			continue
		}
		word := string(r.Step)
		if r.Reason != "" {
			word += ": " + r.Reason
		}
		missing = append(missing, r.Title+" ("+word+")")
	}
	if len(missing) == 0 {
		return nil
	}
	reach := ""
	if whole > 0 {
		reach = fmt.Sprintf(", %d %% of routed trips as declared", int(math.Round(100*share)))
	}
	f := missed("%d of %d %s within %s%s; not %s.", n, len(c.Receivers), until, seconds(limit), reach, strings.Join(missing, ", "))
	f.hint = "hansa closures " + c.ID
	return f
}
