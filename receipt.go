package hansa

import "time"

// Step is a rung of the ladder that a situation climbs at one receiver.
type Step string

// The steps. Late is a clock, not a step. Values are written to disk.
const (
	StepOffered      Step = "offered"
	StepFetched      Step = "fetched"
	StepAcknowledged Step = "acknowledged"
	StepHeld         Step = "held" // kept back for review by the receiver
	StepMatched      Step = "matched"
	StepLive         Step = "live"
	StepRejected     Step = "rejected"
	StepContradicted Step = "contradicted"
	StepCleared      Step = "cleared"
	StepSilent       Step = "silent"
)

// Steps lists the ladder in its order.
func Steps() []Step {
	return []Step{StepOffered, StepFetched, StepAcknowledged, StepHeld, StepMatched, StepLive, StepRejected, StepContradicted, StepCleared, StepSilent}
}

// Rung returns how far up the ladder s stands, offered 0; -1 for an unknown step.
func (s Step) Rung() int {
	for i, t := range Steps() {
		if s == t {
			return i
		}
	}
	return -1
}

// Evidence is how a step is known.
type Evidence string

// The kinds of evidence. Node is what this node did itself: offered, fetched.
const (
	EvidenceNode     Evidence = "node"
	EvidenceSigned   Evidence = "signed"   // detached JWS by a key registered with the receiver
	EvidencePolled   Evidence = "polled"   // the node fetched the list that the receiver shows
	EvidenceObserved Evidence = "observed" // a third party's list, or a return flow
	EvidenceStated   Evidence = "stated"   // told over the receiver's credential, unsigned
)

// Receipt says that one record reached one step at one receiver.
type Receipt struct {
	ID        string    `json:"id,omitempty"`
	Flow      FlowID    `json:"flow"`
	Party     PartyID   `json:"party"` // the receiver
	Record    string    `json:"record"`
	Version   int64     `json:"version"`
	Step      Step      `json:"step"`
	At        time.Time `json:"at"` // when the receiver says it happened
	Evidence  Evidence  `json:"evidence"`
	Reason    string    `json:"reason,omitempty"`    // why rejected, held or contradicted
	Segment   string    `json:"segment,omitempty"`   // the part of the record it is about, when not all
	Signature string    `json:"signature,omitempty"` // detached JWS (RFC 7515 appendix F) over the receipt without this member
}

// Validate reports the first rule that r breaks.
func (r *Receipt) Validate() error {
	switch {
	case r.Record == "" || len(r.Record) > IDBytesMax:
		return Fielded("/record", "a receipt names the record it is about")
	case r.Step.Rung() < 0:
		return Fielded("/step", "a step is one of %v, not %q", Steps(), r.Step)
	case r.At.IsZero():
		return Fielded("/at", "a receipt says when it happened")
	case len(r.Reason) > 2000:
		return Fielded("/reason", "a reason has at most 2000 bytes")
	}
	return nil
}
