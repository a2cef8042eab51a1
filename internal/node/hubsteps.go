package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// Where what comes from the hub lies at the others.
const (
	hubClosures = "closures-from-wegenknoop"
	hubCounts   = "counts-from-wegenknoop"
)

func (s *hubStory) starts(ctx context.Context) (string, error) {
	for _, m := range s.members() {
		if err := m.pair.flows(ctx, pledgeOpen); err != nil {
			return "", err
		}
	}
	return "8 of 8, as both sides of each explain them", nil
}

// shut publishes a closure of a city, or its next version.
func (s *hubStory) shut(ctx context.Context, m *member, id string, version int64, state hansa.Lifecycle) error {
	now := time.Now().UTC().Truncate(time.Second)
	west := 4.9
	if m == s.east {
		west = 5
	}
	r := hansa.Record{
		Kind: hansa.KindSituation, ID: id, Version: version, Updated: now, Update: hansa.Insert,
		Situation: &hansa.Situation{Lifecycle: state, Effect: hansa.RoadClosed, Direction: hansa.BothDirections, Start: &now, EndKind: hansa.EndUnknown, Geometry: hansa.Line(hansa.Position{west, 52.37}, hansa.Position{west + 0.01, 52.38})},
	}
	if state == hansa.Ended {
		r.Update, r.Situation.ActualEnd = hansa.End, &now
	}
	return s.publish(ctx, m, "closures", &r)
}

func (*hubStory) publish(ctx context.Context, m *member, dataset string, r *hansa.Record) error {
	var a api.PublishAnswer
	if err := m.call(ctx, http.MethodPost, "/data/v1/datasets/"+dataset+"/records", r, &a); err != nil {
		return err
	}
	if a.Accepted != 1 {
		return fmt.Errorf("the node of %s took nothing: %+v", m.title, a)
	}
	return nil
}

// count publishes how many vehicles passed at a place.
func (s *hubStory) count(ctx context.Context, m *member, lon float64) (string, error) {
	s.counted++
	id := fmt.Sprintf("count-%d", s.counted)
	now := time.Now().UTC().Truncate(time.Second)
	return relayID(m.id, id), s.publish(ctx, m, "counts", &hansa.Record{
		Kind: hansa.KindObservation, ID: id, Version: 1, Updated: now,
		Observation: &hansa.Observation{What: "count", Observed: now, Geometry: &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{{{lon, 52.37}}}}, Quantities: []hansa.Quantity{{Name: "vehicles", Value: float64(s.counted), Unit: "1/min"}}},
	})
}

// newest is what a party has of each record, in its newest version; versions says how
// often each came.
func (*hubStory) newest(ctx context.Context, m *outpost, dataset string) (now map[string]cameIn, versions map[string]int, err error) {
	list, err := m.own(ctx, dataset)
	now, versions = map[string]cameIn{}, map[string]int{}
	for _, r := range list {
		now[r.ID] = r
		versions[r.ID]++
	}
	return now, versions, err
}

func (s *hubStory) closes(ctx context.Context) (string, error) {
	var told []string
	for _, m := range s.cities() {
		for _, id := range []string{"closure-1", "closure-2"} { // both call theirs alike
			if err := s.shut(ctx, m, id, 1, hansa.Active); err != nil {
				return "", err
			}
			s.closures[m] = append(s.closures[m], id)
		}
		for _, at := range s.companies() {
			r, err := at.has(ctx, hubClosures, relayID(m.id, "closure-1"), func(*cameIn) bool { return true })
			if err != nil {
				return "", err
			}
			from, o := r.Provenance, r.Provenance.Origin
			if from.Holder != "Road authority of "+m.title || from.System != s.hub.did() || o == nil || o.Party != m.id || o.ID != "closure-1" || o.Accord != m.pair.id || o.Hash != m.pair.versions[0] || o.Licence != "CC-BY-4.0" || len(o.Duties) == 0 {
				return "", fmt.Errorf("at %s it came as %+v of %+v", at.title, from, o)
			}
			if at == s.nav {
				told = append(told, fmt.Sprintf("%s, %s, %d clauses on quality", from.Holder, o.Licence, len(o.Duties)))
			}
		}
		if err := s.kept(ctx, m, "closure-1"); err != nil {
			return "", err
		}
	}
	return strings.Join(told, "; "), nil
}

// kept is an error when the hub has not the bytes of a closure as they came: its proof
// carries them.
func (s *hubStory) kept(ctx context.Context, m *member, id string) error {
	var proof struct {
		Facts []struct {
			Kind    hansa.FactKind `json:"kind"`
			Content []byte         `json:"content"`
		} `json:"facts"`
	}
	if err := s.hub.call(ctx, http.MethodPost, "/api/v1/proofs/closures/"+url.PathEscape(relayID(m.id, id)), nil, &proof); err != nil {
		return err
	}
	for _, f := range proof.Facts {
		var as hansa.Record
		if f.Kind == hansa.FactRecord && json.Unmarshal(f.Content, &as) == nil && as.ID == id {
			return nil
		}
	}
	return fmt.Errorf("the hub's proof of %s of %s holds %d facts, and none with the bytes that came", id, m.title, len(proof.Facts))
}

func (s *hubStory) counts(ctx context.Context) (string, error) {
	for _, m := range s.companies() {
		outside, err := s.count(ctx, m, 6)
		if err != nil {
			return "", err
		}
		var in [2]string
		for i, lon := range []float64{5.01, 4.91} {
			if in[i], err = s.count(ctx, m, lon); err != nil {
				return "", err
			}
		}
		border, err := s.count(ctx, m, hubBorder)
		if err != nil {
			return "", err
		}
		for i, city := range s.cities() {
			r, err := city.has(ctx, hubCounts, border, func(*cameIn) bool { return true })
			if err != nil {
				return "", err
			}
			now, _, err := s.newest(ctx, city.outpost, hubCounts)
			if err != nil {
				return "", err
			}
			_, mine := now[in[i]]
			_, others := now[in[1-i]]
			_, far := now[outside]
			if !mine || others || far || r.Provenance.Holder != m.title+" Data" || r.Provenance.Origin == nil || r.Provenance.Origin.Party != m.id {
				return "", fmt.Errorf("%s has its own %v, the other's %v, what is outside %v, and the border's as %+v", city.title, mine, others, far, r.Provenance)
			}
		}
	}
	return "of 4 counts of each company each city has 2: one in its area, and one on the border", nil
}

func (s *hubStory) reopens(ctx context.Context) (string, error) {
	if err := s.shut(ctx, s.east, "closure-2", 2, hansa.Ended); err != nil {
		return "", err
	}
	s.closures[s.east] = []string{"closure-1"}
	for _, m := range s.companies() {
		if _, err := m.has(ctx, hubClosures, relayID(s.east.id, "closure-2"), func(r *cameIn) bool { return r.Situation.Lifecycle == hansa.Ended }); err != nil {
			return "", err
		}
	}
	return "closure-2 of " + s.east.title + " is ended at both; that of " + s.west.title + " is not", s.standing(ctx, s.west)
}

// standing is an error unless both companies have just what some cities have closed, and
// of the others nothing that holds.
func (s *hubStory) standing(ctx context.Context, cities ...*member) error {
	for _, m := range s.companies() {
		now, _, err := s.newest(ctx, m.outpost, hubClosures)
		if err != nil {
			return err
		}
		live := map[string]bool{}
		for id, r := range now {
			live[id] = r.Situation.Lifecycle.Live()
		}
		for _, city := range cities {
			for _, id := range s.closures[city] {
				if key := relayID(city.id, id); !live[key] {
					return fmt.Errorf("%s does not have %s, or not as shut", m.title, key)
				}
			}
			for id, holds := range live {
				own, of := strings.CutPrefix(id, relayID(city.id, ""))
				if of && holds && !slices.Contains(s.closures[city], own) {
					return fmt.Errorf("%s has %s as shut", m.title, id)
				}
			}
		}
	}
	return nil
}

func (s *hubStory) leaves(ctx context.Context) (string, error) {
	const why = "the city builds a hub of its own"
	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly) // over in every zone
	pair := s.east.pair
	if _, err := pair.says(ctx, s.east.outpost, accord.End, api.AccordAct{Notice: yesterday, Words: why}); err != nil {
		return "", err
	}
	for _, p := range pair.both() {
		if _, err := pair.until(ctx, p, "ended", func(d *api.AccordDetail) bool { return d.State == hansa.AccordEnded && d.EndedBy == s.east.id }); err != nil {
			return "", err
		}
	}
	for _, m := range s.companies() {
		if _, err := m.has(ctx, hubClosures, relayID(s.east.id, "closure-1"), func(r *cameIn) bool { return !r.Situation.Lifecycle.Live() }); err != nil {
			return "", err
		}
	}
	hub := hansa.PartyID(s.hub.did())
	d, err := pair.until(ctx, s.east.outpost, "with the hub's certificate", func(d *api.AccordDetail) bool {
		return slices.ContainsFunc(d.Erasures, func(e api.AccordErasure) bool { return e.By == hub })
	})
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(d.Erasures, func(e api.AccordErasure) bool { return e.By == hub })
	e := d.Erasures[i]
	if e.Records < 2 || len(e.Onward) != 2 {
		return "", fmt.Errorf("the hub certifies %d records, passed on to %v", e.Records, e.Onward)
	}
	now, _, err := s.newest(ctx, s.hub, "closures")
	if err != nil {
		return "", err
	}
	for id, r := range now {
		if strings.HasPrefix(id, relayID(s.east.id, "")) && (r.Situation.Lifecycle.Live() || strings.HasPrefix(r.Provenance.Feed, hansa.FeedRelay)) {
			return "", fmt.Errorf("the hub has %s still: %+v", id, r)
		}
	}
	return fmt.Sprintf("%s; %d records in %d versions erased, which had gone on to %s", why, e.Records, e.Versions, strings.Join(e.Onward, " and ")), nil
}

func (s *hubStory) remains(ctx context.Context) (string, error) {
	if err := s.standing(ctx, s.west); err != nil {
		return "", err
	}
	for _, m := range s.companies() {
		_, versions, err := s.newest(ctx, m.outpost, hubClosures)
		if err != nil {
			return "", err
		}
		for id, n := range versions {
			if strings.HasPrefix(id, relayID(s.west.id, "")) && n != 1 {
				return "", fmt.Errorf("%s has %s in %d versions, and it was published in one", m.title, id, n)
			}
		}
	}
	return fmt.Sprintf("both companies have its %d closures, each once", len(s.closures[s.west])), nil
}

func (s *hubStory) goesOn(ctx context.Context) (string, error) {
	for _, m := range s.cities() {
		if err := s.shut(ctx, m, "closure-3", 1, hansa.Active); err != nil {
			return "", err
		}
		s.closures[m] = append(s.closures[m], "closure-3")
	}
	border, err := s.count(ctx, s.nav, hubBorder)
	if err != nil {
		return "", err
	}
	for _, m := range s.companies() {
		if _, err := m.has(ctx, hubClosures, relayID(s.west.id, "closure-3"), func(*cameIn) bool { return true }); err != nil {
			return "", err
		}
	}
	if _, err := s.west.has(ctx, hubCounts, border, func(*cameIn) bool { return true }); err != nil {
		return "", err
	}
	return s.west.title + " has the count on the border, " + s.east.title + " has not", errors.Join(
		s.standing(ctx, s.west),
		s.nav.lacks(ctx, hubClosures, relayID(s.east.id, "closure-3")),
		s.east.lacks(ctx, hubCounts, border),
	)
}

func (s *hubStory) returns(ctx context.Context) (string, error) {
	if err := s.agree(ctx, s.east); err != nil {
		return "", err
	}
	for _, m := range s.companies() {
		for _, id := range s.closures[s.east] {
			if _, err := m.has(ctx, hubClosures, relayID(s.east.id, id), func(r *cameIn) bool {
				return r.Situation.Lifecycle.Live() && r.Provenance.Origin != nil && r.Provenance.Origin.Accord == s.east.pair.id
			}); err != nil {
				return "", err
			}
		}
	}
	return fmt.Sprintf("%d closures of %s, under the new accord", len(s.closures[s.east]), s.east.title), s.standing(ctx, s.cities()...)
}
