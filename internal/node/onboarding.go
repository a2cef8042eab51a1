package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

func (v invites) Onboarding(ctx context.Context, by hansa.Actor) ([]api.Onboarding, error) {
	flows, err := v.n.catalog.Flows(ctx, by.Party)
	if err != nil {
		return nil, err
	}
	byParty := map[hansa.PartyID][]hansa.Flow{}
	for _, f := range flows {
		byParty[f.To] = append(byParty[f.To], f)
	}
	out := []api.Onboarding{}
	for id, list := range byParty {
		o, err := v.onboarding(ctx, id, list)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b api.Onboarding) int { return strings.Compare(a.Party, b.Party) })
	return out, nil
}

func (v invites) onboarding(ctx context.Context, id hansa.PartyID, flows []hansa.Flow) (api.Onboarding, error) {
	p := v.n.party(id)
	out := api.Onboarding{Party: p.Name, Title: p.Title, Steps: []api.Onboard{{Step: words.Mark("identity"), Done: p.Since}}}
	credential := api.Onboard{Step: words.Mark("credential"), Who: p.Title, How: words.Mark("make a credential of your own")}
	list, err := v.n.trust.Credentials(ctx, id)
	if err != nil {
		return out, err
	}
	for _, c := range list {
		if c.Revoked.IsZero() && (credential.Done.IsZero() || c.Issued.Before(credential.Done)) {
			credential.Done = c.Issued
		}
	}
	hook := api.Onboard{Step: words.Mark("webhook"), Who: p.Title, How: words.Mark("name an address, if you want to be called"), Free: true}
	tested := api.Onboard{Step: words.Mark("test flow"), Who: p.Title, How: words.Mark("send yourself a test closure, and fetch it")}
	live := api.Onboard{Step: words.Mark("first record"), Who: p.Title, How: words.Mark("fetch the live flow")}
	said := api.Onboard{Step: words.Mark("receipt"), Who: p.Title, How: words.Mark("say what became of a record"), Free: true}
	by := hansa.Actor{Party: id, Rights: []hansa.Right{hansa.RightRead}}
	for _, f := range flows {
		fetched, acted, err := v.n.book.Progress(ctx, f.ID)
		if err != nil {
			return out, err
		}
		subs, err := v.n.deliver.Subscriptions(ctx, by, f.ID)
		if err != nil {
			return out, err
		}
		for _, s := range subs {
			if s.State == "active" {
				earliest(&hook.Done, s.Created)
			}
		}
		if f.Test {
			earliest(&tested.Done, fetched)
			continue
		}
		earliest(&live.Done, fetched)
		earliest(&said.Done, acted)
	}
	for _, s := range []api.Onboard{credential, hook, tested, live, said} {
		if !s.Done.IsZero() {
			s.Who, s.How = "", ""
		}
		out.Steps = append(out.Steps, s)
	}
	return out, nil
}

func earliest(t *time.Time, at time.Time) {
	if !at.IsZero() && (t.IsZero() || at.Before(*t)) {
		*t = at
	}
}
