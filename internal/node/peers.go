package node

import (
	"context"
	"net/url"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// peers is whom the parties of the node deal with elsewhere.
type peers struct{ n *Node }

var _ api.Peers = peers{}

func (s peers) Peers(ctx context.Context, by hansa.Actor, party string) ([]api.Peer, error) {
	p, err := s.n.partyFor(by, party)
	if err != nil {
		return nil, err
	}
	list, err := s.n.trust.Peers(ctx, p.ID)
	out := make([]api.Peer, 0, len(list))
	for i := range list {
		out = append(out, peerInfo(p, &list[i]))
	}
	return out, err
}

func peerInfo(owner hansa.Party, p *trust.Peer) api.Peer {
	return api.Peer{Name: p.Name, Party: owner.Name, ID: p.ID, Title: p.Title, Address: p.Address, Mode: string(p.Mode), Token: !p.Secret.IsZero(), Added: p.Added}
}

func (s peers) AddPeer(ctx context.Context, by hansa.Actor, o api.PeerOrder) (api.Peer, error) {
	owner, err := s.n.partyFor(by, o.Party)
	switch {
	case err != nil:
		return api.Peer{}, err
	case !owner.Hosted:
		return api.Peer{}, hansa.Fielded("/party", "%s lives at another node; only a party of this one has peers", owner.Name)
	}
	mode := trust.PeerMode(o.Mode)
	if mode == "" {
		if mode = trust.PeerToken; o.Token == "" && !o.Issue && strings.HasPrefix(string(o.ID), "did:web:") {
			mode = trust.PeerDIDWeb
		}
	}
	p := trust.Peer{Owner: owner.ID, ID: o.ID, Name: o.Name, Title: first(o.Title, o.Name), Address: o.Address, Mode: mode, Secret: trust.NewSecret(o.Token)}
	return s.keep(ctx, by, owner, p, o.Issue, "peer-kept", s.n.trust.AddPeer)
}

func (s peers) ChangePeer(ctx context.Context, by hansa.Actor, party, name string, o api.PeerOrder) (api.Peer, error) {
	owner, p, err := s.find(ctx, by, party, name)
	switch {
	case err != nil:
		return api.Peer{}, err
	case o.ID != "" && o.ID != p.ID:
		return api.Peer{}, hansa.Fielded("/id", "a peer's id does not change; add the other one")
	case o.Name != "" && o.Name != p.Name:
		return api.Peer{}, hansa.Fielded("/name", "a peer's name does not change; its title does")
	}
	p.Title, p.Address, p.Mode = first(o.Title, p.Title), first(o.Address, p.Address), trust.PeerMode(first(o.Mode, string(p.Mode)))
	p.Secret = trust.NewSecret(o.Token) // none: it stays
	return s.keep(ctx, by, owner, p, o.Issue, "peer-changed", s.n.trust.ChangePeer)
}

func (s peers) RemovePeer(ctx context.Context, by hansa.Actor, party, name string) error {
	owner, p, err := s.find(ctx, by, party, name)
	if err != nil {
		return err
	}
	return s.n.trust.Change(ctx, func(tx hansa.Tx) error {
		if err := s.n.trust.RemovePeer(tx, owner.ID, p.ID); err != nil {
			return err
		}
		return s.n.act(tx, by, owner.ID, "peer-dropped", p.ID)
	})
}

// find finds a peer by name or id.
func (s peers) find(ctx context.Context, by hansa.Actor, party, name string) (hansa.Party, trust.Peer, error) {
	owner, err := s.n.partyFor(by, party)
	if err != nil {
		return owner, trust.Peer{}, err
	}
	list, err := s.n.trust.Peers(ctx, owner.ID)
	if err != nil {
		return owner, trust.Peer{}, err
	}
	for i := range list {
		if list[i].Name == name || string(list[i].ID) == name {
			return owner, list[i], nil
		}
	}
	return owner, trust.Peer{}, hansa.Errorf(hansa.NotFound, "%s has no peer %.100q", owner.Name, name).WithHint("hansa peers list")
}

// keep checks a peer and where it is called, and stores it.
func (s peers) keep(ctx context.Context, by hansa.Actor, owner hansa.Party, p trust.Peer, issue bool, act string, store func(hansa.Tx, trust.Peer) (trust.Peer, error)) (api.Peer, error) {
	switch {
	case p.Validate() != nil:
		return api.Peer{}, p.Validate()
	case issue && p.Mode != trust.PeerToken:
		return api.Peer{}, hansa.Fielded("/issue", "a peer of mode did:web proves who it is by its own key; it gets no token")
	}
	if here := s.n.rootDID(); string(p.ID) == here || strings.HasPrefix(string(p.ID), here+":") { // nobody takes the name of a party to come
		if known := s.n.party(p.ID); !known.Hosted {
			return api.Peer{}, hansa.Fielded("/id", "%s would be a party of this node, and there is none", p.ID)
		}
	}
	hosts, err := s.hosts(by, &p)
	if err != nil {
		return api.Peer{}, err
	}
	var inbound trust.Secret
	err = s.n.trust.Change(ctx, func(tx hansa.Tx) (err error) {
		if p, err = store(tx, p); err != nil {
			return err
		}
		for _, h := range hosts {
			if err := saveHost(tx, h, p.ID); err != nil {
				return err
			}
		}
		if issue {
			if inbound, err = s.n.trust.IssuePeerToken(tx, owner.ID, p.ID, trust.Secret{}); err != nil {
				return err
			}
		}
		return s.n.act(tx, by, owner.ID, act, p.ID)
	})
	if err != nil {
		return api.Peer{}, err
	}
	out := peerInfo(owner, &p)
	out.Inbound = inbound.Reveal()
	return out, s.n.load(ctx)
}

// hosts returns the hosts that must be opened to calls so that p can be reached. Only
// the operator opens one.
func (s peers) hosts(by hansa.Actor, p *trust.Peer) (open []string, err error) {
	places := map[string]string{}
	if p.Address != "" {
		places["/address"] = p.Address
	}
	if p.Mode == trust.PeerDIDWeb {
		if places["/id"], err = trust.DocumentURL(string(p.ID)); err != nil {
			return nil, err
		}
	}
	for field, at := range places {
		err := s.n.client.CheckURL(at)
		if err == nil {
			continue
		}
		u, bad := url.Parse(at)
		if bad != nil || u.Scheme != "https" || u.Port() != "" && u.Port() != "443" || !admin(by) {
			return nil, hansa.Public(err).At(field)
		}
		if err := s.n.client.Register(u.Hostname()); err != nil {
			return nil, hansa.Public(err).At(field)
		}
		open = append(open, u.Hostname())
	}
	return open, nil
}
