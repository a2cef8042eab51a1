package node

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// openTerms is what parties of this node give to everybody. Each read goes through the
// gate of the flow, as any other.
type openTerms struct{ n *Node }

var _ api.Open = openTerms{}

// OpenFlow implements [api.Open].
func (o openTerms) OpenFlow(party, dataset string) (hansa.FlowID, error) {
	for _, c := range o.courses() {
		if c.dataset.Name == dataset && o.n.party(c.flow.From).Name == party {
			return c.flow.ID, nil
		}
	}
	return "", hansa.Errorf(hansa.NotFound, "nothing is open to everybody at this address").WithHint("what is open: /open")
}

// courses are the flows by which everybody may read now, in the order of their ids: of
// two of one dataset, the first is read.
func (o openTerms) courses() (out []*course) {
	l, now := o.n.line, o.n.clock()
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, c := range l.courses {
		f := &c.flow
		if f.To == hansa.PublicParty && f.Basis.Kind == hansa.BasisAccord && !f.Paused && !f.Test && !now.Before(f.Terms.From) && (f.Terms.Until.IsZero() || now.Before(f.Terms.Until)) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *course) int { return strings.Compare(string(a.flow.ID), string(b.flow.ID)) })
	return out
}

// OpenDatasets implements [api.Open].
func (o openTerms) OpenDatasets() []api.OpenDataset {
	out := []api.OpenDataset{}
	seen := map[hansa.Key]bool{}
	for _, c := range o.courses() {
		key := hansa.Key{Party: c.flow.From, Dataset: c.dataset.ID}
		if seen[key] || len(out) == api.PageMax {
			continue
		}
		seen[key] = true
		t, p := &c.flow.Terms, o.n.party(c.flow.From)
		out = append(out, api.OpenDataset{
			Party: p.Name, PartyTitle: first(p.Title, p.Name), Dataset: c.dataset.Name, Title: dealpages(o).called(p.ID, &c.dataset), Kind: c.dataset.Kind, Licence: first(t.Licence, c.dataset.Licence), Attribution: t.Attribution, Purposes: t.Purposes,
			Accord: hansa.AccordID(c.flow.Basis.ID), Hash: c.flow.Basis.Hash, Register: "/register/" + c.flow.Basis.ID, Addresses: o.addresses(c),
		})
	}
	slices.SortFunc(out, func(a, b api.OpenDataset) int {
		return cmp.Or(strings.Compare(a.Party, b.Party), strings.Compare(a.Dataset, b.Dataset))
	})
	return out
}

func (o openTerms) addresses(c *course) []api.OpenAddress {
	out := []api.OpenAddress{}
	for _, f := range c.flow.Terms.Formats {
		out = append(out, api.OpenAddress{Format: f, Path: "/open/" + o.n.party(c.flow.From).Name + "/" + c.dataset.Name + "." + string(f)})
	}
	return out
}

// openAt are the addresses at which everybody reads what a flow of an accord gives; none
// where it is not open now.
func (n *Node) openAt(flow hansa.FlowID) (out []string) {
	o := openTerms{n}
	for _, c := range o.courses() {
		if c.flow.ID == flow {
			for _, a := range o.addresses(c) {
				out = append(out, a.Path)
			}
		}
	}
	return out
}
