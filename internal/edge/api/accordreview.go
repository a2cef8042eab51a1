package api

import (
	"context"
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
)

// ReviewOrder asks for a link by which counsel reads an accord.
type ReviewOrder struct {
	Party string    `json:"party,omitempty"` // whose copy it opens, by name; the caller's when empty
	For   string    `json:"for,omitempty"`   // who is to read it, in plain words
	Until time.Time `json:"until,omitzero"`  // its end; two weeks from now when empty
}

// Review is a link that opens one accord, to be read and nothing else.
type Review struct {
	ID      string         `json:"id"`
	Accord  hansa.AccordID `json:"accord"`
	For     string         `json:"for,omitempty"`
	State   string         `json:"state"` // open, ended or revoked
	Made    time.Time      `json:"made"`
	Until   time.Time      `json:"until"`
	Revoked time.Time      `json:"revoked,omitzero"`
	Opened  int64          `json:"opened"` // how often
	Last    time.Time      `json:"last,omitzero"`
	Link    string         `json:"link,omitempty"` // shown once, as it is made
}

// ReviewsBody lists the links of an accord.
type ReviewsBody struct {
	Reviews []Review `json:"reviews"`
}

// Reviews keeps links by which an accord is read without an account.
type Reviews interface {
	MakeReview(ctx context.Context, by hansa.Actor, id hansa.AccordID, o ReviewOrder) (Review, error)
	Reviews(ctx context.Context, by hansa.Actor, id hansa.AccordID) ([]Review, error)
	// RevokeReview ends a link at once; a repeat changes nothing.
	RevokeReview(ctx context.Context, by hansa.Actor, id hansa.AccordID, review string) error
}

func (a *API) reviewEndpoints() []Endpoint {
	r := func(method, path, action string, body int64) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/api/v1/accords/{accord}/reviews" + path, Right: hansa.RightRead, Object: "accord", Action: action, BodyMax: body}
	}
	return []Endpoint{
		{Route: r("POST", "", "make a link by which counsel reads an accord without an account; it is shown once", 16<<10), Serve: a.makeReview, In: ReviewOrder{}, Out: Review{}, Status: http.StatusCreated},
		{Route: r("GET", "", "list the review links of an accord", 0), Serve: a.reviews, Out: ReviewsBody{}},
		{Route: r("POST", "/{review}/revoke", "end a review link at once", 1<<10), Serve: a.revokeReview, Out: ReviewsBody{}},
	}
}

func (a *API) makeReview(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var o ReviewOrder
	if err := readJSON(r, &o); err != nil {
		return err
	}
	out, err := a.Reviews.MakeReview(r.Context(), by, accordID(r), o)
	return answerWith(w, http.StatusCreated, out, err)
}

func (a *API) reviews(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Reviews.Reviews(r.Context(), by, accordID(r))
	return answerWith(w, http.StatusOK, ReviewsBody{list}, err)
}

func (a *API) revokeReview(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	if err := a.Reviews.RevokeReview(r.Context(), by, accordID(r), r.PathValue("review")); err != nil {
		return err
	}
	return a.reviews(w, r, by)
}
