package protocol_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

// letter is a message of one side on its way.
type letter struct {
	n       int64
	event   string
	pids    [2]string // consumer, provider
	hash    string
	after   string
	taken   bool // the other side has answered, and the answer is not noted yet
	refused bool // what it answered
	parked  bool
}

// party is one side of a process, with its outbox.
type party struct {
	kind  *kind
	side  hansa.Side
	value any // nil until it has heard of the process
	n     int64
	box   []letter
}

// kind is how a process of one kind is driven; v is its value on one side.
type kind struct {
	begin  func(side hansa.Side) any
	hear   func(v any, m *letter, by hansa.Side) (next any, moved bool, empties string, err error)
	act    func(v any, event string) (next any, empties string, err error)
	told   func(v any, after, pid string) any
	look   func(v any) look
	shares func(state, after string) bool
}

// look is what a side shows of a process.
type look struct {
	state, pid string
	shared     string // as it is told to who asks
	way        int
	can        []string
}

func (p *party) look() look { return p.kind.look(p.value) }

// world is two sides and all that is between them.
type world struct {
	at    [2]party // consumer, provider
	acts  int      // that may still be decided on
	lost  int      // answers that may still be lost
	named bool     // messages have ids of their own
	trace string
}

func index(s hansa.Side) int {
	if s == hansa.Consumer {
		return 0
	}
	return 1
}

func (w *world) key() string {
	var b strings.Builder
	for i := range w.at {
		p := &w.at[i]
		if p.value == nil {
			b.WriteString("nil|")
			continue
		}
		fmt.Fprintf(&b, "%+v %d|", p.value, p.n)
		for _, l := range p.box {
			fmt.Fprintf(&b, "%+v", l)
		}
	}
	fmt.Fprintf(&b, "%d %d", w.acts, w.lost)
	return b.String()
}

func (w *world) step(format string, args ...any) world {
	next := *w
	for i := range next.at {
		next.at[i].box = append([]letter(nil), w.at[i].box...)
	}
	next.trace += "\n  " + fmt.Sprintf(format, args...)
	return next
}

// nexts lists what can happen next.
func (w *world) nexts() (out []world) {
	for i := range w.at {
		p := &w.at[i]
		if p.value == nil {
			continue
		}
		if w.acts > 0 {
			for _, event := range p.look().can {
				if next, ok := w.decide(i, event); ok {
					out = append(out, next)
				}
			}
		}
		if len(p.box) == 0 || p.box[0].parked {
			continue
		}
		if p.box[0].taken {
			out = append(out, w.note(i))
			if w.lost > 0 {
				next := w.step("%s: the answer to %s is lost", p.side, p.box[0].event)
				next.at[i].box[0].taken, next.at[i].box[0].refused = false, false
				next.lost--
				out = append(out, next)
			}
		} else if next, ok := w.deliver(i); ok {
			if !w.named { // where a repeat cannot be told from the same again, its answer comes at once
				next = next.note(i)
			}
			out = append(out, next)
		}
	}
	return out
}

func (w *world) decide(i int, event string) (world, bool) {
	p := &w.at[i]
	v, empties, err := p.kind.act(p.value, event)
	if err != nil {
		return world{}, false
	}
	next := w.step("the %s decides: %s", p.side, event)
	next.acts--
	q := &next.at[i]
	q.value = v
	q.empty(empties)
	q.n++
	m := letter{n: q.n, event: event, pids: [2]string{"consumer", "provider"}, after: q.look().state, hash: fmt.Sprint(p.side, q.n)}
	if !w.named {
		m.hash = protocol.Unnamed + event
	}
	m.parked = len(q.box) > 0 && q.box[0].parked
	q.box = append(q.box, m)
	return next, true
}

// empty drops the letters up to the one that led to a state; all is all of them.
func (p *party) empty(until string) {
	i := slices.IndexFunc(p.box, func(l letter) bool { return l.after == until })
	if until == all {
		i = len(p.box) - 1
	}
	p.box = p.box[i+1:]
}

const all = "*"

func (w *world) deliver(i int) (world, bool) {
	p := &w.at[i]
	m := p.box[0]
	if p.look().pid == "" && m.n > 1 {
		return world{}, false // it waits for the other side's name of the process
	}
	if m.n == 1 {
		m.pids[1-i] = ""
	}
	next := w.step("the %s's %s arrives", p.side, m.event)
	next.at[i].box[0].taken = true
	q := &next.at[1-i]
	if q.value == nil {
		q.value = q.kind.begin(q.side)
	} else if m.n == 1 {
		return next, true // begun already
	}
	v, moved, empties, err := q.kind.hear(q.value, &m, p.side)
	if err != nil {
		next.at[i].box[0].refused = true
		next.trace += " and is refused"
		return next, true
	}
	q.value = v
	if moved {
		q.n++
	}
	q.empty(empties)
	return next, true
}

func (w *world) note(i int) world {
	p := &w.at[i]
	m := p.box[0]
	next := w.step("the %s notes the answer to %s", p.side, m.event)
	q := &next.at[i]
	if m.refused && !p.kind.shares(w.at[1-i].look().shared, m.after) {
		for j := range q.box {
			q.box[j].parked = true
		}
		return next
	}
	q.value = p.kind.told(p.value, m.after, string(p.side.Other()))
	q.box = q.box[1:]
	return next
}

// explore walks through all that can happen, and reports the ways on which both
// sides do not come to the same.
func explore(t *testing.T, start world) {
	t.Helper()
	seen, open, ends, bad := map[string]bool{start.key(): true}, []world{start}, 0, 0
	for len(open) > 0 {
		w := open[len(open)-1]
		open = open[:len(open)-1]
		next := w.nexts()
		if w.still() {
			ends++
			a, b := w.at[0].look(), w.at[1].look()
			if left := len(w.at[0].box) + len(w.at[1].box); (a.state != b.state || a.way+b.way+left > 0) && bad < 3 {
				bad++
				t.Errorf("the consumer is %s, the provider %s, %d messages have not arrived, after%s", a.state, b.state, a.way+b.way+left, w.trace)
			}
		}
		for _, n := range next {
			if k := n.key(); !seen[k] {
				seen[k] = true
				open = append(open, n)
			}
		}
	}
	t.Logf("%d situations, %d of them at rest", len(seen), ends)
	if ends < 50 {
		t.Errorf("only %d situations at rest: the walk proves little", ends)
	}
}

// still reports whether nothing is on its way that could still arrive.
func (w *world) still() bool {
	for i := range w.at {
		p := &w.at[i]
		if p.value == nil {
			return false
		}
		if len(p.box) > 0 && !p.box[0].parked {
			if p.look().pid != "" || p.box[0].n == 1 || p.box[0].taken {
				return false
			}
		}
	}
	return true
}

var offer = &policy.Policy{ID: "o", Type: "Offer", Target: "d"}

func negotiations() *kind {
	empties := func(effects []negotiation.Effect) string {
		if slices.Contains(effects, negotiation.Effect(negotiation.Drop{})) || slices.Contains(effects, negotiation.Effect(negotiation.Settle{})) {
			return all
		}
		return ""
	}
	of := func(v any) negotiation.Negotiation { n, _ := v.(negotiation.Negotiation); return n }
	return &kind{
		begin: func(s hansa.Side) any { return negotiation.Negotiation{ID: string(s), Side: s} },
		hear: func(v any, m *letter, by hansa.Side) (any, bool, string, error) {
			n := of(v)
			next, effects, err := n.Hear(negotiation.Message{Event: negotiation.Event(m.event), By: by, ConsumerPid: m.pids[0], ProviderPid: m.pids[1], Offer: offer, Agreement: offer, Hash: m.hash})
			return next, len(effects) > 0 || next.Heard != n.Heard, empties(effects), err
		},
		act: func(v any, event string) (any, string, error) {
			next, effects, err := of(v).Act(negotiation.Message{Event: negotiation.Event(event), Offer: offer, Agreement: offer})
			return next, empties(effects), err
		},
		told: func(v any, after, pid string) any {
			return of(v).Told(negotiation.State(after), pid, false)
		},
		look: func(v any) look {
			n := of(v)
			return look{string(n.State), n.Pid, string(n.Shared()), len(n.Way), names(n.Can())}
		},
		shares: func(state, after string) bool {
			return negotiation.Shares(negotiation.State(state), negotiation.State(after))
		},
	}
}

func transfers() *kind {
	empties := func(effects []transfer.Effect) (until string) {
		for _, e := range effects {
			switch e := e.(type) {
			case transfer.Drop:
				until = all
			case transfer.Settle:
				if until = string(e.Until); until == "" {
					until = all
				}
			}
		}
		return until
	}
	of := func(v any) transfer.Transfer { t, _ := v.(transfer.Transfer); return t }
	return &kind{
		begin: func(s hansa.Side) any { return transfer.Transfer{ID: string(s), Side: s} },
		hear: func(v any, m *letter, by hansa.Side) (any, bool, string, error) {
			t := of(v)
			next, effects, err := t.Hear(transfer.Message{Event: transfer.Event(m.event), By: by, ConsumerPid: m.pids[0], ProviderPid: m.pids[1], Hash: m.hash})
			return next, len(effects) > 0 || next.Heard != t.Heard, empties(effects), err
		},
		act: func(v any, event string) (any, string, error) {
			next, effects, err := of(v).Act(transfer.Message{Event: transfer.Event(event)})
			return next, empties(effects), err
		},
		told: func(v any, after, pid string) any {
			return of(v).Told(transfer.State(after), 0, pid, false)
		},
		look: func(v any) look {
			t := of(v)
			return look{string(t.State), t.Pid, string(t.State), len(t.Way), names(t.Can())}
		},
		shares: func(state, after string) bool {
			return transfer.Shares(transfer.State(state), transfer.State(after))
		},
	}
}

func names[E ~string](list []E) (out []string) {
	for _, e := range list {
		out = append(out, string(e))
	}
	return out
}

// TestBothSidesComeToTheSame walks through everything that two sides can decide
// and everything that can happen to their messages on the way: whatever crosses,
// is late, or is sent again, both sides come to the same state, and nothing hangs.
func TestBothSidesComeToTheSame(t *testing.T) {
	for _, tc := range []struct {
		name       string
		kind       *kind
		by         hansa.Side
		named      bool
		acts, lost int
	}{
		{"negotiation, requested", negotiations(), hansa.Consumer, true, 8, 2},
		{"negotiation, offered", negotiations(), hansa.Provider, true, 8, 2},
		{"negotiation, messages without ids", negotiations(), hansa.Consumer, false, 9, 0},
		{"transfer", transfers(), hansa.Consumer, true, 7, 2},
		{"transfer, messages without ids", transfers(), hansa.Consumer, false, 9, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := world{named: tc.named, acts: tc.acts, lost: tc.lost}
			for i, side := range []hansa.Side{hansa.Consumer, hansa.Provider} {
				w.at[i] = party{kind: tc.kind, side: side}
			}
			w.at[index(tc.by)].value = tc.kind.begin(tc.by)
			explore(t, w)
		})
	}
}
