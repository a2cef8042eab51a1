package node

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// signatories are nodes that know each other by did:web alone, each with one party.
func signatories(t *testing.T, names ...string) []*partner {
	t.Helper()
	var all []*partner
	var lns []net.Listener
	var allow []string
	for _, name := range names {
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr().String()
		lns, allow = append(lns, ln), append(allow, addr)
		all = append(all, &partner{t: t, name: name, id: hansa.PartyID("did:web:" + strings.ReplaceAll(addr, ":", "%3A")), dir: filepath.Join(t.TempDir(), name), url: "http://" + addr, addr: addr})
	}
	for i, p := range all {
		p.allow = allow
		p.start(lns[i])
	}
	return all
}

// knowsAll makes each the other's peer.
func knowsAll(all ...*partner) {
	for _, p := range all {
		for _, o := range all {
			if p != o {
				if _, err := (peers{p.node}).AddPeer(p.t.Context(), p.actor(), api.PeerOrder{Name: o.name, ID: o.id, Address: o.url + "/dsp/2025-1"}); err != nil {
					p.t.Fatal(err)
				}
			}
		}
	}
}

// terms is a partnership between parties, in which each gives closures to the next.
func terms(t *testing.T, all ...*partner) *accord.Text {
	t.Helper()
	return drafted(t, hansa.ModelPartnership, func(i int) hansa.PartyID { return all[(i+1)%len(all)].id }, all...)
}

// drafted is the draft of a template, in which each party gives closures to who receives.
func drafted(t *testing.T, model hansa.Model, receives func(i int) hansa.PartyID, all ...*partner) *accord.Text {
	t.Helper()
	o := accord.Order{
		ID: hansa.AccordID(hansa.NewID(time.Now())), Title: accord.Words{"en": "Closures for counts"}, Languages: []string{"en"},
		Answers: map[string]string{},
		Term:    accord.Term{From: "2026-01-01", Zone: "Europe/Amsterdam", Notice: 30, Review: []string{"2030-01-01"}, Exit: "erase", ExitDays: 30},
	}
	if model == hansa.ModelPool {
		o.Answers["purpose"], o.Answers["contribution"] = "navigation", "10"
	}
	for i, p := range all {
		if model == hansa.ModelPartnership {
			o.Answers["gets/"+strconv.Itoa(i+1)] = "what is closed, as it is closed"
		}
		o.Parties = append(o.Parties, accord.Party{ID: p.id, Title: strings.ToUpper(p.name), Kind: hansa.City, Role: hansa.RoleBoth})
		o.Flows = append(o.Flows, accord.Flow{ID: hansa.FlowID(hansa.NewID(time.Now())), Name: "closures-of-" + p.name, From: p.id, To: receives(i), Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record"}})
	}
	for _, x := range accord.Templates() {
		if x.Model != model {
			continue
		}
		text, err := x.Draft(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range accord.CheckModel(text) {
			if f.Severity == hansa.Fault {
				t.Fatal(f)
			}
		}
		return text
	}
	t.Fatalf("there is no template of %s", model)
	return nil
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// drafts keeps a text as a draft, and returns its id.
func (p *partner) drafts(text *accord.Text) hansa.AccordID {
	p.t.Helper()
	d, err := p.node.accords.DraftAccord(p.t.Context(), p.actor(), api.AccordDraft{Text: asJSON(p.t, text)})
	if err != nil {
		p.t.Fatal(err)
	}
	return d.ID
}

// acts says something of an accord.
func (p *partner) acts(id hansa.AccordID, kind accord.Kind, a api.AccordAct) api.AccordDetail {
	p.t.Helper()
	a.Role, a.Power = "alderman", "mandate 2026-114"
	d, err := p.node.accords.ActAccord(p.t.Context(), p.actor(), id, kind, a)
	if err != nil {
		p.t.Fatalf("%s %s: %v", p.name, kind, err)
	}
	return d
}

// comes waits for a copy to stand as it should.
func (p *partner) comes(id hansa.AccordID, what string, ok func(api.AccordDetail) bool) api.AccordDetail {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer stop()
	for {
		moved := p.node.deal.moved.wait()
		d, err := p.node.accords.Accord(ctx, p.actor(), id)
		if err == nil && ok(d) {
			return d
		}
		if err != nil && hansa.KindOf(err) != hansa.NotFound {
			p.t.Fatal(err)
		}
		select {
		case <-moved:
		case <-time.After(100 * time.Millisecond): // what is tried in vain moves nothing
		case <-ctx.Done():
			p.t.Fatalf("%s waited in vain for %s: %s", p.name, what, asJSON(p.t, d.Accord))
		}
	}
}

func entries(n int64) func(api.AccordDetail) bool {
	return func(d api.AccordDetail) bool { return d.N >= n }
}

func inForce(d api.AccordDetail) bool { return d.State == hansa.AccordInForce && d.Proposed == d.Force }

// same wants all to have one state, once what is on its way has arrived.
func same(t *testing.T, id hansa.AccordID, all ...*partner) {
	t.Helper()
	state := func(p *partner) string {
		s, err := p.node.accords.State(t.Context(), p.id, id)
		if err != nil {
			t.Fatal(err)
		}
		return string(asJSON(t, s))
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		first := state(all[0])
		other := slices.IndexFunc(all, func(p *partner) bool { return state(p) != first })
		if other < 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%s and %s differ:\n%s\n%s", all[0].name, all[other].name, first, state(all[other]))
			return
		}
	}
}

// Two nodes come from a draft to an accord in force by messages alone, and have the same
// chain.
func TestAccord(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	knowsAll(all...)
	id := city.drafts(terms(t, city, company))
	city.acts(id, accord.Open, api.AccordAct{})
	d := company.comes(id, "the first entry", entries(1))
	if d.State != hansa.AccordProposed || !d.Mine || d.Keeper != city.id || d.Title["en"] == "" {
		t.Errorf("the opened accord: %+v", d.Accord)
	}
	text := &accord.Text{}
	if err := json.Unmarshal(d.Text, text); err != nil {
		t.Fatal(err)
	}
	text.Title["en"] = "Closures for counts, and back"
	d = company.acts(id, accord.Propose, api.AccordAct{Text: asJSON(t, text), Words: "a longer notice"})
	if d.N != 2 || d.Version != 2 {
		d = company.comes(id, "the own proposal", entries(2))
	}
	city.acts(id, accord.Comment, api.AccordAct{Clause: "1", Words: "navigation alone?"})
	company.comes(id, "the comment", entries(3))
	company.acts(id, accord.Sign, api.AccordAct{Base: d.Proposed})
	city.comes(id, "the signature", entries(4))
	city.acts(id, accord.Sign, api.AccordAct{Base: d.Proposed})
	a := city.comes(id, "force", inForce)
	b := company.comes(id, "force", inForce)
	if a.Head != b.Head || a.N != 6 {
		t.Errorf("the heads are %d %s and %d %s", a.N, a.Head, b.N, b.Head)
	}
	same(t, id, city, company)
}
