package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// binding are the acts that a signature goes with.
var binding = []accord.Kind{accord.Sign, accord.Join, accord.Leave, accord.End, accord.Serve, accord.HandOver}

// talking are the acts that bind nobody: counsel may do them too.
var talking = []accord.Kind{accord.Comment, accord.Propose, accord.AcceptClause, accord.RejectClause}

// accordActs are the acts of people; the others are the keeper's node's own.
var accordActs = []accord.Kind{
	accord.Open, accord.Propose, accord.Comment, accord.AcceptClause, accord.RejectClause, accord.Decline, accord.Sign, accord.Withdraw, accord.Serve, accord.Object, accord.Suspend, accord.Resume, accord.End,
	accord.Erased, accord.Join, accord.Leave, accord.ConfirmMeasures, accord.HandOver, accord.Acknowledge, accord.AcceptDelivery, accord.Report,
}

// mayAct is an error unless by may do an act for its party: a person by its roles, a
// program by the right to manage.
func (x *accords) mayAct(ctx context.Context, by hansa.Actor, kind accord.Kind) error {
	if admin(by) || by.User == "" && by.May(hansa.RightManage) {
		return nil
	}
	roles := []hansa.UserRole{hansa.RoleSignatory}
	switch {
	case slices.Contains(talking, kind):
		roles = append(roles, hansa.RoleCounsel, hansa.RoleSteward, hansa.RoleOperator, hansa.RoleAdministrator)
	case !slices.Contains(binding, kind):
		roles = append(roles, hansa.RoleSteward, hansa.RoleOperator, hansa.RoleAdministrator)
	}
	if by.User != "" {
		u, err := x.n.trust.User(ctx, by.User)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(u.Roles, func(r hansa.UserRole) bool { return slices.Contains(roles, r) }) {
			return nil
		}
	}
	return hansa.Errorf(hansa.Denied, "%s is for %s, or a program that may manage", kind, strings.Join(names(roles), ", ")).With(hansa.CodeForbidden)
}

// saying is an act under way.
type saying struct {
	own  hansa.Party
	by   hansa.Actor
	kind accord.Kind
	a    *api.AccordAct
	s    *accord.State
	t    basis
	me   hansa.PartyID
}

// begin reads what an act stands on.
func (x *accords) begin(ctx context.Context, by hansa.Actor, id hansa.AccordID, kind accord.Kind, a *api.AccordAct) (*saying, error) {
	if !slices.Contains(accordActs, kind) {
		return nil, hansa.Errorf(hansa.NotFound, "an accord knows no act %.40q of a person", kind).WithHint("acts: " + strings.Join(names(accordActs), ", "))
	}
	own, err := x.n.partyFor(by, a.Party)
	if err != nil {
		return nil, err
	}
	if err := x.mayAct(ctx, by, kind); err != nil {
		return nil, err
	}
	y := &saying{own: own, by: by, kind: kind, a: a}
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		if y.s, err = x.book.Get(tx, own.ID, id); err != nil {
			return err
		}
		y.t, err = x.texts(tx, own.ID, y.s)
		return err
	})
	if hansa.KindOf(err) == hansa.NotFound && err != nil && kind == accord.Join {
		err = x.stranger(y, id)
	}
	if err != nil {
		return nil, err
	}
	if y.me = x.me(own.ID, partiesOf(y.s, y.t.proposed, y.t.force)); y.me == "" {
		if kind != accord.Join {
			return nil, noAccord(id)
		}
		y.me = hansa.PartyID(x.n.did(own))
	}
	return y, nil
}

// stranger stands for the copy that a party has not, which asks to join: it brings the
// text, and says who keeps it.
func (*accords) stranger(y *saying, id hansa.AccordID) error {
	if len(y.a.Text) == 0 || y.a.Keeper == "" {
		return hansa.Public(noAccord(id)).WithHint("to join one that you have no copy of, bring its text and say who keeps it: hansa accords join FILE --keeper DID")
	}
	t, err := readText(y.a.Text)
	if err != nil {
		return err
	}
	if t.ID != id {
		return hansa.Fielded("/text/id", "the text is of the accord %s", t.ID)
	}
	hash, err := t.Hash()
	y.s, y.t = &accord.State{ID: id, Keeper: y.a.Keeper, Proposed: hash, Force: hash, State: hansa.AccordInForce}, basis{t, t}
	return err
}

// message is what an act comes to, without a signature.
func (x *accords) message(y *saying) (*accord.Message, error) {
	now := x.n.wall().UTC().Truncate(time.Millisecond)
	a := y.a
	m := &accord.Message{FormatVersion: accord.MessageFormat, ID: hansa.NewID(now), From: y.me, To: y.s.Keeper, Accord: y.s.ID, Base: y.s.Proposed, Kind: y.kind, At: now}
	if under := y.s.Force; under != "" && !slices.Contains(spokenOfProposal, y.kind) {
		m.Base = under
	}
	if a.Base != "" && a.Base != m.Base {
		return nil, stale("the present version is %.16s…, not %.16s…", m.Base, a.Base)
	}
	b := &m.Body
	switch y.kind {
	case accord.Open:
		canonical, err := y.t.proposed.Canonical()
		if err != nil {
			return nil, err
		}
		m.Base, b.Text, b.Invitation = "", canonical, a.Invitation
	case accord.Propose:
		text, err := x.proposal(y)
		if err != nil {
			return nil, err
		}
		b.Text, b.Words = text, a.Words
	case accord.AcceptDelivery:
		if t := y.t.holds(); t != nil { // by its name too
			for i := range t.Flows {
				if t.Flows[i].Name == string(a.Flow) {
					a.Flow = t.Flows[i].ID
				}
			}
		}
		b.Flow, b.Refused, b.Words = a.Flow, a.Refused, a.Words
	case accord.Comment, accord.AcceptClause, accord.RejectClause, accord.Report:
		b.Clause, b.Words = a.Clause, a.Words
	case accord.Decline, accord.Withdraw, accord.Leave:
		b.Words = a.Words
	case accord.Suspend, accord.Resume, accord.ConfirmMeasures:
		b.Flow, b.Words = a.Flow, a.Words
	case accord.End:
		if err := notLongAgo(y.t.holds(), a.Notice, now); err != nil {
			return nil, err
		}
		b.Notice, b.Words = a.Notice, a.Words
	case accord.Acknowledge:
		if err := signable(y.t.holds()); err != nil { // what was served to it
			return nil, err
		}
		b.Words = a.Words
	case accord.Serve, accord.Object:
		if k := y.own.Kind; y.kind == accord.Serve && k != hansa.City && k != hansa.PublicBody {
			return nil, hansa.Errorf(hansa.Denied, "a duty is served by a public body: %s is none here", y.own.Title).With(hansa.CodeForbidden).WithHint("choose another model, which binds by signatures")
		}
		if a.Service != nil && strings.TrimSpace(a.Service.Reference) == "" {
			return nil, hansa.Fielded("/service/reference", "a notice has a reference by which it is found: a number, a date, a page")
		}
		b.Service, b.Words = a.Service, a.Words
	case accord.Erased:
		b.Erasure, b.Words = a.Erasure, a.Words
	case accord.Join:
		b.Gives, b.Member = a.Gives, x.member(y)
	case accord.HandOver:
		if b.Keeper = a.Keeper; b.Keeper == "" { // who takes over signs the same
			if y.s.Handing != y.me {
				return nil, hansa.Fielded("/keeper", "name who is to keep the accord; left out, you take over what was offered to you, and nothing is").WithHint("hansa accords hand-over " + string(y.s.ID) + " --to DID")
			}
			b.Keeper = y.me
		}
	case accord.Sign, accord.EnterIntoForce, accord.Told, accord.Asks, accord.Answers: // a signature alone, or no act of a person
	}
	return m, nil
}

// notLongAgo is an error for a last day that was over, everywhere, before yesterday
// began anywhere: a day that is yesterday in some zone is taken, in whatever zone the
// accord counts. What is no day is refused by the machine.
func notLongAgo(t *accord.Text, day string, now time.Time) error {
	zone, err := time.LoadLocation(t.Term.Zone)
	if err != nil {
		return err
	}
	if _, bad := time.Parse(time.DateOnly, day); bad == nil && day < now.Add(-lastZone).AddDate(0, 0, -1).UTC().Format(time.DateOnly) {
		return hansa.Fielded("/notice", "the last day lies in the past: %s", day).WithHint("give today, " + now.In(zone).Format(time.DateOnly) + ", and it ends at once; or a later day")
	}
	return nil
}

// lastZone is how far behind UTC the last zone is in which a day ends.
const lastZone = 12 * time.Hour

// spokenOfProposal are the acts that are about the newest version, whatever is in force.
var spokenOfProposal = []accord.Kind{accord.Open, accord.Propose, accord.Comment, accord.AcceptClause, accord.RejectClause, accord.Decline, accord.Sign, accord.Withdraw, accord.Serve}

// member is own as it joins a pool.
func (*accords) member(y *saying) *accord.Party {
	p := y.own
	return &accord.Party{ID: y.me, Title: p.Title, Kind: p.Kind, Role: hansa.RoleBoth}
}

// proposal is the text of a new version, in its place in the chain of versions.
func (*accords) proposal(y *saying) ([]byte, error) {
	t, err := readText(y.a.Text)
	if err != nil {
		return nil, err
	}
	t.ID, t.Version, t.Supersedes = y.s.ID, y.t.proposed.Version+1, y.s.Proposed
	if err := t.Validate(); err != nil {
		return nil, hansa.Public(err).At("/text" + hansa.Public(err).Field)
	}
	if err := changes(t, y.t.proposed); err != nil {
		return nil, err
	}
	return t.Canonical()
}

// bind adds the signature to a message that needs one: by the key that this node holds
// for its party, or the one that the party brings.
func (x *accords) bind(ctx context.Context, y *saying, m *accord.Message) error {
	if !slices.Contains(binding, y.kind) {
		return nil
	}
	text := y.t.proposed
	if m.Base != y.s.Proposed {
		text = y.t.force
	}
	if y.kind == accord.Sign || y.kind == accord.Serve {
		if err := signable(text); err != nil {
			return err
		}
	}
	canonical, err := text.Canonical()
	if err != nil {
		return err
	}
	about := ""
	if y.kind != accord.Sign {
		if about, err = m.Body.Digest(); err != nil {
			return err
		}
	}
	s := y.a.Signature
	if s == nil {
		made, err := x.n.signAccord(ctx, y.me, canonical, accord.Signature{Act: y.kind, About: about, Role: y.a.Role, Power: y.a.Power})
		if err != nil {
			return err
		}
		s = &made
	}
	m.Body.Signature = s
	return nil
}

// signable is an error when a rule of the model is broken: the first, with its place.
func signable(t *accord.Text) error {
	return accord.Refusal(accord.CheckModel(t))
}

// say sends a message to the keeper. Where it lives here, it is numbered at once. Else
// it is on its way, and the copy changes when the entry comes back; but own's giving
// stops at once.
func (x *accords) say(ctx context.Context, y *saying, m *accord.Message) error {
	m.Checkpoint = x.checkpoint(ctx)
	key, err := x.messageKey(ctx, y.own.ID)
	if err != nil {
		return err
	}
	h, err := signedMessage(key, m)
	if err != nil {
		return err
	}
	if y.s.N == 0 {
		h.over = y.t.proposed
	}
	if err := x.proveSignatures(ctx, y.own.ID, h, x.n.wall()); err != nil {
		return err
	}
	p, here := x.n.hostedAs(m.To)
	if here {
		key, err := x.messageKey(ctx, p.ID)
		if err != nil {
			return err
		}
		return x.write(ctx, func(tx hansa.Tx, w *work) error {
			if err := errors.Join(x.there(tx, y), x.said(tx, y, m)); err != nil {
				return err
			}
			_, err := x.number(tx, w, numberer{p.ID, key}, h)
			return err
		})
	}
	return x.write(ctx, func(tx hansa.Tx, w *work) error {
		if err := errors.Join(x.there(tx, y), x.said(tx, y, m)); err != nil {
			return err
		}
		if err := keepContact(tx, y.own.ID, contact{party: m.To, how: contactOwn}, x.n.wall()); err != nil {
			return err
		}
		return x.sendOff(tx, w, y, h)
	})
}

// there is an error when a draft that is sent was changed or thrown away meanwhile.
func (x *accords) there(tx hansa.Tx, y *saying) error {
	if y.kind != accord.Open {
		return nil
	}
	s, err := x.book.Get(tx, y.own.ID, y.s.ID)
	if err == nil && s.Proposed != y.s.Proposed {
		err = stale("the draft says %.16s… now, not %.16s…", s.Proposed, y.s.Proposed)
	}
	return err
}

// said journals who of the party said it: the message names no person.
func (x *accords) said(tx hansa.Tx, y *saying, m *accord.Message) error {
	return x.n.act(tx, y.by, y.own.ID, "accord-said", map[string]any{"accord": m.Accord, "message": m.ID, "kind": m.Kind})
}

// sendOff puts a message on its way to a keeper elsewhere.
func (x *accords) sendOff(tx hansa.Tx, w *work, y *saying, h *heard) error {
	own := y.own.ID
	if err := x.n.deal.outbox.Room(h.m.To); err != nil && h.m.Kind != accord.Suspend && h.m.Kind != accord.End {
		return err
	}
	if y.s.N > 0 { // what the keeper would refuse for good
		if err := x.fills(tx, own, y.s, h.m); err != nil {
			return err
		}
	}
	giving := h.m.Kind == accord.Suspend || h.m.Kind == accord.Resume
	if h.m.Kind != accord.Join || y.s.N > 0 { // a copy that is there knows what may be said
		s := y.s
		if giving {
			var err error
			if s, err = x.foreseen(tx, own, s); err != nil {
				return err
			}
		}
		if _, _, err := s.Step(x.next(s, h.jws), h.m, h.text); err != nil {
			return err
		}
	}
	if err := keepSent(tx, own, h, x.n.wall()); err != nil {
		return err
	}
	if err := x.postMessage(tx, w, own, h); err != nil {
		return err
	}
	w.moved = append(w.moved, string(h.m.Accord))
	if !giving && !stopsNow(h.m, y.s) {
		return nil
	}
	s, err := x.book.Get(tx, own, h.m.Accord)
	if err != nil {
		return err
	}
	if h.m.Kind == accord.Resume {
		return x.effect(tx, w, own, s, []accord.Effect{accord.Go{Party: y.me, Flow: h.m.Body.Flow}})
	}
	return x.effect(tx, w, own, s, []accord.Effect{accord.Stop{Party: y.me, Flow: h.m.Body.Flow}})
}

// next is the entry that a message comes to, if the keeper numbers it as s stands.
func (x *accords) next(s *accord.State, jws string) *accord.Entry {
	return &accord.Entry{N: s.N + 1, Before: s.Head, At: x.n.wall().UTC().Truncate(time.Millisecond), Message: jws}
}

// foreseen is own's copy as it will stand once the keeper has numbered what own has said
// of its giving. What would be refused as things are is left out.
func (x *accords) foreseen(tx hansa.Tx, own hansa.PartyID, s *accord.State) (*accord.State, error) {
	list, err := unheard(tx, own, s.ID)
	for _, y := range list {
		if n, _, bad := s.Step(x.next(s, y.m.ID), y.m, nil); bad == nil {
			s = &n
		}
	}
	return s, err
}

// stopsNow reports whether a party's word stops its giving at once: a suspension does,
// and an end whose last day is its own or one before.
func stopsNow(m *accord.Message, s *accord.State) bool {
	if m.Kind != accord.End {
		return m.Kind == accord.Suspend
	}
	zone, err := time.LoadLocation(s.Bound.Zone)
	return err == nil && m.Body.Notice <= m.At.In(zone).Format(time.DateOnly)
}

// asItStands is own's copy with what own has stopped by its word alone, which the
// keeper has not numbered yet, and without what it has let go on since.
func (x *accords) asItStands(tx hansa.Tx, own hansa.PartyID, s *accord.State) (*accord.State, error) {
	list, err := unheard(tx, own, s.ID)
	if err != nil || len(list) == 0 {
		return s, err
	}
	me, err := x.meIn(tx, own, s)
	if err != nil {
		return nil, err
	}
	out := *s
	out.Suspended = slices.Clone(s.Suspended)
	for _, y := range list {
		m := y.m
		switch {
		case y.back:
			out.Suspended = slices.DeleteFunc(out.Suspended, func(u accord.Suspension) bool { return u.Party == me && (m.Body.Flow == "" || u.Flow == m.Body.Flow) })
		case stopsNow(m, s):
			out.Suspended = append(out.Suspended, accord.Suspension{Party: me, Flow: m.Body.Flow, At: m.At, Words: m.Body.Words})
		}
	}
	return &out, nil
}

// meIn is what the texts of own's copy call own.
func (x *accords) meIn(tx hansa.Tx, own hansa.PartyID, s *accord.State) (hansa.PartyID, error) {
	t, err := x.texts(tx, own, s)
	if err != nil {
		return "", err
	}
	me := x.me(own, partiesOf(s, t.proposed, t.force))
	if me == "" {
		return "", noAccord(s.ID)
	}
	return me, nil
}
