package negotiation_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
)

var update = flag.Bool("update", false, "rewrite the scripts with what happened")

// TestScripts plays each script in testdata, line by line, and holds it to what it
// says came of each. "> as SIDE" begins; "> hear EVENT" is a message of the other
// side, with name=value for what is unusual in it; "> act EVENT" is own's decision;
// "> told STATE" says that the message which led there has arrived. Run with
// -update, and read the diff before you keep it.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}

func play(script string) string {
	var out strings.Builder
	var n negotiation.Negotiation
	for line := range strings.Lines(script) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != ">" {
			if len(words) == 0 || words[0] == "#" {
				out.WriteString(line)
			}
			continue
		}
		out.WriteString(strings.Join(words, " ") + "\n")
		var effects []negotiation.Effect
		var err error
		next, with := n, values(words[3:])
		switch words[1] {
		case "as":
			next = negotiation.Negotiation{ID: "own", Side: hansa.Side(words[2]), Own: "did:own", Other: "did:other"}
		case "hear":
			next, effects, err = n.Hear(heard(&n, negotiation.Event(words[2]), with))
		case "act":
			m := negotiation.Message{Event: negotiation.Event(words[2]), Offer: offer(with), Callback: "https://own"}
			if m.Event == negotiation.Agree {
				m.Agreement = n.Agrees("a-1", time.Unix(0, 0))
			}
			next, effects, err = n.Act(m)
		case "told":
			next = n.Told(negotiation.State(words[2]), with["pid"], false)
		}
		if err == nil {
			n = next
		}
		say(&out, &n, effects, err)
	}
	return out.String()
}

func values(words []string) map[string]string {
	out := map[string]string{}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		out[name] = value
	}
	return out
}

func offer(with map[string]string) *policy.Policy {
	if with["offer"] == "none" {
		return nil
	}
	return &policy.Policy{ID: cmp.Or(with["offer"], "o-1"), Type: "Offer", Target: cmp.Or(with["target"], "d-1"), Assigner: "did:other", Assignee: "did:own"}
}

// heard is a message of the other side, right but for what with says.
func heard(n *negotiation.Negotiation, event negotiation.Event, with map[string]string) negotiation.Message {
	own, other := cmp.Or(with["own"], "own"), cmp.Or(with["other"], "other")
	m := negotiation.Message{
		Event: event, By: hansa.Side(cmp.Or(with["by"], string(n.Side.Other()))), ConsumerPid: other, ProviderPid: own,
		Hash: cmp.Or(with["hash"], "h"), Code: with["code"],
	}
	if n.Side == hansa.Consumer {
		m.ConsumerPid, m.ProviderPid = own, other
	}
	switch event {
	case negotiation.Request, negotiation.Offer:
		m.Offer = offer(with)
	case negotiation.Agree:
		if with["agreement"] != "none" {
			m.Agreement = offer(with)
			m.Agreement.ID = "a-1"
		}
	case negotiation.Accept, negotiation.Verify, negotiation.Finalize, negotiation.Terminate:
	}
	return m
}

// say writes how the negotiation stands, and what the node must do.
func say(out *strings.Builder, n *negotiation.Negotiation, effects []negotiation.Effect, err error) {
	fmt.Fprintf(out, "%s", cmp.Or(string(n.State), "-"))
	if len(n.Way) > 0 {
		fmt.Fprintf(out, " (the other side knows %s)", cmp.Or(string(n.Base), "nothing"))
	}
	if turn := n.Turn(); turn != "" {
		fmt.Fprintf(out, " %s's turn", turn)
	}
	for _, e := range effects {
		switch e := e.(type) {
		case negotiation.Send:
			m := &e.Message
			fmt.Fprintf(out, "; send %s %s,%s", m.Event, cmp.Or(m.ConsumerPid, "?"), cmp.Or(m.ProviderPid, "?"))
			if m.Callback != "" {
				out.WriteString(" with callback")
			}
		case negotiation.Enact:
			fmt.Fprintf(out, "; enact %s", e.Agreement.ID)
		default:
			fmt.Fprintf(out, "; %s", strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "negotiation.")))
		}
	}
	if err != nil {
		fmt.Fprintf(out, "; %s: %v", hansa.KindOf(err), err)
	}
	out.WriteString("\n")
}
