package catalog

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	plain "github.com/hansa-exchange/hansa/internal/base/words"
)

// Context is the JSON-LD context of the Dataspace Protocol 2025-1.
const Context = "https://w3id.org/dspace/2025/1/context.jsonld"

// The formats of a distribution: how data travel once there is an agreement.
// FormatSSE is our own name: an event stream (HTML Living Standard, section 9.2).
const (
	FormatPull = "HttpData-PULL"
	FormatPush = "HttpData-PUSH"
	FormatSSE  = "HttpData-SSE"
)

// Limits of a catalogue that comes from elsewhere.
const (
	WireBytesMax = 8 << 20 // one answer
	WireDepthMax = 64      // of its JSON
	NestedMax    = 4       // catalogues within catalogues
)

// Many is a list that is written as an array, and read from an array or from one
// value alone, as JSON-LD compacts it.
type Many[T any] []T

// UnmarshalJSONFrom reads an array, one value, or null.
func (m *Many[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	kind := d.PeekKind()
	if kind == 'n' {
		*m = nil
		return d.SkipValue()
	}
	if kind == '[' {
		return json.UnmarshalDecode(d, (*[]T)(m))
	}
	var one T
	if err := json.UnmarshalDecode(d, &one); err != nil {
		return err
	}
	*m = Many[T]{one}
	return nil
}

// Contexts is an @context: the addresses of it, in their order. Contexts that are
// written out in place are left aside.
type Contexts []string

// UnmarshalJSONFrom reads a string, or an array of which it keeps the strings.
func (c *Contexts) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var all Many[jsontext.Value]
	if err := json.UnmarshalDecode(d, &all); err != nil {
		return err
	}
	*c = nil
	for _, v := range all {
		if v.Kind() == '"' {
			var s string
			if err := json.Unmarshal(v, &s); err != nil {
				return err
			}
			*c = append(*c, s)
		}
	}
	return nil
}

// Ref names a thing elsewhere by its IRI.
type Ref string

// MarshalJSONTo writes {"@id": ...}.
func (r Ref) MarshalJSONTo(e *jsontext.Encoder) error {
	return writeAll(e, jsontext.BeginObject, jsontext.String("@id"), jsontext.String(string(r)), jsontext.EndObject)
}

// UnmarshalJSONFrom reads {"@id": ...} or a string.
func (r *Ref) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	s, err := readNamed(d, "@id")
	*r = Ref(s)
	return err
}

// Term is a word of a vocabulary, such as a format: a string, or {"@id": ...} as
// some write it.
type Term string

// UnmarshalJSONFrom reads a string or {"@id": ...}.
func (t *Term) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	s, err := readNamed(d, "@id")
	*t = Term(s)
	return err
}

// Text is words in a language; without one where the writer did not say.
type Text struct {
	Lang  string `json:"@language,omitempty"`
	Value string `json:"@value"`
}

// UnmarshalJSONFrom reads an object with @value, or a string.
func (t *Text) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '{' {
		type plain Text
		return readSoft(d, (*plain)(t))
	}
	s, err := readNamed(d, "")
	t.Value = s
	return err
}

// Typed is a literal with its XML Schema datatype.
type Typed struct {
	Type  string `json:"@type"`
	Value string `json:"@value"`
}

// UnmarshalJSONFrom reads a typed literal; another form is left aside.
func (t *Typed) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	type plain Typed
	return readSoft(d, (*plain)(t))
}

// WireCatalog is a Catalog of the protocol (schema catalog/catalog-schema.json).
type WireCatalog struct {
	Context       Contexts           `json:"@context,omitempty"`
	ID            string             `json:"@id"`
	Type          string             `json:"@type"`
	ParticipantID string             `json:"participantId,omitempty"`
	Title         Many[Text]         `json:"dct:title,omitempty"`
	Service       Many[WireService]  `json:"service,omitempty"`
	Dataset       Many[WireDataset]  `json:"dataset,omitempty"`
	Catalog       Many[*WireCatalog] `json:"catalog,omitempty"` // nested ones
}

// WireDataset is a Dataset of the protocol (schema catalog/dataset-schema.json),
// with what DCAT-AP, mobilityDCAT-AP and we say of it besides. Members are named
// by the prefixes of [Context], or in full.
type WireDataset struct {
	Context     Contexts   `json:"@context,omitempty"` // of a dataset that is sent alone
	ID          string     `json:"@id"`
	Type        string     `json:"@type,omitempty"`
	Title       Many[Text] `json:"dct:title,omitempty"`
	Description Many[Text] `json:"dct:description,omitempty"`
	Keyword     Many[Text] `json:"dcat:keyword,omitempty"`
	Licence     Ref        `json:"dct:license,omitzero"`
	Rights      Many[Text] `json:"dct:rights,omitempty"`       // words, where there is no licence with an address
	Holder      Term       `json:"dct:rightsHolder,omitempty"` // its name
	Periodicity Ref        `json:"dct:accrualPeriodicity,omitzero"`
	Spatial     Ref        `json:"dct:spatial,omitzero"`
	Theme       Many[Ref]  `json:"https://w3id.org/mobilitydcat-ap#mobilityTheme,omitempty"`
	HighValue   Ref        `json:"http://data.europa.eu/r5r/hvdCategory,omitzero"`
	Legislation Ref        `json:"http://data.europa.eu/r5r/applicableLegislation,omitzero"`
	Contact     *WireKind  `json:"dcat:contactPoint,omitempty"`
	// Update is the update promise (xsd:duration), and Quality what each offer agrees.
	Update  *Typed            `json:"https://hansa-exchange.org/ns/updatePromise,omitempty"`
	Quality Many[WireQuality] `json:"https://hansa-exchange.org/ns/serviceLevel,omitempty"`

	Policy       Many[jsontext.Value]   `json:"hasPolicy,omitempty"` // offers, without target
	Distribution Many[WireDistribution] `json:"distribution,omitempty"`
	// Rest are members that we do not know, as they came.
	Rest map[string]jsontext.Value `json:",embed"`
}

// WireKind is whom to ask (vCard ontology, Kind).
type WireKind struct {
	Type  string `json:"@type"`
	Name  string `json:"http://www.w3.org/2006/vcard/ns#fn"`
	Email Ref    `json:"http://www.w3.org/2006/vcard/ns#hasEmail"`
}

// UnmarshalJSONFrom reads a Kind; another form is left aside.
func (k *WireKind) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	type plain WireKind
	return readSoft(d, (*plain)(k))
}

// WireQuality is the service that comes with one offer: the agreed time from
// offered to live (xsd:duration), and whether a machine says yes.
type WireQuality struct {
	Offer     Ref    `json:"https://hansa-exchange.org/ns/offer"`
	Limit     *Typed `json:"https://hansa-exchange.org/ns/limit,omitempty"`
	Automatic bool   `json:"https://hansa-exchange.org/ns/automatic"`
}

// UnmarshalJSONFrom reads what an offer comes with; another form is left aside.
func (q *WireQuality) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	type plain WireQuality
	return readSoft(d, (*plain)(q))
}

// WireDistribution is one way in which a dataset can be had.
type WireDistribution struct {
	Type    string      `json:"@type,omitempty"`
	Format  Term        `json:"format"`
	Service WireService `json:"accessService"`
}

// WireService is the connector that answers for datasets. Endpoint is the base of
// the same version of the protocol.
type WireService struct {
	ID          string `json:"@id"`
	Type        string `json:"@type,omitempty"`
	Description Term   `json:"endpointDescription,omitempty"`
	Endpoint    string `json:"endpointURL,omitempty"`
}

// UnmarshalJSONFrom reads a DataService, or its id alone.
func (s *WireService) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '{' {
		type plain WireService
		return json.UnmarshalDecode(d, (*plain)(s))
	}
	id, err := readNamed(d, "")
	s.ID = id
	return err
}

// ParseCatalog reads a catalogue from elsewhere: lenient in what the protocol
// leaves open (single values for lists, unknown members), strict in JSON, size,
// depth, and in what a dataset cannot do without, its id.
func ParseCatalog(b []byte) (*WireCatalog, error) {
	if len(b) > WireBytesMax {
		return nil, hansa.Errorf(hansa.Invalid, "a catalogue has at most %d bytes in one answer, not %d", WireBytesMax, len(b)).With(hansa.CodeTooLarge)
	}
	if err := shallow(b); err != nil {
		return nil, err
	}
	var w WireCatalog
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "the catalogue cannot be read: %s", plain.Misread(err)).With(hansa.CodeSyntax)
	}
	if t := strings.TrimPrefix(w.Type, "dcat:"); t != "Catalog" {
		return nil, hansa.Fielded("/@type", "a catalogue has the type Catalog, not %q", w.Type)
	}
	n := 0
	return &w, w.check("", 0, &n)
}

// check reports the first dataset that nothing can be done with.
func (w *WireCatalog) check(at string, depth int, n *int) error {
	if depth > NestedMax {
		return hansa.Fielded(at, "catalogues are nested at most %d deep", NestedMax)
	}
	for i := range w.Dataset {
		if *n++; *n > DatasetsMax {
			return hansa.Errorf(hansa.Busy, "a catalogue has at most %d datasets in one answer", DatasetsMax)
		}
		if w.Dataset[i].ID == "" {
			return hansa.Fielded(at+"/dataset/@id", "dataset %d of the catalogue has no @id", i+1)
		}
	}
	for _, c := range w.Catalog {
		if c == nil {
			return hansa.Fielded(at+"/catalog", "a nested catalogue is an object")
		}
		if err := c.check(at+"/catalog", depth+1, n); err != nil {
			return err
		}
	}
	return nil
}

// All calls yield for each dataset, those of nested catalogues too.
func (w *WireCatalog) All(yield func(*WireDataset) bool) {
	w.each(yield)
}

func (w *WireCatalog) each(yield func(*WireDataset) bool) bool {
	for i := range w.Dataset {
		if !yield(&w.Dataset[i]) {
			return false
		}
	}
	for _, c := range w.Catalog {
		if !c.each(yield) {
			return false
		}
	}
	return true
}

// shallow refuses JSON nested deeper than [WireDepthMax] before it is decoded.
func shallow(b []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return hansa.Errorf(hansa.Invalid, "the catalogue is no JSON: %s", plain.Misread(err)).With(hansa.CodeSyntax)
		}
		if d.StackDepth() > WireDepthMax {
			return hansa.Errorf(hansa.Invalid, "a catalogue's JSON is nested at most %d deep", WireDepthMax).With(hansa.CodeSyntax)
		}
	}
}

// readNamed reads a string, or an object of which it keeps the string under name.
// What is neither is read past: it says nothing that we know.
func readNamed(d *jsontext.Decoder, name string) (string, error) {
	v, err := d.ReadValue()
	if err != nil {
		return "", err
	}
	if v.Kind() == '{' {
		var o map[string]jsontext.Value
		if err := json.Unmarshal(v, &o); err != nil {
			return "", err
		}
		v = o[name]
	}
	var s string
	if v.Kind() == '"' {
		err = json.Unmarshal(v, &s)
	}
	return s, err
}

// readSoft reads into v what has its form, and reads past what has not: a member
// beside the protocol never spoils a catalogue.
func readSoft[T any](d *jsontext.Decoder, v *T) error {
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	if json.Unmarshal(raw, v) != nil {
		*v = *new(T)
	}
	return nil
}

func writeAll(e *jsontext.Encoder, tokens ...jsontext.Token) error {
	for _, t := range tokens {
		if err := e.WriteToken(t); err != nil {
			return err
		}
	}
	return nil
}
