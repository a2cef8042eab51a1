package node

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// Where accords are received, and how a DID document names the place.
const (
	accordInbox   = "/accords/v1/inbox"
	accordService = "HansaAccords"
	accordMedia   = "application/jose"
)

// wireAnswer is the answer to a message.
type wireAnswer struct {
	FormatVersion int            `json:"formatVersion"`
	Message       string         `json:"message,omitempty"`
	Accord        hansa.AccordID `json:"accord,omitempty"`
	N             int64          `json:"n,omitzero"`
	Head          string         `json:"head,omitempty"`
	Present       string         `json:"present,omitempty"`
	Checkpoint    string         `json:"checkpoint,omitempty"`
	Waits         bool           `json:"waits,omitzero"`
	Error         *wireRefusal   `json:"error,omitempty"`
}

// wireRefusal is why a message was refused.
type wireRefusal struct {
	Kind    string     `json:"kind"`
	Code    hansa.Code `json:"code"`
	Message string     `json:"message"`
	Field   string     `json:"field,omitempty"`
	Hint    string     `json:"hint,omitempty"`
}

// inboxRoute is open to all: a message proves itself.
func inboxRoute() hansa.Route {
	return hansa.Route{Method: http.MethodPost, Pattern: accordInbox, Object: "node", Action: "take a message about an accord, which its sender's key proves", BodyMax: accordEntryMax}
}

// received answers the inbox.
func (x *accords) received(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != accordMedia {
		return hansa.Errorf(hansa.Invalid, "a message is a JWS in compact form: send Content-Type: %s", accordMedia).With(hansa.CodeMediaType)
	}
	body, err := io.ReadAll(r.Body)
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return hansa.Errorf(hansa.Invalid, "a message has at most %d bytes", e.Limit).With(hansa.CodeTooLarge)
	}
	if err != nil {
		return hansa.Errorf(hansa.Invalid, "the message could not be read: %w", err).With(hansa.CodeSyntax)
	}
	out, err := x.hear(r.Context(), string(body))
	if hansa.KindOf(err) == hansa.Internal && err != nil {
		return err
	}
	status := http.StatusOK
	switch {
	case err != nil:
		e := hansa.Public(err)
		status, out.Error = hansa.Status(e), &wireRefusal{Kind: e.Kind.String(), Code: e.Code, Message: e.Message, Field: e.Field, Hint: e.Hint}
		if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
	case out.Waits:
		status = http.StatusAccepted
	}
	out.FormatVersion, out.Checkpoint = accord.MessageFormat, x.checkpoint(r.Context())
	doc, err := json.Marshal(out)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(doc)
	return nil
}

// hear takes a message from another node. What it answers is said also with an error;
// how the accord stands is said to its parties alone, once the sender is proven.
func (x *accords) hear(ctx context.Context, jws string) (out wireAnswer, err error) {
	m, _, err := readAccordMessage(strings.TrimSpace(jws))
	if err != nil {
		return out, err
	}
	out.Message, out.Accord = m.ID, m.Accord
	p, here := x.n.hostedAs(m.To)
	if !here {
		return out, hansa.Errorf(hansa.NotFound, "the message is for %s, who does not live here", m.To).At("/to")
	}
	how, err := x.admits(ctx, p.ID, m)
	if err != nil {
		return out, err
	}
	h, err := x.proveSender(ctx, p.ID, jws, x.n.wall())
	if err != nil {
		return out, err
	}
	by := hansa.Actor{Party: m.From, Credential: "participant:" + string(m.From)}
	if _, ok := x.n.limiter.Allow(by, 1, x.n.wall()); !ok {
		return out, hansa.Errorf(hansa.Busy, "a participant may make %d requests a second", x.n.rate()).With(hansa.CodeRateLimited)
	}
	if how == contactWaits {
		if err := x.proveWaiting(ctx, p.ID, h); err != nil {
			return out, err
		}
		out.Waits = true
		return out, x.putBy(ctx, p.ID, h)
	}
	a, may, err := x.placed(ctx, p.ID, m)
	if err != nil {
		return out, err
	}
	if may {
		out.N, out.Head, out.Present = a.N, a.Head, a.Present
	}
	if e := m.Body.Entry; m.Kind == accord.Told && e != nil && e.N > a.N+1 {
		if !may {
			return out, hansa.Errorf(hansa.Denied, "%s does not keep this accord", m.From).With(hansa.CodeForbidden).At("/from")
		}
		return out, gap(a.N + 1)
	}
	if err := x.proveRest(ctx, p.ID, h, x.n.wall()); err != nil {
		return out, err
	}
	if m.Kind == accord.Asks || m.Kind == accord.Answers {
		return out, asks{x.n}.heard(ctx, p.ID, h)
	}
	a, err = x.take(ctx, p.ID, h, how)
	if !may { // who has come in by it may know
		_, may, _ = x.placed(ctx, p.ID, m)
	}
	if may {
		out.N, out.Head, out.Present = a.N, a.Head, a.Present
	}
	x.stirred(ctx, p.ID, m)
	return out, err
}

// placed is how far own's copy is, for who sent what came too early, and whether the
// sender may know: a party of the accord, and who brought it. Where there is no copy
// yet there is nothing to know.
func (x *accords) placed(ctx context.Context, own hansa.PartyID, m *accord.Message) (a placing, may bool, err error) {
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		s, err := x.book.Get(tx, own, m.Accord)
		if err != nil || s.N == 0 {
			may = true
			return unlessGone(err)
		}
		a = placing{N: s.N, Head: s.Head, Present: s.Proposed}
		if may = x.partOf(s, m.From); !may {
			may, err = brought(tx, own, m.Accord, m.From)
		}
		return err
	})
	return a, may, err
}

// take takes a message that is proven: as keeper, or as one who follows a keeper.
func (x *accords) take(ctx context.Context, own hansa.PartyID, h *heard, how string) (a placing, err error) {
	key, err := x.messageKey(ctx, own)
	if err != nil {
		return a, err
	}
	err = x.write(ctx, func(tx hansa.Tx, w *work) error {
		if err := x.keepCheckpoint(tx, own, h.m.From, h.m.Checkpoint); err != nil {
			return err
		}
		if h.inner == nil {
			a, err = x.number(tx, w, numberer{own, key}, h)
			return err
		}
		if how == contactInvited {
			if err := x.invited(tx, own, h); err != nil {
				return err
			}
		}
		if a, err = x.follow(tx, w, own, h.m.From, h.m.Body.Entry, h.inner); err != nil || h.m.Body.Entry.N >= a.N {
			return err
		}
		return x.tellRest(tx, w, own, h.m)
	})
	return a, err
}

// tellRest tells the newest entry to a party that said with m how far its copy is, where
// own keeps the accord: what is missing before it goes first. What waits for that party
// is tried anew instead.
func (x *accords) tellRest(tx hansa.Tx, w *work, own hansa.PartyID, m *accord.Message) error {
	s, err := x.book.Get(tx, own, m.Accord)
	if err != nil || x.me(own, []hansa.PartyID{s.Keeper}) == "" || !x.partOf(s, m.From) {
		return err
	}
	if l, err := x.n.deal.outbox.Stuck(tx, accordProcess(own, m.From, m.Accord)); l != nil || err != nil {
		return err
	}
	e, err := x.entry(tx, own, m.Accord, s.N)
	if err != nil {
		return err
	}
	return x.postEntry(tx, w, own, m.From, m.Accord, e)
}

// stirred tries what waits for who was just heard of.
func (x *accords) stirred(ctx context.Context, own hansa.PartyID, m *accord.Message) {
	process := accordProcess(own, m.From, m.Accord)
	waits := false
	_ = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		l, err := x.n.deal.outbox.Stuck(tx, process)
		waits = l != nil
		return err
	})
	if waits {
		_, _ = x.n.deal.outbox.Retry(ctx, own, process)
	}
}
