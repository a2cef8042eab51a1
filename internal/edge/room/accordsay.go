package room

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	rules "github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// The acts of a page that come to a new version, or to a changed draft.
const (
	changeClause = "change-clause"
	dropClause   = "drop-clause"
	addClause    = "add-clause"
	changeTerm   = "change-term"
)

// discardDraft is the act that throws a draft away.
const discardDraft = "discard"

// sayAccord does what a person says of an accord.
func (r *Room) sayAccord(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id, act := hansa.AccordID(req.PathValue("accord")), req.PathValue("act")
	path := "/accords/" + url.PathEscape(string(id))
	again := func(err error) error {
		if act == "sign" {
			return r.signSheet(w, req, by, id, err)
		}
		return r.accordSheet(w, req, by, id, err, act)
	}
	said := act
	err := func() error {
		switch act {
		case "retry":
			return r.cfg.Accords.RetryAccord(req.Context(), by, id)
		case discardDraft:
			path = "/accords"
			return r.cfg.Accords.DiscardDraft(req.Context(), by, id)
		case changeClause, dropClause, addClause, changeTerm:
			var err error
			said, err = r.changeAccord(req, by, id, act)
			return err
		}
		kind := accord.Kind(act)
		if kindWords[kind] == "" || kind == accord.Propose || kind == accord.EnterIntoForce || kind == accord.Join {
			return hansa.Errorf(hansa.NotFound, "there is no such act of an accord")
		}
		a, err := accordActOf(kind, req.PostForm)
		if err != nil {
			return err
		}
		return r.cfg.Accords.ActAccord(req.Context(), by, id, kind, a)
	}()
	return acted(w, req, err, path, said, again)
}

// accordActOf reads what a form says.
func accordActOf(kind accord.Kind, f url.Values) (a AccordAct, err error) {
	get := func(name string) string { return strings.TrimSpace(f.Get(name)) }
	a = AccordAct{Base: get("base"), Clause: get("clause"), Words: get("words"), Role: get("role"), Power: get("power"), Notice: get("notice"), Flow: hansa.FlowID(get("flow")), Keeper: hansa.PartyID(get("keeper"))}
	switch {
	case len(a.Words) > accord.WordsBytesMax:
		return a, hansa.Fielded("/words", "what is said has at most %d bytes", accord.WordsBytesMax)
	case a.Words == "" && slices.Contains([]accord.Kind{accord.Comment, accord.Decline, accord.Suspend, accord.End, accord.RejectClause, accord.Report}, kind), a.Words == "" && f.Get("refused") != "":
		return a, hansa.Fielded("/words", "say why, in a sentence that the others read")
	case kind == accord.Sign && f.Get("sure") == "":
		return a, hansa.Fielded("/sure", "say that you have read it, and that you may sign for your organisation")
	}
	switch kind { //nolint:exhaustive // the others have no form of their own
	case accord.AcceptDelivery:
		a.Refused = f.Get("refused") != ""
	case accord.Serve, accord.Object:
		on, err := time.Parse(time.DateOnly, get("on"))
		if err != nil {
			return a, hansa.Fielded("/on", "say on which day")
		}
		a.Service = &accord.Service{How: get("how"), Reference: get("reference"), On: on, Suspends: f.Get("suspends") != ""}
	case accord.Erased:
		a.Erasure = &accord.Erasure{Backups: get("backups")}
	}
	return a, nil
}

// changeAccord proposes a version with one change, or changes a draft so.
func (r *Room) changeAccord(req *http.Request, by hansa.Actor, id hansa.AccordID, act string) (said string, err error) {
	x, err := r.cfg.Accords.Accord(req.Context(), by, id)
	if err != nil {
		return "", err
	}
	f := req.PostForm
	if base := f.Get("base"); base != "" && base != x.Copy.Proposed {
		return "", hansa.Errorf(hansa.Conflict, "another version is proposed since you read this one").WithHint("read it, and change that")
	}
	t, err := changed(x.Text, act, f)
	if err != nil {
		return "", err
	}
	if x.Copy.N == 0 {
		return "change", r.cfg.Accords.ChangeDraft(req.Context(), by, id, t)
	}
	return "propose", r.cfg.Accords.ActAccord(req.Context(), by, id, accord.Propose, AccordAct{Base: x.Copy.Proposed, Text: t, Words: strings.TrimSpace(f.Get("words"))})
}

// changed is a text with the change that a form asks for.
func changed(was *accord.Text, act string, f url.Values) (*accord.Text, error) {
	t := *was
	t.Clauses = slices.Clone(was.Clauses)
	switch act {
	case changeTerm:
		return changedTerm(&t, f)
	case addClause:
		known, ok := rules.ClauseByID(f.Get("add"))
		if !ok {
			return nil, hansa.Fielded("/add", "choose a clause of the catalogue")
		}
		c, err := accord.NewClause(known, known.Examples(), nil, t.Languages)
		if err != nil {
			return nil, err
		}
		t.Clauses = append(t.Clauses, c)
		return &t, nil
	}
	n, err := strconv.Atoi(f.Get("clause"))
	if err != nil || n < 1 || n > len(t.Clauses) {
		return nil, hansa.Errorf(hansa.NotFound, "there is no such clause in this accord")
	}
	if act == dropClause {
		t.Clauses = slices.Delete(t.Clauses, n-1, n)
		return &t, nil
	}
	c := &t.Clauses[n-1]
	known, ok := rules.ClauseByID(c.ID)
	if !ok {
		return nil, hansa.Errorf(hansa.Conflict, "the catalogue has this clause no more").WithHint("take it out, or leave it as it is")
	}
	params := rules.Params{}
	for i := range known.Params {
		name := known.Params[i].Name
		if v := strings.TrimSpace(f.Get("p." + name)); v != "" {
			params[name] = v
		}
	}
	made, err := accord.NewClause(known, params, c.Flows, t.Languages)
	if err != nil {
		return nil, err
	}
	t.Clauses[n-1] = made
	if days, err := strconv.Atoi(made.Params["days"]); err == nil { // the duration repeats it
		switch made.ID {
		case "notice":
			t.Term.Notice = days
		case "exit-erase":
			t.Term.ExitDays = days
		}
	}
	return &t, nil
}

// changedTerm changes the duration, and the clauses that repeat it.
func changedTerm(t *accord.Text, f url.Values) (*accord.Text, error) {
	notice, err := strconv.Atoi(strings.TrimSpace(f.Get("notice")))
	if err != nil || notice < 0 {
		return nil, hansa.Fielded("/notice", "the notice is a number of days")
	}
	t.Term.From, t.Term.Until, t.Term.Notice = strings.TrimSpace(f.Get("from")), strings.TrimSpace(f.Get("until")), notice
	for i := range t.Clauses {
		c := &t.Clauses[i]
		known, ok := rules.ClauseByID(c.ID)
		if c.ID != "notice" || !ok || c.Params["days"] == strconv.Itoa(notice) {
			continue
		}
		made, err := accord.NewClause(known, rules.Params{"days": strconv.Itoa(notice)}, c.Flows, t.Languages)
		if err != nil {
			return nil, err
		}
		t.Clauses[i] = made
	}
	return t, nil
}

// accordProof hands the proof bundle out.
func (r *Room) accordProof(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id := hansa.AccordID(named("accord", req))
	b, err := r.cfg.Accords.AccordProof(req.Context(), by, id)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="accord.proof"`)
	_, err = w.Write(b)
	return err
}
