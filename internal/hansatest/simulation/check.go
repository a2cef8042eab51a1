package simulation

import (
	"fmt"
	"slices"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

// Arrow is one move that the specification draws, with who may make it: c, p or cp.
type Arrow struct{ From, Event, By, To string }

// Table is the diagram of negotiations, or of transfers.
func Table(transfer bool) []Arrow {
	if transfer {
		return transferTable
	}
	return negotiationTable
}

// The diagrams of the specification, written down a second time: what the nodes do
// is held against these. An end is heard in every state that is not final.
var (
	negotiationTable = []Arrow{
		{"", "request", "c", "REQUESTED"},
		{"", "offer", "p", "OFFERED"},
		{"REQUESTED", "offer", "p", "OFFERED"},
		{"REQUESTED", "agree", "p", "AGREED"},
		{"OFFERED", "request", "c", "REQUESTED"},
		{"OFFERED", "accept", "c", "ACCEPTED"},
		{"ACCEPTED", "agree", "p", "AGREED"},
		{"AGREED", "verify", "c", "VERIFIED"},
		{"VERIFIED", "finalize", "p", "FINALIZED"},
		{"REQUESTED", "terminate", "cp", "TERMINATED"},
		{"OFFERED", "terminate", "cp", "TERMINATED"},
		{"ACCEPTED", "terminate", "cp", "TERMINATED"},
		{"AGREED", "terminate", "cp", "TERMINATED"},
		{"VERIFIED", "terminate", "cp", "TERMINATED"},
	}
	transferTable = []Arrow{
		{"", "request", "c", "REQUESTED"},
		{"REQUESTED", "start", "p", "STARTED"},
		{"STARTED", "suspend", "cp", "SUSPENDED"},
		{"SUSPENDED", "start", "cp", "STARTED"},
		{"STARTED", "complete", "cp", "COMPLETED"},
		{"REQUESTED", "terminate", "cp", "TERMINATED"},
		{"STARTED", "terminate", "cp", "TERMINATED"},
		{"SUSPENDED", "terminate", "cp", "TERMINATED"},
	}
)

func final(state string) bool {
	return state == "FINALIZED" || state == "TERMINATED" || state == "COMPLETED"
}

// step is how a process changed in one transaction.
type step struct {
	was    string
	shared []string // where the other side may have been
	now    string
	pid    string
}

// checkMove holds a change to the table: at most one move that was heard, from the
// state or, when messages crossed, from what both shared, and one own move behind.
func (w *world) checkMove(n *node, table []Arrow, id string, s step, own hansa.Side) {
	if s.was == s.now || s.now == "TERMINATED" && s.pid == "" && !final(s.was) { // nothing, or it never began
		return
	}
	for _, state := range append(s.shared, s.was) {
		for _, a := range table {
			if a.From != state {
				continue
			}
			heard := slices.Contains([]byte(a.By), own.Other()[0])
			if a.To == s.now && (heard || state == s.was) {
				return
			}
			for _, b := range table {
				if heard && b.From == a.To && b.To == s.now && slices.Contains([]byte(b.By), own[0]) {
					return
				}
			}
		}
	}
	w.violate("%s of %s went from %q (shared: %v) to %q, which no diagram draws", id, n.id, s.was, s.shared, s.now)
}

// checkGate holds that data passes exactly while a transfer has started.
func (w *world) checkGate(n *node, id string) {
	if t, ok := n.store.transfers[id]; ok && n.open[id] != (t.State == transfer.Started) {
		w.violate("the data of %s at %s is open: %t, when it is %s", id, n.id, n.open[id], t.State)
	}
}

// checkAgreement holds that a process comes to one agreement, and that both sides
// hold the same.
func (w *world) checkAgreement(p *negotiation.Negotiation, a *policy.Policy) {
	hash := fmt.Sprint(a.ID, a.Target, a.Assigner, a.Assignee, a.Timestamp, a.Permission)
	if old, ok := w.agreed[a.ID]; ok && old != hash {
		w.violate("agreement %s is not the same at both sides", a.ID)
	}
	w.agreed[a.ID] = hash
	for _, id := range []string{p.ID, p.Pid} {
		key := "process " + id
		if old, ok := w.agreed[key]; ok && old != a.ID {
			w.violate("process %s has the agreements %s and %s", id, old, a.ID)
		}
		w.agreed[key] = a.ID
	}
}

// claim notes what a node has answered: it must hold that from then on.
func (w *world) claim(n *node, process, state string) {
	if process != "" {
		w.claims = append(w.claims, claim{n, process, state})
	}
}

func (w *world) crossing(is bool) {
	if is {
		w.work.Crossed++
	}
}

// judge holds the world at rest to what was promised.
func (w *world) judge() {
	for _, c := range w.claims {
		switch state := c.node.read(c.process).state; {
		case state == "":
			w.violate("%s answered for process %s, and does not have it", c.node.id, c.process)
		case final(c.state) && state != c.state && (c.state == "FINALIZED" || state != "TERMINATED" && state != "COMPLETED"): // of two ends of a transfer that cross, the provider's counts
			w.violate("%s answered that %s is %s, and has it as %s", c.node.id, c.process, c.state, state)
		}
	}
	for _, n := range w.nodes {
		for _, id := range n.store.order {
			if p, ok := n.store.negotiations[id]; ok {
				w.judgeNegotiation(n, &p)
			} else {
				p := n.store.transfers[id]
				w.judgePair(n, w.party(p.Other), "transfer", id, p.Pid, string(p.State), p.Waits)
			}
			for _, l := range n.store.letters[id] {
				if l.State == outbound.LetterWaits || l.State == outbound.LetterParked && n.read(id).state != "TERMINATED" {
					w.violate("letter %d of %s at %s is %s after %d tries: %s", l.N, id, n.id, l.State, l.Tries, l.Reason)
				}
			}
		}
	}
}

func (w *world) judgeNegotiation(n *node, p *negotiation.Negotiation) {
	other := w.party(p.Other)
	w.judgePair(n, other, "negotiation", p.ID, p.Pid, string(p.State), p.Waits)
	if !p.Ended() {
		w.violate("%s at %s is stuck: %s", p.ID, n.id, p.State)
	}
	own, ok := n.store.agreements[w.agreed["process "+p.ID]]
	theirs := other.store.agreements[own.id]
	switch {
	case p.State == negotiation.Terminated && ok:
		w.violate("%s at %s has ended, and its agreement is in force", p.ID, n.id)
	case p.State == negotiation.Finalized && (!ok || own.process != p.ID || theirs.process != p.Pid):
		w.violate("the agreement of %s at %s is not in force at both sides", p.ID, n.id)
	case p.State == negotiation.Finalized:
		w.work.Finalized++
	default:
		w.work.Terminated++
	}
}

// judgePair holds both sides of a process to the same end.
func (w *world) judgePair(n, other *node, kind, id, pid, state, waits string) {
	if pid == "" {
		if state != "TERMINATED" {
			w.violate("%s at %s is %s, and the other side never heard of it", id, n.id, state)
		}
		return
	}
	switch theirs := other.read(pid); {
	case theirs.state != state:
		w.violate("%s %s is %s at %s and %s at %s", kind, id, state, n.id, theirs.state, other.id)
	case waits != "":
		w.violate("%s %s at %s still waits when all is at rest: %s", kind, id, n.id, waits)
	case other.pidOf(pid) != id:
		w.violate("%s %s at %s is not the one that %s knows", kind, id, n.id, other.id)
	}
}
