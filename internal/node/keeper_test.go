package node

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// doc reads the JSON of a page.
func (b *browser) doc(path string, into any) {
	b.Helper()
	res := b.send("GET", path, nil)
	if res.Code != http.StatusOK {
		b.Fatalf("%s: %d %s", path, res.Code, res.Body)
	}
	if err := json.Unmarshal(res.Body.Bytes(), into, json.MatchCaseInsensitiveNames(true)); err != nil {
		b.Fatalf("%s: %v", path, err)
	}
}

// TestKeptByForm: each act by a form has its effect in the store.
func TestKeptByForm(t *testing.T) {
	w := mapped(t)
	b, _ := w.come(t, "city", "boss", hansa.RoleAdministrator)
	b.want("POST", "/datasets", url.Values{"name": {"works"}, "title": {"Road works"}, "licence": {"CC0-1.0"}}, 303, "/datasets?done=added")
	b.want("POST", "/datasets", url.Values{"name": {"works"}}, 422, "already", `aria-invalid="true"`)
	b.want("POST", "/datasets", url.Values{"name": {"No Good"}}, 422, `value="No Good"`, `aria-invalid="true"`)
	b.want("GET", "/datasets", nil, 200, "Road works", "CC0-1.0", "the desk", "nobody yet", "one", "two")
	if d, err := w.datasetFor(hansa.Actor{Party: w.own}, "works"); err != nil || d.Title["en"] != "Road works" {
		t.Errorf("the dataset: %+v %v", d, err)
	}

	flow := named("flow", "one")
	b.want("POST", "/parties/flows/"+flow+"/pause", url.Values{}, 303)
	if c, err := w.line.course(hansa.FlowID(flow)); err != nil || !c.flow.Paused {
		t.Errorf("the flow is not paused: %v", err)
	}
	b.want("GET", "/parties", nil, 200, "to-one", "Paused", "/"+flow+"/resume", "your organisation")
	b.want("POST", "/parties/flows/"+flow+"/resume", url.Values{}, 303)
	if c, err := w.line.course(hansa.FlowID(flow)); err != nil || c.flow.Paused {
		t.Errorf("the flow is still paused: %v", err)
	}

	source := filepath.Join(t.TempDir(), "closures.ndjson")
	if err := os.WriteFile(source, []byte(goodRecord+"\n"+strings.Replace(goodRecord, `"id":"a"`, `"id":"b"`, 1)+"\n"+strings.Replace(goodRecord, `"id":"a"`, `"id":"c"`, 1)+"\n"+strings.Replace(goodRecord, `"id":"a"`, `"id":""`, 1)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	order := url.Values{"source": {source}, "name": {"tunnels"}, "dataset": {"works"}, "format": {"record"}, "minutes": {"5"}, "kind": {"snapshot"}, "do": {"try"}}
	b.want("POST", "/feeds/add", order, 200, "4 found, 3 would be taken, 1 refused", "Oostertunnel", "Start it")
	if _, err := w.feeds.Get("tunnels"); err == nil {
		t.Error("trying a feed kept it")
	}
	order.Set("do", "start")
	b.want("POST", "/feeds/add", order, 303, "/feeds?done=added")
	b.want("POST", "/feeds/add", order, 409, "There is a feed", `aria-invalid="true"`)
	for range 2 { // a file is read when it has stayed as it is for one look
		if _, err := w.feeds.Step(t.Context(), "tunnels"); err != nil {
			t.Fatal(err)
		}
	}
	b.want("GET", "/feeds", nil, 200, "tunnels", "Fresh", "works")
	b.want("GET", "/feeds/tunnels", nil, 200, "Last good answer", "Oostertunnel", source, "every 5 min")
	for _, c := range []struct {
		act  string
		want bool
	}{{"pause", true}, {"resume", false}} {
		b.want("POST", "/feeds/tunnels/"+c.act, url.Values{}, 303)
		if f, err := w.feeds.Get("tunnels"); err != nil || f.Paused != c.want {
			t.Errorf("%s: paused is %v, %v", c.act, f.Paused, err)
		}
	}
	b.want("POST", "/feeds/tunnels/release", url.Values{}, 409, "Nothing is held back", "tunnels")
	b.want("POST", "/feeds/tunnels/remove", url.Values{}, 303)
	b.want("GET", "/feeds/tunnels", nil, 404)
	b.want("GET", "/status", nil, 200, "Journal", "Webhooks", "Stored rows")
	b.want("GET", "/settings/keys", nil, 200, strings.ReplaceAll(w.VerifierKey(), "+", "&#43;"), "/journal/checkpoint")
}

// TestSecretsOnce: a credential's secret stands in the answer that made it and
// nowhere else, and works until it is ended; a user's link likewise.
func TestSecretsOnce(t *testing.T) {
	w := newTown(t)
	b, _ := w.come(t, "city", "boss", hansa.RoleAdministrator)
	shown := func(page string) string { return between(t, page, `<code class="secret">`, "</code>") }
	first := shown(b.want("POST", "/settings/credentials", url.Values{"name": {"gate"}, "kind": {"bearer"}, "right": {"read"}}, 200, "shown this once", "Authorization: Bearer"))
	if code, _ := w.ask(t, "GET", "/api/v1/whoami", "Bearer "+first, "", ""); code != 200 {
		t.Errorf("the secret does not open: %d", code)
	}
	var list struct{ Credentials []room.CredentialRow }
	b.doc("/settings/credentials.json", &list)
	i := slices.IndexFunc(list.Credentials, func(c room.CredentialRow) bool { return c.Name == "gate" })
	if i < 0 {
		t.Fatalf("no credential in %+v", list)
	}
	id := list.Credentials[i].ID
	second := shown(b.want("POST", "/settings/credentials/"+id+"/rotate", url.Values{"hours": {"0"}}, 200))
	for secret, want := range map[string]int{first: 401, second: 200} {
		if code, _ := w.ask(t, "GET", "/api/v1/whoami", "Bearer "+secret, "", ""); code != want {
			t.Errorf("after the rotation: %d, want %d", code, want)
		}
	}
	b.doc("/settings/credentials.json", &list)
	i = slices.IndexFunc(list.Credentials, func(c room.CredentialRow) bool { return c.Name == "gate" && c.State == "good" })
	b.want("POST", "/settings/credentials/"+list.Credentials[i].ID+"/revoke", url.Values{}, 303)
	if code, _ := w.ask(t, "GET", "/api/v1/whoami", "Bearer "+second, "", ""); code != 401 {
		t.Errorf("an ended secret opens: %d", code)
	}
	b.want("POST", "/settings/credentials", url.Values{"name": {"gate"}, "kind": {"bearer"}}, 422, "Tick at least one right")
	b.want("POST", "/settings/credentials", url.Values{"name": {"root"}, "kind": {"bearer"}, "right": {"nonsense"}, "days": {"99999"}}, 422)

	link := shown(b.want("POST", "/settings/users", url.Values{"name": {"Desk 4"}, "role": {"controller"}}, 200, "shown this once", "Desk 4"))
	_, token, ok := strings.Cut(link, "token=")
	if !ok {
		t.Fatalf("the link is %q", link)
	}
	for _, path := range []string{"/settings/credentials", "/settings/users", "/settings/credentials.json", "/settings/users.json", "/settings/keys.json"} {
		page := b.want("GET", path, nil, 200)
		for _, s := range []string{first, second, token, w.give} {
			if strings.Contains(page, s) {
				t.Errorf("%s shows a secret", path)
			}
		}
	}
	desk := &browser{T: t, w: w}
	desk.want("POST", "/enter", url.Values{"token": {token}, "password": {phrase}, "again": {phrase}}, 303)
	desk.want("GET", "/settings/users", nil, 403)
	var crew struct{ Users []room.UserRow }
	b.doc("/settings/users.json", &crew)
	i = slices.IndexFunc(crew.Users, func(u room.UserRow) bool { return u.Name == "Desk 4" })
	user := "/settings/users/" + crew.Users[i].ID
	b.want("POST", user+"/roles", url.Values{}, 422, "at least one role")
	b.want("POST", user+"/roles", url.Values{"role": {"controller", "operator"}}, 303)
	desk.want("GET", "/settings/users", nil, 200, "Desk 4")
	desk.want("POST", "/settings/users", url.Values{"name": {"Mine"}, "role": {"administrator"}}, 403, "Only somebody with the right")
	shown(b.want("POST", user+"/link", url.Values{}, 200))
	b.want("POST", user+"/revoke", url.Values{}, 303)
	desk.want("GET", "/settings/users", nil, 303, "/signin")
}

// TestForeignKept: what is another party's answers as what never was, and stays as it
// was.
func TestForeignKept(t *testing.T) {
	w := newTown(t)
	boss, id := w.come(t, "city", "boss", hansa.RoleAdministrator)
	b, _ := w.come(t, "one", "engineer", hansa.RoleEngineer)
	creds, err := w.trust.Credentials(t.Context(), "did:web:city")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(t.TempDir(), "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root := hansa.Actor{Party: w.own, Rights: []hansa.Right{hansa.RightAdmin}}
	if _, err := (admins{w.Node}).SaveFeed(t.Context(), root, api.FeedOrder{Name: "theirs", Dataset: "closures", Path: t.TempDir(), Every: hansa.Duration(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	before := w.state(t)
	for _, p := range [][3]string{
		{"GET", "/feeds/%s", "theirs"},
		{"GET", "/feeds/%s.json", "theirs"},
		{"POST", "/feeds/%s/pause", "theirs"},
		{"POST", "/feeds/%s/resume", "theirs"},
		{"POST", "/feeds/%s/remove", "theirs"},
		{"POST", "/settings/credentials/%s/revoke", creds[0].ID},
		{"POST", "/settings/credentials/%s/rotate", creds[0].ID},
		{"POST", "/settings/credentials/%s/revoke", "main-of-nobody"},
		{"POST", "/settings/users/%s/revoke", id},
		{"POST", "/settings/users/%s/link", id},
		{"POST", "/settings/users/%s/roles", id},
		{"POST", "/parties/flows/%s/pause", named("flow", "two")},
		{"POST", "/parties/flows/%s/pause", named("flow", "one")},
		{"GET", "/deliveries/%s", "x"},
		{"POST", "/deliveries/%s/replay", "x"},
	} {
		form := url.Values{"role": {"viewer"}}
		if p[0] == "GET" {
			form = nil
		}
		foreign := b.send(p[0], fmt.Sprintf(p[1], p[2]), form)
		never := b.send(p[0], fmt.Sprintf(p[1], "01a20000-0000-7000-8000-000000000000"), form)
		if foreign.Code != 404 || never.Code != 404 {
			t.Errorf("%s %s: %d for a foreign one, %d for none", p[0], p[1], foreign.Code, never.Code)
		}
	}
	if got := w.state(t); got != before {
		t.Errorf("the state went from %v to %v", before, got)
	}
	for _, path := range []string{"/feeds", "/parties", "/datasets", "/settings/users", "/settings/credentials", "/deliveries"} {
		if page := b.want("GET", path, nil, 200); strings.Contains(page, "theirs") || strings.Contains(page, "to-two") || strings.Contains(page, "boss") {
			t.Errorf("%s shows what is another's", path)
		}
	}
	boss.want("GET", "/feeds/theirs", nil, 200, "theirs") // the control: who may sees it
	b.want("GET", "/status", nil, 403)
	b.want("POST", "/feeds/add", url.Values{"source": {"/etc/passwd"}, "name": {"mine"}, "dataset": {"closures"}, "minutes": {"1"}, "do": {"try"}}, 404)
	b.want("POST", "/datasets", url.Values{"name": {"mine"}}, 303)
	b.want("POST", "/feeds/add", url.Values{"source": {"/etc/passwd"}, "name": {"mine"}, "dataset": {"mine"}, "minutes": {"1"}, "do": {"try"}}, 403, "operator reads files")
}

// TestLastAdministrator: nobody takes a party's last administrator away, by form or
// by the API, nor two who take each other away at once.
func TestLastAdministrator(t *testing.T) {
	w := newTown(t)
	boss, id := w.come(t, "city", "boss", hansa.RoleAdministrator)
	user := "/settings/users/" + id
	for _, c := range []struct {
		path string
		form url.Values
	}{{user + "/revoke", url.Values{}}, {user + "/roles", url.Values{"role": {"viewer"}}}} {
		boss.want("POST", c.path, c.form, 409, "is the last administrator of city", "somebody else an administrator first")
	}
	root := hansa.Actor{Party: w.own, Rights: []hansa.Right{hansa.RightAdmin}}
	if _, err := (people{w.Node}).RevokeUser(t.Context(), root, id); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("over the socket: %v", err)
	}
	boss.want("POST", user+"/roles", url.Values{"role": {"administrator", "controller"}}, 303)
	_, other := w.invite(t, "one", "theirs", hansa.RoleAdministrator)
	if other == "" {
		t.Fatal("no link")
	}
	boss.want("POST", user+"/revoke", url.Values{}, 409) // another party's administrator is none here
	_, second := w.come(t, "city", "deputy", hansa.RoleAdministrator)
	var group sync.WaitGroup
	for _, one := range []string{id, second} {
		group.Go(func() {
			_, err := people{w.Node}.RevokeUser(t.Context(), root, one)
			if err != nil && hansa.KindOf(err) != hansa.Conflict {
				t.Error(err)
			}
		})
	}
	group.Wait()
	all, err := w.trust.Users(t.Context(), w.own)
	if err != nil {
		t.Fatal(err)
	}
	left := slices.DeleteFunc(all, func(u trust.User) bool { return !u.Revoked.IsZero() })
	if len(left) != 1 || !slices.Contains(left[0].Roles, hansa.RoleAdministrator) {
		t.Errorf("left are %+v", left)
	}
}

// TestFirstSteps: a new city is led through what it needs, and then no more; a
// company that receives has steps of its own.
func TestFirstSteps(t *testing.T) {
	w := newTown(t)
	b, _ := w.come(t, "city", "boss", hansa.RoleAdministrator)
	b.want("GET", "/", nil, 303, "/first")
	b.want("GET", "/first", nil, 200, "3 steps are left", "network.geojson", `href="/close"`)
	b.want("GET", "/closures", nil, 200, `href="/first"`)
	company, _ := w.come(t, "one", "engineer", hansa.RoleEngineer)
	company.want("GET", "/first", nil, 200, `href="/welcome"`)
	viewer, _ := w.come(t, "city", "viewer", hansa.RoleViewer)
	viewer.want("GET", "/", nil, 303, "/live")
	viewer.want("GET", "/first", nil, 403)
	if code, body := w.ask(t, "POST", "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", goodRecord); code != 200 {
		t.Fatal(code, body)
	}
	list, err := readPlaces(strings.NewReader(`{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":"x","name":"X","kind":"tunnel","direction":"both"},"geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38]]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(t.Context(), &Setup{Places: map[hansa.PartyID][]hansa.Place{w.own: list}}); err != nil {
		t.Fatal(err)
	}
	b.want("GET", "/", nil, 303, "/live")
	b.want("GET", "/first", nil, 200, "All is done", "if you like")
}

// TestDeliveryOnItsPage: a delivery that failed is found, shown with what it holds to
// both sides and to nobody else, and sent again by a press.
func TestDeliveryOnItsPage(t *testing.T) {
	var mu sync.Mutex
	fails, got := true, [][]byte{}
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var e struct {
			Subject string         `json:"subject"`
			Data    map[string]any `json:"data"`
		}
		body := make([]byte, 64<<10)
		n := 0
		for {
			k, err := r.Body.Read(body[n:])
			if n += k; err != nil {
				break
			}
		}
		_ = json.Unmarshal(body[:n], &e)
		if c, ok := e.Data["challenge"].(string); ok {
			fmt.Fprint(rw, c)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, body[:n])
		if fails {
			rw.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer hook.Close()
	r := run(t, strings.TrimPrefix(hook.URL, "http://"))
	if status, body, _ := r.call("POST", "/data/v1/flows/live/subscriptions", r.take, "application/json", `{"url":"`+hook.URL+`/h","format":"record"}`); status != http.StatusCreated {
		t.Fatal(status, body)
	}
	w := &town{Node: r.node}
	city, _ := w.come(t, "city", "boss", hansa.RoleAdministrator)
	nav, _ := w.come(t, "nav", "engineer", hansa.RoleEngineer)
	soon := func(what string, is func() bool) {
		t.Helper()
		for range 400 {
			if is() {
				return
			}
			time.Sleep(25 * time.Millisecond)
		}
		t.Fatal("never: " + what)
	}
	soon("the subscription is active", func() bool {
		_, body, _ := r.call("GET", "/data/v1/flows/live/subscriptions", r.take, "", "")
		return strings.Contains(body, `"active"`)
	})
	r.publish("d1")
	var list struct{ Deliveries []room.Delivery }
	soon("a delivery that waits", func() bool {
		city.doc("/deliveries.json?state=waiting", &list)
		return len(list.Deliveries) == 1 && len(list.Deliveries[0].Attempts) > 0
	})
	path := "/deliveries/" + list.Deliveries[0].ID
	city.want("GET", "/deliveries", nil, 200, "Oostertunnel", "Waiting", "500", path)
	city.want("GET", "/deliveries?state=parked", nil, 200, "None in this state", "All <b>1</b>", "Waiting <b>1</b>", "Parked <b>0</b>")
	var one room.Delivery
	city.doc(path+".json", &one)
	mu.Lock()
	same := len(got) > 0 && one.Payload == string(got[0])
	mu.Unlock()
	if !same || !one.AsSent {
		t.Errorf("what the page shows is not what was sent (%v): %.300s", one.AsSent, one.Payload)
	}
	page := nav.want("GET", path, nil, 200, "byte for byte what was sent", "Send again now", one.Digest)
	if strings.Contains(page, `href="/closures/d1"`) {
		t.Error("a receiver is led to a page that it has not")
	}
	city.want("GET", path, nil, 200, `href="/closures/d1"`, "curl -H &#34;Authorization: Bearer $TOKEN&#34;")
	mu.Lock()
	fails = false
	mu.Unlock()
	city.want("POST", path+"/replay", url.Values{}, 303, path+"?done=replay")
	city.want("GET", path+"?done=replay", nil, 200, "Delivered", "It was sent again")
	viewer, _ := w.come(t, "nav", "viewer", hansa.RoleViewer)
	viewer.want("POST", path+"/replay", url.Values{}, 403)
	if page := viewer.want("GET", path, nil, 200); strings.Contains(page, "Send again now") {
		t.Error("a viewer is shown a button that is refused")
	}
	if err := r.node.Apply(t.Context(), &Setup{Parties: []hansa.Party{{ID: "did:web:third", Name: "third", Title: "Third", Kind: hansa.Company, Hosted: true}}}); err != nil {
		t.Fatal(err)
	}
	third, _ := w.come(t, "third", "engineer", hansa.RoleEngineer)
	third.want("GET", path, nil, 404)
	third.want("POST", path+"/replay", url.Values{}, 404)
	stranger := hansa.Actor{Party: "did:web:third", Rights: []hansa.Right{hansa.RightAdmin}}
	if body, _, err := r.node.deliver.Body(t.Context(), stranger, list.Deliveries[0].ID); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("an operator who is neither side reads %q, %v", body, err)
	}
}

// TestKeptHostile: what a source answers and what people are called stands on the
// pages as text.
func TestKeptHostile(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	w := mapped(t)
	b, _ := w.come(t, "city", "boss", hansa.RoleAdministrator)
	dir := t.TempDir()
	for name, body := range map[string]string{"good": strings.Replace(goodRecord, "Oostertunnel", `\u0022><script>alert(1)</script>\u202e`, 1), "bad": evil + "\u202e"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		order := url.Values{"source": {filepath.Join(dir, name)}, "name": {name}, "dataset": {"closures"}, "format": {"record"}, "minutes": {"5"}, "do": {"try"}}
		inertOn(t, "a trial of "+name, b.want("POST", "/feeds/add", order, 200, "What it gives"))
		order.Set("do", "start")
		b.want("POST", "/feeds/add", order, 303)
		for range 2 {
			_, _ = w.feeds.Step(t.Context(), name) // a bad answer is told on the page
		}
	}
	b.want("POST", "/datasets", url.Values{"name": {"x"}, "title": {evil}, "licence": {evil}}, 303)
	b.want("POST", "/settings/users", url.Values{"name": {`<script>alert(1)</script>`}, "role": {"viewer"}}, 200)
	for _, path := range []string{"/feeds", "/feeds/good", "/feeds/bad", "/datasets", "/settings/users", "/settings/credentials", "/deliveries", "/parties", "/status", "/first", "/closures", "/live", "/deliveries?state=" + url.QueryEscape(evil), "/feeds/" + url.PathEscape(evil)} {
		res := b.send("GET", path, nil)
		inertOn(t, path, res.Body.String())
		if p := res.Header().Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'self'") {
			t.Errorf("%s is under the policy %q", path, p)
		}
	}
	b.want("GET", "/feeds/bad", nil, 200, "Last bad answer", "&lt;script&gt;")
	b.want("GET", "/feeds/good", nil, 200, "Last good answer", "&lt;script&gt;")
}

func inertOn(t *testing.T, what, page string) {
	t.Helper()
	for _, never := range []string{"<script>", "<img", "ZgotmplZ", " style=", "\u202e"} {
		if i := strings.Index(page, never); i >= 0 {
			t.Errorf("%s has %q: …%s…", what, never, page[max(0, i-80):min(len(page), i+80)])
		}
	}
}
