package node

import (
	"context"
	"net"
	"net/url"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/node/conform"
)

// ConformReport is a whole run of checks.
type ConformReport = conform.Report

// ConformCheck is one clause of the protocol, held against a connector.
type ConformCheck = conform.Check

// ConformOrder says which connector is held against the protocol, and how.
type ConformOrder struct {
	URL      string // its base address, or the root that its version document is under
	Token    string // a bearer token that it knows; empty is none
	Callback string // host:port at which it reaches this machine; empty is loopback
	Wait     time.Duration
	Made     func(ConformCheck) // told of each check; nil is nobody
}

// Conform drives a connector of any maker as another one would, and reports which
// clauses of the protocol it keeps.
func Conform(ctx context.Context, o ConformOrder) (*ConformReport, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, hansa.Fielded("/url", "%q is no address of a connector", o.URL).WithHint("https://connector.example/dsp/2025-1")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	client, err := outbound.New(outbound.Config{Any: true, Allow: []string{net.JoinHostPort(u.Hostname(), port)}})
	if err != nil {
		return nil, err
	}
	at := o.Callback
	if at == "" {
		at = "127.0.0.1:0"
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at)
	if err != nil {
		return nil, hansa.Fielded("/callback", "cannot listen on %s: %w", at, err)
	}
	if o.Callback == "" {
		at = ln.Addr().String()
	}
	return conform.Run(ctx, conform.Config{
		URL: u.String(), Token: o.Token, Client: client, Listener: ln, Callback: "http://" + at, Wait: o.Wait, Made: o.Made,
		ID: func() string { return hansa.NewID(time.Now()) },
	})
}
