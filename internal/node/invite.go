package node

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// Limits of invitations.
const (
	invitationsMax = 500 // open ones of one party
	invitedMax     = 20  // datasets in one
	wordsMax       = 2000
	inviteDays     = 14
	inviteDaysMax  = 90
)

// invites is who is asked in, and how far they have come.
type invites struct{ n *Node }

var (
	_ api.Invitations  = invites{}
	_ room.Invitations = invites{}
)

// invitation is one as it is stored, beside its doc.
type invitation struct {
	api.Invitation
	party    hansa.PartyID
	acceptor hansa.PartyID
	kind     hansa.PartyKind // of a new party that accepts it
	operator bool            // made by the node's operator, who may register hosts
}

// kept is an invitation's doc in the database.
type keptInvitation struct {
	api.InvitationOrder
	Operator bool            `json:"operator,omitzero"`
	Kind     hansa.PartyKind `json:"kind,omitempty"`    // of who is asked; a company when empty
	Version  string          `json:"version,omitempty"` // of the accord that is proposed
	Opened   hansa.AccordID  `json:"opened,omitempty"`  // what came of it
}

// Invite makes a link that opens once. Nothing else exists until it is accepted.
func (v invites) Invite(ctx context.Context, by hansa.Actor, o api.InvitationOrder) (api.Invitation, error) {
	p, err := v.n.partyFor(by, o.Party)
	if err != nil {
		return api.Invitation{}, err
	}
	if err := v.n.signsIn(); err != nil {
		return api.Invitation{}, err
	}
	k := keptInvitation{InvitationOrder: o, Operator: admin(by)}
	if err := v.terms(ctx, by, p, &k); err != nil {
		return api.Invitation{}, err
	}
	if err := v.check(p, &k.InvitationOrder); err != nil {
		return api.Invitation{}, err
	}
	o = k.InvitationOrder
	token, now := token(), v.n.wall().UTC()
	expires := now.AddDate(0, 0, o.Days)
	doc, err := json.Marshal(k, json.Deterministic(true))
	if err != nil {
		return api.Invitation{}, err
	}
	id, hash := hansa.NewID(now), sha256.Sum256([]byte(token))
	err = v.n.db.Write(ctx, func(tx hansa.Tx) error {
		if o.Accord != "" { // nobody changed it or threw it away meanwhile
			s, err := v.n.accords.book.Get(tx, p.ID, o.Accord)
			if err != nil {
				return err
			}
			if s.N > 0 || s.Proposed != k.Version {
				return hansa.Errorf(hansa.Conflict, "the draft was changed just now").WithHint("read it, and invite again")
			}
		}
		var open int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM node_invitation WHERE party = ? AND accepted = 0 AND revoked = 0 AND expires > ?`, string(p.ID), now.UnixMilli()).Scan(&open); err != nil {
			return err
		}
		if open >= invitationsMax {
			return hansa.Errorf(hansa.Busy, "%d invitations are open, which is the most", open).WithHint("hansa parties invitations")
		}
		if _, err := tx.Exec(`INSERT INTO node_invitation (id, token, party, doc, made, expires) VALUES (?, ?, ?, ?, ?, ?)`, id, hash[:], string(p.ID), string(doc), now.UnixMilli(), expires.UnixMilli()); err != nil {
			return err
		}
		return v.n.act(tx, by, p.ID, "invitation-made", map[string]any{"invitation": id, "order": o})
	})
	if err != nil {
		return api.Invitation{}, err
	}
	out := shownInvitation(id, p.Title, &k)
	out.State, out.Made, out.Expires = "open", now, expires
	out.Link = v.n.address() + "/invitation?token=" + url.QueryEscape(token)
	return out, nil
}

func shownInvitation(id, by string, o *keptInvitation) api.Invitation {
	return api.Invitation{ID: id, By: by, For: o.For, Gives: o.Gives, Wants: o.Wants, Purpose: o.Purpose, Basis: o.Basis, Accord: o.Accord, As: o.As, Version: o.Version, Opened: o.Opened}
}

// check fills what o leaves open, and holds it to what can be kept later.
func (v invites) check(p hansa.Party, o *api.InvitationOrder) error {
	for _, x := range []struct {
		field, text string
		must        bool
	}{{"/for", o.For, true}, {"/purpose", o.Purpose, true}, {"/wants", o.Wants, false}, {"/basis", o.Basis, false}} {
		switch {
		case x.must && strings.TrimSpace(x.text) == "":
			return hansa.Fielded(x.field, "say it in plain words: the invitation stands on it")
		case len(x.text) > wordsMax:
			return hansa.Fielded(x.field, "at most %d bytes", wordsMax)
		}
	}
	switch {
	case len(o.Gives) == 0 && o.Accord == "" || len(o.Gives) > invitedMax:
		return hansa.Fielded("/gives", "an invitation gives 1 to %d datasets", invitedMax)
	case o.Days < 0 || o.Days > inviteDaysMax:
		return hansa.Fielded("/days", "an invitation lasts 1 to %d days", inviteDaysMax)
	case o.Days == 0:
		o.Days = inviteDays
	}
	for i := range o.Gives {
		g := &o.Gives[i]
		d, err := v.n.datasetFor(hansa.Actor{Party: p.ID}, g.Dataset)
		if err != nil {
			return hansa.Fielded("/gives", "there is no dataset %.60q here", g.Dataset).WithHint("hansa datasets list")
		}
		g.Dataset, g.Title = d.Name, first(d.Title[p.Language()], first(d.Title["en"], d.Name))
		if len(g.Purposes) == 0 {
			return hansa.Fielded("/gives", "say what %s may be used for: purposes", d.Name)
		}
		if g.Limit < 0 {
			return hansa.Fielded("/gives", "the agreed time of %s is longer than nothing", d.Name)
		}
		if g.Limit == 0 {
			g.Limit = hansa.Duration(5 * time.Minute)
		}
		for _, f := range g.Formats {
			if _, err := WriterOf(v.n.line.codecs, f); err != nil {
				return hansa.Public(err).At("/gives")
			}
		}
	}
	return nil
}

// list reads invitations.
func (v invites) list(ctx context.Context, where string, args ...any) (out []invitation, err error) {
	now := v.n.wall()
	err = v.n.db.Read(ctx, func(tx hansa.Tx) error {
		out = nil
		rows, err := tx.Query(`SELECT id, party, doc, made, expires, revoked, accepted, acceptor FROM node_invitation WHERE `+where, args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var i invitation
			var id string
			var doc []byte
			var made, expires, revoked, accepted int64
			if err := rows.Scan(&id, &i.party, &doc, &made, &expires, &revoked, &accepted, &i.acceptor); err != nil {
				return err
			}
			var k keptInvitation
			if err := json.Unmarshal(doc, &k); err != nil {
				return errors.Join(&hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "the invitation " + id + " cannot be read"}, err)
			}
			i.Invitation, i.operator = shownInvitation(id, v.n.party(i.party).Title, &k), k.Operator
			i.kind = cmp.Or(k.Kind, hansa.Company)
			i.Made, i.Expires, i.State = time.UnixMilli(made).UTC(), time.UnixMilli(expires).UTC(), "open"
			switch {
			case accepted != 0:
				i.State, i.Party = "accepted", v.n.party(i.acceptor).Name
			case revoked != 0:
				i.State = "revoked"
			case !now.Before(i.Expires):
				i.State = "ended"
			}
			out = append(out, i)
		}
		return rows.Err()
	})
	return out, err
}

// invitationsShown bounds a list.
const invitationsShown = 1000

func (v invites) Invitations(ctx context.Context, by hansa.Actor) ([]api.Invitation, error) {
	list, err := v.list(ctx, `party = ? ORDER BY made DESC LIMIT ?`, string(by.Party), invitationsShown)
	out := make([]api.Invitation, 0, len(list))
	for _, i := range list {
		out = append(out, i.Invitation)
	}
	return out, err
}

func (v invites) RevokeInvitation(ctx context.Context, by hansa.Actor, id string) error {
	list, err := v.list(ctx, `id = ? AND party = ?`, id, string(by.Party))
	switch {
	case err != nil:
		return err
	case len(list) == 0:
		return hansa.Errorf(hansa.NotFound, "there is no invitation %q", id).WithHint("hansa parties invitations")
	case list[0].State == "accepted":
		return hansa.Errorf(hansa.Conflict, "%s has accepted it already", list[0].Party).WithHint("hansa flows pause NAME")
	}
	return v.n.db.Write(ctx, func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE node_invitation SET revoked = ? WHERE id = ? AND accepted = 0`, v.n.wall().UnixMilli(), id)
		return errors.Join(err, v.n.act(tx, by, by.Party, "invitation-revoked", id))
	})
}

// open finds the invitation that a token opens, while it does.
func (v invites) open(ctx context.Context, token string) (*invitation, error) {
	hash := sha256.Sum256([]byte(token))
	list, err := v.list(ctx, `token = ?`, hash[:])
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || list[0].State == "revoked" {
		return nil, hansa.Errorf(hansa.NotFound, "there is no such invitation, or it was taken back").WithHint("ask whoever sent it")
	}
	switch i := &list[0]; i.State {
	case "accepted":
		return nil, hansa.Errorf(hansa.Conflict, "this invitation was accepted already").WithHint("sign in at /signin")
	case "ended":
		return nil, hansa.Errorf(hansa.Conflict, "this invitation ended on %s", i.Expires.Format("2 January 2006")).WithHint("ask " + i.By + " for a new one")
	default:
		return i, nil
	}
}

// Invited shows an invitation to whoever holds its link, and whether they are
// signed in for a party that could take it.
func (v invites) Invited(r *http.Request, token string) (room.Invited, error) {
	i, err := v.open(r.Context(), token)
	if err != nil {
		return room.Invited{}, err
	}
	out := room.Invited{By: i.By, For: i.For, Wants: i.Wants, Purpose: i.Purpose, Basis: i.Basis, Expires: i.Expires, Hooks: i.operator, Name: nameFor(i.For)}
	for _, g := range i.Gives {
		x := room.Gift{Title: g.Title, Limit: g.Limit.Std()}
		for _, p := range g.Purposes {
			x.Purposes = append(x.Purposes, string(p))
		}
		for _, f := range g.Formats {
			x.Formats = append(x.Formats, string(f))
		}
		if len(x.Formats) == 0 {
			x.Formats = []string{words.Of(r.Context()).Say("any format of the exchange")}
		}
		out.Gives = append(out.Gives, x)
	}
	if err := v.read(r.Context(), i, &out); err != nil {
		return out, err
	}
	if by, err := v.n.person(r); err == nil && by.May(hansa.RightManage) && by.Party != i.party {
		out.Mine = v.n.party(by.Party).Title
	}
	return out, nil
}

// nameFor makes a short name of a title.
func nameFor(title string) string {
	s := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(title)), "-")
	for strings.Contains(s, "--") {
		s = strings.ReplaceAll(s, "--", "-")
	}
	return s[:min(len(s), 40)]
}

// Accept makes the party with its first user, or takes the one that is signed in,
// and the flows: one for tests and one for real, each dataset.
func (v invites) Accept(r *http.Request, token string, a room.Acceptance) (room.Accepted, error) {
	i, err := v.open(r.Context(), token)
	if err != nil {
		return room.Accepted{}, err
	}
	if a.Mine {
		return v.acceptMine(r, i)
	}
	return v.acceptNew(r, i, &a)
}

// acceptMine takes an invitation for the party that is signed in.
func (v invites) acceptMine(r *http.Request, i *invitation) (out room.Accepted, err error) {
	ctx := r.Context()
	by, err := v.n.person(r)
	if err != nil {
		return out, err
	}
	if !by.May(hansa.RightManage) || by.Party == i.party {
		return out, hansa.Errorf(hansa.Denied, "this needs the right %s of another party than the one that asks", hansa.RightManage).With(hansa.CodeForbidden)
	}
	p := v.n.party(by.Party)
	if err := v.fits(ctx, i, p); err != nil {
		return out, err
	}
	if err := v.take(ctx, by, i, p.ID, nil); err != nil {
		return out, err
	}
	out.Accord, err = v.begin(ctx, i, p)
	return out, err
}

// acceptNew makes the party that accepts, with its first user.
func (v invites) acceptNew(r *http.Request, i *invitation, a *room.Acceptance) (out room.Accepted, err error) {
	ctx := r.Context()
	p := hansa.Party{
		ID: hansa.PartyID("did:web:" + strings.ReplaceAll(v.n.cfg.Origin, ":", "%3A") + ":parties:" + a.Name), Name: a.Name, Title: strings.TrimSpace(a.Title), Kind: i.kind,
		Hosted: true, Since: v.n.wall().UTC(),
	}
	if err := p.Validate(); err != nil {
		return out, err
	}
	if err := v.fits(ctx, i, p); err != nil {
		return out, err
	}
	if err := trust.GoodPassword(a.User, a.Password); err != nil {
		return out, err
	}
	if a.Host != "" {
		if !i.operator {
			return out, hansa.Fielded("/host", "the operator of this node registers hosts").WithHint("leave it out, and ask " + i.By)
		}
		if err := v.n.client.Register(a.Host); err != nil {
			return out, hansa.Public(err).At("/host")
		}
	}
	by, roles := hansa.Actor{Party: p.ID}, []hansa.UserRole{hansa.RoleAdministrator, hansa.RoleEngineer}
	if a.Signs && i.Accord != "" {
		roles = append(roles, hansa.RoleSignatory)
	}
	var link trust.Secret
	err = v.take(ctx, by, i, p.ID, func(tx hansa.Tx) error {
		if _, err := v.n.trust.AddParty(tx, p); err != nil {
			return err
		}
		if a.Host != "" {
			if err := saveHost(tx, a.Host, p.ID); err != nil {
				return err
			}
		}
		u, err := v.n.trust.AddUser(tx, by, trust.UserSpec{Party: p.ID, Name: a.User, Roles: roles})
		if err != nil {
			return err
		}
		_, link, err = v.n.trust.IssueLink(tx, by, u.ID, time.Hour)
		return err
	})
	if err != nil {
		return out, err
	}
	if err := v.n.load(ctx); err != nil {
		return out, err
	}
	if out.Session, err = accounts(v).Enter(r, link.Reveal(), a.Password); err != nil { // first: who has a password can sign in, whatever becomes of the rest
		return out, err
	}
	out.Accord, err = v.begin(ctx, i, p)
	return out, err
}

// take uses an invitation up, once, in one transaction with what comes of it.
func (v invites) take(ctx context.Context, by hansa.Actor, i *invitation, party hansa.PartyID, more func(hansa.Tx) error) error {
	return v.n.trust.Change(ctx, func(tx hansa.Tx) error {
		res, err := tx.Exec(`UPDATE node_invitation SET accepted = ?, acceptor = ? WHERE id = ? AND accepted = 0 AND revoked = 0`, v.n.wall().UnixMilli(), string(party), i.ID)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, hansa.Errorf(hansa.Conflict, "this invitation was accepted already").WithHint("sign in at /signin"))
		}
		if more != nil {
			if err := more(tx); err != nil {
				return err
			}
		}
		return v.n.act(tx, by, i.party, "invitation-accepted", map[string]any{"invitation": i.ID, "party": party})
	})
}

// begin makes the flows of an accepted invitation. Where it proposes an accord, it makes
// those for tests alone, and opens the accord: the live ones come of its signatures.
func (v invites) begin(ctx context.Context, i *invitation, p hansa.Party) (hansa.AccordID, error) {
	by := hansa.Actor{Party: i.party, Rights: []hansa.Right{hansa.RightManage}}
	if err := v.n.load(ctx); err != nil {
		return "", err
	}
	kinds := []bool{true, false}
	if i.Accord != "" {
		kinds = kinds[:1]
	}
	for _, g := range i.Gives {
		o := api.FlowOrder{To: p.Name, Dataset: g.Dataset, Limit: g.Limit, Terms: hansa.Terms{Purposes: g.Purposes, Formats: g.Formats}}
		for _, o.Test = range kinds {
			if o.Name = flowName(p.Name, g.Dataset); o.Test {
				o.Name = flowName(p.Name, g.Dataset+"-test")
			}
			if _, err := admins(v).SaveFlow(ctx, by, o); err != nil {
				return "", err
			}
		}
	}
	if i.Accord == "" {
		return "", nil
	}
	return v.propose(ctx, by, i, p)
}

// flowName is short enough for a name, whatever its parts are.
func flowName(party, what string) string {
	return strings.Trim(party[:min(len(party), 63-1-min(len(what), 40))]+"-"+what[:min(len(what), 40)], "-")
}

// Onboarding tells of each party that by gives to, or of by's own.
// earliest moves t to at, when at is a time and before it.
