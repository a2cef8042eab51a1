package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type proofCmd struct {
	Record     string `arg:"" optional:"" help:"The record's id; a closure's id is one."`
	Accord     string `help:"In place of a record: an accord, by its id, with every entry, text and signature." placeholder:"ID"`
	Dataset    string `help:"The dataset, by id or name; closures when left out." default:"closures"`
	Since      string `help:"A checkpoint that you saved earlier; the proof then shows that the journal has only grown." placeholder:"FILE"`
	Key        bool   `help:"Print the node's key, for a trust file."`
	Checkpoint bool   `help:"Print the journal's newest checkpoint, to keep."`
}

func (proofCmd) examples() []string {
	return []string{"hansa proof --key > doggerhaven.key", "hansa proof CLOSURE > closure.proof", "hansa proof --accord ID > closures.proof", "hansa proof --checkpoint > doggerhaven.checkpoint"}
}

func (cmd *proofCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	switch {
	case cmd.Key:
		var k api.KeyBody
		if err := c.do(ctx, "GET", "/journal/key", nil, &k); err != nil {
			return err
		}
		if done, err := p.show(k); done {
			return err
		}
		_, err := fmt.Fprintln(p.out, k.Key)
		return err
	case cmd.Checkpoint:
		return cmd.checkpoint(ctx, c, p)
	case cmd.Record != "" && cmd.Accord != "":
		return &failure{exit: exitUsage, code: "usage", message: "A proof is of a record or of an accord, one of the two.", hint: "hansa proof --help"}
	case cmd.Record == "" && cmd.Accord == "":
		return &failure{exit: exitUsage, code: "usage", message: "Say which record, or --accord ID.", hint: "hansa closures"}
	}
	var since []byte
	if cmd.Since != "" {
		if since, err = os.ReadFile(cmd.Since); err != nil {
			return err
		}
	}
	if cmd.Accord != "" {
		return cmd.copy(ctx, c, p, "POST", "/api/v1/accords/"+url.PathEscape(cmd.Accord)+"/proof", since)
	}
	return cmd.copy(ctx, c, p, "POST", "/api/v1/proofs/"+url.PathEscape(cmd.Dataset)+"/"+url.PathEscape(cmd.Record), since)
}

// checkpoint prints the newest checkpoint; with --json as the text in a document.
func (cmd *proofCmd) checkpoint(ctx context.Context, c *client, p *printer) error {
	if !p.json && p.format == "" {
		return cmd.copy(ctx, c, p, "GET", "/journal/checkpoint", nil)
	}
	text := *p
	var b bytes.Buffer
	text.out = &b
	if err := cmd.copy(ctx, c, &text, "GET", "/journal/checkpoint", nil); err != nil {
		return err
	}
	_, err := p.show(map[string]any{"checkpoint": b.String()})
	return err
}

// copy writes an answer to standard output as it came.
func (proofCmd) copy(ctx context.Context, c *client, p *printer, method, path string, body []byte) error {
	var r io.Reader
	contentType := ""
	if body != nil {
		r, contentType = bytes.NewReader(body), "text/plain"
	}
	res, err := c.request(ctx, method, path, contentType, r, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(p.out, res.Body)
	return err
}

type verifyCmd struct {
	Files             []string `arg:"" help:"Proof bundles; - reads standard input."`
	Trust             string   `help:"File of verifier keys that you hold, one a line." placeholder:"KEYS"`
	Checkpoint        string   `help:"A checkpoint that you saved earlier: the journal must have only grown since." placeholder:"FILE"`
	AcceptEmbeddedKey bool     `help:"Be content with the key in the bundle itself. That proves consistency, not who signed."`
	Contents          bool     `help:"Print what is proved as well."`
}

func (verifyCmd) examples() []string {
	return []string{"hansa verify closure.proof --trust doggerhaven.key", "hansa verify *.proof --trust doggerhaven.key --json"}
}

// verified is the outcome for one file.
type verified struct {
	File   string         `json:"file"`
	OK     bool           `json:"ok"`
	Error  string         `json:"error,omitempty"`
	Report journal.Report `json:"report"`
}

func (cmd *verifyCmd) Run(p *printer) error {
	proven := journal.Trust{AcceptEmbeddedKey: cmd.AcceptEmbeddedKey, Signature: trust.VerifyDetached, Further: accord.CheckFacts}
	var err error
	if cmd.Trust != "" {
		b, err := os.ReadFile(cmd.Trust)
		if err != nil {
			return &failure{exit: exitNotFound, code: "file", message: sentence(err.Error()), hint: "hansa proof --key > " + cmd.Trust}
		}
		if proven.Keys, err = journal.ParseKeys(b); err != nil {
			return &failure{exit: exitProof, code: "proof", message: "The signer is not established: " + hansa.Public(err).Message + ".", hint: "hansa help trust", err: err}
		}
	}
	if cmd.Checkpoint != "" {
		if proven.Checkpoint, err = os.ReadFile(cmd.Checkpoint); err != nil {
			return &failure{exit: exitNotFound, code: "file", message: sentence(err.Error()), hint: "hansa proof --checkpoint > " + cmd.Checkpoint}
		}
	}
	var list []verified
	bad := 0
	for _, name := range cmd.Files {
		raw, err := readBundle(p, name)
		if err != nil {
			return err
		}
		started := time.Now()
		report, err := journal.Verify(raw, proven)
		v := verified{File: name, OK: err == nil, Report: report}
		if err != nil {
			bad++
			v.Error = hansa.Public(err).Message
			if errors.Is(err, journal.ErrNotEstablished) {
				v.Error = "consistent, signer not established"
			}
		}
		list = append(list, v)
		if !p.json && p.format == "" {
			cmd.print(p, v, time.Since(started))
		}
	}
	if done, err := p.show(map[string]any{"bundles": list}); done && err != nil {
		return err
	}
	if bad > 0 {
		f := &failure{exit: exitProof, code: "proof", message: fmt.Sprintf("%s does not verify: %s", list[0].File, list[0].Error)}
		for _, v := range list {
			if !v.OK {
				f.message = sentence(fmt.Sprintf("%s does not verify: %s", v.File, v.Error))
				break
			}
		}
		if i := slices.IndexFunc(list, func(v verified) bool { return !v.OK }); len(list[i].Report.Checks) < 2 { // it is no bundle
			f.hint = "hansa proof ID > FILE makes one, and hansa proof --accord ID > FILE one of an accord"
		} else if cmd.Trust == "" {
			f.hint = "hansa verify " + strings.Join(cmd.Files, " ") + " --trust KEYS    # see: hansa help trust"
		}
		return f
	}
	return nil
}

func (cmd *verifyCmd) print(p *printer, v verified, took time.Duration) {
	fmt.Fprintln(p.out, clean(v.File))
	for _, c := range v.Report.Checks {
		mark := paint(p.colourOut, teal, "✓")
		if !c.OK {
			mark = paint(p.colourOut, pink, "✗")
		}
		fmt.Fprintf(p.out, "  %s %-22s %s\n", mark, c.Name, clean(c.Detail))
	}
	if cmd.Contents {
		for _, f := range v.Report.Facts {
			fmt.Fprintf(p.out, "    %s %s\n", f.Kind, clean(f.Doc))
		}
	}
	if v.OK {
		p.say("Verified offline in %d ms.", took.Milliseconds())
	}
}

func readBundle(p *printer, name string) ([]byte, error) {
	r := p.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, &failure{exit: exitNotFound, code: "file", message: sentence(err.Error())}
		}
		defer f.Close() //nolint:errcheck // only read
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, journal.BundleBytesMax+1))
	if err == nil && len(b) > journal.BundleBytesMax {
		err = &failure{exit: exitProof, code: "proof", message: fmt.Sprintf("A bundle has at most %d bytes.", journal.BundleBytesMax)}
	}
	return b, err
}
