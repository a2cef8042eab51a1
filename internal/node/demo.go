package node

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/note"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/node/demo"
)

// Demo is a running demonstration: the city of Doggerhaven on a real node, and
// six receivers that are HTTP clients over real sockets.
type Demo struct {
	node      *Node
	dir       string
	public    net.Listener
	url       string
	clock     *storyClock
	world     *demo.World
	receivers []*demo.Receiver
	key       string // the node's, as saved before the story
	town      *demo.Town
	tokens    map[string]string // of programs, by the credential's name
	tunnels   int

	quiet  bool
	told   chan string // how far the accords are; closed when all are made, or none will be
	pacts  map[*demoPact]hansa.AccordID
	takers map[string]*demo.Taker // by the name of the member; set before told is closed
}

// DemoConfig says how a demonstration is set up.
type DemoConfig struct {
	Listen  string    // host:port on loopback; empty takes a free one
	Factor  float64   // story seconds in a real one
	Start   time.Time // of the story; zero, or what is past, is now: accords are signed by the machine's clock
	Version string
	Log     *slog.Logger
	// Quiet is for a rehearsal, which is played at once: accords are made one after the
	// other beside the story, and nobody measures and reads under them.
	Quiet bool
}

// storyClock is the time of the story: it runs at its factor and can be moved on.
type storyClock struct {
	mu     sync.Mutex // guards all below
	base   time.Time
	since  time.Time
	factor float64
}

func (c *storyClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base.Add(time.Duration(float64(time.Since(c.since)) * c.factor))
}

func (c *storyClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base = c.base.Add(d)
}

func (c *storyClock) speed() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.factor
}

// the names of the demonstration's own parties.
const (
	demoOrigin = "doggerhaven.example"
	demoCity   = hansa.PartyID("did:web:doggerhaven.example")
	demoRegion = hansa.PartyID("did:web:region.example")
	demoZone   = "Europe/Amsterdam"
	demoLimit  = 2 * time.Minute
)

// OpenDemo builds the city's node in a folder of its own, which Close removes.
func OpenDemo(ctx context.Context, cfg DemoConfig) (_ *Demo, err error) {
	d := &Demo{clock: &storyClock{base: cfg.Start, since: time.Now(), factor: cfg.Factor}, quiet: cfg.Quiet, told: make(chan string, len(demoPacts)), pacts: map[*demoPact]hansa.AccordID{}}
	if cfg.Start.Before(d.clock.since) {
		d.clock.base = d.clock.since
	}
	if d.dir, err = os.MkdirTemp("", "hansa-demo-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	listen := cfg.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	if host, _, err := net.SplitHostPort(listen); err != nil || !isLoopback(host) {
		return nil, hansa.Fielded("--listen", "the demonstration listens on loopback alone, not on %s", listen)
	}
	if d.public, err = (&net.ListenConfig{}).Listen(ctx, "tcp", listen); err != nil {
		return nil, err
	}
	d.url = "http://" + d.public.Addr().String()
	return d, d.build(ctx, cfg)
}

// build opens the node and gives it the city, its parties and flows.
func (d *Demo) build(ctx context.Context, cfg DemoConfig) error {
	town := demo.BuildTown()
	tokens := map[string]string{"control": token(), "region": token()}
	var allow []string
	shown := map[hansa.FlowID]string{}
	for _, c := range demo.Receivers() {
		tokens[c.Name] = token()
		r := demo.NewReceiver(c, demo.Stage{})
		at, err := r.Listen(ctx, "127.0.0.1:0")
		if err != nil {
			return err
		}
		if c.Manner == demo.Prompt || c.Manner == demo.Listing {
			allow = append(allow, at)
		}
		if c.Manner == demo.Listing {
			shown[flowID(c.Name)] = "http://" + at + "/shown"
		}
		d.receivers = append(d.receivers, r)
	}
	n, err := Open(ctx, Config{
		Data: filepath.Join(d.dir, "node"), Origin: demoOrigin, PublicURL: d.url, Version: cfg.Version, Own: demoCity, Log: cfg.Log,
		Clock: d.clock.now, Factor: d.clock.speed, Outbound: outbound.Config{Allow: allow}, Drawing: &town.Drawing, OpenRoom: true, SealEvery: 200 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	d.node, d.key = n, n.VerifierKey()
	key, err := trust.GenerateKey(trust.EdDSA)
	if err != nil {
		return err
	}
	setup, err := demoSetup(town, tokens, key, shown)
	if err != nil {
		return err
	}
	setup.KeysFrom = d.clock.now().Add(-time.Hour)
	if err := n.Apply(ctx, setup); err != nil {
		return err
	}
	d.town, d.tokens = town, tokens
	for _, p := range town.Places() {
		if p.Kind == "tunnel" && p.Parent == "" {
			d.tunnels++
		}
	}
	client := &http.Client{Timeout: 0, Transport: &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 10 * time.Second}}
	d.world = &demo.World{
		Exchange: d.url, Control: tokens["control"], Region: tokens["region"], Client: client, Receivers: map[string]*demo.Receiver{}, Flows: map[string]string{},
		Now: d.clock.now, Advance: d.clock.advance, Factor: d.clock.speed, Verify: d.verify, Forge: forge,
	}
	for _, r := range d.receivers {
		flow := string(flowID(r.Name))
		r.Enter(demo.Stage{
			Exchange: d.url, Flow: flow, Token: tokens[r.Name], Now: d.clock.now, Factor: d.clock.speed,
			Client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 10 * time.Second}},
			Sign:   func(b []byte) (string, error) { return trust.SignReceipt(key, b) },
		})
		d.world.Receivers[r.Name], d.world.Flows[r.Name] = r, flow
	}
	d.world.Receivers["stadbus"].Refuse("Stadstunnel", "not in our map since the last update")
	return nil
}

func flowID(receiver string) hansa.FlowID {
	return hansa.FlowID(named("flow", string(demoCity), "closures-to-"+receiver))
}

// token makes a secret of 256 bits.
func token() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// demoSetup is who takes part, and under which terms.
func demoSetup(town *demo.Town, tokens map[string]string, key *trust.PrivateKey, shown map[hansa.FlowID]string) (*Setup, error) {
	closures, reports := hansa.DatasetID(named("dataset", string(demoCity), "closures")), hansa.DatasetID(named("dataset", string(demoRegion), "reports"))
	s := &Setup{
		Parties: []hansa.Party{
			{ID: demoCity, Name: "doggerhaven", Title: "Doggerhaven", Kind: hansa.City, Hosted: true, Zone: demoZone, Contact: "duty desk"},
			{ID: demoRegion, Name: "region", Title: "Regional traffic desk", Kind: hansa.PublicBody, Hosted: true, Zone: demoZone},
		},
		Datasets: []hansa.Dataset{
			{ID: closures, Party: demoCity, Name: "closures", Title: map[string]string{"en": "Closures of tunnels and streets"}, Kind: hansa.KindSituation, Update: hansa.Duration(time.Minute), Licence: "CC-BY-4.0", Holder: "Doggerhaven"},
			{ID: reports, Party: demoRegion, Name: "reports", Title: map[string]string{"en": "What others report of the roads"}, Kind: hansa.KindSituation},
		},
		Places: map[hansa.PartyID][]hansa.Place{demoCity: town.Places()}, Shown: shown, Keys: map[hansa.PartyID][][]byte{},
	}
	s.Flows = append(s.Flows, hansa.Flow{
		ID: hansa.FlowID(named("flow", string(demoRegion), "reports-to-doggerhaven")), Name: "reports-to-doggerhaven", Dataset: reports, From: demoRegion, To: demoCity,
		Terms: hansa.Terms{Purposes: []hansa.Purpose{"traffic-management"}, Formats: []hansa.Format{"record", "geojson"}},
	})
	credential := func(party hansa.PartyID, name string, rights ...hansa.Right) {
		s.Credentials = append(s.Credentials, trust.CredentialSpec{Party: party, Name: name, Kind: trust.Bearer, Rights: rights, Secret: trust.NewSecret(tokens[name])})
	}
	credential(demoCity, "control", hansa.RightControl, hansa.RightRead, hansa.RightPublish)
	credential(demoRegion, "region", hansa.RightPublish)
	for _, c := range demo.Receivers() {
		id := hansa.PartyID("did:web:" + c.Name + ".example")
		s.Parties = append(s.Parties, hansa.Party{ID: id, Name: c.Name, Title: c.Title, Kind: hansa.Company, Hosted: true, Share: c.Share, Contact: "integration desk"})
		credential(id, c.Name, hansa.RightRead, hansa.RightReceipt)
		s.Flows = append(s.Flows, hansa.Flow{
			ID: flowID(c.Name), Name: "closures-to-" + c.Name, Dataset: closures, From: demoCity, To: id, Limit: hansa.Duration(demoLimit),
			Terms: hansa.Terms{
				Purposes: []hansa.Purpose{c.Purpose}, Licence: "CC-BY-4.0", Attribution: "Closures: city of Doggerhaven",
				Formats: []hansa.Format{"record", "ndjson", "geojson", "datex2", "datex2-container", "cifs", "cifs-json", "wzdx"},
			},
		})
		if c.Manner == demo.Signing {
			public, err := key.Public()
			if err != nil {
				return nil, err
			}
			s.Keys[id] = [][]byte{public}
		}
	}
	demoMembership(s, tokens)
	return s, nil
}

// Run serves the node, makes the accords and plays the receivers until ctx ends. Who acts
// under accords ends first, so that nobody is cut off in the middle of an act.
func (d *Demo) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	var wg, acting sync.WaitGroup
	for _, r := range d.receivers {
		wg.Go(func() {
			if err := r.Run(serving); err != nil && serving.Err() == nil {
				d.node.log.LogAttrs(ctx, slog.LevelWarn, "a receiver ended", slog.String("receiver", r.Name), slog.Any("err", err))
			}
		})
	}
	var failed error
	acting.Go(func() {
		if failed = d.exchange(ctx); failed != nil {
			stop()
			return
		}
		d.trade(ctx)
	})
	wg.Go(func() {
		<-ctx.Done()
		acting.Wait()
		end()
	})
	err := d.node.Run(serving, d.public)
	stop()
	wg.Wait()
	d.node = nil
	return errors.Join(err, failed)
}

// Close removes all that the demonstration made.
func (d *Demo) Close() error {
	var errs []error
	if d.node != nil {
		errs = append(errs, d.node.Close())
	}
	if d.public != nil {
		_ = d.public.Close() // closed already, as a rule
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

// URL is the address of the exchange; Socket that of the administrator.
func (d *Demo) URL() string { return d.url }

// Socket is the path of the administrator's socket.
func (d *Demo) Socket() string { return d.node.Socket() }

// Says lists what was set up, for the first lines on the screen.
func (d *Demo) Says() []string {
	var names strings.Builder
	for _, r := range d.receivers {
		names.WriteString(r.Title + " ")
	}
	return []string{"exchange", d.url, "city", fmt.Sprintf("%d streets, %d tunnels", len(d.town.Streets), d.tunnels), "receivers", names.String()[:len(names.String())-1], "flows", fmt.Sprintf("%d, configured; each with its limit of %d s", len(d.receivers)+1, int(demoLimit.Seconds()))}
}

// Play plays the story at its own pace, for people: a pause of the story is one of
// the clock.
func (d *Demo) Play(ctx context.Context, tell func(demo.Step)) []demo.Step {
	pace := func(ctx context.Context, length time.Duration) error {
		// No more than twenty real seconds of nothing; the clock says what was left out.
		wait := time.Duration(float64(length) / d.clock.speed())
		if most := 20 * time.Second; wait > most {
			d.clock.advance(length - time.Duration(float64(most)*d.clock.speed()))
			wait = most
		}
		pause(ctx, wait)
		return ctx.Err()
	}
	return demo.NewClosure(d.world, pace).Play(ctx, tell)
}

// Rehearse plays the story at once.
func (d *Demo) Rehearse(ctx context.Context, tell func(demo.Step)) []demo.Step {
	return demo.NewClosure(d.world, func(_ context.Context, length time.Duration) error { d.clock.advance(length); return nil }).Play(ctx, tell)
}

// Step is one step of a story and how it went.
type Step = demo.Step

// verify checks a bundle offline, with the key that was saved before the story.
func (d *Demo) verify(bundle []byte) error {
	_, err := journal.Verify(bundle, journal.Trust{Keys: []string{d.key}, Signature: trust.VerifyDetached})
	return err
}

// forge signs the bundle's checkpoint anew with another key of the same name, and
// puts that key into the bundle: all is consistent, and another signed it.
func forge(bundle []byte) ([]byte, error) {
	secret, public, err := note.GenerateKey(rand.Reader, demoOrigin)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, err
	}
	var doc map[string]jsontext.Value
	if err := json.Unmarshal(bundle, &doc); err != nil {
		return nil, err
	}
	var signed string
	if err := json.Unmarshal(doc["checkpoint"], &signed); err != nil {
		return nil, err
	}
	text, _, _ := strings.Cut(signed, "\n\n")
	again, err := note.Sign(&note.Note{Text: text + "\n"}, signer)
	if err != nil {
		return nil, err
	}
	for name, v := range map[string]string{"key": public, "checkpoint": string(again)} {
		if doc[name], err = json.Marshal(v); err != nil {
			return nil, err
		}
	}
	return json.Marshal(doc, json.Deterministic(true))
}

// Page is the address of the live page.
func (d *Demo) Page() string { return d.url + "/live" }
