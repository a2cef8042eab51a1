package accord

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// MessageFormat is the version of messages and entries.
const MessageFormat = 1

// Kind is what a message says. Values are written to disk and wire.
type Kind string

// The kinds of message (docs/formats/accord-exchange.md).
const (
	Open            Kind = "open"    // the first message: the text, and who is asked
	Propose         Kind = "propose" // a new version in the place of the present one
	Comment         Kind = "comment" // on a clause, or on all
	AcceptClause    Kind = "accept-clause"
	RejectClause    Kind = "reject-clause"
	Decline         Kind = "decline" // a party will not have it, with the reason
	Sign            Kind = "sign"
	Withdraw        Kind = "withdraw"         // the opener takes it back before it is in force
	Serve           Kind = "serve"            // the authority's act and its notice, in the model clause
	Object          Kind = "object"           // to what was served
	Acknowledge     Kind = "acknowledge"      // who served is known to the sender as the authority: its own giving starts
	EnterIntoForce  Kind = "enter-into-force" // by the keeper, with all signatures
	Suspend         Kind = "suspend"          // the sender's own giving stops
	Resume          Kind = "resume"
	End             Kind = "end"
	Erased          Kind = "erased" // the certificate of the exit rule
	Join            Kind = "join"   // a pool
	Leave           Kind = "leave"
	ConfirmMeasures Kind = "confirm-measures" // for marked fields of a flow
	AcceptDelivery  Kind = "accept-delivery"  // of a flow that the sender tested; or it refuses it, with what is wrong
	Report          Kind = "report"           // what the sender did that a clause asks for
	HandOver        Kind = "hand-over"        // of the keeping, signed by both
	Told            Kind = "entry"            // the keeper tells what it has numbered
	Asks            Kind = "request"          // data are asked for, or offered; no accord is there yet
	Answers         Kind = "answer"           // to a request
)

// Message is what one party says of an accord: its canonical JSON travels as the
// payload of a JWS by the sender's message key.
type Message struct {
	FormatVersion int            `json:"formatVersion"` // [MessageFormat]
	ID            string         `json:"id"`            // UUIDv7; a repeat has the same
	From          hansa.PartyID  `json:"from"`
	To            hansa.PartyID  `json:"to"` // whose inbox; the keeper's, or, of an entry, the copy's
	Accord        hansa.AccordID `json:"accord"`
	Base          string         `json:"base,omitempty"` // hash of the version that it stands on; empty in open
	Kind          Kind           `json:"kind"`
	At            time.Time      `json:"at"`
	Checkpoint    string         `json:"checkpoint,omitempty"` // the sender's newest, a signed note
	Body          Body           `json:"body,omitzero"`
}

// Body is what a message of its kind holds; what a kind does not have is empty.
type Body struct {
	Text       jsontext.Value `json:"text,omitzero"`        // open, propose: the canonical bytes
	Invitation string         `json:"invitation,omitempty"` // open: the token of the invitation
	Clause     string         `json:"clause,omitempty"`     // comment, accept-clause, reject-clause, report: its number in the text from 1, as digits; empty is all
	Words      string         `json:"words,omitempty"`      // comment, reasons
	Signature  *Signature     `json:"signature,omitempty"`  // sign, join, leave, end, serve, hand-over
	Effect     time.Time      `json:"effect,omitzero"`      // enter-into-force: from when
	Signatures []Signature    `json:"signatures,omitempty"` // enter-into-force: all
	Flow       hansa.FlowID   `json:"flow,omitempty"`       // confirm-measures, accept-delivery; suspend of one flow
	Refused    bool           `json:"refused,omitzero"`     // accept-delivery: it is not accepted
	Notice     string         `json:"notice,omitempty"`     // end: the last day
	Service    *Service       `json:"service,omitempty"`    // serve, object
	Member     *Party         `json:"member,omitempty"`     // join
	Gives      []Flow         `json:"gives,omitempty"`      // join: what the member contributes, To is [Members]
	Keeper     hansa.PartyID  `json:"keeper,omitempty"`     // hand-over: to whom
	Erasure    *Erasure       `json:"erasure,omitempty"`    // erased
	Entry      *Entry         `json:"entry,omitempty"`      // entry
	Request    *Request       `json:"request,omitempty"`    // request
	Answer     *Answer        `json:"answer,omitempty"`     // answer
}

// Signature is a party's over the canonical bytes of a text: that it agrees to it
// (sign), or that it does what a message says under it (join, leave, end, serve,
// hand-over). See [SignBytes] and [Signature.Verify].
type Signature struct {
	Act   Kind           `json:"act"`             // sign, join, leave, end, serve or hand-over
	About string         `json:"about,omitempty"` // [Body.Digest] of the message of an act that is not sign
	Party hansa.PartyID  `json:"party"`
	Hash  string         `json:"hash"`           // of the text
	Role  string         `json:"role"`           // of the person who signs: data steward, alderman
	Power string         `json:"power"`          // by which the person may: mandate, statute, register
	Held  string         `json:"held"`           // [HeldByNode] or [HeldByParty]: who keeps the key
	Host  string         `json:"host,omitempty"` // held by the node: its name, "signed by HOST on behalf of PARTY"
	At    time.Time      `json:"at"`             // whole seconds
	Key   jsontext.Value `json:"key"`            // the public JWK, canonical
	JWS   string         `json:"jws"`            // detached, over the text's canonical bytes; its header says all of the above
}

// Service is how a duty was served, or an objection to it.
type Service struct {
	How       string    `json:"how"` // post, portal, gazette
	Reference string    `json:"reference"`
	On        time.Time `json:"on"`
	Suspends  bool      `json:"suspends,omitzero"` // an objection that holds the duty up
}

// Erasure certifies what became of the data at the end.
type Erasure struct {
	Rule     string         `json:"rule"` // keep, return or erase
	Flows    []hansa.FlowID `json:"flows"`
	On       time.Time      `json:"on"`
	Backups  string         `json:"backups"`           // a day: until when backups hold them still
	Onward   []string       `json:"onward,omitempty"`  // receivers of the receiver
	Clause   string         `json:"clause,omitempty"`  // under which it was done, by its number; empty is the term alone
	Records  int64          `json:"records,omitzero"`  // whose content is gone, where they were counted
	Versions int64          `json:"versions,omitzero"` // the versions of these
}

// Entry is one step of an accord as its keeper numbered it.
type Entry struct {
	N      int64     `json:"n"`                // from 1
	Before string    `json:"before,omitempty"` // hash of the entry before; empty in the first
	At     time.Time `json:"at"`               // when the keeper took it
	// Message is the sender's JWS in compact form, as it came.
	Message string `json:"message"`
}
