package hansa

import "unicode/utf8"

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

// AppendJSON appends f as JSON and returns b: the same bytes for the same finding.
// A batch has thousands, and they are half of what is written of it.
func (f *Finding) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	for _, m := range [...]struct {
		name, value string
		always      bool
	}{
		{`"rule":`, string(f.Rule), true},
		{`"severity":`, string(f.Severity), true},
		{`"field":`, f.Field, false},
		{`"value":`, f.Value, false},
		{`"message":`, f.Message, true},
		{`"mend":`, f.Mend, false},
	} {
		if m.value == "" && !m.always {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = AppendJSONString(append(b, m.name...), m.value)
	}
	return append(b, '}')
}

// AppendFindings appends list as a JSON array and returns b.
func AppendFindings(b []byte, list []Finding) []byte {
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = list[i].AppendJSON(b)
	}
	return append(b, ']')
}

// AppendJSONString appends s as a JSON string (RFC 8259) that may stand in HTML:
// what would end a script there is escaped. Bytes that are no UTF-8 become U+FFFD.
func AppendJSONString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20 || r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029':
			b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
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
