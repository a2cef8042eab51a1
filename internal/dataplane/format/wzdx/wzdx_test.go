package wzdx_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/formattest"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/wzdx"
)

var made = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func doc() format.Doc {
	return format.Doc{Publisher: "Gemeente Amsterdam", Country: "nl", Party: "did:web:amsterdam.example", Made: made, Update: 5 * time.Minute}
}

func works() *hansa.Record {
	zone := time.FixedZone("", 3600)
	start, end := time.Date(2026, 3, 2, 23, 0, 0, 0, zone), time.Date(2026, 3, 3, 5, 0, 0, 0, zone)
	return &hansa.Record{
		Kind: hansa.KindSituation, ID: "AMS-1", Created: made, Updated: made,
		Situation: &hansa.Situation{
			Lifecycle: hansa.Active, Effect: hansa.DirectionClosed, Direction: hansa.OneDirection,
			Cause: hansa.Cause{Type: "maintenance"}, Start: &start, End: &end,
			Geometry: hansa.Line(hansa.Position{4.9119, 52.3745}, hansa.Position{4.9142, 52.3832}),
			Road:     hansa.Road{Name: "IJtunnel", Number: "S116", From: "Valkenburgerstraat", To: "Nieuwe Leeuwarderweg"},
		},
	}
}

// feed is what a receiver reads.
type feed struct {
	Info struct {
		License     string
		DataSources []struct {
			ID string `json:"data_source_id"`
		} `json:"data_sources"`
		Frequency int    `json:"update_frequency"`
		Email     string `json:"contact_email"`
		Name      string `json:"contact_name"`
	} `json:"feed_info"`
	Features []struct {
		ID         string
		Geometry   hansa.Geometry
		Properties struct {
			Core struct {
				EventType string   `json:"event_type"`
				Source    string   `json:"data_source_id"`
				Roads     []string `json:"road_names"`
				Direction string
			} `json:"core_details"`
			Start         string `json:"start_date"`
			End           string `json:"end_date"`
			StartVerified bool   `json:"is_start_date_verified"`
			EndVerified   bool   `json:"is_end_date_verified"`
			From          string `json:"beginning_cross_street"`
			Impact        string `json:"vehicle_impact"`
			Lanes         []struct {
				Order  int
				Status string
			}
			Restrictions []struct {
				Type  string
				Value float64
				Unit  string
			}
		}
	}
}

func write(t testing.TB, doc format.Doc, rs ...*hansa.Record) (feed, []hansa.Loss) {
	t.Helper()
	var b bytes.Buffer
	losses, err := wzdx.Codec().Writer.Write(&b, doc, slices.Values(rs))
	if err != nil {
		t.Fatal(err)
	}
	var f feed
	if err := json.Unmarshal(b.Bytes(), &f); err != nil {
		t.Fatalf("%v\n%s", err, &b)
	}
	return f, losses
}

func has(losses []hansa.Loss, field string, kind hansa.LossKind) bool {
	return slices.ContainsFunc(losses, func(l hansa.Loss) bool { return l.Field == field && l.Kind == kind })
}

func TestWorks(t *testing.T) {
	f, losses := write(t, doc(), works())
	if len(f.Features) != 1 {
		t.Fatal(losses)
	}
	x := f.Features[0]
	p := x.Properties
	if x.ID != "AMS-1" || p.Core.EventType != "work-zone" || p.Impact != "all-lanes-closed" || p.Core.Direction != "northbound" {
		t.Errorf("got %+v", x)
	}
	if p.Start != "2026-03-02T22:00:00Z" || p.End != "2026-03-03T04:00:00Z" || p.StartVerified || p.EndVerified {
		t.Errorf("times are UTC and not verified: %+v", p)
	}
	if !slices.Equal(p.Core.Roads, []string{"IJtunnel", "S116"}) || p.Core.Source != f.Info.DataSources[0].ID || f.Info.Frequency != 300 {
		t.Errorf("got %+v, %+v", p.Core, f.Info)
	}
	if len(losses) != 1 || !has(losses, "/situation/direction", hansa.LossInvented) {
		t.Errorf("losses %v, want the point of the compass alone", losses)
	}
}

func TestBothDirectionsAreTwo(t *testing.T) {
	r := works()
	r.Situation.Effect, r.Situation.Direction = hansa.RoadClosed, ""
	f, losses := write(t, doc(), r)
	if len(f.Features) != 2 || !has(losses, "/situation/direction", hansa.LossSplit) {
		t.Fatalf("%d features, losses %v", len(f.Features), losses)
	}
	a, b := f.Features[0], f.Features[1]
	if a.ID == b.ID || a.Properties.Core.Direction != "northbound" || b.Properties.Core.Direction != "southbound" {
		t.Errorf("%s %s, %s %s", a.ID, a.Properties.Core.Direction, b.ID, b.Properties.Core.Direction)
	}
	if a.Geometry.Lines[0][0] != b.Geometry.Lines[0][1] || b.Properties.From != "Nieuwe Leeuwarderweg" {
		t.Error("the way back does not begin where the way there ends")
	}
}

func TestOpenEnds(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		end        *time.Time
		made       time.Time
	}{
		{"open, planned", "2026-03-16T22:00:00Z", nil, made},
		{"open, for a month", "2026-04-21T08:00:00Z", nil, made.AddDate(0, 1, 6)},
		{"overrun", "2026-03-17T08:00:00Z", works().Situation.End, made.AddDate(0, 0, 2)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, d := works(), doc()
			r.Situation.End, d.Made = tc.end, tc.made
			f, losses := write(t, d, r)
			if len(f.Features) != 1 || !has(losses, "/situation/end", hansa.LossInvented) {
				t.Fatalf("losses %v, want the end invented", losses)
			}
			if p := f.Features[0].Properties; p.End != tc.want || p.EndVerified {
				t.Errorf("ends %s, verified %t, want %s", p.End, p.EndVerified, tc.want)
			}
		})
	}
}

func TestOccurrences(t *testing.T) {
	month := func(rs ...hansa.Recurrence) *hansa.Record {
		r := works()
		end := r.Situation.Start.AddDate(0, 3, 0)
		r.Situation.End, r.Situation.Recurrence = &end, rs
		return r
	}
	nights := hansa.Recurrence{Zone: "Europe/Amsterdam", Days: []string{"sunday"}, Weeks: []int{1}, Night: true, From: "00:00", To: "05:00"}
	f, losses := write(t, doc(), month(nights))
	var got []string
	for _, x := range f.Features {
		got = append(got, x.ID+" "+x.Properties.Start+" "+x.Properties.End)
	}
	// The first Sunday of March was before the start; in April and May it is summer time.
	want := []string{"AMS-1-20260405T2200Z 2026-04-05T22:00:00Z 2026-04-06T03:00:00Z", "AMS-1-20260503T2200Z 2026-05-03T22:00:00Z 2026-05-04T03:00:00Z"}
	if !slices.Equal(got, want) || !has(losses, "/situation/recurrence", hansa.LossSplit) {
		t.Errorf("got %v, want %v; losses %v", got, want, losses)
	}
	t.Run("those that are over are left out", func(t *testing.T) {
		d := doc()
		d.Made = time.Date(2026, 4, 20, 0, 0, 0, 0, time.UTC)
		if f, _ := write(t, d, month(nights)); len(f.Features) != 1 {
			t.Errorf("%d features, want 1", len(f.Features))
		}
		d.Made = time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
		if f, losses := write(t, d, month(nights)); len(f.Features) != 0 || !format.Refused(losses) {
			t.Errorf("%d features, losses %v, want it refused", len(f.Features), losses)
		}
	})
	t.Run("without end", func(t *testing.T) {
		r := month(nights)
		r.Situation.End = nil
		if _, losses := write(t, doc(), r); !format.Refused(losses) {
			t.Errorf("losses %v, want it refused", losses)
		}
	})
	t.Run("too many", func(t *testing.T) {
		r := month(hansa.Recurrence{Zone: "Europe/Amsterdam", From: "01:00", To: "02:00"})
		end := r.Situation.Start.AddDate(2, 0, 0)
		r.Situation.End = &end
		if _, losses := write(t, doc(), r); !format.Refused(losses) {
			t.Errorf("losses %v, want it refused", losses)
		}
	})
	t.Run("windows that touch are one", func(t *testing.T) {
		r := month(hansa.Recurrence{Zone: "UTC", From: "00:00", To: "24:00", First: "2026-03-10", Last: "2026-03-12"})
		f, _ := write(t, doc(), r)
		if len(f.Features) != 1 || f.Features[0].Properties.End != "2026-03-13T00:00:00Z" {
			t.Errorf("got %+v, want one to the end of 12 March", f.Features)
		}
	})
}

func TestVehiclesAndLanes(t *testing.T) {
	r := works()
	r.Situation.Vehicles = []hansa.Vehicles{{HeightOverM: 3.8}, {Class: "lorry"}}
	f, losses := write(t, doc(), r)
	if len(f.Features) != 1 {
		t.Fatal(losses)
	}
	p := f.Features[0].Properties
	if p.Impact != "all-lanes-open" || len(p.Restrictions) != 2 || p.Restrictions[0].Value != 380 || p.Restrictions[1].Type != "no-trucks" {
		t.Errorf("got %+v", p)
	}
	r = works()
	r.Situation.Effect = hansa.LanesClosed
	r.Situation.Lanes = []hansa.Lane{{Number: 2, Of: 2}, {Number: 1, Of: 2, Closed: true}}
	f, _ = write(t, doc(), r)
	if l := f.Features[0].Properties.Lanes; len(l) != 2 || l[0].Order != 1 || l[0].Status != "closed" {
		t.Errorf("lanes %+v", l)
	}
	r.Provenance.Country = "gb"
	f, _ = write(t, doc(), r)
	if l := f.Features[0].Properties.Lanes; len(l) != 2 || l[0].Status != "open" {
		t.Errorf("lanes %+v, want the centre lane last where one drives on the left", l)
	}
	r.Situation.Lanes = r.Situation.Lanes[:1]
	f, losses = write(t, doc(), r)
	if l := f.Features[0].Properties.Lanes; l != nil || !has(losses, "/situation/lanes", hansa.LossNotExpressible) {
		t.Errorf("lanes %+v, losses %v: all lanes or none", l, losses)
	}
}

func TestLicence(t *testing.T) {
	for _, tc := range []struct {
		licence string
		named   bool
	}{{"CC0-1.0", true}, {wzdx.Licence, true}, {"https://creativecommons.org/licenses/by/4.0/", false}, {"", false}} {
		d := doc()
		d.Label.Licence, d.Contact = tc.licence, "desk@amsterdam.example"
		f, losses := write(t, d)
		if got := f.Info.License == wzdx.Licence; got != tc.named {
			t.Errorf("%q: named %t, want %t", tc.licence, got, tc.named)
		}
		if got, want := has(losses, "/label/licence", hansa.LossNotExpressible), !tc.named && tc.licence != ""; got != want {
			t.Errorf("%q: told as lost %t, want %t", tc.licence, got, want)
		}
		if f.Info.Email != "desk@amsterdam.example" {
			t.Errorf("contact %+v", f.Info)
		}
	}
}

// official compiles the official schema, with our own copies of what it refers to
// outside of itself.
func official(t *testing.T) func([]byte) error {
	t.Helper()
	dir := filepath.Dir(formattest.Shared(t, "schemas/wzdx/4.2/WorkZoneFeed.json"))
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	add := func(url, file string) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(url, v); err != nil {
			t.Fatal(err)
		}
	}
	const base = "https://raw.githubusercontent.com/usdot-jpo-ode/wzdx/main/schemas/4.2/"
	for _, n := range []string{"WorkZoneFeed.json", "FeedInfo.json", "RoadEventFeature.json", "BoundingBox.json", "Direction.json"} {
		add(base+n, filepath.Join(dir, n))
	}
	for _, n := range []string{"LineString.json", "MultiPoint.json"} {
		add("https://geojson.org/schema/"+n, filepath.Join("testdata", n))
	}
	s, err := c.Compile(base + "WorkZoneFeed.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

func TestFitsTheOfficialSchema(t *testing.T) {
	valid := official(t)
	if valid([]byte(`{"type":"FeatureCollection","features":[]}`)) == nil {
		t.Fatal("the schema takes a feed without feed_info")
	}
	written := 0
	rapid.Check(t, func(t *rapid.T) {
		rs := rapid.SliceOfN(formattest.Situation(), 1, 4).Draw(t, "records")
		for i, r := range rs {
			w := works()
			s := r.Situation
			r.Mode, r.Update = "", hansa.Insert
			s.Lifecycle, s.Certainty, s.EndRule, s.ActualEnd, s.ActualStart = hansa.Active, "", "", nil, nil
			s.Start, s.Geometry, s.Road.Number = w.Situation.Start, w.Situation.Geometry, "S116"
			if i%2 == 0 {
				s.Cause.Type, s.Role, s.Vehicles = "roadworks", "", nil
				s.Recurrence, s.End = nil, w.Situation.End
			}
		}
		d := doc()
		d.Label.Licence, d.Contact, d.Made = "CC0-1.0", "someone", time.Time{}
		var b bytes.Buffer
		losses, err := wzdx.Codec().Writer.Write(&b, d, slices.Values(rs))
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(b.Bytes()); err != nil {
			t.Fatalf("%v\n%s", err, &b)
		}
		refused := 0
		for _, l := range losses {
			if l.Kind == hansa.LossRefused {
				refused++
			}
		}
		n := strings.Count(b.String(), `"core_details"`)
		if n+refused < len(rs) {
			t.Fatalf("%d features of %d records, %d refused: some vanished", n, len(rs), refused)
		}
		written += n
	})
	if written < 20 && !testing.Short() {
		t.Errorf("only %d features were written: the test proves little", written)
	}
}

// TestRequiredMembers stands in for the official schema where that is not at hand.
func TestRequiredMembers(t *testing.T) {
	var b bytes.Buffer
	if _, err := wzdx.Codec().Writer.Write(&b, doc(), slices.Values([]*hansa.Record{works()})); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"feed_info", "publisher", "version", "update_date", "data_sources", "data_source_id", "organization_name", "type", "features", "id",
		"properties", "geometry", "core_details", "event_type", "road_names", "direction", "start_date", "end_date", "is_start_date_verified",
		"is_end_date_verified", "is_start_position_verified", "is_end_position_verified", "location_method", "vehicle_impact",
	} {
		if !strings.Contains(b.String(), `"`+name+`":`) {
			t.Errorf("there is no %s in %s", name, &b)
		}
	}
}
