package network

import (
	"math"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// Limits of a drawn line.
const (
	LinePointsMax = 2000
	LineMetresMax = 40_000.0
)

// ParseLine reads a line as people type it: longitude,latitude of each place, a
// space between two, in degrees (WGS 84), in the direction of travel.
func ParseLine(s string) ([]hansa.Position, error) {
	fields := strings.Fields(s)
	line := make([]hansa.Position, 0, min(len(fields), LinePointsMax))
	for i, f := range fields {
		lon, lat, ok := strings.Cut(f, ",")
		x, errX := strconv.ParseFloat(lon, 64)
		y, errY := strconv.ParseFloat(lat, 64)
		if !ok || errX != nil || errY != nil {
			return nil, hansa.Fielded("/line/"+strconv.Itoa(i), "a place is LON,LAT in degrees, such as 4.90123,52.37512, not %.60q", f)
		}
		if line = append(line, hansa.Position{x, y}); len(line) > LinePointsMax {
			break
		}
	}
	return line, nil
}

// CheckLine is Invalid unless a line can be one of this network's city: two places
// or more, on the globe, not too long, and not with latitude first. box is where the
// network lies; the zero box is anywhere.
func (n *Network) CheckLine(line []hansa.Position) error {
	if len(line) < 2 || len(line) > LinePointsMax {
		return hansa.Fielded("/line", "a line has 2 to %d places, not %d", LinePointsMax, len(line))
	}
	length := 0.0
	for i, p := range line {
		at := "/line/" + strconv.Itoa(i)
		if math.IsNaN(p[0]) || math.IsNaN(p[1]) || math.Abs(p[0]) > 180 || math.Abs(p[1]) > 90 {
			return hansa.Fielded(at, "%s is not on the globe: longitude first, -180 to 180, then latitude, -90 to 90", spoken(p))
		}
		if n != nil && !n.near50km(p) {
			if n.near50km(hansa.Position{p[1], p[0]}) {
				return hansa.Fielded(at, "%s has latitude first; write longitude first: %s", spoken(p), spoken(hansa.Position{p[1], p[0]}))
			}
			return hansa.Fielded(at, "%s lies far from every road of this network", spoken(p))
		}
		if i > 0 {
			f := planeAt(p)
			length += f.at(line[i-1]).to(f.at(p))
		}
	}
	if length > LineMetresMax {
		return hansa.Fielded("/line", "a line is at most %.0f km long, not %.0f", LineMetresMax/1000, length/1000)
	}
	if length < 1 {
		return hansa.Fielded("/line", "the line is shorter than a metre")
	}
	return nil
}

// Around is where records of this city lie, with half a degree around it: west,
// south, east, north. Nil when nothing is known.
func (n *Network) Around() *[4]float64 {
	low, high, ok := n.box()
	if !ok {
		return nil
	}
	return &[4]float64{low[0] - margin, low[1] - margin, high[0] + margin, high[1] + margin}
}

// margin is in degrees: some 50 km.
const margin = 0.5

// near50km reports whether a position is within about half a degree of the network.
func (n *Network) near50km(p hansa.Position) bool {
	box := n.Around()
	return box == nil || p[0] >= box[0] && p[1] >= box[1] && p[0] <= box[2] && p[1] <= box[3]
}

// box is where the network lies; false when it has no places.
func (n *Network) box() (low, high hansa.Position, ok bool) {
	n.measure.Do(func() { n.low, n.high = n.extent() })
	return n.low, n.high, len(n.places) > 0
}

func (n *Network) extent() (low, high hansa.Position) {
	low, high = hansa.Position{180, 90}, hansa.Position{-180, -90}
	for i := range n.places {
		for _, line := range n.places[i].Geometry.Lines {
			for _, p := range line {
				low[0], low[1] = min(low[0], p[0]), min(low[1], p[1])
				high[0], high[1] = max(high[0], p[0]), max(high[1], p[1])
			}
		}
	}
	return low, high
}

// Covers is the box in which the places lie: west, south, east, north. Nil when
// there is none.
func (n *Network) Covers() *[4]float64 {
	low, high, ok := n.box()
	if !ok {
		return nil
	}
	return &[4]float64{low[0], low[1], high[0], high[1]}
}
