package node

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// operator is what the operator of a node does, and what parties see of it.
type operator struct{ n *Node }

var _ api.Operator = operator{}

func (o operator) Status(ctx context.Context, _ hansa.Actor) (api.Status, error) {
	n := o.n
	s := api.Status{Version: n.cfg.Version, Started: n.started, Now: n.clock(), Factor: n.cfg.Factor(), Origin: n.cfg.Origin, Problems: []string{}, Feeds: []hansa.FeedState{}}
	epochs, err := n.db.Epochs(ctx)
	if err != nil {
		return s, err
	}
	s.Epoch = epochs[len(epochs)-1].ID
	if s.Records, err = n.stream.Records(ctx); err != nil {
		return s, err
	}
	if s.Entries, err = n.journal.Size(ctx); err != nil {
		return s, err
	}
	if list, err := n.feeds.States(ctx); err == nil && list != nil {
		s.Feeds = list
	}
	free, total := space(n.cfg.Data)
	s.Free = free
	if total > 0 && free*10 < total {
		s.Problems = append(s.Problems, "less than a tenth of the disk is free")
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	s.Sealed, s.Checked = n.sealed, n.checked
	for job, what := range n.problems {
		s.Problems = append(s.Problems, job+": "+what)
	}
	slices.Sort(s.Problems)
	return s, nil
}

func (o operator) Flows(ctx context.Context, by hansa.Actor) ([]api.FlowInfo, error) {
	flows, err := o.n.catalog.Flows(ctx, by.Party)
	if err != nil {
		return nil, err
	}
	out := []api.FlowInfo{}
	for _, f := range flows {
		info := api.FlowInfo{Flow: f, FromTitle: o.n.party(f.From).Title, ToTitle: o.n.party(f.To).Title, WithoutAccord: f.Basis.Kind != hansa.BasisAccord}
		if c, err := o.n.line.course(f.ID); err == nil {
			info.DatasetName = c.dataset.Name
		}
		out = append(out, info)
	}
	return out, nil
}

func (o operator) Datasets(ctx context.Context, by hansa.Actor) ([]hansa.Dataset, error) {
	list, err := o.n.catalog.Datasets(ctx, by.Party)
	if list == nil {
		list = []hansa.Dataset{}
	}
	return list, err
}

// Deliveries lists webhook deliveries and hand-overs that by may see: the receiver
// its own, the giver those of its flows.
func (o operator) Deliveries(ctx context.Context, by hansa.Actor, q api.DeliveryQuery) (api.Deliveries, error) {
	out, err := o.webhooks(ctx, by, q)
	if err != nil || q.State != "" || q.ID != "" {
		return out, err
	}
	return out, o.handovers(ctx, by, q, &out)
}

// webhooks lists the newest webhook deliveries alone.
func (o operator) webhooks(ctx context.Context, by hansa.Actor, q api.DeliveryQuery) (api.Deliveries, error) {
	out := api.Deliveries{Deliveries: []api.Delivery{}, Handovers: []api.Handover{}, Counts: map[string]int{}}
	subs, err := o.n.deliver.Subscriptions(ctx, by, q.Flow)
	if err != nil {
		return out, err
	}
	for _, sub := range subs {
		if q.Party != "" && sub.Party != q.Party {
			continue
		}
		list, err := o.n.deliver.Deliveries(ctx, by, sub.ID, q.Limit)
		if err != nil {
			return out, err
		}
		for i := range list {
			x := &list[i]
			out.Counts[string(x.State)]++
			if q.State != "" && string(x.State) != q.State || q.ID != "" && x.ID != q.ID {
				continue
			}
			out.Deliveries = append(out.Deliveries, delivery(sub, x))
		}
	}
	slices.SortFunc(out.Deliveries, func(a, b api.Delivery) int { return b.Made.Compare(a.Made) })
	if n := len(out.Deliveries); n > q.Limit {
		out.More, out.Deliveries = n-q.Limit, out.Deliveries[:q.Limit]
	}
	return out, nil
}

func delivery(sub *deliver.Subscription, x *deliver.Delivery) api.Delivery {
	d := api.Delivery{ID: x.ID, Party: sub.Party, Subscription: x.Subscription, Flow: sub.Flow, Record: x.Record, Version: x.Version, State: string(x.State), URL: sub.URL, Digest: x.SHA256, Made: x.First, Attempts: x.Attempts}
	if d.State == "waiting" {
		d.Next = sub.Next
	}
	return d
}

// handovers lists the newest hand-overs of the flows that by gives or receives.
func (o operator) handovers(ctx context.Context, by hansa.Actor, q api.DeliveryQuery, out *api.Deliveries) error {
	flows, err := o.n.catalog.Flows(ctx, by.Party)
	if err != nil {
		return err
	}
	for _, f := range flows {
		if q.Flow != "" && f.ID != q.Flow || q.Party != "" && f.To != q.Party {
			continue
		}
		list, err := o.n.deliver.Newest(ctx, f.ID, q.Limit)
		if err != nil {
			return err
		}
		for _, r := range list {
			h := api.Handover{ID: r.ID, Flow: r.Flow, Party: r.Party, Subscriber: r.Subscriber, How: string(r.Way), From: r.From, To: r.To, Digest: r.SHA256, Bytes: int(r.Bytes), Verdicts: map[string]int{}, At: r.At}
			for rule, n := range r.Counts {
				h.Verdicts[string(rule)] = n
			}
			out.Handovers = append(out.Handovers, h)
		}
	}
	slices.SortFunc(out.Handovers, func(a, b api.Handover) int { return b.At.Compare(a.At) })
	out.Handovers = out.Handovers[:min(len(out.Handovers), q.Limit)]
	return nil
}

// Replay sends one delivery again, or a subscription's records from a cursor on.
func (o operator) Replay(ctx context.Context, by hansa.Actor, id string, since hansa.Cursor) (int, error) {
	if _, err := o.n.deliver.Subscription(ctx, by, id); err == nil {
		return 1, o.n.deliver.Replay(ctx, by, id, since)
	}
	_, err := o.n.deliver.Redeliver(ctx, by, id)
	if err != nil {
		return 0, err
	}
	return 1, nil
}

// Explain says for each flow that by gives who would get a record, and why not.
func (o operator) Explain(ctx context.Context, by hansa.Actor, flow, record string, purpose hansa.Purpose) ([]api.Explained, error) {
	_, r, err := o.n.desk.find(ctx, by, record)
	if err != nil {
		return nil, err
	}
	out := []api.Explained{}
	o.n.line.mu.RLock()
	courses := []*course{}
	for _, c := range o.n.line.courses {
		if c.flow.From == by.Party && c.dataset.ID == r.Dataset && (flow == "" || flow == string(c.flow.ID) || flow == c.flow.Name) {
			courses = append(courses, c)
		}
	}
	o.n.line.mu.RUnlock()
	if len(courses) == 0 {
		return nil, hansa.Errorf(hansa.NotFound, "no flow of yours carries this record under that name").WithHint("hansa flows")
	}
	for _, c := range courses {
		e := o.explain(c, r, purpose)
		if e.Policy, err = o.n.deal.explainFlow(ctx, &c.flow, e.Purpose); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b api.Explained) int { return compare(a.Name, b.Name) })
	return out, nil
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// explain holds one flow's terms against a record.
func (o operator) explain(c *course, r *hansa.Record, purpose hansa.Purpose) api.Explained {
	if purpose == "" && len(c.flow.Terms.Purposes) == 1 {
		purpose = c.flow.Terms.Purposes[0]
	}
	f := hansa.Format("record")
	if len(c.flow.Terms.Formats) > 0 {
		f = c.flow.Terms.Formats[0]
	}
	if purpose == "" && len(c.flow.Terms.Purposes) > 0 {
		purpose = c.flow.Terms.Purposes[0]
	}
	ask := o.n.line.ask(c, purpose, f)
	verdict := c.gate.Decide(r, ask)
	e := api.Explained{Flow: c.flow.ID, Name: c.flow.Name, To: c.flow.To, Title: o.n.party(c.flow.To).Title, Purpose: purpose, Outcome: verdict.Outcome.String(), Rule: verdict.Rule, Formats: []api.FormatSays{}}
	for _, w := range c.gate.Explain(r, ask) {
		e.Why = append(e.Why, api.Reason{Rule: w.Rule, OK: w.OK, What: w.Term + ": " + w.Words})
	}
	if verdict.Outcome == hansa.Deny {
		return e
	}
	out := outward(r)
	if verdict.Outcome == hansa.Trim {
		out = c.gate.Trim(r)
	}
	for _, name := range c.flow.Terms.Formats {
		w, err := WriterOf(o.n.line.codecs, name)
		if err != nil {
			continue
		}
		losses := w.Losses(out)
		e.Formats = append(e.Formats, api.FormatSays{Format: name, Refused: slices.ContainsFunc(losses, func(l hansa.Loss) bool { return l.Kind == hansa.LossRefused }), Losses: losses})
	}
	return e
}

func (o operator) Release(ctx context.Context, _ hansa.Actor, name string) error {
	return o.n.feeds.Release(ctx, name)
}

// Erase removes a record's content and salt; an entry says that it was done, when
// and under which rule.
func (o operator) Erase(ctx context.Context, by hansa.Actor, dataset, record, rule string) (int, error) {
	set, err := o.n.datasetFor(by, dataset)
	if err != nil {
		return 0, err
	}
	return o.n.desk.erased(ctx, set, record, func(tx hansa.Tx, batch string, position int64) error {
		return o.n.journal.Erase(tx, journal.Erasure{Party: set.Party, Batch: batch, Position: position, Rule: rule, At: o.n.wall()})
	})
}

// Backup writes an online backup to w.
func (o operator) Backup(ctx context.Context, w io.Writer) error {
	name := filepath.Join(o.n.cfg.Data, "backup-"+hansa.NewID(o.n.wall())+".db")
	defer os.Remove(name) //nolint:errcheck // a temporary copy
	if err := o.n.db.Backup(ctx, name); err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err == nil {
		if h, ok := w.(http.ResponseWriter); ok {
			h.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
		}
	}
	_, err = io.Copy(w, f)
	return err
}
