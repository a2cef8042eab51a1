package accord

import (
	"bytes"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// How a clause is held to. Values stand in signed texts.
const (
	EnforcedByGate  = "gate"                     // nothing leaves against it
	EnforcedByCheck = "check"                    // it is measured
	NotEnforced     = "not enforced by software" // it is words alone
)

// Canonical returns t in its one form (RFC 8785), which is hashed, shown and signed.
func (t *Text) Canonical() ([]byte, error) { return canonicalJSON(t) }

// Hash returns the hex SHA-256 of t's canonical form.
func (t *Text) Hash() (string, error) {
	b, err := t.Canonical()
	if err != nil {
		return "", err
	}
	return hashOf(b), nil
}

// Read reads a text from its canonical form. What is not canonical, what it does not
// know, and what breaks a rule of [Text.Validate], is an Invalid error that names the
// field.
func Read(b []byte) (*Text, error) {
	if len(b) > TextBytesMax {
		return nil, hansa.Errorf(hansa.Invalid, "the text of an accord has at most %d bytes, not %d", TextBytesMax, len(b)).With(hansa.CodeTooLarge)
	}
	t, err := Stored(b)
	if err != nil {
		return nil, err
	}
	canonical, err := t.Canonical()
	if err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "this text has no canonical form: %v", err).With(hansa.CodeSyntax)
	}
	if !bytes.Equal(b, canonical) {
		return nil, hansa.Errorf(hansa.Invalid, "this text is not in canonical form (RFC 8785), in which each member stands once, in order and without spaces").With(hansa.CodeSyntax)
	}
	return t, t.Validate()
}

// Stored reads a text from bytes that [Book.Text] returned: they were canonical and
// valid when they were stored, and have the same hash still, so neither is looked at
// again.
func Stored(b []byte) (*Text, error) {
	t := new(Text)
	if err := json.Unmarshal(b, t, json.RejectUnknownMembers(true)); err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "this is no text of an accord: %s", words.Misread(err)).With(hansa.CodeSyntax)
	}
	return t, t.known()
}

// Skim reads of a stored text what says who gives what to whom: its title, model, parties
// and flows, and what of them is withheld. Its clauses, by far the most of it, are passed
// over. See [Stored].
func Skim(b []byte) (*Text, error) {
	var t struct {
		Format       int            `json:"format"`
		ID           hansa.AccordID `json:"id"`
		Version      int            `json:"version"`
		Title        Words          `json:"title"`
		Model        hansa.Model    `json:"model"`
		Parties      []Party        `json:"parties"`
		Flows        []Flow         `json:"flows"`
		Confidential []Withheld     `json:"confidential"`
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "this is no text of an accord: %s", words.Misread(err)).With(hansa.CodeSyntax)
	}
	out := &Text{Format: t.Format, ID: t.ID, Version: t.Version, Title: t.Title, Model: t.Model, Parties: t.Parties, Flows: t.Flows, Confidential: t.Confidential}
	return out, out.known()
}

// known fails for a form that a newer release writes.
func (t *Text) known() error {
	if t.Format != Format {
		return hansa.Fielded("/format", "this exchange reads texts of the form %d, not %d", Format, t.Format).WithHint("a newer release may read it")
	}
	return nil
}

// NewClause makes a clause of a text from an entry of the catalogue: its words in
// langs in full, with params, about flows; none is all. Parameters that are not given
// take the catalogue's default. Its error is Invalid and names the parameter.
func NewClause(c *policy.Clause, params policy.Params, flows []hansa.FlowID, langs []string) (Clause, error) {
	out := Clause{
		ID: c.ID, Version: c.Version, Hash: c.Hash(), Flows: slices.Clone(flows), Bearer: c.Bearer, Title: Words{}, Text: Words{}, Uncovered: Words{},
		Evidence: c.Evidence, Source: c.Source, Enforced: enforcement(c), Blocks: c.Blocks,
	}
	all := policy.Params{}
	for i := range c.Params {
		all[c.Params[i].Name] = c.Params[i].Default
	}
	maps.Copy(all, params)
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	if len(all) > 0 {
		out.Params = all
	}
	for _, lang := range langs {
		text, err := c.Render(all, lang)
		if err != nil {
			return Clause{}, err
		}
		out.Title[lang], out.Text[lang], out.Uncovered[lang] = c.Title.In(lang), text, c.Uncovered.In(lang)
	}
	var err error
	out.Rules, err = c.ODRL(all)
	return out, err
}

// enforcement says what software does for c.
func enforcement(c *policy.Clause) string {
	switch {
	case c.Rule != nil:
		return EnforcedByGate
	case c.Enforced():
		return EnforcedByCheck
	}
	return NotEnforced
}

// About reports whether c is about f.
func (c *Clause) About(f hansa.FlowID) bool {
	return len(c.Flows) == 0 || slices.Contains(c.Flows, f)
}
