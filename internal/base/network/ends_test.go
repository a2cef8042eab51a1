package network_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
)

// TestMatchEnds: two places on a road are its stretch between them, in the direction
// from the first to the second, however the road bends.
func TestMatchEnds(t *testing.T) {
	n, err := network.New(borough())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		from, to hansa.Position
		want     string
	}{
		{"round a bend", meters(20, 610), meters(290, 890), "a 10-467"},
		{"the same, back", meters(290, 890), meters(20, 610), "a 467-10"},
		{"a tube", meters(7, 20), meters(7, 280), "t-n 20-280"},
		{"the other tube, by its direction alone", meters(0, 280), meters(0, 20), "t-s 320-580"},
		{"on no one road", meters(20, 610), meters(680, 900), "no road of the network passes"},
		{"off the map", meters(5000, 5000), meters(5100, 5000), "no road of the network passes"},
		{"the same place twice", meters(7, 20), meters(7, 20), "no road of the network passes"},
	} {
		m, err := n.MatchEnds(c.from, c.to)
		if err != nil {
			if hansa.KindOf(err) != hansa.NotFound || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", c.name, err, c.want)
			}
			continue
		}
		if got := fmt.Sprintf("%s %.0f-%.0f", m.Spans[0].Place.ID, m.Spans[0].From, m.Spans[0].To); len(m.Spans) != 1 || got != c.want {
			t.Errorf("%s: %s of %d spans, want %s", c.name, got, len(m.Spans), c.want)
		}
	}
	ring := []hansa.Place{{ID: "ring", Name: "Ring", Kind: "road", Direction: hansa.OneDirection, Geometry: line(meters(0, 0), meters(400, 400), meters(800, 0))}}
	if n, err = network.New(ring); err != nil {
		t.Fatal(err)
	}
	if _, err := n.MatchEnds(meters(780, 20), meters(20, 20)); err == nil || !strings.Contains(err.Error(), "against Ring") {
		t.Errorf("against a one-way road: %v", err)
	}
}

func TestOverlap(t *testing.T) {
	road := line(meters(0, 0), meters(0, 500))
	for _, c := range []struct {
		name string
		with *hansa.Geometry
		want bool
	}{
		{"a part of it", line(meters(2, 100), meters(2, 200)), true},
		{"one that holds it", line(meters(0, -300), meters(0, 900)), true},
		{"one across", line(meters(-200, 250), meters(200, 250)), false},
		{"one beside", line(meters(40, 0), meters(40, 500)), false},
		{"one that goes on from its end", line(meters(0, 500), meters(0, 900)), false},
		{"nothing", nil, false},
	} {
		if got := network.Overlap(road, c.with); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
