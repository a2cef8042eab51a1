package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// accordStory is the story of one accord from its draft to its end, between a city and
// a company, each on a node of its own. People steer each node by its API, and each
// step is looked at on both.
type accordStory struct {
	connectorStory
	id       hansa.AccordID
	versions []string // SHA-256 of what was proposed, oldest first
	out      way      // closures, from the city to the company
	back     way      // counts, from the company to the city
	counted  int
	backups  string   // until when the company's hold what it was given
	missed   []string // published while the accord stood still: a closure and a count
}

// way is one direction of the accord.
type way struct {
	flow         hansa.FlowID
	from, to     *outpost
	of           string // the giver's dataset
	into         string // the receiver's
	taken, given string // the transfer, as the receiver's node and the giver's call it
	at, token    string // where the data is, and what opens it
	arrived      []string
}

// RehearseAccords plays the story and tells each step as it ends. Nothing of it is
// left afterwards.
func RehearseAccords(ctx context.Context, version string, tell func(Step)) (steps []Step, err error) {
	dir, err := os.MkdirTemp("", "hansa-accords-")
	if err != nil {
		return nil, err
	}
	s := &accordStory{connectorStory: connectorStory{dir: dir, version: version}}
	defer func() { err = errors.Join(err, s.close()) }()
	return playActs(ctx, s.acts(), tell), nil
}

func (s *accordStory) acts() []act {
	return []act{
		{"a city and a company, each with a node, a key and an address of its own", s.begin},
		{"the company drafts a partnership by its template; nobody else has it", s.drafts},
		{"it is sent: the city does not know the company, and a person of the city says yes", s.opens},
		{"the city strikes a purpose: a second version, the same bytes at both", s.narrows},
		{"the company shortens the time for erasure: a third version, the same bytes at both", s.shortens},
		{"the city accepts the clause", s.accepts},
		{"both sign: in force at both, in one order", s.signs},
		{"the flows of both directions start by themselves", s.starts},
		{"a closure at the city is in the company's stream", s.closes},
		{"a count of the company is in the city's stream", s.counts},
		{"a purpose outside the accord is denied at both, by its rule", s.denied},
		{"the city suspends: what is published meanwhile arrives at neither", s.stands},
		{"the city resumes: what was missed arrives at both", s.goesOn},
		{"the company ends it: no transfer runs at either, and nothing arrives", s.ends},
		{"each erases what it was given, and certifies it: both see both certificates", s.erases},
		{"what was erased is gone, and its proof stands and says why", s.gone},
		{"the accord is proven offline at both; a bundle with one bit changed is not", s.proves},
	}
}

func (s *accordStory) begin(ctx context.Context) (string, error) {
	return s.open(ctx, `backups_kept = "720h"
[[datasets]]
name = "counts"
party = "navika"
kind = "observation"
title = { en = "Vehicles counted on the roads of the city" }
licence = "CC-BY-4.0"
holder = "Navika"
`)
}

// both are the two nodes.
func (s *accordStory) both() []*outpost { return []*outpost{s.city, s.company} }

func (s *accordStory) ways() []*way { return []*way{&s.out, &s.back} }

func (s *accordStory) path(more string) string { return "/api/v1/accords/" + string(s.id) + more }

// until waits until a node's copy of the accord is as ok says.
func (s *accordStory) until(ctx context.Context, p *outpost, what string, ok func(*api.AccordDetail) bool) (d api.AccordDetail, err error) {
	for {
		if err := p.call(ctx, http.MethodGet, s.path(""), nil, &d); err != nil {
			return d, err
		}
		if ok(&d) {
			return d, nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return d, fmt.Errorf("at %s the accord is %s, entry %d of version %d, and not %s", p.title, d.State, d.N, d.Version, what)
		}
	}
}

// says does an act as a person of p's party with a mandate.
func (s *accordStory) says(ctx context.Context, p *outpost, kind accord.Kind, a api.AccordAct) (d api.AccordDetail, err error) {
	a.Role, a.Power = "data steward", "mandate 2026-114"
	err = p.call(ctx, http.MethodPost, s.path("/acts/"+string(kind)), a, &d)
	return d, err
}

// order fills the template in.
func (s *accordStory) order(now time.Time) accord.Order {
	city, company := hansa.PartyID(s.city.did()), hansa.PartyID(s.company.did())
	s.out = way{flow: hansa.FlowID(hansa.NewID(now)), from: s.city, to: s.company, of: "closures", into: "closures-from-doggerhaven"}
	s.back = way{flow: hansa.FlowID(hansa.NewID(now)), from: s.company, to: s.city, of: "counts", into: "counts-from-navika"}
	return accord.Order{
		ID: hansa.AccordID(hansa.NewID(now)), Title: accord.Words{"en": "Closures for counts"}, Languages: []string{"en"},
		Answers: map[string]string{"gets/1": "closures at the second, from the source", "gets/2": "how many vehicles there are, each minute"},
		Term:    accord.Term{From: now.UTC().AddDate(0, 0, -1).Format(time.DateOnly), Zone: "Europe/Amsterdam"},
		Parties: []accord.Party{
			{ID: company, Title: s.company.title, Kind: hansa.Company, Role: hansa.RoleBoth},
			{ID: city, Title: s.city.title, Kind: hansa.City, Role: hansa.RoleBoth},
		},
		Flows: []accord.Flow{
			{ID: s.out.flow, Name: "closures", From: city, To: company, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record"}},
			{ID: s.back.flow, Name: "counts", From: company, To: city, Dataset: accord.Dataset{Name: "counts", Kind: hansa.KindObservation}, Formats: []hansa.Format{"record"}},
		},
	}
}

// redline proposes the present text with one clause changed, and looks at it on both
// nodes: the same bytes, and the same differences.
func (s *accordStory) redline(ctx context.Context, by *outpost, words, clause string, params policy.Params, change func(*accord.Text)) (string, error) {
	var d api.AccordDetail
	if err := by.call(ctx, http.MethodGet, s.path(""), nil, &d); err != nil {
		return "", err
	}
	t := &accord.Text{}
	if err := json.Unmarshal(d.Text, t); err != nil {
		return "", err
	}
	i := slices.IndexFunc(t.Clauses, func(c accord.Clause) bool { return c.ID == clause })
	from, known := policy.ClauseByID(clause)
	if i < 0 || !known {
		return "", fmt.Errorf("the text has no clause %s", clause)
	}
	made, err := accord.NewClause(from, params, t.Clauses[i].Flows, t.Languages)
	if err != nil {
		return "", err
	}
	if t.Clauses[i] = made; change != nil {
		change(t)
	}
	b, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	if d, err = s.says(ctx, by, accord.Propose, api.AccordAct{Base: d.Proposed, Text: b, Words: words}); err != nil {
		return "", err
	}
	version := len(s.versions) + 1
	if d, err = s.until(ctx, by, fmt.Sprintf("of version %d", version), func(d *api.AccordDetail) bool { return d.Version == version }); err != nil {
		return "", err
	}
	s.versions = append(s.versions, d.Proposed)
	var diffs []string
	for _, p := range s.both() {
		if err := s.sameText(ctx, p, d.Proposed, by != p); err != nil {
			return "", err
		}
		b, err := p.bytes(ctx, http.MethodGet, s.path("/diff"), nil)
		if err != nil {
			return "", err
		}
		diffs = append(diffs, string(b))
	}
	var diff api.AccordDiff
	if err := json.Unmarshal([]byte(diffs[0]), &diff); err != nil {
		return "", err
	}
	if diffs[0] != diffs[1] || !slices.ContainsFunc(diff.Changes, func(c accord.Change) bool { return c.Part == "clauses" && c.Name == clause }) {
		return "", fmt.Errorf("the differences are %s at the city, and %s at the company", diffs[0], diffs[1])
	}
	return fmt.Sprintf("%s: clause %d, %s; sha-256:%.16s… at both", words, i+1, clause, d.Proposed), nil
}

// sameText waits until a node has a version as proposed, and checks its bytes.
func (s *accordStory) sameText(ctx context.Context, p *outpost, hash string, mine bool) error {
	d, err := s.until(ctx, p, "of the version that the other has", func(d *api.AccordDetail) bool { return d.Proposed == hash })
	if err != nil {
		return err
	}
	b, err := p.bytes(ctx, http.MethodGet, s.path("/text"), nil)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != hash || d.Mine != mine {
		return fmt.Errorf("%s has bytes with SHA-256 %x of the version %s, and it is its turn: %v", p.title, sum, hash, d.Mine)
	}
	return nil
}

// flows waits until every flow of the accord stands in a state at both nodes, as each
// explains it.
func (s *accordStory) flows(ctx context.Context, state pledgeState) error {
	for _, p := range s.both() {
		for {
			var e api.AccordExplained
			if err := p.call(ctx, http.MethodGet, s.path("/explain"), nil, &e); err != nil {
				return err
			}
			if len(e.Flows) == 2 && !slices.ContainsFunc(e.Flows, func(f api.FlowExplained) bool { return f.State != string(state) }) {
				break
			}
			if err := sleep(ctx, 10*time.Millisecond); err != nil {
				return fmt.Errorf("at %s the flows are not %s: %+v", p.title, state, e.Flows)
			}
		}
	}
	return nil
}

// transfers waits until the transfer of each way is in a state at both nodes.
func (s *accordStory) transfers(ctx context.Context, state string) error {
	for _, w := range s.ways() {
		for p, id := range map[*outpost]string{w.to: w.taken, w.from: w.given} {
			if _, err := p.transfer(ctx, id, state); err != nil {
				return err
			}
		}
	}
	return nil
}

// publish makes something new at each giver, by which an open way is known.
func (s *accordStory) publish(ctx context.Context, place string) (closure, count string, err error) {
	if closure, err = s.shut(ctx, place); err != nil {
		return "", "", err
	}
	s.counted++
	now := time.Now().UTC().Truncate(time.Second)
	count = fmt.Sprintf("count-%d", s.counted)
	r := hansa.Record{
		Kind: hansa.KindObservation, ID: count, Version: 1, Updated: now,
		Observation: &hansa.Observation{What: "count", Subject: "oostertunnel", Observed: now, Quantities: []hansa.Quantity{{Name: "vehicles", Value: float64(40 + s.counted), Unit: "1/min"}}},
	}
	var a api.PublishAnswer
	if err := s.company.call(ctx, http.MethodPost, "/data/v1/datasets/counts/records", r, &a); err != nil {
		return "", "", err
	}
	if a.Accepted != 1 {
		return "", "", fmt.Errorf("the company's node took no count: %+v", a)
	}
	return closure, count, nil
}

// bothArrive waits until each receiver has what its giver published.
func (s *accordStory) bothArrive(ctx context.Context, closure, count string) error {
	for w, id := range map[*way]string{&s.out: closure, &s.back: count} {
		if _, err := w.to.has(ctx, w.into, id, func(*cameIn) bool { return true }); err != nil {
			return err
		}
		w.arrived = append(w.arrived, id)
	}
	return nil
}

// neitherArrives is an error when a receiver gets what its giver published.
func (s *accordStory) neitherArrives(ctx context.Context, closure, count string) error {
	return errors.Join(s.out.to.lacks(ctx, s.out.into, closure), s.back.to.lacks(ctx, s.back.into, count))
}

// problems says why the flows of the accord do not run at a node.
func (s *accordStory) problems(ctx context.Context, p *outpost) string {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	var e api.AccordExplained
	if err := p.call(ctx, http.MethodGet, s.path("/explain"), nil, &e); err != nil {
		return err.Error()
	}
	var out []string
	for _, f := range e.Flows {
		out = append(out, fmt.Sprintf("%s is %s %s %s", f.Name, f.State, f.Why, f.Problem))
	}
	return strings.Join(out, "; ")
}
