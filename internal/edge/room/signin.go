package room

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// formMax bounds the body of a form.
const formMax = 16 << 10

// Accounts is how people come in, see their own account and go out. A request
// carries the session; a cookie that is returned begins or ends one. Wrong input
// is Denied or Invalid with the field, too many tries are Busy.
type Accounts interface { //nolint:interfacebloat // one person's way in, account and way out
	// Host says whose node this is, as people read it.
	Host() string
	// SignIn begins a session by name and password.
	SignIn(req *http.Request, name, password string) (*http.Cookie, error)
	// Elsewhere names a service by which people may sign in too; empty is none.
	Elsewhere() string
	// Away begins a sign-in there: where to send the browser, and what it must
	// bring back with it.
	Away(req *http.Request, next string) (to string, brought *http.Cookie, err error)
	// Back ends it: the session, what the browser need not bring again, and where it
	// wanted to go.
	Back(req *http.Request) (session, spent *http.Cookie, next string, err error)
	// Guest says whom a one-time link lets in; it uses nothing up.
	Guest(req *http.Request, token string) (Guest, error)
	// Enter uses a one-time link up: it sets the password and begins a session.
	Enter(req *http.Request, token, password string) (*http.Cookie, error)
	// SignOut ends the session, if there is one.
	SignOut(req *http.Request) *http.Cookie
	// Account is Denied for who is not signed in.
	Account(req *http.Request) (Account, error)
	// ChangePassword ends every other session, and gives this one another token.
	ChangePassword(req *http.Request, old, password string) (*http.Cookie, error)
	// EndSession ends one of the user's own sessions.
	EndSession(req *http.Request, id string) error
}

// Guest is whom a one-time link is for.
type Guest struct {
	Name, SignIn, Party string
	First               bool // the first time; else the password was lost
	Expires             time.Time
	Zone                *time.Location
}

// Account is a user's own page.
type Account struct {
	Name, SignIn, Party string
	Roles               []hansa.UserRole
	Sessions            []OpenSession
	Zone                *time.Location
}

// OpenSession is one browser in which the user is signed in.
type OpenSession struct {
	ID, Agent             string
	Begun, LastSeen, Ends time.Time
	This                  bool
}

// signPage is all that the templates of sign.html need.
type signPage struct {
	Theme, Title, Host       string
	Error, Hint, Field, Note string
	Name, Next, Token        string
	Elsewhere, Away          string
	Guest                    Guest
	Account                  Account
	Until                    string
	Sessions                 []sessionRow
	Roles                    []string
	Langs                    []langRow
}

type sessionRow struct {
	ID, Agent, Begun, Seen, Ends string
	This                         bool
}

func (r *Room) signRoutes() []hansa.Route {
	if r.cfg.Accounts == nil {
		return nil
	}
	form := func(pattern, action string) hansa.Route {
		return hansa.Route{Method: "POST", Pattern: pattern, Object: "node", Action: action, BodyMax: formMax}
	}
	return []hansa.Route{
		{Method: "GET", Pattern: "/signin", Object: "node", Action: "see the sign-in page"},
		form("/signin", "sign in by name and password"),
		{Method: "GET", Pattern: "/signin/away", Object: "node", Action: "go to the sign-in service"},
		{Method: "GET", Pattern: "/signin/back", Object: "node", Action: "come back from the sign-in service"},
		{Method: "GET", Pattern: "/enter", Object: "node", Action: "look at a one-time link"},
		form("/enter", "sign in by a one-time link"),
		form("/signout", "sign out"),
		{Method: "GET", Pattern: "/settings/account", Object: "node", Action: "see one's own account"},
		form("/settings/account/password", "change one's password"),
		form("/settings/account/sessions/{session}/end", "end one of one's own sessions"),
		form("/settings/account/language", "choose the language of the pages in this browser"),
	}
}

// signHandler answers the routes of signRoutes; nil for any other pattern.
func (r *Room) signHandler(pattern string) http.Handler {
	handlers := map[string][2]answering{
		"/signin":                    {r.signInPage, r.signIn},
		"/signin/away":               {r.signAway, nil},
		"/signin/back":               {r.signBack, nil},
		"/enter":                     {r.enterPage, r.enter},
		"/signout":                   {nil, r.signOut},
		"/settings/account":          {r.accountPage, nil},
		"/settings/account/password": {nil, r.changePassword},
		"/settings/account/sessions/{session}/end": {nil, r.endSession},
		"/settings/account/language":               {nil, r.chooseLanguage},
	}
	h, ok := handlers[pattern]
	if !ok || r.cfg.Accounts == nil {
		return nil
	}
	return r.forms(h[0], h[1])
}

// answering answers one request.
type answering = func(http.ResponseWriter, *http.Request) error

// forms answers GET by show and a form of our own pages by act; the other method
// is nil.
func (r *Room) forms(show, act answering) http.Handler {
	return r.open(func(w http.ResponseWriter, req *http.Request) error {
		w.Header().Set("Cache-Control", "private, no-store")
		w.Header().Set("Referrer-Policy", "same-origin") // without one, a form's Origin would be null
		if req.Method != http.MethodPost {
			return show(w, req)
		}
		if err := r.cross.Check(req); err != nil {
			return hansa.Errorf(hansa.Denied, "The form was sent from a page of another site.").With(hansa.CodeForbidden).WithHint("Open the page here and send it again.")
		}
		if t, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
			return hansa.Errorf(hansa.Invalid, "A form is sent as application/x-www-form-urlencoded.").With(hansa.CodeSyntax)
		}
		if err := req.ParseForm(); err != nil {
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				return hansa.Errorf(hansa.Invalid, "The form is too large.").With(hansa.CodeTooLarge)
			}
			return hansa.Errorf(hansa.Invalid, "The form cannot be read.").With(hansa.CodeSyntax)
		}
		return act(w, req)
	})
}

// signFirst sends a browser without a session to the sign-in page; others hear why.
func (r *Room) signFirst(w http.ResponseWriter, req *http.Request, err error) error {
	if r.cfg.Accounts == nil || hansa.Public(err).Code != hansa.CodeUnauthenticated {
		return err
	}
	if req.Method == http.MethodGet && !wantsJSON(req) && strings.Contains(req.Header.Get("Accept"), "text/html") {
		to := "/signin"
		if next := req.URL.RequestURI(); next != "/live" {
			to += "?" + url.Values{"next": {next}}.Encode()
		}
		http.Redirect(w, req, to, http.StatusSeeOther)
		return nil
	}
	return hansa.Public(err).WithHint("sign in at /signin, or send a credential with the right control")
}

// onward is where to go after signing in: a page of our own, nowhere else.
func onward(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\r\n\t") || len(next) > QueryBytesMax || strings.HasPrefix(u.Path, "/sign") || strings.HasPrefix(u.Path, "/enter") {
		return "/live"
	}
	return next
}

// failed puts err into the page's words and answers it with err's status. What the
// page cannot show is an error still.
func (r *Room) failed(w http.ResponseWriter, req *http.Request, name string, p *signPage, err error) error {
	pub := hansa.Public(err)
	if pub.Kind == hansa.Internal {
		return err
	}
	say := words.Of(req.Context())
	p.Error, p.Hint, p.Field = sentence(say.Refusal(pub)), sentence(say.Say(pub.Hint)), strings.TrimPrefix(pub.Field, "/")
	status := hansa.Status(pub)
	if pub.Kind == hansa.Busy {
		w.Header().Set("Retry-After", "30")
		if late, ok := errors.AsType[*trust.Throttled](err); ok {
			w.Header().Set("Retry-After", strconv.Itoa(int(late.Wait/time.Second)+1))
		}
	}
	return r.sheet(w, req, name, status, p)
}

// sheet writes one of the templates of sign.html.
func (r *Room) sheet(w http.ResponseWriter, req *http.Request, name string, status int, p *signPage) error {
	p.Theme, p.Host, p.Elsewhere = theme(req), r.cfg.Accounts.Host(), r.cfg.Accounts.Elsewhere()
	if p.Away = "/signin/away"; p.Next != "" {
		p.Away += "?" + url.Values{"next": {p.Next}}.Encode()
	}
	var b bytes.Buffer
	if err := r.pages.in(langOf(req.Context())).ExecuteTemplate(&b, name, p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser has gone; nobody is left to tell
	return nil
}

func (r *Room) signInPage(w http.ResponseWriter, req *http.Request) error {
	p := &signPage{Title: words.Of(req.Context()).Say("Sign in"), Next: req.URL.Query().Get("next")}
	if req.URL.Query().Has("out") {
		p.Note = words.Of(req.Context()).Say("You are signed out.")
	}
	return r.sheet(w, req, "signin", http.StatusOK, p)
}

func (r *Room) signIn(w http.ResponseWriter, req *http.Request) error {
	name, next := req.PostForm.Get("name"), req.PostForm.Get("next")
	c, err := r.cfg.Accounts.SignIn(req, name, req.PostForm.Get("password"))
	if err != nil {
		if len(name) > QueryBytesMax {
			name = ""
		}
		return r.failed(w, req, "signin", &signPage{Title: words.Of(req.Context()).Say("Sign in"), Name: name, Next: next}, err)
	}
	return in(w, req, c, onward(next))
}

// signAway sends the browser to the sign-in service.
func (r *Room) signAway(w http.ResponseWriter, req *http.Request) error {
	next := req.URL.Query().Get("next")
	to, brought, err := r.cfg.Accounts.Away(req, onward(next))
	if err != nil {
		return r.failed(w, req, "signin", &signPage{Title: words.Of(req.Context()).Say("Sign in")}, err)
	}
	http.SetCookie(w, brought)
	http.Redirect(w, req, to, http.StatusSeeOther) //nolint:gosec // the service's own address, from its configuration
	return nil
}

// signBack takes the browser that comes back from it.
func (r *Room) signBack(w http.ResponseWriter, req *http.Request) error {
	session, spent, next, err := r.cfg.Accounts.Back(req)
	if spent != nil {
		http.SetCookie(w, spent)
	}
	if err != nil {
		return r.failed(w, req, "signin", &signPage{Title: words.Of(req.Context()).Say("Sign in")}, err)
	}
	return in(w, req, session, onward(next))
}

// in hands the browser its session and sends it on.
func in(w http.ResponseWriter, req *http.Request, c *http.Cookie, to string) error {
	http.SetCookie(w, c)
	http.Redirect(w, req, to, http.StatusSeeOther) //nolint:gosec // onward lets only our own pages pass
	return nil
}

// enterPage shows whom a link is for. It uses nothing up, so that a mail program
// that follows links does no harm.
func (r *Room) enterPage(w http.ResponseWriter, req *http.Request) error {
	token := req.URL.Query().Get("token")
	return r.enterSheet(w, req, token, nil)
}

func (r *Room) enterSheet(w http.ResponseWriter, req *http.Request, token string, failure error) error {
	p := &signPage{Title: words.Of(req.Context()).Say("Come in"), Token: token}
	g, err := r.cfg.Accounts.Guest(req, token)
	if err != nil {
		p.Title = words.Of(req.Context()).Say("This link does not open")
		return r.failed(w, req, "enter", p, err)
	}
	p.Guest, p.Until = g, stamp(g.Expires, g.Zone)
	if failure != nil {
		return r.failed(w, req, "enter", p, failure)
	}
	return r.sheet(w, req, "enter", http.StatusOK, p)
}

func (r *Room) enter(w http.ResponseWriter, req *http.Request) error {
	token, password := req.PostForm.Get("token"), req.PostForm.Get("password")
	if password != req.PostForm.Get("again") {
		return r.enterSheet(w, req, token, hansa.Fielded("/again", "the two passwords are not the same"))
	}
	c, err := r.cfg.Accounts.Enter(req, token, password)
	if err != nil {
		if hansa.KindOf(err) == hansa.Internal {
			return err
		}
		return r.enterSheet(w, req, token, err)
	}
	return in(w, req, c, "/")
}

func (r *Room) signOut(w http.ResponseWriter, req *http.Request) error {
	return in(w, req, r.cfg.Accounts.SignOut(req), "/signin?out")
}

func (r *Room) accountPage(w http.ResponseWriter, req *http.Request) error {
	note := words.Of(req.Context()).Say(map[string]string{
		"password": "The password is changed. Every other session has ended.", "session": "The session has ended.", "language": "The pages are in this language from now on, in this browser.",
	}[req.URL.Query().Get("done")])
	return r.accountSheet(w, req, note, nil)
}

func (r *Room) accountSheet(w http.ResponseWriter, req *http.Request, note string, failure error) error {
	a, err := r.cfg.Accounts.Account(req)
	if err != nil {
		return r.signFirst(w, req, err)
	}
	say := words.Of(req.Context())
	p := &signPage{Title: say.Say("Your account"), Account: a, Note: note, Langs: r.languages(req)}
	for _, role := range a.Roles {
		p.Roles = append(p.Roles, say.Say(string(role)))
	}
	for _, s := range a.Sessions {
		row := sessionRow{ID: s.ID, Agent: browserName(say, s.Agent), Begun: stamp(s.Begun, a.Zone), Seen: stamp(s.LastSeen, a.Zone), Ends: stamp(s.Ends, a.Zone), This: s.This}
		p.Sessions = append(p.Sessions, row)
	}
	if failure != nil {
		return r.failed(w, req, "account", p, failure)
	}
	return r.sheet(w, req, "account", http.StatusOK, p)
}

func (r *Room) changePassword(w http.ResponseWriter, req *http.Request) error {
	password := req.PostForm.Get("password")
	if password != req.PostForm.Get("again") {
		return r.accountSheet(w, req, "", hansa.Fielded("/again", "the two passwords are not the same"))
	}
	c, err := r.cfg.Accounts.ChangePassword(req, req.PostForm.Get("old"), password)
	if err != nil {
		return r.accountSheet(w, req, "", err)
	}
	return in(w, req, c, "/settings/account?done=password")
}

func (r *Room) endSession(w http.ResponseWriter, req *http.Request) error {
	if err := r.cfg.Accounts.EndSession(req, req.PathValue("session")); err != nil {
		return r.accountSheet(w, req, "", err)
	}
	http.Redirect(w, req, "/settings/account?done=session", http.StatusSeeOther)
	return nil
}

// stamp writes a time in the party's zone, named.
func stamp(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2006-01-02 15:04") + " " + words.Zone(t, zone)
}

// browserName says in people's words what a browser calls itself. A guess: nothing
// hangs on it.
func browserName(say *words.Catalogue, agent string) string {
	find := func(marks [][2]string) string {
		for _, m := range marks {
			if strings.Contains(agent, m[0]) {
				return m[1]
			}
		}
		return ""
	}
	name := find([][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}})
	system := find([][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}})
	switch {
	case agent == "":
		return say.Say("A browser without a name")
	case name == "":
		return agent
	case system == "":
		return name
	}
	return say.Fill("{1} on {2}", name, system)
}
