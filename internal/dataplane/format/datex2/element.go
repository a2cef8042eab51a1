package datex2

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// encode writes the record, and the way round as one of its own.
func (p *plan) encode(e *encoder, doc format.Doc) {
	r := p.r
	e.begin("sit:situationRecord", "xsi:type", "sit:"+p.name, "id", r.ID, "version", fmt.Sprint(r.Version))
	p.front(e, doc)
	p.encodeCause(e)
	p.encodeTexts(e)
	p.encodePlace(e)
	p.encodeOver(e)
	p.tail(e)
	e.end()
	if p.detour != "" {
		p.encodeDetour(e, doc)
	}
}

// encodeOver writes that the record has ended or is withdrawn.
func (p *plan) encodeOver(e *encoder) {
	word := "end"
	switch p.r.Situation.Lifecycle {
	case hansa.Ended:
	case hansa.Cancelled:
		word = "cancel"
	case hansa.Draft, hansa.Planned, hansa.Confirmed, hansa.Active, hansa.Suspended:
		return
	default:
		return
	}
	e.begin("sit:_situationRecordExtension")
	e.begin("hx:lifeCycleManagement", "xmlns:hx", spaceLife)
	e.leaf("hx:"+word, "true")
	e.end()
	e.end()
}

// front writes what stands before the cause.
func (p *plan) front(e *encoder, doc format.Doc) {
	r, s := p.r, p.r.Situation
	e.leaf("sit:situationRecordCreationReference", said(s.Source.Ref))
	e.time("sit:situationRecordCreationTime", p.created)
	e.time("sit:situationRecordVersionTime", p.updated)
	e.leaf("sit:confidentialityOverride", s.Audience)
	certainty := s.Certainty
	if !says("probabilityOfOccurrence", string(certainty)) {
		certainty = hansa.Probable
		if s.Lifecycle == hansa.Active || s.Lifecycle == hansa.Confirmed || s.Lifecycle == hansa.Ended {
			certainty = hansa.Certain
		}
	}
	e.leaf("sit:probabilityOfOccurrence", string(certainty))
	if says("severity", string(s.Severity)) {
		e.leaf("sit:severity", string(s.Severity))
	}
	country, system, org := r.Provenance.Country, said(s.Source.System), said(s.Source.Org)
	if len(country) != 2 || !isLang(country) {
		country = ""
	}
	if country+system+org != "" {
		e.begin("sit:source")
		e.leaf("com:sourceCountry", country)
		e.leaf("com:sourceIdentification", system)
		e.words("com:sourceName", org, e.lang)
		e.end()
	}
	e.begin("sit:validity")
	e.leaf("com:validityStatus", p.status)
	if s.EndKind == hansa.EndEstimated {
		e.leaf("com:overrunning", "true")
	}
	e.begin("com:validityTimeSpecification")
	e.time("com:overallStartTime", p.start)
	if p.end != nil {
		e.time("com:overallEndTime", *p.end)
	}
	p.encodePeriods(e, doc)
	e.end()
	e.end()
}

// encodeCause writes why.
func (p *plan) encodeCause(e *encoder) {
	by := ""
	for _, id := range p.r.Situation.Related.CausedBy {
		if by == "" && format.SaysXML(id) {
			by = id
		}
	}
	if p.cause+p.detail+by == "" {
		return
	}
	e.begin("sit:cause")
	e.words("sit:causeDescription", p.detail, e.lang)
	e.leaf("sit:causeType", p.cause)
	if p.fire {
		e.begin("sit:detailedCauseType")
		e.leaf("sit:vehicleObstructionType", "vehicleOnFire")
		e.end()
	}
	if by != "" {
		refer(e, by)
	}
	e.end()
}

// refer names another record.
func refer(e *encoder, id string) {
	e.begin("sit:managedCause")
	e.start("sit:objectReference", []string{"targetClass", "sit:SituationRecord", "id", id})
	e.b = append(e.b, "/>"...)
	e.end()
}

// encodeTexts writes the public texts: those of one kind in several languages
// that follow each other are one comment.
func (p *plan) encodeTexts(e *encoder) {
	var kind string
	langs := map[string]bool{}
	open := false
	shut := func() {
		if !open {
			return
		}
		e.end()
		e.end()
		if kind == "description" {
			e.leaf("sit:commentType", kind)
		}
		e.end()
		open = false
	}
	for _, t := range p.r.Situation.Texts {
		if t.Kind == "internal" || strings.TrimSpace(t.Value) == "" || !format.SaysXML(t.Value) {
			continue
		}
		lang := t.Lang
		if !isLang(lang) {
			lang = ""
		}
		for _, piece := range pieces(t.Value) {
			if !open || langs[lang] || t.Kind != kind {
				shut()
				kind, open = t.Kind, true
				clear(langs)
				e.begin("sit:generalPublicComment")
				e.begin("sit:comment")
				e.begin("com:values")
			}
			langs[lang] = true
			e.leaf("com:value", piece, "lang", lang)
		}
	}
	shut()
}

// pieces cuts a text that is too long for one comment, at a space if it can.
func pieces(s string) []string {
	var out []string
	for utf8.RuneCountInString(s) > textCharsMax {
		n, last := 0, 0
		for i, c := range s {
			if n == textCharsMax {
				if last == 0 {
					last = i
				}
				break
			}
			if c == ' ' || c == '\n' {
				last = i
			}
			n++
		}
		if piece := strings.TrimSpace(s[:last]); piece != "" {
			out = append(out, piece)
		}
		s = s[last:]
		if last == 0 {
			break
		}
	}
	if s = strings.TrimSpace(s); s != "" {
		out = append(out, s)
	}
	return out
}

// tail writes what the class adds behind the place.
func (p *plan) tail(e *encoder) {
	s, c := p.r.Situation, p.class
	if c.action {
		e.leaf("sit:operatorActionStatus", p.life)
	}
	if c.network {
		e.leaf("sit:complianceOption", p.compliance())
		switch s.Direction {
		case hansa.OneDirection:
			e.leaf("sit:applicableForTrafficDirection", "aligned")
		case hansa.BothDirections:
			e.leaf("sit:applicableForTrafficDirection", "bothWays")
		}
		for _, v := range s.Vehicles {
			encodeVehicles(e, v)
		}
	}
	e.leaf("sit:trafficConstrictionType", p.blocked)
	if c.kind != "" {
		e.leaf("sit:"+c.kind, p.kind)
	}
	switch p.name {
	case "EquipmentOrSystemFault":
		what := p.keptAs("faultyEquipmentOrSystemType")
		if !says("faultyEquipmentOrSystemType", what) {
			what = "other"
		}
		e.leaf("sit:faultyEquipmentOrSystemType", what)
	case "SpeedManagement":
		if v := p.keptAs("temporarySpeedLimit"); v != "" {
			if f, ok := decimal([]byte(v)); ok {
				e.number("sit:temporarySpeedLimit", f)
			}
		}
	case "ReroutingManagement":
		encodeRoutes(e, s.Detours)
	}
}

func (p *plan) compliance() string {
	if kept := p.keptAs("complianceOption"); says("complianceOption", kept) {
		return kept
	}
	if p.r.Situation.Role == hansa.RoleDiversion {
		return "advisory"
	}
	return "mandatory"
}

func encodeVehicles(e *encoder, v hansa.Vehicles) {
	e.begin("sit:forVehiclesWithCharacteristicsOf")
	if v.DangerousGoods {
		e.leaf("com:loadType", "hazardousMaterials")
	}
	e.leaf("com:vehicleType", v.Class)
	for i, f := range []float64{v.WeightOverT, v.HeightOverM, v.LengthOverM, v.WidthOverM} {
		if f == 0 {
			continue
		}
		m := measures[i]
		e.begin("com:" + m.element)
		e.leaf("com:comparisonOperator", "greaterThan")
		e.number("com:"+m.value, f)
		if m.unit == "t" {
			e.leaf("com:typeOfWeight", "actual")
		}
		e.end()
	}
	e.end()
}

// encodeRoutes writes the way round of a ReroutingManagement.
func encodeRoutes(e *encoder, ds []hansa.Detour) {
	for _, d := range ds {
		if t := said(d.Text); t != "" {
			e.words("sit:reroutingItineraryDescription", t, e.lang)
			break
		}
	}
	for _, d := range ds {
		if d.Geometry == nil || d.Geometry.Type == hansa.Polygon {
			continue
		}
		e.begin("sit:alternativeRoute", "xsi:type", "loc:ItineraryByIndexedLocations")
		for i, l := range partsOf(d.Geometry) {
			e.begin("loc:locationContainedInItinerary", "index", fmt.Sprint(i))
			if len(l) > 1 {
				e.begin("loc:location", "xsi:type", "loc:LinearLocation")
				encodeLine(e, l)
			} else {
				e.begin("loc:location", "xsi:type", "loc:PointLocation")
				encodePoint(e, l[0])
			}
			e.end()
			e.end()
		}
		e.end()
	}
}

// partsOf returns a geometry's lines, or its points as lines of one.
func partsOf(g *hansa.Geometry) [][]hansa.Position {
	if g.Type != hansa.Point && g.Type != hansa.MultiPoint {
		return g.Lines
	}
	var out [][]hansa.Position
	for _, p := range g.Lines[0] {
		out = append(out, []hansa.Position{p})
	}
	return out
}

// encodeDetour writes the way round of a closure as a record of its own, which
// names the closure as its cause.
func (p *plan) encodeDetour(e *encoder, doc format.Doc) {
	q := *p
	q.name, q.class = "ReroutingManagement", classes["ReroutingManagement"]
	e.begin("sit:situationRecord", "xsi:type", "sit:"+q.name, "id", p.detour, "version", fmt.Sprint(p.r.Version))
	q.front(e, doc)
	e.begin("sit:cause")
	refer(e, p.r.ID)
	e.end()
	q.encodePlace(e)
	q.encodeOver(e)
	e.leaf("sit:operatorActionStatus", p.life)
	e.leaf("sit:complianceOption", "advisory")
	e.leaf("sit:reroutingManagementType", "followDiversionSigns")
	encodeRoutes(e, p.r.Situation.Detours)
	e.end()
}
