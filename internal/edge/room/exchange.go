package room

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// exchangePage is all that the template exchange needs.
type exchangePage struct {
	shell
	Flows, Companies, Publics int
	Still                     int // flows of the table that do not run
	Models                    []exchangeModel
	All                       bool
	Picture                   *sankey
	Rows                      []exchangeRow
	Balance                   []balanceRow
	Waiting                   []accordRow
	More                      int
}

// exchangeModel is one model with how much runs under it.
type exchangeModel struct {
	Name, ModelClass, Href, Choose string
	N                              int
	On                             bool
}

// exchangeRow is one flow, one dataset going to one receiver under one accord.
type exchangeRow struct {
	From, To, What, Model, ModelClass, Href, Accord, Lang string
	State, Tone                                           string
	runs                                                  bool
	fromID, toID                                          hansa.PartyID
	model                                                 hansa.Model
	fromPublic, toPublic                                  bool
}

// balanceRow is what a party gives and receives.
type balanceRow struct {
	Title           string
	Gives, Receives int
	GiveX, GiveW    int // of its bars
	TakeW           int
	id              hansa.PartyID
}

// exchangeDoc is the page as JSON.
type exchangeDoc struct {
	Flows []exchangeFlow `json:"flows"`
	More  int            `json:"more"`
}

type exchangeFlow struct {
	Accord  hansa.AccordID `json:"accord"`
	Model   hansa.Model    `json:"model"`
	Flow    hansa.FlowID   `json:"flow"`
	Dataset string         `json:"dataset"`
	From    hansa.PartyID  `json:"from"`
	To      hansa.PartyID  `json:"to"`
	State   string         `json:"state"` // open, paused, refused or closed
}

func (r *Room) exchangePage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := &exchangePage{shell: r.shell(req, by, words.Mark("Exchange"), "/exchange")}
	p.Style = "accord.css"
	x, err := r.cfg.Accords.AccordExchange(req.Context(), by)
	if err != nil {
		return err
	}
	doc := exchangeDoc{Flows: []exchangeFlow{}, More: x.More}
	p.More = x.More
	var all []exchangeRow
	for i := range x.Accords {
		a := &x.Accords[i]
		for k := range a.Pairs {
			all = append(all, p.flow(a, &a.Pairs[k]))
			doc.Flows = append(doc.Flows, exchangeFlow{a.ID, a.Text.Model, a.Pairs[k].ID, a.Pairs[k].Flow.Dataset.Name, a.Pairs[k].From, a.Pairs[k].To, flowState(a, &a.Pairs[k])})
		}
	}
	chosen := hansa.Model(req.URL.Query().Get("model"))
	p.All = !slices.Contains(hansa.Models(), chosen)
	p.models(all, chosen)
	for i := range all {
		if p.All || all[i].model == chosen {
			p.Rows = append(p.Rows, all[i])
		}
	}
	p.Picture = drawSankey(&p.shell, p.count())
	for i := range x.Waiting {
		if a := &x.Waiting[i]; p.All || a.Model == chosen {
			p.Waiting = append(p.Waiting, p.accord(a))
		}
	}
	return r.write(w, req, &p.shell, "exchange", p, doc, nil)
}

// flowState is how a flow stands: open, paused, refused or closed.
func flowState(a *ExchangeAccord, x *accord.Pair) string { return cmp.Or(a.Still[x.ID], "open") }

func (p *exchangePage) flow(a *ExchangeAccord, x *accord.Pair) exchangeRow {
	row := exchangeRow{fromID: x.From, toID: x.To, model: a.Text.Model, Model: modelName(a.Text.Model, cmp.Or(p.Lang, english)), ModelClass: modelClass(a.Text.Model), What: first(x.Flow.Dataset.Title, x.Flow.Name)}
	state := flowState(a, x)
	row.runs = state == "open"
	row.State, row.Tone = courseState(state)
	from, to := a.Names[x.From], a.Names[x.To]
	row.From, row.To = first(from.Title, string(x.From)), first(to.Title, string(x.To))
	row.fromPublic, row.toPublic = isPublic(from.Kind), isPublic(to.Kind)
	if x.To == hansa.PublicParty {
		row.To = p.say.Say("the public")
	}
	row.Accord, row.Lang = worded(a.Text.Title, p.Lang)
	row.Href = "/register/" + url.PathEscape(string(a.ID))
	if a.Own {
		row.Href = "/accords/" + url.PathEscape(string(a.ID))
	}
	return row
}

func isPublic(k hansa.PartyKind) bool { return k == hansa.City || k == hansa.PublicBody }

func (p *exchangePage) models(all []exchangeRow, chosen hansa.Model) {
	lang := cmp.Or(p.Lang, english)
	for _, m := range hansa.Models() {
		one := exchangeModel{Name: modelName(m, lang), ModelClass: modelClass(m), Href: "/exchange?model=" + string(m), On: m == chosen}
		for i := range all {
			if all[i].model == m && all[i].runs {
				one.N++
			}
		}
		for _, t := range accord.Templates() {
			if t.Model == m {
				one.Choose = first(t.Choose.In(lang), t.Choose.EN)
			}
		}
		p.Models = append(p.Models, one)
	}
}

// count sums up who gives and who receives what runs, which it returns.
func (p *exchangePage) count() (runs []exchangeRow) {
	at := map[hansa.PartyID]int{}
	public := map[hansa.PartyID]bool{}
	note := func(id hansa.PartyID, title string) *balanceRow {
		if _, ok := at[id]; !ok {
			at[id] = len(p.Balance)
			p.Balance = append(p.Balance, balanceRow{Title: title, id: id})
		}
		return &p.Balance[at[id]]
	}
	for i := range p.Rows {
		row := &p.Rows[i]
		if !row.runs {
			p.Still++
			continue
		}
		runs = append(runs, *row)
		public[row.fromID], public[row.toID] = row.fromPublic, row.toPublic
		note(row.fromID, row.From).Gives++
		note(row.toID, row.To).Receives++
	}
	most := 1
	for i := range p.Balance {
		b := &p.Balance[i]
		most = max(most, b.Gives, b.Receives)
		if b.id == hansa.PublicParty {
			continue
		}
		if public[b.id] {
			p.Publics++
		} else {
			p.Companies++
		}
	}
	const half = 60
	for i := range p.Balance {
		b := &p.Balance[i]
		b.GiveW, b.TakeW = b.Gives*half/most, b.Receives*half/most
		b.GiveX = half - b.GiveW
	}
	slices.SortStableFunc(p.Balance, func(a, b balanceRow) int {
		return cmp.Or(cmp.Compare(b.Gives+b.Receives, a.Gives+a.Receives), cmp.Compare(a.Title, b.Title))
	})
	p.Flows = len(runs)
	slices.SortStableFunc(p.Rows, func(a, b exchangeRow) int { // what does not run is read first
		if a.runs != b.runs {
			return map[bool]int{true: 1, false: -1}[a.runs]
		}
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return runs
}
