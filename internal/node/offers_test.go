package node

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// want sends a request, wants a status, and reads the answer into out.
func (w *town) want(t *testing.T, status int, method, path, secret, body string, out any) string {
	t.Helper()
	kind := ""
	if body != "" {
		kind = "application/json"
	}
	code, says := w.ask(t, method, path, "Bearer "+secret, kind, body)
	if code != status {
		t.Fatalf("%s %s: %d %s", method, path, code, says)
	}
	if out != nil {
		if err := json.Unmarshal([]byte(says), out); err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return says
}

// TestOfferByAPI: an offer is made, listed, seen by whom it is made to and by
// nobody else, withdrawn and still shown; each act stands in the journal.
func TestOfferByAPI(t *testing.T) {
	w := newTown(t)
	boss := w.manager(t)
	before := w.state(t)
	var o api.Offer
	w.want(t, http.StatusCreated, "POST", "/api/v1/offers", boss, `{"dataset":"closures","to":["one"],"automatic":true,"limit":120,"terms":{"purposes":["navigation"],"formats":["datex2"],"delay":30,"until":"2030-01-01T00:00:00Z"}}`, &o)
	if o.State != "standing" || o.Party != "city" || o.Dataset != "closures" || len(o.To) != 1 || o.To[0] != "did:web:one" || !o.Automatic || o.Limit != hansa.Duration(2*time.Minute) || len(o.Words) == 0 ||
		o.Terms == nil || o.Terms.Delay != hansa.Duration(30*time.Second) || len(o.Terms.Purposes) != 1 || o.Terms.Until.Year() != 2030 {
		t.Errorf("made: %+v", o)
	}
	var list api.OffersBody
	w.want(t, http.StatusOK, "GET", "/api/v1/offers", boss, "", &list)
	if len(list.Offers) != 1 || list.Offers[0].ID != o.ID {
		t.Errorf("listed: %+v", list)
	}
	see := func(secret, want string) {
		t.Helper()
		var k api.KnownBody
		w.want(t, http.StatusOK, "GET", "/api/v1/catalogue?q=closures", secret, "", &k)
		var got []string
		for _, d := range k.Datasets {
			got = append(got, d.Title)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("sees %q, want %q", got, want)
		}
	}
	see(w.one, "closures")
	see(w.two, "")
	w.want(t, http.StatusNotFound, "GET", "/api/v1/offers/"+o.ID, w.one, "", nil)
	w.want(t, http.StatusForbidden, "POST", "/api/v1/offers/"+o.ID+"/withdraw", w.one, "", nil)
	w.want(t, http.StatusOK, "POST", "/api/v1/offers/"+o.ID+"/withdraw", boss, "", &o)
	w.want(t, http.StatusOK, "GET", "/api/v1/offers/"+o.ID, boss, "", &o)
	if o.State != "withdrawn" || o.Withdrawn.IsZero() {
		t.Errorf("withdrawn: %+v", o)
	}
	see(w.one, "")
	if after := w.state(t); after[1] != before[1]+2 {
		t.Errorf("the journal grew by %d entries, want 2", after[1]-before[1])
	}
}

// TestOfferRefused: what nobody could hold to is refused, and the place and the
// rule are named.
func TestOfferRefused(t *testing.T) {
	w := newTown(t)
	boss := w.manager(t)
	for body, field := range map[string]string{
		`{"dataset":"none","terms":{"purposes":["navigation"]}}`:                                                                                           "/dataset",
		`{"dataset":"closures","terms":{}}`:                                                                                                                "/terms/purposes",
		`{"dataset":"closures","terms":{"purposes":["navigation"],"formats":["fax"]}}`:                                                                     "/terms/formats",
		`{"dataset":"closures","to":["nobody"],"terms":{"purposes":["navigation"]}}`:                                                                       "/to",
		`{"dataset":"closures","limit":1e6,"terms":{"purposes":["navigation"]}}`:                                                                           "/limit",
		`{"dataset":"closures","policy":{"permission":[{"action":"sell"}]}}`:                                                                               "/policy/permission/0/action",
		`{"dataset":"closures","policy":{"permission":[{"action":"use"}]},"terms":{"purposes":["navigation"]}}`:                                            "/policy",
		`{"dataset":"closures","policy":{"permission":[{"action":"use"}],"obligation":[{"action":"use"}]}}`:                                                "/policy/obligation/0",
		`{"dataset":"closures","policy":{"target":"x","permission":[{"action":"use"}]}}`:                                                                   "/policy/target",
		`{"dataset":"closures","policy":{"permission":[{"action":"use","constraint":[{"leftOperand":"weather","operator":"eq","rightOperand":"rain"}]}]}}`: "/policy/permission/0/constraint/0/leftOperand",
	} {
		code, says := w.ask(t, "POST", "/api/v1/offers", "Bearer "+boss, "application/json", body)
		var e api.ErrorDocument
		if err := json.Unmarshal([]byte(says), &e); err != nil || code < 400 || code > 499 || e.Error.Field != field {
			t.Errorf("%s: %d %s, want the field %s", body, code, says, field)
		}
	}
}

// TestPublicCatalogue: what is offered to everybody can be read by anybody, in both
// forms, of the own party and of others; the rest cannot, and it is up to date.
func TestPublicCatalogue(t *testing.T) {
	w := newTown(t)
	boss := w.manager(t)
	get := func(path string) (int, string) { t.Helper(); return w.ask(t, "GET", path, "", "", "") }
	if code, says := get("/catalogue.ttl"); code != http.StatusOK || strings.Contains(says, "dcat:dataset") || !strings.Contains(says, "a dcat:Catalog") {
		t.Errorf("with nothing on offer: %d %s", code, says)
	}
	w.want(t, http.StatusOK, "POST", "/api/v1/datasets", boss, `{"name":"closures","title":{"en":"Road closures"},"coverage":"NL329","highValue":"mobility","contact":"data@city.example","themes":["road-events-and-conditions"],"licence":"CC-BY-4.0","update":60}`, nil)
	w.want(t, http.StatusOK, "POST", "/api/v1/datasets", boss, `{"name":"hidden","title":{"en":"For few"}}`, nil)
	w.want(t, http.StatusCreated, "POST", "/api/v1/offers", boss, `{"dataset":"hidden","to":["one"],"terms":{"purposes":["navigation"]}}`, nil)
	w.want(t, http.StatusCreated, "POST", "/api/v1/offers", boss, `{"dataset":"closures","terms":{"purposes":["navigation"],"formats":["datex2"]}}`, nil)
	for _, at := range []string{"", "/parties/city"} {
		code, says := get(at + "/catalogue.ttl")
		for _, want := range []string{`dct:title "Road closures"@en`, "nuts/code/NL329>", "mobility-data-standard/datex-II>", "frequency/1MIN>", "c_b79e35eb>", "/dsp/2025-1>"} {
			if code != http.StatusOK || !strings.Contains(says, want) {
				t.Errorf("%s lacks %s: %d %s", at, want, code, says)
			}
		}
		if strings.Contains(says, "For few") {
			t.Error("what is for few is told to everybody")
		}
		code, says = get(at + "/catalogue.jsonld")
		var doc map[string]any
		if err := json.Unmarshal([]byte(says), &doc); code != http.StatusOK || err != nil || doc["@graph"] == nil {
			t.Errorf("%s.jsonld: %d %v", at, code, err)
		}
	}
	if code, says := get("/parties/one/catalogue.ttl"); code != http.StatusOK || strings.Contains(says, "Road closures") {
		t.Errorf("the catalogue of another: %d %s", code, says)
	}
	if code, _ := get("/parties/nobody/catalogue.ttl"); code != http.StatusNotFound {
		t.Errorf("the catalogue of nobody: %d", code)
	}
}

// TestCrawl: the catalogues of peers are kept in the name of each party, found by
// its search alone, and dropped with the peer.
func TestCrawl(t *testing.T) {
	w := newTown(t)
	var asked []string
	peer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.RequestURI())
		second := r.URL.Query().Get("page") == "2"
		etag := map[bool]string{false: `"one"`, true: `"two"`}[second]
		if !second {
			rw.Header().Add("Link", `</dsp/catalog/request?page=1>; rel="previous", </dsp/catalog/request?page=2>; rel="next"`)
		}
		rw.Header().Set("ETag", etag)
		switch {
		case r.Header.Get("Authorization") != "Bearer secret-of-the-peer":
			rw.WriteHeader(http.StatusNotFound)
			_, _ = rw.Write([]byte(`{"@type":"CatalogError","reason":["who are you"]}`))
		case r.Header.Get("If-None-Match") == etag:
			rw.WriteHeader(http.StatusNotModified)
		case second && r.Method == http.MethodGet:
			rw.WriteHeader(http.StatusMethodNotAllowed)
		case second:
			_, _ = rw.Write([]byte(`{"@type":"Catalog","participantId":"did:web:peer","dataset":[{"@id":"far-2","dct:title":"Ferry times"}]}`))
		default:
			_, _ = rw.Write([]byte(`{"@type":"Catalog","participantId":"did:web:peer","dataset":[{"@id":"far-1","dct:title":"Bridge openings"}]}`))
		}
	}))
	defer peer.Close()
	if err := w.client.Reconfigure(allowing(peer.URL)); err != nil {
		t.Fatal(err)
	}
	keep := func(secret string) {
		t.Helper()
		if err := w.trust.Change(t.Context(), func(tx hansa.Tx) error {
			_, err := w.trust.AddPeer(tx, trust.Peer{Owner: "did:web:one", ID: "did:web:peer", Name: "peer", Title: "Peer", Address: peer.URL + "/dsp/", Mode: trust.PeerToken, Secret: trust.NewSecret(secret)})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	keep("secret-of-the-peer")
	c := &crawler{n: w.Node, holder: "x", due: map[catalog.Elsewhere]time.Time{}, who: trust.Tokens{Registry: w.trust}}
	visit := func() {
		t.Helper()
		clear(c.due)
		if err := c.round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	visit()
	see := func(secret, q string) (k api.KnownBody) {
		t.Helper()
		w.want(t, http.StatusOK, "GET", "/api/v1/catalogue?q="+url.QueryEscape(q), secret, "", &k)
		return k
	}
	k := see(w.one, "")
	if len(k.Datasets) != 2 || k.Datasets[0].ID != "far-1" || k.Datasets[1].Title != "Ferry times" || k.Datasets[1].At != peer.URL+"/dsp" || len(k.Catalogues) != 1 || k.Catalogues[0].Datasets != 2 || k.Catalogues[0].Reason != "" {
		t.Errorf("known: %+v", k)
	}
	if k := see(w.one, "ferry"); len(k.Datasets) != 1 {
		t.Errorf("ferries: %+v", k)
	}
	if k := see(w.two, ""); len(k.Datasets) != 0 || len(k.Catalogues) != 0 {
		t.Errorf("another party knows %+v", k)
	}
	first := len(asked)
	visit()
	if got := strings.Join(asked[first:], ", "); got != "POST /dsp/catalog/request, GET /dsp/catalog/request?page=2" {
		t.Errorf("the second visit asked %s", got)
	}
	drop := func() {
		t.Helper()
		if err := w.trust.Change(t.Context(), func(tx hansa.Tx) error { return w.trust.RemovePeer(tx, "did:web:one", "did:web:peer") }); err != nil {
			t.Fatal(err)
		}
	}
	drop()
	visit()
	if k := see(w.one, ""); len(k.Datasets) != 0 {
		t.Errorf("the peer is gone and known: %+v", k)
	}
	keep("another-secret")
	visit()
	if k := see(w.one, ""); len(k.Datasets) != 0 || len(k.Catalogues) != 1 || !strings.Contains(k.Catalogues[0].Reason, "who are you") || !k.Catalogues[0].Good.IsZero() {
		t.Errorf("refused by the peer: %+v", k)
	}
}

// TestCrawlBetweenNodes: what one node offers, the other finds by the protocol
// alone; a second visit is told that nothing changed; and what is withdrawn goes.
func TestCrawlBetweenNodes(t *testing.T) {
	city, company := two(t)
	err := company.node.db.Write(t.Context(), func(tx hansa.Tx) error { // the node's own visits do not come between
		_, err := tx.Exec(`INSERT INTO store_lease (name, holder, fence, until) VALUES ('catalogues', 'test', 1, ?)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until`, time.Now().Add(time.Hour).UnixMilli())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	company.again()
	boss := hansa.Actor{Party: city.id, Rights: []hansa.Right{hansa.RightAdmin}}
	made, err := shelf{city.node}.Offer(t.Context(), boss, api.OfferOrder{Dataset: "closures", To: []string{string(company.id)}, Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}}})
	if err != nil {
		t.Fatal(err)
	}
	c := &crawler{n: company.node, holder: "x", due: map[catalog.Elsewhere]time.Time{}, who: company.node.deal.identity}
	list, err := c.list(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("kept catalogues: %v %v", list, err)
	}
	visit := func() catalog.Crawled {
		t.Helper()
		out, err := company.node.catalog.Crawl(t.Context(), list[0], c.fetch, company.node.wall())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	visit()
	known := func() []api.KnownDataset {
		t.Helper()
		k, err := shelf{company.node}.Known(t.Context(), hansa.Actor{Party: company.id}, api.KnownQuery{Words: "road-events", Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(k.Datasets, func(d api.KnownDataset) bool { return d.Own })
	}
	if k := known(); len(k) != 1 || k[0].ID != string(made.DatasetID) || k[0].Party != city.id || len(k[0].Offers) != 1 || !strings.Contains(string(k[0].Offers[0]), made.ID) {
		t.Errorf("known: %+v", k)
	}
	if out := visit(); out.Unchanged != 1 || out.Pages != 1 {
		t.Errorf("the second visit: %+v", out)
	}
	if _, err := (shelf{city.node}).WithdrawOffer(t.Context(), boss, made.ID); err != nil {
		t.Fatal(err)
	}
	visit()
	if k := known(); len(k) != 0 {
		t.Errorf("withdrawn and known: %+v", k)
	}
}

// TestNextPage: the link to the next page is found among others, and followed
// nowhere but where the catalogue lies.
func TestNextPage(t *testing.T) {
	const base = "https://peer.example/dsp"
	for link, want := range map[string]string{
		`<https://peer.example/dsp/x?p=2>; rel="next"`: "https://peer.example/dsp/x?p=2",
		`</y>; rel=next`:                        "https://peer.example/y",
		`<?p=3>; title="a, b"; rel="last next"`: base + "/catalog/request?p=3",
		`<https://peer.example/a>; rel="previous", </b>; REL="next"; x=y`: "https://peer.example/b",
		`<https://peer.example/a>; rel="previous"`:                        "",
		`nonsense`: "",
		`<`:        "",
	} {
		got, err := nextPage(http.Header{"Link": {link}}, base+"/catalog/request", base)
		if err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", link, got, err, want)
		}
	}
	for _, link := range []string{`<https://evil.example/x>; rel="next"`, `<http://peer.example/x>; rel="next"`, `<//evil.example/>; rel="next"`} {
		if got, err := nextPage(http.Header{"Link": {link}}, base+"/catalog/request", base); err == nil {
			t.Errorf("%s leads to %q", link, got)
		}
	}
}

// allowing lets a server on this machine be called.
func allowing(at string) outbound.Config {
	return outbound.Config{Allow: []string{strings.TrimPrefix(at, "http://")}}
}
