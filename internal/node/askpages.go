package node

import (
	"context"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// askpages is what the room's pages show and do of requests for data.
type askpages struct{ n *Node }

var _ room.Asks = askpages{}

// Asks implements [room.Asks].
func (p askpages) Asks(ctx context.Context, by hansa.Actor) ([]room.Asked, error) {
	list, err := asks(p).Asks(ctx, by)
	out := make([]room.Asked, 0, len(list))
	for i := range list {
		out = append(out, p.row(by, &list[i]))
	}
	return out, err
}

// waiting lists the requests that wait for an answer of by's party.
func (v asks) waiting(ctx context.Context, by hansa.Actor) (out []room.Asking, err error) {
	var list []api.Asked
	err = v.n.db.Read(ctx, func(tx hansa.Tx) error {
		list, err = v.listed(tx, by, `state = ? ORDER BY due LIMIT ?`, string(accord.RequestOpen), asksOpenMax)
		return err
	})
	for i := range list {
		if a := &list[i]; a.Mine && len(out) < askingMax {
			v.titled(ctx, by, a)
			out = append(out, room.Asking{Process: string(a.ID), Other: a.OtherTitle, What: a.Terms.What, Ask: true, Late: a.Late, Answer: a.Due, Since: a.Since})
		}
	}
	return out, err
}

// Asked implements [room.Asks].
func (p askpages) Asked(ctx context.Context, by hansa.Actor, id string) (room.Asked, error) {
	a, err := asks(p).Asked(ctx, by, id)
	if err != nil {
		return room.Asked{}, pointed(err, "see all at /requests")
	}
	out := p.row(by, &a)
	out.May = p.n.accords.mayAct(ctx, by, accord.Propose) == nil
	return out, nil
}

func (p askpages) row(by hansa.Actor, a *api.Asked) room.Asked {
	out := room.Asked{Asking: a.Asking, Me: asks(p).me(p.n.party(by.Party), &a.Asking), Other: a.Other, OtherTitle: a.OtherTitle, Mine: a.Mine, Late: a.Late, Stuck: a.Sent}
	for _, x := range a.Accords {
		out.Accords = append(out.Accords, room.AskedAccord(x))
	}
	return out
}

// AskMaking implements [room.Asks].
func (p askpages) AskMaking(ctx context.Context, by hansa.Actor) (out room.AskMaking, err error) {
	own := p.n.party(by.Party)
	out.Public = own.Kind == hansa.City || own.Kind == hansa.PublicBody
	out.Country = asks(p).request(own, &api.AskTerms{}).Country
	out.Parties, err = accordpages(p).known(ctx, by)
	return out, err
}

// Ask implements [room.Asks].
func (p askpages) Ask(ctx context.Context, by hansa.Actor, to string, r *accord.Request) (string, error) {
	o := api.AskOrder{To: to, AskTerms: askTermsOf(r)}
	o.Offers, o.Rule = r.Offers, r.Rule
	a, err := asks(p).Ask(ctx, by, o)
	return string(a.ID), err
}

// AnswerAsk implements [room.Asks].
func (p askpages) AnswerAsk(ctx context.Context, by hansa.Actor, id string, act accord.RequestAct, why string, terms *accord.Request) error {
	a := api.AskAnswer{Words: why}
	if terms != nil {
		t := askTermsOf(terms)
		a.Terms = &t
	}
	_, err := asks(p).AnswerAsk(ctx, by, id, act, a)
	return err
}

func askTermsOf(r *accord.Request) api.AskTerms {
	return api.AskTerms{Dataset: r.Dataset, What: r.What, Purposes: r.Purposes, Use: r.Use, From: r.From, Until: r.Until, Model: r.Model, Days: r.Days, Country: r.Country}
}
