package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type deliveriesCmd struct {
	Party string `arg:"" optional:"" help:"One receiver, by its id."`
	ID    string `help:"One delivery, with its attempts."`
	State string `help:"Only these: waiting, delivered or parked." enum:"waiting,delivered,parked," default:""`
	Limit int    `help:"At most so many." default:"50"`
}

func (deliveriesCmd) examples() []string {
	return []string{"hansa deliveries", "hansa deliveries --state parked", "hansa deliveries did:web:navika.example --json"}
}

func (cmd *deliveriesCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	q := url.Values{"party": {cmd.Party}, "state": {cmd.State}, "id": {cmd.ID}, "limit": {strconv.Itoa(cmd.Limit)}}
	var list api.Deliveries
	if err := c.do(ctx, "GET", "/api/v1/deliveries?"+q.Encode(), nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for _, d := range list.Deliveries {
		last := ""
		if n := len(d.Attempts); n > 0 {
			a := d.Attempts[n-1]
			last = clean(first(a.Error, strconv.Itoa(a.Status)))
		}
		colour := map[string]string{"delivered": teal, "waiting": yellow, "parked": pink}[d.State]
		rows = append(rows, []string{d.ID, string(d.Party), clean(d.Record), paint(p.colourOut, colour, d.State), strconv.Itoa(len(d.Attempts)), last, p.at(d.Made)})
	}
	left := ""
	if list.More > 0 {
		left = fmt.Sprintf("%d more. All: --limit 1000", list.More)
	}
	p.table([]string{"WEBHOOK DELIVERY", "TO", "RECORD", "STATE", "TRIES", "LAST", "MADE"}, rows, left)
	if len(list.Handovers) == 0 {
		return nil
	}
	fmt.Fprintln(p.out)
	rows = rows[:0]
	for _, h := range list.Handovers {
		verdicts := []string{}
		for r, n := range h.Verdicts {
			verdicts = append(verdicts, fmt.Sprintf("%s×%d", r, n))
		}
		rows = append(rows, []string{h.ID, string(h.Party), h.How, strconv.Itoa(h.Bytes), strings.Join(verdicts, " "), p.at(h.At)})
	}
	p.table([]string{"HANDED OVER", "TO", "HOW", "BYTES", "VERDICTS", "AT"}, rows, "")
	return nil
}

type replayCmd struct {
	ID    string `arg:"" help:"A delivery, or a subscription."`
	Since string `help:"For a subscription: the cursor to send again from."`
}

func (replayCmd) examples() []string {
	return []string{"hansa replay 0199-…", "hansa replay SUBSCRIPTION --since CURSOR"}
}

func (cmd *replayCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var n api.Counted
	if err := c.do(ctx, "POST", "/api/v1/deliveries/"+url.PathEscape(cmd.ID)+"/replay", api.ReplayOrder{Since: hansa.Cursor(cmd.Since)}, &n); err != nil {
		return err
	}
	if done, err := p.show(n); done {
		return err
	}
	p.say("%d sent again. See: hansa deliveries", n.Count)
	return nil
}

type eraseCmd struct {
	Dataset string `arg:"" help:"The dataset, by id or name."`
	Record  string `arg:"" help:"The record's id."`
	Under   string `required:"" help:"The clause or rule under which it is erased: letters, digits and -._:/#."`
	Confirm string `help:"The record's id again, instead of typing it." placeholder:"ID"`
}

func (eraseCmd) examples() []string {
	return []string{`hansa erase closures RECORD --under retention --confirm RECORD`}
}

func (cmd *eraseCmd) Run(ctx context.Context, g *globals, p *printer) error {
	if err := p.confirm(g, cmd.Confirm, cmd.Record, "Erasing cannot be undone. Type the record's id to go on: "); err != nil {
		return err
	}
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var n api.Counted
	path := "/api/v1/datasets/" + url.PathEscape(cmd.Dataset) + "/records/" + url.PathEscape(cmd.Record) + "/erase"
	if err := c.do(ctx, "POST", path, api.EraseOrder{Rule: cmd.Under}, &n); err != nil {
		return err
	}
	if done, err := p.show(n); done {
		return err
	}
	p.say("%s erased. What was proved of them still verifies.", count(n.Count, "version"))
	return nil
}

// confirm asks a person to type id, or takes it from --confirm.
func (p *printer) confirm(g *globals, given, id, question string) error {
	if given == "" && p.terminal && !g.NoInput {
		fmt.Fprint(p.err, question)
		var line string
		if _, err := fmt.Fscanln(p.in, &line); err == nil {
			given = line
		}
	}
	if given != id {
		return &failure{exit: exitUsage, code: "confirm", message: "This needs the id typed again.", hint: p.with("--confirm", id)}
	}
	return nil
}

// ask waits for a yes, unless it was given beforehand.
func (p *printer) ask(g *globals, question string) error {
	if g.Yes {
		return nil
	}
	if p.terminal && !g.NoInput {
		fmt.Fprint(p.err, question)
		var line string
		if _, err := fmt.Fscanln(p.in, &line); err == nil && strings.HasPrefix(strings.ToLower(line), "y") {
			return nil
		}
		return &failure{exit: exitUsage, code: "confirm", message: "Nothing was changed."}
	}
	return &failure{exit: exitUsage, code: "confirm", message: "This asks before it goes on.", hint: p.with("--yes")}
}

type backupCmd struct {
	File      string   `arg:"" help:"Where to write it; must not exist."`
	EncryptTo []string `help:"An age recipient who alone can read it. May be repeated." placeholder:"age1..." name:"encrypt-to"`
}

func (backupCmd) examples() []string {
	return []string{"hansa backup hansa-2026-11-23.db", "hansa backup hansa-2026-11-23.db.age --encrypt-to age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"}
}

func (cmd *backupCmd) Run(ctx context.Context, g *globals, p *printer) (err error) {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if _, err := os.Stat(cmd.File); err == nil {
		return &failure{exit: exitRefused, code: "file", message: cmd.File + " is there already.", hint: "name a new file"}
	}
	res, err := c.request(ctx, "GET", "/api/v1/backup", "", nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f, err := os.CreateTemp(filepath.Dir(cmd.File), ".hansa-backup-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone already after the rename
	w, err := sealTo(f, cmd.EncryptTo)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	n, err := io.Copy(w, res.Body)
	if want := res.Header.Get("Content-Length"); err == nil && want != "" && want != strconv.FormatInt(n, 10) {
		err = errors.New("the backup broke off")
	}
	if err = errors.Join(err, w.Close(), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), cmd.File); err != nil {
		return err
	}
	if done, err := p.show(map[string]any{"file": cmd.File, "bytes": n}); done {
		return err
	}
	with := ""
	if len(cmd.EncryptTo) > 0 {
		with = " --identity KEY-FILE"
	}
	p.say("%d bytes in %s. Restore: hansa restore %s NEW-FOLDER%s", n, cmd.File, cmd.File, with)
	return nil
}

type doctorCmd struct {
	Data string `help:"A data folder to look into." placeholder:"DIR"`
}

func (doctorCmd) examples() []string {
	return []string{"hansa doctor", "hansa doctor --node https://hansa.example"}
}

// finding is one line of the doctor's.
type finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
	Mend string `json:"mend,omitempty"`
}

func (cmd *doctorCmd) Run(ctx context.Context, g *globals, p *printer) error {
	list := cmd.examine(ctx, g, p)
	sick := 0
	for _, f := range list {
		if !f.OK {
			sick++
		}
	}
	mend := "hansa help trust"
	if i := slices.IndexFunc(list, func(f finding) bool { return !f.OK && f.Mend != "" }); i >= 0 {
		mend = list[i].Mend
	}
	if done, err := p.show(map[string]any{"findings": list}); done {
		if err != nil || sick == 0 {
			return err
		}
		return &failure{exit: exitFailed, code: "sick", message: fmt.Sprintf("%d of %d checks found something.", sick, len(list)), hint: mend}
	}
	for _, f := range list {
		mark := paint(p.colourOut, teal, "✓")
		if !f.OK {
			mark = paint(p.colourOut, pink, "✗")
		}
		fmt.Fprintf(p.out, "  %s %-12s %s\n", mark, f.What, clean(f.Says))
		if f.Mend != "" && !f.OK {
			fmt.Fprintf(p.out, "    %s\n", paint(p.colourOut, bold, f.Mend))
		}
	}
	if sick > 0 {
		return &failure{exit: exitFailed, code: "sick", message: fmt.Sprintf("%d of %d checks found something.", sick, len(list)), hint: mend}
	}
	return nil
}

func (cmd *doctorCmd) examine(ctx context.Context, g *globals, p *printer) []finding {
	list := []finding{{What: "build", OK: true, Says: build().String()}}
	if cmd.Data != "" {
		list = append(list, examineData(ctx, cmd.Data)...)
	}
	c, err := g.connect(p)
	if err != nil {
		f := asFailure(err)
		return append(list, finding{What: "node", OK: cmd.Data != "" && g.Node == "", Says: f.message, Mend: f.hint})
	}
	started := time.Now()
	var s api.Status
	if err := c.do(ctx, "GET", "/healthz", nil, nil); err != nil {
		f := asFailure(err)
		return append(list, finding{What: "node", Says: f.message, Mend: f.hint})
	}
	list = append(list, finding{What: "node", OK: true, Says: fmt.Sprintf("%s answers in %d ms", c.name, time.Since(started).Milliseconds())})
	if err := c.do(ctx, "GET", "/api/v1/status", nil, &s); err != nil {
		f := asFailure(err)
		return append(list, finding{What: "rights", Says: f.message, Mend: "use an administrator's token, or the node's own socket"})
	}
	list = append(list, finding{What: "version", OK: s.Version == build().Version, Says: "the node runs " + s.Version, Mend: "use the same build on both sides"})
	list = append(list, finding{What: "journal", OK: true, Says: fmt.Sprintf("%d entries, %d records, sealed %s", s.Entries, s.Records, p.at(s.Sealed))})
	skew := time.Since(s.Now)
	if s.Factor == 1 {
		list = append(list, finding{What: "clock", OK: skew.Abs() < hansa.SkewMax, Says: fmt.Sprintf("the node's clock is %s from ours", seconds(skew.Abs())), Mend: "set both clocks by NTP"})
	}
	list = append(list, finding{What: "rows", OK: true, Says: s.Checked})
	for _, f := range s.Feeds {
		list = append(list, finding{What: "feed", OK: f.Status == hansa.FeedFresh || f.Status == hansa.FeedLate || f.Status == hansa.FeedPaused, Says: f.Feed + " is " + string(f.Status) + ". " + f.Reason, Mend: "hansa feeds"})
	}
	for _, problem := range s.Problems {
		list = append(list, finding{What: "problem", Says: problem})
	}
	return list
}
