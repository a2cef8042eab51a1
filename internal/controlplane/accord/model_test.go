package accord_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// drop takes the clauses with one of ids out.
func drop(ids ...string) func(*accord.Text) {
	return func(x *accord.Text) {
		x.Clauses = slices.DeleteFunc(x.Clauses, func(c accord.Clause) bool { return slices.Contains(ids, c.ID) })
	}
}

// put adds a clause of the catalogue in all five languages.
func put(t *testing.T, x *accord.Text, id string, params policy.Params, flows ...hansa.FlowID) {
	t.Helper()
	c, ok := policy.ClauseByID(id)
	if !ok {
		t.Fatalf("no clause %s", id)
	}
	made, err := accord.NewClause(c, params, flows, x.Languages)
	if err != nil {
		t.Fatal(err)
	}
	x.Clauses = append(x.Clauses, made)
}

// place is where a clause stands.
func place(t *testing.T, x *accord.Text, id, field string) string {
	t.Helper()
	i := slices.IndexFunc(x.Clauses, func(c accord.Clause) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("no clause %s", id)
	}
	return "/clauses/" + strconv.Itoa(i) + field
}

// broken is a text of a model in which one rule is broken, at a place.
type broken struct {
	name  string
	model hansa.Model
	rule  hansa.Rule
	field string // "clause ID FIELD" is the place of a clause
	says  string
	do    func(*testing.T, *accord.Text)
}

func without(ids ...string) func(*testing.T, *accord.Text) {
	return func(_ *testing.T, x *accord.Text) { drop(ids...)(x) }
}

func exclusive(change func(*accord.Text, *accord.Exclusive)) func(*testing.T, *accord.Text) {
	return func(_ *testing.T, x *accord.Text) {
		drop("no-exclusive-right")(x)
		x.Term.Until = "2027-11-30"
		x.Flows[0].Exclusive = &accord.Exclusive{Until: "2027-11-30", Reason: "a night bus for the fair", Published: "https://doggerhaven.example/grants/7"}
		change(x, x.Flows[0].Exclusive)
	}
}

func private(change func(*accord.Personal)) func(*testing.T, *accord.Text) {
	return func(_ *testing.T, x *accord.Text) {
		drop("no-personal-data")(x)
		x.Flows[1].Personal = &accord.Personal{Roles: "separate", Basis: "public-task", Assessment: "DPIA 2026-014", Retention: 30, Country: "none"}
		change(x.Flows[1].Personal)
	}
}

// everybodys is the draft of an accord by which the first party gives to everybody for
// navigation, under a licence, changed.
func everybodys(change func(*accord.Text)) func(*testing.T, *accord.Text) {
	return func(t *testing.T, x *accord.Text) {
		t.Helper()
		template, err := accord.TemplateByName("donation")
		if err != nil {
			t.Fatal(err)
		}
		p, f := x.Parties[0], x.Flows[0]
		f.From, f.To = p.ID, hansa.PublicParty
		made, err := template.Draft(accord.Order{
			ID: x.ID, Parties: []accord.Party{p}, Flows: []accord.Flow{f}, Answers: map[string]string{"purpose": "navigation"}, With: []string{"licence"}, Languages: x.Languages,
			Set: map[string]policy.Params{"licence": {"licence": "CC-BY-4.0"}}, Term: accord.Term{From: x.Term.From, Zone: x.Term.Zone},
		})
		if err != nil {
			t.Fatal(err)
		}
		if list := accord.CheckModel(made); len(list) > 0 || made.Term.Exit != "keep" {
			t.Fatalf("open terms as they are drafted, exit %s: %+v", made.Term.Exit, list)
		}
		*x = *made
		change(x)
	}
}

// changed changes a clause of the catalogue in a text that has it.
func changed(id string, change func(*accord.Clause)) func(*testing.T, *accord.Text) {
	return func(t *testing.T, x *accord.Text) {
		t.Helper()
		i := slices.IndexFunc(x.Clauses, func(c accord.Clause) bool { return c.ID == id })
		if i < 0 {
			put(t, x, id, nil)
			i = len(x.Clauses) - 1
		}
		change(&x.Clauses[i])
	}
}

func must(id string) *policy.Clause {
	c, _ := policy.ClauseByID(id)
	return c
}

func refusals() []broken {
	const (
		donation, procurement, partnership, pool, duty = hansa.ModelDonation, hansa.ModelProcurement, hansa.ModelPartnership, hansa.ModelPool, hansa.ModelClause
	)
	return []broken{
		{"no purpose", partnership, "ACCORD-01", "/flows/0", "purpose", without("purpose-limit")},
		{"a purpose of one flow alone", donation, "ACCORD-01", "/flows/0", "purpose", func(t *testing.T, x *accord.Text) {
			drop("purpose-limit")(x)
			x.Flows = append(x.Flows, x.Flows[0])
			x.Flows[1].ID, x.Flows[1].Name = flowID(7), "more"
			put(t, x, "purpose-limit", policy.Params{"purposes": "research"}, flowID(7))
		}},
		{"no end and no review", duty, "ACCORD-02", "/term/until", "neither an end", func(_ *testing.T, x *accord.Text) {
			drop("review")(x)
			x.Term.Until, x.Term.Review = "", nil
		}},
		{"restricted data that are kept", partnership, "ACCORD-03", "/flows/1", "restricted", func(t *testing.T, x *accord.Text) {
			private(func(*accord.Personal) {})(t, x)
			drop("exit-erase")(x)
			x.Term.Exit = "keep"
		}},
		{"restricted data without an erasure", partnership, "ACCORD-03", "/flows/0", "no clause says when", func(_ *testing.T, x *accord.Text) {
			drop("exit-erase")(x)
			x.Flows[0].Marked = []accord.Mark{{Field: "texts", As: "trade-secret", Measures: "two readers"}}
		}},
		{"another notice in words", partnership, "ACCORD-04", "clause notice /params/days", "notice says 90 days", func(_ *testing.T, x *accord.Text) { x.Term.Notice = 30 }},
		{"another erasure in words", partnership, "ACCORD-04", "clause exit-erase /params/days", "30 days", func(_ *testing.T, x *accord.Text) { x.Term.ExitDays = 3 }},
		{"an erasure against the term", partnership, "ACCORD-04", "clause exit-erase ", "erases", func(_ *testing.T, x *accord.Text) { x.Term.Exit = "keep" }},
		{"keeping against the term", procurement, "ACCORD-04", "clause exit-keep ", "keeps", func(_ *testing.T, x *accord.Text) { x.Term.Exit = "erase" }},
		{"another policy than its words", partnership, "ACCORD-11", "clause purpose-limit /odrl", "may differ", changed("purpose-limit", func(c *accord.Clause) {
			made, _ := accord.NewClause(must("purpose-limit"), policy.Params{"purposes": "advertising"}, nil, []string{"nl"})
			c.Rules = made.Rules
		})},
		{"other words than its policy", partnership, "ACCORD-11", "clause notice /text/nl", "may differ", changed("notice", func(c *accord.Clause) { c.Text["nl"] = "Geen van beide partijen kan ooit opzeggen." })},
		{"other parameters than its words", partnership, "ACCORD-11", "clause delay /text/en", "may differ", changed("delay", func(c *accord.Clause) { c.Params["minutes"] = "1" })},
		{"parameters that it does not take", partnership, "ACCORD-11", "clause delay /params", "minutes", changed("delay", func(c *accord.Clause) { c.Params["minutes"] = "soon" })},
		{"another bearer", partnership, "ACCORD-11", "clause notice /bearer", "may differ", changed("notice", func(c *accord.Clause) { c.Bearer = policy.BearerGiver })},
		{"a check that is none", partnership, "ACCORD-11", "clause notice /enforcement", "may differ", changed("notice", func(c *accord.Clause) { c.Enforced = accord.EnforcedByGate })},
		{"an exclusive right for over a year", partnership, "ACCORD-05", "/flows/0/exclusive/until", "Art. 4(4)", exclusive(func(x *accord.Text, e *accord.Exclusive) { e.Until, x.Term.Until = "2027-12-01", "2027-12-01" })},
		{"an accord that outlives it", partnership, "ACCORD-05", "/flows/0/exclusive/until", "before the accord", exclusive(func(x *accord.Text, _ *accord.Exclusive) { x.Term.Until = "" })},
		{"an exclusive right without reasons", partnership, "ACCORD-05", "/flows/0/exclusive/reason", "reasons", exclusive(func(_ *accord.Text, e *accord.Exclusive) { e.Reason = " " })},
		{"an exclusive right that is not published", partnership, "ACCORD-05", "/flows/0/exclusive/published", "not published", exclusive(func(_ *accord.Text, e *accord.Exclusive) { e.Published = "" })},
		{"an exclusive right beside its denial", partnership, "ACCORD-05", "/flows/0/exclusive", "there is none", func(t *testing.T, x *accord.Text) {
			exclusive(func(*accord.Text, *accord.Exclusive) {})(t, x)
			put(t, x, "no-exclusive-right", nil)
		}},
		{"personal data without roles", partnership, "ACCORD-06", "/flows/1/personal/roles", "roles", private(func(p *accord.Personal) { p.Roles = "" })},
		{"personal data without a basis", partnership, "ACCORD-06", "/flows/1/personal/basis", "legal basis", private(func(p *accord.Personal) { p.Basis = "" })},
		{"personal data without an assessment", partnership, "ACCORD-06", "/flows/1/personal/assessment", "impact assessment", private(func(p *accord.Personal) { p.Assessment = "" })},
		{"personal data without retention", partnership, "ACCORD-06", "/flows/1/personal/retention", "how long", private(func(p *accord.Personal) { p.Retention = 0 })},
		{"personal data to a country unsaid", partnership, "ACCORD-06", "/flows/1/personal/country", "European Economic Area", private(func(p *accord.Personal) { p.Country = "" })},
		{"personal data that may not leave", partnership, "ACCORD-06", "/flows/1/personal", "none of them leave", func(t *testing.T, x *accord.Text) {
			private(func(*accord.Personal) {})(t, x)
			put(t, x, "no-personal-data", nil)
		}},

		{"open data without a licence", donation, "OPEN-01", "/flows/0", "names the licence", everybodys(func(x *accord.Text) { drop("licence")(x) })},
		{"open personal data", donation, "OPEN-02", "/flows/0/personal", "holds personal data", everybodys(func(x *accord.Text) {
			x.Flows[0].Personal = &accord.Personal{Roles: "separate", Basis: "public-task", Assessment: "DPIA 2026-014", Retention: 30, Country: "none"}
		})},
		{"open trade secrets", donation, "OPEN-02", "/flows/0/marked", "marked fields", everybodys(func(x *accord.Text) {
			x.Flows[0].Marked = []accord.Mark{{Field: "texts", As: "trade-secret", Measures: "two readers"}}
		})},
		{"open to one alone", donation, "OPEN-02", "/flows/0/exclusive", "one alone", everybodys(func(x *accord.Text) {
			x.Flows[0].Exclusive = &accord.Exclusive{Until: "2027-11-30", Reason: "a night bus for the fair", Published: "https://doggerhaven.example/grants/7"}
		})},
		{"a secret of everybody", donation, "OPEN-03", "clause not-open-data ", "signs nothing", func(t *testing.T, x *accord.Text) {
			everybodys(func(*accord.Text) {})(t, x)
			put(t, x, "not-open-data", nil)
		}},

		{"a donation for money", donation, "DONATION-01", "/consideration/0/kind", "no price", func(_ *testing.T, x *accord.Text) {
			x.Consideration = []accord.Consideration{{Kind: "money", Amount: "EUR 1.00"}}
		}},
		{"a donation with the clause price", donation, "DONATION-02", "clause price ", "no price", func(t *testing.T, x *accord.Text) { put(t, x, "price", policy.Params{"price": "EUR 1.00"}) }},
		{"a donation that cannot stop", donation, "DONATION-03", "/flows/0", "stop at any time", without("stop-at-any-time")},
		{"a donation with notice", donation, "DONATION-04", "/term/notice", "at once", func(_ *testing.T, x *accord.Text) { x.Term.Notice = 30 }},
		{"a donation with the clause notice", donation, "DONATION-04", "clause notice ", "at once", func(t *testing.T, x *accord.Text) {
			put(t, x, "notice", policy.Params{"days": "1"})
			x.Clauses[len(x.Clauses)-1].Params["days"] = "0"
		}},
		{"a donation for advertising", donation, "DONATION-05", "/flows/0", "general interest", func(t *testing.T, x *accord.Text) {
			drop("purpose-limit")(x)
			put(t, x, "purpose-limit", policy.Params{"purposes": "advertising,navigation"})
		}},

		{"a procurement without a price", procurement, "PROCUREMENT-01", "/clauses", "has a price", without("price")},
		{"another price in words", procurement, "PROCUREMENT-02", "/consideration/0/amount", "says another", func(_ *testing.T, x *accord.Text) { x.Consideration[0].Amount = "EUR 9.00" }},
		{"a procurement without money", procurement, "PROCUREMENT-02", "/consideration", "none is named", func(_ *testing.T, x *accord.Text) { x.Consideration = nil }},
		{"a procurement without acceptance", procurement, "PROCUREMENT-03", "/flows/0", "acceptance", without("acceptance")},
		{"a procurement without a service level", procurement, "PROCUREMENT-04", "/flows/0", "service level", without("availability", "freshness")},
		{"a procurement silent of others", procurement, "PROCUREMENT-05", "/flows/0", "other public bodies", without("no-onward-sharing")},

		{"a partnership of one side", partnership, "PARTNERSHIP-01", "/parties/0", "has none", func(_ *testing.T, x *accord.Text) {
			drop("each-side-gives")(x)
			x.Flows = x.Flows[1:]
			for i := range x.Clauses {
				x.Clauses[i].Flows = nil
			}
			drop("acknowledge-within", "clear-within", "include-in-service", "no-extra-cost", "signal-inaccuracy", "partial-not-total")(x)
		}},
		{"a balance of one giver", partnership, "PARTNERSHIP-02", "clause each-side-gives ", "one giver", func(_ *testing.T, x *accord.Text) { x.Flows = x.Flows[:1] }},

		{"a pool of two", pool, "POOL-01", "/parties", "three parties", func(_ *testing.T, x *accord.Text) { x.Parties = x.Parties[:2] }},
		{"a closed pool", pool, "POOL-02", "/clauses", "others join", without("accession")},
		{"a pool without contributions", pool, "POOL-03", "/flows/0", "contributes", without("contribution")},
		{"a pool of free riders", pool, "POOL-04", "/clauses", "contributes nothing", without("no-free-riding")},
		{"a pool of two minds", pool, "POOL-05", "/flows/1", "one list of purposes", func(t *testing.T, x *accord.Text) {
			drop("purpose-limit")(x)
			put(t, x, "purpose-limit", policy.Params{"purposes": "road-safety"}, flowID(1))
			put(t, x, "purpose-limit", policy.Params{"purposes": "road-safety,research"}, flowID(2))
		}},

		{"a duty of nothing", duty, "CLAUSE-01", "/basis", "rests on", func(_ *testing.T, x *accord.Text) { x.Basis = nil }},
		{"a duty of habit", duty, "CLAUSE-01", "/basis/kind", "habit", func(_ *testing.T, x *accord.Text) { x.Basis.Kind = "habit" }},
		{"a duty without a reference", duty, "CLAUSE-01", "/basis/reference", "no reference", func(_ *testing.T, x *accord.Text) { x.Basis.Reference = " " }},
		{"a duty to a company", duty, "CLAUSE-01", "/basis/authority", "public body", func(_ *testing.T, x *accord.Text) { x.Basis.Authority = company }},
		{"a duty of any field", duty, "CLAUSE-02", "/flows/0", "must be delivered", without("required-fields")},
		{"a duty of all fields", duty, "CLAUSE-03", "/flows/0", "must not be delivered", without("disallowed-fields")},
		{"a field of both lists", duty, "CLAUSE-04", "clause disallowed-fields /params/fields", "location is both", func(t *testing.T, x *accord.Text) {
			drop("disallowed-fields")(x)
			put(t, x, "disallowed-fields", policy.Params{"fields": "rider_id,location"})
		}},
		{"a duty without a sanction", duty, "CLAUSE-05", "/clauses", "when it is missed", without("sanction")},
		{"a duty without an appeal", duty, "CLAUSE-06", "/clauses", "object", without("appeal")},
		{"a duty that is signed", duty, "CLAUSE-07", "/basis/served", "recorded service", func(_ *testing.T, x *accord.Text) { x.Basis.Served = false }},
	}
}

// TestRefusals: each rule of a model refuses the signature, and names the clause or
// the field.
func TestRefusals(t *testing.T) {
	seen := map[hansa.Rule]bool{}
	for _, b := range refusals() {
		seen[b.rule] = true
		t.Run(b.name, func(t *testing.T) {
			x := drafted(t, b.model)
			b.do(t, x)
			want := b.field
			if rest, ok := strings.CutPrefix(want, "clause "); ok {
				id, field, _ := strings.Cut(rest, " ")
				want = place(t, x, id, field)
			}
			list := accord.CheckModel(x)
			i := slices.IndexFunc(list, func(f hansa.Finding) bool { return f.Rule == b.rule && f.Field == want })
			if i < 0 {
				t.Fatalf("%s at %s is not among %+v", b.rule, want, list)
			}
			if f := list[i]; f.Severity != hansa.Fault || !strings.Contains(f.Message, b.says) || f.Mend == "" {
				t.Errorf("got %+v, want an error that says %q and how to mend it", f, b.says)
			}
			err := accord.Refusal(list)
			if e := hansa.Public(err); err == nil || e.Kind != hansa.Invalid || e.Field == "" || e.Hint == "" {
				t.Errorf("the signature is not refused as it should be: %v", err)
			}
		})
	}
	for _, r := range accord.ModelRules() {
		if r.Severity == hansa.Fault && !seen[r.ID] {
			t.Errorf("no test breaks %s", r.ID)
		}
	}
}

// TestPoolOfFew: a pool that members leave goes on, and says when fewer are left than a
// pool has; one that joined counts.
func TestPoolOfFew(t *testing.T) {
	left := accord.Member{Party: accord.Party{ID: third}, Left: time.Unix(1, 0)}
	s := &accord.State{Force: "a", State: hansa.AccordInForce, Bound: accord.Outline{Model: hansa.ModelPool, Parties: []hansa.PartyID{city, company, third}}}
	for _, tc := range []struct {
		members []accord.Member
		want    string
	}{
		{nil, ""},
		{[]accord.Member{left}, "2"},
		{[]accord.Member{left, {Party: accord.Party{ID: fourth}}}, ""},
		{[]accord.Member{left, {Party: accord.Party{ID: company}, Left: time.Unix(1, 0)}, {Party: accord.Party{ID: fourth}, Left: time.Unix(1, 0)}}, "1"},
	} {
		s.Members = tc.members
		var got strings.Builder
		for _, f := range s.CheckMembers() {
			got.WriteString(f.Value)
		}
		if got.String() != tc.want {
			t.Errorf("with %+v: %q are said to be left, not %q", tc.members, got.String(), tc.want)
		}
	}
	s.Bound.Model = hansa.ModelPartnership
	if list := s.CheckMembers(); len(list) > 0 {
		t.Errorf("a partnership of few: %+v", list)
	}
}

// TestWarnings: what only asks for a second look is said, and refuses nothing.
func TestWarnings(t *testing.T) {
	for _, b := range []broken{
		{"a clause of another model", hansa.ModelPool, "ACCORD-07", "clause sanction ", "not made for", func(t *testing.T, x *accord.Text) { put(t, x, "sanction", policy.Params{"steps": "warning"}) }},
		{"k", hansa.ModelPartnership, "ACCORD-08", "clause k-threshold ", "k-threshold", func(t *testing.T, x *accord.Text) { put(t, x, "k-threshold", policy.Params{"k": "10"}) }},
		{"public data without a word", hansa.ModelPartnership, "ACCORD-09", "/flows/0", "nobody has them alone", without("no-exclusive-right")},
		{"a clause of another release", hansa.ModelPartnership, "ACCORD-12", "clause notice ", "as it stands here", changed("notice", func(c *accord.Clause) { c.Hash = strings.Repeat("0", 64) })},
		{"no notice between enterprises", hansa.ModelPartnership, "ACCORD-10", "/term/notice", "without notice", func(_ *testing.T, x *accord.Text) {
			drop("notice")(x)
			x.Term.Notice, x.Parties[0].Kind = 0, hansa.Company
		}},
		{"one way alone", hansa.ModelPartnership, "PARTNERSHIP-03", "/flows", "donation", func(_ *testing.T, x *accord.Text) {
			drop("each-side-gives")(x)
			x.Flows = x.Flows[:1]
		}},
	} {
		x := drafted(t, b.model)
		b.do(t, x)
		want := b.field
		if rest, ok := strings.CutPrefix(want, "clause "); ok {
			id, field, _ := strings.Cut(rest, " ")
			want = place(t, x, id, field)
		}
		list := accord.CheckModel(x)
		if !slices.ContainsFunc(list, func(f hansa.Finding) bool {
			return f.Rule == b.rule && f.Field == want && f.Severity == hansa.Warning && strings.Contains(f.Message, b.says)
		}) {
			t.Errorf("%s: %s at %s is not among %+v", b.name, b.rule, want, list)
		}
		if err := accord.Refusal(list); err != nil {
			t.Errorf("%s: a warning refuses: %v", b.name, err)
		}
	}
	marked := drafted(t, hansa.ModelPartnership)
	marked.Flows[0].Marked = []accord.Mark{{Field: "texts", As: "trade-secret", Measures: "two readers"}}
	put(t, marked, "trade-secrets", nil, flowID(1))
	if list := accord.CheckModel(marked); len(list) > 0 {
		t.Errorf("fields that wait for measures are held to, and warned of: %+v", list)
	}
	if list := accord.CheckModel(exclusiveText(t)); len(list) > 0 {
		t.Errorf("an exclusive right as Art. 4 allows it: %+v", list)
	}
}

func exclusiveText(t *testing.T) *accord.Text {
	x := drafted(t, hansa.ModelPartnership)
	exclusive(func(*accord.Text, *accord.Exclusive) {})(t, x)
	return x
}
