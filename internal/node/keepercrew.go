package node

import (
	"context"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// Users lists those of by's party.
func (k kept) Users(ctx context.Context, by hansa.Actor) ([]room.UserRow, error) {
	list, err := people(k).Users(ctx, by, "")
	out := make([]room.UserRow, 0, len(list))
	for i := range list {
		u := &list[i]
		out = append(out, room.UserRow{ID: u.ID, Name: u.Name, SignIn: u.SignIn, Mail: u.Mail, Roles: u.Roles, State: u.State, LastSeen: u.LastSeen, Sessions: u.Sessions})
	}
	return out, err
}

// AddUser makes a user of by's party and a link that opens once.
func (k kept) AddUser(ctx context.Context, by hansa.Actor, name, mail string, roles []hansa.UserRole) (room.Pass, error) {
	return shownPass(people(k).AddUser(ctx, by, api.UserOrder{Name: name, Mail: mail, Roles: roles}))
}

// LinkUser makes a new link for a user.
func (k kept) LinkUser(ctx context.Context, by hansa.Actor, id string) (room.Pass, error) {
	return shownPass(people(k).LinkUser(ctx, by, id, api.LinkOrder{}))
}

func shownPass(in api.Invited, err error) (room.Pass, error) {
	return room.Pass{Name: in.User.Name, Link: in.Link, Expires: in.Expires}, err
}

// SetRoles gives a user other roles.
func (k kept) SetRoles(ctx context.Context, by hansa.Actor, id string, roles []hansa.UserRole) error {
	_, err := people(k).SetRoles(ctx, by, id, roles)
	return err
}

// RevokeUser ends a user at once.
func (k kept) RevokeUser(ctx context.Context, by hansa.Actor, id string) error {
	_, err := people(k).RevokeUser(ctx, by, id)
	return err
}

// Parties lists those that by's party deals with, its own last, with the flows
// between them and by's.
func (k kept) Parties(ctx context.Context, by hansa.Actor) ([]room.PartyRow, error) {
	list, err := admins(k).Parties(ctx, by)
	if err != nil {
		return nil, err
	}
	flows, err := operator(k).Flows(ctx, by)
	if err != nil {
		return nil, err
	}
	out, own := []room.PartyRow{}, []room.PartyRow{}
	for i := range list {
		p := &list[i]
		row := room.PartyRow{ID: p.ID, Name: p.Name, Title: first(p.Title, p.Name), Kind: p.Kind, Contact: p.Contact, Share: p.Share, Own: p.ID == by.Party, Flows: []room.FlowRow{}}
		for _, f := range flows {
			if !row.Own && (f.From == p.ID || f.To == p.ID) || row.Own && f.From == f.To {
				row.Flows = append(row.Flows, shownFlow(by, &f))
			}
		}
		if row.Own {
			own = append(own, row)
		} else {
			out = append(out, row)
		}
	}
	return append(out, own...), nil
}

func shownFlow(by hansa.Actor, f *api.FlowInfo) room.FlowRow {
	row := room.FlowRow{ID: f.ID, Name: f.Name, Dataset: f.DatasetName, Given: f.From == by.Party, Purposes: []string{}, Formats: []string{}, Limit: f.Limit, Paused: f.Paused, Test: f.Test}
	for _, p := range f.Terms.Purposes {
		row.Purposes = append(row.Purposes, string(p))
	}
	for _, x := range f.Terms.Formats {
		row.Formats = append(row.Formats, string(x))
	}
	return row
}

// PauseFlow pauses or resumes a flow that by's party gives.
func (k kept) PauseFlow(ctx context.Context, by hansa.Actor, id string, paused bool) error {
	_, err := admins(k).PauseFlow(ctx, by, id, paused)
	return err
}
