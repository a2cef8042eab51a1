package node

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// TestBrowserEmergency: a known place is closed by one confirm, and its ladder fills
// on the page while the receiver reports; without JavaScript the same forms do it.
func TestBrowserEmergency(t *testing.T) {
	for name, scripts := range map[string]bool{"with JavaScript": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			h := sail(t)
			h.comes("Desk 3", hansa.RoleController)
			h.scripts(scripts)
			h.open("/closures")
			h.press(`a[href="/close"]`)
			h.press(`.picks a[href="/close?place=ooster"]`)
			h.do("choose the tube", chromedp.Click(chromedp.CSS(`input[name="part"][value="ooster-n"]`)), chromedp.Click(chromedp.CSS(`input[name="reason"][value="accident"]`)))
			h.press(`button[name="when"][value="now"]`)
			h.sees("Oostertunnel")
			h.seesIn("#dock", "one\noffered")
			at := h.eval("location.pathname")
			id := strings.TrimPrefix(at, "/closures/")
			if code, body := h.ask(t, http.MethodGet, "/data/v1/flows/"+named("flow", "one")+"/snapshot.record", "Bearer "+h.one, "", ""); code != http.StatusOK || !strings.Contains(body, id) {
				t.Fatalf("the receiver is not given %s: %d %.300s", id, code, body)
			}
			h.post("/data/v1/flows/"+named("flow", "one")+"/receipts", `{"record":"`+id+`","version":1,"step":"live","at":"`+time.Now().UTC().Format(time.RFC3339)+`"}`)
			if !scripts {
				h.open(at)
			}
			h.seesIn("#dock", "one\nlive")
			h.shot("browser-ladder-" + strings.ReplaceAll(name, " ", "-"))
			h.do("open what to do", chromedp.Click(chromedp.CSS(`details[name="act"] summary`)))
			h.press(`form[action$="/reopen"] button`)
			h.sees("ended")
		})
	}
}

// TestBrowserKeyboard: a closure is planned by the keyboard alone, in few keys.
func TestBrowserKeyboard(t *testing.T) {
	h := sail(t)
	h.comes("Desk 3", hansa.RoleController)
	h.open("/close?plan")
	if got := h.eval("document.activeElement.id"); got != "q" {
		t.Errorf("the search has not the focus: %q", got)
	}
	h.keys("ooster")
	h.keys(kb.Enter)
	h.at("q=ooster")
	h.tabTo(`.picks a`)
	h.keys(kb.Enter)
	h.at("place=ooster")
	h.do("the form", chromedp.WaitVisible(chromedp.CSS(`input[name="part"]`)))
	h.tabTo(`input[name="part"]`)
	h.keys(kb.ArrowDown)
	h.tabTo(`input[name="reason"]`)
	h.keys(kb.ArrowDown)
	day := time.Now().Add(48 * time.Hour)
	h.tabTo(`#from`)
	h.keys(day.Format("01022006") + kb.ArrowRight + "1030PM")
	h.tabTo(`#until`)
	h.keys(day.Add(24*time.Hour).Format("01022006") + kb.ArrowRight + "0500AM")
	h.tabTo(`button[value="planned"]`)
	h.shot("browser-keyboard-form")
	h.keys(kb.Enter)
	h.sees("planned")
	h.sees("22:30")
	list, err := h.desk.Closures(t.Context(), hansa.Actor{Party: "did:web:city", Rights: []hansa.Right{hansa.RightControl}}, false)
	if err != nil || len(list) != 1 || list[0].Record.Situation.Lifecycle != hansa.Confirmed || list[0].Record.Situation.End == nil {
		t.Errorf("what was planned: %+v %v", list, err)
	}
}

// TestBrowserInvitation: from a link that opens without an account to the first
// record, fetched by a credential of one's own; without JavaScript.
func TestBrowserInvitation(t *testing.T) {
	h := sail(t)
	in, err := invites{h.Node}.Invite(t.Context(), hansa.Actor{Party: h.own, Rights: []hansa.Right{hansa.RightManage, hansa.RightAdmin}}, api.InvitationOrder{
		For: "Navco Routing", Purpose: "Drivers should not be led into a closed tunnel.", Gives: []api.Given{{Dataset: "closures", Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record", "cifs"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.scripts(false)
	h.do("open the link", chromedp.Navigate(in.Link), chromedp.WaitVisible(chromedp.CSS("#title")))
	h.sees("Drivers should not be led into a closed tunnel.")
	h.shot("browser-invitation")
	for css, text := range map[string]string{"#title": "Navco Routing", "#name": "navco", "#user": "Engineer", "#host": "hooks.navco.example", "#password": phrase, "#again": phrase} {
		if css == "#host" && h.eval("String(!!document.querySelector('#host'))") != "true" {
			continue
		}
		h.write(css, text)
	}
	h.press("main button.go")
	h.sees("Welcome, Navco Routing")
	h.press(`form[action="/welcome/credential"] button`)
	h.sees("its secret is shown this once")
	h.shot("browser-welcome")
	secret := h.eval("document.querySelector('.once .as code').textContent")
	line := h.eval("document.querySelector('.once pre code').textContent")
	if !strings.Contains(line, secret) {
		t.Errorf("the line to copy has not the secret: %s", line)
	}
	at := line[strings.LastIndexByte(line, ' ')+1:]
	if code, body := h.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+h.give, "application/json", goodRecord); code != http.StatusOK {
		t.Fatalf("publish: %d %s", code, body)
	}
	code, body := h.ask(t, http.MethodGet, strings.TrimPrefix(at, h.url), "Bearer "+secret, "", "")
	if code != http.StatusOK || !strings.Contains(body, "Oostertunnel") {
		t.Errorf("the first record by %s: %d %.300s", at, code, body)
	}
	h.open("/welcome")
	h.sees("done")
	if strings.Contains(h.eval("document.body.innerText"), secret) {
		t.Error("the secret is shown again")
	}
}

// TestBrowserReplay: a delivery that failed is found on its page, and sent again when
// the receiver is well; without JavaScript.
func TestBrowserReplay(t *testing.T) {
	h := sail(t)
	h.post("/data/v1/flows/"+named("flow", "one")+"/subscriptions", `{"url":"`+h.hook+`"}`)
	h.wait(`"state":"active"`, "/data/v1/flows/"+named("flow", "one")+"/subscriptions")
	h.fails.Store(true)
	if code, body := h.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+h.give, "application/json", goodRecord); code != http.StatusOK {
		t.Fatalf("publish: %d %s", code, body)
	}
	h.wait(`"status":500`, "/api/v1/deliveries")
	h.scripts(false)
	h.comes("Desk 3", hansa.RoleController, hansa.RoleOperator)
	h.open("/deliveries")
	h.press(`a.pill[href*="waiting"]`)
	h.press(`table a[href^="/deliveries/"]`)
	h.sees("The last try failed")
	h.sees("500")
	h.shot("browser-delivery")
	h.fails.Store(false)
	h.press(`form[action$="/replay"] button`)
	h.sees("delivered")
}

// wait asks until an answer has something.
func (h *harbour) wait(text, path string) {
	h.Helper()
	body := ""
	for range 200 {
		if _, body = h.ask(h.T, http.MethodGet, path, "Bearer "+h.one, "", ""); strings.Contains(body, text) {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	h.Fatalf("%s does not say %s: %s", path, text, body)
}

// TestBrowserOffline: a page that is cut off says so, keeps what it showed, and shows
// what it missed when it is back.
func TestBrowserOffline(t *testing.T) {
	h := sail(t)
	h.comes("Desk 3", hansa.RoleController)
	h.open("/live")
	link := func(want string) {
		t.Helper()
		got := ""
		for range 250 {
			if got = h.eval("document.documentElement.dataset.link || ''"); got == want {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Fatalf("the link is %q, want %q: %.600s", got, want, h.eval("document.body.innerText"))
	}
	link("live")
	h.offline(true)
	link("offline")
	if code, body := h.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+h.give, "application/json", goodRecord); code != http.StatusOK {
		t.Fatalf("publish: %d %s", code, body)
	}
	h.offline(false)
	link("live")
	h.sees("Oostertunnel")
}

// TestBrowserTwoClicks: two clicks on the map close the stretch of road between them.
func TestBrowserTwoClicks(t *testing.T) {
	h := sail(t)
	h.comes("Desk 3", hansa.RoleController)
	h.open("/close")
	h.eval(`(() => {
		const map = document.getElementById('pick'), d = map.dataset;
		for (const [lon, lat] of [[4.901, 52.371], [4.908, 52.378]]) {
			const p = new DOMPoint((lon - d.lon) / d.perLon, (d.lat - lat) / d.perLat).matrixTransform(map.getScreenCTM());
			map.dispatchEvent(new MouseEvent('click', { bubbles: true, clientX: p.x, clientY: p.y }));
		}
		return '';
	})()`)
	h.at("/close?line=4.90") // a click is a whole pixel
	h.sees("Matched to Oostertunnel, northbound")
	h.shot("browser-two-clicks")
	h.press("button.bad")
	h.sees("Receivers are told now")
	if code, list := h.ask(t, http.MethodGet, "/api/v1/closures", "Bearer "+h.give, "", ""); code != http.StatusOK || strings.Count(list, `"ladder"`) != 2 || !strings.Contains(list, `"direction-closed"`) {
		t.Errorf("%d %s", code, list)
	}
}

// axePages are the pages that are looked at; every page of the room's that a person
// opens must be here.
func axePages(delivery, closure, feed, draft string) []string {
	return []string{
		"/live", "/live?view=table", "/shift", "/alarms", "/closures", "/closures?ended", "/closures/" + closure, "/close", "/close?place=ooster", "/close?place=ooster&plan", "/deliveries", "/deliveries/" + delivery,
		"/datasets", "/feeds", "/feeds/" + feed, "/feeds/add", "/parties", "/invitations", "/invitations/new", "/invitations/new?accord=" + draft, "/settings", "/settings/credentials", "/settings/users", "/settings/keys", "/settings/account", "/first", "/status", "/help", "/welcome", "/signin", "/enter?token=x", "/invitation?token=x",
	}
}

// TestBrowserAxe: no page breaks a rule of WCAG 2.2 A or AA that axe-core knows, in
// either theme, at a desk or on a phone. HANSA_AXE names the file axe.min.js.
func TestBrowserAxe(t *testing.T) {
	axe := needsAxe(t)
	h := sail(t)
	pages := h.filled()
	others := append((&bargain{company: &partner{}, waits: "x", agreement: "x", process: "x"}).pages(), (&parley{force: "x", waits: "x", draft: "x", pool: "x", over: "x"}).pages()...)
	h.covers(slices.Concat(pages, others, []string{"/asks/new", "/asks/x", "/accords/adopt", "/review?token=x"})) // the others' own tests look at them
	h.comes("Boss", hansa.RoleAdministrator, hansa.RoleController)
	h.looks(axe, pages)
}

// looks runs axe-core on each page, at a desk and on a phone, in either theme.
func (h *harbour) looks(axe string, pages []string) {
	h.Helper()
	looked := 0
	for _, path := range pages {
		for _, width := range []int64{1440, 390} {
			for _, theme := range []string{"light", "dark"} {
				sep := "?"
				if strings.Contains(path, "?") {
					sep = "&"
				}
				h.do("size", chromedp.EmulateViewport(width, 900))
				h.open(path + sep + "theme=" + theme)
				found := h.violations(axe)
				looked++
				if len(found) > 0 {
					h.Errorf("%s at %d in %s: %s", path, width, theme, strings.Join(found, "\n\t"))
				}
				h.shot("axe" + strings.NewReplacer("/", "-", "?", "-", "=", "-", "&", "-").Replace(path) + "-" + theme + "-" + map[int64]string{1440: "desk", 390: "phone"}[width])
			}
		}
	}
	h.Logf("%d views looked at", looked)
}

// violations runs axe-core on the page and says what it found.
func (h *harbour) violations(axe string) []string {
	h.Helper()
	if _, err := chromedp.Run(h.ctx, chromedp.Evaluate[string](axe+";'loaded'")); err != nil {
		h.Fatal(err)
	}
	doc, err := chromedp.Run(h.ctx, chromedp.Evaluate[string](`axe.run(document, {runOnly: {type: 'tag', values: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa']}, resultTypes: ['violations']})
		.then(r => JSON.stringify(r.violations.map(v => v.id + ': ' + v.help + ' at ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' (' + n.any.concat(n.all).map(c => c.message).join('; ') + ')').join(', '))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		h.Fatal(err)
	}
	var out []string
	if err := json.Unmarshal([]byte(doc), &out); err != nil {
		h.Fatal(err)
	}
	return out
}

// filled puts something on every page, and lists them.
func (h *harbour) filled() []string {
	h.Helper()
	root := hansa.Actor{Party: h.own, Rights: []hansa.Right{hansa.RightAdmin, hansa.RightManage, hansa.RightControl}}
	h.post("/data/v1/flows/"+named("flow", "one")+"/subscriptions", `{"url":"`+h.hook+`"}`)
	h.wait(`"state":"active"`, "/data/v1/flows/"+named("flow", "one")+"/subscriptions")
	h.fails.Store(true)
	c, err := h.desk.Close(h.Context(), root, api.CloseOrder{Place: "ooster", Heading: "north", Reason: "fire"})
	if err != nil {
		h.Fatal(err)
	}
	h.wait(`"status":500`, "/api/v1/deliveries")
	over := strings.NewReplacer(`"id":"a"`, `"id":"over"`, `"endKind":`, `"end":"2026-11-23T11:00:00Z","endKind":`).Replace(goodRecord)
	if code, body := h.ask(h.T, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+h.give, "application/json", over); code != http.StatusOK || !strings.Contains(body, `"accepted":1`) {
		h.Fatalf("publish: %d %s", code, body)
	}
	file := h.TempDir() + "/closures.ndjson"
	if err := os.WriteFile(file, []byte(goodRecord+"\n"), 0o600); err != nil {
		h.Fatal(err)
	}
	if _, err := (admins{h.Node}).SaveFeed(h.Context(), root, api.FeedOrder{Name: "tunnels", Dataset: "closures", Path: file, Format: "ndjson"}); err != nil {
		h.Fatal(err)
	}
	var list struct {
		Deliveries []struct{ ID string }
	}
	_, body := h.ask(h.T, http.MethodGet, "/api/v1/deliveries", "Bearer "+h.one, "", "")
	if err := json.Unmarshal([]byte(body), &list, json.MatchCaseInsensitiveNames(true)); err != nil || len(list.Deliveries) == 0 {
		h.Fatalf("%s %v", body, err)
	}
	city, d := offerTo(h.T, h.town, "did:web:navco.example")
	draft := city.drafts(d)
	for _, o := range []api.InvitationOrder{
		{For: "Navco Routing", Purpose: "Drivers should not meet a closed tunnel.", Gives: []api.Given{{Dataset: "closures", Purposes: []hansa.Purpose{"navigation"}}}},
		{For: "Parkring", Purpose: "Fewer cars that look for a place.", Basis: "Delegated Regulation (EU) 2022/670, Art. 5", Accord: draft},
	} {
		invitedBy(h.T, h.town, o)
	}
	return axePages(list.Deliveries[0].ID, c.ID, "tunnels", string(draft))
}

// covers is an error for each page in the routes that is not looked at.
func (h *harbour) covers(pages []string) {
	h.Helper()
	for _, r := range h.room.Routes() {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.Pattern, "/"), "/")
		if r.Method != http.MethodGet || r.Slow || strings.HasSuffix(r.Pattern, ".json") || slices.Contains([]string{"assets", "map.svg", "{$}", "stream"}, first) || strings.HasPrefix(r.Pattern, "/signin/") {
			continue
		}
		prefix, _, _ := strings.Cut(r.Pattern, "{")
		if !slices.ContainsFunc(pages, func(p string) bool {
			p, _, _ = strings.Cut(p, "?")
			return p == r.Pattern || prefix != r.Pattern && strings.HasPrefix(p, prefix) && p != prefix
		}) {
			h.Errorf("the page %s is not looked at", r.Pattern)
		}
	}
}
