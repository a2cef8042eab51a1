package api

import (
	"net/http"

	"github.com/hansa-exchange/hansa"
)

// PolicyExplained is a policy in words, and how it decides now.
type PolicyExplained struct {
	Agreement string      `json:"agreement"`
	Words     []string    `json:"words"`
	Scopes    []ScopeSays `json:"scopes"`
}

// ScopeSays is how a policy decides at one moment: catalogue, negotiation, transfer
// or use.
type ScopeSays struct {
	Scope   string   `json:"scope"`
	Allowed bool     `json:"allowed"`
	Why     []string `json:"why"`
}

// OfferExplained says what an offer would come to for one party.
type OfferExplained struct {
	Offer   string        `json:"offer"`
	Party   hansa.PartyID `json:"party"`
	Title   string        `json:"title"`
	Purpose hansa.Purpose `json:"purpose,omitempty"`
	Words   []string      `json:"words"`
	// Decides is who says yes: the node, or a person.
	Decides string      `json:"decides"`
	Scopes  []ScopeSays `json:"scopes"`
}

func (a *API) explainEndpoint() Endpoint {
	r := hansa.Route{Method: "GET", Pattern: "/api/v1/offers/{offer}/explain", Right: hansa.RightControl, Object: "node", Action: "say whether a party would see an offer, may have it, and would be given it"}
	return Endpoint{Route: r, Serve: a.explainOffer, Out: OfferExplained{}, Query: []Param{
		{Name: "party", What: "The party, by name or id; a peer too.", Required: true}, {Name: "purpose", What: "What it would ask for; what the offer names when empty.", Example: "navigation"},
	}}
}

func (a *API) explainOffer(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	party, err := text(r, "party")
	if err == nil && party == "" {
		err = hansa.Fielded("?party", "say which party, by its name or id")
	}
	if err != nil {
		return err
	}
	purpose, err := text(r, "purpose")
	if err != nil {
		return err
	}
	out, err := a.Deals.ExplainOffer(r.Context(), by, r.PathValue("offer"), party, hansa.Purpose(purpose))
	return answerWith(w, http.StatusOK, out, err)
}
