package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Measure is what a giver publishes.
type Measure string

// The measures.
const (
	Counts   Measure = "counts"   // vehicles by road
	Jams     Measure = "jams"     // speeds and lost time by road
	Vehicles Measure = "vehicles" // positions of vehicles
	Parking  Measure = "parking"  // how full places to park are
	Works    Measure = "works"    // roads that are shut for works: told once
)

// Gift is one dataset that a giver fills.
type Gift struct {
	Dataset string // its id
	Measure Measure
}

// Giver is a city or a company that publishes what it measures into its own datasets,
// as a program of its own does: with its token, by POST of canonical records.
type Giver struct {
	Name     string
	Exchange string // base URL
	Token    string
	Client   *http.Client
	Now      func() time.Time
	Gifts    []Gift
	Town     *Town
	Apart    float64 // degrees of longitude by which its roads lie beside the town's
}

// thingsMax is how many roads, vehicles or places a gift is about: the records of a
// dataset are new versions of so many.
const thingsMax = 12

// Run publishes until ctx ends: each time one record into each dataset. What fails is
// tried again the next time; tell hears of it.
func (g *Giver) Run(ctx context.Context, every time.Duration, tell func(error)) {
	t := time.NewTicker(every)
	defer t.Stop()
	for n := 0; ; n++ {
		for _, x := range g.Gifts {
			if x.Measure == Works && n > 0 {
				continue
			}
			if err := g.publish(ctx, x, n); err != nil && ctx.Err() == nil {
				tell(fmt.Errorf("%s gives %s: %w", g.Name, x.Measure, err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// publish sends the n-th record of a gift.
func (g *Giver) publish(ctx context.Context, x Gift, n int) error {
	body, err := json.Marshal(g.record(x.Measure, n))
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.Exchange+"/data/v1/datasets/"+url.PathEscape(x.Dataset)+"/records", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+g.Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := g.Client.Do(req)
	if err != nil {
		return err
	}
	var a struct {
		Accepted int `json:"accepted"`
	}
	if err := decode(res, &a); err != nil {
		return err
	}
	if a.Accepted != 1 {
		return errors.New("the exchange did not take the record")
	}
	return nil
}

// record is what is measured the n-th time: of each thing in turn, each time a new
// version. The numbers swing as those of a day do, and are the same each time.
func (g *Giver) record(m Measure, n int) *hansa.Record {
	thing, round := n%thingsMax, n/thingsMax
	now := g.Now().UTC().Truncate(time.Second)
	road, along := g.road(thing)
	swing := float64((n*7+thing*13)%40) / 40
	id := g.Name + "-" + string(m) + "-" + strconv.Itoa(thing+1)
	r := &hansa.Record{Kind: hansa.KindObservation, ID: id, Version: int64(round + 1), Updated: now}
	o := &hansa.Observation{Subject: road, Observed: now, ValidFor: hansa.Duration(15 * time.Minute)}
	switch m {
	case Counts:
		o.What, o.Geometry = "count", along
		o.Quantities = []hansa.Quantity{{Name: "vehicles", Value: float64(int(8 + 40*swing)), Unit: "1/min"}}
	case Jams:
		o.What, o.Geometry = "jam", along
		o.Quantities = []hansa.Quantity{{Name: "speed", Value: float64(int(48 - 36*swing)), Unit: "km/h"}, {Name: "delay", Value: float64(int(240 * swing)), Unit: "s"}}
	case Vehicles:
		o.What, o.Subject, o.State = "vehicle", id, "available"
		o.Geometry = point(along, n)
	case Parking:
		o.What, o.Geometry = "car-park", point(along, 0)
		places := float64(40 + 30*thing)
		o.Quantities = []hansa.Quantity{{Name: "places", Value: places, Unit: "1"}, {Name: "occupied", Value: float64(int(places * (0.35 + 0.6*swing))), Unit: "1"}}
	case Works:
		until := now.AddDate(0, 0, 14)
		r.Kind, r.Update, r.Created = hansa.KindSituation, hansa.Insert, now
		r.Situation = &hansa.Situation{
			Lifecycle: hansa.Active, Effect: hansa.RoadClosed, Start: &now, End: &until, Geometry: along, Direction: hansa.BothDirections, Road: hansa.Road{Name: road},
			Source: hansa.Source{Org: g.Name}, Texts: []hansa.Text{{Lang: "en", Value: road + " is closed for works."}},
		}
		return r
	}
	r.Observation = o
	return r
}

// road is one of the giver's roads: those of the town, or beside them.
func (g *Giver) road(thing int) (string, *hansa.Geometry) {
	s := &g.Town.Streets[(thing*17+len(g.Name))%len(g.Town.Streets)]
	line := make([]hansa.Position, 0, len(s.Lines[0]))
	for _, p := range s.Lines[0] {
		line = append(line, hansa.Position{p[0] + g.Apart, p[1]})
	}
	return s.Name, hansa.Line(line...)
}

// point is one of the positions of a line.
func point(along *hansa.Geometry, n int) *hansa.Geometry {
	line := along.Lines[0]
	return &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{{line[n%len(line)]}}}
}
