package node

import (
	"context"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// askingMax bounds how many processes of a kind the situation asks about.
const askingMax = 100

// asking lists what waits between nodes for a person of by's party, the oldest first.
// It is for those who can answer: an alarm asks for an act.
func (p dealpages) asking(ctx context.Context, by hansa.Actor) (out []room.Asking, err error) {
	if !by.May(hansa.RightManage) {
		return nil, nil
	}
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		stuck, err := p.unarrived(tx, by.Party)
		if err != nil {
			return err
		}
		waits, err := p.unanswered(tx, words.Of(ctx), by.Party)
		out = stuck
		for _, x := range waits {
			if !slices.ContainsFunc(stuck, func(s room.Asking) bool { return s.Process == x.Process }) {
				out = append(out, x)
			}
		}
		return err
	})
	if err == nil && p.n.accords.mayAct(ctx, by, accord.Propose) == nil {
		var asked []room.Asking
		asked, err = asks(p).waiting(ctx, by)
		out = append(out, asked...)
		if err == nil {
			asked, err = p.n.accords.served(ctx, by.Party)
			out = append(out, asked...)
		}
	}
	if err == nil {
		var due []room.Asking
		due, err = p.n.accords.reminders(ctx, by.Party)
		out = append(out, due...)
	}
	slices.SortStableFunc(out, func(a, b room.Asking) int { return a.Since.Compare(b.Since) })
	return out, err
}

// unarrived are the processes with a message that is tried no more. One that has ended
// without an agreement has nothing left to lose by it.
func (p dealpages) unarrived(tx hansa.Tx, own hansa.PartyID) (out []room.Asking, err error) {
	d := p.n.deal
	letters, err := d.outbox.Parked(tx, own, askingMax)
	if err != nil {
		return nil, err
	}
	for i := range letters {
		l := &letters[i]
		if slices.ContainsFunc(out, func(x room.Asking) bool { return x.Process == l.Process }) {
			continue
		}
		x := room.Asking{Process: l.Process, Other: p.n.party(l.Other).Title, Says: first(l.Reason, "there was no answer"), Stuck: true, Since: l.Done}
		over, err := p.over(tx, own, l)
		if err != nil {
			return nil, err
		}
		if !over {
			out = append(out, x)
		}
	}
	return out, nil
}

// over reports whether a letter's process has ended without an agreement, or with its
// transfer; one that is no longer kept has.
func (p dealpages) over(tx hansa.Tx, own hansa.PartyID, l *outbound.Letter) (bool, error) {
	over := false
	var err error
	if strings.HasPrefix(l.Kind, "negotiation/") {
		var n *negotiation.Negotiation
		if n, err = p.n.deal.negotiations.Get(tx, own, l.Process); err == nil {
			over = n.State == negotiation.Terminated
		}
	} else {
		var t *transfer.Transfer
		if t, err = p.n.deal.transfers.Get(tx, own, l.Process); err == nil {
			over = t.Ended()
		}
	}
	if err != nil && hansa.KindOf(err) == hansa.NotFound {
		return true, nil
	}
	return over, err
}

// unanswered are the processes that ask a person something.
func (p dealpages) unanswered(tx hansa.Tx, say *words.Catalogue, own hansa.PartyID) (out []room.Asking, err error) {
	q := protocol.Query{Own: own, Open: true, Waits: true, Limit: askingMax}
	list, err := p.n.deal.negotiations.List(tx, q)
	if err != nil {
		return nil, err
	}
	for _, n := range list {
		x := room.Asking{Process: n.ID, Other: p.n.party(n.Other).Title, What: n.Target(), Says: n.Waits, Since: n.Changed}
		if set, err := p.n.datasetFor(hansa.Actor{Party: own}, x.What); err == nil {
			x.What = p.called(own, set)
		}
		out = append(out, x)
	}
	moves, err := p.n.deal.transfers.List(tx, q)
	for _, t := range moves {
		out = append(out, room.Asking{Process: t.ID, Other: p.n.party(t.Other).Title, What: say.Fill("data as {1}", t.Format), Says: t.Waits, Data: true, Since: t.Changed})
	}
	return out, err
}

// called is what an own dataset is called in its party's language.
func (p dealpages) called(own hansa.PartyID, set *hansa.Dataset) string {
	x := p.n.party(own)
	return first(set.Title[x.Language()], first(set.Title["en"], set.Name))
}
