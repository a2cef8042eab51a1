package api

import (
	"context"
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
)

// InvitationOrder asks somebody in: who is meant, what they get, what they are
// asked for, and why, in plain words.
type InvitationOrder struct {
	Party   string  `json:"party,omitempty"` // who asks, by name; the caller's own when empty
	For     string  `json:"for"`             // the organisation that is asked, as people read it
	Gives   []Given `json:"gives,omitempty"` // what they get; where an accord is proposed, that says it
	Wants   string  `json:"wants,omitempty"` // what they are asked to give, in words
	Purpose string  `json:"purpose"`         // what it is for, in words
	Basis   string  `json:"basis,omitempty"` // on which legal ground, in words
	Days    int     `json:"days,omitzero"`   // until the link ends; 14 when 0
	// Accord is a draft of the party that asks: who accepts finds it proposed to them. As
	// is the party of its text whose place they take; the only one that is not here when
	// empty.
	Accord hansa.AccordID `json:"accord,omitempty"`
	As     hansa.PartyID  `json:"as,omitempty"`
}

// Given is a dataset that the invited get, and how.
type Given struct {
	Dataset  string          `json:"dataset"` // by id or name
	Title    string          `json:"title,omitempty"`
	Purposes []hansa.Purpose `json:"purposes"`
	Formats  []hansa.Format  `json:"formats,omitempty"` // all when empty
	Limit    hansa.Duration  `json:"limit,omitzero"`    // agreed time from offered to live; 5 minutes when 0
}

// Invitation is one that was made; its link is shown once.
type Invitation struct {
	ID      string         `json:"id"`
	By      string         `json:"by"` // who asks, as people read it
	For     string         `json:"for"`
	Gives   []Given        `json:"gives"`
	Wants   string         `json:"wants,omitempty"`
	Purpose string         `json:"purpose"`
	Basis   string         `json:"basis,omitempty"`
	State   string         `json:"state"` // open, accepted, ended, revoked
	Made    time.Time      `json:"made"`
	Expires time.Time      `json:"expires"`
	Party   string         `json:"party,omitempty"` // who accepted, by name
	Link    string         `json:"link,omitempty"`
	Accord  hansa.AccordID `json:"accord,omitempty"`  // the draft that it proposes,
	As      hansa.PartyID  `json:"as,omitempty"`      // whose place in it they take,
	Version string         `json:"version,omitempty"` // the SHA-256 of what they read,
	Opened  hansa.AccordID `json:"opened,omitempty"`  // and the accord that came of it
}

// InvitationsBody lists invitations.
type InvitationsBody struct {
	Invitations []Invitation `json:"invitations"`
}

// Onboarding is how far a party has come on its way to live data.
type Onboarding struct {
	Party string    `json:"party"`
	Title string    `json:"title"`
	Steps []Onboard `json:"steps"`
}

// Onboard is one step, done or waited for.
type Onboard struct {
	Step string    `json:"step"`
	Done time.Time `json:"done,omitzero"`
	Who  string    `json:"who,omitempty"` // who it waits for
	How  string    `json:"how,omitempty"` // what they do next
	Free bool      `json:"free,omitzero"` // it may be left out
}

// OnboardingBody lists how far each party has come.
type OnboardingBody struct {
	Parties []Onboarding `json:"parties"`
}

// Invitations keeps who is asked in.
type Invitations interface {
	Invite(ctx context.Context, by hansa.Actor, o InvitationOrder) (Invitation, error)
	Invitations(ctx context.Context, by hansa.Actor) ([]Invitation, error)
	RevokeInvitation(ctx context.Context, by hansa.Actor, id string) error
	// Onboarding tells of the parties that by gives to; of its own when it gives none.
	Onboarding(ctx context.Context, by hansa.Actor) ([]Onboarding, error)
}

func (a *API) inviteEndpoints() []Endpoint {
	route := func(method, path, action string, right hansa.Right, body int64) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/api/v1" + path, Right: right, Object: "node", Action: action, BodyMax: body}
	}
	return []Endpoint{
		{Route: route("POST", "/invitations", "invite an organisation; the link is shown once", hansa.RightManage, 64<<10), Serve: a.invite, In: InvitationOrder{}, Out: Invitation{}, Status: http.StatusCreated},
		{Route: route("GET", "/invitations", "list invitations", hansa.RightManage, 0), Serve: a.invitations, Out: InvitationsBody{}},
		{Route: route("POST", "/invitations/{invitation}/revoke", "end an invitation at once", hansa.RightManage, 0), Serve: a.revokeInvitation, Status: http.StatusNoContent},
		{Route: route("GET", "/onboarding", "say how far each party has come, and who is waited for", hansa.RightRead, 0), Serve: a.onboarding, Out: OnboardingBody{}},
	}
}

func (a *API) invite(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in InvitationOrder
	if err := readJSON(r, &in); err != nil {
		return err
	}
	out, err := a.Invitations.Invite(r.Context(), by, in)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, out)
	return nil
}

func (a *API) invitations(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Invitations.Invitations(r.Context(), by)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, InvitationsBody{Invitations: list})
	return nil
}

func (a *API) revokeInvitation(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	if err := a.Invitations.RevokeInvitation(r.Context(), by, r.PathValue("invitation")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) onboarding(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Invitations.Onboarding(r.Context(), by)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, OnboardingBody{Parties: list})
	return nil
}
