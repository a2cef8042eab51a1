package accord

import "github.com/hansa-exchange/hansa"

// Consideration is what is given in return.
type Consideration struct {
	Kind   string        `json:"kind"` // none, cost, money, in-kind, permit, tax, discount or contribution
	By     hansa.PartyID `json:"by,omitempty"`
	To     hansa.PartyID `json:"to,omitempty"`
	Amount string        `json:"amount,omitempty"` // EUR 1250.00
	Unit   string        `json:"unit,omitempty"`   // month, record, request
	Cap    string        `json:"cap,omitempty"`
	Flow   hansa.FlowID  `json:"flow,omitempty"` // of in-kind
	Note   string        `json:"note,omitempty"` // why it is worth it
}

// Term is how long an accord holds. Days are dates (2026-12-01) in Zone.
type Term struct {
	From     string   `json:"from"`
	Until    string   `json:"until,omitempty"` // the last day; empty is indefinite
	Zone     string   `json:"zone"`            // IANA
	Notice   int      `json:"notice"`          // days
	Trial    string   `json:"trial,omitempty"` // the last day of the trial
	Review   []string `json:"review,omitempty"`
	Exit     string   `json:"exit"`              // keep, return or erase
	ExitDays int      `json:"exitDays,omitzero"` // within which the exit rule is carried out
}

// Early says by which clause an end before the notice is over is allowed, or which
// forbids it, by its number; 0 is that no clause speaks of it, but the term.
func (t *Text) Early() (clause int, allowed bool) {
	for i := range t.Clauses {
		switch t.Clauses[i].ID {
		case stopAtAnyTime:
			return i + 1, true
		case "notice":
			clause = i + 1
		}
	}
	return clause, false
}

// Origin says from what a text was made.
type Origin struct {
	Template string        `json:"template"`        // its name
	Party    hansa.PartyID `json:"party,omitempty"` // who published it; empty is this exchange's own
	Hash     string        `json:"hash"`
}

// Withheld is a part that the public register does not show.
type Withheld struct {
	Part string `json:"part"` // consideration, contacts, clauses, or flows/NAME
	Rule string `json:"rule"` // why: the stated rule
}
