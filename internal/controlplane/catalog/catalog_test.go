package catalog_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
)

const (
	city   hansa.PartyID = "did:web:city.example"
	navco  hansa.PartyID = "did:web:navco.example"
	rival  hansa.PartyID = "did:web:rival.example"
	base                 = "https://city.example/dsp/2025-1"
	anyone               = `[{"action":"use"}]`
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// shop is a catalogue over a database of its own.
type shop struct {
	testing.TB
	*catalog.Catalog
	db *store.Store
}

func open(t testing.TB) *shop {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hansa.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context(), catalog.Migrations()); err != nil {
		t.Fatal(err)
	}
	return &shop{TB: t, Catalog: catalog.New(db, func(*hansa.Flow) error { return nil }), db: db}
}

// write changes the catalogue, and returns the error of the change.
func (s *shop) write(f func(hansa.Tx) error) error {
	s.Helper()
	return s.db.Write(s.Context(), f)
}

func (s *shop) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func dataset(id, name string) *hansa.Dataset {
	return &hansa.Dataset{ID: hansa.DatasetID(id), Party: city, Name: name, Kind: hansa.KindSituation}
}

func offer(t testing.TB, id, dataset, rules string, to ...hansa.PartyID) *catalog.Offer {
	t.Helper()
	p, err := policy.Parse([]byte(`{"@id":"` + id + `","@type":"Offer","permission":` + rules + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return &catalog.Offer{ID: id, Party: city, Dataset: hansa.DatasetID(dataset), Policy: p, To: to, Made: noon}
}

// add puts a dataset with an offer for each of to, or for all, into the shop.
func (s *shop) add(id string, rules string, to ...hansa.PartyID) {
	s.Helper()
	s.must(s.write(func(tx hansa.Tx) error {
		if err := s.SaveDataset(tx, dataset(id, "n-"+strings.ToLower(id))); err != nil {
			return err
		}
		return s.SaveOffer(tx, offer(s, "offer-"+id, id, rules, to...))
	}))
}

func ask(caller hansa.PartyID) catalog.Query {
	return catalog.Query{Party: city, Caller: caller, CallerKind: hansa.Company, Base: base, Now: noon}
}

// page returns the ids of the datasets of a page, and the page.
func (s *shop) page(q catalog.Query) (ids []string, w *catalog.WireCatalog, next, previous, etag string) {
	s.Helper()
	w, next, previous, etag, err := s.Page(s.Context(), q)
	s.must(err)
	if w != nil {
		for d := range w.All {
			ids = append(ids, d.ID)
		}
	}
	return ids, w, next, previous, etag
}

// schemas compiles the protocol's catalogue schemas; they lie beside the checkout.
func schemas(t testing.TB) (catalogue, dataset *jsonschema.Schema) {
	t.Helper()
	const at = "https://w3id.org/dspace/2025/1/"
	c := jsonschema.NewCompiler()
	for _, name := range []string{"catalog/catalog-schema.json", "catalog/dataset-schema.json", "negotiation/contract-schema.json", "common/context-schema.json"} {
		b, err := os.ReadFile(filepath.Join("../../../../shared/schemas/dsp-2025-1", name))
		if os.IsNotExist(err) {
			t.Skip("the protocol's schemas do not lie beside this checkout: ../shared/schemas/dsp-2025-1")
		}
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(at+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	return c.MustCompile(at + "catalog/catalog-schema.json"), c.MustCompile(at + "catalog/dataset-schema.json")
}

func validate(t testing.TB, s *jsonschema.Schema, v any) {
	t.Helper()
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%v\n%s", err, b)
	}
}

// TestWhatIsWrittenIsValid: catalogues, empty ones too, and datasets validate
// against the protocol's schemas, whatever the dataset says of itself.
func TestWhatIsWrittenIsValid(t *testing.T) {
	catalogue, single := schemas(t)
	s := open(t)
	_, w, _, _, _ := s.page(ask(navco))
	validate(t, catalogue, w)
	full := dataset("d1", "closures")
	full.Title = map[string]string{"en": `Closures, "all"`, "nl": "Sluitingen"}
	full.Description = map[string]string{"en": "What is shut, and until when."}
	full.Licence, full.Holder, full.Update, full.Coverage, full.HighValue, full.Contact = "CC-BY-4.0", "City of X", hansa.Duration(time.Minute), "NL329", "mobility", "data@city.example"
	own := dataset("d2", "own")
	own.Licence = "House rules, 3rd edition"
	s.must(s.write(func(tx hansa.Tx) error {
		for _, d := range []*hansa.Dataset{full, own} {
			if err := s.SaveDataset(tx, d); err != nil {
				return err
			}
		}
		o := offer(t, "o1", "d1", anyone)
		o.Limit, o.Automatic = hansa.Duration(5*time.Minute), true
		if err := s.SaveOffer(tx, o); err != nil {
			return err
		}
		if err := s.SaveOffer(tx, offer(t, "o2", "d1", `[{"action":"use","constraint":[{"leftOperand":"purpose","operator":"eq","rightOperand":"navigation"}]}]`)); err != nil {
			return err
		}
		return s.SaveOffer(tx, offer(t, "o3", "d2", anyone))
	}))
	ids, w, _, _, _ := s.page(ask(navco))
	if !slices.Equal(ids, []string{"d1", "d2"}) {
		t.Fatalf("datasets %q", ids)
	}
	validate(t, catalogue, w)
	for _, id := range ids {
		d, err := s.WireDataset(t.Context(), ask(navco), id)
		s.must(err)
		validate(t, single, d)
	}
	b, err := json.Marshal(w, json.Deterministic(true))
	s.must(err)
	for _, want := range []string{
		`"dct:license":{"@id":"https://creativecommons.org/licenses/by/4.0/"}`, `"dct:accrualPeriodicity":{"@id":"http://publications.europa.eu/resource/authority/frequency/1MIN"}`,
		`"http://data.europa.eu/r5r/hvdCategory":{"@id":"http://data.europa.eu/bna/c_b79e35eb"}`, `"dct:spatial":{"@id":"http://data.europa.eu/nuts/code/NL329"}`,
		`"https://hansa-exchange.org/ns/limit":{"@type":"http://www.w3.org/2001/XMLSchema#duration","@value":"PT300S"}`, `"https://hansa-exchange.org/ns/automatic":true`,
		`"dct:rights":[{"@value":"House rules, 3rd edition"}]`, `"format":"HttpData-SSE"`, `"endpointURL":"` + base + `"`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("missing %s in\n%s", want, b)
		}
	}
	if strings.Contains(string(b), "target") {
		t.Error("an offer of a catalogue has a target")
	}
	back, err := catalog.ParseCatalog(b)
	s.must(err)
	if again, err := json.Marshal(back, json.Deterministic(true)); err != nil || !bytes.Equal(again, b) {
		t.Errorf("our own reader reads it otherwise: %v\n%s\n%s", err, b, again)
	}
}

// TestWhoSees: each caller sees what is offered to it and nothing else, and what
// it may not see is as if it had never been.
func TestWhoSees(t *testing.T) {
	s := open(t)
	s.add("a", anyone)
	s.add("b", anyone, navco)
	s.add("c", anyone, rival, navco)
	s.add("d", anyone, rival)
	s.must(s.write(func(tx hansa.Tx) error { return s.SaveDataset(tx, dataset("e", "unoffered")) }))
	for caller, want := range map[hansa.PartyID]string{navco: "a b c", rival: "a c d", "": "a", city: "a", "did:web:x": "a"} {
		ids, _, _, _, _ := s.page(ask(caller))
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%q sees %q, want %q", caller, got, want)
		}
		for _, id := range []string{"a", "b", "c", "d", "e", "never"} {
			d, err := s.WireDataset(t.Context(), ask(caller), id)
			sees := slices.Contains(strings.Fields(want), id)
			switch {
			case sees && (err != nil || d.ID != id):
				t.Errorf("%q and %s: %v", caller, id, err)
			case !sees && (hansa.KindOf(err) != hansa.NotFound || err.Error() != "there is no such dataset"):
				t.Errorf("%q and %s: %v", caller, id, err)
			}
		}
	}
	s.must(s.write(func(tx hansa.Tx) error { return s.WithdrawOffer(tx, city, "offer-a", noon) }))
	if ids, w, _, _, _ := s.page(ask("")); ids != nil || w.Dataset != nil {
		t.Errorf("after the withdrawal the public sees %q", ids)
	}
}

// TestPolicyDecidesWhoSees: the catalogue's scope of a policy is asked, and what it
// leaves open is shown.
func TestPolicyDecidesWhoSees(t *testing.T) {
	s := open(t)
	when := func(left, operator, right string) string {
		return `[{"action":"use","constraint":[{"leftOperand":"` + left + `","operator":"` + operator + `","rightOperand":"` + right + `"}]}]`
	}
	s.add("later", when("dateTime", "gteq", "2027-01-01T00:00:00Z"))
	s.add("over", when("dateTime", "lt", "2026-01-01T00:00:00Z"))
	s.add("purpose", when("purpose", "eq", "navigation"))
	s.add("recipient", when("recipient", "eq", string(navco)))
	s.add("kind", when("https://hansa-exchange.org/ns/partyKind", "eq", "company"))
	for caller, want := range map[hansa.PartyID]string{navco: "kind purpose recipient", rival: "kind purpose"} {
		if ids, _, _, _, _ := s.page(ask(caller)); strings.Join(ids, " ") != want {
			t.Errorf("%q sees %q, want %q", caller, ids, want)
		}
	}
	q := ask("")
	q.CallerKind = ""
	if ids, _, _, _, _ := s.page(q); strings.Join(ids, " ") != "purpose" {
		t.Errorf("the public sees %q", ids)
	}
	q = ask(rival)
	q.Now = time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)
	if ids, _, _, _, _ := s.page(q); strings.Join(ids, " ") != "kind later purpose" {
		t.Errorf("next year %q is seen", ids)
	}
	for _, bad := range []string{when("weather", "eq", "rain"), `[{"action":"sell"}]`, when("purpose", "hasPart", "x")} {
		err := s.write(func(tx hansa.Tx) error { return s.SaveOffer(tx, offer(t, "bad", "kind", bad)) })
		if e := hansa.Public(err); e == nil || e.Kind != hansa.Invalid || !strings.HasPrefix(e.Field, "/policy/permission/0") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestOffersStand: an offer's terms never change under its id, a withdrawn one is
// still found, and an unsound one is not saved.
func TestOffersStand(t *testing.T) {
	s := open(t)
	s.add("a", anyone)
	save := func(o *catalog.Offer) error { return s.write(func(tx hansa.Tx) error { return s.SaveOffer(tx, o) }) }
	again := offer(t, "offer-a", "a", anyone, navco)
	again.Automatic = true
	s.must(save(again))
	for name, o := range map[string]*catalog.Offer{
		"other terms":   offer(t, "offer-a", "a", `[{"action":"use","constraint":[{"leftOperand":"purpose","operator":"eq","rightOperand":"navigation"}]}]`),
		"other dataset": offer(t, "offer-a", "b", anyone),
	} {
		if err := save(o); hansa.KindOf(err) != hansa.Conflict && hansa.KindOf(err) != hansa.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := func(change func(*catalog.Offer)) *catalog.Offer {
		o := offer(t, "o9", "a", anyone)
		change(o)
		return o
	}
	for name, o := range map[string]*catalog.Offer{
		"unknown dataset": bad(func(o *catalog.Offer) { o.Dataset = "nowhere" }),
		"no policy":       bad(func(o *catalog.Offer) { o.Policy = nil }),
		"another @id":     bad(func(o *catalog.Offer) { o.Policy.ID = "else" }),
		"a target":        bad(func(o *catalog.Offer) { o.Policy.Target = "a" }),
		"a slash":         bad(func(o *catalog.Offer) { o.ID, o.Policy.ID = "a/b", "a/b" }),
		"to the public":   bad(func(o *catalog.Offer) { o.To = []hansa.PartyID{hansa.PublicParty} }),
		"no time":         bad(func(o *catalog.Offer) { o.Made = time.Time{} }),
	} {
		if err := save(o); hansa.KindOf(err) != hansa.Invalid || hansa.Public(err).Field == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.must(s.write(func(tx hansa.Tx) error { return s.WithdrawOffer(tx, city, "offer-a", noon.Add(time.Hour)) }))
	s.must(s.write(func(tx hansa.Tx) error { return s.WithdrawOffer(tx, city, "offer-a", noon.Add(2*time.Hour)) }))
	s.must(s.db.Read(t.Context(), func(tx hansa.Tx) error {
		o, err := s.OfferByID(tx, city, "offer-a")
		if err != nil {
			return err
		}
		if !o.Withdrawn.Equal(noon.Add(time.Hour)) || !o.Automatic || len(o.To) != 1 || o.To[0] != navco || !policy.Equal(o.Policy, again.Policy) {
			t.Errorf("the withdrawn offer reads %+v", o)
		}
		for _, foreign := range [][2]string{{string(navco), "offer-a"}, {string(city), "offer-x"}} {
			if _, err := s.OfferByID(tx, hansa.PartyID(foreign[0]), foreign[1]); hansa.KindOf(err) != hansa.NotFound {
				t.Errorf("%q: %v", foreign, err)
			}
		}
		return nil
	}))
	if err := s.write(func(tx hansa.Tx) error { return s.WithdrawOffer(tx, navco, "offer-a", noon) }); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("another party withdraws: %v", err)
	}
}

// TestPagesWhileDatasetsAreAdded: a walk over the pages, in either direction and
// of any size, meets each dataset that was there from the beginning exactly once,
// whatever is added and withdrawn meanwhile.
func TestPagesWhileDatasetsAreAdded(t *testing.T) {
	s := open(t)
	rapid.Check(t, func(r *rapid.T) {
		s.must(s.write(func(tx hansa.Tx) error {
			_, err := tx.Exec(`DELETE FROM catalog_offer`)
			return err
		}))
		n := rapid.IntRange(0, 25).Draw(r, "datasets")
		added := 0
		for i := range n {
			s.add(fmt.Sprintf("m%03d", 2*i), anyone)
		}
		limit := rapid.IntRange(1, 9).Draw(r, "limit")
		seen := map[string]int{}
		q := ask(navco)
		q.Limit = limit
		var back string
		for {
			ids, _, next, previous, _ := s.page(q)
			for _, id := range ids {
				seen[id]++
			}
			back = previous
			if next == "" {
				break
			}
			if added < 10 {
				s.add(fmt.Sprintf("m%03d", 2*rapid.IntRange(0, 30).Draw(r, "place")+1)+fmt.Sprint(added), anyone)
				added++
			}
			q.After = next
		}
		for i := range n {
			if id := fmt.Sprintf("m%03d", 2*i); seen[id] != 1 {
				r.Fatalf("forward: %s seen %d times", id, seen[id])
			}
		}
		all, _, _, _, _ := s.page(ask(navco))
		var met []string
		last, _, _, _, _ := s.page(q)
		met = append(met, last...)
		for q.After = back; q.After != ""; {
			ids, _, _, previous, _ := s.page(q)
			met = append(slices.Clone(ids), met...)
			q.After = previous
		}
		if !slices.Equal(met, all) {
			r.Fatalf("backward: %q, want %q", met, all)
		}
	})
}

// TestETag: the same page has the same ETag, each change that shows has another,
// and who has it is not sent the page again.
func TestETag(t *testing.T) {
	s := open(t)
	s.add("a", anyone)
	s.add("b", anyone)
	tags := map[string]string{}
	look := func(what string, q catalog.Query) {
		t.Helper()
		_, _, _, _, etag := s.page(q)
		if was, ok := tags[etag]; ok {
			t.Errorf("%s: the ETag is that of %s", what, was)
		}
		tags[etag] = what
		q.Has = func(have string) bool { return have == etag }
		if _, w, _, _, again := s.page(q); w != nil || again != etag {
			t.Errorf("%s: asked again: %v, %s and %s", what, w, etag, again)
		}
	}
	one := ask(navco)
	one.Limit = 1
	look("all", ask(navco))
	look("the first alone", one)
	other := ask(navco)
	other.Base = "https://other.example/dsp"
	look("another address", other)
	o := offer(t, "offer-a", "a", anyone)
	o.Automatic = true
	s.must(s.write(func(tx hansa.Tx) error { return s.SaveOffer(tx, o) }))
	look("automatic", ask(navco))
	d := dataset("a", "n-a")
	d.Title = map[string]string{"en": "New"}
	s.must(s.write(func(tx hansa.Tx) error { return s.SaveDataset(tx, d) }))
	look("a new title", ask(navco))
	s.must(s.write(func(tx hansa.Tx) error { return s.WithdrawOffer(tx, city, "offer-b", noon) }))
	look("one less", ask(navco))
}

// TestCursorsOfOthers: what is no cursor is refused in words.
func TestCursorsOfOthers(t *testing.T) {
	s := open(t)
	for _, c := range []string{"x", "%%%", "eA", strings.Repeat("bm5u", 200)} {
		q := ask(navco)
		q.After = c
		if _, _, _, _, err := s.Page(t.Context(), q); hansa.KindOf(err) != hansa.Invalid {
			t.Errorf("%q: %v", c, err)
		}
	}
}

// fill puts n datasets with an offer each into the shop.
func (s *shop) fill(n int) {
	for at := 0; at < n; at += 1000 {
		s.must(s.write(func(tx hansa.Tx) error {
			for i := at; i < min(n, at+1000); i++ {
				id := fmt.Sprintf("0192f0c4-7a10-8000-8000-%012d", i)
				d := dataset(id, fmt.Sprintf("set-%d", i))
				d.Title, d.Licence, d.Update, d.Contact, d.Holder = map[string]string{"en": fmt.Sprintf("Closures of district %d", i), "nl": "Sluitingen"}, "CC-BY-4.0", hansa.Duration(time.Minute), "data@city.example", "City"
				d.Description = map[string]string{"en": "What is shut in this district, since when and until when, for which vehicles, and how to go round."}
				if err := s.SaveDataset(tx, d); err != nil {
					return err
				}
				if err := s.SaveOffer(tx, offer(s, "o-"+id, id, `[{"action":"use","constraint":[{"leftOperand":"purpose","operator":"isAnyOf","rightOperand":["navigation"]}]}]`)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// BenchmarkPage: a page of a catalogue, made and encoded as it goes out; any page
// stands for the first, for each is found by its index.
func BenchmarkPage(b *testing.B) {
	for _, size := range []struct{ datasets, limit int }{{1000, 1000}, {10_000, 1000}, {10_000, 100}} {
		s := open(b)
		s.fill(size.datasets)
		q := ask(navco)
		q.Limit = size.limit
		_, _, next, _, etag := s.page(q)
		middle := q
		middle.After = next
		have := q
		have.Has = func(tag string) bool { return tag == etag }
		for name, q := range map[string]catalog.Query{"first": q, "second": middle, "unchanged": have} {
			b.Run(fmt.Sprintf("datasets=%d/limit=%d/%s", size.datasets, size.limit, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					w, _, _, _, err := s.Page(b.Context(), q)
					s.must(err)
					if w != nil {
						body, err := json.Marshal(w)
						s.must(err)
						b.SetBytes(int64(len(body)))
					}
				}
			})
		}
	}
}

// TestFlowsMax: one receiver has its share of a giver's flows, and a flow that is
// there is changed though no other may be added.
func TestFlowsMax(t *testing.T) {
	s := open(t)
	set := hansa.Dataset{ID: "d", Party: city, Name: "closures", Kind: hansa.KindSituation}
	flow := func(i int, to hansa.PartyID) *hansa.Flow {
		name := fmt.Sprintf("f%d", i)
		return &hansa.Flow{ID: hansa.FlowID(name), Name: name, Dataset: "d", From: city, To: to, Basis: hansa.Basis{Kind: hansa.BasisAgreement, ID: name, Hash: "x"}, Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}}}
	}
	fill := func(from, to int, receiver string) {
		t.Helper()
		err := s.write(func(tx hansa.Tx) error {
			_, err := tx.Exec(`WITH RECURSIVE k(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM k WHERE i < ?)
				INSERT INTO flow (id, giver, receiver, dataset, name, basis_kind, basis_id, basis_hash, body) SELECT 'f' || i, ?, CASE WHEN ? = '' THEN 'did:web:x' || (i % 100) ELSE ? END, 'd', 'f' || i, 'agreement', 'f' || i, 'x', '{}' FROM k`, from, to-1, string(city), receiver, receiver)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.write(func(tx hansa.Tx) error { return s.SaveDataset(tx, &set) }); err != nil {
		t.Fatal(err)
	}
	save := func(f *hansa.Flow) error { return s.write(func(tx hansa.Tx) error { return s.SaveFlow(tx, f) }) }
	fill(0, catalog.FlowsToMax, string(navco))
	if err := save(flow(catalog.FlowsToMax, navco)); hansa.KindOf(err) != hansa.Busy {
		t.Errorf("one more to a receiver: %v", err)
	}
	if err := save(flow(catalog.FlowsToMax, rival)); err != nil {
		t.Error(err)
	}
	fill(catalog.FlowsToMax+1, catalog.FlowsMax, "")
	if err := save(flow(catalog.FlowsMax, "did:web:new.example")); hansa.KindOf(err) != hansa.Busy {
		t.Errorf("one more: %v", err)
	}
	closed := flow(1, navco)
	closed.Paused = true
	if err := save(closed); err != nil {
		t.Errorf("a flow cannot be closed: %v", err)
	}
}
