package node

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// offerTo is a city's draft of a partnership with a company that is not here.
func offerTo(t *testing.T, w *town, invited hansa.PartyID) (*partner, *accord.Text) {
	t.Helper()
	city := &partner{t: t, name: "city", id: hansa.PartyID(w.did(w.party(w.own))), node: w.Node}
	nav := &partner{t: t, name: "navco", id: invited}
	d := drafted(t, hansa.ModelPartnership, func(i int) hansa.PartyID { return []hansa.PartyID{nav.id, city.id}[i] }, city, nav)
	d.Parties[1].Kind = hansa.Company
	d.Flows[1].Name, d.Flows[1].Dataset = "jams", accord.Dataset{Name: "jams", Title: "Traffic jams", Kind: hansa.KindObservation}
	city.id = w.own
	return city, d
}

// invitedBy invites by a draft, and returns the token.
func invitedBy(t *testing.T, w *town, o api.InvitationOrder) (api.Invitation, string) {
	t.Helper()
	i, err := invites{w.Node}.Invite(t.Context(), hansa.Actor{Party: w.own, Rights: []hansa.Right{hansa.RightManage}}, o)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(i.Link)
	if err != nil {
		t.Fatal(err)
	}
	return i, u.Query().Get("token")
}

// TestInvitationToSignature follows a company from a link that proposes terms to an
// accord in force: it reads them without an account, comes in, proposes a change, and
// signs, by forms alone.
func TestInvitationToSignature(t *testing.T) {
	w := newTown(t)
	srv := httptest.NewServer(w.Handler())
	defer srv.Close()
	city, d := offerTo(t, w, "invited")
	draft := city.drafts(d)
	order := api.InvitationOrder{For: "Navco Routing", Purpose: "Drivers should not meet a closed tunnel.", Basis: "Delegated Regulation (EU) 2022/670, Art. 5", Accord: draft}
	made, token := invitedBy(t, w, order)
	if made.As != "invited" || made.Version == "" || len(made.Gives) != 1 || made.Gives[0].Dataset != "closures" {
		t.Errorf("the invitation proposes %+v", made)
	}

	v := newVisitor(t, srv.URL)
	code, page := v.get("/invitation?token=" + token)
	for _, says := range []string{
		"city asks Navco Routing to share data", "Drivers should not meet a closed tunnel.", "Delegated Regulation (EU) 2022/670, Art. 5", "What you get", "What you are asked for", "Traffic jams", "Closures for counts", made.Version,
		d.Clauses[0].Text["en"], "Accepting signs nothing", `name="signs"`,
	} {
		if code != http.StatusOK || !strings.Contains(page, says) {
			t.Errorf("the invitation answers %d and does not say %q: %s", code, says, strings.ReplaceAll(page[strings.Index(page, "<main"):], "\n", " "))
		}
	}
	if code, page := v.get("/invitation?lang=nl&token=" + token); code != http.StatusOK || strings.Contains(page, "<script") {
		t.Errorf("the invitation answers %d", code)
	}
	form := url.Values{"token": {token}, "title": {"Navco Routing"}, "name": {"navco"}, "user": {"duty"}, "password": {phrase}, "again": {phrase}, "signs": {"yes"}}
	code, page = v.post("/invitation", form)
	if code != http.StatusOK || !strings.Contains(page, "This is the accord that is proposed to you") || !strings.Contains(page, "Propose this change") {
		t.Fatalf("accepting answers %d %s", code, page[strings.Index(page, "<main"):])
	}
	if code, _ := newVisitor(t, srv.URL).post("/invitation", form); code < 400 {
		t.Errorf("the link opened twice: %d", code)
	}
	// The draft itself was sent, with her in the place of whom it named.
	is := city.accord(draft)
	if is.State != hansa.AccordProposed || is.Parties[1].Title != "Navco Routing" || !strings.HasSuffix(string(is.Parties[1].ID), ":parties:navco") {
		t.Fatalf("the accord stands at %+v", is.Accord)
	}
	list, err := invites{w.Node}.Invitations(t.Context(), hansa.Actor{Party: w.own})
	if err != nil || list[0].State != "accepted" || list[0].Opened != draft {
		t.Errorf("the invitation stands at %+v, %v", list, err)
	}
	// There is a flow for tests, and none that is live.
	flowOf(t, w.Node, "navco-closures-test")
	flows, err := w.catalog.Flows(t.Context(), w.own)
	if err != nil || slices.ContainsFunc(flows, func(f hansa.Flow) bool { return f.Name == "navco-closures" }) {
		t.Errorf("data flow without a signature: %v, %v", flows, err)
	}

	at := "/accords/" + string(draft)
	number := clauseNumber(t, w, city, draft, "notice")
	if code, page := v.post(at+"/comment", url.Values{"words": {"We could start in June."}, "base": {is.Proposed}}); code != http.StatusOK || !strings.Contains(page, "We could start in June.") {
		t.Errorf("a comment answers %d", code)
	}
	if code, page := v.post(at+"/change-clause", url.Values{"clause": {number}, "p.days": {"75"}, "base": {is.Proposed}}); code != http.StatusOK || !strings.Contains(page, "A new version is proposed.") {
		t.Fatalf("a change answers %d %s", code, page)
	}
	is = city.accord(draft)
	city.acts(draft, accord.Sign, api.AccordAct{Base: is.Proposed})
	if code, page := v.post(at+"/sign", url.Values{"role": {"director"}, "power": {"register of companies 1234"}, "sure": {"yes"}, "base": {is.Proposed}}); code != http.StatusOK || !strings.Contains(page, "Signed.") {
		t.Fatalf("signing answers %d %s", code, page)
	}
	if is = city.accord(draft); !inForce(is) {
		t.Errorf("the accord stands at %+v", is.Accord)
	}
	if _, page := v.get(at); !regexp.MustCompile(`Running|Does not start`).MatchString(page) {
		t.Error("no flow has begun")
	}

	// What is open is proposed by no invitation.
	second, err := invites{w.Node}.Invite(t.Context(), hansa.Actor{Party: w.own, Rights: []hansa.Right{hansa.RightManage}}, order)
	if err == nil {
		t.Errorf("an accord in force is proposed by an invitation: %+v", second)
	}
}

// accord is an accord as the party has it.
func (p *partner) accord(id hansa.AccordID) api.AccordDetail {
	p.t.Helper()
	d, err := p.node.accords.Accord(p.t.Context(), p.actor(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

// One draft serves several invitations: each that is accepted makes an accord of its own,
// of the words that were read.
func TestInvitationsByOneDraft(t *testing.T) {
	w := newTown(t)
	srv := httptest.NewServer(w.Handler())
	defer srv.Close()
	city, d := offerTo(t, w, "did:web:somebody.example")
	draft := city.drafts(d)
	order := api.InvitationOrder{For: "whom it concerns", Purpose: "closures", Basis: "Article 5", Accord: draft}
	_, one := invitedBy(t, w, order)
	made, two := invitedBy(t, w, order)
	for token, name := range map[string]string{one: "first", two: "second"} {
		if code, page := newVisitor(t, srv.URL).post("/invitation", url.Values{"token": {token}, "title": {name}, "name": {name}, "user": {name}, "password": {phrase}, "again": {phrase}}); code != http.StatusOK {
			t.Fatalf("%s answers %d %s", name, code, page)
		}
	}
	list, err := w.accords.Accords(t.Context(), city.actor(), api.AccordQuery{State: hansa.AccordProposed, Limit: 9})
	if err != nil || len(list.Accords) != 2 {
		t.Fatal(list, err)
	}
	flows := map[hansa.FlowID]bool{}
	for i := range list.Accords {
		text := &accord.Text{}
		if err := json.Unmarshal(city.accord(list.Accords[i].ID).Text, text); err != nil {
			t.Fatal(err)
		}
		for k := range text.Flows {
			if f := &text.Flows[k]; flows[f.ID] || f.From == made.As || f.To == made.As {
				t.Errorf("the flow %s of %s is another's, or of nobody here", f.ID, text.ID)
			} else {
				flows[f.ID] = true
			}
		}
		if got, want := text.Clauses[0].Text["en"], d.Clauses[0].Text["en"]; got != want {
			t.Errorf("it says %q, not %q", got, want)
		}
	}
}

// What an invitation cannot propose is refused by its field.
func TestInvitationRefused(t *testing.T) {
	w := newTown(t)
	city, d := offerTo(t, w, "invited")
	draft := city.drafts(d)
	unsound, without := d.Anew(func() string { return hansa.NewID(w.wall()) }), "purpose-limit"
	unsound.Clauses = slices.DeleteFunc(unsound.Clauses, func(c accord.Clause) bool { return c.ID == without })
	if _, ok := policy.ClauseByID(without); !ok {
		t.Fatal("the catalogue has no " + without)
	}
	broken := city.drafts(unsound)
	for name, x := range map[string]struct {
		o     api.InvitationOrder
		field string
	}{
		"no legal basis":       {api.InvitationOrder{Accord: draft}, "/basis"},
		"gives beside it":      {api.InvitationOrder{Accord: draft, Basis: "b", Gives: []api.Given{{Dataset: "closures"}}}, "/gives"},
		"a place of none":      {api.InvitationOrder{Accord: draft, Basis: "b", As: "nobody"}, "/as"},
		"one's own place":      {api.InvitationOrder{Accord: draft, Basis: "b", As: hansa.PartyID(w.did(w.party(w.own)))}, "/as"},
		"an accord of nobody":  {api.InvitationOrder{Accord: "01a20952-8507-743c-9ffd-b26172221be5", Basis: "b"}, "/accord"},
		"terms that are amiss": {api.InvitationOrder{Accord: broken, Basis: "b"}, "/accord"},
	} {
		x.o.For, x.o.Purpose = "Navco", "closures"
		if _, err := (invites{w.Node}).Invite(t.Context(), hansa.Actor{Party: w.own, Rights: []hansa.Right{hansa.RightManage}}, x.o); err == nil || hansa.Public(err).Field != x.field {
			t.Errorf("%s: %v, want a refusal of %s", name, err, x.field)
		}
	}
}
