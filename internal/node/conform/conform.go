// Package conform drives a connector of any maker as another one would, and reports
// which clauses of the Dataspace Protocol 2025-1 it keeps. Everything that is
// received is held to the schemas of that edition. It needs no scripted peer: a
// check that would, is not made; one that the connector gives no occasion for is
// skipped, and says why.
package conform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa/internal/base/outbound"
)

// Config is what a run needs. All but Token are required.
type Config struct {
	URL      string // the connector's base address, or the root that its version document is under
	Token    string // a bearer token by which it knows the caller
	Client   *outbound.Client
	Listener net.Listener // where the connector's own messages come in
	Callback string       // the address of Listener as the connector reaches it, without a slash at its end
	ID       func() string
	// Wait is how long the connector is given for what it does by itself.
	Wait time.Duration
	// Made is told of each check when it is made; it may be nil.
	Made func(Check)
}

// Outcome is what came of a check.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // the connector gave no occasion; Detail says which was missing
)

// Check is one clause of the specification, held against the connector.
type Check struct {
	ID      string  `json:"id"`
	Level   string  `json:"level"`  // MUST, SHOULD or MAY, as the clause says
	Clause  string  `json:"clause"` // the section of edition 2025-1
	Title   string  `json:"title"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail,omitempty"` // why it failed or was skipped
}

// Report is a whole run.
type Report struct {
	Edition     string  `json:"edition"`
	URL         string  `json:"url"`
	Participant string  `json:"participant,omitempty"` // as the catalogue names it
	Checks      []Check `json:"checks"`
	Passed      int     `json:"passed"`
	Failed      int     `json:"failed"` // a SHOULD or MAY that is not kept counts too
	Skipped     int     `json:"skipped"`
	Received    int     `json:"received"` // documents that were held to their schemas
}

// Edition is the edition of the protocol that is held against.
const Edition = "2025-1"

// skip says that the connector gave no occasion for a check.
type skip string

func (s skip) Error() string { return string(s) }

// check is a row of the table of checks.
type check struct {
	id, level, clause, title string
	run                      func(*driver) error
}

// The sections of the specification.
const (
	atVersions     = "Common Requirements, Exposure of Versions"
	atCatalog      = "Catalog Protocol, Response Types"
	atCatalogHTTPS = "Catalog HTTPS Binding"
	atPages        = "Catalog HTTPS Binding, Pagination"
	atNegotiation  = "Contract Negotiation Protocol, Message Types"
	atNegHTTPS     = "Contract Negotiation HTTPS Binding, Provider Path Bindings"
	atNegState     = "Contract Negotiation HTTPS Binding, State Transition Errors"
	atNegError     = "Contract Negotiation HTTPS Binding, Contract Negotiation Error"
	atNegNone      = "Contract Negotiation HTTPS Binding, Object Not Found"
	atNegBack      = "Contract Negotiation HTTPS Binding, Consumer Callback Path Bindings"
	atTransfer     = "Transfer Process Protocol, Message Types"
	atTpHTTPS      = "Transfer Process HTTPS Binding, Provider Path Bindings"
	atTpState      = "Transfer Process HTTPS Binding, State Transition Errors"
	atTpError      = "Transfer Process HTTPS Binding, Transfer Error"
	atTpNone       = "Transfer Process HTTPS Binding, Object Not Found"
	atSchemas      = "Common Requirements, Schemas & Contexts"
)

// checks lists all, in the order in which they are made: later ones stand on what
// earlier ones found.
func checks() []check {
	all := append(versionChecks(), catalogChecks()...)
	all = append(all, negotiationChecks()...)
	all = append(all, transferChecks()...)
	return append(all, check{"SCHEMA-1", "MUST", atSchemas, "all that was received fits the schemas of the edition", (*driver).allFits})
}

// Run makes all checks. Its error says that none could be made.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if _, err := compiled(); err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	d := &driver{cfg: cfg, ctx: ctx, base: strings.TrimRight(cfg.URL, "/"), desk: newDesk()}
	srv := &http.Server{Handler: d.desk, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second, MaxHeaderBytes: 32 << 10}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(cfg.Listener) // it ends when it is closed below
	}()
	defer func() {
		_ = srv.Close()
		<-done
	}()
	rep := &Report{Edition: Edition, URL: d.base}
	for _, c := range checks() {
		if ctx.Err() != nil {
			return rep, ctx.Err()
		}
		one := Check{ID: c.id, Level: c.level, Clause: c.clause, Title: c.title, Outcome: Passed}
		err := c.run(d)
		if d.unreachable != nil {
			return rep, d.unreachable
		}
		var why skip
		switch {
		case errors.As(err, &why):
			one.Outcome, one.Detail = Skipped, err.Error()
			rep.Skipped++
		case err != nil:
			one.Outcome, one.Detail = Failed, err.Error()
			rep.Failed++
		default:
			rep.Passed++
		}
		rep.Checks = append(rep.Checks, one)
		if cfg.Made != nil {
			cfg.Made(one)
		}
	}
	rep.Participant, rep.URL = d.participant, d.base
	rep.Received, _ = d.held()
	return rep, nil
}

// driver is one run against one connector.
type driver struct {
	cfg         Config
	ctx         context.Context //nolint:containedctx // a run is one call
	base        string          // without a slash at its end
	root        string
	desk        *desk
	unreachable error

	count int      // documents that were held to their schemas, besides those of the desk
	bad   []string // where they did not fit

	participant string
	datasets    []dataset
	pages       []string // addresses of the catalogue's pages after the first
	reached     bool     // an agreement
	negotiation process
	agreement   string
	transfer    process
	asked       string // the request that began it
}

// process is one that the driver has with the connector.
type process struct{ consumer, provider string }

// answer is what the connector said to one call.
type answer struct {
	status int
	header http.Header
	body   []byte
	kind   string // its @type
	fits   error  // nil when it fits the schema of its type
}

const bodyMax = 8 << 20

// call makes one call. Without an answer the run ends: nothing can be said of who
// is not there.
func (d *driver) call(method, url, body string, headers ...string) (*answer, error) {
	h := http.Header{"Accept": {"application/json"}}
	if d.cfg.Token != "" {
		h.Set("Authorization", "Bearer "+d.cfg.Token)
	}
	if body != "" {
		h.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if h.Del(headers[i]); headers[i+1] != "" {
			h.Set(headers[i], headers[i+1])
		}
	}
	res, err := d.cfg.Client.Do(d.ctx, outbound.Request{Method: method, URL: url, Header: h, Body: []byte(body), AnswerMax: bodyMax, Timeout: 20 * time.Second})
	if err != nil {
		d.unreachable = fmt.Errorf("%s %s: %w", method, url, err)
		return nil, d.unreachable
	}
	a := &answer{status: res.Status, header: res.Header, body: res.Body}
	var doc struct {
		Type string `json:"@type"`
	}
	if len(a.body) > 0 && json.Unmarshal(a.body, &doc) == nil {
		a.kind = doc.Type
	}
	if a.kind != "" {
		a.fits = d.hold(method+" "+strings.TrimPrefix(url, d.base), a.kind, a.body)
	}
	return a, nil
}

// hold holds a document to the schema of its type.
func (d *driver) hold(what, kind string, doc []byte) error {
	d.count++
	err := Valid(kind, doc)
	if err != nil {
		d.bad = append(d.bad, what+", "+kind+": "+err.Error())
	}
	return err
}

// is reports whether an answer has a status and is a document of a type that fits
// its schema.
func (a *answer) is(kind string, statuses ...int) error {
	ok := false
	for _, s := range statuses {
		ok = ok || a.status == s
	}
	switch {
	case !ok:
		return fmt.Errorf("the answer is %d, want %s: %s", a.status, anyOf(statuses), a.said())
	case a.kind != kind:
		return fmt.Errorf("the answer is a %q, want a %s", a.kind, kind)
	case a.fits != nil:
		return fmt.Errorf("the %s does not fit its schema: %w", kind, a.fits)
	case !strings.HasPrefix(a.header.Get("Content-Type"), "application/json"):
		return fmt.Errorf("the answer is %q, want application/json", a.header.Get("Content-Type"))
	}
	return nil
}

// refuses reports whether an answer is a client error with the error document of a
// type.
func (a *answer) refuses(kind string, statuses ...int) error {
	if len(statuses) == 0 {
		if a.status < 400 || a.status > 499 {
			return fmt.Errorf("the answer is %d, want a client error: %s", a.status, a.said())
		}
		statuses = []int{a.status}
	}
	return a.is(kind, statuses...)
}

// said is the beginning of an answer, for a person.
func (a *answer) said() string {
	s := strings.ToValidUTF8(string(a.body[:min(len(a.body), 160)]), "?")
	if s == "" {
		return "(empty)"
	}
	return s
}

func anyOf(statuses []int) string {
	var out []string
	for _, s := range statuses {
		out = append(out, fmt.Sprint(s))
	}
	return strings.Join(out, " or ")
}

// held counts the documents that were held to their schemas, and those that do not
// fit.
func (d *driver) held() (n int, bad []string) {
	n, bad = d.desk.held()
	return n + d.count, append(bad, d.bad...)
}

func (d *driver) allFits() error {
	n, bad := d.held()
	switch {
	case n == 0:
		return skip("nothing was received that has a schema")
	case len(bad) > 0:
		return fmt.Errorf("%d of %d do not fit: %s", len(bad), n, strings.Join(bad[:min(len(bad), 3)], "; "))
	}
	return nil
}
