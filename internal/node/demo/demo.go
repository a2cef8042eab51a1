// Package demo holds what the demonstration adds to a node: six receivers that
// are HTTP clients like any other and behave as real ones do, and the stories
// that are played with them. It knows the exchange only by its addresses.
package demo

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Manner is how a receiver behaves.
type Manner string

// The manners of the six.
const (
	Prompt  Manner = "prompt push"               // a webhook, answered and put live at once
	Slow    Manner = "slow pull"                 // polls a file now and then
	Signing Manner = "signed receipts"           // follows the stream, signs what it says
	Listing Manner = "publishes what it shows"   // sends no receipts; its list is public
	Picky   Manner = "rejects what it can't map" // refuses a segment that its map lacks
	Silent  Manner = "silent"                    // holds a credential and never calls
)

// Cast is one receiver as the node must know it.
type Cast struct {
	Name    string // of the party
	Title   string
	Manner  Manner
	Share   float64 // declared share of routed trips
	Format  hansa.Format
	Purpose hansa.Purpose
	Lag     time.Duration // from having it to showing it, in story time
	Every   time.Duration // between two polls, in story time; 0 is the manner's own
}

// Receivers lists the six, most trips first.
func Receivers() []Cast {
	return []Cast{
		{Name: "navika", Title: "Navika", Manner: Prompt, Share: 0.41, Format: "cifs-json", Purpose: "navigation", Lag: 20 * time.Second},
		{Name: "wayfare", Title: "Wayfare", Manner: Slow, Share: 0.27, Format: "cifs", Purpose: "navigation", Lag: 30 * time.Second},
		{Name: "autokompas", Title: "Autokompas", Manner: Listing, Share: 0.14, Format: "geojson", Purpose: "navigation", Lag: 10 * time.Second},
		{Name: "truckpilot", Title: "Truckpilot", Manner: Signing, Share: 0.09, Format: "datex2", Purpose: "freight-routing", Lag: 40 * time.Second},
		{Name: "stadbus", Title: "Stadbus", Manner: Picky, Share: 0.06, Format: "record", Purpose: "public-transport", Lag: 5 * time.Second},
		{Name: "taxi-unie", Title: "Taxi Unie", Manner: Silent, Share: 0.03, Format: "record", Purpose: "navigation"},
	}
}

// Stage is what a receiver is told: where the exchange is, its flow, its token,
// its signing function and the story's clock.
type Stage struct {
	Exchange string // base URL
	Flow     string
	Token    string
	Now      func() time.Time
	Factor   func() float64                               // story seconds in a real one
	Sign     func(receipt []byte) (jws string, err error) // for Signing
	Client   *http.Client
	Tell     func(string) // hears what the receiver shows and what fails; nil hears nothing
}

// Receiver plays one of the cast until its context ends.
type Receiver struct {
	Cast
	stage Stage
	ln    net.Listener // of its own server; nil is none
	addr  string       // of that, host:port

	mu     sync.Mutex // guards all below
	shown  map[string]shownItem
	seen   map[string]int64 // newest version by record
	drops  map[string]bool  // records that it is told to drop silently
	refuse map[string]string
	errs   []string
	key    ed25519.PublicKey // of the exchange, for its webhooks
}

// shownItem is a closure that the receiver shows to its drivers.
type shownItem struct {
	Record    string    `json:"record"`
	Version   int64     `json:"version,omitzero"`
	State     string    `json:"state"` // live, or planned: it begins later
	Extent    string    `json:"extent,omitempty"`
	Direction string    `json:"direction,omitempty"`
	Vehicles  string    `json:"vehicles,omitempty"` // all, or some
	At        time.Time `json:"at"`

	start time.Time
}

// errorsMax bounds what a receiver remembers of its failures.
const errorsMax = 20

// NewReceiver returns a receiver that is not running yet.
func NewReceiver(c Cast, s Stage) *Receiver {
	return &Receiver{Cast: c, stage: s, shown: map[string]shownItem{}, seen: map[string]int64{}, drops: map[string]bool{}, refuse: map[string]string{}}
}

// Enter sets the stage of a receiver that was made before it was known.
func (r *Receiver) Enter(s Stage) { r.stage = s }

// Drop lets the receiver take a record off its list without a word.
func (r *Receiver) Drop(record string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drops[record] = true
	delete(r.shown, record)
	r.tellf("drops %s without a word", record)
}

// tellf tells what the receiver does to who listens.
func (r *Receiver) tellf(format string, args ...any) {
	if r.stage.Tell != nil {
		r.stage.Tell(fmt.Sprintf(format, args...))
	}
}

// Refuse lets the receiver reject a segment by name, with its reason.
func (r *Receiver) Refuse(segment, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse[segment] = reason
}

// Shows reports whether the receiver shows a record to its drivers.
func (r *Receiver) Shows(record string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.shown[record]
	return ok
}

// Errors returns what went wrong at the receiver, newest last.
func (r *Receiver) Errors() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.errs...)
}

func (r *Receiver) failed(format string, args ...any) {
	r.tellf(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.errs) < errorsMax {
		r.errs = append(r.errs, fmt.Sprintf(format, args...))
	}
}

// Run plays the receiver until ctx ends, at its own address when [Receiver.Listen]
// gave it one; Prompt and Listing need one and take any.
func (r *Receiver) Run(ctx context.Context) error {
	var busy sync.WaitGroup
	defer busy.Wait()
	if r.ln == nil && (r.Manner == Prompt || r.Manner == Listing) {
		if _, err := r.Listen(ctx, "127.0.0.1:0"); err != nil {
			return err
		}
	}
	if r.ln != nil {
		busy.Go(func() { r.serve(ctx, r.ln, r.door(ctx, &busy)) })
	}
	switch r.Manner {
	case Prompt:
		return r.subscribe(ctx)
	case Slow:
		return r.poll(ctx, cmp.Or(r.Every, 3*time.Second))
	case Listing:
		return r.poll(ctx, cmp.Or(r.Every, time.Second))
	case Signing, Picky:
		return r.follow(ctx)
	case Silent:
		<-ctx.Done()
	}
	return nil
}

// real turns story time into real time.
func (r *Receiver) real(d time.Duration) time.Duration {
	return time.Duration(float64(d) / max(r.stage.Factor(), 0.001))
}

// pause waits for a story duration, or until ctx ends.
func (r *Receiver) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(max(r.real(d), time.Millisecond))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// call sends one request to the exchange with the receiver's token.
func (r *Receiver) call(ctx context.Context, method, path, accept string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.stage.Exchange+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.stage.Token)
	req.Header.Set("Hansa-Purpose", string(r.Purpose))
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return r.stage.Client.Do(req)
}

// decode reads a JSON answer of bounded size.
func decode(res *http.Response, out any) error {
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s: %.300s", res.Status, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}
