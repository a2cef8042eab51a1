// Package record reads and writes the canonical form of a record,
// [hansa.MediaTypeRecord]: strict JSON, members that it does not know kept, times
// with the zone that they came in. What it refuses it refuses record by record,
// and names the field and the rule.
package record

import (
	"bytes"
	_ "embed"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// DepthMax is how deep the arrays and objects of one record may nest.
const DepthMax = 64

//go:embed record-1.json
var schema []byte

// Schema returns the JSON Schema (2020-12) of the canonical form, as it is served
// at /schemas/record-1.json. The caller owns the bytes.
func Schema() []byte { return bytes.Clone(schema) }

// Decode reads one record. Its error is a [hansa.Error] of kind Invalid that
// names the field and the rule. The record keeps nothing of b.
func Decode(b []byte) (*hansa.Record, error) {
	if len(b) > hansa.RecordBytesMax {
		return nil, tooLarge(len(b))
	}
	if !shallow(b) {
		return nil, hansa.Errorf(hansa.Invalid, "a record nests at most %d deep", DepthMax).With(hansa.CodeSyntax)
	}
	r := new(hansa.Record)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, refusal(err)
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return r, nil
}

// Encode appends r to dst and returns it. The bytes are the same for the same
// record. It is Invalid when r holds what JSON cannot say, such as a number that
// is not finite; nothing that Decode returned does.
func Encode(r *hansa.Record, dst []byte) ([]byte, error) {
	b, err := json.Marshal(r, json.Deterministic(true))
	if err != nil {
		return dst, refusal(err)
	}
	if dst == nil {
		return b, nil
	}
	return append(dst, b...), nil
}

func tooLarge(n int) *hansa.Error {
	return hansa.Errorf(hansa.Invalid, "a record has at most %d bytes, this one has %d", hansa.RecordBytesMax, n).With(hansa.CodeTooLarge)
}

// shallow reports whether b nests no deeper than DepthMax.
func shallow(b []byte) bool {
	if bytes.Count(b, []byte{'{'})+bytes.Count(b, []byte{'['}) <= DepthMax {
		return true
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if depth++; depth > DepthMax {
				return false
			}
		case '}', ']':
			depth--
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		}
	}
	return true
}

// refusal turns an error of the JSON library into one that an outsider may read.
func refusal(err error) *hansa.Error {
	if bad, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		e := hansa.Errorf(hansa.Invalid, "at byte %d: %s", bad.ByteOffset, plain(bad.Err)).With(hansa.CodeSyntax)
		if errors.Is(bad.Err, jsontext.ErrDuplicateName) {
			e.Message = "a member is there twice"
		}
		if errors.Is(bad.Err, io.ErrUnexpectedEOF) {
			e.Message = "the text ends before it is complete"
		}
		return e.At(string(bad.JSONPointer))
	}
	at := ""
	if bad, ok := errors.AsType[*json.SemanticError](err); ok {
		at = string(bad.JSONPointer)
		if _, ours := errors.AsType[*hansa.Error](bad.Err); !ours {
			return misfit(bad).At(at)
		}
	}
	if e, ok := errors.AsType[*hansa.Error](err); ok {
		return e.At(at + strings.TrimPrefix(e.Field, "/geometry"))
	}
	return hansa.Errorf(hansa.Invalid, "this is not a record: %s", plain(err)).With(hansa.CodeField).At(at)
}

// misfit says what a member should have been.
func misfit(bad *json.SemanticError) *hansa.Error {
	e := hansa.Errorf(hansa.Invalid, "the value does not fit the member").With(hansa.CodeField)
	if bad.Err != nil {
		e.Message += ": " + plain(bad.Err)
	} else if bad.JSONKind != 0 {
		e.Message = "a JSON " + kindName(bad.JSONKind) + " does not fit the member"
	}
	return e
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case '0':
		return "number"
	case 'n':
		return "null"
	}
	return "boolean"
}

// plain returns err's text without the name of the package that made it.
func plain(err error) string {
	s := err.Error()
	for _, p := range []string{"jsontext: ", "json: "} {
		s = strings.TrimPrefix(s, p)
	}
	return s
}
