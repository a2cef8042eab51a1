package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// dutyTo is a text by which a bearer gives its closures to an authority.
func dutyTo(t *testing.T, authority, bearer *partner) *accord.Text {
	t.Helper()
	o := accord.Order{
		ID: hansa.AccordID(hansa.NewID(time.Now())), Title: accord.Words{"en": "A duty"}, Languages: []string{"en"},
		Answers: map[string]string{"basis": "permit: 12", "required": "start", "disallowed": "id", "sanction": "a warning", "appeal": "the committee"},
		Term:    accord.Term{From: "2026-01-01", Zone: "Europe/Amsterdam", Notice: 30, Exit: "erase", ExitDays: 30},
		Parties: []accord.Party{{ID: authority.id, Title: authority.name, Kind: hansa.City, Role: hansa.RoleBoth}, {ID: bearer.id, Title: bearer.name, Kind: hansa.Company, Role: hansa.RoleBoth}},
		Flows:   []accord.Flow{{ID: hansa.FlowID(hansa.NewID(time.Now())), Name: "closures-of-" + bearer.name, From: bearer.id, To: authority.id, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record"}}},
	}
	template, err := accord.TemplateByName("clause")
	if err != nil {
		t.Fatal(err)
	}
	text, err := template.Draft(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// service is a notice by post.
func service() api.AccordAct {
	return api.AccordAct{Service: &accord.Service{How: "post", Reference: "12", On: time.Now().UTC().Truncate(time.Second)}}
}

// pledged is how the one flow of an accord stands in a party's copy.
func (p *partner) pledged(id hansa.AccordID) *pledge {
	p.t.Helper()
	var out *pledge
	err := p.node.db.Read(p.t.Context(), func(tx hansa.Tx) error {
		list, err := pledgesOf(tx, p.node.home(p.id), id)
		for _, x := range list {
			out = x
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// registered reports whether a node's register shows an accord.
func (p *partner) registered(id hansa.AccordID) bool {
	p.t.Helper()
	_, err := register{p.node}.RegisteredOne(p.t.Context(), id)
	if err != nil && hansa.KindOf(err) != hansa.NotFound {
		p.t.Fatal(err)
	}
	return err == nil
}

// What somebody who says to be an authority has served opens no gate, is not published in
// the name of who bears it, and does so once that party knows the authority as such. A
// new version is served itself, and acknowledged itself; the bearer does not end it.
func TestDutyServed(t *testing.T) {
	all := signatories(t, "city", "nav")
	knowsAll(all...)
	city, nav := all[0], all[1]
	id := city.drafts(dutyTo(t, city, nav))
	city.acts(id, accord.Open, api.AccordAct{})
	nav.comes(id, "the duty", entries(1))
	nav.refuses(id, accord.Decline, api.AccordAct{Words: "not ours"}, hansa.Conflict, "not declined")
	for says, change := range map[string]func(*accord.Service){
		"has a reference":  func(s *accord.Service) { s.Reference = " " },
		"has not come yet": func(s *accord.Service) { s.On = s.On.AddDate(1, 0, 0) },
	} {
		a := service()
		a.Role, a.Power = "alderman", "mandate"
		change(a.Service)
		city.refuses(id, accord.Serve, a, hansa.Invalid, says)
	}
	city.acts(id, accord.Serve, service())
	nav.comes(id, "the service", inForce)
	for _, p := range all {
		if x := p.pledged(id); x == nil || x.State != pledgeRefused || !strings.Contains(x.Why, "as the authority") {
			t.Errorf("at %s the flow stands so: %+v", p.name, x)
		}
	}
	if nav.registered(id) || !city.registered(id) {
		t.Error("it is published where nobody has said yes to it, or not where it was served")
	}
	x, err := accordpages{nav.node}.Accord(t.Context(), nav.actor(), id)
	if err != nil || !slices.Contains(x.May, accord.Acknowledge) || !slices.Contains(x.May, accord.Object) || !slices.Contains(x.May, accord.End) {
		t.Errorf("the bearer may %v, %v", x.May, err)
	}
	waits := func(n int) {
		t.Helper()
		list, err := nav.node.accords.served(t.Context(), nav.node.home(nav.id))
		if err != nil || len(list) != n || n > 0 && (list[0].Process != string(id) || list[0].Other != city.name || list[0].What != "A duty") {
			t.Errorf("what waits for the company: %+v, %v", list, err)
		}
	}
	waits(1)
	city.refuses(id, accord.Acknowledge, api.AccordAct{}, hansa.Conflict, "said yes")
	nav.acts(id, accord.Acknowledge, api.AccordAct{Words: "the permit is ours"})
	for _, p := range all {
		d := p.comes(id, "the acknowledgement", func(d api.AccordDetail) bool { return len(d.Acknowledged) == 1 })
		if x := p.pledged(id); x.State != pledgeOpen || d.Acknowledged[0] != nav.id {
			t.Errorf("at %s the flow stands so: %+v", p.name, x)
		}
	}
	waits(0)
	if !nav.registered(id) {
		t.Error("it is not published")
	}
	nav.refuses(id, accord.End, api.AccordAct{Notice: time.Now().Format(time.DateOnly), Words: "no more", Role: "director", Power: "statute"}, hansa.Conflict, "only it ends it")

	force := nav.accord(id).Force
	text := &accord.Text{}
	if err := json.Unmarshal(nav.accord(id).Text, text); err != nil {
		t.Fatal(err)
	}
	text.Title = accord.Words{"en": "A lighter duty"}
	nav.acts(id, accord.Propose, api.AccordAct{Text: asJSON(t, text)})
	if d := city.comes(id, "the proposal", func(d api.AccordDetail) bool { return d.Version == 2 }); d.Force != force || len(d.Turn) != 1 || d.Turn[0] != city.id {
		t.Errorf("the bearer's version: in force %v, turn %v", d.Force != force, d.Turn)
	}
	city.acts(id, accord.Serve, service())
	nav.comes(id, "the new version", func(d api.AccordDetail) bool { return d.Force != force && len(d.Acknowledged) == 0 })
	nav.refuses(id, accord.End, api.AccordAct{Notice: time.Now().Format(time.DateOnly), Words: "no more", Role: "director", Power: "statute"}, hansa.Conflict, "only it ends it")
	if x := nav.pledged(id); x.State != pledgeRefused {
		t.Errorf("under the new version the flow stands so: %+v", x)
	}
}

// A company serves nothing, and what breaks a rule of its model is served by nobody.
func TestDutyRefused(t *testing.T) {
	w := mapped(t)
	city := &partner{t: t, name: "city", id: hansa.PartyID(w.did(w.party(w.own))), node: w.Node}
	nav := city.hosts("navika")
	mine := dutyTo(t, nav, city)
	mine.Parties[0].Kind = hansa.City // so it says
	id := nav.drafts(mine)
	nav.acts(id, accord.Open, api.AccordAct{})
	nav.refuses(id, accord.Serve, service(), hansa.Denied, "public body")

	bad := dutyTo(t, city, nav)
	bad.Clauses = without(bad.Clauses, "appeal")
	at := (&partner{t: t, name: "city", id: w.own, node: w.Node})
	id = at.drafts(bad)
	at.acts(id, accord.Open, api.AccordAct{})
	at.refuses(id, accord.Serve, service(), hansa.Invalid, "CLAUSE-06")
}

func without(list []accord.Clause, id string) (out []accord.Clause) {
	for i := range list {
		if list[i].ID != id {
			out = append(out, list[i])
		}
	}
	return out
}

// What one party says fills no accord for the others: who has said as much as one may is
// told so, and a full one is still suspended and ended.
func TestAccordFull(t *testing.T) {
	w := mapped(t)
	city := &partner{t: t, name: "city", id: w.own, node: w.Node}
	nav := city.hosts("navika")
	named := &partner{t: t, name: "city", id: hansa.PartyID(w.did(w.party(w.own))), node: w.Node}
	id := nav.drafts(terms(t, nav, named))
	nav.acts(id, accord.Open, api.AccordAct{})
	signsAll(id, nav, city)
	fill := func(from, to int64, by hansa.PartyID) {
		t.Helper()
		err := w.db.Write(t.Context(), func(tx hansa.Tx) error {
			for n := from; n <= to; n++ {
				if _, err := tx.Exec(`INSERT INTO accord_entry (own, id, n, message, kind, sender, hash, doc) VALUES (?, ?, ?, ?, 'comment', ?, '', '')`, string(w.home(nav.id)), string(id), n, hansa.NewID(time.Now()), string(by)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s := nav.accord(id)
	fill(s.N+1_000_000, s.N+1_000_000+accordTalkMax, nav.id)
	nav.refuses(id, accord.Comment, api.AccordAct{Words: "and more"}, hansa.Conflict, "as many as one party may")
	city.acts(id, accord.Comment, api.AccordAct{Words: "we are heard"})
	nav.acts(id, accord.Suspend, api.AccordAct{Words: "it can still stop"})
	for _, c := range []struct {
		kind accord.Kind
		n    int64
		ok   bool
	}{{accord.Comment, accordEntriesMax, false}, {accord.Comment, accordEntriesMax - 1, true}, {accord.End, accordEntriesMax, true}} {
		err := w.db.Read(t.Context(), func(tx hansa.Tx) error {
			return w.accords.fills(tx, w.home(nav.id), &accord.State{ID: id, N: c.n}, &accord.Message{Kind: c.kind, From: named.id})
		})
		if (err == nil) != c.ok {
			t.Errorf("%s after %d entries: %v", c.kind, c.n, err)
		}
	}
}
