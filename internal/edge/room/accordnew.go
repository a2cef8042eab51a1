package room

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
	rules "github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// What one form can hold; more is proposed after.
const (
	newOthersMax = 4 // other parties of a pool; one of any other model
	newGetsMax   = 4 // datasets that the others give
	beginsIn     = 14
)

// newAccordPage is all that the template accord-new needs.
type newAccordPage struct {
	shell
	Choices   []templateRow // none once a model is chosen
	Chosen    *templateRow
	Pool      bool
	Own       string
	Others    []otherRow
	Known     []AccordParty
	Gives     []tickRow
	Gets      []getRow
	Questions []questionRow
	Langs     []tickRow
	Purposes  string // where the template does not ask
	AskFor    bool
	From      string
	Until     string
	Titled    string
	Request   string // that it answers
}

// templateRow is a model with when to choose it.
type templateRow struct {
	Model, ModelClass, Name, Title, Choose, Costs, Blocks string
}

// otherRow is another party in the form.
type otherRow struct {
	N               int
	ID, Title, Kind string
	Kinds           []tickRow
	Needed          bool
}

// getRow is a dataset that another party gives.
type getRow struct {
	N           int
	Name, Title string
	Kinds, From []tickRow
}

// questionRow is one thing that a template asks.
type questionRow struct {
	Name, Text, Who, Value, Example string
	Needed, Bad                     bool
}

func (r *Room) newAccordPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.newAccordSheet(w, req, by, req.URL.Query(), nil)
}

// templateIn is a template in a language.
func templateIn(t *accord.Template, lang string) templateRow {
	say := func(x rules.Texts) string { return first(x.In(lang), x.EN) }
	return templateRow{Model: modelName(t.Model, lang), ModelClass: modelClass(t.Model), Name: t.Name, Title: say(t.Title), Choose: say(t.Choose), Costs: say(t.Costs), Blocks: say(t.Blocks)}
}

func (r *Room) newAccordSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, f url.Values, failure error) error {
	p := &newAccordPage{shell: r.shell(req, by, words.Mark("New accord"), "/accords")}
	p.Style = "accord.css"
	if req.Method == http.MethodPost {
		p.JSON, p.Dark, p.Light = "/accords/new.json", "/accords/new?theme=dark", "/accords/new?theme=light"
	}
	lang := cmp.Or(p.Lang, english)
	doc := map[string]any{"templates": accord.Templates()}
	if f.Get("model") == "" {
		for _, t := range accord.Templates() {
			p.Choices = append(p.Choices, templateIn(t, lang))
		}
		return r.write(w, req, &p.shell, "accord-new", p, doc, failure)
	}
	t, err := accord.TemplateByName(f.Get("model"))
	if err != nil {
		return err
	}
	m, err := r.cfg.Accords.AccordMaking(req.Context(), by)
	if err != nil {
		return err
	}
	if _, err := p.fail(failure); err != nil {
		return err
	}
	chosen := templateIn(t, lang)
	p.Chosen, p.Pool, p.Own, p.Known, p.Titled = &chosen, t.Model == hansa.ModelPool, m.Own.Title, m.Parties, f.Get("title")
	p.Request = f.Get("request")
	p.parties(f)
	p.data(&m, f)
	p.questions(t, f, lang)
	for _, l := range rules.Languages() {
		on := slices.Contains(f["lang"], l)
		if f["lang"] == nil {
			on = slices.Contains(m.Langs, l)
		}
		name := "English"
		if c := r.pages[l].words; c != nil {
			name = c.Say("English")
		}
		p.Langs = append(p.Langs, tickRow{Value: l, Says: name, On: on})
	}
	p.Purposes, p.Until = f.Get("purposes"), f.Get("until")
	p.From = first(f.Get("from"), p.now.In(p.zone).AddDate(0, 0, beginsIn).Format("2006-01-02"))
	return r.write(w, req, &p.shell, "accord-new", p, doc, failure)
}

// recordKinds are the kinds of record, in words.
var recordKinds = map[hansa.RecordKind]string{hansa.KindSituation: words.Mark("situation"), hansa.KindObservation: words.Mark("observation"), hansa.KindDocument: words.Mark("document")}

// The one example of the templates that is in plain words is said in the reader's.
var _ = words.Mark("closures at the second, from the source")

// kindNames are the kinds of party, in words.
var kindNames = map[hansa.PartyKind]string{hansa.City: words.Mark("city"), hansa.PublicBody: words.Mark("public body"), hansa.Company: words.Mark("company"), hansa.Intermediary: words.Mark("intermediary")}

func (s *shell) kindWord(k hansa.PartyKind) string { return s.say.Say(first(kindNames[k], string(k))) }

// partyKinds are the kinds of party to choose.
func (s *shell) partyKinds(chosen string) (out []tickRow) {
	for _, k := range []hansa.PartyKind{hansa.Company, hansa.City, hansa.PublicBody, hansa.Intermediary} {
		out = append(out, tickRow{Value: string(k), Says: s.kindWord(k), On: string(k) == chosen})
	}
	return out
}

func (p *newAccordPage) parties(f url.Values) {
	n := 1
	if p.Pool {
		n = newOthersMax
	}
	for i := range n {
		no := strconv.Itoa(i + 1)
		p.Others = append(p.Others, otherRow{N: i + 1, ID: first(f.Get("other."+no), map[bool]string{true: f.Get("with")}[i == 0]), Title: f.Get("other." + no + ".title"), Kinds: p.partyKinds(f.Get("other." + no + ".kind")), Needed: i == 0 || p.Pool && i == 1})
	}
}

func (p *newAccordPage) data(m *AccordMaking, f url.Values) {
	var came []tickRow // go last
	for i := range m.Datasets {
		d := &m.Datasets[i]
		row := tickRow{Value: d.Name, Says: first(d.Title, d.Name), On: slices.Contains(f["give"], d.Name)}
		if m.Came[d.Name] {
			row.Says = p.say.Fill("{1} (received from another)", row.Says)
			came = append(came, row)
			continue
		}
		p.Gives = append(p.Gives, row)
	}
	p.Gives = append(p.Gives, came...)
	for i := range newGetsMax {
		no := strconv.Itoa(i + 1)
		row := getRow{N: i + 1, Name: f.Get("get." + no), Title: f.Get("get." + no + ".title")}
		for _, k := range []hansa.RecordKind{hansa.KindObservation, hansa.KindSituation, hansa.KindDocument} {
			row.Kinds = append(row.Kinds, tickRow{Value: string(k), Says: p.say.Say(recordKinds[k]), On: string(k) == f.Get("get."+no+".kind")})
		}
		for k := range p.Others {
			who := strconv.Itoa(k + 1)
			row.From = append(row.From, tickRow{Value: who, Says: p.who(k + 1), On: who == f.Get("get."+no+".from")})
		}
		p.Gets = append(p.Gets, row)
	}
}

// who is the nth of the others: by its name where that is known, else as the form calls it.
func (p *newAccordPage) who(n int) string {
	o := &p.Others[n-1]
	if i := slices.IndexFunc(p.Known, func(k AccordParty) bool { return o.ID != "" && string(k.ID) == o.ID }); i >= 0 {
		return first(o.Title, p.Known[i].Title)
	}
	if o.Title != "" || p.Pool {
		return first(o.Title, p.say.Fill("party {1}", n))
	}
	return p.say.Say("The other party")
}

func (p *newAccordPage) questions(t *accord.Template, f url.Values, lang string) {
	p.AskFor = true
	for i := range t.Questions {
		q := &t.Questions[i]
		p.AskFor = p.AskFor && q.Into != "purpose-limit.purposes"
		row := questionRow{Name: q.Name, Text: first(q.Text.In(lang), q.Text.EN), Example: p.say.Say(q.Example), Needed: q.Needed}
		names := []string{q.Name}
		if q.Each {
			for n := range p.Others {
				names = append(names, q.Name+"/"+strconv.Itoa(n+2))
			}
			names[0] = q.Name + "/1"
		}
		for n, name := range names {
			one := row
			one.Name, one.Value, one.Bad = name, f.Get("a."+name), p.Field == "answers/"+name
			if q.Each && n == 0 {
				one.Who = p.Own
			} else if q.Each {
				one.Who = p.who(n)
			}
			p.Questions = append(p.Questions, one)
		}
	}
}

// newAccord makes a draft of what a form says.
func (r *Room) newAccord(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id, err := func() (hansa.AccordID, error) {
		t, err := accord.TemplateByName(req.PostForm.Get("model"))
		if err != nil {
			return "", err
		}
		m, err := r.cfg.Accords.AccordMaking(req.Context(), by)
		if err != nil {
			return "", err
		}
		o := drafted{m: &m, t: t, f: req.PostForm, new: func() string { return hansa.NewID(r.cfg.Now()) }}
		order, err := o.order()
		if err != nil {
			return "", err
		}
		text, err := t.Draft(order)
		if err != nil {
			return "", err
		}
		text.Request = hansa.AccordID(o.get("request"))
		return r.cfg.Accords.DraftAccord(req.Context(), by, text)
	}()
	return acted(w, req, err, "/accords/"+url.PathEscape(string(id)), "draft", func(err error) error { return r.newAccordSheet(w, req, by, req.PostForm, err) })
}

// drafted reads an order from a form.
type drafted struct {
	m   *AccordMaking
	t   *accord.Template
	f   url.Values
	new func() string // an id
}

func (d *drafted) get(name string) string { return strings.TrimSpace(d.f.Get(name)) }

func (d *drafted) order() (o accord.Order, err error) {
	o = accord.Order{ID: hansa.AccordID(d.new()), Languages: d.f["lang"], Answers: map[string]string{}, Term: accord.Term{From: d.get("from"), Until: d.get("until"), Zone: d.m.Zone}}
	if len(o.Languages) == 0 {
		return o, hansa.Fielded("/lang", "choose at least one language that binds")
	}
	if title := d.get("title"); title != "" {
		o.Title = accord.Words{}
		for _, lang := range o.Languages {
			o.Title[lang] = title
		}
	}
	if o.Parties, err = d.parties(); err != nil {
		return o, err
	}
	if o.Flows, err = d.flows(o.Parties); err != nil {
		return o, err
	}
	for name := range d.f {
		if q, ok := strings.CutPrefix(name, "a."); ok && d.get(name) != "" {
			o.Answers[q] = d.get(name)
		}
	}
	if list := strings.FieldsFunc(d.get("purposes"), func(c rune) bool { return c == ',' || c == ' ' }); len(list) > 0 {
		o.Purposes = map[hansa.FlowID][]hansa.Purpose{}
		for i := range o.Flows {
			for _, s := range list {
				o.Purposes[o.Flows[i].ID] = append(o.Purposes[o.Flows[i].ID], hansa.Purpose(s))
			}
		}
	}
	return o, nil
}

// parties are own and those that the form names.
func (d *drafted) parties() ([]accord.Party, error) {
	out := []accord.Party{d.m.Own}
	for n := 1; n <= newOthersMax; n++ {
		field := "other." + strconv.Itoa(n)
		id := hansa.PartyID(d.get(field))
		if id == "" {
			continue
		}
		p := accord.Party{ID: id, Title: d.get(field + ".title"), Kind: hansa.PartyKind(d.get(field + ".kind")), Role: hansa.RoleBoth}
		if i := slices.IndexFunc(d.m.Parties, func(k AccordParty) bool { return k.ID == id }); i >= 0 {
			p.Title = first(p.Title, d.m.Parties[i].Title)
			if k := d.m.Parties[i].Kind; k != "" {
				p.Kind = k
			}
		}
		if p.Title == "" {
			p.Title = string(id)
		}
		out = append(out, p)
	}
	if len(out) == 1 {
		return nil, hansa.Fielded("/other.1", "say with whom")
	}
	return out, nil
}

// flows are what own gives to each, and what the others give.
func (d *drafted) flows(parties []accord.Party) (out []accord.Flow, err error) {
	add := func(from, to hansa.PartyID, set accord.Dataset, name string) {
		out = append(out, accord.Flow{ID: hansa.FlowID(d.new()), Name: name, From: from, To: to, Dataset: set, Formats: d.m.Formats[set.Kind]})
	}
	own := parties[0].ID
	for _, name := range d.f["give"] {
		i := slices.IndexFunc(d.m.Datasets, func(s accord.Dataset) bool { return s.Name == name })
		if i < 0 {
			return nil, hansa.Fielded("/give", "you have no dataset %.60q", name)
		}
		if d.t.Model == hansa.ModelPool {
			add(own, accord.Members, d.m.Datasets[i], name)
			continue
		}
		add(own, parties[1].ID, d.m.Datasets[i], name)
	}
	for n := 1; n <= newGetsMax; n++ {
		field := "get." + strconv.Itoa(n)
		set := accord.Dataset{Name: d.get(field), Title: d.get(field + ".title"), Kind: hansa.RecordKind(d.get(field + ".kind"))}
		if set.Name == "" {
			continue
		}
		if !hansa.ValidName(set.Name) {
			return nil, hansa.Fielded("/"+field, "a dataset's name is 1 to 63 of a-z, 0-9 and hyphen")
		}
		from, err := strconv.Atoi(cmp.Or(d.get(field+".from"), "1"))
		if err != nil || from < 1 || from >= len(parties) {
			return nil, hansa.Fielded("/"+field, "there is no such party to give it")
		}
		to := own
		if d.t.Model == hansa.ModelPool {
			to = accord.Members
		}
		add(parties[from].ID, to, set, set.Name)
	}
	if len(out) == 0 {
		return nil, hansa.Fielded("/give", "choose what you give, or name what the others give")
	}
	return out, nil
}
