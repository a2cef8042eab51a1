package node

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// waits returns once an accord waits for a yes.
func (p *partner) waits(id hansa.AccordID) api.AccordContact {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer stop()
	for {
		moved := p.node.deal.moved.wait()
		list, err := p.node.accords.AccordContacts(ctx, p.actor())
		if err != nil {
			p.t.Fatal(err)
		}
		for _, c := range list {
			if c.Accord == id {
				return c
			}
		}
		select {
		case <-moved:
		case <-ctx.Done():
			p.t.Fatalf("nothing waits at %s", p.name)
		}
	}
}

// An accord of somebody who is not known waits for a person's yes, with what follows; a
// no forgets it.
func TestAccordFirstContact(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	id := city.drafts(terms(t, city, company))
	city.acts(id, accord.Open, api.AccordAct{})
	city.acts(id, accord.Comment, api.AccordAct{Words: "we have not met"})
	c := company.waits(id)
	if c.From != city.id || c.Title["en"] == "" {
		t.Errorf("what waits: %+v", c)
	}
	if _, err := company.node.accords.Accord(t.Context(), company.actor(), id); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("an accord before the yes: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); stillWaits(t, city) > 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
	}
	if err := company.node.accords.AnswerContact(t.Context(), company.actor(), id, true); err != nil {
		t.Fatal(err)
	}
	company.comes(id, "what waited", entries(2))
	company.acts(id, accord.Decline, api.AccordAct{Words: "not for us"})
	city.comes(id, "the end", func(d api.AccordDetail) bool { return d.End == hansa.EndDeclined })
	same(t, id, city, company)

	other := city.drafts(terms(t, city, company)) // they know each other now
	city.acts(other, accord.Open, api.AccordAct{})
	company.comes(other, "the next accord", entries(1))
	back := company.drafts(terms(t, company, city))
	company.acts(back, accord.Open, api.AccordAct{})
	city.comes(back, "an accord the other way", entries(1))
}

// served is a duty that binds by the service of its authority, to whom closures are owed.
func served(t *testing.T, authority, bearer *partner) *accord.Text {
	t.Helper()
	x, err := accord.TemplateByName(string(hansa.ModelClause))
	if err != nil {
		t.Fatal(err)
	}
	text, err := x.Draft(accord.Order{
		ID: hansa.AccordID(hansa.NewID(time.Now())), Title: accord.Words{"en": "Works in the road"}, Languages: []string{"en"},
		Answers: duty("permit: Permit for works in the road 2026/88", "start,end", "foreman_id"),
		Term:    accord.Term{From: "2026-01-01", Zone: "Europe/Amsterdam", Notice: 30, Review: []string{"2030-01-01"}, Exit: "erase", ExitDays: 30},
		Parties: []accord.Party{
			{ID: authority.id, Title: authority.name, Kind: hansa.City, Role: hansa.RoleBoth},
			{ID: bearer.id, Title: bearer.name, Kind: hansa.Company, Role: hansa.RoleBoth},
		},
		Flows: []accord.Flow{{ID: hansa.FlowID(hansa.NewID(time.Now())), Name: "works", From: bearer.id, To: authority.id, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What a stranger says before the yes waits with what it opened, signed or served; what
// does not wait any more is asked for. With the yes both copies are the same, and nobody
// says anything anew.
func TestAccordFirstContactBound(t *testing.T) {
	notice := api.AccordAct{Service: &accord.Service{How: "post", Reference: "N-1", On: time.Now().UTC().Truncate(time.Second)}}
	for _, c := range []struct {
		what string
		text func(t *testing.T, company, city *partner) *accord.Text
		kind accord.Kind
		a    api.AccordAct
		n    int64
		lost int64
	}{
		{"signed", func(t *testing.T, company, city *partner) *accord.Text { return terms(t, company, city) }, accord.Sign, api.AccordAct{}, 2, 0},
		{"served", served, accord.Serve, notice, 3, 0},
		{"served, of which an entry is lost", served, accord.Serve, notice, 3, 2},
	} {
		all := signatories(t, "city", "nav")
		city, company := all[0], all[1]
		id := company.drafts(c.text(t, company, city))
		company.acts(id, accord.Open, api.AccordAct{})
		if d := company.acts(id, c.kind, c.a); d.N != c.n {
			t.Fatalf("%s: it comes to %+v", c.what, d.Accord)
		}
		city.waits(id)
		for end := time.Now().Add(10 * time.Second); stillWaits(t, company) > 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		}
		for _, p := range company.accord(id).Parties {
			if p.Stuck != "" {
				t.Errorf("%s: it does not arrive: %s", c.what, p.Stuck)
			}
		}
		if err := city.node.db.Write(t.Context(), func(tx hansa.Tx) error {
			_, err := tx.Exec(`DELETE FROM exchange_waiting WHERE accord = ? AND n = ?`, string(id), c.lost)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := city.node.accords.AnswerContact(t.Context(), city.actor(), id, true); err != nil {
			t.Fatal(err)
		}
		city.comes(id, "what waited", entries(c.n))
		same(t, id, city, company)
		if list, err := city.node.accords.AccordContacts(t.Context(), city.actor()); err != nil || len(list) > 0 {
			t.Errorf("%s: it waits still: %+v, %v", c.what, list, err)
		}
	}
}

func stillWaits(t *testing.T, p *partner) (n int) {
	t.Helper()
	if err := p.node.db.Read(t.Context(), func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM outbound_letter WHERE state = 'waits'`).Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// With the token of an invitation nobody is asked; another's token, or one that was
// made up, is refused.
func TestAccordInvitation(t *testing.T) {
	all := signatories(t, "city", "nav", "thief")
	city, company, thief := all[0], all[1], all[2]
	made, err := (invites{company.node}).Invite(t.Context(), company.actor(), api.InvitationOrder{For: "the city", Purpose: "closures", Gives: []api.Given{{Dataset: "closures", Purposes: []hansa.Purpose{"navigation"}}}})
	if err != nil {
		t.Fatal(err)
	}
	_, token, _ := strings.Cut(made.Link, "token=")
	id := city.drafts(terms(t, city, company))
	city.acts(id, accord.Open, api.AccordAct{Invitation: token})
	company.comes(id, "the first entry", entries(1))
	with := thief.drafts(terms(t, thief, company))
	for i, token := range []string{"made-up", token} { // the second was for one alone to use
		if i > 0 {
			with = thief.drafts(terms(t, thief, company))
		}
		thief.acts(with, accord.Open, api.AccordAct{Invitation: token})
		thief.comes(with, "why it does not arrive", func(d api.AccordDetail) bool { return d.Parties[1].Stuck != "" })
	}
	if list, err := company.node.accords.AccordContacts(t.Context(), company.actor()); err != nil || len(list) != 0 {
		t.Errorf("what waits: %+v %v", list, err)
	}
}

// stranger is a node that speaks by hand: it signs what a test makes up.
type stranger struct {
	*partner
	to *partner
}

// says sends a message as its party's node would.
func (s stranger) says(m *accord.Message) (int, wireAnswer) {
	s.t.Helper()
	if m.FormatVersion == 0 {
		m.FormatVersion = accord.MessageFormat
	}
	if m.ID == "" {
		m.ID = hansa.NewID(time.Now())
	}
	if m.From == "" {
		m.From = s.id
	}
	if m.To == "" {
		m.To = s.to.id
	}
	if m.At.IsZero() {
		m.At = time.Now().UTC().Truncate(time.Millisecond)
	}
	key, err := s.node.accords.messageKey(s.t.Context(), s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	h, err := signedMessage(key, m)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.posts(h.jws)
}

// posts sends whatever it is given.
func (s stranger) posts(jws string) (int, wireAnswer) {
	s.t.Helper()
	got, err := s.node.client.Do(s.t.Context(), outbound.Request{Method: http.MethodPost, URL: s.to.url + accordInbox, Header: http.Header{"Content-Type": {accordMedia}}, Body: []byte(jws)})
	if err != nil {
		s.t.Fatal(err)
	}
	var a wireAnswer
	if err := json.Unmarshal(got.Body, &a); err != nil {
		s.t.Fatalf("%d %s: %v", got.Status, got.Body, err)
	}
	return got.Status, a
}

// What is not what it says is refused, and changes nothing.
func TestAccordInboxHostile(t *testing.T) {
	all := signatories(t, "city", "nav", "thief")
	city, company, thief := all[0], all[1], all[2]
	knowsAll(city, company)
	id := city.drafts(terms(t, city, company))
	d := city.acts(id, accord.Open, api.AccordAct{})
	company.comes(id, "the first entry", entries(1))
	own := stranger{company, city}
	comment := func() *accord.Message {
		return &accord.Message{Accord: id, Base: d.Proposed, Kind: accord.Comment, Body: accord.Body{Words: "x"}}
	}
	good := comment()
	status, first := own.says(good)
	if status != http.StatusOK || first.N != 2 || first.Checkpoint == "" {
		t.Fatalf("the control: %d %+v", status, first)
	}
	if status, again := own.says(good); status != http.StatusOK || again.N != first.N || again.Head != first.Head {
		t.Errorf("a repeat is answered %d %+v, not %+v", status, again, first)
	}
	city.comes(id, "the comment", entries(2))
	company.comes(id, "the comment", entries(2))
	history, err := city.node.accords.Entries(t.Context(), city.id, id)
	if err != nil {
		t.Fatal(err)
	}
	tampered := comment()
	tampered.Body.Words = strings.Repeat("x", 100)
	jws := func(m *accord.Message, by *partner, as hansa.PartyID) string {
		m.FormatVersion, m.ID, m.From, m.At = accord.MessageFormat, hansa.NewID(time.Now()), as, time.Now().UTC().Truncate(time.Millisecond)
		if m.To == "" {
			m.To = city.id
		}
		key, err := by.node.accords.messageKey(t.Context(), by.id)
		if err != nil {
			t.Fatal(err)
		}
		h, err := signedMessage(key, m)
		if err != nil {
			t.Fatal(err)
		}
		return h.jws
	}
	part := strings.Split(jws(comment(), company, company.id), ".")
	other := strings.Split(jws(tampered, company, company.id), ".")
	to := func(m *accord.Message, to hansa.PartyID) *accord.Message { m.To = to; return m }
	base := func(m *accord.Message, base string) *accord.Message { m.Base = base; return m }
	at := func(m *accord.Message, accord hansa.AccordID) *accord.Message { m.Accord = accord; return m }
	told := func(e accord.Entry) *accord.Message {
		return &accord.Message{Accord: id, Kind: accord.Told, Body: accord.Body{Entry: &e}}
	}
	mine := jws(comment(), company, company.id)
	for _, c := range []struct {
		what   string
		by     stranger
		jws    string
		status int
		code   hansa.Code
	}{
		{"not a JWS", own, "x.y.z", http.StatusForbidden, ""},
		{"another payload", own, part[0] + "." + other[1] + "." + part[2], http.StatusForbidden, ""},
		{"another's signature", own, part[0] + "." + part[1] + "." + other[2], http.StatusForbidden, ""},
		{"another's name", own, jws(comment(), thief, company.id), http.StatusForbidden, ""},
		{"for somebody else", own, jws(to(comment(), thief.id), company, company.id), http.StatusNotFound, hansa.CodeNotFound},
		{"from a stranger", own, jws(comment(), thief, thief.id), http.StatusForbidden, hansa.CodeForbidden},
		{"an accord that is not there", own, jws(at(comment(), "01930000-0000-7000-8000-00000000ffff"), company, company.id), http.StatusNotFound, hansa.CodeNotFound},
		{"an old version", own, jws(base(comment(), strings.Repeat("0", 64)), company, company.id), http.StatusConflict, hansa.CodeStale},
		{"an entry by who does not keep it", stranger{company, city}, jws(told(accord.Entry{N: 3, Before: first.Head, At: time.Now().UTC(), Message: mine}), company, company.id), http.StatusForbidden, hansa.CodeForbidden},
		{"an entry too early", stranger{city, company}, jws(to(told(accord.Entry{N: 9, Before: first.Head, At: time.Now().UTC(), Message: mine}), company.id), city, city.id), http.StatusConflict, hansa.CodeGap},
		{"an entry that was told before", stranger{city, company}, jws(to(told(history[1]), company.id), city, city.id), http.StatusOK, ""},
		{"another entry under a number", stranger{city, company}, jws(to(told(accord.Entry{N: 2, Before: history[1].Before, At: time.Now().UTC(), Message: mine}), company.id), city, city.id), http.StatusConflict, hansa.CodeFork},
		{"an entry of another chain", stranger{city, company}, jws(to(told(accord.Entry{N: 3, Before: strings.Repeat("0", 64), At: time.Now().UTC(), Message: mine}), company.id), city, city.id), http.StatusConflict, hansa.CodeFork},
		{"an entry of tomorrow", stranger{city, company}, jws(to(told(accord.Entry{N: 3, Before: first.Head, At: time.Now().UTC().Add(24 * time.Hour), Message: mine}), company.id), city, city.id), http.StatusBadRequest, hansa.CodeSkew},
		{"an entry whose message was changed", stranger{city, company}, jws(to(told(accord.Entry{N: 3, Before: first.Head, At: time.Now().UTC(), Message: part[0] + "." + other[1] + "." + part[2]}), company.id), city, city.id), http.StatusForbidden, ""},
	} {
		status, a := c.by.posts(c.jws)
		if status != c.status || c.code != "" && (a.Error == nil || a.Error.Code != c.code) || status != http.StatusOK && a.Error == nil {
			t.Errorf("%s: %d %+v %+v", c.what, status, a, a.Error)
		}
		if c.code == hansa.CodeStale && a.Present != d.Proposed {
			t.Errorf("%s does not say which version is the present one: %+v", c.what, a)
		}
	}
	for _, p := range []*partner{city, company} {
		if s, err := p.node.accords.State(t.Context(), p.id, id); err != nil || s.N != 2 {
			t.Errorf("%s has %d entries: %v", p.name, s.N, err)
		}
	}
	same(t, id, city, company)
}

// How an accord stands is told to its parties, and to nobody else: neither to who forges
// a message, nor to who is known, and no party of it.
func TestAccordInboxTellsParties(t *testing.T) {
	all := signatories(t, "city", "nav", "other")
	city, company, other := all[0], all[1], all[2]
	near := city.hosts("near")
	knowsAll(all...)
	id := city.drafts(terms(t, city, company))
	d := city.acts(id, accord.Open, api.AccordAct{})
	company.comes(id, "the first entry", entries(1))
	list, err := city.node.accords.Entries(t.Context(), city.id, id)
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := readAccordMessage(list[0].Message)
	if err != nil {
		t.Fatal(err)
	}
	comment := func(base string) *accord.Message {
		return &accord.Message{Accord: id, Base: base, Kind: accord.Comment, Body: accord.Body{Words: "x"}}
	}
	told := func(e accord.Entry) *accord.Message {
		return &accord.Message{Accord: id, Kind: accord.Told, Body: accord.Body{Entry: &e}}
	}
	late := list[0]
	late.N, late.Before = 9, d.Head
	old := strings.Repeat("0", 64)
	for _, p := range []*partner{near, other} {
		repeat := comment(d.Proposed)
		repeat.ID = first.ID
		for what, m := range map[string]*accord.Message{"a comment": comment(d.Proposed), "a comment on an old version": comment(old), "a message's id": repeat, "an entry": told(list[0]), "an entry too early": told(late)} {
			status, a := stranger{p, city}.says(m)
			if a.N != 0 || a.Head != "" || a.Present != "" || a.Error != nil && strings.Contains(a.Error.Message, "entry 2") {
				t.Errorf("%s by %s: it is told %d %+v %+v", what, p.name, status, a, a.Error)
			}
		}
	}
	for what, m := range map[string]*accord.Message{"a comment": comment(d.Proposed), "an entry too early": told(late)} {
		m.FormatVersion, m.ID, m.From, m.To, m.At = accord.MessageFormat, hansa.NewID(time.Now()), company.id, city.id, time.Now().UTC().Truncate(time.Millisecond)
		key, err := other.node.accords.messageKey(t.Context(), other.id)
		if err != nil {
			t.Fatal(err)
		}
		h, err := signedMessage(key, m)
		if err != nil {
			t.Fatal(err)
		}
		status, a := stranger{other, city}.posts(h.jws)
		if status != http.StatusForbidden || a.N != 0 || a.Head != "" || a.Present != "" {
			t.Errorf("%s that is forged: it is told %d %+v", what, status, a)
		}
	}
	own := stranger{company, city}
	if status, a := own.says(told(late)); status != http.StatusConflict || a.N != 1 || a.Head != d.Head || a.Present != d.Proposed {
		t.Errorf("a party that tells an entry too early: %d %+v", status, a)
	}
	if status, a := own.says(comment(old)); status != http.StatusConflict || a.N != 1 || a.Head != d.Head || a.Present != d.Proposed {
		t.Errorf("a party that says something of an old version: %d %+v", status, a)
	}
	if status, a := own.says(comment(d.Proposed)); status != http.StatusOK || a.N != 2 || a.Head == "" || a.Present != d.Proposed {
		t.Errorf("a party that is heard: %d %+v", status, a)
	}
}
