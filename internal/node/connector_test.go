package node

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// TestConnector plays the story of two nodes that deal by the protocol alone.
func TestConnector(t *testing.T) {
	steps, err := RehearseConnector(t.Context(), "test", func(s Step) {
		if !s.OK {
			t.Errorf("%s: %s", s.Name, s.Detail)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) != 13 {
		t.Errorf("%d steps were played, want 13", len(steps))
	}
}

// TestConnectorControl: what the story looks for is found when it is there, and
// missed when it is not; a token that was never given opens nothing.
func TestConnectorControl(t *testing.T) {
	s := &connectorStory{dir: t.TempDir(), version: "test"}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	for _, do := range []func(context.Context) (string, error){s.begin, s.offers, s.finds, s.waits, s.agrees, s.streams, s.arrives} {
		if _, err := do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.company.lacks(t.Context(), storyDataset, s.closures[0]); err == nil {
		t.Error("a closure that arrived is called absent")
	}
	short, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if _, err := s.company.has(short, storyDataset, "nothing", func(*cameIn) bool { return true }); err == nil {
		t.Error("a record that is nowhere is called arrived")
	}
	if _, err := s.inspects(t.Context()); err != nil {
		t.Error(err)
	}
	s.token = "hdt_never-given"
	if status, err := s.opens(t.Context()); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a token that was never given is answered %d, %v", status, err)
	}
	s.heard, s.given = s.given, s.heard
	if _, err := s.inspects(t.Context()); err == nil {
		t.Error("the books of two processes are called alike")
	}
}
