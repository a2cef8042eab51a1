package main

import (
	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// accordsCheckCmd holds a text to the rules of its model. It needs no node.
type accordsCheckCmd struct {
	Text string `arg:"" help:"The file of the text: its canonical bytes."`
}

func (accordsCheckCmd) examples() []string {
	return []string{"hansa accords check draft.accord", "hansa accords check draft.accord --json"}
}

func (cmd *accordsCheckCmd) Run(p *printer) error {
	text, err := readText(cmd.Text)
	if err != nil {
		return err
	}
	hash, err := text.Hash()
	if err != nil {
		return err
	}
	list := accord.CheckModel(text)
	if list == nil {
		list = []hansa.Finding{}
	}
	refused := accord.Refusal(list)
	done, err := p.show(map[string]any{"accord": text.ID, "hash": hash, "model": text.Model, "signable": refused == nil, "findings": list})
	if err != nil {
		return err
	}
	if !done {
		p.findings(list)
		p.say("%s, %s, %s; SHA-256 %s.", text.Model, count(len(text.Clauses), "clause"), count(len(list), "finding"), hash)
	}
	if refused == nil {
		return nil
	}
	f := asFailure(refused)
	f.code, f.message = "model", "This text would not be signed. "+f.message
	return f
}

// readText reads the text of an accord from a file.
func readText(name string) (*accord.Text, error) {
	b, err := canonicalFile(name)
	if err != nil {
		return nil, err
	}
	return accord.Read(b)
}
