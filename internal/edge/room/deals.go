package room

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Deals is what a party agrees with participants elsewhere, by the Dataspace
// Protocol, and what it offers and finds for that. What is another party's is
// NotFound.
type Deals interface {
	Table
	Contracts
	Stall
	Peering
}

// Table is where offers go to and fro.
type Table interface {
	// Requests lists those that are open, and the newest of those that have ended.
	Requests(ctx context.Context, by hansa.Actor) ([]Request, error)
	// Process is a request or a transfer with every message.
	Process(ctx context.Context, by hansa.Actor, id string) (Process, error)
	// Answer does accept, agree, offer, request, verify, finalize or terminate.
	Answer(ctx context.Context, by hansa.Actor, id, act string, a Answer) error
	// Ask begins a request of one's own, and returns its id.
	Ask(ctx context.Context, by hansa.Actor, o Wish) (id string, err error)
	// Retry sends what does not arrive again.
	Retry(ctx context.Context, by hansa.Actor, id string) error
}

// Contracts is what came of it.
type Contracts interface {
	Agreements(ctx context.Context, by hansa.Actor) ([]Agreement, error)
	// Agreement is one with its transfers.
	Agreement(ctx context.Context, by hansa.Actor, id string) (Agreement, []Transfer, error)
	// EndAgreement ends one's own side of it, with all that is given under it.
	EndAgreement(ctx context.Context, by hansa.Actor, id string, reason []string) error
	// Take asks for data under an agreement, and returns the transfer's id.
	Take(ctx context.Context, by hansa.Actor, agreement string, o Wish) (id string, err error)
	// Steer does start, suspend, resume, complete or end to a transfer.
	Steer(ctx context.Context, by hansa.Actor, id, act string, reason []string) error
}

// Stall is what a party offers, and what it finds elsewhere.
type Stall interface { //nolint:interfacebloat // one table of acts; splitting it would name nothing
	// Dataset is one of the party's own with its offers.
	Dataset(ctx context.Context, by hansa.Actor, name string) (DatasetSheet, error)
	MakeOffer(ctx context.Context, by hansa.Actor, dataset string, o OfferTerms) error
	WithdrawOffer(ctx context.Context, by hansa.Actor, id string) error
	// Catalogue searches what the party has, and what is offered to it.
	Catalogue(ctx context.Context, by hansa.Actor, words string) (Catalogue, error)
	// Look reads the catalogues elsewhere anew; how that went stands in the next search.
	Look(ctx context.Context, by hansa.Actor) error
	// OfferAt is one offer of a dataset elsewhere.
	OfferAt(ctx context.Context, by hansa.Actor, peer hansa.PartyID, target, offer string) (KnownDataset, KnownOffer, error)
	// Writable lists the formats that data can leave in.
	Writable() []string
}

// Peering is whom a party deals with elsewhere, and by which keys it signs.
type Peering interface {
	Peers(ctx context.Context, by hansa.Actor) ([]Peer, error)
	// AddPeer returns the token by which the peer proves who it is; empty when none
	// was asked for.
	AddPeer(ctx context.Context, by hansa.Actor, o PeerOrder) (token string, err error)
	RemovePeer(ctx context.Context, by hansa.Actor, name string) error
	PartyKeys(ctx context.Context, by hansa.Actor) (PartyKeys, error)
	RotateKey(ctx context.Context, by hansa.Actor, kid string) error
}

// Request is a contract negotiation as its own side sees it.
type Request struct {
	ID         string          `json:"id"`
	Pid        string          `json:"pid,omitempty"` // what the other side calls it
	Side       hansa.Side      `json:"side"`          // what own is
	Other      hansa.PartyID   `json:"other"`
	OtherTitle string          `json:"otherTitle"`
	Address    string          `json:"address"`
	State      string          `json:"state"`
	Turn       string          `json:"turn,omitempty"`  // own or other; empty when it has ended
	Waits      string          `json:"waits,omitempty"` // what a person of this side is asked
	Can        []string        `json:"can"`
	Target     string          `json:"target"`          // the dataset, by its owner's name for it
	Title      string          `json:"title,omitempty"` // what it is called here, where it is known
	Purposes   []string        `json:"purposes,omitempty"`
	OfferBy    hansa.Side      `json:"offerBy,omitempty"`
	Offer      json.RawMessage `json:"offer,omitempty"` // on the table
	Words      []string        `json:"words,omitempty"` // its rules, or the agreement's
	// Differs is where the offer departs from one's own: as provider from what was
	// offered, as consumer from what was asked for.
	Differs   []Difference `json:"differs,omitempty"`
	Agreement string       `json:"agreement,omitempty"`
	Automatic bool         `json:"automatic,omitempty"`
	Code      string       `json:"code,omitempty"` // why it ended
	Reason    []string     `json:"reason,omitempty"`
	EndedBy   hansa.Side   `json:"endedBy,omitempty"`
	Dataset   string       `json:"dataset,omitempty"` // own dataset that is filled
	Then      string       `json:"then,omitempty"`
	Parked    string       `json:"parked,omitempty"` // why a message does not arrive, and is tried no more
	Trying    string       `json:"trying,omitempty"` // why one has not arrived yet
	Began     time.Time    `json:"began"`
	Changed   time.Time    `json:"changed"`
	// Terms is the offer as a form can hold it; nil when it says more than that.
	Terms *OfferTerms `json:"-"`
}

// Difference is one point where two offers differ, in words.
type Difference struct {
	What   string `json:"what"`
	Own    string `json:"own"`
	Theirs string `json:"theirs"`
}

// Answer is what a person decides.
type Answer struct {
	Reason []string
	Terms  OfferTerms // of a counter-offer
	Policy string     // of a counter-offer, in the place of terms
}

// Wish is what a person asks another participant for.
type Wish struct {
	Peer    hansa.PartyID
	Offer   string
	Target  string // its dataset, by its owner's name for it
	Purpose string
	Dataset string // own one that is filled; made when it is not there
	Way     string // a distribution format; of a request, empty is the agreement alone
}

// Process is a request or a transfer with every message of it.
type Process struct {
	ID       string    `json:"id"`
	Request  *Request  `json:"negotiation,omitempty"`
	Transfer *Transfer `json:"transfer,omitempty"`
	Messages []Message `json:"messages"`
}

// Message is one message of a process.
type Message struct {
	N         int64           `json:"n"`
	At        time.Time       `json:"at"`
	Direction string          `json:"direction"` // out or in
	Kind      string          `json:"kind"`
	URL       string          `json:"url"`
	State     string          `json:"state"` // waits, delivered, parked, void, received, refused
	After     string          `json:"after"`
	Status    int             `json:"status,omitempty"`
	Tries     int             `json:"tries,omitempty"`
	Next      time.Time       `json:"next,omitzero"`
	Done      time.Time       `json:"done,omitzero"`
	Reason    string          `json:"reason,omitempty"`
	Body      json.RawMessage `json:"body,omitempty"`
	Answer    string          `json:"answer,omitempty"`
}

// Agreement is a contract agreement.
type Agreement struct {
	ID         string          `json:"id"`
	Side       hansa.Side      `json:"side"`
	Own        hansa.PartyID   `json:"own"`
	OwnTitle   string          `json:"ownTitle"`
	Other      hansa.PartyID   `json:"other"`
	OtherTitle string          `json:"otherTitle"`
	Process    string          `json:"process"`
	Target     string          `json:"target"`
	Title      string          `json:"title,omitempty"`
	Hash       string          `json:"hash"`
	Policy     json.RawMessage `json:"policy"`
	Words      []string        `json:"words"`
	Purposes   []string        `json:"purposes,omitempty"`
	At         time.Time       `json:"at"`
	Ended      time.Time       `json:"ended,omitzero"`
	Running    int             `json:"running"` // transfers under it that have started
	Open       int             `json:"open"`    // that have not ended
}

// Transfer is a transfer process as its own side sees it.
type Transfer struct {
	ID         string        `json:"id"`
	Pid        string        `json:"pid,omitempty"`
	Side       hansa.Side    `json:"side"`
	Other      hansa.PartyID `json:"other"`
	OtherTitle string        `json:"otherTitle"`
	Agreement  string        `json:"agreement"`
	Format     string        `json:"format"`
	State      string        `json:"state"`
	Turn       string        `json:"turn,omitempty"`
	Waits      string        `json:"waits,omitempty"`
	Can        []string      `json:"can"`
	Dataset    string        `json:"dataset,omitempty"`
	Code       string        `json:"code,omitempty"`
	Reason     []string      `json:"reason,omitempty"`
	EndedBy    hansa.Side    `json:"endedBy,omitempty"`
	Parked     string        `json:"parked,omitempty"`
	Trying     string        `json:"trying,omitempty"`
	Problem    string        `json:"problem,omitempty"`
	Began      time.Time     `json:"began"`
	Changed    time.Time     `json:"changed"`
}
