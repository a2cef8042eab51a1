package hansa

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Situation is one measure on one directed stretch of road: a closure, works, an
// incident, a counter-measure or a diversion. Records of one incident share
// Incident. Planned and actual times, ended and withdrawn, repaired and open,
// a part and the whole are kept apart, and no codec may blur them.
type Situation struct {
	// Incident groups what belongs together (DATEX II situation@id).
	Incident string `json:"incident,omitempty"`
	// Role is what this record is within its incident.
	Role      Role      `json:"role,omitempty"`
	Lifecycle Lifecycle `json:"lifecycle"`
	// Repaired says that the cause is gone; the road opens only when Lifecycle
	// says ended. Nil is not stated.
	Repaired *time.Time `json:"repaired,omitempty"`

	Effect    Effect    `json:"effect"`
	Cause     Cause     `json:"cause,omitzero"`
	Certainty Certainty `json:"certainty,omitempty"`
	Severity  Severity  `json:"severity,omitempty"`

	// Start and End are as planned or first told; ActualStart and ActualEnd are
	// as they happened. A nil End with EndKind unknown is an open end.
	Start       *time.Time `json:"start,omitempty"`
	End         *time.Time `json:"end,omitempty"`
	EndKind     EndKind    `json:"endKind,omitempty"`
	ActualStart *time.Time `json:"actualStart,omitempty"`
	ActualEnd   *time.Time `json:"actualEnd,omitempty"`
	// EndRule says how the situation ends without another word. Empty is never.
	EndRule EndRule `json:"endRule,omitempty"`

	Recurrence []Recurrence `json:"recurrence,omitempty"`

	Geometry   *Geometry   `json:"geometry,omitempty"`
	Direction  Direction   `json:"direction,omitempty"`
	Extent     Extent      `json:"extent,omitempty"`
	Lanes      []Lane      `json:"lanes,omitempty"`
	Infra      Infra       `json:"infra,omitzero"`
	Road       Road        `json:"road,omitzero"`
	LinearRefs []LinearRef `json:"linearRefs,omitempty"`

	Vehicles []Vehicles `json:"vehicles,omitempty"` // to whom it applies; empty is all
	Detours  []Detour   `json:"detours,omitempty"`
	Texts    []Text     `json:"texts,omitempty"`
	Source   Source     `json:"source,omitzero"`
	Related  Related    `json:"related,omitzero"`
	Audience string     `json:"audience,omitempty"` // DATEX II confidentiality, when stated

	// Unknown keeps members that this version of Hansa has no word for.
	Unknown map[string]json.RawMessage `json:",embed"`
}

// Role is what a record is within its incident.
type Role string

// The roles. The empty role is a measure on its own.
const (
	RoleClosure        Role = "closure"
	RoleCounterMeasure Role = "counter-measure"
	RoleDiversion      Role = "diversion"
	RoleIncident       Role = "incident"
	RoleWorks          Role = "works"
)

// Lifecycle is how far a situation has come.
type Lifecycle string

// The stages of a situation. Ended and cancelled differ: an ended one was true.
const (
	Draft     Lifecycle = "draft"
	Planned   Lifecycle = "planned"
	Confirmed Lifecycle = "confirmed" // planned and certain
	Active    Lifecycle = "active"
	Suspended Lifecycle = "suspended"
	Ended     Lifecycle = "ended"
	Cancelled Lifecycle = "cancelled" // withdrawn: it should not have been said, or will not happen
)

// Live reports whether a situation at this stage still holds or will.
func (l Lifecycle) Live() bool { return l != Ended && l != Cancelled }

// Effect is what the measure does to the road.
type Effect string

// The effects.
const (
	RoadClosed      Effect = "road-closed"      // both directions, the whole road
	DirectionClosed Effect = "direction-closed" // one direction, or one tube or carriageway
	LanesClosed     Effect = "lanes-closed"
	Restriction     Effect = "restriction" // for some vehicles, or a limit
	NoEffect        Effect = "none"
)

// Extent is which part of the road is meant.
type Extent string

// The extents. The empty extent is not stated.
const (
	WholeRoad   Extent = "whole-road"
	Carriageway Extent = "carriageway"
	Tube        Extent = "tube"
	LanePart    Extent = "lane"
)

// Direction is relative to the order of the geometry's positions.
type Direction string

// The directions.
const (
	OneDirection   Direction = "one"
	BothDirections Direction = "both"
)

// Cause is why; Type is a DATEX II cause or record class in lower-case words.
type Cause struct {
	Type   string `json:"type,omitempty"` // roadworks, vehicle-fire, technical-fault, event, accident, ...
	Detail string `json:"detail,omitempty"`
}

// Certainty is DATEX II probabilityOfOccurrence.
type Certainty string

// The certainties.
const (
	Certain  Certainty = "certain"
	Probable Certainty = "probable"
	RiskOf   Certainty = "riskOf"
)

// Severity is DATEX II severity.
type Severity string

// The severities.
const (
	SeverityHighest Severity = "highest"
	SeverityHigh    Severity = "high"
	SeverityMedium  Severity = "medium"
	SeverityLow     Severity = "low"
	SeverityLowest  Severity = "lowest"
	SeverityNone    Severity = "none"
	SeverityUnknown Severity = "unknown"
)

// EndKind is how firmly an end is known.
type EndKind string

// The kinds of end.
const (
	EndConfirmed EndKind = "confirmed"
	EndEstimated EndKind = "estimated"
	EndUnknown   EndKind = "unknown"
)

// EndRule is a stated way for a situation to end by itself.
type EndRule string

// The rules. Without one a situation stays until somebody ends it.
const (
	EndAtPlannedEnd EndRule = "at-planned-end"
	EndWithSource   EndRule = "when-gone-from-snapshot" // the feed's absence ends it
	EndReplaced     EndRule = "when-replaced"           // another record says that it replaces this one
)

// Infra is the structure that is affected.
type Infra struct {
	Kind string `json:"kind,omitempty"` // tunnel, bridge, road
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	Tube string `json:"tube,omitempty"` // name of the tube or carriageway
}

// Road names the road; Name is a street's name alone, without place or postcode.
type Road struct {
	Name   string `json:"name,omitempty"`
	Number string `json:"number,omitempty"`
	From   string `json:"from,omitempty"` // cross street or place where it begins
	To     string `json:"to,omitempty"`
}

// Lane is one lane and what has become of it; 1 is the lane next to the centre
// of the road (the leftmost where one drives on the right).
type Lane struct {
	Number int    `json:"number"`
	Usage  string `json:"usage,omitempty"` // DATEX II lane usage
	Closed bool   `json:"closed"`
	Of     int    `json:"of,omitzero"` // how many lanes there are, when known
}

// LinearRef is a map-independent or map-bound reference kept as it came.
type LinearRef struct {
	Kind  string `json:"kind"` // openlr, alertc, tpeg, milepost, segment
	Value string `json:"value"`
}

// Vehicles is a class or limit of vehicles to which a measure applies.
type Vehicles struct {
	Class          string  `json:"class,omitempty"` // DATEX II vehicleType
	HeightOverM    float64 `json:"heightOverM,omitzero"`
	WidthOverM     float64 `json:"widthOverM,omitzero"`
	LengthOverM    float64 `json:"lengthOverM,omitzero"`
	WeightOverT    float64 `json:"weightOverT,omitzero"`
	DangerousGoods bool    `json:"dangerousGoods,omitzero"`
	Except         bool    `json:"except,omitzero"` // it applies to all but these
	Other          string  `json:"other,omitempty"` // a limit with no word here, in the source's words
}

// Detour is an advised way round.
type Detour struct {
	Text     string    `json:"text,omitempty"`
	Geometry *Geometry `json:"geometry,omitempty"`
}

// Text is free text in one language (BCP 47). Kind is comment, description or
// internal; internal text never leaves the node.
type Text struct {
	Lang  string `json:"lang,omitempty"`
	Value string `json:"value"`
	Kind  string `json:"kind,omitempty"`
}

// Source is who says so.
type Source struct {
	Org       string `json:"org,omitempty"`
	System    string `json:"system,omitempty"`
	Contact   string `json:"contact,omitempty"`
	Legal     string `json:"legal,omitempty"`
	Ref       string `json:"ref,omitempty"`
	Automatic bool   `json:"automatic,omitzero"`
}

// Related ties a record to others of the same dataset, by publisher's id.
type Related struct {
	Replaces []string `json:"replaces,omitempty"` // re-issued under this record's id
	Parent   string   `json:"parent,omitempty"`
	CausedBy []string `json:"causedBy,omitempty"`
	// Contradicts names records that tell otherwise.
	Contradicts []string `json:"contradicts,omitempty"`
}

// Validate reports the first thing that keeps s from being a situation at all.
func (s *Situation) Validate() error {
	if s.Geometry != nil {
		if err := s.Geometry.Validate(); err != nil {
			return err
		}
	}
	for i := range s.Recurrence {
		if err := s.Recurrence[i].Validate(); err != nil {
			e := Public(err)
			return e.At("/recurrence/" + strconv.Itoa(i) + strings.TrimPrefix(e.Field, "/recurrence"))
		}
	}
	for i := range s.Detours {
		if g := s.Detours[i].Geometry; g != nil {
			if err := g.Validate(); err != nil {
				return beneath("/detours/"+strconv.Itoa(i), err)
			}
		}
	}
	return nil
}

// Partial reports whether s concerns less than everybody in its direction: a
// tube or carriageway of several, lanes, or a class of vehicles. A format that
// cannot say so must refuse it: widening a partial closure is a lie.
func (s *Situation) Partial() bool {
	return s.Effect == LanesClosed || s.Effect == Restriction || s.Extent == LanePart || len(s.Vehicles) > 0
}

// Closed reports whether nobody may pass in at least one direction.
func (s *Situation) Closed() bool {
	return (s.Effect == RoadClosed || s.Effect == DirectionClosed) && len(s.Vehicles) == 0 && s.Extent != LanePart
}

// EndedByRule reports whether s has ended by the rule that it states, at now.
func (s *Situation) EndedByRule(now time.Time) bool {
	return s.Lifecycle.Live() && s.EndRule == EndAtPlannedEnd && s.End != nil && !now.Before(*s.End)
}

// Comment returns the public text in the first of langs that s has, else its
// first public text.
func (s *Situation) Comment(langs ...string) (Text, bool) {
	for _, l := range langs {
		for _, t := range s.Texts {
			if t.Lang == l && t.Kind != "internal" {
				return t, true
			}
		}
	}
	for _, t := range s.Texts {
		if t.Kind != "internal" {
			return t, true
		}
	}
	return Text{}, false
}
