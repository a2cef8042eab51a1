package network

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// near returns up to choicesMax names that come near to a folded one: within a
// third of its letters, or containing it. The nearest come first.
func (n *Network) near(key string) []string {
	type hit struct {
		name string
		far  int
	}
	letters := []rune(key)
	most := max(1, len(letters)/3)
	var hits []hit
	for _, name := range n.names {
		far := distance(letters, []rune(name), most)
		switch {
		case len(letters) < 3:
		case strings.HasPrefix(name, key):
			far = min(far, 1)
		case strings.Contains(name, key):
			far = min(far, most)
		}
		if far <= most && n.whole(n.byName[name]).Parent == "" {
			hits = append(hits, hit{name, far})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.far, b.far) })
	var out []string
	for _, h := range hits {
		p := n.whole(n.byName[h.name])
		if len(out) < choicesMax && !slices.Contains(out, p.Name) {
			out = append(out, p.Name)
		}
	}
	return out
}

// whole returns the first of list that is no part, else its first.
func (n *Network) whole(list []int) *hansa.Place {
	for _, i := range list {
		if n.places[i].Parent == "" {
			return &n.places[i]
		}
	}
	return &n.places[list[0]]
}

// distance counts the letters to change, add, leave out or swap to make b of a;
// anything over most is most+1.
func distance(a, b []rune, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > most {
			return most + 1
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}
