package node

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// TestReminders hands a node its clock: the days of an accord are reminded of ahead of
// time, once in the journal and as long as they are near on the pages, and those of one
// party's key to that party alone.
func TestReminders(t *testing.T) {
	now := time.Now().UTC()
	n, err := Open(t.Context(), Config{Data: filepath.Join(t.TempDir(), "n"), Origin: "city.example", Version: "test", Own: "did:web:city", Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	w := &running{t: t, node: n}
	err = n.Apply(t.Context(), &Setup{
		Parties:  []hansa.Party{{ID: "did:web:city", Name: "city", Title: "City", Kind: hansa.City, Hosted: true}, {ID: "did:web:nav", Name: "nav", Title: "Nav", Kind: hansa.Company, Hosted: true}},
		Datasets: []hansa.Dataset{{ID: hansa.DatasetID(named("dataset", "did:web:city", "closures")), Party: "did:web:city", Name: "closures", Kind: hansa.KindSituation}},
	})
	if err != nil {
		t.Fatal(err)
	}
	template, err := accord.TemplateByName("partnership")
	if err != nil {
		t.Fatal(err)
	}
	day := func(days int) string { return now.AddDate(0, 0, days).Format(time.DateOnly) }
	city, nav := hansa.PartyID(n.did(n.party("did:web:city"))), hansa.PartyID(n.did(n.party("did:web:nav")))
	review, trial, last := day(60), day(100), day(300)
	text, err := template.Draft(accord.Order{
		ID: hansa.AccordID(hansa.NewID(now)), Title: accord.Words{"en": "Closures for counts"}, Languages: []string{"en"}, Without: []string{"each-side-gives"},
		Parties: []accord.Party{{ID: city, Title: "City", Kind: hansa.City, Role: hansa.RoleGiver}, {ID: nav, Title: "Nav", Kind: hansa.Company, Role: hansa.RoleReceiver}},
		Flows:   []accord.Flow{{ID: hansa.FlowID(hansa.NewID(now)), Name: "live", From: city, To: nav, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record"}}},
		Answers: map[string]string{"gets/1": "counts", "gets/2": "closures"},
		Term:    accord.Term{From: day(-1), Until: last, Zone: "UTC", Notice: 30, Review: []string{review}, Trial: trial, Exit: "erase", ExitDays: 30},
	})
	if err != nil {
		t.Fatal(err)
	}
	by := func(own hansa.PartyID) hansa.Actor {
		return hansa.Actor{Party: own, Rights: []hansa.Right{hansa.RightRead, hansa.RightManage}}
	}
	d, err := n.accords.DraftAccord(t.Context(), by("did:web:city"), api.AccordDraft{Text: asJSON(t, text)})
	if err != nil {
		t.Fatal(err)
	}
	w.signs(d.ID, "did:web:nav", "did:web:city")
	now = time.Now().UTC().Add(time.Second) // its effect is over
	began := now

	dues := func() (all, soon string) {
		t.Helper()
		list, err := n.accords.Accords(t.Context(), by("did:web:nav"), api.AccordQuery{Limit: 10})
		if err != nil || len(list.Accords) != 1 {
			t.Fatal(list, err)
		}
		one, err := n.accords.Accord(t.Context(), by("did:web:nav"), d.ID)
		if err != nil || len(one.Due) != len(list.Accords[0].Due) {
			t.Fatalf("shown %+v, listed %+v, %v", one.Due, list.Accords[0].Due, err)
		}
		var a, s []string
		for _, x := range one.Due {
			if a = append(a, x.What+" "+x.Day); x.Soon {
				s = append(s, x.What+" "+x.Day)
			}
			if x.What != accord.DueKey && !slices.Equal(x.By, []hansa.PartyID{city, nav}) {
				t.Errorf("%s is the matter of %v", x.What, x.By)
			}
		}
		return strings.Join(a, ", "), strings.Join(s, ", ")
	}
	// asks is what the pages of a party ask for, after the node has looked.
	asks := func(own hansa.PartyID) string {
		t.Helper()
		if err := n.accords.remind(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := dealpages{n}.asking(t.Context(), by(own))
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, x := range list {
			out = append(out, x.Due+" "+x.Day+" "+x.What)
		}
		return strings.Join(out, ", ")
	}
	acts := func() int64 {
		t.Helper()
		size, err := n.journal.Size(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return size
	}

	notice := began.AddDate(0, 0, 270).Format(time.DateOnly)
	if all, soon := dues(); all != "review "+review+", trial "+trial+", notice "+notice+", end "+last || soon != "" {
		t.Errorf("due %s; soon %s", all, soon)
	}
	before := acts()
	if got := asks("did:web:nav"); got != "" || acts() != before {
		t.Errorf("nothing is near, and it asks for %s", got)
	}
	now = began.AddDate(0, 0, 31)
	for range 3 {
		for _, own := range []hansa.PartyID{"did:web:city", "did:web:nav"} {
			if got := asks(own); got != "review "+review+" Closures for counts" {
				t.Errorf("a month ahead %s is asked for %q", own, got)
			}
		}
	}
	if got := acts() - before; got != 2 {
		t.Errorf("%d entries of the journal for one day and two parties", got)
	}
	now = began.AddDate(0, 0, 68)
	if got := asks("did:web:nav"); got != "" {
		t.Errorf("a week later it still asks for %q", got)
	}

	// A key with an end is its own party's matter.
	key, err := trust.GenerateKey(trust.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	expires := began.AddDate(0, 0, 70)
	if err := n.trust.Change(t.Context(), func(tx hansa.Tx) error {
		_, err := n.trust.RegisterKey(tx, "did:web:nav", jwk, began.AddDate(-1, 0, 0), expires)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	known, err := n.accords.expiries(t.Context(), []signing{{d.ID, &accord.Signature{Party: nav, Key: jwk}}, {d.ID, &accord.Signature{Party: city, Key: jwk}}})
	if at := known[keyOf{d.ID, nav, key.KID()}]; err != nil || len(known) != 1 || at.Sub(expires).Abs() > time.Second {
		t.Fatalf("keys that expire: %v, %v", known, err)
	}
	one, err := n.accords.Accord(t.Context(), by("did:web:city"), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	n.accords.addKeys(&one.Accord, known)
	if x := one.Due[0]; x.What != accord.DueKey || !slices.Equal(x.By, []hansa.PartyID{nav}) || !x.Soon || x.Key != key.KID() {
		t.Errorf("the key that expires: %+v", one.Due)
	}

	now = began.AddDate(0, 0, 290)
	if got := asks("did:web:city"); got != "end "+last+" Closures for counts" {
		t.Errorf("before the end it asks for %q", got)
	}
	now = began.AddDate(0, 0, 302)
	if got := asks("did:web:city"); got != "" {
		t.Errorf("after the end it asks for %q", got)
	}
	if all, _ := dues(); all != "" {
		t.Errorf("after the end: %s", all)
	}
}
