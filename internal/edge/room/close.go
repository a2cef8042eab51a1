package room

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// placesShown is how many places one answer of a search lists.
const placesShown = 40

// closeForm is all that the template close needs.
type closeForm struct {
	shell
	Query            string
	Places           []placeRow
	More             int
	Choice           *Choice
	Parts            []partRow
	Reasons          []reasonRow
	P                *page
	ViewBox          string
	OnMap            bool
	Text, From, Till string
	Estimated, Test  bool
	Plan             bool
	RequestID, Now   string
	Already          []alreadyRow
	Looked           bool
	Preview          []Preview
	NoPlaces         bool
	Drafts           bool
	Line, Back       string // a line in place of a named place, and the same the other way
	Drawn            *Drawn
	Name             string // of a line that follows no road
	Pick             *pick  // the map to draw on
}

// Preview is what one receiver would get of a closure, by one flow.
type Preview struct {
	Party, Flow string
	Gets        bool
	Why         string // it gets nothing, or less
	Formats     []PreviewFormat
}

// PreviewFormat is one format of a [Preview], with what it cannot say.
type PreviewFormat struct {
	Name    string
	Refused bool
	Losses  []PreviewLoss
	Body    string
}

// PreviewLoss is one fact that a format cannot say.
type PreviewLoss struct{ Field, Says string }

type placeRow struct{ ID, Name, Kind, Number string }

type partRow struct {
	ID, Name, Says string
	Picked         bool
}

type reasonRow struct {
	Value, Word string
	Picked      bool
}

type alreadyRow struct{ ID, Name, Line string }

// reasons are the causes that the form offers: none, then the most urgent.
func reasons() []reasonRow {
	return []reasonRow{
		{Value: "", Word: words.Mark("Not known yet")},
		{Value: "accident", Word: words.Mark("Accident")},
		{Value: "vehicle-fire", Word: words.Mark("Vehicle on fire")},
		{Value: "obstruction", Word: words.Mark("Something on the road")},
		{Value: "technical-fault", Word: words.Mark("Technical fault")},
		{Value: "flooding", Word: words.Mark("Water on the road")},
		{Value: "roadworks", Word: words.Mark("Road works")},
		{Value: "event", Word: words.Mark("Event")},
	}
}

// closePage finds a place, and then asks what of it is closed and why.
func (r *Room) closePage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	q := req.URL.Query()
	p := &closeForm{Query: strings.TrimSpace(q.Get("q")), Plan: q.Has("plan"), RequestID: hansa.NewID(r.cfg.Now()), Line: strings.TrimSpace(q.Get("line"))}
	if id := q.Get("draft"); id != "" && r.cfg.Drafts != nil {
		x, err := r.draft(req.Context(), by, id)
		if err != nil {
			return err
		}
		p.RequestID, p.Line, p.Name, p.From, p.Till, p.Estimated, p.Plan = x.ID, x.Line, x.Name, x.From, x.Until, x.Estimated, true
		return r.closeSheet(w, req, by, p, x.Place, Closing{Place: x.Part, Both: x.Part == bothParts, Reason: x.Reason, Text: x.Text, Test: x.Test}, nil)
	}
	return r.closeSheet(w, req, by, p, q.Get("place"), Closing{}, nil)
}

func (r *Room) closeSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, p *closeForm, at string, o Closing, failure error) error {
	p.shell = r.shell(req, by, "Close a road", "/close")
	for i := range p.Nav {
		p.Nav[i].Here = p.Nav[i].Href == "/closures"
	}
	p.Now = localTime(p.now, p.zone)
	p.Drafts = r.cfg.Drafts != nil
	ctx := req.Context()
	if p.Line != "" {
		d, err := r.cfg.Desk.Drawn(ctx, by, p.Line)
		switch {
		case err == nil:
			r.drawn(ctx, p, &d, o)
		case hansa.KindOf(err) != hansa.Invalid:
			return err
		case failure == nil:
			failure = hansa.Public(err).At("/line")
		}
	}
	switch {
	case p.Drawn != nil: // it is filled
	case at != "":
		c, err := r.cfg.Desk.Choice(ctx, by, at)
		if err != nil {
			return err
		}
		r.chosen(ctx, p, &c, at, o)
	default:
		list, err := r.cfg.Desk.Places(ctx, by, p.Query)
		switch {
		case hansa.KindOf(err) == hansa.NotFound:
			p.NoPlaces = true
		case err != nil:
			return err
		}
		p.More = max(0, len(list)-placesShown)
		for i := range list[:min(len(list), placesShown)] {
			x := &list[i]
			p.Places = append(p.Places, placeRow{x.ID, x.Name, x.Kind, x.Number})
		}
		if err := r.picking(ctx, by, p); err != nil {
			return err
		}
	}
	doc := struct {
		Places []placeRow `json:"places"`
		More   int        `json:"more,omitempty"`
		Choice *Choice    `json:"choice,omitempty"`
	}{p.Places, p.More, p.Choice}
	return r.write(w, req, &p.shell, "close", p, doc, failure)
}

// chosen fills the form for one place, which the map shows.
func (r *Room) chosen(ctx context.Context, p *closeForm, c *Choice, at string, o Closing) {
	p.Choice, p.Title = c, p.say.Fill("Close {1}", c.Place.Name)
	p.Text, p.Test = o.Text, o.Test
	picked := at
	if o.Place != "" {
		picked = o.Place
	}
	p.Parts, p.Reasons = partRows(p.say, c, picked), reasonRows(p.say, o.Reason)
	r.shown(ctx, p, c.Place, c.Already)
}

// shown puts what would be closed on the map, and what is said of it already.
func (r *Room) shown(ctx context.Context, p *closeForm, place hansa.Place, already []Closure) {
	l := Live{Zone: p.zone, Now: p.now, Closures: []Closure{{ID: place.ID, Name: place.Name, Effect: hansa.RoadClosed, Lifecycle: hansa.Confirmed, Start: p.now, Geometry: place.Geometry}}}
	for i := range already {
		x := &already[i]
		p.Already = append(p.Already, alreadyRow{x.ID, x.Name, line(p.say, x, p.now, p.zone)})
	}
	p.P = r.build(ctx, &l, ask{theme: p.Theme, only: true})
	p.ViewBox, p.OnMap = r.base.Load().around(place.Geometry)
}

// partRows are the parts of a place to choose from, the whole first.
func partRows(say *words.Catalogue, c *Choice, picked string) []partRow {
	var out []partRow
	for i, part := range append([]hansa.Place{c.Place}, c.Parts...) {
		row := partRow{ID: part.ID, Name: part.Name, Picked: part.ID == picked || i == 0}
		switch {
		case i == 0 && part.Direction == hansa.BothDirections:
			row.Name, row.Says = say.Say("All of it"), say.Say("both directions")
		case i == 0:
			row.Name = say.Say("All of it")
		case part.Tube != "":
			row.Says = say.Fill("tube {1}", strings.ToUpper(part.Tube))
		case part.Heading != "":
			row.Says = say.Fill("towards {1}", part.Heading)
		}
		if row.Picked && i > 0 {
			out[0].Picked = false
		}
		out = append(out, row)
	}
	return out
}

// reasonRows are the causes to choose from, with the one that holds.
func reasonRows(say *words.Catalogue, picked string) []reasonRow {
	out := reasons()
	known := false
	for i := range out {
		out[i].Picked = out[i].Value == picked
		known = known || out[i].Picked
	}
	if !known {
		out = append(out, reasonRow{Value: picked, Word: words.Upper(say.Say(phrase(picked))), Picked: true})
	}
	return out
}

// close publishes what the form says. Its button is the one confirmation.
func (r *Room) close(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	f := req.PostForm
	zone := r.zone(by)
	o := Closing{Place: f.Get("part"), Reason: f.Get("reason"), Text: strings.TrimSpace(f.Get("text")), Estimated: f.Get("estimated") != "", Test: f.Get("test") != "", RequestID: f.Get("request")}
	p := &closeForm{From: f.Get("from"), Till: f.Get("until"), RequestID: o.RequestID, Estimated: o.Estimated, Plan: f.Get("from")+f.Get("until") != "", Line: strings.TrimSpace(f.Get("line")), Name: strings.TrimSpace(f.Get("name"))}
	place := f.Get("place")
	switch {
	case p.Line != "":
		o.Line, o.Both, o.Name, o.Place = p.Line, o.Place == bothParts, p.Name, ""
	case o.Place == "":
		o.Place = place
	}
	fail := func(err error) error {
		if k := hansa.KindOf(err); k == hansa.Internal || place+p.Line == "" {
			return err
		}
		return r.closeSheet(w, req, by, p, place, o, err)
	}
	if f.Get("when") == "draft" && r.cfg.Drafts != nil {
		x := Draft{ID: o.RequestID, Place: place, Part: f.Get("part"), Line: p.Line, Name: p.Name, Reason: o.Reason, Text: o.Text, From: p.From, Until: p.Till, Estimated: o.Estimated, Test: o.Test}
		if err := r.keepDraft(req.Context(), by, x); err != nil {
			return fail(err)
		}
		return done(w, req, "/closures", "draft")
	}
	var err error
	if o.From, err = readLocal("/from", p.From, zone); err != nil {
		return fail(err)
	}
	if o.Until, err = readLocal("/until", p.Till, zone); err != nil {
		return fail(err)
	}
	when := f.Get("when")
	if when == "look" && p.From != "" {
		when = "planned"
	}
	if err := sensible(&o, when, r.cfg.Desk.Host(by).Now); err != nil {
		return fail(err)
	}
	if f.Get("when") == "look" {
		if p.Preview, err = r.cfg.Desk.Preview(req.Context(), by, o); err != nil {
			return fail(err)
		}
		for i := range p.Preview {
			for j := range p.Preview[i].Formats {
				f := &p.Preview[i].Formats[j]
				f.Body = indented(f.Body)
			}
		}
		p.Looked, p.Plan = true, true
		return r.closeSheet(w, req, by, p, place, o, nil)
	}
	id, err := r.cfg.Desk.Close(req.Context(), by, o)
	if err != nil {
		return fail(err)
	}
	if r.cfg.Drafts != nil {
		if err := r.cfg.Drafts.DropDraft(req.Context(), by, o.RequestID); err != nil && hansa.KindOf(err) != hansa.NotFound {
			return err // the closure is published; the draft is still there to be thrown away
		}
	}
	http.Redirect(w, req, "/closures/"+url.PathEscape(id)+"?done=closed&follow", http.StatusSeeOther)
	return nil
}

// sensible holds the two buttons and the two times against each other.
func sensible(o *Closing, when string, now time.Time) error {
	start := now
	if !o.From.IsZero() {
		start = o.From
	}
	switch {
	case when == "planned" && o.From.IsZero():
		return hansa.Fielded("/from", "a planned closure needs a start")
	case when == "planned" && o.From.Before(now.Add(-time.Minute)):
		return hansa.Fielded("/from", "the start is over already: close it now, or plan a later start")
	case when != "planned" && o.From.After(now):
		return hansa.Fielded("/from", "you gave a later start: publish it as planned, or leave the start empty")
	case when == "planned" && o.Until.IsZero():
		return hansa.Fielded("/until", "a planned closure needs an end, if only an estimate")
	case !o.Until.IsZero() && !o.Until.After(start):
		return hansa.Fielded("/until", "the end is not after the start")
	}
	if when != "planned" {
		o.From = time.Time{}
	}
	return nil
}
