// Package outbound is the one client for all calls out. It calls registered hosts
// over https, at addresses that are public when the connection is made; it follows
// no redirect, heeds no proxy variable, and reads no more than it was told to. An
// explicit host:port list stands for the demo, tests and single-host cities.
package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Limits of a call.
const (
	AnswerMax      = 1 << 20   // bytes of an answer, when a request names no limit
	StreamMax      = 512 << 20 // bytes of a streamed answer, after decompression
	connectTimeout = 5 * time.Second
	defaultTimeout = 10 * time.Second
	headerMax      = 64 << 10
	urlBytesMax    = 2048
)

// Config says who may be called. The zero Config lets nobody be called.
type Config struct {
	// Registered are the hosts that may be called over https on port 443. Any lets
	// every public host be called.
	Registered []string
	Any        bool
	// Allow lists host:port that may be called by http or https whatever its
	// address.
	Allow []string
	// PlainHTTP lists hosts of sources that the operator named though they have no
	// TLS; their address must be public.
	PlainHTTP []string
	// Roots are the certificate authorities; nil is the system's.
	Roots *x509.CertPool
	// Proxy is a forward proxy that the operator named; the rules on hosts hold.
	Proxy *url.URL
	// Resolver is for tests; nil is the system's.
	Resolver *net.Resolver
}

// Client makes calls out. It may be used by many at once.
type Client struct {
	cfg  Config
	http *http.Client
	long *http.Client // for answers that take their time: they leave room for the others

	mu    sync.RWMutex    // guards hosts
	hosts map[string]bool // registered since the client was made
}

// HostsMax bounds the hosts that are registered while the node runs.
const HostsMax = 10_000

// Register lets a public host be called over https on port 443 from now on. A name
// that is no host's is refused.
func (c *Client) Register(host string) error {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if err := checkName(host); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.hosts) >= HostsMax {
		return hansa.Errorf(hansa.Busy, "at most %d hosts are registered", HostsMax)
	}
	if c.hosts == nil {
		c.hosts = map[string]bool{}
	}
	c.hosts[host] = true
	return nil
}

// Reconfigure replaces the lists of who may be called by those of cfg; the rest of
// cfg is as the client was made.
func (c *Client) Reconfigure(cfg Config) error {
	for _, a := range cfg.Allow {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return hansa.Fielded("allow", "an allowed address is host:port, not %q", a)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg.Registered, c.cfg.Allow, c.cfg.PlainHTTP = cfg.Registered, cfg.Allow, cfg.PlainHTTP
	return nil
}

func (c *Client) plain(host string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Contains(c.cfg.PlainHTTP, host)
}

func (c *Client) registered(host string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.cfg.Any || c.hosts[host] || slices.Contains(c.cfg.Registered, host) || slices.Contains(c.cfg.PlainHTTP, host)
}

// Request is one call.
type Request struct {
	Method    string
	URL       string
	Header    http.Header
	Body      []byte
	AnswerMax int64         // bytes after decompression; 0 is [AnswerMax]
	Timeout   time.Duration // of the whole call; 0 is 10 s
	Long      bool          // the answer may hang: a long poll
}

// Answer is a whole answer, decompressed.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// StreamAnswer is an answer that is read as it comes; close Body.
type StreamAnswer struct {
	Status int
	Header http.Header
	Body   io.ReadCloser
}

// New returns a client for what cfg allows.
func New(cfg Config) (*Client, error) {
	for _, a := range cfg.Allow {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return nil, hansa.Fielded("allow", "an allowed address is host:port, not %q", a)
		}
	}
	c := &Client{cfg: cfg}
	c.http, c.long = c.calls(connsMax), c.calls(longMax)
	return c, nil
}

// The connections to one host, for calls that are answered at once, and for those
// that hang: streams and long polls.
const (
	connsMax = 64
	longMax  = 4096
)

func (c *Client) calls(conns int) *http.Client {
	t := &http.Transport{
		Proxy: nil, DisableCompression: true, DialContext: c.dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: connectTimeout,
		ResponseHeaderTimeout: 60 * time.Second, MaxResponseHeaderBytes: headerMax, MaxIdleConns: 256, MaxIdleConnsPerHost: 64, MaxConnsPerHost: conns, IdleConnTimeout: 30 * time.Second,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.cfg.Roots},
	}
	if c.cfg.Proxy != nil {
		t.Proxy = http.ProxyURL(c.cfg.Proxy)
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func refused(format string, args ...any) error {
	return hansa.Errorf(hansa.Denied, format, args...).With(hansa.CodeAddress)
}

// CheckURL reports why a URL may not be called; nil when it may, as far as its
// text tells. The address is checked when the connection is made.
func (c *Client) CheckURL(s string) error {
	_, err := c.parse(s)
	return err
}

// parse checks the text of a URL.
func (c *Client) parse(s string) (*url.URL, error) {
	if len(s) > urlBytesMax {
		return nil, refused("an address has at most %d bytes", urlBytesMax)
	}
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || r == '\\' {
			return nil, refused("an address is plain ASCII without spaces or backslashes")
		}
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, refused("%q is no address", s)
	}
	path := strings.ToLower(u.EscapedPath())
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, refused("an address begins with https://, not %q", u.Scheme)
	case u.User != nil:
		return nil, refused("an address holds no user or password")
	case u.Fragment != "" || strings.Contains(s, "#"):
		return nil, refused("an address has no fragment")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, refused("the address %q names no host", s)
	case strings.HasSuffix(u.Host, ":"):
		return nil, refused("the address names an empty port")
	case strings.Contains(path, "%2f") || strings.Contains(path, "%5c") || strings.Contains(path, "%00") || strings.Contains(path, "/.."):
		return nil, refused("the path holds an encoded separator or leads upwards")
	}
	return u, c.checkHost(u)
}

// checkHost says whether the host may be called at all.
func (c *Client) checkHost(u *url.URL) error {
	if c.allowed(hostPort(u)) {
		return nil
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if u.Scheme == "http" && !c.plain(host) {
		named := fmt.Sprintf("plain_http = [%q]", host)
		if p := u.Port(); p != "" && p != "80" { // which allow alone lets through
			named = fmt.Sprintf("allow = [%q]", hostPort(u))
		}
		return hansa.Errorf(hansa.Denied, "%s is called over https: no setting names it as a source without TLS", host).With(hansa.CodeAddress).WithHint("let the node's operator add " + named + " to hansa.toml: docs/formats/configuration.md")
	}
	if p := u.Port(); p != "" && (p != "443" || u.Scheme != "https") && (p != "80" || u.Scheme != "http") {
		return refused("port %s is not allowed; 443 is", p)
	}
	if err := checkName(host); err != nil {
		return err
	}
	if !c.registered(host) {
		return hansa.Errorf(hansa.Denied, "the host %s is not registered", host).With(hansa.CodeAddress).WithHint("let the node's operator add it: to the party by hansa parties change NAME --host " + host + ", or to hosts in the configuration")
	}
	return nil
}

// checkName refuses names that are no public host's.
func checkName(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return refused("an address names a host, not an IP address")
	}
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	if len(labels) < 2 || last == "" {
		return refused("%q is no public host name", host)
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.HasPrefix(l, "-") || strings.HasSuffix(l, "-") || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return refused("%q is no host name", host)
		}
	}
	if last[0] >= '0' && last[0] <= '9' {
		return refused("%q is a number, not a host name", host)
	}
	for _, special := range specialNames {
		if last == special || strings.HasSuffix(host, "."+special) {
			return refused("%q is a special-use name", host)
		}
	}
	return nil
}

// specialNames never name a public host (IANA special-use domain names, and those
// that networks use for themselves).
var specialNames = []string{"localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "test", "invalid", "onion", "home.arpa", "in-addr.arpa", "ip6.arpa", "localdomain"}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

func (c *Client) allowed(hostport string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Contains(c.cfg.Allow, hostport)
}

// dial connects. The address is checked after the name was resolved, for each
// attempt: there is no gap for another answer.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: connectTimeout, Resolver: c.cfg.Resolver}
	if !c.allowed(address) && !c.proxied(address) {
		d.ControlContext = func(_ context.Context, network, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || network != "tcp4" && network != "tcp6" || !Public(ap.Addr()) {
				return refused("the address %s is not a public one", address)
			}
			return nil
		}
	}
	return d.DialContext(ctx, network, address)
}

func (c *Client) proxied(address string) bool {
	return c.cfg.Proxy != nil && address == hostPort(c.cfg.Proxy)
}

// Do makes a call and reads its answer, up to its limit.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	limit := r.AnswerMax
	if limit == 0 {
		limit = AnswerMax
	}
	calls := c.http
	if r.Long {
		calls = c.long
	}
	s, err := c.stream(ctx, calls, r, limit)
	if err != nil {
		return nil, err
	}
	defer s.Body.Close()
	b, err := io.ReadAll(s.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return &Answer{Status: s.Status, Header: s.Header, Body: b}, nil
}

// Stream makes a call whose answer is read as it comes, up to its limit, within
// ctx. A read past the limit is an error, not a short answer.
func (c *Client) Stream(ctx context.Context, r Request) (*StreamAnswer, error) {
	limit := r.AnswerMax
	if limit == 0 {
		limit = StreamMax
	}
	return c.stream(ctx, c.long, r, limit)
}

func (c *Client) stream(ctx context.Context, calls *http.Client, r Request, limit int64) (*StreamAnswer, error) {
	u, err := c.parse(r.URL)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, r.Header)
	req.Header.Set("User-Agent", "hansa")
	if req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	res, err := calls.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*hansa.Error](err); ok {
			return nil, e
		}
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, err
	}
	body, err := Decompress(res.Body, res.Header.Get("Content-Encoding"), limit)
	if err != nil {
		return nil, errors.Join(err, res.Body.Close())
	}
	return &StreamAnswer{Status: res.StatusCode, Header: res.Header, Body: &closing{Reader: body, under: res.Body}}, nil
}

// closing reads from one and closes the other.
type closing struct {
	io.Reader
	under io.Closer
}

func (c *closing) Close() error { return c.under.Close() }
