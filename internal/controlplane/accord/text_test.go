package accord_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

const (
	company hansa.PartyID  = "did:web:navco.example"
	third   hansa.PartyID  = "did:web:fleetco.example"
	fourth  hansa.PartyID  = "did:web:rideco.example"
	theID   hansa.AccordID = "0197f3a0-0000-7000-8000-00000000000a"
)

func flowID(n int) hansa.FlowID {
	return hansa.FlowID(fmt.Sprintf("0197f3a0-0000-7000-8000-%012d", n))
}

// clause is one of the catalogue, in the languages of the tests.
func clause(t testing.TB, id string, params policy.Params, flows ...hansa.FlowID) accord.Clause {
	t.Helper()
	c, ok := policy.ClauseByID(id)
	if !ok {
		t.Fatalf("no clause %s", id)
	}
	out, err := accord.NewClause(c, params, flows, []string{"nl", "en"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// partnership is a text under which each party gives one flow: to the next, or in a
// pool to all.
func partnership(t testing.TB, model hansa.Model, parties ...hansa.PartyID) *accord.Text {
	t.Helper()
	pack := policy.Packs()[0]
	x := &accord.Text{
		Format: accord.Format, ID: theID, Version: 1, Model: model, Languages: []string{"nl", "en"},
		Title: accord.Words{"nl": "Afsluitingen en doorstroming", "en": "Closures and flow"}, Pack: accord.Pack{ID: pack.Name(), Hash: pack.Hash()},
		Term: accord.Term{From: "2026-01-01", Until: "2028-12-31", Zone: "Europe/Amsterdam", Notice: 30, Review: []string{"2027-01-15"}, Exit: "erase", ExitDays: 30},
	}
	for i, id := range parties {
		kind := hansa.Company
		if i == 0 {
			kind = hansa.City
		}
		x.Parties = append(x.Parties, accord.Party{ID: id, Title: "Party " + string(rune('A'+i)), Kind: kind, Role: hansa.RoleBoth})
		f := accord.Flow{ID: flowID(i + 1), Name: fmt.Sprintf("flow-%d", i+1), From: id, To: parties[(i+1)%len(parties)], Dataset: accord.Dataset{Name: "closures", Title: "Closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record", "datex2"}}
		if model == hansa.ModelPool {
			f.To = accord.Members
		}
		x.Flows = append(x.Flows, f)
	}
	x.Flows[0].Marked = []accord.Mark{{Field: "detours", As: "trade-secret", Measures: "kept apart"}}
	x.Clauses = []accord.Clause{
		clause(t, "purpose-limit", policy.Params{"purposes": "routing,traffic-management"}), clause(t, "formats", policy.Params{"formats": "record,geojson"}, flowID(1)),
		clause(t, "licence", policy.Params{"licence": "CC-BY-4.0"}, flowID(1)), clause(t, "update-within", nil), clause(t, "notice", policy.Params{"days": "30"}),
	}
	return x
}

func bytesOf(t testing.TB, x *accord.Text) []byte {
	t.Helper()
	b, err := x.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestText: a text is read back from its one form, and from no other.
func TestText(t *testing.T) {
	x := partnership(t, hansa.ModelPartnership, city, company)
	b := bytesOf(t, x)
	y, err := accord.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if again := bytesOf(t, y); !bytes.Equal(again, b) {
		t.Errorf("read and written again it is another text:\n%s\n%s", b, again)
	}
	h, err := y.Hash()
	if err != nil || h != hash(b) {
		t.Errorf("the hash is %s, not %s (%v)", h, hash(b), err)
	}
	for name, bad := range map[string][]byte{
		"spaces":         bytes.Replace(b, []byte(`,"id"`), []byte(`, "id"`), 1),
		"order":          append([]byte(`{"version":1,`), bytes.Replace(b, []byte(`,"version":1`), nil, 1)[1:]...),
		"unknown member": append([]byte(`{"aside":"x",`), b[1:]...),
		"twice":          append([]byte(`{"clauses":[],`), b[1:]...),
		"null":           bytes.Replace(b, []byte(`"format":1`), []byte(`"forum":null,"format":1`), 1),
		"another form":   bytes.Replace(b, []byte(`"format":1`), []byte(`"format":2`), 1),
		"cut":            b[:len(b)-1],
		"too long":       bytes.Repeat([]byte(" "), accord.TextBytesMax+1),
		"nothing":        nil,
	} {
		if _, err := accord.Read(bad); hansa.KindOf(err) != hansa.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTextRefused: each rule of a text names the field that breaks it.
func TestTextRefused(t *testing.T) {
	for _, c := range []struct {
		field string
		spoil func(x *accord.Text)
	}{
		{"/id", func(x *accord.Text) { x.ID = "accord" }},
		{"/version", func(x *accord.Text) { x.Version = 0 }},
		{"/supersedes", func(x *accord.Text) { x.Version = 2 }},
		{"/supersedes", func(x *accord.Text) { x.Supersedes = strings.Repeat("a", 64) }},
		{"/model", func(x *accord.Text) { x.Model = "gift" }},
		{"/languages", func(x *accord.Text) { x.Languages = nil }},
		{"/languages", func(x *accord.Text) { x.Languages = []string{"nl", "nl"} }},
		{"/title/nl", func(x *accord.Text) { delete(x.Title, "nl") }},
		{"/title/fr", func(x *accord.Text) { x.Title["fr"] = "Accord" }},
		{"/title/nl", func(x *accord.Text) { x.Title["nl"] = "A\u202eB" }},
		{"/title/nl", func(x *accord.Text) { x.Title["nl"] = strings.Repeat("x", accord.TitleBytesMax+1) }},
		{"/pack", func(x *accord.Text) { x.Pack.Hash = "" }},
		{"/from", func(x *accord.Text) { x.From = &accord.Origin{Template: "pool"} }},
		{"/basis", func(x *accord.Text) { x.Basis = &accord.LegalBasis{Kind: "permit", Reference: "12", Authority: city} }},
		{"/parties", func(x *accord.Text) { x.Parties = x.Parties[:1] }},
		{"/parties/1/id", func(x *accord.Text) { x.Parties[1].ID = city }},
		{"/parties/1/id", func(x *accord.Text) { x.Parties[1].ID = hansa.PublicParty }},
		{"/parties/0/title", func(x *accord.Text) { x.Parties[0].Title = " " }},
		{"/parties/0/kind", func(x *accord.Text) { x.Parties[0].Kind = "club" }},
		{"/parties/0/role", func(x *accord.Text) { x.Parties[0].Role = "friend" }},
		{"/parties/0/size", func(x *accord.Text) { x.Parties[0].Size = "tall" }},
		{"/parties/0/contacts/duty", func(x *accord.Text) { x.Parties[0].Contacts.Duty = "\x07" }},
		{"/flows", func(x *accord.Text) { x.Flows = nil }},
		{"/flows/1/id", func(x *accord.Text) { x.Flows[1].ID = x.Flows[0].ID }},
		{"/flows/0/id", func(x *accord.Text) { x.Flows[0].ID = "one" }},
		{"/flows/0/from", func(x *accord.Text) { x.Flows[0].From = third }},
		{"/flows/0/to", func(x *accord.Text) { x.Flows[0].To = third }},
		{"/flows/0/to", func(x *accord.Text) { x.Flows[0].To = accord.Members }},
		{"/flows/0/to", func(x *accord.Text) { x.Flows[0].To = x.Flows[0].From }},
		{"/flows/0/name", func(x *accord.Text) { x.Flows[0].Name = "All of it" }},
		{"/flows/0/dataset/name", func(x *accord.Text) { x.Flows[0].Dataset.Name = "" }},
		{"/flows/0/dataset/kind", func(x *accord.Text) { x.Flows[0].Dataset.Kind = "film" }},
		{"/flows/0/formats", func(x *accord.Text) { x.Flows[0].Formats = []hansa.Format{"record", "record"} }},
		{"/flows/0/marked", func(x *accord.Text) { x.Flows[0].Marked[0].Field = "colour" }},
		{"/flows/0/marked", func(x *accord.Text) { x.Flows[0].Marked[0].Measures = "" }},
		{"/flows/0/personal", func(x *accord.Text) { x.Flows[0].Personal = &accord.Personal{Roles: "many"} }},
		{"/clauses", func(x *accord.Text) { x.Clauses = nil }},
		{"/clauses/0/id", func(x *accord.Text) { x.Clauses[0].Hash = "" }},
		{"/clauses/0/bearer", func(x *accord.Text) { x.Clauses[0].Bearer = "nobody" }},
		{"/clauses/0/flows", func(x *accord.Text) { x.Clauses[0].Flows = []hansa.FlowID{flowID(9)} }},
		{"/clauses/0/text/en", func(x *accord.Text) { delete(x.Clauses[0].Text, "en") }},
		{"/clauses/0/odrl", func(x *accord.Text) { x.Clauses[0].Rules = policy.Rules{} }},
		{"/clauses/0/odrl", func(x *accord.Text) { x.Clauses[0].Rules.Permission[0].Constraint[0].LeftOperand = "mood" }},
		{"/clauses/0/enforcement", func(x *accord.Text) { x.Clauses[0].Enforced = accord.NotEnforced }},
		{"/clauses/3/enforcement", func(x *accord.Text) { x.Clauses[3].Enforced = accord.EnforcedByGate }},
		{"/consideration/0/kind", func(x *accord.Text) { x.Consideration = []accord.Consideration{{Kind: "thanks"}} }},
		{"/consideration/0/amount", func(x *accord.Text) { x.Consideration = []accord.Consideration{{Kind: "money", Amount: "much"}} }},
		{"/consideration/0/flow", func(x *accord.Text) { x.Consideration = []accord.Consideration{{Kind: "in-kind", Flow: flowID(9)}} }},
		{"/term/from", func(x *accord.Text) { x.Term.From = "tomorrow" }},
		{"/term/until", func(x *accord.Text) { x.Term.Until = "2025-12-31" }},
		{"/term/zone", func(x *accord.Text) { x.Term.Zone = "Local" }},
		{"/term/notice", func(x *accord.Text) { x.Term.Notice = -1 }},
		{"/term/exit", func(x *accord.Text) { x.Term.Exit = "forget" }},
		{"/term/review", func(x *accord.Text) { x.Term.Trial = "soon" }},
		{"/confidential/0", func(x *accord.Text) { x.Confidential = []accord.Withheld{{Part: "flows/other", Rule: "x"}} }},
	} {
		x := partnership(t, hansa.ModelPartnership, city, company)
		c.spoil(x)
		err := x.Validate()
		if err == nil || hansa.Public(err).Field != c.field {
			t.Errorf("%s: %v (at %q)", c.field, err, hansa.Public(err).Field)
		}
	}
}

// TestTerms: a flow's gate holds to the clauses that are about it, as the text says
// them, within the time of the accord.
func TestTerms(t *testing.T) {
	x := partnership(t, hansa.ModelPartnership, city, company)
	effect := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	one, err := x.Terms(&x.Flows[0], effect)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(one.Purposes, []hansa.Purpose{"routing", "traffic-management"}) || !slices.Equal(one.Formats, []hansa.Format{"record"}) || one.Licence != "CC-BY-4.0" || !one.From.Equal(effect) {
		t.Errorf("terms of the first flow: %+v", one)
	}
	if want := time.Date(2028, 12, 31, 23, 0, 0, 0, time.UTC); !one.Until.Equal(want) {
		t.Errorf("it ends at %s, not with the last day in Amsterdam", one.Until)
	}
	two, err := x.Terms(&x.Flows[1], effect)
	if err != nil || !slices.Equal(two.Formats, x.Flows[1].Formats) || two.Licence != "" {
		t.Errorf("terms of the second flow: %+v %v", two, err)
	}
	x.Clauses = x.Clauses[3:]
	if _, err := x.Terms(&x.Flows[0], effect); hansa.KindOf(err) != hansa.Invalid {
		t.Errorf("without a purpose: %v", err)
	}
}

// TestTermsHash: what was agreed for a flow stands until something of it changes.
func TestTermsHash(t *testing.T) {
	of := func(change func(x *accord.Text)) (out [2]string) {
		x := partnership(t, hansa.ModelPartnership, city, company)
		change(x)
		for i := range out {
			h, err := x.TermsHash(&x.Flows[i])
			if err != nil {
				t.Fatal(err)
			}
			out[i] = h
		}
		return out
	}
	was := of(func(*accord.Text) {})
	if now := of(func(x *accord.Text) { x.Version, x.Title["en"] = 2, "Other" }); now != was {
		t.Error("another title is no other terms")
	}
	if now := of(func(x *accord.Text) {
		x.Clauses[1] = clause(t, "formats", policy.Params{"formats": "record"}, flowID(1))
	}); now[0] == was[0] || now[1] != was[1] {
		t.Error("other formats of one flow are other terms of that flow alone")
	}
	if now := of(func(x *accord.Text) { x.Term.Until = "2029-12-31" }); now[0] == was[0] || now[1] == was[1] {
		t.Error("another last day is other terms of all flows")
	}
}

// TestPairs: a pool's flow goes from its giver to each that is in, under an id that
// each node derives alike.
func TestPairs(t *testing.T) {
	x := partnership(t, hansa.ModelPool, city, company, third)
	if n := len(x.Pairs(nil)); n != 6 {
		t.Errorf("three parties have %d pairs", n)
	}
	in := accord.Member{Party: accord.Party{ID: fourth}, Gives: []accord.Flow{{ID: flowID(9), From: fourth, To: accord.Members}}}
	out := accord.Member{Party: accord.Party{ID: third}, Left: time.Unix(1, 0)}
	pairs := x.Pairs([]accord.Member{in, out})
	if len(pairs) != 6 {
		t.Errorf("with one in and one out there are %d pairs", len(pairs))
	}
	seen := map[hansa.FlowID]bool{}
	for _, p := range pairs {
		if p.From == third || p.To == third || p.From == p.To || seen[p.ID] || p.ID != accord.FlowFor(x.ID, p.Flow, p.To) {
			t.Errorf("pair %+v", p)
		}
		seen[p.ID] = true
	}
	open := partnership(t, hansa.ModelPartnership, city, company)
	open.Flows[0].To = hansa.PublicParty
	if list := open.Pairs(nil); len(list) != 2 || list[0].To != hansa.PublicParty || list[0].ID != flowID(1) {
		t.Errorf("open terms: %+v", list)
	}
}

// FuzzRead: whatever is read is in its one form; nothing panics.
func FuzzRead(f *testing.F) {
	b := bytesOf(f, partnership(f, hansa.ModelPartnership, city, company))
	f.Add(b)
	f.Add(bytesOf(f, partnership(f, hansa.ModelPool, city, company, third)))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := accord.Read(b)
		if err != nil {
			if hansa.KindOf(err) != hansa.Invalid {
				t.Fatal(err)
			}
			return
		}
		if again := bytesOf(t, x); !bytes.Equal(again, b) {
			t.Fatalf("another form was read:\n%s\n%s", b, again)
		}
		for i := range x.Flows {
			_, _ = x.Terms(&x.Flows[i], time.Unix(0, 0)) // no panic
		}
		_ = x.Outline()
	})
}

// FuzzReadMessage: whatever is read is in its one form; nothing panics.
func FuzzReadMessage(f *testing.F) {
	m := accord.Message{FormatVersion: 1, ID: string(flowID(1)), From: city, To: company, Accord: theID, Base: strings.Repeat("a", 64), Kind: accord.Comment, At: time.Unix(1, 0).UTC(), Body: accord.Body{Words: "why?", Clause: "2"}}
	b, err := m.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"kind":"sing"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := accord.ReadMessage(b)
		if err != nil {
			if hansa.KindOf(err) != hansa.Invalid {
				t.Fatal(err)
			}
			return
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("another form was read (%v):\n%s\n%s", err, b, again)
		}
	})
}

// TestMessage: a kind has its members and no others, and one that is not known is
// refused by name.
func TestMessage(t *testing.T) {
	good := func() *accord.Message {
		return &accord.Message{FormatVersion: 1, ID: string(flowID(1)), From: city, To: company, Accord: theID, Base: strings.Repeat("a", 64), Kind: accord.Comment, At: time.Unix(1, 0).UTC(), Body: accord.Body{Words: "why?"}}
	}
	b, err := good().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := accord.ReadMessage(b); err != nil || m.Body.Words != "why?" {
		t.Errorf("%+v %v", m, err)
	}
	for _, c := range []struct {
		field string
		spoil func(m *accord.Message)
	}{
		{"/formatVersion", func(m *accord.Message) { m.FormatVersion = 2 }},
		{"/kind", func(m *accord.Message) { m.Kind = "sing" }},
		{"/id", func(m *accord.Message) { m.ID = "1" }},
		{"/accord", func(m *accord.Message) { m.Accord = "1" }},
		{"/from", func(m *accord.Message) { m.From = hansa.PublicParty }},
		{"/at", func(m *accord.Message) { m.At = time.Time{} }},
		{"/base", func(m *accord.Message) { m.Base = "" }},
		{"/body/words", func(m *accord.Message) { m.Body.Words = "" }},
		{"/body/words", func(m *accord.Message) { m.Body.Words = strings.Repeat("x", accord.WordsBytesMax+1) }},
		{"/body/clause", func(m *accord.Message) { m.Body.Clause = "01" }},
		{"/body/flow", func(m *accord.Message) { m.Body.Flow = flowID(1) }},
		{"/body/signature", func(m *accord.Message) { m.Kind, m.Body = accord.Sign, accord.Body{} }},
		{"/body/erasure", func(m *accord.Message) {
			m.Kind, m.Body = accord.Erased, accord.Body{Erasure: &accord.Erasure{Rule: "burn"}}
		}},
		{"/body/service", func(m *accord.Message) {
			m.Kind, m.Body = accord.Object, accord.Body{Service: &accord.Service{On: time.Unix(1, 0)}}
		}},
		{"/body/service/how", func(m *accord.Message) {
			m.Kind, m.Body = accord.Object, accord.Body{Service: &accord.Service{How: "po\u202est", On: time.Unix(1, 0)}}
		}},
		{"/body/service/reference", func(m *accord.Message) {
			m.Kind, m.Body = accord.Object, accord.Body{Service: &accord.Service{How: "post", Reference: "1\u200b2", On: time.Unix(1, 0)}}
		}},
		{"/body/service/reference", func(m *accord.Message) {
			m.Kind, m.Body = accord.Object, accord.Body{Service: &accord.Service{How: "post", Reference: strings.Repeat("x", accord.TitleBytesMax+1), On: time.Unix(1, 0)}}
		}},
	} {
		m := good()
		c.spoil(m)
		if _, err := m.Encode(); err == nil || hansa.Public(err).Field != c.field {
			t.Errorf("%s: %v", c.field, err)
		}
	}
	_, err = accord.ReadMessage(bytes.Replace(b, []byte(`"comment"`), []byte(`"sing"`), 1))
	if err == nil || !strings.Contains(err.Error(), `"sing"`) {
		t.Errorf("an unknown kind: %v", err)
	}
}

// TestEachByteCounts: a text with any byte changed is either no text, or another one.
func TestEachByteCounts(t *testing.T) {
	b := bytesOf(t, partnership(t, hansa.ModelPartnership, city, company))
	rapid.Check(t, func(t *rapid.T) {
		c := bytes.Clone(b)
		i := rapid.IntRange(0, len(c)-1).Draw(t, "at")
		c[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "with"))
		if x, err := accord.Read(c); err == nil {
			if h, err := x.Hash(); err != nil || h == hash(b) {
				t.Fatalf("byte %d counts for nothing (%v)", i, err)
			}
		}
	})
}
