package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Ask is a read: which flow, for what, in which format. The flow has been found
// and the actor let in.
type Ask struct {
	Actor   hansa.Actor
	Flow    hansa.FlowID
	Purpose hansa.Purpose // as the caller named it; empty takes the credential's or the flow's only one
	Format  hansa.Format
	// Has says whether the document need not be sent (the caller has it, or wants its
	// head alone), and whether the caller named its very bytes; nil is no to both.
	Has func(etag string) (spared, holds bool)
}

// Answer is one document ready to send.
type Answer struct {
	Body      []byte
	MediaType string
	ETag      string
	Cursor    hansa.Cursor
	Made      time.Time
	Header    http.Header // the label
	Losses    []hansa.Loss
}

// Event is one change as the caller's view shows it.
type Event struct {
	Cursor    hansa.Cursor `json:"cursor"`
	Type      string       `json:"type"` // org.hansa-exchange.record.insert, .modify, .end, .withdraw
	Record    string       `json:"record"`
	Version   int64        `json:"version"`
	Update    hansa.Update `json:"update,omitempty"`
	At        time.Time    `json:"at"`
	MediaType string       `json:"mediaType"`
	Data      []byte       `json:"-"`
}

// Page is a run of changes.
type Page struct {
	Events []Event
	Next   hansa.Cursor
	More   bool
	Header http.Header
}

// Data reads flows through their gates.
type Data interface {
	// Snapshot returns the present state. An unknown format is Invalid/CodeFormat.
	Snapshot(ctx context.Context, ask Ask) (Answer, error)
	// Records returns changes since a cursor; wait bounds how long an empty page may hang.
	Records(ctx context.Context, ask Ask, since hansa.Cursor, limit int, wait time.Duration) (Page, error)
	// Events calls emit for each change until ctx or the connection ends; a nil
	// event is a heartbeat. started is called once the read is allowed, before the first.
	Events(ctx context.Context, ask Ask, since hansa.Cursor, started func(http.Header), emit func(*Event) error) error
}

// Own is what a party reads of its own datasets.
type Own interface {
	// OwnRecords returns what came into a dataset since a cursor, [CursorEnd] for what
	// comes from now on; wait bounds how long an empty page may hang.
	OwnRecords(ctx context.Context, by hansa.Actor, dataset hansa.DatasetID, as hansa.Format, since hansa.Cursor, limit int, wait time.Duration) (Page, error)
}

// CursorEnd stands for the cursor after the newest record.
const CursorEnd hansa.Cursor = "end"

// Accepted says what became of one published record.
type Accepted struct {
	Line     int             `json:"line"` // 1-based position in the request
	ID       string          `json:"id,omitempty"`
	Outcome  string          `json:"outcome"` // stored, repeat, revision, older, refused
	Cursor   hansa.Cursor    `json:"cursor,omitempty"`
	Findings []hansa.Finding `json:"findings,omitempty"`
	Error    *ErrorBody      `json:"error,omitempty"`
}

// Intake takes what publishers push.
type Intake interface {
	// Publish reads body as contentType, and answers each record in order. It
	// returns after what it accepted is durable.
	Publish(ctx context.Context, by hansa.Actor, dataset hansa.DatasetID, contentType string, body io.Reader) ([]Accepted, error)
}

// Subscription is a webhook.
type Subscription struct {
	ID      string       `json:"id"`
	Flow    hansa.FlowID `json:"flow"`
	URL     string       `json:"url"`
	Format  hansa.Format `json:"format"`
	State   string       `json:"state"` // pending, active, paused, parked, disabled
	Reason  string       `json:"reason,omitempty"`
	Purpose string       `json:"purpose,omitempty"`
	Created time.Time    `json:"created"`
	Cursor  hansa.Cursor `json:"cursor,omitempty"`
	// Key is the verification key (whpk_...) or shared secret (whsec_...) of
	// Standard Webhooks; a secret is shown once, when the subscription is made.
	Key string `json:"key,omitempty"`
}

// Subscribe asks for a webhook.
type Subscribe struct {
	URL     string        `json:"url"`
	Format  hansa.Format  `json:"format,omitempty"`
	Purpose hansa.Purpose `json:"purpose,omitempty"`
	From    string        `json:"from,omitempty"`    // a cursor, "start", or empty for now
	Signing string        `json:"signing,omitempty"` // ed25519 (default) or hmac
}

// Tested is the outcome of a test delivery.
type Tested struct {
	OK      bool          `json:"ok"`
	Attempt hansa.Attempt `json:"attempt"`
}

// Subscriptions keeps webhooks.
type Subscriptions interface {
	Subscribe(ctx context.Context, ask Ask, s Subscribe) (Subscription, error)
	Subscriptions(ctx context.Context, by hansa.Actor, flow hansa.FlowID) ([]Subscription, error)
	Unsubscribe(ctx context.Context, by hansa.Actor, flow hansa.FlowID, id string) error
	// RotateSubscription gives a webhook a new key, and returns what to check with.
	RotateSubscription(ctx context.Context, by hansa.Actor, flow hansa.FlowID, id string) (string, error)
	TestSubscription(ctx context.Context, by hansa.Actor, flow hansa.FlowID, id string) (Tested, error)
}

// ReceiptAnswer says what became of one receipt.
type ReceiptAnswer struct {
	Record   string         `json:"record"`
	Step     hansa.Step     `json:"step"`
	Accepted bool           `json:"accepted"`
	Evidence hansa.Evidence `json:"evidence,omitempty"`
	Error    *ErrorBody     `json:"error,omitempty"`
}

// Receipts takes what receivers say became of records.
type Receipts interface {
	// PostReceipts takes raw receipts (each the JSON of a hansa.Receipt); signed
	// ones are checked over the received bytes.
	PostReceipts(ctx context.Context, by hansa.Actor, flow hansa.FlowID, raw [][]byte) ([]ReceiptAnswer, error)
}
