package api

import (
	"context"
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Trials say what accords come to: on the real records of the last day, and by what was
// handed over and answered since.
type Trials interface {
	// ExplainAccord holds an accord that by's party takes part in against what it has: who
	// would get what, and why not. version is the hash of one of its versions; empty is
	// the one in force, and before there is one, the proposed one. purpose is what is asked
	// for; empty is the first that each flow is agreed for.
	ExplainAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID, version string, purpose hansa.Purpose) (AccordExplained, error)
	// AccordKept says of each clause in force whether it is kept.
	AccordKept(ctx context.Context, by hansa.Actor, id hansa.AccordID) (AccordKept, error)
}

// AccordExplained says what an accord comes to: flow by flow, on the records of the
// last day.
type AccordExplained struct {
	Accord  hansa.AccordID    `json:"accord"`
	Version string            `json:"version"` // its hash
	State   hansa.AccordState `json:"state"`
	At      time.Time         `json:"at"`    // as if it were asked then
	Since   time.Time         `json:"since"` // records that were received from then on
	Flows   []FlowExplained   `json:"flows"`
}

// FlowExplained is one flow of an accord, as its giver's gate decides. Of a flow that
// the party receives the records are the giver's to know, and not counted.
type FlowExplained struct {
	Flow      hansa.FlowID    `json:"flow"`
	Name      string          `json:"name"`
	From      hansa.PartyID   `json:"from"`
	FromTitle string          `json:"fromTitle"`
	To        hansa.PartyID   `json:"to"`
	ToTitle   string          `json:"toTitle"`
	Dataset   string          `json:"dataset"`
	State     string          `json:"state"` // open, paused, refused or closed
	Why       string          `json:"why,omitempty"`
	Gives     bool            `json:"gives"` // the party that asks is the giver
	Terms     *hansa.Terms    `json:"terms,omitzero"`
	Purpose   hansa.Purpose   `json:"purpose,omitempty"` // that the records were asked for
	Records   int             `json:"records"`
	Pass      int             `json:"pass"`
	Trim      int             `json:"trim"`
	Deny      int             `json:"deny"`
	Rules     []RuleExplained `json:"rules"`
	Formats   []FormatCount   `json:"formats"`
	Problem   string          `json:"problem,omitempty"` // why it does not come, though it is open
	Metered   []Metered       `json:"metered"`
}

// RuleExplained is how many records one rule decided, with some of them by id.
type RuleExplained struct {
	Rule    hansa.Rule `json:"rule"`
	Outcome string     `json:"outcome"` // pass, trim, deny
	Words   string     `json:"words"`
	N       int        `json:"n"`
	Records []string   `json:"examples"`
	Clauses []int      `json:"clauses"` // of the version, that the rule holds to, by their numbers
}

// FormatCount is how many of the records that leave a format can say.
type FormatCount struct {
	Format hansa.Format `json:"format"`
	Says   int          `json:"says"`
	Not    int          `json:"not"` // it cannot say them; they are told as withheld
}

// Metered is what left by a flow in a month.
type Metered struct {
	Month    string `json:"month"` // 2026-11
	Records  int64  `json:"records"`
	Bytes    int64  `json:"bytes"`
	Requests int64  `json:"requests"`
}

func (a *API) explainAccordEndpoint() Endpoint {
	r := hansa.Route{Method: "GET", Pattern: "/api/v1/accords/{accord}/explain", Right: hansa.RightRead, Object: "accord", Action: "say who would get what by an accord, and why not, on the records of the last day"}
	return Endpoint{Route: r, Serve: a.explainAccord, Out: AccordExplained{}, Query: []Param{{Name: "version", What: "The hash of a version; empty is the one in force, or that which is proposed."}, {Name: "purpose", What: "What it would be asked for; the first purpose that each flow is agreed for when empty.", Example: "research"}}}
}

func (a *API) explainAccord(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	version, err := text(r, "version")
	if err != nil {
		return err
	}
	purpose, err := text(r, "purpose")
	if err != nil {
		return err
	}
	out, err := a.Trials.ExplainAccord(r.Context(), by, hansa.AccordID(r.PathValue("accord")), version, hansa.Purpose(purpose))
	return answerWith(w, http.StatusOK, out, err)
}
