package node

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

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
	n.want("GET", "/live", nil, http.StatusOK, "waits for an answer", "Counts at the &lt;ring&gt;. The answer is due by the end of", at)
	if page := b.want("GET", "/live", nil, http.StatusOK); strings.Contains(page, at) {
		t.Error("who asked is told to answer")
	}
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
	b.want("GET", html.UnescapeString(link[1]), nil, http.StatusOK, "Counts by the hour", to, `name="request" value="`+strings.TrimPrefix(at, "/asks/"))
	n.want("GET", "/requests", nil, http.StatusOK, "For data, ended", "Accepted")

	// What is drafted of it is found from it: here at once, at the other side once it is sent.
	u, err := url.Parse(html.UnescapeString(link[1]))
	if err != nil {
		t.Fatal(err)
	}
	draft := u.Query()
	draft.Set("other.1", draft.Get("with"))
	draft.Set("get.1", "counts")
	draft.Set("get.1.kind", "observation")
	draft.Set("a.gets/1", "counts")
	draft.Set("a.gets/2", "closures")
	draft.Set("lang", "en")
	draft.Set("from", "2030-01-01")
	made = b.want("POST", "/accords/new", draft, http.StatusSeeOther, "done=draft")
	m = regexp.MustCompile(`→ /accords/([0-9a-f-]{36})`).FindStringSubmatch(made)
	if m == nil {
		t.Fatal(made)
	}
	b.want("GET", at, nil, http.StatusOK, "It has become an accord.", "/accords/"+m[1], "Draft")
	n.want("GET", at, nil, http.StatusOK, "Both sides agree.", "/accords/new?")
	city.acts(hansa.AccordID(m[1]), accord.Open, api.AccordAct{})
	page = n.want("GET", at, nil, http.StatusOK, "It has become an accord.", "/accords/"+m[1], "Proposed")
	if strings.Contains(page, "Both sides agree.") {
		t.Error("what has become an accord is drafted once more")
	}
	n.want("GET", "/accords/"+m[1], nil, http.StatusOK, "Answers the request", strings.TrimPrefix(at, "/asks/"))
}

// A text names a request that its two parties accepted, or none.
func TestRequestAnswered(t *testing.T) {
	w := mapped(t)
	city := &partner{t: t, name: "city", id: w.own, node: w.Node}
	nav, way := city.hosts("navika"), city.hosts("wayfare")
	a, err := asks{w.Node}.Ask(t.Context(), nav.actor(), api.AskOrder{To: "city", AskTerms: counts()})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(why string, p, with *partner, request hansa.AccordID) {
		t.Helper()
		_, err := w.accords.DraftAccord(t.Context(), p.actor(), api.AccordDraft{Text: asJSON(t, terms(t, p, with)), Request: request})
		if err == nil || !strings.HasPrefix(hansa.Public(err).Field, "/request") && hansa.Public(err).Field != "/text/request" {
			t.Errorf("%s: %v", why, err)
		}
	}
	refused("a request that is open", nav, city, a.ID)
	if a, err = (asks{w.Node}).AnswerAsk(t.Context(), city.actor(), string(a.ID), accord.Accepted, api.AskAnswer{}); err != nil {
		t.Fatal(err)
	}
	refused("a request with somebody else", nav, way, a.ID)
	refused("a request of others", way, city, a.ID)
	refused("no id", nav, city, "no-id")
	d, err := w.accords.DraftAccord(t.Context(), nav.actor(), api.AccordDraft{Text: asJSON(t, terms(t, nav, city)), Request: a.ID})
	if err != nil {
		t.Fatal(err)
	}
	if a = nav.hears(string(a.ID), 2); len(a.Accords) != 1 || a.Accords[0].ID != d.ID || a.Accords[0].State != hansa.AccordDraft {
		t.Errorf("the request has come to %+v", a.Accords)
	}
	if a = city.hears(string(a.ID), 2); len(a.Accords) != 0 {
		t.Errorf("the other side sees a draft: %+v", a.Accords)
	}
	text := &accord.Text{}
	if err := json.Unmarshal(d.Text, text); err != nil {
		t.Fatal(err)
	}
	text.Request = ""
	if _, err := w.accords.ChangeDraft(t.Context(), nav.actor(), d.ID, api.AccordDraft{Text: asJSON(t, text)}); err != nil {
		t.Fatal(err)
	}
	if a = nav.hears(string(a.ID), 2); len(a.Accords) != 0 {
		t.Errorf("a draft that names the request no more: %+v", a.Accords)
	}
}

// A last day that was over everywhere before today is refused with its field, asked or
// proposed back, here or by another node; a day that is still today somewhere is not.
func TestRequestLastDay(t *testing.T) {
	all := signatories(t, "city", "nav")
	knowsAll(all...)
	city, nav := all[0], all[1]
	last := time.Now().Add(-lastZone).UTC()
	over, today := last.AddDate(0, 0, -1).Format(time.DateOnly), last.Format(time.DateOnly)
	ask := func(until string) (api.Asked, error) {
		o := api.AskOrder{To: "nav", AskTerms: counts()}
		o.Until = until
		return asks{city.node}.Ask(t.Context(), city.actor(), o)
	}
	past := func(what string, err error) {
		t.Helper()
		if err == nil || hansa.Public(err).Field != "/until" || hansa.Public(err).Hint == "" {
			t.Errorf("%s until %s: %v", what, over, err)
		}
	}
	_, err := ask(over)
	past("asked", err)
	a, err := ask(today)
	if err != nil {
		t.Fatalf("asked until %s: %v", today, err)
	}
	nav.hears(string(a.ID), 1)
	terms := counts()
	terms.Until = over
	_, err = asks{nav.node}.AnswerAsk(t.Context(), nav.actor(), string(a.ID), accord.Countered, api.AskAnswer{Words: "sooner", Terms: &terms})
	past("proposed back", err)
	if b := nav.hears(string(a.ID), 1); len(b.Steps) != 1 || !b.Mine {
		t.Errorf("after what was refused the request is %+v", b)
	}
	r := asks{city.node}.request(city.node.party(city.id), &terms)
	for field, m := range map[string]*accord.Message{
		"/body/request/until":        {Accord: hansa.AccordID(hansa.NewID(time.Now())), Kind: accord.Asks, Body: accord.Body{Request: r}},
		"/body/answer/request/until": {Accord: a.ID, Kind: accord.Answers, Body: accord.Body{Answer: &accord.Answer{Act: accord.Countered, Request: r}}},
	} {
		from, to := city, nav
		if m.Kind == accord.Answers {
			from, to = nav, city
		}
		if status, got := (stranger{from, to}).says(m); got.Error == nil || got.Error.Field != field {
			t.Errorf("heard until %s: %d %+v", over, status, got.Error)
		}
	}
}

// By a legal rule a public body alone asks: a party of this node that is none is refused,
// whatever it sends.
func TestRequestByRuleOfThePublic(t *testing.T) {
	all := signatories(t, "city")
	city := all[0]
	near := city.hosts("near")
	ask := func(rule string) *accord.Message {
		terms := counts()
		terms.Rule = rule
		return &accord.Message{Accord: hansa.AccordID(hansa.NewID(time.Now())), Kind: accord.Asks, Body: accord.Body{Request: asks{city.node}.request(city.node.party(near.id), &terms)}}
	}
	if status, a := (stranger{near, city}).says(ask("")); status != http.StatusOK {
		t.Fatalf("the control: %d %+v", status, a.Error)
	}
	m := ask("data-act-answer-emergency")
	if status, a := (stranger{near, city}).says(m); a.Error == nil || a.Error.Field != "/body/request/rule" {
		t.Errorf("a company asks by the law: %d %+v", status, a.Error)
	}
	if _, err := (asks{city.node}).Asked(t.Context(), city.actor(), string(m.Accord)); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("what was refused is here: %v", err)
	}
}
