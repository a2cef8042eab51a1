package node

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/dataplane/receipt"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// keptDays is how many days are looked at of what is measured day by day, the present
// one among them.
const keptDays = 30

// keeping is an accord that is held against the evidence of this node: what its flows
// were given and what their receivers answered, what came by those from elsewhere, and
// the accord's own entries.
type keeping struct {
	n     *Node
	s     *accord.State
	t     *accord.Text // in force
	me    hansa.PartyID
	own   hansa.PartyID // as this node calls it
	now   time.Time     // the end, once it has ended
	today time.Time
	zone  *time.Location
	pairs []accord.Pair
	// Of the flows that own gives or receives: what left, or came, by day, and where what
	// was offered stands. A flow that is not there is counted at its giver's node alone.
	counts map[hansa.FlowID][]store.Counted
	rungs  map[hansa.FlowID][]receipt.Rungs
	more   bool
}

// AccordKept says of each clause in force whether it is kept. What only another node can
// know stays unknown.
func (x trials) AccordKept(ctx context.Context, by hansa.Actor, id hansa.AccordID) (out api.AccordKept, err error) {
	out = api.AccordKept{Accord: id, At: x.n.clock().UTC(), Clauses: []api.ClauseKept{}}
	if x.n.accords == nil {
		return out, hansa.Errorf(hansa.NotFound, "there is no accord %.100q", id).WithHint("hansa accords list")
	}
	k := &keeping{n: x.n, own: x.n.home(by.Party), counts: map[hansa.FlowID][]store.Counted{}, rungs: map[hansa.FlowID][]receipt.Rungs{}}
	err = x.n.db.Read(ctx, func(tx hansa.Tx) error {
		if k.s, err = x.n.accords.book.Get(tx, by.Party, id); err != nil || k.s.Force == "" {
			return err
		}
		if k.t, err = x.n.accords.text(tx, by.Party, id, k.s.Force); err != nil {
			return err
		}
		if err = k.begin(out.At); err != nil {
			return err
		}
		return k.count(tx)
	})
	if err != nil || k.t == nil {
		return out, err
	}
	out.Version, out.Since = k.s.Force, k.day(1-keptDays)
	if err := k.ask(ctx, out.Since); err != nil {
		return out, err
	}
	for i := range k.t.Clauses {
		out.Clauses = append(out.Clauses, k.clause(i)...)
	}
	out.Titles = map[hansa.PartyID]string{}
	for i := range out.Clauses {
		for _, id := range out.Clauses[i].By {
			out.Titles[id] = titleIn(k.s, k.t, id)
		}
	}
	return out, nil
}

func (k *keeping) begin(now time.Time) (err error) {
	if k.zone, err = time.LoadLocation(k.t.Term.Zone); err != nil {
		return err
	}
	k.me = k.n.accords.me(k.own, partiesOf(k.s, k.t))
	k.now, k.pairs = now, k.t.Pairs(k.s.Members)
	if at := k.s.At(now); at.State == hansa.AccordEnded {
		k.now = at.Since
	}
	y, m, d := k.now.In(k.zone).Date()
	k.today = time.Date(y, m, d, 0, 0, 0, 0, k.zone)
	return nil
}

// day is the beginning of the day that lies n days after the present one.
func (k *keeping) day(n int) time.Time { return k.today.AddDate(0, 0, n) }

// mine reports whether own gives or receives a flow.
func (k *keeping) mine(p *accord.Pair) bool { return p.From == k.me || p.To == k.me }

// count reads what left by the flows given here, and what came by those from elsewhere.
func (k *keeping) count(tx hansa.Tx) error {
	for i := range k.pairs {
		p := &k.pairs[i]
		if !k.mine(p) {
			continue
		}
		party, what := k.own, countedReceived
		if _, here := k.n.hostedAs(p.From); here {
			party, what = k.n.home(p.From), "records"
		}
		list, err := store.Counts(tx, party, string(p.ID))
		if err != nil {
			return err
		}
		kept := []store.Counted{}
		for _, c := range list {
			if c.What == what {
				c.What = "records"
			}
			if c.What == "records" || p.From == k.me {
				kept = append(kept, c)
			}
		}
		k.counts[p.ID] = kept
	}
	return nil
}

// ask reads where what was offered by the flows given here stands.
func (k *keeping) ask(ctx context.Context, since time.Time) error {
	asks := slices.ContainsFunc(k.t.Clauses, func(c accord.Clause) bool { return c.Evidence == policy.EvidenceReceipts })
	for i := range k.pairs {
		p := &k.pairs[i]
		if _, here := k.n.hostedAs(p.From); !asks || !here || !k.mine(p) {
			continue
		}
		list, more, err := k.n.book.OfFlow(ctx, p.ID, since)
		if err != nil {
			return err
		}
		k.rungs[p.ID], k.more = list, k.more || more
	}
	return nil
}

// clause is how clause i stands: once for each party that bears it, or once for all.
func (k *keeping) clause(i int) (out []api.ClauseKept) {
	c := &k.t.Clauses[i]
	row := api.ClauseKept{N: i + 1, ID: c.ID, Title: c.Title, Evidence: c.Evidence, Standing: policy.Unknown.String(), By: k.bearers(c, c.Bearer)}
	switch c.Enforced {
	case accord.EnforcedByGate:
		row.How, row.By = api.KeptByGate, k.bearers(c, policy.BearerGiver)
		k.held(&row, c)
		return []api.ClauseKept{row}
	case accord.EnforcedByCheck:
		row.How = api.KeptByCheck
	default:
		row.How, row.Words = api.KeptOnTrust, accord.NotEnforced
		return []api.ClauseKept{row}
	}
	entry, ok := policy.ClauseByID(c.ID)
	if !ok || entry.Hash() != c.Hash || entry.Test == nil {
		row.Words = "this release has another clause of that name, and does not check this one"
		return []api.ClauseKept{row}
	}
	row.Function = entry.Test.Function
	how := measuring[entry.Test.Measures[0]]
	if how.together || how.measure == nil {
		return []api.ClauseKept{k.judge(row, c, entry, how.measure)}
	}
	for _, party := range row.By {
		row.By = []hansa.PartyID{party}
		out = append(out, k.judge(row, c, entry, how.measure))
	}
	return out
}

// bearers are the parties that bear a clause, each once.
func (k *keeping) bearers(c *accord.Clause, who policy.Bearer) []hansa.PartyID {
	out := []hansa.PartyID{}
	add := func(id hansa.PartyID) {
		if id != hansa.PublicParty && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	for i := range k.pairs {
		p := &k.pairs[i]
		if !c.About(p.Flow.ID) {
			continue
		}
		if who != policy.BearerReceiver {
			add(p.From)
		}
		if who != policy.BearerGiver {
			add(p.To)
		}
	}
	return out
}

// held says what the gates of own's giving did by a clause.
func (k *keeping) held(row *api.ClauseKept, c *accord.Clause) {
	row.Standing, row.Words = policy.Kept.String(), "held to by the gate"
	var left, held int64
	known := false
	for i := range k.pairs {
		p := &k.pairs[i]
		if p.From != k.me || !c.About(p.Flow.ID) {
			continue
		}
		known = true
		for _, n := range k.counts[p.ID] {
			if n.Day.Before(k.day(1 - keptDays)) {
				continue
			}
			rule, is := strings.CutPrefix(n.What, countedRule)
			switch {
			case n.What == "records":
				left += n.N
			case is && slices.Contains(behind(k.t, p.Flow.ID, hansa.Rule(rule), ""), row.N):
				held += n.N
			}
		}
	}
	if known {
		row.Counts = []int64{left, held}
		row.Words += ": " + strconv.FormatInt(left, 10) + " records left, " + strconv.FormatInt(held, 10) + " decisions by it"
	}
}
