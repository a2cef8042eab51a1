package hansa

import (
	"context"
	"database/sql"
	"time"
)

// Tx is a transaction as rooms see it. SQL is the portable subset that SQLite
// and PostgreSQL share, with ? for arguments; only base/store knows the dialect.
type Tx interface {
	Exec(query string, args ...any) (sql.Result, error)
	Query(query string, args ...any) (*sql.Rows, error)
	QueryRow(query string, args ...any) *sql.Row
}

// DB is the one database. Write runs f in a savepoint of the group's transaction
// and returns after that transaction is durable: f's error undoes f alone. f may
// not call Write. Read runs f on one consistent view and may not change anything.
type DB interface {
	Write(ctx context.Context, f func(Tx) error) error
	Read(ctx context.Context, f func(Tx) error) error
}

// Migration is one numbered change of one room's tables. Numbers start at 1 and
// are never reused; Statements run in one transaction.
type Migration struct {
	Room       string
	Number     int
	Statements []string
}

// Route is one way in: who may do what to which object, within which limits.
// Authorisation, the forged-token matrix, the isolation test and the reference
// are generated from it (decision 17).
type Route struct {
	Method  string // GET, POST, DELETE
	Pattern string // net/http pattern path, e.g. /data/v1/flows/{flow}/snapshot
	Right   Right  // that the actor needs; empty is open to anybody
	Object  string // what {…} names: flow, dataset, subscription, delivery, closure, or node
	Action  string // a verb and an object, in plain words
	// BodyMax bounds the request's body in bytes after decompression; 0 takes none.
	BodyMax int64
	// Slow routes are exempt from the write timeout: streams and long polls.
	Slow bool
}

// Attempt is one try to hand something to a receiver.
type Attempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status,omitzero"` // HTTP; 0 when there was no answer
	Error  string    `json:"error,omitempty"`
	Took   Duration  `json:"took"`
	Retry  time.Time `json:"retry,omitzero"` // when the next will be
}

// FeedStatus is how a source does.
type FeedStatus string

// The states of a source.
const (
	FeedFresh   FeedStatus = "fresh"
	FeedLate    FeedStatus = "late"
	FeedSilent  FeedStatus = "silent"
	FeedFailing FeedStatus = "failing"
	FeedHeld    FeedStatus = "held"   // an empty or shrunken snapshot waits for a person
	FeedDrift   FeedStatus = "drift"  // most of what it gives cannot be read any more
	FeedPaused  FeedStatus = "paused" // a person paused it
)

// FeedState is how a source does, and since when.
type FeedState struct {
	Feed     string     `json:"feed"`
	Party    PartyID    `json:"party"`
	Dataset  DatasetID  `json:"dataset"`
	Status   FeedStatus `json:"status"`
	Since    time.Time  `json:"since"`
	LastGood time.Time  `json:"lastGood,omitzero"`
	LastTry  time.Time  `json:"lastTry,omitzero"`
	Reason   string     `json:"reason,omitempty"`
	Records  int        `json:"records"` // in the last good answer
}

// Place is a named stretch of the road network: a tunnel, a bridge, a street, or
// a tube or direction of one.
type Place struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Kind      string    `json:"kind"` // tunnel, bridge, road
	Tube      string    `json:"tube,omitempty"`
	Heading   string    `json:"heading,omitempty"` // where it leads: north, towards the centre
	Direction Direction `json:"direction"`
	Geometry  *Geometry `json:"geometry"`
	Number    string    `json:"number,omitempty"` // road number
	Parent    string    `json:"parent,omitempty"` // the whole that this is a part of
}
