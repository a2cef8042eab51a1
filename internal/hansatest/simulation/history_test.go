package simulation_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/hansatest/simulation"
)

// standing is what a process of one side is to those who call on it: how it stands,
// where the other side may still be, and which of its letters was taken last.
type standing struct {
	state  string
	behind uint32 // states in which the other side may be besides, by their number
	last   int64
}

// arrows are the moves of a kind of process for one side of it.
type arrows struct{ own, other map[string]map[string]string } // by state and event

func arrowsOf(table []simulation.Arrow, own hansa.Side) arrows {
	a := arrows{own: map[string]map[string]string{}, other: map[string]map[string]string{}}
	for _, x := range table {
		for _, side := range []hansa.Side{hansa.Consumer, hansa.Provider} {
			if !strings.Contains(x.By, string(side[:1])) {
				continue
			}
			by := a.other
			if side == own {
				by = a.own
			}
			if by[x.From] == nil {
				by[x.From] = map[string]string{}
			}
			by[x.From][x.Event] = x.To
		}
	}
	return a
}

var states = []string{"", "REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "FINALIZED", "TERMINATED", "STARTED", "SUSPENDED", "COMPLETED"}

func bit(state string) uint32 { return 1 << slices.Index(states, state) }

// heard lists how a process may stand after a message that was taken: it moves from
// where it is or, when messages crossed, from where the other side was, and own may
// answer at once; or both did the same.
func (a *arrows) heard(s standing, op *simulation.Op) (out []standing) {
	if op.N > 0 && op.N <= s.last {
		return []standing{s}
	}
	for _, from := range states {
		if from != s.state && s.behind&bit(from) == 0 {
			continue
		}
		to, ok := a.other[from][op.Event]
		if !ok {
			continue
		}
		if from == s.state || to == s.state || yields(s.state, to, op) {
			out = append(out, standing{to, 0, op.N})
			for _, then := range a.own[to] {
				out = append(out, standing{then, bit(to), op.N})
			}
		}
		if from != s.state && (to == s.state || s.behind&bit(to) != 0) {
			out = append(out, standing{s.state, s.behind | bit(to), op.N})
		}
	}
	return out
}

// yields says which of two messages that crossed counts: a termination, then another
// end, and then what the provider says.
func yields(own, theirs string, op *simulation.Op) bool {
	ends := func(s string) bool { return s == "COMPLETED" || s == "FINALIZED" || s == "TERMINATED" }
	switch {
	case op.Event == "terminate":
		return true
	case own == "TERMINATED":
		return false
	case ends(own) != ends(theirs):
		return ends(theirs)
	}
	return op.Own == hansa.Consumer
}

// step lists how a process may stand after a call whose caller heard its answer, or
// did not.
func (a *arrows) step(s standing, op *simulation.Op) (out []standing) {
	switch op.Kind {
	case simulation.Hear:
		out = a.heard(s, op)
	case simulation.Act:
		if to, ok := a.own[s.state][op.Event]; ok {
			out = []standing{{to, s.behind | bit(s.state), s.last}}
		}
	case simulation.Read:
		out = []standing{s}
	}
	switch {
	case op.Status == 0:
		return append(out, s)
	case op.Status >= 300 && (op.Kind != simulation.Read || s.state == ""):
		return []standing{s}
	}
	return slices.DeleteFunc(out, func(x standing) bool {
		heard := x.state == op.State || op.Wire && x.behind&bit(op.State) != 0
		return !heard || op.Status >= 300
	})
}

// model is a process as its callers see it, one call after another.
func model(transfer bool, own hansa.Side) porcupine.Model {
	a := arrowsOf(simulation.Table(transfer), own)
	m := porcupine.NondeterministicModel{
		Init: func() []any {
			if transfer && own == hansa.Consumer { // the agreement asks for it by itself, or a person does
				return []any{standing{}, standing{state: "REQUESTED", behind: bit("")}}
			}
			return []any{standing{}}
		},
		Step: func(state, input, _ any) (out []any) {
			op := input.(*simulation.Op)
			for _, s := range a.step(state.(standing), op) {
				out = append(out, s)
			}
			return out
		},
	}
	return m.ToModel()
}

var models = map[bool]map[hansa.Side]porcupine.Model{
	false: {hansa.Consumer: model(false, hansa.Consumer), hansa.Provider: model(false, hansa.Provider)},
	true:  {hansa.Consumer: model(true, hansa.Consumer), hansa.Provider: model(true, hansa.Provider)},
}

// linearizable reports the process whose calls no order explains; empty is none.
func linearizable(t testing.TB, history []simulation.Op) (process string) {
	t.Helper()
	by := map[string][]porcupine.Operation{}
	for i := range history {
		op := &history[i]
		by[op.Process] = append(by[op.Process], porcupine.Operation{Input: op, Call: op.Call, Return: op.Return})
	}
	ids := make([]string, 0, len(by))
	for id := range by {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	for _, id := range ids {
		op := by[id][0].Input.(*simulation.Op)
		switch porcupine.CheckOperationsTimeout(models[op.Transfer][op.Own], by[id], time.Minute) {
		case porcupine.Illegal:
			return id
		case porcupine.Unknown:
			t.Errorf("the calls on %s take too long to order", id)
		case porcupine.Ok:
		}
	}
	return ""
}

// looks is how often a process is looked at for each of its changes.
const looks = 20

// What callers hear of a process, messages and acts and looks at once, is what they
// would hear one after another.
func TestHistories(t *testing.T) {
	n, ops := max(seeds(t)/50, 2), 0
	begin := time.Now()
	for seed := range n {
		r := simulation.Run(simulation.Config{Seed: uint64(seed + 1), Looks: looks})
		if r.Violation != "" {
			t.Fatal(r.Violation)
		}
		if len(r.History) < 5000 {
			t.Errorf("seed %d: a history of %d calls is too little", seed+1, len(r.History))
		}
		ops += len(r.History)
		if id := linearizable(t, r.History); id != "" {
			tell(t, r.History, id)
			t.Fatalf("seed %d: no order explains what the callers of %s heard", seed+1, id)
		}
	}
	t.Logf("%d histories of together %d calls, each in order, %.0f calls a second", n, ops, float64(ops)/time.Since(begin).Seconds())
}

func tell(t *testing.T, history []simulation.Op, id string) {
	t.Helper()
	for _, op := range history {
		if op.Process == id {
			t.Logf("%+v", op)
		}
	}
}

// Bugs that callers can see are noticed by what they hear alone.
func TestHistoriesControl(t *testing.T) {
	const most = 20
	bugs := []simulation.Bug{simulation.AckBeforeStore, simulation.ForgetsRepeats, simulation.CrossByArrival, simulation.KeepsRefused, simulation.ReadsOld}
	for _, bug := range bugs {
		noticed := 0
		for seed := range uint64(most) {
			if linearizable(t, simulation.Run(simulation.Config{Seed: seed + 1, Looks: looks, Bug: bug}).History) != "" {
				noticed++
				break
			}
		}
		if noticed == 0 {
			t.Errorf("bug %d was not noticed in %d histories", bug, most)
		}
	}
	t.Logf("%d planted bugs noticed in what callers heard", len(bugs))
}
