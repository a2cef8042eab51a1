package node

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// publishes are two cities and a company at three nodes; the first city and the company
// have an accord in force, which its register publishes.
func publishes(t *testing.T) (city, nav, other *partner, id hansa.AccordID) {
	t.Helper()
	all := signatories(t, "city", "nav", "other")
	knowsAll(all...)
	city, nav, other = all[0], all[1], all[2]
	text := terms(t, city, nav)
	text.Parties[1].Kind = hansa.Company
	text.Confidential = []accord.Withheld{{Part: "consideration", Rule: "trade secret of the company"}}
	id = city.drafts(text)
	city.acts(id, accord.Open, api.AccordAct{})
	d := nav.comes(id, "the first entry", entries(1))
	city.acts(id, accord.Sign, api.AccordAct{Base: d.Proposed})
	nav.comes(id, "the signature", entries(2))
	nav.acts(id, accord.Sign, api.AccordAct{Base: d.Proposed})
	city.comes(id, "force", inForce)
	return city, nav, other, id
}

// A city finds what another publishes, at its node, and makes a draft of its own of it,
// with what differs; it comes into force with the same company.
func TestAdoptElsewhere(t *testing.T) {
	city, nav, other, id := publishes(t)
	x := adoptions{other.node}
	for _, at := range []string{city.url, city.url + "/register", city.url + "/register/feed.json", city.url + "/register/" + string(id)} {
		list, err := x.Published(t.Context(), other.actor(), at)
		if err != nil || len(list) != 1 || list[0].Accord != id || list[0].Host != city.id || list[0].At != city.url+"/register/"+string(id) {
			t.Fatalf("%s publishes %+v, %v", at, list, err)
		}
	}
	got, err := x.AdoptAccord(t.Context(), other.actor(), api.AccordAdoption{
		At: city.url + "/register/" + string(id), From: "2026-02-01", Set: map[string]policy.Params{"notice": {"days": "60"}}, Places: []api.AdoptedPlace{{Place: nav.id, ID: nav.id}},
	})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := city.node.accords.Accord(t.Context(), city.actor(), id)
	if err != nil {
		t.Fatal(err)
	}
	draft := &accord.Text{}
	if err := json.Unmarshal(got.Text, draft); err != nil {
		t.Fatal(err)
	}
	if got.State != hansa.AccordDraft || got.Source.Hash != theirs.Force || draft.From.Hash != theirs.Force || draft.From.Party != city.id || draft.Parties[0].ID != other.id || draft.Parties[1].ID != nav.id {
		t.Errorf("the draft stands at %+v from %+v", got.Accord, draft.From)
	}
	seen := map[string]bool{}
	for _, c := range got.Changes {
		seen[c.Part+" "+string(c.Kind)+" "+c.Name] = true
	}
	for _, want := range []string{"clauses changed notice", "parties added " + string(other.id), "parties removed " + string(city.id), "term changed from"} {
		if !seen[want] {
			t.Errorf("the differences do not say %q: %v", want, seen)
		}
	}
	if len(got.Notes) != 1 || got.Notes[0].Code != "withheld" {
		t.Errorf("notes: %+v", got.Notes)
	}
	// What differs can be seen again, and after a change of the draft.
	again, err := other.node.accords.AccordDiff(t.Context(), other.actor(), got.ID, "", "")
	if err != nil || again.From != theirs.Force || len(again.Changes) != len(got.Changes) {
		t.Errorf("what differs, again: %+v, %v", again, err)
	}
	// What they withheld is said anew, and the draft becomes an accord like any other.
	draft.Consideration = []accord.Consideration{{Kind: "in-kind", By: other.id, To: nav.id, Flow: draft.Flows[0].ID}, {Kind: "in-kind", By: nav.id, To: other.id, Flow: draft.Flows[1].ID}}
	if _, err := other.node.accords.ChangeDraft(t.Context(), other.actor(), got.ID, api.AccordDraft{Text: asJSON(t, draft)}); err != nil {
		t.Fatal(err)
	}
	d := other.acts(got.ID, accord.Open, api.AccordAct{})
	nav.comes(got.ID, "the first entry", entries(1))
	other.acts(got.ID, accord.Sign, api.AccordAct{Base: d.Proposed})
	nav.comes(got.ID, "the signature", entries(2))
	nav.acts(got.ID, accord.Sign, api.AccordAct{Base: d.Proposed})
	other.comes(got.ID, "force", inForce)
	same(t, got.ID, other, nav)
	if again, err = other.node.accords.AccordDiff(t.Context(), other.actor(), got.ID, api.FromAdopted, ""); err != nil || again.From != theirs.Force {
		t.Errorf("what differs, in force: %+v, %v", again, err)
	}
}

// What cannot be adopted is refused by its field, and nobody is called who may not be.
func TestAdoptRefused(t *testing.T) {
	city, _, other, id := publishes(t)
	x, at := adoptions{other.node}, city.url+"/register/"+string(id)
	for name, o := range map[string]api.AccordAdoption{
		"/at 1":     {At: "01a20952-8507-743c-9ffd-b26172221be5"},
		"/at 2":     {At: "ftp://city.example/"},
		"/at 3":     {At: "http://127.0.0.1:1/"},
		"/at 4":     {At: "https://unknown.example/register/" + string(id)},
		"/at 5":     {At: city.url + "/register/01a20952-8507-743c-9ffd-b26172221be5"},
		"/as 1":     {At: at, As: "did:web:nobody.example"},
		"/places 1": {At: at, Places: []api.AdoptedPlace{{Place: "did:web:nobody.example", ID: "did:web:a.example"}}},
	} {
		field, _, _ := strings.Cut(name, " ")
		if _, err := x.AdoptAccord(t.Context(), other.actor(), o); err == nil || hansa.Public(err).Field != field {
			t.Errorf("%s is answered %v, want a refusal of %s", o.At, err, field)
		}
	}
	// A place that nobody takes is kept open.
	d, err := x.AdoptAccord(t.Context(), other.actor(), api.AccordAdoption{At: at})
	if err != nil || d.Parties[1].ID != "invited" {
		t.Errorf("an open place: %+v, %v", d.Parties, err)
	}
}

// The page finds the terms of another city, makes the draft and shows what differs.
func TestAdoptByForm(t *testing.T) {
	city, nav, other, id := publishes(t)
	w := &town{Node: other.node}
	b, _ := w.come(t, "other", "Boss", hansa.RoleAdministrator, hansa.RoleSignatory)
	page, at := "/accords/adopt", city.url+"/register/"+string(id)
	b.want("GET", "/accords", nil, http.StatusOK, page)
	b.want("GET", page, nil, http.StatusOK, "Address of a register")
	b.want("GET", page+"?at="+url.QueryEscape("http://127.0.0.1:1"), nil, http.StatusForbidden, "127.0.0.1:1")
	b.want("GET", page+"?at="+url.QueryEscape(city.url), nil, http.StatusOK, "Closures for counts", "/accords/adopt?at=", string(id))
	b.want("GET", page+"?at="+url.QueryEscape(at), nil, http.StatusOK, "We take the place of CITY", "Their terms", "trade secret of the company", "Notice of termination")
	made := b.want("POST", page, url.Values{"at": {at}, "as": {string(city.id)}, "place.2": {string(nav.id)}, "with.2": {string(nav.id)}, "with.2.title": {"Navika"}, "from": {"2026-02-01"}}, http.StatusSeeOther, "/changes?done=adopted")
	m := regexp.MustCompile(`→ (/accords/[0-9a-f-]{36}/changes)`).FindStringSubmatch(made)
	if m == nil {
		t.Fatal(made)
	}
	theirs, err := city.node.accords.Accord(t.Context(), city.actor(), id)
	if err != nil {
		t.Fatal(err)
	}
	b.want("GET", m[1], nil, http.StatusOK, "From the terms that it was adopted from", theirs.Force, "What they withhold is not here", "2026-02-01", at, "Navika")
	b.want("POST", page, url.Values{"at": {at}, "as": {string(city.id)}, "from": {"soon"}}, http.StatusUnprocessableEntity, "Their terms")
}
