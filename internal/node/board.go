package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/dataplane/receipt"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// closure joins a record with its ladders.
func (d *desk) closure(ctx context.Context, set *hansa.Dataset, r *hansa.Record, rungs []receipt.Rungs, others []api.Contradiction) api.Closure {
	c := api.Closure{ID: r.ID, Dataset: set.ID, Version: r.Version, Title: d.title(ctx, set.Party, r), Cursor: r.Cursor, Record: r, Findings: r.Defects, Contradictions: others, Receivers: []api.Receiver{}}
	now := d.node.clock()
	byFlow := map[hansa.FlowID]*api.Receiver{}
	for i := range rungs {
		g := &rungs[i]
		if g.Party == hansa.PublicParty { // it reads, and says nothing of it
			continue
		}
		at := byFlow[g.Flow]
		if at == nil {
			p := d.node.party(g.Party)
			at = &api.Receiver{Party: g.Party, Title: p.Title, Flow: g.Flow, Share: p.Share}
			byFlow[g.Flow] = at
		}
		if g.Generation == receipt.Ending {
			at.End = ladder(g)
			if len(at.End) == 0 {
				continue
			}
		} else {
			at.Ladder = ladder(g)
		}
		// The end's ladder counts as soon as there is one.
		if g.Generation == receipt.Ending || at.Step == "" {
			limit := time.Duration(0)
			if course, err := d.node.line.course(g.Flow); err == nil {
				limit = course.flow.Limit.Std()
			}
			at.Step, at.Reason, at.Limit, at.Late = g.Step, g.Reason, limit.Seconds(), g.Late(limit, now)
			if t, ok := g.Times[g.Step]; ok {
				at.After = t.Sub(g.Offered).Seconds()
			}
		}
	}
	for _, at := range byFlow {
		c.Receivers = append(c.Receivers, *at)
	}
	slices.SortFunc(c.Receivers, func(a, b api.Receiver) int {
		if a.Share != b.Share {
			return int((b.Share - a.Share) * 1e6)
		}
		return strings.Compare(a.Title, b.Title)
	})
	return c
}

// ladder lists the steps of a ladder in order of time.
func ladder(g *receipt.Rungs) []api.Rung {
	list := make([]api.Rung, 0, len(g.Times))
	for s, t := range g.Times {
		how := hansa.EvidenceNode
		if s == g.Step {
			how = g.Evidence
		} else if s != hansa.StepOffered && s != hansa.StepFetched && s != hansa.StepSilent {
			how = g.Evidence
		}
		list = append(list, api.Rung{Step: s, At: t, Evidence: how, Reason: map[bool]string{true: g.Reason}[s == g.Step]})
	}
	slices.SortFunc(list, func(a, b api.Rung) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return a.Step.Rung() - b.Step.Rung()
	})
	return list
}

// title names where a situation is, as the party's network calls it.
func (d *desk) title(ctx context.Context, party hansa.PartyID, r *hansa.Record) string {
	if r.Situation != nil && r.Situation.Infra.ID != "" {
		if w, err := d.network(hansa.Actor{Party: party}); err == nil {
			if p, ok := w.Place(r.Situation.Infra.ID); ok {
				if p.Direction == hansa.BothDirections && r.Situation.Effect == hansa.RoadClosed {
					return words.Of(ctx).Fill("{1}, both directions", p.Name)
				}
				return p.Name
			}
		}
	}
	return title(words.Of(ctx), r)
}

// title names where a situation is by what it says itself.
func title(say *words.Catalogue, r *hansa.Record) string {
	s := r.Situation
	if s == nil {
		return r.ID
	}
	name := first(s.Infra.Name, first(s.Road.Name, s.Road.Number))
	if name == "" {
		if t, ok := s.Comment(); ok {
			name = clipped(t.Value)
		}
	}
	if name == "" {
		return r.ID
	}
	switch {
	case s.Infra.Tube != "":
		return say.Fill("{1}, tube {2}", name, strings.ToUpper(s.Infra.Tube))
	case s.Direction == hansa.OneDirection:
		return say.Fill("{1}, one direction", name)
	case s.Direction == hansa.BothDirections && s.Effect == hansa.RoadClosed:
		return say.Fill("{1}, both directions", name)
	}
	return name
}

// titleMax is how much of a text stands in for the name of a place.
const titleMax = 60

// clipped cuts a text at a word's end.
func clipped(s string) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) <= titleMax {
		return string(r)
	}
	cut := string(r[:titleMax])
	if i := strings.LastIndexByte(cut, ' '); i > titleMax/2 {
		cut = cut[:i]
	}
	return cut + "…"
}

// contradictions finds what others say otherwise, in the datasets that by's party
// owns or receives, by the record that they contradict.
func (d *desk) contradictions(ctx context.Context, by hansa.Actor) (map[string][]api.Contradiction, error) {
	type source struct {
		party hansa.PartyID
		set   hansa.Dataset
	}
	var from []source
	d.node.line.mu.RLock()
	for _, c := range d.node.line.courses {
		if c.flow.To == by.Party && c.dataset.Kind == hansa.KindSituation {
			from = append(from, source{c.flow.From, c.dataset})
		}
	}
	for _, x := range d.node.line.datasets[by.Party] {
		if x.Kind == hansa.KindSituation {
			from = append(from, source{by.Party, *x})
		}
	}
	d.node.line.mu.RUnlock()
	out := map[string][]api.Contradiction{}
	for _, f := range from {
		of, err := d.saying(ctx, hansa.Key{Party: f.party, Dataset: f.set.ID})
		if err != nil {
			return nil, err
		}
		for id, list := range of {
			out[id] = append(out[id], list...)
		}
	}
	return out, nil
}

// said is what a dataset said otherwise when its head was this.
type said struct {
	head hansa.Cursor
	of   map[string][]api.Contradiction // by the record that is contradicted
}

// saying finds what the records of one dataset contradict. It reads them again only
// when the dataset has changed.
func (d *desk) saying(ctx context.Context, key hansa.Key) (map[string][]api.Contradiction, error) {
	head, err := d.node.stream.Of(key.Party).Head(ctx, key.Dataset)
	if err != nil {
		return nil, err
	}
	d.saidMu.Lock()
	was, ok := d.said[key]
	erasures := d.erasures
	d.saidMu.Unlock()
	if ok && was.head == head {
		return was.of, nil
	}
	recs, _, err := d.node.stream.Of(key.Party).Present(ctx, key.Dataset, true)
	if err != nil {
		return nil, err
	}
	out := map[string][]api.Contradiction{}
	for _, r := range recs {
		if r.Situation == nil {
			continue
		}
		for _, id := range r.Situation.Related.Contradicts {
			says := string(r.Situation.Lifecycle)
			if t, ok := r.Situation.Comment("en"); ok {
				says = t.Value
			}
			out[id] = append(out[id], api.Contradiction{Record: r.ID, Source: first(r.Situation.Source.Org, d.node.party(key.Party).Title), Says: says, At: r.Received})
		}
	}
	d.saidMu.Lock()
	defer d.saidMu.Unlock()
	if d.erasures == erasures {
		d.said[key] = said{head, out}
	}
	return out, nil
}

// forget drops what is remembered of a dataset: something of it was erased, which
// its head does not tell.
func (d *desk) forget(key hansa.Key) {
	d.saidMu.Lock()
	defer d.saidMu.Unlock()
	d.erasures++
	delete(d.said, key)
}
