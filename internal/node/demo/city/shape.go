package city

import "math"

const degree = math.Pi / 180

func polar(r, a float64) point { return point{r * math.Cos(a*degree), r * math.Sin(a*degree)} }

// arc runs at radius r from angle a0 to a1 in n steps, stretched by ex and ey.
func arc(r, a0, a1 float64, n int, ex, ey float64) []point {
	out := make([]point, n+1)
	for i := range out {
		p := polar(r, a0+(a1-a0)*float64(i)/float64(n))
		out[i] = point{p[0] * ex, p[1] * ey}
	}
	return out
}

// smooth lays a Catmull-Rom curve through ps, n points a piece.
func smooth(n int, ps ...point) []point {
	var out []point
	for i := 0; i+1 < len(ps); i++ {
		a, b, c, d := ps[max(0, i-1)], ps[i], ps[i+1], ps[min(len(ps)-1, i+2)]
		for k := range n {
			t := float64(k) / float64(n)
			t2, t3 := t*t, t*t*t
			var p point
			for j := range p {
				p[j] = .5 * (2*b[j] + (c[j]-a[j])*t + (2*a[j]-5*b[j]+4*c[j]-d[j])*t2 + (3*b[j]-a[j]-3*c[j]+d[j])*t3)
			}
			out = append(out, p)
		}
	}
	return append(out, ps[len(ps)-1])
}

// southBank and northBank are the quays of the harbour, by metres east.
func southBank(x float64) float64 {
	y := 235 + 55*math.Sin(x/900)
	if x < -1800 {
		y -= (x + 1800) * .05
	}
	if x > 2600 {
		y += (x - 2600) * .06
	}
	return y
}

func northBank(x float64) float64 {
	y := 800 + 80*math.Sin(x/1100+1)
	if x < -1500 {
		y -= (x + 1500) * .17
	}
	if x > 2200 {
		y += (x - 2200) * .1
	}
	return y
}

// ashore returns the runs of ps that lie south of the harbour.
func ashore(ps []point) (runs [][]point) {
	return split(ps, 2, func(p point) bool { return p[1] < southBank(p[0])-14 })
}

// split returns the runs that are inside, those of fewer than least points left out.
func split(ps []point, least int, inside func(point) bool) (runs [][]point) {
	var run []point
	for _, p := range ps {
		if inside(p) {
			run = append(run, p)
			continue
		}
		if len(run) >= least {
			runs = append(runs, run)
		}
		run = nil
	}
	if len(run) >= least {
		runs = append(runs, run)
	}
	return runs
}

// cut splits a run where side changes, at a shared point, if both pieces are at
// least four points long.
func cut(run []point, side func(point) bool) [][]point {
	for i := 4; i < len(run)-4; i++ {
		if side(run[i]) != side(run[i-1]) {
			return append([][]point{run[:i+1]}, cut(run[i:], side)...)
		}
	}
	return [][]point{run}
}

// thin keeps the ends and every third point between.
func thin(ps []point) []point {
	out := []point{ps[0]}
	for i := 1; i < len(ps)-1; i += 3 {
		out = append(out, ps[i])
	}
	return append(out, ps[len(ps)-1])
}

func reversed[T any](ps []T) []T {
	out := make([]T, len(ps))
	for i, p := range ps {
		out[len(ps)-1-i] = p
	}
	return out
}

// quay follows a bank from x0 to x1, off metres inland.
func quay(bank func(float64) float64, off, x0, x1 float64) []point {
	var out []point
	n := max(2, int(math.Abs(x1-x0)/100))
	for i := range n + 1 {
		x := x0 + (x1-x0)*float64(i)/float64(n)
		out = append(out, point{x, bank(x) + off})
	}
	return out
}
