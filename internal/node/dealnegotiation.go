package node

import (
	"context"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
)

// HearNegotiation takes a message of another participant.
func (d *deal) HearNegotiation(ctx context.Context, by dsp.Caller, pid string, m negotiation.Message, body []byte) (*negotiation.Negotiation, error) {
	var out *negotiation.Negotiation
	err := d.write(ctx, true, func(tx hansa.Tx, w *work) error {
		n, known, err := d.negotiationFor(ctx, tx, by, pid, &m)
		if err != nil {
			return err
		}
		if known {
			out = n
			return d.again(tx, w, n.ID, n.Near)
		}
		if m.By == "" {
			m.By = n.Side.Other()
		}
		if by.Near {
			m.Hash = protocol.Named(m.Hash)
		}
		if n.State == "" {
			d.outbox.Begins(&w.mail, n.ID)
		}
		was := n.Heard
		next, effects, err := n.Hear(m)
		if err != nil {
			return err
		}
		if out = &next; len(effects) == 0 && next.Heard == was {
			return d.again(tx, w, n.ID, n.Near)
		}
		next.Near = next.Near || by.Near
		l := outbound.Letter{Process: next.ID, Own: by.Own, Other: by.Party, Kind: "negotiation/" + string(m.Event), URL: d.base(by.Own), After: string(next.State), Body: body, At: d.n.wall(), State: outbound.LetterReceived, Status: 200}
		if err := d.outbox.Keep(tx, &w.mail, &l); err != nil {
			return err
		}
		out, err = d.carryNegotiation(tx, w, next, effects)
		return err
	})
	return out, err
}

// negotiationFor finds the process that a message is about, or begins one. known
// says that a first message was heard before.
func (d *deal) negotiationFor(ctx context.Context, tx hansa.Tx, by dsp.Caller, pid string, m *negotiation.Message) (n *negotiation.Negotiation, known bool, err error) {
	if pid != "" {
		if n, err = d.negotiations.Get(tx, by.Own, pid); err == nil && n.Other != by.Party {
			err = hansa.Errorf(hansa.NotFound, "there is no such process")
		}
		return n, false, err
	}
	side, other := hansa.Provider, m.ConsumerPid
	if m.By == hansa.Provider {
		side, other = hansa.Consumer, m.ProviderPid
	}
	n, err = d.negotiations.ByPid(tx, by.Own, by.Party, side, other)
	if err == nil || hansa.KindOf(err) != hansa.NotFound {
		return n, true, err
	}
	if err := d.begins(tx, d.negotiations.Room, by.Own, by.Party); err != nil {
		return nil, false, err
	}
	if err := d.reachable(ctx, by.Own, by.Party, m.Callback); err != nil {
		return nil, false, hansa.Fielded("/callbackAddress", "%s", hansa.Public(err).Message)
	}
	now := d.n.wall()
	return &negotiation.Negotiation{ID: hansa.NewID(now), Pid: other, Side: side, Own: by.Own, Other: by.Party, As: d.called(ctx, by.Own, by.Party), Address: m.Callback, Near: by.Near, Began: now.UTC()}, false, nil
}

// carryNegotiation does what a step asks for, decides what it leaves open, and
// stores the process.
func (d *deal) carryNegotiation(tx hansa.Tx, w *work, n negotiation.Negotiation, effects []negotiation.Effect) (*negotiation.Negotiation, error) {
	n, err := n.Carry(effects, negotiationHands{d, tx, w})
	if err != nil {
		return nil, err
	}
	if n.State == negotiation.Terminated {
		if err := d.commit(tx, n.Own, "negotiation-ended", map[string]any{"process": n.ID, "by": n.EndedBy, "code": n.Code, "reason": n.Reason}); err != nil {
			return nil, err
		}
	}
	n.Changed = d.n.wall().UTC()
	if w.moved = append(w.moved, n.ID); n.Ended() {
		w.over = append(w.over, n.ID)
	}
	return &n, d.negotiations.Put(tx, &n, n.Changed)
}

// negotiationHands do what a negotiation asks for in one transaction.
type negotiationHands struct {
	*deal
	tx hansa.Tx
	w  *work
}

func (h negotiationHands) Drop(n *negotiation.Negotiation) error {
	return h.outbox.Void(h.tx, &h.w.mail, n.ID)
}

func (h negotiationHands) Settle(n *negotiation.Negotiation) error {
	return h.outbox.Settle(h.tx, &h.w.mail, n.ID, "", h.n.wall())
}

func (h negotiationHands) Send(n *negotiation.Negotiation, m *negotiation.Message) error {
	return h.postNegotiation(h.tx, h.w, n, m)
}

func (h negotiationHands) Enact(n *negotiation.Negotiation, agreement *policy.Policy) error {
	return h.enact(h.tx, h.w, n, agreement)
}

func (h negotiationHands) Decide(n *negotiation.Negotiation) (negotiation.Message, string, error) {
	return h.decideNegotiation(h.tx, n)
}

// postNegotiation puts a message into the outbox. Its address is completed when it
// is sent, once the other side's pid is known.
func (d *deal) postNegotiation(tx hansa.Tx, w *work, n *negotiation.Negotiation, m *negotiation.Message) error {
	m.ID = "urn:uuid:" + hansa.NewID(d.n.wall())
	path, body, err := dsp.EncodeNegotiation(m, n.Pid)
	if err != nil {
		return err
	}
	return d.outbox.Post(tx, &w.mail, &outbound.Letter{
		Process: n.ID, Own: n.Own, Other: n.Other, Kind: "negotiation/" + string(m.Event), URL: n.Address + path, After: string(n.State), Body: body, At: d.n.wall(), Next: d.due(w, n.Near), Stops: n.State == negotiation.Terminated,
	})
}

// decideNegotiation says what own does now that it is its turn, or what a person
// is asked.
func (d *deal) decideNegotiation(tx hansa.Tx, n *negotiation.Negotiation) (negotiation.Message, string, error) {
	if d.byHand {
		return negotiation.Message{}, words.Mark("each step is taken by hand on this node"), nil
	}
	switch n.State {
	case negotiation.Requested:
		return d.answerRequest(tx, n)
	case negotiation.Accepted:
		return negotiation.Message{Event: negotiation.Agree, Agreement: n.Agrees(hansa.NewID(d.n.wall()), d.n.wall())}, "", nil
	case negotiation.Verified:
		return negotiation.Message{Event: negotiation.Finalize}, "", nil
	case negotiation.Offered:
		return d.answerOffer(tx, n)
	case negotiation.Agreed:
		if err := n.Verifies(); err != nil {
			return end("agreement", hansa.Public(err).Error()), "", nil
		}
		if why := d.unheld(tx, n.Own, n.Other, n.Agreement); why != "" {
			return end(accordCode, why), "", nil
		}
		return negotiation.Message{Event: negotiation.Verify}, "", nil
	case negotiation.Finalized, negotiation.Terminated:
	}
	return negotiation.Message{}, "", hansa.Errorf(hansa.Internal, "internal error: nothing is to be decided when %s", n.State)
}

func end(code string, reasons ...string) negotiation.Message {
	return negotiation.Message{Event: negotiation.Terminate, Code: code, Reason: reasons}
}

// answerRequest decides on what a consumer asks for. A policy that this node could
// not hold to, or that the caller does not meet, is declined with its reason; an
// offer that its owner marked automatic is agreed to as it stands; all else waits
// for a person's yes.
func (d *deal) answerRequest(tx hansa.Tx, n *negotiation.Negotiation) (negotiation.Message, string, error) {
	o, err := d.n.catalog.OfferByID(tx, n.Own, n.Offer.ID)
	switch {
	case err != nil && hansa.KindOf(err) != hansa.NotFound:
		return negotiation.Message{}, "", err
	case o == nil || !d.sees(o, n.Other) || string(o.Dataset) != n.Offer.Target:
		return end("offer-unknown", "there is no offer "+n.Offer.ID+" for "+n.Offer.Target), "", nil
	}
	if n.State == negotiation.Requested && n.OfferBy == hansa.Consumer && !o.Withdrawn.IsZero() {
		return end("offer-withdrawn", "the offer was withdrawn at "+o.Withdrawn.Format("2006-01-02 15:04 UTC")), "", nil
	}
	if err := policy.Check(n.Offer); err != nil {
		return end("policy", hansa.Public(err).Error()), "", nil
	}
	compiled, err := o.Compiled()
	if err != nil {
		return negotiation.Message{}, "", err
	}
	in := d.input(n.Other, d.asked(n.Offer))
	in.Accords = d.held(tx, n.Own, n.Other)
	dec := compiled.Evaluate(policy.Negotiation, in)
	if !dec.Allowed {
		return end("policy", reasons(dec)...), "", nil
	}
	same := policy.Equal(n.Offer, o.Policy)
	if purposes := d.asked(n.Offer); !same && len(purposes) == 1 { // for less than it permits
		same = policy.Equal(n.Offer, policy.Narrow(o.Policy, purposes[0]))
	}
	if n.Automatic = same && o.Automatic; n.Automatic {
		return negotiation.Message{Event: negotiation.Agree, Agreement: n.Agrees(hansa.NewID(d.n.wall()), d.n.wall())}, "", nil
	}
	if same {
		return negotiation.Message{}, words.Mark("agree to the offer as it stands, counter it, or decline it with a reason"), nil
	}
	return negotiation.Message{}, words.Mark("the request changes the offer: agree to the change, counter it, or decline it with a reason"), nil
}

// answerOffer decides on what a provider offers: what own asked for is accepted,
// all else waits for a person.
func (d *deal) answerOffer(tx hansa.Tx, n *negotiation.Negotiation) (negotiation.Message, string, error) {
	if err := policy.Check(n.Offer); err != nil {
		return end("policy", hansa.Public(err).Error()), "", nil
	}
	if why := d.unheld(tx, n.Own, n.Other, n.Offer); why != "" {
		return end(accordCode, why), "", nil
	}
	if n.Asked != nil && policy.Equal(n.Asked, n.Offer) {
		return negotiation.Message{Event: negotiation.Accept}, "", nil
	}
	return negotiation.Message{}, words.Mark("accept the offer, ask for something else, or decline it with a reason"), nil
}

// sees reports whether an offer is made to a party.
func (*deal) sees(o *catalog.Offer, p hansa.PartyID) bool {
	return len(o.To) == 0 || slices.Contains(o.To, p)
}

// input is what is known of a party that asks now.
func (d *deal) input(p hansa.PartyID, purposes []hansa.Purpose) policy.Input {
	return policy.Input{Now: d.n.clock(), Caller: p, CallerKind: d.n.party(p).Kind, Purposes: purposes}
}

// asked are the purposes that an offer names: who asks for it, asks for those.
func (d *deal) asked(p *policy.Policy) []hansa.Purpose {
	t, err := p.Terms(d.n.clock())
	if err != nil {
		return nil
	}
	return t.Purposes
}

func reasons(dec policy.Decision) []string {
	var out []string
	for _, r := range dec.Reasons {
		out = append(out, r.Words)
	}
	if len(out) == 0 {
		out = append(out, "no rule of the policy permits it")
	}
	return out
}

// enact puts an agreement in force, once.
func (d *deal) enact(tx hansa.Tx, w *work, n *negotiation.Negotiation, p *policy.Policy) error {
	doc, err := json.Marshal(p)
	if err != nil {
		return err
	}
	now := d.n.wall().UTC()
	a := negotiation.Agreement{ID: p.ID, Own: n.Own, Other: n.Other, Side: n.Side, Process: n.ID, Target: p.Target, Hash: policy.HashOf(doc), Policy: p, At: now}
	if err := d.negotiations.SaveAgreement(tx, &a, doc); err != nil {
		return err
	}
	said, err := d.outbox.Said(tx, n.ID)
	if err != nil {
		return err
	}
	if err := d.commit(tx, n.Own, "agreement-made", map[string]any{"agreement": jsontext.Value(doc), "side": n.Side, "process": n.ID, "messages": said}); err != nil {
		return err
	}
	pledge, err := d.pledged(tx, w, &a, n)
	if err != nil || n.Side != hansa.Consumer || n.Then == "" {
		return err
	}
	t, err := d.requestTransfer(tx, w, &a, n, n.Then)
	if err != nil || pledge == nil {
		return err
	}
	pledge.Transfer = t.ID
	return d.n.putPledge(tx, pledge, d.n.wall().Add(pledgeLater))
}

// commit writes what became of a process into the journal.
func (d *deal) commit(tx hansa.Tx, own hansa.PartyID, kind string, what map[string]any) error {
	doc, err := json.Marshal(what, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = d.n.journal.Act(tx, own, kind, doc, d.n.wall())
	return err
}

// Negotiation returns how a process stands, for a participant that is a side of it.
func (d *deal) Negotiation(ctx context.Context, by dsp.Caller, pid string) (n *negotiation.Negotiation, err error) {
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		n, _, err = d.negotiationFor(ctx, tx, by, orNone(pid), nil)
		return err
	})
	return n, err
}

// orNone is pid, or what names no process.
func orNone(pid string) string {
	if pid == "" {
		return "-"
	}
	return pid
}

// Refused keeps what was not taken in a process that there is, to look at. What
// cannot be kept is not: the sender has its answer.
func (d *deal) Refused(ctx context.Context, by dsp.Caller, pid, kind string, body []byte, status int, why error) {
	if pid == "" || hansa.KindOf(why) == hansa.Internal || hansa.KindOf(why) == hansa.Busy {
		return
	}
	_ = d.n.db.Write(ctx, func(tx hansa.Tx) error {
		var own, other hansa.PartyID
		var state string
		if strings.HasPrefix(kind, "negotiation/") {
			n, err := d.negotiations.Get(tx, by.Own, pid)
			if err != nil {
				return err
			}
			own, other, state = n.Own, n.Other, string(n.State)
		} else {
			t, err := d.transfers.Get(tx, by.Own, pid)
			if err != nil {
				return err
			}
			own, other, state = t.Own, t.Other, string(t.State)
		}
		if other != by.Party {
			return nil // a stranger fills nobody's book
		}
		if k, err := d.outbox.Refusals(tx, pid); err != nil || k >= refusalsMax {
			return err
		}
		if strings.HasPrefix(kind, "transfer/") {
			body = withoutSecrets(body)
		}
		return d.outbox.Keep(tx, &outbound.Mail{}, &outbound.Letter{Process: pid, Own: own, Other: other, Kind: kind, URL: d.base(own), After: state, Body: body[:min(len(body), keptMax)], At: d.n.wall(), State: outbound.LetterRefused, Status: status, Reason: hansa.Public(why).Error()})
	})
}

// keptMax bounds what is kept of a message that was refused, and refusalsMax how
// many of a process are kept.
const (
	keptMax     = 16 << 10
	refusalsMax = 20
)
