package node

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// dealt negotiates for the closures, with a transfer, and returns it at both sides.
func dealt(t *testing.T, company *partner, into string) (own, theirs string) {
	t.Helper()
	n, err := company.deals().Negotiate(t.Context(), company.actor(), api.NegotiationOrder{Peer: "city", Offer: "offer-1", Purpose: "navigation", Dataset: into, Then: "HttpData-PULL"})
	if err != nil {
		t.Fatal(err)
	}
	if n = company.until(n.ID, func(n api.Negotiation) bool { return n.State == "FINALIZED" || n.State == "TERMINATED" }); n.State != "FINALIZED" {
		t.Fatalf("%s: %v", n.State, n.Reason)
	}
	list, err := company.deals().Transfers(t.Context(), company.actor(), api.ProcessQuery{})
	if err != nil || len(list) == 0 {
		t.Fatal(err, list)
	}
	x := company.untilTransfer(list[0].ID, "STARTED")
	return x.ID, x.Pid
}

// said counts what a side has sent of a kind, in all its processes.
func (p *partner) said(kind string) (n int) {
	p.t.Helper()
	err := p.node.db.Read(p.t.Context(), func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM outbound_letter WHERE outgoing = 1 AND kind = ?`, kind).Scan(&n)
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// journalled returns what a journal holds, in the order of its sequence, and how
// often a later entry has an earlier time.
func (p *partner) journalled() (kinds []string, back int) {
	p.t.Helper()
	var last, next int64
	err := p.node.db.Read(p.t.Context(), func(tx hansa.Tx) error {
		rows, err := tx.Query(`SELECT e.idx, e.at, COALESCE(a.kind, e.kind) FROM journal_entries e LEFT JOIN journal_acts a ON a.entry = e.idx ORDER BY e.idx`)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // rows.Err says what went wrong
		for ; rows.Next(); next++ {
			var idx, at int64
			var kind string
			if err := rows.Scan(&idx, &at, &kind); err != nil {
				return err
			}
			if idx != next {
				p.t.Errorf("the journal goes from %d to %d", next-1, idx)
			}
			if at < last {
				back++
			}
			last, kinds = at, append(kinds, kind)
		}
		return rows.Err()
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return kinds, back
}

// Two nodes whose clocks are wrong, and jump, deal as ever: the journal's sequence
// orders what was done, and what expires does so once.
func TestDealClocks(t *testing.T) {
	city, company := two(t)
	o := &catalog.Offer{
		ID: "offer-1", Party: city.id, Dataset: hansa.DatasetID(named("dataset", string(city.id), "closures")), Automatic: true, Made: time.Now(),
		Policy: policy.FromTerms("offer-1", &hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}, Until: time.Now().Add(240 * time.Hour)}),
	}
	if err := city.node.db.Write(t.Context(), func(tx hansa.Tx) error { return city.node.catalog.SaveOffer(tx, o) }); err != nil {
		t.Fatal(err)
	}
	own, theirs := []string{}, []string{}
	for i, wrong := range []time.Duration{0, 90 * time.Second, -90 * time.Second, -time.Hour, 0} {
		city.jump.Store(int64(wrong))
		a, b := dealt(t, company, "into-"+string(rune('a'+i)))
		own, theirs = append(own, a), append(theirs, b)
		t.Logf("a clock that is %s wrong: a negotiation and a transfer", wrong)
	}
	kinds, back := city.journalled()
	if back < 2 {
		t.Errorf("the clock went back %d times in the journal, and should have more often", back)
	}
	if n := strings.Count(strings.Join(kinds, " "), "agreement-made"); n != len(own) {
		t.Errorf("%d agreements in the journal, want %d", n, len(own))
	}
	for _, wrong := range []time.Duration{365 * 24 * time.Hour, 365*24*time.Hour - time.Hour, 0, 365 * 24 * time.Hour} {
		city.jump.Store(int64(wrong))
		for range 2 {
			if err := city.node.deal.watch(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for i := range own {
			if x := company.untilTransfer(own[i], "TERMINATED"); x.Code != "policy" {
				t.Errorf("%s ended by %q: %v", own[i], x.Code, x.Reason)
			}
			city.untilTransfer(theirs[i], "TERMINATED")
		}
	}
	if n := city.said("transfer/terminate"); n != len(own) {
		t.Errorf("%d ends were sent for %d transfers", n, len(own))
	}
	city.jump.Store(0)
	if _, err := city.node.journal.Checkpoint(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("the journal after all jumps: %v", err)
	}
	t.Logf("a year ahead, an hour back, and again: %d transfers ended once each; the journal's sequence held over %d steps back in time", len(own), back)
}
