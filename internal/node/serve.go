package node

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// DatabaseName is the database's file in a data folder.
const DatabaseName = databaseName

// Serve opens the node that a configuration describes and applies what it says.
func Serve(ctx context.Context, f *File, version string, log *slog.Logger) (_ *Node, err error) {
	cfg := Config{Data: f.Data, Origin: f.origin(), PublicURL: f.PublicURL, Version: version, Own: f.Own(), RequestsPerSecond: f.Limits.RequestsPerSecond, Log: log, TrustedProxy: f.TrustedProxy}
	cfg.Outbound = outbound.Config{Registered: f.hosts(), Allow: f.Allow, PlainHTTP: f.PlainHTTP}
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
	if places := setup.Places[f.Own()]; len(places) > 0 {
		d := room.DrawPlaces(places)
		cfg.Drawing = &d
	}
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
	return n, nil
}
