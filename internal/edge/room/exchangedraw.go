package room

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// sankey is the picture of who shares what with whom: givers on the left, the models in
// the middle, receivers on the right.
type sankey struct {
	Height  int
	Says    string
	Ribbons []ribbon
	Nodes   []sankeyNode
	Heads   []sankeyHead
}

// ribbon is all that goes from one place of the picture to the next under one model.
type ribbon struct{ Path, ModelClass, Says string }

// sankeyNode is a giver, a model or a receiver.
type sankeyNode struct {
	X, Y, H         int
	Title           string
	N               int
	Side            string // gives, model or receives
	Class           string
	TextX, TextY    int
	PillX, PillW    int
	key             string
	cursor, arrives float64
}

// sankeyHead stands over one half of the picture.
type sankeyHead struct {
	Word string
	Y    int
	Line bool
}

// Measures of the picture, in its own units.
const (
	sankeyLeft   = 190
	sankeyMiddle = 490
	sankeyRight  = 790
	sankeyBar    = 9
	sankeyTop    = 52
	sankeyGap    = 14
	sankeyName   = 150 // the room of a name beside its place
	sankeyTall   = 460 // of one half with many flows
)

// drawSankey draws flows; nil for none.
func drawSankey(s *shell, rows []exchangeRow) *sankey {
	if len(rows) == 0 {
		return nil
	}
	d := &sankey{Height: 16, Says: s.say.Count(len(rows), "{1} flow: who gives on the left, by which model in the middle, who receives on the right. The table says the same.", "{1} flows: who gives on the left, by which model in the middle, who receives on the right. The table says the same.")}
	var up, down []exchangeRow
	for i := range rows {
		if !rows[i].fromPublic && rows[i].toPublic {
			up = append(up, rows[i])
		} else {
			down = append(down, rows[i])
		}
	}
	d.half(s, up, words.Mark("Companies to public bodies"))
	d.half(s, down, words.Mark("Public bodies to companies, and to each other"))
	return d
}

// half draws one half below what is drawn.
func (d *sankey) half(s *shell, rows []exchangeRow, word string) {
	if len(rows) == 0 {
		return
	}
	unit := min(26, max(2, float64(sankeyTall)/float64(len(rows))))
	d.Heads = append(d.Heads, sankeyHead{Word: word, Y: d.Height + 14, Line: d.Height > 16})
	top := d.Height + sankeyTop - 16
	gives := column(rows, "gives", sankeyLeft, unit, top, func(x *exchangeRow) (string, string, bool) { return string(x.fromID), x.From, x.fromPublic })
	model := column(rows, "model", sankeyMiddle, unit, top, func(x *exchangeRow) (string, string, bool) { return string(x.model), x.Model, false })
	takes := column(rows, "receives", sankeyRight, unit, top, func(x *exchangeRow) (string, string, bool) { return string(x.toID), x.To, x.toPublic })
	bottom := top
	for _, list := range [][]sankeyNode{gives, model, takes} {
		bottom = max(bottom, list[len(list)-1].Y+list[len(list)-1].H)
	}
	for _, list := range [][]sankeyNode{gives, model, takes} { // each column in the middle of the half
		shift := (bottom - list[len(list)-1].Y - list[len(list)-1].H) / 2
		for i := range list {
			list[i].Y += shift
			list[i].TextY = list[i].Y + list[i].H/2 + 4
		}
	}
	d.ribbons(s, rows, unit, gives, model, func(x *exchangeRow) (string, string) { return string(x.fromID), string(x.model) })
	d.ribbons(s, rows, unit, model, takes, func(x *exchangeRow) (string, string) { return string(x.model), string(x.toID) })
	d.Nodes = append(d.Nodes, slices.Concat(gives, model, takes)...)
	d.Height = bottom + 30
}

// column places the nodes of one column, the largest first.
func column(rows []exchangeRow, side string, x int, unit float64, top int, of func(*exchangeRow) (key, title string, public bool)) []sankeyNode {
	var out []sankeyNode
	for i := range rows {
		key, title, public := of(&rows[i])
		at := slices.IndexFunc(out, func(n sankeyNode) bool { return n.key == key })
		if at < 0 {
			at = len(out)
			n := sankeyNode{X: x, Title: title, Side: side, key: key, Class: "s-company"}
			if public {
				n.Class = "s-public"
			}
			if side == "model" {
				n.Class = modelClass(hansa.Model(key))
			}
			out = append(out, n)
		}
		out[at].N++
	}
	slices.SortStableFunc(out, func(a, b sankeyNode) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Title, b.Title)) })
	y := top
	for i := range out {
		n := &out[i]
		n.Y, n.H = y, max(2, int(unit*float64(n.N)))
		y += max(n.H, 16) + sankeyGap
		switch side {
		case "gives":
			n.TextX, n.Title = x-8, short(n.Title, sankeyName)
		case "receives":
			n.TextX, n.Title = x+sankeyBar+8, short(n.Title, sankeyName)
		default:
			n.TextX = x + sankeyBar/2
			n.PillW = 30 + 8*len([]rune(n.Title))
			n.PillX = n.TextX - n.PillW/2
		}
	}
	return out
}

// ribbons joins two columns.
func (d *sankey) ribbons(s *shell, rows []exchangeRow, unit float64, from, to []sankeyNode, of func(*exchangeRow) (a, b string)) {
	for i := range from {
		for k := range to {
			a, b := &from[i], &to[k]
			n, class, model := 0, "", ""
			for j := range rows {
				if x, y := of(&rows[j]); x == a.key && y == b.key {
					n++
					class, model = rows[j].ModelClass, rows[j].Model
				}
			}
			if n == 0 {
				continue
			}
			h := unit * float64(n)
			y0, y1 := float64(a.Y)+a.cursor, float64(b.Y)+b.arrives
			a.cursor, b.arrives = a.cursor+h, b.arrives+h
			x0, x1 := float64(a.X+sankeyBar), float64(b.X)
			m := (x0 + x1) / 2
			d.Ribbons = append(d.Ribbons, ribbon{
				Path:       fmt.Sprintf("M%.0f %.1fC%.0f %.1f %.0f %.1f %.0f %.1fV%.1fC%.0f %.1f %.0f %.1f %.0f %.1fZ", x0, y0, m, y0, m, y1, x1, y1, y1+h, m, y1+h, m, y0+h, x0, y0+h),
				ModelClass: class, Says: s.say.Count(n, "{2} to {3}, {4}: {1} flow", "{2} to {3}, {4}: {1} flows", a.Title, b.Title, model),
			})
		}
	}
}
