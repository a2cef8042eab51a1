package node

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

const phrase = "three boats in the fog"

// browser is a person's browser: it keeps cookies and says what browsers say.
type browser struct {
	*testing.T
	w      *town
	cookie *http.Cookie
	header http.Header
}

func (b *browser) send(method, path string, form url.Values) *httptest.ResponseRecorder {
	b.Helper()
	ctx, stop := context.WithTimeout(b.Context(), 5*time.Second)
	defer stop()
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("User-Agent", "Testing/1")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(r.Header, b.header)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	rec := httptest.NewRecorder()
	b.w.Handler().ServeHTTP(rec, r)
	if set := rec.Header().Get("Set-Cookie"); set != "" {
		c, err := http.ParseSetCookie(set)
		if err != nil {
			b.Fatal(err)
		}
		if b.cookie = c; c.MaxAge < 0 {
			b.cookie = nil
		}
	}
	return rec
}

func (b *browser) want(method, path string, form url.Values, status int, says ...string) string {
	b.Helper()
	res := b.send(method, path, form)
	text := res.Body.String() + " → " + res.Header().Get("Location")
	if res.Code != status {
		b.Errorf("%s %s: got %d, want %d: %.300s", method, path, res.Code, status, text)
	}
	for _, s := range says {
		if !strings.Contains(text, s) {
			b.Errorf("%s %s does not say %q: %.1500s", method, path, s, text)
		}
	}
	return text
}

// invite makes a user of party and returns its id and the path of its link.
func (w *town) invite(t *testing.T, party, name string, roles ...hansa.UserRole) (id, path string) {
	t.Helper()
	root := hansa.Actor{Party: w.own, Rights: []hansa.Right{hansa.RightAdmin}}
	in, err := people{w.Node}.AddUser(t.Context(), root, api.UserOrder{Party: party, Name: name, Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	return in.User.ID, in.Link
}

// come signs a new user in.
func (w *town) come(t *testing.T, party, name string, roles ...hansa.UserRole) (*browser, string) {
	t.Helper()
	id, path := w.invite(t, party, name, roles...)
	b := &browser{T: t, w: w}
	_, token, _ := strings.Cut(path, "token=")
	b.want("POST", "/enter", url.Values{"token": {token}, "password": {phrase}, "again": {phrase}}, http.StatusSeeOther, "→ /")
	if b.cookie == nil {
		t.Fatal("no session")
	}
	return b, id
}

// TestPersonComesInAndGoesOut is a user's first day, without JavaScript.
func TestPersonComesInAndGoesOut(t *testing.T) {
	w := newTown(t)
	_, link := w.invite(t, "city", "Desk 3", hansa.RoleController)
	_, token, _ := strings.Cut(link, "token=")
	b := &browser{T: t, w: w}
	b.want("GET", "/live?view=table", nil, 303, "/signin?next=%2Flive%3Fview%3Dtable")
	b.want("GET", "/live.json", nil, 401)
	for range 3 { // a mail program looks at the link
		b.want("GET", link, nil, 200, "Welcome, Desk 3", `name="token" value="`+token+`"`, `autocomplete="new-password"`)
	}
	b.want("POST", "/enter", url.Values{"token": {token}, "password": {phrase}, "again": {phrase + "s"}}, 422, "The two passwords are not the same.", `id="again"`, `aria-invalid="true"`)
	b.want("POST", "/enter", url.Values{"token": {token}, "password": {"desk 3"}, "again": {"desk 3"}}, 422, "at least 12 characters")
	b.want("POST", "/enter", url.Values{"token": {token}, "password": {phrase}, "again": {phrase}}, 303, "→ /")
	if c := b.cookie; c == nil || c.Name != cookiePlain || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Fatalf("the session's cookie: %+v", b.cookie)
	}
	b.want("GET", "/live", nil, 200, "Situation", `href="/settings/account"`)
	b.want("GET", "/api/v1/whoami", nil, 200, `"did:web:city"`, `"control"`)
	b.want("GET", "/data/v1/flows/to-one/snapshot", nil, 401) // data is for programs
	(&browser{T: t, w: w}).want("POST", "/enter", url.Values{"token": {token}, "password": {phrase}, "again": {phrase}}, 401, "used already", "This link does not open")
	page := b.want("GET", "/settings/account", nil, 200, "Desk 3", "Testing/1", "this one", "controller")
	if strings.Contains(page, b.cookie.Value) {
		t.Error("the page shows the session's token")
	}
	old := *b.cookie
	b.want("POST", "/signout", url.Values{}, 303, "/signin?out")
	if b.cookie != nil {
		t.Error("the cookie stayed")
	}
	stolen := &browser{T: t, w: w, cookie: &old}
	stolen.want("GET", "/live", nil, 303, "/signin")
	b.want("GET", "/signin?out", nil, 200, "You are signed out.")
	b.want("POST", "/signin", url.Values{"name": {"desk 3"}, "password": {"wrong"}, "next": {"/live?view=table"}}, 401, "The name or the password is not right.", `value="desk 3"`, `role="alert"`, `name="next" value="/live?view=table"`)
	b.want("POST", "/signin", url.Values{"name": {"desk 3@city"}, "password": {phrase}, "next": {"/live?view=table"}}, 303, "→ /live?view=table")
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "javascript:alert(1)", "/signin", "live", "/\t/evil.example", ""} {
		b.want("POST", "/signin", url.Values{"name": {"desk 3"}, "password": {phrase}, "next": {next}}, 303, "→ /live")
	}
}

// TestSessionIsOnesOwn: a token that a browser brings is never taken over, a new
// sign-in ends the session before, and only one's own sessions can be ended.
func TestSessionIsOnesOwn(t *testing.T) {
	w := newTown(t)
	one, _ := w.come(t, "city", "one", hansa.RoleViewer)
	two, _ := w.come(t, "city", "two", hansa.RoleViewer)
	planted := &browser{T: t, w: w, cookie: &http.Cookie{Name: cookiePlain, Value: "hansa_planted-by-somebody-else-0123456789abcdef"}}
	planted.want("POST", "/signin", url.Values{"name": {"one"}, "password": {phrase}}, 303)
	if planted.cookie == nil || strings.Contains(planted.cookie.Value, "planted") {
		t.Errorf("a planted session was taken over: %v", planted.cookie)
	}
	before := *one.cookie
	one.want("POST", "/signin", url.Values{"name": {"one"}, "password": {phrase}}, 303)
	(&browser{T: t, w: w, cookie: &before}).want("GET", "/live", nil, 303)
	page := planted.want("GET", "/settings/account", nil, 200)
	_, rest, ok := strings.Cut(page, "/settings/account/sessions/")
	if !ok {
		t.Fatalf("no other session is listed: %s", page)
	}
	other, _, _ := strings.Cut(rest, "/")
	two.want("POST", "/settings/account/sessions/"+other+"/end", url.Values{}, 404, "There is no such session")
	planted.want("POST", "/settings/account/sessions/"+other+"/end", url.Values{}, 303, "done=session")
	one.want("GET", "/live", nil, 303)
	two.want("POST", "/settings/account/password", url.Values{"old": {"wrong"}, "password": {phrase + "s"}, "again": {phrase + "s"}}, 422, "The present password is not right.")
	old := *two.cookie
	two.want("POST", "/settings/account/password", url.Values{"old": {phrase}, "password": {phrase + "s"}, "again": {phrase + "s"}}, 303, "done=password")
	two.want("GET", "/live", nil, 200)
	(&browser{T: t, w: w, cookie: &old}).want("GET", "/live", nil, 303)
}

// TestOtherSitesForms: what another site's page sends with a person's cookie is
// refused and changes nothing; our own page's form, as control, is not.
func TestOtherSitesForms(t *testing.T) {
	w := newTown(t)
	b, _ := w.come(t, "city", "boss", hansa.RoleAdministrator)
	before := w.state(t)
	for name, h := range map[string]http.Header{
		"cross-site": {"Sec-Fetch-Site": {"cross-site"}}, "same-site": {"Sec-Fetch-Site": {"same-site"}},
		"old browser": {"Sec-Fetch-Site": nil, "Origin": {"https://evil.example"}}, "null": {"Sec-Fetch-Site": nil, "Origin": {"null"}},
	} {
		evil := &browser{T: t, w: w, cookie: b.cookie, header: h}
		for _, d := range w.doors.table {
			if d.Method == http.MethodGet || d.Right == "" && !strings.HasPrefix(d.Pattern, "/sign") && !strings.HasPrefix(d.Pattern, "/settings") && d.Pattern != "/enter" {
				continue
			}
			res := evil.send(d.Method, filled(d.Pattern, "to-one", "closures"), url.Values{"name": {"boss"}, "password": {phrase}})
			if res.Code != http.StatusForbidden && res.Code != http.StatusUnauthorized {
				t.Errorf("%s: %s %s: got %d", name, d.Method, d.Pattern, res.Code)
			}
			evil.cookie = b.cookie
		}
	}
	(&browser{T: t, w: w, cookie: b.cookie, header: http.Header{"Sec-Fetch-Site": {"cross-site"}}}).want("GET", "/api/v1/users", nil, 403)
	if got := w.state(t); got != before {
		t.Errorf("refused forms changed the state from %v to %v", before, got)
	}
	b.want("GET", "/api/v1/users", nil, 200, `"boss"`)
	b.want("POST", "/signout", url.Values{}, 303)
}

// TestTriesAreLimited: after ten wrong passwords the page says how long to wait,
// and the right one waits too.
func TestTriesAreLimited(t *testing.T) {
	w := newTown(t)
	in, _ := w.come(t, "city", "eva", hansa.RoleViewer)
	b := &browser{T: t, w: w}
	for range 10 {
		b.want("POST", "/signin", url.Values{"name": {"eva"}, "password": {"x"}}, 401)
	}
	res := b.send("POST", "/signin", url.Values{"name": {"eva"}, "password": {phrase}})
	if late := res.Header().Get("Retry-After"); res.Code != http.StatusTooManyRequests || late == "" || late == "0" {
		t.Errorf("an eleventh try: got %d, Retry-After %q", res.Code, late)
	}
	in.want("GET", "/live", nil, 200) // who is in stays in
}

// TestUsersOfOthers: a party's users are to another party as if they never were,
// and nobody gives, takes or takes over what he does not hold.
func TestUsersOfOthers(t *testing.T) {
	w := newTown(t)
	boss, bossID := w.come(t, "city", "boss", hansa.RoleAdministrator)
	one, _ := w.come(t, "one", "eva", hansa.RoleAdministrator)
	two, twoID := w.come(t, "two", "eva", hansa.RoleEngineer)
	post := func(b *browser, path, body string) (int, string) {
		t.Helper()
		return w.askAs(t, b, "POST", path, body)
	}
	plain := func(s string) string { s, _, _ = strings.Cut(s, `,"requestId"`); return s }
	for _, act := range []string{"", "/link", "/roles", "/revoke"} {
		method, body := "POST", `{}`
		if act == "" {
			method = "GET"
		}
		if act == "/roles" {
			body = `{"roles":["viewer"]}`
		}
		never, says := w.askAs(t, one, method, "/api/v1/users/01a20000-0000-7000-8000-000000000000"+act, body)
		for _, foreign := range []string{twoID, bossID, "eva@two", "boss@city"} {
			got, text := w.askAs(t, one, method, "/api/v1/users/"+foreign+act, body)
			if got != 404 || got != never || plain(text) != plain(says) {
				t.Errorf("%s %s%s: %d %s, and for none %d %s", method, foreign, act, got, text, never, says)
			}
		}
	}
	if code, body := w.askAs(t, one, "GET", "/api/v1/users", ""); code != 200 || strings.Count(body, `"id"`) != 1 {
		t.Errorf("company one lists %d %s", code, body)
	}
	if code, body := w.askAs(t, one, "GET", "/api/v1/users?party=two", ""); code != 404 {
		t.Errorf("company one lists two's: %d %s", code, body)
	}
	if code, body := post(two, "/api/v1/users", `{"name":"root","roles":["administrator"]}`); code != 403 {
		t.Errorf("an engineer makes an administrator: %d %s", code, body)
	}
	if code, body := post(boss, "/api/v1/users", `{"party":"two","name":"lead","roles":["administrator"]}`); code != 201 {
		t.Fatalf("the operator makes one: %d %s", code, body)
	}
	for _, act := range []string{"/link", "/revoke"} {
		if code, body := post(two, "/api/v1/users/lead"+act, `{}`); code != 403 {
			t.Errorf("an engineer takes an administrator over by %s: %d %s", act, code, body)
		}
	}
	if code, body := post(one, "/api/v1/users", `{"name":"EVA","roles":["viewer"]}`); code != 409 {
		t.Errorf("a name taken: %d %s", code, body)
	}
	if code, _ := w.askAs(t, one, "GET", "/api/v1/status", ""); code != 403 {
		t.Errorf("a company's administrator operates the node: %d", code)
	}
	if code, _ := w.askAs(t, boss, "GET", "/api/v1/status", ""); code != 200 {
		t.Errorf("the city's administrator does not: %d", code)
	}
	two.want("GET", "/live", nil, 200)
	if code, body := post(boss, "/api/v1/users/eva@two/revoke", `{}`); code != 200 || !strings.Contains(body, `"state":"revoked"`) {
		t.Errorf("revoking: %d %s", code, body)
	}
	two.want("GET", "/live", nil, 303, "/signin")
	two.want("GET", "/api/v1/whoami", nil, 401)
}

// askAs sends JSON with a browser's cookie.
func (w *town) askAs(t *testing.T, b *browser, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(b.cookie)
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// TestStreamEndsWithTheUser: a page that is open is brought up to date no more once
// its user is revoked.
func TestStreamEndsWithTheUser(t *testing.T) {
	w := newTown(t)
	b, id := w.come(t, "city", "eva", hansa.RoleViewer)
	s := httptest.NewServer(w.Handler())
	defer s.Close()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(b.cookie)
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := res.Body.Read(make([]byte, 1)); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %v", res.StatusCode, err)
	}
	if _, err := (people{w.Node}).RevokeUser(t.Context(), hansa.Actor{Party: w.own, Rights: []hansa.Right{hansa.RightAdmin}}, id); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Errorf("the stream did not end: %v", err)
	}
}

// TestCookieOverTLS: over https the cookie is bound to host and scheme, a plain one
// is worth nothing, and behind a proxy tries are counted by whom the proxy saw.
func TestCookieOverTLS(t *testing.T) {
	n, err := Open(t.Context(), Config{Data: filepath.Join(t.TempDir(), "n"), Origin: "x.example", PublicURL: "https://x.example/", Own: "did:web:city", TrustedProxy: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Apply(t.Context(), &Setup{Parties: []hansa.Party{{ID: "did:web:city", Name: "city", Title: "City", Kind: hansa.City}}}); err != nil {
		t.Fatal(err)
	}
	link, _, err := n.Invite(t.Context(), "eva", "", hansa.RoleAdministrator)
	if err != nil || !strings.HasPrefix(link, "https://x.example/enter?token=hansa_") {
		t.Fatalf("%s %v", link, err)
	}
	_, token, _ := strings.Cut(link, "token=")
	b := &browser{T: t, w: &town{Node: n}}
	b.want("POST", "/enter", url.Values{"token": {token}, "password": {phrase}, "again": {phrase}}, 303)
	if c := b.cookie; c == nil || c.Name != cookieTLS || !c.Secure || c.Path != "/" || c.Domain != "" {
		t.Fatalf("the cookie over TLS: %+v", c)
	}
	b.want("GET", "/live", nil, 200)
	value := b.cookie.Value
	b.cookie = &http.Cookie{Name: cookiePlain, Value: value}
	b.want("GET", "/live", nil, 303)
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.Header.Set("X-Forwarded-For", "203.0.113.9, 192.0.2.44")
	if got := n.from(r); got != (trust.From{Address: "192.0.2.44"}) {
		t.Errorf("a caller behind a proxy comes from %+v", got)
	}
}

// TestManagerTakesNothingOver: who manages cannot rotate, and so get, a credential
// that may more than he; one that may as much, as control, he can.
func TestManagerTakesNothingOver(t *testing.T) {
	w := newTown(t)
	b, _ := w.come(t, "city", "keeper", hansa.RoleOperator)
	if code, body := w.askAs(t, b, "POST", "/api/v1/credentials/main/rotate", `{}`); code != 403 {
		t.Errorf("a credential with the right control: got %d %s", code, body)
	}
	e, _ := w.come(t, "one", "engineer", hansa.RoleEngineer)
	if code, body := w.askAs(t, e, "POST", "/api/v1/credentials/main/rotate", `{}`); code != 200 {
		t.Errorf("a credential with the rights read and receipt: got %d %s", code, body)
	}
}

// TestPeopleAfterRestore: a node that was restored knows its users, and no session
// or link from before.
func TestPeopleAfterRestore(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Data: filepath.Join(dir, "a"), Origin: "x.example", Own: "did:web:city", Log: slog.New(slog.DiscardHandler)}
	n, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Apply(t.Context(), &Setup{Parties: []hansa.Party{{ID: "did:web:city", Name: "city", Title: "City", Kind: hansa.City}}}); err != nil {
		t.Fatal(err)
	}
	w := &town{Node: n}
	b, _ := w.come(t, "city", "eva", hansa.RoleAdministrator)
	_, open := w.invite(t, "city", "late", hansa.RoleViewer)
	b.want("GET", "/live", nil, 200)
	copied := filepath.Join(dir, "copy.db")
	if err := n.db.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Restore(t.Context(), copied, filepath.Join(dir, "b", DatabaseName), time.Now()); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "a", "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b", "node.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Data = filepath.Join(dir, "b")
	if b.w.Node, err = Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer b.w.Close()
	b.want("GET", "/live", nil, 303, "/signin")
	b.want("GET", open, nil, 401, "before this node was restored")
	b.want("POST", "/signin", url.Values{"name": {"eva"}, "password": {phrase}}, 303)
	b.want("GET", "/live", nil, 200)
}

// TestPasswordIsLost: a recovery link sets another password, ends every session
// that was open, and the old password is good no more.
func TestPasswordIsLost(t *testing.T) {
	w := newTown(t)
	b, id := w.come(t, "one", "eva", hansa.RoleDuty)
	in, err := people{w.Node}.LinkUser(t.Context(), hansa.Actor{Party: w.own, Rights: []hansa.Right{hansa.RightAdmin}}, id, api.LinkOrder{GoodForHours: 1})
	if err != nil || in.Purpose != string(trust.LinkRecovery) || in.User.SignIn != "eva@one" {
		t.Fatalf("%+v %v", in, err)
	}
	b.want("GET", "/live", nil, 200) // a link alone ends nothing
	_, token, _ := strings.Cut(in.Link, "token=")
	fresh := &browser{T: t, w: w}
	fresh.want("GET", in.Link, nil, 200, "A new password for eva", "eva@one")
	fresh.want("POST", "/enter", url.Values{"token": {token}, "password": {phrase + "s"}, "again": {phrase + "s"}}, 303)
	b.want("GET", "/live", nil, 303)
	b.cookie = nil
	b.want("POST", "/signin", url.Values{"name": {"eva@one"}, "password": {phrase}}, 401)
	b.want("POST", "/signin", url.Values{"name": {"eva"}, "password": {phrase + "s"}}, 401) // a name alone is the city's own
	b.want("POST", "/signin", url.Values{"name": {" EVA@One "}, "password": {phrase + "s"}}, 303)
	b.want("POST", "/signin", url.Values{"name": {`"><script>alert(1)</script>`}, "password": {"x"}}, 401, "&lt;script&gt;")
}

// A node whose pages are open to everybody has none on which a link would open: it issues
// none, and makes no user who could never come in.
func TestOpenRoomIssuesNoLink(t *testing.T) {
	w := newTown(t)
	w.cfg.OpenRoom = true
	root := hansa.Actor{Party: w.own, Rights: []hansa.Right{hansa.RightAdmin, hansa.RightManage}}
	_, err := people{w.Node}.AddUser(t.Context(), root, api.UserOrder{Name: "Desk 3", Roles: []hansa.UserRole{hansa.RoleController}})
	if hansa.KindOf(err) != hansa.Conflict || !strings.Contains(err.Error(), "open to everybody") || hansa.Public(err).Hint == "" {
		t.Errorf("a user's link: %v", err)
	}
	if list, err := (people{w.Node}).Users(t.Context(), root, ""); err != nil || len(list) != 0 {
		t.Errorf("users: %v, %v", list, err)
	}
	if _, err := (invites{w.Node}).Invite(t.Context(), root, api.InvitationOrder{For: "Navco", Purpose: "closures"}); hansa.KindOf(err) != hansa.Conflict || !strings.Contains(err.Error(), "open to everybody") {
		t.Errorf("an invitation: %v", err)
	}
}
