package node

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

var (
	_ api.Accords  = (*accords)(nil)
	_ accordCopies = (*accords)(nil)
)

// Accords lists those of by's party, the last that moved first.
func (x *accords) Accords(ctx context.Context, by hansa.Actor, q api.AccordQuery) (out api.AccordsBody, err error) {
	ask := accord.Query{Own: by.Party, State: q.State, Model: q.Model, Other: q.Other, Words: q.Words, Limit: q.Limit, After: q.After, Now: x.n.clock()}
	if q.Turn {
		ask.Turn = x.n.accordNames(x.n.party(by.Party))
	}
	out.Accords = []api.Accord{}
	var keys []signing
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		list, err := x.book.List(tx, ask)
		if err != nil {
			return err
		}
		u, err := x.unsettled(tx, by.Party)
		if err != nil {
			return err
		}
		out.Accords = out.Accords[:0]
		for i := range list {
			one, err := x.listed(tx, &list[i], u)
			if err != nil {
				return err
			}
			out.Accords = append(out.Accords, one)
		}
		keys = keys[:0]
		for i := range list {
			keys = append(keys, signedBy(list[i].State)...)
		}
		if out.After = ""; len(list) > 0 && len(list) == q.Limit {
			out.After = list[len(list)-1].State.ID
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	known, err := x.expiries(ctx, keys)
	for i := range out.Accords {
		x.addKeys(&out.Accords[i], known)
	}
	return out, err
}

// Accord shows one of by's party.
func (x *accords) Accord(ctx context.Context, by hansa.Actor, id hansa.AccordID) (out api.AccordDetail, err error) {
	var keys []signing
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		s, err := x.book.Get(tx, by.Party, id)
		if err != nil {
			return err
		}
		keys = signedBy(s)
		out, err = x.shown(tx, by.Party, s)
		return err
	})
	if err != nil {
		return out, err
	}
	known, err := x.expiries(ctx, keys)
	x.addKeys(&out.Accord, known)
	return out, err
}

// readText reads a text of any form.
func readText(b []byte) (*accord.Text, error) {
	if len(b) == 0 {
		return nil, hansa.Fielded("/text", "say the text of the accord").WithHint("hansa accords draft MODEL makes one")
	}
	t := &accord.Text{}
	if err := json.Unmarshal(b, t, json.RejectUnknownMembers(true)); err != nil {
		return nil, hansa.Fielded("/text", "this is no text of an accord: %s", words.Misread(err)).WithHint("hansa accords draft MODEL makes one")
	}
	return t, nil
}

// DraftAccord keeps a text that nobody else has.
func (x *accords) DraftAccord(ctx context.Context, by hansa.Actor, o api.AccordDraft) (api.AccordDetail, error) {
	t, err := readText(o.Text)
	if err != nil {
		return api.AccordDetail{}, err
	}
	own, err := x.n.partyFor(by, o.Party)
	if err != nil {
		return api.AccordDetail{}, err
	}
	t.ID, t.Request = hansa.AccordID(hansa.NewID(x.n.wall())), cmp.Or(o.Request, t.Request)
	answers := t.Request
	if err := x.n.db.Read(ctx, func(tx hansa.Tx) error {
		for i := range t.Flows {
			f := &t.Flows[i]
			taken, err := x.n.flowTaken(tx, own.ID, x.n.home(f.From), f.ID, t.ID)
			if err != nil {
				return err
			}
			if taken { // a text that others agreed on before: its flows are others here
				t = t.Anew(func() string { return hansa.NewID(x.n.wall()) })
				t.Request = answers
				return nil
			}
		}
		return nil
	}); err != nil {
		return api.AccordDetail{}, err
	}
	return x.keepDraft(ctx, by, o.Party, t, "accord-drafted", func(tx hansa.Tx, own hansa.PartyID) error { return x.room(tx, own) })
}

// ChangeDraft replaces the text of a draft.
func (x *accords) ChangeDraft(ctx context.Context, by hansa.Actor, id hansa.AccordID, o api.AccordDraft) (api.AccordDetail, error) {
	t, err := readText(o.Text)
	if err != nil {
		return api.AccordDetail{}, err
	}
	t.ID, t.Request = id, cmp.Or(o.Request, t.Request)
	return x.keepDraft(ctx, by, o.Party, t, "accord-redrafted", func(tx hansa.Tx, own hansa.PartyID) error {
		s, err := x.book.Get(tx, own, id)
		if err == nil && s.N > 0 {
			err = hansa.Errorf(hansa.Conflict, "the accord is open: others have it").WithHint("propose a change: hansa accords propose " + string(id) + " FILE")
		}
		return err
	})
}

func (x *accords) keepDraft(ctx context.Context, by hansa.Actor, party string, t *accord.Text, act string, ok func(tx hansa.Tx, own hansa.PartyID) error) (out api.AccordDetail, err error) {
	own, err := x.n.partyFor(by, party)
	if err != nil {
		return out, err
	}
	if err := x.mayAct(ctx, by, accord.Propose); err != nil {
		return out, err
	}
	t.Format, t.Version, t.Supersedes = accord.Format, 1, ""
	if err := t.Validate(); err != nil {
		return out, hansa.Public(err).At("/text" + hansa.Public(err).Field)
	}
	me := x.me(own.ID, partiesOf(&accord.State{}, t))
	if me == "" {
		return out, hansa.Fielded("/text/parties", "the text does not name %s", own.Title).WithHint("name it " + x.n.did(own))
	}
	hash, err := t.Hash()
	if err != nil {
		return out, err
	}
	now := x.n.wall().UTC().Truncate(time.Millisecond)
	s := &accord.State{ID: t.ID, Keeper: me, Opener: me, State: hansa.AccordDraft, Proposed: hash, Version: 1, Asked: t.Outline(), Since: now, Turn: []hansa.PartyID{me}, TurnSince: now}
	err = x.write(ctx, func(tx hansa.Tx, w *work) error {
		if err := errors.Join(ok(tx, own.ID), asks{x.n}.answeredBy(tx, own, t)); err != nil {
			return err
		}
		if err := errors.Join(x.book.AddText(tx, own.ID, t), x.forgetReplaced(tx, own.ID, t.ID, hash), x.book.Put(tx, own.ID, s, t)); err != nil {
			return err
		}
		if err := x.n.act(tx, by, own.ID, act, map[string]any{"accord": t.ID, "hash": hash}); err != nil {
			return err
		}
		w.moved = append(w.moved, string(t.ID))
		out, err = x.shown(tx, own.ID, s)
		return err
	})
	return out, err
}

// AccordText returns the canonical bytes of a version.
func (x *accords) AccordText(ctx context.Context, by hansa.Actor, id hansa.AccordID, hash string) ([]byte, error) {
	return x.Text(ctx, by.Party, id, hash)
}

// Text implements [accordCopies].
func (x *accords) Text(ctx context.Context, own hansa.PartyID, id hansa.AccordID, hash string) (b []byte, err error) {
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		if hash == "" {
			s, err := x.book.Get(tx, own, id)
			if err != nil {
				return err
			}
			hash = s.Proposed
		}
		b, err = x.book.Text(tx, own, id, hash)
		return err
	})
	return b, err
}

// State implements [accordCopies].
func (x *accords) State(ctx context.Context, own hansa.PartyID, id hansa.AccordID) (out accord.State, err error) {
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		s, err := x.book.Get(tx, own, id)
		if err == nil {
			out = *s
		}
		return err
	})
	return out, err
}

// Entries implements [accordCopies].
func (x *accords) Entries(ctx context.Context, own hansa.PartyID, id hansa.AccordID) (out []accord.Entry, err error) {
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		if _, err := x.book.Get(tx, own, id); err != nil {
			return err
		}
		out, err = x.entries(tx, own, id, 0)
		return err
	})
	return out, err
}

// AccordHistory lists every entry of an accord of by's party.
func (x *accords) AccordHistory(ctx context.Context, by hansa.Actor, id hansa.AccordID, messages bool) (api.AccordHistory, error) {
	out := api.AccordHistory{Accord: id, Entries: []api.AccordEntry{}}
	list, err := x.Entries(ctx, by.Party, id)
	if err != nil {
		return out, err
	}
	for i := range list {
		one, err := shownEntry(&list[i], messages)
		if err != nil {
			return out, err
		}
		out.Entries, out.Head = append(out.Entries, one), one.Hash
	}
	return out, nil
}

func shownEntry(e *accord.Entry, message bool) (api.AccordEntry, error) {
	m, _, err := readAccordMessage(e.Message)
	if err != nil {
		return api.AccordEntry{}, err
	}
	b := &m.Body
	out := api.AccordEntry{N: e.N, Hash: e.Hash(), At: e.At, From: m.From, Kind: m.Kind, Base: m.Base, Clause: b.Clause, Words: b.Words, Flow: b.Flow, Notice: b.Notice, Keeper: b.Keeper, Checkpoint: m.Checkpoint}
	if len(b.Text) > 0 {
		sum := sha256.Sum256(b.Text)
		out.Version = hex.EncodeToString(sum[:])
	}
	if s := b.Signature; s != nil {
		out.Role, out.Power, out.Held = s.Role, s.Power, s.Held
	}
	if message {
		out.Message = e.Message
	}
	return out, nil
}

// AccordDiff compares two versions.
func (x *accords) AccordDiff(ctx context.Context, by hansa.Actor, id hansa.AccordID, from, to string) (api.AccordDiff, error) {
	out := api.AccordDiff{Accord: id}
	var a, b *accord.Text
	err := x.n.db.Read(ctx, func(tx hansa.Tx) error {
		s, err := x.book.Get(tx, by.Party, id)
		if err != nil {
			return err
		}
		if out.To = first(to, s.Proposed); out.To != "" {
			if b, err = x.text(tx, by.Party, id, out.To); err != nil {
				return err
			}
		}
		theirs, err := x.adopted(tx, by.Party, id)
		if err != nil {
			return err
		}
		switch out.From = from; {
		case theirs != nil && (from == api.FromAdopted || from == theirs.hash || from == "" && b.Supersedes == ""):
			out.From, a = theirs.hash, theirs.text
			return nil
		case from != "":
		case s.Force != "" && s.Force != out.To:
			out.From = s.Force
		default:
			if out.From = b.Supersedes; out.From == "" {
				return hansa.Errorf(hansa.Conflict, "there is no version before this one")
			}
		}
		a, err = x.text(tx, by.Party, id, out.From)
		return err
	})
	if err != nil {
		return out, err
	}
	changes, err := accord.Redline(a, b)
	out.Changes = nonNil(changes)
	return out, err
}

// ActAccord says something of an accord.
func (x *accords) ActAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID, kind accord.Kind, a api.AccordAct) (out api.AccordDetail, err error) {
	y, err := x.begin(ctx, by, id, kind, &a)
	if err != nil {
		return out, err
	}
	if err := x.stands(ctx, y); err != nil {
		return out, err
	}
	m, err := x.message(y)
	if err == nil {
		err = draftAlone(y.s, kind)
	}
	if err != nil {
		return out, err
	}
	if kind == accord.Open {
		if err := x.reach(ctx, y); err != nil {
			return out, err
		}
	}
	if err := x.bind(ctx, y, m); err != nil {
		return out, err
	}
	if err := x.say(ctx, y, m); err != nil {
		return out, err
	}
	by.Party = y.own.ID
	if err := x.answered(ctx, y.own.ID, m); err != nil {
		return out, err
	}
	out, err = x.Accord(ctx, by, id)
	if hansa.KindOf(err) == hansa.NotFound && err != nil && kind == accord.Join { // the chain is on its way
		t := y.t.proposed
		return api.AccordDetail{Accord: api.Accord{ID: id, Party: y.own.Name, Me: y.me, Title: t.Title, Model: t.Model, Keeper: m.To, Turn: []hansa.PartyID{}, May: []accord.Kind{}, Parties: []api.AccordParty{}, Sent: []api.AccordSent{{ID: m.ID, Kind: kind, At: m.At, State: sentWaits}}}, Text: a.Text}, nil
	}
	return out, err
}

// reach makes sure that parties elsewhere can be called: the operator opens the way, and
// to others is said who can.
func (x *accords) reach(ctx context.Context, y *saying) error {
	for _, id := range partiesOf(y.s, y.t.proposed) {
		if _, here := x.n.hostedAs(id); here || id == hansa.PublicParty {
			continue
		}
		if y.me != hansa.PartyID(x.n.did(y.own)) && y.me != hansa.PartyID(x.n.hostedDID(y.own)) {
			return hansa.Fielded("/text/parties", "%s is elsewhere, and finds %s by no other name than %s", id, y.own.Title, x.n.did(y.own))
		}
		if err := x.n.opens(ctx, y.by, id); err != nil {
			return err
		}
	}
	return nil
}

// answered waits a moment for the keeper of a message that is on its way. A refusal is
// an error, in the keeper's words.
func (x *accords) answered(ctx context.Context, own hansa.PartyID, m *accord.Message) error {
	timer := time.NewTimer(accordActPatience)
	defer timer.Stop()
	awaited, forget := x.n.deal.awaited(string(m.Accord))
	defer forget()
	for {
		moved := awaited.wait()
		var state sent
		var stuck string
		err := x.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
			state, stuck, err = x.sentOne(tx, own, m)
			return err
		})
		switch {
		case err != nil:
			return err
		case state.state == sentRefused:
			return hansa.Errorf(kindOfCode(hansa.Code(state.code)), "%s refused it: %s", m.To, state.reason).With(hansa.Code(state.code)).WithHint(state.hint)
		case state.state != sentWaits || stuck != "":
			return nil
		}
		select {
		case <-moved:
		case <-time.After(accordLook): // tries in vain move nothing
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// kindOfCode is the kind of a refusal elsewhere, of which its code tells.
func kindOfCode(c hansa.Code) hansa.Kind {
	switch c { //nolint:exhaustive // what is wrong with a message has many codes, and one kind
	case hansa.CodeStale, hansa.CodeConflict, hansa.CodeGap, hansa.CodeFork:
		return hansa.Conflict
	case hansa.CodeForbidden, hansa.CodeUnauthenticated:
		return hansa.Denied
	case hansa.CodeNotFound:
		return hansa.NotFound
	}
	return hansa.Invalid
}

// RetryAccord sends what does not arrive again.
func (x *accords) RetryAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID) (int, error) {
	d, err := x.Accord(ctx, by, id)
	if err != nil {
		return 0, err
	}
	total := 0
	for i := range d.Parties {
		n, err := x.n.deal.outbox.Retry(ctx, by.Party, accordProcess(by.Party, d.Parties[i].ID, id))
		if total += n; err != nil {
			return total, err
		}
	}
	if total == 0 {
		return 0, hansa.Errorf(hansa.Conflict, "every message about this accord has arrived, or is on its way")
	}
	return total, nil
}

// WaitAccord returns when own's copy has more than n entries, or after a while.
func (x *accords) WaitAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID, n int64, most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	awaited, forget := x.n.deal.awaited(string(id))
	defer forget()
	for {
		moved := awaited.wait()
		s, err := x.State(ctx, by.Party, id)
		if err != nil || s.N > n {
			return err
		}
		select {
		case <-moved:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// AccordContacts lists what waits for a yes of by's party.
func (x *accords) AccordContacts(ctx context.Context, by hansa.Actor) ([]api.AccordContact, error) {
	out := []api.AccordContact{}
	err := x.n.db.Read(ctx, func(tx hansa.Tx) error {
		list, err := waiting(tx, by.Party, "")
		if err != nil {
			return err
		}
		for _, e := range list {
			m, _, err := readAccordMessage(e.jws)
			if err != nil {
				return err
			}
			open, _, err := readAccordMessage(m.Body.Entry.Message)
			if err != nil {
				return err
			}
			t, err := accord.Read(open.Body.Text)
			if err != nil {
				return err
			}
			out = append(out, api.AccordContact{Accord: e.accord, From: e.sender, At: e.at, Title: t.Title, Model: t.Model, Text: jsontext.Value(bytes.Clone(open.Body.Text))})
		}
		return nil
	})
	return out, err
}

// AnswerContact says yes or no to who opened an accord.
func (x *accords) AnswerContact(ctx context.Context, by hansa.Actor, id hansa.AccordID, yes bool) error {
	if strings.TrimSpace(string(id)) == "" {
		return noAccord(id)
	}
	if yes {
		return x.admit(ctx, by, by.Party, id)
	}
	return x.turnAway(ctx, by, by.Party, id)
}
