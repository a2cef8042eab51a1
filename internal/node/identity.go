package node

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// documentTimeout bounds the fetch of a DID document: somebody waits for it.
const documentTimeout = 5 * time.Second

// openIdentity builds what says who other participants are, and proves who ours are.
// Whether a token was used before this process began is known of a new folder alone.
func (n *Node) openIdentity() error {
	resolver, err := trust.NewResolver(trust.ResolverConfig{
		Fetch: n.fetchDocument, Now: n.wall, Wait: pause,
		Plain: func(hostport string) bool { return n.client.CheckURL("http://"+hostport+"/did.json") == nil },
	})
	if err != nil {
		return err
	}
	cfg := trust.IDTokensConfig{Registry: n.trust, Resolver: resolver, DID: func(own hansa.PartyID) string { return n.did(n.party(own)) }, Now: n.wall, Log: n.log}
	if !n.fresh {
		cfg.Began = n.wall()
	}
	tokens, err := trust.NewIDTokens(cfg)
	if err != nil {
		return err
	}
	n.resolver = resolver
	n.ids = trust.Identities{Tokens: trust.Tokens{Registry: n.trust}, IDTokens: tokens}
	return nil
}

// fetchDocument fetches a DID document through the one client for calls out.
func (n *Node) fetchDocument(ctx context.Context, at string) ([]byte, error) {
	a, err := n.client.Do(ctx, outbound.Request{Method: http.MethodGet, URL: at, Header: http.Header{"Accept": {"application/did+json, application/json"}}, AnswerMax: trust.DocumentBytesMax, Timeout: documentTimeout})
	switch {
	case err != nil:
		return nil, err
	case a.Status == http.StatusOK:
		return a.Body, nil
	case a.Status >= 500 || a.Status == http.StatusTooManyRequests:
		return nil, hansa.Errorf(hansa.Busy, "%s answers %d", at, a.Status)
	}
	return nil, hansa.Errorf(hansa.NotFound, "%s answers %d", at, a.Status)
}

// didHost is the host of this node's DIDs, with its port in percent-encoding.
func (n *Node) didHost() string {
	host := n.cfg.Origin
	if u, err := url.Parse(n.address()); err == nil && u.Host != "" {
		host = strings.TrimSuffix(strings.TrimSuffix(u.Host, ":443"), ":")
	}
	return strings.ReplaceAll(host, ":", "%3A")
}

// rootDID is the node's own, and hostedDID that of a party which lives here.
func (n *Node) rootDID() string { return "did:web:" + n.didHost() }

func (n *Node) hostedDID(p hansa.Party) string { return n.rootDID() + ":parties:" + p.Name }

// did is the DID under which p signs: its id when that is one of this node, else the
// one that it gets here.
func (n *Node) did(p hansa.Party) string {
	if p.ID == n.own && string(p.ID) != n.hostedDID(p) {
		return n.rootDID()
	}
	return n.hostedDID(p)
}

// How a DID document names a connector: by where it says which editions of the
// protocol it speaks (Dataspace Protocol 2025-1, common protocol section 4).
const (
	connectorService = "DataService"
	versionPath      = "/.well-known/dspace-version"
)

// DIDDocument returns the document of a hosted party by its name; empty is the
// node's own party, at the node's root.
func (k keyring) DIDDocument(ctx context.Context, name string) (*trust.DIDDocument, error) {
	n := k.n
	p, err := n.hosted(name)
	if err != nil {
		return nil, err
	}
	did, root := n.hostedDID(p), n.address()+"/parties/"+p.Name
	if name == "" {
		did, root = n.rootDID(), n.address()
	}
	var also []string
	for _, other := range []string{string(p.ID), n.did(p)} { // its own DID from elsewhere, and of its two here the one that it signs by
		if other != did && strings.HasPrefix(other, "did:") && (len(also) == 0 || also[0] != other) {
			also = append(also, other)
		}
	}
	var services []trust.DIDService
	if n.doors.has("/parties/{party}"+versionPath) && n.address() != "" {
		services = []trust.DIDService{{ID: did + "#dataspace", Type: connectorService, Endpoint: root + versionPath}}
	}
	if n.address() != "" {
		services = append(services, trust.DIDService{ID: did + "#accords", Type: accordService, Endpoint: n.address() + accordInbox})
	}
	return n.trust.Document(ctx, p.ID, did, also, services)
}

// hosted finds a party that lives here by its name; empty is the node's own.
func (n *Node) hosted(name string) (hansa.Party, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for id, p := range n.parties {
		if p.Hosted && (name == "" && id == n.own || name != "" && p.Name == name) {
			return p, nil
		}
	}
	return hansa.Party{}, hansa.Errorf(hansa.NotFound, "there is no such party on this node")
}

// has reports whether a route with pattern can be read.
func (d *doors) has(pattern string) bool {
	for i := range d.table {
		if d.table[i].Pattern == pattern && d.table[i].Method == http.MethodGet {
			return true
		}
	}
	return false
}
