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
