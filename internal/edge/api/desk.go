package api

import (
	"context"
	"io"
	"time"

	"github.com/hansa-exchange/hansa"
)

// CloseOrder asks to close a place.
type CloseOrder struct {
	Place   string `json:"place,omitempty"`   // id or name
	Heading string `json:"heading,omitempty"` // which direction or tube of it
	// Line is drawn in place of Place, in the direction of travel; Both closes both
	// directions, and Name is what it is called where no road is matched.
	Line      []hansa.Position `json:"line,omitempty"`
	Both      bool             `json:"both,omitzero"`
	Name      string           `json:"name,omitempty"`
	Lanes     []int            `json:"lanes,omitempty"`     // close only these lanes
	From      *time.Time       `json:"from,omitempty"`      // planned start; none is now
	Until     *time.Time       `json:"until,omitempty"`     // none is "end unknown"
	EndKind   string           `json:"endKind,omitempty"`   // confirmed or estimated
	Reason    string           `json:"reason,omitempty"`    // a cause: fire, technical-fault, roadworks, event, ...
	Text      string           `json:"text,omitempty"`      // a sentence for the public
	Lang      string           `json:"lang,omitempty"`      // of text; empty is the party's
	Incident  string           `json:"incident,omitempty"`  // joins this closure to an incident
	Role      hansa.Role       `json:"role,omitempty"`      // closure unless said
	EndRule   string           `json:"endRule,omitempty"`   // at-planned-end ends it without another word
	Dataset   string           `json:"dataset,omitempty"`   // id or name; needed when the party has several of situations
	Test      bool             `json:"test,omitzero"`       // marked as a test
	RequestID string           `json:"requestId,omitempty"` // repeats with the same id make one closure
}

// ChangeOrder changes a closure.
type ChangeOrder struct {
	Until   *time.Time `json:"until,omitempty"`
	EndKind string     `json:"endKind,omitempty"`
	Text    string     `json:"text,omitempty"`
	Lang    string     `json:"lang,omitempty"`
	// What follows is for a correction; what is left out stays as it was.
	Place   string     `json:"place,omitempty"`   // another part of the same place, by id or name
	Heading string     `json:"heading,omitempty"` // or by its direction or tube
	Reason  string     `json:"reason,omitempty"`
	From    *time.Time `json:"from,omitempty"` // the planned start; of one in force, when it began
}

// Closure is one situation with where it stands at each receiver.
type Closure struct {
	ID        string          `json:"id"`
	Dataset   hansa.DatasetID `json:"dataset"`
	Version   int64           `json:"version"`
	Title     string          `json:"title"`
	Cursor    hansa.Cursor    `json:"cursor,omitempty"`
	Record    *hansa.Record   `json:"record"`
	Receivers []Receiver      `json:"receivers"`
	Findings  []hansa.Finding `json:"findings,omitempty"`
	// Contradictions are records of others that say otherwise; a person decides.
	Contradictions []Contradiction `json:"contradictions,omitempty"`
}

// Receiver is a closure's ladder at one receiver.
type Receiver struct {
	Party  hansa.PartyID `json:"party"`
	Title  string        `json:"title"`
	Flow   hansa.FlowID  `json:"flow"`
	Share  float64       `json:"share,omitzero"`
	Step   hansa.Step    `json:"step"` // the step that counts now
	Late   bool          `json:"late"`
	Limit  float64       `json:"limitSeconds,omitzero"`
	After  float64       `json:"afterSeconds"` // from offered to the step that counts
	Ladder []Rung        `json:"ladder"`
	End    []Rung        `json:"end,omitempty"` // the ladder of the closure's end
	Reason string        `json:"reason,omitempty"`
}

// Rung is one step with its time and how it is known.
type Rung struct {
	Step     hansa.Step     `json:"step"`
	At       time.Time      `json:"at"`
	Evidence hansa.Evidence `json:"evidence"`
	Reason   string         `json:"reason,omitempty"`
	Segment  string         `json:"segment,omitempty"`
}

// Desk is what a controller does and sees.
type Desk interface { //nolint:interfacebloat // one desk, six acts of one person
	Close(ctx context.Context, by hansa.Actor, order CloseOrder) (Closure, error)
	// Change applies what: begin, correct, extend, reopen, repaired, withdraw.
	Change(ctx context.Context, by hansa.Actor, id, what string, order ChangeOrder) (Closure, error)
	Closures(ctx context.Context, by hansa.Actor, ended bool) ([]Closure, error)
	Closure(ctx context.Context, by hansa.Actor, id string) (Closure, error)
	Places(ctx context.Context, by hansa.Actor, query string) ([]hansa.Place, error)
	// Wait returns when something about a closure's ladder has changed, or ctx ends.
	Wait(ctx context.Context, by hansa.Actor, id string) error
}

// Delivery is one hand-over to a webhook, with its attempts.
type Delivery struct {
	ID           string          `json:"id"`
	Party        hansa.PartyID   `json:"party"`
	Subscription string          `json:"subscription"`
	Flow         hansa.FlowID    `json:"flow"`
	Record       string          `json:"record"`
	Version      int64           `json:"version"`
	State        string          `json:"state"` // waiting, delivered, parked
	URL          string          `json:"url"`
	Bytes        int             `json:"bytes"`
	Digest       string          `json:"sha256"`
	Made         time.Time       `json:"made"`
	Attempts     []hansa.Attempt `json:"attempts"`
	Next         time.Time       `json:"next,omitzero"`
}

// Handover is evidence of one range handed to a reader by pull or stream.
type Handover struct {
	ID         string         `json:"id"`
	Flow       hansa.FlowID   `json:"flow"`
	Party      hansa.PartyID  `json:"party"`
	Subscriber string         `json:"subscriber"`
	How        string         `json:"how"` // snapshot, records, events, webhook
	From       hansa.Cursor   `json:"from"`
	To         hansa.Cursor   `json:"to"`
	Digest     string         `json:"sha256"`
	Bytes      int            `json:"bytes"`
	Verdicts   map[string]int `json:"verdicts"`
	At         time.Time      `json:"at"`
}

// Deliveries is the log of what was handed over, and what waits.
type Deliveries struct {
	Deliveries []Delivery `json:"deliveries"`
	Handovers  []Handover `json:"handovers"`
	More       int        `json:"more"` // how many were left out
	// Counts is how many there are in each state, whichever State was asked for.
	Counts map[string]int `json:"-"`
}

// Explained says for one flow who would get a record, and why not.
type Explained struct {
	Flow    hansa.FlowID  `json:"flow"`
	Name    string        `json:"name"`
	To      hansa.PartyID `json:"to"`
	Title   string        `json:"title"`
	Purpose hansa.Purpose `json:"purpose,omitempty"`
	Outcome string        `json:"outcome"` // pass, trim, deny
	Rule    hansa.Rule    `json:"rule"`
	Why     []Reason      `json:"why"`
	Formats []FormatSays  `json:"formats"`
	// Policy is what it stands on, where that is an agreement between connectors.
	Policy *PolicyExplained `json:"policy,omitempty"`
}

// Reason is one term of a flow and whether the record meets it.
type Reason struct {
	Rule hansa.Rule `json:"rule"`
	OK   bool       `json:"ok"`
	What string     `json:"what"`
}

// FormatSays is what one format would lose of a record.
type FormatSays struct {
	Format  hansa.Format `json:"format"`
	Refused bool         `json:"refused"`
	Losses  []hansa.Loss `json:"losses,omitempty"`
}

// Status is how the node does.
type Status struct {
	Version  string            `json:"version"`
	Started  time.Time         `json:"started"`
	Now      time.Time         `json:"now"`
	Factor   float64           `json:"clockFactor"` // 1 outside the demo
	Epoch    string            `json:"epoch"`
	Origin   string            `json:"origin"`
	Records  int64             `json:"records"`
	Entries  int64             `json:"journalEntries"`
	Sealed   time.Time         `json:"sealed,omitzero"`
	Feeds    []hansa.FeedState `json:"feeds"`
	Checked  string            `json:"checked"` // how far the walk over stored rows has come
	Problems []string          `json:"problems"`
	Free     int64             `json:"freeBytes"`
}

// FlowInfo is a flow with the names that people know.
type FlowInfo struct {
	hansa.Flow
	DatasetName string `json:"datasetName"`
	FromTitle   string `json:"fromTitle"`
	ToTitle     string `json:"toTitle"`
	// WithoutAccord says that no accord is its basis: it was there before, or a
	// connector that knows none agreed on it.
	WithoutAccord bool `json:"withoutAccord,omitzero"`
}

// Operator is what the operator of a node does, and what parties may see of it.
type Operator interface { //nolint:interfacebloat // one operator; splitting it would name nothing
	Status(ctx context.Context, by hansa.Actor) (Status, error)
	Flows(ctx context.Context, by hansa.Actor) ([]FlowInfo, error)
	Datasets(ctx context.Context, by hansa.Actor) ([]hansa.Dataset, error)
	Deliveries(ctx context.Context, by hansa.Actor, q DeliveryQuery) (Deliveries, error)
	// Replay sends a delivery, or all that a subscription has had since a cursor, again.
	Replay(ctx context.Context, by hansa.Actor, id string, since hansa.Cursor) (int, error)
	Explain(ctx context.Context, by hansa.Actor, flow, record string, purpose hansa.Purpose) ([]Explained, error)
	Release(ctx context.Context, by hansa.Actor, feed string) error
	Erase(ctx context.Context, by hansa.Actor, dataset, record, rule string) (int, error)
	Backup(ctx context.Context, w io.Writer) error
	// Metrics writes how the node does, in the text form of Prometheus.
	Metrics(ctx context.Context, by hansa.Actor, w io.Writer) error
	// Ready is nil when the node takes changes and keeps up.
	Ready(ctx context.Context) error
}

// DeliveryQuery narrows the log.
type DeliveryQuery struct {
	Party hansa.PartyID
	Flow  hansa.FlowID
	State string
	ID    string
	Limit int
}

// Evidence is what anybody may check, and what a party may take home.
type Evidence interface {
	Checkpoint(ctx context.Context) ([]byte, error)
	Tile(ctx context.Context, path string) ([]byte, error)
	Entries(ctx context.Context, by hansa.Actor, from, limit int64) ([]Entry, error)
	Proofs
	// Key returns the node's verifier key (note vkey line).
	Key() string
}

// Proofs are bundles that are checked without the node.
type Proofs interface {
	// Proof bundles what can be proved of one record: content, versions, ladder, hand-overs.
	Proof(ctx context.Context, by hansa.Actor, dataset, record string, since []byte) ([]byte, error)
	// AccordProof bundles an accord: every entry, text and signature.
	AccordProof(ctx context.Context, by hansa.Actor, accord string, since []byte) ([]byte, error)
}

// Entry is one entry of the journal that concerns the caller.
type Entry struct {
	Index int64  `json:"index"`
	Data  string `json:"data"`
}

// Contradiction is another source's word against a closure.
type Contradiction struct {
	Record string    `json:"record"`
	Source string    `json:"source"`
	Says   string    `json:"says"`
	At     time.Time `json:"at"`
}
