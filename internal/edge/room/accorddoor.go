package room

import (
	"context"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// Accords is what a party agrees with others for both directions of data at once. What
// is another party's is NotFound, but for the register, which is everybody's.
type Accords interface {
	AccordShelf
	AccordDesk
	AccordRegister
}

// AccordShelf is how accords stand.
type AccordShelf interface { //nolint:interfacebloat // one shelf; splitting it would name nothing
	Accords(ctx context.Context, by hansa.Actor, q AccordQuery) (AccordList, error)
	Accord(ctx context.Context, by hansa.Actor, id hansa.AccordID) (AccordSheet, error)
	AccordHistory(ctx context.Context, by hansa.Actor, id hansa.AccordID) ([]AccordStep, error)
	// AccordChanges compares two versions by their hashes; empty ones are that in force,
	// or before, and the proposed one.
	AccordChanges(ctx context.Context, by hansa.Actor, id hansa.AccordID, from, to string) (AccordRedline, error)
	// AccordTrial says who would get what by the proposed version, and why not. purpose is
	// what it is asked for; empty is the first that each flow is agreed for.
	AccordTrial(ctx context.Context, by hansa.Actor, id hansa.AccordID, purpose hansa.Purpose) ([]AccordTry, error)
	// AccordProof is the bundle that hansa verify checks.
	AccordProof(ctx context.Context, by hansa.Actor, id hansa.AccordID) ([]byte, error)
	// AccordExchange lists the accords in force that by's party sees: its own, and those
	// of the register.
	AccordExchange(ctx context.Context, by hansa.Actor) (AccordExchange, error)
}

// AccordDesk is what people do about accords.
type AccordDesk interface { //nolint:interfacebloat // one desk; splitting it would name nothing
	// AccordMaking is what a draft can be made of.
	AccordMaking(ctx context.Context, by hansa.Actor) (AccordMaking, error)
	// Published reads the terms at an address, or those of an accord of this node by its id.
	Published(ctx context.Context, by hansa.Actor, at string) ([]PublishedTerms, error)
	// AdoptAccord makes a draft of published terms, and returns its id.
	AdoptAccord(ctx context.Context, by hansa.Actor, a *AccordAdoption) (hansa.AccordID, error)
	// DraftAccord keeps a text that nobody else has, and returns its id.
	DraftAccord(ctx context.Context, by hansa.Actor, t *accord.Text) (hansa.AccordID, error)
	ChangeDraft(ctx context.Context, by hansa.Actor, id hansa.AccordID, t *accord.Text) error
	// DiscardDraft throws a draft away that nobody else has.
	DiscardDraft(ctx context.Context, by hansa.Actor, id hansa.AccordID) error
	ActAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID, kind accord.Kind, a AccordAct) error
	// RetryAccord sends what does not arrive again.
	RetryAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID) error
	// AnswerContact says yes or no to a stranger who opened an accord.
	AnswerContact(ctx context.Context, by hansa.Actor, id hansa.AccordID, yes bool) error
}

// AccordRegister is what everybody may know.
type AccordRegister interface {
	// PublicRegister lists the accords in force of this node's parties, the newest
	// first, without what they withhold. after is the last of the page before.
	PublicRegister(ctx context.Context, q RegisterQuery) (RegisterPage, error)
	// PublicAccord is one of them.
	PublicAccord(ctx context.Context, id hansa.AccordID) (RegisterEntry, error)
}

// AccordQuery says which accords are listed. What is empty asks nothing.
type AccordQuery struct {
	State hansa.AccordState
	Model hansa.Model
	Words string
	Turn  bool // those whose turn is one's own
	After hansa.AccordID
}

// AccordList is a page of accords, with the strangers who wait for a yes.
type AccordList struct {
	Accords  []AccordRow     `json:"accords"`
	After    hansa.AccordID  `json:"after,omitempty"` // where the next page begins; empty is the end
	Contacts []AccordContact `json:"contacts"`
}

// AccordRow is an accord in a list.
type AccordRow struct {
	ID        hansa.AccordID    `json:"id"`
	Me        hansa.PartyID     `json:"me"` // what the texts call one's own party
	Title     accord.Words      `json:"title"`
	Model     hansa.Model       `json:"model"`
	State     hansa.AccordState `json:"state"`
	End       hansa.AccordEnd   `json:"end,omitempty"`
	Since     time.Time         `json:"since,omitzero"`
	Version   int               `json:"version"`
	Parties   []AccordParty     `json:"parties"`
	Turn      []hansa.PartyID   `json:"turn"`
	Mine      bool              `json:"mine"` // own's among them
	TurnSince time.Time         `json:"turnSince,omitzero"`
}

// AccordParty is a party by its id and title.
type AccordParty struct {
	ID    hansa.PartyID   `json:"id"`
	Title string          `json:"title"`
	Kind  hansa.PartyKind `json:"kind,omitempty"`
}

// AccordContact is an accord that a stranger opened.
type AccordContact struct {
	ID    hansa.AccordID `json:"id"`
	From  hansa.PartyID  `json:"from"`
	At    time.Time      `json:"at"`
	Title accord.Words   `json:"title"`
	Model hansa.Model    `json:"model"`
}

// AccordSheet is an accord as own's copy has it.
type AccordSheet struct {
	Me       hansa.PartyID
	Copy     accord.State // as it stands now
	Text     *accord.Text // proposed, or in force when none other is
	Force    *accord.Text // that in force, where it is another; nil is none
	May      []accord.Kind
	Findings []hansa.Finding
	Sent     []AccordSent
	Unheard  []accord.Suspension // own's, of which the keeper has not heard
	Stuck    map[hansa.PartyID]string
	Courses  []AccordCourse
	Given    []AccordGiven // the newest deliveries under it, both ways
	Owed     []accord.Owed
	Kept     []AccordKept
	Early    *AccordEarly // its end was announced for a day before the notice is over
	Erasing  bool         // own's node is at what own has to erase, and certifies it then
}

// AccordSent is an own message that the keeper has not numbered.
type AccordSent struct {
	Kind   accord.Kind
	At     time.Time
	State  string // waits or refused
	Stuck  string
	Reason string
	Hint   string
}

// AccordCourse is a flow in force as this node holds to it.
type AccordCourse struct {
	Part    hansa.FlowID `json:"part"` // the flow of the text that it is of
	ID      hansa.FlowID `json:"id"`
	To      string       `json:"to"`
	State   string       `json:"state"` // open, paused, refused or closed
	Why     string       `json:"why,omitempty"`
	Problem string       `json:"problem,omitempty"`
	Gives   bool         `json:"gives"`
	Records int64        `json:"records"` // that left in this month; the giver's to know
	Far     bool         `json:"-"`       // another node gives it
	Came    int64        `json:"came"`    // records that came from another node in this month
}

// AccordGiven is one delivery under an accord: to a webhook, or what a reader took.
type AccordGiven struct {
	ID       string
	At       time.Time
	Out      bool      // own gave it
	Delivery *Delivery // to own's webhook; nil is a hand-over, of which the rest says more
	What     string    // the dataset
	Records  int
	How      string // snapshot, changes, stream or webhook
}

// AccordStep is one entry of an accord.
type AccordStep struct {
	N       int64         `json:"n"`
	Hash    string        `json:"hash"`
	At      time.Time     `json:"at"`
	From    hansa.PartyID `json:"from"`
	Kind    accord.Kind   `json:"kind"`
	Base    string        `json:"base,omitempty"`
	Version string        `json:"version,omitempty"` // SHA-256 of the text that it brought
	Number  int           `json:"number,omitempty"`  // of that version
	Clause  string        `json:"clause,omitempty"`
	Words   string        `json:"words,omitempty"`
	Notice  string        `json:"notice,omitempty"`
	Role    string        `json:"role,omitempty"`
	Power   string        `json:"power,omitempty"`
}

// AccordRedline is what differs between two versions.
type AccordRedline struct {
	From, To         string // hashes
	FromText, ToText *accord.Text
	Changes          []accord.Change
	Adopted          *AdoptedFrom // where From is the terms that it was adopted from
}

// AccordTry is one flow of the proposed version, held against the last day's records.
type AccordTry struct {
	Name    string        `json:"name"`
	From    string        `json:"from"`
	To      string        `json:"to"`
	State   string        `json:"state"`
	Why     string        `json:"why,omitempty"`
	Gives   bool          `json:"gives"`
	Purpose hansa.Purpose `json:"purpose,omitempty"` // that it was asked for
	Records int           `json:"records"`
	Pass    int           `json:"pass"`
	Trim    int           `json:"trim"`
	Deny    int           `json:"deny"`
	Rules   []TryRule     `json:"rules"`
}

// TryRule is how many records one rule decided.
type TryRule struct {
	Rule    hansa.Rule `json:"rule"`
	Words   string     `json:"words"`
	N       int        `json:"n"`
	Clauses []int      `json:"clauses"` // that say so, by their numbers
}

// AccordAct is what a person says of an accord.
type AccordAct struct {
	Base, Clause, Words, Role, Power, Notice string
	Text                                     *accord.Text // propose
	Flow                                     hansa.FlowID
	Refused                                  bool          // accept-delivery: it is not accepted
	Keeper                                   hansa.PartyID // hand-over
	Service                                  *accord.Service
	Erasure                                  *accord.Erasure
}

// AccordMaking is what a draft can be made of.
type AccordMaking struct {
	Own      accord.Party
	Zone     string
	Langs    []string
	Datasets []accord.Dataset                    // that own may give: none that an accord keeps with it
	Came     map[string]bool                     // of these, by name: what another gave
	Formats  map[hansa.RecordKind][]hansa.Format // that can carry a kind
	Parties  []AccordParty                       // that are known
}

// AccordExchange is who shares what with whom.
type AccordExchange struct {
	Accords []ExchangeAccord
	More    int // that are not listed
	Waiting []AccordRow
}

// ExchangeAccord is one accord in force.
type ExchangeAccord struct {
	ID    hansa.AccordID
	Own   bool
	Text  *accord.Text // without what is withheld, when it is not own's
	Pairs []accord.Pair
	Still map[hansa.FlowID]string // the pairs that do not run: paused, refused or closed
	Names map[hansa.PartyID]AccordParty
}

// RegisterQuery says which accords of the register are listed. What is empty asks nothing.
type RegisterQuery struct {
	After hansa.AccordID // not together with Words
	Words string         // each of them is in the title, a party's or a dataset's, as everybody may know them
}

// RegisterPage is a page of the public register.
type RegisterPage struct {
	Host    string
	Entries []RegisterEntry
	After   hansa.AccordID
	More    bool // more is found than a page shows
}

// RegisterEntry is an accord in force as everybody may know it.
type RegisterEntry struct {
	Text    *accord.Text // without what it withholds
	Hash    string       // of the whole
	State   hansa.AccordState
	Effect  time.Time
	Members []AccordParty             // that joined
	Given   []accord.Flow             // by those that joined
	Left    []hansa.PartyID           // parties of the text that are in it no more
	Open    map[hansa.FlowID][]string // paths at which everybody reads what it gives to the public
}

// Flows is what is given as it stands now: of the text and of those that joined, without
// what those gave or took who left.
func (e *RegisterEntry) Flows() []accord.Flow {
	return slices.DeleteFunc(slices.Concat(e.Text.Flows, e.Given), func(f accord.Flow) bool {
		return slices.Contains(e.Left, f.From) || slices.Contains(e.Left, f.To)
	})
}
