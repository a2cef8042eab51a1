// Package city draws Doggerhaven: a port that lies on the Dogger Bank, so that
// nobody takes it for a real one. The same seed gives the same city, to the last
// coordinate: a harbour with three tunnels, canals, a ring road, parks, rail and
// some hundreds of named streets.
package city

import (
	"math"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// Name and Zone are the city's. Seed is the one that the demo uses.
const (
	Name = "Doggerhaven"
	Zone = "Europe/Amsterdam"
	Seed = 20210505
)

// The middle of the city: longitude and latitude, WGS 84.
const (
	lon0, lat0   = 2.30, 54.72
	metresPerLat = 111_320.0
)

// City is a generated city.
type City struct {
	Name    string
	Zone    string
	Streets []Street
	Drawing room.Drawing // what the map is drawn of, streets included
	rnd     *random
	names   []string // of streets, not yet given
	sides   map[string]*Street
}

// Street is a named road, or a part of the network without a name.
type Street struct {
	Name   string
	Number string // road number: R1, S100
	Layer  room.Layer
	Tunnel bool
	Bridge bool
	Lines  [][]hansa.Position // one, or the two sides of a canal
}

// Build makes the city of a seed.
func Build(seed uint64) *City {
	c := &City{Name: Name, Zone: Zone, rnd: newRandom(seed), sides: map[string]*Street{}}
	c.Drawing.Centre = at(point{330, 20})
	c.Drawing.Span = 7800
	c.Drawing.Attribution = "Demo city “Doggerhaven” (generated, CC0)"
	c.names = c.rnd.names()
	c.ground()
	c.harbour()
	c.belt()
	c.oldTown()
	for i := range len(sectors) - 1 {
		c.sector(i)
	}
	c.north()
	c.arterials()
	c.ring()
	c.crossings()
	c.rail()
	c.labels()
	for _, s := range c.Streets {
		c.draw(s)
	}
	return c
}

// Bounds returns the box around all streets: west, south, east, north.
func (c *City) Bounds() (west, south, east, north float64) {
	west, south, east, north = 180, 90, -180, -90
	for i := range c.Streets {
		g := hansa.Geometry{Type: hansa.MultiLineString, Lines: c.Streets[i].Lines}
		w, s, e, n := g.Bounds()
		west, south, east, north = min(west, w), min(south, s), max(east, e), max(north, n)
	}
	return west, south, east, north
}

// point is metres east and north of the middle.
type point [2]float64

// at places a point on the globe, to the decimetre.
func at(p point) hansa.Position {
	round := func(f float64) float64 { return math.Round(f*1e6) / 1e6 }
	return hansa.Position{round(lon0 + p[0]/(metresPerLat*math.Cos(lat0*math.Pi/180))), round(lat0 + p[1]/metresPerLat)}
}

func positions(ps []point) []hansa.Position {
	out := make([]hansa.Position, len(ps))
	for i, p := range ps {
		out[i] = at(p)
	}
	return out
}

func (c *City) area(layer room.Layer, ps []point) {
	ring := positions(ps)
	ring = append(ring, ring[0])
	c.Drawing.Shapes = append(c.Drawing.Shapes, room.Shape{Layer: layer, Geometry: &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{ring}}})
}

// line draws what is no street: a canal, a path, rail.
func (c *City) line(layer room.Layer, width float64, ps []point) {
	c.Drawing.Shapes = append(c.Drawing.Shapes, room.Shape{Layer: layer, Width: width, Geometry: hansa.Line(positions(ps)...)})
}

func (c *City) street(layer room.Layer, name, number string, ps []point) {
	c.Streets = append(c.Streets, Street{Name: name, Number: number, Layer: layer, Lines: [][]hansa.Position{positions(ps)}})
}

func (c *City) draw(s Street) {
	for _, l := range s.Lines {
		c.Drawing.Shapes = append(c.Drawing.Shapes, room.Shape{Layer: s.Layer, Ref: s.Number, Tunnel: s.Tunnel, Geometry: hansa.Line(l...)})
	}
}

// name gives the next street its name.
func (c *City) name() string {
	if len(c.names) == 0 {
		return ""
	}
	n := c.names[0]
	c.names = c.names[1:]
	return n
}
