package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Arrivals notes when each subscriber got each event.
type Arrivals struct {
	mu  sync.Mutex // guards all below
	at  map[string][]time.Time
	new chan struct{}
}

// NewArrivals returns an empty book.
func NewArrivals() *Arrivals {
	return &Arrivals{at: map[string][]time.Time{}, new: make(chan struct{}, 1)}
}

// Note writes down that a subscriber got an event.
func (a *Arrivals) Note(event string) {
	now := time.Now()
	a.mu.Lock()
	a.at[event] = append(a.at[event], now)
	a.mu.Unlock()
	select {
	case a.new <- struct{}{}:
	default:
	}
}

// Wait waits until n subscribers have got an event, or a while has passed, and
// returns how long after from each got it.
func (a *Arrivals) Wait(ctx context.Context, event string, n int, from time.Time, most time.Duration) []time.Duration {
	limit := time.NewTimer(most)
	defer limit.Stop()
	for {
		a.mu.Lock()
		list := slices.Clone(a.at[event])
		a.mu.Unlock()
		if len(list) >= n {
			return since(list, from)
		}
		select {
		case <-ctx.Done():
			return since(list, from)
		case <-limit.C:
			return since(list, from)
		case <-a.new:
		}
	}
}

func since(list []time.Time, from time.Time) []time.Duration {
	out := make([]time.Duration, 0, len(list))
	for _, t := range list {
		out = append(out, t.Sub(from))
	}
	slices.Sort(out)
	return out
}

// Quantile returns the q-th of sorted durations, in milliseconds.
func Quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]) / float64(time.Millisecond)
}

// Follow reads a node's event stream and notes each record that comes. ready is
// called once, when the stream stands.
func Follow(ctx context.Context, c *http.Client, url, token string, book *Arrivals, ready func()) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		return fmt.Errorf("%s: %s", res.Status, b)
	}
	ready()
	s := bufio.NewScanner(res.Body)
	s.Buffer(make([]byte, 8<<10), 1<<20)
	for s.Scan() {
		data, ok := strings.CutPrefix(s.Text(), "data: ")
		if !ok {
			continue
		}
		if _, rest, ok := strings.Cut(data, `"record":"`); ok {
			id, _, _ := strings.Cut(rest, `"`)
			book.Note(id)
		}
	}
	return s.Err()
}

// Bare is the baseline of the fan-out: a loop that writes the same bytes to as many
// sockets, read by as many readers. It returns when each reader had them, sorted.
func Bare(ctx context.Context, readers int, payload []byte, rounds int) ([]time.Duration, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close() //nolint:errcheck // nothing is left to accept
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	took := make(chan time.Time, readers)
	var wg sync.WaitGroup
	for range readers {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", ln.Addr().String())
		if err != nil {
			return nil, err
		}
		s, err := ln.Accept()
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		conns = append(conns, s, c)
		wg.Go(func() {
			b := make([]byte, len(payload))
			for range rounds {
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
				took <- time.Now()
			}
		})
	}
	var all []time.Duration
	for range rounds {
		from := time.Now()
		for i := 0; i < len(conns); i += 2 {
			if _, err := conns[i].Write(payload); err != nil {
				return nil, err
			}
		}
		for range readers {
			all = append(all, (<-took).Sub(from))
		}
	}
	wg.Wait()
	slices.Sort(all)
	return all, nil
}

// Sorted sorts durations and returns them.
func Sorted(list []time.Duration) []time.Duration {
	slices.Sort(list)
	return list
}
