package policy

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/gowebpki/jcs"

	"github.com/hansa-exchange/hansa"
)

// Texts is one text in each language of the catalogue.
type Texts struct {
	EN string `json:"en"`
	NL string `json:"nl"`
	IT string `json:"it"`
	DE string `json:"de"`
	FR string `json:"fr"`
}

// Languages lists the languages of the catalogue as BCP 47 tags, English first.
func Languages() []string { return []string{"en", "nl", "it", "de", "fr"} }

// In returns the text in a language of [Languages]; "" for another.
func (t *Texts) In(lang string) string {
	switch lang {
	case "en":
		return t.EN
	case "nl":
		return t.NL
	case "it":
		return t.IT
	case "de":
		return t.DE
	case "fr":
		return t.FR
	}
	return ""
}

// Bearer says who has to keep a clause, seen from the flow that it is about.
type Bearer string

// The bearers. Values stand in signed texts.
const (
	BearerGiver    Bearer = "giver"
	BearerReceiver Bearer = "receiver"
	BearerBoth     Bearer = "both"
)

// Evidence says where the proof of a clause comes from.
type Evidence string

// The kinds of evidence. Values stand in signed texts.
const (
	EvidenceVerdicts   Evidence = "verdicts"   // what the gate decided, counted by rule
	EvidenceDeliveries Evidence = "deliveries" // what was handed over, and when
	EvidenceReceipts   Evidence = "receipts"   // the receiver's ladder for each record
	EvidenceFindings   Evidence = "findings"   // defects that the linter found in records
	EvidenceCounts     Evidence = "counts"     // what this exchange counted by flow and month
	EvidenceJournal    Evidence = "journal"    // acts that the journal commits to
	EvidenceStatement  Evidence = "statement"  // what the bearer says; nobody else sees it
	EvidenceDocument   Evidence = "document"   // a paper that both sides hold
)

// Clause is one entry of the catalogue: one source for the words, the policy and
// the check. It is never changed without a new version, and its id is never given
// to another. An accord keeps the text under which it was signed.
type Clause struct {
	ID       string        `json:"id"`
	Version  int           `json:"version"`
	Group    string        `json:"group"` // one of [Groups]
	Bearer   Bearer        `json:"bearer"`
	Models   []hansa.Model `json:"models"` // the sharing models that it fits
	Evidence Evidence      `json:"evidence"`
	Source   string        `json:"source"` // the article, or the practice that it is taken from
	Title    Texts         `json:"title"`
	Params   []Param       `json:"parameters,omitempty"`
	Text     Texts         `json:"text"` // with {name} and {name|one|many}
	// Rule is what the gate and the negotiation hold to. A clause without one is
	// a duty: an obligation that is named after the clause.
	Rule *RuleTemplate `json:"rule,omitempty"`
	// Blocks says that a flow under this duty does not start before a gate can
	// hold to it.
	Blocks bool `json:"blocks,omitzero"`
	// Test is the check; a clause without one is not enforced by software.
	Test *Test `json:"check,omitempty"`
	// Uncovered says what the check does not see.
	Uncovered Texts `json:"uncovered"`
}

//go:embed clauses/*.json
var clauseFiles embed.FS

// catalogue is read once. What is embedded is tested, so a failure is a broken build.
var catalogue = sync.OnceValue(func() []*Clause {
	list, err := loadClauses()
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return list
})

func loadClauses() ([]*Clause, error) {
	names, err := clauseFiles.ReadDir("clauses")
	if err != nil {
		return nil, err
	}
	list := make([]*Clause, 0, len(names))
	for _, n := range names {
		b, err := clauseFiles.ReadFile(path.Join("clauses", n.Name()))
		if err != nil {
			return nil, err
		}
		c, err := decodeClause(b)
		if err == nil && c.ID+".json" != n.Name() {
			err = wrong("the id is %q", c.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("clauses/%s: %w", n.Name(), err)
		}
		list = append(list, c)
	}
	slices.SortStableFunc(list, func(a, b *Clause) int {
		return cmp.Or(cmp.Compare(slices.Index(Groups(), a.Group), slices.Index(Groups(), b.Group)), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// ReadClause reads one clause from strict JSON and holds it to the rules of the
// catalogue: known words, five languages, each parameter said in each of them, a
// check that fits, a policy that [Check] takes. Its error is Invalid and names the
// field.
func ReadClause(b []byte) (*Clause, error) {
	c, err := decodeClause(b)
	if err == nil {
		_, err = c.ODRL(c.Examples())
	}
	return c, err
}

// decodeClause is [ReadClause] without the policy, which may name the catalogue.
func decodeClause(b []byte) (*Clause, error) {
	c := new(Clause)
	if err := json.Unmarshal(b, c, json.RejectUnknownMembers(true)); err != nil {
		return nil, wrong("a clause: %v", err)
	}
	return c, c.validate()
}

// Clauses lists the catalogue by group and id. It is shared: change nothing in it.
func Clauses() []*Clause { return slices.Clone(catalogue()) }

// ClauseByID finds a clause of the catalogue.
func ClauseByID(id string) (*Clause, bool) {
	i := slices.IndexFunc(catalogue(), func(c *Clause) bool { return c.ID == id })
	if i < 0 {
		return nil, false
	}
	return catalogue()[i], true
}

// Groups lists the groups of clauses in the order in which an accord reads.
func Groups() []string {
	return []string{"purpose", "onward", "privacy", "scope", "roads", "quality", "exchange", "payment", "permit", "term"}
}

// Enforced reports whether software measures or holds to c.
func (c *Clause) Enforced() bool { return c.Test != nil || c.Rule != nil }

// Hash returns the hex SHA-256 of c in canonical form (RFC 8785).
func (c *Clause) Hash() string {
	b, err := json.Marshal(c)
	if err == nil {
		if canonical, bad := jcs.Transform(b); bad == nil {
			b = canonical
		}
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func (c *Clause) validate() error {
	evidence := []Evidence{EvidenceVerdicts, EvidenceDeliveries, EvidenceReceipts, EvidenceFindings, EvidenceCounts, EvidenceJournal, EvidenceStatement, EvidenceDocument}
	switch {
	case !hansa.ValidName(c.ID):
		return hansa.Fielded("/id", "the id of a clause is 1 to 63 of a-z, 0-9 and hyphen, not %q", clip(c.ID))
	case c.Version < 1:
		return hansa.Fielded("/version", "a version counts from 1")
	case !slices.Contains(Groups(), c.Group):
		return hansa.Fielded("/group", "the group is one of %s, not %q", strings.Join(Groups(), ", "), clip(c.Group))
	case !slices.Contains([]Bearer{BearerGiver, BearerReceiver, BearerBoth}, c.Bearer):
		return hansa.Fielded("/bearer", "the bearer is giver, receiver or both, not %q", clip(string(c.Bearer)))
	case !slices.Contains(evidence, c.Evidence):
		return hansa.Fielded("/evidence", "the kind of evidence is one of %v, not %q", evidence, clip(string(c.Evidence)))
	case c.Source == "":
		return hansa.Fielded("/source", "a clause names the article or the practice that it is taken from")
	case len(c.Models) == 0:
		return hansa.Fielded("/models", "a clause fits at least one sharing model")
	}
	for i, m := range c.Models {
		if !slices.Contains(hansa.Models(), m) || slices.Contains(c.Models[:i], m) {
			return hansa.Fielded("/models", "the sharing models are %v, each once, not %q", hansa.Models(), clip(string(m)))
		}
	}
	for i := range c.Params {
		if err := c.Params[i].validate(c.Params[:i]); err != nil {
			return err
		}
	}
	if err := c.validateTexts(); err != nil {
		return err
	}
	return c.validateTest()
}

func (c *Clause) validateTexts() error {
	for _, lang := range Languages() {
		if c.Title.In(lang) == "" || c.Uncovered.In(lang) == "" {
			return hansa.Fielded("/title", "a clause has its title, and what its check does not cover, in %s", lang)
		}
		pieces, err := readTemplate(c.Text.In(lang))
		if err != nil {
			return hansa.Public(err).At("/text/" + lang)
		}
		said := map[string]bool{}
		for _, p := range pieces {
			if p.param == "" {
				continue
			}
			param := c.param(p.param)
			if param == nil {
				return hansa.Fielded("/text/"+lang, "the text names the parameter %q, which the clause does not have", p.param)
			}
			if p.many != "" && param.Kind != KindCount {
				return hansa.Fielded("/text/"+lang, "%s is no count, so no word goes by its number", p.param)
			}
			said[p.param] = said[p.param] || p.many == ""
		}
		for i := range c.Params {
			if !said[c.Params[i].Name] {
				return hansa.Fielded("/text/"+lang, "the text does not say the parameter %s", c.Params[i].Name)
			}
		}
	}
	return nil
}

func (c *Clause) param(name string) *Param {
	i := slices.IndexFunc(c.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Params[i]
}
