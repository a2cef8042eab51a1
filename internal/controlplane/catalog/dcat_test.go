package catalog_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
)

// hostile are words that would break a careless writer.
var hostile = []string{
	`plain`, `"quoted" and """three"""`, "back\\slash\\", "line\nbreak\r\n\ttab", "\x00\x01\x1b\x7f\u0085\u2028", `. ; , ] ) <http://x> @en ^^xsd:int # no comment`,
	"Straße, 大阪, \U0001F6A7", "e\u0301 and \uFFFD and \u202E", `\u0041 \n`, `</script><b>`, "'", " ", "a\\",
}

func portal() *catalog.Portal {
	return &catalog.Portal{
		Address: "https://city.example/catalogue", Homepage: "https://city.example/", Area: &[4]float64{4.7, 52.2, 5.1, 52.5}, Formats: []hansa.Format{"datex2", "record"},
		Party: hansa.Party{ID: city, Name: "city", Title: `City "of" \ X`, Kind: hansa.City, Languages: []string{"nl", "en"}},
	}
}

// stocked is a shop with a dataset of each sort in it: with everything said, with
// nothing said, not for all, and with hostile words.
func stocked(t testing.TB) *shop {
	s := open(t)
	full := dataset("full", "closures")
	full.Title = map[string]string{"en": "Closures", "nl": "Sluitingen"}
	full.Description = map[string]string{"en": "What is shut, and until when."}
	full.Licence, full.Holder, full.Update, full.Coverage, full.HighValue, full.Contact = "CC-BY-4.0", "Road Authority", hansa.Duration(time.Minute), "NL329", "mobility", "data@city.example"
	full.Themes = []string{"road-work-information", "road-events-and-conditions"}
	sets := []*hansa.Dataset{full, dataset("bare", "bare")}
	for i, words := range hostile {
		d := dataset("h"+strconv.Itoa(i), "h"+strconv.Itoa(i))
		d.Title, d.Description, d.Holder, d.Licence = map[string]string{"en": words, "nl": words + words}, map[string]string{"en": words}, words, words
		d.Contact = "a{b}|c^d@city.example"
		sets = append(sets, d)
	}
	s.must(s.write(func(tx hansa.Tx) error {
		for _, d := range sets {
			if err := s.SaveDataset(tx, d); err != nil {
				return err
			}
			o := offer(t, "o-"+string(d.ID), string(d.ID), anyone)
			o.Limit = hansa.Duration(time.Minute)
			if err := s.SaveOffer(tx, o); err != nil {
				return err
			}
		}
		if err := s.SaveOffer(tx, offer(t, "second", "full", `[{"action":"use","constraint":[{"leftOperand":"fileFormat","operator":"isAnyOf","rightOperand":["wzdx","geojson"]}]}]`)); err != nil {
			return err
		}
		if err := s.SaveDataset(tx, dataset("secret", "secret")); err != nil {
			return err
		}
		if err := s.SaveOffer(tx, offer(t, "o-secret", "secret", anyone, navco)); err != nil {
			return err
		}
		if err := s.SaveDataset(tx, dataset("named", "named")); err != nil {
			return err
		}
		return s.SaveOffer(tx, offer(t, "o-named", "named", `[{"action":"use","constraint":[{"leftOperand":"recipient","operator":"eq","rightOperand":"`+string(navco)+`"}]}]`))
	}))
	return s
}

// written returns the catalogue in Turtle and in JSON-LD.
func (s *shop) written(p *catalog.Portal) (turtle, jsonld string) {
	s.Helper()
	var a, b bytes.Buffer
	s.must(s.Turtle(s.Context(), &a, ask(navco), p))
	s.must(s.JSONLD(s.Context(), &b, ask(navco), p))
	return a.String(), b.String()
}

// statement is one triple, its names written out; the object is an IRI in <>, or a
// literal with its language or datatype.
type statement struct{ subject, predicate, object string }

// readTurtle reads what our writer writes of Turtle, by the grammar's own rules for
// IRIs, prefixed names and strings; anything else fails the test.
func readTurtle(t testing.TB, doc string) []statement {
	t.Helper()
	r := &turtleReader{TB: t, rest: doc, prefix: map[string]string{}}
	for r.space(); r.rest != ""; r.space() {
		if r.take("@prefix ") {
			name, _, _ := strings.Cut(r.rest, ":")
			r.rest = r.rest[len(name)+1:]
			r.space()
			r.prefix[name] = strings.Trim(r.term(), "<>")
			r.want(".")
			continue
		}
		r.subject(r.term())
	}
	return r.out
}

type turtleReader struct {
	testing.TB
	rest   string
	prefix map[string]string
	out    []statement
}

func (r *turtleReader) space() { r.rest = strings.TrimLeft(r.rest, " \n\t") }

func (r *turtleReader) take(s string) bool {
	rest, ok := strings.CutPrefix(r.rest, s)
	r.rest = rest
	return ok
}

func (r *turtleReader) want(s string) {
	r.Helper()
	r.space()
	if !r.take(s) {
		r.Fatalf("want %q at %.80q", s, r.rest)
	}
}

func (r *turtleReader) subject(subject string) {
	for {
		r.space()
		predicate := "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
		if !r.take("a ") {
			predicate = r.term()
		}
		for {
			r.space()
			r.out = append(r.out, statement{subject, predicate, r.term()})
			if r.space(); !r.take(",") {
				break
			}
		}
		if r.take(".") {
			return
		}
		r.want(";")
	}
}

// term reads an IRI, a prefixed name or a literal.
func (r *turtleReader) term() string {
	r.Helper()
	switch {
	case strings.HasPrefix(r.rest, "<"):
		end := strings.IndexByte(r.rest, '>')
		body := r.rest[1:end]
		if strings.ContainsAny(body, "<\"{}|^`\\ \n") {
			r.Fatalf("not an IRI: %q", body)
		}
		r.rest = r.rest[end+1:]
		return "<" + body + ">"
	case strings.HasPrefix(r.rest, `"`):
		return r.literal()
	}
	end := strings.IndexAny(r.rest, " \n\t;,")
	name := r.rest[:end]
	prefix, local, ok := strings.Cut(name, ":")
	space := r.prefix[prefix]
	if !ok || space == "" || strings.Trim(local, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		r.Fatalf("not a prefixed name: %q", name)
	}
	r.rest = r.rest[end:]
	return "<" + space + local + ">"
}

func (r *turtleReader) literal() string {
	r.Helper()
	var b strings.Builder
	s := r.rest[1:]
	for {
		switch {
		case s == "" || s[0] == '\n' || s[0] == '\r':
			r.Fatalf("a string ends at %.60q", s)
		case s[0] == '"':
			r.rest = s[1:]
			says := strconv.Quote(b.String())
			if r.take("@") {
				end := strings.IndexAny(r.rest, " \n;,")
				says += "@" + r.rest[:end]
				r.rest = r.rest[end:]
			} else if r.take("^^") {
				says += "^^" + r.term()
			}
			return says
		case s[0] == '\\' && s[1] == 'u':
			n, err := strconv.ParseUint(s[2:6], 16, 32)
			if err != nil {
				r.Fatal(err)
			}
			b.WriteRune(rune(n))
			s = s[6:]
		case s[0] == '\\':
			at := strings.IndexByte(`tbnrf"'\`, s[1])
			if at < 0 {
				r.Fatalf("no such escape: %.10q", s)
			}
			b.WriteByte("\t\b\n\r\f\"'\\"[at])
			s = s[2:]
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
}

// readJSONLD reads the statements of a document as our writer writes it.
func readJSONLD(t testing.TB, doc string) (out []statement) {
	t.Helper()
	var d struct {
		Context map[string]string `json:"@context"`
		Graph   []map[string]any  `json:"@graph"`
	}
	if err := json.Unmarshal([]byte(doc), &d); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	full := func(name string) string {
		prefix, local, _ := strings.Cut(name, ":")
		return "<" + d.Context[prefix] + local + ">"
	}
	for _, n := range d.Graph {
		id := "<" + n["@id"].(string) + ">"
		for name, values := range n {
			if name == "@id" {
				continue
			}
			for _, v := range values.([]any) {
				if name == "@type" {
					out = append(out, statement{id, "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>", full(v.(string))})
					continue
				}
				o := v.(map[string]any)
				object := fmt.Sprintf("<%v>", o["@id"])
				if text, ok := o["@value"].(string); ok {
					object = strconv.Quote(text)
					if lang, ok := o["@language"].(string); ok {
						object += "@" + lang
					} else if typ, ok := o["@type"].(string); ok {
						object += "^^" + full(typ)
					}
				}
				out = append(out, statement{id, full(name), object})
			}
		}
	}
	return out
}

func sorted(list []statement) []statement {
	slices.SortFunc(list, func(a, b statement) int {
		return strings.Compare(a.subject+a.predicate+a.object, b.subject+b.predicate+b.object)
	})
	return slices.Compact(list)
}

// mandatory are the properties that mobilityDCAT-AP 1.1 cannot do without, by class.
var mandatory = map[string][]string{
	"http://www.w3.org/ns/dcat#Catalog": {
		"http://purl.org/dc/terms/title", "http://purl.org/dc/terms/description", "http://purl.org/dc/terms/publisher", "http://xmlns.com/foaf/0.1/homepage",
		"http://purl.org/dc/terms/spatial", "http://www.w3.org/ns/dcat#record", "http://www.w3.org/ns/dcat#dataset",
	},
	"http://www.w3.org/ns/dcat#CatalogRecord": {"http://purl.org/dc/terms/language", "http://purl.org/dc/terms/created", "http://purl.org/dc/terms/modified", "http://xmlns.com/foaf/0.1/primaryTopic"},
	"http://www.w3.org/ns/dcat#Dataset": {
		"http://purl.org/dc/terms/title", "http://purl.org/dc/terms/description", "http://purl.org/dc/terms/publisher", "http://www.w3.org/ns/dcat#distribution",
		"http://purl.org/dc/terms/accrualPeriodicity", "https://w3id.org/mobilitydcat-ap#mobilityTheme", "http://purl.org/dc/terms/spatial",
	},
	"http://www.w3.org/ns/dcat#Distribution": {
		"http://www.w3.org/ns/dcat#accessURL", "http://purl.org/dc/terms/format", "http://purl.org/dc/terms/rights", "https://w3id.org/mobilitydcat-ap#mobilityDataStandard",
	},
	"http://www.w3.org/ns/dcat#DataService":       {"http://purl.org/dc/terms/title", "http://www.w3.org/ns/dcat#endpointURL"},
	"http://www.w3.org/2006/vcard/ns#Kind":        {"http://www.w3.org/2006/vcard/ns#fn", "http://www.w3.org/2006/vcard/ns#hasEmail"},
	"http://purl.org/dc/terms/RightsStatement":    {"http://purl.org/dc/terms/type"},
	"http://xmlns.com/foaf/0.1/Agent":             {"http://xmlns.com/foaf/0.1/name"},
	"http://www.w3.org/2004/02/skos/core#Concept": {"http://www.w3.org/2004/02/skos/core#prefLabel"},
}

// TestMobilityCatalogue: both forms say the same, with every mandatory property of
// everything that is listed, what hostile words say included; and what is not for
// all is not there.
func TestMobilityCatalogue(t *testing.T) {
	s := stocked(t)
	turtle, jsonld := s.written(portal())
	said := sorted(readTurtle(t, turtle))
	if other := sorted(readJSONLD(t, jsonld)); !slices.Equal(said, other) {
		t.Errorf("Turtle says %d things, JSON-LD %d, and not the same", len(said), len(other))
	}
	const typ = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
	has := map[[2]string]int{}
	for _, x := range said {
		has[[2]string{x.subject, x.predicate}]++
	}
	things := map[string]int{}
	for _, x := range said {
		if x.predicate != typ {
			continue
		}
		class := strings.Trim(x.object, "<>")
		things[class]++
		for _, p := range mandatory[class] {
			if has[[2]string{x.subject, "<" + p + ">"}] == 0 {
				t.Errorf("%s, a %s, has no %s", x.subject, class, p)
			}
		}
	}
	for class := range mandatory {
		if things[class] == 0 {
			t.Errorf("there is no %s", class)
		}
	}
	if got, want := things["http://www.w3.org/ns/dcat#Dataset"], len(hostile)+2; got != want {
		t.Errorf("%d datasets, want %d", got, want)
	}
	for i, words := range hostile {
		if strings.TrimSpace(words) == "" {
			continue
		}
		want := statement{"<https://city.example/catalogue#h" + strconv.Itoa(i) + ">", "<http://purl.org/dc/terms/title>", strconv.Quote(words) + "@en"}
		if !slices.Contains(said, want) {
			t.Errorf("%q is not said as it is", words)
		}
	}
	for _, x := range []string{"secret", "named"} {
		if strings.Contains(turtle, x) || strings.Contains(jsonld, x) {
			t.Errorf("%s is told to everybody", x)
		}
	}
}

// TestTurtleSaysWhatWasMeant: whatever words a dataset has, they are read back.
func TestTurtleSaysWhatWasMeant(t *testing.T) {
	s := open(t)
	rapid.Check(t, func(r *rapid.T) {
		words := rapid.String().Filter(func(s string) bool { return s != "" && len(s) < hansa.DatasetTextMax }).Draw(r, "title")
		d := dataset("d", "d")
		d.Title, d.Holder, d.Licence = map[string]string{"de": words}, words, words
		s.must(s.write(func(tx hansa.Tx) error {
			if err := s.SaveDataset(tx, d); err != nil {
				return err
			}
			return s.SaveOffer(tx, offer(t, "o", "d", anyone))
		}))
		turtle, jsonld := s.written(portal())
		said := sorted(readTurtle(t, turtle))
		if !slices.Equal(said, sorted(readJSONLD(t, jsonld))) {
			r.Fatalf("Turtle and JSON-LD differ\n%s\n%s", turtle, jsonld)
		}
		if want := (statement{"<https://city.example/catalogue#d>", "<http://purl.org/dc/terms/title>", strconv.Quote(words) + "@de"}); !slices.Contains(said, want) {
			r.Fatalf("missing %v in\n%s", want, turtle)
		}
	})
}

// shacl validates each data file against the shapes with pyshacl, and prints a line
// for each: true or false, its statements, and what is violated. Links to property
// shapes that the published files do not hold are dropped: pyshacl refuses to run
// with them.
const shacl = `
import sys, pyshacl, rdflib
SH = rdflib.Namespace("http://www.w3.org/ns/shacl#")
cut = sys.argv.index("--")
shapes = rdflib.Graph()
for f in sys.argv[cut + 1:]:
    shapes.parse(f, format="turtle")
shapes.remove((None, rdflib.OWL.imports, None))
for link in list(shapes.triples((None, SH.property, None))):
    if (link[2], SH.path, None) not in shapes:
        shapes.remove(link)
for f in sys.argv[1:cut]:
    data = rdflib.Graph().parse(f)
    ok, _, text = pyshacl.validate(data, shacl_graph=shapes, inference="none", allow_warnings=True)
    bad = [l.strip() for l in text.splitlines() if not ok and ("Result Path" in l or "Focus" in l)]
    print(ok, len(data), "statements", " ".join(bad[:40]))
`

// TestSHACL: the catalogue conforms to the shapes of mobilityDCAT-AP and of DCAT-AP
// 3.0.1 by the word of a SHACL engine, in both forms; and one that lacks something
// does not.
func TestSHACL(t *testing.T) {
	python := os.Getenv("HANSA_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.CommandContext(t.Context(), python, "-c", "import pyshacl").Run(); err != nil {
		t.Skip("there is no SHACL engine: pip install pyshacl, and name its Python in HANSA_PYTHON")
	}
	const at = "../../../../shared/schemas/mobilitydcat-ap/"
	shapes := []string{
		at + "mobilitydcat-ap/releases/mobilitydcat-ap_shacl_shapes.ttl", at + "dcat-ap/3.0.1/shacl/dcat-ap-SHACL.ttl", at + "dcat-ap/3.0.1/shacl/ranges.ttl",
		at + "dcat-ap/3.0.1/html/shacl/shapes.ttl", at + "dcat-ap/3.0.1/html/shacl/range.ttl", at + "dcat-ap/3.0.1/html/shacl/mdr-vocabularies.shape.ttl",
	}
	if _, err := os.Stat(shapes[0]); err != nil {
		t.Skip("the shapes do not lie beside this checkout: ../shared/schemas/mobilitydcat-ap")
	}
	turtle, jsonld := stocked(t).written(portal())
	files, data := []string{"catalogue.ttl", "catalogue.jsonld"}, []string{turtle, jsonld}
	for _, c := range []struct{ name, is, becomes string }{
		{"title", "dct:title", "dct:subject"},
		{"mobilityTheme", "mobility10:mobilityTheme", "mobility10:theme"},
		{"accessURL", "dcat:accessURL", "dcat:downloadURL"},
		{"created", "dct:created", "dct:issued"},
	} {
		files, data = append(files, c.name), append(data, strings.ReplaceAll(turtle, c.is+" ", c.becomes+" "))
	}
	args := []string{"-c", shacl}
	for i, name := range files {
		if i > 1 {
			name += ".ttl"
		}
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(data[i]), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	out, err := exec.CommandContext(t.Context(), python, append(append(args, "--"), shapes...)...).CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != len(files) {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, line := range lines {
		switch good := strings.HasPrefix(line, "True "); {
		case i < 2 && !good:
			t.Errorf("%s does not conform: %s", files[i], line)
		case i < 2:
			t.Logf("%s conforms: %s", files[i], line)
		case good || !strings.Contains(line, files[i]):
			t.Errorf("the control without %s: %s", files[i], line)
		}
	}
}

// BenchmarkTurtle: the public catalogue of a party, written whole.
func BenchmarkTurtle(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run("datasets="+strconv.Itoa(n), func(b *testing.B) {
			s := open(b)
			s.fill(n)
			b.ReportAllocs()
			for b.Loop() {
				var out bytes.Buffer
				s.must(s.Turtle(b.Context(), &out, ask(""), portal()))
				b.SetBytes(int64(out.Len()))
			}
		})
	}
}
