package city

import (
	"math"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// dock is a basin cut into a bank: middle, width and depth in metres.
type dock struct{ x, wide, deep float64 }

var northDocks = []dock{{-2350, 150, 520}, {-1980, 130, 430}, {-1600, 140, 520}, {1250, 120, 360}, {1560, 130, 420}, {3350, 160, 600}, {3750, 150, 480}}

var southDocks = []dock{{-3050, 170, 420}, {-3500, 150, 520}, {2050, 150, 330}, {2420, 140, 380}}

func (c *City) harbour() {
	var south, north []point
	for x := -7600.0; x <= 7600; x += 100 {
		south = append(south, point{x, southBank(x)})
		north = append(north, point{x, northBank(x)})
	}
	c.area(room.LayerWater, append(south, reversed(north)...))
	for _, d := range northDocks {
		y := northBank(d.x)
		c.area(room.LayerWater, []point{{d.x - d.wide/2, y - 40}, {d.x + d.wide/2, y - 40}, {d.x + d.wide/2 + 20, y + d.deep}, {d.x - d.wide/2 + 20, y + d.deep}})
	}
	for _, d := range southDocks {
		y := southBank(d.x)
		c.area(room.LayerWater, []point{{d.x - d.wide/2, y + 40}, {d.x + d.wide/2, y + 40}, {d.x + d.wide/2 - 10, y - d.deep}, {d.x - d.wide/2 - 10, y - d.deep}})
	}
	c.island("Koggeneiland", 700, 1950, 560, 84)
	c.island("Pakhuiseiland", 2080, 3000, 610, 78)
}

func (c *City) island(name string, x0, x1, y, half float64) {
	const n = 14
	var top, bottom []point
	for i := range n + 1 {
		t := float64(i) / n
		x, h := x0+(x1-x0)*t, half*math.Pow(math.Sin(math.Pi*t), .35)
		if i == n {
			h = 0
		}
		top, bottom = append(top, point{x, y + h}), append(bottom, point{x, y - h})
	}
	c.area(room.LayerIsland, append(top, reversed(bottom)...))
	c.street(room.LayerLane, name+" Noordkade", "", []point{{x0 + 60, y + half*.45}, {x1 - 60, y + half*.45}})
	c.street(room.LayerLane, name+" Zuidkade", "", []point{{x0 + 60, y - half*.45}, {x1 - 60, y - half*.45}})
	for x := x0 + 110; x < x1-80; x += 85 {
		c.street(room.LayerLane, "", "", []point{{x, y - half*.45}, {x, y + half*.45}})
	}
}

// stretch is how much wider than high the canal belt is.
const stretch = 1.08

// canal is one of the half rings of water.
type canal struct {
	name      string
	r, across float64
}

var canals = []canal{{"Binnengracht", 300, 15}, {"Koggengracht", 470, 20}, {"Lakengracht", 640, 22}, {"Zoutgracht", 810, 22}, {"Singel", 1120, 34}}

var radials = []string{"Hansastraat", "Stapelstraat", "Kompasstraat", "Waagstraat", "Lübeckstraat", "Tolstraat", "Gildestraat", "Ankerkade", "Vrachtstraat", "Loodsstraat", "Danzigstraat", "Bergenstraat", "Rigastraat"}

// belt lays the canals with their quays, the rings between and the radials.
func (c *City) belt() {
	for _, k := range canals {
		c.ringOfWater(k)
	}
	names := map[float64]string{385: "Nieuwestraat", 555: "Verversstraat", 725: "Spinnersstraat", 900: "Middenring", 985: "Blekersstraat", 1060: "Tuinstraat"}
	for _, r := range []float64{385, 555, 725, 900, 985, 1060} {
		layer := room.LayerLane
		if r == 900 {
			layer = room.LayerRoad
		}
		for _, run := range ashore(arc(r, 174, 366, 80, stretch, 1)) {
			c.street(layer, names[r], "", run)
		}
	}
	for i, name := range radials {
		layer := room.LayerLane
		if i%3 == 1 {
			layer = room.LayerRoad
		}
		for _, run := range ashore(ray(186+14*float64(i), 230, 300, 400, 500, 600, 700, 800, 900, 1000, 1130)) {
			c.street(layer, name, "", run)
		}
	}
	for _, a := range []float64{207, 235, 263, 291, 319, 341} {
		for _, run := range ashore(ray(a, 300, 500, 700, 900, 1120)) {
			c.line(room.LayerCanal, 18, run)
		}
	}
}

func ray(a float64, radii ...float64) []point {
	out := make([]point, len(radii))
	for i, r := range radii {
		p := polar(r, a)
		out[i] = point{p[0] * stretch, p[1]}
	}
	return out
}

// ringOfWater lays a canal and the street on either side: one name, two sides,
// each one-way, save the Singel, whose outer side is the S100.
func (c *City) ringOfWater(k canal) {
	for _, run := range ashore(arc(k.r, 172, 368, 80, stretch, 1)) {
		c.line(room.LayerCanal, k.across, run)
	}
	both := Street{Name: k.name, Layer: room.LayerLane}
	for _, side := range []float64{-1, 1} {
		for _, run := range ashore(arc(k.r+side*(k.across/2+11), 172, 368, 80, stretch, 1)) {
			switch {
			case k.r == 1120 && side > 0:
				c.street(room.LayerArterial, "Singelweg", "S100", run)
			case k.r == 1120:
				c.street(room.LayerStreet, k.name, "", run)
			case side < 0:
				both.Lines = append(both.Lines, positions(run))
			default:
				both.Lines = append(both.Lines, positions(reversed(run)))
			}
		}
	}
	if len(both.Lines) > 0 {
		c.Streets = append(c.Streets, both)
	}
}

// oldTown lays the dense little streets inside the inner canal.
func (c *City) oldTown() {
	lanes := []string{"Vissteeg", "Houtsteeg", "Zeilsteeg", "Touwsteeg", "Damrak", "Broodsteeg", "Zoutsteeg", "Bierkade", "Lakenhal"}
	cross := []string{"Stadhuisstraat", "Oude Waagstraat", "Kerkstraat", "Gasthuisstraat", "Proosdijstraat", "Muntstraat", "Kloosterstraat"}
	for i := -4; i <= 4; i++ {
		var ps []point
		for k := range 14 {
			ps = append(ps, point{float64(i)*58 + 8*math.Sin(float64(k)/2+float64(i)), 200 - float64(k)*36})
		}
		layer := room.LayerLane
		if i == 0 {
			layer = room.LayerRoad
		}
		c.inside(layer, lanes[i+4], ps, 285)
	}
	for i, y := 0, 150.0; y > -260; i, y = i+1, y-62 {
		var ps []point
		for k := range 20 {
			ps = append(ps, point{-300 + float64(k)*31, y + 6*math.Sin(float64(k)/2)})
		}
		c.inside(room.LayerLane, cross[i], ps, 282)
	}
	c.area(room.LayerSquare, []point{{-70, 40}, {70, 46}, {76, -30}, {-66, -36}})
	c.Streets = append(c.Streets, Street{Name: "Grote Markt", Layer: room.LayerLane, Lines: [][]hansa.Position{positions([]point{{-66, -30}, {-66, 36}, {66, 42}, {70, -26}, {-66, -30}})}})
}

func (c *City) inside(layer room.Layer, name string, ps []point, r float64) {
	near := func(p point) bool { return math.Hypot(p[0]/stretch, p[1]) < r && p[1] < southBank(p[0])-14 }
	for _, run := range split(ps, 2, near) {
		c.street(layer, name, "", run)
		name = ""
	}
}
