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

// Limits of what a person writes into a decision.
const (
	reasonMax = 2000     // bytes of a reason
	policyMax = 96 << 10 // bytes of a policy
)

// requestsPage is all that the template requests needs.
type requestsPage struct {
	shell
	May         bool
	Mine        []requestRow // wait for a person of one's own
	Rows, Ended []requestRow
	Asks, Asked []askRow // for data: those that are open, and those that have ended
	Begins      bool     // one can be begun
}

// requestRow is a negotiation in a list.
type requestRow struct {
	ID          string
	How         string // asks, offers, asked or offered: who wants what of whom
	Other, What string
	Purposes    string
	State, Tone string
	Turn        string
	Waits       string
	Since       string
	Parked      string // why a message does not arrive, and waits for a person
	Trying      string // why it has not arrived yet
	Reason      string
}

// row puts a negotiation into words.
func (s *shell) request(q *Request) requestRow {
	x := requestRow{ID: q.ID, How: how(q), Other: first(q.OtherTitle, string(q.Other)), What: first(q.Title, q.Target), Purposes: strings.Join(q.Purposes, ", "), Waits: sentence(s.say.Say(q.Waits)), Since: s.when(q.Changed), Parked: sentence(q.Parked), Trying: sentence(q.Trying), Reason: strings.Join(q.Reason, "; ")}
	x.State, x.Tone = requestState(q)
	x.Turn = turnOf(s.say, q.Turn, q.Waits, q.Parked, x.Other)
	return x
}

// how says who wants what of whom.
func how(q *Request) string {
	switch {
	case q.Side == hansa.Provider && q.OfferBy == hansa.Provider:
		return "offered"
	case q.Side == hansa.Provider:
		return "asks"
	case q.OfferBy == hansa.Provider:
		return "offers"
	}
	return "asked"
}

// turnOf says whose move it is; empty when it has ended.
func turnOf(say *words.Catalogue, turn, waits, parked, other string) string {
	switch {
	case waits != "":
		return say.Say("Yours")
	case parked != "":
		return say.Say("Yours: a message does not arrive")
	case turn == "own":
		return say.Say("Your node's") // it goes on by itself
	case turn == "other":
		return other
	}
	return ""
}

// requestState is how far a negotiation has come, in words, with its tone.
func requestState(q *Request) (text, tone string) {
	switch {
	case q.Parked != "":
		return words.Mark("Stuck"), "crit"
	case q.Waits != "":
		return words.Mark("Waits for you"), "med"
	case q.Trying != "":
		return words.Mark("Does not arrive yet"), "high"
	}
	switch q.State {
	case "REQUESTED":
		return words.Mark("Asked for"), "low"
	case "OFFERED":
		return words.Mark("Offered"), "low"
	case "ACCEPTED":
		return words.Mark("Accepted"), "low"
	case "AGREED":
		return words.Mark("Agreed, to be checked"), "low"
	case "VERIFIED":
		return words.Mark("Checked, to be put in force"), "low"
	case "FINALIZED":
		return words.Mark("In force"), "ok"
	case "TERMINATED":
		if q.Code == "declined" {
			return words.Mark("Declined"), "low"
		}
		return words.Mark("Ended without agreement"), "low"
	}
	return q.State, "low"
}

func isOver(state string) bool {
	return state == "FINALIZED" || state == "TERMINATED" || state == "COMPLETED"
}

func (r *Room) requestsPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := requestsPage{shell: r.shell(req, by, "Requests", "/requests"), May: by.May(hansa.RightManage)}
	list, err := r.cfg.Deals.Requests(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range list {
		q := &list[i]
		switch row := p.request(q); {
		case q.Waits != "" || q.Parked != "" && q.State != "TERMINATED":
			p.Mine = append(p.Mine, row)
		case isOver(q.State):
			p.Ended = append(p.Ended, row)
		default:
			p.Rows = append(p.Rows, row)
		}
	}
	slices.Reverse(p.Mine) // who has waited longest comes first
	var asked []Asked
	if p.Asks, p.Asked, asked, err = r.asks(req, by, &p.shell); err != nil {
		return err
	}
	p.Begins = r.cfg.Asks != nil
	return r.write(w, req, &p.shell, "requests", &p, map[string]any{"negotiations": list, "asks": asked}, nil)
}

// requestPage is all that the template request needs.
type requestPage struct {
	shell
	requestRow
	following
	May                 bool
	Over                bool
	Rules               []string
	Compared            string // with what the rules are
	Differs             []Difference
	Acts                []decision
	Open                string // the act that stands open
	Told                []toldRow
	Facts               []fact
	Agreement           string
	TermsForm           *termsForm
	Policy              string
	PolicyBad           bool // it was refused
	ReasonText          string
	Endings             []string // why it ended
	EndedBy             string
	Takes               bool // data can be taken under it now
	Address, Pid, Party string
}

// fact is one line of what is known.
type fact struct {
	Key, Value, Href string
	Code             bool
}

// decision is what a person can do now; what it comes to stands in the template
// act-says.
type decision struct {
	Act, Word, Yes     string
	Other              string // whom it concerns
	Reason, Terms, Bad bool
}

// toldRow is one step of a process's history.
type toldRow struct{ When, Did, Became, Tone, Says string }

// answers are all that can be done to a request, in the order in which one decides.
func answers() []decision {
	return []decision{
		{Act: "agree", Word: words.Mark("Agree"), Yes: words.Mark("Yes, we agree")},
		{Act: "accept", Word: words.Mark("Accept the offer"), Yes: words.Mark("Yes, we accept")},
		{Act: "verify", Word: words.Mark("Confirm the agreement"), Yes: words.Mark("Yes, it is what was offered")},
		{Act: "finalize", Word: words.Mark("Put it in force"), Yes: words.Mark("Yes, put it in force")},
		{Act: "offer", Word: words.Mark("Answer with other terms"), Yes: words.Mark("Send these terms"), Terms: true},
		{Act: "request", Word: words.Mark("Ask for other terms"), Yes: words.Mark("Ask for these terms"), Terms: true},
		{Act: "terminate", Word: words.Mark("Decline"), Yes: words.Mark("Decline it"), Reason: true, Bad: true},
	}
}

// decisions lists what own may do to a request now.
func decisions(q *Request) (out []decision) {
	for _, d := range answers() {
		if !slices.Contains(q.Can, d.Act) {
			continue
		}
		if d.Other = first(q.OtherTitle, string(q.Other)); d.Act == "terminate" && q.Waits == "" {
			d.Word, d.Yes = words.Mark("End it"), words.Mark("End it now")
		}
		out = append(out, d)
	}
	return out
}

func (r *Room) requestPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.requestSheet(w, req, by, named("request", req), nil)
}

// named is what a path names, without the ending that asks for JSON.
func named(what string, req *http.Request) string {
	id := req.PathValue(what)
	if strings.HasSuffix(req.URL.Path, ".json") {
		id = strings.TrimSuffix(id, ".json")
	}
	return id
}

// requestLook gathers what the page of a negotiation shows.
func (r *Room) requestLook(req *http.Request, by hansa.Actor, id string) (*requestPage, *Process, error) {
	x, err := r.cfg.Deals.Process(req.Context(), by, id)
	if err != nil {
		return nil, nil, err
	}
	q := x.Request
	if q == nil {
		return nil, nil, hansa.Errorf(hansa.NotFound, "there is no such request").WithHint("see all at /requests")
	}
	p := &requestPage{shell: r.shell(req, by, "", "/requests"), May: by.May(hansa.RightManage), Over: isOver(q.State), Rules: q.Words, Differs: q.Differs, Agreement: q.Agreement}
	p.requestRow = p.request(q)
	p.Title = p.Other + ": " + p.What
	p.Compared = p.say.Say(map[hansa.Side]string{hansa.Provider: "Your offer", hansa.Consumer: "You asked for"}[q.Side])
	p.Told = p.told(x.Messages, p.Other)
	p.Endings, p.Takes = q.Reason, q.State == "FINALIZED" && q.Side == hansa.Consumer
	if q.State == "TERMINATED" {
		p.EndedBy = p.Other
		if q.EndedBy == q.Side {
			p.EndedBy = "You"
		}
	}
	if p.May {
		p.Acts = decisions(q)
		p.TermsForm = &termsForm{Formats: tickFormats(r.cfg.Deals.Writable(), nil)}
		if q.Terms != nil {
			p.TermsForm = termsOf(q.Terms, r.cfg.Deals.Writable(), p.zone)
			p.TermsForm.Fits = true
		}
		p.Policy = indented(string(q.Offer))
	}
	p.Facts = p.facts(q)
	return p, &x, nil
}

// requestStream brings the page of a negotiation up to date.
func (r *Room) requestStream(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id := req.PathValue("request")
	return r.followed(w, req, func() ([]part, time.Time, error) {
		p, _, err := r.requestLook(req, by, id)
		if err != nil {
			return nil, time.Time{}, err
		}
		p.Path = "/requests/" + url.PathEscape(id)
		list, err := r.parts(p.Lang, p, "request-stand", "request-rules", "request-acts", "request-told")
		return list, p.now, err
	})
}

// facts are the lines beside it.
func (s *shell) facts(q *Request) []fact {
	out := []fact{{Key: words.Mark("With"), Value: first(q.OtherTitle, string(q.Other))}, {Key: words.Mark("Its id"), Value: string(q.Other), Code: true}, {Key: words.Mark("Dataset"), Value: first(q.Title, q.Target)}}
	for _, f := range []fact{
		{Key: words.Mark("For"), Value: strings.Join(q.Purposes, ", ")},
		{Key: words.Mark("Fills"), Value: q.Dataset, Href: "/datasets/" + url.PathEscape(q.Dataset)},
		{Key: words.Mark("Then"), Value: s.say.Say(way(q.Then))},
		{Key: words.Mark("Agreement"), Value: q.Agreement, Href: "/agreements/" + url.PathEscape(q.Agreement), Code: true},
		{Key: words.Mark("Began"), Value: s.when(q.Began)},
		{Key: words.Mark("Process here"), Value: q.ID, Code: true},
		{Key: words.Mark("Process there"), Value: q.Pid, Code: true},
		{Key: words.Mark("Their address"), Value: q.Address, Code: true},
	} {
		if f.Value != "" {
			out = append(out, f)
		}
	}
	return out
}

// way says how data is handed over.
func way(format string) string {
	switch format {
	case "":
		return ""
	case "HttpData-PULL":
		return words.Mark("fetched by you (HttpData-PULL)")
	case "HttpData-PUSH":
		return words.Mark("sent to you (HttpData-PUSH)")
	case "HttpData-SSE":
		return words.Mark("streamed to you as it happens (HttpData-SSE)")
	}
	return format
}

func (r *Room) requestSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, id string, failure error) error {
	p, x, err := r.requestLook(req, by, id)
	if err != nil {
		return err
	}
	path := "/requests/" + url.PathEscape(id)
	p.follow(req, &p.shell, path, !p.Over)
	if req.Method == http.MethodPost {
		p.JSON, p.Dark, p.Light = path+".json", path+"?theme=dark", path+"?theme=light"
		p.Open, p.ReasonText = req.PathValue("act"), req.PostForm.Get("reason")
		p.TermsForm.refill(req.PostForm, r.cfg.Deals.Writable())
		if req.PostForm.Has("policy") {
			p.Policy, p.PolicyBad = req.PostForm.Get("policy"), failure != nil && strings.HasPrefix(hansa.Public(failure).Field, "/policy")
			p.Open += "-policy"
		}
	}
	p.Note = p.say.Say(map[string]string{
		"asked": "You have asked. What comes back shows here by itself.", "agree": "Agreed. The nodes now confirm it to each other.", "accept": "Accepted. The other side now agrees, or ends it.",
		"offer": "Your terms are on their way. It is the other side's turn.", "request": "You have asked for other terms. It is the other side's turn.", "terminate": "Ended. Your reason goes to the other side.",
		"verify": "Confirmed.", "finalize": "It is in force.", "retry": "It is sent again. What became of it shows below.",
	}[req.URL.Query().Get("done")])
	return r.write(w, req, &p.shell, "request", p, x, failure)
}

// decide does what a person decided about a negotiation.
func (r *Room) decide(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id, act := req.PathValue("request"), req.PathValue("act")
	if act == "retry" {
		return acted(w, req, r.cfg.Deals.Retry(req.Context(), by, id), "/requests/"+url.PathEscape(id), act, func(err error) error { return r.requestSheet(w, req, by, id, err) })
	}
	if !slices.ContainsFunc(answers(), func(d decision) bool { return d.Act == act }) {
		return hansa.Errorf(hansa.NotFound, "there is no act %q of a request", act)
	}
	a, err := answerOf(req.PostForm, act, r.shell(req, by, "", "").zone)
	if err == nil {
		err = r.cfg.Deals.Answer(req.Context(), by, id, act, a)
	}
	return acted(w, req, err, "/requests/"+url.PathEscape(id), act, func(err error) error { return r.requestSheet(w, req, by, id, err) })
}

// acted sends the browser on after an act, or shows again what was refused.
func acted(w http.ResponseWriter, req *http.Request, err error, path, act string, again func(error) error) error {
	switch {
	case err == nil:
		return done(w, req, path, act)
	case hansa.KindOf(err) == hansa.NotFound, hansa.KindOf(err) == hansa.Internal:
		return err
	}
	return again(err)
}

// answerOf reads a decision from its form.
func answerOf(f url.Values, act string, zone *time.Location) (a Answer, err error) {
	switch act {
	case "terminate":
		reason := strings.TrimSpace(f.Get("reason"))
		switch {
		case reason == "":
			return a, hansa.Fielded("/reason", "say why, in a sentence that the other side reads")
		case len(reason) > reasonMax:
			return a, hansa.Fielded("/reason", "a reason has at most %d bytes", reasonMax)
		}
		a.Reason = []string{reason}
	case "offer", "request":
		if f.Get("by") == "policy" {
			if a.Policy = strings.TrimSpace(f.Get("policy")); a.Policy == "" {
				return a, hansa.Fielded("/policy", "write the policy that you would agree to")
			}
			return a, nil
		}
		a.Terms, err = readTerms(f, zone)
	}
	return a, err
}

// told puts the messages of a process into words, the newest first.
func (s *shell) told(list []Message, other string) []toldRow {
	var out []toldRow
	seen := map[string]bool{}
	for i := range list {
		m := &list[i]
		row := toldRow{When: s.clockOf(m.At), Did: deed(s.say, m, seen[m.Kind], other)}
		row.Became, row.Tone = became(m)
		if m.State != "delivered" && m.State != "received" {
			row.Says = sentence(m.Reason)
		} else {
			row.Became = ""
		}
		if m.State != "refused" && m.State != "void" {
			seen[m.Kind] = true
		}
		out = append(out, row)
	}
	slices.Reverse(out)
	return out
}

// deeds say what messages do: of one's own, and of the other side, {1}.
var deeds = map[string][2]string{
	"negotiation/request":       {words.Mark("You asked for it"), words.Mark("{1} asked for it")},
	"negotiation/request again": {words.Mark("You asked for other terms"), words.Mark("{1} asked for other terms")},
	"negotiation/offer":         {words.Mark("You made an offer"), words.Mark("{1} made an offer")},
	"negotiation/accept":        {words.Mark("You accepted the offer"), words.Mark("{1} accepted the offer")},
	"negotiation/agree":         {words.Mark("You agreed"), words.Mark("{1} agreed")},
	"negotiation/verify":        {words.Mark("You confirmed the agreement"), words.Mark("{1} confirmed the agreement")},
	"negotiation/finalize":      {words.Mark("You put it in force"), words.Mark("{1} put it in force")},
	"negotiation/terminate":     {words.Mark("You ended it"), words.Mark("{1} ended it")},
	"transfer/request":          {words.Mark("You asked for the data"), words.Mark("{1} asked for the data")},
	"transfer/start":            {words.Mark("You let the data pass"), words.Mark("{1} let the data pass")},
	"transfer/start again":      {words.Mark("You let the data pass again"), words.Mark("{1} let the data pass again")},
	"transfer/suspend":          {words.Mark("You suspended it"), words.Mark("{1} suspended it")},
	"transfer/complete":         {words.Mark("You ended it as done"), words.Mark("{1} ended it as done")},
	"transfer/terminate":        {words.Mark("You ended it"), words.Mark("{1} ended it")},
}

// deed says what a message does; again says that one of its kind came before.
func deed(say *words.Catalogue, m *Message, again bool, other string) string {
	d, ok := deeds[m.Kind]
	if more, has := deeds[m.Kind+" again"]; has && again {
		d = more
	}
	switch {
	case !ok:
		return m.Kind
	case m.Direction == "in":
		return say.Fill(d[1], other)
	}
	return say.Say(d[0])
}

// became says what became of a message, with its tone.
func became(m *Message) (text, tone string) {
	switch m.State {
	case "waits":
		if m.Tries > 0 {
			return words.Mark("Not taken yet"), "high"
		}
		return words.Mark("On its way"), "low"
	case "delivered":
		return words.Mark("Arrived"), "ok"
	case "parked":
		return words.Mark("Stuck"), "crit"
	case "void":
		return words.Mark("Given up"), "low"
	case "received":
		return words.Mark("Taken"), "ok"
	case "refused":
		return words.Mark("Refused"), "high"
	}
	return m.State, "low"
}

// clockOf writes a time of today to the second, any other as one says it.
func (s *shell) clockOf(t time.Time) string {
	if !t.IsZero() && s.say.Day(t, s.zone) == s.say.Day(s.now, s.zone) && s.now.Sub(t).Abs() < 48*time.Hour {
		return words.ClockSeconds(t, s.zone)
	}
	return s.when(t)
}
