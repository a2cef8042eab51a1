package room_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// printed is one accord for paper.
type printed struct{ x room.AccordPrint }

func (p printed) AccordPrint(_ context.Context, _ hansa.Actor, id, hash string) (room.AccordPrint, error) {
	if id != string(p.x.Text.ID) || hash != "" && hash != p.x.Hash {
		return room.AccordPrint{}, hansa.Errorf(hansa.NotFound, "there is no such accord")
	}
	return p.x, nil
}

// figuresOnly is an accord in which every word that people wrote is a figure.
func figuresOnly() room.AccordPrint {
	w := accord.Words{"xx": "7", "en": "8"}
	return room.AccordPrint{Hash: "7", State: hansa.AccordInForce, InForce: true, Effect: now, Canonical: []byte(`{}`), Text: accord.Text{
		ID: "7", Version: 7, Supersedes: "7", Title: w, Summary: w, Model: "7", Languages: []string{"xx", "77"}, Pack: accord.Pack{ID: "7"}, Law: "7", Forum: "7", Basis: &accord.LegalBasis{Kind: "7", Reference: "7"},
		Parties: []accord.Party{{ID: "7", Title: "7", Kind: hansa.City, Role: hansa.RoleBoth, Registration: "7", Task: "7"}},
		Flows: []accord.Flow{{
			ID: "7", Name: "7", From: "7", To: accord.Members, Formats: []hansa.Format{"7"}, Limit: hansa.Duration(time.Minute), Dataset: accord.Dataset{Name: "7"},
			Marked: []accord.Mark{{Field: "7", As: "personal", Measures: "7"}}, Personal: &accord.Personal{Roles: "7", Basis: "7", Assessment: "7", Country: "7"},
		}},
		Clauses:       []accord.Clause{{ID: "7", Title: w, Text: w, Uncovered: w, Flows: []hansa.FlowID{"7"}, Bearer: "7", Source: "7", Enforced: "gate"}},
		Consideration: []accord.Consideration{{Kind: "money", By: "7", To: "7", Amount: "7", Unit: "7", Cap: "7", Flow: "7", Note: "7"}},
		Term:          accord.Term{From: "2026-11-02", Notice: 90, Trial: "2027-02-01", Review: []string{"2027-06-01", "2028-06-01"}, Exit: "erase", ExitDays: 1},
	}, Signatures: []accord.Signature{{Party: "7", Role: "7", Power: "7", Held: accord.HeldByNode, Host: "7", At: now}, {Party: "7", Role: "7", Power: "7", Held: accord.HeldByParty, At: now}}}
}

// twoTongues is an accord whose authentic languages are Dutch and Italian. Its first
// clause is as the catalogue has it; the second was changed there since.
func twoTongues(t *testing.T) room.AccordPrint {
	t.Helper()
	known, ok := policy.ClauseByID("notice")
	if !ok {
		t.Fatal("there is no clause notice")
	}
	say := func(lang string) string {
		s, err := known.Render(policy.Params{"days": "60"}, lang)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	clause := accord.Clause{
		ID: known.ID, Version: known.Version, Hash: known.Hash(), Bearer: known.Bearer, Params: policy.Params{"days": "60"}, Enforced: "check", Source: known.Source,
		Title: accord.Words{"nl": known.Title.NL, "it": known.Title.IT}, Text: accord.Words{"nl": say("nl"), "it": say("it")}, Uncovered: accord.Words{"nl": known.Uncovered.NL, "it": known.Uncovered.IT},
	}
	other := clause
	other.Hash, other.Enforced, other.Text = strings.Repeat("0", 64), "not enforced by software", accord.Words{"nl": "Zoals het toen stond <b>.", "it": "Come era allora."}
	return room.AccordPrint{Hash: strings.Repeat("ab", 32), Canonical: []byte(`{"format":1}`), State: hansa.AccordProposed, Text: accord.Text{
		ID: "a1", Version: 2, Title: accord.Words{"nl": "Afsluitingen", "it": "Chiusure"}, Model: hansa.ModelPartnership, Languages: []string{"nl", "it"},
		Parties: []accord.Party{{ID: "did:web:city.example", Title: "Doggerhaven", Kind: hansa.City, Role: hansa.RoleBoth}}, Clauses: []accord.Clause{clause, other},
		Term: accord.Term{From: "2026-12-01", Exit: "keep", Notice: 60, Zone: "Europe/Amsterdam"},
	}, Signatures: []accord.Signature{{Party: "did:web:city.example", Role: "wethouder", Power: "mandaat 12", Held: accord.HeldByNode, Host: "did:web:hub.example", At: now}}}
}

func TestAccordPrint(t *testing.T) {
	x := twoTongues(t)
	r, err := room.New(room.Config{
		Source: &canned{live: afternoon(t), change: make(chan struct{})}, Prints: printed{x}, Now: func() time.Time { return now },
		Authenticate: func(*http.Request) (hansa.Actor, error) {
			return hansa.Actor{Party: "a", Rights: []hansa.Right{hansa.RightRead}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		mux.Handle(route.Method+" "+route.Pattern, r.Handler(route.Pattern))
	}
	const not = "Translation, not binding:"
	for _, tc := range []struct {
		name, query  string
		says, leaves []string
	}{
		{"in a language of authenticity", "?lang=nl", []string{
			`<html lang="nl"`, "<h1>Afsluitingen</h1>", "ten minste 60 dagen", "Zoals het toen stond &lt;b&gt;.", "Nederlands en Italiano", x.Hash, "niet afgedwongen door software",
			"ondertekend door did:web:hub.example namens Doggerhaven", "mandaat 12", "wethouder",
		}, []string{not, "Vertaling, niet bindend", "at least 60 days", "preavviso"}},
		{"in the other", "?lang=it", []string{`<html lang="it"`, "<h1>Chiusure</h1>", "almeno 60 giorni", "Come era allora."}, []string{"Traduzione, non vincolante", "ten minste"}},
		{"in another", "", []string{`<html lang="en"`, `<span lang="nl">Elke partij`, "ten minste 60 dagen", not + "</i> Each side may end this accord by telling the other at least 60 days ahead.", "Zoals het toen stond", "not enforced by software", "Proposed: this version is not in force.", "hansa verify accord.proof --trust node.key"}, nil},
		{"in German", "?lang=de", []string{"Übersetzung, nicht verbindlich:", "mit einer Frist von mindestens 60 Tagen", "ten minste 60 dagen"}, []string{not}},
		{"in one that there is not", "?lang=qq", []string{`<html lang="en"`}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			page := get(t, mux, "/accords/a1/print"+tc.query).Body.String()
			for _, s := range tc.says {
				if !strings.Contains(page, s) {
					t.Errorf("lacks %q", s)
				}
			}
			for _, s := range tc.leaves {
				if strings.Contains(page, s) {
					t.Errorf("has %q", s)
				}
			}
			// What the catalogue says now of a clause that was changed is never shown for it.
			if n := strings.Count(page, "Each side may end"); n > 1 {
				t.Error("the clause that was changed has the catalogue's words")
			}
		})
	}
	t.Run("as JSON", func(t *testing.T) {
		var doc struct {
			Hash string
			Text json.RawMessage
		}
		if err := json.Unmarshal(get(t, mux, "/accords/a1/print.json").Body.Bytes(), &doc); err != nil || doc.Hash != x.Hash || strings.Join(strings.Fields(string(doc.Text)), "") != `{"format":1}` {
			t.Errorf("got %+v, %v", doc, err)
		}
	})
	if w := get(t, mux, "/accords/none/print"); w.Code != http.StatusNotFound {
		t.Errorf("an accord that is not there: %d", w.Code)
	}
}
