package dsp

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

// wire is what all messages and answers are written from. Each is valid by its
// schema: what is empty is left out.
type wire struct {
	Context         []string       `json:"@context"`
	Type            string         `json:"@type"`
	ID              string         `json:"@id,omitempty"`
	ProviderPid     string         `json:"providerPid,omitempty"`
	ConsumerPid     string         `json:"consumerPid,omitempty"`
	State           string         `json:"state,omitempty"`
	Offer           *policy.Policy `json:"offer,omitzero"`
	Agreement       *policy.Policy `json:"agreement,omitzero"`
	EventType       string         `json:"eventType,omitempty"`
	AgreementID     string         `json:"agreementId,omitempty"`
	Format          string         `json:"format,omitempty"`
	DataAddress     *wireAddress   `json:"dataAddress,omitzero"`
	CallbackAddress string         `json:"callbackAddress,omitempty"`
	Code            string         `json:"code,omitempty"`
	Reason          []string       `json:"reason,omitempty"`
}

type wireAddress struct {
	Type         string         `json:"@type"`
	EndpointType string         `json:"endpointType"`
	Endpoint     string         `json:"endpoint,omitempty"`
	Properties   []wireProperty `json:"endpointProperties,omitempty"`
}

type wireProperty struct {
	Type  string `json:"@type"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

// edition is the context of everything that is written.
var edition = []string{Context}

// EncodeNegotiation writes a message, and says under which path below the other
// side's base it goes; pid is what the other side calls the process.
func EncodeNegotiation(m *negotiation.Message, pid string) (path string, body []byte, err error) {
	out := wire{Context: edition, Type: negotiationTypes[m.Event], ID: m.ID, ProviderPid: m.ProviderPid, ConsumerPid: m.ConsumerPid, CallbackAddress: m.Callback}
	path = "/negotiations/" + url.PathEscape(pid)
	switch m.Event {
	case negotiation.Request:
		out.Offer, path = m.Offer, path+"/request"
	case negotiation.Offer:
		out.Offer, path = m.Offer, path+"/offers"
	case negotiation.Agree:
		out.Agreement, path = m.Agreement, path+"/agreement"
	case negotiation.Accept:
		out.EventType, path = "ACCEPTED", path+"/events"
	case negotiation.Finalize:
		out.EventType, path = "FINALIZED", path+"/events"
	case negotiation.Verify:
		path += "/agreement/verification"
	case negotiation.Terminate:
		out.Code, out.Reason, path = m.Code, m.Reason, path+"/termination"
	}
	if m.Callback != "" {
		path = map[negotiation.Event]string{negotiation.Request: "/negotiations/request", negotiation.Offer: "/negotiations/offers"}[m.Event]
	}
	body, err = json.Marshal(&out)
	return path, body, err
}

// EncodeTransfer writes a message, and says under which path below the other
// side's base it goes; pid is what the other side calls the process.
func EncodeTransfer(m *transfer.Message, pid string) (path string, body []byte, err error) {
	out := wire{Context: edition, Type: transferTypes[m.Event], ID: m.ID, ProviderPid: m.ProviderPid, ConsumerPid: m.ConsumerPid}
	path = "/transfers/" + url.PathEscape(pid)
	switch m.Event {
	case transfer.Request:
		out.AgreementID, out.Format, out.CallbackAddress, out.DataAddress = m.Agreement, m.Format, m.Callback, address(m.Address)
		path = "/transfers/request"
	case transfer.Start:
		out.DataAddress, path = address(m.Address), path+"/start"
	case transfer.Suspend:
		out.Code, out.Reason, path = m.Code, m.Reason, path+"/suspension"
	case transfer.Complete:
		path += "/completion"
	case transfer.Terminate:
		out.Code, out.Reason, path = m.Code, m.Reason, path+"/termination"
	}
	body, err = json.Marshal(&out)
	return path, body, err
}

func address(a *transfer.Address) *wireAddress {
	if a == nil {
		return nil
	}
	out := &wireAddress{Type: "DataAddress", EndpointType: a.EndpointType, Endpoint: a.Endpoint}
	if a.Endpoint != "" && a.Properties["endpoint"] == "" { // Eclipse EDC looks for it there alone
		out.Properties = append(out.Properties, wireProperty{"EndpointProperty", "endpoint", a.Endpoint})
	}
	for name, value := range a.Properties {
		out.Properties = append(out.Properties, wireProperty{"EndpointProperty", name, value})
	}
	slices.SortFunc(out.Properties, func(a, b wireProperty) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Process is how the other side says that a process stands.
type Process struct {
	Type        string `json:"@type"`
	ProviderPid string `json:"providerPid"`
	ConsumerPid string `json:"consumerPid"`
	State       string `json:"state"`
}

// ReadProcess reads an answer that says how a process stands. Connectors answer
// some messages with nothing: then it is empty.
func ReadProcess(b []byte) (p Process) {
	if json.Unmarshal(b, &p) != nil || len(p.ProviderPid) > pidMax || len(p.ConsumerPid) > pidMax {
		return Process{}
	}
	return p
}

// ReadReasons reads why the other side refused, as far as it says so.
func ReadReasons(b []byte) string {
	var m members
	if json.Unmarshal(b, &m) != nil {
		return ""
	}
	list, err := m.reasons()
	if err != nil {
		return ""
	}
	return cut(strings.Join(list, "; "))
}

// write answers with a document.
func write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set(PeerHeader, Version)
	w.WriteHeader(status)
	_, _ = w.Write(b) // the caller has gone; nobody is left to tell
}

// failure is an error with the process that it is about.
type failure struct {
	cause              error
	consumer, provider string
}

func (f *failure) Error() string { return f.cause.Error() }

func (f *failure) Unwrap() error { return f.cause }

// Status is how the protocol answers err: what the caller may not see does not
// exist, what is out of turn is a bad request (2025-1, HTTPS bindings).
func Status(err error) int {
	e := hansa.Public(err)
	switch {
	case e.Code == hansa.CodeUnauthenticated:
		return http.StatusUnauthorized
	case e.Kind == hansa.Denied:
		return http.StatusNotFound
	case e.Kind == hansa.Invalid && e.Code == hansa.CodeTooLarge, e.Code == hansa.CodeMediaType:
		return hansa.Status(err)
	case e.Kind == hansa.Invalid:
		return http.StatusBadRequest
	}
	return hansa.Status(err)
}

// WriteError answers err with the error document of the part of the protocol that
// the path belongs to.
func WriteError(w http.ResponseWriter, r *http.Request, err error, requestID string) {
	e, status := hansa.Public(err), Status(err)
	out := wire{Context: edition, Code: string(e.Code), Reason: []string{e.Error()}}
	if e.Hint != "" {
		out.Reason = append(out.Reason, e.Hint)
	}
	if status == http.StatusInternalServerError {
		out.Reason = append(out.Reason, "request "+requestID)
	}
	kind, consumer, provider := "CatalogError", "", ""
	switch {
	case strings.Contains(r.URL.Path, Path+"/negotiations"):
		kind = "ContractNegotiationError"
	case strings.Contains(r.URL.Path, Path+"/transfers"):
		kind = "TransferError"
	}
	if f, ok := asFailure(err); ok {
		consumer, provider = f.consumer, f.provider
	}
	out.Type = kind
	if kind != "CatalogError" { // both are required, also before there is a process
		pid := r.PathValue("pid")
		if pid == "" {
			pid = "unknown"
		}
		out.ConsumerPid, out.ProviderPid = orElse(consumer, pid), orElse(provider, pid)
	}
	if hansa.KindOf(err) == hansa.Busy && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "1")
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="dsp"`)
	}
	w.Header().Set("Cache-Control", "no-store")
	write(w, status, &out)
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
