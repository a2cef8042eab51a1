package node

import (
	"context"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// accordpages is what the room's pages show and do of accords: the same acts as the
// API's, in the room's words.
type accordpages struct{ n *Node }

var _ room.Accords = accordpages{}

// How much a page lists.
const (
	accordsShown     = 50
	registerShown    = 50
	registerSearched = 200 // accords of one party that a search of the register looks at
	exchangeShown    = 500 // accords in the picture of who shares what with whom
	givenShown       = 8   // deliveries under one accord
)

// Accords lists those of by's party.
func (p accordpages) Accords(ctx context.Context, by hansa.Actor, q room.AccordQuery) (out room.AccordList, err error) {
	ask := accord.Query{Own: by.Party, State: q.State, Model: q.Model, Words: q.Words, After: q.After, Limit: accordsShown, Now: p.n.clock()}
	if q.Turn {
		ask.Turn = p.n.accordNames(p.n.party(by.Party))
	}
	out = room.AccordList{Accords: []room.AccordRow{}, Contacts: []room.AccordContact{}}
	var list []accord.Row
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		list, err = p.n.accords.book.List(tx, ask)
		return err
	})
	if err != nil {
		return out, err
	}
	for i := range list {
		out.Accords = append(out.Accords, p.row(&list[i]))
	}
	if len(list) == accordsShown {
		out.After = list[len(list)-1].State.ID
	}
	waits, err := p.n.accords.AccordContacts(ctx, by)
	for _, c := range waits {
		out.Contacts = append(out.Contacts, room.AccordContact{ID: c.Accord, From: c.From, At: c.At, Title: c.Title, Model: c.Model})
	}
	return out, err
}

// row is an accord in a list.
func (p accordpages) row(r *accord.Row) room.AccordRow {
	s := r.State
	now := s.At(p.n.clock())
	out := room.AccordRow{ID: s.ID, Title: r.Title, Model: r.Model, State: now.State, End: now.End, Since: now.Since, Version: s.Version, Turn: nonNil(now.Turn), TurnSince: s.TurnSince, Parties: []room.AccordParty{}}
	out.Me = p.n.accords.me(r.Own, slices.Concat([]hansa.PartyID{s.Keeper}, s.Asked.Parties, s.Bound.Parties, partiesOf(s)))
	out.Mine = slices.Contains(now.Turn, out.Me)
	for i := range r.Parties {
		out.Parties = append(out.Parties, room.AccordParty{ID: r.Parties[i].ID, Title: r.Parties[i].Title, Kind: r.Parties[i].Kind})
	}
	for i := range s.Members {
		m := &s.Members[i].Party
		if !slices.ContainsFunc(out.Parties, func(x room.AccordParty) bool { return x.ID == m.ID }) {
			out.Parties = append(out.Parties, room.AccordParty{ID: m.ID, Title: m.Title, Kind: m.Kind})
		}
	}
	return out
}

// Accord is one of by's party, as it stands now.
func (p accordpages) Accord(ctx context.Context, by hansa.Actor, id hansa.AccordID) (out room.AccordSheet, err error) {
	x := p.n.accords
	var held map[hansa.FlowID]*pledge
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		s, err := x.book.Get(tx, by.Party, id)
		if err != nil {
			return pointed(err, "see all at /accords")
		}
		t, err := x.texts(tx, by.Party, s)
		if err != nil {
			return err
		}
		d, err := x.shown(tx, by.Party, s)
		if err != nil {
			return err
		}
		out = room.AccordSheet{Me: d.Me, Copy: s.At(p.n.clock()), Text: t.holds(), Findings: d.Findings, Stuck: map[hansa.PartyID]string{}, May: d.May, Owed: d.Owed, Erasing: d.Erasing}
		if t.proposed != nil {
			out.Text = t.proposed
		}
		if t.force != nil && t.force != out.Text {
			out.Force = t.force
		}
		if d.Early != nil {
			out.Early = &room.AccordEarly{Notice: d.Early.Notice, Allowed: d.Early.Allowed, Clause: d.Early.Clause}
		}
		for _, m := range d.Sent {
			out.Sent = append(out.Sent, room.AccordSent{Kind: m.Kind, At: m.At, State: m.State, Stuck: m.Stuck, Reason: m.Reason, Hint: m.Hint})
		}
		for i := range d.Parties {
			out.Stuck[d.Parties[i].ID] = d.Parties[i].Stuck
		}
		for _, u := range d.Suspended {
			if u.Unconfirmed {
				out.Unheard = append(out.Unheard, accord.Suspension{Party: u.Party, Flow: u.Flow, At: u.At, Words: u.Words})
			}
		}
		held, err = pledgesOf(tx, p.n.home(by.Party), id)
		if err == nil {
			out.Courses, err = p.courses(tx, held)
		}
		return err
	})
	if err != nil {
		return out, err
	}
	out.May = p.mayBy(ctx, by, out.May)
	kept, err := trials(p).AccordKept(ctx, by, id)
	if err != nil {
		return out, err
	}
	for i := range kept.Clauses {
		c := &kept.Clauses[i]
		one := room.AccordKept{N: c.N, By: c.By, How: c.How, Function: c.Function, Standing: c.Standing, Counts: c.Counts, Month: c.Month, Open: c.Open, Last: c.Last, Due: c.Due, More: c.More}
		for _, d := range c.Days {
			one.Days = append(one.Days, room.KeptDay(d))
		}
		out.Kept = append(out.Kept, one)
	}
	out.Given, err = p.given(ctx, by, held)
	return out, err
}

// mayBy is what of a party's acts this person may do for it.
func (p accordpages) mayBy(ctx context.Context, by hansa.Actor, list []accord.Kind) []accord.Kind {
	return slices.DeleteFunc(slices.Clone(list), func(k accord.Kind) bool { return p.n.accords.mayAct(ctx, by, k) != nil })
}

// courses are the flows of an accord as this node holds to them.
func (p accordpages) courses(tx hansa.Tx, held map[hansa.FlowID]*pledge) ([]room.AccordCourse, error) {
	out := []room.AccordCourse{}
	month := p.n.clock().UTC().Format("2006-01")
	for _, x := range held {
		c := room.AccordCourse{Part: x.Part, ID: x.ID, State: string(x.State), Why: x.Why, Problem: x.Problem, Gives: x.gives()}
		if x.Part != x.ID { // of a pool: towards one member
			c.To = p.n.party(x.To).Title
		}
		if c.Gives {
			counts, err := store.Counts(tx, x.From, string(x.ID))
			if err != nil {
				return nil, err
			}
			for _, m := range metered(counts) {
				if m.Month == month {
					c.Records = m.Records
				}
			}
		} else if c.Far = !p.n.party(x.From).Hosted; c.Far {
			counts, err := store.Counts(tx, x.Own, string(x.ID))
			if err != nil {
				return nil, err
			}
			for _, m := range counts {
				if m.What == countedReceived && m.Day.Format("2006-01") == month {
					c.Came += m.N
				}
			}
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b room.AccordCourse) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out, nil
}

// AccordHistory lists every step of an accord, with the numbers of its versions.
func (p accordpages) AccordHistory(ctx context.Context, by hansa.Actor, id hansa.AccordID) ([]room.AccordStep, error) {
	h, err := p.n.accords.AccordHistory(ctx, by, id, false)
	if err != nil {
		return nil, err
	}
	out, version := []room.AccordStep{}, 0
	for i := range h.Entries {
		e := &h.Entries[i]
		step := room.AccordStep{N: e.N, Hash: e.Hash, At: e.At, From: e.From, Kind: e.Kind, Base: e.Base, Version: e.Version, Clause: e.Clause, Words: e.Words, Notice: e.Notice, Role: e.Role, Power: e.Power}
		if e.Version != "" {
			version++
			step.Number = version
		}
		out = append(out, step)
	}
	return out, nil
}

// AccordChanges compares two versions.
func (p accordpages) AccordChanges(ctx context.Context, by hansa.Actor, id hansa.AccordID, from, to string) (out room.AccordRedline, err error) {
	d, err := p.n.accords.AccordDiff(ctx, by, id, from, to)
	if err != nil {
		return out, err
	}
	out = room.AccordRedline{From: d.From, To: d.To, Changes: d.Changes}
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		theirs, err := p.n.accords.adopted(tx, by.Party, id)
		if err != nil {
			return err
		}
		if theirs != nil && theirs.hash == d.From {
			out.FromText, out.Adopted = theirs.text, &room.AdoptedFrom{At: theirs.address, Hash: theirs.hash, Notes: theirs.notes}
		} else if out.FromText, err = p.n.accords.text(tx, by.Party, id, d.From); err != nil {
			return err
		}
		out.ToText, err = p.n.accords.text(tx, by.Party, id, d.To)
		return err
	})
	return out, err
}

// AccordTrial says who would get what by the proposed version, asked for a purpose.
func (p accordpages) AccordTrial(ctx context.Context, by hansa.Actor, id hansa.AccordID, purpose hansa.Purpose) ([]room.AccordTry, error) {
	s, err := p.n.accords.State(ctx, by.Party, id)
	if err != nil {
		return nil, err
	}
	x, err := trials(p).ExplainAccord(ctx, by, id, s.Proposed, purpose)
	if err != nil {
		return nil, err
	}
	out := []room.AccordTry{}
	for i := range x.Flows {
		f := &x.Flows[i]
		one := room.AccordTry{Name: f.Name, From: f.FromTitle, To: f.ToTitle, State: f.State, Why: first(f.Why, f.Problem), Gives: f.Gives, Purpose: f.Purpose, Records: f.Records, Pass: f.Pass, Trim: f.Trim, Deny: f.Deny, Rules: []room.TryRule{}}
		for _, r := range f.Rules {
			if r.Outcome != hansa.Pass.String() {
				one.Rules = append(one.Rules, room.TryRule{Rule: r.Rule, Words: r.Words, N: r.N, Clauses: r.Clauses})
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// AccordProof implements [room.AccordShelf].
func (p accordpages) AccordProof(ctx context.Context, by hansa.Actor, id hansa.AccordID) ([]byte, error) {
	return proofs(p).AccordProof(ctx, by, string(id), nil)
}

// AccordMaking is what by's party can make a draft of.
func (p accordpages) AccordMaking(ctx context.Context, by hansa.Actor) (out room.AccordMaking, err error) {
	own := p.n.party(by.Party)
	out = room.AccordMaking{
		Own:  accord.Party{ID: hansa.PartyID(p.n.did(own)), Title: first(own.Title, own.Name), Kind: own.Kind, Role: hansa.RoleBoth},
		Zone: first(own.Zone, "UTC"), Formats: map[hansa.RecordKind][]hansa.Format{}, Datasets: []accord.Dataset{}, Parties: []room.AccordParty{},
	}
	for _, lang := range append(pages(p).langs(by.Party), "en") {
		if lang, _, _ = strings.Cut(lang, "-"); slices.Contains(policy.Languages(), lang) {
			out.Langs = []string{lang}
			break
		}
	}
	sets, err := p.n.catalog.Datasets(ctx, by.Party)
	if err != nil {
		return out, err
	}
	came, stays, err := p.received(ctx, by.Party)
	if err != nil {
		return out, err
	}
	out.Came = came
	for i := range sets {
		if stays[sets[i].Name] {
			continue
		}
		out.Datasets = append(out.Datasets, accord.Dataset{Name: sets[i].Name, Title: dealpages(p).called(by.Party, &sets[i]), Kind: sets[i].Kind})
	}
	for _, kind := range []hansa.RecordKind{hansa.KindSituation, hansa.KindObservation, hansa.KindDocument} {
		out.Formats[kind] = p.n.planner().carry(kind)
	}
	out.Parties, err = p.known(ctx, by)
	return out, err
}

// received are own's datasets, by name, that others fill under accords, and those of them
// whose accord lets nothing go on to anybody.
func (p accordpages) received(ctx context.Context, own hansa.PartyID) (came, stays map[string]bool, err error) {
	came, stays = map[string]bool{}, map[string]bool{}
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		list, err := readPledges(tx, `WHERE own = ? AND (fills <> '' OR fills IS NULL)`, string(own))
		for _, x := range list {
			if x.gives() || x.Fills == "" {
				continue
			}
			came[x.Fills] = true
			if x.stands() && x.Stays && len(x.Onward) == 0 {
				stays[x.Fills] = true
			}
		}
		return err
	})
	return came, stays, err
}

// known are the parties that by's party can name: those that it deals with here, and its
// peers elsewhere.
func (p accordpages) known(ctx context.Context, by hansa.Actor) ([]room.AccordParty, error) {
	out := []room.AccordParty{}
	here, err := admins(p).Parties(ctx, by)
	if err != nil {
		return nil, err
	}
	for i := range here {
		if x := &here[i]; x.Hosted && x.ID != by.Party {
			out = append(out, room.AccordParty{ID: hansa.PartyID(p.n.did(*x)), Title: first(x.Title, x.Name), Kind: x.Kind})
		}
	}
	list, err := p.n.trust.Peers(ctx, by.Party)
	for i := range list {
		if x := &list[i]; strings.HasPrefix(string(x.ID), "did:") && !slices.ContainsFunc(out, func(o room.AccordParty) bool { return o.ID == x.ID }) {
			out = append(out, room.AccordParty{ID: x.ID, Title: first(x.Title, x.Name)})
		}
	}
	return out, err
}

// DraftAccord implements [room.AccordDesk].
func (p accordpages) DraftAccord(ctx context.Context, by hansa.Actor, t *accord.Text) (hansa.AccordID, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	d, err := p.n.accords.DraftAccord(ctx, by, api.AccordDraft{Text: b})
	return d.ID, err
}

// ChangeDraft implements [room.AccordDesk].
func (p accordpages) ChangeDraft(ctx context.Context, by hansa.Actor, id hansa.AccordID, t *accord.Text) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = p.n.accords.ChangeDraft(ctx, by, id, api.AccordDraft{Text: b})
	return err
}

// DiscardDraft implements [room.AccordDesk].
func (p accordpages) DiscardDraft(ctx context.Context, by hansa.Actor, id hansa.AccordID) error {
	return p.n.accords.DiscardDraft(ctx, by, id, "")
}

// ActAccord implements [room.AccordDesk].
func (p accordpages) ActAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID, kind accord.Kind, a room.AccordAct) error {
	o := api.AccordAct{Base: a.Base, Clause: a.Clause, Words: a.Words, Role: a.Role, Power: a.Power, Notice: a.Notice, Flow: a.Flow, Refused: a.Refused, Keeper: a.Keeper, Service: a.Service, Erasure: a.Erasure}
	if a.Text != nil {
		b, err := json.Marshal(a.Text)
		if err != nil {
			return err
		}
		o.Text = b
	}
	if a.Erasure != nil {
		if err := p.erases(ctx, by, id, &o); err != nil {
			return err
		}
	}
	_, err := p.n.accords.ActAccord(ctx, by, id, kind, o)
	return err
}

// erases fills in what the exit rule of the accord asks of own: a certificate for the
// flows for which it owes one.
func (p accordpages) erases(ctx context.Context, by hansa.Actor, id hansa.AccordID, o *api.AccordAct) error {
	x, err := p.Accord(ctx, by, id)
	if err != nil {
		return err
	}
	t := x.Text
	if x.Force != nil {
		t = x.Force
	}
	e := *o.Erasure
	e.Rule, e.On = t.Term.Exit, p.n.wall().UTC().Truncate(1e9)
	for i := range x.Owed {
		if w := &x.Owed[i]; w.Party == x.Me {
			e.Flows = append(e.Flows, w.Flows...)
		}
	}
	if len(e.Flows) == 0 {
		return &hansa.Error{Kind: hansa.Conflict, Message: words.Mark("the exit rule asks you for no certificate: nothing that you received is over, or it is certified")}
	}
	e.Flows = e.Flows[:min(len(e.Flows), accord.FlowsMax)] // the others are owed still
	o.Erasure = &e
	return nil
}

// RetryAccord implements [room.AccordDesk].
func (p accordpages) RetryAccord(ctx context.Context, by hansa.Actor, id hansa.AccordID) error {
	_, err := p.n.accords.RetryAccord(ctx, by, id)
	return err
}

// AnswerContact implements [room.AccordDesk].
func (p accordpages) AnswerContact(ctx context.Context, by hansa.Actor, id hansa.AccordID, yes bool) error {
	return p.n.accords.AnswerContact(ctx, by, id, yes)
}
