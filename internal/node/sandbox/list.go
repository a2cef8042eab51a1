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
	Vehicles  string       `json:"vehicles"` // all, or some
	Test      bool         `json:"test"`
}

// ReadSight reads the list that a receiver published or posted, as it was at a
// moment: {"closures": [{"record", "version", "state", "extent", "direction",
// "vehicles", "test"}]}. An empty list must be written as one; a document without a list is
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
		case l.Vehicles != "" && l.Vehicles != "all" && l.Vehicles != "some":
			return Sight{}, hansa.Fielded("vehicles", "%q is neither all nor some", l.Vehicles)
		}
		s.Shown = append(s.Shown, Item{
			Record: l.Record, Version: l.Version, Extent: extent, Vehicles: map[string]Vehicles{"some": Some, "all": All}[l.Vehicles],
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

// ItemOf is what a receiver should show of a record of a situation.
func ItemOf(r *hansa.Record) Item {
	extent, _ := extentOf(r.Situation.Extent) // one that is not known is not graded
	i := Item{Record: r.ID, Version: r.Version, Extent: extent, Vehicles: All, Direction: string(r.Situation.Direction), Test: !r.Mode.IsReal()}
	i.Planned = r.Situation.Lifecycle == hansa.Planned || r.Situation.Lifecycle == hansa.Confirmed
	if len(r.Situation.Vehicles) > 0 {
		i.Vehicles = Some
	}
	return i
}

// Unsaid lists what a receiver's lists never said, and so was not judged.
func Unsaid(sights []Sight) []string {
	var version, extent, direction, vehicles, some bool
	for _, s := range sights {
		for _, i := range s.Shown {
			some, version, extent = true, version || i.Version > 0, extent || i.Extent > 0
			direction, vehicles = direction || i.Direction != "", vehicles || i.Vehicles > 0
		}
	}
	var out []string
	for _, x := range []struct {
		said bool
		what string
	}{
		{version, "it names no version: whether an earlier one was shown was not judged"},
		{extent, "it names no extent: whether a tube was shown as the whole road was not judged"},
		{direction, "it names no direction: whether the other one was shown was not judged"},
		{vehicles, "it names no vehicles: whether a closure to some was shown as one to all was not judged"},
	} {
		if some && !x.said {
			out = append(out, x.what)
		}
	}
	return out
}
