package node

import (
	"context"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/node/sandbox"
)

// sandboxDesk is the controller of the sandbox's city.
func sandboxDesk() hansa.Actor {
	return hansa.Actor{Party: sandboxCity, Rights: []hansa.Right{hansa.RightControl}}
}

// scene is one step of the sandbox's story: what is published, by which name.
type scene struct {
	name string
	do   func(context.Context) (*hansa.Record, error)
}

// tale is what the sandbox plays, after a summer's afternoon of 2023: a tube and a
// street shut in one incident, ends that move, a repair that opens nothing, a
// closure said anew under another id, one for high vehicles alone, nights, a plan
// that is withdrawn, a test.
type tale struct {
	s                          *Sandbox
	now                        time.Time
	tube, street, again        *hansa.Record
	high, nights, plan, probed *hansa.Record
}

func (t *tale) scenes() []scene {
	until, sooner := t.now.Add(3*time.Hour), t.now.Add(2*time.Hour)
	tomorrow, later := t.now.Add(24*time.Hour), t.now.Add(30*time.Hour)
	return []scene{
		{"one tube closes", t.close(&t.tube, api.CloseOrder{Place: "oostertunnel", Heading: "north", Reason: "technical-fault"})},
		{"a street closes whole, in the same incident", func(ctx context.Context) (*hansa.Record, error) {
			return t.close(&t.street, api.CloseOrder{Place: "wallenweg", Reason: "technical-fault", Incident: t.tube.Situation.Incident})(ctx)
		}},
		{"the tube's end is told", t.change(&t.tube, "extend", api.ChangeOrder{Until: &until, EndKind: string(hansa.EndEstimated)})},
		{"its end moves to an earlier time", t.change(&t.tube, "extend", api.ChangeOrder{Until: &sooner, EndKind: string(hansa.EndConfirmed)})},
		{"repaired, and not open", t.change(&t.tube, "repaired", api.ChangeOrder{})},
		{"the street's closure is said anew under another id", t.anew(&t.again, &t.street, func(r *hansa.Record) { r.Situation.Related.Replaces = []string{t.street.ID} })},
		{"closed to high vehicles alone", t.anew(&t.high, &t.tube, func(r *hansa.Record) {
			r.Situation.Effect, r.Situation.Repaired, r.Situation.Vehicles = hansa.Restriction, nil, []hansa.Vehicles{{HeightOverM: 3.8}}
		})},
		{"closed in the nights from tomorrow on", t.anew(&t.nights, &t.again, func(r *hansa.Record) {
			x := r.Situation
			x.Related.Replaces, x.Lifecycle, x.ActualStart, x.Start, x.EndKind = nil, hansa.Confirmed, nil, &tomorrow, hansa.EndConfirmed
			end := tomorrow.Add(5 * 24 * time.Hour)
			x.End, x.Recurrence = &end, []hansa.Recurrence{{Zone: "Europe/Amsterdam", From: "22:30", To: "05:00"}}
		})},
		{"the street is planned to close tomorrow", t.close(&t.plan, api.CloseOrder{Place: "wallenweg", Reason: "roadworks", From: &tomorrow, Until: &later})},
		{"a test, which nobody may show", t.close(&t.probed, api.CloseOrder{Place: "oostertunnel", Test: true})},
		{"the plan is withdrawn", t.change(&t.plan, "withdraw", api.ChangeOrder{})},
		{"the nights are called off", t.change(&t.nights, "withdraw", api.ChangeOrder{})},
		{"high vehicles may pass again", t.change(&t.high, "reopen", api.ChangeOrder{})},
		{"the tube opens", t.change(&t.tube, "reopen", api.ChangeOrder{})},
		{"the street opens", t.change(&t.again, "reopen", api.ChangeOrder{})},
	}
}

// close shuts a place at the city's desk.
func (t *tale) close(into **hansa.Record, order api.CloseOrder) func(context.Context) (*hansa.Record, error) {
	return func(ctx context.Context) (*hansa.Record, error) {
		c, err := t.s.node.desk.Close(ctx, sandboxDesk(), order)
		*into = c.Record
		return c.Record, err
	}
}

// change changes a closure at the city's desk.
func (t *tale) change(of **hansa.Record, what string, order api.ChangeOrder) func(context.Context) (*hansa.Record, error) {
	return func(ctx context.Context) (*hansa.Record, error) {
		c, err := t.s.node.desk.Change(ctx, sandboxDesk(), (*of).ID, what, order)
		if err == nil {
			*of = c.Record
		}
		return c.Record, err
	}
}

// anew publishes a record under an id of its own that is as another one, but for
// what edit changes: what a desk's form has no field for.
func (t *tale) anew(into, from **hansa.Record, edit func(*hansa.Record)) func(context.Context) (*hansa.Record, error) {
	return func(ctx context.Context) (*hansa.Record, error) {
		now := t.s.node.clock().UTC()
		r, x := **from, *(*from).Situation
		r.Situation, r.ID, r.Version, r.Update, r.Created, r.Updated = &x, hansa.NewID(t.s.node.wall()), 1, hansa.Insert, now, now
		r.Original, r.OriginalType, r.Defects, r.Cursor, r.Received = nil, "", nil, "", time.Time{}
		edit(&r)
		set, err := t.s.node.datasetFor(sandboxDesk(), "closures")
		if err != nil {
			return nil, err
		}
		c, err := t.s.node.desk.publish(ctx, sandboxDesk(), set, &r, own, "close")
		*into = c.Record
		return c.Record, err
	}
}

// story plays the scenes, each until the receiver has had its time.
func (s *Sandbox) story(ctx context.Context, tell func(string)) error {
	t := &tale{s: s, now: s.node.clock().UTC().Truncate(time.Minute)}
	for _, x := range t.scenes() {
		r, err := x.do(ctx)
		if err != nil {
			return err
		}
		said, err := s.said(ctx, r)
		if err != nil {
			return err
		}
		if !said {
			if r.Live() {
				tell(x.name + ": " + string(s.cfg.Format) + " cannot say it, so it is withheld")
				s.unsaid = append(s.unsaid, x.name+": the format "+string(s.cfg.Format)+" cannot say it")
			}
			continue
		}
		tell(x.name)
		s.expect(x.name, r)
		is := shows(r.ID, r.Version)
		if !r.Live() || !r.Mode.IsReal() {
			is = lacks(r.ID)
		}
		if err := s.settle(ctx, is); err != nil {
			return err
		}
		if err := s.hear(ctx, r); err != nil {
			return err
		}
	}
	if s.cfg.Endpoint == "" {
		return nil
	}
	tell("a call that is badly signed, and one that comes again")
	return s.probe(ctx)
}

// said reports whether the receiver's format can say a record.
func (s *Sandbox) said(ctx context.Context, r *hansa.Record) (bool, error) {
	list, err := operator{s.node}.Explain(ctx, sandboxDesk(), string(sandboxFlow), r.ID, "navigation")
	if err != nil {
		return false, err
	}
	for _, e := range list {
		if slices.ContainsFunc(e.Formats, func(f api.FormatSays) bool { return f.Refused }) {
			return false, nil
		}
	}
	return true, nil
}

// hear notes what the receiver's receipts say of a record that holds.
func (s *Sandbox) hear(ctx context.Context, r *hansa.Record) error {
	if !r.Live() {
		return nil
	}
	claim, err := s.claimed(ctx, r.ID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps[len(s.steps)-1].Claim = claim
	return nil
}

// probe tries the webhook: a call that nobody signed must not be taken, one that
// was taken before must be.
func (s *Sandbox) probe(ctx context.Context) error {
	status, err := s.badly(ctx)
	if err != nil {
		return err
	}
	at := &s.steps[0]
	at.Pushes = append(at.Pushes, sandbox.Push{Status: status})
	by := hansa.Actor{Party: sandboxReceiver, Rights: []hansa.Right{hansa.RightRead}}
	subs, err := s.node.deliver.Subscriptions(ctx, by, sandboxFlow)
	if err != nil {
		return err
	}
	for _, sub := range subs {
		list, err := s.node.deliver.Deliveries(ctx, by, sub.ID, 100)
		if err != nil {
			return err
		}
		for i := range list {
			d := &list[i]
			for _, a := range d.Attempts {
				at.Pushes = append(at.Pushes, sandbox.Push{Signed: true, Status: a.Status})
			}
		}
		for i := range list {
			if list[i].State == deliver.Delivered {
				a, err := s.node.deliver.Redeliver(ctx, by, list[i].ID)
				at.Pushes = append(at.Pushes, sandbox.Push{Signed: true, Repeat: true, Status: a.Status})
				return err
			}
		}
	}
	return nil
}
