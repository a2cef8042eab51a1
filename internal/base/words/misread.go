package words

import (
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Misread says why JSON from outside cannot be read: the place and the rule, and never a
// type of this program; as a part of a sentence, without a capital and a full stop. What
// is no error of the decoder is said as it is.
func Misread(err error) string {
	says := reason(err)
	if at := MisreadAt(err); at != "" {
		says += " at " + at
	}
	return says
}

// MisreadAt returns the JSON pointer of what cannot be read; "" is the whole, or not known.
func MisreadAt(err error) string {
	if e, ok := errors.AsType[*json.SemanticError](err); ok && e.JSONPointer != "" {
		return string(e.JSONPointer)
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return string(e.JSONPointer)
	}
	return ""
}

// reason is what is wrong, without its place.
func reason(err error) string {
	semantic, ok := errors.AsType[*json.SemanticError](err)
	if syntax, found := errors.AsType[*jsontext.SyntacticError](err); found && !ok {
		return malformed(syntax)
	}
	if !ok {
		return err.Error()
	}
	switch inner := semantic.Err; {
	case errors.Is(inner, json.ErrUnknownName):
		return "there is no such member"
	case errors.Is(inner, jsontext.ErrDuplicateName):
		return "a member stands twice"
	case inner == nil || isType[*strconv.NumError](inner) || errors.Is(inner, strconv.ErrRange) || errors.Is(inner, strconv.ErrSyntax):
		return "here stands " + kinds(semantic.JSONKind) + ", and " + wanted(semantic.GoType) + " is expected"
	case isType[*time.ParseError](inner):
		return "a time is written as 2026-12-01T08:00:00Z (RFC 3339)"
	default:
		return reason(inner)
	}
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// malformed says where text is no JSON.
func malformed(e *jsontext.SyntacticError) string {
	at := " (byte " + strconv.FormatInt(e.ByteOffset, 10) + ")"
	switch {
	case errors.Is(e.Err, io.ErrUnexpectedEOF) && e.ByteOffset == 0, errors.Is(e.Err, io.EOF):
		return "it is empty"
	case errors.Is(e.Err, io.ErrUnexpectedEOF):
		return "it ends before its JSON does" + at
	case errors.Is(e.Err, jsontext.ErrDuplicateName):
		return "a member stands twice" + at
	}
	return "it is no JSON: " + strings.TrimPrefix(e.Err.Error(), "jsontext: ") + at
}

// kinds names what stands in the document.
func kinds(k jsontext.Kind) string {
	switch k { //nolint:exhaustive // what is left is no value
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{', '}':
		return "an object"
	case '[', ']':
		return "a list"
	}
	return "something else"
}

// wanted names what a type of this program is in JSON.
func wanted(t reflect.Type) string {
	if t == nil {
		return "another kind of value"
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[time.Time]() {
		return "a time as 2026-12-01T08:00:00Z"
	}
	switch t.Kind() { //nolint:exhaustive // what is left has no kind of its own in JSON
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "another kind of value"
}
