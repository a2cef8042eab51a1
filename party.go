package hansa

import (
	"strings"
	"time"
)

// PartyID names an organisation: a DID (W3C DID 1.0), never changed.
type PartyID string

// PublicParty is the reserved party without keys or users: the receiver of open terms.
const PublicParty PartyID = "public"

// PartyKind says what sort of organisation a party is.
type PartyKind string

// The kinds of party.
const (
	City         PartyKind = "city"
	PublicBody   PartyKind = "public-body"
	Company      PartyKind = "company"
	Intermediary PartyKind = "intermediary"
)

// Party is an organisation that gives or receives data. A node hosts one or
// more; nothing asks which.
type Party struct {
	ID       PartyID   `json:"id"`
	Name     string    `json:"name"` // [ValidName]; unique on the node
	Title    string    `json:"title"`
	Kind     PartyKind `json:"kind"`
	Hosted   bool      `json:"hosted"` // it lives on this node
	Contact  string    `json:"contact,omitempty"`
	Since    time.Time `json:"since"`
	Zone     string    `json:"zone,omitempty"` // IANA time zone that its people live in
	OpaqueID string    `json:"-"`              // a UUID: what the journal calls it, so that no name stands there
	Share    float64   `json:"share,omitzero"` // declared share of routed trips, 0 to 1; 0 is undeclared
	// Languages are those that the party writes in, by BCP 47 tag, the first for
	// what names none; empty is English.
	Languages []string `json:"languages,omitempty"`
}

// LanguagesMax bounds the languages of a party.
const LanguagesMax = 16

// Language is the language of what p writes where nothing else is said.
func (p *Party) Language() string {
	if len(p.Languages) > 0 {
		return p.Languages[0]
	}
	return "en"
}

// Validate reports the first rule that p breaks.
func (p *Party) Validate() error {
	switch {
	case p.ID == "":
		return Fielded("/id", "a party needs an id (a DID)")
	case len(p.ID) > 512:
		return Fielded("/id", "a party's id has at most 512 bytes")
	case !ValidName(p.Name):
		return Fielded("/name", "a party's name is 1 to 63 of a-z, 0-9 and hyphen, not %q", p.Name)
	case p.Title == "":
		return Fielded("/title", "a party needs a title that people read")
	}
	if len(p.Languages) > LanguagesMax {
		return Fielded("/languages", "a party writes in at most %d languages", LanguagesMax)
	}
	for _, l := range p.Languages {
		if !validLanguage(l) {
			return Fielded("/languages", "a language is a tag like en, nl or pt-BR, not %q", l)
		}
	}
	switch p.Kind {
	case City, PublicBody, Company, Intermediary:
		return nil
	}
	return Fielded("/kind", "a party is a city, public-body, company or intermediary, not %q", p.Kind)
}

// validLanguage accepts the tags that are in use: a language of two or three
// letters, and a region (BCP 47 section 2.1).
func validLanguage(s string) bool {
	lang, region, has := strings.Cut(s, "-")
	if len(lang) < 2 || len(lang) > 3 || strings.Trim(lang, "abcdefghijklmnopqrstuvwxyz") != "" {
		return false
	}
	return !has || len(region) == 2 && strings.Trim(region, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// Right is what a credential may do.
type Right string

// The rights of a credential. Values are written to disk.
const (
	RightRead    Right = "read"    // read flows that its party receives
	RightPublish Right = "publish" // put records into datasets that its party owns
	RightReceipt Right = "receipt" // send receipts for flows that its party receives
	RightControl Right = "control" // close, reopen and extend for its party
	RightConnect Right = "connect" // speak the Dataspace Protocol as its party
	RightManage  Right = "manage"  // keep its party's credentials, users, datasets, feeds and flows
	RightAdmin   Right = "admin"   // operate the node: backup, replay, explain, see every delivery
)

// Actor is who is calling, once established. The zero Actor is nobody and may do
// nothing.
type Actor struct {
	Party      PartyID
	Credential string // id of the credential; empty for a person, and for the administrator's own socket
	User       string // opaque id of the person who is signed in; empty for a program
	Rights     []Right
	Purposes   []Purpose // empty: those of the flow
	Test       bool      // a test credential reaches test flows only
	Flow       FlowID    // the one flow that it reaches; empty is all of its party
}

// May reports whether a holds right r. An administrator holds every right.
func (a Actor) May(r Right) bool {
	for _, have := range a.Rights {
		if have == r || have == RightAdmin {
			return true
		}
	}
	return false
}

// ID is what records and the journal call a: the opaque id of the person or of
// the credential. It is empty for the administrator's own socket.
func (a Actor) ID() string {
	if a.User != "" {
		return a.User
	}
	return a.Credential
}
