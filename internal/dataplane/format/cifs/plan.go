package cifs

import (
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// IDLengthMin is how short an incident's id may be.
const IDLengthMin = 3

// StreetLengthMin is how short a street's name may be.
const StreetLengthMin = 2

// plan makes the incidents of one record, none when it is refused, and says what
// is lost.
func (x writer) plan(r *hansa.Record, doc format.Doc) ([]incident, []hansa.Loss) {
	p := &planner{rules: x.rules, doc: doc, r: r, s: r.Situation, report: format.Report{Record: r.ID}}
	if field, reason := format.Absent(r, doc.Made); reason != "" {
		p.report.Refuse(field, "", reason)
		return nil, p.report.Losses()
	}
	p.said = []string{"/situation/start"}
	for _, step := range []func(){p.identity, p.kind, p.direction, p.words, p.times, p.lanes, p.source} {
		if step(); p.report.Refused {
			return nil, p.report.Losses()
		}
	}
	incidents := p.places()
	if p.report.Refused {
		return nil, p.report.Losses()
	}
	p.report.Unsaid(r, p.said...)
	return incidents, p.report.Losses()
}

// planner makes one incident step by step. Each step fills a part of i, or
// refuses the record.
type planner struct {
	rules   Rules
	doc     format.Doc
	r       *hansa.Record
	s       *hansa.Situation
	report  format.Report
	i       incident
	said    []string       // members that the incident carries
	zone    *time.Location // of its times
	windows []hansa.Window // each an incident of its own, where a week of hours cannot say them
}

func (p *planner) say(fields ...string) { p.said = append(p.said, fields...) }

func (p *planner) identity() {
	if len([]rune(p.r.ID)) < IDLengthMin {
		p.report.Refuse("/id", p.r.ID, "an id has at least three characters, and must stay the same")
		return
	}
	p.i.ID = p.r.ID
	for _, parentID := range []struct{ field, id string }{{"/situation/incident", p.s.Incident}, {"/situation/related/parent", p.s.Related.Parent}} {
		if len([]rune(parentID.id)) >= IDLengthMin && p.i.Parent == nil {
			p.i.Parent = &parent{ID: parentID.id}
			p.say(parentID.field)
		}
	}
	if !p.r.Created.IsZero() {
		p.i.Created = stamp(p.r.Created, p.doc.Zone)
	}
	if !p.r.Updated.IsZero() {
		p.i.Updated = stamp(p.r.Updated, p.doc.Zone)
	}
}

// kind settles type and subtype. It is the one place where ROAD_CLOSED is written.
func (p *planner) kind() {
	s := p.s
	switch {
	case len(s.Vehicles) > 0:
		p.report.Refuse("/situation/vehicles", "", "CIFS knows no classes of vehicles: it would be closed for everybody")
	case s.Role == hansa.RoleDiversion:
		p.report.Refuse("/situation/role", string(s.Role), "CIFS has no word for a diversion")
	case s.Closed():
		p.i.Type = "ROAD_CLOSED"
		p.i.Subtype = closedBy(s.Cause.Type)
		if p.i.Subtype != "" {
			p.say("/situation/cause/type")
		}
		for _, l := range s.Lanes {
			if !l.Closed {
				p.report.Refuse("/situation/lanes", strconv.Itoa(l.Number), "a lane is open: ROAD_CLOSED would close it too")
				return
			}
		}
	case s.Effect == hansa.LanesClosed:
		p.i.Type, p.i.Subtype = "HAZARD", "HAZARD_ON_ROAD_LANE_CLOSED"
	case s.Extent == hansa.LanePart:
		p.report.Refuse("/situation/extent", string(s.Extent), "a lane is meant: ROAD_CLOSED would close the road")
	case s.Effect == hansa.Restriction:
		p.report.Refuse("/situation/effect", string(s.Effect), "CIFS has no word for a restriction: it would be closed for everybody")
	case s.Effect == hansa.NoEffect && accident(s.Cause.Type):
		p.i.Type = "ACCIDENT"
		p.say("/situation/cause/type")
	case s.Effect == hansa.NoEffect && works(s.Cause.Type):
		p.i.Type, p.i.Subtype = "HAZARD", "HAZARD_ON_ROAD_CONSTRUCTION"
		p.say("/situation/cause/type")
	default:
		p.report.Refuse("/situation/effect", string(s.Effect), "CIFS has no word for what it does to the road")
	}
}

func works(cause string) bool {
	c := strings.ToLower(cause)
	return strings.Contains(c, "roadwork") || strings.Contains(c, "maintenance") || strings.Contains(c, "construction")
}

func accident(cause string) bool { return strings.Contains(strings.ToLower(cause), "accident") }

// closedBy returns the subtype of a closure; empty when no cause is stated.
func closedBy(cause string) string {
	switch c := strings.ToLower(cause); {
	case c == "":
		return ""
	case works(c):
		return "ROAD_CLOSED_CONSTRUCTION"
	case strings.Contains(c, "event"):
		return "ROAD_CLOSED_EVENT"
	}
	return "ROAD_CLOSED_HAZARD"
}

func (p *planner) direction() {
	d, reason := format.Ways(p.s)
	switch d {
	case hansa.OneDirection:
		p.i.Direction = "ONE_DIRECTION"
	case hansa.BothDirections:
		p.i.Direction = "BOTH_DIRECTIONS"
	default:
		if p.i.Type == "ROAD_CLOSED" {
			p.report.Refuse("/situation/direction", string(p.s.Direction), reason)
		}
	}
	if d == hansa.OneDirection && p.s.Effect == hansa.RoadClosed && (p.s.Extent == "" || p.s.Extent == hansa.WholeRoad) {
		p.report.Add(hansa.LossNotExpressible, "/situation/effect", string(p.s.Effect), "the line is that of one direction; the other is not written")
	}
	if p.s.Extent != hansa.LanePart && p.s.Extent != hansa.Tube {
		p.say("/situation/extent")
	}
}

// words fills street and description.
func (p *planner) words() {
	for _, from := range []struct{ field, name string }{
		{"/situation/road/name", p.s.Road.Name}, {"/situation/infra/name", p.s.Infra.Name}, {"/situation/road/number", p.s.Road.Number},
	} {
		name := strings.TrimSpace(from.name)
		alone, _, more := strings.Cut(name, ",")
		if alone = strings.TrimSpace(alone); len([]rune(alone)) < StreetLengthMin {
			continue
		}
		p.i.Street = alone
		if p.say(from.field); more {
			p.report.Add(hansa.LossNotExpressible, from.field, name, "Waze wants the street's name alone; what follows the comma is left out")
		}
		break
	}
	if p.i.Street == "" {
		p.report.Refuse("/situation/road/name", p.s.Road.Name, "the street has no name of at least two characters")
		return
	}
	if p.s.Infra.Name == p.i.Street {
		p.say("/situation/infra/name")
	}
	text, ok := p.s.Comment(p.doc.Lang, "en")
	if p.i.Description = strings.TrimSpace(text.Value); ok && p.i.Description != "" {
		if len(p.s.Texts) == 1 {
			p.say("/situation/texts")
		}
		return
	}
	what := "lanes closed"
	switch {
	case p.i.Type == "ROAD_CLOSED":
		what = "closed"
	case p.i.Type == "ACCIDENT":
		what = "accident"
	case p.s.Effect == hansa.NoEffect:
		what = "roadworks"
	}
	p.i.Description = p.i.Street + ": " + what
	p.report.Add(hansa.LossInvented, "/situation/texts", p.i.Description, "CIFS wants a description and there is none")
}

func (p *planner) source() {
	ref := p.s.Source.Ref
	if ref == "" {
		ref = p.r.Provenance.Ref
	}
	name := p.s.Source.Org
	if name == "" {
		name = p.doc.Publisher
	}
	if ref == "" {
		ref = name
	}
	if ref != "" {
		p.i.Source = &source{Reference: ref, Name: name}
		p.say("/situation/source/ref", "/situation/source/org")
	}
}

// times fills start, end and schedule.
func (p *planner) times() {
	start, ok := format.Begins(p.s)
	if !ok {
		p.report.Refuse("/situation/start", "", "Waze closes no road without a start")
		return
	}
	if p.s.ActualStart != nil && p.s.ActualStart.Equal(start) {
		p.say("/situation/actualStart")
	}
	end := p.s.End
	p.say("/situation/end")
	if end != nil && !end.After(start) {
		p.report.Refuse("/situation/end", end.Format(time.RFC3339), "it ends before it begins")
		return
	}
	zone := p.doc.Zone
	if len(p.s.Recurrence) > 0 {
		if start, end, zone = p.schedule(start, end); p.report.Refused {
			return
		}
		p.say("/situation/recurrence")
	}
	p.i.Start, p.zone = stamp(start, zone), zone
	switch {
	case end == nil:
		p.report.Add(hansa.LossInvented, "/situation/end", stamp(start.Add(OpenEndDefault), zone), "without an end Waze ends it 14 days after its start")
	case !p.doc.Made.IsZero() && !end.After(p.doc.Made):
		p.report.Add(hansa.LossInvented, "/situation/end", stamp(start.Add(OpenEndDefault), zone), "the planned end has passed and it still holds; without an end Waze ends it 14 days after its start")
	default:
		p.i.End = stamp(*end, zone)
	}
}

// places makes one incident of each way.
func (p *planner) places() []incident {
	paths, ok := format.Paths(p.s.Geometry)
	if !ok {
		p.report.Refuse("/situation/geometry", "", "Waze wants a line of at least two different points in the direction of travel")
		return nil
	}
	var all []incident
	for n, path := range paths {
		i := p.i
		if n > 0 {
			i.ID += "-" + strconv.Itoa(n+1)
		}
		var line []byte
		for _, at := range path {
			line = strconv.AppendFloat(append(line, ' '), at[1], 'f', 6, 64)
			line = strconv.AppendFloat(append(line, ' '), at[0], 'f', 6, 64)
		}
		i.Polyline = string(line[1:])
		if m := hansa.Line(path...).Metres(); m < p.rules.LengthMin || m > p.rules.LengthMax {
			p.report.Refuse("/situation/geometry", strconv.Itoa(int(m))+" m", "Waze takes a line of "+strconv.Itoa(int(p.rules.LengthMin))+" to "+strconv.Itoa(int(p.rules.LengthMax))+" m")
			return nil
		}
		all = append(all, i)
	}
	if len(all) > 1 {
		p.report.Add(hansa.LossSplit, "/situation/geometry", strconv.Itoa(len(all)), "its lines do not touch: each is an incident of its own")
	}
	return p.dated(all)
}

// dated makes of each incident one for each window, where there are any.
func (p *planner) dated(all []incident) []incident {
	if p.windows == nil {
		return all
	}
	if n := len(all) * len(p.windows); n > IncidentsMax {
		p.report.Refuse("/situation/recurrence", strconv.Itoa(n), "one record becomes at most "+strconv.Itoa(IncidentsMax)+" incidents")
		return nil
	}
	var out []incident
	for _, w := range p.windows {
		for _, i := range all {
			i.ID, i.Start, i.End = format.OccurrenceID(i.ID, w), stamp(w.From, p.zone), stamp(w.To, p.zone)
			out = append(out, i)
		}
	}
	return out
}
