package node

import (
	"context"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// hostedAs finds the party that lives here under id: its own, or a DID of this node.
func (n *Node) hostedAs(id hansa.PartyID) (hansa.Party, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if p, ok := n.parties[id]; ok && p.Hosted {
		return p, true
	}
	for _, p := range n.parties {
		if p.Hosted && (string(id) == n.did(p) || string(id) == n.hostedDID(p)) {
			return p, true
		}
	}
	return hansa.Party{}, false
}

// signAccord returns party's signature over the canonical bytes of a text, by the key
// that this node holds for it. s says the act, the role and the power. A party that
// keeps its key itself is not signed for: [trust.ErrOwnKey].
func (n *Node) signAccord(ctx context.Context, party hansa.PartyID, canonical []byte, s accord.Signature) (accord.Signature, error) {
	p, ok := n.hostedAs(party)
	if !ok {
		return s, hansa.Errorf(hansa.NotFound, "there is no party %q on this node that could sign", party)
	}
	key, err := n.trust.SigningKey(ctx, p.ID, trust.UseSignature)
	if err != nil {
		return s, err
	}
	s.Party, s.Held, s.Host, s.At = party, accord.HeldByNode, n.rootDID(), n.wall()
	return accord.SignBytes(key, canonical, s)
}

// checkSignature reports why s is not its party's signature over the canonical bytes of
// a text, by a key that was good when it arrived. It may fetch the DID document of a
// party elsewhere and keep its key, so it is never called inside a transaction. Busy is
// a document that cannot be read now and a key that is not known here.
func (n *Node) checkSignature(ctx context.Context, canonical []byte, s *accord.Signature, arrived time.Time) error {
	if err := s.Check(canonical); err != nil {
		return err
	}
	kid, err := s.KID()
	if err != nil {
		return err
	}
	var keys []trust.Key
	if p, ok := n.hostedAs(s.Party); ok {
		held, err := n.trust.Holds(ctx, p.ID, kid)
		if err != nil {
			return err
		}
		if held && (s.Held != accord.HeldByNode || s.Host != n.rootDID()) {
			return hansa.Errorf(hansa.Denied, "the key %s is held by this node, and the signature of %s says otherwise", kid, p.Title).With(hansa.CodeForbidden).At("/signature/held")
		}
		if keys, err = n.trust.Keys(ctx, p.ID); err != nil {
			return err
		}
	} else if keys, err = n.keysElsewhere(ctx, s, kid, arrived); err != nil {
		return err
	}
	for i := range keys {
		keys[i].Party = s.Party // it may be known here under another of its names
	}
	return s.Verify(canonical, arrived, keys)
}

// keyDoubt is how long before a key was missed in its DID document it counts for nothing
// already: longer than a document is held here.
const keyDoubt = 15 * time.Minute

// keysElsewhere returns what is known of the key kid by which s is made, of a party
// that lives elsewhere: by its DID document, and, where that cannot be read or lists the
// key no more, by what was kept.
func (n *Node) keysElsewhere(ctx context.Context, s *accord.Signature, kid string, arrived time.Time) ([]trust.Key, error) {
	kept, err := n.trust.Keys(ctx, s.Party)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(kept, func(k trust.Key) bool { return k.KID == kid })
	if i >= 0 && !kept[i].Revoked.IsZero() {
		return kept, nil
	}
	now := n.wall()
	jwk, asked := n.resolver.SignatureKey(ctx, string(s.Party), kid, now, true)
	switch {
	case asked == nil:
		if now.Before(arrived) {
			arrived = now
		}
		if i < 0 {
			err = n.trust.Change(ctx, func(tx hansa.Tx) error { return n.trust.LearnKey(tx, s.Party, jwk, arrived) })
		}
		return []trust.Key{{KID: kid, Party: s.Party, JWK: string(jwk), Use: trust.UseSignature, ValidFrom: arrived}}, err
	case i < 0:
		return nil, asked
	case hansa.KindOf(asked) == hansa.NotFound:
		gone := now // or sooner: since when it is not listed, nobody here knows
		if now.Sub(arrived) < keyDoubt {
			gone = arrived
		}
		if err := n.trust.Change(ctx, func(tx hansa.Tx) error { return n.trust.EndLearned(tx, s.Party, kid, gone) }); err != nil {
			return nil, err
		}
		return n.trust.Keys(ctx, s.Party)
	}
	return kept, nil
}

// journalEntry seals e, whose message is m, into own's journal within tx: with the
// message key jwk of its sender and the keys of all signatures in it, as they were found
// good just before. The proof of an accord is made of these acts.
func (n *Node) journalEntry(tx hansa.Tx, own hansa.PartyID, e *accord.Entry, m *accord.Message, jwk []byte) error {
	doc, err := accord.NewEntryDoc(e, m, jwk)
	if err != nil {
		return err
	}
	content, err := accord.EntryContent(e)
	if err != nil {
		return err
	}
	_, err = n.journal.ActAs(tx, accord.ActID(own, content), own, accord.EntryAct, doc, n.wall())
	return err
}
