package dsp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

// members are those of a message, unread.
type members map[string]jsontext.Value

// readBody reads a message's bytes.
func readBody(r *http.Request) ([]byte, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" && t != "application/ld+json" {
		return nil, hansa.Errorf(hansa.Invalid, "a message is JSON: send Content-Type: application/json").With(hansa.CodeMediaType)
	}
	b, err := io.ReadAll(r.Body)
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, hansa.Errorf(hansa.Invalid, "a message has at most %d bytes", e.Limit).With(hansa.CodeTooLarge)
	}
	if err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "the message could not be read: %w", err).With(hansa.CodeSyntax)
	}
	return b, nil
}

// open reads the outside of a message: strict JSON of a bounded depth, the
// protocol's context, and its type, which is one of those wanted.
func open(b []byte, types ...string) (m members, err error) {
	if deep(b) {
		return nil, hansa.Errorf(hansa.Invalid, "a message is nested at most %d deep", depthMax).With(hansa.CodeSyntax)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "the message is not one JSON object: %s", words.Misread(err)).With(hansa.CodeSyntax)
	}
	if m == nil {
		return nil, hansa.Errorf(hansa.Invalid, "the message is not a JSON object").With(hansa.CodeSyntax)
	}
	if err := m.context(); err != nil {
		return m, err
	}
	kind, err := m.text("@type", true)
	if err != nil {
		return m, err
	}
	if slices.Contains(types, kind) {
		return m, nil
	}
	return m, hansa.Fielded("/@type", "this address takes a %s, not a %.100q", strings.Join(types, " or "), kind)
}

// deep reports whether b is nested deeper than a message may be.
func deep(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > depthMax {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// context checks that the message is of this edition: an array that holds its
// context. A bare string is taken too (the specification's own examples have it).
func (m members) context() error {
	v, ok := m["@context"]
	if !ok {
		return hansa.Fielded("/@context", "a message has its @context: [%q]", Context)
	}
	var one string
	if json.Unmarshal(v, &one) == nil {
		if one == Context {
			return nil
		}
		return hansa.Fielded("/@context", "the @context holds %q", Context)
	}
	var all []jsontext.Value
	if err := json.Unmarshal(v, &all); err != nil {
		return hansa.Fielded("/@context", "the @context is an array of strings")
	}
	found := false
	for _, x := range all {
		if json.Unmarshal(x, &one) != nil {
			return hansa.Fielded("/@context", "the @context is an array of strings")
		}
		found = found || one == Context
	}
	if !found {
		return hansa.Fielded("/@context", "the @context holds %q", Context)
	}
	return nil
}

// text reads a string member.
func (m members) text(name string, required bool) (string, error) {
	v, ok := m[name]
	if !ok {
		if required {
			return "", hansa.Fielded("/"+name, "the message needs its %s", name)
		}
		return "", nil
	}
	var s string
	if v.Kind() != '"' || json.Unmarshal(v, &s) != nil {
		return "", hansa.Fielded("/"+name, "%s is a string", name)
	}
	return s, nil
}

// identifier reads a string that names something: not empty, and bounded.
func (m members) identifier(name string, required bool) (string, error) {
	s, err := m.text(name, required)
	if err == nil && (len(s) > pidMax || s == "" && required) {
		return "", hansa.Fielded("/"+name, "%s has 1 to %d bytes", name, pidMax)
	}
	return s, err
}

// reasons reads why something ended: an array of anything, each in words. An
// object is read as its text, by whatever name it has there.
func (m members) reasons() ([]string, error) {
	v, ok := m["reason"]
	if !ok {
		return nil, nil
	}
	var all []jsontext.Value
	if v.Kind() != '[' || json.Unmarshal(v, &all) != nil || len(all) == 0 {
		return nil, hansa.Fielded("/reason", "reason is an array of at least one")
	}
	var out []string
	for _, x := range all[:min(len(all), reasonsMax)] {
		var s string
		if x.Kind() != '"' || json.Unmarshal(x, &s) != nil {
			s = string(x)
			var object map[string]jsontext.Value
			if json.Unmarshal(x, &object) == nil {
				for _, name := range []string{"@value", "value", "description", "message"} {
					var inner string
					if json.Unmarshal(object[name], &inner) == nil && inner != "" {
						s = inner
						break
					}
				}
			}
		}
		out = append(out, cut(s))
	}
	return out, nil
}

// wordsMax bounds a code, and each reason, in bytes.
const wordsMax = 2000

// cut is the beginning of words, of whole characters.
func cut(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), wordsMax)], "")
}

// ends reads why something ended.
func (m members) ends() (code string, reasons []string, err error) {
	if code, err = m.text("code", false); err == nil {
		reasons, err = m.reasons()
	}
	return cut(code), reasons, err
}

// pids reads both sides' names of the process.
func (m members) pids() (consumer, provider string, err error) {
	if consumer, err = m.identifier("consumerPid", true); err != nil {
		return "", "", err
	}
	provider, err = m.identifier("providerPid", true)
	return consumer, provider, err
}

// callback reads where the sender receives.
func (m members) callback(required bool) (string, error) {
	s, err := m.text("callbackAddress", required)
	if err != nil || s == "" && !required {
		return "", err
	}
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") || len(s) > 2048 {
		return "", hansa.Fielded("/callbackAddress", "callbackAddress is an https address of at most 2048 bytes")
	}
	return strings.TrimRight(s, "/"), nil
}

// first reads whether a request or offer begins a process: it has a callback
// address, or the other side's pid, and never both (contract-request-message and
// contract-offer-message schemas).
func (m members) first(pid string) (callback, other string, err error) {
	_, calls := m["callbackAddress"]
	_, names := m[pid]
	if calls == names {
		return "", "", hansa.Fielded("/callbackAddress", "the message has either callbackAddress, when it is the first, or %s, and not both", pid)
	}
	if calls {
		callback, err = m.callback(true)
		return callback, "", err
	}
	other, err = m.identifier(pid, true)
	return "", other, err
}

// policy reads an offer or agreement.
func (m members) policy(name string, form policy.Form) (*policy.Policy, error) {
	v, ok := m[name]
	if !ok {
		return nil, hansa.Fielded("/"+name, "the message needs its %s", name)
	}
	p, err := policy.Parse(v)
	if err == nil {
		err = p.Validate(form)
	}
	if err != nil {
		e := hansa.Public(err)
		return nil, e.At("/" + name + e.Field)
	}
	return p, nil
}

// The types of the messages, by what they say.
var negotiationTypes = map[negotiation.Event]string{
	negotiation.Request:   "ContractRequestMessage",
	negotiation.Offer:     "ContractOfferMessage",
	negotiation.Accept:    "ContractNegotiationEventMessage",
	negotiation.Agree:     "ContractAgreementMessage",
	negotiation.Verify:    "ContractAgreementVerificationMessage",
	negotiation.Finalize:  "ContractNegotiationEventMessage",
	negotiation.Terminate: "ContractNegotiationTerminationMessage",
}

var transferTypes = map[transfer.Event]string{
	transfer.Request:   "TransferRequestMessage",
	transfer.Start:     "TransferStartMessage",
	transfer.Suspend:   "TransferSuspensionMessage",
	transfer.Complete:  "TransferCompletionMessage",
	transfer.Terminate: "TransferTerminationMessage",
}

// Negotiation reads a negotiation's message that is expected to say event; an
// empty one is told by the message, an empty side by the process.
func Negotiation(b []byte, event negotiation.Event, by hansa.Side) (m negotiation.Message, err error) {
	want := negotiationTypes[event]
	if event == "" {
		want = negotiationTypes[negotiation.Accept]
	}
	in, err := open(b, want)
	m = negotiation.Message{Event: event, By: by, Hash: in.sum(b, event == negotiation.Request || event == negotiation.Offer)}
	if in != nil { // what it names is wanted for the answer, also when it is wrong
		m.ConsumerPid, _ = in.identifier("consumerPid", false)
		m.ProviderPid, _ = in.identifier("providerPid", false)
	}
	if err != nil {
		return m, err
	}
	switch event { //nolint:exhaustive // the others hold both pids
	case negotiation.Request:
		if m.ConsumerPid, err = in.identifier("consumerPid", true); err != nil {
			return m, err
		}
		if m.Callback, m.ProviderPid, err = in.first("providerPid"); err != nil {
			return m, err
		}
		m.Offer, err = in.policy("offer", policy.FormMessageOffer)
	case negotiation.Offer:
		if m.ProviderPid, err = in.identifier("providerPid", true); err != nil {
			return m, err
		}
		if m.Callback, m.ConsumerPid, err = in.first("consumerPid"); err != nil {
			return m, err
		}
		if m.Offer, err = in.policy("offer", policy.FormMessageOffer); err == nil && m.Offer.Target == "" {
			err = hansa.Fielded("/offer/target", "an offer in a message names the dataset that it is about")
		}
	default:
		if m.ConsumerPid, m.ProviderPid, err = in.pids(); err != nil {
			return m, err
		}
		err = rest(in, &m)
	}
	return m, err
}

// rest reads what the later messages hold besides their pids.
func rest(in members, m *negotiation.Message) (err error) {
	switch m.Event {
	case negotiation.Agree:
		m.Agreement, err = in.policy("agreement", policy.FormAgreement)
	case negotiation.Terminate:
		m.Code, m.Reason, err = in.ends()
	case "":
		var says string
		if says, err = in.text("eventType", true); err != nil {
			return err
		}
		switch says {
		case "ACCEPTED":
			m.Event, m.By = negotiation.Accept, hansa.Consumer
		case "FINALIZED":
			m.Event, m.By = negotiation.Finalize, hansa.Provider
		default:
			return hansa.Fielded("/eventType", "eventType is ACCEPTED or FINALIZED, not %.100q", says)
		}
	case negotiation.Request, negotiation.Offer, negotiation.Accept, negotiation.Verify, negotiation.Finalize:
	}
	return err
}

// Transfer reads a transfer's message that says event.
func Transfer(b []byte, event transfer.Event) (m transfer.Message, err error) {
	in, err := open(b, transferTypes[event])
	m = transfer.Message{Event: event, Hash: in.sum(b, false)}
	if in != nil {
		m.ConsumerPid, _ = in.identifier("consumerPid", false)
		m.ProviderPid, _ = in.identifier("providerPid", false)
	}
	if err != nil {
		return m, err
	}
	if event == transfer.Request {
		m.By = hansa.Consumer
		if m.ConsumerPid, err = in.identifier("consumerPid", true); err != nil {
			return m, err
		}
		if m.Agreement, err = in.identifier("agreementId", true); err != nil {
			return m, err
		}
		if m.Format, err = in.identifier("format", true); err != nil {
			return m, err
		}
		if m.Callback, err = in.callback(true); err != nil {
			return m, err
		}
		m.Address, err = in.address()
		return m, err
	}
	if m.ConsumerPid, m.ProviderPid, err = in.pids(); err != nil {
		return m, err
	}
	switch event {
	case transfer.Start:
		m.Address, err = in.address()
	case transfer.Suspend, transfer.Terminate:
		m.Code, m.Reason, err = in.ends()
	case transfer.Request, transfer.Complete:
	}
	return m, err
}

// address reads a DataAddress, nil when there is none (data-address-schema.json).
func (m members) address() (*transfer.Address, error) {
	v, ok := m["dataAddress"]
	if !ok {
		return nil, nil //nolint:nilnil // the member is optional
	}
	fail := func(err error) (*transfer.Address, error) {
		e := hansa.Public(err)
		return nil, e.At("/dataAddress" + e.Field)
	}
	var in members
	if err := json.Unmarshal(v, &in); err != nil || in == nil {
		return nil, hansa.Fielded("/dataAddress", "dataAddress is an object")
	}
	if kind, err := in.text("@type", true); err != nil {
		return fail(err)
	} else if kind != "DataAddress" {
		return nil, hansa.Fielded("/dataAddress/@type", "it is a DataAddress, not a %.100q", kind)
	}
	a := &transfer.Address{Properties: map[string]string{}}
	var err error
	if a.EndpointType, err = in.identifier("endpointType", true); err != nil {
		return fail(err)
	}
	if a.Endpoint, err = in.text("endpoint", false); err != nil {
		return fail(err)
	}
	list, ok := in["endpointProperties"]
	if !ok {
		return a, nil
	}
	var all []members
	if err := json.Unmarshal(list, &all); err != nil || list.Kind() != '[' || len(all) == 0 || len(all) > reasonsMax {
		return nil, hansa.Fielded("/dataAddress/endpointProperties", "endpointProperties is an array of 1 to %d objects", reasonsMax)
	}
	for _, x := range all {
		kind, err := x.text("@type", true)
		if err != nil {
			return fail(err)
		}
		if kind != "EndpointProperty" {
			return nil, hansa.Fielded("/dataAddress/endpointProperties/@type", "it is an EndpointProperty, not a %.100q", kind)
		}
		name, err := x.identifier("name", true)
		if err != nil {
			return fail(err)
		}
		if a.Properties[name], err = x.text("value", true); err != nil {
			return fail(err)
		}
	}
	return a, nil
}

// sum is the hash by which a repeat is told, see [protocol.Unnamed]. What was said
// may be said again under another @id: not so an offer, which a person may make twice.
func (m members) sum(b []byte, offers bool) string {
	id, says := "", sha256.New()
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name != "@id" {
			_, _ = fmt.Fprintf(says, "%d:%s%d:%s", len(name), name, len(m[name]), m[name]) // a hash takes everything
		}
	}
	if _, named := m["@id"]; named {
		h := sha256.Sum256(bytes.TrimSpace(b))
		if id = hex.EncodeToString(h[:]); offers {
			return id
		}
	}
	return id + protocol.Unnamed + hex.EncodeToString(says.Sum(nil))
}
