package accord

import (
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
)

// May lists what by may say, as far as the state tells: whether what it says is right
// is for [State.Step]. Ask it of [State.At] now: what has a last day ends by itself.
func (s *State) May(by hansa.PartyID) (out []Kind) {
	for _, k := range Kinds() {
		if k != Told && s.allows(by, k, s.Taken) == nil {
			out = append(out, k)
		}
	}
	return out
}

// allows reports why by may not say kind at a time, whatever it holds.
func (s *State) allows(by hansa.PartyID, kind Kind, at time.Time) error {
	if kind == Open {
		if s.N > 0 {
			return refused("the accord is open already")
		}
		return nil
	}
	now := s.At(at).State
	switch {
	case s.N == 0:
		return refused("the accord is not open yet: its first entry is open")
	case now == hansa.AccordEnded && kind != Erased:
		return refused("the accord has ended")
	case kind == Join:
		return s.allowsJoin(by)
	case kind == Erased:
		return s.allowsErased(by, now)
	case !s.In(by):
		return hansa.Errorf(hansa.Denied, "%.100s is no party of this accord", by).With(hansa.CodeForbidden).At("/from")
	}
	switch kind {
	case Propose, AcceptClause, RejectClause, Decline, Sign, Withdraw, Serve, EnterIntoForce:
		return s.allowsProposed(by, kind)
	case Suspend, Resume, End, Leave, ConfirmMeasures, Object, Acknowledge, AcceptDelivery, Report:
		return s.allowsInForce(by, kind)
	case Open, Join, Erased, Comment, HandOver, Told, Asks, Answers:
	}
	if kind == HandOver && by != s.Keeper && by != s.Handing {
		return refused("%s keeps this accord: only it hands the keeping over", s.Keeper)
	}
	return nil
}

// allowsProposed is about the version that is proposed.
func (s *State) allowsProposed(by hansa.PartyID, kind Kind) error {
	switch {
	case kind == Propose:
		if s.agreed() {
			return refused("all have signed the present version: it comes into force before another is proposed")
		}
		return nil
	case len(s.Declined) > 0:
		return refused("%s declined this version", s.Declined[0]).WithHint("propose another")
	case !s.pending():
		return refused("no version is proposed that is not in force")
	case kind == EnterIntoForce && by != s.Keeper:
		return refused("%s keeps this accord: only it says when the accord is in force", s.Keeper)
	case kind == EnterIntoForce && !s.agreed():
		return refused("the signature of %s is missing", s.Missing()[0])
	case kind == EnterIntoForce:
		return nil
	case s.agreed():
		return refused("all have signed this version: it binds")
	case !slices.Contains(s.Asked.Parties, by) && !s.bound(by):
		return refused("the proposed version has %s for no party", by)
	}
	signed := slices.ContainsFunc(s.Signatures, func(g Signature) bool { return g.Party == by })
	switch {
	case signed && (kind == Sign || kind == AcceptClause || kind == RejectClause || kind == Decline):
		return refused("%s has signed this version", by)
	case kind == Sign && by == s.Asked.Served:
		return refused("the duty is not signed by its authority, but served").WithHint("serve it, with the notice")
	case kind == Serve && by != s.Asked.Served:
		return refused("only the authority of a duty that binds by service serves it")
	case kind == Serve && s.Force != "" && by != s.Bound.Served:
		return refused("what is in force is no duty to %s", by)
	case kind == Decline && s.Asked.Served != "" && by != s.Asked.Served:
		return refused("a duty binds by its service, and is not declined").WithHint("object to it once it is served")
	case kind == Decline && by == s.Proposer:
		return refused("who proposed a version does not decline it").WithHint("withdraw it")
	case kind == Withdraw && s.Force == "" && by != s.Opener:
		return refused("only %s, which opened the accord, takes it back", s.Opener)
	case kind == Withdraw && s.Force != "" && by != s.Proposer:
		return refused("only %s, which proposed this version, takes it back", s.Proposer)
	}
	return nil
}

// allowsInForce is about the version in force.
func (s *State) allowsInForce(by hansa.PartyID, kind Kind) error {
	switch {
	case s.Force == "" && kind == Object && s.Service != nil:
		return nil
	case s.Force == "":
		return refused("the accord is not in force yet")
	case !s.bound(by):
		return refused("%s is no party of the version in force", by)
	}
	pool := s.Bound.Model == hansa.ModelPool
	switch {
	case kind == Suspend && !s.gives(by, ""):
		return refused("%s gives nothing under this accord that it could stop", by)
	case kind == Resume && !slices.ContainsFunc(s.Suspended, func(x Suspension) bool { return x.Party == by }):
		return refused("nothing that %s gives stands still", by)
	case kind == End && s.Bound.Served != "" && by != s.Bound.Served && slices.Contains(s.Known, by):
		return refused("%s served this duty: only it ends it", s.Bound.Served).WithHint("object to it, or suspend what you give")
	case kind == Acknowledge && s.Bound.Served == "":
		return refused("this accord binds by its signatures: nothing was served")
	case kind == Acknowledge && s.Consents(by):
		return refused("%s has said yes to this version already", by)
	case kind == End && pool && by != s.Opener && (by != s.Keeper || s.bound(s.Opener)):
		return refused("a pool goes on without a member").WithHint("leave it: that ends your own flows and no other's")
	case kind == AcceptDelivery && !s.receives(by, ""):
		return refused("%s receives nothing under this accord", by)
	case kind == Leave && !pool:
		return refused("only a pool is left by one alone").WithHint("end the accord")
	case kind == Leave && by == s.Keeper:
		return refused("%s keeps the pool", by).WithHint("hand the keeping over before you leave")
	case kind == Object && (s.Service == nil || by == s.Bound.Served):
		return refused("an objection is to what another party served")
	case kind == ConfirmMeasures && !slices.ContainsFunc(s.Bound.Flows, func(f Line) bool { return f.Marked }) && len(s.Members) == 0:
		return refused("no field of this accord is marked")
	}
	return nil
}

func (s *State) allowsJoin(by hansa.PartyID) error {
	switch {
	case s.Force == "":
		return refused("the accord is not in force yet")
	case s.Bound.Model != hansa.ModelPool:
		return refused("only a pool is joined").WithHint("propose a version that names the new party")
	case slices.Contains(s.Bound.Parties, by):
		return refused("%s is a party of the text", by)
	case s.member(by):
		return refused("%s is a member already", by)
	case len(s.Members) >= MembersMax:
		return refused("a pool has had %d members, as many as may be", MembersMax).WithHint("propose a version that names those that are in")
	}
	return nil
}

func (s *State) allowsErased(by hansa.PartyID, now hansa.AccordState) error {
	was := slices.Contains(s.Bound.Parties, by) || slices.ContainsFunc(s.Members, func(m Member) bool { return m.Party.ID == by })
	switch {
	case !was:
		return hansa.Errorf(hansa.Denied, "%.100s is no party of this accord", by).With(hansa.CodeForbidden).At("/from")
	case now != hansa.AccordEnded && !slices.ContainsFunc(s.Members, func(m Member) bool { return !m.Left.IsZero() }):
		return refused("the exit rule begins when the accord has ended, or a member has left")
	}
	return nil
}

// gives reports whether by gives a flow under what is in force; empty is any.
func (s *State) gives(by hansa.PartyID, flow hansa.FlowID) bool {
	if slices.ContainsFunc(s.Bound.Flows, func(f Line) bool { return f.From == by && (flow == "" || f.ID == flow) }) {
		return true
	}
	for i := range s.Members {
		m := &s.Members[i]
		if m.Party.ID == by && m.Left.IsZero() && slices.ContainsFunc(m.Gives, func(f Flow) bool { return flow == "" || f.ID == flow }) {
			return true
		}
	}
	return false
}

// receives reports whether by receives a flow under what is in force; empty is any.
func (s *State) receives(by hansa.PartyID, flow hansa.FlowID) bool {
	if slices.ContainsFunc(s.Bound.Flows, func(f Line) bool {
		return f.From != by && (f.To == by || f.To == Members) && (flow == "" || f.ID == flow)
	}) {
		return true
	}
	for i := range s.Members {
		m := &s.Members[i]
		if m.Party.ID != by && m.Left.IsZero() && slices.ContainsFunc(m.Gives, func(f Flow) bool { return flow == "" || f.ID == flow }) {
			return true
		}
	}
	return false
}

func refused(format string, args ...any) *hansa.Error {
	return hansa.Errorf(hansa.Conflict, format, args...)
}
