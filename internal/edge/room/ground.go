package room

import (
	"bytes"
	"html/template"
	"math"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// The map's size in its own units: about a pixel each on a wide screen.
const (
	mapWidth  = 1116.0
	mapHeight = 668.0
)

// ground is the base map, surveyed and drawn once.
type ground struct {
	scale       float64 // units a metre
	east, north float64 // of the middle, in metres from 0, 0
	perLon      float64 // metres a degree of longitude
	markup      template.HTML
	attribution string
	labels      collision // where the names are
}

const metresPerLat = 111_320.0

// sheet is what the ground template draws: all of one layer is one path.
type sheet struct {
	Areas       []layerPath
	Canals      []layerPath
	Under, Over []layerPath // streets below and above; each is drawn as a case and a fill
	Tunnels     string
	Rail        string
	Labels      []mapLabel
	Refs        []mapLabel
}

type layerPath struct {
	Class, D, Width string
	Fill, Case      string // colours where no stylesheet reaches
}

type mapLabel struct{ X, Y, Text, Class string }

// survey fits the drawing into the frame and draws it.
func survey(d Drawing, pages *template.Template) (*ground, error) {
	if len(d.Shapes) > ShapesMax {
		return nil, hansa.Errorf(hansa.Invalid, "a drawing has at most %d shapes, not %d", ShapesMax, len(d.Shapes))
	}
	for i := range d.Shapes {
		if g := d.Shapes[i].Geometry; g == nil || g.Validate() != nil {
			return nil, hansa.Errorf(hansa.Invalid, "shape %d of the drawing has no sound geometry", i)
		}
	}
	g := &ground{attribution: d.Attribution}
	g.fit(&d)
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "ground", g.sheet(&d)); err != nil {
		return nil, err
	}
	g.markup = template.HTML(b.String()) //nolint:gosec // written by html/template
	return g, nil
}

// fit sets the scale: the drawing's own view, or one that holds every shape.
func (g *ground) fit(d *Drawing) {
	centre, span := d.Centre, d.Span
	if span <= 0 {
		w, s, e, n := 180.0, 90.0, -180.0, -90.0
		for i := range d.Shapes {
			a, b, c, f := d.Shapes[i].Geometry.Bounds()
			w, s, e, n = min(w, a), min(s, b), max(e, c), max(n, f)
		}
		if w > e {
			w, s, e, n = 0, 0, .1, .05
		}
		centre = hansa.Position{(w + e) / 2, (s + n) / 2}
		wide := (e - w) * metresPerLat * math.Cos(centre[1]*math.Pi/180)
		span = max(200, wide, (n-s)*metresPerLat*mapWidth/mapHeight) * 1.08
	}
	g.perLon = metresPerLat * math.Cos(centre[1]*math.Pi/180)
	g.scale = mapWidth / span
	g.east, g.north = centre[0]*g.perLon, centre[1]*metresPerLat
}

func (*ground) viewBox() string { return "0 0 " + num(mapWidth) + " " + num(mapHeight) }

// around is the view of one geometry with some land about it, and whether the map
// holds it.
func (g *ground) around(geo *hansa.Geometry) (box string, ok bool) {
	if geo == nil || geo.Validate() != nil || !g.inView(geo) {
		return g.viewBox(), false
	}
	const ratio, least, air = mapWidth / mapHeight, 330.0, 2.6
	w, s, e, n := geo.Bounds()
	x0, y1 := g.xy(hansa.Position{w, s})
	x1, y0 := g.xy(hansa.Position{e, n})
	wide := min(mapWidth, max(least, (x1-x0)*air, (y1-y0)*air*ratio))
	x, y := max(0, min(mapWidth-wide, (x0+x1)/2-wide/2)), max(0, min(mapHeight-wide/ratio, (y0+y1)/2-wide/ratio/2))
	return num(x) + " " + num(y) + " " + num(wide) + " " + num(wide/ratio), true
}

// xy projects a position onto the map.
func (g *ground) xy(p hansa.Position) (x, y float64) {
	return (p[0]*g.perLon-g.east)*g.scale + mapWidth/2, mapHeight/2 - (p[1]*metresPerLat-g.north)*g.scale
}

// trace appends a line as a path, without points closer than a third of a unit.
func (g *ground) trace(b *strings.Builder, l []hansa.Position, closed bool) {
	lastX, lastY := math.Inf(1), math.Inf(1)
	for i, p := range l {
		x, y := g.xy(p)
		if i > 0 && i < len(l)-1 && math.Abs(x-lastX)+math.Abs(y-lastY) < .4 {
			continue
		}
		if i == 0 {
			b.WriteByte('M')
		} else {
			b.WriteByte('L')
		}
		b.WriteString(num(x) + " " + num(y))
		lastX, lastY = x, y
	}
	if closed {
		b.WriteByte('Z')
	}
}

func (g *ground) inView(geo *hansa.Geometry) bool {
	w, s, e, n := geo.Bounds()
	x0, y1 := g.xy(hansa.Position{w, s})
	x1, y0 := g.xy(hansa.Position{e, n})
	return x1 > -60 && x0 < mapWidth+60 && y1 > -60 && y0 < mapHeight+60
}

func (g *ground) sheet(d *Drawing) sheet {
	paths := map[Layer]*strings.Builder{}
	for _, l := range []Layer{LayerUrban, LayerBlock, LayerPark, LayerWater, LayerIsland, LayerSquare, LayerPath, LayerLane, LayerStreet, LayerRoad, LayerArterial, LayerMotorway, LayerRail} {
		paths[l] = &strings.Builder{}
	}
	var s sheet
	var tunnels strings.Builder
	for _, l := range d.Labels {
		x, y := g.xy(l.At)
		if x > 0 && x < mapWidth && y > 0 && y < mapHeight && g.labels.free(x, y, 7*float64(len(l.Text)), 16) {
			s.Labels = append(s.Labels, mapLabel{num(x), num(y), l.Text, labelClass(l.Kind)})
		}
	}
	for i := range d.Shapes {
		sh := &d.Shapes[i]
		if !g.inView(sh.Geometry) {
			continue
		}
		for _, l := range sh.Geometry.Lines {
			switch b := paths[sh.Layer]; {
			case sh.Layer == LayerCanal:
				var one strings.Builder
				g.trace(&one, l, false)
				s.Canals = append(s.Canals, layerPath{D: one.String(), Width: num(max(1, sh.Width*g.scale))})
			case sh.Tunnel:
				g.trace(&tunnels, l, false)
			case b != nil:
				g.trace(b, l, sh.Geometry.Type == hansa.Polygon)
			default:
				g.trace(paths[LayerStreet], l, false)
			}
			if x, y := g.xy(l[len(l)/2]); sh.Ref != "" && !sh.Tunnel && x > 12 && x < mapWidth-12 && y > 12 && y < mapHeight-12 && g.labels.free(x, y, 26, 14) {
				s.Refs = append(s.Refs, mapLabel{num(x), num(y + 3), sh.Ref, "ref"})
			}
		}
	}
	for _, a := range []layerPath{{Class: "urban", Fill: "#EFECE4"}, {Class: "block", Fill: "#E6E0D3"}, {Class: "park", Fill: "#D3DFC4"}, {Class: "water", Fill: "#B9D3DB"}, {Class: "island", Fill: "#EFECE4"}} {
		a.D = paths[Layer(a.Class)].String()
		s.Areas = append(s.Areas, a)
	}
	s.Areas = append(s.Areas, layerPath{Class: "square", Fill: "#F7F4EC", D: paths[LayerSquare].String()})
	s.Tunnels, s.Rail = tunnels.String(), paths[LayerRail].String()
	for _, l := range []struct {
		layer            Layer
		fill, edge       string
		inside, boundary float64
	}{
		{LayerLane, "#FFFFFF", "#D8D1C2", 1, 1.6},
		{LayerStreet, "#FFFFFF", "#D8D1C2", 1.5, 2},
		{LayerRoad, "#FFFFFF", "#D8D1C2", 2.2, 3},
		{LayerArterial, "#FBF3DC", "#CDB47A", 2.6, 3.6},
		{LayerMotorway, "#F3DFAF", "#CDB47A", 3.3, 4.7},
	} {
		dd := paths[l.layer].String()
		s.Under = append(s.Under, layerPath{Class: string(l.layer), D: dd, Width: num(l.boundary), Case: l.edge})
		s.Over = append(s.Over, layerPath{Class: string(l.layer), D: dd, Width: num(l.inside), Fill: l.fill})
	}
	return s
}

func labelClass(kind string) string {
	switch kind {
	case "district", "island", "station", "water":
		return kind
	}
	return "district"
}

// collision keeps labels and markers off one another. The first soft boxes are
// names, which a marker may cover if it must.
type collision struct {
	boxes [][4]float64
	soft  int
}

// free takes the box around x, y if nothing is there yet.
func (c *collision) free(x, y, w, h float64) bool { return c.clear(x, y, w, h, false) }

// clear is free that may look past the soft boxes.
func (c *collision) clear(x, y, w, h float64, over bool) bool {
	b := [4]float64{x - w/2, y - h/2, x + w/2, y + h/2}
	hard := c.boxes
	if over {
		hard = hard[c.soft:]
	}
	for _, o := range hard {
		if b[0] < o[2] && o[0] < b[2] && b[1] < o[3] && o[1] < b[3] {
			return false
		}
	}
	c.boxes = append(c.boxes, b)
	return true
}
