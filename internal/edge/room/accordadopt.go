package room

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// PublishedTerms is an accord in force as a register publishes it.
type PublishedTerms struct {
	At    string        `json:"at"`   // its address; of an accord of this node, its id
	Host  hansa.PartyID `json:"host"` // the node that publishes it
	Entry RegisterEntry `json:"-"`
	Hash  string        `json:"hash"`
}

// AccordAdoption makes a draft of published terms.
type AccordAdoption struct {
	At     string
	As     hansa.PartyID // whose place own takes
	Places map[hansa.PartyID]AccordParty
	From   string
	Price  string
	Basis  string
}

// AdoptedFrom is what a draft was adopted from.
type AdoptedFrom struct {
	At    string
	Hash  string
	Notes []accord.Note
}

// adoptNotes are what a person should look at, by code.
var adoptNotes = map[string]string{
	"withheld": words.Mark("What they withhold is not here: {1}."), "personal": words.Mark("{1} carries personal data: roles, basis and impact assessment are theirs, and need to be yours."),
	"clause": words.Mark("This exchange has no clause {1} in that version: read its words and its policy."), "amount": words.Mark("Their amount is left out of what is given in return."),
}

// adoptPage is all that the template accord-adopt needs.
type adoptPage struct {
	shell
	At          string
	Rows        []adoptRow // to choose from
	One         *adoptRow
	Places      []adoptedPlace
	Known       []AccordParty
	From        string
	Price       string
	Basis       string
	Asks        bool // a price of one's own
	Rests       string
	Open        string
	Looked, May bool
}

// adoptRow is published terms in a list, or those that are adopted.
type adoptRow struct {
	registerRow
	At, Host string
}

// adoptedPlace is one party of the terms, whose place somebody takes.
type adoptedPlace struct {
	N               int
	Place, Title    string
	Kind            string
	Mine            bool
	ID, With, Taken string // in the form
}

func (r *Room) adoptPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.adoptSheet(w, req, by, req.URL.Query(), nil)
}

// adoptSheet shows what is published at an address, and the form by which it is adopted.
func (r *Room) adoptSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, f url.Values, failure error) error {
	p := &adoptPage{shell: r.shell(req, by, words.Mark("Adopt the terms of others"), "/accords"), At: strings.TrimSpace(f.Get("at")), Price: f.Get("price"), Basis: f.Get("basis"), May: by.May(hansa.RightManage)}
	p.Style = "accord.css"
	if req.Method == http.MethodPost {
		p.JSON, p.Dark, p.Light = "/accords/adopt.json", "/accords/adopt?theme=dark", "/accords/adopt?theme=light"
	}
	doc := map[string]any{"terms": []PublishedTerms{}}
	if p.At == "" || !p.May {
		return r.write(w, req, &p.shell, "accord-adopt", p, doc, failure)
	}
	list, err := r.cfg.Accords.Published(req.Context(), by, p.At)
	if err != nil {
		if failure == nil {
			failure = err
		}
		return r.write(w, req, &p.shell, "accord-adopt", p, doc, failure)
	}
	p.Looked, doc["terms"] = true, list
	for i := range list {
		p.Rows = append(p.Rows, adoptRow{registerRow: r.registered(req, &list[i].Entry), At: first(list[i].At, string(list[i].Entry.Text.ID)), Host: string(list[i].Host)})
	}
	if len(list) != 1 || p.At != p.Rows[0].At {
		return r.write(w, req, &p.shell, "accord-adopt", p, doc, failure)
	}
	m, err := r.cfg.Accords.AccordMaking(req.Context(), by)
	if err != nil {
		return err
	}
	p.One, p.Rows, p.Known = &p.Rows[0], nil, m.Parties
	p.From = first(f.Get("from"), p.now.In(p.zone).AddDate(0, 0, beginsIn).Format("2006-01-02"))
	p.places(list[0].Entry.Text, &m, f)
	return r.write(w, req, &p.shell, "accord-adopt", p, doc, failure)
}

// places are the parties of t, with who takes their place.
func (p *adoptPage) places(t *accord.Text, m *AccordMaking, f url.Values) {
	as := f.Get("as")
	for i := range t.Parties {
		q := &t.Parties[i]
		no := strconv.Itoa(i + 1)
		row := adoptedPlace{N: i + 1, Place: string(q.ID), Title: q.Title, Kind: p.kindWord(q.Kind), ID: f.Get("with." + no), With: f.Get("with." + no + ".title")}
		if as == "" && q.Kind == m.Own.Kind {
			as = row.Place
		}
		row.Mine = as == row.Place
		p.Places = append(p.Places, row)
	}
	for i := range t.Clauses {
		p.Asks = p.Asks || t.Clauses[i].ID == "price"
	}
	if t.Basis != nil {
		p.Rests = t.Basis.Kind
	}
}

// adoptAccord makes the draft, and leads to what differs.
func (r *Room) adoptAccord(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	f := req.PostForm
	a := AccordAdoption{At: strings.TrimSpace(f.Get("at")), As: hansa.PartyID(f.Get("as")), From: f.Get("from"), Price: strings.TrimSpace(f.Get("price")), Basis: strings.TrimSpace(f.Get("basis")), Places: map[hansa.PartyID]AccordParty{}}
	for n := 1; n <= accord.PartiesMax; n++ {
		no := strconv.Itoa(n)
		place, id := hansa.PartyID(f.Get("place."+no)), hansa.PartyID(strings.TrimSpace(f.Get("with."+no)))
		if place != "" && place != a.As && id != "" {
			a.Places[place] = AccordParty{ID: id, Title: strings.TrimSpace(f.Get("with." + no + ".title"))}
		}
	}
	id, err := r.cfg.Accords.AdoptAccord(req.Context(), by, &a)
	return acted(w, req, err, "/accords/"+url.PathEscape(string(id))+"/changes", "adopted", func(err error) error { return r.adoptSheet(w, req, by, f, err) })
}
