// Package wzdx writes the Work Zone Data Exchange, version 4.2: work zones and
// detours as GeoJSON. What is closed for another reason than works it refuses, for
// the format would call it works. What the format demands and the record lacks is
// invented only where the format can mark it as unverified, and always told.
package wzdx

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// Limits of what one record may become, and what is invented.
const (
	FeaturesMax = 500                 // of one record: occurrences, directions and lines
	OpenEnd     = 14 * 24 * time.Hour // how far ahead an end is put that nobody knows
)

// Licence is the only licence that a feed may name.
const Licence = "https://creativecommons.org/publicdomain/zero/1.0/"

// Codec writes work zone feeds.
func Codec() format.Codec {
	return format.Codec{
		Name: "wzdx", Title: "WZDx 4.2", MediaType: "application/geo+json", Ext: "geojson",
		Kinds: []hansa.RecordKind{hansa.KindSituation}, Writer: writer{},
	}
}

type writer struct{}

var _ format.Writer = writer{}

// feedInfo says who publishes.
type feedInfo struct {
	Publisher       string       `json:"publisher"`
	Version         string       `json:"version"`
	License         string       `json:"license,omitempty"`
	UpdateDate      string       `json:"update_date"`
	UpdateFrequency int64        `json:"update_frequency,omitempty"`
	ContactName     string       `json:"contact_name,omitempty"`
	ContactEmail    string       `json:"contact_email,omitempty"`
	DataSources     []dataSource `json:"data_sources"`
}

type dataSource struct {
	ID   string `json:"data_source_id"`
	Name string `json:"organization_name"`
}

func (writer) Write(w io.Writer, doc format.Doc, records iter.Seq[*hansa.Record]) ([]hansa.Loss, error) {
	info, losses := head(doc)
	b, err := json.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("write feed_info: %w", err)
	}
	bw, done := format.BufferedWriter(w)
	defer done()
	_, _ = fmt.Fprintf(bw, `{"feed_info":%s,"type":"FeatureCollection","features":[`, b) // a bufio.Writer keeps its error for Flush
	sep := "\n"
	for r := range records {
		features, lost := plan(r, doc)
		losses = doc.Tell(losses, lost)
		for i := range features {
			b, err := json.Marshal(&features[i])
			if err != nil {
				return losses, fmt.Errorf("write road event %s: %w", r.ID, err)
			}
			_, _ = bw.WriteString(sep)
			_, _ = bw.Write(b)
			sep = ",\n"
		}
	}
	_, _ = bw.WriteString("\n]}\n")
	if err := bw.Flush(); err != nil {
		return losses, fmt.Errorf("write road events: %w", err)
	}
	return losses, nil
}

// Losses reports what Write would lose of r in a document that is made before r
// ends. The licence and attribution of a document are told by Write alone.
func (writer) Losses(r *hansa.Record) []hansa.Loss {
	_, losses := plan(r, format.Doc{})
	return losses
}

// sourceID returns the id of the one data source; every road event names it.
func sourceID(doc format.Doc) string {
	if doc.Party != "" {
		return string(doc.Party)
	}
	return "publisher"
}

// head makes feed_info, and says what it cannot say of doc.
func head(doc format.Doc) (feedInfo, []hansa.Loss) {
	name := doc.Publisher
	if name == "" {
		name = sourceID(doc)
	}
	info := feedInfo{
		Publisher: name, Version: "4.2", UpdateDate: utc(doc.Made), UpdateFrequency: int64(doc.Update / time.Second),
		DataSources: []dataSource{{ID: sourceID(doc), Name: name}},
	}
	if a, err := mail.ParseAddress(doc.Contact); err == nil && a.Address == doc.Contact {
		info.ContactEmail = doc.Contact
	} else {
		info.ContactName = doc.Contact
	}
	report := format.Report{}
	switch l := doc.Label.Licence; {
	case cc0(l):
		info.License = Licence
	case l != "":
		report.Add(hansa.LossNotExpressible, "/label/licence", l, "WZDx can name no licence but CC0: it is left out and still holds")
	}
	if doc.Label.Attribution != "" {
		report.Add(hansa.LossNotExpressible, "/label/attribution", doc.Label.Attribution, "WZDx has no word for it; it still holds")
	}
	return info, report.Losses()
}

func cc0(licence string) bool {
	l := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(licence), "https://"), "http://"), "/")
	return slices.Contains([]string{"cc0", "cc0-1.0", "creativecommons.org/publicdomain/zero/1.0"}, l)
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
