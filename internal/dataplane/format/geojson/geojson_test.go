package geojson_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/formattest"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/geojson"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/record"
)

func read(t testing.TB, in string) (items []format.Item, err error) {
	t.Helper()
	for it, e := range geojson.Codec().Reader.Read(iotest.HalfReader(strings.NewReader(in)), format.Input{}) {
		if e != nil {
			return items, e
		}
		items = append(items, it)
	}
	return items, nil
}

func outline(items []format.Item) string {
	var s []string
	for _, it := range items {
		if it.Record != nil {
			s = append(s, it.Record.ID)
		} else {
			s = append(s, "!"+it.ID+" "+it.Refused.Field)
		}
	}
	return strings.Join(s, ", ")
}

const (
	a = `{"type":"Feature","id":"a","geometry":{"type":"Point","coordinates":[4.9,52.3]},"properties":{"name":"x"}}`
	b = `{"type":"Feature","id":7,"geometry":null,"properties":null}`
)

func TestRead(t *testing.T) {
	for _, tc := range []struct{ name, in, want, err string }{
		{"a collection", `{"type":"FeatureCollection","features":[` + a + "," + b + `]}`, "a, 7", ""},
		{"type comes last", `{"features":[` + a + `],"type":"FeatureCollection"}`, "a", ""},
		{"an empty collection", `{"type":"FeatureCollection","features":[]}`, "", ""},
		{"a single feature", a, "a", ""},
		{"the id among the properties", strings.Replace(strings.Replace(a, `"id":"a",`, "", 1), `"name"`, `"id":"p","name"`, 1), "p", ""},
		{"no id", strings.Replace(a, `"id":"a",`, "", 1), "! /id", ""},
		{"an empty id", strings.Replace(a, `"id":"a"`, `"id":""`, 1), "! /id", ""},
		{"no feature among features", `{"type":"FeatureCollection","features":[7,{"type":"Point","id":"x"},` + a + `]}`, "! , !x /type, a", ""},
		{"a name twice in one feature", `{"type":"FeatureCollection","features":[` + strings.Replace(a, `"id"`, `"id":"b","id"`, 1) + "," + b + `]}`, "!b /id, 7", ""},
		{"off the globe", strings.Replace(a, "52.3", "152.3", 1), "!a /geometry/coordinates", ""},
		{"a geometry collection", strings.Replace(a, "Point", "GeometryCollection", 1), "!a /geometry/coordinates", ""},
		{"a document", strings.Replace(a, `"name"`, `"kind":"document","name"`, 1), "!a /properties/kind", ""},
		{"a geometry alone", `{"type":"Point","coordinates":[1,2]}`, "", "FeatureCollection"},
		{"an array", `[]`, "", "object"},
		{"nothing", ` `, "", "empty"},
		{"cut short", `{"type":"FeatureCollection","features":[` + a + `,`, "a", "ends before"},
		{"features that are none", `{"type":"FeatureCollection","features":{}}`, "", "features is an array"},
		{"features twice", `{"type":"FeatureCollection","features":[],"features":[]}`, "", "twice"},
		{"another reference system", `{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::28992"}},"features":[` + a + `]}`, "", "WGS 84"},
		{"WGS 84 by name", `{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:OGC:1.3:CRS84"}},"features":[` + a + `]}`, "a", ""},
		{"more text", a + a, "", "more text"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			items, err := read(t, tc.in)
			if got := outline(items); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error is %v, want %q", err, tc.err)
			}
			if err != nil && hansa.KindOf(err) != hansa.Invalid {
				t.Errorf("kind %v, want invalid", hansa.KindOf(err))
			}
		})
	}
}

func TestForeignPropertiesAreKept(t *testing.T) {
	in := `{"type":"Feature","id":"a","geometry":null,"source":"us","properties":{"direction":5,"start":"tomorrow","colour":"red","effect":"road-closed","kind":"works","situation":1,"lanes":[{"number":1,"closed":true}]}}`
	items, err := read(t, in)
	if err != nil || len(items) != 1 || items[0].Record == nil {
		t.Fatalf("%v %+v", err, items)
	}
	r := items[0].Record
	got := slices.Sorted(maps.Keys(r.Situation.Unknown))
	if want := []string{"colour", "foreign:direction", "foreign:kind", "foreign:situation", "foreign:start"}; !slices.Equal(got, want) {
		t.Errorf("unknown properties %v, want %v", got, want)
	}
	if r.Situation.Effect != hansa.RoadClosed || len(r.Situation.Lanes) != 1 || r.Situation.Start != nil {
		t.Errorf("what fits is read: %+v", r.Situation)
	}
	if len(r.Defects) != 4 || r.Defects[0].Rule != geojson.FitRule {
		t.Errorf("defects %v, want four of %s", r.Defects, geojson.FitRule)
	}
	if string(r.Unknown["source"]) != `"us"` {
		t.Errorf("members of the feature: %v", r.Unknown)
	}
	if _, err := record.Encode(r, nil); err != nil {
		t.Error(err)
	}
}

func TestWrite(t *testing.T) {
	r := &hansa.Record{
		Kind: hansa.KindSituation, ID: "a", Version: 2, Mode: hansa.Test,
		Situation: &hansa.Situation{
			Lifecycle: hansa.Active, Effect: hansa.LanesClosed, Geometry: hansa.Line(hansa.Position{4.9, 52.3}, hansa.Position{4.91, 52.31}),
			Lanes: []hansa.Lane{{Number: 1, Closed: true}}, Texts: []hansa.Text{{Value: "secret", Kind: "internal"}},
		},
	}
	doc := &hansa.Record{Kind: hansa.KindDocument, ID: "d", Document: &hansa.Document{}}
	var w bytes.Buffer
	losses, err := geojson.Codec().Writer.Write(&w, format.Doc{}, slices.Values([]*hansa.Record{r, doc}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"FeatureCollection","features":[
{"type":"Feature","id":"a","geometry":{"type":"LineString","coordinates":[[4.9,52.3],[4.91,52.31]]},"properties":{"kind":"situation","id":"a","version":2,"mode":"test","lifecycle":"active","effect":"lanes-closed","lanes":[{"number":1,"closed":true}]}}
]}
`
	if got := w.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(losses) != 2 || losses[0].Field != "/situation/texts/0" || losses[1].Kind != hansa.LossRefused {
		t.Errorf("losses %v, want the internal text and the document", losses)
	}
}

// TestRoundTrip: canonical to GeoJSON and back is the record minus exactly what
// the loss report names.
func TestRoundTrip(t *testing.T) {
	c := geojson.Codec()
	rapid.Check(t, func(t *rapid.T) {
		r := formattest.Record().Draw(t, "record")
		if n := rapid.SampledFrom([]string{"", "bbox", "properties", "type", "mine"}).Draw(t, "member"); n != "" {
			r.Unknown = map[string]json.RawMessage{n: json.RawMessage(`{"a":1}`)}
		}
		if n := rapid.SampledFrom([]string{"", "version", "kind", "defects", "own/~"}).Draw(t, "property"); n != "" && r.Situation != nil {
			r.Situation.Unknown = map[string]json.RawMessage{n: json.RawMessage(`[1]`), "x": json.RawMessage(`2`)}
		}
		losses := c.Writer.Losses(r)
		var w bytes.Buffer
		told, err := c.Writer.Write(&w, format.Doc{}, slices.Values([]*hansa.Record{r}))
		if err != nil || !slices.Equal(told, losses) {
			t.Fatalf("Write says %v, %v; Losses says %v", told, err, losses)
		}
		var back *hansa.Record
		for it, err := range c.Reader.Read(&w, format.Input{}) {
			if err != nil || it.Record == nil {
				t.Fatalf("%v %v", err, it.Refused)
			}
			back = it.Record
		}
		if (back == nil) != format.Refused(losses) {
			t.Fatalf("read back %v, losses %v", back, losses)
		}
		if back == nil {
			return
		}
		lose(t, r, losses)
		got, err := record.Encode(back, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := record.Encode(r, nil)
		if !bytes.Equal(got, want) {
			t.Fatalf("losses %v\ngot  %s\nwant %s", losses, got, want)
		}
	})
}

// lose takes from r what losses name.
func lose(t *rapid.T, r *hansa.Record, losses []hansa.Loss) {
	for _, l := range slices.Backward(losses) { // texts from the last, so that places hold
		name, inside := strings.CutPrefix(l.Field, "/situation/")
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(name, "/"))
		switch i, isText := strings.CutPrefix(name, "texts/"); {
		case isText:
			n := int(i[0] - '0')
			r.Situation.Texts = slices.Delete(r.Situation.Texts, n, n+1)
		case inside:
			delete(r.Situation.Unknown, name)
		default:
			delete(r.Unknown, name)
		}
		if l.Kind != hansa.LossNotExpressible || l.Record != r.ID || l.Reason == "" {
			t.Fatalf("an odd loss: %+v", l)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"type":"FeatureCollection","features":[` + a + "," + b + `]}`))
	f.Add([]byte(a))
	f.Add([]byte(`{"type":"Feature","id":"o","geometry":null,"properties":{"kind":"observation","what":"jam","observed":"2026-01-01T00:00:00Z","more":1,"state":2}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		for it, err := range geojson.Codec().Reader.Read(bytes.NewReader(in), format.Input{}) {
			if err != nil {
				if hansa.KindOf(err) != hansa.Invalid {
					t.Fatalf("kind of %v is %v", err, hansa.KindOf(err))
				}
				continue
			}
			if (it.Record == nil) == (it.Refused == nil) {
				t.Fatalf("an item is a record or a refusal, not %+v", it)
			}
			if it.Record == nil {
				continue
			}
			b, err := record.Encode(it.Record, nil)
			if err != nil {
				t.Fatalf("what was read cannot be encoded: %v", err)
			}
			if _, err := record.Decode(b); err != nil && len(b) < hansa.RecordBytesMax {
				t.Fatalf("what was encoded cannot be decoded: %v in %s", err, b)
			}
		}
	})
}

// TestForeignSamples: what others publish is taken or refused feature by feature,
// and nothing vanishes.
func TestForeignSamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(formattest.Shared(t, "samples/wzdx/WorkZoneFeed"), "*.geojson"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d samples: %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d struct{ Features []json.RawMessage }
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatal(err)
		}
		items, err := read(t, string(b))
		if err != nil || len(items) != len(d.Features) {
			t.Errorf("%s: %d items of %d features, %v", filepath.Base(file), len(items), len(d.Features), err)
		}
		for _, it := range items {
			if it.Record == nil {
				t.Errorf("%s: %s is refused: %v", filepath.Base(file), it.ID, it.Refused)
			} else if it.Record.Situation.Unknown["core_details"] == nil {
				t.Errorf("%s: %s lost core_details", filepath.Base(file), it.ID)
			}
		}
	}
}
