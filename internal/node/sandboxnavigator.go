package node

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/node/demo"
)

// NavigatorConfig says what a simulated navigator reads, and how.
type NavigatorConfig struct {
	Exchange string       // base URL of the city's node
	Flow     string       // id or name
	Token    string       // of the flow's receiver
	By       string       // poll, stream or webhook
	Format   hansa.Format // in which it takes closures
	Purpose  hansa.Purpose
	Listen   string        // host:port of loopback, for its list and its webhook
	Listener net.Listener  // in place of Listen
	Lag      time.Duration // from having a closure to showing it
	Every    time.Duration // between two polls
	Quiet    bool          // send no receipts; the list speaks (poll alone)
	Client   *http.Client
}

// Navigate plays a navigator until ctx ends: a receiver of the demonstration, alone.
// ready hears its address; tell hears what it shows, and what fails.
func Navigate(ctx context.Context, cfg *NavigatorConfig, ready, tell func(string)) error {
	manner := map[string]demo.Manner{"poll": demo.Slow, "stream": demo.Picky, "webhook": demo.Prompt}[cfg.By]
	if cfg.Quiet {
		if manner != demo.Slow {
			return hansa.Fielded("--list-only", "a navigator by %s sends receipts; one that polls may leave them out", cfg.By)
		}
		manner = demo.Listing
	}
	began := time.Now()
	r := demo.NewReceiver(demo.Cast{Name: "navigator", Title: "Navigator", Manner: manner, Format: cfg.Format, Purpose: cfg.Purpose, Lag: cfg.Lag, Every: cfg.Every}, demo.Stage{
		Exchange: cfg.Exchange, Flow: cfg.Flow, Token: cfg.Token, Now: func() time.Time { return began.Add(time.Since(began)) }, Factor: func() float64 { return 1 }, Client: cfg.Client, Tell: tell,
	})
	if cfg.Listener == nil {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
		if err != nil {
			return err
		}
		cfg.Listener = ln
	}
	r.Use(cfg.Listener)
	ready("http://" + cfg.Listener.Addr().String())
	return r.Run(ctx)
}
