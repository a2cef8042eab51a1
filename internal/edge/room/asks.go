package room

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// Asks is how data are asked for and offered before there is an accord. What is another
// party's is NotFound.
type Asks interface {
	// Asks lists requests, those that wait for own's answer first.
	Asks(ctx context.Context, by hansa.Actor) ([]Asked, error)
	Asked(ctx context.Context, by hansa.Actor, id string) (Asked, error)
	// AskMaking is who can be asked, and by which rules.
	AskMaking(ctx context.Context, by hansa.Actor) (AskMaking, error)
	Ask(ctx context.Context, by hansa.Actor, to string, r *accord.Request) (id string, err error)
	// AnswerAsk does accept, decline or counter; terms are of a counter-proposal.
	AnswerAsk(ctx context.Context, by hansa.Actor, id string, act accord.RequestAct, why string, terms *accord.Request) error
}

// Asked is a request with its clock and its turn.
type Asked struct {
	accord.Asking
	Me         hansa.PartyID `json:"me"`
	Other      hansa.PartyID `json:"other"`
	OtherTitle string        `json:"otherTitle"`
	Mine       bool          `json:"mine"` // it is own's turn
	Late       bool          `json:"late"` // the time that the law sets is over
	May        bool          `json:"-"`    // this person may answer
	Stuck      string        `json:"stuck,omitempty"`
	Accords    []AskedAccord `json:"accords,omitempty"` // that answer it, the newest first
}

// AskedAccord is an accord that answers a request.
type AskedAccord struct {
	ID    hansa.AccordID    `json:"id"`
	Title accord.Words      `json:"title"`
	State hansa.AccordState `json:"state"`
}

// AskMaking is what a request can be made of.
type AskMaking struct {
	Parties []AccordParty
	Public  bool // own may ask by the rules of a public body
	Country string
}

// askRow is a request in a list.
type askRow struct {
	ID, How, Other, What string
	Purposes             string
	State, Tone          string
	Turn, Since          string
	Answered             string // until when, and what sets it
}

// asksPage is all that the templates ask-new and ask need.
type asksPage struct {
	shell
	askRow
	Form      askForm
	Known     []AccordParty
	Public    bool
	Facts     []fact
	Told      []askStep
	Answers   bool // it is own's turn, and this person may
	Open      string
	Why       string
	Stuck     string
	Ends      string // why it has ended
	Draft     string // where an accord is drafted of it
	Accords   []askAccord
	Countries []tickRow
	Models    []tickRow
	Rules     []tickRow
}

// askForm is a request as a form holds it.
type askForm struct {
	To, What, Dataset, Purposes, Use, From, Until, Model, Rule, Days, Country string
	Offers                                                                    bool
}

// askAccord is an accord that answers a request.
type askAccord struct{ ID, Name, NameLang, State, Tone string }

// askStep is one thing that was said.
type askStep struct{ When, Who, Did, Words, What string }

// askRules are the rules by which a public body asks, in words.
var askRules = map[string]string{
	"data-act-answer-emergency": words.Mark("Public emergency: answered within 5 working days (Data Act, Article 18(2))"),
	"data-act-answer-other":     words.Mark("Other exceptional need: answered within 30 working days (Data Act, Article 18(2))"),
}

// askCalendars are whose working days can be counted.
var askCalendars = map[string]string{"EU": words.Mark("European Union"), "NL": words.Mark("the Netherlands"), "IT": words.Mark("Italy")}

// askDeeds say what a step does.
var askDeeds = map[accord.RequestAct]string{
	accord.Asked: words.Mark("asked"), accord.Accepted: words.Mark("accepted"), accord.Declined: words.Mark("declined"), accord.Countered: words.Mark("proposed other terms"),
}

func (r *Room) askRoutes(page, form func(pattern, action string, serve answerBy, rights ...hansa.Right)) {
	page("/asks/new", "see how to ask for data", r.newAskPage, hansa.RightRead)
	form("/asks/new", "ask for data, or offer some", r.newAsk, hansa.RightRead)
	page("/asks/{ask}", "see a request for data", r.askPage, hansa.RightRead)
	form("/asks/{ask}/{act}", "accept, decline or answer a request for data with other terms", r.answerAsk, hansa.RightRead)
}

// asked puts a request into a row.
func (s *shell) asked(a *Asked) askRow {
	t := a.Terms()
	row := askRow{ID: string(a.ID), Other: first(a.OtherTitle, string(a.Other)), What: asksWhat(t), Purposes: labels("purposes", t.Purposes, cmp.Or(s.Lang, english)), Since: s.when(a.Since)}
	switch mine := a.From == a.Me; {
	case mine && t.Offers:
		row.How = "offered"
	case mine:
		row.How = "asked"
	case t.Offers:
		row.How = "offers"
	default:
		row.How = "asks"
	}
	switch {
	case a.State == accord.RequestAccepted:
		row.State, row.Tone = words.Mark("Accepted"), "ok"
	case a.State == accord.RequestDeclined:
		row.State, row.Tone = words.Mark("Declined"), "low"
	case a.State == accord.RequestLapsed:
		row.State, row.Tone = words.Mark("Lapsed"), "low"
	case a.State == accord.RequestUnheard:
		row.State, row.Tone = words.Mark("Not heard"), "high"
	case a.Late:
		row.State, row.Tone = words.Mark("Late"), "crit"
	case a.Mine:
		row.State, row.Tone = words.Mark("Waits for you"), "med"
	default:
		row.State, row.Tone = words.Mark("Open"), "low"
	}
	if a.State == accord.RequestOpen {
		if row.Turn = row.Other; a.Mine {
			row.Turn = s.say.Say("Yours")
		}
		row.Answered = s.clockTo(a)
	}
	return row
}

// asksWhat names the data that a request is about: the dataset, where it has one, with the
// words beside it.
func asksWhat(t *accord.Request) string {
	if t.Dataset == "" || t.What == "" || t.What == t.Dataset {
		return first(t.What, t.Dataset)
	}
	return "“" + t.Dataset + "”: " + t.What
}

// clockTo says until when an answer is due, and what sets it.
func (s *shell) clockTo(a *Asked) string {
	last := a.Due.Add(-time.Second)
	day := s.say.Date(last, s.zone) + " " + strconv.Itoa(last.In(s.zone).Year())
	t := a.Terms()
	if a.Source != "" {
		return s.say.Fill("answer due by the end of {1} ({2})", day, a.Source)
	}
	return s.say.Fill("answer due by the end of {1} ({2}, {3})", day, s.say.Count(t.Days, "{1} working day", "{1} working days"), s.say.Say(first(askCalendars[t.Country], t.Country)))
}

// asks adds the requests for data to the page of requests.
func (r *Room) asks(req *http.Request, by hansa.Actor, s *shell) (open, ended []askRow, doc []Asked, err error) {
	doc = []Asked{}
	if r.cfg.Asks == nil {
		return nil, nil, doc, nil
	}
	if doc, err = r.cfg.Asks.Asks(req.Context(), by); err != nil {
		return nil, nil, doc, err
	}
	for i := range doc {
		if row := s.asked(&doc[i]); doc[i].State == accord.RequestOpen {
			open = append(open, row)
		} else {
			ended = append(ended, row)
		}
	}
	return open, ended, doc, nil
}

func (r *Room) newAskPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.newAskSheet(w, req, by, req.URL.Query(), nil)
}

func (r *Room) newAskSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, f url.Values, failure error) error {
	p := &asksPage{shell: r.shell(req, by, words.Mark("Ask for data"), "/requests"), Form: askFormOf(f)}
	p.Style = "accord.css"
	if req.Method == http.MethodPost {
		p.JSON, p.Dark, p.Light = "/asks/new.json", "/asks/new?theme=dark", "/asks/new?theme=light"
	}
	m, err := r.cfg.Asks.AskMaking(req.Context(), by)
	if err != nil {
		return err
	}
	p.Known, p.Public = m.Parties, m.Public
	p.choices(cmp.Or(p.Form.Country, m.Country))
	return r.write(w, req, &p.shell, "ask-new", p, map[string]any{"rules": accord.RequestRules(), "models": hansa.Models()}, failure)
}

// choices are what a form about a request lets choose.
func (p *asksPage) choices(country string) {
	for _, c := range []string{"EU", "NL", "IT"} {
		p.Countries = append(p.Countries, tickRow{Value: c, Says: p.say.Say(askCalendars[c]), On: c == country})
	}
	for _, m := range hansa.Models() {
		p.Models = append(p.Models, tickRow{Value: string(m), Says: modelName(m, cmp.Or(p.Lang, english)), On: string(m) == p.Form.Model})
	}
	for _, rule := range accord.RequestRules() {
		p.Rules = append(p.Rules, tickRow{Value: rule, Says: p.say.Say(askRules[rule]), On: rule == p.Form.Rule})
	}
}

// askFormOf is what somebody typed.
func askFormOf(f url.Values) askForm {
	return askForm{
		To: f.Get("to"), What: f.Get("what"), Dataset: f.Get("dataset"), Purposes: f.Get("purposes"), Use: f.Get("use"), From: f.Get("from"), Until: f.Get("until"), Model: first(f.Get("model"), string(hansa.ModelPartnership)),
		Rule: f.Get("rule"), Days: first(f.Get("days"), strconv.Itoa(accord.RequestDays)), Country: f.Get("country"), Offers: f.Get("way") == "offer",
	}
}

// request reads a request from a form.
func (o *askForm) request() (*accord.Request, error) {
	days, err := strconv.Atoi(strings.TrimSpace(o.Days))
	if err != nil {
		return nil, hansa.Fielded("/days", "a turn has 1 to %d working days", accord.RequestDaysMax)
	}
	r := &accord.Request{Offers: o.Offers, Dataset: strings.TrimSpace(o.Dataset), What: o.What, Use: o.Use, From: o.From, Until: o.Until, Model: hansa.Model(o.Model), Rule: o.Rule, Days: days, Country: o.Country}
	list, err := listOf("/purposes", o.Purposes)
	for _, s := range list {
		r.Purposes = append(r.Purposes, hansa.Purpose(s))
	}
	return r, err
}

// newAsk sends a request.
func (r *Room) newAsk(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	o, id := askFormOf(req.PostForm), ""
	t, err := o.request()
	if err == nil {
		id, err = r.cfg.Asks.Ask(req.Context(), by, strings.TrimSpace(o.To), t)
	}
	return acted(w, req, err, "/asks/"+url.PathEscape(id), "asked", func(err error) error { return r.newAskSheet(w, req, by, req.PostForm, err) })
}

func (r *Room) askPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.askSheet(w, req, by, named("ask", req), nil)
}

func (r *Room) askSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, id string, failure error) error {
	a, err := r.cfg.Asks.Asked(req.Context(), by, id)
	if err != nil {
		return err
	}
	p := &asksPage{shell: r.shell(req, by, "", "/requests"), Stuck: sentence(a.Stuck), Answers: a.Mine && a.May}
	p.Style = "accord.css"
	p.askRow = p.asked(&a)
	p.Title = p.Other + ": " + p.What
	t := a.Terms()
	p.Form = askForm{What: t.What, Dataset: t.Dataset, Purposes: joined(t.Purposes), Use: t.Use, From: t.From, Until: t.Until, Model: string(t.Model), Days: strconv.Itoa(t.Days), Country: t.Country, Offers: t.Offers}
	if req.Method == http.MethodPost {
		path := "/asks/" + url.PathEscape(id)
		p.JSON, p.Dark, p.Light = path+".json", path+"?theme=dark", path+"?theme=light"
		if p.Open, p.Why = req.PathValue("act"), req.PostForm.Get("why"); p.Open == string(accord.Countered) {
			p.Form = askFormOf(req.PostForm)
		}
	}
	p.choices(p.Form.Country)
	p.Facts = p.askFacts(&a)
	p.said(&a)
	for _, x := range a.Accords {
		row := askAccord{ID: string(x.ID)}
		row.Name, row.NameLang = worded(x.Title, p.Lang)
		row.State, row.Tone = accordState(x.State, "")
		p.Accords = append(p.Accords, row)
	}
	if a.State == accord.RequestAccepted && len(a.Accords) == 0 {
		p.Draft = draftOf(&a)
	}
	p.Note = p.say.Say(map[string]string{
		"asked": "Sent. Their clock runs; the answer shows here.", "accept": "Accepted. Now draft the accord.", "decline": "Declined. Your reason goes to the other side.", "counter": "Your terms are on their way. It is the other side's turn.",
	}[req.URL.Query().Get("done")])
	return r.write(w, req, &p.shell, "ask", p, a, failure)
}

func joined(list []hansa.Purpose) string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, string(s))
	}
	return strings.Join(out, ", ")
}

// askFacts are the lines beside a request.
func (p *asksPage) askFacts(a *Asked) (out []fact) {
	t := a.Terms()
	for _, f := range []fact{
		{Key: words.Mark("With"), Value: p.Other},
		{Key: words.Mark("Its id"), Value: string(a.Other), Code: true},
		{Key: words.Mark("Dataset"), Value: t.Dataset, Code: true},
		{Key: words.Mark("For"), Value: p.Purposes},
		{Key: words.Mark("What is done with it"), Value: t.Use},
		{Key: words.Mark("From"), Value: t.From},
		{Key: words.Mark("Until"), Value: t.Until},
		{Key: words.Mark("Model"), Value: modelName(t.Model, cmp.Or(p.Lang, english))},
		{Key: words.Mark("Legal rules as of"), Value: t.Pack.ID, Code: true},
	} {
		if f.Value != "" {
			out = append(out, f)
		}
	}
	return out
}

// said lists what was said, the newest first.
func (p *asksPage) said(a *Asked) {
	for i := len(a.Steps) - 1; i >= 0; i-- {
		s := &a.Steps[i]
		row := askStep{When: p.when(s.At), Who: p.Other, Did: p.say.Say(askDeeds[s.Act]), Words: s.Words}
		if s.By == a.Me {
			row.Who = p.say.Say("You")
		}
		if s.Request != nil {
			row.What = s.Request.What
		}
		p.Told = append(p.Told, row)
	}
	if a.State == accord.RequestUnheard {
		p.Ends = sentence(a.Reason)
	}
}

// draftOf is where an accord is drafted of an accepted request, with what is known of it.
func draftOf(a *Asked) string {
	t := a.Terms()
	q := url.Values{"request": {string(a.ID)}, "model": {string(t.Model)}, "with": {string(a.Other)}, "purposes": {joined(t.Purposes)}, "title": {cut(t.What, accord.TitleBytesMax)}}
	if t.From != "" {
		q.Set("from", t.From)
	}
	if t.Until != "" {
		q.Set("until", t.Until)
	}
	if gives := (a.From == a.Me) == t.Offers; gives && t.Dataset != "" {
		q.Set("give", t.Dataset)
	} else if t.Dataset != "" {
		q.Set("get.1", t.Dataset)
	}
	return "/accords/new?" + q.Encode()
}

func cut(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

// answerAsk does what a person answers.
func (r *Room) answerAsk(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id, act, f := req.PathValue("ask"), accord.RequestAct(req.PathValue("act")), req.PostForm
	var terms *accord.Request
	var err error
	if act == accord.Countered {
		o := askFormOf(f)
		terms, err = o.request()
	}
	if err == nil {
		err = r.cfg.Asks.AnswerAsk(req.Context(), by, id, act, f.Get("why"), terms)
	}
	return acted(w, req, err, "/asks/"+url.PathEscape(id), string(act), func(err error) error { return r.askSheet(w, req, by, id, err) })
}
