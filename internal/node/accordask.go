package node

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// Limits of requests for data.
const (
	asksOpenMax  = 500 // open ones of one party
	asksOtherMax = 50  // of them with one other party
	asksShown    = 200
	asksOverMax  = 1000 // that are over, of one party
	asksKept     = 366 * 24 * time.Hour

	askAccordsShown = 10 // accords that name one request
)

// asks keeps requests for data and offers of it, before there is an accord. Each of the
// two parties has a copy; a message between parties of this node is handed over in place.
type asks struct{ n *Node }

var _ api.Asks = asks{}

// Ask implements [api.Asks].
func (v asks) Ask(ctx context.Context, by hansa.Actor, o api.AskOrder) (out api.Asked, err error) {
	own, err := v.n.partyFor(by, o.Party)
	if err != nil {
		return out, err
	}
	if err := v.n.accords.mayAct(ctx, by, accord.Propose); err != nil {
		return out, err
	}
	r := v.request(own, &o.AskTerms)
	if err := r.Validate(); err != nil {
		return out, err
	}
	if err := cmp.Or(byRule(own, r), lasts(r, v.n.wall())); err != nil {
		return out, err
	}
	to, err := v.other(ctx, own.ID, o.To)
	if err != nil {
		return out, err
	}
	if err := v.reach(ctx, by, to); err != nil {
		return out, err
	}
	id := hansa.AccordID(hansa.NewID(v.n.wall()))
	return v.say(ctx, by, own, to, &accord.Message{Accord: id, Kind: accord.Asks, Body: accord.Body{Request: r}})
}

// AnswerAsk implements [api.Asks].
func (v asks) AnswerAsk(ctx context.Context, by hansa.Actor, id string, act accord.RequestAct, a api.AskAnswer) (out api.Asked, err error) {
	own, err := v.n.partyFor(by, a.Party)
	if err != nil {
		return out, err
	}
	if err := v.n.accords.mayAct(ctx, by, accord.Propose); err != nil {
		return out, err
	}
	x, err := v.get(ctx, own.ID, id)
	if err != nil {
		return out, err
	}
	answer := &accord.Answer{Act: act, Words: strings.TrimSpace(a.Words)}
	if a.Terms != nil {
		answer.Request = v.request(own, a.Terms)
		answer.Request.Offers, answer.Request.Rule = x.Terms().Offers, "" // who gives stays; the law's clock has been answered
		if err := lasts(answer.Request, v.n.wall()); err != nil {
			return out, err
		}
	}
	return v.say(ctx, by, own, x.Other(v.me(own, x)), &accord.Message{Accord: x.ID, Kind: accord.Answers, Body: accord.Body{Answer: answer}})
}

// byRule is an error for a party that asks by a rule which is not for it.
func byRule(by hansa.Party, r *accord.Request) error {
	if r.Rule == "" || by.Kind == hansa.City || by.Kind == hansa.PublicBody {
		return nil
	}
	return hansa.Fielded("/rule", "a public body alone asks by this rule").WithHint("say in how many working days you want an answer, and no rule")
}

// lasts is an error for a request whose last day was over, everywhere, before today. What
// is no day is refused by [accord.Request.Validate].
func lasts(r *accord.Request, now time.Time) error {
	if _, bad := time.Parse(time.DateOnly, r.Until); bad == nil && r.Until < now.Add(-lastZone).UTC().Format(time.DateOnly) {
		return hansa.Fielded("/until", "the last day lies in the past: %s", r.Until).WithHint("give a later day, or none")
	}
	return nil
}

// request fills in what terms leave open.
func (asks) request(own hansa.Party, o *api.AskTerms) *accord.Request {
	pack := policy.Packs()[0]
	return &accord.Request{
		Offers: o.Offers, Dataset: o.Dataset, What: strings.TrimSpace(o.What), Purposes: o.Purposes, Use: strings.TrimSpace(o.Use), From: o.From, Until: o.Until, Model: cmp.Or(o.Model, hansa.ModelPartnership),
		Rule: o.Rule, Days: cmp.Or(o.Days, accord.RequestDays), Country: cmp.Or(o.Country, countryOf(own.Zone)), Pack: accord.Pack{ID: pack.Name(), Hash: pack.Hash()},
	}
}

// other finds who is asked: by a DID, or by the name of a peer or of a party here.
func (v asks) other(ctx context.Context, own hansa.PartyID, name string) (hansa.PartyID, error) {
	if p, here := v.n.hostedAs(hansa.PartyID(name)); here {
		return v.did(own, p)
	}
	if strings.HasPrefix(name, "did:") {
		return hansa.PartyID(name), nil
	}
	if p, err := v.n.trust.PartyByName(ctx, name); err == nil && p.Hosted {
		return v.did(own, p)
	}
	list, err := v.n.trust.Peers(ctx, own)
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(list, func(p trust.Peer) bool { return p.Name == name && strings.HasPrefix(string(p.ID), "did:") }); i >= 0 {
		return list[i].ID, nil
	}
	return "", hansa.Fielded("/to", "%.100q is neither a DID, nor the name of a peer or of a party here", name).WithHint("hansa peers list")
}

func (v asks) did(own hansa.PartyID, p hansa.Party) (hansa.PartyID, error) {
	if p.ID == own {
		return "", hansa.Fielded("/to", "nobody asks themselves")
	}
	return hansa.PartyID(v.n.did(p)), nil
}

// reach makes sure that a party elsewhere can be called.
func (v asks) reach(ctx context.Context, by hansa.Actor, to hansa.PartyID) error {
	if _, here := v.n.hostedAs(to); here {
		return nil
	}
	if err := v.n.opens(ctx, by, to); err != nil {
		return hansa.Public(err).At("/to")
	}
	return nil
}

// me is what a request calls own.
func (v asks) me(own hansa.Party, x *accord.Asking) hansa.PartyID {
	if slices.Contains(v.n.accordNames(own), x.To) {
		return x.To
	}
	return x.From
}

// say sends a message about a request, and keeps what it comes to here.
func (v asks) say(ctx context.Context, by hansa.Actor, own hansa.Party, to hansa.PartyID, m *accord.Message) (out api.Asked, err error) {
	x, now := v.n.accords, v.n.wall().UTC().Truncate(time.Millisecond)
	m.FormatVersion, m.ID, m.From, m.To, m.At = accord.MessageFormat, hansa.NewID(now), hansa.PartyID(v.n.did(own)), to, now
	if m.Kind == accord.Answers { // as the other side calls own
		kept, err := v.get(ctx, own.ID, string(m.Accord))
		if err != nil {
			return out, err
		}
		m.From = v.me(own, kept)
	}
	if _, here := v.n.hostedAs(to); !here {
		m.Checkpoint = x.checkpoint(ctx)
	}
	key, err := x.messageKey(ctx, own.ID)
	if err != nil {
		return out, err
	}
	h, err := signedMessage(key, m)
	if err != nil {
		return out, err
	}
	other, here := v.n.hostedAs(to)
	err = x.write(ctx, func(tx hansa.Tx, w *work) error {
		if err := v.step(tx, w, own.ID, to, m); err != nil {
			return err
		}
		if err := v.n.act(tx, by, own.ID, "request-said", map[string]any{"request": m.Accord, "message": m.ID, "kind": m.Kind}); err != nil {
			return err
		}
		if here {
			return v.step(tx, w, other.ID, m.From, m)
		}
		if err := keepContact(tx, own.ID, contact{party: to, how: contactOwn}, v.n.wall()); err != nil {
			return err
		}
		if err := keepSent(tx, own.ID, h, v.n.wall()); err != nil {
			return err
		}
		return x.postMessage(tx, w, own.ID, h)
	})
	if err != nil {
		return out, err
	}
	if !here {
		if err := x.answered(ctx, own.ID, m); err != nil {
			return out, err
		}
	}
	by.Party = own.ID
	return v.Asked(ctx, by, string(m.Accord))
}

// says is an error for terms in m that nobody here could have said: of the kind of a
// sender that lives elsewhere nothing is proven.
func (v asks) says(m *accord.Message) error {
	r, field := m.Body.Request, "/body/request"
	if a := m.Body.Answer; a != nil {
		r, field = a.Request, "/body/answer/request"
	}
	if r == nil {
		return nil
	}
	err := lasts(r, v.n.wall())
	if p, here := v.n.hostedAs(m.From); here {
		err = cmp.Or(byRule(p, r), err)
	}
	if e := hansa.Public(err); e != nil {
		return e.At(field + e.Field)
	}
	return nil
}

// heard takes what another node says of a request.
func (v asks) heard(ctx context.Context, own hansa.PartyID, h *heard) error {
	return v.n.accords.write(ctx, func(tx hansa.Tx, w *work) error {
		x, err := v.read(tx, own, string(h.m.Accord))
		if err != nil && hansa.KindOf(err) != hansa.NotFound {
			return err
		}
		if x == nil || !x.Heard(h.m.ID) { // a repeat gets the answer that it got
			if err := v.says(h.m); err != nil {
				return err
			}
		}
		if err := v.n.accords.keepCheckpoint(tx, own, h.m.From, h.m.Checkpoint); err != nil {
			return err
		}
		return v.step(tx, w, own, h.m.From, h.m)
	})
}

// step does what a message comes to, in own's copy. other is the other side.
func (v asks) step(tx hansa.Tx, w *work, own, other hansa.PartyID, m *accord.Message) error {
	x, err := v.read(tx, own, string(m.Accord))
	if err != nil && (hansa.KindOf(err) != hansa.NotFound || m.Kind != accord.Asks) {
		return err
	}
	if x == nil {
		if err := v.room(tx, own, other); err != nil {
			return err
		}
		x = &accord.Asking{}
	} else if m.From != x.From && m.From != x.To {
		return noAsk(string(m.Accord))
	}
	next, err := x.Step(m, v.n.wall().UTC().Truncate(time.Millisecond))
	if err != nil {
		return err
	}
	w.moved = append(w.moved, string(m.Accord))
	return v.keep(tx, own, other, &next)
}

// room is an error when as many requests are open as may.
func (v asks) room(tx hansa.Tx, own, other hansa.PartyID) error {
	var all, with int
	now := v.n.wall().UnixMilli()
	if err := tx.QueryRow(`SELECT COUNT(*), COUNT(CASE WHEN other = ? THEN 1 END) FROM exchange_request WHERE own = ? AND state = ? AND due > ?`, string(other), string(own), string(accord.RequestOpen), now).Scan(&all, &with); err != nil {
		return err
	}
	if all >= asksOpenMax || with >= asksOtherMax {
		return hansa.Errorf(hansa.Busy, "as many requests are open as may: %d, or %d with one party", asksOpenMax, asksOtherMax).With(hansa.CodeOverloaded).WithHint("hansa requests")
	}
	return nil
}

func (v asks) keep(tx hansa.Tx, own, other hansa.PartyID, x *accord.Asking) error {
	doc, err := json.Marshal(x, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO exchange_request (own, id, other, state, due, changed, doc) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (own, id) DO UPDATE SET state = excluded.state, due = excluded.due, changed = excluded.changed, doc = excluded.doc`,
		string(own), string(x.ID), string(other), string(x.State), x.Due.UnixMilli(), x.Since.UnixMilli(), string(doc))
	if err != nil {
		return err
	}
	// What is over, or has lapsed, is kept while there is room; the law's time does not lapse.
	_, err = tx.Exec(`DELETE FROM exchange_request WHERE own = ? AND id <> ? AND id IN (SELECT id FROM exchange_request WHERE own = ? AND (state <> ? OR due < ?) ORDER BY changed DESC LIMIT -1 OFFSET ?)`,
		string(own), string(x.ID), string(own), string(accord.RequestOpen), v.n.wall().Add(-asksKept).UnixMilli(), asksOverMax)
	return err
}

func noAsk(id string) error {
	return hansa.Errorf(hansa.NotFound, "there is no request %.60q", id).WithHint("hansa requests")
}

func (v asks) get(ctx context.Context, own hansa.PartyID, id string) (out *accord.Asking, err error) {
	err = v.n.db.Read(ctx, func(tx hansa.Tx) error {
		out, err = v.read(tx, own, id)
		return err
	})
	return out, err
}

func (asks) read(tx hansa.Tx, own hansa.PartyID, id string) (*accord.Asking, error) {
	var doc []byte
	err := tx.QueryRow(`SELECT doc FROM exchange_request WHERE own = ? AND id = ?`, string(own), id).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noAsk(id)
	}
	if err != nil {
		return nil, err
	}
	x := new(accord.Asking)
	return x, json.Unmarshal(doc, x)
}

// arrived notes what became of own's word at the other node: its clock runs from then.
// Where the other node will not have it, the request is unheard.
func (v asks) arrived(tx hansa.Tx, own hansa.PartyID, a *wireAnswer) error {
	x, err := v.read(tx, own, string(a.Accord))
	if err != nil {
		if hansa.KindOf(err) == hansa.NotFound {
			err = nil
		}
		return err
	}
	if len(x.Steps) == 0 || x.Steps[len(x.Steps)-1].Message != a.Message {
		return nil
	}
	var other hansa.PartyID
	if err := tx.QueryRow(`SELECT other FROM exchange_request WHERE own = ? AND id = ?`, string(own), string(x.ID)).Scan(&other); err != nil {
		return err
	}
	now := v.n.wall().UTC().Truncate(time.Millisecond)
	if a.Error != nil {
		x.State, x.Turn, x.Since, x.Reason = accord.RequestUnheard, "", now, cutTo(a.Error.Message, 2000)
		return v.keep(tx, own, other, x)
	}
	if _, err := tx.Exec(`UPDATE exchange_sent SET state = ?, done = ?, jws = '' WHERE own = ? AND id = ?`, sentTaken, now.UnixMicro(), string(own), a.Message); err != nil {
		return err
	}
	if x.State == accord.RequestOpen {
		x.Since = now
		if err := x.Wind(now); err != nil {
			return err
		}
	}
	return v.keep(tx, own, other, x)
}

// answeredBy is an error when t names a request that it does not answer: one that own has
// not, that is not accepted, or that is with somebody who is not in t.
func (v asks) answeredBy(tx hansa.Tx, own hansa.Party, t *accord.Text) error {
	if t.Request == "" {
		return nil
	}
	x, err := v.read(tx, own.ID, string(t.Request))
	if err != nil {
		return hansa.Public(err).At("/request")
	}
	other := x.Other(v.me(own, x))
	switch {
	case x.State != accord.RequestAccepted:
		return hansa.Fielded("/request", "the request is %s: an accord answers one that both sides accepted", x.At(v.n.wall()).State).WithHint("hansa requests show " + string(x.ID))
	case !v.in(other, t.Parties):
		return hansa.Fielded("/request", "the request is with %.100s, who is not in this text", other).WithHint("hansa requests show " + string(x.ID))
	}
	return nil
}

// in reports whether a party is among those of a text, by any of its names.
func (v asks) in(party hansa.PartyID, list []accord.Party) bool {
	names := []hansa.PartyID{party}
	if p, here := v.n.hostedAs(party); here {
		names = append(names, v.n.accordNames(p)...)
	}
	return slices.ContainsFunc(list, func(p accord.Party) bool { return slices.Contains(names, p.ID) })
}

// accords are what an accepted request has come to.
func (v asks) accords(tx hansa.Tx, own hansa.PartyID, a *api.Asked) error {
	if a.State != accord.RequestAccepted {
		return nil
	}
	a.Accords = nil
	list, err := v.n.accords.book.Answering(tx, own, a.ID, askAccordsShown)
	for i := range list {
		if r := &list[i]; v.in(a.Other, r.Parties) && v.in(r.State.Opener, []accord.Party{{ID: a.From}, {ID: a.To}}) {
			a.Accords = append(a.Accords, api.AskedAccord{ID: r.State.ID, Title: r.Title, State: r.State.At(v.n.clock()).State})
		}
	}
	return err
}

// Asks implements [api.Asks].
func (v asks) Asks(ctx context.Context, by hansa.Actor) (out []api.Asked, err error) {
	err = v.n.db.Read(ctx, func(tx hansa.Tx) error {
		out, err = v.listed(tx, by, `1 = 1 ORDER BY state = ? AND due > ? DESC, state = ? DESC, changed DESC LIMIT ?`, string(accord.RequestOpen), v.n.wall().UnixMilli(), string(accord.RequestOpen), asksShown)
		for i := range out {
			if err == nil {
				err = v.accords(tx, by.Party, &out[i])
			}
		}
		return err
	})
	slices.SortStableFunc(out, func(a, b api.Asked) int { return rank(&a) - rank(&b) })
	if err != nil {
		return nil, err
	}
	for i := range out {
		v.titled(ctx, by, &out[i])
	}
	return out, nil
}

// listed reads requests of by's party.
func (v asks) listed(tx hansa.Tx, by hansa.Actor, where string, args ...any) (out []api.Asked, err error) {
	rows, err := tx.Query(`SELECT doc FROM exchange_request WHERE own = ? AND `+where, append([]any{string(by.Party)}, args...)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	out = []api.Asked{}
	for rows.Next() {
		var doc []byte
		if err := rows.Scan(&doc); err != nil {
			return nil, err
		}
		x := new(accord.Asking)
		if err := json.Unmarshal(doc, x); err != nil {
			return nil, err
		}
		out = append(out, v.shown(by, x))
	}
	return out, rows.Err()
}

// titled adds what people call the other side, where it is a peer elsewhere.
func (v asks) titled(ctx context.Context, by hansa.Actor, a *api.Asked) {
	if p, err := v.n.trust.PeerByID(ctx, by.Party, a.Other); err == nil && a.OtherTitle == string(a.Other) {
		a.OtherTitle = first(p.Title, first(p.Name, a.OtherTitle))
	}
}

// rank sorts what waits for own first, then what is open.
func rank(a *api.Asked) int {
	switch {
	case a.Mine:
		return 0
	case a.State == accord.RequestOpen:
		return 1
	}
	return 2
}

// Asked implements [api.Asks].
func (v asks) Asked(ctx context.Context, by hansa.Actor, id string) (out api.Asked, err error) {
	x, err := v.get(ctx, by.Party, id)
	if err != nil {
		return out, err
	}
	out = v.shown(by, x)
	v.titled(ctx, by, &out)
	err = v.n.db.Read(ctx, func(tx hansa.Tx) error {
		l, err := v.n.deal.outbox.Stuck(tx, accordProcess(by.Party, out.Other, x.ID))
		if err != nil {
			return err
		}
		if l != nil {
			out.Sent = l.Reason
		}
		return v.accords(tx, by.Party, &out)
	})
	return out, err
}

func (v asks) shown(by hansa.Actor, x *accord.Asking) api.Asked {
	own, now := v.n.party(by.Party), v.n.wall()
	me := v.me(own, x)
	out := api.Asked{Asking: x.At(now), Late: x.Late(now), Other: x.Other(me), Terms: x.Terms()}
	out.Mine = out.State == accord.RequestOpen && out.Turn == me
	out.OtherTitle = string(out.Other)
	if p, here := v.n.hostedAs(out.Other); here {
		out.OtherTitle = first(p.Title, p.Name)
	}
	return out
}
