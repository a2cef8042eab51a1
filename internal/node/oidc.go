package node

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// OIDC is a sign-in service for the users of the node's own party.
type OIDC struct {
	Name, Issuer, ClientID string
	Secret                 trust.Secret
}

func (f *OIDCFile) validate(publicURL string) error {
	if *f == (OIDCFile{}) {
		return nil
	}
	u, err := url.Parse(f.Issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return hansa.Fielded("sign_in.oidc.issuer", "name the service by its https address, not by %q", f.Issuer)
	case f.ClientID == "":
		return hansa.Fielded("sign_in.oidc.client_id", "name this node as the service knows it")
	case publicURL == "":
		return hansa.Fielded("public_url", "the sign-in service sends people back to public_url: set it")
	}
	return nil
}

// hosts are those that may be called: the file's own, and the sign-in service.
func (f *File) hosts() []string {
	u, err := url.Parse(f.SignIn.OIDC.Issuer)
	if err != nil || u.Host == "" {
		return f.Hosts
	}
	return append(slices.Clone(f.Hosts), u.Hostname())
}

// allow lists host:port that may be called whatever its address: the file's own, and
// the collector of traces, which the operator named.
func (f *File) allow() []string {
	if at := f.traces().hostPort(); at != "" {
		return append(slices.Clone(f.Allow), at)
	}
	return f.Allow
}

// oidc reads the sign-in service of the file; nil is none.
func (f *File) oidc() (*OIDC, error) {
	o := &f.SignIn.OIDC
	if o.Issuer == "" {
		return nil, nil
	}
	u, err := url.Parse(o.Issuer)
	if err != nil {
		return nil, err
	}
	out := &OIDC{Name: first(o.Name, u.Hostname()), Issuer: o.Issuer, ClientID: o.ClientID}
	if o.SecretFile != "" {
		b, err := os.ReadFile(o.SecretFile)
		if err != nil {
			return nil, hansa.Fielded("sign_in.oidc.client_secret_file", "%v", err)
		}
		out.Secret = trust.NewSecret(strings.TrimSpace(string(b)))
	}
	return out, nil
}

// elsewhere is the sign-in service, asked for what it offers when it is first used.
type elsewhere struct {
	cfg    *OIDC
	client *outbound.Client
	now    func() time.Time

	mu       sync.Mutex // guards provider
	provider *oidc.Provider
}

// open asks the service what it offers, once.
func (e *elsewhere) open(ctx context.Context) (context.Context, *oidc.Provider, error) {
	client := &http.Client{Transport: calls{e.client}}
	ctx = oidc.ClientContext(ctx, client)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.provider == nil {
		p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), client), e.cfg.Issuer)
		if err != nil {
			return ctx, nil, hansa.Errorf(hansa.Busy, "%s cannot be asked now: %w", e.cfg.Name, err).WithHint("sign in by password, or try again later")
		}
		e.provider = p
	}
	return ctx, e.provider, nil
}

func (e *elsewhere) flow(p *oidc.Provider, address string) *oauth2.Config {
	return &oauth2.Config{ClientID: e.cfg.ClientID, ClientSecret: e.cfg.Secret.Reveal(), Endpoint: p.Endpoint(), RedirectURL: address + "/signin/back", Scopes: []string{oidc.ScopeOpenID, "email", "profile"}}
}

// errand is what a browser carries to the sign-in service and back. It tells the
// browser nothing that it may not know, and binds the answer to this browser.
type errand struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // PKCE (RFC 7636)
	Next     string `json:"to"`
}

// errandTime is how long somebody may take to sign in there.
const errandTime = 10 * time.Minute

func (n *Node) errandCookie(r *http.Request, value string) *http.Cookie {
	c := &http.Cookie{Name: cookiePlain + "-away", Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(errandTime / time.Second)}
	if n.overTLS(r) {
		c.Name, c.Secure = cookieTLS+"-away", true
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

func (a accounts) Elsewhere() string {
	if a.n.elsewhere == nil {
		return ""
	}
	return a.n.elsewhere.cfg.Name
}

func noElsewhere() error {
	return hansa.Errorf(hansa.NotFound, "there is no sign-in service here").WithHint("sign in by name and password")
}

func (a accounts) Away(r *http.Request, next string) (string, *http.Cookie, error) {
	e := a.n.elsewhere
	if e == nil {
		return "", nil, noElsewhere()
	}
	_, p, err := e.open(r.Context())
	if err != nil {
		return "", nil, err
	}
	out := errand{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: next}
	b, err := json.Marshal(out)
	if err != nil {
		return "", nil, err
	}
	to := e.flow(p, a.n.address()).AuthCodeURL(out.State, oidc.Nonce(out.Nonce), oauth2.S256ChallengeOption(out.Verifier))
	return to, a.n.errandCookie(r, base64.RawURLEncoding.EncodeToString(b)), nil
}

func (a accounts) Back(r *http.Request) (session, spent *http.Cookie, next string, err error) {
	e := a.n.elsewhere
	if e == nil {
		return nil, nil, "", noElsewhere()
	}
	spent = a.n.errandCookie(r, "")
	gone, err := a.errand(r)
	if err != nil {
		return nil, spent, "", err
	}
	if err := a.n.trust.Try(a.n.from(r)); err != nil {
		return nil, spent, "", err
	}
	ctx, p, err := e.open(r.Context())
	if err != nil {
		return nil, spent, "", err
	}
	id, err := e.proven(ctx, e.flow(p, a.n.address()), p, r.URL.Query(), gone)
	if err != nil {
		return nil, spent, "", err
	}
	_, token, err := a.n.trust.SignInAs(r.Context(), a.n.own, id, a.n.from(r))
	if err != nil {
		return nil, spent, "", err
	}
	return a.begun(r, token), spent, gone.Next, nil
}

// errand reads what the browser brought back; it must be what the service was given.
func (a accounts) errand(r *http.Request) (errand, error) {
	again := func(says string) (errand, error) {
		return errand{}, hansa.Errorf(hansa.Denied, "%s", says).With(hansa.CodeUnauthenticated).WithHint("begin at /signin once more, in this browser")
	}
	var gone errand
	list := r.CookiesNamed(a.n.errandCookie(r, "").Name)
	if len(list) != 1 {
		return again("This browser did not begin a sign-in, or it took longer than ten minutes.")
	}
	b, err := base64.RawURLEncoding.DecodeString(list[0].Value)
	if err != nil || json.Unmarshal(b, &gone) != nil || gone.State == "" || gone.Nonce == "" {
		return again("This browser did not begin a sign-in.")
	}
	q := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(gone.State)) != 1 {
		return again("The answer belongs to another sign-in.")
	}
	if iss := q.Get("iss"); iss != "" && iss != a.n.elsewhere.cfg.Issuer { // RFC 9207
		return again("The answer is from another sign-in service.")
	}
	if why := q.Get("error"); why != "" {
		return errand{}, hansa.Errorf(hansa.Denied, "%s did not let you in: %.100s", a.n.elsewhere.cfg.Name, strings.ToValidUTF8(first(q.Get("error_description"), why), "")).With(hansa.CodeUnauthenticated)
	}
	return gone, nil
}

// proven exchanges the code of an answer for a token that says who came.
func (e *elsewhere) proven(ctx context.Context, flow *oauth2.Config, p *oidc.Provider, q url.Values, gone errand) (trust.Vouched, error) {
	fail := func(err error) (trust.Vouched, error) {
		return trust.Vouched{}, hansa.Errorf(hansa.Denied, "%s's answer does not prove who you are: %w", e.cfg.Name, err).With(hansa.CodeUnauthenticated).WithHint("begin at /signin once more")
	}
	token, err := flow.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(gone.Verifier))
	if err != nil {
		return fail(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: e.cfg.ClientID, Now: e.now}).Verify(ctx, raw)
	if err != nil {
		return fail(err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(gone.Nonce)) != 1 {
		return fail(errors.New("its token belongs to another sign-in"))
	}
	var claims struct {
		Mail     string `json:"email"`
		Verified bool   `json:"email_verified"`
	}
	if err := id.Claims(&claims); err != nil {
		return fail(err)
	}
	return trust.Vouched{Issuer: id.Issuer, Subject: id.Subject, Mail: claims.Mail, MailVerified: claims.Verified}, nil
}
