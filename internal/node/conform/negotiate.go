package conform

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

func negotiationChecks() []check {
	return []check{
		{"NEGOTIATION-1", "MUST", atNegError, "malformed requests begin nothing, and are refused with a ContractNegotiationError", (*driver).brokenRequests},
		{"NEGOTIATION-2", "MUST", atNegotiation, "a callbackAddress that is none is refused", (*driver).noCallback},
		{"NEGOTIATION-3", "MUST", atNegHTTPS, "a request is answered 201 with the ContractNegotiation", (*driver).requests},
		{"NEGOTIATION-4", "MUST", atNegHTTPS, "how a negotiation stands is answered 200 with the ContractNegotiation", (*driver).stands},
		{"NEGOTIATION-5", "MUST", atNegHTTPS, "to accept the own offer is answered 400 with a ContractNegotiationError", (*driver).acceptsOwn},
		{"NEGOTIATION-6", "MUST", atNegState, "a consumer that finalizes is answered 400 with a ContractNegotiationError", (*driver).finalizes},
		{"NEGOTIATION-7", "MUST", atNegError, "a message that names another process is refused, and changes nothing", (*driver).wrongPid},
		{"NEGOTIATION-8", "MUST", atNegNone, "a negotiation that does not exist is answered 404", (*driver).noNegotiation},
		{"NEGOTIATION-9", "MUST", atNegHTTPS, "a termination is answered 200, and the negotiation is TERMINATED", (*driver).terminates},
		{"NEGOTIATION-10", "MUST", atNegState, "a message after the end is answered 400 with a ContractNegotiationError", (*driver).afterEnd},
		{"NEGOTIATION-11", "MUST", atNegotiation, "an offer that the connector does not know is refused, or the negotiation is terminated", (*driver).unknownOffer},
		{"NEGOTIATION-12", "MUST", atNegotiation, "the agreement names its target, its two parties and its time, and is that of the offer", (*driver).agrees},
		{"NEGOTIATION-13", "MUST", atNegHTTPS, "a verification is answered 200, and the connector finalizes", (*driver).verifies},
		{"NEGOTIATION-14", "MUST", atNegState, "what is finalized is not terminated: 400 with a ContractNegotiationError", (*driver).afterFinal},
		{"NEGOTIATION-15", "MUST", atNegHTTPS, "an offer that answers a request can be countered by another request", (*driver).counters},
		{"NEGOTIATION-16", "MUST", atNegBack, "an offer that begins a negotiation is answered 201 with the ContractNegotiation", (*driver).offered},
	}
}

// doc writes a message.
func doc(kind string, members map[string]any) string {
	m := map[string]any{"@context": []string{Context}, "@type": kind}
	maps.Copy(m, members)
	b, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		panic("internal error: " + err.Error()) // it is the driver's own
	}
	return string(b)
}

// offer is one of the catalogue, as a message holds it.
func (d *driver) offer() (map[string]any, error) {
	for i := range d.datasets {
		for _, raw := range d.datasets[i].Offers {
			var o map[string]any
			if json.Unmarshal(raw, &o) == nil && o["@id"] != nil {
				o["@type"], o["target"], o["assigner"] = "Offer", d.datasets[i].ID, d.participant
				return o, nil
			}
		}
	}
	return nil, skip("the catalogue shows no offer to this caller")
}

// begin requests an agreement.
func (d *driver) begin(offer map[string]any) (process, *answer, error) {
	p := process{consumer: "urn:uuid:" + d.cfg.ID()}
	d.desk.expects(p.consumer, "", "REQUESTED")
	a, err := d.call(http.MethodPost, d.base+"/negotiations/request", doc("ContractRequestMessage", map[string]any{
		"@id": "urn:uuid:" + d.cfg.ID(), "consumerPid": p.consumer, "callbackAddress": d.cfg.Callback, "offer": offer,
	}))
	if err != nil {
		return p, nil, err
	}
	var got status
	if a.fits == nil && json.Unmarshal(a.body, &got) == nil {
		p.provider = got.ProviderPid
		d.desk.expects(p.consumer, p.provider, "REQUESTED")
	}
	return p, a, nil
}

type status struct {
	ConsumerPid string `json:"consumerPid"`
	ProviderPid string `json:"providerPid"`
	State       string `json:"state"`
}

// state asks how a process stands.
func (d *driver) state(kind string, p process, pid string) (string, error) {
	path := map[string]string{"ContractNegotiation": "/negotiations/", "TransferProcess": "/transfers/"}[kind]
	a, err := d.call(http.MethodGet, d.base+path+pid, "")
	if err != nil {
		return "", err
	}
	if err := a.is(kind, http.StatusOK); err != nil {
		return "", err
	}
	var got status
	if err := json.Unmarshal(a.body, &got); err != nil {
		return "", err
	}
	if got.ConsumerPid != p.consumer || got.ProviderPid != p.provider {
		return "", fmt.Errorf("the answer is about %s and %s, want %s and %s", got.ConsumerPid, got.ProviderPid, p.consumer, p.provider)
	}
	return got.State, nil
}

// becomes waits a moment for a process to be in a state.
func (d *driver) becomes(kind string, p process, pid, want string) error {
	for i := 0; ; i++ {
		got, err := d.state(kind, p, pid)
		if err != nil || got == want {
			return err
		}
		if i == 20 {
			return fmt.Errorf("it is %s, want %s", got, want)
		}
		d.pause()
	}
}

// pause leaves a connector time to read the answer to what it sent.
func (d *driver) pause() {
	select {
	case <-time.After(150 * time.Millisecond):
	case <-d.ctx.Done():
	}
}

// tell sends a later message of a negotiation, as its consumer.
func (d *driver) tell(p process, path, kind string, more map[string]any) (*answer, error) {
	m := map[string]any{"@id": "urn:uuid:" + d.cfg.ID(), "consumerPid": p.consumer, "providerPid": p.provider}
	maps.Copy(m, more)
	return d.call(http.MethodPost, d.base+"/negotiations/"+p.provider+path, doc(kind, m))
}

func (d *driver) brokenRequests() error {
	o, err := d.offer()
	if err != nil {
		return err
	}
	return d.refusesBroken("ContractRequestMessage", doc("ContractRequestMessage", map[string]any{"consumerPid": "urn:uuid:" + d.cfg.ID(), "callbackAddress": d.cfg.Callback, "offer": o}), d.base+"/negotiations/request", "ContractNegotiationError")
}

func (d *driver) noCallback() error {
	o, err := d.offer()
	if err != nil {
		return err
	}
	a, err := d.call(http.MethodPost, d.base+"/negotiations/request", doc("ContractRequestMessage", map[string]any{"consumerPid": "urn:uuid:" + d.cfg.ID(), "callbackAddress": "nowhere at all", "offer": o}))
	if err != nil {
		return err
	}
	return a.refuses("ContractNegotiationError")
}

func (d *driver) requests() error {
	o, err := d.offer()
	if err != nil {
		return err
	}
	p, a, err := d.begin(o)
	if err != nil {
		return err
	}
	if p.provider != "" {
		d.negotiation = p
	}
	if err := a.is("ContractNegotiation", http.StatusCreated); err != nil {
		return err
	}
	var got status
	if err := json.Unmarshal(a.body, &got); err != nil {
		return err
	}
	if got.ConsumerPid != p.consumer {
		return fmt.Errorf("the answer is about consumerPid %q, want %q", got.ConsumerPid, p.consumer)
	}
	if got.State != "REQUESTED" {
		return fmt.Errorf("the answer says %s, want REQUESTED", got.State)
	}
	return nil
}

// running is the negotiation that was begun.
func (d *driver) running() (process, error) {
	if d.negotiation.provider == "" {
		return process{}, skip("no negotiation could be begun")
	}
	return d.negotiation, nil
}

func (d *driver) stands() error {
	p, err := d.running()
	if err != nil {
		return err
	}
	_, err = d.state("ContractNegotiation", p, p.provider)
	return err
}

func (d *driver) acceptsOwn() error {
	p, err := d.running()
	if err != nil {
		return err
	}
	if s, err := d.state("ContractNegotiation", p, p.provider); err != nil || s == "OFFERED" {
		return errors.Join(err, skip("the connector has made an offer of its own"))
	}
	return d.refusesTold(p, "/events", "ContractNegotiationEventMessage", map[string]any{"eventType": "ACCEPTED"})
}

func (d *driver) refusesTold(p process, path, kind string, more map[string]any) error {
	a, err := d.tell(p, path, kind, more)
	if err != nil {
		return err
	}
	return a.refuses("ContractNegotiationError", http.StatusBadRequest)
}

func (d *driver) finalizes() error {
	p, err := d.running()
	if err != nil {
		return err
	}
	return d.refusesTold(p, "/events", "ContractNegotiationEventMessage", map[string]any{"eventType": "FINALIZED"})
}

func (d *driver) wrongPid() error {
	p, err := d.running()
	if err != nil {
		return err
	}
	a, err := d.tell(p, "/termination", "ContractNegotiationTerminationMessage", map[string]any{"consumerPid": "urn:uuid:" + d.cfg.ID()})
	if err != nil {
		return err
	}
	if err := a.refuses("ContractNegotiationError"); err != nil {
		return err
	}
	if s, err := d.state("ContractNegotiation", p, p.provider); err != nil || s == "TERMINATED" {
		return errors.Join(err, errors.New("it has ended all the same"))
	}
	return nil
}

func (d *driver) noNegotiation() error {
	p := process{consumer: "urn:uuid:" + d.cfg.ID(), provider: d.cfg.ID()}
	for _, call := range []struct{ method, path, body string }{
		{http.MethodGet, "", ""},
		{http.MethodPost, "/termination", doc("ContractNegotiationTerminationMessage", map[string]any{"consumerPid": p.consumer, "providerPid": p.provider})},
	} {
		a, err := d.call(call.method, d.base+"/negotiations/"+p.provider+call.path, call.body)
		if err != nil {
			return err
		}
		if a.status != http.StatusNotFound {
			return fmt.Errorf("%s%s: the answer is %d, want 404: %s", call.method, call.path, a.status, a.said())
		}
	}
	return nil
}

func (d *driver) end(p process) error {
	a, err := d.tell(p, "/termination", "ContractNegotiationTerminationMessage", map[string]any{"code": "conform", "reason": []string{"the check is over"}})
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("the answer is %d, want 200: %s", a.status, a.said())
	}
	return d.becomes("ContractNegotiation", p, p.provider, "TERMINATED")
}

func (d *driver) terminates() error {
	p, err := d.running()
	if err != nil {
		return err
	}
	return d.end(p)
}

func (d *driver) afterEnd() error {
	p, err := d.running()
	if err != nil {
		return err
	}
	return d.refusesTold(p, "/agreement/verification", "ContractAgreementVerificationMessage", nil)
}

func (d *driver) unknownOffer() error {
	o, err := d.offer()
	if err != nil {
		return err
	}
	o["@id"] = "urn:uuid:" + d.cfg.ID()
	from := d.desk.counted()
	p, a, err := d.begin(o)
	if err != nil {
		return err
	}
	if a.status >= 400 {
		return a.refuses("ContractNegotiationError")
	}
	if n, _ := d.desk.waits(d.ctx, d.cfg.Wait, p.consumer, from, "ContractNegotiationTerminationMessage", "ContractAgreementMessage"); n != nil && n.kind == "ContractAgreementMessage" {
		return errors.New("the connector agreed to an offer that it never made")
	}
	return d.becomes("ContractNegotiation", p, p.provider, "TERMINATED")
}

// agrees requests an offer as it stands, and waits for the agreement.
func (d *driver) agrees() error {
	o, err := d.offer()
	if err != nil {
		return err
	}
	from := d.desk.counted()
	p, a, err := d.begin(o)
	if err != nil {
		return err
	}
	if p.provider == "" {
		return fmt.Errorf("the request was answered %d: %s", a.status, a.said())
	}
	d.negotiation = p
	n, _ := d.desk.waits(d.ctx, d.cfg.Wait, p.consumer, from, "ContractAgreementMessage", "ContractNegotiationTerminationMessage", "ContractOfferMessage")
	if n == nil || n.kind != "ContractAgreementMessage" {
		why := fmt.Sprintf("no agreement came within %s: the connector may wait for a person", d.cfg.Wait)
		if n != nil {
			why = "the connector answered with a " + n.kind + " " + string(n.doc["reason"])
		}
		if n == nil || n.kind == "ContractOfferMessage" {
			_ = d.end(p) // nothing is to stay open; whether it ends well was checked before
		}
		return skip(why)
	}
	d.reached = true
	if n.what != "agreement" {
		return fmt.Errorf("the agreement came to /%s, want /agreement", n.what)
	}
	if n.fits != nil {
		return n.fits
	}
	return d.sound(n, o, p)
}

// sound checks what an agreement says beyond its schema.
func (d *driver) sound(n *note, offer map[string]any, p process) error {
	var a struct {
		ID        string `json:"@id"`
		Target    string `json:"target"`
		Assigner  string `json:"assigner"`
		Assignee  string `json:"assignee"`
		Timestamp string `json:"timestamp"`
	}
	if err := json.Unmarshal(n.doc["agreement"], &a); err != nil {
		return err
	}
	d.agreement = a.ID
	switch {
	case n.text("consumerPid") != p.consumer || n.text("providerPid") != p.provider:
		return fmt.Errorf("it is about %s and %s", n.text("consumerPid"), n.text("providerPid"))
	case a.ID == "" || a.Assigner == "" || a.Assignee == "":
		return errors.New("it lacks its @id, its assigner or its assignee")
	case a.Target != offer["target"]:
		return fmt.Errorf("its target is %q, that of the offer was %q", a.Target, offer["target"])
	case a.Timestamp == "":
		return errors.New("it has no timestamp")
	}
	return nil
}

func (d *driver) verifies() error {
	if !d.reached {
		return skip("there is no agreement")
	}
	p := d.negotiation
	d.pause()
	from := d.desk.counted()
	a, err := d.tell(p, "/agreement/verification", "ContractAgreementVerificationMessage", nil)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("the answer is %d, want 200: %s", a.status, a.said())
	}
	n, _ := d.desk.waits(d.ctx, d.cfg.Wait, p.consumer, from, "ContractNegotiationEventMessage", "ContractNegotiationTerminationMessage")
	switch {
	case n == nil:
		return fmt.Errorf("no finalization came within %s", d.cfg.Wait)
	case n.fits != nil:
		return n.fits
	case n.what != "events" || n.text("eventType") != "FINALIZED":
		return fmt.Errorf("%s came to /%s, want FINALIZED to /events", n.kind, n.what)
	}
	return d.becomes("ContractNegotiation", p, p.provider, "FINALIZED")
}

func (d *driver) afterFinal() error {
	if !d.reached {
		return skip("there is no agreement")
	}
	return d.refusesTold(d.negotiation, "/termination", "ContractNegotiationTerminationMessage", nil)
}

// counters asks for other rules than are on offer; when the connector answers with
// an offer of its own, that is countered.
func (d *driver) counters() error {
	o, err := d.offer()
	if err != nil {
		return err
	}
	rules, _ := o["permission"].([]any)
	for _, r := range rules {
		if rule, ok := r.(map[string]any); ok {
			has, _ := rule["constraint"].([]any)
			rule["constraint"] = append(has, map[string]any{"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2099-01-01T00:00:00Z"})
		}
	}
	from := d.desk.counted()
	p, a, err := d.begin(o)
	if err != nil {
		return err
	}
	if p.provider == "" {
		return skip("a request for other rules is answered " + fmt.Sprint(a.status))
	}
	n, from := d.desk.waits(d.ctx, d.cfg.Wait, p.consumer, from, "ContractOfferMessage", "ContractAgreementMessage", "ContractNegotiationTerminationMessage")
	if n == nil || n.kind != "ContractOfferMessage" {
		if n == nil || n.kind == "ContractAgreementMessage" {
			_ = d.end(p) // nothing is to stay open
		}
		why := "the connector makes no counter-offer to a request for other rules"
		if n != nil {
			why += ", but a " + n.kind + " " + string(n.doc["reason"])
		}
		return skip(why)
	}
	if n.fits != nil || n.what != "offers" {
		return errors.Join(n.fits, fmt.Errorf("the offer came to /%s, want /offers", n.what))
	}
	d.pause()
	a, err = d.tell(p, "/request", "ContractRequestMessage", map[string]any{"offer": o})
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("the counter-request is answered %d, want 200: %s", a.status, a.said())
	}
	again, _ := d.desk.waits(d.ctx, d.cfg.Wait/4, p.consumer, from, "ContractOfferMessage", "ContractAgreementMessage", "ContractNegotiationTerminationMessage")
	if again != nil && again.kind == "ContractNegotiationTerminationMessage" {
		return nil
	}
	return d.end(p)
}

// offered begins a negotiation as its provider.
func (d *driver) offered() error {
	p := process{provider: "urn:uuid:" + d.cfg.ID()}
	d.desk.expects(p.provider, "", "OFFERED")
	o := map[string]any{"@id": "urn:uuid:" + d.cfg.ID(), "@type": "Offer", "target": "urn:uuid:" + d.cfg.ID(), "permission": []any{map[string]any{"action": "use"}}}
	a, err := d.call(http.MethodPost, d.base+"/negotiations/offers", doc("ContractOfferMessage", map[string]any{"@id": "urn:uuid:" + d.cfg.ID(), "providerPid": p.provider, "callbackAddress": d.cfg.Callback, "offer": o}))
	if err != nil {
		return err
	}
	if a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotImplemented {
		return skip(fmt.Sprintf("the connector takes no offers that begin a negotiation: %d", a.status))
	}
	if err := a.is("ContractNegotiation", http.StatusCreated); err != nil {
		return err
	}
	var got status
	if err := json.Unmarshal(a.body, &got); err != nil {
		return err
	}
	if p.consumer = got.ConsumerPid; got.ProviderPid != p.provider {
		return fmt.Errorf("the answer is about providerPid %q, want %q", got.ProviderPid, p.provider)
	}
	at := d.base + "/negotiations/" + p.consumer
	pids := map[string]any{"consumerPid": p.consumer, "providerPid": p.provider}
	early := maps.Clone(pids)
	early["eventType"] = "FINALIZED"
	if a, err = d.call(http.MethodPost, at+"/events", doc("ContractNegotiationEventMessage", early)); err != nil {
		return err
	}
	if err := a.refuses("ContractNegotiationError", http.StatusBadRequest); err != nil {
		return fmt.Errorf("a finalization of what is only offered: %w", err)
	}
	if a, err = d.call(http.MethodPost, at+"/termination", doc("ContractNegotiationTerminationMessage", pids)); err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("its termination is answered %d, want 200: %s", a.status, a.said())
	}
	return d.becomes("ContractNegotiation", p, p.consumer, "TERMINATED")
}
