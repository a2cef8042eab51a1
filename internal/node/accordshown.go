package node

import (
	"slices"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// shown is own's copy for people and programs.
func (x *accords) shown(tx hansa.Tx, own hansa.PartyID, s *accord.State) (out api.AccordDetail, err error) {
	t, err := x.texts(tx, own, s)
	if err != nil {
		return out, err
	}
	parties := slices.Clone(t.proposed.Parties)
	if t.force != nil {
		parties = append(parties, t.force.Parties...)
	}
	if out.Accord, err = x.listed(tx, &accord.Row{Own: own, State: s, Title: t.proposed.Title, Model: t.proposed.Model, Parties: parties}, nil); err != nil {
		return out, err
	}
	return out, x.detail(tx, own, s, t, &out)
}

// listed is own's copy in short.
func (x *accords) listed(tx hansa.Tx, r *accord.Row, u *unsettled) (out api.Accord, err error) {
	s := r.State
	names := slices.Concat([]hansa.PartyID{s.Keeper}, s.Asked.Parties, s.Bound.Parties, partiesOf(s))
	me, now := x.me(r.Own, names), s.At(x.n.clock())
	out = api.Accord{
		ID: s.ID, Party: x.n.party(r.Own).Name, Me: me, Title: r.Title, Model: r.Model, State: now.State, Since: now.Since, End: now.End, EndedBy: s.EndedBy, Reason: s.Reason, Keeper: s.Keeper, Handing: s.Handing, Opener: s.Opener,
		Version: s.Version, Proposed: s.Proposed, Force: s.Force, Effect: s.Effect, N: s.N, Head: s.Head, Turn: nonNil(now.Turn), Mine: slices.Contains(now.Turn, me), TurnSince: s.TurnSince, Due: shownDues(s.Dues(x.n.clock()), x.n.clock()),
	}
	if out.May, err = x.may(tx, r.Own, s, me, u); err != nil {
		return out, err
	}
	if out.Parties, err = x.shownParties(tx, r, me, u); err != nil {
		return out, err
	}
	if out.Sent = []api.AccordSent{}; u == nil || u.sent[s.ID] {
		out.Sent, err = x.shownSent(tx, r.Own, s)
	}
	return out, err
}

// may is what me may do now. A draft is opened. What stands still, and what does not, is
// so by own's word too, which the keeper has not numbered yet.
func (x *accords) may(tx hansa.Tx, own hansa.PartyID, s *accord.State, me hansa.PartyID, u *unsettled) ([]accord.Kind, error) {
	if s.N == 0 {
		return []accord.Kind{accord.Open}, nil
	}
	now := s.May(me)
	giving := now
	if u == nil || u.sent[s.ID] {
		ahead, err := x.foreseen(tx, own, s)
		if err != nil {
			return nil, err
		}
		giving = ahead.May(me)
	}
	out := []accord.Kind{}
	for _, k := range accord.Kinds() {
		may := now
		if k == accord.Suspend || k == accord.Resume {
			may = giving
		}
		if slices.Contains(may, k) && slices.Contains(accordActs, k) {
			out = append(out, k)
		}
	}
	return out, nil
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (x *accords) shownParties(tx hansa.Tx, r *accord.Row, me hansa.PartyID, u *unsettled) (out []api.AccordParty, err error) {
	s := r.State
	for i := range r.Parties {
		p := &r.Parties[i]
		if !slices.ContainsFunc(out, func(o api.AccordParty) bool { return o.ID == p.ID }) {
			out = append(out, api.AccordParty{ID: p.ID, Title: p.Title, Role: p.Role})
		}
	}
	for i := range s.Members {
		m := &s.Members[i]
		j := slices.IndexFunc(out, func(o api.AccordParty) bool { return o.ID == m.Party.ID })
		if j < 0 {
			out, j = append(out, api.AccordParty{ID: m.Party.ID, Title: m.Party.Title, Role: m.Party.Role}), len(out)
		}
		out[j].Member, out[j].Left = !m.Joined.IsZero(), m.Left
	}
	for i := range out {
		p := &out[i]
		if j := slices.IndexFunc(s.Signatures, func(g accord.Signature) bool { return g.Party == p.ID }); j >= 0 {
			p.Signed = s.Signatures[j].At
		}
		p.Suspended = slices.ContainsFunc(s.Suspended, func(u accord.Suspension) bool { return u.Party == p.ID })
		if s.Keeper == me && p.ID != me && (u == nil || u.stuck[accordProcess(r.Own, p.ID, s.ID)]) {
			if p.Stuck, err = x.stuck(tx, r.Own, p.ID, s.ID); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// stuck is why what own says to another does not arrive; empty when nothing waits.
func (x *accords) stuck(tx hansa.Tx, own, other hansa.PartyID, id hansa.AccordID) (string, error) {
	l, err := x.n.deal.outbox.Stuck(tx, accordProcess(own, other, id))
	if err != nil || l == nil {
		return "", err
	}
	return first(l.Reason, "there was no answer"), nil
}

func (x *accords) shownSent(tx hansa.Tx, own hansa.PartyID, s *accord.State) ([]api.AccordSent, error) {
	list, err := sents(tx, own, s.ID, "", accordSentShownMax)
	if err != nil {
		return nil, err
	}
	out := []api.AccordSent{}
	stuck := ""
	for _, one := range list {
		if one.state == sentTaken {
			continue
		}
		if one.state == sentWaits && stuck == "" {
			if stuck, err = x.stuck(tx, own, s.Keeper, s.ID); err != nil {
				return nil, err
			}
		}
		v := api.AccordSent{ID: one.id, Kind: one.kind, At: one.at, State: one.state, Reason: one.reason, Hint: one.hint}
		if one.state == sentWaits {
			v.Stuck = stuck
		}
		out = append(out, v)
	}
	return out, nil
}

// detail adds what an accord says and how it stands.
func (x *accords) detail(tx hansa.Tx, own hansa.PartyID, s *accord.State, t basis, out *api.AccordDetail) (err error) {
	if out.Text, err = t.proposed.Canonical(); err != nil {
		return err
	}
	if t.force != nil && t.force != t.proposed {
		if out.InForce, err = t.force.Canonical(); err != nil {
			return err
		}
	}
	out.Signatures, out.Findings = nonNil(s.Signatures), nonNil(append(accord.CheckModel(t.proposed), s.CheckMembers()...))
	if s.Proposed == s.Force && s.Force != "" {
		out.Signatures = nonNil(s.InForce)
	}
	out.Verdicts, out.Confirmed, out.Erasures, out.Suspended = []api.AccordVerdict{}, []api.AccordConfirmation{}, []api.AccordErasure{}, []api.AccordSuspension{}
	for _, v := range s.Verdicts {
		out.Verdicts = append(out.Verdicts, api.AccordVerdict(v))
	}
	for _, c := range s.Confirmed {
		out.Confirmed = append(out.Confirmed, api.AccordConfirmation(c))
	}
	out.Reports, out.Tested = []api.AccordReport{}, []api.AccordTested{}
	for _, r := range s.Reports {
		out.Reports = append(out.Reports, api.AccordReport(r))
	}
	for _, x := range s.Tested {
		out.Tested = append(out.Tested, api.AccordTested(x))
	}
	for _, e := range s.Erasures {
		out.Erasures = append(out.Erasures, api.AccordErasure{By: e.By, Erasure: e.Erasure})
	}
	seen, err := x.asItStands(tx, own, s)
	if err != nil {
		return err
	}
	for _, u := range seen.Suspended {
		out.Suspended = append(out.Suspended, api.AccordSuspension{Party: u.Party, Flow: u.Flow, At: u.At, Words: u.Words, Unconfirmed: !slices.Contains(s.Suspended, u)})
	}
	out.Service, out.Objection, out.Acknowledged, out.Until = s.Service, s.Objection, s.Acknowledged, s.Until
	if s.Early && t.force != nil {
		out.Early = &api.AccordEarly{Notice: t.force.Term.Notice}
		out.Early.Clause, out.Early.Allowed = t.force.Early()
	}
	out.Owed, out.Erasing, err = x.n.owed(tx, own, s, t.force)
	return err
}
