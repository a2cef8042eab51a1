package room

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// agreementsPage is all that the template agreements needs.
type agreementsPage struct {
	shell
	Rows, Ended []agreementRow
}

// agreementRow is an agreement in a list, and at the head of its page.
type agreementRow struct {
	ID, What, Other, Gives string
	Purposes, Since, Ended string
	Data, Tone             string // how its transfers do
}

func (s *shell) agreement(a *Agreement) agreementRow {
	x := agreementRow{ID: a.ID, What: first(a.Title, a.Target), Other: first(a.OtherTitle, string(a.Other)), Gives: words.Mark("You take"), Purposes: strings.Join(a.Purposes, ", "), Since: s.when(a.At), Ended: s.when(a.Ended), Data: s.say.Say("none yet"), Tone: "low"}
	if a.Side == hansa.Provider {
		x.Gives = words.Mark("You give")
	}
	switch {
	case a.Running > 0:
		x.Data, x.Tone = s.say.Count(a.Running, "{1} transfer running", "{1} transfers running"), "ok"
	case a.Open > 0:
		x.Data = s.say.Count(a.Open, "{1} transfer, none running", "{1} transfers, none running")
	}
	return x
}

func (r *Room) agreementsPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := agreementsPage{shell: r.shell(req, by, "Agreements", "/agreements")}
	list, err := r.cfg.Deals.Agreements(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Ended.IsZero() {
			p.Rows = append(p.Rows, p.agreement(&list[i]))
		} else {
			p.Ended = append(p.Ended, p.agreement(&list[i]))
		}
	}
	return r.write(w, req, &p.shell, "agreements", &p, map[string]any{"agreements": list}, nil)
}

// agreementPage is all that the template agreement needs.
type agreementPage struct {
	shell
	agreementRow
	following
	May       bool
	Takes     bool // own is the consumer, and it is in force
	Rules     []string
	Facts     []fact
	Policy    string
	Transfers []transferRow
	Ways      []tickRow
	Purpose   []tickRow
	Dataset   string
	EndOpen   bool
	EndWhy    string
}

// transferRow is one transfer with what can be done to it now.
type transferRow struct {
	ID, DOM, Way, Code  string
	State, Tone, Turn   string
	Since, Fills        string
	Waits, Trouble      string
	Parked, Reason      string
	Acts                []decision
	May, Open           bool
	ReasonText, OpenAct string
}

// transferState is how far a transfer has come, in words, with its tone.
func transferState(t *Transfer) (text, tone string) {
	switch {
	case t.Parked != "" && !isOver(t.State):
		return words.Mark("Stuck"), "crit"
	case t.Waits != "":
		return words.Mark("Waits for you"), "med"
	case t.Problem != "" && !isOver(t.State):
		return words.Mark("In trouble"), "high"
	case t.Trying != "":
		return words.Mark("Does not arrive yet"), "high"
	}
	switch t.State {
	case "REQUESTED":
		return words.Mark("Asked for"), "low"
	case "STARTED":
		return words.Mark("Running"), "ok"
	case "SUSPENDED":
		return words.Mark("Suspended"), "med"
	case "COMPLETED":
		return words.Mark("Done"), "low"
	case "TERMINATED":
		return words.Mark("Ended"), "low"
	}
	return t.State, "low"
}

// steering lists what own may do to a transfer now.
func steering(t *Transfer) (out []decision) {
	for _, event := range []string{"start", "suspend", "complete", "terminate"} {
		if !slices.Contains(t.Can, event) {
			continue
		}
		d := decision{Act: event, Other: first(t.OtherTitle, string(t.Other))}
		switch {
		case event == "start" && t.State == "SUSPENDED":
			d.Act, d.Word, d.Yes = "resume", words.Mark("Resume"), words.Mark("Yes, resume it")
		case event == "start":
			d.Word, d.Yes = words.Mark("Let the data pass"), words.Mark("Yes, let it pass")
		case event == "suspend":
			d.Word, d.Yes, d.Reason = words.Mark("Suspend"), words.Mark("Suspend it now"), true
		case event == "complete":
			d.Word, d.Yes = words.Mark("End it as done"), words.Mark("Yes, it is done")
		default:
			d.Act, d.Word, d.Yes, d.Reason, d.Bad = "end", words.Mark("End it"), words.Mark("End it now"), true, true
		}
		out = append(out, d)
	}
	return out
}

func (s *shell) transfer(t *Transfer, may bool) transferRow {
	x := transferRow{
		ID: t.ID, DOM: dom(t.ID), Way: wayShort(t.Format, t.Side), Code: t.Format, Since: s.when(t.Changed), Fills: t.Dataset, Waits: sentence(s.say.Say(t.Waits)), Trouble: sentence(first(t.Problem, t.Trying)), Parked: sentence(t.Parked), Reason: strings.Join(t.Reason, "; "), May: may, Open: !isOver(t.State),
	}
	x.State, x.Tone = transferState(t)
	x.Turn = turnOf(s.say, t.Turn, t.Waits, t.Parked, first(t.OtherTitle, string(t.Other)))
	if may {
		x.Acts = steering(t)
	}
	if x.Reason != "" && !isOver(t.State) && t.State != "SUSPENDED" {
		x.Reason = ""
	}
	return x
}

// wayShort says how data is handed over, in a word.
func wayShort(format string, side hansa.Side) string {
	gives := side == hansa.Provider
	switch {
	case format == "HttpData-PULL" && gives:
		return words.Mark("They fetch it")
	case format == "HttpData-PULL":
		return words.Mark("Fetched")
	case format == "HttpData-PUSH" && gives:
		return words.Mark("Sent to them")
	case format == "HttpData-PUSH":
		return words.Mark("Sent to you")
	case format == "HttpData-SSE":
		return words.Mark("Streamed")
	}
	return format
}

// ways are the distribution formats that a person may choose from.
func ways(chosen string) []tickRow {
	if chosen == "" {
		chosen = "HttpData-PULL"
	}
	return []tickRow{
		{Value: "HttpData-PULL", Says: words.Mark("Your node fetches it"), On: chosen == "HttpData-PULL"},
		{Value: "HttpData-SSE", Says: words.Mark("It is streamed to your node as it happens"), On: chosen == "HttpData-SSE"},
		{Value: "HttpData-PUSH", Says: words.Mark("Their node sends it to yours"), On: chosen == "HttpData-PUSH"},
	}
}

// purposesOf lists purposes to choose from: the one that was chosen, else the first.
func purposesOf(list []string, chosen string) (out []tickRow) {
	for i, p := range list {
		out = append(out, tickRow{Value: p, On: p == chosen || chosen == "" && i == 0})
	}
	return out
}

func (r *Room) agreementPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.agreementSheet(w, req, by, named("agreement", req), nil, "")
}

// agreementLook gathers what the page of an agreement shows.
func (r *Room) agreementLook(req *http.Request, by hansa.Actor, id string) (*agreementPage, any, error) {
	a, list, err := r.cfg.Deals.Agreement(req.Context(), by, id)
	if err != nil {
		return nil, nil, err
	}
	p := &agreementPage{shell: r.shell(req, by, "", "/agreements"), May: by.May(hansa.RightManage), Rules: a.Words, Policy: indented(string(a.Policy)), Takes: a.Side == hansa.Consumer && a.Ended.IsZero()}
	p.agreementRow = p.agreement(&a)
	p.Title, p.Path = p.say.Fill("{1} with {2}", p.What, p.Other), "/agreements/"+url.PathEscape(id)
	p.Ways, p.Purpose = ways(req.PostFormValue("way")), purposesOf(a.Purposes, req.PostFormValue("purpose"))
	p.Dataset = req.PostFormValue("dataset")
	for i := range list {
		if p.Dataset == "" {
			p.Dataset = list[i].Dataset
		}
		p.Transfers = append(p.Transfers, p.transfer(&list[i], p.May))
	}
	gives, takes := a.OwnTitle, a.OtherTitle
	if a.Side == hansa.Consumer {
		gives, takes = takes, gives
	}
	for _, f := range []fact{
		{Key: words.Mark("Given by"), Value: gives},
		{Key: words.Mark("Taken by"), Value: takes},
		{Key: words.Mark("Dataset"), Value: p.What},
		{Key: words.Mark("For"), Value: p.Purposes},
		{Key: words.Mark("In force since"), Value: p.Since},
		{Key: words.Mark("Ended"), Value: p.Ended},
		{Key: words.Mark("Agreement"), Value: a.ID, Code: true},
		{Key: words.Mark("SHA-256 of its policy"), Value: a.Hash, Code: true},
		{Key: words.Mark("Came of"), Value: p.say.Say("the request"), Href: "/requests/" + url.PathEscape(a.Process)},
		{Key: words.Mark("Their id"), Value: string(a.Other), Code: true},
	} {
		if f.Value != "" {
			p.Facts = append(p.Facts, f)
		}
	}
	if list == nil {
		list = []Transfer{}
	}
	return p, struct {
		Agreement
		Transfers []Transfer `json:"transfers"`
	}{a, list}, nil
}

func (r *Room) agreementSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, id string, failure error, act string) error {
	p, doc, err := r.agreementLook(req, by, id)
	if err != nil {
		return err
	}
	p.follow(req, &p.shell, p.Path, p.Ended == "")
	if req.Method == http.MethodPost {
		p.JSON, p.Dark, p.Light = p.Path+".json", p.Path+"?theme=dark", p.Path+"?theme=light"
		p.EndOpen, p.EndWhy = act == "ended", req.PostForm.Get("reason")
		for i := range p.Transfers {
			if p.Transfers[i].ID == req.PathValue("transfer") {
				p.Transfers[i].OpenAct, p.Transfers[i].ReasonText = act, req.PostForm.Get("reason")
			}
		}
	}
	p.Note = p.say.Say(map[string]string{
		"take": "Asked for. It runs as soon as the other side has opened it.", "start": "The data passes.", "resume": "The data passes again.", "suspend": "Suspended: no data passes.", "complete": "It is ended as done.",
		"end": "Ended: no data passes, and its token is void.", "retry": "It is sent again.", "ended": "The agreement is ended on your side: nothing more is given or taken under it.",
	}[req.URL.Query().Get("done")])
	return r.write(w, req, &p.shell, "agreement", p, doc, failure)
}

// agreementStream brings the page of an agreement up to date.
func (r *Room) agreementStream(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id := req.PathValue("agreement")
	return r.followed(w, req, func() ([]part, time.Time, error) {
		p, _, err := r.agreementLook(req, by, id)
		if err != nil {
			return nil, time.Time{}, err
		}
		list, err := r.parts(p.Lang, p, "transfers")
		if err != nil {
			return nil, time.Time{}, err
		}
		rows := make([]piece, 0, len(p.Transfers))
		for i := range p.Transfers {
			row, err := r.piece(p.Lang, "transfer", p.Transfers[i].DOM, &p.Transfers[i])
			if err != nil {
				return nil, time.Time{}, err
			}
			rows = append(rows, row)
		}
		list[0] = r.rowed(list[0], rows)
		return list, p.now, nil
	})
}

// take asks for data under an agreement.
func (r *Room) take(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id, f := req.PathValue("agreement"), req.PostForm
	_, err := r.cfg.Deals.Take(req.Context(), by, id, Wish{Purpose: f.Get("purpose"), Dataset: strings.TrimSpace(f.Get("dataset")), Way: f.Get("way")})
	return acted(w, req, err, "/agreements/"+url.PathEscape(id), "take", func(err error) error { return r.agreementSheet(w, req, by, id, err, "take") })
}

// endAgreement ends an agreement on one's own side.
func (r *Room) endAgreement(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id, reason := req.PathValue("agreement"), strings.TrimSpace(req.PostForm.Get("reason"))
	var err error
	if reason == "" {
		err = hansa.Fielded("/reason", "say why, in a sentence that the other side reads")
	} else if len(reason) > reasonMax {
		err = hansa.Fielded("/reason", "a reason has at most %d bytes", reasonMax)
	}
	if err == nil {
		err = r.cfg.Deals.EndAgreement(req.Context(), by, id, []string{reason})
	}
	return acted(w, req, err, "/agreements/"+url.PathEscape(id), "ended", func(err error) error { return r.agreementSheet(w, req, by, id, err, "ended") })
}

// steer does what a person decided about a transfer.
func (r *Room) steer(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id, act := req.PathValue("transfer"), req.PathValue("act")
	x, err := r.cfg.Deals.Process(req.Context(), by, id)
	switch {
	case err != nil:
		return err
	case x.Transfer == nil || !slices.Contains([]string{"start", "resume", "suspend", "complete", "end", "retry"}, act):
		return hansa.Errorf(hansa.NotFound, "there is no such act of a transfer")
	}
	reason := strings.TrimSpace(req.PostForm.Get("reason"))
	switch {
	case act == "retry":
		err = r.cfg.Deals.Retry(req.Context(), by, id)
	case act == "end" && reason == "":
		err = hansa.Fielded("/reason", "say why, in a sentence that the other side reads")
	case len(reason) > reasonMax:
		err = hansa.Fielded("/reason", "a reason has at most %d bytes", reasonMax)
	default:
		var list []string
		if reason != "" {
			list = []string{reason}
		}
		err = r.cfg.Deals.Steer(req.Context(), by, id, act, list)
	}
	agreement := x.Transfer.Agreement
	return acted(w, req, err, "/agreements/"+url.PathEscape(agreement), act, func(err error) error { return r.agreementSheet(w, req, by, agreement, err, act) })
}
