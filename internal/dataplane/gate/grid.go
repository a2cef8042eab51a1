package gate

import (
	"math"

	"github.com/hansa-exchange/hansa"
)

// Limits of a grid: cells a side, and edges listed for each edge of the area.
const (
	sideMax  = 256
	listsMax = 64
)

// grid divides an area's box into n by n cells, row by row.
type grid struct {
	n           int
	west, south float64
	perX, perY  float64 // cells per degree
	first       []int32 // first[i]:first[i+1] bounds cell i in lists
	lists       []int32 // edges that may reach into the cell, rising
	inside      []bool  // whether the cell's anchor is inside
}

// cut lays the finest grid over x that stays within the limits.
func (x *area) cut() grid {
	g := grid{n: min(int(4*math.Sqrt(float64(len(x.edges))))+1, sideMax), west: x.west, south: x.south}
	for ; ; g.n = (g.n + 1) / 2 {
		g.perX, g.perY = float64(g.n)/(x.east-x.west), float64(g.n)/(x.north-x.south)
		if g.fill(x.edges) {
			break
		}
	}
	g.inside = make([]bool, g.n*g.n)
	for i := range g.inside {
		g.inside[i] = x.state(&g, i)
	}
	return g
}

// fill lists the edges of each cell; false when that takes too many.
func (g *grid) fill(edges []edge) bool {
	g.first = make([]int32, g.n*g.n+1)
	total := 0
	for _, e := range edges {
		g.cells(e, func(i int) { g.first[i+1]++; total++ })
		if total > listsMax*len(edges) && g.n > 1 {
			return false
		}
	}
	for i := range g.n * g.n {
		g.first[i+1] += g.first[i]
	}
	g.lists = make([]int32, total)
	next := append([]int32(nil), g.first...)
	for j, e := range edges {
		g.cells(e, func(i int) {
			g.lists[next[i]] = int32(j) //nolint:gosec // at most VerticesMax edges
			next[i]++
		})
	}
	return true
}

// cells calls f for each cell in the box around e.
func (g *grid) cells(e edge, f func(i int)) {
	c0, r0 := g.at(hansa.Position{min(e.a[0], e.b[0]), min(e.a[1], e.b[1])})
	c1, r1 := g.at(hansa.Position{max(e.a[0], e.b[0]), max(e.a[1], e.b[1])})
	for r := r0; r <= r1; r++ {
		for c := c0; c <= c1; c++ {
			f(r*g.n + c)
		}
	}
}

// state tells whether the anchor of cell i is inside: from the anchor to its
// west where no doubt is left, else from all edges.
func (x *area) state(g *grid, i int) bool {
	if i%g.n == 0 {
		return x.scan(g.anchor(i))
	}
	odd, sure := x.parity(union(g.near(i-1), g.near(i)), g.anchor(i-1), g.anchor(i))
	if !sure {
		return x.scan(g.anchor(i))
	}
	return g.inside[i-1] != odd
}

// union merges two rising lists.
func union(a, b []int32) []int32 {
	all := make([]int32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			all, a = append(all, a[0]), a[1:]
		case a[0] > b[0]:
			all, b = append(all, b[0]), b[1:]
		default:
			all, a, b = append(all, a[0]), a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// at returns the column and row of p. Neither ever falls while its coordinate
// rises, which alone makes the grid right, whatever the rounding.
func (g *grid) at(p hansa.Position) (column, row int) {
	return index((p[0]-g.west)*g.perX, g.n-1), index((p[1]-g.south)*g.perY, g.n-1)
}

func index(f float64, last int) int {
	return min(max(int(min(max(f, 0), float64(last))), 0), last) // twice, for what is not a number
}

func (g *grid) cell(p hansa.Position) int {
	c, r := g.at(p)
	return r*g.n + c
}

// near returns the edges that may reach into cell i.
func (g *grid) near(i int) []int32 { return g.lists[g.first[i]:g.first[i+1]] }

// anchor returns the place in cell i whose state is known. It lies off the middle,
// away from the round figures that maps like.
func (g *grid) anchor(i int) hansa.Position {
	return hansa.Position{
		g.west + (float64(i%g.n)+0.5771)/g.perX,
		g.south + (float64(i/g.n)+0.4143)/g.perY,
	}
}
