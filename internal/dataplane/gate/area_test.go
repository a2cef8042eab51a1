package gate_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
)

// touchesSlow answers in exact arithmetic, edge by edge.
func touchesSlow(area, g *hansa.Geometry) bool {
	for _, l := range g.Lines {
		for i, p := range l {
			if inSlow(area, p) {
				return true
			}
			if i == 0 || g.Type == hansa.MultiPoint {
				continue
			}
			for _, ring := range area.Lines {
				for j := 1; j < len(ring); j++ {
					if meetSlow(l[i-1], p, ring[j-1], ring[j]) {
						return true
					}
				}
			}
		}
	}
	return g.Type == hansa.Polygon && inSlow(g, area.Lines[0][0])
}

func turnSlow(a, b, c hansa.Position) int {
	d := func(v, w float64) *big.Rat {
		x, y := new(big.Rat), new(big.Rat)
		x.SetFloat64(v)
		y.SetFloat64(w)
		return x.Sub(x, y)
	}
	l := new(big.Rat).Mul(d(b[0], a[0]), d(c[1], a[1]))
	return l.Cmp(new(big.Rat).Mul(d(b[1], a[1]), d(c[0], a[0])))
}

func between(p, a, b hansa.Position) bool {
	return turnSlow(a, b, p) == 0 && p[0] >= min(a[0], b[0]) && p[0] <= max(a[0], b[0]) &&
		p[1] >= min(a[1], b[1]) && p[1] <= max(a[1], b[1])
}

func meetSlow(a, b, c, d hansa.Position) bool {
	return turnSlow(a, b, c)*turnSlow(a, b, d) < 0 && turnSlow(c, d, a)*turnSlow(c, d, b) < 0 ||
		between(a, c, d) || between(b, c, d) || between(c, a, b) || between(d, a, b)
}

func inSlow(area *hansa.Geometry, p hansa.Position) bool {
	crossings := 0
	for _, ring := range area.Lines {
		for j := 1; j < len(ring); j++ {
			a, b := ring[j-1], ring[j]
			if between(p, a, b) {
				return true
			}
			if a[1] > b[1] {
				a, b = b, a
			}
			if a[1] <= p[1] && p[1] < b[1] && turnSlow(a, b, p) > 0 {
				crossings++
			}
		}
	}
	return crossings%2 == 1
}

// drawPosition draws a place near the middle, often on a coarse lattice, so that
// places on edges, on corners and in line with them are common.
func drawPosition(t *rapid.T, size int) hansa.Position {
	if rapid.Bool().Draw(t, "lattice") {
		return hansa.Position{
			4 + float64(rapid.IntRange(0, size).Draw(t, "x"))/8,
			52 + float64(rapid.IntRange(0, size).Draw(t, "y"))/8,
		}
	}
	return hansa.Position{rapid.Float64Range(4, 4+float64(size)/8).Draw(t, "lon"), rapid.Float64Range(52, 52+float64(size)/8).Draw(t, "lat")}
}

func drawLine(t *rapid.T, least, most, size int) []hansa.Position {
	n := rapid.IntRange(least, most).Draw(t, "n")
	l := make([]hansa.Position, n)
	for i := range l {
		l[i] = drawPosition(t, size)
	}
	return l
}

func drawRings(t *rapid.T, most, size int) *hansa.Geometry {
	g := &hansa.Geometry{Type: hansa.Polygon}
	for range rapid.IntRange(1, 2).Draw(t, "rings") {
		l := drawLine(t, 3, most, size)
		g.Lines = append(g.Lines, append(l, l[0]))
	}
	return g
}

func drawGeometry(t *rapid.T, size int) *hansa.Geometry {
	switch rapid.IntRange(0, 4).Draw(t, "shape") {
	case 0:
		return &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{{drawPosition(t, size)}}}
	case 1:
		return &hansa.Geometry{Type: hansa.MultiPoint, Lines: [][]hansa.Position{drawLine(t, 1, 4, size)}}
	case 2:
		return hansa.Line(drawLine(t, 2, 6, size)...)
	case 3:
		return &hansa.Geometry{Type: hansa.MultiLineString, Lines: [][]hansa.Position{drawLine(t, 2, 3, size), drawLine(t, 2, 3, size)}}
	}
	return drawRings(t, 6, size)
}

func TestAreaAnswersAsItsSlowTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := flow()
		f.Terms.Area = drawRings(t, 40, 8)
		g, err := gate.Compile(f)
		if err != nil {
			t.Skip("a flat ring")
		}
		for range 3 {
			r := closure()
			r.Situation.Geometry = drawGeometry(t, 10)
			got := g.Decide(r, ask()).Rule == gate.Passed
			if want := touchesSlow(f.Terms.Area, r.Situation.Geometry); got != want {
				t.Fatalf("touches = %v, want %v: area %v, record %v", got, want, f.Terms.Area, r.Situation.Geometry)
			}
		}
	})
}

func TestAreaOf2000VerticesAnswersAsItsSlowTwin(t *testing.T) {
	if testing.Short() {
		t.Skip("its slow twin counts in fractions; not in a short run")
	}
	f := flow()
	f.Terms.Area = star(2000, hansa.Position{4.9, 52.37}, 0.2)
	g := compile(t, f)
	rapid.Check(t, func(t *rapid.T) {
		p := hansa.Position{rapid.Float64Range(4.69, 5.11).Draw(t, "lon"), rapid.Float64Range(52.16, 52.58).Draw(t, "lat")}
		r := closure()
		r.Situation.Geometry = hansa.Line(p, hansa.Position{p[0] + 0.001, p[1] + 0.0007})
		got := g.Decide(r, ask()).Rule == gate.Passed
		if want := touchesSlow(f.Terms.Area, r.Situation.Geometry); got != want {
			t.Fatalf("touches = %v, want %v at %v", got, want, p)
		}
	})
}

func TestAreaRefusesWhatBoundsNothing(t *testing.T) {
	for _, tc := range []struct {
		name string
		area *hansa.Geometry
	}{
		{"a line", hansa.Line(hansa.Position{4, 52}, hansa.Position{5, 52})},
		{"a flat ring", &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{{{4, 52}, {5, 52}, {6, 52}, {4, 52}}}}},
		{"an open ring", &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{{{4, 52}, {5, 52}, {6, 53}, {4, 53}}}}},
		{"over the 180th meridian", &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{{{179, 52}, {-179, 52}, {-179, 53}, {179, 52}}}}},
		{"nothing", &hansa.Geometry{Type: hansa.Polygon}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := flow()
			f.Terms.Area = tc.area
			_, err := gate.Compile(f)
			if got := hansa.Public(err); got == nil || got.Field != "/terms/area" {
				t.Errorf("got %v, want an error at /terms/area", err)
			}
		})
	}
}
