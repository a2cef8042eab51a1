package node

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
)

// peer finds whom own deals with: one that it keeps, by name or id, or whoever
// answers at the address of a connector, who is then kept.
func (d dealing) peer(ctx context.Context, by hansa.Actor, own hansa.Party, said string) (trust.Peer, error) {
	list, err := d.n.trust.Peers(ctx, own.ID)
	if err != nil {
		return trust.Peer{}, err
	}
	at := strings.TrimRight(said, "/")
	for i := range list {
		p := &list[i]
		if p.Name == said || string(p.ID) == said || strings.TrimRight(p.Address, "/") == at {
			if p.Address == "" {
				return *p, hansa.Errorf(hansa.Conflict, "the peer %s has no address: it only calls", p.Name).WithHint("hansa peers change " + p.Name + " --at URL")
			}
			return *p, nil
		}
	}
	if !strings.Contains(said, "://") {
		return trust.Peer{}, hansa.Fielded("/peer", "there is no peer %q", said).WithHint("hansa peers list; or name the address of its connector")
	}
	return d.meet(ctx, by, own, at)
}

// meet asks a connector who it is, by its version document, and keeps it. What it
// calls itself counts only where its DID leads to the same host: a proof that is made
// for somebody else must not be had by saying a name.
func (d dealing) meet(ctx context.Context, by hansa.Actor, own hansa.Party, at string) (trust.Peer, error) {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" {
		return trust.Peer{}, hansa.Fielded("/peer", "%q is no address of a connector", at)
	}
	opened := ""
	if err := d.n.client.CheckURL(at); err != nil {
		if u.Scheme != "https" || u.Port() != "" || !admin(by) {
			return trust.Peer{}, hansa.Public(err).At("/peer")
		}
		if err := d.n.client.Register(u.Hostname()); err != nil {
			return trust.Peer{}, hansa.Public(err).At("/peer")
		}
		opened = u.Hostname()
	}
	id, at, err := d.participantAt(ctx, u)
	if err != nil {
		return trust.Peer{}, err
	}
	if p, err := d.n.trust.PeerByID(ctx, own.ID, hansa.PartyID(id)); err == nil && strings.TrimRight(p.Address, "/") == at {
		return p, nil
	}
	p := trust.Peer{Owner: own.ID, ID: hansa.PartyID(id), Name: metName(u.Host, id), Title: u.Host, Address: at, Mode: trust.PeerDIDWeb}
	if doc, err := trust.DocumentURL(id); err != nil || !strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(doc, "https://"), "http://"), u.Host+"/") {
		return p, hansa.Fielded("/peer", "%s calls itself %q, and proves that by no did:web of its own host", at, id).WithHint("hansa peers add NAME --id " + id + " --at " + at)
	}
	if a, err := d.ask(ctx, own.ID, &p, http.MethodPost, at+"/catalog/request", []byte(catalogRequest)); err == nil { // its catalogue says what people call it
		if w, err := catalog.ParseCatalog(a.Body); err == nil {
			p.Title = first(titled(textIn(w.Title, own.Language())), p.Title)
		}
	}
	if _, err = (peers{d.n}).keep(ctx, by, own, p, false, "peer-met", d.n.trust.AddPeer); err != nil {
		return p, err
	}
	if opened != "" {
		if err := d.n.db.Write(ctx, func(tx hansa.Tx) error { return saveHost(tx, opened, p.ID) }); err != nil {
			return p, err
		}
	}
	return d.n.trust.PeerByID(ctx, own.ID, p.ID)
}

// metName is what a party that was met at a host is called: one host may have several.
func metName(host, id string) string {
	name := slug(host)
	if parts := strings.Split(strings.TrimPrefix(id, "did:web:"), ":"); len(parts) > 1 {
		name += "-" + slug(parts[len(parts)-1])
	}
	return strings.Trim(name, "-")
}

// titled is a title that somebody else gave itself, cut to what is kept.
func titled(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s))
	for len(s) > 100 {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// catalogRequest asks for a catalogue from its beginning.
const catalogRequest = `{"@context":["` + dsp.Context + `"],"@type":"CatalogRequestMessage"}`

// participantAt reads who a connector says it is, and where it hears this edition of
// the protocol. The version document lies at the root that its base address is
// under; the root alone will do for an address.
func (d dealing) participantAt(ctx context.Context, u *url.URL) (id, base string, err error) {
	root := *u
	root.Path = strings.TrimRight(u.Path, "/")
	var last error
	for range 4 {
		at := root
		at.Path += versionPath
		a, err := d.n.client.Do(ctx, outbound.Request{Method: http.MethodGet, URL: at.String()})
		if err != nil {
			return "", "", unanswered(u.Host, err)
		}
		var doc versions
		if a.Status == http.StatusOK && json.Unmarshal(a.Body, &doc) == nil && len(doc.Versions) > 0 {
			for _, v := range doc.Versions {
				if v.Version == dsp.Version {
					return v.ServiceID, strings.TrimRight(root.String(), "/") + strings.TrimRight(v.Path, "/"), nil
				}
			}
			return "", "", hansa.Fielded("/peer", "the connector at %s does not speak edition %s of the protocol", u, dsp.Version)
		}
		last = hansa.Fielded("/peer", "%s answered %d to the question which editions of the protocol it speaks", at.String(), a.Status)
		i := strings.LastIndex(root.Path, "/")
		if i < 0 {
			break
		}
		root.Path = root.Path[:i]
	}
	return "", "", last
}

// versions is a version document (2025-1, common protocol section 4).
type versions struct {
	Versions []struct {
		Version   string `json:"version"`
		Path      string `json:"path"`
		ServiceID string `json:"serviceId"`
	} `json:"protocolVersions"`
}

func (d dealing) peerName(ctx context.Context, own, id hansa.PartyID) string {
	if p, err := d.n.trust.PeerByID(ctx, own, id); err == nil {
		return p.Name[:min(len(p.Name), 24)]
	}
	return slug(string(id))
}

// ask calls a peer's door in own's name.
func (d dealing) ask(ctx context.Context, own hansa.PartyID, p *trust.Peer, method, at string, body []byte) (*outbound.Answer, error) {
	h := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, dsp.PeerHeader: {dsp.Version}}
	if err := d.identity.Present(ctx, own, p.ID, h); err != nil {
		return nil, err
	}
	a, err := d.n.client.Do(ctx, outbound.Request{Method: method, URL: at, Header: h, Body: body, AnswerMax: catalog.WireBytesMax})
	if err != nil {
		return nil, unanswered(p.Title, err)
	}
	if a.Status != http.StatusOK {
		return nil, hansa.Errorf(hansa.Busy, "%s answered %d: %s", p.Title, a.Status, first(dsp.ReadReasons(a.Body), http.StatusText(a.Status)))
	}
	return a, nil
}

// unanswered says that somebody else gave no answer: no failure of this node.
func unanswered(who string, err error) error {
	if hansa.KindOf(err) != hansa.Internal {
		return err
	}
	return hansa.Errorf(hansa.Busy, "%s does not answer: %w", who, err)
}

// Catalog asks a peer for a page of its catalogue.
func (d dealing) Catalog(ctx context.Context, by hansa.Actor, o api.CatalogOrder) (out api.CatalogAnswer, err error) {
	own, err := d.n.partyFor(by, o.Party)
	if err != nil {
		return out, err
	}
	p, err := d.peer(ctx, by, own, o.Peer)
	if err != nil {
		return out, err
	}
	at, method, body := p.Address+"/catalog/request", http.MethodPost, []byte(catalogRequest)
	if o.Page != "" {
		if !within(p.Address, o.Page) {
			return out, hansa.Fielded("/page", "the page is none of %s", p.Address)
		}
		at, method, body = o.Page, http.MethodGet, nil
	}
	a, err := d.ask(ctx, own.ID, &p, method, at, body)
	if err != nil {
		return out, err
	}
	w, err := catalog.ParseCatalog(a.Body)
	if err != nil {
		return out, hansa.Errorf(hansa.Busy, "the catalogue of %s cannot be read: %s", p.Title, hansa.Public(err).Message)
	}
	next, err := nextPage(a.Header, at, p.Address)
	if err != nil {
		return out, err
	}
	return api.CatalogAnswer{Peer: p.Name, Title: p.Title, Participant: p.ID, Catalog: a.Body, Next: next, Datasets: d.remote(w, own.Language())}, nil
}

// within reports whether an address is below a connector's: what proves who calls is
// shown nowhere else.
func within(base, at string) bool {
	b, err := url.Parse(strings.TrimRight(base, "/"))
	u, err2 := url.Parse(at)
	return err == nil && err2 == nil && u.Scheme == b.Scheme && u.Host == b.Host && u.User == nil && (u.Path == b.Path || strings.HasPrefix(u.Path, b.Path+"/"))
}

// Negotiate asks a peer for an agreement, or offers it one.
func (d dealing) Negotiate(ctx context.Context, by hansa.Actor, o api.NegotiationOrder) (out api.Negotiation, err error) {
	own, err := d.n.partyFor(by, o.Party)
	if err != nil {
		return out, err
	}
	p, err := d.peer(ctx, by, own, o.Peer)
	if err != nil {
		return out, err
	}
	now := d.n.wall().UTC()
	n := negotiation.Negotiation{ID: hansa.NewID(now), Side: hansa.Consumer, Own: own.ID, Other: p.ID, As: d.called(ctx, own.ID, p.ID), Address: strings.TrimRight(p.Address, "/"), Began: now}
	m := negotiation.Message{Event: negotiation.Request, Callback: d.base(own.ID)}
	if o.Provide {
		n.Side, m.Event = hansa.Provider, negotiation.Offer
		m.Offer, err = d.ownOffer(ctx, own.ID, p.ID, &o)
	} else if m.Offer, err = d.theirOffer(ctx, own.ID, &p, &o); err == nil {
		if n.Purpose = o.Purpose; n.Purpose == "" {
			n.Purpose = d.onePurpose(m.Offer)
		}
		if n.Then = o.Then; n.Then != "" || o.Dataset != "" {
			n.Dataset, err = d.filled(ctx, by, own, o.Dataset, o.Kind, "from-"+p.Name[:min(len(p.Name), 24)]+"-"+slug(m.Offer.Target))
		}
	}
	if err != nil {
		return out, err
	}
	if n.Then != "" && n.Then != transfer.Pull && n.Then != transfer.Push && n.Then != transfer.Stream {
		return out, hansa.Fielded("/then", "data is had as %s, not as %.100q", strings.Join(transfer.Formats(), ", "), n.Then)
	}
	var begun *negotiation.Negotiation
	err = d.write(ctx, false, func(tx hansa.Tx, w *work) error {
		if err := d.begins(tx, d.negotiations.Room, own.ID, p.ID); err != nil {
			return err
		}
		d.outbox.Begins(&w.mail, n.ID)
		next, effects, err := n.Act(m)
		if err != nil {
			return err
		}
		if err := d.n.act(tx, by, own.ID, "negotiation-"+string(m.Event), map[string]any{"process": n.ID, "offer": m.Offer.ID}); err != nil {
			return err
		}
		begun, err = d.carryNegotiation(tx, w, next, effects)
		return err
	})
	if err != nil {
		return out, err
	}
	return d.toldNegotiation(begun)
}

// theirOffer is what is asked for: an offer of the peer's catalogue, or other rules
// under its id.
func (d dealing) theirOffer(ctx context.Context, own hansa.PartyID, p *trust.Peer, o *api.NegotiationOrder) (*policy.Policy, error) {
	if o.Offer == "" {
		return nil, hansa.Fielded("/offer", "name the offer that you ask for").WithHint("hansa catalog " + p.Name)
	}
	var ask *policy.Policy
	var err error
	id, target := o.Offer, o.Target
	if len(o.Policy) > 0 {
		if ask, err = policy.Parse(o.Policy); err != nil {
			return nil, hansa.Public(err).At("/policy" + hansa.Public(err).Field)
		}
	}
	if ask == nil || target == "" {
		found, set, err := d.lookUp(ctx, own, p, o.Offer)
		if err != nil {
			return nil, err
		}
		if target = first(target, set); ask == nil {
			ask = found
		}
		id = found.ID // a dataset's name stands for its first offer
	}
	if o.Purpose != "" && len(o.Policy) == 0 {
		ask = policy.Narrow(ask, o.Purpose)
	}
	ask.ID, ask.Type, ask.Target, ask.Timestamp = id, policy.Offer, target, ""
	ask.Assigner, ask.Assignee = string(p.ID), d.called(ctx, own, p.ID)
	return ask, ask.Validate(policy.FormMessageOffer)
}

// lookUp finds an offer in a peer's catalogue.
func (d dealing) lookUp(ctx context.Context, own hansa.PartyID, p *trust.Peer, id string) (*policy.Policy, string, error) {
	at, method, body := strings.TrimRight(p.Address, "/")+"/catalog/request", http.MethodPost, []byte(catalogRequest)
	for range catalogPages {
		a, err := d.ask(ctx, own, p, method, at, body)
		if err != nil {
			return nil, "", err
		}
		w, err := catalog.ParseCatalog(a.Body)
		if err != nil {
			return nil, "", hansa.Errorf(hansa.Busy, "the catalogue of %s cannot be read: %s", p.Title, hansa.Public(err).Message)
		}
		for i := range w.Dataset {
			set := &w.Dataset[i]
			for _, raw := range set.Policy {
				found, err := policy.Parse(raw)
				if err == nil && (found.ID == id || set.ID == id) {
					return found, set.ID, nil
				}
			}
		}
		if at, err = nextPage(a.Header, at, p.Address); err != nil {
			return nil, "", err
		}
		if at == "" {
			break
		}
		method, body = http.MethodGet, nil
	}
	return nil, "", hansa.Fielded("/offer", "%s shows no offer %q to you", p.Title, id).WithHint("hansa catalog " + p.Name)
}

// catalogPages bounds how far a catalogue is read to find one offer.
const catalogPages = 20

// ownOffer is an own offer that is put before a peer.
func (d dealing) ownOffer(ctx context.Context, own, to hansa.PartyID, o *api.NegotiationOrder) (*policy.Policy, error) {
	var offer *catalog.Offer
	err := d.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		offer, err = d.n.catalog.OfferByID(tx, own, o.Offer)
		return err
	})
	if err != nil {
		return nil, err
	}
	p := offer.Policy.Clone()
	p.Target, p.Assigner = string(offer.Dataset), d.called(ctx, own, to)
	return p, nil
}

// filled is the own dataset that takes what comes; one that is not there is made.
func (d dealing) filled(ctx context.Context, by hansa.Actor, own hansa.Party, name, kind, otherwise string) (string, error) {
	if name == "" {
		if name = strings.Trim(otherwise[:min(len(otherwise), 63)], "-"); name == "" {
			name = "from-elsewhere"
		}
	}
	if set, err := d.n.datasetFor(hansa.Actor{Party: own.ID}, name); err == nil {
		return set.Name, nil
	}
	set, err := admins{d.n}.SaveDataset(ctx, by, api.DatasetOrder{Party: own.Name, Name: name, Kind: hansa.RecordKind(kind)})
	return set.Name, err
}
