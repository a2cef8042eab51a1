package room

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	rules "github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// Prints hands out versions of accords as they are hashed and signed.
type Prints interface {
	// AccordPrint is a version of an accord of by's party by its hash, with the
	// signatures over it; an empty hash is the version in force, else the newest. Another
	// party's is NotFound.
	AccordPrint(ctx context.Context, by hansa.Actor, id, hash string) (AccordPrint, error)
}

// AccordPrint is one version of an accord, for paper.
type AccordPrint struct {
	Text       accord.Text
	Canonical  []byte // what is hashed and signed
	Hash       string
	State      hansa.AccordState
	InForce    bool // this version is
	Effect     time.Time
	Signatures []accord.Signature
	Entry      int64  // the last that is known here
	Head       string // its hash
}

// printPage is all that the template accord-print needs.
type printPage struct {
	shell
	Back, Name, Hash, Model, Standing string
	Binds                             string // which languages are authentic, and which decides
	Translated                        bool   // the language shown is none of them
	Langs                             []langRow
	Facts, Term                       []fact
	Parties                           []printParty
	Flows                             []printFlow
	Clauses                           []printClause
	Returns                           []string
	Signatures                        []printSignature
	Summary                           printWords
}

// printWords are words in a language of authenticity and, beside it, what they are in
// that of the reader.
type printWords struct{ Lang, Text, Translation string }

// printParty is a party as it stands in the text.
type printParty struct{ Title, Role, Kind, Registration, Task, ID string }

// printFlow is one flow, in words.
type printFlow struct {
	Name, What, From, To, Formats, Within string
	Marked                                []string
	Personal                              string
}

// printClause is one clause with its number, words and policy.
type printClause struct {
	N                      int
	Title, Text, Uncovered printWords
	Flows, Bearer, Source  string
	Enforced               string // not enforced by software
	ID, Policy             string
	Brief                  string // of the policy: [policyLines]
}

// printSignature is who signed, how, and by which key.
type printSignature struct{ Party, Role, Power, Held, At, Key string }

// printLang is the language that a print is asked for in: one of the pages, else that of
// the reader.
func (r *Room) printLang(req *http.Request) string {
	if lang := req.URL.Query().Get("lang"); r.speaks(lang) {
		return lang
	}
	return cmp.Or(langOf(req.Context()), english)
}

func (r *Room) printPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id := req.PathValue("accord")
	x, err := r.cfg.Prints.AccordPrint(req.Context(), by, id, req.URL.Query().Get("version"))
	if err != nil {
		return err
	}
	p := &printPage{shell: r.shell(req, by, "", "/accords"), Back: "/accords/" + url.PathEscape(id), Hash: x.Hash}
	if !wantsJSON(req) {
		lang := r.printLang(req)
		p.say = r.pages[lang].words
		if p.Lang = lang; lang == english {
			p.Lang = ""
		}
	}
	p.fill(r, &x)
	q := req.URL.Query()
	for _, row := range r.languages(req) {
		q.Set("lang", row.Lang)
		p.Langs = append(p.Langs, langRow{Lang: "?" + q.Encode(), Name: row.Name, On: row.Lang == cmp.Or(p.Lang, english)})
	}
	return r.write(w, req, &p.shell, "accord-print", p, printDoc{Hash: x.Hash, State: x.State, Text: jsontext.Value(x.Canonical), Signatures: x.Signatures, Entry: x.Entry, Head: x.Head}, nil)
}

// printDoc is a print as JSON: the text is the one that is signed, canonical.
type printDoc struct {
	Hash       string             `json:"hash"`
	State      hansa.AccordState  `json:"state"`
	Text       jsontext.Value     `json:"text"`
	Signatures []accord.Signature `json:"signatures"`
	Entry      int64              `json:"entry"`
	Head       string             `json:"head"`
}

func (p *printPage) fill(r *Room, x *AccordPrint) {
	t, lang := &x.Text, cmp.Or(p.Lang, english)
	own := ownLanguage(t.Languages, lang)
	p.Translated = own != lang
	p.Name = t.Title[own]
	p.Title = p.say.Fill("{1}, version {2}", p.Name, t.Version)
	p.Summary = printWords{Lang: own, Text: t.Summary[own]}
	p.Model = label("models", string(t.Model), lang)
	p.Binds = p.binding(r, t)
	p.Standing = p.standing(x)
	p.facts(x)
	titles := map[hansa.PartyID]string{accord.Members: p.say.Say("every other member")}
	for i := range t.Parties {
		titles[t.Parties[i].ID] = t.Parties[i].Title
		p.Parties = append(p.Parties, p.party(&t.Parties[i]))
	}
	names := map[hansa.FlowID]string{}
	for i := range t.Flows {
		names[t.Flows[i].ID] = t.Flows[i].Name
		p.Flows = append(p.Flows, p.flow(&t.Flows[i], titles))
	}
	for i := range t.Clauses {
		p.Clauses = append(p.Clauses, p.clause(i+1, &t.Clauses[i], own, lang, names))
	}
	for i := range t.Consideration {
		p.Returns = append(p.Returns, p.consideration(&t.Consideration[i], titles, names))
	}
	for i := range x.Signatures {
		p.Signatures = append(p.Signatures, p.signature(&x.Signatures[i], titles))
	}
}

// ownLanguage is the language of authenticity in which a reader of lang reads a text.
func ownLanguage(authentic []string, lang string) string {
	if len(authentic) == 0 || slices.Contains(authentic, lang) {
		return lang
	}
	return authentic[0]
}

// binding says which languages bind.
func (p *printPage) binding(r *Room, t *accord.Text) string {
	var list []string
	for _, lang := range t.Languages {
		name := lang
		if lang == english {
			name = "English"
		} else if c := r.pages[lang].words; c != nil {
			name = c.Say("English")
		}
		list = append(list, name)
	}
	switch len(list) {
	case 0:
		return ""
	case 1:
		return p.say.Fill("The text in this language is authentic: {1}.", list[0])
	}
	return p.say.Fill("The texts in these languages are authentic: {1}. Where they differ, the first decides.", p.say.List(list...))
}

// standing is how far this version has come.
func (p *printPage) standing(x *AccordPrint) string {
	switch {
	case x.InForce && x.State == hansa.AccordEnded:
		return p.say.Say("It was in force, and has ended.")
	case x.InForce && x.State == hansa.AccordSuspended:
		return p.say.Say("In force; at least one party has suspended what it gives.")
	case x.InForce && x.Effect.After(p.now):
		return p.say.Fill("Signed; in force from {1}.", p.day(x.Effect))
	case x.InForce:
		return p.say.Fill("In force since {1}.", p.day(x.Effect))
	}
	switch x.State { //nolint:exhaustive // no version of the others waits
	case hansa.AccordDraft:
		return p.say.Say("A draft: this version is not in force.")
	case hansa.AccordProposed:
		return p.say.Say("Proposed: this version is not in force.")
	}
	return p.say.Say("This version is not in force.")
}

// day writes a time as a day with its year, by the page's clock.
func (p *printPage) day(t time.Time) string {
	return p.say.Date(t, p.zone) + " " + strconv.Itoa(t.In(p.zone).Year())
}

// dayOf writes a day of a text, 2026-12-01; what is none stays as it is.
func (p *printPage) dayOf(s string) string {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return s
	}
	return p.say.Date(t, time.UTC) + " " + strconv.Itoa(t.Year())
}

func (p *printPage) facts(x *AccordPrint) {
	t := &x.Text
	add := func(list *[]fact, key, value string, code bool) {
		if value != "" {
			*list = append(*list, fact{Key: key, Value: value, Code: code})
		}
	}
	add(&p.Facts, words.Mark("Accord"), string(t.ID), true)
	add(&p.Facts, words.Mark("Version"), strconv.Itoa(t.Version), false)
	add(&p.Facts, words.Mark("Takes the place of"), t.Supersedes, true)
	add(&p.Facts, words.Mark("Model"), p.Model, false)
	add(&p.Facts, words.Mark("Legal rules as of"), t.Pack.ID, true)
	add(&p.Facts, words.Mark("Law"), t.Law, false)
	add(&p.Facts, words.Mark("Forum"), t.Forum, false)
	add(&p.Facts, words.Mark("Answers the request"), string(t.Request), true)
	if b := t.Basis; b != nil {
		add(&p.Facts, words.Mark("Legal basis"), b.Kind+", "+b.Reference, false)
	}
	d := &t.Term
	add(&p.Term, words.Mark("From"), p.dayOf(d.From), false)
	until := p.say.Say("no end")
	if d.Until != "" {
		until = p.dayOf(d.Until)
	}
	add(&p.Term, words.Mark("Until"), until, false)
	add(&p.Term, words.Mark("Notice"), p.say.Count(d.Notice, "{1} day", "{1} days"), false)
	add(&p.Term, words.Mark("Trial until"), p.dayOf(d.Trial), false)
	var review []string
	for _, day := range d.Review {
		review = append(review, p.dayOf(day))
	}
	add(&p.Term, words.Mark("Review"), p.say.List(review...), false)
	add(&p.Term, words.Mark("At the end"), p.say.Say(exits[d.Exit]), false)
	if d.ExitDays > 0 {
		add(&p.Term, words.Mark("Within"), p.say.Count(d.ExitDays, "{1} day", "{1} days"), false)
	}
	add(&p.Term, words.Mark("Days are those of"), d.Zone, true)
}

// exits are what becomes of the data at the end.
var exits = map[string]string{
	"keep":   words.Mark("receivers keep what they have"),
	"return": words.Mark("receivers return what they have"),
	"erase":  words.Mark("receivers erase what they have, and certify it"),
}

// partyRoles are what a party is in an accord.
var partyRoles = map[hansa.PartyRole]string{
	hansa.RoleGiver: words.Mark("gives data"), hansa.RoleReceiver: words.Mark("receives data"), hansa.RoleBoth: words.Mark("gives and receives data"), hansa.RoleIntermediary: words.Mark("passes data on"),
	hansa.RoleProcessor: words.Mark("processes data for another"), hansa.RoleBeneficiary: words.Mark("benefits"), hansa.RoleSupervisor: words.Mark("supervises"),
}

func (p *printPage) party(x *accord.Party) printParty {
	return printParty{Title: x.Title, Role: p.say.Say(partyRoles[x.Role]), Kind: p.kindWord(x.Kind), Registration: x.Registration, Task: x.Task, ID: string(x.ID)}
}

func (p *printPage) flow(x *accord.Flow, titles map[hansa.PartyID]string) printFlow {
	f := printFlow{Name: x.Name, What: first(x.Dataset.Title, x.Dataset.Name), From: first(titles[x.From], string(x.From)), To: first(titles[x.To], string(x.To))}
	var formats []string
	for _, one := range x.Formats {
		formats = append(formats, string(one))
	}
	f.Formats = strings.Join(formats, ", ")
	if x.Limit > 0 {
		f.Within = p.say.Span(time.Duration(x.Limit))
	}
	for _, m := range x.Marked {
		as := p.say.Say("trade secret")
		if m.As == "personal" {
			as = p.say.Say("personal data")
		}
		f.Marked = append(f.Marked, p.say.Fill("{1} ({2}): {3}", m.Field, as, m.Measures))
	}
	if d := x.Personal; d != nil {
		f.Personal = p.say.Fill("Roles: {1}. Basis: {2}. Impact assessment: {3}. Kept for {4} days. Third country: {5}.", d.Roles, d.Basis, d.Assessment, d.Retention, d.Country)
	}
	return f
}

// label is what the catalogue of clauses calls one of its words in lang, else in English.
func label(list, word, lang string) string {
	said, ok := rules.Label(list, word, lang)
	if ok && said == "" {
		said, _ = rules.Label(list, word, english)
	}
	return first(said, word)
}

// clause takes the words from the text itself. What they are in another language comes
// from the catalogue, when it has that very version still, and binds nobody.
func (*printPage) clause(n int, x *accord.Clause, own, lang string, names map[hansa.FlowID]string) printClause {
	c := printClause{N: n, ID: x.ID + "@" + strconv.Itoa(x.Version), Source: x.Source, Title: printWords{Lang: own, Text: x.Title[own]}, Text: printWords{Lang: own, Text: x.Text[own]}, Uncovered: printWords{Lang: own, Text: x.Uncovered[own]}, Brief: policyLines(&x.Rules)}
	c.Bearer = label("bearers", string(x.Bearer), lang)
	if x.Enforced != "gate" && x.Enforced != "check" {
		c.Enforced = label("notes", "not-enforced", lang)
	}
	var flows []string
	for _, id := range x.Flows {
		flows = append(flows, first(names[id], string(id)))
	}
	c.Flows = strings.Join(flows, ", ")
	if b, err := json.Marshal(x.Rules, json.Deterministic(true), jsontext.WithIndent("  ")); err == nil {
		c.Policy = string(b)
	}
	known, ok := rules.ClauseByID(x.ID)
	if own == lang || !ok || known.Version != x.Version || known.Hash() != x.Hash {
		return c
	}
	if text, err := known.Render(x.Params, lang); err == nil {
		c.Text.Translation, c.Title.Translation, c.Uncovered.Translation = text, known.Title.In(lang), known.Uncovered.In(lang)
	}
	return c
}

// considerations are the kinds of what is given in return.
var considerations = map[string]string{
	"none": words.Mark("Nothing is given in return"), "cost": words.Mark("Costs"), "money": words.Mark("Money"), "in-kind": words.Mark("In kind"), "permit": words.Mark("A permit"), "tax": words.Mark("A tax"),
	"discount": words.Mark("A discount"), "contribution": words.Mark("A contribution"),
}

func (p *printPage) consideration(x *accord.Consideration, titles map[hansa.PartyID]string, names map[hansa.FlowID]string) string {
	parts := []string{p.say.Say(considerations[x.Kind])}
	if x.By != "" && x.To != "" {
		parts = append(parts, p.say.Fill("{1} to {2}", first(titles[x.By], string(x.By)), first(titles[x.To], string(x.To))))
	}
	if x.Amount != "" {
		parts = append(parts, strings.TrimSuffix(x.Amount+" / "+x.Unit, " / "))
	}
	if x.Cap != "" {
		parts = append(parts, p.say.Fill("at most {1}", x.Cap))
	}
	if x.Flow != "" {
		parts = append(parts, first(names[x.Flow], string(x.Flow)))
	}
	if x.Note != "" {
		parts = append(parts, x.Note)
	}
	return strings.Join(parts, ", ")
}

func (p *printPage) signature(s *accord.Signature, titles map[hansa.PartyID]string) printSignature {
	who := first(titles[s.Party], string(s.Party))
	out := printSignature{Party: who, Role: s.Role, Power: s.Power, At: p.day(s.At) + " " + words.ClockSeconds(s.At, p.zone) + " " + words.Zone(s.At, p.zone)}
	out.Held = p.say.Say("signed by a key that the party keeps itself")
	if s.Held == accord.HeldByNode {
		out.Held = p.say.Fill("signed by {1} on behalf of {2}", s.Host, who)
	}
	if kid, err := s.KID(); err == nil {
		out.Key = kid
	}
	return out
}
