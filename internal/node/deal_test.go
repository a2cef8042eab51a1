package node

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// partner is a node that deals with another one over real sockets.
type partner struct {
	t     *testing.T
	name  string
	id    hansa.PartyID
	dir   string
	url   string
	addr  string
	allow []string
	node  *Node
	jump  atomic.Int64 // by how much its clock is wrong, in nanoseconds
	stop  func()
	hand  bool            // each step is taken by hand
	sets  []hansa.Dataset // nil is its closures
}

// two starts two nodes that know each other by tokens. Others may be called too.
func two(t *testing.T, others ...string) (city, company *partner) {
	t.Helper()
	listen := func() net.Listener {
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	a, b := listen(), listen()
	allow := append([]string{a.Addr().String(), b.Addr().String()}, others...)
	city = &partner{t: t, name: "city", id: "did:web:city.example", dir: filepath.Join(t.TempDir(), "c"), url: "http://" + a.Addr().String(), addr: a.Addr().String(), allow: allow}
	company = &partner{t: t, name: "nav", id: "did:web:nav.example", dir: filepath.Join(t.TempDir(), "n"), url: "http://" + b.Addr().String(), addr: b.Addr().String(), allow: allow}
	city.start(a)
	company.start(b)
	city.meet(company, "secret-of-the-city")
	company.meet(city, "secret-of-the-company")
	city.expect(company, "secret-of-the-company")
	company.expect(city, "secret-of-the-city")
	return city, company
}

func (p *partner) start(ln net.Listener) {
	p.t.Helper()
	n, err := Open(p.t.Context(), Config{Wall: func() time.Time { return time.Now().Add(time.Duration(p.jump.Load())) }, Data: p.dir, Origin: p.name + ".example", PublicURL: p.url, Version: "test", Own: p.id, Log: slog.New(slog.DiscardHandler), Outbound: outbound.Config{Allow: p.allow}, ByHand: p.hand})
	if err != nil {
		p.t.Fatal(err)
	}
	sets := p.sets
	if sets == nil {
		sets = []hansa.Dataset{{Name: "closures", Kind: hansa.KindSituation}}
	}
	for i := range sets {
		sets[i].ID, sets[i].Party = hansa.DatasetID(named("dataset", string(p.id), sets[i].Name)), p.id
	}
	err = n.Apply(p.t.Context(), &Setup{
		Parties:  []hansa.Party{{ID: p.id, Name: p.name, Title: strings.ToUpper(p.name), Kind: hansa.City, Hosted: true}},
		Datasets: sets,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.node = n
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.t.Context()))
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, ln) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Error(err)
		}
	})
	p.t.Cleanup(p.stop)
}

// meet keeps the other as a peer, who is shown a secret.
func (p *partner) meet(o *partner, secret string) {
	p.t.Helper()
	err := p.node.trust.Change(p.t.Context(), func(tx hansa.Tx) error {
		_, err := p.node.trust.AddPeer(tx, trust.Peer{Owner: p.id, ID: o.id, Name: o.name, Title: o.name, Address: o.url + "/dsp/2025-1", Mode: trust.PeerToken, Secret: trust.NewSecret(secret)})
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// expect says by which secret the other proves who it is.
func (p *partner) expect(o *partner, secret string) {
	p.t.Helper()
	err := p.node.trust.Change(p.t.Context(), func(tx hansa.Tx) error {
		_, err := p.node.trust.IssuePeerToken(tx, p.id, o.id, trust.NewSecret(secret))
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.node.load(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *partner) actor() hansa.Actor {
	return hansa.Actor{Party: p.id, Rights: []hansa.Right{hansa.RightAdmin}}
}

func (p *partner) deals() dealing { return dealing{p.node.deal} }

// offer puts the closures on offer.
func (p *partner) offer(id string, automatic bool, purposes ...hansa.Purpose) {
	p.t.Helper()
	o := &catalog.Offer{ID: id, Party: p.id, Dataset: hansa.DatasetID(named("dataset", string(p.id), "closures")), Policy: policy.FromTerms(id, &hansa.Terms{Purposes: purposes, Formats: []hansa.Format{"record", "geojson"}}), Automatic: automatic, Made: time.Now()}
	if err := p.node.db.Write(p.t.Context(), func(tx hansa.Tx) error { return p.node.catalog.SaveOffer(tx, o) }); err != nil {
		p.t.Fatal(err)
	}
}

// until waits for a negotiation to be in a state.
func (p *partner) until(id string, ok func(api.Negotiation) bool) api.Negotiation {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer stop()
	for {
		moved := p.node.deal.moved.wait()
		n, err := p.deals().NegotiationByID(ctx, p.actor(), id)
		if err != nil {
			p.t.Fatal(err)
		}
		if ok(n) {
			return n
		}
		select {
		case <-moved:
		case <-ctx.Done():
			x, _ := p.deals().Inspect(p.t.Context(), p.actor(), id)
			b, _ := json.Marshal(x)
			p.t.Fatalf("%s waited for %s in vain: %s", p.name, id, b)
		}
	}
}

func (p *partner) untilTransfer(id, state string) api.Transfer {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer stop()
	for {
		moved := p.node.deal.moved.wait()
		n, err := p.deals().TransferByID(ctx, p.actor(), id)
		if err != nil {
			p.t.Fatal(err)
		}
		if n.State == state {
			return n
		}
		select {
		case <-moved:
		case <-ctx.Done():
			x, _ := p.deals().Inspect(p.t.Context(), p.actor(), id)
			b, _ := json.Marshal(x)
			p.t.Fatalf("%s waited for %s to be %s in vain: %s", p.name, id, state, b)
		}
	}
}

// publish puts a closure into a dataset.
func (p *partner) publish(id string) {
	p.t.Helper()
	set, err := p.node.datasetFor(p.actor(), "closures")
	if err != nil {
		p.t.Fatal(err)
	}
	r := &hansa.Record{}
	if err := json.Unmarshal([]byte(strings.Replace(goodRecord, `"id":"a"`, `"id":"`+id+`"`, 1)), r); err != nil {
		p.t.Fatal(err)
	}
	if _, refused, err := p.node.line.take(p.t.Context(), set, []*hansa.Record{r}, foreign, nil); err != nil || refused[0] != nil {
		p.t.Fatal(err, refused)
	}
}

// has waits until a dataset holds a record.
func (p *partner) has(dataset, id string) *hansa.Record {
	p.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if set, err := p.node.datasetFor(p.actor(), dataset); err == nil {
			if r, err := p.node.stream.Of(p.id).Get(p.t.Context(), set.ID, id); err == nil {
				return r
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.t.Fatalf("%s never had %s in %s; problems: %v", p.name, id, dataset, p.node.problems)
	return nil
}

// Two nodes find, negotiate and transfer by the protocol alone; a closure reaches
// the consumer's own stream with where it came from.
func TestDeal(t *testing.T) {
	for _, as := range []string{"HttpData-PULL", "HttpData-SSE", "HttpData-PUSH"} {
		t.Run(as, func(t *testing.T) {
			city, company := two(t)
			city.offer("offer-1", true, "navigation")
			city.publish("one")
			cat, err := company.deals().Catalog(t.Context(), company.actor(), api.CatalogOrder{Peer: "city"})
			if err != nil || !strings.Contains(string(cat.Catalog), "offer-1") {
				t.Fatalf("catalogue: %v %s", err, cat.Catalog)
			}
			n, err := company.deals().Negotiate(t.Context(), company.actor(), api.NegotiationOrder{Peer: "city", Offer: "offer-1", Purpose: "navigation", Dataset: "shut", Then: as})
			if err != nil {
				t.Fatal(err)
			}
			company.until(n.ID, func(n api.Negotiation) bool { return n.State == "FINALIZED" })
			list, err := company.deals().Transfers(t.Context(), company.actor(), api.ProcessQuery{})
			if err != nil || len(list) != 1 {
				t.Fatal(err, list)
			}
			id := list[0].ID
			company.untilTransfer(id, "STARTED")
			r := company.has("shut", "one")
			if r.Provenance.System != string(city.id) {
				t.Errorf("provenance = %+v", r.Provenance)
			}
			city.publish("two")
			company.has("shut", "two")
			theirs, err := city.deals().Transfers(t.Context(), city.actor(), api.ProcessQuery{})
			if err != nil || len(theirs) != 1 {
				t.Fatal(err, theirs)
			}
			if _, err := city.deals().ActTransfer(t.Context(), city.actor(), theirs[0].ID, "suspend", api.ProcessAct{Reason: []string{"a drill"}}); err != nil {
				t.Fatal(err)
			}
			company.untilTransfer(id, "SUSPENDED")
			if _, err := company.deals().ActTransfer(t.Context(), company.actor(), id, "resume", api.ProcessAct{}); err != nil {
				t.Fatal(err)
			}
			city.untilTransfer(theirs[0].ID, "STARTED")
			city.publish("three")
			company.has("shut", "three")
			if _, err := company.deals().ActTransfer(t.Context(), company.actor(), id, "terminate", api.ProcessAct{Reason: []string{"enough"}}); err != nil {
				t.Fatal(err)
			}
			if _, err := city.deals().EndAgreement(t.Context(), city.actor(), list[0].Agreement, api.ProcessAct{Reason: []string{"the pilot is over"}}); err != nil {
				t.Fatal(err)
			}
			again, err := company.deals().RequestTransfer(t.Context(), company.actor(), api.TransferOrder{Agreement: list[0].Agreement, Format: as})
			if err != nil {
				t.Fatal(err)
			}
			if end := company.untilTransfer(again.ID, "TERMINATED"); !strings.Contains(strings.Join(end.Reason, " "), "the agreement ended") {
				t.Errorf("a transfer under an agreement that has ended: %+v", end)
			}
			if end := city.untilTransfer(theirs[0].ID, "TERMINATED"); len(end.Reason) != 1 || end.Reason[0] != "enough" {
				t.Errorf("the reason did not arrive: %+v", end)
			}
		})
	}
}

// An agreement that came from elsewhere, with no negotiation on this node, gives
// data all the same: the other side is met at its peer's address.
func TestTransferUnderAnAgreementFromElsewhere(t *testing.T) {
	city, company := two(t)
	target := named("dataset", string(city.id), "closures")
	for _, p := range []*partner{city, company} {
		a := negotiation.Agreement{ID: "from-elsewhere", Own: city.id, Other: company.id, Side: hansa.Provider, Target: target, At: time.Now().UTC()}
		a.Policy = policy.FromTerms(a.ID, &hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}})
		a.Policy.Type, a.Policy.Target, a.Policy.Assigner, a.Policy.Assignee = policy.Agreement, target, string(city.id), string(company.id)
		a.Hash = a.Policy.Hash()
		if p == company {
			a.Own, a.Other, a.Side = company.id, city.id, hansa.Consumer
		}
		doc, err := json.Marshal(a.Policy)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.node.db.Write(t.Context(), func(tx hansa.Tx) error { return p.node.deal.negotiations.SaveAgreement(tx, &a, doc) }); err != nil {
			t.Fatal(err)
		}
	}
	city.publish("one")
	x, err := company.deals().RequestTransfer(t.Context(), company.actor(), api.TransferOrder{Agreement: "from-elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	company.untilTransfer(x.ID, "STARTED")
	company.has(x.Dataset, "one")
}

// Connectors that page by an offset in their filter are followed; a filter that asks
// for certain datasets is refused, and none is taken for more than it says.
func TestCatalogueFilter(t *testing.T) {
	city, _ := two(t)
	city.offer("offer-1", true, "navigation")
	for _, c := range []struct {
		filter string
		status int
		shows  bool
	}{
		{`[]`, http.StatusOK, true},
		{`[{"@type":"QuerySpec","offset":0,"limit":50,"sortOrder":"ASC","filterExpression":[]}]`, http.StatusOK, true},
		{`[{"@type":"QuerySpec","offset":50,"limit":50,"sortOrder":"ASC","filterExpression":[]}]`, http.StatusOK, false},
		{`[{"@type":"QuerySpec","offset":0,"filterExpression":[{"operandLeft":"id","operator":"=","operandRight":"x"}]}]`, http.StatusBadRequest, false},
		{`[{"@type":"QuerySpec","offset":-1}]`, http.StatusBadRequest, false},
		{`[{"@type":"Other"}]`, http.StatusBadRequest, false},
		{`"x"`, http.StatusBadRequest, false},
	} {
		body := `{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"CatalogRequestMessage","filter":` + c.filter + `}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, city.url+"/dsp/2025-1/catalog/request", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer secret-of-the-company")
		w := httptest.NewRecorder()
		city.node.Handler().ServeHTTP(w, req)
		if w.Code != c.status || strings.Contains(w.Body.String(), "offer-1") != c.shows {
			t.Errorf("%s: %d %s", c.filter, w.Code, w.Body)
		}
	}
}
