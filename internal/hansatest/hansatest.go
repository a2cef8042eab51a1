// Package hansatest runs whole nodes for the kits and the foreign connectors that
// the exchange is tried against: the node of the product on real sockets over a real
// store, with what its party had on offer and had agreed on before. A test acts as
// its operator, over the administrator's socket. Nothing here is in the product.
package hansatest

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
	"github.com/hansa-exchange/hansa/internal/node"
)

// Setup is what a node is begun with. All that it holds is the own party's.
type Setup struct {
	Own        hansa.Party
	Datasets   []hansa.Dataset
	Offers     []catalog.Offer
	Agreements []negotiation.Agreement
	Peers      []Peer
	Allow      []string       // host:port that may be called
	ByHand     bool           // each step of a process waits for a person
	Identity   trust.Identity // nil is by tokens and did:web
	Public     string         // where others reach the node; empty is its own address
}

// Peer is a participant that the own party deals with. Either secret may be empty.
type Peer struct {
	trust.Peer
	Shows string // the token that it presents
}

// Node is a node that runs until its test ends.
type Node struct {
	Operator

	URL string // of its public address, without a slash at its end
}

// Base is where the node's own party hears the Dataspace Protocol.
func (n *Node) Base() string { return n.URL + dsp.Path }

// Start makes a node of s, and serves it on a free port of loopback until the test
// ends.
func Start(t testing.TB, s *Setup) *Node {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{URL: "http://" + ln.Addr().String()}
	cfg := node.Config{
		Data: filepath.Join(t.TempDir(), "node"), Origin: s.Own.Name + ".example", PublicURL: cmp.Or(s.Public, n.URL), Version: "test", Own: s.Own.ID,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Outbound: outbound.Config{Allow: s.Allow}, ByHand: s.ByHand, Identity: s.Identity,
	}
	if err := seed(t.Context(), &cfg, s); err != nil {
		t.Fatal(err)
	}
	one, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.Operator = operator(one.Socket())
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- one.Run(ctx, ln) }()
	t.Cleanup(func() {
		n.http.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for err = n.Do(t.Context(), http.MethodGet, "/api/v1/parties", nil, nil); err != nil; err = n.Do(t.Context(), http.MethodGet, "/api/v1/parties", nil, nil) {
		select {
		case bad := <-done:
			done <- nil
			t.Fatalf("the node ended: %v", bad)
		case <-time.After(10 * time.Millisecond): // its socket is not there yet
		}
	}
	return n
}

// seed makes the node's folder, and writes through the rooms what was before.
func seed(ctx context.Context, cfg *node.Config, s *Setup) error {
	one, err := node.Open(ctx, *cfg)
	if err != nil {
		return err
	}
	s.Own.Hosted = true
	err = one.Apply(ctx, &node.Setup{Parties: []hansa.Party{s.Own}, Datasets: s.Datasets})
	if end := one.Close(); err != nil || end != nil {
		return first(err, end)
	}
	db, err := store.Open(ctx, filepath.Join(cfg.Data, node.DatabaseName), store.Config{})
	if err != nil {
		return err
	}
	err = deals(ctx, db, s)
	if err == nil {
		err = peers(ctx, db, cfg, s)
	}
	return first(err, db.Close())
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func deals(ctx context.Context, db *store.Store, s *Setup) error {
	return db.Write(ctx, func(tx hansa.Tx) error {
		c := catalog.New(db, func(*hansa.Flow) error { return nil })
		for i := range s.Offers {
			if err := c.SaveOffer(tx, &s.Offers[i]); err != nil {
				return err
			}
		}
		for i := range s.Agreements {
			a := &s.Agreements[i]
			doc, err := json.Marshal(a.Policy)
			if err != nil {
				return err
			}
			if err := negotiation.NewBook().SaveAgreement(tx, a, doc); err != nil {
				return err
			}
		}
		return nil
	})
}

func peers(ctx context.Context, db *store.Store, cfg *node.Config, s *Setup) error {
	key, err := trust.OpenNodeKey(trust.NodeKeyPlace{Name: cfg.Origin, Dir: cfg.Data})
	if err != nil {
		return err
	}
	log, err := journal.New(db, journal.Config{Origin: cfg.Origin, Signer: key.Signer(), VerifierKey: key.VerifierKey(), Now: time.Now})
	if err != nil {
		return err
	}
	registry, err := trust.New(db, trust.Config{Journal: log, Vault: key, Now: time.Now})
	if err != nil {
		return err
	}
	return registry.Change(ctx, func(tx hansa.Tx) error {
		for _, p := range s.Peers {
			p.Owner, p.Title = s.Own.ID, p.Name
			if _, err := registry.AddPeer(tx, p.Peer); err != nil {
				return err
			}
			if p.Shows == "" {
				continue
			}
			if _, err := registry.IssuePeerToken(tx, s.Own.ID, p.ID, trust.NewSecret(p.Shows)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Offer is an offer of a dataset to everybody, for every use.
func Offer(own hansa.PartyID, id string, set hansa.DatasetID, automatic bool) catalog.Offer {
	return catalog.Offer{ID: id, Party: own, Dataset: set, Policy: anyUse(id, policy.Offer), Automatic: automatic, Made: time.Now()}
}

// Agreement is an agreement in force that allows every use of a dataset.
func Agreement(id string, own, other hansa.PartyID, side hansa.Side, target string) negotiation.Agreement {
	p := anyUse(id, policy.Agreement)
	now := time.Now().UTC()
	p.Target, p.Assigner, p.Assignee, p.Timestamp = target, string(own), string(other), now.Format(time.RFC3339)
	if side == hansa.Consumer {
		p.Assigner, p.Assignee = p.Assignee, p.Assigner
	}
	return negotiation.Agreement{ID: id, Own: own, Other: other, Side: side, Target: target, Hash: p.Hash(), Policy: p, At: now}
}

func anyUse(id string, kind policy.Type) *policy.Policy {
	return &policy.Policy{ID: id, Type: kind, Permission: []policy.Rule{{Action: policy.ActionUse}}}
}
