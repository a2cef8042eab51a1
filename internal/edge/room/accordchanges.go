package room

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	rules "github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// changesPage is all that the template accord-changes needs.
type changesPage struct {
	shell
	Path, Name, NameLang string
	From, To             editionRow
	Versions             []editionRow
	Rows                 []changeRow
	Adopted              *AdoptedFrom
	Notes                []string
}

// editionRow is one version to choose.
type editionRow struct {
	Hash         string
	Number       int
	IsFrom, IsTo bool
}

// changeRow is one difference, words and policy together.
type changeRow struct {
	Part, Kind, KindWord, Name string
	Ref                        string // its number in each version
	Words                      []runsRow
	Policy                     []policyRow
	Before, After              string // of what is no clause
}

// runsRow is a text with what was added and removed, in one language.
type runsRow struct {
	Lang string
	Runs []accord.Run
}

// policyRow is one constraint that was added or removed.
type policyRow struct{ Kind, Sign, Text string }

// partWords are the parts of a text.
var partWords = map[string]string{
	"title": words.Mark("Title"), "summary": words.Mark("Summary"), "model": words.Mark("Model"), "basis": words.Mark("Legal basis"), "parties": words.Mark("Party"), "flows": words.Mark("Flow"), "clauses": words.Mark("Clause"),
	"consideration": words.Mark("Given in return"), "term": words.Mark("Duration"), "languages": words.Mark("Languages"), "pack": words.Mark("Legal rules as of"), "law": words.Mark("Law"), "forum": words.Mark("Forum"), "confidential": words.Mark("Withheld"), "request": words.Mark("Request"),
}

var changeWords = map[accord.ChangeKind]string{
	accord.Added: words.Mark("Added"), accord.Removed: words.Mark("Removed"), accord.Changed: words.Mark("Changed"), accord.Moved: words.Mark("Moved"),
}

// changesDoc is the page as JSON.
type changesDoc struct {
	Accord  hansa.AccordID  `json:"accord"`
	From    string          `json:"from"`
	To      string          `json:"to"`
	Changes []accord.Change `json:"changes"`
}

func (r *Room) changesPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id, q := hansa.AccordID(req.PathValue("accord")), req.URL.Query()
	p := &changesPage{shell: r.shell(req, by, words.Mark("What changed"), "/accords"), Path: "/accords/" + url.PathEscape(string(id))}
	p.Style = "accord.css"
	steps, err := r.cfg.Accords.AccordHistory(req.Context(), by, id)
	if err != nil {
		return err
	}
	x, err := r.cfg.Accords.AccordChanges(req.Context(), by, id, q.Get("from"), q.Get("to"))
	switch hansa.KindOf(err) { //nolint:exhaustive // the others are no page
	case hansa.Conflict, hansa.Invalid: // there is no version before the first
		sheet, err2 := r.cfg.Accords.Accord(req.Context(), by, id)
		if err == nil || err2 != nil {
			return cmp.Or(err, err2)
		}
		p.Name, p.NameLang = worded(sheet.Text.Title, p.Lang)
		return r.write(w, req, &p.shell, "accord-changes", p, nil, err)
	}
	if err != nil {
		return err
	}
	p.Name, p.NameLang = worded(x.ToText.Title, p.Lang)
	p.From, p.To = editionRow{Hash: x.From, Number: x.FromText.Version}, editionRow{Hash: x.To, Number: x.ToText.Version}
	p.Title = p.say.Fill("{1}: version {2} and version {3}", p.Name, p.From.Number, p.To.Number)
	if p.Adopted = x.Adopted; p.Adopted != nil {
		p.Title = p.say.Fill("{1}: what differs from the terms that it was adopted from", p.Name)
		for _, n := range p.Adopted.Notes {
			if n.Code == "withheld" {
				n.Name = p.say.Say(first(withheldWords[n.Name], n.Name))
			}
			p.Notes = append(p.Notes, p.say.Fill(first(adoptNotes[n.Code], "{1}"), n.Name))
		}
	}
	if q.Get("done") == "adopted" {
		p.Note = p.say.Say("A draft of your own. Below stands what differs from theirs.")
	}
	for i := range steps {
		if s := &steps[i]; s.Version != "" {
			p.Versions = append(p.Versions, editionRow{Hash: s.Version, Number: s.Number, IsFrom: s.Version == x.From, IsTo: s.Version == x.To})
		}
	}
	for i := range x.Changes {
		if c := &x.Changes[i]; c.Part != "version" && c.Part != "supersedes" { // the head of the page says these
			p.Rows = append(p.Rows, p.change(c))
		}
	}
	if x.Changes == nil {
		x.Changes = []accord.Change{}
	}
	return r.write(w, req, &p.shell, "accord-changes", p, changesDoc{id, x.From, x.To, x.Changes}, nil)
}

// change puts one difference into words.
func (p *changesPage) change(c *accord.Change) changeRow {
	row := changeRow{Part: p.say.Say(first(partWords[c.Part], c.Part)), Kind: string(c.Kind), KindWord: changeWords[c.Kind], Name: c.Name}
	switch {
	case c.Name == c.Part:
		row.Name = ""
	case c.Part == "clauses":
		row.Name = p.clauseTitle(c)
	case c.Part == "term":
		row.Name = p.say.Say(first(termWords[c.Name], c.Name))
	}
	switch {
	case c.From > 0 && c.To > 0 && c.From != c.To:
		row.Ref = strconv.Itoa(c.From) + " → " + strconv.Itoa(c.To)
	case c.From > 0 || c.To > 0:
		row.Ref = strconv.Itoa(max(c.From, c.To))
	}
	for _, lang := range rulesLanguages() {
		if runs := c.Words[lang]; len(runs) > 0 {
			row.Words = append(row.Words, runsRow{lang, runs})
		}
	}
	for _, d := range c.Policy {
		one := policyRow{Kind: string(d.Kind), Sign: "+", Text: d.Rule + " " + brief(d.Action)}
		if d.Kind == accord.Removed {
			one.Sign = "−"
		}
		var x rules.Constraint
		if len(d.Constraint) > 0 && json.Unmarshal(d.Constraint, &x) == nil {
			one.Text += "\n" + strings.Join(constraintLines(&x, "  "), "\n")
		}
		row.Policy = append(row.Policy, one)
	}
	if len(row.Words) == 0 && c.Kind != accord.Moved {
		row.Before, row.After = plainly(c.Before), plainly(c.After)
	}
	return row
}

// termWords are the members of a duration.
var termWords = map[string]string{
	"from": words.Mark("From"), "until": words.Mark("Until"), "notice": words.Mark("Notice"), "trial": words.Mark("Trial until"), "review": words.Mark("Review"), "exit": words.Mark("At the end"), "exitDays": words.Mark("Within"), "zone": words.Mark("Days are those of"),
}

// clauseTitle is what a clause is called in the version that has it.
func (p *changesPage) clauseTitle(c *accord.Change) string {
	for _, v := range []jsontext.Value{c.After, c.Before} {
		var x struct {
			Title accord.Words `json:"title"`
		}
		if v != nil && json.Unmarshal(v, &x) == nil {
			if title, _ := worded(x.Title, p.Lang); title != "" {
				return title
			}
		}
	}
	return c.Name
}

// plainly is a value for people: a text without its quotes, else as it is.
func plainly(v jsontext.Value) string {
	if v == nil {
		return ""
	}
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return indented(string(v))
}

// signSheetPage is all that the template accord-sign needs.
type signSheetPage struct {
	printPage
	Path, Base  string
	Tries       []tryRow
	Findings    []findingRow
	Stops       bool // a rule keeps it from being signed
	May         bool
	WhyNot      string // they may not
	Role, Power string
	Sure        bool
	Changes     bool // there is a version before
	Signed      string
}

// tryRow is one flow as it would run.
type tryRow struct {
	AccordTry
	Tone, Word, Says, Asked string
	Why                     []TryRule // in the page's language
}

// signDoc is the page as JSON.
type signDoc struct {
	Accord   hansa.AccordID  `json:"accord"`
	Hash     string          `json:"hash"`
	May      bool            `json:"may"`
	Findings []hansa.Finding `json:"findings"`
	Flows    []AccordTry     `json:"flows"`
}

// whyNotSigned says why own may not sign what is proposed.
func whyNotSigned(x *AccordSheet) string {
	s := &x.Copy
	switch {
	case s.State == hansa.AccordEnded:
		return words.Mark("The accord has ended.")
	case s.N == 0:
		return words.Mark("It is a draft that nobody else has: send it to the others first.")
	case s.Proposed == s.Force:
		return words.Mark("This version is in force: nothing is proposed that could be signed.")
	case len(s.Declined) > 0:
		return words.Mark("This version was declined: nobody signs it any more. Another can be proposed.")
	case slices.ContainsFunc(s.Signatures, func(g accord.Signature) bool { return g.Party == x.Me }):
		return words.Mark("Your organisation has signed this version.")
	case s.Asked.Served != "":
		return words.Mark("A duty is not signed: its authority serves it.")
	}
	return words.Mark("It is for the signatories of your organisation.")
}

func (r *Room) signPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.signSheet(w, req, by, hansa.AccordID(req.PathValue("accord")), nil)
}

func (r *Room) signSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, id hansa.AccordID, failure error) error {
	x, err := r.cfg.Accords.Accord(req.Context(), by, id)
	if err != nil {
		return err
	}
	p := &signSheetPage{printPage: printPage{shell: r.shell(req, by, "", "/accords")}, Path: "/accords/" + url.PathEscape(string(id)), Base: x.Copy.Proposed}
	p.Style = "accord.css"
	p.fill(r, &AccordPrint{Text: *x.Text, Hash: x.Copy.Proposed, State: x.Copy.State, Signatures: x.Copy.Signatures})
	p.Title = p.say.Fill("Sign {1}", p.Name)
	p.Changes = x.Text.Supersedes != ""
	for _, k := range x.May {
		p.May = p.May || k == accord.Sign
	}
	if !p.May {
		p.WhyNot = p.say.Say(whyNotSigned(&x))
	}
	if req.Method == http.MethodPost {
		p.Role, p.Power, p.Sure = req.PostForm.Get("role"), req.PostForm.Get("power"), req.PostForm.Get("sure") != ""
		p.JSON, p.Dark, p.Light = p.Path+"/sign.json", p.Path+"/sign?theme=dark", p.Path+"/sign?theme=light"
	}
	for i := range x.Findings {
		f := &x.Findings[i]
		row := findingRow{Tone: "med", Message: sentence(f.Message), Mend: sentence(f.Mend)}
		if f.Severity == hansa.Fault {
			row.Tone, p.Stops = "high", true
		}
		p.Findings = append(p.Findings, row)
	}
	tries, err := r.cfg.Accords.AccordTrial(req.Context(), by, id, "")
	if err != nil {
		return err
	}
	p.Tries = p.tries(tries, x.titles())
	return r.write(w, req, &p.shell, "accord-sign", p, signDoc{id, x.Copy.Proposed, p.May, x.Findings, tries}, failure)
}

// purposeIn is the purpose that a page is asked for.
func purposeIn(req *http.Request) (hansa.Purpose, error) {
	s := strings.TrimSpace(req.URL.Query().Get("purpose"))
	if len(s) > hansa.IDBytesMax {
		return "", hansa.Fielded("?purpose", "a purpose has at most %d bytes", hansa.IDBytesMax)
	}
	return hansa.Purpose(s), nil
}

// tries says what would come of each flow.
func (s *shell) tries(list []AccordTry, titles map[hansa.PartyID]string) (out []tryRow) {
	for i := range list {
		row := tryRow{AccordTry: list[i], Tone: "ok", Word: words.Mark("Would run"), Says: sentence(s.because(list[i].Why, titles))}
		switch list[i].State {
		case "refused":
			row.Tone, row.Word = "high", words.Mark("Would not start")
		case "paused":
			row.Tone, row.Word = "med", words.Mark("Would stand still")
		case "closed":
			row.Tone, row.Word = "low", words.Mark("Would be over")
		}
		if row.Gives && row.Purpose != "" {
			row.Asked = s.say.Fill("Asked for {1}", label("purposes", string(row.Purpose), cmp.Or(s.Lang, english)))
		}
		for _, x := range row.Rules {
			x.Words = s.say.Say(first(verdictWords[x.Rule], x.Words))
			row.Why = append(row.Why, x)
		}
		out = append(out, row)
	}
	return out
}
