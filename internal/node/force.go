package node

import (
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
)

// How soon a pledge that waits for something is looked at again.
const (
	pledgeSoon  = 2 * time.Second
	pledgeLater = time.Minute
	pledgeLong  = time.Hour // one that waits for the accord's last day
)

// acts is what a transaction about pledges does besides its rows.
type acts struct {
	w        *work
	opened   []hansa.FlowID // to which what holds now is offered
	offers   bool           // one was made or withdrawn
	datasets bool           // one was made
}

// accordEffects puts own's copy of an accord in force on this node, as the entry that
// led to s asks for: flows, their gates, offers, agreements and transfers, in the
// transaction of the entry; what runs in memory follows it, by w. t is the text of the
// version in force, once there is one. s may hold what own has said and the keeper has
// not numbered yet.
func (n *Node) accordEffects(tx hansa.Tx, w *work, own hansa.PartyID, s *accord.State, t *accord.Text, effects []accord.Effect) error {
	if len(effects) == 0 { // what was said moves nothing
		return nil
	}
	own = n.home(own)
	before, err := pledgesOf(tx, own, s.ID)
	if err != nil {
		return err
	}
	a := &acts{w: w}
	plan := n.planner().plan(own, s, t, before)
	for _, p := range plan {
		if err := n.apart(tx, p); err != nil {
			return err
		}
		if err := n.realise(tx, a, p, before[p.ID]); err != nil {
			return err
		}
		delete(before, p.ID)
	}
	for _, p := range before { // no version in force has it any more, or none is in force
		if p.State == pledgeClosed {
			continue
		}
		p.State, p.Why = pledgeClosed, "the accord has ended"
		if s.State == hansa.AccordInForce || s.State == hansa.AccordSuspended {
			p.Why = "the version in force has no such flow"
		}
		if err := n.realise(tx, a, p, nil); err != nil {
			return err
		}
	}
	if err := n.passOn(tx, a, own); err != nil {
		return err
	}
	n.leave(a)
	for _, e := range effects {
		if x, ok := e.(accord.ExitBegins); ok && t != nil {
			if err := n.exits(tx, own, s.ID, func(p *pledge) bool {
				left := n.home(x.Party)
				return x.Party == "" || left == own || left == p.From
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// apart keeps p from the place of another: a text names its flows by ids of its own
// choosing, and a flow of that id may run under another accord, or without one.
func (n *Node) apart(tx hansa.Tx, p *pledge) error {
	taken, err := n.flowTaken(tx, p.Own, p.From, p.ID, p.Accord)
	if err != nil || !taken {
		return err
	}
	p.ID = hansa.FlowID(named("accord-flow-taken", string(p.Accord), string(p.ID)))
	p.State, p.Why = pledgeRefused, words.Mark("another flow has the id that the text gives this one: propose a version in which it has a new one")
	return nil
}

// flowTaken reports whether an id means another flow to own, or to the giver, than one
// of an accord.
func (n *Node) flowTaken(tx hansa.Tx, own, giver hansa.PartyID, id hansa.FlowID, of hansa.AccordID) (bool, error) {
	p, err := onePledge(tx, `WHERE own = ? AND id = ? AND accord <> ?`, string(own), string(id), string(of))
	if err != nil || p != nil {
		return p != nil, err
	}
	return n.catalog.FlowIDTaken(tx, giver, id)
}

// leave has done what is left when the transaction is written. What takes long is not
// for who waits for it: [Node.force] does it.
func (n *Node) leave(a *acts) {
	a.w.then(func() {
		if a.offers {
			n.published.forget()
		}
		n.mu.Lock()
		n.forceOpened, n.forceLoads = append(n.forceOpened, a.opened...), n.forceLoads || a.datasets
		n.mu.Unlock()
		n.forced.now()
		n.left.now()
	})
}

// home is what this node calls a party that a text names.
func (n *Node) home(id hansa.PartyID) hansa.PartyID {
	if p, ok := n.hostedAs(id); ok {
		return p.ID
	}
	return id
}

func (n *Node) planner() planner {
	return planner{home: n.home, kind: func(id hansa.PartyID) hansa.PartyKind { return n.party(id).Kind }, carry: func(kind hansa.RecordKind) (out []hansa.Format) {
		for _, c := range n.line.codecs {
			if c.Writer != nil && (kind == "" || slices.Contains(c.Kinds, kind)) {
				out = append(out, c.Name)
			}
		}
		return out
	}}
}

// realise brings the tables in line with p; the same again changes nothing. was is
// how it stood before; nil is the same.
func (n *Node) realise(tx hansa.Tx, a *acts, p, was *pledge) error {
	if p.Wants != "" {
		p.State, p.Why, p.Wants = p.Wants, "", ""
	}
	lapsed := p.lapse(n.clock())
	if was != nil && was.stands() && was.Agreed != p.Agreed && p.Agreement != "" {
		p.Earlier, p.Agreement, p.Process, p.Transfer, p.Tries = first(p.Earlier, p.Agreement), "", "", "", 0
	}
	hold := n.receive
	if !p.gives() && p.stands() {
		if err := n.runsAgain(tx, p); err != nil {
			return err
		}
	}
	if p.gives() {
		hold = n.give
		if was != nil && was.offer() != p.offer() {
			if err := n.withdrawn(tx, a, was); err != nil {
				return err
			}
		}
	}
	due, err := hold(tx, a, p)
	if err != nil {
		return err
	}
	if err := n.putPledge(tx, p, due); err != nil || !lapsed {
		return err
	}
	if err := n.passOn(tx, a, p.Own); err != nil {
		return err
	}
	return n.exits(tx, p.Own, p.Accord, func(*pledge) bool { return true })
}

// lapse closes what has come to its accord's end.
func (p *pledge) lapse(now time.Time) bool {
	over := p.stands() && !p.Ends.IsZero() && !now.Before(p.Ends)
	if over {
		p.State, p.Why = pledgeClosed, words.Mark("the last day of the accord is over")
	}
	return over
}

// putPledge stores p, to be looked at again when due, and on the accord's last day.
func (n *Node) putPledge(tx hansa.Tx, p *pledge, due time.Time) error {
	if p.stands() && !p.Ends.IsZero() {
		wait := time.Duration(float64(p.Ends.Sub(n.clock())) / max(n.cfg.Factor(), 1))
		if at := n.wall().Add(min(max(wait, pledgeSoon), pledgeLong)); due.IsZero() || at.Before(due) {
			due = at
		}
	}
	return storePledge(tx, p, due)
}

// give holds own to a flow that it gives.
func (n *Node) give(tx hansa.Tx, a *acts, p *pledge) (due time.Time, err error) {
	set, err := n.datasetFor(hansa.Actor{Party: p.Own}, p.Dataset.Name)
	why := hindered(p, set, err)
	if why == "" {
		if why, err = staysHere(tx, p, set); err != nil {
			return due, err
		}
	}
	if why != "" {
		p.Wants, p.State, p.Why = p.State, pledgeRefused, why
	}
	if err := onlyPassedOn(tx, p, set); err != nil {
		return due, err
	}
	if _, here := n.hostedAs(p.To); here || p.To == hansa.PublicParty {
		err = n.giveHere(tx, a, p, set)
	} else {
		due, err = n.giveThere(tx, a, p, set)
	}
	if p.Wants != "" {
		due = n.wall().Add(pledgeLater)
	}
	return due, err
}

// hindered says what on this node keeps a flow from starting; empty is nothing.
func hindered(p *pledge, set *hansa.Dataset, missing error) string {
	switch {
	case !p.stands():
		return ""
	case missing != nil:
		return words.Mark("the giver has no dataset of that name yet")
	case set.Kind != p.Dataset.Kind:
		return words.Mark("the giver's dataset of that name holds records of another kind than the accord says")
	case set.Personal && !p.Personal:
		return words.Mark("the dataset holds personal data, and the accord does not say what is asked of a flow of such data")
	}
	trial := p.flow(set.ID, false)
	if _, err := gate.Compile(&trial); err != nil {
		return hansa.Public(err).Error()
	}
	return ""
}

// giveHere is a flow to a party of this node: no connector stands between the two, so
// the gate and the agreement are written at once.
func (n *Node) giveHere(tx hansa.Tx, a *acts, p *pledge, set *hansa.Dataset) error {
	if err := n.setGiven(tx, a, p, set, true); err != nil {
		return err
	}
	return n.agreed(tx, p, set)
}

// setGiven stores the flow of p. To a party that is here it is made; to one elsewhere
// it is changed where it is there, and a transfer opens it.
func (n *Node) setGiven(tx hansa.Tx, a *acts, p *pledge, set *hansa.Dataset, here bool) error {
	old, err := n.catalog.FlowGiven(tx, p.From, p.ID)
	if err != nil && hansa.KindOf(err) != hansa.NotFound {
		return err
	}
	if p.stands() { // an earlier accord's may be called so
		taken, err := n.catalog.FlowNameTaken(tx, p.From, p.ID, p.Name)
		if err != nil {
			return err
		}
		if taken {
			p.Name = p.Name[:min(len(p.Name), 50)] + "-" + string(p.ID[len(p.ID)-12:])
		}
	}
	if old == nil && (!here || !p.stands()) {
		return nil
	}
	var f hansa.Flow
	switch {
	case p.stands():
		f = p.flow(set.ID, !here && old.Paused)
	default:
		f = *old
		f.Paused = true
		if p.State == pledgeClosed {
			n.over(&f)
		}
	}
	if err := n.catalog.SaveFlow(tx, &f); err != nil {
		return err
	}
	a.w.then(func() { n.setFlow(&f) })
	if !f.Paused {
		a.opened = append(a.opened, f.ID)
	}
	return nil
}

// over ends the terms of a flow now: it lets nothing through for ever.
func (n *Node) over(f *hansa.Flow) {
	now := n.clock().UTC()
	if f.Terms.Until.IsZero() || f.Terms.Until.After(now) {
		f.Terms.Until = now
	}
	if !f.Terms.From.Before(f.Terms.Until) {
		f.Terms.From = f.Terms.Until.Add(-time.Nanosecond)
	}
}

// agreed writes own's side of the agreement between two parties of this node, and
// ends the one before.
func (n *Node) agreed(tx hansa.Tx, p *pledge, set *hansa.Dataset) error {
	if old := first(p.Earlier, p.Agreement); old != "" && (p.State == pledgeClosed || old != p.agreement()) {
		if err := n.endAgreement(tx, p, old); err != nil {
			return err
		}
		p.Earlier = ""
	}
	if !p.stands() || p.Agreement == p.agreement() || set == nil {
		return nil
	}
	now := n.wall().UTC()
	x := p.Policy.Clone()
	x.ID, x.Type, x.Target, x.Assigner, x.Assignee, x.Timestamp = p.agreement(), policy.Agreement, string(set.ID), string(p.From), string(p.To), now.Format(time.RFC3339)
	doc, err := json.Marshal(x)
	if err != nil {
		return err
	}
	side := hansa.Provider
	if !p.gives() {
		side = hansa.Consumer
	}
	g := negotiation.Agreement{ID: x.ID, Own: p.Own, Other: p.other(), Side: side, Target: x.Target, Hash: x.Hash(), Policy: x, At: now}
	if err := n.deal.negotiations.SaveAgreement(tx, &g, doc); err != nil && hansa.KindOf(err) != hansa.Conflict {
		return err
	}
	p.Agreement = g.ID
	return errors.Join(carries(tx, p, g.ID), n.deal.commit(tx, p.Own, "agreement-made", map[string]any{"agreement": x, "side": side, "accord": p.Accord}))
}

// endAgreement ends own's side of an agreement that carried p.
func (n *Node) endAgreement(tx hansa.Tx, p *pledge, id string) error {
	now := n.wall().UTC()
	return errors.Join(
		n.deal.negotiations.EndAgreement(tx, p.Own, id, now),
		carriesNoMore(tx, p.Own, id, now),
		n.deal.commit(tx, p.Own, "agreement-ended", map[string]any{"agreement": id, "accord": p.Accord, "flow": p.ID, "why": p.Why}),
	)
}

// giveThere is a flow to a party of another node: an offer that it alone sees, and
// the transfers under the agreement that it makes of it by machine.
func (n *Node) giveThere(tx hansa.Tx, a *acts, p *pledge, set *hansa.Dataset) (due time.Time, err error) {
	if err := n.setGiven(tx, a, p, set, false); err != nil {
		return due, err
	}
	if wait := p.Terms.From.Sub(n.clock()); p.stands() && wait > 0 { // shown once its time has come
		return n.wall().Add(min(max(wait, pledgeSoon), pledgeLater)), n.withdrawn(tx, a, p)
	}
	if !p.stands() {
		if err := n.withdrawn(tx, a, p); err != nil {
			return due, err
		}
		return due, n.stopGiving(tx, a, p)
	}
	o := &catalog.Offer{ID: p.offer(), Party: p.Own, Dataset: set.ID, Policy: p.Policy, Automatic: true, To: []hansa.PartyID{p.To}, Limit: p.Limit, Made: p.Since.UTC().Truncate(time.Millisecond)}
	if o.Made.IsZero() {
		o.Made = n.wall().UTC().Truncate(time.Millisecond)
	}
	if err := n.putPledge(tx, p, due); err != nil { // transfers ask for it
		return due, err
	}
	if err := n.catalog.SaveOffer(tx, o); err != nil {
		return due, err
	}
	a.offers = true
	late, err := n.moveTransfers(tx, a, p)
	if late {
		due = n.wall().Add(pledgeSoon)
	}
	return due, err
}

// withdrawn takes the offer of p out of the catalogue, where it is there.
func (n *Node) withdrawn(tx hansa.Tx, a *acts, p *pledge) error {
	a.offers = true
	if err := n.catalog.WithdrawOffer(tx, p.From, p.offer(), n.wall()); err != nil && hansa.KindOf(err) != hansa.NotFound {
		return err
	}
	return nil
}

// receive holds own to a flow that it receives: from this node it reads at the giver,
// from elsewhere the data comes into a dataset of its own.
func (n *Node) receive(tx hansa.Tx, a *acts, p *pledge) (due time.Time, err error) {
	if _, here := n.hostedAs(p.From); here {
		set, err := n.datasetFor(hansa.Actor{Party: p.From}, p.Dataset.Name)
		if err != nil {
			set = nil
		}
		return due, n.agreed(tx, p, set)
	}
	switch p.State {
	case pledgeClosed:
		return due, n.stopTaking(tx, a, p)
	case pledgeRefused:
		return due, nil
	case pledgePaused, pledgeOpen:
	}
	if p.Fills == "" {
		if err := n.fill(tx, a, p); err != nil {
			return due, err
		}
	}
	return n.wall(), nil
}

// alike reports whether what two flows of an accord bring may lie in one dataset: it is
// the same at the giver, and may be kept and passed on alike.
func alike(a, b *pledge) bool {
	return a.Dataset.Name == b.Dataset.Name && a.Dataset.Kind == b.Dataset.Kind && a.Personal == b.Personal && a.Terms.Retention == b.Terms.Retention && a.Terms.Licence == b.Terms.Licence && a.Stays == b.Stays && slices.Equal(a.Onward, b.Onward)
}

// fill makes the own dataset that takes what comes from elsewhere, unless another
// flow of the accord and the same giver has made it.
func (n *Node) fill(tx hansa.Tx, a *acts, p *pledge) error {
	giver := n.party(p.From).Title
	if giver == string(p.From) { // it is no peer yet
		giver = p.Giver
	}
	name := p.Dataset.Name[:min(len(p.Dataset.Name), 24)] + "-from-" + first(slug(giver), "elsewhere")
	mine, err := pledgesFilling(tx, p.Own, name)
	if err != nil {
		return err
	}
	shared := slices.ContainsFunc(mine, func(x *pledge) bool {
		return x.From == p.From && x.Accord == p.Accord && alike(x, p) // one accord may end, and what came by it go, without the other
	})
	_, missing := n.datasetFor(hansa.Actor{Party: p.Own}, name)
	if !shared && (missing == nil || len(mine) > 0) {
		name = name[:min(len(name), 50)] + "-" + string(p.ID[len(p.ID)-12:])
	}
	if p.Fills = name; shared {
		return nil
	}
	d := hansa.Dataset{
		ID: hansa.DatasetID(named("dataset", string(p.Own), name)), Party: p.Own, Name: name, Title: map[string]string{}, Kind: p.Dataset.Kind, Licence: p.Terms.Licence,
		Holder: first(p.Dataset.Holder, giver), Personal: p.Personal, AgeMax: hansa.Duration(time.Duration(p.Terms.Retention) * 24 * time.Hour),
	}
	if p.Dataset.Title != "" {
		mine := n.party(p.Own)
		d.Title[mine.Language()] = p.Dataset.Title
	}
	a.datasets = true
	return n.catalog.SaveDataset(tx, &d)
}
