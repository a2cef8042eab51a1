package main_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// TestAccordKeeperDead: while the keeper's process is dead what was signed holds. The
// other stops its own giving at once, of one accord for a time and of another for
// good; its proposal waits, though its own process is killed as well. When the keeper
// is back it numbers what waited in its order, and both tell the same.
func TestAccordKeeperDead(t *testing.T) {
	p := newSignatories(t)
	one, said := p.inForce(t)
	two, alsoSaid := p.inForce(t)
	p.nav.publish(t, "before")
	p.has(t, p.city, "before", true)
	p.kill(p.city)

	suspend := p.says(t, p.nav, one, accord.Suspend)
	propose := p.says(t, p.nav, one, accord.Propose)
	end := p.says(t, p.nav, two, accord.End)
	p.nav.publish(t, "meanwhile")
	for i := range 2 {
		d, other := p.nav.tells(t, one).d, p.nav.tells(t, two).d
		if d.State != hansa.AccordInForce || len(d.Suspended) != 1 || !d.Suspended[0].Unconfirmed || len(d.Sent) != 2 || d.N != suspend.n {
			t.Errorf("after %d kills, of what was suspended: %+v %+v", i, d.Accord, d.Suspended)
		}
		if other.State != hansa.AccordInForce || len(other.Sent) != 1 || other.Sent[0].Kind != accord.End {
			t.Errorf("after %d kills, of what was ended: %+v", i, other.Accord)
		}
		for id, d := range map[hansa.AccordID]api.AccordDetail{one: d, two: other} {
			for _, s := range d.Sent {
				if s.State != "waits" {
					t.Errorf("%s of %s is %s: %s", s.Kind, id, s.State, s.Reason)
				}
			}
		}
		p.kill(p.nav)
		p.start(t, p.nav)
	}

	p.start(t, p.city)
	p.agrees(t, one, append(said, &suspend.saying, &propose.saying))
	p.agrees(t, two, append(alsoSaid, &end.saying))
	d := p.city.tells(t, one)
	kinds := []accord.Kind{}
	for _, e := range d.h.Entries[suspend.n:] { //nolint:gocritic // a few
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, []accord.Kind{accord.Suspend, accord.Propose}) || d.d.State != hansa.AccordSuspended || d.d.Version != 2 || d.d.Force == d.d.Proposed {
		t.Errorf("the keeper numbered %v: %+v", kinds, d.d.Accord)
	}
	if d := p.city.tells(t, two).d; d.State != hansa.AccordEnded || d.End != hansa.EndEnded {
		t.Errorf("what was ended: %+v", d.Accord)
	}
	time.Sleep(2 * time.Second)
	p.has(t, p.city, "meanwhile", false)
	p.says(t, p.nav, one, accord.Resume)
	p.has(t, p.city, "meanwhile", true)
	if len(p.bad) > 0 {
		t.Error(strings.Join(p.bad, "\n"))
	}
}

// inForce brings an accord in force, and returns what was said of it.
func (p *signatories) inForce(t *testing.T) (hansa.AccordID, []*saying) {
	t.Helper()
	var d api.AccordDetail
	p.city.must(t, "POST", "/api/v1/accords", api.AccordDraft{Text: marshal(t, p.draft(t))}, &d)
	var all []*saying
	for _, s := range []struct {
		by   *half
		kind accord.Kind
	}{{p.city, accord.Open}, {p.nav, accord.Sign}, {p.city, accord.Sign}} {
		x := p.says(t, s.by, d.ID, s.kind)
		all = append(all, &x.saying)
		if p.agrees(t, d.ID, all); len(p.bad) > 0 {
			t.Fatal(p.bad)
		}
	}
	return d.ID, all
}

// spoken is an act that was made when the own copy had n entries.
type spoken struct {
	saying
	n int64
}

// says makes an act that must be taken.
func (p *signatories) says(t *testing.T, by *half, id hansa.AccordID, kind accord.Kind) *spoken {
	t.Helper()
	x := &spoken{saying: saying{by: by, kind: kind, words: fmt.Sprintf("%s says %s", by.name, kind)}, n: by.tells(t, id).d.N}
	if p.prepare(t, id, &x.saying); len(p.bad) == 0 {
		p.does(t.Context(), id, &x.saying, false, make(chan struct{}, 1))
	}
	if len(p.bad) > 0 {
		t.Fatal(p.bad)
	}
	return x
}

// publish gives a closure of a node's own.
func (h *half) publish(t *testing.T, id string) {
	t.Helper()
	var out api.PublishAnswer
	h.must(t, "POST", "/data/v1/datasets/closures/records", map[string]any{"kind": "situation", "id": id, "version": 1, "situation": map[string]any{
		"lifecycle": "active", "effect": "road-closed", "start": "2026-11-23T10:00:00Z", "endKind": "unknown", "direction": "both", "road": map[string]any{"name": "Oostertunnel"},
		"geometry": map[string]any{"type": "LineString", "coordinates": [][]float64{{4.9, 52.37}, {4.91, 52.38}}},
	}}, &out)
	if out.Accepted != 1 {
		t.Fatalf("the record was not taken: %+v", out)
	}
}

// has wants a node to have a record of the other, or not to have it.
func (p *signatories) has(t *testing.T, h *half, id string, want bool) {
	t.Helper()
	other := p.nav
	if h == p.nav {
		other = p.city
	}
	ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
	defer stop()
	for {
		err := h.call(ctx, "POST", "/api/v1/proofs/closures-from-"+other.name+"/"+id, nil, nil)
		a, answer := errors.AsType[*answered](err)
		switch {
		case err == nil && want, answer && a.status == http.StatusNotFound && !want:
			return
		case err == nil:
			t.Fatalf("%s has %s, which was not to reach it", h.name, id)
		case !answer || a.status != http.StatusNotFound:
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
