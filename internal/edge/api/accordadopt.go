package api

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// FromAdopted stands for the terms that an accord was adopted from, where two versions
// are compared.
const FromAdopted = "adopted"

// PublishedTerms is an accord in force as a register publishes it.
type PublishedTerms struct {
	At     string         `json:"at"`   // where it was read; empty is this node's own register
	Host   hansa.PartyID  `json:"host"` // the DID of the node that publishes it
	Accord hansa.AccordID `json:"accord"`
	Hash   string         `json:"hash"` // SHA-256 of the whole text, with what it withholds
	Title  accord.Words   `json:"title"`
	Model  hansa.Model    `json:"model"`
	Text   jsontext.Value `json:"text"` // without what it withholds
}

// PublishedBody lists published terms.
type PublishedBody struct {
	Terms []PublishedTerms `json:"terms"`
}

// AccordAdoption makes a draft of one's own of terms that somebody publishes.
type AccordAdoption struct {
	Party string `json:"party,omitempty"` // own, by name; the caller's when empty
	// At is the address of the terms at another node, https://HOST/register/ACCORD, or
	// the id of an accord in this node's own register.
	At string `json:"at"`
	// As is the party of the published text whose place own takes; the only one of own's
	// kind when empty.
	As hansa.PartyID `json:"as,omitempty"`
	// Places says who takes the others'. A place that nobody takes is kept open: an
	// invitation fills it.
	Places  []AdoptedPlace           `json:"places,omitempty"`
	From    string                   `json:"from,omitempty"` // the first day; today when empty. All other days move with it
	Set     map[string]policy.Params `json:"set,omitempty"`  // parameters by clause, in the place of theirs
	Without []string                 `json:"without,omitempty"`
	Basis   string                   `json:"basis,omitempty"` // model clause: the reference of one's own tender, permit, concession or by-law
}

// AdoptedPlace is who takes the place of a party of the published text.
type AdoptedPlace struct {
	Place hansa.PartyID   `json:"place"`
	ID    hansa.PartyID   `json:"id"`
	Title string          `json:"title,omitempty"`
	Kind  hansa.PartyKind `json:"kind,omitempty"` // as in the text when empty
}

// AccordAdopted is the draft with what differs from the published terms.
type AccordAdopted struct {
	AccordDetail
	Source  PublishedTerms  `json:"source"`
	Changes []accord.Change `json:"changes"` // from theirs to the draft
	Notes   []accord.Note   `json:"notes"`   // what a person should look at
}

// Adoptions takes over the terms of others.
type Adoptions interface {
	// Published reads the terms at an address: those of one accord, or all of the first
	// page of a node's register. Only hosts that this node may call are asked.
	Published(ctx context.Context, by hansa.Actor, at string) ([]PublishedTerms, error)
	AdoptAccord(ctx context.Context, by hansa.Actor, o AccordAdoption) (AccordAdopted, error)
}

func (a *API) adoptEndpoints() []Endpoint {
	r := func(method, path, action string, body int64) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/api/v1" + path, Right: hansa.RightManage, Object: "node", Action: action, BodyMax: body}
	}
	return []Endpoint{
		{Route: r("GET", "/published", "read the terms that a node publishes", 0), Serve: a.published, Out: PublishedBody{}, Query: []Param{{Name: "at", What: "The address of an accord in a register, or of a node; the id of an accord in the own register."}}},
		{Route: r("POST", "/accords/adopt", "draft an accord of the terms that somebody publishes", 64<<10), Serve: a.adoptAccord, In: AccordAdoption{}, Out: AccordAdopted{}, Status: http.StatusCreated},
	}
}

func (a *API) published(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	at, err := text(r, "at")
	if err != nil {
		return err
	}
	list, err := a.Adoptions.Published(r.Context(), by, at)
	return answerWith(w, http.StatusOK, PublishedBody{list}, err)
}

func (a *API) adoptAccord(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var o AccordAdoption
	if err := readJSON(r, &o); err != nil {
		return err
	}
	out, err := a.Adoptions.AdoptAccord(r.Context(), by, o)
	return answerWith(w, http.StatusCreated, out, err)
}
