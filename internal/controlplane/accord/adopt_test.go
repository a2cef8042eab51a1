package accord_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// adoption is one in which two cities and a company change places.
func adoption() *accord.Adoption {
	n := 0
	return &accord.Adoption{
		Origin: accord.Origin{Template: "closures", Party: "did:web:doggerhaven.example", Hash: strings.Repeat("a", 64)}, From: "2027-03-01", Pack: accord.Pack{ID: "eu@2026-06-18", Hash: strings.Repeat("b", 64)},
		Fresh: func() string {
			n++
			return "01a20952-8507-743c-9ffd-" + strings.Repeat("0", 12-len(strconv.Itoa(n))) + strconv.Itoa(n)
		},
	}
}

// published is a text of each model as its register shows it.
func published(t *testing.T, model hansa.Model) *accord.Text {
	t.Helper()
	x, err := accord.TemplateByName(string(model))
	if err != nil {
		t.Fatal(err)
	}
	o := accord.Order{
		ID: "01a20952-8507-743c-9ffd-b26172221be5", Answers: map[string]string{}, Term: accord.Term{From: "2026-01-01", Zone: "Europe/Amsterdam"},
		Parties: []accord.Party{{ID: "did:web:doggerhaven.example", Title: "Doggerhaven", Kind: hansa.City, Role: hansa.RoleBoth, Contacts: accord.Contacts{Duty: "+31"}}, {ID: "did:web:navco.example", Title: "Navco", Kind: hansa.Company, Role: hansa.RoleBoth, Registration: "KvK 1"}},
	}
	give, take := o.Parties[1].ID, o.Parties[0].ID
	if model == hansa.ModelPool {
		o.Parties = append(o.Parties, accord.Party{ID: "did:web:third.example", Title: "Third", Kind: hansa.City, Role: hansa.RoleBoth})
		take = accord.Members
	}
	o.Flows = []accord.Flow{{ID: "01a20952-8507-743c-9ffd-b26172221be6", Name: "jams", From: give, To: take, Dataset: accord.Dataset{Name: "jams", Kind: hansa.KindObservation}, Formats: []hansa.Format{"record"}}}
	if model == hansa.ModelPartnership {
		o.Flows = append(o.Flows, accord.Flow{ID: "01a20952-8507-743c-9ffd-b26172221be7", Name: "closures", From: take, To: give, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record"}})
	}
	for _, q := range x.Questions {
		for i := range o.Parties {
			if q.Each {
				o.Answers[q.Name+"/"+strconv.Itoa(i+1)] = q.Example
			}
		}
		if !q.Each && q.Needed {
			o.Answers[q.Name] = q.Example
		}
	}
	text, err := x.Draft(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What is adopted is an accord of the adopter's own: valid, of the same clauses, without
// the others' ids, particulars, prices and legal basis.
func TestAdopt(t *testing.T) {
	for _, model := range hansa.Models() {
		t.Run(string(model), func(t *testing.T) {
			from := published(t, model)
			before, err := from.Hash()
			if err != nil {
				t.Fatal(err)
			}
			a := adoption()
			a.Places = map[hansa.PartyID]accord.Party{from.Parties[0].ID: {ID: "did:web:elbmark.example", Title: "Elbmark"}, from.Parties[1].ID: {ID: from.Parties[0].ID, Title: "Doggerhaven itself", Kind: hansa.Company}}
			for _, p := range from.Parties[2:] {
				a.Places[p.ID] = p
			}
			if model == hansa.ModelProcurement {
				a.Set = map[string]policy.Params{"price": {"price": "EUR 7.00"}}
			}
			if model == hansa.ModelClause {
				if _, err := from.Adopt(a); err == nil || hansa.Public(err).Field != "/basis" {
					t.Errorf("another city's by-law is taken over: %v", err)
				}
				a.Basis = "Shared mobility by-law Elbmark 2027"
			}
			made, err := from.Adopt(a)
			if err != nil {
				t.Fatal(err)
			}
			got := made.Draft
			changes, err := accord.Redline(made.From, got)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range changes {
				if c.Part == "clauses" && (c.Kind != accord.Changed || c.Name != "price") || c.Part == "flows" && c.Kind != accord.Changed {
					t.Errorf("%s %s is %s", c.Part, c.Name, c.Kind)
				}
			}
			if after, _ := from.Hash(); after != before {
				t.Error("the text that was adopted is changed")
			}
			if got.ID == from.ID || got.Flows[0].ID == from.Flows[0].ID || got.Version != 1 || got.From.Party != a.Origin.Party || got.Term.From != "2027-03-01" {
				t.Errorf("the draft is %s %s %+v %+v", got.ID, got.Flows[0].ID, got.From, got.Term)
			}
			if p := got.Parties; p[0].ID != "did:web:elbmark.example" || p[1].ID != "did:web:doggerhaven.example" || p[0].Contacts.Duty != "" || p[1].Registration != "" || p[0].Kind != hansa.City || p[1].Kind != hansa.Company || got.Flows[0].From != p[1].ID {
				t.Errorf("the parties are %+v", p)
			}
			if len(got.Clauses) != len(from.Clauses) {
				t.Errorf("%d clauses of %d", len(got.Clauses), len(from.Clauses))
			}
			for _, f := range accord.CheckModel(got) {
				if f.Severity == hansa.Fault {
					t.Errorf("%s: %s", f.Rule, f.Message)
				}
			}
			if model == hansa.ModelClause && (got.Basis.Reference != a.Basis || got.Basis.Authority != "did:web:elbmark.example" || from.Basis.Reference == a.Basis) {
				t.Errorf("the legal basis is %+v", got.Basis)
			}
			if model == hansa.ModelProcurement && got.Consideration[0].Amount != "EUR 7.00" {
				t.Errorf("the price is %+v", got.Consideration)
			}
		})
	}
}

// What cannot be adopted is refused by its field.
func TestAdoptRefused(t *testing.T) {
	for name, x := range map[string]struct {
		field  string
		change func(*accord.Text, *accord.Adoption)
	}{
		"a place that nobody takes": {"/places/did:web:navco.example", func(f *accord.Text, a *accord.Adoption) { delete(a.Places, f.Parties[1].ID) }},
		"clauses that are withheld": {"/clauses", func(f *accord.Text, _ *accord.Adoption) { f.Clauses = nil }},
		"a clause that is not there": {"/clauses", func(_ *accord.Text, a *accord.Adoption) {
			a.Without = []string{"k-threshold"}
		}},
		"a first day that is none": {"/from", func(_ *accord.Text, a *accord.Adoption) { a.From = "soon" }},
		"their price":              {"/set/price", func(_ *accord.Text, a *accord.Adoption) { a.Set = nil }},
		"one party in two places":  {"/parties/1/id", func(f *accord.Text, a *accord.Adoption) { a.Places[f.Parties[1].ID] = a.Places[f.Parties[0].ID] }},
	} {
		t.Run(name, func(t *testing.T) {
			from, a := published(t, hansa.ModelProcurement), adoption()
			a.Places, a.Set = map[hansa.PartyID]accord.Party{from.Parties[0].ID: from.Parties[0], from.Parties[1].ID: from.Parties[1]}, map[string]policy.Params{"price": {"price": "EUR 7.00"}}
			x.change(from, a)
			if _, err := from.Adopt(a); err == nil || hansa.Public(err).Field != x.field {
				t.Errorf("got %v, want a refusal of %s", err, x.field)
			}
		})
	}
}

// A clause whose version is not the catalogue's here keeps its own words, and a person is
// told.
func TestAdoptForeignClause(t *testing.T) {
	from, a := published(t, hansa.ModelPartnership), adoption()
	a.Places = map[hansa.PartyID]accord.Party{from.Parties[0].ID: from.Parties[0], from.Parties[1].ID: from.Parties[1]}
	c := &from.Clauses[0]
	c.Hash, c.Text = strings.Repeat("c", 64), accord.Words{"en": "In other words."}
	known := &from.Clauses[1]
	known.Text = accord.Words{"en": "Words that its policy does not say."}
	made, err := from.Adopt(a)
	if err != nil {
		t.Fatal(err)
	}
	got, notes := made.Draft, made.Notes
	if got.Clauses[0].Text["en"] != "In other words." || len(notes) == 0 || notes[0].Name != c.ID {
		t.Errorf("a foreign clause: %v, %v", got.Clauses[0].Text, notes)
	}
	if strings.Contains(got.Clauses[1].Text["en"], "does not say") {
		t.Error("the words of a clause of the catalogue are others than the catalogue's")
	}
}
