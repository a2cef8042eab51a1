package room

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// Desk is what controllers do and see. Another party's closure is NotFound.
type Desk interface { //nolint:interfacebloat // one desk, the acts of one person
	// Host says whose pages by sees.
	Host(by hansa.Actor) Host
	// Board is all closures of by's party, the newest change first.
	Board(ctx context.Context, by hansa.Actor, ended bool) (Live, error)
	// Closure is one closure alone, with what became of it, the newest first.
	Closure(ctx context.Context, by hansa.Actor, id string) (Live, []Version, error)
	// Places finds named places, wholes alone, by a name or a part of one.
	Places(ctx context.Context, by hansa.Actor, query string) ([]hansa.Place, error)
	// Choice says what of a place can be closed.
	Choice(ctx context.Context, by hansa.Actor, id string) (Choice, error)
	// Drawn says what a line closes, written as people do: LON,LAT LON,LAT.
	Drawn(ctx context.Context, by hansa.Actor, line string) (Drawn, error)
	// Close closes a place and returns the closure's id. A repeat of a request's id
	// makes no second one.
	Close(ctx context.Context, by hansa.Actor, o Closing) (string, error)
	// Preview says what each receiver would get of a closure; nothing is published.
	Preview(ctx context.Context, by hansa.Actor, o Closing) ([]Preview, error)
	// Change does begin, correct, extend, repaired, reopen or withdraw.
	Change(ctx context.Context, by hansa.Actor, id, what string, o Amendment) error
}

// Version is one version of a closure.
type Version struct {
	Number int64     `json:"version"`
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	Says   string    `json:"says"`
	Text   string    `json:"text,omitempty"`
}

// Choice is a place with its tubes and directions, and what is closed there already.
type Choice struct {
	Place   hansa.Place
	Parts   []hansa.Place
	Already []Closure
}

// Drawn is what a line stands for.
type Drawn struct {
	Place   hansa.Place // its name and shape
	Says    string      // what it is matched to, or why it is kept as drawn
	Mend    string      // how it would be matched; empty where it is
	Matched bool
	Both    bool // both directions may be closed by it
	Already []Closure
}

// Closing asks to close a place.
type Closing struct {
	Place     string // id of a place or of a part
	Line      string // or a line, in the direction of travel
	Both      bool   // of the line: both directions
	Name      string // of the line, where it follows no known road
	Reason    string // a cause; empty is not said
	Text      string // for the public; empty is made of the reason
	From      time.Time
	Until     time.Time
	Estimated bool // the end is a guess
	Test      bool
	RequestID string
}

// Amendment is what changes of a closure.
type Amendment struct {
	Until     time.Time
	Estimated bool
	Text      string
	// What follows is of a correction; what is empty stays as it was.
	Place  string // another part of the same place
	Reason string
	From   time.Time
}

// closuresPage is all that the template closures needs.
type closuresPage struct {
	shell
	Rows, Overdue []closureRow
	Line          *timeLine
	Ended         bool
	May           bool
	All, Only     string // addresses of the two filters
	Active, Soon  int
	NothingToShow string
	First         bool // the list of first steps is not done
	Drafts        []draftRow
}

type closureRow struct {
	ID, Name, State, Tone, Why string
	Since, Until, Live         string
	LiveTone                   string
	Badge                      string
	Number                     int
	Test                       bool
	Overdue                    bool // its planned end has passed
}

func (r *Room) closuresPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := closuresPage{shell: r.shell(req, by, "Closures", "/closures"), May: by.May(hansa.RightControl), Ended: req.URL.Query().Get("ended") == "true"}
	l, err := r.cfg.Desk.Board(req.Context(), by, p.Ended)
	if err != nil {
		return err
	}
	all := r.build(req.Context(), &l, ask{})
	list := append(all.Items, all.Ended...)
	doc := struct {
		Closures []closureDoc `json:"closures"`
		LeftOut  int          `json:"leftOut,omitempty"`
	}{Closures: []closureDoc{}, LeftOut: all.LeftOut}
	for i := range list {
		it := &list[i]
		c := it.c
		it.Current = false
		doc.Closures = append(doc.Closures, closureJSON(it))
		row := closureRow{ID: c.ID, Name: it.Name, Why: p.say.Say(phrase(c.Cause)), Badge: it.Badge, Number: it.Number, Test: it.Test, Live: it.Sum.Text, LiveTone: it.Sum.Tone, Overdue: overdue(c, l.Now)}
		row.State, row.Tone = state(p.say, c)
		row.Since = p.when(c.began())
		switch {
		case ended(c):
			row.Until = p.when(c.ActualEnd)
		default:
			row.Until = end(p.say, c, l.Now, l.Zone)
			if it.Planned {
				p.Soon++
			} else {
				p.Active++
			}
		}
		if row.Overdue {
			p.Overdue = append(p.Overdue, row)
		}
		p.Rows = append(p.Rows, row)
	}
	p.Line = timeLineOf(p.say, list, l.Now, l.Zone)
	p.NothingToShow, p.First = all.AllOpen, r.unfinished(req, by)
	if p.May {
		if p.Drafts, err = r.draftRows(req.Context(), by, &p.shell); err != nil {
			return err
		}
	}
	p.Note = p.say.Say(map[string]string{"draft": "The draft is kept. Nothing is published yet.", "dropped": "The draft is thrown away."}[req.URL.Query().Get("done")])
	return r.write(w, req, &p.shell, "closures", &p, doc, nil)
}

// closurePage is all that the template closure needs.
type closurePage struct {
	shell
	P                *page
	ID, Name, Path   string
	State, Tone      string
	Over, Planned    bool
	Repaired, May    bool
	Test             bool
	ViewBox          string
	OnMap            bool
	Versions         []versionRow
	Until            string // proposed for an extension
	From, Till       string // as they stand, to correct
	Parts            []partRow
	Reasons          []reasonRow
	Now              string
	EndsSoon         string
	Text, Open       string
	Estimated        bool
	Follow, Standing bool
}

type versionRow struct{ When, Machine, Who, Says, Text string }

func (r *Room) closurePage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id := req.PathValue("closure")
	if strings.HasSuffix(req.URL.Path, ".json") {
		id = strings.TrimSuffix(id, ".json")
	}
	return r.closureSheet(w, req, by, id, nil)
}

func (r *Room) closureSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, id string, failure error) error {
	l, versions, err := r.cfg.Desk.Closure(req.Context(), by, id)
	if err != nil {
		return err
	}
	if len(l.Closures) == 0 {
		return hansa.Errorf(hansa.NotFound, "there is no such closure").WithHint("see all at /closures")
	}
	l.Closures = l.Closures[:1]
	c := &l.Closures[0]
	p := closurePage{shell: r.shell(req, by, c.Name, "/closures"), ID: c.ID, Name: c.Name, Path: "/closures/" + url.PathEscape(c.ID), Test: c.Test, Over: ended(c), Planned: planned(c), Repaired: !c.Repaired.IsZero(), May: by.May(hansa.RightControl)}
	p.P = r.build(req.Context(), &l, ask{closure: c.ID, table: req.URL.Query().Get("view") == "table", only: true, theme: p.Theme})
	p.State, p.Tone = state(p.say, c)
	for _, v := range versions {
		p.Versions = append(p.Versions, versionRow{When: p.when(v.At), Machine: v.At.In(p.zone).Format(time.RFC3339), Who: v.Who, Says: v.Says, Text: v.Text})
	}
	p.ViewBox, p.OnMap = r.base.Load().around(c.Geometry)
	end := c.End
	if end.Before(p.now) {
		end = p.now
	}
	if overdue(c, p.now) {
		p.EndsSoon = p.when(c.End)
	}
	p.Until, p.Now = localTime(end.Add(time.Hour), p.zone), localTime(p.now, p.zone)
	if !p.Over {
		p.Stream = p.P.Stream
		if p.Standing = req.URL.Query().Has("follow"); p.Standing {
			p.Refresh = "5"
		}
	}
	p.Open = req.URL.Query().Get("do")
	if p.May && !p.Over {
		r.correctable(req, by, &p, c)
	}
	if req.Method == http.MethodPost {
		p.JSON, p.Dark, p.Light = p.Path+".json", p.Path+"?theme=dark", p.Path+"?theme=light"
		p.Open, p.Until, p.Text = req.PathValue("act"), req.PostForm.Get("until"), req.PostForm.Get("text")
	}
	p.Note = p.say.Say(map[string]string{
		"closed": "Published. Receivers are told now; below is how far each has come.", "extend": "The new end is published.", "repaired": "Published: the cause is gone. The road is still closed.",
		"begin": "Published: it has begun. The road is closed now.", "correct": "The correction is published.", "reopen": "Published: the road is open.", "withdraw": "Withdrawn. Receivers are told to take it off.",
	}[req.URL.Query().Get("done")])
	doc := struct {
		Closure closureDoc `json:"closure"`
		History []Version  `json:"history"`
	}{History: versions}
	if list := append(p.P.Items, p.P.Ended...); len(list) > 0 {
		doc.Closure = closureJSON(&list[0])
	}
	return r.write(w, req, &p.shell, "closure", &p, doc, failure)
}

func (r *Room) zone(by hansa.Actor) *time.Location {
	if z := r.cfg.Desk.Host(by).Zone; z != nil {
		return z
	}
	return time.UTC
}

// localLayout is how a browser writes a date with a time.
const localLayout = "2006-01-02T15:04"

func localTime(t time.Time, zone *time.Location) string { return t.In(zone).Format(localLayout) }

// readLocal reads a time of day in the city's zone; empty is zero.
func readLocal(field, s string, zone *time.Location) (time.Time, error) {
	if s = strings.TrimSpace(s); s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{localLayout, "2006-01-02T15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, hansa.Fielded(field, "this time cannot be read").WithHint("write it like 2026-11-23T22:30, by the city's clock")
}

// timeLine draws closures over time.
type timeLine struct {
	Height, NowX string
	NowY         string
	Ticks        []tick
	Bars         []timeBar
	More         int
	Says         string
}

type timeBar struct {
	Name, Class, Text      string
	Href                   string
	X, Y, Width, TextY     string
	Number                 int
	OpenEnd, BeginsEarlier bool
	EndX, MidY             string
}

// The time line's frame, in its own units: the names stand to the left.
const (
	lineLeft, lineWidth = 250.0, 1180.0
	lineRow             = 26.0
	lineTop             = 26.0
	lineMost            = 14
	lineName            = 232.0 // the room for a name
	lineBack            = 12 * time.Hour
	lineAhead           = 36 * time.Hour
)

// timeLineOf draws what lies between half a day ago and a day and a half ahead;
// nil when nothing does.
func timeLineOf(say *words.Catalogue, list []item, now time.Time, zone *time.Location) *timeLine {
	from, to := now.Add(-lineBack), now.Add(lineAhead)
	x := func(t time.Time) float64 {
		return lineLeft + (lineWidth-lineLeft)*min(1, max(0, t.Sub(from).Seconds()/to.Sub(from).Seconds()))
	}
	l := &timeLine{NowX: num(x(now))}
	for i := range list {
		c := list[i].c
		begin, end := c.began(), c.End
		if ended(c) {
			end = c.ActualEnd
		}
		open := end.IsZero()
		if open || end.Before(now) && !ended(c) {
			open, end = true, to
		}
		if begin.IsZero() || begin.After(to) || end.Before(from) {
			continue
		}
		if len(l.Bars) == lineMost {
			l.More++
			continue
		}
		y := lineTop + float64(len(l.Bars))*lineRow
		b := timeBar{Name: short(list[i].Name, lineName), Number: list[i].Number, Href: "/closures/" + url.PathEscape(c.ID), Class: "t-closed", X: num(x(begin)), Y: num(y + 4), Width: num(max(5, x(end)-x(begin))), TextY: num(y + 18), EndX: num(x(end)), OpenEnd: open}
		switch {
		case ended(c):
			b.Class = "t-over"
		case list[i].Planned:
			b.Class = "t-plan"
		case list[i].Open:
			b.Class = "t-note"
		case partial(c):
			b.Class = "t-part"
		}
		b.Text = list[i].Name + ": " + list[i].Line
		l.Bars = append(l.Bars, b)
	}
	if len(l.Bars) == 0 {
		return nil
	}
	z := zone
	if z == nil {
		z = time.UTC
	}
	first := from.In(z)
	for t := time.Date(first.Year(), first.Month(), first.Day(), first.Hour()-first.Hour()%6, 0, 0, 0, z); t.Before(to); t = t.Add(6 * time.Hour) {
		if t.Before(from) {
			continue
		}
		text := words.Clock(t, zone)
		if t.In(z).Hour() < 6 {
			text = say.Day(t, zone)
		}
		l.Ticks = append(l.Ticks, tick{X: num(x(t)), Text: text})
	}
	l.Height = num(lineTop + float64(len(l.Bars))*lineRow + 6)
	l.NowY = num(lineTop - 4)
	l.Says = say.Count(len(l.Bars), "{1} closure between {2} and {3}; the table below says the same", "{1} closures between {2} and {3}; the table below says the same", say.When(from, now, zone), say.When(to, now, zone))
	return l
}

// short cuts a name that has no room: a small letter takes about 7 units, others more.
func short(s string, room float64) string {
	runes, wide := []rune(s), 0.0
	for i, r := range runes {
		if wide += 6.9; unicode.IsUpper(r) || r == '_' {
			wide += 1.4
		}
		if wide > room {
			return string(runes[:max(1, i-1)]) + "…"
		}
	}
	return s
}
