package room_test

import (
	"context"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// evil stands wherever others may have written something.
const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "\u202e\u2066"

// secret is what no page and no list may show twice.
const secret = "hx_d2hhdCBub2JvZHkgc2VlcyB0d2ljZQ"

// kept is a keeper whose every word is s. Each act answers err.
type kept struct {
	s    string
	err  error
	acts []string
}

func (k *kept) act(what string) error {
	k.acts = append(k.acts, what)
	return k.err
}

func (k *kept) Deliveries(_ context.Context, _ hansa.Actor, _, id string) (room.Deliveries, error) {
	if id == "none" {
		return room.Deliveries{}, hansa.Errorf(hansa.NotFound, "there is no delivery %q", id)
	}
	tries := []hansa.Attempt{{At: now, Error: k.s}, {At: now, Status: 500, Error: k.s}, {At: now, Status: 204, Took: hansa.Duration(time.Second)}}
	d := room.Delivery{ID: k.s, Party: k.s, Flow: k.s, FlowID: k.s, Subscription: k.s, Record: k.s, Name: k.s, State: k.s, URL: "https://a.example/" + k.s, Digest: k.s, Made: now, Next: now, Attempts: tries, Payload: k.s}
	parked, unknown := d, d
	parked.State, parked.Payload, unknown.State, unknown.Name = "parked", `{"a":"`+"<script>"+`"}`, "delivered", ""
	return room.Deliveries{List: []room.Delivery{d, parked, unknown}, More: 3, Handovers: []room.Handover{{At: now, Party: k.s, Flow: k.s, How: k.s, Bytes: 3000}}}, nil
}

func (k *kept) Replay(_ context.Context, _ hansa.Actor, id string) error {
	return k.act("replay " + id)
}

func (k *kept) row() room.FeedRow {
	return room.FeedRow{Name: k.s, Status: hansa.FeedHeld, Since: now, Why: k.s, LastGood: now, LastTry: now, Records: 2, Dataset: k.s, Source: k.s, Format: k.s, Kind: k.s, Every: hansa.Duration(time.Minute)}
}

func (k *kept) Feeds(context.Context, hansa.Actor) ([]room.FeedRow, error) {
	strange := k.row()
	strange.Status = hansa.FeedStatus(k.s)
	return []room.FeedRow{k.row(), strange}, nil
}

func (k *kept) Feed(context.Context, hansa.Actor, string) (room.FeedSheet, error) {
	return room.FeedSheet{FeedRow: k.row(), Good: &room.FeedAnswer{At: now, Body: k.s}, Bad: &room.FeedAnswer{At: now, Why: k.s, Body: strings.Repeat(k.s, 1000)}}, nil
}

func (k *kept) TryFeed(context.Context, hansa.Actor, room.FeedOrder) (room.Trial, error) {
	return room.Trial{In: 2, Taken: 1, Refused: 1, Broken: k.s, Records: []room.TrialRecord{{ID: k.s, Says: k.s, Findings: []string{k.s}}}, Errors: []string{k.s}}, k.act("try")
}

func (k *kept) AddFeed(_ context.Context, _ hansa.Actor, o room.FeedOrder) error {
	return k.act("add " + o.Name + " every " + o.Every.String())
}

func (k *kept) ChangeFeed(_ context.Context, _ hansa.Actor, name, what string) error {
	return k.act(what + " " + name)
}

func (k *kept) Readable() []string { return []string{k.s} }

func (k *kept) Datasets(context.Context, hansa.Actor) ([]room.DatasetRow, error) {
	return []room.DatasetRow{{Name: k.s, Title: k.s, Kind: k.s, Licence: k.s, Holder: k.s, Feeds: []string{k.s}, To: []string{k.s}}, {Name: "bare", Kind: "situation"}}, nil
}

func (k *kept) AddDataset(_ context.Context, _ hansa.Actor, name, _, _ string) error {
	return k.act("dataset " + name)
}

func (k *kept) Parties(context.Context, hansa.Actor) ([]room.PartyRow, error) {
	f := room.FlowRow{ID: hansa.FlowID(k.s), Name: k.s, Dataset: k.s, Given: true, Purposes: []string{k.s}, Formats: []string{k.s}, Limit: hansa.Duration(time.Minute), Test: true}
	g := f
	g.Given, g.Paused = false, true
	return []room.PartyRow{{ID: hansa.PartyID(k.s), Name: k.s, Title: k.s, Kind: hansa.PartyKind(k.s), Contact: k.s, Share: .3, Flows: []room.FlowRow{f, g}}, {Title: "own", Own: true}}, nil
}

func (k *kept) PauseFlow(_ context.Context, _ hansa.Actor, id string, _ bool) error {
	return k.act("flow " + id)
}

func (k *kept) Credentials(context.Context, hansa.Actor) ([]room.CredentialRow, error) {
	return []room.CredentialRow{{ID: k.s, Name: k.s, Kind: k.s, Rights: []string{k.s}, Test: true, State: "good", Issued: now}, {ID: "2", Name: "old", State: k.s, Issued: now, LastUsed: now}}, nil
}

func (k *kept) AddCredential(_ context.Context, _ hansa.Actor, o room.CredentialOrder) (room.Secret, error) {
	return room.Secret{ID: "c", Name: o.Name, Kind: o.Kind, Secret: secret}, k.act("credential " + o.Name)
}

func (k *kept) RotateCredential(_ context.Context, _ hansa.Actor, id string, overlap time.Duration) (room.Secret, error) {
	return room.Secret{ID: id, Name: k.s, Kind: k.s, Secret: secret}, k.act("rotate " + id + " " + overlap.String())
}

func (k *kept) RevokeCredential(_ context.Context, _ hansa.Actor, id string) error {
	return k.act("revoke " + id)
}

func (k *kept) Users(context.Context, hansa.Actor) ([]room.UserRow, error) {
	return []room.UserRow{{ID: k.s, Name: k.s, SignIn: k.s, Mail: k.s, Roles: []hansa.UserRole{hansa.UserRole(k.s)}, State: k.s}, {ID: "gone", Name: "Gone", State: "revoked"}}, nil
}

func (k *kept) AddUser(_ context.Context, _ hansa.Actor, name, _ string, _ []hansa.UserRole) (room.Pass, error) {
	return room.Pass{Name: name, Link: "https://a.example/enter?token=" + secret, Expires: now}, k.act("user " + name)
}

func (k *kept) LinkUser(_ context.Context, _ hansa.Actor, id string) (room.Pass, error) {
	return room.Pass{Name: k.s, Link: "https://a.example/enter?token=" + secret, Expires: now}, k.act("link " + id)
}

func (k *kept) SetRoles(_ context.Context, _ hansa.Actor, id string, roles []hansa.UserRole) error {
	return k.act("roles " + id + " " + string(slices.Concat(roles, []hansa.UserRole{""})[0]))
}

func (k *kept) RevokeUser(_ context.Context, _ hansa.Actor, id string) error {
	return k.act("end " + id)
}

func (k *kept) Keys(context.Context, hansa.Actor) room.Keys {
	return room.Keys{Origin: k.s, Verifier: k.s, Checkpoint: k.s}
}

func (k *kept) Notes(context.Context, hansa.Actor) ([]room.Note, error) {
	return []room.Note{{ID: "n2", At: now, Author: k.s, Who: k.s, Text: k.s}, {ID: "n1", At: now, Who: k.s}}, nil
}

func (k *kept) WriteNote(_ context.Context, _ hansa.Actor, text, after string) error {
	return k.act("note " + text + " after " + after)
}

func (k *kept) Status(context.Context, hansa.Actor) ([]room.Check, error) {
	return []room.Check{{What: k.s, OK: true, Says: k.s}, {What: k.s, Says: k.s, Mend: k.s}}, nil
}

func (k *kept) FirstSteps(context.Context, hansa.Actor) ([]room.FirstStep, error) {
	return []room.FirstStep{{What: k.s, Why: k.s, Href: "/x", Done: true}, {What: k.s, Why: k.s, Command: k.s}, {What: k.s, Free: true}}, nil
}

// keeping opens the room over a keeper, for somebody with these rights.
func keeping(t *testing.T, k room.Keeper, rights ...hansa.Right) http.Handler {
	t.Helper()
	d := &dealt{s: "x"}
	if one, ok := k.(*kept); ok {
		d.s = one.s
	}
	return opened(t, k, d, rights...)
}

func opened(t *testing.T, k room.Keeper, d room.Deals, rights ...hansa.Right) http.Handler {
	t.Helper()
	n, ok := k.(room.Shift)
	if !ok {
		n = &kept{s: "x"}
	}
	r, err := room.New(room.Config{
		Source: &canned{live: afternoon(t), change: make(chan struct{})}, Keeper: k, Deals: d, Shift: n, Now: func() time.Time { return now },
		Authenticate: func(*http.Request) (hansa.Actor, error) {
			return hansa.Actor{Party: "did:web:doggerhaven.example", Rights: rights}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		mux.Handle(route.Method+" "+route.Pattern, r.Handler(route.Pattern))
	}
	return mux
}

func post(t *testing.T, h http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), "POST", path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// keptPages are the pages of what is kept, with the right that each needs.
func keptPages() map[string]hansa.Right {
	out := dealtPages()
	maps.Copy(out, map[string]hansa.Right{
		"/deliveries": hansa.RightRead, "/deliveries?state=parked": hansa.RightRead, "/deliveries/d": hansa.RightRead, "/datasets": hansa.RightRead, "/parties": hansa.RightRead, "/help": "", "/shift": hansa.RightRead,
		"/feeds": hansa.RightControl, "/feeds/f": hansa.RightManage, "/feeds/add": hansa.RightManage, "/settings": hansa.RightManage, "/settings/credentials": hansa.RightManage,
		"/settings/users": hansa.RightManage, "/settings/keys": hansa.RightManage, "/first": hansa.RightManage, "/status": hansa.RightAdmin,
	})
	return out
}

var (
	controls = regexp.MustCompile(`<(?:input|select|textarea)\b[^>]*>`)
	named    = regexp.MustCompile(` id="([^"]*)"`)
)

// sound checks what must be true of every page.
func sound(t *testing.T, what string, w *httptest.ResponseRecorder) {
	t.Helper()
	body := w.Body.String()
	for _, never := range []string{"<script>", "<img", "<style", " style=", ` onerror=alert(1)>`, "javascript:", "ZgotmplZ", "<no value>", "%!", "\u202e", "\u2066"} {
		if i := strings.Index(body, never); i >= 0 {
			t.Errorf("%s has %q: …%s…", what, never, body[max(0, i-90):min(len(body), i+90)])
		}
	}
	if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'self'") || strings.Contains(got, "unsafe") {
		t.Errorf("%s has the policy %q", what, got)
	}
	if n := strings.Count(body, "<h1>"); n != 1 {
		t.Errorf("%s has %d first headings", what, n)
	}
	if a, b := strings.Count(body, "<th "), strings.Count(body, "<th scope="); a != b || strings.Contains(body, "<th>") {
		t.Errorf("%s has a table's head without its scope", what)
	}
	ids(t, body)
	for _, at := range controls.FindAllStringIndex(body, -1) {
		tag := body[at[0]:at[1]]
		if strings.Contains(tag, `type="hidden"`) {
			continue
		}
		within := strings.LastIndex(body[:at[0]], "<label") > strings.LastIndex(body[:at[0]], "</label>")
		id := named.FindStringSubmatch(tag)
		if !within && (id == nil || !strings.Contains(body, `<label for="`+id[1]+`"`)) {
			t.Errorf("%s has a control without a label: %s", what, tag)
		}
	}
}

// TestKeptPages draws each page with markup in every word: it is inert, labelled,
// under the policy, and says the same as JSON without a secret.
func TestKeptPages(t *testing.T) {
	for _, s := range []string{evil, "plain"} {
		k := &kept{s: s}
		h := keeping(t, k, hansa.RightAdmin)
		for path := range keptPages() {
			w := get(t, h, path)
			if w.Code != http.StatusOK {
				t.Errorf("%s: status %d: %.300s", path, w.Code, w.Body)
			}
			sound(t, path, w)
			doc := path + ".json"
			if page, query, ok := strings.Cut(path, "?"); ok {
				doc = page + ".json?" + query
			}
			if w := get(t, h, doc); w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s: %d %.300s", doc, w.Code, w.Body)
			}
		}
		order := url.Values{"source": {"https://a.example"}, "name": {s}, "minutes": {"5"}, "dataset": {s}, "do": {"try"}, "right": {"read"}, "role": {"viewer"}, "kind": {"basic"}}
		for _, path := range []string{"/feeds/add", "/settings/credentials", "/settings/users", "/settings/credentials/c/rotate", "/settings/users/u/link"} {
			w := post(t, h, path, order)
			if w.Code != http.StatusOK {
				t.Errorf("%s: status %d: %.300s", path, w.Code, w.Body)
			}
			sound(t, path, w)
			if n := strings.Count(w.Body.String(), secret); (path == "/feeds/add") != (n == 0) || n > 1 {
				t.Errorf("%s shows the secret %d times", path, n)
			}
		}
	}
}

// TestKeptByRight: a page opens to its right alone, and one's navigation leads to
// nothing that would be refused.
func TestKeptByRight(t *testing.T) {
	for path, right := range keptPages() {
		for _, have := range []hansa.Right{hansa.RightRead, hansa.RightControl, hansa.RightManage, hansa.RightAdmin} {
			want := http.StatusForbidden
			if right == "" || have == right || have == hansa.RightAdmin || have == hansa.RightManage && path == "/feeds" || have == hansa.RightControl && (path == "/feeds/f" || path == "/shift") {
				want = http.StatusOK
			}
			h := keeping(t, &kept{s: "x"}, have)
			w := get(t, h, path)
			if w.Code != want {
				t.Errorf("%s with %s: %d, want %d", path, have, w.Code, want)
			}
			if shown := strings.Contains(get(t, h, "/help").Body.String(), `href="`+path+`"`); shown && want != http.StatusOK {
				t.Errorf("somebody with %s is led to %s", have, path)
			}
		}
	}
}

// TestKeptActs: each form asks its keeper for one thing, and sends the browser on.
func TestKeptActs(t *testing.T) {
	k := &kept{s: "x"}
	h := keeping(t, k, hansa.RightAdmin)
	for _, c := range []struct{ path, form, act, to string }{
		{"/deliveries/d/replay", "", "replay d", "/deliveries/d?done=replay"},
		{"/feeds/f/pause", "", "pause f", "/feeds/f?done=pause"},
		{"/feeds/f/resume", "", "resume f", "/feeds/f?done=resume"},
		{"/feeds/f/release", "", "release f", "/feeds/f?done=release"},
		{"/feeds/f/remove", "", "remove f", "/feeds?done=remove"},
		{"/feeds/add", "source=https://a.example&name=n&minutes=0.5&do=start", "add n every 30s", "/feeds?done=added"},
		{"/datasets", "name=n", "dataset n", "/datasets?done=added"},
		{"/parties/flows/f/pause", "", "flow f", "/parties?done=pause"},
		{"/settings/credentials/c/revoke", "", "revoke c", "/settings/credentials?done=revoke"},
		{"/settings/users/u/roles", "role=viewer", "roles u viewer", "/settings/users?done=roles"},
		{"/settings/users/u/revoke", "", "end u", "/settings/users?done=revoke"},
		{"/shift", "text=a+note&after=n2", "note a note after n2", "/shift?done=written"},
		{"/settings/credentials/c/rotate", "hours=24", "rotate c 24h0m0s", ""},
		{"/settings/credentials/c/rotate", "hours=-9", "rotate c 0s", ""},
	} {
		form, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		k.acts = nil
		w := post(t, h, c.path, form)
		if got := w.Header().Get("Location"); got != c.to || !slices.Equal(k.acts, []string{c.act}) || c.to != "" && w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d to %q by %q, want %q by %q", c.path, w.Code, got, k.acts, c.to, c.act)
		}
		if c.to != "" {
			if w := get(t, h, c.to); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `role="status"`) {
				t.Errorf("%s says nothing of the act: %d", c.to, w.Code)
			}
		}
	}
	for _, path := range []string{"/feeds/f/burn", "/parties/flows/f/burn", "/settings/credentials/c/burn", "/settings/users/u/burn"} {
		k.acts = nil
		if w := post(t, h, path, nil); w.Code != http.StatusNotFound || k.acts != nil {
			t.Errorf("%s: %d %v", path, w.Code, k.acts)
		}
	}
}

// TestKeptErrors: what is refused stands in words above the form, with what was
// typed, and the field is marked.
func TestKeptErrors(t *testing.T) {
	for _, c := range []struct {
		path, form, field string
		status            int
	}{
		{"/feeds/add", "source=https://typed.example&name=n&minutes=5", "/url", 422},
		{"/feeds/add", "source=https://typed.example&name=n&minutes=5&do=start", "/name", 422},
		{"/feeds/add", "source=https://typed.example&name=n&minutes=many", "/minutes", 422},
		{"/feeds/add", "source=https://typed.example&name=n&minutes=NaN", "/minutes", 422},
		{"/feeds/add", "source=+&name=typed.example&minutes=5", "/source", 422},
		{"/feeds/add", "source=https://typed.example&name=n&minutes=5", "/dataset", 422},
		{"/feeds/add", "source=https://typed.example&name=n&minutes=5", "/format", 422},
		{"/datasets", "name=typed.example", "/name", 422},
		{"/settings/credentials", "name=typed.example&right=read", "/name", 422},
		{"/settings/credentials", "name=typed.example&right=read&days=x", "/days", 422},
		{"/settings/users", "name=typed.example&role=viewer", "/name", 422},
		{"/settings/users", "name=n&role=viewer&mail=typed.example", "/mail", 422},
		{"/shift", "text=typed.example&after=n2", "/text", 422},
	} {
		form, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		h := keeping(t, &kept{s: "x", err: hansa.Fielded(c.field, "that is %s", evil)}, hansa.RightAdmin)
		w := post(t, h, c.path, form)
		body := w.Body.String()
		if w.Code != c.status || !strings.Contains(body, `role="alert"`) || !strings.Contains(body, "typed.example") || strings.Count(body, `aria-invalid="true"`) != 1 {
			t.Errorf("%s %s with %s: %d, marked %d times: %.200s", c.path, c.form, c.field, w.Code, strings.Count(body, `aria-invalid="true"`), body)
		}
		sound(t, c.path, w)
	}
	again := post(t, keeping(t, &kept{s: "x", err: hansa.Fielded("/name", "no")}, hansa.RightAdmin), "/settings/credentials", url.Values{"name": {"n"}, "kind": {"header"}, "use": {"test"}, "right": {"publish"}, "days": {"7"}}).Body.String()
	for _, want := range []string{`value="header" checked`, `value="test" checked`, `value="publish" checked`, `value="7"`} {
		if !strings.Contains(again, want) {
			t.Errorf("a refused form forgot %s", want)
		}
	}
	refused := keeping(t, &kept{s: "x", err: hansa.Errorf(hansa.Conflict, "it may not be")}, hansa.RightAdmin)
	missing := keeping(t, &kept{s: "x", err: hansa.Errorf(hansa.NotFound, "there is none")}, hansa.RightAdmin)
	broken := keeping(t, &kept{s: "x", err: context.DeadlineExceeded}, hansa.RightAdmin)
	for _, path := range []string{"/deliveries/d/replay", "/feeds/f/pause", "/parties/flows/f/pause", "/settings/credentials/c/revoke", "/settings/credentials/c/rotate", "/settings/users/u/revoke", "/settings/users/u/roles"} {
		if w := post(t, refused, path, nil); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "It may not be.") {
			t.Errorf("%s refused: %d %.200s", path, w.Code, w.Body)
		}
		if w := post(t, missing, path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s of nothing: %d", path, w.Code)
		}
		if w := post(t, broken, path, nil); w.Code < 500 || strings.Contains(w.Body.String(), "deadline") {
			t.Errorf("%s when something broke: %d %.200s", path, w.Code, w.Body)
		}
	}
	if w := get(t, missing, "/deliveries/none"); w.Code != http.StatusNotFound {
		t.Errorf("a delivery that is none: %d", w.Code)
	}
}

// TestCurlsAreOneWord: a line to copy runs nothing that somebody wrote into an
// address.
func TestCurlsAreOneWord(t *testing.T) {
	h := keeping(t, &kept{s: `x'; touch /tmp/owned; echo '$(id)`}, hansa.RightAdmin)
	body := html.UnescapeString(get(t, h, "/deliveries/d").Body.String())
	if !strings.Contains(body, ` 'https://a.example/x'\''; touch /tmp/owned; echo '\''$(id)'`) {
		t.Error("the address is not one word")
	}
}

// TestHome: who may manage and has something basic to do goes there first.
func TestHome(t *testing.T) {
	for _, c := range []struct {
		right hansa.Right
		to    string
	}{{hansa.RightManage, "/first"}, {hansa.RightAdmin, "/first"}, {hansa.RightControl, "/live"}, {hansa.RightRead, "/live"}} {
		if w := get(t, keeping(t, &kept{s: "x"}, c.right), "/"); w.Header().Get("Location") != c.to {
			t.Errorf("with %s: to %q, want %q", c.right, w.Header().Get("Location"), c.to)
		}
	}
	if w := get(t, keeping(t, done{&kept{}}, hansa.RightManage), "/"); w.Header().Get("Location") != "/live" {
		t.Errorf("with all done: to %q", w.Header().Get("Location"))
	}
}

// done is a keeper with nothing left to do.
type done struct{ *kept }

func (done) FirstSteps(context.Context, hansa.Actor) ([]room.FirstStep, error) {
	return []room.FirstStep{{What: "x", Done: true}, {What: "y", Free: true}}, nil
}
