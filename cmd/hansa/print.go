package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/term"
)

// printer writes data to standard output and talk to standard error, with
// colours only for state and only on a terminal.
type printer struct {
	args       []string // the command line, to give it back mended
	in         io.Reader
	out, err   io.Writer
	colourOut  bool
	colourErr  bool
	json       bool
	quiet      bool
	format     string
	zone       *time.Location
	terminal   bool // standard input and error are a person
	widthLimit int
}

func newPrinter(in io.Reader, out, err io.Writer) *printer {
	p := &printer{in: in, out: out, err: err, zone: time.Local, widthLimit: 100}
	p.colourOut, p.colourErr = colourful(out), colourful(err)
	if f, ok := err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if g, ok := in.(*os.File); ok {
			p.terminal = term.IsTerminal(int(g.Fd()))
		}
	}
	if f, ok := out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			p.widthLimit = w
		}
	}
	return p
}

func colourful(w io.Writer) bool {
	if os.Getenv("CLICOLOR_FORCE") != "" && os.Getenv("CLICOLOR_FORCE") != "0" {
		return true
	}
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// The colours of state; always beside a word or a mark.
const (
	teal   = "36"
	orange = "38;5;208"
	yellow = "33"
	pink   = "38;5;204"
	dim    = "2"
	bold   = "1"
)

func paint(on bool, colour, s string) string {
	if !on || s == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// say writes a line of talk. With --json there is none: what standard error then
// holds is one JSON document, or nothing.
func (p *printer) say(format string, args ...any) {
	if !p.quiet && !p.json {
		fmt.Fprintf(p.err, format+"\n", args...)
	}
}

// data writes v as one JSON document.
func (p *printer) data(v any) error {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s\n", b)
	return err
}

// show writes v by --json or --format; when neither is set it returns false and
// the caller writes for people.
func (p *printer) show(v any) (bool, error) {
	if p.format != "" {
		t, err := template.New("format").Parse(p.format)
		if err != nil {
			return true, &failure{exit: exitUsage, code: "usage", message: sentence("--format is a Go template: " + err.Error()), hint: "hansa closures --format '{{range .Closures}}{{.ID}} {{end}}'"}
		}
		if err := t.Execute(p.out, v); err != nil {
			return true, &failure{exit: exitUsage, code: "usage", message: sentence(err.Error())}
		}
		_, err = fmt.Fprintln(p.out)
		return true, err
	}
	if p.json {
		return true, p.data(v)
	}
	return false, nil
}

// table writes rows under a dim header. Cells are never cut; left tells how many
// rows there are besides, and how to see them.
func (p *printer) table(header []string, rows [][]string, left string) {
	width := make([]int, len(header))
	for _, r := range append([][]string{header}, rows...) {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(plain(c)))
		}
	}
	line := func(cells []string, colour string) {
		var b strings.Builder
		for i, c := range cells {
			b.WriteString(c)
			if i < len(cells)-1 {
				b.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(plain(c))+2))
			}
		}
		fmt.Fprintln(p.out, paint(p.colourOut && colour != "", colour, strings.TrimRight(b.String(), " ")))
	}
	line(header, dim)
	for _, r := range rows {
		line(r, "")
	}
	if len(rows) == 0 {
		p.say("%s", paint(p.colourErr, dim, none(header[0])))
	}
	if left != "" {
		p.say("%s", paint(p.colourErr, dim, left))
	}
}

// none says that a list is empty, and what fills it.
func none(first string) string {
	next := map[string]string{ //nolint:gosec // a command to type, no secret
		"FEED": "hansa feeds add URL --to DATASET", "DATASET": "hansa datasets add NAME", "FLOW": "hansa flows add NAME --to PARTY --dataset DATASET --purpose PURPOSE",
		"CREDENTIAL": "hansa credentials add NAME, or list --party PARTY", "FOR": "hansa parties invite NAME --dataset DATASET --use PURPOSE --why WORDS", "USER": "hansa users add NAME --role ROLE",
		"ID": "hansa close PLACE", "PARTY": "hansa parties invitations",
	}[first]
	if next == "" {
		return "None."
	}
	return "None. Next: " + next
}

// plain strips colours, for widths.
func plain(s string) string {
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			return s
		}
		j := strings.IndexByte(s[i:], 'm')
		if j < 0 {
			return s
		}
		s = s[:i] + s[i+j+1:]
	}
}

// clean makes text from others safe for a terminal: no control characters.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, s)
}

// at writes a time in the city's zone with its offset.
func (p *printer) at(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(p.zone).Format("2006-01-02 15:04:05 -07:00")
}

// count writes so many of a thing.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// clock writes the time of day.
func (p *printer) clock(t time.Time) string { return t.In(p.zone).Format("15:04:05") }

// seconds writes a short duration as people say it.
func seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// fail writes err as the contract says and returns its exit code.
func (p *printer) fail(err error) int {
	f := asFailure(err)
	if p.json {
		body := map[string]any{"error": map[string]any{"code": f.code, "message": f.message, "field": f.field, "hint": f.hint, "requestId": f.requestID, "exit": f.exit}}
		b, merr := json.Marshal(body)
		if merr == nil {
			fmt.Fprintf(p.err, "%s\n", b)
		}
		return f.exit
	}
	word := "error"
	if f.exit == exitMissed {
		word = "missed"
	}
	fmt.Fprintf(p.err, "%s %s\n", paint(p.colourErr, pink, word), clean(f.message))
	if f.hint != "" {
		fmt.Fprintf(p.err, "  %s\n", paint(p.colourErr, bold, clean(f.hint)))
	}
	tail := fmt.Sprintf("exit %d, code %s", f.exit, f.code)
	if f.requestID != "" {
		tail += ", request " + f.requestID
	}
	fmt.Fprintln(p.err, paint(p.colourErr, dim, tail+", see: hansa help exit-codes"))
	return f.exit
}
