package tck

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/hansatest"
)

// step is an act that follows when a process has come to a state.
type step struct{ in, act string }

// What this side does in the tests of the kit, told apart by dataset or by
// agreement: the kit's own description of each test. What is not listed stands
// still.
var (
	provides = map[string][]step{
		"ACN0101": {{"REQUESTED", "offer"}},
		"ACN0102": {{"REQUESTED", "offer"}, {"REQUESTED", "terminate"}},
		"ACN0103": {{"REQUESTED", "offer"}, {"ACCEPTED", "agree"}, {"VERIFIED", "finalize"}},
		"ACN0104": {{"REQUESTED", "agree"}, {"VERIFIED", "finalize"}},
		"ACN0201": {{"REQUESTED", "terminate"}},
		"ACN0203": {{"REQUESTED", "agree"}},
		"ACN0204": {{"REQUESTED", "offer"}},
		"ACN0205": {{"REQUESTED", "offer"}, {"OFFERED", "terminate"}},
		"ACN0206": {{"REQUESTED", "offer"}, {"ACCEPTED", "terminate"}},
		"ACN0207": {{"REQUESTED", "agree"}, {"VERIFIED", "terminate"}},
		"ACN0301": {{"REQUESTED", "agree"}, {"VERIFIED", "finalize"}},
		"ACN0302": {{"REQUESTED", "offer"}},
		"ACN0303": {{"REQUESTED", "offer"}},
		"ACN0304": {{"REQUESTED", "offer"}},
	}
	consumes = map[string][]step{
		"ACNC0101": {{"OFFERED", "accept"}, {"AGREED", "verify"}},
		"ACNC0102": {{"OFFERED", "request"}},
		"ACNC0103": {{"OFFERED", "terminate"}},
		"ACNC0104": {{"AGREED", "verify"}},
		"ACNC0202": {{"REQUESTED", "terminate"}},
		"ACNC0203": {{"AGREED", "terminate"}},
		"ACNC0205": {{"OFFERED", "accept"}},
		"ACNC0206": {{"AGREED", "verify"}},
		"ACNC0304": {{"OFFERED", "accept"}},
		"ACNC0305": {{"OFFERED", "accept"}},
		"ACNC0306": {{"OFFERED", "accept"}},
	}
	gives = map[string][]step{
		"ATP0101": {{"REQUESTED", "start"}, {"STARTED", "terminate"}},
		"ATP0102": {{"REQUESTED", "start"}, {"STARTED", "complete"}},
		"ATP0103": {{"REQUESTED", "start"}, {"STARTED", "suspend"}, {"SUSPENDED", "terminate"}},
		"ATP0104": {{"REQUESTED", "start"}, {"STARTED", "suspend"}, {"SUSPENDED", "start"}, {"STARTED", "complete"}},
		"ATP0105": {{"REQUESTED", "terminate"}},
		"ATP0201": {{"REQUESTED", "start"}},
		"ATP0202": {{"REQUESTED", "start"}},
		"ATP0203": {{"REQUESTED", "start"}},
		"ATP0303": {{"REQUESTED", "start"}},
		"ATP0304": {{"REQUESTED", "start"}},
		"ATP0305": {{"REQUESTED", "start"}},
		"ATP0306": {{"REQUESTED", "start"}},
	}
	takes = map[string][]step{
		"ATPC0201": {{"STARTED", "terminate"}},
		"ATPC0202": {{"STARTED", "complete"}},
		"ATPC0203": {{"STARTED", "suspend"}, {"SUSPENDED", "terminate"}},
		"ATPC0205": {{"REQUESTED", "terminate"}},
	}
)

// The kit sets up what it expects after its own message was answered, and asks how
// a process stands but once: a person takes longer than that.
const (
	pause  = 500 * time.Millisecond
	looked = 50 * time.Millisecond // between two looks at what waits
)

// director acts as the person of this side.
type director struct {
	t    testing.TB
	node *hansatest.Node

	crew sync.WaitGroup
	seen map[string]bool // processes of the kit that have their script; of watch alone
}

// watch gives each process that the kit begins its script, until ctx ends.
func (d *director) watch(ctx context.Context) {
	d.seen = map[string]bool{}
	for ctx.Err() == nil {
		var n api.NegotiationsBody
		var x api.TransfersBody
		for _, one := range []struct {
			path string
			out  any
		}{{"/api/v1/negotiations?waits=true&limit=1000", &n}, {"/api/v1/transfers?waits=true&limit=1000", &x}} {
			if err := d.node.Do(ctx, http.MethodGet, one.path, nil, one.out); err != nil && ctx.Err() == nil {
				d.t.Error(err)
				return
			}
		}
		for i := range n.Negotiations {
			if p := &n.Negotiations[i]; p.Side == hansa.Provider {
				d.begun(ctx, "/api/v1/negotiations/", p.ID, provides[p.Target])
			}
		}
		for i := range x.Transfers {
			if p := &x.Transfers[i]; p.Side == hansa.Provider {
				d.begun(ctx, "/api/v1/transfers/", p.ID, gives[p.Agreement])
			}
		}
		rest(ctx, looked)
	}
	d.crew.Wait()
}

func (d *director) begun(ctx context.Context, kind, id string, script []step) {
	if d.seen[id] {
		return
	}
	d.seen[id] = true
	d.play(ctx, kind, id, script)
}

// play takes the steps of a script, each in its turn.
func (d *director) play(ctx context.Context, kind, id string, script []step) {
	d.crew.Go(func() {
		for _, s := range script {
			state, err := d.node.Until(ctx, id, s.in)
			if ctx.Err() != nil || err == nil && state != s.in {
				return // the kit, or this run, has ended it
			}
			if err != nil {
				d.t.Errorf("%s%s: %v", kind, id, err)
				return
			}
			rest(ctx, pause)
			err = d.node.Do(ctx, http.MethodPost, kind+id+"/"+s.act, nil, nil)
			if refused, ok := errors.AsType[*hansatest.Refused](err); ok && refused.Status == http.StatusConflict {
				return // the kit was faster
			}
			if err != nil && ctx.Err() == nil {
				d.t.Errorf("%s%s: %s: %v", kind, id, s.act, err)
				return
			}
		}
	})
}

func rest(ctx context.Context, long time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(long):
	}
}
