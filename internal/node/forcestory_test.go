package node

import (
	"slices"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// agree brings a text in force between two nodes, by messages alone.
func agree(t *testing.T, text *accord.Text, opener, other *partner) hansa.AccordID {
	t.Helper()
	id := opener.drafts(text)
	opener.acts(id, accord.Open, api.AccordAct{})
	d := other.comes(id, "the first entry", entries(1))
	other.acts(id, accord.Sign, api.AccordAct{Base: d.Proposed})
	opener.comes(id, "the signature", entries(2))
	opener.acts(id, accord.Sign, api.AccordAct{Base: d.Proposed})
	opener.comes(id, "force", inForce)
	other.comes(id, "force", inForce)
	return id
}

// pledges waits until each flow of an accord stands as it should at p.
func (p *partner) pledges(id hansa.AccordID, what string, ok func(*pledge) bool) map[hansa.FlowID]*pledge {
	p.t.Helper()
	var all map[hansa.FlowID]*pledge
	for range 400 {
		err := p.node.db.Read(p.t.Context(), func(tx hansa.Tx) (err error) {
			all, err = pledgesOf(tx, p.id, id)
			return err
		})
		if err != nil {
			p.t.Fatal(err)
		}
		good := len(all) > 0
		for _, x := range all {
			good = good && ok(x)
		}
		if good {
			return all
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, x := range all {
		p.t.Logf("%s: %s %s %q agreement %s transfer %s problem %q", p.name, x.Name, x.State, x.Why, x.Agreement, x.Transfer, x.Problem)
	}
	p.t.Fatalf("%s waited in vain for %s", p.name, what)
	return nil
}

// Signed by both, the flows of both directions start by themselves; suspended by one,
// both stop; resumed, both go on; ended, both are over for ever. Each step by messages.
func TestAccordInForceBetweenNodes(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	knowsAll(all...)
	id := agree(t, terms(t, city, company), city, company)
	runs := func(x *pledge) bool { return x.State == pledgeOpen && x.Agreement != "" }
	city.publish("from-city")
	company.publish("from-nav")
	company.has("closures-from-city", "from-city")
	city.has("closures-from-nav", "from-nav")
	for _, p := range all {
		for _, x := range p.pledges(id, "agreements", runs) {
			if x.gives() {
				c, err := p.node.line.course(x.ID)
				if err != nil || c.flow.Basis.ID != string(id) || c.flow.Paused {
					t.Errorf("%s gives %s: %+v, %v", p.name, x.Name, c, err)
				}
			}
		}
	}
	said, err := trials{city.node}.ExplainAccord(t.Context(), city.actor(), id, "", "")
	if err != nil || len(said.Flows) != 2 || said.Flows[0].Records != 1 || said.Flows[0].Deny != 0 || said.Flows[1].Gives {
		t.Fatalf("explained: %+v, %v", said, err)
	}
	if m := said.Flows[0].Metered; len(m) != 1 || m[0].Records < 1 || m[0].Bytes == 0 || m[0].Requests == 0 {
		t.Errorf("metered: %+v", m)
	}

	sheet, err := (accordpages{city.node}).Accord(t.Context(), city.actor(), id)
	if err != nil || len(sheet.Courses) != 2 || !slices.ContainsFunc(sheet.Courses, func(c room.AccordCourse) bool { return !c.Gives && c.Far && c.Came >= 1 }) {
		t.Fatalf("the courses of the page: %+v, %v", sheet.Courses, err)
	}
	if len(sheet.Given) == 0 || len(sheet.Given) > givenShown {
		t.Errorf("the page has the deliveries %+v", sheet.Given)
	}
	for _, g := range sheet.Given {
		if !g.Out || g.Delivery == nil && (g.Records < 1 || g.What == "" || g.How == "") {
			t.Errorf("a delivery of the page: %+v", g)
		}
	}
	making, err := (accordpages{city.node}).AccordMaking(t.Context(), city.actor())
	if err != nil || len(making.Datasets) != 2 || !making.Came["closures-from-nav"] || making.Came["closures"] {
		t.Errorf("what came is not marked in %+v: %v", making, err)
	}

	d := city.acts(id, accord.Suspend, api.AccordAct{Words: "under repair"})
	for _, p := range all {
		for _, x := range p.pledges(id, "the suspension", func(x *pledge) bool { return x.State == pledgePaused }) {
			if x.Transfer != "" {
				p.untilTransfer(x.Transfer, string(transfer.Suspended))
			}
		}
	}
	city.acts(id, accord.Resume, api.AccordAct{Base: d.Force})
	for _, p := range all {
		for _, x := range p.pledges(id, "its end", runs) {
			if x.Transfer != "" {
				p.untilTransfer(x.Transfer, string(transfer.Started))
			}
		}
	}
	company.publish("later")
	city.has("closures-from-nav", "later")

	moving := map[*partner]string{}
	for _, p := range all {
		for _, x := range p.pledges(id, "transfers", runs) {
			if x.Transfer != "" {
				moving[p] = x.Transfer
			}
		}
	}
	city.acts(id, accord.End, api.AccordAct{Notice: time.Now().UTC().Format(time.DateOnly), Words: "it is over"})
	for _, p := range all {
		p.pledges(id, "the end", func(x *pledge) bool { return x.State == pledgeClosed && x.Agreement == "" })
		p.untilTransfer(moving[p], string(transfer.Terminated))
	}
}

// A node that stops while its accord comes into force has its flows when it is back,
// and hears then that the other has suspended meanwhile.
func TestAccordInForceAfterAPause(t *testing.T) {
	all := signatories(t, "city", "nav")
	city, company := all[0], all[1]
	knowsAll(all...)
	id := agree(t, terms(t, city, company), city, company)
	company.stop()
	city.publish("one")
	company.returns()
	company.has("closures-from-city", "one")
	runs := company.pledges(id, "agreements", func(x *pledge) bool { return x.State == pledgeOpen && x.Agreement != "" })
	company.stop()
	city.acts(id, accord.Suspend, api.AccordAct{Words: "under repair"})
	company.returns()
	company.pledges(id, "the suspension", func(x *pledge) bool { return x.State == pledgePaused })
	for _, x := range runs {
		if x.Transfer != "" {
			company.untilTransfer(x.Transfer, string(transfer.Suspended))
		}
	}
}
