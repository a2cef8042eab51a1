package room_test

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// marked is a language in which every message of the list stands in brackets.
func marked(t *testing.T) *words.Catalogue {
	t.Helper()
	list, err := os.ReadFile("po/room.pot")
	if err != nil {
		t.Fatal(err)
	}
	one := regexp.MustCompile(`(?m)^msgid "(.+)"\nmsgstr ""`).ReplaceAllString(string(list), "msgid \"$1\"\nmsgstr \"⟦$1⟧\"")
	all := regexp.MustCompile(`(?m)^msgid "(.+)"\nmsgid_plural "(.+)"\nmsgstr\[0\] ""\nmsgstr\[1\] ""`).ReplaceAllString(one, "msgid \"$1\"\nmsgid_plural \"$2\"\nmsgstr[0] \"⟦$1⟧\"\nmsgstr[1] \"⟦$2⟧\"")
	c, err := words.ReadCatalogue(strings.NewReader(all), "xx")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// figures is a city in which everything that others wrote is a figure: what is letters
// on its pages is the pages' own.
func figures(t *testing.T, l room.Live) room.Live {
	t.Helper()
	l.City, l.Acts = "7", []room.AlarmAct{{Key: "x", Lead: "7", Level: "7", At: now, Who: "7", Until: now.Add(time.Hour), Reason: "7"}, {Lead: "7", At: now, Who: "7"}}
	for i := range l.Closures {
		c := &l.Closures[i]
		c.ID, c.Name, c.Text, c.Source, c.Detour = "7"+string(rune('0'+i)), "7", "7", "7", "7"
		c.Cause = []string{"accident", "vehicle-fire", ""}[i%3]
		if c.Vehicles != "" {
			c.Vehicles = "some vehicles"
		}
		for k := range c.Contradicts {
			c.Contradicts[k] = "7"
		}
		for k := range c.Receivers {
			c.Receivers[k].Title = "7"
			for s := range c.Receivers[k].Steps {
				if st := &c.Receivers[k].Steps[s]; st.Reason != "" {
					st.Reason = "7"
				}
			}
		}
	}
	for i := range l.Feeds {
		f := &l.Feeds[i]
		if f.Title, f.State.Feed = "7", "7"; f.State.Reason != "" {
			f.State.Reason = "7"
		}
	}
	if l.Note != nil && l.Note.ID != "" {
		l.Note.Who, l.Note.Text = "7", "7"
	}
	return l
}

// table is a desk with one closure.
type table struct {
	live room.Live
	kept
}

func (*table) Host(hansa.Actor) room.Host {
	return room.Host{Party: "7", Zone: time.UTC, Now: now, Langs: []string{"zz", "xx-YY", "en"}}
}
func (d *table) Board(context.Context, hansa.Actor, bool) (room.Live, error) { return d.live, nil }

func (d *table) Closure(_ context.Context, _ hansa.Actor, id string) (room.Live, []room.Version, error) {
	l := d.live
	for i := range l.Closures {
		if l.Closures[i].ID == id {
			l.Closures = l.Closures[i : i+1]
			break
		}
	}
	return l, []room.Version{{At: now, Who: "7", Says: "7", Text: "7"}}, nil
}

func (*table) Places(context.Context, hansa.Actor, string) ([]hansa.Place, error) {
	return make([]hansa.Place, 50), nil
}

func (d *table) Choice(context.Context, hansa.Actor, string) (room.Choice, error) {
	at := hansa.Place{ID: "7", Name: "7", Direction: hansa.BothDirections, Geometry: d.live.Closures[0].Geometry}
	return room.Choice{Place: at, Parts: []hansa.Place{{ID: "8", Name: "7", Tube: "7"}, {ID: "9", Name: "7", Heading: "7"}}, Already: d.live.Closures}, nil
}

func (d *table) Drawn(context.Context, hansa.Actor, string) (room.Drawn, error) {
	return room.Drawn{Place: hansa.Place{ID: "7", Name: "7", Geometry: d.live.Closures[0].Geometry}, Says: "7", Mend: "7", Both: true}, nil
}

func (*table) Close(context.Context, hansa.Actor, room.Closing) (string, error) { return "7", nil }

func (*table) Preview(context.Context, hansa.Actor, room.Closing) ([]room.Preview, error) {
	return nil, nil
}

func (*table) Change(context.Context, hansa.Actor, string, string, room.Amendment) error {
	return nil
}

func (d *table) AlarmActs(context.Context, hansa.Actor) ([]room.AlarmAct, error) {
	return d.live.Acts, nil
}
func (*table) ActOnAlarm(context.Context, hansa.Actor, room.AlarmAct) error { return nil }

func (*table) Drafts(context.Context, hansa.Actor) ([]room.Draft, error) {
	return []room.Draft{{ID: "7", Title: "7", At: now, Who: "7", Reason: "accident", From: "2026-11-24T10:00"}}, nil
}
func (*table) KeepDraft(context.Context, hansa.Actor, room.Draft) error { return nil }
func (*table) DropDraft(context.Context, hansa.Actor, string) error     { return nil }
func (*table) Invitations(context.Context, hansa.Actor) ([]room.Sent, error) {
	out := []room.Sent{{ID: "7", For: "7", Gives: []string{"7", "8"}, State: "open", Made: now, Expires: now}, {ID: "8", For: "7", Accord: "7", State: "accepted", Made: now, Expires: now, Party: "7"}}
	return append(out, room.Sent{ID: "9", For: "7", State: "revoked", Expires: now}, room.Sent{ID: "10", For: "7", State: "ended", Expires: now}), nil
}

func (*table) Coming(context.Context, hansa.Actor) ([]room.Coming, error) {
	return []room.Coming{{Party: "7", Title: "7", Steps: []room.Onboard{{Step: "credential", Done: now}, {Step: "webhook", Who: "7", How: "fetch the live flow", Free: true}, {Step: "first record", Who: "7", How: "fetch the live flow"}}}, {Party: "8", Title: "8"}}, nil
}

func (*table) InviteMaking(context.Context, hansa.Actor) (room.InviteMaking, error) {
	return room.InviteMaking{Datasets: []room.InviteData{{Name: "7", Title: "7"}}, Drafts: []room.InviteDraft{{ID: "7", Title: accord.Words{"en": "7"}, As: room.AccordParty{ID: "8", Title: "8"}}}}, nil
}

func (*table) Invite(context.Context, hansa.Actor, *room.InviteOrder) (string, time.Time, error) {
	return "7", now, nil
}
func (*table) RevokeInvitation(context.Context, hansa.Actor, string) error { return nil }
func (*table) Invited(*http.Request, string) (room.Invited, error) {
	return room.Invited{By: "7", For: "7", Wants: "7", Purpose: "7", Basis: "7", Expires: now, Name: "7", Mine: "7", Hooks: true, As: "8", Terms: invitedTo(), Gives: []room.Gift{{Title: "7", Purposes: []string{"7"}, Formats: []string{"7"}, Limit: time.Minute}}}, nil
}

// invitedTo is an accord that an invitation proposes, of figures.
func invitedTo() *room.RegisterEntry {
	e, _ := (&pact{s: "7"}).PublicAccord(context.Background(), "7")
	return &e
}

func (*table) Accept(*http.Request, string, room.Acceptance) (room.Accepted, error) {
	return room.Accepted{}, nil
}

func (*table) Welcome(*http.Request) (room.Welcome, error) {
	return room.Welcome{
		Party: "7", Address: "7", May: true, Zone: time.UTC, Steps: []room.Onboard{{Step: "credential", Done: now}, {Step: "webhook", Who: "7", How: "fetch the live flow", Free: true}},
		Flows: []room.Course{{ID: "7", Name: "7", From: "7", Test: true, Paused: true, Formats: []string{"7"}, Purposes: []string{"7"}, Hooks: []room.Hook{{URL: "7", State: "pending", Reason: "7"}}}},
	}, nil
}

func (*table) MakeCredential(*http.Request, string, string, bool) (room.Secret, error) {
	return room.Secret{ID: "7", Name: "7", Kind: "basic", Secret: "7", Test: true}, nil
}

func (*table) MakeHook(*http.Request, string, string, string) (room.Hook, error) {
	return room.Hook{URL: "7", State: "pending", Key: "7"}, nil
}
func (*table) SendTest(*http.Request, string) error                     { return nil }
func (*table) Elsewhere() string                                        { return "7" }
func (*table) Away(*http.Request, string) (string, *http.Cookie, error) { return "", nil, nil }

func (*table) Back(*http.Request) (_, _ *http.Cookie, next string, err error) {
	return nil, nil, "", nil
}

func (*table) Guest(*http.Request, string) (room.Guest, error) {
	return room.Guest{Name: "7", SignIn: "7", Party: "7", First: true, Expires: now, Zone: time.UTC}, nil
}
func (*table) Enter(*http.Request, string, string) (*http.Cookie, error) { return nil, nil }
func (*table) SignOut(*http.Request) *http.Cookie                        { return nil }

func (*table) SignIn(*http.Request, string, string) (*http.Cookie, error) {
	return nil, hansa.Errorf(hansa.Denied, "%s", "the two passwords are not the same")
}

func (*table) Account(*http.Request) (room.Account, error) {
	return room.Account{Name: "7", SignIn: "7", Party: "7", Roles: hansa.UserRoles(), Zone: time.UTC, Sessions: []room.OpenSession{{ID: "7", Agent: "", Begun: now, LastSeen: now, Ends: now}, {ID: "8", Agent: "7", This: true}}}, nil
}

func (*table) ChangePassword(*http.Request, string, string) (*http.Cookie, error) {
	return nil, hansa.Fielded("/old", "of another kind: %d", 7)
}
func (*table) EndSession(*http.Request, string) error { return nil }

// hosted gives a table the sign-in's host, which has another form than a desk's.
type hosted struct{ *table }

func (hosted) Host() string { return "7" }

var (
	quiet     = regexp.MustCompile(`(?s)<(code|pre|symbol|style|script)\b.*?</(?:code|pre|symbol|style|script)>`)
	shownText = regexp.MustCompile(`(?s)>([^<>]+)<|\b(?:aria-label|title|placeholder|alt|data-says|data-live|data-stale|data-offline)="([^"]*)"`)
	inner     = regexp.MustCompile(`⟦[^⟦⟧]*⟧`)
	// apart is what is written alike in all languages: zones, bytes, rights as programs
	// name them, the languages' own names, the names that the keeper gives, and a tile's
	// unit, which is set apart from its figure.
	apart = regexp.MustCompile(`\b(s⟧|(?:bare|own|old|Gone|CET|UTC|KiB|B|ms|English|Nederlands|Deutsch|Français|Italiano|read|receipt|publish|control|connect|manage)\b)|&[a-z]+;|&#\d+;`)
)

// own checks that a page says nothing in English but what others wrote.
func own(t *testing.T, what, body string) {
	t.Helper()
	i := strings.Index(body, "<title>")
	if i < 0 {
		t.Errorf("%s is no page: %.200s", what, body)
		return
	}
	for _, m := range shownText.FindAllStringSubmatch(fromCatalogues(quiet.ReplaceAllString(body[i:], "")), -1) {
		rest := m[1] + m[2]
		for inner.MatchString(rest) {
			rest = inner.ReplaceAllString(rest, "")
		}
		if rest = apart.ReplaceAllString(rest, ""); strings.IndexFunc(rest, unicode.IsLetter) >= 0 {
			t.Errorf("%s has %.80q in English, of %.160q", what, strings.TrimSpace(rest), strings.TrimSpace(m[1]+m[2]))
		}
	}
}

// TestEveryPageTranslated asks for every page in a made-up language, with figures for
// all that others wrote: nothing on any is English.
func TestEveryPageTranslated(t *testing.T) {
	c := marked(t)
	for _, story := range []string{"afternoon", "degraded", "repaired", "over", "empty"} {
		d := &table{live: figures(t, stories(t)[story]), kept: kept{s: "7"}}
		if story == "empty" {
			d.live.Closures = figures(t, afternoon(t)).Closures[:1]
		}
		live := figures(t, stories(t)[story])
		r, err := room.New(room.Config{
			Source: &canned{live: live, change: make(chan struct{})}, Keeper: &d.kept, Deals: &dealt{s: "7"}, Prints: printed{figuresOnly()}, Accords: &pact{s: "7"}, Asks: wished{s: "7"}, Shift: &d.kept, Desk: d, Alarms: d, Drafts: d, Invitations: d, Inviting: d, Accounts: hosted{d}, Langs: []string{"xx"}, Catalogues: []*words.Catalogue{c}, Now: func() time.Time { return now },
			Authenticate: func(*http.Request) (hansa.Actor, error) {
				return hansa.Actor{Party: "7", User: "7", Rights: []hansa.Right{hansa.RightAdmin, hansa.RightControl, hansa.RightManage, hansa.RightRead}}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		for _, route := range r.Routes() {
			mux.Handle(route.Method+" "+route.Pattern, r.Handler(route.Pattern))
		}
		done := []string{"", "?done=added", "?done=acknowledged", "?done=shelved", "?done=draft", "?done=dropped", "?done=extend", "?done=reopen", "?done=replay", "?done=remove", "?done=pause", "?done=revoke", "?done=roles", "?done=written", "?done=password", "?done=language", "?done=test", "?done=open", "?done=sign", "?done=suspend", "?done=yes", "?done=adopted", "?at=7", "?at=all", "?at=none", "?from=adopted", "?out", "?view=table"}
		if story != "afternoon" || testing.Short() {
			done = done[:1]
		}
		n := 0
		for _, route := range r.Routes() {
			path := strings.NewReplacer("{$}", "", "{closure}", "70", "{delivery}", "7", "{feed}", "7", "{request}", "7", "{agreement}", "7", "{process}", "7", "{dataset}", "7", "{accord}", "7", "{ask}", "7").Replace(route.Pattern)
			if route.Method != http.MethodGet || strings.Contains(path, ".") || strings.HasPrefix(path, "/assets") || path == "/" || path == "/stream" || strings.HasPrefix(path, "/signin/") || route.Slow {
				continue
			}
			for _, query := range done {
				n++
				own(t, story+" "+path+query, get(t, mux, path+query).Body.String())
			}
		}
		for _, path := range []string{"/close?place=7", "/close?line=7", "/closures?ended=true", "/closures/71", "/closures/72?follow", "/live?closure=75", "/deliveries?state=parked", "/requests/r2", "/requests/over?done=asked", "/requests/mine?follow", "/processes/t1", "/accords/draft?done=draft", "/accords?q=none", "/accords/new?model=partnership", "/accords/new?model=pool", "/accords/7/changes?from=none"} {
			own(t, story+" "+path, get(t, mux, path).Body.String())
		}
		if n < 20 {
			t.Errorf("%d pages are too few to be all", n)
		}
		for path, form := range map[string]map[string][]string{
			"/close": {"place": {"7"}, "when": {"planned"}}, "/alarms": {"alarm": {"7"}}, "/signin": {"name": {"7"}}, "/settings/account/password": {"password": {"a"}, "again": {"b"}}, "/settings/account/language": {"lang": {"qq"}},
			"/feeds/add": {"minutes": {"x"}}, "/settings/credentials": {"days": {"x"}}, "/welcome/credential": {}, "/invitations/new": {"for": {"7"}}, "/welcome/webhook": {}, "/feeds/7/burn": {}, "/requests/7/terminate": {}, "/requests/7/offer": {"purposes": {""}}, "/agreements/7/end": {}, "/transfers/t1/end": {}, "/requests/7/burn": {}, "/accords/7/burn": {}, "/accords/7/decline": {}, "/accords/7/sign": {}, "/accords/7/add-clause": {}, "/accords/7/change-term": {}, "/accords/new": {"model": {"partnership"}}, "/datasets/7/offers": {"purposes": {""}}, "/settings/peers": {"mode": {"token"}, "issue": {"1"}}, "/enter": {"password": {"1"}}, "/settings/users": {"name": {"7"}},
		} {
			own(t, story+" POST "+path, post(t, mux, path, form).Body.String())
		}
	}
}

// TestLanguageChosen: a browser's own choice goes before the party's, and JSON stays
// English.
func TestLanguageChosen(t *testing.T) {
	d := &table{live: figures(t, afternoon(t)), kept: kept{s: "7"}}
	r, err := room.New(room.Config{
		Source: &canned{live: d.live, change: make(chan struct{})}, Desk: d, Accounts: hosted{d}, Langs: []string{"xx"}, Catalogues: []*words.Catalogue{marked(t)}, Now: func() time.Time { return now },
		Authenticate: func(*http.Request) (hansa.Actor, error) {
			return hansa.Actor{Party: "7", User: "7", Rights: []hansa.Right{hansa.RightRead}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		mux.Handle(route.Method+" "+route.Pattern, r.Handler(route.Pattern))
	}
	ask := func(path, cookie string) string { return get(t, mux, path, "Cookie", cookie).Body.String() }
	for _, tc := range []struct{ path, cookie, lang, says string }{
		{"/live", "", "xx", "⟦Closures⟧"},
		{"/live", "hansa-lang=nl", "nl", ">Afsluitingen<"},
		{"/closures", "hansa-lang=nl", "nl", "<h1>Afsluitingen</h1>"},
		{"/closures", "hansa-lang=en", "en", "<h1>Closures</h1>"},
		{"/closures", "hansa-lang=qq", "xx", "⟦Closures⟧"},
		{"/signin", "hansa-lang=nl", "nl", "Aanmelden"},
		{"/settings/account", "hansa-lang=nl", "nl", `<option value="nl" lang="nl" selected>Nederlands</option>`},
	} {
		if got := ask(tc.path, tc.cookie); !strings.Contains(got, `<html lang="`+tc.lang+`"`) || !strings.Contains(got, tc.says) {
			t.Errorf("%s with %q is not in %s, or lacks %q", tc.path, tc.cookie, tc.lang, tc.says)
		}
	}
	if got := ask("/closures.json", "hansa-lang=nl"); strings.Contains(got, "⟦") || strings.Contains(got, "Afgesloten") {
		t.Error("JSON is not English: ", got)
	}
	w := post(t, mux, "/settings/account/language", map[string][]string{"lang": {"nl"}})
	if c := w.Result().Cookies(); w.Code != http.StatusSeeOther || len(c) != 1 || c[0].Name != "hansa-lang" || c[0].Value != "nl" || !c[0].HttpOnly {
		t.Errorf("a choice is not kept: %d %v", w.Code, c)
	}
	if w := post(t, mux, "/settings/account/language", map[string][]string{"lang": {"qq"}}); w.Code != http.StatusUnprocessableEntity || len(w.Result().Cookies()) != 0 {
		t.Errorf("a language that is not there: %d", w.Code)
	}
}
