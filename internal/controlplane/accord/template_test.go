package accord_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// orderOf is what a template is tried with: an order that makes a text which may
// be signed.
func orderOf(model hansa.Model) accord.Order {
	o := accord.Order{
		ID: theID, Languages: []string{"en", "nl", "it", "de", "fr"}, Term: accord.Term{From: "2026-12-01", Zone: "Europe/Amsterdam"},
		Parties: []accord.Party{
			{ID: city, Title: "City of Doggerhaven", Kind: hansa.City, Role: hansa.RoleBoth},
			{ID: company, Title: "Navco Routing", Kind: hansa.Company, Role: hansa.RoleBoth},
		},
		Flows: []accord.Flow{
			{ID: flowID(1), Name: "closures", From: city, To: company, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"datex2"}},
			{ID: flowID(2), Name: "jams", From: company, To: city, Dataset: accord.Dataset{Name: "jams", Kind: hansa.KindObservation}, Formats: []hansa.Format{"record"}},
		},
	}
	switch model {
	case hansa.ModelPartnership:
		o.Answers = map[string]string{"gets/1": "jams within a minute", "gets/2": "closures at the second"}
	case hansa.ModelDonation:
		o.Flows, o.Answers = o.Flows[1:], map[string]string{"purpose": "planning,research"}
	case hansa.ModelProcurement:
		o.Flows, o.Answers = o.Flows[1:], map[string]string{"price": "EUR 1250.00"}
	case hansa.ModelPool:
		o.Parties = append(o.Parties, accord.Party{ID: third, Title: "Fleetco", Kind: hansa.Company, Role: hansa.RoleBoth})
		for i := range o.Flows {
			o.Flows[i].To = accord.Members
		}
		o.Answers = map[string]string{"purpose": "road-safety", "contribution": "500"}
	case hansa.ModelClause:
		o.Flows = o.Flows[1:]
		o.Answers = map[string]string{
			"basis": "by-law: Shared mobility by-law 2026, section 4", "required": "vehicle_id,location", "disallowed": "rider_id",
			"sanction": "warning; fine under section 9; suspension of the permit", "appeal": "Municipal objections committee",
		}
	}
	return o
}

// drafted is a text of a template that may be signed.
func drafted(t testing.TB, model hansa.Model, change ...func(*accord.Order)) *accord.Text {
	t.Helper()
	x, err := accord.TemplateByName(string(model))
	if err != nil {
		t.Fatal(err)
	}
	o := orderOf(model)
	for _, f := range change {
		f(&o)
	}
	text, err := x.Draft(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestTemplates: each model has a template whose draft reads back and breaks no rule
// of its model, and which sets no k.
func TestTemplates(t *testing.T) {
	list := accord.Templates()
	if len(list) != len(hansa.Models()) {
		t.Fatalf("%d templates, want %d", len(list), len(hansa.Models()))
	}
	for _, x := range list {
		t.Run(x.Name, func(t *testing.T) {
			text := drafted(t, x.Model)
			read, err := accord.Read(bytesOf(t, text))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(bytesOf(t, read), bytesOf(t, drafted(t, x.Model))) {
				t.Error("the same order makes another text")
			}
			for _, f := range accord.CheckModel(text) {
				t.Errorf("%s %s: %s", f.Rule, f.Field, f.Message)
			}
			if text.From == nil || text.From.Template != x.Name || text.From.Hash != x.Hash() {
				t.Errorf("it came from %+v", text.From)
			}
			for i := range text.Clauses {
				c := &text.Clauses[i]
				if c.Blocks || c.ID == "k-threshold" {
					t.Errorf("%s keeps its flows from starting", c.ID)
				}
				for _, lang := range policy.Languages() {
					if c.Text[lang] == "" {
						t.Errorf("%s says nothing in %s", c.ID, lang)
					}
				}
			}
			for i := range text.Flows {
				if _, err := text.Terms(&text.Flows[i], time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestDraftFits: clauses are about the flows that they fit, purposes are by kind or
// by flow, and the term is said the same in words.
func TestDraftFits(t *testing.T) {
	text := drafted(t, hansa.ModelPartnership, func(o *accord.Order) {
		o.Purposes = map[hansa.FlowID][]hansa.Purpose{flowID(2): {"research"}}
		o.With, o.Without = []string{"delay"}, []string{"public-register"}
		o.Set = map[string]policy.Params{"delay": {"minutes": "30"}}
	})
	find := func(id string, f hansa.FlowID) *accord.Clause {
		i := slices.IndexFunc(text.Clauses, func(c accord.Clause) bool { return c.ID == id && c.About(f) })
		if i < 0 {
			return nil
		}
		return &text.Clauses[i]
	}
	if c := find("purpose-limit", flowID(1)); c == nil || c.Params["purposes"] != "navigation,traffic-information,road-safety" {
		t.Errorf("closures are for %+v", c)
	}
	if c := find("purpose-limit", flowID(2)); c == nil || c.Params["purposes"] != "research" {
		t.Errorf("jams are for %+v", c)
	}
	if find("include-in-service", flowID(1)) == nil || find("include-in-service", flowID(2)) != nil {
		t.Error("include-in-service is about closures, and about nothing else")
	}
	if c := find("delay", flowID(1)); c == nil || c.Params["minutes"] != "30" || c.Flows != nil {
		t.Errorf("delay: %+v", c)
	}
	if find("public-register", flowID(1)) != nil {
		t.Error("a clause that was left out is there")
	}
	if c := find("notice", flowID(1)); c == nil || c.Params["days"] != "90" || text.Term.Notice != 90 || text.Term.Until != "2029-11-30" {
		t.Errorf("notice %+v, term %+v", c, text.Term)
	}
	if k := text.Consideration; len(k) != 2 || k[0].Note != "closures at the second" || k[0].Flow != flowID(1) {
		t.Errorf("in return: %+v", k)
	}
	mixed := drafted(t, hansa.ModelProcurement, func(o *accord.Order) { o.Answers["reuse"] = "did:web:amstelburg.example" })
	if slices.ContainsFunc(mixed.Clauses, func(c accord.Clause) bool { return c.ID == "no-onward-sharing" }) {
		t.Error("what other public bodies may use may not be passed on")
	}
}

// TestDraftRefuses: what is missing or not asked is refused by its name.
func TestDraftRefuses(t *testing.T) {
	for name, is := range map[string]struct {
		model  hansa.Model
		change func(*accord.Order)
		field  string
	}{
		"no answer":         {hansa.ModelPartnership, func(o *accord.Order) { delete(o.Answers, "gets/2") }, "/answers/gets/2"},
		"not asked":         {hansa.ModelPartnership, func(o *accord.Order) { o.Answers["price"] = "EUR 1.00" }, "/answers/price"},
		"no first day":      {hansa.ModelDonation, func(o *accord.Order) { o.Term.From = "" }, "/term/from"},
		"no zone":           {hansa.ModelDonation, func(o *accord.Order) { o.Term.Zone = "" }, "/term/zone"},
		"no basis":          {hansa.ModelClause, func(o *accord.Order) { o.Answers["basis"] = "custom: since ever" }, "/answers/basis"},
		"no authority":      {hansa.ModelClause, func(o *accord.Order) { o.Parties[0].Kind = hansa.Company }, "/parties"},
		"a price":           {hansa.ModelProcurement, func(o *accord.Order) { o.Answers["price"] = "a lot" }, "/parameters/price"},
		"another language":  {hansa.ModelDonation, func(o *accord.Order) { o.Languages = []string{"es"} }, "/language"},
		"an unknown clause": {hansa.ModelDonation, func(o *accord.Order) { o.With = []string{"notise"} }, "/with"},
		"set for no clause": {hansa.ModelDonation, func(o *accord.Order) { o.Set = map[string]policy.Params{"delay": {"minutes": "1"}} }, "/set/delay"},
		"no flow":           {hansa.ModelDonation, func(o *accord.Order) { o.Flows = nil }, "/flows"},
	} {
		o := orderOf(is.model)
		is.change(&o)
		x, err := accord.TemplateByName(string(is.model))
		if err != nil {
			t.Fatal(err)
		}
		_, err = x.Draft(o)
		if e := hansa.Public(err); err == nil || e.Kind != hansa.Invalid || e.Field != is.field {
			t.Errorf("%s: got %v, want a refusal at %s", name, err, is.field)
		}
	}
	if _, err := accord.TemplateByName("gift"); hansa.KindOf(err) != hansa.NotFound || !strings.Contains(err.Error(), "donation") {
		t.Errorf("no such template: %v", err)
	}
}

// TestThePageSaysTheRules holds docs/formats/accord-models.md to the rules that
// there are.
func TestThePageSaysTheRules(t *testing.T) {
	b, err := os.ReadFile("../../../docs/formats/accord-models.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range accord.ModelRules() {
		if want := "| `" + string(r.ID) + "` | " + string(r.Severity) + " | " + r.Says + " | " + r.Source + " |\n"; !strings.Contains(string(b), want) {
			t.Errorf("the page lacks the row %s", want)
		}
	}
	for _, x := range accord.Templates() {
		if !strings.Contains(string(b), x.Choose.EN) || !strings.Contains(string(b), x.Costs.EN) || !strings.Contains(string(b), x.Blocks.EN) {
			t.Errorf("the page does not say of %s when to choose it, what it costs and what blocks it", x.Name)
		}
	}
}
