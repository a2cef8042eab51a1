package room

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// bothParts is the choice of both directions of a drawn line.
const bothParts = "both"

// Drafts keeps closures that somebody has begun to plan; each party has its own.
type Drafts interface {
	// Drafts lists them, the newest first.
	Drafts(ctx context.Context, by hansa.Actor) ([]Draft, error)
	// KeepDraft keeps one under its id, in the place of the one before; Busy at the
	// limit.
	KeepDraft(ctx context.Context, by hansa.Actor, d Draft) error
	DropDraft(ctx context.Context, by hansa.Actor, id string) error
}

// Draft is what the form of a closure held when it was put aside; times are as typed.
type Draft struct {
	ID        string    `json:"id,omitempty"` // of the closure that it becomes
	At        time.Time `json:"at,omitzero"`
	Author    string    `json:"author,omitempty"` // opaque
	Who       string    `json:"who,omitempty"`    // as the party's people know it
	Title     string    `json:"title"`
	Place     string    `json:"place,omitempty"`
	Part      string    `json:"part,omitempty"`
	Line      string    `json:"line,omitempty"`
	Name      string    `json:"name,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Text      string    `json:"text,omitempty"`
	From      string    `json:"from,omitempty"`
	Until     string    `json:"until,omitempty"`
	Estimated bool      `json:"estimated,omitzero"`
	Test      bool      `json:"test,omitzero"`
}

// draftRow is a draft as pages show it.
type draftRow struct{ ID, Title, When, Who, Says string }

func (r *Room) draftRows(ctx context.Context, by hansa.Actor, s *shell) (out []draftRow, err error) {
	if r.cfg.Drafts == nil {
		return nil, nil
	}
	list, err := r.cfg.Drafts.Drafts(ctx, by)
	for i := range list {
		x := &list[i]
		row := draftRow{ID: x.ID, Title: x.Title, When: s.when(x.At), Who: x.Who, Says: s.say.Say(phrase(x.Reason))}
		if t, err := readLocal("/from", x.From, s.zone); err == nil && !t.IsZero() {
			row.Says = strings.TrimPrefix(row.Says+" · "+s.say.Fill("from {1}", s.when(t)), " · ")
		}
		out = append(out, row)
	}
	return out, err
}

func (r *Room) draft(ctx context.Context, by hansa.Actor, id string) (Draft, error) {
	list, err := r.cfg.Drafts.Drafts(ctx, by)
	if err != nil {
		return Draft{}, err
	}
	if i := slices.IndexFunc(list, func(x Draft) bool { return x.ID == id }); i >= 0 {
		return list[i], nil
	}
	return Draft{}, hansa.Errorf(hansa.NotFound, "there is no such draft").WithHint("see all at /closures")
}

// keepDraft names the draft by its place, and keeps it.
func (r *Room) keepDraft(ctx context.Context, by hansa.Actor, x Draft) error {
	if x.Line != "" {
		d, err := r.cfg.Desk.Drawn(ctx, by, x.Line)
		if err != nil {
			return err
		}
		x.Title = cmp.Or(x.Name, d.Place.Name)
	} else {
		c, err := r.cfg.Desk.Choice(ctx, by, x.Place)
		if err != nil {
			return err
		}
		x.Title = c.Place.Name
	}
	return r.cfg.Drafts.KeepDraft(ctx, by, x)
}

func (r *Room) dropDraft(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	if err := r.cfg.Drafts.DropDraft(req.Context(), by, req.PathValue("draft")); err != nil {
		return err
	}
	return done(w, req, "/closures", "dropped")
}

// drawn fills the form for a line, which the map shows as it is matched.
func (r *Room) drawn(ctx context.Context, p *closeForm, d *Drawn, o Closing) {
	if p.Name != "" && !d.Matched {
		d.Place.Name = p.Name
	}
	d.Says = sentence(d.Says)
	p.Drawn, p.Choice, p.Title = d, &Choice{Place: d.Place, Already: d.Already}, p.say.Fill("Close {1}", d.Place.Name)
	p.Text, p.Test, p.Reasons = o.Text, o.Test, reasonRows(p.say, o.Reason)
	p.Parts = []partRow{{ID: "one", Name: p.say.Say("One direction"), Says: p.say.Say("as it is drawn"), Picked: !o.Both}}
	if d.Both {
		p.Parts = append(p.Parts, partRow{ID: bothParts, Name: p.say.Say("Both directions"), Picked: o.Both})
	}
	points := strings.Fields(p.Line)
	slices.Reverse(points)
	p.Back = strings.Join(points, " ")
	r.shown(ctx, p, d.Place, d.Already)
}

// pick is the map on which a line is drawn: what a click on it means is where it
// falls, in the map's own units, times the degrees that a unit has.
type pick struct {
	P              *page
	Lon, Lat       string // of the map's upper left corner
	PerLon, PerLat string // degrees in a unit, eastward and southward
}

// picking shows the situation to draw on.
func (r *Room) picking(ctx context.Context, by hansa.Actor, p *closeForm) error {
	l, err := r.cfg.Desk.Board(ctx, by, false)
	if err != nil {
		return err
	}
	g := r.base.Load()
	lon, lat := g.back(0, 0)
	far, low := g.back(mapWidth, mapHeight)
	exact := func(v float64) string { return strconv.FormatFloat(v, 'g', 12, 64) }
	p.Script = "pick.js"
	p.Pick = &pick{P: r.build(ctx, &l, ask{theme: p.Theme}), Lon: exact(lon), Lat: exact(lat), PerLon: exact((far - lon) / mapWidth), PerLat: exact((lat - low) / mapHeight)}
	return nil
}

// back is the position of a point of the map; xy the other way.
func (g *ground) back(x, y float64) (lon, lat float64) {
	return ((x-mapWidth/2)/g.scale + g.east) / g.perLon, (g.north - (y-mapHeight/2)/g.scale) / metresPerLat
}

// many is how many drafts there are, in words.
func (p *closuresPage) Many() string {
	return p.say.Count(len(p.Drafts), "{1} draft, not published", "{1} drafts, not published")
}
