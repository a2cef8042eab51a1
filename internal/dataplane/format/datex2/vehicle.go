package datex2

import (
	"github.com/hansa-exchange/hansa"
)

// measures are the limits of vehicles: the element, and what it holds.
var measures = []struct{ element, value, unit string }{
	{"grossWeightCharacteristic", "grossVehicleWeight", "t"},
	{"heightCharacteristic", "vehicleHeight", "m"},
	{"lengthCharacteristic", "vehicleLength", "m"},
	{"widthCharacteristic", "vehicleWidth", "m"},
}

// vehicles reads to whom the record applies. What a class or limit cannot say is
// kept in Other, so that it stays a part and never becomes all.
func (x *recordReader) vehicles() {
	t := &x.tree
	for at := t.child(0, "forVehiclesWithCharacteristicsOf"); at != none; at = t.sibling(at) {
		var v hansa.Vehicles
		var kinds []string
		for c := t.first(at); c != none; c = t.next(c) {
			switch name := t.name(c); name {
			case "vehicleType":
				kinds = append(kinds, t.string(c))
			case "loadType":
				if string(t.bytes(c)) == "hazardousMaterials" {
					v.DangerousGoods = true
				} else {
					x.other(&v, c)
				}
			default:
				if !x.limit(&v, c) {
					x.other(&v, c)
				}
			}
		}
		if len(kinds) == 1 && kinds[0] == "anyVehicle" {
			if v == (hansa.Vehicles{}) {
				continue // that is everybody
			}
			kinds = nil
		}
		if len(kinds) == 0 {
			kinds = []string{""}
		}
		for _, k := range kinds {
			v.Class = k
			x.s.Vehicles = append(x.s.Vehicles, v)
		}
	}
}

// limit reads a measure that vehicles exceed.
func (x *recordReader) limit(v *hansa.Vehicles, at ref) bool {
	t := &x.tree
	for i, m := range measures {
		if t.name(at) != m.element {
			continue
		}
		c := t.child(at, m.value)
		f, ok := decimal(t.bytes(c))
		how := t.child(at, "comparisonOperator")
		over := string(t.bytes(how))
		slot := [...]*float64{&v.WeightOverT, &v.HeightOverM, &v.LengthOverM, &v.WidthOverM}[i]
		if !ok || f <= 0 || *slot != 0 || over != "greaterThan" && over != "greaterThanOrEqualTo" {
			if how != none {
				t.nodes[how].used = false
			}
			if c != none {
				t.nodes[c].used = false
			}
			mark(x.r, ruleCompare, t.path(at), over)
			return false
		}
		if over == "greaterThanOrEqualTo" {
			t.nodes[how].used = false
		}
		*slot = f
		return true
	}
	return false
}

// otherBytesMax is about how long Other may become.
const otherBytesMax = 4 << 10

// other says a limit that has no word here in the publisher's words.
func (x *recordReader) other(v *hansa.Vehicles, at ref) {
	if len(v.Other) > otherBytesMax {
		return // it stays to be kept
	}
	if v.Other != "" {
		v.Other += " "
	}
	v.Other += x.tree.fragment(at)
}

// detours reads the advised way round.
func (x *recordReader) detours() {
	t := &x.tree
	text := x.oneText(t.child(0, "reroutingItineraryDescription"))
	n := 0
	for a := t.child(0, "alternativeRoute"); a != none; a = t.sibling(a) {
		var g gathered
		refs := len(x.s.LinearRefs)
		road, infra, lanes := x.s.Road, x.s.Infra, x.s.Lanes
		x.gather(a, &g)
		x.s.Road, x.s.Infra, x.s.Lanes = road, infra, lanes
		for _, l := range x.s.LinearRefs[refs:] {
			x.note("alternativeRoute/"+l.Kind, l.Value)
		}
		x.s.LinearRefs = x.s.LinearRefs[:refs]
		d := hansa.Detour{Text: text, Geometry: shapeOf(&g)}
		if d.Geometry == nil && (n > 0 || text == "") {
			continue
		}
		x.s.Detours = append(x.s.Detours, d)
		n++
	}
	if n == 0 && text != "" {
		x.s.Detours = append(x.s.Detours, hansa.Detour{Text: text})
	}
}

func shapeOf(g *gathered) *hansa.Geometry {
	switch {
	case len(g.lines) == 1:
		return &hansa.Geometry{Type: hansa.LineString, Lines: g.lines}
	case len(g.lines) > 1:
		return &hansa.Geometry{Type: hansa.MultiLineString, Lines: g.lines}
	case len(g.points) > 1:
		return &hansa.Geometry{Type: hansa.MultiPoint, Lines: [][]hansa.Position{g.points}}
	case len(g.points) == 1:
		return &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{g.points}}
	}
	return nil
}

// directions reads along which way of its geometry the record holds: stated, or
// by the order of positions where a line is closed in one direction.
func (x *recordReader) directions() {
	t, s := &x.tree, x.s
	at := t.child(0, "applicableForTrafficDirection")
	word := t.string(at)
	if at == none {
		for i := range t.nodes {
			if n := t.nodes[i].word.name; n == "alertCDirectionCoded" || n == "alertCAffectedDirection" || n == "tpegDirection" {
				v := t.string(ref(i))
				if v == "both" || v == "bothWays" {
					word = v
				}
				if n == "tpegDirection" {
					t.nodes[i].used = v == "both" || v == "bothWays"
				}
			}
		}
	}
	line := s.Geometry != nil && (s.Geometry.Type == hansa.LineString || s.Geometry.Type == hansa.MultiLineString)
	switch word {
	case "both", "bothWays", "allDirections":
		if s.Effect != hansa.DirectionClosed || at != none {
			s.Direction = hansa.BothDirections
			return
		}
	case "aligned":
		s.Direction = hansa.OneDirection
		return
	case "":
	default:
		if at != none {
			t.nodes[at].used = false
		}
	}
	if line && (s.Effect == hansa.DirectionClosed || s.Effect == hansa.LanesClosed) {
		s.Direction = hansa.OneDirection
	}
}
