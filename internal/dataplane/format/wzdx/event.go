package wzdx

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/hansa-exchange/hansa"
)

// feature is one road event: one direction of one road, at one time.
type feature struct {
	ID         string    `json:"id"`
	Type       string    `json:"type"`
	Properties any       `json:"properties"`
	Geometry   *geometry `json:"geometry"`
}

type geometry struct{ line []hansa.Position }

func (g *geometry) MarshalJSON() ([]byte, error) { return json.Marshal(hansa.Line(g.line...)) }

type core struct {
	EventType    string   `json:"event_type"`
	DataSourceID string   `json:"data_source_id"`
	RoadNames    []string `json:"road_names"`
	Direction    string   `json:"direction"`
	Description  string   `json:"description,omitempty"`
	CreationDate string   `json:"creation_date,omitempty"`
	UpdateDate   string   `json:"update_date,omitempty"`
}

type times struct {
	StartDate         string `json:"start_date"`
	EndDate           string `json:"end_date"`
	StartDateVerified bool   `json:"is_start_date_verified"`
	EndDateVerified   bool   `json:"is_end_date_verified"`
}

type streets struct {
	From string `json:"beginning_cross_street,omitempty"`
	To   string `json:"ending_cross_street,omitempty"`
}

type detour struct {
	Core core `json:"core_details"`
	times
	streets
}

type workZone struct {
	Core core `json:"core_details"`
	times
	streets
	StartPositionVerified bool          `json:"is_start_position_verified"`
	EndPositionVerified   bool          `json:"is_end_position_verified"`
	LocationMethod        string        `json:"location_method"`
	VehicleImpact         string        `json:"vehicle_impact"`
	Restrictions          []restriction `json:"restrictions,omitempty"`
	TypesOfWork           []workType    `json:"types_of_work,omitempty"`
	Lanes                 []lane        `json:"lanes,omitempty"`
}

type restriction struct {
	Type  string  `json:"type"`
	Value float64 `json:"value,omitempty"`
	Unit  string  `json:"unit,omitempty"`
}

type workType struct {
	Name string `json:"type_name"`
}

type lane struct {
	Order  int    `json:"order"`
	Type   string `json:"type"`
	Status string `json:"status"`
}

// lanesOf returns all lanes, counted from the left, or nothing when not all are known.
func lanesOf(s *hansa.Situation, left bool) []lane {
	if len(s.Lanes) == 0 || s.Lanes[0].Of != len(s.Lanes) {
		return nil
	}
	var out []lane
	for _, l := range s.Lanes {
		if l.Of != len(s.Lanes) || l.Number < 1 || l.Number > l.Of {
			return nil
		}
		order, status := l.Number, "open"
		if left {
			order = l.Of + 1 - order
		}
		if l.Closed {
			status = "closed"
		}
		out = append(out, lane{Order: order, Type: "general", Status: status})
	}
	slices.SortFunc(out, func(a, b lane) int { return a.Order - b.Order })
	for i, l := range out {
		if l.Order != i+1 {
			return nil // one is there twice
		}
	}
	return out
}

// restrictions returns what vehicles are kept out, each limit on its own: limits
// that hold only together, and classes that the format cannot name, are a reason
// to refuse, for one word less would keep out more.
func restrictions(vs []hansa.Vehicles) (out []restriction, field, reason string) {
	for i := range vs {
		v := vs[i]
		field = "/situation/vehicles/" + strconv.Itoa(i)
		if v.Except || v.DangerousGoods || v.Other != "" {
			return nil, field, "WZDx cannot name these vehicles: it would hold for others"
		}
		var one []restriction
		if v.Class == "lorry" {
			one = append(one, restriction{Type: "no-trucks"})
		} else if v.Class != "" && v.Class != "anyVehicle" {
			return nil, field, "WZDx has no word for the class " + v.Class
		}
		for _, limit := range []struct {
			over  float64
			scale float64
			name  string
			unit  string
		}{
			{v.HeightOverM, 100, "reduced-height", "centimeters"},
			{v.WidthOverM, 100, "reduced-width", "centimeters"},
			{v.LengthOverM, 100, "reduced-length", "centimeters"},
			{v.WeightOverT, 1000, "reduced-weight", "kilograms"},
		} {
			if limit.over > 0 {
				one = append(one, restriction{Type: limit.name, Value: round(limit.over * limit.scale), Unit: limit.unit})
			}
		}
		if len(one) != 1 {
			return nil, field, "WZDx holds each limit for every vehicle: limits that hold together would keep out more"
		}
		out = append(out, one[0])
	}
	return out, "", ""
}
