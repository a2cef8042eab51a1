package edc

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// anyUse are the rules of the node's offer.
var anyUse = map[string]any{"action": "use"}

func (b both) edcFinds() {
	doc := b.edc.catalogue(b.node.Base())
	sets := doc.list("dataset")
	if len(sets) != 1 || sets[0].text("@id") != set {
		b.Fatalf("EDC reads the node's catalogue as %v", doc)
	}
	offers, ways := sets[0].list("hasPolicy"), sets[0].list("distribution")
	if len(offers) != 1 || offers[0].text("@id") != offer || len(ways) < 2 {
		b.Errorf("EDC reads the node's dataset as %v", sets[0])
	}
	if doc.text("participantId") != string(own) && doc.text("dspace:participantId") != string(own) {
		b.Errorf("EDC reads the node's catalogue as that of another: %v", doc)
	}
}

// bought has EDC negotiate with the node for its dataset.
func (b both) bought() (agreement string) {
	b.Helper()
	id, err := b.edc.negotiate(b.Context(), b.node.Base(), offer, set, anyUse)
	if err != nil {
		b.Fatal(err)
	}
	doc := b.edc.until("contractnegotiations", id, "FINALIZED", "TERMINATED")
	if doc.text("state") != "FINALIZED" {
		b.Fatalf("EDC's negotiation: %v", doc)
	}
	return doc.text("contractAgreementId")
}

// takes has EDC ask the node for data under an agreement.
func (b both) takes(agreement string) (id, twin string) {
	b.Helper()
	var doc document
	b.edc.post("/transferprocesses", map[string]any{
		"@type": "TransferRequest", "protocol": protocol, "counterPartyAddress": b.node.Base(), "contractId": agreement, "transferType": "HttpData-PULL",
	}, &doc)
	id = doc.text("@id")
	if doc = b.edc.until("transferprocesses", id, "STARTED", "TERMINATED"); doc.text("state") != "STARTED" {
		b.Fatalf("EDC's transfer: %v", doc)
	}
	var list api.TransfersBody
	b.must(http.MethodGet, "/api/v1/transfers?open=true&limit=1000", nil, &list)
	for i := range list.Transfers {
		if list.Transfers[i].Pid == id {
			return id, list.Transfers[i].ID
		}
	}
	b.Fatalf("the node has no transfer that EDC calls %s", id)
	return "", ""
}

// gets has EDC pull what the node gives now.
func (b both) gets(transfer, want string) {
	b.Helper()
	if status, body := b.edc.pull(transfer); status != http.StatusOK || !strings.Contains(body, want) {
		b.Errorf("EDC pulls, wants %s, and gets %d %.300s", want, status, body)
	}
}

// getsNone has EDC pull what the node gives no more.
func (b both) getsNone(transfer string) {
	b.Helper()
	if status, body := b.edc.pull(transfer); status != http.StatusUnauthorized {
		b.Errorf("EDC pulls where it may not, and gets %d %.300s", status, body)
	}
}

func (b both) publish(id string) {
	b.Helper()
	var r map[string]any
	if err := json.Unmarshal([]byte(record(id)), &r); err != nil {
		b.Fatal(err)
	}
	b.must(http.MethodPost, "/data/v1/datasets/"+set+"/records", r, nil)
}

func (b both) edcPulls() {
	b.publish("first")
	id, twin := b.takes(b.bought())
	b.gets(id, `"first"`)

	b.edc.post("/transferprocesses/"+id+"/suspend", map[string]any{"@type": "SuspendTransfer", "reason": "no need today"}, nil)
	b.edc.until("transferprocesses", id, "SUSPENDED")
	if p := b.until(twin, "SUSPENDED"); !strings.Contains(strings.Join(p.Transfer.Reason, ";"), "no need today") {
		b.Errorf("the reason of the suspension: %q", p.Transfer.Reason)
	}
	b.getsNone(id)
	b.publish("second")
	b.edc.post("/transferprocesses/"+id+"/resume", nil, nil)
	b.until(twin, "STARTED")
	b.edc.until("transferprocesses", id, "STARTED")
	b.gets(id, `"second"`)

	b.act(twin, "suspend", "works on the line")
	b.edc.until("transferprocesses", id, "SUSPENDED")
	b.getsNone(id)
	b.act(twin, "resume")
	b.edc.until("transferprocesses", id, "STARTED")
	b.gets(id, `"first"`)

	b.edc.post("/transferprocesses/"+id+"/terminate", map[string]any{"@type": "TerminateTransfer", "reason": "we have it all"}, nil)
	if p := b.until(twin, "TERMINATED"); !strings.Contains(strings.Join(p.Transfer.Reason, ";"), "we have it all") || p.Transfer.EndedBy != hansa.Consumer {
		b.Errorf("the node heard as reason: %q, by the %s", p.Transfer.Reason, p.Transfer.EndedBy)
	}
	b.getsNone(id)
}

func (b both) nodeEnds() {
	id, twin := b.takes(b.bought())
	b.gets(id, `"first"`)
	b.act(twin, "terminate", "the contract is void")
	b.edc.until("transferprocesses", id, "TERMINATED")
	b.getsNone(id)
}

func (b both) nodeRefuses() {
	rules := map[string]any{"action": "use", "constraint": map[string]any{"@type": "Constraint", "leftOperand": "phase-of-the-moon", "operator": map[string]string{"@id": "odrl:eq"}, "rightOperand": "full"}}
	id, err := b.edc.negotiate(b.Context(), b.node.Base(), offer, set, rules)
	if err != nil {
		b.Fatal(err)
	}
	b.edc.until("contractnegotiations", id, "TERMINATED")
	b.said(id, "phase-of-the-moon")
}

// said waits until EDC has taken the node's message that ended its negotiation, and
// looks for the reason in it. (EDC keeps no reason that another gave.)
func (b both) said(pid, reason string) {
	b.Helper()
	var list api.NegotiationsBody
	b.must(http.MethodGet, "/api/v1/negotiations?state=TERMINATED&limit=1000", nil, &list)
	i := slices.IndexFunc(list.Negotiations, func(n api.Negotiation) bool { return n.Pid == pid })
	if i < 0 {
		b.Fatalf("the node has no ended negotiation that EDC calls %s", pid)
	}
	ctx, stop := b.soon()
	defer stop()
	for {
		p, err := b.node.Process(ctx, list.Negotiations[i].ID)
		if err != nil {
			b.Fatal(err)
		}
		last := p.Messages[len(p.Messages)-1]
		if last.Kind != "negotiation/terminate" || !strings.Contains(string(last.Body), reason) {
			b.Fatalf("the node was to end it for %q: %+v", reason, last)
		}
		if last.State == "delivered" {
			return
		}
		time.Sleep(20 * time.Millisecond) // EDC has it, and its answer is on the way
	}
}

func (b both) nodeLacks() {
	err := b.edc.do(b.Context(), "POST", "/catalog/dataset/request", map[string]any{"@id": "no-such-set", "@type": "DatasetRequest", "protocol": protocol, "counterPartyAddress": b.node.Base(), "counterPartyId": string(own)}, nil)
	if err == nil || !strings.Contains(err.Error(), "there is no such dataset") {
		b.Errorf("EDC asks for a dataset that the node does not have: %v", err)
	}
	id, err := b.edc.negotiate(b.Context(), b.node.Base(), "no-such-offer", "no-such-set", anyUse)
	if err != nil {
		b.Fatal(err)
	}
	b.edc.until("contractnegotiations", id, "TERMINATED")
	b.said(id, "no-such-offer")
}
