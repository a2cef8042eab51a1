package node

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// The dry run: over how long, and how many records of a rule are named.
const (
	trialOver     = 24 * time.Hour
	trialExamples = 5
)

// trials hold accords against what there is, and hand nothing over.
type trials struct{ n *Node }

var _ api.Trials = trials{}

// ExplainAccord says who would get what by an accord, and why not. Of the version in
// force it says what the gates do now; of another what they would do if it came into
// force now.
func (x trials) ExplainAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID, version string, purpose hansa.Purpose) (api.AccordExplained, error) {
	if x.n.copies == nil {
		return api.AccordExplained{}, hansa.Errorf(hansa.NotFound, "there is no accord %.100q", id).WithHint("hansa accords list")
	}
	s, err := x.n.copies.State(ctx, by.Party, id)
	if err != nil {
		return api.AccordExplained{}, err
	}
	if x.n.accords != nil { // with what own has said, and the keeper has not numbered yet
		err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
			seen, err := x.n.accords.asItStands(tx, by.Party, &s)
			if err == nil {
				s = *seen
			}
			return err
		})
		if err != nil {
			return api.AccordExplained{}, err
		}
	}
	version = first(version, first(s.Force, s.Proposed))
	b, err := x.n.copies.Text(ctx, by.Party, id, version)
	if err != nil {
		return api.AccordExplained{}, err
	}
	t, err := accord.Read(b)
	if err != nil {
		return api.AccordExplained{}, err
	}
	return x.try(ctx, by.Party, &s, t, version, purpose)
}

// try plans an accord for own as [Node.accordEffects] does, and asks the gates that
// come of it about the records of the last day.
func (x trials) try(ctx context.Context, own hansa.PartyID, s *accord.State, t *accord.Text, version string, purpose hansa.Purpose) (api.AccordExplained, error) {
	now := x.n.clock().UTC()
	as := *s
	if s.Force != version || s.Force == "" {
		as.State, as.Force, as.Effect, as.Ends = hansa.AccordInForce, version, now, t.Outline().Ends
	}
	out := api.AccordExplained{Accord: s.ID, Version: version, State: s.At(now).State, At: now, Since: now.Add(-trialOver), Flows: []api.FlowExplained{}}
	var before map[hansa.FlowID]*pledge
	err := x.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		before, err = pledgesOf(tx, x.n.home(own), s.ID)
		return err
	})
	if err != nil {
		return out, err
	}
	for _, p := range x.n.planner().plan(x.n.home(own), &as, t, before) {
		e, err := x.flow(ctx, p, before[p.ID], purpose, now)
		if err != nil {
			return out, err
		}
		for i := range e.Rules {
			e.Rules[i].Clauses = behind(t, p.Part, e.Rules[i].Rule, e.Purpose)
		}
		out.Flows = append(out.Flows, e)
	}
	return out, nil
}

// hinder says what on this node keeps p from starting, and what may leave by it.
func (x trials) hinder(ctx context.Context, p *pledge, set *hansa.Dataset, missing error) error {
	why := hindered(p, set, missing)
	err := x.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		if why == "" {
			if why, err = staysHere(tx, p, set); err != nil {
				return err
			}
		}
		return onlyPassedOn(tx, p, set)
	})
	if why != "" {
		p.State, p.Why = pledgeRefused, why
	}
	return err
}

// flow holds one flow against the records of the last day, asked for a purpose; empty is
// the first that is agreed.
func (x trials) flow(ctx context.Context, p, was *pledge, purpose hansa.Purpose, now time.Time) (api.FlowExplained, error) {
	e := api.FlowExplained{
		Flow: p.ID, Name: p.Name, From: p.From, FromTitle: x.n.party(p.From).Title, To: p.To, ToTitle: x.n.party(p.To).Title, Dataset: p.Dataset.Name, Gives: p.gives(),
		Rules: []api.RuleExplained{}, Formats: []api.FormatCount{}, Metered: []api.Metered{},
	}
	p.lapse(now)
	set, missing := x.n.datasetFor(hansa.Actor{Party: p.Own}, p.Dataset.Name)
	if p.gives() {
		if err := x.hinder(ctx, p, set, missing); err != nil {
			return e, err
		}
	}
	if e.State, e.Why = string(p.State), p.Why; was != nil {
		e.Problem = was.Problem
	}
	if p.stands() {
		e.Terms, e.Purpose = &p.Terms, cmp.Or(purpose, p.Terms.Purposes[0])
	}
	err := x.n.db.Read(ctx, func(tx hansa.Tx) error {
		counts, err := store.Counts(tx, p.From, string(p.ID))
		if err == nil && p.gives() {
			e.Metered = metered(counts)
		}
		return err
	})
	if err != nil || !p.gives() || !p.stands() {
		return e, err
	}
	f := p.flow(set.ID, false)
	g, err := gate.Compile(&f)
	if err != nil {
		return e, err
	}
	recs, _, err := x.n.stream.Of(p.From).Present(ctx, set.ID, true)
	if err != nil && hansa.KindOf(err) != hansa.NotFound {
		return e, err
	}
	x.hold(&e, newCourse(f, g, *set), recs, now)
	return e, nil
}

// hold asks the gate of c about each record of the last day.
func (x trials) hold(e *api.FlowExplained, c *course, recs []*hansa.Record, now time.Time) {
	ask := x.n.line.ask(c, e.Purpose, c.flow.Terms.Formats[0])
	ask.Now = now
	for _, name := range c.flow.Terms.Formats {
		e.Formats = append(e.Formats, api.FormatCount{Format: name})
	}
	for _, r := range recs {
		if r.Received.Before(now.Add(-trialOver)) {
			continue
		}
		v := c.gate.Decide(r, ask)
		e.Records++
		tell(e, r.ID, v)
		switch v.Outcome {
		case hansa.Deny:
			e.Deny++
			continue
		case hansa.Trim:
			e.Trim++
			r = c.gate.Trim(r)
		case hansa.Pass:
			e.Pass++
			r = outward(r)
		}
		for i := range e.Formats {
			w, err := WriterOf(x.n.line.codecs, e.Formats[i].Format)
			if err != nil || format.Refused(w.Losses(r)) {
				e.Formats[i].Not++
			} else {
				e.Formats[i].Says++
			}
		}
	}
	slices.SortFunc(e.Rules, func(a, b api.RuleExplained) int {
		return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(string(a.Rule), string(b.Rule)))
	})
}

// tell counts a verdict under its rule.
func tell(e *api.FlowExplained, record string, v hansa.Verdict) {
	i := slices.IndexFunc(e.Rules, func(x api.RuleExplained) bool { return x.Rule == v.Rule })
	if i < 0 {
		i = len(e.Rules)
		e.Rules = append(e.Rules, api.RuleExplained{Rule: v.Rule, Outcome: v.Outcome.String(), Words: gate.Words(v.Rule), Records: []string{}, Clauses: []int{}})
	}
	e.Rules[i].N++
	if len(e.Rules[i].Records) < trialExamples {
		e.Rules[i].Records = append(e.Rules[i].Records, record)
	}
}

// metered sums what was counted of a flow by month.
func metered(counts []store.Counted) []api.Metered {
	out := []api.Metered{}
	for _, c := range counts {
		month := c.Day.Format("2006-01")
		if len(out) == 0 || out[len(out)-1].Month != month {
			out = append(out, api.Metered{Month: month})
		}
		m := &out[len(out)-1]
		switch c.What {
		case "records":
			m.Records += c.N
		case "bytes":
			m.Bytes += c.N
		case "requests":
			m.Requests += c.N
		}
	}
	return out
}
