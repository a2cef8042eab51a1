package city

import (
	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// The ring road goes under the harbour at westX and eastX.
const westX, eastX = -3150.0, 3180.0

// portals returns where the ring dives and comes up, with the middle between.
func portals(x, south, mid, north float64) (s, m, n point) {
	return point{x + south, southBank(x) - 130}, point{x + mid, (southBank(x) + northBank(x)) / 2}, point{x + north, northBank(x) + 150}
}

func southArc() []point {
	var out []point
	for _, p := range arc(2750, 186, 354, 120, 1.18, .98) {
		if p[1] < -260 {
			out = append(out, p)
		}
	}
	return out
}

// northArc runs from west to east.
func northArc() []point {
	var out []point
	for i, p := range reversed(arc(2350, 30, 150, 40, 1.3, 1.02)) {
		if i%4 == 0 {
			out = append(out, point{p[0], p[1] + 640})
		}
	}
	return out
}

// ground paints what is built on: inside the ring, on both banks, and the belt.
func (c *City) ground() {
	var south, north []point
	for x := 3000.0; x > -3100; x -= 100 {
		south, north = append(south, point{x, southBank(x)}), append(north, point{x, northBank(x)})
	}
	ws, _, wn := portals(westX, -40, -50, -20)
	es, _, en := portals(eastX, 40, 50, 10)
	a := southArc()
	c.area(room.LayerUrban, append(append(append(a, es, point{3100, southBank(3100)}), south...), ws))
	b := append([]point{wn, {-2960, 1560}}, northArc()...)
	c.area(room.LayerUrban, append(append(b, point{2960, 1540}, en), north...))
	var belt []point
	for _, p := range arc(1200, 172, 368, 60, stretch, 1) {
		if p[1] < southBank(p[0])-5 {
			belt = append(belt, p)
		}
	}
	c.area(room.LayerBlock, belt)
}

// ring lays the R1 and the three tunnels.
func (c *City) ring() {
	ws, wm, wn := portals(westX, -40, -50, -20)
	es, em, en := portals(eastX, 40, 50, 10)
	south := southArc()
	last := south[len(south)-1]
	c.street(room.LayerMotorway, "Ring R1 zuid", "R1", smooth(2, south...))
	c.street(room.LayerMotorway, "Ring R1 west", "R1", smooth(8, south[0], point{-3245, -120}, ws))
	c.street(room.LayerMotorway, "Ring R1 oost", "R1", smooth(8, last, point{3240, -120}, es))
	loop := append([]point{wn, {-2960, 1560}}, northArc()...)
	c.street(room.LayerMotorway, "Ring R1 noord", "R1", smooth(8, append(loop, point{2960, 1540}, en)...))
	c.tunnel("Westertunnel", "R1", room.LayerMotorway, smooth(8, ws, wm, wn))
	c.tunnel("Oostertunnel", "R1", room.LayerMotorway, smooth(8, es, em, en))

	under := []point{{352, southBank(350) + 10}, {380, (southBank(380) + northBank(380)) / 2}, {420, northBank(420) + 20}}
	c.tunnel("Stadstunnel", "S100", room.LayerArterial, smooth(8, under...))
	gate := polar(1140, 300)
	c.street(room.LayerArterial, "Stadsroute zuid", "S100", smooth(8, point{gate[0] * stretch, gate[1]}, point{520, -560}, point{400, -180}, point{330, 60}, under[0]))
	c.street(room.LayerArterial, "Stadsroute noord", "S100", smooth(8, under[2], point{455, 1010}, point{520, 1500}, point{560, 2100}, point{600, 2850}))

	off := -60.0
	c.street(room.LayerRoad, "Waagkade", "", quay(southBank, off, -560, 250))
	c.street(room.LayerRoad, "Kade", "", quay(southBank, off, -1250, -560))
	c.street(room.LayerRoad, "Oosterkade", "", quay(southBank, off, 250, 1900))
	c.street(room.LayerRoad, "Westerkade", "", []point{{-1250, southBank(-1250) - 60}, {-1900, southBank(-1900) - 80}, {-2700, southBank(-2700) - 90}, {-3150, southBank(-3050) - 560}})
}

// tunnel takes the middle line from south to north.
func (c *City) tunnel(name, number string, layer room.Layer, ps []point) {
	c.Streets = append(c.Streets, Street{Name: name, Number: number, Layer: layer, Tunnel: true, Lines: [][]hansa.Position{positions(ps)}})
}

func (c *City) rail() {
	c.line(room.LayerCanal, 46, smooth(8, point{-700, -7800}, point{-420, -5600}, point{-760, -4300}, point{-260, -3300}, point{-330, -2500}, point{-120, -1900}, point{-160, -1400}, point{-40, -1120}))
	c.line(room.LayerRail, 0, smooth(8, point{-7600, -900}, point{-4300, -250}, point{-3000, -120}, point{-1700, 40}, point{-900, southBank(-900) - 105}, point{-300, southBank(-300) - 104}, point{300, southBank(300) - 104}, point{900, southBank(900) - 110}, point{1800, 60}, point{2900, -120}, point{4400, -700}, point{7600, -1600}))
	c.line(room.LayerRail, 0, smooth(8, point{1500, 95}, point{2150, -160}, point{2560, -900}, point{2520, -2000}, point{2700, -4200}, point{3200, -7600}))
}

func (c *City) labels() {
	for _, l := range []struct {
		p          point
		text, kind string
	}{
		{point{-140, -95}, "Oude Stad", "district"},
		{point{-760, -420}, "Grachtengordel", "district"},
		{point{1600, -560}, "Oosterwijk", "district"},
		{point{-1820, -420}, "Westerwijk", "district"},
		{point{-900, -1980}, "Zuid", "district"},
		{point{950, -1950}, "Molenbuurt", "district"},
		{point{900, 2000}, "Noord", "district"},
		{point{-1700, 2050}, "Scheepsbouw", "district"},
		{point{-4300, 700}, "Westhaven", "district"},
		{point{4450, 420}, "Oosthaven", "district"},
		{point{2540, 725}, "Pakhuiseiland", "island"},
		{point{1300, 680}, "Koggeneiland", "island"},
		{point{0, southBank(0) - 60}, "Doggerhaven CS", "station"},
		{point{-2000, 560}, "Het Diep", "water"},
	} {
		c.Drawing.Labels = append(c.Drawing.Labels, room.Label{Text: l.text, Kind: l.kind, At: at(l.p)})
	}
}

// crossings builds the bridges: the main radials over each canal, and the Aa.
func (c *City) crossings() {
	for i, name := range radials {
		if i%3 != 1 {
			continue
		}
		for _, k := range canals[1:] {
			a := 186 + 14*float64(i)
			ps := ray(a, k.r-k.across/2-8, k.r+k.across/2+8)
			if ps[0][1] > southBank(ps[0][0])-20 {
				continue
			}
			c.bridge(trimStreet(name)+"brug "+k.name, ps)
		}
	}
	c.bridge("Aabrug Wallenweg", []point{{-230, -1893}, {-10, -1900}})
	c.bridge("Aabrug Ring R1", []point{{-420, -2660}, {-200, -2685}})
}

func (c *City) bridge(name string, ps []point) {
	c.Streets = append(c.Streets, Street{Name: name, Layer: room.LayerRoad, Bridge: true, Lines: [][]hansa.Position{positions(ps)}})
}

func trimStreet(name string) string {
	for _, end := range []string{"straat", "kade"} {
		if n := len(name) - len(end); n > 0 && name[n:] == end {
			return name[:n]
		}
	}
	return name
}
