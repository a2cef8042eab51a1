package format

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// JSONDepthMax is how deep the arrays and objects of one JSON record may nest.
const JSONDepthMax = 64

// Shallow reports whether the JSON text b nests no deeper than [JSONDepthMax].
func Shallow(b []byte) bool {
	if bytes.Count(b, []byte{'{'})+bytes.Count(b, []byte{'['}) <= JSONDepthMax {
		return true
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if depth++; depth > JSONDepthMax {
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

// JSONRefusal turns an error of the JSON library into one that an outsider may
// read, with the JSON pointer of the place.
func JSONRefusal(err error) *hansa.Error {
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
	return hansa.Errorf(hansa.Invalid, "the text could not be read: %s", plain(err)).With(hansa.CodeField).At(at)
}

// misfit says what a member should have been.
func misfit(bad *json.SemanticError) *hansa.Error {
	e := hansa.Errorf(hansa.Invalid, "the value does not fit the member").With(hansa.CodeField)
	if bad.Err != nil {
		e.Message += ": " + plain(bad.Err)
	} else if bad.JSONKind != 0 {
		e.Message = "a JSON " + kindNames[bad.JSONKind] + " does not fit the member"
	}
	return e
}

// kindNames are what people call the kinds of JSON value.
var kindNames = map[jsontext.Kind]string{'{': "object", '[': "array", '"': "string", '0': "number", 'n': "null", 't': "boolean", 'f': "boolean"}

// plain returns err's text without the name of the package that made it.
func plain(err error) string {
	s := err.Error()
	for _, p := range []string{"jsontext: ", "json: "} {
		s = strings.TrimPrefix(s, p)
	}
	return s
}

// JSONBroken says why a document cannot be read on.
func JSONBroken(err error) error {
	if e, ok := errors.AsType[*hansa.Error](err); ok {
		return e
	}
	if bad, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return JSONRefusal(bad)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return hansa.Errorf(hansa.Invalid, "the text ends before it is complete").With(hansa.CodeSyntax)
	}
	return hansa.Errorf(hansa.Invalid, "the document could not be read to its end: %w", err).With(hansa.CodeSyntax)
}
