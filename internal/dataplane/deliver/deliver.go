// Package deliver hands over what the gate lets through: snapshots, pages of
// changes, live streams and webhooks, each receiver at its own pace. What cannot
// be written down with its evidence is not delivered, and what could not be
// delivered is parked and visible, never lost.
package deliver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Limits of what is kept and handed over at once.
const (
	PageMax          = 1000             // events of one page
	WaitMax          = 60 * time.Second // of a long poll
	TailMax          = 4096             // events that one view's tail keeps
	TailBytesMax     = 8 << 20          // bytes that one view's tail keeps
	BacklogMax       = 16 * TailMax     // events that a live reader may fall behind
	ViewsMax         = 512              // views that are kept in memory
	SubscriptionsMax = 2000             // webhooks of one node
	PartyMax         = 200              // webhooks of one party
	DeliveriesMax    = 500              // delivered events listed for one subscription
	AttemptsMax      = 20               // attempts kept with one delivery
)

// Event is one change as a view shows it: already gated and encoded.
type Event struct {
	Cursor    hansa.Cursor
	Record    string
	Version   int64
	Update    hansa.Update
	At        time.Time // when it was received
	Rule      hansa.Rule
	Outcome   hansa.Outcome // a denied event is counted, and handed over as a notice when it is Gone, else not
	MediaType string
	Body      []byte
	Losses    []hansa.Loss
	Refused   bool // the format cannot say it without making it false
	Gone      bool // denied, where an earlier version was not: its receiver is told to drop that
}

// told reports whether e is handed over.
func (e *Event) told() bool { return e.Outcome != hansa.Deny || e.Gone }

// Type is the CloudEvents type of e.
func (e *Event) Type() string {
	switch {
	case e.Refused, e.Gone:
		return typePrefix + "record.withheld"
	case e.Update == "":
		return typePrefix + "record." + string(hansa.Modify)
	}
	return typePrefix + "record." + string(e.Update)
}

// View is one way of seeing a dataset. Flows with equal terms and format share
// one Key, and so one gate result and one encoding (decision 6).
type View struct {
	Key     string
	Flow    *hansa.Flow // the caller's own
	Format  hansa.Format
	Purpose hansa.Purpose
	Label   hansa.Label
}

// Ref names one version of a record that was handed over.
type Ref struct {
	ID      string
	Version int64
	Update  hansa.Update
}

// Snapshot is the present state as a view shows it.
type Snapshot struct {
	Body      []byte
	MediaType string
	At        hansa.Cursor
	Made      time.Time
	Counts    map[hansa.Rule]int
	Records   []Ref // those in Body
	Losses    []hansa.Loss
	ETag      string // strong, of the content
}

// Line reads through the gate. Events returns next after the last event that it
// looked at; with nothing to tell it returns since. A cursor of a lost epoch, or
// from before what is kept, is NotFound/CodeGone.
type Line interface { //nolint:interfacebloat // one way through the gate
	// Open finds the view of a flow, or says why there is none: Denied, NotFound
	// or Invalid/CodeFormat.
	Open(ctx context.Context, flow hansa.FlowID, purpose hansa.Purpose, format hansa.Format) (View, error)
	Events(ctx context.Context, v View, since hansa.Cursor, limit int) (evs []Event, next hansa.Cursor, err error)
	Snapshot(ctx context.Context, v View) (Snapshot, error)
	// Changed is closed when the view may have changed after the call.
	Changed(v View) <-chan struct{}
	// Resume is where a reader whose cursor is gone goes on; lost says that records
	// between are no longer kept.
	Resume(ctx context.Context, v View, since hansa.Cursor) (to hansa.Cursor, lost bool, err error)
	// Head is the cursor from which on everything is new.
	Head(ctx context.Context, v View) (hansa.Cursor, error)
}

// Sender posts to a receiver's address. Redirects are not followed. An error
// means that there was no answer; answer is bounded by the sender.
type Sender interface {
	Post(ctx context.Context, url string, header http.Header, body []byte) (status int, answered http.Header, answer []byte, err error)
}

// Vault keeps secrets at rest; bound ties a sealed secret to its place.
type Vault interface {
	Seal(plain []byte, bound string) ([]byte, error)
	Open(sealed []byte, bound string) ([]byte, error)
}

// Way is how something was handed over. Values are written to disk.
type Way string

// The ways.
const (
	WaySnapshot Way = "snapshot"
	WayChanges  Way = "changes"
	WayStream   Way = "stream"
	WayWebhook  Way = "webhook"
)

// Handover is what is told to whoever counts, in the transaction of its evidence.
type Handover struct {
	Flow       *hansa.Flow
	Subscriber string
	Way        Way
	Records    []Ref
	Bytes      int64
	Counts     map[hansa.Rule]int // how often each rule of the gate decided
	At         time.Time
}

// Config is what a Deliverer needs. DB, Line, Now and Log are required; Send is
// for webhooks alone.
type Config struct {
	DB     hansa.DB
	Line   Line
	Sealer hansa.Sealer
	Send   Sender
	Vault  Vault // nil keeps secrets as they are
	Now    func() time.Time
	Log    *slog.Logger
	Source string // CloudEvents source prefix: the node's public address
	// CheckURL refuses an address before it is saved; nil takes any https one.
	CheckURL func(url string) error
	// HandedOver is called for each hand-over, in its transaction; an error undoes it.
	HandedOver func(tx hansa.Tx, h Handover) error
	// Held is called before a reader is told that it has the present state already:
	// nothing is handed over, but what became of records meanwhile is known to it.
	Held      func(ctx context.Context, h Handover) error
	Heartbeat time.Duration  // of streams; 0 is 15 s
	Fresh     time.Duration  // how old a shared snapshot may be; 0 is 1 s
	Jitter    func() float64 // 0 to 1; nil is none
}

// Deliverer hands over. Its methods may be called by many at once.
type Deliverer struct {
	Config
	slots chan struct{} // sends that have not yet shown to be slow

	mu    sync.Mutex // guards what follows
	views map[string]*shared
	hooks map[string]chan struct{} // one wake-up each running subscription
	wake  chan struct{}            // closed when a subscription is added
}

// New returns a Deliverer. Webhooks are sent while [Deliverer.Run] runs.
func New(c Config) *Deliverer {
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	if c.Fresh == 0 {
		c.Fresh = time.Second
	}
	return &Deliverer{
		Config: c, slots: make(chan struct{}, slotsMax),
		views: map[string]*shared{}, hooks: map[string]chan struct{}{}, wake: make(chan struct{}),
	}
}

// Migrations lists the room's tables.
func Migrations() []hansa.Migration {
	return []hansa.Migration{{Room: "deliver", Number: 1, Statements: []string{
		`CREATE TABLE deliver_ranges (id TEXT PRIMARY KEY, party TEXT NOT NULL, flow TEXT NOT NULL, at BIGINT NOT NULL,
			salt BLOB NOT NULL, doc BLOB NOT NULL, leaf BLOB NOT NULL, batch TEXT NOT NULL DEFAULT '', position BIGINT NOT NULL DEFAULT 0)`,
		`CREATE INDEX deliver_ranges_flow ON deliver_ranges (flow, id)`,
		`CREATE INDEX deliver_ranges_open ON deliver_ranges (party, flow, id) WHERE batch = ''`,
		`CREATE TABLE deliver_subscriptions (id TEXT PRIMARY KEY, party TEXT NOT NULL, giver TEXT NOT NULL, flow TEXT NOT NULL,
			url TEXT NOT NULL, format TEXT NOT NULL, purpose TEXT NOT NULL, credential TEXT NOT NULL, secrets BLOB NOT NULL, state TEXT NOT NULL,
			reason TEXT NOT NULL, created BIGINT NOT NULL, cursor TEXT NOT NULL, rung BIGINT NOT NULL, next BIGINT NOT NULL, nonce TEXT NOT NULL)`,
		`CREATE INDEX deliver_subscriptions_flow ON deliver_subscriptions (flow, id)`,
		`CREATE INDEX deliver_subscriptions_party ON deliver_subscriptions (party, id)`,
		`CREATE TABLE deliver_deliveries (id TEXT PRIMARY KEY, subscription TEXT NOT NULL, since TEXT NOT NULL, cursor TEXT NOT NULL,
			record TEXT NOT NULL, version BIGINT NOT NULL, type TEXT NOT NULL, state TEXT NOT NULL, sha256 TEXT NOT NULL,
			first BIGINT NOT NULL, last BIGINT NOT NULL, attempts BLOB NOT NULL)`,
		`CREATE INDEX deliver_deliveries_list ON deliver_deliveries (subscription, last, id)`,
	}}}
}

// LabelHeaders writes a label as the headers of an answer.
func LabelHeaders(l hansa.Label) http.Header {
	h := http.Header{}
	set := func(name, value string) {
		if value != "" {
			h.Set(name, headerText(value))
		}
	}
	set("Hansa-Flow", string(l.Flow))
	if l.Basis.Kind != "" {
		set("Hansa-Basis", strings.TrimSuffix(fmt.Sprintf("%s;id=%q;hash=%q", l.Basis.Kind, l.Basis.ID, l.Basis.Hash), `;hash=""`))
	}
	set("Hansa-Licence", l.Licence)
	set("Hansa-Attribution", l.Attribution)
	set("Hansa-Holder", l.Holder)
	set("Hansa-Legal", l.Legal)
	if strings.HasPrefix(l.Licence, "https://") && !strings.ContainsAny(l.Licence, "<> \"\r\n") {
		h.Add("Link", "<"+l.Licence+`>; rel="license"`)
	}
	return h
}

// headerText keeps what a header may hold and percent-encodes the rest.
func headerText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c < 0x7f && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
