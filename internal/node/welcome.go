package node

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// Welcome shows a company how far it has come, and what it may do next.
func (v invites) Welcome(r *http.Request) (room.Welcome, error) {
	by, err := v.n.person(r)
	if err != nil {
		return room.Welcome{}, err
	}
	flows, err := v.n.catalog.Flows(r.Context(), by.Party)
	if err != nil {
		return room.Welcome{}, err
	}
	flows = slices.DeleteFunc(flows, func(f hansa.Flow) bool { return f.To != by.Party })
	o, err := v.onboarding(r.Context(), by.Party, flows)
	if err != nil {
		return room.Welcome{}, err
	}
	out := room.Welcome{Party: o.Title, Address: v.n.address(), May: by.May(hansa.RightManage), Zone: accounts(v).zone(by.Party)}
	for _, s := range o.Steps {
		out.Steps = append(out.Steps, room.Onboard{Step: s.Step, Done: s.Done, Who: s.Who, How: s.How, Free: s.Free})
	}
	for _, f := range flows {
		x := room.Course{ID: string(f.ID), Name: f.Name, From: v.n.party(f.From).Title, Test: f.Test, Paused: f.Paused}
		for _, name := range f.Terms.Formats {
			x.Formats = append(x.Formats, string(name))
		}
		for _, p := range f.Terms.Purposes {
			x.Purposes = append(x.Purposes, string(p))
		}
		subs, err := v.n.deliver.Subscriptions(r.Context(), by, f.ID)
		if err != nil {
			return out, err
		}
		for _, s := range subs {
			x.Hooks = append(x.Hooks, room.Hook{URL: s.URL, State: string(s.State), Reason: s.Reason})
		}
		out.Flows = append(out.Flows, x)
	}
	return out, nil
}

// mayManage is who is signed in, if they may make things for their party.
func (v invites) mayManage(r *http.Request) (hansa.Actor, error) {
	by, err := v.n.person(r)
	if err == nil && !by.May(hansa.RightManage) {
		err = hansa.Errorf(hansa.Denied, "this needs the right %s", hansa.RightManage).With(hansa.CodeForbidden)
	}
	return by, err
}

// MakeCredential makes one for the company's programs; its secret is shown once.
func (v invites) MakeCredential(r *http.Request, name, kind string, test bool) (room.Secret, error) {
	by, err := v.mayManage(r)
	if err != nil {
		return room.Secret{}, err
	}
	o := api.CredentialOrder{Name: name, Kind: kind, Test: test}
	if kind == string(trust.Header) {
		o.Header = "X-Api-Key"
	}
	c, err := admins(v).AddCredential(r.Context(), by, o)
	return room.Secret{ID: c.ID, Name: c.Name, Kind: c.Kind, Header: c.Header, Secret: c.Secret, Test: c.Test}, err
}

// MakeHook asks for a webhook on one of the company's flows, and says the key by
// which its signatures are checked.
func (v invites) MakeHook(r *http.Request, flow, address, format string) (room.Hook, error) {
	by, err := v.mayManage(r)
	if err != nil {
		return room.Hook{}, err
	}
	c, err := v.n.line.course(hansa.FlowID(flow))
	if err != nil || c.flow.To != by.Party {
		return room.Hook{}, hansa.Errorf(hansa.NotFound, "there is no such flow")
	}
	by.Test = c.flow.Test
	s, err := serving(v).Subscribe(r.Context(), api.Ask{Actor: by, Flow: c.flow.ID, Format: hansa.Format(first(format, string(c.flow.Terms.Formats[0])))}, api.Subscribe{URL: address})
	return room.Hook{URL: s.URL, State: s.State, Key: s.Key}, err
}

// testEvery is how often a party may ask for a test closure.
const testEvery = 5 * time.Second

// SendTest puts a marked test closure into the giver's dataset, for test flows
// alone. It is over by itself within the hour.
func (v invites) SendTest(r *http.Request, flow string) error {
	by, err := v.mayManage(r)
	if err != nil {
		return err
	}
	c, err := v.n.line.course(hansa.FlowID(flow))
	switch {
	case err != nil || c.flow.To != by.Party:
		return hansa.Errorf(hansa.NotFound, "there is no such flow")
	case !c.flow.Test:
		return hansa.Errorf(hansa.Conflict, "a test closure goes into a test flow alone")
	}
	now := v.n.clock().UTC().Truncate(time.Second)
	v.n.mu.Lock()
	wait := v.n.tested[by.Party].Add(testEvery).Sub(now)
	if wait <= 0 {
		v.n.tested[by.Party] = now
	}
	v.n.mu.Unlock()
	if wait > 0 {
		return hansa.Errorf(hansa.Busy, "a test closure can be asked for every %s", testEvery).With(hansa.CodeRateLimited)
	}
	line, err := v.somewhere(r.Context(), c)
	if err != nil {
		return err
	}
	end := now.Add(time.Hour)
	rec := &hansa.Record{
		Kind: hansa.KindSituation, ID: "test-" + hansa.NewID(now), Version: 1, Created: now, Updated: now, Published: now, Update: hansa.Insert, Mode: hansa.Test,
		Provenance: hansa.Provenance{System: "test", EnteredBy: by.ID()},
		Situation: &hansa.Situation{
			Role: hansa.RoleClosure, Lifecycle: hansa.Active, Effect: hansa.RoadClosed, Certainty: hansa.Certain, Start: &now, End: &end, EndKind: hansa.EndConfirmed, EndRule: hansa.EndAtPlannedEnd,
			Direction: hansa.BothDirections, Extent: hansa.WholeRoad, Road: hansa.Road{Name: "Test closure"}, Geometry: line,
			Texts: []hansa.Text{{Lang: "en", Value: "Test. Nothing is closed.", Kind: "comment"}},
		},
	}
	d := c.dataset
	_, refused, err := v.n.line.take(r.Context(), &d, []*hansa.Record{rec}, own, nil)
	return errors.Join(err, errors.Join(refused...))
}

// somewhere is where a test closure lies: a place of the giver's, or where its last
// record was.
func (v invites) somewhere(ctx context.Context, c *course) (*hansa.Geometry, error) {
	v.n.mu.RLock()
	net := v.n.places[c.flow.From]
	v.n.mu.RUnlock()
	if net != nil && net.Len() > 0 {
		return net.Places()[0].Geometry, nil
	}
	list, _, err := v.n.stream.Of(c.flow.From).Present(ctx, c.dataset.ID, true)
	if err != nil && hansa.KindOf(err) != hansa.NotFound {
		return nil, err
	}
	for _, r := range list {
		if r.Situation != nil && r.Situation.Geometry != nil {
			return r.Situation.Geometry, nil
		}
	}
	return nil, hansa.Errorf(hansa.Conflict, "%s has no place yet where a test closure could lie", v.n.party(c.flow.From).Title).WithHint("ask them to import their network, or to publish a first record")
}
