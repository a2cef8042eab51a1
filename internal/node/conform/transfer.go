package conform

import (
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
)

func transferChecks() []check {
	return []check{
		{"TRANSFER-1", "MUST", atTpError, "malformed requests begin nothing, and are refused with a TransferError", (*driver).brokenTransfers},
		{"TRANSFER-2", "MUST", atTpError, "a request under an agreement that does not exist is refused with a TransferError", (*driver).noAgreement},
		{"TRANSFER-3", "MUST", atTpNone, "a transfer that does not exist is answered 404", (*driver).noTransfer},
		{"TRANSFER-4", "MUST", atTpHTTPS, "a request under an agreement is answered 201 with the TransferProcess", (*driver).transfers},
		{"TRANSFER-5", "SHOULD", atTransfer, "the same request again is answered with the transfer there is", (*driver).requestsAgain},
		{"TRANSFER-6", "MUST", atTransfer, "the start of a pull says where the data is", (*driver).starts},
		{"TRANSFER-7", "MUST", atTpState, "a start of what is started is answered 400 with a TransferError", (*driver).startsTwice},
		{"TRANSFER-8", "MUST", atTpHTTPS, "a suspension is answered 200, and the transfer is SUSPENDED", (*driver).suspends},
		{"TRANSFER-9", "MUST", atTpState, "a completion of what is suspended is answered 400 with a TransferError", (*driver).completesEarly},
		{"TRANSFER-10", "MUST", atTpHTTPS, "a start resumes what is suspended", (*driver).resumes},
		{"TRANSFER-11", "MUST", atTpHTTPS, "a termination is answered 200, and the transfer is TERMINATED", (*driver).endsTransfer},
		{"TRANSFER-12", "MUST", atTpState, "a message after the end is answered 400 with a TransferError", (*driver).afterTransfer},
	}
}

func (d *driver) brokenTransfers() error {
	return d.refusesBroken("TransferRequestMessage", doc("TransferRequestMessage", map[string]any{
		"consumerPid": "urn:uuid:" + d.cfg.ID(), "agreementId": "urn:uuid:" + d.cfg.ID(), "format": "HttpData-PULL", "callbackAddress": d.cfg.Callback,
	}), d.base+"/transfers/request", "TransferError")
}

func (d *driver) noAgreement() error {
	a, err := d.call(http.MethodPost, d.base+"/transfers/request", doc("TransferRequestMessage", map[string]any{
		"consumerPid": "urn:uuid:" + d.cfg.ID(), "agreementId": "urn:uuid:" + d.cfg.ID(), "format": "HttpData-PULL", "callbackAddress": d.cfg.Callback,
	}))
	if err != nil {
		return err
	}
	return a.refuses("TransferError")
}

func (d *driver) noTransfer() error {
	p := process{consumer: "urn:uuid:" + d.cfg.ID(), provider: d.cfg.ID()}
	for _, call := range []struct{ method, path, body string }{
		{http.MethodGet, "", ""},
		{http.MethodPost, "/suspension", doc("TransferSuspensionMessage", map[string]any{"consumerPid": p.consumer, "providerPid": p.provider})},
	} {
		a, err := d.call(call.method, d.base+"/transfers/"+p.provider+call.path, call.body)
		if err != nil {
			return err
		}
		if a.status != http.StatusNotFound {
			return fmt.Errorf("%s%s: the answer is %d, want 404: %s", call.method, call.path, a.status, a.said())
		}
	}
	return nil
}

// pull is a format of the dataset by which data is fetched, or the first there is.
func (d *driver) pull() string {
	out := "HttpData-PULL"
	for i := range d.datasets {
		for j, f := range d.datasets[i].Formats {
			if strings.HasSuffix(strings.ToUpper(f.Format), "-PULL") {
				return f.Format
			}
			if i == 0 && j == 0 {
				out = f.Format
			}
		}
	}
	return out
}

func (d *driver) transfers() error {
	if d.agreement == "" {
		return skip("there is no agreement")
	}
	p := process{consumer: "urn:uuid:" + d.cfg.ID()}
	d.desk.expects(p.consumer, "", "REQUESTED")
	d.asked = doc("TransferRequestMessage", map[string]any{
		"@id": "urn:uuid:" + d.cfg.ID(), "consumerPid": p.consumer, "agreementId": d.agreement, "format": d.pull(), "callbackAddress": d.cfg.Callback,
	})
	a, err := d.call(http.MethodPost, d.base+"/transfers/request", d.asked)
	if err != nil {
		return err
	}
	var got status
	if a.kind == "TransferProcess" && json.Unmarshal(a.body, &got) == nil {
		p.provider = got.ProviderPid
		d.transfer = p
		d.desk.expects(p.consumer, p.provider, "REQUESTED")
	}
	if err := a.is("TransferProcess", http.StatusCreated); err != nil {
		return err
	}
	if got.ConsumerPid != p.consumer {
		return fmt.Errorf("the answer is about consumerPid %q, want %q", got.ConsumerPid, p.consumer)
	}
	return nil
}

func (d *driver) requestsAgain() error {
	p, err := d.moving()
	if err != nil {
		return err
	}
	a, err := d.call(http.MethodPost, d.base+"/transfers/request", d.asked)
	if err != nil {
		return err
	}
	if err := a.is("TransferProcess", http.StatusCreated, http.StatusOK); err != nil {
		return err
	}
	var got status
	if err := json.Unmarshal(a.body, &got); err != nil {
		return err
	}
	if got.ProviderPid != p.provider {
		return fmt.Errorf("the answer is about %s, want %s", got.ProviderPid, p.provider)
	}
	return nil
}

// moving is the transfer that was begun.
func (d *driver) moving() (process, error) {
	if d.transfer.provider == "" {
		return process{}, skip("no transfer could be begun")
	}
	return d.transfer, nil
}

func (d *driver) starts() error {
	p, err := d.moving()
	if err != nil {
		return err
	}
	n, _ := d.desk.waits(d.ctx, d.cfg.Wait, p.consumer, 0, "TransferStartMessage", "TransferTerminationMessage")
	switch {
	case n == nil:
		d.transfer = process{}
		return skip(fmt.Sprintf("no start came within %s", d.cfg.Wait))
	case n.kind == "TransferTerminationMessage":
		d.transfer = process{}
		return skip("the connector ended the transfer: " + string(n.doc["reason"]))
	case n.fits != nil:
		return n.fits
	case n.what != "start":
		return fmt.Errorf("the start came to /%s, want /start", n.what)
	case len(n.doc["dataAddress"]) == 0:
		return fmt.Errorf("it has no dataAddress")
	}
	return d.becomes("TransferProcess", p, p.provider, "STARTED")
}

// move sends a later message of the transfer, as its consumer.
func (d *driver) move(path, kind string, more map[string]any) (process, *answer, error) {
	p, err := d.moving()
	if err != nil {
		return p, nil, err
	}
	m := map[string]any{"@id": "urn:uuid:" + d.cfg.ID(), "consumerPid": p.consumer, "providerPid": p.provider}
	maps.Copy(m, more)
	a, err := d.call(http.MethodPost, d.base+"/transfers/"+p.provider+path, doc(kind, m))
	return p, a, err
}

func (d *driver) moves(path, kind, state string, more map[string]any) error {
	d.pause()
	p, a, err := d.move(path, kind, more)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("the answer is %d, want 200: %s", a.status, a.said())
	}
	return d.becomes("TransferProcess", p, p.provider, state)
}

func (d *driver) refusesMove(path, kind string) error {
	_, a, err := d.move(path, kind, nil)
	if err != nil {
		return err
	}
	return a.refuses("TransferError", http.StatusBadRequest)
}

func (d *driver) startsTwice() error { return d.refusesMove("/start", "TransferStartMessage") }

func (d *driver) suspends() error {
	return d.moves("/suspension", "TransferSuspensionMessage", "SUSPENDED", map[string]any{"code": "conform", "reason": []string{"a check"}})
}

func (d *driver) completesEarly() error {
	return d.refusesMove("/completion", "TransferCompletionMessage")
}

func (d *driver) resumes() error { return d.moves("/start", "TransferStartMessage", "STARTED", nil) }

func (d *driver) endsTransfer() error {
	return d.moves("/termination", "TransferTerminationMessage", "TERMINATED", map[string]any{"reason": []string{"the check is over"}})
}

func (d *driver) afterTransfer() error { return d.refusesMove("/start", "TransferStartMessage") }
