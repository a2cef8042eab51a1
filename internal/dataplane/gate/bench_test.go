package gate_test

import (
	"math"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
)

var noon = time.Date(2026, 7, 4, 10, 0, 0, 0, time.UTC)

// flow returns a flow from the city to a receiver, open at all times.
func flow() *hansa.Flow {
	return &hansa.Flow{
		ID: "f", Name: "closures", Dataset: "d", From: "did:web:city", To: "did:web:nav",
		Basis: hansa.Basis{Kind: hansa.BasisConfigured},
		Terms: hansa.Terms{
			Purposes: []hansa.Purpose{"traffic-information", "navigation"},
			Formats:  []hansa.Format{"datex2", "cifs", "record"},
			From:     noon.AddDate(-1, 0, 0), Until: noon.AddDate(1, 0, 0),
		},
	}
}

// ask returns what the receiver asks for.
func ask() gate.Ask {
	return gate.Ask{Purpose: "navigation", Format: "cifs", Now: noon, Party: "did:web:nav"}
}

// closure returns a closed street of ten positions near the centre.
func closure() *hansa.Record {
	start := noon.Add(-time.Hour)
	var ps []hansa.Position
	for i := range 10 {
		ps = append(ps, hansa.Position{4.9 + float64(i)*0.0012345, 52.37 + float64(i%3)*0.00054321})
	}
	return &hansa.Record{
		Kind: hansa.KindSituation, Dataset: "d", ID: "r", Version: 1, Received: noon.Add(-time.Hour),
		Situation: &hansa.Situation{
			Lifecycle: hansa.Active, Effect: hansa.RoadClosed, Start: &start, Geometry: hansa.Line(ps...),
			Direction: hansa.BothDirections, Texts: []hansa.Text{{Lang: "nl", Value: "dicht"}},
		},
	}
}

// star returns a jagged ring of n positions around a place.
func star(n int, at hansa.Position, size float64) *hansa.Geometry {
	ring := make([]hansa.Position, 0, n+1)
	for i := range n {
		a, r := 2*math.Pi*float64(i)/float64(n), size*(1-0.1*float64(i%2))
		ring = append(ring, hansa.Position{at[0] + r*math.Cos(a), at[1] + r*math.Sin(a)})
	}
	return &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{append(ring, ring[0])}}
}

func compile(t testing.TB, f *hansa.Flow) *gate.Gate {
	t.Helper()
	g, err := gate.Compile(f)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Outside of the star, inside its box: the dearest denial.
func corner() *hansa.Record {
	r := closure()
	for i := range r.Situation.Geometry.Lines[0] {
		r.Situation.Geometry.Lines[0][i] = hansa.Position{5.08 + float64(i)*0.001, 52.56}
	}
	return r
}

func TestDecideAllocatesNothing(t *testing.T) {
	f, precision := flow(), 3
	f.Terms.Area = star(2000, hansa.Position{4.9, 52.37}, 0.2)
	f.Terms.Precision = &precision
	f.Terms.Fields = []string{"cause", "lanes", "vehicles"}
	f.Terms.Windows = []hansa.Recurrence{{Zone: "Europe/Amsterdam", From: "06:00", To: "22:00"}}
	f.Terms.Delay = hansa.Duration(time.Minute)
	g := compile(t, f)
	for _, r := range []*hansa.Record{closure(), corner()} {
		var v hansa.Verdict
		if n := testing.AllocsPerRun(100, func() { v = g.Decide(r, ask()) }); n != 0 {
			t.Errorf("%v: %v allocations, want 0", v, n)
		}
	}
}

func bench(b *testing.B, f *hansa.Flow, r *hansa.Record, want hansa.Rule) {
	b.Helper()
	g, a := compile(b, f), ask()
	if v := g.Decide(r, a); v.Rule != want {
		b.Fatalf("got %v, want %v", v.Rule, want)
	}
	b.ReportAllocs()
	for b.Loop() {
		g.Decide(r, a)
	}
}

func BenchmarkDecide(b *testing.B) { bench(b, flow(), closure(), gate.Passed) }

func BenchmarkDecideDelayAndFields(b *testing.B) {
	f := flow()
	f.Terms.Delay = hansa.Duration(time.Minute)
	f.Terms.Fields = []string{"cause", "lanes"}
	bench(b, f, closure(), gate.FieldsTrimmed)
}

func BenchmarkDecideArea2000(b *testing.B) {
	f := flow()
	f.Terms.Area = star(2000, hansa.Position{4.9, 52.37}, 0.2)
	b.Run("inside", func(b *testing.B) { bench(b, f, closure(), gate.Passed) })
	b.Run("outside", func(b *testing.B) { bench(b, f, corner(), gate.Outside) })
	b.Run("beside", func(b *testing.B) { bench(b, f, beside(), gate.Outside) })
}

// beside lies outside of the star, in cells that its edges reach into.
func beside() *hansa.Record {
	r := closure()
	for i := range r.Situation.Geometry.Lines[0] {
		a := math.Pi/4 + float64(i)*0.004
		r.Situation.Geometry.Lines[0][i] = hansa.Position{4.9 + 0.2005*math.Cos(a), 52.37 + 0.2005*math.Sin(a)}
	}
	return r
}

// BenchmarkDecideBare is what the same questions cost as a line of code.
func BenchmarkDecideBare(b *testing.B) {
	f, r, a := flow(), closure(), ask()
	pass := 0
	for b.Loop() {
		if a.Party == f.To && (a.Purpose == f.Terms.Purposes[0] || a.Purpose == f.Terms.Purposes[1]) &&
			(a.Format == f.Terms.Formats[0] || a.Format == f.Terms.Formats[1]) && !f.Paused &&
			a.Now.After(f.Terms.From) && a.Now.Before(f.Terms.Until) && r.Dataset == f.Dataset && r.Mode.IsReal() {
			pass++
		}
	}
}
