package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

// What stands in a letter for a secret, until it is sent. Secrets begin with
// tokenPrefix, so that they are told from credentials at a glance.
const (
	tokenPrefix  = "hdt_"
	accessMark   = "{{access}}"
	refreshMark  = "{{refresh}}"
	propAuth     = "authorization"
	propAuthType = "authType"
	propExpires  = "expiresIn"
	propRefresh  = "refreshToken"
	propRenewAt  = "refreshEndpoint"
	ns           = "https://hansa-exchange.org/ns/"
)

// grant is what a token opens.
type grant struct {
	transfer string
	renews   bool
	sink     bool // what is pushed to this node arrives by it
	expires  time.Time
	actor    hansa.Actor
	got      [32]byte // the refresh token by which it was had, which is void once it is used; zero is none
}

// pair are the two secrets that a consumer is given.
type pair struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh"`
}

// mint makes a transfer's two secrets: a short-lived one that opens its data, and
// a longer one that gets the next. Those that it had are void, but for the refresh
// token, if any, by which they are had: who never hears the answer asks again.
func (d *deal) mint(tx hansa.Tx, w *work, t *transfer.Transfer, by *[32]byte) error {
	p := pair{Access: tokenPrefix + rand.Text(), Refresh: tokenPrefix + rand.Text()}
	now := d.n.wall()
	var err error
	if by == nil {
		err = d.transfers.Revoke(tx, t.ID)
	} else {
		err = d.transfers.RevokeBut(tx, t.ID, *by, now.Add(tokenFor))
	}
	if err != nil {
		return err
	}
	list := []transfer.Token{
		{Hash: digest(p.Access), Process: t.ID, Expires: now.Add(tokenFor)},
		{Hash: digest(p.Refresh), Process: t.ID, Renews: true, Expires: now.Add(renewFor)},
	}
	if t.Side == hansa.Consumer {
		list = list[:1]
		list[0].Expires = now.Add(sinkFor)
	}
	for _, one := range list {
		if err := d.transfers.SaveToken(tx, one); err != nil {
			return err
		}
	}
	if err := d.hide(tx, t.ID, p); err != nil {
		return err
	}
	to := *t
	w.then(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		for hash, g := range d.tokens {
			switch {
			case g.transfer != to.ID:
			case by != nil && hash == *by:
				if end := now.Add(tokenFor); end.Before(g.expires) {
					g.expires = end
				}
				d.tokens[hash] = g
			default:
				delete(d.tokens, hash)
			}
		}
		for _, one := range list {
			g := granted(&to, one)
			if by != nil {
				g.got = *by
			}
			d.tokens[one.Hash] = g
		}
	})
	return nil
}

// arrived notes that a token has come to whom it was made for: that by which it was
// had is void.
func (d *deal) arrived(hash [32]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, ok := d.tokens[hash]
	if !ok {
		return
	}
	delete(d.tokens, g.got)
	g.got = [32]byte{}
	d.tokens[hash] = g
}

func granted(t *transfer.Transfer, one transfer.Token) grant {
	if t.Side == hansa.Consumer { // the provider pushes by it
		return grant{transfer: t.ID, expires: one.Expires, sink: true, actor: hansa.Actor{Party: t.Own, Credential: t.ID, Rights: []hansa.Right{hansa.RightPublish}, Flow: "-"}}
	}
	return grant{transfer: t.ID, renews: one.Renews, expires: one.Expires, actor: hansa.Actor{
		Party: t.Other, Credential: t.ID, Rights: []hansa.Right{hansa.RightRead, hansa.RightReceipt}, Flow: t.Flow,
	}}
}

// bearer establishes who reads by a transfer's token. A transfer that does not run
// opens nothing.
func (d *deal) bearer(r *http.Request) (by hansa.Actor, is bool, err error) {
	secret := r.Header.Get("Authorization")
	if rest, ok := strings.CutPrefix(secret, "Bearer "); ok {
		secret = rest
	}
	if !strings.HasPrefix(secret, tokenPrefix) {
		return by, false, nil
	}
	hash := digest(secret)
	d.mu.RLock()
	g, ok := d.tokens[hash]
	_, runs := d.open[g.transfer]
	d.mu.RUnlock()
	denied := func(why, hint string) (hansa.Actor, bool, error) {
		return hansa.Actor{}, true, hansa.Errorf(hansa.Denied, "%s", why).With(hansa.CodeUnauthenticated).WithHint(hint)
	}
	switch {
	case !ok || g.renews:
		return denied("the token is unknown, or its transfer has ended", "")
	case !d.n.wall().Before(g.expires):
		return denied("the token has expired", "renew it at its refreshEndpoint")
	case !runs && !g.sink:
		return denied("the transfer is suspended", "resume it first")
	}
	if g.got != [32]byte{} {
		d.arrived(hash)
	}
	return g.actor, true, nil
}

// renew gives the next pair of secrets for a refresh token. It is void once one of
// these is used; until then, for a while, it gets another pair in their place.
func (d *deal) renew(ctx context.Context, secret string) (p pair, err error) {
	hash := digest(secret)
	d.mu.RLock()
	g, ok := d.tokens[hash]
	o, runs := d.open[g.transfer]
	d.mu.RUnlock()
	unknown := hansa.Errorf(hansa.Denied, "the refresh token is unknown, used, or expired").With(hansa.CodeUnauthenticated).WithHint("ask for a new transfer")
	switch {
	case !ok || !g.renews || !d.n.wall().Before(g.expires):
		return p, unknown
	case !runs:
		return p, hansa.Errorf(hansa.Conflict, "the transfer is suspended").WithHint("resume it first")
	}
	if g.got != [32]byte{} {
		d.arrived(hash)
	}
	err = d.write(ctx, false, func(tx hansa.Tx, w *work) error {
		t, err := d.transfers.Get(tx, o.own, g.transfer)
		if err != nil {
			return err
		}
		if t.State != transfer.Started {
			return hansa.Errorf(hansa.Conflict, "the transfer is %s", t.State)
		}
		good, err := d.transfers.Good(tx, hash, d.n.wall())
		if err != nil {
			return err
		}
		if !good { // it was renewed or revoked meanwhile
			return unknown
		}
		if err := d.mint(tx, w, t, &hash); err != nil {
			return err
		}
		return d.reveal(tx, t.ID, &p)
	})
	return p, err
}

// renewed answers a renewal as OAuth 2.0 does (RFC 6749 section 6).
func (d *deal) renewed(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	if err := r.ParseForm(); err != nil {
		return hansa.Errorf(hansa.Invalid, "the body is a form with grant_type and refresh_token").With(hansa.CodeSyntax)
	}
	if r.PostForm.Get("grant_type") != "refresh_token" {
		return hansa.Fielded("/grant_type", "grant_type is refresh_token")
	}
	p, err := d.renew(r.Context(), r.PostForm.Get("refresh_token"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(`{"access_token":"` + p.Access + `","token_type":"Bearer","expires_in":` + strconv.Itoa(int(tokenFor.Seconds())) + `,"refresh_token":"` + p.Refresh + `"}`))
	return nil
}

// renewPath is where tokens are renewed.
const renewPath = "/data/v1/token"

// renewRoute is its route: who has the refresh token may.
func renewRoute() hansa.Route {
	return hansa.Route{Method: "POST", Pattern: renewPath, Object: "node", Action: "renew the token of a transfer", BodyMax: 4 << 10}
}

// address is where a transfer's data is, with marks in place of its secrets.
func (d *deal) address(t *transfer.Transfer) *transfer.Address {
	flow := d.n.address() + "/data/v1/flows/" + string(t.Flow)
	a := &transfer.Address{EndpointType: "https://w3id.org/idsa/v4.1/HTTP", Endpoint: flow + "/snapshot?format=" + string(t.Reads), Properties: map[string]string{
		propAuth: accessMark, propAuthType: "bearer", propExpires: strconv.Itoa(int(tokenFor.Seconds())), propRefresh: refreshMark, propRenewAt: d.n.address() + renewPath,
		ns + "records": flow + "/records", ns + "events": flow + "/events", ns + "receipts": flow + "/receipts", ns + "purpose": string(t.Purpose), ns + "format": string(t.Reads),
	}}
	if t.Format == transfer.Stream {
		a.Endpoint = flow + "/events"
	}
	return a
}

// withSecrets puts the secrets of a process where a letter has their marks.
func (d *deal) withSecrets(ctx context.Context, process string, body []byte) ([]byte, error) {
	if !bytes.Contains(body, []byte(accessMark)) {
		return body, nil
	}
	var p pair
	err := d.n.db.Read(ctx, func(tx hansa.Tx) error { return d.reveal(tx, process, &p) })
	if err != nil {
		return nil, err
	}
	body = bytes.ReplaceAll(body, []byte(accessMark), []byte(p.Access))
	return bytes.ReplaceAll(body, []byte(refreshMark), []byte(p.Refresh)), nil
}

// load reads what is under way: tokens, and the transfers that have started.
func (d *deal) load(ctx context.Context) error {
	return d.n.db.Read(ctx, func(tx hansa.Tx) error {
		tokens, err := d.transfers.Tokens(tx, d.n.wall())
		if err != nil {
			return err
		}
		running, err := d.transfers.All(tx, string(transfer.Requested), string(transfer.Started), string(transfer.Suspended)) // what was asked to be pushed here has its token already
		if err != nil {
			return err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		byID := map[string]*transfer.Transfer{}
		for _, t := range running {
			if byID[t.ID] = t; t.State == transfer.Started && t.Side == hansa.Provider && t.Flow != "" {
				d.open[t.ID] = opened{t.Own, t.Flow, t.Until}
			}
		}
		for _, one := range tokens {
			if t := byID[one.Process]; t != nil {
				d.tokens[one.Hash] = granted(t, one)
			}
		}
		return nil
	})
}
