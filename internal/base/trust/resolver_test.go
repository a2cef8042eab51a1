package trust_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

const davesPage = "https://dave.example/.well-known/did.json"

func (x *exchange) ask(f *foreigner) error {
	x.Helper()
	_, err := x.id.Caller(x.Context(), call(x.token(f, x.claims(f), nil)), alice)
	return err
}

// TestDocumentsThatAreRefused: a document that does not say what it must leaves its
// subject unknown.
func TestDocumentsThatAreRefused(t *testing.T) {
	x := newExchange(t)
	good, err := x.dave.document()
	if err != nil {
		t.Fatal(err)
	}
	edit := func(f func(map[string]any)) []byte {
		var d map[string]any
		if err := json.Unmarshal(good, &d); err != nil {
			t.Fatal(err)
		}
		f(d)
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	method := func(d map[string]any) map[string]any {
		return d["verificationMethod"].([]any)[0].(map[string]any)
	}
	many := make([]any, 200)
	for i := range many {
		many[i] = fmt.Sprintf("#key-%d", i)
	}
	for name, body := range map[string][]byte{
		"another's id":         bytes.Replace(good, []byte(`"id":"did:web:dave.example"`), []byte(`"id":"did:web:carol.example"`), 1),
		"no id":                edit(func(d map[string]any) { delete(d, "id") }),
		"not listed":           edit(func(d map[string]any) { delete(d, "authentication") }),
		"to assert alone":      edit(func(d map[string]any) { d["assertionMethod"] = d["authentication"]; delete(d, "authentication") }),
		"of another":           edit(func(d map[string]any) { method(d)["controller"] = "did:web:carol.example" }),
		"under another's name": edit(func(d map[string]any) { method(d)["id"] = "did:web:carol.example#key-1" }),
		"private key":          edit(func(d map[string]any) { method(d)["publicKeyJwk"].(map[string]any)["d"] = "AAAA" }),
		"key to encrypt":       edit(func(d map[string]any) { method(d)["publicKeyJwk"].(map[string]any)["use"] = "enc" }),
		"off the curve":        edit(func(d map[string]any) { method(d)["publicKeyJwk"].(map[string]any)["x"] = strings.Repeat("A", 43) }),
		"two of one id":        edit(func(d map[string]any) { d["verificationMethod"] = []any{method(d), method(d)} }),
		"many":                 edit(func(d map[string]any) { d["authentication"] = many }),
		"a list":               []byte(`[]`),
		"a page":               []byte(`<html>not found</html>`),
		"nothing":              nil,
		"cut short":            good[:len(good)-2],
		"id twice":             bytes.Replace(good, []byte(`{`), []byte(`{"id":"did:web:dave.example",`), 1),
		"huge":                 append(bytes.Repeat([]byte(" "), trust.DocumentBytesMax), good...),
		"deep":                 []byte(strings.Repeat(`{"a":`, 9000)),
	} {
		x.now = x.now.Add(time.Minute)
		x.id = x.begin(time.Time{})
		x.web.put(davesPage, func() ([]byte, error) { return body, nil })
		if err := x.ask(x.dave); !unknown(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	x.now = x.now.Add(time.Minute)
	x.web.put(davesPage, x.dave.document)
	x.id = x.begin(time.Time{})
	if err := x.ask(x.dave); err != nil {
		t.Errorf("the control: %v\n%s", err, x.log.String())
	}
}

// TestDocumentIsAway: what cannot be fetched now is Busy; a document that was
// fetched is used for a while longer; failures are remembered.
func TestDocumentIsAway(t *testing.T) {
	x := newExchange(t)
	away := func() ([]byte, error) { return nil, errors.New("connection refused") }
	x.web.put(davesPage, away)
	for range 10 {
		if err := x.ask(x.dave); hansa.Status(err) != http.StatusServiceUnavailable {
			t.Fatalf("a document that is away: %v", err)
		}
	}
	if n := x.web.count(); n != 1 {
		t.Errorf("ten tokens fetch it %d times", n)
	}
	x.web.put(davesPage, x.dave.document)
	x.now = x.now.Add(6 * time.Second)
	if err := x.ask(x.dave); err != nil {
		t.Fatalf("it is back: %v\n%s", err, x.log.String())
	}
	x.web.put(davesPage, away)
	x.now = x.now.Add(10 * time.Minute)
	for range 3 {
		if err := x.ask(x.dave); err != nil {
			t.Fatalf("a document of ten minutes ago: %v\n%s", err, x.log.String())
		}
	}
	x.now = x.now.Add(6 * time.Minute)
	if err := x.ask(x.dave); hansa.Status(err) != http.StatusServiceUnavailable {
		t.Errorf("a document of sixteen minutes ago: %v", err)
	}
	x.web.put(davesPage, func() ([]byte, error) { return nil, hansa.Errorf(hansa.Denied, "the host is not registered") })
	x.now = x.now.Add(6 * time.Second)
	if err := x.ask(x.dave); !unknown(err) {
		t.Errorf("a host that may not be called: %v", err)
	}
}

func TestOneFlight(t *testing.T) {
	x := newExchange(t)
	x.web.gate = make(chan struct{})
	const callers = 50
	tokens := make([]string, callers)
	for i := range tokens {
		tokens[i] = x.token(x.dave, x.claims(x.dave), nil)
	}
	var wg sync.WaitGroup
	var failed atomic.Int64
	for _, token := range tokens {
		wg.Go(func() {
			if _, err := x.id.Caller(t.Context(), call(token), alice); err != nil {
				failed.Add(1)
			}
		})
	}
	for x.web.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(x.web.gate)
	wg.Wait()
	if n := x.web.count(); n != 1 || failed.Load() > 0 {
		t.Errorf("%d callers at once: %d fetches, %d refused", callers, n, failed.Load())
	}
}

// TestStrangersWait: tokens of those whom nobody knows make a few fetches in a
// second, and peers go on.
func TestStrangersWait(t *testing.T) {
	x := newExchange(t)
	busy := 0
	for i := range 50 {
		f := &foreigner{did: fmt.Sprintf("did:web:dave.example:x%d", i), kid: fmt.Sprintf("did:web:dave.example:x%d#k", i), key: x.dave.key}
		if err := x.ask(f); hansa.KindOf(err) == hansa.Busy {
			busy++
		}
	}
	if n := x.web.count(); n > 5 || busy != 50-n {
		t.Errorf("50 strangers made %d fetches, %d are to wait", n, busy)
	}
	if err := x.ask(x.carol); err != nil {
		t.Errorf("a peer behind strangers: %v", err)
	}
}

// TestRotationElsewhere: a peer that takes another key, published and used at once,
// is never refused; a key that is gone from the document is refused when the
// document is read again.
func TestRotationElsewhere(t *testing.T) {
	x := newExchange(t)
	if err := x.ask(x.dave); err != nil {
		t.Fatal(err)
	}
	old := x.dave
	x.dave = newForeigner(t, dave)
	x.dave.kid = string(dave) + "#key-2"
	x.web.put(davesPage, x.dave.document)
	if err := x.ask(x.dave); err != nil { // in the same second
		t.Errorf("the new key: %v\n%s", err, x.log.String())
	}
	if n := x.web.count(); n != 2 || x.waits.Load() != 1 {
		t.Errorf("%d fetches, %d waits for a second to pass", n, x.waits.Load())
	}
	if err := x.ask(old); !unknown(err) {
		t.Errorf("the old key, gone from the document: %v", err)
	}
	// Forged ids of keys do not make a fetch each.
	x.now = x.now.Add(10 * time.Second)
	before := x.web.count()
	claims := with(x.claims(x.dave), "iat", x.now.Add(-time.Minute).Unix())
	for range 20 {
		token := x.token(x.dave, with(claims, "jti", hansa.NewID(x.now)), map[string]any{"kid": x.dave.did + "#" + hansa.NewID(x.now)})
		if _, err := x.id.Caller(x.Context(), call(token), alice); !unknown(err) {
			t.Errorf("an unknown key: %v", err)
		}
	}
	if n := x.web.count() - before; n > 1 {
		t.Errorf("20 forged ids made %d fetches", n)
	}
}

func TestWhereDocumentsAre(t *testing.T) {
	for did, want := range map[string]string{
		"did:web:edc.example":                              "https://edc.example/.well-known/did.json",
		"did:web:edc.example%3A8443":                       "https://edc.example:8443/.well-known/did.json",
		"did:web:hub.example:parties:navco":                "https://hub.example/parties/navco/did.json",
		"did:web:127.0.0.1%3A7070:parties:navco":           "https://127.0.0.1:7070/parties/navco/did.json",
		"did:web:":                                         "",
		"did:web:edc.example:":                             "",
		"did:web:edc.example::x":                           "",
		"did:web:edc.example:..:x":                         "",
		"did:web:edc.example:a%2Fb":                        "",
		"did:web:edc.example/x":                            "",
		"did:web:user@edc.example":                         "",
		"did:web:edc.example%3A":                           "",
		"did:web:edc.example%3A99999999":                   "",
		"did:web:edc.example%3Aport":                       "",
		"did:web:edc.example?x":                            "",
		"did:web:edc.example#x":                            "",
		"did:web:[::1]":                                    "",
		"did:web:edc example":                              "",
		"did:key:z6Mk":                                     "",
		"did:web:" + strings.Repeat("a", 600) + ".example": "",
	} {
		x := newExchange(t)
		f := &foreigner{did: did, kid: did + "#k", key: x.dave.key}
		err := x.ask(f)
		got := strings.Join(x.web.calls, " ")
		if err == nil || got != want {
			t.Errorf("%s: fetched %q, %v; want %q", did, got, err, want)
		}
	}
}
