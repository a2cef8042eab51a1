package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// streamRecords is how many records the large input has, about 6 MB of them.
const streamRecords = 12_000

// held is how much the heap may grow between a tenth and nine tenths of a stream.
const held = 1 << 20

// endless writes records one by one, and looks at the live heap on its way.
type endless struct {
	line         func(i int) string
	head, tail   string
	i            int
	rest         *strings.Reader
	early, later uint64
}

func (e *endless) Read(b []byte) (int, error) {
	for e.rest == nil || e.rest.Len() == 0 {
		switch {
		case e.i > streamRecords+1:
			return 0, io.EOF
		case e.i == 0:
			e.rest = strings.NewReader(e.head)
		case e.i > streamRecords:
			e.rest = strings.NewReader(e.tail)
		default:
			e.rest = strings.NewReader(e.line(e.i))
		}
		switch e.i++; e.i {
		case streamRecords / 10:
			e.early = liveHeap()
		case streamRecords * 9 / 10:
			e.later = liveHeap()
		}
	}
	return e.rest.Read(b)
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func recordLine(i int) string {
	return fmt.Sprintf(`{"kind":"situation","id":"road-%d","version":1,"update":"insert","updated":"2026-11-23T10:00:00Z","situation":{"lifecycle":"active","effect":"road-closed","cause":{"type":"roadworks"},"start":"2026-11-23T10:00:00Z","endKind":"unknown","direction":"both","road":{"name":"Wallenweg"},"source":{"org":"Example City"},"texts":[{"text":"Closed for works.","lang":"en"}],"geometry":{"type":"LineString","coordinates":[[4.90001,52.37001],[4.91001,52.38001]]}}}`+"\n", i)
}

func situationLine(i int) string {
	return fmt.Sprintf(`<situation id="s%d" version="1"><headerInformation><informationStatus>real</informationStatus></headerInformation><situationRecord xsi:type="RoadOrCarriagewayOrLaneManagement" id="road-%d" version="1"><situationRecordCreationTime>2026-02-20T08:00:00Z</situationRecordCreationTime><situationRecordVersionTime>2026-03-01T08:00:00Z</situationRecordVersionTime><validity><validityStatus>active</validityStatus><validityTimeSpecification><overallStartTime>2026-03-02T22:00:00Z</overallStartTime></validityTimeSpecification></validity><roadOrCarriagewayOrLaneManagementType>roadClosed</roadOrCarriagewayOrLaneManagementType></situationRecord></situation>`+"\n", i, i)
}

// TestStreams holds lint and convert to a heap that does not grow with the input.
// It is not parallel: others would be counted. Its control is a report that keeps
// every record, and must be noticed.
func TestStreams(t *testing.T) {
	const head = `<d2LogicalModel xmlns="http://datex2.eu/schema/2/2_0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" modelBaseVersion="2"><payloadPublication xsi:type="SituationPublication" lang="nl"><publicationTime>2026-03-01T08:00:00Z</publicationTime>`
	for _, is := range []struct {
		args  string
		xml   bool
		grows bool
	}{
		{args: "lint - --as ndjson"},
		{args: "lint - --as datex2", xml: true},
		{args: "convert - --as ndjson --to ndjson"},
		{args: "convert - --as ndjson --to geojson"},
		{args: "convert - --as datex2 --to ndjson", xml: true},
		{args: "convert - --as ndjson --to cifs"},
		{args: "convert - --as ndjson --to wzdx"},
		{args: "lint - --as ndjson --json", grows: true},
	} {
		in := &endless{line: recordLine}
		if is.xml {
			in = &endless{line: situationLine, head: head, tail: `</payloadPublication></d2LogicalModel>`}
		}
		var says bytes.Buffer
		if got := run(context.Background(), strings.Fields(is.args), in, io.Discard, &says); got != exitDone && !is.grows {
			t.Errorf("hansa %s: got exit %d, want %d: %.300s", is.args, got, exitDone, says.String())
		}
		if in.i != streamRecords+2 {
			t.Errorf("hansa %s: it read %d records of %d", is.args, in.i, streamRecords)
		}
		grown := int64(in.later) - int64(in.early)
		t.Logf("hansa %s: the live heap grew by %d bytes", is.args, grown)
		if grows := grown > held; grows != is.grows {
			t.Errorf("hansa %s: over %d records the live heap grew by %d bytes; at most %d: got %v, want %v", is.args, streamRecords*8/10, grown, held, !grows, !is.grows)
		}
	}
}
