package outbound_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
)

// bad are addresses that must be refused by their text, though any host may be
// called.
var bad = strings.Fields(`
http://example.com/ ftp://example.com/ file:///etc/passwd gopher://example.com/ https://user@example.com/ https://user:pw@example.com/ https://example.com/#x
https://example.com:8443/ https://example.com:22/ https://example.com:/ https:///x https://:443/ https:example.com javascript:alert(1) data:text/plain,x
https://127.0.0.1/ https://127.1/ https://2130706433/ https://0x7f000001/ https://0x7f.0.0.1/ https://0177.0.0.1/ https://017700000001/ https://0/ https://0.0.0.0/
https://10.0.0.1/ https://172.16.0.1/ https://192.168.1.1/ https://169.254.169.254/ https://169.254.169.254/latest/meta-data/ https://100.64.0.1/ https://198.18.0.1/
https://192.0.0.192/ https://240.0.0.1/ https://255.255.255.255/ https://224.0.0.1/ https://8.8.8.8/ https://[::1]/ https://[::]/ https://[::ffff:127.0.0.1]/
https://[::ffff:7f00:1]/ https://[64:ff9b::7f00:1]/ https://[64:ff9b:1::1]/ https://[2002:7f00:1::]/ https://[fe80::1]/ https://[fe80::1%25lo]/ https://[fc00::1]/
https://[fec0::1]/ https://[ff02::1]/ https://[2001:db8::1]/ https://[2001::1]/ https://[3fff::1]/ https://[100::1]/ https://[::127.0.0.1]/
https://localhost/ https://LOCALHOST/ https://localhost./ https://a.localhost/ https://metadata.google.internal/ https://printer.local/ https://intranet/ https://router.lan/
https://host.home.arpa/ https://x.test/ https://x.invalid/ https://hidden.onion/ https://1.0.0.127.in-addr.arpa/ https://box.localdomain/ https://server.corp/
http://127。0。0。1/ https://①②⑦.⓪.⓪.①/ https://ｅxample.com/ https://exa\mple.com/ https://example.com\@evil.example/ https://-x.example.com/ https://x-.example.com/
https://example..com/ https://.example.com/ https://exam!ple.com/ https://example.com/%2f%2fevil https://example.com/a%5cb https://example.com/a%00b https://example.com/../x
https://1.2.3.4.5/ https://example.123/ https://127.0.0.1.nip.123/ //example.com/ example.com https://%31%32%37.0.0.1/
`)

func TestBadAddresses(t *testing.T) {
	c, err := outbound.New(outbound.Config{Any: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(bad) < 81 {
		t.Fatalf("%d bad addresses, want at least 81", len(bad))
	}
	for _, a := range bad {
		if err := c.CheckURL(a); hansa.Public(err) == nil || hansa.Public(err).Code != hansa.CodeAddress {
			t.Errorf("%s was taken (%v)", a, err)
		}
	}
	for _, a := range []string{"https://example.com/", "https://hooks.navika.example.com/a/b?c=d", "https://xn--bcher-kva.example.com:443/"} {
		if err := c.CheckURL(a); err != nil {
			t.Errorf("%s was refused: %v", a, err)
		}
	}
}

func TestRegisteredHosts(t *testing.T) {
	c, err := outbound.New(outbound.Config{Registered: []string{"hooks.example.com"}, PlainHTTP: []string{"old.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	for a, ok := range map[string]bool{
		"https://hooks.example.com/": true, "https://hooks.example.com./": true, "https://other.example.com/": false, "http://hooks.example.com/": false,
		"http://old.example.com/feed": true, "https://evil-hooks.example.com/": false, "https://hooks.example.com.evil.example/": false,
	} {
		if err := c.CheckURL(a); (err == nil) != ok {
			t.Errorf("%s: %v, want allowed %v", a, err, ok)
		}
	}
}

func TestPublic(t *testing.T) {
	for a, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "127.0.0.1": false, "10.1.2.3": false, "100.64.0.1": false, "198.18.0.1": false, "192.0.0.192": false, "0.1.2.3": false, "240.0.0.1": false,
		"::1": false, "::ffff:10.0.0.1": false, "::ffff:8.8.8.8": true, "64:ff9b::808:808": false, "2002:808:808::": false, "fec0::1": false, "fe80::1%eth0": false, "2001:db8::1": false, "3fff::1": false,
	} {
		if got := outbound.Public(netip.MustParseAddr(a)); got != want {
			t.Errorf("Public(%s) = %v, want %v", a, got, want)
		}
	}
	if outbound.Public(netip.Addr{}) {
		t.Error("the zero address is public")
	}
}

// TestRebinding lets a name answer first with a public address and then with ours:
// a check before the call would be fooled, the check at connect is not.
func TestRebinding(t *testing.T) {
	var hits atomic.Int64
	canary, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:443")
	if err != nil {
		t.Skipf("port 443 cannot be listened on here: %v", err)
	}
	defer canary.Close()
	go func() {
		for {
			c, err := canary.Accept()
			if err != nil {
				return
			}
			hits.Add(1)
			_ = c.Close()
		}
	}()
	dns := nameserver(t)
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", dns)
	}}
	control := &net.Dialer{Resolver: resolver, Timeout: time.Second}
	reached := false
	for range 8 {
		if conn, err := control.DialContext(t.Context(), "tcp", "flip.example.com:443"); err == nil {
			_ = conn.Close()
			reached = true
		}
	}
	time.Sleep(50 * time.Millisecond)
	if !reached || hits.Load() == 0 {
		t.Fatal("the control, a dialer without the check, did not reach the canary")
	}
	hits.Store(0)
	c, err := outbound.New(outbound.Config{Any: true, Resolver: resolver})
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		_, err := c.Do(t.Context(), outbound.Request{Method: http.MethodGet, URL: "https://flip.example.com/", Timeout: time.Second})
		if err == nil {
			t.Fatal("a call to our own address succeeded")
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d of 1000 calls reached the canary", n)
	}
}

// nameserver answers every A question with loopback addresses in turn, and AAAA
// with those that embed them.
func nameserver(t *testing.T) string {
	t.Helper()
	pc, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	four := [][]byte{{127, 0, 0, 1}, {169, 254, 169, 254}, {127, 0, 0, 1}}
	six := []string{"::1", "64:ff9b::7f00:1"}
	go func() {
		buf := make([]byte, 512)
		for n := 0; ; n++ {
			k, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			q := buf[:k]
			end := bytes.IndexByte(q[12:], 0) + 12 + 5
			kind := binary.BigEndian.Uint16(q[end-4:])
			data := four[n%len(four)]
			if kind == 28 {
				a := netip.MustParseAddr(six[n%len(six)]).As16()
				data = a[:]
			}
			ans := append([]byte{q[0], q[1], 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0}, q[12:end]...)
			ans = append(ans, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(data)))
			_, _ = pc.WriteTo(append(ans, data...), from)
		}
	}()
	return pc.LocalAddr().String()
}

func allowing(t *testing.T, h http.HandlerFunc) (*outbound.Client, string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := outbound.New(outbound.Config{Allow: []string{s.Listener.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	return c, s.URL
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	followed := false
	c, at := allowing(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/secret" {
			followed = true
		}
		http.Redirect(w, r, "/secret", http.StatusFound)
	})
	a, err := c.Do(t.Context(), outbound.Request{Method: http.MethodGet, URL: at + "/"})
	if err != nil || a.Status != http.StatusFound || followed {
		t.Errorf("status %v (%v), followed %v; want the redirect itself", a, err, followed)
	}
}

func TestLimits(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	chunk := make([]byte, 1<<20)
	for range 200 {
		if _, err := z.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	c, at := allowing(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		case "/stacked":
			w.Header().Set("Content-Encoding", "gzip, gzip")
			_, _ = w.Write(bomb.Bytes())
		case "/large":
			_, _ = w.Write(make([]byte, 2<<20))
		case "/slow":
			<-r.Context().Done()
		}
	})
	for path, want := range map[string]hansa.Code{"/bomb": hansa.CodeTooLarge, "/stacked": hansa.CodeSyntax, "/large": hansa.CodeTooLarge} {
		_, err := c.Do(t.Context(), outbound.Request{Method: http.MethodGet, URL: at + path})
		if e := hansa.Public(err); e == nil || e.Code != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	s, err := c.Stream(t.Context(), outbound.Request{Method: http.MethodGet, URL: at + "/bomb"})
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, s.Body)
	_ = s.Body.Close()
	if err == nil || n > 32<<20 {
		t.Errorf("a streamed bomb gave %d bytes and %v", n, err)
	}
	_, err = c.Do(t.Context(), outbound.Request{Method: http.MethodGet, URL: at + "/slow", Timeout: 100 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a slow server: %v, want a time-out", err)
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, a := range bad {
		f.Add(a)
	}
	c, err := outbound.New(outbound.Config{Registered: []string{"hooks.example.com"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c.CheckURL(s) != nil {
			return
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s, nil)
		if err != nil {
			return
		}
		if h := strings.ToLower(strings.TrimSuffix(req.URL.Hostname(), ".")); h != "hooks.example.com" || req.URL.Scheme != "https" {
			t.Errorf("%q was taken and would call %s://%s", s, req.URL.Scheme, h)
		}
	})
}
