package node

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
)

const gateRelayed = gate.ConditionRelayed

// anyPartner stands in a pledge for whoever the receiver has an accord of its own with.
const anyPartner hansa.PartyID = "*"

// relayMigrations are the tables of what parties of this node pass on.
func relayMigrations() []hansa.Migration {
	return []hansa.Migration{{Room: "relay", Number: 1, Statements: []string{
		`CREATE TABLE relay_flow (party TEXT NOT NULL, dataset TEXT NOT NULL, flow TEXT NOT NULL, at TEXT NOT NULL, recalled BIGINT NOT NULL, PRIMARY KEY (party, dataset, flow))`,
		`CREATE INDEX relay_flow_open ON relay_flow (recalled)`,
	}}}
}

// relayRow is a flow whose records a dataset has gathered.
type relayRow struct {
	party   hansa.PartyID
	dataset hansa.DatasetID
	flow    hansa.FlowID
	at      hansa.Cursor
}

func relayRows(tx hansa.Tx, where string, args ...any) (out []relayRow, err error) {
	rows, err := tx.Query(`SELECT party, dataset, flow, at FROM relay_flow `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		var party, dataset, flow, at string
		if err := rows.Scan(&party, &dataset, &flow, &at); err != nil {
			return nil, err
		}
		out = append(out, relayRow{hansa.PartyID(party), hansa.DatasetID(dataset), hansa.FlowID(flow), hansa.Cursor(at)})
	}
	return out, rows.Err()
}

// onwardOf is to whom the receiver of a flow may pass it on: to those that the clauses
// name, to whom it has an accord with where it is a hub by them, and else to nobody.
// stays says that they forbid it, and do not only say nothing of it. Marked fields keep a
// flow here: whoever is further on has confirmed no measures to the giver.
func onwardOf(t *accord.Text, f *accord.Flow, home func(hansa.PartyID) hansa.PartyID) (out []hansa.PartyID, stays bool) {
	if len(f.Marked) > 0 {
		return nil, true
	}
	var hub, named bool
	for i := range t.Clauses {
		c := &t.Clauses[i]
		switch {
		case !c.About(f.ID):
		case c.ID == "no-onward-sharing":
			return nil, true
		case c.ID == "onward-hub":
			hub = true
		case c.ID == "onward-named":
			named = true
			for id := range strings.SplitSeq(c.Params["parties"], ",") {
				out = append(out, home(hansa.PartyID(strings.TrimSpace(id))))
			}
		}
	}
	if hub && !named {
		return []hansa.PartyID{anyPartner}, true
	}
	return out, named
}

// staysHere says why what fills set may not go on by q; empty when no accord by which
// it came forbids it.
func staysHere(tx hansa.Tx, q *pledge, set *hansa.Dataset) (string, error) {
	if set == nil || !q.stands() {
		return "", nil
	}
	all, err := pledgesFilling(tx, q.Own, set.Name)
	for _, p := range all {
		if !p.gives() && p.Stays && !p.allows(q) {
			return words.Mark("the accord by which the dataset came does not let it go on to this receiver"), nil
		}
	}
	return "", err
}

// dutiesOf are the clauses by which the giver of a flow answers for its quality.
func dutiesOf(t *accord.Text, flow hansa.FlowID) (out []string) {
	for i := range t.Clauses {
		c := &t.Clauses[i]
		if of, known := policy.ClauseByID(c.ID); known && (of.Group == "quality" || of.Group == "roads") && c.Bearer == policy.BearerGiver && c.About(flow) {
			out = append(out, strconv.Itoa(i+1)+" "+c.ID)
		}
	}
	return out
}

// gathers reports whether set takes what p brings.
func gathers(set *hansa.Dataset, p *pledge) bool {
	return p.Own == set.Party && !p.gives() && p.Dataset.Kind == set.Kind && slices.Contains(set.Relays, p.Dataset.Name) && (!p.Personal || set.Personal)
}

// passes reports whether set takes what p brings, and the accord lets it go on to
// somebody.
func passes(set *hansa.Dataset, p *pledge) bool {
	return p.stands() && len(p.Onward) > 0 && gathers(set, p) && keptTooLong(set, p) == nil
}

// keptTooLong says why set may not gather what p brings: it would keep it for longer than
// the accord lets it be kept.
func keptTooLong(set *hansa.Dataset, p *pledge) error {
	if p.Terms.Retention == 0 || set.AgeMax > 0 && set.AgeMax.Std() <= time.Duration(p.Terms.Retention)*24*time.Hour {
		return nil
	}
	return hansa.Fielded("/ageMax", "the accord %s lets %s be kept for %d days, and the dataset %s keeps it for longer: nothing of it is passed on", p.Accord, p.Name, p.Terms.Retention, set.Name).WithHint("set age_max of the dataset, or hansa datasets add " + set.Name + " --keep")
}

// allows reports whether what p brings may go on by q: its receiver is one of those that
// the accord of p allows, it is for no other purpose, and it does not come back.
func (p *pledge) allows(q *pledge) bool {
	named := slices.Contains(p.Onward, q.To) || q.To != hansa.PublicParty && slices.Contains(p.Onward, anyPartner)
	return named && p.From != q.To && (!p.Personal || q.Personal) && !slices.ContainsFunc(q.Terms.Purposes, func(x hansa.Purpose) bool { return !slices.Contains(p.Terms.Purposes, x) })
}

// passedOnBy lists the flows whose records leave set by q, as the gate reads it.
func passedOnBy(set *hansa.Dataset, all []*pledge, q *pledge) string {
	var ids []string
	for _, p := range all {
		if passes(set, p) && p.allows(q) && len(ids) < gate.RelayedMax {
			ids = append(ids, string(p.ID))
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// onlyPassedOn has the terms of a flow from a dataset that gathers say what may leave
// by it.
func onlyPassedOn(tx hansa.Tx, p *pledge, set *hansa.Dataset) error {
	if set == nil || len(set.Relays) == 0 {
		return nil
	}
	all, err := readPledges(tx, `WHERE own = ? AND state IN ('open', 'paused')`, string(p.Own))
	if err != nil {
		return err
	}
	return passedOn(tx, p, set, all)
}

// passedOn is [onlyPassedOn] with own's pledges that stand.
func passedOn(tx hansa.Tx, p *pledge, set *hansa.Dataset, all []*pledge) error {
	was, err := onePledge(tx, `WHERE own = ? AND id = ?`, string(p.Own), string(p.ID))
	if err != nil {
		return err
	}
	if p.Terms.Conditions == nil {
		p.Terms.Conditions = map[string]string{}
	}
	now := passedOnBy(set, all, p)
	p.Terms.Conditions[gateRelayed] = now
	if was != nil {
		p.Terms.Conditions[gate.ConditionRecalled] = recalledBy(was.Terms.Conditions, now)
	}
	return nil
}

// recalledMost bounds the flows of which a flow remembers that it passed them on: the
// newest.
const recalledMost = 1000

// recalledBy lists what a flow passed on under its conditions of before, and does no
// more.
func recalledBy(was map[string]string, now string) string {
	ids := append(strings.Fields(was[gateRelayed]), strings.Fields(was[gate.ConditionRecalled])...)
	still := strings.Fields(now)
	ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(still, id) })
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return strings.Join(ids[max(0, len(ids)-recalledMost):], " ")
}

// passOn has own's flows from datasets that gather let through what own may pass on by
// them now, and no more.
func (n *Node) passOn(tx hansa.Tx, a *acts, own hansa.PartyID) error {
	var sets []*hansa.Dataset
	for _, set := range n.gathering() {
		if set.Party == own {
			sets = append(sets, set)
		}
	}
	if len(sets) == 0 {
		return nil
	}
	all, err := readPledges(tx, `WHERE own = ? AND state IN ('open', 'paused')`, string(own))
	if err != nil {
		return err
	}
	for _, p := range all {
		i := slices.IndexFunc(sets, func(set *hansa.Dataset) bool { return p.gives() && set.Name == p.Dataset.Name })
		if i < 0 {
			continue
		}
		was := p.Terms.Conditions[gateRelayed]
		if err := passedOn(tx, p, sets[i], all); err != nil {
			return err
		}
		if p.Terms.Conditions[gateRelayed] == was {
			continue
		}
		_, here := n.hostedAs(p.To)
		if err := n.setGiven(tx, a, p, sets[i], here || p.To == hansa.PublicParty); err != nil {
			return err
		}
		if err := n.putPledge(tx, p, n.wall()); err != nil {
			return err
		}
	}
	return nil
}

// recallAll recalls what was passed on by flows that allow it no more.
func (n *Node) recallAll(ctx context.Context) error {
	var over []relayRow
	err := n.db.Read(ctx, func(tx hansa.Tx) error {
		over = nil
		rows, err := relayRows(tx, `WHERE recalled = 0`)
		if err != nil {
			return err
		}
		for _, x := range rows {
			p, err := onePledge(tx, `WHERE own = ? AND id = ?`, string(x.party), string(x.flow))
			if err != nil {
				return err
			}
			set, gone := n.datasetFor(hansa.Actor{Party: x.party}, string(x.dataset))
			if p == nil || gone != nil || !passes(set, p) {
				over = append(over, x)
			}
		}
		return nil
	})
	for _, x := range over {
		err = errors.Join(err, n.recallFlow(ctx, x.party, x.dataset, x.flow))
	}
	return err
}

// recallFlow recalls all that a dataset has gathered by a flow. The same again changes
// nothing.
func (n *Node) recallFlow(ctx context.Context, own hansa.PartyID, dataset hansa.DatasetID, flow hansa.FlowID) error {
	if set, err := n.datasetFor(hansa.Actor{Party: own}, string(dataset)); err == nil {
		if err := n.recall(ctx, set, func(x *hansa.Record) bool { return x.Provenance.Feed == hansa.FeedRelay+string(flow) }); err != nil {
			return err
		}
	}
	return n.db.Write(ctx, func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE relay_flow SET recalled = 1, at = '' WHERE party = ? AND dataset = ? AND flow = ?`, string(own), string(dataset), string(flow))
		return err
	})
}

// recall puts a notice in the place of each live record of a dataset that is meant: who
// was given it hears that it stands no more, and nobody hears what it said.
func (n *Node) recall(ctx context.Context, set *hansa.Dataset, meant func(*hansa.Record) bool) error {
	recs, _, err := n.stream.Of(set.Party).Present(ctx, set.ID, false)
	if err != nil {
		return err
	}
	var list []*hansa.Record
	for _, x := range recs {
		if meant(x) {
			y := notice(x, hansa.FeedRecall+strings.TrimPrefix(x.Provenance.Feed, hansa.FeedRelay))
			y.Version, y.Updated = x.Version+1, n.clock().UTC()
			list = append(list, y)
		}
	}
	for run := range slices.Chunk(list, relayRun) {
		if _, _, err := n.line.take(ctx, set, run, foreign, nil); err != nil {
			return err
		}
	}
	return nil
}

// notice is x without what it said: that it stands no more.
func notice(x *hansa.Record, feed string) *hansa.Record {
	y := &hansa.Record{Kind: x.Kind, ID: x.ID, Version: x.Version, Updated: x.Updated, Update: hansa.Redact, Mode: x.Mode, Cursor: x.Cursor}
	y.Provenance = hansa.Provenance{Holder: x.Provenance.Holder, System: x.Provenance.System, Feed: feed}
	switch {
	case x.Situation != nil:
		y.Situation = &hansa.Situation{Lifecycle: hansa.Cancelled, Effect: x.Situation.Effect}
	case x.Observation != nil:
		y.Observation = &hansa.Observation{What: x.Observation.What, Observed: x.Observation.Observed}
	case x.Document != nil:
		y.Document = &hansa.Document{MediaType: x.Document.MediaType}
	}
	y.Received = time.Time{}
	return y
}
