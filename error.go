package hansa

import (
	"errors"
	"fmt"
	"net/http"
)

// Kind says what sort of failure an [Error] is; it decides the HTTP status, the
// protocol's error message, the metric and the page.
type Kind uint8

// The six kinds. Values are written to disk: append, never renumber.
const (
	Internal Kind = iota // our fault; details stay in our log
	Invalid              // the input breaks a rule that the message names
	Denied               // the caller may not
	NotFound             // there is no such thing, or none that the caller may see
	Conflict             // the thing has moved on since the caller looked
	Busy                 // a limit is reached; trying later may help
)

var kindNames = [...]string{"internal", "invalid", "denied", "not-found", "conflict", "busy"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "internal"
}

// Code is one of a closed list of reasons, finer than [Kind].
type Code string

// The codes that have a status of their own, and those that callers act on.
const (
	CodeUnauthenticated Code = "unauthenticated"   // 401: no credential, or an unknown one
	CodeForbidden       Code = "forbidden"         // 403: known, but not entitled
	CodeNoPurpose       Code = "purpose-missing"   // 403: a read must say what for
	CodePurpose         Code = "purpose-denied"    // 403: the purpose is not agreed
	CodeGone            Code = "gone"              // 410: the cursor is of a lost epoch or trimmed
	CodeTooLarge        Code = "too-large"         // 413
	CodeRateLimited     Code = "rate-limited"      // 429: this caller is over its limit
	CodeOverloaded      Code = "overloaded"        // 503: everybody must wait
	CodeStorageFull     Code = "storage-full"      // 507: reads go on, writes are refused
	CodeSyntax          Code = "syntax"            // 400: not JSON, not XML, not UTF-8
	CodeField           Code = "field"             // 422: a field breaks a rule
	CodeFormat          Code = "format"            // 406: not a format of this flow
	CodeMediaType       Code = "media-type"        // 415: a body of this type is not taken
	CodeSkew            Code = "clock-skew"        // 400: a stated time is too far from ours
	CodeNotFound        Code = "not-found"         // 404
	CodeConflict        Code = "conflict"          // 409
	CodeStale           Code = "stale"             // 409: it stands on a version that is not the present one
	CodeGap             Code = "gap"               // 409: what comes before it is missing
	CodeFork            Code = "fork"              // 409: something else has its number
	CodeRefusedFormat   Code = "format-cannot-say" // 422: writing it would widen the fact
	CodeCorrupt         Code = "corrupt"           // 500: a stored row does not match its checksum
	CodeAddress         Code = "address-refused"   // 403: an outbound address is not allowed
	CodeMethod          Code = "method"            // 405
)

var codeStatus = map[Code]int{
	CodeUnauthenticated: http.StatusUnauthorized,
	CodeForbidden:       http.StatusForbidden,
	CodeNoPurpose:       http.StatusForbidden,
	CodePurpose:         http.StatusForbidden,
	CodeGone:            http.StatusGone,
	CodeTooLarge:        http.StatusRequestEntityTooLarge,
	CodeRateLimited:     http.StatusTooManyRequests,
	CodeOverloaded:      http.StatusServiceUnavailable,
	CodeStorageFull:     http.StatusInsufficientStorage,
	CodeField:           http.StatusUnprocessableEntity,
	CodeFormat:          http.StatusNotAcceptable,
	CodeMediaType:       http.StatusUnsupportedMediaType,
	CodeRefusedFormat:   http.StatusUnprocessableEntity,
	CodeMethod:          http.StatusMethodNotAllowed,
}

var kindStatus = [...]int{
	Internal: http.StatusInternalServerError,
	Invalid:  http.StatusBadRequest,
	Denied:   http.StatusForbidden,
	NotFound: http.StatusNotFound,
	Conflict: http.StatusConflict,
	Busy:     http.StatusServiceUnavailable,
}

// Error is a failure that an outsider may read. What is not an Error is
// Internal, and an outsider hears only that.
type Error struct {
	Kind    Kind
	Code    Code
	Message string // one public sentence that names the field and the rule
	Hint    string // the likely mend, as a command or an act; may be empty
	Field   string // JSON pointer or XPath of the place, when there is one
	Err     error  // the cause, for our own log only

	said *said // how the message was made; nil when it was given whole
}

// said is a message before it was filled in.
type said struct {
	format string
	args   []any
}

// Form returns the format and the operands that [Errorf] made the message of, by
// which other languages know it; an empty format where there is none.
func (e *Error) Form() (format string, args []any) {
	if e.said == nil {
		return "", nil
	}
	return e.said.format, e.said.args
}

func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Message
	}
	return e.Message
}

// Unwrap returns the cause that only our own log sees.
func (e *Error) Unwrap() error { return e.Err }

// With returns a copy of e that carries code.
func (e *Error) With(code Code) *Error {
	c := *e
	c.Code = code
	return &c
}

// At returns a copy of e that names the field it is about.
func (e *Error) At(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

// WithHint returns a copy of e that says how to mend it.
func (e *Error) WithHint(hint string) *Error {
	c := *e
	c.Hint = hint
	return &c
}

// Errorf makes an error that an outsider may read. A %w operand is kept as the
// cause and is part of the message.
func Errorf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Code: Code(kind.String()), Message: err.Error(), Err: errors.Unwrap(err), said: &said{format, args}}
}

// Fielded returns an Invalid error about one field.
func Fielded(field, format string, args ...any) *Error {
	return Errorf(Invalid, format, args...).With(CodeField).At(field)
}

// Public returns what an outsider may know of err: the first [Error] in its
// chain, or a bare Internal one. It returns nil for nil.
func Public(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Code: "internal", Message: "something failed inside the exchange", Err: err}
}

// KindOf returns the kind of err; what is not an [Error], nil included, is Internal.
func KindOf(err error) Kind {
	if e := Public(err); e != nil {
		return e.Kind
	}
	return Internal
}

// Status returns the HTTP status for err: its code's own, else its kind's.
func Status(err error) int {
	e := Public(err)
	if e == nil {
		return http.StatusOK
	}
	if s, ok := codeStatus[e.Code]; ok {
		return s
	}
	return kindStatus[e.Kind]
}
