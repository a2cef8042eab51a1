package node

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// The kinds of letters about accords.
const (
	letterAccord  = "accord/"
	letterEntry   = letterAccord + "entry"   // the body is a told
	letterMessage = letterAccord + "message" // the body is the message, signed
	letterRest    = letterAccord + "rest"    // the body is a told: the keeper is asked for what comes after it
)

// told is an entry that is to be told. It is signed when it is sent: by the key of then,
// with the checkpoint of then.
type told struct {
	Accord hansa.AccordID `json:"accord"`
	N      int64          `json:"n"`
	ID     string         `json:"id"` // of the message
}

// accordProcess names the letters between own and other about an accord, which stay in
// their order.
func accordProcess(own, other hansa.PartyID, id hansa.AccordID) string {
	return string(id) + " " + string(own) + " " + string(other)
}

// postEntry has an entry told to a party elsewhere.
func (x *accords) postEntry(tx hansa.Tx, w *work, own, other hansa.PartyID, id hansa.AccordID, e *accord.Entry) error {
	return x.postTold(tx, w, own, other, letterEntry, told{id, e.N, hansa.NewID(x.n.wall())})
}

// postRest has the keeper of own's copy, where it lives elsewhere, asked for what comes
// after the last entry that is here: it is told that entry.
func (x *accords) postRest(tx hansa.Tx, w *work, own hansa.PartyID, s *accord.State) error {
	if _, here := x.n.hostedAs(s.Keeper); here {
		return nil
	}
	return x.postTold(tx, w, own, s.Keeper, letterRest, told{s.ID, s.N, hansa.NewID(x.n.wall())})
}

func (x *accords) postTold(tx hansa.Tx, w *work, own, other hansa.PartyID, kind string, t told) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	now := x.n.wall()
	return x.n.deal.outbox.Post(tx, &w.mail, &outbound.Letter{Process: accordProcess(own, other, t.Accord), Own: own, Other: other, Kind: kind, Body: body, At: now, Next: now, Stops: true})
}

// postMessage has an own message sent to the keeper.
func (x *accords) postMessage(tx hansa.Tx, w *work, own hansa.PartyID, h *heard) error {
	now := x.n.wall()
	stops := h.m.Kind == accord.Suspend || h.m.Kind == accord.End
	return x.n.deal.outbox.Post(tx, &w.mail, &outbound.Letter{Process: accordProcess(own, h.m.To, h.m.Accord), Own: own, Other: h.m.To, Kind: letterMessage, Body: []byte(h.jws), At: now, Next: now, Stops: stops})
}

// send makes one try at a letter. A repeat does no harm, so nothing is asked first.
func (x *accords) send(ctx context.Context, l *outbound.Letter) outbound.Outcome {
	if l.Kind == letterMessage {
		return x.sendMessage(ctx, l)
	}
	var t told
	if err := json.Unmarshal(l.Body, &t); err != nil {
		return outbound.Outcome{Reason: "the letter cannot be read", Final: true}
	}
	if l.Kind == letterRest {
		return x.sendRest(ctx, l, t)
	}
	at := t.N
	for range accordCatchUpMax {
		jws, err := x.tells(ctx, l, t, at)
		if err != nil {
			return outbound.Outcome{Reason: hansa.Public(err).Message, Soon: true}
		}
		a, out := x.post(ctx, l, jws)
		switch {
		case a == nil:
			return out
		case a.Error != nil && a.Error.Code == hansa.CodeGap && a.N < at-1 || a.Error == nil && at < t.N: // what is missing goes first
			if next := a.N + 1; a.Error != nil || a.Waits {
				at = min(max(next, 1), t.N)
				if a.Waits {
					at = min(at+1, t.N)
				}
			} else {
				at++
			}
			continue
		}
		return x.toldOutcome(l, a, out)
	}
	return outbound.Outcome{Reason: "it lacks more entries than are sent in a row", Soon: true}
}

// sendRest asks the keeper for what own's copy lacks. That it has nothing, or will not
// say, is an answer too: what comes behind goes on.
func (x *accords) sendRest(ctx context.Context, l *outbound.Letter, t told) outbound.Outcome {
	jws, err := x.tells(ctx, l, t, t.N)
	if err != nil {
		return outbound.Outcome{Reason: hansa.Public(err).Message, Soon: true}
	}
	a, out := x.post(ctx, l, jws)
	if a == nil {
		return out
	}
	out.Delivered = a.Error == nil || forGood(a, out)
	out.Soon = !out.Delivered
	out.Also = func(tx hansa.Tx) error { return x.keepCheckpoint(tx, l.Own, l.Other, a.Checkpoint) }
	return out
}

// toldOutcome is what comes of telling an entry.
func (x *accords) toldOutcome(l *outbound.Letter, a *wireAnswer, out outbound.Outcome) outbound.Outcome {
	switch {
	case a.Error == nil:
		out.Delivered = true
	case !forGood(a, out) && out.Status < 500:
		out.Soon = true
	case out.Status < 500: // until a person, or word of the other side, sets it going again
		out.Final = true
	}
	out.Also = func(tx hansa.Tx) error { return x.keepCheckpoint(tx, l.Own, l.Other, a.Checkpoint) }
	return out
}

// forGood reports whether an answer says that the message will never be taken as it is.
func forGood(a *wireAnswer, out outbound.Outcome) bool {
	return out.Status >= 400 && out.Status < 500 && out.Status != http.StatusTooManyRequests && out.Status != http.StatusRequestTimeout && a.Error.Code != hansa.CodeGap
}

// tells signs the message by which entry n is told.
func (x *accords) tells(ctx context.Context, l *outbound.Letter, t told, n int64) (string, error) {
	key, err := x.messageKey(ctx, l.Own)
	if err != nil {
		return "", err
	}
	var e *accord.Entry
	var me hansa.PartyID
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		s, err := x.book.Get(tx, l.Own, t.Accord)
		if err != nil {
			return err
		}
		p, err := x.texts(tx, l.Own, s)
		if err != nil {
			return err
		}
		me = x.me(l.Own, append([]hansa.PartyID{s.Keeper}, partiesOf(s, p.proposed, p.force)...))
		e, err = x.entry(tx, l.Own, t.Accord, n)
		return err
	})
	if err != nil {
		return "", err
	}
	id := t.ID
	if n != t.N {
		id = hansa.NewID(x.n.wall())
	}
	h, err := signedMessage(key, &accord.Message{
		FormatVersion: accord.MessageFormat, ID: id, From: me, To: l.Other, Accord: t.Accord, Kind: accord.Told, At: x.n.wall().UTC().Truncate(time.Millisecond), Checkpoint: x.checkpoint(ctx), Body: accord.Body{Entry: e},
	})
	if err != nil {
		return "", err
	}
	return h.jws, nil
}

// sendMessage sends an own message to the keeper. That it is refused is an answer like
// another: it is noted, and what comes behind goes on.
func (x *accords) sendMessage(ctx context.Context, l *outbound.Letter) outbound.Outcome {
	a, out := x.post(ctx, l, string(l.Body))
	if a == nil {
		return out
	}
	m, _, err := readAccordMessage(strings.TrimSpace(string(l.Body)))
	if err != nil {
		return outbound.Outcome{Final: true, Reason: hansa.Public(err).Error()}
	}
	if a.Message == "" && a.Accord == "" { // a node that could not read it names neither
		a.Message, a.Accord = m.ID, m.Accord
	}
	if a.Message != m.ID || a.Accord != m.Accord {
		return outbound.Outcome{Status: out.Status, Reason: "the answer is about another message than the one that was sent"}
	}
	id := a.Message
	switch {
	case a.Error == nil:
		out.Delivered = true
		out.Also = func(tx hansa.Tx) error {
			return errors.Join(x.keepCheckpoint(tx, l.Own, l.Other, a.Checkpoint), asks{x.n}.arrived(tx, l.Own, a))
		}
	case forGood(a, out):
		out.Delivered = true
		out.Also = func(tx hansa.Tx) error { return errors.Join(x.refused(tx, l.Own, a), asks{x.n}.arrived(tx, l.Own, a)) }
		out.Then = func() {
			x.n.deal.changed(string(a.Accord))
			x.afterRefusal(context.WithoutCancel(ctx), l.Own, a.Accord, id)
		}
	default:
		out.Soon = true
	}
	return out
}

// refused notes that the keeper will not have an own message.
func (x *accords) refused(tx hansa.Tx, own hansa.PartyID, a *wireAnswer) error {
	e := a.Error
	_, err := tx.Exec(`UPDATE exchange_sent SET state = ?, code = ?, reason = ?, hint = ?, done = ?, jws = '' WHERE own = ? AND id = ? AND state = ?`,
		sentRefused, cutTo(string(e.Code), 60), cutTo(e.Message, 2000), cutTo(e.Hint, 500), x.n.wall().UnixMicro(), string(own), a.Message, sentWaits)
	return err
}

func cutTo(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

// afterRefusal has own's giving go on that had stopped at its own word, or stand still
// that had gone on, when the keeper refused that word.
func (x *accords) afterRefusal(ctx context.Context, own hansa.PartyID, id hansa.AccordID, message string) {
	err := x.write(ctx, func(tx hansa.Tx, w *work) error {
		list, err := sents(tx, own, id, sentRefused, accordSentShownMax)
		if err != nil {
			return err
		}
		for _, s := range list {
			if s.id == message && (s.kind == accord.Suspend || s.kind == accord.Resume || s.kind == accord.End) {
				return x.reopen(tx, w, own, id)
			}
		}
		return nil
	})
	if err != nil {
		x.n.log.LogAttrs(ctx, slog.LevelError, "a giving is not as the keeper left it", slog.String("accord", string(id)), slog.Any("err", err))
	}
}

// reopen lets own give again.
func (x *accords) reopen(tx hansa.Tx, w *work, own hansa.PartyID, id hansa.AccordID) error {
	s, err := x.book.Get(tx, own, id)
	if err != nil || s.State != hansa.AccordInForce && s.State != hansa.AccordSuspended {
		return err
	}
	me, err := x.meIn(tx, own, s)
	if err != nil {
		return err
	}
	return x.effect(tx, w, own, s, []accord.Effect{accord.Go{Party: me}})
}

// post makes one call. Without an answer of the inbox the outcome says why.
func (x *accords) post(ctx context.Context, l *outbound.Letter, jws string) (*wireAnswer, outbound.Outcome) {
	at, err := x.n.resolver.Endpoint(ctx, string(l.Other), accordService, true)
	if err != nil {
		return nil, outbound.Outcome{Reason: hansa.Public(err).Message + hinted(hansa.Public(err))}
	}
	h := http.Header{"Content-Type": {accordMedia}, "Accept": {"application/json"}}
	ctx, span := x.n.traces.calling(ctx, at, h)
	got, err := x.n.client.Do(ctx, outbound.Request{Method: http.MethodPost, URL: at, Header: h, Body: []byte(jws), AnswerMax: accordAnswerMax})
	if err != nil {
		ended(span, 0, err)
		return nil, outbound.Outcome{Reason: "there was no answer: " + strings.ToValidUTF8(err.Error(), "\uFFFD")}
	}
	ended(span, got.Status, nil)
	out := outbound.Outcome{Status: got.Status, Answer: got.Body, Reason: http.StatusText(got.Status)}
	var a wireAnswer
	if err := json.Unmarshal(got.Body, &a); err != nil || a.FormatVersion != accord.MessageFormat || (a.Error == nil) != (got.Status < 300) {
		out.Reason = "what answers at " + at + " takes no accords: " + out.Reason
		return nil, out
	}
	if a.Error != nil {
		out.Reason = cutTo(a.Error.Message, 2000)
	}
	return &a, out
}
