package room

import (
	"net/http"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// Peer is a participant at another node.
type Peer struct {
	Name    string        `json:"name"`
	ID      hansa.PartyID `json:"id"`
	Title   string        `json:"title"`
	Address string        `json:"address,omitempty"`
	Mode    string        `json:"mode"`  // token or did:web
	Token   bool          `json:"token"` // there is a secret to present to it
	Added   time.Time     `json:"added"`
}

// PeerOrder asks for a peer.
type PeerOrder struct {
	Name, Title, ID, Address string
	Mode                     string // token or did:web
	Token                    string // what is presented to it
	Issue                    bool   // make a token by which it proves who it is
}

// PartyKeys are those by which a party signs, old ones too.
type PartyKeys struct {
	DID  string     `json:"did"`
	Keys []PartyKey `json:"keys"`
}

// PartyKey is one public key.
type PartyKey struct {
	KID       string    `json:"kid"`
	Use       string    `json:"use,omitempty"` // message or signature; empty: the party keeps it itself
	Alg       string    `json:"alg"`
	State     string    `json:"state"` // to-come, good, expired or revoked
	ValidFrom time.Time `json:"validFrom"`
	ValidTo   time.Time `json:"validTo,omitzero"`
	Reason    string    `json:"reason,omitempty"`
}

// peersPage is all that the template peers needs.
type peersPage struct {
	shell
	Peers []peerRow
	Order PeerOrder
	Token string // shown once
	For   string
}

// peerRow is a participant at another node in words.
type peerRow struct {
	Name, Title, ID, Address, Proves, Added string
	Lacks                                   string // what keeps it from being asked
}

func (r *Room) peersPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.peersSheet(w, req, by, &peersPage{Order: PeerOrder{Mode: "did:web"}}, nil)
}

func (r *Room) peersSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, p *peersPage, failure error) error {
	p.shell = r.shell(req, by, "Peers", "/settings/peers")
	under(&p.shell)
	p.Note = p.say.Say(map[string]string{"added": "The peer is there. Its catalogue is read now.", "remove": "The peer is removed, and its tokens are void."}[req.URL.Query().Get("done")])
	list, err := r.cfg.Deals.Peers(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range list {
		x := &list[i]
		row := peerRow{Name: x.Name, Title: first(x.Title, x.Name), ID: string(x.ID), Address: x.Address, Proves: words.Mark("by its own key (did:web)"), Added: p.when(x.Added)}
		if x.Mode == "token" {
			row.Proves = words.Mark("by a token")
		}
		switch {
		case x.Address == "":
			row.Lacks = words.Mark("It has no address: it only calls.")
		case x.Mode == "token" && !x.Token:
			row.Lacks = words.Mark("There is no token to present to it.")
		}
		p.Peers = append(p.Peers, row)
	}
	return r.write(w, req, &p.shell, "peers", p, map[string]any{"peers": list}, failure)
}

// addPeer keeps a participant elsewhere; a token made for it is in the answer alone.
func (r *Room) addPeer(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	f := req.PostForm
	typed := func(name string) string { return strings.TrimSpace(f.Get(name)) }
	p := &peersPage{Order: PeerOrder{Name: typed("name"), Title: typed("title"), ID: typed("id"), Address: typed("address"), Mode: f.Get("mode"), Token: typed("token"), Issue: f.Get("mode") == "token" && f.Get("issue") != ""}}
	if p.Order.Mode != "token" {
		p.Order.Token = ""
	}
	order := p.Order
	p.Order.Token = "" // no page shows it again
	token, err := r.cfg.Deals.AddPeer(req.Context(), by, order)
	switch {
	case err != nil:
		return r.peersSheet(w, req, by, p, err)
	case token == "":
		return done(w, req, "/settings/peers", "added")
	}
	return r.peersSheet(w, req, by, &peersPage{Token: token, For: first(order.Title, order.Name), Order: PeerOrder{Mode: "did:web"}}, nil)
}

// changePeer removes a peer.
func (r *Room) changePeer(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	if req.PathValue("act") != "remove" {
		return hansa.Errorf(hansa.NotFound, "there is no such act of a peer")
	}
	return acted(w, req, r.cfg.Deals.RemovePeer(req.Context(), by, req.PathValue("peer")), "/settings/peers", "remove", func(err error) error {
		return r.peersSheet(w, req, by, &peersPage{Order: PeerOrder{Mode: "did:web"}}, err)
	})
}

// keyRow is one of a party's keys in words.
type keyRow struct {
	KID, Use, Alg, State, Tone, From, To, Reason string
	Turns                                        bool // it can be replaced
}

// partyKeys fills the page of keys with the party's own.
func (r *Room) partyKeys(req *http.Request, by hansa.Actor, p *settingsPage) (PartyKeys, error) {
	if r.cfg.Deals == nil {
		return PartyKeys{}, nil
	}
	keys, err := r.cfg.Deals.PartyKeys(req.Context(), by)
	if err != nil {
		return keys, err
	}
	p.DID = keys.DID
	for i := range keys.Keys {
		k := &keys.Keys[i]
		row := keyRow{KID: k.KID, Use: p.say.Say(map[string]string{"message": "proves who you are to other nodes", "signature": "signs for your organisation"}[k.Use]), Alg: k.Alg, State: p.say.Say(map[string]string{"good": "Good", "to-come": "To come", "expired": "Expired", "revoked": "Revoked"}[k.State]), Tone: "low", From: p.when(k.ValidFrom), To: p.when(k.ValidTo), Reason: k.Reason, Turns: k.State == "good" && k.Use != "" && k.ValidTo.IsZero()}
		if row.Use == "" {
			row.Use = first(k.Use, p.say.Say("kept by you"))
		}
		if k.State == "good" {
			row.Tone = "ok"
		}
		p.PartyKeys = append(p.PartyKeys, row)
	}
	return keys, nil
}

// rotateKey puts a new key in the place of one.
func (r *Room) rotateKey(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	if req.PathValue("act") != "rotate" {
		return hansa.Errorf(hansa.NotFound, "there is no such act of a key")
	}
	return acted(w, req, r.cfg.Deals.RotateKey(req.Context(), by, req.PathValue("key")), "/settings/keys", "rotate", func(err error) error { return r.keysSheet(w, req, by, err) })
}
