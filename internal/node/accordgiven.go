package node

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// givenLooked bounds the hand-overs of one flow that are looked at: many may be empty.
const givenLooked = 40

// given are the newest deliveries by flows of an accord, both ways: those to webhooks of
// flows that own gives, and what readers took by flows whose giver is on this node. What
// comes from another node is on record there.
func (p accordpages) given(ctx context.Context, by hansa.Actor, held map[hansa.FlowID]*pledge) ([]room.AccordGiven, error) {
	out := []room.AccordGiven{}
	sent := map[string]*api.Delivery{}
	for id, x := range held {
		if x.gives() {
			some, err := operator(p).webhooks(ctx, by, api.DeliveryQuery{Flow: id, Limit: givenShown})
			if err != nil {
				return nil, err
			}
			for i := range some.Deliveries {
				d := &some.Deliveries[i]
				sent[d.ID] = d
				out = append(out, room.AccordGiven{ID: d.ID, At: d.Made, Out: true})
			}
		}
		if !p.n.party(x.From).Hosted {
			continue
		}
		list, err := p.n.deliver.Newest(ctx, id, givenLooked)
		if err != nil {
			return nil, err
		}
		for i := range list {
			r := &list[i]
			if r.Records > 0 && (r.Way != deliver.WayWebhook || !x.gives()) { // those to own's webhooks are listed above
				out = append(out, room.AccordGiven{ID: r.ID, At: r.At, Out: x.gives(), What: first(x.Dataset.Title, x.Dataset.Name), Records: r.Records, How: string(r.Way)})
			}
		}
	}
	slices.SortFunc(out, func(a, b room.AccordGiven) int {
		return cmp.Or(b.At.Compare(a.At), strings.Compare(a.ID, b.ID))
	})
	out = out[:min(len(out), givenShown)]
	names := map[string]string{}
	for i := range out {
		if d := sent[out[i].ID]; d != nil {
			one := kept(p).shownDelivery(ctx, by, d, names)
			out[i].Delivery = &one
		}
	}
	return out, nil
}
