package node

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// agreed makes an agreement between the two, by the machines alone.
func agreed(t *testing.T, city, company *partner) string {
	t.Helper()
	city.offer("offer-1", true, "navigation")
	n, err := company.deals().Negotiate(t.Context(), company.actor(), api.NegotiationOrder{Peer: "city", Offer: "offer-1", Purpose: "navigation", Dataset: "shut"})
	if err != nil {
		t.Fatal(err)
	}
	return company.until(n.ID, func(n api.Negotiation) bool { return n.State == "FINALIZED" }).Agreement
}

// started makes a transfer that runs, and returns it as each side has it.
func started(t *testing.T, city, company *partner, as string) (theirs, own api.Transfer) {
	t.Helper()
	own, err := company.deals().RequestTransfer(t.Context(), company.actor(), api.TransferOrder{Agreement: agreed(t, city, company), Format: as, Dataset: "shut"})
	if err != nil {
		t.Fatal(err)
	}
	own = company.untilTransfer(own.ID, "STARTED")
	return city.untilTransfer(own.Pid, "STARTED"), own
}

// again stops a node and starts it over the same data at the same address.
func (p *partner) again() {
	p.t.Helper()
	p.stop()
	p.returns()
}

// returns starts a node that was stopped, over the same data at the same address.
func (p *partner) returns() {
	p.t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(p.t.Context(), "tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.start(ln)
}

// secrets are those of a transfer, as its side keeps them.
func (p *partner) secrets(id string) (out pair) {
	p.t.Helper()
	d := p.node.deal
	if err := d.n.db.Read(p.t.Context(), func(tx hansa.Tx) error { return d.reveal(tx, id, &out) }); err != nil || out.Access == "" {
		p.t.Fatal(err, out)
	}
	return out
}

// tries asks a route with a bearer token.
func (p *partner) tries(token, method, path string) int {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), method, path, strings.NewReader("{}"))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Hansa-Purpose", "navigation")
	w := httptest.NewRecorder()
	p.node.doors.ServeHTTP(w, r)
	return w.Code
}

// TestTokenOfATransferOpensItsDataAlone tries the two tokens that a transfer brings
// into the world at every route of the table.
func TestTokenOfATransferOpensItsDataAlone(t *testing.T) {
	city, company := two(t)
	theirs, _ := started(t, city, company, transfer.Pull)
	reads := city.secrets(theirs.ID)
	_, own := started(t, city, company, transfer.Push)
	pushes := company.secrets(own.ID)
	if code := city.tries(reads.Access, "GET", "/data/v1/flows/"+string(theirs.Flow)+"/snapshot?format=record"); code != http.StatusOK {
		t.Fatalf("the control is answered %d", code)
	}
	tried := 0
	for _, c := range []struct {
		at          *partner
		what, token string
	}{{city, "the token that reads", reads.Access}, {city, "the token that renews", reads.Refresh}, {company, "the token that pushes", pushes.Access}, {company, "the token that reads, elsewhere", reads.Access}} {
		for _, one := range c.at.node.doors.table {
			if one.Right == "" {
				continue
			}
			path := one.Pattern
			for strings.Contains(path, "{") {
				i, j := strings.Index(path, "{"), strings.Index(path, "}")
				path = path[:i] + "other" + path[j+1:]
			}
			if code := c.at.tries(c.token, one.Method, path); code != 401 && code != 403 && code != 404 {
				t.Errorf("%s opens %s %s: %d", c.what, one.Method, one.Pattern, code)
			}
			tried++
		}
	}
	if tried < 200 {
		t.Errorf("only %d routes were tried", tried)
	}
}

// TestPushArrivesThoughTheReceiverWasRestarted: what is pushed is taken by a node
// that was restarted between its request and the start.
func TestPushArrivesThoughTheReceiverWasRestarted(t *testing.T) {
	city, company := two(t)
	id := agreed(t, city, company)
	city.stop()
	x, err := company.deals().RequestTransfer(t.Context(), company.actor(), api.TransferOrder{Agreement: id, Format: transfer.Push, Dataset: "shut"})
	if err != nil {
		t.Fatal(err)
	}
	company.again()
	city.again()
	company.untilTransfer(x.ID, "STARTED")
	city.publish("one")
	company.has("shut", "one")
}

// TestRenewalThatWasLost: a consumer that did not get the answer to its renewal, or
// ended before it had written it down, renews again by what it has. Once the new
// token was used the old one is void.
func TestRenewalThatWasLost(t *testing.T) {
	city, company := two(t)
	theirs, _ := started(t, city, company, transfer.Pull)
	company.stop() // it would renew, too
	d, flow := city.node.deal, "/data/v1/flows/"+string(theirs.Flow)+"/snapshot?format=record"
	first := city.secrets(theirs.ID)
	renew := func(secret string) pair {
		t.Helper()
		p, err := d.renew(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	lost := renew(first.Refresh)
	got := renew(first.Refresh)
	if lost.Access == got.Access || city.tries(lost.Access, "GET", flow) != 401 || city.tries(first.Access, "GET", flow) != 401 {
		t.Error("a token that was renewed opens data")
	}
	if _, err := d.renew(t.Context(), lost.Refresh); err == nil {
		t.Error("a refresh token that was renewed away is good")
	}
	city.again()
	d = city.node.deal
	got = renew(first.Refresh)
	if code := city.tries(got.Access, "GET", flow); code != http.StatusOK {
		t.Fatalf("the new token is answered %d", code)
	}
	if _, err := d.renew(t.Context(), first.Refresh); err == nil {
		t.Error("a refresh token is good after its successor was used")
	}
	if code := city.tries(renew(got.Refresh).Access, "GET", flow); code != http.StatusOK {
		t.Errorf("the next token is answered %d", code)
	}
}

// TestSecretsOfOthersAreNotKept: what a data address holds of secrets stands in no
// letter, whether its message was taken or refused and however it was written, and
// leaving it out makes nothing bigger.
func TestSecretsOfOthersAreNotKept(t *testing.T) {
	k, _ := knocks(t)
	_, transfers := k.processes()
	const secret = "canary-of-the-provider"
	escaped := `\u0063anary-of-the-provider`
	address := func(value string) string {
		return `{"@type":"DataAddress","endpointType":"https://w3id.org/idsa/v4.1/HTTP","endpoint":"https://x.example/data?sig=` + secret + `","token":"` + secret + `","endpointProperties":[{"@type":"EndpointProperty","name":"authorization","value":"` + value + `"},{"@type":"EndpointProperty","name":"x-api-key","value":"` + value + `"}]}`
	}
	starts := func(p process, address string) string {
		return `{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"TransferStartMessage","consumerPid":"` + p.consumer + `","providerPid":"` + p.provider + `","dataAddress":` + address + `}`
	}
	var bomb strings.Builder
	bomb.WriteString(`{"@type":"DataAddress","endpointType":"x","endpointProperties":[`)
	for i, name := range []string{"authorization", "refreshToken", "https://w3id.org/edc/v0.0.1/ns/authorization", "authKey", "authCode", "secret"} {
		if i > 0 {
			bomb.WriteString(",")
		}
		bomb.WriteString(`{"@type":"EndpointProperty","name":"` + name + `","value":"e"}`)
	}
	bomb.WriteString(`,{"@type":"EndpointProperty","name":"x","value":"` + strings.Repeat("e", 20_000) + `"}]}`)
	kept := 0
	for _, p := range transfers {
		for _, value := range []string{secret, escaped} {
			k.asks("POST", "/transfers/"+p.own+"/start", starts(p, address(value)))
			k.asks("POST", "/transfers/"+p.own+"/suspension", starts(p, address(value)))
			k.asks("POST", "/transfers/"+p.own+"/start", strings.TrimSuffix(starts(p, address(value)), "}"))
			k.asks("POST", "/transfers/"+p.own+"/suspension", `{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"TransferSuspensionMessage","consumerPid":"`+p.consumer+`","providerPid":"`+p.provider+`"}`)
		}
		k.asks("POST", "/transfers/"+p.own+"/start", starts(p, bomb.String()))
		x, err := k.city.deals().Inspect(k.Context(), k.city.actor(), p.own)
		if err != nil {
			t.Fatal(err)
		}
		for i := range x.Messages {
			m := &x.Messages[i]
			kept++
			if text := string(m.Body) + m.Answer; strings.Contains(text, secret) || strings.Contains(text, escaped) || strings.Contains(m.Reason, secret) {
				t.Errorf("%s when %s as %s, %s, holds the secret: %.600s", m.Kind, p.state, p.side, m.State, text)
			} else if len(text) > 40_000 {
				t.Errorf("%s when %s as %s is kept as %d bytes", m.Kind, p.state, p.side, len(text))
			}
		}
	}
	if kept < 20 {
		t.Errorf("only %d letters were kept", kept)
	}
}

// TestEndIsTakenWhateverItsReason: an end is an end, however long its reasons are
// and wherever they are cut.
func TestEndIsTakenWhateverItsReason(t *testing.T) {
	k, _ := knocks(t)
	negotiations, transfers := k.processes()
	for i, p := range []process{negotiations[0], negotiations[8], transfers[1], transfers[6]} {
		path, kind := "/negotiations/", "ContractNegotiationTerminationMessage"
		if i > 1 {
			path, kind = "/transfers/", "TransferTerminationMessage"
		}
		body := fmt.Sprintf(`{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":%q,"consumerPid":%q,"providerPid":%q,"code":%q,"reason":[%q]}`, kind, p.consumer, p.provider, strings.Repeat("ß", 40_000), "x"+strings.Repeat("ä", 3000))
		if status, _, answer := k.asks("POST", path+p.own+"/termination", body); status != http.StatusOK {
			t.Errorf("%s %s as %s: %d %s", kind, p.state, p.side, status, answer)
		}
		if _, err := k.city.deals().Inspect(context.Background(), k.city.actor(), p.own); err != nil {
			t.Error(err)
		}
	}
}

// TestOrder: what transactions leave to do is done in their order, whoever is told
// first, and those that were undone hold up nobody.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrder()
		first, second, third := o.ticket(), o.ticket(), o.ticket()
		var done []uint64
		for _, n := range []uint64{third, second} {
			go o.run(n, func() { done = append(done, n) })
			synctest.Wait()
		}
		if len(done) != 0 {
			t.Errorf("%v was done before the first", done)
		}
		o.run(first, func() {})
		if !slices.Equal(done, []uint64{second, third}) {
			t.Errorf("done in the order %v", done)
		}
	})
}

// TestFlowClosesWithItsLastTransfer: the flow of an agreement is open while one of
// its transfers runs, however many end at once.
func TestFlowClosesWithItsLastTransfer(t *testing.T) {
	city, company := two(t)
	one, _ := started(t, city, company, transfer.Pull)
	x, err := company.deals().RequestTransfer(t.Context(), company.actor(), api.TransferOrder{Agreement: one.Agreement, Dataset: "shut"})
	if err != nil {
		t.Fatal(err)
	}
	x = company.untilTransfer(x.ID, "STARTED")
	other := city.untilTransfer(x.Pid, "STARTED")
	open := func(want bool) {
		t.Helper()
		c, err := city.node.line.course(one.Flow)
		if err != nil {
			t.Fatal(err)
		}
		flows, err := city.node.catalog.Flows(t.Context(), city.id)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(flows, func(f hansa.Flow) bool { return f.ID == one.Flow })
		if c.flow.Paused == want || flows[i].Paused == want {
			t.Errorf("the flow is closed in memory %t, in the tables %t; open should be %t", c.flow.Paused, flows[i].Paused, want)
		}
	}
	open(true)
	if _, err := city.deals().ActTransfer(t.Context(), city.actor(), other.ID, "suspend", api.ProcessAct{}); err != nil {
		t.Fatal(err)
	}
	open(true)
	company.untilTransfer(x.ID, "SUSPENDED")
	if _, err := city.deals().ActTransfer(t.Context(), city.actor(), other.ID, "resume", api.ProcessAct{}); err != nil {
		t.Fatal(err)
	}
	open(true)
	if _, err := city.deals().EndAgreement(t.Context(), city.actor(), one.Agreement, api.ProcessAct{}); err != nil {
		t.Fatal(err)
	}
	open(false)
}

// TestResumeThatIsNotPermitted: a consumer that resumes what may not be given any
// more hears why, and is not told that there is no such process.
func TestResumeThatIsNotPermitted(t *testing.T) {
	city, company := two(t)
	theirs, own := started(t, city, company, transfer.Pull)
	if _, err := city.deals().ActTransfer(t.Context(), city.actor(), theirs.ID, "suspend", api.ProcessAct{}); err != nil {
		t.Fatal(err)
	}
	company.untilTransfer(own.ID, "SUSPENDED")
	city.node.line.mu.Lock()
	city.node.line.datasets[city.id] = nil
	city.node.line.mu.Unlock()
	k := &knocker{T: t, city: city, token: "secret-of-the-company"}
	status, _, answer := k.asks("POST", "/transfers/"+theirs.ID+"/start", `{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"TransferStartMessage","consumerPid":"`+own.ID+`","providerPid":"`+theirs.ID+`"}`)
	if k.refused("resumption", status, answer, 400, "TransferError", own.ID, theirs.ID); !strings.Contains(string(answer), "not on offer any more") {
		t.Errorf("it is not told why: %s", answer)
	}
	city.untilTransfer(theirs.ID, "SUSPENDED")
}

// TestWithin: a page lies below the connector whose it is said to be.
func TestWithin(t *testing.T) {
	const base = "https://city.example/dsp/2025-1"
	for at, want := range map[string]bool{
		base: true, base + "/": true, base + "/catalog/request?page=x": true, base + "0/catalog": false,
		"https://city.example": false, "https://city.example.evil.example/dsp/2025-1/x": false, "https://city.example@evil.example/dsp/2025-1/x": false,
		"http://city.example/dsp/2025-1/x": false, "https://city.example:8443/dsp/2025-1/x": false, "://": false,
	} {
		if got := within(base, at); got != want {
			t.Errorf("%s: %t", at, got)
		}
	}
	if within("https://city.example", "https://city.example.evil.example/x") || within("https://city.example", "https://city.example@evil.example/") {
		t.Error("another host is within")
	}
}

// TestIdle: a provider that answers at once and brings nothing is not asked again at
// once; one that has more is, and so is one that let this node wait.
func TestIdle(t *testing.T) {
	for _, c := range []struct {
		brought    bool
		took, want time.Duration
	}{{false, 0, fetchLeast}, {false, 10 * time.Millisecond, fetchLeast - 10*time.Millisecond}, {false, fetchWait, 0}, {true, 0, 0}, {false, -time.Hour, fetchLeast}} {
		if got := idle(c.brought, c.took); got != c.want {
			t.Errorf("brought %t, took %s: idle for %s, want %s", c.brought, c.took, got, c.want)
		}
	}
}

// TestPidsOfOthersAsTheyCome: whatever another connector calls a process, and wherever
// it receives, a message gets there; and a pid that was not known when the message was
// written is put where it belongs.
func TestPidsOfOthersAsTheyCome(t *testing.T) {
	came := make(chan string, 16)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && !strings.HasSuffix(r.URL.Path, "/catalog/request") { // the node visits its peers' catalogues by itself
			came <- r.URL.EscapedPath()
		}
		w.Header().Set("Content-Type", "application/json")
		var m struct {
			ConsumerPid string `json:"consumerPid"`
		}
		if json.UnmarshalRead(r.Body, &m) == nil && strings.HasSuffix(r.URL.Path, "/request") {
			fmt.Fprintf(w, `{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"ContractNegotiation","consumerPid":%q,"providerPid":"urn:x:a b?c=d","state":"REQUESTED"}`, m.ConsumerPid)
		}
	}))
	t.Cleanup(srv.Close)
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	city := &partner{t: t, name: "city", id: "did:web:city.example", dir: filepath.Join(t.TempDir(), "c"), url: "http://" + ln.Addr().String(), addr: ln.Addr().String(), hand: true}
	city.allow = []string{city.addr, srv.Listener.Addr().String()}
	city.start(ln)
	d := city.deals()
	city.meet(&partner{t: t, name: "odd", id: "did:web:odd.example", url: srv.URL + "//of/it"}, "secret-of-the-city")
	rules := []byte(`{"@id":"o","@type":"Offer","target":"d","permission":[{"action":"use"}]}`)
	n, err := d.Negotiate(t.Context(), city.actor(), api.NegotiationOrder{Peer: "odd", Offer: "o", Target: "d", Policy: rules})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ActNegotiation(t.Context(), city.actor(), n.ID, "terminate", api.ProcessAct{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"//of/it/dsp/2025-1/negotiations/request", "//of/it/dsp/2025-1/negotiations/urn:x:a%20b%3Fc=d/termination"} {
		if got := <-came; got != want {
			t.Errorf("it came to %s, want %s", got, want)
		}
	}
}

// TestPeerThatHangsUp: who hangs up instead of answering does not answer; nothing has
// failed here.
func TestPeerThatHangsUp(t *testing.T) {
	city, _ := two(t)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(srv.Close)
	if err := city.node.client.Reconfigure(outbound.Config{Allow: []string{srv.Listener.Addr().String()}}); err != nil {
		t.Fatal(err)
	}
	_, err := city.deals().Catalog(t.Context(), city.actor(), api.CatalogOrder{Peer: srv.URL})
	if hansa.KindOf(err) != hansa.Busy || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("got %v", err)
	}
}
