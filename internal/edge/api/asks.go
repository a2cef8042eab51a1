package api

import (
	"context"
	"net/http"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// AskOrder asks another party for data, or offers it some, before there is an accord.
type AskOrder struct {
	Party string `json:"party,omitempty"` // own, by name; the caller's when empty
	To    string `json:"to"`              // a DID, or the name of a peer or of a party here
	AskTerms
}

// AskTerms are what is asked for, or what one would agree to.
type AskTerms struct {
	Offers   bool            `json:"offers,omitzero"`   // it is offered, not asked for
	Dataset  string          `json:"dataset,omitempty"` // by its giver's name for it; empty is one that is not there yet
	What     string          `json:"what"`              // in plain words
	Purposes []hansa.Purpose `json:"purposes"`
	Use      string          `json:"use,omitempty"` // what is done with it
	From     string          `json:"from,omitempty"`
	Until    string          `json:"until,omitempty"`
	Model    hansa.Model     `json:"model,omitempty"`   // partnership when empty
	Rule     string          `json:"rule,omitempty"`    // of a public body: the legal rule that sets the time of the answer
	Days     int             `json:"days,omitzero"`     // working days of a turn, where no law sets them; 10 when 0
	Country  string          `json:"country,omitempty"` // whose working days: EU, NL or IT; that of own's zone when empty
}

// AskAnswer is what a party answers a request.
type AskAnswer struct {
	Party string    `json:"party,omitempty"`
	Words string    `json:"words,omitempty"` // decline: why
	Terms *AskTerms `json:"terms,omitempty"` // counter
}

// Asked is a request with its clock and its turn.
type Asked struct {
	accord.Asking
	Mine       bool            `json:"mine"`          // it is own's turn
	Late       bool            `json:"late,omitzero"` // the time that the law sets is over
	Other      hansa.PartyID   `json:"other"`
	OtherTitle string          `json:"otherTitle"`
	Terms      *accord.Request `json:"terms"`          // on the table
	Sent       string          `json:"sent,omitempty"` // why own's word has not arrived yet
	// Accords are what it has come to: the accords of the two that name it, the newest first.
	Accords []AskedAccord `json:"accords,omitempty"`
}

// AskedAccord is an accord that answers a request.
type AskedAccord struct {
	ID    hansa.AccordID    `json:"id"`
	Title accord.Words      `json:"title"`
	State hansa.AccordState `json:"state"`
}

// AsksBody lists requests, those that wait for own's answer first.
type AsksBody struct {
	Asks []Asked `json:"asks"`
}

// Asks is how data are asked for and offered before there is an accord. What is not the
// caller's party's is NotFound.
type Asks interface {
	Ask(ctx context.Context, by hansa.Actor, o AskOrder) (Asked, error)
	Asks(ctx context.Context, by hansa.Actor) ([]Asked, error)
	Asked(ctx context.Context, by hansa.Actor, id string) (Asked, error)
	AnswerAsk(ctx context.Context, by hansa.Actor, id string, act accord.RequestAct, a AskAnswer) (Asked, error)
}

func (a *API) askEndpoints() []Endpoint {
	r := func(method, path, action string, body int64) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/api/v1" + path, Right: hansa.RightRead, Object: "node", Action: action, BodyMax: body}
	}
	return []Endpoint{
		{Route: r("POST", "/asks", "ask another party for data, or offer it some", 64<<10), Serve: a.ask, In: AskOrder{}, Out: Asked{}, Status: http.StatusCreated},
		{Route: r("GET", "/asks", "list requests for data with their clocks and turns", 0), Serve: a.asks, Out: AsksBody{}},
		{Route: r("GET", "/asks/{ask}", "show a request for data", 0), Serve: a.asked, Out: Asked{}},
		{Route: r("POST", "/asks/{ask}/acts/{act}", "answer a request for data: accept, decline or counter", 64<<10), Serve: a.answerAsk, In: AskAnswer{}, Out: Asked{}},
	}
}

func (a *API) ask(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var o AskOrder
	if err := readJSON(r, &o); err != nil {
		return err
	}
	out, err := a.Asks.Ask(r.Context(), by, o)
	return answerWith(w, http.StatusCreated, out, err)
}

func (a *API) asks(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Asks.Asks(r.Context(), by)
	return answerWith(w, http.StatusOK, AsksBody{list}, err)
}

func (a *API) asked(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	out, err := a.Asks.Asked(r.Context(), by, r.PathValue("ask"))
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) answerAsk(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in AskAnswer
	if r.ContentLength != 0 {
		if err := readJSON(r, &in); err != nil {
			return err
		}
	}
	out, err := a.Asks.AnswerAsk(r.Context(), by, r.PathValue("ask"), accord.RequestAct(r.PathValue("act")), in)
	return answerWith(w, http.StatusOK, out, err)
}
