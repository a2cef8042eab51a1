package city_test

import (
	"compress/gzip"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
	"github.com/hansa-exchange/hansa/internal/node/demo/city"
)

func TestBuild(t *testing.T) {
	c := city.Build(city.Seed)
	places := c.Places()
	t.Run("the same seed gives the same city", func(t *testing.T) {
		if !reflect.DeepEqual(places, city.Build(city.Seed).Places()) {
			t.Error("two cities of one seed differ")
		}
		if reflect.DeepEqual(places, city.Build(city.Seed+1).Places()) {
			t.Error("another seed gives the same city")
		}
	})
	t.Run("some hundreds of named streets", func(t *testing.T) {
		wholes := 0
		for i := range places {
			if places[i].Parent == "" {
				wholes++
			}
		}
		if wholes < 400 {
			t.Errorf("%d named places, want at least 400", wholes)
		}
	})
	t.Run("each part lies on its whole", func(t *testing.T) {
		whole := map[string]hansa.Place{}
		for _, p := range places {
			if p.Parent == "" {
				whole[p.ID] = p
				continue
			}
			w, ok := whole[p.Parent]
			if !ok || p.Heading == "" || p.Direction != hansa.OneDirection {
				t.Fatalf("%s: parent %q, heading %q, direction %q", p.ID, p.Parent, p.Heading, p.Direction)
			}
			if len(w.Geometry.Lines) == 1 && p.Geometry.Metres() > w.Geometry.Metres()*1.1 {
				t.Errorf("%s is %.0f m, its whole %.0f m", p.ID, p.Geometry.Metres(), w.Geometry.Metres())
			}
		}
	})
	t.Run("the places make a network", func(t *testing.T) {
		n, err := network.New(places)
		if err != nil {
			t.Fatal(err)
		}
		for query, want := range map[string]string{
			"oostertunnel": "oostertunnel", "Oostertunnel --direction north": "oostertunnel-north", "stadstunnel --tube b": "stadstunnel-north",
			"stadstunnel --tube A": "stadstunnel-south", "westertunnel --direction south": "westertunnel-south", "kattenweg": "kattenweg",
			"wallenweg --direction east": "wallenweg-east", "lakengracht --direction west": "lakengracht-west", "lubeckstraat": "lubeckstraat", "ring r1 zuid": "ring-r1-zuid",
		} {
			p, err := n.Find(query)
			if err != nil || p.ID != want {
				t.Errorf("Find(%q) = %q, %v; want %q", query, p.ID, err, want)
			}
		}
	})
	t.Run("coordinates are on the Dogger Bank", func(t *testing.T) {
		w, s, e, n := c.Bounds()
		if w < 2 || e > 2.6 || s < 54.6 || n > 54.9 {
			t.Errorf("bounds %v %v %v %v", w, s, e, n)
		}
	})
}

// A named place is made of the first street of its name, so a second would be lost.
func TestNamesOnce(t *testing.T) {
	for _, seed := range []uint64{city.Seed, 0, 1, 2, 7, 99} {
		seen := map[string]bool{}
		for _, s := range city.Build(seed).Streets {
			if s.Name != "" && seen[s.Name] {
				t.Errorf("seed %d: two streets are called %s", seed, s.Name)
			}
			seen[s.Name] = true
		}
	}
}

func TestNothingUnnamed(t *testing.T) {
	for _, p := range city.Build(city.Seed).Places() {
		if strings.TrimSpace(p.Name) == "" || p.Geometry.Validate() != nil {
			t.Fatalf("place %q: name %q, %v", p.ID, p.Name, p.Geometry.Validate())
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	for b.Loop() {
		city.Build(city.Seed).Places()
	}
}

var drawing = flag.String("drawing", "", "write the drawing to this file, as gzipped JSON")

// TestDrawing writes the base map for those who test pages without a city.
func TestDrawing(t *testing.T) {
	c := city.Build(city.Seed)
	if len(c.Drawing.Shapes) < 450 || len(c.Drawing.Labels) < 10 {
		t.Errorf("%d shapes, %d labels", len(c.Drawing.Shapes), len(c.Drawing.Labels))
	}
	if *drawing == "" {
		return
	}
	f, err := os.Create(*drawing)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	defer z.Close()
	if err := json.NewEncoder(z).Encode(c.Drawing); err != nil {
		t.Fatal(err)
	}
}
