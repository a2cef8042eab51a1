package network

import (
	"fmt"
	"math"
	"slices"

	"github.com/hansa-exchange/hansa"
)

// How a drawn line is matched to the network.
const (
	matchReach  = 30.0        // metres within which a road is a candidate
	matchTurn   = math.Pi / 4 // by which a heading may differ from a road's
	matchStep   = 20.0        // metres between the places at which it is looked
	matchJoin   = 5.0         // metres within which two roads meet
	matchSigma  = 8.0         // metres by which a hand that draws is off
	matchBeta   = 10.0        // metres by which a way on the road differs from the drawn one
	matchMean   = 20.0        // metres: further off on average is no match
	matchPoints = 2000        // places at which a line is looked at, at most
	cellSize    = 100.0       // metres, of the index
	pieceMax    = 50_000.0    // metres: a longer straight piece is no road
)

// Match is a drawn line on the roads of a network.
type Match struct {
	Geometry hansa.Geometry // the roads' own, cut to what was drawn, in its direction
	Spans    []Span         // in order of travel
	Offset   float64        // mean distance of the drawn line, in metres
}

// Span is the part of one place that a line covers: from metres to metres along the
// place's own geometry. From is beyond To where the line runs against it.
type Span struct {
	Place    hansa.Place
	From, To float64
	Length   float64 // of the whole place
}

// Whole reports whether nearly all of the place is covered.
func (s Span) Whole() bool { return math.Abs(s.To-s.From) >= 0.9*s.Length }

// road is a line of the network that traffic may follow.
type road struct {
	way
	place  int
	oneWay bool
}

// ground is a network's roads on one plane, indexed by cell.
type ground struct {
	plane
	roads []road
	cells map[[2]int32][]piece
}

// piece is one straight piece of a road.
type piece struct{ road, at int32 }

// ground surveys the network when the first line is drawn on it.
func (n *Network) ground() *ground {
	n.survey.Do(func() {
		g := &ground{cells: map[[2]int32][]piece{}}
		for i := range n.places {
			p := &n.places[i]
			if p.Geometry.Type == hansa.Polygon || len(n.parts[p.ID]) > 0 { // its parts are the roads
				continue
			}
			for _, line := range p.Geometry.Lines {
				if len(line) < 2 {
					continue
				}
				if len(g.roads) == 0 {
					g.plane = planeAt(line[0])
				}
				g.roads = append(g.roads, road{way: wayOf(g.plane, line), place: i, oneWay: p.Direction != hansa.BothDirections})
				g.index(len(g.roads) - 1)
			}
		}
		n.laid = g
	})
	return n.laid
}

// index puts each piece of a road into the cells that it comes near to.
func (g *ground) index(i int) {
	w := &g.roads[i]
	for k := 1; k < len(w.points); k++ {
		a, b := w.points[k-1], w.points[k]
		l := a.to(b)
		if l > pieceMax {
			continue // no road has it; a slip in the coordinates does
		}
		n := max(1, math.Ceil(2*l/cellSize))
		for part := range int(n) {
			p, q := between(a, b, float64(part)/n), between(a, b, float64(part+1)/n)
			for x := cell(min(p.x, q.x) - matchReach); x <= cell(max(p.x, q.x)+matchReach); x++ {
				for y := cell(min(p.y, q.y) - matchReach); y <= cell(max(p.y, q.y)+matchReach); y++ {
					at, here := [2]int32{x, y}, piece{int32(i), int32(k)} //nolint:gosec // PlacesMax bounds both
					if list := g.cells[at]; len(list) == 0 || list[len(list)-1] != here {
						g.cells[at] = append(list, here)
					}
				}
			}
		}
	}
}

func cell(v float64) int32 { return int32(math.Floor(v / cellSize)) }

// stand is a place on a road at which a drawn point may be.
type stand struct {
	road    int32
	back    bool    // against the road's own order
	s       float64 // metres along the road
	off     float64 // metres from the drawn point
	cost    float64 // of the cheapest way here
	from    int     // index of the stand before
	against bool    // of a one-way road: traffic does not run so
}

// around lists where a drawn point with its heading may be: on each road the nearest.
func (g *ground) around(p point, heading float64) []stand {
	var out []stand
	for _, x := range g.cells[[2]int32{cell(p.x), cell(p.y)}] {
		w := &g.roads[x.road]
		a, b := w.points[x.at-1], w.points[x.at]
		share, off := p.onto(a, b)
		if off > matchReach || a == b {
			continue
		}
		differs := turn(a.heading(b), heading)
		back := differs > math.Pi/2
		if back {
			differs = math.Pi - differs
		}
		if differs > matchTurn {
			continue
		}
		st := stand{road: x.road, back: back, s: w.along[x.at-1] + share*(w.along[x.at]-w.along[x.at-1]), off: off, against: back && w.oneWay}
		i := slices.IndexFunc(out, func(o stand) bool { return o.road == st.road && o.back == st.back })
		switch {
		case i < 0:
			out = append(out, st)
		case off < out[i].off:
			out[i] = st
		}
	}
	return out
}

// onward is how far it is from one stand to another by the road, in metres; false
// when the roads do not meet.
func (g *ground) onward(a, b stand) (float64, bool) {
	sign := func(st stand, d float64) float64 {
		if st.back {
			return -d
		}
		return d
	}
	if a.road == b.road {
		if a.back != b.back {
			return 0, false
		}
		d := sign(a, b.s-a.s)
		return d, d > -matchStep
	}
	out, left := g.end(a)
	in, gone := g.begin(b)
	if out.to(in) > matchJoin {
		return 0, false
	}
	return left + gone, true
}

// end is where the road of a stand ends in its direction, and how far that is.
func (g *ground) end(st stand) (point, float64) {
	w := &g.roads[st.road]
	if st.back {
		return w.points[0], st.s
	}
	return w.points[len(w.points)-1], w.length() - st.s
}

// begin is where it begins, and how far back that is.
func (g *ground) begin(st stand) (point, float64) {
	w := &g.roads[st.road]
	if st.back {
		return w.points[len(w.points)-1], w.length() - st.s
	}
	return w.points[0], st.s
}

// Match finds the roads that a drawn line follows, with its direction: the cheapest
// way in a hidden Markov model over its points (Newson and Krumm, 2009). A line that
// follows none is NotFound with the reason, in words; it is kept as drawn then.
func (n *Network) Match(line []hansa.Position) (Match, error) {
	g := n.ground()
	if len(g.roads) == 0 {
		return Match{}, hansa.Errorf(hansa.NotFound, "no roads are known here")
	}
	drawn := wayOf(g.plane, line)
	if drawn.length() < 1 {
		return Match{}, hansa.Fielded("/line", "the line is shorter than a metre")
	}
	points := drawn.walk(max(matchStep, drawn.length()/matchPoints))
	ways, err := g.ways(points)
	if err != nil {
		return Match{}, err
	}
	last := ways[len(ways)-1]
	best := slices.IndexFunc(last, func(s stand) bool { return s.cost == cheapest(last) })
	path, mean, against := make([]stand, len(ways)), 0.0, false
	for i := len(ways) - 1; i >= 0; i-- {
		path[i] = ways[i][best]
		mean, against = mean+path[i].off/float64(len(ways)), against || path[i].against
		best = path[i].from
	}
	switch {
	case against:
		return Match{}, hansa.Errorf(hansa.NotFound, "it runs against %s, which is one-way", n.places[g.roads[path[0].road].place].Name).WithHint("draw it the way that traffic drives")
	case mean > matchMean:
		return Match{}, hansa.Errorf(hansa.NotFound, "the nearest road lies %.0f m off on average", mean)
	}
	return n.along(g, path, mean), nil
}

func cheapest(list []stand) float64 {
	least := math.Inf(1)
	for _, s := range list {
		least = min(least, s.cost)
	}
	return least
}

// ways lists, for each point, where it may be and the cheapest way there.
func (g *ground) ways(points []point) ([][]stand, error) {
	ways := make([][]stand, len(points))
	for i, p := range points {
		before, after := points[max(0, i-1)], points[min(len(points)-1, i+1)]
		list := g.around(p, before.heading(after))
		for j := range list {
			list[j].cost = math.Inf(1)
			emission := list[j].off * list[j].off / (2 * matchSigma * matchSigma)
			if list[j].against {
				emission += 100 // only where there is nothing else
			}
			if i == 0 {
				list[j].cost = emission
				continue
			}
			far := points[i-1].to(p)
			for k, from := range ways[i-1] {
				d, ok := g.onward(from, list[j])
				if cost := from.cost + emission + math.Abs(d-far)/matchBeta; ok && cost < list[j].cost {
					list[j].cost, list[j].from = cost, k
				}
			}
		}
		list = slices.DeleteFunc(list, func(s stand) bool { return math.IsInf(s.cost, 1) })
		if len(list) == 0 {
			if i > 0 && len(g.around(p, before.heading(after))) > 0 {
				return nil, hansa.Errorf(hansa.NotFound, "the roads beneath it do not meet near %s", spoken(g.back(p)))
			}
			return nil, hansa.Errorf(hansa.NotFound, "no road of the network lies within %.0f m of %s in its direction", matchReach, spoken(g.back(p)))
		}
		ways[i] = list
	}
	return ways, nil
}

// along puts a path of stands together into spans and one geometry.
func (n *Network) along(g *ground, path []stand, mean float64) Match {
	m := Match{Offset: mean, Geometry: hansa.Geometry{Type: hansa.LineString}}
	var all []point
	for i := 0; i < len(path); {
		j := i
		for j+1 < len(path) && path[j+1].road == path[i].road && path[j+1].back == path[i].back {
			j++
		}
		w := &g.roads[path[i].road]
		from, to := path[i].s, path[j].s
		if i > 0 { // from where the road begins, to where it ends
			from = edge(w, path[i].back)
		}
		if j+1 < len(path) {
			to = edge(w, !path[i].back)
		}
		if math.Abs(to-from) > 1 || len(path) == j-i+1 {
			m.Spans = append(m.Spans, Span{Place: n.places[w.place], From: from, To: to, Length: g.length(w.place)})
			for _, p := range w.cut(from, to) {
				if len(all) == 0 || all[len(all)-1].to(p) > 0.05 {
					all = append(all, p)
				}
			}
		}
		i = j + 1
	}
	line := make([]hansa.Position, len(all))
	for i, p := range all {
		line[i] = g.back(p)
	}
	m.Geometry.Lines = [][]hansa.Position{line}
	return m
}

// length is that of all lines of a place, in metres.
func (g *ground) length(place int) (sum float64) {
	for i := range g.roads {
		if g.roads[i].place == place {
			sum += g.roads[i].length()
		}
	}
	return sum
}

// spoken writes a position as people type it: longitude, latitude.
func spoken(p hansa.Position) string { return fmt.Sprintf("%.5f,%.5f", p[0], p[1]) }

// edge is where a road begins for who drives on it, in metres along.
func edge(w *road, back bool) float64 {
	if back {
		return w.length()
	}
	return 0
}
