package node

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// pool is the founding text of a pool: each gives closures to all members.
func pool(t *testing.T, all ...*partner) *accord.Text {
	t.Helper()
	return drafted(t, hansa.ModelPool, func(int) hansa.PartyID { return accord.Members }, all...)
}

// A pool of three on three nodes is joined by a fourth that had no copy, and by a fifth
// on a node of a member; one leaves. Neither the text nor another's signature changes.
func TestAccordPool(t *testing.T) {
	all := signatories(t, "city", "nav", "port", "late")
	city, company, port, late := all[0], all[1], all[2], all[3]
	knowsAll(all...)
	founders := []*partner{city, company, port}
	text := pool(t, founders...)
	id := city.drafts(text)
	city.acts(id, accord.Open, api.AccordAct{})
	signsAll(id, founders...)
	before := city.comes(id, "force", inForce)

	flow := accord.Flow{ID: hansa.FlowID(hansa.NewID(time.Now())), Name: "closures-of-late", From: late.id, To: accord.Members, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record"}}
	late.acts(id, accord.Join, api.AccordAct{Text: before.Text, Keeper: city.id, Gives: []accord.Flow{flow}})
	late.comes(id, "its own copy", inForce)
	joined := func(n int) func(api.AccordDetail) bool {
		return func(d api.AccordDetail) bool { return d.N >= before.N+int64(n) }
	}
	for _, p := range all {
		p.comes(id, "who joined", joined(1))
	}
	same(t, id, all...)
	inRegister(t, city, id, "closures-of-late", "late joined")

	near := company.hosts("near")
	if _, err := near.node.accords.ActAccord(t.Context(), near.actor(), id, accord.Join, api.AccordAct{Text: before.Text, Keeper: city.id, Role: "director", Power: "statute"}); hansa.KindOf(err) != hansa.Denied {
		t.Errorf("who is not known joins: %v", err)
	}
	if _, err := (peers{city.node}).AddPeer(t.Context(), city.actor(), api.PeerOrder{Name: "near", ID: near.id, Address: near.url + "/parties/near/dsp/2025-1"}); err != nil {
		t.Fatal(err)
	}
	near.acts(id, accord.Join, api.AccordAct{Text: before.Text, Keeper: city.id})
	all = append(all, near)
	for _, p := range all {
		p.comes(id, "who joined", joined(2))
	}
	late.acts(id, accord.Leave, api.AccordAct{Words: "on to other things"})
	for _, p := range all {
		d := p.comes(id, "who left", joined(3))
		if d.Proposed != before.Proposed || d.State != hansa.AccordInForce || len(d.Signatures) != 3 {
			t.Errorf("%s after a member left: %+v", p.name, d.Accord)
		}
	}
	same(t, id, all...)
	inRegister(t, city, id, "", "near joined")
	port.acts(id, accord.Leave, api.AccordAct{Words: "and we too"})
	city.comes(id, "who left", joined(4))
	inRegister(t, city, id, "", "port left near joined")
}

// inRegister wants the register to show what is given by those that joined, who they
// are, and who left; nothing is shown of those that are in it no more.
func inRegister(t *testing.T, at *partner, id hansa.AccordID, gives, who string) {
	t.Helper()
	d, err := register{at.node}.RegisteredOne(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	in := map[hansa.PartyID]bool{}
	var since []string
	for _, x := range d.Parties {
		in[x.ID] = !x.Left
		if x.Joined || x.Left {
			since = append(since, strings.ToLower(x.Title), map[bool]string{true: "joined", false: "left"}[x.Joined])
		}
	}
	found := gives == ""
	for _, f := range d.Flows {
		if !in[f.From] || f.Gate == nil {
			t.Errorf("it shows %s from %s, who is not in it, or no gate of it", f.Name, f.From)
		}
		found = found || f.Name == gives
	}
	if got := strings.Join(since, " "); !found || got != who {
		t.Errorf("it shows %q and %+v, want %q and %q", got, d.Flows, who, gives)
	}
}

// The keeping is handed over by the word of both; the next is numbered by the new
// keeper, though the old one is away, and one who comes in later gets all entries.
func TestAccordHandOver(t *testing.T) {
	all := signatories(t, "city", "nav", "port")
	city, company, port := all[0], all[1], all[2]
	knowsAll(all...)
	id := city.drafts(terms(t, city, company))
	city.acts(id, accord.Open, api.AccordAct{})
	signsAll(id, city, company)
	for _, p := range []*partner{city, company} { // to nobody, while nothing is offered
		if _, err := p.node.accords.ActAccord(t.Context(), p.actor(), id, accord.HandOver, api.AccordAct{Role: "alderman", Power: "mandate"}); err == nil || hansa.Public(err).Field != "/keeper" {
			t.Errorf("%s hands the keeping over to nobody: %v", p.name, err)
		}
	}
	city.acts(id, accord.HandOver, api.AccordAct{Keeper: company.id})
	if d := company.comes(id, "the offer", entries(5)); d.Handing != company.id {
		t.Errorf("the keeping is offered to %q", d.Handing)
	}
	if d := company.acts(id, accord.HandOver, api.AccordAct{}); d.Keeper != company.id {
		company.comes(id, "the keeping", func(d api.AccordDetail) bool { return d.Keeper == company.id })
	}
	city.comes(id, "the new keeper", func(d api.AccordDetail) bool { return d.Keeper == company.id })
	city.stop()
	d := company.acts(id, accord.Comment, api.AccordAct{Words: "kept here"})
	if d.N != 7 || len(d.Sent) != 0 {
		t.Errorf("the new keeper: %+v", d.Accord)
	}
	city.again()
	city.comes(id, "what the new keeper numbered", entries(7))
	city.acts(id, accord.Comment, api.AccordAct{Words: "so it is"})
	company.comes(id, "the comment", entries(8))

	text := &accord.Text{} // a third comes in
	if err := json.Unmarshal(d.Text, text); err != nil {
		t.Fatal(err)
	}
	wider := terms(t, city, company, port)
	text.Parties, text.Flows, text.Clauses, text.Consideration = wider.Parties, wider.Flows, wider.Clauses, wider.Consideration
	company.acts(id, accord.Propose, api.AccordAct{Text: asJSON(t, text)})
	port.comes(id, "every entry", entries(9))
	signsAll(id, port, city, company)
	same(t, id, all...)
}

// Between parties of one node the keeping is handed over in place; others, here and
// elsewhere, follow the new keeper, and it may be handed back.
func TestAccordHandOverHere(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, far := all[0], all[1]
	near, port := city.hosts("near"), city.hosts("port")
	knowsAll(city, far)
	for _, p := range []*partner{near, port} {
		if _, err := (peers{far.node}).AddPeer(t.Context(), far.actor(), api.PeerOrder{Name: p.name, ID: p.id, Address: p.url + "/parties/" + p.name + "/dsp/2025-1"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		text func(*testing.T, ...*partner) *accord.Text
		all  []*partner
	}{
		{terms, []*partner{city, near}},
		{pool, []*partner{near, city, port}},
		{pool, []*partner{city, near, far}},
	} {
		keeper, next, last := c.all[0], c.all[1], c.all[len(c.all)-1]
		id := keeper.drafts(c.text(t, c.all...))
		keeper.acts(id, accord.Open, api.AccordAct{})
		signsAll(id, c.all...)
		for _, x := range [][2]*partner{{keeper, next}, {next, keeper}} {
			keeps := func(d api.AccordDetail) bool { return d.Keeper == x[1].id }
			x[0].acts(id, accord.HandOver, api.AccordAct{Keeper: x[1].id})
			x[1].acts(id, accord.HandOver, api.AccordAct{})
			for _, p := range c.all {
				p.comes(id, "the new keeper", keeps)
			}
			for _, p := range []*partner{x[0], last} {
				was := x[1].comes(id, "the keeping", keeps)
				p.acts(id, accord.Comment, api.AccordAct{Words: "kept there"})
				allCome(id, was.N+1, c.all...)
			}
		}
		same(t, id, c.all...)
	}
}

// What the own node refuses is said at once, and nothing is sent.
func TestAccordRefusedHere(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	knowsAll(all...)
	id := city.drafts(terms(t, city, company))
	city.acts(id, accord.Open, api.AccordAct{})
	company.comes(id, "the first entry", entries(1))
	for _, c := range []struct {
		kind accord.Kind
		a    api.AccordAct
		want hansa.Kind
	}{
		{accord.Suspend, api.AccordAct{}, hansa.Conflict},
		{accord.Withdraw, api.AccordAct{Words: "x"}, hansa.Conflict},
		{accord.Decline, api.AccordAct{}, hansa.Invalid},
		{accord.Comment, api.AccordAct{Words: "x", Clause: "199"}, hansa.Invalid},
		{accord.Comment, api.AccordAct{Words: strings.Repeat("x", accord.WordsBytesMax+1)}, hansa.Invalid},
		{accord.Sign, api.AccordAct{}, hansa.Invalid},
		{accord.EnterIntoForce, api.AccordAct{}, hansa.NotFound},
		{"dance", api.AccordAct{}, hansa.NotFound},
		{accord.Propose, api.AccordAct{Text: []byte(`{}`)}, hansa.Invalid},
	} {
		if _, err := company.node.accords.ActAccord(t.Context(), company.actor(), id, c.kind, c.a); hansa.KindOf(err) != c.want {
			t.Errorf("%s: %v", c.kind, err)
		}
	}
	if d := company.comes(id, "nothing more", entries(1)); len(d.Sent) != 0 || d.N != 1 {
		t.Errorf("after what was refused: %+v", d.Accord)
	}
	viewer := hansa.Actor{Party: company.id, Rights: []hansa.Right{hansa.RightRead}}
	if _, err := company.node.accords.ActAccord(t.Context(), viewer, id, accord.Comment, api.AccordAct{Words: "x"}); hansa.KindOf(err) != hansa.Denied {
		t.Errorf("who only reads comments: %v", err)
	}
}

// A third copy that has not heard of the hand-over is not made to believe it by the party
// that takes the keeping: that waits for the keeper's own word, and is tried again.
func TestHandsOver(t *testing.T) {
	const city, nav, other = hansa.PartyID("did:web:city"), hansa.PartyID("did:web:nav"), hansa.PartyID("did:web:other")
	message := func(kind accord.Kind, from, to, keeper hansa.PartyID) *accord.Message {
		return &accord.Message{Kind: kind, From: from, To: to, Body: accord.Body{Keeper: keeper}}
	}
	for _, c := range []struct {
		m    *accord.Message
		from hansa.PartyID
		want bool
	}{
		{message(accord.HandOver, city, city, nav), nav, true},
		{message(accord.HandOver, nav, city, nav), nav, true},
		{message(accord.HandOver, city, city, other), nav, false},
		{message(accord.HandOver, nav, city, nav), other, false},
		{message(accord.HandOver, city, nav, nav), nav, false},
		{message(accord.Comment, nav, city, ""), nav, false},
	} {
		if got := handsOver(&accord.State{Keeper: city}, c.m, c.from); got != c.want {
			t.Errorf("%s of %s to %s for %s, brought by %s: %t", c.m.Kind, c.m.From, c.m.To, c.m.Body.Keeper, c.from, got)
		}
	}
	all := signatories(t, "city", "nav", "port")
	keeper, taker, late := all[0], all[1], all[2]
	knowsAll(all...)
	id := keeper.drafts(terms(t, all...))
	keeper.acts(id, accord.Open, api.AccordAct{})
	signsAll(id, all...)
	before := late.accord(id)
	err := late.node.accords.write(t.Context(), func(tx hansa.Tx, _ *work) error {
		s, err := late.node.accords.book.Get(tx, late.node.home(late.id), id)
		if err != nil {
			return err
		}
		m := message(accord.HandOver, keeper.id, keeper.id, taker.id)
		m.Accord = id
		return late.node.accords.sound(tx, late.node.home(late.id), taker.id, s, &heard{m: m})
	})
	if hansa.KindOf(err) != hansa.Busy || late.accord(id).Keeper != before.Keeper {
		t.Errorf("the taker's word: %v", err)
	}
}
