package room

import (
	"bytes"
	"net/http"
	"net/url"
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
	// Accept uses the link up.
	Accept(req *http.Request, token string, a Acceptance) (Accepted, error)
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
	// Terms is the accord that is proposed, and As whose place in it they take; nil is none.
	Terms *RegisterEntry
	As    hansa.PartyID
}

// Gift is a dataset that the invited get.
type Gift struct {
	Title             string
	Purposes, Formats []string
	Limit             time.Duration // agreed time from offered to live
	Says              string        // all of that in words, which the room writes
}

// Acceptance is what somebody who accepts says of themselves.
type Acceptance struct {
	Mine           bool   // take it for the party that is signed in
	Name, Title    string // of the new party
	User, Password string // of its first user
	Host           string // where its webhooks may be called
	Signs          bool   // its first user may sign for it
}

// Accepted is what came of an acceptance.
type Accepted struct {
	Session *http.Cookie   // of the new party's first user; nil for one that is signed in
	Accord  hansa.AccordID // that is proposed to them; empty is none
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
	Terms                    *registerRow
	Gets, Asked              []registerFlow // of the terms, as seen by who is asked
	Duty                     bool           // the terms bind by service
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
		say := words.Of(req.Context())
		p.Error, p.Hint, p.Field = sentence(say.Refusal(pub)), sentence(say.Say(pub.Hint)), strings.TrimPrefix(pub.Field, "/")
		status = hansa.Status(pub)
	}
	p.Theme = theme(req)
	var b bytes.Buffer
	if err := r.pages.in(langOf(req.Context())).ExecuteTemplate(&b, name, p); err != nil {
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
	say := words.Of(req.Context())
	p := &invitePage{Title: say.Say("An invitation"), Token: token, Form: form}
	i, err := r.cfg.Invitations.Invited(req, token)
	if err != nil {
		p.Title = say.Say("This invitation does not open")
		return r.inviteSheet(w, req, "invitation", p, err)
	}
	for k := range i.Gives {
		g := &i.Gives[k]
		if g.Says = say.Fill("for {1}; as {2}", strings.Join(g.Purposes, ", "), strings.Join(g.Formats, ", ")); g.Limit > 0 {
			g.Says = say.Fill("for {1}; as {2}. Agreed time until you show it: {3}", strings.Join(g.Purposes, ", "), strings.Join(g.Formats, ", "), say.Span(g.Limit))
		}
	}
	p.Invited, p.Until = i, stamp(i.Expires, nil)
	p.terms(r, req)
	if form.Name == "" {
		p.Form.Name, p.Form.Title = i.Name, i.For
	}
	return r.inviteSheet(w, req, "invitation", p, failure)
}

// terms puts the accord that is proposed into words, with the data of each direction
// apart.
func (p *invitePage) terms(r *Room, req *http.Request) {
	x := p.Invited.Terms
	if x == nil {
		return
	}
	row := r.registered(req, x)
	p.Terms, p.Duty = &row, x.Text.Basis != nil && x.Text.Basis.Served
	for i := range x.Text.Flows {
		if x.Text.Flows[i].From == p.Invited.As {
			p.Asked = append(p.Asked, row.Flows[i])
		} else {
			p.Gets = append(p.Gets, row.Flows[i])
		}
	}
}

func (r *Room) accept(w http.ResponseWriter, req *http.Request) error {
	f := req.PostForm
	a := Acceptance{Mine: f.Get("as") == "mine", Name: f.Get("name"), Title: f.Get("title"), User: f.Get("user"), Password: f.Get("password"), Host: strings.TrimSpace(f.Get("host")), Signs: f.Get("signs") == "yes"}
	token := f.Get("token")
	if !a.Mine && a.Password != f.Get("again") {
		return r.invitation(w, req, token, a, hansa.Fielded("/again", "the two passwords are not the same"))
	}
	x, err := r.cfg.Invitations.Accept(req, token, a)
	if err != nil {
		if hansa.KindOf(err) == hansa.Internal {
			return err
		}
		return r.invitation(w, req, token, a, err)
	}
	to := "/welcome"
	if x.Accord != "" {
		to = "/accords/" + url.PathEscape(string(x.Accord)) + "?done=invited"
	}
	if x.Session != nil {
		return in(w, req, x.Session, to)
	}
	http.Redirect(w, req, to, http.StatusSeeOther)
	return nil
}

func (r *Room) welcomePage(w http.ResponseWriter, req *http.Request) error {
	note := ""
	if req.URL.Query().Get("done") == "test" {
		note = words.Of(req.Context()).Say("A test closure is on its way into your test flow. It is over by itself within the hour.")
	}
	return r.welcome(w, req, &invitePage{Note: note}, nil)
}

func (r *Room) welcome(w http.ResponseWriter, req *http.Request, p *invitePage, failure error) error {
	x, err := r.cfg.Invitations.Welcome(req)
	if err != nil {
		return r.signFirst(w, req, err)
	}
	say := words.Of(req.Context())
	p.Title, p.Welcome = say.Say("Welcome"), x
	seen := map[string]bool{}
	for _, f := range x.Flows {
		for _, name := range f.Formats {
			if !seen[name] {
				seen[name] = true
				p.Formats = append(p.Formats, name)
			}
		}
	}
	p.Steps = onboarding(say, x.Steps, x.Zone)
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
