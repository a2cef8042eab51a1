package datex2

import (
	"strings"

	"github.com/hansa-exchange/hansa"
)

// class is what a record of one xsi:type is, beyond what its elements say.
type class struct {
	role    hansa.Role
	cause   string // word of the cause when the record states none
	kind    string // the element that says which of its kind
	kindOf  string // what is written there when the record does not say; empty leaves the element out
	network bool   // a NetworkManagement: it has compliance, direction and vehicles
	action  bool   // an OperatorAction: it has a status
}

// classes are the record classes of the model, by name.
var classes = map[string]class{
	"RoadOrCarriagewayOrLaneManagement":      {kind: "roadOrCarriagewayOrLaneManagementType", network: true, action: true},
	"GeneralNetworkManagement":               {role: hansa.RoleCounterMeasure, kind: "generalNetworkManagementType", kindOf: "other", network: true, action: true},
	"SpeedManagement":                        {role: hansa.RoleCounterMeasure, kind: "speedManagementType", network: true, action: true},
	"ReroutingManagement":                    {role: hansa.RoleDiversion, kind: "reroutingManagementType", kindOf: "followDiversionSigns", network: true, action: true},
	"WinterDrivingManagement":                {role: hansa.RoleCounterMeasure, kind: "winterEquipmentManagementType", network: true, action: true},
	"GeneralInstructionOrMessageToRoadUsers": {role: hansa.RoleCounterMeasure, kind: "generalInstructionToRoadUsersType", network: true, action: true},
	"GeneralInstructionToRoadUsers":          {role: hansa.RoleCounterMeasure, kind: "generalInstructionToRoadUsersType", network: true, action: true},
	"SignSetting":                            {role: hansa.RoleCounterMeasure, action: true},
	"RoadsideAssistance":                     {role: hansa.RoleCounterMeasure, kind: "roadsideAssistanceType", action: true},
	"MaintenanceWorks":                       {role: hansa.RoleWorks, cause: "roadworks", kind: "roadMaintenanceType", kindOf: "roadworks", action: true},
	"ConstructionWorks":                      {role: hansa.RoleWorks, cause: "construction-work", kind: "constructionWorkType", kindOf: "constructionWork", action: true},
	"Accident":                               {role: hansa.RoleIncident, cause: "accident", kind: "accidentType", kindOf: "accident"},
	"AbnormalTraffic":                        {role: hansa.RoleIncident, cause: "abnormal-traffic", kind: "abnormalTrafficType"},
	"VehicleObstruction":                     {role: hansa.RoleIncident, cause: "vehicle-obstruction", kind: "vehicleObstructionType", kindOf: "other"},
	"GeneralObstruction":                     {role: hansa.RoleIncident, cause: "obstruction", kind: "obstructionType", kindOf: "other"},
	"EnvironmentalObstruction":               {role: hansa.RoleIncident, cause: "environmental-obstruction", kind: "environmentalObstructionType", kindOf: "other"},
	"InfrastructureDamageObstruction":        {role: hansa.RoleIncident, cause: "infrastructure-damage-obstruction", kind: "infrastructureDamageType", kindOf: "other"},
	"AnimalPresenceObstruction":              {role: hansa.RoleIncident, cause: "animal-presence", kind: "animalPresenceType", kindOf: "animalsOnTheRoad"},
	"PublicEvent":                            {role: hansa.RoleIncident, cause: "event", kind: "publicEventType", kindOf: "other"},
	"DisturbanceActivity":                    {role: hansa.RoleIncident, cause: "disturbance", kind: "disturbanceActivityType", kindOf: "other"},
	"AuthorityOperation":                     {role: hansa.RoleIncident, cause: "authority-operation", kind: "authorityOperationType", kindOf: "other"},
	"EquipmentOrSystemFault":                 {role: hansa.RoleIncident, cause: "technical-fault", kind: "equipmentOrSystemFaultType", kindOf: "notWorking"},
	"PoorEnvironmentConditions":              {role: hansa.RoleIncident, cause: "poor-environment", kind: "poorEnvironmentType", kindOf: "badWeather"},
	"WeatherRelatedRoadConditions":           {role: hansa.RoleIncident, cause: "weather-related-road-conditions", kind: "weatherRelatedRoadConditionType", kindOf: "other"},
	"NonWeatherRelatedRoadConditions":        {role: hansa.RoleIncident, cause: "non-weather-related-road-conditions", kind: "nonWeatherRelatedRoadConditionType", kindOf: "other"},
	"Conditions":                             {role: hansa.RoleIncident, cause: "driving-conditions", kind: "drivingConditionType"},
	"RoadOperatorServiceDisruption":          {kind: "roadOperatorServiceDisruptionType"},
	"RoadsideServiceDisruption":              {kind: "roadsideServiceDisruptionType"},
	"TransitInformation":                     {kind: "transitServiceInformation"},
	"CarParks":                               {},
}

// effects of roadOrCarriagewayOrLaneManagementType; those that are not here
// restrict.
var managementEffects = map[string]hansa.Effect{
	"roadClosed":                                  hansa.RoadClosed,
	"closedPermanentlyForTheWinter":               hansa.RoadClosed,
	"carriagewayClosures":                         hansa.DirectionClosed,
	"laneClosures":                                hansa.LanesClosed,
	"doNotUseSpecifiedLanesOrCarriageways":        hansa.LanesClosed,
	"roadCleared":                                 hansa.NoEffect,
	"carPoolLaneInOperation":                      hansa.NoEffect,
	"hardShoulderRunningInOperation":              hansa.NoEffect,
	"rushHourLaneInOperation":                     hansa.NoEffect,
	"useOfSpecifiedLanesOrCarriagewaysAllowed":    hansa.NoEffect,
	"newRoadworksLayout":                          hansa.NoEffect,
	"clearALaneForEmergencyVehicles":              hansa.NoEffect,
	"clearALaneForSnowploughsAndGrittingVehicles": hansa.NoEffect,
	"vehicleStorageInOperation":                   hansa.NoEffect,
}

// effects of trafficConstrictionType.
var constrictions = map[string]hansa.Effect{
	"roadBlocked":                    hansa.RoadClosed,
	"carriagewayBlocked":             hansa.DirectionClosed,
	"lanesBlocked":                   hansa.LanesClosed,
	"carriagewayPartiallyObstructed": hansa.Restriction,
	"lanesPartiallyObstructed":       hansa.Restriction,
	"roadPartiallyObstructed":        hansa.Restriction,
}

// effect reads what the record does to the road.
func (x *recordReader) effect() {
	t, s := &x.tree, x.s
	s.Role, s.Effect = x.c.role, hansa.NoEffect
	kind := ""
	if at := t.child(0, x.c.kind); at != none && x.c.kind != "" {
		kind = string(t.bytes(at))
		t.nodes[at].used = false // the exact word is kept beside
	}
	constriction := t.child(0, "trafficConstrictionType")
	if constriction == none {
		constriction = t.down(0, "impact", "trafficConstrictionType")
	}
	switch {
	case x.c.kind == "roadOrCarriagewayOrLaneManagementType":
		x.management(kind)
	case kind == "bridgeSwingInOperation":
		s.Effect, s.Infra.Kind, s.Cause.Type = hansa.RoadClosed, "bridge", "bridge-swing"
	case x.c.kind == "speedManagementType":
		s.Effect = hansa.Restriction
	case kind == "tollGatesOpen" || kind == "other":
	case x.c.kind == "generalNetworkManagementType":
		s.Effect = hansa.Restriction
	case constriction != none:
		s.Effect = hansa.NoEffect
		if e, ok := constrictions[string(t.bytes(constriction))]; ok {
			s.Effect = e
		}
	}
	if x.slip && s.Effect == hansa.RoadClosed {
		s.Effect = hansa.DirectionClosed // a slip road, not the whole road
	}
	switch s.Effect {
	case hansa.RoadClosed:
		s.Extent = hansa.WholeRoad
	case hansa.DirectionClosed:
		s.Extent = hansa.Carriageway
	case hansa.LanesClosed:
		s.Extent = hansa.LanePart
	case hansa.Restriction, hansa.NoEffect:
		return
	}
	for i := range s.Lanes {
		s.Lanes[i].Closed = true
	}
}

// management reads a RoadOrCarriagewayOrLaneManagement.
func (x *recordReader) management(kind string) {
	s := x.s
	e, ok := managementEffects[kind]
	switch {
	case ok:
		s.Effect = e
	case kind == "intermittentShortTermClosures" || kind == "overnightClosures":
		if s.Effect = hansa.LanesClosed; len(s.Lanes) == 0 {
			s.Effect = hansa.DirectionClosed
			mark(x.r, ruleExtent, "situationRecord/"+x.c.kind, kind)
		}
	default:
		s.Effect = hansa.Restriction
	}
	s.Role = hansa.RoleCounterMeasure
	if s.Effect == hansa.RoadClosed || s.Effect == hansa.DirectionClosed || s.Effect == hansa.LanesClosed {
		s.Role = hansa.RoleClosure
	}
}

// causeWords are the causes that people call otherwise than DATEX II does.
var causeWords = map[string]string{
	"roadMaintenance":        "roadworks",
	"equipmentOrSystemFault": "technical-fault",
	"publicEvent":            "event",
}

// cause reads why.
func (x *recordReader) cause() {
	t, s := &x.tree, x.s
	at := t.child(0, "cause")
	if at == none {
		if s.Cause.Type == "" {
			s.Cause.Type = x.c.cause
		}
		if k := t.child(0, x.c.kind); k != none && x.c.cause != "" {
			kind := string(t.bytes(k))
			t.nodes[k].used = false
			if kind == "vehicleOnFire" {
				s.Cause.Type = "vehicle-fire"
			} else if kind != x.c.kindOf {
				s.Cause.Detail = kind
			}
		}
		return
	}
	s.Cause.Detail = x.oneText(t.child(at, "causeDescription"))
	if kind := t.leaf(at, "causeType"); kind != "" {
		s.Cause.Type = kebab(kind)
		if w, ok := causeWords[kind]; ok {
			s.Cause.Type = w
		}
	}
	if v := t.down(at, "detailedCauseType", "vehicleObstructionType"); v != none && string(t.bytes(v)) == "vehicleOnFire" {
		s.Cause.Type = "vehicle-fire"
	} else if v != none {
		t.nodes[v].used = false
	}
	for m := t.child(at, "managedCause"); m != none; m = t.sibling(m) {
		who := m
		if o := t.child(m, "objectReference"); o != none {
			who = o
		}
		if id := string(t.attr(who, "id")); id != "" {
			t.nodes[who].used = true
			s.Related.CausedBy = append(s.Related.CausedBy, id)
		}
	}
}

// kebab turns fallenTrees into fallen-trees.
func kebab(s string) string {
	var b strings.Builder
	for i, c := range s {
		if c >= 'A' && c <= 'Z' {
			if i > 0 {
				b.WriteByte('-')
			}
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// camel turns fallen-trees into fallenTrees.
func camel(s string) string {
	var b strings.Builder
	up := false
	for _, c := range s {
		switch {
		case c == '-':
			up = true
		case up && c >= 'a' && c <= 'z':
			b.WriteRune(c - 'a' + 'A')
			up = false
		default:
			b.WriteRune(c)
			up = false
		}
	}
	return b.String()
}
