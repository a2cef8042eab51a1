package wzdx

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// plan makes the features of one record, none when it is refused, and says what
// is lost.
func plan(r *hansa.Record, doc format.Doc) ([]feature, []hansa.Loss) {
	p := &planner{doc: doc, r: r, s: r.Situation, report: format.Report{Record: r.ID}}
	if field, reason := format.Absent(r, doc.Made); reason != "" {
		p.report.Refuse(field, "", reason)
		return nil, p.report.Losses()
	}
	p.say("/situation/start", "/situation/end")
	for _, step := range []func(){p.kind, p.impact, p.ways, p.words, p.when} {
		if step(); p.report.Refused {
			return nil, p.report.Losses()
		}
	}
	features := p.features()
	if p.report.Refused {
		return nil, p.report.Losses()
	}
	p.report.Unsaid(r, p.said...)
	return features, p.report.Losses()
}

// planner makes features step by step. Each step fills a part, or refuses the record.
type planner struct {
	doc     format.Doc
	r       *hansa.Record
	s       *hansa.Situation
	report  format.Report
	said    []string
	zone    workZone
	detour  bool
	lines   []way
	windows []hansa.Window
}

// way is one line in one direction of travel; mark tells it from the others.
type way struct {
	line []hansa.Position
	mark string
	back bool // against the order of the geometry
}

func (p *planner) say(fields ...string) { p.said = append(p.said, fields...) }

// workCauses are the causes that are works, in the words of DATEX II.
var workCauses = []string{"roadwork", "maintenance", "construction", "resurfacing"}

// kind tells works and detours from all else.
func (p *planner) kind() {
	s := p.s
	cause := strings.ToLower(s.Cause.Type)
	works := slices.ContainsFunc(workCauses, func(w string) bool { return strings.Contains(cause, w) })
	switch {
	case s.Role == hansa.RoleDiversion:
		p.detour = true
		p.zone.Core.EventType = "detour"
		p.say("/situation/role")
	case works, cause == "" && s.Role == hansa.RoleWorks:
		p.zone.Core.EventType = "work-zone"
		p.zone.TypesOfWork = workTypes(cause)
		p.say("/situation/role", "/situation/cause/type")
	case cause == "":
		p.report.Refuse("/situation/cause/type", "", "WZDx tells of works and detours, and no cause is stated")
	default:
		p.report.Refuse("/situation/cause/type", s.Cause.Type, "WZDx tells of works and detours: it would be told as works")
	}
}

func workTypes(cause string) []workType {
	switch {
	case strings.Contains(cause, "maintenance"):
		return []workType{{Name: "maintenance"}}
	case strings.Contains(cause, "resurfacing"):
		return []workType{{Name: "surface-work"}}
	}
	return nil
}

// impact fills vehicle_impact, lanes and restrictions. It is the one place where
// all lanes are written as closed.
func (p *planner) impact() {
	s := p.s
	if p.detour {
		if len(s.Vehicles) > 0 {
			p.report.Refuse("/situation/vehicles", "", "a detour in WZDx is for all vehicles")
		}
		return
	}
	p.zone.LocationMethod = "unknown"
	left := format.LeftHand(p.r.Provenance.Country) || p.r.Provenance.Country == "" && format.LeftHand(p.doc.Country)
	switch {
	case len(s.Vehicles) > 0 && (s.Effect == hansa.LanesClosed || s.Extent == hansa.LanePart):
		p.report.Refuse("/situation/vehicles", "", "WZDx cannot close a lane for some vehicles: it would be closed for all")
		return
	case s.Closed():
		p.zone.VehicleImpact = "all-lanes-closed"
		if slices.ContainsFunc(s.Lanes, func(l hansa.Lane) bool { return !l.Closed }) {
			p.report.Refuse("/situation/lanes", "", "a lane is open: it would be told that all are closed")
			return
		}
	case s.Effect == hansa.LanesClosed:
		p.zone.VehicleImpact = "some-lanes-closed"
	case s.Extent == hansa.LanePart:
		p.report.Refuse("/situation/extent", string(s.Extent), "a lane is meant, and it would be told of the road")
		return
	case len(s.Vehicles) > 0:
		rs, field, reason := restrictions(s.Vehicles)
		if reason != "" {
			p.report.Refuse(field, "", reason)
			return
		}
		p.zone.Restrictions, p.zone.VehicleImpact = rs, "all-lanes-open"
		p.say("/situation/vehicles")
	case s.Effect == hansa.Restriction:
		p.report.Refuse("/situation/effect", string(s.Effect), "it is not said whom or what it restricts")
		return
	case s.Effect == hansa.NoEffect:
		p.zone.VehicleImpact = "all-lanes-open"
	default:
		p.zone.VehicleImpact = "unknown"
	}
	if both := p.s.Direction == hansa.BothDirections; !both && p.zone.VehicleImpact != "all-lanes-open" {
		if p.zone.Lanes = lanesOf(s, left); p.zone.Lanes != nil {
			p.say("/situation/lanes")
		}
	}
}

// ways fills the lines, one for each direction.
func (p *planner) ways() {
	paths, ok := format.Paths(p.s.Geometry)
	if !ok {
		p.report.Refuse("/situation/geometry", "", "WZDx wants a line of at least two different points in the direction of travel")
		return
	}
	d, reason := format.Ways(p.s)
	if p.detour && p.s.Direction == "" {
		d = hansa.OneDirection // a way round is drawn as it is driven
	}
	if d == "" {
		p.report.Refuse("/situation/direction", string(p.s.Direction), reason)
		return
	}
	for i, path := range paths {
		mark := ""
		if len(paths) > 1 {
			mark = "-" + strconv.Itoa(i+1)
		}
		p.lines = append(p.lines, way{line: path, mark: mark})
		if d == hansa.BothDirections {
			back := slices.Clone(path)
			slices.Reverse(back)
			p.lines = append(p.lines, way{line: back, mark: mark + "-back", back: true})
		}
	}
	if d == hansa.BothDirections {
		p.report.Add(hansa.LossSplit, "/situation/direction", string(hansa.BothDirections), "a road event has one direction: each is one of its own")
	}
	if len(paths) > 1 {
		p.report.Add(hansa.LossSplit, "/situation/geometry", strconv.Itoa(len(paths)), "its lines do not touch: each is a road event of its own")
	}
	p.report.Add(hansa.LossInvented, "/situation/direction", compass(paths[0]), "WZDx wants a point of the compass; it is that from the first to the last position")
	if p.s.Extent != hansa.LanePart && p.s.Extent != hansa.Tube {
		p.say("/situation/extent")
	}
}

// compass returns the quarter in which a line leads.
func compass(line []hansa.Position) string {
	a, b := line[0], line[len(line)-1]
	north := b[1] - a[1]
	east := (b[0] - a[0]) * math.Cos((a[1]+b[1])/2*math.Pi/180)
	switch {
	case a == b:
		return "undefined"
	case math.Abs(north) >= math.Abs(east) && north > 0:
		return "northbound"
	case math.Abs(north) >= math.Abs(east):
		return "southbound"
	case east > 0:
		return "eastbound"
	}
	return "westbound"
}

// words fills the names and the description.
func (p *planner) words() {
	c := &p.zone.Core
	c.DataSourceID = sourceID(p.doc)
	for _, from := range []struct{ field, name string }{
		{"/situation/road/name", p.s.Road.Name}, {"/situation/road/number", p.s.Road.Number}, {"/situation/infra/name", p.s.Infra.Name},
	} {
		name := strings.TrimSpace(from.name)
		if name == "" {
			continue
		}
		p.say(from.field)
		if !slices.Contains(c.RoadNames, name) {
			c.RoadNames = append(c.RoadNames, name)
		}
	}
	if len(c.RoadNames) == 0 {
		p.report.Refuse("/situation/road/name", "", "WZDx wants the name or number of the road")
		return
	}
	if text, ok := p.s.Comment(p.doc.Lang, "en"); ok {
		c.Description = text.Value
		if len(p.s.Texts) == 1 {
			p.say("/situation/texts")
		}
	}
	p.zone.From, p.zone.To = p.s.Road.From, p.s.Road.To
	p.say("/situation/road/from", "/situation/road/to")
	if !p.r.Created.IsZero() {
		c.CreationDate = utc(p.r.Created)
	}
	if !p.r.Updated.IsZero() {
		c.UpdateDate = utc(p.r.Updated)
	}
}

// features makes one feature of each window and way.
func (p *planner) features() []feature {
	if n := len(p.windows) * len(p.lines); n > FeaturesMax {
		p.report.Refuse("/situation/recurrence", strconv.Itoa(n), "one record becomes at most "+strconv.Itoa(FeaturesMax)+" road events")
		return nil
	}
	var out []feature
	for _, w := range p.windows {
		for _, l := range p.lines {
			z := p.zone
			z.StartDate, z.EndDate = utc(w.From), utc(w.To)
			z.Core.Direction = compass(l.line)
			if l.back {
				z.From, z.To = z.To, z.From
			}
			id := p.r.ID + l.mark
			if len(p.s.Recurrence) > 0 {
				id = format.OccurrenceID(id, w)
			}
			f := feature{ID: id, Type: "Feature", Properties: &z, Geometry: &geometry{l.line}}
			if p.detour {
				f.Properties = &detour{Core: z.Core, times: z.times, streets: z.streets}
			}
			out = append(out, f)
		}
	}
	return out
}

func round(f float64) float64 { return math.Round(f*1000) / 1000 }
