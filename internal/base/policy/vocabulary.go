package policy

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The namespaces of terms.
const (
	nsODRL  = "http://www.w3.org/ns/odrl/2/"
	nsHansa = "https://hansa-exchange.org/ns/"
	nsEDC   = "https://w3id.org/edc/v0.0.1/ns/"
)

// ActionUse is the one action that a permission or a prohibition can have.
const ActionUse = "use"

// The left operands that a constraint can have, as they are written: ODRL's own
// by their term, others by their IRI. docs/formats/policy.md says what each means.
const (
	Purpose     = "purpose"
	DateTime    = "dateTime"
	ElapsedTime = "elapsedTime"
	Spatial     = "spatial"
	Recipient   = "recipient"
	AssigneeIs  = "assignee"
	FileFormat  = "fileFormat"
	PartyKind   = nsHansa + "partyKind"
	Accord      = nsHansa + "accord"
	Delay       = nsHansa + "delay"
	Precision   = nsHansa + "precision"
	Fields      = nsHansa + "fields"
	Window      = nsHansa + "window"
	Audience    = nsHansa + "audience"
	Personal    = nsHansa + "personal"
	InForceDate = nsEDC + "inForceDate"
)

// operand is one left operand: the operators that fit it, how its right operand
// is read, and how it is decided and said. One without test is the gate's to
// hold to, record by record.
type operand struct {
	name      string
	operators []string
	read      func(a *atom, v jsontext.Value) error
	test      func(a *atom, k ask) Outcome
	phrase    func(a *atom) string
	reason    func(a *atom, k ask, got Outcome) string // nil is the phrase and a verdict
}

var (
	anyOrNone = []string{"eq", "isAnyOf", "neq", "isNoneOf"}
	anyOf     = []string{"eq", "isAnyOf"}
	order     = []string{"gteq", "gt", "lteq", "lt"}
)

// vocabulary is the one table of what a constraint can say.
var vocabulary = [...]operand{
	{Purpose, anyOrNone, readList, testPurpose, sayPurpose, reasonPurpose},
	{DateTime, append([]string{"eq"}, order...), readMoment, testTime, sayTime, reasonTime},
	{ElapsedTime, []string{"lteq", "lt"}, readElapsed, testTime, sayTime, reasonTime},
	{Spatial, []string{"eq", "isPartOf"}, readArea, nil, sayArea, nil},
	{Recipient, anyOf, readList, testCaller, sayCaller, reasonCaller},
	{AssigneeIs, anyOf, readList, testCaller, sayCaller, reasonCaller},
	{FileFormat, anyOf, readList, testFormat, sayFormat, reasonFormat},
	{PartyKind, anyOf, readKinds, testKind, sayKind, reasonKind},
	{Accord, []string{"eq"}, readAccord, testAccord, sayAccord, reasonAccord},
	{Delay, []string{"eq", "gteq"}, readDelay, nil, sayDelay, nil},
	{Precision, []string{"eq", "lteq"}, readPrecision, nil, sayPrecision, nil},
	{Fields, anyOf, readFields, nil, sayFields, nil},
	{Window, anyOf, readWindows, nil, sayWindows, nil},
	{Audience, []string{"eq"}, readOnly("public"), nil, sayAudience, nil},
	{Personal, []string{"eq"}, readOnly("none"), nil, sayPersonal, nil},
	{InForceDate, order, readInForce, testTime, sayTime, reasonTime},
}

// LeftOperands lists the left operands that a policy can name.
func LeftOperands() []string {
	names := make([]string, len(vocabulary))
	for i := range vocabulary {
		names[i] = vocabulary[i].name
	}
	return names
}

// lookUp returns the operand by any of its spellings, or nil.
func lookUp(s string) *operand {
	term := operandTerm(s)
	i := slices.IndexFunc(vocabulary[:], func(o operand) bool { return o.name == term })
	if i < 0 {
		return nil
	}
	return &vocabulary[i]
}

// actionTerm returns the one spelling of an action.
func actionTerm(s string) string { return odrlTerm(s) }

// operandTerm returns the one spelling of a left operand: ODRL's by their term,
// others by their IRI.
func operandTerm(s string) string {
	if rest, ok := strings.CutPrefix(s, "edc:"); ok {
		return nsEDC + rest
	}
	return odrlTerm(s)
}

func odrlTerm(s string) string {
	for _, prefix := range []string{nsODRL, "odrl:"} {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			return rest
		}
	}
	return s
}
