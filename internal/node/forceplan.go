package node

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// pledgeState is how a flow of an accord stands. Values are written to disk.
type pledgeState string

// The states of a pledge.
const (
	pledgeOpen    pledgeState = "open"
	pledgePaused  pledgeState = "paused"
	pledgeRefused pledgeState = "refused" // it does not start; Why says why
	pledgeClosed  pledgeState = "closed"  // for ever
)

// pledge is one flow of an accord in force, from one party to another, as one of
// them on this node has to hold to it.
type pledge struct {
	Own     hansa.PartyID  `json:"own"`
	Accord  hansa.AccordID `json:"accord"`
	ID      hansa.FlowID   `json:"id"`
	Part    hansa.FlowID   `json:"part"` // the flow of the text that it is of
	Name    string         `json:"name"`
	From    hansa.PartyID  `json:"from"`
	To      hansa.PartyID  `json:"to"`
	Giver   string         `json:"giver,omitempty"` // what the text calls who gives it
	Dataset accord.Dataset `json:"dataset"`
	// Personal says that the flow is of personal data, and that the text says all that
	// is asked of one.
	Personal bool `json:"personal,omitzero"`
	// Hash is the version in force, Agreed that under which the terms were agreed and
	// Since from when they count: an unchanged flow keeps both over new versions.
	Hash      string         `json:"hash"`
	Agreed    string         `json:"agreed"`
	Since     time.Time      `json:"since"`
	TermsHash string         `json:"termsHash"`
	Terms     hansa.Terms    `json:"terms"`
	Limit     hansa.Duration `json:"limit,omitzero"`
	Ends      time.Time      `json:"ends,omitzero"` // of the accord: its flows are closed then; zero is open
	Exit      exitRule       `json:"exit"`
	Policy    *policy.Policy `json:"policy,omitzero"` // of its offer
	State     pledgeState    `json:"state"`
	Why       string         `json:"why,omitempty"`
	Wants     pledgeState    `json:"wants,omitempty"` // what it would be, but for something on this node

	Agreement string `json:"agreement,omitempty"` // that carries it
	Earlier   string `json:"earlier,omitempty"`   // under its terms of before, until the successor stands
	Fills     string `json:"fills,omitempty"`     // own dataset that takes it; as receiver from elsewhere
	Process   string `json:"process,omitempty"`   // the negotiation by machine
	Transfer  string `json:"transfer,omitempty"`
	Tries     int    `json:"tries,omitzero"`
	Problem   string `json:"problem,omitempty"` // why the last try came to nothing

	// As receiver: to whom it may go on, and by which clauses the giver answers for its
	// quality.
	Onward []hansa.PartyID `json:"onward,omitempty"`
	Stays  bool            `json:"stays,omitzero"` // the text forbids passing on to any other
	Duties []string        `json:"duties,omitempty"`
}

// gives reports whether own is the giver.
func (p *pledge) gives() bool { return p.Own == p.From }

// other is the other side.
func (p *pledge) other() hansa.PartyID {
	if p.gives() {
		return p.To
	}
	return p.From
}

// offer is the id of the offer by which it is negotiated: of these terms alone.
func (p *pledge) offer() string {
	return named("accord-offer", string(p.Accord), string(p.ID), p.Agreed)
}

// agreement is the id of the agreement between two parties of one node, which need
// not negotiate.
func (p *pledge) agreement() string {
	return named("accord-agreement", string(p.Accord), string(p.ID), p.Agreed)
}

// stands reports whether the flow runs, or will again.
func (p *pledge) stands() bool { return p.State == pledgeOpen || p.State == pledgePaused }

// flow is what the giver's gate is made of.
func (p *pledge) flow(set hansa.DatasetID, paused bool) hansa.Flow {
	return hansa.Flow{
		ID: p.ID, Name: p.Name, Dataset: set, From: p.From, To: p.To, Terms: p.Terms, Limit: p.Limit, Paused: paused || p.State != pledgeOpen,
		Basis: hansa.Basis{Kind: hansa.BasisAccord, ID: string(p.Accord), Hash: p.Hash},
	}
}

// planner makes pledges of an accord. It reads neither clock nor tables.
type planner struct {
	home  func(hansa.PartyID) hansa.PartyID          // what the node calls a party
	carry func(hansa.RecordKind) []hansa.Format      // the formats that can carry it
	kind  func(id hansa.PartyID) (k hansa.PartyKind) // of a party that the text does not describe
}

// plan says what own has to hold to by the accord as it stands: one pledge for each
// flow that own gives or receives. What of before is not among them is over.
func (l planner) plan(own hansa.PartyID, s *accord.State, t *accord.Text, before map[hansa.FlowID]*pledge) []*pledge {
	if s.Force == "" || s.State != hansa.AccordInForce && s.State != hansa.AccordSuspended {
		return nil
	}
	var out []*pledge
	for _, x := range t.Pairs(s.Members) {
		from, to := l.home(x.From), l.home(x.To)
		if from != own && to != own {
			continue
		}
		f := x.Flow
		p := &pledge{Own: own, Accord: s.ID, ID: x.ID, Part: f.ID, Name: f.Name, From: from, To: to, Giver: titleIn(s, t, x.From), Dataset: f.Dataset, Personal: f.Personal != nil, Hash: s.Force, Agreed: s.Force, Since: s.Effect, Limit: f.Limit, Ends: s.Ends, Exit: exitOf(t, f.ID), State: pledgeOpen}
		if to == own {
			p.Onward, p.Stays = onwardOf(t, f, l.home)
			p.Duties = dutiesOf(t, f.ID)
		}
		if was := before[p.ID]; was != nil {
			p.Name, p.Agreement, p.Earlier, p.Fills, p.Process, p.Transfer = was.Name, was.Agreement, was.Earlier, was.Fills, was.Process, was.Transfer
		} else if x.ID != f.ID {
			p.Name = p.Name[:min(len(p.Name), 50)] + "-" + string(p.ID[len(p.ID)-12:])
		}
		l.judge(p, before[p.ID], s, t, &x)
		out = append(out, p)
	}
	return out
}

// titleIn is what an accord calls a party.
func titleIn(s *accord.State, t *accord.Text, id hansa.PartyID) string {
	for i := range t.Parties {
		if t.Parties[i].ID == id {
			return t.Parties[i].Title
		}
	}
	for i := range s.Members {
		if s.Members[i].Party.ID == id {
			return s.Members[i].Party.Title
		}
	}
	return ""
}

// judge gives p its terms, and says whether the flow runs under them.
func (l planner) judge(p, was *pledge, s *accord.State, t *accord.Text, x *accord.Pair) {
	refuse := func(why string) { p.State, p.Why = pledgeRefused, why }
	hash, err := t.TermsHash(x.Flow)
	if err != nil {
		refuse(hansa.Public(err).Error())
		return
	}
	p.TermsHash = hash
	for _, id := range []hansa.PartyID{x.From, x.To} {
		if id == hansa.PublicParty || s.Consents(id) {
			continue
		}
		refuse(cmp.Or(titleIn(s, t, id), string(id)) + " has not said yet that it knows " + cmp.Or(titleIn(s, t, s.Bound.Served), string(s.Bound.Served)) + ", which served this, as the authority")
		return
	}
	if was != nil && was.stands() && was.TermsHash == hash { // it runs on as it was agreed
		p.Agreed, p.Since = was.Agreed, was.Since
	}
	if p.Terms, err = l.terms(p, s, t, x); err != nil {
		refuse(hansa.Public(err).Error())
		return
	}
	for _, why := range []string{blocked(t, x.Flow), unsaid(x.Flow.Personal), l.door(p, t, x)} {
		if why != "" {
			refuse(why)
			return
		}
	}
	p.Policy = offered(p, t.Policy(x.Flow.ID))
	if by := suspendedBy(s, x); by != "" {
		p.State, p.Why = pledgePaused, "suspended by "+string(by)
	}
}

// suspendedBy is who suspended a flow; empty is nobody.
func suspendedBy(s *accord.State, x *accord.Pair) hansa.PartyID {
	for _, y := range s.Suspended {
		if (y.Party == x.From || y.Party == x.To) && (y.Flow == "" || y.Flow == x.ID || y.Flow == x.Flow.ID) {
			return y.Party
		}
	}
	return ""
}

// terms are what the giver's gate holds to: those of the clauses, within the time of
// the accord, without the marked fields whose measures are not confirmed.
func (l planner) terms(p *pledge, s *accord.State, t *accord.Text, x *accord.Pair) (hansa.Terms, error) {
	f := x.Flow
	out, err := t.Terms(f, p.Since)
	if err != nil {
		return out, err
	}
	can := l.carry(f.Dataset.Kind)
	for _, list := range [][]hansa.Format{f.Formats, can} {
		if len(out.Formats) == 0 {
			out.Formats = slices.Clone(list)
		} else if len(list) > 0 {
			out.Formats = slices.DeleteFunc(slices.Clone(out.Formats), func(x hansa.Format) bool { return !slices.Contains(list, x) })
		}
	}
	if len(out.Formats) == 0 {
		return out, hansa.Fielded("/formats", "none of the formats agreed can carry a %s: these can: %s", f.Dataset.Kind, joined(can))
	}
	if p.Since.After(out.From) {
		out.From = p.Since
	}
	if !p.Ends.IsZero() && (out.Until.IsZero() || p.Ends.Before(out.Until)) {
		out.Until = p.Ends
	}
	if !out.Until.IsZero() && !out.Until.After(out.From) {
		return out, hansa.Fielded("/term", "its time is over at %s, before it begins", out.Until.Format(time.RFC3339))
	}
	for _, m := range f.Marked {
		if !slices.ContainsFunc(s.Confirmed, func(c accord.Confirmation) bool { return c.By == x.To && (c.Flow == x.ID || c.Flow == f.ID) }) {
			out.Held = append(out.Held, m.Field)
		}
	}
	if f.Personal == nil {
		if out.Conditions == nil {
			out.Conditions = map[string]string{}
		}
		out.Conditions["personal"] = "none"
	} else {
		out.Retention = f.Personal.Retention
	}
	for i := range t.Clauses {
		c := &t.Clauses[i]
		n, err := strconv.Atoi(c.Params["days"])
		if c.ID == "retention" && c.About(f.ID) && err == nil && n > 0 && (out.Retention == 0 || n < out.Retention) {
			out.Retention = n
		}
	}
	return out, nil
}

func joined[T ~string](list []T) string { return strings.Join(names(list), ", ") }

// blocked names the clause that no gate can hold to yet. Trade secrets are held back
// field by field until their measures are confirmed, and block nothing.
func blocked(t *accord.Text, f *accord.Flow) string {
	for i := range t.Clauses {
		if c := &t.Clauses[i]; c.About(f.ID) && c.Blocks && c.ID != "trade-secrets" {
			return "clause " + strconv.Itoa(i+1) + " (" + c.ID + ") asks for what no gate can hold to yet: the flow starts when one can"
		}
	}
	return ""
}

// unsaid names what has to be said before a flow of personal data can start.
func unsaid(p *accord.Personal) string {
	if p == nil {
		return ""
	}
	var missing []string
	for _, x := range []struct {
		said bool
		name string
	}{{p.Roles != "", "the roles as controllers"}, {p.Basis != "", "the legal basis"}, {p.Assessment != "", "the reference of the impact assessment"}, {p.Retention > 0, "the retention"}, {p.Country != "", "whether it goes to a third country"}} {
		if !x.said {
			missing = append(missing, x.name)
		}
	}
	if missing == nil {
		return ""
	}
	return "a flow of personal data says " + strings.Join(missing, ", ") + " before it starts"
}

// door says why the clauses let the receiver not in; empty when they do.
func (l planner) door(p *pledge, t *accord.Text, x *accord.Pair) string {
	rules := t.Policy(x.Flow.ID)
	rules.Obligation = nil
	compiled, err := policy.Compile(rules)
	if err != nil {
		return hansa.Public(err).Error()
	}
	kind := l.kind(p.To)
	for i := range t.Parties {
		if t.Parties[i].ID == x.To {
			kind = t.Parties[i].Kind
		}
	}
	dec := compiled.Evaluate(policy.Transfer, policy.Input{Now: p.Terms.From, Agreed: p.Since, Caller: x.To, CallerKind: kind, Purposes: p.Terms.Purposes, Format: string(p.Terms.Formats[0])})
	if dec.Allowed {
		return ""
	}
	return strings.Join(reasons(dec), "; ")
}

// offered is the policy under which the flow is offered to its receiver: the rules
// of its clauses, the formats, and that the accord is in force. Duties stay in the
// accord: an agreement between connectors knows none.
func offered(p *pledge, of *policy.Policy) *policy.Policy {
	out := of.Clone()
	out.ID, out.Type, out.Obligation = p.offer(), policy.Offer, nil
	for i := range out.Permission {
		r := &out.Permission[i]
		if !slices.ContainsFunc(r.Constraint, func(c policy.Constraint) bool { return c.LeftOperand == policy.FileFormat }) {
			r.Constraint = append(r.Constraint, oneOf(policy.FileFormat, p.Terms.Formats))
		}
		r.Constraint = append(r.Constraint, oneOf(policy.Accord, []string{"sha-256:" + p.Agreed}))
	}
	return out
}

func oneOf[T ~string](left string, values []T) policy.Constraint {
	c := policy.Constraint{LeftOperand: left, Operator: "eq"}
	var right any = values[0]
	if len(values) > 1 {
		c.Operator, right = "isAnyOf", values
	}
	b, err := json.Marshal(right)
	if err == nil { // texts: else it says nothing, and is refused
		c.RightOperand = jsontext.Value(b)
	}
	return c
}

// accordOf is the version of an accord that a policy stands on; empty of none.
func accordOf(p *policy.Policy) string {
	for i := range p.Permission {
		for _, c := range p.Permission[i].Constraint {
			var s string
			if c.LeftOperand == policy.Accord && json.Unmarshal(c.RightOperand, &s) == nil {
				return strings.TrimPrefix(s, "sha-256:")
			}
		}
	}
	return ""
}
