package node

import (
	"net/url"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// desk signs somebody of a partner in.
func (p *partner) desk(name string, roles ...hansa.UserRole) *browser {
	p.t.Helper()
	b, _ := (&town{Node: p.node}).come(p.t, p.name, name, roles...)
	return b
}

// process is the own negotiation that another side's is about.
func (p *partner) process() api.Negotiation {
	p.t.Helper()
	list, err := p.deals().Negotiations(p.t.Context(), p.actor(), api.ProcessQuery{Limit: 1})
	if err != nil || len(list) != 1 {
		p.t.Fatal(err, list)
	}
	return list[0]
}

// TestDealByForm is the whole way by forms alone, at both nodes: an offer, a request
// that waits for a person, other terms, a yes, data, suspension, and the end.
func TestDealByForm(t *testing.T) {
	city, company := two(t)
	city.publish("one")
	boss, nav := city.desk("boss", hansa.RoleAdministrator), company.desk("engineer", hansa.RoleEngineer)

	boss.want("GET", "/datasets/closures", nil, 200, "It is on offer to nobody")
	boss.want("POST", "/datasets/closures/offers", url.Values{"purposes": {"navigation, research"}, "to": {"nobody"}}, 422, `id="to"`, `aria-invalid="true"`, "navigation, research")
	boss.want("POST", "/datasets/closures/offers", url.Values{"purposes": {"navigation"}, "format": {"no-such"}}, 422, "no format")
	boss.want("POST", "/datasets/closures/offers", url.Values{"purposes": {"navigation"}, "until": {"2020-01-01T10:00"}}, 422, "a time to come", `value="2020-01-01T10:00"`)
	boss.want("POST", "/datasets/closures/offers", url.Values{"purposes": {"navigation, research"}, "format": {"record", "geojson"}, "to": {"nav"}, "until": {"2099-01-01T10:00"}}, 303, "done=offered")
	boss.want("GET", "/datasets/closures", nil, 200, "the purpose is navigation or research", "each request waits for a person of yours", "To nav")

	nav.want("GET", "/settings/peers", nil, 200, "did:web:city.example", "by a token")
	nav.want("POST", "/catalogue", url.Values{}, 303, "done=looked")
	page := nav.want("GET", "/catalogue?q=closures", nil, 200, "A person of its owner says yes.", "Ask for it…", "Where was looked")
	nav.want("GET", "/catalogue?q=nowhere", nil, 200, "Nothing says that of itself")
	ask := strings.ReplaceAll(between(t, page, `href="/catalogue/request?`, `"`), "&amp;", "&")
	nav.want("GET", "/catalogue/request?"+ask, nil, 200, "Nothing binds before", `value="HttpData-PULL" checked`, `value="research"`)
	form, err := url.ParseQuery(ask)
	if err != nil {
		t.Fatal(err)
	}
	form.Set("purpose", "navigation")
	form.Set("dataset", "Not A Name")
	form.Set("way", "HttpData-PULL")
	nav.want("POST", "/catalogue/request", form, 422, `value="Not A Name"`, `aria-invalid="true"`)
	form.Set("dataset", "shut")
	at := between(t, nav.want("POST", "/catalogue/request", form, 303, "/requests/", "done=asked"), "→ ", "?")
	mine := strings.TrimPrefix(at, "/requests/")

	company.until(mine, func(n api.Negotiation) bool { return n.Turn == "other" && n.Pid != "" })
	theirs := city.process().ID
	nav.want("GET", "/requests", nil, 200, "Nothing waits for you", "Under way", "You ask city for closures")
	boss.want("GET", "/live", nil, 200, "nav waits for an answer")
	boss.want("GET", "/requests", nil, 200, "Waiting for you", "nav asks for closures", "for navigation")
	viewer := city.desk("viewer", hansa.RoleViewer)
	if page := viewer.want("GET", "/requests/"+theirs, nil, 200, "It waits for a person of yours"); strings.Contains(page, `method="post" action="/requests`) {
		t.Error("who may not answer is shown how")
	}
	viewer.want("POST", "/requests/"+theirs+"/agree", url.Values{}, 403)
	if page := viewer.want("GET", "/live", nil, 200); strings.Contains(page, "waits for an answer") {
		t.Error("who cannot answer is alarmed")
	}

	here := "/requests/" + theirs
	boss.want("GET", here, nil, 200, "Where it differs", "navigation, research", "This binds your organisation", "asked for it", `data-stream="`+here+`/stream"`)
	boss.want("POST", here+"/terminate", url.Values{"reason": {" "}}, 422, "Say why", `aria-invalid="true"`)
	boss.want("POST", here+"/offer", url.Values{"purposes": {"navigation"}, "format": {"record"}, "until": {"2098-01-01T10:00"}}, 303, "done=offer")
	company.until(mine, func(n api.Negotiation) bool { return n.Waits != "" })
	nav.want("GET", at, nil, 200, "city offers you closures", "Where it differs", "You asked for", "record, geojson", "Accept the offer", "Accept the offer, ask for something else")
	nav.want("POST", at+"/request", url.Values{"by": {"policy"}, "policy": {`{"nonsense"`}}, 400, `aria-invalid="true"`, "nonsense")
	nav.want("POST", at+"/accept", url.Values{}, 303, "done=accept")
	done := company.until(mine, func(n api.Negotiation) bool { return n.State == "FINALIZED" })
	city.until(theirs, func(n api.Negotiation) bool { return n.State == "FINALIZED" })
	nav.want("GET", at, nil, 200, "In force", "/agreements/"+done.Agreement)
	nav.want("POST", at+"/accept", url.Values{}, 409)

	moves, err := company.deals().Transfers(t.Context(), company.actor(), api.ProcessQuery{})
	if err != nil || len(moves) != 1 {
		t.Fatal(moves, err)
	}
	company.untilTransfer(moves[0].ID, "STARTED")
	company.has("shut", "one")
	contract := "/agreements/" + done.Agreement
	nav.want("GET", "/agreements", nil, 200, contract, "You take", "1 transfer running")
	nav.want("GET", contract, nil, 200, "Running", "Take its data", "SHA-256 of its policy", "/processes/"+moves[0].ID)
	boss.want("GET", contract, nil, 200, "You give it to nav.", "They fetch it")
	nav.want("POST", "/transfers/"+moves[0].ID+"/suspend", url.Values{"reason": {"a drill until noon"}}, 303, contract+"?done=suspend")
	company.untilTransfer(moves[0].ID, "SUSPENDED")
	given, err := city.deals().Transfers(t.Context(), city.actor(), api.ProcessQuery{})
	if err != nil || len(given) != 1 {
		t.Fatal(given, err)
	}
	city.untilTransfer(given[0].ID, "SUSPENDED")
	boss.want("GET", contract, nil, 200, "Suspended", "a drill until noon", "Resume")
	boss.want("POST", "/transfers/"+given[0].ID+"/resume", url.Values{}, 303)
	company.untilTransfer(moves[0].ID, "STARTED")
	nav.want("POST", "/transfers/"+moves[0].ID+"/end", url.Values{}, 422, "Say why")
	nav.want("POST", "/transfers/"+moves[0].ID+"/end", url.Values{"reason": {"we have enough"}}, 303)
	city.untilTransfer(given[0].ID, "TERMINATED")
	boss.want("GET", contract, nil, 200, "we have enough")
	nav.want("POST", contract+"/transfers", url.Values{"way": {"HttpData-SSE"}, "purpose": {"navigation"}, "dataset": {"shut"}}, 303, "done=take")
	nav.want("GET", "/processes/"+moves[0].ID, nil, 200, "transfer/start", "DataAddress", "leads to")
	nav.want("GET", "/processes/"+mine, nil, 200, "negotiation/agree", "ContractAgreementMessage", "took")
	boss.want("POST", contract+"/end", url.Values{"reason": {"the project is over"}}, 303, "done=ended")
	boss.want("GET", contract, nil, 200, "Ended")
	boss.want("POST", contract+"/end", url.Values{"reason": {"again"}}, 409)
}

// TestDealIsOnesOwn: another party of the node meets nothing of what two agree, and
// cannot act on it; what it is told is what it is told of nothing.
func TestDealIsOnesOwn(t *testing.T) {
	city, company := two(t)
	city.offer("offer-1", false, "navigation")
	if err := city.node.Apply(t.Context(), &Setup{Parties: []hansa.Party{{ID: "did:web:third.example", Name: "third", Title: "Third", Kind: hansa.Company, Hosted: true}}}); err != nil {
		t.Fatal(err)
	}
	n, err := company.deals().Negotiate(t.Context(), company.actor(), api.NegotiationOrder{Peer: "city", Offer: "offer-1", Purpose: "navigation", Dataset: "shut"})
	if err != nil {
		t.Fatal(err)
	}
	company.until(n.ID, func(n api.Negotiation) bool { return n.Pid != "" })
	theirs := city.process().ID
	third, _ := (&town{Node: city.node}).come(t, "third", "engineer", hansa.RoleEngineer)
	for _, p := range [][2]string{
		{"GET", "/requests/%s"},
		{"GET", "/requests/%s.json"},
		{"GET", "/processes/%s"},
		{"GET", "/requests/%s/stream"},
		{"GET", "/processes/%s/stream"},
		{"POST", "/requests/%s/agree"},
		{"POST", "/requests/%s/terminate"},
		{"POST", "/requests/%s/retry"},
		{"POST", "/transfers/%s/suspend"},
		{"GET", "/agreements/%s"},
		{"POST", "/agreements/%s/end"},
		{"POST", "/agreements/%s/transfers"},
	} {
		form := url.Values{"reason": {"x"}}
		if p[0] == "GET" {
			form = nil
		}
		foreign, never := third.send(p[0], strings.Replace(p[1], "%s", theirs, 1), form), third.send(p[0], strings.Replace(p[1], "%s", hansa.NewID(city.node.wall()), 1), form)
		if foreign.Code != 404 || never.Code != 404 {
			t.Errorf("%s %s: %d for a foreign one, %d for none", p[0], p[1], foreign.Code, never.Code)
		}
	}
	third.want("POST", "/datasets/closures/offers/offer-1/withdraw", url.Values{}, 404)
	third.want("POST", "/settings/peers/nav/remove", url.Values{}, 404)
	for _, path := range []string{"/requests", "/agreements", "/settings/peers"} {
		if page := third.want("GET", path, nil, 200); strings.Contains(page, theirs) || strings.Contains(page, "did:web:nav.example") {
			t.Errorf("%s shows what is another's", path)
		}
	}
	if city.process().State != "REQUESTED" {
		t.Errorf("it is %s", city.process().State)
	}
}

// TestDealThatHangs: a message that the other side refuses is told on the request, on
// the situation and in the inspector, with what to do, and is sent again by a press.
func TestDealThatHangs(t *testing.T) {
	city, company := two(t)
	city.offer("offer-1", false, "navigation")
	n, err := company.deals().Negotiate(t.Context(), company.actor(), api.NegotiationOrder{Peer: "city", Offer: "offer-1", Purpose: "navigation", Dataset: "shut"})
	if err != nil {
		t.Fatal(err)
	}
	company.until(n.ID, func(n api.Negotiation) bool { return n.Pid != "" })
	theirs := city.process().ID
	boss := city.desk("boss", hansa.RoleAdministrator)
	stand := func(state negotiation.State) {
		t.Helper()
		err := company.node.db.Write(t.Context(), func(tx hansa.Tx) error {
			x, err := company.node.deal.negotiations.Get(tx, company.id, n.ID)
			if err == nil {
				x.State, x.Base = state, state
				err = company.node.deal.negotiations.Put(tx, x, company.node.wall())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	stand(negotiation.Terminated) // the company has lost what it knew
	boss.want("POST", "/requests/"+theirs+"/agree", url.Values{}, 303)
	city.until(theirs, func(n api.Negotiation) bool { return n.Parked != "" })
	boss.want("GET", "/requests/"+theirs, nil, 200, "A message does not arrive.", "Try again now")
	boss.want("GET", "/requests", nil, 200, "Waiting for you", "A message does not arrive")
	boss.want("GET", "/live", nil, 200, "1 message to nav does not arrive.", "/processes/"+theirs)
	page := boss.want("GET", "/processes/"+theirs, nil, 200, `class="letter stuck"`, "It is marked below", "Stuck")
	if strings.Index(page, "negotiation/request") > strings.Index(page, "negotiation/agree") {
		t.Error("the messages are not in their order")
	}
	var doc room.Process
	boss.doc("/processes/"+theirs+".json", &doc)
	if len(doc.Messages) != 2 || doc.Messages[1].State != "parked" || doc.Request == nil || doc.Request.Parked == "" {
		t.Errorf("as JSON: %+v", doc)
	}
	stand(negotiation.Requested)
	boss.want("POST", "/requests/"+theirs+"/retry", url.Values{}, 303, "done=retry")
	city.until(theirs, func(n api.Negotiation) bool { return n.State == "FINALIZED" })
	boss.want("POST", "/requests/"+theirs+"/retry", url.Values{}, 409, "has arrived")
	if page := boss.want("GET", "/live", nil, 200); strings.Contains(page, "does not arrive") {
		t.Error("the alarm stays when its cause is gone")
	}
}

// TestPeersAndKeysByForm: a peer is added with a token that is shown once, and
// removed; a key is replaced.
func TestPeersAndKeysByForm(t *testing.T) {
	city, _ := two(t)
	boss := city.desk("boss", hansa.RoleAdministrator)
	boss.want("POST", "/settings/peers", url.Values{"name": {"No Good"}, "id": {"x"}, "mode": {"token"}}, 422, `value="No Good"`, `aria-invalid="true"`)
	boss.want("POST", "/settings/peers", url.Values{"name": {"nav"}, "id": {"did:web:other.example"}, "mode": {"token"}}, 409, "already")
	page := boss.want("POST", "/settings/peers", url.Values{"name": {"edc"}, "title": {"An EDC"}, "id": {"edc-provider"}, "mode": {"token"}, "token": {"what-they-gave-us"}, "issue": {"1"}}, 200, "The token for An EDC, shown this once")
	token := between(t, page, `<code class="secret">`, "</code>")
	for _, path := range []string{"/settings/peers", "/settings/peers.json"} {
		if page := boss.want("GET", path, nil, 200, "edc-provider"); strings.Contains(page, token) || strings.Contains(page, "what-they-gave-us") {
			t.Errorf("%s shows a token", path)
		}
	}
	boss.want("POST", "/settings/peers/edc/remove", url.Values{}, 303)
	if page := boss.want("GET", "/settings/peers", nil, 200); strings.Contains(page, "edc-provider") {
		t.Error("the peer stays")
	}
	boss.want("GET", "/settings/keys", nil, 200, "the first is made when it is needed")
	if _, err := city.node.trust.SigningKey(t.Context(), city.id, trust.UseMessage); err != nil {
		t.Fatal(err)
	}
	keys, err := (keyring{city.node}).Keys(t.Context(), city.actor(), "")
	if err != nil {
		t.Fatal(err)
	}
	var kid string
	for _, k := range keys.Keys {
		if k.Use == "message" {
			kid = k.KID
		}
	}
	boss.want("GET", "/settings/keys", nil, 200, kid, keys.DID, "Rotate")
	boss.want("POST", "/settings/keys/"+url.PathEscape(kid)+"/rotate", url.Values{}, 303)
	boss.want("GET", "/settings/keys?done=rotate", nil, 200, "To come", "There is a new key")
	boss.want("POST", "/settings/keys/none/rotate", url.Values{}, 404)
	city.desk("viewer", hansa.RoleViewer).want("GET", "/settings/keys", nil, 403)
}

// TestDealsHostile: what another participant calls itself, asks and says stands on the
// pages as text.
func TestDealsHostile(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>` + "\u202e"
	city, company := two(t)
	city.offer("offer-1", false, "navigation")
	n, err := company.deals().Negotiate(t.Context(), company.actor(), api.NegotiationOrder{Peer: "city", Offer: "offer-1", Dataset: "shut", Policy: []byte(`{"@type":"Offer","@id":"offer-1","permission":[{"action":"use","constraint":[{"leftOperand":"purpose","operator":"isAnyOf","rightOperand":["navigation","<script>alert(1)</script>"]}]}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	company.until(n.ID, func(n api.Negotiation) bool { return n.Pid != "" })
	theirs := city.process()
	if _, err := company.deals().ActNegotiation(t.Context(), company.actor(), n.ID, "terminate", api.ProcessAct{Code: evil, Reason: []string{evil}}); err == nil {
		city.until(theirs.ID, func(n api.Negotiation) bool { return n.State == "TERMINATED" })
	}
	if err := city.node.trust.Change(t.Context(), func(tx hansa.Tx) error {
		p, err := city.node.trust.PeerByID(t.Context(), city.id, company.id)
		p.Title = `<script>alert(1)</script>`
		if err == nil {
			_, err = city.node.trust.ChangePeer(tx, p)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := city.node.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	boss := city.desk("boss", hansa.RoleAdministrator)
	for _, path := range []string{"/requests", "/requests/" + theirs.ID, "/processes/" + theirs.ID, "/agreements", "/catalogue?q=" + url.QueryEscape(evil), "/settings/peers", "/datasets/closures", "/live", "/requests/" + url.PathEscape(evil), "/processes/" + url.PathEscape(evil), "/catalogue/request?peer=" + url.QueryEscape(evil)} {
		res := boss.send("GET", path, nil)
		inertOn(t, path, res.Body.String())
	}
	boss.want("GET", "/requests/"+theirs.ID, nil, 200, "&lt;script&gt;alert(1)")
}
