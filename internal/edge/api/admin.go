package api

import (
	"context"
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
)

// PartyOrder asks for a party on this node.
type PartyOrder struct {
	Name      string          `json:"name"`
	Title     string          `json:"title,omitempty"` // as people read it; the name when empty
	Kind      hansa.PartyKind `json:"kind,omitempty"`  // company when empty
	ID        hansa.PartyID   `json:"id,omitempty"`    // a DID from elsewhere; one of this node when empty
	Zone      string          `json:"zone,omitempty"`
	Contact   string          `json:"contact,omitempty"`
	Languages []string        `json:"languages,omitempty"` // the first for what names none
	Share     float64         `json:"share,omitzero"`      // declared share of routed trips, 0 to 1
	Hosts     []string        `json:"hosts,omitempty"`     // where its webhooks and lists may be called, over https
}

// PartiesBody lists parties.
type PartiesBody struct {
	Parties []hansa.Party `json:"parties"`
}

// Ended is what ended with a party. Its records, evidence and name stay.
type Ended struct {
	Party       string `json:"party"`
	Users       int    `json:"users"`
	Credentials int    `json:"credentials"`
	Flows       int    `json:"flows"` // paused
}

func (a *API) changeParty(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in PartyOrder
	if err := readJSON(r, &in); err != nil {
		return err
	}
	p, err := a.Admin.ChangeParty(r.Context(), by, r.PathValue("party"), in)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, p)
	return nil
}

func (a *API) endParty(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	out, err := a.Admin.EndParty(r.Context(), by, r.PathValue("party"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// Credential is what is known of a program's credential, and its secret once.
type Credential struct {
	ID         string          `json:"id"`
	Party      string          `json:"party"` // its name
	Name       string          `json:"name"`
	Kind       string          `json:"kind"` // bearer, basic or header
	Header     string          `json:"header,omitempty"`
	Rights     []hansa.Right   `json:"rights"`
	Purposes   []hansa.Purpose `json:"purposes,omitempty"`
	Test       bool            `json:"test,omitzero"`
	State      string          `json:"state"` // good, expired, revoked, replaced
	Issued     time.Time       `json:"issued"`
	Expires    time.Time       `json:"expires,omitzero"`
	LastUsed   time.Time       `json:"lastUsed,omitzero"`
	ReplacedBy string          `json:"replacedBy,omitempty"`
	Secret     string          `json:"secret,omitempty"` // in the answer that issued it, and never again
}

// CredentialOrder asks for a credential.
type CredentialOrder struct {
	Party    string          `json:"party,omitempty"` // by name; the caller's own when empty
	Name     string          `json:"name"`
	Kind     string          `json:"kind,omitempty"` // bearer when empty
	Header   string          `json:"header,omitempty"`
	Rights   []hansa.Right   `json:"rights,omitempty"` // read and receipt when empty
	Purposes []hansa.Purpose `json:"purposes,omitempty"`
	Test     bool            `json:"test,omitzero"`
	Days     int             `json:"days,omitzero"` // until it expires; 0 is never
}

// RotateOrder says how long the old secret stays good.
type RotateOrder struct {
	OverlapSeconds int64 `json:"overlapSeconds,omitzero"`
}

// CredentialsBody lists credentials.
type CredentialsBody struct {
	Credentials []Credential `json:"credentials"`
}

// DatasetOrder asks for a dataset, or changes the one of that name.
type DatasetOrder struct {
	Party    string            `json:"party,omitempty"`
	Name     string            `json:"name"`
	Title    map[string]string `json:"title,omitempty"`
	Kind     hansa.RecordKind  `json:"kind,omitempty"` // situation when empty
	Update   hansa.Duration    `json:"update,omitzero"`
	Licence  string            `json:"licence,omitempty"`
	Holder   string            `json:"holder,omitempty"`
	AgeMax   hansa.Duration    `json:"ageMax,omitzero"`
	BytesMax int64             `json:"bytesMax,omitzero"`
	// What a catalogue says of it besides; see [hansa.Dataset].
	Description map[string]string `json:"description,omitempty"`
	Themes      []string          `json:"themes,omitempty"`
	Coverage    string            `json:"coverage,omitempty"`
	HighValue   string            `json:"highValue,omitempty"`
	Contact     string            `json:"contact,omitempty"`
	Relays      []string          `json:"relays,omitempty"` // what a hub gathers in it
}

// FlowOrder asks for a flow from the caller's party, or changes the one of that name.
type FlowOrder struct {
	From    string         `json:"from,omitempty"` // by name; the caller's own when empty
	To      string         `json:"to"`             // by name
	Name    string         `json:"name"`
	Dataset string         `json:"dataset"`
	Limit   hansa.Duration `json:"limit,omitzero"`
	Test    bool           `json:"test,omitzero"`
	Terms   hansa.Terms    `json:"terms"`
}

// FeedOrder asks for a source, or changes the one of that name.
type FeedOrder struct {
	Party   string         `json:"party,omitempty"`
	Name    string         `json:"name"`
	Dataset string         `json:"dataset"`
	URL     string         `json:"url,omitempty"`
	Path    string         `json:"path,omitempty"`   // on the node's machine; for its operator alone
	Format  hansa.Format   `json:"format,omitempty"` // empty lets the answer tell
	Kind    string         `json:"kind,omitempty"`   // snapshot when empty, or delta
	Every   hansa.Duration `json:"every,omitzero"`   // a minute when 0
	Silent  hansa.Duration `json:"silent,omitzero"`
	Zone    string         `json:"zone,omitempty"`
}

// Feed is a source with how it does.
type Feed struct {
	hansa.FeedState
	DatasetName string         `json:"datasetName"`
	URL         string         `json:"url,omitempty"`
	Path        string         `json:"path,omitempty"`
	Format      hansa.Format   `json:"format,omitempty"`
	Kind        string         `json:"kind"`
	Every       hansa.Duration `json:"every"`
	Zone        string         `json:"zone,omitempty"`
}

// FeedAnswer is the last good or bad answer of a source, kept to look at.
type FeedAnswer struct {
	At    time.Time `json:"at"`
	Whole bool      `json:"whole"`
	Why   string    `json:"why,omitempty"`
	Body  string    `json:"body"`
}

// FeedDetail is a source with its answers.
type FeedDetail struct {
	Feed
	Good *FeedAnswer `json:"good,omitempty"`
	Bad  *FeedAnswer `json:"bad,omitempty"`
}

// FeedsBody lists sources.
type FeedsBody struct {
	Feeds []Feed `json:"feeds"`
}

// Trial is what one answer of a source would give.
type Trial struct {
	In      int           `json:"in"`
	Taken   int           `json:"taken"`
	Refused int           `json:"refused"`
	Broken  string        `json:"broken,omitempty"`
	Type    string        `json:"type,omitempty"`
	Records []TrialRecord `json:"records"`
	Errors  []*ErrorBody  `json:"errors"`
}

// TrialRecord is one mapped record of a [Trial].
type TrialRecord struct {
	ID       string          `json:"id"`
	Says     string          `json:"says"` // in one line
	Findings []hansa.Finding `json:"findings"`
}

// Admin keeps what a party decides about itself: credentials, datasets, sources
// and flows; and what the operator decides of parties. A foreign object is NotFound.
type Admin interface { //nolint:interfacebloat // one table of acts; splitting it would name nothing
	Parties(ctx context.Context, by hansa.Actor) ([]hansa.Party, error)
	AddParty(ctx context.Context, by hansa.Actor, o PartyOrder) (hansa.Party, error)
	// ChangeParty changes what o says; what it leaves empty stays, hosts are added.
	ChangeParty(ctx context.Context, by hansa.Actor, name string, o PartyOrder) (hansa.Party, error)
	// EndParty ends its users and credentials, and pauses every flow from and to it.
	EndParty(ctx context.Context, by hansa.Actor, name string) (Ended, error)
	Credentials(ctx context.Context, by hansa.Actor, party string) ([]Credential, error)
	AddCredential(ctx context.Context, by hansa.Actor, o CredentialOrder) (Credential, error)
	RotateCredential(ctx context.Context, by hansa.Actor, id string, overlap time.Duration) (Credential, error)
	RevokeCredential(ctx context.Context, by hansa.Actor, id string) error
	SaveDataset(ctx context.Context, by hansa.Actor, o DatasetOrder) (hansa.Dataset, error)
	SaveFlow(ctx context.Context, by hansa.Actor, o FlowOrder) (FlowInfo, error)
	PauseFlow(ctx context.Context, by hansa.Actor, name string, paused bool) (FlowInfo, error)
	Feeds(ctx context.Context, by hansa.Actor) ([]Feed, error)
	Feed(ctx context.Context, by hansa.Actor, name string) (FeedDetail, error)
	SaveFeed(ctx context.Context, by hansa.Actor, o FeedOrder) (Feed, error)
	TryFeed(ctx context.Context, by hansa.Actor, o FeedOrder) (Trial, error)
	PauseFeed(ctx context.Context, by hansa.Actor, name string, paused bool) (Feed, error)
	RemoveFeed(ctx context.Context, by hansa.Actor, name string) error
}

func (a *API) adminEndpoints() []Endpoint {
	route := func(method, path, object, action string, right hansa.Right, body int64) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/api/v1" + path, Right: right, Object: object, Action: action, BodyMax: body}
	}
	const small = 64 << 10
	ofParty := []Param{{Name: "party", What: "A party's name; empty is the caller's own.", Example: "navco"}}
	pause := func(what, action string, serve Handler, out any) Endpoint {
		return Endpoint{Route: route("POST", what, "node", action, hansa.RightManage, 0), Serve: serve, Out: out}
	}
	return []Endpoint{
		{Route: route("GET", "/parties", "node", "list the parties that the caller deals with", hansa.RightRead, 0), Serve: a.parties, Out: PartiesBody{}},
		{Route: route("POST", "/parties", "node", "add a party to this node", hansa.RightAdmin, small), Serve: take(a, Admin.AddParty, http.StatusCreated), In: PartyOrder{}, Out: hansa.Party{}, Status: http.StatusCreated},
		{Route: route("POST", "/parties/{party}", "node", "change a party of this node", hansa.RightAdmin, small), Serve: a.changeParty, In: PartyOrder{}, Out: hansa.Party{}},
		{Route: route("POST", "/parties/{party}/revoke", "node", "end a party's users and credentials, and pause its flows", hansa.RightAdmin, small), Serve: a.endParty, Out: Ended{}},
		{Route: route("GET", "/credentials", "node", "list a party's credentials", hansa.RightManage, 0), Serve: a.credentials, Out: CredentialsBody{}, Query: ofParty},
		{Route: route("POST", "/credentials", "node", "issue a credential; its secret is shown once", hansa.RightManage, small), Serve: take(a, Admin.AddCredential, http.StatusCreated), In: CredentialOrder{}, Out: Credential{}, Status: http.StatusCreated},
		{Route: route("POST", "/credentials/{credential}/rotate", "node", "replace a credential's secret", hansa.RightManage, small), Serve: a.rotate, In: RotateOrder{}, Out: Credential{}},
		{Route: route("POST", "/credentials/{credential}/revoke", "node", "end a credential at once", hansa.RightManage, 0), Serve: a.revoke, Status: http.StatusNoContent},
		{Route: route("POST", "/datasets", "node", "add a dataset, or change the one of that name", hansa.RightManage, small), Serve: take(a, Admin.SaveDataset, http.StatusOK), In: DatasetOrder{}, Out: hansa.Dataset{}},
		{Route: route("POST", "/flows", "node", "add a flow, or change the one of that name", hansa.RightManage, small), Serve: take(a, Admin.SaveFlow, http.StatusOK), In: FlowOrder{}, Out: FlowInfo{}},
		pause("/flows/{name}/pause", "stop giving a flow", a.pauseFlow(true), FlowInfo{}),
		pause("/flows/{name}/resume", "give a flow again", a.pauseFlow(false), FlowInfo{}),
		{Route: route("GET", "/feeds", "node", "list the sources and how they do", hansa.RightControl, 0), Serve: a.feeds, Out: FeedsBody{}},
		{Route: route("POST", "/feeds", "node", "add a source, or change the one of that name", hansa.RightManage, small), Serve: take(a, Admin.SaveFeed, http.StatusOK), In: FeedOrder{}, Out: Feed{}},
		{Route: route("POST", "/trials", "node", "ask a source once, and store nothing", hansa.RightManage, small), Serve: take(a, Admin.TryFeed, http.StatusOK), In: FeedOrder{}, Out: Trial{}},
		{Route: route("GET", "/feeds/{feed}", "node", "show a source with its last good and bad answer", hansa.RightControl, 0), Serve: a.feed, Out: FeedDetail{}},
		pause("/feeds/{feed}/pause", "ask a source no more for a while", a.pauseFeed(true), Feed{}),
		pause("/feeds/{feed}/resume", "ask a source again", a.pauseFeed(false), Feed{}),
		{Route: route("DELETE", "/feeds/{feed}", "node", "remove a source; what it gave stays", hansa.RightManage, 0), Serve: a.removeFeed, Status: http.StatusNoContent},
	}
}

// take makes a handler of an act that takes a JSON order.
func take[In, Out any](a *API, act func(Admin, context.Context, hansa.Actor, In) (Out, error), status int) Handler {
	return func(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
		var in In
		if err := readJSON(r, &in); err != nil {
			return err
		}
		out, err := act(a.Admin, r.Context(), by, in)
		if err != nil {
			return err
		}
		writeJSON(w, status, out)
		return nil
	}
}

func (a *API) parties(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Admin.Parties(r.Context(), by)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, PartiesBody{Parties: list})
	return nil
}

func (a *API) credentials(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	party, err := text(r, "party")
	if err != nil {
		return err
	}
	list, err := a.Admin.Credentials(r.Context(), by, party)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, CredentialsBody{Credentials: list})
	return nil
}

func (a *API) rotate(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in RotateOrder
	if r.ContentLength != 0 {
		if err := readJSON(r, &in); err != nil {
			return err
		}
	}
	c, err := a.Admin.RotateCredential(r.Context(), by, r.PathValue("credential"), time.Duration(in.OverlapSeconds)*time.Second)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, c)
	return nil
}

func (a *API) revoke(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	if err := a.Admin.RevokeCredential(r.Context(), by, r.PathValue("credential")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) pauseFlow(paused bool) Handler {
	return func(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
		f, err := a.Admin.PauseFlow(r.Context(), by, r.PathValue("name"), paused)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, f)
		return nil
	}
}

func (a *API) feeds(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Admin.Feeds(r.Context(), by)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, FeedsBody{Feeds: list})
	return nil
}

func (a *API) feed(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	f, err := a.Admin.Feed(r.Context(), by, r.PathValue("feed"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, f)
	return nil
}

func (a *API) pauseFeed(paused bool) Handler {
	return func(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
		f, err := a.Admin.PauseFeed(r.Context(), by, r.PathValue("feed"), paused)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, f)
		return nil
	}
}

func (a *API) removeFeed(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	if err := a.Admin.RemoveFeed(r.Context(), by, r.PathValue("feed")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
