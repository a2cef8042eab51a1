package datex2

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// recordsMax is how many records one document may have.
const recordsMax = 1 << 20

// writer writes DATEX II v3 within what its minors share.
type writer struct {
	container bool
}

const namespaces = ` xmlns:com="http://datex2.eu/schema/3/common" xmlns:loc="http://datex2.eu/schema/3/locationReferencing"` +
	` xmlns:sit="http://datex2.eu/schema/3/situation" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`

// spaceLife is the namespace of the one extension that is written: that a record
// has ended or is withdrawn, which version 3 has no element for.
const spaceLife = "https://hansa-exchange.org/ns/datex2/1"

// Write implements [format.Writer]. Records of one incident become one situation
// element, where the first of them stood.
func (c writer) Write(w io.Writer, doc format.Doc, records iter.Seq[*hansa.Record]) ([]hansa.Loss, error) {
	groups, losses, err := group(doc, records)
	if err != nil {
		return losses, err
	}
	b, done := format.BufferedWriter(w)
	defer done()
	e := &encoder{lang: language(doc)}
	c.head(e, doc)
	var over []*hansa.Record
	for _, g := range groups {
		g.encode(e, doc)
		for _, p := range g.plans {
			if !p.r.Situation.Lifecycle.Live() {
				over = append(over, p.r)
			}
		}
		if _, err := b.Write(e.b); err != nil {
			return losses, fmt.Errorf("write DATEX II: %w", err)
		}
		e.b = e.b[:0]
	}
	c.foot(e, doc, over)
	if _, err := b.Write(e.b); err != nil {
		return losses, fmt.Errorf("write DATEX II: %w", err)
	}
	if err := b.Flush(); err != nil {
		return losses, fmt.Errorf("write DATEX II: %w", err)
	}
	return losses, nil
}

// Losses implements [format.Writer]. A recurring window is taken to be in the
// zone of the document.
func (writer) Losses(r *hansa.Record) []hansa.Loss {
	doc := format.Doc{Made: r.Updated, Zone: time.UTC}
	if r.Situation != nil {
		for _, c := range r.Situation.Recurrence {
			if l, err := time.LoadLocation(c.Zone); err == nil && !fixed(c.Zone) {
				doc.Zone = l
				break
			}
		}
	}
	p, losses := newPlan(r, doc)
	if p == nil {
		return losses
	}
	return format.Capped(append(losses, p.losses(doc)...))
}

// collection is a situation element: the records of one incident and one mode.
type collection struct {
	id    string
	mode  hansa.Mode
	plans []*plan
}

// group plans all records and puts those of one incident together.
func group(doc format.Doc, records iter.Seq[*hansa.Record]) ([]*collection, []hansa.Loss, error) {
	type key struct {
		id   string
		mode hansa.Mode
	}
	var groups []*collection
	var losses []hansa.Loss
	at, seen, taken, n := map[key]*collection{}, map[key]bool{}, map[string]bool{}, 0
	for r := range records {
		if n++; n > recordsMax {
			return nil, losses, hansa.Errorf(hansa.Busy, "a document has at most %d records", recordsMax)
		}
		p, lost := newPlan(r, doc)
		if p == nil {
			losses = append(losses, lost...)
			continue
		}
		twice := key{id: fmt.Sprint(r.ID, " ", r.Version)}
		if seen[twice] {
			losses = append(losses, refuse(r, "/id", r.ID, "a record with this id and version is already in the document"))
			continue
		}
		seen[twice] = true
		losses = append(losses, format.Capped(append(lost, p.losses(doc)...))...)
		k := key{p.incident, modeOf(r.Mode)}
		g := at[k]
		if g == nil {
			g = &collection{id: k.id, mode: k.mode}
			if taken[g.id] { // one incident, another mode: a situation has one
				g.id += "-" + string(k.mode)
			}
			taken[g.id] = true
			at[k] = g
			groups = append(groups, g)
		}
		g.plans = append(g.plans, p)
	}
	return groups, losses, nil
}

func modeOf(m hansa.Mode) hansa.Mode {
	if m == "" {
		return hansa.Real
	}
	return m
}

func language(doc format.Doc) string {
	if isLang(doc.Lang) {
		return doc.Lang
	}
	return "en"
}

// head writes everything before the first situation.
func (c writer) head(e *encoder, doc format.Doc) {
	e.b = append(e.b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"...)
	kind := ` xsi:type="sit:SituationPublication" lang="` + e.lang + `" modelBaseVersion="3">`
	if c.container {
		e.b = append(e.b, `<mc:messageContainer xmlns:mc="http://datex2.eu/schema/3/messageContainer"`+
			` xmlns:ex="http://datex2.eu/schema/3/exchangeInformation" xmlns:inf="http://datex2.eu/schema/3/informationManagement"`+
			namespaces+` modelBaseVersion="3">`...)
		e.open = append(e.open, "mc:messageContainer")
		e.line()
		e.b = append(e.b, "<mc:payload"+kind...)
		e.open = append(e.open, "mc:payload")
	} else {
		e.b = append(e.b, `<d2:payload xmlns:d2="http://datex2.eu/schema/3/d2Payload"`+namespaces+kind...)
		e.open = append(e.open, "d2:payload")
	}
	e.leaf("com:publicationTime", doc.Made.UTC().Format(time.RFC3339Nano))
	e.begin("com:publicationCreator")
	identify(e, doc)
	e.end()
}

// identify writes who publishes.
func identify(e *encoder, doc format.Doc) {
	country := doc.Country
	if len(country) != 2 {
		country = "eu"
	}
	e.leaf("com:country", country)
	id := said(string(doc.Party))
	if id == "" {
		id = said(doc.Publisher)
	}
	if id == "" {
		id = "unknown"
	}
	e.leaf("com:nationalIdentifier", id)
}

// foot closes the publication, and in a container says how it was exchanged and
// which records are over.
func (c writer) foot(e *encoder, doc format.Doc, over []*hansa.Record) {
	e.end()
	if !c.container {
		e.b = append(e.b, '\n')
		return
	}
	e.begin("mc:exchangeInformation", "modelBaseVersion", "3")
	e.begin("ex:exchangeContext")
	e.leaf("ex:codedExchangeProtocol", "snapshotPull")
	e.leaf("ex:exchangeSpecificationVersion", "3")
	e.begin("ex:supplierOrCisRequester")
	e.begin("ex:internationalIdentifier")
	identify(e, doc)
	e.end()
	e.end()
	e.end()
	e.begin("ex:dynamicInformation")
	e.leaf("ex:exchangeStatus", "online")
	e.leaf("ex:messageGenerationTimestamp", doc.Made.UTC().Format(time.RFC3339Nano))
	e.end()
	e.end()
	if len(over) > 0 {
		e.begin("mc:informationManagement")
		e.begin("inf:informationManagedResourceList")
		for _, r := range over {
			status := "closed"
			if r.Situation.Lifecycle == hansa.Cancelled {
				status = "cancelled"
			}
			e.begin("inf:elementReference")
			e.leaf("inf:managementStatus", status)
			e.start("inf:versionedReference", []string{"id", r.ID, "version", fmt.Sprint(r.Version)})
			e.b = append(e.b, "/>"...)
			e.end()
		}
		e.end()
		e.end()
	}
	e.end()
	e.b = append(e.b, '\n')
}

// encode writes a situation.
func (g *collection) encode(e *encoder, doc format.Doc) {
	e.begin("sit:situation", "id", g.id)
	e.begin("sit:headerInformation")
	status := "real"
	switch g.mode {
	case hansa.Test:
		status = "test"
	case hansa.Exercise:
		status = "technicalExercise"
	case hansa.Real:
	default:
		status = "test" // a mode that we do not know is not meant for the public
	}
	e.leaf("com:informationStatus", status)
	e.end()
	for _, p := range g.plans {
		p.encode(e, doc)
	}
	e.end()
}

// again writes p alone and reads it back.
func (p *plan) again(doc format.Doc) *hansa.Record {
	e := &encoder{lang: language(doc)}
	writer{}.head(e, doc)
	g := collection{id: p.incident, mode: modeOf(p.r.Mode), plans: []*plan{p}}
	g.encode(e, doc)
	writer{}.foot(e, doc, nil)
	in := format.Input{Zone: doc.Zone, Lang: doc.Lang, Now: doc.Made}
	for item, err := range (reader{Name}).Read(strings.NewReader(string(e.b)), in) {
		if err == nil && item.Record != nil && item.Record.ID == p.r.ID {
			return item.Record
		}
	}
	return nil
}
