package accord

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// partyIDMax bounds a party's id, see [hansa.Party.Validate].
const partyIDMax = 512

// Validate reports the first rule that t breaks by itself, as an Invalid error that
// names the field: what is missing, too large, unknown, or names what is not there.
// Whether it is a sound accord of its model is for CheckModel. A text that was signed
// stays valid: no rule here looks at the catalogue, or at a clock.
func (t *Text) Validate() error {
	switch {
	case t.Format != Format:
		return hansa.Fielded("/format", "the form of a text is %d, not %d", Format, t.Format)
	case !isUUID(string(t.ID)):
		return hansa.Fielded("/id", "the id of an accord is a UUID in lower case, not %.60q", t.ID)
	case t.Version < 1:
		return hansa.Fielded("/version", "a version counts from 1, not %d", t.Version)
	case (t.Version == 1) != (t.Supersedes == "") || t.Supersedes != "" && !isHash(t.Supersedes):
		return hansa.Fielded("/supersedes", "a version names the SHA-256 of the version that it was made from, and the first names none")
	case !slices.Contains(hansa.Models(), t.Model):
		return hansa.Fielded("/model", "the model is one of %v, not %.40q", hansa.Models(), t.Model)
	}
	for _, f := range []func() error{t.languages, t.heading, t.basis, t.parties, t.flows, t.clauses, t.considerations, t.Term.validate, t.withheld} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (t *Text) languages() error {
	if len(t.Languages) == 0 || len(t.Languages) > LanguagesMax {
		return hansa.Fielded("/languages", "a text has 1 to %d languages of authenticity, not %d", LanguagesMax, len(t.Languages))
	}
	for i, lang := range t.Languages {
		if !slices.Contains(policy.Languages(), lang) || slices.Contains(t.Languages[:i], lang) {
			return hansa.Fielded("/languages", "the languages are %s, each once, not %.20q", strings.Join(policy.Languages(), ", "), lang)
		}
	}
	return nil
}

// words reports whether w says something in each language of authenticity, and in no
// other: a translation that does not bind is no part of what is signed.
func (t *Text) words(field string, w Words, most int, needed bool) error {
	if len(w) == 0 && !needed {
		return nil
	}
	for _, lang := range slices.Sorted(maps.Keys(w)) {
		if !slices.Contains(t.Languages, lang) {
			return hansa.Fielded(field+"/"+lang, "the languages of authenticity are %s; a text in another one does not bind and is not signed", strings.Join(t.Languages, ", "))
		}
	}
	for _, lang := range t.Languages {
		if strings.TrimSpace(w[lang]) == "" {
			return hansa.Fielded(field+"/"+lang, "this is not said in %s, which is a language of authenticity", lang)
		}
		if err := said(field+"/"+lang, w[lang], most); err != nil {
			return err
		}
	}
	return nil
}

// said reports whether s is text of at most so many bytes without control characters,
// but for the ends of lines.
func said(field, s string, most int) error {
	switch {
	case len(s) > most:
		return hansa.Fielded(field, "this has at most %d bytes, not %d", most, len(s))
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' || hidden(r) }):
		return hansa.Fielded(field, "this holds a character that cannot be read").WithHint("write it again without control characters and marks of direction")
	}
	return nil
}

// hidden reports whether r turns the direction of what stands around it, or is unseen:
// who signs would read another text than the one that is hashed.
func hidden(r rune) bool {
	return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r >= 0x200B && r <= 0x200F || r == 0xFEFF
}

func (t *Text) heading() error {
	if err := t.words("/title", t.Title, TitleBytesMax, true); err != nil {
		return err
	}
	if err := t.words("/summary", t.Summary, WordsBytesMax, false); err != nil {
		return err
	}
	if t.Pack.ID == "" || len(t.Pack.ID) > TitleBytesMax || !isHash(t.Pack.Hash) {
		return hansa.Fielded("/pack", "a text names the rule pack that it was made under, with its SHA-256").WithHint("hansa clauses --packs lists them")
	}
	if o := t.From; o != nil && (o.Template == "" || len(o.Template) > TitleBytesMax || !isHash(o.Hash) || len(o.Party) > partyIDMax) {
		return hansa.Fielded("/from", "where a text came from is said by a template's name and its SHA-256")
	}
	if t.Request != "" && !isUUID(string(t.Request)) {
		return hansa.Fielded("/request", "the id of a request is a UUID in lower case, not %.60q", t.Request)
	}
	return cmp.Or(said("/law", t.Law, TitleBytesMax), said("/forum", t.Forum, TitleBytesMax))
}

func (t *Text) basis() error {
	b := t.Basis
	switch {
	case b == nil:
		return nil
	case t.Model != hansa.ModelClause:
		return hansa.Fielded("/basis", "only a duty of the model clause has a legal basis of its own")
	case !slices.Contains([]string{"tender", "permit", "concession", "by-law"}, b.Kind):
		return hansa.Fielded("/basis/kind", "a duty rests on a tender, permit, concession or by-law, not on %.40q", b.Kind)
	case strings.TrimSpace(b.Reference) == "":
		return hansa.Fielded("/basis/reference", "the legal basis names its %s", b.Kind)
	case t.party(b.Authority) == nil:
		return hansa.Fielded("/basis/authority", "the authority to which the duty is owed is one of the parties, not %.100q", b.Authority)
	}
	return said("/basis/reference", b.Reference, WordsBytesMax)
}

// Place finds a party of t by its id; nil is none.
func (t *Text) Place(id hansa.PartyID) *Party { return t.party(id) }

func (t *Text) party(id hansa.PartyID) *Party {
	i := slices.IndexFunc(t.Parties, func(p Party) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return &t.Parties[i]
}

func (t *Text) parties() error {
	open := slices.ContainsFunc(t.Flows, func(f Flow) bool { return f.To == hansa.PublicParty })
	if len(t.Parties) > PartiesMax || len(t.Parties) < 2 && (!open || len(t.Parties) < 1) {
		return hansa.Fielded("/parties", "an accord has 2 to %d parties, not %d; one alone may give to the public", PartiesMax, len(t.Parties))
	}
	for i := range t.Parties {
		p := &t.Parties[i]
		if slices.ContainsFunc(t.Parties[:i], func(o Party) bool { return o.ID == p.ID }) {
			return hansa.Fielded(at("parties", i, "/id"), "%s stands among the parties twice", p.ID)
		}
		if err := p.validate(at("parties", i, "")); err != nil {
			return err
		}
	}
	return nil
}

func (p *Party) validate(field string) error {
	roles := []hansa.PartyRole{hansa.RoleGiver, hansa.RoleReceiver, hansa.RoleBoth, hansa.RoleIntermediary, hansa.RoleProcessor, hansa.RoleBeneficiary, hansa.RoleSupervisor}
	switch {
	case p.ID == "" || len(p.ID) > partyIDMax || p.ID == Members || strings.ContainsFunc(string(p.ID), func(r rune) bool { return r <= ' ' || r > '~' }):
		return hansa.Fielded(field+"/id", "a party is named by its DID, not %.100q", p.ID)
	case p.ID == hansa.PublicParty:
		return hansa.Fielded(field+"/id", "the public signs nothing and is no party; a flow may go to it")
	case strings.TrimSpace(p.Title) == "":
		return hansa.Fielded(field+"/title", "a party has the name by which people know it")
	case !slices.Contains([]hansa.PartyKind{hansa.City, hansa.PublicBody, hansa.Company, hansa.Intermediary}, p.Kind):
		return hansa.Fielded(field+"/kind", "a party is a city, public-body, company or intermediary, not %.40q", p.Kind)
	case !slices.Contains(roles, p.Role):
		return hansa.Fielded(field+"/role", "the role of a party is one of %v, not %.40q", roles, p.Role)
	case !slices.Contains([]string{"", "micro", "small", "other"}, p.Size):
		return hansa.Fielded(field+"/size", "the size of a party is micro, small or other, not %.40q", p.Size)
	}
	for _, f := range []struct{ name, value string }{
		{"/title", p.Title},
		{"/registration", p.Registration},
		{"/task", p.Task},
		{"/contacts/steward", p.Contacts.Steward},
		{"/contacts/legal", p.Contacts.Legal},
		{"/contacts/duty", p.Contacts.Duty},
		{"/contacts/protection", p.Contacts.Protection},
	} {
		if err := said(field+f.name, f.value, TitleBytesMax*2); err != nil {
			return err
		}
	}
	return nil
}

func (t *Text) flows() error {
	if len(t.Flows) == 0 || len(t.Flows) > FlowsMax {
		return hansa.Fielded("/flows", "an accord has 1 to %d flows, not %d", FlowsMax, len(t.Flows))
	}
	for i := range t.Flows {
		f, field := &t.Flows[i], at("flows", i, "")
		if slices.ContainsFunc(t.Flows[:i], func(o Flow) bool { return o.ID == f.ID || o.Name == f.Name && o.From == f.From }) {
			return hansa.Fielded(field+"/id", "two flows of one giver have the same id or the same name")
		}
		if t.party(f.From) == nil {
			return hansa.Fielded(field+"/from", "the giver of a flow is one of the parties, not %.100q", f.From)
		}
		switch {
		case f.To == Members && t.Model != hansa.ModelPool:
			return hansa.Fielded(field+"/to", "only in a pool does a flow go to its members")
		case f.To != Members && f.To != hansa.PublicParty && t.party(f.To) == nil:
			return hansa.Fielded(field+"/to", "the receiver of a flow is one of the parties, not %.100q", f.To)
		}
		if err := f.validate(field); err != nil {
			return err
		}
	}
	return nil
}

func (f *Flow) validate(field string) error {
	switch {
	case !isUUID(string(f.ID)):
		return hansa.Fielded(field+"/id", "the id of a flow is a UUID in lower case, not %.60q", f.ID)
	case !hansa.ValidName(f.Name):
		return hansa.Fielded(field+"/name", "a flow's name is 1 to 63 of a-z, 0-9 and hyphen, not %.80q", f.Name)
	case f.From == f.To:
		return hansa.Fielded(field+"/to", "nobody gives to itself")
	case !hansa.ValidName(f.Dataset.Name):
		return hansa.Fielded(field+"/dataset/name", "a dataset's name is 1 to 63 of a-z, 0-9 and hyphen, not %.80q", f.Dataset.Name)
	case !slices.Contains([]hansa.RecordKind{hansa.KindSituation, hansa.KindObservation, hansa.KindDocument}, f.Dataset.Kind):
		return hansa.Fielded(field+"/dataset/kind", "a dataset is of situations, observations or documents, not %.40q", f.Dataset.Kind)
	case f.Limit < 0:
		return hansa.Fielded(field+"/limit", "the agreed time from offered to live is no less than nothing")
	case len(f.Formats) > policy.ParamItemsMax || len(f.Marked) > len(hansa.Fields()):
		return hansa.Fielded(field+"/formats", "a flow has at most %d formats and marks %d fields", policy.ParamItemsMax, len(hansa.Fields()))
	}
	for i, x := range f.Formats {
		if x == "" || len(x) > 63 || slices.Contains(f.Formats[:i], x) {
			return hansa.Fielded(field+"/formats", "the formats of a flow are named, each once, not %.80q", x)
		}
	}
	for i, m := range f.Marked {
		if !slices.Contains(hansa.Fields(), m.Field) || slices.ContainsFunc(f.Marked[:i], func(o Mark) bool { return o.Field == m.Field }) {
			return hansa.Fielded(field+"/marked", "a marked field is one of %s, each once, not %.40q", strings.Join(hansa.Fields(), ", "), m.Field)
		}
		if m.As != "trade-secret" && m.As != "personal" || strings.TrimSpace(m.Measures) == "" {
			return hansa.Fielded(field+"/marked", "a field is marked as trade-secret or personal, with the measures that the receiver takes")
		}
		if err := said(field+"/marked", m.Measures, WordsBytesMax); err != nil {
			return err
		}
	}
	return cmp.Or(f.Personal.validate(field+"/personal"), f.Exclusive.validate(field+"/exclusive"), said(field+"/dataset/title", f.Dataset.Title, TitleBytesMax), said(field+"/dataset/holder", f.Dataset.Holder, TitleBytesMax))
}

func (p *Personal) validate(field string) error {
	if p == nil {
		return nil
	}
	if !slices.Contains([]string{"", "separate", "joint", "processor"}, p.Roles) || p.Retention < 0 {
		return hansa.Fielded(field, "the roles as controllers are separate, joint or processor, and retention is a number of days")
	}
	return cmp.Or(said(field+"/basis", p.Basis, WordsBytesMax), said(field+"/assessment", p.Assessment, TitleBytesMax), said(field+"/country", p.Country, WordsBytesMax))
}

func (x *Exclusive) validate(field string) error {
	if x == nil {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, x.Until); err != nil {
		return noDay(field+"/until", x.Until)
	}
	return cmp.Or(said(field+"/reason", x.Reason, WordsBytesMax), said(field+"/published", x.Published, TitleBytesMax))
}

func (t *Text) clauses() error {
	if len(t.Clauses) == 0 || len(t.Clauses) > ClausesMax {
		return hansa.Fielded("/clauses", "an accord has 1 to %d clauses, not %d", ClausesMax, len(t.Clauses))
	}
	for i := range t.Clauses {
		if err := t.clause(&t.Clauses[i], at("clauses", i, "")); err != nil {
			return err
		}
	}
	return nil
}

func (t *Text) clause(c *Clause, field string) error {
	switch {
	case !hansa.ValidName(c.ID) || c.Version < 1 || !isHash(c.Hash):
		return hansa.Fielded(field+"/id", "a clause names its entry of the catalogue by id, version and SHA-256")
	case !slices.Contains([]policy.Bearer{policy.BearerGiver, policy.BearerReceiver, policy.BearerBoth}, c.Bearer):
		return hansa.Fielded(field+"/bearer", "a clause is kept by giver, receiver or both, not %.40q", c.Bearer)
	case !slices.Contains([]string{EnforcedByGate, EnforcedByCheck, NotEnforced}, c.Enforced):
		return hansa.Fielded(field+"/enforcement", "a clause is held to by gate or check, or %s; not %.60q", NotEnforced, c.Enforced)
	case c.Evidence == "" || c.Source == "":
		return hansa.Fielded(field+"/evidence", "a clause says its kind of evidence and its source")
	}
	for n, f := range c.Flows {
		if !slices.ContainsFunc(t.Flows, func(o Flow) bool { return o.ID == f }) || slices.Contains(c.Flows[:n], f) {
			return hansa.Fielded(field+"/flows", "a clause is about flows of the text, each once, not %.60q", f)
		}
	}
	if err := cmp.Or(t.words(field+"/title", c.Title, TitleBytesMax, true), t.words(field+"/text", c.Text, WordsBytesMax*4, true), t.words(field+"/uncovered", c.Uncovered, WordsBytesMax, false)); err != nil {
		return err
	}
	if len(c.Rules.Permission)+len(c.Rules.Prohibition)+len(c.Rules.Obligation) != 1 {
		return hansa.Fielded(field+"/odrl", "a clause comes to one permission, one prohibition or one obligation")
	}
	if (len(c.Rules.Obligation) == 0) != (c.Enforced == EnforcedByGate) {
		return hansa.Fielded(field+"/enforcement", "what the gate holds to is a permission or a prohibition, and nothing else is")
	}
	if len(c.Rules.Obligation) == 1 { // of whatever catalogue: it is not measured against the present one
		if !strings.HasSuffix(c.Rules.Obligation[0].Action, "/duty/"+c.ID+"/"+strconv.Itoa(c.Version)) {
			return hansa.Fielded(field+"/odrl", "the duty of a clause is named after it and its version, not %.100q", c.Rules.Obligation[0].Action)
		}
		return nil
	}
	if err := policy.Check(policy.Compose("urn:hansa:clause", c.Rules)); err != nil {
		return hansa.Public(err).At(field + "/odrl")
	}
	return nil
}

var amounts = regexp.MustCompile(`^[A-Z]{3} (0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?$`)

func (t *Text) considerations() error {
	kinds := []string{"none", "cost", "money", "in-kind", "permit", "tax", "discount", "contribution"}
	if len(t.Consideration) > FlowsMax {
		return hansa.Fielded("/consideration", "an accord has at most %d returns", FlowsMax)
	}
	for i := range t.Consideration {
		c, field := &t.Consideration[i], at("consideration", i, "")
		switch {
		case !slices.Contains(kinds, c.Kind):
			return hansa.Fielded(field+"/kind", "what is given in return is one of %s, not %.40q", strings.Join(kinds, ", "), c.Kind)
		case c.By != "" && t.party(c.By) == nil || c.To != "" && t.party(c.To) == nil:
			return hansa.Fielded(field+"/by", "what is given in return is given by one party to another")
		case c.Amount != "" && !amounts.MatchString(c.Amount) || c.Cap != "" && !amounts.MatchString(c.Cap):
			return hansa.Fielded(field+"/amount", "an amount is written as EUR 1250.00")
		case c.Flow != "" && !slices.ContainsFunc(t.Flows, func(f Flow) bool { return f.ID == c.Flow }):
			return hansa.Fielded(field+"/flow", "a return in kind names a flow of the text")
		}
		if err := cmp.Or(said(field+"/unit", c.Unit, TitleBytesMax), said(field+"/note", c.Note, WordsBytesMax)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Term) validate() error {
	from, until, err := d.span()
	switch {
	case err != nil:
		return err
	case !until.IsZero() && !until.After(from):
		return hansa.Fielded("/term/until", "the last day lies before the first")
	case d.Notice < 0 || d.Notice > 3660 || d.ExitDays < 0 || d.ExitDays > 3660:
		return hansa.Fielded("/term/notice", "notice and exit take 0 to 3660 days")
	case !slices.Contains([]string{"keep", "return", "erase"}, d.Exit):
		return hansa.Fielded("/term/exit", "at the end what was received is to keep, return or erase, not %.40q", d.Exit)
	case len(d.Review) > PartiesMax:
		return hansa.Fielded("/term/review", "an accord is reviewed on at most %d days", PartiesMax)
	}
	days := slices.Clone(d.Review)
	if d.Trial != "" {
		days = append(days, d.Trial)
	}
	for _, day := range days {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return noDay("/term/review", day)
		}
	}
	return nil
}

func (t *Text) withheld() error {
	for i, w := range t.Confidential {
		name, flow := strings.CutPrefix(w.Part, "flows/")
		known := slices.Contains([]string{"consideration", "contacts", "clauses"}, w.Part) || flow && slices.ContainsFunc(t.Flows, func(f Flow) bool { return f.Name == name })
		if !known || strings.TrimSpace(w.Rule) == "" || slices.ContainsFunc(t.Confidential[:i], func(o Withheld) bool { return o.Part == w.Part }) {
			return hansa.Fielded(at("confidential", i, ""), "what is withheld is consideration, contacts, clauses or flows/NAME, each once, with the rule by which it is")
		}
		if err := said(at("confidential", i, "/rule"), w.Rule, WordsBytesMax); err != nil {
			return err
		}
	}
	return nil
}
