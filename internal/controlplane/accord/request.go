package accord

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// Limits of a request.
const (
	RequestPurposesMax = 20
	RequestDaysMax     = 90 // working days
	RequestDays        = 10 // where nobody says another number
	RequestStepsMax    = 50
)

// Request is what one party asks of another, or offers it, before there is an accord.
type Request struct {
	Offers   bool            `json:"offers,omitzero"`   // it is offered, not asked for
	Dataset  string          `json:"dataset,omitempty"` // by its giver's name for it; empty is one that is not there yet
	What     string          `json:"what"`              // in plain words
	Purposes []hansa.Purpose `json:"purposes"`
	Use      string          `json:"use,omitempty"` // what is done with it, in plain words
	From     string          `json:"from,omitempty"`
	Until    string          `json:"until,omitempty"` // the first and the last day
	Model    hansa.Model     `json:"model"`           // that is preferred
	// Rule is the legal rule of the pack that sets the time of the first answer; where it
	// is empty each turn has Days working days, and the request lapses after them.
	Rule    string `json:"rule,omitempty"`
	Days    int    `json:"days"`
	Country string `json:"country"` // whose working days are counted: a calendar of the pack
	Pack    Pack   `json:"pack"`
}

// RequestRules are the legal rules by which a public body can ask.
func RequestRules() []string { return []string{"data-act-answer-emergency", "data-act-answer-other"} }

// Validate reports the first rule that r breaks, by its field.
func (r *Request) Validate() error {
	switch {
	case strings.TrimSpace(r.What) == "":
		return hansa.Fielded("/what", "say in plain words which data it is about")
	case r.Dataset != "" && !hansa.ValidName(r.Dataset):
		return hansa.Fielded("/dataset", "a dataset's name is 1 to 63 of a-z, 0-9 and hyphen")
	case len(r.Purposes) == 0 || len(r.Purposes) > RequestPurposesMax:
		return hansa.Fielded("/purposes", "a request has 1 to %d purposes", RequestPurposesMax)
	case !slices.Contains(hansa.Models(), r.Model):
		return hansa.Fielded("/model", "the model is one of %v, not %.40q", hansa.Models(), r.Model)
	case r.Rule != "" && !slices.Contains(RequestRules(), r.Rule):
		return hansa.Fielded("/rule", "the rule that sets the time is one of %s, not %.60q", strings.Join(RequestRules(), ", "), r.Rule)
	case r.Days < 1 || r.Days > RequestDaysMax:
		return hansa.Fielded("/days", "a turn has 1 to %d working days", RequestDaysMax)
	case len(r.Pack.ID) > 100 || len(r.Pack.Hash) > 100:
		return hansa.Fielded("/pack", "the id and the hash of a rule pack are at most 100 bytes long")
	case len(r.Country) > 10:
		return hansa.Fielded("/country", "no calendar has such a long name")
	case r.Offers && r.Rule != "":
		return hansa.Fielded("/rule", "no law sets a time in which an offer is answered")
	case r.From != "" && r.Until != "" && r.Until < r.From:
		return hansa.Fielded("/until", "the last day lies before the first")
	}
	for _, p := range r.Purposes {
		if !hansa.ValidName(string(p)) {
			return hansa.Fielded("/purposes", "a purpose is a short name such as navigation, not %.60q", p)
		}
	}
	for _, day := range []struct{ field, day string }{{"/from", r.From}, {"/until", r.Until}} {
		if _, err := time.Parse(time.DateOnly, day.day); day.day != "" && err != nil {
			return noDay(day.field, day.day)
		}
	}
	return cmp.Or(said("/what", r.What, WordsBytesMax), said("/use", r.Use, WordsBytesMax))
}

// RequestAct is what a party says of a request. Values are written to disk and wire.
type RequestAct string

// The acts.
const (
	Asked     RequestAct = "request" // the first
	Accepted  RequestAct = "accept"
	Declined  RequestAct = "decline" // with a reason
	Countered RequestAct = "counter" // with other terms
)

// Answer is what a party answers.
type Answer struct {
	Act     RequestAct `json:"act"` // accept, decline or counter
	Words   string     `json:"words,omitempty"`
	Request *Request   `json:"request,omitempty"` // counter: what it would agree to
}

func (a *Answer) validate() error {
	switch {
	case !slices.Contains([]RequestAct{Accepted, Declined, Countered}, a.Act):
		return hansa.Fielded("/act", "a request is answered by accept, decline or counter, not %.40q", a.Act)
	case a.Act == Declined && strings.TrimSpace(a.Words) == "":
		return hansa.Fielded("/words", "say why, in a sentence that the other side reads")
	case (a.Act == Countered) != (a.Request != nil):
		return hansa.Fielded("/request", "a counter-proposal says what one would agree to, and nothing else does")
	}
	if a.Request != nil {
		if err := a.Request.Validate(); err != nil {
			return hansa.Public(err).At("/request" + hansa.Public(err).Field)
		}
	}
	return said("/words", a.Words, WordsBytesMax)
}

// RequestState is how far a request has come.
type RequestState string

// The states.
const (
	RequestOpen     RequestState = "open"
	RequestAccepted RequestState = "accepted"
	RequestDeclined RequestState = "declined"
	RequestLapsed   RequestState = "lapsed"
	RequestUnheard  RequestState = "unheard" // the other node will not have it
)

// Asking is a request with what was said of it.
type Asking struct {
	ID     hansa.AccordID `json:"id"` // that an accord can take
	From   hansa.PartyID  `json:"from"`
	To     hansa.PartyID  `json:"to"`
	Steps  []AskingStep   `json:"steps"`
	State  RequestState   `json:"state"`
	Turn   hansa.PartyID  `json:"turn,omitempty"` // empty when it has ended
	Since  time.Time      `json:"since"`
	Due    time.Time      `json:"due,omitzero"`     // the first moment that is too late
	Source string         `json:"source,omitempty"` // act and article that set it; empty is what was asked for
	Reason string         `json:"reason,omitempty"` // why it is unheard
}

// AskingStep is one thing that was said.
type AskingStep struct {
	Message string        `json:"message"` // its id: a repeat is known by it
	By      hansa.PartyID `json:"by"`
	At      time.Time     `json:"at"`
	Act     RequestAct    `json:"act"`
	Words   string        `json:"words,omitempty"`
	Request *Request      `json:"request,omitempty"`
}

// Terms is what is on the table: of the newest step that says terms.
func (a *Asking) Terms() *Request {
	for _, s := range slices.Backward(a.Steps) {
		if s.Request != nil {
			return s.Request
		}
	}
	return &Request{}
}

// Other is the party that a request is with, for one of its two.
func (a *Asking) Other(own hansa.PartyID) hansa.PartyID {
	if own == a.From {
		return a.To
	}
	return a.From
}

// At returns a as it stands at now: what nobody answered in its time has lapsed, unless
// the law set that time: then it stays open, and late.
func (a *Asking) At(now time.Time) Asking {
	out := *a
	if a.State == RequestOpen && a.Source == "" && !a.Due.IsZero() && !now.Before(a.Due) {
		out.State, out.Turn, out.Since = RequestLapsed, "", a.Due
	}
	return out
}

// Late reports whether the time that the law sets is over.
func (a *Asking) Late(now time.Time) bool {
	return a.State == RequestOpen && a.Source != "" && !now.Before(a.Due)
}

// Heard reports whether a message is among what was said.
func (a *Asking) Heard(message string) bool {
	return slices.ContainsFunc(a.Steps, func(s AskingStep) bool { return s.Message == message })
}

// Step returns what a request comes to by a message that was received at now. A repeat
// does nothing. Its error is Conflict when it is not the sender's turn.
func (a *Asking) Step(m *Message, now time.Time) (Asking, error) {
	out := *a
	if a.Heard(m.ID) {
		return out, nil
	}
	step := AskingStep{Message: m.ID, By: m.From, At: m.At, Act: Asked, Request: m.Body.Request}
	if m.Kind == Asks {
		if a.State != "" {
			return out, hansa.Errorf(hansa.Conflict, "there is a request of this id already")
		}
		out = Asking{ID: m.Accord, From: m.From, To: m.To, State: RequestOpen}
	} else {
		stands := a.At(now)
		switch {
		case stands.State != RequestOpen:
			return out, hansa.Errorf(hansa.Conflict, "the request is %s already", stands.State)
		case a.Turn != m.From:
			return out, hansa.Errorf(hansa.Conflict, "it is the other side's turn")
		case len(a.Steps) >= RequestStepsMax:
			return out, hansa.Errorf(hansa.Conflict, "a request is answered at most %d times: accept it or decline it", RequestStepsMax)
		}
		x := m.Body.Answer
		if x.Request != nil && x.Request.Offers != a.Terms().Offers {
			return out, hansa.Fielded("/request/offers", "a counter-proposal changes the terms, and not who gives")
		}
		if x.Request != nil && x.Request.Rule != "" {
			return out, hansa.Fielded("/request/rule", "the law's time was that of the first answer")
		}
		step.Act, step.Words, step.Request = x.Act, x.Words, x.Request
	}
	out.Steps = append(slices.Clone(a.Steps), step)
	out.Since, out.Due, out.Source, out.Turn = now, time.Time{}, "", ""
	switch step.Act {
	case Accepted:
		out.State = RequestAccepted
		return out, nil
	case Declined:
		out.State = RequestDeclined
		return out, nil
	case Asked, Countered:
	}
	out.Turn = out.Other(m.From)
	return out, out.Wind(now)
}

// Wind sets the clock anew from when a message was received. Its error is Invalid when
// the pack has no such calendar, or not that year.
func (a *Asking) Wind(received time.Time) (err error) {
	r := a.Terms()
	a.Due, a.Source, err = r.due(received, len(a.Steps) == 1)
	return err
}

// zones are those in which the days of a calendar begin.
var zones = map[string]string{"EU": "Europe/Brussels", "NL": "Europe/Amsterdam", "IT": "Europe/Rome"}

// due is when the answer to r is due, and what sets it.
func (r *Request) due(from time.Time, first bool) (time.Time, string, error) {
	pack := policy.Packs()[0]
	if i := slices.IndexFunc(policy.Packs(), func(p *policy.Pack) bool { return p.Name() == r.Pack.ID }); i >= 0 {
		pack = policy.Packs()[i]
	}
	zone, err := time.LoadLocation(cmp.Or(zones[r.Country], "UTC"))
	if err != nil {
		return time.Time{}, "", err
	}
	if r.Rule != "" && first {
		d, err := pack.Deadline(r.Rule, r.Country, from.In(zone))
		if err != nil {
			return time.Time{}, "", err
		}
		return d.By.UTC(), d.Rule.Source, nil
	}
	day, err := pack.AddWorkingDays(r.Country, from.In(zone), r.Days)
	if err != nil {
		return time.Time{}, "", err
	}
	return day.AddDate(0, 0, 1).UTC(), "", nil
}
