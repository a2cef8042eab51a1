package node

import (
	"context"
	"net/url"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
)

var _ dsp.Deals = (*deal)(nil)

// identity says who other participants are.
func (n *Node) identity() trust.Identity {
	if n.cfg.Identity != nil {
		return n.cfg.Identity
	}
	return n.ids
}

// Own finds a party of this node by its name; empty is the node's own.
func (d *deal) Own(_ context.Context, name string) (hansa.Party, error) {
	d.n.mu.RLock()
	defer d.n.mu.RUnlock()
	for id, p := range d.n.parties {
		if name == "" && id == d.n.own || name != "" && p.Name == name && p.Hosted {
			return p, nil
		}
	}
	return hansa.Party{}, hansa.Errorf(hansa.NotFound, "there is no such participant on this node")
}

// called is what own is called on the wire towards another participant: by who
// meets it with tokens its id, else the DID under which it proves who it is.
func (d *deal) called(ctx context.Context, own, other hansa.PartyID) string {
	p, err := d.n.trust.PeerByID(ctx, own, other)
	if d.n.cfg.Identity != nil || err == nil && p.Mode == trust.PeerToken {
		return string(own)
	}
	return d.n.did(d.n.party(own))
}

// reachable reports why a message may not go where the other side says that it
// receives. A secret that both know is shown to the host of the peer alone.
func (d *deal) reachable(ctx context.Context, own, other hansa.PartyID, at string) error {
	if err := d.n.client.CheckURL(at); err != nil {
		return err
	}
	p, err := d.n.trust.PeerByID(ctx, own, other)
	if err != nil && hansa.KindOf(err) != hansa.NotFound {
		return err
	}
	if p.Mode != trust.PeerToken || p.Secret.IsZero() {
		return nil
	}
	to, err1 := url.Parse(at)
	known, err2 := url.Parse(p.Address)
	if err1 != nil || err2 != nil || to.Scheme != known.Scheme || to.Host != known.Host {
		return hansa.Errorf(hansa.Denied, "%s is met by a token, which is shown at %s alone", p.Title, p.Address).WithHint("hansa peers change " + p.Name + " --at URL")
	}
	return nil
}

func (d *deal) query(ctx context.Context, by dsp.Caller, base string) catalog.Query {
	return catalog.Query{Party: by.Own, Caller: by.Party, CallerKind: d.n.party(by.Party).Kind, Base: base, ParticipantID: d.called(ctx, by.Own, by.Party), Title: d.n.party(by.Own).Title, Now: d.n.clock()}
}

// Catalogue returns a page of what a participant may see.
func (d *deal) Catalogue(ctx context.Context, by dsp.Caller, base string, part dsp.Part) (doc *catalog.WireCatalog, next, previous, etag string, err error) {
	q := d.query(ctx, by, base)
	q.After, q.Skip, q.Limit = part.After, part.Skip, min(part.Limit, catalog.PageMax)
	return d.n.catalog.Page(ctx, q)
}

// Dataset returns one dataset that a participant may see.
func (d *deal) Dataset(ctx context.Context, by dsp.Caller, base, id string) (*catalog.WireDataset, error) {
	return d.n.catalog.WireDataset(ctx, d.query(ctx, by, base), id)
}

// remote says in words what is on a page of a peer's catalogue.
func (d *deal) remote(w *catalog.WireCatalog, lang string) []api.RemoteDataset {
	out := []api.RemoteDataset{}
	for set := range w.All {
		out = append(out, d.said(set, lang))
	}
	return out
}

// said says in words what a dataset of a peer's catalogue is, and how it is offered.
func (d *deal) said(set *catalog.WireDataset, lang string) api.RemoteDataset {
	out := api.RemoteDataset{ID: set.ID, Title: textIn(set.Title, lang), Description: textIn(set.Description, lang), Licence: first(string(set.Licence), textIn(set.Rights, lang)), Formats: []string{}, Offers: []api.RemoteOffer{}}
	for i := range set.Distribution {
		out.Formats = append(out.Formats, string(set.Distribution[i].Format))
	}
	automatic := map[string]bool{}
	for i := range set.Quality {
		automatic[string(set.Quality[i].Offer)] = set.Quality[i].Automatic
	}
	for _, raw := range set.Policy {
		p, err := policy.Parse(raw)
		if err != nil {
			out.Offers = append(out.Offers, api.RemoteOffer{Words: []string{"This offer cannot be read: " + hansa.Public(err).Error() + "."}})
			continue
		}
		out.Offers = append(out.Offers, api.RemoteOffer{ID: p.ID, Words: policy.Words(p), Purposes: d.asked(p), Automatic: automatic[p.ID]})
	}
	return out
}
