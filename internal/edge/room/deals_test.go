package room_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// dealt is what a party agrees, whose every word is s. Each act answers err.
type dealt struct {
	s     string
	err   error
	acts  []string
	waits atomic.Pointer[string] // what a person is asked; s when nil
}

func (d *dealt) act(what ...string) error {
	d.acts = append(d.acts, strings.Join(what, " "))
	return d.err
}

func (d *dealt) request() room.Request {
	waits := d.s
	if w := d.waits.Load(); w != nil {
		waits = *w
	}
	return room.Request{
		ID: "r/1", Pid: d.s, Side: hansa.Provider, Other: hansa.PartyID(d.s), OtherTitle: d.s, Address: d.s, State: "REQUESTED", Turn: "own", Waits: waits, Can: []string{"agree", "offer", "terminate"},
		Target: d.s, Title: d.s, Purposes: []string{d.s}, OfferBy: hansa.Consumer, Offer: json.RawMessage(`{"7":"</7>"}`), Words: []string{d.s, d.s}, Differs: []room.Difference{{What: d.s, Own: d.s, Theirs: d.s}, {What: "8"}},
		Agreement: d.s, Code: d.s, Reason: []string{d.s}, EndedBy: hansa.Consumer, Dataset: d.s, Then: d.s, Began: now, Changed: now, Terms: &room.OfferTerms{Purposes: []string{d.s}, Formats: []string{d.s}, Until: now},
	}
}

func (d *dealt) Requests(context.Context, hansa.Actor) ([]room.Request, error) {
	waits, parked, open, over, mine := d.request(), d.request(), d.request(), d.request(), d.request()
	parked.ID, parked.Parked, parked.Waits = "r2", d.s, ""
	open.ID, open.Waits, open.Turn, open.OfferBy = "r3", "", "other", hansa.Provider
	over.ID, over.State, over.Waits, over.Turn = "r4", "TERMINATED", "", ""
	mine.ID, mine.Side, mine.State, mine.Waits, mine.Trying = "r5", hansa.Consumer, d.s, "", d.s
	return []room.Request{waits, parked, open, over, mine}, nil
}

func (d *dealt) Process(_ context.Context, _ hansa.Actor, id string) (room.Process, error) {
	q, t := d.request(), d.transfer()
	p := room.Process{ID: id, Request: &q, Messages: []room.Message{
		{N: 1, At: now, Direction: "in", Kind: "negotiation/request", URL: d.s, State: "received", After: d.s, Status: 200, Body: json.RawMessage(`{"@type":"<script>alert(1)</script>"}`)},
		{N: 2, At: now, Direction: "out", Kind: d.s, URL: d.s, State: "parked", After: d.s, Status: 400, Tries: 3, Reason: d.s, Answer: d.s},
		{N: 3, At: now, Direction: "out", Kind: "negotiation/agree", URL: d.s, State: "waits", Tries: 1, Next: now, Reason: d.s},
		{N: 4, At: now, Direction: "in", Kind: "negotiation/request", URL: d.s, State: d.s, Done: now},
	}}
	switch {
	case id == "none":
		return room.Process{}, hansa.Errorf(hansa.NotFound, "there is no such process")
	case id == "r2":
		q.Parked, q.Waits = d.s, ""
	case id == "over":
		q.State, q.Turn, q.Waits, q.Can = "TERMINATED", "", "", nil
	case id == "mine":
		q.Side, q.OfferBy, q.Can, q.State, q.Terms = hansa.Consumer, hansa.Provider, []string{"accept", "request", "terminate"}, "OFFERED", nil
	case strings.HasPrefix(id, "t"):
		p.Request, p.Transfer = nil, &t
	}
	return p, nil
}

func (d *dealt) Answer(_ context.Context, _ hansa.Actor, id, act string, a room.Answer) error {
	return d.act(act, id, strings.Join(a.Reason, ";"), strings.Join(a.Terms.Purposes, ","), a.Policy)
}

func (d *dealt) Ask(_ context.Context, _ hansa.Actor, o room.Wish) (string, error) {
	return "new", d.act("ask", string(o.Peer), o.Target, o.Offer, o.Purpose, o.Dataset, o.Way)
}

func (d *dealt) Retry(_ context.Context, _ hansa.Actor, id string) error { return d.act("retry", id) }

func (d *dealt) agreement() room.Agreement {
	return room.Agreement{
		ID: "a/1", Side: hansa.Consumer, OwnTitle: d.s, Other: hansa.PartyID(d.s), OtherTitle: d.s, Process: d.s, Target: d.s, Title: d.s, Hash: d.s, Policy: json.RawMessage(`{"a":"<script>"}`), Words: []string{d.s}, Purposes: []string{d.s, "8"}, At: now, Running: 1, Open: 2,
	}
}

func (d *dealt) Agreements(context.Context, hansa.Actor) ([]room.Agreement, error) {
	gives, over := d.agreement(), d.agreement()
	gives.ID, gives.Side, gives.Running = "a2", hansa.Provider, 0
	over.ID, over.Ended, over.Open, over.Running = "a3", now, 0, 0
	return []room.Agreement{d.agreement(), gives, over}, nil
}

func (d *dealt) transfer() room.Transfer {
	return room.Transfer{
		ID: "t1", Pid: d.s, Side: hansa.Consumer, Other: hansa.PartyID(d.s), OtherTitle: d.s, Agreement: "a/1", Format: d.s, State: "STARTED", Can: []string{"suspend", "complete", "terminate"}, Dataset: d.s, Code: d.s, Reason: []string{d.s}, Problem: d.s, Began: now, Changed: now,
	}
}

func (d *dealt) Agreement(context.Context, hansa.Actor, string) (room.Agreement, []room.Transfer, error) {
	parked, waits, over := d.transfer(), d.transfer(), d.transfer()
	parked.ID, parked.Parked, parked.State, parked.Can = "t2", d.s, "SUSPENDED", []string{"start", "terminate"}
	waits.ID, waits.Waits, waits.State, waits.Side = "t3", d.s, "REQUESTED", hansa.Provider
	over.ID, over.State, over.Can, over.Problem = "t4", "TERMINATED", nil, ""
	return d.agreement(), []room.Transfer{d.transfer(), parked, waits, over}, nil
}

func (d *dealt) EndAgreement(_ context.Context, _ hansa.Actor, id string, reason []string) error {
	return d.act("end agreement", id, strings.Join(reason, ";"))
}

func (d *dealt) Take(_ context.Context, _ hansa.Actor, agreement string, o room.Wish) (string, error) {
	return "t9", d.act("take", agreement, o.Purpose, o.Dataset, o.Way)
}

func (d *dealt) Steer(_ context.Context, _ hansa.Actor, id, act string, reason []string) error {
	return d.act(act, id, strings.Join(reason, ";"))
}

func (d *dealt) Dataset(_ context.Context, _ hansa.Actor, name string) (room.DatasetSheet, error) {
	if name == "none" {
		return room.DatasetSheet{}, hansa.Errorf(hansa.NotFound, "there is no such dataset")
	}
	o := room.OfferRow{ID: "o1", State: "standing", To: []string{d.s}, Made: now, Words: []string{d.s}}
	gone := o
	gone.ID, gone.State, gone.Withdrawn, gone.To, gone.Automatic = "o2", d.s, now, nil, true
	return room.DatasetSheet{DatasetRow: room.DatasetRow{Name: d.s, Title: d.s, Kind: d.s, Licence: d.s, Holder: d.s, Feeds: []string{d.s}, To: []string{d.s}}, Description: d.s, Offers: []room.OfferRow{o, gone}}, nil
}

func (d *dealt) MakeOffer(_ context.Context, _ hansa.Actor, dataset string, o room.OfferTerms) error {
	automatic := map[bool]string{true: "automatic"}[o.Automatic]
	return d.act("offer", dataset, strings.Join(o.Purposes, ","), strings.Join(o.Formats, ","), strings.Join(o.To, ","), automatic)
}

func (d *dealt) WithdrawOffer(_ context.Context, _ hansa.Actor, id string) error {
	return d.act("withdraw", id)
}

func (d *dealt) known() (room.KnownDataset, room.KnownOffer) {
	o := room.KnownOffer{ID: d.s, Words: []string{d.s}, Purposes: []string{d.s}}
	bad := room.KnownOffer{ID: "bad", Words: []string{d.s}, Bad: true}
	return room.KnownDataset{ID: d.s, Title: d.s, Description: d.s, Party: hansa.PartyID(d.s), PartyTitle: d.s, Address: "https://" + d.s, Licence: d.s, Themes: []string{d.s}, Ways: []string{"HttpData-SSE", d.s}, Offers: []room.KnownOffer{o, bad}}, o
}

func (d *dealt) Catalogue(_ context.Context, _ hansa.Actor, words string) (room.Catalogue, error) {
	far, _ := d.known()
	own, near := far, far
	own.Own, own.Name, near.Address, near.Offers = true, d.s, "", nil
	c := room.Catalogue{Datasets: []room.KnownDataset{own, near, far}, More: true, Catalogues: []room.KnownCatalogue{{Title: d.s, Address: d.s, Datasets: 2, Tried: now, Reason: d.s}, {Title: d.s, Good: now}}}
	if words == "too many" {
		return room.Catalogue{}, hansa.Fielded("?q", "too many words")
	}
	return c, nil
}

func (d *dealt) Look(context.Context, hansa.Actor) error { return d.act("look") }

func (d *dealt) OfferAt(_ context.Context, _ hansa.Actor, peer hansa.PartyID, _, _ string) (room.KnownDataset, room.KnownOffer, error) {
	set, o := d.known()
	if peer == "none" {
		return set, o, hansa.Errorf(hansa.NotFound, "there is no such offer")
	}
	return set, o, nil
}

func (d *dealt) Writable() []string { return []string{d.s} }

func (d *dealt) Peers(context.Context, hansa.Actor) ([]room.Peer, error) {
	return []room.Peer{{Name: d.s, ID: hansa.PartyID(d.s), Title: d.s, Address: d.s, Mode: d.s, Added: now}, {Name: "9", Mode: "token"}, {Name: "8", Mode: "token", Address: d.s}}, nil
}

func (d *dealt) AddPeer(_ context.Context, _ hansa.Actor, o room.PeerOrder) (string, error) {
	token := ""
	if o.Issue {
		token = secret
	}
	return token, d.act("peer", o.Name, o.ID, o.Address, o.Mode, o.Token)
}

func (d *dealt) RemovePeer(_ context.Context, _ hansa.Actor, name string) error {
	return d.act("drop", name)
}

func (d *dealt) PartyKeys(context.Context, hansa.Actor) (room.PartyKeys, error) {
	return room.PartyKeys{DID: d.s, Keys: []room.PartyKey{{KID: "1", Use: "message", Alg: d.s, State: "good", ValidFrom: now}, {KID: d.s, Use: d.s, Alg: d.s, State: d.s, ValidFrom: now, ValidTo: now, Reason: d.s}}}, nil
}

func (d *dealt) RotateKey(_ context.Context, _ hansa.Actor, kid string) error {
	return d.act("rotate", kid)
}

// dealtPages are the pages of what is agreed, with the right that each needs.
func dealtPages() map[string]hansa.Right {
	return map[string]hansa.Right{
		"/requests": hansa.RightRead, "/requests/r%2F1": hansa.RightRead, "/requests/r2": hansa.RightRead, "/requests/over": hansa.RightRead, "/requests/mine": hansa.RightRead, "/agreements": hansa.RightRead, "/agreements/a%2F1": hansa.RightRead,
		"/processes/r%2F1": hansa.RightRead, "/processes/t1": hansa.RightRead, "/datasets/d": hansa.RightRead, "/catalogue": hansa.RightRead, "/catalogue?q=x": hansa.RightRead, "/catalogue/request?peer=p&target=t&offer=o": hansa.RightManage, "/settings/peers": hansa.RightManage,
	}
}

// bargaining opens the room over what a party agrees, for somebody with these rights.
func bargaining(t *testing.T, d *dealt, rights ...hansa.Right) http.Handler {
	t.Helper()
	return opened(t, &kept{s: d.s}, d, rights...)
}

// TestDealtActs: each form asks for one thing, and sends the browser on to a page
// that says so.
func TestDealtActs(t *testing.T) {
	d := &dealt{s: "x"}
	h := bargaining(t, d, hansa.RightAdmin)
	for _, c := range []struct{ path, form, act, to string }{
		{"/requests/r%2F1/agree", "", "agree r/1   ", "/requests/r%2F1?done=agree"},
		{"/requests/mine/accept", "", "accept mine   ", "/requests/mine?done=accept"},
		{"/requests/r1/verify", "", "verify r1   ", "/requests/r1?done=verify"},
		{"/requests/r1/finalize", "", "finalize r1   ", "/requests/r1?done=finalize"},
		{"/requests/r1/terminate", "reason=+Not+for+advertising.+", "terminate r1 Not for advertising.  ", "/requests/r1?done=terminate"},
		{"/requests/r1/offer", "purposes=navigation,+research&format=geojson", "offer r1  navigation,research ", "/requests/r1?done=offer"},
		{"/requests/mine/request", "by=policy&policy={}", "request mine   {}", "/requests/mine?done=request"},
		{"/requests/r2/retry", "", "retry r2", "/requests/r2?done=retry"},
		{"/agreements/a%2F1/transfers", "way=HttpData-SSE&purpose=navigation&dataset=shut", "take a/1 navigation shut HttpData-SSE", "/agreements/a%2F1?done=take"},
		{"/agreements/a%2F1/end", "reason=enough", "end agreement a/1 enough", "/agreements/a%2F1?done=ended"},
		{"/transfers/t1/suspend", "", "suspend t1 ", "/agreements/a%2F1?done=suspend"},
		{"/transfers/t2/resume", "", "resume t2 ", "/agreements/a%2F1?done=resume"},
		{"/transfers/t1/complete", "", "complete t1 ", "/agreements/a%2F1?done=complete"},
		{"/transfers/t1/end", "reason=a+drill", "end t1 a drill", "/agreements/a%2F1?done=end"},
		{"/transfers/t2/retry", "", "retry t2", "/agreements/a%2F1?done=retry"},
		{"/datasets/d/offers", "purposes=navigation&format=geojson&to=nav,did:web:x.example&automatic=1", "offer d navigation geojson nav,did:web:x.example automatic", "/datasets/d?done=offered"},
		{"/datasets/d/offers/o1/withdraw", "", "withdraw o1", "/datasets/d?done=withdrawn"},
		{"/catalogue/request", "peer=p&target=t&offer=o&purpose=navigation&dataset=shut&way=none", "ask p t o navigation shut ", "/requests/new?done=asked"},
		{"/catalogue", "", "look", "/catalogue?done=looked"},
		{"/settings/peers", "name=n&id=i&address=https://a.example&mode=did:web&token=left", "peer n i https://a.example did:web ", "/settings/peers?done=added"},
		{"/settings/peers/n/remove", "", "drop n", "/settings/peers?done=remove"},
		{"/settings/keys/k1/rotate", "", "rotate k1", "/settings/keys?done=rotate"},
	} {
		form, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		d.acts = nil
		w := post(t, h, c.path, form)
		if got := w.Header().Get("Location"); got != c.to || !slices.Equal(d.acts, []string{c.act}) || w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d to %q by %q, want %q by %q", c.path, w.Code, got, d.acts, c.to, c.act)
		}
		if w := get(t, h, c.to); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `role="status"`) {
			t.Errorf("%s says nothing of the act: %d", c.to, w.Code)
		}
	}
	for _, path := range []string{"/requests/r1/burn", "/requests/none/agree/x", "/transfers/t1/burn", "/transfers/r1/suspend", "/datasets/d/offers/another/withdraw", "/settings/peers/n/burn", "/settings/keys/k/burn"} {
		d.acts = nil
		if w := post(t, h, path, url.Values{}); w.Code != http.StatusNotFound || d.acts != nil {
			t.Errorf("%s: %d %v", path, w.Code, d.acts)
		}
	}
	for _, path := range []string{"/requests/none", "/processes/none", "/datasets/none", "/catalogue/request?peer=none", "/requests/t1"} {
		if w := get(t, h, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	w := post(t, h, "/settings/peers", url.Values{"name": {"n"}, "id": {"i"}, "mode": {"token"}, "token": {"theirs-to-us"}, "issue": {"1"}})
	sound(t, "a peer's token", w)
	if body := w.Body.String(); w.Code != http.StatusOK || strings.Count(body, secret) != 1 || strings.Contains(body, "theirs-to-us") {
		t.Errorf("the token made is not shown once, or the other's is: %d", w.Code)
	}
}

// TestDealtErrors: what is refused stands in words above the form, with what was
// typed, and the field is marked.
func TestDealtErrors(t *testing.T) {
	for _, c := range []struct{ path, form, field string }{
		{"/requests/r1/terminate", "reason=typed.example", "/reason"},
		{"/requests/r1/offer", "purposes=typed.example", "/purposes"},
		{"/requests/r1/offer", "purposes=typed.example&until=2020-01-01T10:00", "/until"},
		{"/requests/r1/offer", "by=policy&policy=typed.example", "/policy"},
		{"/agreements/a1/transfers", "dataset=typed.example", "/dataset"},
		{"/agreements/a1/end", "reason=typed.example", "/reason"},
		{"/datasets/d/offers", "purposes=typed.example", "/terms/purposes"},
		{"/datasets/d/offers", "purposes=n&to=typed.example", "/to"},
		{"/catalogue/request", "dataset=typed.example", "/dataset"},
		{"/settings/peers", "name=typed.example&id=i", "/name"},
		{"/settings/peers", "name=n&id=typed.example", "/id"},
		{"/settings/peers", "name=n&id=i&address=typed.example", "/address"},
	} {
		form, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		w := post(t, bargaining(t, &dealt{s: "x", err: hansa.Fielded(c.field, "that is %s", evil)}, hansa.RightAdmin), c.path, form)
		body := w.Body.String()
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, `role="alert"`) || !strings.Contains(body, "typed.example") || strings.Count(body, `aria-invalid="true"`) != 1 {
			t.Errorf("%s %s with %s: %d, marked %d times: %.200s", c.path, c.form, c.field, w.Code, strings.Count(body, `aria-invalid="true"`), body)
		}
		sound(t, c.path, w)
	}
	h := bargaining(t, &dealt{s: "x"}, hansa.RightAdmin)
	for path, form := range map[string]string{
		"/requests/r1/terminate": "reason=+", "/transfers/t1/end": "", "/transfers/t1/suspend": "reason=" + strings.Repeat("x", 2001), "/requests/r1/offer": "purposes=+", "/requests/r1/request": "by=policy", "/agreements/a1/end": "reason=", "/datasets/d/offers": "purposes=n&until=soon",
	} {
		f, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		if w := post(t, h, path, f); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `role="alert"`) {
			t.Errorf("%s takes %q: %d", path, form, w.Code)
		}
	}
	if w := get(t, h, "/catalogue?q=too+many"); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `value="too many"`) {
		t.Errorf("a search that is refused: %d", w.Code)
	}
	for _, err := range []error{hansa.Errorf(hansa.Conflict, "it may not be"), hansa.Errorf(hansa.NotFound, "there is none"), context.DeadlineExceeded} {
		h := bargaining(t, &dealt{s: "x", err: err}, hansa.RightAdmin)
		for _, path := range []string{"/requests/r1/agree", "/requests/r2/retry", "/agreements/a1/transfers", "/transfers/t1/suspend", "/datasets/d/offers/o1/withdraw", "/settings/peers/n/remove", "/settings/keys/k1/rotate"} {
			w := post(t, h, path, url.Values{})
			if want := hansa.Status(err); w.Code != want || strings.Contains(w.Body.String(), "deadline") {
				t.Errorf("%s with %v: %d, want %d", path, err, w.Code, want)
			}
		}
	}
}

// TestDealtByRight: who may not decide sees how things stand, and no button.
func TestDealtByRight(t *testing.T) {
	d := &dealt{s: "x"}
	h := bargaining(t, d, hansa.RightRead)
	for path, right := range dealtPages() {
		if right != hansa.RightRead {
			continue
		}
		if body := get(t, h, path).Body.String(); strings.Contains(body, `method="post"`) {
			t.Errorf("%s shows a form to somebody who may only read", path)
		}
	}
	for _, path := range []string{"/requests/r1/agree", "/agreements/a1/transfers", "/agreements/a1/end", "/transfers/t1/suspend", "/datasets/d/offers", "/datasets/d/offers/o1/withdraw", "/catalogue/request", "/settings/peers", "/settings/peers/n/remove", "/settings/keys/k/rotate"} {
		if w := post(t, h, path, url.Values{"reason": {"x"}, "purposes": {"x"}}); w.Code != http.StatusForbidden || d.acts != nil {
			t.Errorf("%s: %d %v", path, w.Code, d.acts)
		}
	}
	body := get(t, h, "/requests").Body.String()
	if at := strings.Index(body, "Waiting for you"); at < 0 || at > strings.Index(body, "Under way") || strings.Index(body, "Under way") > strings.Index(body, "Ended <b>1</b>") {
		t.Error("what waits for a person does not come first, or what is over not last")
	}
}

// TestDealtStream: a page that is open gets the parts that have changed, and no
// others; typed words in the others stay.
func TestDealtStream(t *testing.T) {
	d, later := &dealt{s: "x"}, "answer by noon"
	src := &beating{live: room.Live{Now: now}, ch: make(chan struct{})}
	r, err := room.New(room.Config{Source: src, Deals: d, Now: time.Now, Authenticate: func(*http.Request) (hansa.Actor, error) {
		return hansa.Actor{Rights: []hansa.Right{hansa.RightAdmin}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		mux.Handle(route.Method+" "+route.Pattern, r.Handler(route.Pattern))
		if route.Slow != strings.HasSuffix(route.Pattern, "stream") {
			t.Errorf("%s is slow: %v", route.Pattern, route.Slow)
		}
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	for path, parts := range map[string][]string{
		"/requests/r1/stream": {`id="request-stand"`, `id="request-rules"`, `id="request-acts"`, `id="request-told"`}, "/processes/r1/stream": {`id="inspector-stand"`, `id="letters"`, `id="m-1"`}, "/agreements/a1/stream": {`id="transfers"`},
	} {
		ctx, stop := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(res.Body)
		patch := func() string {
			for lines.Scan() {
				if lines.Text() != "event: patch" {
					continue
				}
				var b strings.Builder
				for lines.Scan() && lines.Text() != "" {
					b.WriteString(lines.Text() + "\n")
				}
				return b.String()
			}
			return ""
		}
		whole := patch()
		for _, part := range parts {
			if !strings.Contains(whole, part) {
				t.Errorf("%s does not begin with %s", path, part)
			}
		}
		if path == "/requests/r1/stream" {
			src.change(func(*room.Live) { d.waits.Store(&later) })
			if next := patch(); !strings.Contains(next, "Answer by noon.") || strings.Contains(next, `id="request-acts"`) || strings.Contains(next, `id="request-rules"`) {
				t.Errorf("what has changed is %s", next)
			}
		}
		stop()
		_ = res.Body.Close() // it was cut off
	}
	if body := get(t, mux, "/requests/r1").Body.String(); !strings.Contains(body, `data-stream="/requests/r1/stream"`) || strings.Contains(body, "http-equiv") {
		t.Error("the page of a request that moves is not brought up to date")
	}
	if body := get(t, mux, "/requests/r1?follow").Body.String(); !strings.Contains(body, `<noscript><meta http-equiv="refresh" content="5">`) {
		t.Error("without JavaScript it does not look again by itself when it is asked to")
	}
	if body := get(t, mux, "/requests/over").Body.String(); strings.Contains(body, "data-stream") {
		t.Error("the page of a request that is over waits for news")
	}
}
