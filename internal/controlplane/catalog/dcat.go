package catalog

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Portal is what a catalogue in RDF says of itself.
type Portal struct {
	Address  string // its own, without an ending: IRIs of what it lists begin with it
	Homepage string
	Party    hansa.Party
	// Area is the box around the party's named places (west, south, east, north), for
	// what names no area; nil where nothing is known.
	Area    *[4]float64
	Formats []hansa.Format // that data can be had in, where an offer names none
}

// Turtle writes the public part of a party's catalogue as mobilityDCAT-AP 1.1 in
// Turtle: what is offered to everybody, without regard to who asks. It reads page
// by page, and holds no more than one.
func (c *Catalog) Turtle(ctx context.Context, w io.Writer, q Query, p *Portal) error {
	t, err := newTurtle(w)
	if err != nil {
		return err
	}
	return c.public(ctx, t, q, p)
}

// JSONLD writes the same as JSON-LD.
func (c *Catalog) JSONLD(ctx context.Context, w io.Writer, q Query, p *Portal) error {
	j, err := newJSONLD(w)
	if err != nil {
		return err
	}
	return c.public(ctx, j, q, p)
}

// public writes the catalogue of what everybody may see.
func (c *Catalog) public(ctx context.Context, out rdfWriter, q Query, p *Portal) error {
	q.Caller, q.CallerKind, q.After, q.Limit, q.Has = "", "", "", PageMax, nil
	x := &dcatWriter{out: out, q: &q, p: p, told: map[string]bool{}, areas: map[string]bool{}, languages: map[string]bool{p.Party.Language(): true}}
	for at := ""; ; {
		var rows []row
		more := false
		err := c.db.Read(ctx, func(tx hansa.Tx) (err error) {
			rows, more, err = c.seen(tx, &q, false, at)
			return err
		})
		if err != nil {
			return err
		}
		if err := x.page(rows); err != nil {
			return err
		}
		if !more {
			break
		}
		at = rows[len(rows)-1].dataset
	}
	if err := x.catalogue(); err != nil {
		return err
	}
	return out.close()
}

// dcatWriter writes one catalogue.
type dcatWriter struct {
	out       rdfWriter
	q         *Query
	p         *Portal
	told      map[string]bool // terms of vocabularies, agents and areas that are described already
	areas     map[string]bool
	languages map[string]bool
	modified  time.Time
}

// once writes a node that many things name.
func (x *dcatWriter) once(n *rdfNode) error {
	if x.told[n.id] {
		return nil
	}
	x.told[n.id] = true
	return x.out.write(n)
}

// page writes the datasets of rows, which are sorted by dataset, and that the
// catalogue holds them.
func (x *dcatWriter) page(rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	var sets, records []rdfValue
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].dataset == rows[0].dataset {
			n++
		}
		if err := x.dataset(rows[:n]); err != nil {
			return err
		}
		sets, records = append(sets, iri(x.at(rows[0].dataset))), append(records, iri(x.at("record-"+rows[0].dataset)))
		rows = rows[n:]
	}
	return x.out.write(newNode(x.p.Address).say("dcat:dataset", sets...).say("dcat:record", records...))
}

// at is the IRI of a part of the catalogue.
func (x *dcatWriter) at(part string) string { return x.p.Address + "#" + part }

// dataset writes one dataset with its record and distributions.
func (x *dcatWriter) dataset(rows []row) error {
	var d hansa.Dataset
	if err := json.Unmarshal([]byte(rows[0].body), &d); err != nil {
		return errors.Join(&hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "a stored dataset cannot be read"}, err)
	}
	w := describe(&d)
	said := w.Description
	if len(said) == 0 {
		said = w.Title
	}
	n := newNode(x.at(w.ID), "dcat:Dataset", "dcat:Resource").
		say("dct:identifier", literal(w.ID, "")).
		say("dct:title", words(w.Title)...).
		say("dct:description", words(said)...).
		say("dct:publisher", iri(string(x.p.Party.ID))).
		say("dct:accrualPeriodicity", iri(string(w.Periodicity)))
	for _, f := range []func(*rdfNode, *hansa.Dataset, *WireDataset) error{x.who, x.where, x.about} {
		if err := f(n, &d, &w); err != nil {
			return err
		}
	}
	if err := x.term(string(w.Periodicity), authority+"frequency", "Frequency", "dct:Frequency"); err != nil {
		return err
	}
	limit := hansa.Duration(0)
	for i := range rows {
		limit = max(limit, rows[i].limit)
	}
	n.say("hansa:updatePromise", duration(d.Update)).say("hansa:limit", duration(limit))
	ways, err := x.distributions(&w, rows)
	if err != nil {
		return err
	}
	if err := x.out.write(n.say("dcat:distribution", ways...)); err != nil {
		return err
	}
	return x.record(&w, rows)
}

// record writes the entry of a dataset: it begins with the first offer that stands.
func (x *dcatWriter) record(w *WireDataset, rows []row) error {
	created, modified := rows[0].made, rows[0].made
	for i := range rows {
		if rows[i].made.Before(created) {
			created = rows[i].made
		}
		if rows[i].made.After(modified) {
			modified = rows[i].made
		}
	}
	if modified.After(x.modified) {
		x.modified = modified
	}
	used := map[string]bool{}
	for _, t := range append(slices.Clone(w.Title), w.Description...) {
		used[t.Lang], x.languages[t.Lang] = true, true
	}
	n := newNode(x.at("record-"+w.ID), "dcat:CatalogRecord").say("foaf:primaryTopic", iri(x.at(w.ID))).say("dct:created", moment(created)).say("dct:modified", moment(modified))
	return x.tongues(n, used)
}

// tongues says in which languages n is, and writes n.
func (x *dcatWriter) tongues(n *rdfNode, used map[string]bool) error {
	var list []rdfValue
	for _, lang := range slices.Sorted(maps.Keys(used)) {
		at := language(lang)
		if slices.Contains(list, iri(at)) {
			continue
		}
		list = append(list, iri(at))
		if err := x.term(at, authority+"language", "Language", "dct:LinguisticSystem"); err != nil {
			return err
		}
	}
	return x.out.write(n.say("dct:language", list...))
}

// who says who holds the dataset, and whom to ask.
func (x *dcatWriter) who(n *rdfNode, d *hansa.Dataset, w *WireDataset) error {
	if d.Holder != "" && d.Holder != x.p.Party.Title {
		at := x.at("holder-" + d.Holder)
		n.say("dct:rightsHolder", iri(at))
		if err := x.once(newNode(at, "foaf:Agent").say("foaf:name", literal(d.Holder, ""))); err != nil {
			return err
		}
	} else {
		n.say("dct:rightsHolder", iri(string(x.p.Party.ID)))
	}
	if w.Contact == nil {
		return nil
	}
	at := x.at("contact-" + d.Contact + "-" + w.Contact.Name)
	n.say("dcat:contactPoint", iri(at))
	mail := string(w.Contact.Email)
	if err := x.once(newNode(mail, "owl:Thing")); err != nil {
		return err
	}
	return x.once(newNode(at, "vcard:Kind").say("vcard:fn", literal(w.Contact.Name, "")).say("vcard:hasEmail", iri(mail)))
}

// where says which area the dataset covers.
func (x *dcatWriter) where(n *rdfNode, _ *hansa.Dataset, w *WireDataset) error {
	at := string(w.Spatial)
	if at == "" {
		at = x.at("area")
		n.say("dct:spatial", iri(at))
		return x.ownArea(at)
	}
	x.areas[at] = true
	n.say("dct:spatial", iri(at))
	return x.once(newNode(at, "dct:Location"))
}

// ownArea describes the area in which the party's named places lie.
func (x *dcatWriter) ownArea(at string) error {
	n := newNode(at, "dct:Location")
	if b := x.p.Area; b != nil {
		f := func(lon, lat float64) string {
			return strconv.FormatFloat(lon, 'f', -1, 64) + " " + strconv.FormatFloat(lat, 'f', -1, 64)
		}
		ring := []string{f(b[0], b[1]), f(b[2], b[1]), f(b[2], b[3]), f(b[0], b[3]), f(b[0], b[1])}
		n.say("dcat:bbox", rdfValue{text: "POLYGON((" + strings.Join(ring, ", ") + "))", typ: "geo:wktLiteral"})
	}
	return x.once(n)
}

// about says what the dataset is about, and under which law.
func (x *dcatWriter) about(n *rdfNode, d *hansa.Dataset, w *WireDataset) error {
	scheme := mobility + "mobility-theme"
	var list []rdfValue
	for _, t := range themes(d) {
		list = append(list, iri(scheme+"/"+t))
		if err := x.concept(scheme+"/"+t, sentence(t), scheme, "Mobility theme"); err != nil {
			return err
		}
	}
	n.say("mobility:mobilityTheme", list...).say("mobility10:mobilityTheme", list...).say("dcat:theme", iri(authority+"data-theme/TRAN"))
	if err := x.concept(authority+"data-theme/TRAN", "Transport", authority+"data-theme", "Data theme"); err != nil {
		return err
	}
	if w.HighValue == "" {
		return nil
	}
	n.say("dcatap:hvdCategory", iri(string(w.HighValue))).say("dcatap:applicableLegislation", iri(hvdLaw))
	if err := x.once(newNode(hvdLaw, "eli:LegalResource", "skos:Concept").say("skos:prefLabel", literal("Implementing Regulation (EU) 2023/138", "en"))); err != nil {
		return err
	}
	return x.concept(string(w.HighValue), sentence(d.HighValue), "http://data.europa.eu/bna/asd487ae75", "High-value dataset categories")
}

// concept describes a term of a vocabulary, and the vocabulary: validators want
// the types of both in the same graph.
func (x *dcatWriter) concept(at, label, scheme, title string) error {
	if err := x.scheme(scheme, title); err != nil {
		return err
	}
	return x.once(newNode(at, "skos:Concept").say("skos:prefLabel", literal(label, "en")).say("skos:inScheme", iri(scheme)))
}

// term describes an entry of a table of the EU that is no concept to DCAT-AP.
func (x *dcatWriter) term(at, scheme, title string, class ...string) error {
	if err := x.scheme(scheme, title); err != nil {
		return err
	}
	return x.once(newNode(at, class...).say("skos:inScheme", iri(scheme)))
}

func (x *dcatWriter) scheme(at, title string) error {
	return x.once(newNode(at, "skos:ConceptScheme").say("dct:title", literal(title, "en")))
}

// catalogue writes what the catalogue says of itself, its publisher and connector.
func (x *dcatWriter) catalogue() error {
	party := &x.p.Party
	if err := x.once(newNode(string(party.ID), "foaf:Agent", "foaf:Organization").say("foaf:name", literal(party.Title, ""))); err != nil {
		return err
	}
	if err := x.once(newNode(x.p.Homepage, "foaf:Document")); err != nil {
		return err
	}
	n := newNode(x.p.Address, "dcat:Catalog", "dcat:Resource").
		say("dct:title", literal("Mobility data of "+party.Title, "en")).
		say("dct:description", literal("What "+party.Title+" offers to everybody, under agreed terms, by the Dataspace Protocol.", "en")).
		say("dct:publisher", iri(string(party.ID))).
		say("foaf:homepage", iri(x.p.Homepage)).
		say("dcat:themeTaxonomy", iri(mobility+"mobility-theme"), iri(authority+"data-theme")).
		say("dcat:service", iri(x.at("connector")))
	if err := errors.Join(x.scheme(mobility+"mobility-theme", "Mobility theme"), x.scheme(authority+"data-theme", "Data theme")); err != nil {
		return err
	}
	if !x.modified.IsZero() {
		n.say("dct:modified", moment(x.modified))
	}
	var areas []rdfValue
	for _, a := range slices.Sorted(maps.Keys(x.areas)) {
		areas = append(areas, iri(a))
	}
	if len(areas) == 0 {
		areas = append(areas, iri(x.at("area")))
		if err := x.ownArea(x.at("area")); err != nil {
			return err
		}
	}
	service := newNode(x.at("connector"), "dcat:DataService", "dcat:Resource").say("dct:title", literal("Connector of "+party.Title, "en")).say("dcat:endpointURL", iri(x.q.Base))
	if err := x.out.write(service.say("dct:publisher", iri(string(party.ID)))); err != nil {
		return err
	}
	if err := x.once(newNode(x.q.Base, "rdfs:Resource")); err != nil {
		return err
	}
	delete(x.languages, "")
	x.languages["en"] = true // of the title above
	return x.tongues(n.say("dct:spatial", areas...), x.languages)
}

// words are texts as literals.
func words(list []Text) []rdfValue {
	out := make([]rdfValue, 0, len(list))
	for _, t := range list {
		out = append(out, literal(t.Value, t.Lang))
	}
	return out
}

func moment(t time.Time) rdfValue {
	return rdfValue{text: t.UTC().Format(time.RFC3339), typ: "xsd:dateTime"}
}

func duration(d hansa.Duration) rdfValue {
	if t := xsdDuration(d); t != nil {
		return rdfValue{text: t.Value, typ: "xsd:duration"}
	}
	return rdfValue{}
}

// sentence writes a term of a vocabulary as words.
func sentence(term string) string {
	s := strings.ReplaceAll(term, "-", " ")
	return strings.ToUpper(s[:1]) + s[1:]
}

// tongues are the codes of the EU's table of languages (ISO 639-3, in capitals)
// for the languages of two letters that are official in Europe.
var tongues = map[string]string{
	"bg": "BUL", "bs": "BOS", "ca": "CAT", "cs": "CES", "cy": "CYM", "da": "DAN", "de": "DEU", "el": "ELL", "en": "ENG", "es": "SPA", "et": "EST", "eu": "EUS",
	"fi": "FIN", "fr": "FRA", "ga": "GLE", "gl": "GLG", "hr": "HRV", "hu": "HUN", "is": "ISL", "it": "ITA", "lb": "LTZ", "lt": "LIT", "lv": "LAV", "mk": "MKD",
	"mt": "MLT", "nl": "NLD", "no": "NOR", "pl": "POL", "pt": "POR", "ro": "RON", "sk": "SLK", "sl": "SLV", "sq": "SQI", "sr": "SRP", "sv": "SWE", "tr": "TUR", "uk": "UKR",
}

// language is the IRI of a language; of one that the table has no short form of,
// the undetermined one.
func language(tag string) string {
	short, _, _ := strings.Cut(strings.ToLower(tag), "-")
	code := tongues[short]
	if code == "" {
		code = "UND"
	}
	return authority + "language/" + code
}
