package network

import (
	"math"
	"slices"

	"github.com/hansa-exchange/hansa"
)

// MatchEnds finds the road on which both of two places lie, and its stretch from the
// first to the second, in that direction. NotFound says why there is none, in words.
func (n *Network) MatchEnds(from, to hansa.Position) (Match, error) {
	g := n.ground()
	var best []stand
	against, least := int32(-1), math.Inf(1)
	ends := g.near(g.at(to))
	for _, a := range g.near(g.at(from)) {
		i := slices.IndexFunc(ends, func(b stand) bool { return b.road == a.road })
		if i < 0 || math.Abs(ends[i].s-a.s) < 1 {
			continue
		}
		b := ends[i]
		a.back, b.back = b.s < a.s, b.s < a.s
		switch off := a.off + b.off; {
		case a.back && g.roads[a.road].oneWay:
			against = a.road
		case off < least:
			best, least = []stand{a, b}, off
		}
	}
	switch {
	case best != nil:
		return n.along(g, best, least/2), nil
	case against >= 0:
		return Match{}, hansa.Errorf(hansa.NotFound, "it runs against %s, which is one-way", n.places[g.roads[against].place].Name).WithHint("draw it the way that traffic drives")
	}
	return Match{}, hansa.Errorf(hansa.NotFound, "no road of the network passes within %.0f m of both %s and %s", matchReach, spoken(from), spoken(to)).WithHint("draw it with more places")
}

// near lists the roads within reach of a point, with where on each it falls.
func (g *ground) near(p point) []stand {
	var out []stand
	for _, x := range g.cells[[2]int32{cell(p.x), cell(p.y)}] {
		w := &g.roads[x.road]
		share, off := p.onto(w.points[x.at-1], w.points[x.at])
		if off > matchReach {
			continue
		}
		st := stand{road: x.road, s: w.along[x.at-1] + share*(w.along[x.at]-w.along[x.at-1]), off: off}
		switch i := slices.IndexFunc(out, func(o stand) bool { return o.road == st.road }); {
		case i < 0:
			out = append(out, st)
		case off < out[i].off:
			out[i] = st
		}
	}
	return out
}

// Whether two lines lie on one another.
const (
	overlapReach  = 12.0 // metres within which they are one road
	overlapStep   = 10.0 // metres between the places at which it is looked
	overlapPoints = 500  // places at which a line is looked at, at most
)

// Overlap reports whether some stretch of a, of 30 m or more, lies on b.
func Overlap(a, b *hansa.Geometry) bool {
	if a == nil || b == nil || len(a.Lines) == 0 || len(a.Lines[0]) == 0 {
		return false
	}
	f := planeAt(a.Lines[0][0])
	for _, la := range a.Lines {
		if len(la) < 2 {
			continue
		}
		w := wayOf(f, la)
		run := 0
		for _, p := range w.walk(max(overlapStep, w.length()/overlapPoints)) {
			if !lies(f, p, b) {
				run = 0
				continue
			}
			if run++; run > 3 {
				return true
			}
		}
	}
	return false
}

func lies(f plane, p point, on *hansa.Geometry) bool {
	for _, l := range on.Lines {
		for i := 1; i < len(l); i++ {
			if _, off := p.onto(f.at(l[i-1]), f.at(l[i])); off <= overlapReach {
				return true
			}
		}
	}
	return false
}
