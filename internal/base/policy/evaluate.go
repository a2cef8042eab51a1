package policy

import (
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Scope is the moment at which a policy is asked. The zero Scope is the strictest.
type Scope uint8

// The scopes. In the catalogue and the negotiation some things cannot be known
// yet; they are left open there, and must be known from the transfer on.
const (
	Use Scope = iota // during use: a policy that stops holding ends a running transfer
	Catalogue
	Negotiation
	Transfer
)

func (s Scope) String() string {
	switch s {
	case Catalogue:
		return "catalogue"
	case Negotiation:
		return "negotiation"
	case Transfer:
		return "transfer"
	case Use:
		return "use"
	}
	return "use"
}

// Input is what is known when a policy is asked.
type Input struct {
	Now        time.Time
	Agreed     time.Time       // when the agreement was made; zero before there is one
	Caller     hansa.PartyID   // who would receive, as authenticated
	CallerKind hansa.PartyKind // empty when it is not known
	// Purposes are what the receiver says it is for; each must be permitted. In a
	// catalogue there may be none.
	Purposes []hansa.Purpose
	Format   string // what would leave; may be empty until the transfer
	// Accords says whether the accord whose version has this hex SHA-256 is in
	// force here, or one that descends from it with the flow's terms unchanged.
	Accords func(hash string) bool
}

// Outcome is what became of one constraint. The zero value denies.
type Outcome uint8

// The outcomes.
const (
	Fails  Outcome = iota
	Holds          // it is so
	Open           // not decided here: later, or by the gate on each record
	Unsaid         // it had to be known here and is not: it permits nothing, and rules nothing out
)

// Reason is what became of one constraint, in words.
type Reason struct {
	Path    string  // JSON pointer of the rule or constraint within the policy
	Outcome Outcome // in a prohibition Holds is what denies
	Words   string
}

// Decision is a policy's answer with its reasons. When it allows, they are those
// of the permission that does, and of what is forbidden and does not apply; when
// it denies, those of what denies.
type Decision struct {
	Allowed bool
	Reasons []Reason
}

// ask is one question: a scope, what is known, and one purpose or none.
type ask struct {
	scope   Scope
	in      Input
	purpose hansa.Purpose
}

// Allows reports what [Compiled.Evaluate] decides, without its reasons. It
// allocates nothing.
func (c *Compiled) Allows(s Scope, in Input) bool {
	if len(in.Purposes) == 0 {
		return c.allows(ask{scope: s, in: in})
	}
	for _, p := range in.Purposes {
		if !c.allows(ask{scope: s, in: in, purpose: p}) {
			return false
		}
	}
	return true
}

// allows decides one question: a prohibition that may apply denies, then the
// first permission that applies permits; else nothing does.
func (c *Compiled) allows(k ask) bool {
	for i := range c.forbid {
		if o := allHold(c.forbid[i].nodes, k); o == Holds || o == Unsaid {
			return false
		}
	}
	return c.permitting(k) >= 0
}

// permitting returns the first permission that applies, or -1.
func (c *Compiled) permitting(k ask) int {
	return slices.IndexFunc(c.permit, func(p ruling) bool {
		o := allHold(p.nodes, k)
		return o == Holds || o == Open
	})
}

// allHold is Holds when all nodes hold: a failure decides, then what is unsaid,
// then what is open. No nodes hold.
func allHold(nodes []node, k ask) Outcome {
	worst := Holds
	for i := range nodes {
		switch nodes[i].test(k) {
		case Fails:
			return Fails
		case Unsaid:
			worst = Unsaid
		case Open:
			if worst == Holds {
				worst = Open
			}
		case Holds:
		}
	}
	return worst
}

// anyHolds is Holds when one node does; then what is unsaid decides, then what is open.
func anyHolds(nodes []node, k ask) Outcome {
	best := Fails
	for i := range nodes {
		switch nodes[i].test(k) {
		case Holds:
			return Holds
		case Unsaid:
			best = Unsaid
		case Open:
			if best == Fails {
				best = Open
			}
		case Fails:
		}
	}
	return best
}

// oneHolds is Holds when exactly one node does and no other may.
func oneHolds(nodes []node, k ask) Outcome {
	var n [Unsaid + 1]int
	for i := range nodes {
		n[nodes[i].test(k)]++
	}
	switch {
	case n[Holds] > 1:
		return Fails
	case n[Unsaid] > 0:
		return Unsaid
	case n[Open] > 0:
		return Open
	case n[Holds] == 1:
		return Holds
	}
	return Fails
}

// NextChange returns the first moment after in.Now at which waiting alone may
// change an answer: where a period that the policy names begins or ends. It is
// zero when there is none.
func (c *Compiled) NextChange(in Input) (next time.Time) {
	for _, a := range c.timed {
		s, ok := a.span(in.Agreed)
		if !ok {
			continue
		}
		for _, at := range [...]time.Time{s.from, s.until} {
			if at.After(in.Now) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	return next
}
