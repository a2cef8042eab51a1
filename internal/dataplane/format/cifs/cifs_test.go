package cifs_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/cifs"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/formattest"
)

// closure returns the works in the IJtunnel on one night.
func closure() *hansa.Record {
	zone := time.FixedZone("", 3600)
	start, end := time.Date(2026, 3, 2, 23, 0, 0, 0, zone), time.Date(2026, 3, 3, 5, 0, 0, 0, zone)
	return &hansa.Record{
		Kind: hansa.KindSituation, ID: "AMS-S-1-R1",
		Situation: &hansa.Situation{
			Lifecycle: hansa.Active, Effect: hansa.DirectionClosed, Direction: hansa.OneDirection,
			Cause: hansa.Cause{Type: "roadworks"}, Start: &start, End: &end,
			Geometry: hansa.Line(hansa.Position{4.9119, 52.3745}, hansa.Position{4.9131, 52.379}, hansa.Position{4.9142, 52.3832}),
			Road:     hansa.Road{Name: "IJtunnel"},
			Texts:    []hansa.Text{{Lang: "en", Value: "IJtunnel northbound closed for maintenance"}},
		},
	}
}

func write(t testing.TB, c format.Codec, doc format.Doc, rs ...*hansa.Record) (string, []hansa.Loss) {
	t.Helper()
	var b bytes.Buffer
	losses, err := c.Writer.Write(&b, doc, slices.Values(rs))
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), losses
}

// incident is what a receiver reads of the JSON form.
type incident struct {
	ID, Type, Subtype, Description, Street, Polyline, Direction, StartTime, EndTime string
	Schedule                                                                        map[string]string
	LaneImpact                                                                      struct {
		Closed int    `json:"total_closed_lanes"`
		Side   string `json:"roadside"`
	} `json:"lane_impact"`
	Lanes struct {
		Lane []struct {
			Order  int
			Status string
		}
	}
	Parent struct{ ID string } `json:"parent_event"`
	Source struct{ Reference, Name string }
}

func incidents(t testing.TB, doc format.Doc, rs ...*hansa.Record) ([]incident, []hansa.Loss) {
	t.Helper()
	s, losses := write(t, cifs.JSON(), doc, rs...)
	var d struct{ Incidents []incident }
	if err := json.Unmarshal([]byte(s), &d); err != nil {
		t.Fatal(err)
	}
	return d.Incidents, losses
}

func TestWritten(t *testing.T) {
	got, losses := write(t, cifs.JSON(), format.Doc{}, closure())
	want := `{"incidents":[
{"id":"AMS-S-1-R1","type":"ROAD_CLOSED","subtype":"ROAD_CLOSED_CONSTRUCTION","description":"IJtunnel northbound closed for maintenance","street":"IJtunnel","polyline":"52.374500 4.911900 52.379000 4.913100 52.383200 4.914200","direction":"ONE_DIRECTION","starttime":"2026-03-02T23:00:00+01:00","endtime":"2026-03-03T05:00:00+01:00"}
]}
`
	if got != want || len(losses) != 0 {
		t.Errorf("got %s, want %s; losses %v", got, want, losses)
	}
	got, _ = write(t, cifs.XML(), format.Doc{Made: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}, closure())
	want = `<?xml version="1.0" encoding="UTF-8"?>
<incidents timestamp="2026-03-02T12:00:00+00:00">
<incident id="AMS-S-1-R1"><type>ROAD_CLOSED</type><subtype>ROAD_CLOSED_CONSTRUCTION</subtype><description>IJtunnel northbound closed for maintenance</description><street>IJtunnel</street><polyline>52.374500 4.911900 52.379000 4.913100 52.383200 4.914200</polyline><direction>ONE_DIRECTION</direction><starttime>2026-03-02T23:00:00+01:00</starttime><endtime>2026-03-03T05:00:00+01:00</endtime></incident>
</incidents>
`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAcceptance is Waze's acceptance, case by case.
func TestAcceptance(t *testing.T) {
	long := hansa.Line(hansa.Position{4.9, 52.3}, hansa.Position{4.9, 52.4})
	for _, tc := range []struct {
		name   string
		change func(r *hansa.Record, s *hansa.Situation)
		field  string // of the refusal; empty when it is taken
		loss   string // a field and kind among the losses
	}{
		{"as it is", func(*hansa.Record, *hansa.Situation) {}, "", ""},
		{"a short id", func(r *hansa.Record, _ *hansa.Situation) { r.ID = "7" }, "/id", ""},
		{"one point twice", func(_ *hansa.Record, s *hansa.Situation) {
			s.Geometry = hansa.Line(hansa.Position{4.9, 52.3}, hansa.Position{4.9, 52.3})
		}, "/situation/geometry", ""},
		{"two points a millimetre apart", func(_ *hansa.Record, s *hansa.Situation) {
			s.Geometry = hansa.Line(hansa.Position{4.9, 52.3}, hansa.Position{4.90000001, 52.3})
		}, "/situation/geometry", ""},
		{"30 m", func(_ *hansa.Record, s *hansa.Situation) {
			s.Geometry = hansa.Line(hansa.Position{4.9, 52.3}, hansa.Position{4.9, 52.30027})
		}, "/situation/geometry", ""},
		{"11 km", func(_ *hansa.Record, s *hansa.Situation) { s.Geometry = long }, "/situation/geometry", ""},
		{"no street", func(_ *hansa.Record, s *hansa.Situation) { s.Road.Name = "" }, "/situation/road/name", ""},
		{"a street of one letter", func(_ *hansa.Record, s *hansa.Situation) { s.Road.Name = "A" }, "/situation/road/name", ""},
		{"a tunnel's name for want of a street's", func(_ *hansa.Record, s *hansa.Situation) { s.Road.Name, s.Infra.Name = "", "IJtunnel" }, "", ""},
		{"a whole address", func(_ *hansa.Record, s *hansa.Situation) { s.Road.Name = "Rue du Taur, 31000 Toulouse" }, "", "/situation/road/name not-expressible"},
		{"no text", func(_ *hansa.Record, s *hansa.Situation) { s.Texts = nil }, "", "/situation/texts invented"},
		{"internal text alone", func(_ *hansa.Record, s *hansa.Situation) { s.Texts[0].Kind = "internal" }, "", "/situation/texts invented"},
		{"two languages", func(_ *hansa.Record, s *hansa.Situation) {
			s.Texts = append(s.Texts, hansa.Text{Lang: "nl", Value: "Dicht"})
		}, "", "/situation/texts not-expressible"},
		{"an open end", func(_ *hansa.Record, s *hansa.Situation) { s.End = nil }, "", "/situation/end invented"},
		{"end and start swapped", func(_ *hansa.Record, s *hansa.Situation) { s.Start, s.End = s.End, s.Start }, "/situation/end", ""},
		{"no start", func(_ *hansa.Record, s *hansa.Situation) { s.Start = nil }, "/situation/start", ""},
		{"lines apart", func(_ *hansa.Record, s *hansa.Situation) {
			s.Geometry = &hansa.Geometry{Type: hansa.MultiLineString, Lines: [][]hansa.Position{{{4.9, 52.3}, {4.9, 52.31}}, {{4.91, 52.3}, {4.91, 52.31}}}}
		}, "", "/situation/geometry split"},
		{"lines apart, one too short", func(_ *hansa.Record, s *hansa.Situation) {
			s.Geometry = &hansa.Geometry{Type: hansa.MultiLineString, Lines: [][]hansa.Position{{{4.9, 52.3}, {4.9, 52.31}}, {{4.91, 52.3}, {4.91, 52.3001}}}}
		}, "/situation/geometry", ""},
		{"linear references", func(_ *hansa.Record, s *hansa.Situation) {
			s.LinearRefs = []hansa.LinearRef{{Kind: "openlr", Value: "x"}}
		}, "", "/situation/linearRefs not-expressible"},
		{"probable", func(_ *hansa.Record, s *hansa.Situation) { s.Certainty = hansa.Probable }, "", "/situation/certainty not-expressible"},
		{"an odd effect", func(_ *hansa.Record, s *hansa.Situation) { s.Effect = "" }, "/situation/effect", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := closure()
			tc.change(r, r.Situation)
			got, losses := incidents(t, format.Doc{}, r)
			if format.Refused(losses) != (tc.field != "") || (len(got) == 0) != (tc.field != "") {
				t.Fatalf("%d incidents, losses %v, want refused for %q", len(got), losses, tc.field)
			}
			if tc.field != "" && losses[0].Field != tc.field {
				t.Errorf("refused for %s, want %s", losses[0].Field, tc.field)
			}
			if tc.loss != "" && !slices.ContainsFunc(losses, func(l hansa.Loss) bool { return l.Field+" "+string(l.Kind) == tc.loss }) {
				t.Errorf("losses %v, want %s", losses, tc.loss)
			}
			if tc.loss == "" && tc.field == "" && len(losses) > 0 && tc.name == "as it is" {
				t.Errorf("losses %v, want none", losses)
			}
		})
	}
	t.Run("the lengths are a setting", func(t *testing.T) {
		r := closure()
		r.Situation.Geometry = long
		if losses := cifs.XMLWith(cifs.Rules{LengthMin: 30, LengthMax: 20_000}).Writer.Losses(r); format.Refused(losses) {
			t.Errorf("refused: %v", losses)
		}
	})
}

func TestSplitLines(t *testing.T) {
	r := closure()
	r.Situation.Geometry = &hansa.Geometry{Type: hansa.MultiLineString, Lines: [][]hansa.Position{
		{{4.9, 52.3}, {4.9, 52.31}}, {{4.9, 52.31}, {4.9, 52.32}}, {{4.91, 52.3}, {4.91, 52.31}},
	}}
	got, _ := incidents(t, format.Doc{}, r)
	if len(got) != 2 || got[0].ID != "AMS-S-1-R1" || got[1].ID != "AMS-S-1-R1-2" {
		t.Fatalf("got %+v, want two: lines that go on are one", got)
	}
	if want := "52.300000 4.900000 52.310000 4.900000 52.320000 4.900000"; got[0].Polyline != want {
		t.Errorf("polyline %s, want %s", got[0].Polyline, want)
	}
}

func TestTypes(t *testing.T) {
	for _, tc := range []struct {
		effect      hansa.Effect
		cause, want string
	}{
		{hansa.RoadClosed, "event", "ROAD_CLOSED ROAD_CLOSED_EVENT"},
		{hansa.RoadClosed, "publicEvent", "ROAD_CLOSED ROAD_CLOSED_EVENT"},
		{hansa.RoadClosed, "technical-fault", "ROAD_CLOSED ROAD_CLOSED_HAZARD"},
		{hansa.RoadClosed, "roadMaintenance", "ROAD_CLOSED ROAD_CLOSED_CONSTRUCTION"},
		{hansa.RoadClosed, "", "ROAD_CLOSED "},
		{hansa.LanesClosed, "roadworks", "HAZARD HAZARD_ON_ROAD_LANE_CLOSED"},
		{hansa.NoEffect, "accident", "ACCIDENT "},
		{hansa.NoEffect, "roadworks", "HAZARD HAZARD_ON_ROAD_CONSTRUCTION"},
	} {
		r := closure()
		r.Situation.Effect, r.Situation.Cause.Type = tc.effect, tc.cause
		got, losses := incidents(t, format.Doc{}, r)
		if len(got) != 1 || got[0].Type+" "+got[0].Subtype != tc.want {
			t.Errorf("%s by %q: %+v %v, want %s", tc.effect, tc.cause, got, losses, tc.want)
		}
	}
}

func TestLanes(t *testing.T) {
	lane := func(n, of int, closed bool) hansa.Lane { return hansa.Lane{Number: n, Of: of, Closed: closed} }
	for _, tc := range []struct {
		name, country string
		lanes         []hansa.Lane
		want          string
	}{
		{"all known", "nl", []hansa.Lane{lane(1, 2, true), lane(2, 2, false)}, "1 CLOSED 2 OPEN "},
		{"all known, driving on the left", "gb", []hansa.Lane{lane(1, 2, true), lane(2, 2, false)}, "1 OPEN 2 CLOSED "},
		{"the centre lane", "nl", []hansa.Lane{lane(1, 3, true)}, "1 LEFT"},
		{"the centre lane, driving on the left", "ie", []hansa.Lane{lane(1, 3, true)}, "1 RIGHT"},
		{"the outer lanes", "nl", []hansa.Lane{lane(3, 3, true), lane(2, 3, true)}, "2 RIGHT"},
		{"the middle", "nl", []hansa.Lane{lane(2, 3, true)}, "1 MIDDLE"},
		{"how many there are is not known", "nl", []hansa.Lane{lane(1, 0, true)}, "1 LEFT"},
		{"somewhere", "nl", []hansa.Lane{lane(2, 0, true)}, ""},
		{"both sides", "nl", []hansa.Lane{lane(1, 3, true), lane(3, 3, true)}, ""},
		{"no such lane", "nl", []hansa.Lane{lane(4, 3, true)}, ""},
		{"one twice", "nl", []hansa.Lane{lane(1, 2, true), lane(1, 2, false)}, ""},
		{"in disagreement", "nl", []hansa.Lane{lane(1, 2, true), lane(2, 3, false)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := closure()
			r.Provenance.Country = tc.country
			r.Situation.Effect, r.Situation.Lanes = hansa.LanesClosed, tc.lanes
			got, losses := incidents(t, format.Doc{}, r)
			if len(got) != 1 {
				t.Fatal(losses)
			}
			var said strings.Builder
			for _, l := range got[0].Lanes.Lane {
				said.WriteString(string(rune('0'+l.Order)) + " " + l.Status + " ")
			}
			if i := got[0].LaneImpact; i.Closed > 0 {
				said.WriteString(string(rune('0'+i.Closed)) + " " + i.Side)
			}
			if said.String() != tc.want {
				t.Errorf("got %q, want %q", said.String(), tc.want)
			}
			lost := slices.ContainsFunc(losses, func(l hansa.Loss) bool { return l.Field == "/situation/lanes" })
			if lost != (tc.want == "") {
				t.Errorf("lanes told as lost: %t; losses %v", lost, losses)
			}
		})
	}
}

func TestTheEndHasPassed(t *testing.T) {
	r := closure()
	made := r.Situation.End.Add(time.Hour)
	got, losses := incidents(t, format.Doc{Made: made}, r)
	if len(got) != 1 || got[0].EndTime != "" || len(losses) != 1 || losses[0].Kind != hansa.LossInvented {
		t.Errorf("a closure that overruns: %+v %v, want it without an end and told so", got, losses)
	}
	r.Situation.EndRule = hansa.EndAtPlannedEnd
	if got, losses := incidents(t, format.Doc{Made: made}, r); len(got) != 0 || !format.Refused(losses) {
		t.Errorf("a closure that ends by its rule: %+v %v, want it left out", got, losses)
	}
}

func TestWhoAndWhere(t *testing.T) {
	r := closure()
	r.Situation.Incident, r.Situation.Source = "AMS-S-1", hansa.Source{Org: "Gemeente Amsterdam", Ref: "WIOR 1"}
	early := r.Situation.Start.Add(-time.Hour)
	r.Situation.ActualStart = &early
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	got, losses := incidents(t, format.Doc{Zone: amsterdam}, r)
	if len(got) != 1 {
		t.Fatal(losses)
	}
	i := got[0]
	if i.Parent.ID != "AMS-S-1" || i.Source.Name != "Gemeente Amsterdam" || i.Source.Reference != "WIOR 1" {
		t.Errorf("parent %v, source %v", i.Parent, i.Source)
	}
	if i.StartTime != "2026-03-02T22:00:00+01:00" {
		t.Errorf("begins %s, want when it really began", i.StartTime)
	}
}

// validJSON returns a check against the JSON schema of the package.
func validJSON(t *testing.T) func(string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(cifs.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("cifs.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("cifs.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(in string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(in))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

func TestSchemaRefuses(t *testing.T) {
	valid := validJSON(t)
	good, _ := write(t, cifs.JSON(), format.Doc{}, closure())
	if err := valid(good); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"id":"AMS-S-1-R1"`, `"id":"A"`},
		{`,"direction":"ONE_DIRECTION"`, ``},
		{`+01:00`, ``},
		{`"type":"ROAD_CLOSED"`, `"type":"ROAD_CLOSED","lane_impact":{"total_closed_lanes":1,"roadside":"LEFT"}`},
		{`"street":"IJtunnel"`, `"street":"I"`},
		{`52.374500 4.911900 52.379000 4.913100 52.383200 4.914200`, `52.374500 4.911900`},
		{`"ROAD_CLOSED_CONSTRUCTION"`, `"HAZARD_ON_ROAD"`},
		{`"starttime"`, `"begins"`},
	} {
		if bad := strings.Replace(good, change[0], change[1], 1); bad == good || valid(bad) == nil {
			t.Errorf("the schema takes %s", bad)
		}
	}
}

// sample is what random records make, fit to be written more often than not.
func sample(t *rapid.T) []*hansa.Record {
	rs := rapid.SliceOfN(formattest.Situation(), 1, 5).Draw(t, "records")
	for _, r := range rs {
		if rapid.IntRange(0, 3).Draw(t, "fit") == 0 {
			continue
		}
		c := closure()
		r.Mode, r.Update, r.ID = "", hansa.Insert, "AMS-"+r.ID
		s := r.Situation
		s.Lifecycle, s.Certainty, s.EndRule, s.ActualEnd = hansa.Active, "", "", nil
		s.Start, s.ActualStart, s.Geometry, s.Road.Name = c.Situation.Start, nil, c.Situation.Geometry, c.Situation.Road.Name
		if s.End != nil && !s.End.After(*s.Start) {
			s.End = nil
		}
		for i := range s.Recurrence {
			s.Recurrence[i] = hansa.Recurrence{Zone: "Europe/Amsterdam", From: s.Recurrence[i].From, To: s.Recurrence[i].To, Days: s.Recurrence[i].Days, Night: s.Recurrence[i].Night}
		}
	}
	return rs
}

func TestJSONFitsItsSchema(t *testing.T) {
	valid := validJSON(t)
	written := 0
	rapid.Check(t, func(t *rapid.T) {
		rs := sample(t)
		var b bytes.Buffer
		losses, err := cifs.JSON().Writer.Write(&b, format.Doc{Publisher: "Amsterdam"}, slices.Values(rs))
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(b.String()); err != nil {
			t.Fatalf("%v\n%s", err, &b)
		}
		refused := 0
		for _, l := range losses {
			if l.Kind == hansa.LossRefused {
				refused++
			}
		}
		if n := strings.Count(b.String(), `"starttime"`); n+refused < len(rs) {
			t.Fatalf("%d incidents of %d records, %d refused: some vanished", n, len(rs), refused)
		}
		written += strings.Count(b.String(), `"starttime"`)
	})
	if written < 20 && !testing.Short() {
		t.Errorf("only %d incidents were written: the test proves little", written)
	}
}

// TestXMLFitsTheXSD asks xmllint about one large document.
func TestXMLFitsTheXSD(t *testing.T) {
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("no xmllint: install libxml2-utils to run this")
	}
	xsd := formattest.Shared(t, "schemas/cifs/cifsv2.xsd")
	var all []*hansa.Record
	rapid.Check(t, func(t *rapid.T) { all = append(all, sample(t)...) })
	lanes := closure()
	lanes.Situation.Effect, lanes.Situation.Lanes = hansa.LanesClosed, []hansa.Lane{{Number: 1, Closed: true, Of: 3}}
	var b bytes.Buffer
	if _, err := cifs.XML().Writer.Write(&b, format.Doc{Publisher: "Amsterdam & <co>", Made: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, slices.Values(append(all, closure(), lanes))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cifs.xml")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), lint, "--noout", "--nonet", "--schema", xsd, file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%.2000s", err, out)
	}
	if n := strings.Count(b.String(), "<incident "); n < 20 && !testing.Short() {
		t.Errorf("only %d incidents were written: the test proves little", n)
	}
	if err := xml.Unmarshal(b.Bytes(), new(struct{ XMLName xml.Name })); err != nil {
		t.Error(err)
	}
}

func TestTheSameBytes(t *testing.T) {
	for _, c := range []format.Codec{cifs.XML(), cifs.JSON()} {
		one, _ := write(t, c, format.Doc{}, closure())
		two, _ := write(t, c, format.Doc{}, closure())
		if one != two {
			t.Errorf("%s: two writes differ", c.Name)
		}
	}
}
