package node

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// proofs is what anybody may check of the journal, and what a party may take home.
type proofs struct{ n *Node }

var _ api.Evidence = proofs{}

func (p proofs) Checkpoint(ctx context.Context) ([]byte, error) { return p.n.journal.Checkpoint(ctx) }

func (p proofs) Tile(ctx context.Context, path string) ([]byte, error) {
	return p.n.journal.Tile(ctx, path)
}

func (p proofs) Key() string { return p.n.journal.VerifierKey() }

func (p proofs) Entries(ctx context.Context, by hansa.Actor, from, limit int64) ([]api.Entry, error) {
	lines, err := p.n.journal.Entries(ctx, by.Party, from, int(limit))
	out := make([]api.Entry, 0, len(lines))
	for _, l := range lines {
		out = append(out, api.Entry{Index: l.Index, Data: string(l.Data)})
	}
	return out, err
}

// rangesMax bounds the hand-overs of one flow that go into one bundle.
const rangesMax = 50

// Proof bundles what can be proved of a record to a party: every version with its
// content, each receiver's steps, and the newest hand-overs. The giver gets all;
// a receiver what concerns it. What is not sealed yet is sealed first.
func (p proofs) Proof(ctx context.Context, by hansa.Actor, dataset, record string, since []byte) ([]byte, error) {
	party, set, flows, err := p.scope(by, dataset)
	if err != nil {
		return nil, err
	}
	var refs []journal.FactRef
	versions, err := p.versions(ctx, party, set, record)
	if err != nil {
		return nil, err
	}
	own := party == by.Party
	for _, v := range versions {
		r := journal.FactRef{Batch: v.Batch, Position: v.Position, Kind: v.Kind, Salt: v.Salt, Doc: v.Doc}
		if own { // a receiver has what its terms gave it, not the original
			r.Content = v.Content
		}
		refs = append(refs, r)
	}
	steps, err := p.n.book.Facts(ctx, by.Party, set, record)
	if err != nil && hansa.KindOf(err) != hansa.NotFound {
		return nil, err
	}
	for _, s := range steps {
		if s.Batch == "" { // said since the sealing
			continue
		}
		r := journal.FactRef{Batch: s.Batch, Position: s.Position, Kind: hansa.FactReceipt, Salt: s.Salt, Doc: s.Doc}
		if s.Step.Signature != "" {
			r.Content, r.JWS = []byte(s.Step.Receipt), s.Step.Signature
			if r.Key, err = p.n.trust.PublicKey(ctx, s.Step.Party, s.Step.Key); err != nil {
				return nil, err
			}
		}
		refs = append(refs, r)
	}
	for f, err := range p.ranges(ctx, flows) {
		if err != nil {
			return nil, err
		}
		refs = append(refs, f)
	}
	return p.bundle(ctx, refs, since)
}

// sealTries is how often a sealing is tried that a record overtakes.
const sealTries = 3

// versions are what proves each version of a record, all sealed. One that comes between
// the sealing and the reading is sealed as well; of a record that changes all the time
// the last may be missing.
func (p proofs) versions(ctx context.Context, party hansa.PartyID, set hansa.DatasetID, record string) (list []stream.Fact, err error) {
	unsealed := func(f stream.Fact) bool { return f.Batch == "" }
	for range sealTries {
		if err := p.n.seal(ctx); err != nil {
			return nil, err
		}
		if list, err = p.n.stream.Of(party).Facts(ctx, set, record); err != nil || !slices.ContainsFunc(list, unsealed) {
			return list, err
		}
	}
	return slices.DeleteFunc(list, unsealed), nil
}

func (p proofs) bundle(ctx context.Context, refs []journal.FactRef, since []byte) ([]byte, error) {
	if len(bytes.TrimSpace(since)) == 0 {
		return p.n.journal.Bundle(ctx, refs)
	}
	c, err := journal.ParseCheckpoint(string(since))
	if err != nil {
		return nil, err
	}
	return p.n.journal.Bundle(ctx, refs, c.Size)
}

// ranges yields the newest sealed hand-overs of flows.
func (p proofs) ranges(ctx context.Context, flows []hansa.FlowID) iter.Seq2[journal.FactRef, error] {
	return func(yield func(journal.FactRef, error) bool) {
		for _, id := range flows {
			list, err := p.n.deliver.Newest(ctx, id, rangesMax)
			for _, r := range list {
				f, e := p.n.deliver.Fact(ctx, r.ID)
				if err = errors.Join(err, e); err != nil || f.Batch == "" {
					continue
				}
				if !yield(journal.FactRef{Batch: f.Batch, Position: f.Position, Kind: hansa.FactDelivery, Salt: f.Salt, Doc: f.Doc}, nil) {
					return
				}
			}
			if err != nil && !yield(journal.FactRef{}, err) {
				return
			}
		}
	}
}

// scope finds a dataset that by gives or receives, and the flows that concern by.
func (p proofs) scope(by hansa.Actor, dataset string) (hansa.PartyID, hansa.DatasetID, []hansa.FlowID, error) {
	p.n.line.mu.RLock()
	defer p.n.line.mu.RUnlock()
	var party hansa.PartyID
	var set hansa.DatasetID
	for _, d := range p.n.line.datasets[by.Party] {
		if string(d.ID) == dataset || d.Name == dataset {
			party, set = d.Party, d.ID
		}
	}
	var flows []hansa.FlowID
	for id, c := range p.n.line.courses {
		if set == "" && c.flow.To == by.Party && (string(c.dataset.ID) == dataset || c.dataset.Name == dataset) {
			party, set = c.flow.From, c.dataset.ID
		}
		if c.dataset.ID == set && c.flow.From == party && (c.flow.To == by.Party || party == by.Party) {
			flows = append(flows, id)
		}
	}
	if set == "" {
		return "", "", nil, hansa.Errorf(hansa.NotFound, "there is no dataset %q", dataset).WithHint("hansa datasets")
	}
	return party, set, flows, nil
}
