package node

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// hears waits until the party's copy of a request has so many steps.
func (p *partner) hears(id string, steps int) api.Asked {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer stop()
	for {
		a, err := asks{p.node}.Asked(ctx, p.actor(), id)
		if err == nil && len(a.Steps) >= steps {
			return a
		}
		if ctx.Err() != nil {
			p.t.Fatalf("%s waited in vain for step %d of the request: %+v, %v", p.name, steps, a, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// counts is what a city asks for.
func counts() api.AskTerms {
	return api.AskTerms{What: "Counts of vehicles at the ring road", Purposes: []hansa.Purpose{"planning"}, Days: 5, Country: "NL"}
}

// A city asks a company at another node, by the law's clock; the company answers with
// other terms, and the city accepts them. Both copies say the same.
func TestRequestElsewhere(t *testing.T) {
	all := signatories(t, "city", "nav", "other")
	knowsAll(all[:2]...)
	city, nav, other := all[0], all[1], all[2]
	o := api.AskOrder{To: "nav", AskTerms: counts()}
	o.Rule = "data-act-answer-emergency"
	a, err := asks{city.node}.Ask(t.Context(), city.actor(), o)
	if err != nil {
		t.Fatal(err)
	}
	id := string(a.ID)
	b := nav.hears(id, 1)
	if !b.Mine || b.Other != city.id || b.Source != "Regulation (EU) 2023/2854, Article 18(2)" || b.Due.Before(time.Now().AddDate(0, 0, 5)) || b.Due.After(time.Now().AddDate(0, 0, 20)) || b.Terms.What != o.What {
		t.Errorf("the company is asked %+v", b)
	}
	if _, err := (asks{city.node}).AnswerAsk(t.Context(), city.actor(), id, accord.Accepted, api.AskAnswer{}); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("out of turn: %v", err)
	}
	terms := counts()
	terms.What, terms.Model = "Counts by the hour", hansa.ModelProcurement
	if b, err = (asks{nav.node}).AnswerAsk(t.Context(), nav.actor(), id, accord.Countered, api.AskAnswer{Words: "by the hour we can", Terms: &terms}); err != nil || b.Mine || b.Turn != city.id {
		t.Fatalf("the counter-proposal comes to %+v, %v", b, err)
	}
	a = city.hears(id, 2)
	if !a.Mine || a.Terms.What != terms.What || a.Source != "" || a.Terms.Model != hansa.ModelProcurement || a.OtherTitle == "" {
		t.Errorf("the city reads %+v", a)
	}
	if a, err = (asks{city.node}).AnswerAsk(t.Context(), city.actor(), id, accord.Accepted, api.AskAnswer{}); err != nil || a.State != accord.RequestAccepted || a.Mine {
		t.Errorf("accepting comes to %+v, %v", a, err)
	}
	if b = nav.hears(id, 3); b.State != accord.RequestAccepted || len(b.Steps) != len(a.Steps) {
		t.Errorf("the company has %+v", b)
	}
	// Who is not known is not heard, and who asked can see it.
	if _, err := (peers{city.node}).AddPeer(t.Context(), city.actor(), api.PeerOrder{Name: "other", ID: other.id, Address: other.url + "/dsp/2025-1"}); err != nil {
		t.Fatal(err)
	}
	a, err = (asks{city.node}).Ask(t.Context(), city.actor(), api.AskOrder{To: string(other.id), AskTerms: counts()})
	if hansa.KindOf(err) != hansa.Denied {
		t.Errorf("a stranger asks: %+v, %v", a, err)
	}
	list, err := asks{city.node}.Asks(t.Context(), city.actor())
	if err != nil || len(list) != 2 || list[0].State != accord.RequestUnheard && list[1].State != accord.RequestUnheard {
		t.Errorf("the city's requests: %+v, %v", list, err)
	}
}

// Parties of one node ask each other in place: declined with a reason, and lapsed when
// nobody answers.
func TestRequestHere(t *testing.T) {
	w := mapped(t)
	city := &partner{t: t, name: "city", id: w.own, node: w.Node}
	nav, way := city.hosts("navika"), city.hosts("wayfare")
	offer := counts()
	offer.Offers = true
	a, err := asks{w.Node}.Ask(t.Context(), nav.actor(), api.AskOrder{To: "city", AskTerms: offer})
	if err != nil {
		t.Fatal(err)
	}
	id := string(a.ID)
	if _, err := (asks{w.Node}).Asked(t.Context(), way.actor(), id); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("another party reads it: %v", err)
	}
	if _, err := (asks{w.Node}).AnswerAsk(t.Context(), city.actor(), id, accord.Declined, api.AskAnswer{}); err == nil || hansa.Public(err).Field != "/body/answer/words" {
		t.Errorf("declined without a reason: %v", err)
	}
	if a, err = (asks{w.Node}).AnswerAsk(t.Context(), city.actor(), id, accord.Declined, api.AskAnswer{Words: "we count ourselves"}); err != nil || a.State != accord.RequestDeclined {
		t.Errorf("declining comes to %+v, %v", a, err)
	}
	if a = nav.hears(id, 2); a.Steps[1].Words != "we count ourselves" || a.Mine {
		t.Errorf("the company reads %+v", a)
	}
	rule := counts()
	rule.Rule = "data-act-answer-other"
	if _, err := (asks{w.Node}).Ask(t.Context(), nav.actor(), api.AskOrder{To: "city", AskTerms: rule}); err == nil || hansa.Public(err).Field != "/rule" {
		t.Errorf("a company asks by the rule of a public body: %v", err)
	}
	if _, err := (asks{w.Node}).Ask(t.Context(), city.actor(), api.AskOrder{To: "city", AskTerms: counts()}); err == nil || hansa.Public(err).Field != "/to" {
		t.Errorf("the city asks itself: %v", err)
	}
}

// A request is made, answered with other terms, accepted and drafted by forms alone.
func TestRequestByForm(t *testing.T) {
	w := mapped(t)
	city := &partner{t: t, name: "city", id: w.own, node: w.Node}
	nav := city.hosts("navika")
	b, _ := w.come(t, "city", "Boss", hansa.RoleAdministrator, hansa.RoleSignatory)
	n, _ := w.come(t, "navika", "Duty", hansa.RoleAdministrator)
	to := w.did(w.party(nav.id))
	b.want("GET", "/requests", nil, http.StatusOK, "/asks/new", "Nothing waits for you")
	b.want("GET", "/asks/new", nil, http.StatusOK, "Article 18(2)", to, "Working days for an answer")
	if page := n.want("GET", "/asks/new", nil, http.StatusOK, "Working days for an answer"); regexp.MustCompile(`name="rule"`).MatchString(page) {
		t.Error("a company is offered the rules of a public body")
	}
	form := url.Values{"to": {to}, "way": {"ask"}, "what": {"Counts at the <ring>"}, "purposes": {"planning"}, "model": {"partnership"}, "days": {"5"}, "country": {"NL"}, "rule": {"data-act-answer-emergency"}}
	bad := url.Values{"to": {to}, "what": {"Counts"}, "days": {"many"}, "purposes": {"planning"}, "model": {"partnership"}, "country": {"NL"}}
	b.want("POST", "/asks/new", bad, http.StatusUnprocessableEntity, "1 to 90 working days", `value="many"`)
	made := b.want("POST", "/asks/new", form, http.StatusSeeOther, "done=asked")
	m := regexp.MustCompile(`→ (/asks/[0-9a-f-]{36})`).FindStringSubmatch(made)
	if m == nil {
		t.Fatal(made)
	}
	at := m[1]
	b.want("GET", at, nil, http.StatusOK, "You ask", "Counts at the &lt;ring&gt;", "Article 18(2)")
	n.want("GET", "/requests", nil, http.StatusOK, "Waits for you", "Yours", "Article 18(2)", at)
	n.want("GET", at, nil, http.StatusOK, "Your answer", "Propose other terms")
	n.want("POST", at+"/decline", url.Values{"why": {" "}}, http.StatusUnprocessableEntity, "Say why")
	form.Set("what", "Counts by the hour")
	form.Set("why", "by the hour we can")
	n.want("POST", at+"/counter", form, http.StatusSeeOther, "done=counter")
	b.want("GET", at, nil, http.StatusOK, "Counts by the hour", "by the hour we can", "5 working days", "Your answer")
	n.want("POST", at+"/accept", url.Values{"yes": {"1"}}, http.StatusConflict, "the other side")
	b.want("POST", at+"/accept", url.Values{"yes": {"1"}}, http.StatusSeeOther, "done=accept")
	page := b.want("GET", at, nil, http.StatusOK, "Both sides agree.", "/accords/new?")
	link := regexp.MustCompile(`href="(/accords/new\?[^"]+)"`).FindStringSubmatch(page)
	if link == nil {
		t.Fatal(page)
	}
	b.want("GET", html.UnescapeString(link[1]), nil, http.StatusOK, "Counts by the hour", to)
	n.want("GET", "/requests", nil, http.StatusOK, "For data, ended", "Accepted")
}
