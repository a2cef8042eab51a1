package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// World is what a story is played in: the exchange's address, the controller's
// and the operator's tokens, the receivers, and a clock that can be moved on.
type World struct {
	Exchange  string
	Control   string // token of the city's control room
	Region    string // token of the other outlet, which publishes into its own dataset
	Client    *http.Client
	Receivers map[string]*Receiver
	Flows     map[string]string // flow id by receiver's name
	Now       func() time.Time
	Advance   func(time.Duration)
	Factor    func() float64
	// Verify checks a proof bundle offline with a key saved before the story began.
	Verify func(bundle []byte) error
	// Forge returns the bundle as another signer would have made it.
	Forge func(bundle []byte) ([]byte, error)
}

// Step is one step of a story and how it went.
type Step struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// step is what is played: do returns what was seen, or why it was not.
type step struct {
	name string
	wait time.Duration // of story time before it
	do   func(ctx context.Context) (string, error)
}

// stepLimit bounds one step in real time.
const stepLimit = 30 * time.Second

// play plays the steps in order, tells each as it ends, and goes on after one
// that was missed.
func play(ctx context.Context, pace Pace, steps []step, tell func(Step)) []Step {
	var out []Step
	for _, s := range steps {
		if s.wait > 0 && pace(ctx, s.wait) != nil || ctx.Err() != nil {
			break
		}
		sctx, stop := context.WithTimeout(ctx, stepLimit)
		detail, err := s.do(sctx)
		stop()
		done := Step{Name: s.name, OK: err == nil, Detail: detail}
		if err != nil {
			done.Detail = err.Error()
		}
		out = append(out, done)
		tell(done)
	}
	return out
}

// closure is what a story reads of a closure.
type closure struct {
	ID        string       `json:"id"`
	Title     string       `json:"title"`
	Version   int64        `json:"version"`
	Record    hansa.Record `json:"record"`
	Receivers []struct {
		Party  string     `json:"party"`
		Title  string     `json:"title"`
		Step   hansa.Step `json:"step"`
		Late   bool       `json:"late"`
		Reason string     `json:"reason"`
		Ladder []rung     `json:"ladder"`
		End    []rung     `json:"end"`
	} `json:"receivers"`
}

type rung struct {
	Step     hansa.Step     `json:"step"`
	At       time.Time      `json:"at"`
	Evidence hansa.Evidence `json:"evidence"`
	Segment  string         `json:"segment"`
}

// call sends one request with a token and reads the JSON answer.
func (w *World) call(ctx context.Context, token, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	res, err := w.send(ctx, token, method, path, body)
	if err != nil {
		return err
	}
	return decode(res, out)
}

func (w *World) send(ctx context.Context, token, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.Exchange+path, body)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return w.Client.Do(req)
}

// order is a closure as the control room enters it.
type order struct {
	Place    string     `json:"place"`
	Heading  string     `json:"heading,omitempty"`
	From     *time.Time `json:"from,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
	EndKind  string     `json:"endKind,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Text     string     `json:"text,omitempty"`
	Incident string     `json:"incident,omitempty"`
	Role     hansa.Role `json:"role,omitempty"`
	Lanes    []int      `json:"lanes,omitempty"`
	Test     bool       `json:"test,omitzero"`
}

// close enters a closure.
func (w *World) close(ctx context.Context, o order) (closure, error) {
	var c closure
	err := w.call(ctx, w.Control, http.MethodPost, "/api/v1/closures", o, &c)
	return c, err
}

// change applies what to a closure.
func (w *World) change(ctx context.Context, id, what string) (closure, error) {
	var c closure
	err := w.call(ctx, w.Control, http.MethodPost, "/api/v1/closures/"+url.PathEscape(id)+"/"+what, nil, &c)
	return c, err
}

// until reads a closure until seen says yes or the step's time is up. Each read
// moves the story's clock on, so that waiting in the story is short in the hall.
func (w *World) until(ctx context.Context, id string, on time.Duration, seen func(closure) (string, bool)) (string, error) {
	last := "nothing"
	for {
		var c closure
		err := w.call(ctx, w.Control, http.MethodGet, "/api/v1/closures/"+url.PathEscape(id), nil, &c)
		if err == nil {
			var ok bool
			if last, ok = seen(c); ok {
				return last, nil
			}
		} else if ctx.Err() == nil {
			return "", err
		}
		t := time.NewTimer(100 * time.Millisecond)
		select {
		case <-ctx.Done():
			t.Stop()
			return "", fmt.Errorf("waited %s and saw %s%s", stepLimit, last, w.failures())
		case <-t.C:
			w.Advance(on)
		}
	}
}

// failures is what went wrong at the receivers, for whoever asks why a step did not come.
func (w *World) failures() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w.Receivers)) {
		if errs := w.Receivers[name].Errors(); len(errs) > 0 {
			fmt.Fprintf(&b, "; at %s: %s", name, strings.Join(errs, ", "))
		}
	}
	return b.String()
}

// at returns the step of each receiver by its title.
func (c *closure) at() map[string]hansa.Step {
	out := map[string]hansa.Step{}
	for _, r := range c.Receivers {
		out[r.Title] = r.Step
	}
	return out
}

// stands says in a line where each receiver is.
func (c *closure) stands() string {
	says := make([]string, 0, len(c.Receivers))
	for _, r := range c.Receivers {
		says = append(says, r.Title+" "+string(r.Step))
	}
	return strings.Join(says, ", ")
}

// has reports whether a receiver's ladder holds a step, and how it is known.
func (c *closure) has(title string, s hansa.Step, how hansa.Evidence) bool {
	for _, r := range c.Receivers {
		if r.Title != title {
			continue
		}
		for _, g := range append(append([]rung{}, r.Ladder...), r.End...) {
			if g.Step == s && (how == "" || g.Evidence == how) {
				return true
			}
		}
	}
	return false
}
