package trust_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

const (
	good   = "three boats in the fog"
	better = "a lantern under the bridge"
)

func (w *world) user(name string, roles ...hansa.UserRole) trust.User {
	w.Helper()
	if roles == nil {
		roles = []hansa.UserRole{hansa.RoleController}
	}
	var u trust.User
	w.change(func(tx hansa.Tx) (err error) {
		u, err = w.r.AddUser(tx, hansa.Actor{User: "boss"}, trust.UserSpec{Party: alice, Name: name, Roles: roles})
		return err
	})
	return u
}

func (w *world) link(u trust.User, ttl time.Duration) trust.Secret {
	w.Helper()
	var s trust.Secret
	w.change(func(tx hansa.Tx) (err error) {
		_, s, err = w.r.IssueLink(tx, hansa.Actor{User: "boss"}, u.ID, ttl)
		return err
	})
	return s
}

func (w *world) enter(token trust.Secret, password string) (trust.Secret, error) {
	w.Helper()
	_, s, err := w.r.EnterByLink(w.Context(), token, password, trust.From{Address: "192.0.2.1", Agent: "Testing\x00\u202e/1"})
	return s, err
}

func (w *world) signIn(name, password string) (trust.Secret, error) {
	w.Helper()
	_, s, err := w.r.SignIn(w.Context(), alice, name, password, trust.From{Address: "192.0.2.1"})
	return s, err
}

// actor is whom a session stands for.
func (w *world) actor(token trust.Secret) (hansa.Actor, error) {
	w.Helper()
	_, u, err := w.r.Session(w.Context(), token)
	return hansa.Actor{Party: u.Party, User: u.ID, Rights: hansa.RightsOf(u.Roles)}, err
}

func (w *world) open(token trust.Secret) bool {
	w.Helper()
	_, err := w.actor(token)
	if err != nil && hansa.Public(err).Code != hansa.CodeUnauthenticated {
		w.Errorf("a session that is not open: %v", err)
	}
	return err == nil
}

func TestUserComesIn(t *testing.T) {
	w := newWorld(t)
	u := w.user("Desk 3", hansa.RoleController, hansa.RoleAuditor)
	token := w.link(u, 0)
	if l, who, err := w.r.Guest(t.Context(), token); err != nil || who.ID != u.ID || l.Purpose != trust.LinkFirst || l.Expires != w.now.Add(trust.LinkDefault) {
		t.Errorf("a look at a link: %v %v %v", l, who, err)
	}
	if _, err := w.enter(token, "desk 3"); hansa.Public(err) == nil || hansa.Public(err).Field != "/password" {
		t.Errorf("a poor password: got %v", err)
	}
	s, err := w.enter(token, good)
	if err != nil {
		t.Fatalf("a poor password used the link up: %v", err)
	}
	by, err := w.actor(s)
	if err != nil || by.User != u.ID || by.Party != alice || by.Credential != "" || !by.May(hansa.RightControl) || by.May(hansa.RightManage) {
		t.Errorf("the actor of a session: %+v %v", by, err)
	}
	if _, err := w.enter(token, better); err == nil || !strings.Contains(err.Error(), "used already") {
		t.Errorf("a link opened twice: %v", err)
	}
	for _, name := range []string{"Desk 3", "DESK 3", "desk ３"} {
		w.now = w.now.Add(time.Second)
		if _, err := w.signIn(name, good); err != nil {
			t.Errorf("sign-in as %q: %v", name, err)
		}
	}
	list, err := w.r.Sessions(t.Context(), u.ID)
	if err != nil || len(list) != 4 {
		t.Fatalf("got %d sessions, want 4: %v", len(list), err)
	}
	if first := list[len(list)-1]; first.Agent != "Testing/1" {
		t.Errorf("a browser is called %q", first.Agent)
	}
	for _, want := range []string{"user-added", "link-issued", "link-used", "session-begun"} {
		if !strings.Contains(strings.Join(w.acts, "\n"), want) {
			t.Errorf("the journal has no %s: %v", want, w.acts)
		}
	}
}

// TestWrongIsTheSame: who is unknown, who has no password, who was revoked and who
// gave a wrong one hear the same words.
func TestWrongIsTheSame(t *testing.T) {
	w := newWorld(t)
	if _, err := w.enter(w.link(w.user("known"), 0), good); err != nil {
		t.Fatal(err)
	}
	w.user("fresh")
	gone := w.user("gone")
	if _, err := w.enter(w.link(gone, 0), good); err != nil {
		t.Fatal(err)
	}
	w.change(func(tx hansa.Tx) error { _, err := w.r.RevokeUser(tx, hansa.Actor{}, gone.ID); return err })
	for name, password := range map[string]string{"known": better, "fresh": "", "fresh ": good, "gone": good, "nobody": good, "known ": good, strings.Repeat("n", 9999): good} {
		_, err := w.signIn(name, password)
		if e := hansa.Public(err); e == nil || e.Code != hansa.CodeUnauthenticated || e.Message != "the name or the password is not right" {
			t.Errorf("sign-in as %.20q: got %v", name, err)
		}
	}
	if _, _, err := w.r.SignIn(t.Context(), bob, "known", good, trust.From{}); err == nil {
		t.Error("a user of one party signs in at another")
	}
}

func TestLinksThatAreGoodNoMore(t *testing.T) {
	w := newWorld(t)
	u := w.user("eva")
	refused := func(what string, token trust.Secret, says string) {
		t.Helper()
		if _, err := w.enter(token, good); err == nil || !strings.Contains(err.Error(), says) || hansa.Public(err).Code != hansa.CodeUnauthenticated {
			t.Errorf("%s: got %v, want %q", what, err, says)
		}
	}
	refused("a forged link", trust.NewSecret("hansa_"+strings.Repeat("A", 43)), "no link of this exchange")
	refused("an endless link", trust.NewSecret(strings.Repeat("A", 1<<20)), "no link of this exchange")
	refused("no link", trust.NewSecret(""), "no link of this exchange")
	old := w.link(u, 0)
	fresh := w.link(u, time.Hour)
	refused("a link before a newer one", old, "revoked")
	w.now = w.now.Add(time.Hour)
	refused("a link at its end", fresh, "expired")
	last := w.link(u, 0)
	w.change(func(tx hansa.Tx) error {
		n, err := w.r.RevokeLinks(tx, hansa.Actor{}, u.ID)
		if n != 1 {
			t.Errorf("%d links were revoked, want 1", n)
		}
		return err
	})
	refused("a revoked link", last, "revoked")
	before := w.link(u, 0)
	w.now = w.now.Add(time.Minute)
	w.change(func(tx hansa.Tx) error { return w.r.RefuseIssuedBefore(tx, w.now) })
	refused("a link from before a restore", before, "restored")
	if _, err := w.enter(w.link(u, 0), good); err != nil {
		t.Errorf("a good link: %v", err)
	}
	for _, ttl := range []time.Duration{time.Second, -time.Hour, trust.LinkMax + 1} {
		if err := w.r.Change(t.Context(), func(tx hansa.Tx) error { _, _, err := w.r.IssueLink(tx, hansa.Actor{}, u.ID, ttl); return err }); hansa.KindOf(err) != hansa.Invalid {
			t.Errorf("a link for %s: %v", ttl, err)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	u := w.user("eva")
	in := func() trust.Secret {
		t.Helper()
		s, err := w.signIn("eva", good)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if _, err := w.enter(w.link(u, 0), good); err != nil {
		t.Fatal(err)
	}
	idle, busy := in(), in()
	for range 13 {
		w.now = w.now.Add(trust.SessionIdle / 12)
		if !w.open(busy) {
			t.Fatal("a session in use ended")
		}
	}
	if w.open(idle) {
		t.Error("an idle session lives on")
	}
	for w.now = w.now.Add(time.Hour); w.open(busy); w.now = w.now.Add(time.Hour) {
	}
	if list, err := w.r.Sessions(t.Context(), u.ID); err != nil || len(list) != 0 {
		t.Errorf("sessions that are over are listed: %v %v", list, err)
	}
	a, b := in(), in()
	list, err := w.r.Sessions(t.Context(), u.ID)
	if err != nil || len(list) != 2 {
		t.Fatalf("%v %v", list, err)
	}
	another := w.user("other")
	w.change(func(tx hansa.Tx) error {
		if err := w.r.EndSession(tx, hansa.Actor{}, another.ID, list[0].ID); hansa.KindOf(err) != hansa.NotFound {
			t.Errorf("another's session: %v", err)
		}
		return w.r.EndSession(tx, hansa.Actor{User: u.ID}, u.ID, list[0].ID)
	})
	if w.open(a) == w.open(b) {
		t.Error("ending one of two sessions ended none or both")
	}
	c := in()
	w.now = w.now.Add(time.Second)
	w.change(func(tx hansa.Tx) error { return w.r.RefuseIssuedBefore(tx, w.now) })
	if w.open(c) {
		t.Error("a session outlived a restore")
	}
	d := in()
	w.change(func(tx hansa.Tx) error {
		_, err := w.r.SetRoles(tx, hansa.Actor{}, u.ID, []hansa.UserRole{hansa.RoleViewer})
		return err
	})
	if by, err := w.actor(d); err != nil || by.May(hansa.RightControl) {
		t.Errorf("an open session keeps a role that was taken: %v %v", by, err)
	}
	w.change(func(tx hansa.Tx) error { _, err := w.r.RevokeUser(tx, hansa.Actor{}, u.ID); return err })
	if w.open(d) {
		t.Error("a revoked user has a session")
	}
	if list, err := w.r.Sessions(t.Context(), u.ID); err != nil || len(list) > 0 {
		t.Errorf("a revoked user lists %v %v", list, err)
	}
	w.user("EVA") // the name is free again
}

// TestChangePassword: it asks for the old one, gives the session another token and
// ends every other session.
func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	first, err := w.enter(w.link(w.user("eva"), 0), good)
	if err != nil {
		t.Fatal(err)
	}
	other, err := w.signIn("eva", good)
	if err != nil {
		t.Fatal(err)
	}
	from := trust.From{Address: "192.0.2.1"}
	if _, _, err := w.r.ChangePassword(t.Context(), first, better, better, from); hansa.Public(err) == nil || hansa.Public(err).Field != "/old" {
		t.Errorf("a wrong old password: %v", err)
	}
	_, fresh, err := w.r.ChangePassword(t.Context(), first, good, better, from)
	if err != nil || !w.open(fresh) || w.open(first) || w.open(other) {
		t.Errorf("after a change: %v, new %v, old %v, other %v", err, w.open(fresh), w.open(first), w.open(other))
	}
	if _, err := w.signIn("eva", good); err == nil {
		t.Error("the old password is good still")
	}
	if _, err := w.signIn("eva", better); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

// TestTries: a name and an address have so many tries; others go on, and time
// gives tries back.
func TestTries(t *testing.T) {
	w := newWorld(t)
	if _, err := w.enter(w.link(w.user("eva"), 0), good); err != nil {
		t.Fatal(err)
	}
	tries := func(name, address string, most int) (n int) {
		t.Helper()
		for ; n < most; n++ {
			_, _, err := w.r.SignIn(t.Context(), alice, name, "", trust.From{Address: address})
			if hansa.KindOf(err) == hansa.Busy {
				late, ok := errors.AsType[*trust.Throttled](err)
				if !ok || late.Wait <= 0 || hansa.Status(err) != 429 {
					t.Errorf("too many tries without a wait: %v", err)
				}
				return n
			}
		}
		return n
	}
	if n := tries("eva", "192.0.2.7", 20); n != 10 {
		t.Errorf("a name has %d tries, want 10", n)
	}
	if n := tries("EVA", "192.0.2.8", 1); n != 0 {
		t.Error("a name written otherwise, from elsewhere, has more tries")
	}
	if _, err := w.signIn("eva", good); hansa.KindOf(err) != hansa.Busy {
		t.Errorf("the right password beyond the limit: %v", err)
	}
	w.now = w.now.Add(30 * time.Second)
	if _, err := w.signIn("eva", good); err != nil {
		t.Errorf("after a while: %v", err)
	}
	n := 0
	for i := range 60 {
		n += tries(string(rune('a'+i%26))+"x", "2001:db8:1:2::"+string(rune('1'+i%9)), 1)
	}
	if n != 40 {
		t.Errorf("a network has %d tries, want 40", n)
	}
	if tries("ax", "2001:db8:9:9::1", 1) != 1 {
		t.Error("another network has none")
	}
}

func TestUserIsSound(t *testing.T) {
	w := newWorld(t)
	w.user("eva")
	role := []hansa.UserRole{hansa.RoleViewer}
	for what, s := range map[string]trust.UserSpec{
		"no name": {Party: alice, Roles: role}, "a space": {Party: alice, Name: " x", Roles: role}, "an at": {Party: alice, Name: "a@b", Roles: role},
		"a control": {Party: alice, Name: "a\nb", Roles: role}, "long": {Party: alice, Name: strings.Repeat("x", 101), Roles: role}, "turned": {Party: alice, Name: "a\u202eb", Roles: role},
		"no role": {Party: alice, Name: "x"}, "a role of nobody": {Party: alice, Name: "x", Roles: []hansa.UserRole{"root"}}, "twice": {Party: alice, Name: "x", Roles: append(role, role...)},
		"mail": {Party: alice, Name: "x", Mail: "Eva <eva@x.example>", Roles: role}, "the public": {Party: hansa.PublicParty, Name: "x", Roles: role},
		"no party": {Party: "did:web:nobody", Name: "x", Roles: role}, "taken": {Party: alice, Name: "EVA", Roles: role},
	} {
		if err := w.r.Change(t.Context(), func(tx hansa.Tx) error { _, err := w.r.AddUser(tx, hansa.Actor{}, s); return err }); err == nil || hansa.KindOf(err) == hansa.Internal {
			t.Errorf("%s: got %v", what, err)
		}
	}
	for _, p := range []string{"", "short", "aaaaaaaaaaaaaaaa", "\xff\xfe" + good, strings.Repeat("long", 300), "evaevaevaeva", "eva1234567890"} {
		if _, err := w.enter(w.link(mustUser(t, w), 0), p); hansa.Public(err) == nil || hansa.Public(err).Field != "/password" {
			t.Errorf("the password %.20q: got %v", p, err)
		}
	}
}

func mustUser(t *testing.T, w *world) trust.User {
	t.Helper()
	u, err := w.r.UserNamed(t.Context(), alice, "Eva")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// docs is a journal that keeps what it is told.
type docs map[string]string

func (d docs) Act(_ hansa.Tx, _ hansa.PartyID, kind string, doc []byte, _ time.Time) (string, error) {
	d[kind] = string(doc)
	return "", nil
}

// TestActsNameNobody: each act stands under the opaque id of who acted, and its
// document holds neither a name nor an address nor a secret.
func TestActsNameNobody(t *testing.T) {
	w := newWorld(t)
	kept := docs{}
	r, err := trust.New(w.db, trust.Config{Journal: kept, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	w.r = r
	boss := hansa.Actor{Party: alice, User: "01a20000-0000-7000-8000-00000000b055"}
	var u trust.User
	var token trust.Secret
	w.change(func(tx hansa.Tx) (err error) {
		if u, err = r.AddUser(tx, boss, trust.UserSpec{Party: alice, Name: "Zebedeus", Mail: "zebedeus@alice.example", Roles: []hansa.UserRole{hansa.RoleViewer}}); err != nil {
			return err
		}
		_, token, err = r.IssueLink(tx, boss, u.ID, 0)
		return err
	})
	s, err := w.enter(token, good)
	if err != nil {
		t.Fatal(err)
	}
	if _, s, err = r.ChangePassword(t.Context(), s, good, better, trust.From{}); err != nil {
		t.Fatal(err)
	}
	one, _, err := r.Session(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	w.change(func(tx hansa.Tx) error {
		if err := r.EndSession(tx, hansa.Actor{User: u.ID}, u.ID, one.ID); err != nil {
			return err
		}
		if _, err := r.SetRoles(tx, boss, u.ID, []hansa.UserRole{hansa.RoleAuditor}); err != nil {
			return err
		}
		_, err := r.RevokeUser(tx, boss, u.ID)
		return err
	})
	by := map[string]string{
		"user-added": boss.User, "link-issued": boss.User, "user-roles": boss.User, "user-revoked": boss.User,
		"link-used": u.ID, "session-begun": u.ID, "password-changed": u.ID, "session-ended": u.ID,
	}
	for kind, who := range by {
		doc := kept[kind]
		if !strings.Contains(doc, `"user":"`+u.ID+`"`) || !strings.Contains(doc, `"by":"`+who+`"`) {
			t.Errorf("%s: got %s, want it by %s", kind, doc, who)
		}
		for _, private := range []string{"Zebedeus", "zebedeus", good, better, token.Reveal(), s.Reveal(), "argon2", "Testing"} {
			if strings.Contains(doc, private) {
				t.Errorf("%s tells %q: %s", kind, private, doc)
			}
		}
	}
}
