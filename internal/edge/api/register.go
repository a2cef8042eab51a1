package api

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// RegisterMax is how many accords a page of the register holds at most.
const RegisterMax = 50

// RegisterBody is a page of the public register, what came into force last first.
type RegisterBody struct {
	Host    string         `json:"host"` // who runs this node
	Accords []Registered   `json:"accords"`
	After   hansa.AccordID `json:"after,omitempty"` // where the next page begins; empty is the end
}

// Registered is an accord in force, without what its text withholds.
type Registered struct {
	ID       hansa.AccordID    `json:"id"`
	Title    accord.Words      `json:"title"`
	Summary  accord.Words      `json:"summary,omitempty"`
	Model    hansa.Model       `json:"model"`
	State    hansa.AccordState `json:"state"` // in-force or suspended
	Since    time.Time         `json:"since"` // when its version came into force
	Version  int               `json:"version"`
	Hash     string            `json:"hash"`           // SHA-256 of the whole text
	Until    string            `json:"until,omitzero"` // the last day; empty is indefinite
	Parties  []RegisterParty   `json:"parties"`
	Flows    []RegisterFlow    `json:"flows"`
	Purposes []hansa.Purpose   `json:"purposes"` // of all its flows
	Withheld []accord.Withheld `json:"withheld"`
}

// RegisterParty is a party of an accord, by its public names.
type RegisterParty struct {
	ID     hansa.PartyID   `json:"id"`
	Title  string          `json:"title"`
	Kind   hansa.PartyKind `json:"kind"`
	Joined bool            `json:"joined,omitzero"` // after it came into force
	Left   bool            `json:"left,omitzero"`   // a party of the text that is in it no more
}

// RegisterFlow is what one party gives to another, with what its gate holds to.
type RegisterFlow struct {
	Name  string           `json:"name"`
	What  string           `json:"what"` // the title of the dataset
	Kind  hansa.RecordKind `json:"kind"`
	From  hansa.PartyID    `json:"from"`
	To    hansa.PartyID    `json:"to"`
	Gate  *hansa.Terms     `json:"gate,omitempty"` // absent where the clauses that make it are withheld
	Open  []string         `json:"open,omitempty"` // paths at which everybody reads it
	Limit hansa.Duration   `json:"limit,omitzero"` // from offered to live
}

// RegisteredDetail is one accord of the register with its text.
type RegisteredDetail struct {
	Registered
	Text jsontext.Value `json:"text"` // without what it withholds; the hash is not of this
}

// Register is the public register: the accords in force here, as everybody may know them.
type Register interface {
	// Registered lists limit accords, of all parties of the node.
	Registered(ctx context.Context, after hansa.AccordID, limit int) (RegisterBody, error)
	// RegisteredOne shows one; what is not in force is NotFound, as is what never was.
	RegisteredOne(ctx context.Context, id hansa.AccordID) (RegisteredDetail, error)
}

func (a *API) registerEndpoints() []Endpoint {
	r := func(path, action string) hansa.Route {
		return hansa.Route{Method: "GET", Pattern: "/api/v1/register" + path, Right: hansa.RightRead, Object: "node", Action: action}
	}
	page := []Param{
		{Name: "limit", What: "1 to 50.", Example: "50"},
		{Name: "after", What: "The after of the page before."},
	}
	return []Endpoint{
		{Route: r("", "list the accords in force here, as the public register shows them"), Serve: a.registered, Out: RegisterBody{}, Query: page},
		{Route: r("/{accord}", "show one accord of the public register"), Serve: a.registeredOne, Out: RegisteredDetail{}},
	}
}

func (a *API) registered(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	limit, err := count(r, "limit", RegisterMax, RegisterMax)
	if err != nil {
		return err
	}
	after, err := text(r, "after")
	if err != nil {
		return err
	}
	out, err := a.Register.Registered(r.Context(), hansa.AccordID(after), limit)
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) registeredOne(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	out, err := a.Register.RegisteredOne(r.Context(), accordID(r))
	return answerWith(w, http.StatusOK, out, err)
}
