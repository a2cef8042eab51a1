package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
)

// How a hub's relay reads: how many records in one transaction, and how long it waits
// for news at most.
const (
	relayRun   = 500
	relayEvery = time.Minute
	relayAgain = time.Second // after a failure
)

// relayed is one flow that a party is given, on its way into one of the datasets in
// which the party gathers what it passes on.
type relayed struct {
	n      *Node
	own    hansa.PartyID
	pledge *pledge
	from   hansa.Key // the dataset that is read: the giver's on this node, else the own one that the flow fills
	here   bool      // the giver is on this node: its gate is asked
	into   *hansa.Dataset
}

// key tells runs apart: what a new version of the accord says goes with a run anew.
func (r *relayed) key() string {
	return string(r.into.ID) + " " + string(r.pledge.ID) + " " + r.pledge.Hash
}

// errNotPassedOn stops a run whose flow may not be passed on any more.
var errNotPassedOn = hansa.Errorf(hansa.Conflict, "the accord by which it came allows no passing on any more")

// relay passes on, until ctx ends, what parties of this node are given as hubs.
func (n *Node) relay(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	running := map[string]func(){} // ends a run, and waits for it
	for ctx.Err() == nil {
		forced, loaded := n.forced.wait(), n.loaded.wait()
		list, err := n.relays(ctx)
		n.problem(ctx, "relays", err)
		if err == nil {
			for key, end := range running {
				if !slices.ContainsFunc(list, func(r *relayed) bool { return r.key() == key }) {
					end()
					delete(running, key)
				}
			}
			for _, r := range list {
				if running[r.key()] == nil {
					run, stop := context.WithCancel(ctx)
					over := make(chan struct{})
					running[r.key()] = func() { stop(); <-over }
					wg.Go(func() { defer close(over); r.run(run) })
				}
			}
			n.problem(ctx, "recalls", n.recallAll(ctx))
		}
		wait := relayEvery
		if err != nil {
			wait = relayAgain
		}
		select {
		case <-ctx.Done():
		case <-forced:
		case <-loaded:
		case <-time.After(wait):
		}
	}
	return nil
}

// gathering are the datasets of this node's parties that gather what others give.
func (n *Node) gathering() (out []*hansa.Dataset) {
	n.line.mu.RLock()
	defer n.line.mu.RUnlock()
	for _, list := range n.line.datasets {
		for _, d := range list {
			if len(d.Relays) > 0 {
				out = append(out, d)
			}
		}
	}
	return out
}

// relays lists what is to be passed on now, and has the gates of the datasets that
// gather it know.
func (n *Node) relays(ctx context.Context) (out []*relayed, err error) {
	sets := n.gathering()
	if len(sets) == 0 {
		return nil, nil
	}
	stale := map[hansa.PartyID]bool{}
	err = n.db.Read(ctx, func(tx hansa.Tx) error {
		out = nil
		clear(stale)
		for _, set := range sets {
			all, err := readPledges(tx, `WHERE own = ? AND state IN ('open', 'paused')`, string(set.Party))
			if err != nil {
				return err
			}
			for _, p := range all {
				if p.gives() && p.Dataset.Name == set.Name && p.Terms.Conditions[gateRelayed] != passedOnBy(set, all, p) {
					stale[set.Party] = true
				}
				if !passes(set, p) {
					if gathers(set, p) && len(p.Onward) > 0 {
						n.problem(ctx, relayJob(set, p), keptTooLong(set, p))
					}
					continue
				}
				if r := n.relayOf(set, p); r != nil {
					out = append(out, r)
				}
			}
		}
		return nil
	})
	for own := range stale {
		err = errors.Join(err, n.deal.write(ctx, false, func(tx hansa.Tx, w *work) error {
			a := &acts{w: w}
			defer n.leave(a)
			return n.passOn(tx, a, own)
		}))
	}
	return out, err
}

// relayOf is what p brings, on its way into set; nil while there is nothing to read.
func (n *Node) relayOf(set *hansa.Dataset, p *pledge) *relayed {
	r := &relayed{n: n, own: set.Party, pledge: p, into: set}
	owner, name := p.Own, p.Fills
	if _, r.here = n.hostedAs(p.From); r.here {
		owner, name = p.From, p.Dataset.Name
	}
	from, err := n.datasetFor(hansa.Actor{Party: owner}, name)
	if name == "" || err != nil || from.ID == set.ID {
		return nil
	}
	r.from = hansa.Key{Party: owner, Dataset: from.ID}
	return r
}

// relayJob is what a relay is called where it fails.
func relayJob(set *hansa.Dataset, p *pledge) string {
	return "relay of " + p.Name + " into " + set.Name
}

// run passes on until ctx ends.
func (r *relayed) run(ctx context.Context) {
	for ctx.Err() == nil {
		changed, tick := r.n.stream.Of(r.from.Party).Changed(r.from.Dataset), r.n.tick.wait()
		if !r.here {
			tick = nil // no gate stands between, and so nothing that time opens
		}
		more, err := r.pass(ctx)
		if errors.Is(err, errNotPassedOn) {
			err = nil // it is recalled by who notices
		}
		r.n.problem(ctx, relayJob(r.into, r.pledge), err)
		if more && err == nil {
			continue
		}
		wait := relayEvery
		if err != nil {
			wait = relayAgain
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-tick:
		case <-time.After(wait):
		}
	}
}

// pass passes on one run of what is new; more says that there may be more.
func (r *relayed) pass(ctx context.Context) (more bool, err error) {
	at, err := r.at(ctx)
	if err != nil {
		return false, err
	}
	if at == "" {
		return r.begin(ctx)
	}
	recs, next, err := r.n.stream.Of(r.from.Party).Read(ctx, r.from.Dataset, at, relayRun)
	if e := hansa.Public(err); e != nil && e.Code == hansa.CodeGone {
		return r.begin(ctx)
	}
	if err != nil {
		return false, err
	}
	news, next, err := r.through(ctx, recs, at, next)
	if err != nil || next == at {
		return false, err
	}
	return len(recs) == relayRun, r.put(ctx, news, next)
}

// begin passes on what holds now, and recalls what was passed on and holds no more:
// where nothing was passed on yet, or what came meanwhile is no longer kept.
func (r *relayed) begin(ctx context.Context) (more bool, err error) {
	recs, at, err := r.n.stream.Of(r.from.Party).Present(ctx, r.from.Dataset, false)
	if err != nil {
		return false, err
	}
	recs, to, err := r.through(ctx, recs, "", at)
	if err != nil {
		return false, err
	}
	holds := map[string]bool{}
	for _, x := range recs {
		holds[relayID(r.pledge.From, x.ID)] = true
	}
	for run := range slices.Chunk(recs, relayRun) {
		if err := r.put(ctx, run, ""); err != nil {
			return false, err
		}
	}
	switch flow := string(r.pledge.ID); {
	case to == "": // all has to wait
		return false, nil
	case to != at: // some has to wait
		return false, r.put(ctx, nil, to)
	default:
		if err := r.n.recall(ctx, r.into, func(x *hansa.Record) bool {
			return x.Provenance.Feed == hansa.FeedRelay+flow && !holds[x.ID]
		}); err != nil {
			return false, err
		}
	}
	return true, r.put(ctx, nil, at)
}

// through is what of recs may come to the hub, as it may: of a giver on this node its
// gate decides, and what it stops is over for who was given it. Of one elsewhere it has
// decided. What has to wait ends the run before it.
func (r *relayed) through(ctx context.Context, recs []*hansa.Record, at, next hansa.Cursor) (out []*hansa.Record, to hansa.Cursor, err error) {
	if !r.here {
		for _, x := range recs {
			if strings.HasPrefix(x.Provenance.Feed, "transfer:") && x.Provenance.System == string(r.pledge.From) && !stream.IsOlder(x) {
				out = append(out, x)
			}
		}
		return out, next, nil
	}
	c, err := r.n.line.course(r.pledge.ID)
	if err != nil {
		return nil, at, err
	}
	if err := r.n.line.ready(ctx, c); err != nil {
		return nil, at, err
	}
	ask := r.n.line.ask(c, c.flow.Terms.Purposes[0], c.flow.Terms.Formats[0])
	if len(recs) == 0 && c.gate.Admit(ask).Outcome == hansa.Deny {
		return nil, at, nil
	}
	for _, x := range recs {
		verdict := decide(c, x, ask)
		switch {
		case verdict.Outcome == hansa.Pass:
			out = append(out, outward(x))
		case verdict.Outcome == hansa.Trim:
			out = append(out, c.gate.Trim(x))
		case slices.Contains(waits, verdict.Rule):
			return out, at, nil
		case !stream.IsOlder(x) && x.Live():
			out = append(out, notice(x, ""))
		}
		at = x.Cursor
	}
	return out, next, nil
}

// put takes records into the dataset that gathers them, with up to where the flow was
// read in the same transaction. Nothing is taken of a flow that may not be passed on.
func (r *relayed) put(ctx context.Context, recs []*hansa.Record, at hansa.Cursor) error {
	news := make([]*hansa.Record, 0, len(recs))
	newest := map[string]*hansa.Record{}
	for _, x := range recs {
		y, err := r.copied(ctx, x, newest)
		if err != nil {
			return err
		}
		if y != nil {
			newest[y.ID] = y
			news = append(news, y)
		}
	}
	also := func(tx hansa.Tx) error { return r.reached(tx, recs, at) }
	if len(news) > 0 {
		_, refused, err := r.n.line.take(ctx, r.into, news, foreign, also)
		if err != nil || slices.Contains(refused, nil) {
			return err
		}
	}
	return r.n.db.Write(ctx, also)
}

// reached notes up to where was read; of a giver on this node also what was handed over.
func (r *relayed) reached(tx hansa.Tx, recs []*hansa.Record, at hansa.Cursor) error {
	p, err := onePledge(tx, `WHERE own = ? AND id = ?`, string(r.pledge.Own), string(r.pledge.ID))
	if err != nil {
		return err
	}
	if p == nil || !passes(r.into, p) {
		return errNotPassedOn
	}
	if c, err := r.n.line.course(r.pledge.ID); r.here && err == nil && len(recs) > 0 {
		h := deliver.Handover{Flow: &c.flow, Subscriber: "relay", Way: deliver.WayChanges, At: r.n.clock()}
		for _, x := range recs {
			h.Records = append(h.Records, deliver.Ref{ID: x.ID, Version: x.Version, Update: updateOf(x)})
		}
		if err := r.n.line.handed(tx, h); err != nil {
			return err
		}
	}
	_, err = tx.Exec(`INSERT INTO relay_flow (party, dataset, flow, at, recalled) VALUES (?, ?, ?, ?, 0) ON CONFLICT (party, dataset, flow) DO UPDATE SET at = excluded.at, recalled = 0`,
		string(r.own), string(r.into.ID), string(r.pledge.ID), string(at))
	return err
}

// copied is x as the hub passes it on: with who gave it, under what, and the version
// after the one that the hub has; nil when the hub has just that.
func (r *relayed) copied(ctx context.Context, x *hansa.Record, newest map[string]*hansa.Record) (*hansa.Record, error) {
	y, p := *x, r.pledge
	y.ID, y.Dataset, y.Cursor, y.Received = relayID(p.From, x.ID), "", "", time.Time{}
	old := newest[y.ID]
	if old == nil {
		var err error
		old, err = r.n.stream.Of(r.own).Get(ctx, r.into.ID, y.ID)
		if err != nil && hansa.KindOf(err) != hansa.NotFound {
			return nil, err
		}
	}
	y.Provenance.Feed, y.Provenance.System = hansa.FeedRelay+string(p.ID), string(p.From)
	y.Provenance.Holder = first(y.Provenance.Holder, first(p.Giver, r.n.party(p.From).Title))
	if y.Provenance.Origin == nil {
		y.Provenance.Origin = &hansa.Origin{Party: p.From, ID: x.ID, Version: x.Version, Licence: p.Terms.Licence, Accord: p.Accord, Hash: p.Hash, Duties: p.Duties}
		if d, err := r.n.datasetFor(hansa.Actor{Party: r.from.Party}, string(r.from.Dataset)); err == nil {
			y.Provenance.Origin.Licence = first(p.Terms.Licence, d.Licence)
		}
	}
	if y.OriginalType == hansa.MediaTypeRecord { // its bytes stay as they came, beside what it says here
		y.OriginalType += ";as=received"
	}
	if x.Situation != nil {
		y.Situation = relaySituation(p.From, x.Situation)
	}
	switch {
	case old == nil && !y.Live():
		return nil, nil //nolint:nilnil // nobody was given what is over
	case old == nil:
		return &y, nil
	case !old.Live() && !y.Live(), r.same(old, &y):
		return nil, nil //nolint:nilnil // it is there
	}
	y.Version = max(y.Version, old.Version+1)
	return &y, nil
}

// same reports whether the hub has y already, by the same flow.
func (*relayed) same(old, y *hansa.Record) bool {
	a, b := old.Provenance.Origin, y.Provenance.Origin
	if a == nil || b.Version == 0 && (len(y.Original) == 0 || !bytes.Equal(old.Original, y.Original)) {
		return false
	}
	return a.Version == b.Version && a.Party == b.Party && a.ID == b.ID && a.Hash == b.Hash && old.Live() == y.Live() && old.Provenance.Feed == y.Provenance.Feed
}

// relayID is the id under which a hub passes on a record of a giver: two givers may
// call theirs alike.
func relayID(from hansa.PartyID, id string) string {
	out := strings.TrimPrefix(string(from), "did:web:") + "/" + id
	if len(out) > hansa.IDBytesMax {
		sum := sha256.Sum256([]byte(out))
		return hex.EncodeToString(sum[:])
	}
	return out
}

// relaySituation is s with the ids of other records as the hub has them.
func relaySituation(from hansa.PartyID, s *hansa.Situation) *hansa.Situation {
	ids := func(list []string) (out []string) {
		for _, id := range list {
			out = append(out, relayID(from, id))
		}
		return out
	}
	c := *s
	c.Related.Replaces, c.Related.CausedBy, c.Related.Contradicts = ids(s.Related.Replaces), ids(s.Related.CausedBy), ids(s.Related.Contradicts)
	for _, id := range []*string{&c.Related.Parent, &c.Incident} {
		if *id != "" {
			*id = relayID(from, *id)
		}
	}
	return &c
}

func (r *relayed) at(ctx context.Context) (at hansa.Cursor, err error) {
	err = r.n.db.Read(ctx, func(tx hansa.Tx) error {
		row, err := relayRows(tx, `WHERE party = ? AND dataset = ? AND flow = ? AND recalled = 0`, string(r.own), string(r.into.ID), string(r.pledge.ID))
		if err == nil && len(row) > 0 {
			at = row[0].at
		}
		return err
	})
	return at, err
}
