package accord_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// TestOwed: who received something owes a certificate of it once that is over, within
// the days of the term, until one names it; nobody owes what a node gave itself.
func TestOwed(t *testing.T) {
	at := func(s string) time.Time {
		x, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	flows := []accord.Flow{{ID: "1", From: "a", To: accord.Members}, {ID: "2", From: "b", To: accord.Members}, {ID: "3", From: "a", To: "b"}, {ID: "4", From: "a", To: hansa.PublicParty}}
	text := &accord.Text{Parties: []accord.Party{{ID: "a"}, {ID: "b"}}, Flows: flows, Term: accord.Term{Zone: "Europe/Amsterdam", Exit: "erase", ExitDays: 30}}
	ended := accord.State{State: hansa.AccordEnded, Force: "f", Since: at("2026-11-28T10:00:00Z")}
	lastDay := accord.State{State: hansa.AccordInForce, Force: "f", Ends: at("2026-11-30T23:00:00Z")} // midnight in Amsterdam
	left := accord.State{State: hansa.AccordInForce, Force: "f", Members: []accord.Member{
		{Party: accord.Party{ID: "c"}, Joined: at("2026-01-01T10:00:00Z"), Left: at("2026-06-01T10:00:00Z"), Gives: []accord.Flow{{ID: "5", From: "c", To: accord.Members}}},
		{Party: accord.Party{ID: "d"}, Joined: at("2026-07-01T10:00:00Z"), Gives: []accord.Flow{{ID: "6", From: "d", To: accord.Members}}},
	}}
	over := left
	over.State, over.Since = hansa.AccordEnded, at("2026-11-28T10:00:00Z")
	told := ended
	told.Erasures = []accord.ErasedBy{{By: "b", Erasure: accord.Erasure{On: told.Since, Flows: []hansa.FlowID{"1"}}}, {By: "a", Erasure: accord.Erasure{On: told.Since, Flows: []hansa.FlowID{"2"}}}}
	told.Since = told.Since.Add(300 * time.Millisecond) // a certificate says whole seconds
	early := over
	early.Erasures = []accord.ErasedBy{{By: "a", Erasure: accord.Erasure{On: at("2026-06-02T10:00:00Z"), Flows: []hansa.FlowID{"2", "5"}}}}
	again := left
	again.Members = []accord.Member{{Party: accord.Party{ID: "c"}, Joined: at("2026-07-01T10:00:00Z"), Left: at("2026-09-01T10:00:00Z")}}
	again.Erasures = []accord.ErasedBy{{By: "c", Erasure: accord.Erasure{On: at("2026-06-02T10:00:00Z"), Flows: []hansa.FlowID{"1", "2"}}}}
	apart := func(_, _ hansa.PartyID) bool { return true }
	for _, tc := range []struct {
		name      string
		s         accord.State
		now, want string
		apart     func(from, to hansa.PartyID) bool
		exit      accord.Term
	}{
		{name: "in force", s: lastDay, now: "2026-11-30T22:59:59Z"},
		{name: "after the last day", s: lastDay, now: "2026-11-30T23:00:00Z", want: "a [2] 2026-12-30, b [1 3] 2026-12-30"},
		{name: "on the last day for it", s: ended, now: "2026-12-28T22:59:00Z", want: "a [2] 2026-12-28, b [1 3] 2026-12-28"},
		{name: "late", s: ended, now: "2026-12-28T23:00:00Z", want: "a [2] 2026-12-28 late, b [1 3] 2026-12-28 late"},
		{name: "certified in part", s: told, now: "2026-12-01T00:00:00Z", want: "b [3] 2026-12-28"},
		{name: "of one node", s: ended, now: "2026-12-01T00:00:00Z", want: "b [1 3] 2026-12-28", apart: func(from, _ hansa.PartyID) bool { return from == "a" }},
		{name: "one has left, another came after", s: left, now: "2026-07-02T00:00:00Z", want: "a [5] 2026-07-01 late, b [5] 2026-07-01 late, c [1 2] 2026-07-01 late"},
		{name: "and then it ends", s: over, now: "2026-12-01T00:00:00Z", want: "a [5] 2026-07-01 late, b [5] 2026-07-01 late, c [1 2] 2026-07-01 late, a [2 6] 2026-12-28, b [1 3 6] 2026-12-28, d [1 2] 2026-12-28"},
		{name: "certified before the end", s: early, now: "2026-12-01T00:00:00Z", want: "b [5] 2026-07-01 late, c [1 2] 2026-07-01 late, a [2 6] 2026-12-28, b [1 3 6] 2026-12-28, d [1 2] 2026-12-28"},
		{name: "certified, joined and left again", s: again, now: "2026-09-02T00:00:00Z", want: "c [1 2] 2026-10-01"},
		{name: "keep", s: ended, now: "2026-12-01T00:00:00Z", exit: accord.Term{Zone: "UTC", Exit: "keep"}},
		{name: "no days", s: ended, now: "2029-12-01T00:00:00Z", exit: accord.Term{Zone: "UTC", Exit: "return"}, want: "a [2], b [1 3]"},
		{name: "never in force", s: accord.State{State: hansa.AccordEnded, Since: ended.Since}, now: "2026-12-01T00:00:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := *text
			if tc.exit.Exit != "" {
				x.Term = tc.exit
			}
			if tc.apart == nil {
				tc.apart = apart
			}
			var got []string
			for _, o := range tc.s.Owed(&x, at(tc.now), tc.apart) {
				one := strings.TrimSpace(fmt.Sprintf("%s %v %s", o.Party, o.Flows, o.Day))
				if o.Late {
					one += " late"
				}
				got = append(got, one)
			}
			if got := strings.Join(got, ", "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestCertified: certificates of one party count together, each for what it names, but
// none for what was over after it.
func TestCertified(t *testing.T) {
	end := time.Date(2026, 11, 28, 10, 0, 0, 300e6, time.UTC)
	text := &accord.Text{Parties: []accord.Party{{ID: "a"}, {ID: "b"}}, Flows: []accord.Flow{{ID: "1", From: "a", To: "b"}, {ID: "2", From: "a", To: "b"}}}
	certificate := func(on time.Time, flows ...hansa.FlowID) accord.ErasedBy {
		return accord.ErasedBy{By: "b", Erasure: accord.Erasure{On: on.Truncate(time.Second), Flows: flows}}
	}
	s := accord.State{State: hansa.AccordEnded, Force: "f", Since: end, Erasures: []accord.ErasedBy{certificate(end.Add(-time.Hour), "1", "2", "old"), certificate(end, "1")}}
	for want, flows := range map[bool][]hansa.FlowID{true: {"1", "old"}, false: {"1", "2"}} {
		if got := s.Certified(text, end, "b", flows); got != want {
			t.Errorf("%v: got %v, want %v", flows, got, want)
		}
	}
	if s.Erasures = append(s.Erasures, certificate(end.Add(time.Hour), "2")); !s.Certified(text, end, "b", []hansa.FlowID{"1", "2"}) || s.Certified(text, end, "a", []hansa.FlowID{"1"}) {
		t.Error("two certificates do not count together, or count for another")
	}
}
