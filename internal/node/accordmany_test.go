package node

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// hosts adds a party to a node, and returns it as a partner of its own.
func (p *partner) hosts(name string) *partner {
	p.t.Helper()
	id := hansa.PartyID(string(p.id) + ":parties:" + name)
	err := p.node.Apply(p.t.Context(), &Setup{
		Parties:  []hansa.Party{{ID: id, Name: name, Title: name, Kind: hansa.Company, Hosted: true}},
		Datasets: []hansa.Dataset{{ID: hansa.DatasetID(named("dataset", string(id), "closures")), Party: id, Name: "closures", Kind: hansa.KindSituation}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return &partner{t: p.t, name: name, id: id, node: p.node, url: p.url, addr: p.addr}
}

// signsAll has everybody sign what is proposed, one after the other.
func signsAll(id hansa.AccordID, all ...*partner) {
	d, err := all[0].node.accords.Accord(all[0].t.Context(), all[0].actor(), id)
	if err != nil {
		all[0].t.Fatal(err)
	}
	for _, p := range all {
		p.comes(id, "the version", func(x api.AccordDetail) bool { return x.Proposed == d.Proposed })
		p.acts(id, accord.Sign, api.AccordAct{Base: d.Proposed})
	}
	for _, p := range all {
		p.comes(id, "force", inForce)
	}
}

// Parties of one node come to an accord in place, with others elsewhere in it or not:
// each has a copy of its own, and nothing goes over the wire between the two.
func TestAccordInPlace(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, far := all[0], all[1]
	near := city.hosts("near")
	knowsAll(city, far)
	if _, err := (peers{far.node}).AddPeer(t.Context(), far.actor(), api.PeerOrder{Name: "near", ID: near.id, Address: near.url + "/parties/near/dsp/2025-1"}); err != nil {
		t.Fatal(err)
	}
	for _, with := range [][]*partner{{city, near}, {near, city, far}, {far, near, city}} {
		id := with[0].drafts(terms(t, with...))
		with[0].acts(id, accord.Open, api.AccordAct{})
		signsAll(id, with...)
		same(t, id, with...)
		with[1].acts(id, accord.Suspend, api.AccordAct{Words: "a drill"})
		for _, p := range with {
			p.comes(id, "the suspension", func(d api.AccordDetail) bool { return d.State == hansa.AccordSuspended })
		}
		with[1].comes(id, "its own word", func(d api.AccordDetail) bool { return len(d.Sent) == 0 })
		with[1].acts(id, accord.Resume, api.AccordAct{})
		for _, p := range with {
			p.comes(id, "force", inForce)
		}
		with[len(with)-1].acts(id, accord.End, api.AccordAct{Notice: time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly), Words: "enough"})
		for _, p := range with {
			d := p.comes(id, "the end", func(d api.AccordDetail) bool { return d.State == hansa.AccordEnded })
			if d.End != hansa.EndEnded || d.Reason != "enough" {
				t.Errorf("the end at %s: %+v", p.name, d.Accord)
			}
		}
		same(t, id, with...)
		if len(with) == 2 {
			if x := letters(t, city, "accord/"); x != 0 {
				t.Errorf("%d letters between two parties of one node", x)
			}
		}
	}
}

// letters counts those of a node whose kind begins so.
func letters(t *testing.T, p *partner, kind string) (n int) {
	t.Helper()
	if err := p.node.db.Read(t.Context(), func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM outbound_letter WHERE kind LIKE ?`, kind+"%").Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// Both sign at once, and one signs while the other proposes: both copies come to one
// and the same, whoever was first.
func TestAccordAtOnce(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	knowsAll(all...)
	t.Run("both sign", func(t *testing.T) {
		id := city.drafts(terms(t, city, company))
		d := city.acts(id, accord.Open, api.AccordAct{})
		company.comes(id, "the first entry", entries(1))
		var wg sync.WaitGroup
		failed := make([]error, len(all))
		for i, p := range all {
			wg.Go(func() {
				_, failed[i] = p.node.accords.ActAccord(t.Context(), p.actor(), id, accord.Sign, api.AccordAct{Base: d.Proposed, Role: "director", Power: "statute"})
			})
		}
		wg.Wait()
		if err := errors.Join(failed...); err != nil {
			t.Fatal(err)
		}
		city.comes(id, "force", inForce)
		company.comes(id, "force", inForce)
		same(t, id, city, company)
	})
	t.Run("one proposes", func(t *testing.T) {
		for range 5 {
			id := city.drafts(terms(t, city, company))
			d := city.acts(id, accord.Open, api.AccordAct{})
			company.comes(id, "the first entry", entries(1))
			text := &accord.Text{}
			if err := json.Unmarshal(d.Text, text); err != nil {
				t.Fatal(err)
			}
			text.Title["en"] = "Closures for counts, and back"
			var wg sync.WaitGroup
			var signed, proposed error
			wg.Go(func() {
				_, signed = company.node.accords.ActAccord(t.Context(), company.actor(), id, accord.Sign, api.AccordAct{Base: d.Proposed, Role: "director", Power: "statute"})
			})
			wg.Go(func() {
				_, proposed = city.node.accords.ActAccord(t.Context(), city.actor(), id, accord.Propose, api.AccordAct{Text: asJSON(t, text)})
			})
			wg.Wait()
			if proposed != nil {
				t.Fatal(proposed)
			}
			if signed != nil && hansa.KindOf(signed) != hansa.Conflict {
				t.Fatal(signed)
			}
			if x := city.comes(id, "the proposal", func(d api.AccordDetail) bool { return d.Version == 2 }); len(x.Signatures) != 0 {
				t.Errorf("a signature over the first version stands under the second: %+v", x.Signatures)
			}
			same(t, id, city, company)
		}
	})
}

// What stands on a version that is not the present one is refused, with the present one.
func TestAccordStale(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	knowsAll(all...)
	id := city.drafts(terms(t, city, company))
	d := city.acts(id, accord.Open, api.AccordAct{})
	company.comes(id, "the first entry", entries(1))
	text := &accord.Text{}
	if err := json.Unmarshal(d.Text, text); err != nil {
		t.Fatal(err)
	}
	text.Title["en"] = "Closures for counts, and back"
	city.acts(id, accord.Propose, api.AccordAct{Text: asJSON(t, text)})
	company.comes(id, "the proposal", entries(2))
	for _, p := range all {
		_, err := p.node.accords.ActAccord(t.Context(), p.actor(), id, accord.Sign, api.AccordAct{Base: d.Proposed, Role: "director", Power: "statute"})
		if hansa.KindOf(err) != hansa.Conflict || hansa.Public(err).Code != hansa.CodeStale {
			t.Errorf("%s signs a version that is not the present one: %v", p.name, err)
		}
	}
}

// A node that is killed after each message goes on where it was: the keeper's, and that
// of a copy.
func TestAccordRestarts(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	knowsAll(all...)
	id := city.drafts(terms(t, city, company))
	city.acts(id, accord.Open, api.AccordAct{})
	city.again()
	d := company.comes(id, "the first entry", entries(1))
	company.acts(id, accord.Comment, api.AccordAct{Words: "good"})
	company.again()
	city.again()
	city.comes(id, "the comment", entries(2))
	company.comes(id, "the comment", entries(2))
	city.acts(id, accord.Sign, api.AccordAct{Base: d.Proposed})
	city.again()
	company.comes(id, "the signature", entries(3))
	company.acts(id, accord.Sign, api.AccordAct{Base: d.Proposed})
	company.again()
	city.again()
	city.comes(id, "force", inForce)
	company.comes(id, "force", inForce)
	same(t, id, city, company)
}

// While the keeper is away the accord holds; a party may stop its own giving at once,
// and the keeper hears of it when it is back.
func TestAccordKeeperAway(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	knowsAll(all...)
	id := city.drafts(terms(t, city, company))
	city.acts(id, accord.Open, api.AccordAct{})
	signsAll(id, city, company)
	city.stop()
	d := company.acts(id, accord.Suspend, api.AccordAct{Words: "the keeper is away"})
	if d.State != hansa.AccordInForce || len(d.Sent) != 1 || d.Sent[0].State != "waits" || len(d.Suspended) != 1 || !d.Suspended[0].Unconfirmed {
		t.Errorf("the own giving, while the keeper is away: %+v %+v", d.Accord, d.Suspended)
	}
	city.again()
	company.comes(id, "the suspension", func(d api.AccordDetail) bool { return d.State == hansa.AccordSuspended && len(d.Sent) == 0 })
	city.comes(id, "the suspension", func(d api.AccordDetail) bool { return d.State == hansa.AccordSuspended })
	same(t, id, city, company)
}
