// Package policy reads and holds to policies: ODRL in the subset of the Dataspace
// Protocol 2025-1 (negotiation/contract-schema.json). A policy is parsed, checked
// against the vocabulary that this exchange can hold to, compiled, evaluated with
// its reasons in words, and turned into the terms of a gate. What it does not
// know it refuses by name, and what no rule permits is denied. It also keeps the
// catalogue of clauses ([Clause]), each with its words, its policy and its check,
// and the rule packs ([Pack]) by which legal days are counted.
package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gowebpki/jcs"
)

// Type says what a policy is. It is written on the wire.
type Type string

// The types of policy that the protocol knows.
const (
	Offer     Type = "Offer"
	Agreement Type = "Agreement"
)

// Policy is an offer or an agreement: rules about one dataset. Times and party
// ids are kept as they came. Members that it does not know are kept and written
// again.
type Policy struct {
	ID         string  `json:"@id"`
	Type       Type    `json:"@type,omitempty"`
	Profile    Profile `json:"profile,omitempty"`
	Target     string  `json:"target,omitempty"`    // the dataset's id; none in a catalogue's offer
	Assigner   string  `json:"assigner,omitempty"`  // who gives
	Assignee   string  `json:"assignee,omitempty"`  // who receives
	Timestamp  string  `json:"timestamp,omitempty"` // xsd:dateTime of the agreement
	Permission []Rule  `json:"permission,omitzero"`
	// Prohibition denies whatever a permission says. Obligation is what a party
	// owes; software here neither measures nor enforces it.
	Prohibition []Rule                    `json:"prohibition,omitzero"`
	Obligation  []Rule                    `json:"obligation,omitzero"`
	Unknown     map[string]jsontext.Value `json:",embed"`
}

// Rule is one permission, prohibition or obligation: an action, and the
// constraints that must all hold for it to apply.
type Rule struct {
	Action     string                    `json:"action"`
	Constraint []Constraint              `json:"constraint,omitempty"` // peers send an empty one, we write none
	Unknown    map[string]jsontext.Value `json:",embed"`
}

// Constraint is atomic, with both operands and an operator, or logical, with
// exactly one of And, AndSequence, Or and Xone.
type Constraint struct {
	LeftOperand  string                    `json:"leftOperand,omitempty"`
	Operator     string                    `json:"operator,omitempty"`
	RightOperand jsontext.Value            `json:"rightOperand,omitzero"` // a JSON string, object or array
	And          []Constraint              `json:"and,omitzero"`
	AndSequence  []Constraint              `json:"andSequence,omitzero"`
	Or           []Constraint              `json:"or,omitzero"`
	Xone         []Constraint              `json:"xone,omitzero"`
	Unknown      map[string]jsontext.Value `json:",embed"`
}

// Profile lists the profiles that a policy claims. On the wire it is a string or
// an array; one alone is written as a string, which every peer's schema takes.
type Profile []string

// MarshalJSON writes none as null, which is left out, and one as a string.
func (p Profile) MarshalJSON() ([]byte, error) {
	switch len(p) {
	case 0:
		return []byte("null"), nil
	case 1:
		return json.Marshal(p[0])
	}
	return json.Marshal([]string(p))
}

// Clone returns a copy that shares nothing with p; nil for nil.
func (p *Policy) Clone() *Policy {
	if p == nil {
		return nil
	}
	c := *p
	c.Profile = slices.Clone(p.Profile)
	c.Permission, c.Prohibition, c.Obligation = cloneRules(p.Permission), cloneRules(p.Prohibition), cloneRules(p.Obligation)
	c.Unknown = cloneValues(p.Unknown)
	return &c
}

func cloneRules(rules []Rule) []Rule {
	out := slices.Clone(rules)
	for i := range out {
		out[i].Constraint = cloneConstraints(out[i].Constraint)
		out[i].Unknown = cloneValues(out[i].Unknown)
	}
	return out
}

func cloneConstraints(list []Constraint) []Constraint {
	out := slices.Clone(list)
	for i := range out {
		c := &out[i]
		c.RightOperand = bytes.Clone(c.RightOperand)
		c.And, c.AndSequence = cloneConstraints(c.And), cloneConstraints(c.AndSequence)
		c.Or, c.Xone = cloneConstraints(c.Or), cloneConstraints(c.Xone)
		c.Unknown = cloneValues(c.Unknown)
	}
	return out
}

func cloneValues(m map[string]jsontext.Value) map[string]jsontext.Value {
	out := maps.Clone(m)
	for k, v := range out {
		out[k] = bytes.Clone(v)
	}
	return out
}

// MarshalJSON writes p; the same policy gives the same bytes.
func (p Policy) MarshalJSON() ([]byte, error) {
	return json.Marshal(p)
}

// MarshalJSONTo writes p into a document, as [Policy.MarshalJSON] does.
func (p Policy) MarshalJSONTo(enc *jsontext.Encoder) error {
	type plain Policy
	return json.MarshalEncode(enc, (*plain)(&p), json.Deterministic(true))
}

// Hash returns the hex SHA-256 of p in canonical form (RFC 8785), its id, parties
// and unknown members included.
func (p *Policy) Hash() string {
	b, err := p.MarshalJSON()
	if err != nil {
		b = nil
	}
	return HashOf(b)
}

// HashOf returns the [Policy.Hash] of a policy that is written out already.
func HashOf(doc []byte) string {
	if canonical, err := jcs.Transform(doc); err == nil {
		doc = canonical
	}
	h := sha256.Sum256(doc)
	return hex.EncodeToString(h[:])
}
