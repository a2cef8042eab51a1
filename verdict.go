package hansa

// Outcome is what a gate decides. The zero value denies. Values are written to
// disk: append, never renumber.
type Outcome uint8

// The outcomes.
const (
	Deny Outcome = iota // nothing leaves
	Trim                // it leaves without what the terms withhold
	Pass                // it leaves as it is
)

func (o Outcome) String() string {
	switch o {
	case Pass:
		return "pass"
	case Trim:
		return "trim"
	case Deny:
		return "deny"
	}
	return "deny"
}

// Verdict is a gate's decision on one record, with the rule that decided. Rule
// is a constant: a verdict allocates nothing.
type Verdict struct {
	Outcome Outcome
	Rule    Rule
}
