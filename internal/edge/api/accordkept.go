package api

import (
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// AccordKept says of each clause in force whether it is kept, as far as the evidence of
// this node tells.
type AccordKept struct {
	Accord  hansa.AccordID `json:"accord"`
	Version string         `json:"version,omitempty"` // hash of the version in force; empty before there is one
	At      time.Time      `json:"at"`
	Since   time.Time      `json:"since"` // from when on what is measured day by day counts
	Clauses []ClauseKept   `json:"clauses"`
	// Titles is what the accord calls those who bear its clauses.
	Titles map[hansa.PartyID]string `json:"titles,omitempty"`
}

// How it is seen whether a clause is kept.
const (
	KeptByGate  = "gate"  // nothing leaves against it
	KeptByCheck = "check" // it was measured, or would be
	KeptOnTrust = "trust" // software sees nothing of it
)

// ClauseKept is how a clause stands for one party that bears it. Parts, All, Least and
// Month are filled in by the functions that count, see docs/formats/clauses.md.
type ClauseKept struct {
	N        int             `json:"n"` // the clause's number
	ID       string          `json:"id"`
	Title    accord.Words    `json:"title"`
	By       []hansa.PartyID `json:"by"` // who bears it
	How      string          `json:"how"`
	Evidence policy.Evidence `json:"evidence"`
	Function string          `json:"function,omitempty"`
	Standing string          `json:"standing"` // kept, missed or unknown
	Words    string          `json:"words"`    // what was measured, in English
	Counts   []int64         `json:"counts,omitempty"`
	Month    string          `json:"month,omitempty"` // that was counted: 2026-11
	Open     bool            `json:"open,omitzero"`   // that month is not over
	Last     time.Time       `json:"last,omitzero"`   // when it was done last, or once
	Due      time.Time       `json:"due,omitzero"`
	More     bool            `json:"more,omitzero"` // not all that there is was looked at
	Days     []DayKept       `json:"days,omitempty"`
}

// DayKept is what was measured of one day.
type DayKept struct {
	Day  string `json:"day"` // in the zone of the accord
	Part int64  `json:"part"`
	All  int64  `json:"all"`
}

func (a *API) accordKeptEndpoint() Endpoint {
	r := hansa.Route{Method: "GET", Pattern: "/api/v1/accords/{accord}/kept", Right: hansa.RightRead, Object: "accord", Action: "say of each clause in force whether it is kept, as far as the evidence of this node tells"}
	return Endpoint{Route: r, Serve: a.accordKept, Out: AccordKept{}}
}

func (a *API) accordKept(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	out, err := a.Trials.AccordKept(r.Context(), by, hansa.AccordID(r.PathValue("accord")))
	return answerWith(w, http.StatusOK, out, err)
}
