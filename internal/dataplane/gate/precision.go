package gate

import (
	"math"

	"github.com/hansa-exchange/hansa"
)

// round returns v with as many decimals as scale has zeros, never a negative zero.
func round(v, scale float64) float64 { return math.Round(v*scale)/scale + 0 }

func roundPosition(p hansa.Position, scale float64) hansa.Position {
	return hansa.Position{round(p[0], scale), round(p[1], scale)}
}

// finer reports whether rounding changes any coordinate of g.
func finer(g *hansa.Geometry, scale float64) bool {
	for _, l := range g.Lines {
		for _, p := range l {
			if roundPosition(p, scale) != p {
				return true
			}
		}
	}
	return false
}

// collapses reports whether rounding would lose g's shape: a line of one place,
// or a ring without an inside.
func collapses(g *hansa.Geometry, scale float64) bool {
	if g.Type == hansa.Point || g.Type == hansa.MultiPoint {
		return false
	}
	for _, l := range g.Lines {
		if len(l) == 0 || flat(l, scale, g.Type == hansa.Polygon) {
			return true
		}
	}
	return false
}

// flat reports whether the rounded l is a single place or, for a ring, lies on
// one straight line.
func flat(l []hansa.Position, scale float64, ring bool) bool {
	a := roundPosition(l[0], scale)
	b, apart := a, false
	for _, p := range l[1:] {
		p = roundPosition(p, scale)
		switch {
		case !apart && p != a:
			if !ring {
				return false
			}
			b, apart = p, true
		case apart && bent(a, b, p, scale):
			return false
		}
	}
	return true
}

// bent reports whether a, b and c are not on one line. They count in whole
// steps of the grid, so that a straight line is exactly straight.
func bent(a, b, c hansa.Position, scale float64) bool {
	step := func(v, w float64) float64 { return math.Round(v*scale) - math.Round(w*scale) }
	return step(b[0], a[0])*step(c[1], a[1]) != step(b[1], a[1])*step(c[0], a[0])
}

// coarse returns a rounded copy of g in which no position repeats the one before.
func coarse(g *hansa.Geometry, scale float64) *hansa.Geometry {
	c := &hansa.Geometry{Type: g.Type, Lines: make([][]hansa.Position, len(g.Lines))}
	for i, l := range g.Lines {
		out := make([]hansa.Position, 0, len(l))
		for _, p := range l {
			p = roundPosition(p, scale)
			if len(out) > 0 && out[len(out)-1] == p && g.Type != hansa.MultiPoint {
				continue
			}
			out = append(out, p)
		}
		c.Lines[i] = out
	}
	return c
}
