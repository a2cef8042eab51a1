package hansa_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
)

// parseSlow reads a geometry with encoding/json alone.
func parseSlow(b []byte) (*hansa.Geometry, bool) {
	var m map[string]json.RawMessage
	if json.Unmarshal(b, &m) != nil || m == nil {
		return nil, false
	}
	g := &hansa.Geometry{}
	if strings.Contains(string(m["coordinates"]), "null") {
		return nil, false // encoding/json takes null for a zero
	}
	if json.Unmarshal(m["type"], &g.Type) != nil {
		return nil, false
	}
	position := func(fs []float64) (hansa.Position, bool) {
		if len(fs) < 2 {
			return hansa.Position{}, false
		}
		return hansa.Position{fs[0], fs[1]}, true
	}
	line := func(fss [][]float64) (l []hansa.Position, ok bool) {
		for _, fs := range fss {
			p, ok := position(fs)
			if !ok {
				return nil, false
			}
			l = append(l, p)
		}
		return l, true
	}
	switch g.Type {
	case hansa.Point:
		var fs []float64
		p, ok := hansa.Position{}, json.Unmarshal(m["coordinates"], &fs) == nil
		if ok {
			p, ok = position(fs)
		}
		g.Lines = [][]hansa.Position{{p}}
		return g, ok
	case hansa.LineString, hansa.MultiPoint:
		var fss [][]float64
		if json.Unmarshal(m["coordinates"], &fss) != nil {
			return nil, false
		}
		l, ok := line(fss)
		g.Lines = [][]hansa.Position{l}
		return g, ok
	case hansa.MultiLineString, hansa.Polygon:
		var parts [][][]float64
		if json.Unmarshal(m["coordinates"], &parts) != nil {
			return nil, false
		}
		for _, fss := range parts {
			l, ok := line(fss)
			if !ok {
				return nil, false
			}
			g.Lines = append(g.Lines, l)
		}
		return g, true
	}
	return nil, false
}

// TestGeometryAgainstTwin: what is sound to the one reader is to the other, and
// they read the same.
func TestGeometryAgainstTwin(t *testing.T) {
	var value func(t *rapid.T, depth int) string
	value = func(t *rapid.T, depth int) string {
		if rapid.IntRange(0, 30).Draw(t, "odd") == 0 {
			return rapid.SampledFrom([]string{"null", `"]"`, "{}", "true", "[]", "1", "[4,5]"}).Draw(t, "odd value")
		}
		if depth == 0 {
			return rapid.SampledFrom([]string{"1", "-2.5", "1e2", "52.3", "4.9", "0", "91"}).Draw(t, "number")
		}
		var parts []string
		for range rapid.SampledFrom([]int{2, 2, 2, 3, 4, 1}).Draw(t, "n") {
			parts = append(parts, value(t, depth-1))
		}
		if depth == 2 && rapid.Bool().Draw(t, "ring") {
			parts = append(parts, "[7,8]", "[8,8]", parts[0])
		}
		return "[" + strings.Join(parts, rapid.SampledFrom([]string{",", " , "}).Draw(t, "comma")) + "]"
	}
	members := []string{`"x":[1,{"type":"y"}]`, `"bbox":[1,2,3,4]`, `"s":"\"}]"`, `"n":null`, `"ty\u0070e2":1`}
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"Point", "LineString", "MultiPoint", "MultiLineString", "Polygon", "Circle", `L\u0069neString`}).Draw(t, "type")
		depth := map[string]int{"Point": 1, "LineString": 2, "MultiPoint": 2}[kind]
		if depth == 0 || rapid.IntRange(0, 9).Draw(t, "another depth") == 0 {
			depth = rapid.IntRange(0, 4).Draw(t, "depth")
		}
		coordinates := value(t, depth)
		ms := append(rapid.SliceOfNDistinct(rapid.SampledFrom(members), 0, 2, rapid.ID[string]).Draw(t, "members"), `"type":"`+kind+`"`, `"coordinates":`+coordinates)
		in := "{" + strings.Join(rapid.Permutation(ms).Draw(t, "order"), rapid.SampledFrom([]string{",", " ,\n"}).Draw(t, "comma")) + "}"
		if !json.Valid([]byte(in)) {
			t.Fatalf("the test made what is no JSON: %s", in)
		}
		compareReaders(t, []byte(in))
	})
}

func compareReaders(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, in []byte,
) {
	t.Helper()
	var fast hansa.Geometry
	err := fast.UnmarshalJSON(in)
	slow, ok := parseSlow(in)
	fastOK := err == nil && fast.Validate() == nil
	slowOK := ok && slow.Validate() == nil
	if fastOK != slowOK {
		t.Fatalf("%s: the fast reader says %v and %v, the slow one %t", in, err, fast.Validate(), slowOK)
	}
	if fastOK && !reflect.DeepEqual(&fast, slow) {
		t.Fatalf("%s: %v and %v", in, fast, slow)
	}
	if err != nil && hansa.KindOf(err) != hansa.Invalid {
		t.Fatalf("%s: %v is not Invalid", in, err)
	}
}

func TestGeometryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := func() hansa.Position {
			return hansa.Position{rapid.Float64Range(-180, 180).Draw(t, "lon"), rapid.Float64Range(-90, 90).Draw(t, "lat")}
		}
		g := &hansa.Geometry{Type: hansa.MultiLineString, Lines: [][]hansa.Position{{at(), at()}, {at(), at(), at()}}}
		b, err := g.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back hansa.Geometry
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(&back, g) {
			t.Fatalf("%v: %s became %v", err, b, back)
		}
	})
}

func TestGeometryReadsAtMost(t *testing.T) {
	in := `{"type":"LineString","coordinates":[[1,2]` + strings.Repeat(",[1,2]", hansa.VerticesMax) + `]}`
	var g hansa.Geometry
	if err := g.UnmarshalJSON([]byte(in)); hansa.KindOf(err) != hansa.Invalid || err == nil {
		t.Errorf("%d positions: %v, want invalid", hansa.VerticesMax+1, err)
	}
	if (hansa.Position{math.NaN(), 0}).OnGlobe() {
		t.Error("NaN is on the globe")
	}
}

func FuzzGeometry(f *testing.F) {
	f.Add([]byte(`{"type":"Point","coordinates":[1,2]}`))
	f.Add([]byte(`{"coordinates":[[[1,2],[3,4],[3,5],[1,2]]],"x":{"y":["}"]},"type":"Polygon"}`))
	f.Add([]byte(`{"type":"Point","coordinates":[1`)) // not JSON: may be refused or misread, never a panic
	f.Fuzz(func(t *testing.T, in []byte) {
		var g hansa.Geometry
		_ = g.UnmarshalJSON(in)
		var m map[string]json.RawMessage
		if json.Unmarshal(in, &m) != nil || twice(in) {
			return
		}
		compareReaders(t, in)
	})
}

// twice reports whether a member that matters may be there twice, in which case
// encoding/json takes the last; the strict reader before has refused that.
func twice(in []byte) bool {
	s := strings.ToLower(string(in))
	return strings.Count(s, `"type"`) > 1 || strings.Count(s, `"coordinates"`) > 1 || strings.Contains(s, `\`) || strings.Contains(s, "ſ")
}
