package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// failure is an error on its way to the person: one sentence, the likely fix as
// something to paste, a code and the exit code.
type failure struct {
	exit      int
	code      string
	message   string
	hint      string
	requestID string
	field     string // of the body or the query that is wrong, as the exchange names it
	err       error
}

func (f *failure) Error() string {
	if f.field != "" && !strings.Contains(f.message, f.field) {
		return f.field + ": " + f.message
	}
	return f.message
}
func (f *failure) Unwrap() error { return f.err }

// missed is what --wait and the rehearsal end with when all was done and a
// promise was not kept.
func missed(format string, args ...any) *failure {
	return &failure{exit: exitMissed, code: "promise-missed", message: fmt.Sprintf(format, args...)}
}

// asFailure finds the exit code for any error.
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if e, ok := errors.AsType[*hansa.Error](err); ok {
		return &failure{exit: exitOf(e.Kind, e.Code), code: string(e.Code), message: sentence(e.Error()), hint: e.Hint, err: err}
	}
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return &failure{exit: exitFailed, code: "file", message: sentence(fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err)), err: err}
	}
	return &failure{exit: exitFailed, code: "failed", message: sentence(err.Error()), err: err}
}

// exitOf maps what the exchange said to an exit code.
func exitOf(kind hansa.Kind, code hansa.Code) int {
	switch kind {
	case hansa.NotFound:
		if code == hansa.CodeGone {
			return exitFailed
		}
		return exitNotFound
	case hansa.Denied:
		return exitNotAllowed
	case hansa.Invalid:
		return exitRefused
	case hansa.Internal, hansa.Conflict, hansa.Busy:
		return exitFailed
	}
	return exitFailed
}

var kinds = map[string]hansa.Kind{"invalid": hansa.Invalid, "denied": hansa.Denied, "not-found": hansa.NotFound, "conflict": hansa.Conflict, "busy": hansa.Busy, "internal": hansa.Internal}

// answered turns an error document into a failure.
func answered(status int, e api.ErrorBody) *failure {
	message := e.Message
	if message == "" {
		message = fmt.Sprintf("the exchange answered %d", status)
	}
	return &failure{exit: exitOf(kinds[e.Kind], e.Code), code: string(e.Code), message: sentence(message), hint: e.Hint, requestID: e.RequestID, field: e.Field}
}

// unreachable says that there is no exchange to talk to.
func unreachable(node string, err error) *failure {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	hint := "hansa demo"
	if node != "" {
		hint = "hansa doctor --node " + node
	}
	return &failure{exit: exitConnection, code: "connection", message: sentence(fmt.Sprintf("no exchange answers at %s: %v", node, err)), hint: hint, err: err}
}

// sentence gives a message its capital and its full stop.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return s
	}
	r, n := utf8.DecodeRuneInString(s)
	word, _, _ := strings.Cut(s, " ")
	if !strings.ContainsAny(strings.TrimRight(word, ".,:"), "./") && unicode.IsLower(r) { // a file's name stays as it is
		s = string(unicode.ToUpper(r)) + s[n:]
	}
	if last := s[len(s)-1]; last != '.' && last != '?' && last != '!' {
		s += "."
	}
	return s
}

// nearest returns the name that s was most likely meant to be, or "".
func nearest(s string, names []string) string {
	best, least := "", 3
	for _, n := range names {
		if d := distance(strings.ToLower(s), strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
