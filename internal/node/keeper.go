package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// kept is what the room's pages show and change of what a party keeps: the same
// acts as the API's, in the room's words.
type kept struct{ n *Node }

var _ room.Keeper = kept{}

// deliveriesShown is how many deliveries and hand-overs a page lists.
const deliveriesShown = 200

// Deliveries lists the newest in a state, or the one with an id.
func (k kept) Deliveries(ctx context.Context, by hansa.Actor, state, id string) (room.Deliveries, error) {
	out := room.Deliveries{List: []room.Delivery{}, Handovers: []room.Handover{}, Address: k.n.address()}
	if id != "" {
		one, err := k.delivery(ctx, by, id)
		out.List = append(out.List, one)
		return out, err
	}
	all, err := operator(k).Deliveries(ctx, by, api.DeliveryQuery{State: state, Limit: deliver.DeliveriesMax})
	if err != nil {
		return out, err
	}
	names := map[string]string{}
	for i := range all.Deliveries {
		if i == deliveriesShown {
			all.More += len(all.Deliveries) - i
			break
		}
		out.List = append(out.List, k.shownDelivery(ctx, by, &all.Deliveries[i], names))
	}
	out.More, out.Counts = all.More, all.Counts
	for _, h := range all.Handovers[:min(len(all.Handovers), deliveriesShown)] {
		out.Handovers = append(out.Handovers, room.Handover{At: h.At, Party: k.n.party(h.Party).Title, Flow: k.flowName(h.Flow), How: h.How, Bytes: h.Bytes})
	}
	return out, nil
}

// delivery is one that by may see, with what it holds where that can be made anew.
func (k kept) delivery(ctx context.Context, by hansa.Actor, id string) (room.Delivery, error) {
	d, err := k.n.deliver.Delivery(ctx, by, id)
	if err != nil {
		return room.Delivery{}, hansa.Public(err).WithHint("see all at /deliveries")
	}
	sub, err := k.n.deliver.Subscription(ctx, by, d.Subscription)
	if err != nil {
		return room.Delivery{}, err
	}
	x := delivery(sub, &d)
	out := k.shownDelivery(ctx, by, &x, map[string]string{})
	body, sent, err := k.n.deliver.Body(ctx, by, id)
	if err == nil {
		out.Payload, out.AsSent = string(body), sent
	}
	return out, nil // without its content where the flow no longer gives it
}

func (k kept) shownDelivery(ctx context.Context, by hansa.Actor, d *api.Delivery, names map[string]string) room.Delivery {
	name, known := names[d.Record]
	if !known {
		if set, r, err := k.n.desk.find(ctx, by, d.Record); err == nil {
			name = k.n.desk.title(ctx, set.Party, r)
		}
		names[d.Record] = name
	}
	return room.Delivery{
		ID: d.ID, Party: k.n.party(d.Party).Title, Flow: k.flowName(d.Flow), FlowID: string(d.Flow), Subscription: d.Subscription, Record: d.Record, Name: name, Version: d.Version,
		State: d.State, URL: d.URL, Digest: d.Digest, Made: d.Made, Next: d.Next, Attempts: d.Attempts,
	}
}

func (k kept) flowName(id hansa.FlowID) string {
	if c, err := k.n.line.course(id); err == nil {
		return c.flow.Name
	}
	return string(id)
}

// Replay sends one delivery again. A subscription's id is none of a delivery.
func (k kept) Replay(ctx context.Context, by hansa.Actor, id string) error {
	if _, err := k.n.deliver.Delivery(ctx, by, id); err != nil {
		return err
	}
	_, err := operator(k).Replay(ctx, by, id, "")
	return err
}

// Keys says by what others check this node.
func (k kept) Keys(_ context.Context, _ hansa.Actor) room.Keys {
	at := k.n.address()
	return room.Keys{Origin: k.n.cfg.Origin, Verifier: k.n.VerifierKey(), Checkpoint: at + "/journal/checkpoint", Node: at}
}

// Status turns what the operator may know of the node into words.
func (k kept) Status(ctx context.Context, by hansa.Actor) ([]room.Check, error) {
	s, err := operator(k).Status(ctx, by)
	if err != nil {
		return nil, err
	}
	say, zone := words.Of(ctx), pages(k).zone(by)
	list := []room.Check{
		{What: say.Say("Build"), OK: true, Says: say.Fill("{1}, running since {2}", s.Version, say.Stamp(s.Started, zone))},
		{What: say.Say("Journal"), OK: true, Says: say.Count(int(s.Entries), "{1} entry", "{1} entries") + ", " + say.Count(int(s.Records), "{1} record", "{1} records")},
		{What: say.Say("Stored rows"), OK: true, Says: first(s.Checked, say.Say("the check has not begun yet"))},
	}
	if !s.Sealed.IsZero() {
		list[1].Says += ", " + say.Fill("sealed at {1}", say.Stamp(s.Sealed, zone))
	}
	list = append(list, k.postStatus(ctx))
	if len(s.Feeds) == 0 {
		list = append(list, room.Check{What: say.Say("Feeds"), OK: true, Says: say.Say("none is connected")})
	}
	for _, f := range s.Feeds {
		list = append(list, room.Check{
			What: say.Fill("Feed {1}", f.Feed), OK: f.Status == hansa.FeedFresh || f.Status == hansa.FeedLate || f.Status == hansa.FeedPaused,
			Says: strings.TrimSpace(room.Standing(say, f.Status) + ". " + words.Upper(f.Reason)), Mend: say.Say("See its last answers under Feeds."),
		})
	}
	for _, problem := range s.Problems {
		list = append(list, room.Check{What: say.Say("Problem"), Says: problem, Mend: say.Say("The node's log says more. It tries again by itself.")})
	}
	return list, nil
}

// postStatus says how many webhooks wait for a person.
func (k kept) postStatus(ctx context.Context) room.Check {
	say := words.Of(ctx)
	states, err := k.n.deliver.States(ctx)
	if err != nil {
		return room.Check{What: say.Say("Webhooks"), Says: say.Refusal(hansa.Public(err))}
	}
	all := 0
	for _, n := range states {
		all += n
	}
	stuck := states[string(deliver.Parked)] + states[string(deliver.Disabled)]
	c := room.Check{What: say.Say("Webhooks"), OK: stuck == 0, Says: say.Count(all, "{1} subscription, none waits for a person", "{1} subscriptions, none waits for a person")}
	if stuck > 0 {
		c.Says, c.Mend = say.Count(all, "{2} of {1} webhook had to stop", "{2} of {1} webhooks had to stop", stuck), say.Say("See Deliveries, parked ones.")
	}
	return c
}

// FirstSteps lists what a new party needs: a giver to be seen, a receiver to see.
func (k kept) FirstSteps(ctx context.Context, by hansa.Actor) ([]room.FirstStep, error) {
	flows, err := k.n.catalog.Flows(ctx, by.Party)
	if err != nil {
		return nil, err
	}
	k.n.line.mu.RLock()
	sets := slices.Clone(k.n.line.datasets[by.Party])
	k.n.line.mu.RUnlock()
	if by.Party != k.n.own && len(sets) == 0 {
		return k.joinSteps(ctx, by, flows)
	}
	users, err := k.n.trust.Users(ctx, by.Party)
	if err != nil {
		return nil, err
	}
	live := 0
	for i := range users {
		if users[i].Revoked.IsZero() {
			live++
		}
	}
	said := false
	for _, d := range sets {
		recs, _, err := k.n.stream.Of(by.Party).Read(ctx, d.ID, "", 1)
		if err != nil && hansa.KindOf(err) != hansa.NotFound {
			return nil, err
		}
		said = said || len(recs) > 0 || err != nil // what is no longer kept was said too
	}
	feeds, err := k.n.feeds.States(ctx)
	if err != nil {
		return nil, err
	}
	fed := slices.ContainsFunc(feeds, func(f hansa.FeedState) bool { return f.Party == by.Party })
	k.n.mu.RLock()
	mapped := k.n.places[by.Party] != nil
	k.n.mu.RUnlock()
	say := words.Of(ctx)
	steps := []room.FirstStep{}
	if by.Party == k.n.own {
		steps = append(steps, room.FirstStep{What: say.Say("Name your tunnels, bridges and streets"), Why: say.Say("The desk finds a place by its name. Bring them in once, as GeoJSON; a newer file replaces them."), Command: `hansa network import network.geojson`, Done: mapped})
	}
	return append(
		steps,
		room.FirstStep{What: say.Say("Make a dataset for your closures"), Why: say.Say("It is what others get, and what you close roads in."), Href: "/datasets", Done: len(sets) > 0},
		room.FirstStep{What: say.Say("Let somebody else in"), Why: say.Say("A desk is not one person. Give each a role of their own."), Href: "/settings/users", Done: live > 1},
		room.FirstStep{What: say.Say("Ask a receiver in"), Why: say.Say("A link, by which a company joins and names its own systems. Nothing leaves before that."), Command: "hansa parties invite 'Their name' --dataset closures --use navigation --why 'Drivers should not meet a closed road.'", Done: slices.ContainsFunc(flows, func(f hansa.Flow) bool { return f.From == by.Party })},
		room.FirstStep{What: say.Say("Publish a first closure"), Why: say.Say("By hand, or by a feed. The page of a closure shows who has it."), Href: "/close", Done: said},
		room.FirstStep{What: say.Say("Connect a feed"), Why: say.Say("If another system knows your closures already, it can fill the dataset."), Href: "/feeds/add", Done: fed, Free: true},
	), nil
}

// joinSteps lists what a party that receives has before it.
func (k kept) joinSteps(ctx context.Context, by hansa.Actor, flows []hansa.Flow) ([]room.FirstStep, error) {
	flows = slices.DeleteFunc(flows, func(f hansa.Flow) bool { return f.To != by.Party })
	if len(flows) == 0 {
		return []room.FirstStep{}, nil
	}
	o, err := invites(k).onboarding(ctx, by.Party, flows)
	out := []room.FirstStep{}
	for _, s := range o.Steps {
		out = append(out, room.FirstStep{What: words.Upper(words.Of(ctx).Say(s.Step)), Why: words.Of(ctx).Say(s.How), Href: "/welcome", Done: !s.Done.IsZero(), Free: s.Free || s.Step == "identity"})
	}
	return out, err
}

// Credentials lists those of by's party.
func (k kept) Credentials(ctx context.Context, by hansa.Actor) ([]room.CredentialRow, error) {
	list, err := admins(k).Credentials(ctx, by, "")
	out := make([]room.CredentialRow, 0, len(list))
	for i := range list {
		c := &list[i]
		row := room.CredentialRow{ID: c.ID, Name: c.Name, Kind: c.Kind, Rights: []string{}, Test: c.Test, State: c.State, Issued: c.Issued, Expires: c.Expires, LastUsed: c.LastUsed}
		for _, r := range c.Rights {
			row.Rights = append(row.Rights, string(r))
		}
		out = append(out, row)
	}
	return out, err
}

// AddCredential makes one for by's party; its secret is in the answer alone.
func (k kept) AddCredential(ctx context.Context, by hansa.Actor, o room.CredentialOrder) (room.Secret, error) {
	order := api.CredentialOrder{Name: o.Name, Kind: o.Kind, Rights: o.Rights, Test: o.Test, Days: o.Days}
	if o.Kind == string(trust.Header) {
		order.Header = "X-Api-Key"
	}
	return shownSecret(admins(k).AddCredential(ctx, by, order))
}

func shownSecret(c api.Credential, err error) (room.Secret, error) {
	return room.Secret{ID: c.ID, Name: c.Name, Kind: c.Kind, Header: c.Header, Secret: c.Secret, Test: c.Test}, err
}

// RotateCredential replaces a secret; the old one stays good for overlap.
func (k kept) RotateCredential(ctx context.Context, by hansa.Actor, id string, overlap time.Duration) (room.Secret, error) {
	return shownSecret(admins(k).RotateCredential(ctx, by, id, overlap))
}

// RevokeCredential ends one at once.
func (k kept) RevokeCredential(ctx context.Context, by hansa.Actor, id string) error {
	return admins(k).RevokeCredential(ctx, by, id)
}
