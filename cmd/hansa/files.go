package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/quality"
	"github.com/hansa-exchange/hansa/internal/node"
)

type lintCmd struct {
	Files []string `arg:"" help:"Files to check; - reads standard input."`
	As    string   `help:"The format, when the name does not tell: datex2, geojson, record, ndjson." placeholder:"FORMAT"`
	Own   bool     `help:"Check as for an own publication: what an update must say (Regulation (EU) 2022/670)."`
	Zone  string   `help:"The zone of times without one." default:"UTC"`
}

func (lintCmd) examples() []string {
	return []string{"hansa lint situations.xml", "hansa lint closures.geojson --own --json", "cat feed.xml | hansa lint - --as datex2"}
}

// linted is what a file held.
type linted struct {
	File     string       `json:"file"`
	Records  []lintRecord `json:"records"`
	Taken    int          `json:"taken"`
	Refused  int          `json:"refused"`
	Findings int          `json:"findings"`
	Broken   string       `json:"broken,omitempty"` // where the file could not be read further
}

// lintRecord is one fact in a file.
type lintRecord struct {
	ID       string          `json:"id"`
	Refused  string          `json:"refused,omitempty"`
	Findings []hansa.Finding `json:"findings,omitempty"`
}

func (cmd *lintCmd) Run(ctx context.Context, p *printer) error {
	zone, err := time.LoadLocation(cmd.Zone)
	if err != nil {
		return &failure{exit: exitUsage, code: "usage", message: fmt.Sprintf("There is no time zone %q.", cmd.Zone), hint: again(p.args, cmd.Zone, "Europe/Amsterdam")}
	}
	bad := 0
	var reports []linted
	for _, name := range cmd.Files {
		report, err := cmd.file(ctx, p, name, zone)
		if err != nil {
			return err
		}
		if report.Refused > 0 || report.Broken != "" || faults(report) {
			bad++
		}
		reports = append(reports, report)
		if !p.json && p.format == "" {
			p.say("%s: %s, %d refused, %s.", name, count(report.Taken+report.Refused, "record"), report.Refused, count(report.Findings, "finding"))
		}
	}
	if done, err := p.show(map[string]any{"files": reports}); done && err != nil {
		return err
	}
	if bad > 0 {
		return &failure{exit: exitRefused, code: "lint", message: fmt.Sprintf("%d of %d files have errors.", bad, len(cmd.Files))}
	}
	return nil
}

func faults(r linted) bool {
	return slices.ContainsFunc(r.Records, func(x lintRecord) bool {
		return slices.ContainsFunc(x.Findings, func(f hansa.Finding) bool { return f.Severity == hansa.Fault })
	})
}

// file checks one file record by record. With --json the findings are kept, at
// most lintKept of them; else each is printed as it is found.
func (cmd *lintCmd) file(ctx context.Context, p *printer, name string, zone *time.Location) (linted, error) {
	out := linted{File: name, Records: []lintRecord{}}
	body, contentType, err := openInput(p, name, cmd.As)
	if err != nil {
		return out, err
	}
	defer body.Close()
	now := time.Now()
	for item, err := range node.Read(node.Codecs(), contentType, body, format.Input{Zone: zone, Now: now}) {
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		if err != nil {
			out.Broken = err.Error()
			if !p.json && p.format == "" {
				fmt.Fprintf(p.out, "%s  %s\n", paint(p.colourOut, pink, "broken"), clean(out.Broken))
			}
			break
		}
		rec := cmd.judge(item, now)
		if rec.Refused != "" {
			out.Refused++
		} else {
			out.Taken++
		}
		out.Findings += len(rec.Findings)
		if p.json || p.format != "" {
			if len(out.Records) < lintKept {
				out.Records = append(out.Records, rec)
			}
			continue
		}
		cmd.print(p, rec)
	}
	return out, nil
}

// lintKept bounds the records that one JSON report holds.
const lintKept = 100_000

func (cmd *lintCmd) judge(item format.Item, now time.Time) lintRecord {
	if item.Record == nil {
		return lintRecord{ID: item.ID, Refused: item.Refused.Error()}
	}
	rec := lintRecord{ID: item.Record.ID, Findings: item.Record.Defects}
	in := quality.Context{Now: now, Own: cmd.Own}
	rec.Findings = append(rec.Findings, quality.Check(item.Record, in)...)
	if cmd.Own {
		rec.Findings = append(rec.Findings, quality.Update670(item.Record)...)
	}
	return rec
}

func (lintCmd) print(p *printer, rec lintRecord) {
	switch {
	case rec.Refused != "":
		fmt.Fprintf(p.out, "%s  %s  %s\n", paint(p.colourOut, pink, "refused"), clean(rec.ID), clean(rec.Refused))
	case len(rec.Findings) > 0:
		fmt.Fprintf(p.out, "%s\n", clean(rec.ID))
		p.findings(rec.Findings)
	}
}

type convertCmd struct {
	File   string `arg:"" help:"The file; - reads standard input."`
	To     string `required:"" help:"The format to write: datex2, datex2-container, geojson, cifs, cifs-json, wzdx, record, ndjson." placeholder:"FORMAT"`
	As     string `help:"The file's format, when its name does not tell." placeholder:"FORMAT"`
	Output string `short:"o" help:"Where to write; standard output when left out." placeholder:"FILE"`
	Losses bool   `help:"List on standard error what the format could not say."`
	Zone   string `help:"The zone of times without one, and of formats with local times." default:"UTC"`
	Title  string `help:"The publisher that the document names." default:"Hansa"`
	Lang   string `help:"The language of the document." default:"en"`
}

func (convertCmd) examples() []string {
	return []string{"hansa convert situations.xml --to geojson -o closures.geojson", "hansa convert situations.xml --to cifs --losses --zone Europe/Amsterdam"}
}

func (cmd *convertCmd) Run(ctx context.Context, p *printer) error {
	zone, err := time.LoadLocation(cmd.Zone)
	if err != nil {
		return &failure{exit: exitUsage, code: "usage", message: fmt.Sprintf("There is no time zone %q.", cmd.Zone), hint: again(p.args, cmd.Zone, "Europe/Amsterdam")}
	}
	writer, err := node.WriterOf(node.Codecs(), hansa.Format(cmd.To))
	if err != nil {
		return err
	}
	body, contentType, err := openInput(p, cmd.File, cmd.As)
	if err != nil {
		return err
	}
	defer body.Close()
	if cmd.Output == "" {
		return cmd.convert(ctx, p, p.out, writer, contentType, body, zone)
	}
	if info, err := os.Stat(cmd.Output); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(cmd.Output, os.O_WRONLY, 0) // a pipe or a device
		if err != nil {
			return err
		}
		return errors.Join(cmd.convert(ctx, p, f, writer, contentType, body, zone), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(cmd.Output), "."+filepath.Base(cmd.Output)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone already after the rename
	if err = errors.Join(cmd.convert(ctx, p, f, writer, contentType, body, zone), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err // what lay there before stays
	}
	return os.Rename(f.Name(), cmd.Output)
}

// converted is what became of a file.
type converted struct {
	File    string       `json:"file"`
	Output  string       `json:"output,omitempty"`
	Format  string       `json:"format"`
	Written int          `json:"written"`
	Refused int          `json:"refused"` // on reading
	Left    int          `json:"left"`    // what the format cannot say
	Losses  []hansa.Loss `json:"losses"`
}

// convert streams records from the reader into the writer, and says what was lost.
// With --json the report is a document of its own when the converted one goes to
// a file.
func (cmd *convertCmd) convert(ctx context.Context, p *printer, out io.Writer, writer format.Writer, contentType string, body io.Reader, zone *time.Location) error {
	now := time.Now()
	taken, rep := 0, converted{File: cmd.File, Output: cmd.Output, Format: cmd.To, Losses: []hansa.Loss{}}
	var broken error
	records := func(yield func(*hansa.Record) bool) {
		for item, err := range node.Read(node.Codecs(), contentType, body, format.Input{Zone: zone, Now: now}) {
			if err != nil || ctx.Err() != nil {
				broken = errors.Join(err, ctx.Err())
				return
			}
			if item.Record == nil {
				rep.Refused++
				p.say("%s  %s  %s", paint(p.colourErr, pink, "refused"), clean(item.ID), clean(item.Refused.Error()))
				continue
			}
			taken++
			if !yield(item.Record) {
				return
			}
		}
	}
	doc := format.Doc{Publisher: cmd.Title, Country: "eu", Made: now, Zone: zone, Lang: cmd.Lang}
	lost, last := 0, ""
	doc.Lost = func(losses []hansa.Loss) {
		lost += len(losses)
		for _, l := range losses {
			if l.Kind == hansa.LossRefused && l.Record != last {
				rep.Left, last = rep.Left+1, l.Record
			}
			cmd.lost(p, &rep, l)
		}
	}
	losses, err := writer.Write(out, doc, records)
	if err = errors.Join(err, broken); err != nil {
		return err
	}
	doc.Lost(losses)
	rep.Written = taken - rep.Left
	p.say("%d in: %d written, %d refused on reading, %d that %s cannot say; losses: %d.", taken+rep.Refused, rep.Written, rep.Refused, rep.Left, cmd.To, lost)
	if cmd.Output != "" {
		if done, err := p.show(rep); done && err != nil {
			return err
		}
	}
	if rep.Refused > 0 {
		return &failure{exit: exitRefused, code: "refused", message: fmt.Sprintf("%s could not be read; what was written lacks them.", count(rep.Refused, "record")), hint: "hansa lint " + quoted(cmd.File)}
	}
	if taken > 0 && rep.Left == taken {
		return &failure{exit: exitRefused, code: string(hansa.CodeRefusedFormat), message: fmt.Sprintf("%s in, and none that %s can say.", count(taken, "record"), cmd.To), hint: again(p.args, cmd.To, "geojson")}
	}
	return nil
}

// lost says what was lost of a record, when it was asked for or left out. The
// report keeps at most lintKept of them.
func (cmd *convertCmd) lost(p *printer, rep *converted, l hansa.Loss) {
	if !cmd.Losses && l.Kind != hansa.LossRefused {
		return
	}
	if len(rep.Losses) < lintKept && p.json {
		rep.Losses = append(rep.Losses, l)
	}
	p.say("%s  %s  %s: %s", paint(p.colourErr, yellow, string(l.Kind)), clean(l.Record), l.Field, clean(strings.TrimSpace(l.Value+" "+l.Reason)))
}
