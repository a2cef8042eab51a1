package policy

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// Limits of one policy.
const (
	BytesMax       = 512 << 10 // of JSON text
	DepthMax       = 40        // of arrays and objects within each other
	RulesMax       = 256       // permissions, prohibitions and obligations together
	ConstraintsMax = 1024      // of all rules, atomic and logical, however deep
	ValuesMax      = 256       // in the list of one right operand
	ValueBytesMax  = 512       // of one value of such a list
)

// Parse reads one policy from strict JSON (RFC 8259: UTF-8, no member twice). It
// refuses wrong types and what is over a limit; whether all is there that must be
// is [Policy.Validate]'s to say. Its error is a [hansa.Error] of kind Invalid with
// the JSON pointer of the place. The policy keeps nothing of b.
func Parse(b []byte) (*Policy, error) {
	if len(b) > BytesMax {
		return nil, hansa.Errorf(hansa.Invalid, "a policy has at most %d bytes, this one has %d", BytesMax, len(b)).With(hansa.CodeTooLarge)
	}
	if err := walk(b); err != nil {
		return nil, err
	}
	type plain Policy
	p := new(plain)
	if err := json.Unmarshal(b, p, noNull); err != nil {
		return nil, refusal(err)
	}
	if err := (*Policy)(p).size(); err != nil {
		return nil, err
	}
	return (*Policy)(p), nil
}

// UnmarshalJSON reads p as [Parse] does, so that a message that holds a policy is
// under the same limits.
func (p *Policy) UnmarshalJSON(b []byte) error {
	got, err := Parse(b)
	if err != nil {
		return err
	}
	*p = *got
	return nil
}

// UnmarshalJSON reads a string or an array of strings.
func (p *Profile) UnmarshalJSON(b []byte) error {
	if jsontext.Value(b).Kind() == '[' {
		return json.Unmarshal(b, (*[]string)(p), noNull)
	}
	one := ""
	if err := json.Unmarshal(b, &one, noNull); err != nil {
		return err
	}
	*p = Profile{one}
	return nil
}

// walk reads b once for its syntax, its depth and its numbers.
func walk(b []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(b))
	for {
		tok, err := dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return refusal(err)
		}
		if dec.StackDepth() > DepthMax {
			return hansa.Fielded(string(dec.StackPointer()), "a policy nests at most %d deep", DepthMax)
		}
		if tok.Kind() == '0' {
			if _, err := tok.Float(); err != nil {
				return hansa.Fielded(string(dec.StackPointer()), "a number has the range of IEEE 754 double precision")
			}
		}
	}
}

// noNull refuses null for every member that we know: the schema has none.
var noNull = json.WithUnmarshalers(json.JoinUnmarshalers(
	json.UnmarshalFromFunc(refuseNull[*string]),
	json.UnmarshalFromFunc(refuseNull[*Type]),
	json.UnmarshalFromFunc(refuseNull[*Profile]),
	json.UnmarshalFromFunc(refuseNull[*[]Rule]),
	json.UnmarshalFromFunc(refuseNull[*Rule]),
	json.UnmarshalFromFunc(refuseNull[*[]Constraint]),
	json.UnmarshalFromFunc(refuseNull[*Constraint]),
))

func refuseNull[T any](dec *jsontext.Decoder, _ T) error {
	if dec.PeekKind() != 'n' {
		return errors.ErrUnsupported
	}
	if err := dec.SkipValue(); err != nil {
		return err
	}
	return hansa.Fielded("", "null is no value here: leave the member out")
}

// size holds p to the limits that count rules and constraints.
func (p *Policy) size() error {
	rules, constraints := 0, 0
	for _, list := range [][]Rule{p.Permission, p.Prohibition, p.Obligation} {
		rules += len(list)
		for i := range list {
			constraints += count(list[i].Constraint)
		}
	}
	switch {
	case rules > RulesMax:
		return hansa.Fielded("", "a policy has at most %d rules, this one has %d", RulesMax, rules)
	case constraints > ConstraintsMax:
		return hansa.Fielded("", "a policy has at most %d constraints, this one has %d", ConstraintsMax, constraints)
	}
	return nil
}

func count(list []Constraint) int {
	n := len(list)
	for i := range list {
		for _, l := range list[i].logical() {
			n += count(l.list)
		}
	}
	return n
}

// refusal turns an error of the JSON library into one that an outsider may read.
func refusal(err error) error {
	if bad, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		message := strings.TrimPrefix(bad.Err.Error(), "jsontext: ")
		switch {
		case errors.Is(bad.Err, jsontext.ErrDuplicateName):
			message = "a member is there twice"
		case errors.Is(bad.Err, io.ErrUnexpectedEOF):
			message = "the text ends before it is complete"
		}
		return hansa.Errorf(hansa.Invalid, "at byte %d: %s", bad.ByteOffset, message).With(hansa.CodeSyntax).At(string(bad.JSONPointer))
	}
	bad, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return hansa.Errorf(hansa.Invalid, "the policy could not be read").With(hansa.CodeSyntax)
	}
	at := string(bad.JSONPointer)
	if inner, deeper := errors.AsType[*json.SemanticError](bad.Err); deeper {
		at += string(inner.JSONPointer)
		bad = inner
	}
	if ours, has := errors.AsType[*hansa.Error](bad.Err); has {
		return ours.At(at)
	}
	return hansa.Fielded(at, "a JSON %s does not fit here", kindNames[bad.JSONKind])
}

// kindNames are what people call the kinds of JSON value.
var kindNames = map[jsontext.Kind]string{
	0: "value", '{': "object", '[': "array", '"': "string", '0': "number", 'n': "null", 't': "boolean", 'f': "boolean",
}
