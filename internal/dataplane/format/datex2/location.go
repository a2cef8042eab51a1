package datex2

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// alertC is a reference that [recordReader.alertC] said in a line.
type alertC struct {
	point  bool
	fields map[string]string
}

// parseAlertC reads such a line; it reports false for one that version 3 could
// not say.
func parseAlertC(l hansa.LinearRef) (a alertC, ok bool) {
	words := strings.Fields(l.Value)
	if l.Kind != "alertc" || len(words) < 2 || words[0] != "alertCLinear" && words[0] != "alertCPoint" {
		return a, false
	}
	a.point = words[0] == "alertCPoint"
	a.fields = map[string]string{}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		a.fields[k] = said(v)
	}
	f := a.fields
	if f["affected"] == "" {
		f["affected"] = "unknown"
	}
	ok = f["country"] != "" && f["table"] != "" && f["version"] != "" &&
		(f["direction"] == "positive" || f["direction"] == "negative") && says("alertCAffectedDirection", f["affected"]) &&
		(f["method"] == "2" || f["method"] == "4")
	return a, ok && a.code("primary") && (a.point || a.code("secondary"))
}

// code reports whether the code of a point is a number, with a distance where the
// method has one.
func (a alertC) code(end string) bool {
	code, offset, has := strings.Cut(a.fields[end], "+")
	_, ok1 := number([]byte(code))
	_, ok2 := number([]byte(offset))
	return ok1 && len(code) < 10 && has == (a.fields["method"] == "4") && (!has || ok2 && len(offset) < 10)
}

func (a alertC) encode(e *encoder) {
	f := a.fields
	method, shape := "loc:AlertCMethod"+f["method"], "Linear"
	if a.point {
		shape = "Point"
	}
	e.begin("loc:alertC"+shape, "xsi:type", method+shape)
	e.leaf("loc:alertCLocationCountryCode", f["country"])
	e.leaf("loc:alertCLocationTableNumber", f["table"])
	e.leaf("loc:alertCLocationTableVersion", f["version"])
	e.begin("loc:alertCDirection")
	e.leaf("loc:alertCDirectionCoded", f["direction"])
	e.leaf("loc:alertCAffectedDirection", f["affected"])
	e.end()
	for _, end := range []string{"Primary", "Secondary"} {
		code, offset, _ := strings.Cut(f[strings.ToLower(end)], "+")
		if code == "" || a.point && end == "Secondary" {
			continue
		}
		e.begin("loc:alertCMethod" + f["method"] + end + "PointLocation")
		e.begin("loc:alertCLocation")
		e.leaf("loc:specificLocation", code)
		e.end()
		if offset != "" {
			e.begin("loc:offsetDistance")
			e.leaf("loc:offsetDistance", offset)
			e.end()
		}
		e.end()
	}
	e.end()
}

// encodePlace writes where.
func (p *plan) encodePlace(e *encoder) {
	g := p.r.Situation.Geometry
	const name = "sit:locationReference"
	var lines, points []alertC
	for _, a := range p.refs {
		if a.point {
			points = append(points, a)
		} else {
			lines = append(lines, a)
		}
	}
	switch {
	case g != nil && g.Type == hansa.Polygon:
		e.begin(name, "xsi:type", "loc:AreaLocation")
		e.begin("loc:gmlMultiPolygon")
		e.begin("loc:gmlPolygon")
		for i, l := range g.Lines {
			ring := "loc:interior"
			if i == 0 {
				ring = "loc:exterior"
			}
			e.begin(ring, "srsName", srs)
			e.leaf("loc:posList", string(appendPosList(nil, l)))
			e.end()
		}
		e.end()
		e.end()
		e.end()
	case g == nil && len(lines) > 0, g != nil && g.Type == hansa.LineString:
		var l []hansa.Position
		if g != nil {
			l = g.Lines[0]
		}
		p.linear(e, name, l, lines, true)
	case g == nil:
		p.point(e, name, nil, points)
	case g.Type == hansa.Point:
		p.point(e, name, g.Lines[0], points)
	default:
		e.begin(name, "xsi:type", "loc:LocationGroupByList")
		for i, l := range partsOf(g) {
			if len(l) > 1 {
				p.linear(e, "loc:locationContainedInGroup", l, lines, i == 0)
				lines = nil
			} else {
				if i > 0 {
					points = nil
				}
				p.point(e, "loc:locationContainedInGroup", l, points)
			}
		}
		e.end()
	}
}

const srs = "EPSG:4326"

func (p *plan) linear(e *encoder, name string, l []hansa.Position, refs []alertC, first bool) {
	kind := "loc:LinearLocation"
	if len(refs) > 0 {
		kind = "loc:SingleRoadLinearLocation"
	}
	e.begin(name, "xsi:type", kind)
	if first {
		p.describe(e)
	}
	if l != nil {
		encodeLine(e, l)
	}
	for _, a := range refs {
		a.encode(e)
	}
	e.end()
}

func encodeLine(e *encoder, l []hansa.Position) {
	e.begin("loc:gmlLineString", "srsName", srs)
	e.leaf("loc:posList", string(appendPosList(nil, l)))
	e.end()
}

func (p *plan) point(e *encoder, name string, l []hansa.Position, refs []alertC) {
	e.begin(name, "xsi:type", "loc:PointLocation")
	p.describe(e)
	if len(l) > 0 {
		encodePoint(e, l[0])
	}
	for _, a := range refs {
		a.encode(e)
	}
	e.end()
}

func encodePoint(e *encoder, at hansa.Position) {
	e.begin("loc:pointByCoordinates")
	e.begin("loc:pointCoordinates")
	e.number("loc:latitude", at[1])
	e.number("loc:longitude", at[0])
	e.end()
	e.end()
}

// describe writes structure, lanes and road.
func (p *plan) describe(e *encoder) {
	s := p.r.Situation
	structure := ""
	for d, word := range infras {
		if word == s.Infra.Kind {
			structure = d
		}
	}
	lanes := p.lanes()
	road, number, name := said(s.Road.Name), said(s.Road.Number), said(s.Infra.Name)
	if structure+road+number+name == "" && len(lanes) == 0 {
		return
	}
	e.begin("loc:supplementaryPositionalDescription")
	e.leaf("loc:infrastructureDescriptor", structure)
	e.words("loc:locationDescription", name, e.lang)
	for i := 0; i < len(lanes); {
		of := lanes[i].Of
		e.begin("loc:carriageway")
		e.leaf("loc:carriageway", "mainCarriageway")
		if of > 0 {
			e.leaf("loc:originalNumberOfLanes", strconv.Itoa(of))
		}
		for ; i < len(lanes) && lanes[i].Of == of; i++ {
			e.begin("loc:lane")
			if lanes[i].Number != 0 {
				e.leaf("loc:laneNumber", fmt.Sprint(lanes[i].Number))
			}
			if says("laneUsage", lanes[i].Usage) {
				e.leaf("loc:laneUsage", lanes[i].Usage)
			}
			e.end()
		}
		e.end()
	}
	if road+number != "" {
		e.begin("loc:roadInformation")
		e.leaf("loc:roadName", road)
		e.leaf("loc:roadNumber", number)
		e.end()
	}
	e.end()
}

// lanes are those that the record is about: of a closure the closed ones, else
// those that stay open.
func (p *plan) lanes() []hansa.Lane {
	s := p.r.Situation
	closed := s.Effect == hansa.RoadClosed || s.Effect == hansa.DirectionClosed || s.Effect == hansa.LanesClosed
	return slices.DeleteFunc(slices.Clone(s.Lanes), func(l hansa.Lane) bool { return l.Closed != closed })
}
