package node

import (
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
)

// An organisation is asked in by forms alone: by data, and by a draft. The link is shown
// once, opens, and opens no more once it is taken back.
func TestInvitationByForm(t *testing.T) {
	w := mapped(t)
	b, _ := w.come(t, "city", "Boss", hansa.RoleAdministrator, hansa.RoleSignatory)
	b.want("GET", "/parties", nil, http.StatusOK, "/invitations/new")
	b.want("GET", "/invitations", nil, http.StatusOK, "Nobody was asked in yet")
	b.want("GET", "/invitations/new", nil, http.StatusOK, `name="gives" value="closures"`, "You have no draft")
	at := "/invitations/new"
	form := url.Values{"for": {"<Navco>"}, "purpose": {"Drivers should not meet a closed tunnel."}, "gives": {"closures"}, "purposes": {"navigation, freight-routing"}, "minutes": {"3"}, "days": {"7"}}
	refused := func(name, value, says string) {
		t.Helper()
		f := maps.Clone(form)
		f.Set(name, value)
		page := b.want("POST", at, f, http.StatusUnprocessableEntity, says, "Drivers should not meet a closed tunnel.")
		if !strings.Contains(page, `aria-invalid="true"`) && name != "gives" {
			t.Errorf("the field %s is not shown to be wrong", name)
		}
	}
	refused("days", "0", "1 to 90 days")
	refused("days", "91", "1 to 90 days")
	refused("minutes", "soon", "minutes")
	refused("purposes", " ", "Say what the data may be used for")
	refused("for", " ", "Say it in plain words")
	b.want("POST", at, url.Values{"for": {"Navco"}, "purpose": {"Drivers should not meet a closed tunnel."}, "gives": {"none"}, "purposes": {"navigation"}}, http.StatusUnprocessableEntity, "none", "Drivers should not meet a closed tunnel.")
	page := b.want("POST", at, form, http.StatusOK, "The invitation of &lt;Navco&gt;", "shown this once")
	link := regexp.MustCompile(`<code class="secret">([^<]+)</code>`).FindStringSubmatch(page)
	if link == nil {
		t.Fatal(page)
	}
	u, err := url.Parse(html.UnescapeString(link[1]))
	if err != nil {
		t.Fatal(err)
	}
	list := b.want("GET", "/invitations", nil, http.StatusOK, "&lt;Navco&gt;", "Open", "Take it back")
	if strings.Contains(list, u.Query().Get("token")) {
		t.Error("the list shows the link")
	}
	guest := &browser{T: t, w: w}
	guest.want("GET", u.RequestURI(), nil, http.StatusOK, "asks &lt;Navco&gt; to share data", "freight-routing", "3 min")
	(&partner{t: t, name: "city", id: w.own, node: w.Node}).hosts("navika")
	n, _ := w.come(t, "navika", "Other", hansa.RoleAdministrator)
	back := regexp.MustCompile(`/invitations/[0-9a-f-]{36}/revoke`).FindString(list)
	n.want("POST", back, url.Values{}, http.StatusNotFound)
	if page := n.want("GET", "/invitations", nil, http.StatusOK); strings.Contains(page, "Navco") {
		t.Error("another party sees who was asked in")
	}
	b.want("POST", back, url.Values{}, http.StatusSeeOther, "done=revoke")
	b.want("GET", "/invitations?done=revoke", nil, http.StatusOK, "its link opens no more", "Taken back")
	guest.want("GET", u.RequestURI(), nil, http.StatusNotFound, "taken back")

	// By a draft with a party that is not here.
	city, d := offerTo(t, w, "did:web:navco.example")
	draft := city.drafts(d)
	b.want("GET", "/accords/"+string(draft), nil, http.StatusOK, "/invitations/new?accord="+string(draft))
	b.want("GET", at+"?accord="+string(draft), nil, http.StatusOK, `value="`+string(draft)+` did:web:navco.example" selected`)
	form = url.Values{"for": {"Navco"}, "purpose": {"Drivers should not meet a closed tunnel."}, "accord": {string(draft) + " did:web:navco.example"}, "days": {"7"}}
	b.want("POST", at, form, http.StatusUnprocessableEntity, "on which legal basis", `aria-invalid="true"`)
	form.Set("basis", "Delegated Regulation (EU) 2022/670, Art. 5")
	form.Set("gives", "closures")
	form.Set("purposes", "navigation")
	b.want("POST", at, form, http.StatusUnprocessableEntity, "stands in the accord")
	form.Del("gives")
	page = b.want("POST", at, form, http.StatusOK, "shown this once")
	u, err = url.Parse(html.UnescapeString(regexp.MustCompile(`<code class="secret">([^<]+)</code>`).FindStringSubmatch(page)[1]))
	if err != nil {
		t.Fatal(err)
	}
	guest.want("GET", u.RequestURI(), nil, http.StatusOK, "The accord that is proposed", "Closures for counts")
	b.want("GET", "/invitations", nil, http.StatusOK, "/accords/"+string(draft))
}
