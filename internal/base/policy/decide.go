package policy

import (
	"slices"
	"time"
)

// closure returns what decides a when asked.
func (a *atom) closure() func(ask) Outcome {
	if a.test == nil {
		return a.gated
	}
	test := a.test
	return func(k ask) Outcome { return test(a, k) }
}

// gated leaves a to the gate. A gate holds to what is permitted; it cannot hold to
// a prohibition by what a record says, so that one is never ruled out.
func (a *atom) gated(k ask) Outcome {
	if a.forbids && k.scope != Catalogue {
		return Unsaid
	}
	return Open
}

// before reports whether the agreement is still to come.
func (k ask) before() bool { return k.scope == Catalogue || k.scope == Negotiation }

// unknown is Open where it may be, else Unsaid.
func unknown(mayBe bool) Outcome {
	if mayBe {
		return Open
	}
	return Unsaid
}

func (a *atom) lists(s string) Outcome {
	if slices.Contains(a.list, s) != a.not() {
		return Holds
	}
	return Fails
}

func testPurpose(a *atom, k ask) Outcome {
	if k.purpose == "" {
		return unknown(k.scope == Catalogue)
	}
	return a.lists(string(k.purpose))
}

func testFormat(a *atom, k ask) Outcome {
	if k.in.Format == "" {
		return unknown(k.before())
	}
	return a.lists(k.in.Format)
}

func testCaller(a *atom, k ask) Outcome {
	if k.in.Caller == "" {
		return Unsaid
	}
	return a.lists(string(k.in.Caller))
}

func testKind(a *atom, k ask) Outcome {
	if k.in.CallerKind == "" {
		return Unsaid
	}
	return a.lists(string(k.in.CallerKind))
}

func testAccord(a *atom, k ask) Outcome {
	switch {
	case k.in.Accords == nil:
		return unknown(k.scope == Catalogue)
	case k.in.Accords(a.list[0]):
		return Holds
	}
	return Fails
}

func testTime(a *atom, k ask) Outcome {
	s, ok := a.span(k.in.Agreed)
	switch {
	case !ok:
		return unknown(k.before())
	case s.contains(k.in.Now):
		return Holds
	}
	return Fails
}

// span is a run of time from From up to, not including, Until; a zero end is open.
type span struct{ from, until time.Time }

func (s span) contains(t time.Time) bool {
	return (s.from.IsZero() || !t.Before(s.from)) && (s.until.IsZero() || t.Before(s.until))
}

// span returns when a holds; ok is false when it counts from an agreement that is
// not there.
func (a *atom) span(agreed time.Time) (s span, ok bool) {
	at := a.moment
	if a.after != nil {
		if agreed.IsZero() {
			return span{}, false
		}
		at = a.after.after(agreed)
	}
	const next = time.Nanosecond
	switch a.operator {
	case "gteq":
		s.from = at
	case "gt":
		s.from = at.Add(next)
	case "lteq":
		s.until = at.Add(next)
	case "lt":
		s.until = at
	default:
		s.from, s.until = at, at.Add(next)
	}
	return s, true
}
