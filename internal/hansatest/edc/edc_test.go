package edc

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/hansatest"
)

// Who the two sides are, and what each has on offer.
const (
	own    hansa.PartyID = "did:web:city.example"
	edc    hansa.PartyID = "navigator" // not edc: that is a prefix of its own in its JSON-LD
	set                  = "closures"  // the node's
	offer                = "offer-1"   // of it
	asset                = "asset-1"   // EDC's
	closed               = "asset-2"   // EDC's, which it gives to nobody
)

// both is the node and EDC.
type both struct {
	*testing.T
	node *hansatest.Node
	edc  *connector
}

// TestEDC tries the node as consumer at EDC, and EDC as consumer at the node.
func TestEDC(t *testing.T) {
	classpath := os.Getenv("HANSA_EDC")
	if classpath == "" {
		t.Skip("EDC is got by .ci/edc, which needs Java and Maven")
	}
	c := start(t, classpath, string(edc))
	c.policy(anyone, anyUse)
	c.policy(nobody, map[string]any{"action": "use", "constraint": map[string]any{"leftOperand": "purpose", "operator": "eq", "rightOperand": "navigation"}})
	c.offers(asset, anyone)
	c.offers(closed, nobody)
	allow := []string{strings.TrimPrefix(c.data, "http://"), strings.TrimSuffix(strings.TrimPrefix(c.dsp, "http://"), "/protocol/2025-1")}
	n := hansatest.Start(t, &hansatest.Setup{
		Own: hansa.Party{ID: own, Name: "city", Title: "City", Kind: hansa.City}, Allow: allow, Identity: mock{edc},
		Datasets: []hansa.Dataset{{ID: set, Party: own, Name: set, Kind: hansa.KindSituation}},
		Offers:   []catalog.Offer{hansatest.Offer(own, offer, set, true)},
		Peers:    []hansatest.Peer{{Peer: trust.Peer{ID: edc, Name: "edc", Address: c.dsp, Mode: trust.PeerToken}}},
	})
	for _, one := range []struct {
		name string
		try  func(both)
	}{
		{"the node finds a dataset at EDC", both.nodeFinds},
		{"the node negotiates and pulls at EDC, each suspends and resumes, the node ends it", both.nodePulls},
		{"EDC ends a transfer to the node", both.edcEnds},
		{"EDC refuses a policy", both.edcRefuses},
		{"EDC agrees to something else, and the node does not", both.edcDiffers},
		{"EDC has no such dataset", both.edcLacks},
		{"EDC finds a dataset at the node", both.edcFinds},
		{"EDC negotiates and pulls at the node, each suspends and resumes, EDC ends it", both.edcPulls},
		{"the node ends a transfer to EDC", both.nodeEnds},
		{"the node refuses a policy", both.nodeRefuses},
		{"the node has no such dataset", both.nodeLacks},
		{"the node asks EDC for 300 agreements", both.nodeAsks},
		{"EDC asks the node for 300 agreements", both.edcAsks},
	} {
		t.Run(one.name, func(t *testing.T) { one.try(both{t, n, c.in(t)}) })
	}
}

// patience bounds what is waited for.
const patience = time.Minute

func (b both) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.Context(), patience)
}

// must calls the node's API.
func (b both) must(method, path string, in, out any) {
	b.Helper()
	if err := b.node.Do(b.Context(), method, path, in, out); err != nil {
		b.Fatal(err)
	}
}

// until waits for the node's process to be in a state.
func (b both) until(id, want string) api.Process {
	b.Helper()
	ctx, stop := b.soon()
	defer stop()
	state, err := b.node.Until(ctx, id, want)
	p, failed := b.node.Process(b.Context(), id)
	if err != nil || failed != nil || state != want {
		b.Fatalf("the node's process was to be %s, and is %s: %v %v\n%+v", want, state, err, failed, p)
	}
	return p
}

// found is EDC's asset as its catalogue has it now.
func (b both) found() (id string, rules jsontext.Value) {
	b.Helper()
	var a api.CatalogAnswer
	b.must(http.MethodPost, "/api/v1/catalog/request", api.CatalogOrder{Peer: "edc"}, &a)
	w, err := catalog.ParseCatalog(a.Catalog)
	if err != nil || len(w.Dataset) != 2 || a.Participant != edc {
		b.Fatalf("EDC's catalogue: %v: %s: %s", err, a.Participant, a.Catalog)
	}
	for i := range w.Dataset {
		if w.Dataset[i].ID != asset {
			continue
		}
		var p document
		if err := json.Unmarshal(w.Dataset[i].Policy[0], &p); err != nil {
			b.Fatal(err)
		}
		return p.text("@id"), w.Dataset[i].Policy[0]
	}
	b.Fatalf("EDC's catalogue lacks %s: %s", asset, a.Catalog)
	return "", nil
}

func (b both) nodeFinds() {
	if id, _ := b.found(); id == "" {
		b.Error("the offer has no id")
	}
}

// agreed has the node negotiate with EDC for its asset.
func (b both) agreed() (agreement string) {
	b.Helper()
	var n api.Negotiation
	b.must(http.MethodPost, "/api/v1/negotiations", api.NegotiationOrder{Peer: "edc", Offer: asset}, &n)
	p := b.until(n.ID, "FINALIZED")
	b.edc.until("contractnegotiations", b.edc.twin("contractnegotiations", n.ID), "FINALIZED")
	return p.Negotiation.Agreement
}

// transfers has the node ask for data under an agreement.
func (b both) transfers(agreement string) (id, twin string) {
	b.Helper()
	var x api.Transfer
	b.must(http.MethodPost, "/api/v1/transfers", api.TransferOrder{Agreement: agreement, Dataset: "from-edc"}, &x)
	b.until(x.ID, "STARTED")
	twin = b.edc.twin("transferprocesses", x.ID)
	b.edc.until("transferprocesses", twin, "STARTED")
	return x.ID, twin
}

// record is a closure of a name.
func record(id string) string {
	return strings.Replace(`{"kind":"situation","id":"ID","version":1,"update":"insert","situation":{"lifecycle":"active","effect":"road-closed","direction":"both",
		"start":"2026-11-23T10:00:00Z","endKind":"unknown","road":{"name":"Oostertunnel"},"geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38]]}}}`, "ID", id, 1)
}

// holds changes what EDC's asset is.
func (b both) holds(id string) {
	b.Helper()
	if err := os.WriteFile(b.edc.file, []byte(record(id)), 0o600); err != nil {
		b.Fatal(err)
	}
}

// has waits until the node's own stream has a record, and looks where it is from.
func (b both) has(id string) {
	b.Helper()
	ctx, stop := b.soon()
	defer stop()
	for {
		var c api.Closure
		err := b.node.Do(ctx, http.MethodGet, "/api/v1/closures/"+id, nil, &c)
		if err == nil {
			if from := c.Record.Provenance; from.System != string(edc) || !strings.HasPrefix(from.Feed, "transfer:") {
				b.Errorf("the record %s comes from %+v", id, from)
			}
			return
		}
		select {
		case <-ctx.Done():
			b.Fatalf("the record %s did not come: %v", id, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// act takes a step in a process of the node.
func (b both) act(id, what string, reason ...string) {
	b.Helper()
	b.must(http.MethodPost, "/api/v1/transfers/"+id+"/"+what, api.ProcessAct{Reason: reason}, nil)
}

func (b both) nodePulls() {
	b.holds("one")
	id, twin := b.transfers(b.agreed())
	b.has("one")

	b.act(id, "suspend", "a drill")
	b.edc.until("transferprocesses", twin, "SUSPENDED")
	b.holds("two")
	b.act(id, "resume")
	b.edc.until("transferprocesses", twin, "STARTED")
	b.has("two")

	b.edc.post("/transferprocesses/"+twin+"/suspend", map[string]any{"@type": "SuspendTransfer", "reason": "works at the source"}, nil)
	if p := b.until(id, "SUSPENDED"); !strings.Contains(strings.Join(p.Transfer.Reason, ";"), "works at the source") {
		b.Errorf("the reason of the suspension: %q", p.Transfer.Reason)
	}
	b.holds("three")
	b.edc.post("/transferprocesses/"+twin+"/resume", nil, nil)
	b.until(id, "STARTED")
	b.has("three")

	b.act(id, "terminate", "enough")
	b.edc.until("transferprocesses", twin, "TERMINATED")
}

func (b both) edcEnds() {
	b.holds("one")
	id, twin := b.transfers(b.agreed())
	b.edc.post("/transferprocesses/"+twin+"/terminate", map[string]any{"@type": "TerminateTransfer", "reason": "the source is closed"}, nil)
	p := b.until(id, "TERMINATED")
	if !strings.Contains(strings.Join(p.Transfer.Reason, ";"), "the source is closed") || p.Transfer.EndedBy != hansa.Provider {
		b.Errorf("the node heard as reason: %q, by the %s", p.Transfer.Reason, p.Transfer.EndedBy)
	}
}

func (b both) edcRefuses() {
	var n api.Negotiation
	b.must(http.MethodPost, "/api/v1/negotiations", api.NegotiationOrder{Peer: "edc", Offer: closed}, &n)
	if p := b.until(n.ID, "TERMINATED"); p.Negotiation.EndedBy != hansa.Provider || len(p.Negotiation.Reason) == 0 {
		b.Errorf("EDC was to refuse: %+v", p.Negotiation)
	} else {
		b.Logf("EDC refuses by: %q", p.Negotiation.Reason)
	}
}

// edcDiffers: EDC takes no notice of the rules that are asked for, and agrees to its
// own.
func (b both) edcDiffers() {
	id, _ := b.found()
	other := jsontext.Value(`{"@id":"` + id + `","@type":"Offer","permission":[{"action":"use","constraint":[{"leftOperand":"purpose","operator":"eq","rightOperand":"resale"}]}]}`)
	var n api.Negotiation
	b.must(http.MethodPost, "/api/v1/negotiations", api.NegotiationOrder{Peer: "edc", Offer: id, Target: asset, Policy: other}, &n)
	if p := b.until(n.ID, "TERMINATED"); p.Negotiation.EndedBy != hansa.Consumer || p.Negotiation.Code != "agreement" {
		b.Errorf("the node was to refuse: %+v", p.Negotiation)
	}
	b.edc.until("contractnegotiations", b.edc.twin("contractnegotiations", n.ID), "TERMINATED")
}

func (b both) edcLacks() {
	err := b.node.Do(b.Context(), http.MethodPost, "/api/v1/negotiations", api.NegotiationOrder{Peer: "edc", Offer: "no-such-asset"}, nil)
	if err == nil || !strings.Contains(err.Error(), `no offer "no-such-asset"`) {
		b.Errorf("a dataset that EDC does not have: %v", err)
	}
	var n api.Negotiation // and who asks all the same, reads what EDC says
	rules := jsontext.Value(`{"@id":"nowhere","@type":"Offer","permission":[{"action":"use"}]}`)
	b.must(http.MethodPost, "/api/v1/negotiations", api.NegotiationOrder{Peer: "edc", Offer: "nowhere", Target: "no-such-asset", Policy: rules}, &n)
	ctx, stop := b.soon()
	defer stop()
	for ; ; time.Sleep(50 * time.Millisecond) {
		p, err := b.node.Process(ctx, n.ID)
		if err != nil {
			b.Fatal(err)
		}
		if says := p.Negotiation.Parked + strings.Join(p.Negotiation.Reason, ";"); strings.Contains(says, "Not found") {
			break
		}
	}
	b.must(http.MethodPost, "/api/v1/negotiations/"+n.ID+"/decline", api.ProcessAct{}, nil)
}
