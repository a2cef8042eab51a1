package format

import "bytes"

// xmlBinding is a prefix that stands for a namespace while an element is open.
type xmlBinding struct {
	prefix, space string
}

const (
	spaceXML      = "http://www.w3.org/XML/1998/namespace"
	spaceXInclude = "http://www.w3.org/2001/XInclude"
)

// declare notes an attribute that binds a prefix.
func (s *XMLScanner) declare(name, value []byte) error {
	prefix, ok := bytes.CutPrefix(name, []byte("xmlns"))
	if !ok || len(prefix) > 0 && prefix[0] != ':' {
		return nil
	}
	if string(value) == spaceXInclude {
		return s.syntax("XInclude is refused")
	}
	if len(prefix) > 0 {
		prefix = prefix[1:]
	}
	s.bindings = append(s.bindings, xmlBinding{string(prefix), string(value)})
	return nil
}

// split puts name's parts and namespace into n. The empty prefix binds elements
// alone.
func (s *XMLScanner) split(n *XMLName, name []byte, element bool) error {
	colon := bytes.IndexByte(name, ':')
	n.Space = ""
	if colon < 0 {
		n.Prefix, n.Local = name[:0], name
		if element {
			n.Space = s.space(name[:0])
		} else if string(name) == "xmlns" {
			n.Space = "xmlns"
		}
		return nil
	}
	n.Prefix, n.Local = name[:colon], name[colon+1:]
	if colon == 0 || len(n.Local) == 0 || bytes.IndexByte(n.Local, ':') >= 0 {
		return s.syntax("%.50q is not a name with a prefix", name)
	}
	n.Space = s.space(n.Prefix)
	return nil
}

// space returns what prefix stands for here.
func (s *XMLScanner) space(prefix []byte) string {
	for i := len(s.bindings) - 1; i >= 0; i-- {
		if b := &s.bindings[i]; b.prefix == string(prefix) {
			return b.space
		}
	}
	switch string(prefix) {
	case "xml":
		return spaceXML
	case "":
		return ""
	}
	return string(prefix)
}

// Resolve returns the namespace and the local part of a value that is a name,
// such as that of xsi:type.
func (s *XMLScanner) Resolve(value []byte) (space string, local []byte) {
	if prefix, local, ok := bytes.Cut(value, []byte(":")); ok {
		return s.space(prefix), local
	}
	return s.space(value[:0]), value
}

// Namespaces returns the declarations in force here as they would be written,
// so that a part cut out of the document can be read by itself.
func (s *XMLScanner) Namespaces() string {
	var b []byte
	for i, x := range s.bindings {
		if s.hidden(i) {
			continue
		}
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(b, "xmlns"...)
		if x.prefix != "" {
			b = append(append(b, ':'), x.prefix...)
		}
		b = append(append(append(b, "='"...), EscapeXML(x.space)...), '\'')
	}
	return string(b)
}

// hidden reports whether a later binding of the same prefix replaces the i-th.
func (s *XMLScanner) hidden(i int) bool {
	for _, later := range s.bindings[i+1:] {
		if later.prefix == s.bindings[i].prefix {
			return true
		}
	}
	return false
}
