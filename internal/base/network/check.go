package network

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// findingsMax bounds what one check tells.
const findingsMax = 1000

// Check looks for what is probably wrong with a network that can be read: each
// finding names the place, the rule and the mend. The worst come first.
func (n *Network) Check() []hansa.Finding {
	c := &checker{n: n, g: n.ground()}
	c.names()
	for i := range n.places {
		c.shape(i)
		c.parts(i)
	}
	c.joints()
	rank := map[hansa.FindingSeverity]int{hansa.Fault: 0, hansa.Warning: 1, hansa.Note: 2}
	slices.SortStableFunc(c.list, func(a, b hansa.Finding) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
	return c.list
}

type checker struct {
	n    *Network
	g    *ground
	list []hansa.Finding
	mid  *[2]float64
}

func (c *checker) add(i int, rule hansa.Rule, severity hansa.FindingSeverity, field, value, says, mend string) {
	if len(c.list) < findingsMax {
		c.list = append(c.list, hansa.Finding{Rule: rule, Severity: severity, Field: "/features/" + strconv.Itoa(i) + field, Value: value, Message: c.n.places[i].ID + ": " + says, Mend: mend})
	}
}

// names: one name within a kind is one place, its parts aside.
func (c *checker) names() {
	seen := map[string]int{}
	for i := range c.n.places {
		p := &c.n.places[i]
		if p.Parent != "" {
			continue
		}
		key := p.Kind + "\x00" + Fold(p.Name)
		if j, ok := seen[key]; ok {
			c.add(i, "NET-01", hansa.Warning, "/properties/name", p.Name, fmt.Sprintf("%s is called so too: closing it by name asks which one", c.n.places[j].ID), "make them parts of one place, or give each a name of its own")
		}
		seen[key] = i
	}
}

// shape looks at a place's own line.
func (c *checker) shape(i int) {
	p := &c.n.places[i]
	if p.Geometry.Type == hansa.Polygon {
		c.add(i, "NET-02", hansa.Note, "/geometry", string(p.Geometry.Type), "an area has no direction, and no line is matched to it", "give its roads as lines")
		return
	}
	length := 0.0
	for _, line := range p.Geometry.Lines {
		w := wayOf(planeAt(line[0]), line)
		length += w.length()
		for k := 1; k < len(w.points); k++ {
			if l := w.points[k-1].to(w.points[k]); l > 5_000 {
				c.add(i, "NET-03", hansa.Fault, "/geometry", fmt.Sprintf("%.0f m", l), "a straight piece of more than 5 km: a coordinate may be wrong", "look at the line on a map")
			}
		}
		if crosses(w) {
			c.add(i, "NET-04", hansa.Warning, "/geometry", "", "the line crosses itself", "split it where it does, or remove the loop")
		}
		if math.Abs(line[0][0]) < 1 && math.Abs(line[0][1]) < 1 {
			c.add(i, "NET-05", hansa.Fault, "/geometry", spoken(line[0]), "it lies off the coast of Africa: the coordinates are missing or in another system", "give longitude and latitude in degrees (WGS 84)")
		}
	}
	if length < 5 {
		c.add(i, "NET-06", hansa.Warning, "/geometry", fmt.Sprintf("%.1f m", length), "shorter than 5 m: receivers find no road in it", "give the whole line")
	}
	if low, high := c.middle(); math.Abs(p.Geometry.Lines[0][0][0]-low) > 2 || math.Abs(p.Geometry.Lines[0][0][1]-high) > 2 {
		c.add(i, "NET-07", hansa.Fault, "/geometry", spoken(p.Geometry.Lines[0][0]), "it lies far from the rest: latitude may stand first", "write longitude first, then latitude")
	}
}

// middle is the median of where the places begin.
func (c *checker) middle() (lon, lat float64) {
	if c.g.roads == nil {
		return 0, 0
	}
	if c.mid == nil {
		xs, ys := make([]float64, 0, len(c.n.places)), make([]float64, 0, len(c.n.places))
		for i := range c.n.places {
			xs, ys = append(xs, c.n.places[i].Geometry.Lines[0][0][0]), append(ys, c.n.places[i].Geometry.Lines[0][0][1])
		}
		slices.Sort(xs)
		slices.Sort(ys)
		c.mid = &[2]float64{xs[len(xs)/2], ys[len(ys)/2]}
	}
	return c.mid[0], c.mid[1]
}

// parts looks at the tubes and directions of a whole.
func (c *checker) parts(i int) {
	p := &c.n.places[i]
	if p.Tube != "" && p.Parent == "" {
		c.add(i, "NET-08", hansa.Warning, "/properties/parent", "", "a tube without its tunnel: closing the tunnel leaves it open", "name the tunnel's id as parent")
	}
	if p.Parent != "" && p.Heading == "" && p.Tube == "" {
		c.add(i, "NET-09", hansa.Warning, "/properties/heading", "", "a part without a heading or a tube: nobody can name it", "say where it leads (north, or towards a place), or its tube (a to d)")
	}
	list := c.n.parts[p.ID]
	for a, j := range list {
		for _, k := range list[:a] {
			x, y := &c.n.places[j], &c.n.places[k]
			if x.Heading != "" && strings.EqualFold(x.Heading, y.Heading) && x.Tube == y.Tube {
				c.add(j, "NET-10", hansa.Warning, "/properties/heading", x.Heading, fmt.Sprintf("it leads where %s leads, and has no tube of its own", y.ID), "tell them apart by tube or heading")
			}
			if x.Direction == hansa.OneDirection && y.Direction == hansa.OneDirection && same(x, y) {
				c.add(j, "NET-11", hansa.Warning, "/geometry", "", fmt.Sprintf("its line runs the same way as that of %s, though they are two directions", y.ID), "draw each in its own direction of travel")
			}
		}
	}
}

// same reports whether two parts with different headings run the same way.
func same(x, y *hansa.Place) bool {
	if x.Heading == "" || y.Heading == "" || strings.EqualFold(x.Heading, y.Heading) || len(x.Geometry.Lines) != 1 || len(y.Geometry.Lines) != 1 {
		return false
	}
	f := planeAt(x.Geometry.Lines[0][0])
	a, b := wayOf(f, x.Geometry.Lines[0]), wayOf(f, y.Geometry.Lines[0])
	if a.points[0].to(a.points[len(a.points)-1]) < a.length()/2 { // a ring runs all ways
		return false
	}
	return turn(a.points[0].heading(a.points[len(a.points)-1]), b.points[0].heading(b.points[len(b.points)-1])) < math.Pi/4
}

// joints looks for ends that nearly meet another road's end.
func (c *checker) joints() {
	type end struct {
		at   point
		road int
	}
	cells := map[[2]int32][]end{}
	for i := range c.g.roads {
		w := &c.g.roads[i]
		for _, p := range []point{w.points[0], w.points[len(w.points)-1]} {
			at := [2]int32{cell(p.x), cell(p.y)}
			for x := at[0] - 1; x <= at[0]+1; x++ {
				for y := at[1] - 1; y <= at[1]+1; y++ {
					for _, o := range cells[[2]int32{x, y}] {
						if d := p.to(o.at); o.road != i && d > 0.5 && d < matchJoin && c.g.roads[o.road].place != w.place {
							c.add(w.place, "NET-12", hansa.Note, "/geometry", fmt.Sprintf("%.1f m", d), fmt.Sprintf("it nearly meets %s", c.n.places[c.g.roads[o.road].place].ID), "let them share the place where they meet")
						}
					}
				}
			}
			cells[at] = append(cells[at], end{p, i})
		}
	}
}

// crossedMax bounds the pieces of a line that are held against each other.
const crossedMax = 500

// crosses reports whether a line crosses itself.
func crosses(w way) bool {
	n := min(len(w.points), crossedMax)
	for i := 1; i < n; i++ {
		for j := i + 2; j < n; j++ {
			if i == 1 && j == n-1 && w.points[0].to(w.points[n-1]) < 0.5 {
				continue // a ring closes
			}
			if cross(w.points[i-1], w.points[i], w.points[j-1], w.points[j]) {
				return true
			}
		}
	}
	return false
}

func cross(a, b, c, d point) bool {
	side := func(p, q, r point) float64 { return (q.x-p.x)*(r.y-p.y) - (q.y-p.y)*(r.x-p.x) }
	return side(a, b, c)*side(a, b, d) < 0 && side(c, d, a)*side(c, d, b) < 0
}
