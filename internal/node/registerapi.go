package node

import (
	"context"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// register is the public register for programs: the entries of the page, so what a text
// withholds is withheld here too.
type register struct{ n *Node }

var _ api.Register = register{}

// Registered lists the accords in force.
func (r register) Registered(ctx context.Context, after hansa.AccordID, limit int) (api.RegisterBody, error) {
	page, err := accordpages(r).registered(ctx, after, limit)
	out := api.RegisterBody{Host: page.Host, Accords: []api.Registered{}, After: page.After}
	for i := range page.Entries {
		out.Accords = append(out.Accords, registeredOf(&page.Entries[i]))
	}
	return out, err
}

// RegisteredOne shows one accord in force.
func (r register) RegisteredOne(ctx context.Context, id hansa.AccordID) (out api.RegisteredDetail, err error) {
	e, err := accordpages(r).PublicAccord(ctx, id)
	if err != nil {
		if hansa.KindOf(err) == hansa.NotFound {
			err = hansa.Public(err).WithHint("see all: hansa register")
		}
		return out, err
	}
	out.Registered = registeredOf(&e)
	out.Text, err = json.Marshal(e.Text, json.Deterministic(true))
	return out, err
}

// registeredOf puts an entry of the register into the words of programs.
func registeredOf(e *room.RegisterEntry) api.Registered {
	t := e.Text
	out := api.Registered{
		ID: t.ID, Title: t.Title, Summary: t.Summary, Model: t.Model, State: e.State, Since: e.Effect, Version: t.Version, Hash: e.Hash, Until: t.Term.Until,
		Parties: []api.RegisterParty{}, Flows: []api.RegisterFlow{}, Purposes: []hansa.Purpose{}, Withheld: nonNil(t.Confidential),
	}
	for i := range t.Parties {
		p := &t.Parties[i]
		out.Parties = append(out.Parties, api.RegisterParty{ID: p.ID, Title: p.Title, Kind: p.Kind, Left: slices.Contains(e.Left, p.ID)})
	}
	for _, m := range e.Members {
		out.Parties = append(out.Parties, api.RegisterParty{ID: m.ID, Title: m.Title, Kind: m.Kind, Joined: true})
	}
	given := e.Flows()
	for i := range given {
		f := &given[i]
		one := api.RegisterFlow{Name: f.Name, What: first(f.Dataset.Title, f.Name), Kind: f.Dataset.Kind, From: f.From, To: f.To, Open: e.Open[f.ID], Limit: f.Limit}
		if g, err := t.Terms(f, e.Effect); err == nil { // it came into force: only what is withheld is missing
			one.Gate = &g
			for _, p := range g.Purposes {
				if !slices.Contains(out.Purposes, p) {
					out.Purposes = append(out.Purposes, p)
				}
			}
		}
		out.Flows = append(out.Flows, one)
	}
	return out
}
