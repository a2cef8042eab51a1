package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
	"github.com/hansa-exchange/hansa/internal/base/words"
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
	return room.Host{Party: p.n.party(by.Party).Title, Zone: p.zone(by), Now: p.n.clock(), Factor: p.n.cfg.Factor(), Langs: p.langs(by.Party)}
}

// langs are the languages in which a party's people read.
func (p pages) langs(party hansa.PartyID) []string {
	x := p.n.party(party)
	return x.Languages
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
		x := room.Version{Number: v.Version, At: v.Updated, Who: p.who(ctx, by, v), Says: p.became(words.Of(ctx), v, before, out.Zone)}
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
func (pages) became(say *words.Catalogue, v, before *hansa.Record, zone *time.Location) string {
	s := v.Situation
	at := func(t *time.Time) string { return say.Date(*t, zone) + " " + words.Clock(*t, zone) }
	switch {
	case s.Lifecycle == hansa.Ended:
		return say.Say("Open again")
	case s.Lifecycle == hansa.Cancelled:
		return say.Say("Withdrawn")
	case before == nil && s.Lifecycle == hansa.Confirmed && s.Start != nil:
		return say.Fill("Planned from {1}", at(s.Start))
	case before == nil:
		return say.Fill("Published: {1}", room.Does(say, &room.Closure{Effect: s.Effect, Extent: s.Extent}))
	case s.Repaired != nil && before.Situation.Repaired == nil:
		return say.Say("The cause is gone")
	case moved(s.End, before.Situation.End):
		return say.Fill("The end moved to {1}", at(s.End))
	case s.Lifecycle == hansa.Active && before.Situation.Lifecycle != hansa.Active:
		return say.Say("It has begun")
	case s.Lifecycle != before.Situation.Lifecycle:
		return say.Fill("It is {1}", string(s.Lifecycle))
	case s.Infra.ID != before.Situation.Infra.ID || s.Direction != before.Situation.Direction || s.Extent != before.Situation.Extent:
		return say.Fill("Corrected: {1}", room.Does(say, &room.Closure{Effect: s.Effect, Extent: s.Extent}))
	case s.Cause.Type != before.Situation.Cause.Type:
		return say.Fill("Corrected: the cause is {1}", say.Say(strings.ReplaceAll(s.Cause.Type, "-", " ")))
	case moved(s.ActualStart, before.Situation.ActualStart):
		return say.Fill("Corrected: it began at {1}", at(s.ActualStart))
	case moved(s.Start, before.Situation.Start):
		return say.Fill("The start moved to {1}", at(s.Start))
	}
	return say.Say("Changed")
}

func moved(now, before *time.Time) bool {
	return now != nil && (before == nil || !before.Equal(*now))
}

// who says who gave a version: a person by name to the own party, else the source.
func (p pages) who(ctx context.Context, by hansa.Actor, v *hansa.Record) string {
	if v.Provenance.Feed != "" {
		return words.Of(ctx).Fill("feed {1}", v.Provenance.Feed)
	}
	if v.Provenance.EnteredBy == "" {
		return first(v.Situation.Source.Org, words.Of(ctx).Say("the desk"))
	}
	if u, err := p.n.trust.User(ctx, v.Provenance.EnteredBy); err == nil && (u.Party == by.Party || admin(by)) {
		return u.Name
	}
	return words.Of(ctx).Fill("a program of {1}", p.n.party(by.Party).Title)
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
	out.Already, err = p.already(ctx, by, whole.Geometry, ids)
	return out, err
}

// already lists the closures of these places, and those that lie on the same road.
func (p pages) already(ctx context.Context, by hansa.Actor, where *hansa.Geometry, ids []string) (out []room.Closure, err error) {
	list, err := p.n.desk.Closures(ctx, by, false)
	for _, c := range list {
		s := c.Record.Situation
		if slices.Contains(ids, network.Fold(s.Infra.ID)) || network.Overlap(where, s.Geometry) {
			out = append(out, shownClosure(c))
		}
	}
	return out, err
}

// Drawn says what a line closes.
func (p pages) Drawn(ctx context.Context, by hansa.Actor, line string) (room.Drawn, error) {
	points, err := network.ParseLine(line)
	if err != nil {
		return room.Drawn{}, err
	}
	m, err := p.n.match(by.Party, points)
	if err != nil {
		return room.Drawn{}, err
	}
	out := room.Drawn{Says: m.Says, Mend: m.Mend, Matched: m.Matched}
	if out.Place, err = p.n.desk.stretch(by, api.CloseOrder{Line: points}); err != nil {
		return out, err
	}
	_, err = p.n.desk.stretch(by, api.CloseOrder{Line: points, Both: true})
	out.Both = err == nil
	out.Already, err = p.already(ctx, by, out.Place.Geometry, nil)
	return out, err
}

// Close closes a place.
func (p pages) Close(ctx context.Context, by hansa.Actor, o room.Closing) (string, error) {
	order, err := closeOrder(o)
	if err != nil {
		return "", err
	}
	c, err := p.n.desk.Close(ctx, by, order)
	return c.ID, err
}

func closeOrder(o room.Closing) (out api.CloseOrder, err error) {
	out = api.CloseOrder{Place: o.Place, Both: o.Both, Name: o.Name, Reason: o.Reason, Text: o.Text, From: stated(o.From), Until: stated(o.Until), Test: o.Test, RequestID: o.RequestID, EndKind: endKind(o.Until, o.Estimated)}
	if o.Line != "" {
		out.Line, err = network.ParseLine(o.Line)
	}
	return out, err
}

// Change changes a closure.
func (p pages) Change(ctx context.Context, by hansa.Actor, id, what string, o room.Amendment) error {
	_, err := p.n.desk.Change(ctx, by, id, what, api.ChangeOrder{Until: stated(o.Until), EndKind: endKind(o.Until, o.Estimated), Text: o.Text, Place: o.Place, Reason: o.Reason, From: stated(o.From)})
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
