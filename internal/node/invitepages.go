package node

import (
	"cmp"
	"context"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// invitepages is what the room's pages show and do of who is asked in.
type invitepages struct{ n *Node }

var _ room.Inviting = invitepages{}

// inviteDraftsShown bounds the drafts that a form offers.
const inviteDraftsShown = 100

// Invitations implements [room.Inviting].
func (p invitepages) Invitations(ctx context.Context, by hansa.Actor) ([]room.Sent, error) {
	list, err := invites(p).Invitations(ctx, by)
	out := make([]room.Sent, 0, len(list))
	for i := range list {
		x := &list[i]
		row := room.Sent{ID: x.ID, For: x.For, Accord: cmp.Or(x.Opened, x.Accord), State: x.State, Made: x.Made, Expires: x.Expires, Party: x.Party}
		for k := range x.Gives {
			row.Gives = append(row.Gives, first(x.Gives[k].Title, x.Gives[k].Dataset))
		}
		out = append(out, row)
	}
	return out, err
}

// Coming implements [room.Inviting].
func (p invitepages) Coming(ctx context.Context, by hansa.Actor) ([]room.Coming, error) {
	list, err := invites(p).Onboarding(ctx, by)
	out := make([]room.Coming, 0, len(list))
	for i := range list {
		row := room.Coming{Party: list[i].Party, Title: first(list[i].Title, list[i].Party)}
		for _, s := range list[i].Steps {
			row.Steps = append(row.Steps, room.Onboard{Step: s.Step, Who: s.Who, How: s.How, Done: s.Done, Free: s.Free})
		}
		out = append(out, row)
	}
	return out, err
}

// InviteMaking implements [room.Inviting].
func (p invitepages) InviteMaking(ctx context.Context, by hansa.Actor) (out room.InviteMaking, err error) {
	out = room.InviteMaking{Datasets: []room.InviteData{}, Drafts: []room.InviteDraft{}}
	sets, err := p.n.catalog.Datasets(ctx, by.Party)
	if err != nil {
		return out, err
	}
	_, stays, err := accordpages(p).received(ctx, by.Party)
	if err != nil {
		return out, err
	}
	for i := range sets {
		if !stays[sets[i].Name] {
			out.Datasets = append(out.Datasets, room.InviteData{Name: sets[i].Name, Title: dealpages(p).called(by.Party, &sets[i])})
		}
	}
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		out.Drafts = out.Drafts[:0]
		list, err := p.n.accords.book.List(tx, accord.Query{Own: by.Party, State: hansa.AccordDraft, Now: p.n.clock(), Limit: inviteDraftsShown})
		for i := range list {
			for _, x := range list[i].Parties {
				if _, here := p.n.hostedAs(x.ID); !here {
					out.Drafts = append(out.Drafts, room.InviteDraft{ID: list[i].State.ID, Title: list[i].Title, As: room.AccordParty{ID: x.ID, Title: x.Title, Kind: x.Kind}})
				}
			}
		}
		return err
	})
	return out, err
}

// Invite implements [room.Inviting].
func (p invitepages) Invite(ctx context.Context, by hansa.Actor, o *room.InviteOrder) (string, time.Time, error) {
	x := api.InvitationOrder{For: o.For, Purpose: o.Why, Wants: o.Wants, Basis: o.Basis, Days: o.Days, Accord: o.Accord, As: o.As}
	for _, name := range o.Datasets {
		x.Gives = append(x.Gives, api.Given{Dataset: name, Purposes: o.Purposes, Limit: hansa.Duration(o.Limit)})
	}
	i, err := invites(p).Invite(ctx, by, x)
	return i.Link, i.Expires, err
}

// RevokeInvitation implements [room.Inviting].
func (p invitepages) RevokeInvitation(ctx context.Context, by hansa.Actor, id string) error {
	return pointed(invites(p).RevokeInvitation(ctx, by, id), "see all at /invitations")
}
