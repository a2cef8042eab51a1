package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type inspectCmd struct {
	Process string `arg:"" help:"A request or a transfer, by its id, or how that begins."`
	Bodies  bool   `help:"Also each message's body, and what was answered. Secrets are left out."`
}

func (inspectCmd) examples() []string {
	return []string{"hansa inspect 0192f0c4", "hansa inspect 0192f0c4 --bodies", "hansa inspect 0192f0c4 --json | jq '.messages[] | {kind, state, status}'"}
}

func (cmd *inspectCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	id, err := c.processID(ctx, cmd.Process)
	if err != nil {
		return err
	}
	var x api.Process
	if err := c.do(ctx, "GET", "/api/v1/processes/"+url.PathEscape(id), nil, &x); err != nil {
		return err
	}
	if done, err := p.show(x); done {
		return err
	}
	p.headOf(&x)
	if cmd.Bodies {
		for i := range x.Messages {
			p.message(&x.Messages[i])
		}
	} else {
		p.messages(x.Messages)
	}
	if parked, _ := standing(&x); parked != "" {
		p.say("A message does not arrive: %s.", clean(parked))
		p.say("Try again: hansa retry %s", x.ID)
	}
	if !cmd.Bodies && len(x.Messages) > 0 {
		p.say("With what they say: hansa inspect %s --bodies", x.ID)
	}
	return nil
}

// headOf tells how a process stands.
func (p *printer) headOf(x *api.Process) {
	if n := x.Negotiation; n != nil {
		fmt.Fprintf(p.out, "%s  negotiation with %s about %s: %s\n", n.ID, clean(n.OtherTitle), clean(first(n.TargetName, n.Target)), paint(p.colourOut, stateColour(n.State), n.State))
		p.standing(p.turn(n.Turn, n.Waits, n.OtherTitle, n.Changed), n.Waits, n.Address, n.Pid, n.Reason)
	}
	if t := x.Transfer; t != nil {
		fmt.Fprintf(p.out, "%s  transfer with %s by %s: %s\n", t.ID, clean(t.OtherTitle), t.Format, paint(p.colourOut, stateColour(t.State), t.State))
		p.standing(p.turn(t.Turn, t.Waits, t.OtherTitle, t.Changed), t.Waits, "", t.Pid, t.Reason)
		if t.Problem != "" {
			fmt.Fprintf(p.out, "  trouble  %s\n", paint(p.colourOut, pink, clean(t.Problem)))
		}
	}
}

// standing writes the lines below a process's head.
func (p *printer) standing(turn, waits, address, pid string, reasons []string) {
	if turn != "–" {
		fmt.Fprintf(p.out, "  turn     %s\n", turn)
	}
	for _, line := range [][2]string{{"waits", waits}, {"there", pid}, {"at", address}, {"reason", strings.Join(reasons, "; ")}} {
		if line[1] != "" {
			fmt.Fprintf(p.out, "  %-8s %s\n", line[0], clean(line[1]))
		}
	}
}

// letterColour is the colour of what became of a message.
func letterColour(state string) string {
	switch state {
	case "delivered", "received":
		return teal
	case "parked", "refused":
		return pink
	case "waits":
		return yellow
	}
	return dim
}

// arrow says which way a message went.
func arrow(direction string) string {
	if direction == "in" {
		return "← in"
	}
	return "→ out"
}

func (p *printer) messages(list []api.ProcessMessage) {
	rows := [][]string{}
	for i := range list {
		m := &list[i]
		rows = append(rows, []string{strconv.FormatInt(m.N, 10), p.at(m.At), arrow(m.Direction), deed(m.Kind), paint(p.colourOut, letterColour(m.State), m.State), status(m), m.After, p.why(m)})
	}
	p.table([]string{"N", "TIME", "", "MESSAGE", "BECAME", "STATUS", "LED TO", "WHY"}, rows, "")
}

func status(m *api.ProcessMessage) string {
	if m.Status == 0 {
		return "–"
	}
	return strconv.Itoa(m.Status)
}

// why says why a message was not taken, and when it is tried again.
func (p *printer) why(m *api.ProcessMessage) string {
	s := clean(m.Reason)
	if m.State == "waits" && m.Tries > 0 {
		s = strings.TrimPrefix(s+"; ", "; ") + count(m.Tries, "try") + ", next at " + p.clock(m.Next)
		s = strings.Replace(s, "trys", "tries", 1)
	}
	return s
}

// message writes one message whole.
func (p *printer) message(m *api.ProcessMessage) {
	fmt.Fprintf(p.out, "\n%d  %s  %s %s  %s %s  %s\n", m.N, p.at(m.At), arrow(m.Direction), deed(m.Kind), paint(p.colourOut, letterColour(m.State), m.State), status(m), paint(p.colourOut, dim, clean(m.URL)))
	if s := p.why(m); s != "" {
		fmt.Fprintf(p.out, "  why: %s\n", s)
	}
	if len(m.Body) > 0 {
		body := m.Body.Clone()
		if err := body.Indent(jsontext.WithIndentPrefix("  "), jsontext.WithIndent("  ")); err != nil {
			body = m.Body
		}
		fmt.Fprintf(p.out, "  %s\n", cleanLines(string(body)))
	}
	if m.Answer != "" {
		fmt.Fprintf(p.out, "  answer: %s\n", clean(m.Answer))
	}
}

// cleanLines is clean for text of several lines.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

type retryCmd struct {
	Process string `arg:"" help:"A request or a transfer, by its id, or how that begins."`
}

func (retryCmd) examples() []string { return []string{"hansa retry 0192f0c4"} }

func (cmd *retryCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	id, err := c.processID(ctx, cmd.Process)
	if err != nil {
		return err
	}
	var n api.Counted
	if err := c.do(ctx, "POST", "/api/v1/processes/"+url.PathEscape(id)+"/retry", nil, &n); err != nil {
		return err
	}
	if done, err := p.show(n); done {
		return err
	}
	p.say("%s sent again. What became of it: hansa inspect %s", count(n.Count, "message"), id)
	return nil
}
