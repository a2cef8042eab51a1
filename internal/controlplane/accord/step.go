package accord

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// MembersMax bounds the members of a pool that ever joined.
const MembersMax = 200

// Effect is what an entry asks of each node: see [Force], [Stop], [Go], [ExitBegins],
// [MemberIn], [MemberOut], [Measures] and [Ending]. That the entry is told to all goes without saying.
type Effect interface{ effect() }

// Force puts a version in force from a time on, in the place of any other.
type Force struct {
	Hash string
	From time.Time
}

// Stop stands a party's giving still: one flow of the text, or all.
type Stop struct {
	Party hansa.PartyID
	Flow  hansa.FlowID // empty is all
	Final bool         // for ever
}

// Go lets a party's giving go on.
type Go struct {
	Party hansa.PartyID
	Flow  hansa.FlowID // empty is all
}

// ExitBegins starts the exit rule: keep, return or erase.
type ExitBegins struct {
	Rule  string
	Party hansa.PartyID // that left a pool; empty is all
}

// MemberIn starts the flows of one that joined.
type MemberIn struct{ Member Member }

// MemberOut ends the flows of one that left, and no other's.
type MemberOut struct{ Party hansa.PartyID }

// Measures lets the marked fields of a flow go to a receiver, which confirmed them.
type Measures struct {
	Flow hansa.FlowID
	By   hansa.PartyID
}

// Ending bounds all flows by a last day.
type Ending struct{ Day string }

func (Force) effect()      {}
func (Stop) effect()       {}
func (Go) effect()         {}
func (ExitBegins) effect() {}
func (MemberIn) effect()   {}
func (MemberOut) effect()  {}
func (Measures) effect()   {}
func (Ending) effect()     {}

// Outline returns what the machine needs to know of t, which is valid.
func (t *Text) Outline() Outline {
	o := Outline{Version: t.Version, Model: t.Model, Clauses: len(t.Clauses), Zone: t.Term.Zone, Notice: t.Term.Notice, Exit: t.Term.Exit, Clocks: t.clocks()}
	for i := range t.Parties {
		o.Parties = append(o.Parties, t.Parties[i].ID)
	}
	for i := range t.Flows {
		f := &t.Flows[i]
		o.Flows = append(o.Flows, Line{ID: f.ID, From: f.From, To: f.To, Marked: len(f.Marked) > 0, Marks: marks(f.Marked)})
	}
	if t.Basis != nil && t.Basis.Served {
		o.Served = t.Basis.Authority
	}
	_, o.Ends, _ = t.Term.span() // it is valid: see Read
	return o
}

// marks is a digest of the marked fields of a flow; empty of none.
func marks(list []Mark) string {
	if len(list) == 0 {
		return ""
	}
	b, err := json.Marshal(list, json.Deterministic(true))
	if err != nil { // they are texts
		return "unreadable"
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Step returns the state after an entry, and what it asks of each node. e is the next
// entry of s and m the message in it, whose signatures the caller found good. t is the
// text that open or propose brings; no other kind needs one. It reads nothing else, so
// the same entries come to the same state on every node; s stays as it was. An entry
// that may not follow is an error: Invalid, Denied or Conflict, in words for its
// sender. A zero State, and a draft, begin with open.
func (s State) Step(e *Entry, m *Message, t *Text) (State, []Effect, error) {
	if err := s.follows(e, m); err != nil {
		return s, nil, err
	}
	n := s.clone()
	if err := n.allows(m.From, m.Kind, e.At); err != nil {
		return s, nil, err
	}
	if err := n.stands(m); err != nil {
		return s, nil, err
	}
	w := step{State: &n, e: e, m: m, t: t}
	if now := n.At(e.At); now.State == hansa.AccordEnded && n.State != now.State { // its last day is over
		n, w.effects = now, []Effect{ExitBegins{Rule: n.Bound.Exit}}
	}
	do, known := moves[m.Kind]
	if !known {
		return s, nil, hansa.Fielded("/kind", "an entry does not hold a message of the kind %.60q", m.Kind)
	}
	if err := do(&w); err != nil {
		return s, nil, err
	}
	n.N, n.Head, n.Taken = e.N, e.Hash(), e.At
	n.turn(e.At)
	return n, w.effects, nil
}

// step is a step on its way.
type step struct {
	*State
	e       *Entry
	m       *Message
	t       *Text
	effects []Effect
}

var moves = map[Kind]func(*step) error{
	Open: (*step).open, Propose: (*step).propose, Comment: (*step).comment, AcceptClause: (*step).verdict, RejectClause: (*step).verdict,
	Decline: (*step).decline, Sign: (*step).sign, Withdraw: (*step).withdraw, Serve: (*step).serve, Object: (*step).object, Acknowledge: (*step).acknowledge,
	EnterIntoForce: (*step).enter, Suspend: (*step).suspend, Resume: (*step).resume, End: (*step).end, Erased: (*step).erased,
	Join: (*step).join, Leave: (*step).leave, ConfirmMeasures: (*step).confirm, AcceptDelivery: (*step).tested, Report: (*step).report, HandOver: (*step).handOver,
}

// follows reports whether e is the next entry of s.
func (s *State) follows(e *Entry, m *Message) error {
	switch {
	case e.N != s.N+1:
		return hansa.Errorf(hansa.Conflict, "entry %d does not follow entry %d", e.N, s.N).At("/n")
	case e.Before != s.Head:
		return hansa.Errorf(hansa.Conflict, "entry %d names another entry before it than entry %d", e.N, s.N).At("/before")
	case e.At.IsZero() || e.At.Before(s.Taken):
		return hansa.Fielded("/at", "an entry is not older than the entry before it")
	case s.ID != "" && m.Accord != s.ID:
		return hansa.Fielded("/accord", "the message is about the accord %.60q, not %s", m.Accord, s.ID)
	}
	return nil
}

// stands reports whether m stands on the version that its kind is about.
func (s *State) stands(m *Message) error {
	want := s.Proposed
	switch {
	case m.Kind == Open || m.Base == s.Force && (m.Kind == HandOver || m.Kind == Comment):
		return nil
	case s.Force != "" && slices.Contains([]Kind{Suspend, Resume, End, Erased, Join, Leave, ConfirmMeasures, Object, Acknowledge, AcceptDelivery, Report}, m.Kind):
		want = s.Force
	}
	if m.Base != want {
		return hansa.Errorf(hansa.Conflict, "the present version is %.16s…; this stands on %.16s…", want, m.Base).At("/base").WithHint("see what changed, and do it again on the present version")
	}
	return nil
}

// clone returns a copy of s that shares nothing that a step changes.
func (s *State) clone() State {
	n := *s
	n.Acknowledged, n.Known, n.Reports, n.Tested = slices.Clone(s.Acknowledged), slices.Clone(s.Known), slices.Clone(s.Reports), slices.Clone(s.Tested)
	n.Turn, n.Signatures, n.InForce, n.Verdicts = slices.Clone(s.Turn), slices.Clone(s.Signatures), slices.Clone(s.InForce), slices.Clone(s.Verdicts)
	n.Suspended, n.Members, n.Confirmed, n.Erasures, n.Declined = slices.Clone(s.Suspended), slices.Clone(s.Members), slices.Clone(s.Confirmed), slices.Clone(s.Erasures), slices.Clone(s.Declined)
	return n
}

// pending reports whether a version is proposed that is not in force, and not dead.
func (s *State) pending() bool {
	return s.State != hansa.AccordEnded && s.Proposed != "" && s.Proposed != s.Force && len(s.Declined) == 0
}

// agreed reports whether all have signed the version that is proposed.
func (s *State) agreed() bool { return s.pending() && len(s.Missing()) == 0 }

// Missing lists the parties whose signature or service the proposed version lacks.
func (s *State) Missing() (out []hansa.PartyID) {
	need := slices.Clone(s.Asked.Parties)
	for _, id := range s.Bound.Parties { // whom the version in force binds is not put out of it unasked
		if !slices.Contains(need, id) {
			need = append(need, id)
		}
	}
	for i := range s.Members {
		if m := &s.Members[i]; m.Left.IsZero() && !slices.Contains(need, m.Party.ID) {
			need = append(need, m.Party.ID)
		}
	}
	if s.Asked.Served != "" {
		if s.Notice != nil {
			return nil
		}
		need = []hansa.PartyID{s.Asked.Served}
	}
	for _, id := range need {
		if !slices.ContainsFunc(s.Signatures, func(g Signature) bool { return g.Party == id }) && !s.left(id) {
			out = append(out, id)
		}
	}
	return out
}

// turn says whose turn it is: of those whose signature is missing, the proposer last.
func (s *State) turn(at time.Time) {
	var now []hansa.PartyID
	if s.pending() {
		now = s.Missing()
		if len(now) > 1 {
			now = slices.DeleteFunc(now, func(id hansa.PartyID) bool { return id == s.Proposer })
		}
	}
	if !slices.Equal(now, s.Turn) {
		s.Turn, s.TurnSince = now, at
	}
}

// left reports whether a party of the text left a pool.
func (s *State) left(id hansa.PartyID) bool {
	return slices.ContainsFunc(s.Members, func(m Member) bool { return m.Party.ID == id && !m.Left.IsZero() })
}

// member reports whether id joined a pool and is in it.
func (s *State) member(id hansa.PartyID) bool {
	return slices.ContainsFunc(s.Members, func(m Member) bool { return m.Party.ID == id && m.Left.IsZero() })
}

// In reports whether id is a party or a member: of what is in force, or of what is
// proposed.
func (s *State) In(id hansa.PartyID) bool {
	return s.member(id) || !s.left(id) && (slices.Contains(s.Asked.Parties, id) || slices.Contains(s.Bound.Parties, id))
}

// bound reports whether id is a party or a member of what is in force.
func (s *State) bound(id hansa.PartyID) bool {
	return s.member(id) || !s.left(id) && slices.Contains(s.Bound.Parties, id)
}

// Consents reports whether id has itself said yes to what is in force: by its signature,
// by serving it, or by knowing who served it as the authority. A duty binds without; but
// nothing of id's leaves before, for anybody can say that they are an authority.
func (s *State) Consents(id hansa.PartyID) bool {
	return s.Bound.Served == "" || id == s.Bound.Served || s.member(id) || slices.Contains(s.Acknowledged, id) ||
		slices.ContainsFunc(s.InForce, func(g Signature) bool { return g.Party == id })
}

// Binds reports whether one of names is a party or a member of what is in force.
func (s *State) Binds(names ...hansa.PartyID) bool { return slices.ContainsFunc(names, s.bound) }

// to moves s to a state.
func (s *State) to(state hansa.AccordState, at time.Time) {
	if s.State != state {
		s.State, s.Since = state, at
	}
}

// At returns how s stands at now, for people to read: what was signed for later is
// signed until then, and what had a last day has ended after it. It is not stored:
// entries alone make the state that [State.Step] goes on from.
func (s State) At(now time.Time) State {
	switch {
	case s.State != hansa.AccordInForce && s.State != hansa.AccordSuspended:
	case !s.Ends.IsZero() && !now.Before(s.Ends):
		s.State, s.End, s.Since, s.Turn = hansa.AccordEnded, hansa.EndEnded, s.Ends, nil
	case now.Before(s.Effect):
		s.State = hansa.AccordSigned
	}
	return s
}
