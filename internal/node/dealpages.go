package node

import (
	"context"
	"encoding/json"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// dealpages is what the room's pages show and do of what a party agrees with others:
// the same acts as the API's, in the room's words.
type dealpages struct{ n *Node }

var _ room.Deals = dealpages{}

// How much a page lists.
const (
	requestsShown  = 500 // that are open
	requestsEnded  = 100 // that have ended, the newest
	contractsShown = 500
)

func (p dealpages) deals() dealing { return dealing{p.n.deal} }

// pointed leads whoever asked for what there is not to the page that lists all.
func pointed(err error, hint string) error {
	if err != nil && hansa.KindOf(err) == hansa.NotFound {
		return hansa.Public(err).WithHint(hint)
	}
	return err
}

// Requests lists the negotiations of by's party that are open, and those that ended
// last.
func (p dealpages) Requests(ctx context.Context, by hansa.Actor) (out []room.Request, err error) {
	d := p.deals()
	out = []room.Request{}
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		list, err := d.negotiations.List(tx, protocol.Query{Own: by.Party, Open: true, Limit: requestsShown})
		if err != nil {
			return err
		}
		last, err := d.negotiations.List(tx, protocol.Query{Own: by.Party, Limit: requestsEnded})
		if err != nil {
			return err
		}
		for _, n := range last {
			if n.Ended() {
				list = append(list, n)
			}
		}
		for _, n := range list {
			one, err := p.request(tx, words.Of(ctx), n, false)
			if err != nil {
				return err
			}
			out = append(out, one)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, p.titled(ctx, by, out)
}

// request is a negotiation in the room's words; whole also says where its offer
// differs from one's own.
func (p dealpages) request(tx hansa.Tx, say *words.Catalogue, n *negotiation.Negotiation, whole bool) (room.Request, error) {
	d := p.deals()
	x, err := d.shownNegotiation(tx, n)
	if err != nil {
		return room.Request{}, err
	}
	out := room.Request{
		ID: x.ID, Pid: x.Pid, Side: x.Side, Other: x.Other, OtherTitle: x.OtherTitle, Address: x.Address, State: x.State, Turn: x.Turn, Waits: x.Waits, Can: x.Can, Target: x.Target, Title: x.TargetName,
		OfferBy: x.OfferBy, Offer: json.RawMessage(x.Offer), Words: x.Words, Agreement: x.Agreement, Automatic: x.Automatic, Code: x.Code, Reason: x.Reason, EndedBy: x.EndedBy, Dataset: x.Dataset, Then: x.Then, Began: x.Began, Changed: x.Changed,
	}
	if out.Parked, out.Trying, err = p.stuck(tx, n.ID, x.Parked); err != nil {
		return out, err
	}
	if set, err := d.n.datasetFor(hansa.Actor{Party: n.Own}, x.Target); err == nil && n.Side == hansa.Provider {
		out.Title = p.called(n.Own, set)
	}
	if n.Offer == nil {
		return out, nil
	}
	out.Purposes = names(d.asked(n.Offer))
	if !whole || n.Ended() {
		return out, nil
	}
	if t, err := n.Offer.Terms(d.n.clock()); err == nil {
		out.Terms = &room.OfferTerms{Purposes: names(t.Purposes), Formats: names(t.Formats), Until: t.Until}
	}
	own, err := p.ownSide(tx, n)
	if err == nil && own != nil {
		out.Differs = differs(say, own, n.Offer, pages(p).zone(hansa.Actor{Party: n.Own}))
	}
	return out, err
}

// ownSide is what own had said before the offer on the table: its own offer as
// provider, what it asked for last as consumer; nil when it said nothing.
func (p dealpages) ownSide(tx hansa.Tx, n *negotiation.Negotiation) (*policy.Policy, error) {
	if n.OfferBy == n.Side {
		return nil, nil //nolint:nilnil // what is on the table is its own
	}
	if n.Side == hansa.Consumer {
		return n.Asked, nil
	}
	o, err := p.n.catalog.OfferByID(tx, n.Own, n.Offer.ID)
	if err != nil {
		if hansa.KindOf(err) == hansa.NotFound {
			err = nil
		}
		return nil, err
	}
	return o.Policy, nil
}

// stuck tells a message that waits for a person from one that is tried again.
func (p dealpages) stuck(tx hansa.Tx, process, reason string) (parked, trying string, err error) {
	if reason == "" {
		return "", "", nil
	}
	l, err := p.n.deal.outbox.Stuck(tx, process)
	if err != nil || l == nil {
		return "", "", err
	}
	if l.State == outbound.LetterParked {
		return reason, "", nil
	}
	return "", reason, nil
}

// titled gives the datasets of others the titles that their catalogues say.
func (p dealpages) titled(ctx context.Context, by hansa.Actor, list []room.Request) error {
	var all map[string]string
	for i := range list {
		if q := &list[i]; q.Title == "" {
			if all == nil {
				var err error
				if all, err = p.titles(ctx, by); err != nil {
					return err
				}
			}
			q.Title = all[string(q.Other)+" "+q.Target]
		}
	}
	return nil
}

// Process is a request or a transfer of by's party with every message.
func (p dealpages) Process(ctx context.Context, by hansa.Actor, id string) (out room.Process, err error) {
	d := p.deals()
	out = room.Process{ID: id, Messages: []room.Message{}}
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		n, err := d.negotiations.Get(tx, by.Party, id)
		switch {
		case err == nil:
			one, err := p.request(tx, words.Of(ctx), n, true)
			if err != nil {
				return err
			}
			out.Request = &one
		case hansa.KindOf(err) != hansa.NotFound:
			return err
		default:
			t, err := d.transfers.Get(tx, by.Party, id)
			if err != nil {
				return pointed(err, "see all at /requests and /agreements")
			}
			one, err := p.transfer(tx, t)
			if err != nil {
				return err
			}
			out.Transfer = &one
		}
		list, err := d.outbox.Letters(tx, by.Party, id)
		for i := range list {
			out.Messages = append(out.Messages, message(&list[i]))
		}
		return err
	})
	if err != nil || out.Request == nil {
		return out, err
	}
	one := []room.Request{*out.Request}
	err = p.titled(ctx, by, one)
	out.Request = &one[0]
	return out, err
}

func message(l *outbound.Letter) room.Message {
	m := shownLetter(l)
	return room.Message{
		N: m.N, At: m.At, Direction: m.Direction, Kind: m.Kind, URL: m.URL, State: m.State, After: m.After, Status: m.Status, Tries: m.Tries, Next: m.Next, Done: m.Done, Reason: m.Reason,
		Body: json.RawMessage(m.Body), Answer: m.Answer,
	}
}

// Answer does what a person decided about a negotiation.
func (p dealpages) Answer(ctx context.Context, by hansa.Actor, id, act string, a room.Answer) error {
	order := api.ProcessAct{Reason: a.Reason, Policy: []byte(a.Policy)}
	if (act == string(negotiation.Offer) || act == string(negotiation.Request)) && a.Policy == "" {
		doc, err := p.counter(ctx, by, id, &a.Terms)
		if err != nil {
			return err
		}
		order.Policy = doc
	}
	_, err := p.deals().ActNegotiation(ctx, by, id, act, order)
	return pointed(err, "see all at /requests")
}

// counter is the policy that other terms come to: what the form does not hold stays
// as it is on the table, where the gate's terms can say it.
func (p dealpages) counter(ctx context.Context, by hansa.Actor, id string, o *room.OfferTerms) (doc []byte, err error) {
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		n, err := p.n.deal.negotiations.Get(tx, by.Party, id)
		if err != nil {
			return pointed(err, "see all at /requests")
		}
		var t hansa.Terms
		if n.Offer != nil {
			if t, err = n.Offer.Terms(p.n.clock()); err != nil {
				t = hansa.Terms{}
			}
		}
		if t.Purposes, t.Formats, err = p.narrowed(o); err != nil {
			return err
		}
		if t.Until = o.Until; !o.Until.IsZero() && !o.Until.After(p.n.clock()) {
			return hansa.Fielded("/until", "an offer holds until a time to come")
		}
		doc, err = jsonv2.Marshal(policy.FromTerms("", &t))
		return err
	})
	return doc, err
}

// narrowed are the purposes and formats that a form names; no format is all.
func (p dealpages) narrowed(o *room.OfferTerms) (purposes []hansa.Purpose, formats []hansa.Format, err error) {
	writable := p.n.writable()
	known := strings.Join(names(writable), ", ")
	for _, s := range o.Purposes {
		purposes = append(purposes, hansa.Purpose(s))
	}
	for _, s := range o.Formats {
		if !strings.Contains(", "+known+",", ", "+s+",") {
			return nil, nil, hansa.Fielded("/formats", "there is no format %.100q", s)
		}
		formats = append(formats, hansa.Format(s))
	}
	if len(formats) == 0 {
		formats = writable
	}
	return purposes, formats, nil
}

// Ask asks another participant for an agreement.
func (p dealpages) Ask(ctx context.Context, by hansa.Actor, o room.Wish) (string, error) {
	n, err := p.deals().Negotiate(ctx, by, api.NegotiationOrder{Peer: string(o.Peer), Offer: o.Offer, Target: o.Target, Purpose: hansa.Purpose(o.Purpose), Dataset: o.Dataset, Then: o.Way})
	return n.ID, err
}

// Retry sends what does not arrive again.
func (p dealpages) Retry(ctx context.Context, by hansa.Actor, id string) error {
	_, err := p.deals().RetryProcess(ctx, by, id)
	return pointed(err, "see all at /requests and /agreements")
}

func (p dealpages) transfer(tx hansa.Tx, t *transfer.Transfer) (room.Transfer, error) {
	x, err := p.deals().shownTransfer(tx, t)
	if err != nil {
		return room.Transfer{}, err
	}
	out := room.Transfer{
		ID: x.ID, Pid: x.Pid, Side: x.Side, Other: x.Other, OtherTitle: x.OtherTitle, Agreement: x.Agreement, Format: x.Format, State: x.State, Turn: x.Turn, Waits: x.Waits, Can: x.Can, Dataset: x.Dataset,
		Code: x.Code, Reason: x.Reason, EndedBy: x.EndedBy, Problem: x.Problem, Began: x.Began, Changed: x.Changed,
	}
	out.Parked, out.Trying, err = p.stuck(tx, t.ID, x.Parked)
	return out, err
}

// Agreements lists those of by's party, the newest first, with how their data does.
func (p dealpages) Agreements(ctx context.Context, by hansa.Actor) (out []room.Agreement, err error) {
	list, err := p.deals().Agreements(ctx, by, contractsShown)
	if err != nil {
		return nil, err
	}
	titles, err := p.titles(ctx, by)
	if err != nil {
		return nil, err
	}
	moves := map[string][]*transfer.Transfer{}
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		all, err := p.n.deal.transfers.List(tx, protocol.Query{Own: by.Party, Open: true})
		for _, t := range all {
			moves[t.Agreement] = append(moves[t.Agreement], t)
		}
		return err
	})
	out = make([]room.Agreement, 0, len(list))
	for i := range list {
		out = append(out, p.agreement(by, &list[i], titles, moves[list[i].ID]))
	}
	return out, err
}

func (p dealpages) agreement(by hansa.Actor, a *api.Agreement, titles map[string]string, moves []*transfer.Transfer) room.Agreement {
	own := p.n.party(by.Party)
	out := room.Agreement{
		ID: a.ID, Side: a.Side, Own: own.ID, OwnTitle: own.Title, Other: a.Other, OtherTitle: a.OtherTitle, Process: a.Process, Target: a.Target, Title: titles[string(a.Other)+" "+a.Target], Hash: a.Hash,
		Policy: json.RawMessage(a.Policy), Words: a.Words, Purposes: names(a.Purposes), At: a.At, Ended: a.Ended,
	}
	if set, err := p.n.datasetFor(by, a.Target); err == nil && a.Side == hansa.Provider {
		out.Title = p.called(own.ID, set)
	}
	for _, t := range moves {
		if t.Ended() {
			continue
		}
		if out.Open++; t.State == transfer.Started {
			out.Running++
		}
	}
	return out
}

// Agreement is one of by's party with its transfers, the newest first.
func (p dealpages) Agreement(ctx context.Context, by hansa.Actor, id string) (out room.Agreement, list []room.Transfer, err error) {
	d := p.deals()
	titles, err := p.titles(ctx, by)
	if err != nil {
		return out, nil, err
	}
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		a, err := d.negotiations.AgreementByID(tx, by.Party, id)
		if err != nil {
			return pointed(err, "see all at /agreements")
		}
		all, err := d.transfers.List(tx, protocol.Query{Own: by.Party, Other: a.Other})
		if err != nil {
			return err
		}
		list = []room.Transfer{}
		var moves []*transfer.Transfer
		for _, t := range all {
			if t.Agreement != id {
				continue
			}
			one, err := p.transfer(tx, t)
			if err != nil {
				return err
			}
			moves, list = append(moves, t), append(list, one)
		}
		shown, err := d.shownAgreement(a)
		out = p.agreement(by, &shown, titles, moves)
		return err
	})
	return out, list, err
}

// EndAgreement ends the own side of an agreement.
func (p dealpages) EndAgreement(ctx context.Context, by hansa.Actor, id string, reason []string) error {
	_, err := p.deals().EndAgreement(ctx, by, id, api.ProcessAct{Reason: reason})
	return pointed(err, "see all at /agreements")
}

// Take asks for data under an agreement.
func (p dealpages) Take(ctx context.Context, by hansa.Actor, agreement string, o room.Wish) (string, error) {
	t, err := p.deals().RequestTransfer(ctx, by, api.TransferOrder{Agreement: agreement, Format: o.Way, Purpose: hansa.Purpose(o.Purpose), Dataset: o.Dataset})
	return t.ID, pointed(err, "see all at /agreements")
}

// Steer does what a person decided about a transfer.
func (p dealpages) Steer(ctx context.Context, by hansa.Actor, id, act string, reason []string) error {
	if act == "end" {
		act = string(transfer.Terminate)
	}
	_, err := p.deals().ActTransfer(ctx, by, id, act, api.ProcessAct{Reason: reason})
	return pointed(err, "see all at /agreements")
}
