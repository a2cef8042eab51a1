package catalog

import (
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// medium is a format as the EU's tables and mobilityDCAT-AP name it.
type medium struct{ file, standard, label string }

// media are the formats that data leave in.
var media = map[hansa.Format]medium{
	"datex2":    {"XML", "datex-II", "DATEX II"},
	"cifs":      {"XML", "other", "CIFS in XML"},
	"cifs-json": {"JSON", "other", "CIFS in JSON"},
	"wzdx":      {"GEOJSON", "other", "WZDx"},
	"geojson":   {"GEOJSON", "other", "GeoJSON"},
	"record":    {"JSON", "other", "Hansa record"},
}

// distributions writes a distribution for each format that the offers name, and
// returns their IRIs.
func (x *dcatWriter) distributions(w *WireDataset, rows []row) ([]rdfValue, error) {
	formats, err := x.formats(rows)
	if err != nil {
		return nil, err
	}
	if err := x.rights(); err != nil {
		return nil, err
	}
	var list []rdfValue
	for _, f := range formats {
		m, ok := media[f]
		if !ok {
			m = medium{"OCTET", "other", string(f)}
		}
		at := x.at(w.ID + "-" + string(f))
		list = append(list, iri(at))
		file, scheme := authority+"file-type/"+m.file, mobility+"mobility-data-standard"
		n := newNode(at, "dcat:Distribution").
			say("dct:title", literal(m.label, "en")).
			say("dcat:accessURL", iri(x.q.Base)).
			say("dcat:accessService", iri(x.at("connector"))).
			say("dct:format", iri(file)).
			say("dct:rights", iri(x.at("rights"))).
			say("mobility:mobilityDataStandard", iri(scheme+"/"+m.standard)).
			say("mobility10:mobilityDataStandard", iri(scheme+"/"+m.standard))
		if w.Licence != "" {
			n.say("dct:license", iri(string(w.Licence)))
			if err := x.once(newNode(string(w.Licence), "dct:LicenseDocument")); err != nil {
				return nil, err
			}
		}
		if w.HighValue != "" {
			n.say("dcatap:applicableLegislation", iri(hvdLaw))
		}
		if err := x.term(file, authority+"file-type", "File type", "dct:MediaTypeOrExtent"); err != nil {
			return nil, err
		}
		if err := x.once(newNode(scheme+"/"+m.standard, "mobility:MobilityDataStandard", "mobility10:MobilityDataStandard")); err != nil {
			return nil, err
		}
		if err := x.out.write(n); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// rights says under which condition data are had: by an agreement.
func (x *dcatWriter) rights() error {
	scheme := mobility + "conditions-for-access-and-usage"
	kind := scheme + "/contractual-arrangement"
	if err := x.concept(kind, "Contractual arrangement", scheme, "Conditions for access and usage"); err != nil {
		return err
	}
	return x.once(newNode(x.at("rights"), "dct:RightsStatement").say("dct:type", iri(kind)).
		say("rdfs:label", literal("Data leave under an agreement, negotiated by the Dataspace Protocol at the access URL.", "en")))
}

// formats are those that the offers name, each once; where one names none, all.
func (x *dcatWriter) formats(rows []row) ([]hansa.Format, error) {
	var list []hansa.Format
	for i := range rows {
		p, err := policy.Parse([]byte(rows[i].policy))
		if err != nil {
			return nil, err
		}
		terms, err := p.Terms(time.Time{})
		if err != nil || len(terms.Formats) == 0 { // what the gate cannot hold to says no format either
			terms.Formats = x.p.Formats
		}
		for _, f := range terms.Formats {
			if !slices.Contains(list, f) {
				list = append(list, f)
			}
		}
	}
	slices.Sort(list)
	return list, nil
}
