package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// roads keeps the parties' networks of named places.
type roads struct{ n *Node }

var _ api.Roads = roads{}

// changesMax bounds the ids that one import names in each list.
const changesMax = 1000

// placesOf is a party's network as it is kept; none is empty.
func (n *Node) placesOf(party hansa.PartyID) []hansa.Place {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if w := n.places[party]; w != nil {
		return w.Places()
	}
	return nil
}

// around is where a party's records should lie; nil where nothing is known.
func (n *Node) around(party hansa.PartyID) *[4]float64 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if w := n.places[party]; w != nil {
		return w.Around()
	}
	return nil
}

// feature is a place as a feature of GeoJSON (RFC 7946).
type feature struct {
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	Properties hansa.Place     `json:"properties"`
	Geometry   *hansa.Geometry `json:"geometry"`
}

// geoJSON is a network as GeoJSON, and its digest.
func geoJSON(places []hansa.Place) (doc []byte, digest string, err error) {
	list := make([]feature, 0, len(places))
	for _, p := range places {
		g := p.Geometry
		p.Geometry = nil
		list = append(list, feature{Type: "Feature", ID: p.ID, Properties: p, Geometry: g})
	}
	doc, err = json.Marshal(map[string]any{"type": "FeatureCollection", "features": list}, json.Deterministic(true), json.OmitZeroStructFields(true))
	sum := sha256.Sum256(doc)
	return doc, hex.EncodeToString(sum[:]), err
}

func (r roads) Network(_ context.Context, by hansa.Actor) ([]byte, string, error) {
	return geoJSON(r.n.placesOf(by.Party))
}

func (r roads) SetNetwork(ctx context.Context, by hansa.Actor, doc []byte, dry, force bool) (api.NetworkChange, error) {
	places, err := readPlaces(bytes.NewReader(doc))
	if err != nil {
		return api.NetworkChange{}, err
	}
	if len(places) == 0 {
		return api.NetworkChange{}, hansa.Fielded("/features", "there is no place in it").WithHint("a place is a feature with a name, a kind and a line")
	}
	named, err := network.New(places)
	if err != nil {
		return api.NetworkChange{}, err
	}
	out, err := r.compare(ctx, by, places)
	if err != nil {
		return out, err
	}
	out.Findings, out.Dry = named.Check(), dry
	if out.Findings == nil {
		out.Findings = []hansa.Finding{}
	}
	if dry {
		return out, nil
	}
	switch {
	case r.n.cfg.PlacesFile != "" && by.Party == r.n.own:
		return out, hansa.Errorf(hansa.Conflict, "the places are set by the file %s, and would be set again at the next start", r.n.cfg.PlacesFile).WithHint("take the setting places out of the configuration, restart, and import")
	case len(out.InUse) > 0 && !force:
		return out, hansa.Errorf(hansa.Conflict, "open closures name places that would go: %s", strings.Join(out.InUse[:min(5, len(out.InUse))], ", ")).WithHint("keep them, or import with --force")
	}
	act, err := json.Marshal(map[string]any{"by": by.ID(), "places": len(places), "sha256": out.Digest}, json.Deterministic(true))
	if err != nil {
		return out, err
	}
	err = r.n.db.Write(ctx, func(tx hansa.Tx) error {
		if err := network.Save(tx, by.Party, places); err != nil {
			return err
		}
		_, err := r.n.journal.Act(tx, by.Party, "network-set", act, r.n.wall())
		return err
	})
	if err != nil {
		return out, err
	}
	r.n.mu.Lock()
	r.n.places[by.Party] = named
	r.n.mu.Unlock()
	r.n.changed.soon()
	return out, r.n.redraw()
}

// compare says what a network would change, by id.
func (r roads) compare(ctx context.Context, by hansa.Actor, places []hansa.Place) (api.NetworkChange, error) {
	out := api.NetworkChange{Places: len(places), Added: []string{}, Changed: []string{}, Removed: []string{}, InUse: []string{}}
	_, digest, err := geoJSON(places)
	if err != nil {
		return out, err
	}
	out.Digest = digest
	before := map[string][]byte{}
	for _, p := range r.n.placesOf(by.Party) {
		if before[p.ID], err = json.Marshal(&p, json.Deterministic(true)); err != nil {
			return out, err
		}
	}
	add := func(list *[]string, id string) {
		if len(*list) < changesMax {
			*list = append(*list, id)
		}
	}
	for i := range places {
		now, err := json.Marshal(&places[i], json.Deterministic(true))
		if err != nil {
			return out, err
		}
		switch was, ok := before[places[i].ID]; {
		case !ok:
			out.New++
			add(&out.Added, places[i].ID)
		case !bytes.Equal(was, now):
			out.Different++
			add(&out.Changed, places[i].ID)
		default:
			out.Unchanged++
		}
		delete(before, places[i].ID)
	}
	open, err := r.n.desk.Closures(ctx, hansa.Actor{Party: by.Party, Rights: []hansa.Right{hansa.RightControl}}, false)
	if err != nil {
		return out, err
	}
	used := map[string]bool{}
	for i := range open {
		if s := open[i].Record; s != nil && s.Situation != nil {
			used[s.Situation.Infra.ID] = true
		}
	}
	for id := range before {
		out.Gone++
		add(&out.Removed, id)
		if used[id] {
			add(&out.InUse, id)
		}
	}
	slices.Sort(out.Removed)
	slices.Sort(out.InUse)
	return out, nil
}

// redraw gives the pages the own party's places as their map, where there is no other.
func (n *Node) redraw() error {
	if n.cfg.Drawing != nil || n.room == nil {
		return nil
	}
	return n.room.Redraw(room.DrawPlaces(n.placesOf(n.own)))
}

func (r roads) MatchLine(_ context.Context, by hansa.Actor, line []hansa.Position) (api.Matched, error) {
	return r.n.match(by.Party, line)
}

// match says which roads of a party a drawn line follows.
func (n *Node) match(party hansa.PartyID, line []hansa.Position) (api.Matched, error) {
	n.mu.RLock()
	named := n.places[party]
	n.mu.RUnlock()
	if named == nil {
		named = &network.Network{}
	}
	if err := named.CheckLine(line); err != nil {
		return api.Matched{}, err
	}
	m, err := named.Match(line)
	if hansa.KindOf(err) == hansa.NotFound && len(line) == 2 { // its two ends alone were given
		if ends, other := named.MatchEnds(line[0], line[1]); other == nil {
			m, err = ends, nil
		}
	}
	if hansa.KindOf(err) == hansa.NotFound {
		e := hansa.Public(err)
		return api.Matched{Says: "kept as drawn: " + e.Message, Mend: e.Hint, Geometry: hansa.Line(line...)}, nil
	}
	if err != nil {
		return api.Matched{}, err
	}
	out := api.Matched{Matched: true, Offset: m.Offset, Geometry: &m.Geometry}
	var says []string
	for _, s := range m.Spans {
		out.Spans = append(out.Spans, api.MatchedSpan{Place: s.Place.ID, Name: s.Place.Name, From: s.From, To: s.To, Length: s.Length, Whole: s.Whole()})
		says = append(says, fmt.Sprintf("%s, %.0f to %.0f of %.0f m", s.Place.Name, s.From, s.To, s.Length))
	}
	out.Says = "matched to " + strings.Join(says, "; ")
	return out, nil
}

// stretch is the place that a drawn line stands for: the one that it covers, a part of
// one or of several, or the line as it was drawn.
func (d *desk) stretch(by hansa.Actor, o api.CloseOrder) (hansa.Place, error) {
	if o.Place != "" {
		return hansa.Place{}, hansa.Fielded("/line", "close a place or a line, not both")
	}
	m, err := d.node.match(by.Party, o.Line)
	if err != nil {
		return hansa.Place{}, err
	}
	direction := hansa.OneDirection
	if o.Both {
		direction = hansa.BothDirections
	}
	if !m.Matched {
		at := o.Line[0]
		return hansa.Place{Name: first(o.Name, fmt.Sprintf("Road at %.4f, %.4f", at[0], at[1])), Kind: "road", Direction: direction, Geometry: m.Geometry}, nil
	}
	d.node.mu.RLock()
	named := d.node.places[by.Party]
	d.node.mu.RUnlock()
	var out hansa.Place
	names := []string{}
	for i, s := range m.Spans {
		p, _ := named.Place(s.Place)
		if o.Both && p.Direction != hansa.BothDirections {
			return hansa.Place{}, hansa.Fielded("/both", "%s is one-way", p.Name).WithHint("close each direction by its own line")
		}
		if i == 0 {
			out = p
		} else {
			out.ID, out.Tube, out.Heading, out.Parent = "", "", "", ""
			if out.Number != p.Number {
				out.Number = ""
			}
			if out.Kind != p.Kind {
				out.Kind = "road"
			}
		}
		if !s.Whole {
			out.ID = ""
		}
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	out.Name, out.Direction, out.Geometry = first(o.Name, strings.Join(names, ", ")), direction, m.Geometry
	return out, nil
}
