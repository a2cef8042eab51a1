package quality

import (
	"fmt"
	"math"

	"github.com/hansa-exchange/hansa"
)

// Bounds of what is plausible of a place.
const (
	jumpMetres     = 5_000  // between two neighbouring positions
	lengthMetres   = 50_000 // of one measure
	shortMetres    = 10     // a stretch below this is a point
	metresADegree  = 111_195
	nullIsland     = 1e-6 // degrees around 0, 0
	decimalsLeast  = 100  // a coordinate in steps of 1/100 degree has two decimals
	decimalsMargin = 1e-7
)

func position(p hansa.Position) string { return fmt.Sprintf("%v, %v", p[0], p[1]) }

// geometry checks a place by itself and against where records should be.
func geometry(f *found, g *hansa.Geometry, field string, box *[4]float64) {
	n, coarse := 0, true
	var first hansa.Position
	for _, l := range g.Lines {
		for _, p := range l {
			if !p.OnGlobe() {
				if (hansa.Position{p[1], p[0]}).OnGlobe() {
					f.add("GEO-02", field, position(p))
				} else {
					f.add("GEO-12", field, position(p))
				}
				return
			}
			if math.Abs(p[0]) < nullIsland && math.Abs(p[1]) < nullIsland {
				f.add("GEO-07", field, position(p))
				return
			}
			if n == 0 {
				first = p
			}
			n++
			coarse = coarse && rough(p[0]) && rough(p[1])
		}
	}
	if n == 0 {
		f.add("GEO-01", field, "")
		return
	}
	if coarse {
		f.add("GEO-09", field, position(first))
	}
	if box != nil {
		within(f, g, field, box)
	}
	stretch(f, g, field, math.Cos(first[1]*math.Pi/180))
}

// rough reports whether a coordinate has at most two decimals.
func rough(v float64) bool {
	v *= decimalsLeast
	return math.Abs(v-math.Round(v)) < decimalsMargin
}

// within checks g against the box where records should be. Swapped is only what
// lies outside as a whole and, swapped, inside as a whole.
func within(f *found, g *hansa.Geometry, field string, box *[4]float64) {
	in := func(x, y float64) bool { return x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3] }
	out, swapped, n := 0, 0, 0
	var first hansa.Position
	for _, l := range g.Lines {
		for _, p := range l {
			n++
			if in(p[0], p[1]) {
				continue
			}
			if out == 0 {
				first = p
			}
			out++
			if in(p[1], p[0]) {
				swapped++
			}
		}
	}
	switch {
	case out == 0:
	case swapped == n:
		f.add("GEO-02", field, position(first))
	default:
		f.tell("GEO-11", field, position(first), fmt.Sprintf("%d of %d positions", out, n))
	}
}

// stretch checks the lines of g. A degree of longitude is narrow times as long
// as one of latitude: near enough over a city, and cheap.
func stretch(f *found, g *hansa.Geometry, field string, narrow float64) {
	if g.Type == hansa.Point || g.Type == hansa.MultiPoint {
		return
	}
	var sum float64
	repeated, jumped, back := false, false, false
	for i, l := range g.Lines {
		part := 0.0
		for j := 1; j < len(l); j++ {
			a, b := l[j-1], l[j]
			x, y := (b[0]-a[0])*narrow, b[1]-a[1]
			metres := math.Sqrt(x*x+y*y) * metresADegree
			part += metres
			if a == b && !repeated {
				repeated = true
				f.add("GEO-04", field, position(a))
			}
			if metres > jumpMetres && !jumped && g.Type != hansa.Polygon {
				jumped = true
				f.tell("GEO-05", field, position(a), fmt.Sprintf("%.1f km to the next", metres/1000))
			}
			if j > 1 && b == l[j-2] && a != b && !back && g.Type != hansa.Polygon {
				back = true
				f.add("GEO-14", field, position(a))
			}
		}
		if len(l) > 0 && part == 0 {
			f.add("GEO-03", field, position(l[0]))
		}
		if g.Type == hansa.Polygon && len(l) > 0 && l[0] != l[len(l)-1] {
			f.tell("GEO-06", field, position(l[0]), fmt.Sprintf("ring %d", i+1))
		}
		sum += part
	}
	switch {
	case g.Type == hansa.Polygon:
	case sum > lengthMetres:
		f.tell("GEO-08", field, "", fmt.Sprintf("%.0f km", sum/1000))
	case sum > 0 && sum < shortMetres:
		f.tell("GEO-15", field, "", fmt.Sprintf("%.1f m", sum))
	}
}

// shape checks whether a place has the shape that its measure needs.
func shape(f *found, s *hansa.Situation) {
	if s.Closed() && (s.Geometry.Type == hansa.Point || s.Geometry.Type == hansa.MultiPoint) {
		f.add("GEO-13", "/situation/geometry", string(s.Geometry.Type))
	}
}

// direction checks that it is told which way is meant.
func direction(f *found, s *hansa.Situation) {
	switch s.Direction {
	case hansa.OneDirection, hansa.BothDirections:
	case "":
		f.add("GEO-10", "/situation/direction", "")
	default:
		f.add("GEO-16", "/situation/direction", string(s.Direction))
	}
	if s.Effect == hansa.DirectionClosed && s.Direction == hansa.BothDirections {
		f.add("GEO-17", "/situation/direction", string(s.Direction))
	}
}
