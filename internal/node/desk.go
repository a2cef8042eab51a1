package node

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
	"github.com/hansa-exchange/hansa/internal/dataplane/receipt"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// desk is what a controller does: it makes situations of named places, changes
// them, and shows where each stands at each receiver.
type desk struct {
	node *Node
	mu   sync.Mutex // one change at a time, so that versions rise by one

	saidMu   sync.Mutex // guards what follows
	said     map[hansa.Key]said
	erasures int // so that what was read before one is not remembered after it
}

var _ api.Desk = (*desk)(nil)

// uuid is how a request id is written (RFC 9562 section 4).
var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// Close publishes a closure of a named place. A repeat of a request id answers the
// closure that there is.
func (d *desk) Close(ctx context.Context, by hansa.Actor, o api.CloseOrder) (api.Closure, error) {
	set, err := d.dataset(by, o.Dataset)
	if err != nil {
		return api.Closure{}, err
	}
	place, err := d.where(by, o)
	if err != nil {
		return api.Closure{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.node.clock().UTC()
	id := hansa.NewID(d.node.wall())
	if o.RequestID != "" {
		if !uuid.MatchString(o.RequestID) {
			return api.Closure{}, hansa.Fielded("/requestId", "a request id is a UUID, such as %s", id)
		}
		id = o.RequestID
		if old, err := d.node.stream.Of(by.Party).Get(ctx, set.ID, id); err == nil {
			if old.Situation == nil || old.Situation.Infra.ID != place.ID || old.Situation.Direction != place.Direction {
				return api.Closure{}, hansa.Errorf(hansa.Conflict, "this request id was used for another closure").At("/requestId").WithHint("make a new one")
			}
			return d.show(ctx, by, set, old)
		}
	}
	r, err := d.record(ctx, by, set, place, o, id, now)
	if err != nil {
		return api.Closure{}, err
	}
	return d.publish(ctx, by, set, r, own, "close")
}

// record makes the situation of an order.
func (d *desk) record(ctx context.Context, by hansa.Actor, set *hansa.Dataset, place hansa.Place, o api.CloseOrder, id string, now time.Time) (*hansa.Record, error) {
	s := &hansa.Situation{
		Incident: id, Role: o.Role, Lifecycle: hansa.Active, Cause: hansa.Cause{Type: o.Reason}, Certainty: hansa.Certain,
		Start: &now, End: o.Until, EndKind: hansa.EndUnknown, EndRule: hansa.EndRule(o.EndRule),
		Source: hansa.Source{Org: d.node.party(by.Party).Title, System: "desk"},
	}
	if s.Role == "" {
		s.Role = hansa.RoleClosure
	}
	d.locate(by, s, place)
	if o.Until != nil {
		if s.EndKind = hansa.EndKind(first(o.EndKind, string(hansa.EndConfirmed))); s.EndKind != hansa.EndConfirmed && s.EndKind != hansa.EndEstimated {
			return nil, hansa.Fielded("/endKind", "an end is confirmed or estimated, not %q", o.EndKind)
		}
	}
	if o.EndRule != "" && (s.EndRule != hansa.EndAtPlannedEnd || o.Until == nil) {
		return nil, hansa.Fielded("/endRule", "the rule is at-planned-end, and needs an until")
	}
	if o.From != nil && o.From.After(now) {
		s.Start, s.Lifecycle = o.From, hansa.Confirmed
	} else {
		s.ActualStart = &now
		if o.From != nil {
			s.Start = o.From
		}
	}
	if err := d.parts(s, o); err != nil {
		return nil, err
	}
	if o.Incident != "" {
		other, err := d.node.stream.Of(by.Party).Get(ctx, set.ID, o.Incident)
		if err != nil {
			return nil, err
		}
		s.Incident = other.Situation.Incident
		s.Related.Parent = other.ID
	}
	r := &hansa.Record{Kind: hansa.KindSituation, ID: id, Version: 1, Created: now, Updated: now, Published: now, Update: hansa.Insert, Situation: s, Provenance: hansa.Provenance{System: "desk", EnteredBy: by.ID()}}
	if o.Test {
		r.Mode = hansa.Test
	}
	return r, nil
}

// parts sets what is said of lanes, and the words.
func (*desk) parts(s *hansa.Situation, o api.CloseOrder) error {
	if s.Role == hansa.RoleCounterMeasure || s.Role == hansa.RoleDiversion {
		s.Effect = hansa.NoEffect
	}
	if len(o.Lanes) > 0 {
		s.Effect, s.Extent = hansa.LanesClosed, hansa.LanePart
		if s.Direction == hansa.BothDirections {
			return hansa.Fielded("/lanes", "lanes belong to one direction: say which").WithHint("--direction north")
		}
		for _, n := range o.Lanes {
			if n < 1 || n > 12 {
				return hansa.Fielded("/lanes", "a lane is 1 to 12, not %d", n)
			}
			s.Lanes = append(s.Lanes, hansa.Lane{Number: n, Closed: true})
		}
	}
	text := o.Text
	if text == "" && s.Effect != hansa.NoEffect {
		text = spoken(o.Reason)
	}
	if text != "" {
		s.Texts = []hansa.Text{{Lang: first(o.Lang, "en"), Value: text, Kind: "comment"}}
	}
	return nil
}

// publish takes an own publication, journals the act, and shows the closure.
func (d *desk) publish(ctx context.Context, by hansa.Actor, set *hansa.Dataset, r *hansa.Record, from origin, act string) (api.Closure, error) {
	doc, err := json.Marshal(map[string]string{"record": r.ID, "by": by.ID()}, json.Deterministic(true))
	if err != nil {
		return api.Closure{}, err
	}
	_, refused, err := d.node.line.take(ctx, set, []*hansa.Record{r}, from, func(tx hansa.Tx) error {
		_, err := d.node.journal.Act(tx, by.Party, act, doc, d.node.wall())
		return err
	})
	if err == nil {
		err = refused[0]
	}
	if err != nil {
		return api.Closure{}, err
	}
	// The ladder begins before the answer, so that it shows who is offered what.
	if courses := d.courses(by.Party, set.ID); len(courses) > 0 {
		if err := d.node.line.ready(ctx, courses[0]); err != nil {
			return api.Closure{}, err
		}
	}
	d.node.changed.soon()
	return d.show(ctx, by, set, r)
}

func (d *desk) courses(party hansa.PartyID, dataset hansa.DatasetID) []*course {
	d.node.line.mu.RLock()
	defer d.node.line.mu.RUnlock()
	return d.node.line.flowsOf(hansa.Key{Party: party, Dataset: dataset})
}

// dataset finds the dataset of situations to publish into.
func (d *desk) dataset(by hansa.Actor, name string) (*hansa.Dataset, error) {
	if name != "" {
		return d.node.datasetFor(by, name)
	}
	var found []*hansa.Dataset
	d.node.line.mu.RLock()
	for _, x := range d.node.line.datasets[by.Party] {
		if x.Kind == hansa.KindSituation {
			found = append(found, x)
		}
	}
	d.node.line.mu.RUnlock()
	switch len(found) {
	case 0:
		return nil, hansa.Errorf(hansa.NotFound, "your party has no dataset of situations")
	case 1:
		return found[0], nil
	}
	for _, x := range found {
		if x.Name == "closures" {
			return x, nil
		}
	}
	return nil, hansa.Fielded("/dataset", "your party has several datasets of situations: say which").WithHint("--dataset " + found[0].Name)
}

func (d *desk) network(by hansa.Actor) (*network.Network, error) {
	d.node.mu.RLock()
	defer d.node.mu.RUnlock()
	if w := d.node.places[by.Party]; w != nil {
		return w, nil
	}
	return nil, hansa.Errorf(hansa.NotFound, "no named places are known").WithHint("hansa network import FILE")
}

// where is what an order closes: a named place, or a line.
func (d *desk) where(by hansa.Actor, o api.CloseOrder) (hansa.Place, error) {
	if len(o.Line) > 0 {
		return d.stretch(by, o)
	}
	if o.Place == "" {
		return hansa.Place{}, hansa.Fielded("/place", "say which place is closed, or draw a line")
	}
	return d.place(by, o.Place, o.Heading)
}

func (d *desk) place(by hansa.Actor, name, heading string) (hansa.Place, error) {
	w, err := d.network(by)
	if err != nil {
		return hansa.Place{}, err
	}
	if tube := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(heading)), "tube "); len(tube) == 1 && tube >= "a" && tube <= "d" {
		return w.Part(name, "", tube) // tubes are lettered; north, east, south and west are not among these
	}
	return w.Part(name, heading, "")
}

// Places finds named places.
func (d *desk) Places(_ context.Context, by hansa.Actor, query string) ([]hansa.Place, error) {
	w, err := d.network(by)
	if err != nil {
		return nil, err
	}
	out := []hansa.Place{}
	for _, p := range w.Places() {
		if len(out) < api.PageMax && strings.Contains(network.Fold(p.Name+" "+p.ID), network.Fold(query)) {
			out = append(out, p)
		}
	}
	return out, nil
}

// find looks a closure up in the datasets of by's party.
func (d *desk) find(ctx context.Context, by hansa.Actor, id string) (*hansa.Dataset, *hansa.Record, error) {
	for _, set := range d.situations(by.Party) {
		r, err := d.node.stream.Of(by.Party).Get(ctx, set.ID, id)
		if err == nil {
			return set, r, nil
		}
		if hansa.KindOf(err) != hansa.NotFound {
			return nil, nil, err
		}
	}
	return nil, nil, hansa.Errorf(hansa.NotFound, "there is no closure %q", id).WithHint("hansa closures --all")
}

func (d *desk) situations(party hansa.PartyID) (list []*hansa.Dataset) {
	d.node.line.mu.RLock()
	defer d.node.line.mu.RUnlock()
	for _, x := range d.node.line.datasets[party] {
		if x.Kind == hansa.KindSituation {
			list = append(list, x)
		}
	}
	return list
}

// Closure shows one closure with its ladders.
func (d *desk) Closure(ctx context.Context, by hansa.Actor, id string) (api.Closure, error) {
	set, r, err := d.find(ctx, by, id)
	if err != nil {
		return api.Closure{}, err
	}
	return d.show(ctx, by, set, r)
}

func (d *desk) show(ctx context.Context, by hansa.Actor, set *hansa.Dataset, r *hansa.Record) (api.Closure, error) {
	rungs, err := d.node.book.Ladder(ctx, by.Party, set.ID, r.ID)
	if err != nil && hansa.KindOf(err) != hansa.NotFound {
		return api.Closure{}, err
	}
	others, err := d.contradictions(ctx, by)
	if err != nil {
		return api.Closure{}, err
	}
	return d.closure(ctx, set, r, rungs, others[r.ID]), nil
}

// Closures lists the closures of by's party, the newest change first.
func (d *desk) Closures(ctx context.Context, by hansa.Actor, ended bool) ([]api.Closure, error) {
	out := []api.Closure{}
	others, err := d.contradictions(ctx, by)
	if err != nil {
		return nil, err
	}
	for _, set := range d.situations(by.Party) {
		recs, _, err := d.node.stream.Of(by.Party).Present(ctx, set.ID, ended)
		if err != nil {
			return nil, err
		}
		board, err := d.node.book.Board(ctx, by.Party, set.ID, time.Time{})
		if err != nil {
			return nil, err
		}
		of := map[string][]receipt.Rungs{}
		for _, g := range board {
			of[g.Record] = append(of[g.Record], g)
		}
		for _, r := range recs {
			out = append(out, d.closure(ctx, set, r, of[r.ID], others[r.ID]))
		}
	}
	slices.SortStableFunc(out, func(a, b api.Closure) int { return b.Record.Received.Compare(a.Record.Received) })
	return out, nil
}

// Wait returns when something that a page shows has changed.
func (d *desk) Wait(ctx context.Context, by hansa.Actor, id string) error {
	if _, _, err := d.find(ctx, by, id); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-d.node.changed.wait():
		return nil
	}
}

// erased hands an erasure to the stream and the journal in one transaction.
func (d *desk) erased(ctx context.Context, set *hansa.Dataset, record string, tell func(tx hansa.Tx, batch string, position int64) error) (int, error) {
	n, err := d.node.stream.Of(set.Party).Erase(ctx, set.ID, record, tell)
	d.forget(hansa.Key{Party: set.Party, Dataset: set.ID})
	if err == nil && n == 0 {
		err = errors.New("nothing is left to erase")
	}
	return n, err
}
