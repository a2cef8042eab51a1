// Package api is the door for programs: REST under /api/v1, the data endpoints
// under /data/v1, the journal's public tiles, and the OpenAPI 3.1 description of
// them all. Its handlers decode, call one thing and encode; who may come in is
// decided before they are reached, from the routes that [API.Endpoints] declares.
package api

import (
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Limits of what one request may ask for.
const (
	BodyBytesMax    = 8 << 20
	PageMax         = 1000 // records, deliveries or closures in one answer
	PageDefault     = 200
	WaitMax         = 60 * time.Second // of a long poll
	ReceiptsMax     = 1000             // in one post
	PublishMax      = 10_000           // records in one post
	PurposeBytesMax = 200
	QueryBytesMax   = 2000 // of one query parameter
)

// Config is what the API needs of the node. All are required.
type Config struct {
	Data          Data
	Intake        Intake
	Subscriptions Subscriptions
	Open          Open
	Own           Own
	Receipts      Receipts
	Desk          Desk
	Roads         Roads
	Evidence      Evidence
	Operator      Operator
	Admin         Admin
	Invitations   Invitations
	Deals         Deals
	Accords       Accords
	Register      Register
	Adoptions     Adoptions
	Asks          Asks
	Reviews       Reviews
	Offers        Offers
	People        People
	Keyring       Keyring
	Peers         Peers
	Trials        Trials
	Formats       []FormatInfo
	Version       string
	Schemas       map[string][]byte // by file name, served under /schemas/
}

// FormatInfo is one format as a caller can ask for it.
type FormatInfo struct {
	Name      hansa.Format `json:"name"`
	Title     string       `json:"title"`
	MediaType string       `json:"mediaType"`
	Ext       string       `json:"ext"`
	Reads     bool         `json:"reads"`
	Writes    bool         `json:"writes"`
}

// API serves the endpoints.
type API struct{ Config }

// New returns the API over what the node hands it.
func New(cfg Config) *API { return &API{Config: cfg} }

// Handler answers one request of an established actor. What it returns as an
// error is written as the error document.
type Handler func(w http.ResponseWriter, r *http.Request, by hansa.Actor) error

// Endpoint is one route with what answers it and what it speaks: In and Out are
// zero values of the JSON bodies, nil for none.
type Endpoint struct {
	hansa.Route
	Serve  Handler
	In     any
	Out    any
	Query  []Param
	Status int      // of success; 0 is 200
	Media  []string // of the answer, when it is not JSON
}

// Param is one query parameter or header, in words.
type Param struct {
	Name     string
	In       string // query or header; empty is query
	What     string
	Required bool
	Example  string
}

// Endpoints lists every way in, data first. The list is the reference: the
// router, authorisation, the OpenAPI description and the tests are made from it.
func (a *API) Endpoints() []Endpoint {
	all := a.dataEndpoints()
	all = append(all, a.deskEndpoints()...)
	all = append(all, a.dealEndpoints()...)
	all = append(all, a.accordEndpoints()...)
	all = append(all, a.registerEndpoints()...)
	all = append(all, a.adoptEndpoints()...)
	all = append(all, a.askEndpoints()...)
	all = append(all, a.reviewEndpoints()...)
	all = append(all, a.roadEndpoints()...)
	all = append(all, a.adminEndpoints()...)
	all = append(all, a.userEndpoints()...)
	all = append(all, a.connectEndpoints()...)
	all = append(all, a.inviteEndpoints()...)
	all = append(all, a.offerEndpoints()...)
	all = append(all, a.evidenceEndpoints()...)
	all = append(all, a.openDataEndpoints()...)
	return append(all, a.openEndpoints()...)
}
