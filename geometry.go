package hansa

import "math"

// GeometryType is the GeoJSON name of a shape (RFC 7946 section 1.4).
type GeometryType string

// The shapes that a record can have.
const (
	Point           GeometryType = "Point"
	MultiPoint      GeometryType = "MultiPoint"
	LineString      GeometryType = "LineString"
	MultiLineString GeometryType = "MultiLineString"
	Polygon         GeometryType = "Polygon"
)

// VerticesMax is how many positions one geometry may have.
const VerticesMax = 100_000

// Position is longitude, latitude in degrees (WGS 84), in this order.
type Position [2]float64

// Geometry is a shape in plain coordinates, longitude first. Lines hold the
// parts: one for Point (with one position), MultiPoint and LineString; one each
// line for MultiLineString; one each ring for Polygon, the outer first. The order
// of a line's positions is the direction of travel.
type Geometry struct {
	Type  GeometryType
	Lines [][]Position
}

// Line returns a LineString along ps.
func Line(ps ...Position) *Geometry {
	return &Geometry{Type: LineString, Lines: [][]Position{ps}}
}

// Validate reports the first rule that g breaks. Coordinates must be finite and
// on the globe.
func (g *Geometry) Validate() error {
	least := 1
	switch g.Type {
	case Point, MultiPoint:
	case LineString, MultiLineString:
		least = 2
	case Polygon:
		least = 4
	default:
		return Fielded("/geometry/type", "a geometry is a Point, MultiPoint, LineString, MultiLineString or Polygon, not %q", g.Type)
	}
	if len(g.Lines) == 0 {
		return Fielded("/geometry/coordinates", "a geometry needs coordinates")
	}
	if len(g.Lines) > 1 && g.Type != MultiLineString && g.Type != Polygon {
		return Fielded("/geometry/coordinates", "a %s has one part", g.Type)
	}
	n := 0
	for _, l := range g.Lines {
		if n += len(l); n > VerticesMax {
			return Fielded("/geometry/coordinates", "a geometry has at most %d positions", VerticesMax)
		}
		if len(l) < least || g.Type == Point && len(l) != 1 {
			return Fielded("/geometry/coordinates", "a %s needs at least %d positions a part, this one has %d", g.Type, least, len(l))
		}
		for _, p := range l {
			if !p.OnGlobe() {
				return Fielded("/geometry/coordinates", "a position is longitude -180 to 180 and latitude -90 to 90, not %v, %v", p[0], p[1])
			}
		}
		if g.Type == Polygon && l[0] != l[len(l)-1] {
			return Fielded("/geometry/coordinates", "a polygon's ring ends where it began")
		}
	}
	return nil
}

// OnGlobe reports whether p is finite and within longitude +-180, latitude +-90.
func (p Position) OnGlobe() bool {
	return p[0] >= -180 && p[0] <= 180 && p[1] >= -90 && p[1] <= 90 // false for NaN
}

// Metres returns the length of g's lines in metres, on a sphere; the rings of a
// polygon count as lines.
func (g *Geometry) Metres() float64 {
	var sum float64
	for _, l := range g.Lines {
		if g.Type == MultiPoint {
			continue
		}
		for i := 1; i < len(l); i++ {
			sum += Metres(l[i-1], l[i])
		}
	}
	return sum
}

// Metres returns the great-circle distance between a and b in metres, on a
// sphere of 6,371,008.8 m.
func Metres(a, b Position) float64 {
	const radius, rad = 6_371_008.8, math.Pi / 180
	dLat, dLon := (b[1]-a[1])*rad/2, (b[0]-a[0])*rad/2
	h := math.Sin(dLat)*math.Sin(dLat) + math.Cos(a[1]*rad)*math.Cos(b[1]*rad)*math.Sin(dLon)*math.Sin(dLon)
	return 2 * radius * math.Asin(math.Sqrt(min(1, h)))
}

// Bounds returns the smallest box around g as west, south, east, north.
func (g *Geometry) Bounds() (west, south, east, north float64) {
	west, south, east, north = 180, 90, -180, -90
	for _, l := range g.Lines {
		for _, p := range l {
			west, east = min(west, p[0]), max(east, p[0])
			south, north = min(south, p[1]), max(north, p[1])
		}
	}
	return west, south, east, north
}
