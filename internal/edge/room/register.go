package room

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// registerPage is all that the templates register and register-one need.
type registerPage struct {
	Theme, Title, Lang, Host string
	Error, Hint              string
	Rows                     []registerRow
	One                      *registerRow
	Next                     string
	Words                    string // that are searched for
	More                     bool   // of them there are more than are shown
}

// registerRow is an accord as everybody may know it.
type registerRow struct {
	ID, Name, NameLang, Summary string
	Model, ModelClass           string
	State, Tone, Since          string
	Hash, Until                 string
	Parties                     []printParty
	Flows                       []registerFlow
	Clauses                     []printClause
	Returns                     []string
	Withheld                    []withheldRow
	Purposes                    string
	With, Data, Gates           string
	Still                       bool // a party has suspended what it gives
}

// registerFlow is one flow with what its gate holds to.
type registerFlow struct {
	What, From, To, For, Formats string
	Open                         []string // paths at which everybody reads it
	Gates                        []string // what the gate holds to, besides purposes and formats
}

// withheldRow is what is not shown, with the rule that is stated for it.
type withheldRow struct{ Part, Rule string }

func (r *Room) registerRoutes() []hansa.Route {
	if r.cfg.Accords == nil {
		return nil
	}
	return []hansa.Route{
		{Method: "GET", Pattern: "/register", Object: "node", Action: "see the accords in force, as everybody may"},
		{Method: "GET", Pattern: "/register/{accord}", Object: "node", Action: "see one accord in force, as everybody may"},
		{Method: "GET", Pattern: "/register/feed.json", Object: "node", Action: "read the accords in force as a JSON feed"},
	}
}

// registerHandler answers the routes of registerRoutes; nil for any other pattern.
func (r *Room) registerHandler(pattern string) http.Handler {
	if r.cfg.Accords == nil {
		return nil
	}
	switch pattern {
	case "/register":
		return r.open(r.registerPage)
	case "/register/{accord}":
		return r.open(r.registerOne)
	case "/register/feed.json":
		return r.open(r.registerFeed)
	}
	return nil
}

func (r *Room) registerPage(w http.ResponseWriter, req *http.Request) error {
	say := words.Of(req.Context())
	q := RegisterQuery{After: hansa.AccordID(req.URL.Query().Get("after")), Words: strings.TrimSpace(req.URL.Query().Get("q"))}
	x, err := r.cfg.Accords.PublicRegister(req.Context(), q)
	if err != nil {
		return err
	}
	p := &registerPage{Theme: theme(req), Title: say.Say(words.Mark("Public register of accords")), Lang: langOf(req.Context()), Host: x.Host, Words: q.Words, More: x.More}
	for i := range x.Entries {
		p.Rows = append(p.Rows, r.registered(req, &x.Entries[i]))
	}
	if x.After != "" {
		p.Next = "/register?" + url.Values{"after": {string(x.After)}}.Encode()
	}
	return r.public(w, "register", p)
}

func (r *Room) registerOne(w http.ResponseWriter, req *http.Request) error {
	e, err := r.cfg.Accords.PublicAccord(req.Context(), hansa.AccordID(named("accord", req)))
	if err != nil {
		return err
	}
	if wantsJSON(req) {
		item, err := feedOf(&e, addressesOf(req))
		if err != nil {
			return err
		}
		return feed(w, "application/json", item)
	}
	row := r.registered(req, &e)
	return r.public(w, "register-one", &registerPage{Theme: theme(req), Title: row.Name, Lang: langOf(req.Context()), One: &row})
}

// public answers a page that everybody may see.
func (r *Room) public(w http.ResponseWriter, name string, p *registerPage) error {
	var b bytes.Buffer
	if err := r.pages.in(p.Lang).ExecuteTemplate(&b, name, p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, err := w.Write(inert(b.Bytes()))
	return err
}

// registered puts an entry into words.
func (r *Room) registered(req *http.Request, e *RegisterEntry) registerRow {
	say, t := words.Of(req.Context()), e.Text
	lang := cmp.Or(langOf(req.Context()), english)
	p := &printPage{shell: shell{say: say, Lang: lang, now: r.cfg.Now(), zone: time.UTC}}
	shown := *t
	shown.Flows, shown.Parties = e.Flows(), slices.Clone(t.Parties)
	for _, m := range e.Members {
		shown.Parties = append(shown.Parties, accord.Party{ID: m.ID, Title: m.Title, Kind: m.Kind, Role: hansa.RoleBoth})
	}
	p.fill(r, &AccordPrint{Text: shown, Hash: e.Hash, State: e.State, InForce: true, Effect: e.Effect})
	row := registerRow{ID: string(t.ID), Model: words.Upper(p.Model), ModelClass: modelClass(t.Model), Since: p.day(e.Effect), Hash: e.Hash, Parties: p.Parties, Clauses: p.Clauses, Returns: p.Returns}
	row.Name, row.NameLang = worded(t.Title, lang)
	row.Summary, _ = worded(t.Summary, lang)
	row.State, row.Tone = accordState(e.State, "")
	row.Still = e.State == hansa.AccordSuspended
	if t.Term.Until != "" {
		row.Until = p.dayOf(t.Term.Until)
	}
	for i := range row.Parties {
		switch x := &row.Parties[i]; {
		case i >= len(t.Parties):
			x.Role = say.Say("joined")
		case slices.Contains(e.Left, t.Parties[i].ID):
			x.Role = say.Say("left it")
		}
	}
	for i := range shown.Flows {
		f := p.Flows[i]
		one := registerFlow{What: f.What, From: f.From, To: f.To, Formats: f.Formats, Open: e.Open[shown.Flows[i].ID]}
		if terms, err := t.Terms(&shown.Flows[i], e.Effect); err == nil {
			one.For = labels("purposes", terms.Purposes, lang)
			one.Gates = p.gates(&terms)
		}
		row.Flows = append(row.Flows, one)
	}
	var with, purposes, data, gates []string
	for i := range row.Parties {
		with = append(with, row.Parties[i].Title)
	}
	for i := range row.Flows {
		if s := row.Flows[i].For; s != "" && !slices.Contains(purposes, s) {
			purposes = append(purposes, s)
		}
		if s := row.Flows[i].What; !slices.Contains(data, s) {
			data = append(data, s)
		}
		for _, s := range row.Flows[i].Gates {
			if !slices.Contains(gates, s) {
				gates = append(gates, s)
			}
		}
	}
	row.With, row.Purposes, row.Data, row.Gates = say.List(with...), strings.Join(purposes, "; "), strings.Join(data, "; "), strings.Join(gates, "; ")
	for _, c := range t.Confidential {
		row.Withheld = append(row.Withheld, withheldRow{Part: say.Say(first(withheldWords[c.Part], c.Part)), Rule: c.Rule})
	}
	return row
}

// labels are words of a list in a language.
func labels[T ~string](list string, all []T, lang string) string {
	var out []string
	for _, s := range all {
		out = append(out, label(list, string(s), lang))
	}
	return strings.Join(out, ", ")
}

// withheldWords are the parts that can be withheld.
var withheldWords = map[string]string{
	"consideration": words.Mark("What is given in return"), "contacts": words.Mark("The contacts"), "clauses": words.Mark("The clauses"), "flows": words.Mark("A flow"),
}

// The members of a JSON Feed, version 1.1 (jsonfeed.org).
type feedDoc struct {
	Version     string     `json:"version"`
	Title       string     `json:"title"`
	HomePageURL string     `json:"home_page_url"`
	FeedURL     string     `json:"feed_url"`
	NextURL     string     `json:"next_url,omitempty"`
	Items       []feedItem `json:"items"`
}

type feedItem struct {
	ID            string    `json:"id"`
	URL           string    `json:"url"`
	Title         string    `json:"title"`
	ContentText   string    `json:"content_text"`
	DatePublished time.Time `json:"date_published"`
	Tags          []string  `json:"tags"`
	Hansa         feedHansa `json:"_hansa"`
}

// feedHansa is what a feed reader need not know: the text without what it withholds.
type feedHansa struct {
	Hash  string            `json:"sha256"` // of the whole text
	State hansa.AccordState `json:"state"`
	Text  jsontext.Value    `json:"text"`
	Open  []string          `json:"open,omitempty"` // addresses at which everybody reads what it gives to the public
}

func (r *Room) registerFeed(w http.ResponseWriter, req *http.Request) error {
	x, err := r.cfg.Accords.PublicRegister(req.Context(), RegisterQuery{After: hansa.AccordID(req.URL.Query().Get("after"))})
	if err != nil {
		return err
	}
	at := addressesOf(req)
	doc := feedDoc{Version: "https://jsonfeed.org/version/1.1", Title: "Accords in force at " + x.Host, HomePageURL: at("/register", nil), FeedURL: at("/register/feed.json", nil), Items: []feedItem{}}
	if x.After != "" {
		doc.NextURL = at("/register/feed.json", url.Values{"after": {string(x.After)}})
	}
	for i := range x.Entries {
		item, err := feedOf(&x.Entries[i], at)
		if err != nil {
			return err
		}
		doc.Items = append(doc.Items, item)
	}
	return feed(w, "application/feed+json", doc)
}

// addressesOf makes addresses of this node, as req called it.
func addressesOf(req *http.Request) func(path string, q url.Values) string {
	home := url.URL{Scheme: "https", Host: req.Host}
	if req.TLS == nil {
		home.Scheme = "http"
	}
	return func(path string, q url.Values) string {
		u := home
		u.Path, u.RawQuery = path, q.Encode()
		return u.String()
	}
}

// feed answers a document of the register.
func feed(w http.ResponseWriter, media string, doc any) error {
	b, err := json.Marshal(doc, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "no-cache")
	_, err = w.Write(b)
	return err
}

func feedOf(e *RegisterEntry, at func(string, url.Values) string) (feedItem, error) {
	title, _ := worded(e.Text.Title, english)
	summary, _ := worded(e.Text.Summary, english)
	var parties, flows []string
	titles := map[hansa.PartyID]string{}
	for i := range e.Text.Parties {
		if x := &e.Text.Parties[i]; !slices.Contains(e.Left, x.ID) {
			parties, titles[x.ID] = append(parties, x.Title), x.Title
		}
	}
	for _, m := range e.Members {
		parties, titles[m.ID] = append(parties, m.Title), m.Title
	}
	given := e.Flows()
	for i := range given {
		f := &given[i]
		flows = append(flows, first(f.Dataset.Title, f.Name)+" from "+first(titles[f.From], string(f.From))+" to "+first(titles[f.To], string(f.To)))
	}
	b, err := json.Marshal(e.Text, json.Deterministic(true))
	if err != nil {
		return feedItem{}, err
	}
	var open []string
	for i := range e.Text.Flows {
		for _, path := range e.Open[e.Text.Flows[i].ID] {
			open = append(open, at(path, nil))
		}
	}
	says := []string{summary, strings.Join(parties, ", "), strings.Join(flows, "; "), "Version " + strconv.Itoa(e.Text.Version)}
	return feedItem{
		ID: "urn:uuid:" + string(e.Text.ID) + ":" + e.Hash, URL: at("/register/"+string(e.Text.ID), nil), Title: title, ContentText: strings.Join(slices.DeleteFunc(says, func(s string) bool { return s == "" }), "\n"), DatePublished: e.Effect, Tags: []string{string(e.Text.Model)},
		Hansa: feedHansa{Hash: e.Hash, State: e.State, Text: b, Open: open},
	}, nil
}
