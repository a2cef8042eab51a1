package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
)

// foreign is a catalogue as a connector of another make writes it: one value
// where a list is meant, members of its own, contexts written out.
const foreign = `{
  "@context": ["https://w3id.org/dspace/2025/1/context.jsonld", {"edc": "https://w3id.org/edc/v0.0.1/ns/"}],
  "@id": "902d0ead", "@type": "Catalog", "participantId": "did:web:provider.example", "originator": "x",
  "service": {"@id": "s1", "@type": "DataService", "endpointURL": "https://provider.example/dsp/2025-1"},
  "dataset": {
    "@id": "asset-1", "@type": "Dataset", "edc:name": "asset one", "dct:title": "Asset", "dct:license": "https://licence.example/1",
    "hasPolicy": {"@id": "b2Zm:YXM=:MQ==", "@type": "Offer", "permission": [{"action": "use"}]},
    "distribution": [{"format": {"@id": "HttpData-PULL"}, "accessService": "s1"}]
  },
  "catalog": {"@id": "inner", "@type": "Catalog", "dataset": [{"@id": "asset-2", "dct:title": [{"@language": "nl", "@value": "Twee"}]}]}
}`

// TestForeignCatalogue: what another make writes is understood, and what we do
// not know is kept.
func TestForeignCatalogue(t *testing.T) {
	w, err := catalog.ParseCatalog([]byte(foreign))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for d := range w.All {
		ids = append(ids, d.ID)
	}
	d := w.Dataset[0]
	switch {
	case strings.Join(ids, " ") != "asset-1 asset-2":
		t.Errorf("datasets %q", ids)
	case len(w.Context) != 1 || w.Context[0] != catalog.Context:
		t.Errorf("contexts %q", w.Context)
	case len(d.Policy) != 1 || len(d.Distribution) != 1 || d.Distribution[0].Format != catalog.FormatPull || d.Distribution[0].Service.ID != "s1":
		t.Errorf("dataset %+v", d)
	case d.Title[0].Value != "Asset" || d.Licence != "https://licence.example/1" || string(d.Rest["edc:name"]) != `"asset one"`:
		t.Errorf("what it says of itself: %+v", d)
	case w.Service[0].Endpoint != "https://provider.example/dsp/2025-1":
		t.Errorf("service %+v", w.Service)
	case w.Catalog[0].Dataset[0].Title[0] != catalog.Text{Lang: "nl", Value: "Twee"}:
		t.Errorf("nested title %+v", w.Catalog[0].Dataset[0].Title)
	}
}

// TestRefusedCatalogue: what breaks a rule is named, and nothing of it is taken.
func TestRefusedCatalogue(t *testing.T) {
	deep := strings.Repeat(`{"@type":"Catalog","@id":"x","catalog":[`, catalog.NestedMax+2) + strings.Repeat("]}", catalog.NestedMax+2)
	for name, body := range map[string]string{
		"no JSON":          `{"@type":`,
		"two members":      `{"@type":"Catalog","@type":"Catalog"}`,
		"another type":     `{"@type":"CatalogError","reason":["no"]}`,
		"dataset, no id":   `{"@type":"Catalog","dataset":[{"@type":"Dataset"}]}`,
		"nested too deep":  deep,
		"JSON too deep":    `{"@type":"Catalog","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
		"null for a child": `{"@type":"Catalog","catalog":[null]}`,
	} {
		if _, err := catalog.ParseCatalog([]byte(body)); hansa.KindOf(err) != hansa.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParseCatalog: whatever comes, the parser ends, and what it took can be
// written and read again as the same.
func FuzzParseCatalog(f *testing.F) {
	f.Add([]byte(foreign))
	examples, err := filepath.Glob("../../../../shared/schemas/dsp-2025-1/catalog/example/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range examples {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := catalog.ParseCatalog(b)
		if err != nil {
			return
		}
		once, err := json.Marshal(w, json.Deterministic(true))
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := catalog.ParseCatalog(once)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once)
		}
		twice, err := json.Marshal(again, json.Deterministic(true))
		if err != nil || string(once) != string(twice) {
			t.Fatalf("not the same twice: %v\n%s\n%s", err, once, twice)
		}
	})
}

// TestSkip: who pages by number meets each dataset once, and knows the end by a page
// that is empty.
func TestSkip(t *testing.T) {
	s := open(t)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		s.add(id, anyone)
	}
	for _, c := range []struct {
		skip, limit int
		want        string
	}{{0, 0, "a b c d e"}, {0, 2, "a b"}, {2, 2, "c d"}, {4, 2, "e"}, {5, 2, ""}, {1, 0, "b c d e"}} {
		q := ask(navco)
		q.Skip, q.Limit = c.skip, c.limit
		ids, _, next, _, _ := s.page(q)
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("from %d at most %d: %q, want %q", c.skip, c.limit, got, c.want)
		}
		if more := c.limit > 0 && c.skip+c.limit < 5; (next != "") != more {
			t.Errorf("from %d at most %d: there is more: %t", c.skip, c.limit, next != "")
		}
	}
}
