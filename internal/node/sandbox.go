package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/node/sandbox"
)

// SandboxConfig says how a receiver is tried.
type SandboxConfig struct {
	Listen   string        // host:port of loopback; empty takes a free one
	Shown    string        // where the receiver publishes the list of what it shows; empty goes by its receipts
	Endpoint string        // its webhook; empty is none, then it fetches
	Format   hansa.Format  // in which it takes closures
	Within   time.Duration // time to show and time to clear
	Version  string
	Log      *slog.Logger
}

// Sandbox is a simulated city, on a real node, that tries one receiver.
type Sandbox struct {
	cfg    SandboxConfig
	dir    string
	node   *Node
	ln     net.Listener
	client *http.Client

	mu     sync.Mutex // guards all below
	steps  []sandbox.Expect
	sights []sandbox.Sight
	blind  string   // why the list could not be read last
	unsaid []string // what the format could not say
}

// The sandbox's parties.
const (
	sandboxCity     = hansa.PartyID("did:web:sandbox.example")
	sandboxReceiver = hansa.PartyID("did:web:receiver.example")
	sandboxFlow     = hansa.FlowID("5a4db0c5-0000-5000-8000-000000000001")
	sandboxTestFlow = hansa.FlowID("5a4db0c5-0000-5000-8000-000000000002")
)

// SandboxAccess is what a receiver needs to connect.
type SandboxAccess struct {
	URL    string `json:"url"`
	Flow   string `json:"flow"`
	Token  string `json:"token"`
	Format string `json:"format"`
}

// OpenSandbox builds the city in a folder of its own, which Close removes.
func OpenSandbox(ctx context.Context, cfg SandboxConfig) (_ *Sandbox, access SandboxAccess, err error) {
	s := &Sandbox{cfg: cfg, client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	for flag, at := range map[string]string{"--shown": cfg.Shown, "--endpoint": cfg.Endpoint} {
		if u, err := url.Parse(at); at != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return nil, access, hansa.Fielded(flag, "%q is no address", at).WithHint("such as http://127.0.0.1:9000/")
		}
	}
	if s.dir, err = os.MkdirTemp("", "hansa-sandbox-"); err != nil {
		return nil, access, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	var allow []string // where the receiver is, by its own word; a webhook of its own may be at the list's host
	for _, at := range []string{cfg.Endpoint, cfg.Shown} {
		if u, err := url.Parse(at); err == nil && u.Host != "" {
			allow = append(allow, hostPortOf(u))
		}
	}
	if s.node, err = Open(ctx, Config{Data: filepath.Join(s.dir, "node"), Origin: "sandbox.example", Version: cfg.Version, Own: sandboxCity, Log: cfg.Log, Outbound: outbound.Config{Allow: allow}}); err != nil {
		return nil, access, err
	}
	access = SandboxAccess{Flow: string(sandboxFlow), Token: token(), Format: string(cfg.Format)}
	if err := s.setUp(ctx, access); err != nil {
		return nil, access, err
	}
	listen := cfg.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	if host, _, err := net.SplitHostPort(listen); err != nil || !isLoopback(host) {
		return nil, access, hansa.Fielded("--listen", "the sandbox listens on loopback alone, not on %s", listen)
	}
	if s.ln, err = (&net.ListenConfig{}).Listen(ctx, "tcp", listen); err != nil {
		return nil, access, err
	}
	access.URL = "http://" + s.ln.Addr().String()
	return s, access, nil
}

func hostPortOf(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

func (s *Sandbox) setUp(ctx context.Context, a SandboxAccess) error {
	places, err := readPlaces(bytes.NewReader(ownPlaces))
	if err != nil {
		return err
	}
	set := hansa.DatasetID(named("dataset", string(sandboxCity), "closures"))
	flow := func(id hansa.FlowID, name string, test bool) hansa.Flow {
		return hansa.Flow{ID: id, Name: name, Dataset: set, From: sandboxCity, To: sandboxReceiver, Limit: hansa.Duration(s.cfg.Within), Test: test, Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{s.cfg.Format}}}
	}
	return s.node.Apply(ctx, &Setup{
		Parties: []hansa.Party{
			{ID: sandboxCity, Name: "city", Title: "Sandbox City", Kind: hansa.City, Hosted: true, Zone: "Europe/Amsterdam"},
			{ID: sandboxReceiver, Name: "receiver", Title: "The receiver", Kind: hansa.Company, Hosted: true},
		},
		Credentials: []trust.CredentialSpec{{Party: sandboxReceiver, Name: "main", Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightRead, hansa.RightReceipt}, Secret: trust.NewSecret(a.Token)}},
		Datasets:    []hansa.Dataset{{ID: set, Party: sandboxCity, Name: "closures", Kind: hansa.KindSituation, Licence: "CC0-1.0"}},
		Flows:       []hansa.Flow{flow(sandboxFlow, "closures", false), flow(sandboxTestFlow, "closures-test", true)},
		Places:      map[hansa.PartyID][]hansa.Place{sandboxCity: places},
	})
}

// Close removes the folder of a sandbox that is not running any more.
func (s *Sandbox) Close() error {
	var err error
	if s.ln == nil && s.node != nil {
		err = s.node.Close()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// SandboxReport is how a receiver did.
type SandboxReport struct {
	Passed bool              `json:"passed"`
	Steps  []sandbox.Verdict `json:"steps"`
	// NotJudged says what the receiver's list, or the format, leaves unsaid.
	NotJudged []string `json:"notJudged"`
}

// Play serves the city, lets the receiver connect for a while, plays the story and
// grades the receiver. tell hears each step as it begins.
func (s *Sandbox) Play(ctx context.Context, wait time.Duration, tell func(string)) (report SandboxReport, err error) {
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.node.Run(run, s.ln) }()
	watched := make(chan struct{})
	go func() { defer close(watched); s.watch(run) }()
	defer func() {
		stop()
		<-watched
		err = errors.Join(err, <-done)
	}()
	if s.cfg.Endpoint != "" {
		if err := s.subscribe(ctx, tell); err != nil {
			return report, err
		}
	}
	pause(ctx, wait)
	if err := s.story(ctx, tell); err != nil {
		return report, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sights) == 0 {
		return report, hansa.Errorf(hansa.Conflict, "the list at %s was never read: %s", s.cfg.Shown, first(s.blind, "it did not answer")).WithHint(`it is {"closures": [{"record": "…", "version": 1, "state": "live"}]}`)
	}
	report = SandboxReport{Passed: true, Steps: sandbox.Grade(s.steps, s.sights), NotJudged: append(s.unsaid, sandbox.Unsaid(s.sights)...)}
	for _, v := range report.Steps {
		report.Passed = report.Passed && v.Passed()
	}
	return report, nil
}

// watch reads the receiver's list again and again.
func (s *Sandbox) watch(ctx context.Context) {
	for ctx.Err() == nil {
		sight, err := s.look(ctx)
		s.mu.Lock()
		switch {
		case err != nil:
			s.blind = err.Error()
		case len(s.sights) < sightsMax:
			s.sights = append(s.sights, sight)
		}
		s.mu.Unlock()
		pause(ctx, max(s.cfg.Within/10, 20*time.Millisecond))
	}
}

// sightsMax bounds what is kept of a receiver's lists: the longest story, looked at
// ten times in each step's time, has some hundreds.
const sightsMax = 100_000

// claims is what the receiver shows by its own receipts.
func (s *Sandbox) claims(ctx context.Context) (sandbox.Sight, error) {
	sight := sandbox.Sight{At: time.Now()}
	s.mu.Lock()
	ids := make([]string, 0, len(s.steps))
	for i := range s.steps {
		ids = append(ids, s.steps[i].Item.Record)
	}
	s.mu.Unlock()
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		live, err := s.claimed(ctx, id)
		if err != nil {
			return sandbox.Sight{}, err
		}
		if live {
			sight.Shown = append(sight.Shown, sandbox.Item{Record: id})
		}
	}
	return sight, nil
}

// claimed reports whether the receipts say that a record is live, and not cleared.
func (s *Sandbox) claimed(ctx context.Context, id string) (bool, error) {
	c, err := s.node.desk.Closure(ctx, sandboxDesk(), id)
	if err != nil {
		return false, err
	}
	live := false
	for _, r := range c.Receivers {
		if r.Flow == sandboxFlow {
			live = slices.ContainsFunc(r.Ladder, func(x api.Rung) bool { return x.Step == hansa.StepLive }) && !slices.ContainsFunc(slices.Concat(r.Ladder, r.End), func(x api.Rung) bool { return x.Step == hansa.StepCleared })
		}
	}
	return live, nil
}

// listMax bounds the list that a receiver publishes.
const listMax = 8 << 20

// look reads what the receiver shows: by its list, or else by its receipts.
func (s *Sandbox) look(ctx context.Context) (sandbox.Sight, error) {
	if s.cfg.Shown == "" {
		return s.claims(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.Shown, nil)
	if err != nil {
		return sandbox.Sight{}, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return sandbox.Sight{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, listMax))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers %s", res.Status)
	}
	if err != nil {
		return sandbox.Sight{}, err
	}
	return sandbox.ReadSight(time.Now(), b)
}

// subscribe makes the webhook, tells its key, and waits until its address is proven.
func (s *Sandbox) subscribe(ctx context.Context, tell func(string)) error {
	by := hansa.Actor{Party: sandboxReceiver, Rights: []hansa.Right{hansa.RightRead}}
	sub, err := serving{s.node}.Subscribe(ctx, api.Ask{Actor: by, Flow: sandboxFlow, Format: s.cfg.Format}, api.Subscribe{URL: s.cfg.Endpoint})
	if err != nil {
		return err
	}
	tell("your webhook proves its address; calls are signed with the key " + sub.Key)
	wait, stop := context.WithTimeout(ctx, max(5*s.cfg.Within, 5*time.Second))
	defer stop()
	for wait.Err() == nil {
		x, err := s.node.deliver.Subscription(ctx, by, sub.ID)
		if err != nil {
			return err
		}
		if x.State == "active" {
			return nil
		}
		sub.Reason = x.Reason
		pause(wait, 20*time.Millisecond)
	}
	return hansa.Errorf(hansa.Conflict, "the webhook at %s did not echo the challenge: %s", s.cfg.Endpoint, first(sub.Reason, "no answer")).WithHint("see docs/formats/delivery.md")
}

// expect notes that r is published now: what was expected of its earlier version
// ends; when it is over, it must go.
func (s *Sandbox) expect(step string, r *hansa.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.end(r.ID, now, !r.Live())
	if !r.Live() {
		return
	}
	for _, id := range r.Situation.Related.Replaces {
		s.end(id, now, true)
	}
	s.steps = append(s.steps, sandbox.Expect{Step: step, Item: sandbox.ItemOf(r), From: now, Within: s.cfg.Within})
}

// end notes that what was expected of a record holds no longer.
func (s *Sandbox) end(id string, now time.Time, over bool) {
	for i := range s.steps {
		if e := &s.steps[i]; e.Item.Record == id && e.Until.IsZero() {
			e.Until, e.Over = now, over
		}
	}
}

// settle waits until is has been seen, or a time has passed in which it had to be;
// and then one look more.
func (s *Sandbox) settle(ctx context.Context, is func(sandbox.Sight) bool) error {
	began := time.Now()
	for ctx.Err() == nil && time.Since(began) < s.cfg.Within*8/5 {
		s.mu.Lock()
		ok := slices.ContainsFunc(s.sights, func(x sandbox.Sight) bool { return x.At.After(began) && is(x) })
		s.mu.Unlock()
		if ok {
			break
		}
		pause(ctx, 10*time.Millisecond)
	}
	pause(ctx, max(s.cfg.Within/5, 50*time.Millisecond))
	return ctx.Err()
}

// shows reports whether a sight has a record in at least a version.
func shows(id string, version int64) func(sandbox.Sight) bool {
	return func(x sandbox.Sight) bool {
		return slices.ContainsFunc(x.Shown, func(i sandbox.Item) bool { return i.Record == id && (i.Version == 0 || i.Version >= version) })
	}
}

func lacks(id string) func(sandbox.Sight) bool {
	return func(x sandbox.Sight) bool { return !shows(id, 0)(x) }
}

// badly posts an event to the webhook that is signed by nobody.
func (s *Sandbox) badly(ctx context.Context) (int, error) {
	doc, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": "forged-" + hansa.NewID(time.Now()), "source": "urn:hansa:sandbox.example", "type": "org.hansa-exchange.record.insert", "subject": "forged",
		"datacontenttype": "application/json", "data": map[string]any{"kind": "situation", "id": "forged", "version": 1},
	})
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.Endpoint, bytes.NewReader(doc))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/cloudevents+json")
	req.Header.Set("Webhook-Id", "forged")
	req.Header.Set("Webhook-Timestamp", fmt.Sprint(time.Now().Unix()))
	req.Header.Set("Webhook-Signature", "v1a,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")
	res, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}
