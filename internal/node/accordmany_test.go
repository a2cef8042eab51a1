package node

import (
	"errors"
	"slices"
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

// shut reports whether the gates of what p gives under an accord are shut.
func (p *partner) shut(id hansa.AccordID) (shut bool) {
	p.t.Helper()
	err := p.node.db.Read(p.t.Context(), func(tx hansa.Tx) error {
		all, err := pledgesOf(tx, p.id, id)
		for _, x := range all {
			if x.gives() {
				shut = shut || x.State != pledgeOpen
			}
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return shut
}

// errUndone has a transaction leave nothing.
var errUndone = errors.New("undone")

// What was suspended while the keeper is away is resumed while it is away: the data
// passes again at once, and the keeper numbers both words in their order.
func TestAccordResumedWhileKeeperAway(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	knowsAll(all...)
	id := agree(t, terms(t, city, company), city, company)
	company.publish("before")
	city.has("closures-from-nav", "before")
	city.stop()
	before := company.accord(id)
	if slices.Contains(before.May, accord.Resume) {
		t.Error("what runs may be resumed")
	}
	d := company.acts(id, accord.Suspend, api.AccordAct{Words: "under repair"})
	if !company.shut(id) || !slices.Contains(d.May, accord.Resume) || len(d.Suspended) != 1 || !d.Suspended[0].Unconfirmed {
		t.Errorf("suspended, while the keeper is away: %+v %+v", d.Accord, d.Suspended)
	}
	company.refuses(id, accord.Suspend, api.AccordAct{}, hansa.Conflict, "it stands still already")
	for i := range 2 { // and once more
		d = company.acts(id, accord.Resume, api.AccordAct{Words: "repaired"})
		if company.shut(id) || len(d.Suspended) != 0 || slices.Contains(d.May, accord.Resume) || len(d.Sent) != 2+2*i {
			t.Errorf("resumed, while the keeper is away: %+v %+v", d.Accord, d.Suspended)
		}
		company.refuses(id, accord.Resume, api.AccordAct{}, hansa.Conflict, "stands still")
		if i == 0 {
			company.acts(id, accord.Suspend, api.AccordAct{})
			if !company.shut(id) {
				t.Error("suspended once more, and the gate is open")
			}
		}
	}
	if err := company.node.db.Write(t.Context(), func(tx hansa.Tx) error { // once the keeper has numbered what stops it, and not yet what takes that back
		s, err := company.node.accords.book.Get(tx, company.id, id)
		if err != nil {
			return err
		}
		s.Suspended = append(s.Suspended, accord.Suspension{Party: company.id, At: time.Now()})
		if _, err := tx.Exec(`UPDATE exchange_sent SET state = ?, done = ?, jws = '' WHERE kind = ? AND state = ?`, sentTaken, time.Now().UnixMicro(), string(accord.Suspend), sentWaits); err != nil {
			return err
		}
		seen, err := company.node.accords.asItStands(tx, company.id, s)
		if err == nil && len(seen.Suspended) > 0 {
			t.Errorf("half of it numbered, it stands still: %+v", seen.Suspended)
		}
		return errors.Join(err, errUndone)
	}); !errors.Is(err, errUndone) {
		t.Fatal(err)
	}
	company.again()
	company.publish("meanwhile")
	city.again()
	for _, p := range all {
		p.comes(id, "each word", func(d api.AccordDetail) bool { return d.N == before.N+4 && inForce(d) && len(d.Sent) == 0 })
	}
	same(t, id, city, company)
	city.has("closures-from-nav", "meanwhile")
	if company.shut(id) {
		t.Error("both are in force, and the gate is shut")
	}

	company.acts(id, accord.Suspend, api.AccordAct{})
	city.comes(id, "the suspension", func(d api.AccordDetail) bool { return d.State == hansa.AccordSuspended })
	company.comes(id, "its own word", func(d api.AccordDetail) bool { return len(d.Sent) == 0 })
	city.stop() // a change of what the keeper has numbered waits for it
	if d := company.acts(id, accord.Resume, api.AccordAct{}); !company.shut(id) || len(d.Suspended) != 1 || slices.Contains(d.May, accord.Resume) {
		t.Errorf("resumed, of what was numbered: %+v %+v", d.Accord, d.Suspended)
	}
	city.again()
	for _, p := range all {
		p.comes(id, "force", inForce)
	}
	same(t, id, city, company)
	company.publish("after")
	city.has("closures-from-nav", "after")
}
