package room

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// accorded lists the pages of accords.
func (r *Room) accorded(page, form func(pattern, action string, serve answerBy, rights ...hansa.Right)) {
	const read, manage = hansa.RightRead, hansa.RightManage
	page("/accords", "see the accords", r.accordsPage, read)
	page("/accords/new", "see how to begin an accord", r.newAccordPage, read)
	form("/accords/new", "begin an accord", r.newAccord, read)
	page("/accords/adopt", "see what others publish, to adopt it", r.adoptPage, read)
	form("/accords/adopt", "draft an accord of what others publish", r.adoptAccord, manage)
	page("/accords/{accord}", "see an accord, words beside policy", r.accordPage, read)
	page("/accords/{accord}/changes", "see what differs between two versions", r.changesPage, read)
	page("/accords/{accord}/sign", "see what a signature binds to", r.signPage, read)
	page("/accords/{accord}/proof", "take an accord's proof bundle", r.accordProof, read)
	form("/accords/{accord}/{act}", "say something of an accord", r.sayAccord, read)
	form("/accords/contacts/{accord}/{act}", "hear whoever opened an accord, or not", r.answerContact, manage)
	page("/exchange", "see who shares what with whom", r.exchangePage, read)
}

// accordsPage is all that the template accords needs.
type accordsPage struct {
	shell
	Mine, Rows    []accordRow
	Contacts      []accordRow
	May           bool
	States        []pillRow
	Models        []tickRow
	State, Words  string
	Asked         bool // for some of them
	Next          string
	Begun, Anyone bool
}

// pillRow is one filter to choose.
type pillRow struct {
	Href, Word string
	On         bool
}

// accordRow is an accord in a list.
type accordRow struct {
	ID, Name, Lang     string
	Model, ModelClass  string
	With               string
	State, Tone        string
	Turn, Since        string
	Version            int
	ended, mine, draft bool
}

// accordState is how far an accord has come, in words, with its tone.
func accordState(state hansa.AccordState, end hansa.AccordEnd) (text, tone string) {
	switch state {
	case hansa.AccordDraft:
		return words.Mark("Draft"), "low"
	case hansa.AccordProposed:
		return words.Mark("Proposed"), "med"
	case hansa.AccordSigned:
		return words.Mark("Signed"), "ok"
	case hansa.AccordInForce:
		return words.Mark("In force"), "ok"
	case hansa.AccordSuspended:
		return words.Mark("Suspended"), "high"
	case hansa.AccordEnded:
		return accordEnd(end), "low"
	}
	return string(state), "low"
}

func accordEnd(end hansa.AccordEnd) string {
	switch end {
	case hansa.EndWithdrawn:
		return words.Mark("Withdrawn")
	case hansa.EndDeclined:
		return words.Mark("Declined")
	case hansa.EndLapsed:
		return words.Mark("Lapsed")
	case hansa.EndSuperseded:
		return words.Mark("Superseded")
	case hansa.EndEnded:
	}
	return words.Mark("Ended")
}

// worded is what words say to a reader of lang, with the language that it is in.
func worded(w accord.Words, lang string) (text, tongue string) {
	for _, l := range slices.Concat([]string{cmp.Or(lang, english)}, rulesLanguages()) {
		if w[l] != "" {
			return w[l], l
		}
	}
	for l, s := range w {
		return s, l
	}
	return "", english
}

func (s *shell) accord(a *AccordRow) accordRow {
	x := accordRow{ID: string(a.ID), Model: modelName(a.Model, cmp.Or(s.Lang, english)), ModelClass: modelClass(a.Model), Since: s.when(a.Since), Version: a.Version, ended: a.State == hansa.AccordEnded, mine: a.Mine, draft: a.State == hansa.AccordDraft}
	x.Name, x.Lang = worded(a.Title, s.Lang)
	x.State, x.Tone = accordState(a.State, a.End)
	var with, turn []string
	titles := titlesOf(a.Parties)
	for _, p := range a.Parties {
		if p.ID != a.Me {
			with = append(with, first(p.Title, string(p.ID)))
		}
	}
	x.With = s.say.List(with...)
	if x.ended {
		return x
	}
	for _, id := range a.Turn {
		if id == a.Me {
			turn = append([]string{s.say.Say("Yours")}, turn...)
		} else {
			turn = append(turn, first(titles[id], string(id)))
		}
	}
	x.Turn = s.say.List(turn...)
	if len(a.Turn) > 0 {
		x.Since = s.when(a.TurnSince)
	}
	return x
}

func titlesOf(list []AccordParty) map[hansa.PartyID]string {
	out := map[hansa.PartyID]string{}
	for _, p := range list {
		out[p.ID] = p.Title
	}
	return out
}

// modelName is what people call a model.
func modelName(m hansa.Model, lang string) string {
	return words.Upper(label("models", string(m), lang))
}

// modelClass is the colour and pattern of a model.
func modelClass(m hansa.Model) string {
	if slices.Contains(hansa.Models(), m) {
		return "m-" + string(m)
	}
	return "m-other"
}

// accordStates are the states that a list is asked for by, as people read them.
func accordStates() []pillRow {
	return []pillRow{
		{Href: "", Word: words.Mark("All")},
		{Href: string(hansa.AccordDraft), Word: words.Mark("Drafts")},
		{Href: string(hansa.AccordProposed), Word: words.Mark("Proposed")},
		{Href: string(hansa.AccordInForce), Word: words.Mark("In force")},
		{Href: string(hansa.AccordSuspended), Word: words.Mark("Suspended")},
		{Href: string(hansa.AccordEnded), Word: words.Mark("Ended")},
	}
}

func (r *Room) accordsPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.accordsSheet(w, req, by, nil)
}

func (r *Room) accordsSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, failure error) error {
	p := &accordsPage{shell: r.shell(req, by, words.Mark("Accords"), "/accords"), May: by.May(hansa.RightManage), Begun: true}
	p.Style = "accord.css"
	v := req.URL.Query()
	q := AccordQuery{State: hansa.AccordState(v.Get("state")), Model: hansa.Model(v.Get("model")), Words: strings.TrimSpace(v.Get("q")), After: hansa.AccordID(v.Get("after"))}
	if err := q.known(); err != nil {
		return err
	}
	p.State, p.Words, p.Asked = string(q.State), q.Words, q.State != "" || q.Model != "" || q.Words != ""
	list, err := r.cfg.Accords.Accords(req.Context(), by, q)
	if err != nil {
		return err
	}
	for i := range list.Accords {
		p.Rows = append(p.Rows, p.accord(&list.Accords[i]))
	}
	mine := list
	if q != (AccordQuery{}) || list.After != "" { // what is not on this page may be one's turn too
		if mine, err = r.cfg.Accords.Accords(req.Context(), by, AccordQuery{Turn: true}); err != nil {
			return err
		}
	}
	for i := range mine.Accords {
		if a := &mine.Accords[i]; a.Mine && a.State != hansa.AccordEnded {
			p.Mine = append(p.Mine, p.accord(a))
		}
	}
	for _, c := range list.Contacts {
		x := accordRow{ID: string(c.ID), Model: modelName(c.Model, cmp.Or(p.Lang, english)), ModelClass: modelClass(c.Model), With: string(c.From), Since: p.when(c.At)}
		x.Name, x.Lang = worded(c.Title, p.Lang)
		p.Contacts = append(p.Contacts, x)
	}
	p.filters(v)
	if list.After != "" {
		v.Set("after", string(list.After))
		p.Next = "/accords?" + v.Encode()
	}
	p.Note = p.say.Say(map[string]string{"yes": "Their accord is open here. Read it before you sign.", "no": "They were turned away. Nothing of it is kept.", discardDraft: "The draft of the accord is thrown away. Nobody else had it."}[v.Get("done")])
	return r.write(w, req, &p.shell, "accords", p, list, failure)
}

// known is an error for a filter that no accord can meet.
func (q *AccordQuery) known() error {
	states := []hansa.AccordState{hansa.AccordDraft, hansa.AccordProposed, hansa.AccordSigned, hansa.AccordInForce, hansa.AccordSuspended, hansa.AccordEnded}
	switch {
	case q.State != "" && !slices.Contains(states, q.State):
		return hansa.Errorf(hansa.Invalid, "no accord has the state %.40q", q.State).At("?state").WithHint("list all at /accords")
	case q.Model != "" && !slices.Contains(hansa.Models(), q.Model):
		return hansa.Errorf(hansa.Invalid, "no accord has the model %.40q", q.Model).At("?model").WithHint("list all at /accords")
	}
	return nil
}

// filters are the ways to list fewer.
func (p *accordsPage) filters(v url.Values) {
	with := func(name, value string) string {
		q := url.Values{}
		for _, k := range []string{"state", "model", "q"} {
			if s := v.Get(k); s != "" {
				q.Set(k, s)
			}
		}
		if q.Set(name, value); value == "" {
			q.Del(name)
		}
		return strings.TrimSuffix("/accords?"+q.Encode(), "?")
	}
	for _, s := range accordStates() {
		p.States = append(p.States, pillRow{Href: with("state", s.Href), Word: s.Word, On: s.Href == v.Get("state")})
	}
	for _, m := range hansa.Models() {
		p.Models = append(p.Models, tickRow{Value: string(m), Says: modelName(m, cmp.Or(p.Lang, english)), On: string(m) == v.Get("model")})
	}
}

// answerContact says yes or no to a stranger.
func (r *Room) answerContact(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id, act := hansa.AccordID(req.PathValue("accord")), req.PathValue("act")
	if act != "yes" && act != "no" {
		return hansa.Errorf(hansa.NotFound, "there is no such act of an accord")
	}
	err := r.cfg.Accords.AnswerContact(req.Context(), by, id, act == "yes")
	path := "/accords"
	if act == "yes" {
		path += "/" + url.PathEscape(string(id))
	}
	return acted(w, req, err, path, act, func(err error) error { return r.accordsSheet(w, req, by, err) })
}
