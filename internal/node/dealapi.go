package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// dealing is the control way as people and programs of a party steer it.
type dealing struct{ *deal }

var _ api.Deals = dealing{}

func (dealing) query(by hansa.Actor, q api.ProcessQuery) protocol.Query {
	return protocol.Query{Own: by.Party, State: q.State, Waits: q.Waits, Open: q.Open, Limit: q.Limit}
}

// Negotiations lists those of by's party, newest first.
func (d dealing) Negotiations(ctx context.Context, by hansa.Actor, q api.ProcessQuery) (out []api.Negotiation, err error) {
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		list, err := d.negotiations.List(tx, d.query(by, q))
		if err != nil {
			return err
		}
		out = make([]api.Negotiation, 0, len(list))
		for _, n := range list {
			one, err := d.shownNegotiation(tx, n)
			if err != nil {
				return err
			}
			out = append(out, one)
		}
		return nil
	})
	return out, err
}

// NegotiationByID shows one of by's party.
func (d dealing) NegotiationByID(ctx context.Context, by hansa.Actor, id string) (out api.Negotiation, err error) {
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		n, err := d.negotiations.Get(tx, by.Party, id)
		if err != nil {
			return err
		}
		out, err = d.shownNegotiation(tx, n)
		return err
	})
	return out, err
}

// Transfers lists those of by's party, newest first.
func (d dealing) Transfers(ctx context.Context, by hansa.Actor, q api.ProcessQuery) (out []api.Transfer, err error) {
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		list, err := d.transfers.List(tx, d.query(by, q))
		if err != nil {
			return err
		}
		out = make([]api.Transfer, 0, len(list))
		for _, t := range list {
			one, err := d.shownTransfer(tx, t)
			if err != nil {
				return err
			}
			out = append(out, one)
		}
		return nil
	})
	return out, err
}

// TransferByID shows one of by's party.
func (d dealing) TransferByID(ctx context.Context, by hansa.Actor, id string) (out api.Transfer, err error) {
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		t, err := d.transfers.Get(tx, by.Party, id)
		if err != nil {
			return err
		}
		out, err = d.shownTransfer(tx, t)
		return err
	})
	return out, err
}

func whose(turn, own hansa.Side) string {
	if turn == "" {
		return ""
	}
	if turn == own {
		return "own"
	}
	return "other"
}

func names[E ~string](list []E) []string {
	out := make([]string, 0, len(list))
	for _, e := range list {
		out = append(out, string(e))
	}
	return out
}

func (d dealing) shownNegotiation(tx hansa.Tx, n *negotiation.Negotiation) (api.Negotiation, error) {
	out, err := d.toldNegotiation(n)
	if err == nil {
		out.Parked, err = d.parked(tx, n.ID)
	}
	return out, err
}

// toldNegotiation is one of which no message is stuck.
func (d dealing) toldNegotiation(n *negotiation.Negotiation) (api.Negotiation, error) {
	out := api.Negotiation{
		ID: n.ID, Pid: n.Pid, Party: d.n.party(n.Own).Name, Side: n.Side, Other: n.Other, OtherTitle: d.n.party(n.Other).Title, Address: n.Address, State: string(n.State),
		Turn: whose(n.Turn(), n.Side), Waits: n.Waits, Can: names(n.Can()), Target: n.Target(), OfferBy: n.OfferBy, Automatic: n.Automatic, Code: n.Code, Reason: n.Reason, EndedBy: n.EndedBy,
		Purpose: n.Purpose, Dataset: n.Dataset, Then: n.Then, Began: n.Began, Changed: n.Changed,
	}
	if set, err := d.n.datasetFor(hansa.Actor{Party: n.Own}, out.Target); err == nil && n.Side == hansa.Provider {
		out.TargetName = set.Name
	}
	if n.Offer != nil {
		doc, err := json.Marshal(n.Offer)
		if err != nil {
			return out, err
		}
		out.Offer, out.Words = doc, policy.Words(n.Offer)
	}
	if n.Agreement != nil {
		out.Agreement, out.Words = n.Agreement.ID, policy.Words(n.Agreement)
	}
	return out, nil
}

// parked is why a process's message does not arrive; empty when none is stuck.
func (d dealing) parked(tx hansa.Tx, process string) (string, error) {
	l, err := d.outbox.Stuck(tx, process)
	if err != nil || l == nil {
		return "", err
	}
	return first(l.Reason, "there was no answer"), nil
}

func (d dealing) shownTransfer(tx hansa.Tx, t *transfer.Transfer) (api.Transfer, error) {
	problem := ""
	if d.n.mu.RLock(); t.State == transfer.Started { // what has stopped is in no trouble
		problem = d.n.problems["transfer "+t.ID]
	}
	d.n.mu.RUnlock()
	out := api.Transfer{
		ID: t.ID, Pid: t.Pid, Party: d.n.party(t.Own).Name, Side: t.Side, Other: t.Other, OtherTitle: d.n.party(t.Other).Title, Agreement: t.Agreement, Format: t.Format, State: string(t.State),
		Turn: whose(t.Turn(), t.Side), Waits: t.Waits, Can: names(t.Can()), Flow: t.Flow, Dataset: t.Dataset, Code: t.Code, Reason: t.Reason, EndedBy: t.EndedBy, Problem: problem, Began: t.Began, Changed: t.Changed,
	}
	var err error
	out.Parked, err = d.parked(tx, t.ID)
	return out, err
}

// ActNegotiation does what a person decided.
func (d dealing) ActNegotiation(ctx context.Context, by hansa.Actor, id, act string, a api.ProcessAct) (out api.Negotiation, err error) {
	if act == "decline" {
		act = string(negotiation.Terminate)
	}
	event := negotiation.Event(act)
	if !slices.Contains(negotiation.Events(), event) {
		return out, hansa.Errorf(hansa.NotFound, "a negotiation knows no act %q", act).WithHint("acts: " + strings.Join(names(negotiation.Events()), ", "))
	}
	if err := checkReasons(&a); err != nil {
		return out, err
	}
	err = d.write(ctx, false, func(tx hansa.Tx, w *work) error {
		n, err := d.negotiations.Get(tx, by.Party, id)
		if err != nil {
			return err
		}
		m, err := d.decided(n, event, &a)
		if err != nil {
			return err
		}
		next, effects, err := n.Act(m)
		if err != nil {
			return err
		}
		if err := d.n.act(tx, by, by.Party, "negotiation-"+act, map[string]any{"process": id, "code": a.Code, "reason": a.Reason}); err != nil {
			return err
		}
		done, err := d.carryNegotiation(tx, w, next, effects)
		if err != nil {
			return err
		}
		out, err = d.shownNegotiation(tx, done)
		return err
	})
	return out, err
}

// decided is the message that a person's decision comes to.
func (d dealing) decided(n *negotiation.Negotiation, event negotiation.Event, a *api.ProcessAct) (negotiation.Message, error) {
	m := negotiation.Message{Event: event}
	now := d.n.wall()
	switch event {
	case negotiation.Offer, negotiation.Request:
		m.Offer = n.Offer.Clone()
		if len(a.Policy) > 0 {
			p, err := policy.Parse(a.Policy)
			if err != nil {
				return m, hansa.Public(err).At("/policy" + hansa.Public(err).Field)
			}
			if err := policy.Check(p); err != nil {
				return m, hansa.Public(err).At("/policy" + hansa.Public(err).Field)
			}
			p.ID, p.Type, p.Target, p.Assigner, p.Assignee, p.Timestamp = n.Offer.ID, policy.Offer, n.Offer.Target, n.Offer.Assigner, n.Offer.Assignee, ""
			m.Offer = p
		}
	case negotiation.Agree:
		if n.Offer == nil {
			return m, hansa.Errorf(hansa.Conflict, "there is no offer to agree to")
		}
		m.Agreement = n.Agrees(hansa.NewID(now), now)
	case negotiation.Terminate:
		m.Code, m.Reason = first(a.Code, "declined"), a.Reason
	case negotiation.Accept, negotiation.Verify, negotiation.Finalize:
	}
	return m, nil
}

func checkReasons(a *api.ProcessAct) error {
	if len(a.Code) > 200 {
		return hansa.Fielded("/code", "a code has at most 200 bytes")
	}
	if len(a.Reason) > 20 {
		return hansa.Fielded("/reason", "an end has at most 20 reasons")
	}
	for _, r := range a.Reason {
		if r == "" || len(r) > 2000 {
			return hansa.Fielded("/reason", "a reason has 1 to 2000 bytes")
		}
	}
	return nil
}

// ActTransfer does what a person decided.
func (d dealing) ActTransfer(ctx context.Context, by hansa.Actor, id, act string, a api.ProcessAct) (out api.Transfer, err error) {
	if act == "resume" {
		act = string(transfer.Start)
	}
	event := transfer.Event(act)
	if !slices.Contains([]transfer.Event{transfer.Start, transfer.Suspend, transfer.Complete, transfer.Terminate}, event) {
		return out, hansa.Errorf(hansa.NotFound, "a transfer knows no act %q", act).WithHint("acts: start, suspend, resume, complete, terminate")
	}
	if err := checkReasons(&a); err != nil {
		return out, err
	}
	err = d.write(ctx, false, func(tx hansa.Tx, w *work) error {
		t, err := d.transfers.Get(tx, by.Party, id)
		if err != nil {
			return err
		}
		m := transfer.Message{Event: event, Code: a.Code, Reason: a.Reason}
		if event == transfer.Start && t.Side == hansa.Provider {
			if m, err = d.startsByHand(tx, w, t); err != nil {
				return err
			}
		}
		next, effects, err := t.Act(m)
		if err != nil {
			return err
		}
		if err := d.n.act(tx, by, by.Party, "transfer-"+act, map[string]any{"process": id, "code": a.Code, "reason": a.Reason}); err != nil {
			return err
		}
		done, err := d.carryTransfer(tx, w, next, effects)
		if err != nil {
			return err
		}
		out, err = d.shownTransfer(tx, done)
		return err
	})
	return out, err
}

// startsByHand is the start that a person of the provider decided on.
func (d dealing) startsByHand(tx hansa.Tx, w *work, t *transfer.Transfer) (transfer.Message, error) {
	a, err := d.negotiations.AgreementByID(tx, t.Own, t.Agreement)
	if err != nil {
		return transfer.Message{}, err
	}
	return d.startMessage(tx, w, t, a)
}

// RequestTransfer asks for data under an agreement of by's party.
func (d dealing) RequestTransfer(ctx context.Context, by hansa.Actor, o api.TransferOrder) (out api.Transfer, err error) {
	p, err := d.n.partyFor(by, o.Party)
	if err != nil {
		return out, err
	}
	var a *negotiation.Agreement
	var n *negotiation.Negotiation
	err = d.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		if a, err = d.negotiations.AgreementByID(tx, p.ID, o.Agreement); err != nil {
			return hansa.Public(err).WithHint("hansa agreements")
		}
		n, err = d.negotiations.Get(tx, p.ID, a.Process)
		if err == nil || hansa.KindOf(err) != hansa.NotFound {
			return err
		}
		n = nil
		return nil
	})
	if err != nil {
		return out, err
	}
	if n == nil {
		if n, err = d.unnegotiated(ctx, a); err != nil {
			return out, err
		}
	}
	if n.Dataset, err = d.filled(ctx, by, p, o.Dataset, o.Kind, first(n.Dataset, "from-"+d.peerName(ctx, n.Own, n.Other)+"-"+slug(a.Target))); err != nil {
		return out, err
	}
	if n.Purpose = o.Purpose; n.Purpose == "" {
		n.Purpose = d.onePurpose(a.Policy)
	}
	err = d.write(ctx, false, func(tx hansa.Tx, w *work) error {
		t, err := d.requestTransfer(tx, w, a, n, first(o.Format, transfer.Pull))
		if err != nil {
			return err
		}
		if err := d.n.act(tx, by, p.ID, "transfer-request", map[string]any{"process": t.ID, "agreement": a.ID}); err != nil {
			return err
		}
		out, err = d.shownTransfer(tx, t)
		return err
	})
	return out, err
}

// unnegotiated stands for the negotiation of an agreement whose process is not kept
// here any more, or never was: the other side is met at its peer's address.
func (d dealing) unnegotiated(ctx context.Context, a *negotiation.Agreement) (*negotiation.Negotiation, error) {
	p, err := d.n.trust.PeerByID(ctx, a.Own, a.Other)
	if err == nil && p.Address == "" {
		err = hansa.Errorf(hansa.Conflict, "the peer %s has no address: it only calls", p.Name).WithHint("hansa peers change " + p.Name + " --at URL")
	}
	if err != nil {
		return nil, err
	}
	return &negotiation.Negotiation{Side: a.Side, Own: a.Own, Other: a.Other, Address: strings.TrimRight(p.Address, "/")}, nil
}

func (d dealing) onePurpose(p *policy.Policy) hansa.Purpose {
	if list := d.asked(p); len(list) > 0 {
		return list[0]
	}
	return ""
}

// Inspect shows a process of by's party with every message.
func (d dealing) Inspect(ctx context.Context, by hansa.Actor, id string) (out api.Process, err error) {
	out = api.Process{ID: id, Messages: []api.ProcessMessage{}}
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		n, err := d.negotiations.Get(tx, by.Party, id)
		if err == nil {
			one, err := d.shownNegotiation(tx, n)
			if err != nil {
				return err
			}
			out.Negotiation = &one
		} else {
			t, err := d.transfers.Get(tx, by.Party, id)
			if err != nil {
				return hansa.Public(err).WithHint("hansa requests, hansa transfers")
			}
			one, err := d.shownTransfer(tx, t)
			if err != nil {
				return err
			}
			out.Transfer = &one
		}
		list, err := d.outbox.Letters(tx, by.Party, id)
		for i := range list {
			out.Messages = append(out.Messages, shownLetter(&list[i]))
		}
		return err
	})
	return out, err
}

func shownLetter(l *outbound.Letter) api.ProcessMessage {
	m := api.ProcessMessage{N: l.N, At: l.At, Direction: "in", Kind: l.Kind, URL: l.URL, State: string(l.State), After: l.After, Status: l.Status, Tries: l.Tries, Done: l.Done, Reason: l.Reason, Answer: strings.ToValidUTF8(string(l.Answer), "\uFFFD")}
	if l.Out {
		m.Direction = "out"
	}
	if l.State == outbound.LetterWaits {
		m.Next = l.Next
	}
	if jsontext.Value(l.Body).IsValid() {
		m.Body = jsontext.Value(l.Body)
	} else {
		m.Answer = strings.ToValidUTF8(string(l.Body), "\uFFFD")
	}
	return m
}

// RetryProcess sends what does not arrive again.
func (d dealing) RetryProcess(ctx context.Context, by hansa.Actor, id string) (int, error) {
	if _, err := d.Inspect(ctx, by, id); err != nil {
		return 0, err
	}
	n, err := d.outbox.Retry(ctx, by.Party, id)
	if err == nil && n == 0 {
		err = hansa.Errorf(hansa.Conflict, "every message of this process has arrived, or is on its way")
	}
	return n, err
}

// WaitProcess returns when a process of by's party has changed since a time.
func (d dealing) WaitProcess(ctx context.Context, by hansa.Actor, id string, since time.Time, most time.Duration) error {
	t := time.NewTimer(most)
	defer t.Stop()
	awaited, forget := d.awaited(id)
	defer forget()
	for {
		moved := awaited.wait()
		p, err := d.Inspect(ctx, by, id)
		if err != nil {
			return err
		}
		if p.Negotiation != nil && p.Negotiation.Changed.After(since) || p.Transfer != nil && p.Transfer.Changed.After(since) {
			return nil
		}
		select {
		case <-moved:
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// slug makes a name of what may be any identifier.
func slug(s string) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, s)
	return strings.Trim(out[:min(len(out), 24)], "-")
}
