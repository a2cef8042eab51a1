// Package cifs writes Waze's Closure and Incident Feed Specification, version 2, as
// XML and as JSON. ROAD_CLOSED takes a road out of everybody's route, so it is
// written only where nobody may pass in the direction that is given; what is less
// is written as less, or refused with the reason. The rules by which Waze accepts
// a closure are kept here, before it sees it.
package cifs

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// Rules are those of Waze's acceptance that are known in more than one reading.
type Rules struct {
	LengthMin float64 // metres; a shorter way is refused
	LengthMax float64 // metres; a longer one too
}

// Accepted are the rules of the acceptance process that has been written about.
var accepted = Rules{LengthMin: 35, LengthMax: 10_000}

// OpenEndDefault is how long Waze holds a closure without an end, from its start.
const OpenEndDefault = 14 * 24 * time.Hour

//go:embed cifs-json-2.json
var schema []byte

// Schema returns the JSON Schema (2020-12) of the JSON form. The caller owns the bytes.
func Schema() []byte { return bytes.Clone(schema) }

// XML writes the XML form with the usual rules.
func XML() format.Codec { return XMLWith(accepted) }

// JSON writes the JSON form with the usual rules.
func JSON() format.Codec { return JSONWith(accepted) }

// XMLWith writes the XML form.
func XMLWith(rules Rules) format.Codec {
	return format.Codec{
		Name: "cifs", Title: "Waze CIFS v2", MediaType: "application/xml", Ext: "xml",
		Kinds: []hansa.RecordKind{hansa.KindSituation}, Writer: writer{rules: rules},
	}
}

// JSONWith writes the JSON form.
func JSONWith(rules Rules) format.Codec {
	return format.Codec{
		Name: "cifs-json", Title: "Waze CIFS v2, JSON", MediaType: "application/json", Ext: "json",
		Kinds: []hansa.RecordKind{hansa.KindSituation}, Writer: writer{rules: rules, json: true},
	}
}

// writer writes either form.
type writer struct {
	rules Rules
	json  bool
}

var _ format.Writer = writer{}

func (x writer) Write(w io.Writer, doc format.Doc, records iter.Seq[*hansa.Record]) ([]hansa.Loss, error) {
	bw, done := format.BufferedWriter(w)
	defer done()
	begin, sep, end := "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<incidents", "\n", "\n</incidents>\n"
	switch {
	case x.json:
		begin, end = `{"incidents":[`, "\n]}\n"
	case doc.Made.IsZero():
		begin += ">"
	default:
		begin += ` timestamp="` + stamp(doc.Made, doc.Zone) + `">`
	}
	_, _ = bw.WriteString(begin) // a bufio.Writer keeps its error for Flush
	var losses []hansa.Loss
	for r := range records {
		incidents, lost := x.plan(r, doc)
		losses = doc.Tell(losses, lost)
		for i := range incidents {
			b, err := x.encode(&incidents[i])
			if err != nil {
				return losses, fmt.Errorf("write incident %s: %w", r.ID, err)
			}
			_, _ = bw.WriteString(sep)
			_, _ = bw.Write(b)
			if x.json {
				sep = ",\n"
			}
		}
	}
	_, _ = bw.WriteString(end)
	if err := bw.Flush(); err != nil {
		return losses, fmt.Errorf("write incidents: %w", err)
	}
	return losses, nil
}

// Losses reports what Write would lose of r in a document that is made before r
// ends, in no language before another.
func (x writer) Losses(r *hansa.Record) []hansa.Loss {
	_, losses := x.plan(r, format.Doc{})
	return losses
}

func (x writer) encode(i *incident) ([]byte, error) {
	if !x.json {
		return xml.Marshal(i)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(i); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// incident is one element of the feed, in both forms.
type incident struct {
	XMLName     xml.Name  `xml:"incident" json:"-"`
	ID          string    `xml:"id,attr" json:"id"`
	Parent      *parent   `xml:"parent_event" json:"parent_event,omitempty"`
	Created     string    `xml:"creationtime,omitempty" json:"creationtime,omitempty"`
	Updated     string    `xml:"updatetime,omitempty" json:"updatetime,omitempty"`
	Source      *source   `xml:"source" json:"source,omitempty"`
	Type        string    `xml:"type" json:"type"`
	Subtype     string    `xml:"subtype,omitempty" json:"subtype,omitempty"`
	Description string    `xml:"description" json:"description"`
	Street      string    `xml:"street" json:"street"`
	Polyline    string    `xml:"polyline" json:"polyline"`
	Direction   string    `xml:"direction,omitempty" json:"direction,omitempty"`
	LaneImpact  *impact   `xml:"lane_impact" json:"lane_impact,omitempty"`
	Lanes       *lanes    `xml:"lanes" json:"lanes,omitempty"`
	Start       string    `xml:"starttime" json:"starttime"`
	End         string    `xml:"endtime,omitempty" json:"endtime,omitempty"`
	Schedule    *schedule `xml:"schedule" json:"schedule,omitempty"`
}

type parent struct {
	ID string `xml:"id,attr" json:"id"`
}

type source struct {
	Reference string `xml:"reference" json:"reference"`
	Name      string `xml:"name,omitempty" json:"name,omitempty"`
}

// impact tells of closed lanes when not all lanes are known.
type impact struct {
	Closed int    `xml:"total_closed_lanes" json:"total_closed_lanes"`
	Side   string `xml:"roadside" json:"roadside"`
}

// lanes tells of all lanes.
type lanes struct {
	Lane []lane `xml:"lane" json:"lane"`
}

type lane struct {
	Order  int    `xml:"order" json:"order"`
	Type   string `xml:"type" json:"type"`
	Status string `xml:"status" json:"status"`
}

// stamp writes a time to the second with its offset, in zone where one is given.
func stamp(t time.Time, zone *time.Location) string {
	if zone != nil {
		t = t.In(zone)
	}
	return t.Format("2006-01-02T15:04:05-07:00")
}
