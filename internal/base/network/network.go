// Package network keeps a party's named places (tunnels, tubes, bridges, streets)
// and finds the one that a person means. It never guesses: a name that fits more
// than one place is answered with the choices, one that fits none with the names
// that come near.
package network

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/hansa-exchange/hansa"
)

// Limits of a network and of a question to it.
const (
	PlacesMax     = 100_000
	NameBytesMax  = 200
	QueryBytesMax = 300
	choicesMax    = 5 // named in a hint
)

// Network is a party's places, indexed by id and name. It is never changed once
// made, so that many may read it at once.
type Network struct {
	places []hansa.Place
	byID   map[string]int
	byName map[string][]int // folded name to wholes and lone places first
	parts  map[string][]int // by the whole's id
	names  []string         // folded, sorted: what a suggestion is sought in

	survey sync.Once // guards laid: what a drawn line is matched to
	laid   *ground

	measure   sync.Once // guards low and high: where the network lies
	low, high hansa.Position
}

// New indexes places, in their order. Invalid names the place that has no id or
// name, repeats an id, has a shape that is no line, or is part of nothing known.
func New(places []hansa.Place) (*Network, error) {
	if len(places) > PlacesMax {
		return nil, hansa.Errorf(hansa.Busy, "a network has at most %d places, not %d", PlacesMax, len(places))
	}
	n := &Network{places: places, byID: make(map[string]int, len(places)), byName: map[string][]int{}, parts: map[string][]int{}}
	for i := range places {
		p := &places[i]
		if err := check(p, "/places/"+strconv.Itoa(i)); err != nil {
			return nil, err
		}
		key := Fold(p.ID)
		if j, ok := n.byID[key]; ok {
			return nil, hansa.Fielded("/places/"+strconv.Itoa(i)+"/id", "places %q and %q have ids that read the same", places[j].ID, p.ID)
		}
		n.byID[key] = i
		n.byName[Fold(p.Name)] = append(n.byName[Fold(p.Name)], i)
	}
	for i := range places {
		if places[i].Parent == "" {
			continue
		}
		whole, ok := n.byID[Fold(places[i].Parent)]
		if !ok || whole == i {
			return nil, hansa.Fielded("/places/"+strconv.Itoa(i)+"/parent", "%q is part of %q, which is not a place here", places[i].ID, places[i].Parent)
		}
		n.parts[places[whole].ID] = append(n.parts[places[whole].ID], i)
	}
	n.names = slices.Sorted(maps.Keys(n.byName))
	return n, nil
}

func check(p *hansa.Place, at string) error {
	switch {
	case Fold(p.ID) == "" || len(p.ID) > hansa.IDBytesMax:
		return hansa.Fielded(at+"/id", "a place needs an id with a letter or digit, at most %d bytes", hansa.IDBytesMax)
	case Fold(p.Name) == "" || len(p.Name) > NameBytesMax:
		return hansa.Fielded(at+"/name", "place %q needs a name with a letter or digit, at most %d bytes", p.ID, NameBytesMax)
	case p.Geometry == nil || p.Geometry.Type != hansa.LineString && p.Geometry.Type != hansa.MultiLineString && p.Geometry.Type != hansa.Polygon:
		return hansa.Fielded(at+"/geometry", "place %q needs a LineString, MultiLineString or Polygon", p.ID)
	}
	if err := p.Geometry.Validate(); err != nil {
		return hansa.Public(err).At(at + hansa.Public(err).Field)
	}
	return nil
}

// Places returns the places in the order of New. The caller may not change them.
func (n *Network) Places() []hansa.Place { return n.places }

// Len returns how many places there are.
func (n *Network) Len() int { return len(n.places) }

// Place returns the place with this id.
func (n *Network) Place(id string) (hansa.Place, bool) {
	i, ok := n.byID[Fold(id)]
	if !ok {
		return hansa.Place{}, false
	}
	return n.places[i], true
}

// Fold returns what two spellings of one name have in common: lower case, no
// accents, letters and digits alone.
func Fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(s) {
		if full, ok := spelled[r]; ok {
			b.WriteString(full)
		} else if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// spelled are letters that do not decompose.
var spelled = map[rune]string{'ß': "ss", 'ẞ': "ss", 'ø': "o", 'Ø': "o", 'æ': "ae", 'Æ': "ae", 'œ': "oe", 'Œ': "oe", 'đ': "d", 'Đ': "d", 'ł': "l", 'Ł': "l", 'þ': "th", 'Þ': "th", 'ð': "d", 'Ð': "d", 'ı': "i"}
