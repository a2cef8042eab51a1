// Package record reads and writes the canonical form of a record,
// [hansa.MediaTypeRecord]: strict JSON, members that it does not know kept, times
// with the zone that they came in. What it refuses it refuses record by record,
// and names the field and the rule.
package record

import (
	"bytes"
	_ "embed"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

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
	if !format.Shallow(b) {
		return nil, hansa.Errorf(hansa.Invalid, "a record nests at most %d deep", format.JSONDepthMax).With(hansa.CodeSyntax)
	}
	r := new(hansa.Record)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, format.JSONRefusal(err)
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
		return dst, format.JSONRefusal(err)
	}
	if dst == nil {
		return b, nil
	}
	return append(dst, b...), nil
}

func tooLarge(n int) *hansa.Error {
	return hansa.Errorf(hansa.Invalid, "a record has at most %d bytes, this one has %d", hansa.RecordBytesMax, n).With(hansa.CodeTooLarge)
}
