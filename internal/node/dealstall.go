package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// catalogueShown is how many datasets a page of the catalogue lists.
const catalogueShown = 100

// Dataset is one of by's party with its offers.
func (p dealpages) Dataset(ctx context.Context, by hansa.Actor, name string) (out room.DatasetSheet, err error) {
	set, err := p.n.datasetFor(by, name)
	if err != nil {
		return out, pointed(err, "see all at /datasets")
	}
	rows, err := kept(p).Datasets(ctx, by)
	if err != nil {
		return out, err
	}
	i := slices.IndexFunc(rows, func(r room.DatasetRow) bool { return r.Name == set.Name })
	if i < 0 {
		return out, hansa.Errorf(hansa.NotFound, "there is no such dataset").WithHint("see all at /datasets")
	}
	own := p.n.party(by.Party)
	out = room.DatasetSheet{DatasetRow: rows[i], Description: first(set.Description[own.Language()], set.Description["en"]), Offers: []room.OfferRow{}}
	list, err := shelf(p).Offers(ctx, by, "")
	for _, o := range list {
		if o.DatasetID != set.ID {
			continue
		}
		row := room.OfferRow{ID: o.ID, State: o.State, Automatic: o.Automatic, Made: o.Made, Withdrawn: o.Withdrawn, Words: o.Words}
		for _, to := range o.To {
			x := p.n.party(to)
			row.To = append(row.To, first(x.Title, string(to)))
		}
		out.Offers = append(out.Offers, row)
	}
	return out, err
}

// MakeOffer offers a dataset of by's party.
func (p dealpages) MakeOffer(ctx context.Context, by hansa.Actor, dataset string, o room.OfferTerms) error {
	purposes, formats, err := p.narrowed(&o)
	if err != nil {
		return err
	}
	if !o.Until.IsZero() && !o.Until.After(p.n.clock()) {
		return hansa.Fielded("/until", "an offer holds until a time to come")
	}
	order := api.OfferOrder{Dataset: dataset, Terms: hansa.Terms{Purposes: purposes, Formats: formats, Until: o.Until}, To: o.To, Automatic: o.Automatic}
	_, err = shelf(p).Offer(ctx, by, order)
	if e := hansa.Public(err); err != nil && e.Kind == hansa.NotFound && e.Field == "/to" {
		return hansa.Fielded("/to", "%s", e.Message).WithHint("name it by its DID, or see its name under Parties and Peers")
	}
	return err
}

// WithdrawOffer takes an offer of by's party back.
func (p dealpages) WithdrawOffer(ctx context.Context, by hansa.Actor, id string) error {
	_, err := shelf(p).WithdrawOffer(ctx, by, id)
	return err
}

// Writable lists the formats that data can leave in.
func (p dealpages) Writable() []string { return names(p.n.writable()) }

// search finds what by's party has or could have.
func (p dealpages) search(ctx context.Context, by hansa.Actor, words string, limit int) ([]catalog.Known, bool, error) {
	own := p.n.party(by.Party)
	return p.n.catalog.Known(ctx, catalog.Search{Query: catalog.Query{Party: by.Party, CallerKind: own.Kind, Now: p.n.clock(), Limit: limit}, Words: words})
}

// titles are those that the catalogues of others give their datasets, by owner and id.
func (p dealpages) titles(ctx context.Context, by hansa.Actor) (map[string]string, error) {
	list, _, err := p.search(ctx, by, "", catalog.KnownMax)
	own := p.n.party(by.Party)
	out := make(map[string]string, len(list))
	for i := range list {
		out[string(list[i].Participant)+" "+list[i].ID] = titleOf(&list[i].WireDataset, own.Language())
	}
	return out, err
}

// titleOf is what a dataset is called, as others write it too; empty when it has no
// title.
func titleOf(d *catalog.WireDataset, lang string) string {
	if t := textIn(d.Title, lang); t != "" {
		return t
	}
	for _, name := range []string{"title", "name", "edc:name"} {
		var s string
		if json.Unmarshal(d.Rest[name], &s) == nil && s != "" {
			return s
		}
	}
	return ""
}

// Catalogue searches what by's party has, and what is offered to it.
func (p dealpages) Catalogue(ctx context.Context, by hansa.Actor, words string) (room.Catalogue, error) {
	out := room.Catalogue{Datasets: []room.KnownDataset{}, Catalogues: []room.KnownCatalogue{}}
	visits, err := p.n.catalog.Visits(ctx, by.Party)
	if err != nil {
		return out, err
	}
	for _, v := range visits {
		out.Catalogues = append(out.Catalogues, room.KnownCatalogue{Party: v.Participant, Title: p.n.party(v.Participant).Title, Address: v.Base, Datasets: v.Datasets, Tried: v.Tried, Good: v.Good, Reason: v.Reason})
	}
	list, more, err := p.search(ctx, by, words, catalogueShown)
	for i := range list {
		out.Datasets = append(out.Datasets, p.known(by, &list[i]))
	}
	out.More = more
	return out, err
}

func (p dealpages) known(by hansa.Actor, k *catalog.Known) room.KnownDataset {
	own := p.n.party(by.Party)
	said := p.n.deal.said(&k.WireDataset, own.Language())
	out := room.KnownDataset{
		ID: k.ID, Title: titleOf(&k.WireDataset, own.Language()), Description: said.Description, Party: k.Participant, PartyTitle: p.n.party(k.Participant).Title, Address: k.Base, Own: k.Participant == by.Party,
		Licence: said.Licence, Changed: k.Changed, Offers: []room.KnownOffer{},
	}
	for _, t := range k.Theme {
		out.Themes = append(out.Themes, strings.ReplaceAll(strings.ToLower(string(t[strings.LastIndexByte(string(t), '/')+1:])), "_", " "))
	}
	if out.Own {
		if set, err := p.n.datasetFor(by, k.ID); err == nil {
			out.Name, out.Title = set.Name, first(out.Title, set.Name)
		}
		return out
	}
	for _, f := range said.Formats {
		if !slices.Contains(out.Ways, f) {
			out.Ways = append(out.Ways, f)
		}
	}
	good := holdable(k.Policy)
	for _, o := range said.Offers {
		out.Offers = append(out.Offers, room.KnownOffer{ID: o.ID, Words: o.Words, Purposes: names(o.Purposes), Automatic: o.Automatic, Bad: !good[o.ID]})
	}
	return out
}

// holdable lists the offers that this node could hold to, by their ids.
func holdable(list []jsontext.Value) map[string]bool {
	out := map[string]bool{}
	for _, raw := range list {
		if p, err := policy.Parse(raw); err == nil {
			out[p.ID] = policy.Check(p) == nil
		}
	}
	return out
}

// lookFor bounds how long a person waits for the catalogues that are read anew.
const lookFor = 20 * time.Second

// Look reads the catalogues of the peers of by's party anew.
func (p dealpages) Look(ctx context.Context, by hansa.Actor) error {
	list, err := p.n.trust.Peers(ctx, by.Party)
	if err != nil {
		return err
	}
	within, stop := context.WithTimeout(ctx, lookFor)
	defer stop()
	c := &crawler{n: p.n, who: p.n.deal.identity}
	for i := range list {
		if list[i].Address != "" && within.Err() == nil {
			c.visit(within, catalog.Elsewhere{Party: by.Party, Participant: list[i].ID, Base: strings.TrimRight(list[i].Address, "/")})
		}
	}
	return ctx.Err()
}

// OfferAt is one offer of a dataset elsewhere.
func (p dealpages) OfferAt(ctx context.Context, by hansa.Actor, peer hansa.PartyID, target, offer string) (room.KnownDataset, room.KnownOffer, error) {
	list, _, err := p.search(ctx, by, target, catalog.KnownMax)
	if hansa.KindOf(err) == hansa.Invalid && err != nil { // an id of many words
		list, _, err = p.search(ctx, by, "", catalog.KnownMax)
	}
	if err != nil {
		return room.KnownDataset{}, room.KnownOffer{}, err
	}
	for i := range list {
		if k := &list[i]; k.Participant == peer && k.ID == target && k.Base != "" {
			d := p.known(by, k)
			for _, o := range d.Offers {
				if o.ID == offer && !o.Bad {
					return d, o, nil
				}
			}
		}
	}
	return room.KnownDataset{}, room.KnownOffer{}, hansa.Errorf(hansa.NotFound, "there is no such offer, or it is shown no more").WithHint("see all at /catalogue")
}

// Peers lists whom by's party deals with elsewhere.
func (p dealpages) Peers(ctx context.Context, by hansa.Actor) ([]room.Peer, error) {
	list, err := peers(p).Peers(ctx, by, "")
	out := make([]room.Peer, 0, len(list))
	for i := range list {
		x := &list[i]
		out = append(out, room.Peer{Name: x.Name, ID: x.ID, Title: x.Title, Address: x.Address, Mode: x.Mode, Token: x.Token, Added: x.Added})
	}
	return out, err
}

// AddPeer keeps a participant elsewhere.
func (p dealpages) AddPeer(ctx context.Context, by hansa.Actor, o room.PeerOrder) (string, error) {
	x, err := peers(p).AddPeer(ctx, by, api.PeerOrder{Name: o.Name, Title: o.Title, ID: hansa.PartyID(o.ID), Address: strings.TrimRight(o.Address, "/"), Mode: o.Mode, Token: o.Token, Issue: o.Issue})
	return x.Inbound, err
}

// RemovePeer forgets one.
func (p dealpages) RemovePeer(ctx context.Context, by hansa.Actor, name string) error {
	return pointed(peers(p).RemovePeer(ctx, by, "", name), "see all at /settings/peers")
}

// PartyKeys lists those by which by's party signs.
func (p dealpages) PartyKeys(ctx context.Context, by hansa.Actor) (room.PartyKeys, error) {
	list, err := keyring(p).Keys(ctx, by, "")
	out := room.PartyKeys{DID: list.DID, Keys: []room.PartyKey{}}
	for i := range list.Keys {
		k := &list.Keys[i]
		out.Keys = append(out.Keys, room.PartyKey{KID: k.KID, Use: k.Use, Alg: k.Alg, State: k.State, ValidFrom: k.ValidFrom, ValidTo: k.ValidTo, Reason: k.Reason})
	}
	return out, err
}

// RotateKey puts a new key in the place of one.
func (p dealpages) RotateKey(ctx context.Context, by hansa.Actor, kid string) error {
	_, err := keyring(p).RotateKey(ctx, by, kid, api.KeyOrder{})
	return pointed(err, "see all at /settings/keys")
}
