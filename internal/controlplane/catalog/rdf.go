package catalog

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// prefixes are the namespaces that a catalogue in RDF uses, in the order in which
// they are written.
var prefixes = [][2]string{
	{"adms", "http://www.w3.org/ns/adms#"},
	{"dcat", "http://www.w3.org/ns/dcat#"},
	{"dcatap", "http://data.europa.eu/r5r/"},
	{"dct", "http://purl.org/dc/terms/"},
	{"eli", "http://data.europa.eu/eli/ontology#"},
	{"foaf", "http://xmlns.com/foaf/0.1/"},
	{"geo", "http://www.opengis.net/ont/geosparql#"},
	{"hansa", "https://hansa-exchange.org/ns/"},
	{"mobility", "https://w3id.org/mobilitydcat-ap#"},
	{"mobility10", "http://w3id.org/mobilitydcat-ap#"}, // the namespace of release 1.0.0
	{"owl", "http://www.w3.org/2002/07/owl#"},
	{"rdfs", "http://www.w3.org/2000/01/rdf-schema#"},
	{"skos", "http://www.w3.org/2004/02/skos/core#"},
	{"vcard", vcard},
	{"xsd", xsd},
}

// rdfValue is what a statement says: an IRI, or a literal with a language or a
// datatype (a prefixed name).
type rdfValue struct {
	iri             string
	text, lang, typ string
}

func iri(s string) rdfValue { return rdfValue{iri: safeIRI(s)} }
func literal(s, lang string) rdfValue {
	return rdfValue{text: strings.ToValidUTF8(s, "\uFFFD"), lang: lang}
}

// rdfNode is a thing with all that is said of it. Classes and properties are
// prefixed names, of this package alone.
type rdfNode struct {
	id    string // an IRI
	class []string
	props []rdfProp
}

type rdfProp struct {
	name   string
	values []rdfValue
}

func newNode(id string, class ...string) *rdfNode { return &rdfNode{id: safeIRI(id), class: class} }

// say adds a statement; one of nothing is left out.
func (n *rdfNode) say(name string, values ...rdfValue) *rdfNode {
	if len(values) > 0 && (values[0] != rdfValue{}) {
		n.props = append(n.props, rdfProp{name, values})
	}
	return n
}

// rdfWriter writes nodes one after another.
type rdfWriter interface {
	write(n *rdfNode) error
	close() error
}

// turtle writes Turtle (RDF 1.1 Turtle, W3C Recommendation).
type turtle struct{ w *bufio.Writer }

func newTurtle(w io.Writer) (*turtle, error) {
	t := &turtle{bufio.NewWriter(w)}
	for _, p := range prefixes {
		if _, err := fmt.Fprintf(t.w, "@prefix %s: <%s> .\n", p[0], p[1]); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *turtle) write(n *rdfNode) error {
	b := append([]byte("\n<"), n.id...)
	b = append(b, '>')
	if len(n.class) > 0 {
		b = append(b, " a "...)
		b = append(b, strings.Join(n.class, ", ")...)
	}
	for i, p := range n.props {
		if i > 0 || len(n.class) > 0 {
			b = append(b, " ;"...)
		}
		b = append(b, "\n  "...)
		b = append(b, p.name...)
		for j, v := range p.values {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendTurtle(append(b, ' '), v)
		}
	}
	_, err := t.w.Write(append(b, " .\n"...))
	return err
}

func (t *turtle) close() error { return t.w.Flush() }

func appendTurtle(b []byte, v rdfValue) []byte {
	if v.iri != "" {
		b = append(b, '<')
		b = append(b, v.iri...)
		return append(b, '>')
	}
	b = append(b, '"')
	for _, r := range v.text {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			b = fmt.Appendf(b, `\u%04X`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	b = append(b, '"')
	switch {
	case v.lang != "":
		b = append(append(b, '@'), v.lang...)
	case v.typ != "":
		b = append(append(b, "^^"...), v.typ...)
	}
	return b
}

// safeIRI writes what may not stand in an IRI by its percent code (RFC 3987
// section 2.2; RDF 1.1 Turtle, IRIREF).
func safeIRI(s string) string {
	bad := func(c byte) bool { return c <= ' ' || c == 0x7f || strings.IndexByte("<>\"{}|^`\\", c) >= 0 }
	s = strings.ToValidUTF8(s, "\uFFFD")
	for i := range len(s) {
		if !bad(s[i]) {
			continue
		}
		b := []byte(s[:i])
		for j := i; j < len(s); j++ {
			if bad(s[j]) {
				b = fmt.Appendf(b, "%%%02X", s[j])
			} else {
				b = append(b, s[j])
			}
		}
		return string(b)
	}
	return s
}

// jsonLD writes JSON-LD 1.1: a context of our prefixes, and a graph.
type jsonLD struct {
	w    *bufio.Writer
	more bool
}

func newJSONLD(w io.Writer) (*jsonLD, error) {
	j := &jsonLD{w: bufio.NewWriter(w)}
	context := map[string]string{}
	for _, p := range prefixes {
		context[p[0]] = p[1]
	}
	b, err := json.Marshal(context, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(j.w, `{"@context":%s,"@graph":[`, b)
	return j, err
}

func (j *jsonLD) write(n *rdfNode) error {
	doc := map[string]any{"@id": n.id}
	if len(n.class) > 0 {
		doc["@type"] = n.class
	}
	for _, p := range n.props {
		values := make([]map[string]string, 0, len(p.values))
		for _, v := range p.values {
			switch {
			case v.iri != "":
				values = append(values, map[string]string{"@id": v.iri})
			case v.lang != "":
				values = append(values, map[string]string{"@value": v.text, "@language": v.lang})
			case v.typ != "":
				values = append(values, map[string]string{"@value": v.text, "@type": v.typ})
			default:
				values = append(values, map[string]string{"@value": v.text})
			}
		}
		doc[p.name] = values
	}
	b, err := json.Marshal(doc, json.Deterministic(true), jsontext.EscapeForHTML(true))
	if err != nil {
		return err
	}
	if j.more {
		b = append([]byte(",\n"), b...)
	}
	j.more = true
	_, err = j.w.Write(b)
	return err
}

func (j *jsonLD) close() error {
	if _, err := j.w.WriteString("]}\n"); err != nil {
		return err
	}
	return j.w.Flush()
}
