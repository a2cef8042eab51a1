package node

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// The cookie of a session. Over TLS its name binds it to this host and to https
// (draft-ietf-httpbis-rfc6265bis, "__Host-" prefix).
const (
	cookieTLS   = "__Host-hansa"
	cookiePlain = "hansa"
)

// overTLS says whether the browser reached us by https, itself or up to the proxy.
func (n *Node) overTLS(r *http.Request) bool {
	return r.TLS != nil || n.cfg.TrustedProxy || strings.HasPrefix(n.cfg.PublicURL, "https://")
}

// cookie makes the cookie of a session; an empty token ends it in the browser.
func (n *Node) cookie(r *http.Request, token trust.Secret) *http.Cookie {
	c := &http.Cookie{Name: cookiePlain, Value: token.Reveal(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(trust.SessionMax / time.Second)}
	if n.overTLS(r) {
		c.Name, c.Secure = cookieTLS, true
	}
	if token.IsZero() {
		c.MaxAge = -1
	}
	return c
}

// token returns the session's token that r carries; none is zero. Two are none.
func (n *Node) token(r *http.Request) trust.Secret {
	name := cookiePlain
	if n.overTLS(r) {
		name = cookieTLS
	}
	if list := r.CookiesNamed(name); len(list) == 1 {
		return trust.NewSecret(list[0].Value)
	}
	return trust.Secret{}
}

// person establishes who sits at the browser that sent r. What the browser
// sends for another site's page is refused (Sec-Fetch-Site, else Origin).
func (n *Node) person(r *http.Request) (hansa.Actor, error) {
	token := n.token(r)
	if token.IsZero() {
		return hansa.Actor{}, hansa.Errorf(hansa.Denied, "you are not signed in").With(hansa.CodeUnauthenticated)
	}
	_, u, err := n.trust.Session(r.Context(), token)
	if err != nil {
		return hansa.Actor{}, err
	}
	site := r.Header.Get("Sec-Fetch-Site")
	if strings.HasPrefix(r.URL.Path, "/api/") && site != "" && site != "same-origin" && site != "none" {
		return hansa.Actor{}, crossOrigin()
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return hansa.Actor{}, crossOrigin()
	}
	return hansa.Actor{Party: u.Party, User: u.ID, Rights: n.rightsOf(&u)}, nil
}

func crossOrigin() error {
	return hansa.Errorf(hansa.Denied, "the request came from a page of another site").With(hansa.CodeForbidden)
}

// from is where a person tries to sign in.
func (n *Node) from(r *http.Request) trust.From {
	address := r.RemoteAddr
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	if chain := r.Header.Values("X-Forwarded-For"); n.cfg.TrustedProxy && len(chain) > 0 {
		last := chain[len(chain)-1]
		address = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]) // what the proxy itself saw
	}
	return trust.From{Address: address, Agent: r.UserAgent()}
}

// accounts is how people come in to the room.
type accounts struct{ n *Node }

var _ room.Accounts = accounts{}

// begun ends the session that the browser had before, and returns the new cookie.
func (a accounts) begun(r *http.Request, token trust.Secret) *http.Cookie {
	a.end(r)
	return a.n.cookie(r, token)
}

// end ends the session that r carries, if there is one.
func (a accounts) end(r *http.Request) {
	s, u, err := a.n.trust.Session(r.Context(), a.n.token(r))
	if err != nil {
		return
	}
	_ = a.n.trust.Change(r.Context(), func(tx hansa.Tx) error { // it may have ended by itself
		return a.n.trust.EndSession(tx, hansa.Actor{Party: u.Party, User: u.ID}, u.ID, s.ID)
	})
}

func (a accounts) Host() string { return a.n.party(a.n.own).Title }

func (a accounts) SignIn(r *http.Request, name, password string) (*http.Cookie, error) {
	party, short := a.n.signInName(a.n.own, name)
	_, token, err := a.n.trust.SignIn(r.Context(), party, short, password, a.n.from(r))
	if err != nil {
		return nil, err
	}
	return a.begun(r, token), nil
}

func (a accounts) Guest(r *http.Request, token string) (room.Guest, error) {
	l, u, err := a.n.trust.Guest(r.Context(), trust.NewSecret(token))
	if err != nil {
		return room.Guest{}, err
	}
	return room.Guest{Name: u.Name, SignIn: a.n.signsInAs(&u), Party: a.n.party(u.Party).Title, First: l.Purpose == trust.LinkFirst, Expires: l.Expires, Zone: a.zone(u.Party)}, nil
}

func (a accounts) Enter(r *http.Request, token, password string) (*http.Cookie, error) {
	_, session, err := a.n.trust.EnterByLink(r.Context(), trust.NewSecret(token), password, a.n.from(r))
	if err != nil {
		return nil, err
	}
	return a.begun(r, session), nil
}

func (a accounts) SignOut(r *http.Request) *http.Cookie {
	a.end(r)
	return a.n.cookie(r, trust.Secret{})
}

func (a accounts) Account(r *http.Request) (room.Account, error) {
	now, u, err := a.n.trust.Session(r.Context(), a.n.token(r))
	if err != nil {
		return room.Account{}, err
	}
	list, err := a.n.trust.Sessions(r.Context(), u.ID)
	out := room.Account{Name: u.Name, SignIn: a.n.signsInAs(&u), Party: a.n.party(u.Party).Title, Roles: u.Roles, Zone: a.zone(u.Party)}
	for _, s := range list {
		out.Sessions = append(out.Sessions, room.OpenSession{ID: s.ID, Begun: s.Begun, LastSeen: s.LastSeen, Ends: s.Ends(), Agent: s.Agent, This: s.ID == now.ID})
	}
	return out, err
}

func (a accounts) ChangePassword(r *http.Request, old, password string) (*http.Cookie, error) {
	_, token, err := a.n.trust.ChangePassword(r.Context(), a.n.token(r), old, password, a.n.from(r))
	if err != nil {
		return nil, err
	}
	return a.n.cookie(r, token), nil
}

func (a accounts) EndSession(r *http.Request, id string) error {
	_, u, err := a.n.trust.Session(r.Context(), a.n.token(r))
	if err != nil {
		return err
	}
	err = a.n.trust.Change(r.Context(), func(tx hansa.Tx) error {
		return a.n.trust.EndSession(tx, hansa.Actor{Party: u.Party, User: u.ID}, u.ID, id)
	})
	a.n.changed.soon()
	return err
}

func (a accounts) zone(party hansa.PartyID) *time.Location {
	z, err := time.LoadLocation(first(first(a.n.party(party).Zone, a.n.party(a.n.own).Zone), "UTC"))
	if err != nil {
		return time.UTC
	}
	return z
}

// look is who looks at the room by r, for Node.browser.
func (n *Node) look(ctx context.Context, r *http.Request) (hansa.Actor, error) {
	by, err := n.trust.Authenticate(ctx, r)
	if err == nil && !by.May(hansa.RightControl) {
		return by, hansa.Errorf(hansa.Denied, "the room is for people who are signed in, and for credentials with the right control").With(hansa.CodeForbidden)
	}
	if err != nil && r.Header.Get("Authorization") == "" && hansa.Public(err).Code == hansa.CodeUnauthenticated {
		return n.person(r)
	}
	return by, err
}
