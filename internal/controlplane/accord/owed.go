package accord

import (
	"cmp"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Owed is a certificate of the exit rule that a party has not given.
type Owed struct {
	Party hansa.PartyID  `json:"party"`
	Flows []hansa.FlowID `json:"flows"`         // that it received, and that no certificate of its names
	Day   string         `json:"day,omitempty"` // the last day for all of these, in the zone of the accord; empty where the term says no days
	Late  bool           `json:"late"`          // that day is over
}

// Owed lists the certificates that the exit rule still asks for at now, by the last day
// for them and by party: after the end of each that received something, after a member
// left of that member and of who received from it. t is the version in force; apart says
// whether to has a copy of its own of what from gives. The rule keep asks for none.
func (s *State) Owed(t *Text, now time.Time, apart func(from, to hansa.PartyID) bool) (out []Owed) {
	if t == nil || s.Force == "" || t.Term.Exit == "keep" {
		return nil
	}
	zone, err := time.LoadLocation(t.Term.Zone)
	if err != nil { // it would not have come into force
		return nil
	}
	for _, x := range s.overs(t, now) {
		if !apart(x.from, x.to) || s.names(x.to, x.flow, x.at) {
			continue
		}
		one := Owed{Party: x.to}
		if t.Term.ExitDays > 0 {
			one.Day = x.at.Add(-1).In(zone).AddDate(0, 0, t.Term.ExitDays).Format(time.DateOnly) // the day of the end does not count
			one.Late = now.In(zone).Format(time.DateOnly) > one.Day
		}
		i := slices.IndexFunc(out, func(o Owed) bool { return o.Party == one.Party && o.Day == one.Day })
		if i < 0 {
			i = len(out)
			out = append(out, one)
		}
		out[i].Flows = append(out[i].Flows, x.flow)
	}
	slices.SortStableFunc(out, func(a, b Owed) int { return cmp.Compare(a.Day, b.Day) })
	return out
}

// Certified reports whether the certificates of a party name all of flows, each in one
// that is not from before what it received by that flow was over. t is the version in
// force; of a flow that it has no more each certificate counts.
func (s *State) Certified(t *Text, now time.Time, by hansa.PartyID, flows []hansa.FlowID) bool {
	over := map[hansa.FlowID]time.Time{}
	if t != nil {
		for _, x := range s.overs(t, now) {
			if x.to == by {
				over[x.flow] = x.at
			}
		}
	}
	return !slices.ContainsFunc(flows, func(id hansa.FlowID) bool { return !s.names(by, id, over[id]) })
}

// names reports whether a certificate of a party, from since or later, names a flow. A
// certificate says when it was done in whole seconds.
func (s *State) names(by hansa.PartyID, flow hansa.FlowID, since time.Time) bool {
	return slices.ContainsFunc(s.Erasures, func(e ErasedBy) bool {
		return e.By == by && !e.On.Before(since.Truncate(time.Second)) && slices.Contains(e.Flows, flow)
	})
}

// gone is a flow that one party received from another, and when that was over.
type gone struct {
	flow     hansa.FlowID
	from, to hansa.PartyID
	at       time.Time
}

// overs lists what is over at now.
func (s *State) overs(t *Text, now time.Time) (out []gone) {
	var end time.Time
	if x := s.At(now); x.State == hansa.AccordEnded {
		end = x.Since
	}
	left, joined := map[hansa.PartyID]time.Time{}, map[hansa.PartyID]time.Time{}
	var in []hansa.PartyID
	var flows []*Flow
	for i := range t.Parties {
		in = append(in, t.Parties[i].ID)
	}
	for i := range t.Flows {
		flows = append(flows, &t.Flows[i])
	}
	for i := range s.Members {
		m := &s.Members[i]
		left[m.Party.ID], joined[m.Party.ID] = m.Left, m.Joined
		if !slices.Contains(in, m.Party.ID) {
			in = append(in, m.Party.ID)
		}
		for k := range m.Gives {
			flows = append(flows, &m.Gives[k])
		}
	}
	for _, to := range in {
		for _, f := range flows {
			if f.From == to || f.To != to && f.To != Members {
				continue
			}
			at := end
			for _, l := range []time.Time{left[f.From], left[to]} { // the first of them
				if !l.IsZero() && (at.IsZero() || l.Before(at)) {
					at = l
				}
			}
			if !at.IsZero() && joined[to].Before(at) && joined[f.From].Before(at) {
				out = append(out, gone{f.ID, f.From, to, at})
			}
		}
	}
	return out
}
