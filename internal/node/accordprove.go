package node

import (
	"context"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// readMessage reads a message before any key is touched.
func readAccordMessage(jws string) (*accord.Message, trust.Message, error) {
	sent, err := trust.ReadMessage(jws, accord.MessageType)
	if err != nil {
		return nil, sent, err
	}
	m, err := accord.ReadMessage(sent.Payload)
	if err != nil {
		return nil, sent, err
	}
	if string(m.From) != sent.DID {
		return nil, sent, hansa.Errorf(hansa.Denied, "the message is from %s, but signed by %s", m.From, sent.DID).With(hansa.CodeForbidden).At("/from")
	}
	return m, sent, nil
}

// prove finds whether a message to own is its sender's, and each signature in it its
// party's, by keys that were good when it arrived. It may fetch DID documents, so it is
// never called inside a transaction.
func (x *accords) prove(ctx context.Context, own hansa.PartyID, jws string, arrived time.Time) (*heard, error) {
	h, err := x.proveSender(ctx, own, jws, arrived)
	if err != nil {
		return nil, err
	}
	return h, x.proveRest(ctx, own, h, arrived)
}

// proveWaiting proves what waits for own's yes, whose sender is proven: the entry that
// opens an accord. The entries behind that one stand on versions that own's copy, which
// is not there yet, does not have: they are proven with the yes.
func (x *accords) proveWaiting(ctx context.Context, own hansa.PartyID, h *heard) error {
	e := h.m.Body.Entry
	if e.N <= 1 {
		return x.proveEntry(ctx, own, h)
	}
	inner, _, err := readAccordMessage(e.Message)
	if err != nil {
		return err
	}
	return holds(h.m, inner)
}

// proveSender finds whether a message to own is its sender's.
func (x *accords) proveSender(ctx context.Context, own hansa.PartyID, jws string, arrived time.Time) (*heard, error) {
	m, sent, err := readAccordMessage(jws)
	if err != nil {
		return nil, err
	}
	h := &heard{jws: jws, m: m, kid: sent.KID}
	if h.jwk, err = x.keyOf(ctx, own, &sent, arrived); err != nil {
		return nil, err
	}
	if _, err := trust.VerifyMessage(h.jwk, accord.MessageType, jws); err != nil {
		return nil, err
	}
	return h, nil
}

// proveRest proves what a message holds whose sender is proven.
func (x *accords) proveRest(ctx context.Context, own hansa.PartyID, h *heard, arrived time.Time) (err error) {
	if h.m.Kind == accord.Told {
		return x.proveEntry(ctx, own, h)
	}
	if len(h.m.Body.Text) > 0 {
		if h.text, err = accord.Read(h.m.Body.Text); err != nil {
			return err
		}
	}
	return x.proveSignatures(ctx, own, h, arrived)
}

// proveEntry proves the message in an entry that a keeper tells.
func (x *accords) proveEntry(ctx context.Context, own hansa.PartyID, h *heard) error {
	e := h.m.Body.Entry
	if e == nil {
		return hansa.Fielded("/body/entry", "the keeper tells an entry")
	}
	if ahead := e.At.Sub(x.n.wall()); ahead > hansa.SkewMax {
		return hansa.Errorf(hansa.Invalid, "the entry is of %s, which is yet to come", e.At.UTC().Format(time.RFC3339)).With(hansa.CodeSkew).At("/body/entry/at")
	}
	inner, err := x.prove(ctx, own, e.Message, e.At)
	if err != nil {
		return err
	}
	h.inner = inner
	return holds(h.m, inner.m)
}

// holds is an error unless m, which tells an entry, may hold the message inner in it.
func holds(m, inner *accord.Message) error {
	if inner.Kind == accord.Told || inner.Accord != m.Accord {
		return hansa.Fielded("/body/entry/message", "an entry holds a message about the same accord, and no entry")
	}
	return nil
}

// keyOf is the message key that a message names, which was good when it arrived.
func (x *accords) keyOf(ctx context.Context, own hansa.PartyID, sent *trust.Message, arrived time.Time) ([]byte, error) {
	p, here := x.n.hostedAs(hansa.PartyID(sent.DID))
	if !here {
		return x.n.resolver.MessageKey(ctx, sent.DID, sent.KID, x.n.wall(), x.knows(ctx, own, hansa.PartyID(sent.DID)))
	}
	keys, err := x.n.trust.Keys(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(keys, func(k trust.Key) bool { return k.KID == sent.Thumbprint() && k.Use == trust.UseMessage })
	if i < 0 {
		return nil, hansa.Errorf(hansa.Denied, "the key %.100q is none by which %s sends messages", sent.KID, p.Title).With(hansa.CodeForbidden)
	}
	if why := keys[i].ValidAt(arrived); why != "" {
		return nil, hansa.Errorf(hansa.Denied, "the key %s of %s: %s", sent.Thumbprint(), p.Title, why).With(hansa.CodeForbidden)
	}
	return []byte(keys[i].JWK), nil
}

// proveSignatures proves what in a message binds.
func (x *accords) proveSignatures(ctx context.Context, own hansa.PartyID, h *heard, arrived time.Time) error {
	b := &h.m.Body
	if s := b.Signature; s != nil {
		about := ""
		if h.m.Kind != accord.Sign {
			var err error
			if about, err = b.Digest(); err != nil {
				return err
			}
		}
		if s.Act != h.m.Kind || s.About != about || s.Party != h.m.From {
			return hansa.Errorf(hansa.Denied, "the signature of %s is for another act than the message of %s", s.Party, h.m.From).With(hansa.CodeForbidden).At("/body/signature")
		}
		if err := x.proveOne(ctx, own, h, s, arrived, false); err != nil {
			return err
		}
	}
	for i := range b.Signatures {
		if s := &b.Signatures[i]; s.Act != accord.Sign {
			return hansa.Errorf(hansa.Denied, "the signature of %s is for %s, not for the text", s.Party, s.Act).With(hansa.CodeForbidden).At("/body/signatures")
		}
	}
	return x.proveAll(ctx, own, h, arrived)
}

// proveAll proves the signatures with which a version comes into force. One that
// own's copy holds was proven when it came: its key may have ended since.
func (x *accords) proveAll(ctx context.Context, own hansa.PartyID, h *heard, arrived time.Time) error {
	list := h.m.Body.Signatures
	if len(list) == 0 {
		return nil
	}
	var known []accord.Signature
	err := x.n.db.Read(ctx, func(tx hansa.Tx) error {
		s, err := x.book.Get(tx, own, h.m.Accord)
		if err == nil {
			known = s.Signatures
		}
		return unlessGone(err)
	})
	if err != nil {
		return err
	}
	for i := range list {
		was := slices.ContainsFunc(known, func(k accord.Signature) bool { return k.JWS == list[i].JWS && k.Party == list[i].Party })
		if err := x.proveOne(ctx, own, h, &list[i], arrived, was); err != nil {
			return err
		}
	}
	return nil
}

func (x *accords) proveOne(ctx context.Context, own hansa.PartyID, h *heard, s *accord.Signature, arrived time.Time, was bool) error {
	var canonical []byte
	err := x.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		canonical, err = x.book.Text(tx, own, h.m.Accord, s.Hash)
		return err
	})
	if hansa.KindOf(err) == hansa.NotFound && h.over != nil {
		canonical, err = h.over.Canonical()
	}
	if hansa.KindOf(err) == hansa.NotFound {
		return stale("the signature of %s is over the version %.16s…, which is not known here", s.Party, s.Hash)
	}
	if err == nil && was {
		return s.Check(canonical)
	}
	if err != nil {
		return err
	}
	return x.n.checkSignature(ctx, canonical, s, arrived)
}

// stale is the refusal of what stands on a version that is not the present one.
func stale(format string, args ...any) *hansa.Error {
	return hansa.Errorf(hansa.Conflict, format, args...).With(hansa.CodeStale).At("/base").WithHint("see what changed: hansa accords diff ID; then do it again")
}
