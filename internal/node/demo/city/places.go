package city

import (
	"math"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
)

// tubeOffset is how far a tube's line lies from the middle of its tunnel, in metres.
const tubeOffset = 7.0

// Places returns the city's named places: each tunnel whole and its two tubes,
// each bridge and street whole and by direction. One drives on the right, so the
// tube that leads north lies east.
func (c *City) Places() []hansa.Place {
	var out []hansa.Place
	taken := map[string]bool{}
	for i := range c.Streets {
		s := &c.Streets[i]
		id := slug(s.Name)
		if id == "" || taken[id] {
			continue
		}
		taken[id] = true
		whole := hansa.Place{ID: id, Name: s.Name, Kind: s.kind(), Direction: hansa.BothDirections, Geometry: geometry(s.Lines), Number: s.Number}
		out = append(out, whole)
		if len(s.Lines) == 2 { // the two quays of a canal, one way each
			for k, side := range []string{"odd side", "even side"} {
				p := part(whole, s.Lines[k])
				p.Name = s.Name + ", " + side
				out = append(out, p)
			}
			continue
		}
		out = append(out, s.directions(whole)...)
	}
	return out
}

func (s *Street) kind() string {
	switch {
	case s.Tunnel:
		return "tunnel"
	case s.Bridge:
		return "bridge"
	}
	return "road"
}

// directions returns the two halves of a street, or the two tubes of a tunnel:
// B leads along its line, A against it.
func (s *Street) directions(whole hansa.Place) []hansa.Place {
	along, against := s.Lines[0], reversed(s.Lines[0])
	if s.Tunnel {
		along, against = beside(along, tubeOffset), beside(against, tubeOffset)
	}
	b, a := part(whole, along), part(whole, against)
	if s.Tunnel {
		a.Tube, b.Tube = "A", "B"
	}
	if a.Heading == b.Heading { // a line that ends where it began
		a.Heading, b.Heading = "clockwise", "anticlockwise"
		a.ID, b.ID = whole.ID+"-"+a.Heading, whole.ID+"-"+b.Heading
		a.Name, b.Name = whole.Name+", "+a.Heading, whole.Name+", "+b.Heading
	}
	return []hansa.Place{b, a}
}

func part(whole hansa.Place, line []hansa.Position) hansa.Place {
	h := heading(line)
	p := whole
	p.ID, p.Name, p.Heading = whole.ID+"-"+h, whole.Name+", "+h+"bound", h
	p.Direction, p.Parent, p.Geometry = hansa.OneDirection, whole.ID, hansa.Line(line...)
	return p
}

// heading is the quarter of the compass in which a line leads as a whole.
func heading(l []hansa.Position) string {
	a, b := l[0], l[len(l)-1]
	dx, dy := (b[0]-a[0])*math.Cos(lat0*math.Pi/180), b[1]-a[1]
	switch {
	case math.Abs(dx) >= math.Abs(dy) && dx > 0:
		return "east"
	case math.Abs(dx) >= math.Abs(dy):
		return "west"
	case dy > 0:
		return "north"
	}
	return "south"
}

// beside shifts a line to the right of its own direction.
func beside(l []hansa.Position, metres float64) []hansa.Position {
	out := make([]hansa.Position, len(l))
	k := math.Cos(lat0 * math.Pi / 180)
	for i := range l {
		a, b := l[max(0, i-1)], l[min(len(l)-1, i+1)]
		dx, dy := (b[0]-a[0])*k, b[1]-a[1]
		n := math.Hypot(dx, dy)
		x := (l[i][0] - lon0) * metresPerLat * k
		y := (l[i][1] - lat0) * metresPerLat
		out[i] = at(point{x + dy/n*metres, y - dx/n*metres})
	}
	return out
}

func geometry(lines [][]hansa.Position) *hansa.Geometry {
	if len(lines) == 1 {
		return hansa.Line(lines[0]...)
	}
	return &hansa.Geometry{Type: hansa.MultiLineString, Lines: lines}
}

// slug is the id of a place: its name's words, folded, joined by hyphens.
func slug(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '-' || r == ',' })
	for i, w := range words {
		words[i] = network.Fold(w)
	}
	return strings.Join(words, "-")
}
