package accord

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// The days of an accord that its parties should not miss, and the time around them in
// which they are reminded.
const (
	DueReview = "review" // the accord is looked at again
	DueNotice = "notice" // the last day on which notice is in time for the accord's last day
	DueTrial  = "trial"  // the last day of the trial
	DueEnd    = "end"    // the last day of the accord
	DueKey    = "key"    // the key by which a party signed expires

	DueAhead = 30 * 24 * time.Hour // a reminder begins so long before
	DueAfter = 7 * 24 * time.Hour  // and ends so long after
	// reviewsMax bounds how many reviews that come back are counted: at most one a month.
	reviewsMax = 1200
)

// Due is a day that should not be missed.
type Due struct {
	What string
	Day  string          // in the zone of the accord
	At   time.Time       // its first moment
	By   []hansa.PartyID // whose matter it is
	Key  string          // that expires
}

// Soon reports whether its parties are to be reminded at now.
func (d *Due) Soon(now time.Time) bool {
	return !now.Before(d.At.Add(-DueAhead)) && now.Before(d.At.Add(DueAfter))
}

// clocks are the days that a text names, as the machine keeps them.
type clocks struct {
	Review []string `json:",omitempty"`
	Months int      `json:",omitzero"` // between reviews, where no days are named
	Trial  string   `json:",omitempty"`
	Days   int      `json:",omitzero"` // of the trial, from the effect, where no day is named
}

func (t *Text) clocks() clocks {
	c := clocks{Review: slices.Sorted(slices.Values(t.Term.Review)), Trial: t.Term.Trial}
	for i := range t.Clauses {
		switch k := &t.Clauses[i]; k.ID {
		case "review":
			c.Months, _ = strconv.Atoi(k.Params["months"]) // not a number: none
		case "trial":
			c.Days, _ = strconv.Atoi(k.Params["days"])
		}
	}
	return c
}

// Dues lists the next day of each kind that the accord in force has, or one that is
// just past, by time. One that is not in force has none.
func (s *State) Dues(now time.Time) (out []Due) {
	if x := s.At(now); x.State != hansa.AccordInForce && x.State != hansa.AccordSuspended {
		return nil
	}
	zone, err := time.LoadLocation(s.Bound.Zone)
	if err != nil {
		return nil
	}
	all := slices.Clone(s.Bound.Parties)
	for i := range s.Members {
		id := s.Members[i].Party.ID
		all = slices.DeleteFunc(all, func(o hansa.PartyID) bool { return o == id })
		if s.Members[i].Left.IsZero() {
			all = append(all, id)
		}
	}
	add := func(what string, at time.Time) bool {
		if at.IsZero() || !now.Before(at.Add(DueAfter)) {
			return false
		}
		if !s.Ends.IsZero() && !at.Before(s.Ends) { // it is over by then
			return true
		}
		out = append(out, Due{What: what, Day: at.In(zone).Format(time.DateOnly), At: at.UTC(), By: all})
		return true
	}
	day := func(s string) time.Time {
		at, err := time.ParseInLocation(time.DateOnly, s, zone)
		if err != nil {
			return time.Time{} // none is named
		}
		return at
	}
	c, began := &s.Bound.Clocks, s.Effect.In(zone)
	start := time.Date(began.Year(), began.Month(), began.Day(), 0, 0, 0, 0, zone)
	for _, r := range c.Review {
		if add(DueReview, day(r)) {
			break
		}
	}
	for n := 1; len(c.Review) == 0 && c.Months > 0 && n <= reviewsMax; n++ {
		if add(DueReview, start.AddDate(0, n*c.Months, 0)) {
			break
		}
	}
	if c.Trial == "" && c.Days > 0 {
		add(DueTrial, start.AddDate(0, 0, c.Days))
	} else {
		add(DueTrial, day(c.Trial))
	}
	if !s.Ends.IsZero() {
		last := s.Ends.In(zone).AddDate(0, 0, -1)
		add(DueEnd, last)
		if s.Until == "" && s.Bound.Notice > 0 { // once an end is announced there is nothing left to say
			add(DueNotice, last.AddDate(0, 0, -s.Bound.Notice))
		}
	}
	slices.SortFunc(out, byTime)
	return out
}

// byTime sorts by time, then by kind.
func byTime(a, b Due) int {
	if c := a.At.Compare(b.At); c != 0 {
		return c
	}
	return strings.Compare(a.What, b.What)
}
