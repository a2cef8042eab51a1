package node

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// serving is what the API needs of the data way.
type serving struct{ n *Node }

var (
	_ api.Data          = serving{}
	_ api.Intake        = serving{}
	_ api.Subscriptions = serving{}
	_ api.Receipts      = serving{}
)

// open finds the view that an ask is for: the purpose is settled between what
// the caller names, its credential and the flow.
func (s serving) open(ctx context.Context, ask api.Ask) (deliver.View, string, error) {
	c, err := s.n.line.course(ask.Flow)
	if err != nil {
		return deliver.View{}, "", err
	}
	purposes, err := trust.Purpose(ask.Actor, string(ask.Purpose), c.flow.Terms.Purposes)
	if err != nil {
		return deliver.View{}, "", unagreed(&c.flow, err)
	}
	v, err := s.n.line.Open(ctx, ask.Flow, purposes[0], ask.Format)
	subscriber := ask.Actor.Credential
	if c.flow.To != ask.Actor.Party {
		subscriber = operatorSubscriber
	}
	return v, subscriber, err
}

// unagreed names the rule by which a read is refused for its purpose, and what is agreed.
func unagreed(f *hansa.Flow, err error) error {
	e := hansa.Public(err)
	if e.Code != hansa.CodePurpose {
		return err
	}
	hint := "agreed are: " + joined(f.Terms.Purposes)
	if f.Basis.Kind == hansa.BasisAccord {
		hint += "; by the accord " + f.Basis.ID
	}
	return hansa.Errorf(hansa.Denied, "%s (%s)", e.Message, gate.PurposeDenied).With(e.Code).WithHint(hint)
}

func (s serving) Snapshot(ctx context.Context, ask api.Ask) (api.Answer, error) {
	v, who, err := s.open(ctx, ask)
	if err != nil {
		return api.Answer{}, err
	}
	snap, err := s.n.deliver.Pull(ctx, v, who, ask.Has)
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{Body: snap.Body, MediaType: snap.MediaType, ETag: snap.ETag, Cursor: snap.At, Made: snap.Made, Losses: snap.Losses, Header: deliver.LabelHeaders(v.Label)}, nil
}

func (s serving) Records(ctx context.Context, ask api.Ask, since hansa.Cursor, limit int, wait time.Duration) (api.Page, error) {
	v, who, err := s.open(ctx, ask)
	if err != nil {
		return api.Page{}, err
	}
	p, err := s.n.deliver.Records(ctx, v, who, since, limit, wait)
	if err != nil {
		return api.Page{}, err
	}
	page := api.Page{Next: p.Next, More: p.More, Header: deliver.LabelHeaders(v.Label)}
	for i := range p.Events {
		page.Events = append(page.Events, *event(&p.Events[i]))
	}
	return page, nil
}

func event(e *deliver.Event) *api.Event {
	return &api.Event{Cursor: e.Cursor, Type: e.Type(), Record: e.Record, Version: e.Version, Update: e.Update, At: e.At, MediaType: e.MediaType, Data: e.Body}
}

func (s serving) Events(ctx context.Context, ask api.Ask, since hansa.Cursor, started func(http.Header), emit func(*api.Event) error) error {
	v, who, err := s.open(ctx, ask)
	if err != nil {
		return err
	}
	if since != "" { // a cursor that is none, or lost, is answered before the stream begins
		if _, _, err := s.n.stream.Of(v.Flow.From).Read(ctx, v.Flow.Dataset, since, 1); err != nil {
			return err
		}
	}
	started(deliver.LabelHeaders(v.Label))
	return s.n.deliver.Stream(ctx, v, who, since, func(e *deliver.Event) error {
		if e == nil {
			return emit(nil)
		}
		return emit(event(e))
	})
}

// Publish reads the body by its type, and takes it in runs, so that a long
// document is not held whole.
func (s serving) Publish(ctx context.Context, by hansa.Actor, dataset hansa.DatasetID, contentType string, body io.Reader) ([]api.Accepted, error) {
	d, err := s.n.datasetFor(by, string(dataset))
	if err != nil {
		return nil, err
	}
	p := publication{s: s, by: by, d: d, out: []api.Accepted{}}
	zone, err := time.LoadLocation(first(s.n.party(by.Party).Zone, "UTC"))
	if err != nil {
		zone = time.UTC
	}
	for item, err := range Read(s.n.line.codecs, contentType, body, format.Input{Zone: zone, Now: s.n.clock()}) {
		if err != nil {
			if len(p.out) == 0 && len(p.recs) == 0 {
				return nil, err
			}
			p.out = append(p.out, api.Accepted{Line: len(p.out) + 1, Outcome: "refused", Error: api.ErrorBodyOf(err, "")})
			break
		}
		if len(p.out) >= api.PublishMax { // what came before it is taken, and answered
			more := hansa.Errorf(hansa.Invalid, "a post holds at most %d records: send this one and those after it in another", api.PublishMax).With(hansa.CodeTooLarge)
			id := item.ID
			if item.Record != nil {
				id = item.Record.ID
			}
			p.out = append(p.out, api.Accepted{Line: len(p.out) + 1, ID: id, Outcome: "refused", Error: api.ErrorBodyOf(more, "")})
			break
		}
		if err := p.add(ctx, item); err != nil {
			return nil, err
		}
	}
	return p.out, p.flush(ctx)
}

// publication is one post on its way in.
type publication struct {
	s    serving
	by   hansa.Actor
	d    *hansa.Dataset
	out  []api.Accepted
	recs []*hansa.Record
	at   []int // where in out the answer to each of recs belongs
}

// publishRun is how many records are stored at once.
const publishRun = 1000

func (p *publication) add(ctx context.Context, item format.Item) error {
	a := api.Accepted{Line: len(p.out) + 1}
	if item.Record == nil {
		a.ID, a.Outcome, a.Error = item.ID, "refused", api.ErrorBodyOf(item.Refused, "")
		p.out = append(p.out, a)
		return nil
	}
	item.Record.Provenance.EnteredBy = p.by.Credential
	item.Record.Received = time.Time{} // ours to say
	a.ID = item.Record.ID
	p.out, p.recs, p.at = append(p.out, a), append(p.recs, item.Record), append(p.at, len(p.out))
	if len(p.recs) >= publishRun {
		return p.flush(ctx)
	}
	return nil
}

func (p *publication) flush(ctx context.Context) error {
	if len(p.recs) == 0 {
		return nil
	}
	all, refused, err := p.s.n.line.take(ctx, p.d, p.recs, foreign, nil)
	if err != nil {
		return err
	}
	for i, at := range p.at {
		a := &p.out[at]
		if refused[i] != nil {
			a.Outcome, a.Error = "refused", api.ErrorBodyOf(refused[i], "")
			continue
		}
		a.Outcome, a.Cursor = string(all[i].Outcome), all[i].Cursor
		if all[i].Record != nil {
			a.Findings = all[i].Record.Defects
		}
	}
	p.recs, p.at = p.recs[:0:0], p.at[:0]
	return nil
}

func (s serving) Subscribe(ctx context.Context, ask api.Ask, in api.Subscribe) (api.Subscription, error) {
	v, _, err := s.open(ctx, ask)
	if err != nil {
		return api.Subscription{}, err
	}
	if v.Flow.To != ask.Actor.Party {
		return api.Subscription{}, hansa.Errorf(hansa.Denied, "only the receiver subscribes to a flow").With(hansa.CodeForbidden)
	}
	sub, err := s.n.deliver.Subscribe(ctx, ask.Actor, v, deliver.Subscribe{URL: in.URL, From: in.From, Signing: in.Signing})
	if err != nil {
		return api.Subscription{}, err
	}
	return subscription(sub), nil
}

func subscription(x *deliver.Subscription) api.Subscription {
	return api.Subscription{ID: x.ID, Flow: x.Flow, URL: x.URL, Format: x.Format, State: string(x.State), Reason: x.Reason, Purpose: string(x.Purpose), Created: x.Created, Cursor: x.Cursor, Key: x.Key}
}

func (s serving) Subscriptions(ctx context.Context, by hansa.Actor, flow hansa.FlowID) ([]api.Subscription, error) {
	list, err := s.n.deliver.Subscriptions(ctx, by, flow)
	out := make([]api.Subscription, 0, len(list))
	for _, x := range list {
		out = append(out, subscription(x))
	}
	return out, err
}

// ofFlow makes sure that a subscription belongs to the flow in the path.
func (s serving) ofFlow(ctx context.Context, by hansa.Actor, flow hansa.FlowID, id string) error {
	sub, err := s.n.deliver.Subscription(ctx, by, id)
	if err == nil && sub.Flow != flow {
		err = hansa.Errorf(hansa.NotFound, "there is no such subscription")
	}
	return err
}

func (s serving) Unsubscribe(ctx context.Context, by hansa.Actor, flow hansa.FlowID, id string) error {
	if err := s.ofFlow(ctx, by, flow, id); err != nil {
		return err
	}
	return s.n.deliver.Unsubscribe(ctx, by, id)
}

func (s serving) TestSubscription(ctx context.Context, by hansa.Actor, flow hansa.FlowID, id string) (api.Tested, error) {
	if err := s.ofFlow(ctx, by, flow, id); err != nil {
		return api.Tested{}, err
	}
	a, err := s.n.deliver.Test(ctx, by, id)
	return api.Tested{OK: a.Status >= 200 && a.Status < 300, Attempt: a}, err
}

func (s serving) RotateSubscription(ctx context.Context, by hansa.Actor, flow hansa.FlowID, id string) (string, error) {
	if err := s.ofFlow(ctx, by, flow, id); err != nil {
		return "", err
	}
	return s.n.deliver.Rotate(ctx, by, id)
}

func (s serving) PostReceipts(ctx context.Context, by hansa.Actor, flow hansa.FlowID, raw [][]byte) ([]api.ReceiptAnswer, error) {
	c, err := s.n.line.course(flow)
	if err != nil {
		return nil, err
	}
	list, err := s.n.book.Post(ctx, &c.flow, by.Party, raw)
	if err != nil {
		return nil, err
	}
	out := make([]api.ReceiptAnswer, 0, len(list))
	for _, a := range list {
		r := api.ReceiptAnswer{Record: a.Record, Step: a.Step, Evidence: a.Evidence, Accepted: a.Err == nil}
		if a.Err != nil {
			r.Error = api.ErrorBodyOf(a.Err, "")
		}
		out = append(out, r)
	}
	return out, nil
}

// tombstone says that a record is over or withheld, for formats that cannot.
func tombstone(r *hansa.Record, losses []hansa.Loss) []byte {
	doc := struct {
		ID      string       `json:"id"`
		Version int64        `json:"version"`
		Update  hansa.Update `json:"update"`
		Reason  string       `json:"reason,omitempty"`
	}{ID: r.ID, Version: r.Version, Update: updateOf(r)}
	if i := slices.IndexFunc(losses, func(l hansa.Loss) bool { return l.Kind == hansa.LossRefused }); i >= 0 && r.Live() {
		doc.Reason = losses[i].Reason
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return []byte(`{}`)
	}
	return b
}
