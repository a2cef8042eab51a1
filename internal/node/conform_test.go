package node

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
)

// heldAgainst starts a node with some datasets on offer, and a connector's place beside it.
func heldAgainst(t *testing.T) (city *partner, callback string) {
	t.Helper()
	listen := func() net.Listener {
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	a, b := listen(), listen()
	callback = b.Addr().String()
	if err := b.Close(); err != nil { // the driver listens there
		t.Fatal(err)
	}
	city = &partner{t: t, name: "city", id: "did:web:city.example", dir: filepath.Join(t.TempDir(), "c"), url: "http://" + a.Addr().String(), addr: a.Addr().String(), allow: []string{a.Addr().String(), callback}}
	city.start(a)
	driver := &partner{t: t, name: "driver", id: "did:web:driver.example", url: "http://" + callback}
	city.meet(driver, "the-secret-of-the-city")
	city.expect(driver, "the-secret-of-the-driver")
	city.offer("offer-1", true, "navigation")
	err := city.node.db.Write(t.Context(), func(tx hansa.Tx) error { // more than a page holds
		for i := range catalog.PageMax + 5 {
			name := "more-" + strconv.Itoa(i)
			set := &hansa.Dataset{ID: hansa.DatasetID(named("dataset", string(city.id), name)), Party: city.id, Name: name, Kind: hansa.KindSituation}
			o := &catalog.Offer{ID: "offer-" + name, Party: city.id, Dataset: set.ID, Policy: policy.FromTerms("offer-"+name, &hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}}), Automatic: true, Made: time.Now()}
			if err := city.node.catalog.SaveDataset(tx, set); err != nil {
				return err
			}
			if err := city.node.catalog.SaveOffer(tx, o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := city.node.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return city, callback
}

// TestConformOwnNode drives our own node: it keeps every clause that is checked.
func TestConformOwnNode(t *testing.T) {
	city, callback := heldAgainst(t)
	ctx, stop := context.WithCancel(t.Context())
	clerk := make(chan struct{})
	go func() { defer close(clerk); city.counters(ctx) }()
	defer func() { stop(); <-clerk }()
	rep, err := Conform(t.Context(), ConformOrder{URL: city.url + dsp.Path, Token: "the-secret-of-the-driver", Callback: callback, Wait: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range rep.Checks {
		if c.Outcome != "passed" {
			t.Errorf("%s %s: %s: %s: %s", c.ID, c.Outcome, c.Clause, c.Title, c.Detail)
		}
	}
	t.Logf("%d passed, %d failed, %d skipped; %d documents were received", rep.Passed, rep.Failed, rep.Skipped, rep.Received)
}

// counters is a person who answers every request that waits with the offer as it
// was made.
func (p *partner) counters(ctx context.Context) {
	for ctx.Err() == nil {
		list, err := p.deals().Negotiations(ctx, p.actor(), api.ProcessQuery{Waits: true})
		for i := range list {
			if list[i].State == "REQUESTED" && err == nil {
				_, _ = p.deals().ActNegotiation(ctx, p.actor(), list[i].ID, "offer", api.ProcessAct{}) // it may have ended meanwhile
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// TestConformNoticesFaults is the control of [TestConformOwnNode]: a door that
// breaks one rule is noticed, by the check that is for it.
func TestConformNoticesFaults(t *testing.T) {
	city, callback := heldAgainst(t)
	faults := map[string]struct {
		check  string
		change func(r *http.Request, status int, h http.Header, body []byte) (int, []byte)
	}{
		"an answer of another status": {"NEGOTIATION-3", func(_ *http.Request, status int, _ http.Header, body []byte) (int, []byte) {
			if status == http.StatusCreated {
				status = http.StatusOK
			}
			return status, body
		}},
		"an error without pids": {"NEGOTIATION-6", func(_ *http.Request, status int, _ http.Header, body []byte) (int, []byte) {
			if status == http.StatusBadRequest {
				body = bytes.ReplaceAll(body, []byte(`"providerPid"`), []byte(`"was"`))
			}
			return status, body
		}},
		"a catalogue of nobody": {"CATALOG-2", func(_ *http.Request, status int, _ http.Header, body []byte) (int, []byte) {
			return status, bytes.ReplaceAll(body, []byte(`"participantId":"did:web:city.example"`), []byte(`"participantId":""`))
		}},
		"a context that is no list": {"SCHEMA-1", func(_ *http.Request, status int, _ http.Header, body []byte) (int, []byte) {
			return status, bytes.ReplaceAll(body, []byte(`["https://w3id.org/dspace/2025/1/context.jsonld"]`), []byte(`"https://w3id.org/dspace/2025/1/context.jsonld"`))
		}},
		"pages that are not linked back": {"CATALOG-4", func(_ *http.Request, status int, h http.Header, body []byte) (int, []byte) {
			if strings.Contains(strings.Join(h["Link"], ""), "previous") {
				h.Del("Link")
			}
			return status, body
		}},
		"what does not exist is forbidden": {"NEGOTIATION-8", func(_ *http.Request, status int, _ http.Header, body []byte) (int, []byte) {
			if status == http.StatusNotFound {
				status = http.StatusForbidden
			}
			return status, body
		}},
		"bad transitions conflict": {"NEGOTIATION-10", func(_ *http.Request, status int, _ http.Header, body []byte) (int, []byte) {
			if status == http.StatusBadRequest {
				status = http.StatusConflict
			}
			return status, body
		}},
	}
	tried := 0
	for name, fault := range faults {
		if tried++; testing.Short() && tried > 2 { // others than the last time
			break
		}
		t.Run(name, func(t *testing.T) {
			door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				req, err := http.NewRequestWithContext(r.Context(), r.Method, city.url+r.URL.RequestURI(), bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header = r.Header.Clone()
				req.Header.Set("Accept-Encoding", "identity")
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = res.Body.Close() }()
				said, _ := io.ReadAll(res.Body)
				here, there := "http://"+r.Host, city.url
				for k, list := range res.Header {
					for _, v := range list {
						w.Header().Add(k, strings.ReplaceAll(v, there, here))
					}
				}
				w.Header().Del("Content-Length")
				status, said := fault.change(r, res.StatusCode, w.Header(), bytes.ReplaceAll(said, []byte(there), []byte(here)))
				w.WriteHeader(status)
				_, _ = w.Write(said)
			}))
			defer door.Close()
			rep, err := Conform(t.Context(), ConformOrder{URL: door.URL + dsp.Path, Token: "the-secret-of-the-driver", Callback: callback, Wait: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(rep.Checks, func(c ConformCheck) bool { return c.ID == fault.check })
			if i < 0 || rep.Checks[i].Outcome != "failed" || rep.Failed == 0 {
				t.Errorf("it was not noticed: %+v", rep.Checks)
			}
		})
	}
}
