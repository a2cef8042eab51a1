package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gowebpki/jcs"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// accordsSignCmd signs a text where the key is: no node, no network.
type accordsSignCmd struct {
	Text  string `arg:"" help:"The accord, by its id. With --key: the file of the text, its canonical bytes as hansa accords show ID --text writes them."`
	Key   string `help:"The file of the private key, as hansa keys new wrote it: then no node is needed." placeholder:"FILE"`
	Party string `help:"With --key, your party's id, as it stands in the text; else its name, your own when empty." placeholder:"ID"`
	binds
	Base string `help:"The version that you read, by its SHA-256; another is not signed." placeholder:"HASH"`
	Act  string `help:"What is signed for." enum:"sign,join,leave,end,serve,hand-over" default:"sign"`
	Body string `help:"With another act than sign: the file of what the act says." placeholder:"FILE"`
}

func (accordsSignCmd) examples() []string {
	return []string{`hansa accords sign ID --role alderman --power 'mandate 2026-114'`, `hansa accords sign closures.accord --key signing.jwk --party did:web:navco.example --role 'managing director' --power 'register of companies 1234' > closures.signature`}
}

func (cmd *accordsSignCmd) Run(ctx context.Context, g *globals, p *printer) error {
	if cmd.Key == "" {
		a, err := cmd.on(api.AccordAct{Base: cmd.Base})
		if err != nil {
			return err
		}
		r := accordRef{ID: cmd.Text, Party: cmd.Party}
		return r.act(ctx, g, p, accord.Sign, a)
	}
	if cmd.Party == "" {
		return &failure{exit: exitUsage, code: "usage", message: "Say whose signature it is: --party ID, as it stands in the text."}
	}
	text, err := canonicalFile(cmd.Text)
	if err != nil {
		return err
	}
	key, err := privateKey(cmd.Key)
	if err != nil {
		return err
	}
	s := accord.Signature{
		Act: accord.Kind(cmd.Act), Party: hansa.PartyID(cmd.Party), Role: cmd.Role, Power: cmd.Power, Held: accord.HeldByParty, At: time.Now(),
	}
	if s.About, err = cmd.about(); err != nil {
		return err
	}
	if s, err = accord.SignBytes(key, text, s); err != nil {
		return err
	}
	if done, err := p.show(s); done {
		return err
	}
	b, err := json.Marshal(s, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	if _, err := p.out.Write(append(b, '\n')); err != nil {
		return err
	}
	p.say("Signed: the text with SHA-256 %s, for %s. Upload the signature: hansa accords sign ID --signature FILE", s.Hash, clean(cmd.Party))
	return nil
}

// about is the digest of what another act than sign says.
func (cmd *accordsSignCmd) about() (string, error) {
	if (cmd.Act == string(accord.Sign)) != (cmd.Body == "") {
		return "", &failure{exit: exitUsage, code: "usage", message: "An act other than sign says something, and sign says nothing but the text: --act and --body come together."}
	}
	if cmd.Body == "" {
		return "", nil
	}
	var body accord.Body
	if err := readInto(cmd.Body, "body of a message", "docs/formats/accord-exchange.md says what one holds", &body); err != nil {
		return "", err
	}
	return body.Digest()
}

// canonicalFile reads the canonical bytes of a text. A line break that a shell put
// behind them is left out; all else must be as it is hashed.
func canonicalFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, &failure{exit: exitNotFound, code: "file", message: sentence(err.Error()), hint: "hansa accords show ID --text > " + name}
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, accord.TextBytesMax+2))
	if err != nil {
		return nil, err
	}
	b = bytes.TrimRight(b, "\r\n")
	if len(b) > accord.TextBytesMax {
		return nil, &failure{exit: exitUsage, code: "file", message: "The text of an accord has at most 1 MiB."}
	}
	one, err := jcs.Transform(b)
	if err != nil || !bytes.Equal(one, b) {
		return nil, &failure{exit: exitUsage, code: "file", message: clean(name) + " is not the canonical form of a text (RFC 8785): what you would sign is not what others check.", hint: "hansa accords show ID --text > " + name}
	}
	return b, nil
}
