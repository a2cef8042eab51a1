package node

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// DatabaseName is the database's file in a data folder.
const DatabaseName = databaseName

// Serve opens the node that a configuration describes and applies what it says.
func Serve(ctx context.Context, f *File, version string, log *slog.Logger) (_ *Node, err error) {
	cfg := Config{Data: f.Data, Origin: f.origin(), PublicURL: f.PublicURL, Version: version, Own: f.Own(), RequestsPerSecond: f.Limits.RequestsPerSecond, CrawlEvery: time.Duration(f.Catalogue.Every), BackupsKept: time.Duration(f.BackupsKept), Log: log, TrustedProxy: f.TrustedProxy}
	cfg.Traces = f.traces()
	cfg.Outbound = outbound.Config{Registered: f.hosts(), Allow: f.allow(), PlainHTTP: f.PlainHTTP}
	if f.CA != "" {
		pool, err := certificates(f.CA)
		if err != nil {
			return nil, err
		}
		cfg.Outbound.Roots = pool
	}
	if f.Proxy != "" {
		u, err := url.Parse(f.Proxy)
		if err != nil {
			return nil, err
		}
		cfg.Outbound.Proxy = u
	}
	if cfg.TLS, err = f.tls(log); err != nil {
		return nil, err
	}
	if cfg.OIDC, err = f.oidc(); err != nil {
		return nil, err
	}
	if cfg.Feeds, err = f.feeds(); err != nil {
		return nil, err
	}
	setup, err := f.Setup(time.Now())
	if err != nil {
		return nil, err
	}
	cfg.PlacesFile = f.Places
	n, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := n.checkTail(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if err := n.Apply(ctx, setup); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if err := n.keyed(ctx, f.Listen); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// keyed is an error when others can reach the node and nobody holds a key to it: an
// exchange that nobody can sign in to is a mistake in its setting up.
func (n *Node) keyed(ctx context.Context, listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil || isLoopback(host) {
		return err
	}
	n.mu.RLock()
	parties := slices.Collect(maps.Keys(n.parties))
	n.mu.RUnlock()
	for _, p := range parties {
		users, err := n.trust.Users(ctx, p)
		if err != nil {
			return err
		}
		keys, err := n.trust.Credentials(ctx, p)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(users, func(u trust.User) bool { return u.Revoked.IsZero() }) || slices.ContainsFunc(keys, func(c trust.Credential) bool { return c.Revoked.IsZero() }) {
			return nil
		}
	}
	return hansa.Fielded("listen", "%s can be reached by others, and this node has no user and no credential", listen).WithHint("begin on 127.0.0.1: hansa users add NAME --role administrator")
}
