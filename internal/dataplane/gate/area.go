package gate

import (
	"math"

	"github.com/hansa-exchange/hansa"
)

// area is a polygon under a grid. A cell that no edge reaches is all inside or
// all outside; of the others the edges and the state of one place are known, so
// that a question looks at a few edges only. Edges are straight in longitude and
// latitude (RFC 7946 section 3.1.1); the edge itself belongs to the area; what an
// odd number of rings encloses is inside. It never changes.
type area struct {
	west, south, east, north float64
	edges                    []edge
	grid                     grid
	corner                   hansa.Position
}

// edge runs from a to b.
type edge struct{ a, b hansa.Position }

// newArea cuts g, or reports why it bounds nothing.
func newArea(g *hansa.Geometry) (*area, error) {
	const field = "/terms/area"
	if g.Type != hansa.Polygon {
		return nil, hansa.Fielded(field, "an area is a Polygon, not a %s", g.Type)
	}
	if err := g.Validate(); err != nil {
		return nil, hansa.Fielded(field, "the area is not a shape: %s", hansa.Public(err).Message)
	}
	var edges []edge
	for _, ring := range g.Lines {
		if flat(ring, 1e9, true) {
			return nil, hansa.Fielded(field, "a ring of the area encloses nothing")
		}
		for i := 1; i < len(ring); i++ {
			a, b := ring[i-1], ring[i]
			if d := b[0] - a[0]; d > 180 || d < -180 {
				return nil, hansa.Fielded(field, "an area does not cross the 180th meridian: cut it there (RFC 7946 section 3.1.9)")
			}
			if a != b {
				edges = append(edges, edge{a, b})
			}
		}
	}
	x := &area{corner: g.Lines[0][0]}
	x.west, x.south, x.east, x.north = g.Bounds()
	x.edges = edges
	x.grid = x.cut()
	return x, nil
}

// touches reports whether any of g lies in the area or on its edge.
func (x *area) touches(g *hansa.Geometry) bool {
	for _, l := range g.Lines {
		for i, p := range l {
			if x.contains(p) || i > 0 && g.Type != hansa.MultiPoint && x.crosses(l[i-1], p) {
				return true
			}
		}
	}
	return g.Type == hansa.Polygon && encloses(g, x.corner)
}

// contains reports whether p lies inside or on the edge.
func (x *area) contains(p hansa.Position) bool {
	if !(p[0] >= x.west && p[0] <= x.east && p[1] >= x.south && p[1] <= x.north) {
		return false
	}
	i := x.grid.cell(p)
	near := x.grid.near(i)
	if len(near) == 0 {
		return x.grid.inside[i]
	}
	odd, sure := x.parity(near, p, x.grid.anchor(i))
	if !sure {
		return x.scan(p)
	}
	return x.grid.inside[i] != odd
}

// scan asks every edge: for places on an edge, or too close to one to tell.
func (x *area) scan(p hansa.Position) bool {
	inside := false
	for i := range x.edges {
		in, on := x.edges[i].ray(p)
		if on {
			return true
		}
		inside = inside != in
	}
	return inside
}

// parity reports whether an odd number of the edges named lies between p and q,
// and whether rounding leaves no doubt of it.
func (x *area) parity(near []int32, p, q hansa.Position) (odd, sure bool) {
	for _, i := range near {
		e := &x.edges[i]
		if max(e.a[0], e.b[0]) < min(p[0], q[0]) || min(e.a[0], e.b[0]) > max(p[0], q[0]) ||
			max(e.a[1], e.b[1]) < min(p[1], q[1]) || min(e.a[1], e.b[1]) > max(p[1], q[1]) {
			continue
		}
		s, t, u, v := side(e.a, e.b, p), side(e.a, e.b, q), side(p, q, e.a), side(p, q, e.b)
		if s*t*u*v == 0 {
			return false, false
		}
		odd = odd != (s != t && u != v)
	}
	return odd, true
}

// crosses reports whether the line from p to q meets an edge.
func (x *area) crosses(p, q hansa.Position) bool {
	south, north := min(p[1], q[1]), max(p[1], q[1])
	west, east := min(p[0], q[0]), max(p[0], q[0])
	if east < x.west || west > x.east || north < x.south || south > x.north {
		return false
	}
	c0, r0 := x.grid.at(hansa.Position{west, south})
	c1, r1 := x.grid.at(hansa.Position{east, north})
	for r := r0; r <= r1; r++ {
		for c := c0; c <= c1; c++ {
			for _, i := range x.grid.near(r*x.grid.n + c) {
				if x.edges[i].meets(p, q) {
					return true
				}
			}
		}
	}
	return false
}

// ray reports whether a ray from p to the east crosses e, and whether p is on e.
func (e *edge) ray(p hansa.Position) (crosses, on bool) {
	side := turn(e.a, e.b, p)
	if side == 0 && e.spans(p) {
		return false, true
	}
	if (e.a[1] > p[1]) == (e.b[1] > p[1]) {
		return false, false
	}
	return (side > 0) == (e.b[1] > e.a[1]), false
}

// spans reports whether p lies in the box around e.
func (e *edge) spans(p hansa.Position) bool {
	return p[0] >= min(e.a[0], e.b[0]) && p[0] <= max(e.a[0], e.b[0]) &&
		p[1] >= min(e.a[1], e.b[1]) && p[1] <= max(e.a[1], e.b[1])
}

// meets reports whether e and the line from p to q have a place in common.
func (e *edge) meets(p, q hansa.Position) bool {
	if max(e.a[0], e.b[0]) < min(p[0], q[0]) || min(e.a[0], e.b[0]) > max(p[0], q[0]) ||
		max(e.a[1], e.b[1]) < min(p[1], q[1]) || min(e.a[1], e.b[1]) > max(p[1], q[1]) {
		return false
	}
	f := edge{p, q}
	s, t := turn(e.a, e.b, p), turn(e.a, e.b, q)
	u, v := turn(p, q, e.a), turn(p, q, e.b)
	return (s > 0) != (t > 0) && s != 0 && t != 0 && (u > 0) != (v > 0) && u != 0 && v != 0 ||
		s == 0 && e.spans(p) || t == 0 && e.spans(q) || u == 0 && f.spans(e.a) || v == 0 && f.spans(e.b)
}

// turn is positive when c lies left of the way from a to b, and 0 on it. The
// conversions keep compilers from fusing, so that all machines agree.
func turn(a, b, c hansa.Position) float64 {
	return float64((b[0]-a[0])*(c[1]-a[1])) - float64((b[1]-a[1])*(c[0]-a[0]))
}

// side is the sign of turn, and 0 where rounding may have decided it (the bound
// is Shewchuk's, Adaptive Precision Floating-Point Arithmetic, 1997).
func side(a, b, c hansa.Position) int {
	l, r := float64((b[0]-a[0])*(c[1]-a[1])), float64((b[1]-a[1])*(c[0]-a[0]))
	switch d, doubt := l-r, 3.4e-16*(math.Abs(l)+math.Abs(r)); {
	case d > doubt:
		return 1
	case d < -doubt:
		return -1
	}
	return 0
}

// encloses reports whether p lies within the rings of g.
func encloses(g *hansa.Geometry, p hansa.Position) bool {
	inside := false
	for _, ring := range g.Lines {
		for i := 1; i < len(ring); i++ {
			e := edge{ring[i-1], ring[i]}
			in, on := e.ray(p)
			if on {
				return true
			}
			inside = inside != in
		}
	}
	return inside
}
