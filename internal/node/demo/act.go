package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// fact is what a receiver understood of one record, in whatever format it came.
type fact struct {
	id      string
	version int64
	segment string // the name of the place
	over    bool   // ended, withdrawn, or not told any more

	// What the format says of it; empty when it says nothing.
	start                       time.Time
	extent, direction, vehicles string
}

// take acts on one fact: says that it came, shows it after a while, and says so,
// each receiver in its manner.
func (r *Receiver) take(ctx context.Context, f fact) {
	r.mu.Lock()
	if known, ok := r.seen[f.id]; ok && known >= f.version && !f.over {
		r.mu.Unlock()
		return
	}
	r.seen[f.id] = f.version
	reason, refused := r.refuse[f.segment]
	r.mu.Unlock()
	switch {
	case f.over:
		r.clear(ctx, f)
	case refused:
		r.tell(ctx, f, hansa.StepAcknowledged, "", "")
		r.tell(ctx, f, hansa.StepRejected, reason, f.segment)
	default:
		r.tell(ctx, f, hansa.StepAcknowledged, "", "")
		if r.pause(ctx, r.Lag/2) {
			r.tell(ctx, f, hansa.StepMatched, "", "")
		}
		if r.pause(ctx, r.Lag/2) {
			r.show(f)
			r.tell(ctx, f, hansa.StepLive, "", "")
		}
	}
}

func (r *Receiver) show(f fact) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.drops[f.id] && r.seen[f.id] <= f.version {
		r.tellf("shows %s, version %d", f.id, f.version)
		r.shown[f.id] = shownItem{Record: f.id, Version: f.version, start: f.start, Extent: f.extent, Direction: f.direction, Vehicles: f.vehicles, At: r.stage.Now()}
	}
}

// clear takes a record off the list.
func (r *Receiver) clear(ctx context.Context, f fact) {
	if !r.pause(ctx, r.Lag/2) {
		return
	}
	r.mu.Lock()
	if _, ok := r.shown[f.id]; ok {
		r.tellf("takes %s off", f.id)
	}
	delete(r.shown, f.id)
	r.mu.Unlock()
	r.tell(ctx, f, hansa.StepCleared, "", "")
}

// tell posts a receipt. Listing sends none: its list speaks. Signing signs.
func (r *Receiver) tell(ctx context.Context, f fact, step hansa.Step, reason, segment string) {
	if r.Manner == Listing || ctx.Err() != nil {
		return
	}
	rec := hansa.Receipt{Flow: hansa.FlowID(r.stage.Flow), Record: f.id, Version: f.version, Step: step, At: r.stage.Now().UTC(), Reason: reason, Segment: segment, Evidence: hansa.EvidenceStated}
	if r.Manner == Signing {
		rec.Evidence = hansa.EvidenceSigned
	}
	body, err := r.receipt(rec)
	if err != nil {
		r.failed("sign: %v", err)
		return
	}
	for try := range tries {
		if err = r.post(ctx, body); err == nil || ctx.Err() != nil {
			return
		}
		r.failed("receipt %s of %s: %v", step, f.id, err)
		if _, no := errors.AsType[refusal](err); no && try+1 >= refusals {
			return
		}
		t := time.NewTimer(time.Duration(try+1) * 200 * time.Millisecond)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// How often a receipt is sent before it is given up: one that the exchange refuses, and
// one that an exchange that is away or busy may take later.
const (
	refusals = 3
	tries    = 8
)

// postLimit bounds the sending of a receipt: what hangs is sent anew, and a receipt that
// arrives twice counts once.
const postLimit = 10 * time.Second

// refusal is why the exchange does not take a receipt.
type refusal string

func (x refusal) Error() string { return string(x) }

// post sends one receipt; one that is refused is an error.
func (r *Receiver) post(ctx context.Context, body []byte) error {
	ctx, stop := context.WithTimeout(ctx, postLimit)
	defer stop()
	res, err := r.call(ctx, http.MethodPost, "/data/v1/flows/"+r.stage.Flow+"/receipts", "", bytes.NewReader(body))
	if err != nil {
		return err
	}
	var ans struct {
		Receipts []struct {
			Accepted bool `json:"accepted"`
			Error    *struct {
				Message string `json:"message"`
			} `json:"error"`
		} `json:"receipts"`
	}
	if err := decode(res, &ans); err != nil {
		return err
	}
	for _, a := range ans.Receipts {
		if !a.Accepted && a.Error != nil {
			return refusal(a.Error.Message)
		}
	}
	return nil
}

// receipt writes a receipt, signed when the receiver signs: the signature is over
// the receipt's JSON without its signature member.
func (r *Receiver) receipt(rec hansa.Receipt) ([]byte, error) {
	b, err := json.Marshal(rec, json.Deterministic(true))
	if err != nil || r.stage.Sign == nil || r.Manner != Signing {
		return b, err
	}
	if rec.Signature, err = r.stage.Sign(b); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return json.Marshal(rec, json.Deterministic(true))
}
