package datex2

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// member is where a record keeps what DATEX II said and the record has no word
// for: an object from path to text, or to a list of texts.
const member = "datex2"

// morePath is there when there was more than a record keeps.
const morePath = "@more"

// leftover is one text with its path below the record.
type leftover struct {
	path, value string
	unknown     bool // DATEX II has no such element
}

// leftoversMax is how many texts without a word a record keeps; the others are in
// its original bytes alone, and it is marked.
const leftoversMax = 1000

// leftovers appends the texts of t that nobody used. Attributes count where an
// element has nothing else.
func (t *tree) leftovers(out []leftover, prefix string) []leftover {
	for i := range t.nodes {
		n := &t.nodes[i]
		at := ref(i)
		if n.used || n.first != none && n.text == n.end {
			continue
		}
		value := string(t.arena[n.text:n.end])
		if n.text == n.end {
			if value = t.attributesOf(at); value == "" {
				continue
			}
		}
		if len(out) >= leftoversMax {
			return append(out, leftover{path: morePath, value: "true"})
		}
		path := t.path(at)
		if at != 0 && prefix == "" {
			_, path, _ = strings.Cut(path, "/")
		}
		out = append(out, leftover{prefix + path, strings.TrimSpace(value), !n.word.known || n.foreign})
	}
	return out
}

func (t *tree) attributesOf(at ref) string {
	n := &t.nodes[at]
	if at == 0 && n.word.name == "situationRecord" {
		return ""
	}
	var b strings.Builder
	for _, a := range t.attrs[n.attr:n.attrTo] {
		if a.name == "type" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a.name + "=" + string(t.arena[a.at:a.after]))
	}
	return b.String()
}

// keep puts leftovers into r's member, joined to those that are there.
func keep(r *hansa.Record, more []leftover) {
	if len(more) == 0 {
		return
	}
	s := r.Situation
	all := append(held(s), more...)
	slices.SortStableFunc(all, func(a, b leftover) int { return strings.Compare(a.path, b.path) })
	b := []byte{'{'}
	for i := 0; i < len(all); {
		j := i + 1
		for j < len(all) && all[j].path == all[i].path {
			j++
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(quote(b, all[i].path), ':')
		if j == i+1 {
			b = quote(b, all[i].value)
		} else {
			for k := i; k < j; k++ {
				b = append(b, "[,"[min(k-i, 1)])
				b = quote(b, all[k].value)
			}
			b = append(b, ']')
		}
		i = j
	}
	if s.Unknown == nil {
		s.Unknown = map[string]json.RawMessage{}
	}
	s.Unknown[member] = append(b, '}')
}

// held returns what s already keeps, by path.
func held(s *hansa.Situation) []leftover {
	raw := s.Unknown[member]
	if raw == nil {
		return nil
	}
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	var out []leftover
	for path, v := range m {
		switch v := v.(type) {
		case string:
			out = append(out, leftover{path: path, value: v})
		case []any:
			for _, e := range v {
				if text, ok := e.(string); ok {
					out = append(out, leftover{path: path, value: text})
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b leftover) int { return strings.Compare(a.path, b.path) })
	return out
}

// quote appends s as a JSON string.
func quote(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			q, _ := json.Marshal(s) //nolint:errchkjson // a string always marshals
			return append(b, q...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
