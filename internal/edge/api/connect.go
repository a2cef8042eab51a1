package api

import (
	"context"
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// PartyKey is one of a party's public keys, old ones too. The private half of one that
// the node holds lies there, sealed; of others it was never seen there.
type PartyKey struct {
	KID       string            `json:"kid"`
	Party     string            `json:"party"`         // its name
	Use       string            `json:"use,omitempty"` // message or signature; empty: receipts
	Held      string            `json:"held"`          // by node or party
	Alg       string            `json:"alg"`
	State     string            `json:"state"` // to-come, good, expired or revoked
	ValidFrom time.Time         `json:"validFrom"`
	ValidTo   time.Time         `json:"validTo,omitzero"`
	Revoked   time.Time         `json:"revoked,omitzero"`
	Reason    string            `json:"reason,omitempty"`
	Replaces  string            `json:"replaces,omitempty"` // the key in whose place it came, and which signed for it
	Endorsed  string            `json:"endorsed,omitempty"` // that key's detached JWS over the statement in docs/formats/identity.md
	JWK       map[string]string `json:"jwk"`
}

// KeysBody lists keys, with the DID under which the party signs.
type KeysBody struct {
	DID   string        `json:"did"`
	Party hansa.PartyID `json:"party"` // its id, which stands in what a key signs for its successor
	Keys  []PartyKey    `json:"keys"`
}

// NewKey is the public half of a signature key that a party keeps itself, as
// hansa keys new writes it.
type NewKey struct {
	Party     string            `json:"party,omitempty"` // its name or id; the caller's own when empty
	JWK       map[string]string `json:"jwk"`
	ValidFrom time.Time         `json:"validFrom,omitzero"` // now when it is left out
	Replaces  string            `json:"replaces,omitempty"`
	Endorsed  string            `json:"endorsed,omitempty"` // by the key in whose place it comes
}

// KeyOrder replaces a key.
type KeyOrder struct {
	Alg string `json:"alg,omitempty"` // ES256 or EdDSA; that of the old key when empty
	// Now lets the new key sign at once, for peers that read the document with each
	// message; else it is published ten minutes before it signs.
	Now            bool  `json:"now,omitempty"`
	OverlapSeconds int64 `json:"overlapSeconds,omitzero"` // how long the old key stays good; a day when 0
}

// KeyEnd revokes a key.
type KeyEnd struct {
	Reason string `json:"reason"`
}

// Keyring keeps what the parties of the node sign with.
type Keyring interface {
	// DIDDocument returns the document of a hosted party; empty is the node's own.
	DIDDocument(ctx context.Context, party string) (*trust.DIDDocument, error)
	Keys(ctx context.Context, by hansa.Actor, party string) (KeysBody, error)
	AddKey(ctx context.Context, by hansa.Actor, k NewKey) (PartyKey, error)
	RotateKey(ctx context.Context, by hansa.Actor, kid string, o KeyOrder) (PartyKey, error)
	RevokeKey(ctx context.Context, by hansa.Actor, kid string, o KeyEnd) (PartyKey, error)
}

// Peer is a participant at another node that a party deals with.
type Peer struct {
	Name    string        `json:"name"`
	Party   string        `json:"party"` // whose it is, by name
	ID      hansa.PartyID `json:"id"`
	Title   string        `json:"title"`
	Address string        `json:"address,omitempty"`
	Mode    string        `json:"mode"`  // token or did:web
	Token   bool          `json:"token"` // there is a secret to present to it
	Added   time.Time     `json:"added"`
	// Inbound is the token by which the peer proves to the party who it is, shown once.
	Inbound string `json:"inbound,omitempty"`
}

// PeerOrder asks for a peer, or changes one: what it leaves empty stays.
type PeerOrder struct {
	Name    string        `json:"name"`
	Party   string        `json:"party,omitempty"`   // by name; the caller's own when empty
	ID      hansa.PartyID `json:"id"`                // its DID, or its participant id
	Title   string        `json:"title,omitempty"`   // the name when empty
	Address string        `json:"address,omitempty"` // base URL of its Dataspace Protocol
	Mode    string        `json:"mode,omitempty"`    // token or did:web; did:web when empty, the id is one, and no token is given
	Token   string        `json:"token,omitempty"`   // what is presented to it; never shown again
	// Issue makes a token by which the peer proves who it is, shown once in the answer.
	Issue bool `json:"issue,omitempty"`
}

// PeersBody lists peers.
type PeersBody struct {
	Peers []Peer `json:"peers"`
}

// Peers keeps whom the parties of the node deal with elsewhere.
type Peers interface {
	Peers(ctx context.Context, by hansa.Actor, party string) ([]Peer, error)
	AddPeer(ctx context.Context, by hansa.Actor, o PeerOrder) (Peer, error)
	ChangePeer(ctx context.Context, by hansa.Actor, party, name string, o PeerOrder) (Peer, error)
	RemovePeer(ctx context.Context, by hansa.Actor, party, name string) error
}

func (a *API) connectEndpoints() []Endpoint {
	const small = 64 << 10
	manage := func(method, path, action string, body int64) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/api/v1" + path, Right: hansa.RightManage, Object: "node", Action: action, BodyMax: body}
	}
	open := func(path, action string) hansa.Route {
		return hansa.Route{Method: "GET", Pattern: path, Object: "node", Action: action}
	}
	ofParty := []Param{{Name: "party", What: "A party's name; empty is the caller's own.", Example: "navco"}}
	return []Endpoint{
		{Route: open("/.well-known/did.json", "read the DID document of the node's own party"), Serve: a.didDocument, Out: trust.DIDDocument{}},
		{Route: open("/parties/{party}/did.json", "read the DID document of a hosted party"), Serve: a.didDocument, Out: trust.DIDDocument{}},
		{Route: manage("GET", "/keys", "list a party's keys", 0), Serve: a.keys, Out: KeysBody{}, Query: ofParty},
		{Route: manage("POST", "/keys", "register a signature key that the party keeps itself", small), Serve: a.addKey, In: NewKey{}, Out: PartyKey{}, Status: http.StatusCreated},
		{Route: manage("POST", "/keys/{kid}/rotate", "put a new key in the place of one, which signs for it", small), Serve: a.rotateKey, In: KeyOrder{}, Out: PartyKey{}},
		{Route: manage("POST", "/keys/{kid}/revoke", "end a key at once", small), Serve: a.revokeKey, In: KeyEnd{}, Out: PartyKey{}},
		{Route: manage("GET", "/peers", "list a party's peers at other nodes", 0), Serve: a.peers, Out: PeersBody{}, Query: ofParty},
		{Route: manage("POST", "/peers", "add a peer; a token made for it is shown once", small), Serve: a.addPeer, In: PeerOrder{}, Out: Peer{}, Status: http.StatusCreated},
		{Route: manage("POST", "/peers/{peer}", "change a peer, or give it a new token", small), Serve: a.changePeer, In: PeerOrder{}, Out: Peer{}, Query: ofParty},
		{Route: manage("DELETE", "/peers/{peer}", "remove a peer, and end its tokens", 0), Serve: a.removePeer, Status: http.StatusNoContent, Query: ofParty},
	}
}

// didDocumentAge is how long others may keep a document, in seconds.
const didDocumentAge = "max-age=60"

func (a *API) didDocument(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	d, err := a.Keyring.DIDDocument(r.Context(), r.PathValue("party"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "public, "+didDocumentAge)
	writeJSON(w, http.StatusOK, d)
	return nil
}

func (a *API) keys(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	party, err := text(r, "party")
	if err != nil {
		return err
	}
	list, err := a.Keyring.Keys(r.Context(), by, party)
	return answer(w, http.StatusOK, list, err)
}

func (a *API) addKey(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in NewKey
	if err := readJSON(r, &in); err != nil {
		return err
	}
	k, err := a.Keyring.AddKey(r.Context(), by, in)
	return answer(w, http.StatusCreated, k, err)
}

func (a *API) rotateKey(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in KeyOrder
	if r.ContentLength != 0 {
		if err := readJSON(r, &in); err != nil {
			return err
		}
	}
	k, err := a.Keyring.RotateKey(r.Context(), by, r.PathValue("kid"), in)
	return answer(w, http.StatusOK, k, err)
}

func (a *API) revokeKey(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in KeyEnd
	if err := readJSON(r, &in); err != nil {
		return err
	}
	k, err := a.Keyring.RevokeKey(r.Context(), by, r.PathValue("kid"), in)
	return answer(w, http.StatusOK, k, err)
}

func (a *API) peers(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	party, err := text(r, "party")
	if err != nil {
		return err
	}
	list, err := a.Peers.Peers(r.Context(), by, party)
	return answer(w, http.StatusOK, PeersBody{Peers: list}, err)
}

func (a *API) addPeer(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in PeerOrder
	if err := readJSON(r, &in); err != nil {
		return err
	}
	p, err := a.Peers.AddPeer(r.Context(), by, in)
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, http.StatusCreated, p, err)
}

func (a *API) changePeer(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in PeerOrder
	party, err := text(r, "party")
	if err != nil {
		return err
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	p, err := a.Peers.ChangePeer(r.Context(), by, party, r.PathValue("peer"), in)
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, http.StatusOK, p, err)
}

func (a *API) removePeer(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	party, err := text(r, "party")
	if err != nil {
		return err
	}
	if err := a.Peers.RemovePeer(r.Context(), by, party, r.PathValue("peer")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
