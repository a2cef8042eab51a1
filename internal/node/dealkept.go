package node

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// secretShown stands for what is not kept.
const secretShown = `"(kept secret)"` //nolint:gosec // it stands in the place of a secret

// What of a transfer's message, and of a data address, is kept as it came: all else
// may be a secret, whatever its sender calls it. Properties are known by the end of
// their names.
var (
	shownMembers    = []string{"@context", "@type", "@id", "providerPid", "consumerPid", "agreementId", "format", "callbackAddress", "code", "reason"}
	shownProperties = []string{"type", "id", "endpointType", "flowType", "records", "events", "receipts", "purpose", "endpoint", propAuthType, propExpires, propRenewAt}
)

// withoutSecrets is a transfer's message as it is kept: of its data address stays
// what says where the data is, and what cannot be read is left out whole.
func withoutSecrets(body []byte) []byte {
	var m map[string]jsontext.Value
	if json.Unmarshal(body, &m) != nil {
		return []byte(`"(not kept: it is not one JSON object, and may hold a secret)"`)
	}
	changed := false
	for name := range m {
		if slices.Contains(shownMembers, name) {
			continue
		}
		changed = true
		if name == "dataAddress" {
			m[name] = addressShown(m[name])
		} else {
			m[name] = jsontext.Value(secretShown)
		}
	}
	if !changed {
		return body
	}
	return encoded(m)
}

// addressShown is a data address as it is kept.
func addressShown(v jsontext.Value) jsontext.Value {
	var a map[string]jsontext.Value
	if json.Unmarshal(v, &a) != nil {
		return jsontext.Value(secretShown)
	}
	for name := range a {
		switch name {
		case "@type", "endpointType":
		case "endpoint":
			a[name] = placeShown(a[name])
		case "endpointProperties":
			a[name] = propertiesShown(a[name])
		default:
			a[name] = jsontext.Value(secretShown)
		}
	}
	return encoded(a)
}

func propertiesShown(v jsontext.Value) jsontext.Value {
	var list []map[string]jsontext.Value
	if json.Unmarshal(v, &list) != nil {
		return jsontext.Value(secretShown)
	}
	for _, p := range list {
		var called string
		_ = json.Unmarshal(p["name"], &called) // what has no name is not shown
		for name := range p {
			switch {
			case name == "@type", name == "name":
			case name == "value" && slices.Contains(shownProperties, called[strings.LastIndex(called, "/")+1:]):
				p[name] = placeShown(p[name])
			default:
				p[name] = jsontext.Value(secretShown)
			}
		}
	}
	return encoded(list)
}

// placeShown is where something is, without what a query may hold: some sign by it.
func placeShown(v jsontext.Value) jsontext.Value {
	var s string
	if json.Unmarshal(v, &s) != nil {
		return jsontext.Value(secretShown)
	}
	at, _, signed := strings.Cut(s, "?")
	if signed {
		at += "?(kept secret)"
	}
	return encoded(at)
}

func encoded(v any) jsontext.Value {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return jsontext.Value(secretShown)
	}
	return b
}
