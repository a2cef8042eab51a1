package datex2

import (
	"strings"

	"github.com/hansa-exchange/hansa"
)

// alertC says an Alert-C location as one line, for example
//
//	alertCLinear method=4 country=8 table=6.13 version=A direction=negative affected=aligned primary=8802+500 secondary=8803+400
//
// which the writer can write again. One that has another shape is kept as it is.
func (x *recordReader) alertC(at ref) string {
	t := &x.tree
	var b strings.Builder
	b.WriteString(t.name(at))
	say := func(key, value string) {
		if value != "" {
			b.WriteString(" " + key + "=" + value)
		}
	}
	code := func(l ref) string {
		v := t.leaf(t.child(l, "alertCLocation"), "specificLocation")
		if v != "" {
			if o := t.down(l, "offsetDistance", "offsetDistance"); o != none {
				v += "+" + t.string(o)
			}
		}
		return v
	}
	var method, primary, secondary string
	for c := t.first(at); c != none; c = t.next(c) {
		name := t.name(c)
		rest, ok := strings.CutPrefix(name, "alertCMethod")
		if !ok || len(rest) < 2 {
			continue
		}
		method = rest[:1]
		if strings.HasPrefix(rest[1:], "Primary") {
			primary = code(c)
		} else {
			secondary = code(c)
		}
	}
	if primary == "" {
		primary = t.leaf(at, "locationCodeForLinearLocation")
	}
	if primary == "" {
		primary = t.leaf(t.child(at, "areaLocation"), "specificLocation")
	}
	if primary == "" {
		return t.fragment(at)
	}
	dir := t.child(at, "alertCDirection")
	say("method", method)
	say("country", t.leaf(at, "alertCLocationCountryCode"))
	say("table", t.leaf(at, "alertCLocationTableNumber"))
	say("version", t.leaf(at, "alertCLocationTableVersion"))
	say("direction", t.leaf(dir, "alertCDirectionCoded"))
	say("affected", t.leaf(dir, "alertCAffectedDirection"))
	say("primary", primary)
	say("secondary", secondary)
	return b.String()
}

// tpeg reads the points of a TPEG line, from which it goes and to which.
func (x *recordReader) tpeg(at ref, g *gathered) {
	t := &x.tree
	var l []hansa.Position
	for _, name := range []string{"from", "to"} {
		end := t.child(at, name)
		if p, ok := x.point(t.child(end, "pointCoordinates")); ok {
			l = append(l, p)
		}
		for n := t.child(end, "name"); n != none; n = t.sibling(n) {
			x.tpegName(n)
		}
	}
	if len(l) == 2 {
		g.add(&g.lines, l)
	} else {
		g.points = append(g.points, l...)
	}
}

// tpegName takes the name of a road; names of other things are kept.
func (x *recordReader) tpegName(at ref) {
	t := &x.tree
	for c := t.first(at); c != none; c = t.next(c) {
		if !strings.HasPrefix(t.name(c), "tpeg") {
			continue
		}
		switch string(t.bytes(c)) {
		case "linkName":
			if x.s.Road.Number == "" {
				x.s.Road.Number = x.oneText(t.child(at, "descriptor"))
			}
			return
		case "streetName", "roadName":
			if x.s.Road.Name == "" {
				x.s.Road.Name = x.oneText(t.child(at, "descriptor"))
			}
			return
		}
		t.nodes[c].used = false
	}
}

// onElement reads a place by distance along a road: the road's name and number,
// and the rest as it came.
func (x *recordReader) onElement(at ref) {
	t, s := &x.tree, x.s
	if e := t.child(at, "linearElement"); e != none {
		if s.Road.Number == "" {
			s.Road.Number = t.leaf(e, "roadNumber")
		}
		if s.Road.Name == "" {
			s.Road.Name = x.oneText(t.child(e, "roadName"))
		}
	}
	x.refer("milepost", at, t.fragment)
}

// infras are the infrastructureDescriptors that have a word.
var infras = map[string]string{"inTunnel": "tunnel", "onBridge": "bridge", "onTheRoadway": "road"}

// description reads a supplementaryPositionalDescription.
func (x *recordReader) description(at ref) {
	t, s := &x.tree, x.s
	for c := t.first(at); c != none; c = t.next(c) {
		switch t.name(c) {
		case "infrastructureDescriptor", "locationDescriptor":
			if kind, ok := infras[string(t.bytes(c))]; ok && (s.Infra.Kind == "" || s.Infra.Kind == kind) {
				s.Infra.Kind = kind
			} else {
				t.nodes[c].used = false
			}
		case "locationDescription":
			if s.Infra.Name == "" {
				s.Infra.Name = x.oneText(c)
			}
		case "roadInformation":
			if s.Road.Name == "" {
				s.Road.Name = t.leaf(c, "roadName")
			}
			if s.Road.Number == "" {
				s.Road.Number = t.leaf(c, "roadNumber")
			}
		case "carriageway", "affectedCarriagewayAndLanes":
			x.lanes(c)
		}
	}
}

// lanes reads the lanes of a carriageway: version 3 numbers them in an element of
// their own, version 2 in the word.
func (x *recordReader) lanes(at ref) {
	t, s := &x.tree, x.s
	of := 0
	if c := t.child(at, "originalNumberOfLanes"); c != none {
		of, _ = number(t.bytes(c))
	}
	if k := t.child(at, "carriageway"); k != none && string(t.bytes(k)) != "mainCarriageway" {
		t.nodes[k].used = false
		x.slip = true
	}
	first := len(s.Lanes)
	for l := t.child(at, "lane"); l != none; l = t.sibling(l) {
		var lane hansa.Lane
		if t.first(l) != none {
			lane.Number, _ = number(t.bytes(t.child(l, "laneNumber")))
			lane.Usage = t.leaf(l, "laneUsage")
		} else {
			v := t.string(l)
			if n, ok := strings.CutPrefix(v, "lane"); ok {
				lane.Number, ok = number([]byte(n))
				if !ok {
					lane.Usage = v
				}
			} else {
				lane.Usage = v
			}
		}
		lane.Of = of
		s.Lanes = append(s.Lanes, lane)
	}
	if len(s.Lanes) == first && of > 0 {
		t.nodes[t.child(at, "originalNumberOfLanes")].used = false
	}
}
