package node_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa/internal/node"
)

// TestRehearsal plays the story of a closure on a real node with six receivers
// over real sockets, and wants every step to be as it should.
func TestRehearsal(t *testing.T) {
	d, err := node.OpenDemo(t.Context(), node.DemoConfig{Factor: 20, Start: time.Date(2023, 7, 16, 20, 0, 0, 0, time.UTC), Version: "test", Quiet: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	steps := d.Rehearse(ctx, func(node.Step) {})
	stop()
	if err := <-done; err != nil {
		t.Errorf("the node ended with %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if len(steps) < 10 {
		t.Errorf("%d steps, want at least 10", len(steps))
	}
	for _, s := range steps {
		if !s.OK {
			t.Errorf("%s: %s", s.Name, s.Detail)
		}
	}
}
