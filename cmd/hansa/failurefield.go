package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// place puts the field that is wrong before the message: the flag or the argument of n
// that says it, where n has one, with the field behind it.
func (f *failure) place(n *kong.Node) {
	if f.field == "" {
		return
	}
	at := f.field
	if n != nil {
		if typed := typedAs(n, f.field); typed != "" {
			at = typed + " (" + f.field + ")"
		}
	}
	f.message = at + ": " + bare(f.message)
}

// bare takes a capital that [sentence] gave: the message goes on behind its field.
func bare(s string) string {
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && (s[1] == ' ' || s[1] >= 'a' && s[1] <= 'z') {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

// typedNames are the flags and arguments that say a field under another name.
var typedNames = map[string][]string{"notice": {"on"}, "keeper": {"to"}, "purposes": {"purpose"}, "flows": {"flow"}, "formats": {"format"}, "id": {"id"}, "at": {"address", "url"}}

// typedAs is the flag or argument of n that says a field: a JSON pointer into the body,
// or ?NAME of the query; empty where there is none. What is wrong inside a text is wrong
// in the file that holds it.
func typedAs(n *kong.Node, field string) string {
	parts := strings.FieldsFunc(field, func(r rune) bool { return r == '/' || r == '?' })
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "body" })
	if len(parts) > 0 && slices.Contains([]string{"text", "gives"}, parts[0]) {
		parts = parts[:1]
	}
	for _, part := range slices.Backward(parts) {
		for _, name := range append([]string{part}, typedNames[part]...) {
			for _, a := range n.Positional {
				if a.Name == name {
					return "<" + name + ">"
				}
			}
			for _, group := range n.AllFlags(true) {
				for _, x := range group {
					if x.Name == name {
						return "--" + name
					}
				}
			}
		}
	}
	return ""
}
