package room

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	rules "github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// accordPage is all that the template accord needs.
type accordPage struct {
	printPage
	ID, Path, ModelClass string
	State, Tone, Turn    string
	Base                 string // SHA-256 of the version that is shown
	Draft, Signing       bool
	Invites              bool          // a party of the draft can be asked in by a link
	Bound                bool          // the version that is shown is in force, or was
	Other                *otherVersion // in force, while another is proposed
	Ends, Review         string
	Over                 bool // Ends is when it did
	Mine                 accordSide
	Others               []accordSide
	Ways                 []accordWay
	Told                 []accordClause
	More                 []tickRow // clauses of the catalogue that can be added
	TermForm             *termForm
	Acts                 []accordAct
	Talks                bool // it can be commented on
	Changes              bool // it can be changed
	Judges               bool // its clauses can be accepted
	Findings             []findingRow
	Tried                bool // it was asked who would get what
	Tries                []tryRow
	For                  hansa.Purpose // that it was asked for; empty is the first agreed
	Sent                 []sentRow
	Stuck                []string
	Still                []stillRow
	Early                string      // an end before its time, in words
	Kept                 *keptBox    // nil before something is in force
	Exit                 *accordExit // nil while there is nothing to say of it
	Steps                []entryRow
	StepsMore            int
	Given                []givenRow
	Proof                []fact
	Open, FormClause     string // of the form that was refused
	FormWords            string
	again                url.Values
}

// otherVersion is the version in force while another is proposed.
type otherVersion struct {
	Version int
	Hash    string
}

// accordSide is a party at the head of the page.
type accordSide struct {
	Mark, Title, Kind, Role, ID string
	Public                      bool
	Signed                      string // when, and by whom
	Left                        bool
}

// accordWay is a flow between two parties, with how it does.
type accordWay struct {
	Title, Name, From, To string
	Out, In               bool // own gives it, own receives it
	Within                string
	Courses               []courseRow
}

// courseRow is how a flow does towards one receiver.
type courseRow struct {
	To, State, Tone, Says, Count string
}

// accordClause is a clause with what the parties say of it.
type accordClause struct {
	printClause
	Kind, KindWord, Icon string // what it does: may, must or not
	Checked              string // by what it is held to
	Evidence             string
	Said                 []saidRow
	Params               []paramRow
	Gone                 bool // the catalogue no longer has it as it stands here
	Open                 bool
	Accepted             bool // by own
}

// saidRow is what a party says of a clause, or of all.
type saidRow struct {
	Who, When, What, Words, Tone string
}

// paramRow is a parameter of a clause, to be changed.
type paramRow struct {
	Name, Value, Hint string
	Options           []tickRow
	Bad               bool
}

// termForm is what can be changed about the duration.
type termForm struct{ From, Until, Notice string }

// findingRow is what is wrong with a text, or might be.
type findingRow struct {
	Tone, Message, Mend string
	Href                string // of the clause
}

// sentRow is an own message that the keeper has not numbered.
type sentRow struct {
	What, When, Says, Tone string
	Refused                bool
}

// stillRow is what stands still.
type stillRow struct {
	Who, Flow, Since, Words string
	Unheard                 bool
}

// entryRow is one step of the history.
type entryRow struct {
	N                  int64
	When, Who, What    string
	Words, Hash, Tone  string
	Changes, ClauseRef string
}

// givenRow is a delivery under the accord.
type givenRow struct {
	ID, When, What, State, Tone, Status string // no ID is a hand-over
	Out                                 bool
	How, Count                          string // of a hand-over
}

func (r *Room) accordPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.accordSheet(w, req, by, hansa.AccordID(named("accord", req)), nil, "")
}

// accordDoc is the page of an accord as JSON.
type accordDoc struct {
	ID       hansa.AccordID    `json:"id"`
	Me       hansa.PartyID     `json:"me"`
	State    hansa.AccordState `json:"state"`
	Keeper   hansa.PartyID     `json:"keeper"`
	Version  int               `json:"version"`
	Proposed string            `json:"proposed"`
	Force    string            `json:"force,omitempty"`
	Entry    int64             `json:"entry"`
	Head     string            `json:"head,omitempty"`
	Turn     []hansa.PartyID   `json:"turn"`
	May      []accord.Kind     `json:"may"`
	Text     jsontext.Value    `json:"text"`
	Findings []hansa.Finding   `json:"findings"`
	Courses  []AccordCourse    `json:"flows"`
	History  []AccordStep      `json:"history"`
	Erasures []AccordErased    `json:"erasures"`
	Owed     []accord.Owed     `json:"owed"`            // certificates that are not there
	Kept     []AccordKept      `json:"kept"`            // how each clause in force stands
	Tries    []AccordTry       `json:"trial,omitempty"` // with explain in the query: who would get what
}

func (r *Room) accordSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, id hansa.AccordID, failure error, act string) error {
	x, err := r.cfg.Accords.Accord(req.Context(), by, id)
	if err != nil {
		return err
	}
	steps, err := r.cfg.Accords.AccordHistory(req.Context(), by, id)
	if err != nil {
		return err
	}
	p := &accordPage{printPage: printPage{shell: r.shell(req, by, "", "/accords")}, ID: string(id), Path: "/accords/" + url.PathEscape(string(id)), Open: act}
	p.Style = "accord.css"
	if req.Method == http.MethodPost {
		p.again, p.FormClause, p.FormWords = req.PostForm, req.PostForm.Get("clause"), req.PostForm.Get("words")
		p.JSON, p.Dark, p.Light = p.Path+".json", p.Path+"?theme=dark", p.Path+"?theme=light"
	}
	canonical, err := x.Text.Canonical()
	if err != nil {
		return err
	}
	if _, err := p.fail(failure); err != nil { // the forms show where
		return err
	}
	p.look(r, &x, steps)
	p.Note = p.say.Say(accordDone[req.URL.Query().Get("done")])
	var tries []AccordTry
	if p.Tried = req.URL.Query().Has("explain"); p.Tried {
		if p.For, err = purposeIn(req); err != nil {
			return err
		}
		if tries, err = r.cfg.Accords.AccordTrial(req.Context(), by, id, p.For); err != nil {
			return err
		}
		p.Tries = p.tries(tries, x.titles())
	}
	s := &x.Copy
	return r.write(w, req, &p.shell, "accord", p, accordDoc{ID: id, Me: x.Me, State: s.State, Keeper: s.Keeper, Version: s.Version, Proposed: s.Proposed, Force: s.Force, Entry: s.N, Head: s.Head, Turn: s.Turn, May: x.May, Text: canonical, Findings: x.Findings, Courses: x.Courses, History: steps, Erasures: x.erased(steps), Owed: x.Owed, Kept: append([]AccordKept{}, x.Kept...), Tries: tries}, failure)
}

// accordDone says what an act came to.
var accordDone = map[string]string{
	"open": words.Mark("Sent. The others have it, and can answer."), "propose": words.Mark("A new version is proposed."), "change": words.Mark("The draft is changed."), "comment": words.Mark("Said. The others read it."), "accept-clause": words.Mark("Said. The others read it."),
	"reject-clause": words.Mark("Said. The others read it."), "sign": words.Mark("Signed. It binds your organisation as soon as all have signed."), "decline": words.Mark("Declined."), "withdraw": words.Mark("Taken back."), "suspend": words.Mark("What you give has stopped."),
	"resume": words.Mark("What you give goes on."), "end": words.Mark("The end is announced."), "leave": words.Mark("You have left."), "erased": words.Mark("Certified. The others have it."), "retry": words.Mark("It is sent again."), "draft": words.Mark("A draft. Nobody else has it before you send it."),
	"confirm-measures": words.Mark("Confirmed."), "accept-delivery": words.Mark("Said. The giver reads it."), "report": words.Mark("Reported. It stands in the entries."), "serve": words.Mark("Served."), "object": words.Mark("The objection is recorded."), "acknowledge": words.Mark("Acknowledged: what you give starts."), "hand-over": words.Mark("The keeping is handed over, once the other party signs for it."), "yes": words.Mark("Their accord is open here. Read it before you sign."),
	"invited": words.Mark("You are in. This is the accord that is proposed to you: comment on it, propose changes, sign it or decline it."),
}

// look puts an accord into the page's words.
func (p *accordPage) look(r *Room, x *AccordSheet, steps []AccordStep) {
	s, t := &x.Copy, x.Text
	hash := cmp.Or(s.Proposed, s.Force)
	inForce := hash == s.Force && s.Force != ""
	signed := s.Signatures
	if inForce {
		signed = s.InForce
	}
	p.fill(r, &AccordPrint{Text: *t, Hash: hash, State: s.State, InForce: inForce, Effect: s.Effect, Signatures: signed, Entry: s.N, Head: s.Head})
	p.Base, p.Hash, p.Model, p.ModelClass = hash, hash, words.Upper(p.Model), modelClass(t.Model)
	p.State, p.Tone = accordState(s.State, s.End)
	p.noticed(words.Mark("Served"), s.Service)
	p.noticed(words.Mark("Objection"), s.Objection)
	p.Draft, p.Bound = s.N == 0, inForce
	p.Invites = p.Draft && r.cfg.Inviting != nil && slices.Contains(x.May, accord.Open)
	p.Title = p.Name
	if x.Force != nil {
		p.Other = &otherVersion{Version: x.Force.Version, Hash: s.Force}
	}
	if t.Term.Until != "" {
		p.Ends = p.dayOf(t.Term.Until)
	}
	if s.Until != "" {
		p.Ends = p.dayOf(s.Until)
	}
	if s.State == hansa.AccordEnded && !s.Since.IsZero() {
		p.Ends, p.Over = p.dayOf(s.Since.In(p.zone).Format(time.DateOnly)), true
	}
	for _, day := range t.Term.Review {
		if d, err := time.Parse(time.DateOnly, day); err == nil && d.After(p.now) && s.State != hansa.AccordEnded {
			p.Review = p.dayOf(day)
			break
		}
	}
	can := func(k accord.Kind) bool { return slices.Contains(x.May, k) }
	p.Talks, p.Judges, p.Signing = can(accord.Comment), can(accord.AcceptClause), can(accord.Sign)
	p.Changes = can(accord.Propose) || p.Draft && can(accord.Open)
	titles := x.titles()
	p.sides(x, signed)
	p.turn(x, titles)
	p.ways(x, titles)
	p.clauses(x, steps, titles)
	p.troubles(x, titles)
	p.history(x, steps, titles)
	p.Kept = p.kept(x, titles)
	if x.Early != nil {
		p.Early = p.early(x.Early)
	}
	p.Exit = p.exit(x, steps, titles)
	p.deliveries(x)
	p.Acts = p.acts(x, titles)
	if p.Changes {
		p.catalogue(t)
		p.TermForm = &termForm{From: t.Term.From, Until: t.Term.Until, Notice: strconv.Itoa(t.Term.Notice)}
	}
}

// titles are what people call the parties, and the members that joined.
func (x *AccordSheet) titles() map[hansa.PartyID]string {
	out := map[hansa.PartyID]string{}
	for _, t := range []*accord.Text{x.Force, x.Text} {
		if t == nil {
			continue
		}
		for i := range t.Parties {
			out[t.Parties[i].ID] = t.Parties[i].Title
		}
	}
	for i := range x.Copy.Members {
		if m := &x.Copy.Members[i].Party; m.Title != "" { // of a party of the text that left there is the id alone
			out[m.ID] = m.Title
		}
	}
	return out
}

// initials are two letters that stand for a party.
func initials(title string) string {
	list := []rune(title)
	return string(list[:min(2, len(list))])
}

func (p *accordPage) sides(x *AccordSheet, signed []accord.Signature) {
	add := func(q *accord.Party, left bool, m *accord.Member) {
		side := accordSide{Mark: initials(q.Title), Title: q.Title, Kind: p.kindWord(q.Kind), Role: p.say.Say(partyRoles[q.Role]), ID: string(q.ID), Public: q.Kind == hansa.City || q.Kind == hansa.PublicBody, Left: left}
		if i := slices.IndexFunc(signed, func(s accord.Signature) bool { return s.Party == q.ID }); i >= 0 {
			side.Signed = p.say.Fill("Signed by the {1}, {2}", signed[i].Role, p.day(signed[i].At))
		} else if m != nil {
			side.Signed = p.say.Fill("Joined, signed by the {1}, {2}", m.Signature.Role, p.day(m.Joined))
		}
		if q.ID == x.Me {
			p.Mine = side
		} else {
			p.Others = append(p.Others, side)
		}
	}
	for i := range x.Text.Parties {
		add(&x.Text.Parties[i], slices.ContainsFunc(x.Copy.Members, func(m accord.Member) bool { return m.Party.ID == x.Text.Parties[i].ID && !m.Left.IsZero() }), nil)
	}
	for i := range x.Copy.Members {
		m := &x.Copy.Members[i]
		if !slices.ContainsFunc(x.Text.Parties, func(q accord.Party) bool { return q.ID == m.Party.ID }) {
			add(&m.Party, !m.Left.IsZero(), m)
		}
	}
}

func (p *accordPage) turn(x *AccordSheet, titles map[hansa.PartyID]string) {
	if x.Copy.State == hansa.AccordEnded {
		return
	}
	var list []string
	for _, id := range x.Copy.Turn {
		if id == x.Me {
			list = append([]string{p.say.Say("Yours")}, list...)
		} else {
			list = append(list, first(titles[id], string(id)))
		}
	}
	if p.Turn = p.say.List(list...); p.Turn != "" && !x.Copy.TurnSince.IsZero() {
		p.Turn = p.say.Fill("{1}, since {2}", p.Turn, p.when(x.Copy.TurnSince))
	}
}

// ways are the flows, with how each does.
func (p *accordPage) ways(x *AccordSheet, titles map[hansa.PartyID]string) {
	list := slices.Clone(x.Text.Flows)
	for i := range x.Copy.Members {
		if m := &x.Copy.Members[i]; m.Left.IsZero() {
			list = append(list, m.Gives...)
		}
	}
	for i := range list {
		f := &list[i]
		w := accordWay{Title: first(f.Dataset.Title, f.Name), Name: f.Name, From: first(titles[f.From], string(f.From)), To: first(titles[f.To], string(f.To)), Out: f.From == x.Me, In: f.To == x.Me || f.To == accord.Members && f.From != x.Me}
		switch f.To {
		case accord.Members:
			w.To = p.say.Say("every other member")
		case hansa.PublicParty:
			w.To = p.say.Say("the public")
		}
		if f.Limit > 0 {
			w.Within = p.say.Fill("live within {1}", p.say.Span(time.Duration(f.Limit)))
		}
		for k := range x.Courses {
			if c := &x.Courses[k]; c.Part == f.ID {
				w.Courses = append(w.Courses, p.course(c, titles))
			}
		}
		p.Ways = append(p.Ways, w)
	}
}

func (p *accordPage) course(c *AccordCourse, titles map[hansa.PartyID]string) courseRow {
	row := courseRow{To: c.To, Says: sentence(p.because(first(c.Why, c.Problem), titles))}
	row.State, row.Tone = courseState(c.State)
	if c.Gives && c.State == "open" {
		row.Count = p.say.Count(int(c.Records), "{1} record this month", "{1} records this month")
	}
	if c.Far {
		row.Count = p.say.Count(int(c.Came), "{1} record came this month", "{1} records came this month")
	}
	return row
}

// because says why a flow does not run, with who suspended it by its title.
func (s *shell) because(why string, titles map[hansa.PartyID]string) string {
	if id, ok := strings.CutPrefix(why, "suspended by "); ok {
		return s.say.Fill("suspended by {1}", first(titles[hansa.PartyID(id)], id))
	}
	return s.say.Say(why)
}

// courseState says how a flow of an accord stands.
func courseState(state string) (text, tone string) {
	switch state {
	case "open":
		return words.Mark("Running"), "ok"
	case "paused":
		return words.Mark("Stands still"), "med"
	case "refused":
		return words.Mark("Does not start"), "high"
	}
	return words.Mark("Ended"), "low"
}

// troubles are what a person should know first.
func (p *accordPage) troubles(x *AccordSheet, titles map[hansa.PartyID]string) {
	if x.Copy.State != hansa.AccordEnded {
		for i := range x.Findings {
			f := &x.Findings[i]
			row := findingRow{Tone: "med", Message: sentence(f.Message), Mend: sentence(f.Mend)}
			if f.Severity == hansa.Fault {
				row.Tone = "high"
			}
			p.Findings = append(p.Findings, row)
		}
	}
	for _, m := range x.Sent {
		row := sentRow{What: p.say.Say(kindWords[m.Kind]), When: p.when(m.At), Tone: "med", Says: sentence(m.Stuck)}
		if m.State == "refused" {
			row.Tone, row.Refused, row.Says = "high", true, sentence(m.Reason)+" "+sentence(m.Hint)
		}
		p.Sent = append(p.Sent, row)
	}
	for _, id := range x.Copy.Asked.Parties {
		if why := x.Stuck[id]; why != "" {
			p.Stuck = append(p.Stuck, p.say.Fill("{1} does not hear of it: {2}", first(titles[id], string(id)), why))
		}
	}
	names := map[hansa.FlowID]string{}
	for i := range x.Text.Flows {
		names[x.Text.Flows[i].ID] = x.Text.Flows[i].Name
	}
	for i, u := range slices.Concat(x.Copy.Suspended, x.Unheard) {
		p.Still = append(p.Still, stillRow{Who: first(titles[u.Party], string(u.Party)), Flow: names[u.Flow], Since: p.when(u.At), Words: u.Words, Unheard: i >= len(x.Copy.Suspended)})
	}
}

// rulesLanguages are those in which clauses are written.
func rulesLanguages() []string { return rules.Languages() }

// noticed adds to the facts how something was served, or objected to.
func (p *accordPage) noticed(key string, x *accord.Service) {
	if x == nil {
		return
	}
	says := []string{x.How, x.Reference, p.dayOf(x.On.Format(time.DateOnly))}
	if x.Suspends {
		says = append(says, p.say.Say("it holds the duty up"))
	}
	p.Facts = append(p.Facts, fact{Key: key, Value: strings.Join(says, ", ")})
}
