package node

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// The page of an accord that has ended says who still owes a certificate, and until
// when; once it is there, what it certifies and where its proof is, at both sides.
func TestExitOnThePage(t *testing.T) {
	city, company, id := exchanged(t)
	at := "/accords/" + string(id)
	reads := func(p *partner) *browser {
		t.Helper()
		b, _ := (&town{Node: p.node}).come(t, p.name, "Officer", hansa.RoleAdministrator, hansa.RoleSignatory)
		return b
	}
	b := reads(city)
	if page := b.want("GET", at, nil, 200, "In force"); strings.Contains(page, "What became of the data") {
		t.Error("nothing is over, and the page says what became of the data")
	}
	company.stop()
	ended := city.ends(id)
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	due := ended.Since.In(zone).AddDate(0, 0, 30).Format("2 Jan 2006")
	d := city.comes(id, "the own certificate", func(d api.AccordDetail) bool { return len(d.Erasures) == 1 })
	if len(d.Owed) != 1 || d.Owed[0].Party != company.id || len(d.Owed[0].Flows) != 1 || d.Owed[0].Day != ended.Since.In(zone).AddDate(0, 0, 30).Format(time.DateOnly) || d.Owed[0].Late {
		t.Errorf("the API says owed %+v", d.Owed)
	}
	page := b.want("GET", at, nil, 200, "What became of the data", "CITY certifies that it erased what it received by these flows.", "NAV still owes the certificate of erasure, at the latest by "+due, "Flows: closures-of-city.")
	if strings.Contains(page, "NAV certifies") || strings.Contains(page, "CITY still owes") {
		t.Errorf("the page tells of a certificate that is not there: %s", page)
	}
	company.returns()
	for _, p := range []*partner{city, company} {
		d := p.comes(id, "both certificates", func(d api.AccordDetail) bool { return len(d.Erasures) == 2 })
		h, err := p.node.accords.AccordHistory(t.Context(), p.actor(), id, false)
		if err != nil {
			t.Fatal(err)
		}
		says := []string{"NAV certifies that it erased what it received by these flows.", "CITY certifies that it erased what it received by these flows.", "1 record in 1 version", `href="#c` + d.Erasures[0].Clause + `"`, `id="c` + d.Erasures[0].Clause + `"`, `href="` + at + `/proof"`, "hansa verify accord.proof", "closures-of-city", "closures-of-nav"}
		for i := range h.Entries {
			if h.Entries[i].Kind == accord.Erased {
				says = append(says, fmt.Sprintf("Entry %d, signed", h.Entries[i].N))
			}
		}
		if len(says) != 11 {
			t.Errorf("%s has %d certificates in its entries, want 2", p.name, len(says)-9)
		}
		if p != city {
			b = reads(p)
		}
		if page := b.want("GET", at, nil, 200, says...); strings.Contains(page, "still owes") {
			t.Errorf("%s says that a certificate is owed still", p.name)
		}
		b.want("GET", at+".json", nil, 200, `"owed": []`, `"by": "`+string(company.id)+`"`)
		report, err := journal.Verify(b.send("GET", at+"/proof", nil).Body.Bytes(), journal.Trust{Keys: []string{p.node.journal.VerifierKey()}, Signature: trust.VerifyDetached, Further: accord.CheckFacts})
		if err != nil || !strings.Contains(fmt.Sprint(report.Checks), "the last is erased by") {
			t.Errorf("the proof that the page of %s links to: %v, %+v", p.name, err, report.Checks)
		}
	}
}

// TestBrowserAxeExit looks at the page of an accord that has ended, as long as a
// certificate is owed and when all are there, as TestBrowserAxe does at the others.
func TestBrowserAxeExit(t *testing.T) {
	axe := needsAxe(t)
	needsBrowser(t)
	city, company, id := exchanged(t)
	h := city.browses(t)
	company.stop()
	city.ends(id)
	city.comes(id, "the own certificate", func(d api.AccordDetail) bool { return len(d.Erasures) == 1 })
	at := "/accords/" + string(id)
	h.open(at)
	h.seesIn(".exit", "NAV still owes the certificate of erasure")
	if bad := h.violations(axe); len(bad) > 0 {
		t.Errorf("while one is owed: %s", strings.Join(bad, "\n\t"))
	}
	company.returns()
	city.comes(id, "both certificates", func(d api.AccordDetail) bool { return len(d.Erasures) == 2 })
	h.open(at)
	h.seesIn(".exit", "NAV certifies that it erased what it received by these flows.")
	h.looks(axe, []string{at + "?done=end"})
	h.do("follow the link to the clause", chromedp.Click(chromedp.CSS(`.exit a[href^="#c"]`)))
	h.seesIn(":target .join code", "exit-erase@")
}

// members is a pool in force of three, and a fourth that joined it with a flow.
func members(t *testing.T, exit string) (all []*partner, id hansa.AccordID, gift accord.Flow, text *accord.Text) {
	t.Helper()
	all = signatories(t, "city", "nav", "port", "late")
	knowsAll(all...)
	text = pool(t, all[:3]...)
	if text.Term.Exit = exit; exit != "erase" {
		text.Clauses = slices.DeleteFunc(text.Clauses, func(c accord.Clause) bool { return c.ID == "exit-erase" })
	}
	id = all[0].drafts(text)
	all[0].acts(id, accord.Open, api.AccordAct{})
	signsAll(id, all[:3]...)
	before := all[0].comes(id, "force", inForce)
	late := all[3]
	gift = accord.Flow{ID: hansa.FlowID(hansa.NewID(time.Now())), Name: "closures-of-late", From: late.id, To: accord.Members, Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record"}}
	late.acts(id, accord.Join, api.AccordAct{Text: before.Text, Keeper: all[0].id, Gives: []accord.Flow{gift}})
	allCome(id, before.N+1, all...)
	return all, id, gift, text
}

// allCome waits until all have an entry of an accord.
func allCome(id hansa.AccordID, n int64, all ...*partner) {
	for _, p := range all {
		p.t.Helper()
		p.comes(id, "an entry", func(d api.AccordDetail) bool { return d.N >= n })
	}
}

// owes lists for which flows p owes a certificate, as its node says.
func (p *partner) owes(id hansa.AccordID) (out []hansa.FlowID) {
	p.t.Helper()
	d, err := p.node.accords.Accord(p.t.Context(), p.actor(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, o := range d.Owed {
		if o.Party == p.id {
			out = append(out, o.Flows...)
		}
	}
	return out
}

// The form of the page certifies what is owed: what a member gave that left, and not
// what runs on; when nothing is owed it refuses, and a party of the text that left has
// its name.
func TestCertifyOnThePage(t *testing.T) {
	all, id, gift, _ := members(t, "return")
	city, nav, late := all[0], all[1], all[3]
	certify := func() error {
		return accordpages{city.node}.ActAccord(t.Context(), city.actor(), id, accord.Erased, room.AccordAct{Words: "returned", Erasure: &accord.Erasure{}})
	}
	n := late.acts(id, accord.Leave, api.AccordAct{Words: "on to other things"}).N
	city.comes(id, "who left", func(d api.AccordDetail) bool { return len(d.Owed) > 0 })
	if got := city.owes(id); !slices.Equal(got, []hansa.FlowID{gift.ID}) {
		t.Fatalf("the city owes %v, want %s (entry %d)", got, gift.ID, n)
	}
	if err := certify(); err != nil {
		t.Fatal(err)
	}
	d := city.comes(id, "its certificate", func(d api.AccordDetail) bool { return len(d.Erasures) == 1 })
	if !slices.Equal(d.Erasures[0].Flows, []hansa.FlowID{gift.ID}) || len(city.owes(id)) > 0 {
		t.Errorf("it certifies %v, and owes %v", d.Erasures[0].Flows, city.owes(id))
	}
	if err := certify(); hansa.KindOf(err) != hansa.Conflict || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("with nothing owed: %v", err)
	}
	nav.acts(id, accord.Leave, api.AccordAct{Words: "on to other things"})
	city.comes(id, "that another left", func(api.AccordDetail) bool { return len(city.owes(id)) > 0 })
	if err := certify(); err != nil {
		t.Fatal(err)
	}
	city.comes(id, "both certificates", func(d api.AccordDetail) bool { return len(d.Erasures) == 2 })
	b, _ := (&town{Node: city.node}).come(t, city.name, "Officer", hansa.RoleAdministrator, hansa.RoleSignatory)
	page := b.want("GET", "/accords/"+string(id), nil, 200, "CITY certifies that it returned what it received by these flows.", "NAV still owes the certificate of return")
	for _, bad := range []string{string(nav.id) + " still owes", string(nav.id) + " certifies"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page says %q", bad)
		}
	}
	if entries := regexp.MustCompile(`Entry (\d+), signed`).FindAllStringSubmatch(page, -1); len(entries) != 2 || entries[0][1] == entries[1][1] {
		t.Errorf("two certificates name the entries %v", entries)
	}
}

// Who leaves a pool, comes again and leaves again erases what it was given meanwhile,
// and certifies that: its certificate of the first time does not count for it.
func TestExitOfWhoCameAgain(t *testing.T) {
	all, id, _, text := members(t, "erase")
	city, late := all[0], all[3]
	leaves := func() {
		t.Helper()
		late.acts(id, accord.Leave, api.AccordAct{Words: "on to other things"})
	}
	certified := func(n int) {
		t.Helper()
		city.comes(id, "the certificate of who left", func(d api.AccordDetail) bool {
			return slices.ContainsFunc(d.Erasures, func(e api.AccordErasure) bool { return e.By == late.id && e.Records == int64(n) }) &&
				!slices.ContainsFunc(d.Owed, func(o accord.Owed) bool { return o.Party == late.id })
		})
	}
	city.publish("one")
	late.has("closures-from-city", "one")
	leaves()
	late.loses("closures-from-city", "one")
	certified(1)
	time.Sleep(1100 * time.Millisecond) // a certificate says whole seconds
	late.acts(id, accord.Join, api.AccordAct{Text: asJSON(t, text), Keeper: city.id})
	city.publish("two")
	city.publish("three")
	late.has("closures-from-city", "two")
	late.has("closures-from-city", "three")
	leaves()
	late.loses("closures-from-city", "two")
	late.loses("closures-from-city", "three")
	city.comes(id, "the certificate of the second time", func(d api.AccordDetail) bool {
		return !slices.ContainsFunc(d.Owed, func(o accord.Owed) bool { return o.Party == late.id })
	})
}
