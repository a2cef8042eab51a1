package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// Accord is an accord as own's copy has it.
type Accord struct {
	ID        hansa.AccordID    `json:"id"`
	Party     string            `json:"party"` // own, by name
	Me        hansa.PartyID     `json:"me"`    // what the texts call own
	Title     accord.Words      `json:"title"`
	Model     hansa.Model       `json:"model"`
	State     hansa.AccordState `json:"state"`
	Since     time.Time         `json:"since,omitzero"`
	End       hansa.AccordEnd   `json:"end,omitempty"`
	EndedBy   hansa.PartyID     `json:"endedBy,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	Keeper    hansa.PartyID     `json:"keeper"`
	Handing   hansa.PartyID     `json:"handing,omitempty"` // to whom the keeper offers the keeping
	Opener    hansa.PartyID     `json:"opener"`
	Version   int               `json:"version"`
	Proposed  string            `json:"proposed,omitempty"` // SHA-256 of the newest version
	Force     string            `json:"force,omitempty"`    // of that in force
	Effect    time.Time         `json:"effect,omitzero"`    // since when
	N         int64             `json:"n"`                  // of the last entry
	Head      string            `json:"head,omitempty"`     // its hash
	Turn      []hansa.PartyID   `json:"turn"`               // whose it is
	Mine      bool              `json:"mine"`               // own's among them
	TurnSince time.Time         `json:"turnSince,omitzero"`
	May       []accord.Kind     `json:"may"` // what own may do now
	Parties   []AccordParty     `json:"parties"`
	Due       []AccordDue       `json:"due"` // the days that its parties should not miss, the next first
	// What own said that the keeper has not numbered, the newest first, and what it
	// refused.
	Sent []AccordSent `json:"sent"`
}

// AccordParty is a party of an accord.
type AccordParty struct {
	ID        hansa.PartyID   `json:"id"`
	Title     string          `json:"title"`
	Role      hansa.PartyRole `json:"role"`
	Signed    time.Time       `json:"signed,omitzero"` // the proposed version
	Suspended bool            `json:"suspended,omitzero"`
	Member    bool            `json:"member,omitzero"` // it joined
	Left      time.Time       `json:"left,omitzero"`
	Stuck     string          `json:"stuck,omitempty"` // why what it is told does not arrive; of the keeper's copy
}

// AccordDue is a day of an accord in force, or of a key that signed it.
type AccordDue struct {
	What string          `json:"what"` // review, notice, trial, end or key
	Day  string          `json:"day"`  // in the zone of the accord
	At   time.Time       `json:"at"`
	By   []hansa.PartyID `json:"by"` // whose matter it is
	Soon bool            `json:"soon"`
	Key  string          `json:"key,omitempty"` // that expires
}

// AccordSent is an own message on its way to the keeper.
type AccordSent struct {
	ID     string      `json:"id"`
	Kind   accord.Kind `json:"kind"`
	At     time.Time   `json:"at"`
	State  string      `json:"state"` // waits or refused
	Stuck  string      `json:"stuck,omitempty"`
	Reason string      `json:"reason,omitempty"`
	Hint   string      `json:"hint,omitempty"`
}

// AccordDetail is an accord with what it says and how it stands.
type AccordDetail struct {
	Accord
	Text       jsontext.Value       `json:"text"`                 // of the proposed version, canonical
	InForce    jsontext.Value       `json:"textInForce,omitzero"` // where it is another
	Signatures []accord.Signature   `json:"signatures"`           // over the proposed version
	Findings   []hansa.Finding      `json:"findings"`             // what keeps the proposed version from being signed, or should
	Verdicts   []AccordVerdict      `json:"verdicts"`
	Suspended  []AccordSuspension   `json:"suspensions"`
	Confirmed  []AccordConfirmation `json:"confirmed"`
	Service    *accord.Service      `json:"service,omitempty"`
	Objection  *accord.Service      `json:"objection,omitempty"`
	// Acknowledged are those to whom it was served that know the authority as such: what
	// they give has started.
	Acknowledged []hansa.PartyID `json:"acknowledged,omitempty"`
	Until        string          `json:"until,omitempty"` // its last day, once an end was announced
	Early        *AccordEarly    `json:"early,omitempty"` // the end was announced for a day before the notice is over
	Reports      []AccordReport  `json:"reports"`         // under the version in force, the newest of a party under a clause
	Tested       []AccordTested  `json:"tested"`          // what receivers said of what was delivered
	Erasures     []AccordErasure `json:"erasures"`
	Owed         []accord.Owed   `json:"owed"`             // certificates of the exit rule that are not there
	Erasing      bool            `json:"erasing,omitzero"` // own's node is at what own has to erase, and certifies it by itself
}

// AccordReport is what a party said that it did under a clause; its words are in the history.
type AccordReport struct {
	By     hansa.PartyID `json:"by"`
	Clause int           `json:"clause"` // its number in the text in force
	Entry  int64         `json:"entry"`
	At     time.Time     `json:"at"`
}

// AccordTested is what a receiver said of what came by a flow.
type AccordTested struct {
	By      hansa.PartyID `json:"by"`
	Flow    hansa.FlowID  `json:"flow"`
	First   time.Time     `json:"first"` // when it first said something
	At      time.Time     `json:"at"`
	Entry   int64         `json:"entry"`   // that says it last; its words are in the history
	Refused bool          `json:"refused"` // as it was said last
}

// AccordEarly is an end before the notice is over, and the clause that allows or forbids it.
type AccordEarly struct {
	Notice  int  `json:"notice"` // days
	Allowed bool `json:"allowed"`
	Clause  int  `json:"clause,omitzero"` // its number; 0 is the term alone
}

// AccordVerdict is what a party says of a clause of the proposed version.
type AccordVerdict struct {
	Party  hansa.PartyID `json:"party"`
	Clause string        `json:"clause"`
	Accept bool          `json:"accept"`
	Words  string        `json:"words,omitempty"`
}

// AccordSuspension is a party's own giving that stands still.
type AccordSuspension struct {
	Party       hansa.PartyID `json:"party"`
	Flow        hansa.FlowID  `json:"flow,omitempty"` // empty is all
	At          time.Time     `json:"at"`
	Words       string        `json:"words,omitempty"`
	Unconfirmed bool          `json:"unconfirmed,omitzero"` // own's, which the keeper has not heard of yet
}

// AccordConfirmation says that a receiver's measures for marked fields are in place.
type AccordConfirmation struct {
	Flow  hansa.FlowID  `json:"flow"`
	By    hansa.PartyID `json:"by"`
	At    time.Time     `json:"at"`
	Words string        `json:"words,omitempty"`
}

// AccordErasure is a certificate of the exit rule.
type AccordErasure struct {
	By hansa.PartyID `json:"by"`
	accord.Erasure
}

// AccordsBody is a page of accords.
type AccordsBody struct {
	Accords []Accord       `json:"accords"`
	After   hansa.AccordID `json:"after,omitempty"` // where the next page begins; empty is the end
}

// AccordQuery says which accords are listed.
type AccordQuery struct {
	State hansa.AccordState
	Model hansa.Model
	Other hansa.PartyID // a party of it
	Words string        // in its title, or a party's
	Turn  bool          // those whose turn is own's
	Limit int
	After hansa.AccordID
}

// AccordDraft is a text that is not yet sent.
type AccordDraft struct {
	Party string         `json:"party,omitempty"` // own, by name; the caller's when empty
	Text  jsontext.Value `json:"text"`            // any form of a text; it is kept in its canonical one
	// Request is the accepted request that it answers, by its id; the text's own when empty.
	Request hansa.AccordID `json:"request,omitempty"`
}

// AccordAct is what a person of a party says of an accord. Each act needs its own part
// of it.
type AccordAct struct {
	Party      string            `json:"party,omitempty"`      // own, by name; the caller's when empty
	Base       string            `json:"base,omitempty"`       // SHA-256 of the version that was read; the present one when empty
	Text       jsontext.Value    `json:"text,omitzero"`        // propose; join, where own has no copy
	Invitation string            `json:"invitation,omitempty"` // open
	Clause     string            `json:"clause,omitempty"`
	Words      string            `json:"words,omitempty"`
	Role       string            `json:"role,omitempty"`      // what binds: in which role the person signs,
	Power      string            `json:"power,omitempty"`     // and by which power
	Signature  *accord.Signature `json:"signature,omitempty"` // by a key that the party keeps itself, in the place of role and power
	Flow       hansa.FlowID      `json:"flow,omitempty"`
	Refused    bool              `json:"refused,omitzero"` // accept-delivery: it is not accepted
	Notice     string            `json:"notice,omitempty"` // end: the last day
	Service    *accord.Service   `json:"service,omitempty"`
	Erasure    *accord.Erasure   `json:"erasure,omitempty"`
	Keeper     hansa.PartyID     `json:"keeper,omitempty"` // hand-over: to whom; join: whom to ask, where own has no copy
	Gives      []accord.Flow     `json:"gives,omitempty"`  // join
}

// AccordEntry is one step of an accord.
type AccordEntry struct {
	N          int64         `json:"n"`
	Hash       string        `json:"hash"`
	At         time.Time     `json:"at"`
	From       hansa.PartyID `json:"from"`
	Kind       accord.Kind   `json:"kind"`
	Base       string        `json:"base,omitempty"`
	Version    string        `json:"version,omitempty"` // SHA-256 of the text that it brought
	Clause     string        `json:"clause,omitempty"`
	Words      string        `json:"words,omitempty"`
	Flow       hansa.FlowID  `json:"flow,omitempty"`
	Notice     string        `json:"notice,omitempty"`
	Keeper     hansa.PartyID `json:"keeper,omitempty"`
	Role       string        `json:"role,omitempty"` // of who signed
	Power      string        `json:"power,omitempty"`
	Held       string        `json:"held,omitempty"`
	Message    string        `json:"message,omitempty"` // the JWS, where it was asked for
	Checkpoint string        `json:"checkpoint,omitempty"`
}

// AccordHistory is the chain of an accord, from its first entry.
type AccordHistory struct {
	Accord  hansa.AccordID `json:"accord"`
	Head    string         `json:"head"`
	Entries []AccordEntry  `json:"entries"`
}

// AccordDiff is what changed between two versions, words and policy together.
type AccordDiff struct {
	Accord  hansa.AccordID  `json:"accord"`
	From    string          `json:"from"`
	To      string          `json:"to"`
	Changes []accord.Change `json:"changes"`
}

// AccordContact is an accord that somebody who is not known here opened: it waits for a
// person's yes.
type AccordContact struct {
	Accord hansa.AccordID `json:"accord"`
	From   hansa.PartyID  `json:"from"`
	At     time.Time      `json:"at"`
	Title  accord.Words   `json:"title"`
	Model  hansa.Model    `json:"model"`
	Text   jsontext.Value `json:"text"`
}

// AccordContactsBody lists what waits.
type AccordContactsBody struct {
	Contacts []AccordContact `json:"contacts"`
}

// Accords is how a party agrees. What is not the caller's party's is NotFound.
type Accords interface { //nolint:interfacebloat // one table of acts; splitting it would name nothing
	Accords(ctx context.Context, by hansa.Actor, q AccordQuery) (AccordsBody, error)
	DraftAccord(ctx context.Context, by hansa.Actor, o AccordDraft) (AccordDetail, error)
	// DraftFromFlow drafts one that says what a flow without an accord does.
	DraftFromFlow(ctx context.Context, by hansa.Actor, id hansa.FlowID, o FlowDraft) (FlowDrafted, error)
	// ChangeDraft replaces the text of a draft.
	ChangeDraft(ctx context.Context, by hansa.Actor, id hansa.AccordID, o AccordDraft) (AccordDetail, error)
	// DiscardDraft throws a draft of a party, by name, away; empty is the caller's.
	DiscardDraft(ctx context.Context, by hansa.Actor, id hansa.AccordID, party string) error
	Accord(ctx context.Context, by hansa.Actor, id hansa.AccordID) (AccordDetail, error)
	// AccordText returns the canonical bytes of a version; an empty hash is the proposed one.
	AccordText(ctx context.Context, by hansa.Actor, id hansa.AccordID, hash string) ([]byte, error)
	AccordHistory(ctx context.Context, by hansa.Actor, id hansa.AccordID, messages bool) (AccordHistory, error)
	// AccordDiff compares two versions; empty ones are that in force, or before, and the proposed one.
	AccordDiff(ctx context.Context, by hansa.Actor, id hansa.AccordID, from, to string) (AccordDiff, error)
	// ActAccord says something. It waits a moment for a keeper elsewhere; what is on
	// its way after that stands under Sent.
	ActAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID, kind accord.Kind, a AccordAct) (AccordDetail, error)
	// RetryAccord sends what does not arrive again.
	RetryAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID) (int, error)
	// WaitAccord returns when own's copy has more than n entries, or after a while.
	WaitAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID, n int64, most time.Duration) error
	AccordContacts(ctx context.Context, by hansa.Actor) ([]AccordContact, error)
	// AnswerContact says yes or no to who opened an accord.
	AnswerContact(ctx context.Context, by hansa.Actor, id hansa.AccordID, yes bool) error
}

func (a *API) accordEndpoints() []Endpoint {
	r := func(method, path, action string, right hansa.Right, body int64) hansa.Route {
		object := "accord"
		if !strings.Contains(path, "{accord}") {
			object = "node"
		}
		return hansa.Route{Method: method, Pattern: "/api/v1" + path, Right: right, Object: object, Action: action, BodyMax: body}
	}
	wait := r("GET", "/accords/{accord}/wait", "hang until an accord has another entry", hansa.RightRead, 0)
	wait.Slow = true
	list := []Param{
		{Name: "state", What: "draft, proposed, signed, in-force, suspended or ended."},
		{Name: "model", What: "donation, procurement, partnership, pool or clause."},
		{Name: "with", What: "The id of a party of it."},
		{Name: "words", What: "In its title, or in a party's."},
		{Name: "turn", What: "true lists those whose turn is yours."},
		{Name: "limit", What: "1 to 1000.", Example: "200"},
		{Name: "after", What: "The after of the page before."},
	}
	return []Endpoint{
		{Route: r("GET", "/accords", "list the party's accords", hansa.RightRead, 0), Serve: a.accords, Out: AccordsBody{}, Query: list},
		{Route: r("POST", "/accords", "keep a draft", hansa.RightRead, accordBodyMax), Serve: a.draftAccord, In: AccordDraft{}, Out: AccordDetail{}, Status: http.StatusCreated},
		a.flowDraftEndpoint(),
		{Route: r("GET", "/accords/{accord}", "show an accord", hansa.RightRead, 0), Serve: a.accordByID, Out: AccordDetail{}},
		{Route: r("PUT", "/accords/{accord}", "change a draft", hansa.RightRead, accordBodyMax), Serve: a.changeDraft, In: AccordDraft{}, Out: AccordDetail{}},
		{Route: r("DELETE", "/accords/{accord}", "throw a draft away that nobody else has", hansa.RightRead, 0), Serve: a.discardDraft, Status: http.StatusNoContent, Query: []Param{{Name: "party", What: "A party's name; empty is the caller's own.", Example: "navco"}}},
		{Route: r("GET", "/accords/{accord}/text", "read the canonical bytes of a version, which are hashed and signed", hansa.RightRead, 0), Serve: a.accordText, Media: []string{"application/json"}, Query: []Param{{Name: "hash", What: "SHA-256 of the version; empty is the proposed one."}}},
		{Route: r("GET", "/accords/{accord}/history", "list every entry of an accord", hansa.RightRead, 0), Serve: a.accordHistory, Out: AccordHistory{}, Query: []Param{{Name: "messages", What: "true brings the signed messages."}}},
		{Route: r("GET", "/accords/{accord}/diff", "compare two versions, words and policy together", hansa.RightRead, 0), Serve: a.accordDiff, Out: AccordDiff{}, Query: []Param{{Name: "from", What: "SHA-256, or adopted for the terms that it was adopted from; empty is that in force, or the one before."}, {Name: "to", What: "SHA-256; empty is the proposed one."}}},
		{Route: wait, Serve: a.waitAccord, Out: AccordDetail{}, Query: []Param{{Name: "n", What: "The number of the last entry that you know; 0 is none."}, {Name: "wait", What: "Seconds, 0 to 60.", Example: "30"}}},
		{Route: r("POST", "/accords/{accord}/retry", "send what does not arrive again", hansa.RightManage, 1<<10), Serve: a.retryAccord, Out: Counted{}},
		{Route: r("POST", "/accords/{accord}/acts/{act}", "say something of an accord: open, propose, comment, accept-clause, reject-clause, decline, sign, withdraw, serve, object, suspend, resume, end, erased, join, leave, confirm-measures or hand-over", hansa.RightRead, accordBodyMax), Serve: a.actAccord, In: AccordAct{}, Out: AccordDetail{}},
		{Route: r("GET", "/accord-contacts", "list accords of strangers that wait for a yes", hansa.RightRead, 0), Serve: a.accordContacts, Out: AccordContactsBody{}},
		{Route: r("POST", "/accord-contacts/{accord}/yes", "hear whoever opened an accord", hansa.RightManage, 1<<10), Serve: a.answerContact(true), Out: AccordContactsBody{}},
		{Route: r("POST", "/accord-contacts/{accord}/no", "turn away whoever opened an accord", hansa.RightManage, 1<<10), Serve: a.answerContact(false), Out: AccordContactsBody{}},
	}
}

// accordStates are the states by which accords are listed.
var accordStates = []hansa.AccordState{hansa.AccordDraft, hansa.AccordProposed, hansa.AccordSigned, hansa.AccordInForce, hansa.AccordSuspended, hansa.AccordEnded}

// accordBodyMax bounds a body that holds a text.
const accordBodyMax = 2 << 20

func accordID(r *http.Request) hansa.AccordID { return hansa.AccordID(r.PathValue("accord")) }

func (a *API) accords(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	v := r.URL.Query()
	q := AccordQuery{State: hansa.AccordState(v.Get("state")), Model: hansa.Model(v.Get("model")), Other: hansa.PartyID(v.Get("with")), Turn: v.Get("turn") == "true", After: hansa.AccordID(v.Get("after"))}
	err := errors.Join(oneOf(r, "state", accordStates), oneOf(r, "model", hansa.Models()), oneOf(r, "turn", []string{"true", "false"}))
	if err != nil {
		return err
	}
	if q.Words, err = text(r, "words"); err != nil {
		return err
	}
	if q.Limit, err = count(r, "limit", PageDefault, PageMax); err != nil {
		return err
	}
	out, err := a.Accords.Accords(r.Context(), by, q)
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) draftAccord(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var o AccordDraft
	if err := readJSON(r, &o); err != nil {
		return err
	}
	out, err := a.Accords.DraftAccord(r.Context(), by, o)
	return answerWith(w, http.StatusCreated, out, err)
}

func (a *API) changeDraft(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var o AccordDraft
	if err := readJSON(r, &o); err != nil {
		return err
	}
	out, err := a.Accords.ChangeDraft(r.Context(), by, accordID(r), o)
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) accordByID(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	out, err := a.Accords.Accord(r.Context(), by, accordID(r))
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) discardDraft(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	party, err := text(r, "party")
	if err != nil {
		return err
	}
	if err := a.Accords.DiscardDraft(r.Context(), by, accordID(r), party); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) accordText(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	hash, err := text(r, "hash")
	if err != nil {
		return err
	}
	b, err := a.Accords.AccordText(r.Context(), by, accordID(r), hash)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b) // not a byte more: they are hashed and signed
	return nil
}

func (a *API) accordHistory(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	out, err := a.Accords.AccordHistory(r.Context(), by, accordID(r), r.URL.Query().Get("messages") == "true")
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) accordDiff(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	from, err := text(r, "from")
	if err != nil {
		return err
	}
	to, err := text(r, "to")
	if err != nil {
		return err
	}
	out, err := a.Accords.AccordDiff(r.Context(), by, accordID(r), from, to)
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) waitAccord(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	most, err := wait(r)
	if err != nil {
		return err
	}
	n, err := whole(r, "n", 0, 0, 1<<30) // of a draft it is 0
	if err != nil {
		return err
	}
	if err := a.Accords.WaitAccord(r.Context(), by, accordID(r), int64(n), most); err != nil {
		return err
	}
	return a.accordByID(w, r, by)
}

func (a *API) retryAccord(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	n, err := a.Accords.RetryAccord(r.Context(), by, accordID(r))
	return answerWith(w, http.StatusOK, Counted{n}, err)
}

func (a *API) actAccord(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in AccordAct
	if r.ContentLength != 0 {
		if err := readJSON(r, &in); err != nil {
			return err
		}
	}
	out, err := a.Accords.ActAccord(r.Context(), by, accordID(r), accord.Kind(r.PathValue("act")), in)
	return answerWith(w, http.StatusOK, out, err)
}

func (a *API) accordContacts(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Accords.AccordContacts(r.Context(), by)
	return answerWith(w, http.StatusOK, AccordContactsBody{list}, err)
}

func (a *API) answerContact(yes bool) Handler {
	return func(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
		if err := a.Accords.AnswerContact(r.Context(), by, accordID(r), yes); err != nil {
			return err
		}
		return a.accordContacts(w, r, by)
	}
}
