package protocol_test

import (
	"flag"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

var update = flag.Bool("update", false, "rewrite the diagrams of docs/protocol.md")

// arrows reads a diagram back: from state to state.
func arrows(diagram string) map[string][]string {
	out := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^    (\S+) --> ([^\s:]+)`).FindAllStringSubmatch(diagram, -1) {
		out[m[1]] = append(out[m[1]], m[2])
	}
	return out
}

// reached lists what can be reached from a state.
func reached(from string, by map[string][]string) map[string]bool {
	seen, open := map[string]bool{}, []string{from}
	for len(open) > 0 {
		s := open[0]
		open = open[1:]
		for _, to := range by[s] {
			if !seen[to] {
				seen[to] = true
				if to != "[*]" {
					open = append(open, to)
				}
			}
		}
	}
	return seen
}

// TestTables: every state can be reached, every state can come to an end, and what
// has ended has no way out.
func TestTables(t *testing.T) {
	for name, tc := range map[string]struct {
		diagram string
		states  []string
		final   []string
	}{
		"negotiation": {negotiation.Diagram(), []string{"REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "FINALIZED", "TERMINATED"}, []string{"FINALIZED", "TERMINATED"}},
		"transfer":    {transfer.Diagram(), []string{"REQUESTED", "STARTED", "SUSPENDED", "COMPLETED", "TERMINATED"}, []string{"COMPLETED", "TERMINATED"}},
	} {
		t.Run(name, func(t *testing.T) {
			by := arrows(tc.diagram)
			all := reached("[*]", by)
			for _, s := range tc.states {
				if !all[s] {
					t.Errorf("%s cannot be reached", s)
				}
				if !reached(s, by)["[*]"] {
					t.Errorf("from %s there is no end", s)
				}
				if final := slices.Equal(by[s], []string{"[*]"}); final != slices.Contains(tc.final, s) {
					t.Errorf("%s leads to %v", s, by[s])
				}
			}
			if delete(all, "[*]"); len(all) != len(tc.states) {
				t.Errorf("states %v, want %v", slices.Sorted(maps.Keys(all)), tc.states)
			}
		})
	}
}

// TestEveryMoveOfTheTables: in each state each event from each side is taken where
// the specification draws it, and refused elsewhere; ending is heard wherever a
// process has not ended.
func TestEveryMoveOfTheTables(t *testing.T) {
	drawn := map[string]bool{}
	for what, diagram := range map[string]string{"negotiation": negotiation.Diagram(), "transfer": transfer.Diagram()} {
		for _, m := range regexp.MustCompile(`(?m)^    (\S+) --> \S+: (\w+) ([CP,]+)$`).FindAllStringSubmatch(diagram, -1) {
			for by := range strings.SplitSeq(m[3], ",") {
				drawn[what+" "+strings.ReplaceAll(m[1], "[*]", "")+" "+m[2]+" "+by] = true
			}
		}
	}
	moves := 0
	for _, side := range []hansa.Side{hansa.Consumer, hansa.Provider} {
		letter := strings.ToUpper(string(side[:1]))
		for _, s := range []negotiation.State{"", negotiation.Requested, negotiation.Offered, negotiation.Accepted, negotiation.Agreed, negotiation.Verified, negotiation.Finalized, negotiation.Terminated} {
			for _, e := range negotiation.Events() {
				is := drawn["negotiation "+string(s)+" "+string(e)+" "+letter]
				own := negotiation.Negotiation{Course: protocol.Course[negotiation.State]{State: s, Base: s}, ID: "p", Side: side, Offer: offer}
				if _, _, err := own.Act(negotiation.Message{Event: e, Offer: offer, Agreement: offer}); (err == nil) != is {
					t.Errorf("%s when %q by the %s itself: %v", e, s, side, err)
				}
				own.Side = side.Other()
				_, _, err := own.Hear(negotiation.Message{Event: e, By: side, Offer: offer, Agreement: offer, Hash: "x"})
				if is = is || e == negotiation.Terminate && s != "" && !own.Ended(); (err == nil) != is {
					t.Errorf("%s when %q from the %s: %v", e, s, side, err)
				}
				moves++
			}
		}
		for _, s := range []transfer.State{"", transfer.Requested, transfer.Started, transfer.Suspended, transfer.Completed, transfer.Terminated} {
			for _, e := range []transfer.Event{transfer.Request, transfer.Start, transfer.Suspend, transfer.Complete, transfer.Terminate} {
				is := drawn["transfer "+string(s)+" "+string(e)+" "+letter]
				own := transfer.Transfer{Course: protocol.Course[transfer.State]{State: s, Base: s}, ID: "p", Side: side}
				if _, _, err := own.Act(transfer.Message{Event: e}); (err == nil) != is {
					t.Errorf("%s when %q by the %s itself: %v", e, s, side, err)
				}
				own.Side = side.Other()
				if _, _, err := own.Hear(transfer.Message{Event: e, By: side, Hash: "x"}); (err == nil) != is {
					t.Errorf("%s when %q from the %s: %v", e, s, side, err)
				}
				moves++
			}
		}
	}
	t.Logf("%d moves", moves)
	if len(drawn) != 30 {
		t.Errorf("the diagrams draw %d moves, the specification 30", len(drawn))
	}
}

// TestThePageDrawsTheTables holds docs/protocol.md to the machines themselves.
func TestThePageDrawsTheTables(t *testing.T) {
	const page = "../../../docs/protocol.md"
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	diagrams := []string{negotiation.Diagram(), transfer.Diagram()}
	i := 0
	got := regexp.MustCompile("(?s)```mermaid\n.*?```").ReplaceAllStringFunc(string(b), func(string) string {
		i++
		return "```mermaid\n" + diagrams[(i-1)%2] + "```"
	})
	if i != len(diagrams) {
		t.Fatalf("the page has %d diagrams, want %d", i, len(diagrams))
	}
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if got != string(b) {
		t.Error("the page draws other machines; run this test with -update")
	}
}
