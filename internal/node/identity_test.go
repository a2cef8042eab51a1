package node

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// house is a node that answers on a real socket and may call others by did:web.
type house struct {
	*Node
	testing.TB
	dir, url   string
	own, guest hansa.PartyID // the node's own party, and one that it hosts
	boss, desk string        // the operator's token, and that of the guest's manager
	server     *httptest.Server
	allow      []string
	knocks     int
}

// twoHouses are two nodes that know each other's address, and no more.
func twoHouses(t *testing.T) (a, b *house) {
	t.Helper()
	var hs []*house
	var lns []net.Listener
	var allow []string
	for range 2 {
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		lns, allow = append(lns, ln), append(allow, ln.Addr().String())
	}
	for _, ln := range lns {
		at := ln.Addr().String()
		root := "did:web:" + strings.ReplaceAll(at, ":", "%3A")
		h := &house{TB: t, dir: filepath.Join(t.TempDir(), "n"), url: "http://" + at, own: hansa.PartyID(root), guest: hansa.PartyID(root + ":parties:guest"), boss: token(), desk: token(), allow: allow}
		h.open()
		err := h.Apply(t.Context(), &Setup{
			Parties: []hansa.Party{{ID: h.own, Name: "own", Title: "Own", Kind: hansa.City, Hosted: true}, {ID: h.guest, Name: "guest", Title: "Guest", Kind: hansa.Company, Hosted: true}, {ID: "did:web:elsewhere.example", Name: "settler", Title: "Settler", Kind: hansa.Company, Hosted: true}},
			Credentials: []trust.CredentialSpec{
				{Party: h.own, Name: "boss", Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightAdmin, hansa.RightManage, hansa.RightConnect}, Secret: trust.NewSecret(h.boss)},
				{Party: h.guest, Name: "desk", Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightManage, hansa.RightConnect}, Secret: trust.NewSecret(h.desk)},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		h.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.Handler().ServeHTTP(w, r) }))
		h.server.Listener.Close()
		h.server.Listener = ln
		h.server.Start()
		t.Cleanup(func() { h.server.Close(); _ = h.Close() })
		hs = append(hs, h)
	}
	return hs[0], hs[1]
}

func (h *house) open() {
	n, err := Open(h.Context(), Config{Data: h.dir, Origin: strings.TrimPrefix(h.url, "http://"), PublicURL: h.url, Version: "test", Own: h.own, Log: slog.New(slog.DiscardHandler), Outbound: outbound.Config{Allow: h.allow}})
	if err != nil {
		h.Fatal(err)
	}
	h.Node = n
}

// do calls the node's API and decodes what it answers.
func (h *house) do(method, path, secret string, in, out any) int {
	h.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		h.Fatal(err)
	}
	if in == nil {
		body = nil
	}
	r, err := http.NewRequestWithContext(h.Context(), method, h.url+path, strings.NewReader(string(body)))
	if err != nil {
		h.Fatal(err)
	}
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := h.server.Client().Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer res.Body.Close()
	if out != nil && res.StatusCode < 300 {
		if err := json.NewDecoder(res.Body).Decode(out); err != nil {
			h.Fatal(err)
		}
	}
	return res.StatusCode
}

// meet sends from own to other, and returns who other takes it for.
func meet(ctx context.Context, from *house, own hansa.PartyID, to *house, other hansa.PartyID) (hansa.PartyID, http.Header, error) {
	h := http.Header{}
	if err := from.ids.Present(ctx, own, other, h); err != nil {
		return "", h, err
	}
	who, err := to.ids.Caller(ctx, &http.Request{Header: h}, other)
	return who, h, err
}

func TestTwoNodesKnowEachOther(t *testing.T) {
	a, b := twoHouses(t)
	for _, add := range []struct {
		at     *house
		secret string
		o      api.PeerOrder
	}{
		{a, a.boss, api.PeerOrder{Name: "b-own", ID: b.own, Address: b.url + "/dsp/2025-1"}},
		{a, a.desk, api.PeerOrder{Name: "b-guest", ID: b.guest, Address: b.url + "/parties/guest/dsp/2025-1"}},
		{b, b.boss, api.PeerOrder{Name: "a-own", ID: a.own}},
		{b, b.desk, api.PeerOrder{Name: "a-guest", ID: a.guest}},
	} {
		var p api.Peer
		if code := add.at.do("POST", "/api/v1/peers", add.secret, add.o, &p); code != http.StatusCreated || p.Mode != "did:web" || p.Inbound != "" {
			t.Fatalf("add %s: %d %+v", add.o.Name, code, p)
		}
	}
	for name, c := range map[string]struct {
		from, to   *house
		own, other hansa.PartyID
	}{"own to own": {a, b, a.own, b.own}, "guest to guest": {a, b, a.guest, b.guest}, "and back": {b, a, b.guest, a.guest}} {
		who, h, err := meet(t.Context(), c.from, c.own, c.to, c.other)
		if err != nil || who != c.own {
			t.Errorf("%s: taken for %q, %v", name, who, err)
		}
		if _, err := c.to.ids.Caller(t.Context(), &http.Request{Header: h}, c.other); hansa.Status(err) != http.StatusUnauthorized {
			t.Errorf("%s: used twice: %v", name, err)
		}
	}
	// What is for one party of a node is not for another.
	h := http.Header{}
	if err := a.ids.Present(t.Context(), a.guest, b.guest, h); err != nil {
		t.Fatal(err)
	}
	if who, err := b.ids.Caller(t.Context(), &http.Request{Header: h}, b.own); hansa.Status(err) != http.StatusUnauthorized {
		t.Errorf("a token for the guest, shown to the host: %q, %v", who, err)
	}
	// A restart: what may have been used is put off, and the next is taken.
	_, h, err := meet(t.Context(), a, a.own, b, b.own)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.open()
	if _, err := b.ids.Caller(t.Context(), &http.Request{Header: h}, b.own); hansa.Status(err) != http.StatusServiceUnavailable {
		t.Errorf("a token that was used before the restart: %v", err)
	}
	for hansa.KindOf(err) == hansa.Busy || err == nil && h != nil {
		if _, _, err = meet(t.Context(), a, a.own, b, b.own); err == nil {
			break
		}
		pause(t.Context(), 50*time.Millisecond)
	}
	if err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

func TestDIDDocumentsAreServed(t *testing.T) {
	a, _ := twoHouses(t)
	for path, want := range map[string]struct {
		did  hansa.PartyID
		also string
	}{
		"/.well-known/did.json":      {a.own, ""},
		"/parties/guest/did.json":    {a.guest, ""},
		"/parties/own/did.json":      {a.own + ":parties:own", string(a.own)},
		"/parties/settler/did.json":  {a.own + ":parties:settler", "did:web:elsewhere.example"},
		"/parties/nobody/did.json":   {},
		"/parties/stranger/did.json": {},
	} {
		var d trust.DIDDocument
		code := a.do("GET", path, "", nil, &d)
		if want.did == "" {
			if code != http.StatusNotFound {
				t.Errorf("%s: %d", path, code)
			}
			continue
		}
		if code != http.StatusOK || d.ID != string(want.did) || strings.Join(d.AlsoKnownAs, " ") != want.also {
			t.Errorf("%s: %d %+v, want %+v", path, code, d, want)
		}
		if len(d.Methods) != 2 || len(d.Authentication) != 1 || len(d.AssertionMethod) != 1 || d.Authentication[0] == d.AssertionMethod[0] || !strings.HasPrefix(d.Authentication[0], d.ID+"#") {
			t.Errorf("%s: the keys are %+v", path, d)
		}
		if len(d.Services) != 2 || d.Services[0].Type != "DataService" || d.Services[1].Type != "HansaAccords" || d.Services[1].Endpoint != a.url+"/accords/v1/inbox" || a.do("GET", strings.TrimPrefix(d.Services[0].Endpoint, a.url), "", nil, nil) != http.StatusOK {
			t.Errorf("%s: the services are %+v", path, d.Services)
		}
		for _, m := range d.Methods {
			if m.JWK["d"] != "" || m.JWK["crv"] != "P-256" || m.Controller != d.ID {
				t.Errorf("%s: %+v", path, m)
			}
		}
	}
	// The private halves lie sealed in the database: nothing of them is to be read.
	var keys api.KeysBody
	if code := a.do("GET", "/api/v1/keys", a.desk, nil, &keys); code != http.StatusOK || keys.DID != string(a.guest) || len(keys.Keys) != 2 {
		t.Errorf("the guest's keys: %d %+v", code, keys)
	}
}

// TestKeysAreRotatedAndRevoked: by the API, while messages go; none is refused.
func TestKeysAreRotatedAndRevoked(t *testing.T) {
	a, b := twoHouses(t)
	a.do("POST", "/api/v1/peers", a.desk, api.PeerOrder{Name: "b", ID: b.guest}, nil)
	b.do("POST", "/api/v1/peers", b.desk, api.PeerOrder{Name: "a", ID: a.guest}, nil)
	if _, _, err := meet(t.Context(), a, a.guest, b, b.guest); err != nil {
		t.Fatal(err)
	}
	message := func() string {
		var keys api.KeysBody
		if code := a.do("GET", "/api/v1/keys", a.desk, nil, &keys); code != http.StatusOK {
			t.Fatal(code)
		}
		for _, k := range keys.Keys {
			if k.Use == "message" && k.State == "good" && k.ValidTo.IsZero() {
				return k.KID
			}
		}
		return ""
	}
	old := message()
	done := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		for {
			if _, _, err := meet(t.Context(), a, a.guest, b, b.guest); err != nil {
				done <- err
				return
			}
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
		}
	}()
	var fresh api.PartyKey
	if code := a.do("POST", "/api/v1/keys/"+old+"/rotate", a.desk, api.KeyOrder{Alg: "EdDSA", Now: true}, &fresh); code != http.StatusOK || fresh.Replaces != old || fresh.Alg != "EdDSA" || fresh.Endorsed == "" {
		t.Errorf("rotate: %d %+v", code, fresh)
	}
	for range 20 {
		if _, _, err := meet(t.Context(), a, a.guest, b, b.guest); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("while the key was replaced: %v", err)
	}
	if code := a.do("POST", "/api/v1/keys/"+fresh.KID+"/rotate", b.desk, api.KeyOrder{}, nil); code != http.StatusUnauthorized {
		t.Errorf("a token of another node: %d", code)
	}
	if code := a.do("POST", "/api/v1/keys/"+fresh.KID+"/revoke", a.desk, api.KeyEnd{}, nil); code != http.StatusUnprocessableEntity {
		t.Errorf("revoked without a reason: %d", code)
	}
	var ended api.PartyKey
	if code := a.do("POST", "/api/v1/keys/"+fresh.KID+"/revoke", a.boss, api.KeyEnd{Reason: "a copy was lost"}, &ended); code != http.StatusOK || ended.State != "revoked" {
		t.Errorf("revoke: %d %+v", code, ended)
	}
	if _, _, err := meet(t.Context(), a, a.guest, b, b.guest); err != nil {
		t.Errorf("after the revocation: %v", err)
	}
	if code := a.do("POST", "/api/v1/keys/nothing/rotate", a.boss, api.KeyOrder{}, nil); code != http.StatusNotFound {
		t.Errorf("an unknown key: %d", code)
	}
}

func TestPeersByTheAPI(t *testing.T) {
	a, b := twoHouses(t)
	var p api.Peer
	if code := a.do("POST", "/api/v1/peers", a.desk, api.PeerOrder{Name: "pilot", ID: "PILOT_7", Address: b.url + "/protocol", Token: "what-the-pilot-gave", Issue: true}, &p); code != http.StatusCreated || p.Mode != "token" || !p.Token || p.Inbound == "" {
		t.Fatalf("add: %d %+v", code, p)
	}
	in := &http.Request{Header: http.Header{"Authorization": {"Bearer " + p.Inbound}}}
	if who, err := a.ids.Caller(t.Context(), in, a.guest); err != nil || who != "PILOT_7" {
		t.Errorf("the pilot is taken for %q, %v", who, err)
	}
	if who, err := a.ids.Caller(t.Context(), in, a.own); hansa.Status(err) != http.StatusUnauthorized {
		t.Errorf("the host takes the guest's pilot for %q, %v", who, err)
	}
	for name, c := range map[string]struct {
		method, path, secret string
		in                   any
		want                 int
	}{
		"twice":                 {"POST", "/api/v1/peers", a.desk, api.PeerOrder{Name: "pilot", ID: "PILOT_7"}, http.StatusConflict},
		"no id":                 {"POST", "/api/v1/peers", a.desk, api.PeerOrder{Name: "x"}, http.StatusUnprocessableEntity},
		"a party to come":       {"POST", "/api/v1/peers", a.desk, api.PeerOrder{Name: "x", ID: a.own + ":parties:later"}, http.StatusUnprocessableEntity},
		"a host by no operator": {"POST", "/api/v1/peers", a.desk, api.PeerOrder{Name: "x", ID: "did:web:unopened.example"}, http.StatusForbidden},
		"a private address":     {"POST", "/api/v1/peers", a.boss, api.PeerOrder{Name: "x", ID: "did:web:169.254.169.254"}, http.StatusForbidden},
		"for another party":     {"POST", "/api/v1/peers", a.desk, api.PeerOrder{Name: "x", ID: "X", Party: "own"}, http.StatusNotFound},
		"of another party":      {"GET", "/api/v1/peers?party=own", a.desk, nil, http.StatusNotFound},
		"a token by did:web":    {"POST", "/api/v1/peers", a.boss, api.PeerOrder{Name: "x", ID: b.own, Mode: "did:web", Issue: true}, http.StatusUnprocessableEntity},
		"another id":            {"POST", "/api/v1/peers/pilot", a.desk, api.PeerOrder{ID: "other"}, http.StatusUnprocessableEntity},
		"unknown":               {"DELETE", "/api/v1/peers/nobody", a.desk, nil, http.StatusNotFound},
		"the operator's host":   {"POST", "/api/v1/peers", a.boss, api.PeerOrder{Name: "edc", ID: "did:web:edc.example", Address: "https://connect.edc.example/dsp"}, http.StatusCreated},
	} {
		if code := a.do(c.method, c.path, c.secret, c.in, nil); code != c.want {
			t.Errorf("%s: %d, want %d", name, code, c.want)
		}
	}
	if err := a.client.CheckURL("https://connect.edc.example/dsp"); err != nil {
		t.Errorf("the peer of the operator cannot be called: %v", err)
	}
	if code := a.do("POST", "/api/v1/peers/pilot", a.desk, api.PeerOrder{Title: "The pilot"}, &p); code != http.StatusOK || p.Title != "The pilot" || !p.Token {
		t.Errorf("change: %d %+v", code, p)
	}
	h := http.Header{}
	if err := a.ids.Present(t.Context(), a.guest, "PILOT_7", h); err != nil || h.Get("Authorization") != "Bearer what-the-pilot-gave" {
		t.Errorf("what is shown to the pilot: %v, %v", h, err)
	}
	if code := a.do("DELETE", "/api/v1/peers/pilot", a.desk, nil, nil); code != http.StatusNoContent {
		t.Errorf("remove: %d", code)
	}
	if who, err := a.ids.Caller(t.Context(), in, a.guest); hansa.Status(err) != http.StatusUnauthorized {
		t.Errorf("a removed pilot is taken for %q, %v", who, err)
	}
}
