package node

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
)

// push is the sending of one transfer's data, as provider.
type push struct{ stop context.CancelFunc }

// pushMost is the longest wait between tries that fail.
const pushMost = 5 * time.Minute

// push begins to send what a transfer gives to where its consumer said.
func (d *deal) push(t *transfer.Transfer) {
	var a transfer.Address
	err := d.n.db.Read(context.Background(), func(tx hansa.Tx) error { return d.reveal(tx, t.ID, &a) })
	if err != nil || endpoint(&a) == "" {
		d.n.problem(context.Background(), "transfer "+t.ID, hansa.Errorf(hansa.Invalid, "the address that transfer %s pushes to cannot be read", t.ID))
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil || d.ctx.Err() != nil {
		return // the node does not run yet, or no more
	}
	if old := d.pushes[t.ID]; old != nil {
		old.stop()
	}
	ctx, stop := context.WithCancel(d.ctx)
	d.pushes[t.ID] = &push{stop}
	one := *t
	d.crew.Go(func() {
		defer stop()
		d.pushAll(ctx, &one, &a)
	})
}

// pushAll sends change after change, in order, each until it has arrived.
func (d *deal) pushAll(ctx context.Context, t *transfer.Transfer, a *transfer.Address) {
	for ctx.Err() == nil {
		err := d.pushSince(ctx, t, a)
		d.n.problem(ctx, "transfer "+t.ID, err)
		pause(ctx, time.Second)
	}
}

func (d *deal) pushSince(ctx context.Context, t *transfer.Transfer, a *transfer.Address) error {
	v, err := d.n.line.Open(ctx, t.Flow, t.Purpose, t.Reads)
	if err != nil {
		return err
	}
	var since hansa.Cursor
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		since, err = d.transfers.Cursor(tx, t.ID)
		return err
	})
	if err != nil {
		return err
	}
	return d.n.deliver.Stream(ctx, v, t.ID, since, func(e *deliver.Event) error {
		if e == nil {
			return nil
		}
		body, err := json.Marshal(pushed{Cursor: e.Cursor, Type: e.Type(), Record: e.Record, Version: e.Version, MediaType: e.MediaType, Data: inline(e)}, json.Deterministic(true))
		if err != nil {
			return err
		}
		if err := d.pushOne(ctx, t, a, deliver.LabelHeaders(v.Label), body); err != nil {
			return err
		}
		return d.n.db.Write(ctx, func(tx hansa.Tx) error { return d.transfers.Reached(tx, t.ID, e.Cursor) })
	})
}

// pushed is one change as it is sent: what an event stream has as its data.
type pushed struct {
	Cursor    hansa.Cursor `json:"cursor"`
	Type      string       `json:"type"`
	Record    string       `json:"record"`
	Version   int64        `json:"version"`
	MediaType string       `json:"mediaType"`
	Data      any          `json:"data"`
}

// inline is an event's data as it stands in JSON: a value, or a string.
func inline(e *deliver.Event) any {
	switch {
	case len(e.Body) == 0:
		return nil
	case strings.Contains(e.MediaType, "json"):
		return jsontext.Value(bytes.TrimSpace(e.Body))
	}
	return string(e.Body)
}

// pushOne sends one change until the other side has taken it, or the transfer stops.
func (d *deal) pushOne(ctx context.Context, t *transfer.Transfer, a *transfer.Address, label http.Header, body []byte) error {
	h := label.Clone()
	h.Set("Content-Type", "application/json")
	if auth := a.Properties[propAuth]; auth != "" {
		if !strings.Contains(auth, " ") {
			auth = "Bearer " + auth
		}
		h.Set("Authorization", auth)
	}
	for wait := time.Second; ; wait = min(2*wait, pushMost) {
		answer, err := d.n.client.Do(ctx, outbound.Request{Method: http.MethodPost, URL: endpoint(a), Header: h, Body: body})
		if err == nil && answer.Status >= 200 && answer.Status < 300 {
			d.n.problem(ctx, "transfer "+t.ID, nil)
			return nil
		}
		if err == nil {
			err = hansa.Errorf(hansa.Busy, "the receiver answered %d", answer.Status)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.n.problem(ctx, "transfer "+t.ID, err)
		pause(ctx, wait)
	}
}

// sink is where this node takes what is pushed to it under a transfer; as consumer.
func (d *deal) sink(tx hansa.Tx, w *work, t *transfer.Transfer) (*transfer.Address, error) {
	if err := d.mint(tx, w, t, nil); err != nil {
		return nil, err
	}
	return &transfer.Address{EndpointType: "https://w3id.org/idsa/v4.1/HTTP", Endpoint: d.n.address() + sinkPath + t.ID, Properties: map[string]string{propAuth: accessMark, propAuthType: "bearer"}}, nil
}

// sinkPath is where what is pushed arrives.
const sinkPath = "/data/v1/transfers/"

func sinkRoute() hansa.Route {
	return hansa.Route{Method: "POST", Pattern: sinkPath + "{transfer}", Right: hansa.RightPublish, Object: "transfer", Action: "push data of a transfer", BodyMax: eventBytes}
}

// taken takes what a provider pushes.
func (d *deal) taken(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	id := r.PathValue("transfer")
	if by.Credential != id {
		return hansa.Errorf(hansa.NotFound, "there is no such transfer")
	}
	var t *transfer.Transfer
	err := d.n.db.Read(r.Context(), func(tx hansa.Tx) (err error) {
		t, err = d.transfers.Get(tx, by.Party, id)
		return err
	})
	if err != nil {
		return err
	}
	if t.State != transfer.Started {
		return hansa.Errorf(hansa.Conflict, "the transfer is %s", t.State)
	}
	var e fetchedEvent
	if err := json.UnmarshalRead(r.Body, &e); err != nil {
		return hansa.Errorf(hansa.Invalid, "the body is one change, as JSON: %s", words.Misread(err)).With(hansa.CodeSyntax)
	}
	f := &fetch{d: d, t: *t}
	if err := f.take(r.Context(), []fetchedEvent{e}, e.Cursor); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
