package node

import (
	"context"
	"crypto/tls"
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
func Serve(ctx context.Context, f *File, version string, log *slog.Logger) (*Node, error) {
	cfg := Config{Data: f.Data, Origin: f.origin(), PublicURL: f.PublicURL, Version: version, Own: f.Own(), Log: log}
	cfg.Outbound = outbound.Config{Registered: f.Hosts, Allow: f.Allow, PlainHTTP: f.PlainHTTP}
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
	if f.TLS.Cert != "" {
		cert, err := tls.LoadX509KeyPair(f.TLS.Cert, f.TLS.Key)
		if err != nil {
			return nil, err
		}
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	var err error
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
