package accord

import (
	"time"

	"github.com/hansa-exchange/hansa"
)

// State is what the entries of an accord come to so far. The same entries make the
// same state on every node.
type State struct {
	ID      hansa.AccordID
	Keeper  hansa.PartyID
	Opener  hansa.PartyID
	State   hansa.AccordState
	End     hansa.AccordEnd
	EndedBy hansa.PartyID
	Reason  string
	N       int64  // of the last entry
	Head    string // its hash
	// Proposed is the newest version's hash, Force that in force; both are the same
	// once it is in force and nobody has proposed another.
	Proposed, Force string
	Version         int
	Since           time.Time       // of the state
	Effect          time.Time       // of the version in force
	Turn            []hansa.PartyID // whose; those that have not signed what is proposed
	TurnSince       time.Time
	Signatures      []Signature     // over Proposed
	InForce         []Signature     // over Force
	Verdicts        []ClauseVerdict // over Proposed
	Comments        int
	Suspended       []Suspension
	Members         []Member // of a pool, beyond those of the text; and parties of the text that left
	Confirmed       []Confirmation
	Reports         []Reported      // under the version in force, the newest of a party under a clause
	Tested          []Tested        // what receivers said of what was delivered
	Service         *Service        // of the version in force, or of what is to be the first
	Objection       *Service        // to that
	Notice          *Service        // of Proposed
	Acknowledged    []hansa.PartyID // who knows the authority of the version in force as such,
	Known           []hansa.PartyID // and who ever did
	Authority       hansa.PartyID   // that the first text names as one that serves; empty is none
	Until           string          // the last day, once an end was announced
	Erasures        []ErasedBy

	Taken time.Time // when the keeper took the last entry
	// Asked is what the machine needs to know of the proposed version, Bound of that
	// in force.
	Asked, Bound Outline
	Proposer     hansa.PartyID   // of Proposed
	Declined     []hansa.PartyID // that will not have Proposed: nobody signs it any more
	Early        bool            // the end was announced for before the notice is over
	Ends         time.Time       // the first moment after the last day; zero is none
	Handing      hansa.PartyID   // to whom the keeper hands over, until that party signs
}

// Outline is what the machine needs to know of a text.
type Outline struct {
	Version int
	Model   hansa.Model
	Parties []hansa.PartyID
	// Served names the authority whose service binds without other signatures; empty
	// where each party signs.
	Served  hansa.PartyID
	Flows   []Line
	Clauses int
	Zone    string
	Ends    time.Time // the first moment after the last day; zero is none
	Notice  int
	Exit    string
	Clocks  clocks
}

// Line is a flow as the machine sees it.
type Line struct {
	ID       hansa.FlowID
	From, To hansa.PartyID
	Marked   bool
	Marks    string // a digest of what is marked and of the measures asked for
}

// ClauseVerdict is what a party says of a clause of the proposed version.
type ClauseVerdict struct {
	Party  hansa.PartyID
	Clause string // its number
	Accept bool
	Words  string
}

// Suspension is a party's own giving that stands still.
type Suspension struct {
	Party hansa.PartyID
	Flow  hansa.FlowID // empty is all
	At    time.Time
	Words string
}

// Member is a party that joined a running pool.
type Member struct {
	Party     Party
	Gives     []Flow
	Signature Signature
	Joined    time.Time
	Left      time.Time // zero while it is in
}

// Confirmation is a receiver's measures for marked fields.
type Confirmation struct {
	Flow  hansa.FlowID
	By    hansa.PartyID
	At    time.Time
	Words string
}

// Reported is what a party said that it did under a clause; its words are in the entry.
type Reported struct {
	By     hansa.PartyID
	Clause int // its number
	Entry  int64
	At     time.Time
}

// Tested is what a receiver said of a flow: when first, and what last.
type Tested struct {
	By      hansa.PartyID
	Flow    hansa.FlowID
	First   time.Time
	At      time.Time
	Entry   int64 // that says it last, in words
	Refused bool  // as it was said last
}

// ErasedBy is a certificate of the exit rule.
type ErasedBy struct {
	By    hansa.PartyID
	Entry int64 `json:",omitzero"` // that brought it; 0 in what was stored when that was not noted
	Erasure
}
