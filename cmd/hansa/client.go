package main

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
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// answerBytesMax bounds what is read of one answer that is not a stream.
const answerBytesMax = 64 << 20

// client talks to one node.
type client struct {
	http  *http.Client
	base  string // without a slash at the end
	name  string // as people know it
	token string
	clock func(*time.Location) // hears in which zone the caller's party lives; may be nil
}

// connect finds the node: --node, HANSA_NODE, the context in use, or the node
// that runs on this machine for this user.
func (g *globals) connect(p *printer) (*client, error) {
	if g.client != nil {
		return g.client, nil // the token was read already
	}
	node, tokenFile, ca := g.Node, g.TokenFile, g.CA
	if node == "" {
		c, err := currentContext()
		if err != nil {
			return nil, err
		}
		if c != nil {
			node = c.Node
			tokenFile, ca = first(tokenFile, c.TokenFile), first(ca, c.CA)
		}
	}
	if node == "" {
		socket, err := os.ReadFile(pointerFile())
		if err != nil {
			return nil, &failure{exit: exitConnection, code: "connection", message: "No node runs on this machine, and none was named.", hint: "hansa demo        # or: hansa context add NAME --node URL --token-file FILE"}
		}
		node = "unix:" + strings.TrimSpace(string(socket))
	}
	token, err := g.token(p.in, tokenFile)
	if err != nil {
		return nil, err
	}
	c, err := dial(node, token, ca)
	if err == nil && !g.UTC {
		c.clock = func(z *time.Location) { p.zone = z }
	}
	g.client = c
	return c, err
}

// learn makes the printer know the city's zone, if one of these times is told by its
// clock: as 22:30, or a date without an offset.
func (g *globals) learn(ctx context.Context, p *printer, times ...string) error {
	for _, s := range times {
		_, err := time.Parse(time.RFC3339, s)
		if s == "" || strings.HasPrefix(s, "+") || err == nil {
			continue
		}
		c, err := g.connect(p)
		if err != nil {
			return err
		}
		var who api.WhoBody
		if err := c.do(ctx, "GET", "/api/v1/whoami", nil, &who); err != nil && unreached(err) {
			return err
		}
		return nil
	}
	return nil
}

func unreached(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.exit == exitConnection
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// dial makes a client for a URL or unix:PATH.
func dial(node, token, ca string) (*client, error) {
	transport := &http.Transport{
		ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 16, ResponseHeaderTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}
	c := &client{http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, token: token, name: node}
	if path, ok := strings.CutPrefix(node, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", path)
		}
		c.base = "http://hansa.local"
		return c, nil
	}
	u, err := url.Parse(node)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, &failure{exit: exitUsage, code: "node", message: fmt.Sprintf("%q is no node: give a URL, or unix:PATH.", node), hint: "hansa closures --node https://hansa.example"}
	}
	if u.Scheme == "http" && token != "" && !loopback(u.Hostname()) {
		return nil, &failure{exit: exitUsage, code: "node", message: "A token is never sent over plain http to another machine.", hint: "hansa doctor --node https://" + u.Host}
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, &failure{exit: exitUsage, code: "ca", message: ca + " holds no certificate in PEM form."}
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	c.base = strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/")
	return c, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// pointerFile names the socket of the node that runs on this machine for this
// user. It lies in a folder that only the user can enter.
func pointerFile() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "hansa-"+strconv.Itoa(os.Getuid()))
	} else {
		dir = filepath.Join(dir, "hansa")
	}
	return filepath.Join(dir, "node")
}

// request sends one request; the caller closes the body of the answer. An answer
// that is no success becomes a failure.
func (c *client) request(ctx context.Context, method, path, contentType string, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, unreachable(c.name, err)
	}
	if z, err := time.LoadLocation(res.Header.Get(api.ZoneHeader)); err == nil && c.clock != nil && res.Header.Get(api.ZoneHeader) != "" {
		c.clock(z)
	}
	if res.StatusCode >= 300 && res.StatusCode != http.StatusNotModified {
		defer res.Body.Close()
		b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if err != nil {
			return nil, unreachable(c.name, err)
		}
		var doc api.ErrorDocument
		if json.Unmarshal(b, &doc) != nil || doc.Error.Message == "" {
			if res.StatusCode == http.StatusUnprocessableEntity && len(b) > 0 && b[0] == '{' {
				return nil, &refusedBody{body: b}
			}
			doc.Error = api.ErrorBody{Kind: "internal", Code: "http", Message: fmt.Sprintf("%s answered %s", c.name, res.Status)}
		}
		return nil, answered(res.StatusCode, doc.Error)
	}
	return res, nil
}

// refusedBody is a 422 whose body is the answer itself: every record refused.
type refusedBody struct{ body []byte }

func (*refusedBody) Error() string { return "every record was refused" }

// do sends in as JSON (nil for none) and reads the answer into out (nil for none).
func (c *client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	contentType := ""
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body, contentType = bytes.NewReader(b), "application/json"
	}
	res, err := c.request(ctx, method, path, contentType, body, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return c.read(res, out)
}

func (c *client) read(res *http.Response, out any) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, answerBytesMax+1))
	if err != nil {
		return unreachable(c.name, err)
	}
	if len(b) > answerBytesMax {
		return errors.New("the answer is larger than this command reads; narrow the question")
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return &failure{exit: exitConnection, code: "answer", message: sentence(fmt.Sprintf("%s answered something that is not the exchange's: %s", c.name, words.Misread(err))), hint: "hansa doctor --node " + c.name}
	}
	return nil
}
