package room

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// Invitations is how an organisation comes in by a link, and what it does first.
// Wrong input is Denied or Invalid with the field, too many tries are Busy.
type Invitations interface { //nolint:interfacebloat // one way in; splitting it would name nothing
	// Invited says what a link invites to; it uses nothing up.
	Invited(req *http.Request, token string) (Invited, error)
	// Accept uses the link up. For a new party it begins a session; for one that
	// is signed in the cookie is nil.
	Accept(req *http.Request, token string, a Acceptance) (*http.Cookie, error)
	// Welcome is Denied for who is not signed in.
	Welcome(req *http.Request) (Welcome, error)
	MakeCredential(req *http.Request, name, kind string, test bool) (Secret, error)
	MakeHook(req *http.Request, flow, address, format string) (Hook, error)
	SendTest(req *http.Request, flow string) error
}

// Invited is what a link invites to, in plain words.
type Invited struct {
	By, For, Wants, Purpose, Basis string
	Gives                          []Gift
	Expires                        time.Time
	Name                           string // proposed for the new party
	Mine                           string // the signed-in party that could take it
	Hooks                          bool   // a host for webhooks may be named at once
}

// Gift is a dataset that the invited get.
type Gift struct {
	Title             string
	Purposes, Formats []string
	Limit             time.Duration // agreed time from offered to live
}

// Within is the agreed time in words.
func (g Gift) Within() string { return words.Span(g.Limit) }

// Acceptance is what somebody who accepts says of themselves.
type Acceptance struct {
	Mine           bool   // take it for the party that is signed in
	Name, Title    string // of the new party
	User, Password string // of its first user
	Host           string // where its webhooks may be called
}

// Welcome is what a company sees first.
type Welcome struct {
	Party, Address string
	May            bool // they may make credentials and webhooks
	Steps          []Onboard
	Flows          []Course
	Zone           *time.Location
}

// Onboard is one step on the way to live data.
type Onboard struct {
	Step, Who, How string
	Done           time.Time
	Free           bool // it may be left out
}

// Course is a flow that the company receives.
type Course struct {
	ID, Name, From    string
	Test, Paused      bool
	Formats, Purposes []string
	Hooks             []Hook
}

// Hook is a webhook; its key is shown once.
type Hook struct{ URL, State, Reason, Key string }

// Secret is a credential that was made; its secret is shown once.
type Secret struct {
	ID, Name, Kind, Header, Secret string
	Test                           bool
}

// invitePage is all that the templates of invite.html need.
type invitePage struct {
	Theme, Title             string
	Error, Hint, Field, Note string
	Token, Until             string
	Invited                  Invited
	Form                     Acceptance
	Welcome                  Welcome
	Steps                    []stepRow
	Secret                   *Secret
	Hook                     *Hook
	Formats                  []string
}

type stepRow struct {
	Step, Says string
	Done, Free bool
}

func (r *Room) inviteRoutes() []hansa.Route {
	if r.cfg.Invitations == nil {
		return nil
	}
	form := func(pattern, action string) hansa.Route {
		return hansa.Route{Method: "POST", Pattern: pattern, Object: "node", Action: action, BodyMax: formMax}
	}
	return []hansa.Route{
		{Method: "GET", Pattern: "/invitation", Object: "node", Action: "look at an invitation"},
		form("/invitation", "accept an invitation"),
		{Method: "GET", Pattern: "/welcome", Object: "node", Action: "see what to do first"},
		form("/welcome/credential", "make a credential"),
		form("/welcome/webhook", "make a webhook"),
		form("/welcome/test", "ask for a test closure"),
	}
}

// inviteHandler answers the routes of inviteRoutes; nil for any other pattern.
func (r *Room) inviteHandler(pattern string) http.Handler {
	handlers := map[string][2]answering{
		"/invitation":         {r.invitationPage, r.accept},
		"/welcome":            {r.welcomePage, nil},
		"/welcome/credential": {nil, r.makeCredential},
		"/welcome/webhook":    {nil, r.makeHook},
		"/welcome/test":       {nil, r.sendTest},
	}
	h, ok := handlers[pattern]
	if !ok || r.cfg.Invitations == nil {
		return nil
	}
	return r.forms(h[0], h[1])
}

func (r *Room) inviteSheet(w http.ResponseWriter, req *http.Request, name string, p *invitePage, failure error) error {
	status := http.StatusOK
	if failure != nil {
		pub := hansa.Public(failure)
		if pub.Kind == hansa.Internal {
			return failure
		}
		p.Error, p.Hint, p.Field = sentence(pub.Message), sentence(pub.Hint), strings.TrimPrefix(pub.Field, "/")
		status = hansa.Status(pub)
	}
	p.Theme = theme(req)
	var b bytes.Buffer
	if err := r.pages.ExecuteTemplate(&b, name, p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser has gone; nobody is left to tell
	return nil
}

func (r *Room) invitationPage(w http.ResponseWriter, req *http.Request) error {
	return r.invitation(w, req, req.URL.Query().Get("token"), Acceptance{}, nil)
}

func (r *Room) invitation(w http.ResponseWriter, req *http.Request, token string, form Acceptance, failure error) error {
	p := &invitePage{Title: "An invitation", Token: token, Form: form}
	i, err := r.cfg.Invitations.Invited(req, token)
	if err != nil {
		p.Title = "This invitation does not open"
		return r.inviteSheet(w, req, "invitation", p, err)
	}
	p.Invited, p.Until = i, stamp(i.Expires, nil)
	if form.Name == "" {
		p.Form.Name, p.Form.Title = i.Name, i.For
	}
	return r.inviteSheet(w, req, "invitation", p, failure)
}

func (r *Room) accept(w http.ResponseWriter, req *http.Request) error {
	f := req.PostForm
	a := Acceptance{Mine: f.Get("as") == "mine", Name: f.Get("name"), Title: f.Get("title"), User: f.Get("user"), Password: f.Get("password"), Host: strings.TrimSpace(f.Get("host"))}
	token := f.Get("token")
	if !a.Mine && a.Password != f.Get("again") {
		return r.invitation(w, req, token, a, hansa.Fielded("/again", "the two passwords are not the same"))
	}
	c, err := r.cfg.Invitations.Accept(req, token, a)
	if err != nil {
		if hansa.KindOf(err) == hansa.Internal {
			return err
		}
		return r.invitation(w, req, token, a, err)
	}
	if c != nil {
		return in(w, req, c, "/welcome")
	}
	http.Redirect(w, req, "/welcome", http.StatusSeeOther)
	return nil
}

func (r *Room) welcomePage(w http.ResponseWriter, req *http.Request) error {
	note := ""
	if req.URL.Query().Get("done") == "test" {
		note = "A test closure is on its way into your test flow. It is over by itself within the hour."
	}
	return r.welcome(w, req, &invitePage{Note: note}, nil)
}

func (r *Room) welcome(w http.ResponseWriter, req *http.Request, p *invitePage, failure error) error {
	x, err := r.cfg.Invitations.Welcome(req)
	if err != nil {
		return r.signFirst(w, req, err)
	}
	p.Title, p.Welcome = "Welcome", x
	seen := map[string]bool{}
	for _, f := range x.Flows {
		for _, name := range f.Formats {
			if !seen[name] {
				seen[name] = true
				p.Formats = append(p.Formats, name)
			}
		}
	}
	for _, s := range x.Steps {
		row := stepRow{Step: s.Step, Done: !s.Done.IsZero(), Free: s.Free}
		if row.Done {
			row.Says = "since " + words.When(s.Done, s.Done, x.Zone) + " on " + words.Day(s.Done, x.Zone)
		} else {
			row.Says = "waits for " + s.Who + ": " + s.How
		}
		p.Steps = append(p.Steps, row)
	}
	return r.inviteSheet(w, req, "welcome", p, failure)
}

func (r *Room) makeCredential(w http.ResponseWriter, req *http.Request) error {
	f := req.PostForm
	s, err := r.cfg.Invitations.MakeCredential(req, f.Get("name"), f.Get("kind"), f.Get("use") == "test")
	if err != nil {
		return r.welcome(w, req, &invitePage{}, err)
	}
	return r.welcome(w, req, &invitePage{Secret: &s}, nil)
}

func (r *Room) makeHook(w http.ResponseWriter, req *http.Request) error {
	f := req.PostForm
	h, err := r.cfg.Invitations.MakeHook(req, f.Get("flow"), f.Get("url"), f.Get("format"))
	if err != nil {
		return r.welcome(w, req, &invitePage{}, err)
	}
	return r.welcome(w, req, &invitePage{Hook: &h}, nil)
}

func (r *Room) sendTest(w http.ResponseWriter, req *http.Request) error {
	if err := r.cfg.Invitations.SendTest(req, req.PostForm.Get("flow")); err != nil {
		return r.welcome(w, req, &invitePage{}, err)
	}
	http.Redirect(w, req, "/welcome?done=test", http.StatusSeeOther)
	return nil
}
