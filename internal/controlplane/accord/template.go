package accord

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/gowebpki/jcs"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// Template is a sharing model, ready to be filled in: which clauses it begins with,
// what is asked first, and what people should know before they choose it (domain.md
// section 1.2).
type Template struct {
	Name   string       `json:"name"`
	Model  hansa.Model  `json:"model"`
	Title  policy.Texts `json:"title"`
	Choose policy.Texts `json:"choose"` // when to choose it
	Costs  policy.Texts `json:"costs"`  // what it costs
	Blocks policy.Texts `json:"blocks"` // what blocks it
	// Questions are asked before all else, in this order.
	Questions []Question `json:"questions"`
	// Consideration is the kind of what is given in return, as in [Consideration].
	Consideration string `json:"consideration"`
	Months        int    `json:"months"`       // how long it holds; 0 is indefinite
	ReviewMonths  int    `json:"reviewMonths"` // after which it is first reviewed
	Notice        int    `json:"notice"`       // days
	Exit          string `json:"exit"`
	ExitDays      int    `json:"exitDays"`
	Clauses       []Part `json:"clauses"`

	hash string
}

// Question is one thing that a template asks.
type Question struct {
	Name string       `json:"name"`
	Text policy.Texts `json:"text"`
	// Into is where the answer goes: the parameter of a clause (price.price), the
	// note of each consideration, or the reference of the legal basis.
	Into    string `json:"into"`
	Example string `json:"example"`
	Needed  bool   `json:"needed,omitzero"` // without an answer there is no draft
	// Each asks every party: the answer's name has the party's number after it,
	// counted from 1: gets/1.
	Each bool `json:"each,omitzero"`
}

// Part is a clause that a template begins with.
type Part struct {
	ID     string             `json:"id"`
	Kinds  []hansa.RecordKind `json:"kinds,omitempty"`  // of the flows that it is about; none is all
	Params policy.Params      `json:"params,omitempty"` // beyond the catalogue's defaults
	When   string             `json:"when,omitempty"`   // the question without whose answer it is left out
	Unless string             `json:"unless,omitempty"` // the question with whose answer it is left out
}

//go:embed templates/*.json
var templateFiles embed.FS

// templates are read once. What is embedded is tested, so a failure is a broken build.
var templates = sync.OnceValue(func() []*Template {
	list, err := loadTemplates()
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return list
})

func loadTemplates() ([]*Template, error) {
	list := make([]*Template, 0, len(hansa.Models()))
	for _, m := range hansa.Models() {
		b, err := templateFiles.ReadFile("templates/" + string(m) + ".json")
		if err != nil {
			return nil, err
		}
		t, err := readTemplate(b)
		if err == nil && t.Model != m {
			err = hansa.Fielded("/model", "the model is %q", t.Model)
		}
		if err != nil {
			return nil, fmt.Errorf("templates/%s.json: %w", m, err)
		}
		list = append(list, t)
	}
	return list, nil
}

// readTemplate reads one template and holds it to the catalogue of clauses.
func readTemplate(b []byte) (*Template, error) {
	t := new(Template)
	if err := json.Unmarshal(b, t, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	canonical, err := jcs.Transform(b)
	if err != nil {
		return nil, err
	}
	t.hash = hashOf(canonical)
	for _, lang := range policy.Languages() {
		for _, text := range []policy.Texts{t.Title, t.Choose, t.Costs, t.Blocks} {
			if text.In(lang) == "" {
				return nil, hansa.Fielded("/title", "a template says its title, when to choose it, what it costs and what blocks it in %s", lang)
			}
		}
		for i := range t.Questions {
			if t.Questions[i].Text.In(lang) == "" {
				return nil, hansa.Fielded("/questions", "the question %s has no text in %s", t.Questions[i].Name, lang)
			}
		}
	}
	for _, p := range t.Clauses {
		c, ok := policy.ClauseByID(p.ID)
		switch {
		case !ok:
			return nil, hansa.Fielded("/clauses", "the catalogue has no clause %q", p.ID)
		case !slices.Contains(c.Models, t.Model):
			return nil, hansa.Fielded("/clauses", "the clause %s does not fit the model %s", p.ID, t.Model)
		case c.Blocks:
			return nil, hansa.Fielded("/clauses", "no flow starts under the clause %s before a gate can hold to it, so no template begins with it", p.ID)
		}
	}
	return t, nil
}

// Templates lists the templates, one of each model, in the order in which pages
// offer them. They are shared: change nothing in them.
func Templates() []*Template { return slices.Clone(templates()) }

// TemplateByName finds a template. Its error is NotFound and names those that there are.
func TemplateByName(name string) (*Template, error) {
	names := make([]string, 0, len(templates()))
	for _, t := range templates() {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return nil, hansa.Errorf(hansa.NotFound, "there is no template %q; there are %s", name, strings.Join(names, ", ")).WithHint("hansa accords templates")
}

// Hash returns the hex SHA-256 of the template in canonical form (RFC 8785).
func (t *Template) Hash() string { return t.hash }
