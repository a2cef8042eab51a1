package node

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
)

// tls says how the node shows who it is; nil is plain HTTP.
func (f *File) tls(log *slog.Logger) (*tls.Config, error) {
	if f.TLS.ACME.Accept {
		u, err := url.Parse(f.PublicURL)
		if err != nil {
			return nil, err
		}
		m := &autocert.Manager{Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(f.Data, "acme")), HostPolicy: autocert.HostWhitelist(u.Hostname()), Email: f.TLS.ACME.Contact}
		if f.TLS.ACME.Directory != "" {
			m.Client = &acme.Client{DirectoryURL: f.TLS.ACME.Directory}
		}
		c := m.TLSConfig()
		c.MinVersion = tls.VersionTLS12
		return c, nil
	}
	if f.TLS.Cert == "" {
		return nil, nil //nolint:nilnil // none is an answer
	}
	k := &keeper{cert: f.TLS.Cert, key: f.TLS.Key, log: log}
	if err := k.read(); err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "the TLS certificate cannot be used: %w", err).At("tls")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: k.get}, nil
}

// keeper reads a certificate anew when its file has changed: whoever renews it need
// not restart the node. One that cannot be read leaves the old one in use.
type keeper struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex // guards all below
	now    *tls.Certificate
	mark   time.Time // of the certificate's file
	looked time.Time
}

// keeperEvery is how often the certificate's file is looked at.
const keeperEvery = 10 * time.Second

func (k *keeper) read() error {
	info, err := os.Stat(k.cert)
	if err != nil {
		return err
	}
	c, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err != nil {
		return err
	}
	k.now, k.mark = &c, info.ModTime()
	return nil
}

func (k *keeper) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := time.Now(); t.Sub(k.looked) > keeperEvery {
		k.looked = t
		if info, err := os.Stat(k.cert); err != nil || !info.ModTime().Equal(k.mark) {
			if err := k.read(); err != nil {
				k.log.Error("the TLS certificate cannot be read again; the old one stays in use", slog.Any("err", err))
			}
		}
	}
	return k.now, nil
}

// Reload takes what a changed configuration says: who may be called, parties,
// credentials, datasets and flows. What needs a restart is refused by name, and
// then nothing is taken.
func (n *Node) Reload(ctx context.Context, was, now *File) error {
	for _, x := range []struct{ name, was, now string }{
		{"listen", was.Listen, now.Listen},
		{"public_url", was.PublicURL, now.PublicURL},
		{"data", was.Data, now.Data},
		{"origin", was.origin(), now.origin()},
		{"party_id", string(was.Own()), string(now.Own())},
		{"tls.cert", was.TLS.Cert, now.TLS.Cert},
		{"tls.key", was.TLS.Key, now.TLS.Key},
		{"ca", was.CA, now.CA},
		{"proxy", was.Proxy, now.Proxy},
		{"places", was.Places, now.Places},
		{"sign_in.oidc", was.SignIn.OIDC.Issuer + " " + was.SignIn.OIDC.ClientID, now.SignIn.OIDC.Issuer + " " + now.SignIn.OIDC.ClientID},
		{"telemetry.endpoint", was.Telemetry.Endpoint, now.Telemetry.Endpoint},
	} {
		if x.was != x.now {
			return hansa.Fielded(x.name, "the setting %s is taken at a restart alone", x.name).WithHint("restart the node")
		}
	}
	setup, err := now.Setup(time.Now())
	if err != nil {
		return err
	}
	if err := n.client.Reconfigure(outbound.Config{Registered: now.hosts(), Allow: now.allow(), PlainHTTP: now.PlainHTTP}); err != nil {
		return err
	}
	return n.Apply(ctx, setup)
}
