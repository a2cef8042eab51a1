package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// ZoneHeader names the time zone of the caller's party (IANA) in answers under /api,
// so that who shows their times can write them by the city's clock.
const ZoneHeader = "Hansa-Zone"

// ErrorBody is the error document, under the member "error".
type ErrorBody struct {
	Kind      string     `json:"kind"`
	Code      hansa.Code `json:"code"`
	Message   string     `json:"message"`
	Hint      string     `json:"hint,omitempty"`
	Field     string     `json:"field,omitempty"`
	RequestID string     `json:"requestId,omitempty"`
}

// ErrorDocument is what every failed request answers.
type ErrorDocument struct {
	Error ErrorBody `json:"error"`
}

// ErrorBodyOf returns what an outsider may know of err.
func ErrorBodyOf(err error, requestID string) *ErrorBody {
	e := hansa.Public(err)
	return &ErrorBody{Kind: e.Kind.String(), Code: e.Code, Message: e.Message, Hint: e.Hint, Field: e.Field, RequestID: requestID}
}

// WriteError answers err: its status, Retry-After where waiting helps, and the
// error document.
func WriteError(w http.ResponseWriter, err error, requestID string) {
	h := w.Header()
	if hansa.KindOf(err) == hansa.Busy && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	if hansa.Public(err).Code == hansa.CodeUnauthenticated {
		h.Set("WWW-Authenticate", `Bearer realm="hansa", Basic realm="hansa"`)
	}
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	writeJSON(w, hansa.Status(err), ErrorDocument{Error: *ErrorBodyOf(err, requestID)})
}

// writeJSON answers v as JSON.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b := marshal(v)
	if b == nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"kind":"internal","code":"internal","message":"the answer could not be written"}}`)
	}
	writeBytes(w, status, b)
}

// marshal returns v as JSON that may stand in HTML; nil when it cannot be said.
func marshal(v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.EscapeForHTML(true))
	if err != nil {
		return nil
	}
	return b
}

// writeBytes answers JSON that is made already.
func writeBytes(w http.ResponseWriter, status int, b []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client has gone; nobody is left to tell
}

// readAll reads a body of whatever type, up to its route's limit.
func readAll(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, tooLarge(err)
	}
	return b, nil
}

// readJSON reads the request's one JSON document into v, strictly: unknown and
// duplicate members are refused.
func readJSON(r *http.Request, v any) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return hansa.Errorf(hansa.Invalid, "the body is JSON: send Content-Type: application/json").With(hansa.CodeSyntax)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return tooLarge(err)
	}
	return decode(b, v)
}

func decode(b []byte, v any) error {
	if err := depth(b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v, json.RejectUnknownMembers(true)); err != nil {
		return jsonError(err)
	}
	return nil
}

// depth refuses JSON nested deeper than 64 before it is decoded.
func depth(b []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return jsonError(err)
		}
		if d.StackDepth() > 64 {
			return hansa.Errorf(hansa.Invalid, "JSON is nested at most 64 deep").With(hansa.CodeSyntax)
		}
	}
}

// jsonError turns a decoder's error into one that names the place and the rule.
func jsonError(err error) error {
	e := hansa.Errorf(hansa.Invalid, "the JSON cannot be read: %s", words.Misread(err)).With(hansa.CodeSyntax)
	e.Err = err
	return e.At(words.MisreadAt(err))
}

func tooLarge(err error) error {
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return hansa.Errorf(hansa.Invalid, "the body has more than %d bytes", e.Limit).With(hansa.CodeTooLarge)
	}
	if hansa.KindOf(err) != hansa.Internal {
		return err
	}
	return hansa.Errorf(hansa.Invalid, "the body could not be read: %w", err).With(hansa.CodeSyntax)
}

// count reads a whole number of 1 to limit from a query parameter.
func count(r *http.Request, name string, fallback, limit int) (int, error) {
	return whole(r, name, fallback, 1, limit)
}

// whole reads a whole number from least to limit.
func whole(r *http.Request, name string, fallback, least, limit int) (int, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > limit {
		return 0, hansa.Fielded("?"+name, "%s is a whole number from %d to %d, not %q", name, least, limit, s)
	}
	return n, nil
}

// wait reads the seconds that a long poll may hang.
func wait(r *http.Request) (time.Duration, error) {
	s := r.URL.Query().Get("wait")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || time.Duration(n)*time.Second > WaitMax {
		return 0, hansa.Fielded("?wait", "wait is 0 to %d seconds, not %q", int(WaitMax/time.Second), s)
	}
	return time.Duration(n) * time.Second, nil
}

// oneOf refuses a query parameter that is none of all; one that is left out asks nothing.
func oneOf[T ~string](r *http.Request, name string, all []T) error {
	s := r.URL.Query().Get(name)
	if s == "" || slices.Contains(all, T(s)) {
		return nil
	}
	names := make([]string, 0, len(all))
	for _, x := range all {
		names = append(names, string(x))
	}
	return hansa.Errorf(hansa.Invalid, "%s is one of %s, not %.40q", name, strings.Join(names, ", "), s).At("?" + name)
}

// text reads a query parameter of bounded length.
func text(r *http.Request, name string) (string, error) {
	s := r.URL.Query().Get(name)
	if len(s) > QueryBytesMax {
		return "", hansa.Fielded("?"+name, "%s has at most %d bytes", name, QueryBytesMax)
	}
	return s, nil
}
