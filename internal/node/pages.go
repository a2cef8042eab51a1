package node

import (
	"context"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// pages is what the room's pages show and do: the same acts as the API's, in the
// room's words.
type pages struct{ n *Node }

var _ room.Desk = pages{}

func (p pages) zone(by hansa.Actor) *time.Location { return accounts(p).zone(by.Party) }

// Host says whose pages by sees.
func (p pages) Host(by hansa.Actor) room.Host {
	return room.Host{Party: p.n.party(by.Party).Title, Zone: p.zone(by), Now: p.n.clock(), Factor: p.n.cfg.Factor()}
}

// Board lists the closures of by's party.
func (p pages) Board(ctx context.Context, by hansa.Actor, ended bool) (room.Live, error) {
	out := p.live(by)
	list, err := p.n.desk.Closures(ctx, by, ended)
	if err != nil {
		return out, err
	}
	for _, c := range list {
		out.Closures = append(out.Closures, shownClosure(c))
	}
	states, err := p.n.feeds.States(ctx)
	for _, s := range states {
		out.Feeds = append(out.Feeds, room.Feed{State: s})
	}
	return out, err
}

func (p pages) live(by hansa.Actor) room.Live {
	return room.Live{City: p.n.party(by.Party).Title, Zone: p.zone(by), Now: p.n.clock(), Factor: p.n.cfg.Factor()}
}

// Closure is one closure with its versions.
func (p pages) Closure(ctx context.Context, by hansa.Actor, id string) (room.Live, []room.Version, error) {
	out := p.live(by)
	if len(id) > hansa.IDBytesMax {
		return out, nil, hansa.Errorf(hansa.NotFound, "there is no such closure")
	}
	set, r, err := p.n.desk.find(ctx, by, id)
	if err != nil {
		return out, nil, hansa.Public(err).WithHint("see all at /closures")
	}
	c, err := p.n.desk.show(ctx, by, set, r)
	if err != nil {
		return out, nil, err
	}
	out.Closures = []room.Closure{shownClosure(c)}
	versions, err := p.n.stream.Of(set.Party).History(ctx, set.ID, r.ID)
	if err != nil {
		return out, nil, err
	}
	said := []room.Version{}
	for i, v := range versions {
		var before *hansa.Record
		if i+1 < len(versions) {
			before = versions[i+1]
		}
		x := room.Version{Number: v.Version, At: v.Updated, Who: p.who(ctx, by, v), Says: p.became(v, before, out.Zone)}
		if t, ok := v.Situation.Comment("en"); ok {
			x.Text = t.Value
		}
		if before != nil {
			if t, ok := before.Situation.Comment("en"); ok && t.Value == x.Text {
				x.Text = ""
			}
		}
		said = append(said, x)
	}
	return out, said, nil
}

// became says what a version changed.
func (pages) became(v, before *hansa.Record, zone *time.Location) string {
	s := v.Situation
	at := func(t *time.Time) string { return t.In(zone).Format("2 Jan 15:04") }
	switch {
	case s.Lifecycle == hansa.Ended:
		return "Open again"
	case s.Lifecycle == hansa.Cancelled:
		return "Withdrawn"
	case before == nil && s.Lifecycle == hansa.Confirmed && s.Start != nil:
		return "Planned from " + at(s.Start)
	case before == nil:
		return "Published: " + says(&hansa.Record{Kind: v.Kind, Situation: &hansa.Situation{Lifecycle: s.Lifecycle, Effect: s.Effect, Road: s.Road}})
	case s.Repaired != nil && before.Situation.Repaired == nil:
		return "The cause is gone"
	case s.End != nil && (before.Situation.End == nil || !before.Situation.End.Equal(*s.End)):
		return "The end moved to " + at(s.End)
	case s.Lifecycle != before.Situation.Lifecycle:
		return "It is " + string(s.Lifecycle)
	}
	return "Changed"
}

// who says who gave a version: a person by name to the own party, else the source.
func (p pages) who(ctx context.Context, by hansa.Actor, v *hansa.Record) string {
	if v.Provenance.Feed != "" {
		return "feed " + v.Provenance.Feed
	}
	if v.Provenance.EnteredBy == "" {
		return first(v.Situation.Source.Org, "the desk")
	}
	if u, err := p.n.trust.User(ctx, v.Provenance.EnteredBy); err == nil && (u.Party == by.Party || admin(by)) {
		return u.Name
	}
	return "a program of " + p.n.party(by.Party).Title
}

// Places finds wholes, by their own name or by that of a part.
func (p pages) Places(ctx context.Context, by hansa.Actor, query string) ([]hansa.Place, error) {
	list, err := p.n.desk.Places(ctx, by, query)
	if err != nil {
		return nil, err
	}
	w, err := p.n.desk.network(by)
	if err != nil {
		return nil, err
	}
	var out []hansa.Place
	seen := map[string]bool{}
	for _, x := range list {
		if whole, ok := w.Place(x.Parent); ok && x.Parent != "" {
			x = whole
		}
		if !seen[x.ID] {
			seen[x.ID] = true
			out = append(out, x)
		}
	}
	return out, nil
}

// Choice says what of a place can be closed, and what is closed there.
func (p pages) Choice(ctx context.Context, by hansa.Actor, id string) (room.Choice, error) {
	w, err := p.n.desk.network(by)
	if err != nil {
		return room.Choice{}, err
	}
	whole, ok := w.Place(id)
	if !ok {
		return room.Choice{}, hansa.Errorf(hansa.NotFound, "there is no place %q", id).WithHint("find one at /close")
	}
	if up, ok := w.Place(whole.Parent); ok && whole.Parent != "" {
		whole = up
	}
	out := room.Choice{Place: whole}
	ids := []string{network.Fold(whole.ID)}
	for _, x := range w.Places() {
		if x.Parent != "" && network.Fold(x.Parent) == ids[0] {
			out.Parts = append(out.Parts, x)
			ids = append(ids, network.Fold(x.ID))
		}
	}
	list, err := p.n.desk.Closures(ctx, by, false)
	for _, c := range list {
		if slices.Contains(ids, network.Fold(c.Record.Situation.Infra.ID)) {
			out.Already = append(out.Already, shownClosure(c))
		}
	}
	return out, err
}

// Close closes a place.
func (p pages) Close(ctx context.Context, by hansa.Actor, o room.Closing) (string, error) {
	c, err := p.n.desk.Close(ctx, by, closeOrder(o))
	return c.ID, err
}

func closeOrder(o room.Closing) api.CloseOrder {
	return api.CloseOrder{Place: o.Place, Reason: o.Reason, Text: o.Text, From: stated(o.From), Until: stated(o.Until), Test: o.Test, RequestID: o.RequestID, EndKind: endKind(o.Until, o.Estimated)}
}

// Change changes a closure.
func (p pages) Change(ctx context.Context, by hansa.Actor, id, what string, o room.Amendment) error {
	_, err := p.n.desk.Change(ctx, by, id, what, api.ChangeOrder{Until: stated(o.Until), EndKind: endKind(o.Until, o.Estimated), Text: o.Text})
	return err
}

func endKind(until time.Time, estimated bool) string {
	switch {
	case until.IsZero():
		return ""
	case estimated:
		return string(hansa.EndEstimated)
	}
	return string(hansa.EndConfirmed)
}

func stated(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
