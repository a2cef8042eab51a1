package node

import (
	"net/url"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
)

// TestPreview: before a closure is published its form shows what each receiver would
// get in each format, with what is lost; it stores nothing, and what is published
// afterwards says the same.
func TestPreview(t *testing.T) {
	w := mapped(t)
	b, _ := w.come(t, "city", "Desk 3", hansa.RoleController)
	request := between(t, b.want("GET", "/close?place=ooster&plan", nil, 200, "Show what each receiver would get"), `name="request" value="`, `"`)
	form := url.Values{"place": {"ooster"}, "part": {"ooster-n"}, "reason": {"roadworks"}, "from": {"2099-01-01T10:00"}, "until": {"2099-01-01T19:00"}, "text": {`"><script>alert(1)</script>`}, "request": {request}, "when": {"look"}}
	before := w.state(t)
	page := b.want("POST", "/close", form, 200, "What each receiver would get", "Nothing is published yet", "to-one", "to-two", "geojson", "cifs", request, `value="2099-01-01T10:00"`, `value="ooster-n" checked`, "&lt;incident")
	inertOn(t, "the preview", page)
	if got := w.state(t); got != before {
		t.Errorf("looking changed the state from %v to %v", before, got)
	}
	b.want("POST", "/close", url.Values{"place": {"ooster"}, "from": {"2099-01-01T10:00"}, "until": {"2098-01-01T19:00"}, "when": {"look"}}, 422, "not after the start")
	b.want("POST", "/close", url.Values{"place": {"ooster"}, "from": {"2020-01-01T10:00"}, "until": {"2099-01-01T10:00"}, "when": {"look"}}, 422, "over already")
	b.want("POST", "/close", url.Values{"place": {"ooster"}, "from": {"2099-01-01T10:00"}, "when": {"look"}}, 422, "needs an end", `aria-invalid="true"`)
	form.Set("when", "planned")
	b.want("POST", "/close", form, 303, "/closures/"+request)
	_, sent := w.ask(t, "GET", "/data/v1/flows/to-one/snapshot.geojson", "Bearer "+w.one, "", "")
	if said := between(t, sent, `"coordinates":`, `]]`); !strings.Contains(strings.Join(strings.Fields(page), ""), said) || !strings.Contains(sent, request) {
		t.Errorf("what was shown is not what is given: %s", sent)
	}

	// A paused flow gets nothing, and the page says why; a test closure is for test flows.
	if _, err := (admins{w.Node}).PauseFlow(t.Context(), hansa.Actor{Party: w.own, Rights: []hansa.Right{hansa.RightManage}}, "to-two", true); err != nil {
		t.Fatal(err)
	}
	now := url.Values{"place": {"ooster"}, "when": {"look"}}
	if page := b.want("POST", "/close", now, 200, "Gets nothing", "paused"); strings.Count(page, "Gets nothing") != 1 {
		t.Error("one flow alone is paused")
	}
	now.Set("test", "1")
	b.want("POST", "/close", now, 200, "nobody would get it")
}

// TestCloseByLine: two places on the map close the stretch between them, matched to
// its road or kept as drawn, and the page says which; what lies on the same road is
// told before.
func TestCloseByLine(t *testing.T) {
	w := mapped(t)
	b, _ := w.come(t, "city", "Desk 3", hansa.RoleController)
	page := b.want("GET", "/close", nil, 200, `id="pick"`, "data-per-lon", "pick.js", "Two clicks close a stretch", `name="line"`)
	if strings.Contains(page, "<script>alert") {
		t.Error("a place's name is markup")
	}
	b.want("GET", "/close?line=4.9,52.37", nil, 422, "A line has 2 to", `aria-invalid="true"`, `value="4.9,52.37"`)
	b.want("GET", "/close?line=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", nil, 422, "LON,LAT", "&#34;&gt;&lt;script")
	b.want("GET", "/close?line=14.9,52.37+14.91,52.38", nil, 422, "far from every road")
	form := b.want("GET", "/close?line=4.901,52.371+4.908,52.378", nil, 200, "Matched to Oostertunnel, northbound", "Turn it round", "/close?line=4.908%2c52.378%204.901", "One direction")
	if strings.Contains(form, "Both directions") {
		t.Error("a tube has one direction, and the page offers both")
	}
	request := between(t, form, `name="request" value="`, `"`)
	send := url.Values{"line": {"4.901,52.371 4.908,52.378"}, "part": {"one"}, "reason": {"obstruction"}, "when": {"now"}, "request": {request}}
	b.want("POST", "/close", send, 303, "/closures/"+request)
	b.want("GET", "/closures/"+request, nil, 200, "Oostertunnel", "obstruction")
	b.want("GET", "/close?place=ooster", nil, 200, "Something is said of this place already", "/closures/"+request)
	b.want("GET", "/close?line=4.902,52.372+4.907,52.377", nil, 200, "Something is said of this place already")
	b.want("GET", "/close?place=bad", nil, 200)

	free := b.want("GET", "/close?line=4.95,52.40+4.955,52.40", nil, 200, "Kept as drawn", "What the road is called", "Both directions")
	request = between(t, free, `name="request" value="`, `"`)
	send = url.Values{"line": {"4.95,52.40 4.955,52.40"}, "part": {"both"}, "name": {"Quay"}, "when": {"look"}, "request": {request}}
	b.want("POST", "/close", send, 200, "What each receiver would get", "Close Quay", `value="both" checked`, `name="name" maxlength="100" value="Quay"`)
	send.Set("when", "now")
	b.want("POST", "/close", send, 303, "/closures/"+request)
	b.want("GET", "/closures/"+request, nil, 200, "Quay, both directions")
}

// TestDrafts: a closure that is begun can be put aside, is found again with all that
// was typed by whoever of the party may close, and is gone once it is published.
func TestDrafts(t *testing.T) {
	w := mapped(t)
	b, _ := w.come(t, "city", "Desk 3", hansa.RoleController)
	request := between(t, b.want("GET", "/close?place=ooster&plan", nil, 200, "Keep as a draft"), `name="request" value="`, `"`)
	before := w.state(t)
	form := url.Values{"place": {"ooster"}, "part": {"ooster-n"}, "reason": {"roadworks"}, "from": {"2099-01-01T10:00"}, "text": {`"><script>alert(1)</script>`}, "request": {request}, "when": {"draft"}}
	b.want("POST", "/close", form, 303, "/closures?done=draft")
	if after := w.state(t); after[0] != before[0] || after[1] != before[1]+1 {
		t.Errorf("a draft makes no record and one entry: %v to %v", before, after)
	}
	again := func(who *browser) {
		t.Helper()
		page := who.want("GET", "/closures", nil, 200, "1 draft, not published", "Oostertunnel", "/close?draft="+request, "roadworks · from", "by Desk 3")
		inertOn(t, "the list of drafts", page)
		who.want("GET", "/close?draft="+request, nil, 200, `value="ooster-n" checked`, `value="roadworks" checked`, `value="2099-01-01T10:00"`, "&lt;script&gt;alert(1)", request)
	}
	again(b)
	other, _ := w.come(t, "city", "Desk 4", hansa.RoleController)
	again(other)
	form.Set("part", "ooster")
	other.want("POST", "/close", form, 303)
	other.want("GET", "/closures", nil, 200, "1 draft, not published", "by Desk 4")
	line := url.Values{"line": {"4.901,52.371 4.908,52.378"}, "part": {"one"}, "request": {hansa.NewID(w.wall())}, "when": {"draft"}}
	b.want("POST", "/close", line, 303)
	b.want("GET", "/close?draft="+line.Get("request"), nil, 200, "Matched to", "4.901,52.371 4.908,52.378")
	b.want("POST", "/close/drafts/"+line.Get("request")+"/drop", url.Values{}, 303, "done=dropped")
	b.want("POST", "/close/drafts/"+line.Get("request")+"/drop", url.Values{}, 404, "no such draft")
	form.Set("when", "planned")
	form.Set("until", "2099-01-01T12:00")
	b.want("POST", "/close", form, 303, "/closures/"+request)
	if page := b.want("GET", "/closures", nil, 200); strings.Contains(page, "not published") {
		t.Error("a draft that was published is still there")
	}
	viewer, _ := w.come(t, "city", "Viewer", hansa.RoleViewer)
	viewer.want("POST", "/close", form, 403)
	for range draftsMax {
		line.Set("request", hansa.NewID(w.wall()))
		b.want("POST", "/close", line, 303)
	}
	line.Set("request", hansa.NewID(w.wall()))
	b.want("POST", "/close", line, 503, "drafts are kept already")
}
