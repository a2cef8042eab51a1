package room_test

import (
	"context"
	"encoding/json"
	"html"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// pact is a shelf with accords in which every word that people wrote is s.
type pact struct {
	s    string
	acts []string
	fail error
}

func (p *pact) act(parts ...string) error {
	p.acts = append(p.acts, strings.Join(parts, " "))
	return p.fail
}

func (p *pact) text() *accord.Text {
	x := figuresOnly().Text
	x.Title, x.Summary = accord.Words{"en": p.s}, accord.Words{"en": p.s}
	x.Languages = []string{"en"}
	known, _ := policy.ClauseByID("notice")
	x.Clauses = slices.Clone(x.Clauses)
	x.Clauses[0].Title, x.Clauses[0].Text, x.Clauses[0].Uncovered = x.Title, x.Title, x.Title
	x.Clauses = append(x.Clauses, accord.Clause{ID: known.ID, Version: known.Version, Title: x.Title, Text: x.Title, Bearer: "7", Evidence: "7", Source: "7", Params: policy.Params{"days": "90"}, Enforced: "not enforced by software"})
	x.Parties = append(x.Parties, accord.Party{ID: "8", Title: p.s, Kind: hansa.Company, Role: hansa.RoleReceiver})
	x.Confidential = []accord.Withheld{{Part: "contacts", Rule: p.s}, {Part: "flows", Rule: p.s}}
	return &x
}

func (p *pact) row(state hansa.AccordState) room.AccordRow {
	return room.AccordRow{ID: "7", Me: "7", Title: accord.Words{"en": p.s}, Model: "7", State: state, Version: 7, Parties: []room.AccordParty{{ID: "7", Title: p.s}, {ID: "8", Title: p.s}}, Turn: []hansa.PartyID{"8", "7"}, Mine: true, TurnSince: now}
}

func (p *pact) Accords(_ context.Context, _ hansa.Actor, q room.AccordQuery) (room.AccordList, error) {
	out := room.AccordList{Accords: []room.AccordRow{}, Contacts: []room.AccordContact{{ID: "7", From: "7", At: now, Title: accord.Words{"en": p.s}, Model: "7"}}}
	if q.Words == "none" {
		return out, nil
	}
	for _, s := range []hansa.AccordState{hansa.AccordDraft, hansa.AccordProposed, hansa.AccordSigned, hansa.AccordInForce, hansa.AccordSuspended, hansa.AccordEnded} {
		out.Accords = append(out.Accords, p.row(s))
	}
	for _, e := range []hansa.AccordEnd{hansa.EndWithdrawn, hansa.EndDeclined, hansa.EndLapsed, hansa.EndSuperseded} {
		x := p.row(hansa.AccordEnded)
		x.End = e
		out.Accords = append(out.Accords, x)
	}
	out.After = "7"
	return out, nil
}

func (p *pact) Accord(_ context.Context, _ hansa.Actor, id hansa.AccordID) (room.AccordSheet, error) {
	if id == "none" {
		return room.AccordSheet{}, hansa.Errorf(hansa.NotFound, "there is no such accord")
	}
	t, before := p.text(), p.text()
	before.Version = 6
	x := room.AccordSheet{
		Me: "7", Text: t, May: accord.Kinds(), Findings: []hansa.Finding{{Severity: hansa.Fault, Message: p.s, Mend: p.s}, {Severity: hansa.Warning, Message: p.s, Mend: p.s}}, Force: before,
		Sent: []room.AccordSent{{Kind: accord.Sign, At: now, State: "waits", Stuck: p.s}, {Kind: accord.Comment, At: now, State: "refused", Reason: p.s, Hint: p.s}}, Unheard: []accord.Suspension{{Party: "7", At: now, Words: p.s}}, Stuck: map[hansa.PartyID]string{"8": p.s},
		Courses: []room.AccordCourse{{Part: "7", ID: "7", To: p.s, State: "open", Gives: true, Records: 1}, {Part: "7", State: "paused"}, {Part: "7", State: "refused", Why: p.s}, {Part: "7", State: "closed"}, {Part: "7", State: "open", Far: true, Came: 5}, {Part: "7", State: "paused", Why: "suspended by 8"}},
		Given: []room.AccordGiven{
			{ID: "7", At: now, Out: true, Delivery: &room.Delivery{ID: "7", Record: p.s, State: "delivered", Made: now, Attempts: []hansa.Attempt{{Status: 200}}}},
			{ID: "8", At: now.Add(-48 * time.Hour), Out: true, Delivery: &room.Delivery{ID: "8", Record: p.s, State: "parked"}},
			{ID: "9", At: now, What: p.s, Records: 3, How: "changes"},
			{ID: "10", At: now, Out: true, What: p.s, Records: 1, How: "stream"},
		},
	}
	x.Copy = accord.State{ID: "7", Keeper: "7", State: hansa.AccordSuspended, N: 3, Head: p.s, Proposed: "b7", Force: "a7", Version: 7, Effect: now, Turn: []hansa.PartyID{"7", "8"}, TurnSince: now, Asked: accord.Outline{Parties: []hansa.PartyID{"7", "8"}}, Suspended: []accord.Suspension{{Party: "8", Flow: "7", At: now, Words: p.s}}, Verdicts: []accord.ClauseVerdict{{Party: "7", Clause: "1", Accept: true}}}
	x.Copy.Signatures = figuresOnly().Signatures
	x.Copy.Erasures = []accord.ErasedBy{{By: "8", Erasure: accord.Erasure{Rule: "erase", Flows: []hansa.FlowID{"7"}, On: now, Clause: "1", Records: 1, Versions: 7, Backups: "2026-12-31", Onward: []string{p.s}}}, {By: "7", Erasure: accord.Erasure{Rule: "return", On: now}}}
	x.Owed = []accord.Owed{{Party: "7", Flows: []hansa.FlowID{"7"}, Day: "2026-12-31"}, {Party: "8", Flows: []hansa.FlowID{"7"}, Day: "2026-10-31", Late: true}, {Party: "7", Flows: []hansa.FlowID{"8"}}}
	x.Early = &room.AccordEarly{Notice: 30, Allowed: id == "7", Clause: 1}
	day := func(part, all int64) room.KeptDay { return room.KeptDay{Day: "2026-10-01", Part: part, All: all} }
	x.Kept = []room.AccordKept{
		{N: 1, By: []hansa.PartyID{"7"}, How: "gate", Standing: "kept", Counts: []int64{70, 7}},
		{N: 1, By: []hansa.PartyID{"8"}, How: "check", Function: "share", Standing: "missed", Counts: []int64{36, 37}, More: true, Days: []room.KeptDay{day(0, 0), day(3, 3), day(1, 2), day(0, 1)}},
		{N: 1, By: []hansa.PartyID{"8"}, How: "check", Function: "least", Standing: "unknown", Counts: []int64{3}, Month: "2026-10", Open: true},
		{N: 1, By: []hansa.PartyID{"7", "8"}, How: "check", Function: "each", Standing: "kept", Counts: []int64{3, 4}, Month: "2026-09"},
		{N: 1, By: []hansa.PartyID{"7"}, How: "check", Function: "every", Standing: "kept", Last: now, Due: now.Add(720 * time.Hour)},
		{N: 1, By: []hansa.PartyID{"8"}, How: "check", Function: "within", Standing: "unknown", Due: now.Add(720 * time.Hour)},
		{N: 1, By: []hansa.PartyID{"8"}, How: "check", Function: "share", Standing: "unknown", Counts: []int64{0, 0}},
		{N: 1, By: []hansa.PartyID{"8"}, How: "check", Function: "none", Standing: "unknown"},
		{N: 1, How: "trust", Standing: "unknown"},
		{N: 99, How: "trust"},
	}
	if id == "force" {
		x.Force, x.Copy.Proposed = nil, ""
		x.Copy.Members = []accord.Member{{Party: accord.Party{ID: "9", Title: p.s, Kind: hansa.Company, Role: hansa.RoleBoth}, Signature: accord.Signature{Party: "9", Role: p.s}, Joined: now}}
	}
	if id == "draft" {
		x.Copy = accord.State{ID: "7", Keeper: "7", State: hansa.AccordDraft, Proposed: "b7"}
	}
	return x, nil
}

func (p *pact) AccordHistory(context.Context, hansa.Actor, hansa.AccordID) (out []room.AccordStep, _ error) {
	for i, k := range accord.Kinds() {
		out = append(out, room.AccordStep{N: int64(i + 1), Hash: p.s, At: now, From: "8", Kind: k, Base: "b7", Clause: "1", Words: p.s})
	}
	return append(out, room.AccordStep{N: 40, At: now, From: "7", Kind: accord.Sign, Role: p.s}, room.AccordStep{N: 41, At: now, From: "7", Kind: accord.Propose, Base: "a7", Version: "b7", Number: 7}, room.AccordStep{N: 42, At: now, From: "7", Kind: accord.Propose, Base: "b7", Version: "c7", Number: 8}), nil
}

func (p *pact) AccordChanges(_ context.Context, _ hansa.Actor, _ hansa.AccordID, from, _ string) (room.AccordRedline, error) {
	if from == "none" {
		return room.AccordRedline{}, hansa.Errorf(hansa.Conflict, "%s", p.s)
	}
	a, b := p.text(), p.text()
	b.Version, b.Law, b.Term.Notice = 8, "8", 30
	b.Title = accord.Words{"en": p.s + " 8"}
	b.Clauses = b.Clauses[:1]
	changes, err := accord.Redline(a, b)
	out := room.AccordRedline{From: "a7", To: "b7", FromText: a, ToText: b, Changes: changes}
	if from == "adopted" {
		out.Adopted = &room.AdoptedFrom{At: "7", Hash: "a7"}
		for _, code := range []string{"withheld", "personal", "clause", "amount"} {
			out.Adopted.Notes = append(out.Adopted.Notes, accord.Note{Code: code, Name: p.s})
		}
	}
	return out, err
}

func (p *pact) AccordTrial(_ context.Context, _ hansa.Actor, _ hansa.AccordID, purpose hansa.Purpose) (out []room.AccordTry, _ error) {
	for _, state := range []string{"open", "paused", "refused", "closed"} {
		out = append(out, room.AccordTry{Name: p.s, From: p.s, To: p.s, State: state, Why: p.s, Gives: state == "open", Purpose: purpose, Rules: []room.TryRule{{Rule: "7", Words: p.s, N: 7, Clauses: []int{1, 2}}}})
	}
	return out, nil
}

func (*pact) AccordProof(context.Context, hansa.Actor, hansa.AccordID) ([]byte, error) {
	return []byte("<title>7"), nil
}

func (p *pact) AccordExchange(context.Context, hansa.Actor) (room.AccordExchange, error) {
	t := p.text()
	x := room.ExchangeAccord{ID: "7", Own: true, Text: t, Names: map[hansa.PartyID]room.AccordParty{"7": {Title: p.s, Kind: hansa.City}, "8": {Title: p.s, Kind: hansa.Company}}}
	x.Still = map[hansa.FlowID]string{"8": "refused"}
	x.Pairs = []accord.Pair{{Flow: &t.Flows[0], ID: "7", From: "7", To: "8"}, {Flow: &t.Flows[0], ID: "8", From: "8", To: "7"}, {Flow: &t.Flows[0], ID: "9", From: "7", To: hansa.PublicParty}}
	other := x
	other.Own = false
	return room.AccordExchange{Accords: []room.ExchangeAccord{x, other}, More: 2, Waiting: []room.AccordRow{p.row(hansa.AccordProposed)}}, nil
}

func (p *pact) AccordMaking(context.Context, hansa.Actor) (room.AccordMaking, error) {
	return room.AccordMaking{
		Own: accord.Party{ID: "did:web:own.example", Title: p.s, Kind: hansa.City, Role: hansa.RoleBoth}, Zone: "UTC", Langs: []string{"en"}, Datasets: []accord.Dataset{{Name: "counts", Title: p.s, Kind: hansa.KindObservation}, {Name: "closures", Title: p.s, Kind: hansa.KindSituation}}, Came: map[string]bool{"counts": true},
		Formats: map[hansa.RecordKind][]hansa.Format{hansa.KindSituation: {"record"}, hansa.KindObservation: {"record"}}, Parties: []room.AccordParty{{ID: "did:web:other.example", Title: p.s, Kind: hansa.Company}},
	}, nil
}

func (p *pact) DraftAccord(_ context.Context, _ hansa.Actor, t *accord.Text) (hansa.AccordID, error) {
	var flows []string
	for i := range t.Flows {
		f := &t.Flows[i]
		flows = append(flows, string(f.From)+">"+string(f.To)+":"+f.Name)
	}
	return "new", p.act("draft", string(t.Model), strings.Join(flows, ","))
}

func (p *pact) ChangeDraft(_ context.Context, _ hansa.Actor, id hansa.AccordID, t *accord.Text) error {
	return p.act("change", string(id), t.Clauses[len(t.Clauses)-1].Params["days"])
}

func (p *pact) DiscardDraft(_ context.Context, _ hansa.Actor, id hansa.AccordID) error {
	return p.act("discard", string(id))
}

func (p *pact) ActAccord(_ context.Context, _ hansa.Actor, id hansa.AccordID, kind accord.Kind, a room.AccordAct) error {
	parts := []string{string(kind), string(id), a.Base, a.Clause, a.Words, a.Role, a.Power, a.Notice, string(a.Flow), string(a.Keeper)}
	if a.Text != nil {
		parts = append(parts, a.Text.Clauses[len(a.Text.Clauses)-1].ID, a.Text.Term.Until)
	}
	return p.act(strings.Join(strings.Fields(strings.Join(parts, " ")), " "))
}

func (p *pact) RetryAccord(_ context.Context, _ hansa.Actor, id hansa.AccordID) error {
	return p.act("retry", string(id))
}

func (p *pact) AnswerContact(_ context.Context, _ hansa.Actor, id hansa.AccordID, yes bool) error {
	return p.act("contact", string(id), map[bool]string{true: "yes", false: "no"}[yes])
}

// Published lists one where it is asked by its own address.
func (p *pact) Published(_ context.Context, _ hansa.Actor, at string) ([]room.PublishedTerms, error) {
	if at == "none" {
		return nil, hansa.Fielded("/at", "nothing is published there")
	}
	e, err := p.PublicAccord(context.Background(), "7")
	one := room.PublishedTerms{At: "7", Host: "7", Entry: e}
	if at == "7" {
		return []room.PublishedTerms{one}, err
	}
	return []room.PublishedTerms{one, one}, err
}

func (p *pact) AdoptAccord(_ context.Context, _ hansa.Actor, a *room.AccordAdoption) (hansa.AccordID, error) {
	return "7", p.act("adopt", a.At, string(a.As), a.From)
}

func (p *pact) PublicRegister(_ context.Context, q room.RegisterQuery) (room.RegisterPage, error) {
	if q.Words == "none" {
		return room.RegisterPage{Host: p.s}, nil
	}
	e, err := p.PublicAccord(context.Background(), "7")
	still := e
	still.State = hansa.AccordSuspended
	if q.Words == "suspended" {
		return room.RegisterPage{Host: p.s, Entries: []room.RegisterEntry{still}, More: true}, err
	}
	return room.RegisterPage{Host: p.s, Entries: []room.RegisterEntry{e}, After: "7"}, err
}

func (p *pact) PublicAccord(_ context.Context, id hansa.AccordID) (room.RegisterEntry, error) {
	if id == "none" {
		return room.RegisterEntry{}, hansa.Errorf(hansa.NotFound, "there is no such accord")
	}
	return room.RegisterEntry{Text: p.text(), Hash: "7", State: hansa.AccordInForce, Effect: now, Members: []room.AccordParty{{ID: "9", Title: p.s}}}, nil
}

// fromCatalogues takes out of a page what the catalogues of clauses and of templates say:
// they have languages of their own.
func fromCatalogues(body string) string {
	list := []string{}
	for _, t := range accord.Templates() {
		list = append(list, t.Title.EN, t.Choose.EN, t.Costs.EN, t.Blocks.EN)
		for i := range t.Questions {
			list = append(list, t.Questions[i].Text.EN, t.Questions[i].Example)
		}
		list = append(list, t.Name)
	}
	for _, c := range policy.Clauses() {
		list = append(list, c.Title.EN)
	}
	for _, m := range hansa.Models() {
		list = append(list, strings.ToUpper(string(m[:1]))+string(m[1:]))
	}
	list = append(list, "observation", "situation", "document", "not enforced by software")
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	for _, s := range list {
		if len(s) > 40 { // it may stand beside more
			body = strings.ReplaceAll(body, html.EscapeString(s), "7")
		}
		body = strings.ReplaceAll(strings.ReplaceAll(body, ">"+html.EscapeString(s)+"<", ">7<"), " "+html.EscapeString(s)+"<", " 7<")
		body = strings.ReplaceAll(body, ", "+html.EscapeString(s)+":", ", 7:")
	}
	return body
}

// pacted serves a shelf of accords to somebody with rights.
func pacted(t *testing.T, p *pact, rights ...hansa.Right) http.Handler {
	t.Helper()
	r, err := room.New(room.Config{
		Source: &canned{live: afternoon(t), change: make(chan struct{})}, Accords: p, Asks: wished{p.s}, Deals: &dealt{s: p.s}, Now: func() time.Time { return now },
		Authenticate: func(req *http.Request) (hansa.Actor, error) {
			if req.Header.Get("X-Nobody") != "" {
				return hansa.Actor{}, hansa.Errorf(hansa.Denied, "nobody").With(hansa.CodeUnauthenticated)
			}
			return hansa.Actor{Party: "a", Rights: rights}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		mux.Handle(route.Method+" "+route.Pattern, r.Handler(route.Pattern))
	}
	return mux
}

// What others wrote is never markup, no two elements share an id, and every page is
// there as JSON too.
func TestAccordPages(t *testing.T) {
	h := pacted(t, &pact{s: `<script>alert(1)</script>"'`}, hansa.RightRead, hansa.RightManage)
	for _, path := range []string{"/accords", "/accords?q=none", "/accords/new", "/accords/new?model=pool", "/accords/7", "/accords/draft", "/accords/7/changes", "/accords/7/sign", "/exchange", "/exchange?model=pool", "/register", "/register/7"} {
		w := get(t, h, path)
		body := w.Body.String()
		if w.Code != http.StatusOK || strings.Contains(body, "<script>alert") {
			t.Errorf("%s: %d, or others' words are markup", path, w.Code)
		}
		ids(t, body)
		if strings.HasPrefix(path, "/register") || strings.Contains(path, "?") {
			continue
		}
		var doc map[string]any
		if w := get(t, h, path+".json"); json.Unmarshal(w.Body.Bytes(), &doc) != nil || len(doc) == 0 {
			t.Errorf("%s.json: %d %.200s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/accords/none", "/register/none"} {
		if w := get(t, h, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for path, code := range map[string]int{"/accords?state=zz": http.StatusBadRequest, "/accords?model=zz": http.StatusBadRequest, "/accords?state=signed&model=pool": http.StatusOK} {
		if w := get(t, h, path); w.Code != code {
			t.Errorf("%s: %d, want %d", path, w.Code, code)
		}
	}
}

// Each form says what it says and no more; what it lacks is asked for where it is lacking.
func TestAccordForms(t *testing.T) {
	for _, tc := range []struct {
		path, form, want string
		code             int
	}{
		{"7/comment", "clause=1&words=why&base=b7", "comment 7 b7 1 why", 303},
		{"7/comment", "clause=1&words=+", "", 422},
		{"7/accept-clause", "clause=1&base=b7", "accept-clause 7 b7 1", 303},
		{"7/reject-clause", "clause=1", "", 422},
		{"7/decline", "words=no&base=b7", "decline 7 b7 no", 303},
		{"7/sign", "role=r&power=p&base=b7&sure=on", "sign 7 b7 r p", 303},
		{"7/sign", "role=r&power=p&base=b7", "", 422},
		{"7/suspend", "flow=7&words=w", "suspend 7 w 7", 303},
		{"7/resume", "", "resume 7", 303},
		{"7/end", "notice=2027-01-01&words=w&role=r&power=p", "end 7 w r p 2027-01-01", 303},
		{"7/hand-over", "keeper=8&role=r&power=p", "hand-over 7 r p 8", 303},
		{"7/serve", "how=post&reference=1&on=never", "", 422},
		{"7/retry", "", "retry 7", 303},
		{"7/change-clause", "clause=2&p.days=30&base=b7", "propose 7 b7 notice", 303},
		{"7/change-clause", "clause=2&p.days=many&base=b7", "", 422},
		{"7/change-clause", "clause=9&base=b7", "", 404},
		{"7/change-clause", "clause=2&p.days=30&base=old", "", 409},
		{"7/drop-clause", "clause=1&base=b7", "propose 7 b7 notice", 303},
		{"7/add-clause", "add=security&base=b7", "propose 7 b7 security", 303},
		{"7/add-clause", "add=nothing&base=b7", "", 422},
		{"7/change-term", "from=2026-01-01&until=2030-01-01&notice=90&base=b7", "propose 7 b7 notice 2030-01-01", 303},
		{"7/change-term", "from=2026-01-01&notice=x&base=b7", "", 422},
		{"draft/change-clause", "clause=2&p.days=45", "change draft 45", 303},
		{"draft/discard", "", "discard draft", 303},
		{"7/enter-into-force", "", "", 404},
		{"7/burn", "", "", 404},
		{"contacts/7/yes", "", "contact 7 yes", 303},
		{"contacts/7/no", "", "contact 7 no", 303},
		{"new", "model=partnership&lang=en&other.1=did:web:other.example&give=closures&get.1=counts&get.1.kind=observation&from=2026-01-01&a.gets/1=a&a.gets/2=b", "draft partnership did:web:own.example>did:web:other.example:closures,did:web:other.example>did:web:own.example:counts", 303},
		{"new", "model=partnership&lang=en&other.1=did:web:other.example&give=closures&from=2026-01-01&a.gets/2=b", "", 422},
		{"new", "model=partnership&lang=en&give=closures", "", 422},
		{"new", "model=pool&lang=en&other.1=did:web:other.example&give=closures&get.1=counts&get.1.kind=observation&get.1.from=2", "", 422},
		{"new", "model=none", "", 404},
	} {
		p := &pact{s: "7"}
		form := map[string][]string{}
		for pair := range strings.SplitSeq(tc.form, "&") {
			if k, v, ok := strings.Cut(pair, "="); ok {
				form[k] = append(form[k], strings.ReplaceAll(v, "+", " "))
			}
		}
		w := post(t, pacted(t, p, hansa.RightRead, hansa.RightManage), "/accords/"+tc.path, form)
		if got := strings.Join(p.acts, ";"); w.Code != tc.code || got != tc.want {
			t.Errorf("%s with %s: %d, did %q; want %d, %q", tc.path, tc.form, w.Code, got, tc.code, tc.want)
		}
		if tc.code == 422 && !strings.Contains(w.Body.String(), `role="alert"`) {
			t.Errorf("%s with %s does not say what is wrong", tc.path, tc.form)
		}
	}
}

// Nobody sees an accord without signing in, and everybody the register, also as a feed.
func TestAccordsKeptOut(t *testing.T) {
	h := pacted(t, &pact{s: "7"}, hansa.RightControl)
	for _, path := range []string{"/accords", "/accords/7", "/accords/7/sign", "/accords/7/proof", "/exchange"} {
		if w := get(t, h, path, "X-Nobody", "1"); w.Code != http.StatusUnauthorized {
			t.Errorf("%s answers %d to nobody", path, w.Code)
		}
		if w := get(t, h, path); w.Code != http.StatusForbidden {
			t.Errorf("%s answers %d without the right", path, w.Code)
		}
	}
	if w := get(t, h, "/register", "X-Nobody", "1"); w.Code != http.StatusOK {
		t.Errorf("the register answers %d to nobody", w.Code)
	}
	w := get(t, h, "/register/feed.json", "X-Nobody", "1")
	var feed struct {
		Items []map[string]any `json:"items"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &feed); err != nil || len(feed.Items) != 1 || w.Header().Get("Content-Type") != "application/feed+json" {
		t.Errorf("the feed: %d %v %s", w.Code, err, w.Body)
	}
}

// wished are requests for data in which every word that people wrote is s.
type wished struct{ s string }

func (w wished) one(id string, state accord.RequestState, mine bool) room.Asked {
	r := &accord.Request{What: w.s, Dataset: "7", Purposes: []hansa.Purpose{"7"}, Use: w.s, From: "2026-01-01", Until: "2026-02-01", Model: "7", Days: 7, Country: "7", Pack: accord.Pack{ID: "7"}}
	a := room.Asked{Asking: accord.Asking{ID: hansa.AccordID(id), From: "8", To: "7", State: state, Since: now, Due: now.Add(48 * time.Hour)}, Me: "7", Other: "8", OtherTitle: w.s, Mine: mine, May: true}
	for _, act := range []accord.RequestAct{accord.Asked, accord.Countered, accord.Declined, accord.Accepted} {
		a.Steps = append(a.Steps, accord.AskingStep{By: "8", At: now, Act: act, Words: w.s, Request: r})
	}
	a.Steps[1].By = "7"
	if state == accord.RequestUnheard {
		a.Reason, a.Stuck = w.s, w.s
	}
	return a
}

func (w wished) Asks(context.Context, hansa.Actor) ([]room.Asked, error) {
	out := []room.Asked{w.one("7", accord.RequestOpen, true), w.one("7", accord.RequestOpen, false)}
	out[0].Late, out[0].Source = true, "7"
	for _, s := range []accord.RequestState{accord.RequestAccepted, accord.RequestDeclined, accord.RequestLapsed, accord.RequestUnheard} {
		x := w.one("7", s, false)
		x.From, x.To = "7", "8"
		out = append(out, x)
	}
	return out, nil
}

func (w wished) Asked(_ context.Context, _ hansa.Actor, id string) (room.Asked, error) {
	switch id {
	case "none":
		return room.Asked{}, hansa.Errorf(hansa.NotFound, "there is no such request")
	case "accepted":
		return w.one(id, accord.RequestAccepted, false), nil
	case "unheard":
		return w.one(id, accord.RequestUnheard, false), nil
	}
	return w.one(id, accord.RequestOpen, true), nil
}

func (w wished) AskMaking(context.Context, hansa.Actor) (room.AskMaking, error) {
	return room.AskMaking{Parties: []room.AccordParty{{ID: "8", Title: w.s}}, Public: true, Country: "7"}, nil
}

func (wished) Ask(_ context.Context, _ hansa.Actor, to string, r *accord.Request) (string, error) {
	if to == "none" {
		return "", hansa.Fielded("/to", "there is no such party")
	}
	return "7", r.Validate()
}

func (wished) AnswerAsk(_ context.Context, _ hansa.Actor, _ string, act accord.RequestAct, why string, _ *accord.Request) error {
	if act == accord.Declined && why == "" {
		return hansa.Fielded("/words", "say why")
	}
	return nil
}

// The pages of requests for data and of what others publish are drawn in each state.
func TestAskAndAdoptPages(t *testing.T) {
	mux := pacted(t, &pact{s: "<i>words</i>"}, hansa.RightRead, hansa.RightManage)
	for path, says := range map[string]string{
		"/requests": "For data, before there is an accord", "/asks/new": "Whose working days", "/asks/7": "Your answer", "/asks/accepted": "Both sides agree.", "/asks/unheard": "Their node did not take it.",
		"/accords/adopt": "Address of a register", "/accords/adopt?at=7": "Who takes whose place", "/accords/adopt?at=all": "/accords/adopt?at=7", "/accords/7/changes?from=adopted": "Their text",
	} {
		w := get(t, mux, path, "Accept", "text/html")
		if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, says) || strings.Contains(body, "<i>words") {
			t.Errorf("%s answers %d, and does not say %q", path, w.Code, says)
		}
	}
	for path, code := range map[string]int{"/asks/none": http.StatusNotFound, "/accords/adopt?at=none": http.StatusUnprocessableEntity} {
		if w := get(t, mux, path, "Accept", "text/html"); w.Code != code {
			t.Errorf("%s answers %d, want %d", path, w.Code, code)
		}
	}
}
