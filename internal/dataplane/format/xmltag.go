package format

import (
	"bytes"

	"github.com/hansa-exchange/hansa"
)

// startTag reads <name a="b" ...> or <name/>.
func (s *XMLScanner) startTag() error {
	if len(s.open) == 0 && s.rooted {
		return s.syntax("a document has one root, this one has a second")
	}
	if len(s.open) >= DepthMax {
		return s.syntax("elements are nested deeper than %d", DepthMax)
	}
	end, err := s.tagEnd()
	if err != nil {
		return err
	}
	t := s.buf[s.tok+1 : end]
	s.pos = end + 1
	if n := len(t); n > 0 && t[n-1] == '/' {
		t, s.selfClose = t[:n-1], true
	}
	n := nameLength(t)
	if n <= 0 || n > XMLNameBytesMax {
		return s.nameFault(n)
	}
	name, rest := t[:n], t[n:]
	s.rooted = true
	bound := len(s.bindings)
	s.Attrs, s.scratch = s.Attrs[:0], s.scratch[:0]
	if len(rest) > 0 {
		if err := s.attributes(rest); err != nil {
			return err
		}
	}
	if err := s.split(&s.Name, name, true); err != nil {
		return err
	}
	s.open = append(s.open, xmlOpen{at: len(s.names), prefix: len(s.Name.Prefix), bindings: bound, space: s.Name.Space})
	s.names = append(s.names, name...)
	return nil
}

// tagEnd returns where the tag's > is, which is not within quotes.
func (s *XMLScanner) tagEnd() (int, error) {
	gt := s.find(s.tok+1, '>')
	if gt < 0 {
		return 0, s.cut()
	}
	if bytes.IndexByte(s.buf[s.tok:gt], '=') < 0 {
		return gt, nil
	}
	var quote byte
	for i := 1; ; {
		for _, c := range s.buf[s.tok+i : s.end] {
			switch {
			case quote != 0:
				if c == quote {
					quote = 0
				}
			case c == '"' || c == '\'':
				quote = c
			case c == '>':
				return s.tok + i, nil
			}
			i++
		}
		if !s.more() {
			return 0, s.cut()
		}
	}
}

// endTag reads </name>, which must close the last open element.
func (s *XMLScanner) endTag() error {
	gt := s.find(s.pos+2, '>')
	if gt < 0 {
		return s.cut()
	}
	name := s.buf[s.tok+2 : gt]
	for n := len(name); n > 0 && isSpace(name[n-1]); n = len(name) {
		name = name[:n-1]
	}
	s.pos = gt + 1
	if len(s.open) == 0 {
		return s.syntax("</%.50s> closes nothing", name)
	}
	if o := s.nameOf(len(s.open) - 1); !bytes.Equal(o, name) {
		return s.syntax("<%s> is closed by </%.50s>", o, name)
	}
	s.pop()
	return nil
}

// pop closes the last open element and puts its name in s.Name.
func (s *XMLScanner) pop() {
	o := s.open[len(s.open)-1]
	name := s.names[o.at:]
	s.Name.Space, s.Name.Prefix, s.Name.Local = o.space, name[:o.prefix], name[o.prefix:]
	if o.prefix > 0 {
		s.Name.Local = name[o.prefix+1:]
	}
	s.open = s.open[:len(s.open)-1]
	s.names = s.names[:o.at]
	s.bindings = s.bindings[:o.bindings]
	s.Attrs = s.Attrs[:0]
}

// attributes reads what follows the name in a start tag.
func (s *XMLScanner) attributes(t []byte) error {
	for {
		rest := trimSpace(t)
		if len(rest) == 0 {
			break
		}
		if len(rest) == len(t) {
			return s.syntax("white space is missing before an attribute")
		}
		n := nameLength(rest)
		if n <= 0 || n > XMLNameBytesMax {
			return s.nameFault(n)
		}
		if len(s.Attrs) == AttributesMax {
			return s.syntax("an element has more than %d attributes", AttributesMax)
		}
		name := rest[:n]
		value, after, err := s.value(trimSpace(rest[n:]))
		if err != nil {
			return err
		}
		t = after
		s.Attrs = append(s.Attrs, XMLAttr{Name: XMLName{Local: name}, Value: value})
		if err := s.declare(name, value); err != nil {
			return err
		}
	}
	for i := range s.Attrs {
		a := &s.Attrs[i]
		if err := s.split(&a.Name, a.Name.Local, false); err != nil {
			return err
		}
		for j := range i {
			b := &s.Attrs[j]
			if bytes.Equal(a.Name.Local, b.Name.Local) && a.Name.Space == b.Name.Space {
				return s.syntax("the attribute %s is given twice", a.Name.Local)
			}
		}
	}
	return nil
}

// value reads ="..." and returns the value and what follows.
func (s *XMLScanner) value(t []byte) (value, after []byte, err error) {
	if len(t) == 0 || t[0] != '=' {
		return nil, nil, s.syntax("an attribute has no value")
	}
	t = trimSpace(t[1:])
	if len(t) == 0 || t[0] != '"' && t[0] != '\'' {
		return nil, nil, s.syntax("an attribute's value is not in quotes")
	}
	n := bytes.IndexByte(t[1:], t[0])
	if n < 0 {
		return nil, nil, s.syntax("an attribute's value has no end")
	}
	value, after = t[1:1+n], t[2+n:]
	if bytes.IndexByte(value, '<') >= 0 {
		return nil, nil, s.syntax("< in an attribute's value")
	}
	value, err = s.resolve(value, false)
	return value, after, err
}

func (s *XMLScanner) nameFault(n int) error {
	if n > XMLNameBytesMax {
		return s.fault(hansa.CodeTooLarge, "a name is longer than %d bytes", XMLNameBytesMax)
	}
	return s.syntax("< or white space without a name after it")
}
