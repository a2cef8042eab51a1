package api

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// Negotiation is a contract negotiation as its own side sees it.
type Negotiation struct {
	ID         string         `json:"id"`
	Pid        string         `json:"pid,omitempty"` // what the other side calls it
	Party      string         `json:"party"`         // own, by name
	Side       hansa.Side     `json:"side"`          // what own is
	Other      hansa.PartyID  `json:"other"`
	OtherTitle string         `json:"otherTitle"`
	Address    string         `json:"address"` // where the other side receives
	State      string         `json:"state"`
	Turn       string         `json:"turn,omitempty"`       // own or other; empty when it has ended
	Waits      string         `json:"waits,omitempty"`      // what a person of this side is asked
	Can        []string       `json:"can"`                  // what own may do now
	Target     string         `json:"target"`               // the dataset, by its owner's name for it
	TargetName string         `json:"targetName,omitempty"` // what it is called here, where it is an own one
	OfferBy    hansa.Side     `json:"offerBy,omitempty"`
	Offer      jsontext.Value `json:"offer,omitzero"`
	Words      []string       `json:"words,omitempty"` // the offer's rules, or the agreement's, in words
	Agreement  string         `json:"agreement,omitempty"`
	Automatic  bool           `json:"automatic,omitzero"`
	Code       string         `json:"code,omitempty"` // why it ended
	Reason     []string       `json:"reason,omitempty"`
	EndedBy    hansa.Side     `json:"endedBy,omitempty"`
	Purpose    hansa.Purpose  `json:"purpose,omitempty"` // what own asks for it for; as consumer
	Dataset    string         `json:"dataset,omitempty"` // own dataset that is filled
	Then       string         `json:"then,omitempty"`
	Parked     string         `json:"parked,omitempty"` // why a message does not arrive
	Began      time.Time      `json:"began"`
	Changed    time.Time      `json:"changed"`
}

// NegotiationOrder asks another participant for an agreement, or offers one.
type NegotiationOrder struct {
	Party   string         `json:"party,omitempty"`   // own, by name; the caller's when empty
	Peer    string         `json:"peer"`              // a peer by name or id, or the address of its connector
	Offer   string         `json:"offer,omitempty"`   // the offer's id in the peer's catalogue, or an own one that is offered
	Target  string         `json:"target,omitempty"`  // its dataset; looked up when empty
	Policy  jsontext.Value `json:"policy,omitzero"`   // other rules than the offer's
	Provide bool           `json:"provide,omitzero"`  // offer an own dataset instead of asking for one
	Purpose hansa.Purpose  `json:"purpose,omitempty"` // what for; narrows the offer to it
	Dataset string         `json:"dataset,omitempty"` // own dataset that is filled; made when it is not there
	Kind    string         `json:"kind,omitempty"`    // of a dataset that is made: situation when empty
	Then    string         `json:"then,omitempty"`    // the distribution format of the transfer that follows by itself
}

// ProcessAct is what a person decides in a process.
type ProcessAct struct {
	Code   string         `json:"code,omitempty"`
	Reason []string       `json:"reason,omitempty"` // goes over the wire
	Policy jsontext.Value `json:"policy,omitzero"`  // of an offer or a request
}

// Agreement is a contract agreement.
type Agreement struct {
	ID         string         `json:"id"`
	Party      string         `json:"party"`
	Side       hansa.Side     `json:"side"`
	Other      hansa.PartyID  `json:"other"`
	OtherTitle string         `json:"otherTitle"`
	Process    string         `json:"process"`
	Target     string         `json:"target"`
	Hash       string         `json:"hash"`
	Policy     jsontext.Value `json:"policy"`
	Words      []string       `json:"words"`
	// Purposes are those that it permits; none where it does not say.
	Purposes []hansa.Purpose `json:"purposes,omitempty"`
	At       time.Time       `json:"at"`
	Ended    time.Time       `json:"ended,omitzero"`
}

// Transfer is a transfer process as its own side sees it.
type Transfer struct {
	ID         string        `json:"id"`
	Pid        string        `json:"pid,omitempty"`
	Party      string        `json:"party"`
	Side       hansa.Side    `json:"side"`
	Other      hansa.PartyID `json:"other"`
	OtherTitle string        `json:"otherTitle"`
	Agreement  string        `json:"agreement"`
	Format     string        `json:"format"`
	State      string        `json:"state"`
	Turn       string        `json:"turn,omitempty"`
	Waits      string        `json:"waits,omitempty"`
	Can        []string      `json:"can"`
	Flow       hansa.FlowID  `json:"flow,omitempty"`    // that it opened; as provider
	Dataset    string        `json:"dataset,omitempty"` // own dataset that it fills; as consumer
	Code       string        `json:"code,omitempty"`
	Reason     []string      `json:"reason,omitempty"`
	EndedBy    hansa.Side    `json:"endedBy,omitempty"`
	Parked     string        `json:"parked,omitempty"`
	Problem    string        `json:"problem,omitempty"` // why its data does not come
	Began      time.Time     `json:"began"`
	Changed    time.Time     `json:"changed"`
}

// TransferOrder asks for data under an agreement.
type TransferOrder struct {
	Party     string        `json:"party,omitempty"`
	Agreement string        `json:"agreement"`
	Format    string        `json:"format,omitempty"` // HttpData-PULL when empty
	Purpose   hansa.Purpose `json:"purpose,omitempty"`
	Dataset   string        `json:"dataset,omitempty"` // own dataset that is filled; made when it is not there
	Kind      string        `json:"kind,omitempty"`
}

// ProcessMessage is one message of a process, as the inspector shows it.
type ProcessMessage struct {
	N         int64          `json:"n"`
	At        time.Time      `json:"at"`
	Direction string         `json:"direction"` // out or in
	Kind      string         `json:"kind"`
	URL       string         `json:"url"`
	State     string         `json:"state"` // waits, delivered, parked, void, received, refused
	After     string         `json:"after"` // the process's state that it led to
	Status    int            `json:"status,omitzero"`
	Tries     int            `json:"tries,omitzero"`
	Next      time.Time      `json:"next,omitzero"`
	Done      time.Time      `json:"done,omitzero"`
	Reason    string         `json:"reason,omitempty"`
	Body      jsontext.Value `json:"body,omitzero"`
	Answer    string         `json:"answer,omitempty"`
}

// Process is a process with its messages.
type Process struct {
	ID          string           `json:"id"`
	Negotiation *Negotiation     `json:"negotiation,omitempty"`
	Transfer    *Transfer        `json:"transfer,omitempty"`
	Messages    []ProcessMessage `json:"messages"`
}

// NegotiationsBody lists negotiations.
type NegotiationsBody struct {
	Negotiations []Negotiation `json:"negotiations"`
}

// AgreementsBody lists agreements.
type AgreementsBody struct {
	Agreements []Agreement `json:"agreements"`
}

// TransfersBody lists transfers.
type TransfersBody struct {
	Transfers []Transfer `json:"transfers"`
}

// CatalogOrder asks for another participant's catalogue.
type CatalogOrder struct {
	Party string `json:"party,omitempty"`
	Peer  string `json:"peer"` // by name or id, or the address of its connector
	Page  string `json:"page,omitempty"`
}

// CatalogAnswer is a page of another participant's catalogue.
type CatalogAnswer struct {
	Peer        string         `json:"peer"` // as it is kept now, by name
	Title       string         `json:"title"`
	Participant hansa.PartyID  `json:"participant"`
	Catalog     jsontext.Value `json:"catalog,omitzero"` // as it came
	Next        string         `json:"next,omitempty"`
	// Datasets are those of the page, in words; nested catalogues too.
	Datasets []RemoteDataset `json:"datasets"`
}

// RemoteDataset is a dataset of another participant's catalogue, in words.
type RemoteDataset struct {
	ID          string        `json:"id"`
	Title       string        `json:"title,omitempty"`
	Description string        `json:"description,omitempty"`
	Licence     string        `json:"licence,omitempty"`
	Formats     []string      `json:"formats"` // how its data can be had
	Offers      []RemoteOffer `json:"offers"`
}

// RemoteOffer is an offer of it. One that this node could not hold to says so in
// its words.
type RemoteOffer struct {
	ID        string          `json:"id"`
	Words     []string        `json:"words"`
	Purposes  []hansa.Purpose `json:"purposes,omitempty"`
	Automatic bool            `json:"automatic,omitzero"` // its owner says that no person need be asked
}

// ProcessQuery says which processes are listed.
type ProcessQuery struct {
	State string
	Waits bool // those that wait for a person of this side
	Open  bool
	Limit int
}

// Deals is the control way as people and programs of a party steer it. What is not
// the caller's party's is NotFound.
type Deals interface { //nolint:interfacebloat // one table of acts; splitting it would name nothing
	Catalog(ctx context.Context, by hansa.Actor, o CatalogOrder) (CatalogAnswer, error)
	Negotiations(ctx context.Context, by hansa.Actor, q ProcessQuery) ([]Negotiation, error)
	Negotiate(ctx context.Context, by hansa.Actor, o NegotiationOrder) (Negotiation, error)
	NegotiationByID(ctx context.Context, by hansa.Actor, id string) (Negotiation, error)
	ActNegotiation(ctx context.Context, by hansa.Actor, id, act string, a ProcessAct) (Negotiation, error)
	Agreements(ctx context.Context, by hansa.Actor, limit int) ([]Agreement, error)
	// EndAgreement ends the own side of an agreement, and the transfers under it.
	EndAgreement(ctx context.Context, by hansa.Actor, id string, a ProcessAct) (Agreement, error)
	Transfers(ctx context.Context, by hansa.Actor, q ProcessQuery) ([]Transfer, error)
	RequestTransfer(ctx context.Context, by hansa.Actor, o TransferOrder) (Transfer, error)
	TransferByID(ctx context.Context, by hansa.Actor, id string) (Transfer, error)
	ActTransfer(ctx context.Context, by hansa.Actor, id, act string, a ProcessAct) (Transfer, error)
	Inspect(ctx context.Context, by hansa.Actor, id string) (Process, error)
	RetryProcess(ctx context.Context, by hansa.Actor, id string) (int, error)
	// ExplainOffer says what an own offer would come to for a party.
	ExplainOffer(ctx context.Context, by hansa.Actor, offer, party string, purpose hansa.Purpose) (OfferExplained, error)
	// WaitProcess returns when a process has changed since its time, or ctx ends.
	WaitProcess(ctx context.Context, by hansa.Actor, id string, since time.Time, most time.Duration) error
}

func (a *API) dealEndpoints() []Endpoint {
	r := func(method, path, object, action string, right hansa.Right, body int64) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/api/v1" + path, Right: right, Object: object, Action: action, BodyMax: body}
	}
	wait := r("GET", "/processes/{process}/wait", "process", "hang until a process changes", hansa.RightRead, 0)
	wait.Slow = true
	list := []Param{{Name: "state", What: "REQUESTED, STARTED and so on."}, {Name: "waits", What: "true lists those that wait for a person of yours."}, {Name: "open", What: "true lists those that have not ended."}, {Name: "limit", What: "1 to 1000.", Example: "100"}}
	return []Endpoint{
		{Route: r("POST", "/catalog/request", "node", "ask for another participant's catalogue", hansa.RightManage, 16<<10), Serve: a.remoteCatalog, In: CatalogOrder{}, Out: CatalogAnswer{}},
		{Route: r("GET", "/negotiations", "node", "list the party's negotiations", hansa.RightRead, 0), Serve: a.negotiations, Out: NegotiationsBody{}, Query: list},
		{Route: r("POST", "/negotiations", "node", "ask another participant for an agreement", hansa.RightManage, 1<<20), Serve: a.openNegotiation, In: NegotiationOrder{}, Out: Negotiation{}, Status: http.StatusCreated},
		{Route: r("GET", "/negotiations/{process}", "process", "show a negotiation", hansa.RightRead, 0), Serve: a.negotiationByID, Out: Negotiation{}},
		{Route: r("POST", "/negotiations/{process}/{act}", "process", "accept, agree, counter, verify, finalize or end a negotiation", hansa.RightManage, 1<<20), Serve: a.actNegotiation, In: ProcessAct{}, Out: Negotiation{}},
		{Route: r("GET", "/agreements", "node", "list the party's agreements", hansa.RightRead, 0), Serve: a.agreements, Out: AgreementsBody{}},
		{Route: r("POST", "/agreements/{agreement}/end", "node", "end an agreement, and the transfers under it", hansa.RightManage, 64<<10), Serve: a.endAgreement, In: ProcessAct{}, Out: Agreement{}},
		{Route: r("GET", "/transfers", "node", "list the party's transfers", hansa.RightRead, 0), Serve: a.transfers, Out: TransfersBody{}, Query: list},
		{Route: r("POST", "/transfers", "node", "ask for data under an agreement", hansa.RightManage, 16<<10), Serve: a.requestTransfer, In: TransferOrder{}, Out: Transfer{}, Status: http.StatusCreated},
		{Route: r("GET", "/transfers/{process}", "process", "show a transfer", hansa.RightRead, 0), Serve: a.transferByID, Out: Transfer{}},
		{Route: r("POST", "/transfers/{process}/{act}", "process", "start, suspend, complete or end a transfer", hansa.RightManage, 64<<10), Serve: a.actTransfer, In: ProcessAct{}, Out: Transfer{}},
		{Route: r("GET", "/processes/{process}", "process", "show a process with every message", hansa.RightRead, 0), Serve: a.inspect, Out: Process{}},
		{Route: wait, Serve: a.waitProcess, Out: Process{}, Query: []Param{{Name: "since", What: "The time of the last change that you know."}, {Name: "wait", What: "Seconds, 0 to 60.", Example: "30"}}},
		{Route: r("POST", "/processes/{process}/retry", "process", "send messages that do not arrive again", hansa.RightManage, 1<<10), Serve: a.retryProcess, Out: Counted{}},
		a.explainEndpoint(),
		a.explainAccordEndpoint(),
		a.accordKeptEndpoint(),
	}
}

func processQuery(r *http.Request) (q ProcessQuery, err error) {
	if q.State, err = text(r, "state"); err != nil {
		return q, err
	}
	q.Waits, q.Open = r.URL.Query().Get("waits") == "true", r.URL.Query().Get("open") == "true"
	q.Limit, err = count(r, "limit", PageDefault, PageMax)
	return q, err
}

// answerWith writes what a call returned.
func answerWith[T any](w http.ResponseWriter, status int, v T, err error) error {
	if err != nil {
		return err
	}
	writeJSON(w, status, v)
	return nil
}

func (a *API) remoteCatalog(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var o CatalogOrder
	if err := readJSON(r, &o); err != nil {
		return err
	}
	out, err := a.Deals.Catalog(r.Context(), by, o)
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) negotiations(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	q, err := processQuery(r)
	if err != nil {
		return err
	}
	list, err := a.Deals.Negotiations(r.Context(), by, q)
	return answerWith(w, http.StatusOK, NegotiationsBody{list}, err)
}

func (a *API) openNegotiation(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var o NegotiationOrder
	if err := readJSON(r, &o); err != nil {
		return err
	}
	out, err := a.Deals.Negotiate(r.Context(), by, o)
	return answerWith(w, http.StatusCreated, out, err)
}

func (a *API) negotiationByID(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	out, err := a.Deals.NegotiationByID(r.Context(), by, r.PathValue("process"))
	return answerWith(w, http.StatusOK, out, err)
}

// act reads what a person decides; no body decides without words.
func act(r *http.Request) (a ProcessAct, err error) {
	if r.ContentLength == 0 {
		return a, nil
	}
	return a, readJSON(r, &a)
}

func (a *API) actNegotiation(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	in, err := act(r)
	if err != nil {
		return err
	}
	out, err := a.Deals.ActNegotiation(r.Context(), by, r.PathValue("process"), r.PathValue("act"), in)
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) agreements(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	limit, err := count(r, "limit", PageDefault, PageMax)
	if err != nil {
		return err
	}
	list, err := a.Deals.Agreements(r.Context(), by, limit)
	return answerWith(w, http.StatusOK, AgreementsBody{list}, err)
}

func (a *API) endAgreement(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	in, err := act(r)
	if err != nil {
		return err
	}
	out, err := a.Deals.EndAgreement(r.Context(), by, r.PathValue("agreement"), in)
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) transfers(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	q, err := processQuery(r)
	if err != nil {
		return err
	}
	list, err := a.Deals.Transfers(r.Context(), by, q)
	return answerWith(w, http.StatusOK, TransfersBody{list}, err)
}

func (a *API) requestTransfer(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var o TransferOrder
	if err := readJSON(r, &o); err != nil {
		return err
	}
	out, err := a.Deals.RequestTransfer(r.Context(), by, o)
	return answerWith(w, http.StatusCreated, out, err)
}

func (a *API) transferByID(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	out, err := a.Deals.TransferByID(r.Context(), by, r.PathValue("process"))
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) actTransfer(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	in, err := act(r)
	if err != nil {
		return err
	}
	out, err := a.Deals.ActTransfer(r.Context(), by, r.PathValue("process"), r.PathValue("act"), in)
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) inspect(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	out, err := a.Deals.Inspect(r.Context(), by, r.PathValue("process"))
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) waitProcess(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	most, err := wait(r)
	if err != nil {
		return err
	}
	since := time.Time{}
	if s := r.URL.Query().Get("since"); s != "" {
		if since, err = time.Parse(time.RFC3339Nano, s); err != nil {
			return hansa.Fielded("?since", "since is a time such as 2026-11-23T10:00:00Z, not %q", s)
		}
	}
	id := r.PathValue("process")
	if err := a.Deals.WaitProcess(r.Context(), by, id, since, most); err != nil {
		return err
	}
	out, err := a.Deals.Inspect(r.Context(), by, id)
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) retryProcess(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	n, err := a.Deals.RetryProcess(r.Context(), by, r.PathValue("process"))
	return answerWith(w, http.StatusOK, Counted{n}, err)
}
