package room

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// OfferTerms are the conditions of an offer that a form can hold.
type OfferTerms struct {
	Purposes  []string
	Formats   []string
	Until     time.Time // zero is open
	To        []string  // participants by name or DID; empty is every one
	Automatic bool
}

// OfferRow is an offer as its party sees it.
type OfferRow struct {
	ID        string    `json:"id"`
	State     string    `json:"state"` // standing or withdrawn
	Automatic bool      `json:"automatic"`
	To        []string  `json:"to,omitempty"` // in words; empty is every participant
	Made      time.Time `json:"made"`
	Withdrawn time.Time `json:"withdrawn,omitzero"`
	Words     []string  `json:"words"`
}

// DatasetSheet is an own dataset with its offers.
type DatasetSheet struct {
	DatasetRow
	Description string     `json:"description,omitempty"`
	Offers      []OfferRow `json:"offers"`
}

// Catalogue is what a search found, and where was looked.
type Catalogue struct {
	Datasets   []KnownDataset   `json:"datasets"`
	More       bool             `json:"more,omitempty"`
	Catalogues []KnownCatalogue `json:"catalogues"`
}

// KnownDataset is a dataset that a party has, or could have.
type KnownDataset struct {
	ID          string        `json:"id"`
	Name        string        `json:"name,omitempty"` // of an own one
	Title       string        `json:"title"`
	Description string        `json:"description,omitempty"`
	Party       hansa.PartyID `json:"party"`
	PartyTitle  string        `json:"partyTitle"`
	Address     string        `json:"at,omitempty"` // of its connector; empty when it is on this node
	Own         bool          `json:"own,omitempty"`
	Licence     string        `json:"licence,omitempty"`
	Themes      []string      `json:"themes,omitempty"`
	Ways        []string      `json:"formats,omitempty"`
	Offers      []KnownOffer  `json:"offers"`
	Changed     time.Time     `json:"changed,omitzero"`
}

// KnownOffer is an offer of it, in words.
type KnownOffer struct {
	ID        string   `json:"id"`
	Words     []string `json:"words"`
	Purposes  []string `json:"purposes,omitempty"`
	Automatic bool     `json:"automatic,omitempty"`
	Bad       bool     `json:"unreadable,omitempty"` // this node cannot hold to it, as its words say
}

// KnownCatalogue is a catalogue elsewhere that is kept.
type KnownCatalogue struct {
	Party    hansa.PartyID `json:"party"`
	Title    string        `json:"title"`
	Address  string        `json:"at"`
	Datasets int           `json:"datasets"`
	Tried    time.Time     `json:"tried"`
	Good     time.Time     `json:"good,omitzero"`
	Reason   string        `json:"reason,omitempty"`
}

// datasetPage is all that the template dataset needs.
type datasetPage struct {
	shell
	DatasetSheet
	May       bool
	Standing  []offerRow
	Withdrawn []offerRow
	Form      *termsForm
}

// offerRow is an offer in words.
type offerRow struct {
	ID, To, Made, Withdrawn string
	Words                   []string
	Automatic               bool
}

func (r *Room) datasetPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.datasetSheet(w, req, by, named("dataset", req), nil)
}

func (r *Room) datasetSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, name string, failure error) error {
	d, err := r.cfg.Deals.Dataset(req.Context(), by, name)
	if err != nil {
		return err
	}
	p := datasetPage{shell: r.shell(req, by, first(d.Title, d.Name), "/datasets"), DatasetSheet: d, May: by.May(hansa.RightManage), Form: &termsForm{Purposes: "navigation", Formats: tickFormats(r.cfg.Deals.Writable(), nil)}}
	for i := range d.Offers {
		o := &d.Offers[i]
		row := offerRow{ID: o.ID, To: strings.Join(o.To, ", "), Made: p.when(o.Made), Withdrawn: p.when(o.Withdrawn), Words: o.Words, Automatic: o.Automatic}
		if o.State == "standing" {
			p.Standing = append(p.Standing, row)
		} else {
			p.Withdrawn = append(p.Withdrawn, row)
		}
	}
	if req.Method == http.MethodPost {
		path := "/datasets/" + url.PathEscape(name)
		p.JSON, p.Dark, p.Light = path+".json", path+"?theme=dark", path+"?theme=light"
		p.Form.refill(req.PostForm, r.cfg.Deals.Writable())
	}
	p.Note = p.say.Say(map[string]string{"offered": "The offer stands. Whom it is made to finds it in your catalogue.", "withdrawn": "The offer is withdrawn. Agreements that came of it hold on."}[req.URL.Query().Get("done")])
	return r.write(w, req, &p.shell, "dataset", &p, d, failure)
}

// makeOffer offers a dataset.
func (r *Room) makeOffer(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	name := req.PathValue("dataset")
	t, err := readTerms(req.PostForm, r.shell(req, by, "", "").zone)
	if err == nil {
		err = r.cfg.Deals.MakeOffer(req.Context(), by, name, t)
	}
	return acted(w, req, err, "/datasets/"+url.PathEscape(name), "offered", func(err error) error { return r.datasetSheet(w, req, by, name, err) })
}

// withdrawOffer takes an offer of a dataset back.
func (r *Room) withdrawOffer(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	name, id := req.PathValue("dataset"), req.PathValue("offer")
	d, err := r.cfg.Deals.Dataset(req.Context(), by, name)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(d.Offers, func(o OfferRow) bool { return o.ID == id }) {
		return hansa.Errorf(hansa.NotFound, "there is no such offer").WithHint("see all at /datasets/" + name)
	}
	return acted(w, req, r.cfg.Deals.WithdrawOffer(req.Context(), by, id), "/datasets/"+url.PathEscape(name), "withdrawn", func(err error) error { return r.datasetSheet(w, req, by, name, err) })
}

// cataloguePage is all that the template catalogue needs.
type cataloguePage struct {
	shell
	May        bool
	Query      string
	More       bool
	Rows       []knownRow
	Catalogues []visitRow
}

// knownRow is a dataset that was found.
type knownRow struct {
	Title, Says, Whose, Licence, Name string
	Ways, Themes                      string
	Own, Here                         bool
	Offers                            []knownOfferRow
}

// knownOfferRow is an offer of it.
type knownOfferRow struct {
	KnownOffer
	Href, What string
}

// visitRow is a catalogue elsewhere, and how the last visit went.
type visitRow struct {
	Title, Address string
	Datasets       string
	When, Reason   string
	Tone, Word     string
}

func (r *Room) cataloguePage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := cataloguePage{shell: r.shell(req, by, "Catalogue", "/datasets"), May: by.May(hansa.RightManage), Query: req.URL.Query().Get("q")}
	if req.URL.Query().Get("done") == "looked" {
		p.Note = p.say.Say("The catalogues were read. How that went stands below.")
	}
	list, err := r.cfg.Deals.Catalogue(req.Context(), by, p.Query)
	if err != nil && hansa.KindOf(err) != hansa.Invalid {
		return err
	}
	p.More = list.More
	for i := range list.Datasets {
		d := &list.Datasets[i]
		row := knownRow{Title: first(d.Title, d.ID), Says: d.Description, Whose: first(d.PartyTitle, string(d.Party)), Licence: d.Licence, Name: d.Name, Themes: strings.Join(d.Themes, ", "), Own: d.Own, Here: d.Address == ""}
		for _, o := range d.Offers {
			x := knownOfferRow{KnownOffer: o, What: row.Title}
			if !o.Bad && d.Address != "" && o.ID != "" {
				x.Href = "/catalogue/request?" + url.Values{"peer": {string(d.Party)}, "target": {d.ID}, "offer": {o.ID}}.Encode()
			}
			row.Offers = append(row.Offers, x)
		}
		p.Rows = append(p.Rows, row)
	}
	for i := range list.Catalogues {
		c := &list.Catalogues[i]
		row := visitRow{Title: first(c.Title, string(c.Party)), Address: c.Address, Datasets: p.say.Count(c.Datasets, "{1} dataset", "{1} datasets"), When: p.ago(c.Good), Tone: "ok", Word: words.Mark("Read")}
		if c.Reason != "" {
			row.Tone, row.Word, row.Reason = "high", words.Mark("Not read"), sentence(c.Reason)
		}
		p.Catalogues = append(p.Catalogues, row)
	}
	return r.write(w, req, &p.shell, "catalogue", &p, list, err)
}

// lookAgain reads the catalogues elsewhere anew.
func (r *Room) lookAgain(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	if err := r.cfg.Deals.Look(req.Context(), by); err != nil {
		return err
	}
	return done(w, req, "/catalogue", "looked")
}

// wishPage is all that the template wish needs.
type wishPage struct {
	shell
	Peer, Offer    string
	Target         string
	What, Whose    string
	Says, Licence  string
	Rules          []string
	Automatic      bool
	Purposes, Ways []tickRow
	Dataset        string
	Once           bool // the agreement alone, no data yet
}

func (r *Room) wishPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	q := req.URL.Query()
	return r.wishSheet(w, req, by, q, nil)
}

// wishSheet asks what for, into which dataset and in which way an offer is wanted.
func (r *Room) wishSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, q url.Values, failure error) error {
	d, o, err := r.cfg.Deals.OfferAt(req.Context(), by, hansa.PartyID(q.Get("peer")), q.Get("target"), q.Get("offer"))
	if err != nil {
		return err
	}
	p := wishPage{
		shell: r.shell(req, by, words.Of(req.Context()).Fill("Ask for {1}", first(d.Title, d.ID)), "/datasets"), Peer: q.Get("peer"), Offer: q.Get("offer"), Target: q.Get("target"), What: first(d.Title, d.ID), Whose: first(d.PartyTitle, string(d.Party)), Says: d.Description, Licence: d.Licence,
		Rules: o.Words, Automatic: o.Automatic, Purposes: purposesOf(o.Purposes, q.Get("purpose")), Dataset: q.Get("dataset"), Once: q.Get("way") == "none",
	}
	for _, one := range ways(q.Get("way")) {
		if len(d.Ways) == 0 || slices.Contains(d.Ways, one.Value) {
			p.Ways = append(p.Ways, one)
		}
	}
	if !p.Once && len(p.Ways) > 0 && !slices.ContainsFunc(p.Ways, func(t tickRow) bool { return t.On }) {
		p.Ways[0].On = true
	}
	return r.write(w, req, &p.shell, "wish", &p, map[string]any{"dataset": d, "offer": o}, failure)
}

// wish asks another participant for an agreement.
func (r *Room) wish(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	f := req.PostForm
	o := Wish{Peer: hansa.PartyID(f.Get("peer")), Offer: f.Get("offer"), Target: f.Get("target"), Purpose: f.Get("purpose"), Dataset: strings.TrimSpace(f.Get("dataset")), Way: f.Get("way")}
	if o.Way == "none" {
		o.Way = ""
	}
	id, err := r.cfg.Deals.Ask(req.Context(), by, o)
	if err != nil {
		if k := hansa.KindOf(err); k == hansa.NotFound || k == hansa.Internal {
			return err
		}
		return r.wishSheet(w, req, by, f, err)
	}
	return done(w, req, "/requests/"+url.PathEscape(id), "asked")
}
