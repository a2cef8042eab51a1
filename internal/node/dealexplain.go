package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// explainFlow says in words what a flow stands on, where that is an agreement
// between connectors, and how it decides now; nil where it is not.
func (d *deal) explainFlow(ctx context.Context, f *hansa.Flow, purpose hansa.Purpose) (*api.PolicyExplained, error) {
	var a *negotiation.Agreement
	err := d.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		a, err = d.negotiations.AgreementByID(tx, f.From, f.Basis.ID)
		return err
	})
	if f.Basis.Kind != hansa.BasisAgreement || hansa.KindOf(err) == hansa.NotFound {
		return nil, nil //nolint:nilnil // it stands on something else
	}
	if err != nil {
		return nil, err
	}
	scopes, err := d.scopes(a.Policy, f.To, purpose, a.At)
	return &api.PolicyExplained{Agreement: a.ID, Words: policy.Words(a.Policy), Scopes: scopes}, err
}

// scopes asks a policy at each of its moments. agreed is when the agreement was
// made: before that there is none to count from.
func (d *deal) scopes(p *policy.Policy, party hansa.PartyID, purpose hansa.Purpose, agreed time.Time) ([]api.ScopeSays, error) {
	compiled, err := policy.Compile(p)
	if err != nil {
		return nil, err
	}
	purposes := d.asked(p)
	if purpose != "" && purpose != unrestricted {
		purposes = []hansa.Purpose{purpose}
	}
	out := []api.ScopeSays{}
	for _, s := range []policy.Scope{policy.Catalogue, policy.Negotiation, policy.Transfer, policy.Use} {
		in := d.input(party, purposes)
		if s == policy.Catalogue { // it is shown before anybody says what for
			in.Purposes = nil
		}
		if s == policy.Transfer || s == policy.Use {
			in.Agreed, in.Format = agreed, d.given(p, agreed)
		}
		dec := compiled.Evaluate(s, in)
		out = append(out, api.ScopeSays{Scope: s.String(), Allowed: dec.Allowed, Why: reasons(dec)})
	}
	return out, nil
}

// given is the format that data would leave in under p.
func (*deal) given(p *policy.Policy, agreed time.Time) string {
	t, err := p.Terms(agreed)
	if err != nil || len(t.Formats) == 0 {
		return "record"
	}
	return string(dataFormat(t.Formats))
}

// ExplainOffer says whether a party would see an own offer, may have it, and would
// be given its data, as if it asked now.
func (d dealing) ExplainOffer(ctx context.Context, by hansa.Actor, offer, party string, purpose hansa.Purpose) (out api.OfferExplained, err error) {
	var o *catalog.Offer
	err = d.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		o, err = d.n.catalog.OfferByID(tx, by.Party, offer)
		return err
	})
	if err != nil {
		return out, err
	}
	p, err := d.named(ctx, by, party)
	if err != nil {
		return out, err
	}
	now := d.n.clock()
	out = api.OfferExplained{Offer: o.ID, Party: p.ID, Title: p.Title, Purpose: purpose, Words: policy.Words(o.Policy), Decides: "a person"}
	if o.Automatic {
		out.Decides = "the node"
	}
	if out.Scopes, err = d.scopes(o.Policy, p.ID, purpose, now); err != nil {
		return out, err
	}
	var why string
	switch {
	case !o.Withdrawn.IsZero():
		why = "the offer was withdrawn at " + o.Withdrawn.Format("2006-01-02 15:04 UTC")
	case !d.sees(o, p.ID):
		why = "the offer is made to others alone"
	default:
		return out, nil
	}
	for i := range out.Scopes {
		out.Scopes[i] = api.ScopeSays{Scope: out.Scopes[i].Scope, Why: []string{why}}
	}
	return out, nil
}

// named finds a party that by deals with, or a peer of its, by name or id. Any DID
// may be asked about.
func (d dealing) named(ctx context.Context, by hansa.Actor, said string) (hansa.Party, error) {
	peers, err := d.n.trust.Peers(ctx, by.Party)
	if err != nil {
		return hansa.Party{}, err
	}
	for i := range peers {
		if peers[i].Name == said || string(peers[i].ID) == said {
			return d.n.party(peers[i].ID), nil
		}
	}
	all, err := admins{d.n}.Parties(ctx, by)
	if err != nil {
		return hansa.Party{}, err
	}
	if i := slices.IndexFunc(all, func(p hansa.Party) bool { return p.Name == said || string(p.ID) == said }); i >= 0 {
		return all[i], nil
	}
	if strings.HasPrefix(said, "did:") && len(said) <= hansa.IDBytesMax {
		return hansa.Party{ID: hansa.PartyID(said), Title: said}, nil
	}
	return hansa.Party{}, hansa.Errorf(hansa.NotFound, "there is no party and no peer %q", said).WithHint("hansa parties list, hansa peers list")
}
