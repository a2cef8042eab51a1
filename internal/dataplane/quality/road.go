package quality

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// Bounds of what is plausible of a vehicle, in metres and tonnes.
const (
	heightMax, widthMax, lengthMax, weightMax = 20, 20, 100, 500
)

// road checks the names of the road and of what stands on it.
func road(f *found, s *hansa.Situation) {
	switch {
	case s.Road.Name == "" && s.Road.Number == "":
		if s.Infra.Name == "" {
			f.add("ROAD-01", "/situation/road/name", "")
		}
	case crowded(s.Road.Name):
		f.add("ROAD-02", "/situation/road/name", s.Road.Name)
	}
	if (s.Infra.Kind == "tunnel" || s.Infra.Kind == "bridge") && s.Infra.Name == "" && s.Infra.ID == "" {
		f.add("ROAD-03", "/situation/infra/name", s.Infra.Kind)
	}
	if s.Extent == hansa.Tube && s.Infra.Tube == "" {
		f.add("ROAD-04", "/situation/infra/tube", "")
	}
	if s.Effect == hansa.RoadClosed && (s.Extent == hansa.Tube || s.Extent == hansa.Carriageway) {
		f.add("ROAD-05", "/situation/extent", string(s.Extent))
	}
}

// crowded reports whether a street's name holds more than the name: a comma, or
// a postcode of four or five digits.
func crowded(name string) bool {
	digits := 0
	for i := range len(name) {
		c := name[i]
		if c == ',' || c == ';' {
			return true
		}
		if c < '0' || c > '9' {
			digits = 0
			continue
		}
		// A letter before the digits makes it a road's number: L1234.
		if digits++; digits >= 4 && (i+1 == len(name) || name[i+1] == ' ') {
			from := i + 1 - digits
			if digits <= 5 && (from == 0 || name[from-1] == ' ') && strings.Contains(name, " ") {
				return true
			}
		}
	}
	return false
}

// lanes checks the lanes against each other and against the effect.
func lanes(f *found, s *hansa.Situation) {
	if len(s.Lanes) == 0 {
		if s.Effect == hansa.LanesClosed || s.Extent == hansa.LanePart {
			f.add("LANE-01", "/situation/lanes", "")
		}
		return
	}
	closed, of := 0, 0
	for i := range s.Lanes {
		l := &s.Lanes[i]
		if l.Closed {
			closed++
		}
		if l.Number < 0 || l.Number == 0 && l.Usage == "" || l.Of > 0 && l.Number > l.Of {
			f.add("LANE-03", at("lanes", i, "/number"), strconv.Itoa(l.Number))
		}
		if l.Number > 0 && slices.ContainsFunc(s.Lanes[:min(i, 64)], func(o hansa.Lane) bool { return o.Number == l.Number && o.Usage == l.Usage }) {
			f.add("LANE-04", at("lanes", i, "/number"), strconv.Itoa(l.Number))
		}
		if of != 0 && l.Of != 0 && l.Of != of {
			f.add("LANE-07", at("lanes", i, "/of"), strconv.Itoa(l.Of))
		}
		of = max(of, l.Of)
	}
	open := len(s.Lanes) - closed
	switch {
	case s.Effect == hansa.LanesClosed && closed == 0:
		f.add("LANE-02", "/situation/lanes", "")
	case s.Effect == hansa.LanesClosed && of > 0 && closed >= of:
		f.add("LANE-05", "/situation/lanes", strconv.Itoa(closed))
	case s.Closed() && open > 0:
		f.add("LANE-06", "/situation/lanes", strconv.Itoa(open))
	}
}

// vehicles checks to whom the measure applies.
func vehicles(f *found, s *hansa.Situation) {
	for i := range s.Vehicles {
		v := &s.Vehicles[i]
		for _, limit := range [...]struct {
			name       string
			value, max float64
		}{
			{"/heightOverM", v.HeightOverM, heightMax},
			{"/widthOverM", v.WidthOverM, widthMax},
			{"/lengthOverM", v.LengthOverM, lengthMax},
			{"/weightOverT", v.WeightOverT, weightMax},
		} {
			if limit.value < 0 || limit.value > limit.max || math.IsNaN(limit.value) {
				f.add("VEH-01", at("vehicles", i, limit.name), strconv.FormatFloat(limit.value, 'f', -1, 64))
			}
		}
		e := *v
		e.Except = false
		if e == (hansa.Vehicles{}) {
			f.add("VEH-02", at("vehicles", i, ""), "")
		}
		if v.Other != "" {
			f.add("VEH-04", at("vehicles", i, "/other"), v.Other)
		}
	}
	if s.Effect == hansa.Restriction && len(s.Vehicles) == 0 && len(s.Texts) == 0 && s.Cause.Detail == "" {
		f.add("VEH-03", "/situation/vehicles", "")
	}
}
