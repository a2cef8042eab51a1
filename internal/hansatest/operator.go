package hansatest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// Operator acts on a node as its administrator, by the API over the socket that is
// theirs.
type Operator struct{ http *http.Client }

func operator(socket string) Operator {
	return Operator{&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}}
}

// Refused is an answer of the node that is no success.
type Refused struct {
	Status int
	api.ErrorBody
}

func (r *Refused) Error() string {
	return fmt.Sprintf("%d: %s (field %s; hint %s)", r.Status, r.Message, r.Field, r.Hint)
}

// Do sends in as JSON (nil is no body) and reads the answer into out (nil leaves it).
// An answer that is no success is a [Refused].
func (o Operator) Do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://node"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := o.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		doc := api.ErrorDocument{}
		if err := json.Unmarshal(b, &doc); err != nil {
			doc.Error.Message = string(b)
		}
		return &Refused{res.StatusCode, doc.Error}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// Process returns a negotiation or transfer with its messages.
func (o Operator) Process(ctx context.Context, id string) (p api.Process, err error) {
	return p, o.Do(ctx, http.MethodGet, "/api/v1/processes/"+id, nil, &p)
}

// Until waits for a process to be in one of the states, or until it has ended, and
// returns how it stands then. It gives up when ctx ends.
func (o Operator) Until(ctx context.Context, id string, states ...string) (state string, err error) {
	since := time.Time{}
	for {
		var p api.Process
		query := url.Values{"since": {since.Format(time.RFC3339Nano)}, "wait": {"30"}}
		if err := o.Do(ctx, http.MethodGet, "/api/v1/processes/"+id+"/wait?"+query.Encode(), nil, &p); err != nil {
			return state, err
		}
		switch {
		case p.Negotiation != nil:
			state, since = p.Negotiation.State, p.Negotiation.Changed
		case p.Transfer != nil:
			state, since = p.Transfer.State, p.Transfer.Changed
		}
		if slices.Contains(states, state) {
			return state, nil
		}
		switch state {
		case "FINALIZED", "TERMINATED", "COMPLETED":
			return state, nil
		}
	}
}
