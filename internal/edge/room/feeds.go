package room

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// answerShown is how much of a source's answer a page shows.
const answerShown = 16 << 10

// FeedRow is one source with how it does.
type FeedRow struct {
	Name     string           `json:"name"`
	Status   hansa.FeedStatus `json:"status"`
	Since    time.Time        `json:"since"`
	Why      string           `json:"why,omitempty"`
	LastGood time.Time        `json:"lastGood,omitzero"`
	LastTry  time.Time        `json:"lastTry,omitzero"`
	Records  int              `json:"records"`
	Dataset  string           `json:"dataset"`
	Source   string           `json:"source"`
	Format   string           `json:"format,omitempty"`
	Kind     string           `json:"kind"`
	Every    hansa.Duration   `json:"every"`
}

// FeedSheet is a source with its last answers.
type FeedSheet struct {
	FeedRow
	Good *FeedAnswer `json:"good,omitempty"`
	Bad  *FeedAnswer `json:"bad,omitempty"`
}

// FeedAnswer is one answer of a source.
type FeedAnswer struct {
	At    time.Time `json:"at"`
	Whole bool      `json:"whole"`
	Why   string    `json:"why,omitempty"`
	Body  string    `json:"body"`
}

// FeedOrder asks for a source.
type FeedOrder struct {
	Name, Source, Dataset, Format string
	Every                         time.Duration
	Delta                         bool
}

// Trial is what one answer of a source gives.
type Trial struct {
	In, Taken, Refused int
	Broken             string
	Records            []TrialRecord
	Errors             []string
}

// TrialRecord is one mapped record of a trial.
type TrialRecord struct {
	ID, Says string
	Findings []string
}

// feedsPage is all that the templates feeds, feed and feed-add need.
type feedsPage struct {
	shell
	Rows     []feedRow
	May      bool
	MayFree  bool // release, which the operator does
	One      *feedRow
	Good     *answerRow
	Bad      *answerRow
	Order    FeedOrder
	Minutes  string
	Trial    *Trial
	Tried    bool
	Datasets []string
	Formats  []string
}

type feedRow struct {
	Name, State, Tone, Icon, Since, Why    string
	LastGood, LastTry, Dataset, From, Read string
	Records                                int
	Paused, Held                           bool
}

type answerRow struct {
	When, Why, Body string
	Cut             bool
}

// Standing says how a source does.
func Standing(say *words.Catalogue, s hansa.FeedStatus) string {
	word, _ := standing(s)
	return say.Say(word)
}

// standing says how a source does, with its tone and what to do next.
func standing(s hansa.FeedStatus) (word, tone string) {
	switch s {
	case hansa.FeedFresh:
		return words.Mark("Fresh"), "ok"
	case hansa.FeedLate:
		return words.Mark("Late"), "med"
	case hansa.FeedSilent:
		return words.Mark("Silent"), "high"
	case hansa.FeedFailing:
		return words.Mark("Failing"), "crit"
	case hansa.FeedHeld:
		return words.Mark("Held for a person"), "high"
	case hansa.FeedDrift:
		return words.Mark("Changed its form"), "high"
	case hansa.FeedPaused:
		return words.Mark("Paused"), "low"
	}
	return words.Upper(string(s)), "med"
}

func (p *feedsPage) row(f *FeedRow) feedRow {
	x := feedRow{Name: f.Name, Since: p.when(f.Since), Why: sentence(f.Why), LastGood: p.ago(f.LastGood), LastTry: p.ago(f.LastTry), Dataset: f.Dataset, From: f.Source, Records: f.Records, Paused: f.Status == hansa.FeedPaused, Held: f.Status == hansa.FeedHeld}
	if x.State, x.Tone = standing(f.Status); f.Status == hansa.FeedLate && f.LastGood.IsZero() {
		x.State, x.Tone = words.Mark("Not read yet"), "low"
	}
	x.State = p.say.Say(x.State)
	whole := p.say.Say("whole state: what it lacks has ended")
	if f.Kind == "delta" {
		whole = p.say.Say("changes alone")
	}
	if x.Read = p.say.Fill("every {1}, {2}", p.say.Span(f.Every.Std()), whole); f.Format != "" {
		x.Read = p.say.Fill("every {1} as {2}, {3}", p.say.Span(f.Every.Std()), f.Format, whole)
	}
	return x
}

func (r *Room) feedsPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := feedsPage{shell: r.shell(req, by, "Feeds", "/feeds"), May: by.May(hansa.RightManage)}
	list, err := r.cfg.Keeper.Feeds(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range list {
		p.Rows = append(p.Rows, p.row(&list[i]))
	}
	p.Note = p.say.Say(map[string]string{"added": "The feed is started. Its first answer is being read.", "remove": "The feed is removed. What it gave stays."}[req.URL.Query().Get("done")])
	return r.write(w, req, &p.shell, "feeds", &p, map[string]any{"feeds": list}, nil)
}

func (r *Room) feedPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.feedSheet(w, req, by, strings.TrimSuffix(req.PathValue("feed"), ".json"), nil)
}

func (r *Room) feedSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, name string, failure error) error {
	f, err := r.cfg.Keeper.Feed(req.Context(), by, name)
	if err != nil {
		return err
	}
	p := feedsPage{shell: r.shell(req, by, words.Of(req.Context()).Fill("Feed {1}", f.Name), "/feeds"), May: by.May(hansa.RightManage), MayFree: by.May(hansa.RightAdmin)}
	row := p.row(&f.FeedRow)
	p.One, p.Good, p.Bad = &row, p.answer(f.Good), p.answer(f.Bad)
	p.Note = p.say.Say(map[string]string{"pause": "The feed is paused: it is not asked until you resume it.", "resume": "The feed is asked again.", "release": "The held answer is accepted."}[req.URL.Query().Get("done")])
	return r.write(w, req, &p.shell, "feed", &p, f, failure)
}

func (p *feedsPage) answer(a *FeedAnswer) *answerRow {
	if a == nil {
		return nil
	}
	x := &answerRow{When: p.when(a.At), Why: sentence(a.Why), Body: a.Body, Cut: !a.Whole}
	if len(x.Body) > answerShown {
		x.Body, x.Cut = strings.ToValidUTF8(x.Body[:answerShown], ""), true
	}
	return x
}

func (r *Room) changeFeed(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	name, act := req.PathValue("feed"), req.PathValue("act")
	switch act {
	case "pause", "resume", "remove":
	case "release":
		if !by.May(hansa.RightAdmin) {
			return lacking(words.Of(req.Context()), hansa.RightAdmin)
		}
	default:
		return hansa.Errorf(hansa.NotFound, "there is no act %q of a feed", act)
	}
	if err := r.cfg.Keeper.ChangeFeed(req.Context(), by, name, act); err != nil {
		if k := hansa.KindOf(err); k == hansa.NotFound || k == hansa.Internal {
			return err
		}
		return r.feedSheet(w, req, by, name, err)
	}
	if act == "remove" {
		return done(w, req, "/feeds", act)
	}
	return done(w, req, "/feeds/"+url.PathEscape(name), act)
}

func (r *Room) addFeedPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.addFeedSheet(w, req, by, &feedsPage{Minutes: "1"}, nil)
}

func (r *Room) addFeedSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, p *feedsPage, failure error) error {
	p.shell = r.shell(req, by, "Add a feed", "/feeds/add")
	for i := range p.Nav {
		p.Nav[i].Here = p.Nav[i].Href == "/feeds"
	}
	sets, err := r.cfg.Keeper.Datasets(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range sets {
		p.Datasets = append(p.Datasets, sets[i].Name)
	}
	p.Formats = r.cfg.Keeper.Readable()
	return r.write(w, req, &p.shell, "feed-add", p, map[string]any{"datasets": p.Datasets, "formats": p.Formats}, failure)
}

// addFeed tries a source and shows what it gives; a second press starts it.
func (r *Room) addFeed(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	f := req.PostForm
	p := &feedsPage{Minutes: strings.TrimSpace(f.Get("minutes"))}
	p.Order = FeedOrder{Name: strings.TrimSpace(f.Get("name")), Source: strings.TrimSpace(f.Get("source")), Dataset: f.Get("dataset"), Format: f.Get("format"), Delta: f.Get("kind") == "delta"}
	fail := func(err error) error {
		if hansa.KindOf(err) == hansa.Internal {
			return err
		}
		return r.addFeedSheet(w, req, by, p, err)
	}
	minutes, err := strconv.ParseFloat(p.Minutes, 64)
	if err != nil || !(minutes > 0 && minutes <= 24*60) {
		return fail(hansa.Fielded("/minutes", "a feed is asked every so many minutes, up to %d", 24*60))
	}
	p.Order.Every = time.Duration(minutes * float64(time.Minute))
	if p.Order.Source == "" {
		return fail(hansa.Fielded("/source", "say where the feed is"))
	}
	if f.Get("do") == "start" {
		if err := r.cfg.Keeper.AddFeed(req.Context(), by, p.Order); err != nil {
			return fail(err)
		}
		return done(w, req, "/feeds", "added")
	}
	t, err := r.cfg.Keeper.TryFeed(req.Context(), by, p.Order)
	if err != nil {
		return fail(err)
	}
	p.Trial, p.Tried = &t, true
	return r.addFeedSheet(w, req, by, p, nil)
}
