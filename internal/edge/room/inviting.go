package room

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// Inviting is how a party asks organisations in by a link, and sees how far they have
// come. What is another party's is NotFound.
type Inviting interface {
	// Invitations lists own's, the newest first.
	Invitations(ctx context.Context, by hansa.Actor) ([]Sent, error)
	// Coming tells how far those have come to whom own gives.
	Coming(ctx context.Context, by hansa.Actor) ([]Coming, error)
	// InviteMaking is what an invitation can be made of.
	InviteMaking(ctx context.Context, by hansa.Actor) (InviteMaking, error)
	// Invite makes a link that opens once, until a time. Its error names the field.
	Invite(ctx context.Context, by hansa.Actor, o *InviteOrder) (link string, until time.Time, err error)
	// RevokeInvitation ends a link; Conflict when it was accepted.
	RevokeInvitation(ctx context.Context, by hansa.Actor, id string) error
}

// Sent is an invitation that was made; its link is shown once, when it is.
type Sent struct {
	ID      string         `json:"id"`
	For     string         `json:"for"`
	Gives   []string       `json:"gives,omitempty"` // titles
	Accord  hansa.AccordID `json:"accord,omitempty"`
	State   string         `json:"state"` // open, accepted, ended or revoked
	Made    time.Time      `json:"made"`
	Expires time.Time      `json:"expires"`
	Party   string         `json:"party,omitempty"` // who accepted
}

// Coming is how far a party has come on its way to live data.
type Coming struct {
	Party string    `json:"party"`
	Title string    `json:"title"`
	Steps []Onboard `json:"steps"`
}

// InviteMaking is what an invitation can be made of.
type InviteMaking struct {
	Datasets []InviteData  `json:"datasets"`
	Drafts   []InviteDraft `json:"drafts"`
}

// InviteData is an own dataset.
type InviteData struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

// InviteDraft is a draft of an accord with a party in it that is not here: the invited
// can take its place.
type InviteDraft struct {
	ID    hansa.AccordID `json:"id"`
	Title accord.Words   `json:"title"`
	As    AccordParty    `json:"as"`
}

// InviteOrder is who is asked in, and to what: datasets, or an accord and whose place in
// it they take.
type InviteOrder struct {
	For, Why, Wants, Basis string
	Days                   int
	Datasets               []string
	Purposes               []hansa.Purpose
	Limit                  time.Duration // agreed time from offered to live
	Accord                 hansa.AccordID
	As                     hansa.PartyID
}

// invitingPage is all that the templates invitations, invitation-new and
// invitation-made need.
type invitingPage struct {
	shell
	Sent     []inviteRow
	Coming   []comingRow
	Form     inviteForm
	Drafts   []tickRow
	Datasets []tickRow
	Link     string
	Until    string
}

type inviteRow struct {
	ID, For, What, Accord, State, Tone, Until, Party string
	Open                                             bool
}

type comingRow struct {
	Title, Waits string
	Steps        []stepRow
}

// inviteForm is an invitation as a form holds it.
type inviteForm struct {
	For, Why, Wants, Basis, Days, Purposes, Minutes, Draft string
	Gives                                                  []string
}

func (r *Room) invitingRoutes(page, form func(pattern, action string, serve answerBy, rights ...hansa.Right)) {
	page("/invitations", "see who was asked in, and how far they have come", r.invitationsPage, hansa.RightManage)
	page("/invitations/new", "see how to ask an organisation in", r.newInvitationPage, hansa.RightManage)
	form("/invitations/new", "ask an organisation in; the link is shown once", r.newInvitation, hansa.RightManage)
	form("/invitations/{invitation}/revoke", "take an invitation back", r.revokeInvitation, hansa.RightManage)
}

func (r *Room) invitationsPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.invitationsSheet(w, req, by, nil)
}

func (r *Room) invitationsSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, failure error) error {
	p := &invitingPage{shell: r.shell(req, by, words.Mark("Invitations"), "/parties")}
	if req.Method == http.MethodPost {
		p.JSON, p.Dark, p.Light = "/invitations.json", "/invitations?theme=dark", "/invitations?theme=light"
	}
	if req.URL.Query().Get("done") == "revoke" {
		p.Note = p.say.Say("The invitation is taken back: its link opens no more.")
	}
	sent, err := r.cfg.Inviting.Invitations(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range sent {
		p.Sent = append(p.Sent, p.sent(&sent[i]))
	}
	coming, err := r.cfg.Inviting.Coming(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range coming {
		row := comingRow{Title: coming[i].Title, Steps: onboarding(p.say, coming[i].Steps, p.zone)}
		row.Waits = p.say.Say("Nothing is waited for.")
		for _, s := range row.Steps {
			if !s.Done && !s.Free {
				row.Waits = s.Says
				break
			}
		}
		p.Coming = append(p.Coming, row)
	}
	return r.write(w, req, &p.shell, "invitations", p, map[string]any{"invitations": sent, "onboarding": coming}, failure)
}

// sent puts an invitation into a row.
func (p *invitingPage) sent(x *Sent) inviteRow {
	row := inviteRow{ID: x.ID, For: x.For, What: p.say.List(x.Gives...), Accord: string(x.Accord), Until: p.when(x.Expires), Party: x.Party, Open: x.State == "open"}
	switch x.State {
	case "open":
		row.State, row.Tone = words.Mark("Open"), "med"
	case "accepted":
		row.State, row.Tone = words.Mark("Accepted"), "ok"
	case "revoked":
		row.State, row.Tone = words.Mark("Taken back"), "low"
	default:
		row.State, row.Tone = words.Mark("Ended"), "low"
	}
	return row
}

// onboarding puts the steps to live data into words.
func onboarding(say *words.Catalogue, list []Onboard, zone *time.Location) (out []stepRow) {
	for _, s := range list {
		row := stepRow{Step: say.Say(s.Step), Done: !s.Done.IsZero(), Free: s.Free}
		if row.Done {
			row.Says = say.Fill("done since {1} on {2}", words.Clock(s.Done, zone), say.Day(s.Done, zone))
		} else {
			row.Says = say.Fill("waits for {1}: {2}", s.Who, say.Say(s.How))
		}
		out = append(out, row)
	}
	return out
}

func (r *Room) newInvitationPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.newInvitationSheet(w, req, by, req.URL.Query(), nil)
}

func (r *Room) newInvitationSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, f url.Values, failure error) error {
	p := &invitingPage{shell: r.shell(req, by, words.Mark("Invite an organisation"), "/parties"), Form: inviteFormOf(f)}
	p.Style = "accord.css"
	if req.Method == http.MethodPost {
		p.JSON, p.Dark, p.Light = "/invitations/new.json", "/invitations/new?theme=dark", "/invitations/new?theme=light"
	}
	m, err := r.cfg.Inviting.InviteMaking(req.Context(), by)
	if err != nil {
		return err
	}
	chosen := p.Form.Draft
	for i := range m.Drafts {
		d := &m.Drafts[i]
		title, _ := worded(d.Title, p.Lang)
		value := draftValue(d.ID, d.As.ID)
		on := chosen == value || chosen == string(d.ID) // a link names the draft alone
		if on {
			chosen = value // of several places in it, the first
		}
		p.Drafts = append(p.Drafts, tickRow{Value: value, Says: p.say.Fill("{1}, in the place of {2}", title, cmp.Or(d.As.Title, string(d.As.ID))), On: on && chosen == value})
	}
	for _, d := range m.Datasets {
		on := false
		for _, name := range p.Form.Gives {
			on = on || name == d.Name
		}
		p.Datasets = append(p.Datasets, tickRow{Value: d.Name, Says: cmp.Or(d.Title, d.Name), On: on})
	}
	return r.write(w, req, &p.shell, "invitation-new", p, m, failure)
}

// draftValue names a draft with a place in it.
func draftValue(id hansa.AccordID, as hansa.PartyID) string { return string(id) + " " + string(as) }

// inviteFormOf is what somebody typed.
func inviteFormOf(f url.Values) inviteForm {
	return inviteForm{
		For: f.Get("for"), Why: f.Get("purpose"), Wants: f.Get("wants"), Basis: f.Get("basis"), Days: cmp.Or(f.Get("days"), "14"), Purposes: f.Get("purposes"), Minutes: cmp.Or(f.Get("minutes"), "5"),
		Draft: f.Get("accord"), Gives: f["gives"],
	}
}

// order reads an invitation from a form.
func (o *inviteForm) order() (*InviteOrder, error) {
	days, err := strconv.Atoi(strings.TrimSpace(o.Days))
	if err != nil || days < 1 {
		return nil, hansa.Fielded("/days", "an invitation lasts 1 to %d days", inviteDaysMax)
	}
	minutes, err := strconv.Atoi(strings.TrimSpace(o.Minutes))
	if err != nil || minutes < 1 || minutes > inviteMinutesMax {
		return nil, hansa.Fielded("/minutes", "from offered to live is 1 to %d minutes", inviteMinutesMax)
	}
	id, as, _ := strings.Cut(o.Draft, " ")
	out := &InviteOrder{
		For: strings.TrimSpace(o.For), Why: strings.TrimSpace(o.Why), Wants: strings.TrimSpace(o.Wants), Basis: strings.TrimSpace(o.Basis), Days: days, Datasets: o.Gives, Limit: time.Duration(minutes) * time.Minute,
		Accord: hansa.AccordID(id), As: hansa.PartyID(as),
	}
	if out.Accord == "" && strings.TrimSpace(o.Purposes) == "" && len(o.Gives) > 0 {
		return nil, hansa.Fielded("/purposes", "say what the data may be used for")
	}
	list, err := listOf("/purposes", o.Purposes)
	for _, s := range list {
		out.Purposes = append(out.Purposes, hansa.Purpose(s))
	}
	return out, err
}

// Limits of what a form about an invitation takes.
const (
	inviteDaysMax    = 90
	inviteMinutesMax = 24 * 60
)

// newInvitation makes a link and shows it, once.
func (r *Room) newInvitation(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	f := inviteFormOf(req.PostForm)
	o, err := f.order()
	var link string
	var until time.Time
	if err == nil {
		link, until, err = r.cfg.Inviting.Invite(req.Context(), by, o)
	}
	if err != nil {
		if hansa.KindOf(err) == hansa.Internal {
			return err
		}
		return r.newInvitationSheet(w, req, by, req.PostForm, err)
	}
	p := &invitingPage{shell: r.shell(req, by, words.Mark("Invite an organisation"), "/parties"), Form: f, Link: link}
	p.JSON, p.Dark, p.Light = "/invitations.json", "/invitations?theme=dark", "/invitations?theme=light"
	p.Until = p.when(until)
	return r.write(w, req, &p.shell, "invitation-made", p, map[string]any{"for": o.For, "link": link, "expires": until}, nil)
}

func (r *Room) revokeInvitation(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	err := r.cfg.Inviting.RevokeInvitation(req.Context(), by, req.PathValue("invitation"))
	return acted(w, req, err, "/invitations", "revoke", func(err error) error { return r.invitationsSheet(w, req, by, err) })
}
