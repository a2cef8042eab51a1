package city

import (
	"fmt"
	"math"

	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// sectors are the angles between which the outer quarters lie.
var sectors = []float64{180, 201, 222, 243, 262, 281, 300, 321, 341, 360}

// park is a cut out of a sector: radii, and parts of the sector's angle.
type park struct{ r0, r1, f0, f1 float64 }

var parks = map[int]park{2: {1500, 2350, .16, .84}, 6: {1750, 2350, .2, .8}}

// sector lays a quarter's grid, turned its own way, between belt and ring road.
func (c *City) sector(i int) {
	a0, a1 := sectors[i], sectors[i+1]
	mid := (a0+a1)/2 + (c.rnd.next()-.5)*16
	u := point{math.Cos(mid * degree), math.Sin(mid * degree)}
	v := point{-u[1], u[0]}
	green, hasPark := parks[i]
	inside := func(p point) bool {
		qx := p[0] / 1.1
		r, a := math.Hypot(qx, p[1]), math.Atan2(p[1], qx)/degree
		if a < 170 {
			a += 360
		}
		f, edge := (a-a0)/(a1-a0), 16/r/degree
		if hasPark && r > green.r0-12 && r < green.r1+12 && f > green.f0-.03 && f < green.f1+.03 {
			return false
		}
		return r > 1215 && r < 2640 && a > a0+edge && a < a1-edge && p[1] < southBank(p[0])-30
	}
	runs := func(layer room.Layer, f func(t float64) point) {
		var ps []point
		for t := -3400.0; t <= 3400; t += 22 {
			ps = append(ps, f(t))
		}
		for _, run := range split(ps, 4, inside) {
			for _, piece := range cut(run, func(p point) bool { return math.Hypot(p[0]/1.1, p[1]) < 1900 }) {
				c.street(layer, c.name(), "", thin(piece))
			}
		}
	}
	apart, across := 78+c.rnd.next()*34, 150+c.rnd.next()*70
	k := 0
	for d := -1900.0; d <= 1900; d += apart {
		k++
		if c.rnd.next() < .06 {
			continue
		}
		shift := d + (c.rnd.next()-.5)*14
		layer := room.LayerLane
		if k%5 == 3 {
			layer = room.LayerStreet
		}
		runs(layer, func(t float64) point {
			bend := shift + 18*math.Sin(t/420+float64(i))
			return point{u[0]*t + v[0]*bend, u[1]*t + v[1]*bend}
		})
	}
	for d := 1200.0; d <= 3000; d += across {
		layer := room.LayerLane
		if c.rnd.next() < .25 {
			layer = room.LayerStreet
		}
		runs(layer, func(t float64) point { return point{u[0]*d + v[0]*t, u[1]*d + v[1]*t} })
	}
	if hasPark {
		c.park(green, a0, a1)
	}
}

func (c *City) park(g park, a0, a1 float64) {
	angle := func(f float64) float64 { return a0 + (a1-a0)*f }
	c.area(room.LayerPark, append(arc(g.r0, angle(g.f0), angle(g.f1), 16, 1.1, 1), arc(g.r1, angle(g.f1), angle(g.f0), 16, 1.1, 1)...))
	mid := polar((g.r0+g.r1)/2, angle(.5))
	var lake []point
	for q := range 24 {
		t := float64(q) / 24 * 2 * math.Pi
		lake = append(lake, point{mid[0]*1.1 + 170*math.Cos(t) + 30*math.Cos(2*t), mid[1] + 70*math.Sin(t) + 18*math.Sin(3*t)})
	}
	c.area(room.LayerWater, lake)
	c.line(room.LayerPath, 0, arc((g.r0+g.r1)/2+110, angle(g.f0), angle(g.f1), 16, 1.1, 1))
	for _, f := range [][2]float64{{.32, .3}, {.68, .72}} {
		p, q := polar(g.r0, angle(f[0])), polar(g.r1, angle(f[1]))
		c.line(room.LayerPath, 0, []point{{p[0] * 1.1, p[1]}, {q[0] * 1.1, q[1]}})
	}
}

// arterials run between the sectors, out to the ring, and three of them on as motorways.
func (c *City) arterials() {
	names := []string{"", "Westerweg", "Zaagmolenweg", "Bremerweg", "Zuiderweg", "Aaweg", "Stettinerweg", "Revalweg", "Oosterweg", ""}
	for i, a := range sectors {
		if names[i] == "" {
			continue
		}
		var ps []point
		for k, r := range []float64{1135, 1400, 1800, 2200, 2600, 2900} {
			p := polar(r, a+math.Sin(float64(k))*.5)
			ps = append(ps, point{p[0] * 1.1, p[1]})
		}
		if i != 2 && i != 4 && i != 6 {
			c.street(room.LayerRoad, names[i], "", ps)
			continue
		}
		c.street(room.LayerArterial, names[i], fmt.Sprintf("S10%d", i/2), ps)
		turn := float64(i - 4)
		p, o, q, f := polar(2600, a), polar(2900, a), polar(4200, a+turn), polar(7800, a+turn*3)
		number := fmt.Sprintf("A%d", i+3)
		c.street(room.LayerMotorway, "Rijksweg "+number, number, smooth(8, point{p[0] * 1.1, p[1]}, point{o[0] * 1.1, o[1]}, point{q[0] * 1.12, q[1]}, f))
	}
	for _, run := range ashore(arc(1900, 181, 359, 90, 1.1, 1)) {
		c.street(room.LayerRoad, "Wallenweg", "", run)
	}
}

// north lays the quarter across the harbour.
func (c *City) north() {
	inside := func(p point) bool {
		if p[1] < northBank(p[0])+70 || math.Hypot(p[0]/1.36, (p[1]-620)/1.02) > 2240 {
			return false
		}
		for _, d := range northDocks[:5] {
			if math.Abs(p[0]-d.x) < d.wide/2+40 && p[1] < northBank(d.x)+d.deep+40 {
				return false
			}
		}
		return p[0] <= -900 || p[0] >= -250 || p[1] <= 1500 || p[1] >= 2150
	}
	const tilt = 8 * degree
	cos, sin := math.Cos(tilt), math.Sin(tilt)
	lay := func(layer room.Layer, f func(t float64) point) {
		var ps []point
		for t := -3600.0; t <= 3600; t += 24 {
			ps = append(ps, f(t))
		}
		for _, run := range split(ps, 5, inside) {
			for _, piece := range cut(run, func(p point) bool { return p[0] < 520 }) {
				c.street(layer, c.name(), "", []point{piece[0], piece[len(piece)-1]})
			}
		}
	}
	layer := func(k, every int) room.Layer {
		if k%every == 0 {
			return room.LayerStreet
		}
		return room.LayerLane
	}
	for k, v := 0, -3600.0; v <= 3600; k, v = k+1, v+96 {
		lay(layer(k, 6), func(t float64) point { return point{cos*t - sin*v, sin*t + cos*v + 1200} })
	}
	for k, u := 0, -3600.0; u <= 3600; k, u = k+1, u+188+float64((k*37)%60) {
		lay(layer(k, 5), func(t float64) point { return point{cos*u - sin*t, sin*u + cos*t + 1200} })
	}
	c.street(room.LayerRoad, "Noorderdwarsweg", "", smooth(8, point{-2900, 1480}, point{-1500, 1350}, point{-500, 1330}, point{480, 1240}, point{1400, 1350}, point{2930, 1480}))
	c.street(room.LayerRoad, "Waterlandseweg", "", smooth(8, point{-1300, 1010}, point{-1250, 1700}, point{-1150, 2400}, point{-1080, 2860}))
	c.street(room.LayerStreet, "Kattenweg", "", smooth(8, point{2210, 1130}, point{2260, 1420}, point{2190, 1760}, point{2240, 2080}))
	c.street(room.LayerMotorway, "Rijksweg A8", "A8", smooth(8, point{600, 2800}, point{640, 3300}, point{800, 4200}, point{900, 7800}))
	c.area(room.LayerPark, []point{{-880, 1520}, {-270, 1500}, {-250, 2120}, {-860, 2140}})
}
