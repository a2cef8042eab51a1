package sandbox

import (
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// listed is one entry of the list that a receiver shows. Only record is needed.
type listed struct {
	Record    string       `json:"record"`
	Version   int64        `json:"version"`
	State     string       `json:"state"` // live, or planned
	Extent    hansa.Extent `json:"extent"`
	Direction string       `json:"direction"`
	Test      bool         `json:"test"`
}

// ReadSight reads the list that a receiver published or posted, as it was at a
// moment: {"closures": [{"record", "version", "state", "extent", "direction",
// "test"}]}. An empty list must be written as one; a document without a list is
// an error, not a receiver that shows nothing.
func ReadSight(at time.Time, b []byte) (Sight, error) {
	var doc struct {
		Closures *[]listed `json:"closures"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return Sight{}, hansa.Fielded("closures", "is not a readable list: %v", err)
	}
	if doc.Closures == nil {
		return Sight{}, hansa.Fielded("closures", "is missing; write [] when nothing is shown")
	}
	s := Sight{At: at}
	for _, l := range *doc.Closures {
		extent, known := extentOf(l.Extent)
		switch {
		case l.Record == "":
			return Sight{}, hansa.Fielded("record", "is missing in an entry of closures; give the id that was published")
		case !known:
			return Sight{}, hansa.Fielded("extent", "%q is none of lane, tube, carriageway and whole-road", l.Extent)
		case l.State != "" && l.State != "live" && l.State != "planned":
			return Sight{}, hansa.Fielded("state", "%q is neither live nor planned", l.State)
		}
		s.Shown = append(s.Shown, Item{
			Record: l.Record, Version: l.Version, Extent: extent,
			Direction: l.Direction, Planned: l.State == "planned", Test: l.Test,
		})
	}
	return s, nil
}

// extentOf ranks an extent; a tube is one carriageway of a tunnel.
func extentOf(e hansa.Extent) (Extent, bool) {
	switch e {
	case "":
		return 0, true
	case hansa.LanePart:
		return Lane, true
	case hansa.Tube, hansa.Carriageway:
		return Tube, true
	case hansa.WholeRoad:
		return Whole, true
	}
	return 0, false
}
