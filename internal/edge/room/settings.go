package room

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// CredentialRow is what is known of a credential; never its secret.
type CredentialRow struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`
	Rights   []string  `json:"rights"`
	Test     bool      `json:"test,omitempty"`
	State    string    `json:"state"`
	Issued   time.Time `json:"issued"`
	Expires  time.Time `json:"expires,omitzero"`
	LastUsed time.Time `json:"lastUsed,omitzero"`
}

// CredentialOrder asks for a credential.
type CredentialOrder struct {
	Name, Kind string
	Rights     []hansa.Right
	Test       bool
	Days       int
}

// UserRow is one user of a party.
type UserRow struct {
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	SignIn   string           `json:"signIn"`
	Mail     string           `json:"mail,omitempty"`
	Roles    []hansa.UserRole `json:"roles"`
	State    string           `json:"state"`
	LastSeen time.Time        `json:"lastSeen,omitzero"`
	Sessions int              `json:"sessions"`
}

// Pass is a one-time link, shown once.
type Pass struct {
	Name, Link string
	Expires    time.Time
}

// Keys are by what others check a node: its journal's name, the line that a verifier
// keeps, and where the signed checkpoint is.
type Keys struct {
	Origin     string `json:"origin"`
	Verifier   string `json:"verifierKey"`
	Checkpoint string `json:"checkpoint"`
	Node       string `json:"node"`
}

// settingsPage is all that the templates settings, credentials and users need.
type settingsPage struct {
	shell
	Manage      bool
	Credentials []credentialRow
	Users       []userRow
	Secret      *Secret
	Pass        *Pass
	Until       string
	Rights      []tickRow
	Roles       []tickRow
	Name, Mail  string
	Days, Kind  string
	Test        bool
	Keys        Keys
	Deals       bool // there are peers
	DID         string
	PartyKeys   []keyRow
}

type credentialRow struct {
	ID, Name, Kind, Rights, State, Tone, Issued, Expires, Used string
	Good                                                       bool
	Test                                                       bool
}

type userRow struct {
	ID, Name, SignIn, Mail, RoleWords, State, Tone, Seen string
	Sessions                                             int
	Roles                                                []tickRow
	Good                                                 bool
}

// tickRow is one box to tick.
type tickRow struct {
	Value, Word, Says string
	On                bool
}

func (r *Room) settingsPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := settingsPage{shell: r.shell(req, by, "Settings", "/settings"), Manage: by.May(hansa.RightManage), Deals: r.cfg.Deals != nil}
	list := []string{"/settings/credentials", "/settings/users", "/settings/keys", "/settings/account"}
	if p.Deals {
		list = append(list, "/settings/peers")
	}
	return r.write(w, req, &p.shell, "settings", &p, map[string]any{"pages": list}, nil)
}

// keysPage shows what others keep to check this node.
func (r *Room) keysPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.keysSheet(w, req, by, nil)
}

func (r *Room) keysSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, failure error) error {
	p := settingsPage{shell: r.shell(req, by, "Keys", "/settings/keys"), Keys: r.cfg.Keeper.Keys(req.Context(), by)}
	under(&p.shell)
	if req.URL.Query().Get("done") == "rotate" {
		p.Note = p.say.Say("There is a new key, signed for by the old one. It is published now and signs in ten minutes; the old one stays good for a day.")
	}
	keys, err := r.partyKeys(req, by, &p)
	if err != nil {
		return err
	}
	doc := struct {
		Keys
		Party PartyKeys `json:"party"`
	}{p.Keys, keys}
	return r.write(w, req, &p.shell, "keys", &p, doc, failure)
}

// under marks settings in the navigation of a page below it.
func under(s *shell) {
	for i := range s.Nav {
		s.Nav[i].Here = s.Nav[i].Href == "/settings"
	}
}

func rightSays(right hansa.Right) string {
	return map[hansa.Right]string{
		hansa.RightRead: words.Mark("the flows that come to you"), hansa.RightPublish: words.Mark("into your datasets"), hansa.RightReceipt: words.Mark("say what became of records"),
		hansa.RightControl: words.Mark("close and reopen roads"), hansa.RightConnect: words.Mark("speak the Dataspace Protocol as your party"), hansa.RightManage: words.Mark("credentials, users, datasets, feeds and flows"),
	}[right]
}

func (r *Room) credentialsPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := &settingsPage{}
	shown := words.Of(req.Context()).Say(map[string]string{"revoke": "The credential is ended. What uses it is turned away from now on."}[req.URL.Query().Get("done")])
	return r.credentialsSheet(w, req, by, p, shown, nil)
}

func (r *Room) credentialsSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, p *settingsPage, note string, failure error) error {
	p.shell = r.shell(req, by, "Credentials", "/settings/credentials")
	under(&p.shell)
	p.Note = note
	list, err := r.cfg.Keeper.Credentials(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range list {
		c := &list[i]
		row := credentialRow{ID: c.ID, Name: c.Name, Kind: p.say.Say(c.Kind), Rights: strings.Join(c.Rights, ", "), State: words.Upper(p.say.Say(c.State)), Tone: "ok", Issued: p.when(c.Issued), Expires: p.when(c.Expires), Used: p.ago(c.LastUsed), Good: c.State == "good", Test: c.Test}
		if !row.Good {
			row.Tone = "low"
		}
		p.Credentials = append(p.Credentials, row)
	}
	for _, right := range []hansa.Right{hansa.RightRead, hansa.RightReceipt, hansa.RightPublish, hansa.RightControl, hansa.RightConnect, hansa.RightManage} {
		if by.May(right) {
			on := right == hansa.RightRead || right == hansa.RightReceipt
			if req.Method == http.MethodPost && req.PostForm.Has("kind") {
				on = slices.Contains(req.PostForm["right"], string(right))
			}
			p.Rights = append(p.Rights, tickRow{string(right), string(right), p.say.Say(rightSays(right)), on})
		}
	}
	return r.write(w, req, &p.shell, "credentials", p, map[string]any{"credentials": list}, failure)
}

func (r *Room) addCredential(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	f := req.PostForm
	p := &settingsPage{Name: f.Get("name"), Days: f.Get("days"), Kind: f.Get("kind"), Test: f.Get("use") == "test"}
	o := CredentialOrder{Name: strings.TrimSpace(p.Name), Kind: p.Kind, Test: p.Test}
	for _, x := range f["right"] {
		o.Rights = append(o.Rights, hansa.Right(x))
	}
	if p.Days != "" {
		n, err := strconv.Atoi(strings.TrimSpace(p.Days))
		if err != nil {
			return r.credentialsSheet(w, req, by, p, "", hansa.Fielded("/days", "write a whole number of days, or nothing"))
		}
		o.Days = n
	}
	if len(o.Rights) == 0 {
		return r.credentialsSheet(w, req, by, p, "", hansa.Fielded("/rights", "tick at least one right"))
	}
	s, err := r.cfg.Keeper.AddCredential(req.Context(), by, o)
	if err != nil {
		return r.credentialsSheet(w, req, by, p, "", err)
	}
	return r.credentialsSheet(w, req, by, &settingsPage{Secret: &s}, "", nil)
}

func (r *Room) changeCredential(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id := req.PathValue("credential")
	switch req.PathValue("act") {
	case "rotate":
		hours, err := strconv.Atoi(req.PostForm.Get("hours"))
		if err != nil || hours < 0 {
			hours = 0
		}
		s, err := r.cfg.Keeper.RotateCredential(req.Context(), by, id, time.Duration(hours)*time.Hour)
		if err != nil {
			return r.credentialsSheet(w, req, by, &settingsPage{}, "", err)
		}
		return r.credentialsSheet(w, req, by, &settingsPage{Secret: &s}, "", nil)
	case "revoke":
		if err := r.cfg.Keeper.RevokeCredential(req.Context(), by, id); err != nil {
			return r.credentialsSheet(w, req, by, &settingsPage{}, "", err)
		}
		return done(w, req, "/settings/credentials", "revoke")
	}
	return hansa.Errorf(hansa.NotFound, "there is no such act of a credential")
}

func roleSays(role hansa.UserRole) string {
	return map[hansa.UserRole]string{
		hansa.RoleViewer: words.Mark("looks"), hansa.RoleController: words.Mark("closes and opens roads"), hansa.RoleCrew: words.Mark("says at the road what is closed"), hansa.RoleSteward: words.Mark("answers for the datasets"),
		hansa.RoleSignatory: words.Mark("signs"), hansa.RoleOperator: words.Mark("keeps datasets, feeds, flows and credentials"), hansa.RoleAuditor: words.Mark("looks at what was done"), hansa.RoleAdministrator: words.Mark("all, and who the users are"),
		hansa.RoleCounsel: words.Mark("reads and comments"), hansa.RoleEngineer: words.Mark("connects a company's systems"), hansa.RoleDuty: words.Mark("a company's duty desk"),
	}[role]
}

// ticks lists all roles, those in on ticked.
func ticks(say *words.Catalogue, on []hansa.UserRole) []tickRow {
	var out []tickRow
	for _, role := range hansa.UserRoles() {
		out = append(out, tickRow{string(role), say.Say(string(role)), say.Say(roleSays(role)), slices.Contains(on, role)})
	}
	return out
}

func (r *Room) usersPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	say := words.Of(req.Context())
	note := say.Say(map[string]string{"roles": "The roles are changed, for open sessions too.", "revoke": "The user is ended, with all sessions and links."}[req.URL.Query().Get("done")])
	return r.usersSheet(w, req, by, &settingsPage{Roles: ticks(say, nil)}, note, nil)
}

func (r *Room) usersSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, p *settingsPage, note string, failure error) error {
	p.shell = r.shell(req, by, "Users", "/settings/users")
	under(&p.shell)
	p.Note = note
	if p.Roles == nil {
		p.Roles = ticks(p.say, nil)
	}
	if p.Pass != nil {
		p.Until = p.when(p.Pass.Expires)
	}
	list, err := r.cfg.Keeper.Users(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range list {
		u := &list[i]
		row := userRow{ID: u.ID, Name: u.Name, SignIn: u.SignIn, Mail: u.Mail, State: words.Upper(p.say.Say(u.State)), Tone: map[string]string{"active": "ok", "invited": "med"}[u.State], Seen: p.ago(u.LastSeen), Sessions: u.Sessions, Roles: ticks(p.say, u.Roles), Good: u.State != "revoked"}
		if row.Tone == "" {
			row.Tone = "low"
		}
		var roles []string
		for _, x := range u.Roles {
			roles = append(roles, p.say.Say(string(x)))
		}
		row.RoleWords = strings.Join(roles, ", ")
		p.Users = append(p.Users, row)
	}
	return r.write(w, req, &p.shell, "users", p, map[string]any{"users": list}, failure)
}

func rolesOf(list []string) (out []hansa.UserRole) {
	for _, x := range list {
		out = append(out, hansa.UserRole(x))
	}
	return out
}

func (r *Room) addUser(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	f := req.PostForm
	p := &settingsPage{Name: f.Get("name"), Mail: f.Get("mail"), Roles: ticks(words.Of(req.Context()), rolesOf(f["role"]))}
	pass, err := r.cfg.Keeper.AddUser(req.Context(), by, strings.TrimSpace(p.Name), strings.TrimSpace(p.Mail), rolesOf(f["role"]))
	if err != nil {
		return r.usersSheet(w, req, by, p, "", err)
	}
	return r.usersSheet(w, req, by, &settingsPage{Pass: &pass}, "", nil)
}

func (r *Room) changeUser(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id, act := req.PathValue("user"), req.PathValue("act")
	var err error
	switch act {
	case "link":
		var pass Pass
		if pass, err = r.cfg.Keeper.LinkUser(req.Context(), by, id); err == nil {
			return r.usersSheet(w, req, by, &settingsPage{Pass: &pass}, "", nil)
		}
	case "roles":
		err = r.cfg.Keeper.SetRoles(req.Context(), by, id, rolesOf(req.PostForm["role"]))
	case "revoke":
		err = r.cfg.Keeper.RevokeUser(req.Context(), by, id)
	default:
		return hansa.Errorf(hansa.NotFound, "there is no such act of a user")
	}
	if err != nil {
		return r.usersSheet(w, req, by, &settingsPage{}, "", err)
	}
	return done(w, req, "/settings/users", act)
}
