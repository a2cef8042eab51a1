package trust

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Limits of a DID document from elsewhere.
const (
	DocumentBytesMax = 64 << 10
	documentKeysMax  = 64
	documentDoorsMax = 64
)

// DIDService is where a DID's subject can be reached (DID Core 1.0, section 5.4).
type DIDService struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Endpoint string `json:"serviceEndpoint"`
}

// DIDDocument is a DID document as this node publishes it (DID Core 1.0, section 5).
type DIDDocument struct {
	Context              []string             `json:"@context"`
	ID                   string               `json:"id"`
	AlsoKnownAs          []string             `json:"alsoKnownAs,omitempty"`
	Methods              []VerificationMethod `json:"verificationMethod"`
	Authentication       []string             `json:"authentication"`
	AssertionMethod      []string             `json:"assertionMethod"`
	CapabilityInvocation []string             `json:"capabilityInvocation"`
	Services             []DIDService         `json:"service,omitempty"`
}

// VerificationMethod is a public key in a [DIDDocument].
type VerificationMethod struct {
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	Controller string            `json:"controller"`
	JWK        map[string]string `json:"publicKeyJwk"`
}

// Document returns the document of party under did: its message keys that are good
// now or will be, under authentication and, for the Decentralized Claims Protocol,
// capabilityInvocation; its signature keys under assertionMethod. A key that was
// revoked or has expired is not in it.
func (r *Registry) Document(ctx context.Context, party hansa.PartyID, did string, also []string, services []DIDService) (*DIDDocument, error) {
	if _, err := r.SigningKey(ctx, party, UseMessage); err != nil {
		return nil, err
	}
	if _, err := r.SigningKey(ctx, party, UseSignature); err != nil && !errors.Is(err, ErrOwnKey) {
		return nil, err
	}
	keys, err := r.Keys(ctx, party)
	if err != nil {
		return nil, err
	}
	d := &DIDDocument{
		// The second names JsonWebKey2020, the one type for a JWK that every connector takes.
		Context: []string{"https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"}, ID: did, AlsoKnownAs: also, Services: services,
		Methods: []VerificationMethod{}, Authentication: []string{}, AssertionMethod: []string{}, CapabilityInvocation: []string{},
	}
	now := r.cfg.Now()
	for i := range keys {
		k := &keys[i]
		if k.Use == "" || !k.ValidTo.IsZero() && !now.Before(k.ValidTo) || !k.Revoked.IsZero() && !now.Before(k.Revoked) {
			continue
		}
		id := did + "#" + k.KID
		d.Methods = append(d.Methods, VerificationMethod{ID: id, Type: "JsonWebKey2020", Controller: did, JWK: k.Members()})
		if k.Use == UseSignature {
			d.AssertionMethod = append(d.AssertionMethod, id)
			continue
		}
		d.Authentication, d.CapabilityInvocation = append(d.Authentication, id), append(d.CapabilityInvocation, id)
	}
	return d, nil
}

// documentKeys is what of a foreign DID document is read.
type documentKeys struct {
	message map[string]jose.JSONWebKey // that may sign messages, by their full ids
	binding map[string]jose.JSONWebKey // that sign what binds, by their thumbprints
	doors   map[string]string          // where services are, by their type
}

// readDocument reads the keys of a foreign DID document.
func readDocument(did string, body []byte) (documentKeys, error) {
	bad := func(format string, args ...any) (documentKeys, error) {
		return documentKeys{}, hansa.Errorf(hansa.Invalid, "the DID document of %s: %s", did, fmt.Sprintf(format, args...))
	}
	if len(body) > DocumentBytesMax {
		return bad("more than %d bytes", DocumentBytesMax)
	}
	var d struct {
		ID             string           `json:"id"`
		Methods        []jsontext.Value `json:"verificationMethod"`
		Authentication []jsontext.Value `json:"authentication"`
		Invocation     []jsontext.Value `json:"capabilityInvocation"`
		Assertion      []jsontext.Value `json:"assertionMethod"`
		Services       jsontext.Value   `json:"service"`
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return bad("%v", err)
	}
	if d.ID != did {
		return bad("its id is %.200q", d.ID)
	}
	if len(d.Methods)+len(d.Authentication)+len(d.Invocation) > 3*documentKeysMax || len(d.Assertion) > documentKeysMax {
		return bad("more than %d keys", documentKeysMax)
	}
	all := map[string]jose.JSONWebKey{}
	for _, raw := range d.Methods {
		if id, key, ok := readMethod(did, raw); ok {
			if _, twice := all[id]; twice {
				return bad("two keys have the id %.200q", id)
			}
			all[id] = key
		}
	}
	use, err := listed(did, all, slices.Concat(d.Authentication, d.Invocation))
	if err != nil {
		return bad("%v", err)
	}
	asserting, err := listed(did, all, d.Assertion)
	if err != nil {
		return bad("%v", err)
	}
	out := documentKeys{message: use, binding: make(map[string]jose.JSONWebKey, len(asserting)), doors: readServices(d.Services)}
	for _, k := range asserting {
		out.binding[k.KeyID] = k
	}
	return out, nil
}

// readServices reads where services are: the first of each type. One that is of more
// types, or is at more than one address, is not ours to use.
func readServices(raw jsontext.Value) map[string]string {
	out := map[string]string{}
	var list []jsontext.Value
	if raw.Kind() != '[' || json.Unmarshal(raw, &list) != nil {
		return out
	}
	for _, raw := range list[:min(len(list), documentDoorsMax)] {
		var s struct {
			Type     string `json:"type"`
			Endpoint string `json:"serviceEndpoint"`
		}
		if json.Unmarshal(raw, &s) == nil && s.Type != "" && s.Endpoint != "" && out[s.Type] == "" {
			out[s.Type] = s.Endpoint
		}
	}
	return out
}

// listed returns the keys to which list refers, or which it holds itself, by their
// full ids.
func listed(did string, all map[string]jose.JSONWebKey, list []jsontext.Value) (map[string]jose.JSONWebKey, error) {
	use := map[string]jose.JSONWebKey{}
	for _, raw := range list {
		if raw.Kind() == '"' {
			var ref string
			if json.Unmarshal(raw, &ref) == nil {
				if key, ok := all[absolute(did, ref)]; ok {
					use[absolute(did, ref)] = key
				}
			}
			continue
		}
		if id, key, ok := readMethod(did, raw); ok {
			if was, twice := all[id]; twice && !sameKey(was, key) {
				return nil, fmt.Errorf("two keys have the id %.200q", id)
			}
			all[id], use[id] = key, key
		}
	}
	if len(use) > documentKeysMax {
		return nil, fmt.Errorf("more than %d keys", documentKeysMax)
	}
	return use, nil
}

// readMethod reads one verification method of did. One of a kind that we do not
// know, or that another controls, is not ours to use.
func readMethod(did string, raw jsontext.Value) (id string, key jose.JSONWebKey, ok bool) {
	var m struct {
		ID         string         `json:"id"`
		Controller string         `json:"controller"`
		JWK        jsontext.Value `json:"publicKeyJwk"`
	}
	if raw.Kind() != '{' || json.Unmarshal(raw, &m) != nil || m.JWK.Kind() != '{' || m.Controller != "" && m.Controller != did {
		return "", key, false
	}
	// Only what makes the key: what others call it, and say of it, differs.
	var k struct {
		Kty     string         `json:"kty"`
		Crv     string         `json:"crv"`
		X       string         `json:"x"`
		Y       string         `json:"y,omitempty"`
		Private jsontext.Value `json:"d,omitempty"`
		Use     string         `json:"use,omitempty"`
	}
	if json.Unmarshal(m.JWK, &k) != nil || len(k.Private) > 0 || k.Use != "" && k.Use != "sig" {
		return "", key, false
	}
	k.Use = ""
	plain, err := json.Marshal(k)
	if err != nil {
		return "", key, false
	}
	if key, _, err = publicKey(plain); err != nil {
		return "", key, false
	}
	id = absolute(did, m.ID)
	return id, key, strings.HasPrefix(id, did+"#")
}

// absolute completes the id of a key that stands relative to did.
func absolute(did, id string) string {
	if strings.HasPrefix(id, "#") {
		return did + id
	}
	return id
}

func sameKey(a, b jose.JSONWebKey) bool { return a.KeyID == b.KeyID }
