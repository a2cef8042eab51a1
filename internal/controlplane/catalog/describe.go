package catalog

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// The vocabularies of the EU that catalogues point into.
const (
	mobility  = "https://w3id.org/mobilitydcat-ap/"
	authority = "http://publications.europa.eu/resource/authority/"
	nutsCode  = "http://data.europa.eu/nuts/code/"
	hvdLaw    = "http://data.europa.eu/eli/reg_impl/2023/138/oj"
	xsd       = "http://www.w3.org/2001/XMLSchema#"
	vcard     = "http://www.w3.org/2006/vcard/ns#"
)

// highValue is the category of a high-value dataset in the EU's vocabulary (DCAT-AP
// HVD 3.0, property hvdCategory).
var highValue = map[string]string{
	"geospatial": "http://data.europa.eu/bna/c_ac64a52d", "earth-observation": "http://data.europa.eu/bna/c_dd313021",
	"meteorological": "http://data.europa.eu/bna/c_164e0bf5", "statistics": "http://data.europa.eu/bna/c_e1da4e07",
	"companies": "http://data.europa.eu/bna/c_a9135398", "mobility": "http://data.europa.eu/bna/c_b79e35eb",
}

// frequencies are the steps of the EU's table of frequencies, the shortest first.
var frequencies = []struct {
	most time.Duration
	code string
}{
	{time.Minute, "1MIN"},
	{5 * time.Minute, "5MIN"},
	{10 * time.Minute, "10MIN"},
	{15 * time.Minute, "15MIN"},
	{30 * time.Minute, "30MIN"},
	{time.Hour, "HOURLY"},
	{12 * time.Hour, "12HRS"},
	{24 * time.Hour, "DAILY"},
	{7 * 24 * time.Hour, "WEEKLY"},
	{31 * 24 * time.Hour, "MONTHLY"},
	{366 * 24 * time.Hour, "ANNUAL"},
}

// frequency is the slowest step of the table that keeps the promise; what changes
// when it happens, without a promise, is continuous.
func frequency(promise hansa.Duration) string {
	if promise == 0 {
		return authority + "frequency/UPDATE_CONT"
	}
	for _, f := range frequencies {
		if promise.Std() <= f.most {
			return authority + "frequency/" + f.code
		}
	}
	return authority + "frequency/IRREG"
}

// themes are the terms that stand for a dataset.
func themes(d *hansa.Dataset) []string {
	if len(d.Themes) > 0 {
		return d.Themes
	}
	switch d.Kind {
	case hansa.KindSituation:
		return []string{"road-events-and-conditions"}
	case hansa.KindObservation:
		return []string{"real-time-traffic-data"}
	case hansa.KindDocument:
		return []string{"other"}
	}
	return []string{"other"}
}

// area is the IRI of an area; empty for none.
func area(coverage string) string {
	if coverage == "" || strings.Contains(coverage, ":") {
		return coverage
	}
	return nutsCode + coverage
}

// licences are those whose IRI is not that of the SPDX list.
var licences = map[string]string{
	"CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/", "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
	"CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
}

// licence is the IRI of a licence; empty for words of one's own.
func licence(s string) string {
	if at, ok := licences[s]; ok {
		return at
	}
	if u, err := url.Parse(s); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
		return s
	}
	if s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-+") == "" {
		return "https://spdx.org/licenses/" + s
	}
	return ""
}

// texts puts words into the order of their languages; without any, fallback
// stands in.
func texts(byLang map[string]string, fallback string) Many[Text] {
	out := make(Many[Text], 0, len(byLang))
	for lang, s := range byLang {
		if s != "" {
			out = append(out, Text{Lang: lang, Value: s})
		}
	}
	slices.SortFunc(out, func(a, b Text) int { return strings.Compare(a.Lang, b.Lang) })
	if len(out) == 0 && fallback != "" {
		out = append(out, Text{Lang: "en", Value: fallback})
	}
	return out
}

// xsdDuration writes d as xsd:duration.
func xsdDuration(d hansa.Duration) *Typed {
	if d == 0 {
		return nil
	}
	return &Typed{Type: xsd + "duration", Value: "PT" + strconv.FormatFloat(d.Std().Seconds(), 'f', -1, 64) + "S"}
}

// describe says of a dataset what a catalogue says, offers and distributions
// excepted.
func describe(d *hansa.Dataset) WireDataset {
	w := WireDataset{
		ID: string(d.ID), Type: "Dataset", Title: texts(d.Title, d.Name), Description: texts(d.Description, ""), Licence: Ref(licence(d.Licence)), Holder: Term(d.Holder),
		Periodicity: Ref(frequency(d.Update)), Spatial: Ref(area(d.Coverage)), HighValue: Ref(highValue[d.HighValue]), Update: xsdDuration(d.Update),
	}
	if w.Licence == "" && d.Licence != "" {
		w.Rights = Many[Text]{{Value: d.Licence}}
	}
	if w.HighValue != "" {
		w.Legislation = hvdLaw
	}
	for _, t := range themes(d) {
		w.Theme = append(w.Theme, Ref(mobility+"mobility-theme/"+t))
	}
	if d.Contact != "" {
		w.Contact = &WireKind{Type: vcard + "Kind", Name: d.Holder, Email: Ref("mailto:" + d.Contact)}
		if w.Contact.Name == "" {
			w.Contact.Name = d.Contact
		}
	}
	return w
}
