package datex2_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/datex2"
)

// feed is a container of situations of two records each, made as it is read.
type feed struct {
	head, tail string
	left, n    int
	buf        []byte
}

func newFeed(size int) *feed {
	const head = `<?xml version="1.0" encoding="UTF-8"?><mc:messageContainer xmlns:mc="http://datex2.eu/schema/3/messageContainer" xmlns:ex="http://datex2.eu/schema/3/exchangeInformation" xmlns:com="http://datex2.eu/schema/3/common" xmlns:loc="http://datex2.eu/schema/3/locationReferencing" xmlns:sit="http://datex2.eu/schema/3/situation" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" modelBaseVersion="3"><mc:payload xsi:type="sit:SituationPublication" lang="nl" modelBaseVersion="3"><com:publicationTime>2026-03-01T08:00:00Z</com:publicationTime><com:publicationCreator><com:country>nl</com:country><com:nationalIdentifier>HGD</com:nationalIdentifier></com:publicationCreator>`
	return &feed{head: head, tail: `</mc:payload></mc:messageContainer>`, left: size, buf: []byte(head)}
}

func (f *feed) Read(p []byte) (int, error) {
	if len(f.buf) == 0 {
		switch {
		case f.left > 0:
			f.buf = f.situation(f.buf[:0])
		case f.tail != "":
			f.buf, f.tail = append(f.buf, f.tail...), ""
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, f.buf)
	f.buf = f.buf[n:]
	f.left -= n
	return n, nil
}

func (f *feed) situation(b []byte) []byte {
	f.n++
	b = fmt.Appendf(b, `<sit:situation id="S%d"><sit:overallSeverity>medium</sit:overallSeverity><sit:situationVersionTime>2026-02-27T07:10:18Z</sit:situationVersionTime><sit:headerInformation><com:confidentiality>noRestriction</com:confidentiality><com:informationStatus>real</com:informationStatus></sit:headerInformation>`, f.n)
	for i := range 2 {
		b = fmt.Appendf(b, `<sit:situationRecord xsi:type="sit:RoadOrCarriagewayOrLaneManagement" id="S%d-R%d" version="8">`, f.n, i)
		b = append(b, recordBody...)
	}
	return append(b, `</sit:situation>`...)
}

var recordBody = `<sit:situationRecordCreationReference>HGD_M1162215_CLOSED_LANES</sit:situationRecordCreationReference><sit:situationRecordCreationTime>2026-02-03T08:12:54Z</sit:situationRecordCreationTime><sit:situationRecordVersionTime>2026-02-27T07:10:18Z</sit:situationRecordVersionTime><sit:probabilityOfOccurrence>certain</sit:probabilityOfOccurrence><sit:source><com:sourceName><com:values><com:value lang="nl">Wegbeheer Hoogdam Noord</com:value></com:values></com:sourceName></sit:source><sit:validity><com:validityStatus>definedByValidityTimeSpec</com:validityStatus><com:validityTimeSpecification><com:overallStartTime>2026-02-03T10:25:45Z</com:overallStartTime><com:overallEndTime>2026-12-01T11:00:00Z</com:overallEndTime></com:validityTimeSpecification></sit:validity><sit:impact><sit:numberOfLanesRestricted>1</sit:numberOfLanesRestricted><sit:numberOfOperationalLanes>1</sit:numberOfOperationalLanes></sit:impact><sit:cause><sit:causeType>roadMaintenance</sit:causeType></sit:cause><sit:generalPublicComment><sit:comment><com:values><com:value lang="nl">Een rijstrook dicht wegens werk aan de voegovergangen</com:value></com:values></sit:comment></sit:generalPublicComment><sit:locationReference xsi:type="loc:ItineraryByIndexedLocations"><loc:locationContainedInItinerary index="0"><loc:location xsi:type="loc:LinearLocation"><loc:supplementaryPositionalDescription><loc:carriageway><loc:carriageway>mainCarriageway</loc:carriageway><loc:originalNumberOfLanes>2</loc:originalNumberOfLanes></loc:carriageway></loc:supplementaryPositionalDescription><loc:gmlLineString srsName="WGS 84"><loc:posList>` +
	strings.Repeat("52.693642 6.207613 52.690925 6.206688 52.690179 6.206387 52.689628 6.206127 52.689026 6.205792 ", 4) +
	`52.678353 6.193356</loc:posList></loc:gmlLineString></loc:location></loc:locationContainedInItinerary><loc:locationContainedInItinerary index="1"><loc:location xsi:type="loc:SingleRoadLinearLocation"><loc:supplementaryPositionalDescription><loc:carriageway><loc:carriageway>mainCarriageway</loc:carriageway></loc:carriageway></loc:supplementaryPositionalDescription><loc:alertCLinear xsi:type="loc:AlertCMethod4Linear"><loc:alertCLocationCountryCode>8</loc:alertCLocationCountryCode><loc:alertCLocationTableNumber>6.13</loc:alertCLocationTableNumber><loc:alertCLocationTableVersion>A</loc:alertCLocationTableVersion><loc:alertCDirection><loc:alertCDirectionCoded>negative</loc:alertCDirectionCoded><loc:alertCAffectedDirection>aligned</loc:alertCAffectedDirection></loc:alertCDirection><loc:alertCMethod4PrimaryPointLocation><loc:alertCLocation><loc:specificLocation>8802</loc:specificLocation></loc:alertCLocation><loc:offsetDistance><loc:offsetDistance>500</loc:offsetDistance></loc:offsetDistance></loc:alertCMethod4PrimaryPointLocation><loc:alertCMethod4SecondaryPointLocation><loc:alertCLocation><loc:specificLocation>8803</loc:specificLocation></loc:alertCLocation><loc:offsetDistance><loc:offsetDistance>400</loc:offsetDistance></loc:offsetDistance></loc:alertCMethod4SecondaryPointLocation></loc:alertCLinear></loc:location></loc:locationContainedInItinerary></sit:locationReference><sit:operatorActionStatus>implemented</sit:operatorActionStatus><sit:complianceOption>mandatory</sit:complianceOption><sit:roadOrCarriagewayOrLaneManagementType>laneClosures</sit:roadOrCarriagewayOrLaneManagementType></sit:situationRecord>`

// BenchmarkRead reads a generated feed into records; the figure to reach is 150
// MB/s on one core.
func BenchmarkRead(b *testing.B) {
	doc, err := io.ReadAll(newFeed(20 << 20))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for i, err := range datex2.Codec().Reader.Read(bytes.NewReader(doc), format.Input{Now: now}) {
			if err != nil || i.Record == nil {
				b.Fatal(i.Refused, err)
			}
			n++
		}
		b.ReportMetric(float64(n), "records")
	}
}

// BenchmarkScan reads the same feed into tokens alone.
func BenchmarkScan(b *testing.B) {
	doc, err := io.ReadAll(newFeed(20 << 20))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		s := format.NewXMLScanner(bytes.NewReader(doc))
		for {
			if _, err := s.Next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// A feed of 171 MB is read in the memory of a few records.
func TestMemoryIsBounded(t *testing.T) {
	const limit = 64 << 20
	size := 171 << 20
	if testing.Short() {
		size = 32 << 20
	}
	f := newFeed(size)
	var most uint64
	n := 0
	for i, err := range datex2.Codec().Reader.Read(f, format.Input{Now: now}) {
		if err != nil || i.Record == nil {
			t.Fatal(i.Refused, err)
		}
		if n++; n%5000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse+m.StackInuse)
		}
	}
	if n < 5000 {
		t.Fatalf("%d records: too few to look at what is in use", n)
	}
	t.Logf("%d records, at most %d MiB in use", n, most>>20)
	if most > limit {
		t.Errorf("%d MiB in use, want at most %d", most>>20, limit>>20)
	}
}
