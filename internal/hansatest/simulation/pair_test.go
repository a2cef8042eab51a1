package simulation_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
	"github.com/hansa-exchange/hansa/internal/hansatest"
	"github.com/hansa-exchange/hansa/internal/hansatest/simulation"
)

// record is what callers heard of two nodes.
type record struct {
	mu    sync.Mutex // guards ops
	ops   []simulation.Op
	clock atomic.Int64
	busy  atomic.Int64 // messages that are carried now
}

func (r *record) add(op simulation.Op) {
	op.Return = r.clock.Add(1)
	r.mu.Lock()
	r.ops = append(r.ops, op)
	r.mu.Unlock()
}

// wiretap stands before a node: it writes down what the other one says to it and what
// it answers. Now and then it loses an answer, or delivers a request twice.
type wiretap struct {
	*record

	node atomic.Pointer[string] // the node's own address; nil before it runs
}

func (w *wiretap) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return
	}
	_, process := call(in)
	if process {
		w.busy.Add(1)
		defer w.busy.Add(-1)
	}
	if process && rand.IntN(20) == 0 {
		_, _, _ = w.carry(in, body)
	}
	status, head, answer := w.carry(in, body)
	if status == 0 || process && rand.IntN(20) == 0 {
		http.Error(out, "the answer was lost", http.StatusBadGateway)
		return
	}
	maps.Copy(out.Header(), head)
	out.WriteHeader(status)
	_, _ = out.Write(answer) // who asked has gone
}

// carry makes a call on the node, and writes it down.
func (w *wiretap) carry(in *http.Request, body []byte) (status int, head http.Header, answer []byte) {
	at := w.node.Load()
	if at == nil {
		return 0, nil, nil
	}
	op, kept := call(in)
	op.Wire = true
	op.Call = w.clock.Add(1)
	req, err := http.NewRequestWithContext(context.WithoutCancel(in.Context()), in.Method, *at+in.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil
	}
	req.Header = in.Header.Clone()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, nil
	}
	if op.Event == "" && strings.Contains(string(body), "FINALIZED") {
		op.Event, op.Own = "finalize", hansa.Consumer
	} else if op.Event == "" && kept && op.Kind == simulation.Hear {
		op.Event, op.Own = "accept", hansa.Provider
	}
	p := dsp.ReadProcess(answer)
	op.Status, op.State = res.StatusCode, p.State
	if op.Process == "" && p.State != "" {
		if op.Process = p.ProviderPid; op.Own == hansa.Consumer {
			op.Process = p.ConsumerPid
		}
	}
	if kept && op.Process != "" && op.Process != "unknown" {
		w.add(op)
	}
	return res.StatusCode, res.Header, answer
}

// call reads what a request to the door says.
func call(in *http.Request) (op simulation.Op, kept bool) {
	path, ok := strings.CutPrefix(in.URL.Path, dsp.Path+"/")
	parts := strings.Split(path, "/")
	if !ok || len(parts) < 2 || parts[0] == "catalog" {
		return op, false
	}
	op.Transfer = parts[0] == "transfers"
	_, _ = fmt.Sscanf(in.Header.Get(dsp.LetterHeader), "%d", &op.N) // 0 is none
	if in.Method == http.MethodGet {
		op.Kind, op.Process = simulation.Read, parts[1]
		return op, true
	}
	last := parts[len(parts)-1]
	op.Event = map[string]string{
		"request": "request", "offers": "offer", "agreement": "agree", "verification": "verify", "termination": "terminate", "start": "start", "suspension": "suspend", "completion": "complete",
	}[last]
	if len(parts) > 2 {
		op.Process = parts[1]
	}
	op.Own = map[string]hansa.Side{"request": hansa.Provider, "offers": hansa.Consumer, "agreement": hansa.Consumer, "verification": hansa.Provider}[last]
	return op, true
}

// side is one node of the pair with those who act on it.
type side struct {
	*hansatest.Node
	*record

	own hansa.Side
}

// act is a person who decides something, and reads how it stands now and then.
func (s *side) act(ctx context.Context, id string, transfer bool, event string) {
	kind, where := "negotiations", simulation.Op{Process: id, Transfer: transfer, Own: s.own}
	if transfer {
		kind = "transfers"
	}
	op := where
	op.Kind, op.Event, op.Call = simulation.Act, event, s.clock.Add(1)
	var out struct {
		State string `json:"state"`
	}
	op.Status = status(s.Do(ctx, http.MethodPost, "/api/v1/"+kind+"/"+id+"/"+event, api.ProcessAct{}, &out))
	op.State = out.State
	s.add(op)
}

func (s *side) look(ctx context.Context, id string, transfer bool) (state string) {
	op := simulation.Op{Process: id, Transfer: transfer, Own: s.own, Kind: simulation.Read, Call: s.clock.Add(1)}
	kind := "negotiations"
	if transfer {
		kind = "transfers"
	}
	var out struct {
		State string `json:"state"`
	}
	op.Status = status(s.Do(ctx, http.MethodGet, "/api/v1/"+kind+"/"+id, nil, &out))
	op.State = out.State
	s.add(op)
	return op.State
}

func status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	if bad, ok := errors.AsType[*hansatest.Refused](err); ok {
		return bad.Status
	}
	return 0
}

// pair starts two nodes that hear each other through wiretaps.
func pair(t *testing.T) (city, company *side) {
	t.Helper()
	r := &record{}
	var at [2]*side
	var taps [2]*httptest.Server
	var wires [2]*wiretap
	for i := range taps {
		wires[i] = &wiretap{record: r}
		taps[i] = httptest.NewServer(wires[i])
		t.Cleanup(taps[i].Close)
	}
	allow := []string{strings.TrimPrefix(taps[0].URL, "http://"), strings.TrimPrefix(taps[1].URL, "http://")}
	parties := []hansa.Party{{ID: "did:web:city.example", Name: "city", Title: "City", Kind: hansa.City}, {ID: "did:web:nav.example", Name: "nav", Title: "Nav", Kind: hansa.City}}
	for i, own := range []hansa.Side{hansa.Provider, hansa.Consumer} {
		other := parties[1-i]
		s := &hansatest.Setup{
			Own: parties[i], Allow: allow, Public: taps[i].URL,
			Datasets: []hansa.Dataset{{ID: "closures", Party: parties[i].ID, Name: "closures", Kind: hansa.KindSituation}},
			Peers: []hansatest.Peer{{
				Peer:  trust.Peer{ID: other.ID, Name: other.Name, Address: taps[1-i].URL + dsp.Path, Mode: trust.PeerToken, Secret: trust.NewSecret("the-token-of-the-" + parties[i].Name)},
				Shows: "the-token-of-the-" + other.Name,
			}},
		}
		if own == hansa.Provider {
			s.Offers = []catalog.Offer{hansatest.Offer(parties[i].ID, "offer", "closures", true)}
		}
		at[i] = &side{Node: hansatest.Start(t, s), record: r, own: own}
		wires[i].node.Store(&at[i].URL)
	}
	return at[0], at[1]
}

// What callers hear of two nodes at once, over a wire that loses answers and doubles
// requests, is what they would hear one after another; and both come to the same.
func TestPairHistory(t *testing.T) {
	city, company := pair(t)
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	n := max(seeds(t)/50, 8)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range n / 8 {
				deal(ctx, t, city, company)
			}
		})
	}
	wg.Wait()
	for city.busy.Load() > 0 { // what is on its way is written down too
		time.Sleep(5 * time.Millisecond)
	}
	city.mu.Lock()
	defer city.mu.Unlock()
	ops := owned(city.ops)
	if len(ops) < 40*(n/8*8) {
		t.Errorf("%d calls are too little", len(ops))
	}
	if id := linearizable(t, ops); id != "" {
		tell(t, ops, id)
		t.Fatalf("no order explains what the callers of %s heard", id)
	}
	last := slices.MaxFunc(ops, func(a, b simulation.Op) int { return cmp.Compare(a.Call, b.Call) })
	for i := range ops {
		if ops[i] == last {
			ops[i].State = "REQUESTED"
		}
	}
	if linearizable(t, ops) != last.Process {
		t.Error("an answer of long ago was not noticed")
	}
	t.Logf("histories of two nodes: %d negotiations with their transfers, %d calls, each in order", n/8*8, len(ops))
}

// owned says of calls by the other side's pid alone what the node is in the process.
func owned(ops []simulation.Op) (out []simulation.Op) {
	own := map[string]hansa.Side{}
	for _, op := range ops {
		if op.Own != "" {
			own[op.Process] = op.Own
		}
	}
	for _, op := range ops {
		if op.Own = own[op.Process]; op.Own != "" {
			out = append(out, op)
		}
	}
	return out
}

// deal is one negotiation, with a transfer that both sides stop and start until one
// ends it.
func deal(ctx context.Context, t *testing.T, city, company *side) {
	begin := simulation.Op{Own: hansa.Consumer, Kind: simulation.Act, Event: "request", Call: company.clock.Add(1)}
	var p api.Negotiation
	if err := company.Do(ctx, http.MethodPost, "/api/v1/negotiations", api.NegotiationOrder{Peer: "city", Offer: "offer", Target: "closures"}, &p); err != nil {
		t.Error(err)
		return
	}
	begin.Process, begin.Status, begin.State = p.ID, http.StatusOK, p.State
	company.add(begin)
	if state := company.settled(ctx, p.ID, false); state != "FINALIZED" {
		t.Errorf("%s is %s", p.ID, state)
		return
	}
	if err := company.Do(ctx, http.MethodGet, "/api/v1/negotiations/"+p.ID, nil, &p); err != nil {
		t.Error(err)
		return
	}
	var x api.Transfer
	if err := company.Do(ctx, http.MethodPost, "/api/v1/transfers", api.TransferOrder{Agreement: p.Agreement, Dataset: "closures"}, &x); err != nil {
		t.Error(err)
		return
	}
	company.settled(ctx, x.ID, true, "STARTED")
	if err := company.Do(ctx, http.MethodGet, "/api/v1/transfers/"+x.ID, nil, &x); err != nil {
		t.Error(err)
		return
	}
	var wg sync.WaitGroup
	for _, who := range []*side{city, company} {
		id := x.ID
		if who == city {
			id = x.Pid
		}
		wg.Go(func() {
			for range 6 {
				who.act(ctx, id, true, []string{"suspend", "start"}[rand.IntN(2)])
				who.look(ctx, id, true)
			}
		})
		wg.Go(func() {
			for range 10 {
				who.look(ctx, id, true)
			}
		})
	}
	wg.Wait()
	company.act(ctx, x.ID, true, "terminate")
	if a, b := company.settled(ctx, x.ID, true), city.settled(ctx, x.Pid, true); a != b {
		t.Errorf("%s is %s at one side and %s at the other", x.ID, a, b)
	}
}

// settled waits until a process is in one of the states, or has ended.
func (s *side) settled(ctx context.Context, id string, transfer bool, states ...string) string {
	if _, err := s.Until(ctx, id, states...); err != nil {
		return err.Error()
	}
	return s.look(ctx, id, transfer)
}
