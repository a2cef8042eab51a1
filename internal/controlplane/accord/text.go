// Package accord keeps agreements between parties, for both directions of data at
// once: drafted, proposed, redlined, signed, in force, suspended, ended.
//
// A version of an accord is a [Text]: immutable, with one canonical form (RFC 8785)
// that is hashed, shown and signed. What happens to an accord is a chain of entries
// that one node, the keeper's, numbers; every other node holds a copy and makes the
// same state of the same entries, by [State.Step], which is pure: it touches neither
// clock nor network nor keys. docs/formats/accord.md says the text,
// docs/formats/accord-exchange.md the messages and entries.
package accord

import (
	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// Limits of a text.
const (
	TextBytesMax  = 1 << 20 // canonical
	PartiesMax    = 50
	FlowsMax      = 200
	ClausesMax    = 200
	LanguagesMax  = 5
	TitleBytesMax = 200
	WordsBytesMax = 4000 // of a summary, a note, a reason
	Format        = 1    // of the canonical form
)

// Members stands in the place of a flow's receiver in a pool: whatever party has
// signed or joined, but the giver.
const Members hansa.PartyID = "members"

// Words is a text by language (BCP 47, those of [policy.Languages]).
type Words map[string]string

// Text is one version of an accord: what is hashed, shown and signed (domain.md
// section 1.3). It never changes; a new version supersedes it.
type Text struct {
	Format     int            `json:"format"` // [Format]
	ID         hansa.AccordID `json:"id"`
	Version    int            `json:"version"`              // from 1
	Supersedes string         `json:"supersedes,omitempty"` // hash of the version that this one was made from; empty in the first
	Title      Words          `json:"title"`
	Summary    Words          `json:"summary,omitempty"` // what it is for, in a sentence or two
	Model      hansa.Model    `json:"model"`
	// Languages are those of authenticity; the first decides where they differ.
	Languages     []string        `json:"languages"`
	Pack          Pack            `json:"pack"` // the legal rules that it was made under
	Law           string          `json:"law,omitempty"`
	Forum         string          `json:"forum,omitempty"`
	Basis         *LegalBasis     `json:"basis,omitempty"` // of the model clause: by what the duty binds
	Parties       []Party         `json:"parties"`
	Flows         []Flow          `json:"flows"`
	Clauses       []Clause        `json:"clauses"`
	Consideration []Consideration `json:"consideration,omitempty"`
	Term          Term            `json:"term"`
	// From says whose accord or template it was made from; differences are computed.
	From *Origin `json:"from,omitempty"`
	// Request is the request that it answers, by its id: both sides have it ([Asking]).
	Request hansa.AccordID `json:"request,omitempty"`
	// Confidential withholds parts from the public register, each with the stated rule.
	Confidential []Withheld `json:"confidential,omitempty"`
}

// Pack names a rule pack, see [policy.Pack].
type Pack struct {
	ID   string `json:"id"` // [policy.Pack.Name]: eu@2026-06-18
	Hash string `json:"hash"`
}

// LegalBasis is what a duty rests on in the model clause.
type LegalBasis struct {
	Kind      string        `json:"kind"` // tender, permit, concession or by-law
	Reference string        `json:"reference"`
	Authority hansa.PartyID `json:"authority"`       // the party to which the duty is owed
	Served    bool          `json:"served,omitzero"` // it binds by recorded service, not by the bearer's signature
}

// Party is a party of an accord.
type Party struct {
	ID           hansa.PartyID   `json:"id"`
	Title        string          `json:"title"`
	Kind         hansa.PartyKind `json:"kind"`
	Role         hansa.PartyRole `json:"role"`
	Registration string          `json:"registration,omitempty"` // in a public register
	Size         string          `json:"size,omitempty"`         // micro, small or other
	Task         string          `json:"task,omitempty"`         // of a public body: its task and the provision that gives it
	Contacts     Contacts        `json:"contacts,omitzero"`
}

// Contacts are how a party's people are reached: functions, not persons.
type Contacts struct {
	Steward    string `json:"steward,omitempty"`
	Legal      string `json:"legal,omitempty"`
	Duty       string `json:"duty,omitempty"` // day and night
	Protection string `json:"protection,omitempty"`
}

// Flow is one dataset on its way from one party to another; in a pool the receiver
// may be [Members].
type Flow struct {
	ID       hansa.FlowID   `json:"id"` // the same in every version that keeps it
	Name     string         `json:"name"`
	From     hansa.PartyID  `json:"from"`
	To       hansa.PartyID  `json:"to"`
	Dataset  Dataset        `json:"dataset"`
	Formats  []hansa.Format `json:"formats"`            // any of these; a clause may bound them further
	Limit    hansa.Duration `json:"limit,omitzero"`     // agreed time from offered to live
	Marked   []Mark         `json:"marked,omitempty"`   // fields that leave only when the receiver's measures are confirmed
	Personal *Personal      `json:"personal,omitempty"` // nil: no personal data
	// Exclusive is the receiver's right that nobody else gets these data; nil is none.
	Exclusive *Exclusive `json:"exclusive,omitempty"`
}

// Exclusive is an exclusive right. On data that a public body holds it is an
// exception that ends within twelve months and is published with its reasons
// (Regulation (EU) 2022/868 Art. 4).
type Exclusive struct {
	Until     string `json:"until"`     // the last day
	Reason    string `json:"reason"`    // the service of general interest that needs it
	Published string `json:"published"` // the web address at which the grant and its reasons stand
}

// Dataset names a dataset of the giver.
type Dataset struct {
	Name   string           `json:"name"` // [hansa.ValidName], the giver's own
	Title  string           `json:"title"`
	Kind   hansa.RecordKind `json:"kind"`
	Holder string           `json:"holder,omitempty"` // the original holder, where it is not the giver
}

// Mark is a field that is a trade secret or personal (Regulation (EU) 2023/2854
// Art. 19(3)).
type Mark struct {
	Field    string `json:"field"` // one of [hansa.Fields]
	As       string `json:"as"`    // trade-secret or personal
	Measures string `json:"measures"`
}

// Personal is what has to be said before a flow of personal data can start
// (Regulation (EU) 2016/679 Art. 6, 26, 28, 35, 44).
type Personal struct {
	Roles      string `json:"roles"` // separate, joint or processor
	Basis      string `json:"basis"`
	Assessment string `json:"assessment"` // reference of the impact assessment
	Retention  int    `json:"retention"`  // days
	Country    string `json:"country"`    // "none", or the third country and its safeguard
}

// Clause is a clause of the catalogue as it stood when the text was made, with its
// parameters and its words in full. A node shows these, never its catalogue's
// present ones.
type Clause struct {
	ID        string          `json:"id"`              // of the catalogue
	Version   int             `json:"version"`         // of the catalogue's entry
	Hash      string          `json:"hash"`            // of the catalogue's entry
	Flows     []hansa.FlowID  `json:"flows,omitempty"` // that it is about; none is all
	Bearer    policy.Bearer   `json:"bearer"`          // seen from each flow
	Params    policy.Params   `json:"params,omitempty"`
	Title     Words           `json:"title"` // in the languages of authenticity
	Text      Words           `json:"text"`
	Rules     policy.Rules    `json:"odrl"`
	Enforced  string          `json:"enforcement"` // gate, check, or not enforced by software
	Evidence  policy.Evidence `json:"evidence"`
	Source    string          `json:"source"`
	Uncovered Words           `json:"uncovered"`
	Blocks    bool            `json:"blocks,omitzero"` // its flows do not start before a gate can hold to it
}
