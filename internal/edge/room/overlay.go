package room

import (
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// overlay is what lies on the base map: closures, diversions, markers.
type overlay struct {
	Closed, Partial, Planned, Areas, Open string // paths
	Detours, Arrows                       string
	Markers                               []marker
	Outside                               int // closures in the list that the frame does not show
	Says                                  string
}

type marker struct {
	Number, X, Y, DOM, Label string
	Href                     template.URL
	Planned, Selected, Open  bool
}

// markerRadius and the gap between marker and line, in map units.
const (
	markerRadius = 12.0
	markerGap    = 25.0
)

func (g *ground) overlay(p *page) *overlay {
	o := &overlay{}
	var closed, partials, plans, areas, open, detours, arrows strings.Builder
	taken := collision{boxes: slices.Clone(g.labels.boxes), soft: len(g.labels.boxes)}
	drawn := 0
	for i := range p.Items {
		it := &p.Items[i]
		geo := it.c.Geometry
		if geo == nil || geo.Validate() != nil || !g.inView(geo) {
			o.Outside++
			continue
		}
		into := &closed
		switch {
		case it.Planned:
			into = &plans
		case it.Open:
			into = &open
		case geo.Type == hansa.Polygon:
			into = &areas
		case partial(it.c):
			into = &partials
		}
		if geo.Type != hansa.Point && geo.Type != hansa.MultiPoint {
			for _, l := range geo.Lines {
				g.trace(into, l, geo.Type == hansa.Polygon)
			}
		}
		if !it.Planned {
			for _, d := range it.c.Detours {
				g.detour(&detours, &arrows, d)
			}
		}
		if drawn++; drawn <= MarkersMax {
			o.Markers = append(o.Markers, g.marker(p.say, it, &taken))
		}
	}
	o.Closed, o.Partial, o.Planned, o.Areas = closed.String(), partials.String(), plans.String(), areas.String()
	o.Open = open.String()
	o.Detours, o.Arrows = detours.String(), arrows.String()
	o.Says = p.say.Count(drawn, "Map of {1} closure or measure. It is also in the list.", "Map of {1} closures and measures. Each is also in the list.")
	return o
}

// marker sets a closure's number beside its line, where there is room.
func (g *ground) marker(say *words.Catalogue, it *item, taken *collision) marker {
	geo := it.c.Geometry
	l := geo.Lines[0]
	x, y, nx, ny := g.middle(l)
	spots, over := [][2]float64{{x, y}}, true
	switch geo.Type {
	case hansa.LineString, hansa.MultiLineString:
		if dx, dy := x-mapWidth/2, y-mapHeight/2; nx*dx+ny*dy > 0 && len(l) > 2 { // towards the middle first
			nx, ny = -nx, -ny
		}
		spots, over = spots[:0], false
		for _, far := range []float64{markerGap, -markerGap, 2 * markerGap, -2 * markerGap, 0} {
			spots = append(spots, [2]float64{x + nx*far, y + ny*far})
		}
		for _, on := range []float64{1, -1, 2, -2, 3, -3} { // then further along
			on *= 2.4 * markerRadius
			for _, far := range []float64{markerGap, -markerGap} {
				spots = append(spots, [2]float64{x + nx*far - ny*on, y + ny*far + nx*on})
			}
		}
	case hansa.Polygon: // in its middle, on top of names
		w, so, e, n := geo.Bounds()
		x, y = g.xy(hansa.Position{(w + e) / 2, (so + n) / 2})
		spots[0] = [2]float64{x, y}
	case hansa.Point, hansa.MultiPoint:
	}
	if over {
		spots = append(spots, [2]float64{x + 2*markerGap, y}, [2]float64{x - 2*markerGap, y}, [2]float64{x, y + 2*markerGap})
	}
	at := spots[0]
	for _, s := range spots {
		in := s[0] > markerRadius && s[0] < mapWidth-markerRadius && s[1] > markerRadius && s[1] < mapHeight-markerRadius
		if in && taken.clear(s[0], s[1], 2*markerRadius+2, 2*markerRadius+2, over) {
			at = s
			break
		}
	}
	at[0] = min(max(at[0], markerRadius+3), mapWidth-markerRadius-3)
	at[1] = min(max(at[1], markerRadius+3), mapHeight-markerRadius-3)
	return marker{
		Number: strconv.Itoa(it.Number), X: num(at[0]), Y: num(at[1]), Href: it.Href, DOM: it.DOM,
		Label: say.Fill("Closure {1}: {2}. {3}", it.Number, it.Name, it.Line), Planned: it.Planned, Selected: it.Current, Open: it.Open,
	}
}

// middle returns the point half-way along a line, and the unit normal there.
func (g *ground) middle(l []hansa.Position) (x, y, nx, ny float64) {
	total := 0.0
	for i := 1; i < len(l); i++ {
		total += g.apart(l[i-1], l[i])
	}
	half := total / 2
	for i := 1; i < len(l); i++ {
		d := g.apart(l[i-1], l[i])
		if d > 0 && half <= d {
			x0, y0 := g.xy(l[i-1])
			x1, y1 := g.xy(l[i])
			t := half / d
			return x0 + (x1-x0)*t, y0 + (y1-y0)*t, -(y1 - y0) / d, (x1 - x0) / d
		}
		half -= d
	}
	x, y = g.xy(l[0])
	return x, y, 1, 0
}

func (g *ground) apart(a, b hansa.Position) float64 {
	x0, y0 := g.xy(a)
	x1, y1 := g.xy(b)
	return math.Hypot(x1-x0, y1-y0)
}

// detour draws an advised way with an arrowhead every so far.
func (g *ground) detour(line, arrows *strings.Builder, geo *hansa.Geometry) {
	if geo == nil || geo.Validate() != nil || geo.Type != hansa.LineString && geo.Type != hansa.MultiLineString {
		return
	}
	const every = 100.0
	for _, l := range geo.Lines {
		g.trace(line, l, false)
		gone := every / 2
		for i := 1; i < len(l); i++ {
			x0, y0 := g.xy(l[i-1])
			x1, y1 := g.xy(l[i])
			d := math.Hypot(x1-x0, y1-y0)
			if d == 0 || d > 1e5 {
				continue
			}
			ux, uy := (x1-x0)/d, (y1-y0)/d
			for ; gone < d; gone += every {
				x, y := x0+ux*gone, y0+uy*gone
				if x > -10 && x < mapWidth+10 && y > -10 && y < mapHeight+10 {
					arrow(arrows, x, y, ux, uy)
				}
			}
			gone -= d
		}
	}
}

// arrow draws a head at x, y that points along ux, uy.
func arrow(b *strings.Builder, x, y, ux, uy float64) {
	at := func(along, across float64) string {
		return num(x+ux*along-uy*across) + " " + num(y+uy*along+ux*across)
	}
	b.WriteString("M" + at(6.5, 0) + "L" + at(-5, 5.6) + "L" + at(-5, -5.6) + "Z")
}
