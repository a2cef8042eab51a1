package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Taker is a city or a company that reads what it is given: it polls its flows as a
// program of its own does, each for the purpose that was agreed, from where it was.
type Taker struct {
	Name     string
	Exchange string // base URL
	Token    string
	Client   *http.Client
	Flows    map[string]hansa.Purpose // by the id of the flow, what it is read for

	mu    sync.Mutex        // guards all below
	next  map[string]string // cursor by flow
	taken map[string]int    // records by flow
}

// pageMax is how many changes a taker reads of a flow at a time.
const pageMax = 200

// Run reads each flow every so often until ctx ends. What fails is tried again the next
// time; tell hears of it.
func (t *Taker) Run(ctx context.Context, every time.Duration, tell func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		for flow, purpose := range t.Flows {
			if err := t.read(ctx, flow, purpose); err != nil && ctx.Err() == nil {
				tell(fmt.Errorf("%s reads %s: %w", t.Name, flow, err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// read takes one page of changes.
func (t *Taker) read(ctx context.Context, flow string, purpose hansa.Purpose) error {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	t.mu.Lock()
	since := t.next[flow]
	t.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/data/v1/flows/%s/records?limit=%d&since=%s", t.Exchange, url.PathEscape(flow), pageMax, url.QueryEscape(since)), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+t.Token)
	req.Header.Set("Hansa-Purpose", string(purpose))
	res, err := t.Client.Do(req)
	if err != nil {
		return err
	}
	var page struct {
		Records []struct {
			Record string `json:"record"`
			Data   any    `json:"data"`
		} `json:"records"`
		Next string `json:"next"`
	}
	if err := decode(res, &page); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == nil {
		t.next, t.taken = map[string]string{}, map[string]int{}
	}
	t.next[flow] = page.Next
	for _, r := range page.Records {
		if r.Record != "" && r.Data != nil { // without data the gate withheld it
			t.taken[flow]++
		}
	}
	return nil
}

// Taken is how many records came by a flow.
func (t *Taker) Taken(flow string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken[flow]
}
