package network_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
)

// meters are degrees at 52.37 north, near enough for a test.
func meters(x, y float64) hansa.Position {
	return hansa.Position{4.9 + x/67_900, 52.37 + y/111_195}
}

func line(ps ...hansa.Position) *hansa.Geometry { return hansa.Line(ps...) }

// borough is a tunnel of two tubes 12 m apart, a street that goes on in another, and a
// street beside.
func borough() []hansa.Place {
	return []hansa.Place{
		{ID: "t", Name: "Coen Tunnel", Kind: "tunnel", Direction: hansa.BothDirections, Geometry: line(meters(0, 0), meters(0, 600))},
		{ID: "t-n", Name: "Coen Tunnel, north", Kind: "tunnel", Tube: "a", Heading: "north", Parent: "t", Direction: hansa.OneDirection, Geometry: line(meters(6, 0), meters(6, 300), meters(16, 600))},
		{ID: "t-s", Name: "Coen Tunnel, south", Kind: "tunnel", Tube: "b", Heading: "south", Parent: "t", Direction: hansa.OneDirection, Geometry: line(meters(4, 600), meters(-6, 300), meters(-6, 0))},
		{ID: "a", Name: "Long Street", Kind: "road", Direction: hansa.BothDirections, Geometry: line(meters(16, 600), meters(40, 800), meters(300, 900))},
		{ID: "b", Name: "Other Street", Kind: "road", Direction: hansa.BothDirections, Geometry: line(meters(300, 900), meters(700, 900))},
		{ID: "c", Name: "Beside", Kind: "road", Direction: hansa.BothDirections, Geometry: line(meters(0, 760), meters(700, 840))},
	}
}

func TestMatch(t *testing.T) {
	n, err := network.New(borough())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		line []hansa.Position
		want string // spans, or what the refusal says
	}{
		{"the north tube", []hansa.Position{meters(3, 5), meters(8, 590)}, "t-n 5-590"},
		{"the south tube, by its direction alone", []hansa.Position{meters(3, 590), meters(1, 10)}, "t-s 10-590"},
		{"half of a street, backwards", []hansa.Position{meters(690, 903), meters(500, 897)}, "b 390-200"},
		{"tube, street and street", []hansa.Position{meters(6, 400), meters(16, 600), meters(40, 800), meters(300, 900), meters(400, 900)}, "t-n 400-600,a 0-480,b 0-100"},
		{"nothing near", []hansa.Position{meters(2000, 2000), meters(2000, 2300)}, "no road of the network lies within 30 m"},
		{"across a street", []hansa.Position{meters(500, 870), meters(500, 930)}, "no road of the network"},
		{"roads that do not meet", []hansa.Position{meters(640, 835), meters(660, 860), meters(690, 900), meters(698, 900)}, "no"},
	} {
		m, err := n.Match(c.line)
		if err != nil {
			if hansa.KindOf(err) != hansa.NotFound || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", c.name, err, c.want)
			}
			continue
		}
		var got []string
		for _, s := range m.Spans {
			got = append(got, fmt.Sprintf("%s %.0f-%.0f", s.Place.ID, s.From, s.To))
		}
		if !alike(strings.Join(got, ","), c.want) {
			t.Errorf("%s: %v (%.1f m off), want %s", c.name, got, m.Offset, c.want)
		}
		if err := m.Geometry.Validate(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// alike compares spans, metres within twelve.
func alike(got, want string) bool {
	g, w := strings.Split(got, ","), strings.Split(want, ",")
	if len(g) != len(w) {
		return false
	}
	for i := range g {
		var a, b string
		var p, q, r, s float64
		if _, err := fmt.Sscanf(strings.ReplaceAll(g[i], "-", " "), placeOf(g[i])+" %f %f", &p, &q); err != nil {
			return false
		}
		if _, err := fmt.Sscanf(strings.ReplaceAll(w[i], "-", " "), placeOf(w[i])+" %f %f", &r, &s); err != nil {
			return false
		}
		a, b = placeOf(g[i]), placeOf(w[i])
		if a != b || math.Abs(p-r) > 12 || math.Abs(q-s) > 12 {
			return false
		}
	}
	return true
}

func placeOf(span string) string {
	id, _, _ := strings.Cut(span, " ")
	return strings.ReplaceAll(id, "-", " ")
}

// TestMatchOneWay: a line that runs against a one-way road with no other beside it is
// said to, and not turned round.
func TestMatchOneWay(t *testing.T) {
	n, err := network.New([]hansa.Place{{ID: "o", Name: "One Way", Direction: hansa.OneDirection, Geometry: line(meters(0, 0), meters(500, 0))}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Match([]hansa.Position{meters(400, 2), meters(100, -2)}); err == nil || !strings.Contains(err.Error(), "one-way") {
		t.Errorf("got %v, want that it runs against a one-way road", err)
	}
}

// grid is a city of streets, every second of them a pair of one-way tubes 12 m apart.
func grid(size int) []hansa.Place {
	var out []hansa.Place
	for i := range size {
		for j := range size - 1 {
			x, y := float64(i)*300, float64(j)*300
			a, b := meters(x, y), meters(x, y+300)
			if i%2 == 1 {
				out = append(out, hansa.Place{ID: fmt.Sprintf("nx%dy%d", i, j), Name: fmt.Sprintf("North %dx%d", i, j), Direction: hansa.OneDirection, Geometry: line(meters(x+6, y), meters(x+6, y+300))})
				out = append(out, hansa.Place{ID: fmt.Sprintf("sx%dy%d", i, j), Name: fmt.Sprintf("South %dx%d", i, j), Direction: hansa.OneDirection, Geometry: line(meters(x-6, y+300), meters(x-6, y))})
			} else {
				out = append(out, hansa.Place{ID: fmt.Sprintf("vx%dy%d", i, j), Name: fmt.Sprintf("V %dx%d", i, j), Direction: hansa.BothDirections, Geometry: line(a, b)})
			}
			out = append(out, hansa.Place{ID: fmt.Sprintf("hx%dy%d", i, j), Name: fmt.Sprintf("H %dx%d", i, j), Direction: hansa.BothDirections, Geometry: line(meters(y, x), meters(y+300, x))})
		}
	}
	return out
}

// TestMatchNoise: a piece of a road, drawn by a shaking hand, is found again on its
// own road and in its own direction in 99 of 100 cases.
func TestMatchNoise(t *testing.T) {
	places := grid(9)
	n, err := network.New(places)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	const tries = 2000
	good := 0
	for range tries {
		p := &places[rnd.IntN(len(places))]
		a, b := p.Geometry.Lines[0][0], p.Geometry.Lines[0][1]
		from, to := rnd.Float64()*0.4, 0.6+rnd.Float64()*0.4
		back := p.Direction == hansa.BothDirections && rnd.IntN(2) == 0
		if back {
			from, to = to, from
		}
		k := 2 + rnd.IntN(6)
		drawn := make([]hansa.Position, 0, k)
		for i := range k {
			s := from + (to-from)*float64(i)/float64(k-1)
			shake := func() float64 { return (rnd.Float64()*2 - 1) * 8 / math.Sqrt2 }
			drawn = append(drawn, hansa.Position{a[0] + (b[0]-a[0])*s + shake()/67_900, a[1] + (b[1]-a[1])*s + shake()/111_195})
		}
		m, err := n.Match(drawn)
		if err == nil && len(m.Spans) >= 1 {
			longest := m.Spans[0]
			for _, s := range m.Spans {
				if math.Abs(s.To-s.From) > math.Abs(longest.To-longest.From) {
					longest = s
				}
			}
			if longest.Place.ID == p.ID && (longest.From > longest.To) == back && math.Abs(math.Abs(longest.To-longest.From)-math.Abs(to-from)*300) < 45 {
				good++
				continue
			}
		}
		if good < 0 {
			t.Logf("%s %v: %+v %v", p.ID, back, m.Spans, err)
		}
	}
	t.Logf("%d of %d found again", good, tries)
	if good < tries*99/100 {
		t.Errorf("%d of %d pieces were found again", good, tries)
	}
}

// TestCheckLine: what is no line of this city is refused at its place.
func TestCheckLine(t *testing.T) {
	n, err := network.New(borough())
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"4.9,52.37 4.91,52.38":            "",
		"4.9,52.37":                       "2 to 2000",
		"52.37,4.9 52.38,4.91":            "latitude first",
		"4.9,152.37 4.91,52.38":           "globe",
		"14.9,52.37 14.91,52.38":          "far from every road",
		"4.9 52.37":                       "LON,LAT",
		"4.9,52.37 x":                     "/line/1",
		"4.9,52.37 NaN,52.37":             "globe",
		"4.9,52.37 4.9,52.37":             "shorter",
		strings.Repeat("4.9,52.37 ", 3e3): "2 to 2000",
	} {
		l, err := network.ParseLine(text)
		if err == nil {
			err = n.CheckLine(l)
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
}

// TestCheck: each planted slip of a network is found by its rule, and a sound network
// has none.
func TestCheck(t *testing.T) {
	rules := func(places []hansa.Place) string {
		t.Helper()
		n, err := network.New(places)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, f := range n.Check() {
			out = append(out, string(f.Rule))
		}
		return strings.Join(out, " ")
	}
	if got := rules(borough()); got != "" {
		t.Errorf("a sound network has %s", got)
	}
	for _, c := range []struct {
		rule  string
		spoil func(p []hansa.Place) []hansa.Place
	}{
		{"NET-01", func(p []hansa.Place) []hansa.Place { p[5].Name = "Long street"; return p }},
		{"NET-02", func(p []hansa.Place) []hansa.Place {
			p[5].Geometry = &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{{meters(0, 0), meters(9, 0), meters(9, 9), meters(0, 0)}}}
			return p
		}},
		{"NET-03", func(p []hansa.Place) []hansa.Place { p[5].Geometry = line(meters(0, 760), meters(9000, 840)); return p }},
		{"NET-04", func(p []hansa.Place) []hansa.Place {
			p[5].Geometry = line(meters(1000, 0), meters(1100, 100), meters(1100, 0), meters(1000, 100))
			return p
		}},
		{"NET-05", func(p []hansa.Place) []hansa.Place {
			p[5].Geometry = line(hansa.Position{0, 0}, hansa.Position{0, 0.001})
			return p
		}},
		{"NET-06", func(p []hansa.Place) []hansa.Place { p[5].Geometry = line(meters(1000, 0), meters(1002, 0)); return p }},
		{"NET-07", func(p []hansa.Place) []hansa.Place {
			p[5].Geometry = line(hansa.Position{52.37, 4.9}, hansa.Position{52.37, 4.901})
			return p
		}},
		{"NET-08", func(p []hansa.Place) []hansa.Place { p[1].Parent = ""; p[1].Name = "Alone"; return p }},
		{"NET-09", func(p []hansa.Place) []hansa.Place { p[1].Heading, p[1].Tube = "", ""; return p }},
		{"NET-10", func(p []hansa.Place) []hansa.Place { p[2].Heading, p[2].Tube = "north", "a"; return p }},
		{"NET-11", func(p []hansa.Place) []hansa.Place { p[2].Geometry = p[1].Geometry; return p }},
		{"NET-12", func(p []hansa.Place) []hansa.Place {
			p[4].Geometry = line(meters(302, 902), meters(700, 900))
			return p
		}},
	} {
		if got := rules(c.spoil(borough())); !strings.Contains(got, c.rule) {
			t.Errorf("%s is not found: %s", c.rule, got)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add("4.9,52.37 4.91,52.38")
	f.Add("52.37,4.9 1e400,0")
	n, err := network.New(borough())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := network.ParseLine(text)
		if err != nil || n.CheckLine(l) != nil {
			return
		}
		m, err := n.Match(l)
		if err == nil && (len(m.Spans) == 0 || m.Geometry.Validate() != nil) {
			t.Errorf("%q: %+v", text, m)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	places := grid(72) // some 20,000 lines
	n, err := network.New(places)
	if err != nil {
		b.Fatal(err)
	}
	drawn := []hansa.Position{meters(3, 5), meters(-4, 300), meters(2, 900), meters(0, 1400)}
	if _, err := n.Match(drawn); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(places)), "places")
	for b.Loop() {
		if _, err := n.Match(drawn); err != nil {
			b.Fatal(err)
		}
	}
}
