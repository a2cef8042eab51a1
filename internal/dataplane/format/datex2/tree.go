package datex2

import (
	"bytes"
	"strings"

	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// tree is one small part of a document in memory, a situation record for one. It
// is used again for the next, so nothing may point into it. Node 0 is its root.
type tree struct {
	nodes []node
	attrs []attribute
	arena []byte // texts and values
}

// ref names a node; -1 is none.
type ref int32

const none ref = -1

type node struct {
	word         *word
	foreign      bool // of a namespace that is not DATEX II's
	used         bool // its text has been understood, or need not be
	parent       ref
	first, last  ref
	next         ref
	text, end    int
	attr, attrTo int
}

type attribute struct {
	name      string
	at, after int
}

// names gives each element name its word; those that DATEX II does not have are
// learnt, up to namesMax.
type names struct {
	known map[string]*word
	learn map[string]*word
	space string // the last namespace asked for
	ours  bool
}

const namesMax = 4096

func (n *names) word(local []byte) *word {
	if w := n.known[string(local)]; w != nil {
		return w
	}
	if w := n.learn[string(local)]; w != nil {
		return w
	}
	w := &word{name: string(local)}
	if len(n.learn) < namesMax {
		if n.learn == nil {
			n.learn = map[string]*word{}
		}
		n.learn[w.name] = w
	}
	return w
}

// isOurs reports whether a namespace is DATEX II's, or none at all.
func (n *names) isOurs(space string) bool {
	if space != n.space || !n.ours {
		_, path, _ := strings.Cut(space, "://")
		n.space, n.ours = space, space == "" || strings.HasPrefix(path, "datex2.eu/")
	}
	return n.ours
}

// grow reads the element whose start s stands on, up to its end. Beyond
// nodesMax elements it keeps no more and reports false.
func (t *tree) grow(s *format.XMLScanner, n *names) (bool, error) {
	const nodesMax = 1 << 17
	t.nodes, t.attrs, t.arena = t.nodes[:0], t.attrs[:0], t.arena[:0]
	at := t.add(s, n, none)
	whole := true
	for depth := s.Depth(); ; {
		kind, err := s.Next()
		if err != nil {
			return false, err
		}
		if !whole {
			if s.Depth() < depth {
				return false, nil
			}
			continue
		}
		switch kind {
		case format.XMLStart:
			if len(t.nodes) == nodesMax || len(t.attrs) > nodesMax {
				whole = false
				continue
			}
			at = t.add(s, n, at)
		case format.XMLText:
			t.say(at, s.Text)
		case format.XMLEnd:
			if at = t.nodes[at].parent; at == none {
				return true, nil
			}
		case format.XMLNone:
		}
	}
}

func (t *tree) add(s *format.XMLScanner, n *names, parent ref) ref {
	at := ref(len(t.nodes)) //nolint:gosec // bounded by nodesMax
	here := len(t.arena)
	t.nodes = append(t.nodes, node{
		word: n.word(s.Name.Local), foreign: !n.isOurs(s.Name.Space), parent: parent,
		first: none, last: none, next: none, text: here, end: here, attr: len(t.attrs),
	})
	if parent != none {
		if p := &t.nodes[parent]; p.first == none {
			p.first, p.last = at, at
		} else {
			t.nodes[p.last].next, p.last = at, at
		}
	}
	for i := range s.Attrs {
		a := &s.Attrs[i]
		if string(a.Name.Prefix) == "xmlns" || string(a.Name.Local) == "xmlns" {
			continue
		}
		v := a.Value
		name := attributeName(a.Name.Local)
		if name == "type" {
			_, v = s.Resolve(v)
		}
		from := len(t.arena)
		t.arena = append(t.arena, v...)
		t.attrs = append(t.attrs, attribute{name, from, len(t.arena)})
	}
	m := &t.nodes[at]
	m.attrTo = len(t.attrs)
	m.text = len(t.arena)
	m.end = m.text
	return at
}

// attributeName spares memory for the names that DATEX II has.
func attributeName(b []byte) string {
	switch string(b) {
	case "id":
		return "id"
	case "version":
		return "version"
	case "type":
		return "type"
	case "lang":
		return "lang"
	case "index":
		return "index"
	case "srsName":
		return "srsName"
	case "targetClass":
		return "targetClass"
	}
	return string(b)
}

// say adds text to a node. White space alone says nothing.
func (t *tree) say(at ref, text []byte) {
	n := &t.nodes[at]
	if n.text == n.end && len(bytes.TrimSpace(text)) == 0 {
		return
	}
	if n.end != len(t.arena) {
		from := len(t.arena)
		t.arena = append(t.arena, t.arena[n.text:n.end]...)
		n.text = from
	}
	t.arena = append(t.arena, text...)
	n.end = len(t.arena)
}

// is reports whether at is DATEX II's element name.
func (t *tree) is(at ref, name string) bool {
	n := &t.nodes[at]
	return n.word.name == name && !n.foreign
}

func (t *tree) name(at ref) string { return t.nodes[at].word.name }
func (t *tree) first(at ref) ref {
	if at == none {
		return none
	}
	return t.nodes[at].first
}
func (t *tree) next(at ref) ref { return t.nodes[at].next }

// child returns at's first child of that name, none when there is none.
func (t *tree) child(at ref, name string) ref {
	for c := t.first(at); c != none; c = t.nodes[c].next {
		if t.is(c, name) {
			return c
		}
	}
	return none
}

// sibling returns the next element of the same name.
func (t *tree) sibling(at ref) ref {
	name := t.name(at)
	for c := t.nodes[at].next; c != none; c = t.nodes[c].next {
		if t.is(c, name) {
			return c
		}
	}
	return none
}

// down follows names from at.
func (t *tree) down(at ref, names ...string) ref {
	for _, n := range names {
		if at = t.child(at, n); at == none {
			return none
		}
	}
	return at
}

// bytes returns what a node says, without white space around it, and notes that
// it has been understood.
func (t *tree) bytes(at ref) []byte {
	if at == none {
		return nil
	}
	n := &t.nodes[at]
	n.used = true
	return bytes.TrimSpace(t.arena[n.text:n.end])
}

func (t *tree) string(at ref) string { return string(t.bytes(at)) }

// leaf returns what the child of that name says.
func (t *tree) leaf(at ref, name string) string { return string(t.bytes(t.child(at, name))) }

// attr returns the value of an attribute.
func (t *tree) attr(at ref, name string) []byte {
	if at == none {
		return nil
	}
	n := &t.nodes[at]
	for _, a := range t.attrs[n.attr:n.attrTo] {
		if a.name == name {
			return t.arena[a.at:a.after]
		}
	}
	return nil
}

// find returns the first node named name, DATEX II's or not.
func (t *tree) find(name string) ref {
	for i := range t.nodes {
		if t.nodes[i].word.name == name {
			return ref(i)
		}
	}
	return none
}

// use notes that all of at has been understood.
func (t *tree) use(at ref) {
	if at == none {
		return
	}
	t.nodes[at].used = true
	for c := t.first(at); c != none; c = t.next(c) {
		t.use(c)
	}
}

// path returns the way from the root to at, the root's name first.
func (t *tree) path(at ref) string {
	p := t.name(at)
	for a := t.nodes[at].parent; a != none; a = t.nodes[a].parent {
		p = t.name(a) + "/" + p
	}
	return p
}

// fragment returns at as XML without prefixes, for a part that is kept as it
// came, and notes that it has been understood.
func (t *tree) fragment(at ref) string {
	t.use(at)
	return string(t.appendFragment(nil, at))
}

func (t *tree) appendFragment(b []byte, at ref) []byte {
	n := &t.nodes[at]
	b = append(append(b, '<'), n.word.name...)
	for _, a := range t.attrs[n.attr:n.attrTo] {
		b = append(append(append(b, ' '), a.name...), `="`...)
		b = append(append(b, format.EscapeXML(string(t.arena[a.at:a.after]))...), '"')
	}
	b = append(b, '>')
	b = append(b, format.EscapeXML(string(bytes.TrimSpace(t.arena[n.text:n.end])))...)
	for c := n.first; c != none; c = t.next(c) {
		b = t.appendFragment(b, c)
	}
	return append(append(append(b, "</"...), n.word.name...), '>')
}
