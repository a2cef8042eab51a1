package api

import (
	"context"
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
)

// User is a person of a party, as those who keep its users see it.
type User struct {
	ID       string           `json:"id"`    // opaque: the journal knows no other
	Party    string           `json:"party"` // its name
	Name     string           `json:"name"`
	SignIn   string           `json:"signIn"` // what the person types at the sign-in page
	Mail     string           `json:"mail,omitempty"`
	Roles    []hansa.UserRole `json:"roles"`
	Rights   []hansa.Right    `json:"rights"`
	State    string           `json:"state"` // invited, active or revoked
	Created  time.Time        `json:"created"`
	Revoked  time.Time        `json:"revoked,omitzero"`
	LastSeen time.Time        `json:"lastSeen,omitzero"` // to the minute
	Sessions int              `json:"sessions,omitzero"` // open ones
}

// UserOrder asks for a user.
type UserOrder struct {
	Party        string           `json:"party,omitempty"` // by name; the caller's own when empty
	Name         string           `json:"name"`
	Mail         string           `json:"mail,omitempty"`
	Roles        []hansa.UserRole `json:"roles"`
	GoodForHours int              `json:"goodForHours,omitzero"` // of the link; 24 when 0
}

// LinkOrder asks for a new one-time link, in the place of any before.
type LinkOrder struct {
	GoodForHours int `json:"goodForHours,omitzero"` // 24 when 0
}

// RolesOrder gives a user other roles.
type RolesOrder struct {
	Roles []hansa.UserRole `json:"roles"`
}

// Invited is a user with the link by which it comes in, shown this once.
type Invited struct {
	User    User      `json:"user"`
	Link    string    `json:"link"`
	Purpose string    `json:"purpose"` // first or recovery
	Expires time.Time `json:"expires"`
}

// UsersBody lists users.
type UsersBody struct {
	Users []User `json:"users"`
}

// People keeps the users of a party. Another party's user is NotFound, as one that
// never was; nobody gives or takes a role with a right that it lacks itself.
type People interface { //nolint:interfacebloat // one table of acts on one kind of thing
	// Users lists the users of a party by name; empty is by's own.
	Users(ctx context.Context, by hansa.Actor, party string) ([]User, error)
	// User returns the user with that id, or of that name at by's party.
	User(ctx context.Context, by hansa.Actor, id string) (User, error)
	// AddUser makes a user and the link for its first sign-in.
	AddUser(ctx context.Context, by hansa.Actor, o UserOrder) (Invited, error)
	// LinkUser makes a new link; those before are good no more.
	LinkUser(ctx context.Context, by hansa.Actor, id string, o LinkOrder) (Invited, error)
	// SetRoles holds for open sessions too.
	SetRoles(ctx context.Context, by hansa.Actor, id string, roles []hansa.UserRole) (User, error)
	// RevokeUser ends the user with its sessions and links, at once.
	RevokeUser(ctx context.Context, by hansa.Actor, id string) (User, error)
}

func (a *API) userEndpoints() []Endpoint {
	route := func(method, path, object, action string, body int64) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/api/v1/users" + path, Right: hansa.RightManage, Object: object, Action: action, BodyMax: body}
	}
	return []Endpoint{
		{Route: route("GET", "", "node", "list the users of a party", 0), Serve: a.users, Out: UsersBody{}, Query: []Param{{Name: "party", What: "A party's name; empty is the caller's own."}}},
		{Route: route("POST", "", "node", "add a user, with a one-time link", 16<<10), Serve: a.addUser, In: UserOrder{}, Out: Invited{}, Status: http.StatusCreated},
		{Route: route("GET", "/{user}", "user", "show a user", 0), Serve: a.user, Out: User{}},
		{Route: route("POST", "/{user}/link", "user", "issue a new one-time link", 4<<10), Serve: a.linkUser, In: LinkOrder{}, Out: Invited{}, Status: http.StatusCreated},
		{Route: route("POST", "/{user}/roles", "user", "give a user other roles", 4<<10), Serve: a.setRoles, In: RolesOrder{}, Out: User{}},
		{Route: route("POST", "/{user}/revoke", "user", "end a user with its sessions", 1<<10), Serve: a.revokeUser, Out: User{}},
	}
}

func (a *API) users(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	party, err := text(r, "party")
	if err != nil {
		return err
	}
	list, err := a.People.Users(r.Context(), by, party)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, UsersBody{Users: list})
	return nil
}

func (a *API) user(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	u, err := a.People.User(r.Context(), by, r.PathValue("user"))
	return answer(w, http.StatusOK, u, err)
}

func (a *API) addUser(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in UserOrder
	if err := readJSON(r, &in); err != nil {
		return err
	}
	out, err := a.People.AddUser(r.Context(), by, in)
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, http.StatusCreated, out, err)
}

func (a *API) linkUser(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in LinkOrder
	if r.ContentLength != 0 {
		if err := readJSON(r, &in); err != nil {
			return err
		}
	}
	out, err := a.People.LinkUser(r.Context(), by, r.PathValue("user"), in)
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, http.StatusCreated, out, err)
}

func (a *API) setRoles(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in RolesOrder
	if err := readJSON(r, &in); err != nil {
		return err
	}
	u, err := a.People.SetRoles(r.Context(), by, r.PathValue("user"), in.Roles)
	return answer(w, http.StatusOK, u, err)
}

func (a *API) revokeUser(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	u, err := a.People.RevokeUser(r.Context(), by, r.PathValue("user"))
	return answer(w, http.StatusOK, u, err)
}

// answer writes v, unless err says that there is none.
func answer(w http.ResponseWriter, status int, v any, err error) error {
	if err != nil {
		return err
	}
	writeJSON(w, status, v)
	return nil
}
