package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// shelf is what parties offer, and what they know of others.
type shelf struct{ n *Node }

var _ api.Offers = shelf{}

// addressOf is where what belongs to a party lies: the node's own at its root.
func (n *Node) addressOf(p hansa.Party) string {
	if p.ID == n.own {
		return n.address()
	}
	return n.address() + "/parties/" + p.Name
}

// writable are the formats that data can leave in.
func (n *Node) writable() (list []hansa.Format) {
	for _, c := range n.line.codecs {
		if c.Writer != nil {
			list = append(list, c.Name)
		}
	}
	return list
}

// Offer makes an offer of a dataset.
func (o shelf) Offer(ctx context.Context, by hansa.Actor, order api.OfferOrder) (api.Offer, error) {
	p, err := o.n.partyFor(by, order.Party)
	if err != nil {
		return api.Offer{}, err
	}
	d, err := o.n.datasetFor(hansa.Actor{Party: p.ID}, order.Dataset)
	if err != nil {
		return api.Offer{}, hansa.Public(err).At("/dataset")
	}
	now := o.n.wall().UTC()
	made := &catalog.Offer{ID: hansa.NewID(now), Party: p.ID, Dataset: d.ID, Automatic: order.Automatic, Limit: order.Limit, Made: now.Truncate(time.Millisecond)}
	if made.Policy, err = o.policy(made, &order); err != nil {
		return api.Offer{}, err
	}
	for _, name := range order.To {
		id := hansa.PartyID(name)
		if !strings.HasPrefix(name, "did:") {
			to, err := o.n.trust.PartyByName(ctx, name)
			if err != nil {
				return api.Offer{}, hansa.Public(err).At("/to").WithHint("hansa parties list, or name it by its DID")
			}
			id = to.ID
		}
		if !slices.Contains(made.To, id) {
			made.To = append(made.To, id)
		}
	}
	err = o.n.db.Write(ctx, func(tx hansa.Tx) error {
		if err := o.n.catalog.SaveOffer(tx, made); err != nil {
			return err
		}
		return o.n.act(tx, by, p.ID, "offer-made", made)
	})
	if err != nil {
		return api.Offer{}, err
	}
	o.n.published.forget()
	return o.shown(made)
}

// policy makes the offer's policy of what was ordered, and sees to it that the gate
// can hold to it.
func (o shelf) policy(made *catalog.Offer, order *api.OfferOrder) (*policy.Policy, error) {
	own := len(order.Policy) > 0
	if own && (len(order.Terms.Purposes) > 0 || len(order.Terms.Formats) > 0) {
		return nil, hansa.Fielded("/policy", "an offer has terms or a policy, not both")
	}
	var p *policy.Policy
	if own {
		var err error
		if p, err = policy.Parse(order.Policy); err != nil {
			return nil, under("/policy", err)
		}
		p.ID, p.Type = made.ID, policy.Offer
	} else {
		t := &order.Terms
		if len(t.Purposes) == 0 {
			return nil, hansa.Fielded("/terms/purposes", "an offer names at least one purpose, or brings a policy")
		}
		for _, f := range t.Formats {
			if !slices.Contains(o.n.writable(), f) {
				return nil, hansa.Fielded("/terms/formats", "there is no format %q", f).WithHint("hansa help formats")
			}
		}
		if len(t.Formats) == 0 {
			t.Formats = o.n.writable()
		}
		p = policy.FromTerms(made.ID, t)
	}
	terms, err := p.Terms(made.Made)
	if err != nil {
		return nil, under("/policy", err)
	}
	if len(terms.Purposes) == 0 { // the policy leaves it open, and an agreement will name it
		terms.Purposes = []hansa.Purpose{"trial"}
	}
	if len(terms.Formats) == 0 {
		terms.Formats = o.n.writable()
	}
	trial := hansa.Flow{ID: hansa.FlowID(made.ID), Name: "trial", Dataset: made.Dataset, From: made.Party, To: hansa.PublicParty, Basis: hansa.Basis{Kind: hansa.BasisAgreement, ID: made.ID}, Terms: terms}
	if _, err := gate.Compile(&trial); err != nil {
		return nil, under("/policy", err)
	}
	return p, nil
}

// under puts the place of an error under a member of the order.
func under(member string, err error) error {
	e := hansa.Public(err)
	return e.At(member + e.Field)
}

// shown is an offer as its party sees it.
func (o shelf) shown(x *catalog.Offer) (api.Offer, error) {
	out := api.Offer{
		ID: x.ID, Party: o.n.party(x.Party).Name, Dataset: string(x.Dataset), DatasetID: x.Dataset, State: "standing", Automatic: x.Automatic, To: x.To, Limit: x.Limit, Made: x.Made, Withdrawn: x.Withdrawn,
		Words: policy.Words(x.Policy),
	}
	if !x.Withdrawn.IsZero() {
		out.State = "withdrawn"
	}
	if d, err := o.n.datasetFor(hansa.Actor{Party: x.Party}, string(x.Dataset)); err == nil {
		out.Dataset = d.Name
	}
	if t, err := x.Policy.Terms(x.Made); err == nil {
		out.Terms = &t
	}
	var err error
	out.Policy, err = json.Marshal(x.Policy, json.Deterministic(true))
	return out, err
}

// Offers lists a party's offers.
func (o shelf) Offers(ctx context.Context, by hansa.Actor, party string) ([]api.Offer, error) {
	p, err := o.n.partyFor(by, party)
	if err != nil {
		return nil, err
	}
	list, err := o.n.catalog.Offers(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	out := make([]api.Offer, 0, len(list))
	for i := range list {
		x, err := o.shown(&list[i])
		if err != nil {
			return nil, err
		}
		x.Policy, x.Terms = nil, nil // one by one
		out = append(out, x)
	}
	return out, nil
}

// find finds an offer of by's party, or for the operator of any.
func (o shelf) find(ctx context.Context, by hansa.Actor, id string) (x *catalog.Offer, err error) {
	parties := []hansa.PartyID{by.Party}
	if admin(by) {
		all, err := o.n.trust.Parties(ctx)
		if err != nil {
			return nil, err
		}
		for i := range all {
			parties = append(parties, all[i].ID)
		}
	}
	err = o.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		for _, p := range parties {
			if x, err = o.n.catalog.OfferByID(tx, p, id); hansa.KindOf(err) != hansa.NotFound {
				return err
			}
		}
		return err
	})
	return x, err
}

// OfferByID shows one offer.
func (o shelf) OfferByID(ctx context.Context, by hansa.Actor, id string) (api.Offer, error) {
	x, err := o.find(ctx, by, id)
	if err != nil {
		return api.Offer{}, err
	}
	return o.shown(x)
}

// WithdrawOffer takes an offer out of the catalogue.
func (o shelf) WithdrawOffer(ctx context.Context, by hansa.Actor, id string) (api.Offer, error) {
	x, err := o.find(ctx, by, id)
	if err != nil {
		return api.Offer{}, err
	}
	err = o.n.db.Write(ctx, func(tx hansa.Tx) error {
		if err := o.n.catalog.WithdrawOffer(tx, x.Party, x.ID, o.n.wall()); err != nil {
			return err
		}
		return o.n.act(tx, by, x.Party, "offer-withdrawn", x.ID)
	})
	if err != nil {
		return api.Offer{}, err
	}
	o.n.published.forget()
	return o.OfferByID(ctx, by, id)
}

// Known searches what by's party has or could have.
func (o shelf) Known(ctx context.Context, by hansa.Actor, q api.KnownQuery) (api.KnownBody, error) {
	p := o.n.party(by.Party)
	list, more, err := o.n.catalog.Known(ctx, catalog.Search{Query: catalog.Query{Party: by.Party, CallerKind: p.Kind, Now: o.n.clock(), Limit: q.Limit}, Words: q.Words, Gone: q.Gone})
	if err != nil {
		return api.KnownBody{}, err
	}
	out := api.KnownBody{Datasets: make([]api.KnownDataset, 0, len(list)), More: more, Catalogues: []api.KnownCatalogue{}}
	for i := range list {
		out.Datasets = append(out.Datasets, o.known(&list[i], p.Language(), by.Party))
	}
	visits, err := o.n.catalog.Visits(ctx, by.Party)
	for _, v := range visits {
		out.Catalogues = append(out.Catalogues, api.KnownCatalogue{Party: v.Participant, Title: o.n.party(v.Participant).Title, At: v.Base, Datasets: v.Datasets, Tried: v.Tried, Good: v.Good, Reason: v.Reason})
	}
	return out, err
}

func (o shelf) known(k *catalog.Known, lang string, own hansa.PartyID) api.KnownDataset {
	out := api.KnownDataset{
		ID: k.ID, Title: textIn(k.Title, lang), Description: textIn(k.Description, lang), Party: k.Participant, PartyTitle: o.n.party(k.Participant).Title, At: k.Base, Own: k.Participant == own,
		Licence: string(k.Licence), First: k.First, Changed: k.Changed, Gone: k.Gone, Offers: k.Policy,
	}
	for _, t := range k.Theme {
		out.Themes = append(out.Themes, string(t[strings.LastIndexByte(string(t), '/')+1:]))
	}
	if out.Own {
		return out
	}
	for _, d := range k.Distribution {
		out.Formats = append(out.Formats, string(d.Format))
	}
	return out
}

// textIn is a text in a language, else in English, else the first.
func textIn(list []catalog.Text, lang string) string {
	for _, want := range []string{lang, "en"} {
		for _, t := range list {
			if t.Lang == want {
				return t.Value
			}
		}
	}
	if len(list) == 0 {
		return ""
	}
	return list[0].Value
}

// Public writes a party's public catalogue.
func (o shelf) Public(ctx context.Context, name string, turtle bool) (doc []byte, etag string, err error) {
	o.n.mu.RLock()
	p, ok := o.n.parties[o.n.own], name == ""
	for _, x := range o.n.parties {
		if name != "" && x.Name == name && x.Hosted {
			p, ok = x, true
		}
	}
	portal := &catalog.Portal{Address: o.n.addressOf(p) + "/catalogue", Homepage: o.n.address() + "/", Party: p, Formats: o.n.writable()}
	if w := o.n.places[p.ID]; w != nil {
		portal.Area = w.Covers()
	}
	o.n.mu.RUnlock()
	if !ok {
		return nil, "", hansa.Errorf(hansa.NotFound, "there is no such party on this node")
	}
	key := string(p.ID) + "\x00" + portal.Address
	if turtle {
		key += "\x00turtle"
	}
	return o.n.published.get(key, o.n.wall(), func() ([]byte, error) {
		var b bytes.Buffer
		write := o.n.catalog.JSONLD
		if turtle {
			write = o.n.catalog.Turtle
		}
		err := write(ctx, &b, catalog.Query{Party: p.ID, Base: o.n.deal.base(p.ID), Now: o.n.clock()}, portal)
		return b.Bytes(), err
	})
}

// Limits of the catalogues that are kept ready for everybody.
const (
	publishedFor  = 30 * time.Second
	publishedMax  = 16
	publishedByte = 64 << 20
)

// published keeps catalogues as they were last written: one is written at a time,
// and asking often costs nothing.
type published struct {
	mu   sync.Mutex // guards all below, while one is written too
	docs map[string]publishedDoc
	size int
}

type publishedDoc struct {
	doc  []byte
	etag string
	at   time.Time
}

// get returns a document that is young enough, or writes it.
func (p *published) get(key string, now time.Time, write func() ([]byte, error)) ([]byte, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d, ok := p.docs[key]; ok && now.Sub(d.at) < publishedFor {
		return d.doc, d.etag, nil
	}
	doc, err := write()
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(doc)
	d := publishedDoc{doc: doc, etag: `"` + hex.EncodeToString(sum[:16]) + `"`, at: now}
	p.size += len(doc) - len(p.docs[key].doc)
	if len(p.docs) >= publishedMax || p.size > publishedByte {
		clear(p.docs)
		p.size = len(doc)
	}
	if p.docs == nil {
		p.docs = map[string]publishedDoc{}
	}
	p.docs[key] = d
	return d.doc, d.etag, nil
}

// forget drops what is ready: something was offered, changed or withdrawn.
func (p *published) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.docs)
	p.size = 0
}
