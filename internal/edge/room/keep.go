package room

import (
	"context"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Keeper is what a party keeps on the exchange, and how its node does. What is
// another party's is NotFound; nobody gives a right that he lacks.
type Keeper interface { //nolint:interfacebloat // the tables below, and what joins them
	Post
	Springs
	Register
	Vault
	Crew
	// Keys says by what others check this node.
	Keys(ctx context.Context, by hansa.Actor) Keys
	// Status says how the node does, in words.
	Status(ctx context.Context, by hansa.Actor) ([]Check, error)
	// FirstSteps lists what a new exchange needs, in order, done or not.
	FirstSteps(ctx context.Context, by hansa.Actor) ([]FirstStep, error)
}

// Post is what was handed over.
type Post interface {
	// Deliveries lists the newest in a state; empty states take all, an id one.
	Deliveries(ctx context.Context, by hansa.Actor, state, id string) (Deliveries, error)
	// Replay sends one delivery again.
	Replay(ctx context.Context, by hansa.Actor, id string) error
}

// Springs is where datasets come from.
type Springs interface { //nolint:interfacebloat // one table of acts; splitting it would name nothing
	Feeds(ctx context.Context, by hansa.Actor) ([]FeedRow, error)
	Feed(ctx context.Context, by hansa.Actor, name string) (FeedSheet, error)
	// TryFeed asks a source once, and stores nothing.
	TryFeed(ctx context.Context, by hansa.Actor, o FeedOrder) (Trial, error)
	AddFeed(ctx context.Context, by hansa.Actor, o FeedOrder) error
	// ChangeFeed does pause, resume, release or remove.
	ChangeFeed(ctx context.Context, by hansa.Actor, name, what string) error
	// Readable lists the formats that a feed may have.
	Readable() []string
}

// Register is what a party offers, and whom it deals with.
type Register interface {
	Datasets(ctx context.Context, by hansa.Actor) ([]DatasetRow, error)
	AddDataset(ctx context.Context, by hansa.Actor, name, title, licence string) error
	Parties(ctx context.Context, by hansa.Actor) ([]PartyRow, error)
	PauseFlow(ctx context.Context, by hansa.Actor, id string, paused bool) error
}

// Vault keeps the credentials of programs.
type Vault interface {
	Credentials(ctx context.Context, by hansa.Actor) ([]CredentialRow, error)
	AddCredential(ctx context.Context, by hansa.Actor, o CredentialOrder) (Secret, error)
	RotateCredential(ctx context.Context, by hansa.Actor, id string, overlap time.Duration) (Secret, error)
	RevokeCredential(ctx context.Context, by hansa.Actor, id string) error
}

// Crew keeps the users of a party.
type Crew interface {
	Users(ctx context.Context, by hansa.Actor) ([]UserRow, error)
	AddUser(ctx context.Context, by hansa.Actor, name, mail string, roles []hansa.UserRole) (Pass, error)
	LinkUser(ctx context.Context, by hansa.Actor, id string) (Pass, error)
	SetRoles(ctx context.Context, by hansa.Actor, id string, roles []hansa.UserRole) error
	RevokeUser(ctx context.Context, by hansa.Actor, id string) error
}

// Check is one thing about the node, in words.
type Check struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
	Mend string `json:"mend,omitempty"`
}

// FirstStep is one thing that a new exchange needs.
type FirstStep struct {
	What    string `json:"what"`
	Why     string `json:"why"`
	Href    string `json:"href,omitempty"`
	Command string `json:"command,omitempty"`
	Done    bool   `json:"done"`
	Free    bool   `json:"free,omitempty"` // not everybody needs it
}
