package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// An accord that has ended shows what each side certifies of the data.
func TestAccordShowsCertificates(t *testing.T) {
	on := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	var out, notes bytes.Buffer
	p := &printer{out: &out, err: &notes, zone: time.UTC}
	d := api.AccordDetail{Accord: api.Accord{ID: "1", State: hansa.AccordEnded}, Erasures: []api.AccordErasure{
		{By: "did:web:navika", Erasure: accord.Erasure{Rule: "erase", Flows: []hansa.FlowID{"7"}, On: on, Clause: "25", Records: 3, Versions: 4, Backups: "2026-12-29", Onward: []string{"West\x1b[2J"}}},
		{By: "did:web:city", Erasure: accord.Erasure{Rule: "return", On: on}},
	}, Owed: []accord.Owed{{Party: "did:web:late", Flows: []hansa.FlowID{"7", "8"}, Day: "2026-11-01", Late: true}, {Party: "did:web:own", Flows: []hansa.FlowID{"8", "9"}, Day: "2026-12-28"}}}
	d.Me, d.May = "did:web:own", []accord.Kind{accord.Erased}
	if err := p.accord(&d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 flow by did:web:navika; 3 records in 4 versions; under clause 25; in backups until 2026-12-29; went on to West",
		"returned  ", "0 flows by did:web:city\n",
		"owed      a certificate for 2 flows by did:web:late, due by 2026-11-01, late\n",
		"owed      a certificate for 2 flows by did:web:own, at the latest by 2026-12-28\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %q, want %q in it", out.String(), want)
		}
	}
	if want := "hansa accords erased 1 --flow 8,9\n"; !strings.Contains(notes.String(), want) || strings.Contains(notes.String(), "7,8") {
		t.Errorf("got %q, want %q in it", notes.String(), want)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("what others wrote moves the cursor: %q", out.String())
	}
}

// An accord shows each clause with who said what of it, and the last comments.
func TestAccordShowsClauses(t *testing.T) {
	on := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	text := `{"flows":[{"id":"7","name":"closures-to-navco"}],"clauses":[{"id":"purpose-limit","flows":["7"],"title":{"en":"Purpose limitation","nl":"Doelbinding"},"text":{"en":"For navigation alone."},"uncovered":{"en":"What is done with it."}},{"id":"notice","title":{"en":"Notice"},"text":{"en":"Thirty days."}}]}`
	d := api.AccordDetail{Accord: api.Accord{ID: "1", Me: "did:web:city", Version: 2, N: 9, State: hansa.AccordProposed, Turn: []hansa.PartyID{"did:web:city", "did:web:navco"}, TurnSince: on, Parties: []api.AccordParty{{ID: "did:web:city", Title: "City"}, {ID: "did:web:navco", Title: "Navco"}}}, Text: []byte(text), Verdicts: []api.AccordVerdict{
		{Party: "did:web:navco", Clause: "2", Words: "Too \x1b[2Jshort."}, {Party: "did:web:city", Clause: "2", Accept: true},
	}, Findings: []hansa.Finding{{Rule: "ACCORD-04", Severity: hansa.Fault, Field: "/clauses", Message: "two days differ"}, {Rule: "X-01", Severity: hansa.Warning}}}
	var h api.AccordHistory
	for i := range commentsShown + 2 {
		h.Entries = append(h.Entries, api.AccordEntry{Kind: accord.Comment, At: on, From: "did:web:navco", Clause: "1", Words: "word " + string(rune('a'+i))})
	}
	show := func(whole bool) (string, string) {
		var out, notes bytes.Buffer
		p := &printer{out: &out, err: &notes, zone: time.UTC}
		if err := p.accord(&d); err != nil {
			t.Fatal(err)
		}
		if err := p.clauses(&d, whole, "nl"); err != nil {
			t.Fatal(err)
		}
		p.comments(&d, &h)
		return out.String(), notes.String()
	}
	short, notes := show(false)
	for _, want := range []string{
		"turn      yours (City), Navco, since 2026-11-28 09:00:00 +00:00\n",
		"   1  Doelbinding (purpose-limit), of closures-to-navco\n", "   2  Notice (notice)\n      rejected by Navco: Too  [2Jshort.\n      accepted by City\n",
		"comment   2026-11-28 09:00:00 +00:00, Navco of clause 1: word g\n",
	} {
		if !strings.Contains(short, want) {
			t.Errorf("got %q, want %q in it", short, want)
		}
	}
	if strings.Contains(short, "word a") || strings.Contains(short, "For navigation alone.") || strings.Contains(short, "\x1b") {
		t.Errorf("it shows too much: %q", short)
	}
	for _, want := range []string{"2 comments before these: hansa accords history 1\n", "nobody can sign it before another text mends ACCORD-04: hansa accords propose 1 FILE\n", "hansa accords show 1 --words\n"} {
		if !strings.Contains(notes, want) {
			t.Errorf("got %q, want %q in it", notes, want)
		}
	}
	if whole, _ := show(true); !strings.Contains(whole, "      For navigation alone.\n      not held to by software: What is done with it.\n") {
		t.Errorf("in words it shows %q", whole)
	}
}
