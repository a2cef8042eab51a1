package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// DraftFromFlow keeps a draft of an accord that says what a flow without one does. The
// flow keeps its id: once the accord is in force, it runs on under it.
func (x *accords) DraftFromFlow(ctx context.Context, by hansa.Actor, id hansa.FlowID, o api.FlowDraft) (out api.FlowDrafted, err error) {
	own, err := x.n.partyFor(by, o.Party)
	if err != nil {
		return out, err
	}
	f, set, err := x.givenOrTaken(ctx, own.ID, id)
	if err != nil {
		return out, err
	}
	switch {
	case f.Basis.Kind != hansa.BasisConfigured:
		return out, hansa.Errorf(hansa.Conflict, "the flow %s stands on an %s already", f.Name, f.Basis.Kind).WithHint("hansa flows show " + f.Name)
	case f.Test:
		return out, hansa.Errorf(hansa.Conflict, "the flow %s carries marked test records alone: there is nothing to agree on", f.Name)
	case !uuid.MatchString(string(f.ID)):
		return out, hansa.Errorf(hansa.Conflict, "the id %.60q of the flow is no UUID, as an accord names its flows", f.ID).WithHint("hansa flows add makes one that can be agreed on")
	}
	m := &fromFlow{x: x, own: own, f: f, set: set, o: &o, now: x.n.clock()}
	t, err := m.draft()
	if err != nil {
		return out, err
	}
	b, err := json.Marshal(t)
	if err != nil {
		return out, err
	}
	out.AccordDetail, err = x.DraftAccord(ctx, by, api.AccordDraft{Party: o.Party, Text: b})
	out.Flow, out.Notes = f.ID, nonNil(m.notes)
	return out, err
}

// givenOrTaken finds a flow of own by its id, with what it carries.
func (x *accords) givenOrTaken(ctx context.Context, own hansa.PartyID, id hansa.FlowID) (*hansa.Flow, *hansa.Dataset, error) {
	list, err := x.n.catalog.Flows(ctx, own)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(list, func(f hansa.Flow) bool { return f.ID == id })
	if i < 0 {
		return nil, nil, hansa.Errorf(hansa.NotFound, "there is no such flow").WithHint("hansa flows list")
	}
	c, err := x.n.line.course(id)
	if err != nil {
		return nil, nil, err
	}
	return &list[i], &c.dataset, nil
}

// fromFlow makes an accord of a flow. What no clause can say goes into notes.
type fromFlow struct {
	x     *accords
	own   hansa.Party
	f     *hansa.Flow
	set   *hansa.Dataset
	o     *api.FlowDraft
	now   time.Time
	notes []string
	order accord.Order
}

func (m *fromFlow) note(format string, args ...any) {
	m.notes = append(m.notes, fmt.Sprintf(format, args...))
}

func (m *fromFlow) draft() (*accord.Text, error) {
	model := first(string(m.o.Model), string(hansa.ModelPartnership))
	if m.o.Model == "" && m.f.To == hansa.PublicParty {
		model = string(hansa.ModelDonation)
	}
	t, err := accord.TemplateByName(model)
	if err != nil {
		return nil, hansa.Public(err).At("/model")
	}
	zone, err := time.LoadLocation(first(m.own.Zone, "UTC"))
	if err != nil {
		return nil, err
	}
	p := &m.order
	p.ID, p.Languages = hansa.AccordID(hansa.NewID(m.now)), []string{m.language()}
	p.Title = accord.Words{p.Languages[0]: m.title()}
	p.Answers, p.Set, p.Purposes = maps.Clone(m.o.Answers), map[string]policy.Params{}, map[hansa.FlowID][]hansa.Purpose{}
	if p.Answers == nil {
		p.Answers = map[string]string{}
	}
	p.Term = accord.Term{From: m.now.In(zone).Format(time.DateOnly), Zone: zone.String()}
	if u := m.f.Terms.Until; !u.IsZero() { // the day before its last moment's, unless that is midnight
		p.Term.Until = u.In(zone).AddDate(0, 0, -1).Format(time.DateOnly)
		m.note("the flow ends at %s, and the accord with the day %s", u.UTC().Format(time.RFC3339), p.Term.Until)
	}
	m.parties()
	if err := m.flow(); err != nil {
		return nil, err
	}
	m.bounds(zone)
	m.answers(t)
	return t.Draft(*p)
}

// language is that of the giver, where an accord can be written in it.
func (m *fromFlow) language() string {
	giver := m.x.n.party(m.f.From)
	if lang, _, _ := strings.Cut(giver.Language(), "-"); slices.Contains(policy.Languages(), lang) {
		return lang
	}
	return "en"
}

// called is what the dataset is called.
func (m *fromFlow) called() string {
	return first(m.set.Title[m.language()], first(m.set.Title["en"], m.set.Name))
}

func (m *fromFlow) title() string {
	return cutTo(m.called()+", "+m.x.n.party(m.f.From).Title+" – "+m.x.n.party(m.f.To).Title, accord.TitleBytesMax)
}

// parties are the giver and the receiver; the public is none.
func (m *fromFlow) parties() {
	add := func(id hansa.PartyID, role hansa.PartyRole) {
		if id == hansa.PublicParty {
			return
		}
		p := m.x.n.party(id)
		m.order.Parties = append(m.order.Parties, accord.Party{ID: m.x.called(p), Title: first(p.Title, p.Name), Kind: p.Kind, Role: role})
		if !p.Hosted && !strings.HasPrefix(string(id), "did:") {
			m.note("%s has no DID yet: it is named %s, by which it is found once it lives here", p.Title, m.x.called(p))
		}
	}
	add(m.f.From, hansa.RoleGiver)
	add(m.f.To, hansa.RoleReceiver)
}

// called is what a text calls a party: its DID here, or its own elsewhere.
func (x *accords) called(p hansa.Party) hansa.PartyID {
	if !p.Hosted && strings.HasPrefix(string(p.ID), "did:") {
		return p.ID
	}
	return hansa.PartyID(x.n.did(p))
}

// flow says what is given.
func (m *fromFlow) flow() error {
	n := m.x.n
	to := hansa.PublicParty
	if m.f.To != hansa.PublicParty {
		to = m.x.called(n.party(m.f.To))
	}
	out := accord.Flow{
		ID: m.f.ID, Name: m.f.Name, From: m.x.called(n.party(m.f.From)), To: to, Formats: slices.Clone(m.f.Terms.Formats), Limit: m.f.Limit,
		Dataset: accord.Dataset{Name: m.set.Name, Title: m.called(), Kind: m.set.Kind, Holder: m.set.Holder},
	}
	can := n.planner().carry(m.set.Kind)
	out.Formats = slices.DeleteFunc(out.Formats, func(x hansa.Format) bool {
		gone := !slices.Contains(can, x)
		if gone {
			m.note("the format %s cannot carry a %s, and is left out", x, m.set.Kind)
		}
		return gone
	})
	for _, field := range m.f.Terms.Held {
		out.Marked = append(out.Marked, accord.Mark{Field: field, As: "trade-secret", Measures: "to be agreed"})
		m.note("the field %s is held back: say in the text as what it is marked, and the receiver's measures", field)
	}
	if m.set.Personal {
		if m.o.Personal == nil {
			return hansa.Fielded("/personal", "the dataset %s holds personal data: say roles, basis, assessment, retention and country", m.set.Name).WithHint("--personal roles=separate --personal basis=... for each of them")
		}
		out.Personal = m.o.Personal
	}
	m.order.Flows = []accord.Flow{out}
	m.order.Purposes[m.f.ID] = m.f.Terms.Purposes
	return nil
}

// with adds a clause with a parameter.
func (m *fromFlow) with(clause, param, value string) {
	if m.order.Set[clause] == nil {
		m.order.With, m.order.Set[clause] = append(m.order.With, clause), policy.Params{}
	}
	m.order.Set[clause][param] = value
}

// bounds says the gates of the flow as clauses.
func (m *fromFlow) bounds(zone *time.Location) {
	t := &m.f.Terms
	if len(t.Fields) > 0 {
		m.with("fields-limit", "fields", strings.Join(t.Fields, ","))
	}
	switch {
	case t.Area == nil:
	case t.Area.Type == hansa.Polygon:
		m.with("area-limit", "area", string(t.Area.AppendJSON(nil)))
		m.with("area-limit", "area-name", m.x.n.party(m.f.From).Title)
	default:
		m.note("its area is a %s, and the clause area-limit takes one Polygon: give one, or the accord has no bound of place", t.Area.Type)
	}
	if t.Delay > 0 {
		minutes := int64((t.Delay.Std() + time.Minute - 1) / time.Minute)
		m.with("delay", "minutes", strconv.FormatInt(minutes, 10))
		if t.Delay.Std()%time.Minute != 0 {
			m.note("the delay of %s is whole minutes in an accord: %d", t.Delay.Std(), minutes)
		}
	}
	if t.Precision != nil {
		m.with("precision-limit", "decimals", strconv.Itoa(*t.Precision))
	}
	if t.Retention > 0 {
		m.with("retention", "days", strconv.Itoa(t.Retention))
	}
	if licence := first(t.Licence, m.set.Licence); licence != "" {
		m.with("licence", "licence", licence)
	}
	if t.Attribution != "" {
		m.with("attribution", "wording", t.Attribution)
	}
	m.windows(zone)
	for _, name := range slices.Sorted(maps.Keys(t.Conditions)) {
		m.note("no clause says its condition %s = %s", name, t.Conditions[name])
	}
}

// windows says one window of each day; more no clause can say.
func (m *fromFlow) windows(zone *time.Location) {
	list := m.f.Terms.Windows
	if len(list) == 0 {
		return
	}
	w := list[0]
	if plain := (hansa.Recurrence{Zone: w.Zone, From: w.From, To: w.To}); len(list) > 1 || !sameJSON(w, plain) {
		m.note("its hours come back on certain days, and the clause daily-window knows the same hours of every day: the accord has no bound of hours")
		return
	}
	m.with("daily-window", "from", w.From)
	m.with("daily-window", "until", w.To)
	m.with("daily-window", "zone", first(w.Zone, zone.String()))
}

func sameJSON(a, b any) bool {
	x, bad := json.Marshal(a, json.Deterministic(true))
	y, worse := json.Marshal(b, json.Deterministic(true))
	return bad == nil && worse == nil && string(x) == string(y)
}

// answers what the template asks and the flow knows: its purposes, and what its
// receiver gets. What is said in the order goes before.
func (m *fromFlow) answers(t *accord.Template) {
	for i := range t.Questions {
		name, value := t.Questions[i].Name, ""
		switch {
		case t.Questions[i].Into == "purpose-limit.purposes":
			value = strings.Join(names(m.f.Terms.Purposes), ",")
		case t.Questions[i].Each:
			name, value = name+"/2", m.called()
		}
		if m.order.Answers[name] == "" && value != "" && (!t.Questions[i].Each || len(m.order.Parties) > 1) {
			m.order.Answers[name] = value
		}
	}
	if t.Model == hansa.ModelPartnership { // one flow has one giver
		m.order.Without = append(m.order.Without, "each-side-gives")
	}
}
