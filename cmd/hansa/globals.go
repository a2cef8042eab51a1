package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// globals are the flags that every command takes.
type globals struct {
	Node      string `help:"The node to talk to: a URL, or unix:PATH of its socket." env:"HANSA_NODE" placeholder:"URL"`
	TokenFile string `help:"File that holds the token; - reads standard input." env:"HANSA_TOKEN_FILE" placeholder:"FILE" name:"token-file"`
	CA        string `help:"File with extra certificate authorities (PEM)." name:"ca" env:"HANSA_CA" placeholder:"FILE"`
	JSON      bool   `help:"Write one JSON document, or one a line for streams."`
	Format    string `help:"Write by a Go template." placeholder:"TEMPLATE"`
	NoColor   bool   `help:"Write without colours." name:"no-color"`
	Quiet     bool   `short:"q" help:"Say nothing that is not data or an error."`
	Yes       bool   `short:"y" help:"Answer yes to questions."`
	NoInput   bool   `help:"Never ask; fail instead." name:"no-input"`
	UTC       bool   `help:"Write times in UTC." name:"utc"`

	client *client // of this command, once it has one
}

func (g *globals) apply(p *printer) {
	p.json, p.quiet, p.format = g.JSON, g.Quiet, g.Format
	if g.NoColor {
		p.colourOut, p.colourErr = false, false
	}
	if g.UTC {
		p.zone = time.UTC
	}
}

// token reads the token, from its file or standard input. Empty is none.
func (*globals) token(in io.Reader, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	var b []byte
	var err error
	if file == "-" {
		b, err = io.ReadAll(io.LimitReader(in, 64<<10))
	} else {
		b, err = os.ReadFile(file)
	}
	if err != nil {
		return "", err
	}
	t := strings.TrimSpace(string(b))
	if t == "" || strings.ContainsAny(t, "\r\n") {
		return "", &failure{exit: exitUsage, code: "token", message: "The token file holds no token, or more than one line.", hint: "put the token alone into " + file}
	}
	return t, nil
}

// configDir is where contexts are kept.
func configDir() (string, error) {
	if d := os.Getenv("HANSA_CONFIG"); d != "" {
		return d, nil
	}
	d, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(d, "hansa"), nil
}
