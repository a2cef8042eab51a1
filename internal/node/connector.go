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
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// connectorStory is the story of two nodes that know nothing of each other but an
// address: each has a configuration, a data folder, a socket and keys of its own, and
// they speak the Dataspace Protocol alone. People steer each by its API.
type connectorStory struct {
	dir, version  string
	city, company *outpost
	offer         string
	asked, heard  string // the negotiation, as the company's node and the city's call it
	agreement     string
	taken, given  string // the transfer, as the company's node and the city's call it
	token         string // that opens the data
	events        string // where the data is
	closures      []string
}

// outpost is one of the two nodes.
type outpost struct {
	name, title string
	at          string // host:port
	token       string // of its steward
	client      *http.Client
	node        *Node
	stop        func() error
}

func (p *outpost) did() string {
	return "did:web:" + strings.ReplaceAll(p.at, ":", "%3A")
}

// act is one step of a story.
type act struct {
	name string
	do   func(context.Context) (string, error)
}

// RehearseConnector plays the story and tells each step as it ends. Nothing of it is
// left afterwards.
func RehearseConnector(ctx context.Context, version string, tell func(Step)) (steps []Step, err error) {
	dir, err := os.MkdirTemp("", "hansa-connector-")
	if err != nil {
		return nil, err
	}
	s := &connectorStory{dir: dir, version: version}
	defer func() { err = errors.Join(err, s.close()) }()
	return playActs(ctx, []act{
		{"two nodes, each with a folder, a key and an address of its own", s.begin},
		{"the city offers its closures for navigation; a person decides", s.offers},
		{"the second node finds them by the address alone", s.finds},
		{"asked for advertising, it is refused, and the reason crosses the wire", s.refused},
		{"asked for navigation, it waits for a person of the city", s.waits},
		{"a steward of the city says yes: one agreement at both", s.agrees},
		{"the data streams, by a token for this agreement alone", s.streams},
		{"a closure at the city is in the second node's own stream", s.arrives},
		{"suspended: what is closed meanwhile does not arrive", s.suspended},
		{"resumed: it arrives", s.resumed},
		{"reopened at the city, it ends there too", s.reopens},
		{"ended: the token is refused, and nothing arrives", s.ends},
		{"every message stands in both books, out here and in there", s.inspects},
	}, tell), nil
}

// playActs plays acts in turn; each stands on the one before.
func playActs(ctx context.Context, acts []act, tell func(Step)) (steps []Step) {
	for _, a := range acts {
		sctx, stop := context.WithTimeout(ctx, 30*time.Second)
		detail, err := a.do(sctx)
		stop()
		done := Step{Name: a.name, OK: err == nil, Detail: detail}
		if err != nil {
			done.Detail = err.Error()
		}
		steps = append(steps, done)
		tell(done)
		if err != nil || ctx.Err() != nil {
			break
		}
	}
	return steps
}

func (s *connectorStory) close() error {
	var err error
	for _, p := range []*outpost{s.city, s.company} {
		if p != nil && p.stop != nil {
			err = errors.Join(err, p.stop())
		}
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (s *connectorStory) begin(ctx context.Context) (string, error) { return s.open(ctx, "") }

// storyClosures is the city's dataset.
const storyClosures = `places = "places.geojson"
[[datasets]]
name = "closures"
party = "doggerhaven"
kind = "situation"
title = { en = "Closures of tunnels and streets" }
licence = "CC-BY-4.0"
holder = "Doggerhaven road authority"
`

// open runs both nodes; company is what stands in the company's configuration besides.
func (s *connectorStory) open(ctx context.Context, company string) (string, error) {
	var lns []net.Listener
	for range 2 {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		lns = append(lns, ln)
	}
	s.city = &outpost{name: "doggerhaven", title: "Doggerhaven", at: lns[0].Addr().String()}
	s.company = &outpost{name: "navika", title: "Navika", at: lns[1].Addr().String()}
	if err := os.WriteFile(filepath.Join(s.dir, "places.geojson"), ownPlaces, 0o600); err != nil {
		return "", err
	}
	if err := s.serve(ctx, s.city, s.company, "city", storyClosures, lns[0]); err != nil {
		return "", errors.Join(err, lns[1].Close())
	}
	if err := s.serve(ctx, s.company, s.city, "company", company, lns[1]); err != nil {
		return "", err
	}
	return s.city.did() + " and " + s.company.did(), nil
}

// serve runs a node by a configuration, as "hansa serve" does.
func (s *connectorStory) serve(ctx context.Context, p, other *outpost, kind, more string, ln net.Listener) error {
	p.token = token()
	p.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{IdleConnTimeout: time.Second}}
	file, secret := filepath.Join(s.dir, p.name+".toml"), filepath.Join(s.dir, p.name+".token")
	top, tables, _ := strings.Cut(more, "[[")
	if tables != "" {
		tables = "[[" + tables
	}
	text := fmt.Sprintf(`listen = %[1]q
public_url = "http://%[2]s"
data = %[3]q
origin = "%[4]s.example"
party = %[4]q
allow = [%[5]q]
%[6]s[[parties]]
name = %[4]q
id = %[7]q
title = %[8]q
kind = %[9]q
zone = "Europe/Amsterdam"
[[credentials]]
party = %[4]q
name = "steward"
secret_file = %[10]q
rights = ["read", "publish", "control", "manage"]
%[11]s`, p.at, p.at, p.name, p.name, other.at, top, p.did(), p.title, kind, p.name+".token", tables)
	if err := errors.Join(os.WriteFile(secret, []byte(p.token), 0o600), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		return errors.Join(err, ln.Close())
	}
	f, err := ReadFile(file)
	if err == nil {
		p.node, err = Serve(ctx, f, s.version, slog.New(slog.DiscardHandler))
	}
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- p.node.Run(run, ln) }()
	p.stop = func() error { cancel(); p.stop = nil; return <-done }
	return nil
}

// call asks a node's API as its steward. in is sent as JSON, nil as nothing.
func (p *outpost) call(ctx context.Context, method, path string, in, out any) error {
	b, err := p.bytes(ctx, method, path, in)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// bytes is the body of the answer to a call.
func (p *outpost) bytes(ctx context.Context, method, path string, in any) ([]byte, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	status, b, err := p.reads(ctx, method, "http://"+p.at+path, body, p.token, "")
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%s: %s answers %d %s", p.title, path, status, b)
	}
	return b, err
}

// reads makes a request with a token, for a purpose where there is one.
func (p *outpost) reads(ctx context.Context, method, at string, body io.Reader, token, purpose string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	if purpose != "" {
		req.Header.Set("Hansa-Purpose", purpose)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	return res.StatusCode, b, err
}

// negotiation waits until one of p's is as ok says, or says how it stands.
func (p *outpost) negotiation(ctx context.Context, id string, ok func(*api.Negotiation) bool) (n api.Negotiation, err error) {
	for {
		if err := p.call(ctx, http.MethodGet, "/api/v1/negotiations/"+id, nil, &n); err != nil {
			return n, err
		}
		if ok(&n) {
			return n, nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return n, fmt.Errorf("at %s the negotiation is %s; %s", p.title, n.State, first(n.Parked, "no message is stuck"))
		}
	}
}

// transfer waits until one of p's is in a state, or says how it stands.
func (p *outpost) transfer(ctx context.Context, id, state string) (t api.Transfer, err error) {
	for {
		if err := p.call(ctx, http.MethodGet, "/api/v1/transfers/"+id, nil, &t); err != nil {
			return t, err
		}
		if t.State == state {
			return t, nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return t, fmt.Errorf("at %s the transfer is %s, not %s; %s", p.title, t.State, state, first(t.Parked, "no message is stuck"))
		}
	}
}

// cameIn is what a record that came over says of itself.
type cameIn struct {
	ID         string           `json:"id"`
	Provenance hansa.Provenance `json:"provenance"`
	Situation  struct {
		Lifecycle hansa.Lifecycle `json:"lifecycle"`
		Effect    string          `json:"effect"`
	} `json:"situation"`
}

// own reads what came into one of p's own datasets, the newest version of each record
// last.
func (p *outpost) own(ctx context.Context, dataset string) (out []cameIn, err error) {
	var page struct {
		Records []struct {
			Data struct {
				Records []cameIn `json:"records"`
			} `json:"data"`
		} `json:"records"`
	}
	err = p.call(ctx, http.MethodGet, "/data/v1/datasets/"+dataset+"/records", nil, &page)
	for _, r := range page.Records {
		out = append(out, r.Data.Records...)
	}
	return out, err
}

// has waits until that dataset has a record that is as ok says.
func (p *outpost) has(ctx context.Context, dataset, id string, ok func(*cameIn) bool) (cameIn, error) {
	for {
		list, err := p.own(ctx, dataset)
		if err != nil {
			return cameIn{}, err
		}
		for _, r := range slices.Backward(list) {
			if r.ID == id && ok(&r) {
				return r, nil
			}
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return cameIn{}, fmt.Errorf("%s has %d records in %s, and not %s as it should be", p.title, len(list), dataset, id)
		}
	}
}

// address is all that the other node is told of p.
func (p *outpost) address() string { return (&url.URL{Scheme: "http", Host: p.at}).String() }

// lacks is an error when a record reaches one of p's datasets within the time that
// others took many times over.
func (p *outpost) lacks(ctx context.Context, dataset, id string) error {
	for range 20 {
		list, err := p.own(ctx, dataset)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(list, func(r cameIn) bool { return r.ID == id }) {
			return fmt.Errorf("%s arrived at %s", id, p.title)
		}
		if err := sleep(ctx, 25*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
