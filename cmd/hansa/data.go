package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type publishCmd struct {
	File    string `arg:"" help:"The file; - reads standard input."`
	To      string `required:"" help:"The dataset, by id or name." placeholder:"DATASET"`
	As      string `help:"The file's format, when its name does not tell: datex2, geojson, record, ndjson." placeholder:"FORMAT"`
	Defects bool   `help:"List each record's defects."`
}

func (publishCmd) examples() []string {
	return []string{"hansa publish situations.xml --to closures --defects", "cat records.ndjson | hansa publish - --to closures --as ndjson"}
}

func (cmd *publishCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	body, contentType, err := openInput(p, cmd.File, cmd.As)
	if err != nil {
		return err
	}
	defer body.Close()
	posts := whole(body)
	if contentType == "application/x-ndjson" {
		posts = lines(body)
	}
	var ans api.PublishAnswer
	for post, err := range posts {
		if err == nil {
			err = c.publish(ctx, cmd.To, contentType, post, &ans)
		}
		if err != nil {
			if n := len(ans.Records); n > 0 { // what was answered stands
				p.say("%d in before this: %d taken, %d refused.", n, ans.Accepted, ans.Refused)
			}
			return err
		}
	}
	if done, err := p.show(ans); done {
		return errors.Join(err, refusedAll(ans))
	}
	for _, a := range ans.Records {
		p.accepted(a, cmd.Defects)
	}
	p.say("%d in: %d taken, %d refused.", ans.Accepted+ans.Refused, ans.Accepted, ans.Refused)
	return refusedAll(ans)
}

// publish posts one document and adds what became of its records to ans.
func (c *client) publish(ctx context.Context, dataset, contentType string, body io.Reader, ans *api.PublishAnswer) error {
	var part api.PublishAnswer
	res, err := c.request(ctx, "POST", "/data/v1/datasets/"+url.PathEscape(dataset)+"/records", contentType, body, nil)
	if e, ok := errors.AsType[*refusedBody](err); ok {
		if err := json.Unmarshal(e.body, &part); err != nil {
			return err
		}
	} else if err != nil {
		return err
	} else {
		defer res.Body.Close()
		if err := c.read(res, &part); err != nil {
			return err
		}
	}
	for _, a := range part.Records {
		a.Line = len(ans.Records) + 1 // of the file
		ans.Records = append(ans.Records, a)
	}
	ans.Accepted, ans.Refused = ans.Accepted+part.Accepted, ans.Refused+part.Refused
	return nil
}

// postBytes and postLines are how much of a file of lines goes into one post.
const (
	postBytes = 4 << 20
	postLines = 5000
)

// whole yields a body as it is.
func whole(body io.Reader) iter.Seq2[io.Reader, error] {
	return func(yield func(io.Reader, error) bool) { yield(body, nil) }
}

// lines yields a body of lines in parts that a node takes, however long it is.
func lines(body io.Reader) iter.Seq2[io.Reader, error] {
	return func(yield func(io.Reader, error) bool) {
		r := bufio.NewReaderSize(body, 64<<10)
		var part bytes.Buffer
		n := 0
		for {
			line, err := r.ReadSlice('\n')
			part.Write(line)
			switch {
			case errors.Is(err, bufio.ErrBufferFull):
				continue
			case errors.Is(err, io.EOF):
				if part.Len() > 0 {
					yield(&part, nil)
				}
				return
			case err != nil:
				yield(nil, err)
				return
			}
			if n++; n < postLines && part.Len() < postBytes {
				continue
			}
			if !yield(&part, nil) {
				return
			}
			part, n = bytes.Buffer{}, 0
		}
	}
}

func refusedAll(ans api.PublishAnswer) error {
	if ans.Accepted == 0 && ans.Refused > 0 {
		return &failure{exit: exitRefused, code: "refused", message: "Nothing was taken: every record was refused.", hint: "hansa lint FILE"}
	}
	return nil
}

// accepted writes one line a record, and its defects when asked for.
func (p *printer) accepted(a api.Accepted, defects bool) {
	if a.Error != nil {
		fmt.Fprintf(p.out, "%s  %s  %s\n", paint(p.colourOut, pink, "refused"), clean(first(a.ID, fmt.Sprintf("#%d", a.Line))), clean(strings.TrimSpace(a.Error.Field+" "+a.Error.Message)))
		return
	}
	tail := ""
	if n := len(a.Findings); n > 0 {
		tail = paint(p.colourOut, yellow, "  "+count(n, "defect"))
	}
	fmt.Fprintf(p.out, "%s  %s%s\n", paint(p.colourOut, teal, fmt.Sprintf("%-8s", a.Outcome)), clean(a.ID), tail)
	if defects {
		p.findings(a.Findings)
	}
}

// findings writes one line each: rule, severity, where, what, the mend.
func (p *printer) findings(list []hansa.Finding) {
	for _, f := range list {
		colour := yellow
		if f.Severity == hansa.Fault {
			colour = pink
		}
		value := ""
		if f.Value != "" {
			value = fmt.Sprintf(" %q", clean(f.Value))
		}
		fmt.Fprintf(p.out, "  %s %s%s: %s", paint(p.colourOut, colour, fmt.Sprintf("%-8s", f.Rule)), clean(f.Field), value, clean(f.Message))
		if f.Mend != "" {
			fmt.Fprintf(p.out, "; %s", paint(p.colourOut, dim, clean(f.Mend)))
		}
		fmt.Fprintln(p.out)
	}
}

// openInput opens a file or standard input, and tells its media type.
func openInput(p *printer, name, as string) (io.ReadCloser, string, error) {
	types := map[string]string{
		"record": hansa.MediaTypeRecord, "ndjson": "application/x-ndjson", "geojson": "application/geo+json", "datex2": "application/xml", "json": "application/json", "xml": "application/xml",
	}
	t := types[as]
	if as != "" && t == "" {
		return nil, "", &failure{exit: exitUsage, code: "usage", message: fmt.Sprintf("--as is datex2, geojson, record or ndjson, not %q.", as), hint: again(p.args, as, "datex2")}
	}
	if t == "" {
		t = types[strings.TrimPrefix(strings.ToLower(filepath.Ext(name)), ".")]
	}
	if name == "-" {
		if t == "" {
			return nil, "", &failure{exit: exitUsage, code: "usage", message: "Say what standard input holds.", hint: p.with("--as", "datex2")}
		}
		return io.NopCloser(p.in), t, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, "", &failure{exit: exitNotFound, code: "file", message: sentence(err.Error())}
	}
	if t == "" {
		_ = f.Close()
		return nil, "", &failure{exit: exitUsage, code: "usage", message: fmt.Sprintf("The name %s does not tell the format.", name), hint: p.with("--as", "datex2")}
	}
	return f, t, nil
}

type subscribeCmd struct {
	Flow    string        `arg:"" help:"The flow, by id or name. With --at: a dataset or an offer at another node."`
	At      string        `help:"Another node: a peer by name, or the address of its connector. An agreement is asked for when there is none." placeholder:"URL|PEER"`
	Dataset string        `help:"With --at: your dataset that is filled; made when it is not there."`
	As      string        `help:"The format: record, datex2, geojson, cifs, cifs-json, wzdx." default:"record" placeholder:"FORMAT"`
	Since   string        `help:"A cursor to go on from; - is the beginning. From now when left out." aliases:"from"`
	Purpose string        `help:"What you read it for, when the flow has several purposes."`
	For     time.Duration `help:"Stop after so long."`
	Count   int           `help:"Stop after so many events."`
	State   bool          `help:"Print the present state once, and stop."`
}

func (subscribeCmd) examples() []string {
	return []string{"hansa subscribe closures-to-navika --as datex2 > feed.xml", "hansa subscribe closures-to-navika --json | jq .record", "hansa subscribe closures-to-navika --state --as cifs", "hansa subscribe 'Road closures' --at https://hansa.doggerhaven.example/dsp/2025-1 --purpose navigation"}
}

func (cmd *subscribeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if cmd.At != "" {
		if cmd.State {
			return &failure{exit: exitUsage, code: "usage", message: "--state is of a flow; what comes from another node is followed.", hint: "hansa subscribe " + quoted(cmd.Flow) + " --at " + quoted(cmd.At)}
		}
		return (&abroad{subscribeCmd: cmd, c: c, p: p}).run(ctx)
	}
	if cmd.For > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, cmd.For)
		defer stop()
	}
	header := http.Header{}
	if cmd.Purpose != "" {
		header.Set("Hansa-Purpose", cmd.Purpose)
	}
	base := "/data/v1/flows/" + url.PathEscape(cmd.Flow)
	if cmd.State {
		res, err := c.request(ctx, "GET", base+"/snapshot?format="+url.QueryEscape(cmd.As), "", nil, header)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(p.out, res.Body)
		if n, e := strconv.Atoi(res.Header.Get("Hansa-Losses")); e == nil && n > 0 {
			says := map[bool]string{true: "one loss", false: strconv.Itoa(n) + " losses"}[n == 1]
			p.say("%s", paint(p.colourErr, yellow, says+": this format cannot say everything. See: hansa explain - RECORD"))
		}
		return err
	}
	since := cmd.Since
	if since == "" {
		if since, err = headOf(ctx, c, base, cmd.As, header); err != nil {
			return err
		}
	}
	if since == "-" {
		since = ""
	}
	return cmd.follow(ctx, c, p, base, since, header)
}

// headOf returns the cursor of the flow's present end.
func headOf(ctx context.Context, c *client, base, as string, header http.Header) (string, error) {
	res, err := c.request(ctx, "GET", base+"/snapshot?format="+url.QueryEscape(as), "", nil, header)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, answerBytesMax))
	return res.Header.Get("Hansa-Cursor"), err
}

// follow reads the stream, and after a break goes on where it was.
func (cmd *subscribeCmd) follow(ctx context.Context, c *client, p *printer, base, since string, header http.Header) error {
	n, size, breaks := 0, 0, 0
	defer func() {
		p.say("%s", paint(p.colourErr, dim, fmt.Sprintf("%d events, %d bytes; go on with --since %s", n, size, since)))
	}()
	for {
		res, err := c.request(ctx, "GET", base+"/events?format="+url.QueryEscape(cmd.As)+"&since="+url.QueryEscape(since), "", nil, header)
		if err == nil {
			breaks = 0
			err = readEvents(res.Body, func(e sseEvent) error {
				if e.name == "error" {
					var doc api.ErrorDocument
					if json.Unmarshal(e.data, &doc) == nil {
						return answered(0, doc.Error)
					}
				}
				n, since, size = n+1, e.id, size+len(e.data)
				if err := cmd.write(p, e); err != nil {
					return err
				}
				if cmd.Count > 0 && n >= cmd.Count {
					return errEnough
				}
				return nil
			})
			_ = res.Body.Close()
		}
		switch {
		case errors.Is(err, errEnough), cmd.For > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if f, ok := errors.AsType[*failure](err); ok && f.exit != exitConnection {
			return err
		}
		if breaks++; breaks > 10 {
			return unreachable(c.name, err)
		}
		p.say("%s", paint(p.colourErr, yellow, "The stream broke; going on from where it was."))
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(breaks) * 500 * time.Millisecond):
		}
	}
}

var errEnough = errors.New("enough")

// write prints one event: the whole event with --json, else its document.
func (*subscribeCmd) write(p *printer, e sseEvent) error {
	if p.json {
		_, err := fmt.Fprintf(p.out, "%s\n", e.data)
		return err
	}
	var body api.EventBody
	if err := json.Unmarshal(e.data, &body); err != nil {
		return err
	}
	if body.Data == nil {
		return nil
	}
	if s, ok := body.Data.(string); ok {
		if t, _, err := mime.ParseMediaType(body.MediaType); err == nil && !strings.Contains(t, "json") && !strings.Contains(t, "xml") {
			if b, err := base64.StdEncoding.DecodeString(s); err == nil {
				s = string(b)
			}
		}
		_, err := fmt.Fprintln(p.out, strings.TrimRight(s, "\n"))
		return err
	}
	var raw struct {
		Data jsontext.Value `json:"data"`
	}
	if err := json.Unmarshal(e.data, &raw); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.out, "%s\n", raw.Data)
	return err
}

// sseEvent is one server-sent event.
type sseEvent struct {
	id, name string
	data     []byte
}

// readEvents reads server-sent events until f or the stream ends.
func readEvents(r io.Reader, f func(sseEvent) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), 16<<20)
	var e sseEvent
	for s.Scan() {
		line := s.Bytes()
		if len(line) == 0 {
			if e.data != nil {
				if err := f(e); err != nil {
					return err
				}
			}
			e = sseEvent{}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			e.id = string(value)
		case "event":
			e.name = string(value)
		case "data":
			e.data = append(e.data, value...)
		}
	}
	if err := s.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}
