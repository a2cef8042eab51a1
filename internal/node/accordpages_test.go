package node

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// parley is a city and companies on one node that have come to accords of each kind.
type parley struct {
	city, nav, way *partner
	// by id: a partnership in force with a version proposed beside it, one that waits for
	// the city, a draft, a pool, and one that is over.
	force, waits, draft, pool, over hansa.AccordID
}

// parleys makes the accords of a town.
func parleys(t *testing.T, w *town) *parley {
	t.Helper()
	x := &parley{city: &partner{t: t, name: "city", id: w.own, node: w.Node}}
	x.nav, x.way = x.city.hosts("navika"), x.city.hosts("wayfare")
	x.city.id = w.own
	named := func(p *partner) *partner { // as texts call it
		return &partner{t: t, name: p.name, id: hansa.PartyID(w.did(w.party(p.id))), node: p.node}
	}
	city, nav, way := named(x.city), named(x.nav), named(x.way)
	text := func(model hansa.Model, to func(i int) hansa.PartyID, all ...*partner) *accord.Text {
		d := drafted(t, model, to, all...)
		for i := range d.Parties {
			if d.Parties[i].ID != city.id {
				d.Parties[i].Kind = hansa.Company
			}
		}
		d.Summary = accord.Words{"en": "The city tells which roads are shut; the company tells what it did with it."}
		return d
	}
	two := func() *accord.Text {
		return text(hansa.ModelPartnership, func(i int) hansa.PartyID { return []hansa.PartyID{nav.id, city.id}[i] }, city, nav)
	}
	open := func(by *partner, d *accord.Text) hansa.AccordID {
		id := by.drafts(d)
		by.acts(id, accord.Open, api.AccordAct{})
		return id
	}
	x.force = open(x.city, two())
	x.nav.acts(x.force, accord.Comment, api.AccordAct{Clause: "1", Words: "For research too?"})
	x.city.acts(x.force, accord.AcceptClause, api.AccordAct{Clause: "1"})
	signsAll(x.force, x.city, x.nav)
	x.nav.proposes(x.force, func(d *accord.Text) { d.Term.Notice, d.Title["en"] = 60, "Closures for counts, and back" })
	x.waits = open(x.nav, text(hansa.ModelPartnership, func(i int) hansa.PartyID { return []hansa.PartyID{city.id, nav.id}[i] }, nav, city))
	x.draft = x.city.drafts(two())
	x.pool = open(x.way, text(hansa.ModelPool, func(int) hansa.PartyID { return accord.Members }, way, city, nav))
	signsAll(x.pool, x.way, x.city, x.nav)
	x.over = open(x.city, two())
	x.nav.acts(x.over, accord.Decline, api.AccordAct{Words: "not this year"})
	return x
}

// proposes says a version with a change.
func (p *partner) proposes(id hansa.AccordID, change func(*accord.Text)) {
	p.t.Helper()
	d, err := p.node.accords.Accord(p.t.Context(), p.actor(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	text := &accord.Text{}
	if err := json.Unmarshal(d.Text, text); err != nil {
		p.t.Fatal(err)
	}
	change(text)
	for i := range text.Clauses {
		if c := &text.Clauses[i]; c.ID == "notice" {
			known, _ := policy.ClauseByID(c.ID)
			made, err := accord.NewClause(known, policy.Params{"days": "60"}, c.Flows, text.Languages)
			if err != nil {
				p.t.Fatal(err)
			}
			*c = made
		}
	}
	p.acts(id, accord.Propose, api.AccordAct{Text: asJSON(p.t, text), Words: "a longer notice"})
}

// pages are the pages of accords, at the city.
func (x *parley) pages() []string {
	at := func(id hansa.AccordID) string { return "/accords/" + string(id) }
	return []string{
		"/accords", "/accords?state=ended&q=closures", "/accords?q=nothing-like-it", "/accords/new", "/accords/new?model=partnership", "/accords/new?model=pool", at(x.force), at(x.force) + "?explain=yes", at(x.force) + "/changes", at(x.force) + "/sign", at(x.force) + "/print",
		at(x.waits), at(x.draft), at(x.pool), at(x.over), "/exchange", "/register", "/register/" + string(x.force),
	}
}

// Accords are begun, changed, sent, signed, suspended and ended by forms alone, as a
// browser without JavaScript does.
func TestAccordByForm(t *testing.T) {
	w := mapped(t)
	x := parleys(t, w)
	b, _ := w.come(t, "city", "Boss", hansa.RoleAdministrator, hansa.RoleSignatory)
	nav := w.did(w.party(x.nav.id))
	b.want("GET", "/accords", nil, 200, "Closures for counts", "Waiting for you", "/accords/"+string(x.waits), "NAVIKA")
	b.want("GET", "/accords?q=nothing-like-it", nil, 200, "No accord is like that")
	b.want("GET", "/accords/new", nil, 200, "What it costs", "model=partnership")
	b.want("GET", "/accords/new?model=partnership", nil, 200, "What does each side get?", nav)
	send := url.Values{"model": {"partnership"}, "lang": {"en"}, "other.1": {nav}, "give": {"closures"}, "get.1": {"counts"}, "get.1.kind": {"observation"}, "from": {"2026-01-01"}, "a.gets/2": {"closures at once"}, "purposes": {"navigation"}}
	b.want("POST", "/accords/new", send, 422, "What does each side get", `value="closures at once"`)
	send.Set("a.gets/1", "counts")
	b.want("POST", "/accords/new", send, 303, "/accords/")
	list, err := w.accords.Accords(t.Context(), x.city.actor(), api.AccordQuery{State: hansa.AccordDraft, Limit: 1})
	if err != nil || len(list.Accords) != 1 {
		t.Fatal(list, err)
	}
	id := list.Accords[0].ID
	at := "/accords/" + string(id)
	b.want("GET", at, nil, 200, "Draft", "Send it to the others", "Change the clause")
	hash := func() string {
		d, err := w.accords.Accord(t.Context(), x.city.actor(), id)
		if err != nil {
			t.Fatal(err)
		}
		return d.Proposed
	}
	number := func(clause string) string { return clauseNumber(t, w, x.city, id, clause) }
	b.want("POST", at+"/change-clause", url.Values{"clause": {number("purpose-limit")}, "p.purposes": {"navigation,research"}, "base": {hash()}}, 303, "done=change")
	b.want("POST", at+"/change-clause", url.Values{"clause": {number("notice")}, "p.days": {"many"}, "base": {hash()}}, 422, `aria-invalid="true"`)
	b.want("POST", at+"/open", url.Values{"base": {hash()}}, 303, "done=open")
	b.want("POST", at+"/change-term", url.Values{"from": {"2026-01-01"}, "until": {"2030-12-31"}, "notice": {"45"}, "base": {hash()}}, 303, "done=propose")
	b.want("GET", at+"/changes", nil, 200, "<del>", "<ins>", "2030-12-31", hash())
	b.want("POST", at+"/change-term", url.Values{"from": {"2026-01-01"}, "notice": {"45"}, "base": {"old"}}, 409, "Another version")
	b.want("POST", at+"/comment", url.Values{"clause": {"1"}, "words": {"<b>why</b>"}, "base": {hash()}}, 303, "done=comment")
	b.want("GET", at, nil, 200, "&lt;b&gt;why&lt;/b&gt;")
	b.want("POST", at+"/comment", url.Values{"clause": {"1"}, "words": {" "}, "base": {hash()}}, 422, "Say why")
	b.want("GET", at+"/sign", nil, 200, hash(), "Who would get what, and why not", "navigation")
	b.want("POST", at+"/sign", url.Values{"role": {"alderman"}, "power": {"mandate 3"}, "base": {hash()}}, 422, "Say that you have read it")
	b.want("POST", at+"/sign", url.Values{"role": {"alderman"}, "power": {"mandate 3"}, "sure": {"on"}, "base": {hash()}}, 303, "done=sign")
	b.want("GET", at+"/sign", nil, 200, "You cannot sign it now.", "Your organisation has signed this version.")
	x.nav.acts(id, accord.Sign, api.AccordAct{Base: hash()})
	x.city.comes(id, "force", inForce)
	b.want("GET", at, nil, 200, "In force", "Signed by the alderman", "Proof bundle", "held to by the gate")
	b.want("GET", at+"/proof", nil, 200, "hansa")
	b.want("POST", at+"/suspend", url.Values{"words": {"a drill"}}, 303, "done=suspend")
	b.want("GET", at, nil, 200, "stands still since", "a drill")
	b.want("GET", "/exchange", nil, 200, "Stands still", "flows do not run")
	b.want("GET", "/register?q=closures", nil, 200, "Suspended", "/register/"+string(id))
	b.want("GET", "/register?q=nothing-like-it", nil, 200, "No accord is like that")
	x.standsStill(t, w, id)
	b.want("POST", at+"/resume", url.Values{}, 303, "done=resume")
	b.want("POST", at+"/end", url.Values{"notice": {"2030-06-30"}, "words": {"enough"}, "role": {"alderman"}, "power": {"mandate 3"}}, 303, "done=end")
	b.want("POST", at+"/burn", url.Values{}, 404)
	b.want("GET", "/exchange", nil, 200, "Who shares what with whom", "<svg viewBox", "As a table", "Balance", "Waiting for someone")
}

// standsStill checks that the exchange counts nothing of a suspended accord, for its parties
// and for others of the node.
func (x *parley) standsStill(t *testing.T, w *town, id hansa.AccordID) {
	t.Helper()
	for _, p := range []*partner{x.city, x.way} {
		e, err := (accordpages{w.Node}).AccordExchange(t.Context(), p.actor())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(e.Accords, func(a room.ExchangeAccord) bool { return a.ID == id })
		if i < 0 || len(e.Accords[i].Pairs) != 2 {
			t.Fatalf("%s sees in the exchange: %+v", p.name, e.Accords)
		}
		for _, f := range e.Accords[i].Pairs {
			if got := e.Accords[i].Still[f.ID]; got != string(pledgePaused) {
				t.Errorf("to %s the flow %s of the suspended accord is %q", p.name, f.Flow.Name, got)
			}
		}
	}
}

// clauseNumber is the number of a clause in the proposed version.
func clauseNumber(t *testing.T, w *town, p *partner, id hansa.AccordID, clause string) string {
	t.Helper()
	d, err := (accordpages{w.Node}).Accord(t.Context(), p.actor(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Text.Clauses {
		if d.Text.Clauses[i].ID == clause {
			return strconv.Itoa(i + 1)
		}
	}
	t.Fatalf("no clause %s", clause)
	return ""
}

// What is another party's accord is nobody's but theirs, whatever the page; the register
// shows what is in force to everybody, without what is withheld.
func TestAccordPagesApart(t *testing.T) {
	w := mapped(t)
	x := parleys(t, w)
	other, _ := w.come(t, "wayfare", "Other", hansa.RoleAdministrator, hansa.RoleSignatory)
	for _, path := range []string{"", "/changes", "/sign", "/print", "/proof"} {
		other.want("GET", "/accords/"+string(x.force)+path, nil, 404)
	}
	other.want("POST", "/accords/"+string(x.force)+"/comment", url.Values{"words": {"me too"}}, 404)
	other.want("GET", "/accords/"+string(x.pool), nil, 200, "In force", "every other member")
	code, page := w.ask(t, http.MethodGet, "/register", "", "", "")
	if code != 200 || !strings.Contains(page, "/register/"+string(x.force)) || strings.Contains(page, string(x.waits)) || strings.Contains(page, string(x.draft)) {
		t.Errorf("the register: %d %s", code, page)
	}
	for id, want := range map[hansa.AccordID]int{x.force: 200, x.waits: 404, x.draft: 404, x.over: 404, "none": 404} {
		if code, page := w.ask(t, http.MethodGet, "/register/"+string(id), "", "", ""); code != want {
			t.Errorf("%s in the register: %d %s", id, code, page)
		}
	}
	code, doc := w.ask(t, http.MethodGet, "/register/feed.json", "", "", "")
	var feed struct {
		Version string `json:"version"`
		Items   []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(doc), &feed); code != 200 || err != nil || len(feed.Items) != 2 || feed.Version != "https://jsonfeed.org/version/1.1" {
		t.Errorf("the feed: %d %v %s", code, err, doc)
	}
}

// TestBrowserAxeAccords looks at the pages of accords as TestBrowserAxe does at the
// others, with real accords behind them.
func TestBrowserAxeAccords(t *testing.T) {
	axe := needsAxe(t)
	h := sail(t)
	x := parleys(t, h.town)
	h.comes("Boss", hansa.RoleAdministrator, hansa.RoleController, hansa.RoleSignatory)
	h.looks(axe, append(x.pages(), x.before(t, h.town)...))
}

// before are the pages of what goes before an accord: requests for data, an invitation
// with terms, and the adoption of what another publishes.
func (x *parley) before(t *testing.T, w *town) []string {
	t.Helper()
	ask := func() string {
		a, err := asks{w.Node}.Ask(t.Context(), x.nav.actor(), api.AskOrder{To: "city", AskTerms: counts()})
		if err != nil {
			t.Fatal(err)
		}
		return string(a.ID)
	}
	waits, accepted := ask(), ask()
	if _, err := (asks{w.Node}).AnswerAsk(t.Context(), x.city.actor(), accepted, accord.Accepted, api.AskAnswer{}); err != nil {
		t.Fatal(err)
	}
	city, d := offerTo(t, w, "invited")
	_, token := invitedBy(t, w, api.InvitationOrder{For: "Wayfare Two", Purpose: "closures", Basis: "Article 5", Accord: city.drafts(d)})
	made, err := adoptions{w.Node}.AdoptAccord(t.Context(), x.city.actor(), api.AccordAdoption{At: string(x.force)})
	if err != nil {
		t.Fatal(err)
	}
	review, err := reviews{w.Node}.MakeReview(t.Context(), x.city.actor(), x.force, api.ReviewOrder{For: "counsel"})
	if err != nil {
		t.Fatal(err)
	}
	_, link, _ := strings.Cut(review.Link, "?")
	return []string{
		"/review?" + link, "/requests", "/asks/new", "/asks/" + waits, "/asks/" + accepted, "/invitation?token=" + token, "/accords/adopt", "/accords/adopt?at=" + string(x.force), "/accords/" + string(made.ID) + "/changes?done=adopted",
	}
}

// TestBrowserAccord: an accord is read and signed in the browser, with and without
// JavaScript.
func TestBrowserAccord(t *testing.T) {
	for name, scripts := range map[string]bool{"with JavaScript": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			h := sail(t)
			x := parleys(t, h.town)
			h.scripts(scripts)
			h.comes("Boss", hansa.RoleAdministrator, hansa.RoleSignatory)
			h.open("/accords")
			h.press(`a.go[href="/accords/` + string(x.waits) + `"]`)
			h.sees("Whose turn")
			h.press(`a.go[href$="/sign"]`)
			h.sees("Read what you sign.")
			h.write("#role", "alderman")
			h.write("#power", "mandate 2026-114")
			h.do("say so", chromedp.Click(chromedp.CSS(`[name="sure"]`)))
			h.press(`form[action$="/sign"] button`)
			h.sees("Signed. It binds your organisation as soon as all have signed.")
		})
	}
}
