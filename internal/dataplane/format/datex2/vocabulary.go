package datex2

import (
	_ "embed" // the vocabulary
	"strings"
	"sync"
)

// vocabularyText has one line an element name of DATEX II 2.3, 3.3 and 3.7:
// behind the name the values of its enumeration, those that not every v3 has
// behind a plus.
//
//go:embed vocabulary.txt
var vocabularyText string

// word is an element name with what may stand in it.
type word struct {
	name   string
	known  bool            // DATEX II has it
	values map[string]bool // nil: not an enumeration; true: every v3 has the value
}

// vocabulary returns all names of DATEX II.
var vocabulary = sync.OnceValue(func() map[string]*word {
	m := map[string]*word{}
	for line := range strings.Lines(vocabularyText) {
		f := strings.Fields(line)
		w := &word{name: f[0], known: true}
		for _, v := range f[1:] {
			if w.values == nil {
				w.values = map[string]bool{}
			}
			rare := strings.HasPrefix(v, "+")
			w.values[strings.TrimPrefix(v, "+")] = !rare
		}
		m[f[0]] = w
	}
	return m
})

// says reports whether every v3 lets element hold value.
func says(element, value string) bool {
	w := vocabulary()[element]
	return w != nil && w.values[value]
}
