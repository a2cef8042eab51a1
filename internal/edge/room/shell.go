package room

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// Host is the party whose pages somebody sees, and its clock.
type Host struct {
	Party  string         // as people read it
	Zone   *time.Location // nil is UTC
	Now    time.Time      // by the clock of the pages
	Factor float64        // how fast that clock runs; 0 and 1 are real time
	Langs  []string       // in which its people read, the first for which there is a catalogue
}

// shell is what every page besides the live one has around it.
type shell struct {
	Theme, Title, Here       string
	Lang                     string // of the page
	Nav                      []place
	Host, Who                string
	Clock, Zone, ZoneName    string
	Day                      string
	NowMilli                 int64
	Factor                   float64
	JSON, Dark, Light        string
	Account                  bool
	Stream, Refresh          string // for a page that follows the situation
	Script                   string // of a page that draws on a map
	Style                    string // of pages that need more than the others
	Error, Hint, Field, Note string
	now                      time.Time
	zone                     *time.Location
	say                      *words.Catalogue
}

// place is one entry of the navigation.
type place struct {
	Href, Icon, Word string
	Here, Low        bool
}

// answerBy answers one request of somebody who may.
type answerBy = func(http.ResponseWriter, *http.Request, hansa.Actor) error

// sheetRoute is one page or form. Whoever holds one of the rights may come in; the
// JSON of a page is at the same address with .json behind it.
type sheetRoute struct {
	method, pattern, action string
	rights                  []hansa.Right
	serve                   answerBy
	bodyMax                 int64
	slow                    bool // it lasts as long as the browser stays
}

// sheets lists the pages of the shell; those that the configuration has no source
// for are absent.
func (r *Room) sheets() []sheetRoute {
	var list []sheetRoute
	page := func(pattern, action string, serve answerBy, rights ...hansa.Right) {
		list = append(list, sheetRoute{method: "GET", pattern: pattern, action: action, rights: rights, serve: serve})
		if !strings.HasSuffix(pattern, "}") {
			list = append(list, sheetRoute{method: "GET", pattern: pattern + ".json", action: action + ", as JSON", rights: rights, serve: serve})
		}
	}
	form := func(pattern, action string, serve answerBy, rights ...hansa.Right) {
		list = append(list, sheetRoute{method: "POST", pattern: pattern, action: action, rights: rights, serve: serve, bodyMax: formMax})
	}
	if r.cfg.Desk != nil {
		page("/closures", "see the closures", r.closuresPage, hansa.RightRead)
		page("/closures/{closure}", "see a closure", r.closurePage, hansa.RightRead)
		form("/closures/{closure}/{act}", "change a closure", r.changeClosure, hansa.RightControl)
		page("/close", "see how to close a place", r.closePage, hansa.RightControl)
		form("/close", "close a place", r.close, hansa.RightControl)
		if r.cfg.Drafts != nil {
			form("/close/drafts/{draft}/drop", "throw a draft of a closure away", r.dropDraft, hansa.RightControl)
		}
	}
	if r.cfg.Keeper != nil {
		r.kept(page, form)
	}
	if r.cfg.Deals != nil {
		r.dealt(page, form)
		list = append(list, r.streams()...)
	}
	if r.cfg.Accords != nil {
		r.accorded(page, form)
	}
	if r.cfg.Asks != nil {
		r.askRoutes(page, form)
	}
	if r.cfg.Inviting != nil {
		r.invitingRoutes(page, form)
	}
	if r.cfg.Prints != nil {
		page("/accords/{accord}/print", "see an accord as it is signed, for paper", r.printPage, hansa.RightRead)
	}
	if r.cfg.Alarms != nil {
		page("/alarms", "see the alarms and what was done about them", r.alarmsPage, hansa.RightRead)
		form("/alarms", "acknowledge or shelve an alarm", r.actOnAlarm, hansa.RightControl)
	}
	if r.cfg.Shift != nil {
		page("/shift", "see the shift's notes", r.shiftPage, hansa.RightRead, hansa.RightControl)
		form("/shift", "leave a note for the next shift", r.writeNote, hansa.RightControl)
		list[len(list)-1].bodyMax = noteBytesMax
	}
	page("/help", "read how the pages are used", r.helpPage)
	return list
}

// kept lists the pages of what a party keeps.
func (r *Room) kept(page, form func(pattern, action string, serve answerBy, rights ...hansa.Right)) {
	const read, control, manage, admin = hansa.RightRead, hansa.RightControl, hansa.RightManage, hansa.RightAdmin
	page("/deliveries", "see what was handed over", r.deliveriesPage, read)
	page("/deliveries/{delivery}", "see a delivery", r.deliveryPage, read)
	form("/deliveries/{delivery}/replay", "send a delivery again", r.replay, control, manage)
	page("/feeds", "see the sources and how they do", r.feedsPage, control, manage)
	page("/feeds/{feed}", "see a source with its last answers", r.feedPage, control, manage)
	form("/feeds/{feed}/{act}", "pause, resume, release or remove a source", r.changeFeed, manage)
	page("/feeds/add", "see how to add a source", r.addFeedPage, manage)
	form("/feeds/add", "try a source, and start it", r.addFeed, manage)
	page("/datasets", "see the datasets", r.datasetsPage, read)
	form("/datasets", "add a dataset", r.addDataset, manage)
	page("/parties", "see the parties and their flows", r.partiesPage, read)
	form("/parties/flows/{flow}/{act}", "pause or resume a flow", r.changeFlow, manage)
	page("/settings", "see the settings", r.settingsPage, manage)
	page("/settings/credentials", "see the credentials", r.credentialsPage, manage)
	form("/settings/credentials", "add a credential; its secret is shown once", r.addCredential, manage)
	form("/settings/credentials/{credential}/{act}", "rotate or end a credential", r.changeCredential, manage)
	page("/settings/users", "see the users", r.usersPage, manage)
	form("/settings/users", "add a user; the link is shown once", r.addUser, manage)
	form("/settings/users/{user}/{act}", "link, change or end a user", r.changeUser, manage)
	page("/settings/keys", "see by what others check this node", r.keysPage, manage)
	page("/status", "see how the node does", r.statusPage, admin)
	page("/first", "see what to do first", r.firstPage, manage)
}

// dealt lists the pages of what a party agrees with others.
func (r *Room) dealt(page, form func(pattern, action string, serve answerBy, rights ...hansa.Right)) {
	const read, manage = hansa.RightRead, hansa.RightManage
	page("/requests", "see who asks for what", r.requestsPage, read)
	page("/requests/{request}", "see a request", r.requestPage, read)
	form("/requests/{request}/{act}", "agree, accept, counter or decline", r.decide, manage)
	page("/agreements", "see the agreements", r.agreementsPage, read)
	page("/agreements/{agreement}", "see an agreement with its transfers", r.agreementPage, read)
	form("/agreements/{agreement}/transfers", "ask for data under an agreement", r.take, manage)
	form("/agreements/{agreement}/end", "end an agreement", r.endAgreement, manage)
	form("/transfers/{transfer}/{act}", "start, suspend, resume or end a transfer", r.steer, manage)
	page("/processes/{process}", "see every message of a request or transfer", r.inspectorPage, read)
	page("/datasets/{dataset}", "see a dataset with its offers", r.datasetPage, read)
	form("/datasets/{dataset}/offers", "offer a dataset", r.makeOffer, manage)
	form("/datasets/{dataset}/offers/{offer}/withdraw", "withdraw an offer", r.withdrawOffer, manage)
	page("/catalogue", "search what the party has or could have", r.cataloguePage, read)
	form("/catalogue", "read the catalogues elsewhere anew", r.lookAgain, manage)
	page("/catalogue/request", "see how to ask for a dataset", r.wishPage, manage)
	form("/catalogue/request", "ask for a dataset", r.wish, manage)
	page("/settings/peers", "see whom the party deals with elsewhere", r.peersPage, manage)
	form("/settings/peers", "add a peer; a token made for it is shown once", r.addPeer, manage)
	form("/settings/peers/{peer}/{act}", "remove a peer", r.changePeer, manage)
	form("/settings/keys/{key}/{act}", "put a new key in the place of one", r.rotateKey, manage)
}

// streams bring the pages up to date that show what moves between two nodes.
func (r *Room) streams() []sheetRoute {
	read := []hansa.Right{hansa.RightRead}
	return []sheetRoute{
		{method: "GET", pattern: "/requests/{request}/stream", action: "follow a request", rights: read, serve: r.requestStream, slow: true},
		{method: "GET", pattern: "/agreements/{agreement}/stream", action: "follow an agreement's transfers", rights: read, serve: r.agreementStream, slow: true},
		{method: "GET", pattern: "/processes/{process}/stream", action: "follow a process's messages", rights: read, serve: r.inspectorStream, slow: true},
	}
}

func (r *Room) sheetRoutes() []hansa.Route {
	var out []hansa.Route
	for _, s := range r.sheets() {
		out = append(out, hansa.Route{Method: s.method, Pattern: s.pattern, Object: "node", Action: s.action, BodyMax: s.bodyMax, Slow: s.slow})
	}
	return out
}

// sheetHandler answers the routes of sheetRoutes; nil for any other pattern.
func (r *Room) sheetHandler(pattern string) http.Handler {
	var show, act answering
	for _, s := range r.sheets() {
		if s.pattern != pattern {
			continue
		}
		if s.method == http.MethodPost {
			act = r.by(s.rights, s.serve)
		} else {
			show = r.by(s.rights, s.serve)
		}
	}
	if show == nil && act == nil {
		return nil
	}
	return r.forms(show, act)
}

// by lets those through whom Authenticate knows and who hold one of the rights.
func (r *Room) by(rights []hansa.Right, serve answerBy) answering {
	return func(w http.ResponseWriter, req *http.Request) error {
		w.Header().Add("Vary", "Accept")
		if r.cfg.Authenticate == nil {
			return hansa.Errorf(hansa.Denied, "nobody may see this page yet").With(hansa.CodeUnauthenticated)
		}
		if _, err := asked(req); err != nil {
			return err
		}
		actor, err := r.cfg.Authenticate(req)
		if err != nil {
			return r.signFirst(w, req, err)
		}
		r.speakTo(req, actor)
		if len(rights) > 0 && !slices.ContainsFunc(rights, actor.May) {
			return lacking(words.Of(req.Context()), rights[0])
		}
		return serve(w, req, actor)
	}
}

// lacking says which right is missing, and who has it.
func lacking(say *words.Catalogue, right hansa.Right) error {
	var roles []string
	for _, role := range hansa.UserRoles() {
		if slices.Contains(hansa.RightsOf([]hansa.UserRole{role}), right) {
			roles = append(roles, say.Say(string(role)))
		}
	}
	hint := say.Say("Ask an administrator of your organisation.")
	if len(roles) > 0 {
		hint = say.Fill("It is for the roles {1}.", say.List(roles...)) + " " + hint
	}
	if right == hansa.RightAdmin {
		hint = say.Say("It is for administrators of the organisation that runs this node.")
	}
	return hansa.Errorf(hansa.Denied, "This page is not for your role: it needs the right %s.", right).With(hansa.CodeForbidden).WithHint(hint)
}

// shell begins a page.
func (r *Room) shell(req *http.Request, by hansa.Actor, title, here string) shell {
	say := words.Of(req.Context())
	s := shell{Title: say.Say(title), say: say, Lang: langOf(req.Context()), Here: here, Theme: theme(req), Nav: r.nav(by, here), Account: r.cfg.Accounts != nil, Factor: 1}
	h := Host{Now: r.cfg.Now()}
	if r.cfg.Desk != nil {
		h = r.cfg.Desk.Host(by)
	}
	if h.Factor > 0 {
		s.Factor = h.Factor
	}
	if s.zone = h.Zone; s.zone == nil {
		s.zone = time.UTC
	}
	s.now, s.Host = h.Now, h.Party
	s.Clock, s.Zone, s.Day, s.ZoneName, s.NowMilli = words.ClockSeconds(h.Now, s.zone), words.Zone(h.Now, s.zone), say.Day(h.Now, s.zone), s.zone.String(), h.Now.UnixMilli()
	if s.Account && by.User != "" {
		if a, err := r.cfg.Accounts.Account(req); err == nil {
			s.Who = a.Name
		}
	}
	u := *req.URL
	path := strings.TrimSuffix(u.EscapedPath(), ".json")
	if req.Method != http.MethodGet {
		path, u.RawQuery = here, ""
	}
	q := u.Query()
	with := func(name, value string) string {
		q := maps.Clone(q)
		q.Set(name, value)
		return path + "?" + q.Encode()
	}
	s.Dark, s.Light = with("theme", "dark"), with("theme", "light")
	q.Del("theme")
	if s.JSON = path + ".json"; len(q) > 0 {
		s.JSON += "?" + q.Encode()
	}
	return s
}

// nav lists the pages that by may see.
func (r *Room) nav(by hansa.Actor, here string) []place {
	all := []struct {
		href, icon, word string
		low              bool
		rights           []hansa.Right
	}{
		{"/live", "i-map", words.Mark("Situation"), false, nil},
		{"/closures", "i-closed", words.Mark("Closures"), false, nil},
		{"/exchange", "i-swap", words.Mark("Exchange"), false, nil},
		{"/accords", "i-accord", words.Mark("Accords"), false, nil},
		{"/deliveries", "i-deliver", words.Mark("Deliveries"), false, nil},
		{"/datasets", "i-data", words.Mark("Datasets"), false, nil},
		{"/feeds", "i-feed", words.Mark("Feeds"), false, nil},
		{"/requests", "i-ask", words.Mark("Requests"), false, nil},
		{"/agreements", "i-paper", words.Mark("Agreements"), false, nil},
		{"/parties", "i-people", words.Mark("Parties"), false, nil},
		{"/settings", "i-gear", words.Mark("Settings"), true, nil},
		{"/status", "i-pulse", words.Mark("Status"), true, nil},
		{"/help", "i-help", words.Mark("Help"), true, nil},
	}
	sheets := r.sheets()
	var out []place
	for _, one := range all {
		i := slices.IndexFunc(sheets, func(s sheetRoute) bool { return s.method == "GET" && s.pattern == one.href })
		if one.href != "/live" && (i < 0 || len(sheets[i].rights) > 0 && !slices.ContainsFunc(sheets[i].rights, by.May)) {
			continue
		}
		out = append(out, place{Href: one.href, Icon: one.icon, Word: one.word, Low: one.low, Here: one.href == here})
	}
	return out
}

// when writes a time as one says it now; a zero one is empty.
func (s *shell) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return s.say.When(t, s.now, s.zone)
}

// ago writes a time, and how long ago it was.
func (s *shell) ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if d := s.now.Sub(t); d >= 0 && d < 24*time.Hour {
		return s.say.Fill("{1} ago", s.say.Span(d))
	}
	return s.when(t)
}

// fail puts err into the page's words. What a page cannot show is an error still.
func (s *shell) fail(err error) (status int, rest error) {
	if err == nil {
		return http.StatusOK, nil
	}
	pub := hansa.Public(err)
	if pub.Kind == hansa.Internal {
		return 0, err
	}
	s.Error, s.Hint, s.Field = sentence(s.say.Refusal(pub)), sentence(s.say.Say(pub.Hint)), strings.TrimPrefix(pub.Field, "/")
	return hansa.Status(pub), nil
}

// write answers a page made by a template, or doc where JSON is asked for.
func (r *Room) write(w http.ResponseWriter, req *http.Request, s *shell, name string, p, doc any, failure error) error {
	status, err := s.fail(failure)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if wantsJSON(req) && req.Method == http.MethodGet {
		if failure != nil {
			return failure
		}
		if err := writeJSON(&b, doc); err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		return send(w, req, b.Bytes())
	}
	if err := r.pages.in(s.Lang).ExecuteTemplate(&b, name, p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if status != http.StatusOK {
		w.WriteHeader(status)
		_, _ = w.Write(inert(b.Bytes())) // the browser has gone; nobody is left to tell
		return nil
	}
	return send(w, req, inert(b.Bytes()))
}

// inert shows characters that turn the order of the text around them as what they
// are: no page of ours has one.
func inert(b []byte) []byte {
	if !turning(b) {
		return b
	}
	return bytes.Map(func(c rune) rune {
		switch {
		case c == 0, c >= 0x202A && c <= 0x202E, c >= 0x2066 && c <= 0x2069:
			return 0xFFFD
		}
		return c
	}, b)
}

// turning reports whether b may hold such a character: U+202A to U+202E and U+2066 to
// U+2069 begin with the same two bytes each.
func turning(b []byte) bool {
	if bytes.IndexByte(b, 0) >= 0 {
		return true
	}
	for {
		i := bytes.IndexByte(b, 0xE2)
		if i < 0 || i+2 >= len(b) {
			return false
		}
		if b[i+1] == 0x80 && b[i+2] >= 0xAA && b[i+2] <= 0xAE || b[i+1] == 0x81 && b[i+2] >= 0xA6 && b[i+2] <= 0xA9 {
			return true
		}
		b = b[i+1:]
	}
}

// done sends the browser on to a page after an act, with a word for it.
func done(w http.ResponseWriter, req *http.Request, path, what string) error {
	if what != "" {
		path += "?done=" + url.QueryEscape(what)
	}
	http.Redirect(w, req, path, http.StatusSeeOther)
	return nil
}
