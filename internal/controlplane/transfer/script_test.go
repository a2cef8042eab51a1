package transfer_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
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
	var n transfer.Transfer
	for line := range strings.Lines(script) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != ">" {
			if len(words) == 0 || words[0] == "#" {
				out.WriteString(line)
			}
			continue
		}
		out.WriteString(strings.Join(words, " ") + "\n")
		var effects []transfer.Effect
		var err error
		next, with := n, values(words[3:])
		switch words[1] {
		case "as":
			next = transfer.Transfer{ID: "own", Side: hansa.Side(words[2])}
		case "hear":
			next, effects, err = n.Hear(heard(&n, transfer.Event(words[2]), with))
		case "act":
			next, effects, err = n.Act(transfer.Message{Event: transfer.Event(words[2]), Code: with["code"], Address: address(with)})
		case "told":
			next = n.Told(transfer.State(words[2]), 0, with["pid"], false)
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

func address(with map[string]string) *transfer.Address {
	if with["at"] == "" {
		return nil
	}
	return &transfer.Address{Endpoint: with["at"]}
}

// heard is a message of the other side, right but for what with says.
func heard(t *transfer.Transfer, event transfer.Event, with map[string]string) transfer.Message {
	own, other := cmp.Or(with["own"], "own"), cmp.Or(with["other"], "other")
	m := transfer.Message{
		Event: event, By: hansa.Side(cmp.Or(with["by"], string(t.Side.Other()))), ConsumerPid: other, ProviderPid: own,
		Hash: cmp.Or(with["hash"], "h"), Code: with["code"], Address: address(with),
	}
	if t.Side == hansa.Consumer {
		m.ConsumerPid, m.ProviderPid = own, other
	}
	return m
}

// say writes how the transfer stands, and what the node must do.
func say(out *strings.Builder, t *transfer.Transfer, effects []transfer.Effect, err error) {
	fmt.Fprintf(out, "%s", cmp.Or(string(t.State), "-"))
	if len(t.Way) > 0 {
		fmt.Fprintf(out, " (the other side knows %s)", cmp.Or(string(t.Base), "nothing"))
	}
	if t.PausedBy != "" {
		fmt.Fprintf(out, " paused by the %s", t.PausedBy)
	}
	for _, e := range effects {
		switch e := e.(type) {
		case transfer.Send:
			fmt.Fprintf(out, "; send %s %s,%s", e.Message.Event, cmp.Or(e.Message.ConsumerPid, "?"), cmp.Or(e.Message.ProviderPid, "?"))
		case transfer.Open:
			out.WriteString("; open")
			if e.Address != nil {
				out.WriteString(" at " + e.Address.Endpoint)
			}
		case transfer.Close:
			out.WriteString("; close")
			if e.Final {
				out.WriteString(" for good")
			}
		case transfer.Settle:
			fmt.Fprintf(out, "; settle %s", cmp.Or(string(e.Until), "all"))
		default:
			fmt.Fprintf(out, "; %s", strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "transfer.")))
		}
	}
	if err != nil {
		fmt.Fprintf(out, "; %s: %v", hansa.KindOf(err), err)
	}
	out.WriteString("\n")
}
