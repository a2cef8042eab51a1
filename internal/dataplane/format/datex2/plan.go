package datex2

import (
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// plan is how one record will be written.
type plan struct {
	r        *hansa.Record
	kept     []leftover // what a reader of DATEX II kept with it
	incident string
	name     string // of the class
	class    class
	kind     string // in the class's own element
	blocked  string // trafficConstrictionType
	cause    string // causeType, empty when the class says it
	fire     bool   // the cause is a vehicle on fire
	detail   string // causeDescription
	life     string // operatorActionStatus
	status   string // validityStatus
	start    time.Time
	end      *time.Time
	created  time.Time
	updated  time.Time
	periods  []period
	except   []string
	refs     []alertC
	detour   string // id of a record of its own for the way round
}

// refuse is the loss of a record that would be false in DATEX II.
func refuse(r *hansa.Record, field, value, reason string) hansa.Loss {
	return hansa.Loss{Record: r.ID, Field: field, Value: value, Kind: hansa.LossRefused, Reason: reason}
}

// newPlan decides how r is written; nil with the refusal when it cannot be
// without making it false.
func newPlan(r *hansa.Record, doc format.Doc) (*plan, []hansa.Loss) {
	no := func(field, value, reason string) (*plan, []hansa.Loss) {
		return nil, []hansa.Loss{refuse(r, field, value, reason)}
	}
	s := r.Situation
	if r.Kind != hansa.KindSituation || s == nil {
		return no("/kind", string(r.Kind), "only situations are written as DATEX II situations")
	}
	if err := r.Validate(); err != nil {
		e := hansa.Public(err)
		return no(e.Field, "", e.Message)
	}
	if !format.SaysXML(r.ID) {
		return no("/id", r.ID, "XML cannot say this id")
	}
	if s.Lifecycle == hansa.Draft {
		return no("/situation/lifecycle", string(s.Lifecycle), "a draft is not published: DATEX II would show it as planned")
	}
	if s.Audience != "" && !says("confidentiality", s.Audience) {
		return no("/situation/audience", s.Audience, "left out, everybody could read it")
	}
	p := &plan{r: r, kept: held(s), incident: s.Incident}
	if p.incident == "" || !format.SaysXML(p.incident) {
		p.incident = r.ID
	}
	p.choose()
	p.when(doc)
	if !p.recur(doc) {
		return no("/situation/recurrence", "", "its windows cannot be said as periods, and without them the whole time would be closed")
	}
	p.reason()
	for i, l := range s.LinearRefs {
		if a, ok := parseAlertC(l); ok {
			p.refs = append(p.refs, a)
		} else if s.Geometry == nil && i == len(s.LinearRefs)-1 && len(p.refs) == 0 {
			return no("/situation/geometry", "", "without coordinates DATEX II needs a reference of Alert-C")
		}
	}
	if s.Geometry == nil && len(p.refs) == 0 {
		return no("/situation/geometry", "", "DATEX II needs a place")
	}
	if field, reason := p.part(); reason != "" {
		return no(field, "", reason)
	}
	if len(s.Detours) > 0 && p.name != "ReroutingManagement" {
		p.detour = r.ID + "-detour"
	}
	return p, nil
}

// part reports why writing p would make a part into the whole.
func (p *plan) part() (field, reason string) {
	s := p.r.Situation
	if len(s.Vehicles) == 0 {
		return "", ""
	}
	if !p.class.network {
		if s.Effect == hansa.NoEffect {
			return "", ""
		}
		return "/situation/vehicles", "this kind of record holds for all vehicles"
	}
	for _, v := range s.Vehicles {
		switch {
		case v.Except:
			return "/situation/vehicles", "DATEX II cannot say that all but some vehicles are meant"
		case v.Other != "":
			return "/situation/vehicles", "a limit in words would be left out, and more vehicles be meant"
		case v == hansa.Vehicles{}, v.Class == "anyVehicle" && v == hansa.Vehicles{Class: "anyVehicle"}:
			return "/situation/vehicles", "a class that says nothing would mean all vehicles"
		case v.Class != "" && !says("vehicleType", v.Class):
			return "/situation/vehicles", "DATEX II has no such class of vehicles"
		case min(v.HeightOverM, v.LengthOverM, v.WidthOverM, v.WeightOverT) < 0:
			return "/situation/vehicles", "a limit is not negative"
		}
	}
	return "", ""
}

// keptAs returns what was kept at path.
func (p *plan) keptAs(path string) string {
	for i := range p.kept {
		if p.kept[i].path == path {
			return p.kept[i].value
		}
	}
	return ""
}

// choose takes the class of record.
func (p *plan) choose() {
	s := p.r.Situation
	held := p.keptAs("@type")
	switch {
	case s.Role == hansa.RoleIncident && s.Infra.Kind != "bridge" || s.Role == hansa.RoleIncident && s.Effect == hansa.NoEffect:
		p.name = incidentClass(s, held)
	case s.Role == hansa.RoleWorks && s.Effect == hansa.NoEffect:
		p.name = "MaintenanceWorks"
		if s.Cause.Type == "construction-work" {
			p.name = "ConstructionWorks"
		}
	case s.Role == hansa.RoleDiversion && s.Effect == hansa.NoEffect:
		p.name = "ReroutingManagement"
	case s.Effect == hansa.NoEffect:
		p.name = "GeneralNetworkManagement"
		if held == "RoadOrCarriagewayOrLaneManagement" && managementEffects[p.keptAs(classes[held].kind)] == hansa.NoEffect {
			p.name = held
		}
	case narrow(s) == hansa.RoadClosed && s.Cause.Type == "bridge-swing":
		p.name = "GeneralNetworkManagement"
	case s.Effect == hansa.Restriction && (held == "SpeedManagement" || held == "GeneralNetworkManagement"):
		p.name = held
	default:
		p.name = "RoadOrCarriagewayOrLaneManagement"
	}
	p.class = classes[p.name]
	p.kind = p.kindFor()
	if !p.class.network && !p.class.action {
		p.blocked = map[hansa.Effect]string{
			hansa.RoadClosed: "roadBlocked", hansa.DirectionClosed: "carriagewayBlocked",
			hansa.LanesClosed: "lanesBlocked", hansa.Restriction: "lanesPartiallyObstructed",
		}[narrow(s)]
	}
}

// narrow returns s's effect, never more than its extent and direction allow.
func narrow(s *hansa.Situation) hansa.Effect {
	part := s.Extent == hansa.Tube || s.Extent == hansa.Carriageway || s.Infra.Tube != "" || s.Direction == hansa.OneDirection
	switch {
	case (s.Effect == hansa.RoadClosed || s.Effect == hansa.DirectionClosed) && s.Extent == hansa.LanePart:
		return hansa.LanesClosed
	case s.Effect == hansa.RoadClosed && part:
		return hansa.DirectionClosed
	}
	return s.Effect
}

// incidents are the classes for causes of incidents, in order: a word of two
// classes is the first's.
var incidents = []string{
	"Accident", "AbnormalTraffic", "VehicleObstruction", "GeneralObstruction", "EnvironmentalObstruction",
	"InfrastructureDamageObstruction", "AnimalPresenceObstruction", "PublicEvent", "DisturbanceActivity", "AuthorityOperation",
	"EquipmentOrSystemFault", "PoorEnvironmentConditions", "WeatherRelatedRoadConditions", "NonWeatherRelatedRoadConditions",
}

func incidentClass(s *hansa.Situation, held string) string {
	if slices.Contains(incidents, held) {
		return held
	}
	if s.Cause.Type == "vehicle-fire" {
		return "VehicleObstruction"
	}
	for _, name := range incidents {
		if classes[name].cause == s.Cause.Type {
			return name
		}
	}
	return "GeneralObstruction"
}

// kindFor returns what the class's own element says.
func (p *plan) kindFor() string {
	s, el := p.r.Situation, p.class.kind
	if kept := p.keptAs(el); kept != "" && says(el, kept) && p.fits(kept) {
		return kept
	}
	if p.name != "RoadOrCarriagewayOrLaneManagement" {
		switch {
		case p.name == "GeneralNetworkManagement" && s.Cause.Type == "bridge-swing" && narrow(s) == hansa.RoadClosed:
			return "bridgeSwingInOperation"
		case p.name == "VehicleObstruction" && s.Cause.Type == "vehicle-fire":
			return "vehicleOnFire"
		case p.class.cause != "" && p.class.cause == s.Cause.Type && says(el, s.Cause.Detail):
			return s.Cause.Detail
		}
		return p.class.kindOf
	}
	switch narrow(s) {
	case hansa.RoadClosed:
		return "roadClosed"
	case hansa.DirectionClosed:
		return "carriagewayClosures"
	case hansa.LanesClosed:
		return "laneClosures"
	case hansa.Restriction, hansa.NoEffect:
	}
	for _, v := range s.Vehicles {
		if v.HeightOverM > 0 {
			return "heightRestrictionInOperation"
		}
		if v.WeightOverT > 0 {
			return "weightRestrictionInOperation"
		}
	}
	return "other"
}

// fits reports whether a kind that was read before still says what the record
// does.
func (p *plan) fits(kind string) bool {
	s := p.r.Situation
	switch p.class.kind {
	case "roadOrCarriagewayOrLaneManagementType":
		e, ok := managementEffects[kind]
		if kind == "intermittentShortTermClosures" || kind == "overnightClosures" {
			e, ok = hansa.DirectionClosed, true
			if len(s.Lanes) > 0 {
				e = hansa.LanesClosed
			}
		}
		if !ok {
			e = hansa.Restriction
		}
		return e == narrow(s)
	case "generalNetworkManagementType":
		closed, free := kind == "bridgeSwingInOperation", kind == "tollGatesOpen" || kind == "other"
		return closed == (narrow(s) == hansa.RoadClosed) && free == (s.Effect == hansa.NoEffect)
	}
	return true
}

// reason decides how the cause is said: by the class, or by an element.
func (p *plan) reason() {
	c := p.r.Situation.Cause
	p.detail = said(c.Detail)
	byClass := p.class.cause
	if p.kind == "vehicleOnFire" {
		byClass = "vehicle-fire"
	}
	if p.kind == "bridgeSwingInOperation" {
		byClass = "bridge-swing"
	}
	if c.Type == byClass && (p.detail == "" || p.detail == p.kind && p.class.cause != "" && p.kind != p.class.kindOf) {
		p.detail = ""
		if len(p.r.Situation.Related.CausedBy) == 0 {
			return
		}
	}
	p.cause = camel(c.Type)
	for d, w := range causeWords {
		if w == c.Type {
			p.cause = d
		}
	}
	if c.Type == "vehicle-fire" {
		p.cause, p.fire = "vehicleObstruction", true
	}
	if c.Type != "" && !says("causeType", p.cause) {
		p.cause = "other"
	}
}

// when decides the times and the stage.
func (p *plan) when(doc format.Doc) {
	r, s := p.r, p.r.Situation
	p.created = firstSet(r.Created, r.Updated, doc.Made)
	p.updated = firstSet(r.Updated, r.Created, doc.Made)
	p.start = p.created
	for _, t := range []*time.Time{s.ActualStart, s.Start} {
		if t != nil {
			p.start = *t
		}
	}
	p.end = s.End
	p.status = "definedByValidityTimeSpec"
	action := p.class.action
	switch s.Lifecycle {
	case hansa.Planned:
		p.life = "approved"
		if s.Certainty == hansa.Certain {
			p.life = "requested"
		}
	case hansa.Confirmed:
		p.life = "approved"
	case hansa.Active:
		p.life = "implemented"
	case hansa.Suspended:
		p.status = "suspended"
	case hansa.Ended:
		p.life = "implemented"
		if s.ActualEnd != nil {
			p.end = s.ActualEnd
		} else if p.end == nil || p.end.After(p.updated) {
			p.end = &p.updated
		}
	case hansa.Cancelled:
		p.life, p.status = "rejected", "suspended"
	case hansa.Draft:
	}
	if kept := p.keptAs("operatorActionStatus"); s.Lifecycle == hansa.Active && (kept == "beingImplemented" || kept == "terminationRequested" || kept == "beingTerminated") {
		p.life = kept
	}
	if !action {
		p.life = ""
		switch s.Lifecycle {
		case hansa.Active:
			p.status = "active"
		case hansa.Planned, hansa.Confirmed:
			p.status = "planned"
		case hansa.Draft, hansa.Suspended, hansa.Ended, hansa.Cancelled:
		}
	}
}

// firstSet returns the first of ts that is set.
func firstSet(ts ...time.Time) time.Time {
	for _, t := range ts {
		if !t.IsZero() {
			return t
		}
	}
	return time.Unix(0, 0).UTC()
}
