package main

import (
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// textFileMax bounds a file that holds a text in any form: as many spaces as text.
const textFileMax = 2 * accord.TextBytesMax

// makesText is the hint of where a text comes from.
const makesText = "hansa accords draft MODEL --help makes one, and hansa accords show ID --text > FILE one that is there"

// fileBytes reads a file that should hold a thing of at most limit bytes.
func fileBytes(name, what, hint string, limit int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, &failure{exit: exitNotFound, code: "file", message: sentence(err.Error())}
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, &failure{exit: exitNotFound, code: "file", message: sentence(err.Error())}
	}
	if len(b) > limit {
		return nil, &failure{exit: exitRefused, code: string(hansa.CodeTooLarge), message: fmt.Sprintf("%s is no %s: it has more than %d bytes.", clean(name), what, limit), hint: hint}
	}
	return b, nil
}

// unlike says that a file does not hold what it should, and what makes one.
func unlike(name, what string, err error, hint string) *failure {
	return &failure{exit: exitRefused, code: string(hansa.CodeSyntax), message: clean(name) + " is no " + what + ": " + clean(words.Misread(err)) + ".", hint: hint, err: err}
}

// readInto reads JSON from a file into v, strictly.
func readInto(name, what, hint string, v any) error {
	b, err := fileBytes(name, what, hint, textFileMax)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v, json.RejectUnknownMembers(true)); err != nil {
		return unlike(name, what, err, hint)
	}
	return nil
}

// rawText reads the text of an accord as it is, in any form.
func rawText(name string) (jsontext.Value, error) {
	var raw jsontext.Value
	return raw, readInto(name, "text of an accord", makesText, &raw)
}

// textFile reads a text of any form.
func textFile(name string) (*accord.Text, error) {
	t := &accord.Text{}
	return t, readInto(name, "text of an accord", makesText, t)
}
