package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
	"github.com/hansa-exchange/hansa/internal/node/bench"
)

// The ways in which two sides of a measurement meet.
const (
	pairFloor  = "floor"        // bare
	pairSigned = "floor-signed" // bare, with a signature a message
	pairToken  = "token"
	pairDID    = "did:web"
)

const (
	pairWorkers = 32
	pairLook    = 100 * time.Millisecond // when a negotiation is looked at though it was not seen to move
	pairOffer   = "bench-offer"
	pairSecret  = "bench-secret-of-both-sides"
)

// side is what one process of a measurement tells the other.
type side struct {
	URL string        `json:"url"`
	ID  hansa.PartyID `json:"id,omitempty"`
}

// BenchPeer is the other process of [BenchNegotiate]: it writes where it is to out,
// reads where the first is from in, and serves until that ends.
func BenchPeer(ctx context.Context, mode string, in io.Reader, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "hansa-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	lines := bufio.NewScanner(in)
	say := func(s side) error {
		b, err := json.Marshal(s)
		if err == nil {
			_, err = out.Write(append(b, '\n'))
		}
		return err
	}
	hear := func() (s side, err error) {
		if !lines.Scan() {
			return s, errors.Join(io.ErrUnexpectedEOF, lines.Err())
		}
		return s, json.Unmarshal(lines.Bytes(), &s)
	}
	if mode == pairFloor || mode == pairSigned {
		p, err := bench.NewPair(ctx, dir, "provider", mode == pairSigned)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		if err := say(side{URL: p.URL}); err != nil {
			return err
		}
		o, err := hear()
		if err != nil {
			return err
		}
		p.Meet(o.URL)
		for lines.Scan() { // until the first process closes it
		}
		return nil
	}
	b, err := openPairNode(ctx, dir, "provider")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	if err := say(side{URL: b.url, ID: b.id}); err != nil {
		return err
	}
	o, err := hear()
	if err != nil {
		return err
	}
	if err := b.meet(ctx, o, mode); err != nil {
		return err
	}
	if err := say(side{URL: "ready"}); err != nil {
		return err
	}
	for lines.Scan() { // until the first process closes it
	}
	return nil
}

// pairNode is one node of a measurement.
type pairNode struct {
	node *Node
	id   hansa.PartyID
	url  string
	stop func() error
}

func openPairNode(ctx context.Context, dir, name string) (*pairNode, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	at := ln.Addr().String()
	b := &pairNode{url: "http://" + at, id: hansa.PartyID("did:web:" + strings.ReplaceAll(at, ":", "%3A"))}
	b.node, err = Open(ctx, Config{Data: filepath.Join(dir, name), Origin: at, PublicURL: b.url, Version: "bench", Own: b.id, Log: slog.New(slog.DiscardHandler), Outbound: outbound.Config{Allow: []string{at}}})
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	set := hansa.DatasetID(named("dataset", name))
	err = b.node.Apply(ctx, &Setup{
		Parties:  []hansa.Party{{ID: b.id, Name: name, Title: name, Kind: hansa.City, Hosted: true}},
		Datasets: []hansa.Dataset{{ID: set, Party: b.id, Name: "closures", Kind: hansa.KindSituation}},
	})
	if err == nil {
		err = b.node.db.Write(ctx, func(tx hansa.Tx) error {
			return b.node.catalog.SaveOffer(tx, &catalog.Offer{ID: pairOffer, Party: b.id, Dataset: set, Policy: pairPolicy(), Automatic: true, Made: b.node.wall()})
		})
	}
	if err != nil {
		return nil, errors.Join(err, b.node.Close(), ln.Close())
	}
	run, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- b.node.Run(run, ln) }()
	b.stop = func() error { cancel(); return <-done }
	return b, nil
}

func pairPolicy() *policy.Policy {
	return policy.FromTerms(pairOffer, &hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}})
}

// meet makes the other side known.
func (b *pairNode) meet(ctx context.Context, o side, mode string) error {
	at := strings.TrimPrefix(o.URL, "http://")
	if err := b.node.client.Reconfigure(outbound.Config{Allow: []string{at, strings.TrimPrefix(b.url, "http://")}}); err != nil {
		return err
	}
	p := trust.Peer{Owner: b.id, ID: o.ID, Name: "other", Title: "Other", Address: o.URL + dsp.Path, Mode: trust.PeerMode(mode)}
	if mode == pairToken {
		p.Secret = trust.NewSecret(pairSecret + string(b.id[len(b.id)-5:]))
	}
	return b.node.trust.Change(ctx, func(tx hansa.Tx) error {
		if _, err := b.node.trust.AddPeer(tx, p); err != nil || mode != pairToken {
			return err
		}
		_, err := b.node.trust.IssuePeerToken(tx, b.id, o.ID, trust.NewSecret(pairSecret+string(o.ID[len(o.ID)-5:])))
		return err
	})
}

// one makes one negotiation and waits until it is finalized.
func (b *pairNode) one(ctx context.Context, order *api.NegotiationOrder) error {
	d := dealing{b.node.deal}
	by := hansa.Actor{Party: b.id, Rights: []hansa.Right{hansa.RightAdmin}}
	n, err := d.Negotiate(ctx, by, *order)
	if err != nil {
		return err
	}
	awaited, forget := d.awaited(n.ID)
	defer forget()
	look := time.NewTicker(pairLook)
	defer look.Stop()
	for {
		moved := awaited.wait()
		if !awaited.over.Load() {
			select {
			case <-moved:
				continue
			case <-look.C:
			case <-ctx.Done():
				return fmt.Errorf("a negotiation stays %s: %w", n.State, ctx.Err())
			}
		}
		var now *negotiation.Negotiation
		err := b.node.db.Read(ctx, func(tx hansa.Tx) (err error) {
			now, err = d.negotiations.Get(tx, b.id, n.ID)
			return err
		})
		switch {
		case err != nil:
			return err
		case now.State == negotiation.Finalized:
			return nil
		case now.State == negotiation.Terminated:
			return fmt.Errorf("a negotiation was ended: %v", now.Reason)
		}
		n.State = string(now.State)
	}
}

// BenchNegotiate measures complete negotiations between two processes, request to
// finalized, with static tokens and with did:web, each beside the bare floor. It
// ends within 45 s. peer makes the command of the other process.
func BenchNegotiate(ctx context.Context, each time.Duration, peer func(ctx context.Context, mode string) *exec.Cmd, tell func(string)) (out []Figure, err error) {
	for _, k := range []struct{ name, floor, mode string }{{"negotiate_static", pairFloor, pairToken}, {"negotiate_did", pairSigned, pairDID}} {
		tell(k.name + ": the bare floor")
		bare, err := benchPair(ctx, each/2, k.floor, peer)
		if err != nil {
			return out, fmt.Errorf("floor: %w", err)
		}
		tell(k.name + ": the exchange")
		ours, err := benchPair(ctx, each, k.mode, peer)
		if err != nil {
			return out, err
		}
		tell(fmt.Sprintf("%s: %.0f/s, the floor %.0f/s", k.name, ours.PerSecond, bare.PerSecond))
		ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
		out = append(out, bench.NewFigure(k.name, ours.PerSecond, "negotiations/s", bare.PerSecond),
			bench.NewFigure(k.name+"_p50", ms(ours.P50), "ms", ms(bare.P50)), bench.NewFigure(k.name+"_p99", ms(ours.P99), "ms", ms(bare.P99)))
	}
	return out, nil
}

// benchPair starts the other process and loads it.
func benchPair(ctx context.Context, length time.Duration, mode string, peer func(ctx context.Context, mode string) *exec.Cmd) (r bench.Result, err error) {
	dir, err := os.MkdirTemp("", "hansa-bench-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cmd := peer(ctx, mode)
	in, err := cmd.StdinPipe()
	if err != nil {
		return r, err
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return r, err
	}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, in.Close(), cmd.Wait()) }()
	lines := bufio.NewScanner(pipe)
	hear := func() (s side, err error) {
		if !lines.Scan() {
			return s, errors.Join(errors.New("the other process ended"), lines.Err())
		}
		return s, json.Unmarshal(lines.Bytes(), &s)
	}
	say := func(s side) error {
		b, err := json.Marshal(s)
		if err == nil {
			_, err = in.Write(append(b, '\n'))
		}
		return err
	}
	o, err := hear()
	if err != nil {
		return r, err
	}
	if mode == pairFloor || mode == pairSigned {
		p, err := bench.NewPair(ctx, dir, "consumer", mode == pairSigned)
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		p.Meet(o.URL)
		if err := say(side{URL: p.URL}); err != nil {
			return r, err
		}
		return bench.Rate(ctx, pairWorkers, length, func(ctx context.Context, n int64) error {
			return p.One(ctx, fmt.Sprintf("00000000-0000-0000-0000-%012d", n))
		})
	}
	b, err := openPairNode(ctx, dir, "consumer")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	if err := errors.Join(b.meet(ctx, o, mode), say(side{URL: b.url, ID: b.id})); err != nil {
		return r, err
	}
	if _, err := hear(); err != nil {
		return r, err
	}
	rules, err := json.Marshal(pairPolicy())
	if err != nil {
		return r, err
	}
	order := &api.NegotiationOrder{Peer: "other", Offer: pairOffer, Target: named("dataset", "provider"), Policy: rules}
	return bench.Rate(ctx, pairWorkers, length, func(ctx context.Context, _ int64) error { return b.one(ctx, order) })
}
