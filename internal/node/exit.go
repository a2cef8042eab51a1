package node

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// How the exit rule is carried out: how many holdings one look takes, how many rows one
// transaction erases, and when it is looked again.
const (
	exitMost  = 100
	exitRun   = 200
	exitEvery = time.Second
)

// exitRule is what an accord says of the data at its end.
type exitRule struct {
	Rule   string `json:"rule"`             // keep, return or erase
	Clause string `json:"clause,omitempty"` // that says so of a flow, by its number
}

// exitErase is the exit rule that a node carries out by itself: the others are for people.
const exitErase = "erase"

// exitOf is what a text says of the data of a flow at its end.
func exitOf(t *accord.Text, flow hansa.FlowID) exitRule {
	x := exitRule{Rule: t.Term.Exit}
	if i := slices.IndexFunc(t.Clauses, func(c accord.Clause) bool { return c.ID == "exit-erase" && c.About(flow) }); i >= 0 && x.Rule == exitErase {
		x.Clause = strconv.Itoa(i + 1)
	}
	return x
}

// holding is what a party has in one of its datasets of what another gave it under an
// accord, and has to erase now that it is over.
type holding struct {
	Own      hansa.PartyID  `json:"own"`
	Accord   hansa.AccordID `json:"accord"`
	From     hansa.PartyID  `json:"from"`
	Fills    string         `json:"fills"` // the dataset; empty is of the flows that never had one, by which nothing came
	Flows    []hansa.FlowID `json:"flows"` // of the text
	Clause   string         `json:"clause,omitempty"`
	Began    time.Time      `json:"began"`
	At       int64          `json:"at,omitzero"` // up to where its dataset was gone through
	Records  int64          `json:"records,omitzero"`
	Versions int64          `json:"versions,omitzero"`
	Onward   []string       `json:"onward,omitempty"` // to whom the dataset went on
	// Relayed are the flows by which a dataset has gathered it; of one that the accord
	// fills there are none.
	Relayed []hansa.FlowID `json:"relayed,omitempty"`
	Done    time.Time      `json:"done,omitzero"`
	Tries   int            `json:"tries,omitzero"` // at telling the others
}

// rule is what the journal calls the reason of an erasure.
func (h *holding) rule() string {
	if h.Clause == "" {
		return "accord:" + string(h.Accord) + "/term/exit"
	}
	return "accord:" + string(h.Accord) + "#clause-" + h.Clause
}

// exits has erased what own holds of an accord's flows from elsewhere that are over, as
// far as the exit rule says so and about says that they are concerned. The same again
// changes nothing.
func (n *Node) exits(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, about func(*pledge) bool) error {
	all, err := pledgesOf(tx, own, id)
	if err != nil {
		return err
	}
	for _, flow := range slices.Sorted(maps.Keys(all)) {
		p := all[flow]
		if p.gives() || p.Exit.Rule != exitErase || p.State != pledgeClosed || !about(p) {
			continue
		}
		if p.Fills != "" {
			if err := n.hold(tx, p, p.Fills, ""); err != nil {
				return err
			}
		}
		rows, err := relayRows(tx, `WHERE party = ? AND flow = ?`, string(own), string(p.ID))
		if err != nil {
			return err
		}
		if p.Fills == "" && len(rows) == 0 && n.hasOwnCopy(p.From, p.To) {
			if err := n.hold(tx, p, "", ""); err != nil {
				return err
			}
		}
		for _, x := range rows {
			if err := n.hold(tx, p, string(x.dataset), p.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// hold notes that what p brought into a dataset is to be erased: relayed is the flow by
// which a dataset gathered it; none is that the flow fills it.
func (n *Node) hold(tx hansa.Tx, p *pledge, fills string, relayed hansa.FlowID) error {
	h, err := oneHolding(tx, `WHERE own = ? AND accord = ? AND fills = ?`, string(p.Own), string(p.Accord), fills)
	if err != nil {
		return err
	}
	if h == nil {
		h = &holding{Own: p.Own, Accord: p.Accord, From: p.From, Fills: fills, Clause: p.Exit.Clause, Began: n.wall().UTC().Truncate(time.Millisecond)}
	}
	if h.Clause != p.Exit.Clause && fills == "" { // they are of several givers
		h.Clause = ""
	}
	if slices.Contains(h.Flows, p.Part) && (relayed == "" || slices.Contains(h.Relayed, relayed)) {
		return nil
	}
	if !slices.Contains(h.Flows, p.Part) {
		h.Flows = append(h.Flows, p.Part)
	}
	if relayed != "" {
		h.Relayed = append(h.Relayed, relayed)
	}
	h.At, h.Done = 0, time.Time{}
	return storeHolding(tx, h, n.wall())
}

// runsAgain takes a flow that own receives once more out of what it has to erase: when
// the flow is over again, all that is there then goes.
func (n *Node) runsAgain(tx hansa.Tx, p *pledge) error {
	all, err := readHoldings(tx, `WHERE own = ? AND accord = ?`, string(p.Own), string(p.Accord))
	if err != nil {
		return err
	}
	for _, h := range all {
		if !slices.Contains(h.Flows, p.Part) {
			continue
		}
		h.Flows = slices.DeleteFunc(h.Flows, func(id hansa.FlowID) bool { return id == p.Part })
		h.Relayed = slices.DeleteFunc(h.Relayed, func(id hansa.FlowID) bool { return id == p.ID })
		if len(h.Flows) == 0 {
			_, err = tx.Exec(`DELETE FROM exit_holding WHERE own = ? AND accord = ? AND fills = ?`, string(h.Own), string(h.Accord), h.Fills)
		} else {
			err = storeHolding(tx, h, n.wall())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// exit carries exit rules out, until ctx ends.
func (n *Node) exit(ctx context.Context) error {
	for ctx.Err() == nil {
		woken := n.left.wait()
		n.problem(ctx, "exits", n.exitDue(ctx))
		select {
		case <-ctx.Done():
		case <-woken:
		case <-time.After(exitEvery):
		}
	}
	return nil
}

func (n *Node) exitDue(ctx context.Context) error {
	var due []*holding
	err := n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		due, err = readHoldings(tx, `WHERE due > 0 AND due <= ? ORDER BY due LIMIT ?`, n.wall().UnixMicro(), exitMost)
		return err
	})
	told := map[string]bool{}
	for _, h := range due {
		if h.Done.IsZero() {
			if bad := n.eraseHeld(ctx, h); errors.Is(bad, errHeldMore) {
				continue // it is due still
			} else if bad != nil {
				err = errors.Join(err, bad)
				continue
			}
		}
		if key := string(h.Own) + " " + string(h.Accord); !told[key] && ctx.Err() == nil {
			told[key] = true
			err = errors.Join(err, n.certify(ctx, h))
		}
	}
	return err
}

// eraseHeld erases what came from the giver of h: whole versions, with their originals.
// Their proof stands, and says under which clause they went.
func (n *Node) eraseHeld(ctx context.Context, h *holding) error {
	if h.Fills == "" {
		return n.erasedHeld(ctx, h)
	}
	set, err := n.datasetFor(hansa.Actor{Party: h.Own}, h.Fills)
	if hansa.KindOf(err) == hansa.NotFound && err != nil { // it was taken away, with what was in it
		return n.erasedHeld(ctx, h)
	}
	if err != nil {
		return err
	}
	for _, flow := range h.Relayed { // first they hear of it who were given it
		if err := n.recallFlow(ctx, h.Own, set.ID, flow); err != nil {
			return err
		}
	}
	if err := n.seal(ctx); err != nil { // what is not sealed has no proof yet
		return err
	}
	h.Onward = n.onward(set)
	theirs := func(r *hansa.Record) bool {
		if flow, relayed := strings.CutPrefix(r.Provenance.Feed, hansa.FeedRelay); relayed {
			return slices.Contains(h.Relayed, hansa.FlowID(flow))
		}
		return len(h.Relayed) == 0 && r.Provenance.System == string(h.From) && strings.HasPrefix(r.Provenance.Feed, "transfer:")
	}
	tell := func(tx hansa.Tx, batch string, position int64) error {
		return n.journal.Erase(tx, journal.Erasure{Party: h.Own, Batch: batch, Position: position, Rule: h.rule(), At: n.wall()})
	}
	defer n.desk.forget(hansa.Key{Party: set.Party, Dataset: set.ID})
	for ctx.Err() == nil {
		was := *h
		out, err := n.stream.Of(h.Own).EraseWhere(ctx, set.ID, h.At, exitRun, theirs, tell, func(tx hansa.Tx, e stream.Erased) error {
			if err := n.unchanged(tx, &was); err != nil {
				return err
			}
			h.Records, h.Versions, h.At = was.Records+int64(e.Records), was.Versions+int64(e.Versions), e.Next
			return storeHolding(tx, h, n.wall())
		})
		if err != nil {
			*h = was
			return err
		}
		if out.Next == 0 {
			return n.erasedHeld(ctx, h)
		}
	}
	return ctx.Err()
}

// errHeldMore stops the erasing of a holding to which another flow was added meanwhile.
var errHeldMore = hansa.Errorf(hansa.Busy, "more is to be erased than was when it was begun")

// unchanged is [errHeldMore] when more flows stand in a holding than in h.
func (*Node) unchanged(tx hansa.Tx, h *holding) error {
	now, err := oneHolding(tx, `WHERE own = ? AND accord = ? AND fills = ?`, string(h.Own), string(h.Accord), h.Fills)
	if err == nil && now != nil && (len(now.Flows) != len(h.Flows) || len(now.Relayed) != len(h.Relayed)) {
		err = errHeldMore
	}
	return err
}

// onward names to whom a dataset goes on.
func (n *Node) onward(set *hansa.Dataset) (out []string) {
	n.line.mu.RLock()
	flows := n.line.flowsOf(hansa.Key{Party: set.Party, Dataset: set.ID})
	n.line.mu.RUnlock()
	for _, c := range flows {
		if name := n.party(c.flow.To).Title; !slices.Contains(out, name) && len(out) < accord.FlowsMax {
			out = append(out, cutTo(name, accord.TitleBytesMax))
		}
	}
	return out
}

// erasedHeld notes that nothing of h is held any more.
func (n *Node) erasedHeld(ctx context.Context, h *holding) error {
	h.Done = n.wall().UTC().Truncate(time.Second)
	return n.db.Write(ctx, func(tx hansa.Tx) error {
		if err := n.unchanged(tx, h); err != nil {
			return err
		}
		if h.Fills == "" { // nothing was there
			return storeHolding(tx, h, n.wall())
		}
		return errors.Join(storeHolding(tx, h, n.wall()), n.deal.commit(tx, h.Own, "exit-carried-out", map[string]any{
			"accord": h.Accord, "rule": exitErase, "clause": h.Clause, "from": h.From, "dataset": h.Fills, "flows": h.Flows, "records": h.Records, "versions": h.Versions, "at": h.Done,
		}))
	})
}

// certify tells the others of an accord that own has erased what it held: once all of it
// is gone, and again until it stands in the accord.
func (n *Node) certify(ctx context.Context, h *holding) error {
	c, err := n.certificate(ctx, h)
	if err != nil || c == nil {
		return err
	}
	y, err := n.accords.begin(ctx, hansa.Actor{Party: h.Own, Rights: []hansa.Right{hansa.RightAdmin}}, h.Accord, accord.Erased, &api.AccordAct{Erasure: c, Words: exitWords(c)})
	if err != nil {
		return err
	}
	m, err := n.accords.message(y)
	if err != nil {
		return err
	}
	return n.accords.say(ctx, y, m)
}
