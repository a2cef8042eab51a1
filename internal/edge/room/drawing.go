package room

import "github.com/hansa-exchange/hansa"

// Layer says how a shape of the base map is drawn.
type Layer string

// The layers, from the ground up. The first eight are areas, the rest lines.
const (
	LayerUrban    Layer = "urban"
	LayerBlock    Layer = "block"
	LayerPark     Layer = "park"
	LayerWater    Layer = "water"
	LayerIsland   Layer = "island"
	LayerSquare   Layer = "square"
	LayerCanal    Layer = "canal" // a line of water; Width in metres
	LayerPath     Layer = "path"
	LayerLane     Layer = "lane"   // residential street
	LayerStreet   Layer = "street" // tertiary
	LayerRoad     Layer = "road"   // secondary
	LayerArterial Layer = "arterial"
	LayerMotorway Layer = "motorway"
	LayerRail     Layer = "rail"
)

// ShapesMax is how many shapes a drawing may have.
const ShapesMax = 100_000

// Drawing is what the map is drawn of: the exchange's own network, and what lies
// around it. It is drawn once, when the room is made.
type Drawing struct {
	// Centre and Span say what is in view: Span metres from west to east. A zero
	// Span takes all shapes in.
	Centre      hansa.Position
	Span        float64
	Attribution string
	Shapes      []Shape
	Labels      []Label
}

// Shape is one area or line of the base map.
type Shape struct {
	Layer    Layer
	Width    float64 // metres, of a canal
	Ref      string  // road number, shown along the line
	Tunnel   bool
	Geometry *hansa.Geometry
}

// Label is a name on the map.
type Label struct {
	Text string
	Kind string // district, island, station, water
	At   hansa.Position
}

// DrawPlaces makes a drawing of named places alone, for a city without another map.
func DrawPlaces(places []hansa.Place) Drawing {
	var d Drawing
	for i := range places {
		p := &places[i]
		if p.Parent != "" || p.Geometry == nil || p.Geometry.Type == hansa.Polygon {
			continue
		}
		s := Shape{Layer: LayerStreet, Ref: p.Number, Geometry: p.Geometry}
		switch {
		case p.Kind == "tunnel":
			s.Layer, s.Tunnel = LayerArterial, true
		case p.Number != "":
			s.Layer = LayerArterial
		}
		d.Shapes = append(d.Shapes, s)
	}
	return d
}
