package node

import (
	"errors"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// numberer is a party of this node that numbers, with the key by which it signs what its
// node says by itself.
type numberer struct {
	own hansa.PartyID
	key *trust.PrivateKey
}

// number takes a message as the keeper of its accord: it gives it a number, and tells
// all. A repeat gets the answer that it got.
func (x *accords) number(tx hansa.Tx, w *work, k numberer, h *heard) (placing, error) {
	m := h.m
	if n, head, err := x.book.Seen(tx, k.own, m.Accord, m.ID); n > 0 || err != nil {
		return placing{N: n, Head: head}, err
	}
	s, err := x.book.Get(tx, k.own, m.Accord)
	if err != nil && hansa.KindOf(err) != hansa.NotFound {
		return placing{}, err
	}
	if s == nil || s.N == 0 { // a draft, or nothing yet
		if m.Kind != accord.Open {
			return placing{}, noAccord(m.Accord)
		}
		s = &accord.State{}
	} else if s.Keeper != m.To {
		return placing{Present: s.Proposed}, hansa.Errorf(hansa.Conflict, "the keeper of this accord is %s", s.Keeper).At("/to")
	}
	next, err := x.enter(tx, w, k, s, h)
	if err != nil {
		return placing{N: s.N, Head: s.Head, Present: s.Proposed}, err
	}
	return placing{N: next.N, Head: next.Head, Present: next.Proposed}, nil
}

// enter gives a message the next number, and does what follows from it.
func (x *accords) enter(tx hansa.Tx, w *work, k numberer, s *accord.State, h *heard) (*accord.State, error) {
	at := x.n.wall().UTC().Truncate(time.Millisecond)
	if at.Before(s.Taken) { // the clock was put back
		at = s.Taken
	}
	e := &accord.Entry{N: s.N + 1, Before: s.Head, At: at, Message: h.jws}
	before, err := x.texts(tx, k.own, s)
	if err != nil {
		return nil, err
	}
	if err := x.fills(tx, k.own, s, h.m); err != nil {
		return nil, err
	}
	if h.m.Kind == accord.Serve { // there is no other's signature, at which it would be checked
		if err := signable(before.proposed); err != nil {
			return nil, err
		}
	}
	next, err := x.step(tx, w, k.own, s, before, e, h)
	if err != nil {
		return nil, err
	}
	now, err := x.texts(tx, k.own, next)
	if err != nil {
		return nil, err
	}
	told := partiesOf(next, now.proposed, now.force)
	for _, id := range partiesOf(s, before.proposed, before.force) { // who is out hears that it is
		if !slices.Contains(told, id) {
			told = append(told, id)
		}
	}
	if err := x.tell(tx, w, k.own, next, e, h, told); err != nil {
		return nil, err
	}
	return x.byItself(tx, w, k, next, now)
}

// byItself says what the keeper's node says without being asked: that a version which
// all have signed is in force.
func (x *accords) byItself(tx hansa.Tx, w *work, k numberer, s *accord.State, t basis) (*accord.State, error) {
	me := x.me(k.own, []hansa.PartyID{s.Keeper})
	if me == "" || len(s.Turn) > 0 || !slices.Contains(s.May(me), accord.EnterIntoForce) {
		return s, nil
	}
	effect, err := effectOf(t.proposed, x.n.wall())
	if err != nil {
		return nil, err
	}
	m := &accord.Message{
		FormatVersion: accord.MessageFormat, ID: hansa.NewID(x.n.wall()), From: me, To: me, Accord: s.ID, Base: s.Proposed, Kind: accord.EnterIntoForce, At: x.n.wall().UTC().Truncate(time.Millisecond),
		Body: accord.Body{Signatures: s.Signatures, Effect: effect},
	}
	h, err := signedMessage(k.key, m)
	if err != nil {
		return nil, err
	}
	return x.enter(tx, w, k, s, h)
}

// effectOf is from when a version holds that all have signed at now: the first moment
// of its first day, or now when that has begun.
func effectOf(t *accord.Text, now time.Time) (time.Time, error) {
	zone, err := time.LoadLocation(t.Term.Zone)
	if err != nil {
		return now, hansa.Fielded("/term/zone", "there is no time zone %.60q", t.Term.Zone)
	}
	from, err := time.ParseInLocation(time.DateOnly, t.Term.From, zone)
	if err != nil {
		return now, hansa.Fielded("/term/from", "a day such as 2026-12-01, not %.20q", t.Term.From)
	}
	if now = now.UTC().Truncate(time.Millisecond); from.Before(now) {
		return now, nil
	}
	return from.UTC(), nil
}

// step takes an entry into own's copy, with what it does.
func (x *accords) step(tx hansa.Tx, w *work, own hansa.PartyID, s *accord.State, t basis, e *accord.Entry, h *heard) (*accord.State, error) {
	if e.N > accordEntriesMax+accordLastMax*accord.PartiesMax+accordLastMax*accord.MembersMax {
		return nil, hansa.Errorf(hansa.Conflict, "an accord has no entry %d", e.N)
	}
	next, effects, err := s.Step(e, h.m, h.text)
	if e := hansa.Public(err); e != nil && e.Field == "/base" {
		err = e.With(hansa.CodeStale)
	}
	if err != nil {
		return nil, err
	}
	if err := x.keep(tx, own, &next, t, e, h); err != nil {
		return nil, err
	}
	if err := x.n.journalEntry(tx, own, e, h.m, h.jwk); err != nil {
		return nil, err
	}
	if err := errors.Join(keepKey(tx, h, x.n.wall()), x.settle(tx, own, h.m)); err != nil {
		return nil, err
	}
	w.moved = append(w.moved, string(next.ID))
	return &next, x.effect(tx, w, own, &next, effects)
}

// closing is what can be said of an accord that is full: what stops or ends something.
var closing = []accord.Kind{accord.EnterIntoForce, accord.Suspend, accord.Resume, accord.End, accord.Leave, accord.Erased, accord.Object, accord.HandOver}

// fills is an error when a party has said as much of an accord as it may. What one says
// keeps no other from stopping its giving, or from ending it.
func (x *accords) fills(tx hansa.Tx, own hansa.PartyID, s *accord.State, m *accord.Message) error {
	after, most, but := int64(0), accordTalkMax, closing
	if !slices.Contains(s.Asked.Parties, m.From) && !slices.Contains(s.Bound.Parties, m.From) {
		most = accordLastMax // it joined, as many can
	}
	if slices.Contains(closing, m.Kind) {
		if s.N < accordEntriesMax {
			return nil
		}
		after, most, but = accordEntriesMax, accordLastMax, nil
	} else if s.N >= accordEntriesMax {
		return hansa.Errorf(hansa.Conflict, "an accord has at most %d entries: from now on it can be suspended, resumed and ended", accordEntriesMax).WithHint("open another with its text: hansa accords show " + string(s.ID) + " --text > FILE, and hansa accords new FILE")
	}
	n, err := x.book.Said(tx, own, s.ID, m.From, after, but...)
	if err == nil && n >= most {
		err = hansa.Errorf(hansa.Conflict, "%.100s has said %d things of this accord, as many as one party may", m.From, n)
	}
	return err
}

// keep stores own's copy as an entry left it.
func (x *accords) keep(tx hansa.Tx, own hansa.PartyID, s *accord.State, t basis, e *accord.Entry, h *heard) error {
	text := t.proposed
	if h.text != nil {
		text = h.text
		if err := x.book.AddText(tx, own, text); err != nil {
			return err
		}
	}
	if err := x.book.AddEntry(tx, own, s.ID, e, h.m); err != nil {
		return err
	}
	return x.book.Put(tx, own, s, text)
}

// effect does what entries do to the flows of own.
func (x *accords) effect(tx hansa.Tx, w *work, own hansa.PartyID, s *accord.State, effects []accord.Effect) error {
	t, err := x.texts(tx, own, s)
	if err != nil {
		return err
	}
	seen, err := x.asItStands(tx, own, s)
	if err != nil {
		return err
	}
	return x.n.accordEffects(tx, w, own, seen, t.holds(), effects)
}

// tell tells an entry to all: in place to those that live here, by letter to others.
func (x *accords) tell(tx hansa.Tx, w *work, own hansa.PartyID, s *accord.State, e *accord.Entry, h *heard, all []hansa.PartyID) error {
	for _, id := range all {
		p, here := x.n.hostedAs(id)
		switch {
		case here && p.ID == own:
		case here:
			if err := x.inPlace(tx, w, own, p.ID, s, e, h); err != nil {
				return err
			}
		default:
			if err := x.postEntry(tx, w, own, id, s.ID, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// inPlace has a party of this node follow own, its keeper. Entries that it lacks, for
// it was not a party before, it gets first. Each is told by who numbered it, to whom its
// message went: with the entry that hands the keeping over s has the next keeper already.
func (x *accords) inPlace(tx hansa.Tx, w *work, own, other hansa.PartyID, s *accord.State, e *accord.Entry, h *heard) error {
	a, err := x.follow(tx, w, other, h.m.To, e, h)
	if codeOf(err) != hansa.CodeGap {
		return err
	}
	list, err := x.entries(tx, own, s.ID, a.N)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].N > e.N {
			break
		}
		was, err := heardBefore(tx, &list[i])
		if err != nil {
			return err
		}
		if _, err := x.follow(tx, w, other, was.m.To, &list[i], was); err != nil {
			return err
		}
	}
	return nil
}

// follow takes an entry that the keeper numbered into own's copy.
func (x *accords) follow(tx hansa.Tx, w *work, own, from hansa.PartyID, e *accord.Entry, h *heard) (placing, error) {
	s, err := x.book.Get(tx, own, h.m.Accord)
	if hansa.KindOf(err) == hansa.NotFound {
		s, err = &accord.State{}, nil
	}
	if err != nil {
		return placing{}, err
	}
	now := placing{N: s.N, Head: s.Head, Present: s.Proposed}
	switch {
	case e.N <= s.N:
		return now, x.again(tx, own, s, e)
	case e.N > s.N+1:
		return now, gap(s.N + 1)
	case e.Before != s.Head:
		return now, fork(e.N)
	}
	if err := x.sound(tx, own, from, s, h); err != nil {
		return now, err
	}
	t, err := x.texts(tx, own, s)
	if err != nil {
		return now, err
	}
	next, err := x.step(tx, w, own, s, t, e, h)
	if err != nil {
		return now, err
	}
	return placing{N: next.N, Head: next.Head, Present: next.Proposed}, nil
}

// sound is an error unless from may bring own's copy its next entry.
func (x *accords) sound(tx hansa.Tx, own, from hansa.PartyID, s *accord.State, h *heard) error {
	if s.N == 0 {
		if h.m.Kind != accord.Open || h.m.To != h.m.From {
			return hansa.Fielded("/body/entry/message", "the first entry holds open, which its sender numbered")
		}
		return errors.Join(x.room(tx, own), keepSource(tx, own, h.m.Accord, from))
	}
	if from != s.Keeper || h.m.To != s.Keeper {
		ok, err := brought(tx, own, s.ID, from)
		if err != nil {
			return err
		}
		switch {
		case ok && h.m.To == s.Keeper:
			return nil
		case handsOver(s, h.m, from): // its own entries come after those that are on their way
			return hansa.Errorf(hansa.Busy, "%s has not told this copy yet that it hands the keeping over", s.Keeper).With(hansa.CodeOverloaded).At("/from")
		default:
			return hansa.Errorf(hansa.Denied, "%s does not keep this accord: %s does", from, s.Keeper).With(hansa.CodeForbidden).At("/from")
		}
	}
	return nil
}

// handsOver reports whether the keeper's own message, that it hands the keeping over, is
// brought by the party that takes it. That it was numbered only the keeper can tell.
func handsOver(s *accord.State, m *accord.Message, from hansa.PartyID) bool {
	return m.Kind == accord.HandOver && m.To == s.Keeper && m.Body.Keeper == from && (m.From == s.Keeper || m.From == from)
}

// again is an error unless own's copy has this very entry.
func (x *accords) again(tx hansa.Tx, own hansa.PartyID, s *accord.State, e *accord.Entry) error {
	was, err := x.entry(tx, own, s.ID, e.N)
	if err != nil {
		return err
	}
	if was.Hash() != e.Hash() {
		return fork(e.N)
	}
	return nil
}

func gap(n int64) error {
	return hansa.Errorf(hansa.Conflict, "entry %d is not here yet", n).With(hansa.CodeGap).At("/body/entry/n")
}

func fork(n int64) error {
	return hansa.Errorf(hansa.Conflict, "another entry has number %d, or does not come before it", n).With(hansa.CodeFork).At("/body/entry").WithHint("the keeper's node lost entries that it had told: compare hansa accords history on both nodes")
}

// entries are all of own's copy after a number.
func (x *accords) entries(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, after int64) (out []accord.Entry, err error) {
	for {
		page, err := x.book.Entries(tx, own, id, after, accord.ListMax)
		if err != nil {
			return nil, err
		}
		if out = append(out, page...); len(page) < accord.ListMax {
			return out, nil
		}
		after = page[len(page)-1].N
	}
}

func (x *accords) entry(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, n int64) (*accord.Entry, error) {
	list, err := x.book.Entries(tx, own, id, n-1, 1)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || list[0].N != n {
		return nil, hansa.Errorf(hansa.NotFound, "there is no entry %d of accord %s", n, id)
	}
	return &list[0], nil
}

// room is an error when own has as many accords as may be.
func (x *accords) room(tx hansa.Tx, own hansa.PartyID) error {
	n, err := x.book.Count(tx, own)
	if err == nil && n >= accordsMax {
		err = hansa.Errorf(hansa.Busy, "a party has at most %d accords", accordsMax).With(hansa.CodeOverloaded)
	}
	return err
}

// codeOf is the code of err; empty when it is none.
func codeOf(err error) hansa.Code {
	if err == nil {
		return ""
	}
	return hansa.Public(err).Code
}
