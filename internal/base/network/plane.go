package network

import (
	"math"

	"github.com/hansa-exchange/hansa"
)

// Metres per degree of latitude on the WGS 84 mean sphere.
const metresPerDegree = 111_195.0

// plane turns longitude and latitude into metres around a place, near enough within
// a city: over 30 km it is off by less than one part in a thousand.
type plane struct{ lon, lat, perLon float64 }

func planeAt(p hansa.Position) plane {
	return plane{lon: p[0], lat: p[1], perLon: metresPerDegree * math.Cos(p[1]*math.Pi/180)}
}

func (f plane) at(p hansa.Position) point {
	return point{(p[0] - f.lon) * f.perLon, (p[1] - f.lat) * metresPerDegree}
}

func (f plane) back(p point) hansa.Position {
	return hansa.Position{math.Round((f.lon+p.x/f.perLon)*1e7) / 1e7, math.Round((f.lat+p.y/metresPerDegree)*1e7) / 1e7}
}

// point is a place on a plane, in metres east and north.
type point struct{ x, y float64 }

func (a point) to(b point) float64 { return math.Hypot(b.x-a.x, b.y-a.y) }

// heading is the direction from a to b, in radians counter-clockwise from east.
func (a point) heading(b point) float64 { return math.Atan2(b.y-a.y, b.x-a.x) }

func between(a, b point, share float64) point {
	return point{a.x + (b.x-a.x)*share, a.y + (b.y-a.y)*share}
}

// turn is the smaller angle between two headings, 0 to pi.
func turn(a, b float64) float64 {
	d := math.Mod(math.Abs(a-b), 2*math.Pi)
	return min(d, 2*math.Pi-d)
}

// onto returns where on the piece from b to c the point a falls, as a share of it,
// and how far away a is.
func (a point) onto(b, c point) (share, off float64) {
	dx, dy := c.x-b.x, c.y-b.y
	if l := dx*dx + dy*dy; l > 0 {
		share = min(1, max(0, ((a.x-b.x)*dx+(a.y-b.y)*dy)/l))
	}
	return share, a.to(between(b, c, share))
}

// way is a line on a plane with how far each vertex is from its beginning.
type way struct {
	points []point
	along  []float64
}

func wayOf(f plane, line []hansa.Position) way {
	w := way{points: make([]point, len(line)), along: make([]float64, len(line))}
	for i, p := range line {
		w.points[i] = f.at(p)
		if i > 0 {
			w.along[i] = w.along[i-1] + w.points[i-1].to(w.points[i])
		}
	}
	return w
}

func (w way) length() float64 { return w.along[len(w.along)-1] }

// at returns the place so many metres from the beginning.
func (w way) at(s float64) point {
	for i := 1; i < len(w.points); i++ {
		if s <= w.along[i] {
			share := 0.0
			if l := w.along[i] - w.along[i-1]; l > 0 {
				share = max(0, (s-w.along[i-1])/l)
			}
			return between(w.points[i-1], w.points[i], share)
		}
	}
	return w.points[len(w.points)-1]
}

// cut returns the points from so many metres to so many; backwards when from is
// beyond to.
func (w way) cut(from, to float64) []point {
	if from > to {
		out := w.cut(to, from)
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
		return out
	}
	out := []point{w.at(from)}
	for i, s := range w.along {
		if s > from+0.01 && s < to-0.01 {
			out = append(out, w.points[i])
		}
	}
	return append(out, w.at(to))
}

// walk returns places on the way every so many metres, both ends among them.
func (w way) walk(step float64) []point {
	n := max(1, int(math.Ceil(w.length()/step)))
	out := make([]point, 0, n+1)
	for i := range n + 1 {
		out = append(out, w.at(w.length()*float64(i)/float64(n)))
	}
	return out
}
