package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/node/bench"
)

// Figure is one measured figure with its baseline of the same run.
type Figure = bench.Figure

// benchCity and benchNavigator are the parties of a measurement.
const (
	benchCity      = hansa.PartyID("did:web:bench.example")
	benchNavigator = hansa.PartyID("did:web:navigator.example")
)

// benchNode is a node on loopback with one dataset and one flow.
type benchNode struct {
	node *Node
	url  string
	give string // token that publishes
	take string // token that reads
	flow hansa.FlowID
	stop func() error
}

// openBench starts a node in dir. allow lists the addresses of webhooks.
func openBench(ctx context.Context, dir string, allow []string) (*benchNode, error) {
	n, err := Open(ctx, Config{Data: filepath.Join(dir, "node"), Origin: "bench.example", Version: "bench", Own: benchCity, Log: slog.New(slog.DiscardHandler), Outbound: outbound.Config{Allow: allow}})
	if err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	b := &benchNode{node: n, url: "http://" + ln.Addr().String(), give: token(), take: token(), flow: hansa.FlowID(named("flow", "bench"))}
	set := hansa.DatasetID(named("dataset", string(benchCity), "closures"))
	err = n.Apply(ctx, &Setup{
		Parties: []hansa.Party{
			{ID: benchCity, Name: "bench", Title: "Bench", Kind: hansa.City, Hosted: true},
			{ID: benchNavigator, Name: "navigator", Title: "Navigator", Kind: hansa.Company, Hosted: true},
		},
		Credentials: []trust.CredentialSpec{
			{Party: benchCity, Name: "give", Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightPublish, hansa.RightControl}, Secret: trust.NewSecret(b.give)},
			{Party: benchNavigator, Name: "take", Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightRead, hansa.RightReceipt}, Secret: trust.NewSecret(b.take)},
		},
		Datasets: []hansa.Dataset{{ID: set, Party: benchCity, Name: "closures", Kind: hansa.KindSituation}},
		Flows: []hansa.Flow{{
			ID: b.flow, Name: "closures-to-navigator", Dataset: set, From: benchCity, To: benchNavigator, Limit: hansa.Duration(time.Minute),
			Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record", "geojson"}},
		}},
	})
	if err != nil {
		return nil, errors.Join(err, n.Close(), ln.Close())
	}
	run, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- n.Run(run, ln) }()
	b.stop = func() error { cancel(); return <-done }
	return b, nil
}

// publish sends one record and returns when its answer came.
func (b *benchNode) publish(ctx context.Context, n int64) error {
	var body bytes.Buffer
	bench.Record(&body, n)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"/data/v1/datasets/closures/records", &body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+b.give)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("publish: %s", res.Status)
	}
	return nil
}

// BenchIngest measures durable ingest over HTTP, single records at 50 connections
// and batches of 500, each beside the bare floor. It ends within 45 s.
func BenchIngest(ctx context.Context, each time.Duration, tell func(string)) (_ []Figure, err error) {
	dir, err := os.MkdirTemp("", "hansa-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := openBench(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	floor, err := bench.NewFloor(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, floor.Close()) }()
	var out []Figure
	first := int64(0)
	for _, k := range []struct {
		name           string
		workers, batch int
	}{{"ingest_http_50", 50, 1}, {"ingest_ndjson", 8, 500}} {
		tell(k.name + ": the bare floor")
		l := bench.Load{URL: floor.URL, Workers: k.workers, Batch: k.batch, For: each, First: first}
		bare, err := bench.Run(ctx, l)
		if err != nil {
			return out, fmt.Errorf("floor: %w", err)
		}
		tell(k.name + ": the exchange")
		l.URL, l.Token = b.url+"/data/v1/datasets/closures/records", b.give
		ours, err := bench.Run(ctx, l)
		if err != nil {
			return out, err
		}
		first += 1 << 32
		out = append(out, bench.NewFigure(k.name, ours.PerSecond, "records/s", bare.PerSecond),
			bench.NewFigure(k.name+"_p99", float64(ours.P99)/float64(time.Millisecond), "ms", float64(bare.P99)/float64(time.Millisecond)))
	}
	return out, nil
}

// The size of the fan-out.
const (
	fanStreams  = 1000
	fanWebhooks = 100 // one of them black-holed
	fanRounds   = 10
)

// BenchFanout measures how long after a closure was sent each of 1,000 streams and
// 100 webhooks has it, without and with one webhook that never answers.
func BenchFanout(ctx context.Context, tell func(string)) (_ []Figure, err error) {
	dir, err := os.MkdirTemp("", "hansa-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tell("the bare loop")
	var payload bytes.Buffer
	bench.Record(&payload, 0)
	bare, err := bench.Bare(ctx, fanStreams, payload.Bytes(), fanRounds)
	if err != nil {
		return nil, err
	}
	f := &fan{book: bench.NewArrivals()}
	if err := f.open(ctx, dir); err != nil {
		return nil, errors.Join(err, f.close())
	}
	defer func() { err = errors.Join(err, f.close()) }()
	tell(fmt.Sprintf("%d streams and %d webhooks", fanStreams, fanWebhooks))
	if err := f.subscribe(ctx, fanWebhooks-1, false); err != nil {
		return nil, err
	}
	whole, err := f.rounds(ctx, 0)
	if err != nil {
		return nil, err
	}
	tell("the same, one webhook black-holed")
	if err := f.subscribe(ctx, 1, true); err != nil {
		return nil, err
	}
	holed, err := f.rounds(ctx, 1000)
	if err != nil {
		return nil, err
	}
	base := bench.Quantile(bare, 0.99)
	return []Figure{
		bench.NewFigure("fanout_p50", bench.Quantile(holed, 0.5), "ms", bench.Quantile(bare, 0.5)),
		bench.NewFigure("fanout_p99", bench.Quantile(holed, 0.99), "ms", base),
		bench.NewFigure("fanout_p99_blackhole", bench.Quantile(holed, 0.99), "ms", bench.Quantile(whole, 0.99)),
	}, nil
}

// fan is a node with its subscribers.
type fan struct {
	book   *bench.Arrivals
	node   *benchNode
	hooks  *http.Server
	at     string
	hole   chan struct{}
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	failed error
	hooked int
}

func (f *fan) open(ctx context.Context, dir string) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.at, f.hole = ln.Addr().String(), make(chan struct{})
	f.hooks = &http.Server{Handler: http.HandlerFunc(f.hook), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = f.hooks.Serve(ln) }()
	if f.node, err = openBench(ctx, dir, []string{f.at}); err != nil {
		return err
	}
	streams, cancel := context.WithCancel(ctx)
	f.cancel = cancel
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: fanStreams}}
	ready := make(chan struct{}, fanStreams)
	url := f.node.url + "/data/v1/flows/" + string(f.node.flow) + "/events"
	for range fanStreams {
		f.wg.Go(func() {
			if err := bench.Follow(streams, client, url, f.node.take, f.book, func() { ready <- struct{}{} }); err != nil && streams.Err() == nil {
				f.mu.Lock()
				f.failed = errors.Join(f.failed, err)
				f.mu.Unlock()
				ready <- struct{}{}
			}
		})
	}
	for range fanStreams {
		<-ready
	}
	return f.failed
}

// hook answers as a receiver: it echoes the challenge, and notes what comes. The
// black hole answers its challenge and nothing after it.
func (f *fan) hook(w http.ResponseWriter, r *http.Request) {
	var e struct {
		Subject   string `json:"subject"`
		Challenge string `json:"challenge"`
		Data      any    `json:"data"`
	}
	if err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, 1<<20), &e); err != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	challenge := e.Challenge
	if m, ok := e.Data.(map[string]any); ok && challenge == "" {
		challenge, _ = m["challenge"].(string)
	}
	if challenge != "" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"challenge":%q}`, challenge)
		return
	}
	if r.URL.Path == "/hole" {
		select {
		case <-f.hole:
		case <-r.Context().Done():
		}
		return
	}
	if e.Subject != "" {
		f.book.Note(e.Subject)
	}
	w.WriteHeader(http.StatusNoContent)
}

// subscribe makes n webhooks and waits until each has proven its address.
func (f *fan) subscribe(ctx context.Context, n int, hole bool) error {
	for i := range n {
		path := fmt.Sprintf("/hook/%d", i)
		if hole {
			path = "/hole"
		}
		b, err := json.Marshal(map[string]string{"url": "http://" + f.at + path})
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.node.url+"/data/v1/flows/"+string(f.node.flow)+"/subscriptions", bytes.NewReader(b))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+f.node.take)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			return fmt.Errorf("subscribe: %s", res.Status)
		}
	}
	if !hole {
		f.hooked += n
	}
	by := hansa.Actor{Party: benchNavigator, Rights: []hansa.Right{hansa.RightRead}}
	for range 300 {
		list, err := f.node.node.deliver.Subscriptions(ctx, by, f.node.flow)
		if err != nil {
			return err
		}
		active := 0
		for _, s := range list {
			if s.State == "active" {
				active++
			}
		}
		if active == len(list) {
			return nil
		}
		pause(ctx, 100*time.Millisecond)
	}
	return errors.New("the webhooks did not prove their addresses")
}

// rounds publishes closures one after another and gathers how long each took to
// reach each subscriber.
func (f *fan) rounds(ctx context.Context, first int64) (all []time.Duration, err error) {
	for i := range int64(fanRounds) {
		from := time.Now()
		if err := f.node.publish(ctx, first+i); err != nil {
			return nil, err
		}
		want := fanStreams + f.hooked
		got := f.book.Wait(ctx, fmt.Sprintf("closure-%d", first+i), want, from, 10*time.Second)
		if len(got) < want {
			return nil, fmt.Errorf("%d of %d subscribers got closure %d", len(got), want, first+i)
		}
		all = append(all, got...)
	}
	return bench.Sorted(all), nil
}

func (f *fan) close() error {
	var errs []error
	if f.hole != nil {
		close(f.hole)
	}
	if f.cancel != nil {
		f.cancel()
	}
	if f.node != nil {
		errs = append(errs, f.node.stop())
	}
	if f.hooks != nil {
		errs = append(errs, f.hooks.Close())
	}
	f.wg.Wait()
	return errors.Join(errs...)
}
