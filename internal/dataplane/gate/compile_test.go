package gate_test

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
)

func TestCompileRefusesWhatItCannotHoldTo(t *testing.T) {
	eight := 8
	for _, tc := range []struct {
		name, field string
		change      func(*hansa.Flow)
	}{
		{"an unknown condition", "/terms/conditions/weather", func(f *hansa.Flow) { f.Terms.Conditions = map[string]string{"weather": "dry"} }},
		{"an unknown value of a condition", "/terms/conditions/audience", func(f *hansa.Flow) { f.Terms.Conditions = map[string]string{"audience": "friends"} }},
		{"another", "/terms/conditions/personal", func(f *hansa.Flow) { f.Terms.Conditions = map[string]string{"personal": "some"} }},
		{"no purposes", "/terms/purposes", func(f *hansa.Flow) { f.Terms.Purposes = nil }},
		{"an empty purpose", "/terms/purposes", func(f *hansa.Flow) { f.Terms.Purposes = []hansa.Purpose{""} }},
		{"too many purposes", "/terms/purposes", func(f *hansa.Flow) { f.Terms.Purposes = make([]hansa.Purpose, gate.PurposesMax+1) }},
		{"no formats", "/terms/formats", func(f *hansa.Flow) { f.Terms.Formats = nil }},
		{"an empty format", "/terms/formats", func(f *hansa.Flow) { f.Terms.Formats = []hansa.Format{""} }},
		{"too many formats", "/terms/formats", func(f *hansa.Flow) { f.Terms.Formats = make([]hansa.Format, gate.FormatsMax+1) }},
		{"an unknown field", "/terms/fields", func(f *hansa.Flow) { f.Terms.Fields = []string{"colour"} }},
		{"an unknown field to hold", "/terms/held", func(f *hansa.Flow) { f.Terms.Held = []string{"colour"} }},
		{"a negative retention", "/terms/retention", func(f *hansa.Flow) { f.Terms.Retention = -1 }},
		{"eight decimals", "/terms/precision", func(f *hansa.Flow) { f.Terms.Precision = &eight }},
		{"a negative delay", "/terms/delay", func(f *hansa.Flow) { f.Terms.Delay = -1 }},
		{"an end before the beginning", "/terms/until", func(f *hansa.Flow) { f.Terms.Until = f.Terms.From }},
		{"a window without a zone", "/terms/windows", func(f *hansa.Flow) { f.Terms.Windows = []hansa.Recurrence{{From: "06:00", To: "22:00"}} }},
		{"too many windows", "/terms/windows", func(f *hansa.Flow) { f.Terms.Windows = make([]hansa.Recurrence, gate.WindowsMax+1) }},
		{"no dataset", "/dataset", func(f *hansa.Flow) { f.Dataset = "" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := flow()
			tc.change(f)
			_, err := gate.Compile(f)
			if got := hansa.Public(err); got == nil || got.Kind != hansa.Invalid || got.Field != tc.field {
				t.Errorf("got %v, want an Invalid error at %s", err, tc.field)
			}
		})
	}
}

func TestAllFieldsOfTheHouseAreKnown(t *testing.T) {
	f := flow()
	f.Terms.Fields = hansa.Fields()
	g := compile(t, f)
	if v := g.Decide(closure(), ask()); v.Rule != gate.Passed {
		t.Errorf("with all fields allowed: got %s, want %s", v.Rule, gate.Passed)
	}
}

func TestGateStaysWhenItsFlowChanges(t *testing.T) {
	f := flow()
	f.Terms.Windows = []hansa.Recurrence{{Zone: "UTC", From: "00:00", To: "24:00", Weeks: []int{1}}}
	f.Terms.Area = star(8, hansa.Position{4.9, 52.37}, 0.2)
	g := compile(t, f)
	f.Terms.Purposes[1], f.Terms.Formats[1], f.Terms.Windows[0].Weeks[0], f.Paused = "x", "x", 5, true
	f.Terms.Area.Lines[0][0] = hansa.Position{}
	if v := g.Decide(closure(), ask()); v.Rule != gate.Passed {
		t.Errorf("got %s, want %s", v.Rule, gate.Passed)
	}
}

func TestManyMayAskAtOnce(t *testing.T) {
	f := flow()
	f.Terms.Area = star(500, hansa.Position{4.9, 52.37}, 0.2)
	f.Terms.Windows = []hansa.Recurrence{{Zone: "Europe/Amsterdam", From: "06:00", To: "22:00"}}
	g := compile(t, f)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			in, out := closure(), corner()
			for range 200 {
				if a, b := g.Decide(in, ask()).Rule, g.Decide(out, ask()).Rule; a != gate.Passed || b != gate.Outside {
					t.Errorf("got %s and %s", a, b)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestViewsAreSharedByEqualTermsOnly(t *testing.T) {
	base := compile(t, flow()).ViewKey("cifs")
	for _, tc := range []struct {
		name   string
		change func(*hansa.Flow)
		same   bool
	}{
		{"another flow", func(f *hansa.Flow) { f.ID, f.Name, f.To = "g", "other", "did:web:other" }, true},
		{"another purpose", func(f *hansa.Flow) { f.Terms.Purposes = []hansa.Purpose{"planning"} }, true},
		{"another list of formats", func(f *hansa.Flow) { f.Terms.Formats = []hansa.Format{"cifs"} }, true},
		{"the same time in another zone", func(f *hansa.Flow) { f.Terms.From = f.Terms.From.In(time.FixedZone("", 3600)) }, true},
		{"another dataset", func(f *hansa.Flow) { f.Dataset = "e" }, false},
		{"a delay", func(f *hansa.Flow) { f.Terms.Delay = 1e9 }, false},
		{"fields", func(f *hansa.Flow) { f.Terms.Fields = []string{"cause"} }, false},
		{"a field that is held", func(f *hansa.Flow) { f.Terms.Held = []string{"cause"} }, false},
		{"a retention", func(f *hansa.Flow) { f.Terms.Retention = 30 }, false},
		{"an area", func(f *hansa.Flow) { f.Terms.Area = star(5, hansa.Position{4, 52}, 1) }, false},
		{"a licence", func(f *hansa.Flow) { f.Terms.Licence = "CC0-1.0" }, false},
		{"a test flow", func(f *hansa.Flow) { f.Test = true }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := flow()
			tc.change(f)
			if got := compile(t, f).ViewKey("cifs") == base; got != tc.same {
				t.Errorf("shared: got %v, want %v", got, tc.same)
			}
		})
	}
	if compile(t, flow()).ViewKey("wzdx") == base {
		t.Error("two formats share a view")
	}
}

func TestRefusalsCarryTheirCode(t *testing.T) {
	for rule, want := range map[hansa.Rule]hansa.Code{
		gate.NoPurpose: hansa.CodeNoPurpose, gate.PurposeDenied: hansa.CodePurpose,
		gate.FormatDenied: hansa.CodeFormat, gate.Paused: hansa.CodeForbidden, "": hansa.CodeForbidden,
	} {
		if got := gate.Refusal(hansa.Verdict{Rule: rule}); got.Kind != hansa.Denied || got.Code != want || got.Message == "" {
			t.Errorf("%q: got %v %v %q, want %v", rule, got.Kind, got.Code, got.Message, want)
		}
	}
	if got := gate.Refusal(hansa.Verdict{Outcome: hansa.Trim}); got != nil {
		t.Errorf("a trim is refused: %v", got)
	}
}

// A flow is paused for a while; one whose accord is over says that it is over, by the
// same rule.
func TestEndedAccordIsNotPaused(t *testing.T) {
	now := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name    string
		basis   hansa.BasisKind
		until   time.Time
		refused string
		says    string
	}{
		{"suspended", hansa.BasisAccord, now.Add(time.Hour), "the flow is paused (GATE-09)", "the flow is paused: its giver has stopped it for now"},
		{"suspended without an end", hansa.BasisAccord, time.Time{}, "the flow is paused (GATE-09)", "the flow is paused: its giver has stopped it for now"},
		{"ended", hansa.BasisAccord, now, "the accord of this flow has ended (GATE-09)", "its accord has ended: nothing leaves by it since 2026-11-23T07:00:00Z"},
		{"of no accord", hansa.BasisConfigured, now, "the flow is paused (GATE-09)", "the flow is paused: its giver has stopped it for now"},
	} {
		f := flow()
		f.Paused, f.Basis.Kind, f.Terms.From, f.Terms.Until = true, tc.basis, time.Time{}, tc.until
		g := compile(t, f)
		ask := gate.Ask{Purpose: f.Terms.Purposes[0], Format: f.Terms.Formats[0], Party: f.To, Now: now}
		if got := g.Refusal(g.Admit(ask), now); got == nil || got.Message != tc.refused || got.Code != hansa.CodeForbidden {
			t.Errorf("%s: refused with %v, want %q", tc.name, got, tc.refused)
		}
		says := ""
		for _, r := range g.Explain(&hansa.Record{}, ask) {
			if r.Rule == gate.Paused {
				says = r.Words
			}
		}
		if says != tc.says {
			t.Errorf("%s: explained with %q, want %q", tc.name, says, tc.says)
		}
	}
}

// TestPageListsTheVerdicts holds docs/formats/findings.md to the gate's rules.
func TestPageListsTheVerdicts(t *testing.T) {
	b, err := os.ReadFile("../../../docs/formats/findings.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "<!-- verdicts -->\n")
	got, _, _ := strings.Cut(rest, "<!-- end of verdicts -->")
	var want strings.Builder
	want.WriteString("| rule | outcome | in words |\n|---|---|---|\n")
	for _, rule := range gate.Titles() {
		want.WriteString("| " + string(rule.Rule) + " | " + rule.Outcome.String() + " | " + rule.Words + " |\n")
	}
	if got != want.String() {
		t.Errorf("the page lists\n%s\nwant\n%s", got, want.String())
	}
}

// What a hub could pass on before it may not now, and its receiver may have it.
func TestGaveKnowsWhatWasPassedOn(t *testing.T) {
	f := flow()
	f.Terms.Conditions = map[string]string{"relayed": "east", "recalled": "west east"}
	g := compile(t, f)
	for feed, want := range map[string]struct {
		gave bool
		rule hansa.Rule
	}{
		"relay:east": {true, gate.Passed}, "recall:east": {true, gate.NotPassedOn}, "relay:west": {true, gate.NotPassedOn},
		"recall:west": {true, gate.NotPassedOn}, "relay:north": {false, gate.NotPassedOn}, "works": {false, gate.Passed},
	} {
		r := closure()
		r.Provenance.Feed = feed
		if v := g.Decide(r, ask()); v.Rule != want.rule || g.Gave(r) != want.gave {
			t.Errorf("%s: got %s, gave %v; want %s, %v", feed, v.Rule, g.Gave(r), want.rule, want.gave)
		}
	}
}
