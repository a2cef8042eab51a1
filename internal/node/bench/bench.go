// Package bench measures: it loads a node over real sockets as its callers would,
// and beside it, in the same run, the bare baseline that the figures are held
// against. It asserts nothing; figures are ratios.
package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Figure is one measured figure with its baseline of the same run.
type Figure struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Baseline float64 `json:"baseline"`
	Ratio    float64 `json:"ratio"` // of value to baseline; 0 when there is no baseline
}

// NewFigure joins a value with its baseline.
func NewFigure(name string, value float64, unit string, baseline float64) Figure {
	f := Figure{Name: name, Value: value, Unit: unit, Baseline: baseline}
	if baseline > 0 {
		f.Ratio = value / baseline
	}
	return f
}

// Record writes the n-th record of the load: a closure of some 330 bytes.
func Record(b *bytes.Buffer, n int64) {
	fmt.Fprintf(b, `{"kind":"situation","id":"closure-%d","version":1,"update":"insert","updated":"2026-11-23T10:00:00Z","situation":{"lifecycle":"active","effect":"road-closed","direction":"both","start":"2026-11-23T10:00:00Z","endKind":"unknown","road":{"name":"Oostertunnel"},"geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38],[4.92,52.39]]},"texts":[{"lang":"en","value":"Tunnel closed, vehicle fire"}]}}`, n)
}

// Load says how a server is loaded.
type Load struct {
	URL     string
	Token   string
	Workers int
	Batch   int           // records in one request
	For     time.Duration // of the load
	First   int64         // number of the first record, so that loads do not meet
}

// Result is what a load saw.
type Result struct {
	PerSecond float64
	P50, P99  time.Duration // of one request
	Records   int64
}

// Run loads the server, and fails at the first answer that is no success.
func Run(ctx context.Context, l Load) (Result, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: l.Workers, MaxConnsPerHost: l.Workers}}
	defer client.CloseIdleConnections()
	ctx, stop := context.WithTimeout(ctx, l.For)
	defer stop()
	var next, done atomic.Int64
	next.Store(l.First)
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var wg sync.WaitGroup
	began := time.Now()
	for range l.Workers {
		wg.Go(func() {
			var mine []time.Duration
			for ctx.Err() == nil {
				t := time.Now()
				n, err := one(ctx, client, l, next.Add(int64(l.Batch)))
				if err != nil {
					if ctx.Err() == nil {
						mu.Lock()
						failed = errors.Join(failed, err)
						mu.Unlock()
						stop()
					}
					break
				}
				done.Add(n)
				mine = append(mine, time.Since(t))
			}
			mu.Lock()
			took = append(took, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	if failed != nil || len(took) == 0 {
		return Result{}, errors.Join(failed, errIdle(took))
	}
	out := summary(took, time.Since(began))
	out.PerSecond, out.Records = float64(done.Load())/time.Since(began).Seconds(), done.Load()
	return out, nil
}

// summary sums up how long things took that were done within a while.
func summary(took []time.Duration, within time.Duration) Result {
	slices.Sort(took)
	return Result{PerSecond: float64(len(took)) / within.Seconds(), P50: took[len(took)/2], P99: took[len(took)*99/100], Records: int64(len(took))}
}

func errIdle(took []time.Duration) error {
	if len(took) == 0 {
		return errors.New("nothing was answered")
	}
	return nil
}

// one sends one request.
func one(ctx context.Context, c *http.Client, l Load, first int64) (int64, error) {
	var b bytes.Buffer
	for i := range l.Batch {
		Record(&b, first+int64(i))
		b.WriteByte('\n')
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL, &b)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if l.Batch > 1 {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	if l.Token != "" {
		req.Header.Set("Authorization", "Bearer "+l.Token)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	says, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK || bytes.Contains(says, []byte(`"refused":1`)) {
		return 0, fmt.Errorf("%s: %.300s", res.Status, says)
	}
	return int64(l.Batch), nil
}
