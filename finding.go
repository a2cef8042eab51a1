package hansa

// Rule names a check, e.g. TIME-01. The list is in docs/formats/findings.md.
type Rule string

// FindingSeverity is how much a finding matters.
type FindingSeverity string

// The severities of a finding. An own publication with an error is refused; a
// foreign record with one is kept and marked.
const (
	Note    FindingSeverity = "note"
	Warning FindingSeverity = "warning"
	Fault   FindingSeverity = "error"
)

// Finding is one defect of one record, with where, what, which rule and the mend.
type Finding struct {
	Rule     Rule            `json:"rule"`
	Severity FindingSeverity `json:"severity"`
	Field    string          `json:"field,omitempty"` // JSON pointer, or XPath for XML input
	Value    string          `json:"value,omitempty"` // as it came, at most 200 bytes
	Message  string          `json:"message"`
	Mend     string          `json:"mend,omitempty"`
}

// LossKind says what a format did to a fact.
type LossKind string

// The kinds of loss. Refused means that nothing was written, because writing
// would have made the fact false.
const (
	LossNotExpressible LossKind = "not-expressible"
	LossInvented       LossKind = "invented" // a value that the format demands and the record lacks
	LossSplit          LossKind = "split"    // one record became several
	LossWidened        LossKind = "widened"  // the fact became broader, harmlessly: never a closure
	LossRefused        LossKind = "refused"
)

// Loss is one thing that a format could not say as it was (decision 9).
type Loss struct {
	Record string   `json:"record"`
	Field  string   `json:"field"`
	Value  string   `json:"value,omitempty"`
	Kind   LossKind `json:"kind"`
	Reason string   `json:"reason"`
}
