package node

import (
	"testing"
)

// TestOwnCity plays the story of a city that sets itself up.
func TestOwnCity(t *testing.T) {
	steps, err := RehearseOwnCity(t.Context(), "test", func(s Step) {
		if !s.OK {
			t.Errorf("%s: %s", s.Name, s.Detail)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) != 15 {
		t.Errorf("%d steps were played, want 15", len(steps))
	}
}
