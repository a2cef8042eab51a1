package node

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
	"github.com/hansa-exchange/hansa/internal/node/conform"
)

// knocker is a connector of another kind, with nothing of this exchange in it, at
// the door of a node whose every step is taken by hand.
type knocker struct {
	*testing.T
	city  *partner
	id    hansa.PartyID
	token string
	at    string // where it receives
}

// knocks starts a node and two connectors that may speak to it.
func knocks(t *testing.T) (one, other *knocker) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // an empty answer is a good one
	}))
	t.Cleanup(srv.Close)
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	city := &partner{t: t, name: "city", id: "did:web:city.example", dir: filepath.Join(t.TempDir(), "c"), url: "http://" + ln.Addr().String(), addr: ln.Addr().String(), hand: true}
	city.allow = []string{city.addr, srv.Listener.Addr().String()}
	city.start(ln)
	city.offer("offer-door", true, "navigation")
	list := []*knocker{}
	for _, name := range []string{"one", "other"} {
		k := &knocker{T: t, city: city, id: hansa.PartyID("did:web:" + name + ".example"), token: "the-long-secret-of-" + name, at: srv.URL}
		as := &partner{t: t, name: name, id: k.id, url: srv.URL}
		city.meet(as, "secret-of-the-city-to-"+name)
		city.expect(as, k.token)
		list = append(list, k)
	}
	return list[0], list[1]
}

// asks calls the node, and returns the answer.
func (k *knocker) asks(method, path, body string) (status int, h http.Header, answer []byte) {
	k.Helper()
	r, err := http.NewRequestWithContext(k.Context(), method, k.city.url+dsp.Path+path, strings.NewReader(body))
	if err != nil {
		k.Fatal(err)
	}
	if k.token != "" {
		r.Header.Set("Authorization", "Bearer "+k.token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		k.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err = io.ReadAll(res.Body)
	if err != nil {
		k.Fatal(err)
	}
	return res.StatusCode, res.Header, answer
}

// refused checks that an answer is the protocol's error with a status, and names
// the process.
func (k *knocker) refused(what string, status int, answer []byte, want int, kind, consumer, provider string) {
	k.Helper()
	if status != want {
		k.Errorf("%s: %d, want %d: %s", what, status, want, answer)
	}
	var doc struct {
		Type        string `json:"@type"`
		ConsumerPid string `json:"consumerPid"`
		ProviderPid string `json:"providerPid"`
	}
	if err := json.Unmarshal(answer, &doc); err != nil || doc.Type != kind {
		k.Errorf("%s: the answer is a %q, want a %s", what, doc.Type, kind)
	}
	if err := conform.Valid(kind, answer); err != nil {
		k.Errorf("%s: %v: %s", what, err, answer)
	}
	if consumer != "" && (doc.ConsumerPid != consumer || doc.ProviderPid != provider) {
		k.Errorf("%s: it is about %s and %s, want %s and %s", what, doc.ConsumerPid, doc.ProviderPid, consumer, provider)
	}
}

// standing is every process of the node, as it is kept.
func (k *knocker) standing() string {
	k.Helper()
	var all []any
	d := k.city.node.deal
	err := d.n.db.Read(k.Context(), func(tx hansa.Tx) error {
		n, err := d.negotiations.List(tx, protocol.Query{})
		if err != nil {
			return err
		}
		t, err := d.transfers.List(tx, protocol.Query{})
		all = append(all, n, t)
		return err
	})
	if err != nil {
		k.Fatal(err)
	}
	b, err := json.Marshal(all, json.Deterministic(true))
	if err != nil {
		k.Fatal(err)
	}
	return string(b)
}

// process is one that the node has with a knocker.
type process struct {
	own, consumer, provider string
	side                    hansa.Side
	state                   string
	hears                   func(s *conform.Sample, body string) error // whether it takes what a sample says
}

// processes puts one in each state on each side into the node.
func (k *knocker) processes() (negotiations, transfers []process) {
	k.Helper()
	d := k.city.node.deal
	rules := policy.FromTerms("offer-1", &hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}})
	rules.Target = "d"
	err := d.n.db.Write(k.Context(), func(tx hansa.Tx) error {
		for _, side := range []hansa.Side{hansa.Provider, hansa.Consumer} {
			for _, s := range []negotiation.State{negotiation.Requested, negotiation.Offered, negotiation.Accepted, negotiation.Agreed, negotiation.Verified, negotiation.Finalized, negotiation.Terminated} {
				n := &negotiation.Negotiation{ID: hansa.NewID(time.Now()), Pid: "n-" + string(side) + string(s), Side: side, Own: k.city.id, Other: k.id, Address: k.at, Offer: rules, Agreement: rules, Began: time.Now().UTC()}
				n.State, n.Base = s, s
				negotiations = append(negotiations, processOf(n.ID, n.Pid, side, string(s), func(_ *conform.Sample, body string) error {
					m, err := saidBy(body, n.Side)
					if err != nil {
						return err
					}
					_, _, err = n.Hear(m)
					return err
				}))
				if err := d.negotiations.Put(tx, n, time.Now()); err != nil {
					return err
				}
			}
			for _, s := range []transfer.State{transfer.Requested, transfer.Started, transfer.Suspended, transfer.Completed, transfer.Terminated} {
				t := &transfer.Transfer{ID: hansa.NewID(time.Now()), Pid: "t-" + string(side) + string(s), Side: side, Own: k.city.id, Other: k.id, Peer: k.at, Agreement: "a", Format: transfer.Push, Began: time.Now().UTC()}
				t.State, t.Base = s, s
				transfers = append(transfers, processOf(t.ID, t.Pid, side, string(s), func(one *conform.Sample, body string) error {
					m, err := dsp.Transfer([]byte(body), transferEvents[one.Kind])
					if err != nil {
						return err
					}
					m.By = t.Side.Other()
					_, _, err = t.Hear(m)
					return err
				}))
				if err := d.transfers.Put(tx, t, time.Now()); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		k.Fatal(err)
	}
	return negotiations, transfers
}

func processOf(own, other string, side hansa.Side, state string, hears func(*conform.Sample, string) error) process {
	p := process{own: own, consumer: own, provider: other, side: side, state: state, hears: hears}
	if side == hansa.Provider {
		p.consumer, p.provider = other, own
	}
	return p
}

var transferEvents = map[string]transfer.Event{
	"TransferStartMessage": transfer.Start, "TransferSuspensionMessage": transfer.Suspend, "TransferCompletionMessage": transfer.Complete, "TransferTerminationMessage": transfer.Terminate,
}

// saidBy reads a negotiation's message as the route of its type does.
func saidBy(body string, own hansa.Side) (negotiation.Message, error) {
	var doc struct {
		Type string `json:"@type"`
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		return negotiation.Message{}, err
	}
	var m negotiation.Message
	var err error
	switch doc.Type {
	case "ContractRequestMessage":
		m, err = dsp.Negotiation([]byte(body), negotiation.Request, hansa.Consumer)
	case "ContractOfferMessage":
		m, err = dsp.Negotiation([]byte(body), negotiation.Offer, hansa.Provider)
	case "ContractAgreementMessage":
		m, err = dsp.Negotiation([]byte(body), negotiation.Agree, hansa.Provider)
	case "ContractAgreementVerificationMessage":
		m, err = dsp.Negotiation([]byte(body), negotiation.Verify, hansa.Consumer)
	case "ContractNegotiationEventMessage":
		m, err = dsp.Negotiation([]byte(body), "", "")
	default:
		m, err = dsp.Negotiation([]byte(body), negotiation.Terminate, own.Other())
	}
	return m, err
}

// TestMalformedMessagesChangeNothing sends, to each route and in each state on each
// side, messages that break their schema in one place, made from the schemas: each
// is a 400 with the error document of its kind, and nothing has changed.
func TestMalformedMessagesChangeNothing(t *testing.T) {
	k, _ := knocks(t)
	negotiations, transfers := k.processes()
	before := k.standing()
	sent, routes := 0, map[string]map[string]bool{}
	for _, s := range conform.Samples() {
		kind, among := "ContractNegotiationError", negotiations
		if strings.HasPrefix(s.Path, "/transfers") {
			kind, among = "TransferError", transfers
		}
		broken := conform.Broken(s.Kind, s.Doc)
		for i := range max(len(broken), len(among)) { // each break once, each state at least once
			c, p := broken[i%len(broken)], among[i%len(among)]
			path, body := s.For(p.own, p.consumer, p.provider, c.Doc)
			status, _, answer := k.asks("POST", path, body)
			k.refused(fmt.Sprintf("%s when %s as %s, %s %s", s.Name, p.state, p.side, c.At, c.What), status, answer, 400, kind, "", "")
			sent++
			if routes[s.Path] == nil {
				routes[s.Path] = map[string]bool{}
			}
			routes[s.Path][string(p.side)+p.state] = true
		}
	}
	filters := conform.Broken("CatalogRequestMessage", []byte(`{"@context":["`+conform.Context+`"],"@type":"CatalogRequestMessage","filter":[]}`))
	for _, c := range filters {
		status, _, answer := k.asks("POST", "/catalog/request", string(c.Doc))
		k.refused("catalogue request, "+c.At+" "+c.What, status, answer, 400, "CatalogError", "", "")
		sent++
	}
	if after := k.standing(); after != before {
		t.Errorf("something has changed:\n%s\n%s", before, after)
	}
	for path, states := range routes {
		want := 14
		if strings.HasPrefix(path, "/transfers") {
			want = 10
		}
		if len(states) != want {
			t.Errorf("%s was tried in %d states, want %d", path, len(states), want)
		}
	}
	t.Logf("%d malformed messages to %d routes", sent, len(routes)+1)
	if sent < 200 {
		t.Errorf("only %d malformed messages", sent)
	}
}

// TestOutOfTurn sends each message in each state on each side: what the machine
// refuses is a 400 that names the process by both its pids, and changes nothing.
func TestOutOfTurn(t *testing.T) {
	k, _ := knocks(t)
	negotiations, transfers := k.processes()
	refused, before := 0, k.standing()
	for _, s := range conform.Samples() {
		kind, among := "ContractNegotiationError", negotiations
		if strings.HasPrefix(s.Path, "/transfers") {
			kind, among = "TransferError", transfers
		}
		if !strings.Contains(s.Path, "{pid}") {
			continue
		}
		for _, p := range among {
			path, body := s.For(p.own, p.consumer, p.provider, s.Doc)
			if p.hears(&s, body) == nil {
				continue
			}
			status, _, answer := k.asks("POST", path, body)
			k.refused(fmt.Sprintf("%s when %s as %s", s.Name, p.state, p.side), status, answer, 400, kind, p.consumer, p.provider)
			refused++
			for what, wrong := range map[string]string{"wrong own pid": strings.ReplaceAll(body, p.own, "someone"), "wrong other pid": strings.NewReplacer(p.consumer, "x", p.own, p.own).Replace(body)} {
				if wrong == body {
					continue
				}
				status, _, answer := k.asks("POST", path, wrong)
				k.refused(s.Name+", "+what, status, answer, 400, kind, "", "")
			}
		}
	}
	if after := k.standing(); after != before {
		t.Errorf("something has changed:\n%s\n%s", before, after)
	}
	t.Logf("%d messages out of turn", refused)
	if refused < 60 {
		t.Errorf("only %d messages were out of turn", refused)
	}
}

// TestWhatOneMayNotSeeHasNeverBeen: a process of others, or a dataset that is not
// shown to one, is answered as what never existed: same status, headers and body.
func TestWhatOneMayNotSeeHasNeverBeen(t *testing.T) {
	k, rival := knocks(t)
	negotiations, transfers := k.processes()
	mask := func(h http.Header, b []byte, pid string) string {
		out := fmt.Sprint(h["Content-Type"], h["Cache-Control"], h["Www-Authenticate"], len(h), len(b), " ")
		return out + strings.ReplaceAll(string(b), pid, "PID")
	}
	compare := func(what, method, theirs, never, pid, other, body, kind string) {
		t.Helper()
		a, ha, doc := rival.asks(method, theirs, body)
		rival.refused(what, a, doc, 404, kind, "", "")
		b, hb, none := rival.asks(method, never, strings.ReplaceAll(body, pid, other))
		if x, y := mask(ha, doc, pid), mask(hb, none, other); a != b || x != y {
			t.Errorf("%s: what is not seen is told from what is not there:\n%d %s\n%d %s", what, a, x, b, y)
		}
	}
	never := hansa.NewID(time.Now())
	for _, p := range []process{negotiations[0], negotiations[8]} {
		compare("negotiation", "GET", "/negotiations/"+p.own, "/negotiations/"+never, p.own, never, "", "ContractNegotiationError")
	}
	compare("transfer", "GET", "/transfers/"+transfers[1].own, "/transfers/"+never, transfers[1].own, never, "", "TransferError")
	for _, s := range conform.Samples() {
		kind, p := "ContractNegotiationError", negotiations[0]
		if strings.HasPrefix(s.Path, "/transfers") {
			kind, p = "TransferError", transfers[1]
		}
		if strings.Contains(s.Path, "{pid}") {
			path, body := s.For(p.own, p.consumer, p.provider, s.Doc)
			compare(s.Name, "POST", path, strings.ReplaceAll(path, p.own, never), p.own, never, body, kind)
		}
	}
	status, _, answer := rival.asks("GET", "/catalog/datasets/"+never, "")
	rival.refused("a dataset that is not there", status, answer, 404, "CatalogError", "", "")
	nobody := &knocker{T: t, city: k.city, token: "wrong"}
	for path, kind := range map[string]string{"/negotiations/" + negotiations[0].own: "ContractNegotiationError", "/negotiations/" + never: "ContractNegotiationError", "/catalog/datasets/x": "CatalogError", "/transfers/" + never: "TransferError"} {
		status, _, answer := nobody.asks("GET", path, "")
		nobody.refused("a caller with a wrong token at "+path, status, answer, 401, kind, "", "")
	}
}

// TestWhatTheDoorAnswersIsValid: the version document, the catalogue, a dataset,
// acknowledgements and how processes stand fit their schemas, with a slash at the
// end of the address or without.
func TestWhatTheDoorAnswersIsValid(t *testing.T) {
	k, _ := knocks(t)
	held := func(what, kind string, want, status int, b []byte) {
		t.Helper()
		if err := conform.Valid(kind, b); err != nil || status != want {
			t.Errorf("%s: %d, want %d, %v: %s", what, status, want, err, b)
		}
	}
	res, err := http.Get(k.city.url + "/.well-known/dspace-version")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	held("version document", conform.VersionDocument, 200, res.StatusCode, b)
	for _, slash := range []string{"", "/"} {
		status, _, b := k.asks("POST", "/catalog/request"+slash, `{"@context":["`+conform.Context+`"],"@type":"CatalogRequestMessage"}`)
		held("catalogue", "Catalog", 200, status, b)
		var doc struct {
			Dataset []struct {
				ID string `json:"@id"`
			} `json:"dataset"`
		}
		if err := json.Unmarshal(b, &doc); err != nil || len(doc.Dataset) != 1 {
			t.Fatalf("the catalogue has %d datasets, want 1 (%v)", len(doc.Dataset), err)
		}
		status, _, b = k.asks("GET", "/catalog/datasets/"+doc.Dataset[0].ID+slash, "")
		held("dataset", "Dataset", 200, status, b)
		request := conform.Samples()[0]
		path, body := request.For("", "c"+slash, "", request.Doc)
		body = strings.Replace(body, "https://x.example/dsp", k.at, 1)
		status, _, b = k.asks("POST", path+slash, body)
		held("acknowledgement of a request", "ContractNegotiation", 201, status, b)
		status, _, again := k.asks("POST", path+slash, body)
		if held("acknowledgement of a repeat", "ContractNegotiation", 201, status, again); string(again) != string(b) {
			t.Errorf("a repeat is answered by %s, want %s", again, b)
		}
		var n struct {
			ProviderPid string `json:"providerPid"`
		}
		if err := json.Unmarshal(b, &n); err != nil {
			t.Fatal(err)
		}
		status, _, b = k.asks("GET", "/negotiations/"+n.ProviderPid+slash, "")
		held("how it stands", "ContractNegotiation", 200, status, b)
		offer := conform.Samples()[2]
		path, body = offer.For("", "", "p"+slash, offer.Doc)
		status, _, b = k.asks("POST", path+slash, strings.Replace(body, "https://x.example/dsp", k.at+slash, 1))
		held("acknowledgement of an offer", "ContractNegotiation", 201, status, b)
		end := conform.Samples()[8]
		path, body = end.For(n.ProviderPid, "c"+slash, n.ProviderPid, end.Doc)
		status, _, b = k.asks("POST", path+slash, body)
		held("acknowledgement of an end", "ContractNegotiation", 200, status, b)
	}
	_, transfers := k.processes()
	for _, p := range transfers {
		status, _, b := k.asks("GET", "/transfers/"+p.own, "")
		held("how a transfer stands", "TransferProcess", 200, status, b)
	}
}
