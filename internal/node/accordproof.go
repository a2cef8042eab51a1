package node

import (
	"context"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// accordCopies are the copies of accords that this node holds, one for each of its
// parties that takes part. What own has no copy of is NotFound.
type accordCopies interface {
	// Entries returns own's copy of the chain, from the first entry on, as it was numbered.
	Entries(ctx context.Context, own hansa.PartyID, id hansa.AccordID) ([]accord.Entry, error)
	State(ctx context.Context, own hansa.PartyID, id hansa.AccordID) (accord.State, error)
	// Text returns the canonical bytes of the version with hash of one of own's accords.
	Text(ctx context.Context, own hansa.PartyID, id hansa.AccordID, hash string) ([]byte, error)
}

// AccordProof bundles an accord as by's party knows it: each entry with its message,
// and so every text and signature, and what became of the keys.
func (p proofs) AccordProof(ctx context.Context, by hansa.Actor, id string, since []byte) ([]byte, error) {
	list, err := p.n.copies.Entries(ctx, by.Party, hansa.AccordID(id))
	if err != nil {
		return nil, err
	}
	refs, kids, err := entryFacts(by.Party, list)
	if err != nil {
		return nil, err
	}
	for _, party := range p.signers(kids) {
		acts, err := p.n.journal.ActsOf(ctx, party, accord.KeyActs()...)
		if err != nil {
			return nil, err
		}
		for _, a := range acts {
			var k trust.Key
			if json.Unmarshal(a.Doc, &k) == nil && slices.Contains(kids[party], k.KID) {
				refs = append(refs, journal.FactRef{Act: a.ID})
			}
		}
	}
	return p.bundle(ctx, refs, since)
}

// entryFacts names the acts of own's entries, and the keys in them by party.
func entryFacts(own hansa.PartyID, list []accord.Entry) (refs []journal.FactRef, kids map[hansa.PartyID][]string, err error) {
	kids = map[hansa.PartyID][]string{}
	for i := range list {
		content, err := accord.EntryContent(&list[i])
		if err != nil {
			return nil, nil, err
		}
		refs = append(refs, journal.FactRef{Act: accord.ActID(own, content), Content: content})
		signed, err := accord.EntrySignatures(&list[i])
		if err != nil {
			return nil, nil, err
		}
		for _, s := range signed {
			kid, err := s.KID()
			if err != nil {
				return nil, nil, err
			}
			if !slices.Contains(kids[s.Party], kid) {
				kids[s.Party] = append(kids[s.Party], kid)
			}
		}
	}
	return refs, kids, nil
}

// signers are the parties under which the journal speaks of keys: one that lives here
// may have signed under another of its names.
func (p proofs) signers(kids map[hansa.PartyID][]string) (out []hansa.PartyID) {
	for party := range kids {
		at := party
		if here, ok := p.n.hostedAs(party); ok && here.ID != party {
			at = here.ID
			kids[at] = append(kids[at], kids[party]...)
		}
		if !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out
}

// prints are accords for paper.
type prints struct{ n *Node }

var _ room.Prints = prints{}

// AccordPrint implements [room.Prints].
func (p prints) AccordPrint(ctx context.Context, by hansa.Actor, id, hash string) (room.AccordPrint, error) {
	st, err := p.n.copies.State(ctx, by.Party, hansa.AccordID(id))
	if err != nil {
		return room.AccordPrint{}, err
	}
	if hash == "" {
		if hash = st.Force; hash == "" {
			hash = st.Proposed
		}
	}
	out := room.AccordPrint{Hash: hash, State: st.State, Entry: st.N, Head: st.Head}
	if out.Canonical, err = p.n.copies.Text(ctx, by.Party, st.ID, hash); err != nil {
		return out, err
	}
	if err := json.Unmarshal(out.Canonical, &out.Text, json.RejectUnknownMembers(true)); err != nil {
		return out, hansa.Errorf(hansa.Internal, "a stored text cannot be read: %w", err).With(hansa.CodeCorrupt)
	}
	switch hash {
	case st.Force:
		out.InForce, out.Effect, out.Signatures = true, st.Effect, st.InForce
	case st.Proposed:
		out.Signatures = st.Signatures
	}
	return out, nil
}
