package dsp_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
	"github.com/hansa-exchange/hansa/internal/node/conform"
)

// held checks a document that is sent against the schema of its type, and its type.
func held(t *testing.T, what, kind string, b []byte) {
	t.Helper()
	var doc struct {
		Type string `json:"@type"`
	}
	if err := json.Unmarshal(b, &doc); err != nil || doc.Type != kind {
		t.Errorf("%s is a %q, want a %s (%v): %s", what, doc.Type, kind, err, b)
	}
	if err := conform.Valid(kind, b); err != nil {
		t.Errorf("%s: %v\n%s", what, err, b)
	}
}

// TestMessagesAreValid: every message that is sent fits its schema, goes where the
// binding says, and is read by the own reader as it was meant.
func TestMessagesAreValid(t *testing.T) {
	rules := policy.FromTerms("o", &hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}})
	rules.Target, rules.Assigner, rules.Assignee = "d", "did:web:a", "did:web:b"
	agreement := rules.Clone()
	agreement.Type, agreement.Timestamp = policy.Agreement, "2026-01-01T00:00:00Z"
	for _, tc := range []struct {
		kind, path string
		by         hansa.Side
		m          negotiation.Message
	}{
		{"ContractRequestMessage", "/negotiations/request", hansa.Consumer, negotiation.Message{Event: negotiation.Request, ConsumerPid: "c", Callback: "https://x.example/dsp", Offer: rules}},
		{"ContractRequestMessage", "/negotiations/pid/request", hansa.Consumer, negotiation.Message{Event: negotiation.Request, ConsumerPid: "c", ProviderPid: "p", Offer: rules}},
		{"ContractOfferMessage", "/negotiations/offers", hansa.Provider, negotiation.Message{Event: negotiation.Offer, ProviderPid: "p", Callback: "https://x.example/dsp", Offer: rules}},
		{"ContractOfferMessage", "/negotiations/pid/offers", hansa.Provider, negotiation.Message{Event: negotiation.Offer, ConsumerPid: "c", ProviderPid: "p", Offer: rules}},
		{"ContractAgreementMessage", "/negotiations/pid/agreement", hansa.Provider, negotiation.Message{Event: negotiation.Agree, ConsumerPid: "c", ProviderPid: "p", Agreement: agreement}},
		{"ContractAgreementVerificationMessage", "/negotiations/pid/agreement/verification", hansa.Consumer, negotiation.Message{Event: negotiation.Verify, ConsumerPid: "c", ProviderPid: "p"}},
		{"ContractNegotiationEventMessage", "/negotiations/pid/events", hansa.Consumer, negotiation.Message{Event: negotiation.Accept, ConsumerPid: "c", ProviderPid: "p"}},
		{"ContractNegotiationEventMessage", "/negotiations/pid/events", hansa.Provider, negotiation.Message{Event: negotiation.Finalize, ConsumerPid: "c", ProviderPid: "p"}},
		{"ContractNegotiationTerminationMessage", "/negotiations/pid/termination", "", negotiation.Message{Event: negotiation.Terminate, ConsumerPid: "c", ProviderPid: "p", Code: "policy", Reason: []string{"no", "not now"}}},
		{"ContractNegotiationTerminationMessage", "/negotiations/pid/termination", "", negotiation.Message{Event: negotiation.Terminate, ConsumerPid: "c", ProviderPid: "p"}},
	} {
		tc.m.ID = "urn:uuid:1"
		path, b, err := dsp.EncodeNegotiation(&tc.m, "pid")
		if err != nil || path != tc.path {
			t.Errorf("%s goes to %s, want %s (%v)", tc.m.Event, path, tc.path, err)
		}
		held(t, string(tc.m.Event), tc.kind, b)
		event, by := tc.m.Event, tc.by
		if tc.kind == "ContractNegotiationEventMessage" {
			event, by = "", ""
		}
		back, err := dsp.Negotiation(b, event, by)
		if err != nil || back.Event != tc.m.Event || back.By != tc.by || back.ConsumerPid != tc.m.ConsumerPid || back.ProviderPid != tc.m.ProviderPid || back.Callback != tc.m.Callback || strings.Join(back.Reason, "|") != strings.Join(tc.m.Reason, "|") {
			t.Errorf("%s is read back as %+v, %v", tc.m.Event, back, err)
		}
		if (tc.m.Offer != nil && !policy.Equal(back.Offer, rules)) || (tc.m.Agreement != nil && !policy.Equal(back.Agreement, agreement)) {
			t.Errorf("%s: its policy is read back otherwise", tc.m.Event)
		}
	}
	at := &transfer.Address{EndpointType: "https://w3id.org/idsa/v4.1/HTTP", Endpoint: "https://x.example", Properties: map[string]string{"authorization": "t", "authType": "bearer"}}
	for _, tc := range []struct {
		kind, path string
		m          transfer.Message
	}{
		{"TransferRequestMessage", "/transfers/request", transfer.Message{Event: transfer.Request, ConsumerPid: "c", Agreement: "a", Format: transfer.Pull, Callback: "https://x.example"}},
		{"TransferRequestMessage", "/transfers/request", transfer.Message{Event: transfer.Request, ConsumerPid: "c", Agreement: "a", Format: transfer.Push, Callback: "https://x.example", Address: at}},
		{"TransferStartMessage", "/transfers/pid/start", transfer.Message{Event: transfer.Start, ConsumerPid: "c", ProviderPid: "p", Address: at}},
		{"TransferStartMessage", "/transfers/pid/start", transfer.Message{Event: transfer.Start, ConsumerPid: "c", ProviderPid: "p"}},
		{"TransferStartMessage", "/transfers/pid/start", transfer.Message{Event: transfer.Start, ConsumerPid: "c", ProviderPid: "p", Address: &transfer.Address{EndpointType: "x"}}},
		{"TransferSuspensionMessage", "/transfers/pid/suspension", transfer.Message{Event: transfer.Suspend, ConsumerPid: "c", ProviderPid: "p", Code: "drill", Reason: []string{"a drill"}}},
		{"TransferSuspensionMessage", "/transfers/pid/suspension", transfer.Message{Event: transfer.Suspend, ConsumerPid: "c", ProviderPid: "p"}},
		{"TransferCompletionMessage", "/transfers/pid/completion", transfer.Message{Event: transfer.Complete, ConsumerPid: "c", ProviderPid: "p"}},
		{"TransferTerminationMessage", "/transfers/pid/termination", transfer.Message{Event: transfer.Terminate, ConsumerPid: "c", ProviderPid: "p", Reason: []string{"enough"}}},
	} {
		path, b, err := dsp.EncodeTransfer(&tc.m, "pid")
		if err != nil || path != tc.path {
			t.Errorf("%s goes to %s, want %s (%v)", tc.m.Event, path, tc.path, err)
		}
		held(t, string(tc.m.Event), tc.kind, b)
		back, err := dsp.Transfer(b, tc.m.Event)
		if err != nil || back.ConsumerPid != "c" || back.Agreement != tc.m.Agreement || (back.Address == nil) != (tc.m.Address == nil) || back.Address != nil && back.Address.Endpoint != tc.m.Address.Endpoint {
			t.Errorf("%s is read back as %+v, %v", tc.m.Event, back, err)
		}
	}
}

// TestErrorsAreValid: whatever goes wrong on whatever path, the answer is the error
// document of that part of the protocol, with both pids where it needs them.
func TestErrorsAreValid(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want int
	}{
		"out of turn":   {hansa.Errorf(hansa.Invalid, "no").WithHint("so"), 400},
		"not there":     {hansa.Errorf(hansa.NotFound, "no"), 404},
		"not yours":     {hansa.Errorf(hansa.Denied, "no"), 404},
		"who are you":   {hansa.Errorf(hansa.Denied, "no").With(hansa.CodeUnauthenticated), 401},
		"too long":      {hansa.Errorf(hansa.Invalid, "no").With(hansa.CodeTooLarge), 413},
		"no JSON":       {hansa.Errorf(hansa.Invalid, "no").With(hansa.CodeMediaType), 415},
		"later":         {hansa.Errorf(hansa.Busy, "no"), 503},
		"our own fault": {errors.New("a secret of ours"), 500},
	} {
		for path, kind := range map[string]string{
			"/catalog/request": "CatalogError", "/catalog/datasets/x": "CatalogError", "/negotiations/x": "ContractNegotiationError", "/negotiations/request": "ContractNegotiationError",
			"/negotiations/x/agreement/verification": "ContractNegotiationError", "/transfers/request": "TransferError", "/transfers/x/start": "TransferError",
		} {
			for _, base := range []string{dsp.Path, "/parties/city" + dsp.Path} {
				w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, base+path, nil)
				dsp.WriteError(w, r, tc.err, "r-1")
				if w.Code != tc.want {
					t.Errorf("%s at %s: %d, want %d", name, path, w.Code, tc.want)
				}
				held(t, name+" at "+path, kind, w.Body.Bytes())
				if strings.Contains(w.Body.String(), "secret") {
					t.Errorf("%s tells what is ours: %s", name, w.Body)
				}
			}
		}
	}
}
