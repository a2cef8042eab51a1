package node

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// mapped is a town whose city knows two places.
func mapped(t *testing.T) *town {
	t.Helper()
	return mappedTown(t)
}

// mappedTown is a town with three named places.
func mappedTown(t testing.TB) *town {
	t.Helper()
	w := newTown(t)
	list, err := readPlaces(strings.NewReader(`{"type":"FeatureCollection","features":[
{"type":"Feature","properties":{"id":"ooster","name":"Oostertunnel","kind":"tunnel","direction":"both","number":"S100"},"geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38]]}},
{"type":"Feature","properties":{"id":"ooster-n","name":"Oostertunnel, northbound","kind":"tunnel","direction":"one","heading":"north","tube":"a","parent":"ooster"},"geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38]]}},
{"type":"Feature","properties":{"id":"bad","name":"\"><script>alert(1)</script>\u202elennut","kind":"tunnel","direction":"both"},"geometry":{"type":"LineString","coordinates":[[4.92,52.37],[4.93,52.38]]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(t.Context(), &Setup{Places: map[hansa.PartyID][]hansa.Place{"did:web:city": list}}); err != nil {
		t.Fatal(err)
	}
	return w
}

// between cuts what stands between two marks.
func between(t *testing.T, s, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(s, from)
	if !ok {
		t.Fatalf("no %q in %.2000s", from, s)
	}
	out, _, _ := strings.Cut(rest, to)
	return out
}

// TestCloseByForm closes a tunnel by forms alone, as a browser without JavaScript
// does, and follows it to its end.
func TestCloseByForm(t *testing.T) {
	w := mapped(t)
	b, _ := w.come(t, "city", "Desk 3", hansa.RoleController)
	b.want("GET", "/closures", nil, 200, "All roads open", `href="/close"`, "Desk 3", "Sign out")
	b.want("GET", "/close?q=ooster", nil, 200, "Oostertunnel", `href="/close?place=ooster"`)
	b.want("GET", "/close?q=nowhere", nil, 200, "No place is called like that")
	form := b.want("GET", "/close?place=ooster", nil, 200, "tube A", "Close it now")
	request := between(t, form, `name="request" value="`, `"`)
	send := url.Values{"place": {"ooster"}, "part": {"ooster-n"}, "reason": {"vehicle-fire"}, "when": {"now"}, "request": {request}}
	b.want("POST", "/close", send, 303, "/closures/"+request+"?done=closed&follow")
	b.want("POST", "/close", send, 303, "/closures/"+request) // pressed twice is one closure
	page := b.want("GET", "/closures/"+request+"?done=closed&follow", nil, 200, "Oostertunnel, northbound", "Receivers are told now", "One tube closed", "offered", "Desk 3", `data-stream="/stream?closure=`+request+`&amp;only=1"`)
	if strings.Count(page, "<li><time") != 1 {
		t.Errorf("one closure has one version: %s", page)
	}
	b.want("GET", "/close?place=ooster", nil, 200, "Something is said of this place already")
	b.want("POST", "/closures/"+request+"/extend", url.Values{"until": {"2020-01-01T10:00"}}, 422, "is not after the start")
	b.want("POST", "/closures/"+request+"/extend", url.Values{"until": {"soon"}}, 422, "cannot be read", `aria-invalid="true"`)
	b.want("POST", "/closures/"+request+"/extend", url.Values{"until": {"2099-01-01T10:00"}, "estimated": {"1"}}, 303, "done=extend")
	b.want("POST", "/closures/"+request+"/repaired", url.Values{}, 303)
	b.want("GET", "/closures/"+request, nil, 200, "Repaired, still one tube closed", "The cause is gone", "The end moved to 1 Jan 10:00")
	b.want("POST", "/closures/"+request+"/reopen", url.Values{}, 303)
	b.want("POST", "/closures/"+request+"/reopen", url.Values{}, 409, "over already")
	b.want("POST", "/closures/"+request+"/burn", url.Values{}, 404)
	b.want("GET", "/closures", nil, 200, "All roads open")
	b.want("GET", "/closures?ended=true", nil, 200, "Oostertunnel, northbound", "Ended")
	b.want("GET", "/closures/"+request+".json", nil, 200, `"lifecycle": "ended"`, `"history"`)
	b.want("GET", "/closures.json?ended=true", nil, 200, `"closures"`, `"receivers"`)
	b.want("POST", "/close", url.Values{"place": {"ooster"}, "from": {"2099-01-01T10:00"}, "when": {"now"}}, 422, "publish it as planned", `value="2099-01-01T10:00"`)
	b.want("POST", "/close", url.Values{"place": {"ooster"}, "from": {"2099-01-01T10:00"}, "until": {"2099-01-01T09:00"}, "when": {"planned"}}, 422, "not after the start")
	loc := b.want("POST", "/close", url.Values{"place": {"ooster"}, "from": {"2099-01-01T10:00"}, "until": {"2099-01-01T19:00"}, "when": {"planned"}, "text": {`"><script>alert(2)</script>`}}, 303)
	planned := between(t, loc, "→ ", "?")
	b.want("GET", planned, nil, 200, "Planned", "It does not happen", "&lt;script&gt;alert(2)")
	b.want("POST", planned+"/withdraw", url.Values{}, 303)
}

// TestCorrectByForm: a plan is begun, and what was told wrongly is put right by a new
// version that says what it changes; another place is another closure.
func TestCorrectByForm(t *testing.T) {
	w := mapped(t)
	b, _ := w.come(t, "city", "Desk 3", hansa.RoleController)
	loc := b.want("POST", "/close", url.Values{"place": {"ooster"}, "part": {"ooster"}, "reason": {"roadworks"}, "from": {"2099-01-01T10:00"}, "until": {"2099-01-01T19:00"}, "when": {"planned"}}, 303)
	at := between(t, loc, "→ ", "?")
	b.want("GET", at, nil, 200, "Correct it", "It has begun", `value="ooster" checked`, `value="roadworks" selected`, `value="2099-01-01T10:00"`, "Closed: roadworks")
	same := url.Values{"part": {"ooster"}, "reason": {"roadworks"}, "from": {"2099-01-01T10:00"}, "until": {"2099-01-01T19:00"}, "text": {"Closed: roadworks"}}
	b.want("POST", at+"/correct", same, 422, "says what changes")
	change := func(code int, field, value string, says ...string) {
		t.Helper()
		form := maps.Clone(same)
		form.Set(field, value)
		b.want("POST", at+"/correct", form, code, says...)
	}
	change(422, "part", "bad", "another place", "withdraw this closure")
	change(422, "from", "2020-01-01T10:00", "over already", `value="2020-01-01T10:00" aria-invalid="true"`)
	change(422, "from", "2099-01-01T20:00", "not before the end")
	change(303, "part", "ooster-n", "done=correct")
	same.Set("part", "ooster-n")
	b.want("GET", at, nil, 200, "Corrected: one tube closed", `value="ooster-n" checked`)
	change(303, "reason", "event")
	same.Set("reason", "event")
	same.Set("text", "Closed: event")
	b.want("GET", at, nil, 200, "Corrected: the cause is event", "Closed: event")
	change(303, "from", "2099-01-01T11:00")
	b.want("GET", at, nil, 200, "The start moved to 1 Jan 11:00")
	b.want("POST", at+"/begin", url.Values{}, 303, "done=begin")
	b.want("POST", at+"/begin", url.Values{}, 409, "has begun already")
	page := b.want("GET", at, nil, 200, "It has begun", "One tube closed", "Planned", "Began")
	if strings.Contains(page, "Yes, it is closed now") {
		t.Error("what has begun can begin again")
	}
	if _, sent := w.ask(t, "GET", "/data/v1/flows/to-one/snapshot.record", "Bearer "+w.one, "", ""); !strings.Contains(sent, `"version":5`) || !strings.Contains(sent, `"type":"event"`) || strings.Contains(sent, "roadworks") {
		t.Errorf("the receiver gets %s", sent)
	}
}

// TestPlannedEndPassed: what is still said to be closed after its planned end asks on
// the list and on the situation whether it is open, and stops asking once it is told.
func TestPlannedEndPassed(t *testing.T) {
	w := mapped(t)
	b, _ := w.come(t, "city", "Desk 3", hansa.RoleController)
	asks := func(want bool) {
		t.Helper()
		for path, says := range map[string]string{"/closures": "A planned end has passed.", "/live": "The planned end of closure 1 has passed."} {
			if page := b.want("GET", path, nil, 200); strings.Contains(page, says) != want || strings.Contains(page, `<a href="/closures/a"><b>`) != (want && path == "/live") {
				t.Errorf("%s says %q: %v, want %v", path, says, !want, want)
			}
		}
	}
	now := time.Now().UTC()
	say := func(end time.Time) {
		t.Helper()
		var doc map[string]any
		if err := json.Unmarshal([]byte(goodRecord), &doc); err != nil {
			t.Fatal(err)
		}
		doc["situation"].(map[string]any)["end"] = end.Format(time.RFC3339)
		body, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", string(body)); code != http.StatusOK || !strings.Contains(answer, `"accepted":1`) {
			t.Fatalf("publish: %d %s", code, answer)
		}
	}
	say(now.Add(-time.Hour))
	asks(true)
	b.want("POST", "/closures/a/extend", url.Values{"until": {"2099-01-01T10:00"}}, 303)
	asks(false)
}

// TestPagesByRole: each page opens to whoever holds its right, tells others in words
// who has it, and shows no button that would be refused.
func TestPagesByRole(t *testing.T) {
	w := mapped(t)
	seen := map[string]*browser{}
	for _, role := range []hansa.UserRole{hansa.RoleViewer, hansa.RoleController, hansa.RoleOperator, hansa.RoleAdministrator} {
		seen[string(role)], _ = w.come(t, "city", string(role), role)
	}
	seen["company"], _ = w.come(t, "one", "engineer", hansa.RoleEngineer)
	all := []string{"viewer", "controller", "operator", "administrator", "company"}
	for path, who := range map[string]string{
		"/closures": "viewer controller operator administrator company", "/close": "controller administrator",
		"/deliveries": "viewer controller operator administrator company", "/datasets": "viewer controller operator administrator company", "/parties": "viewer controller operator administrator company",
		"/feeds": "controller operator administrator company", "/feeds/add": "operator administrator company", "/settings": "operator administrator company",
		"/settings/credentials": "operator administrator company", "/settings/users": "operator administrator company", "/settings/keys": "operator administrator company", "/first": "operator administrator company",
		"/status": "administrator", "/help": "viewer controller operator administrator company",
	} {
		for _, name := range all {
			b := seen[name]
			if strings.Contains(who, name) {
				page := b.want("GET", path, nil, http.StatusOK, "<h1>")
				if strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "<no value>") {
					t.Errorf("%s to the %s has a hole", path, name)
				}
				if res := b.send("GET", path+".json", nil); res.Code != http.StatusOK || !strings.HasPrefix(res.Header().Get("Content-Type"), "application/json") {
					t.Errorf("%s.json to the %s: %d %s", path, name, res.Code, res.Body)
				}
				continue
			}
			b.want("GET", path, nil, http.StatusForbidden, "not for your role", "administrator")
			b.want("GET", path+".json", nil, http.StatusForbidden, `"code": "forbidden"`)
			if strings.Contains(b.want("GET", "/closures", nil, 200), `href="`+path+`"`) {
				t.Errorf("the %s is shown a way to %s", name, path)
			}
		}
		(&browser{T: t, w: w}).want("GET", path, nil, http.StatusSeeOther, "/signin?next=")
		(&browser{T: t, w: w}).want("GET", path+".json", nil, http.StatusUnauthorized)
	}
	if v := seen["viewer"]; true {
		v.want("POST", "/close", url.Values{"place": {"ooster"}, "when": {"now"}}, http.StatusForbidden, "controller")
		v.want("GET", "/closures", nil, 200)
	}
}

// TestPagesOfOtherSites: forms that another site's page sends change nothing.
func TestPagesOfOtherSites(t *testing.T) {
	w := mapped(t)
	b, _ := w.come(t, "city", "boss", hansa.RoleAdministrator)
	before, tries := w.state(t), 0
	own := map[string]bool{} // the room's: no other route takes a browser's word for who it is
	for _, r := range w.room.Routes() {
		own[r.Method+r.Pattern] = true
	}
	for name, h := range map[string]http.Header{
		"cross-site": {"Sec-Fetch-Site": {"cross-site"}}, "same-site": {"Sec-Fetch-Site": {"same-site"}}, "old browser": {"Sec-Fetch-Site": nil, "Origin": {"https://evil.example"}},
	} {
		evil := &browser{T: t, w: w, cookie: b.cookie, header: h}
		for _, d := range w.doors.table {
			if d.Method != http.MethodPost || d.Right != "" || !own[d.Method+d.Pattern] {
				continue
			}
			tries++
			res := evil.send(d.Method, filled(d.Pattern, "to-one", "closures"), url.Values{"place": {"ooster"}, "when": {"now"}, "name": {"x"}})
			if res.Code != http.StatusForbidden && res.Code != http.StatusUnauthorized {
				t.Errorf("%s: %s %s: got %d", name, d.Method, d.Pattern, res.Code)
			}
			evil.cookie = b.cookie
		}
	}
	if got := w.state(t); got != before || tries < 12 {
		t.Errorf("%d refused forms changed the state from %v to %v", tries, before, got)
	}
	b.want("POST", "/close", url.Values{"place": {"ooster"}, "when": {"now"}, "reason": {"accident"}}, 303) // the control: our own form does
	if got := w.state(t); got == before {
		t.Error("our own form changed nothing")
	}
}

// TestPagesHostile: what others named stands on the pages as text.
func TestPagesHostile(t *testing.T) {
	w := mapped(t)
	b, _ := w.come(t, "city", `x" onload="<script>alert(3)</script>`, hansa.RoleAdministrator)
	loc := b.want("POST", "/close", url.Values{"place": {"bad"}, "when": {"now"}, "reason": {`"><script>alert(4)</script>`}, "text": {"\u202e<img src=x onerror=alert(5)>"}}, 303)
	for _, path := range []string{"/closures", between(t, loc, "→ ", "?"), "/close", "/close?place=bad", "/live", `/close?q="><script>alert(6)</script>`} {
		page := b.want("GET", strings.ReplaceAll(path, `"><script>alert(6)</script>`, url.QueryEscape(`"><script>alert(6)</script>`)), nil, 200)
		for _, never := range []string{"<script>", "<img", ` onload="`, "ZgotmplZ", " style="} {
			if i := strings.Index(page, never); i >= 0 {
				t.Errorf("%s has %q: …%s…", path, never, page[max(0, i-80):min(len(page), i+80)])
			}
		}
		if strings.Contains(page, "\u202e") {
			t.Errorf("%s turns text around", path)
		}
	}
}
