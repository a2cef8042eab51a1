package node

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// Who is met by an address alone is kept when its DID leads to the same host; a
// name that is only said is not believed, and nothing is kept of who said it.
func TestDealMeets(t *testing.T) {
	id, versions, asked := "", `{"protocolVersions":[{"version":"2025-1","path":"/dsp","serviceId":"ID"}]}`, 0
	var mu sync.Mutex // guards the three: the node visits catalogues by itself
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch r.URL.Path {
		case "/edc/.well-known/dspace-version":
			_, _ = w.Write([]byte(strings.ReplaceAll(versions, "ID", id)))
		case "/edc/dsp/catalog/request":
			asked++
			_, _ = w.Write([]byte(`{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@id":"c","@type":"Catalog","participantId":"x","dct:title":{"@value":"Harbour\u0007 of Aarhaven"}}`))
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	city, _ := two(t, host)
	for name, is := range map[string]struct{ id, versions, at, says string }{
		"another's name":  {id: "did:web:city.elsewhere", at: srv.URL + "/edc", says: "its own host"},
		"no DID":          {id: "PILOT_7", at: srv.URL + "/edc", says: "its own host"},
		"another edition": {id: "did:web:x", versions: `{"protocolVersions":[{"version":"1999","path":"/"}]}`, at: srv.URL + "/edc", says: "does not speak edition"},
		"no connector":    {id: "did:web:x", at: srv.URL + "/else/where", says: "answered 404"},
		"no address":      {id: "did:web:x", at: "nobody", says: "no peer"},
		"a host not open": {id: "did:web:x", at: "http://127.0.0.1:1", says: ""},
	} {
		mu.Lock()
		keep := versions
		if id = is.id; is.versions != "" {
			versions = is.versions
		}
		mu.Unlock()
		_, err := city.deals().Catalog(t.Context(), city.actor(), api.CatalogOrder{Peer: is.at})
		mu.Lock()
		versions = keep
		mu.Unlock()
		if err == nil || !strings.Contains(err.Error(), is.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, is.says)
		}
	}
	mu.Lock()
	if asked != 0 {
		t.Errorf("a proof went out %d times to who only said a name", asked)
	}
	id = "did:web:" + strings.ReplaceAll(host, ":", "%3A")
	harbour := hansa.PartyID(id)
	mu.Unlock()
	for _, at := range []string{srv.URL + "/edc", srv.URL + "/edc/dsp", srv.URL + "/edc/dsp/", srv.URL + "/edc"} {
		got, err := city.deals().Catalog(t.Context(), city.actor(), api.CatalogOrder{Peer: at})
		if err != nil || got.Participant != harbour || got.Title != "Harbour of Aarhaven" {
			t.Errorf("%s: %+v, %v", at, got, err)
		}
	}
	list, err := city.node.trust.Peers(t.Context(), city.id)
	if err != nil || len(list) != 2 {
		t.Errorf("kept are %d peers, %v; want the company and the harbour", len(list), err)
	}
}

// A party reads what came into its own datasets, and nobody else does.
func TestOwnRecords(t *testing.T) {
	city, company := two(t)
	city.publish("one")
	s, set := serving{city.node}, hansa.DatasetID("closures")
	page, err := s.OwnRecords(t.Context(), city.actor(), set, "record", "", 10, 0)
	if err != nil || len(page.Events) != 1 || page.Events[0].Record != "one" {
		t.Fatalf("%+v, %v", page, err)
	}
	late, err := s.OwnRecords(t.Context(), city.actor(), set, "record", api.CursorEnd, 10, 0)
	if err != nil || len(late.Events) != 0 || late.Next != page.Next {
		t.Errorf("from the end: %+v, %v; want nothing, and the cursor %s", late, err, page.Next)
	}
	got := make(chan api.Page, 1)
	go func() {
		p, _ := s.OwnRecords(t.Context(), city.actor(), set, "geojson", page.Next, 10, time.Minute)
		got <- p
	}()
	city.publish("two")
	if p := <-got; len(p.Events) != 1 || p.Events[0].Record != "two" || !strings.Contains(p.Events[0].MediaType, "geo+json") {
		t.Errorf("who waited has %+v", p)
	}
	for name, by := range map[string]hansa.Actor{"another party": company.actor(), "a test credential": {Party: city.id, Rights: []hansa.Right{hansa.RightRead}, Test: true}} {
		if p, err := s.OwnRecords(t.Context(), by, set, "record", "", 10, 0); err == nil {
			t.Errorf("%s reads %+v", name, p)
		}
	}
	if _, err := s.OwnRecords(t.Context(), city.actor(), set, "nothing", "", 10, time.Minute); hansa.Public(err).Code != hansa.CodeFormat {
		t.Errorf("an unknown format: %v", err)
	}
}

// An offer is explained for one party as if it asked now.
func TestExplainOffer(t *testing.T) {
	city, company := two(t)
	city.offer("offer-1", false, "navigation")
	closures := hansa.DatasetID(named("dataset", string(city.id), "closures"))
	hidden := &catalog.Offer{ID: "offer-2", Party: city.id, Dataset: closures, To: []hansa.PartyID{"did:web:other.example"}, Policy: policy.FromTerms("offer-2", &hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}}), Made: time.Now()}
	if err := city.node.db.Write(t.Context(), func(tx hansa.Tx) error { return city.node.catalog.SaveOffer(tx, hidden) }); err != nil {
		t.Fatal(err)
	}
	for name, is := range map[string]struct {
		offer, party string
		purpose      hansa.Purpose
		allowed      []bool // catalogue, negotiation, transfer, use
		says         string
	}{
		"for what is agreed":  {offer: "offer-1", party: "nav", purpose: "navigation", allowed: []bool{true, true, true, true}, says: "navigation"},
		"for what it says":    {offer: "offer-1", party: string(company.id), allowed: []bool{true, true, true, true}, says: "navigation"},
		"for another purpose": {offer: "offer-1", party: "nav", purpose: "advertising", allowed: []bool{true, false, false, false}, says: "not agreed"},
		"who is nobody yet":   {offer: "offer-1", party: "did:web:new.example", purpose: "navigation", allowed: []bool{true, true, true, true}, says: "navigation"},
		"not made to it":      {offer: "offer-2", party: "nav", purpose: "navigation", allowed: []bool{false, false, false, false}, says: "made to others"},
	} {
		got, err := city.deals().ExplainOffer(t.Context(), city.actor(), is.offer, is.party, is.purpose)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var allowed []bool
		for _, s := range got.Scopes {
			allowed = append(allowed, s.Allowed)
		}
		if !slices.Equal(allowed, is.allowed) || !strings.Contains(strings.Join(got.Scopes[1].Why, " "), is.says) {
			t.Errorf("%s: %+v, want %v and a reason that says %q", name, got.Scopes, is.allowed, is.says)
		}
	}
	if err := city.node.db.Write(t.Context(), func(tx hansa.Tx) error {
		return city.node.catalog.WithdrawOffer(tx, city.id, "offer-1", time.Now())
	}); err != nil {
		t.Fatal(err)
	}
	if got, err := city.deals().ExplainOffer(t.Context(), city.actor(), "offer-1", "nav", ""); err != nil || got.Scopes[0].Allowed || !strings.Contains(got.Scopes[0].Why[0], "withdrawn") {
		t.Errorf("withdrawn: %+v, %v", got, err)
	}
	for _, is := range [][2]string{{"offer-3", "nav"}, {"offer-1", "nobody"}} {
		if _, err := city.deals().ExplainOffer(t.Context(), city.actor(), is[0], is[1], ""); hansa.KindOf(err) != hansa.NotFound {
			t.Errorf("%v: %v, want that it is not found", is, err)
		}
	}
	if _, err := city.deals().ExplainOffer(t.Context(), company.actor(), "offer-1", "nav", ""); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("another party is told: %v", err)
	}
}
