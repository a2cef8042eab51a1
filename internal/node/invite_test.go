package node

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// visitor is somebody with a browser, over a real socket, without JavaScript.
type visitor struct {
	t    *testing.T
	base string
	c    *http.Client
}

func newVisitor(t *testing.T, base string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, base: base, c: &http.Client{Jar: jar}}
}

func (v *visitor) get(path string) (int, string) {
	v.t.Helper()
	res, err := v.c.Get(v.base + path)
	return v.answer(res, err)
}

func (v *visitor) post(path string, form url.Values) (int, string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", v.base)
	res, err := v.c.Do(req)
	return v.answer(res, err)
}

func (v *visitor) answer(res *http.Response, err error) (int, string) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// TestInvitation follows a company from a link to its first record, without an
// account, without JavaScript, and with nothing of the city's but the link.
func TestInvitation(t *testing.T) {
	w := newTown(t)
	srv := httptest.NewServer(w.Handler())
	defer srv.Close()
	city := hansa.Actor{Party: "did:web:city", Rights: []hansa.Right{hansa.RightManage}}
	if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", goodRecord); code != http.StatusOK {
		t.Fatalf("publish: %d %s", code, answer)
	}
	i, err := invites{w.Node}.Invite(t.Context(), city, api.InvitationOrder{
		For: "Navco <b>Routing</b>", Purpose: "Drivers should not meet a closed tunnel.", Gives: []api.Given{{Dataset: "closures", Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"cifs", "geojson"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(i.Link)
	if err != nil {
		t.Fatal(err)
	}
	token := u.Query().Get("token")
	v := newVisitor(t, srv.URL)
	for range 2 { // looking uses nothing up
		code, page := v.get("/invitation?token=" + token)
		if code != http.StatusOK || !strings.Contains(page, "Drivers should not meet a closed tunnel.") || strings.Contains(page, "<b>Routing</b>") {
			t.Fatalf("the invitation answers %d %s", code, page)
		}
	}
	form := url.Values{"token": {token}, "title": {"Navco Routing"}, "name": {"navco"}, "user": {"duty"}, "password": {"four words in a row"}, "again": {"four words in a row"}}
	short := url.Values{"token": {token}, "title": {"Navco"}, "name": {"navco"}, "user": {"duty"}, "password": {"short"}, "again": {"short"}}
	if code, page := v.post("/invitation", short); code != http.StatusUnprocessableEntity && code != http.StatusBadRequest || !strings.Contains(page, "12 characters") {
		t.Errorf("a short password is answered %d, want a refusal that names the rule", code)
	}
	if _, err := w.trust.PartyByName(t.Context(), "navco"); err == nil {
		t.Error("a refused acceptance made a party")
	}
	code, page := v.post("/invitation", form)
	if code != http.StatusOK || !strings.Contains(page, "Welcome, Navco Routing") || !strings.Contains(page, "navco-closures-test") {
		t.Fatalf("accepting answers %d %s", code, page)
	}
	if code, _ := newVisitor(t, srv.URL).post("/invitation", form); code < 400 {
		t.Errorf("the link opened twice: %d", code)
	}

	// A credential of her own, shown once.
	code, page = v.post("/welcome/credential", url.Values{"name": {"main"}, "kind": {"bearer"}, "use": {"live"}})
	m := regexp.MustCompile(`Bearer (\S+)'`).FindStringSubmatch(page)
	if code != http.StatusOK || m == nil {
		t.Fatalf("a credential answers %d %s", code, page)
	}
	if _, page := v.get("/welcome"); strings.Contains(page, m[1]) {
		t.Error("the secret is shown again")
	}
	live := flowOf(t, w.Node, "navco-closures")
	if code, body := w.ask(t, http.MethodGet, "/data/v1/flows/"+live+"/snapshot.cifs", "Bearer "+m[1], "", ""); code != http.StatusOK || !strings.Contains(body, "<incidents") {
		t.Errorf("the first record answers %d %s", code, body)
	}

	// A test closure reaches the test flow and no live one.
	test := flowOf(t, w.Node, "navco-closures-test")
	if code, page := v.post("/welcome/test", url.Values{"flow": {test}}); code != http.StatusOK || !strings.Contains(page, "test closure is on its way") {
		t.Errorf("a test closure is answered %d %s", code, page)
	}
	if code, _ := v.post("/welcome/test", url.Values{"flow": {live}}); code < 400 {
		t.Errorf("a test closure goes into a live flow: %d", code)
	}
	code, page = v.post("/welcome/credential", url.Values{"name": {"trial"}, "kind": {"bearer"}, "use": {"test"}})
	tm := regexp.MustCompile(`Bearer (\S+)'`).FindStringSubmatch(page)
	if tm == nil {
		t.Fatalf("a test credential answers %d %s", code, page)
	}
	if code, body := w.ask(t, http.MethodGet, "/data/v1/flows/"+test+"/snapshot.geojson", "Bearer "+tm[1], "", ""); code != http.StatusOK || !strings.Contains(body, "Test. Nothing is closed.") {
		t.Errorf("the test flow answers %d %s", code, body)
	}
	if _, body := w.ask(t, http.MethodGet, "/data/v1/flows/"+live+"/snapshot.geojson", "Bearer "+m[1], "", ""); strings.Contains(body, "Nothing is closed") {
		t.Error("a test record reached a live flow")
	}
	list, err := invites{w.Node}.Onboarding(t.Context(), city)
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]bool{}
	for _, o := range list {
		for _, s := range o.Steps {
			if o.Party == "navco" {
				done[s.Step] = !s.Done.IsZero()
			}
		}
	}
	for step, want := range map[string]bool{"identity": true, "credential": true, "test flow": true, "first record": true, "webhook": false, "receipt": false} {
		if got, ok := done[step]; !ok || got != want {
			t.Errorf("the step %q stands at %v (%v), want %v", step, got, ok, want)
		}
	}
}

func flowOf(t *testing.T, n *Node, name string) string {
	t.Helper()
	n.line.mu.RLock()
	defer n.line.mu.RUnlock()
	for id, c := range n.line.courses {
		if c.flow.Name == name {
			return string(id)
		}
	}
	t.Fatalf("there is no flow %s", name)
	return ""
}
