package node

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// browses signs somebody who may bind a party in, in a browser of their own.
func (p *partner) browses(t *testing.T) *harbour {
	t.Helper()
	h := &harbour{town: &town{Node: p.node}, T: t, url: p.url}
	h.tab()
	_, link := h.invite(t, p.name, "Who signs for "+p.name, hansa.RoleAdministrator, hansa.RoleSignatory)
	h.do("open the link", chromedp.Navigate(link), chromedp.WaitVisible(chromedp.CSS("#password")))
	h.write("#password", phrase)
	h.write("#again", phrase)
	h.press("button.go")
	return h
}

// unfold opens the part of a page that css holds.
func (h *harbour) unfold(css string) {
	h.Helper()
	h.do("unfold "+css, chromedp.Click(chromedp.CSS(css+" summary")))
}

// signs reads an accord and signs it.
func (h *harbour) signs(id hansa.AccordID) {
	h.Helper()
	h.open("/accords/" + string(id))
	h.press(`a.go[href$="/sign"]`)
	h.sees("Who would get what, and why not")
	h.write("#role", "alderman")
	h.write("#power", "mandate 2026-114")
	h.do("say that it was read", chromedp.Click(chromedp.CSS(`[name="sure"]`)))
	h.press(`form[action$="/sign"] button`)
	h.sees("Signed.")
}

// clause is where the page of an accord has a clause.
func (h *harbour) clause(id string) string {
	h.Helper()
	return h.eval(`'#' + ([...document.querySelectorAll('.clauses > li')].find(li => li.querySelector('.join code').textContent.startsWith('` + id + `@')) || {}).id`)
}

// Two people at two nodes come to an accord by their browsers alone: one drafts it from
// a template and sends it, the other proposes a change, the first reads what changed and
// says so, both sign, and it is in force at both.
func TestBrowserParley(t *testing.T) {
	needsBrowser(t)
	all := signatories(t, "city", "nav")
	knowsAll(all...)
	city, nav := all[0].browses(t), all[1].browses(t)

	city.open("/accords/new")
	city.press(`a.go[href$="model=partnership"]`)
	city.write(`[name="a.gets/1"]`, "what drivers do next")
	city.write(`[name="a.gets/2"]`, "closures at the second")
	city.write("#o1", string(all[1].id))
	city.do("give closures", chromedp.Click(chromedp.CSS(`[name="give"]`)))
	city.write("#g1", "closures")
	city.write("#purposes", "navigation")
	city.eval(`document.querySelector('#from').value = '2026-01-01'`)
	city.press("form.new button.go")
	city.sees("A draft. Nobody else has it before you send it.")
	city.unfold("#act-open")
	city.press("#act-open button")
	city.sees("Sent. The others have it, and can answer.")
	list, err := all[0].node.accords.Accords(t.Context(), all[0].actor(), api.AccordQuery{Limit: 2})
	if err != nil || len(list.Accords) != 1 {
		t.Fatal(list, err)
	}
	id := list.Accords[0].ID
	all[1].comes(id, "the first entry", entries(1))

	nav.open("/accords")
	nav.press(`a.go[href="/accords/` + string(id) + `"]`)
	at := nav.clause("notice")
	nav.unfold(at)
	nav.write(at+` [name="p.days"]`, "75")
	nav.press(at + ` form[action$="/change-clause"] button`)
	nav.sees("A new version is proposed.")
	d := all[0].comes(id, "the proposal", entries(2))

	city.open("/accords/" + string(id) + "/changes")
	city.seesIn("ins", "75")
	city.sees(d.Proposed)
	city.shot("parley-changes")
	city.open("/accords/" + string(id))
	city.unfold(at)
	city.do("answer", chromedp.SendKeys(chromedp.CSS(at+" textarea"), "as long as the council sits"))
	city.press(at + ` [formaction$="/accept-clause"]`)
	city.seesIn(at, "accepts it")
	all[1].comes(id, "the answer", entries(3))
	nav.open("/accords/" + string(id))
	nav.seesIn(at, "as long as the council sits")

	city.signs(id)
	all[1].comes(id, "the signature", entries(4))
	nav.signs(id)
	for i, h := range []*harbour{city, nav} {
		all[i].comes(id, "force", inForce)
		h.open("/accords/" + string(id))
		h.seesIn(".stand", "In force")
		h.seesIn(".ways", "Running")
		h.shot("parley-in-force")
	}
	same(t, id, all...)
	steps, err := (accordpages{all[1].node}).AccordHistory(t.Context(), all[1].actor(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []accord.Kind{accord.Open, accord.Propose, accord.AcceptClause, accord.Sign, accord.Sign, accord.EnterIntoForce} {
		if i >= len(steps) || steps[i].Kind != want {
			t.Fatalf("step %d is not %s: %+v", i+1, want, steps)
		}
	}
}

// A company that has no account reads by a link what is proposed to it, comes in,
// proposes a change, and signs, in a browser.
func TestBrowserInvitationWithTerms(t *testing.T) {
	needsBrowser(t)
	h := sail(t)
	city, d := offerTo(t, h.town, "invited")
	draft := city.drafts(d)
	_, token := invitedBy(t, h.town, api.InvitationOrder{For: "Navco Routing", Purpose: "Drivers should not meet a closed tunnel.", Basis: "Delegated Regulation (EU) 2022/670, Art. 5", Accord: draft})
	h.open("/invitation?token=" + url.QueryEscape(token))
	h.sees("On which legal basis")
	h.seesIn("#main", "Traffic jams")
	h.shot("invitation")
	h.write("#user", "duty")
	h.write("#password", phrase)
	h.write("#again", phrase)
	h.do("may sign", chromedp.Click(chromedp.CSS(`[name="signs"]`)))
	h.press("form:last-of-type button.go")
	h.sees("This is the accord that is proposed to you")
	at := h.clause("notice")
	h.unfold(at)
	h.write(at+` [name="p.days"]`, "75")
	h.press(at + ` form[action$="/change-clause"] button`)
	h.sees("A new version is proposed.")
	city.acts(draft, accord.Sign, api.AccordAct{})
	h.signs(draft)
	h.open("/accords/" + string(draft))
	h.seesIn(".stand", "In force")
	h.shot("invitation-in-force")
	if d := city.accord(draft); !inForce(d) || d.Version != 2 {
		t.Errorf("the accord stands at %+v", d.Accord)
	}
}

// Another city's terms are found, adopted and compared in a browser, over two nodes.
func TestBrowserAdopt(t *testing.T) {
	needsBrowser(t)
	city, nav, other, id := publishes(t)
	h := other.browses(t)
	h.open("/accords/adopt")
	h.write("#at", city.url)
	h.press("form.find button.go")
	h.press(`a[href*="` + string(id) + `"]`)
	h.sees("Who takes whose place")
	h.shot("adopt")
	h.write("#w2", string(nav.id))
	h.write("#wt2", "Navika")
	h.press("form.new button.go")
	h.sees("Below stands what differs from theirs.")
	h.seesIn(".redline", "Navika")
	h.seesIn("#main", "What they withhold is not here")
	h.shot("adopt-changes")
}

// tries is what a column of the page says of the one flow that its reader gives.
func (h *harbour) tries(column string) string {
	h.Helper()
	return h.eval(`(document.querySelector('section[aria-labelledby="tries"] td[data-is="` + column + `"].n') || {}).textContent`)
}

// lies publishes a record at a place.
func (p *partner) lies(id, place string) {
	p.t.Helper()
	set, err := p.node.datasetFor(p.actor(), "closures")
	if err != nil {
		p.t.Fatal(err)
	}
	r := &hansa.Record{}
	if err := json.Unmarshal([]byte(strings.NewReplacer(`"id":"a"`, `"id":"`+id+`"`, `[[4.9,52.37],[4.91,52.38]]`, place).Replace(goodRecord)), r); err != nil {
		p.t.Fatal(err)
	}
	if _, refused, err := p.node.line.take(p.t.Context(), set, []*hansa.Record{r}, foreign, nil); err != nil || refused[0] != nil {
		p.t.Fatal(err, refused)
	}
}

// An officer asks why a record does not reach the company: the page names the rule and
// leads to its clause. For another purpose nothing would leave; in a wider area all
// would, and when both have signed for that, it does.
func TestBrowserDenial(t *testing.T) {
	needsBrowser(t)
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	knowsAll(all...)
	text := terms(t, city, company)
	known, _ := policy.ClauseByID("area-limit")
	const area = `{"type":"Polygon","coordinates":[[[4.88,52.36],[%s,52.36],[%s,52.4],[4.88,52.4],[4.88,52.36]]]}`
	within := func(east string) string { return strings.ReplaceAll(area, "%s", east) }
	c, err := accord.NewClause(known, policy.Params{"area-name": "the east bank", "area": within("4.95")}, []hansa.FlowID{text.Flows[0].ID}, text.Languages)
	if err != nil {
		t.Fatal(err)
	}
	text.Clauses = append(text.Clauses, c)
	id := agree(t, text, city, company)
	city.publish("inside")
	city.lies("outside", `[[5.2,52.37],[5.21,52.38]]`)
	company.has("closures-from-city", "inside")
	if company.holds("closures-from-city", "outside") {
		t.Fatal("what lies outside has left")
	}

	h := city.browses(t)
	const tried = `section[aria-labelledby="tries"]`
	h.open("/accords/" + string(id))
	h.press(`a[href$="explain=yes#tries"]`)
	h.seesIn(tried, "1: the record lies outside the agreed area (GATE-07)")
	if pass, deny := h.tries("Pass"), h.tries("Withheld"); pass != "1" || deny != "1" {
		t.Errorf("%s would pass and %s be withheld, want 1 and 1", pass, deny)
	}
	h.shot("denial")
	leads := func(clause, says string) {
		t.Helper()
		at := h.clause(clause)
		h.do("follow the link to the clause", chromedp.Click(chromedp.CSS(tried+` a[href="`+at+`"]`)))
		h.at(at)
		h.seesIn(":target", says)
		h.seesIn(":target .join code", clause+"@")
	}
	leads("area-limit", "the east bank")

	asks := func(purpose string) {
		t.Helper()
		h.write("#try-for", purpose)
		h.press(`form:has(#try-for) button`)
		h.seesIn(tried, "Asked for "+purpose)
	}
	asks("research")
	h.seesIn(tried, "2: the purpose is not agreed (GATE-02)")
	if pass, deny := h.tries("Pass"), h.tries("Withheld"); pass != "0" || deny != "2" {
		t.Errorf("for research %s would pass and %s be withheld, want 0 and 2", pass, deny)
	}
	h.shot("denial-purpose")
	leads("purpose-limit", "navigation")
	asks("navigation")
	if says := h.eval(`document.querySelector('` + tried + `').innerText`); strings.Contains(says, "GATE-02") || h.tries("Pass") != "1" {
		t.Errorf("for navigation: %s", says)
	}

	at := h.clause("area-limit")
	h.unfold(at)
	h.write(at+` [name="p.area"]`, within("5.3"))
	h.press(at + ` form[action$="/change-clause"] button`)
	h.sees("A new version is proposed.")
	h.press(`a[href$="explain=yes#tries"]`)
	h.seesIn(tried, "Asked for navigation")
	if says := h.eval(`document.querySelector('` + tried + `').innerText`); strings.Contains(says, "GATE-07") || h.tries("Pass") != "2" || h.tries("Withheld") != "0" {
		t.Errorf("in the wider area: %s", says)
	}
	if company.holds("closures-from-city", "outside") {
		t.Error("a proposal alone has let it out")
	}
	signsAll(id, all...)
	company.has("closures-from-city", "outside")
}
