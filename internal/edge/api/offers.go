package api

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// OfferOrder asks for an offer of a dataset: by terms, or by a policy of one's own.
type OfferOrder struct {
	Party     string         `json:"party,omitempty"` // by name; the caller's own when empty
	Dataset   string         `json:"dataset"`         // by id or name
	Terms     hansa.Terms    `json:"terms,omitzero"`
	Policy    jsontext.Value `json:"policy,omitzero"` // ODRL in the subset of the Dataspace Protocol, in the place of terms
	To        []string       `json:"to,omitempty"`    // parties by name, or by DID; empty is every participant
	Automatic bool           `json:"automatic,omitzero"`
	Limit     hansa.Duration `json:"limit,omitzero"` // agreed time from offered to live
}

// Offer is an offer as its party sees it.
type Offer struct {
	ID        string          `json:"id"`
	Party     string          `json:"party"`   // its name
	Dataset   string          `json:"dataset"` // its name
	DatasetID hansa.DatasetID `json:"datasetId"`
	State     string          `json:"state"` // standing or withdrawn
	Automatic bool            `json:"automatic"`
	To        []hansa.PartyID `json:"to,omitempty"` // empty is every participant
	Limit     hansa.Duration  `json:"limit,omitzero"`
	Made      time.Time       `json:"made"`
	Withdrawn time.Time       `json:"withdrawn,omitzero"`
	Terms     *hansa.Terms    `json:"terms,omitempty"` // what the gate would hold to
	Policy    jsontext.Value  `json:"policy,omitzero"`
	Words     []string        `json:"words,omitempty"` // its conditions, in words
}

// OffersBody lists offers.
type OffersBody struct {
	Offers []Offer `json:"offers"`
}

// KnownDataset is a dataset that a party has, or could have.
type KnownDataset struct {
	ID          string           `json:"id"`
	Title       string           `json:"title"`
	Description string           `json:"description,omitempty"`
	Party       hansa.PartyID    `json:"party"` // whose
	PartyTitle  string           `json:"partyTitle"`
	At          string           `json:"at,omitempty"` // the address of its connector; empty when it is on this node
	Own         bool             `json:"own,omitzero"`
	Licence     string           `json:"licence,omitempty"`
	Themes      []string         `json:"themes,omitempty"`
	Formats     []string         `json:"formats,omitempty"` // of distributions
	Offers      []jsontext.Value `json:"offers,omitempty"`
	First       time.Time        `json:"first,omitzero"` // when it was first met
	Changed     time.Time        `json:"changed,omitzero"`
	Gone        time.Time        `json:"gone,omitzero"` // it is no longer shown since
}

// KnownCatalogue is a catalogue elsewhere that is kept.
type KnownCatalogue struct {
	Party    hansa.PartyID `json:"party"`
	Title    string        `json:"title"`
	At       string        `json:"at"`
	Datasets int           `json:"datasets"`
	Tried    time.Time     `json:"tried"`
	Good     time.Time     `json:"good,omitzero"`
	Reason   string        `json:"reason,omitempty"` // why the last visit failed
}

// KnownBody is what a search finds, and where was looked.
type KnownBody struct {
	Datasets   []KnownDataset   `json:"datasets"`
	More       bool             `json:"more,omitzero"`
	Catalogues []KnownCatalogue `json:"catalogues"`
}

// KnownQuery searches what is known.
type KnownQuery struct {
	Words string
	Gone  bool
	Limit int
}

// Offers keeps what a party offers, and what it knows of what others do. A foreign
// offer is NotFound.
type Offers interface { //nolint:interfacebloat // one table of acts
	Offer(ctx context.Context, by hansa.Actor, o OfferOrder) (Offer, error)
	Offers(ctx context.Context, by hansa.Actor, party string) ([]Offer, error)
	OfferByID(ctx context.Context, by hansa.Actor, id string) (Offer, error)
	WithdrawOffer(ctx context.Context, by hansa.Actor, id string) (Offer, error)
	Known(ctx context.Context, by hansa.Actor, q KnownQuery) (KnownBody, error)
	// Public returns what a party offers to everybody, as mobilityDCAT-AP, with its
	// ETag; an empty name is the node's own party.
	Public(ctx context.Context, party string, turtle bool) (doc []byte, etag string, err error)
}

// The media types of a catalogue in RDF.
const (
	mediaTurtle = "text/turtle"
	mediaJSONLD = "application/ld+json"
)

func (a *API) offerEndpoints() []Endpoint {
	route := func(method, path, action string, right hansa.Right, body int64) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/api/v1" + path, Right: right, Object: "node", Action: action, BodyMax: body}
	}
	all := []Endpoint{
		{
			Route: route("GET", "/offers", "list a party's offers, the newest first", hansa.RightRead, 0), Serve: a.offers, Out: OffersBody{},
			Query: []Param{{Name: "party", What: "A party's name; empty is the caller's own.", Example: "navco"}},
		},
		{Route: route("POST", "/offers", "offer a dataset, by terms or by a policy", hansa.RightManage, 128<<10), Serve: a.makeOffer, In: OfferOrder{}, Out: Offer{}, Status: http.StatusCreated},
		{Route: route("GET", "/offers/{offer}", "show an offer with its policy", hansa.RightRead, 0), Serve: a.offerAct(Offers.OfferByID), Out: Offer{}},
		{Route: route("POST", "/offers/{offer}/withdraw", "withdraw an offer; negotiations under way go on", hansa.RightManage, 0), Serve: a.offerAct(Offers.WithdrawOffer), Out: Offer{}},
		{
			Route: route("GET", "/catalogue", "search the datasets that the caller's party has or could have", hansa.RightRead, 0), Serve: a.known, Out: KnownBody{},
			Query: []Param{{Name: "q", What: "Words, all of which a dataset says of itself; empty finds all.", Example: "road closures"}, {Name: "gone", What: "true also lists what is no longer shown elsewhere.", Example: "true"}, {Name: "limit", What: "1 to 1000.", Example: "50"}},
		},
	}
	for _, at := range []string{"", "/parties/{party}"} {
		for ext, media := range map[string]string{"ttl": mediaTurtle, "jsonld": mediaJSONLD} {
			all = append(all, Endpoint{Route: hansa.Route{Method: "GET", Pattern: at + "/catalogue." + ext, Object: "node", Action: "read what is offered to everybody, as mobilityDCAT-AP 1.1"}, Serve: a.public(media), Media: []string{media}})
		}
	}
	return all
}

func (a *API) offers(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	party, err := text(r, "party")
	if err != nil {
		return err
	}
	list, err := a.Offers.Offers(r.Context(), by, party)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, OffersBody{Offers: list})
	return nil
}

func (a *API) makeOffer(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in OfferOrder
	if err := readJSON(r, &in); err != nil {
		return err
	}
	out, err := a.Offers.Offer(r.Context(), by, in)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v1/offers/"+out.ID)
	writeJSON(w, http.StatusCreated, out)
	return nil
}

// offerAct makes a handler of an act on one offer.
func (a *API) offerAct(act func(Offers, context.Context, hansa.Actor, string) (Offer, error)) Handler {
	return func(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
		out, err := act(a.Offers, r.Context(), by, r.PathValue("offer"))
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, out)
		return nil
	}
}

func (a *API) known(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	q, err := text(r, "q")
	if err != nil {
		return err
	}
	limit, err := count(r, "limit", PageDefault, PageMax)
	if err != nil {
		return err
	}
	out, err := a.Offers.Known(r.Context(), by, KnownQuery{Words: q, Gone: r.URL.Query().Get("gone") == "true", Limit: limit})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// public answers a catalogue in RDF.
func (a *API) public(media string) Handler {
	return func(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
		doc, etag, err := a.Offers.Public(r.Context(), r.PathValue("party"), media == mediaTurtle)
		if err != nil {
			return err
		}
		h := w.Header()
		h.Set("Content-Type", media+"; charset=utf-8")
		h.Set("Cache-Control", "public, max-age=60")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(doc))
		return nil
	}
}
