// Package dsp is the door for connectors: the Dataspace Protocol 2025-1 over HTTPS,
// both sides of it. It reads messages leniently where the specification lets it and
// writes them strictly; what a message then does is the node's to decide.
package dsp

import (
	"context"
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

// What the protocol's edition is called on the wire.
const (
	Version    = "2025-1"
	Context    = "https://w3id.org/dspace/2025/1/context.jsonld"
	Path       = "/dsp/" + Version
	BodyMax    = 1 << 20 // bytes of a message
	depthMax   = 64
	pidMax     = 512 // bytes of a pid or of another identifier
	reasonsMax = 64
)

// PeerHeader marks the requests and answers of nodes of this exchange: they may
// be answered at once, where other connectors need a moment.
const PeerHeader = "Hansa-Node"

// LetterHeader numbers a message between nodes of this exchange: "7 4" is the
// sender's letter 7 of the process, sent when it had taken the receiver's letter 4. By
// it a message that was on its way for long is told from one that counts.
const LetterHeader = "Hansa-Letter"

// Caller is who sent a message, and to whom.
type Caller struct {
	Own   hansa.PartyID // the party of this node that was addressed
	Party hansa.PartyID // who sent it
	Near  bool          // a node of this exchange
}

// Part says which part of a catalogue is asked for. The zero value is its first page.
type Part struct {
	After string // a cursor of a page before
	Skip  int    // datasets that are left out
	Limit int    // datasets; 0 is as many as a page has
}

// Deals is what the door needs of the node. A process that the caller is no side
// of is NotFound, as if it had never been.
type Deals interface { //nolint:interfacebloat // one table of messages; splitting it would name nothing
	// Catalogue returns a page of what the caller may see.
	Catalogue(ctx context.Context, by Caller, base string, part Part) (doc *catalog.WireCatalog, next, previous, etag string, err error)
	Dataset(ctx context.Context, by Caller, base, id string) (*catalog.WireDataset, error)
	// HearNegotiation takes a message about own's process pid; an empty pid begins one.
	HearNegotiation(ctx context.Context, by Caller, pid string, m negotiation.Message, body []byte) (*negotiation.Negotiation, error)
	Negotiation(ctx context.Context, by Caller, pid string) (*negotiation.Negotiation, error)
	// HearTransfer takes a message about own's process pid; an empty pid begins one.
	HearTransfer(ctx context.Context, by Caller, pid string, m transfer.Message, body []byte) (*transfer.Transfer, error)
	Transfer(ctx context.Context, by Caller, pid string) (*transfer.Transfer, error)
	// Own returns the party of this node with a name; empty is the node's own.
	Own(ctx context.Context, name string) (hansa.Party, error)
	// Refused keeps what was not taken, to look at; it may forget it.
	Refused(ctx context.Context, by Caller, pid, kind string, body []byte, status int, why error)
}

// Config is what the door needs. All are required.
type Config struct {
	Deals Deals
	Now   func() time.Time
	// Base returns the absolute address of a party's door.
	Base func(p hansa.Party) string
	// Name returns what a party is called where no peer calls it otherwise: its DID.
	Name func(p hansa.Party) string
}

// Door serves the protocol.
type Door struct{ Config }

// New returns the door over what the node hands it.
func New(cfg Config) *Door { return &Door{cfg} }

// Handler answers one request of an established caller. What it returns as an
// error is written by [WriteError].
type Handler func(w http.ResponseWriter, r *http.Request, by hansa.Actor) error

// Endpoint is one route with what answers it.
type Endpoint struct {
	hansa.Route
	Serve Handler
}

// Endpoints returns the door's routes: those of each hosted party, and of the
// node's own.
func (d *Door) Endpoints() []Endpoint {
	var out []Endpoint
	for _, base := range []string{"/parties/{party}" + Path, Path} {
		add := func(method, path, action string, body int64, serve Handler) {
			out = append(out, Endpoint{hansa.Route{Method: method, Pattern: base + path, Right: hansa.RightConnect, Object: "process", Action: action, BodyMax: body}, serve})
		}
		add("POST", "/catalog/request", "ask for the catalogue", BodyMax, d.catalogue)
		add("GET", "/catalog/request", "go on reading the catalogue", 0, d.catalogue)
		add("GET", "/catalog/datasets/{id}", "ask for one dataset", 0, d.dataset)
		add("GET", "/negotiations/{pid}", "ask how a negotiation stands", 0, d.negotiation)
		add("POST", "/negotiations/request", "request an agreement", BodyMax, d.hear(negotiation.Request, hansa.Consumer))
		add("POST", "/negotiations/offers", "offer an agreement", BodyMax, d.hear(negotiation.Offer, hansa.Provider))
		add("POST", "/negotiations/{pid}/request", "counter an offer", BodyMax, d.hear(negotiation.Request, hansa.Consumer))
		add("POST", "/negotiations/{pid}/offers", "counter a request", BodyMax, d.hear(negotiation.Offer, hansa.Provider))
		add("POST", "/negotiations/{pid}/events", "accept an offer, or finalize an agreement", BodyMax, d.hear("", ""))
		add("POST", "/negotiations/{pid}/agreement", "agree", BodyMax, d.hear(negotiation.Agree, hansa.Provider))
		add("POST", "/negotiations/{pid}/agreement/verification", "verify an agreement", BodyMax, d.hear(negotiation.Verify, hansa.Consumer))
		add("POST", "/negotiations/{pid}/termination", "end a negotiation", BodyMax, d.hear(negotiation.Terminate, ""))
		add("GET", "/transfers/{pid}", "ask how a transfer stands", 0, d.transfer)
		add("POST", "/transfers/request", "request a transfer", BodyMax, d.move(transfer.Request))
		add("POST", "/transfers/{pid}/start", "start or resume a transfer", BodyMax, d.move(transfer.Start))
		add("POST", "/transfers/{pid}/suspension", "suspend a transfer", BodyMax, d.move(transfer.Suspend))
		add("POST", "/transfers/{pid}/completion", "complete a transfer", BodyMax, d.move(transfer.Complete))
		add("POST", "/transfers/{pid}/termination", "end a transfer", BodyMax, d.move(transfer.Terminate))
	}
	for _, root := range []string{"/parties/{party}", ""} {
		out = append(out, Endpoint{hansa.Route{Method: "GET", Pattern: root + "/.well-known/dspace-version", Object: "node", Action: "say which editions of the protocol are spoken"}, d.version})
	}
	return out
}

// version answers the version document, which is open to all (2025-1, common
// protocol section 4).
func (d *Door) version(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	p, err := d.Deals.Own(r.Context(), r.PathValue("party"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	write(w, http.StatusOK, map[string]any{"protocolVersions": []map[string]any{{
		"version": Version, "path": Path, "binding": "HTTPS", "serviceId": d.Name(p), "identifierType": "did:web",
	}}})
	return nil
}

// caller says to whom a request goes; who sent it was established before.
func (d *Door) caller(r *http.Request, by hansa.Actor) (Caller, hansa.Party, error) {
	p, err := d.Deals.Own(r.Context(), r.PathValue("party"))
	return Caller{Own: p.ID, Party: by.Party, Near: r.Header.Get(PeerHeader) != ""}, p, err
}
