package hansa_test

import (
	"math"
	"testing"

	"github.com/hansa-exchange/hansa"
)

func TestGeometryValidate(t *testing.T) {
	p, q, r := hansa.Position{4.9, 52.3}, hansa.Position{4.91, 52.31}, hansa.Position{4.92, 52.3}
	shape := func(t hansa.GeometryType, lines ...[]hansa.Position) *hansa.Geometry {
		return &hansa.Geometry{Type: t, Lines: lines}
	}
	for _, tc := range []struct {
		name  string
		g     *hansa.Geometry
		sound bool
	}{
		{"a point", shape(hansa.Point, []hansa.Position{p}), true},
		{"points", shape(hansa.MultiPoint, []hansa.Position{p, q}), true},
		{"a line", hansa.Line(p, q), true},
		{"lines", shape(hansa.MultiLineString, []hansa.Position{p, q}, []hansa.Position{q, r}), true},
		{"an area", shape(hansa.Polygon, []hansa.Position{p, q, r, p}), true},
		{"the corners of the globe", hansa.Line(hansa.Position{-180, -90}, hansa.Position{180, 90}), true},
		{"no type", shape("", []hansa.Position{p}), false},
		{"a circle", shape("Circle", []hansa.Position{p}), false},
		{"nothing", shape(hansa.LineString), false},
		{"an empty part", shape(hansa.Point, nil), false},
		{"two points called one", shape(hansa.Point, []hansa.Position{p, q}), false},
		{"a line of one point", hansa.Line(p), false},
		{"a line of two parts", shape(hansa.LineString, []hansa.Position{p, q}, []hansa.Position{q, r}), false},
		{"an empty line among lines", shape(hansa.MultiLineString, []hansa.Position{p, q}, nil), false},
		{"a ring of three", shape(hansa.Polygon, []hansa.Position{p, q, p}), false},
		{"an open ring", shape(hansa.Polygon, []hansa.Position{p, q, r, q}), false},
		{"not a number", hansa.Line(p, hansa.Position{math.NaN(), 1}), false},
		{"infinite", hansa.Line(p, hansa.Position{1, math.Inf(-1)}), false},
		{"swapped in Chile", hansa.Line(p, hansa.Position{4.9, 152.3}), false},
		{"off the globe", hansa.Line(p, hansa.Position{180.0001, 0}), false},
		{"too many", hansa.Line(make([]hansa.Position, hansa.VerticesMax+1)...), false},
		{"as many as may be", hansa.Line(make([]hansa.Position, hansa.VerticesMax)...), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.g.Validate()
			if (err == nil) != tc.sound || err != nil && hansa.KindOf(err) != hansa.Invalid {
				t.Errorf("got %v, want sound %t", err, tc.sound)
			}
			if _, err := tc.g.MarshalJSON(); (err == nil) != tc.sound {
				t.Errorf("MarshalJSON: %v", err)
			}
		})
	}
}

func TestMetres(t *testing.T) {
	// A degree of latitude on this sphere, and half way round it.
	if got := hansa.Metres(hansa.Position{5, 52}, hansa.Position{5, 53}); math.Abs(got-111_195.08) > 0.1 {
		t.Errorf("a degree is %.2f m", got)
	}
	if got := hansa.Metres(hansa.Position{0, 0}, hansa.Position{180, 0}); math.Abs(got-math.Pi*6_371_008.8) > 1 {
		t.Errorf("half way round is %.2f m", got)
	}
	if got := hansa.Metres(hansa.Position{5, 52}, hansa.Position{5, 52}); got != 0 {
		t.Errorf("nowhere is %f m away", got)
	}
	g := &hansa.Geometry{Type: hansa.MultiLineString, Lines: [][]hansa.Position{{{5, 52}, {5, 53}}, {{6, 52}, {6, 53}, {6, 54}}}}
	if got := g.Metres(); math.Abs(got-3*111_195.08) > 0.5 {
		t.Errorf("three degrees are %.2f m", got)
	}
	if w, s, e, n := g.Bounds(); w != 5 || s != 52 || e != 6 || n != 54 {
		t.Errorf("bounds %v %v %v %v", w, s, e, n)
	}
}
