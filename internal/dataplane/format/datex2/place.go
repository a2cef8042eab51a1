package datex2

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// place reads all locations of a record: version 2's groupOfLocations and version
// 3's locationReference, with what they hold.
func (x *recordReader) place() {
	t := &x.tree
	root := t.child(0, "locationReference")
	if root == none {
		root = t.child(0, "groupOfLocations")
	}
	if root == none {
		mark(x.r, ruleMissing, "situationRecord/locationReference", "")
		return
	}
	var g gathered
	x.gather(root, &g)
	x.settle(&g)
}

// gathered is what the locations of one record say.
type gathered struct {
	lines, ends [][]hansa.Position
	points      []hansa.Position
	areas       [][][]hansa.Position
	display     []hansa.Position
	places      int // lines or points told more than once
}

// gather walks a location. What it does not know stays to be kept.
func (x *recordReader) gather(at ref, g *gathered) {
	t := &x.tree
	switch t.name(at) {
	case "gmlLineString":
		if l, ok := x.positions(t.child(at, "posList"), at); ok {
			g.add(&g.lines, l)
		}
		return
	case "gmlMultiPolygon", "gmlPolygon":
		x.polygons(at, g)
		return
	case "coordinatesForDisplay", "locationForDisplay":
		if p, ok := x.point(at); ok {
			g.display = append(g.display, p)
		}
		return
	case "linearCoordinatesStartPoint", "linearCoordinatesIntermediatePoint", "linearCoordinatesEndPoint":
		if p, ok := x.point(t.child(at, "pointCoordinates")); ok {
			g.ends = append(g.ends, []hansa.Position{p})
		}
		return
	case "tpegLinearLocation":
		x.tpeg(at, g)
		return
	case "pointCoordinates":
		if p, ok := x.point(at); ok && !slices.Contains(g.points[max(0, len(g.points)-twiceMax):], p) {
			g.points = append(g.points, p)
		}
		return
	case "alertCLinear", "alertCPoint", "alertCArea":
		x.refer("alertc", at, x.alertC)
		return
	case "openlrLinear", "openlrPointLocationReference", "openlrAreaLocationReference", "openlrExtendedLinear", "openlrExtendedPoint":
		x.refer("openlr", at, t.fragment)
		return
	case "linearWithinLinearElement", "pointAlongLinearElement":
		x.onElement(at)
		return
	case "supplementaryPositionalDescription":
		x.description(at)
		return
	case "name":
		x.tpegName(at)
		return
	}
	for c := t.first(at); c != none; c = t.next(c) {
		x.gather(c, g)
	}
}

// twiceMax is how far back a place told twice is looked for.
const twiceMax = 64

// add takes a line unless one location told it before.
func (g *gathered) add(to *[][]hansa.Position, l []hansa.Position) {
	for _, o := range (*to)[max(0, len(*to)-twiceMax):] {
		if slices.Equal(o, l) {
			g.places++
			return
		}
	}
	*to = append(*to, l)
}

// settle makes one geometry of what was gathered: lines before areas before
// points, and the place for display only when there is nothing else.
func (x *recordReader) settle(g *gathered) {
	s := x.s
	if len(g.lines) == 0 && len(g.ends) >= 2 {
		var l []hansa.Position
		for _, p := range g.ends {
			l = append(l, p...)
		}
		g.lines = append(g.lines, l)
	}
	if g.places > 0 || len(g.lines) > 0 && len(s.LinearRefs) > 1 {
		mark(x.r, rulePlaces, "situationRecord/locationReference", "")
	}
	switch {
	case len(g.lines) == 1:
		s.Geometry = &hansa.Geometry{Type: hansa.LineString, Lines: g.lines}
	case len(g.lines) > 1:
		s.Geometry = &hansa.Geometry{Type: hansa.MultiLineString, Lines: g.lines}
	case len(g.areas) > 0:
		s.Geometry = &hansa.Geometry{Type: hansa.Polygon, Lines: g.areas[0]}
	case len(g.points) == 1:
		s.Geometry = &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{g.points}}
	case len(g.points) > 1:
		s.Geometry = &hansa.Geometry{Type: hansa.MultiPoint, Lines: [][]hansa.Position{g.points}}
	case len(g.display) > 0:
		s.Geometry = &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{g.display[:1]}}
		mark(x.r, ruleDisplay, "situationRecord/locationReference", "")
	case len(s.LinearRefs) > 0:
		mark(x.r, ruleAlertOnly, "situationRecord/locationReference", s.LinearRefs[0].Value)
	}
	if len(g.areas) > 1 {
		mark(x.r, ruleAreas, "situationRecord/locationReference", strconv.Itoa(len(g.areas)))
	}
	if s.Geometry != nil && (s.Geometry.Type == hansa.LineString || s.Geometry.Type == hansa.MultiLineString || s.Geometry.Type == hansa.Polygon) {
		x.keepPositions("locationReference/pointCoordinates", g.points)
	}
	if len(g.display) > 0 && s.Geometry.Type != hansa.Point {
		x.keepPositions("locationReference/coordinatesForDisplay", g.display)
	}
	for i := 1; i < len(g.areas); i++ {
		x.keepPositions("locationReference/gmlPolygon", slices.Concat(g.areas[i]...))
	}
}

func (x *recordReader) keepPositions(path string, ps []hansa.Position) {
	if len(ps) == 0 {
		return
	}
	x.note(path, string(appendPosList(nil, ps)))
}

// appendPosList appends positions as DATEX II writes them: latitude first.
func appendPosList(b []byte, ps []hansa.Position) []byte {
	for i, p := range ps {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendFloat(b, p[1], 'f', -1, 64)
		b = append(b, ' ')
		b = strconv.AppendFloat(b, p[0], 'f', -1, 64)
	}
	return b
}

// positions reads a posList: latitude, longitude, and a height when line says
// that there are three.
func (x *recordReader) positions(at, line ref) ([]hansa.Position, bool) {
	t := &x.tree
	b := t.bytes(at)
	dim := 2
	if string(t.attr(line, "srsDimension")) == "3" || string(t.attr(at, "srsDimension")) == "3" {
		dim = 3
	}
	out := make([]hansa.Position, 0, len(b)/16+2)
	var v [3]float64
	n, projected := 0, false
	for len(b) > 0 {
		end := 0
		for end < len(b) && b[end] > ' ' {
			end++
		}
		if end > 0 {
			f, ok := decimal(b[:end])
			if !ok {
				n = -1
				break
			}
			v[n%dim] = f
			if n++; n%dim == 0 {
				p := hansa.Position{v[1], v[0]}
				projected = projected || !p.OnGlobe()
				out = append(out, p)
			}
		}
		b = b[min(end+1, len(b)):]
	}
	u := rulePosList
	switch {
	case projected || strings.Contains(string(t.attr(line, "srsName")), "31370"):
		u = ruleProjected
	case n > 0 && n%dim == 0 && len(out) >= 2 && len(out) <= hansa.VerticesMax:
		return out, true
	}
	mark(x.r, u, t.path(line), string(t.bytes(at)))
	if at != none {
		t.nodes[at].used = false
	}
	return nil, false
}

// decimal reads a plain decimal number.
func decimal(b []byte) (float64, bool) {
	var m uint64
	digits, frac, neg, dot := 0, 0, false, false
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9':
			m = m*10 + uint64(c-'0')
			digits++
			if dot {
				frac++
			}
		case c == '.' && !dot:
			dot = true
		case i == 0 && (c == '-' || c == '+'):
			neg = c == '-'
		default:
			digits = 99
		}
	}
	if digits == 0 {
		return 0, false
	}
	if digits > 15 {
		f, err := strconv.ParseFloat(string(b), 64)
		return f, err == nil
	}
	f := float64(m) / tens[frac] // both are exact, so the quotient is the nearest
	if neg {
		f = -f
	}
	return f, true
}

var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// point reads latitude and longitude.
func (x *recordReader) point(at ref) (p hansa.Position, ok bool) {
	t := &x.tree
	if at == none {
		return p, false
	}
	lat, ok1 := decimal(t.bytes(t.child(at, "latitude")))
	lon, ok2 := decimal(t.bytes(t.child(at, "longitude")))
	p = hansa.Position{lon, lat}
	if ok1 && ok2 && p.OnGlobe() {
		return p, true
	}
	mark(x.r, ruleProjected, t.path(at), t.leaf(at, "latitude")+" "+t.leaf(at, "longitude"))
	for _, n := range []string{"latitude", "longitude"} {
		if c := t.child(at, n); c != none {
			t.nodes[c].used = false
		}
	}
	return p, false
}

// polygons reads the areas below at.
func (x *recordReader) polygons(at ref, g *gathered) {
	t := &x.tree
	first := t.child(at, "gmlPolygon")
	if t.is(at, "gmlPolygon") {
		first = at
	}
	for p := first; p != none; p = t.sibling(p) {
		var rings [][]hansa.Position
		good := true
		for c := t.first(p); c != none; c = t.next(c) {
			if !t.is(c, "exterior") && !t.is(c, "interior") {
				continue
			}
			l, ok := x.positions(t.child(c, "posList"), c)
			if ok && l[0] != l[len(l)-1] {
				l = append(l, l[0])
			}
			good = good && ok && len(l) >= 4
			rings = append(rings, l)
		}
		if good && len(rings) > 0 {
			g.areas = append(g.areas, rings)
		}
	}
}

// refer keeps a reference to a map, once.
func (x *recordReader) refer(kind string, at ref, say func(ref) string) {
	l := hansa.LinearRef{Kind: kind, Value: say(at)}
	if !slices.Contains(x.s.LinearRefs[max(0, len(x.s.LinearRefs)-twiceMax):], l) {
		x.s.LinearRefs = append(x.s.LinearRefs, l)
	}
}
