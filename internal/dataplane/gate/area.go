package gate

import (
	"github.com/hansa-exchange/hansa"
)

// rowsMax bounds how finely an area is cut.
const rowsMax = 4096

// area is a polygon cut into rows by latitude, each with the edges that reach
// into it, so that a question looks at a few edges only. Edges are straight in
// longitude and latitude (RFC 7946 section 3.1.1); the edge itself belongs to
// the area; what an odd number of rings encloses is inside. It never changes.
type area struct {
	west, south, east, north float64
	perDegree                float64 // rows per degree
	edges                    []edge  // by row
	rows                     []int32 // rows[i]:rows[i+1] bounds row i in edges
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
	n := min(max(len(edges), 1), rowsMax)
	x.perDegree = float64(n) / (x.north - x.south)
	x.cut(edges, n)
	return x, nil
}

// cut sorts edges into n rows.
func (x *area) cut(edges []edge, n int) {
	x.rows = make([]int32, n+1)
	for _, e := range edges {
		for i := x.row(min(e.a[1], e.b[1])); i <= x.row(max(e.a[1], e.b[1])); i++ {
			x.rows[i+1]++
		}
	}
	for i := range n {
		x.rows[i+1] += x.rows[i]
	}
	x.edges = make([]edge, x.rows[n])
	next := append([]int32(nil), x.rows...)
	for _, e := range edges {
		for i := x.row(min(e.a[1], e.b[1])); i <= x.row(max(e.a[1], e.b[1])); i++ {
			x.edges[next[i]] = e
			next[i]++
		}
	}
}

// row returns the row of a latitude. It never falls while the latitude rises,
// which alone makes the cut right, whatever the rounding.
func (x *area) row(lat float64) int {
	last := len(x.rows) - 2
	at := min(max((lat-x.south)*x.perDegree, 0), float64(last))
	return min(max(int(at), 0), last) // again, for what is not a number
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
	inside := false
	row := x.row(p[1])
	for _, e := range x.edges[x.rows[row]:x.rows[row+1]] {
		in, on := e.ray(p)
		if on {
			return true
		}
		inside = inside != in
	}
	return inside
}

// crosses reports whether the line from p to q meets an edge.
func (x *area) crosses(p, q hansa.Position) bool {
	south, north := min(p[1], q[1]), max(p[1], q[1])
	west, east := min(p[0], q[0]), max(p[0], q[0])
	if east < x.west || west > x.east || north < x.south || south > x.north {
		return false
	}
	// The edges of neighbouring rows stand side by side; one that reaches into
	// both is seen twice, which costs less than remembering it.
	for _, e := range x.edges[x.rows[x.row(south)]:x.rows[x.row(north)+1]] {
		if e.meets(p, q) {
			return true
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
