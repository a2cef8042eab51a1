package node

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
)

// Limits of the server.
const (
	headerTimeout    = 5 * time.Second
	readTimeout      = 30 * time.Second
	writeTimeout     = 60 * time.Second
	idleTimeout      = 60 * time.Second
	headerBytesMax   = 16 << 10
	connectionsMax   = 20_000
	inFlightMax      = 512 // requests that are answered at once, streams and long polls not counted; half of them of one caller
	deskReserve      = 32  // of those, for people and programs that may close a road
	slowMax          = 10_000
	requestsPerSec   = 20_000 // of one credential
	anonymousPerSec  = 200    // of one address without a credential
	shutdownPatience = 10 * time.Second
)

// door is one endpoint behind the common checks.
type door struct {
	hansa.Route
	serve api.Handler
	fail  func(w http.ResponseWriter, r *http.Request, err error, requestID string)
}

// doors is the one table of ways in (decision 17): the routes of every edge, with
// what answers them. Who may come in is decided here, before a handler runs.
type doors struct {
	mux    *http.ServeMux
	table  []door
	node   *Node
	log    *slog.Logger
	quick  *rooms
	slow   *rooms
	strays strangers
}

func newDoors(n *Node, log *slog.Logger) *doors {
	return &doors{mux: http.NewServeMux(), node: n, log: log, quick: newRooms(inFlightMax, deskReserve), slow: newRooms(slowMax, deskReserve), strays: strangers{seen: map[string]*bucket{}}}
}

// add puts one endpoint into the table.
func (d *doors) add(r hansa.Route, serve api.Handler) {
	d.put(door{Route: r, serve: serve, fail: func(w http.ResponseWriter, _ *http.Request, err error, id string) { api.WriteError(w, err, id) }})
}

// put puts an endpoint that writes its own errors into the table.
func (d *doors) put(one door) {
	r := one.Route
	d.table = append(d.table, one)
	d.mux.HandleFunc(r.Method+" "+r.Pattern, func(w http.ResponseWriter, req *http.Request) { d.enter(one, w, req) })
}

// ServeHTTP answers one request; what no route takes gets the error document.
func (d *doors) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if p := r.URL.Path; len(p) > 1 && strings.HasSuffix(p, "/") && strings.Contains(p, dsp.Path+"/") {
		r.URL.Path = strings.TrimSuffix(p, "/") // connectors put one at the end, or do not
	}
	if _, pattern := d.mux.Handler(r); pattern == "" {
		err := hansa.Errorf(hansa.NotFound, "there is nothing at %s", r.URL.Path).WithHint("see /openapi.json")
		if d.otherMethod(r) {
			err = hansa.Errorf(hansa.Invalid, "%s does not take %s", r.URL.Path, r.Method).With(hansa.CodeMethod)
		}
		api.WriteError(w, err, hansa.NewID(d.node.wall()))
		return
	}
	d.mux.ServeHTTP(w, r)
}

func (d *doors) otherMethod(r *http.Request) bool {
	probe := r.Clone(r.Context())
	for _, m := range []string{"GET", "POST", "PUT", "DELETE"} {
		probe.Method = m
		if _, pattern := d.mux.Handler(probe); pattern != "" {
			return true
		}
	}
	return false
}

// enter lets a request through to its handler: who is it, may it, is there room,
// is the body small enough.
func (d *doors) enter(one door, w http.ResponseWriter, r *http.Request) {
	began := d.node.wall()
	id := hansa.NewID(began)
	told := &tallied{ResponseWriter: w}
	w = told
	r, span := d.node.traces.request(r, one.Route)
	var err error
	defer func() { ended(span, max(told.status, http.StatusOK), err) }()
	defer func() { d.node.tallies.request(one.Route, max(told.status, http.StatusOK), d.node.wall().Sub(began)) }()
	defer func() { //nolint:contextcheck // the request carries it
		if v := recover(); v != nil {
			d.log.LogAttrs(r.Context(), slog.LevelError, "a handler panicked", slog.String("route", one.Pattern), slog.Any("panic", v), slog.String("request", id))
			one.fail(w, r, &hansa.Error{Kind: hansa.Internal, Code: "internal", Message: "something failed inside the exchange"}, id)
		}
	}()
	if err = d.pass(one, w, r); err == nil {
		return
	}
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // the caller has gone
	}
	if hansa.KindOf(err) == hansa.Internal {
		d.log.LogAttrs(r.Context(), slog.LevelError, "a request failed", slog.String("route", one.Pattern), slog.Any("err", err), slog.String("request", id))
	}
	one.fail(w, r, err, id)
}

func (d *doors) pass(one door, w http.ResponseWriter, r *http.Request) error {
	by, err := d.actor(one, w, r)
	if err != nil {
		return err
	}
	if by.Party != "" && strings.HasPrefix(one.Pattern, "/api/") {
		w.Header().Set(api.ZoneHeader, accounts{d.node}.zone(by.Party).String())
	}
	if err := d.node.authorize(r, one.Route, by); err != nil {
		return err
	}
	room := d.quick
	if one.Slow {
		room = d.slow
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a stream has no end; its writes are bounded one by one
	}
	leave, alone, ok := room.enter(by.ID(), by.User != "" || by.May(hansa.RightControl))
	if !ok {
		w.Header().Set("Retry-After", "1")
		if alone {
			return hansa.Errorf(hansa.Busy, "this credential or user has %d requests under way, which is the most", room.each).With(hansa.CodeOverloaded)
		}
		return hansa.Errorf(hansa.Busy, "the exchange answers %d requests at once and all are taken", room.most).With(hansa.CodeOverloaded)
	}
	defer leave()
	if err := bound(one.Route, w, r); err != nil {
		return err
	}
	return one.serve(w, r, by)
}

// bound puts the route's limit on the body, before and after decompression.
func bound(route hansa.Route, w http.ResponseWriter, r *http.Request) error {
	if route.BodyMax == 0 {
		r.Body = http.NoBody
		return nil
	}
	if r.ContentLength > route.BodyMax {
		return hansa.Errorf(hansa.Invalid, "the body has %d bytes, more than %d", r.ContentLength, route.BodyMax).With(hansa.CodeTooLarge)
	}
	raw := http.MaxBytesReader(w, r.Body, route.BodyMax)
	r.Body = raw
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		plain, err := outbound.Decompress(raw, enc, route.BodyMax)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(plain)
		r.ContentLength = -1
	}
	return nil
}

// actor establishes who calls. The administrator's socket is marked in the
// connection's context; it may name the party that it acts for.
func (d *doors) actor(one door, w http.ResponseWriter, r *http.Request) (hansa.Actor, error) {
	if r.Context().Value(adminKey{}) != nil {
		return hansa.Actor{Party: d.node.own, Rights: []hansa.Right{hansa.RightAdmin}}, nil
	}
	if one.Right == hansa.RightConnect {
		return d.participant(w, r)
	}
	by, is, err := d.node.deal.bearer(r)
	if !is {
		by, err = d.node.trust.Authenticate(r.Context(), r)
	}
	if err != nil && r.Header.Get("Authorization") == "" && !strings.HasPrefix(one.Pattern, "/data/") && !d.node.token(r).IsZero() {
		by, err = d.node.person(r) // data goes to programs; a person's session opens the rest
	}
	if err != nil {
		if hansa.Public(err).Code == hansa.CodeUnauthenticated {
			if wait, ok := d.strays.allow(r.RemoteAddr, d.node.wall()); !ok {
				w.Header().Set("Retry-After", seconds(wait))
				return by, hansa.Errorf(hansa.Busy, "too many requests without a valid credential").With(hansa.CodeRateLimited)
			}
			if one.Right == "" {
				return hansa.Actor{}, nil
			}
		}
		return by, err
	}
	if wait, ok := d.node.limiter.Allow(by, 1, d.node.wall()); !ok {
		w.Header().Set("Retry-After", seconds(wait))
		return by, hansa.Errorf(hansa.Busy, "this credential or user may make %d requests a second", d.node.rate()).With(hansa.CodeRateLimited)
	}
	return by, nil
}

// participant establishes which participant of a data space calls a party's door.
func (d *doors) participant(w http.ResponseWriter, r *http.Request) (hansa.Actor, error) {
	own, missing := d.node.deal.Own(r.Context(), r.PathValue("party"))
	if missing != nil { // who is nobody hears no more than that
		own.ID = d.node.own
	}
	caller, err := d.node.deal.identity.Caller(r.Context(), r, own.ID)
	if err != nil {
		if hansa.Public(err).Code == hansa.CodeUnauthenticated {
			if wait, ok := d.strays.allow(r.RemoteAddr, d.node.wall()); !ok {
				w.Header().Set("Retry-After", seconds(wait))
				err = hansa.Errorf(hansa.Busy, "too many requests without a valid credential").With(hansa.CodeRateLimited)
			}
		}
		return hansa.Actor{}, err
	}
	if missing != nil {
		return hansa.Actor{}, missing
	}
	by := hansa.Actor{Party: caller, Credential: "participant:" + string(caller), Rights: []hansa.Right{hansa.RightConnect}}
	if wait, ok := d.node.limiter.Allow(by, 1, d.node.wall()); !ok {
		w.Header().Set("Retry-After", seconds(wait))
		return by, hansa.Errorf(hansa.Busy, "a participant may make %d requests a second", d.node.rate()).With(hansa.CodeRateLimited)
	}
	return by, nil
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// adminKey marks requests that came over the administrator's socket.
type adminKey struct{}

// strangers bounds what one address may ask without a credential.
type strangers struct {
	mu   sync.Mutex // guards seen
	seen map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// strangersMax bounds the addresses remembered; at the limit all are forgotten.
const strangersMax = 10_000

func (s *strangers) allow(address string, now time.Time) (time.Duration, bool) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.seen[host]
	if b == nil {
		if len(s.seen) >= strangersMax {
			clear(s.seen)
		}
		b = &bucket{tokens: anonymousPerSec, at: now}
		s.seen[host] = b
	}
	b.tokens = min(anonymousPerSec, b.tokens+now.Sub(b.at).Seconds()*anonymousPerSec)
	b.at = now
	if b.tokens < 1 {
		return time.Second, false
	}
	b.tokens--
	return 0, true
}

// server is the HTTP server over d, with every timeout set. Connections on which
// nothing was ever asked end with it; net/http would wait five seconds for them.
func (d *doors) server() *http.Server {
	var fresh sync.Map
	s := &http.Server{
		Handler: d, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytesMax,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		ConnState: func(c net.Conn, state http.ConnState) {
			if fresh.Delete(c); state == http.StateNew {
				fresh.Store(c, c.Close)
			}
		},
	}
	s.RegisterOnShutdown(func() {
		fresh.Range(func(_, end any) bool { _ = end.(func() error)(); return true }) //nolint:errcheck,forcetypeassert // ConnState put it there
	})
	return s
}

// listen serves the public address and the administrator's socket until ctx ends,
// then lets what is under way finish for a while.
func (d *doors) listen(ctx context.Context, public net.Listener, cert *tls.Config, socket string) error {
	admin, err := listenUnix(ctx, socket)
	if err != nil {
		return err
	}
	defer os.Remove(socket) //nolint:errcheck // it may be gone already
	open, own := d.server(), d.server()
	own.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return context.WithValue(ctx, adminKey{}, true) }
	own.WriteTimeout = 0 // a backup over the socket may take its time
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	open.BaseContext = func(net.Listener) context.Context { return base }
	own.BaseContext = open.BaseContext
	if cert != nil {
		public = tls.NewListener(public, cert)
	}
	failed := make(chan error, 2)
	go func() { failed <- open.Serve(netutil.LimitListener(public, connectionsMax)) }()
	go func() { failed <- own.Serve(admin) }()
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
	}
	patience, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
	defer done()
	time.AfterFunc(200*time.Millisecond, stop) // streams and long polls end; answers under way finish
	err = errors.Join(open.Shutdown(patience), own.Shutdown(patience))
	if errors.Is(cause, http.ErrServerClosed) {
		cause = nil
	}
	return errors.Join(cause, err)
}

// listenUnix opens the administrator's socket, for its owner alone.
func listenUnix(ctx context.Context, socket string) (net.Listener, error) {
	if len(socket) > 100 {
		return nil, hansa.Errorf(hansa.Invalid, "the data folder's path is too long for a socket: %s", filepath.Dir(socket)).WithHint("use a shorter path")
	}
	_ = os.Remove(socket) // left by a process that was killed; the database's lock says that it is gone
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
